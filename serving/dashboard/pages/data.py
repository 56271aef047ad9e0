"""The page on data: how much feedback there is and how good, the snapshots made of it, and whether what
people write has changed.
"""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Response
from markupsafe import Markup
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from data import database
from data.reasons import Reason, load
from data.records import TransformType
from data.snapshots import drift
from data.snapshots.drift import ALARM, BEFORE, LEAST, SHIFTING, Drift
from data.snapshots.validation import Quality
from data.traffic import answers
from serving.dashboard import charts
from serving.dashboard.charts import Ranged
from serving.dashboard.visit import Visit, viewer_visit

router = APIRouter(prefix="/data")

Here = Annotated[Visit, viewer_visit]
KINDS = ("thumb", "rating", "edit", "comparison", "comment")
TRAITS = ("transform type", "intensity", "length", "script")
_DAYS = 30
_MOST_VOTES = 500_000  # of these days that are counted
_MOST_SNAPSHOTS = 50
_WEEK = timedelta(days=7)
_WEEKS = 6  # that are held against those before
_MOST_DRAWN = 1.0  # of the index: four times the alarm
_A_WEEK = 20_000  # newest outputs of a week that are looked at


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """A snapshot as its row tells of it; `quality` is None when it was made before there was one, or was
    rewritten by an erasure.
    """

    digest: str
    counts: Mapping[str, int]
    accepted: bool
    reasons: Sequence[Reason]
    quality: Quality | None
    created_at: datetime
    trained_at: datetime | None
    is_kept: bool


class Judged(NamedTuple):
    """How many outputs of the last seven days somebody judged, and comparisons; of one organisation."""

    outputs: int
    judged: int
    compared: int
    decided: int


class Volumes(NamedTuple):
    """Votes by kind, day by day (UTC)."""

    days: list[datetime]
    counts: dict[str, list[int]]
    is_cut: bool

    @property
    def total(self) -> int:
        """All of them."""
        return sum(sum(values) for values in self.counts.values())


_VOLUMES = """
    SELECT date_trunc('day', uuid_extract_timestamp(id) AT TIME ZONE 'UTC')::date AS day, kind, count(*)
    FROM (SELECT id, kind FROM feedback WHERE id >= :since ORDER BY id DESC LIMIT :most) newest
    GROUP BY day, kind
"""


def volumes(session: Session, now: datetime) -> Volumes:
    """Votes of the last thirty days, of all organisations; of very many the newest."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [today - timedelta(days=ago) for ago in reversed(range(_DAYS))]
    rows = session.execute(text(_VOLUMES), {"since": answers.floor(days[0]), "most": _MOST_VOTES}).all()
    found = {(day, kind): count for day, kind, count in rows}
    counts = {kind: [found.get((day.date(), kind), 0) for day in days] for kind in KINDS}
    return Volumes(days, counts, sum(found.values()) >= _MOST_VOTES)


# Both of the organisation that the session reads for, by row-level security. The sample's are made up.
_RESPONSE = """
    WITH made AS (
        SELECT id, version FROM outputs WHERE id >= :since ORDER BY id DESC LIMIT :most
    ), asked AS (
        SELECT c.id FROM comparisons c JOIN outputs o ON o.id = c.first_output_id
        WHERE c.id >= :since AND o.version NOT LIKE 'sample-%' ORDER BY c.id DESC LIMIT :most
    )
    SELECT
        (SELECT count(*) FROM made WHERE version NOT LIKE 'sample-%'),
        (SELECT count(*) FROM made m WHERE version NOT LIKE 'sample-%'
            AND EXISTS (SELECT FROM feedback f WHERE f.output_id = m.id)),
        (SELECT count(*) FROM asked),
        (SELECT count(DISTINCT f.comparison_id) FROM feedback f
            WHERE f.kind = 'comparison' AND f.id >= :since AND f.comparison_id IN (SELECT id FROM asked))
