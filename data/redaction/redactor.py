"""Replaces personal data and secrets in texts that models are trained on.

Rules find direct identifiers (`data.redaction.identifiers`), lists find names of people
(`data.redaction.names`). A replacement has the form of the original, and the same value has the same
replacement throughout a row, so a rewrite still keeps the facts of its message. A name is replaced by another
name, word for word, in order of appearance, so the replacement shows nothing of the original.

`data.redaction.measurement` measures how much personal data is found.
"""

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from data.redaction import identifiers, names
from data.redaction.identifiers import Span

_SHAPES = {
    "secret": "[secret-{}]",
    "email": "mail{}@example.com",
    "iban": "[iban-{}]",
    "card": "[card-{}]",
    "national_id": "[id-{}]",
    "birth_date": "[birth-date-{}]",
    "address": "[address-{}]",
    "ip": "192.0.2.{}",
    "phone": "555-01{:02d}",
}


def _group_by_first_letter(words: Iterable[str]) -> str:
    """A pattern that matches any of these words, several times faster than one alternative for each."""
    groups = itertools.groupby(sorted(words), key=lambda word: word[0])
    return "|".join(f"{letter}(?:{'|'.join(word[1:] for word in group)})" for letter, group in groups)


_REPLACEMENT_NAMES = _group_by_first_letter(map(str.lower, (*names.GIVEN, *names.FAMILY)))
# Replacements are not replaced again, so redacting twice changes nothing more, and redacting once terminates.
# This pattern must match a replacement wherever a rule finds the original: jürgen@x.io from its r on,
# -(415) 555-2671 from the bracket on, and the ::1 of Anna::1 when Anna is hidden.
_REPLACEMENTS = re.compile(
    r"(?=[\[m125])(?:"
    r"\[(?:secret|card|iban|address|birth-date|id)-\d+\]|(?a:\b)mail\d+@example\.com(?a:(?![a-z0-9]))"
    r"|(?<![\d.])192\.0\.2\.\d{1,3}(?!\.?\d)|(?<![\d:])2001:db8::\d{1,4}(?![\w:])"
    r"|(?<!\d)(?<!\d-)555-01\d{2,}(?!-?\d))"
    rf"|(?<![^\W\d_])(?:{_REPLACEMENT_NAMES})(?![^\W\d_])",
    re.IGNORECASE,
)
# A quick test on the text in lower case: most texts have no replacement.
_MAY_HAVE_REPLACEMENTS = re.compile(rf"\[|mail|192\.|2001|555-|{_REPLACEMENT_NAMES}")
# A text is searched again after each round, because a word next to a replacement may now look like a name.
# Three rounds are the most seen, but two adjacent replacements could look like a third in every round.
_ROUNDS = 20


def find(text: str, region: str = "US", known_names: Collection[str] = ()) -> list[Span]:
    """Find all personal data and secrets in a text, in text order. The spans do not overlap.

    `region` is the country of phone numbers without a country code. `known_names` are folded words that are
    names in this text.
    """
    return list(_scan(text, region, frozenset(known_names)).spans)


class _Scan(NamedTuple):
    """The spans to replace in a text, and the replacements that it has already, in lower case."""

    spans: tuple[Span, ...]
    replacements: frozenset[str]


@lru_cache(maxsize=1 << 12)
def _scan(text: str, region: str, known_names: frozenset[str] = frozenset()) -> _Scan:
    """Find spans and replacements in a text. Cached: people vote on the same messages and outputs often."""
    may_have = _MAY_HAVE_REPLACEMENTS.search(identifiers.lower(text))
    replacements = list(_REPLACEMENTS.finditer(text)) if may_have else []
    rest = identifiers.hide(text, [Span("replacement", *match.span(), "") for match in replacements])
    spans = identifiers.find(rest, region)
    rest = identifiers.hide(rest, spans)
    spans += [
        Span("family_name" if name.is_family else "name", name.start, name.end, names.fold(name.word))
        for name in names.find(rest, known_names)
    ]
    spans.sort(key=lambda span: span.start)
    return _Scan(tuple(spans), frozenset(match[0].lower() for match in replacements))


