"""What people write is stored in Postgres, and as outputs in Redis. It is in no log, metric or span,
whatever happens to the request.
"""

import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.records import PROTECTED, Spec
from data.tables import DASHBOARD_LOGIN
from data.traffic import routing
from data.traffic.routing import Routing
from pipelines import local as processes_of
from tests.accounts import PASSWORD
from tests.dashboards import csrf_token, set_up
from tests.ports import with_own_ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass(frozen=True)
class Site:
    """A gateway and a dashboard that log and trace everything, what was traced, and where the logs are."""

    settings: Settings
    key: str
    email: str
    spans: list[bytes]
    logs: tuple[Path, ...]

    @property
    def dashboard(self) -> str:
        return f"http://127.0.0.1:{self.settings.dashboard_port}"

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """A request to the gateway, with the key."""
        given = {"content": body} if isinstance(body, bytes | str) else {"json": body}
        return httpx.request(
            method, f"{self.settings.gateway_url}{path}", headers={"X-API-Key": self.key, **headers},
            timeout=60, **given,
        )  # fmt: skip


@contextmanager
def answering(answer: Callable[[bytes], tuple[int, bytes]]) -> Iterator[str]:
    """A server that answers each POST by its body; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, content = answer(body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def served(settings: Settings, spans: list[bytes], *names: str) -> Iterator[tuple[Path, ...]]:
    """Processes that log and trace everything; their logs."""

    def collect(body: bytes) -> tuple[int, bytes]:
        spans.append(body)
        return 200, b""

    with answering(collect) as collector, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TONEBRIDGE_SAMPLED_SHARE", "1")
        patch.setenv("TONEBRIDGE_OTLP_ENDPOINT", f"{collector}/v1/traces")
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        with processes_of.running(settings, *names) as processes:
            processes["gateway"].wait_until_ready(f"{settings.gateway_url}/readyz")
            if "dashboard" in processes:
                ready = f"http://127.0.0.1:{settings.dashboard_port}/livez"
                processes["dashboard"].wait_until_ready(ready)
            yield tuple(process.log for process in processes.values())


@pytest.fixture(scope="module")
def settings(
    stack: Settings, new_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    changes = {"database_url": new_database(), "state": tmp_path_factory.mktemp("text")}
    settings = with_own_ports(stack.model_copy(update=changes))
    upstream = {"inference_urls": stack.inference_urls, "inference_port": stack.inference_port}
    return settings.model_copy(update=upstream)


@pytest.fixture(scope="module")
def site(stack: Settings, settings: Settings) -> Iterator[Site]:
    spans: list[bytes] = []
    installation = set_up(settings)
    with Session(installation.engine) as session, session.begin():
        champion = Spec(version="v1", protection=PROTECTED)
        routing.publish(session, Routing(champion=champion, challengers=(Spec(version="v2"),)), "the first")
    email = installation.account("experimenter")
    installation.engine.dispose()
    with served(settings, spans, "gateway", "dashboard") as logs:
        yield Site(settings, installation.key, email, spans, (*logs, stack.state / "logs" / "inference.log"))


@pytest.fixture
def marker() -> str:
    """A word that stands nowhere else."""
    return f"marker{uuid.uuid4().hex}"


def rows_with(settings: Settings, marker: str) -> set[str]:
    """The tables that hold a text."""
    assert settings.database_url is not None
    engine = database.engine(settings.database_url)
    with engine.connect() as connection:
        tables = {
            table
            for table in ("outputs", "feedback", "idempotent_requests")
            if connection.scalar(
                text(f"SELECT count(*) FROM {table} t WHERE t::text LIKE :like OR {_BODY[table]} LIKE :like"),
                {"like": f"%{marker}%"},
            )
        }
    engine.dispose()
    return tables


_BODY = {"outputs": "''", "feedback": "''", "idempotent_requests": "encode(t.body, 'escape')"}


def check_silent(site: Site, marker: str, *pages: str) -> None:
    """The marker is in no log and no span, when all that was sent has been logged and traced."""
    last = str(uuid.uuid4())
    asked = {"text": f"The last one {last}.", "transform_type": "soften", "intensity": 1, "user_id": "x"}
    request_id = f"last-{last}"
    assert site.ask("POST", "/api/v1/transform", asked, **{"X-Request-Id": request_id}).is_success
    for _ in range(600):
        if any(request_id.encode() in body for body in site.spans) and request_id in site.logs[0].read_text():
            break
        time.sleep(0.1)
    else:
        pytest.fail("the last request was not traced and logged")
    for log in site.logs:
        assert marker not in log.read_text(encoding="utf-8", errors="replace"), log
    assert not [body for body in site.spans if marker.encode() in body]
    for page in pages:
        assert marker not in page


def votes(receipt: str, compared: str, marker: str) -> list[dict[str, Any]]:
    return [
        {"receipt": receipt, "kind": "edit", "text": f"edit {marker}"},
        {"receipt": receipt, "kind": "comment", "text": f"comment {marker}"},
        {"receipt": compared, "kind": "comparison", "preferred": "first", "reason": f"reason {marker}"},
    ]


def test_a_message_and_what_people_think_of_it_are_in_no_log_metric_or_span(site: Site, marker: str) -> None:
    asked = {"text": f"Fix {marker} now.", "transform_type": "soften", "intensity": 2, "user_id": "ann"}
    answers = [site.ask("POST", "/api/v1/transform", asked) for _ in range(3)]
    again = {"Idempotency-Key": str(uuid.uuid4())}
    answers += [site.ask("POST", "/api/v1/transform", asked | {"intensity": 3}, **again) for _ in range(2)]
    completion = {
        "model": "tonebridge/clarify-1",
        "messages": [{"role": "user", "content": f"Now {marker}."}],
    }
    for streamed in (False, True):
        body = completion | {"stream": streamed}
        answers.append(site.ask("POST", "/v1/chat/completions", body, **{"Idempotency-Key": f"c{streamed}"}))
    batch = {"items": [asked | {"text": f"{number} {marker}"} for number in range(3)]}
    answers.append(site.ask("POST", "/api/v1/batch", batch, **{"Idempotency-Key": str(uuid.uuid4())}))
    compared = site.ask("POST", "/api/v1/compare", asked | {"policy": "two_samples"})
    answers.append(compared)
    for vote in votes(answers[0].json()["receipt"], compared.json()["receipt"], marker):
        answers.append(site.ask("POST", "/api/v1/feedback", vote))
    assert [answer.text for answer in answers if not answer.is_success] == []
    assert {"outputs", "feedback"} <= rows_with(site.settings, marker), "it was sent"
    token = {"Authorization": f"Bearer {site.settings.secret('service_token')}"}
    check_silent(
        site, marker,
        httpx.get(f"{site.settings.gateway_url}/metrics", headers=token).text,
        httpx.get(f"{site.settings.inference_urls[0]}/metrics", headers=token).text,
    )  # fmt: skip


def test_what_is_refused_is_in_no_log_metric_or_span(site: Site, marker: str) -> None:
    fits = {"text": marker, "transform_type": "soften", "intensity": 2, "user_id": "ann"}
    for path in ("transform", "compare", "batch", "feedback", "comparisons/next", "experiments"):
        for body in (
            fits | {"transform_type": marker}, fits | {"intensity": marker}, fits | {marker: marker},
            fits | {"text": marker * 400}, fits | {"text": f"{marker}\0"},
            {"items": [fits | {"intensity": 9}]},
            {"kind": "edit", "receipt": marker, "text": marker}, f'{{"text": "{marker}', f'"{marker}"',
            f'{{"text": "{marker}\\ud800", "transform_type": "soften", "intensity": 1}}',
            marker.encode("utf-16"),
        ):  # fmt: skip
            answer = site.ask("POST", f"/api/v1/{path}", body, **{"Content-Type": "application/json"})
            assert 400 <= answer.status_code < 500 or path == "transform", (path, body, answer.text)
    completion = {"model": "tonebridge/soften-2", "messages": [{"role": "user", "content": marker}]}
    for changes in (
        {"model": marker}, {"messages": [{"role": marker}]}, {"user": f"{marker}\0"}, {marker: marker},
        {"messages": [{"role": "user", "content": marker * 400}]}, {"tools": [marker]},
        {"messages": [{"role": "user", "content": [{"type": marker}]}]},
    ):  # fmt: skip
        assert 400 <= site.ask("POST", "/v1/chat/completions", completion | changes).status_code < 500
    site.ask("GET", f"/v1/{marker}")
    site.ask("POST", f"/api/v1/{marker}", fits)
    site.ask("GET", f"/api/v1/transform?text={marker}")
    token = {"Authorization": f"Bearer {site.settings.secret('service_token')}"}
    item = {"text": marker, "transform_type": "soften", "intensity": 2}
    for body in (
        {"spec": {"version": "v1", "max_new_tokens": 4}, "items": [item]},
        {"spec": {"version": "none"}, "items": [item]}, {"spec": {"version": marker}, "items": [item]},
        {"spec": {"version": "v1"}, "items": [item | {"intensity": marker}]},
        {"spec": {"version": "v1"}, "items": marker}, {marker: marker},
    ):  # fmt: skip
        httpx.post(f"{site.settings.inference_urls[0]}/rewrite", json=body, headers=token, timeout=60)
    check_silent(site, marker, httpx.get(f"{site.settings.gateway_url}/metrics", headers=token).text)


def test_what_is_typed_into_the_dashboard_is_in_no_log(site: Site, marker: str) -> None:
    with httpx.Client(base_url=site.dashboard, timeout=60) as client:
        assert client.post("/sign-in", data={"email": site.email, "password": PASSWORD}).status_code == 303
        csrf = csrf_token(client, "/compare")
        form = {"csrf": csrf, "text": f"Fix {marker} now.", "transform_type": "soften", "intensity": "2"}
        assert client.post("/compare/message", data=form).status_code in (303, 409)
        page = client.get("/compare").text
        comparison = re.findall(r'action="/compare/([0-9a-f-]{36})"', page)[0]
        receipt = re.findall(r'name="receipt" value="([^"]+)"', page)[0]
        vote = {"csrf": csrf, "receipt": receipt, "choice": "first", "reason": f"reason {marker}"}
        assert client.post(f"/compare/{comparison}", data=vote).status_code == 303
        client.post("/compare/message", data=form | {"intensity": marker})
        client.post("/compare/message", data=form | {"text": f"{marker}\0"})
        client.post(f"/compare/{uuid.uuid4()}", data=vote)
        client.get("/experiments", params={"q": marker})
        client.get("/experiments", params={"q": f"{marker}\0"})
        client.post("/sign-in", data={"email": f"{marker}@example.org", "password": marker})
    assert "feedback" in rows_with(site.settings, marker)
    check_silent(site, marker)


@pytest.mark.parametrize("status", [200, 400, 404, 500])
def test_an_upstream_that_sends_a_message_back_does_not_bring_it_into_a_log(
    settings: Settings, site: Site, marker: str, status: int
) -> None:
    spans: list[bytes] = []
    with answering(lambda body: (status, body)) as upstream:
        own = with_own_ports(settings).model_copy(update={"inference_urls": (upstream,)})
        with served(own, spans, "gateway") as logs:
            asked = {"text": f"Fix {marker}.", "transform_type": "soften", "intensity": 2, "user_id": "ann"}
            address = f"{own.gateway_url}/api/v1/transform"
            for _ in range(3):
                answer = httpx.post(address, json=asked, headers={"X-API-Key": site.key}, timeout=60)
                assert answer.status_code >= 500, answer.text
                assert marker not in answer.text
        assert marker not in logs[0].read_text(encoding="utf-8", errors="replace")
    assert not [body for body in spans if marker.encode() in body]


def test_an_error_of_the_database_names_no_parameter(database_url: str, marker: str) -> None:
    for engine in (
        database.engine(database_url),
        database.reading_engine(database.replace_login(database_url, DASHBOARD_LOGIN)),
    ):
        with engine.connect() as connection, pytest.raises(DBAPIError) as raised:
            connection.execute(text("SELECT 1 / 0 FROM (SELECT :words) x"), {"words": marker})
        assert marker not in str(raised.value)
        engine.dispose()
    # The test can fail: as SQLAlchemy is by itself, the words are in what is logged.
    plain = create_engine(database.sqlalchemy_url(database_url))
    with plain.connect() as connection, pytest.raises(DBAPIError, match=marker):
        connection.execute(text("SELECT 1 / 0 FROM (SELECT :words) x"), {"words": marker})
    plain.dispose()
