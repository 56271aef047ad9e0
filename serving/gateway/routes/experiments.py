"""Experiments: drafts, readings and decisions. A decision is a row; the flow `experiment` carries it out.

Experiments concern the people of all organisations, so only the organisation that runs the installation
(`TONEBRIDGE_ORGANISATION`) may see them: viewers and above read, experimenters and above decide.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, TypeAdapter, ValidationError

from data.fields import ID_EXAMPLES, Id, VersionName
from data.people import identities
from data.people.identities import Role
from data.reasons import written
from data.records import TransformType
from data.traffic.routing import Target
from experiments import decisions, drafts, history, own_metrics, plan
from experiments.decisions import UnknownExperimentError
from experiments.drafts import Draft, ListedExperiment, UnknownVersionError, WholeExperiment
from experiments.lifecycle import Action, RefusedError, Status, consequence
from experiments.outlook import Outlook
from experiments.own_metrics import Definitions
from serving.gateway.auth import Caller
from serving.gateway.dependencies import AnsweredOnce, Authenticated, Connection
from serving.gateway.online.bodies import CHANNEL, LOCALE
from serving.gateway.pages import LINKED, PageOfEvents
from serving.gateway.parts import InjectedParts, Parts
from serving.gateway.problems import ForbiddenError, InvalidError, NotInstalledError, ReusedKeyError
from serving.gateway.refusals import refuses
from serving.validation import reason_of

router = APIRouter(prefix="/api/v1/experiments", tags=["experiments"])

Sentence = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=r"^[^\x00]*$"),
    Field(examples=["People prefer the summaries of v2."]),
]
Version = Annotated[
    VersionName, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$", description="name of a version")
]
ExperimentId = Annotated[Id, Path(description="the experiment", examples=ID_EXAMPLES)]
_UNKNOWN = (UnknownExperimentError, uuid.UUID("01a22303-92fd-74fc-b4f4-074280c0308c"))
_NOT_NOW = (RefusedError, "already_requested", {"decision": "01a22303-92fd-74fc-b4f4-074280c0308c"})
MOST_CHALLENGERS = 9
_WHOLE = TypeAdapter(WholeExperiment)


PlanChanges = Annotated[
    dict[str, JsonValue],
    Field(
        max_length=100,
        description="fields that differ from configs/experiment.yaml",
        examples=[{"maximum_days": 21}],
    ),
]


class NewTarget(BaseModel):
    """The messages of an experiment: those that match every field with values; all, if no field has any."""

    model_config = ConfigDict(extra="forbid")

    # Lists, since the order of a set, and so the digest of a request, differs between processes.
    transform_types: Annotated[
        list[TransformType],
        Field(max_length=100, description="purposes; empty: all", examples=[["summarize"]]),
    ] = []
    organisations: Annotated[
        list[uuid.UUID], Field(max_length=100, description="organisations; empty: all", examples=[[]])
    ] = []
    locales: Annotated[
        list[Annotated[str, Field(pattern=LOCALE)]],
        Field(
            max_length=100,
            description="language tags: `ja` matches `ja-JP`, too; empty: all",
            examples=[["en"]],
        ),
    ] = []
    channels: Annotated[
        list[Annotated[str, Field(pattern=CHANNEL)]],
        Field(max_length=100, description="where messages are sent; empty: anywhere", examples=[["chat"]]),
    ] = []


class NewExperiment(BaseModel):
    """An experiment to draft: versions against the champion at the time of its start."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00]*$"),
        Field(description="its name", examples=["Shorter summaries"]),
    ]
    hypothesis: Annotated[Sentence, Field(description="what it is to show")]
    challengers: Annotated[
        list[Version],
        Field(min_length=1, max_length=MOST_CHALLENGERS, description="the versions to test"),
    ]
    plan: PlanChanges = {}
    target: Annotated[NewTarget, Field(description="the messages that it is about")] = NewTarget()


class OptionalReason(BaseModel):
    """The reason, which may be left out."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[Sentence | None, Field(description="why, for the audit trail")] = None


class NewShare(OptionalReason):
    """The share of users to put into the experiment."""

    share: Annotated[
        float,
        Field(
            gt=0, le=1, description="share of the users, up to 1; at least what it is now", examples=[0.25]
        ),
    ]


class RequiredReason(BaseModel):
    """The reason, for the audit trail."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[Sentence, Field(description="why")]


