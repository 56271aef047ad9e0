"""Rules in Postgres, and the audit of their changes.

A rule belongs to an organisation, or to a person in it. Each change is stored in the transaction that makes
it. Every function needs a transaction that names the organisation (`data.database.speak_for`).
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from data.people.dictionaries import Owner
from data.reasons import ReasonedError
from data.rules import patterns
from data.rules.conditions import PatternCondition, Rule, StoredRule
from data.tables import LAST_ID, new_id

MOST_OF_ORGANISATION, MOST_OF_PERSON = 100, 20  # rules
# Of the patterns of all rules together: RE2 may spend a step on each of them for each byte of a message.
MOST_INSTRUCTIONS_OF_ORGANISATION, MOST_INSTRUCTIONS_OF_PERSON = 10_000, 3_000

_READ = """
    SELECT id, user_id, name, conditions, transform_type, intensity, priority, enabled, created_by, created_at
    FROM transform_rules
    WHERE (user_id = ANY(%(people)s) OR (%(with_shared)s AND user_id IS NULL))
        AND id < %(before)s AND (%(id)s::uuid IS NULL OR id = %(id)s) AND (enabled OR NOT %(in_force)s)
    ORDER BY id DESC LIMIT %(most)s
"""


class TooManyRulesError(ReasonedError):
    """There are as many rules as there may be, or their patterns are too large together."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a rule: it was added (no `former`), changed, or deleted (no `present`)."""

    id: uuid.UUID
    rule_id: uuid.UUID
    former: Rule | None
    present: Rule | None
    changed_by: str
    changed_at: datetime


async def list_some(
    connection: AsyncConnection, user_id: uuid.UUID | None, *, before: uuid.UUID | None, most: int
) -> list[StoredRule]:
    """Rules of a person, or of the organisation, the newest first; of a page those before an id."""
    return await _read(connection, [user_id], before=before or LAST_ID, most=most)


async def fetch_in_force(connection: AsyncConnection, user_id: uuid.UUID | None) -> list[StoredRule]:
    """The rules that are on and apply to a person: the organisation's, and their own."""
    most = MOST_OF_ORGANISATION + MOST_OF_PERSON
    return await _read(connection, [None, user_id], in_force=True, most=most)


async def find(
    connection: AsyncConnection, user_ids: Sequence[uuid.UUID | None], rule_id: uuid.UUID
) -> StoredRule | None:
    """A rule, if one of these people has it; None among them is the organisation."""
    rows = await _read(connection, user_ids, id=rule_id, most=1)
    return rows[0] if rows else None


async def add(
    connection: AsyncConnection, organisation_id: uuid.UUID, owner: Owner | None, changed_by: str, rule: Rule
) -> uuid.UUID:
    """Add a rule of a person, or of the organisation; its id. Raises TooManyRulesError. Two that are added at
    the same moment may exceed the limits together.
    """
    user_id = None if owner is None else owner.id
    others = await _fetch_all(connection, user_id)
    most = MOST_OF_ORGANISATION if owner is None else MOST_OF_PERSON
    if len(others) >= most:
        raise TooManyRulesError("too_many_rules", most=most)
    _check_size([rule, *(other.rule for other in others)], is_shared=owner is None)
    if owner is not None:  # who has no row cannot be erased
        await connection.execute(
            "INSERT INTO users (id, organisation_id, key_id, external_id) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (id) DO NOTHING",
            (owner.id, organisation_id, owner.key_id, owner.external_id),
        )
    rule_id = new_id()
    await connection.execute(
        "INSERT INTO transform_rules (id, organisation_id, user_id, name, conditions, transform_type,"
        " intensity, priority, enabled, created_by) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (rule_id, organisation_id, user_id, *_columns_of(rule), changed_by),
    )
    await _record(connection, organisation_id, user_id, rule_id, None, rule, changed_by)
    return rule_id


async def lock(connection: AsyncConnection, rule_id: uuid.UUID) -> None:
    """Let nobody else change a rule until the transaction ends, so that each change is recorded with what was
    there before it.
    """
    await connection.execute("SELECT FROM transform_rules WHERE id = %s FOR UPDATE", (rule_id,))