"""


def response(session: Session, now: datetime) -> Judged:
    """Of the newest outputs and comparisons of a week, how many people have judged."""
    about = {"since": answers.floor(now - _WEEK), "most": _A_WEEK}
    return Judged(*session.execute(text(_RESPONSE), about).one())


_SNAPSHOTS = """
    SELECT digest, counts, accepted, reasons, quality, created_at, trained_at, path <> '' FROM snapshots
    ORDER BY created_at DESC, digest LIMIT :most
"""


def snapshots(session: Session) -> list[SnapshotRow]:
    """The newest snapshots."""
    rows = session.execute(text(_SNAPSHOTS), {"most": _MOST_SNAPSHOTS})
    return [
        SnapshotRow(
            digest, counts, accepted, load(reasons), _quality(quality), created_at, trained_at, is_kept
        )
        for digest, counts, accepted, reasons, quality, created_at, trained_at, is_kept in rows
    ]


def _quality(found: object) -> Quality | None:
    try:
        return Quality.model_validate(found) if found is not None else None
    except ValidationError:  # written by another release
        return None


# A message that is asked for twice in a week is one; so are the two outputs of a comparison. Kana and kanji:
# Japanese, and what else is written in Chinese characters.
_MESSAGES = """
    SELECT week, transform_type, intensity, length, script, count(*)
    FROM generate_series(0, :weeks - 1) AS week
    CROSS JOIN LATERAL (
        SELECT DISTINCT message, transform_type, intensity,
            width_bucket(char_length(message), ARRAY[1, 41, 81, 161, 321, 641, 1281]) AS length,
            CASE WHEN octet_length(message) = char_length(message) THEN 'ASCII only'
                WHEN message ~ '[\\u3040-\\u30FF\\u4E00-\\u9FFF]' THEN 'kana or kanji'
                ELSE 'other letters' END AS script
        FROM (
            SELECT message, transform_type, intensity, version FROM outputs
            WHERE id >= (:floors)[week + 1] AND id < (:floors)[week + 2] ORDER BY id DESC LIMIT :most
        ) newest WHERE version NOT LIKE 'sample-%'
    ) said
    GROUP BY week, transform_type, intensity, length, script
