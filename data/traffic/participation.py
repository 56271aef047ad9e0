"""How much feedback there is: votes by day, week, kind and version, the share of the answers with a vote, and
how unequally people vote.

The rows of the sample experiment on the dashboard are simulated, so only `count_votes` counts them.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
from sqlalchemy import text
from sqlalchemy.orm import Session

from data.traffic.answers import floor

KINDS = ("thumb", "rating", "edit", "comparison", "comment")
DAYS = 30  # of `count_votes`
A_WEEK = 20_000  # newest outputs of a week that count
WEEK = timedelta(days=7)
_MOST_VOTES = 500_000  # the newest ones are counted


class NoFeedbackError(ValueError):
    """An organisation has no vote yet."""


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
    days = [today - timedelta(days=ago) for ago in reversed(range(DAYS))]
    rows = session.execute(text(_VOLUMES), {"since": floor(days[0]), "most": _MOST_VOTES}).all()
    by_day = {(day, kind): count for day, kind, count in rows}
    counts = {kind: [by_day.get((day.date(), kind), 0) for day in days] for kind in KINDS}
    return Volumes(days, counts, sum(by_day.values()) >= _MOST_VOTES)


class Responses(NamedTuple):
    """Outputs and comparisons of an organisation in the last seven days, and how many have a vote."""

    outputs: int
    judged: int
    compared: int
    decided: int


# The organisation is named, since the owner of the tables sees every row; row-level security limits the
# dashboard's login to it as well.
_RESPONSE = """
    WITH rewrites AS (
        SELECT id, version FROM outputs WHERE organisation_id = :organisation AND id >= :since
        ORDER BY id DESC LIMIT :most
    ), compared AS (
        SELECT c.id FROM comparisons c JOIN outputs o ON o.id = c.first_output_id
        WHERE c.organisation_id = :organisation AND c.id >= :since AND o.version NOT LIKE 'sample-%'
        ORDER BY c.id DESC LIMIT :most
    )
    SELECT
        (SELECT count(*) FROM rewrites WHERE version NOT LIKE 'sample-%'),
        (SELECT count(*) FROM rewrites r WHERE version NOT LIKE 'sample-%'
            AND EXISTS (SELECT FROM feedback f WHERE f.output_id = r.id)),
        (SELECT count(*) FROM compared),
        (SELECT count(DISTINCT f.comparison_id) FROM feedback f
            WHERE f.kind = 'comparison' AND f.id >= :since AND f.comparison_id IN (SELECT id FROM compared))
"""


def count_responses(session: Session, organisation_id: uuid.UUID, now: datetime) -> Responses:
    """Count the newest outputs and comparisons of a week, and those with a vote."""
    params = {"organisation": organisation_id, "since": floor(now - WEEK), "most": A_WEEK}
    return Responses(*session.execute(text(_RESPONSE), params).one())


_NEWEST = """
    SELECT uuid_extract_timestamp(f.id) FROM feedback f JOIN outputs o ON o.id = f.output_id
    WHERE f.organisation_id = :organisation AND o.version NOT LIKE 'sample-%' ORDER BY f.id DESC LIMIT 1
"""


def find_end(session: Session, organisation_id: uuid.UUID) -> datetime:
    """The end of an organisation's feedback: a millisecond after the newest vote.

    NoFeedbackError without votes.
    """
    newest: datetime | None = session.scalar(text(_NEWEST), {"organisation": organisation_id})
    if newest is None:
        raise NoFeedbackError(
            "nobody has voted yet: ask people to vote on the dashboard's page Compare or in your app (POST"
            " /api/v1/feedback), or stop the installation (`make up`) to look at the sample"
        )
    return newest + timedelta(milliseconds=1)  # the precision of the ids


class WeeklyVotes(NamedTuple):
    """Votes of a kind on rewrites of a transform type, in the seven days that end at a moment."""

    week_ends: datetime
    transform_type: str
    kind: str
    votes: int


_WEEKLY = """
    SELECT floor(extract(epoch FROM :until - uuid_extract_timestamp(f.id)) / 604800)::int AS weeks_ago,
        o.transform_type, f.kind, count(*)
    FROM feedback f JOIN outputs o ON o.id = f.output_id
    WHERE f.organisation_id = :organisation AND f.id >= :since AND f.id < :before
        AND o.version NOT LIKE 'sample-%'
    GROUP BY weeks_ago, o.transform_type, f.kind ORDER BY weeks_ago DESC, o.transform_type, f.kind
"""


def count_by_week(
    session: Session, organisation_id: uuid.UUID, until: datetime, weeks: int
) -> list[WeeklyVotes]:
    """Count an organisation's votes of the weeks before a moment, by transform type and kind. Weeks without
    votes have no row.
    """
    params = {
        "organisation": organisation_id,
        "until": until,
        "since": floor(until - weeks * WEEK),
        "before": floor(until),
    }
    return [
        WeeklyVotes(until - ago * WEEK, transform_type, kind, count)
        for ago, transform_type, kind, count in session.execute(text(_WEEKLY), params)
    ]


class AnsweredType(NamedTuple):
    """Answers of a transform type, those whose person voted on the rewrite, and their share, in [0, 1]."""

    transform_type: str
    answers: int
    voted: int
    share: float


_ANSWERED = """
    SELECT o.transform_type, count(*) AS answers, count(*) FILTER (WHERE EXISTS (
        SELECT FROM feedback f WHERE f.output_id = a.output_id AND f.user_id = a.user_id)) AS voted
    FROM answers a JOIN outputs o ON o.id = a.output_id
    WHERE a.organisation_id = :organisation AND a.id >= :since AND o.version NOT LIKE 'sample-%'
    GROUP BY o.transform_type ORDER BY o.transform_type
