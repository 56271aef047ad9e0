"""Requests, responses and client of the inference service. It imports little, since the gateway uses it."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, TypeVar

import aiohttp
import msgspec
from aiohttp.http_exceptions import LineTooLong
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data.reasons import Reason, reason
from data.records import Engine, Form, Intensity, Spec, TransformType
from serving.breaker import Breaker

MAX_ITEMS = 100
_LONGEST_EVENT = 1 << 18  # bytes: a rewrite of 8,000 characters with all its facts
_LONGEST_TEXT = 50_000  # characters of a draft, more than any spec allows

T = TypeVar("T")


class Item(BaseModel):
    """One message to rewrite.

    A sampled rewrite is the same each time with a seed, and different without one. Items of one request with
    the same seed are drawn together: only the same items together give the same rewrites.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: Annotated[str, Field(min_length=1, max_length=8000)]
    transform_type: TransformType
    intensity: Intensity
    seed: Annotated[int, Field(ge=0, lt=2**32 - 1)] | None = None


class Rewritten(BaseModel):
    """One rewrite: its text, the facts of the message that it lost, and whether the model ended it itself.

    When the model cannot read the message, `text` is empty and `refusal` says why. When the version failed on
    this message, `text` is empty and `failure` says how. `unchanged` is the reason why `text` is the message
    itself; None when the model wrote it. `tokens` were written and `prompt_tokens` read, for all drafts;
    `cost_usd` is what a vendor takes for them.
    """

    text: Annotated[str, Field(pattern=r"^[^\x00]*$")]
    facts_missing: list[str]
    tokens: Annotated[int, Field(ge=0)]
    finished: bool
    refusal: Reason | None = None
    unchanged: Reason | None = None
    failure: str | None = None
    prompt_tokens: Annotated[int, Field(ge=0)] = 0
    cost_usd: Annotated[float, Field(ge=0)] = 0.0


def unwritable(item: Item) -> Rewritten:
    """A message in a language that the version cannot write is returned: it would write nonsense."""
    unchanged = reason("unchanged_language")
    return Rewritten(text=item.text, facts_missing=[], tokens=0, finished=True, unchanged=unchanged)


class RewriteReply(BaseModel):
    """The rewrites, in the order of the items, and the version that wrote them."""

    items: list[Rewritten]
    version: str


class Versions(BaseModel):
    """Versions in memory (`version/engine`, least recently used first) and in the store (oldest first)."""

    loaded: list[str]
    published: list[str]


class InferenceUnavailable(Exception):
    """No replica gave a usable answer in time. `reason` has the error of each replica; `was_called` is False
    when no replica was called, because every breaker was open.
    """

    def __init__(self, reason: str, was_called: bool = True) -> None:
        super().__init__(reason)
        self.reason, self.was_called = reason, was_called


class VersionFailed(InferenceUnavailable):
    """The replica answered 500: the version does not load, or fails. Or 422: the spec does not fit it."""


class VersionUnknown(Exception):
    """The version is not in the model store."""

    def __init__(self, version: str, published: Sequence[str] = ()) -> None:
        super().__init__(f"version {version!r} is not published; published: {', '.join(published) or 'none'}")
        self.version = version
        self.published = list(published)


class FormDiffers(Exception):
    """The spec names another form than the version writes."""

    def __init__(self, version: str, form: Form, asked: Form) -> None:
        super().__init__(f"version {version!r} writes {form}, not {asked}: set the spec's form to {form!r}")