def _collect_names(spans: Iterable[Span]) -> set[str]:
    return {span.key for span in spans if span.kind in ("name", "family_name")}


def _generate_names(is_family: bool) -> Iterator[str]:
    """Names for replacements: single ones, then two with a hyphen, then three, without end."""
    single = names.FAMILY if is_family else names.GIVEN
    return ("-".join(parts) for n in itertools.count(1) for parts in itertools.product(single, repeat=n))


class Redactor:
    """Redacts the texts of one row; the same value gets the same replacement in all of them."""

    def __init__(self, row: Sequence[str] = (), region: str = "US") -> None:
        """Scan all texts of a row.

        A word that one text shows to be a name is replaced in all of them, and no replacement is used that a
        text has already. `region` is the country of phone numbers without a country code.
        """
        self._region = region
        scans = {text: _scan(text, region) for text in row}
        self._spans = {text: scan.spans for text, scan in scans.items()}
        self._names = {name for spans in self._spans.values() for name in _collect_names(spans)}
        self._taken = {replacement for scan in scans.values() for replacement in scan.replacements}
        self._replaced: dict[tuple[str, str], str] = {}
        self._candidates: dict[str, Iterator[str]] = {}

    def redact(self, text: str) -> str:
        """The text with replacements for personal data and secrets; redacting twice changes nothing more."""
        spans = self._find_first(text)
        self._names |= _collect_names(spans)
        for _ in range(_ROUNDS):
            if not spans:
                break
            parts, end = [], 0
            for span in spans:
                parts += [text[end : span.start], self._replace(span, text[span.start : span.end])]
                end = span.end
            text = "".join([*parts, text[end:]])
            spans = self._scan(text).spans  # a word next to a replacement may now look like a name
        return text

    def _find_first(self, text: str) -> tuple[Span, ...]:
        """The spans of the first round. A text of the row is scanned again if it may have a new name."""
        if text not in self._spans:
            scan = self._scan(text)
            self._taken |= scan.replacements
            return scan.spans
        spans = self._spans[text]
        new_names = self._names - _collect_names(spans)
        folded = names.fold(text) if new_names else ""
        return self._scan(text).spans if any(name in folded for name in new_names) else spans

    def _scan(self, text: str) -> _Scan:
        return _scan(text, self._region, frozenset(self._names))

    def _replace(self, span: Span, original: str) -> str:
        if span.kind in ("name", "family_name"):
            return self._replace_name(span.key, original, span.kind == "family_name")
        if span.kind == "account":
            return self._replace_account(span.key, original)
        shape = "2001:db8::{}" if span.kind == "ip" and ":" in original else _SHAPES[span.kind]
        return self._choose(shape, span.key, map(shape.format, itertools.count(1)))

    def _replace_name(self, key: str, original: str, is_family: bool) -> str:
        """A name in the case of the original."""
        name = self._choose("name", key, _generate_names(is_family), "family" if is_family else "given")
        if original.islower():
            return name.lower()
        return name.upper() if original.isupper() and len(original) > 1 else name

    def _replace_account(self, key: str, original: str) -> str:
        """A user name. If it consists of names, each of them is replaced; otherwise the whole is."""
        pieces = re.split(r"([\W\d_]+)", original)
        if all(names.fold(piece) in self._names or names.is_plain(piece) for piece in pieces[::2]):
            pieces[::2] = [self._replace_name(names.fold(piece), piece, False) for piece in pieces[::2]]
            return "".join(pieces)
        return self._replace_name(key, "account", False)

    def _choose(self, kind: str, key: str, candidates: Iterator[str], pool: str = "") -> str:
        """The replacement for a value: the same as before, or the first candidate that is not taken.

        `pool` names the candidates that several calls share; by default it is the kind.
        """
        if (kind, key) not in self._replaced:
            remaining = self._candidates.setdefault(pool or kind, candidates)
            replacement = next(candidate for candidate in remaining if candidate.lower() not in self._taken)
            self._replaced[kind, key] = replacement
            self._taken.add(replacement.lower())
        return self._replaced[kind, key]
