"""Regular expressions of people, by RE2: the time of a search grows with the length of the text times the
size of the pattern, whatever the pattern is. RE2 has no look-around and no back-references, which are what
makes other engines slow.
"""

from functools import lru_cache
from typing import Any, Final

import re2

from data.reasons import ReasonedError

LONGEST = 500  # characters
MOST_INSTRUCTIONS = 2_000  # of one pattern: `\p{L}` has 1,200, an ordinary word a few
_KEPT = 500  # compiled patterns; each may use up to `_MOST_MEMORY` for what it has learnt of texts
_MOST_MEMORY = 512 * 1024  # bytes

# RE2's messages, and the terms (data/reasons.yaml) by which they are explained.
_FAULTS: Final = {
    "invalid escape sequence": "re2_escape",
    "invalid character class": "re2_class",
    "invalid character class range": "re2_class",
    "missing ]": "re2_bracket",
    "missing )": "re2_open",
    "unexpected )": "re2_closed",
    "trailing \\": "re2_backslash",
    "no argument for repetition operator": "re2_nothing_repeated",
    "invalid repetition size": "re2_repetition_size",
    "bad repetition operator": "re2_repetition_twice",
    "invalid perl operator": "re2_group",
    "invalid named capture group": "re2_group",
}
_LOOK_AROUND = ("(?=", "(?!", "(?<=", "(?<!")


class RefusedPatternError(ReasonedError, ValueError):
    """A pattern that RE2 cannot use, or that is too large."""


def _options(ignores_case: bool) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MOST_MEMORY
    options.case_sensitive = not ignores_case
    return options


@lru_cache(maxsize=_KEPT)
def compile_pattern(pattern: str, ignores_case: bool) -> Any:
    """A pattern, ready to search. RefusedPatternError says what is wrong with it, and where."""
    try:
        compiled = re2.compile(pattern, _options(ignores_case))
    except re2.error as error:
        raise _explain(pattern, error) from error
    if compiled.programsize > MOST_INSTRUCTIONS:
        raise RefusedPatternError(
            "pattern_too_large", instructions=compiled.programsize, most=MOST_INSTRUCTIONS
        )
    return compiled


def count_instructions(pattern: str, ignores_case: bool) -> int:
    """The size of a pattern as RE2 executes it."""
    size: int = compile_pattern(pattern, ignores_case).programsize
    return size


def forget() -> None:
    """Drop all patterns from memory, after an erasure."""
    compile_pattern.cache_clear()
    re2.purge()


def _explain(pattern: str, error: Exception) -> RefusedPatternError:
    [raw] = error.args
    message, _, part = raw.decode("utf-8", "replace").partition(": ")
    if message not in _FAULTS:  # its memory is full, or it was nested too deeply
        return RefusedPatternError("pattern_refused_as_a_whole")
    fault = _FAULTS[message]
    if part in _LOOK_AROUND:
        fault = "re2_look_around"
    elif message == "invalid escape sequence" and part[1:].isdigit():
        fault = "re2_back_reference"
    # RE2 names the part and not its place.
    position = pattern.find(part) + 1 if part else len(pattern)
    return RefusedPatternError("pattern_refused", fault=fault, part=part or pattern[-1:], position=position)
