"""What clients of WebSockets ask for: every message is limited and answered as a request is."""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager

import prometheus_client
from websockets.frames import CloseCode

from data.reasons import reason
from data.traffic.notices import Subject
from experiments import drafts
from serving import events
from serving.gateway import problems, tasks
from serving.gateway.auth import Caller
from serving.gateway.online.bodies import check_speaks_for
from serving.gateway.online.front import Front
from serving.gateway.online.streaming import Stream
from serving.gateway.online.turns import Turn
from serving.gateway.parts import Parts
from serving.gateway.problems import (
    ForbiddenError,
    InProgressError,
    InvalidError,
    NotFoundError,
    TooManyRequestsError,
    UnavailableError,
    UnknownKeyError,
)
from serving.gateway.realtime import messages
from serving.gateway.realtime.connection import (
    FORBIDDEN,
    TOO_MANY,
    UNAUTHENTICATED,
    Connection,
    Limits,
    Topic,
)
from serving.gateway.realtime.feed import Feed
from serving.gateway.realtime.hub import Hub, find_position, name_subscription, write_cursor
from serving.gateway.realtime.messages import Authenticate, Cancel, Ping, Subscribe, Transform, Unsubscribe
from serving.gateway.routes import experiments
from serving.gateway.routes.jobs import find_requester
from serving.protocol import GuardedProtocol
from serving.request_counts import LEFT

log = logging.getLogger(__name__)

PATH = "/api/v1/ws"
MOST_TOPICS = 64  # of a connection
_CHECK_EVERY_S = 1.0  # whether keys and sessions are still in force
_CHECKED_TOGETHER = 200
_LIMITS = Limits()
_PONG = messages.encode("pong")


