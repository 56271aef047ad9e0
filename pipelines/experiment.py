"""The flow `experiment`: carries out decisions, and starts, analyses and ends experiments.

Each run first carries out the open decisions. Then it analyses the running experiments, or starts the
experiment of a new challenger. An analysis changes nothing unless the evidence suffices. Frequent analyses
do no harm, because the intervals hold at all analyses at once. Only one run is active at a time.
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
from data.traffic.routing import Split, Target
from experiments import bandit, evidence, judgements, outcomes, own_metrics, running, stored_sums, votes
from experiments import plan as plans
from experiments.analysis import ChallengerResult, between_users, compare, pick_arms
from experiments.assignment import find_slots
from experiments.decisions import Command, propose
from experiments.evidence import Evidence
from experiments.lifecycle import OPEN, Action, RefusedError, Status
from experiments.plan import Plan
from experiments.ranking import rank
from experiments.recommendation import Decision, decide
from pipelines import carry_out, holdout, tracking
from pipelines.run_reasons import complete, label_failure
from pipelines.shadow import UnsoundError
from serving.observability.start import watch


@flow(name="experiment", on_failure=[label_failure])
def experiment(overrides: Sequence[str] = ()) -> Evidence | State[Evidence]:
    """Carry out the open decisions. Then analyse the running experiments and act on the evidence. A paused
    experiment does not change. If other experiments leave enough users free, start the experiment of the
    newest challenger.

    `overrides` are key=value pairs on `configs/experiment.yaml`, for an experiment that starts. Returns the
    evidence of the newest open experiment, else a completed state with a message.
    """
    settings, log = Settings(), get_run_logger()
    watch(settings, "flows")
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
    plan = plans.load(overrides, own)
    with Session(engine) as session:
        open_ids = session.scalars(
            select(Experiment.id).where(Experiment.status.in_(OPEN)).order_by(Experiment.started_at)
        ).all()
    continued = [_continue(settings, engine, experiment_id) for experiment_id in open_ids]
    results = [result for result in continued if result is not None]
    challenger = _find_new_challenger(engine, plan)
    if challenger is None:
        return results[-1] if results else complete("NothingToDo", reason("no_new_challenger"))
    try:
        carry_out.start_without_draft(settings, engine, challenger, plan)
    except UnsoundError as error:
        return complete("Refused", *error.reasons)
    return complete("Started", reason("experiment_started", version=challenger))


def _continue(
    settings: Settings, engine: Engine, experiment_id: uuid.UUID
) -> Evidence | State[Evidence] | None:
    """Analyse an open experiment and act on the evidence. None when it has ended meanwhile: the promotion of
    another experiment's challenger ends all others, since they lose their baseline.
    """
    with Session(engine) as session:
        row = session.get_one(Experiment, experiment_id)
    if row.status not in OPEN:
        return None
    if why_stopped := _withdraw_erased(engine, experiment_id):
        return complete("Stopped", *why_stopped)
    if row.status == Status.PAUSED:
        return complete("Paused", reason("experiment_paused", name=row.name))
    return _analyse_and_act(settings, engine, experiment_id)


def _find_new_challenger(engine: Engine, plan: Plan) -> str | None:
    """The newest accepted version, if it is untested: not the champion, in no experiment or draft, and
    trained on no person who was erased since. None if there is none, or if open experiments leave too few
    users free for the plan. A discarded draft never ran, so it tested nothing.
    """
    with Session(engine) as session:
        live = routing.current(session)
        if live is None:
            return None
        try:
            find_slots(live.routing, plan.traffic_share, Target())
        except RefusedError:
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


def _withdraw_erased(engine: Engine, experiment_id: uuid.UUID) -> Sequence[Reason]:
    """Withdraw the challengers that were trained on a person who was erased since: they may never become
    champion. Returns the reasons if none is left and the experiment ended, else none.
    """
    erased: dict[str, Sequence[Reason]] = {}
    with Session(engine) as session:
        tested = carry_out.list_tested(session, experiment_id)
        for challenger in tested:
            try:
                orders.refuse_version(session, challenger)
            except orders.OrderedError as error:
                erased[challenger] = error.reasons
    if len(erased) == len(tested):
        reasons = [cause for causes in erased.values() for cause in causes]
        carry_out.withdraw(engine, Command(experiment_id, Action.STOP, reasons))
        return reasons
    for challenger, causes in erased.items():
        carry_out.drop(engine, Command(experiment_id, Action.DROP, causes), challenger)
    return ()


def _analyse_and_act(settings: Settings, engine: Engine, experiment_id: uuid.UUID) -> Evidence:
    log = get_run_logger()
    with Session(engine) as session, session.begin():
        plan = Plan.model_validate(session.get_one(Experiment, experiment_id).plan)
        now = datetime.now(UTC)
        analysis = analyse(session, experiment_id, plan, settings.organisation, now)
        evidence.store(session, experiment_id, analysis, now)
    for cause in analysis.decision.reasons:
        log.info(str(cause))
    _act_on(settings, engine, experiment_id, plan, analysis.decision)
    return analysis


def analyse(session: Session, experiment_id: uuid.UUID, plan: Plan, operator: str, now: datetime) -> Evidence:
    """Add the new rows to the counts, and analyse all counts. The caller commits, and may store the evidence.

    `operator` is the name of the organisation that runs the installation. Windows that have closed by `now`
    and votes that were cast by then count.
    """
    variants = session.scalars(select(Variant).where(Variant.experiment_id == experiment_id)).all()
    champion = next(variant.name for variant in variants if variant.is_baseline)
    alpha, plan = plan.alpha, plan.for_each_of(len(variants) - 1)
    all_metrics = plan.all_metrics
    outcomes.refresh(session, experiment_id, plan, all_metrics, now)
    arms = stored_sums.read_arms(session, experiment_id, all_metrics)
    results, tested = {}, carry_out.list_tested(session, experiment_id)
    for challenger in tested:
        tally = votes.count_votes(session, experiment_id, champion, challenger, plan, operator, now)
        judgements.record_shown(session, experiment_id, champion, challenger, plan)
        judged = judgements.compare(session, experiment_id, challenger, plan)
        pair = pick_arms(arms, challenger)
        results[challenger] = ChallengerResult(
            comparison=judgements.decide(compare(tally, plan), judged, plan),
            between_users=between_users(pair, plan, all_metrics),
            unbiased=None if plan.allocation == "fixed" else bandit.unbiased_effect(pair[plan.primary]),
        )
    votes.count_between_challengers(session, experiment_id, tested, plan, operator, now)
    pair_votes = votes.read_pair_votes(session, experiment_id)
    periods = running.read(session, experiment_id)
    return Evidence(
        challengers=results,
        decision=decide(results, plan, periods.lasted(now), periods.lasted(now - plan.window)),
        ranking=rank(pair_votes, champion, alpha) if len(variants) > 2 else None,
    )


def _act_on(
    settings: Settings, engine: Engine, experiment_id: uuid.UUID, plan: Plan, decision: Decision
) -> None:
    """Carry out what an analysis recommends, or propose it when the plan leaves the decision to a person."""
    if plan.automatic:
        for challenger in decision.dropped:
            why = decision.by_challenger[challenger].reasons
            carry_out.drop(engine, Command(experiment_id, Action.DROP, why), challenger)
    if decision.action is Action.KEEP_RUNNING:
        _ramp_up(engine, experiment_id, plan)
        if plan.allocation != "fixed":
            _reweigh(engine, experiment_id, plan, plan.allocation)
    ships = decision.action is Action.SHIP
    command = Command(
        experiment_id,
        decision.action,
        decision.reasons,
        {"challenger": decision.challenger} if ships else {},
    )
    if not plan.automatic:
        _propose(engine, command, decision)
    elif decision.action is Action.SHIP:
        carry_out.ship(settings, engine, command)
    elif decision.action is not Action.KEEP_RUNNING:
        carry_out.withdraw(engine, command)


def _propose(engine: Engine, command: Command, decision: Decision) -> None:
    """Store what an analysis recommends, for a person to decide."""
    dropped = [
        Command(
            command.experiment_id,
            Action.DROP,
            decision.by_challenger[challenger].reasons,
            {"challenger": challenger},
        )
        for challenger in decision.dropped
    ]
    with Session(engine) as session, session.begin():
        for proposed in dropped if command.action is Action.KEEP_RUNNING else [command]:
            if propose(session, proposed):
                get_run_logger().info(
                    "Proposed: %s. Nothing changes until a person decides.", proposed.action
                )


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
        tested = carry_out.list_tested(session, experiment_id)
        arms = [
            arm
            for arm in stored_sums.read_arms(session, experiment_id, {plan.primary: primary})[plan.primary]
            if arm.is_baseline or arm.variant in tested
        ]
    if split.ramp < plan.ramp[-1] or duration < timedelta(hours=plan.hours_a_batch):
        return
    # The bandit prefers higher means.
    sign = 1 if primary.better == "higher" else -1
    arms = [arm.model_copy(update={"mean": None if arm.mean is None else sign * arm.mean}) for arm in arms]
    *rounded, last = [(name, round(weight, 3)) for name, weight in bandit.reweigh(arms, rule).items()]
    weights = dict.fromkeys((arm.name for arm in split.arms), 0.0)  # a dropped arm keeps the weight 0
    weights |= {**dict(rounded), last[0]: 1 - sum(weight for _, weight in rounded)}
    if weights == {arm.name: arm.weight for arm in split.arms}:
        return
    cause = reason(
        "reweighed_arms",
        arms=tuple(weights),
        shares=tuple(f"{weight:.1%}" for weight in weights.values()),
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
