"""Experiment arms whose version fails while the champion answers: this gateway stops calling the version, and
requests a pause of the experiment. The flow `experiment` carries the pause out for all gateways.
"""

import asyncio
import logging
import math
import uuid

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from data.reasons import Reason, reason
from experiments import decisions
from experiments.decisions import UnknownExperimentError
from experiments.lifecycle import RefusedError
from serving.gateway.online.placement import Arm

log = logging.getLogger(__name__)


class ArmFailures:
    """Counts failures per experiment arm, and requests a pause when one breaks. Belongs to one event loop."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool
        self._pauses: dict[tuple[uuid.UUID, int], asyncio.Task[None]] = {}  # by experiment and its epoch
        self.trips = 0

    def record_failure(self, arm: Arm) -> None:
        """Count a failure of an arm on a message that the champion then answered. Does not wait for the pause
        to be stored.
        """
        breaker = arm.breaker
        if breaker is None or arm.experiment_id is None:
            return
        was_open = breaker.is_open
        breaker.failed()
        if not breaker.is_open:
            return
        failures, calls, lasted_s = breaker.counted
        why = reason(
            "variant_broken",
            version=arm.spec.version,
            failed=failures,
            calls=calls,
            seconds=max(math.ceil(lasted_s), 1),
        )
        if not was_open:
            self.trips += 1
            log.warning("experiment %s: %s", arm.experiment_id, why)
        # If Postgres was unavailable, the next failed probe requests the pause again.
        key = (arm.experiment_id, arm.epoch)
        if key not in self._pauses:
            self._pauses[key] = asyncio.create_task(self._request_pause(*key, why), name="arm-failures")

    async def close(self) -> None:
        """Wait until the requested pauses are stored, or could not be."""
        await asyncio.gather(*self._pauses.values())

    async def _request_pause(self, experiment_id: uuid.UUID, epoch: int, why: Reason) -> None:
        try:
            async with self._pool.connection() as connection:
                is_first = await decisions.request_pause(connection, experiment_id, epoch, why)
            if not is_first:
                log.info("a pause of experiment %s has been requested already", experiment_id)
        except (RefusedError, UnknownExperimentError) as error:
            # The holdout, for example, is never paused: the champion answers its people meanwhile.
            log.warning("experiment %s is not paused: %s", experiment_id, error)
        except (psycopg.Error, PoolTimeout, OSError) as error:
            del self._pauses[experiment_id, epoch]
            log.warning("the pause of experiment %s could not be requested: %s", experiment_id, error)
