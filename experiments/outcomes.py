"""What people did, summed up by the database: votes side by side, and users' outcomes by arm and epoch."""

import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from data.tables import Experiment
from data.traffic.answers import floor
from experiments.analysis import ArmStatistics, Tally
from experiments.estimators import Estimate, Sums, estimate
from experiments.lifecycle import Status
from experiments.metrics import BINS_MS, Metric, with_uncapped
from experiments.plan import Plan

LATENCY = "latency"  # in `metric_sums`: the latencies that all quantiles are read from, a bin a row
_CLOSED_AT_ONCE = 200_000  # units whose quantities are counted together; more take more rounds

# A person's first votes count, up to a number settled beforehand: how they fall does not decide which. Of a
# pair that several people are shown counts the first one's: votes on the same two texts are no new evidence.
_TALLY = text("""
    WITH votes AS (
        SELECT f.user_id,
               CASE WHEN a.text <> b.text THEN preferred.version END AS preferred,
               row_number() OVER (PARTITION BY f.user_id ORDER BY c.id) AS nth
        FROM comparisons c
        JOIN feedback f ON f.comparison_id = c.id AND f.kind = 'comparison'
        JOIN outputs a ON a.id = c.first_output_id
        JOIN outputs b ON b.id = c.second_output_id
        LEFT JOIN outputs preferred ON preferred.id = f.preferred_output_id
        WHERE c.policy = 'champion_against_challenger' AND (c.pair_id IS NULL OR c.pair_id = c.id)
          AND ((a.version = :champion AND b.version = :challenger)
               OR (a.version = :challenger AND b.version = :champion))
    )
    SELECT count(*) FILTER (WHERE preferred = :challenger) AS wins,
           count(*) FILTER (WHERE preferred = :champion) AS losses,
           count(*) FILTER (WHERE preferred IS NULL) AS ties,
           count(DISTINCT user_id) AS people
    FROM votes WHERE nth <= :votes_a_person
""")

