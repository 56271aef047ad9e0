"""Does what people of chat platforms want, through the gateway's API, and shows them the outcome.

A job may be done twice if its process dies before the commit. The gateway then answers a rewrite from its
`Idempotency-Key`, which is the job's id, and a vote replaces itself; the person may see an answer twice.
The receipts of answers stay in the results of jobs: a platform never gets one, so it cannot vote for anybody.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from data.channels import links
from data.channels.links import Link
from data.database import transaction_of
from data.jobs import listing, queue
from data.jobs.config import JobsConfig
from data.jobs.queue import ClaimedJob, Failure, Kind, State
from data.reasons import Language, Reason, reason
from models import facts
from serving import differences
from serving.channels import terms
from serving.channels.gateway import Gateway
from serving.channels.orders import Order, open_place
from serving.channels.proposals import find_proposal
from serving.channels.shown import Copied, Explained, Rewritten, Said, Shown, TwoRewrites
from serving.channels.vault import Vault
from serving.channels.workspaces import Workspace, Workspaces
from serving.observability import job_spans
from serving.sites.api import GatewayError
from serving.sites.words import Words
from serving.worker.loop import Work

log = logging.getLogger(__name__)

_SOON_S = 0.5  # until the job of the answer that a button belongs to has ended
_PASSING = frozenset({429, 500, 502, 503, 504})  # statuses of a gateway that may answer later


class PlatformError(Exception):
    """A platform did not take an answer, and why. `retry_s` is when to try again; None: never. While it is
    only busy, the attempt does not count.
    """

    def __init__(self, why: Reason, retry_s: float | None, is_busy: bool = False) -> None:
        super().__init__(str(why))
        self.why, self.retry_s, self.is_busy = why, retry_s, is_busy


class GoneError(Exception):
    """The person has closed what an answer was for."""


class Platform(Protocol):
    """Shows outcomes to people of one platform. Methods raise PlatformError."""

    help_command: str

    async def show(self, workspace: Workspace, where: Mapping[str, Any], shown: Shown, words: Words) -> None:
        """Show something at a place of the platform; GoneError when the place is no longer there."""

    async def find_language(self, workspace: Workspace, person: str) -> Language | None:
        """The language in which the platform shows itself to a person; None when the request to agree had it,
        so that it is stored already.
        """


class _Wish(NamedTuple):
    """An order, with all that is needed to do it."""

    job: ClaimedJob
    order: Order
    workspace: Workspace
    link: Link
    words: Words

    @property
    def user(self) -> str:
        """The person's name at the gateway."""
        return links.name_user(self.workspace.installation, self.order.person)


class _NotYetError(Exception):
    """The job that a button belongs to is not done yet."""


