"""Lines of Prefect have the names of states, and nothing that an exception quotes."""

import json
import logging

import pytest
from prefect.states import Completed, Failed

from serving.observability.foreign import formatter

WORDS = "the message of a person (a: b)"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            f"Finished in state {Failed(message=f'Flow run encountered an exception: {WORDS}')}",
            "Finished in state Failed",
        ),
        (f"Finished in state {Completed()}", "Finished in state Completed"),
        (
            f"Crash detected! Execution was interrupted by an unexpected exception: {WORDS}\n{WORDS}",
            "Crash detected! Execution was interrupted by an unexpected exception",
        ),
        ("Crash detected! Execution was aborted by a termination signal.",) * 2,
        ("Beginning flow run 'a (b)': c",) * 2,
    ],
)
def test_a_line_has_the_name_of_a_state_without_its_message(
    message: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TONEBRIDGE_LOG_FORMAT", "json")
    record = logging.LogRecord("prefect.flow_runs", logging.INFO, __file__, 1, message, (), None)
    line = json.loads(formatter("flows").format(record))
    assert (line["message"], line["process"]) == (expected, "flows")
    assert record.getMessage() == message, "Prefect's own handler gets the record, too"