# Exposures by the order in which they were committed: what is stored late is seen late, and not missed.
_SEEN = text("""
    CREATE TEMP TABLE seen ON COMMIT DROP AS
    SELECT CASE WHEN :is_organisation THEN organisation_id ELSE user_id END AS unit_id,
           CASE WHEN :is_holdout THEN epoch ELSE 0 END AS period, variant, epoch, exposed_at, answer_id
    FROM exposures
    WHERE experiment_id = :experiment_id AND transaction >= CAST(:since AS xid8)
      AND transaction < CAST(:until AS xid8)
""")
# A change of units, and how many of each arm it concerned.
_COUNTED = """
    WITH changed AS ({change} RETURNING {of}.epoch, {of}.variant)
    INSERT INTO arm_counts (experiment_id, epoch, variant, {what})
    SELECT :experiment_id, epoch, variant, count(*) FROM changed GROUP BY epoch, variant
    ON CONFLICT (experiment_id, epoch, variant) DO UPDATE SET {what} = arm_counts.{what} + excluded.{what}
"""
_ENTER = text("""
    WITH entered AS (
        INSERT INTO units (experiment_id, unit_id, period, epoch, variant, entered_at)
        SELECT DISTINCT ON (unit_id, period) CAST(:experiment_id AS uuid), unit_id, period, epoch, variant,
               exposed_at
        FROM seen ORDER BY unit_id, period, exposed_at, answer_id
        ON CONFLICT DO NOTHING RETURNING *
    ), counted AS (
        INSERT INTO arm_counts (experiment_id, epoch, variant, exposed)
        SELECT experiment_id, epoch, variant, count(*) FROM entered GROUP BY experiment_id, epoch, variant
        ON CONFLICT (experiment_id, epoch, variant) DO UPDATE SET
            exposed = arm_counts.exposed + excluded.exposed
    )
    INSERT INTO open_units (experiment_id, unit_id, period, epoch, variant, entered_at)
    SELECT experiment_id, unit_id, period, epoch, variant, entered_at FROM entered
""")
_MOVE = """
    UPDATE units SET moved = true FROM seen
    WHERE units.experiment_id = :experiment_id AND units.unit_id = seen.unit_id
      AND units.period = seen.period AND units.variant <> seen.variant AND NOT units.moved
"""
_CLOSE = """
    DELETE FROM open_units USING closing
    WHERE open_units.experiment_id = :experiment_id AND open_units.unit_id = closing.unit_id
      AND open_units.period = closing.period
"""
_CLOSING = text("""
    CREATE TEMP TABLE closing ON COMMIT DROP AS
    SELECT unit_id, period, epoch, variant, entered_at, entered_at + :window AS closes_at FROM open_units
    WHERE experiment_id = :experiment_id AND entered_at <= CAST(:now AS timestamptz) - :window
    ORDER BY entered_at, unit_id LIMIT :most
""")
_ANALYZE = text("ANALYZE closing")  # a temporary table has no statistics, and a plan without is a bad one
_SPAN = text("SELECT count(*), min(entered_at), max(closes_at) FROM closing")
# The days of the partitions are named by constants, so that only those are read.
_ANSWERED = text("""
    CREATE TEMP TABLE answered ON COMMIT DROP AS
    SELECT closing.unit_id, closing.period, a.id, a.organisation_id, a.output_id, a.cache, a.fell_back,
           a.total_ms
    FROM answers a JOIN closing
          ON closing.unit_id = CASE WHEN :is_organisation THEN a.organisation_id ELSE a.user_id END
     AND closing.variant = a.variant AND closing.epoch = a.epoch
    WHERE a.experiment_id = :experiment_id AND a.id >= :first AND a.id < :last
      AND uuid_extract_timestamp(a.id) BETWEEN closing.entered_at AND closing.closes_at
""")
# What users said. Between organisations, scores are means of their users' means: nobody's many votes speak
# for all.
_SAID = """
    SELECT unit_id, period, sum(votes) AS {prefix}votes, avg(score) AS {prefix}score,
           sum(likes) AS {prefix}likes, sum(complaints) AS {prefix}complaints, sum(edits) AS {prefix}edits,
           avg(edit_distance) AS {prefix}edit_distance
    FROM (
        SELECT closing.unit_id, closing.period, count(*) AS votes,
               avg(CASE f.kind WHEN 'thumb' THEN f.thumb_up::int WHEN 'rating' THEN (f.rating - 1) / 4.0 END)
                   AS score,
               count(*) FILTER (WHERE f.thumb_up OR f.rating > 3) AS likes,
               count(*) FILTER (WHERE NOT f.thumb_up OR f.rating < 3) AS complaints,
               count(*) FILTER (WHERE f.kind = 'edit') AS edits,
               avg(f.edit_distance::numeric) AS edit_distance
        FROM feedback f JOIN closing
          ON closing.unit_id = CASE WHEN :is_organisation THEN f.organisation_id ELSE f.user_id END
        WHERE {where}
        GROUP BY closing.unit_id, closing.period, f.user_id
    ) AS of_user
    GROUP BY unit_id, period
"""
_IN_THE_WINDOW = """
    f.experiment_id = :experiment_id AND closing.variant = f.variant AND closing.epoch = f.epoch
    AND f.created_at BETWEEN :begin AND :end AND f.created_at <= closing.closes_at
"""
# Nothing that was changed since the unit entered: what an arm may have touched is no covariate.
_BEFORE = """
    f.created_at >= :begin - :past AND f.created_at < :end
    AND f.created_at >= closing.entered_at - :past AND f.updated_at < closing.entered_at
"""
_QUANTITIES = """
    CREATE TEMP TABLE quantities ON COMMIT DROP AS
    WITH given AS (
        SELECT unit_id, period, count(*) AS answers, count(*) FILTER (WHERE cache = 'miss') AS misses,
               count(*) FILTER (WHERE fell_back) AS fallbacks,
               count(*) - count(DISTINCT output_id) AS repeats,
               sum(total_ms::numeric) FILTER (WHERE cache = 'miss') / 1000 AS service_s
        FROM answered GROUP BY unit_id, period
    ),
    said AS ({said}),
    before AS ({before}),
    lost AS (
        SELECT closing.unit_id, closing.period, sum(f.failures) AS failures
        FROM failures f JOIN closing
          ON closing.unit_id = CASE WHEN :is_organisation THEN f.organisation_id ELSE f.user_id END
         AND closing.variant = f.variant AND closing.epoch = f.epoch
        WHERE f.experiment_id = :experiment_id AND f.id >= :first AND f.id < :last
          AND uuid_extract_timestamp(f.id) <= closing.closes_at
        GROUP BY closing.unit_id, closing.period
    )
    SELECT *, coalesce(answers, 0) + coalesce(failures, 0) AS requests
    FROM closing LEFT JOIN given USING (unit_id, period) LEFT JOIN said USING (unit_id, period)
    LEFT JOIN before USING (unit_id, period) LEFT JOIN lost USING (unit_id, period)
"""
# To what a unit's first answer belongs; a unit without an answer belongs to nothing.
_SEGMENTS = text("""
    CREATE TEMP TABLE segments ON COMMIT DROP AS
    SELECT unit_id, period, segment
    FROM (
        SELECT DISTINCT ON (unit_id, period) unit_id, period, organisation_id, output_id
        FROM answered ORDER BY unit_id, period, id
    ) AS first
    LEFT JOIN outputs o ON o.id = first.output_id
    CROSS JOIN LATERAL (
        VALUES ('transform_type=' || o.transform_type), ('organisation=' || first.organisation_id)
    ) AS of_unit(segment)
    WHERE segment IS NOT NULL
""")
_ADD = """
    INSERT INTO metric_sums AS kept (experiment_id, epoch, variant, metric, segment, bin, n, x, xx, y, yy, xy)
    SELECT :experiment_id, epoch, variant, metric, segment, bin, n, x, xx, y, yy, xy FROM ({found}) AS found
    ON CONFLICT (experiment_id, epoch, variant, metric, segment, bin) DO UPDATE SET
        n = kept.n + excluded.n, x = kept.x + excluded.x, xx = kept.xx + excluded.xx, y = kept.y + excluded.y,
        yy = kept.yy + excluded.yy, xy = kept.xy + excluded.xy
"""
_SUMS = """
    SELECT epoch, variant, metric, {segment} AS segment, 0 AS bin, count(*) AS n, sum(x) AS x,
           sum(x * x) AS xx, sum(y) AS y, sum(y * y) AS yy, sum(x * y) AS xy
    FROM {units} CROSS JOIN LATERAL (VALUES {values}) AS of_unit(metric, x, y)
    WHERE x IS NOT NULL GROUP BY 1, 2, 3, 4
"""
# The share of misses up to the end of a bin is a ratio: of k misses up to there over m in all, of each unit.
# Bin 0 has the sums of m; the others have by how much those of k, of its square and of its product with m
# grow there, which is nothing for most units.
_LATENCIES = """
    WITH binned AS (
        SELECT unit_id, period, 1 + width_bucket(total_ms, CAST(:ends_ms AS float8[])) AS bin, count(*) AS c
        FROM answered WHERE cache = 'miss' GROUP BY unit_id, period, bin
    ),
    counted AS (
        SELECT *, sum(c) OVER (PARTITION BY unit_id, period ORDER BY bin) AS k,
               sum(c) OVER (PARTITION BY unit_id, period) AS m
        FROM binned JOIN closing USING (unit_id, period)
    )
    SELECT epoch, variant, '{latency}' AS metric, '' AS segment, bin, count(*) AS n, sum(c) AS x,
           sum(k * k - (k - c) * (k - c)) AS xx, 0 AS y, 0 AS yy, sum(c * m) AS xy
    FROM counted GROUP BY epoch, variant, bin
    UNION ALL
    SELECT epoch, variant, '{latency}', '', 0, count(*), 0, 0, sum(m), sum(m * m), 0
    FROM counted WHERE k = m GROUP BY epoch, variant
"""

