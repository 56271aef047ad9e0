"""The flow `experiment`: a challenger meets the champion, people decide, and the decision is carried out.

Each run does what is due now: it starts the experiment of a new challenger, or looks at the running one. A
look changes nothing unless the evidence is enough, and looking often does no harm: the intervals hold at all
looks at once.
"""

import secrets
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from prefect import State, flow, get_run_logger
from prefect.states import Completed
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

import configs
from configs.settings import Settings
from data import database, orders, routing
from data.routing import Arm, Routing, Split
from data.tables import Decision as DecisionRow
from data.tables import Epoch, Experiment, Look, Variant, Version, new_id
from experiments import breakdown, effects, launches, metrics, outcomes, power
from experiments import plan as plans
from experiments.analysis import (
    ComparisonResult,
    Decision,
    ExperimentResult,
    between_users,
    compare,
    decide,
)
from experiments.breakdown import Breakdown
from experiments.plan import Plan
from experiments.power import Outlook
from pipelines import holdout
from pipelines.promote import make_champion, make_servable

_ENDED = {"ship": "shipped", "roll_back": "rolled_back", "inconclusive": "stopped", "stop": "stopped"}


class Evidence(BaseModel):
    """What a look at a running experiment found, and what follows from it."""

    model_config = ConfigDict(frozen=True)

    experiment_id: uuid.UUID
    challenger: str
    comparison: ComparisonResult
    between_users: ExperimentResult
    breakdowns: Mapping[str, Breakdown]
    outlook: Outlook | None
    decision: Decision


@flow(name="experiment")
def experiment(overrides: Sequence[str] = ()) -> Evidence | State[Evidence]:
    """Start the experiment of the newest challenger, or look at the running one and do what the evidence
    says.

    `overrides` are key=value pairs on `configs/experiment.yaml`, for an experiment that starts.
    """
    settings = Settings()
    engine = database.engine_of(settings)
    try:
        _check_holdout(engine)
        with Session(engine) as session:
            running = session.scalar(select(Experiment.id).where(Experiment.status == "running"))
        if running is not None:
            if stopped := _stop_if_ordered(engine, running):
                return Completed(message=stopped, name="Stopped")
            return _look(settings, engine, running)
        challenger = _new_challenger(engine)
        if challenger is None:
            return Completed(message="no challenger waits for an experiment", name="NothingToDo")
        started = _start(settings, engine, challenger, _of_this_launch(engine, overrides))
        return Completed(message=f"experiment {started} of {challenger} has started", name="Started")
    finally:
        engine.dispose()


def _of_this_launch(engine: Engine, overrides: Sequence[str]) -> Plan:
    """The plan of the next experiment: what it may spend of the false discovery rate is what those before it
    have left.
    """
    wanted = configs.load(Plan, plans.FILE, overrides)
    with Session(engine) as session:
        ended = session.scalars(
            select(Experiment.status)
            .where(Experiment.ended_at.is_not(None), Experiment.status.in_(set(_ENDED.values())))
            .order_by(Experiment.started_at)
        )
        shipped = [status == "shipped" for status in ended]
    left = launches.alpha_of_next(shipped, wanted.false_discovery_rate)
    return wanted.model_copy(update={"ship_alpha": min(wanted.ship_alpha, left)})


