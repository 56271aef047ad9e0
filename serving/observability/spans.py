"""Spans for a collector that speaks OTLP. Without TONEBRIDGE_OTLP_ENDPOINT there are none, and the SDK of
OpenTelemetry is not imported.

A request is one trace: that of the page which somebody has sent, if it came from one, below it the gateway's
span, and below that the span of the inference service. What comes of it later is not: a job waits, a vote is
cast days after, and a version learns from thousands. So each batch, job, output, vote, snapshot, run, version
and release has a trace of its own, and links lead from its span to what it was made of. The attempts of a
worker at a job are in the job's trace, too (`job_spans`).
The ids of these spans are computed from the thing's own id. So nothing has to be stored with a row or a
receipt to link to it, and an erasure has nothing to remove.

The provider is our own and not OpenTelemetry's global one, by which MLflow and Prefect would send spans, too.
"""

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from opentelemetry import context, trace
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from configs.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

MOST_LINKS = 32  # of one span; a snapshot has thousands of votes, and links to a sample of them

_propagator = TraceContextTextMapPropagator()


class Thing(StrEnum):
    """What has a trace of its own, in the order of the loop."""

    BATCH = "batch"
    JOB = "job"
    OUTPUT = "output"
    VOTE = "vote"
    SNAPSHOT = "snapshot"
    RUN = "run"
    VERSION = "version"
    RELEASE = "release"


class _Tracing(NamedTuple):
    provider: "TracerProvider"
    tracer: trace.Tracer
    environment: str


_tracing: _Tracing | None = None
_ids: ContextVar[tuple[int, int] | None] = ContextVar("ids", default=None)  # trace and span, of the next span


class _Joined(NamedTuple):
    """The span of a request that is being answered, which is made at the end; and what it is below."""

    own: SpanContext
    parent: context.Context


_joined: ContextVar[_Joined | None] = ContextVar("joined", default=None)


def start(settings: Settings, process: str, release: str) -> None:
    """Send spans to the collector of the settings. Nothing without one, or when they are sent already."""
    global _tracing
    if settings.otlp_endpoint is None or _tracing is not None:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class Ids(RandomIdGenerator):
        """Random ids, or those that the caller has chosen."""

        def generate_trace_id(self) -> int:
            chosen = _ids.get()
            return super().generate_trace_id() if chosen is None else chosen[0]

        def generate_span_id(self) -> int:
            chosen = _ids.get()
            return super().generate_span_id() if chosen is None else chosen[1]

    resource = Resource(
        {
            "service.name": f"tonebridge-{process}",
            "service.version": release,
            "deployment.environment.name": settings.environment,
        }
    )
    provider = TracerProvider(resource=resource, id_generator=Ids())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(settings.otlp_endpoint)))
    _tracing = _Tracing(provider, provider.get_tracer("tonebridge"), settings.environment)


def stop() -> None:
    """Send what waits, and make no spans from now on."""
    global _tracing
    if _tracing is not None:
        _tracing.provider.shutdown()
        _tracing = None


def is_on() -> bool:
    """Whether spans are sent."""
    return _tracing is not None


def current_ids() -> Mapping[str, str]:
    """The ids of the current span, for lines of the log; none outside of one."""
    if _tracing is None:
        return {}
    current = trace.get_current_span().get_span_context()
    if not current.is_valid:
        return {}
    return {"trace_id": f"{current.trace_id:032x}", "span_id": f"{current.span_id:016x}"}


def context_of(thing: Thing, id: str) -> SpanContext:
    """The ids of a thing's span. They are the same in all processes of an environment."""
    environment = _tracing.environment if _tracing is not None else ""
    digest = sha256(f"{environment}\0{thing}\0{id}".encode()).digest()
    return SpanContext(
        int.from_bytes(digest[:16]) or 1,
        int.from_bytes(digest[16:24]) or 1,
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )


def trace_id_of(thing: Thing, id: str) -> str:
    """The id of a thing's trace, by which a collector finds it."""
    return f"{context_of(thing, id).trace_id:032x}"


def record(
    thing: Thing, id: str, sources: Iterable[tuple[Thing, str]] = (), **values: AttributeValue
) -> None:
    """Make the span of a thing, with links to what it was made of, and to what is done at the moment. Nothing
    without a collector. `values` are ids and numbers, never a text.
    """
    if _tracing is None:
        return
    links = _links_to(sources)
    current = trace.get_current_span().get_span_context()
    if current.is_valid:
        links.append(Link(current))
    own = context_of(thing, id)
    attributes = {"tonebridge.id": id, **_own(values)}
    with _choose_ids(own.trace_id, own.span_id):
        _tracing.tracer.start_span(thing, context.Context(), links=links, attributes=attributes).end()


