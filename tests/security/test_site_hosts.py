"""Dashboard, web app and the page of chat workspaces answer only requests for their own names. So a page of
another site whose name leads to 127.0.0.1 (DNS rebinding) can neither read a page nor send a form.
"""

from collections.abc import Callable, Iterator

import pytest
from pydantic import SecretStr

from configs.settings import Settings
from pipelines import local as stack
from tests.dashboards import own_settings
from tests.wire import exchange

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module", params=["dashboard", "web", "channels"])
def port(
    request: pytest.FixtureRequest, local: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """The port of a site whose gateway is unavailable: names are checked first."""
    assert local.database_url is not None
    own = own_settings(local, local.database_url, tmp_path_factory.mktemp("hosts"))
    changes = {  # without them `channels` has no page
        "channels_url": "https://chat.example",
        "slack_client_id": "1.2",
        "slack_client_secret": SecretStr("the client secret of an app of these tests"),
        "slack_signing_secrets": (SecretStr("a signing secret"),),
    }
    settings = own.model_copy(update=changes)
    port: int = getattr(settings, f"{request.param}_port")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TONEBRIDGE_ALLOWED_HOSTS", '["127.0.0.1", "localhost", "[::1]", "Bridge.Example"]')
        with stack.running(settings, request.param) as processes:
            processes[request.param].wait_until_ready(f"http://127.0.0.1:{port}/livez")
            yield port


@pytest.fixture
def ask(port: int) -> Callable[[str, str], str]:
    """`ask("GET /", "Host: a")` is the answer to a request with these lines."""

    def ask(request: str, lines: str) -> str:
        headers = f"{lines}\r\n" if lines else ""
        head = f"{request} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"
        return exchange(port, head.encode("latin-1"))

    return ask


PATHS = ("GET /", "GET /sign-in", "POST /sign-in", "POST /look", "GET /experiments", "GET /rewrite",
         "GET /static/style.css", "GET /manifest.webmanifest", "GET /service-worker.js", "GET /offline/en",
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
    port: int, ask: Callable[[str, str], str]
) -> None:
    for origin in ("http://evil.example", "http://127.0.0.1:1"):
        answer = ask("POST /look", f"Host: 127.0.0.1:{port}\r\nOrigin: {origin}")
        assert answer.startswith("HTTP/1.1 403 "), answer
