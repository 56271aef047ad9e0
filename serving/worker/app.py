"""The worker's process: `python -m serving.worker.app`."""

import asyncio
import signal
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack

import uvloop

from configs.settings import Settings
from data import startup
from data.jobs.queue import Kind
from serving import listening
from serving.gateway import parts
from serving.gateway.parts import Parts
from serving.observability.start import start
from serving.worker import site
from serving.worker.counts import JobCounts
from serving.worker.deliveries import Deliveries
from serving.worker.exports import Exports
from serving.worker.loop import Worker
from serving.worker.rewrites import Rewrites


def make_worker(made: Parts) -> Worker:
    """A worker with the parts of a gateway, over their connections."""
    assert made.settings.database_url is not None, "checked by `parts.make`"
    rewrites = Rewrites(made.pool, made.directory, made.online, made.answers, made.plans, made.jobs)
    return Worker(
        made.pool,
        made.settings.database_url,
        {
            Kind.REWRITE: rewrites,
            Kind.EXPORT: Exports(made.pool, made.jobs.most_attempts),
            Kind.WEBHOOK: Deliveries(made.pool, made.webhooks, made.settings.webhook_networks),
        },
        made.jobs,
        JobCounts(made.telemetry.registry),
    )


async def work(settings: Settings, sockets: Sequence[socket.socket]) -> None:
    """Do jobs until SIGTERM or SIGINT, and answer probes on these sockets meanwhile."""
    stopping = asyncio.Event()
    async with AsyncExitStack() as stack:
        made = await stack.enter_async_context(parts.running(settings, stopping.is_set))
        worker = make_worker(made)
        await stack.enter_async_context(site.serving(made, sockets))

        def stop() -> None:
            stopping.set()
            worker.stop()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        await worker.run()


def main() -> None:
    """Work until SIGTERM, and finish the jobs in progress."""
    settings = Settings()
    start(settings, "worker")
    parts.check(settings)
    startup.check_gateway(settings)
    uvloop.run(work(settings, listening.listen_or_exit(settings.host, settings.worker_port)))


if __name__ == "__main__":
    main()
