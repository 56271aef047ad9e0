"""MLflow and Prefect, which have pages of their own: the addresses of these pages.

The ids in the addresses come from their APIs, since our tables have only the names of runs.
"""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx

from configs.settings import SERVICE_USER, SecretName, Settings
from data.reasons import Reason, load

# Names of experiments in MLflow, as `models.versions` and `pipelines.tracking` set them.
OF_VERSIONS, OF_EXPERIMENTS = "tonebridge", "experiments"
_TIMEOUT_S = 2.0
_STARTED = ("RUNNING", "PENDING", "COMPLETED", "FAILED", "CRASHED", "CANCELLED", "CANCELLING", "PAUSED")


@dataclass(frozen=True, slots=True)
class FlowRun:
    """A run of a flow, from Prefect.

    `state` is the name of its state, such as NotEnoughFeedback, and `type` is Prefect's type of the state,
    such as COMPLETED. `reasons` are ours for that state. `message` is Prefect's, in English.
    """

    flow: str
    name: str
    type: str
    state: str
    reasons: Sequence[Reason]
    message: str
    started_at: datetime | None
    address: str


def mlflow(settings: Settings) -> str | None:
    """The address of MLflow's pages; None when it is not set. If the setting names a database, MLflow is
    served on `mlflow_port`, as `make up` does.
    """
    if not settings.mlflow_uri:
        return None
    if not settings.mlflow_uri.startswith(("http://", "https://")):
        return f"http://127.0.0.1:{settings.mlflow_port}"
    parts = urlsplit(settings.mlflow_uri)
    host = parts.netloc.rpartition("@")[2]  # before the @ is a password
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))


def prefect(settings: Settings) -> str:
    """The address of Prefect's pages."""
    return f"http://127.0.0.1:{settings.prefect_port}"


def _login(settings: Settings, name: SecretName) -> tuple[str, str] | None:
    return (SERVICE_USER, settings.secret(name)) if getattr(settings, name) else None


@contextmanager
def prefect_client(settings: Settings) -> Iterator[httpx.Client]:
    """A client of Prefect's API, with the password and the CSRF token that Prefect requires for every POST.
    httpx.HTTPError while Prefect is unavailable.
    """
    login = _login(settings, "prefect_password")
    with httpx.Client(base_url=f"{prefect(settings)}/api", auth=login, timeout=_TIMEOUT_S) as client:
        name = str(uuid.uuid4())
        response = client.get("/csrf-token", params={"client": name}).raise_for_status()
        client.headers.update({"Prefect-Csrf-Client": name, "Prefect-Csrf-Token": response.json()["token"]})
        yield client


def answers(address: str) -> bool:
    """Whether a service answers, so that a page links only to one that does."""
    try:
        return httpx.get(f"{address}/", timeout=_TIMEOUT_S).status_code < 500  # 401 is an answer, too
    except httpx.HTTPError:
        return False


def run_in_mlflow(settings: Settings, experiment: str, tag: str, value: str) -> str | None:
    """The page of the newest run of an MLflow experiment with a tag; None when there is none. httpx.HTTPError
    while MLflow is unavailable.
    """
    address = mlflow(settings)
    if address is None:
        return None
    api_address = address
    if settings.mlflow_uri and settings.mlflow_uri.startswith("http"):
        api_address = settings.mlflow_uri.rstrip("/")
    login = _login(settings, "mlflow_password")
    with httpx.Client(base_url=f"{api_address}/api/2.0/mlflow", auth=login, timeout=_TIMEOUT_S) as client:
        response = client.get("/experiments/get-by-name", params={"experiment_name": experiment})
        if response.status_code == 404:
            return None
        id = str(response.raise_for_status().json()["experiment"]["experiment_id"])
        query = {
            "experiment_ids": [id],
            "filter": f"tags.{tag} = '{value}'",
            "max_results": 1,
        }
        runs = client.post("/runs/search", json=query).raise_for_status().json().get("runs", [])
    return f"{address}/#/experiments/{id}/runs/{runs[0]['info']['run_id']}" if runs else None


def reasons_label(state: str) -> str:
    """The name of the label of a flow run that has the reasons for its state, as JSON. A run that is repeated
    gets another state; the label of the earlier one then stays and is not read.
    """
    return f"tonebridge.reasons.{state}"


def _read_reasons(run: Mapping[str, Any]) -> list[Reason]:
    """None for a label that another release wrote in a format of its own."""
    try:
        return load(json.loads((run["labels"] or {}).get(reasons_label(run["state_name"]), "[]")))
    except ValueError:
        return []


def flow_runs(settings: Settings, most: int) -> list[FlowRun]:
    """The newest flow runs that have started. httpx.HTTPError while Prefect is unavailable."""
    address = prefect(settings)
    with prefect_client(settings) as client:
        started = {"state": {"type": {"any_": list(_STARTED)}}}
        body = {"flow_runs": started, "sort": "START_TIME_DESC", "limit": most}
        runs: list[Any] = client.post("/flow_runs/filter", json=body).raise_for_status().json()
        ids = sorted({run["flow_id"] for run in runs})
        flows = client.post("/flows/filter", json={"flows": {"id": {"any_": ids}}}).raise_for_status().json()
    names = {flow["id"]: flow["name"] for flow in flows}
    return [
        FlowRun(
            flow=names.get(run["flow_id"], "–"),
            name=run["name"],
            type=run["state_type"] or "",
            state=run["state_name"] or "–",
            reasons=_read_reasons(run),
            message=(run["state"] or {}).get("message") or "",
            started_at=datetime.fromisoformat(run["start_time"]) if run["start_time"] else None,
            address=f"{address}/runs/flow-run/{run['id']}",
        )
        for run in runs
    ]
