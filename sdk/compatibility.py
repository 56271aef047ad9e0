"""Compares the API's description with that of the last release, and names what would break a client.

    python -m sdk.compatibility            # fails when something breaks that was not announced
    python -m sdk.compatibility release    # the present description becomes that of the last release

docs/deprecation.md says what is compatible. A request may only become more permissive, and a response may
only promise more. An operation, a parameter or a field may be removed when the released description says
that it is `deprecated`, and its `x-sunset` has passed.
"""

import json
import operator
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

FOLDER = Path(__file__).parent
PRESENT, RELEASED = FOLDER / "openapi.json", FOLDER / "openapi.released.json"
_SCHEMAS = "#/components/schemas/"
# Limits of a request may only move outwards. Those of a response are no promise that clients rely on.
_LOWER, _UPPER = ("minimum", "exclusiveMinimum", "minLength", "minItems"), (
    "maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties",
)  # fmt: skip

Schema = Mapping[str, Any]
Side = Literal["request", "response"]


class Both(NamedTuple):
    """A released description and the present one, and the day on which they are compared."""

    released: Schema
    present: Schema
    today: date


def find_breaks(released: Schema, present: Schema, today: date) -> list[str]:
    """What a client of the released description would stumble over, a sentence each."""
    both = Both(released, present, today)
    return [
        *(
            text
            for path, methods in released["paths"].items()
            for method, operation in methods.items()
            for text in _compare_operation(both, f"{method.upper()} {path}", operation, path, method)
        ),
        *(
            text
            for kind, methods in released.get("webhooks", {}).items()
            for text in _compare_event(both, kind, methods["post"])
        ),
    ]


def _compare_operation(both: Both, name: str, old: Schema, path: str, method: str) -> Iterator[str]:
    new = both.present["paths"].get(path, {}).get(method)
    if new is None:
        if not _has_ended(old, both.today):
            yield f"{name} was removed{_hint(old)}"
        return
    if old["operationId"] != new["operationId"]:
        yield f"{name} is called {new['operationId']} now: SDKs have a method {old['operationId']}"
    if "security" in new and "security" not in old:
        yield f"{name} needs a key now"
    yield from _compare_parameters(both, name, old, new)
    yield from _compare_bodies(both, name, old.get("requestBody"), new.get("requestBody"))
    for status, response in old["responses"].items():
        if not status.startswith("2"):
            continue  # a client has to expect any error: new ones may come, and others go
        if status not in new["responses"]:
            yield f"{name} does not answer {status} any more"
            continue
        present = new["responses"][status]
        contents = response.get("content", {}), present.get("content", {})
        yield from _compare_contents(both, f"{name} {status}", *contents, "response")
        for header in response.get("headers", {}):
            if header not in present.get("headers", {}):
                yield f"{name} {status} has no header {header} any more"


def _compare_event(both: Both, kind: str, old: Schema) -> Iterator[str]:
    """An event is sent, so what holds for responses holds for it."""
    new = both.present.get("webhooks", {}).get(kind)
    if new is None:
        if not _has_ended(old, both.today):
            yield f"the event {kind} was removed{_hint(old)}"
        return
    content = old["requestBody"]["content"], new["post"]["requestBody"]["content"]
    yield from _compare_contents(both, f"the event {kind}", *content, "response")


def _compare_parameters(both: Both, name: str, old: Schema, new: Schema) -> Iterator[str]:
    def by_name(operation: Schema) -> dict[tuple[str, str], Schema]:
        # The names of headers are the same in upper and lower case.
        return {
            (p["in"], p["name"].lower() if p["in"] == "header" else p["name"]): p
            for p in operation.get("parameters", ())
        }

    before, after = by_name(old), by_name(new)
    for key, parameter in before.items():
        where = f"{name}, parameter {key[1]}"
        if key not in after:
            if not _has_ended(parameter, both.today):
                yield f"{where} was removed{_hint(parameter)}"
            continue
        if after[key].get("required") and not parameter.get("required"):
            yield f"{where} is required now"
        yield from _compare_schemas(both, where, parameter["schema"], after[key]["schema"], "request", ())
    for key, parameter in after.items():
        if key not in before and parameter.get("required"):
            yield f"{name} has a new parameter {key[1]}, which is required"


def _compare_bodies(both: Both, name: str, old: Schema | None, new: Schema | None) -> Iterator[str]:
    if new is None:
        if old is not None:
            yield f"{name} takes no body any more"
        return
    if new.get("required") and not (old or {}).get("required"):
        yield f"{name} needs a body now"
    if old is not None:
        yield from _compare_contents(both, f"{name}, body", old["content"], new["content"], "request")


def _compare_contents(both: Both, name: str, old: Schema, new: Schema, side: Side) -> Iterator[str]:
    for kind, media in old.items():
        if kind not in new:
            yield f"{name} has no {kind} any more"
            continue
        yield from _compare_schemas(
            both, name, media.get("schema", {}), new[kind].get("schema", {}), side, ()
        )


