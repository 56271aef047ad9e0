"""Answers behind a metric's value: in each arm, those that add most to one of its quantities.

The reader sees answers to people of their own organisation (the views of migration 0028 keep to it), and the
text only of their own messages and of shipped ones: nobody has agreed that colleagues read what they wrote.
Rows of colleagues have the day and no name, and are shown only while each arm has `page_effects.FEWEST` of
the organisation's measured users: fewer rows would reveal whose they are.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from data import database
from data.tables import Organisation
from data.traffic import comparisons
from data.traffic.answers import floor
from experiments import own_metrics
from experiments.metrics import BEFORE, Metric
from experiments.page_effects import FEWEST
from experiments.plan import Plan
from experiments.readings import ExperimentPage

A_PAGE = 25  # answers of each arm
MOST_PAGES = 20
# How much an answer adds to each quantity, as SQL over the columns of `listed`. For the score it is how much
# is missing to the best one, so the least liked answers come first.
AMOUNTS: Mapping[str, str] = {
    "requests": "1",
    "answers": "1",
    "misses": "(cache = 'miss')::int",
    "fallbacks": "fell_back::int",
    "repeats": "is_repeat::int",
    "service_s": "CASE WHEN cache = 'miss' THEN total_ms / 1000 ELSE 0 END",
    "cost_mills": "CASE WHEN cache = 'miss' THEN cost_usd * 1000 ELSE 0 END",
    "votes": "(voted_at IS NOT NULL)::int",
    "score": "CASE WHEN voted_at IS NOT NULL THEN 1 - coalesce(thumb_up::int, (rating - 1) / 4.0) END",
    "likes": "(thumb_up OR rating > 3)::int",
    "complaints": "(NOT thumb_up OR rating < 3)::int",
    "edits": "(edit_distance IS NOT NULL)::int",
    "edit_distance": "edit_distance",
    "vote_hours": "extract(epoch FROM voted_at - entered_at) / 3600",
}
FAILURES = "failures"  # requests without an answer, which `list_failures` counts
# A vote belongs to an output and a person. If the person got the output several times, only the newest
# answer shows it.
_OF_VOTES = frozenset({"votes", "score", "likes", "complaints", "edits", "edit_distance", "vote_hours"})
_LISTED = """
    WITH measured AS MATERIALIZED (
        SELECT * FROM measured_answers
        WHERE experiment_id = :experiment_id AND id >= :first AND id < :last
            AND uuid_extract_timestamp(id) >= entered_at
            AND uuid_extract_timestamp(id) <= entered_at + make_interval(secs => :window_s)
    ),
    listed AS (
        SELECT m.id, m.variant, m.unit_id, m.user_id, m.cache, m.fell_back, m.total_ms, m.entered_at,
            m.thumb_up, m.rating, m.edit_distance, m.voted_at, m.correction, m.output_id,
            lower(m.locale) AS locale, m.channel, o.message, o.text, o.transform_type, o.intensity, o.version,
            o.cost_usd, coalesce(m.user_id = CAST(:person_id AS uuid), false) AS is_own,
            row_number() OVER (PARTITION BY m.user_id, m.output_id ORDER BY m.id) > 1 AS is_repeat,
            row_number() OVER (PARTITION BY m.user_id, m.output_id ORDER BY m.id DESC) = 1 AS is_newest,
            row_number() OVER (PARTITION BY m.unit_id ORDER BY m.id) = 1 AS is_first
        FROM measured m JOIN outputs o ON o.id = m.output_id
    ),
    chosen_units AS (SELECT unit_id FROM listed WHERE is_first AND ({segment})),
    weighed AS (
        SELECT *, {amount} AS amount FROM listed WHERE unit_id IN (SELECT unit_id FROM chosen_units)
    ),
    arms AS (SELECT variant, count(DISTINCT user_id) AS users FROM weighed GROUP BY variant),
    visible AS (
        SELECT *, count(*) OVER (PARTITION BY variant) AS answers,
            row_number() OVER (PARTITION BY variant ORDER BY amount DESC, id DESC) AS place
        FROM weighed
        WHERE amount > 0 AND {extra} AND (
            is_own OR (SELECT count(*) FILTER (WHERE users >= :fewest) >= :arms FROM arms)
        )
    )
    SELECT arms.variant, arms.users, v.answers, v.is_own, uuid_extract_timestamp(v.id) AS at,
        v.transform_type, v.intensity, v.version, v.cache, v.fell_back, v.total_ms, v.thumb_up, v.rating,
        v.edit_distance, v.correction,
        CASE WHEN v.is_own OR v.message = ANY(:shipped) THEN v.message END AS message,
        CASE WHEN v.is_own OR v.message = ANY(:shipped) THEN v.text END AS text
    FROM arms LEFT JOIN visible v
        ON v.variant = arms.variant AND v.place > :skip AND v.place <= :skip + :most
    ORDER BY arms.variant, v.place
"""
_FAILURES = """
    SELECT variant, (uuid_extract_timestamp(id) AT TIME ZONE 'UTC')::date AS day,
        sum(failures)::bigint AS requests
    FROM measured_failures
    WHERE experiment_id = :experiment_id AND id >= :first AND id < :last
        AND uuid_extract_timestamp(id) >= entered_at
        AND uuid_extract_timestamp(id) <= entered_at + make_interval(secs => :window_s)
    GROUP BY variant, day ORDER BY day DESC, variant LIMIT :most
