"""Loads a stage's yaml into its frozen config object, with `key=value` overrides and unknown keys refused.

- `settings`: the environment; `secret_store`: random secrets, one set an installation.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

ROOT = Path(__file__).parent.parent  # the checkout; the paths in the yaml files are relative to it


class StageConfig(BaseModel):
    """A stage's settings: immutable, and closed to keys that nobody reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")


C = TypeVar("C", bound=StageConfig)
Fault = Mapping[str, Any]  # as one of pydantic's `ValidationError.errors()`: type, loc, msg, ctx, and input


class StartError(Exception):
    """A process must not start; the message says what to do, and quotes nothing that is secret."""


class ConfigError(ValueError):
    """A yaml file or an override is no valid config. `path` is the file, and `faults` name its wrong fields.

    The message is English; `serving.validation` makes reasons of the faults, for readers of other languages.
    """

    def __init__(self, path: Path | str, faults: Sequence[Fault]) -> None:
        self.path, self.faults = path, faults
        super().__init__(f"{path}: {'; '.join(map(_describe, faults))}")


def _describe(fault: Fault) -> str:
    field = f"{'.'.join(map(str, fault['loc']))}: " if fault["loc"] else ""
    value = f", not {fault['input']!r}" if "input" in fault else ""
    return f"{field}{fault['msg']}{value}"


def load(kind: type[C], path: Path | str, overrides: Sequence[str] = ()) -> C:
    """Read a yaml file as `kind`, then apply overrides such as `learning_rate=2.0e-4`.

    Raises ConfigError for a file that cannot be read. It names every unknown key beside the known ones, and
    every value that does not fit.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = getattr(error, "strerror", None) or str(error)
        fault = _fault("unreadable", message, error=type(error).__name__)
        raise ConfigError(path, [fault]) from error
    values = _parse(path, text) or {}
    if isinstance(values, dict):
        for override in overrides:
            key, equals, value = override.partition("=")
            if not equals:
                message = f"{override!r} is not key=value"
                raise ConfigError(path, [_fault("override", message, override=override)])
            values[key] = _parse(path, value, key)
        known = ", ".join(kind.model_fields)
        if unknown := ", ".join(sorted(str(key) for key in values if key not in kind.model_fields)):
            message = f"unknown {unknown}; known: {known}"
            raise ConfigError(path, [_fault("unknown_fields", message, unknown=unknown, known=known)])
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ConfigError(path, error.errors()) from error


def _parse(path: Path | str, text: str, *field: str) -> Any:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError for a day such as 2026-02-30
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else text.count("\n", 0, getattr(error, "position", 0)) + 1
        raise ConfigError(path, [_fault("yaml_syntax", str(error), *field, line=line)]) from error


def _fault(kind: str, message: str, *field: str, **context: str | int) -> Fault:
    return {"type": kind, "loc": field, "msg": message, "ctx": context}


def from_command_line(kind: type[C], arguments: Sequence[str]) -> C:
    """The config of `python -m models.sft configs/sft.yaml key=value ...`."""
    if not arguments:
        keys = ", ".join(kind.model_fields)
        raise SystemExit(f"usage: python -m <stage> configs/<stage>.yaml [key=value ...]; keys: {keys}")
    try:
        return load(kind, arguments[0], arguments[1:])
    except ConfigError as error:
        raise SystemExit(str(error)) from error
