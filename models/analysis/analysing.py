"""Analyses a message: how it will be read, by which of its words, and which rewrite would help."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from data.records import TransformType
from models.analysis import features, findings, levels, prose, requests, words
from models.analysis.aspects import HELPS
from models.analysis.findings import VAGUE, Finding, FindingKind
from models.analysis.prose import Prose

_ASPECTS = ("tone", "directness", "clarity", "priority")
# The words that show a level. A level without any needs none: nobody can point at what is neutral.
SHOWN_BY: Mapping[tuple[str, str], tuple[FindingKind, ...]] = {
    ("tone", "harsh"): (FindingKind.HURTS, FindingKind.ORDER),
    ("tone", "curt"): (FindingKind.ORDER, FindingKind.HURTS),
    ("tone", "warm"): (FindingKind.COURTESY,),
    ("directness", "softened"): (FindingKind.HEDGE, FindingKind.COURTESY),
    ("directness", "direct"): (FindingKind.ORDER,),
    ("directness", "hidden"): (FindingKind.HEDGE, *VAGUE),
    ("clarity", "hard"): (FindingKind.TERM, *VAGUE, FindingKind.LONG_SENTENCE, FindingKind.PASSIVE),
    ("priority", "urgent"): (FindingKind.URGENT, FindingKind.DEADLINE),
    ("priority", "normal"): (FindingKind.DEADLINE,),
}
# The words for which a rewrite helps; one without any stands for the message as a whole.
_HELPS_WITH: Mapping[TransformType, tuple[FindingKind, ...]] = {
    TransformType.SOFTEN: (FindingKind.HURTS, FindingKind.ORDER),
    TransformType.CLARIFY: (*VAGUE, FindingKind.PASSIVE),
    TransformType.STRUCTURE: (FindingKind.LONG_SENTENCE,),
    TransformType.SUMMARIZE: (FindingKind.LONG_SENTENCE,),
    TransformType.TERMINOLOGY: (FindingKind.TERM,),
    TransformType.REQUIREMENTS: (),
    TransformType.BACKGROUND: (),
}
# These change certain words, so without such words there is nothing to suggest.
_NEEDS_WORDS = frozenset({TransformType.SOFTEN, TransformType.CLARIFY, TransformType.TERMINOLOGY})
# The usual level of an aspect, and from which probability on a rarer one is named instead, though the usual
# one is likelier. These and the next number were chosen on the development half (docs/analysis.md).
RARER: Mapping[str, tuple[str, Mapping[str, float]]] = {
    "tone": ("neutral", {"curt": 0.25, "warm": 0.3}),
    "priority": ("normal", {"urgent": 0.3, "none": 0.35}),
}
LEAST = 0.35  # probability of a suggestion
_MOST_SUGGESTIONS = 3


class Level(NamedTuple):
    """The level of an aspect, the probability of each, and the findings that show it, by index."""

    level: str
    probabilities: Mapping[str, float]
    because: tuple[int, ...]


class Suggestion(NamedTuple):
    """A rewrite that would help, the probability that a reader says so, and the findings with which it
    helps.
    """

    transform_type: TransformType
    probability: float
    because: tuple[int, ...]


class Analysis(NamedTuple):
    """What a message does; nothing is found in one whose language is unknown."""

    language: str | None
    aspects: Mapping[str, Level]
    findings: Sequence[Finding]
    suggestions: Sequence[Suggestion]


def analyse(message: str, today: date) -> Analysis:
    """The analysis of a message; deadlines get their dates from `today` on. Nothing is random, and the time
    is linear in the length.
    """
    read = prose.read(message)
    language = prose.language_of(read)
    if language is None:
        return Analysis(None, {}, (), ())
    found = findings.find(read, today)
    estimates = levels.estimate(language, features.compute(read, found))
    if _choose("tone", estimates["tone"]) == "harsh":
        found = findings.add_hurting(read, found)
    aspects = {aspect: _level(aspect, estimates[aspect], found) for aspect in _ASPECTS}
    aspects["priority"] = _by_words(aspects["priority"], read, found)
    return Analysis(language, aspects, found, _suggest(estimates, found))


def _indices(found: Sequence[Finding], kinds: Sequence[FindingKind]) -> tuple[int, ...]:
    return tuple(index for index, finding in enumerate(found) if finding.kind in kinds)


def _choose(aspect: str, probabilities: Mapping[str, float]) -> str:
    """The level that is named: the likeliest, or a rare one instead of the usual one."""
    likeliest = max(probabilities, key=lambda name: probabilities[name])
    usual, rarer = RARER.get(aspect, ("", {}))
    if likeliest != usual:
        return likeliest
    likely = [name for name, least in rarer.items() if probabilities.get(name, 0.0) >= least]
    return max(likely, key=lambda name: probabilities[name], default=usual)


def _level(aspect: str, probabilities: Mapping[str, float], found: Sequence[Finding]) -> Level:
    level = _choose(aspect, probabilities)
    return Level(level, probabilities, _indices(found, SHOWN_BY.get((aspect, level), ())))


def _by_words(priority: Level, read: Prose, found: Sequence[Finding]) -> Level:
    """The priority, urgent or low instead of normal where words say so plainly. Readers called 2 of 300
    messages low, too few for a probability.
    """
    if priority.level != "normal":
        return priority
    if words.find("presses", read) and any(requests.asks(read, sentence) for sentence in read.sentences):
        return Level("urgent", priority.probabilities, _indices(found, SHOWN_BY["priority", "urgent"]))
    if because := _indices(found, (FindingKind.NO_RUSH,)):
        return Level("low", priority.probabilities, because)
    return priority


def _suggest(
    estimates: Mapping[str, Mapping[str, float]], found: Sequence[Finding]
) -> tuple[Suggestion, ...]:
    suggestions = [
        Suggestion(kind, estimates[name]["yes"], _indices(found, _HELPS_WITH[kind]))
        for kind, name in HELPS.items()
        if name in estimates
    ]
    helpful = (
        each
        for each in suggestions
        if each.probability >= LEAST and (each.because or each.transform_type not in _NEEDS_WORDS)
    )
    return tuple(sorted(helpful, key=lambda each: -each.probability)[:_MOST_SUGGESTIONS])