class DroppedChallenger(RequiredReason):
    """The challenger to withdraw, and the reason."""

    challenger: Annotated[Version, Field(description="the challenger to withdraw")]


class ShippedChallenger(RequiredReason):
    """The challenger to ship, which may be left out when there is only one, and the reason."""

    challenger: Annotated[Version | None, Field(description="the challenger to ship; null: the only one")] = (
        None
    )


class StoredDecision(BaseModel):
    """A stored decision, which is carried out within seconds; the experiment then has its outcome."""

    decision_id: Annotated[Id, Field(description="the decision, in `decisions` of the experiment")]
    happens: Annotated[
        str,
        Field(
            description="the effect of the decision, in words",
            examples=["The champion answers everybody until the experiment continues."],
        ),
    ]


Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="1 to 200 characters of your choice for this decision: sent again, it is stored once",
        examples=["5f2c0e7a-monday"],
    ),
]


async def _must_be(parts: Parts, caller: Caller, role: Role, activity: str) -> Caller:
    if not caller.identity.may_act_as(role):
        raise ForbiddenError("role_too_low", role=caller.identity.role, activity=activity, needed=role.value)
    # Not the dependency `Connection`: a handler that decides takes other connections while it runs.
    async with parts.pool.connection() as connection:
        name = await identities.find_name(connection, caller.identity.organisation_id)
    if name != parts.settings.organisation:
        raise ForbiddenError("other_organisation", activity=activity)
    return caller


async def viewer(parts: InjectedParts, caller: Authenticated) -> Caller:
    """The caller, if they may see experiments; ForbiddenError if not."""
    return await _must_be(parts, caller, Role.VIEWER, "see_experiments")


async def experimenter(parts: InjectedParts, caller: Authenticated) -> Caller:
    """The caller, if they may decide on experiments; ForbiddenError if not."""
    return await _must_be(parts, caller, Role.EXPERIMENTER, "decide_on_experiments")


Viewer = Annotated[Caller, Depends(viewer)]
Experimenter = Annotated[Caller, Depends(experimenter)]


class DecideOnce:
    """Stores what an experimenter decides under an Idempotency-Key, and answers it again when it is repeated.

    The decision keeps its key for good, the stored answer is deleted after a day. Another request under the
    key is a RefusedError by both.
    """

    def __init__(
        self, parts: InjectedParts, answer_once: AnsweredOnce, caller: Experimenter, idempotency_key: Key
    ) -> None:
        self.pool, self.caller = parts.pool, caller
        self.scoped_key = decisions.scope_key(caller.identity.organisation_id, idempotency_key)
        self._answer_once, self._key = answer_once, idempotency_key

    async def __call__(
        self, body: BaseModel | None, status: int, do: Callable[[], Awaitable[bytes]]
    ) -> Response:
        """The JSON of `do` with a status, or the stored answer."""

        async def answer() -> tuple[int, bytes]:
            return status, await do()

        try:
            return await self._answer_once(self._key, body, answer)
        except ReusedKeyError as error:
            raise RefusedError("idempotency_key_reused") from error


DecidedOnce = Annotated[DecideOnce, Depends()]


@router.post(
    "",
    status_code=201,
    response_model=WholeExperiment,
    responses=refuses((RefusedError, "not_accepted", {"version": "v2"})),
)
async def draft_experiment(parts: InjectedParts, once: DecidedOnce, body: NewExperiment) -> Any:
    """Draft an experiment: its plan is frozen, and nobody is in it before it is started."""
    planned = _plan(body.plan, own_metrics.load(parts.settings.metrics_file))
    target = Target.model_validate(body.target.model_dump())
    wanted = Draft(
        body.name,
        body.hypothesis,
        list(dict.fromkeys(body.challengers)),
        planned.model_dump(mode="json"),
        target,
    )

    async def do() -> bytes:
        async with once.pool.connection() as connection:
            try:
                experiment_id = await drafts.draft(connection, wanted, once.caller.name, once.scoped_key)
            except UnknownVersionError as error:
                raise InvalidError({"challengers": error.reasons[0]}) from error
            return _WHOLE.dump_json(await drafts.get(connection, experiment_id))

    return await once(body, 201, do)