class InferenceClient:
    """Calls the replicas of the inference service in turn over one shared session; `close()` it at the end.

    After three failures in a row a replica is not called for two seconds, then tried with one call. A replica
    that answers that one version fails does not count as failed: it can still serve the other versions.
    """

    def __init__(self, urls: Sequence[str], token: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives the breakers of the replicas the time in seconds."""
        if not urls:
            raise ValueError("there is no inference service to call: set TONEBRIDGE_INFERENCE_URLS")
        self._urls = [url.rstrip("/") for url in urls]
        self._breakers = {url: Breaker(failures=3, open_s=2.0, clock=clock) for url in self._urls}
        self._headers = {"Authorization": f"Bearer {token}"}
        self._next = itertools.count()
        self._session: aiohttp.ClientSession | None = None

    async def rewrite(self, spec: Spec, items: Sequence[Item], timeout_s: float = 30.0) -> list[Rewritten]:
        """Rewrites of 1 to 100 items, in their order.

        Each replica that is called has an equal share of the time that remains of `timeout_s`.
        Raises VersionUnknown when every replica that answered lacks the version, else InferenceUnavailable.
        """
        body: dict[str, object] = {
            "spec": spec.model_dump(mode="json"),
            "items": [item.model_dump(mode="json") for item in items],
        }

        async def call(url: str, timeout_s: float) -> list[Rewritten]:
            read = aiohttp.ClientResponse.read
            content = await self._post(f"{url}/rewrite", body, spec.version, timeout_s, read)
            return _read_reply(url, content, spec, len(items))

        return await self._call_in_turn(call, timeout_s)

    async def stream(
        self, spec: Spec, item: Item, show: Callable[[str], object], timeout_s: float = 30.0
    ) -> Rewritten:
        """The rewrite of one item, whose text so far `show` gets while it is written; last the whole text, if
        it got any. When a replica fails in the middle, the next one begins again.

        Errors as `rewrite`. A cancelled call closes its connection, which ends the generation, and counts as
        no failure of the replica.
        """
        body: dict[str, object] = {
            "spec": spec.model_dump(mode="json"), "item": item.model_dump(mode="json"),
        }  # fmt: skip

        async def call(url: str, timeout_s: float) -> Rewritten:
            def read(response: aiohttp.ClientResponse) -> Awaitable[Rewritten]:
                return _read_events(url, response.content, spec, show)

            return await self._post(f"{url}/stream", body, spec.version, timeout_s, read)

        return await self._call_in_turn(call, timeout_s, may_cancel=True)

    async def _call_in_turn(
        self,
        call: Callable[[str, float], Awaitable[T]],
        timeout_s: float,
        may_cancel: bool = False,
    ) -> T:
        """The answer of the first replica that gives one. With `may_cancel`, a call that is cancelled counts
        as no failure of its replica.
        """
        deadline = time.monotonic() + timeout_s
        first = next(self._next)
        replicas = [self._urls[(first + i) % len(self._urls)] for i in range(len(self._urls))]
        unknown: VersionUnknown | None = None
        faults, was_called = [], False
        for position, url in enumerate(replicas):
            breaker = self._breakers[url]
            if not breaker.allows():
                faults.append(f"{url}: not called, since it failed")
                continue
            share_s = (deadline - time.monotonic()) / (len(replicas) - position)
            try:
                answer = await call(url, share_s)
            except VersionUnknown as error:
                breaker.succeeded()  # it works, and lacks this version
                unknown = error
            except VersionFailed as error:
                breaker.succeeded()
                faults.append(error.reason)
                was_called = True
            except InferenceUnavailable as error:
                breaker.failed()
                faults.append(error.reason)
                was_called = True
            except asyncio.CancelledError:
                # It may have been the probe that decides.
                breaker.inconclusive() if may_cancel else breaker.failed()
                raise
            else:
                breaker.succeeded()
                return answer
        raise unknown or InferenceUnavailable("; ".join(faults), was_called)

    @property
    def open_breakers(self) -> int:
        """Replicas whose breaker is open."""
        return sum(breaker.is_open for breaker in self._breakers.values())

    async def load(self, version: str, engine: Engine, timeout_s: float = 120.0) -> None:
        """Make every replica load a version, one after another; raises at the first that cannot."""
        for url in self._urls:
            body: dict[str, object] = {"version": version, "engine": engine}
            await self._post(f"{url}/load", body, version, timeout_s, aiohttp.ClientResponse.read)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:  # made here, because it belongs to the running event loop
            # Idle connections are closed before the server closes them (5 s), so that no request meets that.
            self._session = aiohttp.ClientSession(
                headers=self._headers, connector=aiohttp.TCPConnector(keepalive_timeout=4, limit=0)
            )
        return self._session

    async def _post(
        self,
        url: str,
        body: dict[str, object],
        version: str,
        timeout_s: float,
        read: Callable[[aiohttp.ClientResponse], Awaitable[T]],
    ) -> T:
        """What `read` makes of a replica's response, once its status is 200."""
        limit = aiohttp.ClientTimeout(total=max(timeout_s, 0.001))

        async def send() -> T:
            async with self._open_session().post(
                url, json=body, timeout=limit, allow_redirects=False
            ) as response:
                if response.status != 200:
                    raise _refused(url, response.status, await response.read(), version)
                return await read(response)

        try:
            try:
                return await send()
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                if isinstance(error, aiohttp.ClientConnectorError):
                    raise  # no server listens
                # The server closed an idle connection just as this request took it. A second request changes
                # nothing there.
                return await send()
        except TimeoutError as error:
            raise InferenceUnavailable(f"{url}: no answer within {timeout_s:.1f} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise InferenceUnavailable(f"{url}: {type(error).__name__} {error}") from error


def _refused(url: str, status: int, content: bytes, version: str) -> Exception:
    """The error of a status other than 200."""
    if status == 404:
        return VersionUnknown(version)
    kind = VersionFailed if status in (422, 500) else InferenceUnavailable
    return kind(f"{url}: {status} {content[:200].decode(errors='replace')}")


def _read_reply(url: str, content: bytes, spec: Spec, count: int) -> list[Rewritten]:
    try:
        reply = RewriteReply.model_validate_json(content)
    except ValidationError as error:
        raise InferenceUnavailable(f"{url}: not a reply: {error.error_count()} faults") from error
    if reply.version != spec.version or len(reply.items) != count:
        raise InferenceUnavailable(f"{url}: {len(reply.items)} rewrites by {reply.version}")
    return reply.items


async def _read_events(
    url: str, stream: aiohttp.StreamReader, spec: Spec, show: Callable[[str], object]
) -> Rewritten:
    """The rewrite in the last event, after `show` got the text of those before it. No library: aiohttp has no
    reader of events, and the service writes each in one way.
    """
    text = ""
    while True:
        try:
            event = await stream.readuntil(b"\n\n", max_size=_LONGEST_EVENT)
        except (ValueError, LineTooLong) as error:
            raise InferenceUnavailable(f"{url}: an event without an end") from error
        if event.startswith(b":"):
            continue
        kind, _, data = event.removeprefix(b"event: ").rstrip(b"\n").partition(b"\ndata: ")
        if kind == b"answer":
            [rewritten] = _read_reply(url, data, spec, 1)
            if text and rewritten.text:  # of a version that failed, or refused the message, there is none
                show(rewritten.text)
            return rewritten
        if kind == b"error":
            raise VersionFailed(f"{url}: {data[:200].decode(errors='replace')}")
        if kind not in (b"delta", b"replace"):  # the stream has ended, or is none
            raise InferenceUnavailable(f"{url}: not an answer: {event[:60].decode(errors='replace')}")
        try:
            piece = _decode_piece(data).text
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InferenceUnavailable(f"{url}: not an event: {error}") from error
        text = text + piece if kind == b"delta" else piece
        if len(text) > _LONGEST_TEXT:
            raise InferenceUnavailable(f"{url}: a text of more than {_LONGEST_TEXT:,} characters")
        show(text)


class _Piece(msgspec.Struct):
    text: Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$")]


_decode_piece = msgspec.json.Decoder(_Piece).decode
