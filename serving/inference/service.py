"""The BentoML service. `python -m serving.inference.app` starts it as the settings say.

`/rewrite` answers with JSON, `/stream` with server-sent events (`serving.events`).

Every route, BentoML's own pages too, needs `Authorization: Bearer <TONEBRIDGE_SERVICE_TOKEN>`, except for the
probes /livez, /readyz and /healthz. /metrics also accepts TONEBRIDGE_METRICS_TOKEN, where it is set. A spec
names its version, so several versions answer at the same time. To switch to a new version, the caller loads
it with /load and then names it.
"""

import asyncio
import gc
import logging
import secrets
import time
from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Annotated

import bentoml
import prometheus_client
from bentoml.exceptions import BentoMLException
from pydantic import Field
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from configs.settings import Settings
from data.records import Engine, Spec
from models import version_file
from models.preview import Preview
from serving import events
from serving.inference import release
from serving.inference.client import (
    LIST_ID,
    MAX_ITEMS,
    REMAINING,
    FormDiffers,
    Item,
    RewriteReply,
    Versions,
    VersionUnknown,
)
from serving.inference.pool import Pool
from serving.observability.request_spans import Traced
from serving.observability.start import find_release, start

_OPEN = frozenset({"/livez", "/readyz", "/healthz"})  # every other path is guarded
_JSON = b"application/json"
_TIMEOUT_S = 120  # a hundred items of the longest output, on two cores

logger = logging.getLogger("tonebridge.inference")


class _NotPublishedError(BentoMLException):
    error_code = HTTPStatus.NOT_FOUND


class _OtherFormError(BentoMLException):
    error_code = HTTPStatus.UNPROCESSABLE_ENTITY


class Guard:
    """Refuses a request before BentoML reads it: 401 without a service token, 415 if it is not JSON, 400 if
    it asks to change its connection's protocol.

    uvicorn would answer a request of the last kind and read its body as the next request. BentoML starts
    uvicorn itself and accepts no other protocol class, so the connection is closed here. BentoML would also
    parse forms, and answer 500 to a broken one. BentoML constructs this object without arguments, so the
    settings are read here.
    """

    def __init__(self, app: ASGIApp) -> None:
        settings = Settings()
        self._app = app
        self._service = _bearer(settings.secret("service_token"))
        metrics = settings.metrics_token
        self._metrics = _bearer(metrics.get_secret_value()) if metrics else self._service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        headers = dict(scope.get("headers", ()))
        if b"upgrade" in headers or scope.get("method") == "CONNECT":
            await _no_upgrade(scope, receive, send)
            return
        if scope["type"] == "http" and scope["path"] not in _OPEN:
            credential = headers.get(b"authorization", b"")
            reads_metrics = scope["path"] == "/metrics" and secrets.compare_digest(credential, self._metrics)
            if not (secrets.compare_digest(credential, self._service) or reads_metrics):
                await _refusal(401, "wrong or missing service token")(scope, receive, send)
                return
            if not headers.get(b"content-type", _JSON).lower().startswith(_JSON):
                await _refusal(415, "send the body as application/json")(scope, receive, send)
                return
        await self._app(scope, receive, send)


