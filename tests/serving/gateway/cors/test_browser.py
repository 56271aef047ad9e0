"""Pages in a real browser, on other ports than the gateway: what they read, and what has no effect."""

import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.sdks import ROOT, Installation
from tonebridge import ToneBridge

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

[EXAMPLE] = re.findall(
    r"^```html\n(.+?)^```$",
    (ROOT / "docs" / "browsers.md").read_text(encoding="utf-8"),
    re.MULTILINE | re.DOTALL,
)
# What a page sees of an answer: its status, headers and text, or that the browser hides it.
_CALL = """async ([url, method, headers, body]) => {
  try {
    const content = body === null ? undefined : JSON.stringify(body);
    const response = await fetch(url, { method, headers, body: content });
    return [response.status, Object.fromEntries(response.headers), await response.text()];
  } catch (error) {
    return error.name;
  }
}"""
_SOCKET = """([url, token]) => new Promise((resolve) => {
  const socket = new WebSocket(url);
  const types = [];
  socket.onopen = () => socket.send(JSON.stringify({ type: "auth", token }));
  socket.onmessage = ({ data }) => {
    types.push(JSON.parse(data).type);
    if (types.at(-1) === "ready") socket.close();
  };
  socket.onclose = ({ code }) => resolve([types, code]);
})"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The origin of a folder's pages, on a port of its own."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The origins of two sites, each with an empty page."""
    (tmp_path / "index.html").write_text("<!doctype html><title>A page</title>")
    with serving(tmp_path) as mine, serving(tmp_path) as theirs:
        yield mine, theirs


@pytest.fixture
def owner(live: Installation) -> Iterator[ToneBridge]:
    with ToneBridge(live.url, api_key=live.key) as client:
        yield client
        client.put_origins([])


@pytest.fixture
def page(browser: "Browser") -> Iterator["Page"]:
    page = browser.new_page()
    yield page
    page.close()


def fresh() -> dict[str, Any]:
    return {"text": f"Fix it today. {uuid.uuid4()}", "transform_type": "soften", "intensity": 2}


class Site:
    """A page of an origin that calls a gateway with a key."""

    def __init__(self, page: "Page", live: Installation, origin: str, key: str) -> None:
        self._page, self._live, self._key = page, live, key
        page.goto(origin)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """What the page sees of an answer."""
        named = {"X-API-Key": self._key, "Content-Type": "application/json", **headers}
        return self._page.evaluate(_CALL, [f"{self._live.url}{path}", method, named, body])

    def transform(self, body: Any, **headers: str) -> Any:
        """What it sees of a rewrite."""
        return self.call("POST", "/api/v1/transform", body, **headers)

    def open_socket(self) -> Any:
        """The types of the messages that it gets, and how the connection ends."""
        url = self._live.url.replace("http", "ws", 1)
        return self._page.evaluate(_SOCKET, [f"{url}/api/v1/ws", self._key])


def allow(live: Installation, owner: ToneBridge, page: "Page", origins: list[str]) -> str:
    """Let these origins be the organisation's, and a new ordinary key be one that the gateway knows so."""
    owner.put_origins(origins)
    return str(owner.create_key("for a test", role="admin")["key"])


