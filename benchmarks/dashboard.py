"""Time to the first contentful paint of the dashboard's pages: `make bench-dashboard`, 20 minutes (`QUICK=1`:
3 minutes, with 100,000 exposures).

A real Postgres has a running experiment with ten million exposures and 300 analyses, and 199 ended
experiments. The gateway, the dashboard and chromium are real; each visit has a new context with an empty
cache. For comparison, the same run and browser also visit MLflow's page of as many runs. Prints a table of
first contentful paints (W3C Paint Timing) and writes it to `artifacts/bench/dashboard.json`.
"""

import argparse
import asyncio
import json
import shutil
import statistics
import tempfile
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from playwright.sync_api import Browser, HttpCredentials, sync_playwright
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session
from tqdm import tqdm

from benchmarks import experiments as filled
from configs.settings import SERVICE_USER, Settings
from data import database
from data.people import accounts, identities
from data.traffic import answers
from experiments import metrics, plan, stored_sums
from experiments.analysis import ChallengerResult, Tally, between_users, compare
from experiments.evidence import Evidence
from experiments.recommendation import decide
from experiments.sequential import Clusters
from pipelines import local, sample_experiment

SIZES = {False: 10_000_000, True: 100_000}
_DAYS = 20
_ANALYSES = 300
_OTHERS = 199
_VISITS = 7
_EMAIL, _PASSWORD = "bench@example.org", "a password for benchmarks"
# Waits for the first contentful paint, which the browser reports as a performance entry.
_FIRST_PAINT = """() => new Promise(done => {
    const entry = () => performance.getEntriesByName('first-contentful-paint')[0];
    if (entry()) return done(entry().startTime);
    new PerformanceObserver((_, observer) => {
        if (entry()) { observer.disconnect(); done(entry().startTime); }
    })
        .observe({ type: 'paint', buffered: true });
})"""


