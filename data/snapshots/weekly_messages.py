"""The messages of each week by trait, for the drift between weeks (`data.snapshots.drift`), from Postgres."""

import uuid
from collections import Counter
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from data.records import TransformType
from data.snapshots import drift
from data.snapshots.drift import BEFORE, Drift
from data.traffic.answers import floor
from data.traffic.participation import A_WEEK, WEEK

TRAITS = ("transform type", "intensity", "length", "script")
WEEKS = 6  # number of weeks with a drift index

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
            WHERE organisation_id = :organisation
                AND id >= (:floors)[week + 1] AND id < (:floors)[week + 2] ORDER BY id DESC LIMIT :most
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

    def compute_shares(self) -> dict[str, list[tuple[str, float, float]]]:
        """By trait: each bin, its share in the newest week, and its share in the weeks before."""
        shares = {}
        for trait, weeks in self.counts.items():
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


def count_messages(session: Session, organisation_id: uuid.UUID, now: datetime) -> Messages:
    """Count the different messages of an organisation in each of the last weeks, in its newest `A_WEEK`
    outputs of that week.
    """
    weeks = WEEKS + BEFORE
    begins = [now - WEEK * ago for ago in reversed(range(weeks + 1))]
    params = {
        "organisation": organisation_id,
        "weeks": weeks,
        "floors": [floor(moment) for moment in begins],
        "most": A_WEEK,
    }
    counts = {trait: [Counter[str]() for _ in range(weeks)] for trait in TRAITS}
    query = _MESSAGES.replace(":floors", "CAST(:floors AS uuid[])")
    for week, kind, intensity, length, script, count in session.execute(text(query), params):
        for trait, name in zip(TRAITS, (kind, str(intensity), _LENGTHS[length], script), strict=True):
            counts[trait][week][name] += count
    return Messages(begins[1:], counts)
