"""Decisions on experiments: what people ask for and what is done by itself, with who, why and outcome.

A click is a row that the gateway inserts, with a notice on `CHANNEL`; so is a pause that a breaker of its own
asks for. It is open until it has an outcome. The flow `experiment` claims the oldest open row and carries it
out (`pipelines.carry_out`).

The claim is held by the advisory lock `decide` (`data.database.lock`), under which alone rows are claimed: a
row that is claimed and open while the lock is ours was left by a process that died, and is claimed again at
once. *A transaction* that stays open until it is done was left: for minutes no look would see what is newer
than it. *A lease* was left, too: until it has run out, later decisions would overtake the one left lying.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, NamedTuple

from psycopg import AsyncConnection, Connection
from psycopg.errors import UniqueViolation
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from data.reasons import Reason, ReasonedError, dump, load, reason, render
from data.tables import Decision, new_id
from data.traffic import routing
from experiments.lifecycle import OPEN, Action, RefusedError, Standing, Status

CHANNEL = "tonebridge:decisions"
FLOW = "flow:experiment"
BREAKER = "gateway:breaker"
GIVEN_UP = timedelta(minutes=10)  # one as old, begun before and not ended, is not begun again
_MOST_LISTED = 200


class UnknownExperimentError(ReasonedError, LookupError):
    """There is no such experiment."""

    def __init__(self, experiment_id: uuid.UUID) -> None:
        super().__init__("unknown_experiment", experiment=str(experiment_id))


class Request(NamedTuple):
    """What is asked for, and by whom: `api_key:<id>`, `token:<subject>`, `account:<id>` or `BREAKER`; a
    person's `key` is
    `scoped`.
    """

    experiment_id: uuid.UUID | None  # None: of one that is to be drafted
    action: Action
    parameters: dict[str, Any]
    reasons: Sequence[Reason]
    requested_by: str
    key: str


class Stored(NamedTuple):
    """A stored decision, and its experiment."""

    id: uuid.UUID
    experiment_id: uuid.UUID


class Command(NamedTuple):
    """What the flow is to do, and why: a person's decision, or its own without an `id`."""

    experiment_id: uuid.UUID
    action: Action
    reasons: Sequence[Reason]
    parameters: Mapping[str, Any] = {}
    id: uuid.UUID | None = None
    requested_by: str = FLOW
    is_again: bool = False  # it was begun before, by a process that died


@dataclass(frozen=True, slots=True)
class ListedDecision:
    """A decision, as people read it."""

    id: uuid.UUID
    action: str
    parameters: dict[str, Any]
    reason: str  # `reasons` in English
    reasons: list[Reason]
    requested_by: str
    created_at: datetime
    claimed_at: datetime | None
    done_at: datetime | None
    outcome: str | None
    failure: list[Reason]


def scoped(organisation_id: uuid.UUID, key: str) -> str:
    """An Idempotency-Key as it is stored: two organisations may use one key."""
    return f"{organisation_id}:{blake2b(key.encode(), digest_size=16).hexdigest()}"


async def find(connection: AsyncConnection, request: Request) -> Stored | None:
    """The decision that was stored under the request's key; RefusedError when it is another one."""
    cursor = await connection.execute(
        "SELECT id, experiment_id, action, parameters, reasons FROM decisions WHERE idempotency_key = %s",
        (request.key,),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    decision_id, experiment_id, action, parameters, reasons = row
    requested = {name: parameters.get(name) for name in request.parameters}  # the flow adds results
    is_same = (action, load(reasons), requested) == (
        request.action,
        list(request.reasons),
        request.parameters,
    )
    if not is_same or request.experiment_id not in (None, experiment_id):
        raise RefusedError("decision_key_reused", decision=str(decision_id))
    return Stored(decision_id, experiment_id)


async def ask(connection: AsyncConnection, request: Request) -> uuid.UUID:
    """Store a decision for the flow to carry out, in a transaction of its own, and give notice of it; its id,
    which a repeated request keeps.

    Raises RefusedError when it cannot be as the experiment stands, and UnknownExperimentError. What comes
    between is found out when it is carried out.
    """
    async with connection.transaction():
        if (stored := await find(connection, request)) is not None:
            return stored.id
        assert request.experiment_id is not None, request
        return await _ask(connection, request, request.experiment_id)


async def ask_for_a_pause(
    connection: AsyncConnection, experiment_id: uuid.UUID, epoch: int, reason: Reason
) -> bool:
    """Ask for a pause as a gateway whose breaker has tripped, in a transaction of its own: once an epoch of
    the experiment, whichever gateway comes first; whether this was it. Errors as `ask`.
    """
    key = f"{experiment_id}:{BREAKER}:{epoch}"
    request = Request(experiment_id, Action.PAUSE, {}, [reason], BREAKER, key)
    try:
        async with connection.transaction():
            await _ask(connection, request, experiment_id)
    except UniqueViolation:
        return False
    return True


async def _ask(connection: AsyncConnection, request: Request, experiment_id: uuid.UUID) -> uuid.UUID:
    standing = await _standing(connection, experiment_id)
    standing.check(request.action, request.parameters.get("share"))
    await _refuse_a_second(connection, request, standing)
    decision_id = await add(connection, request)
    await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, str(decision_id)))
    return decision_id


