"""Finds the terms of a dictionary in a message.

A term with a capital is found as written, another one in any case; both also in their regular plural. A term
is found as a whole word only. Japanese has no spaces: there a word begins where the script changes, and ends
where it changes or where a particle follows.

The cost is that of reading the message once, however many terms there are, since terms are looked up by their
first word. So a gateway searches every message of an organisation that has a dictionary.
"""

import json
import re
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import NamedTuple

from data.records import Term, TermRule

MOST_FOUND = 50  # terms of one message; further ones have no effect on it
# Of texts in one message. No usual dictionary needs so many; one of terms that are each other's beginnings
# could otherwise hold up everybody's requests.
_MOST_LOOK_UPS = 10_000

_KATAKANA, _HIRAGANA, _KANJI = r"\u30a1-\u30fa\u30fc", r"\u3041-\u3096", r"\u3005\u3007\u3400-\u9fff"
_SPACELESS = _KATAKANA + _HIRAGANA + _KANJI
# Where a term may begin: a word with spaces around it, the first character of a run of katakana or kanji, or
# any hiragana, since particles and words are written together.
_BEGINNING = re.compile(
    rf"[a-z0-9]+(?![^\W_{_SPACELESS}])|[{_HIRAGANA}]|(?<![{_KATAKANA}])[{_KATAKANA}]|(?<![{_KANJI}])[{_KANJI}]"
    rf"|[^\W_{_SPACELESS}]+"
)
_ASCII_BEGINNING = re.compile("[a-z0-9]+")  # the same in a text without other characters, and faster
_SPACELESS_CHARACTER = re.compile(rf"[{_SPACELESS}]")
# What joins a word to what stands before it: "multi-user", "api.user", "@user" are other words than "user".
_JOINED = re.compile(rf"[^\W{_SPACELESS}]|[-\u2011.@#$&+*=~\\]")
# What makes a longer word of a term, by the last character of the term.
_RUNS_ON = (
    (re.compile(rf"[{_KATAKANA}]"), re.compile(rf"[{_KATAKANA}]")),
    (re.compile(rf"[{_KANJI}]"), re.compile(rf"[{_KANJI}](?<![前後中時済待側用様等毎])")),
    (re.compile(rf"[{_HIRAGANA}]"), re.compile(rf"[{_HIRAGANA}](?<![はがをにのとでもへやかまだよねなさ])")),
    (re.compile(r"\w"), re.compile(rf"[^\W{_SPACELESS}]|[+#@]|[.:][^\W{_SPACELESS}]")),
    (
        re.compile(r"(?s:.)"),
        re.compile(rf"[^\W{_SPACELESS}]|[^\w\s](?<![.,;:!?)\]\"'」』）、。！？])"),
    ),
)

_ENDS_IN_LETTER = re.compile(r"[A-Za-z]\Z")
_ENDS_IN_Y = re.compile("[b-df-hj-np-tv-z]y$")
_HISSES = re.compile("(?:[a-z]s|x|ch|sh)$")


class _Spelling(NamedTuple):
    """A form of a term. `offset` is where its first word begins; without a term, it only stands in the way of
    shorter ones.
    """

    text: str
    is_exact: bool
    offset: int
    runs_on: re.Pattern[str]
    term: Term | None
    is_plural: bool


class Place(NamedTuple):
    """Where a term stands in a message, `end` exclusive, and whether in its plural."""

    start: int
    end: int
    term: Term
    is_plural: bool


class Excerpt(NamedTuple):
    """The terms of a dictionary that a message has, and their digest, which is part of the key of its output;
    empty without terms.
    """

    terms: tuple[Term, ...]
    digest: str


NO_TERMS = Excerpt((), "")


def fold(term: str) -> str:
    """The same for spellings of a term that only differ in case, as a dictionary has only one of them."""
    return _lower(term)


def plural(term: str) -> str:
    """The regular plural of an English term."""
    if _ENDS_IN_Y.search(term):
        return term[:-1] + "ies"
    return term + ("es" if _HISSES.search(term) else "s")


