"""Sentences and ends of sentences that may only hurt: each is proposed for deletion.

Sarcasm has no fixed words, so nothing here decides what hurts. What carries a fact, an order or a request is
not proposed; of the rest the tagger reads each place and decides. Without labels of these rules nothing is
deleted, since their names end in `_unsure`.
"""

import re
from itertools import islice

from models.edits.script import Change, Edit
from models.edits.soften.clauses import lead_end
from models.edits.soften.draft import Draft, Sentence, is_item, is_quoted
from models.edits.soften.imperatives import find_order

SENTENCE = "sting_sentence_unsure"
END = "sting_end_unsure"
_LEVEL = 2  # of irony; an insult goes from level 1 on

_REQUEST = re.compile(
    r"\b(?<!oh )(?:please|pls|plz|could you|would you|could we|let me know|tell (?:me|us)|by then|from now on|deadline|"
    r"(?:i|we) (?:need|want|expect|ask)|(?:you|we|they|everyone|everybody|it|this|that|he|she) "
    r"(?:needs? to|ha(?:ve|s) to|must(?! (?:be|have|think)\b)))\b(?! (?:crawl|cry|scream|laugh)\b)",
    re.I,
)
_NUMBER = re.compile(r"\d|[@#/_]|\b(?:https?|www)\b")
_INSULT = re.compile(
    r"\b(?:idiots?|idiotic|morons?|moronic|stupid|stupidity|dumb|fools?|foolish|clowns?|amateurs?|amateurish|lazy|"
    r"pathetic|incompetent|incompetence|useless|brains?|brainless|clueless|child|children|kids?|toddlers?|monkeys?|"
    r"babies|circus|zoo|joke|shame|ashamed|disgrace|disgraceful|embarrassing|hell|damn|bloody|crap|bullshit|shit|"
    r"fuck\w*|arse|ass|wtf|ffs)\b",
    re.I,
)
# Where the end of a sentence may be cut off.
_JOINT = re.compile(
    r"(?P<mark>,| -+| –| —|;|:|\.\.\.)(?: (?:and|but|or|so|because|which|who|as|like|if))?(?= )"
    r"| (?=(?:and|but|or|because|as if|like|which) )",
    re.I,
)
_ASKS = re.compile(
    r"(?:and |so |but )?(?:why|what|who|whose|how|when|where|which|is|are|was|were|do|does|did|have|has|had|can|could|"
    r"will|would|should|am|isn't|aren't|don't|doesn't|didn't|haven't|hasn't|can't|couldn't|won't)\b",
    re.I,
)
_LEAST_KEPT = 3  # words in front of an end that is cut off
_LEAST_CUT = 2  # words of an end
_MOST_CUT = 16
_MOST_WORDS = 30  # of a sentence that is proposed whole
_MOST_JOINTS = 8  # of a sentence are tried


def propose_stings(draft: Draft) -> None:
    """Adds the deletion of each sentence, and of each end of a sentence, that carries nothing needed."""
    whole = [sentence for sentence in draft.sentences if _may_go(draft, sentence)]
    if len(whole) == len(draft.sentences) and whole:
        whole.remove(max(whole, key=lambda sentence: sentence.end - sentence.start))
    has_mild = any(edit.level == 1 and not edit.rule.endswith("marks") for edit in draft.edits)
    for sentence in draft.sentences:
        if is_quoted(draft, sentence) or is_item(draft, sentence):
            continue
        if sentence in whole:
            _propose(draft, SENTENCE, has_mild, (_gap(draft, sentence),))
        _propose_ends(draft, sentence, has_mild)


def _may_go(draft: Draft, sentence: Sentence) -> bool:
    """Whether a sentence has no fact, order or request, so that nothing needed is lost with it."""
    text = draft.text(sentence)
    if is_quoted(draft, sentence) or is_item(draft, sentence) or len(text.split()) > _MOST_WORDS:
        return False
    return not (_is_needed(draft, sentence.start, sentence.end)) and not find_order(
        draft, sentence, lead_end(draft, sentence)
    )


def _is_needed(draft: Draft, start: int, end: int) -> bool:
    """Whether words have a fact, a number or a request."""
    text = draft.message[start:end]
    return (
        any(start < b and a < end for a, b in draft.facts)
        or _NUMBER.search(text) is not None
        or _REQUEST.search(text) is not None
    )


def _gap(draft: Draft, sentence: Sentence) -> Change:
    """The deletion of a sentence with the space behind it, or in front of it at the end of a line."""
    start, stop = sentence.start, sentence.stop
    while draft.message[stop : stop + 1] == " ":
        stop += 1
    if draft.message[stop : stop + 1] in {"", "\n"}:
        stop = sentence.stop
        while start and draft.message[start - 1] == " ":
            start -= 1
    return Change(start, stop, "")


def _propose_ends(draft: Draft, sentence: Sentence, has_mild: bool) -> None:
    text = draft.text(sentence)
    for match in islice(_JOINT.finditer(text), _MOST_JOINTS):
        kept, cut = text[: match.start()], text[match.end() :].strip()
        words = cut.split()
        if len(kept.split()) < _LEAST_KEPT or not _LEAST_CUT <= len(words) <= _MOST_CUT:
            continue
        at = sentence.start + match.start()
        if kept.count("(") != kept.count(")") or kept.count('"') % 2 or _is_needed(draft, at, sentence.end):
            continue
        if find_order(draft, sentence, sentence.start + match.end() + 1):
            continue
        mark = draft.mark(sentence)
        changes = [Change(at, sentence.end, "")]
        if "?" in mark and not _ASKS.match(kept):
            changes = [Change(at, sentence.stop, "." + draft.closing(sentence))]
        _propose(draft, END, has_mild, tuple(changes))


def _propose(draft: Draft, rule: str, has_mild: bool, changes: tuple[Change, ...]) -> None:
    """Adds a deletion at each of its levels, so that at none a hedge in the same place wins over it."""
    words = draft.message[changes[0].start : changes[-1].end]
    lowest = 1 if _INSULT.search(words) or not has_mild else _LEVEL
    draft.edits += [Edit(f"soften.{rule}", level, changes) for level in range(lowest, 4)]
