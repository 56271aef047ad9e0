"""Rules: whose they are, which one fires and why, the audit, and a dry run."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, text

from data.people import identities
from data.rules import stored
from serving.gateway.routes import rules
from tests import gateways
from tests.serving.gateway.routes.test_answers import give
from tests.streams import Gateway

Key = dict[str, str]
RULE: dict[str, Any] = {
    "name": "Kinder",
    "conditions": [{"kind": "keyword", "words": ["asap"]}],
    "transform_type": "soften",
    "intensity": 2,
}
SHARED = {**RULE, "scope": "organisation"}
OWN = {**RULE, "scope": "own", "name": "Mine", "user_id": "ann"}


@pytest.fixture
async def app(pool: AsyncConnectionPool) -> FastAPI:
    return await gateways.app_of(pool, rules.router)


@pytest.fixture
def member(a_key: Callable[..., Key]) -> Key:
    return a_key("member")


async def add(client: httpx.AsyncClient, key: Key, **body: Any) -> dict[str, Any]:
    response = await client.post("/rules", json=body, headers=key)
    assert response.status_code == 201, response.text
    document: dict[str, Any] = response.json()
    return document


async def match(client: httpx.AsyncClient, key: Key, text: str = "Fix it asap.", **more: Any) -> Any:
    """What is proposed for a message."""
    response = await client.post("/rules/match", json={"text": text, **more}, headers=key)
    assert response.status_code == 200, response.text
    return response.json()["proposal"]


async def test_an_admin_adds_changes_and_deletes_what_all_members_read(
    client: httpx.AsyncClient, owner: Key, member: Key, stranger: Key
) -> None:
    added = await add(client, owner, **SHARED)
    name = f"api_key:{owner['X-API-Key'].split('_')[1]}"
    assert {**added, "id": "", "created_at": ""} == {
        **SHARED, "priority": 100, "enabled": True, "id": "", "created_at": "", "created_by": name,
    }  # fmt: skip
    path = f"/rules/{added['id']}"
    assert (await client.get("/rules", headers=member)).json() == [{**added, "created_by": None}]
    assert (await client.get(path, headers=member)).json() == {**added, "created_by": None}
    assert (await client.get("/rules", headers=stranger)).json() == []
    for key, status in ((member, 403), (stranger, 404)):
        assert (await client.patch(path, json={"enabled": False}, headers=key)).status_code == status
        assert (await client.delete(path, headers=key)).status_code == status
    assert (await client.get(path, headers=stranger)).status_code == 404
    assert (await client.post("/rules", json=SHARED, headers=member)).status_code == 403
    changed = await client.patch(path, json={"enabled": False, "priority": 3}, headers=owner)
    assert changed.json() == {**added, "enabled": False, "priority": 3}
    assert (await client.get(path, headers=owner)).json() == changed.json()
    assert (await client.delete(path, headers=owner)).status_code == 204
    assert (await client.delete(path, headers=owner)).status_code == 404


async def test_a_persons_own_rules_are_theirs_alone(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, owner: Key, member: Key
) -> None:
    added = await add(client, member, **OWN)
    assert (added["scope"], await match(client, owner)) == ("own", None)
    path = f"/rules/{added['id']}"
    token = gateways.a_token(gateways.a_signing_key(engine, organisation_id, "owner"), "ann")
    for key, query in ((member, {"user_id": "bob"}), (owner, {"user_id": "ann"}), (owner, {}), (token, {})):
        assert (await client.get("/rules", headers=key)).json() == []
        assert await match(client, key, **query) is None
        assert (await client.get(path, params=query, headers=key)).status_code == 404
        assert (await client.delete(path, params=query, headers=key)).status_code == 404
    proposed = await match(client, member, user_id="ann")
    assert (proposed["rule_id"], proposed["scope"]) == (added["id"], "own")
    body = {"intensity": 3, "user_id": "ann"}
    assert (await client.patch(path, json=body, headers=member)).json()["intensity"] == 3
    assert (await client.delete(path, params={"user_id": "ann"}, headers=member)).status_code == 204
    assert await match(client, member, user_id="ann") is None


async def test_a_token_speaks_for_its_subject_only(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID
) -> None:
    token = gateways.a_token(gateways.a_signing_key(engine, organisation_id), f"eve-{uuid.uuid4()}")
    body = {key: value for key, value in OWN.items() if key != "user_id"}
    await add(client, token, **body)
    assert (await match(client, token))["name"] == "Mine"
    refused = await client.post("/rules", json={**body, "user_id": "ann"}, headers=token)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "user_id")


async def test_what_fires_is_the_first_one_with_its_words(
    client: httpx.AsyncClient, owner: Key, member: Key
) -> None:
    later = await add(client, owner, **SHARED)
    tone = {"kind": "tone", "harsh_above": 0.5}
    first = await add(
        client, owner, **SHARED | {"name": "Harsh", "conditions": [tone], "priority": 1, "intensity": 3}
    )
    off = await add(client, owner, **SHARED | {"name": "Off", "priority": 1, "enabled": False})
    assert len({later["id"], first["id"], off["id"]}) == 3
    harsh = await match(client, member, "Your report is useless. Fix it asap.")
    assert (harsh["rule_id"], harsh["transform_type"], harsh["intensity"]) == (first["id"], "soften", 3)
    [because] = harsh["because"]
    assert because["kind"] == "tone"
    assert because["probability"] > 0.5
    assert "Your report is useless" in [words["text"] for words in because["words"]]
    kind = await match(client, member, "Thank you so much! Could you look at it asap, please?")
    assert kind["rule_id"] == later["id"]
    [because] = kind["because"]
    assert [words["text"] for words in because["words"]] == ["asap"]
    assert await match(client, member, "Thank you so much!") is None


async def test_channel_recipient_and_hours_are_those_of_the_request(
    client: httpx.AsyncClient, owner: Key
) -> None:
    evening = {
        "kind": "hours", "days": ["fri"], "starts": "19:00", "ends": "08:00", "time_zone": "Asia/Tokyo",
    }  # fmt: skip
    conditions = [
        {"kind": "channel", "prefixes": ["#Customer-"]},
        {"kind": "recipient", "values": ["Ben@Example.com"]},
        evening,
    ]
    await add(client, owner, **SHARED | {"conditions": conditions})
    sent = {"channel": "#customer-1", "recipient": "ben@example.com", "sent_at": "2026-12-05T07:59:00+09:00"}
    assert (await match(client, owner, **sent))["name"] == "Kinder"
    for change in ({"channel": None}, {"recipient": "x"}, {"sent_at": "2026-12-05T08:00:00+09:00"}):
        assert await match(client, owner, **sent | change) is None
    for moment in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"):
        assert await match(client, owner, **sent | {"sent_at": moment}) is None


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"name": " "}, "name", "rule_name_empty"),
        ({"name": "a\nb"}, "name", None),
        ({"conditions": []}, "conditions", "invalid_empty"),
        ({"conditions": RULE["conditions"] * 2}, "conditions", "condition_twice"),
        ({"conditions": [{"kind": "weather"}]}, "kind", None),
        ({"conditions": [{"kind": "keyword", "words": ["42"]}]}, "words", "term_without_letter"),
        ({"conditions": [{"kind": "pattern", "pattern": "(?!a)b"}]}, "pattern", "pattern_refused"),
        ({"conditions": [{"kind": "tone", "harsh_above": 2}]}, "harsh_above", None),
        ({"conditions": [{"kind": "channel", "values": []}]}, "channel", "places_missing"),
        ({"priority": 0}, "priority", None),
        ({"enabled": "yes"}, "enabled", None),
        ({"scope": "all"}, "scope", None),
        ({"scope": "own"}, "user_id", "rule_person_missing"),
        ({"intensity": 4}, "intensity", None),
    ],
)
async def test_what_a_rule_cannot_be(
    client: httpx.AsyncClient, owner: Key, changes: dict[str, Any], field: str, code: str | None
) -> None:
    refused = await client.post("/rules", json=SHARED | changes, headers=owner)
    assert refused.status_code == 422
    [error] = refused.json()["errors"]
    assert error["field"] == field
    assert code in (None, error["reason"]["code"])


async def test_a_refused_pattern_says_where(client: httpx.AsyncClient, owner: Key) -> None:
    body = SHARED | {"conditions": [{"kind": "pattern", "pattern": "ok(?<!not ok)"}]}
    refused = await client.post("/rules", json=body, headers=owner)
    [error] = refused.json()["errors"]
    assert error["message"] == (
        "RE2 has no look-around, since it makes matching slow: “(?<!”, at character 3"
    )


async def test_rules_and_their_patterns_are_bounded_and_read_page_by_page(
    client: httpx.AsyncClient, owner: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "MOST_OF_ORGANISATION", 3)
    ids = [(await add(client, owner, **SHARED | {"name": f"R{number}"}))["id"] for number in range(3)]
    full = await client.post("/rules", json=SHARED, headers=owner)
    assert (full.status_code, full.json()["reasons"][0]["code"]) == (409, "too_many_rules")
    page = await client.get("/rules", params={"limit": 2}, headers=owner)
    assert [rule["name"] for rule in page.json()] == ["R2", "R1"]
    page = await client.get("/rules", params={"limit": 2, "before": ids[1]}, headers=owner)
    assert [rule["name"] for rule in page.json()] == ["R0"]
    monkeypatch.setattr(stored, "MOST_INSTRUCTIONS_OF_ORGANISATION", 50)
    large = {"conditions": [{"kind": "pattern", "pattern": "a{30}"}]}
    assert (await client.patch(f"/rules/{ids[0]}", json=large, headers=owner)).status_code == 200
    assert (await client.patch(f"/rules/{ids[0]}", json=large, headers=owner)).status_code == 200
    refused = await client.patch(f"/rules/{ids[1]}", json=large, headers=owner)
    assert (refused.status_code, refused.json()["reasons"][0]["code"]) == (409, "rules_too_large")


async def test_every_change_is_recorded_with_its_author(
    client: httpx.AsyncClient, owner: Key, member: Key, stranger: Key
) -> None:
    added = await add(client, owner, **SHARED)
    path = f"/rules/{added['id']}"
    await client.patch(path, json={"enabled": False}, headers=owner)
    await client.patch(path, json={"enabled": False}, headers=owner)
    await client.delete(path, headers=owner)
    own = await add(client, member, **OWN)
    changes = (await client.get("/rules/changes", headers=owner)).json()
    states = [
        tuple(rule and rule["enabled"] for rule in (change["former"], change["present"]))
        for change in changes
    ]
    assert states == [(False, None), (True, False), (None, True)]
    assert {change["rule_id"] for change in changes} == {added["id"]}
    assert {change["changed_by"] for change in changes} == {added["created_by"]}
    assert (await client.get("/rules/changes", headers=member)).status_code == 403
    assert (await client.get("/rules/changes", headers=stranger)).json() == []
    query = {"scope": "own", "user_id": "ann"}
    [change] = (await client.get("/rules/changes", params=query, headers=member)).json()
    assert (change["rule_id"], change["present"]["name"]) == (own["id"], "Mine")
    assert (await client.get("/rules/changes", params=query, headers=owner)).json() == []


async def test_changes_at_the_same_time_are_recorded_one_after_the_other(
    client: httpx.AsyncClient, owner: Key
) -> None:
    added = await add(client, owner, **SHARED)
    path = f"/rules/{added['id']}"
    await asyncio.gather(
        *(client.patch(path, json={"priority": number}, headers=owner) for number in range(1, 9))
    )
    changes = (await client.get("/rules/changes", headers=owner)).json()
    assert len(changes) == 9
    by_former = {
        change["former"] and change["former"]["priority"]: change["present"]["priority"] for change in changes
    }
    priority, seen = by_former[None], 0
    while priority in by_former:
        priority, seen = by_former[priority], seen + 1
    assert seen == 8, "each change begins where another has ended"
    assert (await client.get(path, headers=owner)).json()["priority"] == priority


def person(key: Key, name: str) -> uuid.UUID:
    """The id of whom a key names."""
    return identities.Identity(uuid.UUID(int=0), key["X-API-Key"].split("_")[1], "", b"", "").user(name)


async def try_on(client: httpx.AsyncClient, key: Key, **body: Any) -> Any:
    response = await client.post("/rules/dry-run", json={"user_id": "ann", **body}, headers=key)
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_dry_run_tries_a_persons_own_messages_at_their_times(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, owner: Key, member: Key
) -> None:
    ann = person(member, "ann")
    [asap] = give(engine, organisation_id, ann, message="Fix it asap.")
    give(engine, organisation_id, ann, message="Thank you.", moment=datetime(2026, 11, 25, 3, tzinfo=UTC))
    [newer] = give(engine, organisation_id, ann, message="Fix it asap.", transform_type="clarify")
    give(engine, organisation_id, person(member, "bob"), message="Bob's, asap.")
    tried = await try_on(client, member, draft=RULE)
    assert (tried["tried"], tried["fired"], tried["unchecked"]) == (2, 1, [])
    [message] = tried["messages"]
    assert (message["answer_id"], message["message"], message["rewrite"]) == (newer, "Fix it asap.", None)
    assert [words["text"] for words in message["because"][0]["words"]] == ["asap"]
    assert asap != newer
    night = {"kind": "hours", "days": ["wed"], "starts": "03:00", "ends": "03:01", "time_zone": "UTC"}
    tried = await try_on(client, member, draft=RULE | {"conditions": [night]})
    assert [message["message"] for message in tried["messages"]] == ["Thank you."]
    place = {"kind": "channel", "values": ["#ops"]}
    tried = await try_on(client, member, draft=RULE | {"conditions": [place]})
    assert (tried["fired"], tried["unchecked"]) == (2, ["channel"])
    tried = await try_on(client, member, draft=RULE | {"conditions": [place]}, channel="#dev")
    assert (tried["fired"], tried["unchecked"]) == (0, [])
    off = await add(client, owner, **SHARED | {"enabled": False})
    assert (await try_on(client, member, rule_id=off["id"]))["fired"] == 1
    assert (await try_on(client, owner, rule_id=off["id"]))["tried"] == 0, "an admin tries their own"
    assert (await try_on(client, member, draft=RULE, limit=1))["tried"] == 1


async def test_a_dry_run_tries_so_many_characters(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, member: Key
) -> None:
    for number in range(14):
        give(engine, organisation_id, person(member, "ann"), message=f"{number} asap".ljust(8_000))
    assert (await try_on(client, member, draft=RULE))["tried"] == 12


async def test_what_a_dry_run_needs(
    client: httpx.AsyncClient, member: Key, stranger: Key, owner: Key
) -> None:
    shared = await add(client, owner, **SHARED)
    for body, status in (
        ({"user_id": "ann"}, 422),
        ({"user_id": "ann", "draft": RULE, "rule_id": shared["id"]}, 422),
        ({"draft": RULE}, 422),
        ({"user_id": "ann", "draft": RULE, "rewrites": 4}, 422),
        ({"user_id": "ann", "rule_id": str(uuid.uuid4())}, 404),
    ):
        assert (await client.post("/rules/dry-run", json=body, headers=member)).status_code == status
    body = {"user_id": "ann", "rule_id": shared["id"]}
    assert (await client.post("/rules/dry-run", json=body, headers=stranger)).status_code == 404


async def test_a_dry_run_shows_a_few_rewrites(gateway: Gateway) -> None:
    """On the path of all rewrites, so each is an answer of the person, which takes a vote."""

    async def ask(path: str, **body: Any) -> Any:
        async with gateway.session.post(f"/api/v1/{path}", json=body, headers=gateway.key) as response:
            document = await response.json()
            assert response.status == 200, document
        await gateway.parts.answers.flush()
        return document

    messages = [f"{uuid.uuid4()} asap" for _ in range(2)]
    for message in messages:
        await ask("transform", text=message, transform_type="clarify", intensity=1, user_id="ann")
    tried = await ask("rules/dry-run", draft=RULE, rewrites=1, user_id="ann")
    assert (tried["tried"], tried["fired"]) == (2, 2)
    first, second = tried["messages"]
    assert [first["message"], second["message"]] == messages[::-1]
    assert first["rewrite"]["transformed_text"] == "Please wait."
    assert second["rewrite"] is None
    async with gateway.session.get("/api/v1/answers?user_id=ann", headers=gateway.key) as response:
        answers = await response.json()
    assert answers[0]["answer_id"] == first["rewrite"]["answer_id"]
    assert (answers[0]["transform_type"], answers[0]["intensity"]) == ("soften", 2)
    vote = {"kind": "thumb", "up": True, "receipt": first["rewrite"]["receipt"]}
    async with gateway.session.post("/api/v1/feedback", json=vote, headers=gateway.key) as response:
        assert response.status == 201, await response.text()
    again = await ask("rules/dry-run", draft=RULE, user_id="ann")
    assert again["tried"] == 2, "a rewrite of a dry run adds no message"


WORDS = st.sampled_from(["asap", "late", "納期"])


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.booleans(), WORDS, st.integers(1, 3)), max_size=4), WORDS)
async def test_no_rule_fires_outside_its_organisation(
    client: httpx.AsyncClient,
    engine: Engine,
    drawn: list[tuple[bool, str, int]],
    word: str,
) -> None:
    """Two organisations, each with rules of its own: what fires is one of them, and the first."""
    tenants = [gateways.an_organisation(engine) for _ in range(2)]
    keys = [gateways.a_key(engine, tenant, "owner") for tenant in tenants]
    await gateways.renew(client.app)  # type: ignore[attr-defined]
    theirs: list[list[dict[str, Any]]] = [[], []]
    for is_second, of_rule, priority in drawn:
        rule = SHARED | {"conditions": [{"kind": "keyword", "words": [of_rule]}], "priority": priority}
        theirs[is_second].append(await add(client, keys[is_second], **rule))
    for key, own in zip(keys, theirs, strict=True):
        proposed = await match(client, key, f"Please, {word}!")
        holding = [rule for rule in own if rule["conditions"][0]["words"] == [word]]
        expected = min(holding, key=lambda rule: (rule["priority"], rule["id"]), default=None)
        assert (proposed and proposed["rule_id"]) == (expected and expected["id"])


async def test_a_person_with_rules_can_be_erased(
    client: httpx.AsyncClient, engine: Engine, member: Key
) -> None:
    await add(client, member, **OWN | {"user_id": "new"})
    with engine.connect() as connection:
        query = text("SELECT external_id FROM users WHERE key_id = :key")
        assert connection.scalar(query, {"key": member["X-API-Key"].split("_")[1]}) == "new"
