"""A real collector, Arize Phoenix, takes our spans by OTLP. It is installed from PyPI, in an environment of
its own, and read by its API. It shows no links: `tests/test_loop.py` reads these.
"""

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import configs
from benchmarks.servers import install
from configs.settings import Settings
from serving.observability import spans
from serving.observability.spans import Thing
from tests.ports import free_port

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

VERSION = "20.26.1"


@pytest.fixture
def phoenix(tmp_path: Path) -> Iterator[str]:
    folder = configs.ROOT / "artifacts" / "peers" / "phoenix"
    install(folder, f"arize-phoenix=={VERSION}")
    port = free_port()
    environment = {
        **os.environ, "PHOENIX_HOST": "127.0.0.1", "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(free_port()), "PHOENIX_WORKING_DIR": str(tmp_path),
        "PHOENIX_TELEMETRY_ENABLED": "false",
    }  # fmt: skip
    process = subprocess.Popen([str(folder / "bin" / "phoenix"), "serve"], env=environment)
    try:
        deadline = time.monotonic() + 300
        while not answers(f"http://127.0.0.1:{port}/healthz"):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


def read_spans(url: str) -> dict[str, dict[str, Any]]:
    with urllib.request.urlopen(f"{url}/v1/projects/default/spans", timeout=30) as answer:
        return {span["name"]: span for span in json.load(answer)["data"]}


def test_it_shows_a_request_as_one_trace_and_a_vote_where_its_id_says(phoenix: str) -> None:
    spans.start(Settings(otlp_endpoint=f"{phoenix}/v1/traces", environment="tests"), "gateway", "1.2.3")
    try:
        with spans.joined({"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}):
            with spans.span("inference", spans.SpanKind.CLIENT):
                pass
            end = time.time_ns()
            spans.end_request("transform", end - 1_000_000, end, {}, cache="miss")
        spans.record(Thing.VOTE, "f-1", [(Thing.OUTPUT, "o-1")], kind="thumb")
        vote_trace = spans.trace_id_of(Thing.VOTE, "f-1")
    finally:
        spans.stop()
    deadline = time.monotonic() + 60
    while len(found := read_spans(phoenix)) < 3:
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    transform, inference = found["transform"], found["inference"]
    assert transform["context"]["trace_id"] == inference["context"]["trace_id"]
    assert transform["context"]["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert inference["parent_id"] == transform["context"]["span_id"]
    assert transform["attributes"] == {"tonebridge.cache": "miss"}
    assert found["vote"]["context"]["trace_id"] == vote_trace
    assert found["vote"]["attributes"] == {"tonebridge.id": "f-1", "tonebridge.kind": "thumb"}
