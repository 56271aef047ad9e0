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
from contextlib import ExitStack
from typing import Any, NamedTuple, Protocol

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.flow_control import CLOSE_HEADER

from models.preview import Preview
from serving import events
from serving.gateway import cors, deprecation, problems, signatures
from serving.gateway.auth import Authenticator, Caller, credential
from serving.gateway.cors import Cors, OriginError
from serving.gateway.idempotency import Idempotency
from serving.gateway.online.answering import EncodedAnswer, Online
from serving.gateway.online.decoding import accepts_events, decode_fast, decode_or_refuse
from serving.gateway.online.placement import Message as ToRewrite
from serving.gateway.online.streaming import Stream
from serving.gateway.online.telemetry import Telemetry
from serving.gateway.online.turns import Turn, watched
from serving.gateway.problems import LeftError, TooLargeError, UnavailableError
from serving.gateway.rate import Limiter
from serving.gateway.signatures import Head, Signatures
from serving.observability import spans
from serving.protocol import REFUSED, GuardedProtocol
from serving.request_counts import LEFT, Kind, RequestCounts

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
_PROBES = frozenset({"/livez", "/readyz", "/metrics"})
_STUCK_S = 30.0  # that a client of a stream may read nothing while its buffers are full


def most_bytes(path: str) -> int:
    """The longest body of a request to a path, apart from the paths of further codecs."""
    if path.startswith("/api/v1/auth/"):
        return _MAX_BYTES_SIGNING_IN
    return _MAX_BYTES if path in (PATH, GRAPHQL_PATH) else _MAX_BYTES_OTHER


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
        self.counts = RequestCounts()
        self.heartbeat_s, self.stuck_s = heartbeat_s, stuck_s
        self._deprecated: dict[str, list[tuple[bytes, bytes]]] = {}  # headers of routes, by path

    def inject(
        self,
        authenticator: Authenticator,
        cors: Cors,
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
        self._authenticator, self._cors, self._signatures = authenticator, cors, signatures
        self._limiter, self._online = limiter, online
        self._idempotency, self._telemetry = idempotency, telemetry
        self._deprecated = deprecation.find_deprecated(self.behind, self._codecs)
        telemetry.export(self.counts)

    def open_socket(self, connection: GuardedProtocol, head: bytes) -> asyncio.Protocol:
        """Open a WebSocket, as `serving.protocol.Upgrade` says."""
        return self.sockets.open(connection, head)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for a rewrite and a preflight here, and any other request with FastAPI."""
        if scope["type"] != "http":
            await self.behind(scope, receive, send)
            return
        method, path, request = scope["method"], scope["path"], _Request(receive, send)
        kind = Kind.PROBE if path in _PROBES else Kind.OTHER
        try:
            if method == "OPTIONS" and (preflight := self.preflight(*_path_and_headers(scope))):
                kind = Kind.PREFLIGHT
                await request.send(
                    {"type": "http.response.start", "status": 204, "headers": preflight.headers}
                )
                await request.send({"type": "http.response.body", "body": b""})
            elif method == "POST" and (make_codec := self._codecs.get(path)) is not None:
                kind = Kind.REWRITE
                await self._transform(make_codec(), scope, request)
            else:
                await self._hand_on(scope, request.receive, request.send)
        finally:
            if request.has_left:
                kind = Kind.UNREAD
            if REFUSED not in scope:  # else it is counted already
                self.counts.add(kind, request.status)

    def preflight(self, path: bytes, headers: cors.Headers) -> Reply | None:
        """The response to an OPTIONS request, if it is a preflight. It is asked for no key, and counts in no
        rate: it costs as much as reading it.
        """
        allowed = cors.answer_preflight(path, headers)
        if allowed is None:
            return None
        self._telemetry.preflights.inc()
        return Reply(204, self._closing(allowed), b"")

    def at_once(self, headers: dict[bytes, bytes], body: bytes) -> Reply | None:
        """As `reply`, if the output is in memory and the request need not be refused. Otherwise None, and
        nothing is counted or stored. No header was sent twice.
        """
        began = time.perf_counter()
        token = credential(headers)
        caller = token and self._authenticator.recall(token)
        if not caller or b"idempotency-key" in headers or self.is_draining or self._telemetry.is_overloaded:
            return None
        identity = caller.identity
        if identity.requires_signatures or accepts_events(headers):
            return None
        origin = headers.get(b"origin")
        if identity.is_browser if origin is None else origin not in identity.origins:
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
        reply = self._succeed(caller, answer, 200, answer.body, headers, request_id, began, origin)
        if self._deprecated:
            self._announce(PATH, reply, headers)
        return reply

    async def reply(
        self,
        headers: dict[bytes, bytes],
        body: bytes | Callable[[], Awaitable[bytes]],
        turn: Turn,
        head: Head | None,
        codec: Codec = _TRANSFORM,
    ) -> Reply:
        """The response to a request for a rewrite: an answer, a stream that has begun, or a problem. `body`
        may be a function that reads it, called once the caller is admitted.

        `head` is what a signature covers, and has the origin of a page; None for a part of a request, or a
        message of a WebSocket, whose signature and origin have been checked.

        All codecs share the rate of `PATH`, so another form of a request gives nobody a second one.
        """
        if not spans.is_on():
            reply = await self._reply(headers, body, turn, head, codec)
        else:
            with spans.joined(spans.trace_headers(headers)):
                reply = await self._reply(headers, body, turn, head, codec)
        if self._deprecated and head is not None:  # else it came by another route
            self._announce(codec.path, reply, headers)
        return reply

    def _announce(self, path: str, reply: Reply, headers: dict[bytes, bytes]) -> None:
        """Say in a response that its route is deprecated, if it is, and count the request."""
        notice = self._deprecated.get(path)
        if notice is None or reply.status == LEFT:
            return
        token = credential(headers)
        caller = self._authenticator.recall(token) if token else None
        self._telemetry.deprecated(path, caller, dict(reply.headers)[b"x-request-id"])
        reply.headers.extend(notice)

    async def _reply(
        self,
        headers: dict[bytes, bytes],
        body: bytes | Callable[[], Awaitable[bytes]],
        turn: Turn,
        head: Head | None,
        codec: Codec,
    ) -> Reply:
        began = time.perf_counter()
        request_id = self._telemetry.request_id(headers)
        origin = cors.find_origin(head.headers) if head is not None and b"origin" in headers else None
        try:
            self._telemetry.refuse_when_overloaded()
            token = credential(headers)
            caller = (token and self._authenticator.recall(token)) or await self._authenticator.identify(
                token
            )
            # Before the rate: a page that may not use a key, and a key without its secret, use up nothing.
            if head is not None and (origin is not None or caller.identity.is_browser):
                self._cors.check(caller, codec.path, head.headers)
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
                    stream = self._stream(codec, caller, message, headers, content, request_id, began, turn)
                else:
                    work = self._answer(codec, caller, message, headers, content)
                    answer, status, encoded = await turn.unless_left(work)
            finally:
                if stream is None:  # else it keeps its place until it is closed
                    self._limiter.leave(caller)
            if stream is not None:
                return await self._begin(codec, stream, caller, request_id, origin)
        except LeftError:
            self._telemetry.refused(codec.path, LEFT, time.perf_counter() - began, request_id)
            return Reply(LEFT, [], b"")  # which nobody reads
        except Exception as error:  # the outermost edge of a request
            problem = self._refuse(codec, error, request_id, began)
            refused = [*problem.raw_headers, (b"x-request-id", request_id), _NOT_SNIFFED]
            if origin is not None:
                refused += cors.headers_of(origin, isinstance(error, OriginError))
            return Reply(problem.status_code, self._closing(refused), bytes(problem.body))
        reply = self._succeed(caller, answer, status, encoded, headers, request_id, began, origin)
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
        turn: Turn,
    ) -> Stream:
        async def make(preview: Preview) -> bytes:
            # A draft that is not shown is made, too: its generation ends when the client leaves.
            seen = preview if codec.shows_drafts else Preview()
            answer, _, encoded = await self._answer(codec, caller, message, headers, body, seen)
            total_s = time.perf_counter() - began
            self._telemetry.answered(answer, total_s, caller.identity, request_id, headers)
            return encoded

        def refuse(error: Exception) -> tuple[int, bytes]:
            problem = self._refuse(codec, error, request_id, began)
            return problem.status_code, bytes(problem.body)

        def close(stream: Stream) -> None:
            self._limiter.leave(caller)
            first_token_s = None if stream.first_token_at is None else stream.first_token_at - began
            self._telemetry.stream_ended(first_token_s, stream.was_abandoned)

        self._telemetry.stream_began()
        return Stream(make, refuse, turn, self.heartbeat_s, close, codec.encode, codec.heartbeat)

    async def _begin(
        self, codec: Codec, stream: Stream, caller: Caller, request_id: bytes, origin: bytes | None
    ) -> Reply:
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
        if origin is not None:
            headers += cors.headers_of_allowed(origin)
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
        origin: bytes | None,
    ) -> Reply:
        """A response with an answer. Without an origin it has no Vary: caches keep no answer to a POST that
        does not say for how long (RFC 9110, 9.3.3), and the header would cost time.
        """
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
        if origin is not None:
            answer_headers += cors.headers_of_allowed(origin)
        return Reply(status, self._closing(answer_headers), content)

    def _closing(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        if self.is_draining:
            headers.append(CLOSE_HEADER)
        return headers

    async def _transform(self, codec: Codec, scope: Scope, request: "_Request") -> None:
        headers, turn = dict(scope["headers"]), Turn()
        receive, send = request.receive, request.send
        with ExitStack() as watching:

            async def read() -> bytes:
                body = await _read(receive, headers, codec.max_bytes)
                watching.enter_context(watched(receive, turn))
                return body

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
                request.status = content.status
            await send({"type": "http.response.body", "body": b""})

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
        """Let FastAPI answer, with a bound on the body's length. A page may read the answer unless the caller
        was found to be none of those whose keys it may use.
        """
        began, status, headers = time.perf_counter(), 500, dict(scope["headers"])
        request_id = self._telemetry.request_id(headers)
        path, sent = _path_and_headers(scope)
        limit = most_bytes(scope["path"])
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
                message["headers"] += deprecation.headers_of(scope.get("route"))
                if cors.is_for_pages(path):
                    is_refused = scope.get(cors.IS_REFUSED, False)
                    message["headers"] += cors.headers_of(cors.find_origin(sent), is_refused)
                if self.is_draining:
                    message["headers"].append(CLOSE_HEADER)
            await send(message)

        with spans.joined(spans.trace_headers(headers)):
            try:
                await self.behind(scope, receive_bounded, send_counted)
            finally:
                route: Any = scope.get("route")
                name = route.path if route is not None else "unknown"
                total_s = time.perf_counter() - began
                self._telemetry.refused(name, status, total_s, request_id)
                self._telemetry.handed_on(scope["method"], name, status, total_s, request_id, headers)
                if deprecation.headers_of(route):
                    token = credential(headers)
                    caller = self._authenticator.recall(token) if token else None
                    self._telemetry.deprecated(name, caller, request_id)


class _Request:
    """The messages of a request by ASGI, and the status with which it is counted."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._is_whole = self._is_answered = False
        self.status = 500  # of an application that fails before it answers
        self.has_left = False  # before all of the request was read, and before an answer

    async def receive(self) -> Message:
        """As ASGI's."""
        message = await self._receive()
        if message["type"] != "http.disconnect":
            self._is_whole = not message.get("more_body", False)
        elif not self._is_whole and not self._is_answered:
            self.has_left, self.status = True, LEFT
        return message

    async def send(self, message: Message) -> None:
        """As ASGI's."""
        if message["type"] == "http.response.start" and not self.has_left:
            self._is_answered, self.status = True, message["status"]
        await self._send(message)


def _path_and_headers(scope: Scope) -> tuple[bytes, cors.Headers]:
    return scope["path"].encode("utf-8", "replace"), scope["headers"]


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
