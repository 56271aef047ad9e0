"""The answers that one person got, with their messages and what the person said, for that person to read.

Every function needs a transaction that names the organisation (`data.database.speak_for`).
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from data import normal_form
from data.reasons import Reason
from data.records import TransformType
from data.tables import LAST_ID
from data.traffic import answers, feedback
from data.traffic.feedback import OwnFeedback

MOST_SEARCHED = 10_000  # answers of a person that one page of a search looks through

_FIRST_ID = uuid.UUID(int=0)


@dataclass(frozen=True, slots=True)
class OwnAnswer:
    """An answer with its message and its output, and what the person said about the output: answers with the
    same output have the same feedback.
    """

    id: uuid.UUID
    output_id: uuid.UUID
    experiment_id: uuid.UUID | None
    variant: str
    epoch: int
    cache: str
    fell_back: bool
    message: str
    transform_type: TransformType
    intensity: int
    text: str
    facts_missing: list[str]
    unchanged: Reason | None
    version: str
    feedback: OwnFeedback | None

    @property
    def created_at(self) -> datetime:
        """When the person got it, by its id (UUIDv7: milliseconds since 1970)."""
        return datetime.fromtimestamp((self.id.int >> 80) / 1000, UTC)


# An output that an erasure or `retain` deleted has no answer either, and one that the person has asked to
# forget is not shown from then on. The inner LIMIT changes no row: it keeps Postgres from beginning with all
# outputs of the organisation, whose number it does not know.
_LISTED = """
    SELECT a.id, a.output_id, a.experiment_id, a.variant, a.epoch, a.cache, a.fell_back, o.*
    FROM own_answers a CROSS JOIN LATERAL (
        SELECT message, transform_type, intensity, text, facts_missing, unchanged, version
        FROM {outputs} WHERE id = a.output_id AND transform_type = ANY(%(types)s){condition} LIMIT 1
    ) o
    WHERE a.user_id = %(user)s AND a.id >= %(first)s AND a.id < %(end)s AND NOT EXISTS (
        SELECT FROM output_erasures e
        WHERE e.user_id = %(user)s AND e.output_id = a.output_id AND e.finished_at IS NULL
    )
    ORDER BY a.id DESC LIMIT %(most)s
"""
LISTED = _LISTED.format(outputs="outputs", condition="")
# No index helps: the texts of all answers in question are read. `strpos` knows no wildcards. The collation
# knows all letters, whatever the database's own is, and is twice as fast as that one; OFFSET 0 keeps Postgres
# from making the small letters again for each form.
SEARCHED = _LISTED.format(
    outputs="""outputs, LATERAL (
            SELECT lower(message COLLATE "pg_c_utf8"), lower(text COLLATE "pg_c_utf8") OFFSET 0
        ) AS small (message_, text_)""",
    condition=""" AND EXISTS (
            SELECT FROM unnest(%(forms)s::text[]) AS form, lower(form COLLATE "pg_c_utf8") AS part
            WHERE strpos(message_, part) > 0 OR strpos(text_, part) > 0
        )""",
)
# The last answer that a page of a search looks through, and the one after it.
_END_OF_SEARCH = """
    SELECT id FROM own_answers WHERE user_id = %(user)s AND id >= %(first)s AND id < %(end)s
    ORDER BY id DESC OFFSET %(searched)s - 1 LIMIT 2
"""


async def list_some(
    connection: AsyncConnection,
    user_id: uuid.UUID,
    *,
    types: Collection[TransformType] = tuple(TransformType),
    since: datetime | None = None,
    until: datetime | None = None,
    before: uuid.UUID | None = None,
    most: int,
) -> list[OwnAnswer]:
    """The answers of a person, the newest first: those of these types, from `since` on and before `until`,
    and older than `before`.
    """
    first, end = _bound(since, until, before)
    return await _read(connection, user_id, types, first, end, most)


async def search(
    connection: AsyncConnection,
    user_id: uuid.UUID,
    part: str,
    *,
    types: Collection[TransformType] = tuple(TransformType),
    since: datetime | None = None,
    until: datetime | None = None,
    before: uuid.UUID | None = None,
    most: int,
    most_searched: int = MOST_SEARCHED,
) -> tuple[list[OwnAnswer], uuid.UUID | None]:
    """Those of the answers of `list_some` that have a part in their message or their text, in any case and in
    any normal form of Unicode.

    It looks through `most_searched` answers, the newest ones. If there are older ones, it also gives the id
    of the last one that it has looked at.
    """
    first, end = _bound(since, until, before)
    cursor = await connection.execute(
        _END_OF_SEARCH, {"user": user_id, "first": first, "end": end, "searched": most_searched}
    )
    last = [row[0] for row in await cursor.fetchall()]
    is_cut = len(last) > 1
    if is_cut:
        first = last[0]
    # Texts are stored as they came. Texts of most systems are composed (NFC), of some decomposed (NFD).
    forms = {part, normal_form.normalise("NFC", part), normal_form.normalise("NFD", part)}
    listed = await _read(connection, user_id, types, first, end, most, sorted(forms))
    return listed, first if is_cut else None


async def find(connection: AsyncConnection, user_id: uuid.UUID, answer_id: uuid.UUID) -> OwnAnswer | None:
    """The answer of a person with an id; None when they have none with it."""
    if answer_id == LAST_ID:
        return None
    after = uuid.UUID(int=answer_id.int + 1)
    rows = await _read(connection, user_id, tuple(TransformType), answer_id, after, 1)
    return rows[0] if rows else None


def _bound(
    since: datetime | None, until: datetime | None, before: uuid.UUID | None
) -> tuple[uuid.UUID, uuid.UUID]:
    """The least id of answers from `since` on, and the least one that is too new: by `until` or `before`."""
    end = min(before or LAST_ID, answers.floor(until) if until else LAST_ID)
    return answers.floor(since) if since else _FIRST_ID, end


async def _read(
    connection: AsyncConnection,
    user_id: uuid.UUID,
    types: Collection[TransformType],
    first: uuid.UUID,
    end: uuid.UUID,
    most: int,
    forms: Sequence[str] = (),
) -> list[OwnAnswer]:
    """The answers of a person from the id `first` on and before the id `end`; with `forms` of a text, those
    that have one of them. What the person said about them is read by one more query.
    """
    cursor = await connection.cursor(row_factory=dict_row).execute(
        SEARCHED if forms else LISTED,
        {
            "user": user_id,
            "first": first,
            "end": end,
            "types": list(types),
            "forms": list(forms),
            "most": most,
        },
    )
    rows = await cursor.fetchall()
    given = await feedback.list_own(connection, [(row["output_id"], user_id) for row in rows])
    return [
        OwnAnswer(
            transform_type=TransformType(row.pop("transform_type")),
            unchanged=None if (why := row.pop("unchanged")) is None else Reason.model_validate(why),
            feedback=given.get((row["output_id"], user_id)),
            **row,
        )
        for row in rows
    ]
