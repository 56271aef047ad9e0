"""Reads the kinds of decisions."""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from models.edits.clarify.words import lowered

FILE = Path(__file__).with_suffix(".tsv")


class Kind(NamedTuple):
    """A kind of decision, what has no reason (empty: nothing), and what else an outsider may miss."""

    name: str
    pattern: re.Pattern[str]
    reason: str
    others: tuple[str, ...]


@cache
def kinds() -> tuple[tuple[Kind, ...], tuple[Kind, ...]]:
    """The kinds that count first, and those that count only where none of the first is."""
    first, later = FILE.read_text(encoding="utf-8").split("\nlater\n")
    return _parsed(first), _parsed(later)


def _parsed(lines: str) -> tuple[Kind, ...]:
    rows = [line.split("\t") for line in lines.splitlines() if not line.startswith("#")]
    return tuple(
        Kind(
            name,
            re.compile(lowered(_with_and_without_apostrophe(pattern))),
            "" if reason == "~" else reason,
            () if others == "~" else tuple(others.split(";")),
        )
        for name, pattern, reason, others in rows
    )


def _with_and_without_apostrophe(pattern: str) -> str:
    """A pattern whose "n't" matches "nt" too, as in "dont"; a lookbehind must keep its width."""
    return re.sub(r"(?<!<!)(?<!<!ca)(?<!<!wo)n't(?!\))", "n'?t", pattern)
