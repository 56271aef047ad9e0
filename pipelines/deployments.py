"""The flows as Prefect deployments with their schedules, served by one process: `python -m
pipelines.deployments`.
"""

from typing import Any

from prefect import serve
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import StateType
from prefect.events import DeploymentEventTrigger
from prefect.states import Crashed

from pipelines.collect import SNAPSHOT_MADE, collect
from pipelines.experiment import experiment
from pipelines.promote import promote, rollback
from pipelines.retention import retain
from pipelines.train import train


def sweep() -> int:
    """Mark runs that a killed runner left Running as Crashed; how many there were. Called before any can
    run.
    """
    with get_client(sync_client=True) as client:
        running = FlowRunFilter.model_validate(
            {"state": {"type": {"any_": [StateType.RUNNING, StateType.PENDING]}}}
        )
        stale = client.read_flow_runs(flow_run_filter=running)
        for run in stale:
            client.set_flow_run_state(run.id, Crashed(message="its runner was gone"), force=True)
    return len(stale)


def main() -> None:
    """Serve all deployments until the process is stopped."""
    sweep()
    deployments: list[Any] = [
        collect.to_deployment("nightly", cron="0 2 * * *", parameters={"overrides": ["minimum=1"]}),
        collect.to_deployment("enough-feedback", cron="*/10 * * * *"),
        train.to_deployment(
            "on-snapshot",
            triggers=[
                DeploymentEventTrigger(
                    name="a snapshot was made",
                    expect={SNAPSHOT_MADE},
                    parameters={"snapshot": "{{ event.payload.digest }}"},
                )
            ],
        ),
        experiment.to_deployment("every-5-minutes", cron="*/5 * * * *"),
        retain.to_deployment("nightly", cron="0 4 * * *"),
        promote.to_deployment("by-hand"),
        rollback.to_deployment("by-hand"),
    ]
    serve(*deployments)


if __name__ == "__main__":
    main()
