"""What people and admins read by REST, they read by GraphQL: the same rows with the same fields, and as much
is refused.
"""

import ast
import inspect
import json
import re
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from graphql import GraphQLObjectType, get_named_type, is_leaf_type
from sqlalchemy import Engine, text

from data.people import accounts
from data.people.identities import Role
from serving.gateway.graph import queries
from serving.gateway.graph.queries import Query
from serving.gateway.graph.schema import schema
from serving.gateway.online.answering import Answer
from serving.gateway.parts import parts_of
from tests import gateways
from tests.accounts import add_account
from tests.sdks import ROOT
from tests.serving.gateway.graph.conftest import Ask, Key
from tests.serving.gateway.graph.test_queries import codes
from tests.serving.gateway.routes.test_answers import give, person, say

RULE = {
    "name": "Kinder in the evening",
    "conditions": [
        {"kind": "keyword", "words": ["asap"]},
        {"kind": "hours", "days": ["mon"], "starts": "19:00", "ends": "08:00", "time_zone": "Asia/Tokyo"},
    ],
    "transform_type": "soften",
    "intensity": 2,
}
SIGNING_KEY = "A" * 43
MADE = (
    ("/api/v1/keys", {"name": "one", "origins": ["https://app.example.org"]}),
    ("/api/v1/keys", {"name": "two", "role": "viewer"}),
    ("/api/v1/signing-keys", {"kid": "<unique>", "algorithm": "HS256", "key": SIGNING_KEY}),
    ("/api/v1/auth/register", {"email": "<unique>@example.org", "password": "correct horse battery"}),
    ("/api/v1/webhooks", {"url": "https://example.org/hook", "events": ["answer.created"]}),
    ("/api/v1/dictionary", {"scope": "organisation", "term": "SLO", "rule": "keep"}),
    ("/api/v1/dictionary", {"scope": "own", "term": "P1", "rule": "keep", "user_id": "ann"}),
    ("/api/v1/rules", {"scope": "organisation", **RULE}),
    ("/api/v1/rules", {"scope": "own", "user_id": "ann", **RULE}),
    ("/api/v1/inbound-webhooks", {"name": "issues", "verification": "hub", "transform_type": "soften",
                                  "intensity": 2, "reply_url": "https://example.org/reply"}),
    ("/api/v1/app-feedback", {"about": "idea", "comment": "A button.", "may_answer": True, "user_id": "ann"}),
    ("/api/v1/erasures", {"erase": "everything", "user_id": "ann"}),
)  # fmt: skip
# By field: the REST route, and the arguments by which both ask for the same.
LISTS = [
    ("keys", "/api/v1/keys", {}),
    ("keys", "/api/v1/keys", {"roles": "VIEWER"}),
    ("signingKeys", "/api/v1/signing-keys", {"revoked": False}),
    ("accounts", "/api/v1/accounts", {"q": "@EXAMPLE"}),
    ("webhooks", "/api/v1/webhooks", {}),
    ("dictionary", "/api/v1/dictionary", {}),
    ("dictionary", "/api/v1/dictionary", {"scope": "OWN", "userId": "ann"}),
    ("erasures", "/api/v1/erasures", {"userId": "ann"}),
    ("rules", "/api/v1/rules", {}),
    ("rules", "/api/v1/rules", {"scope": "OWN", "userId": "ann"}),
    ("ruleChanges", "/api/v1/rules/changes", {}),
    ("ruleChanges", "/api/v1/rules/changes", {"scope": "OWN", "userId": "ann"}),
    ("inboundWebhooks", "/api/v1/inbound-webhooks", {}),
    ("appFeedback", "/api/v1/app-feedback", {}),
    ("keyChanges", "/api/v1/keys/changes", {}),
    ("keyChanges", "/api/v1/keys/changes", {"actions": "SECRET_CREATED", "keyId": "{key}"}),
    ("requestSecrets", "/api/v1/keys/{key}/secrets", {"keyId": "{key}"}),
    ("deliveries", "/api/v1/webhooks/{webhook}/deliveries", {"webhookId": "{webhook}"}),
]
ONES = [
    ("consent", "/api/v1/consent", {"userId": "ann"}),
    ("preferences", "/api/v1/preferences", {"userId": "ann"}),
    ("organisation", "/api/v1/organisation", {}),
    ("comparisonProgress", "/api/v1/comparisons/progress", {"userId": "ann"}),
    ("keyOrigins", "/api/v1/keys/{key}/origins", {"keyId": "{key}"}),
    ("webhook", "/api/v1/webhooks/{webhook}", {"id": "{webhook}"}),
    ("inboundWebhook", "/api/v1/inbound-webhooks/{inbound}", {"id": "{inbound}"}),
    ("dictionaryTerm", "/api/v1/dictionary/{term}", {"id": "{term}"}),
    ("dictionaryTerm", "/api/v1/dictionary/{own_term}", {"id": "{own_term}", "userId": "ann"}),
    ("rule", "/api/v1/rules/{rule}", {"id": "{rule}"}),
    ("rule", "/api/v1/rules/{own_rule}", {"id": "{own_rule}", "userId": "ann"}),
]
IN_REST = {
    "roles": "role",
    "actions": "action",
    "keyId": "key_id",
    "userId": "user_id",
    "revoked": "revoked",
    "q": "q",
    "scope": "scope",
}
ENUMERATIONS = ("roles", "scope", "actions")  # arguments that GraphQL writes without quotation marks
# The operations of REST that only read, and that no field does; why.
NOT_READ = {
    "get_batch_results": "a file; `batchResults` has its rows",
    "get_export_file": "a file, compressed",
    "list_models": "for clients of OpenAI's API",
    "get_model": "for clients of OpenAI's API",
    "open_socket": "a WebSocket; those of GraphQL are at /graphql",
    "check_live": "for probes",
    "check_ready": "for probes",
    "get_gateway_metrics": "for Prometheus",
}


