"""Vague words of an English message: plain words for them, and what is not stated beside them.

The words are in `clarify.tsv`.
"""

import itertools
import re
import string
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from models.edits.clarify.message import MOST, Message, lower_case
from models.edits.clarify.notes import RANKS, Note, is_gap
from models.edits.script import Change, Edit

WORDS = Path(__file__).with_name("clarify.tsv")


class _Row(NamedTuple):
    rule: str
    pattern: re.Pattern[str]
    words: str
    gap: str


class _Rows(NamedTuple):
    """The rows of `clarify.tsv` that can begin with one letter, and a pattern for the first that matches."""

    union: re.Pattern[str]
    rows: list[_Row]


@cache
def _rows() -> dict[str, _Rows]:
    """For each letter, and for any other character, the rows that can begin with it."""
    degrees = "a bit|a little|a tad|slightly|somewhat|kinda|kind of|sort of|really|very|so|quite"
    a_bit = rf"(?: like)?(?: (?:{degrees}))"
    odd = (
        r"(?:off|weird|funny|odd|strange|fishy|wonky|not right|not quite right|not great)"
        r"(?! (?:the|by|from|on|in that|to leave|but)\b)"
    )
    end = (
        r"(?=\s*[,.!?;]|$| (?:and|but|before|by|for|so|please|pls|again|today|tomorrow|this|next|first|too|"
        r"now|yet|"
        r"until|till|if|because|as|at|on|in|with|is|are|was|were|happened|then|instead|when)\b)"
    )
    no_modal = "".join(rf"(?<!\b{word} )" for word in _MODALS)
    buckets: dict[str, list[_Row]] = {letter: [] for letter in string.ascii_lowercase + "'"}
    for line in WORDS.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        rule, pattern, words, gap = (*line.split("\t"), "")[:4]
        pattern = pattern.replace("<a bit>", a_bit).replace("<odd>", odd).replace("<no modal>", no_modal)
        pattern = lowered(pattern.replace("<end>", end))
        row = _Row(rule, re.compile(rf"(?:{pattern})(?!\w|[-'/]\w)"), words, gap)
        for letter in _first_letters(pattern) or buckets:
            buckets[letter].append(row)
    return {letter: _Rows(_union(rows), rows) for letter, rows in buckets.items()}


_MODALS = (
    *("will", "might", "may", "could", "would", "can", "to", "doesn't", "does", "did", "don't", "not"),
    *("didn't", "it", "i", "that"),
)


def _union(rows: list[_Row]) -> re.Pattern[str]:
    """One pattern for many rows; the number of its last group tells which row has matched."""
    return re.compile("|".join(_GROUP.sub("(?:", row.pattern.pattern) + "()" for row in rows))


_BEHIND = re.compile(r"(?:\(\?<[=!](?:[^()\\]|\\.|\((?:[^()\\]|\\.)*\))*\))*")


def _first_letters(pattern: str) -> set[str]:
    """The letters that a regular expression can begin with; none if that is not plain to see.

    It is plain where a letter comes first, or a group of such expressions that must be there.
    """
    start = _BEHIND.match(pattern).end()  # type: ignore[union-attr]  # it matches the empty text
    if pattern[start : start + 1].isalpha():
        return set() if pattern[start + 1 : start + 2] == "?" else {pattern[start]}
    if not pattern.startswith("(", start) or pattern.startswith(("(?=", "(?!"), start):
        return set()
    depth, end = 0, start
    bounds = [start + (3 if pattern.startswith("(?:", start) else 1)]
    for end in range(start, len(pattern)):
        escaped = end > 0 and pattern[end - 1] == "\\"
        depth += 0 if escaped else {"(": 1, ")": -1}.get(pattern[end], 0)
        if depth == 0:
            break
        if depth == 1 and pattern[end] == "|":
            bounds.append(end + 1)
    if pattern[end + 1 : end + 2] in {"?", "*", "{"}:
        return set()
    letters = [_first_letters(pattern[at:end]) for at in bounds]
    return set().union(*letters) if all(letters) else set()


_GROUP = re.compile(r"(?<!\\)\((?!\?)")


def lowered(pattern: str) -> str:
    """A regular expression for lower case; the letter behind a backslash is no letter of the text."""
    return re.sub(
        r"\\.|[A-Z]",
        lambda match: match.group() if match.group()[0] == "\\" else match.group().lower(),
        pattern,
    )


def replace_vague_words(read: Message) -> tuple[list[Edit], list[Note]]:
    """Edits to plain words, and the vague words beside which something is missing."""
    plain, notes = [], []
    for row, match in itertools.islice(_matches(lower_case(read.text)), MOST):
        start, end = match.span()
        if _is_code(read.text, start, end):
            continue
        old, words = read.text[start:end], _plain_words(read, row, match)
        if words.lower() != old.lower():
            plain.append(Edit(f"clarify.{row.rule}", 1, (Change(start, end, words),)))
        if row.gap and is_gap(read, row.rule, start, end):
            gap = _expanded(row.gap, read.text, match)
            tail = _TAIL.match(read.text, end)
            reach = tail.end() if tail and row.rule in {"state", "what"} else end
            notes.append(Note(row.rule, RANKS[row.rule], start, reach, words + read.text[end:reach], gap))
    return plain, notes


def _plain_words(read: Message, row: _Row, match: re.Match[str]) -> str:
    """The plain words of a row, or the vague ones where it has none, with the capital of their place."""
    start, end = match.span()
    words = read.text[start:end] if row.words == "~" else _expanded(row.words, read.text, match)
    is_capitalized = read.text[start].isupper() and read.text[start + 1 : start + 2].islower()
    return words[:1].upper() + words[1:] if start in read.starts or is_capitalized else words


# Where a word starts, but not inside of an address, a path or a number.
_WORD = re.compile(r"(?<![\w'@#/.-])[\w']")


def _matches(lower: str) -> Iterator[tuple[_Row, re.Match[str]]]:
    """The rows that match, from left to right; a match starts behind the end of the one before."""
    rows, end = _rows(), 0
    for word in _WORD.finditer(lower):
        bucket = rows.get(word.group())
        if bucket is None or word.start() < end:
            continue
        any_row = bucket.union.match(lower, word.start())
        if any_row is None or any_row.end() == any_row.start():
            continue
        row = bucket.rows[(any_row.lastindex or 1) - 1]
        if match := row.pattern.match(lower, word.start()):
            end = match.end()
            yield row, match


def _expanded(template: str, text: str, match: re.Match[str]) -> str:
    """A row's words with the groups of the match, as the text writes them."""
    words = re.sub(r"\\(\d)", lambda group: text[slice(*match.span(int(group[1])))], template)
    return DAY_OR_MONTH.sub(lambda day: day.group().capitalize(), words)


_TAIL = re.compile(
    r" (?:again|lately|today|right now|this week|at the moment)(?! (?:and again|morning)\b)(?![\w'-])", re.I
)


def _is_code(text: str, start: int, end: int) -> bool:
    """Whether the words are part of a path, a name in code or a term in capitals such as BC."""
    word = text[start:end]
    return text[end : end + 1] in {"_", "/", "="} or (word.isupper() and len(word) == 2)


DAY_OR_MONTH = re.compile(
    r"(?<![\w'@#/.-])(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|january|february|april|june|july|august|"
    r"september|october|november|december)s?(?![\w'-])"
)