class Sockets:
    """The WebSockets of a gateway. Belongs to one event loop."""

    def __init__(
        self,
        parts: Parts,
        front: Front,
        hub: Hub,
        limits: Limits = _LIMITS,
        check_every_s: float = _CHECK_EVERY_S,
    ) -> None:
        """Whether the callers are still known is checked every `check_every_s`."""
        self._parts, self._front, self.hub = parts, front, hub
        self.limits, self._check_every_s = limits, check_every_s
        self._by_token: dict[str, set[Connection]] = {}
        self._by_key: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        registry = parts.telemetry.registry
        parts.telemetry.watch("tonebridge_sockets_open", "WebSockets of known callers", self._by_key.total)
        self._closed = prometheus_client.Counter(
            "tonebridge_sockets_closed", "WebSockets that have ended, by code", ["code"], registry=registry
        )

    def start(self) -> None:
        """Start to close connections whose key or session has ended."""
        self._start(tasks.keep(self._check_callers, "the end of keys and sessions"))

    async def stop(self) -> None:
        """Stop, and give up the rewrites in progress."""
        await tasks.end(list(self._tasks))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def open(self, guarded: GuardedProtocol, head: bytes) -> Connection:
        """Open a WebSocket on a connection, given the head of its request."""
        return Connection(self, guarded, head, self.limits)

    async def handle(self, connection: Connection, text: bytes) -> None:
        """Do what a message asks for; an error is sent back. Without a caller it also closes the
        connection.
        """
        id: str | None = None
        try:
            message = messages.decode(text)
            if isinstance(message, Authenticate):
                await self._authenticate(connection, message.token)
                return
            if isinstance(message, Transform | Cancel):
                id = message.id
            caller = connection.caller
            if caller is None:
                raise UnknownKeyError("socket_not_authenticated")
            if isinstance(message, Ping):  # takes no token, as those of the protocol
                connection.send(_PONG)
            elif isinstance(message, Transform):  # takes a token of its own route
                self._transform(connection, message)
            else:
                await self.take_token(caller)
                await self._answer(connection, caller, message)
        except Exception as error:  # the outermost edge of a message
            if problems.answer(error).status_code == 500:
                log.exception("a message failed with an unexpected error")
            connection.send(messages.refuse(error, id))
            if connection.caller is None:
                connection.close(close_code(error))

    async def take_token(self, caller: Caller) -> None:
        """Charge a caller for a message."""
        await self._parts.limiter.take(caller, PATH)

    async def join(self, connection: Connection, token: str) -> Caller | None:
        """Let a connection be that of a key or token, or of a new token of its caller; None when it has
        closed meanwhile. Raises as `Authenticator.identify`, `Cors.check_socket` and `Signatures` do, and
        when the plan allows no more. A new token needs no new signature: the connection has one handshake.
        """
        parts, former = self._parts, connection.caller
        parts.telemetry.refuse_when_overloaded()
        caller = await parts.authenticator.identify(token)
        head, signed_by = connection.head, connection.signed_by
        origin = parts.cors.find_foreign(head.headers) if head is not None else connection.origin
        parts.cors.check_socket(caller, origin)
        signature = parts.signatures.verify(head, caller) if head is not None else None
        await self.take_token(caller)
        if signature is not None:
            await parts.signatures.accept(signature, b"")
            signed_by = signature.keyid
        if not connection.is_open:
            return None
        key_id = caller.identity.key_id
        if former is None:
            limit = parts.plans[caller.identity.plan].sockets
            if self._by_key[key_id] >= limit:
                raise TooManyRequestsError("plan_sockets", plan=caller.identity.plan, limit=limit)
            self._by_key[key_id] += 1
        elif (former.identity, former.subject) != (caller.identity, caller.subject):
            # Also when the rights have changed: what was subscribed to may not be seen any more.
            raise InvalidError({"message": reason("socket_of_another_caller")})
        else:
            self._forget(connection)
        connection.accept(caller, token, signed_by, origin)
        self._by_token.setdefault(token, set()).add(connection)
        return caller

    async def _authenticate(self, connection: Connection, token: str) -> None:
        caller = await self.join(connection, token)
        if caller is None:
            return
        expires_at = int(caller.expires_at) if math.isfinite(caller.expires_at) else None
        ready = messages.encode(
            "ready",
            cursor=write_cursor(self.hub.position),
            expires_at=expires_at,
            resumes="anywhere" if self.hub.is_shared else "here",
            ping_every_s=self.limits.ping_every_s,
        )
        connection.send(ready)

    async def _answer(
        self, connection: Connection, caller: Caller, message: Subscribe | Unsubscribe | Cancel
    ) -> None:
        if isinstance(message, Cancel):
            turn = (connection.turns or {}).get(message.id)
            if turn is None:
                raise NotFoundError("socket_id_unknown")
            turn.leave()
            return
        topic = await self.find_topic(caller, message)
        named = {
            "channel": message.channel,
            "experiment_id": message.experiment_id,
            "user_id": message.user_id,
            "subscription": name_subscription(topic),
        }
        if isinstance(message, Unsubscribe):
            self.hub.unsubscribe(connection, topic)
            connection.send(messages.encode("unsubscribed", **named))
            return
        topics = connection.topics or ()
        if topic not in topics and len(topics) >= MOST_TOPICS:
            raise InvalidError({"message": reason("socket_channels_full", limit=MOST_TOPICS)})
        after = None if message.after is None else find_position(message.after, topic)
        cursor = write_cursor(after or self.hub.position, topic)
        confirmation = messages.encode("subscribed", **named, cursor=cursor)
        await self.hub.subscribe(connection, topic, message.after, confirmation)

    async def find_topic(self, caller: Caller, message: Subscribe | Unsubscribe) -> Topic:
        """The topic that a message names, if the caller may see it."""
        match message.channel:
            case Subject.JOBS:
                return Subject.JOBS, caller.identity.organisation_id, find_requester(caller)
            case Subject.ANSWERS:
                check_speaks_for(caller, message.user_id)
                return Subject.ANSWERS, caller.user(message.user_id)[0]
            case Subject.EXPERIMENTS:
                await experiments.viewer(self._parts, caller)
                if message.experiment_id is not None:
                    async with self._parts.pool.connection() as connection:
                        await drafts.get(connection, message.experiment_id)
                return Subject.EXPERIMENTS, message.experiment_id
            case Subject.RELEASES:
                return (Subject.RELEASES,)

    def _transform(self, connection: Connection, message: Transform) -> None:
        if message.id in (connection.turns or ()):
            raise InProgressError("socket_id_in_use")
        self._start(self._rewrite(connection, message, connection.begin_turn(message.id)))

    async def _rewrite(self, connection: Connection, message: Transform, turn: Turn) -> None:
        """Answer as the REST route does: the same function with the same headers and body."""
        assert connection.token is not None, "a caller has one"
        headers = {
            b"x-api-key": connection.token.encode(),
            b"content-type": b"application/json",
            b"accept": events.MEDIA_TYPE.encode(),
        }
        if message.idempotency_key is not None:
            headers[b"idempotency-key"] = message.idempotency_key.encode()
        try:
            codec = messages.codec(message.id)
            reply = await self._front.reply(headers, bytes(message.body), turn, None, codec)
            if isinstance(reply.content, Stream):
                await self._send_stream(connection, reply.content)
            elif reply.status == 200:
                connection.send(codec.encode("answer", reply.content))
            elif reply.status != LEFT:  # a rewrite that was given up has no answer, streamed or not
                retry_after = dict(reply.headers).get(b"retry-after", b"").decode()
                connection.send(messages.problem(reply.content, message.id, retry_after))
        finally:
            connection.end_turn(message.id)

    async def _send_stream(self, connection: Connection, stream: Stream) -> None:
        try:
            while (piece := await stream.read()) is not None:
                await connection.send_when_read(piece, self._front.stuck_s)
        except TimeoutError:
            connection.abort()
        finally:
            await stream.close()

    def leave(self, connection: Connection, code: int) -> None:
        """Forget a connection that has ended."""
        self._closed.labels(code).inc()
        self.hub.leave(connection)
        if connection.caller is not None:
            self._forget(connection)
            key_id = connection.caller.identity.key_id
            self._by_key[key_id] -= 1
            if not self._by_key[key_id]:
                del self._by_key[key_id]

    def _forget(self, connection: Connection) -> None:
        assert connection.token is not None, "a caller has one"
        same = self._by_token[connection.token]
        same.discard(connection)
        if not same:
            del self._by_token[connection.token]

    async def _check_callers(self) -> None:
        while True:
            await asyncio.sleep(self._check_every_s)
            unsure = [token for token in self._by_token if self._find_ended(token)]
            for start in range(0, len(unsure), _CHECKED_TOGETHER):
                part = unsure[start : start + _CHECKED_TOGETHER]
                await asyncio.gather(*map(self._check, part))

    def _find_ended(self, token: str) -> list[Connection]:
        """The connections of a token that may not stay open, as far as the gateway remembers whose it is."""
        now = self._parts.authenticator.recall(token)
        connections = self._by_token.get(token, ())
        return [each for each in connections if now is None or not _is_unchanged(each, now)]

    async def _check(self, token: str) -> None:
        """Close the connections of a token that is not in force any more, or has other rights now. They stay
        open while that cannot be told.
        """
        try:
            await self._parts.authenticator.identify(token)
        except UnknownKeyError:
            pass  # it is not remembered either, so all its connections have ended
        except UnavailableError:
            return
        for connection in self._find_ended(token):
            connection.close(UNAUTHENTICATED, "the key or session has ended, or its rights have changed")


