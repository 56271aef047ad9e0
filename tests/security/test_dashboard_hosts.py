"""A dashboard answers only requests for its own names. So a page of another site whose name leads to
127.0.0.1 (DNS rebinding) can neither read a page nor send a form.
"""

from collections.abc import Callable, Iterator

import pytest

from configs.settings import Settings
from pipelines import local as stack
from tests.dashboards import own_settings
from tests.wire import exchange

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def settings(local: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The settings of a dashboard whose gateway is unavailable: names are checked first."""
    assert local.database_url is not None
    settings = own_settings(local, local.database_url, tmp_path_factory.mktemp("hosts"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TONEBRIDGE_ALLOWED_HOSTS", '["127.0.0.1", "localhost", "[::1]", "Bridge.Example"]')
        with stack.running(settings, "dashboard") as processes:
            processes["dashboard"].wait_until_ready(f"http://127.0.0.1:{settings.dashboard_port}/livez")
            yield settings


@pytest.fixture
def ask(settings: Settings) -> Callable[[str, str], str]:
    """`ask("GET /", "Host: a")` is the answer to a request with these lines."""

    def ask(request: str, lines: str) -> str:
        headers = f"{lines}\r\n" if lines else ""
        head = f"{request} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"
        return exchange(settings.dashboard_port, head.encode("latin-1"))

    return ask


PATHS = ("GET /", "GET /sign-in", "POST /sign-in", "POST /look", "GET /experiments", "GET /static/style.css",
         "GET /nothing", "GET /livez/", "GET //livez", "GET /readyz")  # fmt: skip


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8090", "127.0.0.1.evil.example", "evil.example@127.0.0.1",
     "127.0.0.1@evil.example", "127.0.0.1:80@evil.example", "127.0.0.1, evil.example", "localhost.",
     "localhost evil.example", "xlocalhost", "2130706433", "127.1", "0.0.0.0", "[::]", "[::1", "::1",
     "[::1]x", "127.0.0.1:x", "127.0.0.1:80:80", "bridge.example.evil", "", ":8090", "\xe9", "[::1%25eth0]"],
)  # fmt: skip
def test_another_name_is_refused_on_every_route(ask: Callable[[str, str], str], host: str) -> None:
    for request in PATHS:
        head, _, body = ask(request, f"Host: {host}").partition("\r\n\r\n")
        assert head.startswith("HTTP/1.1 400 "), (request, head)
        assert "TONEBRIDGE_ALLOWED_HOSTS" in body, request
        assert "content-security-policy: " in head, request
        assert "location: " not in head.lower(), request


@pytest.mark.parametrize("lines", ["", "Host: 127.0.0.1\r\nHost: evil.example"])
def test_a_request_with_no_name_or_two_is_refused(ask: Callable[[str, str], str], lines: str) -> None:
    assert ask("GET /sign-in", lines).startswith("HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8090", "localhost:1", "LOCALHOST", "[::1]", "[::1]:8090", "bridge.example:443"],
)
def test_its_own_names_are_answered_at_any_port(ask: Callable[[str, str], str], host: str) -> None:
    assert ask("GET /sign-in", f"Host: {host}").startswith("HTTP/1.1 200 ")


def test_a_probe_may_call_it_by_any_name(ask: Callable[[str, str], str]) -> None:
    assert ask("GET /livez", "Host: 10.0.0.7:8090").startswith("HTTP/1.1 200 ")


def test_a_form_of_a_site_that_shares_the_name_but_not_the_port_is_refused(
    settings: Settings, ask: Callable[[str, str], str]
) -> None:
    for origin in ("http://evil.example", "http://127.0.0.1:1"):
        answer = ask("POST /look", f"Host: 127.0.0.1:{settings.dashboard_port}\r\nOrigin: {origin}")
        assert answer.startswith("HTTP/1.1 403 "), answer
