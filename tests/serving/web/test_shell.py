"""The installable web app: what a browser installs, what it keeps, and what it shows without a connection."""

import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from starlette.testclient import TestClient

from configs.settings import Settings
from pipelines import local as processes
from serving.sites import parts, words
from serving.sites.front import SHARED
from serving.web import app, shell, visit
from tests.accounts import PASSWORD
from tests.dashboards import Installation

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

STATIC = Path(app.__file__).parent / "static"
_TEMPLATES = parts.templates("serving.web")


@pytest.fixture
def client(local: Settings) -> TestClient:
    """A client of a web app that nobody has signed in to."""
    return TestClient(app.create_app(local), base_url="http://127.0.0.1")


def test_the_manifest_has_what_browsers_need_to_install_it(client: TestClient) -> None:
    answer = client.get("/manifest.webmanifest")
    assert answer.headers["content-type"] == "application/manifest+json"
    assert answer.headers["cache-control"] == "no-store"
    manifest = answer.json()
    assert {"id", "name", "short_name", "description", "start_url", "scope", "display"} <= manifest.keys()
    assert manifest["display"] == "standalone"
    assert re.fullmatch("#[0-9a-f]{6}", manifest["theme_color"])
    assert {icon.get("purpose", "any") for icon in manifest["icons"]} == {"any", "maskable"}
    assert len(manifest["shortcuts"]) == 1
    pages = [address for address, _ in visit.PAGES]
    assert {manifest["shortcuts"][0]["url"], manifest["share_target"]["action"]} <= set(pages)
    target = manifest["share_target"]
    assert (target["method"], set(target["params"])) == ("GET", {"title", "text", "url"})


def test_the_manifest_is_in_the_language_of_the_reader(client: TestClient) -> None:
    by_browser = client.get("/manifest.webmanifest", headers={"Accept-Language": "ja"}).json()
    by_cookie = client.get("/manifest.webmanifest", headers={"Cookie": "language=ja"}).json()
    english = client.get("/manifest.webmanifest").json()
    assert by_browser == by_cookie
    assert (by_browser["lang"], by_browser["shortcuts"][0]["name"]) == ("ja", "書き換え")
    assert (english["lang"], english["shortcuts"][0]["name"]) == ("en", "Rewrite")


def test_each_icon_exists_in_the_size_that_the_manifest_says(client: TestClient) -> None:
    manifest = client.get("/manifest.webmanifest").json()
    for icon in [*manifest["icons"], *manifest["shortcuts"][0]["icons"]]:
        answer = client.get(icon["src"])
        assert answer.status_code == 200, icon
        assert answer.headers["content-type"].partition(";")[0] == icon["type"]
        if icon["type"] == "image/png":
            width, height = struct.unpack(">II", answer.content[16:24])
            assert f"{width}x{height}" == icon["sizes"], icon


def test_the_pages_of_the_web_app_link_to_it_and_those_of_the_dashboard_do_not(client: TestClient) -> None:
    page = client.get("/sign-in").text
    assert page.count('<link rel="manifest" href="/manifest.webmanifest"') == 1
    assert page.count('<script src="/static/page.js" defer>') == 1
    for theme, colours in (("auto", [shell.LIGHT, shell.DARK]), ("dark", [shell.DARK])):
        page = client.get("/sign-in", headers={"Cookie": f"theme={theme}"}).text
        assert re.findall(r'name="theme-color"[^>]* content="([^"]+)"', page) == colours
    assert "head.html" in _TEMPLATES.list_templates()
    assert "head.html" not in parts.templates("serving.dashboard").list_templates()


def test_the_colours_are_those_of_the_header() -> None:
    styles = (SHARED / "base.css").read_text(encoding="utf-8")
    assert set(re.findall(r"--card: (#[0-9a-f]{6})", styles)) == {shell.LIGHT, shell.DARK}


def test_the_service_worker_keeps_files_and_offline_pages_and_is_for_the_whole_site(
    client: TestClient,
) -> None:
    answer = client.get("/service-worker.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cache-control"] == "no-store"
    assert len(answer.text.splitlines()) <= 40
    [kept] = re.findall(r"ADDRESSES = (\[.*?\]);", answer.text)
    kept = json.loads(kept)
    assert {"/offline/en", "/offline/ja", "/static/shared/base.css", "/static/style.css"} <= set(kept)
    assert all(address.startswith(("/offline/", "/static/")) for address in kept)
    for address in kept:  # one that is missing would prevent the installation
        assert client.get(address).status_code == 200, address


@pytest.mark.parametrize("language", sorted(words.LANGUAGES))
def test_the_offline_page_is_the_same_for_everybody_and_needs_nothing_that_is_not_kept(
    client: TestClient, language: str
) -> None:
    client.cookies.update({"tonebridge_session": "x", "theme": "dark", "language": "en"})
    page = client.get(f"/offline/{language}")
    assert page.status_code == 200
    assert f'<html lang="{language}">' in page.text
    assert page.text == TestClient(client.app, base_url="http://127.0.0.1").get(f"/offline/{language}").text
    needed = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text))
    kept = client.get("/service-worker.js").text
    assert needed
    assert not [address for address in needed if f'"{address}"' not in kept]


def test_another_language_is_no_address(client: TestClient) -> None:
    assert client.get("/offline/fr").status_code == 422


