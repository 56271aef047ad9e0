"""The gateway's front: answers requests for one rewrite, and hands all others to FastAPI.

    authenticate -> rate -> read -> assign -> L1 -> L2 -> one call -> service -> output row -> answer

FastAPI costs eighty microseconds a request, and this about ten. Both validate alike (`decoding`).
`protocol.py` calls this as soon as the bytes of a request are there; a request by ASGI gets the same answer.
An answer may be a stream (`streaming`): the same path, with the draft on the way. A `Codec` reads requests
and writes answers in another form than that of `/api/v1/transform`, by the same rules.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, Protocol

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.flow_control import CLOSE_HEADER

from models.preview import Preview
from serving import events
from serving.gateway import problems, signatures
from serving.gateway.auth import Authenticator, Caller, credential
from serving.gateway.idempotency import Idempotency
from serving.gateway.online.answering import EncodedAnswer, Online
from serving.gateway.online.decoding import accepts_events, decode_fast, decode_or_refuse
from serving.gateway.online.placement import Message as ToRewrite
from serving.gateway.online.streaming import Connection, Stream
from serving.gateway.online.telemetry import Telemetry
from serving.gateway.problems import TooLargeError, UnavailableError
from serving.gateway.rate import Limiter
from serving.gateway.signatures import Head, Signatures
from serving.protocol import GuardedProtocol

log = logging.getLogger(__name__)

PATH = "/api/v1/transform"
GRAPHQL_PATH = "/graphql"
_MAX_BYTES = 128 * 1024  # 8,000 characters escaped at 12 bytes each, and room for the rest
_MAX_BYTES_OTHER = 12 * 1024 * 1024  # a batch of a hundred such messages
_MAX_BYTES_SIGNING_IN = 16 * 1024  # an address and passwords, from anybody
_JSON = (b"content-type", b"application/json")
# On every answer but a rewrite: that is application/json, which no browser takes for anything else, and the
# header would cost time on the hot path.
_NOT_SNIFFED = (b"x-content-type-options", b"nosniff")
_OF_A_STREAM = [
    (b"content-type", f"{events.MEDIA_TYPE}; charset=utf-8".encode()),
    *((name.encode(), value.encode()) for name, value in events.HEADERS.items()),
]
_STUCK_S = 30.0  # that a client of a stream may read nothing while its buffers are full


class Reply(NamedTuple):
    """A response. The names in `headers` are in lower case, and include content-length, but for a stream. The
    receiver of a stream closes it.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    content: bytes | Stream


class Opens(Protocol):
    """What opens WebSockets."""

    def open(self, connection: GuardedProtocol, head: bytes) -> asyncio.Protocol:
        """Open one on a connection, as `serving.protocol.Upgrade` says."""


class Codec(Protocol):
    """The form of the requests of one route and of its answers. One is made for each request."""

    path: str  # of the route, in metrics and for Idempotency-Keys
    max_bytes: int  # of a body
    shows_drafts: bool  # whether a stream has the events `delta` and `replace`
    heartbeat: bytes  # what a stream sends when there is no news

    def read(self, body: bytes, headers: dict[bytes, bytes], caller: Caller) -> tuple[ToRewrite, bool]:
        """The message, and whether its answer is streamed; any error refuses the request."""

    def write(self, answer: EncodedAnswer) -> bytes:
        """The JSON of an answer, which an Idempotency-Key stores."""

    def encode(self, kind: events.Kind, json: bytes) -> bytes:
        """An event of a stream. Its JSON is that of `write` for an answer and of `refuse` for an error."""

    def headers(self, json: bytes) -> list[tuple[bytes, bytes]]:
        """Headers of an answer, in addition to those of every answer; `json` is that of `write`."""

    def refuse(self, error: Exception) -> Response:
        """The response to an error."""


class TransformCodec:
    """The documents of `/api/v1/transform`, and its events, which WebSockets frame in another way."""

    path, max_bytes, shows_drafts = PATH, _MAX_BYTES, True
    read = staticmethod(decode_or_refuse)
    refuse = staticmethod(problems.answer)

    def __init__(
        self,
        encode: Callable[[events.Kind, bytes], bytes] = events.encode,
        heartbeat: bytes = events.HEARTBEAT,
    ) -> None:
        self.encode, self.heartbeat = encode, heartbeat

    def write(self, answer: EncodedAnswer) -> bytes:
        """The JSON of an answer."""
        return answer.body

    def headers(self, json: bytes) -> list[tuple[bytes, bytes]]:
        """No more headers than every answer has."""
        return []


