"""Conditional requests: which answers have an ETag, what it follows, what 304 has, and when a change with
`If-Match` is made.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session
from starlette.types import Message, Receive, Scope, Send

from configs.settings import Settings
from data.tables import Organisation
from serving.gateway.app import create_app
from serving.gateway.conditional import ConditionalGet, Precondition, make_tag, matches
from serving.gateway.parts import parts_of
from serving.gateway.problems import ChangedError
from tests import gateways
from tests.accounts import open_session
from tests.logins import as_gateway
from tests.streams import Gateway, until

Key = dict[str, str]


@pytest.fixture
async def client(local: Settings, engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway that may use every route."""
    tenant = gateways.an_organisation(engine)
    with Session(engine) as session:
        name = session.get_one(Organisation, tenant).name
    # Inbound webhooks need a secret that encrypts theirs.
    ours = local.model_copy(update={"organisation": name, "inbound_secret": SecretStr("i" * 32)})
    async with gateways.in_process(ours, engine) as front, gateways.client(front) as client:
        client.headers.update(gateways.a_key(engine, tenant, "owner"))
        client.session = await open_session(engine, tenant, parts_of(front.behind))  # type: ignore[attr-defined]
        client.tenant = tenant  # type: ignore[attr-defined]
        yield client


def documents(settings: Settings) -> list[str]:
    """The addresses of all documents without an id in their address."""
    paths = create_app(as_gateway(settings)).behind.openapi()["paths"]
    return [
        path
        for path, operations in paths.items()
        if "application/json"
        in operations.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        and "{" not in path
        and path.startswith(("/api/v1/", "/v1/"))
    ]


