"""How a message will be read, as the page shows it: levels, words by what they do, and what would help."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from data.reasons import Reason
from serving.sites.words import Words

ASPECTS = {"tone": "Tone", "directness": "Directness", "clarity": "Clarity", "priority": "Priority"}
LEVELS: Mapping[str, Mapping[str, str]] = {
    "tone": {"harsh": "Harsh", "curt": "Short or cold", "neutral": "Neutral", "warm": "Warm"},
    "directness": {
        "direct": "Says it directly",
        "softened": "Says it with care",
        "hidden": "Only hints",
        "none": "Asks for nothing",
    },
    "clarity": {"clear": "Clear to outsiders", "hard": "Hard for outsiders"},
    "priority": {"urgent": "Urgent", "normal": "Not urgent", "low": "Can wait", "none": "Nobody has to act"},
}
# How likely a reader is to give a level, from which probability on.
_LIKELY: Sequence[tuple[float, str]] = ((0.9, "very likely"), (0.5, "likely"))
# A rarer level is named although the usual one is likelier (docs/analysis.md), for one of two reasons.
_BY_WORDS, _BY_SOME = "perhaps: some of its words say so", "perhaps: some readers would say so"
NAMES = frozenset(
    {
        *ASPECTS.values(),
        *(name for levels in LEVELS.values() for name in levels.values()),
        _BY_WORDS,
        _BY_SOME,
        *(name for _, name in _LIKELY),
    }
)
_NEED_A_LOOK = {("tone", "harsh"), ("tone", "curt"), ("directness", "hidden"), ("clarity", "hard")}
# Words that are good, or usual, where they show no level.
_ONLY_WHERE_THEY_COUNT = ("courtesy", "order", "passive")
_MOST_GROUPS, _MOST_WORDS = 12, 6
_LONGEST_QUOTED = 90  # characters


class Aspect(NamedTuple):
    """An aspect, its level, and how certain that is, by their English names."""

    name: str
    level: str
    certainty: str
    needs_a_look: bool
    reason: Reason


class Quoted(NamedTuple):
    """Words of the message with their place in it, in characters; long ones are cut for display."""

    start: int
    end: int
    text: str


class Group(NamedTuple):
    """What some words do, and these words; `more` are not shown."""

    reason: Reason
    words: Sequence[Quoted]
    more: int


class Suggestion(NamedTuple):
    """A transform type that would help, and why."""

    transform_type: str
    reason: Reason


class Reading(NamedTuple):
    """How a message will be read. Without aspects its language is unknown."""

    aspects: Sequence[Aspect]
    groups: Sequence[Group]
    suggestions: Sequence[Suggestion]


def from_analysis(analysis: Any, words: Words) -> Reading:
    """The reading of an analysis of the gateway, with dates as its reader writes them."""
    levels = {name: analysis[name] for name in ASPECTS if analysis[name] is not None}
    shown_by = {index for level in levels.values() for index in level["because"]}
    groups: dict[str, tuple[Reason, list[Any]]] = {}
    for index, finding in enumerate(analysis["findings"]):
        if finding["kind"] not in _ONLY_WHERE_THEY_COUNT or index in shown_by:
            reason = _with_day(Reason(**finding["reason"]), finding["due_on"], words)
            groups.setdefault(reason.model_dump_json(), (reason, []))[1].append(finding)
    return Reading(
        [_aspect(name, level) for name, level in levels.items()],
        [_group(*group) for group in list(groups.values())[:_MOST_GROUPS]],
        [Suggestion(each["transform_type"], Reason(**each["reason"])) for each in analysis["suggestions"]],
    )


def _aspect(name: str, level: Any) -> Aspect:
    words = LEVELS[name].get(level["level"], level["level"])
    needs_a_look = (name, level["level"]) in _NEED_A_LOOK
    return Aspect(ASPECTS[name], words, _certainty(level), needs_a_look, Reason(**level["reason"]))


def _certainty(level: Any) -> str:
    probability = level["probabilities"].get(level["level"], 0)
    unlikely = _BY_WORDS if level["because"] else _BY_SOME
    return next((name for least, name in _LIKELY if probability >= least), unlikely)


def _with_day(reason: Reason, due_on: str | None, words: Words) -> Reason:
    """The reason of a finding; that of a deadline has its date in the reader's form."""
    if due_on is None:
        return reason
    return Reason(code=reason.code, values={**reason.values, "date": words.day(date.fromisoformat(due_on))})


def _group(reason: Reason, findings: Sequence[Any]) -> Group:
    quoted = [Quoted(each["start"], each["end"], _cut(each["text"])) for each in findings]
    return Group(reason, quoted[:_MOST_WORDS], max(0, len(quoted) - _MOST_WORDS))


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_QUOTED else f"{text[:_LONGEST_QUOTED]}…"
