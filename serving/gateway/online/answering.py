"""The online path: assign -> cache -> service -> output row -> answer, and the same for a comparison of two.

Assignment comes before the cache: otherwise a hit could show one arm's output to people of the other arm, and
credit its feedback to the wrong one. An output is committed before the answer is sent. The answer's own row
is narrow, and is written a fraction of a second later.
"""

import asyncio
import logging
import random
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

import msgspec
import psycopg
import uuid_utils
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from pydantic import BaseModel, Field

from data.fields import FactsMissing, Id, VersionName
from data.reasons import Reason, Value
from data.records import Spec, TermRule
from data.tables import new_id
from data.traffic import comparisons, evidence_messages, outputs, receipts
from data.traffic.answers import AnswerWriter, FullError, NewAnswer, Person, find_exposures
from data.traffic.comparisons import InForce, Policy, Shown
from data.traffic.outputs import Namer, NewOutput, OutputWriter
from data.traffic.receipts import Receipt, Signer
from models.preview import Preview
from serving.gateway.auth import Caller
from serving.gateway.dictionaries import Dictionaries
from serving.gateway.heartbeat import Directory
from serving.gateway.online.admission import Rank, Ticket
from serving.gateway.online.broken import ArmFailures
from serving.gateway.online.cache import Cache, CachedOutput, Level
from serving.gateway.online.placement import Arm, Message, PlacedPerson, RoutingEpoch
from serving.gateway.online.upstream import Upstream
from serving.gateway.problems import NoChallengerError, UnavailableError, VersionFailedError
from serving.inference.client import Item, Rewritten
from serving.observability import spans
from serving.observability.spans import Thing

log = logging.getLogger(__name__)

_MAX_PEOPLE = 50_000  # kept in memory with their arms; past it all are looked up again


class Unchanged(BaseModel):
    """Why a text is the message itself: the reason's code, its values, and the sentence in English."""

    code: Annotated[str, Field(description="code in the catalogue", examples=["unchanged_nothing_to_do"])]
    values: Annotated[
        Mapping[str, Value], Field(description="what the sentence is about, by name", examples=[{}])
    ]
    text: Annotated[
        str, Field(description="the reason in English", examples=["The message needs no change."])
    ]


WhyUnchanged = Annotated[
    Unchanged | None,
    Field(description="why the text is the message itself; null when the model wrote it", examples=[None]),
]
AnswerId = Annotated[Id, Field(description="the answer")]
ReceiptText = Annotated[
    str,
    Field(description="the signed token that takes feedback", examples=["TiN0uSel66AzQ2Zl1Ybd9w0rXJ0aV5n4"]),
]
TransformedText = Annotated[
    str,
    Field(description="the rewrite", examples=["Could you please fix the login page before Monday?"]),
]
VariantName = Annotated[
    str,
    Field(description="the arm of an experiment, or `champion` outside of one", examples=["champion"]),
]
CacheLevel = Annotated[
    Level,
    Field(description="l1: from the gateway's memory, l2: from Redis, miss: written now", examples=["miss"]),
]
FellBack = Annotated[bool, Field(description="the champion answered, because the arm could not")]


class Answer(BaseModel):
    """One reply to one person."""

    answer_id: AnswerId
    receipt: ReceiptText
    transformed_text: TransformedText
    variant: VariantName
    version: Annotated[VersionName, Field(description="the version that wrote the text")]
    cache: CacheLevel
    fallback: FellBack
    facts_missing: FactsMissing
    unchanged: WhyUnchanged


class Work(NamedTuple):
    """What the inference service did for an answer: the seconds that it took, and the tokens that it read and
    wrote for this request. Requests that share one call share its seconds; the tokens are those of the
    request that started it.
    """

    upstream_s: float = 0.0
    prompt_tokens: int = 0
    tokens: int = 0


_NO_WORK = Work()


class EncodedAnswer(NamedTuple):
    """An answer as it is sent, JSON of `Answer`, and its facts for the telemetry."""

    body: bytes
    answer_id: str
    cache: Level
    fell_back: bool
    work: Work