def _is_unchanged(connection: Connection, now: Caller) -> bool:
    """Whether a connection may stay open now that its token is that of this caller: the rights are the same,
    the secret that signed its handshake is in force, and its page may still use the token.
    """
    caller, signed_by, origin = connection.caller, connection.signed_by, connection.origin
    assert caller is not None, "it is listed by its token"
    identity = now.identity
    return (
        (caller is now or caller.identity == identity)
        and (signed_by is None or signed_by in identity.request_secrets)
        and (origin is None or origin in identity.origins)
    )


@asynccontextmanager
async def running(parts: Parts, front: Front) -> AsyncIterator[Sockets]:
    """The WebSockets of a gateway whose parts run, and what feeds them."""
    # The stream of notices takes commands for each of them, and for waiting. With a budget each gateway takes
    # them from Postgres alone, so a client resumes at the same one only.
    url, redis_url = parts.settings.database_url, None if parts.meter.has_budget else parts.settings.redis_url
    assert url is not None, "checked by `parts.make`"
    hub = Hub(parts.pool, parts.receipt_secret, parts.telemetry.registry, is_shared=redis_url is not None)
    feed, sockets = Feed(url, redis_url, hub, parts.meter), Sockets(parts, front, hub)
    for part in (hub, feed, sockets):
        part.start()
    try:
        yield sockets
    finally:
        for part in (sockets, feed, hub):
            await part.stop()


def close_code(error: Exception, unauthenticated: int = UNAUTHENTICATED) -> int:
    """With which code a connection closes that could not be authenticated."""
    match error:
        case ForbiddenError():
            return FORBIDDEN
        case TooManyRequestsError():
            return TOO_MANY
        case UnavailableError():
            return CloseCode.TRY_AGAIN_LATER
        case _:
            return unauthenticated
