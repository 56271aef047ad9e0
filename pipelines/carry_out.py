"""Carries out decisions on an experiment (start, ramp, pause, ship, roll back): those that people request
through the gateway, and those of the flow `experiment`.

The routing, the status and the decision's outcome change in one transaction. If the process dies before the
commit, nothing has changed, and the decision can be carried out again.
"""

import logging
import secrets
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence

from sqlalchemy import Engine, and_, exists, func, select
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.reasons import Reason, reason
from data.records import Spec
from data.tables import Analysis, Epoch, Experiment, StoredSpec, Variant, new_id
from data.traffic import routing
from data.traffic.routing import Arm, Routing, Split, Target
from experiments import decisions, evidence, launches
from experiments.assignment import find_slots
from experiments.decisions import Command
from experiments.lifecycle import TRANSITIONS, Action, RefusedError, Standing, Status
from experiments.plan import Plan
from models import versions
from pipelines import shadow
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
    return {"shadow": _describe_shadow(error.shadow)} if isinstance(error, UnsoundError) else {}


def _claim(engine: Engine) -> Command | None:
    with Session(engine) as session, session.begin():
        return decisions.claim(session)


def _execute(settings: Settings, engine: Engine, command: Command) -> None:
    """Execute a person's request. RefusedError when the status of the experiment does not allow it."""
    with Session(engine) as session:
        status = Status(session.get_one(Experiment, command.experiment_id).status)
        tested = {variant.name for variant in _read_challengers(session, command.experiment_id)}
        live = _read_routing(session)
        split = live.split(command.experiment_id)
        was_cut_off = command.is_again and status is Status.STOPPED and live.champion.version in tested
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
        case Action.DROP:
            drop(engine, command, str(command.parameters["challenger"]))
        case Action.SHIP:
            ship(settings, engine, command)
        case Action.ROLL_BACK:
            withdraw(engine, command)
        case Action.DISCARD:
            with Session(engine) as session, session.begin():
                record_end(session, command, {})
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
            record_end(session, stop, _extract_measurements(error))
        raise
    with Session(engine) as session, session.begin():
        epoch = open_experiment(session, command, spec, plan, shadow_result)
    routing.wait_until_acknowledged(engine, epoch)
    return command


def open_experiment(
    session: Session,
    command: Command,
    challenger: Spec,
    plan: Plan,
    shadow_result: Shadow | None,
    salt: str | None = None,
) -> int:
    """Store and start an experiment of a challenger with all users; the number of its epoch. The caller
    commits.

    `shadow_result` is that of the challenger's shadow run, if there was one. `salt` assigns users to arms; it
    is random if it is left out.
    """
    _store_experiment(session, command, _read_routing(session).champion, challenger, plan, salt)
    return _publish_split(session, command, {challenger: shadow_result})


def _store_experiment(
    session: Session, command: Command, champion: Spec, challenger: Spec, plan: Plan, salt: str | None = None
) -> None:
    """Store an experiment with all users that has not started."""
    session.add(
        Experiment(
            id=command.experiment_id,
            name=f"{challenger.version} against {champion.version}",
            hypothesis=f"People prefer {challenger.version} to {champion.version}.",
            plan=plan.model_dump(mode="json"),
            salt=salt or secrets.token_hex(8),
        )
    )
    session.merge(StoredSpec(digest=challenger.digest, spec=challenger.model_dump(mode="json")))
    session.flush()
    session.add(_make_variant(command, challenger, is_baseline=False))
    session.flush()


def start(settings: Settings, engine: Engine, command: Command) -> None:
    """Start a draft.

    RefusedError when other experiments leave too few users free, when the gate has not accepted a challenger,
    or when a challenger fails its shadow run; OrderedError when it was trained on a person who was erased
    since.
    """
    with Session(engine) as session:
        names = [variant.name for variant in _read_challengers(session, command.experiment_id)]
        for name in names:
            refuse_unfit(session, name)  # a version that may not go live may have lost its weights
        row, live = session.get_one(Experiment, command.experiment_id), _read_routing(session)
        plan, target = Plan.model_validate(row.plan), Target.model_validate(row.target or {})
        find_slots(live, plan.traffic_share, target)
    specs = [make_servable(settings, name) for name in names]
    shadows = {
        spec: shadow.run(settings, engine, live.champion, spec, target, plan.shadow_messages)
        for spec in specs
    }
    with Session(engine) as session, session.begin():
        epoch = _publish_split(session, command, shadows)
    routing.wait_until_acknowledged(engine, epoch)