# Arms come from the epochs, not from the exposures, so that an arm that nobody reached is seen as empty.
_ARMS = text("""
    WITH splits AS (
        SELECT DISTINCT ON (split.epoch) split.epoch, split.arms
        FROM epochs e
        CROSS JOIN jsonb_to_recordset(e.routing->'experiments')
            AS split(experiment_id uuid, epoch int, arms jsonb)
        WHERE split.experiment_id = :experiment_id AND split.epoch >= :since
        ORDER BY split.epoch, e.number
    )
    SELECT splits.epoch, arm.name AS variant, v.is_baseline, arm.weight, coalesce(c.exposed, 0) AS exposed,
           coalesce(c.moved, 0) AS moved, coalesce(c.closed, 0) AS closed
    FROM splits
    CROSS JOIN jsonb_to_recordset(splits.arms) AS arm(name text, weight float8)
    JOIN variants v ON v.experiment_id = :experiment_id AND v.name = arm.name
    LEFT JOIN arm_counts c ON c.experiment_id = :experiment_id AND c.epoch = splits.epoch
        AND c.variant = arm.name
    ORDER BY splits.epoch, v.is_baseline DESC, arm.name
""")
_KEPT = text("""
    SELECT segment, metric, epoch, variant, bin, n, x, xx, y, yy, xy FROM metric_sums
    WHERE experiment_id = :experiment_id AND epoch >= :since AND (segment <> '') = :is_segment
""")


