"""The page on operations: the current routing, gateways, pending and failed decisions, releases, the queue,
flows. Administrators try dead jobs again here, and cancel batches.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import httpx
from fastapi import APIRouter, Form, HTTPException, Response
from fastapi.responses import RedirectResponse
from markupsafe import Markup
from sqlalchemy import text
from sqlalchemy.orm import Session

from data.jobs.queue import MOST_REPLAYED
from data.reasons import Reason, load, reason
from data.traffic import routing
from data.traffic.routing import LIVE_S, Routing
from experiments.lifecycle import OPEN
from serving.dashboard import services
from serving.dashboard.pages import queue
from serving.dashboard.services import FlowRun
from serving.dashboard.visit import Visit, viewer_visit
from serving.sites.api import GatewayError

router = APIRouter(prefix="/operations")

Here = Annotated[Visit, viewer_visit]
Csrf = Annotated[str, Form(max_length=200)]
_MOST_LISTED = 50
_FLOW_RUNS = 10
_ENDED = 10


class LiveGateway(NamedTuple):
    """A gateway that reports, and the newest epoch that it has acknowledged."""

    id: uuid.UUID
    epoch: int
    seen_at: datetime


class ReleaseRow(NamedTuple):
    """The release of a version, and the version that it replaced."""

    id: uuid.UUID
    version: str
    replaced: str | None
    reasons: Sequence[Reason]
    epoch: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PendingDecision:
    """A decision that has not been carried out: open, proposed (a person has to confirm it), or failed."""

    experiment_id: uuid.UUID
    experiment: str
    action: str
    parameters: Mapping[str, Any]
    reasons: Sequence[Reason]
    requested_by: str
    email: str | None
    created_at: datetime
    claimed_at: datetime | None
    outcome: str | None
    failure: Sequence[Reason]


class ListedRun(NamedTuple):
    """A flow run as the page shows it.

    `state` is a key of the catalogue of words. `quotation` is Prefect's English message about a state that no
    reason of ours explains; empty otherwise.
    """

    run: FlowRun
    state: str
    is_bad: bool
    reasons: Sequence[Reason]
    quotation: str


class EndedExperiment(NamedTuple):
    """An experiment that has ended."""

    id: uuid.UUID
    name: str
    status: str
    ended_at: datetime


# The names of states that the pages translate: those of our flows, and Prefect's. A state with another name
# is shown by its type.
STATES = (
    "NotEnoughFeedback", "NothingToDo", "Refused", "Skipped", "Started", "Stopped",
    "Cancelled", "Cancelling", "Completed", "Crashed", "Failed", "Paused", "Pending", "Retrying", "Running",
    "Suspended", "TimedOut",
)  # fmt: skip
_BAD = {"FAILED": "flow_failed", "CRASHED": "flow_crashed", "CANCELLED": "flow_cancelled"}

_GATEWAYS = """
    SELECT id, epoch, seen_at, seen_at > now() - make_interval(secs => :live) AS is_live
    FROM gateways ORDER BY id
"""

# Nobody can confirm a proposal of an experiment that has ended.
_DECISIONS = """
    SELECT d.experiment_id, e.name AS experiment, d.action, d.parameters, d.reasons, d.requested_by, a.email,
        d.created_at, d.claimed_at, d.outcome, d.failure
    FROM decisions d JOIN experiments e ON e.id = d.experiment_id
    LEFT JOIN accounts a ON d.requested_by = 'account:' || a.id
    WHERE NOT e.is_sample AND (d.outcome IS NULL OR d.outcome = 'failed'
        OR (d.outcome = 'proposed' AND e.status = ANY(:open)))
    ORDER BY d.outcome IS NULL DESC, d.id DESC LIMIT :most
"""

_RELEASES = """
    SELECT id, version, replaced, reasons, epoch, created_at FROM releases
    WHERE :version IN ('', version) ORDER BY id DESC LIMIT :most
"""

_ENDED_EXPERIMENTS = """
    SELECT id, name, status, ended_at FROM experiments
    WHERE ended_at IS NOT NULL AND NOT is_sample AND plan <> '{}' ORDER BY ended_at DESC LIMIT :most
