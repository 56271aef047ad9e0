"""An installation for use, on one machine: `python -m pipelines.up` starts it and prints its addresses, and
Ctrl-C stops it.
"""

import os
import time
from collections.abc import Mapping

from pydantic import SecretStr

from configs.settings import SERVICE_USER, Settings
from data import database
from data.people import accounts, identities
from pipelines import first_release, sample_experiment
from pipelines.environments import write_environment
from pipelines.local import Process, ProcessEndedError, run_on_free_ports, running, servers


def up(settings: Settings) -> None:
    """Run everything until Ctrl-C, SIGTERM or the end of any process.

    ProcessEndedError when a process ends, TimeoutError when one does not become ready.
    """
    print(
        "Starting Postgres and Valkey, then the services. The first start takes about half a minute.",
        flush=True,
    )
    os.umask(0o077)  # logs, runs and models are the owner's alone
    with servers(settings) as stores:
        new_key, new_password = _bootstrap(stores)

        def serve(local: Settings) -> None:
            with running(local) as processes:
                _wait_until_ready(local, processes)
                _print_addresses(local)
                _print_credentials(local, new_key, new_password)
                first_release.announce(local, lambda: _check(processes))
                print("\nCtrl-C stops everything.", flush=True)
                while True:
                    _check(processes)
                    time.sleep(1)

        run_on_free_ports(stores, serve)


def _wait_until_ready(settings: Settings, processes: Mapping[str, Process]) -> None:
    processes["gateway"].wait_until_ready(f"{settings.gateway_url}/livez")
    processes["inference"].wait_until_ready(f"{settings.inference_urls[0]}/livez")
    processes["dashboard"].wait_until_ready(f"http://127.0.0.1:{settings.dashboard_port}/livez")
    processes["prefect"].wait_until_ready(f"http://127.0.0.1:{settings.prefect_port}/api/health")
    processes["mlflow"].wait_until_ready(f"http://127.0.0.1:{settings.mlflow_port}/health")
    # The answer may be that of another program, which took a port first; then the process has ended by now.
    _check(processes)


def _check(processes: Mapping[str, Process]) -> None:
    for process in processes.values():
        process.check()


def _bootstrap(settings: Settings) -> tuple[str | None, str | None]:
    """Store the first API key, the first account and the sample experiment where they are missing.

    Returns the new key and the new password in clear; None for what was there.
    """
    engine = database.engine_of(settings)
    key = identities.bootstrap(engine, _clear(settings.bootstrap_api_key), settings.organisation)
    chosen = _clear(settings.bootstrap_password)
    password = accounts.bootstrap(engine, settings.bootstrap_email, chosen, settings.organisation)
    sample_experiment.store(engine, settings.organisation)
    engine.dispose()
    return key, password


def _clear(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def _print_addresses(settings: Settings) -> None:
    print(
        f"\n  dashboard http://127.0.0.1:{settings.dashboard_port}"
        f"\n  gateway   {settings.gateway_url}/docs"
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


def _print_credentials(settings: Settings, key: str | None, password: str | None) -> None:
    if key:
        print(f"\n  API key   {key}   (shown this once)", flush=True)
    if password:
        secret = "as you set" if settings.bootstrap_password else f"{password}   (shown this once)"
        print(f"\n  sign in   {settings.bootstrap_email}   {secret}", flush=True)


if __name__ == "__main__":
    try:
        up(Settings())
    except KeyboardInterrupt:
        print("\nStopped.")
    except (ProcessEndedError, TimeoutError) as error:
        raise SystemExit(f"Stopped everything, because {error}") from error