"""


def count_answered(session: Session, organisation_id: uuid.UUID, since: datetime) -> list[AnsweredType]:
    """Count an organisation's answers since a moment, and those with a vote, by transform type.

    It reads every answer of this time, which takes seconds for millions. A comparison is no answer.
    """
    params = {"organisation": organisation_id, "since": floor(since)}
    return [
        AnsweredType(kind, answers, voted, voted / answers)
        for kind, answers, voted in session.execute(text(_ANSWERED), params)
    ]


class VersionVotes(NamedTuple):
    """Votes on the rewrites of a version. `stars_1` to `stars_5` are numbers of ratings, `edit_distance` is
    the median share of the rewrite that a correction changes, in [0, 1]; None without corrections.
    """

    version: str
    thumbs_up: int
    thumbs_down: int
    stars_1: int
    stars_2: int
    stars_3: int
    stars_4: int
    stars_5: int
    corrections: int
    edit_distance: float | None
    comments: int


_BY_VERSION = """
    SELECT o.version, count(*) FILTER (WHERE f.thumb_up), count(*) FILTER (WHERE NOT f.thumb_up),
        count(*) FILTER (WHERE f.rating = 1), count(*) FILTER (WHERE f.rating = 2),
        count(*) FILTER (WHERE f.rating = 3), count(*) FILTER (WHERE f.rating = 4),
        count(*) FILTER (WHERE f.rating = 5),
        count(*) FILTER (WHERE f.kind = 'edit'), percentile_cont(0.5) WITHIN GROUP (ORDER BY f.edit_distance),
        count(*) FILTER (WHERE f.kind = 'comment')
    FROM feedback f JOIN outputs o ON o.id = f.output_id
    WHERE f.organisation_id = :organisation AND f.kind <> 'comparison' AND f.id >= :since
        AND o.version NOT LIKE 'sample-%'
    GROUP BY o.version ORDER BY min(f.id::text)
"""


def count_by_version(session: Session, organisation_id: uuid.UUID, since: datetime) -> list[VersionVotes]:
    """Count an organisation's votes since a moment by version, without comparisons; the version that people
    voted on first is first.
    """
    params = {"organisation": organisation_id, "since": floor(since)}
    return [VersionVotes(*row) for row in session.execute(text(_BY_VERSION), params)]


_BY_PERSON = """
    WITH readers AS (
        SELECT a.user_id FROM answers a JOIN outputs o ON o.id = a.output_id
        WHERE a.organisation_id = :organisation AND a.id >= :since AND o.version NOT LIKE 'sample-%'
        UNION SELECT c.user_id FROM comparisons c JOIN outputs o ON o.id = c.first_output_id
        WHERE c.organisation_id = :organisation AND c.id >= :since AND o.version NOT LIKE 'sample-%'
    ), cast_votes AS (
        SELECT f.user_id, count(*) AS votes FROM feedback f JOIN outputs o ON o.id = f.output_id
        WHERE f.organisation_id = :organisation AND f.id >= :since AND o.version NOT LIKE 'sample-%'
        GROUP BY f.user_id
    )
    SELECT coalesce(votes, 0) FROM readers LEFT JOIN cast_votes USING (user_id) ORDER BY 1 DESC
"""


def count_by_person(session: Session, organisation_id: uuid.UUID, since: datetime) -> list[int]:
    """The number of votes of each person who got a rewrite since a moment, the most active person first; 0
    for those who did not vote.
    """
    params = {"organisation": organisation_id, "since": floor(since)}
    return list(session.scalars(text(_BY_PERSON), params))


@dataclass(frozen=True, slots=True)
class Concentration:
    """How unequally people vote, among those who do.

    `gini` is 0 if all cast equally many votes, and near 1 if one person casts nearly all. `most_active` is
    the share of the votes that the most active tenth of them casts.
    """

    people: int
    voters: int
    votes: int
    gini: float
    most_active: float


def measure_concentration(votes: Sequence[int]) -> Concentration:
    """Measure how unequally people vote; `votes` is the number of votes of each person.

    Gini coefficient of the positive numbers; source: Dorfman, "A formula for the Gini coefficient", 1979.
    NoFeedbackError without votes.
    """
    shares = compute_lorenz(votes)
    voters = len(shares) - 1
    # The area under the curve, by trapezoids. The most active come first, so it is above the diagonal.
    area = float(np.trapezoid(shares, dx=1 / voters))
    tenth = float(np.interp(0.1, np.linspace(0, 1, voters + 1), shares))
    return Concentration(len(votes), voters, sum(votes), 2 * area - 1, tenth)


def compute_lorenz(votes: Sequence[int]) -> list[float]:
    """The shares of all votes that the most active 0, 1, 2, ... voters cast: a Lorenz curve, turned so that
    it begins with the most active. NoFeedbackError without votes.
    """
    cast = np.array(sorted((number for number in votes if number > 0), reverse=True))
    if not len(cast):
        raise NoFeedbackError("nobody of these people has voted: there is no share of votes to measure")
    return [0.0, *(np.cumsum(cast) / cast.sum()).tolist()]
