"""The page on data: the amount and quality of the feedback, the snapshots made of it, and the drift of
messages.
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
_MOST_VOTES = 500_000  # the newest ones are counted
_MOST_SNAPSHOTS = 50
_WEEK = timedelta(days=7)
_WEEKS = 6  # number of weeks with a drift index
_MOST_DRAWN = 1.0  # largest index in the chart: four times the limit of an alarm
_A_WEEK = 20_000  # newest outputs of a week that count


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


class Responses(NamedTuple):
    """Outputs and comparisons of an organisation in the last seven days, and how many have a vote."""

    outputs: int
    judged: int
    compared: int
    decided: int


class Volumes(NamedTuple):
    """Votes per day (UTC), by kind. `is_cut`: only the newest votes are counted."""

    days: list[datetime]
    counts: dict[str, list[int]]
    is_cut: bool

    @property
    def total(self) -> int:
        """The number of votes of all kinds."""
        return sum(sum(values) for values in self.counts.values())


_VOLUMES = """
    SELECT date_trunc('day', uuid_extract_timestamp(id) AT TIME ZONE 'UTC')::date AS day, kind, count(*)
    FROM (SELECT id, kind FROM feedback WHERE id >= :since ORDER BY id DESC LIMIT :most) newest
    GROUP BY day, kind
"""


def count_votes(session: Session, now: datetime) -> Volumes:
    """Count the votes of the last thirty days, of all organisations: at most the newest `_MOST_VOTES`."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [today - timedelta(days=ago) for ago in reversed(range(_DAYS))]
    rows = session.execute(text(_VOLUMES), {"since": answers.floor(days[0]), "most": _MOST_VOTES}).all()
    by_day = {(day, kind): count for day, kind, count in rows}
    counts = {kind: [by_day.get((day.date(), kind), 0) for day in days] for kind in KINDS}
    return Volumes(days, counts, sum(by_day.values()) >= _MOST_VOTES)


# Row-level security limits both to the organisation of the session. The sample's rows are simulated.
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


def count_responses(session: Session, now: datetime) -> Responses:
    """Count the newest outputs and comparisons of a week, and those with a vote."""
    params = {"since": answers.floor(now - _WEEK), "most": _A_WEEK}
    return Responses(*session.execute(text(_RESPONSE), params).one())


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


# A message counts once a week, so a repeated request and the second output of a comparison add nothing. "Kana
# or kanji" is Japanese, and other text in Chinese characters.
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
    ) distinct_messages
    GROUP BY week, transform_type, intensity, length, script
"""
_LENGTHS = ("0", "1–40", "41–80", "81–160", "161–320", "321–640", "641–1,280", "over 1,280")


class Messages(NamedTuple):
    """Numbers of distinct messages by trait, week and bin, and the end of each week."""

    ends: list[datetime]
    counts: dict[str, list[Counter[str]]]

    def measure_drift(self) -> dict[str, list[Drift]]:
        """By trait, the drift of each of the newest weeks from the four weeks before it."""
        return {trait: drift.compare_weeks(weeks) for trait, weeks in self.counts.items()}


def count_messages(session: Session, now: datetime) -> Messages:
    """Count the distinct messages of the last weeks, of the organisation that the session reads for
    (`database.read_for`), in the newest `_A_WEEK` outputs of each week.
    """
    weeks = _WEEKS + BEFORE
    begins = [now - _WEEK * ago for ago in reversed(range(weeks + 1))]
    params = {"weeks": weeks, "floors": [answers.floor(moment) for moment in begins], "most": _A_WEEK}
    counts = {trait: [Counter[str]() for _ in range(weeks)] for trait in TRAITS}
    query = _MESSAGES.replace(":floors", "CAST(:floors AS uuid[])")
    for week, kind, intensity, length, script, count in session.execute(text(query), params):
        for trait, name in zip(TRAITS, (kind, str(intensity), _LENGTHS[length], script), strict=True):
            counts[trait][week][name] += count
    return Messages(begins[1:], counts)


@router.get("")
def show(here: Here) -> Response:
    """The page."""
    now, own = datetime.now(UTC), uuid.UUID(here.me.organisation_id)
    with Session(here.engine) as session:
        votes = count_votes(session, now)
        snapshots = list_snapshots(session)
        database.read_for(session, own)
        responses = count_responses(session, now)
    messages = _count_messages_in_time(here, own, now)
    drifts = messages.measure_drift() if messages else {}
    assessed = next((snapshot for snapshot in snapshots if snapshot.quality is not None), None)
    return here.page(
        "data.html",
        votes=votes,
        votes_plot=_draw_volumes(here, votes) if votes.total else None,
        days=_DAYS,
        responses=responses,
        snapshots=snapshots,
        assessed=assessed,
        plots=_draw_quality(here, assessed.quality) if assessed and assessed.quality else {},
        messages=messages,
        latest={trait: weeks[-1] for trait, weeks in drifts.items()},
        drift_plot=_draw_drift(here, messages, drifts) if messages else None,
        shares=_compute_shares(messages) if messages else {},
        limits={"least": LEAST, "shifting": SHIFTING, "alarm": ALARM, "before": BEFORE, "a_week": _A_WEEK},
    )


def _count_messages_in_time(here: Visit, own: uuid.UUID, now: datetime) -> Messages | None:
    """As `count_messages`; None if Postgres takes longer than a page may wait."""
    try:
        with Session(here.engine) as session:
            database.read_for(session, own)
            return count_messages(session, now)
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != "57014":  # query_canceled: the timeout
            raise
        return None


def _compute_shares(messages: Messages) -> dict[str, list[tuple[str, float, float]]]:
    """By trait: each bin, its share in the newest week, and its share in the weeks before."""
    shares = {}
    for trait, weeks in messages.counts.items():
        before: Counter[str] = Counter()
        for week in weeks[-1 - BEFORE : -1]:
            before.update(week)
        names = sorted({*weeks[-1], *before}, key=_rank_bin)
        now, then = weeks[-1].total(), before.total()
        shares[trait] = [
            (name, weeks[-1][name] / now if now else 0.0, before[name] / then if then else 0.0)
            for name in names
        ]
    return shares


def _rank_bin(name: str) -> tuple[int, str]:
    """A sort key: lengths and transform types have an order of their own, other bins the alphabetical one."""
    known = [*_LENGTHS, *(kind.value for kind in TransformType)]
    return (known.index(name) if name in known else 0, name)


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
