"""Examples of documents, put together from the examples of their fields: each is written once, at its
field.
"""

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]
SHOWN = {"x-shown": True}  # `json_schema_extra` of an optional field that the example of its document has
_PREFIX = "#/components/schemas/"


class NoExampleError(LookupError):
    """A field has neither an example nor a value that follows from its type; the message is its place."""


def compose(schema: Schema, schemas: Mapping[str, Schema], place: str = "") -> Any:
    """An example of a schema. NoExampleError names the first field that needs one.

    Optional fields are part of it if they are `SHOWN`, or have an example, or a default other than null.
    """
    if schema.get("examples"):
        return schema["examples"][0]
    if "const" in schema:
        return schema["const"]
    if schema.get("default") is not None:
        return schema["default"]
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_PREFIX)
        return compose(schemas[name], schemas, name)
    if "enum" in schema:
        return schema["enum"][0]
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return compose(schema[union][0], schemas, place)
    match schema.get("type"):
        case "object" if "properties" in schema:
            required = schema.get("required", ())
            return {
                name: compose(field, schemas, f"{place}.{name}")
                for name, field in schema["properties"].items()
                if name in required or _is_shown(field)
            }
        case "array":
            return [compose(schema["items"], schemas, f"{place}[]")]
        case "boolean":
            return False
        case "null":
            return None
    raise NoExampleError(place)


def _is_shown(field: Schema) -> bool:
    has_value = bool(field.get("examples")) or "const" in field or field.get("default") is not None
    return has_value or SHOWN.keys() <= field.keys()


def unmark(schemas: Mapping[str, Any]) -> None:
    """Remove the marks `SHOWN`, which are nobody's business."""
    for schema in schemas.values():
        for field in schema.get("properties", {}).values():
            for mark in SHOWN:
                field.pop(mark, None)


def add(content: dict[str, Any], schemas: Mapping[str, Schema]) -> None:
    """Give an example to each media type that has a schema and none yet. A union of documents gets one for
    each of them.
    """
    for media in content.values():
        if "schema" not in media or "example" in media or "examples" in media:
            continue
        options = media["schema"].get("oneOf", ())
        try:
            if options:
                media["examples"] = {
                    option["$ref"].removeprefix(_PREFIX): {"value": compose(option, schemas)}
                    for option in options
                }
            else:
                media["example"] = compose(media["schema"], schemas)
        except NoExampleError:
            continue  # a test names the field (tests/serving/gateway/description/test_examples.py)
