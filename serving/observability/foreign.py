"""The same lines for programs whose logging is configured by a file: `mlflow.yaml`, `prefect.yaml`."""

import logging
import re

from configs.settings import Settings
from serving.observability.lines import JsonLines
from serving.observability.start import make_formatter

# Prefect writes the message of an exception into the message of a state, and that into its log.
_STATE = re.compile(r"(Finished in state [^(:]+|Crash detected! [^:]+)[(:].*", re.DOTALL)


class _NamesOfStates(logging.Formatter):
    """Lines that say the name of a run's state, and not the message of the exception that led to it."""

    def __init__(self, lines: JsonLines) -> None:
        super().__init__()
        self._lines = lines

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        if state := _STATE.fullmatch(record.getMessage()):
            record = logging.makeLogRecord({**record.__dict__, "msg": state[1], "args": ()})
        return self._lines.format(record)


def formatter(process: str) -> logging.Formatter:
    """What the files name as the factory of their formatter."""
    lines = make_formatter(Settings(), process)
    return _NamesOfStates(lines) if isinstance(lines, JsonLines) else lines
