"""Every field of every address of the dashboard, with text that nobody types. The dashboard refuses it on a
page that says so, and each response has the headers that protect a browser.
"""

import re
import uuid
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import quote, urlencode

import httpx
import pytest
from fastapi import APIRouter
from sqlalchemy import update
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.records import Spec
from data.tables import Experiment, Version
from data.traffic import routing
from data.traffic.routing import Routing
from pipelines import local as stack
from serving.dashboard import app as dashboard
from serving.dashboard.app import Front, create_app
from tests.dashboards import Installation, csrf_token, own_settings, sign_in_by_form, with_gateway
from tests.logins import as_dashboard
from tests.wire import exchange

pytestmark = pytest.mark.timeout(300)

NO_TEXT = ("%00", "before%00after")
LONG = "a" * 10_000
UNUSUAL = (
    "%ED%A0%80", "%F0%9F%92%A9", "%F0%9F", "%FF", "%0D%0ASet-Cookie:x", "%E2%80%AE", "%5B" * 1500,
    "1e999", "NaN", "-1", "%25s%25(x)s", "..%2F..%2Fetc%2Fpasswd", "%2e%2e", "%5C", "%27%3B--", "{{7*7}}",
)  # fmt: skip
NEEDED = ("smallest_effect", "power", "alpha", "n_star", "minimum_days", "window_hours", "primary")
DRAFT = ("csrf", "idempotency_key", "name", "hypothesis", "challengers", "plan.ramp", "plan.primary",
         "plan.harm_margin", "transform_types", "locales", "channels", "users_a_day")  # fmt: skip
POLICY = "frame-ancestors 'none'"


class Field(NamedTuple):
    """A place of a request that holds text: a part of a path, a parameter, or a field of a form."""

    method: str
    path: str
    where: str
    name: str
    form: tuple[str, ...]


class Site(NamedTuple):
    """A dashboard that is served, who has signed in to it, and an experiment and a webhook that it shows."""

    installation: Installation
    url: str
    signed_in: httpx.Client
    csrf: str
    experiment_id: uuid.UUID
    webhook_id: uuid.UUID


