"""A person's answers as a file: whole, row by row, and safe to open in a spreadsheet."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from serving.web import exports


def answer(message: str = "Fix it.", **changes: Any) -> dict[str, Any]:
    """An answer of the gateway."""
    return {
        "answer_id": "01a2",
        "receipt": "takes votes",
        "transformed_text": "Could you fix it?",
        "facts_missing": ["3", "PAY-1"],
        "unchanged": None,
        "created_at": "2026-11-29T09:00:00Z",
        "message": message,
        "transform_type": "soften",
        "intensity": 2,
        "feedback": None,
        **changes,
    }


SAID = {"thumb_up": False, "rating": 4, "edit": "Could you, Ann?", "comment": "Too long;\nreally."}


def test_a_table_has_every_text_and_no_receipt() -> None:
    text = 'Say "hi",\nplease; 日本語'
    written = "".join(exports.write_csv([answer(text), answer(text, feedback=SAID)]))
    assert written.startswith('\ufeff"created_at"')
    assert "takes votes" not in written
    rows = list(csv.DictReader(io.StringIO(written.removeprefix("\ufeff"), newline="")))
    rewrite = {
        "created_at": "2026-11-29T09:00:00Z",
        "transform_type": "soften",
        "intensity": "2",
        "message": text,
        "rewrite": "Could you fix it?",
        "facts_missing": "3; PAY-1",
        "answer_id": "01a2",
    }
    assert rows == [
        {**rewrite, "thumb_up": "", "rating": "", "edit": "", "comment": ""},
        {**rewrite, **SAID, "thumb_up": "false", "rating": "4"},
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
@pytest.mark.parametrize("column", ["message", "transformed_text", "edit", "comment"])
def test_no_cell_begins_as_a_formula(start: str, column: str) -> None:
    evil = f"{start}cmd|' /C calc'!A0"
    changes = {"feedback": SAID | {column: evil}} if column in SAID else {column: evil}
    written = "".join(exports.write_csv([answer(facts_missing=[evil], **changes)]))
    [row] = csv.reader(io.StringIO(written.split("\r\n", 1)[1], newline=""))
    assert row.count(f"'{evil}") == 2
    assert not [cell for cell in row if cell.startswith(start)]


def test_lines_have_texts_as_they_are() -> None:
    lines = list(exports.write_lines([answer("=1+1 日本語"), answer("b", feedback=SAID)]))
    assert [json.loads(line)["message"] for line in lines] == ["=1+1 日本語", "b"]
    assert [line.count("\n") for line in lines] == [1, 1]
    assert "日本語" in lines[0]
    silent, said = ([json.loads(line)[name] for name in SAID] for line in lines)
    assert (silent, said) == ([None] * 4, list(SAID.values()))
    assert "receipt" not in lines[0]


@pytest.mark.parametrize("write", [exports.write_csv, exports.write_lines])
def test_an_answer_is_written_before_the_next_one_is_read(write: Any) -> None:
    read = 0

    def answers() -> Iterator[dict[str, Any]]:
        nonlocal read
        for _ in range(1000):
            read += 1
            yield answer()

    rows = write(answers())
    for _ in range(3):
        next(rows)
    assert read <= 3
