"""The schema of the chart's values: it takes what the chart has, and refuses what it does not know."""

import copy
import json
from typing import Any

import jsonschema
import pytest
import yaml

from deploy.chart_checks.rules import CHART

SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
FILES = sorted(file for folder in ("ci", "profiles") for file in (CHART / folder).glob("*.yaml"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def merged(values: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """As Helm merges: objects by key, anything else replaced."""
    whole = copy.deepcopy(values)
    for key, value in more.items():
        both = isinstance(value, dict) and isinstance(whole.get(key), dict)
        whole[key] = merged(whole[key], value) if both else value
    return whole


def at(path: str, value: Any) -> dict[str, Any]:
    """The object that has a value at a path with dots."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return value  # type: ignore[no-any-return]


def test_the_schema_is_a_schema_and_closes_every_object() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)

    def opened(schema: Any, path: str = "") -> list[str]:
        if isinstance(schema, list):
            return [each for part in schema for each in opened(part, path)]
        if not isinstance(schema, dict):
            return []
        here = (
            [path]
            if schema.get("type") == "object" and schema.get("additionalProperties", True) is True
            else []
        )
        return here + [each for key, part in schema.items() for each in opened(part, f"{path}/{key}")]

    assert opened(SCHEMA) == []


def test_it_takes_the_defaults_and_names_each_of_them() -> None:
    assert list(VALIDATOR.iter_errors(VALUES)) == []
    assert set(SCHEMA["properties"]) == set(VALUES)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_takes_the_files_that_are_rendered(file: Any) -> None:
    values = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert list(VALIDATOR.iter_errors(merged(VALUES, values))) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("mash", "istio"),
        ("mesh", "linkerd"),
        ("delivery", "canary"),
        ("processes.gateway.autoscaling.max", 100),
        ("processes.gateway.resources.requests.memory", "1 GB"),
        ("processes.flows.replicas", 2),  # it runs once
        ("workPools.gpus", {"enabled": True}),
        ("workPools.training.resources.limits.memory", "48 GB"),
        ("workPools.training.settings", {"DVC_REMOTE": "/state/dvc"}),  # they are those of flows
        ("processes.mlflow.settings", {"ORGANISATION": "first"}),
        ("processes.redis.enabled", True),
        ("image.digests.gateway", "sha256:short"),
        ("image.digests.postgres", f"sha256:{'0' * 64}"),
        ("image.tag", "v1/latest"),
        ("settings", {"RECEIPT_SECRET": "a secret"}),
        ("settings", {"DATABASE_URL": "postgresql://owner:secret@postgres/tonebridge"}),
        ("settings", {"DISCORD_BOT_TOKEN": "a token"}),
        ("settings", {"HOLDOUT_SHARE": 0.1}),  # Kubernetes takes text
        ("settings", {"TONEBRIDGE-HOST": "::"}),
        ("secrets.answers", ""),
        ("secrets.answers", {"TONEBRIDGE_RECEIPT_SECRET": "a secret"}),
        ("hosts.gateway", "https://tone.example.com"),
        ("artifactLocation", "file:///tmp/mlflow"),
        ("postgres.egress", [{"cidr": "db.example.com", "port": 5432}]),
        ("network.internet.ports", []),
        ("canary.weight", 101),
        ("rollout.steps", [0]),
        ("rollout.errorShare", 0),
        ("istio.ingressPrincipals", ["*"]),
        ("vllm.image", "vllm-openai"),  # without a tag
    ],
)
def test_it_refuses_nonsense(path: str, value: Any) -> None:
    assert list(VALIDATOR.iter_errors(merged(VALUES, at(path, value)))) != []
