"""The units that a summary keeps: the cheapest others go until it is short enough."""

import re
from collections.abc import Callable, Iterable, Sequence

from data.records import Role
from models.edits.segments import VERB
from models.edits.summary import anaphora, background, costs
from models.edits.summary.units import Unit

# By intensity: the share of the words at which no more units go, and the highest cost of one that may go.
_TARGETS = {1: 0.75, 2: 0.6, 3: 0.45}
_HIGHEST = {1: 0.35, 2: 0.55, 3: 0.7}
_FREE = 0.1  # a unit of this cost goes even where the summary is short enough
_SHORT_OPENING = 8  # words
_FRAGMENT = 2  # words of a sentence that goes on with the one before it
_PASSES = 4  # a unit that was needed may not be needed after others are dropped
_CONTRAST = re.compile(
    r"(?:but|however|yet|except|only|though|although|still|on the other hand|instead"
    r"|so\s(?:i|we|he|she|they))\b",
    re.IGNORECASE,
)
_STATEMENTS = frozenset({"this", "that"})  # words that stand for what was said
_OPINION = re.compile(r"\b(?:says?|said|thinks?|thought|wants?|prefers?)\b", re.IGNORECASE)
_CONCLUDES = re.compile(
    r"(?:so|therefore|hence|thus|that['’]s\s+why|this\s+is\s+why|as\s+a\s+result)\b", re.IGNORECASE
)
# "388 people replied. Most are happy."
_QUANTIFIED = re.compile(
    rf"\W*(?:nearly\s+|almost\s+)?(?:most|some|many|few|a\s+few|none|all|half|several|a\s+clear\s+majority|a\s+majority"
    rf"|others|over\s+half|the\s+rest|a\s+third)\s+(?:\w+ly\s+)?{VERB}\b",
    re.IGNORECASE,
)
_LEAD_IN = 0.06  # the highest weight of a first unit that only leads in
_MET = re.compile(
    r"\b(?:talked|spoke|met|call|chat|meeting|sat|went|came|been\s+(?:to|out|through|over)|looked|discussed|visited|rang|phoned)\b",
    re.IGNORECASE,
)
_GOES_ON = re.compile(r"\W*(?:(?:and|but|so)\s+)?(?:it|they|he|she|this|that)\b", re.IGNORECASE)


def choose(
    units: Sequence[Unit], sizes: Sequence[int], words: int, intensity: int, may_go: Callable[[Unit], bool]
) -> list[int]:
    """The indices of the units that a summary of this intensity keeps.

    `sizes` has the words of each unit in the summary, `words` those of the message. `may_go` is asked about
    every unit that is cheap enough.
    """
    rated = costs.rate(units, intensity)
    prices = {
        i: cost
        for i, cost in enumerate(rated)
        if cost is not None and cost <= _HIGHEST[intensity] and may_go(units[i])
    }
    kept = set(range(len(units)))
    length = sum(sizes)
    for _ in range(_PASSES):
        before = len(kept)
        for i in sorted(prices, key=lambda i: prices[i]):
            if i not in kept or (length <= _TARGETS[intensity] * words and prices[i] > _FREE):
                continue
            if group := _group(units, i, kept, prices.keys()):
                kept -= group
                length -= sum(sizes[j] for j in group)
        if len(kept) == before:
            break
    return sorted(kept)


def _group(units: Sequence[Unit], i: int, kept: set[int], cheap: Iterable[int]) -> set[int] | None:
    """A unit, and the kept ones that cannot stand without it; None where one of them has to stay."""
    group, allowed = {i}, set(cheap)
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
    # "It works, but not for lists", "I upgraded it, so I went back": the first clause says too much alone.
    if leading == i - 1 >= 0 and _CONTRAST.match(units[i].text):
        return leading
    # "The vendor says yes, one customer says no": each of them says too much alone.
    for k in rest:
        later = units[max(i, k)]
        is_beside = abs(k - i) == 1 and not later.opens_sentence
        if is_beside and _OPINION.search(units[i].text) and _OPINION.search(units[k].text):
            return k
    if (continuing := _continues(units, i, rest)) is not None:
        return continuing
    if following is not None and _refers(units, range(leading + 1, following), following, rest):
        return following
    new = units[i].introduced.difference(*(units[k].words for k in rest if k < i))
    return next((k for k in rest if k > i and new & units[k].known), None)


