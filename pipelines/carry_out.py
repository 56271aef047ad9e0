"""Carries out decisions on an experiment (start, ramp, pause, ship, roll back): those that people request
through the gateway, and those of the flow `experiment`.

The routing, the status and the decision's outcome change in one transaction. If the process dies before the
commit, nothing has changed, and the decision can be carried out again.
"""

import logging
import secrets
from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Engine, and_, exists, func, select
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.reasons import Reason, reason
from data.records import Spec
from data.tables import Analysis, Epoch, Experiment, StoredSpec, Variant, new_id
from data.traffic import routing
from data.traffic.routing import Arm, Routing, Split, Target
from experiments import decisions, evidence, launches
from experiments.decisions import Command
from experiments.lifecycle import OPEN, TRANSITIONS, Action, RefusedError, Standing, Status
from experiments.plan import Plan
from models import versions
from pipelines import holdout, shadow
from pipelines.promote import make_champion, make_servable, refuse_unfit
from pipelines.shadow import Shadow, UnsoundError
from serving.validation import reasons_of

log = logging.getLogger(__name__)


def carry_out(settings: Settings, engine: Engine) -> Iterator[str]:
    """Carry out the open decisions, the oldest first. Yields one sentence for each outcome. The caller holds
    the lock `decide`.

    A failed decision is not retried. Its row holds the reason, and the person may request it again.
    """
    while (command := _claim(engine)) is not None:
        # The log does not name the person: logs leave the database, and may be kept longer than people want.
        label = f"{command.action} of experiment {command.experiment_id} (decision {command.id})"
        try:
            _execute(settings, engine, command)
        except Exception as error:  # one failed decision must not block the decisions after it
            log.exception("%s failed", label)
            with Session(engine) as session, session.begin():
                decisions.fail(session, command, _explain(error), _extract_measurements(error))
            yield f"{label}: failed: {error}"
        else:
            yield f"{label}: done"


def _explain(error: Exception) -> list[Reason]:
    return reasons_of(error) or [reason("internal_error", error=str(error) or type(error).__name__)]


def _extract_measurements(error: Exception) -> dict[str, object]:
    return _describe_shadow(error.shadow) if isinstance(error, UnsoundError) else {}


def _claim(engine: Engine) -> Command | None:
    with Session(engine) as session, session.begin():
        return decisions.claim(session)


def _execute(settings: Settings, engine: Engine, command: Command) -> None:
    """Execute a person's request. RefusedError when the status of the experiment does not allow it."""
    with Session(engine) as session:
        status = Status(session.get_one(Experiment, command.experiment_id).status)
        challenger = _read_challenger(session, command).name
        live = _read_routing(session)
        split = live.split(command.experiment_id)
        was_cut_off = command.is_again and status is Status.STOPPED and live.champion.version == challenger
        if command.action is not Action.SHIP or not was_cut_off:
            reached_share = split.reached_share if split else 0.0
            Standing(status, reached_share).check(command.action, command.parameters.get("share"))
    match command.action:
        case Action.START if status is Status.DRAFT:
            start(settings, engine, command)
        case Action.START:
            ramp(engine, command)
        case Action.RAMP:
            ramp(engine, command, float(command.parameters["share"]))
        case Action.PAUSE:
            pause(engine, command)
        case Action.SHIP:
            ship(settings, engine, command)
        case Action.ROLL_BACK:
            withdraw(engine, command)
        case Action.DISCARD:
            with Session(engine) as session, session.begin():
                _record_end(session, command, {})
        case action:
            raise RefusedError("cannot_request", action=action.value)


def start_without_draft(settings: Settings, engine: Engine, challenger: str, plan: Plan) -> Command:
    """Start an experiment of a challenger with all users. Returns the command that was carried out.

    UnsoundError when the shadow run rejects the challenger. Its experiment is then stored as stopped, so that
    the challenger is not tried again.
    """
    command = Command(new_id(), Action.START, [reason("passed_gate", version=challenger)])
    spec = make_servable(settings, challenger)
    with Session(engine) as session:
        champion = _read_routing(session).champion
    try:
        shadow_result = shadow.run(settings, engine, champion, spec, Target(), plan.shadow_messages)
    except UnsoundError as error:
        with Session(engine) as session, session.begin():
            _store_experiment(session, command, champion, spec, plan)
            session.add(_make_variant(command, champion, is_baseline=True))
            stop = Command(command.experiment_id, Action.STOP, error.reasons)
            _record_end(session, stop, _extract_measurements(error))
        raise
    with Session(engine) as session, session.begin():
        _store_experiment(session, command, _read_routing(session).champion, spec, plan)
        epoch = _publish_split(session, command, spec, shadow_result)
    routing.wait_until_acknowledged(engine, epoch)
    return command