"""


@dataclass(frozen=True, slots=True)
class Example:
    """One answer. `at` is the day, or the moment of the reader's own answer. `message` and `text` are None
    for a message that a colleague wrote; `correction` is the reader's own.
    """

    is_own: bool
    at: date | datetime
    transform_type: str
    intensity: int
    version: str
    cache: str
    fell_back: bool
    total_ms: float
    thumb_up: bool | None
    rating: int | None
    edit_distance: float | None
    message: str | None
    text: str | None
    correction: str | None


@dataclass(frozen=True, slots=True)
class ArmExamples:
    """An arm's answers on one page, of `answers` in all that the reader may see. The arm has measured `users`
    of the reader's organisation.
    """

    users: int = 0
    answers: int = 0
    examples: list[Example] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FailedDay:
    """Requests without an answer, in an arm on a day. Nothing else of them is stored."""

    variant: str
    day: date
    requests: int


def list_quantities(metric: Metric) -> list[str]:
    """The quantities in a metric's value whose answers can be listed."""
    if metric.kind == "quantile":
        return ["service_s"]
    return sorted(metric.columns - BEFORE.keys())


def list_segments(plan: Plan) -> dict[str, str]:
    """The SQL of each kind of segment that an answer's list can be limited to, over the columns of a first
    answer. Segments by votes before the experiment are absent: answers do not show them.
    """
    own = {name: sql for name, sql in own_metrics.to_sql(plan.own_segments).items() if "before_" not in sql}
    return {name: name for name in ("transform_type", "locale", "channel")} | own


def list_answers(
    session: Session,
    page: ExperimentPage,
    quantity: str,
    organisation_id: uuid.UUID,
    person_id: uuid.UUID | None,
    segment: tuple[str, str] | None = None,
    number: int = 1,
) -> dict[str, ArmExamples]:
    """Each arm's answers that add most to a quantity, the newest of equals first, by variant.

    `segment` is a kind of `list_segments` and a value. `number` is that of the page of the list, from 1 to
    MOST_PAGES. The experiment has started.
    """
    assert page.plan is not None, page.id
    database.read_for(session, organisation_id)
    if person_id is not None:
        database.read_as(session, person_id)
    kind, value = segment or ("", "")
    query = _LISTED.format(
        amount=AMOUNTS[quantity],
        extra="is_newest" if quantity in _OF_VOTES else "true",
        segment=f"{list_segments(page.plan)[kind]} = :value" if segment else "true",
    )
    parameters = {
        **_span(page),
        "person_id": person_id,
        "shipped": list(comparisons.read_messages()),
        "fewest": FEWEST,
        "arms": len(page.arms),
        "skip": A_PAGE * (number - 1),
        "most": A_PAGE,
        **({"value": value} if segment else {}),
    }
    arms = {arm.name: ArmExamples() for arm in page.arms}
    for row in session.execute(text(query), parameters).mappings():
        arm = arms[row["variant"]]
        if row["answers"] is None:
            arms[row["variant"]] = replace(arm, users=row["users"])
            continue
        values = {name: row[name] for name in Example.__slots__}
        values["at"] = row["at"] if row["is_own"] else row["at"].astimezone(UTC).date()
        example = Example(**values)
        arms[row["variant"]] = ArmExamples(row["users"], row["answers"], [*arm.examples, example])
    return arms


class Behind(NamedTuple):
    """An answer that adds to a metric's quantity. Texts are None where a colleague wrote them (`Example`)."""

    quantity: str
    variant: str
    message: str | None
    rewrite: str | None
    rating: int | None
    thumb_up: bool | None


def list_behind(
    session: Session, page: ExperimentPage, metric: Metric, operator: str, each: int = 1
) -> list[Behind]:
    """The answers that add most to each quantity in a metric, `each` of each arm, at most A_PAGE.

    The reader is anybody of the organisation with the name `operator`, which runs the installation.
    Failures have no answers.
    """
    reader = session.scalars(select(Organisation.id).where(Organisation.name == operator)).one()
    return [
        Behind(quantity, variant, row.message, row.text, row.rating, row.thumb_up)
        for quantity in list_quantities(metric)
        if quantity in AMOUNTS
        for variant, arm in list_answers(session, page, quantity, reader, None).items()
        for row in arm.examples[:each]
    ]


def list_failures(session: Session, page: ExperimentPage, organisation_id: uuid.UUID) -> list[FailedDay]:
    """Requests without an answer of the organisation's measured users, by arm and day, the newest first."""
    database.read_for(session, organisation_id)
    rows = session.execute(text(_FAILURES), {**_span(page), "most": A_PAGE * len(page.arms)})
    return [FailedDay(*row) for row in rows]


def _span(page: ExperimentPage) -> dict[str, object]:
    """The parameters of the experiment and of its time; their limits on ids let Postgres skip partitions."""
    assert page.plan is not None, page.id
    assert page.started_at is not None, page.id
    end = page.ended_at or datetime.now(page.started_at.tzinfo)
    return {
        "experiment_id": page.id,
        "first": floor(page.started_at - timedelta(seconds=1)),
        "last": floor(end + timedelta(seconds=1)),
        "window_s": page.plan.window.total_seconds(),
    }
