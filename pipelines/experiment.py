"""The flow `experiment`: a challenger meets the champion, people decide, and the decision is carried out.

Each run does what is due now: what people have asked for; then it starts the experiment of a new challenger,
or looks at the running one. A look changes nothing unless the evidence is enough, and looking often does no
harm: the intervals hold at all looks at once. One run acts at a time.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from prefect import State, flow, get_run_logger
from prefect.states import Completed
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.erasure import orders
from data.tables import Epoch, Experiment, Look, Variant, Version
from data.traffic import routing
from experiments import bandit, breakdown, effects, metrics, outcomes, power
from experiments import plan as plans
from experiments.analysis import ComparisonResult, Decision, ExperimentResult, between_users, compare, decide
from experiments.breakdown import Breakdown
from experiments.decisions import Command, propose
from experiments.plan import Plan
from experiments.power import Outlook
from pipelines import carry_out, ended, holdout
from pipelines.shadow import UnsoundError


class Evidence(BaseModel):
    """What a look at a running experiment found, and what follows from it."""

    model_config = ConfigDict(frozen=True)

    experiment_id: uuid.UUID
    challenger: str
    comparison: ComparisonResult
    between_users: ExperimentResult
    unbiased: tuple[float, float] | None = Field(
        description="effect and error that a bandit does not bend; None where weights do not learn"
    )
    breakdowns: Mapping[str, Breakdown]
    outlook: Outlook | None
    decision: Decision


@flow(name="experiment")
def experiment(overrides: Sequence[str] = ()) -> Evidence | State[Evidence]:
    """Do what people have asked for. Then start the experiment of the newest challenger, or look at the
    running one and do what the evidence says; a paused one is left alone.

    `overrides` are key=value pairs on `configs/experiment.yaml`, for an experiment that starts.
    """
    settings, log = Settings(), get_run_logger()
    engine = database.engine_of(settings)
    assert settings.database_url is not None
    try:
        with database.lock(settings.database_url, "decide"):
            for done in carry_out.carry_out(settings, engine):
                log.info(done)
            due = _do_what_is_due(settings, engine, overrides)
        for told in ended.write(settings, engine):  # without the lock: MLflow may take its time
            log.info(told)
        return due
    finally:
        engine.dispose()


def _do_what_is_due(
    settings: Settings, engine: Engine, overrides: Sequence[str]
) -> Evidence | State[Evidence]:
    _check_holdout(engine)
    with Session(engine) as session:
        begun = select(Experiment).where(Experiment.status.in_(["running", "paused"]))
        current = session.scalar(begun.order_by(Experiment.status.desc()).limit(1))
    if current is not None:
        if stopped := _stop_if_ordered(engine, current.id):
            return Completed(message=stopped, name="Stopped")
        if current.status == "paused":
            return Completed(message=f"experiment {current.id} is paused", name="Paused")
        return _look(settings, engine, current.id)
    challenger = _new_challenger(engine)
    if challenger is None:
        return Completed(message="no challenger waits for an experiment", name="NothingToDo")
    try:
        started = carry_out.start_by_itself(settings, engine, challenger, plans.load(overrides))
    except UnsoundError as error:
        return Completed(message=str(error), name="Refused")
    message = f"experiment {started.experiment_id} of {challenger} has started"
    return Completed(message=message, name="Started")


def _new_challenger(engine: Engine) -> str | None:
    """The newest accepted version, if it has been neither champion nor in an experiment, drafts included, and
    learned from nobody who was erased since.
    """
    with Session(engine) as session:
        live = routing.current(session)
        if live is None:
            return None
        newest = session.scalar(
            select(Version)
            .where(Version.accepted)
            .order_by(Version.created_at.desc(), Version.name.desc())
            .limit(1)
        )
        if (
            newest is None
            or newest.name == live.routing.champion.version
            or orders.action_for(session, newest.name)
        ):
            return None
        tried = session.scalar(
            select(func.count())
            .select_from(Variant)
            .where(Variant.name == newest.name, Variant.is_baseline.is_(False))
        )
        return None if tried else newest.name


def _check_holdout(engine: Engine) -> None:
    """Say what all promotions have gained; let go of a holdout that may not be answered from any longer."""
    with Session(engine) as session, session.begin():
        current = routing.current(session)
        if current is None:
            return
        allowed = holdout.without_an_ordered_one(session, current.routing)
        if is_ordered := allowed != current.routing:
            epoch = routing.publish(session, allowed, "somebody whom the holdout learned from was erased")
            orders.retire_unused(session)
        gained = holdout.gain(session, plans.load())
    if is_ordered:
        routing.wait_until_acknowledged(engine, epoch)
    if gained is not None and gained.primary is not None:
        get_run_logger().info(
            "The champion against the holdout: mean outcomes differ by %+.3f, between %+.3f and %+.3f"
            " (%d and %d users).",
            gained.primary.difference,
            *gained.primary.interval,
            gained.challenger.users,
            gained.baseline.users,
        )


def _stop_if_ordered(engine: Engine, experiment_id: uuid.UUID) -> str | None:
    """End an experiment whose challenger may never become champion, since somebody it was trained on has been
    erased; why.
    """
    with Session(engine) as session:
        arms = select(Variant.name).where(
            Variant.experiment_id == experiment_id, Variant.is_baseline.is_(False)
        )
        challenger = session.scalars(arms).one()
        live = routing.current(session)
        assert live is not None
        try:
            orders.refuse_version(session, challenger)
        except orders.OrderedError as error:
            reason = str(error)
        else:
            return None
    carry_out.withdraw(engine, Command(experiment_id, "stop", reason))
    return reason


def _look(settings: Settings, engine: Engine, experiment_id: uuid.UUID) -> Evidence:
    log = get_run_logger()
    with Session(engine) as session, session.begin():
        plan = Plan.model_validate(session.get_one(Experiment, experiment_id).plan)
        found = _evidence(session, experiment_id, plan)
        _remember(session, found)
    for reason in found.decision.reasons:
        log.info(reason)
    _follow(settings, engine, experiment_id, plan, found.decision)
    return found


def _evidence(session: Session, experiment_id: uuid.UUID, plan: Plan) -> Evidence:
    """Take in what is new, and analyse all."""
    row = session.get_one(Experiment, experiment_id)
    variants = session.scalars(select(Variant).where(Variant.experiment_id == experiment_id))
    names = {variant.is_baseline: variant.name for variant in variants}
    champion, challenger = names[True], names[False]
    measured, now = metrics.load(), datetime.now(UTC)
    outcomes.refresh(session, experiment_id, plan, measured, now)
    compared = compare(outcomes.comparisons(session, champion, challenger, plan.votes_a_person), plan)
    arms = outcomes.arms(session, experiment_id, measured)
    users = between_users(arms, plan, measured)
    primary = measured[plan.primary]
    of_segments = outcomes.segments(session, experiment_id, plan.primary, primary, champion, challenger)
    found = {
        segment: effects.effect(pairs, plan.alpha, plan.n_star, primary.better)
        for segment, pairs in of_segments.items()
    }
    assert row.started_at is not None
    lasted = now - row.started_at
    return Evidence(
        experiment_id=experiment_id,
        challenger=challenger,
        comparison=compared,
        between_users=users,
        unbiased=None if plan.allocation == "fixed" else bandit.unbiased_effect(arms[plan.primary]),
        breakdowns=breakdown.by_kind(found, plan.alpha),
        outlook=power.outlook(users.primary, plan, lasted - plan.window),
        decision=decide(compared, users, plan, lasted),
    )


def _remember(session: Session, found: Evidence) -> None:
    """Keep what a look found, when it is not what the one before found: the effect over time.

    Not the breakdowns: of an organisation with one user they would be that user's votes.
    """
    evidence = found.model_dump(mode="json", exclude={"experiment_id", "breakdowns", "outlook"})
    newest = session.scalar(
        select(Look.evidence)
        .where(Look.experiment_id == found.experiment_id)
        .order_by(Look.looked_at.desc())
        .limit(1)
    )
    if evidence != newest:
        session.add(
            Look(experiment_id=found.experiment_id, looked_at=func.clock_timestamp(), evidence=evidence)
        )


def _follow(
    settings: Settings, engine: Engine, experiment_id: uuid.UUID, plan: Plan, decision: Decision
) -> None:
    """Do what the evidence says, or propose it where a person decides."""
    if decision.action == "keep_running":
        _ramp_up(engine, experiment_id, plan)
        if plan.allocation != "fixed":
            _reweigh(engine, experiment_id, plan, plan.allocation)
        return
    command = Command(experiment_id, decision.action, " ".join(decision.reasons))
    if not plan.automatic:
        with Session(engine) as session, session.begin():
            is_new = propose(session, command)
        if is_new:
            get_run_logger().info("Proposed: %s. Nothing changes until a person decides.", command.action)
    elif decision.action == "ship":
        carry_out.ship(settings, engine, command)
    else:
        carry_out.withdraw(engine, command)


def _ramp_up(engine: Engine, experiment_id: uuid.UUID, plan: Plan) -> None:
    """Take more users in, when the present share has lasted as long as planned."""
    with Session(engine) as session:
        live = routing.current(session)
        running = live.routing.split(experiment_id) if live else None
        assert running is not None, experiment_id
        lasted = datetime.now(UTC) - session.get_one(Epoch, running.epoch).started_at
    wider = next((share for share in plan.ramp if share > running.ramp), None)
    if wider is None or lasted < timedelta(hours=plan.hours_a_step):
        return
    reason = (
        f"{running.ramp:.0%} of the users for {plan.hours_a_step:.3g} hours or more, and nothing shows harm"
    )
    carry_out.ramp(engine, Command(experiment_id, "ramp", reason), wider)
    get_run_logger().info("Now %.0f%% of the users are in the experiment.", 100 * wider)


def _reweigh(engine: Engine, experiment_id: uuid.UUID, plan: Plan, rule: bandit.Rule) -> None:
    """Give the arm that looks better more of those who come, when the ramp is done and the present weights
    have lasted as long as planned.
    """
    measured = metrics.load()
    with Session(engine) as session:
        live = routing.current(session)
        running = live.routing.split(experiment_id) if live else None
        assert running is not None, experiment_id
        lasted = datetime.now(UTC) - session.get_one(Epoch, running.epoch).started_at
        arms = outcomes.arms(session, experiment_id, {plan.primary: measured[plan.primary]})[plan.primary]
    if running.ramp < plan.ramp[-1] or lasted < timedelta(hours=plan.hours_a_batch):
        return
    sign = 1 if measured[plan.primary].better == "higher" else -1
    arms = [arm.model_copy(update={"mean": None if arm.mean is None else sign * arm.mean}) for arm in arms]
    (one, weight), (other, _) = bandit.reweighted(arms, rule).items()
    weights = {one: round(weight, 3), other: 1 - round(weight, 3)}
    if weights == {arm.name: arm.weight for arm in running.arms}:
        return
    shares = " and ".join(f"{weight:.1%} to {name}" for name, weight in weights.items())
    carry_out.reweigh(
        engine, Command(experiment_id, "reweigh", f"Of those who come, {shares} ({rule})."), weights
    )
    get_run_logger().info("Of those who come from now on, %s.", shares)
