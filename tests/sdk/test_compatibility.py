"""The API's description breaks no client of the last release, and what would break one is found."""

import copy
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from sdk import compatibility
from sdk.compatibility import PRESENT, RELEASED, find_breaks, read

TODAY = date(2026, 11, 29)
RELEASED_THEN: dict[str, Any] = {
    "paths": {
        "/things": {
            "get": {
                "operationId": "list_things",
                "parameters": [
                    {"in": "query", "name": "limit", "schema": {"type": "integer", "maximum": 200}},
                    {"in": "header", "name": "Idempotency-Key", "schema": {"type": "string"}},
                ],
                "responses": {
                    "200": {
                        "headers": {"X-Request-Id": {}},
                        "content": {
                            "application/json": {
                                "schema": {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}}
                            }
                        },
                    },
                    "404": {"content": {}},
                },
            },
            "post": {
                "operationId": "create_thing",
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewThing"}}},
                },
                "responses": {"201": {"content": {}}},
            },
        }
    },
    "webhooks": {
        "thing.made": {
            "post": {
                "requestBody": {
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}
                }
            }
        }
    },
    "components": {
        "schemas": {
            "Thing": {
                "type": "object",
                "required": ["id", "state"],
                "properties": {
                    "id": {"type": "string", "format": "uuid"},
                    "state": {"$ref": "#/components/schemas/State"},
                    "size": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                    "parent": {"anyOf": [{"$ref": "#/components/schemas/Thing"}, {"type": "null"}]},
                },
            },
            "State": {"type": "string", "enum": ["new", "done"]},
            "NewThing": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "maxLength": 200},
                    "kind": {"type": "string", "enum": ["a", "b"]},
                    "note": {"type": "string"},
                },
            },
        }
    },
}
Change = Callable[[dict[str, Any]], object]


def schemas(document: dict[str, Any]) -> dict[str, Any]:
    named: dict[str, Any] = document["components"]["schemas"]
    return named


def fields(document: dict[str, Any], name: str) -> dict[str, Any]:
    properties: dict[str, Any] = schemas(document)[name]["properties"]
    return properties