@bentoml.service(
    name="tonebridge",
    workers=1,  # a second worker would hold every version a second time
    traffic={"timeout": _TIMEOUT_S},
    http={"host": "127.0.0.1"},
)
class ToneBridge:
    """Rewrites messages by any released version of the model."""

    def __init__(self) -> None:
        self._settings = Settings()
        start(self._settings, "inference")
        self._release = find_release(self._settings)
        # Made here: BentoML sets where its processes collect metrics before it makes this object.
        self._streams = prometheus_client.Gauge(
            "tonebridge_streams_open", "Streamed rewrites that are being sent", multiprocess_mode="livesum"
        )
        abandoned = prometheus_client.Counter(
            "tonebridge_streams_abandoned", "Generations that ended early because their reader had left"
        )
        self._pool = Pool(
            self._settings.models_in_memory,
            lambda version: release.find(version, self._settings),
            self._settings.device,
            abandoned.inc,
        )

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def start(self) -> None:
        """Load the newest release in the background. The service starts with an empty store, too."""
        if known := release.published(self._settings):
            newest = version_file.read(release.find(known[-1], self._settings))
            self._first = asyncio.ensure_future(self._pool.load((known[-1], newest.engine)))
            self._first.add_done_callback(_log_failure)
        # Full collections skip what exists now; with it they took 100 to 300 ms.
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 50, 1000)

    async def __is_ready__(self) -> bool:
        """Whether a version can answer."""
        return bool(self._pool.loaded)

    @bentoml.api(output_spec=RewriteReply)  # type: ignore[untyped-decorator]
    async def rewrite(
        self,
        spec: Spec,
        items: Annotated[list[Item], Field(min_length=1, max_length=MAX_ITEMS)],
        ctx: bentoml.Context,
    ) -> RewriteReply | JSONResponse:
        """Rewrite 1 to 100 messages as the spec says, in order; 404 when its version is not released, 422
        when the version writes another form than the spec names. An item that has not begun within its
        milliseconds of the header X-Remaining-Ms comes back as late, with nothing computed.
        """
        deadlines = _deadlines(ctx, len(items))
        list_id = ctx.request.headers.get(LIST_ID)
        work = asyncio.ensure_future(self._pool.rewrite(spec, items, None, deadlines, list_id))
        # The body has been read, so the next message is that the client has disconnected.
        disconnect = asyncio.ensure_future(ctx.request.receive())
        try:
            await asyncio.wait({work, disconnect}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                ctx.response.status_code = 499
                return _refusal(499, "the client has disconnected")
            return RewriteReply(items=work.result(), version=spec.version, release=self._release)
        except VersionUnknown as error:
            ctx.response.status_code = 404  # the context's status overrides the response's
            return _not_found(error)
        except FormDiffers as error:
            ctx.response.status_code = 422
            return _refusal(422, str(error))
        finally:
            work.cancel()
            disconnect.cancel()

    @bentoml.api  # type: ignore[untyped-decorator]
    async def give_up(self, list_id: str, index: Annotated[int, Field(ge=0)]) -> bool:
        """End the generation of one item of a list that was sent to /rewrite with the header X-List-Id; its
        others go on, and it comes back as late. False when it is not in progress here.
        """
        return self._pool.give_up(list_id, index)

    @bentoml.api  # type: ignore[untyped-decorator]
    async def stream(self, spec: Spec, item: Item, ctx: bentoml.Context) -> AsyncGenerator[str, None]:
        """Rewrite one message as server-sent events: `delta` (more of the draft), `replace` (another text in
        its place), and last `answer` (as /rewrite answers) or `error`; 404 and 422 as /rewrite.

        The draft waits for no reader: who reads slowly gets fewer and longer pieces. When the reader leaves,
        BentoML closes this generator, and the generation ends.
        """
        deadlines = _deadlines(ctx, 1)
        try:
            await self._pool.prepare(spec)
        except VersionUnknown as error:
            raise _NotPublishedError(str(error)) from error
        except FormDiffers as error:
            raise _OtherFormError(str(error)) from error
        # BentoML begins the response, and listens whether its reader leaves, with the first thing yielded.
        yield events.HEARTBEAT.decode()
        loop, changed = asyncio.get_running_loop(), asyncio.Event()
        preview, sent = Preview(lambda: loop.call_soon_threadsafe(changed.set)), ""
        work = asyncio.ensure_future(self._pool.rewrite(spec, [item], preview, deadlines))
        work.add_done_callback(lambda _: changed.set())
        self._streams.inc()
        try:
            while not work.done():
                try:
                    async with asyncio.timeout(events.HEARTBEAT_S):
                        await changed.wait()
                except TimeoutError:
                    yield events.HEARTBEAT.decode()
                    continue
                changed.clear()
                if piece := events.difference(sent, text := preview.text):
                    sent = text
                    yield piece.encode().decode()
            try:
                reply = RewriteReply(items=work.result(), version=spec.version, release=self._release)
            except Exception:  # the outermost edge of a request; BentoML would only end the response
                logger.exception("a streamed rewrite failed")
                yield events.encode("error", b'{"error":"the version cannot answer"}').decode()
                return
            # Not for a text that came at once: the answer has it.
            if sent and (piece := events.difference(sent, reply.items[0].text)):
                yield piece.encode().decode()
            yield events.encode("answer", reply.model_dump_json().encode()).decode()
        finally:
            work.cancel()
            self._streams.dec()

    @bentoml.api(output_spec=Versions)  # type: ignore[untyped-decorator]
    async def load(self, version: str, engine: Engine = "ctranslate2") -> Versions | JSONResponse:
        """Load a version and return when it can answer; 404 when it is not released."""
        try:
            await self._pool.load((version, engine))
        except VersionUnknown as error:
            return _not_found(error)
        return await self._versions()

    @bentoml.api  # type: ignore[untyped-decorator]
    async def versions(self) -> Versions:
        """The versions in memory, and those in the store."""
        return await self._versions()

    async def _versions(self) -> Versions:
        published = await asyncio.to_thread(release.published, self._settings)
        return Versions(loaded=["/".join(key) for key in self._pool.loaded], published=published)


ToneBridge.add_asgi_middleware(Guard)  # type: ignore[attr-defined]
ToneBridge.add_asgi_middleware(Traced)  # type: ignore[attr-defined]  # behind the guard
for _api in ToneBridge.apis.values():  # type: ignore[attr-defined]
    # BentoML logs validation errors with a traceback, which would quote the message.
    _api.input_spec.model_config["hide_input_in_errors"] = True
    _api.input_spec.model_rebuild(force=True)


def _bearer(token: str) -> bytes:
    return b"Bearer " + token.encode()


def _deadlines(ctx: bentoml.Context, count: int) -> list[float] | None:
    """When each item has to begin, by `time.monotonic`. None without the header, which older gateways do not
    send, and with one that is not its form.
    """
    parts = ctx.request.headers.get(REMAINING, "").split(",")
    if len(parts) != count or not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        return None
    now = time.monotonic()
    return [now + int(part) / 1000 for part in parts]


def _refusal(status: int, error: str) -> JSONResponse:
    return JSONResponse({"error": error}, status)


async def _no_upgrade(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse and close; also a WebSocket's handshake, which has a scope type of its own in ASGI."""
    error = "this server does not change the protocol of a connection: send the request without 'Upgrade'"
    response = JSONResponse({"error": error}, 400, {"Connection": "close"})
    if scope["type"] == "websocket":
        await WebSocket(scope, receive, send).send_denial_response(response)
    else:
        await response(scope, receive, send)


def _not_found(error: VersionUnknown) -> JSONResponse:
    return JSONResponse(
        {"error": str(error), "version": error.version, "published": error.published}, status_code=404
    )


def _log_failure(loading: asyncio.Future[None]) -> None:
    if not loading.cancelled() and (error := loading.exception()):
        logger.error("the newest release cannot be loaded", exc_info=error)
