"""A web app over a real gateway, whose inference service is scripted: what it writes is known, and a test can
hold it in the middle of a text.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web
from anyio.from_thread import start_blocking_portal
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.reasons import reason
from data.traffic import routing
from data.traffic.routing import Routing
from models import facts
from pipelines import local
from serving import events
from tests import streams
from tests.dashboards import set_up
from tests.streams import V1, Send, Service, delta
from tests.webs import Site

SAME = "The same"  # a message that begins so comes back as it is
LOSES = "Loses"  # the rewrite of one that begins so has none of its facts
TWICE = "Twice"  # two rewrites of one that begins so are the same
POLITE = "Could you please help?"  # what is written before any other


class Writer(Service):
    """In place of the inference service. While it is held, a stream stops after its first words."""

    def __init__(self) -> None:
        super().__init__()
        self.is_held = False
        self._written = 0

    def write(self, message: str) -> dict[str, Any]:
        """The rewrite of a message."""
        self._written += 1
        text, unchanged = f"{POLITE} {message}", None
        if message.startswith(SAME):
            text, unchanged = message, reason("unchanged_nothing_to_do", transform_type="soften").model_dump()
        elif message.startswith(LOSES):
            text = POLITE
        missing = facts.missing(message, text)
        return {"text": text, "facts_missing": missing, "tokens": 3, "finished": True, "unchanged": unchanged}

    async def stream(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        message = body["item"]["text"]

        async def script(send: Send, version: str) -> None:
            first, *words = self.write(message)["text"].split(" ")
            await send(delta(first))
            while self.is_held:  # noqa: ASYNC110 (a test in another thread lets it go)
                await asyncio.sleep(0.01)
            for word in words:
                await send(delta(f" {word}"))
            document = {"items": [self.write(message)], "version": version}
            await send(events.encode("answer", json.dumps(document).encode()))

        self.scripts[body["spec"]["version"]] = script
        return await super().stream(request)

    async def rewrite(self, request: web.Request) -> web.Response:
        body = await request.json()
        items = [self.write(item["text"]) for item in body["items"]]
        if body["spec"].get("temperature"):  # two samples of a message
            for number, (item, sent) in enumerate(zip(items, body["items"], strict=True)):
                if not sent["text"].startswith(TWICE):
                    item["text"] += f" Sample {number}."
        return web.json_response({"items": items, "version": body["spec"]["version"]})


@contextmanager
def serving(settings: Settings) -> Iterator[tuple[Site, Writer]]:
    """An installation in the settings' database, and what writes its rewrites."""
    writer = Writer()
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(streams.serving(writer)):
        # Two replicas, as far as the gateway knows: so many messages may be held at the same time.
        urls = (writer.url, writer.url)
        settings = settings.model_copy(update={"inference_urls": urls, "holdout_share": 0.0})
        installation = set_up(settings)
        with Session(installation.engine) as session, session.begin():
            routing.publish(session, Routing(champion=V1), "a test")
        with local.running(settings, "gateway", "web") as processes:
            processes["gateway"].wait_until_ready(f"{settings.gateway_url}/readyz")
            site = Site(installation)
            processes["web"].wait_until_ready(f"{site.url}/livez")
            yield site, writer
        installation.engine.dispose()