def _publish_split(session: Session, command: Command, challengers: Mapping[Spec, Shadow | None]) -> int:
    """Publish the routing of a starting experiment: its first users get an arm each, and all arms are
    offered for comparison. `challengers` has the result of each one's shadow run. Returns the number of the
    new epoch.
    """
    row, live = session.get_one(Experiment, command.experiment_id), _read_routing(session)
    if live.champion in challengers:
        raise RefusedError("is_champion", version=live.champion.version)
    plan = _limit_ship_alpha(session, Plan.model_validate(row.plan))
    row.plan = plan.model_dump(mode="json")
    target = Target.model_validate(row.target or {})
    specs = (live.champion, *challengers)
    split = Split(
        experiment_id=row.id,
        salt=row.salt,
        arms=tuple(Arm(name=spec.version, weight=1 / len(specs), spec=spec) for spec in specs),
        slots=find_slots(live, plan.traffic_share, target),
        ramp=plan.ramp[0],
        target=target,
    )
    started = [reason("experiment_started", version=spec.version) for spec in challengers]
    epoch = routing.publish(session, _route(live, (*live.experiments, split)), started)
    session.add(_make_variant(command, live.champion, is_baseline=True))
    digests = {spec.version: spec.digest for spec in challengers}
    for variant in _read_challengers(session, command.experiment_id):
        variant.spec_digest = digests[variant.name]
    row.status, row.started_at = Status.RUNNING, func.now()
    decisions.record(session, command, {"epoch": epoch, "ramp": split.ramp, **_describe_shadows(challengers)})
    return epoch


def _describe_shadows(results: Mapping[Spec, Shadow | None]) -> dict[str, object]:
    """The numbers of shadow runs by version, as the decision stores them."""
    shadows = {spec.version: _describe_shadow(result) for spec, result in results.items() if result}
    return {"shadows": shadows} if shadows else {}


def _describe_shadow(result: Shadow) -> dict[str, object]:
    return result.model_dump(mode="json", exclude={"reasons"})


def _limit_ship_alpha(session: Session, plan: Plan) -> Plan:
    """The plan with its `ship_alpha` limited to what the launches before it leave of the false discovery
    rate.

    A manual ship without supporting evidence is not a discovery. An experiment whose shadow run was rejected
    never started, so it is not a test. One that still runs counts as a test without a discovery: its outcome
    may not change the level of a test that began before it (Zrnic, Ramdas and Jordan, "Asynchronous online
    testing of multiple hypotheses", 2021).
    """
    started = (
        Experiment.started_at.is_not(None),
        Experiment.status != Status.HOLDOUT,
        Experiment.plan != {},
        ~Experiment.is_sample,
    )
    by_evidence = exists().where(Analysis.experiment_id == Experiment.id, evidence.recommends_shipping())
    shipped = session.scalars(
        select(and_(Experiment.status == Status.SHIPPED, by_evidence))
        .where(*started)
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
            _replace_split(live, wider),
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
        reweighed = _replace_split(live, split.model_copy(update={"arms": arms}))
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
            _replace_split(live, closed),
            _choose_epoch_reasons(command, reason("was_paused", decision=str(command.id))),
        )
        row.status = Status.PAUSED
        decisions.record(session, command, {"epoch": epoch, "ramp": 0.0})
    routing.wait_until_acknowledged(engine, epoch)


def drop(engine: Engine, command: Command, challenger: str) -> None:
    """Withdraw one of several challengers. The champion answers its users, who count no longer, and the
    experiment goes on with the others. RefusedError when it is not tested, or the last one.
    """
    with Session(engine) as session, session.begin():
        live = _read_routing(session)
        split = _require_split(live, command)
        tested = {variant.name: variant for variant in _read_challengers(session, command.experiment_id)}
        _refuse_other(tested, challenger)
        if len(tested) == 1:
            raise RefusedError("last_challenger", version=challenger)
        # The arm stays, because the others' users would change their arms without it. New users do not get
        # it. Organisations keep their weights: their users meet the experiment at different times.
        freed = next(arm.weight for arm in split.arms if arm.name == challenger)
        scale, kept = (1 / (1 - freed), 0.0) if split.unit == "user" else (1.0, freed)
        arms = tuple(
            arm.model_copy(update={"weight": kept, "spec": live.champion})
            if arm.name == challenger
            else arm.model_copy(update={"weight": arm.weight * scale})
            for arm in split.arms
        )
        epoch = routing.publish(
            session,
            _replace_split(live, split.model_copy(update={"arms": arms})),
            _choose_epoch_reasons(command, reason("was_dropped", version=challenger)),
        )
        tested[challenger].dropped_at = func.now()
        decisions.record(session, command, {"epoch": epoch, "challenger": challenger})
    routing.wait_until_acknowledged(engine, epoch)


