"""Comparisons: which two versions are compared, which two texts a person sees next, and how many they have
judged.

Some pairs are shown to several people, to measure how far people agree (`data.snapshots.validation`). Each of
these people has a comparison of their own: the same two outputs, in a random order of its own.
"""

import random
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import blake2b
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, NamedTuple

from psycopg import AsyncConnection
from pydantic import Field

import configs
from data import corpus
from data.database import speak_for
from data.reasons import Reason, ReasonedError
from data.records import Spec, TransformType
from data.tables import new_id
from data.traffic import answers
from data.traffic.routing import Routing

# Votes on the last two kinds of comparisons are evidence. Votes on two samples of the champion train.
Policy = Literal["two_samples", "champion_against_challenger", "between_challengers"]

_CONFIG = Path(__file__).parents[2] / "configs" / "compare.yaml"


class CompareConfig(configs.StageConfig):
    """How many pairs several people judge, how many comparisons may be open, and which messages are for
    evidence only.
    """

    overlap: int = Field(3, ge=2, le=100, description="people who see a shared pair")
    share: float = Field(0.2, ge=0, le=1, description="share of the pairs that several people see")
    days: int = Field(30, ge=1, description="days that a shared pair waits for more people")
    open_a_person: int = Field(
        20, ge=1, description="open comparisons of a person's own messages within a day, at most"
    )
    open_an_organisation: int = Field(1000, ge=1, description="the same for all people of an organisation")
    evidence_share: float = Field(
        0.5, gt=0, lt=1, description="share of the messages that are for evidence only; it may only fall"
    )


def load() -> CompareConfig:
    """The values of `configs/compare.yaml`."""
    return configs.load(CompareConfig, _CONFIG)


class Opponents(NamedTuple):
    """Two versions that may be compared next, with the weight of the draw."""

    policy: Policy
    specs: tuple[Spec, Spec]
    weight: float


class InForce(NamedTuple):
    """What new comparisons are like under a routing: their policies, and the names of their versions."""

    policies: list[Policy]
    versions: list[str]


class UnknownComparisonError(ReasonedError, ValueError):
    """The person was not shown a comparison with this id."""


class VotedError(ReasonedError, ValueError):
    """The comparison has a vote already."""


class TooManyOpenError(ReasonedError):
    """A person or an organisation has too many open comparisons of their own messages."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One of the two outputs of a comparison; `unchanged` as in `data.traffic.outputs`."""

    id: uuid.UUID
    text: str
    facts_missing: list[str]
    unchanged: Reason | None


@dataclass(frozen=True, slots=True)
class Offered:
    """A comparison as one person sees it."""

    id: uuid.UUID
    policy: Policy
    message: str
    transform_type: TransformType
    intensity: int
    first: Shown
    second: Shown


class Progress(NamedTuple):
    """A person's counts: votes since midnight UTC, all votes, skipped comparisons, and shared pairs that wait
    for this person.
    """

    today: int
    all: int
    skipped: int
    waiting_for_overlap: int


def list_opponents(routing: Routing) -> list[Opponents]:
    """The versions that may be compared for evidence. Empty without a challenger.

    Each challenger meets the champion equally often, since these votes decide. Of the comparisons of an
    experiment with several challengers, a third is between two of them, whatever their number: each of its k
    challengers meets each other one 1 / (k - 1) times as often as the champion. So the ranking does not rest
    on votes on the champion alone. The weights do not depend on earlier votes. The draw is random, because
    the least compared two would have to be counted at each request, and random shares are close to their
    weights: within 5 points after 400 votes.
    """
    opponents = [
        Opponents("champion_against_challenger", (routing.champion, challenger), 1.0)
        for challenger in routing.challengers
    ]
    for split in routing.experiments:
        tested = [arm.spec for arm in split.arms if arm.spec in routing.challengers]
        for first, second in combinations(tested, 2):
            opponents.append(Opponents("between_challengers", (first, second), 1 / (len(tested) - 1)))
    return opponents


def draw_opponents(routing: Routing, policy: Policy | None = None) -> Opponents | None:
    """Two versions to compare next, of this policy if it is given; None when there are none."""
    possible = [
        opponents for opponents in list_opponents(routing) if policy is None or opponents.policy == policy
    ]
    return random.choices(possible, [opponents.weight for opponents in possible])[0] if possible else None


def describe_in_force(routing: Routing) -> InForce:
    """What new comparisons are like under this routing."""
    policies = list(dict.fromkeys(opponents.policy for opponents in list_opponents(routing)))
    versions = [spec.version for spec in (routing.champion, *routing.challengers)]
    return InForce(policies or ["two_samples"], versions)


