"""Proposes edits that soften an English message: orders become requests, harsh words become milder ones.

The words are in `soften.yaml`. A sentence is rewritten at its front, at its end and where a second clause
starts, so that the levels of one place are alternatives and the words between stay as the person wrote them.
"""

from models.edits.script import Edit
from models.edits.soften.clauses import lead_end, part_name
from models.edits.soften.complaints import hedge_blame_inside, hedge_complaint, soften_should_have_inside
from models.edits.soften.draft import Draft, Sentence, begin_draft, is_item, is_quoted
from models.edits.soften.greetings import open_and_close
from models.edits.soften.harshness import drop_sentence, quieten, replace_harsh_words, without_shouting
from models.edits.soften.imperatives import find_order
from models.edits.soften.openings import drop_empty_ends, soften_opening
from models.edits.soften.orders import soften_order, soften_order_inside
from models.edits.soften.policies import announce_rule
from models.edits.soften.questions import soften_question
from models.edits.soften.refusals import soften_refusal
from models.edits.soften.requests import soften_request_inside
from models.edits.soften.statements import soften_statement
from models.edits.soften.stings import propose_stings
from models.edits.soften.threats import soften_ultimatum
from models.edits.soften.wishes import soften_wish
from models.edits.soften.words import COURTEOUS, SHARP

_MOST_COMPLAINTS = 3  # of a message get a hedge


def propose(message: str) -> list[Edit]:
    """All edits that soften a message, of all levels."""
    calm, lowered = without_shouting(message)
    draft = begin_draft(message, calm.replace("’", "'"))
    draft.edits += [Edit("soften.capitals", 1, (change,)) for change in lowered]
    draft.is_softened = bool(lowered)
    draft.is_tense = _is_tense(draft)
    draft.has_order = any(find_order(draft, each, lead_end(draft, each)) for each in draft.sentences)
    for index, sentence in enumerate(draft.sentences):
        if is_quoted(draft, sentence):
            continue
        quieten(draft, sentence)
        if drop_sentence(draft, index):
            continue
        has_milder = replace_harsh_words(draft, sentence)
        has_new_front = not is_item(draft, sentence) and _rewrite_front(draft, sentence, has_milder)
        drop_empty_ends(draft, sentence)
        soften_ultimatum(draft, sentence)
        if has_milder or has_new_front:
            draft.is_softened = True
            part_name(draft, sentence)
    _promote(draft)
    _promote_view(draft)
    if draft.is_softened:
        open_and_close(draft)
    propose_stings(draft)
    return draft.edits


def _rewrite_front(draft: Draft, sentence: Sentence, has_milder: bool) -> bool:
    """Softens an order, a question, a wish, a refusal or a complaint; says whether the sentence was one."""
    requests = draft.requests
    if soften_opening(draft, sentence):
        return True
    front = soften_statement(draft, sentence)
    if front is not None:
        # Blame or an order may follow in the same sentence.
        edits = list(draft.edits)
        _ = soften_request_inside(draft, sentence) or soften_order_inside(draft, sentence)
        hedge_blame_inside(draft, sentence)
        draft.edits = [edit for edit in draft.edits if edit in edits or edit.start >= front]
        return True
    if soften_order(draft, sentence) or soften_question(draft, sentence):
        return True
    if announce_rule(draft, sentence):
        return True
    has_order = soften_request_inside(draft, sentence) or soften_order_inside(draft, sentence)
    is_wish = not has_order and soften_wish(draft, sentence)
    # The statement in front of an order may be a complaint too.
    if not has_order and draft.requests > requests:
        return is_wish
    has_blame = soften_should_have_inside(draft, sentence) or hedge_blame_inside(draft, sentence)
    is_refusal = soften_refusal(draft, sentence)
    if is_refusal or draft.complaints == _MOST_COMPLAINTS:
        is_complaint = False
    else:
        is_complaint = hedge_complaint(draft, sentence, has_milder)
    draft.complaints += is_complaint
    return has_order or is_wish or has_blame or is_refusal or is_complaint


def _is_tense(draft: Draft) -> bool:
    """Whether a message has no courtesy, or blames in spite of it, so that its plain words may be harsh."""
    return not draft.is_friendly and bool(SHARP.search(draft.message) or not COURTEOUS.search(draft.message))


def _promote(draft: Draft) -> None:
    """Moves the question of the first order down a level where nothing but "please" softens at level 1."""
    first = [edit for edit in draft.edits if edit.level == 1]
    if not first or any(edit.rule not in _PLEASE for edit in first):
        return
    start = first[0].start
    moved = [edit for edit in draft.edits if edit.level > 1 and edit.start == start]
    if {edit.level for edit in moved} != {2, 3}:
        return
    draft.edits.remove(first[0])
    for edit in moved:
        draft.edits[draft.edits.index(edit)] = Edit(edit.rule, edit.level - 1, edit.changes)


def _promote_view(draft: Draft) -> None:
    """Moves a hedge to level 1 where nothing else softens the message there."""
    if any(edit.level == 1 and edit.rule not in _SMALL for edit in draft.edits):
        return
    for index, edit in enumerate(draft.edits):
        if edit.rule in _HEDGES and edit.level == 2:
            draft.edits[index] = Edit(edit.rule, 1, edit.changes)
            return


_PLEASE = frozenset({"soften.order_please", "soften.prohibition_please", "soften.stop_please"})
_SMALL = frozenset({"soften.capitals", "soften.marks", "soften.name_comma"})
_HEDGES = frozenset(
    {
        "soften.view",
        "soften.you_said",
        "soften.had_said",
        "soften.you_did_neutral",
        "soften.hedge_now",
        "soften.noticed",
        "soften.agreed",
    }
)
