"""What promotions have gained: the users of each champion compared with those of a version that is held out.

A holdout (`pipelines.holdout`) has an epoch for each champion since it began, and a user enters each epoch
anew. So each champion has a gain of its own over the held-out version, which is that of all promotions until
then.
"""

import uuid
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from data.tables import Experiment
from data.traffic.routing import HELD_OUT
from experiments import effects, metrics, stored_sums
from experiments.effects import Effect
from experiments.plan import Plan

PRESENT = "present"  # the holdout's arm with the present champion


class Gain(NamedTuple):
    """A champion's users compared with the held-out ones, in an epoch. `effect` is None with too few users
    who have a value. `users` are the champion's.
    """

    champion: str
    since: datetime
    effect: Effect | None
    users: int
    held_out_users: int


class Holdout(NamedTuple):
    """A holdout, and the gain of each champion, the first one first. `ended_at` is None while it runs."""

    id: uuid.UUID
    held_out: str
    started_at: datetime
    ended_at: datetime | None
    metric: str
    gains: tuple[Gain, ...]


# Reads the epochs of a holdout with both versions. Later epochs of the routing repeat the split.
_EPOCHS = text("""
    SELECT split.epoch, e.started_at AS since,
        (SELECT arm->'spec'->>'version' FROM jsonb_array_elements(split.arms) AS arm
            WHERE arm->>'name' = :held_out) AS held_out,
        (SELECT arm->'spec'->>'version' FROM jsonb_array_elements(split.arms) AS arm
            WHERE arm->>'name' = :present) AS champion
    FROM epochs e CROSS JOIN jsonb_to_recordset(e.routing->'experiments')
        AS split(experiment_id uuid, epoch int, arms jsonb)
    WHERE split.experiment_id = :id AND split.epoch = e.number ORDER BY e.number
""")


def read_holdout(session: Session, experiment_id: uuid.UUID, plan: Plan) -> Holdout | None:
    """The holdout with an id; None when the experiment is no holdout. `plan` names the metric, as in the flow
    `experiment`.
    """
    names = {"held_out": HELD_OUT, "present": PRESENT}
    epochs = session.execute(_EPOCHS, {"id": experiment_id, **names}).all()
    if not epochs or epochs[0].held_out is None:
        return None
    row = session.get_one(Experiment, experiment_id)
    primary = metrics.load()[plan.primary]
    arms = stored_sums.read_arms(session, experiment_id, {plan.primary: primary})[plan.primary]
    by_epoch = {(arm.epoch, arm.variant): arm for arm in arms}
    gains = []
    for epoch in epochs:
        held_out, present = by_epoch[epoch.epoch, HELD_OUT], by_epoch[epoch.epoch, PRESENT]
        effect = effects.compare_arms(
            [(held_out, present)],
            plan.alpha,
            plan.n_star,
            primary.better,
            primary.largest,
            plan.minimum_users_an_arm,
        )
        gains.append(Gain(epoch.champion, epoch.since, effect, present.users, held_out.users))
    assert row.started_at is not None
    return Holdout(
        id=row.id,
        held_out=epochs[0].held_out,
        started_at=row.started_at,
        ended_at=row.ended_at,
        metric=plan.primary,
        gains=tuple(gains),
    )
