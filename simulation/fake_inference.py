"""A stand-in for the inference service, whose versions are one number each, their quality: the share of the
messages that they rewrite, by the rules of `models.rules`; the others they give back. Of a version whose
quality is known it is known what must come of it: `simulation.month`.
"""

import asyncio
from hashlib import blake2b
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from configs.settings import Settings
from models import rules
from serving.inference import release
from serving.inference.client import RewriteReply, Rewritten, Versions, VersionUnknown

WEIGHTS = "version.json"  # all that a version folder here has


class Weights(BaseModel):
    """All that a version of this service consists of."""

    quality: float
    breaks_after: int | None


class Service:
    """The inference service's routes, answered by rules: `version.json` of the release says how often."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loaded: dict[str, Weights] = {}
        self._answered: dict[str, int] = {}

    def app(self) -> web.Application:
        """The application."""
        app = web.Application()
        app.add_routes([web.post("/rewrite", self._rewrite), web.post("/load", self._load)])
        return app

    def _weights(self, version: str) -> Weights:
        if version not in self._loaded:
            file = release.find(version, self._settings) / WEIGHTS
            self._loaded[version] = Weights.model_validate_json(file.read_text(encoding="utf-8"))
        return self._loaded[version]

    async def _load(self, request: web.Request) -> web.Response:
        try:
            self._weights((await request.json())["version"])
        except VersionUnknown as error:
            return web.json_response({"error": str(error)}, status=404)
        known = Versions(loaded=list(self._loaded), published=release.published(self._settings))
        return web.json_response(known.model_dump())

    async def _rewrite(self, request: web.Request) -> web.Response:
        body = await request.json()
        version = body["spec"]["version"]
        weights = self._weights(version)
        self._answered[version] = self._answered.get(version, 0) + len(body["items"])
        if weights.breaks_after is not None and self._answered[version] > weights.breaks_after:
            return web.json_response({"error": "this version is broken"}, status=500)
        items = [self._one(version, weights, item) for item in body["items"]]
        return web.json_response(RewriteReply(items=items, version=version).model_dump())

    def _one(self, version: str, weights: Weights, item: dict[str, Any]) -> Rewritten:
        asked = item["text"], item["transform_type"], item["intensity"]
        luck = int.from_bytes(blake2b(f"{version}{asked}".encode(), digest_size=8).digest()) / 2**64
        said = rules.rewrite(*asked) if luck < weights.quality else item["text"]
        return Rewritten(text=said, facts_missing=[], tokens=len(said.split()), finished=True)


def serve(settings: Settings) -> None:
    """Answer at the first address of the inference service, for ever."""

    async def run() -> None:
        runner = web.AppRunner(Service(settings).app())
        await runner.setup()
        port = int(settings.inference_urls[0].rsplit(":", 1)[1])
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()

    asyncio.run(run())
