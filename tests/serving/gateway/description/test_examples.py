"""Every field and parameter is described, every document has an example, and each example fits its schema."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from serving.gateway.description.examples import NoExampleError, add, compose
from tests import described

DOCUMENT = described.read()
SCHEMAS = DOCUMENT["components"]["schemas"]
BINARY = "application/gzip"


def fields() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, schema in SCHEMAS.items():
        for field, described_ in schema.get("properties", {}).items():
            yield f"{name}.{field}", described_


def parameters() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for section in ("paths", "webhooks"):
        for path, methods in DOCUMENT[section].items():
            for method, operation in methods.items():
                for parameter in operation.get("parameters", ()):
                    yield f"{method} {path} {parameter['name']}", parameter


def test_each_field_is_described() -> None:
    bare = [
        place
        for place, field in fields()
        if not field.get("description") and not ("$ref" in field and described_by_its_type(field))
    ]
    assert bare == [], "say what each of these fields means: Field(description=...)"


def described_by_its_type(field: Mapping[str, Any]) -> bool:
    return bool(SCHEMAS[field["$ref"].rpartition("/")[2]].get("description"))


def test_each_document_is_described() -> None:
    bare = [name for name, schema in SCHEMAS.items() if not schema.get("description") and name != "JsonValue"]
    assert bare == [], "give each of these models a docstring"


def test_each_parameter_is_described_and_has_an_example() -> None:
    bare = [place for place, parameter in parameters() if not parameter.get("description")]
    assert bare == [], "say what each of these parameters means: Query(description=...)"
    without = []
    for place, parameter in parameters():
        try:
            example = described.examples_of(parameter) or [compose(parameter["schema"], SCHEMAS)]
        except NoExampleError:
            without.append(place)
            continue
        for value in example:
            assert described.find_faults(DOCUMENT, parameter["schema"], value) == [], place
    assert without == [], "give each of these parameters an example: Query(examples=[...])"


def test_each_document_that_is_sent_or_answered_has_an_example() -> None:
    without = []
    for where, kind, media in described.media_types(DOCUMENT):
        if described.examples_of(media) or kind == BINARY:
            continue
        try:
            compose(media["schema"], SCHEMAS)
        except NoExampleError as error:
            without.append(f"{where} {kind}: {error}")
        else:
            without.append(f"{where} {kind}")
    assert without == [], "give each of these fields an example: Field(examples=[...])"


def test_each_example_fits_its_schema() -> None:
    checked = 0
    for where, kind, media in described.media_types(DOCUMENT):
        for example in described.examples_of(media):
            assert described.find_faults(DOCUMENT, media["schema"], example) == [], (where, kind)
            checked += 1
    assert checked > 200
    for name, header in DOCUMENT["components"]["headers"].items():
        assert described.find_faults(DOCUMENT, header["schema"], header["example"]) == [], name


def test_each_line_and_each_event_of_an_example_is_a_document() -> None:
    checked = 0
    for _, kind, media in described.media_types(DOCUMENT):
        for example in described.examples_of(media):
            lines = example.splitlines() if kind == "application/x-ndjson" else []
            if kind == "text/event-stream":
                lines = [line.removeprefix("data: ") for line in example.splitlines() if "data:" in line]
            for line in lines:
                assert line == "[DONE]" or isinstance(json.loads(line), dict)
                checked += 1
    assert checked > 8


def test_the_last_event_of_a_stream_is_an_answer() -> None:
    answer = DOCUMENT["paths"]["/api/v1/transform"]["post"]["responses"]["200"]["content"]
    last = answer["text/event-stream"]["example"].rstrip().rpartition("data: ")[2]
    assert described.find_faults(DOCUMENT, answer["application/json"]["schema"], json.loads(last)) == []


def test_each_example_of_a_field_fits_the_field() -> None:
    for place, field in fields():
        for example in field.get("examples", ()):
            assert described.find_faults(DOCUMENT, field, example) == [], place


# --- how an example is put together --------------------------------------------------------------------


def test_an_example_is_put_together_from_those_of_the_fields() -> None:
    schemas = {"Kind": {"enum": ["a", "b"]}, "Part": {"type": "integer", "examples": [3]}}
    schema = {
        "type": "object",
        "required": ["kind", "parts", "maybe", "yes"],
        "properties": {
            "kind": {"$ref": "#/components/schemas/Kind"},
            "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Part"}},
            "maybe": {"anyOf": [{"type": "string", "examples": ["x"]}, {"type": "null"}]},
            "yes": {"type": "boolean"},
            "optional": {"type": "string"},
            "usual": {"type": "string", "default": "y"},
            "empty": {"type": "string", "default": None},
            "named": {"type": "string", "examples": ["z"]},
        },
    }
    assert compose(schema, schemas) == {
        "kind": "a",
        "parts": [3],
        "maybe": "x",
        "yes": False,
        "usual": "y",
        "named": "z",
    }


def test_a_field_without_an_example_is_named() -> None:
    schemas = {"A": {"type": "object", "required": ["b"], "properties": {"b": {"type": "string"}}}}
    content: dict[str, Any] = {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}
    with pytest.raises(NoExampleError, match=r"^A\.b$"):
        compose(content["application/json"]["schema"], schemas)
    add(content, schemas)
    assert "example" not in content["application/json"], "the gateway starts without it"


def test_each_option_of_a_union_has_an_example() -> None:
    schemas = {name: {"type": "string", "examples": [name]} for name in ("A", "B")}
    content: dict[str, Any] = {
        "application/json": {
            "schema": {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in schemas]}
        }
    }
    add(content, schemas)
    assert content["application/json"]["examples"] == {"A": {"value": "A"}, "B": {"value": "B"}}
