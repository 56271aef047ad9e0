"""The flow `experiment`: a challenger meets the champion, people decide, and the decision is carried out.

Each run does what is due now: what people have asked for; then it starts the experiment of a new challenger,
or looks at the running one. A look changes nothing unless the evidence is enough, and looking often does no
harm: the intervals hold at all looks at once. One run acts at a time.
"""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from prefect import State, flow, get_run_logger
from prefect.states import Completed
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.erasure import orders
from data.reasons import reason, render
from data.tables import Epoch, Experiment, Variant, Version
from data.traffic import routing
from experiments import bandit, evidence, metrics, outcomes
from experiments import plan as plans
from experiments.analysis import Decision, between_users, compare, decide
from experiments.decisions import Command, propose
from experiments.evidence import Evidence
from experiments.lifecycle import OPEN, Action, Status
from experiments.plan import Plan
from pipelines import carry_out, holdout, tracking
from pipelines.shadow import UnsoundError


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
        for line in tracking.write_ended(settings, engine):  # without the lock: MLflow may be slow
            log.info(line)
        return due
    finally:
        engine.dispose()


def _do_what_is_due(
    settings: Settings, engine: Engine, overrides: Sequence[str]
) -> Evidence | State[Evidence]:
    _check_holdout(engine)
    with Session(engine) as session:
        begun = select(Experiment).where(Experiment.status.in_(OPEN))
        current = session.scalar(begun.order_by(Experiment.status.desc()).limit(1))
    if current is not None:
        if stopped := _stop_if_ordered(engine, current.id):
            return Completed(message=stopped, name="Stopped")
        if current.status == Status.PAUSED:
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
            epoch = routing.publish(session, allowed, [reason("holdout_erased")])
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
            reasons = error.reasons
        else:
            return None
    carry_out.withdraw(engine, Command(experiment_id, Action.STOP, reasons))
    return render(reasons)


def _look(settings: Settings, engine: Engine, experiment_id: uuid.UUID) -> Evidence:
    log = get_run_logger()
    with Session(engine) as session, session.begin():
        plan = Plan.model_validate(session.get_one(Experiment, experiment_id).plan)
        found = _analyse(session, experiment_id, plan)
        evidence.store(session, experiment_id, found)
    for why in found.decision.reasons:
        log.info(str(why))
    _follow(settings, engine, experiment_id, plan, found.decision)
    return found


def _analyse(session: Session, experiment_id: uuid.UUID, plan: Plan) -> Evidence:
    """Count what is new, and analyse everything."""
    row = session.get_one(Experiment, experiment_id)
    variants = session.scalars(select(Variant).where(Variant.experiment_id == experiment_id))
    names = {variant.is_baseline: variant.name for variant in variants}
    champion, challenger = names[True], names[False]
    measured, now = metrics.load(), datetime.now(UTC)
    outcomes.refresh(session, experiment_id, plan, measured, now)
    compared = compare(outcomes.count_votes(session, champion, challenger, plan.votes_a_person), plan)
    arms = outcomes.read_arms(session, experiment_id, measured)
    users = between_users(arms, plan, measured)
    assert row.started_at is not None
    lasted = now - row.started_at
    return Evidence(
        challenger=challenger,
        comparison=compared,
        between_users=users,
        unbiased=None if plan.allocation == "fixed" else bandit.unbiased_effect(arms[plan.primary]),
        decision=decide(compared, users, plan, lasted),
    )


def _follow(
    settings: Settings, engine: Engine, experiment_id: uuid.UUID, plan: Plan, decision: Decision
) -> None:
    """Do what the evidence says, or propose it where a person decides."""
    if decision.action is Action.KEEP_RUNNING:
        _ramp_up(engine, experiment_id, plan)
        if plan.allocation != "fixed":
            _reweigh(engine, experiment_id, plan, plan.allocation)
        return
    command = Command(experiment_id, decision.action, decision.reasons)
    if not plan.automatic:
        with Session(engine) as session, session.begin():
            is_new = propose(session, command)
        if is_new:
            get_run_logger().info("Proposed: %s. Nothing changes until a person decides.", command.action)
    elif decision.action is Action.SHIP:
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
    due = reason("ramp_due", share=running.ramp, hours=plan.hours_a_step)
    carry_out.ramp(engine, Command(experiment_id, Action.RAMP, [due]), wider)
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
        arms = outcomes.read_arms(session, experiment_id, {plan.primary: measured[plan.primary]})[
            plan.primary
        ]
    if running.ramp < plan.ramp[-1] or lasted < timedelta(hours=plan.hours_a_batch):
        return
    sign = 1 if measured[plan.primary].better == "higher" else -1
    arms = [arm.model_copy(update={"mean": None if arm.mean is None else sign * arm.mean}) for arm in arms]
    (first, weight), (second, _) = bandit.reweigh(arms, rule).items()
    weights = {first: round(weight, 3), second: 1 - round(weight, 3)}
    if weights == {arm.name: arm.weight for arm in running.arms}:
        return
    why = reason(
        "reweighed",
        first=first,
        first_share=weights[first],
        second=second,
        second_share=weights[second],
        rule=rule,
    )
    carry_out.reweigh(engine, Command(experiment_id, Action.REWEIGH, [why]), weights)
    get_run_logger().info(str(why))