def _plan(changes: dict[str, JsonValue], own: Definitions) -> plan.Plan:
    try:
        return plan.with_changes(changes, own)
    except ValidationError as error:
        by_part = {".".join(map(str, fault["loc"])): reason_of(fault) for fault in error.errors()}
        raise InvalidError(by_part, within="plan") from error
    except plan.PlanError as error:
        raise InvalidError({"plan": error.reasons[0]}) from error


class DraftPlan(BaseModel):
    """A plan that is not drafted yet."""

    model_config = ConfigDict(extra="forbid")

    plan: PlanChanges = {}
    users_a_day: Annotated[
        float | None,
        Field(
            gt=0,
            le=1e12,
            description="new users a day with the whole ramp; null: as in recent traffic",
            examples=[120.0],
        ),
    ] = None
    challengers: Annotated[int, Field(ge=1, le=MOST_CHALLENGERS, description="number of challengers")] = 1


@router.post("/outlook", responses=refuses((NotInstalledError, "forecast_not_installed")))
async def forecast_experiment(
    body: DraftPlan, caller: Viewer, connection: Connection, parts: InjectedParts
) -> Outlook:
    """Forecast what a plan can show, by recent traffic: users and days needed, and whether its margins can be
    excluded in time. Nothing is stored.
    """
    planned = _plan(body.plan, own_metrics.load(parts.settings.metrics_file))
    row = await (await connection.execute(history.NEWEST)).fetchone()
    traffic = history.parse(row[0] if row else None)
    return await asyncio.to_thread(_forecast, planned, traffic, body)


def _forecast(planned: plan.Plan, traffic: history.History | None, body: DraftPlan) -> Outlook:
    # Imported here: NumPy and SciPy are a third of the memory of a gateway and half of its image, and few
    # gateways are asked for an outlook.
    try:
        from experiments import forecasting
    except ModuleNotFoundError as error:
        raise NotInstalledError("forecast_not_installed") from error
    return forecasting.forecast(planned, planned.all_metrics, traffic, {}, body.users_a_day, body.challengers)


@router.get("", responses=LINKED)
async def list_experiments(
    caller: Viewer,
    connection: Connection,
    page: PageOfEvents,
    status: Annotated[
        list[Status],
        Query(
            max_length=len(Status),
            description="with these statuses; with any without it",
            examples=[["running"]],
        ),
    ] = [],  # noqa: B006 (FastAPI copies it)
) -> list[ListedExperiment]:
    """List experiments, the newest first; the holdout is one."""
    experiments = await drafts.list_newest(
        connection, page.most, statuses=status or tuple(Status), before=page.before
    )
    return page.show(experiments)


@router.get("/{experiment_id}", responses=refuses(_UNKNOWN))
async def get_experiment(
    experiment_id: ExperimentId, caller: Viewer, connection: Connection
) -> WholeExperiment:
    """Read an experiment with its plan and its decisions: action, person, reason and outcome of each."""
    return await drafts.get(connection, experiment_id)


class Decide:
    """Stores a decision on one experiment."""

    def __init__(self, once: DecidedOnce, experiment_id: ExperimentId) -> None:
        self._once, self._experiment_id = once, experiment_id

    async def __call__(self, action: Action, body: OptionalReason | RequiredReason | None) -> Response:
        """202 with what will happen; RefusedError or UnknownExperimentError when the action is impossible."""
        request = decisions.Request(
            self._experiment_id,
            action,
            _parameters(body),
            written((body.reason if body else None) or ""),
            self._once.caller.name,
            self._once.scoped_key,
        )

        async def do() -> bytes:
            async with self._once.pool.connection() as connection:
                experiment = await drafts.get(connection, self._experiment_id)
                if action is Action.START and experiment.plan_faults:
                    raise RefusedError("plan_invalid", details=experiment.plan_faults[1:])
                _check_challenger(experiment, request)
                decision_id = await decisions.ask(connection, request)
            happens = _what_happens(experiment, request)
            return StoredDecision(decision_id=decision_id, happens=happens).model_dump_json().encode()

        return await self._once(body, 202, do)


Deciding = Annotated[Decide, Depends()]