@pytest.fixture(scope="module")
def site(
    local: Settings, new_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    settings = own_settings(local, new_database(), tmp_path_factory.mktemp("inputs"))
    with with_gateway(settings) as installation, stack.running(settings, "dashboard") as processes:
        with Session(installation.engine) as session, session.begin():
            for name in ("v1", "v2"):
                session.add(
                    Version(name=name, run_id=name, method="sft", metrics={}, accepted=True, reasons=[])
                )
            routing.publish(session, Routing(champion=Spec(version="v1")), "the first")
        url = installation.url
        processes["dashboard"].wait_until_ready(f"{url}/livez")
        with httpx.Client(base_url=url, timeout=60) as client:
            sign_in_by_form(client, installation.account("admin"))
            csrf = csrf_token(client, "/compare")
            form = {"csrf": csrf, "idempotency_key": "x", "name": "n", "hypothesis": "h", "challengers": "v2"}
            drafted = client.post("/experiments/new", data=form)
            assert drafted.status_code == 303, drafted.text
            experiment_id = uuid.UUID(drafted.headers["location"].removeprefix("/experiments/"))
            form = {"csrf": csrf, "url": "https://example.org/", "events": "job.done"}
            made = client.post("/webhooks", data=form)
            ids = re.findall(r'id="webhook-([0-9a-f-]+)"', made.text)
            yield Site(installation, url, client, csrf, experiment_id, uuid.UUID(ids[0]))


def fields(site: Site) -> list[Field]:
    """Every field that the application declares, and those that it reads without a declaration."""
    schema = create_app(as_dashboard(site.installation.settings)).behind.openapi()
    fields = []
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            form: tuple[str, ...] = ()
            for content in operation.get("requestBody", {}).get("content", {}).values():
                form_schema = schema["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
                form = tuple(form_schema["properties"])
            if path == "/experiments/new" and method == "post":
                form = DRAFT
            fields += [
                Field(method, path, parameter["in"], parameter["name"], form)
                for parameter in operation.get("parameters", [])
            ]
            fields += [Field(method, path, "form", name, form) for name in form]
            if path != "/sign-out":  # with a csrf that fits it would do what it says
                fields.append(Field(method, path, "query", "unknown", form))
    fields += [Field("get", "/experiments/needed", "query", f"plan.{name}", ()) for name in NEEDED]
    fields += [Field("get", "/experiments/needed", "query", "users_a_day", ())]
    return fields


def usual(site: Site, name: str) -> str:
    """A value that fits, encoded: only the field that is tried shall be at fault."""
    known = {
        "experiment_id": str(site.experiment_id), "comparison_id": str(uuid.uuid4()), "csrf": site.csrf,
        "action": "pause", "metric": "satisfaction", "name": "v1", "version": "v1", "stage": "sft",
        "idempotency_key": str(uuid.uuid4()), "choice": "skip", "receipt": "r", "intensity": "2",
        "transform_type": "soften", "challenger": "v2", "challengers": "v2", "plan.ramp": "[0.5, 1.0]",
        "plan.primary": "satisfaction", "plan.harm_margin": "0.05", "users_a_day": "5", "share": "5",
        "transform_types": "soften", "locales": "en", "channels": "chat", "email": "a@example.org",
        "to": "/", "language": "en", "theme": "dark", "webhook_id": str(site.webhook_id),
        "delivery_id": str(uuid.uuid4()), "url": "https://example.org/", "events": "job.done",
        "state": "dead", "before": str(uuid.uuid4()),
    }  # fmt: skip
    return quote(known.get(name, "x"))


def ask(site: Site, client: httpx.Client, field: Field, value: str) -> httpx.Response:
    """A request in which one field has a value, which is percent-encoded already."""
    path = re.sub(
        r"\{(\w+)\}",
        lambda match: value if (field.where, field.name) == ("path", match[1]) else usual(site, match[1]),
        field.path,
    )
    if field.where == "query":
        path += f"?{field.name}={value}"
    body = "&".join(
        f"{name}={value if (field.where, field.name) == ('form', name) else usual(site, name)}"
        for name in field.form
    )
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if field.method == "post" else {}
    return client.request(field.method, path, content=body or None, headers=headers)


def check_headers(answer: httpx.Response) -> None:
    where = f"{answer.request.method} {answer.request.url.raw_path[:80]!r} {answer.status_code}"
    for name in ("content-security-policy", "x-content-type-options", "referrer-policy", "cache-control"):
        assert len(answer.headers.get_list(name)) == 1, (where, name)
    assert POLICY in answer.headers["content-security-policy"], where
    assert answer.headers["x-content-type-options"] == "nosniff", where
    is_static = answer.request.url.path.startswith("/static/")
    assert answer.headers["cache-control"] == ("no-cache" if is_static else "no-store"), where


def test_the_walk_finds_the_fields_of_every_page(site: Site) -> None:
    paths = {field.path for field in fields(site)}
    for page in (dashboard.experiments, dashboard.models, dashboard.data, dashboard.calibration,
                 dashboard.operations, dashboard.comparisons, dashboard.webhooks,
                 dashboard.deliveries):  # fmt: skip
        router: APIRouter = page.router
        assert {route.path for route in router.routes} <= paths  # type: ignore[attr-defined]
    assert {"/", "/sign-in", "/sign-out", "/look", "/livez"} <= paths
    assert len(fields(site)) > 60


def test_a_field_with_a_null_byte_is_refused_on_a_page_of_every_route(site: Site) -> None:
    for is_signed_in in (True, False):
        with httpx.Client(base_url=site.url, timeout=60) as stranger:
            client = site.signed_in if is_signed_in else stranger
            for field in fields(site):
                for value in NO_TEXT:
                    answer = ask(site, client, field, value)
                    check_headers(answer)
                    refused = (404, 422) if field.where == "path" else (422,)
                    assert answer.status_code in refused, (is_signed_in, field, value, answer.text[-600:])
                    if field.path != "/livez":
                        assert '<main id="main"' in answer.text, (field, value)


@pytest.mark.slow
def test_no_text_breaks_a_page(site: Site) -> None:
    for is_signed_in in (True, False):
        with httpx.Client(base_url=site.url, timeout=60) as stranger:
            client = site.signed_in if is_signed_in else stranger
            for field in fields(site):
                for value in UNUSUAL if is_signed_in else UNUSUAL[:5]:
                    answer = ask(site, client, field, value)
                    check_headers(answer)
                    # 503: MLflow is not there; the inference service is not, either.
                    assert answer.status_code < 500 or answer.status_code == 503, (field, value, answer.text)
    assert site.signed_in.get("/experiments").status_code == 200, "it was signed in all the while"


def test_a_value_that_is_too_long_is_refused(site: Site) -> None:
    for field in fields(site):
        answer = ask(site, site.signed_in, field, LONG)
        check_headers(answer)
        if (field.where, field.name) == ("form", "text"):
            continue  # a message may be as long; the gateway says what its own limit is
        allowed = (404, 422) if field.where == "path" else (403, 422) if field.name == "csrf" else (422,)
        if field.name in ("language", "theme"):
            allowed = (303, 422)  # what is no choice changes nothing
        assert answer.status_code in allowed, (field, answer.status_code, answer.text[-500:])


@pytest.mark.parametrize("charset", ["raw_unicode_escape", "undefined", "idna", "utf-16", "utf-7", "no such"])
@pytest.mark.parametrize("path", ["/experiments/new", "/compare/message", "/sign-in", "/look"])
def test_a_form_in_a_charset_of_the_client_s_choice_brings_in_no_half_of_a_pair(
    site: Site, path: str, charset: str
) -> None:
    values = {name: usual(site, name) for name in DRAFT} | {
        "csrf": site.csrf, "hypothesis": r"\ud800", "text": r"\ud800", "email": r"\ud800@x", "password": "p",
        "to": r"/\ud800",
    }  # fmt: skip
    parts = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in values.items()
    )
    headers = {"Content-Type": f"multipart/form-data; boundary=b; charset={charset}"}
    answer = site.signed_in.post(path, content=f"{parts}--b--\r\n".encode(), headers=headers)
    check_headers(answer)
    assert answer.status_code < 500 or answer.status_code == 503, answer.text
    if charset == "raw_unicode_escape":
        assert answer.status_code == 422, answer.text


def test_a_file_in_place_of_a_field_breaks_nothing(site: Site) -> None:
    for field in fields(site):
        if field.where == "form":
            path = re.sub(r"\{(\w+)\}", lambda match: usual(site, match[1]), field.path)
            data = {name: usual(site, name) for name in field.form if name != field.name}
            answer = site.signed_in.post(path, data=data, files={field.name: ('a"b', b"x")})
            check_headers(answer)
            assert answer.status_code < 500, (field, answer.text)


def test_a_form_without_an_end_is_refused_before_it_fills_the_memory(site: Site) -> None:
    def body() -> Iterator[bytes]:
        for _ in range(1000):
            yield b"email=" + b"x" * 9_993 + b"&"

    with httpx.Client(base_url=site.url, timeout=60) as client:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            answer = client.post("/sign-in", content=body(), headers=headers)
        except (httpx.WriteError, httpx.ReadError):
            return  # it was closed while more was sent
        check_headers(answer)
        assert answer.status_code == 413
        assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    "path",
    ["/", "/nothing", "/sign-in", "/sign-in/", "/static/style.css", "/static/nothing", "/static/%00",
     "/static", "/static/..%2fapp.py", "/livez", "//", "/experiments/", "/docs", "/openapi.json",
     "/%00", "/look"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "OPTIONS", "TRACE", "NONSENSE"])