def get(document: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = document["paths"]["/things"]["get"]
    return operation


def breaks_of(change: Change, before: Change = lambda _: None, today: date = TODAY) -> list[str]:
    released = copy.deepcopy(RELEASED_THEN)
    before(released)
    present = copy.deepcopy(released)
    change(present)
    return find_breaks(released, present, today)


BREAKING: dict[str, Change] = {
    "GET /things was removed: deprecate it first": lambda d: d["paths"]["/things"].pop("get"),
    "GET /things is called list_all now": lambda d: get(d).update(operationId="list_all"),
    "GET /things needs a key now": lambda d: get(d).update(security=[{"Key": []}]),
    "GET /things, parameter limit was removed": lambda d: get(d)["parameters"].pop(0),
    "GET /things, parameter idempotency-key is required now": lambda d: get(d)["parameters"][1].update(
        required=True
    ),
    "GET /things has a new parameter q, which is required": lambda d: get(d)["parameters"].append(
        {"in": "query", "name": "q", "required": True, "schema": {}}
    ),
    "GET /things, parameter limit has maximum 50 now, and had 200": lambda d: get(d)["parameters"][0][
        "schema"
    ].update(maximum=50),
    "GET /things does not answer 200 any more": lambda d: get(d)["responses"].pop("200"),
    "GET /things 200 has no header X-Request-Id any more": lambda d: get(d)["responses"]["200"].pop(
        "headers"
    ),
    "GET /things 200 has no application/json any more": lambda d: get(d)["responses"]["200"].pop("content"),
    "GET /things 200[].id was removed": lambda d: fields(d, "Thing").pop("id"),
    "GET /things 200[].state may be absent now": lambda d: schemas(d)["Thing"].update(required=["id"]),
    "GET /things 200[].id is integer and was string (uuid)": lambda d: fields(d, "Thing").update(
        id={"type": "integer"}
    ),
    'GET /things 200[].state has lost "done"': lambda d: schemas(d)["State"].update(enum=["new"]),
    "GET /things 200[].state has lost its list of values": lambda d: schemas(d)["State"].pop("enum"),
    "GET /things 200[].size may be string now": lambda d: fields(d, "Thing")["size"]["anyOf"].append(
        {"type": "string"}
    ),
    "GET /things 200[].id may be null now": lambda d: fields(d, "Thing").update(
        id={"anyOf": [{"type": "string", "format": "uuid"}, {"type": "null"}]}
    ),
    "POST /things, body.note was removed": lambda d: fields(d, "NewThing").pop("note"),
    "POST /things, body.note is required now": lambda d: schemas(d)["NewThing"].update(
        required=["name", "note"]
    ),
    "POST /things, body.name has maxLength 20 now, and had 200": lambda d: fields(d, "NewThing")[
        "name"
    ].update(maxLength=20),
    "POST /things, body.note has another pattern": lambda d: fields(d, "NewThing")["note"].update(
        pattern="^a$"
    ),
    'POST /things, body.kind may not be "b" any more': lambda d: fields(d, "NewThing")["kind"].update(
        enum=["a"]
    ),
    "POST /things, body.note may not be any other value any more": lambda d: fields(d, "NewThing")[
        "note"
    ].update(enum=["x"]),
    "POST /things takes no body any more": lambda d: d["paths"]["/things"]["post"].pop("requestBody"),
    "the event thing.made was removed": lambda d: d["webhooks"].pop("thing.made"),
}


@pytest.mark.parametrize("sentence", BREAKING)
def test_what_breaks_a_client_is_found(sentence: str) -> None:
    found = breaks_of(BREAKING[sentence])
    assert found, sentence
    assert any(text.startswith(sentence) for text in found), found


COMPATIBLE: dict[str, Change] = {
    "nothing": lambda d: None,
    "an operation": lambda d: d["paths"].update({"/others": {"get": {}}}),
    "an optional parameter": lambda d: get(d)["parameters"].append(
        {"in": "query", "name": "q", "schema": {}}
    ),
    "the name of a header in lower case": lambda d: get(d)["parameters"][1].update(name="idempotency-key"),
    "a higher limit": lambda d: get(d)["parameters"][0]["schema"].update(maximum=500),
    "an error": lambda d: get(d)["responses"].update({"409": {}}),
    "no error any more": lambda d: get(d)["responses"].pop("404"),
    "a field of a response": lambda d: fields(d, "Thing").update(more={"type": "string"}),
    "a field that is always there now": lambda d: schemas(d)["Thing"].update(
        required=["id", "state", "size"]
    ),
    "a member of a response's enum": lambda d: schemas(d)["State"].update(enum=["new", "done", "dead"]),
    "a response that is never null any more": lambda d: fields(d, "Thing").update(size={"type": "integer"}),
    "an optional field of a request": lambda d: fields(d, "NewThing").update(more={"type": "string"}),
    "a field of a request that may be left out": lambda d: schemas(d)["NewThing"].update(required=[]),
    "a member of a request's enum": lambda d: fields(d, "NewThing")["kind"].update(enum=["a", "b", "c"]),
    "any value in a request": lambda d: fields(d, "NewThing")["kind"].pop("enum"),
    "texts": lambda d: get(d).update(summary="x", description="y"),
    "an event": lambda d: d["webhooks"].update({"thing.gone": {}}),
}


@pytest.mark.parametrize("change", COMPATIBLE)
def test_what_breaks_nobody_is_allowed(change: str) -> None:
    assert breaks_of(COMPATIBLE[change]) == []


REMOVED: dict[str, tuple[Change, Change]] = {
    "an operation": (lambda d: announce(get(d)), lambda d: d["paths"]["/things"].pop("get")),
    "a parameter": (lambda d: announce(get(d)["parameters"][0]), lambda d: get(d)["parameters"].pop(0)),
    "a field of a response": (
        lambda d: announce(fields(d, "Thing")["size"]),
        lambda d: fields(d, "Thing").pop("size"),
    ),
    "a field of a request": (
        lambda d: announce(fields(d, "NewThing")["note"]),
        lambda d: fields(d, "NewThing").pop("note"),
    ),
}


def announce(part: dict[str, Any]) -> None:
    part.update({"deprecated": True, "x-sunset": "2026-11-29"})


@pytest.mark.parametrize("part", REMOVED)
def test_what_was_announced_may_go_from_its_sunset_on(part: str) -> None:
    before, change = REMOVED[part]
    assert breaks_of(change, before) == []
    early = breaks_of(change, before, date(2026, 11, 28))
    assert early
    assert all(text.endswith("before its sunset, 2026-11-29") for text in early)


def test_the_present_description_breaks_no_client_of_the_last_release() -> None:
    today = date.today()
    assert find_breaks(read(RELEASED), read(PRESENT), today) == [], (
        "announce it first (docs/deprecation.md). What was never released may still change: `make"
        " release-api`"
    )


def test_the_command_compares_and_releases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("PRESENT", "RELEASED"):
        monkeypatch.setattr(compatibility, name, tmp_path / name)
    (tmp_path / "RELEASED").write_bytes(PRESENT.read_bytes())
    broken = read(PRESENT)
    del broken["paths"]["/api/v1/transform"]
    (tmp_path / "PRESENT").write_text(compatibility.json.dumps(broken))
    assert compatibility.main([]) == 1
    assert "POST /api/v1/transform was removed" in capsys.readouterr().out
    assert compatibility.main(["release"]) == 0
    assert compatibility.main([]) == 0
    assert capsys.readouterr().out == "nothing breaks\n"
