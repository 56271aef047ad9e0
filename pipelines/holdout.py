"""The holdout: a few users stay with an old champion, and as many users have the present champion. Neither
group is in any other experiment. The difference between the groups is the gain of all promotions since.

The holdout is stored as an experiment that no decision ends. It begins with the second champion. A new one
begins when the old champion may not answer any longer, because an erasure retired it, or because it edits by
rules that an update of the software replaced.
"""

import secrets

from sqlalchemy import func, update
from sqlalchemy.orm import Session

from data.erasure import orders
from data.records import Spec
from data.tables import Experiment, StoredSpec, Variant, new_id
from data.traffic import routing
from data.traffic.routing import HELD_OUT, Arm, Routing, Split
from experiments import metrics, outcomes, stored_sums
from experiments.analysis import ExperimentResult, between_users
from experiments.gains import PRESENT
from experiments.lifecycle import Status
from experiments.plan import Plan
from models.edits.writer import rules_digest


def splits_after_promotion(session: Session, champion: Spec, share: float) -> tuple[Split, ...]:
    """The splits of the routing after a promotion: at most one, the holdout. The caller publishes and
    commits.

    The running holdout continues with the new champion. Otherwise a new one holds out the champion until now
    for `share` of the users. There is none when `share` is 0, when the champion does not change, or when that
    champion may not answer any longer.
    """
    current = routing.current(session)
    if current is None:
        return ()
    live = current.routing
    running = live.holdout
    if running and _may_answer(session, running.arms[0].spec):
        return (_replace_present(running, champion),)
    close(session)
    if not share or live.champion == champion or not _may_answer(session, live.champion):
        return ()
    return (_create(session, live.champion, champion, share),)


def drop_if_erased(session: Session, live: Routing) -> Routing:
    """The routing; without its holdout when the held-out version was trained on a person who was erased
    since.
    """
    running = live.holdout
    if running is None or not orders.action_for(session, running.arms[0].spec.version):
        return live
    close(session)
    others = tuple(split for split in live.experiments if split != running)
    return live.model_copy(update={"experiments": others})


def close(session: Session) -> None:
    """Mark the holdout as ended in `experiments`. The caller publishes a routing without it."""
    session.execute(
        update(Experiment)
        .where(Experiment.status == Status.HOLDOUT)
        .values(status=Status.STOPPED, ended_at=func.now())
    )


def measure_gain(session: Session, plan: Plan) -> ExperimentResult | None:
    """Compare the users of the present champion with the held-out users, since its promotion. None without a
    holdout. The caller commits.
    """
    current = routing.current(session)
    running = current.routing.holdout if current else None
    if running is None:
        return None
    all_metrics = metrics.load()
    outcomes.refresh(session, running.experiment_id, plan, all_metrics)
    arms = stored_sums.read_arms(session, running.experiment_id, all_metrics, since=running.epoch)
    return between_users(arms, plan, all_metrics)


def _may_answer(session: Session, spec: Spec) -> bool:
    """Whether a spec may still be held out: no erasure has ordered its version, and its rules still exist."""
    is_current = spec.rules is None or spec.rules == rules_digest()
    return is_current and orders.action_for(session, spec.version) is None


def _replace_present(running: Split, champion: Spec) -> Split:
    held_out, present = running.arms
    return running.model_copy(update={"arms": (held_out, present.model_copy(update={"spec": champion}))})


def _create(session: Session, held_out: Spec, champion: Spec, share: float) -> Split:
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
