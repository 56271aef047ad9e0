"""Decisions on experiments, by people and by the system, with requester, reasons and outcome.

The gateway inserts a row for each decision that a person requests, and for each pause that its breaker
requests, and sends a notice on `CHANNEL`. The row is open until it has an outcome. The flow `experiment`
claims the oldest open row and carries it out (`pipelines.carry_out`).

Rows are claimed only under the advisory lock `decide` (`data.database.lock`), which is held until the row has
its outcome. So if the holder of the lock finds a row that is claimed and open, the process that claimed it
has died, and the row can be claimed again at once. Rejected: holding one transaction open while a decision
runs. That can take minutes, during which analyses would see no newer row. Rejected: a lease. Until it
expires, later decisions would overtake the interrupted one.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from typing import Annotated, Any, NamedTuple

from psycopg import AsyncConnection, Connection
from psycopg.errors import UniqueViolation
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from pydantic import Field
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from data.fields import Id, RequestedBy, Time
from data.reasons import Reason, ReasonedError, dump, load, reason, render
from data.tables import Decision, new_id
from data.traffic import routing
from data.traffic.routing import Target
from experiments import plan as plans
from experiments.assignment import find_slots
from experiments.lifecycle import Action, RefusedError, Standing, Status

CHANNEL = "tonebridge:decisions"
FLOW = "flow:experiment"
BREAKER = "gateway:breaker"
GIVEN_UP = timedelta(minutes=10)  # an interrupted decision that is older has failed, and is not repeated
_MOST_LISTED = 200


class UnknownExperimentError(ReasonedError, LookupError):
    """No experiment has this id."""

    def __init__(self, experiment_id: uuid.UUID) -> None:
        super().__init__("unknown_experiment", experiment=str(experiment_id))


class Request(NamedTuple):
    """A requested decision.

    `requested_by` is `api_key:<id>`, `token:<subject>`, `account:<id>` or `BREAKER`. For a person, `key` is
    an Idempotency-Key from `scope_key`.
    """

    experiment_id: uuid.UUID | None  # None: the request drafts the experiment
    action: Action
    parameters: dict[str, Any]
    reasons: Sequence[Reason]
    requested_by: str
    key: str


class Stored(NamedTuple):
    """The ids of a stored decision and of its experiment."""

    id: uuid.UUID
    experiment_id: uuid.UUID


class Command(NamedTuple):
    """A decision that the flow carries out: a person's, or without an `id` the flow's own."""

    experiment_id: uuid.UUID
    action: Action
    reasons: Sequence[Reason]
    parameters: Mapping[str, Any] = {}
    id: uuid.UUID | None = None
    requested_by: str = FLOW
    is_again: bool = False  # a process that died has begun it before


@dataclass(frozen=True, slots=True)
class ListedDecision:
    """A decision with its rendered reason, as the API returns it."""

    id: Annotated[Id, Field(description="the decision")]
    action: Annotated[str, Field(description="what was decided", examples=["draft"])]
    parameters: Annotated[
        dict[str, Any],
        Field(description="share, challenger, or what else the action needs", examples=[{"share": 0.1}]),
    ]
    reason: Annotated[
        str, Field(description="`reasons` in English", examples=["People prefer the summaries of v2."])
    ]
    reasons: Annotated[list[Reason], Field(description="why, as codes and values")]
    requested_by: RequestedBy
    created_at: Annotated[Time, Field(description="when it was requested")]
    claimed_at: Annotated[
        Time | None, Field(description="when it began to be carried out; null before", examples=[None])
    ]
    done_at: Annotated[
        Time | None, Field(description="when it was carried out, or failed; null before", examples=[None])
    ]
    outcome: Annotated[str | None, Field(description="what became of it; null before", examples=["done"])]
    failure: Annotated[list[Reason], Field(description="why it failed; empty when it did not", examples=[[]])]


def scope_key(organisation_id: uuid.UUID, key: str) -> str:
    """The stored form of an Idempotency-Key: two organisations can use the same key."""
    return f"{organisation_id}:{blake2b(key.encode(), digest_size=16).hexdigest()}"


async def find(connection: AsyncConnection, request: Request) -> Stored | None:
    """The decision stored under the request's key, or None. Raises RefusedError if it is a different one."""
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
    """Store a decision for the flow to carry out, in its own transaction, and notify the flow. Returns the
    id; a repeated request gets the same id.

    Raises UnknownExperimentError, or RefusedError when the experiment's present status does not allow it. The
    status can change before the flow carries the decision out, so the flow checks it again.
    """
    async with connection.transaction():
        if (stored := await find(connection, request)) is not None:
            return stored.id
        assert request.experiment_id is not None, request
        return await _store_open(connection, request, request.experiment_id)