_TRANSFORM = TransformCodec()


class Turn:
    """A request that waits for its response: the fields of a `RequestResponseCycle` that uvicorn reads."""

    __slots__ = ("body", "disconnected", "keep_alive", "message_event", "response_complete")

    def __init__(self) -> None:
        self.body, self.message_event = bytearray(), asyncio.Event()
        self.disconnected, self.response_complete, self.keep_alive = False, False, True

    def leave(self) -> None:
        """Note that nobody waits for the response any more."""
        self.disconnected = True
        self.message_event.set()


class Front:
    """The ASGI application that the server runs; `behind` it is FastAPI's."""

    def __init__(
        self,
        behind: FastAPI,
        heartbeat_s: float = events.HEARTBEAT_S,
        stuck_s: float = _STUCK_S,
        codecs: Mapping[str, Callable[[], Codec]] | None = None,
    ) -> None:
        """A stream without news sends a comment every `heartbeat_s`, and ends when its client reads nothing
        for `stuck_s` while its buffers are full. `codecs` make the codec of a request, by its path.
        """
        self.behind = behind
        self._codecs = {PATH: lambda: _TRANSFORM, **(codecs or {})}
        self.is_draining = False
        self.heartbeat_s, self.stuck_s = heartbeat_s, stuck_s

    def inject(
        self,
        authenticator: Authenticator,
        signatures: Signatures,
        limiter: Limiter,
        online: Online,
        idempotency: Idempotency,
        telemetry: Telemetry,
        sockets: Opens,
    ) -> None:
        """Inject the dependencies. Call inside the running event loop, before the first request. They are
        attributes and not looked up, since that would cost time in every request.
        """
        self.sockets = sockets
        self._authenticator, self._signatures = authenticator, signatures
        self._limiter, self._online = limiter, online
        self._idempotency, self._telemetry = idempotency, telemetry

    def open_socket(self, connection: GuardedProtocol, head: bytes) -> asyncio.Protocol:
        """Open a WebSocket, as `serving.protocol.Upgrade` says."""
        return self.sockets.open(connection, head)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for a rewrite here, and any other request with FastAPI."""
        if scope["type"] != "http":
            await self.behind(scope, receive, send)
        elif scope["method"] == "POST" and (make_codec := self._codecs.get(scope["path"])) is not None:
            await self._transform(make_codec(), scope, receive, send)
        else:
            await self._hand_on(scope, receive, send)

    def at_once(self, headers: dict[bytes, bytes], body: bytes) -> Reply | None:
        """As `reply`, if the output is in memory and the request need not be refused. Otherwise None, and
        nothing is counted or stored.
        """
        began = time.perf_counter()
        token = credential(headers)
        caller = token and self._authenticator.recall(token)
        if not caller or b"idempotency-key" in headers or self.is_draining or self._telemetry.is_overloaded:
            return None
        if caller.identity.requires_signatures or accepts_events(headers):
            return None
        if b"signature" in headers or b"signature-input" in headers or b"content-digest" in headers:
            return None
        message = decode_fast(body, headers, caller)
        if message is None:
            return None
        hit = self._online.recall(caller, message)
        if hit is None or not self._limiter.try_pass(caller, PATH):
            return None
        person, arm, output = hit
        answer = self._online.make_answer(person, arm, message, output, "l1", began)
        request_id = self._telemetry.request_id(headers)
        return self._succeed(caller, answer, 200, answer.body, headers, request_id, began)

    async def reply(
        self,
        headers: dict[bytes, bytes],
        body: bytes | Callable[[], Awaitable[bytes]],
        connection: Connection,
        head: Head | None,
        codec: Codec = _TRANSFORM,
    ) -> Reply:
        """The response to a request for a rewrite: an answer, a stream that has begun, or a problem. `body`
        may be a function that reads it, called once the caller is admitted.

        `head` is what a signature covers; None for a part of a request, or a message of a WebSocket, whose
        signature has been checked.

        All codecs share the rate of `PATH`, so another form of a request gives nobody a second one.
        """
        began = time.perf_counter()
        request_id = self._telemetry.request_id(headers)
        try:
            self._telemetry.refuse_when_overloaded()
            token = credential(headers)
            caller = (token and self._authenticator.recall(token)) or await self._authenticator.identify(
                token
            )
            # Before the rate: a key without its secret uses up nothing.
            signature = self._signatures.verify(head, caller) if head is not None else None
            if not self._limiter.try_take(caller, PATH):
                await self._limiter.take(caller, PATH)
            self._limiter.enter(caller)
            stream: Stream | None = None
            try:
                content = body if isinstance(body, bytes) else await body()
                if signature is not None:
                    await self._signatures.accept(signature, content)
                message, is_streamed = codec.read(content, headers, caller)
                if is_streamed:
                    stream = self._stream(
                        codec, caller, message, headers, content, request_id, began, connection
                    )
                else:
                    answer, status, encoded = await self._answer(codec, caller, message, headers, content)
            finally:
                if stream is None:  # else it keeps its place until it is closed
                    self._limiter.leave(caller)
            if stream is not None:
                return await self._begin(codec, stream, caller, request_id)
        except Exception as error:  # the outermost edge of a request
            problem = self._refuse(codec, error, request_id, began)
            refused = [*problem.raw_headers, (b"x-request-id", request_id), _NOT_SNIFFED]
            return Reply(problem.status_code, self._closing(refused), bytes(problem.body))
        reply = self._succeed(caller, answer, status, encoded, headers, request_id, began)
        reply.headers.extend(codec.headers(encoded))
        return reply

    def _refuse(self, codec: Codec, error: Exception, request_id: bytes, began: float) -> Response:
        """The response to an error, which is counted and logged."""
        response = codec.refuse(error)
        if response.status_code == 500:
            log.exception("a request failed with an unexpected error", exc_info=error)
        self._telemetry.refused(codec.path, response.status_code, time.perf_counter() - began, request_id)
        return response

    def _stream(
        self,
        codec: Codec,
        caller: Caller,
        message: ToRewrite,
        headers: dict[bytes, bytes],
        body: bytes,
        request_id: bytes,
        began: float,
        connection: Connection,
    ) -> Stream:
        async def make(preview: Preview) -> bytes:
            # A draft that is not shown is made, too: its generation ends when the client leaves.
            seen = preview if codec.shows_drafts else Preview()
            answer, _, encoded = await self._answer(codec, caller, message, headers, body, seen)
            total_s = time.perf_counter() - began
            self._telemetry.answered(answer, total_s, caller.identity, request_id, headers)
            return encoded

        def refuse(error: Exception) -> bytes:
            return bytes(self._refuse(codec, error, request_id, began).body)

        def close(stream: Stream) -> None:
            self._limiter.leave(caller)
            first_token_s = None if stream.first_token_at is None else stream.first_token_at - began
            self._telemetry.stream_ended(first_token_s, stream.was_abandoned)

        self._telemetry.stream_began()
        return Stream(make, refuse, connection, self.heartbeat_s, close, codec.encode, codec.heartbeat)

    async def _begin(self, codec: Codec, stream: Stream, caller: Caller, request_id: bytes) -> Reply:
        """The response to a stream, once its first events are there; the error that comes before them."""
        try:
            await stream.begin()
        except BaseException:
            await stream.close()
            raise
        policy, remaining = self._limiter.headers(caller, PATH)
        headers = [
            *_OF_A_STREAM,
            (b"ratelimit-policy", policy),
            (b"ratelimit", remaining),
            (b"x-request-id", request_id),
            _NOT_SNIFFED,
        ]
        if (answer := stream.answer) is not None:  # it was there before the first comment
            headers += codec.headers(answer)
        return Reply(200, self._closing(headers), stream)

    def _succeed(
        self,
        caller: Caller,
        answer: EncodedAnswer | None,
        status: int,
        content: bytes,
        headers: dict[bytes, bytes],
        request_id: bytes,
        began: float,
    ) -> Reply:
        total_s = time.perf_counter() - began
        self._telemetry.answered(answer, total_s, caller.identity, request_id, headers)
        policy, remaining = self._limiter.headers(caller, PATH)
        answer_headers = [
            _JSON,
            (b"content-length", b"%d" % len(content)),
            (b"server-timing", self._telemetry.timing(answer, total_s)),
            (b"ratelimit-policy", policy),
            (b"ratelimit", remaining),
            (b"x-request-id", request_id),
        ]
        return Reply(status, self._closing(answer_headers), content)

    def _closing(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        if self.is_draining:
            headers.append(CLOSE_HEADER)
        return headers

    async def _transform(self, codec: Codec, scope: Scope, receive: Receive, send: Send) -> None:
        headers, turn = dict(scope["headers"]), Turn()
        watch: asyncio.Task[None] | None = None

        async def read() -> bytes:
            nonlocal watch
            body = await _read(receive, headers, codec.max_bytes)
            if accepts_events(headers) or b"stream" in body:
                watch = asyncio.create_task(_watch(receive, turn))
            return body

        try:
            head = signatures.head_of(scope)
            status, answer_headers, content = await self.reply(headers, read, turn, head, codec)
            start = {"type": "http.response.start", "status": status, "headers": answer_headers}
            if isinstance(content, bytes):
                await send(start)
                await send({"type": "http.response.body", "body": content})
                return
            try:
                await send(start)
                while (piece := await content.read()) is not None:
                    async with asyncio.timeout(self.stuck_s):
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
            finally:
                await content.close()
            await send({"type": "http.response.body", "body": b""})
        finally:
            if watch is not None:
                watch.cancel()

    async def _answer(
        self,
        codec: Codec,
        caller: Caller,
        message: ToRewrite,
        headers: dict[bytes, bytes],
        body: bytes,
        preview: Preview | None = None,
    ) -> tuple[EncodedAnswer | None, int, bytes]:
        """Answer, status and body. Under an Idempotency-Key that was used before: None and what is stored."""
        key = headers.get(b"idempotency-key")
        if key is None:
            answer = await self._online.transform(caller, message, preview)
            return answer, 200, codec.write(answer)
        fresh: list[EncodedAnswer] = []

        async def do() -> tuple[int, bytes]:
            fresh.append(await self._online.transform(caller, message, preview))
            return 200, codec.write(fresh[0])

        status, content = await self._idempotency.once(
            caller, message.external_id, key, codec.path.encode() + b"\0" + body, do
        )
        return (fresh[0] if fresh else None), status, content

    async def _hand_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let FastAPI answer, with a bound on the body's length."""
        began, status, headers = time.perf_counter(), 500, dict(scope["headers"])
        request_id = self._telemetry.request_id(headers)
        limit = _MAX_BYTES_OTHER
        if scope["path"].startswith("/api/v1/auth/"):
            limit = _MAX_BYTES_SIGNING_IN
        elif scope["path"] == GRAPHQL_PATH:
            limit = _MAX_BYTES
        remaining, declared = limit, int(headers.get(b"content-length", b"0"))  # httptools takes digits only

        async def receive_bounded() -> Message:
            nonlocal remaining
            if declared <= limit:
                message = await receive()
                remaining -= len(message.get("body", b""))
                if remaining >= 0:
                    return message
            # FastAPI lets only an HTTPException out of the reading of a body; the cause is answered.
            raise HTTPException(413) from TooLargeError("body_too_long", limit=limit)

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] += [(b"x-request-id", request_id), _NOT_SNIFFED]
                if self.is_draining:
                    message["headers"].append(CLOSE_HEADER)
            await send(message)

        try:
            await self.behind(scope, receive_bounded, send_counted)
        finally:
            route: Any = scope.get("route")
            path = route.path if route is not None else "unknown"
            self._telemetry.refused(path, status, time.perf_counter() - began, request_id)


async def _watch(receive: Receive, turn: Turn) -> None:
    """Note that a client disconnects, once its request has been read."""
    while (await receive())["type"] != "http.disconnect":
        pass
    turn.leave()


async def _read(receive: Receive, headers: dict[bytes, bytes], limit: int) -> bytes:
    """The whole body; TooLargeError as soon as it is known to be longer than `limit` bytes."""
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > limit:
        raise TooLargeError("body_too_long", limit=limit)
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body
    parts, length = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise UnavailableError("client_disconnected")
        parts.append(message.get("body", b""))
        length += len(parts[-1])
        if length > limit:
            raise TooLargeError("body_too_long", limit=limit)
    return b"".join(parts)