def test_an_allowed_page_reads_answers_streams_errors_and_headers(
    live: Installation, owner: ToneBridge, page: "Page", sites: tuple[str, str]
) -> None:
    mine, _ = sites
    site = Site(page, live, mine, allow(live, owner, page, [mine]))
    body = fresh()
    for _ in range(2):
        status, headers, text = site.transform(body)
        assert (status, '"transformed_text":"Please wait.' in text) == (200, True)
        assert {"x-request-id", "ratelimit", "ratelimit-policy", "server-timing"} <= set(headers)
    status, headers, text = site.transform(fresh(), Accept="text/event-stream")
    assert (status, "event: answer" in text) == (200, True)
    assert headers["content-type"].startswith("text/event-stream")
    assert headers["x-request-id"]
    status, _, text = site.transform({"text": ""})
    assert (status, "allowed_text" in text) == (422, True)
    for method, path, status in (
        ("GET", "/api/v1/keys", 200),
        ("PUT", "/api/v1/origins", 422),
        ("DELETE", "/api/v1/keys/abcd", 404),
        ("PATCH", f"/api/v1/accounts/{uuid.uuid4()}", 422),
        ("GET", "/api/v1/nothing", 404),
    ):
        seen = site.call(method, path, None if method in ("GET", "DELETE") else {}, **{"X-Of-My-Own": "1"})
        assert seen[0] == status, (method, path, seen)
    assert site.call("GET", "/api/v1/keys", None, **{"X-API-Key": "unknown"})[0] == 401
    assert site.open_socket() == [["ready"], 1005]


def test_another_page_reads_nothing_and_stores_nothing(
    live: Installation, owner: ToneBridge, page: "Page", sites: tuple[str, str]
) -> None:
    mine, theirs = sites
    site = Site(page, live, theirs, allow(live, owner, page, [mine]))
    body = fresh()
    for headers in ({}, {"Accept": "text/event-stream"}):
        assert site.transform(body, **headers) == "TypeError"
    made = {"name": f"of another site {uuid.uuid4()}"}
    assert site.call("POST", "/api/v1/keys", made) == "TypeError"
    assert live.count_outputs(body["text"]) == 0
    assert made["name"] not in [key["name"] for key in owner.list_keys()]
    assert site.open_socket() == [["error"], 4403]
    assert site.call("POST", "/api/v1/auth/login", {"email": "a@b", "password": "x"}) == "TypeError"
    assert site.call("GET", "/livez") == "TypeError", "it is for no page"


def test_a_key_for_pages_works_on_its_page_only(
    live: Installation, owner: ToneBridge, page: "Page", sites: tuple[str, str]
) -> None:
    mine, theirs = sites
    key = str(owner.create_key("a page", browser=True, origins=[mine])["key"])
    site = Site(page, live, mine, key)
    assert site.transform(fresh())[0] == 200
    status, _, text = site.call("GET", "/api/v1/jobs")
    assert (status, "browser_key_route" in text) == (403, True)
    assert site.open_socket() == [["error"], 4403]
    body = fresh()
    assert Site(page, live, theirs, key).transform(body) == "TypeError"
    assert Site(page, live, f"{live.url}/docs", key).transform(body)[0] == 403, "not on the gateway's own"
    assert live.count_outputs(body["text"]) == 0


def test_the_gateways_own_page_uses_an_ordinary_key(
    live: Installation, owner: ToneBridge, page: "Page"
) -> None:
    site = Site(page, live, f"{live.url}/docs", allow(live, owner, page, []))
    assert site.transform(fresh())[0] == 200
    assert site.call("GET", "/api/v1/keys")[0] == 200


def test_the_example_of_the_documentation_works(
    live: Installation, owner: ToneBridge, page: "Page", tmp_path: Path
) -> None:
    folder = tmp_path / "example"
    folder.mkdir()
    with serving(folder) as origin:
        key = owner.create_key("a page", browser=True, origins=[origin])["key"]
        example = EXAMPLE.replace("http://localhost:8080", live.url).replace("tb_...", key)
        assert len(example.splitlines()) <= 45
        (folder / "index.html").write_text(example, encoding="utf-8")
        page.goto(origin)
        page.get_by_role("textbox").fill(text := fresh()["text"])
        page.get_by_role("button", name="Rewrite").click()
        page.get_by_role("status").get_by_text("Please wait.").wait_for()
        with page.expect_response("**/api/v1/feedback") as voted:
            page.get_by_role("button", name="Good").click()
        assert voted.value.status == 201
        assert live.count_outputs(text) == 1
        page.get_by_role("textbox").fill("")
        page.get_by_role("button", name="Rewrite").click()
        page.get_by_role("status").get_by_text("1 to 8,000 characters").wait_for()
