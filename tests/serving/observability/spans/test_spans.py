"""Spans: one trace of a request through two services, and links between the things of the loop."""

import asyncio
import os
import subprocess
import sys

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from configs.settings import Settings
from serving.observability import spans
from serving.observability.request_spans import Traced
from serving.observability.spans import Thing
from tests.collectors import Collector, values_of

PARENT = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


async def answer(scope: object, receive: object, send: object) -> None:
    with spans.span("generation"):
        pass


def serve(headers: dict[str, str], path: str = "/rewrite") -> None:
    """A request to the inference service."""
    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "path": path, "headers": sent}
    asyncio.run(Traced(answer)(scope, None, None))  # type: ignore[arg-type]


def test_a_request_is_one_trace_through_both_services(collector: Collector) -> None:
    with spans.joined(PARENT):
        assert spans.current_ids()["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
        with spans.span("inference", spans.SpanKind.CLIENT):
            serve(spans.inject())
        spans.end_request("transform", 1, 2, {}, cache="miss")
    assert spans.current_ids() == {}
    spans.stop()
    made = {span.name: span for _, span in collector.spans}
    assert {span.trace_id.hex() for span in made.values()} == {"0af7651916cd43dd8448eb211c80319c"}
    order = ["transform", "inference", "rewrite", "generation"]
    above = [bytes.fromhex("b7ad6b7169203331"), *(made[name].span_id for name in order)]
    assert [made[name].parent_span_id for name in order] == above[:-1]
    assert {name for name, _ in collector.spans} == {"tonebridge-gateway"}


def test_without_a_parent_requests_have_traces_of_their_own(collector: Collector) -> None:
    for _ in range(2):
        with spans.joined({}):
            spans.end_request("transform", 1, 2, {})
    spans.end_request("transform", 1, 2, {})
    spans.stop()
    assert len({span.trace_id for _, span in collector.spans}) == 3


def test_a_client_that_does_not_sample_has_no_spans(collector: Collector) -> None:
    with spans.joined({"traceparent": PARENT["traceparent"][:-1] + "0"}):
        with spans.span("inference"):
            serve(spans.inject())
        spans.end_request("transform", 1, 2, {})
    spans.stop()
    assert collector.spans == []


def test_links_lead_from_a_release_to_the_request(collector: Collector) -> None:
    with spans.joined(PARENT):
        spans.record(Thing.OUTPUT, "o-1", version="v1")
        spans.end_request("transform", 1, 2, {})
    spans.record(Thing.VOTE, "f-1", [(Thing.OUTPUT, "o-1")], kind="thumb")
    spans.record(Thing.SNAPSHOT, "d-1", [(Thing.VOTE, "f-1")])
    spans.record(Thing.RUN, "r-1", [(Thing.SNAPSHOT, "d-1")])
    spans.record(Thing.VERSION, "v2", [(Thing.RUN, "r-1")])
    spans.record(Thing.RELEASE, "1", [(Thing.VERSION, "v2")])
    spans.stop()
    by_id = {(span.trace_id, span.span_id): span for _, span in collector.spans}
    (current,) = collector.named("release")
    walked = [current.name]
    while current.links:
        (link,) = current.links
        current = by_id[link.trace_id, link.span_id]
        walked.append(current.name)
    assert walked == ["release", "version", "run", "snapshot", "vote", "output", "transform"]


def test_another_process_computes_the_same_ids_and_another_environment_others(collector: Collector) -> None:
    here = spans.trace_id_of(Thing.RUN, "r-1")
    assert here == "13f39e7e56c0962b98467b5c9fe48bac"  # printf 'tests\0run\0r-1' | sha256sum
    spans.stop()
    spans.start(Settings(otlp_endpoint=collector.endpoint, environment="production"), "flows", "1")
    assert spans.trace_id_of(Thing.RUN, "r-1") != here


def test_a_snapshot_links_to_some_of_its_votes(collector: Collector) -> None:
    spans.record(Thing.SNAPSHOT, "d-1", ((Thing.VOTE, str(number)) for number in range(1000)))
    spans.stop()
    (span,) = collector.named("snapshot")
    assert len(span.links) == spans.MOST_LINKS


def test_what_fails_has_its_type_and_no_message(collector: Collector) -> None:
    with pytest.raises(ValueError, match="a text"), spans.span("inference"):
        raise ValueError("a text that somebody wrote")
    spans.stop()
    (span,) = collector.named("inference")
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert not span.status.message
    assert not span.events
    assert b"somebody" not in b"".join(collector.bodies)


def test_without_a_collector_nothing_is_made() -> None:
    assert not spans.is_on()
    with spans.joined(PARENT), spans.span("inference"):
        spans.record(Thing.OUTPUT, "o-1")
        assert (spans.inject(), spans.current_ids()) == ({}, {})
    spans.end_request("transform", 1, 2, {})
    assert "traceparent" not in os.environ


@pytest.mark.parametrize("process", ["worker", "web"])
def test_without_a_collector_no_part_that_makes_and_sends_spans_is_imported(process: str) -> None:
    """redis-py imports the part of the SDK for metrics by itself."""
    code = (
        "import sys\n"
        f"import serving.{process}.app\n"
        "from configs.settings import Settings\n"
        "from serving.observability import job_spans\n"
        "from serving.observability.start import start\n"
        f"start(Settings(otlp_endpoint=None), '{process}')\n"
        "print([name for name in sys.modules"
        " if name.startswith(('opentelemetry.sdk.trace', 'opentelemetry.exporter'))])\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n", ended.stderr


def test_work_on_a_thing_is_in_its_trace_and_what_it_calls_is_below(collector: Collector) -> None:
    with spans.joined(PARENT):
        spans.record(Thing.JOB, "j-1")
        spans.end_request("POST", 1, 2, {})
    for _ in range(2):
        with spans.span_of(Thing.JOB, "j-1", "attempt", [(Thing.JOB, "j-1")], kind="export"):
            spans.describe(status=200)
            serve(spans.inject())
    spans.stop()
    (requested,) = collector.named("job")
    first, second = collector.named("attempt")
    assert {each.trace_id for each in (first, second)} == {requested.trace_id}
    assert first.span_id != second.span_id
    for attempt in (first, second):
        assert attempt.parent_span_id == b""
        assert collector.linked(attempt) == [requested]
        assert values_of(attempt) == {"kind": "export", "status": 200}
    assert [collector.above(each) for each in collector.named("rewrite")] == [first, second]
    (request,) = collector.linked(requested)
    assert request.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