def _parameters(body: OptionalReason | RequiredReason | None) -> dict[str, Any]:
    if isinstance(body, NewShare):
        return {"share": body.share}
    if isinstance(body, DroppedChallenger | ShippedChallenger) and body.challenger is not None:
        return {"challenger": body.challenger}
    return {}


def _check_challenger(experiment: WholeExperiment, request: decisions.Request) -> None:
    """Raise RefusedError unless the request is about a challenger that is still tested."""
    tested = tuple(arm.name for arm in experiment.variants if not arm.is_baseline and not arm.dropped_at)
    challenger = request.parameters.get("challenger")
    if challenger is not None and challenger not in tested:
        raise RefusedError("not_tested", version=challenger, versions=tested)
    if request.action is Action.SHIP and challenger is None and len(tested) > 1:
        raise RefusedError("which_challenger", versions=tested)
    if request.action is Action.DROP and len(tested) == 1:
        raise RefusedError("last_challenger", version=tested[0])


def _what_happens(experiment: WholeExperiment, request: decisions.Request) -> str:
    starts = request.action is Action.START and experiment.status is Status.DRAFT
    share = request.parameters.get("share") or (experiment.plan["ramp"][0] if starts else 0.0)
    challenger = request.parameters.get("challenger")
    tested = [arm.version for arm in experiment.variants if not arm.is_baseline and not arm.dropped_at]
    baselines = [arm.version for arm in experiment.variants if arm.is_baseline]
    return str(
        consequence(
            request.action,
            experiment.status,
            challengers=[challenger] if challenger else tested,
            baseline=baselines[0] if baselines else "the champion",
            share=share,
        )
    )


@router.post(
    "/{experiment_id}/start",
    status_code=202,
    response_model=StoredDecision,
    responses=refuses(_UNKNOWN, _NOT_NOW),
)
async def start_experiment(decide: Deciding, body: OptionalReason | None = None) -> Any:
    """Start a draft, with the first step of its ramp; or continue after a pause, with the same people."""
    return await decide(Action.START, body)


@router.post(
    "/{experiment_id}/ramp",
    status_code=202,
    response_model=StoredDecision,
    responses=refuses(_UNKNOWN, _NOT_NOW),
)
async def ramp_experiment(decide: Deciding, body: NewShare) -> Any:
    """Raise the share of users in the experiment, or continue after a pause. A lower share is refused."""
    return await decide(Action.RAMP, body)


@router.post(
    "/{experiment_id}/pause",
    status_code=202,
    response_model=StoredDecision,
    responses=refuses(_UNKNOWN, _NOT_NOW),
)
async def pause_experiment(decide: Deciding, body: OptionalReason | None = None) -> Any:
    """Pause an experiment: the champion answers everybody, and nothing is counted or decided until it
    continues.
    """
    return await decide(Action.PAUSE, body)


@router.post(
    "/{experiment_id}/ship",
    status_code=202,
    response_model=StoredDecision,
    responses=refuses(_UNKNOWN, _NOT_NOW),
)
async def ship_challenger(decide: Deciding, body: ShippedChallenger) -> Any:
    """Make a challenger the champion, whatever the evidence is; the experiment ends."""
    return await decide(Action.SHIP, body)


@router.post(
    "/{experiment_id}/drop",
    status_code=202,
    response_model=StoredDecision,
    responses=refuses(_UNKNOWN, _NOT_NOW),
)
async def drop_challenger(decide: Deciding, body: DroppedChallenger) -> Any:
    """Withdraw one of several challengers; the experiment goes on with the others."""
    return await decide(Action.DROP, body)


@router.post(
    "/{experiment_id}/rollback",
    status_code=202,
    response_model=StoredDecision,
    responses=refuses(_UNKNOWN, _NOT_NOW),
)
async def roll_back_experiment(decide: Deciding, body: RequiredReason) -> Any:
    """Withdraw all challengers; the experiment ends."""
    return await decide(Action.ROLL_BACK, body)


@router.post(
    "/{experiment_id}/discard",
    status_code=202,
    response_model=StoredDecision,
    responses=refuses(_UNKNOWN, _NOT_NOW),
)
async def discard_experiment(decide: Deciding, body: OptionalReason | None = None) -> Any:
    """Discard a draft: it ends without having started, and stays in the list."""
    return await decide(Action.DISCARD, body)
