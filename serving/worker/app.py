"""The worker's process: `python -m serving.worker.app`."""

import asyncio
import logging
import signal

import uvloop

from configs.settings import Settings
from data.jobs.queue import Kind
from serving.gateway import parts
from serving.gateway.online import telemetry
from serving.gateway.parts import Parts
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
    )


async def work(settings: Settings) -> None:
    """Do jobs until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    async with parts.running(settings, stopping.is_set) as made:
        worker = make_worker(made)

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
    handler = logging.StreamHandler()
    handler.setFormatter(telemetry.JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    parts.check(settings)
    uvloop.run(work(settings))


if __name__ == "__main__":
    main()
