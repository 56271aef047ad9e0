"""Experiments: draft, look up, and decide on them. A decision is a row; the flow `experiment` carries it out.

Experiments are about everybody whom the installation answers, so only the organisation that runs it
(`TONEBRIDGE_ORGANISATION`) may see them: viewers and above read, experimenters and above decide.
"""

import uuid
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, TypeAdapter, ValidationError

from data.people import identities
from data.people.identities import Role
from data.reasons import written
from data.records import TransformType
from data.traffic.routing import Target
from experiments import decisions, drafts, plan
from experiments.drafts import Draft, ListedExperiment, UnknownVersionError, WholeExperiment
from experiments.lifecycle import Action, RefusedError, Status, consequence
from serving.gateway.auth import Caller, caller
from serving.gateway.idempotency import Idempotency
from serving.gateway.online.bodies import CHANNEL, LOCALE
from serving.gateway.problems import ForbiddenError, InvalidError, ReusedKeyError

router = APIRouter(prefix="/api/v1/experiments", tags=["experiments"])

Sentence = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=r"^[^\x00]*$")
]
_WHOLE = TypeAdapter(WholeExperiment)


class NewTarget(BaseModel):
    """Which messages an experiment is about: those that fit all of what is given; without any, all."""

    model_config = ConfigDict(extra="forbid")

    # Lists, since a set's order, and so the digest of a request, is another in each process.
    transform_types: Annotated[list[TransformType], Field(max_length=100)] = []
    organisations: Annotated[list[uuid.UUID], Field(max_length=100)] = []
    locales: Annotated[list[Annotated[str, Field(pattern=LOCALE)]], Field(max_length=100)] = []
    channels: Annotated[list[Annotated[str, Field(pattern=CHANNEL)]], Field(max_length=100)] = []


class NewExperiment(BaseModel):
    """An experiment to draft: a version against whatever is champion when it starts."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00]*$"),
    ]
    hypothesis: Sentence
    challenger: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
    plan: Annotated[
        dict[str, JsonValue],
        Field(max_length=100, description="what differs from configs/experiment.yaml, by field"),
    ] = {}
    target: NewTarget = NewTarget()


class Because(BaseModel):
    """Why, if you like to say so."""

    model_config = ConfigDict(extra="forbid")

    reason: Sentence | None = None


class NewShare(Because):
    """The share of the users that shall be in an experiment, half of them in each arm."""

    share: Annotated[float, Field(gt=0, le=1)]


class Reason(BaseModel):
    """Why: whoever asks later reads it."""

    model_config = ConfigDict(extra="forbid")

    reason: Sentence


class Asked(BaseModel):
    """A decision that is stored, and carried out in a moment; the experiment's page says what came of it."""

    decision_id: uuid.UUID
    happens: Annotated[str, Field(description="what will happen, in words")]


Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="a key of your own choice for this decision: sent again, it is decided once",
    ),
]


async def _must_be(request: Request, caller: Caller, role: Role, may: str) -> Caller:
    if not caller.identity.may_act_as(role):
        raise ForbiddenError(f"a {caller.identity.role} may not {may}; that takes the role {role} or above")
    async with request.app.state.pool.connection() as connection:
        name = await identities.find_name(connection, caller.identity.organisation_id)
    if name != request.app.state.organisation:
        raise ForbiddenError(f"only the organisation that runs this installation may {may}")
    return caller


async def viewer(request: Request, caller: Annotated[Caller, Depends(caller)]) -> Caller:
    """Who asks, if they may see experiments."""
    return await _must_be(request, caller, "viewer", "see experiments")


async def experimenter(request: Request, caller: Annotated[Caller, Depends(caller)]) -> Caller:
    """Who asks, if they may decide on experiments."""
    return await _must_be(request, caller, "experimenter", "draft experiments and decide on them")


Viewer = Annotated[Caller, Depends(viewer)]
Experimenter = Annotated[Caller, Depends(experimenter)]


async def _once(
    request: Request,
    response: Response,
    caller: Caller,
    key: str,
    body: BaseModel | None,
    do: Callable[[], Awaitable[bytes]],
    status: int,
) -> Response:
    """What `do` answers, or answered when it was first sent. RefusedError for another request under the key,
    which is refused below, too: the decision keeps the key for good, the answer is forgotten after a day.
    """
    idempotency: Idempotency = request.app.state.idempotency
    asked = request.scope["path"].encode() + b"\0" + (body.model_dump_json().encode() if body else b"")

    async def answer() -> tuple[int, bytes]:
        return status, await do()

    try:
        status, content = await idempotency.once(
            caller, None, key.encode("latin-1", "replace"), asked, answer
        )
    except ReusedKeyError as error:
        raise RefusedError("idempotency_key_reused") from error
    return Response(content, status, dict(response.headers), "application/json")