async def add(connection: AsyncConnection, request: Request, is_done: bool = False) -> uuid.UUID:
    """Insert the row of a decision: open, or with what it says done in the same transaction; its id."""
    decision_id = new_id()
    await connection.execute(
        "INSERT INTO decisions (id, experiment_id, action, parameters, reasons, requested_by,"
        " idempotency_key, claimed_at, done_at, outcome) VALUES (%(id)s, %(experiment)s, %(action)s,"
        " %(parameters)s, %(reasons)s, %(who)s, %(key)s, CASE WHEN %(done)s THEN now() END,"
        " CASE WHEN %(done)s THEN now() END,"
        " CASE WHEN %(done)s THEN 'done' END)",
        {
            "id": decision_id,
            "experiment": request.experiment_id,
            "action": request.action,
            "parameters": Jsonb(request.parameters),
            "reasons": Jsonb(dump(request.reasons)),
            "who": request.requested_by,
            "key": request.key,
            "done": is_done,
        },
    )
    return decision_id


async def of_experiment(connection: AsyncConnection, experiment_id: uuid.UUID) -> list[ListedDecision]:
    """What was decided on an experiment, the newest first, at most two hundred."""
    cursor = await connection.cursor(row_factory=dict_row).execute(
        "SELECT id, action, parameters, reasons, requested_by, created_at, claimed_at, done_at, outcome,"
        " failure"
        " FROM decisions WHERE experiment_id = %s ORDER BY created_at DESC, id DESC LIMIT %s",
        (experiment_id, _MOST_LISTED),
    )
    listed = []
    for row in await cursor.fetchall():
        reasons = load(row.pop("reasons"))
        failure = load(row.pop("failure"))
        listed.append(ListedDecision(**row, reason=render(reasons), reasons=reasons, failure=failure))
    return listed


async def _standing(connection: AsyncConnection, experiment_id: uuid.UUID) -> Standing:
    cursor = await connection.execute("SELECT status FROM experiments WHERE id = %s", (experiment_id,))
    row = await cursor.fetchone()
    if row is None:
        raise UnknownExperimentError(experiment_id)
    live = await routing.fetch(connection)
    split = live.routing.split(experiment_id) if live else None
    return Standing(Status(row[0]), split.reached_share if split else 0.0)


async def _refuse_a_second(connection: AsyncConnection, request: Request, standing: Standing) -> None:
    cursor = await connection.execute(
        "SELECT id FROM decisions WHERE experiment_id = %s AND action = %s AND parameters = %s"
        " AND outcome IS NULL LIMIT 1",
        (request.experiment_id, request.action, Jsonb(request.parameters)),
    )
    if row := await cursor.fetchone():
        raise RefusedError("already_requested", decision=str(row[0]))
    if standing.status is Status.DRAFT:
        cursor = await connection.execute(
            "SELECT name, status FROM experiments WHERE status = ANY(%s) LIMIT 1", (list(OPEN),)
        )
        if row := await cursor.fetchone():
            raise RefusedError("another_experiment", name=row[0], status=row[1])


def is_any_open(connection: Connection) -> bool:
    """Whether a decision waits to be carried out."""
    return connection.execute("SELECT FROM decisions WHERE outcome IS NULL LIMIT 1").fetchone() is not None


def claim(session: Session) -> Command | None:
    """The oldest open decision, claimed; None when there is none. The caller commits, and holds the lock
    `decide` until the decision has its outcome.

    One that is older than `GIVEN_UP` and was begun before has failed: what kills a process every time would
    do so for ever.
    """
    now = func.now()
    session.execute(
        update(Decision)
        .where(
            Decision.outcome.is_(None),
            Decision.claimed_at.is_not(None),
            Decision.created_at < now - GIVEN_UP,
        )
        .values(
            done_at=now,
            outcome="failed",
            failure=[reason("process_ended")],
        )
    )
    row = session.scalar(
        select(Decision)
        .where(Decision.outcome.is_(None))
        .order_by(Decision.created_at, Decision.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if row is None:
        return None
    is_again, row.claimed_at = row.claimed_at is not None, now
    return Command(
        row.experiment_id, Action(row.action), row.reasons, row.parameters, row.id, row.requested_by, is_again
    )


def record(session: Session, command: Command, results: Mapping[str, Any]) -> None:
    """Record that a command is done, with its results; the caller commits what was done with it."""
    if command.id is not None:
        _finish(session, command.id, "done", {**command.parameters, **results})
    else:
        now = func.now()
        values = _own(command, results) | {"claimed_at": now, "done_at": now, "outcome": "done"}
        session.execute(insert(Decision).values(values))


def fail(session: Session, command: Command, why: Sequence[Reason], results: Mapping[str, Any] = {}) -> None:
    """Record why a person's decision could not be carried out, and what was measured; the caller commits."""
    assert command.id is not None, command
    _finish(session, command.id, "failed", {**command.parameters, **results}, why)


def propose(session: Session, command: Command) -> bool:
    """Note what the flow would do and a person has to decide, once an experiment and action; whether this is
    the first time. The caller commits.
    """
    values = _own(command, {"is_proposed": True}) | {"outcome": "proposed"}
    inserted = insert(Decision).values(values).on_conflict_do_nothing().returning(Decision.id)
    return session.execute(inserted).first() is not None


def _own(command: Command, results: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a decision that the flow makes by itself; its key forbids the same a second time. A mapping
    in `results` holds measurements, which are no part of what is decided.
    """
    decides = (str(value) for value in results.values() if not isinstance(value, Mapping))
    return {
        "id": new_id(),
        "experiment_id": command.experiment_id,
        "action": command.action,
        "parameters": dict(results),
        "reasons": list(command.reasons),
        "requested_by": command.requested_by,
        "idempotency_key": ":".join([str(command.experiment_id), command.action, *decides]),
    }


def _finish(
    session: Session,
    decision_id: uuid.UUID,
    outcome: str,
    parameters: Mapping[str, Any],
    failure: Sequence[Reason] | None = None,
) -> None:
    session.execute(
        update(Decision)
        .where(Decision.id == decision_id)
        .values(done_at=func.now(), outcome=outcome, parameters=dict(parameters), failure=failure)
    )
