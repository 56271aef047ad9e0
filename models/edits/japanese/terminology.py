"""Explanations of terms in a Japanese message."""

import functools
import re
from collections.abc import Sequence
from typing import NamedTuple

from data.records import Term, TermRule
from models.edits.japanese.grammar import KANJI, KATAKANA
from models.edits.japanese.phrases import (
    table,
)
from models.edits.script import Change, Edit
from models.own_terms import find


class _Term(NamedTuple):
    word: str
    weight: int
    short: str
    full: str
    context: re.Pattern[str] | None


@functools.cache
def _glossary() -> tuple[dict[str, _Term], re.Pattern[str]]:
    terms = {}
    for word, weight, short, full, context in table("glossary_ja.tsv", 5):
        terms[word] = _Term(word, int(weight), short, full, re.compile(context) if context else None)
    return terms, re.compile("|".join(map(re.escape, sorted(terms, key=len, reverse=True))))


def explain_own(message: str, own_terms: Sequence[Term]) -> list[Edit]:
    """Edits that explain the terms of a dictionary, at every level."""
    ends: dict[Term, int] = {}
    for _, end, term, _ in find(message, own_terms):
        if term.rule is TermRule.EXPLAIN:
            ends.setdefault(term, end)
    return [
        Edit("terminology.own", 1, (Change(end, end, f"（{term.wording.rstrip('。. ')}）"),))
        for term, end in ends.items()
        if message[end : end + 1] not in ("（", "(")
    ]


def unexplained_terms(message: str, own_terms: Sequence[Term] = ()) -> list[tuple[int, _Term]]:
    """The terms of the glossary that a message does not explain, with the end of their first occurrence, in
    order. What a dictionary explains is none of them.
    """
    terms, pattern = _glossary()
    result: dict[str, tuple[int, _Term]] = {}
    own = [place for place in find(message, own_terms) if place.term.rule is TermRule.EXPLAIN]
    for match in pattern.finditer(message):
        term = terms[match[0]]
        if any(place.start < match.end() and match.start() < place.end for place in own):
            continue
        before, after = message[match.start() - 1 : match.start()], message[match.end() : match.end() + 1]
        if (
            term.word in result
            or after in ("（", "(")
            or before in ("（", "(", "「", "_", "-", "/", ".")
            or _runs_on(term.word, before, after)
        ):
            continue
        if re.match(r"[-_./+]\w|」", message[match.end() : match.end() + 2]):
            continue
        if term.context and not term.context.search(message[: match.start()] + "　" + message[match.end() :]):
            continue
        if term.short in message or any(term.short == other.short for _, other in result.values()):
            continue
        result[term.word] = (match.end(), term)
    return sorted(result.values(), key=lambda row: row[0])


_KANJI_AFTER = re.compile(rf"[{KANJI}]")


def _runs_on(word: str, before: str, after: str) -> bool:
    """Whether a term is only a part of a longer word."""
    if (word[0].isascii() and before.isascii() and before.isalnum()) or (
        word[-1].isascii() and after.isascii() and after.isalnum()
    ):
        return True
    if re.match("[ぁ-ん]", word[-1]) and re.match("[ぁ-んー]", after) and after not in "はがをにのとでもへや":
        return True
    kata = re.compile(f"[{KATAKANA}]")
    if (kata.match(word[0]) and kata.match(before)) or (kata.match(word[-1]) and kata.match(after)):
        return True
    kanji = _KANJI_AFTER
    if kanji.match(word[0]) and kanji.match(before):
        return True
    return bool(
        kanji.match(word[-1])
        and (
            (kanji.match(after) and after not in "前後中時済待")
            or (after == "し" and word in ("棚卸", "切り戻", "申し送", "仕訳"))
        )
    )


def terminology(message: str, own_terms: Sequence[Term] = ()) -> list[Edit]:
    """Edits that explain terms in brackets: first the most special one, then all, then in more words. Those
    of a dictionary are explained at once.
    """
    edits = explain_own(message, own_terms)
    terms = unexplained_terms(message, own_terms)
    if not terms:
        return edits
    first = max(terms, key=lambda row: (row[1].weight, -row[0]))[1]
    for at, term in terms:
        texts = {1: term.short} if term is first else {}
        if len(terms) > 1:
            texts |= {2: term.short, 3: term.full}
        else:
            texts |= {2: term.full}
        edits += [
            Edit("terminology.explain", level, (Change(at, at, f"（{text}）"),))
            for level, text in texts.items()
        ]
    return edits
