"""How long an experiment has run. The time of a pause does not count, because nobody comes in it."""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from data.tables import Experiment


class Running(NamedTuple):
    """The periods in which an experiment let users in, the oldest first: the begin and the end of each. The
    last one has no end while the experiment runs.
    """

    periods: tuple[tuple[datetime, datetime | None], ...]

    def lasted(self, until: datetime) -> timedelta:
        """For how long users had been let in at a moment."""
        parts = (max(min(end or until, until) - begin, timedelta()) for begin, end in self.periods)
        return sum(parts, timedelta())


def find_periods(
    started_at: datetime, ended_at: datetime | None, changes: Iterable[tuple[datetime, float]]
) -> Running:
    """The periods between the start and the end of an experiment. `changes` are the moments of its epochs,
    the oldest first, and the share of the users in each; a share of 0 is a pause.
    """
    periods: list[tuple[datetime, datetime | None]] = []
    begin: datetime | None = started_at
    for moment, share in changes:
        if begin is None and share:
            begin = moment
        elif begin is not None and not share:
            periods.append((begin, moment))
            begin = None
    if begin is not None:
        periods.append((begin, ended_at))
    return Running(tuple(periods))


_CHANGES = text("""
    SELECT split.experiment_id, e.started_at, split.ramp
    FROM epochs e
    CROSS JOIN jsonb_to_recordset(e.routing->'experiments')
        AS split(experiment_id uuid, epoch int, ramp float)
    WHERE split.experiment_id = ANY(:ids) AND split.epoch = e.number ORDER BY e.number
""")


def read_each(session: Session, experiment_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Running]:
    """When each of the experiments let users in. Those that have not started are absent."""
    ids = list(experiment_ids)
    if not ids:
        return {}
    changes: dict[uuid.UUID, list[tuple[datetime, float]]] = {}
    for experiment_id, moment, share in session.execute(_CHANGES, {"ids": ids}):
        changes.setdefault(experiment_id, []).append((moment, share))
    rows = select(Experiment.id, Experiment.started_at, Experiment.ended_at).where(Experiment.id.in_(ids))
    return {
        row.id: find_periods(row.started_at, row.ended_at, changes.get(row.id, ()))
        for row in session.execute(rows)
        if row.started_at is not None
    }


def read(session: Session, experiment_id: uuid.UUID) -> Running:
    """When an experiment let users in. KeyError when it has not started."""
    return read_each(session, [experiment_id])[experiment_id]