async def test_every_document_has_a_tag_and_is_sent_once(client: httpx.AsyncClient, local: Settings) -> None:
    tried = documents(local)
    assert len(tried) >= 14
    for path in tried:
        named = ("/consent", "/answers", "/erasures", "/progress", "/preferences")
        query = {"user_id": "ann"} if path.endswith(named) else {}
        caller: Key = client.session if path.endswith("/sessions") else {}  # type: ignore[attr-defined]
        first = await client.get(path, params=query, headers=caller)
        assert first.status_code == 200, (path, first.text)
        tag = first.headers["etag"]
        links = [(b"link", first.headers["link"].encode())] if "link" in first.headers else []
        assert tag == make_tag(first.content, links).decode()
        again = await client.get(path, params=query, headers={**caller, "If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b""), path
        for response in (first, again):
            assert response.headers["etag"] == tag
            assert response.headers["vary"] == "X-API-Key, Authorization, Origin"
            kept = "no-store" if path == "/api/v1/answers" else "private, no-cache"
            assert response.headers["cache-control"] == kept
            assert response.headers["ratelimit"]
            assert response.headers["x-request-id"]
        assert {"content-type", "content-length"}.isdisjoint(again.headers), path
        other = await client.get(path, params=query, headers={**caller, "If-None-Match": '"another"'})
        assert (other.status_code, other.content) == (200, first.content)


async def test_a_change_changes_the_tag(client: httpx.AsyncClient) -> None:
    params = {"user_id": str(uuid.uuid4())}
    tag = (await client.get("/api/v1/consent", params=params)).headers["etag"]
    for training in (False, True):
        await client.put("/api/v1/consent", json={**params, "training": training})
        changed = await client.get("/api/v1/consent", params=params, headers={"If-None-Match": tag})
        assert (changed.status_code, changed.json()["training"]) == (200, training)
        tag = changed.headers["etag"]
        same = await client.get("/api/v1/consent", params=params, headers={"If-None-Match": tag})
        assert same.status_code == 304


async def test_a_page_that_gets_a_next_one_has_another_tag(client: httpx.AsyncClient) -> None:
    """Its rows are the same, and its link is not."""
    for name in ("first", "second"):
        await client.post("/api/v1/keys", json={"name": name, "role": "viewer"})
    alone = await client.get("/api/v1/keys", params={"role": "viewer", "limit": 2})
    linked = await client.get("/api/v1/keys", params={"role": "viewer", "limit": 1})
    assert "link" in linked.headers
    again = await client.get(
        "/api/v1/keys",
        params={"role": "viewer", "limit": 1},
        headers={"If-None-Match": linked.headers["etag"]},
    )
    assert (again.status_code, again.headers["link"]) == (304, linked.headers["link"])
    assert make_tag(b"[]", []) != make_tag(b"[]", [(b"link", b"</x>")])
    assert alone.headers["etag"] != linked.headers["etag"]


async def test_a_caller_whose_key_has_ended_gets_no_304(client: httpx.AsyncClient) -> None:
    tag = (await client.get("/api/v1/auth/me")).headers["etag"]
    refused = await client.get(
        "/api/v1/auth/me", headers={"X-API-Key": "tb_0000_unknownunknownunknown", "If-None-Match": tag}
    )
    assert refused.status_code == 401
    assert "etag" not in refused.headers
    assert refused.headers["vary"] == "Origin"


async def test_what_is_no_document_of_a_get_has_no_tag(client: httpx.AsyncClient) -> None:
    batch = await client.post(
        "/api/v1/jobs/batches", json={"items": [{"text": "x", "transform_type": "soften", "intensity": 1}]}
    )
    assert batch.status_code == 202
    results = f"/api/v1/jobs/batches/{batch.json()['id']}/results"
    without = [
        batch,
        await client.get(results, headers={"If-None-Match": "*"}),
        await client.get(f"/api/v1/jobs/{uuid.uuid4()}", headers={"If-None-Match": "*"}),
        await client.put("/api/v1/consent", json={"training": True, "user_id": "x"}),
        await client.get("/livez", headers={"If-None-Match": "*"}),
    ]
    assert [response.status_code for response in without] == [202, 200, 404, 200, 200]
    assert not any("etag" in response.headers for response in without)
    assert without[1].headers["cache-control"] == "no-store"


async def test_the_connection_goes_on_after_a_304(gateway: Gateway) -> None:
    """A 304 with a length or a chunk would leave bytes in it that belong to the next answer."""
    for _ in range(2):
        async with gateway.session.get("/api/v1/auth/me", headers=gateway.key) as response:
            tag, document = response.headers["etag"], await response.json()
        headers = {**gateway.key, "If-None-Match": f'"x", W/{tag}'}
        async with gateway.session.get("/api/v1/auth/me", headers=headers) as response:
            assert (response.status, await response.read()) == (304, b"")
    async with gateway.session.get("/api/v1/auth/me", headers=gateway.key) as response:
        assert await response.json() == document


def answering(*messages: Message) -> Any:
    """An application that sends these messages."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


async def ask(app: Any, path: str = "/api/v1/x", method: str = "GET", **headers: str) -> list[Message]:
    """What the middleware sends for a request."""
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("it reads no body")

    async def send(message: Message) -> None:
        sent.append(message)

    encoded = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": encoded}
    await ConditionalGet(app)(scope, receive, send)
    return sent


def start(*headers: tuple[bytes, bytes], status: int = 200) -> Message:
    return {
        "type": "http.response.start",
        "status": status,
        "headers": [(b"content-type", b"application/json"), (b"content-length", b"2"), *headers],
    }


BODY: Message = {"type": "http.response.body", "body": b"{}"}


async def test_what_varies_by_more_still_does() -> None:
    first, _ = await ask(answering(start((b"vary", b"Origin")), BODY))
    assert [value for name, value in first["headers"] if name == b"vary"] == [
        b"Origin",
        b"X-API-Key, Authorization",
    ]


async def test_a_stream_is_not_held_back() -> None:
    parts: list[Message] = [{**BODY, "more_body": True}, {**BODY, "more_body": False}]
    seen: list[int] = []
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        for part in parts:
            await send(part)
            seen.append(len(sent))

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/api/v1/x", "headers": [(b"if-none-match", b"*")]}
    await ConditionalGet(app)(scope, None, send)  # type: ignore[arg-type]
    assert seen == [2, 3]
    assert sent == [start(), *parts]


@pytest.mark.parametrize(
    ("method", "path", "status"), [("POST", "/api/v1/x", 200), ("GET", "/x", 200), ("GET", "/api/v1/x", 201)]
)
async def test_other_answers_pass_as_they_are(method: str, path: str, status: int) -> None:
    assert await ask(answering(start(status=status), BODY), path, method, if_none_match="*") == [
        start(status=status),
        BODY,
    ]


TAG = make_tag(b"{}", [])
_OTHERS = st.from_regex(r'\A(W/)?"[!#-~]{0,12}"\Z').filter(lambda tag: TAG.decode() not in tag)
_GAPS = st.sampled_from([",", ", ", " ,", "\t,\t", ",,"])


@given(before=st.lists(_OTHERS), after=st.lists(_OTHERS), gap=_GAPS, weak=st.booleans())
def test_a_tag_is_found_in_every_list_that_has_it(
    before: list[str], after: list[str], gap: str, weak: bool
) -> None:
    tag = ("W/" if weak else "") + TAG.decode()
    value = gap.join([*before, tag, *after]).encode()
    assert matches(TAG, [(b"if-none-match", value)])
    assert matches(TAG, [(b"if-none-match", b'"x"'), (b"if-none-match", value)])
    assert not matches(TAG, [(b"if-none-match", gap.join([*before, *after]).encode())])


@pytest.mark.parametrize(
    "value", [b"", b"x", b'"', b'"""', b"W/", b"**", b'"*"', TAG.strip(b'"'), b'"' * 10_001]
)
def test_what_is_no_tag_matches_nothing(value: bytes) -> None:
    assert not matches(TAG, [(b"if-none-match", value)])
    assert not matches(TAG, [(b"if-match", TAG)])


def test_any_tag_matches_a_star() -> None:
    assert matches(TAG, [(b"if-none-match", b" * ")])


def test_the_description_names_the_tag(local: Settings) -> None:
    document = create_app(as_gateway(local)).behind.openapi()
    responses = document["paths"]["/api/v1/auth/me"]["get"]["responses"]
    assert all("ETag" in responses[status]["headers"] for status in ("200", "304"))
    assert "If-None-Match" in document["components"]["headers"]["ETag"]["description"]
    probed = document["paths"]["/livez"]["get"]["responses"]
    assert "304" not in probed
    assert "ETag" not in probed["200"]["headers"]


class Changeable(NamedTuple):
    """What can be read with a tag and changed: how it is made, and what changes it."""

    made_by: tuple[str, dict[str, Any]] | None  # POST: an address and a body
    path: str  # with `{id}` of what was made
    method: str  # of a change
    bodies: tuple[dict[str, Any], dict[str, Any]]  # two changes
    locked: str  # the row that a change locks, by `:id` or `:organisation`
    person: str | None = None  # whose it is, in the query of a GET and in the body of a change


_RULE = {
    "scope": "organisation",
    "name": "Calmer",
    "conditions": [{"kind": "keyword", "words": ["asap"]}],
    "transform_type": "soften",
    "intensity": 2,
}
_INBOUND = {
    "name": "a tracker",
    "verification": "hub",
    "transform_type": "soften",
    "intensity": 2,
    "reply_url": "https://chat.example.com/hooks/x",
}
_TERM = {"scope": "organisation", "term": "SLO", "rule": "keep"}
_WEBHOOK = {"url": "https://hooks.example.com/x", "events": ["job.done"]}
_ORIGINS = ({"origins": ["https://a.example.org"]}, {"origins": ["https://b.example.org"]})
_NAMES = ({"name": "first"}, {"name": "second"})
_OF_ORGANISATION = "SELECT FROM organisations WHERE id = :organisation FOR NO KEY UPDATE"
_OF_PERSON = "SELECT FROM users WHERE organisation_id = :organisation AND external_id = 'ann' FOR UPDATE"
CHANGEABLE = {
    "rule": Changeable(
        ("/rules", _RULE), "/rules/{id}", "PATCH", _NAMES,
        "SELECT FROM transform_rules WHERE id = CAST(:id AS uuid) FOR UPDATE",
    ),
    "term": Changeable(
        ("/dictionary", _TERM), "/dictionary/{id}", "PATCH", ({"term": "SLA"}, {"term": "SLI"}),
        "SELECT FROM dictionary_terms WHERE id = CAST(:id AS uuid) FOR UPDATE",
    ),
    "webhook": Changeable(
        ("/webhooks", _WEBHOOK), "/webhooks/{id}", "PATCH",
        ({"description": "first"}, {"description": "second"}),
        "SELECT FROM webhooks WHERE id = CAST(:id AS uuid) FOR UPDATE",
    ),
    "inbound webhook": Changeable(
        ("/inbound-webhooks", _INBOUND), "/inbound-webhooks/{id}", "PATCH", _NAMES,
        "SELECT FROM inbound_webhooks WHERE id = CAST(:id AS uuid) FOR UPDATE",
    ),
    "organisation": Changeable(
        None, "/organisation", "PUT", ({"trains_across": True}, {"trains_by_default": False}),
        _OF_ORGANISATION,
    ),
    "origins": Changeable(None, "/origins", "PUT", _ORIGINS, _OF_ORGANISATION),
    "origins of a key": Changeable(
        ("/keys", {"name": "x"}), "/keys/{id}/origins", "PUT", _ORIGINS,
        "SELECT FROM api_keys WHERE id = :id FOR UPDATE",
    ),
    "consent": Changeable(
        None, "/consent", "PUT", ({"training": True}, {"training": False}), _OF_PERSON, "ann",
    ),
    "preferences": Changeable(
        None, "/preferences", "PUT", ({"intensity": 1}, {"intensity": 2}), _OF_PERSON, "ann",
    ),
}  # fmt: skip
DELETED = ("rule", "term", "webhook", "inbound webhook")


class Changed:
    """One such thing of a client's organisation."""

    def __init__(self, client: httpx.AsyncClient, changeable: Changeable) -> None:
        self._client, self._changeable = client, changeable
        self.id, self._person = "", {"user_id": changeable.person} if changeable.person else {}

    async def make(self) -> "Changed":
        if self._changeable.made_by is not None:
            path, body = self._changeable.made_by
            response = await self._client.post(f"/api/v1{path}", json=body)
            assert response.status_code == 201, response.text
            self.id = response.json()["id"]
        return self

    @property
    def _path(self) -> str:
        return "/api/v1" + self._changeable.path.format(id=self.id)

    async def read(self) -> tuple[str, Any]:
        """The tag and the document."""
        response = await self._client.get(self._path, params=self._person)
        assert response.status_code == 200, response.text
        return response.headers["etag"], response.json()

    async def change(self, number: int, *if_match: str) -> tuple[int, list[str]]:
        """Status and codes of one of the two changes."""
        body = {**self._changeable.bodies[number], **self._person}
        headers = [("If-Match", value) for value in if_match]
        response = await self._client.request(self._changeable.method, self._path, json=body, headers=headers)
        assert response.status_code in (200, 204, 412), response.text
        return response.status_code, codes(response)

    async def delete(self, *if_match: str) -> int:
        headers = [("If-Match", value) for value in if_match]
        return (await self._client.delete(self._path, headers=headers)).status_code


def codes(response: httpx.Response) -> list[str]:
    if response.status_code < 400:
        return []
    return [reason["code"] for reason in response.json()["reasons"]]


@pytest.fixture
async def changed(client: httpx.AsyncClient, request: pytest.FixtureRequest) -> Changed:
    return await Changed(client, CHANGEABLE[request.param]).make()


@pytest.mark.parametrize("changed", CHANGEABLE, indirect=True)
async def test_a_change_is_made_only_in_the_state_that_was_read(changed: Changed) -> None:
    first, _ = await changed.read()
    assert (await changed.change(0, first))[0] < 300
    second, document = await changed.read()
    assert second != first
    assert await changed.change(1, first) == (412, ["changed_meanwhile"])
    assert await changed.read() == (second, document), "nothing was changed"
    assert (await changed.change(1, '"x"', f'W/"y","z", {second}'))[0] < 300
    third, _ = await changed.read()
    assert third != second
    assert await changed.change(0, f"W/{third}") == (412, ["if_match_not_strong"])
    assert (await changed.change(0, "*"))[0] < 300
    assert (await changed.change(1))[0] < 300, "without the header as ever"
    assert await changed.read() != (second, document)


@pytest.mark.parametrize("changed", DELETED, indirect=True)
async def test_what_has_changed_is_not_deleted(changed: Changed) -> None:
    first, _ = await changed.read()
    await changed.change(0)
    assert await changed.delete(first) == 412
    second, _ = await changed.read()
    assert await changed.delete(second) == 204
    assert await changed.delete("*") == 404


@pytest.mark.parametrize("changed", CHANGEABLE, indirect=True)
async def test_of_two_writers_at_the_same_moment_one_wins(
    changed: Changed, client: httpx.AsyncClient, engine: Engine, request: pytest.FixtureRequest
) -> None:
    """Both have found the row locked, so both have come to it before either has changed it."""
    changeable = CHANGEABLE[request.node.callspec.params["changed"]]
    tenant = client.tenant  # type: ignore[attr-defined]
    if changeable.person:
        await client.put("/api/v1/preferences", json={"user_id": changeable.person})
    tag, _ = await changed.read()
    with engine.connect() as holder:
        ids = {"id": changed.id, "organisation": tenant}
        named = {name: value for name, value in ids.items() if f":{name}" in changeable.locked}
        assert len(holder.execute(text(changeable.locked), named).all()) == 1
        writers = [asyncio.create_task(changed.change(number, tag)) for number in range(2)]
        await until(lambda: count_waiting(engine) == 2)
        assert not any(writer.done() for writer in writers)
        holder.rollback()
    statuses = sorted([status for status, _ in await asyncio.gather(*writers)])
    assert statuses[0] < 300
    assert statuses[1] == 412


def count_waiting(engine: Engine) -> int:
    """The statements in this database that wait for a lock."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    with engine.connect() as connection:
        return connection.execute(text(waiting)).scalar_one()


async def test_of_two_who_decide_for_a_person_without_a_row_one_wins(client: httpx.AsyncClient) -> None:
    for _ in range(5):
        person = str(uuid.uuid4())
        consent = await Changed(client, CHANGEABLE["consent"]._replace(person=person)).make()
        tag, _ = await consent.read()
        changes = await asyncio.gather(*(consent.change(number, tag) for number in range(2)))
        assert sorted(status for status, _ in changes) == [200, 412]


async def test_a_refused_change_makes_no_person(client: httpx.AsyncClient, engine: Engine) -> None:
    person = str(uuid.uuid4())
    consent = await Changed(client, CHANGEABLE["consent"]._replace(person=person)).make()
    assert await consent.change(0, '"another"') == (412, ["changed_meanwhile"])
    with engine.connect() as connection:
        query = text("SELECT count(*) FROM users WHERE external_id = :person")
        assert connection.execute(query, {"person": person}).scalar_one() == 0


@given(before=st.lists(_OTHERS), after=st.lists(_OTHERS), gap=_GAPS, weak=st.booleans())
def test_a_change_takes_a_strong_tag_of_any_list(
    before: list[str], after: list[str], gap: str, weak: bool
) -> None:
    tag = ("W/" if weak else "") + DOCUMENT_TAG.decode()
    value = gap.join([*before, tag, *after]).encode()
    if weak:
        with pytest.raises(ChangedError):
            Precondition([value]).check(DOCUMENT)
    else:
        Precondition([b'"x"', value]).check(DOCUMENT)
    with pytest.raises(ChangedError):
        Precondition([gap.join([*before, *after]).encode()]).check(DOCUMENT)


DOCUMENT = {"a": 1}
DOCUMENT_TAG = make_tag(b'{"a":1}', [])


@pytest.mark.parametrize("value", [b"", b"x", b'"', b"W/", b"**", b'"*"', DOCUMENT_TAG.strip(b'"')])
def test_what_is_no_tag_allows_no_change(value: bytes) -> None:
    with pytest.raises(ChangedError):
        Precondition([value]).check(DOCUMENT)
    Precondition([b" * "]).check(DOCUMENT)
    Precondition([]).check(DOCUMENT)


def test_every_change_of_a_document_of_its_own_takes_if_match(local: Settings) -> None:
    """What a GET shows and a PUT, PATCH or DELETE of the same address changes. An answer is never changed."""
    paths = create_app(as_gateway(local)).behind.openapi()["paths"]
    lists = {path.rpartition("/")[0] for path in paths if path.endswith("}")}
    for path, operations in paths.items():
        shows = operations.get("get", {}).get("responses", {}).get("200", {}).get("headers", {})
        for method in {"put", "patch", "delete"} & operations.keys():
            operation = operations[method]
            named = [parameter["name"] for parameter in operation.get("parameters", ())]
            takes = "ETag" in shows and path not in lists and path != "/api/v1/answers/{answer_id}"
            assert ("If-Match" in named) == takes, (method, path)
            assert ("412" in operation["responses"]) == takes, (method, path)