def fill(engine: Engine, size: int) -> uuid.UUID:
    """Create the large experiment. It has an analysis of each day's sums, copied to 300 analyses in all."""
    experiment, epoch = filled.begin(engine)
    planned = plan.load()
    with Session(engine) as session, session.begin():
        session.execute(
            text(
                "UPDATE experiments SET name = 'the large one', plan = :plan,"
                " started_at = now() - '20 days'::interval WHERE id = :id"
            ),
            {"plan": planned.model_dump_json(), "id": experiment},
        )
    for n in tqdm(range(_DAYS), desc="days", unit="day"):
        day = filled.START + timedelta(days=n)
        filled.fill(engine, experiment, epoch, day, size // _DAYS, filled.EXPOSED, filled.VOTED)
        filled.refresh(engine, experiment, day + timedelta(days=1))
        _store_analyses(engine, experiment, n, planned)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    return experiment


def _store_analyses(engine: Engine, experiment: uuid.UUID, day: int, planned: plan.Plan) -> None:
    with Session(engine) as session, session.begin():
        users = between_users(
            stored_sums.read_arms(session, experiment, metrics.load()), planned, metrics.load()
        )
        clusters = (Clusters(1, 0, 20 * day), Clusters(0, 1, 15 * day))
        tally = Tally(
            wins=20 * day,
            losses=15 * day,
            ties=day,
            people=36 * day,
            by_person=clusters,
            by_message=clusters,
        )
        results = {"challenger": ChallengerResult(comparison=compare(tally, planned), between_users=users)}
        evidence = Evidence(challengers=results, decision=decide(results, planned, timedelta(days=day)))
        for number in range(_ANALYSES // _DAYS):
            session.execute(
                text(
                    "INSERT INTO analyses (experiment_id, analysed_at, evidence)"
                    " VALUES (:id, now() - make_interval(days => :ago, mins => :minutes), :evidence)"
                ),
                {
                    "id": experiment,
                    "ago": _DAYS - day,
                    "minutes": number,
                    "evidence": evidence.model_dump_json(),
                },
            )


_COPIES = (
    """CREATE TEMP TABLE copies ON COMMIT DROP AS SELECT gen_random_uuid() AS id, e.id AS original, n
       FROM experiments e CROSS JOIN generate_series(1, :count) n WHERE e.is_sample""",
    """INSERT INTO experiments (id, name, hypothesis, plan, salt, status, created_at, started_at, ended_at)
       SELECT c.id, 'experiment ' || c.n, e.hypothesis, e.plan, '', e.status, e.created_at, e.started_at,
              e.ended_at FROM copies c JOIN experiments e ON e.id = c.original""",
    """INSERT INTO variants SELECT c.id, v.name, v.spec_digest, v.is_baseline
       FROM copies c JOIN variants v ON v.experiment_id = c.original""",
    """INSERT INTO analyses SELECT c.id, a.analysed_at, a.evidence
       FROM copies c JOIN analyses a ON a.experiment_id = c.original""",
    """INSERT INTO arm_counts SELECT c.id, a.epoch, a.variant, a.exposed, a.moved, a.closed
       FROM copies c JOIN arm_counts a ON a.experiment_id = c.original""",
)


def fill_others(engine: Engine, organisation: str) -> None:
    """Create the sample experiment, and copies of it with other names."""
    assert sample_experiment.store(engine, organisation)
    with Session(engine) as session, session.begin():
        for query in _COPIES:
            session.execute(text(query), {"count": _OTHERS - 1} if ":count" in query else {})


def visit(
    browser: Browser, base: str, path: str, session: str | None, login: HttpCredentials | None
) -> float:
    """Milliseconds to the first contentful paint of a page, with an empty cache."""
    context = browser.new_context(
        base_url=base, viewport={"width": 1280, "height": 900}, http_credentials=login
    )
    if session is not None:
        context.add_cookies([{"name": "tonebridge_session", "value": session, "url": base}])
    page = context.new_page()
    page.goto(path)
    painted = float(page.evaluate(_FIRST_PAINT))
    context.close()
    return painted


def sign_in(browser: Browser, base: str) -> str:
    """Sign in, and return the session's cookie."""
    context = browser.new_context(base_url=base)
    page = context.new_page()
    page.goto("/sign-in")
    page.fill("[name=email]", _EMAIL)
    page.fill("[name=password]", _PASSWORD)
    page.click("button.main")
    page.wait_for_url("**/experiments")
    value = next(cookie["value"] for cookie in context.cookies() if cookie["name"] == "tonebridge_session")
    context.close()
    return value


def fill_peer(uri: str) -> None:
    """Create as many runs in MLflow as there are experiments, each with all metrics."""
    client = MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment("experiments")
    for number in tqdm(range(_OTHERS + 1), desc="runs of the peer", unit="run"):
        run = client.create_run(experiment, run_name=f"experiment {number}").info.run_id
        for name in metrics.load():
            client.log_metric(run, name, number / 100)
        client.set_terminated(run)


def measure(size: int, state: Path) -> dict[str, Any]:
    """Fill both systems, then visit all pages in turn, several times."""
    requested = Settings(state=state, artifacts=state, database_url=None, redis_url=None)
    with local.servers(local.with_free_ports(requested)) as settings:
        assert settings.database_url is not None
        assert settings.mlflow_uri is not None
        asyncio.run(answers.ensure_partitions(settings.database_url, filled.START.date(), days=_DAYS + 3))
        engine = database.engine_of(settings)
        identities.bootstrap(engine, None, settings.organisation)
        accounts.bootstrap(engine, _EMAIL, _PASSWORD, settings.organisation)
        fill_others(engine, settings.organisation)
        experiment = fill(engine, size)
        fill_peer(settings.mlflow_uri)
        with local.running(settings, "gateway", "dashboard", "mlflow") as processes:
            base = f"http://127.0.0.1:{settings.dashboard_port}"
            peer = f"http://127.0.0.1:{settings.mlflow_port}"
            processes["gateway"].wait_until_ready(f"{settings.gateway_url}/livez")
            processes["dashboard"].wait_until_ready(f"{base}/livez")
            processes["mlflow"].wait_until_ready(f"{peer}/health")
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=["--no-sandbox"]
                )
                cookie = sign_in(browser, base)
                peer_login = HttpCredentials(
                    username=SERVICE_USER, password=settings.secret("mlflow_password"), send="always"
                )
                pages: dict[str, tuple[str, str, str | None, HttpCredentials | None]] = {
                    "the list of 200": (base, "/experiments", cookie, None),
                    "the large experiment": (base, f"/experiments/{experiment}", cookie, None),
                    "its primary metric": (
                        base,
                        f"/experiments/{experiment}/metrics/satisfaction",
                        cookie,
                        None,
                    ),
                    "MLflow's list of 200 runs": (peer, "/#/experiments/1/runs", None, peer_login),
                }
                painted: dict[str, list[float]] = {name: [] for name in pages}
                for _ in range(_VISITS):
                    for name, page in pages.items():
                        painted[name].append(visit(browser, *page))
                browser.close()
        engine.dispose()
    return {
        "exposures": size,
        "looks": _ANALYSES,
        "experiments": _OTHERS + 1,
        "first_contentful_paint_ms": painted,
        "median_ms": {name: statistics.median(times) for name, times in painted.items()},
    }


def table(result: dict[str, Any]) -> Iterator[str]:
    """The printed table, in Markdown."""
    yield "| page | first contentful paint, ms: median | slowest | of the peer's |"
    yield "|" + "---|" * 4
    peer = result["median_ms"]["MLflow's list of 200 runs"]
    for name, median in result["median_ms"].items():
        slowest = max(result["first_contentful_paint_ms"][name])
        yield f"| {name} | {median:.0f} | {slowest:.0f} | {median / peer:.2f} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a hundred thousand exposures")
    folder = Path(tempfile.mkdtemp(prefix="tonebridge-bench-"))
    try:
        report = measure(SIZES[parser.parse_args().quick], folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(table(report)))
    file = Path("artifacts/bench/dashboard.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, indent=1))
