"""The page on data: the amount and quality of the feedback, the snapshots made of it, and the drift of
messages.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Response
from markupsafe import Markup
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from data import database
from data.reasons import Reason, load
from data.snapshots import weekly_messages
from data.snapshots.drift import ALARM, BEFORE, LEAST, SHIFTING, Drift
from data.snapshots.validation import Quality
from data.snapshots.weekly_messages import Messages
from data.traffic import participation
from data.traffic.participation import A_WEEK, DAYS, Volumes
from serving.dashboard import charts
from serving.dashboard.charts import Ranged
from serving.dashboard.visit import Visit, viewer_visit

router = APIRouter(prefix="/data")

Here = Annotated[Visit, viewer_visit]
_MOST_SNAPSHOTS = 50
_MOST_DRAWN = 1.0  # largest index in the chart: four times the limit of an alarm


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """A snapshot's row in Postgres.

    `quality` is None if a release without quality measurements made the snapshot, or an erasure rewrote it.
    """

    digest: str
    counts: Mapping[str, int]
    accepted: bool
    reasons: Sequence[Reason]
    quality: Quality | None
    created_at: datetime
    trained_at: datetime | None
    is_kept: bool


_SNAPSHOTS = """
    SELECT digest, counts, accepted, reasons, quality, created_at, trained_at, path <> '' FROM snapshots
    ORDER BY created_at DESC, digest LIMIT :most
"""


def list_snapshots(session: Session) -> list[SnapshotRow]:
    """The newest snapshots."""
    rows = session.execute(text(_SNAPSHOTS), {"most": _MOST_SNAPSHOTS})
    return [
        SnapshotRow(
            digest, counts, accepted, load(reasons), _parse_quality(quality), created_at, trained_at, is_kept
        )
        for digest, counts, accepted, reasons, quality, created_at, trained_at, is_kept in rows
    ]


def _parse_quality(stored: object) -> Quality | None:
    try:
        return Quality.model_validate(stored) if stored is not None else None
    except ValidationError:  # written by another release
        return None


@router.get("")
def show(here: Here) -> Response:
    """The page."""
    now, own = datetime.now(UTC), uuid.UUID(here.me.organisation_id)
    with Session(here.engine) as session:
        votes = participation.count_votes(session, now)
        snapshots = list_snapshots(session)
        database.read_for(session, own)
        responses = participation.count_responses(session, own, now)
    messages = _count_messages_in_time(here, own, now)
    drifts = messages.measure_drift() if messages else {}
    assessed = next((snapshot for snapshot in snapshots if snapshot.quality is not None), None)
    return here.page(
        "data.html",
        votes=votes,
        votes_plot=_draw_volumes(here, votes) if votes.total else None,
        days=DAYS,
        responses=responses,
        snapshots=snapshots,
        assessed=assessed,
        plots=_draw_quality(here, assessed.quality) if assessed and assessed.quality else {},
        messages=messages,
        latest={trait: weeks[-1] for trait, weeks in drifts.items()},
        drift_plot=_draw_drift(here, messages, drifts) if messages else None,
        shares=messages.compute_shares() if messages else {},
        limits={"least": LEAST, "shifting": SHIFTING, "alarm": ALARM, "before": BEFORE, "a_week": A_WEEK},
    )


def _count_messages_in_time(here: Visit, own: uuid.UUID, now: datetime) -> Messages | None:
    """As `weekly_messages.count_messages`; None if Postgres takes longer than a page may wait."""
    try:
        with Session(here.engine) as session:
            database.read_for(session, own)
            return weekly_messages.count_messages(session, own, now)
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != "57014":  # query_canceled: the timeout
            raise
        return None


def _draw_volumes(here: Visit, votes: Volumes) -> Markup:
    say = here.words.say
    counts = {say(kind): values for kind, values in votes.counts.items()}
    return charts.draw_stacked(votes.days, counts, say("Votes per day, by kind"), say("votes a day"))


def _draw_drift(here: Visit, messages: Messages, drifts: Mapping[str, Sequence[Drift]]) -> Markup | None:
    say = here.words.say
    series = {say(trait): [week.psi for week in weeks] for trait, weeks in drifts.items()}
    if not any(psi is not None for values in series.values() for psi in values):
        return None
    limits = {say("shifting"): SHIFTING, say("alarm"): ALARM}
    description = say("Population stability index of the messages of each week, by trait")
    return charts.draw_lines(
        messages.ends[BEFORE:],
        series,
        limits,
        _MOST_DRAWN,
        description,
        say("stability index, cut off at 1"),
    )


def _draw_quality(here: Visit, quality: Quality) -> dict[str, Markup]:
    say = here.words.say
    biases = [
        Ranged(say(name), bias.share, bias.low, bias.high)
        for name, bias in (("shown first", quality.position), ("longer", quality.length))
    ]
    agreements = [
        Ranged(say(kind), agreement.alpha, agreement.low, agreement.high)
        for kind, agreement in quality.agreement.items()
    ]
    plots = {}
    if any(bias.value is not None for bias in biases):
        plots["bias"] = charts.draw_ranges(
            {"": biases},
            say("Share of comparisons won by the rewrite shown first, and by the longer rewrite"),
            say("share of comparisons, 95 % interval"),
            limits=[0.5],
            within=(0.0, 1.0),
            percent=True,
        )
    if any(agreement.value is not None for agreement in agreements):
        plots["agreement"] = charts.draw_ranges(
            {"": agreements},
            say("Krippendorff's alpha by kind of vote"),
            say("alpha (0: chance, 1: full agreement), 95 % interval"),
            limits=[0.0],
        )
    return plots
