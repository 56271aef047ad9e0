"""Finds the flow runs whose process has ended without telling Prefect, and lets trainings go on.

Every process that runs a flow sends heartbeats to Prefect, whoever has started it: the process of the flows,
a worker of a work pool, or a person. A run whose heartbeats stop has lost its process, by kill -9 or with its
machine. That a runner or a worker starts says nothing about the runs of others.
"""

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowFilter, FlowRunFilter
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events.filters import EventFilter, EventNameFilter, EventResourceFilter
from prefect.settings import get_current_settings
from prefect.states import AwaitingRetry, Crashed

_HEARTBEATS_MISSED = 3


def find_silence_s() -> float:
    """The seconds without a heartbeat after which a run has lost its process. ValueError when heartbeats are
    off.
    """
    frequency_s = get_current_settings().flows.heartbeat_frequency
    if frequency_s is None:
        raise ValueError(
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY is off, so nobody could tell which runs have lost their"
            " process; set it to 30 seconds here and for all workers"
        )
    return float(_HEARTBEATS_MISSED * frequency_s)


class _Observation(NamedTuple):
    """The last sign of a run: its state and its heartbeat; and since when there has been no other."""

    state: uuid.UUID | None
    heartbeat: uuid.UUID | None
    since_s: float


class Sweeper:
    """Marks runs as Crashed that have given no sign for `silence_s`, and those that have not begun within
    `pending_s` of their submission: a pod may have to wait for a machine.

    It counts what it has observed itself, on its own clock, while Prefect answered. So neither the clocks of
    other machines nor an outage of Prefect, during which heartbeats are lost, makes a run look dead.
    """

    def __init__(
        self,
        silence_s: float,
        pending_s: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits_s = {StateType.RUNNING: silence_s, StateType.PENDING: pending_s}
        self._clock = clock
        self._observed: dict[uuid.UUID, _Observation] = {}

    def sweep(self) -> list[uuid.UUID]:
        """Look at all runs once. Returns the runs that it has marked."""
        before, self._observed = self._observed, {}  # an error forgets all: Prefect did not answer
        unfinished = FlowRunFilter.model_validate({"state": {"type": {"any_": list(self._limits_s)}}})
        observed, marked = {}, []
        with get_client(sync_client=True) as client:
            for run in client.read_flow_runs(flow_run_filter=unfinished):
                sign = (run.state_id, _find_last_heartbeat(client, run))
                former = before.get(run.id)
                is_same = former is not None and (former.state, former.heartbeat) == sign
                now = self._clock()
                since_s = former.since_s if former is not None and is_same else now
                assert run.state is not None
                if now - since_s < self._limits_s[run.state.type]:
                    observed[run.id] = _Observation(*sign, since_s)
                else:
                    ended: State = Crashed(message="the process that ran it has ended")
                    client.set_flow_run_state(run.id, ended, force=True)
                    marked.append(run.id)
        self._observed = observed
        return marked


def _find_last_heartbeat(client: SyncPrefectClient, run: FlowRun) -> uuid.UUID | None:
    """The id of a run's newest heartbeat."""
    heartbeats = EventFilter(
        event=EventNameFilter(name=["prefect.flow-run.heartbeat"]),
        resource=EventResourceFilter(id=[f"prefect.flow-run.{run.id}"]),
    )
    return next((event.id for event in client.read_events(heartbeats, limit=1).events), None)


def resume(flow: str, most_attempts: int = 3, within: timedelta = timedelta(hours=1)) -> list[uuid.UUID]:
    """Schedule the runs of a flow again that have crashed within the last hour: those that `Sweeper` has
    marked, and those of which a runner or a worker has seen the process end. Returns these runs.

    A run goes on until its third attempt, so one that is killed each time for its own memory ends. Runs that
    have not begun stay crashed, since their pods may begin yet, and runs without a deployment, since nobody
    would take them.
    """
    crashed = FlowRunFilter.model_validate({"state": {"type": {"any_": [StateType.CRASHED]}}})
    of_flow = FlowFilter.model_validate({"name": {"any_": [flow]}})
    since = datetime.now(UTC) - within
    resumed = []
    with get_client(sync_client=True) as client:
        newest = client.read_flow_runs(
            flow_filter=of_flow, flow_run_filter=crashed, sort=FlowRunSort.END_TIME_DESC, limit=20
        )
        for run in newest:
            assert run.state is not None
            may_go_on = run.deployment_id is not None and 0 < run.run_count < most_attempts
            if may_go_on and run.state.timestamp > since:
                client.set_flow_run_state(run.id, AwaitingRetry(), force=True)
                resumed.append(run.id)
    return resumed
