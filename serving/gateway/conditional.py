"""Conditional requests (RFC 9110, 13): each document that a GET shows has an ETag. A client that has the
document already gets 304 without it, and a change with `If-Match` is made only while the document is as it
was.

The tag is a digest of what is sent, so no route can forget to change it. The route still reads the document:
304 saves the transfer, and a client the parsing.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Request
from pydantic import TypeAdapter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.gateway.problems import ChangedError

_PATHS = ("/api/v1/", "/v1/models")
_JSON = b"application/json"
# Browsers keep a document, and ask before they show it again. No cache that people share may keep it.
_CACHE_CONTROL = (b"cache-control", b"private, no-cache")
_VARY = (b"vary", b"X-API-Key, Authorization")
_OF_THE_BODY = (b"content-length", b"content-type")
# The opaque tag of each entity tag: `W/` before it makes no difference here (RFC 9110, 13.1.2).
_TAG = re.compile(rb'"[\x21\x23-\x7e\x80-\xff]*"')
# The same with what is before it, which makes a tag a weak one: those match no change (13.1.1).
_STRONG_OR_WEAK = re.compile(rb'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_HEADERS = {"ETag": {"$ref": "#/components/headers/ETag"}}

Headers = list[tuple[bytes, bytes]]


def make_tag(body: bytes, headers: Headers) -> bytes:
    """The strong entity tag of a document. The link to the next page counts: it may change alone."""
    digest = blake2b(body, digest_size=16)
    for name, value in headers:
        if name == b"link":
            digest.update(b"\0" + value)
    return b'"' + digest.hexdigest().encode() + b'"'


def matches(tag: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether one of the If-None-Match headers names a tag, or any (`*`)."""
    values = [value for name, value in headers if name == b"if-none-match"]
    return any(value.strip() == b"*" or tag in _TAG.findall(value) for value in values)


@lru_cache
def _adapt(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def tag_of(document: Any) -> bytes:
    """The tag that a document has when a GET shows it: FastAPI writes it in the same way."""
    kind: Any = type(document)  # mypy takes no type for hashable
    return make_tag(_adapt(kind).dump_json(document, by_alias=True), [])


class Precondition:
    """What `If-Match` of a request says: the tags of the states in which the change may be made."""

    def __init__(self, values: Iterable[bytes]) -> None:
        """`values` are those of all headers with the name."""
        self._values = list(values)

    @property
    def is_given(self) -> bool:
        """Whether the request has the header. Then lock what it changes before it is read for `check`."""
        return bool(self._values)

    def check(self, document: Any) -> None:
        """ChangedError when the header does not name the present state, of which a GET shows a document."""
        if not self._values or any(value.strip() == b"*" for value in self._values):
            return
        tags = [
            tag for value in self._values for is_weak, tag in _STRONG_OR_WEAK.findall(value) if not is_weak
        ]
        if not tags:
            raise ChangedError("if_match_not_strong")
        if tag_of(document) not in tags:
            raise ChangedError("changed_meanwhile")


async def precondition(
    request: Request,
    _if_match: Annotated[
        str | None,
        Header(
            alias="If-Match",
            description="the `ETag` of the state that you have read: the change is made only while that is"
            " the present state; `*` for any state",
            examples=['"5d41402abc4b2a76b9719d911017c592"'],
        ),
    ] = None,
) -> Precondition:
    """The precondition of a change. `_if_match` only documents the header, which may be repeated."""
    return Precondition(value for name, value in request.scope["headers"] if name == b"if-match")


Expected = Annotated[Precondition, Depends(precondition)]


class ConditionalGet:
    """ASGI middleware. It holds a response back until the first part of its body is there; a response in
    several parts, as a file is, goes on without a tag.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith(_PATHS):
            await self._app(scope, receive, send)
            return
        held: Message | None = None

        async def send_tagged(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start" and _is_document(message):
                held = message
                return
            if held is not None:
                start, held = held, None
                if not message.get("more_body", False):
                    message = _tag(start, message, scope["headers"])
                await send(start)
            await send(message)

        await self._app(scope, receive, send_tagged)


def _is_document(start: Message) -> bool:
    return start["status"] == 200 and dict(start["headers"]).get(b"content-type") == _JSON


def _tag(start: Message, body: Message, asked: Iterable[tuple[bytes, bytes]]) -> Message:
    """Tag the start of a response. Returns the body to send, which is empty when the client has it."""
    content = body.get("body", b"")
    headers: Headers = list(start["headers"])
    tag = make_tag(content, headers)
    headers += [(b"etag", tag), _VARY]
    if not any(name == b"cache-control" for name, _ in headers):
        headers.append(_CACHE_CONTROL)
    if matches(tag, asked):
        start["status"] = 304
        headers = [header for header in headers if header[0] not in _OF_THE_BODY]
        body = {**body, "body": b""}
    start["headers"] = headers
    return body


def install(app: FastAPI) -> None:
    """Answer conditional requests."""
    app.add_middleware(ConditionalGet)


def describe(path: str, responses: dict[str, Any]) -> None:
    """Add to what the description says of a GET: the header ETag, and 304, if it shows a document."""
    document = responses.get("200", {})
    if path.startswith(_PATHS) and "application/json" in document.get("content", {}):
        document["headers"] = {**document.get("headers", {}), **_HEADERS}  # routes share theirs
        responses["304"] = {
            "description": "`If-None-Match` names the document as it is now",
            "headers": dict(_HEADERS),
        }
