"""Carries out what is decided on an experiment (start, ramp, pause, ship, roll back): by a person who asked
for it through the gateway, or by the flow `experiment` itself.

What an act does to the database (routing, status, the decision's outcome) is one transaction: an act that its
process did not survive was not begun, and may be begun again.
"""

import logging
import secrets
from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Engine, and_, exists, func, select
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.reasons import Reason, ReasonedError, reason
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
from pipelines.promote import make_champion, make_servable, must_be_fit
from pipelines.shadow import Shadow, UnsoundError

log = logging.getLogger(__name__)


def carry_out(settings: Settings, engine: Engine) -> Iterator[str]:
    """Carry out the open decisions, the oldest first; a sentence of each when it has its outcome. The caller
    holds the lock `decide`.

    One that fails is not tried again: its row says why, and whoever asked may ask again.
    """
    while (command := _claim(engine)) is not None:
        # By whom is in the row alone: logs are kept elsewhere, and longer than people may want.
        asked = f"{command.action} of experiment {command.experiment_id} (decision {command.id})"
        try:
            _do(settings, engine, command)
        except Exception as error:  # the outermost edge of what one person asked for: others wait behind it
            log.exception("%s failed", asked)
            with Session(engine) as session, session.begin():
                decisions.fail(session, command, _failure(error), _measured(error))
            yield f"{asked}: failed: {error}"
        else:
            yield f"{asked}: done"


def _failure(error: Exception) -> list[Reason]:
    if isinstance(error, ReasonedError):
        return error.reasons
    return [reason("internal_error", error=str(error) or type(error).__name__)]


def _measured(error: Exception) -> dict[str, object]:
    return _shadow_result(error.shadow) if isinstance(error, UnsoundError) else {}


def _claim(engine: Engine) -> Command | None:
    with Session(engine) as session, session.begin():
        return decisions.claim(session)


def _do(settings: Settings, engine: Engine, command: Command) -> None:
    """What a person asks for, if it can be as the experiment stands now."""
    with Session(engine) as session:
        status = Status(session.get_one(Experiment, command.experiment_id).status)
        challenger = _challenger(session, command).name
        live = _live(session)
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
                _end(session, command, {})
        case action:
            raise RefusedError("cannot_request", action=action.value)


def start_by_itself(settings: Settings, engine: Engine, challenger: str, plan: Plan) -> Command:
    """Start an experiment of a challenger for everybody, without a draft; what was done.

    UnsoundError when it is not fit to be met. Then its experiment has ended before it began, and the
    challenger counts as tried.
    """
    command = Command(new_id(), Action.START, [reason("passed_gate", version=challenger)])
    spec = make_servable(settings, challenger)
    with Session(engine) as session:
        champion = _live(session).champion
    try:
        found = shadow.run(settings, engine, champion, spec, Target(), plan.shadow_messages)
    except UnsoundError as error:
        with Session(engine) as session, session.begin():
            _add(session, command, champion, spec, plan)
            session.add(_variant(command, champion, is_baseline=True))
            stopped = Command(command.experiment_id, Action.STOP, error.reasons)
            _end(session, stopped, _measured(error))
        raise
    with Session(engine) as session, session.begin():
        _add(session, command, _live(session).champion, spec, plan)
        epoch = _open(session, command, spec, found)
    routing.wait_until_acknowledged(engine, epoch)
    return command


def _add(session: Session, command: Command, champion: Spec, challenger: Spec, plan: Plan) -> None:
    """Store an experiment of a challenger for everybody, which has not begun."""
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
    session.add(_variant(command, challenger, is_baseline=False))
    session.flush()