def _compare_schemas(
    both: Both, place: str, old: Schema, new: Schema, side: Side, seen: tuple[str, ...]
) -> Iterator[str]:
    """`seen` has the names of the schemas around this one, which may contain themselves."""
    if "$ref" in old:
        reference = str(old["$ref"])
        if reference in seen:
            return
        seen = (*seen, reference)
    old, new = _resolve(both.released, old), _resolve(both.present, new)
    options = _options(both.released, old), _options(both.present, new)
    if any(len(some) > 1 for some in options):
        yield from _compare_options(both, place, *options, side, seen)
        return
    if (mine := _kind(old)) != (theirs := _kind(new)) and not _is_wider(mine, theirs, side):
        yield f"{place} is {theirs} and was {mine}"
        return
    yield from _compare_values(place, old, new, side)
    yield from _compare_fields(both, place, old, new, side, seen)
    if "items" in old and "items" in new:
        yield from _compare_schemas(both, f"{place}[]", old["items"], new["items"], side, seen)
    values = old.get("additionalProperties"), new.get("additionalProperties")
    if isinstance(values[0], dict) and isinstance(values[1], dict):
        yield from _compare_schemas(both, f"{place}.*", values[0], values[1], side, seen)


def _compare_options(
    both: Both, place: str, old: list[Schema], new: list[Schema], side: Side, seen: tuple[str, ...]
) -> Iterator[str]:
    """Of a request each option has to stay; a response may have no option that there was not."""
    before, after = ({_label(schema): schema for schema in some} for some in (old, new))
    fewer, more = (before, after) if side == "request" else (after, before)
    for label in fewer.keys() - more.keys():
        yield f"{place} may not be {label} any more" if side == "request" else f"{place} may be {label} now"
    for label in sorted(before.keys() & after.keys()):
        yield from _compare_schemas(both, place, before[label], after[label], side, seen)


def _compare_values(place: str, old: Schema, new: Schema, side: Side) -> Iterator[str]:
    before, after = _values(old), _values(new)
    if before is not None or after is not None:
        if side == "request":
            gone = set() if after is None else (before - after if before is not None else {"any other value"})
            yield from (f"{place} may not be {value} any more" for value in sorted(gone))
        elif before is not None and (after is None or before - after):
            lost = "its list of values" if after is None else ", ".join(sorted(before - after))
            yield f"{place} has lost {lost}"
    if side == "request":
        for names, is_tighter in ((_LOWER, operator.gt), (_UPPER, operator.lt)):
            for limit in names:
                if limit in new and (limit not in old or is_tighter(new[limit], old[limit])):
                    yield f"{place} has {limit} {new[limit]} now, and had {old.get(limit, 'none')}"
        if new.get("pattern") != old.get("pattern") and "pattern" in new:
            yield f"{place} has another pattern: {new['pattern']}"


def _compare_fields(
    both: Both, place: str, old: Schema, new: Schema, side: Side, seen: tuple[str, ...]
) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    required = set(old.get("required", ())), set(new.get("required", ()))
    for name, field in before.items():
        where = f"{place}.{name}"
        if name not in after:
            if not _has_ended(field, both.today) and (
                side == "response" or new.get("additionalProperties") is False
            ):
                yield f"{where} was removed{_hint(field)}"
            continue
        if side == "response" and name in required[0] - required[1]:
            yield f"{where} may be absent now"
        yield from _compare_schemas(both, where, field, after[name], side, seen)
    if side == "request":
        for name in sorted(required[1] - required[0]):
            yield f"{place}.{name} is required now"
        if new.get("additionalProperties") is False and old.get("additionalProperties") is not False:
            yield f"{place} takes no other fields any more"


def _resolve(document: Schema, schema: Schema) -> Schema:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].removeprefix(_SCHEMAS)]
    return schema


def _options(document: Schema, schema: Schema) -> list[Schema]:
    """The options of a union; the schema itself if it is none."""
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return [part for option in schema[union] for part in _options(document, _keep(document, option))]
    return [schema]


def _keep(document: Schema, option: Schema) -> Schema:
    """An option of a union, by its name if it has one: a union of its own is taken apart."""
    resolved = _resolve(document, option)
    return resolved if "anyOf" in resolved or "oneOf" in resolved else option


def _label(schema: Schema) -> str:
    """By what an option of a union is found again."""
    return str(schema["$ref"]).removeprefix(_SCHEMAS) if "$ref" in schema else _kind(schema)


def _kind(schema: Schema) -> str:
    kind = schema.get("type") or ("any value" if _values(schema) is None else "string")
    return f"{kind} ({schema['format']})" if "format" in schema else str(kind)


def _is_wider(old: str, new: str, side: Side) -> bool:
    """Whether another type breaks nobody: whole numbers are numbers."""
    wide, narrow = (new, old) if side == "request" else (old, new)
    return wide == "any value" or (wide, narrow) == ("number", "integer")


def _values(schema: Schema) -> set[str] | None:
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    return None if values is None else {json.dumps(value) for value in values}


def _has_ended(part: Schema, today: date) -> bool:
    return (
        bool(part.get("deprecated")) and "x-sunset" in part and date.fromisoformat(part["x-sunset"]) <= today
    )


def _hint(part: Schema) -> str:
    if "x-sunset" in part:
        return f" before its sunset, {part['x-sunset']}"
    return ": deprecate it first (docs/deprecation.md)"


def read(file: Path) -> dict[str, Any]:
    """A description."""
    described: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return described


def main(arguments: list[str]) -> int:
    """Compare, or release."""
    if arguments == ["release"]:
        RELEASED.write_bytes(PRESENT.read_bytes())
        return 0
    breaks = find_breaks(read(RELEASED), read(PRESENT), datetime.now(UTC).date())
    print("\n".join(breaks) or "nothing breaks")
    return 1 if breaks else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
