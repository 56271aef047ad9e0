"""Which rule matches a message first, and by which of its words. Nothing here waits, and nothing is stored.

The time is bounded: keywords are looked up as terms of a dictionary are, patterns are RE2's, and the tone of
a message is computed once, if a rule asks for it.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from data.records import Term, TermRule
from data.rules import patterns
from data.rules.conditions import (
    ChannelCondition,
    Condition,
    ConditionKind,
    Day,
    HoursCondition,
    KeywordCondition,
    PatternCondition,
    RecipientCondition,
    Rule,
    StoredRule,
    ToneCondition,
    fold,
    in_order,
)
from data.terms import Terms

_KEPT = 500  # lists of keywords in memory
_MOST_PLACES = 20  # that are shown of one condition
_DAYS = tuple(Day)
_ORDER = {kind: number for number, kind in enumerate(ConditionKind)}


class Sent(NamedTuple):
    """A message that is about to be sent; None for what is not known of it."""

    text: str
    sent_at: datetime
    channel: str | None = None
    recipient: str | None = None


class Place(NamedTuple):
    """Words of a message, in characters, `end` exclusive."""

    start: int
    end: int


class Tone(NamedTuple):
    """How likely a message is to be read as harsh, and the words behind it."""

    harsh: float
    places: Sequence[Place]


class Sign(NamedTuple):
    """That a condition holds, with the words that show it. Of a tone, the probability."""

    kind: ConditionKind
    places: Sequence[Place] = ()
    probability: float | None = None


class Match(NamedTuple):
    """The first rule that matches a message, and why."""

    stored: StoredRule
    signs: Sequence[Sign]


ReadTone = Callable[[], Tone | None]  # None: the language is unknown


def find_first(
    rules: Iterable[StoredRule], sent: Sent, read_tone: ReadTone, unchecked: Collection[ConditionKind] = ()
) -> Match | None:
    """The first of the rules that are on and whose conditions all hold; parameters as of `check`."""
    tones: list[Tone | None] = []

    def read_once() -> Tone | None:
        if not tones:
            tones.append(read_tone())
        return tones[0]

    for stored in in_order(rules):
        if stored.rule.enabled:
            signs = check(stored.rule, sent, read_once, unchecked)
            if signs is not None:
                return Match(stored, signs)
    return None


def check(
    rule: Rule, sent: Sent, read_tone: ReadTone, unchecked: Collection[ConditionKind] = ()
) -> tuple[Sign, ...] | None:
    """The signs of a rule whose conditions all hold, on or off; None if one does not.

    Conditions of the kinds in `unchecked` count as met. `read_tone` is called if a rule asks for the tone and
    everything else holds.
    """
    signs: list[Sign] = []
    for condition in sorted(rule.conditions, key=lambda each: _ORDER[each.kind]):
        if condition.kind in unchecked:
            continue
        sign = _check(condition, sent, read_tone)
        if sign is None:
            return None
        signs.append(sign)
    return tuple(signs)


def falls_in(hours: HoursCondition, moment: datetime) -> bool:
    """Whether a moment is within hours, by the clock of their time zone. An hour that the clock repeats in
    autumn counts twice, and one that it skips in spring never comes.
    """
    try:
        local = moment.astimezone(ZoneInfo(hours.time_zone))
    except OverflowError:  # the first or the last day that there is
        return False
    today, yesterday = _DAYS[local.weekday()], _DAYS[local.weekday() - 1]
    clock = f"{local:%H:%M}"
    if hours.starts == hours.ends:
        return today in hours.days
    if hours.starts < hours.ends:
        return today in hours.days and hours.starts <= clock < hours.ends
    return (today in hours.days and clock >= hours.starts) or (yesterday in hours.days and clock < hours.ends)


def forget() -> None:
    """Drop keywords and patterns from memory, after an erasure."""
    _terms_of.cache_clear()
    patterns.forget()


def _check(condition: Condition, sent: Sent, read_tone: ReadTone) -> Sign | None:
    match condition:
        case HoursCondition():
            return Sign(ConditionKind.HOURS) if falls_in(condition, sent.sent_at) else None
        case ChannelCondition():
            return _check_place(condition, sent.channel)
        case RecipientCondition():
            return _check_place(condition, sent.recipient)
        case KeywordCondition():
            found = _terms_of(tuple(condition.words)).find(sent.text)
            places = [Place(place.start, place.end) for place in found[:_MOST_PLACES]]
            return Sign(ConditionKind.KEYWORD, places) if places else None
        case PatternCondition():
            match = patterns.compile_pattern(condition.pattern, condition.ignores_case).search(sent.text)
            return Sign(ConditionKind.PATTERN, (Place(*match.span()),)) if match else None
        case ToneCondition():
            tone = read_tone()
            if tone is None or tone.harsh <= condition.harsh_above:
                return None
            return Sign(ConditionKind.TONE, tone.places[:_MOST_PLACES], tone.harsh)


def _check_place(condition: ChannelCondition | RecipientCondition, place: str | None) -> Sign | None:
    if place is None:
        return None
    folded = fold(place)
    is_named = any(fold(value) == folded for value in condition.values)
    begins = any(folded.startswith(fold(prefix)) for prefix in condition.prefixes)
    return Sign(condition.kind) if is_named or begins else None


@lru_cache(maxsize=_KEPT)
def _terms_of(words: tuple[str, ...]) -> Terms:
    return Terms(Term(term=word, rule=TermRule.KEEP) for word in words)