def ship(settings: Settings, engine: Engine, command: Command) -> None:
    """Make a challenger champion: the one that the command's parameters name, or the only one. RefusedError
    or OrderedError when it may not go live.
    """
    with Session(engine) as session:
        tested = [variant.name for variant in _read_challengers(session, command.experiment_id)]
        if "challenger" not in command.parameters and len(tested) > 1:
            raise RefusedError("which_challenger", versions=tuple(tested))
        challenger = str(command.parameters.get("challenger", tested[0]))
        _refuse_other(tested, challenger)
        refuse_unfit(session, challenger)
        is_champion = _read_routing(session).champion.version == challenger
    if is_champion:  # an earlier attempt promoted it, but died before it recorded the outcome
        versions.set_alias(settings.registry_uri, "champion", challenger)
    else:
        make_champion(settings, engine, make_servable(settings, challenger), command.reasons)
    with Session(engine) as session, session.begin():
        record_end(session, command, {"challenger": challenger})


def withdraw(engine: Engine, command: Command) -> None:
    """End an experiment and remove it from the routing: the champion answers everybody."""
    with Session(engine) as session, session.begin():
        live = _read_routing(session)
        others = tuple(split for split in live.experiments if split.experiment_id != command.experiment_id)
        epoch = routing.publish(
            session,
            _route(live, others),
            _choose_epoch_reasons(command, reason("was_withdrawn", decision=str(command.id))),
        )
        record_end(session, command, {})
    routing.wait_until_acknowledged(engine, epoch)


def record_end(session: Session, command: Command, parameters: dict[str, object]) -> None:
    """Record that a command has ended its experiment, with its results. The caller commits."""
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


def _route(live: Routing, splits: Sequence[Split]) -> Routing:
    """The routing with these splits. All challengers that answer users are compared side by side: not those
    of a paused experiment, nor dropped ones, whose users the champion answers.
    """
    specs = (
        arm.spec
        for split in splits
        if split.ramp and not split.is_holdout
        for arm in split.arms
        if arm.spec != live.champion
    )
    return Routing(champion=live.champion, challengers=tuple(dict.fromkeys(specs)), experiments=tuple(splits))


def _replace_split(live: Routing, split: Split) -> Routing:
    """The routing with this split in place of the experiment's former one."""
    return _route(
        live,
        [split if former.experiment_id == split.experiment_id else former for former in live.experiments],
    )


def _find_ramp_before_pause(session: Session, split: Split) -> float:
    """The newest share of an experiment above 0. `Split.epoch` is the epoch that last changed the split."""
    while not split.ramp:
        earlier = Routing.model_validate(session.get_one(Epoch, split.epoch - 1).routing)
        former = earlier.split(split.experiment_id)
        assert former is not None, split
        split = former
    return split.ramp


def list_tested(session: Session, experiment_id: uuid.UUID) -> list[str]:
    """The names of the challengers that are still tested."""
    return [variant.name for variant in _read_challengers(session, experiment_id)]


def _read_challengers(session: Session, experiment_id: uuid.UUID) -> Sequence[Variant]:
    """The challengers that are still tested, in the order of their names."""
    challengers = select(Variant).where(
        Variant.experiment_id == experiment_id,
        Variant.is_baseline.is_(False),
        Variant.dropped_at.is_(None),
    )
    return session.scalars(challengers.order_by(Variant.name)).all()


def _refuse_other(tested: Iterable[str], challenger: str) -> None:
    if challenger not in tested:
        raise RefusedError("not_tested", version=challenger, versions=tuple(tested))


def _make_variant(command: Command, spec: Spec, is_baseline: bool) -> Variant:
    return Variant(
        experiment_id=command.experiment_id,
        name=spec.version,
        spec_digest=spec.digest,
        is_baseline=is_baseline,
    )
