"""Which runs are marked as crashed, with a real Prefect server; and what goes on after a machine is lost."""

import contextlib
import subprocess
import sys
import time
import uuid
from datetime import timedelta
from pathlib import Path

import httpx
import psutil
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.events import emit_event
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.states import Crashed, Pending, Running
from prefect.types.entrypoint import EntrypointType

from configs.settings import Settings
from pipelines import local
from pipelines.crashed_runs import Sweeper, find_silence_s, resume
from pipelines.deployments import place, register
from pipelines.environments import environment
from tests.workers import list_attempts, lose_machine, wait_under_the_lock, worker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def start_run(state: State) -> uuid.UUID:
    """A run of a flow of ours, which no process runs."""
    with get_client(sync_client=True) as client:
        return client.create_flow_run(wait_under_the_lock, parameters={"folder": "/nowhere"}, state=state).id


def read(run: uuid.UUID) -> FlowRun:
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run)


def state_of(run: uuid.UUID) -> str:
    state = read(run).state
    assert state is not None
    return state.type.value


def beat(run: uuid.UUID) -> None:
    """A heartbeat, as a flow's process sends it; it is stored when this returns."""
    resource = {"prefect.resource.id": f"prefect.flow-run.{run}"}
    event = emit_event("prefect.flow-run.heartbeat", resource=resource)
    assert event is not None
    EventsWorker.instance().wait_until_empty()
    wanted = {"filter": {"id": {"id": [str(event.id)]}}}
    deadline = time.monotonic() + 60
    with get_client(sync_client=True) as client:
        while not client.request("POST", "/events/filter", json=wanted).json()["events"]:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_a_run_is_marked_when_its_heartbeats_have_stopped(prefect_stack: Settings) -> None:
    clock = Clock()
    sweeper = Sweeper(silence_s=90, clock=clock)
    silent, living = start_run(Running()), start_run(Running())
    assert sweeper.sweep() == [], "it has observed nothing yet"
    clock.now_s = 89.0
    beat(living)
    assert sweeper.sweep() == []
    clock.now_s = 91.0
    assert sweeper.sweep() == [silent]
    assert (state_of(silent), state_of(living)) == ("CRASHED", "RUNNING")
    clock.now_s = 178.0
    assert sweeper.sweep() == []
    clock.now_s = 180.0
    assert sweeper.sweep() == [living]
    assert sweeper.sweep() == []


def test_a_run_that_has_not_begun_may_wait_longer_for_its_machine(prefect_stack: Settings) -> None:
    clock = Clock()
    sweeper = Sweeper(silence_s=90, pending_s=3600, clock=clock)
    run = start_run(Pending())
    assert sweeper.sweep() == []
    clock.now_s = 3599.0
    assert sweeper.sweep() == []
    clock.now_s = 3600.0
    assert sweeper.sweep() == [run]


def test_an_attempt_that_begins_is_a_sign(prefect_stack: Settings) -> None:
    clock = Clock()
    sweeper = Sweeper(silence_s=90, clock=clock)
    run = start_run(Running())
    assert sweeper.sweep() == []
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run, Running(), force=True)
    clock.now_s = 90.0
    assert sweeper.sweep() == []
    clock.now_s = 180.0
    assert sweeper.sweep() == [run]


def test_nothing_counts_that_was_observed_before_prefect_was_away(prefect_stack: Settings) -> None:
    clock = Clock()
    sweeper = Sweeper(silence_s=90, clock=clock)
    run = start_run(Running())
    assert sweeper.sweep() == []
    with (
        temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{prefect_stack.mlflow_port}/api"}),
        pytest.raises(httpx.ConnectError),
    ):
        sweeper.sweep()
    clock.now_s = 1000.0
    assert sweeper.sweep() == [], "its heartbeats of that time may be lost"
    clock.now_s = 1090.0
    assert sweeper.sweep() == [run]


