"""The Jobs that Prefect's workers make of the chart's templates, by the code of `prefect-kubernetes`."""

import asyncio
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_AUTH_STRING, temporary_settings
from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration

from deploy.chart_checks.rules import component_of

# Prefect wants these in the pod, where Kubernetes does not know them. Its API leaves them out.
_UNKNOWN_TO_KUBERNETES = ("parallelism", "completions")


def make_jobs(documents: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The Job of a run in each work pool among the objects of a rendering, as Kubernetes takes it."""
    for document in documents:
        if document["kind"] == "ConfigMap" and component_of(document) == "work-pools":
            for name, template in document["data"].items():
                job = make_job(json.loads(template), name.removesuffix(".json"))
                for key in _UNKNOWN_TO_KUBERNETES:
                    del job["spec"]["template"]["spec"][key]
                yield job


async def _configure(template: dict[str, Any]) -> KubernetesWorkerJobConfiguration:
    # A template without references asks nobody; without a client Prefect would start a server.
    async with PrefectClient("http://127.0.0.1:9/api") as client:
        configuration: KubernetesWorkerJobConfiguration = (
            await KubernetesWorkerJobConfiguration.from_template_and_values(template, {}, client=client)
        )
    return configuration


def make_job(template: dict[str, Any], pool: str) -> dict[str, Any]:
    """The Job that a worker sends to Kubernetes for a run of a flow, with the template of its pool."""
    run = FlowRun(flow_id=uuid.UUID(int=1), id=uuid.UUID(int=2), name=f"{pool}-run")
    # A worker replaces its password by a reference later, when it sends the Job; there is none here.
    with temporary_settings(restore_defaults=[PREFECT_API_AUTH_STRING]):
        configuration = asyncio.run(_configure(template))
        configuration.prepare_for_flow_run(run)
    job: dict[str, Any] = configuration.job_manifest
    # Kubernetes makes the name; nothing is checked that has none.
    job["metadata"]["name"] = f"{job['metadata'].pop('generateName')}{pool}"
    return job
