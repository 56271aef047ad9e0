"""Comparisons on a page: which two texts a person is shown next, and how far they have come.

Some pairs are for several people, so that it can be measured whether people agree
(`data.snapshots.validation`). Each of them has a comparison of their own over the same two outputs, in an
order of their own.
"""

import random
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from psycopg import AsyncConnection
from pydantic import Field

import configs
from data import corpus
from data.database import speak_for
from data.records import TransformType
from data.tables import new_id
from data.traffic import answers

_CONFIG = Path(__file__).parents[2] / "configs" / "compare.yaml"


class CompareConfig(configs.StageConfig):
    """Of how many pairs several people judge the same two texts."""

    overlap: int = Field(3, ge=2, le=100, description="people who are shown such a pair")
    share: float = Field(0.2, ge=0, le=1, description="of the pairs")
    days: int = Field(30, ge=1, description="that a pair waits for more people")
    open_a_person: int = Field(
        20, ge=1, description="comparisons of own messages, made within a day, that may wait for a choice"
    )
    open_an_organisation: int = Field(1000, ge=1, description="the same, of all its people")


@cache
def load() -> CompareConfig:
    """`configs/compare.yaml`, read once."""
    return configs.load(CompareConfig, _CONFIG)


class UnknownComparisonError(ValueError):
    """The person was never shown a comparison of this id."""


class VotedError(ValueError):
    """The comparison has a vote already."""


class TooManyOpenError(Exception):
    """So many comparisons of own messages wait for a choice that no more are made."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One of the two texts."""

    id: uuid.UUID
    text: str
    facts_missing: list[str]


@dataclass(frozen=True, slots=True)
class Offered:
    """A comparison as one person sees it."""

    id: uuid.UUID
    policy: str
    message: str
    transform_type: TransformType
    intensity: int
    first: Shown
    second: Shown


class Progress(NamedTuple):
    """How far a person has come: votes since midnight UTC, votes, comparisons skipped, and pairs of others
    that wait for them.
    """

    today: int
    all: int
    skipped: int
    waiting_for_overlap: int


@cache
def messages() -> tuple[str, ...]:
    """What people are given to compare rewrites of: the messages that are shipped, which nobody wrote to
    anybody.

    Never those of colleagues: who consents to training has not consented to be read by the next desk.
    """
    return tuple(message.text for message in corpus.read_lines(corpus.SEED / "messages", corpus.Message))


def asked_of(user_id: uuid.UUID, message: str) -> tuple[TransformType, int]:
    """What a person sees done to a message, always the same: all types and intensities, spread by a hash."""
    digest = blake2b(message.encode(), digest_size=8, key=user_id.bytes).digest()
    kinds = list(TransformType)
    return kinds[digest[0] % len(kinds)], digest[1] % 4


def people_for(pair_id: uuid.UUID, config: CompareConfig) -> int:
    """How many people shall be shown a pair: settled by a hash of its id, before anybody has judged it."""
    chance = int.from_bytes(blake2b(pair_id.bytes, digest_size=8).digest()) / 2**64
    return config.overlap if chance < config.share else 1


_OFFERED = """
    SELECT c.id, c.policy, a.message, a.transform_type, a.intensity, a.id, a.text, a.facts_missing, b.id,
           b.text, b.facts_missing
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
# Pairs that want more people, on messages that this one has not seen, made as they are now and by versions
# that are in force: what others wrote teaches the champion little.
_WAITING = """
    FROM comparisons c
    JOIN outputs a ON a.id = c.first_output_id
    JOIN outputs b ON b.id = c.second_output_id
    WHERE c.organisation_id = %(organisation)s AND c.people > 1 AND c.policy = %(policy)s
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
"""  # noqa: S608 (all of it ours)
_OWN_OPEN = f"""
    SELECT count(*) FILTER (WHERE c.user_id = %(user)s), count(*) FROM comparisons c
    WHERE c.organisation_id = %(organisation)s AND c.is_own AND c.id >= %(since)s AND c.skipped_at IS NULL
      AND NOT EXISTS (SELECT FROM {_VOTE})
"""  # noqa: S608 (all of it ours)
_PROGRESS = f"""
    SELECT count(*) FILTER (WHERE vote.created_at >= date_trunc('day', now(), 'UTC')),
           count(vote.created_at), count(c.skipped_at), (SELECT count(DISTINCT c.pair_id) {_WAITING})
    FROM comparisons c LEFT JOIN LATERAL (SELECT f.created_at FROM {_VOTE}) vote ON true
    WHERE c.organisation_id = %(organisation)s AND c.user_id = %(user)s AND c.pair_id IS NOT NULL
