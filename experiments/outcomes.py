"""Sums of people's outcomes by arm and epoch, computed by the database."""

import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from data.tables import Experiment
from data.traffic.answers import floor
from experiments import own_metrics
from experiments.caps import fix_caps
from experiments.estimators import Sums
from experiments.lifecycle import Status
from experiments.metrics import BINS_MS, ZERO, Metric, with_uncapped
from experiments.plan import Plan
from experiments.user_days import BEFORE_ENTRY, summarise

LATENCY = "latency"  # metric name of the latency sums, one row for each bin; all quantiles use them
# Kinds of segments: the day (UTC) of the entry (`_SEGMENTS`), and the days from the entry to a vote.
ENTERED, SINCE_ENTRY = "entered", "since_entry"
_MOST_DAYS = 6  # votes on later days after the entry count as of this one
_BATCH_UNITS = 200_000  # units that one round of a refresh closes, which limits its temporary tables
# A unit is counted this share of its window after the window's end: an hour after the usual 72.
_GRACE = 1 / 72
# A vote is stored within 30 s of its `created_at`, the limit of the gateway's transactions (migration 0024).
# Answers wait in a gateway's memory: a fifth of a second, or until Postgres is available.
_LATEST_VOTE = timedelta(seconds=30)

# Enough for a batch: with the usual 4 MB its sorts and hash tables go to disk. With the usual cost of a
# random page, that of disks with heads, Postgres reads the votes of all users instead of the batch's.
SET_COSTS = text("SELECT set_config('work_mem', '64MB', true), set_config('random_page_cost', '1.1', true)")
# Selects the exposures of transactions that ended since the last refresh. In the order of commits, an
# exposure that commits late is read later, and not missed.
_SELECT_NEW_EXPOSURES = text("""
    CREATE TEMP TABLE new_exposures ON COMMIT DROP AS
    SELECT CASE WHEN :is_organisation THEN organisation_id ELSE user_id END AS unit_id,
           CASE WHEN :is_holdout THEN epoch ELSE 0 END AS period, variant, epoch, exposed_at, answer_id
    FROM exposures
    WHERE experiment_id = :experiment_id AND transaction >= CAST(:since AS xid8)
      AND transaction < CAST(:until AS xid8)
""")
# Adds the number of units of each arm to a counter.
_COUNT_UNITS = """
    INSERT INTO arm_counts (experiment_id, epoch, variant, {counter})
    SELECT :experiment_id, epoch, variant, count(*) FROM {units} GROUP BY epoch, variant
    ON CONFLICT (experiment_id, epoch, variant) DO UPDATE SET
        {counter} = arm_counts.{counter} + excluded.{counter}
"""
# Selects those units of the new exposures that entered at an earlier refresh. Users are found by the primary
# key of their exposures, so nothing is stored for them: another index of ten million random keys would cost
# more than all other writes of a refresh. A user whom two arms have served has moved already; else the arm of
# any earlier exposure is the unit's.
_SELECT_KNOWN_USERS = text("""
    CREATE TEMP TABLE known ON COMMIT DROP AS
    SELECT unit_id, period, (array_agg(seen.epoch ORDER BY exposed_at, answer_id))[1] AS epoch,
           min(seen.variant) AS variant, min(seen.variant) <> max(seen.variant) AS is_moved
    FROM (SELECT DISTINCT unit_id, period FROM new_exposures ORDER BY unit_id, period) AS exposed
    CROSS JOIN LATERAL (
        SELECT e.epoch, e.variant, e.exposed_at, e.answer_id FROM exposures e
        WHERE e.experiment_id = :experiment_id AND e.user_id = unit_id
          AND e.transaction < CAST(:since AS xid8) AND (NOT :is_holdout OR e.epoch = period)
        OFFSET 0
    ) AS seen
    GROUP BY unit_id, period
""")
# Organisations have no such index, since there are few of them: they have rows of their own.
_SELECT_KNOWN_ORGANISATIONS = text("""
    CREATE TEMP TABLE known ON COMMIT DROP AS
    SELECT unit_id, period, units.epoch, units.variant, units.moved AS is_moved
    FROM units JOIN (SELECT DISTINCT unit_id, period FROM new_exposures) AS exposed USING (unit_id, period)
    WHERE experiment_id = :experiment_id
""")
# Selects the new units by their first exposure: it alone sets a unit's arm and epoch.
_SELECT_ENTERING = text("""
    CREATE TEMP TABLE entering ON COMMIT DROP AS
    SELECT DISTINCT ON (unit_id, period) unit_id, period, epoch, variant, exposed_at AS entered_at
    FROM new_exposures
    WHERE NOT EXISTS (
        SELECT FROM known WHERE known.unit_id = new_exposures.unit_id AND known.period = new_exposures.period
    )
    ORDER BY unit_id, period, exposed_at, answer_id
""")
_OPEN = text("""
    INSERT INTO open_units (experiment_id, unit_id, period, epoch, variant, entered_at)
    SELECT :experiment_id, unit_id, period, epoch, variant, entered_at FROM entering
""")
# Selects units that another arm serves, too, since these exposures: they mix the arms, and a validity check
# limits their share.
_SELECT_MOVING = text("""
    CREATE TEMP TABLE moving ON COMMIT DROP AS
    SELECT DISTINCT unit_id, period, arm.epoch, arm.variant
    FROM (
        SELECT unit_id, period, epoch, variant FROM entering
        UNION ALL
        SELECT unit_id, period, epoch, variant FROM known WHERE NOT is_moved
    ) AS arm
    JOIN new_exposures USING (unit_id, period)
    WHERE new_exposures.variant <> arm.variant
""")
_STORE_ORGANISATIONS = text("""
    INSERT INTO units (experiment_id, unit_id, period, epoch, variant, entered_at)
    SELECT :experiment_id, unit_id, period, epoch, variant, entered_at FROM entering
""")
_MOVE_ORGANISATIONS = text("""
    UPDATE units SET moved = true FROM moving
    WHERE units.experiment_id = :experiment_id AND units.unit_id = moving.unit_id
      AND units.period = moving.period
""")
_CREATE_CLOSING = text("""
    CREATE TEMP TABLE closing (
        unit_id uuid, period int, epoch int, variant text, entered_at timestamptz, closes_at timestamptz
    ) ON COMMIT DROP
""")
# Takes a batch of units whose windows have closed from the open ones, the oldest first: so in-sample units
# enter in a fixed order, and no later refresh counts them again. Windows are in seconds: a day of an interval
# is 23 or 25 hours when the session's clocks change.
_CLOSE = text("""
    WITH closed AS (
        DELETE FROM open_units WHERE ctid = ANY(ARRAY(
            SELECT ctid FROM open_units
            WHERE experiment_id = :experiment_id AND entered_at <= :entered_until
            ORDER BY entered_at, unit_id LIMIT :most
        )) RETURNING *
    )
    INSERT INTO closing
    SELECT unit_id, period, epoch, variant, entered_at, entered_at + make_interval(secs => :window_s)
    FROM closed
""")
# Collects statistics: Postgres has none on a new temporary table, and plans badly without them.
_ANALYZE = text("ANALYZE closing")
# Reads the size of the batch, and the time that its windows span, which limits the rows to read.
_SPAN = text("SELECT count(*), min(entered_at), max(closes_at) FROM closing")
# Limits rows to those of the unit's arm, in any epoch: a change of the shares does not cut windows. Rows of a
# holdout count in their own epoch only: each epoch has another champion, and a unit enters each of them.
OWN_ARM = """
    {table}.experiment_id = :experiment_id AND closing.variant = {table}.variant
    AND (NOT :is_holdout OR closing.epoch = {table}.epoch)
"""
# Selects the answers in the windows of the batch. The bounds on the id are constants, so that Postgres reads
# only the partitions of those days.
ANSWERS = """
    SELECT closing.unit_id, closing.period, a.id, a.organisation_id, a.output_id, a.cache, a.fell_back,
           a.total_ms, a.locale, a.channel
    FROM answers a JOIN closing
          ON closing.unit_id = CASE WHEN :is_organisation THEN a.organisation_id ELSE a.user_id END
    WHERE {own_arm} AND a.id >= :first AND a.id < :last
      AND uuid_extract_timestamp(a.id) BETWEEN closing.entered_at AND closing.closes_at
"""
_SELECT_ANSWERS = f"CREATE TEMP TABLE window_answers ON COMMIT DROP AS {ANSWERS}"
# Aggregates the feedback of each unit and `part`, with the values that votes had at `moment`: a vote that
# changed later counts with its earlier value. An organisation's scores are means of its users' means, so that
# a user with many votes does not dominate.
_FEEDBACK = """
    SELECT unit_id, period, part AS {prefix}part, sum(votes)::bigint AS {prefix}votes,
           avg(score) AS {prefix}score, sum(likes)::bigint AS {prefix}likes,
           sum(complaints)::bigint AS {prefix}complaints, sum(edits)::bigint AS {prefix}edits,
           avg(edit_distance) AS {prefix}edit_distance, avg(vote_hours) AS {prefix}vote_hours
    FROM (
        SELECT closing.unit_id, closing.period, {part} AS part, count(*) AS votes,
               avg(CASE f.kind WHEN 'thumb' THEN vote.thumb_up::int
                               WHEN 'rating' THEN (vote.rating - 1) / 4.0 END) AS score,
               count(*) FILTER (WHERE vote.thumb_up OR vote.rating > 3) AS likes,
               count(*) FILTER (WHERE NOT vote.thumb_up OR vote.rating < 3) AS complaints,
               count(*) FILTER (WHERE f.kind = 'edit') AS edits,
               avg(vote.edit_distance::numeric) AS edit_distance,
               extract(epoch FROM min(f.created_at) - closing.entered_at) / 3600 AS vote_hours
        FROM feedback f JOIN closing
          ON closing.unit_id = CASE WHEN :is_organisation THEN f.organisation_id ELSE f.user_id END
        LEFT JOIN LATERAL (
            SELECT thumb_up, rating, edit_distance FROM replaced_votes
            WHERE feedback_id = f.id AND replaced_at > {moment} ORDER BY replaced_at, id LIMIT 1
        ) AS earlier ON f.updated_at > {moment}
        CROSS JOIN LATERAL (
            SELECT coalesce(earlier.thumb_up, f.thumb_up) AS thumb_up,
                   coalesce(earlier.rating, f.rating) AS rating,
                   coalesce(earlier.edit_distance, f.edit_distance) AS edit_distance
        ) AS vote
        WHERE {where}
        GROUP BY closing.unit_id, closing.period, closing.entered_at, f.user_id, 3
    ) AS by_user
    GROUP BY unit_id, period, part
"""
# Limits feedback to the unit's arm and window: its outcomes. The constants only narrow the index scan.
_IN_WINDOW = f"""
    {OWN_ARM.format(table="f")}
    AND f.created_at BETWEEN :begin AND :end AND f.created_at <= closing.closes_at
"""
# The same for all variants, since the unit entered.
_SINCE_ENTRY = """
    f.created_at BETWEEN :begin AND :end AND f.created_at BETWEEN closing.entered_at AND closing.closes_at
"""
# Limits feedback to the time before the unit entered: its covariates. Votes have the values of that time: an
# arm may have caused later changes.
_BEFORE_ENTRY = """
    f.created_at >= :begin - make_interval(secs => :past_s) AND f.created_at < :end
    AND f.created_at >= closing.entered_at - make_interval(secs => :past_s)
    AND f.created_at < closing.entered_at
"""
# Joins all quantities of a unit in one row. The metrics are SQL expressions over its columns.
_JOIN_QUANTITIES = """
    WITH answer_counts AS (
        SELECT unit_id, period, count(*) AS answers, count(*) FILTER (WHERE cache = 'miss') AS misses,
               count(*) FILTER (WHERE fell_back) AS fallbacks,
               count(*) - count(DISTINCT output_id) AS repeats,
               sum(total_ms::numeric) FILTER (WHERE cache = 'miss') / 1000 AS service_s,
               sum(o.cost_usd::numeric) * 1000 AS cost_mills
        FROM window_answers a LEFT JOIN outputs o ON o.id = a.output_id AND a.cache = 'miss'
        GROUP BY unit_id, period
    ),
    outcomes AS ({outcomes}),
    covariates AS ({covariates}),
    past_days AS ({past_days}),
    failed_requests AS (
        SELECT closing.unit_id, closing.period, sum(f.failures) AS failures
        FROM failures f JOIN closing
          ON closing.unit_id = CASE WHEN :is_organisation THEN f.organisation_id ELSE f.user_id END
        WHERE {own_arm} AND f.id >= :first AND f.id < :last
          AND uuid_extract_timestamp(f.id) <= closing.closes_at
        GROUP BY closing.unit_id, closing.period
    )
    SELECT *, coalesce(answers, 0) + coalesce(failures, 0) AS requests
    FROM closing LEFT JOIN answer_counts USING (unit_id, period)
    LEFT JOIN outcomes USING (unit_id, period) LEFT JOIN covariates USING (unit_id, period)
    LEFT JOIN past_days USING (unit_id, period)
    LEFT JOIN failed_requests USING (unit_id, period)
"""
_QUANTITIES = f"CREATE TEMP TABLE quantities ON COMMIT DROP AS {_JOIN_QUANTITIES}"
# Selects what the units in `closing` did in their arm.
OWN_QUANTITIES = _JOIN_QUANTITIES.format(
    outcomes=_FEEDBACK.format(prefix="", part="0", where=_IN_WINDOW, moment="closing.closes_at"),
    covariates=_FEEDBACK.format(prefix="before_", part="0", where=_BEFORE_ENTRY, moment="closing.entered_at"),
    past_days=BEFORE_ENTRY,
    own_arm=OWN_ARM.format(table="f"),
)
_COUNT_QUANTITIES = text(f"CREATE TEMP TABLE quantities ON COMMIT DROP AS {OWN_QUANTITIES}")
# Computes the sums of a metric by segment: by what is known of a unit when it enters, its first answer, its
# votes before, and the day (UTC). A unit without an answer has no segment by an answer. Apart from
# organisations, of which an erasure deletes one, and days, a kind has a bounded number of values: those that
# are stored already, then those of the most units. The others are one segment. Units that are in the same
# segments of all kinds are summed up first, since there are far fewer such sums than units.
_SEGMENT_SUMS = """
    WITH firsts AS (
        SELECT DISTINCT ON (unit_id, period) unit_id, period, organisation_id, output_id,
               lower(locale) AS locale, channel
        FROM window_answers ORDER BY unit_id, period, id
    ),
    alike AS (
        SELECT epoch, variant, kind_values, count(*) AS units, {sums}
        FROM (
            SELECT epoch, variant, ARRAY[{kind_values}] AS kind_values, {values}
            FROM quantities LEFT JOIN firsts USING (unit_id, period)
            LEFT JOIN (SELECT id AS output_id, transform_type FROM outputs) AS made USING (output_id)
            OFFSET 0
        ) AS unit_values
        GROUP BY epoch, variant, kind_values
    ),
    valued AS (
        SELECT epoch, variant, kind, kind || '=' || left(value, {longest}) AS segment, units, {metric}
        FROM alike CROSS JOIN LATERAL unnest(ARRAY[{kinds}], kind_values) AS by_kind(kind, value)
        WHERE value IS NOT NULL
    ),
    stored AS (
        SELECT DISTINCT segment, split_part(segment, '=', 1) AS kind, true AS is_stored
        FROM metric_sums WHERE experiment_id = :experiment_id AND segment <> ''
    ),
    ranked AS (
        SELECT segment, row_number() OVER (PARTITION BY kind ORDER BY is_stored, units DESC, segment) AS place
        FROM (SELECT kind, segment, sum(units) AS units FROM valued GROUP BY kind, segment) AS counted
        FULL JOIN stored USING (kind, segment)
        WHERE segment <> kind || '={others}'
    ),
    bounded AS (
        SELECT valued.*, CASE
            WHEN kind IN ('organisation', '{entered}')
                OR segment IN (SELECT segment FROM ranked WHERE place <= {most})
            THEN segment ELSE kind || '={others}' END AS shown
        FROM valued
    )
    SELECT epoch, variant, '{name}' AS metric, shown AS segment, 0 AS bin, {totals}
    FROM bounded GROUP BY epoch, variant, shown HAVING sum(n) > 0
"""
_SHIPPED_SEGMENTS = {
    "transform_type": "transform_type",
    "organisation": "organisation_id::text",
    "locale": "locale",
    "channel": "channel",
}
_DAY_OF_ENTRY = "(entered_at AT TIME ZONE 'UTC')::date::text"
_MOST_VALUES = 20  # of a kind of segment
OTHERS = "other"  # the segment of all further values
_LONGEST_VALUE = 50  # characters: `metric_sums.segment` holds 80
# Computes the sums of the scores of votes by the day since the unit's entry. A unit may be in several days.
_VOTES_BY_DAY = """
    SELECT epoch, variant, '{votes}' AS metric, '{votes}=' || part AS segment, 0 AS bin, count(*) AS n,
           sum(score) AS x, sum(score * score) AS xx, {no_others}
    FROM ({feedback}) AS by_day JOIN closing USING (unit_id, period)
    WHERE score IS NOT NULL GROUP BY 1, 2, 3, 4
"""
# Sums of products that `_ADD_SUMS` adds. x and y are the metric's two numbers; u and v are those of a ratio
# before the unit entered.
_ADDED = ("x", "xx", "y", "yy", "xy", "u", "uu", "v", "vv", "uv", "xu", "xv", "yu", "yv")
_NO_OTHERS = ", ".join(f"0 AS {name}" for name in _ADDED[2:])  # than x and xx
# Adds a batch's sums to the stored ones, so that a refresh costs as much as its new units, whatever the
# total.
_ADD_SUMS = f"""
    INSERT INTO metric_sums AS total
        (experiment_id, epoch, variant, metric, segment, bin, n, {", ".join(_ADDED)})
    SELECT :experiment_id, epoch, variant, metric, segment, bin, n, {", ".join(_ADDED)}
    FROM ({{sums}}) AS sums
    ON CONFLICT (experiment_id, epoch, variant, metric, segment, bin) DO UPDATE SET
        n = total.n + excluded.n,
        {", ".join(f"{name} = total.{name} + excluded.{name}" for name in _ADDED)}
"""  # noqa: S608 (nothing of it comes from outside)
# Computes the sums of some metrics in one scan of the batch. Each metric has columns of its own: a row for
# each unit and metric would take twice as long. OFFSET 0 computes an expression once for its five sums.
_SUMS = """
    SELECT epoch, variant, metric, '' AS segment, 0 AS bin, {columns}
    FROM (
        SELECT epoch, variant, {sums}
        FROM (SELECT epoch, variant, {values} FROM quantities OFFSET 0) AS unit_values
        GROUP BY epoch, variant
    ) AS totals
    CROSS JOIN LATERAL (VALUES {metrics}) AS by_metric(metric, {columns})
    WHERE n > 0
"""
# Computes the sums for quantiles. The share of misses up to the end of a bin is a ratio: for each unit, its k
# misses up to there over all of its m misses. Bin 0 has the sums of m. The other bins have the increments of
# the sums of k, k^2 and k m in that bin, since these are 0 for most units. The past is another ratio: the sum
# of the logarithms of the latencies before the unit entered, u, over the number of these misses, v.
_LATENCIES = """
    WITH binned AS (
        SELECT unit_id, period, 1 + width_bucket(total_ms, CAST(:ends_ms AS float8[])) AS bin, count(*) AS c
        FROM window_answers WHERE cache = 'miss' GROUP BY unit_id, period, bin
    ),
    counted AS (
        SELECT epoch, variant, bin, c, sum(c) OVER (PARTITION BY unit_id, period ORDER BY bin) AS k,
               sum(c) OVER (PARTITION BY unit_id, period) AS m, coalesce(before_log_ms, 0) AS u,
               coalesce(before_misses, 0) AS v
        FROM binned JOIN quantities USING (unit_id, period)
    )
    SELECT epoch, variant, '{latency}' AS metric, '' AS segment, bin, count(*) AS n, sum(c) AS x,
           sum(k * k - (k - c) * (k - c)) AS xx, 0 AS y, 0 AS yy, sum(c * m) AS xy,
           0 AS u, 0 AS uu, 0 AS v, 0 AS vv, 0 AS uv, sum(c * u) AS xu, sum(c * v) AS xv, 0 AS yu, 0 AS yv
    FROM counted GROUP BY epoch, variant, bin
    UNION ALL
    SELECT epoch, variant, '{latency}', '', 0, count(*), 0, 0, sum(m), sum(m * m), 0,
           sum(u), sum(u * u), sum(v), sum(v * v), sum(u * v), 0, 0, sum(m * u), sum(m * v)
    FROM counted WHERE k = m GROUP BY epoch, variant
"""