def test_every_answer_has_the_headers(site: Site, method: str, path: str) -> None:
    request = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    answer = exchange(site.installation.settings.dashboard_port, request.encode())
    answer = answer.partition("\r\n\r\n")[0].lower()
    if method == "NONSENSE":
        assert answer.startswith("http/1.1 400"), answer  # uvicorn's, before there is a request
        return
    assert int(answer.split()[1]) < 500, answer
    for line in (
        "x-content-type-options: nosniff",
        "referrer-policy: same-origin",
        "content-security-policy: ",
    ):
        assert answer.count(f"\r\n{line}") == 1, (line, answer)
    expected = "no-cache" if path.startswith("/static/") else "no-store"
    assert f"cache-control: {expected}" in answer, answer


def test_a_static_file_that_has_not_changed_has_the_headers(site: Site) -> None:
    first = site.signed_in.get("/static/style.css")
    again = site.signed_in.get("/static/style.css", headers={"If-None-Match": first.headers["etag"]})
    assert (first.status_code, again.status_code) == (200, 304)
    check_headers(first)
    check_headers(again)


@pytest.mark.parametrize(
    "origin", ["http://[", "null", "http://\xbd", "//", "http://evil.example", "http://127.0.0.1"]
)
def test_an_origin_that_is_none_of_ours_is_refused(site: Site, origin: str) -> None:
    for path in ("/sign-in", "/look", "/sign-out"):
        data = {"email": "a", "password": "b", "csrf": site.csrf}
        answer = site.signed_in.post(path, data=data, headers={b"Origin": origin.encode("latin-1")})
        check_headers(answer)
        assert answer.status_code == 403, (path, answer.text)


