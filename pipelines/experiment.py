"""The flow `experiment`: carries out decisions, and starts, analyses and ends experiments.

Each run first carries out the open decisions. Then it starts the experiment of a new challenger, or analyses
the running experiment. An analysis changes nothing unless the evidence suffices. Frequent analyses do no
harm, because the intervals hold at all analyses at once. Only one run is active at a time.
"""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from prefect import State, flow, get_run_logger
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.erasure import orders
from data.reasons import Reason, reason
from data.tables import Epoch, Experiment, Variant, Version
from data.traffic import routing
from data.traffic.routing import Split
from experiments import bandit, evidence, outcomes, own_metrics, votes
from experiments import plan as plans
from experiments.analysis import between_users, compare
from experiments.decisions import Command, propose
from experiments.evidence import Evidence
from experiments.lifecycle import OPEN, Action, Status
from experiments.plan import Plan
from experiments.recommendation import Decision, decide
from pipelines import carry_out, holdout, tracking
from pipelines.run_reasons import complete, label_failure
from pipelines.shadow import UnsoundError


@flow(name="experiment", on_failure=[label_failure])
def experiment(overrides: Sequence[str] = ()) -> Evidence | State[Evidence]:
    """Carry out the open decisions. Then start the experiment of the newest challenger, or analyse the
    running one and act on the evidence. A paused experiment does not change.

    `overrides` are key=value pairs on `configs/experiment.yaml`, for an experiment that starts. Returns the
    evidence of an analysis, else a completed state with a message.
    """
    settings, log = Settings(), get_run_logger()
    engine = database.engine_of(settings)
    assert settings.database_url is not None
    try:
        with database.lock(settings.database_url, "decide"):
            for line in carry_out.carry_out(settings, engine):
                log.info(line)
            result = _run_next_step(settings, engine, overrides)
        for line in tracking.write_ended(settings, engine):  # without the lock: MLflow may be slow
            log.info(line)
        return result
    finally:
        engine.dispose()


def _run_next_step(
    settings: Settings, engine: Engine, overrides: Sequence[str]
) -> Evidence | State[Evidence]:
    own = own_metrics.load(settings.metrics_file)
    _check_holdout(engine, plans.load(own=own).without_own_metrics())
    with Session(engine) as session:
        open_experiments = select(Experiment).where(Experiment.status.in_(OPEN))
        current = session.scalar(open_experiments.order_by(Experiment.status.desc()).limit(1))
    if current is not None:
        if why_stopped := _stop_if_erased(engine, current.id):
            return complete("Stopped", *why_stopped)
        if current.status == Status.PAUSED:
            return complete("Paused", reason("experiment_paused", name=current.name))
        return _analyse_and_act(settings, engine, current.id)
    challenger = _find_new_challenger(engine)
    if challenger is None:
        return complete("NothingToDo", reason("no_new_challenger"))
    try:
        carry_out.start_without_draft(settings, engine, challenger, plans.load(overrides, own))
    except UnsoundError as error:
        return complete("Refused", *error.reasons)
    return complete("Started", reason("experiment_started", version=challenger))


