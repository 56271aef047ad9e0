"""What people write is stored in Postgres, and as outputs in Redis. It is in no log, metric, span or event of
Sentry, whatever happens to the request. Nor is a secret.
"""

import json
import re
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from configs import secret_store
from configs.settings import Settings
from data import database
from data.records import PROTECTED, Spec
from data.tables import DASHBOARD_LOGIN
from data.traffic import routing
from data.traffic.routing import Routing
from pipelines import local as processes_of
from tests.accounts import PASSWORD
from tests.collectors import Collector, Receiver, receiving_errors, values_of
from tests.dashboards import csrf_token, set_up
from tests.ports import with_own_ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass(frozen=True)
class Site:
    """An installation that logs and traces everything, what was traced and sent to Sentry, and where the logs
    are.
    """

    settings: Settings
    key: str
    email: str
    spans: list[bytes]
    errors: Receiver
    logs: tuple[Path, ...]

    @property
    def dashboard(self) -> str:
        return f"http://127.0.0.1:{self.settings.dashboard_port}"

    @property
    def web(self) -> str:
        return f"http://127.0.0.1:{self.settings.web_port}"

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
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        patch.setenv("TONEBRIDGE_WEBHOOK_NETWORKS", '["127.0.0.0/8"]')
        traced = settings.model_copy(update={"otlp_endpoint": f"{collector}/v1/traces"})
        with processes_of.running(traced, *names) as processes:
            if "inference" in processes:
                processes["inference"].wait_until_ready(f"{settings.inference_urls[0]}/readyz")
            processes["gateway"].wait_until_ready(f"{settings.gateway_url}/readyz")
            for name in {"dashboard", "web", "channels"} & processes.keys():
                port = getattr(settings, f"{name}_port")
                processes[name].wait_until_ready(f"http://127.0.0.1:{port}/livez")
            yield tuple(process.log for process in processes.values())


DSN_SECRET = "d5a0e4b1c2f34a5b8c7d6e9f0a1b2c3d"


@pytest.fixture(scope="module")
def errors() -> Iterator[Receiver]:
    """What comes to Sentry."""
    with receiving_errors(DSN_SECRET) as receiver:
        yield receiver


@pytest.fixture(scope="module")
def settings(
    stack: Settings,
    new_database: Callable[..., str],
    tmp_path_factory: pytest.TempPathFactory,
    errors: Receiver,
) -> Settings:
    state = tmp_path_factory.mktemp("text")
    shutil.copytree(stack.model_store, state / "bentoml")
    changes = {"database_url": new_database(), "state": state, "sentry_dsn": SecretStr(errors.dsn)}
    return with_own_ports(stack.model_copy(update=changes))


@pytest.fixture(scope="module")
def site(settings: Settings, errors: Receiver) -> Iterator[Site]:
    spans: list[bytes] = []
    installation = set_up(settings)
    with Session(installation.engine) as session, session.begin():
        champion = Spec(version="v1", protection=PROTECTED)
        routing.publish(session, Routing(champion=champion, challengers=(Spec(version="v2"),)), "the first")
    email = installation.account("experimenter")
    installation.engine.dispose()
    names = ("gateway", "inference", "worker", "dashboard", "web", "channels")
    with served(settings, spans, *names) as logs:
        yield Site(settings, installation.key, email, spans, errors, logs)


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


def check_silent(site: Site, marker: str, *pages: str, secrets: Collection[str] = ()) -> None:
    """The marker is in no log, span or event, when all that was sent has been logged and traced. Nor is any
    secret of the installation, or one of these.
    """
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
    for hidden in (marker, *secrets, *secrets_of(site)):
        for log in site.logs:
            assert hidden not in log.read_text(encoding="utf-8", errors="replace"), log
        assert not [body for body in (*site.spans, *site.errors.envelopes) if hidden.encode() in body]
        for page in pages:
            assert hidden not in page


def secrets_of(site: Site) -> list[str]:
    """The secrets of the installation, the password of its database among them."""
    values = [getattr(site.settings, name) for name in secret_store.Secrets.model_fields]
    own = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
    return [*own, DSN_SECRET, site.key, PASSWORD]


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


