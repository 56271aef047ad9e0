"""MLflow and Prefect, which have pages of their own: where these are, and which of them is about a run.

They are asked by HTTP, since our tables know the names of runs and not the ids in their addresses.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx

from configs.settings import SERVICE_USER, SecretName, Settings

# What these are called in MLflow, by `models.versions` and `pipelines.tracking`.
OF_VERSIONS, OF_EXPERIMENTS = "tonebridge", "experiments"
_TIMEOUT_S = 2.0
_BEGUN = ("RUNNING", "PENDING", "COMPLETED", "FAILED", "CRASHED", "CANCELLED", "CANCELLING", "PAUSED")


@dataclass(frozen=True, slots=True)
class FlowRun:
    """A run of a flow, as Prefect tells of it."""

    flow: str
    name: str
    state: str
    message: str
    started_at: datetime | None
    address: str


def mlflow(settings: Settings) -> str | None:
    """Where MLflow's pages are; None when it is not set. Where the setting names a database, `make up` serves
    it on `mlflow_port`.
    """
    if not settings.mlflow_uri:
        return None
    if not settings.mlflow_uri.startswith(("http://", "https://")):
        return f"http://127.0.0.1:{settings.mlflow_port}"
    parts = urlsplit(settings.mlflow_uri)
    host = parts.netloc.rpartition("@")[2]  # what stands before it is a password
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))


def prefect(settings: Settings) -> str:
    """Where Prefect's pages are."""
    return f"http://127.0.0.1:{settings.prefect_port}"


def _login(settings: Settings, name: SecretName) -> tuple[str, str] | None:
    return (SERVICE_USER, settings.secret(name)) if getattr(settings, name) else None


@contextmanager
def prefect_client(settings: Settings) -> Iterator[httpx.Client]:
    """A client of Prefect's API with the password, and a token against forged requests, which Prefect asks of
    every POST. httpx.HTTPError while Prefect is away.
    """
    login = _login(settings, "prefect_password")
    with httpx.Client(base_url=f"{prefect(settings)}/api", auth=login, timeout=_TIMEOUT_S) as client:
        name = str(uuid.uuid4())
        answer = client.get("/csrf-token", params={"client": name}).raise_for_status()
        client.headers.update({"Prefect-Csrf-Client": name, "Prefect-Csrf-Token": answer.json()["token"]})
        yield client


def answers(address: str) -> bool:
    """Whether a service is there: a link to one that is not leads nowhere."""
    try:
        return httpx.get(f"{address}/", timeout=_TIMEOUT_S).status_code < 500  # 401: it asks who one is
    except httpx.HTTPError:
        return False


def run_in_mlflow(settings: Settings, experiment: str, tag: str, value: str) -> str | None:
    """The page of the newest run of an MLflow experiment with a tag; None when there is none. httpx.HTTPError
    while MLflow is away.
    """
    address = mlflow(settings)
    if address is None:
        return None
    asked = address
    if settings.mlflow_uri and settings.mlflow_uri.startswith("http"):
        asked = settings.mlflow_uri.rstrip("/")
    login = _login(settings, "mlflow_password")
    with httpx.Client(base_url=f"{asked}/api/2.0/mlflow", auth=login, timeout=_TIMEOUT_S) as client:
        found = client.get("/experiments/get-by-name", params={"experiment_name": experiment})
        if found.status_code == 404:
            return None
        id = str(found.raise_for_status().json()["experiment"]["experiment_id"])
        query = {
            "experiment_ids": [id],
            "filter": f"tags.{tag} = '{value}'",
            "max_results": 1,
        }
        runs = client.post("/runs/search", json=query).raise_for_status().json().get("runs", [])
    return f"{address}/#/experiments/{id}/runs/{runs[0]['info']['run_id']}" if runs else None


def flow_runs(settings: Settings, most: int) -> list[FlowRun]:
    """The newest runs of flows that have begun. httpx.HTTPError while Prefect is away."""
    address = prefect(settings)
    with prefect_client(settings) as client:
        begun = {"state": {"type": {"any_": list(_BEGUN)}}}
        body = {"flow_runs": begun, "sort": "START_TIME_DESC", "limit": most}
        runs: list[Any] = client.post("/flow_runs/filter", json=body).raise_for_status().json()
        ids = sorted({run["flow_id"] for run in runs})
        named = client.post("/flows/filter", json={"flows": {"id": {"any_": ids}}}).raise_for_status().json()
    names = {flow["id"]: flow["name"] for flow in named}
    return [
        FlowRun(
            flow=names.get(run["flow_id"], "–"),
            name=run["name"],
            state=run["state_name"] or "–",
            message=(run["state"] or {}).get("message") or "",
            started_at=datetime.fromisoformat(run["start_time"]) if run["start_time"] else None,
            address=f"{address}/runs/flow-run/{run['id']}",
        )
        for run in runs
    ]
