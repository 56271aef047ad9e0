"""Duration of an analysis by size of the experiment: `make bench-experiments`, 16 minutes (`QUICK=1`: up to a
million exposures, 2 minutes).

A real Postgres gets simulated exposures, answers and votes. The earlier days are refreshed first. The
measured refresh adds one more day: 50,000 users enter and their windows close. Each has three answers; one in
five votes in the window, and one in five in the fortnight before. Half of them had twelve answers in that
fortnight. Once a day, a refresh also summarises the day before (`experiments.user_days`), here with three
answers of each user of that day. That is measured apart. For comparison, the same run computes the statistics
of one metric from all rows, as one would without stored sums. Prints a table and writes it to
`artifacts/bench/experiments.json`.
"""

import argparse
import asyncio
import json
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.records import Spec
from data.tables import Experiment, Variant, new_id
from data.traffic import answers, routing
from data.traffic.routing import Arm, Routing, Split
from experiments import outcomes, stored_sums, user_days
from experiments.analysis import between_users
from experiments.own_metrics import Definitions
from experiments.plan import Plan
from pipelines import local

SIZES = (100_000, 1_000_000, 10_000_000)
_A_DAY = 50_000
START = datetime(2026, 1, 1, tzinfo=UTC)
_ORGANISATION = uuid.uuid4()
_OUTPUTS = tuple(uuid.uuid4() for _ in range(1000))
_SHOWN = {"better": "higher", "says": "of the benchmark"}
# Metrics of one's own and a segment, computed from what the measured users have.
_OWN = Definitions.model_validate(
    {
        "metrics": {
            "unmet": {
                **_SHOWN,
                "kind": "ratio",
                "of": "failures + repeats",
                "per": "requests",
                "share": True,
            },
            "keen": {**_SHOWN, "kind": "proportion", "of": "CASE WHEN answers >= 3 THEN 1 ELSE 0 END"},
            "balance": {**_SHOWN, "kind": "mean", "of": "likes - complaints"},
            "seconds_a_miss": {**_SHOWN, "kind": "mean", "of": "service_s / misses", "cap": 60},
            "log_votes": {**_SHOWN, "kind": "mean", "of": "ln(1 + votes)"},
        },
        "segments": {"voted_before": "before_votes > 0"},
    }
)
_PLAN = Plan(window_hours=3, own_metrics=_OWN.metrics, own_segments=_OWN.segments)

