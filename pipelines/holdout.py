"""The holdout: a few users stay with an old champion for good, and as many have the present one; neither are
in any other experiment. What stands between the two is what all promotions since have gained.

It is an experiment like any other, but that no decision ends it: it begins with the second champion, and
begins anew when nobody may be given the old one any longer.
"""

import secrets

from sqlalchemy import func, update
from sqlalchemy.orm import Session

from data.erasure import orders
from data.records import Spec
from data.tables import Experiment, StoredSpec, Variant, new_id
from data.traffic import routing
from data.traffic.routing import Arm, Routing, Split
from experiments import metrics, outcomes
from experiments.analysis import ExperimentResult, between_users
from experiments.lifecycle import Status
from experiments.plan import Plan

HELD_OUT, PRESENT = "held_out", "present"


def of(live: Routing) -> Split | None:
    """The holdout in a routing."""
    return next((one for one in live.experiments if one.arms[0].name == HELD_OUT), None)


def after(session: Session, champion: Spec, share: float) -> tuple[Split, ...]:
    """The holdout beside a new champion: as it was, or a new one that holds out what is champion until now;
    none where there is nothing to hold out. The caller publishes and commits.
    """
    current = routing.current(session)
    if current is None:
        return ()
    live = current.routing
    running = of(live)
    if running and not orders.action_for(session, running.arms[0].spec.version):
        return (_with(running, champion),)
    end(session)
    if not share or live.champion == champion or orders.action_for(session, live.champion.version):
        return ()
    return (_new(session, live.champion, champion, share),)


def without_an_ordered_one(session: Session, live: Routing) -> Routing:
    """The routing without a holdout whose version was trained on somebody who was erased since."""
    running = of(live)
    if running is None or not orders.action_for(session, running.arms[0].spec.version):
        return live
    end(session)
    return live.model_copy(update={"experiments": tuple(one for one in live.experiments if one != running)})


def end(session: Session) -> None:
    """Note that the holdout has ended; the caller publishes a routing without it."""
    session.execute(
        update(Experiment)
        .where(Experiment.status == Status.HOLDOUT)
        .values(status=Status.STOPPED, ended_at=func.now())
    )


def gain(session: Session, plan: Plan) -> ExperimentResult | None:
    """How users of the present champion fare against those held out, since it is champion; the caller
    commits.
    """
    current = routing.current(session)
    running = of(current.routing) if current else None
    if running is None:
        return None
    measured = metrics.load()
    outcomes.refresh(session, running.experiment_id, plan, measured)
    arms = outcomes.read_arms(session, running.experiment_id, measured, since=running.epoch)
    return between_users(arms, plan, measured)


def _with(running: Split, champion: Spec) -> Split:
    held_out, present = running.arms
    return running.model_copy(update={"arms": (held_out, present.model_copy(update={"spec": champion}))})


def _new(session: Session, held_out: Spec, champion: Spec, share: float) -> Split:
    split = Split(
        experiment_id=new_id(),
        salt=secrets.token_hex(8),
        arms=(
            Arm(name=HELD_OUT, weight=0.5, spec=held_out),
            Arm(name=PRESENT, weight=0.5, spec=champion),
        ),
        slots=(0.0, 2 * share),
    )
    session.add(
        Experiment(
            id=split.experiment_id,
            name=f"holdout on {held_out.version}",
            hypothesis=f"Champions after {held_out.version} are better than it.",
            plan={},
            salt=split.salt,
            status=Status.HOLDOUT,
            started_at=func.now(),
        )
    )
    session.flush()
    for arm in split.arms:
        session.merge(StoredSpec(digest=arm.spec.digest, spec=arm.spec.model_dump(mode="json")))
        session.flush()
        session.add(
            Variant(
                experiment_id=split.experiment_id,
                name=arm.name,
                spec_digest=arm.spec.digest,
                is_baseline=arm.name == HELD_OUT,
            )
        )
    return split
