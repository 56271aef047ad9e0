"""A worker that only delivers to webhooks, with a short lease: `python -m tests.chaos.delivering`."""

import asyncio

from configs.settings import Settings
from data import database
from data.jobs import config as jobs_config
from data.jobs.queue import Kind
from data.webhooks import config as webhooks_config
from serving.worker.deliveries import Deliveries
from serving.worker.loop import Worker


async def main() -> None:
    """Deliver until the process ends."""
    settings = Settings()
    assert settings.database_url is not None
    jobs = jobs_config.load().model_copy(update={"lease_s": 2.0, "poll_s": 0.1})
    webhooks = webhooks_config.load().model_copy(
        update={
            "first_retry_s": 0.05,
            "longest_retry_s": 0.5,
            "most_attempts": 100,
            "timeout_s": 0.5,
            "longest_pause_s": 1.0,
        }
    )
    async with database.online_pool(settings.database_url) as pool:
        deliveries = Deliveries(pool, webhooks, settings.webhook_networks)
        await Worker(pool, settings.database_url, {Kind.WEBHOOK: deliveries}, jobs).run()


if __name__ == "__main__":
    asyncio.run(main())