async def change(
    connection: AsyncConnection, organisation_id: uuid.UUID, former: StoredRule, changed_by: str, rule: Rule
) -> None:
    """Change a rule. Raises TooManyRulesError. What makes no difference is not recorded."""
    if rule == former.rule:
        return
    if rule.conditions != former.rule.conditions:
        others = await _fetch_all(connection, former.user_id)
        rules = [other.rule for other in others if other.id != former.id]
        _check_size([rule, *rules], is_shared=former.user_id is None)
    await connection.execute(
        "UPDATE transform_rules SET name = %s, conditions = %s, transform_type = %s, intensity = %s,"
        " priority = %s, enabled = %s WHERE id = %s",
        (*_columns_of(rule), former.id),
    )
    await _record(connection, organisation_id, former.user_id, former.id, former.rule, rule, changed_by)


async def delete(
    connection: AsyncConnection, organisation_id: uuid.UUID, stored: StoredRule, changed_by: str
) -> None:
    """Delete a rule."""
    await connection.execute("DELETE FROM transform_rules WHERE id = %s", (stored.id,))
    await _record(connection, organisation_id, stored.user_id, stored.id, stored.rule, None, changed_by)


async def list_changes(
    connection: AsyncConnection, user_id: uuid.UUID | None, *, before: uuid.UUID | None, most: int
) -> list[Change]:
    """Changes of the rules of a person, or of the organisation, the newest first; of a page those before an
    id.
    """
    cursor = await connection.execute(
        "SELECT id, rule_id, former, present, changed_by, changed_at FROM rule_changes"
        " WHERE user_id IS NOT DISTINCT FROM %s AND id < coalesce(%s, %s) ORDER BY id DESC LIMIT %s",
        (user_id, before, LAST_ID, most),
    )
    return [
        Change(id, rule_id, _load(former), _load(present), changed_by, changed_at)
        for id, rule_id, former, present, changed_by, changed_at in await cursor.fetchall()
    ]


async def _read(
    connection: AsyncConnection,
    user_ids: Sequence[uuid.UUID | None],
    *,
    before: uuid.UUID = LAST_ID,
    id: uuid.UUID | None = None,
    in_force: bool = False,
    most: int,
) -> list[StoredRule]:
    cursor = await connection.execute(
        _READ,
        {
            "people": [each for each in user_ids if each is not None],
            "with_shared": None in user_ids,
            "before": before,
            "id": id,
            "in_force": in_force,
            "most": most,
        },
    )
    return [_make(*row) for row in await cursor.fetchall()]


def _check_size(rules: Iterable[Rule], is_shared: bool) -> None:
    """TooManyRulesError when the patterns of rules are too large together."""
    most = MOST_INSTRUCTIONS_OF_ORGANISATION if is_shared else MOST_INSTRUCTIONS_OF_PERSON
    instructions = sum(
        patterns.count_instructions(condition.pattern, condition.ignores_case)
        for rule in rules
        for condition in rule.conditions
        if isinstance(condition, PatternCondition)
    )
    if instructions > most:
        raise TooManyRulesError("rules_too_large", instructions=instructions, most=most)


async def _fetch_all(connection: AsyncConnection, user_id: uuid.UUID | None) -> list[StoredRule]:
    return await list_some(connection, user_id, before=None, most=MOST_OF_ORGANISATION)


async def _record(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    user_id: uuid.UUID | None,
    rule_id: uuid.UUID,
    former: Rule | None,
    present: Rule | None,
    changed_by: str,
) -> None:
    await connection.execute(
        "INSERT INTO rule_changes (id, organisation_id, user_id, rule_id, former, present, changed_by)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (new_id(), organisation_id, user_id, rule_id, _dump(former), _dump(present), changed_by),
    )


def _dump(rule: Rule | None) -> Jsonb | None:
    return None if rule is None else Jsonb(rule.model_dump(mode="json"))


def _load(stored: Any) -> Rule | None:
    return None if stored is None else Rule.model_validate(stored)


def _columns_of(rule: Rule) -> tuple[Any, ...]:
    conditions = [condition.model_dump(mode="json") for condition in rule.conditions]
    return (
        rule.name, Jsonb(conditions), rule.transform_type.value, rule.intensity, rule.priority, rule.enabled,
    )  # fmt: skip


def _make(
    id: uuid.UUID,
    user_id: uuid.UUID | None,
    name: str,
    conditions: list[Any],
    transform_type: str,
    intensity: int,
    priority: int,
    enabled: bool,
    created_by: str,
    created_at: datetime,
) -> StoredRule:
    rule = Rule.model_validate(
        {
            "name": name,
            "conditions": conditions,
            "transform_type": transform_type,
            "intensity": intensity,
            "priority": priority,
            "enabled": enabled,
        }
    )
    return StoredRule(id, user_id, rule, created_by, created_at)
