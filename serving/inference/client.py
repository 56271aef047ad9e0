"""Requests, responses and client of the inference service. It imports little, since the gateway uses it."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Annotated, TypeVar

import aiohttp
import msgspec
from aiohttp.http_exceptions import LineTooLong
from opentelemetry.trace import SpanKind
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data.reasons import Reason, reason
from data.records import Engine, Form, Intensity, Spec, Term, TransformType
from data.terms import MOST_FOUND
from serving.breaker import Breaker
from serving.observability import spans

MAX_ITEMS = 100
REMAINING = "X-Remaining-Ms"  # for each item, the milliseconds within which its computation has to begin
LIST_ID = "X-List-Id"  # of a list, single items of which may be given up
_GIVE_UP_S = 5.0  # that a replica may take to give up an item
_LONGEST_EVENT = 1 << 18  # bytes: a rewrite of 8,000 characters with all its facts
_LONGEST_TEXT = 50_000  # characters of a draft, more than any spec allows

T = TypeVar("T")


class Item(BaseModel):
    """One message to rewrite. `terms` are those of dictionaries that it has.

    A sampled rewrite is the same each time with a seed, and different without one. Items of one request with
    the same seed are drawn together: only the same items together give the same rewrites.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: Annotated[str, Field(min_length=1, max_length=8000)]
    transform_type: TransformType
    intensity: Intensity
    seed: Annotated[int, Field(ge=0, lt=2**32 - 1)] | None = None
    terms: Annotated[tuple[Term, ...], Field(max_length=MOST_FOUND)] = ()

    def dump(self) -> dict[str, object]:
        """Its JSON, without what is not set, so that a service of the release before reads it."""
        return self.model_dump(mode="json", exclude_defaults=True)


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
    is_late: bool = False  # its deadline had passed, so nothing was computed and `text` is empty
    release: Annotated[str | None, Field(exclude=True)] = None  # as the reply has it


def unwritable(item: Item) -> Rewritten:
    """A message in a language that the version cannot write is returned: it would write nonsense."""
    unchanged = reason("unchanged_language")
    return Rewritten(text=item.text, facts_missing=[], tokens=0, finished=True, unchanged=unchanged)


class RewriteReply(BaseModel):
    """The rewrites, in the order of the items, the version that wrote them, and the service's release."""

    items: list[Rewritten]
    version: str
    release: Annotated[str | None, Field(max_length=64)] = None  # a service of the release before has none


class Versions(BaseModel):
    """Versions in memory (`version/engine`, least recently used first) and in the store (oldest first)."""

    loaded: list[str]
    published: list[str]