def test_heartbeats_that_are_off_are_refused(prefect_stack: Settings) -> None:
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: 40}):
        assert find_silence_s() == 120
    with (
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
        pytest.raises(ValueError, match="PREFECT_FLOWS_HEARTBEAT_FREQUENCY is off"),
    ):
        find_silence_s()
    assert environment(prefect_stack)["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"


def test_only_recent_runs_that_somebody_takes_go_on_and_at_most_twice(prefect_stack: Settings) -> None:
    deployment = wait_under_the_lock.to_deployment("nobody", entrypoint_type=EntrypointType.MODULE_PATH)
    deployment_id = deployment.apply()
    by_hand = start_run(Crashed())
    with get_client(sync_client=True) as client:
        run = client.create_flow_run_from_deployment(deployment_id, parameters={"folder": "/nowhere"}).id
        client.set_flow_run_state(run, Crashed(), force=True)
        assert resume(wait_under_the_lock.name) == [], "its pod may begin yet"
        for attempt in (1, 2, 3):
            client.set_flow_run_state(run, Running(), force=True)
            client.set_flow_run_state(run, Crashed(), force=True)
            assert resume("another flow") == []
            assert resume(wait_under_the_lock.name, within=timedelta(0)) == []
            assert resume(wait_under_the_lock.name) == ([run] if attempt < 3 else [])
            assert state_of(run) == ("SCHEDULED" if attempt < 3 else "CRASHED")
    assert state_of(by_hand) == "CRASHED"


def test_a_run_goes_on_at_another_worker_after_its_machine_is_lost(
    prefect_stack: Settings, tmp_path: Path
) -> None:
    folder = tmp_path
    deployment = wait_under_the_lock.to_deployment("machines", entrypoint_type=EntrypointType.MODULE_PATH)
    place(deployment, "machines")
    # A process that nobody has to do with those workers: its runs live on.
    living = "import time; from prefect import flow; flow(lambda: time.sleep(600), name='of-a-person')()"
    with (
        worker(prefect_stack, "machines", "first") as first,
        worker(prefect_stack, "machines", "second") as second,
        subprocess.Popen([sys.executable, "-c", living], env=environment(prefect_stack)) as person,
    ):
        try:
            register([deployment])
            with get_client(sync_client=True) as client:
                deployment_id = client.read_deployment_by_name(deployment.full_name).id
                run = client.create_flow_run_from_deployment(
                    deployment_id, parameters={"folder": str(folder)}
                ).id
            wait_for_attempts(folder, 1)
            lost, other_worker = (first, second) if runs_in(first, folder) else (second, first)
            lose_machine(lost)
            sweeper = Sweeper(silence_s=45)  # heartbeats come each 30 s
            deadline = time.monotonic() + 120
            while not (marked := sweeper.sweep()):
                assert time.monotonic() < deadline
                time.sleep(1)
            assert marked == [run], "the other process lives"
            assert [state.value for state in states_of("of-a-person")] == ["RUNNING"]
            assert resume(wait_under_the_lock.name) == [run]
            wait_for_attempts(folder, 2)
            assert runs_in(other_worker, folder)
            (folder / "may-end").touch()
            while state_of(run) == "RUNNING":
                assert time.monotonic() < deadline + 60
                time.sleep(0.2)
            ended = read(run)
            assert (state_of(run), ended.run_count) == ("COMPLETED", 2)
        finally:
            person.kill()


def test_a_run_that_a_stopped_worker_leaves_behind_is_swept(prefect_stack: Settings, tmp_path: Path) -> None:
    deployment = wait_under_the_lock.to_deployment("stopped", entrypoint_type=EntrypointType.MODULE_PATH)
    place(deployment, "stopped")
    with worker(prefect_stack, "stopped", "stopped") as stopped:
        register([deployment])
        with get_client(sync_client=True) as client:
            deployment_id = client.read_deployment_by_name(deployment.full_name).id
            run = client.create_flow_run_from_deployment(
                deployment_id, parameters={"folder": str(tmp_path)}
            ).id
        wait_for_attempts(tmp_path, 1)
        stopped.stop(60)
    with contextlib.suppress(psutil.NoSuchProcess):  # the worker has mostly ended it, but tells nobody
        psutil.Process(list_attempts(tmp_path)[0]).kill()
    clock = Clock()
    sweeper = Sweeper(silence_s=90, clock=clock)
    while run not in sweeper.sweep():
        assert clock.now_s < 900, "its last heartbeat may be stored a little later, but there is no other"
        clock.now_s += 90
    assert state_of(run) == "CRASHED"


def states_of(flow: str) -> list[StateType | None]:
    named = FlowFilter.model_validate({"name": {"any_": [flow]}})
    with get_client(sync_client=True) as client:
        return [run.state_type for run in client.read_flow_runs(flow_filter=named)]


def runs_in(process: local.Process, folder: Path) -> bool:
    """Whether a worker has started the process of the newest attempt."""
    return list_attempts(folder)[-1] in {
        child.pid for child in psutil.Process(process.pid).children(recursive=True)
    }


def wait_for_attempts(folder: Path, number: int) -> None:
    deadline = time.monotonic() + 90
    while len(list_attempts(folder)) < number:
        assert time.monotonic() < deadline
        time.sleep(0.1)