def call_routes() -> set[str]:
    """The names of the functions of REST routes that fields of `Query` call."""
    nodes = ast.walk(ast.parse(inspect.getsource(Query)))
    calls = (node.func for node in nodes if isinstance(node, ast.Call))
    named = {
        (func.value.id, func.attr)
        for func in calls
        if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name)
    }
    modules = {name: module for name, module in vars(queries).items() if inspect.ismodule(module)}
    return {
        function
        for module, function in named
        if module in modules and modules[module].__name__.startswith("serving.gateway.routes.")
    }


def test_each_get_of_the_api_is_read_or_left_out_for_a_reason() -> None:
    """An operation has the name of its function. A new route needs a field here, or a reason."""
    paths = json.loads((ROOT / "sdk" / "openapi.json").read_text(encoding="utf-8"))["paths"]
    operations = {item["get"]["operationId"] for item in paths.values() if "get" in item}
    assert operations - call_routes() == NOT_READ.keys()


@pytest.fixture
async def made(app: FastAPI, client: httpx.AsyncClient, engine: Engine, owner: Key) -> list[Any]:
    """What REST answered to each of MADE, and to a new secret of the first key. A champion is released, and
    the webhook has a delivery.
    """
    gateways.publish(engine, gateways.ONLY_A_CHAMPION)
    await gateways.read_what_is_in_force(app)
    made = []
    for path, body in MADE:
        unique = {name: value.replace("<unique>", uuid.uuid4().hex) if isinstance(value, str) else value
                  for name, value in body.items()}  # fmt: skip
        response = await client.post(path, headers=owner, json=unique)
        assert response.status_code in (201, 202), response.text
        made.append(response.json())
    secret = await client.post(f"/api/v1/keys/{made[0]['id']}/secrets", headers=owner)
    await client.post(f"/api/v1/webhooks/{made[4]['id']}/test", headers=owner)
    preferred = {"user_id": "ann", "language": "ja", "transform_type": "soften", "intensity": 2}
    assert (await client.put("/api/v1/preferences", headers=owner, json=preferred)).status_code == 200
    return [*made, secret.json()]


@pytest.fixture
def ids(made: list[Any]) -> dict[str, str]:
    """The ids of some of what was made."""
    places = {"key": 0, "webhook": 4, "term": 5, "own_term": 6, "rule": 7, "own_rule": 8, "inbound": 9}
    return {name: made[place]["id"] for name, place in places.items()}


def write(field: str, arguments: dict[str, Any], ids: dict[str, str]) -> str:
    """A query of a field with everything in it that has no fields of its own."""
    root = schema()._schema.query_type
    assert root is not None
    shown = get_named_type(root.fields[field].type)
    assert isinstance(shown, GraphQLObjectType)
    leaves = [name for name, of in shown.fields.items() if is_leaf_type(get_named_type(of.type))]
    written = [f"{name}: {value(name, given, ids)}" for name, given in arguments.items()]
    return f"{{ {field}{'(' + ', '.join(written) + ')' if written else ''} {{ {' '.join(leaves)} }} }}"


