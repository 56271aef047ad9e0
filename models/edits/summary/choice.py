"""The units that a summary keeps: the others go in the order of how little it needs them."""

import re
from collections.abc import Callable, Iterable, Sequence
from math import prod

from data.records import Role
from models import facts
from models.edits import evidence
from models.edits.segments import ORDER, VERB
from models.edits.summary import anaphora, courtesies
from models.edits.summary.units import Unit

# By intensity: the share of the words at which no more units go.
_TARGETS = {1: 0.85, 2: 0.7, 3: 0.55}
_FREE = 0.1  # a unit of this weight and risk together goes even where the summary is short enough
_SAFEST = 0.6  # the least probability that no summary needs any of the units that go
_SHORT_OPENING = 8  # words
_FRAGMENT = 2  # words of a sentence that goes on with the one before it
_PASSES = 4  # a unit that was needed may not be needed after others are dropped
_ESSENTIAL = frozenset({Role.REQUEST, Role.QUESTION})
# Kinds of facts by which a recipient finds something.
_POINTERS = frozenset({"url", "email", "ticket", "channel", "identifier", "version"})
# Words of what a recipient needs in order to act, or of the point itself.
_NEEDED = re.compile(
    r"\b(?:please|must|(?:need|have|has|had|needs|ought)\s+to\b(?!\s+(?:say|admit|confess))"
    r"|don['’]?t\s+(?!know|think|want|mind|worry|get|remember|understand|see)"
    r"|do\s+not\s+(?!know|think|want|mind)|(?:don['’]?t|do\s+not)\s+want\s+(?:any|you|people|us)\w*|should|deadline|at\s+the\s+latest|no\s+later|expires?|runs?\s+out"
    r"|(?:actual|real|root|main|only|biggest)\s+(?:cause|reason|problem|issue|point|question|worry|concern|risk)"
    r"|decided|decision|propose|suggest|instead|answer\s+(?:is|was)|approved|accepted|rejected|declined|refused"
    # Where something is.
    r"|attached|enclosed|at\s+(?:the\s+)?reception|on\s+the\s+(?:\w+\s+)?(?:drive|wiki|intranet|board)"
    r"|in\s+(?:the|your|our)\s+(?:\w+\s+)?(?:folder|drawer|file|sheet|box|tray|fridge|cupboard|calendar|list)"
    # What a change leaves as it was.
    r"|goes\s+ahead|go\s+ahead|as\s+(?:usual|planned|before)|not\s+affected|unchanged|stays?|remains?)\b",
    re.IGNORECASE,
)
_ORDERS = re.compile(rf"(?:(?:and|so|but|then|also)\s+)*(?:be\s|{ORDER}\b)", re.IGNORECASE)
# Whether anyone or anything came to harm.
_HARM = re.compile(
    r"\b(?:hurt|injur\w*|harm\w*|casualt\w*|safe\w*|unsafe|danger\w*|blood|bleed\w*|pain\w*|allerg\w*|dose|doses"
    r"|ill|sick|fever|ambulance|police|dead|died|poison\w*|theft|stolen|data\s+lost"
    r"|(?:nobody|no\s+one|nothing)\s+(?:took|got|gets|was|is|lost))\b",
    re.IGNORECASE,
)
_DENIES = re.compile(
    r"\b(?:no|not|never|nobody|nothing|none|neither|nor"
    r"|(?:is|are|was|were|do|does|did|has|have|had|ca|wo|would|could|should|must|need)n['’]?t)\b",
    re.IGNORECASE,
)
_STATEMENTS = frozenset({"this", "that"})  # words that stand for what was said
_OPINION = re.compile(r"\b(?:says?|said|thinks?|thought|wants?|prefers?)\b", re.IGNORECASE)
# A sentence that opens like this goes on with the one before it.
_GOES_ON_WITH = re.compile(
    r"(?:so|then|still|therefore|hence|thus|otherwise|instead|that['’]s\s+why|this\s+is\s+why|as\s+a\s+result|however"
    r"|yet|nevertheless|even\s+so|(?:the\s+)?(?:first|second|third|other|others|rest|last)\b|the\s+[a-z]{3,}est\b|another|both|neither|half)\b",
    re.IGNORECASE,
)
_CONCLUDES = re.compile(r"(?:and\s+)?(?:so(?!\s+that)|therefore|hence|thus)\b", re.IGNORECASE)
# After one of these the next clause says how it went.
_TRIED = re.compile(
    r"\b(?:ask\w*|tr(?:y|ied|ies)|want\w*|check\w*|test\w*|hop\w{1,3}|call\w*|rang|told|thought)\b",
    re.IGNORECASE,
)
# "388 people replied. Most are happy."
_QUANTIFIED = re.compile(
    rf"\W*(?:nearly\s+|almost\s+)?(?:most|some|many|few|a\s+few|none|all|half|several|a\s+clear\s+majority|a\s+majority"
    rf"|others|over\s+half|the\s+rest|a\s+third)\s+(?:\w+ly\s+)?{VERB}\b",
    re.IGNORECASE,
)
_GOES_ON = re.compile(r"\W*(?:(?:and|but|so)\s+)?(?:it|they|he|she|this|that)\b", re.IGNORECASE)


def tells_of_harm(text: str) -> bool:
    """Whether a text says that someone or something came to harm, or did not."""
    return bool(_HARM.search(text))