def test_what_is_typed_into_the_web_app_is_in_no_log(site: Site, marker: str) -> None:
    with httpx.Client(base_url=site.web, timeout=60) as client:
        assert client.post("/sign-in", data={"email": site.email, "password": PASSWORD}).status_code == 303
        csrf = csrf_token(client, "/rewrite")
        form = {"csrf": csrf, "text": f"Fix {marker} now.", "transform_type": "soften", "intensity": "2"}
        page = client.post("/rewrite", data=form).text
        assert marker in page
        for path in ("/rewrite/stream", "/rewrite/two", "/rewrite/message"):
            assert marker in client.post(path, data=form).text, path
        [action] = set(re.findall(r'action="(/rewrite/[0-9a-f-]{36}/votes)"', page))
        vote = {"csrf": csrf, "receipt": re.findall(r'name="receipt" value="([^"]+)"', page)[0]}
        for kind in ("correction", "comment", marker):
            voted = vote | {"vote": kind, "text": f"edit {marker}", "comment": f"comment {marker}"}
            assert client.post(action, data=voted).status_code in (200, 422), kind
        client.get("/rewrite", params={"title": marker, "text": marker, "url": f"https://{marker}.example"})
        client.get("/history", params={"q": marker})
        for changes in (
            {"intensity": marker},
            {"text": f"{marker}\0"},
            {"text": marker * 700},
            {"csrf": marker},
        ):
            for path in ("/rewrite", "/rewrite/stream", "/rewrite/two"):
                client.post(path, data=form | changes)
        client.get(f"/{marker}", params={marker: marker})
        client.post("/sign-in", data={"email": f"{marker}@example.org", "password": marker})
    assert {"outputs", "feedback"} <= rows_with(site.settings, marker)
    check_silent(site, marker)


def find_attempts(site: Site, kind: str) -> list[dict[str, Any]]:
    """The attempts at jobs of a kind that were traced."""
    collector = Collector(bodies=site.spans)
    return [values for span in collector.named("attempt") if (values := values_of(span)).get("kind") == kind]


def test_what_goes_out_and_what_tools_send_is_in_no_log_span_or_event(site: Site, marker: str) -> None:
    """Webhooks in both directions, with tokens in their addresses, to a receiver that fails and then sends
    the request back.
    """
    received: list[bytes] = []

    def receive(body: bytes) -> tuple[int, bytes]:
        received.append(body)
        return (500 if len(received) == 1 else 200), body

    with answering(receive) as receiver:
        address = f"{receiver}/{marker}/path?token={marker}"
        events = {"url": address, "events": ["answer.created", "feedback.given", "job.done"]}
        webhook = site.ask("POST", "/api/v1/webhooks", events)
        assert webhook.status_code == 201, webhook.text
        tool = {
            "name": f"a tool {marker}",
            "verification": "token",
            "transform_type": "soften",
            "intensity": 2,
            "reply_url": address,
        }
        inbound = site.ask("POST", "/api/v1/inbound-webhooks", tool)
        assert inbound.status_code == 201, inbound.text
        secrets = [webhook.json()["secret"], inbound.json()["secret"]]

        asked = {"text": f"Fix {marker} now.", "transform_type": "soften", "intensity": 2, "user_id": "ann"}
        items = [asked | {"text": f"{number} {marker}"} for number in range(3)]
        batch = site.ask("POST", "/api/v1/jobs/batches", {"items": items})
        assert batch.status_code == 202, batch.text
        receipt = site.ask("POST", "/api/v1/transform", asked).json()["receipt"]
        vote = {"receipt": receipt, "kind": "comment", "text": f"comment {marker}"}
        assert site.ask("POST", "/api/v1/feedback", vote).is_success
        accepted = httpx.post(
            f"http://127.0.0.1:{site.settings.channels_port}{inbound.json()['path']}",
            json={"text": f"Mend {marker} now."},
            headers={"Authorization": f"Bearer {inbound.json()['secret']}"},
            timeout=60,
        )
        assert accepted.status_code == 202, accepted.text
        forged = httpx.post(
            f"http://127.0.0.1:{site.settings.channels_port}{inbound.json()['path']}",
            json={"text": marker},
            headers={"Authorization": f"Bearer {marker}"},
            timeout=60,
        )
        assert forged.status_code == 401
        deadline = time.monotonic() + 90
        while not (
            {"answer.created", "feedback.given", "job.done"}
            <= {a["event"] for a in find_attempts(site, "webhook")}
            and any("done" in attempt for attempt in find_attempts(site, "inbound"))
            and find_attempts(site, "rewrite")
        ):
            assert time.monotonic() < deadline, (received, find_attempts(site, "webhook"))
            time.sleep(0.1)
        assert site.ask("DELETE", f"/api/v1/webhooks/{webhook.json()['id']}").is_success
    assert any(marker.encode() in body for body in received), "it was sent"
    assert {attempt.get("status") for attempt in find_attempts(site, "webhook")} >= {200}
    check_silent(site, marker, secrets=secrets)