def value(name: str, given: Any, ids: dict[str, str]) -> str:
    """An argument as GraphQL writes it."""
    if isinstance(given, bool):
        return str(given).lower()
    return given if name in ENUMERATIONS else '"' + given.format(**ids) + '"'


def alike(document: Any) -> Any:
    """A document in a form that both write alike: names of fields, members of enumerations, and times."""
    if isinstance(document, dict):
        return {name.replace("_", "").lower(): alike(each) for name, each in document.items()}
    if isinstance(document, list):
        return [alike(each) for each in document]
    return (
        document.replace("+00:00", "Z").replace(".", "_").lower() if isinstance(document, str) else document
    )


async def compare(
    ask: Ask,
    client: httpx.AsyncClient,
    owner: Key,
    ids: dict[str, str],
    field: str,
    path: str,
    arguments: dict[str, Any],
) -> Any:
    """What REST answers; GraphQL answers the same, in the fields that it can show flat."""
    response = await client.get(path.format(**ids), headers=owner, params=ask_rest(arguments, ids))
    assert response.status_code == 200, response.text
    answered = await ask(owner, write(field, arguments, ids))
    assert "errors" not in answered, answered
    return check_same(response.json(), answered["data"][field])


def ask_rest(arguments: dict[str, Any], ids: dict[str, str]) -> dict[str, str]:
    """The arguments of a field in the query of the REST route; some of them are in its path."""
    return {
        IN_REST[name]: str(given).format(**ids).lower()
        for name, given in arguments.items()
        if name in IN_REST
    }


def check_same(document: Any, answered: Any) -> Any:
    """GraphQL has answered what REST did, in the fields that it shows. Returns what REST answered."""
    by_rest, by_graphql = alike(document), alike(answered)
    if isinstance(by_rest, list):
        assert [
            {name: row[name] for name in shown} for row, shown in zip(by_rest, by_graphql, strict=True)
        ] == (by_graphql)
    else:
        assert {name: by_rest[name] for name in by_graphql} == by_graphql
    return by_rest


@pytest.mark.parametrize(("field", "path", "arguments"), LISTS)
async def test_a_list_has_the_rows_of_the_rest_route(
    ask: Ask,
    client: httpx.AsyncClient,
    owner: Key,
    ids: dict[str, str],
    field: str,
    path: str,
    arguments: dict[str, Any],
) -> None:
    assert await compare(ask, client, owner, ids, field, path, arguments) != []


@pytest.mark.parametrize(("field", "path", "arguments"), ONES)
async def test_a_document_is_that_of_the_rest_route(
    ask: Ask,
    client: httpx.AsyncClient,
    owner: Key,
    ids: dict[str, str],
    field: str,
    path: str,
    arguments: dict[str, Any],
) -> None:
    await compare(ask, client, owner, ids, field, path, arguments)


async def test_origins_are_a_list_of_texts(ask: Ask, client: httpx.AsyncClient, owner: Key) -> None:
    allowed = {"origins": ["https://app.example.org"]}
    assert (await client.put("/api/v1/origins", headers=owner, json=allowed)).status_code == 204
    assert (await ask(owner, "{ origins }"))["data"] == allowed


async def test_sessions_are_for_people_who_have_signed_in(
    ask: Ask,
    app: FastAPI,
    client: httpx.AsyncClient,
    engine: Engine,
    organisation_id: uuid.UUID,
    owner: Key,
) -> None:
    account = add_account(engine, organisation_id, password=None)
    made = parts_of(app)
    async with made.pool.connection() as connection:
        opened = [
            await accounts.open_session(connection, account.id, b"here", device)
            for device in ("Firefox on Linux", None)
        ]
    token = {"X-API-Key": made.authenticator.access_token(opened[0].session_id, account.id)}
    rows = await compare(ask, client, token, {}, "sessions", "/api/v1/auth/sessions", {})
    assert [row["iscurrent"] for row in rows] == [False, True]
    refused = await ask(owner, "{ sessions { id } }")
    assert (refused["data"], refused["errors"][0]["extensions"]["status"]) == ({"sessions": None}, 403)


