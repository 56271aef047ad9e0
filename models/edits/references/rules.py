"""Proposes notes beside words for what the message never names: "he", "there", "the other report".

A note such as "he (who is not stated)" must be true, so each kind of word has a check that nothing before it
can be meant. Where the check leaves a doubt, the name of the rule ends in "unsure".
"""

import itertools
import re
from collections.abc import Iterator

from data.records import TransformType
from models.edits import clarify
from models.edits.clarify.message import Message, read_message, touches_protected
from models.edits.clarify.notes import Note
from models.edits.references.actors import find_somebody, propose_who_acts
from models.edits.references.adverbs import find_last_times, find_places
from models.edits.references.groups import find_groups, find_people
from models.edits.references.persons import find_owners, find_persons
from models.edits.references.reference import GROUPS, Reference
from models.edits.references.several import (
    find_any_ones,
    find_bare_ordinals,
    find_ones,
    find_ordinals,
    find_others,
    find_those,
)
from models.edits.references.things import find_demonstratives, find_matters, find_things
from models.edits.script import Change, Edit

_REACH = 1_000  # Only references in the first characters get notes: a long message explains itself.
_KINDS = (
    *(find_persons, find_groups, find_things, find_demonstratives, find_places, find_others),
    *(
        find_ordinals,
        find_bare_ordinals,
        find_ones,
        find_any_ones,
        find_those,
        find_last_times,
        find_owners,
        find_somebody,
        find_people,
        find_matters,
    ),
)


def propose(message: str, transform_type: TransformType) -> list[Edit]:
    """All notes of what an English message refers to and does not name, for clarify and background."""
    if transform_type not in {TransformType.CLARIFY, TransformType.BACKGROUND}:
        return []
    read = read_message(message)
    if read is None:
        return []
    references = _references(read)
    if transform_type is TransformType.CLARIFY:
        edits = [*_notes(read, references, "clarify"), *propose_who_acts(read)]
    else:
        edits = list(_notes(read, references, "background"))
    return [edit for edit in edits if not touches_protected(read, edit)]


def _references(read: Message) -> list[Reference]:
    """The references without a possible antecedent, one for each referent, the most important first."""
    every = [reference for kind in _KINDS for reference in itertools.islice(kind(read), 2)]
    kept: list[Reference] = []
    for reference in sorted(every, key=lambda item: (item.rule.endswith("unsure"), item.rank, item.start)):
        if reference.end > _REACH or read.text[reference.end :].lstrip().startswith("("):
            continue
        if any(
            reference.group == other.group or (reference.start < other.end and other.start < reference.end)
            for other in kept
        ):
            continue
        kept.append(reference)
    return kept


def _notes(read: Message, references: list[Reference], prefix: str) -> Iterator[Edit]:
    """One note a level, the most important first; the notes of other rules count too."""
    others = clarify.gaps(read)
    noted = sum(note.rule != "thing" for note in others)
    level = 1
    for reference in references:
        same = [note for note in others if _group_of(read, note) == reference.group]
        here = [note for note in same if note.start <= reference.start < note.end]
        if same and not here:
            continue
        if not here and level == 1 and noted:
            level = min(1 + noted, 4)
        if level > 3:
            return
        yield from _note(read, reference, prefix, level)
        level += 1


def _note(read: Message, reference: Reference, prefix: str, level: int) -> Iterator[Edit]:
    rule, text = f"{prefix}.ref_{reference.rule}", read.text
    if prefix == "background":
        gap = reference.gap.replace("not stated", "not explained here")
        start = reference.start if reference.tail else reference.end - 1
        words = text[reference.start : reference.end] if not reference.tail else reference.words
        words = words if reference.tail else words[-1]
        if start in read.starts:
            words = words[:1].upper() + words[1:]
        change = Change(start, reference.end, f"{words} ({gap}){reference.tail}")
        # At level 2 a capital is written at the same place.
        levels = range(level, 4) if start in read.starts else (level,)
        yield from (Edit(rule, higher, (change,)) for higher in levels)
        return
    words = reference.words
    if reference.start in read.starts:
        words = words[:1].upper() + words[1:]
    change = Change(reference.start, reference.end, f"{words} ({reference.gap}){reference.tail}")
    yield Edit(rule, level, (change,))
    if reference.tail:
        # A rule of level 2 or 3 would write "it's" in full at the same place.
        for higher in range(level + 1, 4):
            yield Edit(rule, higher, (change,))


def _group_of(read: Message, note: Note) -> str:
    first = re.match(r"[a-z]+", read.text[note.start : note.end].lower())
    word = first.group() if first else ""
    return GROUPS.get(word, "it" if word in {"this", "that"} and note.rule == "pronoun" else "")
