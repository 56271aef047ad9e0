"""Proposes edits that make a Japanese message friendlier, sentence by sentence."""

from collections.abc import Callable, Iterable

from models.edits.japanese.grammar import sentences
from models.edits.japanese.phrases import CLOSING, GREETING, text_of
from models.edits.japanese.soften.blame import soften_blame
from models.edits.japanese.soften.draft import Draft
from models.edits.japanese.soften.greetings import put_greeting_and_closing, put_opener
from models.edits.japanese.soften.harshness import replace_harsh_words, soften_anger
from models.edits.japanese.soften.orders import (
    soften_notice,
    soften_polite_request,
    soften_reminder,
    soften_repeated_order,
    soften_request,
    soften_wish,
)
from models.edits.japanese.soften.questions import soften_question, soften_still, soften_what, soften_why
from models.edits.japanese.soften.statements import (
    soften_excess,
    soften_harsh_end,
    soften_refusal,
    soften_statement,
    soften_tag,
)
from models.edits.script import Change, Edit

# What a sentence may be; the first that it is decides, also where no edit is good enough.
_BEFORE_BLAME = (soften_anger, soften_repeated_order, soften_reminder, soften_notice)
_AFTER_BLAME = (
    *(soften_request, soften_polite_request, soften_wish),
    *(soften_why, soften_still, soften_what, soften_harsh_end),
)
_STATEMENTS = (soften_excess, soften_refusal, soften_tag)


def soften(message: str) -> list[Edit]:
    """Edits that make orders requests, plain ends polite, and take blame and anger out."""
    edits: list[Edit] = []
    requests = 0
    parts = sentences(message)
    for sentence in parts:
        body = text_of(message, sentence)
        if GREETING.search(body) or CLOSING.match(body):
            continue
        new = _soften_sentence(Draft(message, sentence, body, requests, len(parts) > 1))
        asks = any(edit.rule.startswith("soften.request") for edit in new)
        if asks and not requests and not any(edit.rule == "soften.request_repeated" for edit in new):
            edits += put_opener(message, sentence, body)
        requests += asks
        edits += new
    edits += replace_harsh_words(message, parts)
    edits += put_greeting_and_closing(message, parts, requests > 0, edits)
    return _merge_insertions(edits)


def _soften_sentence(draft: Draft) -> list[Edit]:
    """The edits of a sentence."""
    edits = _first(draft, _BEFORE_BLAME)
    if edits is None:
        edits = list(soften_blame(draft)) or _first(draft, _AFTER_BLAME)
    if edits is not None:
        return edits
    questions: list[Edit] = []
    if draft.asks or draft.body.endswith(("ですか", "ますか", "ましたか", "んだ", "の")):
        questions = list(soften_question(draft))
        if draft.asks or draft.body.endswith("か"):
            return questions
    edits = _first(draft, _STATEMENTS)
    return [*questions, *(soften_statement(draft) if edits is None else edits)]


def _first(draft: Draft, kinds: Iterable[Callable[[Draft], list[Edit] | None]]) -> list[Edit] | None:
    """The edits of the first kind that the sentence is; None where it is none of them."""
    return next((edits for kind in kinds if (edits := kind(draft)) is not None), None)


def _merge_insertions(edits: list[Edit]) -> list[Edit]:
    """Makes an insertion and a change that starts at the same place one edit, because both would collide."""
    result = list(edits)
    for edit in edits:
        change = edit.changes[0]
        if len(edit.changes) > 1 or change.start != change.end:
            continue
        at_same_place = [
            other for other in edits if other.start == change.start and other.changes[0].end > change.start
        ]
        best = {other.level: other for other in at_same_place if other.level <= edit.level}
        if best:
            other = best[max(best)]
            first = other.changes[0]
            merged = (Change(first.start, first.end, change.text + first.text), *other.changes[1:])
            result = [Edit(other.rule, edit.level, merged) if row is edit else row for row in result]
            result = [row for row in result if row is not other or other.level < edit.level]
    return result
