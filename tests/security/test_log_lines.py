"""A record is one line of a log, whatever it holds. A name or a reason cannot add a second line."""

import json
import logging
import uuid

import pytest

from serving.observability.lines import JsonLines

FORGED = '{"level":"error","message":"forged"}'


@pytest.mark.parametrize(
    "words",
    [f"a\n{FORGED}", f"a\r\n{FORGED}", f"a\u2028{FORGED}", f"a\x85{FORGED}", f"a\x0b\x0c\x1c{FORGED}",
     "a\x1b[2K\x08", "a\0", "half \ud800 a pair", 'a","level":"error', "\u202eesrever"],
)  # fmt: skip
def test_what_a_record_holds_cannot_begin_another_line(words: str) -> None:
    record = logging.LogRecord("x", logging.WARNING, "f", 1, "experiment %s", (words,), None)
    record.fields = {"organisation": words, "id": uuid.UUID(int=1)}
    line = JsonLines().format(record)
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    assert line.encode("ascii")
    read = json.loads(line)
    assert (read["message"], read["organisation"]) == (f"experiment {words}", words)
    assert read["level"] == "warning"