async def test_an_answer_has_what_its_person_said(
    ask: Ask, client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, owner: Key
) -> None:
    ann = person(owner, "ann")
    said, _ = give(engine, organisation_id, ann, 2)
    say(engine, ann, said, "edit", text="Could you, Ann?")
    say(engine, ann, said, "thumb", thumb_up=True)
    query = '{ answers(userId: "ann") { feedback { thumbUp rating edit comment } } }'
    by_graphql = (await ask(owner, query))["data"]["answers"]
    response = await client.get("/api/v1/answers", headers=owner, params={"user_id": "ann"})
    by_rest = [answer["feedback"] for answer in response.json()]
    assert by_rest == [{"thumb_up": True, "rating": None, "edit": "Could you, Ann?", "comment": None}, None]
    assert [alike(answer["feedback"]) for answer in by_graphql] == alike(by_rest)


async def test_answers_are_searched(
    ask: Ask, client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, owner: Key
) -> None:
    ann = person(owner, "ann")
    give(engine, organisation_id, ann, message="Fix it.")
    (found,) = give(engine, organisation_id, ann, message="See 100 % of it")
    for q, ids in (("100 %", [found]), ("%", [found]), ("nowhere", [])):
        answered = await ask(owner, 'query($q: String) { answers(userId: "ann", q: $q) { answerId } }', q=q)
        assert answered["data"]["answers"] == [{"answerId": id} for id in ids]


async def test_pages_follow_each_other(ask: Ask, owner: Key, ids: dict[str, str]) -> None:
    document = "query($before: String) { keys(first: 1, before: $before) { id name } }"
    names, before = [], None
    while page := (await ask(owner, document, before=before))["data"]["keys"]:
        names += [key["name"] for key in page]
        before = page[-1]["id"]
    assert names[:3] == ["Inbound webhook issues", "two", "one"]
    document = "query($before: UUID) { keyChanges(first: 2, before: $before) { id action } }"
    actions, before = [], None
    while page := (await ask(owner, document, before=before))["data"]["keyChanges"]:
        actions += [change["action"] for change in page]
        before = page[-1]["id"]
    assert actions == ["SECRET_CREATED", "KEY_CREATED", "SIGNING_KEY_ADDED", "KEY_CREATED", "KEY_CREATED"]


@pytest.mark.parametrize(("field", "path", "arguments"), LISTS + ONES)
async def test_each_role_and_a_stranger_read_what_they_may_by_rest(
    ask: Ask,
    client: httpx.AsyncClient,
    a_key: Callable[..., Key],
    stranger: Key,
    ids: dict[str, str],
    field: str,
    path: str,
    arguments: dict[str, Any],
) -> None:
    keys = {role: a_key(role) for role in Role if role is not Role.OWNER}
    for caller, key in {**keys, "stranger": stranger}.items():
        response = await client.get(path.format(**ids), headers=key, params=ask_rest(arguments, ids))
        answered = await ask(key, write(field, arguments, ids))
        if response.is_success:
            assert "errors" not in answered, (caller, answered)
            check_same(response.json(), answered["data"][field])
            continue
        [error] = answered["errors"]
        refused = response.json()
        assert (answered["data"], error["message"]) == ({field: None}, refused["detail"]), caller
        assert error["extensions"]["status"] == response.status_code
        assert error["extensions"]["reasons"] == refused["reasons"]


@pytest.mark.parametrize(
    ("field", "fault"),
    [
        ('keys(before: "\u0000") { id }', "before"),
        ('keys(before: "") { id }', "before"),
        ('accounts(q: "\u0000") { id }', "q"),
        ('requestSecrets(keyId: "\u0000") { id }', "key_id"),
        ('answers(userId: "") { answerId }', "user_id"),
        ('answers(userId: "ann", q: "") { answerId }', "q"),
        ('answers(userId: "ann", since: "2026-11-29T00:00:00") { answerId }', "since"),
        ("jobs(states: [DEAD, DEAD, DEAD, DEAD, DEAD, DEAD, DEAD]) { id }", "state"),
        ("keys(first: 201) { id }", "first"),
        ("keys { requestSecrets(first: 0) { id } }", "first"),
        ('keyChanges(keyId: "\u0000") { id }', "key_id"),
        ('rules(scope: OWN, userId: "") { id }', "user_id"),
        ('rule(id: "01a22303-92fd-74fc-b4f4-074280c0308c", userId: "\u0000") { id }', "user_id"),
        ('ruleChanges(userId: "\u0000") { id }', "user_id"),
        ('dictionaryTerm(id: "01a22303-92fd-74fc-b4f4-074280c0308c", userId: "") { id }', "user_id"),
        ('batchResults(batchId: "01a22303-92fd-74fc-b4f4-074280c0308c", first: 0) { place }', "first"),
    ],
)
async def test_arguments_are_checked_as_by_rest(ask: Ask, owner: Key, field: str, fault: str) -> None:
    [error] = (await ask(owner, f"{{ {field} }}"))["errors"]
    assert error["extensions"]["status"] == 422
    assert [each["field"] for each in error["extensions"]["errors"]] == [fault]


