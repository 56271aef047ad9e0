"""Probes and metrics: whether the process runs, whether it can answer, and what it counts."""

import math
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field

from serving.gateway.online import telemetry
from serving.gateway.parts import InjectedParts, Parts
from serving.gateway.problems import NotFoundError, UnknownKeyError
from serving.gateway.refusals import refuses

_METRICS = """# HELP tonebridge_streams_open Streams that are open
# TYPE tonebridge_streams_open gauge
tonebridge_streams_open 2.0
"""
_LATE_S = 5.0  # without a heartbeat, after which Postgres is the reason for not being ready

router = APIRouter(tags=["health"])


class Ready(BaseModel):
    """Whether this gateway can answer, and by which epoch."""

    ready: Annotated[bool, Field(description="a load balancer may send requests here", examples=[True])]
    detail: Annotated[str, Field(description="the epoch, or why it is not ready", examples=["epoch 3"])]


class Alive(BaseModel):
    """That the process runs."""

    status: Annotated[Literal["alive"], Field(description="always `alive`")] = "alive"


@router.get("/livez")
async def check_live() -> Alive:
    """Check that the process runs: it answers, whatever else is unavailable."""
    return Alive()


@router.get("/readyz", responses={503: {"model": Ready, "description": "It cannot answer, and why"}})
async def check_ready(parts: InjectedParts, response: Response) -> Ready:
    """Check whether a version is released, and this gateway has the newest routing."""
    if parts.directory.is_ready and not parts.is_draining():
        return Ready(ready=True, detail=f"epoch {parts.directory.current()[0]}")
    response.status_code = 503
    return Ready(ready=False, detail=_why_not_ready(parts))


def _why_not_ready(parts: Parts) -> str:
    age_s = parts.directory.age_s
    if parts.is_draining():
        return "this gateway is stopping"
    if math.isinf(age_s):
        return "Postgres has not answered since this gateway started"
    if age_s > _LATE_S:
        return f"Postgres last answered {age_s:.0f} s ago"
    return "no version has been released yet"


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={
        200: {"description": "The metrics", "content": {"text/plain": {"example": _METRICS}}},
        **refuses((UnknownKeyError, "metrics_token_needed"), (NotFoundError, "metrics_off")),
    },
)
async def get_gateway_metrics(
    parts: InjectedParts,
    authorization: Annotated[
        str, Header(description="`Bearer` and the token", examples=["Bearer the-token-of-the-operator"])
    ] = "",
) -> Response:
    """Read all metrics of this gateway, in the format of Prometheus. It takes the token
    `TONEBRIDGE_METRICS_TOKEN` of the operator, and no API key.
    """
    telemetry.check_may_read(parts.settings.metrics_token, authorization)
    await parts.backlog.renew()
    return Response(parts.telemetry.metrics(), media_type="text/plain; version=0.0.4")
