"""Serves the flows as Prefect deployments with their schedules, in one process.

    python -m pipelines.deployments

A thread listens for open decisions (`experiments.decisions`) and runs the flow `experiment` at once. So a
click takes effect in a second or two: it waits neither for the schedule nor for a new process to start.
"""

import logging
import threading
import time
from typing import Any

import psycopg
from prefect import serve
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import StateType
from prefect.events import DeploymentEventTrigger
from prefect.states import Crashed

from configs.settings import Settings
from data import database
from experiments import decisions, own_metrics
from pipelines.collect import SNAPSHOT_MADE, collect
from pipelines.experiment import experiment
from pipelines.preparation import prepare
from pipelines.promote import promote, rollback
from pipelines.retention import retain
from pipelines.train import train

log = logging.getLogger(__name__)

_POLL_S = 3.0


def sweep() -> int:
    """Mark the runs that a killed runner left in the state Running as Crashed. Returns their number.

    Call it before this process starts any run.
    """
    with get_client(sync_client=True) as client:
        running = FlowRunFilter.model_validate(
            {"state": {"type": {"any_": [StateType.RUNNING, StateType.PENDING]}}}
        )
        stale = client.read_flow_runs(flow_run_filter=running)
        for run in stale:
            client.set_flow_run_state(
                run.id, Crashed(message="the process that ran it has ended"), force=True
            )
    return len(stale)


def listen(url: str) -> None:
    """Run the flow `experiment` whenever a decision is open. Never returns.

    It reacts to notices, and polls every three seconds in case it missed one.
    """
    while True:
        try:
            with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
                connection.execute(f'LISTEN "{decisions.CHANNEL}"')
                while True:
                    if decisions.is_any_open(connection):
                        experiment()
                    for _ in connection.notifies(timeout=_POLL_S, stop_after=1):
                        pass
        except Exception:  # the thread must survive every error: otherwise no later click takes effect
            log.exception("listening for decisions failed; it is tried again in %.0f s", _POLL_S)
            time.sleep(_POLL_S)


def main() -> None:
    """Serve all deployments until the process is stopped. OwnMetricError for a metric that Postgres cannot
    compute.
    """
    settings = Settings()
    url = settings.database_url
    if url is None:
        raise ValueError("TONEBRIDGE_DATABASE_URL is not set; set it, or run `make up` for local servers")
    engine = database.engine(url)
    own_metrics.check(engine, own_metrics.load(settings.metrics_file))
    engine.dispose()
    sweep()
    threading.Thread(target=listen, args=(url,), name="decisions", daemon=True).start()
    deployments: list[Any] = [
        collect.to_deployment("nightly", cron="0 2 * * *", parameters={"overrides": ["minimum=1"]}),
        collect.to_deployment("enough-feedback", cron="*/10 * * * *"),
        train.to_deployment(
            "on-snapshot",
            triggers=[
                DeploymentEventTrigger(
                    name="a snapshot was made",
                    expect={SNAPSHOT_MADE},
                    parameters={"snapshot": "{{ event.payload.digest }}"},
                )
            ],
        ),
        experiment.to_deployment("every-5-minutes", cron="*/5 * * * *"),
        prepare.to_deployment("every-5-minutes", cron="*/5 * * * *"),
        retain.to_deployment("nightly", cron="0 4 * * *"),
        promote.to_deployment("by-hand"),
        rollback.to_deployment("by-hand"),
    ]
    serve(*deployments)


if __name__ == "__main__":
    main()
