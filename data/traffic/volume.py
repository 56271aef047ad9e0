"""How many answers an installation gives, and how many of them come from a cache."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from data.traffic.answers import floor

DAYS = 28  # of traffic that are read
_MONTH_DAYS = 30

_COUNT = text("""
    SELECT count(*) AS answers, count(*) FILTER (WHERE cache <> 'miss') AS hits,
           uuid_extract_timestamp(min(id::text)::uuid) AS first
    FROM answers WHERE id >= :since AND id < :until
""")


class Volume(NamedTuple):
    """Answers of recent days, `hits` of them from a cache. `days` are at least 1, so that the traffic of an
    hour does not become that of a month.
    """

    answers: int
    hits: int
    days: float

    @property
    def hit_rate(self) -> float:
        """Share of the answers that come from a cache, in [0, 1]; 0 without answers."""
        return self.hits / self.answers if self.answers else 0.0

    @property
    def answers_a_month(self) -> float:
        """Answers in 30 days like these."""
        return self.answers / self.days * _MONTH_DAYS

    @property
    def outputs_a_month(self) -> float:
        """Answers in 30 days like these that no cache has, so that a model writes them."""
        return (self.answers - self.hits) / self.days * _MONTH_DAYS

    @property
    def outputs_a_day(self) -> float:
        """Answers in a day that no cache has."""
        return self.outputs_a_month / _MONTH_DAYS


def read(session: Session, now: datetime | None = None, days: int = DAYS) -> Volume:
    """Count the answers of the last days, or since the first answer of a younger installation.

    It reads every answer of these days, which takes seconds for tens of millions.
    """
    now = now or datetime.now(UTC)
    since = now - timedelta(days=days)
    row = session.execute(_COUNT, {"since": floor(since), "until": floor(now)}).one()
    age = (now - row.first) / timedelta(days=1) if row.first else 0.0
    return Volume(row.answers, row.hits, max(1.0, age))
