"""Dictionaries: terms of an organisation, or of one of its people, and what rewrites do with them.

A dictionary belongs to an organisation, or to a person in it; a person's own term takes precedence over the
organisation's with the same spelling. Functions on terms need a transaction that names the organisation
(`data.database.speak_for`). A trigger (migration 0039) gives a changed dictionary a new revision, and
notifies gateways.
"""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import psycopg
from psycopg import AsyncConnection

from data import normal_form, terms
from data.reasons import ReasonedError
from data.records import Term, TermRule
from data.tables import LAST_ID, new_id

MOST_OF_ORGANISATION, MOST_OF_PERSON = 500, 100  # terms

_SPACES = re.compile(r"\s+")


class TooManyTermsError(ReasonedError):
    """A dictionary has as many terms as it may have."""


class RefusedTermError(ReasonedError, ValueError):
    """A text cannot be a term or a wording."""


class TakenTermError(ReasonedError):
    """A dictionary has a term with this spelling already."""


@dataclass(frozen=True, slots=True)
class ListedTerm:
    """A term in the list of a dictionary."""

    id: uuid.UUID
    term: str
    rule: TermRule
    wording: str
    created_by: str
    created_at: datetime


class Owner(NamedTuple):
    """A person with a dictionary; `key_id` and `external_id` are the columns of `users`."""

    id: uuid.UUID
    key_id: str | None
    external_id: str


class Change(NamedTuple):
    """A dictionary that changed: that of an organisation, or of one of its people."""

    organisation_id: uuid.UUID
    user_id: uuid.UUID | None
    revision: int


def tidy(text: str, longest: int) -> str:
    """A text on one line as it is stored: in Unicode's form NFC, with single spaces. RefusedTermError when
    that is too long.
    """
    tidied = _SPACES.sub(" ", normal_form.normalise("NFC", text)).strip()
    if len(tidied) > longest:  # its normal form may be longer
        raise RefusedTermError("too_long_in_nfc", limit=longest)
    return tidied


def check_term(text: str, longest: int) -> str:
    """A term as it is stored; RefusedTermError when it is too long or has no letter."""
    term = tidy(text, longest)
    if not any(map(str.isalpha, term)):
        raise RefusedTermError("term_without_letter")
    return term


async def list_some(
    connection: AsyncConnection, user_id: uuid.UUID | None, *, before: uuid.UUID | None, most: int
) -> list[ListedTerm]:
    """Terms of a person, or of the organisation, the newest first; of a page those before an id."""
    cursor = await connection.execute(
        "SELECT id, term, rule, wording, created_by, created_at FROM dictionary_terms"
        " WHERE user_id IS NOT DISTINCT FROM %s AND id < coalesce(%s, %s) ORDER BY id DESC LIMIT %s",
        (user_id, before, LAST_ID, most),
    )
    return [_make(*row) for row in await cursor.fetchall()]


async def find(
    connection: AsyncConnection, user_ids: Sequence[uuid.UUID | None], term_id: uuid.UUID
) -> tuple[ListedTerm, uuid.UUID | None] | None:
    """A term with the person that it belongs to, if one of these has it; None for the organisation."""
    cursor = await connection.execute(
        "SELECT id, term, rule, wording, created_by, created_at, user_id FROM dictionary_terms"
        " WHERE id = %s AND (user_id = ANY(%s) OR (%s AND user_id IS NULL))",
        (term_id, [id for id in user_ids if id is not None], None in user_ids),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    *columns, user_id = row
    return _make(*columns), user_id


async def lock(connection: AsyncConnection, term_id: uuid.UUID) -> None:
    """Let nobody else change a term until the transaction ends."""
    await connection.execute("SELECT FROM dictionary_terms WHERE id = %s FOR UPDATE", (term_id,))


async def add(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    owner: Owner | None,
    created_by: str,
    term: Term,
) -> uuid.UUID:
    """Add a term of a person, or of the organisation; its id. Raises TakenTermError, and TooManyTermsError
    when the dictionary is full. Two that are added at the same moment may exceed that together.
    """
    most, user_id = (MOST_OF_ORGANISATION, None) if owner is None else (MOST_OF_PERSON, owner.id)
    cursor = await connection.execute(
        "SELECT count(*) FROM dictionary_terms WHERE user_id IS NOT DISTINCT FROM %s", (user_id,)
    )
    row = await cursor.fetchone()
    assert row is not None
    if row[0] >= most:
        raise TooManyTermsError("too_many_terms", most=most)
    if owner is not None:  # who has no row cannot be erased
        await connection.execute(
            "INSERT INTO users (id, organisation_id, key_id, external_id) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (id) DO NOTHING",
            (owner.id, organisation_id, owner.key_id, owner.external_id),
        )
    term_id = new_id()
    try:
        await connection.execute(
            "INSERT INTO dictionary_terms"
            " (id, organisation_id, user_id, term, folded, rule, wording, created_by)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                term_id, organisation_id, user_id, term.term, terms.fold(term.term), term.rule.value,
                term.wording, created_by,
            ),
        )  # fmt: skip
    except psycopg.errors.UniqueViolation as error:
        raise TakenTermError("term_taken", term=term.term) from error
    return term_id


async def change(connection: AsyncConnection, term_id: uuid.UUID, term: Term) -> None:
    """Change a term. Raises TakenTermError."""
    try:
        await connection.execute(
            "UPDATE dictionary_terms SET term = %s, folded = %s, rule = %s, wording = %s WHERE id = %s",
            (term.term, terms.fold(term.term), term.rule.value, term.wording, term_id),
        )
    except psycopg.errors.UniqueViolation as error:
        raise TakenTermError("term_taken", term=term.term) from error


async def delete(connection: AsyncConnection, term_id: uuid.UUID) -> None:
    """Delete a term."""
    await connection.execute("DELETE FROM dictionary_terms WHERE id = %s", (term_id,))


async def fetch_terms(connection: AsyncConnection, user_id: uuid.UUID | None) -> list[Term]:
    """All terms of a person, or of the organisation."""
    cursor = await connection.execute(
        "SELECT term, rule, wording FROM dictionary_terms WHERE user_id IS NOT DISTINCT FROM %s ORDER BY id",
        (user_id,),
    )
    return [
        Term(term=term, rule=TermRule(rule), wording=wording)
        for term, rule, wording in await cursor.fetchall()
    ]


async def find_changes(connection: AsyncConnection, since: int) -> list[Change]:
    """The dictionaries of all organisations with a revision after `since`, in the order of the revisions.

    Revisions increase in the order of the commits, so that none is missed.
    """
    cursor = await connection.execute(
        "SELECT organisation_id, user_id, revision FROM dictionaries WHERE revision > %s ORDER BY revision",
        (since,),
    )
    return [Change(*row) for row in await cursor.fetchall()]


def _make(
    id: uuid.UUID, term: str, rule: str, wording: str, created_by: str, created_at: datetime
) -> ListedTerm:
    return ListedTerm(id, term, TermRule(rule), wording, created_by, created_at)