class Replies:
    """The handler of jobs of kind `channel_reply`. Belongs to one event loop."""

    most, lists_at_once = 8, 2
    is_ready = True

    def __init__(
        self,
        pool: AsyncConnectionPool,
        workspaces: Workspaces,
        vault: Vault,
        gateway: Gateway,
        platforms: Mapping[str, Platform],
        config: JobsConfig,
    ) -> None:
        self._pool, self._workspaces, self._vault, self._gateway = pool, workspaces, vault, gateway
        self._platforms, self._config = platforms, config
        self.most_attempts = config.most_attempts

    async def __call__(self, claimed: Sequence[ClaimedJob]) -> Work:
        """Do each job for itself, all at the same time."""
        outcomes = await asyncio.gather(*map(self._reply, claimed))
        both = zip(claimed, outcomes, strict=True)
        results = [(job, outcome) for job, outcome in both if not isinstance(outcome, Failure)]
        failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
        return Work(results, failures, _store_nothing, lambda _: None)

    async def _reply(self, job: ClaimedJob) -> dict[str, Any] | Failure:
        with job_spans.attempt(Kind.CHANNEL_REPLY, [job]) as span:
            outcome = await self._try(job)
            job_spans.conclude(span, [outcome])
        return outcome

    async def _try(self, job: ClaimedJob) -> dict[str, Any] | Failure:
        try:
            return await self._do(job, Order.model_validate(job.payload))
        except _NotYetError:
            return Failure(job, [], _SOON_S, is_counted=False)
        except PlatformError as error:
            is_last = job.attempts >= self.most_attempts and not error.is_busy
            return Failure(job, [error.why], None if is_last else error.retry_s, not error.is_busy)
        except GatewayError as error:
            return Failure(job, error.reasons, self._delay_s(job))
        except (psycopg.OperationalError, PoolTimeout):
            return Failure(job, [], self._config.poll_s, is_counted=False)
        except Exception:  # one job must not end the others of its list
            log.exception("a reply fails: %s", job.id)
            return Failure(job, [reason("job_failed")], self._delay_s(job))

    def _delay_s(self, job: ClaimedJob) -> float | None:
        config = self._config
        if job.attempts >= self.most_attempts:
            return None
        return queue.compute_delay_s(job.failures, config.first_retry_s, config.longest_retry_s)

    async def _do(self, job: ClaimedJob, order: Order) -> dict[str, Any] | Failure:
        workspace = await self._workspaces.find(order.platform, order.workspace)
        if workspace is None or workspace.installation.organisation_id != job.organisation_id:
            return Failure(job, [reason("workspace_disconnected")], None)
        async with self._pool.connection() as connection, transaction_of(connection, job.organisation_id):
            link = await links.find(connection, workspace.installation, order.person)
        if link is None:  # the person has left meanwhile
            return {}
        if order.verb == "agree":
            link = await self._learn_language(order, workspace, link)
        wish = _Wish(job, order, workspace, link, Words(link.language))
        try:
            shown, result = await self._obey(wish)
        except GatewayError as error:
            if error.status in _PASSING and job.attempts < self.most_attempts:
                raise
            shown, result = Said(error.explain(wish.words).unescape()), {"refused": error.status}
            if order.rule:  # nobody has asked
                shown = None
        if shown is None:
            return result
        where = open_place(self._vault, workspace, order)
        try:
            await self._platforms[order.platform].show(workspace, where, shown, wish.words)
        except GoneError:
            log.info("the person has closed what the answer was for: %s", job.id)
        return result

    async def _obey(self, wish: _Wish) -> tuple[Shown | None, dict[str, Any]]:
        """What the person sees, if anything, and what is kept of it for the buttons."""
        match wish.order.verb:
            case "rewrite" if wish.order.rule:
                return await self._propose(wish)
            case "rewrite":
                return await self._rewrite(wish)
            case "agree":
                return await self._agree(wish)
            case "leave" | "erase":
                return await self._leave(wish)
            case "compare":
                return await self._compare(wish)
            case "choose":
                return await self._choose(wish)
            case "use" | "thumb" | "edit":
                return await self._vote(wish)
            case "why":
                return await self._explain(wish)
            case "terms":
                return await self._answer_terms(wish)

    async def _ask(self, wish: _Wish, method: str, path: str, body: Any, is_once: bool = False) -> Any:
        key = str(wish.job.id) if is_once else None
        return await self._gateway.ask(wish.workspace.api_key, method, path, body, key)

    async def _rewrite(self, wish: _Wish, note: str = "") -> tuple[Rewritten, dict[str, Any]]:
        order, kind, intensity = wish.order, wish.order.transform_type, wish.order.intensity
        if order.kind_is_open and (
            proposal := await find_proposal(self._gateway, wish.workspace, wish.link, order.text)
        ):
            kind, intensity, note = (
                proposal.transform_type,
                proposal.intensity,
                _name_rule(wish, proposal.rule),
            )
        request = _request(wish, order.text, kind, intensity)
        answer = await self._ask(wish, "POST", "/transform", request, is_once=True)
        result = {"request": request, "answer": answer}
        return _show_answer(wish.job.id, result, note), result

    async def _propose(self, wish: _Wish) -> tuple[Shown | None, dict[str, Any]]:
        """What a rule proposes, if that differs from the message."""
        rewritten, result = await self._rewrite(wish, _name_rule(wish, wish.order.rule))
        return (rewritten if rewritten.unchanged is None else None), result

    async def _learn_language(self, order: Order, workspace: Workspace, link: Link) -> Link:
        """The link of a person who has just agreed, with the language of their platform."""
        installation = workspace.installation
        language = await self._platforms[order.platform].find_language(workspace, order.person)
        if language is None:
            return link
        async with (
            self._pool.connection() as connection,
            transaction_of(connection, installation.organisation_id),
        ):
            return await links.store(connection, installation, order.person, language)

    async def _agree(self, wish: _Wish) -> tuple[Shown, dict[str, Any]]:
        if wish.order.text:
            return await self._rewrite(wish)
        command = self._platforms[wish.order.platform].help_command
        say = wish.words.say
        return Said(say("You can rewrite messages now. Send %(command)s to see how.", command=command)), {}

    async def _leave(self, wish: _Wish) -> tuple[Shown, dict[str, Any]]:
        say, installation = wish.words.say, wish.workspace.installation
        sentence = say("ToneBridge no longer knows who you are here. What you wrote and voted is kept.")
        if wish.order.verb == "erase":
            await self._ask(wish, "POST", "/erasures", {"erase": "everything", "user_id": wish.user})
            sentence = say("What you wrote and voted here is being deleted. ToneBridge no longer knows you.")
        async with (
            self._pool.connection() as connection,
            transaction_of(connection, installation.organisation_id),
        ):
            await links.remove(connection, installation, wish.order.person)
        return Said(sentence), {}

    async def _compare(self, wish: _Wish) -> tuple[Shown, dict[str, Any]]:
        about = await self._find_result(wish)
        if about is None:
            return too_old(wish.words), {}
        compared = await self._ask(wish, "POST", "/compare", about["request"])
        first, second = (compared[side]["transformed_text"] for side in ("first", "second"))
        if first == second:
            return Said(wish.words.say("There is only one way to rewrite this message at the moment.")), {}
        return TwoRewrites(wish.job.id, first, second), {"compared": compared}

    async def _choose(self, wish: _Wish) -> tuple[Shown, dict[str, Any]]:
        about, preferred = await self._find_result(wish), wish.order.preferred
        if about is None or "compared" not in about:
            return too_old(wish.words), {}
        compared = about["compared"]
        vote = {"receipt": compared["receipt"], "kind": "comparison", "preferred": preferred}
        await self._ask(wish, "POST", "/feedback", vote)
        if preferred in ("first", "second"):
            return Copied(compared[preferred]["transformed_text"]), {}
        return Said(wish.words.say("Thank you. It is stored that you chose neither of them.")), {}

    async def _vote(self, wish: _Wish) -> tuple[Shown, dict[str, Any]]:
        about, order, say = await self._find_result(wish), wish.order, wish.words.say
        if about is None or "answer" not in about:
            return too_old(wish.words), {}
        vote: dict[str, Any] = {"kind": "thumb", "up": order.verb == "use" or bool(order.up)}
        if order.verb == "edit":
            vote = {"kind": "edit", "text": order.text}
        await self._ask(wish, "POST", "/feedback", {"receipt": about["answer"]["receipt"], **vote})
        if order.verb == "use":
            return Copied(about["answer"]["transformed_text"]), {}
        if order.verb == "edit":
            return Copied(order.text), {}
        note = say("Noted: better.") if order.up else say("Noted: worse.")
        return _show_answer(_about(order), about, note), {}

    async def _explain(self, wish: _Wish) -> tuple[Shown, dict[str, Any]]:
        about = await self._find_result(wish)
        if about is None or "answer" not in about:
            return too_old(wish.words), {}
        message, answer = about["request"]["text"], about["answer"]
        missing = tuple(answer["facts_missing"])
        explained = Explained(
            _about(wish.order),
            differences.compare(message, answer["transformed_text"]),
            tuple(fact for _, fact in facts.extract(message) if fact not in missing),
            missing,
            _read_unchanged(answer),
            answer["version"],
        )
        return explained, {}

    async def _answer_terms(self, wish: _Wish) -> tuple[Shown, dict[str, Any]]:
        change, api_key = wish.order.change, wish.workspace.api_key
        command = self._platforms[wish.order.platform].help_command
        return await terms.answer(self._gateway, api_key, wish.user, change, command, wish.words), {}

    async def _find_result(self, wish: _Wish) -> Mapping[str, Any] | None:
        """What is kept of the job that a button belongs to; None when it is gone. _NotYetError while the job
        runs: a person may click before the commit.
        """
        async with (
            self._pool.connection() as connection,
            transaction_of(connection, wish.job.organisation_id),
        ):
            row = await listing.read_result(connection, _about(wish.order), wish.link.user_id)
        if row is None:
            return None
        state, result = row
        if state in (State.WAITING, State.RUNNING):
            raise _NotYetError
        return result or None


