"""Loads a stage's yaml into its frozen config object, with `key=value` overrides and unknown keys refused.

- `settings`: the environment; `secret_store`: random secrets, one set an installation.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError


class StageConfig(BaseModel):
    """A stage's settings: immutable, and closed to keys that nobody reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")


C = TypeVar("C", bound=StageConfig)


def load(kind: type[C], path: Path | str, overrides: Sequence[str] = ()) -> C:
    """Read a yaml file as `kind`, then apply overrides such as `learning_rate=2.0e-4`.

    Raises ValueError that names every unknown key beside the known ones, and every value that does not fit.
    """
    values: dict[str, Any] = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            raise ValueError(f"{override!r} is not key=value")
        values[key] = yaml.safe_load(value)
    known = list(kind.model_fields)
    if unknown := sorted(set(values) - set(known)):
        raise ValueError(f"{path}: unknown {', '.join(unknown)}; known: {', '.join(known)}")
    try:
        return kind(**values)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg']}, not {e['input']!r}" for e in error.errors()
        )
        raise ValueError(f"{path}: {faults}") from error


def from_command_line(kind: type[C], arguments: Sequence[str]) -> C:
    """The config of `python -m models.sft configs/sft.yaml key=value ...`."""
    if not arguments:
        keys = ", ".join(kind.model_fields)
        raise SystemExit(f"usage: python -m <stage> configs/<stage>.yaml [key=value ...]; keys: {keys}")
    try:
        return load(kind, arguments[0], arguments[1:])
    except (ValueError, OSError) as error:
        raise SystemExit(str(error)) from error