def refresh(
    session: Session,
    experiment_id: uuid.UUID,
    plan: Plan,
    measured: Mapping[str, Metric],
    now: datetime | None = None,
    batch_units: int = _BATCH_UNITS,
) -> int:
    """Add the data since the last refresh to the sums, and return the number of units that were added. The
    caller commits.

    A unit (a user, or an organisation) belongs to the arm and epoch of its first exposure. Within the plan's
    window, what happens in that arm counts, in later epochs of the experiment too; what happens in another
    arm does not. In a holdout a unit enters each epoch anew, and only what happens in that epoch counts,
    since each epoch has another champion. Outcomes are counted once, at the first refresh after the window
    has closed and its late rows have had time to arrive (`compute_grace`); a vote that changed since counts
    as it was when the window closed. Then the unit is in-sample. Units become in-sample in the order in which
    their windows close, and their outcomes never change, so later analyses only add data. Only sums are
    stored, and each refresh adds to them: its cost grows with the new data, not with the experiment. The sums
    also contain the covariates of the time before the window (`experiments.estimators`), and the primary
    metric by segment of the users.

    Units are closed in rounds of `batch_units`. Sums are exact numbers: the same rows give the same bits in
    any order.
    """
    # Locks out another refresh, but not the gateways' exposures, which hold a share lock on the row's key.
    row = session.get_one(Experiment, experiment_id, with_for_update={"key_share": True})
    if now is None:
        now = datetime.now(UTC)
    is_organisation = is_between_organisations(session, experiment_id)
    is_holdout = row.status == Status.HOLDOUT
    parameters = {
        "experiment_id": experiment_id,
        "is_organisation": is_organisation,
        "is_holdout": is_holdout,
    }
    capped = fix_caps(session, row, plan, measured, is_organisation=is_organisation, now=now)
    entered_until = now - plan.window - compute_grace(plan)
    # In a holdout the past belongs to the arm, too: users keep theirs from one epoch to the next.
    past = timedelta() if is_holdout else plan.past
    durations = {"window_s": plan.window.total_seconds(), "past_s": past.total_seconds()}
    session.execute(SET_COSTS)
    until = session.scalar(text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text"))
    session.execute(_SELECT_NEW_EXPOSURES, {**parameters, "since": str(row.seen_until), "until": until})
    known = _SELECT_KNOWN_ORGANISATIONS if is_organisation else _SELECT_KNOWN_USERS
    session.execute(known, {**parameters, "since": str(row.seen_until)})
    session.execute(_SELECT_ENTERING)
    session.execute(text("ANALYZE new_exposures, known, entering"))
    session.execute(_OPEN, parameters)
    session.execute(_SELECT_MOVING)
    session.execute(_count_units("exposed", "entering"), parameters)
    session.execute(_count_units("moved", "moving"), parameters)
    if is_organisation:
        session.execute(_STORE_ORGANISATIONS, parameters)
        session.execute(_MOVE_ORGANISATIONS, parameters)
    session.execute(text("DROP TABLE new_exposures, known, entering, moving"))
    row.seen_until = int(until)
    session.flush()
    sum_queries = _build_sum_queries(plan, with_uncapped(capped))
    queries = (
        _ANALYZE,
        text(_SELECT_ANSWERS.format(own_arm=OWN_ARM.format(table="a"))),
        *sum_queries,
        _count_units("closed", "closing"),
    )
    closed = 0
    while True:
        session.execute(_CREATE_CLOSING)
        batch = {"entered_until": entered_until, "most": batch_units}
        session.execute(_CLOSE, {**parameters, **durations, **batch})
        count, begin, end = session.execute(_SPAN).one()
        if count:
            if past:
                summarise(session, begin - past, end - plan.window)
            ids = {"first": floor(begin), "last": floor(end + timedelta(seconds=1))}
            span = {"begin": begin, "end": end, "ends_ms": list(BINS_MS)}
            for query in queries:
                session.execute(query, {**parameters, **durations, **ids, **span})
            session.execute(text("DROP TABLE window_answers, quantities"))
        session.execute(text("DROP TABLE closing"))
        closed += int(count)
        if count < batch_units:
            return closed


class PastUsers(NamedTuple):
    """What users did recently, as if all had entered an experiment at the start of the time.

    `arrivals` is the number of users by the day of their first answer. `closed` is how many of the sampled
    users have a window that has closed, and `sums` are theirs by metric and bin, as in `metric_sums`.
    """

    arrivals: list[int]
    closed: int
    sums: dict[str, dict[int, Sums]]


# Enters every user with the first answer since a time. A day is 24 hours.
_ENTRIES = text("""
    CREATE TEMP TABLE entries ON COMMIT DROP AS
    SELECT user_id, min(uuid_extract_timestamp(id)) AS entered_at FROM answers
    WHERE id >= :since AND id < :until GROUP BY user_id
""")
_ARRIVALS = text("""
    SELECT floor(extract(epoch FROM entered_at - :start) / 86400)::int AS day, count(*) AS users
    FROM entries GROUP BY day ORDER BY day
""")
# Samples users by a hash of their ids, with the columns of a batch of `refresh`.
_SAMPLE_CLOSED = text("""
    CREATE TEMP TABLE closing ON COMMIT DROP AS
    SELECT user_id AS unit_id, 0 AS period, 0 AS epoch, '' AS variant, entered_at,
           entered_at + make_interval(secs => :window_s) AS closes_at
    FROM entries WHERE entered_at <= :entered_until ORDER BY md5(user_id::text) LIMIT :most
""")


def sum_past(
    session: Session, plan: Plan, measured: Mapping[str, Metric], start: datetime, now: datetime, most: int
) -> PastUsers:
    """Sum up what users did since `start` within their windows, whichever variant answered them, over at most
    `most` users. Only for planning: users of different arms are in one sum. Nothing is stored.
    """
    session.execute(_ENTRIES, {"since": floor(start), "until": floor(now)})
    by_day = {row.day: row.users for row in session.execute(_ARRIVALS, {"start": start})}
    parameters = {
        "is_organisation": False,
        "window_s": plan.window.total_seconds(),
        "past_s": plan.past.total_seconds(),
        "ends_ms": list(BINS_MS),
    }
    entered_until = now - plan.window - compute_grace(plan)
    session.execute(_SAMPLE_CLOSED, {**parameters, "entered_until": entered_until, "most": most})
    closed, begin, end = session.execute(_SPAN).one()
    sums: dict[str, dict[int, Sums]] = defaultdict(dict)
    if closed:
        parameters |= {"begin": begin, "end": end}
        parameters |= {"first": floor(begin), "last": floor(end + timedelta(seconds=1))}
        for query in (
            _ANALYZE,
            text(_SELECT_ANSWERS.format(own_arm="true")),
            text(
                _QUANTITIES.format(
                    outcomes=_FEEDBACK.format(
                        prefix="", part="0", where=_SINCE_ENTRY, moment="closing.closes_at"
                    ),
                    covariates=_FEEDBACK.format(
                        prefix="before_", part="0", where=_BEFORE_ENTRY, moment="closing.entered_at"
                    ),
                    past_days=BEFORE_ENTRY,
                    own_arm="true",
                )
            ),
        ):
            session.execute(query, parameters)
        for sum_query in _sum_all(measured):
            for row in session.execute(text(sum_query), parameters).mappings():
                sums[row["metric"]][row["bin"]] = Sums(row["n"], *(row[name] for name in _ADDED))
        session.execute(text("DROP TABLE window_answers, quantities"))
    session.execute(text("DROP TABLE closing, entries"))
    last = max(by_day, default=-1)
    return PastUsers([by_day.get(day, 0) for day in range(last + 1)], closed, dict(sums))


def _build_sum_queries(plan: Plan, measured: Mapping[str, Metric]) -> Iterator[TextClause]:
    """The queries that count the units in `closing` and add their values to the sums, in order."""
    yield _COUNT_QUANTITIES
    queries = list(_sum_all(measured))
    if plan.primary in measured and measured[plan.primary].kind != "quantile":
        kinds = _SHIPPED_SEGMENTS | own_metrics.to_sql(plan.own_segments) | {ENTERED: _DAY_OF_ENTRY}
        queries.append(_sum_up_segments(plan.primary, measured[plan.primary], kinds))
    hours = "extract(epoch FROM f.created_at - closing.entered_at) / 3600"
    day = f"least(floor({hours} / 24)::int, {_MOST_DAYS})"
    by_day = _FEEDBACK.format(prefix="", part=day, where=_IN_WINDOW, moment="closing.closes_at")
    queries.append(_VOTES_BY_DAY.format(votes=SINCE_ENTRY, feedback=by_day, no_others=_NO_OTHERS))
    for query in queries:
        yield text(_ADD_SUMS.format(sums=query))


def _sum_all(measured: Mapping[str, Metric]) -> Iterator[str]:
    """The queries that sum up all metrics over the users in `quantities`."""
    summed = {name: metric for name, metric in measured.items() if metric.kind != "quantile"}
    if summed:
        yield _sum_up(summed)
    if any(metric.kind == "quantile" for metric in measured.values()):
        yield _LATENCIES.format(latency=LATENCY)


class _Columns(NamedTuple):
    """The SQL of the columns with which the sums of metrics are computed. What several metrics have, such as
    the denominator of two ratios, is computed once.
    """

    values: str  # a unit's numbers
    sums: str  # over these numbers
    by_metric: dict[str, list[str]]  # the sums of each metric, n and those of `_ADDED`


def _build_columns(measured: Mapping[str, Metric]) -> _Columns:
    values: dict[str, str] = {}  # columns of a unit's numbers, by expression
    sums: dict[str, str] = {}  # columns of sums, by expression
    by_metric = {}
    for name, metric in measured.items():
        numbers = {"x": metric.x, "y": metric.y, "u": metric.u, "v": metric.v}
        columns = {
            letter: values.setdefault(number, f"v{len(values)}")
            for letter, number in numbers.items()
            if number != ZERO
        }
        # Only a mean leaves out units: those without a value.
        where = f" FILTER (WHERE {columns['x']} IS NOT NULL)" if metric.kind == "mean" else ""
        row = [sums.setdefault(f"count({columns['x']})", f"s{len(sums)}")]
        for added in _ADDED:
            # The numbers of a proportion are 0 or 1, so they are their own squares.
            factors = dict.fromkeys(added) if metric.kind == "proportion" else added
            if columns.keys() >= set(added):
                product = " * ".join(columns[letter] for letter in factors)
                row.append(sums.setdefault(f"sum({product}){where}", f"s{len(sums)}"))
            else:
                row.append("0")
        by_metric[name] = row
    return _Columns(
        ", ".join(f"{number} AS {column}" for number, column in values.items()),
        ", ".join(f"{total} AS {column}" for total, column in sums.items()),
        by_metric,
    )


def _sum_up(measured: Mapping[str, Metric]) -> str:
    """The query that sums up some metrics over the units in `quantities`."""
    columns = _build_columns(measured)
    return _SUMS.format(
        columns=", ".join(("n", *_ADDED)),
        sums=columns.sums,
        values=columns.values,
        metrics=", ".join(f"('{name}', {', '.join(row)})" for name, row in columns.by_metric.items()),
    )


def _sum_up_segments(name: str, metric: Metric, kinds: Mapping[str, str]) -> str:
    """The query that sums up a metric by segment. `kinds` has the SQL of a unit's value of each kind."""
    columns = _build_columns({name: metric})
    letters = ("n", *_ADDED)
    return _SEGMENT_SUMS.format(
        name=name,
        kinds=", ".join(f"'{kind}'" for kind in kinds),
        kind_values=", ".join(kinds.values()),
        values=columns.values,
        sums=columns.sums,
        metric=", ".join(
            f"{column} AS {letter}" for column, letter in zip(columns.by_metric[name], letters, strict=True)
        ),
        totals=", ".join(f"sum({letter}) AS {letter}" for letter in letters),
        longest=_LONGEST_VALUE,
        most=_MOST_VALUES,
        others=OTHERS,
        entered=ENTERED,
    )


def _count_units(counter: Literal["exposed", "moved", "closed"], units: str) -> TextClause:
    return text(_COUNT_UNITS.format(counter=counter, units=units))


def compute_grace(plan: Plan) -> timedelta:
    """How long after its window a unit is counted. By then its votes are stored, and its answers, unless
    Postgres was unavailable. A plan with compressed time does not wait for votes that take longer than a part
    of its short window: they are lost.
    """
    share = _GRACE * plan.window
    return share if plan.compressed_time else max(share, _LATEST_VOTE)


def is_between_organisations(session: Session, experiment_id: uuid.UUID) -> bool:
    """Whether organisations are assigned to arms, and not users: as the published epochs say, by which the
    gateways assign.
    """
    query = text("""
        SELECT bool_or(split.unit = 'organisation') FROM epochs e
        CROSS JOIN jsonb_to_recordset(e.routing->'experiments') AS split(experiment_id uuid, unit text)
        WHERE split.experiment_id = :experiment_id
    """)
    return bool(session.scalar(query, {"experiment_id": experiment_id}))
