"""Cuts of a message that may only hurt: each is proposed for deletion.

Sarcasm and reproach have no fixed words, so nothing here decides what hurts. What carries a fact, an order or
a request is not proposed, and nothing without which the rest is no sentence; of the others the tagger reads
each cut and decides. Nothing is deleted without its verdict, since the names of the rules end in `_unsure`.
There is a rule for each level, since what hurts enough to go at one is another decision at the next.
"""

import re
from collections.abc import Iterator, Sequence

from models.edits import cuts
from models.edits.script import Change, Edit
from models.edits.segments import VERB, Segment
from models.edits.soften.draft import Draft, Sentence, is_quoted
from models.edits.soften.imperatives import find_order

# By level, the highest first: a search for the edits of a rewrite finds the one that decided.
RULES = {level: f"soften.sting_{level}_unsure" for level in (3, 2, 1)}

_NUMBER = re.compile(r"[\d@#/_]")
_LINK = re.compile(r"^(?:(?:and|but|so|then|now)[ ,]+)+", re.I)
# What somebody asks for, announces or refuses.
_REQUEST = re.compile(
    r"\b(?:(?<!oh )(?<!you )please|pls|let me know|tell (?:me|us)|(?:could|would) you|"
    r"can you (?!(?:even|not|believe|imagine|read|count|hear)\b)|(?:can|could|may) (?:i|we)|should|"
    r"must(?! be\b)|(?:i|we)(?:'d| would) like|(?:i|we) (?:want|need|expect|ask|suggest|refuse)|"
    r"(?:i|we) (?:won't|will not|shall not|can't|cannot)|(?:i'm|we're|i am|we are) not [a-z]+ing|"
    r"you(?:'ll| will) (?!(?:never|regret|see|hear)\b)|(?:needs?|ha(?:s|ve)) to)\b",
    re.I,
)
_ASKS = re.compile(
    r"(?:and |so |but )?(?:why|what|who|whose|how|when|where|which|is|are|was|were|do|does|did|have|has|had|"
    r"can|could|will|would|should|am|isn't|aren't|don't|doesn't|didn't|haven't|hasn't|can't|couldn't|won't)\b",
    re.I,
)
_CLAUSE = re.compile(rf"\b{VERB}\b", re.I)
# A cut that opens like this belongs to the clause before it, or has its subject there.
_DEPENDS = re.compile(
    r"(?:that|if|because|which|who|whose|whom|as|since|when|while|unless|until|so that|than|although|though|"
    r"whether|where|after|before|to|of|for|in|on|at|by|with|from|into|about|unlike|including|"
    r"(?:(?:and|but|or) )?(?:is|are|was|were|has|have|had|can|could|will|would|does|did))\b"
    r"(?! (?:i|you|he|she|it|we|they|that|this|there|anybody|anyone|somebody|someone)\b)",
    re.I,
)
# A cut that ends like this goes on behind the next one: "your plan is, I am afraid, a collection of".
_GOES_ON = re.compile(
    r"\b(?:is|are|was|were|be|been|that|of|to|the|an?|and|or|but|with|for|than|as|which|who|if|because|when|since|"
    r"until|before|after|not|no|just|only|even|like|so)\W*$",
    re.I,
)
_SHORT = 2  # words
_MOST_CUTS = 60  # a longer message rather reports


def propose_stings(draft: Draft) -> None:
    """Adds the deletion of each cut that nobody needs, at each level. Of a message that has only such cuts
    the longest sentence stays.
    """
    split = cuts.split(draft.message)
    if not draft.sentences or len(split) > _MOST_CUTS:
        return
    deletions = [
        (cut, changes)
        for sentence in draft.sentences
        if not is_quoted(draft, sentence)
        for cut, changes in _deletions(
            draft, sentence, [cut for cut in split if sentence.start <= cut.start < sentence.end]
        )
    ]
    spans = [(changes[0].start, changes[-1].end) for _, changes in deletions]
    if all(any(start <= cut.start < end for start, end in spans) for cut in split):
        longest = max(draft.sentences, key=lambda sentence: sentence.end - sentence.start)
        deletions = [
            (cut, changes) for cut, changes in deletions if not longest.start <= cut.start < longest.end
        ]
    for cut, changes in deletions:
        draft.edits += [Edit(rule, level, changes, (cut.start, cut.end)) for level, rule in RULES.items()]
    _ask_at_the_end(draft)


