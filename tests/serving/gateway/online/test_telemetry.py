"""Logs, spans and timing: what is written of which requests."""

import json
import logging
import sys
import uuid
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from data.people.identities import Identity
from serving.gateway.online.answering import EncodedAnswer, Work
from serving.gateway.online.telemetry import JsonLines, Telemetry

WHO = Identity(uuid.uuid4(), "key", "member", b"", "scale")
HIT = EncodedAnswer(b"{}", "id", "l1", False, Work())
MISS = EncodedAnswer(b"{}", "id", "miss", True, Work(0.25))
PARENT = {b"traceparent": b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("opentelemetry.trace.get_tracer", provider.get_tracer)
    yield exporter
    provider.shutdown()


@pytest.mark.parametrize(("share", "lines"), [(0.0, 0), (1.0, 2)])
def test_sampled_requests_are_logged_as_json(
    share: float, lines: int, caplog: pytest.LogCaptureFixture
) -> None:
    seen = Telemetry(share)
    with caplog.at_level(logging.INFO, "tonebridge.requests"):
        seen.answered(HIT, 0.0001, WHO, b"r-1", {})
        seen.answered(MISS, 0.3, WHO, b"r-2", {})
    written = [json.loads(JsonLines().format(record)) for record in caplog.records]
    assert [line["request_id"] for line in written] == ["r-1", "r-2"][:lines]
    assert all(line["level"] == "info" and line["organisation"] for line in written)


def test_a_refusal_of_ours_is_always_logged(caplog: pytest.LogCaptureFixture) -> None:
    seen = Telemetry(0.0)
    with caplog.at_level(logging.INFO, "tonebridge.requests"):
        seen.refused("/x", 422, 0.1, b"r-1")
        seen.refused("/x", 503, 0.1, b"r-2")
    assert [json.loads(JsonLines().format(record))["status"] for record in caplog.records] == [503]


def test_a_broken_request_is_logged_with_its_traceback() -> None:
    try:
        raise ValueError("why")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "broke", None, sys.exc_info())
    assert "ValueError: why" in json.loads(JsonLines().format(record))["traceback"]


def test_misses_have_spans_and_hits_only_when_sampled(spans: InMemorySpanExporter) -> None:
    Telemetry(0.0).answered(HIT, 0.0001, WHO, b"r-1", PARENT)
    assert spans.get_finished_spans() == ()
    Telemetry(0.0).answered(MISS, 0.3, WHO, b"r-2", PARENT)
    inner, outer = spans.get_finished_spans()
    assert (inner.name, outer.name) == ("inference", "transform")
    assert inner.parent is not None
    assert inner.parent.span_id == outer.context.span_id
    assert outer.parent is not None
    assert f"{outer.parent.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert outer.end_time is not None
    assert outer.start_time is not None
    assert outer.end_time - outer.start_time == pytest.approx(0.3e9, rel=1e-6)
    assert inner.end_time is not None
    assert inner.start_time is not None
    assert inner.end_time - inner.start_time == pytest.approx(0.25e9, rel=1e-6)


def test_timing_parts_the_gateway_from_the_upstream() -> None:
    assert Telemetry.timing(HIT, 0.0001) == b"gateway;dur=0.100"
    assert Telemetry.timing(MISS, 0.3) == b"gateway;dur=50.000, upstream;dur=250.000"
    assert Telemetry.timing(None, 0.001) == b"gateway;dur=1.000"


def test_every_number_is_shown() -> None:
    seen = Telemetry(0.0)
    seen.watch("tonebridge_something", "What somebody else keeps", lambda: 7)
    seen.answered(MISS, 0.3, WHO, b"r", {})
    seen.refused("/api/v1/feedback", 201, 0.01, b"r")
    metrics = seen.metrics().decode()
    for line in (
        "tonebridge_something 7.0",
        "tonebridge_fallbacks_total 1.0",
        "tonebridge_miss_upstream_seconds_sum 0.25",
        'tonebridge_other_request_seconds_count{route="/api/v1/feedback",status="201"} 1.0',
    ):
        assert line in metrics
