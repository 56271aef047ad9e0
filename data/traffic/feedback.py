"""Feedback: what a person thought of an output, by receipt.

One vote a person, output and kind; the later one stands.
"""

import uuid
from typing import Annotated, Literal

import psycopg
from psycopg import AsyncConnection
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from rapidfuzz.distance import Levenshtein

from data.database import speak_for
from data.tables import new_id
from data.traffic.receipts import Receipt

Words = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=8000, pattern=r"^[^\x00]*$")
]
Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=r"^[^\x00]*$")
]

_GONE = "what this receipt is about was erased, and votes on it are no longer taken"


class _Vote(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    receipt: Annotated[str, Field(max_length=1000, description="as it came with the answer")]


class Thumb(_Vote):
    """Up or down."""

    kind: Literal["thumb"]
    up: Annotated[bool, Field(strict=True)]


class Rating(_Vote):
    """One to five stars."""

    kind: Literal["rating"]
    stars: Annotated[int, Field(ge=1, le=5, strict=True)]


class Edit(_Vote):
    """The rewrite as the person would have written it."""

    kind: Literal["edit"]
    text: Words


class Choice(_Vote):
    """Which of two outputs is better; the receipt is the comparison's."""

    kind: Literal["comparison"]
    preferred: Literal["first", "second", "neither"]
    reason: Annotated[Reason | None, Field(description="why, for people to read: no model learns it")] = None


class Comment(_Vote):
    """Anything else."""

    kind: Literal["comment"]
    text: Words


Vote = Annotated[Thumb | Rating | Edit | Choice | Comment, Field(discriminator="kind")]


class WrongReceiptError(ValueError):
    """A genuine receipt that this vote cannot be cast with."""


class ErasedError(ValueError):
    """A genuine receipt of what is no longer stored, or of a person who was erased since."""


async def record(
    connection: AsyncConnection, receipt: Receipt, vote: Vote, key_id: str | None = None
) -> uuid.UUID:
    """Store a vote in a transaction of its own; the row's id, which a repeated vote keeps.

    `key_id` is the API key that vouches for a person who is not stored yet: votes may come before the answer
    is, and the votes of one key are capped (`data.snapshots.votes`).
    Raises WrongReceiptError for a comparison without a comparison's receipt, and the reverse; ErasedError
    when the person or the output was erased after the receipt was issued.
    """
    if (receipt.comparison_id is not None) != isinstance(vote, Choice):
        needed = (
            "the receipt of a comparison" if isinstance(vote, Choice) else "the receipt of a single answer"
        )
        raise WrongReceiptError(f"a vote of kind {vote.kind} needs {needed}")
    async with connection.transaction():
        await speak_for(connection, receipt.organisation_id)
        await _refuse_erased(connection, receipt)
        preferred = await _preferred(connection, receipt, vote) if isinstance(vote, Choice) else None
        await connection.execute(
            "INSERT INTO users (id, organisation_id, key_id) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            (receipt.user_id, receipt.organisation_id, key_id),
        )
        try:
            row = await _insert(connection, receipt, vote, preferred)
        except psycopg.errors.ForeignKeyViolation as error:  # an erasure came between
            raise ErasedError(_GONE) from error
    return row


async def _refuse_erased(connection: AsyncConnection, receipt: Receipt) -> None:
    """While an erasure is at work, nothing of the person is taken; then, nothing from before."""
    cursor = await connection.execute(
        "SELECT NOT EXISTS (SELECT FROM outputs WHERE id = %(output)s AND organisation_id = %(tenant)s)"
        " OR EXISTS (SELECT FROM erasures WHERE user_id = %(user)s AND organisation_id = %(tenant)s"
        " AND coalesce(finished_at, now()) >= to_timestamp(%(issued_at)s))",
        {
            "output": receipt.output_id,
            "tenant": receipt.organisation_id,
            "user": receipt.user_id,
            "issued_at": receipt.issued_at,
        },
    )
    row = await cursor.fetchone()
    assert row is not None
    if row[0]:
        raise ErasedError(_GONE)


async def _insert(
    connection: AsyncConnection, receipt: Receipt, vote: Vote, preferred: uuid.UUID | None
) -> uuid.UUID:
    cursor = await connection.execute(
        "INSERT INTO feedback (id, organisation_id, user_id, output_id, kind, thumb_up, rating, text,"
        " comparison_id, preferred_output_id, reason, experiment_id, variant, epoch, edit_distance)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (output_id, user_id, kind) DO UPDATE SET thumb_up = excluded.thumb_up,"
        " rating = excluded.rating, text = excluded.text,"
        " preferred_output_id = excluded.preferred_output_id, reason = excluded.reason,"
        " edit_distance = excluded.edit_distance, updated_at = now(), transaction = pg_current_xact_id()"
        " RETURNING id",
        (
            new_id(),
            receipt.organisation_id,
            receipt.user_id,
            receipt.output_id,
            vote.kind,
            vote.up if isinstance(vote, Thumb) else None,
            vote.stars if isinstance(vote, Rating) else None,
            vote.text if isinstance(vote, Edit | Comment) else None,
            receipt.comparison_id,
            preferred,
            vote.reason if isinstance(vote, Choice) else None,
            receipt.experiment_id,
            receipt.variant,
            receipt.epoch,
            await _edit_distance(connection, receipt, vote) if isinstance(vote, Edit) else None,
        ),
    )
    row = await cursor.fetchone()
    assert row is not None
    return uuid.UUID(str(row[0]))


async def _edit_distance(connection: AsyncConnection, receipt: Receipt, vote: Edit) -> float:
    """Levenshtein distance over the length of the longer text, in [0, 1]."""
    cursor = await connection.execute("SELECT text FROM outputs WHERE id = %s", (receipt.output_id,))
    row = await cursor.fetchone()
    if row is None:
        raise ErasedError(_GONE)
    return Levenshtein.normalized_distance(row[0], vote.text)


async def _preferred(connection: AsyncConnection, receipt: Receipt, vote: Choice) -> uuid.UUID | None:
    cursor = await connection.execute(
        "SELECT first_output_id, second_output_id FROM comparisons WHERE id = %s AND organisation_id = %s",
        (receipt.comparison_id, receipt.organisation_id),
    )
    row = await cursor.fetchone()
    if row is None:
        raise ErasedError(_GONE)
    outputs: dict[str, uuid.UUID | None] = {"first": row[0], "second": row[1], "neither": None}
    return outputs[vote.preferred]
