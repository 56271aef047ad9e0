"""Every field of every address of the web app, with text that nobody types, as `test_dashboard_inputs.py` has
it. The addresses are those of the application, so a new page is tested without a change here.
"""

import uuid
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import quote

import httpx
import pytest

from configs.settings import Settings
from pipelines import local as stack
from serving.sites import front
from serving.web import visit
from serving.web.app import create_app
from tests import site_inputs
from tests.dashboards import csrf_token, own_settings, sign_in_by_form, with_gateway
from tests.site_inputs import CHARSETS, LONG, METHODS, NO_TEXT, UNUSUAL, Field, check_head, check_headers
from tests.wire import exchange

pytestmark = pytest.mark.timeout(300)


class Site(NamedTuple):
    """A web app that is served, and somebody who has signed in to it. Nothing can be rewritten."""

    settings: Settings
    url: str
    signed_in: httpx.Client
    csrf: str
    choices: dict[str, str]


@pytest.fixture(scope="module")
def site(
    local: Settings, new_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    settings = own_settings(local, new_database(), tmp_path_factory.mktemp("inputs"))
    url = f"http://127.0.0.1:{settings.web_port}"
    with with_gateway(settings) as installation, stack.running(settings, "web") as processes:
        processes["web"].wait_until_ready(f"{url}/livez")
        with httpx.Client(base_url=url, timeout=60) as client:
            sign_in_by_form(client, installation.account("admin"))
            choices = site_inputs.choices(create_app(settings).behind)
            yield Site(settings, url, client, csrf_token(client, "/rewrite"), choices)


@pytest.fixture(scope="module")
def fields(site: Site) -> list[Field]:
    return site_inputs.declared(create_app(site.settings).behind)


def usual(site: Site, name: str) -> str:
    """A value that fits, encoded: only the field that is tried shall be at fault."""
    known = site.choices | {
        "csrf": site.csrf, "text": "Fix it.", "transform_type": "soften", "intensity": "2", "receipt": "r",
        "choice": "skip", "vote": "up", "to": "/", "language": "en", "theme": "dark",
        "email": "a@example.org",
    }  # fmt: skip
    return quote(known.get(name, str(uuid.uuid4()) if name.endswith("_id") else "x"))


def ask(site: Site, client: httpx.Client, field: Field, value: str) -> httpx.Response:
    return site_inputs.ask(client, field, value, lambda name: usual(site, name))


def test_the_walk_finds_the_fields_of_every_page(site: Site, fields: list[Field]) -> None:
    paths = {field.path for field in fields}
    assert {address for address, _ in visit.PAGES} <= paths
    assert {"/", "/sign-in", "/sign-out", "/look", "/livez", "/manifest.webmanifest", "/service-worker.js",
            "/offline/{language}"} <= paths  # fmt: skip
    assert len(fields) > 40


def test_a_field_with_a_null_byte_is_refused_on_a_page_of_every_route(
    site: Site, fields: list[Field]
) -> None:
    for is_signed_in in (True, False):
        with httpx.Client(base_url=site.url, timeout=60) as stranger:
            client = site.signed_in if is_signed_in else stranger
            for field in fields:
                for value in NO_TEXT:
                    answer = ask(site, client, field, value)
                    check_headers(answer)
                    refused = (404, 422) if field.where == "path" else (422,)
                    assert answer.status_code in refused, (is_signed_in, field, value, answer.text[-600:])
                    if field.path != "/livez":
                        assert '<main id="main"' in answer.text, (field, value)


def test_a_value_that_is_too_long_is_refused(site: Site, fields: list[Field]) -> None:
    for field in fields:
        answer = ask(site, site.signed_in, field, LONG)
        check_headers(answer)
        if field.name in front._MESSAGES and (field.where == "form" or field.name == "text"):
            # A message may be as long; the gateway says what its own limit is.
            assert answer.status_code < 500 or answer.status_code == 503, (field, answer.text[-500:])
            continue
        allowed = (404, 422) if field.where == "path" else (422,)
        assert answer.status_code in allowed, (field, answer.status_code, answer.text[-500:])


@pytest.mark.slow
def test_no_text_breaks_a_page(site: Site, fields: list[Field]) -> None:
    for is_signed_in in (True, False):
        with httpx.Client(base_url=site.url, timeout=60) as stranger:
            client = site.signed_in if is_signed_in else stranger
            for field in fields:
                for value in UNUSUAL if is_signed_in else UNUSUAL[:5]:
                    answer = ask(site, client, field, value)
                    check_headers(answer)
                    # 503: nothing can be rewritten here.
                    assert answer.status_code < 500 or answer.status_code == 503, (field, value, answer.text)
    assert site.signed_in.get("/rewrite").status_code == 200, "it was signed in all the while"


@pytest.mark.parametrize("charset", CHARSETS)
def test_a_form_in_a_charset_of_the_client_s_choice_brings_in_no_half_of_a_pair(
    site: Site, fields: list[Field], charset: str
) -> None:
    forms = {(field.path, field.form) for field in fields if field.where == "form"}
    assert len(forms) > 5
    for path, form in forms:
        values = {name: site.csrf if name == "csrf" else r"\ud800" for name in form}
        if path == "/sign-out":
            continue  # it has no other field
        address = site_inputs.filled(path, lambda name: usual(site, name))
        answer = site_inputs.send_in_charset(site.signed_in, address, values, charset)
        check_headers(answer)
        assert answer.status_code < 500 or answer.status_code == 503, (path, answer.text)
        if charset == "raw_unicode_escape" and set(form) - {"csrf"}:
            assert answer.status_code == 422, (path, answer.text)


def test_a_file_in_place_of_a_field_breaks_nothing(site: Site, fields: list[Field]) -> None:
    for field in fields:
        if field.where == "form":
            path = site_inputs.filled(field.path, lambda name: usual(site, name))
            data = {name: usual(site, name) for name in field.form if name != field.name}
            answer = site.signed_in.post(path, data=data, files={field.name: ('a"b', b"x")})
            check_headers(answer)
            assert answer.status_code < 500 or answer.status_code == 503, (field, answer.text)


@pytest.mark.parametrize(
    "path",
    ["/", "/nothing", "/sign-in", "/static/style.css", "/static/nothing", "/static/%00",
     "/static/..%2fapp.py", "/livez", "//", "/rewrite/", "/docs", "/openapi.json", "/%00", "/look",
     "/manifest.webmanifest", "/service-worker.js", "/offline/en", "/offline/xx"],
)  # fmt: skip
@pytest.mark.parametrize("method", METHODS)
def test_every_answer_has_the_headers(site: Site, method: str, path: str) -> None:
    request = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    check_head(exchange(site.settings.web_port, request.encode()), path, method)


def test_a_form_without_the_secret_of_its_session_has_no_effect(site: Site, fields: list[Field]) -> None:
    forms = {(field.path, field.form) for field in fields if "csrf" in field.form}
    assert len(forms) > 3
    for path, form in forms:
        data = {name: usual(site, name) for name in form} | {"csrf": "x" * len(site.csrf)}
        address = site_inputs.filled(path, lambda name: usual(site, name))
        answer = site.signed_in.post(address, data=data)
        check_headers(answer)
        assert answer.status_code == 403, (path, answer.text[-600:])


def test_every_form_has_such_a_secret(fields: list[Field]) -> None:
    """Signing in has none yet, and language and theme are nobody's secret: both check the form's origin."""
    posts = {(field.path, field.form) for field in fields if field.method == "post"}
    assert {path for path, form in posts if "csrf" not in form} == {"/sign-in", "/look"}


@pytest.mark.parametrize("origin", ["http://[", "null", "//", "http://evil.example", "http://127.0.0.1"])
def test_an_origin_that_is_none_of_ours_is_refused(site: Site, fields: list[Field], origin: str) -> None:
    for path, form in {(field.path, field.form) for field in fields if field.method == "post"}:
        data = {name: usual(site, name) for name in form}
        address = site_inputs.filled(path, lambda name: usual(site, name))
        answer = site.signed_in.post(address, data=data, headers={"Origin": origin})
        check_headers(answer)
        assert answer.status_code in (403, 422), (path, answer.text[-600:])
    assert site.signed_in.get("/rewrite").status_code == 200


def test_no_page_is_for_somebody_who_has_not_signed_in(site: Site, fields: list[Field]) -> None:
    open_to_all = (
        "/sign-in", "/look", "/livez", "/status", "/manifest.webmanifest", "/service-worker.js", "/offline/",
    )  # fmt: skip
    closed = {
        (field.method, field.path, field.form) for field in fields if not field.path.startswith(open_to_all)
    }
    assert len(closed) > 8
    with httpx.Client(base_url=site.url, timeout=60) as stranger:
        for method, path, form in closed:
            address = site_inputs.filled(path, lambda name: usual(site, name))
            data = {name: usual(site, name) for name in form} if method == "post" else None
            answer = stranger.request(method, address, data=data)
            assert answer.status_code == 303, (method, path, answer.text[-600:])
            assert answer.headers["location"].startswith("/sign-in"), (method, path)