"""  # noqa: S608 (all of it ours)


async def find_open(
    connection: AsyncConnection, organisation_id: uuid.UUID, user_id: uuid.UUID
) -> Offered | None:
    """The newest comparison that a person was shown, and has neither voted on nor skipped."""
    about = {"organisation": organisation_id, "user": user_id}
    async with connection.transaction():
        await speak_for(connection, organisation_id)
        return await _find(connection, f"{_OPEN} ORDER BY c.id DESC LIMIT 1", about)


async def join(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    user_id: uuid.UUID,
    policy: str,
    versions: list[str],
) -> Offered | None:
    """Show a person a pair that wants more people, the oldest first, in an order of their own; None when
    there is none of this policy by these versions.
    """
    id = new_id()
    about = {**_about(organisation_id, user_id, policy, versions), "id": id}
    async with connection.transaction():
        await speak_for(connection, organisation_id)
        # Else two who ask at once would both be the last that a pair wants.
        await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtext('comparisons'), hashtext(%s))", (str(organisation_id),)
        )
        one, other = random.sample(["c.first_output_id", "c.second_output_id"], 2)
        await connection.execute(
            "INSERT INTO comparisons"
            " (id, organisation_id, user_id, policy, first_output_id, second_output_id, pair_id, people)"
            f" SELECT %(id)s, c.organisation_id, %(user)s, c.policy, {one}, {other}, c.pair_id, c.people"
            f" {_WAITING} ORDER BY c.pair_id, c.id LIMIT 1",
            about,
        )
        return await _find(connection, f"{_OFFERED} AND c.id = %(id)s", about)


async def check_room(connection: AsyncConnection, organisation_id: uuid.UUID, user_id: uuid.UUID) -> None:
    """TooManyOpenError when a person, or all of an organisation, have as many comparisons of own messages
    open as they may.

    In the transaction that stores another one nobody else's comes between, however many ask at once.
    """
    config = load()
    parameters = {
        "organisation": organisation_id,
        "user": user_id,
        "since": answers.floor(datetime.now(UTC) - timedelta(days=1)),
    }
    async with connection.transaction():
        await speak_for(connection, organisation_id)
        await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtext('own comparisons'), hashtext(%s))", (str(organisation_id),)
        )
        row = await (await connection.execute(_OWN_OPEN, parameters)).fetchone()
    assert row is not None
    of_person, of_all = row
    if of_person >= config.open_a_person:
        raise TooManyOpenError(
            f"{of_person:,} comparisons of your own messages wait for your choice; choose or skip some first:"
            " they are offered when you ask for the next one without a message"
        )
    if of_all >= config.open_an_organisation:
        raise TooManyOpenError(
            f"{of_all:,} comparisons of your organisation's own messages wait for a choice; let people choose"
            " or skip some, or come back tomorrow"
        )


def _about(
    organisation_id: uuid.UUID, user_id: uuid.UUID, policy: str, versions: list[str]
) -> dict[str, Any]:
    """What `_WAITING` asks for."""
    since = answers.floor(datetime.now(UTC).date() - timedelta(days=load().days))
    return {
        "organisation": organisation_id,
        "user": user_id,
        "policy": policy,
        "versions": versions,
        "since": since,
    }


async def _find(connection: AsyncConnection, query: str, about: dict[str, Any]) -> Offered | None:
    row = await (await connection.execute(query, about)).fetchone()
    if row is None:
        return None
    id, policy, message, kind, intensity, *both = row
    return Offered(id, policy, message, TransformType(kind), intensity, Shown(*both[:3]), Shown(*both[3:]))


async def seen(connection: AsyncConnection, organisation_id: uuid.UUID, user_id: uuid.UUID) -> set[str]:
    """The messages of which a person has been shown two rewrites."""
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
    """Note that a person would not choose; they are not offered it again. Skipping twice changes nothing.

    UnknownComparisonError when they were not shown it on the page, VotedError when they have voted.
    """
    about = {"organisation": organisation_id, "user": user_id, "id": comparison_id}
    async with connection.transaction():
        await speak_for(connection, organisation_id)
        cursor = await connection.execute(_SKIP, about)
        row = await cursor.fetchone()
        if row is None:
            raise UnknownComparisonError(f"you were shown no comparison {comparison_id}")
        if row[0]:
            raise VotedError("you have voted on this comparison; a vote can be changed, not skipped")


async def progress(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    user_id: uuid.UUID,
    policy: str,
    versions: list[str],
) -> Progress:
    """How far a person has come; the pairs that wait for them are as in `join`."""
    about = _about(organisation_id, user_id, policy, versions)
    async with connection.transaction():
        await speak_for(connection, organisation_id)
        cursor = await connection.execute(_PROGRESS, about)
        row = await cursor.fetchone()
    assert row is not None
    return Progress(*row)
