"""Pages of every list: their links lead through all rows once, whatever is added meanwhile."""

import asyncio
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.people import accounts, identities
from data.people.identities import Wanted
from data.tables import Organisation, new_id
from serving.gateway.app import create_app
from serving.gateway.pages import MOST
from serving.gateway.parts import parts_of
from serving.gateway.routes import accounts as routes
from serving.gateway.routes import answers as own
from serving.gateway.routes import (
    app_feedback,
    batches,
    dictionary,
    erasures,
    experiments,
    inbound_webhooks,
    jobs,
    keys,
    rules,
    sessions,
    webhooks,
)
from tests import gateways, sdks
from tests.accounts import add_account
from tests.logins import as_gateway
from tests.serving.gateway.routes.test_answers import give, person
from tonebridge import ToneBridge

Key = dict[str, str]
ROWS = 7

_NUMBERS = "generate_series(1, :rows) AS n"
# As JSON. SQLAlchemy takes a colon before a letter for the name of a parameter.
_CONDITIONS = '[{"kind": "keyword", "words": ["asap"]}]'
_RULE = f'{{"name": "x", "conditions": {_CONDITIONS}, "transform_type": "soften", "intensity": 2}}'
# Rows of each list, by the address that lists them. `:a` to `:c` are the ids that the address may have.
_MADE = {
    "/accounts?q=page": (
        "INSERT INTO accounts (id, organisation_id, user_id, email, name, role, password_hash)"
        " SELECT id, :organisation, id, id || '@example.org', 'Page', 'member', 'x'"
        f" FROM (SELECT time_ordered_id() AS id FROM {_NUMBERS}) ids"
    ),
    "/keys?role=viewer": (
        "INSERT INTO api_keys (id, organisation_id, name, role, secret_sha256)"
        f" SELECT left(gen_random_uuid()::text, 8) || n, :organisation, 'x', 'viewer', '' FROM {_NUMBERS}"
    ),
    "/signing-keys?revoked=true": (
        "INSERT INTO signing_keys (kid, organisation_id, algorithm, key, role, revoked_at)"
        " SELECT gen_random_uuid(), :organisation, 'HS256', uuid_send(gen_random_uuid()), 'member', now()"
        f" FROM {_NUMBERS}"
    ),
    "/keys/{key}/secrets": (
        "INSERT INTO request_secrets (id, key_id, organisation_id, revoked_at)"
        f" SELECT 'rs_' || gen_random_uuid(), :key, :organisation, now() FROM {_NUMBERS}"
    ),
    "/webhooks": (
        "INSERT INTO webhooks (id, organisation_id, url, events, description, secret, created_by)"
        " SELECT time_ordered_id(), :organisation, 'https://example.org', '{}', '', '', 'x'"
        f" FROM {_NUMBERS}"
    ),
    "/inbound-webhooks": (
        "INSERT INTO inbound_webhooks (id, organisation_id, key_id, sealed_key, name, verification, secret,"
        " text_pointer, transform_type, intensity, reply_url, reply_form, delivers_unchanged, created_by)"
        " SELECT time_ordered_id(), :organisation, :key, '', 'x', 'hub', '', '/text', 'soften', 2,"
        f" 'https://example.org', 'text', false, 'x' FROM {_NUMBERS}"
    ),
    "/webhooks/{webhook}/deliveries?event=webhook.test&event=job.done&state=waiting": (
        "INSERT INTO jobs (id, organisation_id, kind, payload, key, webhook_id, requested_by)"
        " SELECT time_ordered_id(), :organisation, 'webhook', jsonb_build_object('event_id',"
        " gen_random_uuid(), 'type', 'job.done'), gen_random_uuid(), CAST(:webhook AS uuid), 'x'"
        f" FROM {_NUMBERS}"
    ),
    "/jobs?kind=export": (
        "INSERT INTO jobs (id, organisation_id, kind, payload, key, requested_by)"
        " SELECT time_ordered_id(), :organisation, 'export', '{}', gen_random_uuid(), 'x'"
        f" FROM {_NUMBERS}"
    ),
    "/jobs/batches?since=2026-01-01T00:00:00Z": (
        "INSERT INTO job_batches (id, organisation_id, requested_by, request_digest, messages)"
        f" SELECT time_ordered_id(), :organisation, 'x', '', 0 FROM {_NUMBERS}"
    ),
    "/dictionary?scope=organisation": (
        "INSERT INTO dictionary_terms (id, organisation_id, term, folded, rule, wording, created_by)"
        " SELECT time_ordered_id(), :organisation, 'term ' || n, 'term ' || n, 'keep', '', 'x'"
        f" FROM {_NUMBERS}"
    ),
    "/rules?scope=organisation": (
        "INSERT INTO transform_rules (id, organisation_id, name, conditions, transform_type, intensity,"
        " priority, enabled, created_by)"
        f" SELECT time_ordered_id(), :organisation, 'x', '{_CONDITIONS}', 'soften', 2, n, true, 'x'"
        f" FROM {_NUMBERS}"
    ),
    "/rules/changes?scope=organisation": (
        "INSERT INTO rule_changes (id, organisation_id, rule_id, former, changed_by)"
        f" SELECT time_ordered_id(), :organisation, gen_random_uuid(), '{_RULE}', 'x' FROM {_NUMBERS}"
    ),
    "/keys/changes?action=key_created&key_id=k": (
        "INSERT INTO key_changes (id, organisation_id, action, key_id, changed_by)"
        f" SELECT time_ordered_id(), :organisation, 'key_created', 'k', 'x' FROM {_NUMBERS}"
    ),
    "/app-feedback": (
        "INSERT INTO app_feedback (id, organisation_id, user_id, about, comment, may_answer)"
        f" SELECT time_ordered_id(), :organisation, :ann, 'praise', 'Good.', false FROM {_NUMBERS}"
    ),
    "/erasures?user_id=ann": (
        "INSERT INTO erasures (id, organisation_id, user_id, counts, finished_at)"
        f" SELECT time_ordered_id(), :organisation, :ann, '{{}}', now() FROM {_NUMBERS}"
    ),
    "/experiments?status=discarded": (
        "INSERT INTO experiments (id, name, hypothesis, plan, salt, status)"
        f" SELECT gen_random_uuid(), 'x', 'x', '{{}}', 'x', 'discarded' FROM {_NUMBERS}"
    ),
}
_WEBHOOK = (
    "INSERT INTO webhooks (id, organisation_id, url, events, description, secret, created_by)"
    " VALUES (:webhook, :organisation, 'https://example.org', '{}', '', '', 'x')"
)
_ANSWERS = "/answers?user_id=ann&transform_type=soften"
_SEARCHED = f"{_ANSWERS}&q=FIX"
_SESSIONS = "/auth/sessions"
_MORE = (_ANSWERS, _SEARCHED, _SESSIONS)
_MADE_AT = ("created_at", "changed_at", "signed_in_at", "requested_at")  # of rows, by their list
_NAMES = {"/signing-keys?revoked=true": "kid", _ANSWERS: "answer_id", _SEARCHED: "answer_id"}