"""


def list_releases(session: Session, version: str = "") -> list[ReleaseRow]:
    """The newest releases, of all versions or of `version`."""
    rows = session.execute(text(_RELEASES), {"version": version, "most": _MOST_LISTED}).mappings()
    return [ReleaseRow(**{**row, "reasons": load(row["reasons"])}) for row in rows]


def _list_gateways(session: Session) -> tuple[list[LiveGateway], int]:
    """The gateways that report, and the number of those that stopped: killed, or without a connection."""
    rows = session.execute(text(_GATEWAYS), {"live": LIVE_S}).all()
    live = [LiveGateway(id, epoch, seen_at) for id, epoch, seen_at, is_live in rows if is_live]
    return live, len(rows) - len(live)


def _list_pending(session: Session) -> list[PendingDecision]:
    parameters = {"most": _MOST_LISTED, "open": list(OPEN)}
    return [
        PendingDecision(**{**row, "reasons": load(row["reasons"]), "failure": load(row["failure"])})
        for row in session.execute(text(_DECISIONS), parameters).mappings()
    ]


@router.get("")
def show(here: Here) -> Response:
    """The page."""
    return _page(here)


@router.post("/jobs/replay")
def replay_kind(here: Here, csrf: Csrf, kind: Annotated[str, Form(max_length=20)]) -> Response:
    """Try all dead jobs of a kind again."""
    here.check(csrf)
    return _write(here, "/jobs/replay", {"kind": kind})


@router.post("/jobs/{job_id}/replay")
def replay_job(here: Here, job_id: uuid.UUID, csrf: Csrf) -> Response:
    """Try a dead job again."""
    here.check(csrf)
    return _write(here, f"/jobs/{job_id}/replay")


@router.post("/batches/{batch_id}/cancel")
def cancel_batch(here: Here, batch_id: uuid.UUID, csrf: Csrf) -> Response:
    """Cancel the messages of a batch that are not done."""
    here.check(csrf)
    return _write(here, f"/jobs/batches/{batch_id}/cancel")


def _write(here: Visit, path: str, body: Mapping[str, Any] | None = None) -> Response:
    """Send a change of the queue to the gateway. If the gateway rejects it, show the page with the reason."""
    try:
        here.ask("POST", path, body)
    except GatewayError as error:
        if error.status not in (403, 404, 422):
            raise
        return _page(here, error.explain(here.words), error.status)
    return RedirectResponse("/operations#queue", 303)


def _page(here: Visit, problem: Markup | None = None, status: int = 200) -> Response:
    with Session(here.engine) as session:
        live = routing.current(session)
        gateways, silent = _list_gateways(session)
        pending = _list_pending(session)
        releases = list_releases(session)
        ended = [EndedExperiment(*row) for row in session.execute(text(_ENDED_EXPERIMENTS), {"most": _ENDED})]
        names = _find_names(session, live.routing) if live else {}
        jobs = queue.read(session, uuid.UUID(here.me.organisation_id))
    epoch = live.number if live else 0
    return here.page(
        "operations.html",
        status,
        here=router.prefix,
        problem=problem,
        epoch=epoch,
        routing=live.routing if live else None,
        names=names,
        gateways=gateways,
        silent=silent,
        behind=[gateway for gateway in gateways if gateway.epoch < epoch],
        live_s=LIVE_S,
        pending=pending,
        releases=releases,
        ended=ended,
        queue=jobs,
        may_administer=here.may_administer,
        most_replayed=MOST_REPLAYED,
        **_ask_services(here),
    )


def explain(run: FlowRun) -> ListedRun:
    """What the page shows of a flow run: that it failed, crashed or was cancelled, if so, and the reasons
    that the flow has written.
    """
    code = "flow_timed_out" if run.state == "TimedOut" else _BAD.get(run.type)
    causes = [reason(code, flow=run.flow)] if code else []
    is_explained = any(each.code != "flow_exception" for each in run.reasons)
    return ListedRun(
        run,
        state=run.state if run.state in STATES else run.type.capitalize(),
        is_bad=run.type in ("FAILED", "CRASHED"),
        reasons=[*causes, *run.reasons],
        quotation="" if is_explained else run.message,
    )


def _find_names(session: Session, live: Routing) -> dict[uuid.UUID, str]:
    ids = [split.experiment_id for split in live.experiments]
    rows = session.execute(text("SELECT id, name FROM experiments WHERE id = ANY(:ids)"), {"ids": ids})
    return {id: name for id, name in rows}  # noqa: C416 (rows are no tuples to mypy)


def _ask_services(here: Visit) -> dict[str, Any]:
    """The page's values on MLflow and Prefect: their addresses, whether they answer, the newest flow runs."""
    mlflow, prefect = services.mlflow(here.settings), services.prefect(here.settings)
    runs: list[ListedRun] | None
    try:
        runs = [explain(run) for run in services.flow_runs(here.settings, _FLOW_RUNS)]
    except httpx.HTTPError:
        runs = None
    return {
        "mlflow": mlflow,
        "has_mlflow": mlflow is not None and services.answers(mlflow),
        "prefect": prefect,
        "flow_runs": runs,
    }


@router.get("/experiments/{experiment_id}/mlflow")
def experiment_in_mlflow(here: Here, experiment_id: uuid.UUID) -> Response:
    """Redirect to MLflow's page of an experiment that has ended."""
    return redirect_to_mlflow(here, services.OF_EXPERIMENTS, "experiment_id", str(experiment_id))


@router.get("/versions/{version}/mlflow")
def version_in_mlflow(here: Here, version: str) -> Response:
    """Redirect to MLflow's page of the run that made a version."""
    with Session(here.engine) as session:
        run = session.scalar(text("SELECT run_id FROM versions WHERE name = :name"), {"name": version})
    if run is None:
        raise HTTPException(404)
    return redirect_to_mlflow(here, services.OF_VERSIONS, "run", run)


def redirect_to_mlflow(here: Visit, experiment: str, tag: str, value: str) -> Response:
    """Redirect to the page of a run, or show a page that says why there is none."""
    say, address = here.words.say, services.mlflow(here.settings)
    title, status = say("This run is not in MLflow"), 404
    try:
        run_address = services.run_in_mlflow(here.settings, experiment, tag, value)
    except httpx.HTTPError:
        title, status = say("MLflow does not answer"), 503
        detail = say("MLflow should be at %(address)s. `make up` starts it. Then try again.", address=address)
        return here.page("problem.html", status, title=title, detail=detail)
    if run_address is not None:
        return RedirectResponse(run_address, 303)
    detail = say(
        "A training run appears in MLflow when its version is registered. An experiment appears there after"
        " its end, with the next run of the flow `experiment`."
    )
    if address is None:
        detail = say("TONEBRIDGE_MLFLOW_URI is not set in the dashboard's environment; `make up` sets it.")
    return here.page("problem.html", status, title=title, detail=detail)