def comparisons(
    session: Session, champion_version: str, challenger_version: str, votes_a_person: int
) -> Tally:
    """The blind votes on two versions, at most `votes_a_person` of each person: their first."""
    versions = {"champion": champion_version, "challenger": challenger_version}
    return Tally(**session.execute(_TALLY, {**versions, "votes_a_person": votes_a_person}).mappings().one())


def refresh(
    session: Session,
    experiment_id: uuid.UUID,
    plan: Plan,
    measured: Mapping[str, Metric],
    now: datetime | None = None,
) -> int:
    """Take in what has happened since the last refresh; how many units' windows have closed by `now`. The
    caller commits.

    A unit (a user, or an organisation) belongs to the arm and epoch of its first exposure. What it did there
    within the plan's window is counted once, at the first refresh after the window has closed, and never
    again: a look sees the units in the order of their closing, so that what was looked at does not change.
    What is kept is sums, to which each refresh adds: its cost grows with what is new, not with the
    experiment. Beside what users said in the window stands what they said before it
    (`experiments.estimators`), and the primary metric is also kept for each segment of the users.

    Sums are exact numbers: the same rows give the same bits in any order.
    """
    # Against another refresh; not against the gateways' exposures, which hold a share of the row's key.
    row = session.get_one(Experiment, experiment_id, with_for_update={"key_share": True})
    if now is None:
        now = datetime.now(UTC)
    about = {
        "experiment_id": experiment_id,
        "is_organisation": _is_between_organisations(session, experiment_id),
        "is_holdout": row.status == Status.HOLDOUT,
    }
    until = session.scalar(text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text"))
    session.execute(_SEEN, {**about, "since": str(row.seen_until), "until": until})
    session.execute(_ENTER, about)
    session.execute(_counted(_MOVE, "moved", "units"), about)
    session.execute(text("DROP TABLE seen"))
    row.seen_until = int(until)
    session.flush()
    counting = _counting(plan, with_uncapped(measured))
    queries = (_ANALYZE, _ANSWERED, *counting, _counted(_CLOSE, "closed", "open_units"))
    closed = 0
    while True:
        session.execute(_CLOSING, {**about, "window": plan.window, "now": now, "most": _CLOSED_AT_ONCE})
        count, begin, end = session.execute(_SPAN).one()
        if count:
            ids = {"first": floor(begin), "last": floor(end + timedelta(seconds=1))}
            span = {"begin": begin, "end": end, "past": plan.past, "ends_ms": list(BINS_MS)}
            for query in queries:
                session.execute(query, {**about, **ids, **span})
            session.execute(text("DROP TABLE answered, quantities, segments"))
        session.execute(text("DROP TABLE closing"))
        closed += int(count)
        if count < _CLOSED_AT_ONCE:
            return closed


def _counting(plan: Plan, measured: Mapping[str, Metric]) -> Iterator[TextClause]:
    """What is counted of the units in `closing`, and added to the sums."""
    said = _SAID.format(prefix="", where=_IN_THE_WINDOW)
    before = _SAID.format(prefix="before_", where=_BEFORE)
    yield text(_QUANTITIES.format(said=said, before=before))
    yield _SEGMENTS
    plain = {name: metric for name, metric in measured.items() if metric.kind != "quantile"}
    values = {name: f"('{name}', {metric.x}, {metric.y})" for name, metric in plain.items()}
    found = []
    if plain:
        found.append(_SUMS.format(values=", ".join(values.values()), units="quantities", segment="''"))
    if plan.primary in plain:
        units = "quantities JOIN segments USING (unit_id, period)"
        found.append(_SUMS.format(values=values[plan.primary], units=units, segment="segment"))
    if len(plain) < len(measured):
        found.append(_LATENCIES.format(latency=LATENCY))
    for query in found:
        yield text(_ADD.format(found=query))


def _counted(change: str, what: Literal["moved", "closed"], of: Literal["units", "open_units"]) -> TextClause:
    return text(_COUNTED.format(change=change, what=what, of=of))


def _is_between_organisations(session: Session, experiment_id: uuid.UUID) -> bool:
    query = text("""
        SELECT bool_or(split.unit = 'organisation') FROM epochs e
        CROSS JOIN jsonb_to_recordset(e.routing->'experiments') AS split(experiment_id uuid, unit text)
        WHERE split.experiment_id = :experiment_id
    """)
    return bool(session.scalar(query, {"experiment_id": experiment_id}))


def arms(
    session: Session, experiment_id: uuid.UUID, measured: Mapping[str, Metric], since: int = 0
) -> dict[str, list[ArmStatistics]]:
    """For each metric every arm in every epoch of an experiment, from the epoch `since` on, also those that
    nobody reached: how many were exposed, how many windows have closed, and the metric over the users who
    have it.
    """
    about = {"experiment_id": experiment_id, "since": since}
    rows = [dict(row) for row in session.execute(_ARMS, about).mappings()]
    kept = _kept(session, experiment_id, since, is_segment=False)

    def of(name: str, metric: Metric, row: Mapping[str, Any]) -> ArmStatistics:
        stored = LATENCY if metric.kind == "quantile" else name
        found = estimate(metric, kept.get(("", stored, row["epoch"], row["variant"]), {}))
        return ArmStatistics(**row, **dict(found))

    return {name: [of(name, metric, row) for row in rows] for name, metric in measured.items()}


def pairs(
    session: Session, experiment_id: uuid.UUID, name: str, metric: Metric, baseline: str, challenger: str
) -> list[tuple[Estimate, Estimate]]:
    """A metric from its sums under a name: the baseline's and the challenger's estimate in every epoch."""
    stored = LATENCY if metric.kind == "quantile" else name
    kept = _kept(session, experiment_id, 0, is_segment=False)
    return [
        (
            estimate(metric, kept.get(("", stored, epoch, baseline), {})),
            estimate(metric, kept.get(("", stored, epoch, challenger), {})),
        )
        for epoch in sorted({epoch for _, metric_name, epoch, _ in kept if metric_name == stored})
    ]


def segments(
    session: Session, experiment_id: uuid.UUID, name: str, metric: Metric, baseline: str, challenger: str
) -> dict[str, list[tuple[Estimate, Estimate]]]:
    """The primary metric for each segment of the users: the baseline's and the challenger's estimate in every
    epoch. A segment is named `transform_type=soften`, by a unit's first answer.
    """
    found: dict[str, list[tuple[Estimate, Estimate]]] = defaultdict(list)
    kept = _kept(session, experiment_id, 0, is_segment=True)
    for segment, epoch in sorted({(segment, epoch) for segment, _, epoch, _ in kept}):
        one, other = (
            estimate(metric, kept.get((segment, name, epoch, variant), {}))
            for variant in (baseline, challenger)
        )
        found[segment].append((one, other))
    return found


def _kept(
    session: Session, experiment_id: uuid.UUID, since: int, *, is_segment: bool
) -> dict[tuple[str, str, int, str], dict[int, Sums]]:
    about = {"experiment_id": experiment_id, "since": since, "is_segment": is_segment}
    kept: dict[tuple[str, str, int, str], dict[int, Sums]] = defaultdict(dict)
    for segment, metric, epoch, variant, bin_, *sums in session.execute(_KEPT, about):
        kept[segment, metric, epoch, variant][bin_] = Sums(*sums)
    return kept
