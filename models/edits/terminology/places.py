"""Finds where the terms of a message are explained, each at its first suitable place."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from data.records import Term, TermRule
from models.edits import glossary
from models.edits.glossary import Entry
from models.edits.terminology.scan import WORD, Scan, listed
from models.edits.terminology.senses import find_sense
from models.own_terms import find

_EXPLAIN = TermRule.EXPLAIN

_NEXT = re.compile(r"[ \t]+[\w'’]+")
# What follows or precedes a term that the message explains by itself.
_EXPLAINED_AFTER = re.compile(
    r"\s*(?:[(\[=“\"]"
    r"|,?\s?(?:i\.\s?e\.?|that is|meaning|which means|which is|which are|also known as|also called|aka"
    r"|a\.k\.a|short for|stands? for|means?)\b"
    r"|,\s(?:or|who|whose|where)\s"
    r"|,\san?\s[^,.;:!?\n]{3,80}[,.!?]|,\s(?:our|your|the|one)(?:\s[^\s,.;:!?]{1,30}){1,5},"
    r"|\s?[-–—]\s?(?:an?|the|our|your|i\.e|that is|meaning|so)\b|:\s(?:an?|the|our)\s)",
    re.IGNORECASE,
)
_EXPLAINED_BEFORE = re.compile(
    r"(?:so-called|called|known as|stands? for|(?:what|define|explain)(?: an?| the| is| are)*)\s$",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"[ -](?:(?:no\.? ?|nr\.? ?)?#?\d[\w./-]*(?<![./-])|#?[B-HJ-Z]{1,4}-?\d[\w-]*|[B-HJ-Z](?!\w))"
)


# So many cues show the sense of a term well enough to speak for its field.
_SURE = 2


class Place(NamedTuple):
    """A term in a message: what it is, where it starts, and where its gloss goes."""

    entry: Entry
    form: int
    start: int
    at: int
    rule: str
    label: str


def find_places(scan: Scan) -> list[Place]:
    """The terms of a message that are explained, each at its first suitable place, in order."""
    terms = _find_terms(scan)
    fields, hinted = _fields(scan, terms, _SURE), _fields(scan, terms, 1)
    places: list[Place] = []
    explained: set[int] = set()
    stems: set[str] = set()
    for (start, end), entry_forms in terms.items():
        sense = find_sense(scan, entry_forms, (fields, hinted), start, end)
        if sense is None or sense[0].order in explained:
            continue
        entry, form = sense
        stem = entry.terms[0][0].lower()[:6]
        if stem in stems and len(stem) == 6:
            continue
        if _explains_itself(scan, entry, start, end):
            explained.add(entry.order)
            continue
        place = _place(scan, entry, form, start, end)
        if place is not None:
            places.append(place)
            explained.add(entry.order)
            stems.add(stem)
    return places


def _fields(
    scan: Scan, terms: Mapping[tuple[int, int], list[tuple[Entry, int]]], cues: int
) -> dict[str, set[int]]:
    """The entries of each field whose terms the message has; those that need cues with so many of them."""
    fields: dict[str, set[int]] = {}
    for entry_forms in terms.values():
        for entry, _ in entry_forms:
            is_shown = not entry.needs or (len(entry_forms) == 1 and len(entry.needs & scan.words) >= cues)
            if is_shown and not entry.never & scan.words:
                fields.setdefault(entry.field, set()).add(entry.order)
    return fields


def _find_terms(scan: Scan) -> dict[tuple[int, int], list[tuple[Entry, int]]]:
    """The terms of the glossary by their places, in order, with the entries of which each may be a form."""
    index = glossary.index()
    terms: dict[tuple[int, int], list[tuple[Entry, int]]] = {}
    end_of_last = 0
    for match in glossary.RUN.finditer(scan.lowered):
        start = match.start()
        if start < end_of_last:
            continue
        for term, entry_forms in index.get(match.group(), ()):
            text = scan.flat if term != term.lower() else scan.lowered
            end = start + len(term)
            if text.startswith(term, start) and scan.is_whole(start, _with_number(scan, entry_forms, end)):
                terms[(start, end)] = entry_forms
                end_of_last = end
                break
    return terms


def _with_number(scan: Scan, entry_forms: list[tuple[Entry, int]], end: int) -> int:
    """The end of a term with the number that belongs to it, as in "PO 4711" or "CVE-2031-1188"."""
    if any("#" in entry.kind for entry, _ in entry_forms):
        match = _NUMBER.match(scan.message, end)
        if match:
            return match.end()
    return end


def _explains_itself(scan: Scan, entry: Entry, start: int, end: int) -> bool:
    """Whether the message says by itself what a term means, or asks it."""
    message = scan.message
    if _EXPLAINED_AFTER.match(message, end) or _EXPLAINED_BEFORE.search(message, max(start - 40, 0), start):
        return True
    if message[start - 1 : start] == "(" and message[end : end + 1] == ")":
        return True
    gloss = [word for word in WORD.findall(entry.gloss(entry.short, 0).lower()) if len(word) > 3]
    own = set(WORD.findall(message[start:end].lower()))
    gloss = [word for word in gloss if word not in own]
    return len(gloss) > 1 and all(word in scan.words or word.rstrip("s") in scan.words for word in gloss)


def _place(scan: Scan, entry: Entry, form: int, start: int, end: int) -> Place | None:
    """Where the gloss of a term goes; None where it would stand in a quotation, a name or an id."""
    label = ""
    term = scan.message[start:end]
    at = _with_number(scan, [(entry, form)], end)
    if any(scan.closed[start:at]):
        return None
    is_abbreviation = any(character.isupper() or character.isdigit() for character in entry.terms[0][0])
    if is_abbreviation and scan.shouted:
        return None
    after = scan.after(at)
    rule = _rule(entry, is_abbreviation)
    is_noun = "v" not in entry.kind and "a" not in entry.kind
    if is_noun and after in ("it", "them", "us", "me"):
        return None  # a noun that is used as a verb: "we'd WAF it"
    if is_noun and after and after not in listed("safe_next") and not after[0].isdigit() and at == end:
        head = _NEXT.match(scan.message, end)
        assert head is not None
        beyond = scan.after(head.end())
        # "The print server times out": the word is a verb and no part of the term.
        is_verb = not form and after.endswith("s") and beyond in listed("after_verbs")
        if after in listed("heads") and not is_abbreviation and not is_verb:
            if (beyond and beyond not in listed("safe_next")) or not scan.is_whole(start, head.end()):
                return None
            first = term[:1] if term.isupper() else term[:1].lower()
            at, label, rule = head.end(), f"{first}{term[1:]}: ", "terminology.compound"
        else:
            rule = "terminology.inside_abbreviation" if is_abbreviation else "terminology.inside"
    if scan.inside[at]:
        return None
    return Place(entry, form, start, at, rule, label)


def _rule(entry: Entry, is_abbreviation: bool) -> str:
    """The kind of edit: how a term shows its sense, and what kind of word it is."""
    if "v" in entry.kind:
        return "terminology.verb"
    if "?" in entry.kind:
        return "terminology.sense"
    if is_abbreviation:
        return "terminology.abbreviation"
    if "a" in entry.kind:
        return "terminology.adjective"
    if entry.needs:
        return "terminology.context"
    return "terminology.everyday" if entry.specialised == 1 else "terminology.noun"


def find_own_places(scan: Scan, own_terms: Sequence[Term]) -> Iterator[tuple[int, int, str]]:
    """Where terms of a dictionary are first used, with their explanations, as (start, end, explanation).
    All their places are closed then, so that no entry of the glossary explains them.
    """
    done: set[Term] = set()
    for start, end, term, _ in find(scan.message, [term for term in own_terms if term.rule is _EXPLAIN]):
        is_place = scan.is_whole(start, end) and not any(scan.closed[start:end])
        scan.closed[start:end] = b"\1" * (end - start)
        if not is_place or term in done:
            continue
        done.add(term)
        if not _EXPLAINED_AFTER.match(scan.message, end) and not scan.inside[end]:
            yield start, end, term.wording.rstrip(". ")
