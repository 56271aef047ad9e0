"""The frame of a message: the offer to answer questions, capitals."""

from collections.abc import Iterator

from models.edits.background.notes import ASKED_ALREADY
from models.edits.clarify.message import Message
from models.edits.script import Change, Edit

_OFFERS = (
    "Please ask me if you need more background.",
    "If you were not involved so far, please ask me for the background.",
    "If you were not involved so far and need more background before you act on this, please ask me.",
)


def offer_answers(read: Message, edits: list[Edit]) -> Iterator[Edit]:
    """An offer to answer questions at the end, where no other note makes it."""
    if any(
        edit.level > 1 and "ask me" in change.text for edit in edits for change in edit.changes
    ) or ASKED_ALREADY.search(read.text):
        return
    at = read.body_end()
    has_notes = any("not explained here" in change.text for edit in edits for change in edit.changes)
    lowest = 3
    if all(edit.level == 1 for edit in edits):
        lowest = 2 if edits else 1
    for level, line in enumerate(_OFFERS[lowest - 1 :], start=lowest):
        yield Edit(
            "background.offer_notes" if has_notes else "background.offer",
            level,
            (Change(at.stop, at.end, f"{read.mark(at)} {line}"),),
        )


def add_capitals(read: Message) -> Iterator[Edit]:
    """A capital at the start of each sentence."""
    for item in read.sentences:
        if read.lacks_capital(item):
            change = Change(item.start, item.start + 1, read.text[item.start].upper())
            yield Edit("background.capital", 2, (change,))