_OUTPUT_ROWS = """
    INSERT INTO outputs (id, organisation_id, message, transform_type, intensity, text, facts_missing,
                         spec_digest, version, upstream_ms)
    SELECT id, :organisation, 'Fix it.', (ARRAY['soften', 'clarify', 'structure'])[1 + n % 3], 2,
           'Could you fix it?', '[]', repeat('0', 32), 'v1', 1
    FROM unnest(CAST(:outputs AS uuid[])) WITH ORDINALITY AS output(id, n)
"""
_USERS = """
    CREATE TEMP TABLE users_of_a_day ON COMMIT DROP AS
    SELECT gen_random_uuid() AS user_id, CASE WHEN n % 2 = 0 THEN 'champion' ELSE 'challenger' END AS variant,
           CAST(:day AS timestamptz) + interval '20 hours' * random() AS entered_at
    FROM generate_series(1, :count) n
"""
EXPOSED = """
    INSERT INTO exposures (experiment_id, user_id, variant, epoch, organisation_id, answer_id, exposed_at)
    SELECT :experiment, user_id, variant, :epoch, :organisation, gen_random_uuid(), entered_at
    FROM users_of_a_day
"""
# The id is a UUIDv7 of the answer's time: 48 bits of milliseconds, the version, and random bits.
_ANSWERED = """
    INSERT INTO answers (id, output_id, organisation_id, user_id, experiment_id, variant, epoch, cache,
                         fell_back, total_ms, locale, channel)
    SELECT (
               lpad(to_hex((extract(epoch FROM entered_at + n * random() * '1 hour'::interval) * 1000)::int8),
                    12, '0')
               || '7' || substr(md5(random()::text), 1, 3) || 'a' || substr(md5(random()::text), 1, 15)
           )::uuid,
           (CAST(:outputs AS uuid[]))[1 + floor(random() * :most)::int], :organisation, user_id, :experiment,
           variant, :epoch,
           CASE WHEN random() < 0.15 THEN 'miss' ELSE 'l1' END, random() < 0.001, 20 + 2000 * random(),
           (ARRAY['ja', 'en-GB', NULL])[1 + floor(random() * 3)::int],
           (ARRAY['chat', 'mail'])[1 + floor(random() * 2)::int]
    FROM users_of_a_day CROSS JOIN generate_series(0, 2) n
"""
# Answers of the fortnight before, by half of the users: twelve each.
_ANSWERED_BEFORE = """
    INSERT INTO answers
    SELECT (
               lpad(to_hex((extract(epoch FROM entered_at - random() * '14 days'::interval) * 1000)::int8),
                    12, '0')
               || '7' || substr(md5(random()::text), 1, 3) || 'a' || substr(md5(random()::text), 1, 15)
           )::uuid,
           (CAST(:outputs AS uuid[]))[1 + floor(random() * :most)::int], :organisation, user_id, NULL,
           'champion', :epoch, CASE WHEN random() < 0.15 THEN 'miss' ELSE 'l1' END, random() < 0.001,
           20 + 2000 * random()
    FROM (SELECT * FROM users_of_a_day WHERE random() < 0.5) AS regular CROSS JOIN generate_series(1, 12) n
"""
VOTED = """
    INSERT INTO feedback (id, organisation_id, user_id, output_id, kind, thumb_up, experiment_id, variant,
                          epoch, created_at)
    SELECT gen_random_uuid(), :organisation, user_id, :output, 'thumb', random() < 0.6, :experiment, variant,
           :epoch, entered_at + interval '1 hour' * random()
    FROM users_of_a_day WHERE random() < 0.2
"""
VOTED_BEFORE = """
    INSERT INTO feedback (id, organisation_id, user_id, output_id, kind, thumb_up, created_at, updated_at)
    SELECT gen_random_uuid(), :organisation, user_id, gen_random_uuid(), 'thumb', random() < 0.6, before,
           before
    FROM (
        SELECT user_id, entered_at - interval '14 days' * random() AS before
        FROM users_of_a_day WHERE random() < 0.2
    ) AS earlier
"""
# The comparison: one metric without stored sums.
_FROM_ROWS = text("""
    WITH entered AS (
        SELECT DISTINCT ON (user_id) user_id, variant, epoch, exposed_at FROM exposures
        WHERE experiment_id = :experiment ORDER BY user_id, exposed_at, answer_id
    ),
    voted AS (
        SELECT user_id, variant, epoch, avg(thumb_up::int) AS outcome FROM feedback
        WHERE experiment_id = :experiment AND kind = 'thumb' GROUP BY user_id, variant, epoch
    )
    SELECT variant, count(*), avg(outcome), var_samp(outcome) FROM entered
    LEFT JOIN voted USING (user_id, variant, epoch) GROUP BY variant ORDER BY variant
""")


def begin(engine: Engine) -> tuple[uuid.UUID, int]:
    """Create a running experiment. Returns its id and epoch."""
    experiment, champion = new_id(), Spec(version="v1")
    names = ("champion", "challenger")
    arms = tuple(Arm(name=name, weight=0.5, spec=champion) for name in names)
    with Session(engine) as session, session.begin():
        session.add(Experiment(id=experiment, name="b", hypothesis="", plan={}, salt="b", status="running"))
        session.flush()
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text(_OUTPUT_ROWS), {"outputs": list(_OUTPUTS), "organisation": _ORGANISATION})
        split = Split(experiment_id=experiment, salt="b", arms=arms)
        epoch = routing.publish(session, Routing(champion=champion, experiments=(split,)), "benchmark")
        for name in names:
            session.add(
                Variant(
                    experiment_id=experiment,
                    name=name,
                    spec_digest=champion.digest,
                    is_baseline=name == "champion",
                )
            )
    return experiment, epoch


def fill(engine: Engine, experiment: uuid.UUID, epoch: int, day: datetime, count: int, *rows: str) -> None:
    """Add `count` users of a day, with their rows. Postgres does not check foreign keys, to save time."""
    parameters = {
        "experiment": experiment,
        "epoch": epoch,
        "organisation": _ORGANISATION,
        "output": uuid.uuid4(),
        "outputs": list(_OUTPUTS),
        "most": len(_OUTPUTS),
        "day": day,
        "count": count,
    }
    with Session(engine) as session, session.begin():
        session.execute(text("SET LOCAL session_replication_role = replica"))
        for query in (_USERS, *rows):
            session.execute(text(query), parameters)


def refresh(engine: Engine, experiment: uuid.UUID, now: datetime) -> tuple[int, float]:
    """Refresh the sums. Returns the number of closed windows, and the seconds."""
    began = time.perf_counter()
    with Session(engine) as session, session.begin():
        closed = outcomes.refresh(session, experiment, _PLAN, _PLAN.all_metrics, now)
    return closed, time.perf_counter() - began