def _store_experiment(
    session: Session, command: Command, champion: Spec, challenger: Spec, plan: Plan
) -> None:
    """Store an experiment with all users that has not started."""
    session.add(
        Experiment(
            id=command.experiment_id,
            name=f"{challenger.version} against {champion.version}",
            hypothesis=f"People prefer {challenger.version} to {champion.version}.",
            plan=plan.model_dump(mode="json"),
            salt=secrets.token_hex(8),
        )
    )
    session.merge(StoredSpec(digest=challenger.digest, spec=challenger.model_dump(mode="json")))
    session.flush()
    session.add(_make_variant(command, challenger, is_baseline=False))
    session.flush()


def start(settings: Settings, engine: Engine, command: Command) -> None:
    """Start a draft.

    RefusedError when another experiment is open, when the gate has not accepted the challenger, or when the
    challenger fails its shadow run; OrderedError when it was trained on a person who was erased since.
    """
    with Session(engine) as session:
        challenger = _read_challenger(session, command).name
        refuse_unfit(session, challenger)  # a version that may not go live may have lost its weights
        open_experiments = select(Experiment.name, Experiment.status).where(Experiment.status.in_(OPEN))
        if other := session.execute(open_experiments).first():
            raise RefusedError("another_experiment", name=other.name, status=other.status)
        row, champion = session.get_one(Experiment, command.experiment_id), _read_routing(session).champion
        plan, target = Plan.model_validate(row.plan), Target.model_validate(row.target or {})
    spec = make_servable(settings, challenger)
    shadow_result = shadow.run(settings, engine, champion, spec, target, plan.shadow_messages)
    with Session(engine) as session, session.begin():
        epoch = _publish_split(session, command, spec, shadow_result)
    routing.wait_until_acknowledged(engine, epoch)


def _publish_split(session: Session, command: Command, challenger: Spec, shadow_result: Shadow | None) -> int:
    """Publish the routing of a starting experiment: its first users get an arm each, and both arms are
    offered for comparison. Returns the number of the new epoch.
    """
    row, live = session.get_one(Experiment, command.experiment_id), _read_routing(session)
    if live.champion == challenger:
        raise RefusedError("is_champion", version=challenger.version)
    plan = _limit_ship_alpha(session, Plan.model_validate(row.plan))
    held_out = holdout.find_in(live)
    row.plan = plan.model_dump(mode="json")
    split = Split(
        experiment_id=row.id,
        salt=row.salt,
        arms=tuple(Arm(name=spec.version, weight=0.5, spec=spec) for spec in (live.champion, challenger)),
        slots=(held_out.slots[1] if held_out else 0.0, 1.0),
        ramp=plan.ramp[0],
        target=Target.model_validate(row.target or {}),
    )
    with_split = Routing(
        champion=live.champion, challenger=challenger, experiments=(*live.experiments, split)
    )
    epoch = routing.publish(session, with_split, [reason("experiment_started", version=challenger.version)])
    session.add(_make_variant(command, live.champion, is_baseline=True))
    _read_challenger(session, command).spec_digest = challenger.digest
    row.status, row.started_at = Status.RUNNING, func.now()
    decisions.record(
        session, command, {"epoch": epoch, "ramp": split.ramp, **_describe_shadow(shadow_result)}
    )
    return epoch


def _describe_shadow(result: Shadow | None) -> dict[str, object]:
    """The numbers of a shadow run, as the decision stores them."""
    return {"shadow": result.model_dump(mode="json", exclude={"reasons"})} if result else {}


def _limit_ship_alpha(session: Session, plan: Plan) -> Plan:
    """The plan with its `ship_alpha` limited to what the launches before it leave of the false discovery
    rate.

    A manual ship without supporting evidence is not a discovery. An experiment whose shadow run was rejected
    never started, so it is not a test.
    """
    ended = (
        Experiment.ended_at.is_not(None),
        Experiment.started_at.is_not(None),
        Experiment.plan != {},
        ~Experiment.is_sample,
    )
    by_evidence = exists().where(Analysis.experiment_id == Experiment.id, evidence.recommends_shipping())
    shipped = session.scalars(
        select(and_(Experiment.status == Status.SHIPPED, by_evidence))
        .where(*ended)
        .order_by(Experiment.started_at)
    ).all()
    alpha = launches.alpha_of_next(shipped, plan.false_discovery_rate)
    return plan.model_copy(update={"ship_alpha": min(plan.ship_alpha, alpha)})


def ramp(engine: Engine, command: Command, share: float | None = None) -> None:
    """Widen an experiment to a share of the users; earlier users stay in it. Without a share, a paused
    experiment resumes with the users that it had.
    """
    with Session(engine) as session, session.begin():
        live, row = _read_routing(session), session.get_one(Experiment, command.experiment_id)
        split = _require_split(live, command)
        wider = split.model_copy(update={"ramp": share or _find_ramp_before_pause(session, split)})
        epoch = routing.publish(
            session,
            _replace_split(live, wider, wider.arms[1].spec),
            _choose_epoch_reasons(command, reason("ramped", share=wider.ramp, decision=str(command.id))),
        )
        row.status = Status.RUNNING
        decisions.record(session, command, {"epoch": epoch, "ramp": wider.ramp})
    routing.wait_until_acknowledged(engine, epoch)


