"""Every field of every address of the page that connects chat workspaces, with text that nobody types, as
`test_web_inputs.py` has it. The addresses are those of the application, so a new one is tested without a
change here.
"""

import uuid
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool

from configs.settings import Settings
from serving.channels.pace import Pace
from serving.channels.site import create_site, parts_of
from serving.channels.slack.calls import Slack
from serving.channels.slack.connector import read_connector
from serving.channels.vault import Vault
from serving.channels.workspaces import Workspaces
from tests import site_inputs
from tests.chats import serving_page
from tests.dashboards import csrf_token, sign_in_by_form
from tests.logins import as_gateway
from tests.site_inputs import CHARSETS, LONG, METHODS, NO_TEXT, UNUSUAL, Field, check_head, check_headers
from tests.wire import exchange

pytestmark = pytest.mark.timeout(300)
OPEN_TO_ALL = ("/sign-in", "/look")


class Site(NamedTuple):
    """The process of the chat platforms, and an admin who has signed in to its page."""

    settings: Settings
    url: str
    signed_in: httpx.Client
    csrf: str
    app: FastAPI


def make_app(settings: Settings) -> FastAPI:
    """The page's application, for what it declares; nothing is sent to it."""
    slack = Slack(Pace(), "http://127.0.0.1:1/api/")
    connector = read_connector(settings, slack)
    assert connector is not None
    pool = AsyncConnectionPool(str(settings.database_url), open=False)
    site = create_site(as_gateway(settings), Workspaces(pool, Vault("a secret")), [connector])
    parts_of(site).close()
    app: FastAPI = site.behind
    return app


@pytest.fixture(scope="module")
def site(
    local: Settings, new_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("inputs")
    with serving_page(local, new_database(), folder) as installation:
        settings, url = installation.settings, str(installation.settings.channels_url)
        with httpx.Client(base_url=url, timeout=60) as client:
            sign_in_by_form(client, installation.account("admin"))
            yield Site(settings, url, client, csrf_token(client, "/workspaces"), make_app(settings))


@pytest.fixture(scope="module")
def fields(site: Site) -> list[Field]:
    declared = site_inputs.declared(site.app)
    return [field for field in declared if field.path != "/livez"]  # the process answers it before the page


def usual(site: Site, name: str) -> str:
    """A value that fits, encoded: only the field that is tried shall be at fault."""
    known = site_inputs.choices(site.app) | {
        "csrf": site.csrf, "platform": "slack", "to": "/", "email": "a@example.org", "language": "en",
        "theme": "dark",
    }  # fmt: skip
    return quote(known.get(name, str(uuid.uuid4())))


def ask(site: Site, client: httpx.Client, field: Field, value: str) -> httpx.Response:
    return site_inputs.ask(client, field, value, lambda name: usual(site, name))


def test_the_walk_finds_the_fields_of_every_address(fields: list[Field]) -> None:
    paths = {field.path for field in fields}
    assert {"/", "/workspaces", "/workspaces/remove", "/slack/install", "/slack/installed"} <= paths
    assert {"/sign-in", "/sign-out", "/look"} <= paths


def test_a_field_with_a_null_byte_is_refused(site: Site, fields: list[Field]) -> None:
    for is_signed_in in (True, False):
        with httpx.Client(base_url=site.url, timeout=60) as stranger:
            client = site.signed_in if is_signed_in else stranger
            for field in fields:
                for value in NO_TEXT:
                    answer = ask(site, client, field, value)
                    check_headers(answer)
                    assert answer.status_code == 422, (is_signed_in, field, value, answer.text[-600:])
                    assert '<main id="main"' in answer.text, (field, value)


def test_no_text_breaks_the_page(site: Site, fields: list[Field]) -> None:
    for is_signed_in in (True, False):
        with httpx.Client(base_url=site.url, timeout=60) as stranger:
            client = site.signed_in if is_signed_in else stranger
            for field in fields:
                for value in (*UNUSUAL, LONG) if is_signed_in else UNUSUAL[:5]:
                    answer = ask(site, client, field, value)
                    check_headers(answer)
                    assert answer.status_code < 500, (field, value, answer.text)
    assert site.signed_in.get("/workspaces").status_code == 200, "it was signed in all the while"


@pytest.mark.parametrize("charset", CHARSETS)
def test_a_form_in_a_charset_of_the_client_s_choice_breaks_nothing(
    site: Site, fields: list[Field], charset: str
) -> None:
    forms = {(field.path, field.form) for field in fields if field.where == "form"}
    assert len(forms) > 2
    for path, form in forms:
        values = {name: site.csrf if name == "csrf" else r"\ud800" for name in form}
        if path == "/sign-out":
            continue  # it has no other field
        answer = site_inputs.send_in_charset(site.signed_in, path, values, charset)
        check_headers(answer)
        assert answer.status_code < 500, (path, answer.text)
        if charset == "raw_unicode_escape":
            assert answer.status_code == 422, (path, answer.text)


@pytest.mark.parametrize(
    "path",
    ["/", "/nothing", "/sign-in", "/static/style.css", "/static/%00", "//", "/workspaces/", "/docs",
     "/openapi.json", "/%00", "/look", "/slack/install", "/slack/installed", "/slack/nothing"],
)  # fmt: skip
@pytest.mark.parametrize("method", METHODS)
def test_every_answer_has_the_headers(site: Site, method: str, path: str) -> None:
    request = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    check_head(exchange(site.settings.channels_port, request.encode()), path, method)


def test_a_form_without_the_secret_of_its_session_has_no_effect(site: Site, fields: list[Field]) -> None:
    posts = {(field.path, field.form) for field in fields if field.method == "post"}
    assert {path for path, form in posts if "csrf" not in form} == set(OPEN_TO_ALL)
    for path, form in posts:
        if "csrf" in form:
            data = {name: usual(site, name) for name in form} | {"csrf": "x" * len(site.csrf)}
            answer = site.signed_in.post(path, data=data)
            check_headers(answer)
            assert answer.status_code == 403, (path, answer.text[-600:])


@pytest.mark.parametrize("origin", ["http://[", "null", "//", "http://evil.example", "http://127.0.0.1"])
def test_an_origin_that_is_none_of_ours_is_refused(site: Site, fields: list[Field], origin: str) -> None:
    for path, form in {(field.path, field.form) for field in fields if field.method == "post"}:
        data = {name: usual(site, name) for name in form}
        answer = site.signed_in.post(path, data=data, headers={"Origin": origin})
        check_headers(answer)
        assert answer.status_code in (403, 422), (path, answer.text[-600:])
    assert site.signed_in.get("/workspaces").status_code == 200


def test_no_page_is_for_somebody_who_has_not_signed_in(site: Site, fields: list[Field]) -> None:
    closed = {(field.method, field.path, field.form) for field in fields if field.path not in OPEN_TO_ALL}
    with httpx.Client(base_url=site.url, timeout=60) as stranger:
        for method, path, form in closed:
            data = {name: usual(site, name) for name in form} if method == "post" else None
            answer = stranger.request(method, path, data=data)
            assert answer.status_code == 303, (method, path, answer.text[-600:])
            assert answer.headers["location"].startswith("/sign-in"), (method, path)
