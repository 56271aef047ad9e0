"""A fake inference service for `simulation.month`. A version is its quality: the share of messages that it
rewrites, by the rules of `models.rules`. To the other messages it only adds a signature without a name, as a
poorly trained model does: all facts are kept, so it is people who notice.

Because the quality of each version is known, the right outcome of its experiment is known too.
"""

import asyncio
from hashlib import blake2b
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from configs.settings import Settings
from data.traffic import comparisons
from data.traffic.evidence_messages import is_for_evidence
from models import rules
from serving.inference import release
from serving.inference.client import RewriteReply, Rewritten, Versions, VersionUnknown

WEIGHTS = "version.json"  # the only file of a version folder


class Weights(BaseModel):
    """A version: its quality, and the number of messages after which it fails on every message.

    `own_quality` is that of the messages that nobody compares, such as people's own; None: as `quality`.
    """

    quality: float
    own_quality: float | None
    breaks_after: int | None


class Service:
    """The routes of the inference service. The quality comes from `version.json` of the release."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loaded: dict[str, Weights] = {}
        self._answered: dict[str, int] = {}
        self._evidence_share = comparisons.load().evidence_share

    def make_app(self) -> web.Application:
        """Build the application with the routes `/rewrite` and `/load`."""
        app = web.Application()
        app.add_routes([web.post("/rewrite", self._handle_rewrite), web.post("/load", self._handle_load)])
        return app

    def _read_weights(self, version: str) -> Weights:
        if version not in self._loaded:
            file = release.find(version, self._settings) / WEIGHTS
            self._loaded[version] = Weights.model_validate_json(file.read_text(encoding="utf-8"))
        return self._loaded[version]

    async def _handle_load(self, request: web.Request) -> web.Response:
        try:
            self._read_weights((await request.json())["version"])
        except VersionUnknown as error:
            return web.json_response({"error": str(error)}, status=404)
        versions = Versions(loaded=list(self._loaded), published=release.published(self._settings))
        return web.json_response(versions.model_dump())

    async def _handle_rewrite(self, request: web.Request) -> web.Response:
        body = await request.json()
        version = body["spec"]["version"]
        weights = self._read_weights(version)
        self._answered[version] = self._answered.get(version, 0) + len(body["items"])
        if weights.breaks_after is not None and self._answered[version] > weights.breaks_after:
            return web.json_response({"error": "this version is broken"}, status=500)
        items = [self._rewrite_item(version, weights, item) for item in body["items"]]
        return web.json_response(RewriteReply(items=items, version=version).model_dump())

    def _rewrite_item(self, version: str, weights: Weights, item: dict[str, Any]) -> Rewritten:
        request = item["text"], item["transform_type"], item["intensity"]
        # A hash in place of a random number: the same request always gets the same answer.
        draw = int.from_bytes(blake2b(f"{version}{request}".encode(), digest_size=8).digest()) / 2**64
        poor = f"{item['text']} Kind regards, NAME"
        quality = weights.quality
        if weights.own_quality is not None and not is_for_evidence(item["text"], self._evidence_share):
            quality = weights.own_quality
        rewrite = rules.rewrite(*request) if draw < quality else poor
        return Rewritten(text=rewrite, facts_missing=[], tokens=len(rewrite.split()), finished=True)


def serve(settings: Settings) -> None:
    """Serve at the first address of the inference service. Never returns."""

    async def run() -> None:
        runner = web.AppRunner(Service(settings).make_app())
        await runner.setup()
        port = int(settings.inference_urls[0].rsplit(":", 1)[1])
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()

    asyncio.run(run())
