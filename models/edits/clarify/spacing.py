"""Spaces the notes of a message: which are made, from which intensity on, and what becomes of the others."""

import re
from collections.abc import Iterable

from models.edits.clarify.message import Message, Sentence, read_message
from models.edits.clarify.requests import INVITATIONS
from models.edits.script import Change, Edit

_MOST = 3  # notes in a message, the one at its end included
_MOST_LEFT = 2  # what is named together at the end
_LONG = 90  # characters of a sentence that may have two notes
# The kinds of notes, the most important first for somebody who has to act. Notes of unsure rules, which the
# tagger refuses, are none of them.
_ORDER = (
    *(
        "ref_person",
        "ref_group",
        "ref_group_start",
        "ref_thing",
        "ref_that",
        "ref_that_start",
        "pronoun_note",
        "which_note",
    ),
    *("hint_note", "ref_other", "ref_others", "ref_ordinal", "ref_bare_ordinal", "ref_one", "ref_any_one"),
    *("ref_matter", "what_note", "whom_note", "who_note", "ref_place", "ref_last_time"),
    *("ref_like_last_time", "ref_those", "ref_owner", "that_note", "ref_somebody", "ref_people"),
    *("ref_new_people", "state_note", "moment_note", "urgency_note", "when_note", "amount_note"),
    *("quantity_note", "manner_note", "until_note", "action_note", "person_note", "thing_note"),
    *("time_of_day_note", "definite_note"),
)
_RANKS = {f"clarify.{name}": rank for rank, name in enumerate(_ORDER)}
_CLOSINGS = re.compile(
    r"clarify\.(?:who_and_when|who_does_it|by_when|answer_by|who_handles_it|when_it_happens|until_event|no_action|"
    r"ref_who_acts)"
)
# Both say that the message has no deadline.
_DEADLINES = re.compile(r"clarify\.(?:who_and_when|by_when|answer_by|when_it_happens)")
_NO_DEADLINE = re.compile(r"\((?:by when is not|when(?: exactly)? is not|no date is|no deadline is) stated\)")
# Nobody asks what such words mean.
_NO_NAME = re.compile(
    r"someone|somebody|people|next \w+|this \w+|the (?:door|gate|window|pallets|desks|site)", re.I
)
_NAMED_LATER = re.compile(
    r"^(?P<words>[^()]+) \((?:who|which ones?|which day|what|what exactly|name) (?:is )?not stated\)"
)


def space(message: str, edits: Iterable[Edit]) -> list[Edit]:
    """The edits with the notes that a reader can bear: one in a sentence, three in a message.

    The most important note belongs to level 1, the others to higher levels. What gets no note is named at the
    end at level 3, where nothing else stands there.
    """
    edits = list(edits)
    read = read_message(message)
    notes = {edit.changes: edit for edit in reversed(edits) if edit.rule in _RANKS}
    if read is None or not notes:
        return edits
    others = [edit for edit in edits if edit.rule not in _RANKS]
    closes = any(_CLOSINGS.fullmatch(edit.rule) for edit in others)
    if any(_DEADLINES.fullmatch(edit.rule) for edit in others):
        notes = {changes: edit for changes, edit in notes.items() if not _NO_DEADLINE.search(changes[0].text)}
    ranked = sorted(notes.values(), key=lambda edit: (_RANKS[edit.rule], edit.start))
    kept, left = _choose(read, ranked, _MOST - closes)
    levels = _levels(kept)
    at = _invitation(others)
    if at is not None and not closes:
        invitation = others[at]
        if not any(level == 2 for level in (*levels, *(edit.level for edit in others))):
            others.append(_ended(read, invitation, "clarify.invitation", 2, INVITATIONS[0]))
            others[at] = _ended(read, invitation, "clarify.invitation", 3, INVITATIONS[1])
        if words := _left_words(left):
            named = " and ".join(f'"{word}"' for word in words)
            text = f"What is meant by {named} is not stated either."
            others[at] = _ended(read, invitation, "clarify.also", 3, text)
    # A rule of a higher level would write "it's" in full at the same place, so a note is there at each.
    made = [
        Edit(edit.rule, higher, edit.changes)
        for edit, level in zip(kept, levels, strict=True)
        for higher in range(level, 4)
    ]
    return made + others


def _choose(read: Message, ranked: list[Edit], most: int) -> tuple[list[Edit], list[Edit]]:
    """The notes that are made, and those that are left over, each in the order of importance."""
    kept: list[Edit] = []
    left: list[Edit] = []
    for edit in ranked:
        if any(edit.start < other.end and other.start < edit.end for other in [*kept, *left]):
            continue
        item = read.sentence(edit.start)
        room = 2 if _is_alone(read, item) else 1
        same = sum(read.sentence(other.start) == item for other in kept)
        (kept if len(kept) < most and same < room else left).append(edit)
    return kept, left


def _is_alone(read: Message, item: Sentence) -> bool:
    """Whether a long sentence is the only one of its message, so that it may have two notes."""
    return item.stop - item.start > _LONG and len(read.sentences) == 1


def _levels(kept: list[Edit]) -> list[int]:
    """The level of each note: one belongs to level 1, two of three, and the rest to the levels above."""
    levels = [1, 1, 2] if len(kept) > 2 else [1, 2]
    # The last note of a message may be a pedantic one.
    return [
        max(level, len(kept)) if edit.rule == "clarify.definite_note" else level
        for edit, level in zip(kept, levels, strict=False)
    ]


def _invitation(others: list[Edit]) -> int | None:
    """Where the sentence stands that invites questions at level 3."""
    return next(
        (i for i, edit in enumerate(others) if edit.rule == "clarify.invitation" and edit.level == 3), None
    )


def _ended(read: Message, invitation: Edit, rule: str, level: int, text: str) -> Edit:
    """Another sentence in the place of an invitation."""
    change = invitation.changes[0]
    mark = read.mark(read.body_end())
    return Edit(rule, level, (Change(change.start, change.end, f"{mark} {text}"),))


def _left_words(left: list[Edit]) -> list[str]:
    """The words that get no note of their own, as they stand within a sentence."""
    words: list[str] = []
    for edit in left:
        match = _NAMED_LATER.match(edit.changes[0].text)
        if match is None:
            continue
        # A note begins with no name, so that a capital comes from the start of a sentence.
        name = match.group("words")[:1].lower() + match.group("words")[1:]
        if name not in words and not _NO_NAME.fullmatch(name):
            words.append(name)
    return words[:_MOST_LEFT]
