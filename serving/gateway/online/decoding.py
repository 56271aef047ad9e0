"""The message in the body of a request for a rewrite.

A fast decoder and pydantic validate alike: when the fast one does not accept a body, the model of the API's
page decides.
"""

import json
from typing import Annotated, Any, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError

from data.reasons import reason
from data.records import TransformType
from serving import events
from serving.gateway import problems
from serving.gateway.auth import Caller
from serving.gateway.online.bodies import CHANNEL, LOCALE, MAX_CHARACTERS, StreamableRequest
from serving.gateway.online.placement import Message
from serving.gateway.problems import InvalidError

_EVENTS = events.MEDIA_TYPE.encode()
Model = TypeVar("Model", bound=BaseModel)


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    """`StreamableRequest` without `stream`, as far as a decoder that takes a third of a microsecond can check
    it.
    """

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_CHARACTERS)]
    transform_type: TransformType
    intensity: Annotated[int, msgspec.Meta(ge=0, le=3)]
    user_id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    # In Python `$` also matches before a last line break, which Pydantic refuses.
    locale: Annotated[str, msgspec.Meta(pattern=LOCALE[:-1] + r"\Z")] | None = None
    channel: Annotated[str, msgspec.Meta(pattern=CHANNEL[:-1] + r"\Z")] | None = None


_decode = msgspec.json.Decoder(_Body).decode


def accepts_events(headers: dict[bytes, bytes]) -> bool:
    """Whether the client accepts server-sent events."""
    return _EVENTS in headers.get(b"accept", b"")


def decode_or_refuse(body: bytes, headers: dict[bytes, bytes], caller: Caller) -> tuple[Message, bool]:
    """The message in a body, and whether its answer is streamed; InvalidError, by field, when it is not
    valid.
    """
    accepts = accepts_events(headers)
    if (message := decode_fast(body, headers, caller)) is not None:
        return message, accepts
    request = validate(StreamableRequest, body, headers)
    return request.message(caller), accepts if request.stream is None else request.stream


def decode_fast(body: bytes, headers: dict[bytes, bytes], caller: Caller) -> Message | None:
    """The message in a body; None when it is not valid, or this decoder cannot tell."""
    if headers.get(b"content-type") != b"application/json":
        return None
    try:
        request = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    text, user_id = request.text, request.user_id
    if text.isspace() or "\0" in text:
        return None
    if user_id is not None and ("\0" in user_id or caller.subject not in (None, user_id)):
        return None
    return Message(text, request.transform_type, request.intensity, user_id, request.locale, request.channel)


def read_json(body: bytes, headers: dict[bytes, bytes]) -> Any:
    """The JSON of a body; InvalidError when it has none, or the headers do not say that it has."""
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if not (kind == b"application/json" or (kind.startswith(b"application/") and kind.endswith(b"+json"))):
        raise InvalidError({"body": reason("content_type_wrong")})
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidError({"body": reason("invalid_json_invalid", error=str(error))}) from error


def validate(model: type[Model], body: bytes, headers: dict[bytes, bytes]) -> Model:
    """The request in a body, as FastAPI reads it; InvalidError, by field, when it is not valid."""
    content = read_json(body, headers)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise InvalidError(problems.by_field(error.errors(include_url=False))) from error
