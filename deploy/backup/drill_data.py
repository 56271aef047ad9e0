"""The installation that a drill loses: `python -m deploy.backup.drill_data FOLDER` runs it until a kill."""

import sys
import time
from pathlib import Path

import psycopg

from configs.settings import Settings
from data import database
from data.people import bootstrap
from pipelines import first_release
from pipelines.environments import write_environment
from pipelines.local import run_on_free_ports, running, separate_settings, servers

# Texts that do not compress to nothing, each in an output. A row has about 2 kB.
_FILL = """
INSERT INTO outputs (id, organisation_id, message, transform_type, intensity, text, facts_missing,
    spec_digest, version, upstream_ms)
SELECT gen_random_uuid(), (SELECT id FROM organisations ORDER BY name LIMIT 1), drafts.words, 'soften', 2,
    drafts.words, '[]', '00000000000000000000000000000000', 'v1', 1
FROM generate_series(1, %s) AS n,
    LATERAL (
        SELECT string_agg(md5(n::text || random()::text), ' ') AS words FROM generate_series(1, 26)
    ) AS drafts
"""
_ROWS_A_GB = 470_000
_BATCH = 20_000


def fill(settings: Settings, size_gb: float) -> int:
    """Add rows of this size to the database; how many."""
    wanted = added = int(size_gb * _ROWS_A_GB)
    with psycopg.connect(database.url_of(settings), autocommit=True) as connection:
        while wanted > 0:
            connection.execute(_FILL, (min(wanted, _BATCH),))
            wanted -= _BATCH
            print(f"\r  {1 - max(wanted, 0) / added:4.0%} of {added} rows", end="", flush=True)
    if added:
        print()
    return added


def main(state: Path) -> None:
    """Run Postgres, Valkey and what answers people; the file `env` appears when all is ready."""
    with servers(separate_settings(state)) as stores:
        engine = database.engine_of(stores)
        bootstrap.store(engine, stores)
        engine.dispose()

        def serve(local: Settings) -> None:
            with running(local, "inference", "gateway", "prefect") as processes:

                def check() -> None:
                    for each in processes.values():
                        each.check()

                processes["gateway"].wait_until_ready(f"{local.gateway_url}/livez", 120)
                processes["inference"].wait_until_ready(f"{local.inference_urls[0]}/livez", 120)
                processes["prefect"].wait_until_ready(
                    f"http://127.0.0.1:{local.prefect_port}/api/health", 120
                )
                first_release.announce(local, check)
                write_environment(local)
                while True:
                    check()
                    time.sleep(0.5)

        run_on_free_ports(stores, serve)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
