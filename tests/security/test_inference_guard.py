"""The inference service answers only probes without its token, in whatever way a path is written."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from configs.settings import Settings
from pipelines import local
from pipelines.environments import environment
from tests.ports import free_port
from tests.wire import exchange

pytestmark = pytest.mark.timeout(180)

SERVICE, METRICS = "a-service-token-of-the-tests-0123456789", "a-metrics-token-of-the-tests-0123456789"
Ask = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a service that holds no version: it checks tokens all the same."""
    state: Path = tmp_path_factory.mktemp("guard")
    port = free_port()
    settings = Settings(
        state=state, service_token=SERVICE, metrics_token=METRICS, inference_port=port,  # type: ignore[arg-type]
        database_url="postgresql:///none", inference_urls=(f"http://127.0.0.1:{port}",),
    )  # fmt: skip
    env = environment(settings, "inference")
    process = local.Process("inference", local.command("inference", env), env, state / "inference.log")
    try:
        process.wait_until_ready(f"http://127.0.0.1:{port}/livez")
        yield port
    finally:
        process.stop()


@pytest.fixture
def ask(port: int) -> Ask:
    """`ask("GET", "/x", "a token")` is the status and body of the answer to a request as it is written."""

    def ask(method: str, target: str, *tokens: str, body: str = "") -> tuple[int, str]:
        lines = [f"{method} {target} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: close"]
        lines += [f"Authorization: Bearer {token}" for token in tokens]
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"] if body else []
        answer = exchange(port, "\r\n".join([*lines, "", body]).encode("latin-1"))
        return int(answer.split(" ", 2)[1]), answer.partition("\r\n\r\n")[2]

    return ask


OWN = ("/", "/docs.json", "/schema.json", "/metrics", "/rewrite", "/give_up", "/load", "/versions")
WRITTEN = (
    "/docs.json/", "//docs.json", "/./docs.json", "/x/../docs.json", "/%64ocs.json", "/docs%2ejson",
    "/docs.json?x", "/docs.json;x", "/docs.json%00", "http://127.0.0.1/docs.json", "http://evil.example/metrics",
    "/metrics/", "//metrics", "/%6detrics", "/metrics%2f", "/METRICS", "/rewrite/", "//rewrite", "/%72ewrite",
    "/rewrite%2f", "/livez/../metrics", "/livez/%2e%2e/metrics", "/livez%2f..%2fmetrics", "/livez/",
    "//livez", "/livez/x", "/livez%00", "/static_content/index.js", "/static_content/../docs.json",
    "/nothing", "/favicon.ico", "/__metrics__",
)  # fmt: skip


@pytest.mark.parametrize("tokens", [(), ("wrong",), ("",), (SERVICE[:-1],), (SERVICE + " ", "x")])
def test_without_the_token_nothing_is_told_of_any_path(ask: Ask, tokens: tuple[str, ...]) -> None:
    for target in (*OWN, *WRITTEN):
        for method in ("GET", "POST", "HEAD", "PUT"):
            status, body = ask(method, target, *tokens)
            assert status == 401, (method, target, status, body)
            assert body in ("", '{"error":"wrong or missing service token"}'), (method, target, body)


@pytest.mark.parametrize("target", ["/livez", "/readyz", "/healthz", "/%6civez", "http://127.0.0.1/livez"])
def test_a_probe_is_answered_to_anybody_and_tells_nothing(ask: Ask, target: str) -> None:
    status, body = ask("GET", target)
    assert status in (200, 503)  # it holds no version, so it may not be ready
    assert len(body.strip()) < 80


def test_with_the_service_token_its_pages_are_there(ask: Ask) -> None:
    assert [ask("GET", path, SERVICE)[0] for path in ("/", "/docs.json", "/schema.json", "/metrics")] == [
        200
    ] * 4
    assert ask("GET", "/nothing", SERVICE)[0] == 404
    assert ask("POST", "/versions", SERVICE, body="{}")[0] == 200


def test_the_token_of_prometheus_reads_metrics_and_nothing_else(ask: Ask) -> None:
    status, body = ask("GET", "/metrics", METRICS)
    assert (status, "# TYPE" in body) == (200, True)
    for target in (*OWN, *WRITTEN):
        if target not in (
            "/metrics",
            "/%6detrics",
            "http://evil.example/metrics",
        ):  # written otherwise, the same
            assert ask("POST", target, METRICS, body="{}")[0] == 401, target