def measure(engine: Engine, size: int) -> dict[str, Any]:
    """Measure one size: a refresh with one more day, an analysis, and the comparison."""
    experiment, epoch = begin(engine)
    days = 20
    before_s = 0.0
    for n in range(days):
        day = START + timedelta(days=n)
        answered = (_ANSWERED,) if n == days - 1 else ()
        fill(engine, experiment, epoch, day, size // days, EXPOSED, *answered, VOTED_BEFORE, VOTED)
        before_s += refresh(engine, experiment, day + timedelta(days=1))[1]
    today = START + timedelta(days=days)
    fill(engine, experiment, epoch, today, _A_DAY, EXPOSED, _ANSWERED, _ANSWERED_BEFORE, VOTED_BEFORE, VOTED)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE exposures, feedback"))
    with Session(engine) as session, session.begin():  # the refreshes of earlier days have done this
        user_days.summarise(session, today - _PLAN.past, today - timedelta(days=1))
    with Session(engine) as session, session.begin():
        began = time.perf_counter()
        assert user_days.summarise(session, today - timedelta(days=1), today)
        summary_s = time.perf_counter() - began
    closed, refresh_s = refresh(engine, experiment, today + timedelta(days=1))
    assert closed == _A_DAY
    closed, empty_refresh_s = refresh(engine, experiment, today + timedelta(days=1))
    assert closed == 0
    began = time.perf_counter()
    with Session(engine) as session:
        arms = stored_sums.read_arms(session, experiment, _PLAN.all_metrics)
        users = between_users(arms, _PLAN, _PLAN.all_metrics)
        read_s = time.perf_counter() - began
        assert users.primary is not None
        by_variant = {arm.variant: arm for arm in arms[_PLAN.primary]}
        began = time.perf_counter()
        for variant, exposed, mean, variance in session.execute(_FROM_ROWS, {"experiment": experiment}):
            assert by_variant[variant].exposed == exposed
            assert abs((by_variant[variant].mean or 0) - float(mean)) < 1e-9
            assert abs((by_variant[variant].variance or 0) - float(variance)) < 1e-9
        from_rows_s = time.perf_counter() - began
    return {
        "exposures": size + _A_DAY,
        "taken_in_per_s": size / before_s,
        "day_s": summary_s,
        "look_s": refresh_s,
        "look_without_news_s": empty_refresh_s,
        "read_s": read_s,
        "at_once_s": from_rows_s,
        "server_mb": _peak_mb(_postmaster(engine)),
    }


def _postmaster(engine: Engine) -> int:
    with engine.connect() as connection:
        folder = connection.execute(text("SHOW data_directory")).scalar_one()
    return int((Path(folder) / "postmaster.pid").read_text().splitlines()[0])


def _peak_mb(postmaster: int) -> float:
    """The largest resident memory of any process of the server, including 128 MB of shared buffers."""
    statuses = (
        Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        for process in psutil.Process(postmaster).children()
    )
    return max(int(status.partition("VmHWM:")[2].split()[0]) for status in statuses) / 1e3


def table(results: list[dict[str, Any]]) -> Iterator[str]:
    """The printed table, in Markdown."""
    yield (
        f"| exposures | exposures refreshed a second | summary of the day before, s "
        f"| refresh with {_A_DAY:,} closed windows, s "
        "| refresh without new data, s | analysis of all metrics, s | one metric from all rows, s "
        "| largest server process, MB |"
    )
    yield "|" + "---|" * 8
    for row in results:
        figures = (
            f"{row['exposures']:,} | {row['taken_in_per_s']:,.0f} | {row['day_s']:.2f} "
            f"| {row['look_s']:.2f} "
            f"| {row['look_without_news_s']:.3f} | {row['read_s']:.3f} | {row['at_once_s']:.2f} "
            f"| {row['server_mb']:.0f}"
        )
        yield f"| {figures} |"


def main(sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    """Fill, measure and print each size, with a new server for each."""
    results = []
    for size in sizes:
        state = Path(tempfile.mkdtemp(prefix="tonebridge-bench-"))
        requested = Settings(state=state, artifacts=state, database_url=None, redis_url=None)
        try:
            with local.servers(local.with_free_ports(requested)) as settings:
                assert settings.database_url is not None
                for first in (START - timedelta(days=16), START):
                    asyncio.run(answers.ensure_partitions(settings.database_url, first.date(), days=23))
                engine = database.engine_of(settings)
                results.append(measure(engine, size))
                engine.dispose()
        finally:
            shutil.rmtree(state, ignore_errors=True)
        print(json.dumps(results[-1]), flush=True)
    print("\n".join(table(results)))
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="to a million exposures")
    report = main(SIZES[:2] if parser.parse_args().quick else SIZES)
    file = Path("artifacts/bench/experiments.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, indent=1))