@router.post("", status_code=201, response_model=WholeExperiment)
async def draft(
    request: Request, response: Response, body: NewExperiment, caller: Experimenter, idempotency_key: Key
) -> Any:
    """Draft an experiment: its plan is frozen, and nobody is in it before it is started."""
    planned = _plan(body.plan)
    target = Target.model_validate(body.target.model_dump())
    wanted = Draft(body.name, body.hypothesis, body.challenger, planned.model_dump(mode="json"), target)
    key = decisions.scoped(caller.identity.organisation_id, idempotency_key)

    async def do() -> bytes:
        async with request.app.state.pool.connection() as connection:
            try:
                drafted = await drafts.draft(connection, wanted, caller.name, key)
            except UnknownVersionError as error:
                raise InvalidError({"challenger": str(error)}) from error
            return _WHOLE.dump_json(await drafts.get(connection, drafted))

    return await _once(request, response, caller, idempotency_key, body, do, 201)


def _plan(changes: dict[str, JsonValue]) -> plan.Plan:
    try:
        return plan.with_changes(changes)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise InvalidError({"plan": faults}) from error
    except ValueError as error:
        raise InvalidError({"plan": str(error)}) from error


@router.get("")
async def list_experiments(
    request: Request, caller: Viewer, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> list[ListedExperiment]:
    """The newest experiments, the newest first; the holdout is one."""
    async with request.app.state.pool.connection() as connection:
        return await drafts.newest(connection, limit)


@router.get("/{experiment_id}")
async def get_experiment(request: Request, experiment_id: uuid.UUID, caller: Viewer) -> WholeExperiment:
    """An experiment with its plan, and what was decided on it: who, what, why, when, and what came of it."""
    async with request.app.state.pool.connection() as connection:
        return await drafts.get(connection, experiment_id)


@router.post("/{experiment_id}/start", status_code=202, response_model=Asked)
async def start(
    request: Request,
    response: Response,
    experiment_id: uuid.UUID,
    caller: Experimenter,
    idempotency_key: Key,
    body: Because | None = None,
) -> Any:
    """Start a draft, with the first step of its ramp; or go on after a pause, with the same people."""
    return await _ask(request, response, experiment_id, Action.START, caller, idempotency_key, body)


@router.post("/{experiment_id}/ramp", status_code=202, response_model=Asked)
async def ramp(
    request: Request,
    response: Response,
    experiment_id: uuid.UUID,
    caller: Experimenter,
    idempotency_key: Key,
    body: NewShare,
) -> Any:
    """Let a larger share of the users in, or go on after a pause. A smaller one would send people away."""
    return await _ask(request, response, experiment_id, Action.RAMP, caller, idempotency_key, body)


@router.post("/{experiment_id}/pause", status_code=202, response_model=Asked)
async def pause(
    request: Request,
    response: Response,
    experiment_id: uuid.UUID,
    caller: Experimenter,
    idempotency_key: Key,
    body: Because | None = None,
) -> Any:
    """Let everybody be answered by the champion for a while; nothing is counted, nothing decided."""
    return await _ask(request, response, experiment_id, Action.PAUSE, caller, idempotency_key, body)


@router.post("/{experiment_id}/ship", status_code=202, response_model=Asked)
async def ship(
    request: Request,
    response: Response,
    experiment_id: uuid.UUID,
    caller: Experimenter,
    idempotency_key: Key,
    body: Reason,
) -> Any:
    """Make the challenger champion, whatever the evidence says; the experiment ends."""
    return await _ask(request, response, experiment_id, Action.SHIP, caller, idempotency_key, body)


@router.post("/{experiment_id}/rollback", status_code=202, response_model=Asked)
async def rollback(
    request: Request,
    response: Response,
    experiment_id: uuid.UUID,
    caller: Experimenter,
    idempotency_key: Key,
    body: Reason,
) -> Any:
    """Withdraw the challenger; the experiment ends."""
    return await _ask(request, response, experiment_id, Action.ROLL_BACK, caller, idempotency_key, body)


async def _ask(
    request: Request,
    response: Response,
    experiment_id: uuid.UUID,
    action: Action,
    caller: Caller,
    idempotency_key: str,
    body: Because | Reason | None,
) -> Response:
    wanted = decisions.Request(
        experiment_id,
        action,
        {"share": body.share} if isinstance(body, NewShare) else {},
        written((body.reason if body else None) or ""),
        caller.name,
        decisions.scoped(caller.identity.organisation_id, idempotency_key),
    )

    async def do() -> bytes:
        async with request.app.state.pool.connection() as connection:
            experiment = await drafts.get(connection, experiment_id)
            decision_id = await decisions.ask(connection, wanted)
        happens = _what_happens(experiment, wanted)
        return Asked(decision_id=decision_id, happens=happens).model_dump_json().encode()

    return await _once(request, response, caller, idempotency_key, body, do, 202)


def _what_happens(experiment: WholeExperiment, wanted: decisions.Request) -> str:
    is_draft = experiment.status is Status.DRAFT
    share = wanted.parameters.get("share") or (experiment.plan["ramp"][0] if is_draft else 0.0)
    versions = {arm.is_baseline: arm.version for arm in experiment.variants}
    return str(
        consequence(
            wanted.action,
            experiment.status,
            challenger=versions[False],
            baseline=versions.get(True, "the champion"),
            share=share,
        )
    )
