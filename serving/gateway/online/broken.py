"""ArmFailures that fail while the champion answers: this gateway leaves them alone, and asks that their
experiment be paused, which the flow `experiment` does for all gateways.
"""

import asyncio
import logging
import math
import uuid

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from experiments import decisions
from experiments.decisions import RefusedError, UnknownExperimentError
from serving.gateway.online.placement import Arm

log = logging.getLogger(__name__)


class ArmFailures:
    """What is held against arms of experiments. Belongs to one event loop."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool
        self._asked: dict[tuple[uuid.UUID, int], asyncio.Task[None]] = {}  # by experiment and its epoch
        self.trips = 0

    def record_failure(self, arm: Arm) -> None:
        """Count against an arm that the champion wrote what it could not. Nobody waits for what follows."""
        breaker = arm.breaker
        if breaker is None or arm.experiment_id is None:
            return
        was_open = breaker.is_open
        breaker.failed()
        if not breaker.is_open:
            return
        failures, calls, lasted_s = breaker.counted
        reason = (
            f"{arm.spec.version} failed {failures} of {calls} requests within {max(math.ceil(lasted_s), 1)} s"
            " while the champion answered; everybody is answered by the champion until somebody looks"
        )
        if not was_open:
            self.trips += 1
            log.warning("experiment %s: %s", arm.experiment_id, reason)
        # A trial that fails asks again, if Postgres did not hear it: it was away.
        placed = (arm.experiment_id, arm.epoch)
        if placed not in self._asked:
            self._asked[placed] = asyncio.create_task(self._ask(*placed, reason), name="variants")

    async def close(self) -> None:
        """Wait for what is on its way to Postgres."""
        await asyncio.gather(*self._asked.values())

    async def _ask(self, experiment_id: uuid.UUID, epoch: int, reason: str) -> None:
        try:
            async with self._pool.connection() as connection:
                is_first = await decisions.ask_for_a_pause(connection, experiment_id, epoch, reason)
            if not is_first:
                log.info("a pause of experiment %s has been asked for already", experiment_id)
        except (RefusedError, UnknownExperimentError) as error:
            # The holdout goes on, for one: whoever is in it is answered by the champion meanwhile.
            log.warning("experiment %s is not paused: %s", experiment_id, error)
        except (psycopg.Error, PoolTimeout, OSError) as error:
            del self._asked[experiment_id, epoch]
            log.warning("no pause of experiment %s was asked for: %s", experiment_id, error)