def reweigh(engine: Engine, command: Command, weights: Mapping[str, float]) -> None:
    """Change the arms' shares of later users. This begins a new epoch of the experiment.

    `weights` are by the name of the arm and sum to 1.
    """
    with Session(engine) as session, session.begin():
        live = _read_routing(session)
        split = _require_split(live, command)
        arms = tuple(arm.model_copy(update={"weight": weights[arm.name]}) for arm in split.arms)
        reweighed = _replace_split(live, split.model_copy(update={"arms": arms}), live.challenger)
        epoch = routing.publish(session, reweighed, command.reasons)
        decisions.record(session, command, {"epoch": epoch, "weights": dict(weights)})
    routing.wait_until_acknowledged(engine, epoch)


def pause(engine: Engine, command: Command) -> None:
    """Let the champion answer everybody until the experiment resumes."""
    with Session(engine) as session, session.begin():
        live, row = _read_routing(session), session.get_one(Experiment, command.experiment_id)
        closed = _require_split(live, command).model_copy(update={"ramp": 0.0})
        epoch = routing.publish(
            session,
            _replace_split(live, closed, None),
            _choose_epoch_reasons(command, reason("was_paused", decision=str(command.id))),
        )
        row.status = Status.PAUSED
        decisions.record(session, command, {"epoch": epoch, "ramp": 0.0})
    routing.wait_until_acknowledged(engine, epoch)


def ship(settings: Settings, engine: Engine, command: Command) -> None:
    """Make the challenger champion. RefusedError or OrderedError when it may not go live."""
    with Session(engine) as session:
        challenger = _read_challenger(session, command).name
        refuse_unfit(session, challenger)
        is_champion = _read_routing(session).champion.version == challenger
    if is_champion:  # an earlier attempt promoted it, but died before it recorded the outcome
        versions.set_alias(settings.registry_uri, "champion", challenger)
    else:
        make_champion(settings, engine, make_servable(settings, challenger), command.reasons)
    with Session(engine) as session, session.begin():
        _record_end(session, command, {})


def withdraw(engine: Engine, command: Command) -> None:
    """End an experiment and remove it from the routing: the champion answers everybody."""
    with Session(engine) as session, session.begin():
        live = _read_routing(session)
        others = tuple(split for split in live.experiments if split.experiment_id != command.experiment_id)
        epoch = routing.publish(
            session,
            Routing(champion=live.champion, experiments=others),
            _choose_epoch_reasons(command, reason("was_withdrawn", decision=str(command.id))),
        )
        _record_end(session, command, {})
    routing.wait_until_acknowledged(engine, epoch)


def _record_end(session: Session, command: Command, parameters: dict[str, object]) -> None:
    row = session.get_one(Experiment, command.experiment_id)
    status = Status(row.status)
    # A promotion stops every open experiment. The experiment that it ships still ends as shipped.
    before = Status.RUNNING if status is Status.STOPPED else status
    row.status, row.ended_at = TRANSITIONS[before][command.action], func.now()
    decisions.record(session, command, parameters)


def _choose_epoch_reasons(command: Command, default: Reason) -> Sequence[Reason]:
    """The command's own reasons; `default` when the person gave none."""
    return command.reasons or [default]


def _read_routing(session: Session) -> Routing:
    current = routing.current(session)
    assert current is not None, "an experiment without a champion"
    return current.routing


def _require_split(live: Routing, command: Command) -> Split:
    split = live.split(command.experiment_id)
    if split is None:
        raise RefusedError("not_in_force")
    return split


def _replace_split(live: Routing, split: Split, challenger: Spec | None) -> Routing:
    """The routing with this split in place of the experiment's former one."""
    splits = tuple(
        split if former.experiment_id == split.experiment_id else former for former in live.experiments
    )
    return Routing(champion=live.champion, challenger=challenger, experiments=splits)


def _find_ramp_before_pause(session: Session, split: Split) -> float:
    """The newest share of an experiment above 0. `Split.epoch` is the epoch that last changed the split."""
    while not split.ramp:
        earlier = Routing.model_validate(session.get_one(Epoch, split.epoch - 1).routing)
        former = earlier.split(split.experiment_id)
        assert former is not None, split
        split = former
    return split.ramp


def _read_challenger(session: Session, command: Command) -> Variant:
    challengers = select(Variant).where(
        Variant.experiment_id == command.experiment_id, Variant.is_baseline.is_(False)
    )
    return session.scalars(challengers).one()


def _make_variant(command: Command, spec: Spec, is_baseline: bool) -> Variant:
    return Variant(
        experiment_id=command.experiment_id,
        name=spec.version,
        spec_digest=spec.digest,
        is_baseline=is_baseline,
    )