def _about(order: Order) -> UUID:
    assert order.about is not None, order.verb
    return order.about


def _name_rule(wish: _Wish, rule: str) -> str:
    """What a person reads beside the rewrite of a rule."""
    return wish.words.say("The rule “%(name)s” suggests this. Only you see it.", name=rule)


def _request(wish: _Wish, text: str, transform_type: str, intensity: int) -> dict[str, Any]:
    """The body of a request to rewrite."""
    return {
        "text": text,
        "transform_type": transform_type,
        "intensity": intensity,
        "user_id": wish.user,
        "locale": wish.link.language,
        "channel": wish.order.platform,
    }


def _show_answer(job: UUID, result: Mapping[str, Any], note: str = "") -> Rewritten:
    answer = result["answer"]
    missing, unchanged = tuple(answer["facts_missing"]), _read_unchanged(answer)
    return Rewritten(job, answer["transformed_text"], missing, unchanged, note)


def _read_unchanged(answer: Mapping[str, Any]) -> Reason | None:
    unchanged = answer["unchanged"]
    return None if unchanged is None else Reason(code=unchanged["code"], values=unchanged["values"])


def too_old(words: Words) -> Said:
    """What a person sees whose button is of a rewrite that is no longer kept, or is not theirs."""
    return Said(words.say("This rewrite is no longer kept. Have the message rewritten again."))


async def _store_nothing(connection: AsyncConnection, held: Collection[UUID]) -> None:
    pass