def _find_new_challenger(engine: Engine) -> str | None:
    """The newest accepted version, if it is untested: not the champion, in no experiment or draft, and
    trained on no person who was erased since. Else None. A discarded draft never ran, so it tested nothing.
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
        experiments_of_it = session.scalar(
            select(func.count())
            .select_from(Variant)
            .join(Experiment)
            .where(
                Variant.name == newest.name,
                Variant.is_baseline.is_(False),
                Experiment.status != Status.DISCARDED,
            )
        )
        return None if experiments_of_it else newest.name


def _check_holdout(engine: Engine, plan: Plan) -> None:
    """Log the gain of all promotions. End the holdout when an erasure has retired its version."""
    with Session(engine) as session, session.begin():
        current = routing.current(session)
        if current is None:
            return
        allowed = holdout.drop_if_erased(session, current.routing)
        if is_dropped := allowed != current.routing:
            epoch = routing.publish(session, allowed, [reason("holdout_erased")])
            orders.retire_unused(session)
        gain = holdout.measure_gain(session, plan)
    if is_dropped:
        routing.wait_until_acknowledged(engine, epoch)
    if gain is not None and gain.primary is not None:
        get_run_logger().info(
            "Compared with the holdout, the champion's mean outcome differs by %+.3f, between %+.3f and %+.3f"
            " (%d users of the champion, %d held out).",
            gain.primary.difference,
            *gain.primary.interval,
            gain.challenger.users,
            gain.baseline.users,
        )


def _stop_if_erased(engine: Engine, experiment_id: uuid.UUID) -> Sequence[Reason]:
    """End an experiment whose challenger was trained on a person who was erased since: it may never become
    champion. Returns the reasons; none when the experiment may continue.
    """
    with Session(engine) as session:
        challengers = select(Variant.name).where(
            Variant.experiment_id == experiment_id, Variant.is_baseline.is_(False)
        )
        challenger = session.scalars(challengers).one()
        live = routing.current(session)
        assert live is not None
        try:
            orders.refuse_version(session, challenger)
        except orders.OrderedError as error:
            reasons = error.reasons
        else:
            return ()
    carry_out.withdraw(engine, Command(experiment_id, Action.STOP, reasons))
    return reasons


def _analyse_and_act(settings: Settings, engine: Engine, experiment_id: uuid.UUID) -> Evidence:
    log = get_run_logger()
    with Session(engine) as session, session.begin():
        plan = Plan.model_validate(session.get_one(Experiment, experiment_id).plan)
        analysis = _analyse(session, experiment_id, plan, settings.organisation)
        evidence.store(session, experiment_id, analysis)
    for cause in analysis.decision.reasons:
        log.info(str(cause))
    _act_on(settings, engine, experiment_id, plan, analysis.decision)
    return analysis


def _analyse(session: Session, experiment_id: uuid.UUID, plan: Plan, operator: str) -> Evidence:
    """Add the new rows to the counts, and analyse all counts. `operator` is the name of the organisation that
    runs the installation.
    """
    row = session.get_one(Experiment, experiment_id)
    variants = session.scalars(select(Variant).where(Variant.experiment_id == experiment_id))
    names = {variant.is_baseline: variant.name for variant in variants}
    champion, challenger = names[True], names[False]
    all_metrics, now = plan.all_metrics, datetime.now(UTC)
    outcomes.refresh(session, experiment_id, plan, all_metrics, now)
    tally = votes.count_votes(session, experiment_id, champion, challenger, plan, operator, now)
    comparison = compare(tally, plan)
    arms = outcomes.read_arms(session, experiment_id, all_metrics)
    users = between_users(arms, plan, all_metrics)
    assert row.started_at is not None
    duration = now - row.started_at
    return Evidence(
        challenger=challenger,
        comparison=comparison,
        between_users=users,
        unbiased=None if plan.allocation == "fixed" else bandit.unbiased_effect(arms[plan.primary]),
        decision=decide(comparison, users, plan, duration),
    )


def _act_on(
    settings: Settings, engine: Engine, experiment_id: uuid.UUID, plan: Plan, decision: Decision
) -> None:
    """Carry out what an analysis recommends, or propose it when the plan leaves the decision to a person."""
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
    """Widen the experiment to the next share of its ramp, once the present share has lasted as planned."""
    with Session(engine) as session:
        split, duration = _read_running_split(session, experiment_id)
    wider = next((share for share in plan.ramp if share > split.ramp), None)
    if wider is None or duration < timedelta(hours=plan.hours_a_step):
        return
    cause = reason("ramp_due", share=split.ramp, hours=plan.hours_a_step)
    carry_out.ramp(engine, Command(experiment_id, Action.RAMP, [cause]), wider)
    get_run_logger().info("Now %.0f%% of the users are in the experiment.", 100 * wider)


def _reweigh(engine: Engine, experiment_id: uuid.UUID, plan: Plan, rule: bandit.Rule) -> None:
    """Give the arm with the better outcomes a larger share of later users, once the ramp is complete and the
    present weights have lasted as planned.
    """
    primary = plan.all_metrics[plan.primary]
    with Session(engine) as session:
        split, duration = _read_running_split(session, experiment_id)
        arms = outcomes.read_arms(session, experiment_id, {plan.primary: primary})[plan.primary]
    if split.ramp < plan.ramp[-1] or duration < timedelta(hours=plan.hours_a_batch):
        return
    # The bandit prefers higher means.
    sign = 1 if primary.better == "higher" else -1
    arms = [arm.model_copy(update={"mean": None if arm.mean is None else sign * arm.mean}) for arm in arms]
    (first, weight), (second, _) = bandit.reweigh(arms, rule).items()
    weights = {first: round(weight, 3), second: 1 - round(weight, 3)}
    if weights == {arm.name: arm.weight for arm in split.arms}:
        return
    cause = reason(
        "reweighed",
        first=first,
        first_share=weights[first],
        second=second,
        second_share=weights[second],
        rule=rule,
    )
    carry_out.reweigh(engine, Command(experiment_id, Action.REWEIGH, [cause]), weights)
    get_run_logger().info(str(cause))


def _read_running_split(session: Session, experiment_id: uuid.UUID) -> tuple[Split, timedelta]:
    """The split of an experiment in force, and for how long it has been as it is."""
    live = routing.current(session)
    split = live.routing.split(experiment_id) if live else None
    assert split is not None, experiment_id
    return split, datetime.now(UTC) - session.get_one(Epoch, split.epoch).started_at