def _deletions(
    draft: Draft, sentence: Sentence, own: Sequence[Segment]
) -> Iterator[tuple[Segment, tuple[Change, ...]]]:
    """The cuts of a sentence that may go, each with its deletion: it takes along what depends on it."""
    for i, cut in enumerate(own):
        last = i
        while last + 1 < len(own) and _DEPENDS.match(draft.message, own[last + 1].start):
            last += 1
        # "A friendly reminder, as always, that we close": without a verb the first cut needs the others, too.
        is_clause = last == i or _CLAUSE.search(draft.message, cut.start, cut.end)
        is_needed = any(_is_needed(draft, sentence, each) for each in own[i : last + 1])
        before = own[: last + 1] if last + 1 < len(own) else own[:i]
        if is_needed or not is_clause or _goes_on(draft, before):
            continue
        rest = [*own[:i], *own[last + 1 :]]
        if _is_short(draft, rest) and any(_is_needed(draft, sentence, each) for each in rest):
            continue
        yield cut, _delete(draft, sentence, own, i, last)


def _is_needed(draft: Draft, sentence: Sentence, cut: Segment) -> bool:
    """Whether a cut has a fact, an order or a request."""
    text = draft.message[cut.start : cut.end]
    if any(cut.start < end and start < cut.end for start, end in draft.facts) or _NUMBER.search(text):
        return True
    start = cut.end - len(_LINK.sub("", text, count=1))
    is_accusing = "?" in draft.mark(sentence) and _ASKS.match(text)
    return bool(_REQUEST.search(text)) or (not is_accusing and find_order(draft, sentence, start) is not None)


def _goes_on(draft: Draft, before: Sequence[Segment]) -> bool:
    """Whether a sentence is interrupted after one of its first cuts, so that it goes on behind them."""
    return any(_GOES_ON.search(draft.message[cut.start : cut.end]) for cut in before)


def _is_short(draft: Draft, rest: Sequence[Segment]) -> bool:
    """Whether the rest of a sentence is a word or two, such as the name of a recipient."""
    text = " ".join(draft.message[cut.start : cut.end] for cut in rest)
    return 0 < len(text.split()) <= _SHORT and not _CLAUSE.search(text)


def _delete(
    draft: Draft, sentence: Sentence, own: Sequence[Segment], first: int, last: int
) -> tuple[Change, ...]:
    """The deletion of cuts. The mark of the sentence stays, unless they are the whole sentence or asked what
    the rest does not ask.
    """
    start = own[first].start
    if last + 1 < len(own):
        return (Change(start, own[last].end, ""),)
    if first == 0:
        return (Change(start, sentence.stop, ""),)
    words = Change(start, sentence.end, "")
    if "?" in draft.mark(sentence) and not _ASKS.match(draft.message, own[0].start):
        return words, draft.end_with(".", sentence)
    return (words,)


def _ask_at_the_end(draft: Draft) -> None:
    """Makes a request of an accusing question at the end, at level 3, where the rest asks for nothing."""
    last = draft.sentences[-1]
    if "?" not in draft.mark(last) or len(draft.sentences) < 2 or draft.has_order:
        return
    if _REQUEST.search(draft.message) or draft.message.count("?") > 1:
        return
    ask = (Change(last.start, last.stop, draft.cap("could you please look into it?")),)
    for edit in list(draft.edits):
        if edit.rule == RULES[3] and edit.changes == (Change(last.start, last.stop, ""),):
            draft.edits[draft.edits.index(edit)] = Edit(edit.rule, edit.level, ask, edit.place)
