"""An installation for use, on one machine: `python -m pipelines.up` starts it and prints its addresses, and
Ctrl-C stops it.
"""

import os
import time
from collections.abc import Mapping

from configs.settings import SERVICE_USER, Settings
from data import database
from data.people import bootstrap
from data.people.bootstrap import Credentials
from pipelines import first_release, sample_experiment
from pipelines.environments import write_environment
from pipelines.local import Process, ProcessEndedError, run_on_free_ports, running, servers


def up(settings: Settings) -> None:
    """Run everything until Ctrl-C, SIGTERM or the end of any process.

    ProcessEndedError when a process ends, TimeoutError when one does not become ready, OSError when this
    machine does not have the host of the settings.
    """
    print(
        "Starting Postgres and Valkey, then the services. The first start takes about half a minute.",
        flush=True,
    )
    os.umask(0o077)  # logs, runs and models are the owner's alone
    with servers(settings) as stores:
        credentials = _bootstrap(stores)

        def serve(local: Settings) -> None:
            with running(local) as processes:
                _wait_until_ready(local, processes)
                _print_addresses(local)
                bootstrap.show(local, credentials)
                first_release.announce(local, lambda: _check(processes))
                print("\nCtrl-C stops everything.", flush=True)
                while True:
                    _check(processes)
                    time.sleep(1)

        run_on_free_ports(stores, serve)


def _wait_until_ready(settings: Settings, processes: Mapping[str, Process]) -> None:
    processes["gateway"].wait_until_ready(f"{settings.gateway_url}/livez")
    processes["inference"].wait_until_ready(f"{settings.inference_urls[0]}/livez")
    processes["dashboard"].wait_until_ready(f"{settings.own_url(settings.dashboard_port)}/livez")
    processes["web"].wait_until_ready(f"{settings.own_url(settings.web_port)}/livez")
    processes["channels"].wait_until_ready(f"{settings.own_url(settings.channels_port)}/livez")
    processes["worker"].wait_until_ready(f"{settings.own_url(settings.worker_port)}/livez")
    processes["prefect"].wait_until_ready(f"http://127.0.0.1:{settings.prefect_port}/api/health", 120)
    processes["mlflow"].wait_until_ready(f"http://127.0.0.1:{settings.mlflow_port}/health", 120)
    # The answer may be that of another program, which took a port first; then the process has ended by now.
    _check(processes)


def _check(processes: Mapping[str, Process]) -> None:
    for process in processes.values():
        process.check()


def _bootstrap(settings: Settings) -> Credentials:
    """Store the first API key, the first account and the sample experiment where they are missing."""
    engine = database.engine_of(settings)
    credentials = bootstrap.store(engine, settings)
    sample_experiment.store(engine, settings.organisation)
    engine.dispose()
    return credentials


def _print_addresses(settings: Settings) -> None:
    print(
        f"\n  web app   {settings.own_url(settings.web_port)}"
        f"\n  dashboard {settings.own_url(settings.dashboard_port)}"
        f"\n  gateway   {settings.gateway_url}/docs"
        f"\n  channels  {settings.own_url(settings.channels_port)}"
        f"\n  BentoML   {settings.inference_urls[0]}"
        f"\n  Prefect   http://127.0.0.1:{settings.prefect_port}"
        f"\n  MLflow    http://127.0.0.1:{settings.mlflow_port}"
        f"\n  logs      {settings.state / 'logs'}"
        f"\n\n  Prefect asks for {SERVICE_USER}:<prefect_password>, MLflow for {SERVICE_USER} and"
        f" <mlflow_password>;"
        f"\n  these and the other secrets are in {settings.state / 'secrets.json'}."
        f"\n  After `. {write_environment(settings)}`, commands of that shell such as `prefect` use this"
        " installation.",
        flush=True,
    )


if __name__ == "__main__":
    try:
        up(Settings())
    except KeyboardInterrupt:
        print("\nStopped.")
    except (ProcessEndedError, OSError) as error:
        raise SystemExit(f"Stopped everything, because {error}") from error
