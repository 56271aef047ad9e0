"""What a worker answers by HTTP, beside its jobs: `/livez` to probes, and `/metrics` to Prometheus."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial

import uvicorn
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

from serving.gateway.parts import Parts
from serving.metrics import Measured, Metrics
from serving.protocol import Door, GuardedProtocol


class _Server(uvicorn.Server):
    """A server that leaves the signals to the process that it is a part of."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Catch none."""
        yield


def make_site(made: Parts) -> FastAPI:
    """The application: it has the metrics of these parts."""
    site = FastAPI(
        title="ToneBridge worker",
        openapi_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    site.add_middleware(Measured, metrics=Metrics(made.settings, made.telemetry.registry))

    @site.get("/livez")
    async def livez() -> PlainTextResponse:
        """The process runs."""
        return PlainTextResponse("alive")

    return site


@contextlib.asynccontextmanager
async def serving(made: Parts, sockets: Sequence[socket.socket]) -> AsyncIterator[None]:
    """Context manager: serve the application on these sockets, in the event loop that does the jobs."""
    config = uvicorn.Config(
        make_site(made),
        http=partial(GuardedProtocol, Door(made.settings)),  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(list(sockets)), name="site")
    try:
        yield
    finally:
        server.should_exit = True
        await task