@cache
def read_messages() -> tuple[str, ...]:
    """The messages whose rewrites people compare: those of the seed corpus.

    Messages of colleagues are not used: consent to training is not consent to be read by a colleague.
    """
    folders = (corpus.SEED / "messages", corpus.SEED / "messages" / "ordinary")
    return tuple(message.text for folder in folders for message in corpus.read_lines(folder, corpus.Message))


def choose_task(user_id: uuid.UUID, message: str) -> tuple[TransformType, int]:
    """The transform type and the intensity (0 to 3) for a person and message, drawn by a hash of both.

    They are the same at each call, and uniform over all types and intensities.
    """
    digest = blake2b(message.encode(), digest_size=8, key=user_id.bytes).digest()
    types = list(TransformType)
    return types[digest[0] % len(types)], digest[1] % 4


def draw_people(pair_id: uuid.UUID, config: CompareConfig) -> int:
    """The number of people to show a pair to, drawn by a hash of its id before the first vote."""
    chance = int.from_bytes(blake2b(pair_id.bytes, digest_size=8).digest()) / 2**64
    return config.overlap if chance < config.share else 1


_OFFERED = """
    SELECT c.id, c.policy, a.message, a.transform_type, a.intensity, a.id, a.text, a.facts_missing,
           a.unchanged, b.id, b.text, b.facts_missing, b.unchanged
    FROM comparisons c
    JOIN outputs a ON a.id = c.first_output_id
    JOIN outputs b ON b.id = c.second_output_id
    WHERE c.organisation_id = %(organisation)s AND c.user_id = %(user)s
"""
_VOTE = """
    feedback f WHERE f.output_id = c.first_output_id AND f.user_id = c.user_id AND f.kind = 'comparison'
    AND f.comparison_id = c.id
"""
_OPEN = f"{_OFFERED} AND c.pair_id IS NOT NULL AND c.skipped_at IS NULL AND NOT EXISTS (SELECT FROM {_VOTE})"
# Pairs that need more people. The person has not seen the message; the policy is a current one; and both
# outputs are by versions in force, because those of other versions teach the champion little.
_WAITING = """
    FROM comparisons c
    JOIN outputs a ON a.id = c.first_output_id
    JOIN outputs b ON b.id = c.second_output_id
    WHERE c.organisation_id = %(organisation)s AND c.people > 1 AND c.policy = ANY(%(policies)s)
      AND c.pair_id >= %(since)s
      AND a.version = ANY(%(versions)s) AND b.version = ANY(%(versions)s)
      AND NOT EXISTS (
          SELECT FROM comparisons mine JOIN outputs o ON o.id = mine.first_output_id
          WHERE mine.user_id = %(user)s AND mine.pair_id IS NOT NULL AND o.message = a.message
      )
      AND c.people > (
          SELECT count(*) FROM comparisons shown
          WHERE shown.pair_id = c.pair_id AND shown.skipped_at IS NULL
      )
"""
_SKIP = f"""
    UPDATE comparisons c SET skipped_at = coalesce(skipped_at, now())
    WHERE c.id = %(id)s AND c.organisation_id = %(organisation)s AND c.user_id = %(user)s
      AND c.pair_id IS NOT NULL
    RETURNING EXISTS (SELECT FROM {_VOTE})
"""  # noqa: S608 (no user input)
_OWN_OPEN = f"""
    SELECT count(*) FILTER (WHERE c.user_id = %(user)s), count(*) FROM comparisons c
    WHERE c.organisation_id = %(organisation)s AND c.is_own AND c.id >= %(since)s AND c.skipped_at IS NULL
      AND NOT EXISTS (SELECT FROM {_VOTE})
"""  # noqa: S608 (no user input)
_PROGRESS = f"""
    SELECT count(*) FILTER (WHERE vote.created_at >= date_trunc('day', now(), 'UTC')),
           count(vote.created_at), count(c.skipped_at), (SELECT count(DISTINCT c.pair_id) {_WAITING})
    FROM comparisons c LEFT JOIN LATERAL (SELECT f.created_at FROM {_VOTE}) vote ON true
    WHERE c.organisation_id = %(organisation)s AND c.user_id = %(user)s AND c.pair_id IS NOT NULL
"""  # noqa: S608 (no user input)


async def find_open(
    connection: AsyncConnection, organisation_id: uuid.UUID, user_id: uuid.UUID
) -> Offered | None:
    """The newest comparison that a person saw and has neither voted on nor skipped."""
    params = {"organisation": organisation_id, "user": user_id}
    async with connection.transaction():
        await speak_for(connection, organisation_id)
        return await _find(connection, f"{_OPEN} ORDER BY c.id DESC LIMIT 1", params)