def _new_challenger(engine: Engine) -> str | None:
    """The newest accepted version, if it has been neither champion nor in an experiment, and learned from
    nobody who was erased since.
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
        if newest is None or newest.name == live[1].champion.version or orders.of(session, newest.name):
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
        allowed = holdout.without_an_ordered_one(session, current[1])
        if is_ordered := allowed != current[1]:
            epoch = routing.publish(session, allowed, "somebody whom the holdout learned from was erased")
            orders.settle(session)
        gained = holdout.gain(session, configs.load(Plan, plans.FILE))
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


def _start(settings: Settings, engine: Engine, challenger: str, plan: Plan) -> uuid.UUID:
    """Warm the challenger, freeze the plan, give each half of the users that the ramp begins with an arm, and
    offer both side by side.
    """
    spec = make_servable(settings, challenger)
    experiment_id, salt = new_id(), secrets.token_hex(8)
    with Session(engine) as session, session.begin():
        live = routing.current(session)
        assert live is not None
        champion, others = live[1].champion, live[1].experiments
        held_out = holdout.of(live[1])
        session.add(
            Experiment(
                id=experiment_id,
                name=f"{challenger} against {champion.version}",
                hypothesis=f"People prefer {challenger} to {champion.version}.",
                plan=plan.model_dump(mode="json"),
                salt=salt,
                status="running",
                started_at=func.now(),
            )
        )
        arms = (
            Arm(name=champion.version, weight=0.5, spec=champion),
            Arm(name=challenger, weight=0.5, spec=spec),
        )
        split = Split(
            experiment_id=experiment_id,
            salt=salt,
            arms=arms,
            slots=(held_out.slots[1] if held_out else 0.0, 1.0),
            ramp=plan.ramp[0],
        )
        session.flush()
        wanted = Routing(champion=champion, challenger=spec, experiments=(*others, split))
        epoch = routing.publish(session, wanted, f"experiment of {challenger}")
        for arm in arms:
            session.add(
                Variant(
                    experiment_id=experiment_id,
                    name=arm.name,
                    spec_digest=arm.spec.digest,
                    is_baseline=arm.spec == champion,
                )
            )
        about = {"epoch": epoch, "ramp": split.ramp}
        _note(session, experiment_id, "start", f"{challenger} passed the gate", about)
    routing.wait_until_acknowledged(engine, epoch)
    return experiment_id


def _note(
    session: Session, experiment_id: uuid.UUID, action: str, reason: str, parameters: Mapping[str, object]
) -> None:
    """The audit row of what this flow does by itself."""
    session.add(
        DecisionRow(
            experiment_id=experiment_id,
            action=action,
            parameters=dict(parameters),
            reason=reason,
            requested_by="flow:experiment",
            idempotency_key=":".join([str(experiment_id), action, *map(str, parameters.values())]),
            claimed_at=func.now(),
            done_at=func.now(),
            outcome="done",
        )
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
            orders.refuse(session, challenger)
        except orders.OrderedError as error:
            reason = str(error)
        else:
            return None
    _withdraw(engine, experiment_id, reason)
    _end(engine, experiment_id, "stop", reason)
    return reason


def _withdraw(engine: Engine, experiment_id: uuid.UUID, reason: str) -> None:
    """Take an experiment and its challenger out of the routing."""
    with Session(engine) as session, session.begin():
        live = routing.current(session)
        assert live is not None
        others = tuple(one for one in live[1].experiments if one.experiment_id != experiment_id)
        epoch = routing.publish(session, Routing(champion=live[1].champion, experiments=others), reason)
    routing.wait_until_acknowledged(engine, epoch)


def _end(engine: Engine, experiment_id: uuid.UUID, action: str, reason: str) -> None:
    with Session(engine) as session, session.begin():
        session.execute(
            update(Experiment)
            .where(Experiment.id == experiment_id)
            .values(status=_ENDED[action], ended_at=func.now())
        )
        _note(session, experiment_id, action, reason, {})


def _look(settings: Settings, engine: Engine, experiment_id: uuid.UUID) -> Evidence:
    log = get_run_logger()
    with Session(engine) as session, session.begin():
        plan = Plan.model_validate(session.get_one(Experiment, experiment_id).plan)
        found = _evidence(session, experiment_id, plan)
        _remember(session, found)
    decision = found.decision
    for reason in decision.reasons:
        log.info(reason)
    if decision.action == "keep_running":
        _ramp_up(engine, experiment_id, plan)
    else:
        reason = decision.reasons[0]
        if decision.action == "ship":
            make_champion(settings, engine, make_servable(settings, found.challenger), reason)
        else:
            _withdraw(engine, experiment_id, reason)
        _end(engine, experiment_id, decision.action, " ".join(decision.reasons))
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
    users = between_users(outcomes.arms(session, experiment_id, measured), plan, measured)
    primary = measured[plan.primary]
    of_segments = outcomes.segments(session, experiment_id, plan.primary, primary, champion, challenger)
    found = {
        segment: effects.effect(pairs, plan.alpha, plan.n_star, primary.better)
        for segment, pairs in of_segments.items()
    }
    assert row.started_at is not None
    return Evidence(
        experiment_id=experiment_id,
        challenger=challenger,
        comparison=compared,
        between_users=users,
        breakdowns=breakdown.by_kind(found, plan.alpha),
        outlook=power.outlook(users.primary, plan, now - row.started_at - plan.window),
        decision=decide(compared, users, plan),
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


def _ramp_up(engine: Engine, experiment_id: uuid.UUID, plan: Plan) -> None:
    """Take more users in, when the present share has lasted as long as planned."""
    with Session(engine) as session, session.begin():
        live = routing.current(session)
        assert live is not None
        running = next(one for one in live[1].experiments if one.experiment_id == experiment_id)
        lasted = datetime.now(UTC) - session.get_one(Epoch, running.epoch).started_at
        wider = next((share for share in plan.ramp if share > running.ramp), None)
        if wider is None or lasted < timedelta(hours=plan.hours_a_step):
            return
        split = running.model_copy(update={"ramp": wider})
        splits = tuple(split if one == running else one for one in live[1].experiments)
        reason = (
            f"{running.ramp:.0%} of the users for {plan.hours_a_step:g} hours or more, and nothing shows harm"
        )
        epoch = routing.publish(session, live[1].model_copy(update={"experiments": splits}), reason)
        _note(session, experiment_id, "ramp", reason, {"epoch": epoch, "ramp": wider})
    routing.wait_until_acknowledged(engine, epoch)
    get_run_logger().info("Now %.0f%% of the users are in the experiment.", 100 * wider)
