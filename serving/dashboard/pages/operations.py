"""The page on operations: what is in force, whether every gateway knows it, what waits, what has failed."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import httpx
from fastapi import APIRouter, HTTPException, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import text
from sqlalchemy.orm import Session

from data.reasons import Reason, load
from data.traffic import routing
from data.traffic.routing import LIVE_S, Routing
from experiments.lifecycle import OPEN
from serving.dashboard import services
from serving.dashboard.services import FlowRun
from serving.dashboard.visit import Visit, viewer_visit

router = APIRouter(prefix="/operations")

Here = Annotated[Visit, viewer_visit]
_MOST_LISTED = 50
_FLOW_RUNS = 10
_ENDED = 10


class Live(NamedTuple):
    """A gateway that is alive, and the newest epoch that it has put into force."""

    id: uuid.UUID
    epoch: int
    seen_at: datetime


class Released(NamedTuple):
    """A version that went live."""

    id: uuid.UUID
    version: str
    replaced: str | None
    reasons: Sequence[Reason]
    epoch: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """A decision that is not carried out: open, proposed (it waits for a click), or failed."""

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


class Ended(NamedTuple):
    """An experiment that is over."""

    id: uuid.UUID
    name: str
    status: str
    ended_at: datetime


_GATEWAYS = """
    SELECT id, epoch, seen_at, seen_at > now() - make_interval(secs => :live) AS is_live
    FROM gateways ORDER BY id
"""

# A proposal of an experiment that is over waits for nobody.
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

_ENDED_ONES = """
    SELECT id, name, status, ended_at FROM experiments
    WHERE ended_at IS NOT NULL AND NOT is_sample AND plan <> '{}' ORDER BY ended_at DESC LIMIT :most
"""


def releases(session: Session, version: str = "") -> list[Released]:
    """The newest releases, of all versions or of one."""
    rows = session.execute(text(_RELEASES), {"version": version, "most": _MOST_LISTED}).mappings()
    return [Released(**{**row, "reasons": load(row["reasons"])}) for row in rows]


def _gateways(session: Session) -> tuple[list[Live], int]:
    """Those that are alive, and how many have gone without a word: killed, or cut off."""
    rows = session.execute(text(_GATEWAYS), {"live": LIVE_S}).all()
    return [Live(id, epoch, seen) for id, epoch, seen, is_live in rows if is_live], sum(
        not is_live for *_, is_live in rows
    )


def _waiting(session: Session) -> list[Waiting]:
    parameters = {"most": _MOST_LISTED, "open": list(OPEN)}
    return [
        Waiting(**{**row, "reasons": load(row["reasons"]), "failure": load(row["failure"])})
        for row in session.execute(text(_DECISIONS), parameters).mappings()
    ]


@router.get("")
def show(here: Here) -> Response:
    """The page."""
    with Session(here.engine) as session:
        live = routing.current(session)
        gateways, gone = _gateways(session)
        waiting = _waiting(session)
        released = releases(session)
        ended = [Ended(*row) for row in session.execute(text(_ENDED_ONES), {"most": _ENDED})]
        names = _names(session, live.routing) if live else {}
    epoch = live.number if live else 0
    return here.page(
        "operations.html",
        epoch=epoch,
        routing=live.routing if live else None,
        names=names,
        gateways=gateways,
        gone=gone,
        behind=[one for one in gateways if one.epoch < epoch],
        live_s=LIVE_S,
        waiting=waiting,
        released=released,
        ended=ended,
        **_outside(here),
    )


def _names(session: Session, live: Routing) -> dict[uuid.UUID, str]:
    ids = [split.experiment_id for split in live.experiments]
    rows = session.execute(text("SELECT id, name FROM experiments WHERE id = ANY(:ids)"), {"ids": ids})
    return {id: name for id, name in rows}  # noqa: C416 (rows are no tuples to mypy)


def _outside(here: Visit) -> dict[str, Any]:
    """What the page shows of MLflow and Prefect: their addresses, whether they answer, the newest runs."""
    mlflow, prefect = services.mlflow(here.settings), services.prefect(here.settings)
    runs: list[FlowRun] | None
    try:
        runs = services.flow_runs(here.settings, _FLOW_RUNS)
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
    """To MLflow's page of an experiment that has ended."""
    return to_mlflow(here, services.OF_EXPERIMENTS, "experiment_id", str(experiment_id))


@router.get("/versions/{version}/mlflow")
def version_in_mlflow(here: Here, version: str) -> Response:
    """To MLflow's page of the run that made a version."""
    with Session(here.engine) as session:
        run = session.scalar(text("SELECT run_id FROM versions WHERE name = :name"), {"name": version})
    if run is None:
        raise HTTPException(404)
    return to_mlflow(here, services.OF_VERSIONS, "run", run)


def to_mlflow(here: Visit, experiment: str, tag: str, value: str) -> Response:
    """To the page of a run, or one that says why there is none."""
    say, address = here.words.say, services.mlflow(here.settings)
    title, status = say("This run is not in MLflow"), 404
    try:
        found = services.run_in_mlflow(here.settings, experiment, tag, value)
    except httpx.HTTPError:
        title, status = say("MLflow does not answer"), 503
        detail = say("It should be at %(address)s. `make up` starts it; try again then.", address=address)
        return here.page("problem.html", status, title=title, detail=detail)
    if found is not None:
        return RedirectResponse(found, 303)
    detail = say(
        "A training is written there when its version is registered, an experiment by the flow `experiment`"
        " when it has ended."
    )
    if address is None:
        detail = say("TONEBRIDGE_MLFLOW_URI is not set in the dashboard's environment; `make up` sets it.")
    return here.page("problem.html", status, title=title, detail=detail)
