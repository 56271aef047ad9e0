"""The linter of the API's description: it finds nothing in ours, and something in a broken one."""

import copy
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import described
from tests.sdks import ROOT

FOLDER = ROOT / "sdk" / "lint"


def lint(*files: Path) -> "subprocess.CompletedProcess[str]":
    if not (FOLDER / "node_modules").is_dir():
        pytest.fail("the linter is not set up: `make node` does it")
    command = ["npm", "run", "--silent", "lint", "--", "--format=json", *map(str, files)]
    return subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_nothing_is_found() -> None:
    done = lint(described.openapi_file.FILE)
    assert (done.returncode, json.loads(done.stdout or "[]")) == (0, []), done.stderr


def me(document: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = document["paths"]["/api/v1/auth/me"]["get"]
    return operation


BROKEN: dict[str, Callable[[dict[str, Any]], object]] = {
    "operation-description": lambda d: me(d).pop("description"),
    "operation-summary": lambda d: me(d).pop("summary"),
    "operation-tag-defined": lambda d: me(d).update(tags=["unheard-of"]),
    "oas3-unused-component": lambda d: d["components"]["schemas"].update(Unused={"type": "string"}),
    "oas3-valid-media-example": lambda d: me(d)["responses"]["200"]["content"]["application/json"][
        "example"
    ].update(role=5),
    "answer-example": lambda d: me(d)["responses"]["200"]["content"]["application/json"].pop("example"),
    "body-example": lambda d: d["paths"]["/api/v1/keys"]["post"]["requestBody"]["content"][
        "application/json"
    ].pop("example"),
    "field-description": lambda d: d["components"]["schemas"]["Me"]["properties"]["role"].pop("description"),
    "errors-declared": lambda d: me(d)["responses"].pop("401"),
    "oas3-parameter-description": lambda d: d["paths"]["/api/v1/jobs"]["get"]["parameters"][0].pop(
        "description"
    ),
    "invalid-ref": lambda d: me(d)["responses"]["200"]["content"]["application/json"].update(
        schema={"$ref": "#/components/schemas/Nowhere"}
    ),
}


def cut(document: dict[str, Any], *paths: str) -> dict[str, Any]:
    """The description of some paths alone, with what they refer to: the linter takes ten seconds for all."""
    small = {**document, "paths": {path: document["paths"][path] for path in paths}, "webhooks": {}}
    components = {**document["components"]}
    while True:
        whole = json.dumps({**small, "components": components})
        used = set(re.findall(r'"#/components/(.+?)"', whole))
        kept = {
            kind: {name: part for name, part in named.items() if f"{kind}/{name}" in used}
            for kind, named in components.items()
        }
        kept["securitySchemes"] = document["components"]["securitySchemes"]
        if kept == components:
            return {**small, "components": components}
        components = kept


@pytest.mark.slow
def test_each_mistake_is_found(tmp_path: Path) -> None:
    document = cut(described.read(), "/api/v1/auth/me", "/api/v1/keys", "/api/v1/jobs")
    for rule, damage in {"nothing": lambda _: None, **BROKEN}.items():
        broken = copy.deepcopy(document)
        damage(broken)
        (tmp_path / f"{rule}.json").write_text(json.dumps(broken))
    done = lint(*sorted(tmp_path.glob("*.json")))
    assert done.returncode == 1, done.stderr
    found: dict[str, set[str]] = {rule: set() for rule in BROKEN}
    for finding in json.loads(done.stdout):
        found[Path(finding["source"]).stem].add(
            finding["code"]
        )  # a KeyError: something was found in `nothing`
    assert [rule for rule, codes in found.items() if rule not in codes] == []


def test_the_linter_is_installed_without_scripts() -> None:
    assert (FOLDER / ".npmrc").read_text() == "ignore-scripts=true\n", "one reports its installation"