def start(settings: Settings, engine: Engine, command: Command) -> None:
    """Start a draft. ValueError when its challenger may not go live, or is not fit to be met."""
    with Session(engine) as session:
        challenger = _challenger(session, command).name
        must_be_fit(session, challenger)  # before its weights are asked for, which may be gone
        other = select(Experiment.name, Experiment.status).where(Experiment.status.in_(OPEN))
        if row_of_other := session.execute(other).first():
            raise RefusedError("another_experiment", name=row_of_other.name, status=row_of_other.status)
        row, champion = session.get_one(Experiment, command.experiment_id), _live(session).champion
        plan, target = Plan.model_validate(row.plan), Target.model_validate(row.target or {})
    spec = make_servable(settings, challenger)
    measured = shadow.run(settings, engine, champion, spec, target, plan.shadow_messages)
    with Session(engine) as session, session.begin():
        epoch = _open(session, command, spec, measured)
    routing.wait_until_acknowledged(engine, epoch)


def _open(session: Session, command: Command, challenger: Spec, found: Shadow | None) -> int:
    """Give each half of the users that the ramp begins with an arm, and offer both side by side; the epoch of
    it.
    """
    row, live = session.get_one(Experiment, command.experiment_id), _live(session)
    if live.champion == challenger:
        raise RefusedError("is_champion", version=challenger.version)
    plan, held_out = _of_this_launch(session, Plan.model_validate(row.plan)), holdout.of(live)
    row.plan = plan.model_dump(mode="json")
    split = Split(
        experiment_id=row.id,
        salt=row.salt,
        arms=tuple(Arm(name=spec.version, weight=0.5, spec=spec) for spec in (live.champion, challenger)),
        slots=(held_out.slots[1] if held_out else 0.0, 1.0),
        ramp=plan.ramp[0],
        target=Target.model_validate(row.target or {}),
    )
    wanted = Routing(champion=live.champion, challenger=challenger, experiments=(*live.experiments, split))
    epoch = routing.publish(session, wanted, [reason("experiment_started", version=challenger.version)])
    session.add(_variant(command, live.champion, is_baseline=True))
    _challenger(session, command).spec_digest = challenger.digest
    row.status, row.started_at = Status.RUNNING, func.now()
    decisions.record(session, command, {"epoch": epoch, "ramp": split.ramp, **_shadow_result(found)})
    return epoch


def _shadow_result(result: Shadow | None) -> dict[str, object]:
    """The numbers of a shadow run, for the decision that it was made for."""
    return {"shadow": result.model_dump(mode="json", exclude={"reasons"})} if result else {}


