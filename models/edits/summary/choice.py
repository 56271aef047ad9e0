"""The units that a summary keeps: the cheapest others go until it is short enough."""

import re
from collections.abc import Callable, Iterable, Sequence

from data.records import Role
from models.edits.summary import anaphora, costs
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
    if following is not None and _refers(units, range(leading + 1, following), following, rest):
        return following
    new = units[i].introduced.difference(*(units[k].words for k in rest if k < i))
    return next((k for k in rest if k > i and new & units[k].known), None)


def _refers(units: Sequence[Unit], dropped: Iterable[int], following: int, rest: Sequence[int]) -> bool:
    """Whether a kept unit speaks of something that only the dropped ones before it name."""
    unit = units[following]
    gone = [units[j] for j in dropped if Role.GREETING not in units[j].roles and not units[j].says_nothing]
    if unit.opens_sentence and len(unit.text.split()) <= _FRAGMENT and not unit.is_courtesy:
        return bool(gone)  # "Guess who has to pay. Me."
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


def _names_topic(units: Sequence[Unit], rest: Sequence[int]) -> bool:
    """Whether what stays says what the message is about: its first sentence does, and the next one where the
    first only announces it.
    """
    content = [i for i, unit in enumerate(units) if not unit.is_courtesy and not unit.says_nothing]
    topics = content[:1]
    if topics and _announces(units[topics[0]]):
        topics += [i for i in content[1:] if units[i].opens_sentence][:1]
    kept, words = set(rest), frozenset[str]().union(*(units[i].words for i in rest))
    for i in topics:
        nouns = units[i].topics
        if i not in kept and not (nouns and nouns <= words):
            return False
    return True