def choose(
    units: Sequence[Unit], sizes: Sequence[int], words: int, intensity: int, gives_up: Callable[[Unit], bool]
) -> list[int]:
    """The indices of the units that a summary of this intensity keeps.

    `sizes` has the words of each unit in the summary, `words` those of the message. `gives_up` is asked about
    every unit that may go.
    """
    may_go = {
        i
        for i, unit in enumerate(units)
        if (
            courtesies.is_empty(unit, i == 0)
            if unit.is_courtesy
            else not _has_to_stay(unit) and gives_up(unit)
        )
    }
    kept = set(range(len(units)))
    length, safe = sum(sizes), 1.0
    for _ in range(_PASSES):
        before = len(kept)
        for i in sorted(may_go, key=lambda i: units[i].weight + units[i].risk):
            is_free = units[i].is_courtesy or units[i].weight + units[i].risk <= _FREE
            if i not in kept or (length <= _TARGETS[intensity] * words and not is_free):
                continue
            group = _group(units, i, kept, may_go)
            if (
                group
                and (left := safe * prod(1 - units[j].risk for j in group if not units[j].is_courtesy))
                >= _SAFEST
            ):
                safe = left
                kept -= group
                length -= sum(sizes[j] for j in group)
        if len(kept) == before:
            break
    return sorted(kept)


def _has_to_stay(unit: Unit) -> bool:
    """Whether no risk is low enough: a recipient acts on it, finds something by it, or may come to harm."""
    return bool(
        unit.roles & _ESSENTIAL
        or ({kind for kind, _ in facts.extract(unit.text)} & _POINTERS)
        or _NEEDED.search(unit.text)
        or tells_of_harm(unit.text)
        # "One was fine with it, the dairy was not": without the end the rest says too much.
        or (not unit.opens_sentence and not unit.is_dependent and _DENIES.search(unit.text))
        or evidence.only_orders(unit.text)
        or _ORDERS.match(unit.text)
    )


def _group(units: Sequence[Unit], i: int, kept: set[int], may_go: Iterable[int]) -> set[int] | None:
    """A unit, and the kept ones that cannot stand without it; None where one of them has to stay."""
    group, allowed = {i}, set(may_go)
    while True:
        head = -1
        for j, unit in enumerate(units):
            if not unit.is_dependent:
                head = j
            elif j in kept and head in group:
                group.add(j)
        rest = sorted(kept - group)
        if not group <= allowed or not rest:
            return None
        needing = {k for j in group if (k := _needs(units, j, rest)) is not None}
        if not needing:
            return group if _names_topic(units, rest) else None
        group |= needing


def _needs(units: Sequence[Unit], i: int, rest: Sequence[int]) -> int | None:
    """A kept unit that needs the unit `i`; None without one."""
    following = next((k for k in rest if k > i), None)
    leading = next((k for k in reversed(rest) if k < i), -1)
    # "I asked them, the answer was no": the question says too much alone.
    if leading == i - 1 >= 0 and not units[i].opens_sentence and _TRIED.search(units[leading].text):
        return leading
    # "The vendor says yes, one customer says no": each of them says too much alone.
    for k in (leading, following):
        if k is None or k < 0 or abs(k - i) != 1 or units[max(i, k)].opens_sentence:
            continue
        if _OPINION.search(units[i].text) and _OPINION.search(units[k].text):
            return k
    if following is None:
        return None
    # "And the second, which we liked, could not start": the cut between them goes, its subject stays.
    if not units[following].opens_sentence and units[following].lacks_subject and not units[i].has_verb:
        return following
    if following == i + 1 and not units[i].is_dependent:
        goes_on = _GOES_ON_WITH if units[following].opens_sentence else _CONCLUDES
        if goes_on.match(units[following].text):
            return following
    return following if _refers(units, range(leading + 1, following), following, rest) else None


def _refers(units: Sequence[Unit], dropped: Iterable[int], following: int, rest: Sequence[int]) -> bool:
    """Whether a kept unit speaks of something that only the dropped ones before it name."""
    unit = units[following]
    gone = [units[j] for j in dropped if Role.GREETING not in units[j].roles and not units[j].says_nothing]
    if unit.opens_sentence and len(unit.text.split()) <= _FRAGMENT and not unit.is_courtesy:
        return bool(gone)  # "Guess who has to pay. Me."
    if unit.opens_sentence and gone and _QUANTIFIED.match(unit.text):
        return True
    # "This" is a whole sentence, of which the end may go.
    if _STATEMENTS & set(unit.pronouns) and any(each.opens_sentence for each in gone):
        return True
    earlier = frozenset[str]().union(*(units[k].words for k in rest if k < following))
    return any(
        noun.lower() not in earlier and anaphora.can_stand_for(word, noun)
        for word in unit.pronouns
        if word not in _STATEMENTS
        for each in gone
        if not _GOES_ON.match(each.text)  # both speak of what is before
        for noun in each.nouns
    )


def _announces(unit: Unit) -> bool:
    """Whether a unit only says that something follows."""
    return not unit.topics or (unit.is_opening and len(unit.text.split()) <= _SHORT_OPENING)


def _names_topic(units: Sequence[Unit], rest: Sequence[int]) -> bool:
    """Whether what stays says what the message is about: its first unit does, and the next one where the
    first only announces it.
    """
    content = [i for i, unit in enumerate(units) if not unit.is_courtesy and not unit.says_nothing]
    topics = content[:1]
    if topics and _announces(units[topics[0]]):
        topics += content[1:2]
    kept, words = set(rest), frozenset[str]().union(*(units[i].words for i in rest))
    for i in topics:
        nouns = units[i].topics
        if i not in kept and not (nouns and nouns <= words):
            return False
    return True