async def request_pause(
    connection: AsyncConnection, experiment_id: uuid.UUID, epoch: int, reason: Reason
) -> bool:
    """Request a pause for a breaker that has opened, in its own transaction. All gateways together request
    one pause for each epoch of the experiment. Returns whether this call stored it. Raises the errors of
    `ask`.
    """
    key = f"{experiment_id}:{BREAKER}:{epoch}"
    request = Request(experiment_id, Action.PAUSE, {}, [reason], BREAKER, key)
    try:
        async with connection.transaction():
            await _store_open(connection, request, experiment_id)
    except UniqueViolation:
        return False
    return True


async def _store_open(connection: AsyncConnection, request: Request, experiment_id: uuid.UUID) -> uuid.UUID:
    standing = await _read_standing(connection, experiment_id)
    standing.check(request.action, request.parameters.get("share"))
    await _refuse_a_second(connection, request, standing)
    decision_id = await add(connection, request)
    await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, str(decision_id)))
    return decision_id


async def add(connection: AsyncConnection, request: Request, is_done: bool = False) -> uuid.UUID:
    """Insert a decision and return its id. With `is_done`, the caller carries it out in this transaction."""
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


async def list_of_experiments(
    connection: AsyncConnection, experiment_ids: Sequence[uuid.UUID]
) -> dict[uuid.UUID, list[ListedDecision]]:
    """The decisions on each experiment, the newest first, at most 200 of each."""
    cursor = await connection.cursor(row_factory=dict_row).execute(
        "SELECT d.* FROM unnest(%s::uuid[]) AS e(id) CROSS JOIN LATERAL"
        " (SELECT experiment_id, id, action, parameters, reasons, requested_by, created_at, claimed_at,"
        " done_at, outcome, failure FROM decisions WHERE experiment_id = e.id"
        " ORDER BY created_at DESC, id DESC LIMIT %s) d",
        (list(experiment_ids), _MOST_LISTED),
    )
    listed: dict[uuid.UUID, list[ListedDecision]] = {id: [] for id in experiment_ids}
    for row in await cursor.fetchall():
        reasons = load(row.pop("reasons"))
        failure = load(row.pop("failure"))
        of_experiment = listed[row.pop("experiment_id")]
        of_experiment.append(ListedDecision(**row, reason=render(reasons), reasons=reasons, failure=failure))
    return listed


async def _read_standing(connection: AsyncConnection, experiment_id: uuid.UUID) -> Standing:
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
            "SELECT plan, target FROM experiments WHERE id = %s", (request.experiment_id,)
        )
        row, live = await cursor.fetchone(), await routing.fetch(connection)
        if row is not None and live is not None:
            plan = plans.read(row[0]).plan
            share = plan.traffic_share if plan else 1.0
            find_slots(live.routing, share, Target.model_validate(row[1]))


def is_any_open(connection: Connection) -> bool:
    """Return whether any decision is open."""
    return connection.execute("SELECT FROM decisions WHERE outcome IS NULL LIMIT 1").fetchone() is not None


def claim(session: Session) -> Command | None:
    """Claim the oldest open decision; None when there is none. The caller commits, and holds the lock
    `decide` until the decision has its outcome.

    An interrupted decision that is older than `GIVEN_UP` gets the outcome `failed`: a decision that ends
    every process that carries it out would otherwise be repeated for ever.
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
    """Record that a command is done, with its results. The caller commits this together with its effects."""
    if command.id is not None:
        _finish(session, command.id, "done", {**command.parameters, **results})
    else:
        now = func.now()
        values = _build_own_row(command, results) | {"claimed_at": now, "done_at": now, "outcome": "done"}
        session.execute(insert(Decision).values(values))


def fail(session: Session, command: Command, why: Sequence[Reason], results: Mapping[str, Any] = {}) -> None:
    """Record why a person's decision failed, with the measurements in `results`. The caller commits."""
    assert command.id is not None, command
    _finish(session, command.id, "failed", {**command.parameters, **results}, why)


def propose(session: Session, command: Command) -> bool:
    """Store a proposal of the flow for a person to decide, once for each experiment, action and challenger.
    Returns whether this call stored it. The caller commits.
    """
    values = _build_own_row(command, {**command.parameters, "is_proposed": True}) | {"outcome": "proposed"}
    inserted = insert(Decision).values(values).on_conflict_do_nothing().returning(Decision.id)
    return session.execute(inserted).first() is not None


def _build_own_row(command: Command, results: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a decision by the flow itself. Its key is the same for an equal decision, which prevents a
    second one. A mapping in `results` holds measurements, which the key excludes.
    """
    key_parts = (str(value) for value in results.values() if not isinstance(value, Mapping))
    return {
        "id": new_id(),
        "experiment_id": command.experiment_id,
        "action": command.action,
        "parameters": dict(results),
        "reasons": list(command.reasons),
        "requested_by": command.requested_by,
        "idempotency_key": ":".join([str(command.experiment_id), command.action, *key_parts]),
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
