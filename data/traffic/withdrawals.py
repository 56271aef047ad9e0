"""Takes the outputs of a release out of all caches, when it wrote what nobody should get again.

    python -m data.traffic.withdrawals v0.2.0

A rollout that is taken back does this (docs/rollouts.md). The outputs stay stored, with the votes on them.
"""

import argparse
import contextlib

from redis.exceptions import RedisError
from sqlalchemy import Engine, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database, redis_meter
from data.redis_meter import Meter
from data.tables import Output, Withdrawal, new_id
from data.traffic.outputs import Namer, make_cache_key

_AT_ONCE = 1000  # rows that are read, and keys of one command


def withdraw(engine: Engine, redis_url: str | None, release: str) -> int:
    """Remove outputs of a release from Redis, and have gateways empty their caches at their next heartbeat;
    how many outputs the release wrote. RedisError of redis-py when Redis is unavailable: the same call again
    goes on.

    The release's services must have ended, else they write further outputs.
    """
    namer = Namer()
    columns = (
        Output.organisation_id, Output.spec_digest, Output.dictionary_digest,
        Output.transform_type, Output.intensity, Output.message,
    )  # fmt: skip
    client = redis_meter.connect(redis_url, Meter(), socket_timeout=10) if redis_url else None
    outputs = 0
    with Session(engine) as session, session.begin(), client or contextlib.nullcontext():
        outputs_of_release = session.execute(
            select(*columns).where(Output.release == release).execution_options(yield_per=_AT_ONCE)
        )
        for rows in outputs_of_release.partitions():
            outputs += len(rows)
            if client:
                client.unlink(*(make_cache_key(namer, row.organisation_id, row) for row in rows))
        # After Redis: a gateway that has emptied its own cache reads there.
        session.add(Withdrawal(id=new_id(), release=release))
    return outputs


def main() -> None:
    """Withdraw the release that the argument names."""
    parser = argparse.ArgumentParser(description="Takes the outputs of a release out of all caches.")
    parser.add_argument("release")
    release = parser.parse_args().release
    settings = Settings()
    engine = database.engine_of(settings)
    try:
        outputs = withdraw(engine, settings.redis_url, release)
    except (OperationalError, RedisError) as error:
        raise SystemExit(
            f"Postgres or Redis cannot be reached, so nothing is noted yet; run this again: {error}"
        ) from error
    finally:
        engine.dispose()
    print(f"{outputs:,} outputs of {release} were withdrawn from the caches.")


if __name__ == "__main__":
    main()
