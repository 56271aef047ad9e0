"""The committed description of the API, for tests: its examples, and whether a document fits a schema."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from serving.gateway import openapi_file

METHODS = ("get", "post", "put", "patch", "delete")


def read() -> dict[str, Any]:
    """The description."""
    described: dict[str, Any] = json.loads(openapi_file.FILE.read_text(encoding="utf-8"))
    return described


def find_faults(document: Mapping[str, Any], schema: Mapping[str, Any], value: Any) -> list[str]:
    """What of a value does not fit a schema of the description."""
    whole = {**schema, "components": document["components"]}
    validator = Draft202012Validator(whole, format_checker=FormatChecker())
    return [f"{fault.json_path}: {fault.message[:300]}" for fault in validator.iter_errors(value)]


def examples_of(media: Mapping[str, Any]) -> list[Any]:
    """The examples of a media type, a parameter or a header."""
    named = [example["value"] for example in media.get("examples", {}).values()]
    return [*([media["example"]] if "example" in media else []), *named]


def media_types(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Each media type of a request or response: where it is, its name, and what is said of it."""
    for section in ("paths", "webhooks"):
        for path, methods in document[section].items():
            for method, operation in methods.items():
                where = f"{method} {path}"
                yield from _of(where, operation.get("requestBody", {}))
                for status, response in operation["responses"].items():
                    yield from _of(f"{where} {status}", response)
    for name, response in document["components"]["responses"].items():
        yield from _of(f"responses.{name}", response)


def _of(where: str, part: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for kind, media in part.get("content", {}).items():
        yield where, kind, media