def break_rows(settings: Settings) -> None:
    """Make Postgres refuse rows with a word. Its error quotes the whole row."""
    assert settings.database_url is not None
    engine = database.engine(settings.database_url)
    with engine.begin() as connection:
        for table, column in (("outputs", "message"), ("feedback", "text")):
            connection.execute(
                text(f"ALTER TABLE {table} ADD CONSTRAINT planted CHECK ({column} NOT LIKE '%unstorable%')")
            )
    engine.dispose()


def wait_for_events(site: Site, process: str, kind: str) -> None:
    """Until a process has sent an event of a kind of error."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for event in site.errors.events:
            types = [each["type"] for each in event.get("exception", {"values": []})["values"]]
            if event["tags"]["process"] == process and kind in types:
                return
        time.sleep(0.1)
    pytest.fail(f"no {kind} of {process} in {[event['tags'] for event in site.errors.events]}")


def test_what_breaks_a_process_is_in_no_log_span_or_event(site: Site, marker: str) -> None:
    break_rows(site.settings)
    asked = {"text": f"unstorable {marker}", "transform_type": "soften", "intensity": 2, "user_id": "ann"}
    assert site.ask("POST", "/api/v1/transform", asked).status_code == 500
    wait_for_events(site, "gateway", "CheckViolation")

    receipt = site.ask("POST", "/api/v1/transform", asked | {"text": f"Fix {marker}."}).json()["receipt"]
    vote = {"receipt": receipt, "kind": "comment", "text": f"unstorable {marker}"}
    assert site.ask("POST", "/api/v1/feedback", vote).status_code == 500

    accepted = site.ask("POST", "/api/v1/jobs/batches", {"items": [asked]}, **{"Idempotency-Key": marker})
    assert accepted.status_code == 202, accepted.text
    wait_for_events(site, "worker", "CheckViolation")

    shutil.rmtree(site.settings.model_store / "models" / "tonebridge" / "v2")
    token = {"Authorization": f"Bearer {site.settings.secret('service_token')}"}
    item = {"text": marker, "transform_type": "soften", "intensity": 2}
    body = {"spec": {"version": "v2"}, "items": [item]}
    httpx.post(f"{site.settings.inference_urls[0]}/rewrite", json=body, headers=token, timeout=60)

    with httpx.Client(base_url=site.dashboard, timeout=60) as client:
        assert client.post("/sign-in", data={"email": site.email, "password": PASSWORD}).status_code == 303
        with broken_table(site.settings, "experiments"):
            assert client.get("/experiments", params={"q": marker}).status_code == 500
    wait_for_events(site, "dashboard", "UndefinedTable")
    check_silent(site, marker)
    for log in site.logs:
        if log.stem in ("gateway", "worker"):
            assert "CheckViolation: SQLSTATE 23514" in log.read_text(encoding="utf-8")


@contextmanager
def broken_table(settings: Settings, name: str) -> Iterator[None]:
    """A table that is missing for a while."""
    assert settings.database_url is not None
    engine = database.engine(settings.database_url)
    try:
        with engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE {name} RENAME TO planted"))
        yield
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE planted RENAME TO {name}"))
        engine.dispose()


def test_every_line_of_our_processes_has_one_form(site: Site) -> None:
    for log in site.logs:
        lines = log.read_text(encoding="utf-8").splitlines()
        foreign = [line for line in lines if not line.startswith("{")]
        # BentoML's supervisor writes a few lines before the service runs.
        assert not foreign or log.stem == "inference", (log, foreign[:3])
        for line in lines:
            if line.startswith("{"):
                read = json.loads(line)
                assert read["process"] == log.stem
                assert {"time", "level", "release", "logger", "message"} <= read.keys()


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
