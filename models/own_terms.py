"""What the terms of a dictionary do to a rewrite, whatever engine writes it.

A term that is replaced is replaced in the message before a version reads it, and once more in what the
version wrote. So the version writes with the wording from the start, and facts are compared with that
message. A term that is kept counts as a fact. Explanations are written by `models.edits.terminology`, or by a
model that has them in its prompt.
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import partial

from data.records import Term, TermRule
from data.terms import Place, Terms, plural
from models import facts

# In these a word is no word of the message.
_OPAQUE = frozenset({"url", "email", "ticket", "channel", "identifier", "version"})
_CODE = re.compile(
    r"```[^`]*(?:```|$)|`[^`\n]*`|(?<!\S)[^\s()\[\]]{0,200}[/\\][^\s()\[\]/\\]{1,200}[/\\]\S{0,200}"
    r"|(?<!\S)[/\\~]\S{1,200}|\b[\w-]{1,80}\.[a-z][a-z0-9]{1,4}\b(?!\.)"
)
_ARTICLE = re.compile(r"(?<![\w'’-])(?P<article>[Aa]n?|AN)(?P<gap>\s+)$")
_OPENS = re.compile(r"(?:^|[.!?…:]\s|\n)[\s\"“'‘(*•–—-]*$")
_FIRST_WORD = re.compile(r"[A-Za-z]+")
# Sounds, by the first letters of a word, or by the name of the first letter of an abbreviation.
_LIKE_YOU_OR_ONE = re.compile(r"(?:uni(?!n|m)|us[aeu]|ut[ie]|eu|once?\b)")
_LIKE_A_VOWEL = re.compile(r"[aeiou]|hour|honest|hono|heir")
_LETTERS_LIKE_A_VOWEL = frozenset("AEFHILMNORSX")
_ENDS_IN_LETTER = re.compile(r"[A-Za-z]\Z")
_BEFORE = 40  # characters of a message that are looked at before a term


def find(message: str, terms: Sequence[Term]) -> list[Place]:
    """The places of terms that are words: none is in a link, an address, an id, a path or code."""
    places = Terms(terms).find(message) if terms else []
    if not places:
        return []
    closed = [span[1:] for span in facts.spans(message) if span.kind in _OPAQUE]
    closed += [match.span() for match in _CODE.finditer(message)]
    return [
        place for place in places if not any(start < place.end and place.start < end for start, end in closed)
    ]


def replace(message: str, terms: Sequence[Term]) -> str:
    """The message with the wordings of the terms that are replaced. Plurals, capitals and the articles "a"
    and "an" follow.
    """
    parts, end = [], 0
    for place in find(message, terms):
        if place.term.rule is TermRule.REPLACE:
            wording = _inflect(message, place)
            parts += [_fit_article(message[end : place.start], wording), wording]
            end = place.end
    return "".join([*parts, message[end:]])


def list_kept(terms: Sequence[Term]) -> list[Term]:
    """The terms that are kept."""
    return [term for term in terms if term.rule is TermRule.KEEP]


def list_missing(message: str, kept: Sequence[Term], rewrite: str) -> list[str]:
    """The terms of a message that its rewrite does not have, as the message writes them."""
    if not kept:
        return []
    finder = Terms(kept)
    present = {place.term for place in finder.find(rewrite)}
    written = {place.term: message[place.start : place.end] for place in reversed(finder.find(message))}
    return [written[term] for term in reversed(written) if term not in present]


def keeps_all(message: str, kept: Sequence[Term], rewrite: str) -> bool:
    """Whether a rewrite has each term as often as the message."""
    if not kept:
        return True
    finder = Terms(kept)
    wanted = Counter(place.term for place in finder.find(message))
    return wanted <= Counter(place.term for place in finder.find(rewrite))


def restore_case(message: str, kept: Sequence[Term], rewrite: str) -> str:
    """A rewrite in which terms that only got a capital, at the start of a sentence, are as the message writes
    them.
    """
    for term in list_missing(message, kept, rewrite):
        capitalised = re.escape(term[:1].upper() + term[1:])
        rewrite = re.sub(rf"(?<!\w){capitalised}(?!\w)", partial(_return, term), rewrite)
    return rewrite


def _return(text: str, _match: re.Match[str]) -> str:
    return text


def _inflect(message: str, place: Place) -> str:
    """The wording in the number and the case of the term in whose place it stands."""
    wording, original = place.term.wording, message[place.start : place.end]
    if place.is_plural and _ENDS_IN_LETTER.search(wording):
        wording = plural(wording)
    is_any_case = place.term.term == place.term.term.lower()
    if is_any_case and len(original) > 1 and original.isupper():
        return wording.upper()
    opens = _OPENS.search(message[max(0, place.start - _BEFORE) : place.start]) if place.start else True
    if original[:1].isupper() and (is_any_case or opens):
        return wording[:1].upper() + wording[1:]
    return wording


def _fit_article(before: str, wording: str) -> str:
    """The text before a wording, with the form of the article "a" that fits to it."""
    match, word = _ARTICLE.search(before), _FIRST_WORD.match(wording)
    if match is None or word is None:
        return before
    article = match["article"]
    fitting = article[0] + ("" if not _sounds_like_vowel(word.group()) else "N" if article == "AN" else "n")
    return f"{before[: match.start()]}{fitting}{match['gap']}"


def _sounds_like_vowel(word: str) -> bool:
    """Whether "an" stands before a word."""
    if word.isupper():
        return word[0] in _LETTERS_LIKE_A_VOWEL
    lowered = word.lower()
    return _LIKE_A_VOWEL.match(lowered) is not None and _LIKE_YOU_OR_ONE.match(lowered) is None
