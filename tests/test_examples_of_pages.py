"""The examples of the pages on the ways in are run as they are written, against a live gateway: each
command of a shell, one after the other, and each program.
"""

import base64
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from tests.ports import free_port
from tests.sdks import ROOT, Installation

ADDRESS = "localhost:8080"
# What the reader takes from the answer of each command, in the page's order: a variable, and the field.
TAKEN: dict[str, list[dict[str, str]]] = {
    "api": [{"RECEIPT": "receipt"}, {}],
    "streaming": [{}],
    "analysis": [{}],
    "jobs": [{}],
    "browsers": [{}, {"PAGE_KEY_ID": "id"}, {}],
    "dashboard": [{}],
    "dictionaries": [{}, {"TERM_ID": "id"}, {}, {}, {}, {}],
    "privacy": [{}, {}, {}],
    "security": [{}],
    "rules": [{"RULE_ID": "id"}, {}, {}, {}, {}, {}, {}],
    "webhooks": [{"ID": "id"}, {}],
    "graphql": [{}, {}, {}, {}],
    "sessions": [{}, {}, {"ACCESS": "access_token"}, {"ID": "1.id"}, {}, {}, {}, {}],
    "app-feedback": [{"ID": "id"}, {}, {}],
    "signatures": [{"KEY_ID": "id", "ROBOT": "key"}, {"KEYID": "id", "SECRET": "secret"}, {}, {}],
    "openai": [{"RECEIPT": "tonebridge.receipt"}, {}],
}
# Pages whose commands run elsewhere, or not at all.
OTHER_COMMANDS = {
    "lists": "tests/serving/gateway/test_pages.py",
    "inbound-webhooks": "tests/serving/channels/inbound/test_part.py",
    "experiments": "they need an experiment that runs; tests/tonebridge/_async/test_client.py calls both",
    "images": "they need the images and podman",
    "monitoring": "it reads the metrics of the dashboard, which is no way in",
    "notebooks/07_own_model": "they need a version of the reader's own",
}
# The programs in Python that the tests of this file run, by page and number; then the others.
PROGRAMS = {
    ("openai", 0), ("openai", 1), ("sdks", 0), ("websocket", 0), ("analysis", 0), ("webhooks", 0),
    ("inbound-webhooks", 0),
}  # fmt: skip
OTHER_PROGRAMS = {
    ("lists", 0): "tests/serving/gateway/test_pages.py",
    ("inbound-webhooks", 1): "tests/serving/channels/inbound/test_part.py",
    ("signatures", 0): "tests/serving/gateway/signatures/test_page.py",
    ("signatures", 1): "tests/serving/gateway/signatures/test_page.py",
    ("graphql", 0): "it needs gql, which is not installed; the subscription is tested by its protocol",
    ("deprecation", 0): "a line of the gateway itself",
}
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
# An error fails the command, and is shown.
CURL = 'curl() { command curl --fail-with-body "$@"; }\n'


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.+?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(page: str) -> list[str]:
    """Each call of curl, with what stands before the first one of its block."""
    found = []
    for block in blocks(page, "sh"):
        before, *calls = re.split(r"^(?=curl )", block, flags=re.MULTILINE)
        if calls:
            found += [before + calls[0], *calls[1:]]
    return found


def pick(document: object, path: str) -> str:
    for name in path.split("."):
        assert isinstance(document, dict | list)
        document = document[int(name)] if isinstance(document, list) else document[name]
    return str(document)


def give_an_answer(live: Installation, person: str) -> str:
    """The id of an answer that a person has got. No page has its message, since a page deletes it."""
    with httpx.Client(base_url=f"{live.url}/api/v1", headers={"X-API-Key": live.key}) as client:
        body = {"text": "Fix the lamp.", "transform_type": "soften", "intensity": 2, "user_id": person}
        answer_id = str(client.post("/transform", json=body).raise_for_status().json()["answer_id"])
        deadline = time.monotonic() + 60
        while answer_id not in client.get("/answers", params={"user_id": person}).raise_for_status().text:
            assert time.monotonic() < deadline, "it is stored within a second"
            time.sleep(0.05)
    return answer_id


@pytest.mark.slow
@pytest.mark.parametrize("page", TAKEN)
def test_the_commands_of_a_page_run(live: Installation, page: str, tmp_path: Path) -> None:
    names = {**os.environ, "KEY": live.key}
    found = commands(page)
    assert len(found) == len(TAKEN[page]), (
        "say what a reader takes from the answer of the new command (TAKEN)"
    )
    if any("$ANSWER_ID" in command for command in found):
        names["ANSWER_ID"] = give_an_answer(live, "ann")
    for command, taken in zip(found, TAKEN[page], strict=True):
        own = command.replace(ADDRESS, live.url.removeprefix("http://"))
        own = own.replace("http://127.0.0.1:9000/", "https://127.0.0.1:9000/")  # no setting allows the former
        if "ID" in names:
            own = re.sub(UUID, names["ID"], own)
        shell = ["bash", "-euo", "pipefail", "-c", CURL + own]
        done = subprocess.run(shell, cwd=tmp_path, env=names, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        assert not done.stdout.startswith('{"errors":'), (
            command,
            done.stdout,
        )  # GraphQL's have the status 200
        names |= {name: pick(json.loads(done.stdout), path) for name, path in taken.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "number"), [("openai", 0), ("openai", 1), ("sdks", 0)], ids=["openai", "langchain", "sdks"]
)
def test_a_program_of_a_page_runs(live: Installation, page: str, number: int) -> None:
    code = blocks(page, "python")[number].replace(ADDRESS, live.url.removeprefix("http://"))
    names = {**os.environ, "KEY": live.key, "TONEBRIDGE_URL": live.url, "TONEBRIDGE_API_KEY": live.key}
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, env=names, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Please wait."), done.stdout


