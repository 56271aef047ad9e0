"""At level 3 a message opens with a greeting, and one that requests something ends with thanks."""

import re
from collections.abc import Sequence

from data.redaction import names
from models.edits import script
from models.edits.script import Change, Edit
from models.edits.soften.clauses import NAME_LEAD, may_be_name
from models.edits.soften.draft import Draft, Sentence, ends_in_link
from models.edits.soften.words import tables

_THANKS = re.compile(r"\b(?:thanks?|thx|cheers|grateful|appreciate[ds]?|regards|ty)\b", re.I)
_ASKS = re.compile(
    r"\?|\b(?:please|kindly|could you|would you|can you|may i ask|like to ask|like you to)\b", re.I
)
_THANKS_RULE = "soften.thanks"
_GREETING = re.compile(
    r"\s*(?:hi|hello|hey|dear|good (?:morning|afternoon|evening)|morning|evening|"
    r"afternoon|team|all)\b",
    re.I,
)


def open_and_close(draft: Draft) -> None:
    """At level 3 a name in front becomes a greeting, and a request gets thanks."""
    message, first, last = draft.message, draft.sentences[0], draft.sentences[-1]
    if not _GREETING.match(message):
        if _starts_with_name(draft, first):
            draft.add("greeting_name", 3, Change(first.start, first.start, draft.cap("hi ")))
        elif not draft.requests and first.start == 0:
            _greet_first(draft, first)
    if draft.requests and not _THANKS.search(message) and last.stop == len(message.rstrip()):
        _thank(draft, last)


def without_idle_thanks(message: str, chosen: Sequence[Edit]) -> list[Edit]:
    """The chosen edits without the thanks for a request that one of the others deletes."""
    others = [edit for edit in chosen if edit.rule != _THANKS_RULE]
    asks = len(others) == len(chosen) or _ASKS.search(script.apply(message, others))
    return list(chosen) if asks else others


def _starts_with_name(draft: Draft, first: Sentence) -> bool:
    match = NAME_LEAD.match(draft.message, first.start)
    if not match or match.group("sep") != "," or not may_be_name(match.group("name")):
        return False
    if not draft.message[first.start].isupper() and not names.find(match.group()):
        return False
    return bool(names.find(match.group("name"))) or match.group("name").startswith(("Mr", "Ms", "Dr"))


def _thank(draft: Draft, last: Sentence) -> None:
    """Thanks after the last sentence; where that has no mark, they come with the edit that ends it."""
    thanks = " " + draft.cap("thank you!")
    if last.stop > last.end:
        if not draft.mark(last).endswith(('"', "'", ")", "]")):
            draft.add("thanks", 3, Change(last.stop, last.stop, thanks))
        return
    questions = [edit for edit in draft.edits if edit.end == last.end and edit.changes[-1].text.endswith("?")]
    if questions:
        best = max(questions, key=lambda edit: edit.level)
        end = best.changes[-1]
        _raise_to_level_3(draft, best, (*best.changes[:-1], end._replace(text=end.text + thanks)))
    elif draft.message[last.end - 1].isalpha() and not _is_signature(draft, last):
        draft.add("thanks", 3, Change(last.end, last.end, "." + thanks))


def _raise_to_level_3(draft: Draft, edit: Edit, changes: tuple[Change, ...]) -> None:
    """Adds an edit with other changes at level 3, in place of the old one if that has the same level."""
    if edit.level == 3:
        draft.edits.remove(edit)
    draft.edits.append(Edit(edit.rule, 3, changes))


def _is_signature(draft: Draft, last: Sentence) -> bool:
    """Whether the last line may be a name or a closing phrase, or ends in a link."""
    return len(draft.text(last).split()) < 3 or ends_in_link(draft.text(last))


_WORD = re.compile(r"[\w’']+")
_APOSTROPHE = re.compile(r"['’]")


def _greet_first(draft: Draft, first: Sentence) -> None:
    """The strongest edit at the start gets a greeting at level 3, since two edits cannot start there."""
    message, hello = draft.message, draft.cap("hi, ")
    at_start = [edit for edit in draft.edits if edit.start == first.start]
    if not at_start:
        _greet_word(draft, first, hello)
        return
    best = max(at_start, key=lambda edit: (edit.level, edit.end - edit.start))
    change = best.changes[0]
    if not change.text or (change.end == change.start and not change.text.strip()):
        return
    keeps_words = change.end > change.start and message[change.start : change.end] == change.text
    keeps_capital = keeps_words or change.text.startswith(("I ", "I'"))
    text = hello + (change.text if keeps_capital else change.text[0].lower() + change.text[1:])
    _raise_to_level_3(draft, best, (change._replace(text=text), *best.changes[1:]))


def _greet_word(draft: Draft, first: Sentence, hello: str) -> None:
    """A greeting in front of the first word, unless that may be a name, which keeps its capital."""
    match = _WORD.match(draft.message, first.start)
    if not match:
        return
    word = match.group()
    stem = _APOSTROPHE.split(word)[0]
    if stem.lower() in tables().classes["openers"] or stem in {"I", "i"} or draft.is_lower:
        kept = word if stem in {"I", "i"} else word[0].lower() + word[1:]
        draft.add("greeting", 3, Change(first.start, match.end(), hello + kept))
