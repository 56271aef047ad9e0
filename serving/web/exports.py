"""A person's own answers as a file, row by row: CSV for spreadsheets, JSON lines for programs."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_COLUMNS = ("created_at", "transform_type", "intensity", "message", "rewrite", "facts_missing", "answer_id")
_FEEDBACK = ("thumb_up", "rating", "edit", "comment")  # what the person said about the rewrite
# A spreadsheet may run a cell that begins so as a formula (OWASP ASVS 1.2.10). The wide forms are here in
# case a Japanese one does so, too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def write_lines(answers: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A JSON document a line."""
    for answer in answers:
        yield json.dumps(_describe(answer), ensure_ascii=False) + "\n"


def write_csv(answers: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A table with a header. It begins with a byte order mark, by which Excel knows UTF-8."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    writer.writerow(_COLUMNS + _FEEDBACK)
    yield "\ufeff" + _empty(buffer)
    for answer in answers:
        row = _describe(answer)
        row["facts_missing"] = "; ".join(row["facts_missing"])
        writer.writerow([_write_cell(value) for value in row.values()])
        yield _empty(buffer)


def defuse(cell: str) -> str:
    """The text of a cell, with an apostrophe in front if a spreadsheet would run it as a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _write_cell(value: Any) -> str:
    if value is None:
        return ""
    return defuse(json.dumps(value) if isinstance(value, bool) else str(value))


def _describe(answer: Mapping[str, Any]) -> dict[str, Any]:
    """An answer as a file has it, by its columns: without its receipt, which takes votes."""
    feedback = answer["feedback"] or dict.fromkeys(_FEEDBACK)
    rewrite = {column: answer["transformed_text" if column == "rewrite" else column] for column in _COLUMNS}
    return rewrite | {column: feedback[column] for column in _FEEDBACK}


def _empty(buffer: io.StringIO) -> str:
    written = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return written
