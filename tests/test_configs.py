"""Configs: what is wrong with a file or an override, in English and in Japanese."""

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

import configs
from configs import ConfigError, StageConfig
from data.reasons import render
from serving.validation import reasons_of


class Config(StageConfig):
    steps: Annotated[int, Field(ge=1)] = 1
    rate: float = 0.5


@pytest.mark.parametrize(
    ("text", "overrides", "english", "japanese"),
    [
        ("steps: 0", [], "steps: Input should be greater than or equal to 1, not 0", "1 以上にしてください"),
        ("rate: x", [], "rate: Input should be a valid number", "数として読み取れません"),
        ("stepps: 3", [], "unknown stepps; known: steps, rate", "不明な項目です（stepps）"),
        ("3: 3", [], "unknown 3; known: steps, rate", "不明な項目です（3）"),
        ("[1]", [], "Input should be a valid dictionary", "オブジェクト（名前と値の組）にしてください"),
        ("rate: 1\nsteps: [", [], "flow node", "YAML として読み取れません（2 行目）"),
        ("rate: 1\nsteps: \x07", [], "special characters are not allowed", "読み取れません（2 行目）"),
        ("rate: 2026-02-30", [], "day is out of range for month", "YAML として読み取れません（1 行目）"),
        ("", ["steps"], "'steps' is not key=value", "「steps」が key=value の形ではありません"),
        ("", ["steps=["], "steps: while parsing a flow node", "項目 steps が正しくありません"),
    ],
)
def test_a_fault_is_named_in_every_language(
    tmp_path: Path, text: str, overrides: list[str], english: str, japanese: str
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        configs.load(Config, file, overrides)
    assert str(caught.value).startswith(f"{file}: ")
    assert english in str(caught.value)
    reasons = reasons_of(caught.value)
    assert render(reasons, "ja").startswith(str(file))
    assert japanese in render(reasons, "ja")
    assert render(reasons).isascii() or "“" in render(reasons)


def test_every_wrong_field_is_named(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("steps: 0\nrate: x")
    with pytest.raises(ConfigError, match=r"steps: .*; rate: ") as caught:
        configs.load(Config, file)
    assert [each.values.get("field") for each in reasons_of(caught.value)[::2]] == ["steps", "rate"]


@pytest.mark.parametrize(("content", "error"), [(None, "FileNotFoundError"), (b"\xff", "UnicodeDecodeError")])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, error: str) -> None:
    file = tmp_path / "config.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        configs.load(Config, file)
    assert (
        render(reasons_of(caught.value))
        == f"{file} is not valid; correct it: the file cannot be read ({error})"
    )
    with pytest.raises(SystemExit, match=r"config\.yaml: "):
        configs.from_command_line(Config, [str(file)])


def test_other_exceptions_have_no_reasons() -> None:
    assert reasons_of(KeyError("x")) == []
