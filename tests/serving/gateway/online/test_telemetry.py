"""Logs, spans and timing: what is written of which requests."""

import json
import logging
import uuid

import pytest

from data.people.identities import Identity
from serving.gateway.online.answering import EncodedAnswer, Work
from serving.gateway.online.telemetry import Telemetry
from serving.observability import spans
from serving.observability.lines import JsonLines
from tests.collectors import Collector

WHO = Identity(uuid.uuid4(), "key", "member", b"", "scale")
HIT = EncodedAnswer(b"{}", "id", "l1", False, Work())
MISS = EncodedAnswer(b"{}", "id", "miss", True, Work(0.25))
PARENT = {b"traceparent": b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


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


def test_misses_have_spans_and_hits_only_when_sampled(collector: Collector) -> None:
    Telemetry(0.0).answered(HIT, 0.0001, WHO, b"r-1", PARENT)
    Telemetry(0.0).answered(MISS, 0.3, WHO, b"r-2", PARENT)
    spans.stop()
    (span,) = collector.named("transform")
    values = {each.key: each.value for each in span.attributes}
    assert values["tonebridge.request_id"].string_value == "r-2"
    assert span.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert span.parent_span_id.hex() == "b7ad6b7169203331"
    assert span.end_time_unix_nano - span.start_time_unix_nano == pytest.approx(0.3e9, rel=1e-6)


def test_routes_that_write_have_spans_and_those_that_read_only_when_sampled(collector: Collector) -> None:
    Telemetry(0.0).handed_on("GET", "/api/v1/answers", 200, 0.1, b"r-1", {})
    Telemetry(0.0).handed_on("POST", "/api/v1/feedback", 201, 0.1, b"r-2", {})
    Telemetry(1.0).handed_on("GET", "/api/v1/answers", 200, 0.1, b"r-3", {})
    spans.stop()
    assert [span.name for _, span in collector.spans] == ["POST", "GET"]


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
