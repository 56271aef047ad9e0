"""The flow `forget`: finishes an erasure. People ask for erasures through the gateway, and the process of the
flows carries them out, because it has the state folder and the login of the tables' owner.

The rows go first, without a flow run and while a training holds everything else up, so that a person's
history is empty within seconds. The flow then does the rest. A work order is closed last, so after a kill the
next process finishes it.
"""

import logging
import time
import uuid
from collections.abc import Callable, Collection
from typing import Any

import psycopg
from prefect import flow, get_run_logger
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.erasure import erase, one_output, orders, rows, work_orders
from data.erasure.whom import Person
from data.erasure.work_orders import WorkOrder
from data.tables import Erasure, OutputErasure
from pipelines.run_reasons import label_failure
from serving.observability.start import watch

log = logging.getLogger(__name__)

_FIRST_WAIT_S, _LONGEST_WAIT_S = 10.0, 3600.0


@flow(name="forget", on_failure=[label_failure])
def forget(erasure_id: uuid.UUID) -> None:
    """Finish an erasure whose rows are removed: rewrite snapshots, order versions to be retrained or retired,
    and remove what was written meanwhile. It waits for a running training or snapshot, and for another
    process that is at work on an erasure.
    """
    settings, log = Settings(), get_run_logger()
    watch(settings, "flows")
    engine = database.engine_of(settings)
    try:
        with Session(engine) as session:
            of_output = session.get(OutputErasure, erasure_id)
            erasure = of_output or session.get_one(Erasure, erasure_id)
            person = Person(erasure.user_id, erasure.organisation_id)
        erase.finish(settings, engine, person, erasure_id, log.info, is_of_one_output=of_output is not None)
        if of_output is None:
            for line in orders.describe(engine, person):
                log.info(line)
    finally:
        engine.dispose()


def remove_rows(settings: Settings, engine: Engine, order: WorkOrder) -> None:
    """Remove the rows and cached outputs of a work order's person, and have gateways empty their caches."""
    purge = (one_output if order.is_of_one_output else rows).purge
    counts = purge(settings, engine, Person(order.user_id, order.organisation_id), order.id)
    log.info("erasure %s: %d rows and cached outputs removed", order.id, counts.total())


class Waits:
    """The work orders that failed, and when each is tried again: in ten seconds, then twice as long each
    time, up to an hour. A snapshot that is out of reach fails until an operator gets it.
    """

    def __init__(
        self,
        first_s: float = _FIRST_WAIT_S,
        longest_s: float = _LONGEST_WAIT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._first_s, self._longest_s, self._clock = first_s, longest_s, clock
        self._waits: dict[uuid.UUID, tuple[float, float]] = {}  # how long, and until when

    def put_off(self, erasure_id: uuid.UUID) -> float:
        """Let a work order wait; for how many seconds."""
        before_s, _ = self._waits.get(erasure_id, (0.0, 0.0))
        wait_s = min(2 * before_s or self._first_s, self._longest_s)
        self._waits[erasure_id] = wait_s, self._clock() + wait_s
        return wait_s

    def drop(self, erasure_id: uuid.UUID) -> None:
        """Forget that a work order failed."""
        self._waits.pop(erasure_id, None)

    def list_waiting(self) -> Collection[uuid.UUID]:
        """The work orders that are not due."""
        now = self._clock()
        return [id for id, (_, until) in self._waits.items() if until > now]


def work_off(
    connection: psycopg.Connection, is_purged: bool, act: Callable[[WorkOrder], Any], waits: Waits
) -> None:
    """Carry out a step of each work order that is due, one after another: of those whose rows are removed, or
    are not yet. An order that fails keeps no other waiting, and no organisation another one.
    """
    order = work_orders.find_next(connection, is_purged, without=waits.list_waiting())
    while order is not None:
        try:
            act(order)
        except Exception:  # a store is unavailable, or a snapshot out of reach
            wait_s = waits.put_off(order.id)
            log.exception("erasure %s is not finished; it is tried again in %.0f s", order.id, wait_s)
        else:
            waits.drop(order.id)
        order = work_orders.find_next(connection, is_purged, order.organisation_id, waits.list_waiting())