class Prepared(NamedTuple):
    """An answer that is not stored yet: its row, its JSON, its output and the output's cache key."""

    answer: NewAnswer
    body: bytes
    output: CachedOutput
    name: bytes


class Side(BaseModel):
    """One of the two outputs of a comparison."""

    transformed_text: TransformedText
    facts_missing: FactsMissing
    unchanged: WhyUnchanged


class Compared(BaseModel):
    """Two outputs for one message, in random order; the receipt takes the vote."""

    comparison_id: Annotated[Id, Field(description="the comparison")]
    receipt: ReceiptText
    policy: Annotated[Policy, Field(description="where the two outputs come from")]
    first: Side
    second: Side


class Online:
    """Answers an admitted request: assign an arm, read the cache, call the service, store the output, queue
    the answer row. Belongs to one event loop.
    """

    def __init__(
        self,
        pool: AsyncConnectionPool,
        directory: Directory,
        dictionaries: Dictionaries,
        cache: Cache,
        upstream: Upstream,
        answers: AnswerWriter,
        receipt_secret: bytes,
        evidence_share: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`evidence_share` is that of `CompareConfig`. `clock` gives the breakers of experiment arms the time
        in seconds.
        """
        self._pool, self._directory, self._dictionaries = pool, directory, dictionaries
        self._cache, self._upstream, self._answers = cache, upstream, answers
        self._secret, self._evidence_share, self._clock = receipt_secret, evidence_share, clock
        self._outputs, self.arm_failures = OutputWriter(pool), ArmFailures(pool)
        self._signer, self._namer = Signer(receipt_secret), Namer()
        self._people: dict[tuple[str, str | None], PlacedPerson] = {}
        self._epoch: RoutingEpoch | None = None

    def recall(self, caller: Caller, message: Message) -> tuple[PlacedPerson, Arm, CachedOutput] | None:
        """The person whom a message is from, their arm and its output, for `make_answer`. None when one of
        them is not in memory, or no answer may be given now.
        """
        if self._answers.is_full:
            return None
        try:
            epoch = self._current()
        except UnavailableError:
            return None
        person = self._person(caller, message.external_id, epoch)
        if person.is_exposure_unknown:
            return None
        if person.terms_revision != self._dictionaries.revision and not self._recall_terms(person):
            return None
        if person.terms is not None:
            message = message._replace(excerpt=person.terms.excerpt(message.text))
        arm = person.arm(message) or epoch.champion
        output = self._cache.recall(self._name(person, message, arm))
        return (person, arm, output) if output is not None else None

    async def transform(
        self,
        caller: Caller,
        message: Message,
        preview: Preview | None = None,
        rank: Rank = Rank.CHAMPION,
    ) -> EncodedAnswer:
        """Answer one message. Raises UnavailableError when neither the arm nor the champion can answer.
        `rank` is that of a message which the champion answers.

        `preview` shows the draft of an output that this call makes. When the call is cancelled, the
        generation ends, unless another request waits for the same output.
        """
        began = time.perf_counter()
        if self._answers.is_full:
            raise FullError("too many answers wait for Postgres")
        epoch = self._current()
        person = self._person(caller, message.external_id, epoch)
        message = await self._consult(person, message)
        arm = await self._find_arm(person, message, epoch)
        try:
            output, level, fell_back, work = await self._answer_in(person, message, arm, epoch, rank, preview)
        except UnavailableError:
            self._answers.add_failure(person, arm)
            raise
        except asyncio.CancelledError:
            if preview is not None and preview.text:
                self._expose(person, arm)
                self._answers.add_draft(person, arm)
            raise
        return self.make_answer(person, arm, message, output, level, began, fell_back, work)

    async def prepare(self, person: PlacedPerson, message: Message, made: dict[bytes, NewOutput]) -> Prepared:
        """What answers a message, with nothing stored, cached or counted. Errors as `transform`.

        `made` gets each new output by its id; calls at the same time with the same `made` share outputs. The
        caller stores them with the answers, in one transaction, and calls `keep` after the commit.
        """
        began = time.perf_counter()
        epoch = self._current()
        if person.epoch != epoch.number:
            epoch.place(person)
        message = await self._consult(person, message)
        arm = await self._find_arm(person, message, epoch)
        output, level, fell_back, work = await self._answer_in(
            person, message, arm, epoch, Rank.BATCH, None, made
        )
        answer, encoded = self._build_answer(person, arm, message, output, level, began, fell_back, work)
        used = epoch.champion if fell_back else arm
        return Prepared(answer, encoded.body, output, self._name(person, message, used))

    def keep(self, prepared: Prepared) -> None:
        """Cache the output of an answer, which is stored now."""
        self._cache.keep(prepared.name, prepared.output)

    def _recall_terms(self, person: PlacedPerson) -> bool:
        """Keep with a person the terms that apply to them; False while these have to be read."""
        terms = self._dictionaries.recall(person.organisation_id, person.id)
        if terms is None:
            return False
        person.terms, person.terms_revision = terms if terms.count else None, self._dictionaries.revision
        return True

    async def _consult(self, person: PlacedPerson, message: Message) -> Message:
        """The message with the terms that it has of the dictionaries of a person and their organisation;
        UnavailableError when these cannot be read.
        """
        while person.terms_revision != self._dictionaries.revision and not self._recall_terms(person):
            await self._dictionaries.get(person.organisation_id, person.id)
        if person.terms is None:
            return message
        return message._replace(excerpt=person.terms.excerpt(message.text))

    async def _find_arm(self, person: PlacedPerson, message: Message, epoch: RoutingEpoch) -> Arm:
        if person.is_exposure_unknown:
            await self._find_exposures(person, epoch)
        # While their arm is unknown the champion answers, and the answer counts in no arm.
        return (None if person.is_exposure_unknown else person.arm(message)) or epoch.champion

    async def _answer_in(
        self,
        person: PlacedPerson,
        message: Message,
        arm: Arm,
        epoch: RoutingEpoch,
        rank: Rank,
        preview: Preview | None,
        made: dict[bytes, NewOutput] | None = None,
    ) -> tuple[CachedOutput, Level, bool, Work]:
        """The output of the arm, or of the champion if the arm cannot answer; its level, whether the champion
        answered instead, and what the service did for it. Both wait within the time of one ticket.
        """
        is_champion = arm.digest == epoch.champion.digest
        ticket = self._upstream.ticket(rank if is_champion else max(rank, Rank.CHALLENGER))
        try:
            output, level, work = await self._output(person, message, arm, ticket, preview, made)
        except UnavailableError as error:
            if is_champion:
                raise
            ticket = Ticket(ticket.deadline, rank)
            output, level, work = await self._output(person, message, epoch.champion, ticket, preview, made)
            # A rewrite that the champion has just made shows that the service works, so the arm is at fault.
            # A cached rewrite shows nothing.
            if isinstance(error, VersionFailedError) and level == "miss":
                self.arm_failures.record_failure(arm)
            return output, level, True, work
        return output, level, False, work

    @property
    def open_breakers(self) -> int:
        """Experiment arms whose breaker is open."""
        return self._epoch.open_breakers if self._epoch is not None else 0

    def forget(self) -> None:
        """Clear outputs, people and dictionaries from memory, after an erasure."""
        self._cache.forget()
        self._dictionaries.forget()
        self._people.clear()

    def make_answer(
        self,
        person: PlacedPerson,
        arm: Arm,
        message: Message,
        output: CachedOutput,
        level: Level,
        began: float,
        fell_back: bool = False,
        work: Work = _NO_WORK,
    ) -> EncodedAnswer:
        """A new answer to a message of a person in an arm, with an output; its row is queued for Postgres.
        `began` is `time.perf_counter()` at the start of the request.
        """
        answer, encoded = self._build_answer(person, arm, message, output, level, began, fell_back, work)
        self._expose(person, arm)
        self._answers.add(answer)
        return encoded

    def _build_answer(
        self,
        person: PlacedPerson,
        arm: Arm,
        message: Message,
        output: CachedOutput,
        level: Level,
        began: float,
        fell_back: bool,
        work: Work,
    ) -> tuple[NewAnswer, EncodedAnswer]:
        """The row of an answer, and the answer as it is sent."""
        answer_id = uuid_utils.uuid7()
        answer = NewAnswer(
            answer_id.bytes,
            output.output_id,
            person,
            arm,
            level,
            fell_back,
            (time.perf_counter() - began) * 1000,
            message.locale,
            message.channel,
        )
        receipt = self._signer.sign(
            receipts.TO_A_PERSON if person.key_id is None else receipts.TO_A_KEYS_USER,
            output.output_id,
            person.ids,
            arm.placed_part,
            int(time.time()).to_bytes(4),
            arm.variant_part,
            receipts.pack_name(output.version),
        )
        id_text = str(answer_id)
        return answer, EncodedAnswer(
            b'{"answer_id":"%b","receipt":"%b","variant":%b,%b,"cache":"%b","fallback":%b}'
            % (
                id_text.encode(),
                receipt,
                arm.json,
                output.fields_json,
                level.encode(),
                b"true" if fell_back else b"false",
            ),
            id_text,
            level,
            fell_back,
            work,
        )

    def _expose(self, person: PlacedPerson, arm: Arm) -> None:
        if arm.experiment_id is not None:
            person.exposed_arms[arm.experiment_id] = arm.variant

    async def compare(self, caller: Caller, message: Message, policy: Policy | None) -> Compared:
        """Two outputs for one message, uncached, in random order; see `rewrite_twice`."""
        organisation_id = caller.identity.organisation_id
        comparison_id, (user_id, _) = new_id(), caller.user(message.external_id)
        chosen, pair = await self.rewrite_twice(organisation_id, user_id, message, policy)
        first, second = random.sample(pair, 2)
        try:
            async with self._pool.connection() as connection:
                await outputs.store_comparison(connection, comparison_id, user_id, chosen, first, second)
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise UnavailableError("comparison_not_stored") from error
        for output in pair:
            spans.record(Thing.OUTPUT, str(output.id), version=output.version)
        return Compared(
            comparison_id=comparison_id,
            receipt=self.sign_comparison(caller, user_id, comparison_id, chosen, first.id),
            policy=chosen,
            first=make_side(first),
            second=make_side(second),
        )

    async def rewrite_twice(
        self, organisation_id: uuid.UUID, user_id: uuid.UUID | None, message: Message, policy: Policy | None
    ) -> tuple[Policy, list[NewOutput]]:
        """The policy, and two outputs for one message, made without the cache and not stored. Both count
        against the monthly quota, even if they are never shown. Without a person, only the organisation's
        dictionary applies.

        Without a policy: two versions of an experiment when there is a challenger and the message is for
        evidence, else two samples of the champion.
        """
        routing, opponents = self._current().routing, None
        terms = await self._dictionaries.get(organisation_id, user_id)
        message = message._replace(excerpt=terms.excerpt(message.text))
        if policy is None and evidence_messages.is_for_evidence(message.text, self._evidence_share):
            opponents = comparisons.draw_opponents(routing)
        elif policy is not None and policy != "two_samples":
            opponents = comparisons.draw_opponents(routing, policy)
            if opponents is None and routing.challengers:
                raise NoChallengerError("no_second_challenger")
            if opponents is None:
                raise NoChallengerError("no_challenger")
        if opponents is None:
            pair = await self._sample_two(organisation_id, message, routing.sampled)
        else:
            greedy = (
                self._make(organisation_id, message, spec, self._upstream.ticket(Rank.CHALLENGER))
                for spec in opponents.specs
            )
            pair = list(await asyncio.gather(*greedy))
        self._answers.add_written(organisation_id, len(pair))
        return opponents.policy if opponents else "two_samples", pair

    def sign_comparison(
        self,
        caller: Caller,
        user_id: uuid.UUID,
        comparison_id: uuid.UUID,
        policy: str,
        first_output_id: uuid.UUID,
    ) -> str:
        """The receipt of a comparison. It names no version: a person who decodes it before they choose must
        not learn which version wrote which text.
        """
        receipt = Receipt(
            output_id=first_output_id,
            organisation_id=caller.identity.organisation_id,
            user_id=user_id,
            experiment_id=None,
            comparison_id=comparison_id,
            variant=policy,
            version="",
            epoch=self._current().number,
            issued_at=int(time.time()),
            is_personal=caller.key_id is None,
        )
        return receipts.sign(receipt, self._secret)

    @property
    def compared(self) -> InForce:
        """What new comparisons are like now; UnavailableError before the first release."""
        return comparisons.describe_in_force(self._current().routing)

    def _current(self) -> RoutingEpoch:
        """The routing in force; UnavailableError as `Directory.current`."""
        number, routing = self._directory.current()
        if self._epoch is None or self._epoch.number != number:
            self._epoch = RoutingEpoch(number, routing, self._clock)
        return self._epoch

    def _person(self, caller: Caller, external_id: str | None, epoch: RoutingEpoch) -> PlacedPerson:
        """The person who is answered, with their arms in this epoch."""
        # A token's subject is one person under any of its organisation's signing keys.
        name = (caller.identity.key_id, external_id if caller.subject is None else caller.subject)
        person = self._people.get(name)
        if person is None:
            if len(self._people) >= _MAX_PEOPLE:
                self._people.clear()
            user_id, stored_name = caller.user(external_id)
            person = PlacedPerson(user_id, caller.identity.organisation_id, caller.key_id, stored_name)
            self._people[name] = person
        if person.epoch != epoch.number:
            epoch.place(person)
        return person

    async def _find_exposures(self, person: PlacedPerson, epoch: RoutingEpoch) -> None:
        """Look up which arms a person was exposed to. While Postgres is unavailable they stay unknown."""
        try:
            async with self._pool.connection() as connection:
                exposures = await find_exposures(connection, person)
        except (psycopg.Error, PoolTimeout, OSError) as error:
            log.warning("the arms that a person was exposed to cannot be read: %s", error)
        else:
            epoch.place_with_exposures(person, exposures)

    async def _output(
        self,
        person: Person,
        message: Message,
        arm: Arm,
        ticket: Ticket,
        preview: Preview | None,
        made: dict[bytes, NewOutput] | None,
    ) -> tuple[CachedOutput, Level, Work]:
        """The arm's output, the level that it came from, and what the service did for it. A new output is
        stored; with `made` it is added there instead, and not cached. When all who wait for it have left, its
        generation ends, and a message whose turn has not come is dropped.

        Only the request that started the call gets VersionFailedError; those that joined it get
        UnavailableError. So each failure is counted once.
        """
        is_own_call, tokens = False, (0, 0)

        async def make() -> tuple[CachedOutput, float]:
            nonlocal is_own_call, tokens
            is_own_call = True
            output = await self._make_in_arm(person.organisation_id, message, arm, ticket, preview)
            tokens = output.prompt_tokens, output.tokens
            if made is not None:
                made[output.id.bytes] = output
            else:
                try:
                    await self._outputs.store(output)
                except (psycopg.OperationalError, PoolTimeout) as error:
                    raise UnavailableError("output_not_stored") from error
            spans.record(Thing.OUTPUT, str(output.id), version=output.version)
            fields = {
                "transformed_text": output.text,
                "facts_missing": output.facts_missing,
                "unchanged": explain(output.unchanged),
                "version": output.version,
            }
            cached = CachedOutput(output.id.bytes, output.version, msgspec.json.encode(fields)[1:-1])
            return cached, output.upstream_ms / 1000

        try:
            output, level, upstream_s = await self._cache.get_or_make(
                self._name(person, message, arm), make, is_kept=made is None
            )
            return output, level, Work(upstream_s, *tokens)
        except VersionFailedError as error:
            if is_own_call:
                raise
            raise UnavailableError("version_cannot_answer", version=arm.spec.version) from error

    def _name(self, person: Person, message: Message, arm: Arm) -> bytes:
        return self._namer.name(
            person.organisation_id,
            arm.digest,
            message.excerpt.digest,
            message.transform_type,
            message.intensity,
            message.text,
        )

    async def _make_in_arm(
        self,
        organisation_id: uuid.UUID,
        message: Message,
        arm: Arm,
        ticket: Ticket,
        preview: Preview | None,
    ) -> NewOutput:
        """Ask the arm's version for a rewrite, unless its breaker is open. The caller counts a failure only
        if the champion then succeeds on the same message.
        """
        breaker = arm.breaker
        if breaker is None:
            return await self._make(organisation_id, message, arm.spec, ticket, preview)
        if not breaker.allows():
            raise UnavailableError("version_not_called", version=arm.spec.version)
        try:
            output = await self._make(organisation_id, message, arm.spec, ticket, preview)
        except BaseException:
            breaker.inconclusive()
            raise
        breaker.succeeded()
        return output

    async def _make(
        self,
        organisation_id: uuid.UUID,
        message: Message,
        spec: Spec,
        ticket: Ticket,
        preview: Preview | None = None,
    ) -> NewOutput:
        """Ask the service for a rewrite; nothing is stored yet."""
        self._directory.require_postgres()
        began = time.perf_counter()
        item = _item(message, None)
        if preview is None or spec.form == "edits":  # edits take 10 ms, and show no draft
            rewritten = await self._upstream.rewrite(spec, item, ticket)
        else:
            rewritten = await self._upstream.stream(spec, item, preview.show, ticket)
        return _new_output(organisation_id, message, spec, rewritten, None, began)

    async def _sample_two(self, organisation_id: uuid.UUID, message: Message, spec: Spec) -> list[NewOutput]:
        """Two samples from one seed, which the service draws together; their ids are in that order."""
        self._directory.require_postgres()
        began, seed = time.perf_counter(), random.randrange(2**31)
        samples = await self._upstream.rewrite_together(spec, [_item(message, seed)] * 2)
        return [_new_output(organisation_id, message, spec, sample, seed, began) for sample in samples]


def make_side(output: NewOutput | Shown) -> Side:
    """An output as one side of a comparison."""
    unchanged = explain(output.unchanged)
    return Side(
        transformed_text=output.text,
        facts_missing=output.facts_missing,
        unchanged=Unchanged(**unchanged) if unchanged else None,
    )


def explain(unchanged: Reason | None) -> dict[str, Any] | None:
    """The fields of `Unchanged`."""
    if unchanged is None:
        return None
    return {"code": unchanged.code, "values": dict(unchanged.values), "text": unchanged.render()}


def _item(message: Message, seed: int | None) -> Item:
    return Item(
        text=message.text,
        transform_type=message.transform_type,
        intensity=message.intensity,
        seed=seed,
        terms=message.excerpt.terms,
    )


def _new_output(
    organisation_id: uuid.UUID,
    message: Message,
    spec: Spec,
    rewritten: Rewritten,
    seed: int | None,
    began: float,
) -> NewOutput:
    return NewOutput(
        id=new_id(),
        organisation_id=organisation_id,
        message=message.text,
        transform_type=message.transform_type,
        intensity=message.intensity,
        text=rewritten.text,
        facts_missing=rewritten.facts_missing,
        spec_digest=spec.digest,
        version=spec.version,
        seed=seed,
        upstream_ms=(time.perf_counter() - began) * 1000,
        unchanged=rewritten.unchanged,
        prompt_tokens=rewritten.prompt_tokens,
        tokens=rewritten.tokens,
        cost_usd=rewritten.cost_usd,
        dictionary_digest=message.excerpt.digest,
        has_dictionary_words=any(term.rule is not TermRule.KEEP for term in message.excerpt.terms),
        release=rewritten.release,
    )
