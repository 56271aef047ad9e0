"""Decides which entry of the glossary a term of a message stands for."""

import functools
import re
from collections.abc import Mapping
from pathlib import Path

from models.edits.glossary import Entry
from models.edits.terminology.scan import Scan, listed
from models.edits.word_lists import read_lists

_FIELDS = Path(__file__).with_name("fields.yaml")

Fields = Mapping[str, set[int]]

# A word in a message of fewer characters is seldom there by chance.
_SHORT = 80


def find_sense(
    scan: Scan, entry_forms: list[tuple[Entry, int]], seen: tuple[Fields, Fields], start: int, end: int
) -> tuple[Entry, int] | None:
    """The entry that the words of the message speak for; None if none or two do equally.

    `seen` has the entries of each field whose terms the message has: those that are sure, and all. Of two
    entries with as many cues, the one whose field has more other sure terms in the message wins.
    """
    fields, hinted = seen
    best, best_weight, tied = None, (-1, 0), False
    for entry, form in entry_forms:
        if entry.never & scan.words or not _stands_right(scan, entry, form, start, end):
            continue
        cues = 0
        others = len(fields.get(entry.field, set()) - {entry.order})
        if entry.needs:
            cues = len(entry.needs & scan.words)
            # Two letters have too many senses to be known by their field alone.
            if (
                ("?" in entry.kind or entry.name.isupper())
                and entry.name != entry.name.lower()
                and (cues or not re.fullmatch(r"[A-Z]{2}", entry.name))
            ):
                cues += others
            if not cues:
                continue
        if not others and cues < 2 and _is_elsewhere(entry, fields):
            continue
        if _is_everyday(entry) and not _has_support(scan, entry, hinted, start, end):
            continue
        weight = (cues, others)
        if weight > best_weight:
            best, best_weight, tied = (entry, form), weight, False
        elif weight == best_weight and best is not None and best[0].field != entry.field:
            tied = True
    return None if tied else best


def _is_elsewhere(entry: Entry, fields: Fields) -> bool:
    """Whether an abbreviation, or a term that needs a cue, stands in a message of another field.

    "Commit" next to two terms of sales is not that of software.
    """
    near = _near(entry.field)
    strangers = max((len(orders) for field, orders in fields.items() if field not in near), default=0)
    is_abbreviation = entry.name == entry.name.upper() and entry.specialised == 3
    return strangers >= 2 and bool(entry.needs or is_abbreviation)


def _is_everyday(entry: Entry) -> bool:
    """Whether a term looks like a word of everyday English, such as "rack" or "cluster"."""
    return bool(entry.needs) and "v" not in entry.kind and entry.name.isalpha() and entry.name.islower()


def _has_support(scan: Scan, entry: Entry, hinted: Fields, start: int, end: int) -> bool:
    """Whether more than a single word, which may be chance, speaks for the sense of an everyday word.

    That is a second cue or another term of a near field, a cue right beside the term, or a short message.
    """
    cues = {word.rstrip("s") for word in entry.needs & scan.words}
    if len(cues) > 1 or len(scan.message) < _SHORT:
        return True
    if any(orders - {entry.order} for field, orders in hinted.items() if field in _near(entry.field)):
        return True
    return bool({scan.before(start), scan.after(end)} & entry.needs)


@functools.cache
def _near(field: str) -> frozenset[str]:
    """The field itself and those whose terms often stand next to its terms."""
    groups = (fields for fields in read_lists(_FIELDS).values() if field in fields)
    return frozenset({field}).union(*groups)


def _stands_right(scan: Scan, entry: Entry, form: int, start: int, end: int) -> bool:
    """Whether a word that may be a noun or a verb stands where its entry's kind can stand."""
    text = scan.message[start:end]
    is_capitalised = text != text.lower() and entry.terms[0][0] == entry.terms[0][0].lower()
    if is_capitalised and not (scan.opens(start) or text.isupper() or " " in text):
        return False  # a capitalised word inside a sentence is mostly a name
    before, after = scan.before(start), scan.after(end)
    determiners = listed("determiners")
    has_object = after in determiners or after in listed("pronouns")
    if "v" in entry.kind:
        if form == 0:
            opens = scan.opens(start) or not before
            is_order = opens and (has_object or after in listed("after_bare_orders"))
            needs_no_word = "f" in entry.kind and before not in determiners
            is_verb = before in listed("before_verbs") or is_order or needs_no_word
            return is_verb and after not in ("of", "is", "was", "has")
        if form == 1 and "o" in entry.kind:
            return before in listed("subjects")
        return form < 3 and (form == 1 or before not in determiners)
    if " " in text and text.replace(" ", "-").lower() in entry.hyphenated:
        return False
    if "a" in entry.kind and has_object and before in listed("before_objects"):
        return False
    if "d" in entry.kind:
        if has_object:
            return before in determiners
        may_be_noun = before in listed("before_nouns") or before in determiners
        if not form and before in listed("before_verbs") and not may_be_noun:
            return False
        return not scan.opens(start) or bool(form) or after in listed("after_subjects") or after[:1].isdigit()
    return True
