"""Feedback: votes on outputs, cast with the receipt of an answer, and what one person has said, for them to
read.

There is one vote for each person, output and kind; a later vote replaces it.
"""

import uuid
from collections.abc import Collection
from typing import Annotated, Literal

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from rapidfuzz.distance import Levenshtein

from data.database import speak_for
from data.reasons import ReasonedError
from data.tables import new_id
from data.traffic.receipts import Receipt

Words = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=8000, pattern=r"^[^\x00]*$")
]
Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=r"^[^\x00]*$")
]


class _Vote(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    receipt: Annotated[
        str,
        Field(
            max_length=1000,
            description="the receipt that came with the answer",
            examples=["TiN0uSel66AzQ2Zl1Ybd9w0rXJ0aV5n4"],
        ),
    ]


class Thumb(_Vote):
    """Thumb up or down."""

    kind: Annotated[Literal["thumb"], Field(description="the kind of vote")]
    up: Annotated[bool, Field(strict=True, description="true: thumb up; false: thumb down", examples=[True])]


class Rating(_Vote):
    """One to five stars."""

    kind: Annotated[Literal["rating"], Field(description="the kind of vote")]
    stars: Annotated[
        int, Field(ge=1, le=5, strict=True, description="1 is the worst, 5 the best", examples=[4])
    ]


class Edit(_Vote):
    """The rewrite as the person prefers it."""

    kind: Annotated[Literal["edit"], Field(description="the kind of vote")]
    text: Annotated[
        Words,
        Field(
            description="the whole text as it should be",
            examples=["Could you please fix the login page before Monday?"],
        ),
    ]


class Choice(_Vote):
    """Which of two outputs is better; the receipt is the comparison's."""

    kind: Annotated[Literal["comparison"], Field(description="the kind of vote")]
    preferred: Annotated[Literal["first", "second", "neither"], Field(description="the better one")]
    reason: Annotated[
        Reason | None,
        Field(description="why, for people to read: no model learns it", examples=["It is shorter."]),
    ] = None


class Comment(_Vote):
    """A comment in words."""

    kind: Annotated[Literal["comment"], Field(description="the kind of vote")]
    text: Annotated[Words, Field(description="the comment", examples=["Too formal for our team."])]


Vote = Annotated[Thumb | Rating | Edit | Choice | Comment, Field(discriminator="kind")]


class OwnFeedback(BaseModel):
    """What a person has said about a rewrite: their newest vote of each kind, null where there is none."""

    model_config = ConfigDict(frozen=True)

    thumb_up: Annotated[bool | None, Field(description="true: thumb up; false: thumb down", examples=[True])]
    rating: Annotated[
        int | None, Field(description="stars, 1 to 5: 1 is the worst, 5 the best", examples=[4])
    ]
    edit: Annotated[
        str | None,
        Field(
            description="the whole text as it should be",
            examples=["Could you please fix the login page before Monday?"],
        ),
    ]
    comment: Annotated[
        str | None, Field(description="a comment in words", examples=["Too formal for our team."])
    ]


class WrongReceiptError(ReasonedError, ValueError):
    """The receipt is valid but not for this kind of vote."""


class ErasedError(ReasonedError, ValueError):
    """The receipt is valid, but its output or its person was erased after it was issued."""


# There is one row for each person, output and kind, so an aggregate only puts them side by side. A choice
# between two rewrites is about the other one, too, and is not shown.
_LIST_OWN = """
    SELECT output_id, user_id, bool_or(thumb_up) AS thumb_up, max(rating) AS rating,
        max(text) FILTER (WHERE kind = 'edit') AS edit, max(text) FILTER (WHERE kind = 'comment') AS comment
    FROM unnest(%s::uuid[], %s::uuid[]) AS received (output_id, user_id)
    JOIN feedback USING (output_id, user_id) WHERE kind <> 'comparison' GROUP BY output_id, user_id
"""


async def list_own(
    connection: AsyncConnection, received: Collection[tuple[uuid.UUID, uuid.UUID]]
) -> dict[tuple[uuid.UUID, uuid.UUID], OwnFeedback]:
    """What people have said themselves about outputs that they received, by the ids of output and person; no
    entry when somebody has said nothing. One query, for a transaction that names the organisation.
    """
    outputs, people = [output for output, _ in received], [person for _, person in received]
    cursor = await connection.cursor(row_factory=dict_row).execute(_LIST_OWN, (outputs, people))
    return {(row.pop("output_id"), row.pop("user_id")): OwnFeedback(**row) for row in await cursor.fetchall()}


async def record(
    connection: AsyncConnection, receipt: Receipt, vote: Vote, key_id: str | None = None
) -> uuid.UUID:
    """Store a vote in a transaction of its own; the id of its row, which a repeated vote keeps.

    `key_id` is the API key of a person who has no row yet, because a vote may arrive before the answer is
    stored; the votes of one key are capped (`data.snapshots.counting`).

    Raises WrongReceiptError when only one of vote and receipt is of a comparison, and ErasedError when the
    output is gone, an erasure of this person or of this output of theirs is running, or one finished after
    the receipt was issued.
    """
    if (receipt.comparison_id is not None) != isinstance(vote, Choice):
        raise WrongReceiptError(
            "comparison_receipt_needed" if isinstance(vote, Choice) else "answer_receipt_needed",
            kind=vote.kind,
        )
    async with connection.transaction():
        await speak_for(connection, receipt.organisation_id)
        await _refuse_erased(connection, receipt)
        preferred = await _find_preferred(connection, receipt, vote) if isinstance(vote, Choice) else None
        await connection.execute(
            "INSERT INTO users (id, organisation_id, key_id) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            (receipt.user_id, receipt.organisation_id, key_id),
        )
        try:
            row = await _insert(connection, receipt, vote, preferred)
        except psycopg.errors.ForeignKeyViolation as error:  # a concurrent erasure removed the output
            raise ErasedError("output_erased") from error
    return row


async def _refuse_erased(connection: AsyncConnection, receipt: Receipt) -> None:
    """ErasedError if the output is gone, an erasure of this person or of this output of theirs is running, or
    one finished after the receipt was issued.
    """
    cursor = await connection.execute(
        "SELECT NOT EXISTS (SELECT FROM outputs WHERE id = %(output)s AND organisation_id = %(tenant)s)"
        " OR EXISTS (SELECT FROM erasures WHERE user_id = %(user)s AND organisation_id = %(tenant)s"
        " AND coalesce(finished_at, now()) >= to_timestamp(%(issued_at)s))"
        " OR EXISTS (SELECT FROM output_erasures WHERE user_id = %(user)s AND output_id = %(output)s"
        " AND organisation_id = %(tenant)s"
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
        raise ErasedError("output_erased")


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
            await _measure_edit(connection, receipt, vote) if isinstance(vote, Edit) else None,
        ),
    )
    row = await cursor.fetchone()
    assert row is not None
    return uuid.UUID(str(row[0]))


async def _measure_edit(connection: AsyncConnection, receipt: Receipt, vote: Edit) -> float:
    """The Levenshtein distance of edit and output, divided by the length of the longer text: in [0, 1]."""
    cursor = await connection.execute("SELECT text FROM outputs WHERE id = %s", (receipt.output_id,))
    row = await cursor.fetchone()
    if row is None:
        raise ErasedError("output_erased")
    return Levenshtein.normalized_distance(row[0], vote.text)


async def _find_preferred(connection: AsyncConnection, receipt: Receipt, vote: Choice) -> uuid.UUID | None:
    cursor = await connection.execute(
        "SELECT first_output_id, second_output_id FROM comparisons WHERE id = %s AND organisation_id = %s",
        (receipt.comparison_id, receipt.organisation_id),
    )
    row = await cursor.fetchone()
    if row is None:
        raise ErasedError("output_erased")
    outputs: dict[str, uuid.UUID | None] = {"first": row[0], "second": row[1], "neither": None}
    return outputs[vote.preferred]
