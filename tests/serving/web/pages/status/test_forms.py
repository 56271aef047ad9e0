"""The page Status and the banner, without a script: what they say while parts are down, and to whom."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from serving.web.app import create_app
from serving.web.health import Health, Part
from tests.serving.dashboard.texts import text_at, text_of
from tests.webs import Site

BANNER = "At the moment this does not work:"


@pytest.fixture
def stranger(site: Site) -> Iterator[TestClient]:
    """Somebody who has not signed in."""
    with TestClient(create_app(site.settings), base_url="http://127.0.0.1") as client:
        yield client


def health_of(client: TestClient) -> Health:
    seen: Health = client.app.behind.state.health  # type: ignore[attr-defined]
    return seen


def test_everybody_reads_it_and_it_names_no_part_of_the_system(site: Site, stranger: TestClient) -> None:
    page = stranger.get("/status")
    assert page.status_code == 200
    words = text_of(page.text)
    assert "Nothing is known to be down." in words
    assert [part.value in words for part in Part] == [True] * len(Part)
    assert '<time datetime="' in page.text
    for secret in ("gateway", "redis", "postgres", "epoch", "v1", "127.0.0.1", site.settings.gateway_url):
        assert secret not in page.text.lower()
    assert "Sign out" not in words


def test_what_people_did_is_on_the_page_and_what_is_down_on_every_page(site: Site) -> None:
    with site.client() as client:
        assert "Works. Last seen to work:" in text_at(client, "/status"), "the person has signed in"
        assert BANNER not in client.get("/profile").text
        for _ in range(2):
            health_of(client).record(Part.REWRITE, False)
        for address in ("/rewrite", "/history", "/dictionary", "/profile", "/help", "/no-such-page"):
            assert f"{BANNER} Rewriting. See the status" in text_of(client.get(address).text), address
        page = text_at(client, "/status")
        assert "Something does not work at the moment." in page
        assert "Rewriting Does not work. First noticed:" in page
        assert BANNER not in page
        client.cookies.set("language", "ja")
        assert "現在、次の機能が使えません： 書き換え" in text_at(client, "/history")
        health_of(client).record(Part.REWRITE, True)
        assert "現在、次の機能が使えません" not in client.get("/history").text


def test_requests_of_the_pages_are_what_is_seen(site: Site) -> None:
    with site.client() as client:
        client.get("/history")
        states = {state.part: state.level for state in health_of(client).list_states()}
        assert (states[Part.SIGN_IN], states[Part.HISTORY]) == ("works", "works")
        nowhere = site.settings.model_copy(update={"gateway_url": "http://127.0.0.1:9"})
    with TestClient(create_app(nowhere), base_url="http://127.0.0.1") as client:
        for _ in range(2):
            refused = client.post("/sign-in", data={"email": "ann@example.org", "password": "x"})
            assert refused.status_code == 503
        assert f"{BANNER} Signing in" in text_at(client, "/sign-in")
        page = client.get("/status")
        assert (page.status_code, text_of(page.text).count("Does not work.")) == (200, len(Part))
