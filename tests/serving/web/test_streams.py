"""Rewrites that the gateway streams, through the process of the web app."""

import asyncio
import json
import re
import time
import uuid
from collections.abc import Callable, Iterator

import httpx
import pytest

from configs.settings import Settings
from pipelines import local as processes
from tests.dashboards import csrf_token, set_up, sign_in_by_form
from tests.ports import with_own_ports
from tests.serving.dashboard.texts import text_of
from tests.serving.web.scripted import POLITE, Writer
from tests.webs import Site


@pytest.fixture
def writer(scripted: tuple[Site, Writer]) -> Iterator[Writer]:
    yield scripted[1]
    scripted[1].is_held = False


@pytest.fixture
def browser_of_a_person(scripted: tuple[Site, Writer]) -> Iterator[httpx.Client]:
    """A client of the process of the web app, in which a new person has signed in."""
    site = scripted[0]
    with httpx.Client(base_url=site.url, timeout=30) as client:
        sign_in_by_form(client, site.add_person().email)
        yield client


def form_of(client: httpx.Client) -> dict[str, str]:
    """The fields of the form, with a message that is new."""
    message = f"Fix PAY-123. {uuid.uuid4()}"
    return {
        "csrf": csrf_token(client, "/rewrite"),
        "text": message,
        "transform_type": "soften",
        "intensity": "2",
    }


def events_of(text: str) -> list[tuple[str, dict[str, str]]]:
    """The events of a stream."""
    return [(kind, json.loads(data)) for kind, data in re.findall(r"event: (.*)\ndata: (.*)\n", text)]


def until(claim: Callable[[], bool]) -> None:
    """Wait for what happens in another process."""
    for _ in range(600):
        if claim():
            return
        time.sleep(0.05)
    raise AssertionError("it has not happened within thirty seconds")


def test_the_draft_comes_while_it_is_written(browser_of_a_person: httpx.Client, writer: Writer) -> None:
    client = browser_of_a_person
    form, text = form_of(client), ""
    writer.is_held = True
    with client.stream("POST", "/rewrite/stream", data=form) as answer:
        for part in answer.iter_text():
            text += part
            if writer.is_held:
                assert events_of(text) == [("delta", {"text": "Could"})], "the rest is not written yet"
                writer.is_held = False
    events = events_of(text)
    assert "".join(data["text"] for kind, data in events[:-1]) == f"{POLITE} {form['text']}"
    assert events[-1][0] == "answer"
    assert 'id="result"' in events[-1][1]["html"]
    assert "Rewriting while you watch Works." in text_of(client.get("/status").text)


def test_a_browser_that_leaves_ends_the_writing(browser_of_a_person: httpx.Client, writer: Writer) -> None:
    client = browser_of_a_person
    form, given_up = form_of(client), writer.given_up
    writer.is_held = True
    with client.stream("POST", "/rewrite/stream", data=form) as answer:
        next(answer.iter_text())
        assert writer.given_up == given_up
    until(lambda: writer.given_up == given_up + 1)


def test_many_streams_are_open_at_once(browser_of_a_person: httpx.Client, writer: Writer) -> None:
    """More than there are threads for plain handlers."""
    client = browser_of_a_person
    form = form_of(client)
    cookies = dict(client.cookies)
    writer.is_held = True

    async def read_all() -> list[str]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(
            base_url=client.base_url, cookies=cookies, limits=limits, timeout=60
        ) as many:

            async def read(number: int) -> str:
                text = ""
                fields = form | {"text": f"{form['text']} {number}"}
                async with many.stream("POST", "/rewrite/stream", data=fields) as answer:
                    async for part in answer.aiter_text():
                        if "event: delta" not in text and "event: delta" in part:
                            begun.append(number)
                        text += part
                        if len(begun) == 60:
                            writer.is_held = False
                return text

            begun: list[int] = []
            return list(await asyncio.gather(*map(read, range(60))))

    for text in asyncio.run(read_all()):
        assert events_of(text)[-1][0] == "answer", text


def test_without_a_gateway_the_stream_says_so(local: Settings, new_database: Callable[..., str]) -> None:
    settings = with_own_ports(local.model_copy(update={"database_url": new_database()}))
    installation = set_up(settings)
    site = Site(installation)
    email = site.add_person().email
    with processes.running(settings, "gateway", "web") as running, httpx.Client(base_url=site.url) as client:
        running["gateway"].wait_until_ready(f"{settings.gateway_url}/livez")
        running["web"].wait_until_ready(f"{site.url}/livez")
        sign_in_by_form(client, email)
        form = form_of(client)
        unreleased = events_of(client.post("/rewrite/stream", data=form).text)
        assert [kind for kind, _ in unreleased] == ["error"]
        assert 'role="alert"' in unreleased[0][1]["html"]
        running["gateway"].stop()
        ((kind, data),) = events_of(client.post("/rewrite/stream", data=form).text)
        assert kind == "error"
        assert "The gateway does not answer." in data["html"]
        plain = client.post("/rewrite", data=form)
        assert plain.status_code == 503
        assert form["text"] in plain.text
        banner = "At the moment this does not work: Rewriting while you watch."
        assert banner in text_of(plain.text), "two streams have failed, and one plain rewrite"
    installation.engine.dispose()
