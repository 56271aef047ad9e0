"""Takes personal data and secrets out of texts before they are trained on.

What identifies directly is found by rules (`data.redaction.identifiers`), names of people by lists
(`data.redaction.names`). A replacement looks like what it replaces, and one thing has one replacement
throughout a row, so that a rewrite still keeps the facts of its message. A name becomes another name, word
for word, in order of appearance: it says nothing of the real one.

`data.redaction.measurement` measures how much of it is found.
"""

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from data.redaction import identifiers, names
from data.redaction.identifiers import Found

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


def _by_first_letter(words: Iterable[str]) -> str:
    """A pattern of words that is searched several times faster than with one alternative a word."""
    groups = itertools.groupby(sorted(words), key=lambda word: word[0])
    return "|".join(f"{letter}(?:{'|'.join(word[1:] for word in group)})" for letter, group in groups)


_OUR_NAMES = _by_first_letter(map(str.lower, (*names.GIVEN, *names.FAMILY)))
# A replacement is left as it is, so that redacting twice changes nothing more, and once ends. So it must be
# known wherever a rule finds what it replaces: jürgen@x.io is found from its r on, -(415) 555-2671 from the
# bracket on, the ::1 of Anna::1 once Anna is hidden.
_OURS = re.compile(
    r"(?=[\[m125])(?:"
    r"\[(?:secret|card|iban|address|birth-date|id)-\d+\]|(?a:\b)mail\d+@example\.com(?a:(?![a-z0-9]))"
    r"|(?<![\d.])192\.0\.2\.\d{1,3}(?!\.?\d)|(?<![\d:])2001:db8::\d{1,4}(?![\w:])"
    r"|(?<!\d)(?<!\d-)555-01\d{2,}(?!-?\d))"
    rf"|(?<![^\W\d_])(?:{_OUR_NAMES})(?![^\W\d_])",
    re.IGNORECASE,
)
# Most texts have none, which this says sooner of them in lower case.
_LIKE_OURS = re.compile(rf"\[|mail|192\.|2001|555-|{_OUR_NAMES}")
# How often a text is searched again for what stands beside a replacement: three times is the most that was
# met, but two replacements without a space between them may look like a third for ever.
_ROUNDS = 20


def find(text: str, region: str = "US", also: Collection[str] = ()) -> list[Found]:
    """All personal data and secrets in a text, in its order; none overlap.

    `region`: where a phone number without a country code is dialled. `also`: folded words that are names
    here.
    """
    return list(_look(text, region, frozenset(also)).found)


class _Seen(NamedTuple):
    """What a text holds: of others, and in lower case the replacements of ours."""

    found: tuple[Found, ...]
    ours: frozenset[str]


@lru_cache(maxsize=1 << 12)
def _look(text: str, region: str, also: frozenset[str] = frozenset()) -> _Seen:
    """As `find`; kept for a while, since people vote on the same messages and outputs again and again."""
    ours = list(_OURS.finditer(text)) if _LIKE_OURS.search(identifiers.lower(text)) else []
    rest = text
    for match in ours:
        rest = identifiers.hide(rest, *match.span())
    found = identifiers.find(rest, region)
    for one in found:
        rest = identifiers.hide(rest, one.start, one.end)
    found += [
        Found("family_name" if name.is_family else "name", name.start, name.end, names.fold(name.word))
        for name in names.find(rest, also)
    ]
    found.sort(key=lambda one: one.start)
    return _Seen(tuple(found), frozenset(match[0].lower() for match in ours))


def _names(found: Iterable[Found]) -> set[str]:
    return {one.key for one in found if one.kind in ("name", "family_name")}


def _our_names(is_family: bool) -> Iterator[str]:
    """Names of ours, then two of them with a hyphen, then three: a message may have any number of people."""
    ours = names.FAMILY if is_family else names.GIVEN
    return ("-".join(several) for n in itertools.count(1) for several in itertools.product(ours, repeat=n))


class Redactor:
    """Redacts the texts of one row; what it replaced once it replaces the same way again."""

    def __init__(self, row: Sequence[str] = (), region: str = "US") -> None:
        """`row`: all texts of the row, so that what only one of them shows to be a name is replaced in all,
        and no replacement is a word that one of them holds. `region` as in `find`.
        """
        self._region = region
        seen = {text: _look(text, region) for text in row}
        self._found = {text: one.found for text, one in seen.items()}
        self._names = {name for found in self._found.values() for name in _names(found)}
        self._taken = {replacement for one in seen.values() for replacement in one.ours}
        self._replaced: dict[tuple[str, str], str] = {}
        self._candidates: dict[str, Iterator[str]] = {}

    def redact(self, text: str) -> str:
        """The text without personal data and secrets; redacting twice changes nothing more."""
        found = self._first(text)
        self._names |= _names(found)
        for _ in range(_ROUNDS):
            if not found:
                break
            parts, end = [], 0
            for one in found:
                parts += [text[end : one.start], self._instead(one, text[one.start : one.end])]
                end = one.end
            text = "".join([*parts, text[end:]])
            found = self._look(text).found  # beside a replacement, a word may look different
        return text

    def _first(self, text: str) -> tuple[Found, ...]:
        if text not in self._found:
            seen = self._look(text)
            self._taken |= seen.ours
            return seen.found
        found = self._found[text]
        others = self._names - _names(found)
        folded = names.fold(text) if others else ""
        return self._look(text).found if any(name in folded for name in others) else found

    def _look(self, text: str) -> _Seen:
        return _look(text, self._region, frozenset(self._names))

    def _instead(self, one: Found, said: str) -> str:
        if one.kind in ("name", "family_name"):
            return self._name(one.key, said, one.kind == "family_name")
        if one.kind == "account":
            return self._account(one.key, said)
        shape = "2001:db8::{}" if one.kind == "ip" and ":" in said else _SHAPES[one.kind]
        return self._as(shape, one.key, map(shape.format, itertools.count(1)))

    def _name(self, key: str, said: str, is_family: bool) -> str:
        name = self._as("name", key, _our_names(is_family), "family" if is_family else "given")
        if said.islower():
            return name.lower()
        return name.upper() if said.isupper() and len(said) > 1 else name

    def _account(self, key: str, said: str) -> str:
        """A user name: the names in it replaced when it is made of names, else a name of its own."""
        pieces = re.split(r"([\W\d_]+)", said)
        if all(names.fold(piece) in self._names or names.is_plain(piece) for piece in pieces[::2]):
            pieces[::2] = [self._name(names.fold(piece), piece, False) for piece in pieces[::2]]
            return "".join(pieces)
        return self._name(key, "account", False)

    def _as(self, kind: str, key: str, candidates: Iterator[str], of: str = "") -> str:
        """What replaces a thing: the first candidate (for its kind, or `of`) that is not taken."""
        if (kind, key) not in self._replaced:
            left = self._candidates.setdefault(of or kind, candidates)
            self._replaced[kind, key] = next(one for one in left if one.lower() not in self._taken)
            self._taken.add(self._replaced[kind, key].lower())
        return self._replaced[kind, key]