def test_what_breaks_is_a_page_with_the_headers_that_says_that_the_connection_closes(site: Site) -> None:
    # A target that this release cannot read: nothing that a request can bring about.
    with Session(site.installation.engine) as session, session.begin():
        broken = update(Experiment).where(Experiment.id == site.experiment_id)
        session.execute(broken.values(target="no object"))
    try:
        answer = site.signed_in.get(f"/experiments/{site.experiment_id}")
        assert answer.status_code == 500
        check_headers(answer)
        assert answer.headers["connection"] == "close"
        assert "Something broke here" in answer.text
        assert "Traceback" not in answer.text
        assert site.signed_in.get("/sign-in").status_code == 200
    finally:
        with Session(site.installation.engine) as session, session.begin():
            session.execute(update(Experiment).where(Experiment.id == site.experiment_id).values(target={}))


async def test_what_breaks_in_the_error_page_itself_has_the_headers(local: Settings) -> None:
    front = create_app(as_dashboard(local))

    @front.behind.get("/broken")
    def broken() -> None:
        front.behind.state.parts = None  # the page that explains it needs them, too
        raise RuntimeError("broken on purpose")

    transport = httpx.ASGITransport(front, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.get("/broken", headers={"Cookie": "tonebridge_session=x"})
    assert answer.status_code == 500
    check_headers(answer)


def test_a_plan_that_no_number_of_users_fulfils_is_said(site: Site) -> None:
    for plan in ({"smallest_effect": "1e-9"}, {"smallest_effect": "1e9"}, {"alpha": "1e-300"},
                 {"power": "0.999999999999"}, {"power": "1e-12"}, {"n_star": "1000000000"}):  # fmt: skip
        query = urlencode({f"plan.{name}": value for name, value in plan.items()})
        answer = site.signed_in.get(f"/experiments/needed?{query}")
        assert answer.status_code == 200, (plan, answer.text)


def test_front_stands_outside_of_everything(local: Settings) -> None:
    assert isinstance(create_app(as_dashboard(local)), Front)