@pytest.mark.slow
def test_the_program_on_analyses_prints_what_was_found(live: Installation) -> None:
    names = {**os.environ, "TONEBRIDGE_URL": live.url, "TONEBRIDGE_API_KEY": live.key}
    command = [sys.executable, "-c", blocks("analysis", "python")[0]]
    done = subprocess.run(command, env=names, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "the thing - " in done.stdout


@contextmanager
def receiving(page: str, **environment: str) -> Iterator[tuple["subprocess.Popen[str]", httpx.Client]]:
    """The receiver of a page, and a client of it."""
    port = free_port()
    command = [sys.executable, "-u", "-c", blocks(page, "python")[0].replace("9000", str(port))]
    names = {**os.environ, **environment}
    until_it_listens = httpx.HTTPTransport(retries=10)
    with (
        subprocess.Popen(command, env=names, stdout=subprocess.PIPE, text=True) as program,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=until_it_listens) as client,
    ):
        try:
            yield program, client
        finally:
            program.terminate()


@pytest.mark.slow
def test_the_program_that_receives_events_takes_what_is_signed() -> None:
    secret, body = "whsec_" + base64.b64encode(os.urandom(32)).decode(), '{"type": "job.done", "data": 1}'
    now = datetime.now(UTC)
    signature = Webhook(secret).sign("msg_1", now, body)
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(now.timestamp()))}
    with receiving("webhooks", SECRET=secret) as (program, client):
        for sent, status in ((signature, 204), ("v1,AAAA", 401)):
            signed = {**headers, "webhook-signature": sent}
            assert client.post("/", content=body, headers=signed).status_code == status
        assert program.stdout is not None
        assert program.stdout.readline() == "msg_1 job.done 1\n"


@pytest.mark.slow
def test_the_program_that_receives_rewrites_prints_them() -> None:
    with receiving("inbound-webhooks") as (program, client):
        assert client.post("/", content='{"text": "Please."}').status_code == 204
        assert program.stdout is not None
        assert program.stdout.readline() == '{"text": "Please."}\n'


@pytest.mark.slow
def test_the_program_on_websockets_gets_its_answer(live: Installation) -> None:
    code = blocks("websocket", "python")[0].replace(ADDRESS, live.url.removeprefix("http://"))
    command = [sys.executable, "-u", "-c", code]
    names = {**os.environ, "KEY": live.key}
    with subprocess.Popen(command, env=names, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        kinds: list[str] = []
        while not {"answer", "event"} <= set(kinds):  # it ends by itself if it is refused
            line = program.stdout.readline()
            assert line, kinds
            kinds.append(json.loads(line)["type"])
        program.terminate()
    assert kinds[:2] == ["ready", "subscribed"]


def test_every_example_is_run_or_named() -> None:
    docs = ROOT / "docs"
    pages = [file.relative_to(docs).with_suffix("").as_posix() for file in docs.rglob("*.md")]
    with_commands = {page for page in pages if commands(page)}
    assert with_commands == TAKEN.keys() | OTHER_COMMANDS.keys()
    assert not TAKEN.keys() & OTHER_COMMANDS.keys()
    # Notebooks are run when their pages are made.
    programs = {
        (page, number)
        for page in pages
        if not page.startswith("notebooks/")
        for number in range(len(blocks(page, "python")))
    }
    assert programs == PROGRAMS | OTHER_PROGRAMS.keys()
    elsewhere = [*OTHER_COMMANDS.items(), *((page, where) for (page, _), where in OTHER_PROGRAMS.items())]
    for page, where in elsewhere:
        if where.startswith("tests/"):
            assert f"{page}.md" in (ROOT / where).read_text(encoding="utf-8")


def test_each_way_in_has_a_page_of_examples() -> None:
    """docs/api.md names a page for each way in, and each of these pages has an example to copy."""
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    pages = set(re.findall(r"\(([a-z-]+)\.md(?:#[a-z-]+)?\)", text))
    assert {*TAKEN, "websocket", "sdks"} - {"api", "dashboard", "security"} <= pages
    assert [page for page in sorted(pages) if not (blocks(page, "sh") or blocks(page, "python"))] == []
