"""Requests, and what is sent with each of them."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode

from tonebridge import signing
from tonebridge.types import TransformType

JSON = "application/json"
EVENTS = "text/event-stream"


@dataclass(frozen=True)
class Request:
    """A request to send, once or several times."""

    method: str
    path: str  # with its query
    content: bytes = b""
    content_type: str | None = None
    accept: str = "*/*"
    idempotency_key: str | None = None
    if_match: str | None = None  # the tag of the only state in which it is done
    bearer: str | None = None  # a token in place of the caller's
    is_repeatable: bool = True  # sent twice, it has one effect
    id: str = field(default_factory=lambda: str(uuid.uuid4()))  # in the gateway's log

    def headers(self) -> dict[str, str]:
        """Its headers, without credentials."""
        headers = {"Accept": self.accept, "X-Request-Id": self.id}
        if self.content_type is not None:
            headers["Content-Type"] = self.content_type
        if self.idempotency_key is not None:
            headers["Idempotency-Key"] = self.idempotency_key
        if self.if_match is not None:
            headers["If-Match"] = self.if_match
        return headers


class TaggedDocument(dict[str, Any]):
    """A document that was read, with the tag of its state."""

    tag: str


class TaggedList(list[Any]):
    """A list that was read, with the tag of its state."""

    tag: str


def tag_of(document: Any) -> str:
    """The tag (`ETag`) of the state of a document that a method has read, for `if_match` of the method that
    changes it. ValueError for what was not read by itself: the answer of a change has no tag.
    """
    if not isinstance(document, TaggedDocument | TaggedList):
        raise ValueError("this has no tag: read it by the method that gets it, such as get_rule")
    return document.tag


def get(path: str, **query: Any) -> Request:
    """A request that reads; fields of the query that are None are left out."""
    return Request("GET", path + _write_query(query))


def delete(path: str, **query: Any) -> Request:
    """A request that removes something. Done twice it is done once."""
    return Request("DELETE", path + _write_query(query))


def put(path: str, **fields: Any) -> Request:
    """A request that sets something, and may be repeated."""
    return Request("PUT", path, _encode(without_none(fields)), JSON)


def put_all(path: str, fields: Mapping[str, Any]) -> Request:
    """As `put`, with the fields that are None."""
    return Request("PUT", path, _encode(fields), JSON)


def patch(path: str, fields: Mapping[str, Any]) -> Request:
    """A request that changes something to what the fields say, and may be repeated."""
    return Request("PATCH", path, _encode(fields), JSON)


def unrepeatable(request: Request) -> Request:
    """The same request, which is not sent again once it may have been received."""
    return replace(request, is_repeatable=False)


def expecting(request: Request, if_match: str | None) -> Request:
    """The same request, which is done only while the document has this tag. It is not sent again once it may
    have been received: the document has another tag when it was done.
    """
    return request if if_match is None else replace(request, if_match=if_match, is_repeatable=False)


def post(path: str, fields: Mapping[str, Any] | None = None, *, is_repeatable: bool = False) -> Request:
    """A request that does something, without a key that would make it safe to repeat."""
    content, kind = (b"", None) if fields is None else (_encode(without_none(fields)), JSON)
    return Request("POST", path, content, kind, is_repeatable=is_repeatable)


def post_once(path: str, fields: Mapping[str, Any], key: str | None, *, accept: str = "*/*") -> Request:
    """A request that does something once, however often it is sent: by its Idempotency-Key."""
    return Request(
        "POST", path, _encode(without_none(fields)), JSON, accept, idempotency_key=key or make_key()
    )


def rewrite(
    text: str,
    transform_type: TransformType,
    intensity: int,
    user_id: str | None,
    locale: str | None,
    channel: str | None,
) -> dict[str, Any]:
    """The body of a request for a rewrite."""
    fields = {"text": text, "transform_type": transform_type, "intensity": intensity}
    return without_none({**fields, "user_id": user_id, "locale": locale, "channel": channel})


def make_key() -> str:
    """A new Idempotency-Key."""
    return str(uuid.uuid4())


def without_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def address(template: str, **ids: str) -> str:
    """A path with ids in it, whatever characters they have."""
    return template.format(**{name: quote(str(id), safe="") for name, id in ids.items()})


def _encode(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _write_query(query: Mapping[str, Any]) -> str:
    given = without_none(query)
    return f"?{urlencode(given, doseq=True)}" if given else ""


@dataclass
class Credentials:
    """Who calls: an API key, or a token of a person; and the keyid and secret that sign requests."""

    api_key: str | None = None
    token: str | None = None
    signing: tuple[str, str | bytes] | None = None

    def headers(self, method: str, url: str, content: bytes) -> dict[str, str]:
        """The headers that show who calls. Each attempt needs its own: a signature is accepted once."""
        headers = self.sign(method, url, content)
        if self.api_key is not None:
            headers["X-API-Key"] = self.api_key
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        return headers

    def sign(self, method: str, url: str, content: bytes) -> dict[str, str]:
        """The headers of a signature, if requests are signed."""
        if self.signing is None:
            return {}
        keyid, secret = self.signing
        return signing.sign(method, url, content, keyid, secret)

    @property
    def shown(self) -> str | None:
        """The key or token by itself, as a WebSocket shows it."""
        return self.api_key or self.token
