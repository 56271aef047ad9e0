"""Registers the flows as Prefect deployments with their schedules, and runs those that no work pool runs.

    python -m pipelines.deployments

By default this one process runs each flow as its child. With `TONEBRIDGE_WORK_POOL` workers of that pool run
all flows, and with `TONEBRIDGE_TRAINING_POOL` workers of that one run trainings: `prefect worker start`, on
other machines or as pods. They have this software, at the same path, the state folder, and the environment of
this process; nothing is sent to them.

A thread listens for open decisions (`experiments.decisions`) and runs the flow `experiment` at once. So a
click takes effect in a second or two: it waits neither for the schedule nor for a new process to start. Two
more threads carry out the erasures that people ask for (`pipelines.forget`): one removes rows, and the other
does what may have to wait for a training. A fourth one looks for runs that have lost their process, wherever
they ran (`pipelines.crashed_runs`).
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import psycopg
from prefect import serve
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.deployments.runner import RunnerDeployment
from prefect.events import DeploymentEventTrigger
from prefect.exceptions import ObjectNotFound
from prefect.runner.storage import LocalStorage
from prefect.types.entrypoint import EntrypointType
from psycopg import sql

import configs
from configs.settings import Settings
from data import database, startup
from data.erasure import work_orders
from experiments import decisions, own_metrics
from pipelines.collect import SNAPSHOT_MADE, collect
from pipelines.crashed_runs import Sweeper, find_silence_s, resume
from pipelines.experiment import experiment
from pipelines.forget import Waits, forget, remove_rows, work_off
from pipelines.preparation import prepare
from pipelines.promote import promote, rollback
from pipelines.retention import retain
from pipelines.train import train
from serving.observability.start import start

log = logging.getLogger(__name__)

_POLL_S = 3.0
_SWEEP_S = 10.0


def listen(url: str, channel: str, work: Callable[[psycopg.Connection], object]) -> None:
    """Call `work` whenever something may have to be done. Never returns.

    It reacts to notices on the channel, and polls every three seconds in case it missed one.
    """
    while True:
        try:
            with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
                connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                while True:
                    work(connection)
                    for _ in connection.notifies(timeout=_POLL_S, stop_after=1):
                        pass
        except Exception:  # the thread must survive every error: otherwise nothing later takes effect
            log.exception("listening on %s failed; it is tried again in %.0f s", channel, _POLL_S)
            time.sleep(_POLL_S)


def _decide(connection: psycopg.Connection) -> None:
    if decisions.is_any_open(connection):
        experiment()


def _start_listening(settings: Settings, url: str) -> None:
    engine = database.engine(url)
    works: dict[str, tuple[str, Callable[[psycopg.Connection], object]]] = {
        "decisions": (decisions.CHANNEL, _decide),
        "rows of erasures": (
            work_orders.CHANNEL,
            partial(work_off, is_purged=False, act=partial(remove_rows, settings, engine), waits=Waits()),
        ),
        "erasures": (
            work_orders.CHANNEL,
            partial(work_off, is_purged=True, act=lambda order: forget(order.id), waits=Waits()),
        ),
    }
    for name, (channel, work) in works.items():
        threading.Thread(target=listen, args=(url, channel, work), name=name, daemon=True).start()


def sweep_forever(sweeper: Sweeper) -> None:
    """Mark runs that have lost their process, and let trainings among them go on. Never returns."""
    while True:
        try:
            for run in sweeper.sweep():
                log.warning("the process of the flow run %s has ended; the run is marked as crashed", run)
            for run in resume(train.name):
                log.warning("the training of the flow run %s is scheduled again", run)
        except Exception:  # as in `listen`; Prefect may be unavailable
            log.exception("looking for crashed runs failed; it is tried again in %.0f s", _SWEEP_S)
        time.sleep(_SWEEP_S)


def list_deployments(settings: Settings) -> list[RunnerDeployment]:
    """All deployments, each with the work pool that runs it; `None` for those that this process runs."""
    by_module: dict[str, Any] = {"entrypoint_type": EntrypointType.MODULE_PATH}
    deployments: list[Any] = [
        collect.to_deployment(
            "nightly", cron="0 2 * * *", parameters={"overrides": ["minimum=1"]}, **by_module
        ),
        collect.to_deployment("enough-feedback", cron="*/10 * * * *", **by_module),
        train.to_deployment(
            "on-snapshot",
            triggers=[
                DeploymentEventTrigger(
                    name="a snapshot was made",
                    expect={SNAPSHOT_MADE},
                    parameters={"snapshot": "{{ event.payload.digest }}"},
                )
            ],
            **by_module,
        ),
        experiment.to_deployment("every-5-minutes", cron="*/5 * * * *", **by_module),
        prepare.to_deployment("every-5-minutes", cron="*/5 * * * *", **by_module),
        retain.to_deployment("nightly", cron="0 4 * * *", **by_module),
        promote.to_deployment("by-hand", **by_module),
        rollback.to_deployment("by-hand", **by_module),
    ]
    for deployment in deployments:
        pool = settings.work_pool
        if deployment.flow_name == train.name:
            pool = settings.training_pool or pool
        place(deployment, pool)
    return deployments


def place(deployment: RunnerDeployment, pool: str | None) -> None:
    """Let the workers of a pool run a deployment; `None` takes it out of the pool that it had before."""
    deployment.work_pool_name = pool
    if pool is not None:
        # A worker runs the software where it is installed. Without this step it would copy its own working
        # directory for each run.
        deployment.storage = LocalStorage(str(configs.ROOT))


def register(deployments: Sequence[RunnerDeployment]) -> None:
    """Register deployments of work pools. It waits for pools that do not exist: a pool comes with its first
    worker, and start order does not matter.
    """
    pools = {deployment.work_pool_name for deployment in deployments if deployment.work_pool_name}
    with get_client(sync_client=True) as client:
        for pool in sorted(pools):
            while not _exists(client, pool):
                log.warning("there is no work pool %s yet: its first worker makes it", pool)
                time.sleep(_POLL_S)
    for deployment in deployments:
        deployment.apply()
        log.info("%s is run by the work pool %s", deployment.full_name, deployment.work_pool_name)


def _exists(client: SyncPrefectClient, pool: str) -> bool:
    with contextlib.suppress(ObjectNotFound):
        client.read_work_pool(pool)
        return True
    return False


def main() -> None:
    """Register all deployments, and run what no work pool runs, until the process is stopped. OwnMetricError
    for a metric that Postgres cannot compute.
    """
    settings = Settings()
    start(settings, "flows")
    url = database.url_of(settings)
    startup.check_owner(settings)
    if settings.redis_url is None:
        raise ValueError(
            "set TONEBRIDGE_REDIS_URL to the gateways' value, or to nothing when they have no Redis: what"
            " erasures have to remove is there, too"
        )
    engine = database.engine(url)
    own_metrics.check(engine, own_metrics.load(settings.metrics_file))
    engine.dispose()
    sweeper = Sweeper(find_silence_s())
    _start_listening(settings, url)
    threading.Thread(target=sweep_forever, args=(sweeper,), name="crashed runs", daemon=True).start()
    deployments = list_deployments(settings)
    register([deployment for deployment in deployments if deployment.work_pool_name])
    if own := [deployment for deployment in deployments if not deployment.work_pool_name]:
        serve(*own)
    else:
        threading.Event().wait()


if __name__ == "__main__":
    main()