async def test_a_change_of_a_rule_has_both_states(
    ask: Ask, client: httpx.AsyncClient, owner: Key, ids: dict[str, str]
) -> None:
    address = f"/api/v1/rules/{ids['rule']}"
    assert (await client.patch(address, headers=owner, json={"priority": 7})).status_code == 200
    assert (await client.delete(address, headers=owner)).status_code == 204
    content = "{ name conditions transformType intensity priority enabled }"
    answered = await ask(owner, f"{{ ruleChanges {{ ruleId former {content} present {content} }} }}")
    rows = check_same(
        (await client.get("/api/v1/rules/changes", headers=owner)).json(), answered["data"]["ruleChanges"]
    )
    priorities = [[row[side] and row[side]["priority"] for side in ("former", "present")] for row in rows]
    assert priorities == [[7, None], [100, 7], [None, 100]]


async def test_the_results_of_a_batch_are_the_rows_of_its_file(
    ask: Ask, client: httpx.AsyncClient, engine: Engine, a_key: Callable[..., Key], stranger: Key, owner: Key
) -> None:
    key = a_key()
    message = {"text": "Fix it.", "transform_type": "soften", "intensity": 2}
    created = await client.post("/api/v1/jobs/batches", headers=key, json={"items": [message] * 3})
    batch_id = created.json()["id"]
    answer = Answer(
        answer_id=str(uuid.uuid4()), receipt="r" * 32, transformed_text="Please.", variant="champion",
        version="v1", cache="miss", fallback=False, facts_missing=[], unchanged=None,
    )  # fmt: skip
    reasons = [{"code": "internal", "values": {}}]
    failed = [{"attempt": 1, "at": "2026-11-28T12:00:00+00:00", "reasons": reasons}]
    with engine.begin() as connection:  # what a worker stores
        connection.execute(
            text(
                "UPDATE jobs SET done_at = now(), attempts = 1,"
                " state = CASE place WHEN 0 THEN 'done' ELSE 'dead' END,"
                " result = CASE place WHEN 0 THEN CAST(:answer AS jsonb) END,"
                " errors = CASE place WHEN 0 THEN errors ELSE CAST(:failed AS jsonb) END"
                " WHERE batch_id = :id AND place < 2"
            ),
            {"answer": answer.model_dump_json(), "failed": json.dumps(failed), "id": batch_id},
        )
    file = await client.get(f"/api/v1/jobs/batches/{batch_id}/results", headers=key)
    expected = [json.loads(line) for line in file.text.splitlines()]
    assert [row["state"] for row in expected] == ["done", "dead", "waiting"]
    document = """query($id: UUID!, $after: Int! = -1) { batchResults(batchId: $id, first: 2, after: $after) {
        place state reasons { text } answer {
            answerId receipt transformedText variant version cache fallback factsMissing unchanged { code }
        } } }"""
    for reader in (key, owner):
        first = (await ask(reader, document, id=batch_id))["data"]["batchResults"]
        last = (await ask(reader, document, id=batch_id, after=first[-1]["place"]))["data"]["batchResults"]
        shown = [
            {**row, "reasons": None, "reason": " ".join(each["text"] for each in row["reasons"]) or None}
            for row in first + last
        ]
        assert alike(shown) == alike([{**row, "reasons": None} for row in expected])
    for other in (a_key("experimenter"), stranger):
        refused = await ask(other, document, id=batch_id)
        assert (refused["data"], codes(refused)) == ({"batchResults": None}, ["unknown_batch"])


async def test_no_answer_has_a_secret(ask: Ask, owner: Key, made: list[Any], ids: dict[str, str]) -> None:
    shown_once = [document[name] for document in made for name in ("key", "secret") if name in document]
    secrets = [SIGNING_KEY, *(re.sub(r"^(tb_[0-9a-f]+_|whsec_)", "", secret) for secret in shown_once)]
    assert len(secrets) == 6  # of two keys, a webhook, an inbound webhook and a request secret
    documents = [write(field, given, ids) for field, _, given in LISTS + ONES]
    nested = "{ keys { id requestSecrets { id createdAt } } webhooks { id deliveries { id type } } }"
    for document in [*documents, nested]:
        answered = json.dumps(await ask(owner, document))
        assert [secret for secret in secrets if secret in answered] == [], document