@pytest.fixture
def organisation_id(engine: Engine) -> uuid.UUID:
    return gateways.an_organisation(engine)


@pytest.fixture
async def client(
    pool: AsyncConnectionPool, engine: Engine, organisation_id: uuid.UUID
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of all lists, in the organisation that runs the installation."""
    with Session(engine) as session:
        name = session.get_one(Organisation, organisation_id).name
    routers = (
        routes.account_router, keys.router, experiments.router, batches.router, jobs.router, webhooks.router,
        own.router, dictionary.router, sessions.router, erasures.router, inbound_webhooks.router,
        app_feedback.router, rules.router,
    )  # fmt: skip
    app = await gateways.app_of(pool, *routers, organisation=name)
    async with gateways.client(app) as client:
        client.headers.update(gateways.a_key(engine, organisation_id, "owner"))
        yield client


async def make_sessions(engine: Engine, organisation_id: uuid.UUID, client: httpx.AsyncClient) -> None:
    """Sessions of an account. The client has the last one from now on."""
    account = add_account(engine, organisation_id, password=None)
    parts = parts_of(client._transport.app)  # type: ignore[attr-defined]
    async with parts.pool.connection() as connection:
        for _ in range(ROWS):
            opened = await accounts.open_session(connection, account.id, b"here")
    client.headers["X-API-Key"] = parts.authenticator.access_token(opened.session_id, account.id)


async def make_rows(
    engine: Engine, organisation_id: uuid.UUID, client: httpx.AsyncClient, address: str
) -> str:
    """Rows of a list; its address, with ids."""
    if address == _SESSIONS:
        await make_sessions(engine, organisation_id, client)
        return address
    key = client.headers["X-API-Key"].split("_")[1]
    ann = person({"X-API-Key": client.headers["X-API-Key"]}, "ann")
    if address in (_ANSWERS, _SEARCHED):
        give(engine, organisation_id, ann, ROWS)
        give(engine, organisation_id, ann, 1, "clarify")
        return address
    webhook = new_id()
    values = {"organisation": organisation_id, "rows": ROWS, "key": key, "webhook": webhook, "ann": ann}
    with engine.begin() as owner:
        owner.execute(text(_WEBHOOK), values)
        owner.execute(text(_MADE[address]), values)
    return address.format(key=key, webhook=webhook)


async def follow(client: httpx.AsyncClient, address: str) -> AsyncIterator[list[dict[str, Any]]]:
    """The pages of a list, by their links."""
    url = f"/api/v1{address}"
    while True:
        response = await client.get(url)
        assert response.status_code == 200, response.text
        yield response.json()
        if "link" not in response.headers:
            return
        url = response.links["next"]["url"]
        assert url.startswith("/api/v1/"), "relative to the gateway, wherever a proxy has put it"


@pytest.mark.parametrize("address", [*_MADE, *_MORE])
async def test_links_lead_through_all_rows(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, address: str
) -> None:
    address = await make_rows(engine, organisation_id, client, address)
    joined = f"{address}&" if "?" in address else f"{address}?"
    whole = [row async for page in follow(client, f"{joined}limit={MOST}") for row in page]
    assert len(whole) >= ROWS
    times = [next(row[name] for name in _MADE_AT if name in row) for row in whole]
    assert times == sorted(times, reverse=True), "the newest first"
    for limit in (1, 2, ROWS - 1, len(whole), len(whole) + 1):
        if len(whole) / limit > 50:
            continue
        pages = [page async for page in follow(client, f"{joined}limit={limit}")]
        assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
        assert 0 < len(pages[-1]) <= limit, "the last page has a row, and no link to an empty one"
        assert [row for page in pages for row in page] == whole


@pytest.mark.parametrize("address", [*_MADE, *_MORE])
async def test_a_link_keeps_the_filters(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, address: str
) -> None:
    address = await make_rows(engine, organisation_id, client, address)
    path, _, query = address.partition("?")
    asked = [*parse_qsl(query), ("limit", "2"), ("unknown", '"> é&')]
    response = await client.get(f"/api/v1{path}", params=asked)
    link = urlsplit(response.links["next"]["url"])
    last = response.json()[-1][_NAMES.get(address, "id")]
    assert link.path == f"/api/v1{path}"
    assert parse_qsl(link.query) == [*asked, ("before", last)]
    assert response.headers["link"].endswith('; rel="next"')


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "before=%00"])
@pytest.mark.parametrize("address", [*_MADE, *_MORE])
async def test_what_is_no_page_is_refused(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, address: str, query: str
) -> None:
    address = await make_rows(engine, organisation_id, client, address)
    response = await client.get(f"/api/v1{address}{'&' if '?' in address else '?'}{query}")
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [query.partition("=")[0]]


async def test_a_key_of_another_organisation_begins_no_page(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID
) -> None:
    """Its place would tell when it was made."""
    other = gateways.a_key(engine, gateways.an_organisation(engine))["X-API-Key"].split("_")[1]
    assert (await client.get(f"/api/v1/keys?before={other}")).json() == []


def test_every_list_has_pages(local: Settings) -> None:
    paths = create_app(as_gateway(local)).behind.openapi()["paths"]
    lists = {
        path.removeprefix("/api/v1"): {parameter["name"] for parameter in operations["get"]["parameters"]}
        for path, operations in paths.items()
        if "get" in operations
        and operations["get"]["responses"].get("200", {}).get("content", {}).get("application/json", {})
        .get("schema", {}).get("type") == "array"
    }  # fmt: skip
    tested = {address.partition("?")[0] for address in [*_MADE, *_MORE]}
    assert {path.replace("key_id", "key").replace("webhook_id", "webhook") for path in lists} == tested
    assert all({"before", "limit"} <= parameters for parameters in lists.values())


class _List(NamedTuple):
    """A list of an organisation: how a row is added at a time, and how a page is read."""

    add: Callable[[AsyncConnection, uuid.UUID, int], Coroutine[Any, Any, str]]
    read: Callable[[AsyncConnection, uuid.UUID, str | None, int], Coroutine[Any, Any, list[str]]]


async def _add_account(connection: AsyncConnection, organisation_id: uuid.UUID, at: int) -> str:
    id = uuid.UUID(int=(at << 80) | (7 << 76) | (2 << 62) | uuid.uuid4().int & (1 << 62) - 1)
    await connection.execute(
        "INSERT INTO accounts (id, organisation_id, user_id, email, name, role, password_hash)"
        " VALUES (%(id)s, %(organisation)s, %(id)s, %(id)s, '', 'member', '')",
        {"id": id, "organisation": organisation_id},
    )
    return str(id)


async def _read_accounts(
    connection: AsyncConnection, organisation_id: uuid.UUID, before: str | None, most: int
) -> list[str]:
    place = uuid.UUID(before) if before else None
    return [
        str(row.id) for row in await accounts.list_some(connection, organisation_id, before=place, most=most)
    ]


async def _add_key(connection: AsyncConnection, organisation_id: uuid.UUID, at: int) -> str:
    id = uuid.uuid4().hex[:16]
    await connection.execute(
        "INSERT INTO api_keys (id, organisation_id, name, role, secret_sha256, created_at)"
        " VALUES (%s, %s, '', 'member', '', to_timestamp(%s))",
        (id, organisation_id, at),
    )
    return id


async def _read_keys(
    connection: AsyncConnection, organisation_id: uuid.UUID, before: str | None, most: int
) -> list[str]:
    return [key.id for key in await identities.list_keys(connection, organisation_id, Wanted(most, before))]


_LISTS = [_List(_add_account, _read_accounts), _List(_add_key, _read_keys)]
# Seconds; few of them, so that many rows have the same one.
_TIMES = st.lists(st.integers(1, 4), max_size=12)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.mark.parametrize("listed", _LISTS, ids=["by id", "by time"])
def test_pages_are_the_list_whatever_is_added_between_two(
    engine: Engine, database_url: str, loop: asyncio.AbstractEventLoop, listed: _List
) -> None:
    connection = loop.run_until_complete(AsyncConnection.connect(database_url, autocommit=True))

    async def read_pages(there: Sequence[int], added: Sequence[Sequence[int]], size: int) -> None:
        organisation_id = gateways.an_organisation(engine)
        for at in there:
            await listed.add(connection, organisation_id, at)
        whole = await listed.read(connection, organisation_id, None, 1000)
        assert len(whole) == len(there)
        seen: list[str] = []
        new: set[str] = set()
        more = iter(added)
        while page := await listed.read(connection, organisation_id, seen[-1] if seen else None, size):
            seen += page
            new |= {await listed.add(connection, organisation_id, at) for at in next(more, ())}
        assert len(set(seen)) == len(seen), "none appears twice"
        assert [id for id in seen if id not in new] == whole, "none goes missing, and the order stays"

    @given(
        there=_TIMES,
        added=st.lists(st.lists(st.integers(1, 4), max_size=3), max_size=4),
        size=st.integers(1, 5),
    )
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    def check(there: list[int], added: list[list[int]], size: int) -> None:
        loop.run_until_complete(read_pages(there, added, size))

    try:
        check()
    finally:
        loop.run_until_complete(connection.close())


PAGE = (sdks.ROOT / "docs" / "lists.md").read_text(encoding="utf-8")
SHELL = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
(PYTHON,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
_PRINTED = [
    r"(link: </api/v1/jobs|the only page)",
    r"\[\{.*\]\[\{",
    r'\[\{"answer_id".*"message"',
    r'\[\{"answer_id"',
    r"^304$",
    r"^200\n412$",
]


@pytest.mark.parametrize(
    ("command", "printed"),
    [
        *zip([("bash", "-euo", "pipefail", "-c", code) for code in SHELL], _PRINTED, strict=True),
        ((sys.executable, "-c", PYTHON), "^a\nb\nc"),
    ],
    ids=["first page", "all pages", "own answers", "search", "not modified", "changed meanwhile", "python"],
)
def test_the_examples_of_the_page_run(
    live: sdks.Installation, tmp_path: Path, command: tuple[str, ...], printed: str
) -> None:
    with ToneBridge(live.url, api_key=live.key) as client:
        made = [client.create_key(name)["id"] for name in "cba"]
        client.transform(f"Fix the login page. {uuid.uuid4()}", "soften", 2, user_id="ann")
        while not client.list_answers(user_id="ann"):
            time.sleep(0.05)
        assert "http://localhost:8080" in command[-1] or "curl" in command[-1]
        program = command[-1].replace("http://localhost:8080", live.url).replace("localhost:8080", live.url)
        done = subprocess.run(
            [*command[:-1], program], cwd=tmp_path, env={**os.environ, "KEY": live.key},
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        for key_id in made:
            client.delete_key(key_id)
    assert done.returncode == 0, done.stderr
    assert re.search(printed, done.stdout, re.DOTALL), done.stdout