class InferenceUnavailable(Exception):
    """No replica gave a usable answer in time. `reason` has the error of each replica; `was_called` is False
    when no replica was called, because every breaker was open. `is_busy` is True when the version answered
    other calls while this one waited.
    """

    def __init__(self, reason: str, was_called: bool = True, is_busy: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.was_called, self.is_busy = reason, was_called, is_busy


class NoAnswerInTime(InferenceUnavailable):
    """A replica has not answered within its share of the time."""


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
    that answers that one version fails does not count as failed: it can still serve the other versions. Nor
    does one that is too late for a call while it answers others: it is busy, and to stop calling it would
    waste what it can do.
    """

    def __init__(self, urls: Sequence[str], token: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives the breakers of the replicas the time in seconds."""
        if not urls:
            raise ValueError("there is no inference service to call: set TONEBRIDGE_INFERENCE_URLS")
        self._urls = [url.rstrip("/") for url in urls]
        self._breakers = {url: Breaker(failures=3, open_s=2.0, clock=clock) for url in self._urls}
        self._headers = {"Authorization": f"Bearer {token}"}
        self._next = itertools.count()
        self._answered: Counter[str] = Counter()  # calls, by replica and by version
        self._replicas: dict[str, str] = {}  # that work on lists, by the lists' ids
        self._session: aiohttp.ClientSession | None = None

    async def rewrite(
        self,
        spec: Spec,
        items: Sequence[Item],
        timeout_s: float = 30.0,
        deadlines: Sequence[float] | None = None,
        list_id: str | None = None,
    ) -> list[Rewritten]:
        """Rewrites of 1 to 100 items, in their order. With `deadlines`, by `time.monotonic`, an item that the
        service has not begun by its own comes back as late. With a `list_id`, which no other call has,
        `give_up` can end single items.

        Each replica that is called has an equal share of the time that remains of `timeout_s`.
        Raises VersionUnknown when every replica that answered lacks the version, else InferenceUnavailable. A
        cancelled call closes its connection, which ends the generation, and counts as no failure of the
        replica.
        """
        body: dict[str, object] = {
            "spec": spec.model_dump(mode="json"),
            "items": [item.dump() for item in items],
        }

        async def call(url: str, timeout_s: float) -> list[Rewritten]:
            headers = _remaining(deadlines)
            if list_id is not None:
                self._replicas[list_id] = url
                headers[LIST_ID] = list_id
            read = aiohttp.ClientResponse.read
            content = await self._post(f"{url}/rewrite", body, spec.version, timeout_s, read, headers)
            return _read_reply(url, content, spec, len(items))

        try:
            return await self._call_in_turn(call, spec.version, timeout_s)
        finally:
            self._replicas.pop(list_id or "", None)

    async def give_up(self, list_id: str, index: int) -> None:
        """End the generation of one item of a list in progress; the others go on. It is only finished with
        them where that is not possible: at a replica that fails or is of the release before.
        """
        url = self._replicas.get(list_id)
        if url is None:
            return
        body: dict[str, object] = {"list_id": list_id, "index": index}
        with suppress(InferenceUnavailable, VersionUnknown):
            await self._post(f"{url}/give_up", body, "", _GIVE_UP_S, aiohttp.ClientResponse.read)

    async def stream(
        self,
        spec: Spec,
        item: Item,
        show: Callable[[str], object],
        timeout_s: float = 30.0,
        deadline: float | None = None,
    ) -> Rewritten:
        """The rewrite of one item, whose text so far `show` gets while it is written; last the whole text, if
        it got any. When a replica fails in the middle, the next one begins again. `deadline` as in `rewrite`.

        Errors as `rewrite`, and a cancelled call, too.
        """
        body: dict[str, object] = {
            "spec": spec.model_dump(mode="json"), "item": item.dump(),
        }  # fmt: skip

        async def call(url: str, timeout_s: float) -> Rewritten:
            def read(response: aiohttp.ClientResponse) -> Awaitable[Rewritten]:
                return _read_events(url, response.content, spec, show)

            headers = _remaining(None if deadline is None else [deadline])
            return await self._post(f"{url}/stream", body, spec.version, timeout_s, read, headers)

        return await self._call_in_turn(call, spec.version, timeout_s)

    async def _call_in_turn(
        self, call: Callable[[str, float], Awaitable[T]], version: str, timeout_s: float
    ) -> T:
        """The answer of the first replica that gives one."""
        deadline = time.monotonic() + timeout_s
        first = next(self._next)
        replicas = [self._urls[(first + i) % len(self._urls)] for i in range(len(self._urls))]
        unknown: VersionUnknown | None = None
        faults, was_called, is_failed = [], False, False
        answered_before = self._answered[version]
        for position, url in enumerate(replicas):
            breaker = self._breakers[url]
            if not breaker.allows():
                faults.append(f"{url}: not called, since it failed")
                continue
            share_s = (deadline - time.monotonic()) / (len(replicas) - position)
            answered_here = self._answered[url]
            try:
                answer = await call(url, share_s)
            except VersionUnknown as error:
                self._succeed(url)  # it works, and lacks this version
                unknown = error
            except VersionFailed as error:
                self._succeed(url)
                faults.append(error.reason)
                was_called = is_failed = True
            except NoAnswerInTime as error:
                # A replica that hangs answers nobody.
                breaker.inconclusive() if self._answered[url] > answered_here else breaker.failed()
                faults.append(error.reason)
                was_called = True
            except InferenceUnavailable as error:
                breaker.failed()
                faults.append(error.reason)
                was_called = is_failed = True
            except asyncio.CancelledError:
                breaker.inconclusive()  # it may have been the probe that decides
                raise
            else:
                self._succeed(url)
                self._answered[version] += 1
                return answer
        is_busy = not is_failed and self._answered[version] > answered_before
        raise unknown or InferenceUnavailable("; ".join(faults), was_called, is_busy)

    def _succeed(self, url: str) -> None:
        self._breakers[url].succeeded()
        self._answered[url] += 1

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
        headers: Mapping[str, str] = {},
    ) -> T:
        """What `read` makes of a replica's response, once its status is 200."""
        limit = aiohttp.ClientTimeout(total=max(timeout_s, 0.001))

        async def send() -> T:
            with spans.span("inference", SpanKind.CLIENT):
                async with self._open_session().post(
                    url,
                    json=body,
                    timeout=limit,
                    allow_redirects=False,
                    headers={**spans.inject(), **headers},
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
            raise NoAnswerInTime(f"{url}: no answer within {timeout_s:.1f} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise InferenceUnavailable(f"{url}: {type(error).__name__} {error}") from error


def _remaining(deadlines: Sequence[float] | None) -> dict[str, str]:
    """The header with what remains: durations, since clocks of two machines differ."""
    if deadlines is None:
        return {}
    now = time.monotonic()
    return {REMAINING: ",".join(f"{max(0.0, deadline - now) * 1000:.0f}" for deadline in deadlines)}


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
    for rewritten in reply.items:
        rewritten.release = reply.release
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