def test_the_version_changes_with_every_file_and_with_nothing_else(tmp_path: Path) -> None:
    def version() -> str:
        return shell.Shell(_TEMPLATES, {"/static": tmp_path}).version

    (tmp_path / "a.css").write_text("a")
    first = version()
    assert version() == first
    (tmp_path / "large.png").write_text("not kept")
    assert version() == first
    (tmp_path / "a.css").write_text("b")
    second = version()
    (tmp_path / "a.css").rename(tmp_path / "b.css")
    third = version()
    (tmp_path / "a.css").write_text("b")
    assert len({first, second, third, version()}) == 4


@pytest.fixture(scope="module")
def web(installation: Installation) -> Iterator[str]:
    """The address of a web app whose gateway answers."""
    url = f"http://127.0.0.1:{installation.settings.web_port}"
    with processes.running(installation.settings, "web") as started:
        started["web"].wait_until_ready(f"{url}/livez")
        yield url


def sign_in(installation: Installation, page: "Page") -> str:
    """Sign a new person in; their address."""
    email = installation.account("member")
    page.goto("/sign-in")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").wait_for()
    return email


def wait_for_worker(page: "Page") -> None:
    """Wait until the service worker is in charge of the page."""
    page.evaluate("navigator.serviceWorker.ready")
    page.wait_for_function("navigator.serviceWorker.controller?.state === 'activated'")


_KEPT = """async () => {
  const kept = {};
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    for (const request of await cache.keys()) {
      kept[new URL(request.url).pathname] = await (await cache.match(request)).text();
    }
  }
  return kept;
}"""


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # mlflow's
def test_nothing_of_a_person_is_kept_after_they_have_rewritten_and_signed_out(
    installation: Installation, web: str, browser: "Browser"
) -> None:
    context = browser.new_context(base_url=web)
    page = context.new_page()
    email = sign_in(installation, page)
    wait_for_worker(page)
    for path in ("/rewrite?title=marker&text=marker", *(address for address, _ in visit.PAGES)):
        answer = page.goto(path)
        assert answer is not None
        assert answer.from_service_worker
        assert answer.headers["cache-control"] == "no-store"
    page.goto("/rewrite")
    page.locator("textarea[name=text]").first.fill("marker: fix PAY-123 by Friday.")
    page.get_by_role("button", name="Rewrite", exact=True).click()
    page.locator("#result > section").first.wait_for()  # it was streamed past the service worker
    page.goto("/rewrite")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    kept = page.evaluate(_KEPT)
    assert len(kept) > 5
    assert all(path.startswith(("/static/", "/offline/")) for path in kept)
    assert not [path for path, text in kept.items() if "marker" in text or email in text]
    page.goto("/rewrite")
    assert page.url.startswith(f"{web}/sign-in"), "signing out holds"
    page.go_back()
    assert "marker" not in page.content()
    context.close()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("chosen", "locale", "heading", "again"),
    [("en", "ja-JP", "No connection", "Try again"), ("ja", "en-GB", "接続できません", "再試行")],
)
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_without_a_connection_a_page_says_so_in_the_language_that_was_chosen(
    installation: Installation, web: str, browser: "Browser", chosen: str, locale: str, heading: str,
    again: str, width: int, scheme: str,
) -> None:  # fmt: skip
    context = browser.new_context(
        base_url=web, locale=locale, viewport={"width": width, "height": 844}, color_scheme=scheme  # type: ignore[arg-type]
    )  # fmt: skip
    context.add_cookies([{"name": "language", "value": chosen, "url": web}])
    page = context.new_page()
    page.goto("/sign-in")
    wait_for_worker(page)
    context.set_offline(True)
    page.goto("/history")
    assert page.get_by_role("heading", name=heading).is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("getComputedStyle(document.querySelector('.top')).display") == "flex", "with styles"
    assert [violation["id"] for violation in Axe().run(page).response["violations"]] == []
    page.evaluate("window.isFormer = true")
    page.get_by_role("link", name=again).click()
    page.wait_for_function("!window.isFormer && document.readyState === 'complete'")
    expect(page.get_by_role("heading", name=heading)).to_be_visible()  # it is offline still
    context.set_offline(False)  # the page opens by itself
    page.wait_for_url("**/sign-in?to=/history")
    context.close()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_page_opens_by_itself_when_the_site_answers_again(
    installation: Installation, web: str, browser: "Browser"
) -> None:
    """Also where the browser was connected all the time, so that it has no event of it."""
    context = browser.new_context(base_url=web)
    context.add_init_script("addEventListener('online', (event) => event.stopImmediatePropagation())")
    page = context.new_page()
    page.goto("/sign-in")
    wait_for_worker(page)
    context.set_offline(True)
    page.goto("/history")
    expect(page.get_by_role("heading", name="No connection")).to_be_visible()
    context.set_offline(False)
    page.wait_for_url("**/sign-in?to=/history")
    context.close()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_new_version_replaces_what_was_kept(
    installation: Installation, web: str, browser: "Browser"
) -> None:
    context = browser.new_context(base_url=web)
    page = context.new_page()
    page.goto("/sign-in")
    wait_for_worker(page)
    [version] = page.evaluate("caches.keys()")
    assert version in page.request.get("/service-worker.js").text()
    page.evaluate("caches.open('shell-of-another-release')")
    page.evaluate("navigator.serviceWorker.getRegistration().then((one) => one.unregister())")
    page.goto("/sign-in")
    wait_for_worker(page)
    page.wait_for_function("caches.keys().then((names) => names.length === 1)")
    assert page.evaluate("caches.keys()") == [version]
    context.close()