class Terms:
    """The terms of a dictionary, ready to be found."""

    def __init__(self, terms: Iterable[Term]) -> None:
        """Of terms with the same spelling, the first one applies."""
        forms: list[_Spelling] = []
        self.count = 0
        for term in terms:
            self.count += 1
            exact = term.term != _lower(term.term)
            forms += _list_forms(term.term, exact, term)
            # "Say customer account for account" leaves a customer account alone.
            if term.rule is TermRule.REPLACE and _lower(term.term) in _lower(term.wording):
                forms += _list_forms(term.wording, False, None)
        self._spellings: dict[str, _Spelling] = {}
        for form in sorted(forms, key=lambda form: form.is_plural):  # "users" may be a term of its own
            self._spellings.setdefault(_lower(form.text), form)
        # By their beginnings: where spellings start before them, and how long they are, the longest first.
        # So a look-up is of as many texts as there are lengths, and not as there are terms.
        extents: dict[str, set[tuple[int, int]]] = {}
        for lowered, spelling in self._spellings.items():
            beginning = _BEGINNING.match(lowered, spelling.offset)
            assert beginning is not None, spelling
            extents.setdefault(beginning.group(), set()).add((len(lowered), spelling.offset))
        self._extents = {key: sorted(values, reverse=True) for key, values in extents.items()}

    def find(self, message: str) -> list[Place]:
        """The places of all terms, in order. Of terms that overlap, the one that begins first is found; of
        those that begin together, the longest.
        """
        flat = message.replace("\n", " ").replace("\u00a0", " ").replace("’", "'")
        lowered = _lower(flat)
        pattern = _ASCII_BEGINNING if lowered.isascii() else _BEGINNING
        present = self._extents.keys() & set(pattern.findall(lowered))
        if not present:  # as in most messages
            return []
        places: list[Place] = []
        end_of_last, look_ups = 0, 0
        for at, beginning in sorted((at, each) for each in present for at in _find_all(lowered, each)):
            match = pattern.match(lowered, at)
            if match is None or match.group() != beginning:  # inside a word
                continue
            extents = self._extents[beginning]
            look_ups += len(extents)
            if look_ups > _MOST_LOOK_UPS:
                break
            for length, offset in extents:
                start, end = at - offset, at - offset + length
                if start < end_of_last or end > len(lowered):
                    continue
                spelling = self._spellings.get(lowered[start:end])
                if (
                    spelling is not None
                    and (not spelling.is_exact or flat.startswith(spelling.text, start))
                    and not spelling.runs_on.match(flat, end)
                    and not (start and _is_joined(flat, start))
                ):
                    if spelling.term is not None:
                        places.append(Place(start, end, spelling.term, spelling.is_plural))
                    end_of_last = end
                    break
        return places

    def excerpt(self, message: str) -> Excerpt:
        """The terms that a message has."""
        places = self.find(message)
        if not places:
            return NO_TERMS
        terms = tuple(dict.fromkeys(place.term for place in places))[:MOST_FOUND]
        parts = [[term.term, term.rule.value, term.wording] for term in terms]
        digest = blake2b(json.dumps(parts).encode(), digest_size=16)
        return Excerpt(terms, digest.hexdigest())


def _list_forms(text: str, is_exact: bool, term: Term | None) -> list[_Spelling]:
    """A text and its plural; nothing for a text without a word."""
    spelled = text.replace("’", "'")
    spelled = spelled if is_exact else _lower(spelled)
    beginning = _BEGINNING.search(_lower(spelled))
    if beginning is None:
        return []
    forms = [spelled, plural(spelled)] if _ENDS_IN_LETTER.search(spelled) else [spelled]
    return [
        _Spelling(
            form,
            is_exact,
            beginning.start(),
            next(pattern for last, pattern in _RUNS_ON if last.match(form[-1])),
            term,
            is_plural=form is not spelled,
        )
        for form in forms
    ]


def _find_all(text: str, part: str) -> Iterator[int]:
    """Where a part occurs in a text, in order."""
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


def _is_joined(text: str, start: int) -> bool:
    """Whether a word that starts here belongs to what stands before it. In Japanese a word may follow any."""
    return not _SPACELESS_CHARACTER.match(text, start) and _JOINED.match(text, start - 1) is not None


def _lower(text: str) -> str:
    return text.replace("İ", "I").lower()  # the only letter whose lower case has two characters