@contextlib.contextmanager
def span_of(
    thing: Thing,
    id: str,
    name: str,
    sources: Iterable[tuple[Thing, str]] = (),
    span_kind: SpanKind = SpanKind.INTERNAL,
    /,
    **values: AttributeValue,
) -> Iterator[trace.Span]:
    """A span around a block that works on a thing, in the thing's trace, whatever is done at the moment. It
    has links to what it is about; `values` and exceptions as in `record` and `span`.
    """
    if _tracing is None:
        yield trace.INVALID_SPAN
        return
    with _choose_ids(context_of(thing, id).trace_id, _tracing.provider.id_generator.generate_span_id()):
        made = _tracing.tracer.start_span(
            name, context.Context(), span_kind, attributes=_own(values), links=_links_to(sources)
        )
    with _within(made):
        yield made


@contextlib.contextmanager
def joined(headers: Mapping[str, str]) -> Iterator[None]:
    """Within it, spans and log lines belong to a request with these headers. Its own span is made by
    `end_request`, with the time that it began.
    """
    if _tracing is None:
        yield
        return
    parent = _propagator.extract(headers)
    above = trace.get_current_span(parent).get_span_context()
    generator = _tracing.provider.id_generator
    own = SpanContext(
        above.trace_id if above.is_valid else generator.generate_trace_id(),
        generator.generate_span_id(),
        is_remote=False,
        trace_flags=above.trace_flags if above.is_valid else TraceFlags(TraceFlags.SAMPLED),
    )
    was_joined = _joined.set(_Joined(own, parent))
    token = context.attach(trace.set_span_in_context(NonRecordingSpan(own)))
    try:
        yield
    finally:
        context.detach(token)
        _joined.reset(was_joined)


def end_request(
    name: str,
    begin_ns: int,
    end_ns: int,
    headers: Mapping[str, str],
    /,
    **values: AttributeValue,
) -> None:
    """Make the span of a request that has ended: that of `joined`, else a new one; `values` as `record`."""
    if _tracing is None:
        return
    now = _joined.get()
    parent = _propagator.extract(headers) if now is None else now.parent
    with contextlib.nullcontext() if now is None else _choose_ids(now.own.trace_id, now.own.span_id):
        span = _tracing.tracer.start_span(
            name, parent, SpanKind.SERVER, attributes=_own(values), start_time=begin_ns
        )
    span.end(end_ns)


@contextlib.contextmanager
def span(
    name: str, kind: SpanKind = SpanKind.INTERNAL, parent: context.Context | None = None
) -> Iterator[trace.Span]:
    """A span around a block. An exception marks it as failed, without its message."""
    if _tracing is None:
        yield trace.INVALID_SPAN
        return
    with _within(_tracing.tracer.start_span(name, parent, kind)) as made:
        yield made


def describe(**values: AttributeValue) -> None:
    """Add ids and numbers to the current span, if there is one that is sent."""
    if _tracing is not None:
        trace.get_current_span().set_attributes(_own(values))


def trace_headers(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    """The header by which a client names its trace, of a request's headers as ASGI has them."""
    traceparent = headers.get(b"traceparent")
    return {"traceparent": traceparent.decode("latin-1")} if traceparent else {}


def inject() -> dict[str, str]:
    """Headers by which the server that is called continues the current trace."""
    headers: dict[str, str] = {}
    if _tracing is not None:
        _propagator.inject(headers)
    return headers


def extract(headers: Mapping[str, str]) -> context.Context:
    """The trace that the headers of a request continue."""
    return _propagator.extract(headers, context.Context())


def _own(values: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
    """Values as attributes, whose names are ours."""
    return {f"tonebridge.{name}": value for name, value in values.items()}


def _links_to(sources: Iterable[tuple[Thing, str]]) -> list[Link]:
    return [Link(context_of(*source)) for source in itertools.islice(sources, MOST_LINKS)]


@contextlib.contextmanager
def _within(made: trace.Span) -> Iterator[trace.Span]:
    with trace.use_span(made, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield made
        except BaseException as error:
            made.set_status(trace.StatusCode.ERROR)
            made.set_attribute("error.type", type(error).__name__)
            raise


@contextlib.contextmanager
def _choose_ids(trace_id: int, span_id: int) -> Iterator[None]:
    """Context manager: the ids of the span that is made in it. Nothing else may be made in it."""
    token = _ids.set((trace_id, span_id))
    try:
        yield
    finally:
        _ids.reset(token)
