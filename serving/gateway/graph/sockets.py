"""Subscriptions over WebSockets, by the protocol graphql-transport-ws.

The WebSocket is that of `serving.gateway.realtime`: a client has as long to authenticate, to answer pings and
to read, its connections count against the plan, and they end with its key. The states of the protocol are
strawberry's.
"""

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, cast

import msgspec
from graphql import GraphQLError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler
from websockets.typing import Subprotocol

from data.reasons import ReasonedError
from serving.gateway.graph import trusted
from serving.gateway.graph.context import Context
from serving.gateway.graph.faults import explain
from serving.gateway.graph.schema import schema
from serving.gateway.online.front import Front
from serving.gateway.online.turns import Turn
from serving.gateway.parts import Parts
from serving.gateway.realtime import messages
from serving.gateway.realtime.connection import FORBIDDEN, Connection, Limits
from serving.gateway.realtime.sockets import MOST_TOPICS, Sockets, close_code
from serving.protocol import GuardedProtocol

LATE, MALFORMED = 4408, 4400  # close codes of the protocol; it has FORBIDDEN, too
_LIMITS = Limits(authenticate_s=10.0, late=LATE)
_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class _Init(msgspec.Struct, tag="connection_init"):
    payload: dict[str, Any] = {}


class _Operation(msgspec.Struct):
    query: str | None = None
    document_id: str | None = msgspec.field(default=None, name="documentId")
    variables: dict[str, Any] | None = None
    operation_name: str | None = msgspec.field(default=None, name="operationName")


class _Subscribe(msgspec.Struct, tag="subscribe"):
    id: _Id
    payload: _Operation


class _Complete(msgspec.Struct, tag="complete"):
    id: _Id


class _Ping(msgspec.Struct, tag="ping"):
    payload: Any = None


class _Pong(msgspec.Struct, tag="pong"):
    payload: Any = None


_check = msgspec.json.Decoder(_Init | _Subscribe | _Complete | _Ping | _Pong).decode


class _Channel:
    """Sends what a handler says over a connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def send_json(self, message: Mapping[str, object]) -> None:
        """Send a message."""
        text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
        self.connection.send(messages.frame(text.encode("utf-8", "replace")))

    async def close(self, code: int, reason: str) -> None:
        """Close the connection."""
        self.connection.close(code, _shorten(reason))


class _Handler(BaseGraphQLTransportWSHandler[Any, None]):
    """One connection's state. The connection itself waits for the first message and answers pings."""

    def __init__(self, subscriptions: "Subscriptions", connection: Connection) -> None:
        super().__init__(
            view=cast(Any, None),  # it would authenticate and encode
            websocket=cast(Any, _Channel(connection)),
            context=None,
            root_value=None,
            schema=schema(),
            connection_init_wait_timeout=timedelta(0),
            max_subscriptions_per_connection=MOST_TOPICS,
        )
        self._subscriptions, self._connection = subscriptions, connection

    async def handle_connection_init(self, message: Any) -> None:
        """Let the connection be that of the key or token in the payload."""
        if self.connection_init_received:
            await self.websocket.close(code=4429, reason="Too many initialisation requests")
            return
        self.connection_init_received = True
        token = message.get("payload", {}).get("token")
        self.context = await self._subscriptions.join(self._connection, token)
        if self.context is not None:
            await self.send_message({"type": "connection_ack"})
            self.connection_acknowledged = True

    async def handle_subscribe(self, message: Any) -> None:
        """Start an operation, whose document may be named as by POST."""
        if self.connection_acknowledged:
            payload = message["payload"]
            try:
                payload["query"] = self._subscriptions.choose(payload.get("query"), payload.get("documentId"))
            except ReasonedError as error:
                formatted = explain(GraphQLError(str(error), original_error=error)).formatted
                await self.send_message({"id": message["id"], "type": "error", "payload": [formatted]})
                return
        await super().handle_subscribe(message)


class Subscriptions:
    """The WebSockets of `/graphql`. Belongs to one event loop."""

    def __init__(self, parts: Parts, front: Front, sockets: Sockets) -> None:
        self._parts, self._front, self._sockets = parts, front, sockets
        self.limits = _LIMITS
        self._handlers: dict[Connection, _Handler] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def open(self, guarded: GuardedProtocol, head: bytes) -> Connection:
        """Open a WebSocket on a connection, as `serving.protocol.Upgrade` says."""
        connection = Connection(self, guarded, head, self.limits, Subprotocol(GRAPHQL_TRANSPORT_WS_PROTOCOL))
        self._handlers[connection] = _Handler(self, connection)
        return connection

    async def join(self, connection: Connection, token: Any) -> Context | None:
        """The context of the operations of a key or token; None when the connection has closed meanwhile.
        Raises as `Sockets.join` does.
        """
        caller = await self._sockets.join(connection, token if isinstance(token, str) else "")
        if caller is None:
            return None
        return Context(self._parts, self._front, caller, {}, Turn(), self._sockets)

    def choose(self, query: str | None, document_id: str | None) -> str:
        """The document of an operation, as `trusted.choose`."""
        return trusted.choose(self._parts.settings, query, document_id)

    async def handle(self, connection: Connection, text: bytes) -> None:
        """Do what a message asks for. A connection whose message cannot be read, or is one too many, is
        closed: the protocol has no other answer.
        """
        handler = self._handlers[connection]
        try:
            if connection.caller is not None:
                await self._sockets.take_token(connection.caller)
            _check(text)
            await handler.handle_message(msgspec.json.decode(text))
        except (msgspec.DecodeError, RecursionError) as error:
            connection.close(MALFORMED, _shorten(str(error)))
        except ReasonedError as error:
            connection.close(close_code(error, FORBIDDEN), _shorten(str(error)))

    def leave(self, connection: Connection, code: int) -> None:
        """Forget a connection that has ended, and end its subscriptions."""
        self._sockets.leave(connection, code)
        task = asyncio.create_task(self._handlers.pop(connection).shutdown())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def stop(self) -> None:
        """Wait until the subscriptions of ended connections have ended."""
        await asyncio.gather(*self._ending, return_exceptions=True)


def _shorten(reason: str) -> str:
    """A reason that fits into a close frame: 123 bytes of UTF-8."""
    return reason.encode()[:120].decode("utf-8", "ignore")
