"""What each user did on each day (UTC): the past of the users who enter an experiment.

`answers` has no index by user, and a fortnight of it has tens of millions of rows: to read it at each refresh
costs more than the rest of the analysis. An index would slow each answer down. So each whole day is
summarised once, by the first refresh that needs it, and users are looked up in the summaries.
"""

from datetime import UTC, date, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from data.traffic.answers import floor

# Summaries are kept for as long. They are made again where a plan asks for an earlier past.
KEPT = timedelta(days=60)

# Sums up the requests of each user. A logarithm is rounded, so that sums of it are exact and do not depend on
# the order.
_SUM_UP = """
    SELECT user_id, {day} AS day, organisation_id, count(cache) AS answers,
           count(*) FILTER (WHERE cache = 'miss') AS misses, count(*) FILTER (WHERE fell_back) AS fallbacks,
           count(cache) - count(DISTINCT output_id) AS repeats, coalesce(sum(failures), 0) AS failures,
           coalesce(sum(total_ms::numeric) FILTER (WHERE cache = 'miss'), 0) / 1000 AS service_s,
           coalesce(sum(round(ln(greatest(total_ms, 1))::numeric, 3)) FILTER (WHERE cache = 'miss'), 0)
               AS log_ms
    FROM (
        SELECT id, user_id, organisation_id, output_id, cache, fell_back, total_ms, 0 AS failures FROM answers
        WHERE id >= :{first} AND id < :{last}
        UNION ALL
        SELECT id, user_id, organisation_id, NULL, NULL, false, 0, failures FROM failures
        WHERE id >= :{first} AND id < :{last}
    ) AS requests
    GROUP BY user_id, organisation_id
"""
_OF_A_DAY = _SUM_UP.format(day=":day", first="first", last="last")
_SUMMARISE = text(
    "INSERT INTO user_days (user_id, day, organisation_id, answers, misses, fallbacks, repeats, failures,"
    f" service_s, log_ms) {_OF_A_DAY} ON CONFLICT DO NOTHING"
)
# The same rows of all days between two ids, for a query that stores nothing.
ALL_DAYS = (
    _SUM_UP.format(
        day="(uuid_extract_timestamp(id) AT TIME ZONE 'UTC')::date", first="first_past", last="last"
    )
    + ", day"
)
# Reads the units of `closing` (`experiments.outcomes`). The day of the entry is no part of the past: an arm
# may have caused some of it. The constants only narrow the scan. OFFSET 0 computes the days of a unit once,
# and not for each of its rows.
BEFORE_ENTRY = """
    SELECT unit_id, period, sum(d.answers) AS before_answers, sum(d.misses) AS before_misses,
           sum(d.fallbacks) AS before_fallbacks, sum(d.repeats) AS before_repeats,
           sum(d.failures) AS before_failures, sum(d.answers + d.failures) AS before_requests,
           sum(d.service_s) AS before_service_s, sum(d.log_ms) AS before_log_ms
    FROM user_days d JOIN (
        SELECT unit_id, period, (entered_at AT TIME ZONE 'UTC')::date AS entered_on,
               ((entered_at - make_interval(secs => :past_s)) AT TIME ZONE 'UTC')::date AS first_day
        FROM closing OFFSET 0
    ) AS entered ON unit_id = CASE WHEN :is_organisation THEN d.organisation_id ELSE d.user_id END
    WHERE d.day >= ((:begin - make_interval(secs => :past_s)) AT TIME ZONE 'UTC')::date
      AND d.day < (:end AT TIME ZONE 'UTC')::date AND d.day >= first_day AND d.day < entered_on
    GROUP BY unit_id, period
"""
# In the order of users a row of the day is soon found, by the primary key. Without an order Postgres would
# read the table from its start, as if the rows of a day were everywhere in it, and so all earlier days.
_IS_SUMMARISED = text("SELECT true FROM user_days WHERE day = :day ORDER BY user_id LIMIT 1")


def summarise(session: Session, first: datetime, last: datetime) -> list[date]:
    """Summarise the days from that of `first` to the one before that of `last`, except those that have been.
    Returns the summarised days. The caller commits.

    Answers that are stored after their day was summarised are missing from it.
    """
    day, end = first.astimezone(UTC).date(), last.astimezone(UTC).date()
    summarised = []
    while day < end:
        following = day + timedelta(days=1)
        if not session.scalar(_IS_SUMMARISED, {"day": day}):
            session.execute(_SUMMARISE, {"day": day, "first": floor(day), "last": floor(following)})
            summarised.append(day)
        day = following
    if summarised:  # without statistics of the new rows Postgres would read the days of all users one by one
        session.execute(text("ANALYZE user_days"))
    return summarised