def _continues(units: Sequence[Unit], i: int, rest: Sequence[int]) -> int | None:
    """A kept unit that tells the same series, or the same attempt, as the unit `i`; None without one."""
    text = units[i].text
    start, end = costs.sentence_of(units, i)
    following = next((k for k in rest if k >= end), None)
    if following == end and _CONCLUDES.match(units[end].text):
        return end
    same = [k for k in rest if start <= k < end]
    before = units[i - 1].text if i > start else ""
    if same and (background.SERIES.search(text) or background.DENIES.search(text)):
        return same[0]
    if i - 1 in same and background.TRIED.search(before):
        return i - 1
    if background.ENTRY.search(text):
        near = [k for k in rest if start - 2 <= k < end + 2 and background.ENTRY.search(units[k].text)]
        if near:
            return near[0]
    for k in rest:
        if k > i:
            if background.ASKED.search(text) and background.ANSWERED.search(units[k].text):
                return k
            earlier = frozenset[str]().union(*(units[j].words for j in rest if j < k))
            if _have_one_stem(units[k].defined - earlier, units[i].words) or (
                (units[i].named & units[k].words) - earlier - units[k].introduced - units[k].owned
            ):
                return k
    return None


def _have_one_stem(words: frozenset[str], others: frozenset[str]) -> bool:
    """Whether a word begins another one: "lock" and "locked"."""
    return any(other.startswith(word) for word in words for other in others)


def _refers(units: Sequence[Unit], dropped: Iterable[int], following: int, rest: Sequence[int]) -> bool:
    """Whether a kept unit speaks of something that only the dropped ones before it name."""
    unit = units[following]
    gone = [units[j] for j in dropped if Role.GREETING not in units[j].roles and not units[j].says_nothing]
    if unit.opens_sentence and len(unit.text.split()) <= _FRAGMENT and not unit.is_courtesy:
        return bool(gone)  # "Guess who has to pay. Me."
    if unit.opens_sentence and list(dropped) and _QUANTIFIED.match(unit.text):
        return True
    if unit.text.lower().startswith("so ") and not unit.opens_sentence and unit.roles <= {Role.SITUATION}:
        return any(j == following - 1 for j in dropped)  # "One sample was bad, so we took another one."
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
    """Whether a sentence only says that something follows."""
    return not unit.topics or (unit.is_opening and len(unit.text.split()) <= _SHORT_OPENING)


def _only_leads_in(units: Sequence[Unit], content: Sequence[int], rest: Sequence[int]) -> bool:
    """Whether the first unit tells only of a talk, and the next one stays and points to nothing."""
    first = units[content[0]]
    following = content[1] if len(content) > 1 else None
    return (
        first.roles <= {Role.ASIDE}
        and first.weight <= _LEAD_IN
        and bool(_MET.search(first.text))
        and following in rest
        and not units[following or 0].pronouns
        and not _GOES_ON.match(units[following or 0].text)
    )


def _names_topic(units: Sequence[Unit], rest: Sequence[int]) -> bool:
    """Whether what stays says what the message is about: its first sentence does, and the next one where the
    first only announces it.
    """
    content = [i for i, unit in enumerate(units) if not unit.is_courtesy and not unit.says_nothing]
    if content and _only_leads_in(units, content, rest):
        return True
    topics = content[:1]
    if topics and _announces(units[topics[0]]):
        topics += [i for i in content[1:] if units[i].opens_sentence][:1]
    kept, words = set(rest), frozenset[str]().union(*(units[i].words for i in rest))
    for i in topics:
        nouns = units[i].topics
        if i not in kept and not (nouns and nouns <= words):
            return False
    return True
