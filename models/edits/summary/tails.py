"""Ends of clauses that a summary can lose: reasons, circumstances, descriptions and second verbs.

Rules find where such an end starts. The tagger says how likely it is that every summary keeps its words.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from models import facts
from models.edits.script import Change, Edit
from models.edits.segments import VERB, Segment
from models.edits.shorten.text import NUMBER_WORDS, REACH
from models.edits.summary import anaphora, background, costs

RULE = "summary.tail"
_END = r"(?=[.!;](?:\s|$)|\n|$|,\sand\s(?!(?:so|that|then|it|they|he|she|this|these|not|also|some)\b))"
_END_OF_REASON = _END.replace(
    "|,", r"|,\sso\s|,"
)  # "They can't, because it is booked, so it would be the 8th."
_INSIDE = r"[^,.;:?!()\n–—\"]"
_KINDS = {
    "reason": re.compile(
        rf"(?P<cut>,?\s(?:because(?:\sof)?|bc|since|due\sto|while|as(?=\s(?:I|we|you|he|she|it|they|there|the|my|our|an?|some|most|this)\b))"
        rf"\s{_INSIDE}{{4,120}}){_END_OF_REASON}"
    ),
    "circumstance": re.compile(
        r"(?P<cut>,?\s(?:after|following|during|compared\s(?:to|with)|with|near|from|by|over|in"
        rf"|on|at)\s(?!all\b|least\b|once\b|it\b|that\b|them\b|this\b|time\b){_INSIDE}{{3,60}}){_END}"
    ),
    "description": re.compile(rf"(?P<cut>,\s(?:which|who|whose|where)\s{_INSIDE}{{4,120}}){_END}"),
    "second": re.compile(rf"(?P<cut>,?\sand\s(?!(?:so|then|not|please|also|or)\b){_INSIDE}{{8,120}}){_END}"),
    "addition": re.compile(
        r"(?P<cut>,\s(?!(?:and|but|or|so|which|who|whose|where|because|since|as|if|when|not|no|only|please|except"
        rf"|instead|rather|than|then|otherwise|while|until|unless)\b){_INSIDE}{{5,110}}){_END}"
    ),
}
# By kind and intensity: the highest weight of a tail that goes.
_HEAVIEST = {
    "reason": (0.3, 0.6, 0.62),
    "circumstance": (0.12, 0.25, 0.35),
    "description": (0.15, 0.35, 0.5),
    "second": (0.13, 0.3, 0.42),
    "addition": (0.12, 0.25, 0.35),
}
_LIGHT = 0.15
# Kinds of facts that a reason, or a tail of little weight, may take with it: "because the van is in Ghent".
_LOST = frozenset({"name", "date", "weekday"})
_HAS_VERB = re.compile(rf"\b{VERB}\b|['’](?:s|re|ve|m|d|ll)\b|\b[a-z]{{2,14}}ed\b", re.IGNORECASE)
# After one of these a reason is the point.
_NO_REASON = re.compile(
    r"\b(?:mainly|mostly|partly|simply|especially|probably|maybe|just|largely|perhaps|only|not|is|was|are|were|be|it['’]s"
    r"|that['’]s|and|or|even|soon|long|far|well|much|many|same|such|as)$",
    re.IGNORECASE,
)
# Before a circumstance these words need it: "it is at the gate", "none with a fracture".
_NEEDS_MORE = re.compile(
    r"\b(?:am|is|are|was|were|be|been|being|isn['’]?t|aren['’]?t|wasn['’]?t|put|puts|went|go|goes|got|get|gets|stand|stands"
    r"|stood|sit|sits|live|lives|lie|lies|look|looks|looked|care|deal|dealt|talk|talked|spoke|agree|agreed|depend|depends"
    r"|come|comes|came|belong|belongs|run|runs|ran|fell|fall|stay|stays|work|works|worked|start|starts|started|fine|happy"
    r"|ok|okay|good|bad|wrong|busy|full|short|low|high|ahead|behind|up|down|out|off|on|in|of|to|for|at|more|less|fewer"
    r"|rather|other|better|worse|longer|later|earlier|sooner|bigger|smaller|higher|lower|none|one|ones|most|some|many|few"
    r"|both|all|mainly|mostly|partly|simply|especially|probably|maybe|just|largely|perhaps|the|an?|and|or|but|not|no|only|even|not|that|which|who|this|these|those)$",
    re.IGNORECASE,
)
_BACK = re.compile(
    r"\W{0,3}(?:(?:and|but|so)\s)?(?:\w+\s){0,2}(?:ones?|he|she|they|them|those|these|this|that|there|then|one|both|neither|it"
    r"|so|his|her|their|its)\b",
    re.IGNORECASE,
)
_IT = re.compile(r"\b(?:it|its|they|them|their|he|she|him|her|there|this|that|these|those)\b", re.IGNORECASE)
_CONTRAST = re.compile(r"\b(?:but|so|yet|however|though|although)\b", re.IGNORECASE)
# "I did ask, the answer was no".
_ANSWER = re.compile(
    r"\b(?:answer\w*|repl(?:y|ied|ies)|sa(?:y|ys|id)|yes|no|refus\w+|agree\w*|declin\w+)\b", re.IGNORECASE
)
_YOU = re.compile(r"\byour?\b", re.IGNORECASE)
_ASKS = re.compile(r"\b(?:please|pls|could\syou|can\syou|would\syou|should|must|need|needs)\b", re.IGNORECASE)
_SUBORDINATE = re.compile(
    r"\W*(?:if|when|unless|because|since|as|although|though|while|after|before|once)\b", re.I
)
_NOW = re.compile(r"\b(?:is|are|will|can|has|have|am)\b|['’](?:s|re|ll|ve|m)\b", re.IGNORECASE)
_PREPOSITION = re.compile(r",?\s(?:because\sof|due\sto|since\sthe\s\w{1,20}$)")
# A noun phrase that ends the words before a tail.
_NOUN_LAST = re.compile(
    r"\b(?:the|an?|my|our|your|his|her|its|their|any|several|no|this|that|these|those)\s(?!rest\b|most\b)"
    rf"(?:(?!{VERB}\b)[\w'’-]{{1,20}}\s){{0,3}}(?!{VERB}\b|\w{{1,14}}(?:ed|ing|ly)\b|slept|spent|lay|ate|grew|hung|stuck|drove)"
    r"[\w'’-]{2,20},?$",
    re.IGNORECASE,
)
# "because Yusuf, you wrote it": a clause that has not begun.
_OPEN = re.compile(
    r"\b(?:because|if|when|that|since|as|unless|while|and|but|so)\s[\w'’-]+(?:\s[\w'’-]+)?$", re.IGNORECASE
)
_SENTENCE_START = re.compile(r"[.!?;:]\s|\n")
_FEWEST = 3  # words before a tail
_LOOKAHEAD = 1000  # characters after a tail
_WORD = re.compile(r"[\w'’-]{4,30}")


def propose(message: str, weigh: Callable[[Sequence[Segment]], Sequence[float]]) -> list[Edit]:
    """The tails of a message that a summary can lose, from the intensity on at which they are light enough.

    `weigh` says of places how likely it is that every summary keeps them.
    """
    spans = [(span.start, span.end, span.kind) for span in facts.spans(message)]
    places = [
        (kind, start, end)
        for kind, start, end in _places(message)
        if {each for first, last, each in spans if start < last and first < end} <= _LOST
    ]
    weights = weigh([Segment(start, end, False, False) for _, start, end in places])
    edits = []
    for (kind, start, end), weight in zip(places, weights, strict=True):
        level = next((i for i, most in enumerate(_HEAVIEST[kind], 1) if weight <= most), None)
        has_fact = any(start < last and first < end for first, last, _ in spans)
        if has_fact and (kind == "circumstance" or (kind != "reason" and weight > _LIGHT)):
            continue
        if level is None or (
            weight > _LIGHT
            and (background.DENIES.search(message, start, end) or _YOU.search(message, start, end))
        ):
            continue
        # At a higher level, too, or a smaller edit of that level inside it would be taken instead.
        edits += [Edit(RULE, each, (Change(start, end, ""),)) for each in range(level, 4)]
    return edits


def _places(message: str) -> Iterator[tuple[str, int, int]]:
    for kind, pattern in _KINDS.items():
        for match in pattern.finditer(message):
            start, end = match.span("cut")
            if _may_go(message, kind, start, end):
                yield kind, start, end


def _may_go(message: str, kind: str, start: int, end: int) -> bool:
    """Whether the words before a tail can stand alone, and no later word speaks of the tail."""
    tail = message[start:end]
    before = _SENTENCE_START.split(message[max(0, start - REACH) : start])[-1]
    if (
        len(before.split()) < _FEWEST
        or NUMBER_WORDS.search(tail)
        or background.matters(tail)
        or costs.NEEDED.search(tail)
        or background.ENTRY.search(tail)
        or (kind == "second" and background.ENTRY.search(before))
        or _CONTRAST.search(tail)
        or _ASKS.search(tail)
        or _ASKS.search(before)
        or _SUBORDINATE.match(before)
        or (kind == "addition" and (_OPEN.search(before) or _ANSWER.search(tail)))
        or (_NO_REASON if kind == "reason" else _NEEDS_MORE).search(before)
        or not (kind == "reason" or _HAS_VERB.search(before))
        or _speaks_of_it(message, end)
    ):
        return False
    if kind == "circumstance" and not (
        _NOUN_LAST.search(before)
        and not NUMBER_WORDS.search(" ".join(before.split()[-3:]))
        and not _HAS_VERB.search(tail)
        and len(tail.split()) >= _FEWEST
    ):
        return False
    if kind == "second" and (
        not _HAS_VERB.search(tail)
        or _NOW.search(before)
        or background.DENIES.search(tail)
        or background.TRIED.search(before)
    ):
        return False
    # "because of the works", but not "because of the works came back"; and "shown as a line" gives no reason.
    if kind == "reason" and bool(_PREPOSITION.match(tail)) == bool(_HAS_VERB.search(tail)):
        return False
    return not _is_needed(message, tail, start, end, kind == "circumstance")


def _speaks_of_it(message: str, end: int) -> bool:
    """Whether the clause or sentence behind a tail has a pronoun that may stand for something in it."""
    after = message[end : end + REACH]
    rest = _SENTENCE_START.split(after)[0]
    if rest.startswith(", so "):
        return False
    return bool(_IT.search(rest) or _BACK.match(after.lstrip(".!;, \n")[:40]))


def _is_needed(message: str, tail: str, start: int, end: int, is_new: bool) -> bool:
    """Whether a later place speaks of a word of the tail that no earlier one has; `is_new`: an earlier one
    counts, too.
    """
    earlier, later = message[:start].lower(), message[end : end + _LOOKAHEAD].lower()
    stems = {match.group().lower().rstrip("s") for match in _WORD.finditer(tail)} - anaphora.common()
    if is_new and any(stem in earlier for stem in stems):
        return True
    return any(stem in later and stem not in earlier for stem in stems)