"""
_LENGTHS = ("0", "1–40", "41–80", "81–160", "161–320", "321–640", "641–1,280", "over 1,280")


class Messages(NamedTuple):
    """Different messages by trait and bin, week by week, and when each week ended."""

    ends: list[datetime]
    counts: dict[str, list[Counter[str]]]

    def drifts(self) -> dict[str, list[Drift]]:
        """By trait, each of the newest weeks beside the four before it."""
        return {trait: drift.compare_weeks(weeks) for trait, weeks in self.counts.items()}


def messages(session: Session, now: datetime) -> Messages:
    """What people wrote in the last weeks, of the organisation that the session reads for: at most so many of
    the newest outputs of each week.
    """
    weeks = _WEEKS + BEFORE
    begins = [now - _WEEK * ago for ago in reversed(range(weeks + 1))]
    about = {"weeks": weeks, "floors": [answers.floor(moment) for moment in begins], "most": _A_WEEK}
    counts = {trait: [Counter[str]() for _ in range(weeks)] for trait in TRAITS}
    query = _MESSAGES.replace(":floors", "CAST(:floors AS uuid[])")
    for week, kind, intensity, length, script, count in session.execute(text(query), about):
        for trait, name in zip(TRAITS, (kind, str(intensity), _LENGTHS[length], script), strict=True):
            counts[trait][week][name] += count
    return Messages(begins[1:], counts)


@router.get("")
def show(here: Here) -> Response:
    """The page."""
    now, own = datetime.now(UTC), uuid.UUID(here.me.organisation_id)
    with Session(here.engine) as session:
        votes = volumes(session, now)
        kept = snapshots(session)
        database.read_for(session, own)
        answered = response(session, now)
    written = _messages_in_time(here, own, now)
    drifts = written.drifts() if written else {}
    judged = next((one for one in kept if one.quality is not None), None)
    return here.page(
        "data.html",
        votes=votes,
        volumes=_draw_volumes(here, votes) if votes.total else None,
        days=_DAYS,
        answered=answered,
        kept=kept,
        judged=judged,
        drawn=_draw_quality(here, judged.quality) if judged and judged.quality else {},
        written=written,
        drifts=drifts,
        levels={trait: weeks[-1] for trait, weeks in drifts.items()},
        drift_drawn=_draw_drift(here, written, drifts) if written else None,
        compared=_compared(written) if written else {},
        usual={"least": LEAST, "shifting": SHIFTING, "alarm": ALARM, "before": BEFORE, "a_week": _A_WEEK},
    )


def _messages_in_time(here: Visit, own: uuid.UUID, now: datetime) -> Messages | None:
    """Messages of the last weeks; None when Postgres takes longer than a page may wait."""
    try:
        with Session(here.engine) as session:
            database.read_for(session, own)
            return messages(session, now)
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != "57014":  # query_canceled: the timeout
            raise
        return None


def _compared(written: Messages) -> dict[str, list[tuple[str, float, float]]]:
    """By trait, each bin's share in the newest week and in those before it."""
    found = {}
    for trait, weeks in written.counts.items():
        before: Counter[str] = Counter()
        for week in weeks[-1 - BEFORE : -1]:
            before.update(week)
        names = sorted({*weeks[-1], *before}, key=_place)
        now, then = weeks[-1].total(), before.total()
        found[trait] = [
            (name, weeks[-1][name] / now if now else 0.0, before[name] / then if then else 0.0)
            for name in names
        ]
    return found


def _place(name: str) -> tuple[int, str]:
    """Bins in their own order, not the alphabet's."""
    known = [*_LENGTHS, *(one.value for one in TransformType)]
    return (known.index(name) if name in known else 0, name)


def _draw_volumes(here: Visit, votes: Volumes) -> Markup:
    say = here.words.say
    counts = {say(kind): values for kind, values in votes.counts.items()}
    return charts.stacked(votes.days, counts, say("Votes by kind, day by day"), say("votes a day"))


def _draw_drift(here: Visit, written: Messages, drifts: Mapping[str, Sequence[Drift]]) -> Markup | None:
    say = here.words.say
    series = {say(trait): [one.psi for one in weeks] for trait, weeks in drifts.items()}
    if not any(one is not None for values in series.values() for one in values):
        return None
    limits = {say("shifting"): SHIFTING, say("alarm"): ALARM}
    says = say("Population stability index of the messages of each week, by trait")
    return charts.lines(
        written.ends[BEFORE:],
        series,
        limits,
        _MOST_DRAWN,
        says,
        say("stability index (1: 1 or more)"),
    )


def _draw_quality(here: Visit, quality: Quality) -> dict[str, Markup]:
    say = here.words.say
    biases = [
        Ranged(say(name), found.share, found.low, found.high)
        for name, found in (("shown first", quality.position), ("longer", quality.length))
    ]
    agreed = [
        Ranged(say(kind), found.alpha, found.low, found.high) for kind, found in quality.agreement.items()
    ]
    drawn = {}
    if any(one.value is not None for one in biases):
        drawn["bias"] = charts.ranges(
            {"": biases},
            say("Share of comparisons that chose the one shown first, and the longer one"),
            say("share of comparisons, 95 % interval"),
            limits=[0.5],
            within=(0.0, 1.0),
            percent=True,
        )
    if any(one.value is not None for one in agreed):
        drawn["agreement"] = charts.ranges(
            {"": agreed},
            say("Krippendorff's alpha by kind of vote"),
            say("alpha (0 as by chance, 1 always), 95 % interval"),
            limits=[0.0],
        )
    return drawn