def _of_this_launch(session: Session, plan: Plan) -> Plan:
    """The plan with what this launch may spend of the false discovery rate: what those before it have left.

    One that was shipped without the evidence for it, by a click, is no find. One that its shadow run has
    refused never began, and is no launch.
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
    left = launches.alpha_of_next(shipped, plan.false_discovery_rate)
    return plan.model_copy(update={"ship_alpha": min(plan.ship_alpha, left)})


def ramp(engine: Engine, command: Command, share: float | None = None) -> None:
    """Let a share of the users in, at least those who were in it before; after a pause and without a share,
    the same ones.
    """
    with Session(engine) as session, session.begin():
        live, row = _live(session), session.get_one(Experiment, command.experiment_id)
        split = _split(live, command)
        wider = split.model_copy(update={"ramp": share or _before_the_pause(session, split)})
        epoch = routing.publish(
            session,
            _with(live, wider, wider.arms[1].spec),
            _epoch_reasons(command, reason("ramped", share=wider.ramp, decision=str(command.id))),
        )
        row.status = Status.RUNNING
        decisions.record(session, command, {"epoch": epoch, "ramp": wider.ramp})
    routing.wait_until_acknowledged(engine, epoch)


def reweigh(engine: Engine, command: Command, weights: Mapping[str, float]) -> None:
    """Give arms other weights, for who comes from now on: an epoch of the experiment."""
    with Session(engine) as session, session.begin():
        live = _live(session)
        split = _split(live, command)
        arms = tuple(arm.model_copy(update={"weight": weights[arm.name]}) for arm in split.arms)
        wanted = _with(live, split.model_copy(update={"arms": arms}), live.challenger)
        epoch = routing.publish(session, wanted, command.reasons)
        decisions.record(session, command, {"epoch": epoch, "weights": dict(weights)})
    routing.wait_until_acknowledged(engine, epoch)


def pause(engine: Engine, command: Command) -> None:
    """Let nobody be answered by the challenger until the experiment goes on."""
    with Session(engine) as session, session.begin():
        live, row = _live(session), session.get_one(Experiment, command.experiment_id)
        closed = _split(live, command).model_copy(update={"ramp": 0.0})
        epoch = routing.publish(
            session,
            _with(live, closed, None),
            _epoch_reasons(command, reason("was_paused", decision=str(command.id))),
        )
        row.status = Status.PAUSED
        decisions.record(session, command, {"epoch": epoch, "ramp": 0.0})
    routing.wait_until_acknowledged(engine, epoch)


def ship(settings: Settings, engine: Engine, command: Command) -> None:
    """Make the challenger champion. ValueError when it may not go live."""
    with Session(engine) as session:
        challenger = _challenger(session, command).name
        must_be_fit(session, challenger)
        is_champion = _live(session).champion.version == challenger
    if is_champion:  # by this very decision, whose process ended before it could say so
        versions.set_alias(settings.registry_uri, "champion", challenger)
    else:
        make_champion(settings, engine, make_servable(settings, challenger), command.reasons)
    with Session(engine) as session, session.begin():
        _end(session, command, {})


def withdraw(engine: Engine, command: Command) -> None:
    """Take an experiment and its challenger out of the routing: everybody is answered by the champion."""
    with Session(engine) as session, session.begin():
        live = _live(session)
        others = tuple(one for one in live.experiments if one.experiment_id != command.experiment_id)
        epoch = routing.publish(
            session,
            Routing(champion=live.champion, experiments=others),
            _epoch_reasons(command, reason("was_withdrawn", decision=str(command.id))),
        )
        _end(session, command, {})
    routing.wait_until_acknowledged(engine, epoch)


def _end(session: Session, command: Command, about: dict[str, object]) -> None:
    row = session.get_one(Experiment, command.experiment_id)
    status = Status(row.status)
    # A promotion stops the experiments that it finds: the ship that caused it ends as shipped all the same.
    before = Status.RUNNING if status is Status.STOPPED else status
    row.status, row.ended_at = TRANSITIONS[before][command.action], func.now()
    decisions.record(session, command, about)


def _epoch_reasons(command: Command, otherwise: Reason) -> Sequence[Reason]:
    """Why an epoch begins: the command's own reasons, or what it did when a person gave none."""
    return command.reasons or [otherwise]


def _live(session: Session) -> Routing:
    current = routing.current(session)
    assert current is not None, "an experiment without a champion"
    return current.routing


def _split(live: Routing, command: Command) -> Split:
    split = live.split(command.experiment_id)
    if split is None:
        raise RefusedError("not_in_force")
    return split


def _with(live: Routing, split: Split, challenger: Spec | None) -> Routing:
    """The routing with an experiment's split anew."""
    splits = tuple(split if one.experiment_id == split.experiment_id else one for one in live.experiments)
    return Routing(champion=live.champion, challenger=challenger, experiments=splits)


def _before_the_pause(session: Session, split: Split) -> float:
    """The newest share of an experiment that is no pause: a split's own epoch is the one that changed it."""
    while not split.ramp:
        before = Routing.model_validate(session.get_one(Epoch, split.epoch - 1).routing)
        found = before.split(split.experiment_id)
        assert found is not None, split
        split = found
    return split.ramp


def _challenger(session: Session, command: Command) -> Variant:
    arms = select(Variant).where(
        Variant.experiment_id == command.experiment_id, Variant.is_baseline.is_(False)
    )
    return session.scalars(arms).one()


def _variant(command: Command, spec: Spec, is_baseline: bool) -> Variant:
    return Variant(
        experiment_id=command.experiment_id,
        name=spec.version,
        spec_digest=spec.digest,
        is_baseline=is_baseline,
    )
