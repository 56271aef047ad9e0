"""The WebSocket: events as they happen, and rewrites on the same connection."""

import json
from asyncio import Condition, Lock, sleep
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tonebridge import errors, exchange
from tonebridge._async.streams import AsyncStream
from tonebridge.errors import (
    ForbiddenError,
    ToneBridgeError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
    UnreachableError,
)
from tonebridge.events import Draft, StreamEvent
from tonebridge.exchange import Credentials
from tonebridge.feed import Change, Channel, Reset
from tonebridge.retries import Attempts, Retries
from tonebridge.types import Answer, TransformType

_UNAUTHENTICATED, _FORBIDDEN, _TOO_MANY = 4401, 4403, 4429  # close codes
_MAX_BYTES = 16 * 1024 * 1024
_LOST = {"type": "lost"}  # in place of a reply that will not come: the connection broke


class _Subscription(NamedTuple):
    channel: Channel
    experiment_id: str | None
    user_id: str | None

    def message(self, type: str, after: str | None = None) -> dict[str, Any]:
        return exchange.without_none({"type": type, "after": after, **self._asdict()})


class AsyncSocket:
    """A WebSocket of one caller. It connects again when the connection breaks, subscribes to the same
    channels where it stopped, and sends rewrites again that are not answered.

    Iterate over it for what happens in the subscribed channels. `transform` and `stream` may be called while
    another task iterates: whoever waits for a message reads for all.
    """

    def __init__(
        self, url: str, credentials: Credentials, retries: Retries, reconnects: Retries, timeout_s: float
    ) -> None:
        """`retries` are those of a rewrite, `reconnects` those of the connection."""
        # A handshake is an HTTP request: that is the address which its signature is about.
        self._signed_url, self._url = url, "ws" + url.removeprefix("http")
        self._credentials, self._timeout_s = credentials, timeout_s
        self._retries, self._reconnects = retries, reconnects
        self._connection: ClientConnection | None = None
        self._failure: ToneBridgeError | None = None  # after which it does not connect again
        self._subscriptions: list[_Subscription] = []
        self._by_id: dict[str, _Subscription] = {}  # the gateway names them in what it sends
        self._cursors: dict[_Subscription, str] = {}
        self._events: deque[Change | Reset] = deque()
        self._replies: dict[str, deque[dict[str, Any]]] = {}  # by the id of a rewrite
        self._confirmations: deque[dict[str, Any]] = deque()
        self._one_command = Lock()  # what confirms a command does not say which
        self._changed = Condition()
        self._is_reading = self._is_closed = False

    def get_cursor(
        self, channel: Channel, *, experiment_id: str | None = None, user_id: str | None = None
    ) -> str | None:
        """The newest cursor of a subscription, from which another connection can go on with the same one
        (`after`). None without the subscription.
        """
        return self._cursors.get(_Subscription(channel, experiment_id, user_id))

    async def __aenter__(self) -> "AsyncSocket":
        await self._reconnect(self._retries.begin(True))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection. Whoever iterates over it comes to the end."""
        self._is_closed = True
        self._failure = UnreachableError("this socket was closed", was_sent=False)
        if self._connection is not None:
            await self._connection.close()

    def __aiter__(self) -> "AsyncSocket":
        return self

    async def __anext__(self) -> Change | Reset:
        try:
            change: Change | Reset = await self._take(self._events)
        except ToneBridgeError:
            if not self._is_closed:
                raise
            raise StopAsyncIteration from None
        return change

    async def subscribe(
        self,
        channel: Channel,
        *,
        experiment_id: str | None = None,
        user_id: str | None = None,
        after: str | None = None,
    ) -> None:
        """Get what happens in a channel from now on; with the cursor `after`, since then."""
        subscription = _Subscription(channel, experiment_id, user_id)
        confirmed = await self._command(subscription.message("subscribe", after))
        if subscription not in self._subscriptions:
            self._subscriptions.append(subscription)
        self._cursors.setdefault(subscription, confirmed["cursor"])

    async def unsubscribe(
        self, channel: Channel, *, experiment_id: str | None = None, user_id: str | None = None
    ) -> None:
        """Get what happens in a channel no longer."""
        subscription = _Subscription(channel, experiment_id, user_id)
        await self._command(subscription.message("unsubscribe"))
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
        self._cursors.pop(subscription, None)

    async def renew(self, token: str) -> None:
        """Go on with a new token of the same caller, before the one in use expires."""
        await self._command({"type": "auth", "token": token})
        if self._credentials.token is not None:
            self._credentials.token = token

    async def transform(
        self,
        text: str,
        transform_type: TransformType,
        intensity: int,
        *,
        user_id: str | None = None,
        locale: str | None = None,
        channel: str | None = None,
        idempotency_key: str | None = None,
    ) -> Answer:
        """Rewrite a message."""
        body = exchange.rewrite(text, transform_type, intensity, user_id, locale, channel)
        key = idempotency_key or exchange.make_key()
        async with AsyncStream(self._rewrite(body, key, shows_drafts=False)) as events:
            async for event in events:
                if event.answer is not None:
                    return event.answer
        raise AssertionError("the last event is the answer")

    def stream(
        self,
        text: str,
        transform_type: TransformType,
        intensity: int,
        *,
        user_id: str | None = None,
        locale: str | None = None,
        channel: str | None = None,
        idempotency_key: str | None = None,
    ) -> AsyncStream[StreamEvent]:
        """Rewrite a message, and show it as it is written. It is tried again only before its first event."""
        body = exchange.rewrite(text, transform_type, intensity, user_id, locale, channel)
        key = idempotency_key or exchange.make_key()
        return AsyncStream(self._rewrite(body, key, shows_drafts=True))

    async def _rewrite(
        self, body: dict[str, Any], key: str, *, shows_drafts: bool
    ) -> AsyncGenerator[StreamEvent, None]:
        attempts = self._retries.begin(True)
        while True:
            id, draft = exchange.make_key(), Draft()
            replies = self._replies[id] = deque()
            is_answered = False
            try:
                await self._send({"type": "transform", "id": id, "body": body, "idempotency_key": key})
                while not is_answered:
                    message = await self._take(replies)
                    if message is _LOST:
                        raise UnreachableError("the connection broke during the rewrite", was_sent=True)
                    is_answered = message["type"] in ("answer", "error")
                    event = draft.take(message["type"], message.get("data"), message.get("retry_after_s"))
                    yield event
                return
            except ToneBridgeError as error:
                if self._failure is not None or (shows_drafts and draft.has_begun):
                    raise
                is_answered = True  # there is nothing to give up
                wait_s = attempts.wait_s(error)
            finally:
                del self._replies[id]
                if not is_answered:  # the caller does not wait for it
                    with suppress(ToneBridgeError):
                        await self._send({"type": "cancel", "id": id})
            await sleep(wait_s)

    async def _command(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a message, and wait for its confirmation."""
        async with self._one_command:
            while True:
                self._confirmations.clear()
                await self._send(message)
                confirmed = await self._take(self._confirmations)
                if confirmed is not _LOST:
                    return _check(confirmed)

    async def _send(self, message: dict[str, Any]) -> None:
        if self._failure is not None:
            raise self._failure
        assert self._connection is not None, "`async with` opens it"
        with suppress(ConnectionClosed):  # whoever reads connects again, and says so to those who wait
            await self._connection.send(json.dumps(message))

    async def _take(self, waiting: "deque[Any]") -> Any:
        """The next of the messages that somebody waits for. One of those who wait reads for all."""
        while True:
            async with self._changed:
                while not waiting and self._is_reading:
                    await self._changed.wait()
                if waiting:
                    return waiting.popleft()
                self._is_reading = True
            try:
                await self._read()
            finally:
                async with self._changed:
                    self._is_reading = False
                    self._changed.notify_all()

    async def _read(self) -> None:
        if self._failure is not None:
            raise self._failure
        assert self._connection is not None, "`async with` opens it"
        try:
            message = json.loads(await self._connection.recv())
        except ConnectionClosed as closed:
            if self._failure is not None:
                raise self._failure from closed
            await self._reconnect(self._reconnects.begin(True), closed)
            return
        self._deliver(message)

    def _deliver(self, message: dict[str, Any]) -> None:
        kind, id = message["type"], message.get("id")
        if kind in ("event", "reset"):
            subscription, cursor = self._by_id.get(message["subscription"]), message["cursor"]
            if subscription is None:  # this socket has not asked for it
                return
            self._cursors[subscription] = cursor
            channel, experiment_id, user_id = subscription
            if kind == "event":
                self._events.append(Change(channel, cursor, message["data"], user_id, experiment_id))
            else:
                self._events.append(Reset(channel, cursor, user_id, experiment_id))
        elif id is not None:
            self._replies.get(id, deque()).append(message)
        else:
            self._note(message)
            self._confirmations.append(message)

    def _note(self, message: dict[str, Any]) -> None:
        """Note how the gateway names a subscription that it confirms: its events may follow at once."""
        if message["type"] == "subscribed":
            self._by_id[message["subscription"]] = _Subscription(
                message["channel"], message.get("experiment_id"), message.get("user_id")
            )

    async def _reconnect(self, attempts: Attempts, closed: ConnectionClosed | None = None) -> None:
        """Open a connection, with the subscriptions of the one before it."""
        failed = None if closed is None else _explain(closed)
        try:
            while True:
                if failed is not None:
                    await sleep(attempts.wait_s(failed))
                if self._failure is not None:  # it was closed meanwhile
                    raise self._failure
                try:
                    self._connection = await self._open()
                    break
                except (UnreachableError, TooManyRequestsError, UnavailableError) as error:
                    failed = error
        except ToneBridgeError as error:
            self._failure = error
            raise
        if self._is_closed:
            await self._connection.close()
        for replies in (*self._replies.values(), self._confirmations):
            replies.append(_LOST)

    async def _open(self) -> ClientConnection:
        headers = self._credentials.sign("GET", self._signed_url, b"")
        try:
            connection = await connect(
                self._url,
                additional_headers=headers,
                open_timeout=self._timeout_s,
                max_size=_MAX_BYTES,
            )
        except (OSError, InvalidHandshake, TimeoutError) as error:
            raise UnreachableError(f"no WebSocket at {self._url} ({error})", was_sent=False) from error
        try:
            await self._ask(connection, {"type": "auth", "token": self._credentials.shown})
            for subscription in self._subscriptions:
                after = self._cursors.get(subscription)
                await self._ask(connection, subscription.message("subscribe", after))
        except ConnectionClosed as closed:
            raise _explain(closed) from closed
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _ask(self, connection: ClientConnection, message: dict[str, Any]) -> None:
        """Send a message on a connection that nobody else reads yet, and read until it is confirmed."""
        await connection.send(json.dumps(message))
        while True:
            received = json.loads(await connection.recv())
            if received["type"] not in ("event", "reset"):
                self._note(_check(received))
                return
            self._deliver(received)


def _check(confirmed: dict[str, Any]) -> dict[str, Any]:
    if confirmed["type"] == "error":
        raise errors.from_problem(confirmed["data"], confirmed.get("retry_after_s"))
    return confirmed


def _explain(closed: ConnectionClosed) -> ToneBridgeError:
    received = closed.rcvd
    code, reason = (received.code, received.reason) if received else (1006, "")
    if code == _UNAUTHENTICATED:
        return UnauthorizedError(f"{code}: {reason or 'sign in again'}", status=401)
    if code == _FORBIDDEN:
        return ForbiddenError(f"{code}: {reason or 'this key or token may not'}", status=403)
    if code == _TOO_MANY:
        return TooManyRequestsError(f"{code}: {reason or 'wait before you connect again'}", status=429)
    return UnreachableError(f"the connection ended ({code} {reason})", was_sent=False)
