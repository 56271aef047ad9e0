"""Writes docs/settings.md, the page of every setting: `python -m pipelines.settings_page`, or `make
settings-page`.

The text is that of `configs.settings`. A setting belongs to the group that has begun at its place in the
class.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import configs
from configs.settings import Settings
from pipelines.settings_readers import PREFIX, find_readers, is_secret

FILE = configs.ROOT / "docs" / "settings.md"


class Group(NamedTuple):
    """Settings that belong together: from the first one on, to that of the next group."""

    title: str
    first: str
    about: str


GROUPS = (
    Group(
        "Stores and services",
        "database_url",
        "Where the processes find each other. `make up` starts what is unset, on this machine.",
    ),
    Group(
        "Secrets",
        "receipt_secret",
        "`make up` makes them at its first start and keeps them in the state folder. [What each is for, and"
        " what a new value changes](security.md#secrets).",
    ),
    Group(
        "Chat platforms",
        "slack_signing_secrets",
        "A platform without its settings is off: [Slack](channels/slack.md), [Teams](channels/teams.md),"
        " [Discord](channels/discord.md).",
    ),
    Group("The first start", "bootstrap_api_key", "What a new installation begins with."),
    Group(
        "Proxies, pages and webhooks",
        "trusted_proxies",
        "Who stands in front of an installation, and what it may call.",
    ),
    Group("Files and models", "organisation", "Whom an installation belongs to, and where its files are."),
    Group(
        "Limits of connections",
        "max_connections",
        "For the gateway, the sites and channels, [before anybody is authenticated](security.md#limits).",
    ),
    Group("The gateway", "hot_protocol", "How it serves, and what it shows."),
    Group(
        "Logs, errors and traces",
        "log_format",
        "What processes say of themselves, and to whom: [observability.md](observability.md).",
    ),
    Group(
        "Addresses",
        "host",
        "Where processes listen, and by which names people reach them. [What protects a port that others"
        " reach](security.md#listening-for-other-machines).",
    ),
    Group("Versions and experiments", "device", "What answers people."),
)

_INTRODUCTION = """# Settings

<!-- `make settings-page` writes this page. -->

A process reads its settings from environment variables when it starts, and from a file `.env` in its folder;
variables of the environment win. A value that does not fit ends the process with the reason. An unknown
variable is ignored. Lists are JSON, such as `["10.0.0.0/8"]`. Times and sizes have the unit in which the name
ends. What a stage of training, a job or an experiment does is not set here, but in `configs/*.yaml`.

`make up` starts every process of the `Procfile` and gives it what it needs (`pipelines/environments.py`).
*Read by* names these processes, `migrate` (`python -m data.database migrate`), and `make up` where it alone
reads a setting. A **secret**, or what may contain one, is given to the processes that read it and to `flows`.

```sh
TONEBRIDGE_HOST=0.0.0.0 TONEBRIDGE_ALLOWED_HOSTS='["bridge.example.com"]' make up
```
"""


def render() -> str:
    """The page. ValueError when a setting has no description or no group."""
    readers, parts = find_readers(), [_INTRODUCTION]
    grouped, schemas = group_settings(), Settings.model_json_schema()["properties"]
    parts.append("".join(f"- [{group.title}](#{_anchor(group.title)})\n" for group in grouped))
    for group, names in grouped.items():
        rows = [f"| {' | '.join(_describe(name, schemas[name], readers[name]))} |\n" for name in names]
        head = "| variable | value | default | read by | meaning |\n|---|---|---|---|---|\n"
        parts.append(f"## {group.title}\n\n{group.about}\n\n{head}{''.join(rows)}")
    return "\n".join(parts)


def group_settings() -> dict[Group, list[str]]:
    """The settings of each group, by their places in the class. ValueError when one has no description, or
    comes before the first group.
    """
    first = {group.first: group for group in GROUPS}
    grouped: dict[Group, list[str]] = {group: [] for group in GROUPS}
    group: Group | None = None
    for name, field in Settings.model_fields.items():
        group = first.get(name, group)
        if group is None:
            raise ValueError(
                f"{name} stands before the first group of GROUPS in pipelines/settings_page.py: move it"
                " behind a setting that it belongs to, in configs/settings.py"
            )
        if not field.description:
            raise ValueError(
                f"{name} has no description: say what it changes, its unit and its default by"
                " `Field(..., description=...)` in configs/settings.py"
            )
        grouped[group].append(name)
    if missing := [group.first for group in GROUPS if not grouped[group]]:
        raise ValueError(f"GROUPS in pipelines/settings_page.py begins groups at unknown settings: {missing}")
    return grouped


def _anchor(title: str) -> str:
    return title.lower().replace(",", "").replace(" ", "-")


def _describe(name: str, schema: Mapping[str, Any], readers: list[str]) -> tuple[str, ...]:
    """The cells of a setting."""
    value = _name_kind(schema) + (", **secret**" if is_secret(name) else "")
    default = Settings.model_fields[name].default
    default_text = "unset" if default is None or default == () else f"`{_write(default)}`"
    description = str(Settings.model_fields[name].description).replace("|", "\\|").replace("<", "&lt;")
    return f"`{PREFIX}{name.upper()}`", value, default_text, ", ".join(readers), description


def _write(default: object) -> str:
    """A default as it stands in the environment."""
    if isinstance(default, bool | tuple):
        return json.dumps(default)
    return str(default)


_PATTERNS = {
    "^https?://[a-z0-9": "origin, such as `https://example.com`",
    "^(https?://[!-~]+|": "e-mail address, or address of a page",
    "^[0-9a-f]{64}$": "64 hexadecimal digits",
    "^[a-p]{32}$": "32 letters from a to p",
    "^(auto|cpu|": "`auto`, `cpu`, `cuda` or `cuda:` and a number",
}
_FORMATS = {"path": "path", "ipvanynetwork": "IP address or network", "password": "text"}


def _name_kind(schema: Mapping[str, Any]) -> str:
    """What a value may be, in words."""
    for option in schema.get("anyOf", ()):
        if option.get("type") != "null":
            return _name_kind(option)
    match schema.get("type"):
        case "array":
            most = f", {schema['maxItems']} at most" if "maxItems" in schema else ""
            return f"JSON list{most}: {_name_kind(schema['items'])}"
        case "boolean":
            return "`true` or `false`"
        case "integer" | "number" as kind:
            return ("whole number" if kind == "integer" else "number") + _name_range(schema)
        case "string":
            for start, meaning in _PATTERNS.items():
                if schema.get("pattern", "").startswith(start):
                    return meaning
            return _FORMATS.get(schema.get("format", ""), "text")
    return "object"


def _name_range(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if "exclusiveMinimum" in schema:
        return f" above {schema['exclusiveMinimum']}"
    if low is not None and high is not None:
        return f" from {low} to {high}"
    return f", {low} or more" if low is not None else ""


def main() -> None:
    """Write the page."""
    FILE.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
