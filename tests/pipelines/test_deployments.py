"""Where deployments run, with a real Prefect server and real workers; and a process of the flows that does
not start when it could not carry out what people ask for.
"""

import time
import uuid
from collections.abc import Callable

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter
from prefect.client.schemas.objects import FlowRun
from prefect.events import emit_event

from configs.settings import Settings
from pipelines import deployments, local
from pipelines.collect import SNAPSHOT_MADE
from tests.workers import worker

SCHEDULES = {
    "collect/nightly": "0 2 * * *",
    "collect/enough-feedback": "*/10 * * * *",
    "experiment/every-5-minutes": "*/5 * * * *",
    "prepare/every-5-minutes": "*/5 * * * *",
    "retain/nightly": "0 4 * * *",
    "train/on-snapshot": None,
    "promote/by-hand": None,
    "rollback/by-hand": None,
}


@pytest.mark.parametrize("missing", ["database_url", "redis_url"])
def test_a_store_that_is_not_named_is_refused(
    local: Settings, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    for name in {"database_url", "redis_url"} - {missing}:
        monkeypatch.setenv(f"TONEBRIDGE_{name.upper()}", str(getattr(local, name)))
    with pytest.raises(ValueError, match=f"TONEBRIDGE_{missing.upper()}"):
        deployments.main()


@pytest.mark.parametrize(
    ("work_pool", "training_pool", "of_trainings", "of_others"),
    [
        (None, None, None, None),
        ("machines", None, "machines", "machines"),
        (None, "gpus", "gpus", None),
        ("machines", "gpus", "gpus", "machines"),
    ],
)
def test_trainings_may_have_a_pool_of_their_own(
    settings: Settings,
    work_pool: str | None,
    training_pool: str | None,
    of_trainings: str | None,
    of_others: str | None,
) -> None:
    wanted = settings.model_copy(update={"work_pool": work_pool, "training_pool": training_pool})
    pools = {each.full_name: each.work_pool_name for each in deployments.list_deployments(wanted)}
    assert pools == dict.fromkeys(SCHEDULES, of_others) | {"train/on-snapshot": of_trainings}


def list_pools() -> dict[str, tuple[str | None, str | None]]:
    """The pool and the schedule of each deployment that is registered."""
    with get_client(sync_client=True) as client:
        flows = {flow.id: flow.name for flow in client.read_flows()}
        return {
            f"{flows[deployment.flow_id]}/{deployment.name}": (
                deployment.work_pool_name,
                deployment.schedules[0].schedule.cron if deployment.schedules else None,  # type: ignore[union-attr]
            )
            for deployment in client.read_deployments()
        }


def list_runs(deployment: str) -> list[FlowRun]:
    only = DeploymentFilter.model_validate({"name": {"any_": [deployment.partition("/")[2]]}})
    with get_client(sync_client=True) as client:
        id = client.read_deployment_by_name(deployment).id
        return [run for run in client.read_flow_runs(deployment_filter=only) if run.deployment_id == id]


def start_run(deployment: str, **parameters: object) -> uuid.UUID:
    with get_client(sync_client=True) as client:
        id = client.read_deployment_by_name(deployment).id
        return client.create_flow_run_from_deployment(id, parameters=parameters).id


def read_run(run: uuid.UUID) -> FlowRun:
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run)


def wait_until(is_so: Callable[[], object], process: local.Process) -> None:
    deadline = time.monotonic() + 120
    while not is_so():
        process.check()
        assert time.monotonic() < deadline, process.log.read_text()
        time.sleep(0.2)


def is_final(run: uuid.UUID) -> bool:
    state = read_run(run).state
    assert state is not None
    return state.is_final()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_workers_run_the_flows_and_only_those_of_their_pool(prefect_stack: Settings) -> None:
    pooled = prefect_stack.model_copy(update={"work_pool": "machines", "training_pool": "gpus"})
    with local.running(pooled, "flows") as processes:
        flows = processes["flows"]
        wait_until(lambda: "there is no work pool gpus yet" in flows.log.read_text(), flows)
        with worker(prefect_stack, "gpus", "with-a-gpu") as trainer:
            wait_until(lambda: "there is no work pool machines yet" in flows.log.read_text(), flows)
            trainer.stop()
        with worker(prefect_stack, "machines", "light") as light:
            expected = {name: ("machines", cron) for name, cron in SCHEDULES.items()}
            expected["train/on-snapshot"] = ("gpus", None)
            wait_until(lambda: list_pools() == expected, flows)

            # The event of a snapshot starts a training, which waits for a worker with a GPU.
            emit_event(
                SNAPSHOT_MADE,
                resource={"prefect.resource.id": "tonebridge.snapshot.none"},
                payload={"digest": "none"},
            )
            wait_until(lambda: list_runs("train/on-snapshot"), flows)
            [training] = list_runs("train/on-snapshot")
            assert (training.parameters["snapshot"], training.work_pool_name) == ("none", "gpus")
            retention = start_run("retain/nightly")
            wait_until(lambda: is_final(retention), light)
            ended = read_run(retention)
            assert ended.state is not None
            assert ended.state.is_completed(), ended.state.message
            assert ended.labels["prefect.worker.name"] == "light"
            state = read_run(training.id).state
            assert state is not None
            assert state.is_scheduled(), "no worker of another pool takes it"

            with worker(prefect_stack, "gpus", "with-a-gpu") as trainer:
                wait_until(lambda: is_final(training.id), trainer)
            ended = read_run(training.id)
            assert ended.state is not None
            assert ended.state.name == "Failed"
            assert "no snapshot none" in str(ended.state.message)
            assert ended.labels["prefect.worker.name"] == "with-a-gpu"

    # Without pools the same deployments are run by the process of the flows again.
    with local.running(prefect_stack, "flows") as processes:
        flows = processes["flows"]
        wait_until(lambda: list_pools() == {name: (None, cron) for name, cron in SCHEDULES.items()}, flows)
        retention = start_run("retain/nightly")
        wait_until(lambda: is_final(retention), flows)
        ended = read_run(retention)
        assert ended.state is not None
        assert ended.state.is_completed(), ended.state.message
        assert "prefect.worker.name" not in ended.labels
