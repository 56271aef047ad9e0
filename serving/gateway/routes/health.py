"""Probes and metrics: whether the process runs, whether it can answer, and what it counts."""

import math
from typing import Annotated

from fastapi import APIRouter, Header, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from serving.gateway.online import telemetry
from serving.gateway.parts import InjectedParts, Parts

_LATE_S = 5.0  # without a heartbeat, after which Postgres is the reason for not being ready

router = APIRouter()


class Ready(BaseModel):
    """Whether this gateway can answer, and by which epoch."""

    ready: bool
    detail: str


@router.get("/livez")
async def check_live() -> dict[str, str]:
    """The process runs."""
    return {"status": "alive"}


@router.get("/readyz", responses={503: {"model": Ready}})
async def check_ready(parts: InjectedParts, response: Response) -> Ready:
    """Whether a version is released, and this gateway has the newest routing."""
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


@router.get("/metrics", response_class=PlainTextResponse)
async def get_gateway_metrics(
    parts: InjectedParts, authorization: Annotated[str, Header(description="Bearer and the token")] = ""
) -> Response:
    """All metrics of this gateway, for Prometheus, with the token `TONEBRIDGE_METRICS_TOKEN`."""
    telemetry.check_may_read(parts.settings.metrics_token, authorization)
    await parts.backlog.renew()
    return Response(parts.telemetry.metrics(), media_type="text/plain; version=0.0.4")