async def join(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    user_id: uuid.UUID,
    in_force: InForce,
    days: int,
) -> Offered | None:
    """Create a person's comparison of the oldest pair that needs more people, in random order.

    None when no pair like the comparisons in force, at most `days` old, does.
    """
    params = {**_make_params(organisation_id, user_id, in_force, days), "id": new_id()}
    async with connection.transaction():
        await speak_for(connection, organisation_id)
        # Without the lock two concurrent requests could both get a pair that needs one more person.
        await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtext('comparisons'), hashtext(%s))", (str(organisation_id),)
        )
        first, second = random.sample(["c.first_output_id", "c.second_output_id"], 2)
        await connection.execute(
            "INSERT INTO comparisons"
            " (id, organisation_id, user_id, policy, first_output_id, second_output_id, pair_id, people)"
            f" SELECT %(id)s, c.organisation_id, %(user)s, c.policy, {first}, {second}, c.pair_id, c.people"
            f" {_WAITING} ORDER BY c.pair_id, c.id LIMIT 1",
            params,
        )
        return await _find(connection, f"{_OFFERED} AND c.id = %(id)s", params)


async def check_room(
    connection: AsyncConnection, organisation_id: uuid.UUID, user_id: uuid.UUID, config: CompareConfig
) -> None:
    """TooManyOpenError when a person or their organisation has as many open comparisons of their own messages
    as allowed.

    Call it in the transaction that stores the next comparison: a lock excludes concurrent requests.
    """
    params = {
        "organisation": organisation_id,
        "user": user_id,
        "since": answers.floor(datetime.now(UTC) - timedelta(days=1)),
    }
    async with connection.transaction():
        await speak_for(connection, organisation_id)
        await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtext('own comparisons'), hashtext(%s))", (str(organisation_id),)
        )
        row = await (await connection.execute(_OWN_OPEN, params)).fetchone()
    assert row is not None
    person_open, organisation_open = row
    if person_open >= config.open_a_person:
        raise TooManyOpenError("own_comparisons_open", comparisons=person_open)
    if organisation_open >= config.open_an_organisation:
        raise TooManyOpenError("organisation_comparisons_open", comparisons=organisation_open)


def _make_params(
    organisation_id: uuid.UUID, user_id: uuid.UUID, in_force: InForce, days: int
) -> dict[str, Any]:
    """The parameters of `_WAITING`."""
    since = answers.floor(datetime.now(UTC).date() - timedelta(days=days))
    return {
        "organisation": organisation_id,
        "user": user_id,
        **in_force._asdict(),
        "since": since,
    }


async def _find(connection: AsyncConnection, query: str, params: dict[str, Any]) -> Offered | None:
    row = await (await connection.execute(query, params)).fetchone()
    if row is None:
        return None
    id, policy, message, kind, intensity, *outputs = row
    return Offered(
        id,
        policy,
        message,
        TransformType(kind),
        intensity,
        _make_shown(*outputs[:4]),
        _make_shown(*outputs[4:]),
    )


def _make_shown(
    id: uuid.UUID, text: str, facts_missing: list[str], unchanged: dict[str, Any] | None
) -> Shown:
    return Shown(id, text, facts_missing, Reason.model_validate(unchanged) if unchanged else None)


async def find_seen(connection: AsyncConnection, organisation_id: uuid.UUID, user_id: uuid.UUID) -> set[str]:
    """The messages whose rewrites a person has seen on the page."""
    async with connection.transaction():
        await speak_for(connection, organisation_id)
        cursor = await connection.execute(
            "SELECT o.message FROM comparisons c JOIN outputs o ON o.id = c.first_output_id"
            " WHERE c.organisation_id = %s AND c.user_id = %s AND c.pair_id IS NOT NULL",
            (organisation_id, user_id),
        )
        return {message for (message,) in await cursor.fetchall()}


async def skip(
    connection: AsyncConnection, organisation_id: uuid.UUID, user_id: uuid.UUID, comparison_id: uuid.UUID
) -> None:
    """Record that a person skips a comparison; they do not see it again. A second skip changes nothing.

    Raises UnknownComparisonError when the person did not see it on the page, VotedError when they have voted.
    """
    params = {"organisation": organisation_id, "user": user_id, "id": comparison_id}
    async with connection.transaction():
        await speak_for(connection, organisation_id)
        cursor = await connection.execute(_SKIP, params)
        row = await cursor.fetchone()
        if row is None:
            raise UnknownComparisonError("unknown_comparison", comparison=str(comparison_id))
        if row[0]:
            raise VotedError("already_voted")


async def count_progress(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    user_id: uuid.UUID,
    in_force: InForce,
    days: int,
) -> Progress:
    """A person's counts; pairs wait for them under the same conditions as in `join`."""
    params = _make_params(organisation_id, user_id, in_force, days)
    async with connection.transaction():
        await speak_for(connection, organisation_id)
        cursor = await connection.execute(_PROGRESS, params)
        row = await cursor.fetchone()
    assert row is not None
    return Progress(*row)
