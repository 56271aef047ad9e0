"""What client and gateway send each other over a WebSocket: JSON objects with a `type`."""

import uuid
from typing import Annotated, Any

import msgspec
from websockets.frames import OP_TEXT, Frame

from data.reasons import reason
from data.traffic.notices import Subject
from serving.gateway import problems
from serving.gateway.online.front import TransformCodec
from serving.gateway.problems import InvalidError

MAX_BYTES = 128 * 1024  # of a message, as of the body of a request for a rewrite

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class Authenticate(msgspec.Struct, tag="auth", forbid_unknown_fields=True):
    """The first message: an API key or a token. Later, a new token of the same caller."""

    token: Annotated[str, msgspec.Meta(min_length=1)]


class _OfChannel(msgspec.Struct, forbid_unknown_fields=True):
    channel: Subject
    experiment_id: uuid.UUID | None = None  # of `experiments`; without it, all
    # Of `answers`, with an API key: the caller's name for the person.
    user_id: Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"\A[^\x00]*\Z")] | None = None


class Subscribe(_OfChannel, tag="subscribe"):
    """Show the events of a channel; those after a cursor, too, if it is given."""

    after: str | None = None


class Unsubscribe(_OfChannel, tag="unsubscribe"):
    """Show the events of a channel no longer."""


class Transform(msgspec.Struct, tag="transform", forbid_unknown_fields=True):
    """Rewrite a message. `body` is that of `POST /api/v1/transform`; what is sent about it has its `id`."""

    id: _Id
    body: msgspec.Raw
    idempotency_key: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None


class Cancel(msgspec.Struct, tag="cancel", forbid_unknown_fields=True):
    """Give up a rewrite."""

    id: _Id


class Ping(msgspec.Struct, tag="ping", forbid_unknown_fields=True):
    """Answer with `pong`. For pages in browsers, which can send no ping of WebSockets and see none."""


Message = Authenticate | Subscribe | Unsubscribe | Transform | Cancel | Ping

_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
_encode = msgspec.json.Encoder().encode


def decode(text: bytes) -> Message:
    """The message in a frame's text; InvalidError says what is wrong with it."""
    try:
        return _decoder.decode(text)
    except msgspec.DecodeError as error:
        raise InvalidError({"message": reason("socket_message_invalid", error=str(error))}) from error


def frame(text: bytes) -> bytes:
    """A WebSocket frame with a text. The frames of a server are not masked, so one may go to many clients."""
    return Frame(OP_TEXT, text).serialize(mask=False)


def encode(type: str, **fields: Any) -> bytes:
    """The frame of a message; fields that are None are left out."""
    named = {name: value for name, value in fields.items() if value is not None}
    return frame(_encode({"type": type, **named}))


def read(frame: bytes) -> dict[str, Any]:
    """The message in a frame that `encode` has made."""
    head = {126: 4, 127: 10}.get(frame[1], 2)  # RFC 6455, 5.2
    message: dict[str, Any] = msgspec.json.decode(frame[head:])
    return message


def refuse(error: Exception, id: str | None = None) -> bytes:
    """The frame that says why something was not done: a problem (RFC 9457), of the rewrite with an id."""
    response = problems.answer(error)
    return problem(bytes(response.body), id, response.headers.get("retry-after"))


def problem(document: bytes, id: str | None, retry_after_s: str | None = None) -> bytes:
    """The frame of a problem; with the seconds to wait, if it is worth trying again."""
    seconds = int(retry_after_s) if retry_after_s else None
    return encode("error", id=id, data=msgspec.Raw(document), retry_after_s=seconds)


def codec(id: str) -> TransformCodec:
    """How the rewrite with an id is written. A WebSocket has pings, and needs no heartbeats."""

    def encode_event(kind: str, document: bytes) -> bytes:
        return encode(kind, id=id, data=msgspec.Raw(document))

    return TransformCodec(encode_event, heartbeat=b"")
