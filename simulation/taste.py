"""The hidden taste of the simulated people: how much a person likes a rewrite.

The utility of a rewrite is the mean of its style, times what its faults leave of it:

    u = m exp(-sum_k v_k s_k (1 - f_k))            k over the faults
    m = sum_k w_k s_k f_k / sum_k w_k s_k          k over the style

Each f_k is in [0, 1], so u is, too. s_k = exp(N(0, 0.4^2)) is drawn once for each person: how much k matters
to them. `simulation.faults` finds the faults:

| fault            | v_k | f_k is 1 when                                                                    |
|------------------|-----|----------------------------------------------------------------------------------|
| points           | 2   | each clause of the message is there, most of its words in one place; a summary   |
|                  |     | may drop chat                                                                    |
| requests         | 1.5 | requests are still requests, and none is new                                     |
| sense            | 1.5 | no negation, condition (unless, until, before) or comparison is turned or gone   |
| roles            | 1.5 | I, you and they do, own and get what they did                                    |
| facts            | 1.5 | numbers, ids and names are there, none new, beside the words they stood beside   |
| nothing invented | 1.5 | no reason, feeling, party or sentence is new; notes in brackets may be           |
| whole            | 2   | it is a text in the message's language, without loops, placeholders or a cut end |
| changed          | 1.25 | it does what was requested and is no copy (from intensity 1 on)                  |

| style            | w_k | f_k is 1 when                                                                    |
|------------------|-----|----------------------------------------------------------------------------------|
| brief            | 1.5 | it is at most as long as its type needs (`_LENGTH_LIMITS`); 0 at twice that      |
| asking           | 1.5 | it asks or offers; 0.5 when it only states, or orders with "please"; 0 when it   |
|                  |     | orders                                                                           |
| courteous        | 1   | it says please or thank you once or twice; 0.5 when more often, 0 when never     |
| plain            | 1   | it has no padding and does not talk about itself; 0 at two such phrases          |
| calm             | 0.5 | it has no exclamation mark; 0 at two                                             |
| laid out         | 1   | it has three lines or more in structure and requirements, else few more than the |
|                  |     | message                                                                          |

Asking and courteous count in soften, from intensity 1 on.

The taste shares no code and no word list with the rewards and metrics in `models`, and imports nothing from
there. Its rules and weights were set on one half of the labelled messages; `simulation.taste_report` measures
it on the other half.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from data.records import TransformType
from simulation.faults import compare
from simulation.reading import read

FAULTS = {
    "points": 2.0,
    "requests": 1.5,
    "sense": 1.5,
    "roles": 1.5,
    "facts": 1.5,
    "nothing invented": 1.5,
    "whole": 2.0,
    "changed": 1.25,
}
STYLE = {"brief": 1.5, "asking": 1.5, "courteous": 1.0, "plain": 1.0, "calm": 0.5, "laid out": 1.0}
WEIGHTS = FAULTS | STYLE
BAR = 0.5  # the utility at which half of the people give a thumb up


@dataclass(frozen=True, slots=True)
class Request:
    """A message with the requested transform type and intensity (0 to 3)."""

    text: str
    transform_type: TransformType
    intensity: int


# The length up to which a rewrite is brief, in lengths of the message. Explanations take room.
_LENGTH_LIMITS = {
    TransformType.SOFTEN: 2.0,
    TransformType.CLARIFY: 2.5,
    TransformType.STRUCTURE: 1.5,
    TransformType.SUMMARIZE: 1.0,
    TransformType.TERMINOLOGY: 3.5,
    TransformType.REQUIREMENTS: 2.0,
    TransformType.BACKGROUND: 3.0,
}
_LISTED_TYPES = {TransformType.STRUCTURE, TransformType.REQUIREMENTS}
_FEW_LINES = {TransformType.SOFTEN: 4, TransformType.SUMMARIZE: 4, TransformType.TERMINOLOGY: 4}
_MANY_LINES = 10

# Padding, with the words that a plain writer uses instead.
PADDING = {
    re.compile(pattern, re.IGNORECASE): plain
    for pattern, plain in {
        r"\bi hope (?:that )?(?:this|my) (?:message|e-?mail|note) (?:finds|reaches) you[^.!\n]*[.!]?": "",
        r"\bplease be (?:advised|informed|aware)(?: that)?": "",
        r"\bit has come to (?:my|our) attention that": "",
        r"\bat your earliest convenience": "soon",
        r"\bdue to the fact that": "because",
        r"\bin order to": "to",
        r"\b(?:with regards? to|pertaining to)": "about",
        r"\bprior to": "before",
        r"\bplease (?:do not|don't) hesitate to": "please",
        r"\bi would like to take this opportunity to": "let me",
        r"^(?:sure|certainly|of course|absolutely)[,!.]+\s*": "",
        r"^(?:here is|here's|below is)\b[^:\n]{0,80}:\s*": "",
        r"[^.!?\n]*\b(?:as an ai|language model|ai assistant)\b[^.!?\n]*[.!?]?": "",
        r"^(?:rewritten|rewrite|revised|output)\b[^:\n]{0,40}:\s*": "",
    }.items()
}

# An order starts with a verb or with "please", perhaps after a name ("Ravi, fix it."). An object follows the
# verb: "Test the fix" is an order, "Test data is missing" is not.
_VERB = (
    "add|answer|approve|ask|attach|book|bring|call|cancel|change|check|clean|close|confirm|deliver|do|drop|explain"
    "|fill|find|finish|fix|get|give|keep|look|make|merge|move|open|pay|pick|pull|push|put|read|remove|reply"
    "|reset|resend|restart|revert|review|run|send|set|share|show|split|start|stop|submit|take|tell|test|turn|update"
    "|upload|use|wait|write"
)
_OBJECT = (
    "the|an?|it|them|this|that|these|those|your|my|our|me|us|him|her|all|to|at|for|with|up|off|out|[a-z]+ing"
)
ORDER = re.compile(
    rf"(?P<name>[A-Z][\w'-]+,\s+)?(?:(?i:please\s+)(?P<plea>[a-z].*)"
    rf"|(?P<verb>(?i:{_VERB})\b(?:\s+(?:(?:{_OBJECT})\b|\W?[A-Z0-9]).*|(?:\s+\w+)?\W*$)))",
    re.DOTALL,
)
_OFFER = re.compile(r"\b(?:let's|i can|i could|we can|we could|i'd be glad|happy to)\b", re.IGNORECASE)
_REPROACH = re.compile(r"\W*(?:why|who|how could|seriously|really)\b", re.IGNORECASE)
_JAPANESE_ORDER = re.compile(r"(?:しろ|せよ|やれ|出せ|[てで])[。！!]?$")
_JAPANESE_QUESTION = re.compile(r"(?:か|でしょうか|幸いです|助かります|お願い(?:いた)?します)[。？?]?$")
COURTEOUS = re.compile(
    r"\b(?:please|thanks?)\b|ください|お願い|ありがとう|恐れ入り|お手数|いただけ|幸い|助かります",
    re.IGNORECASE,
)


def features(request: Request, rewrite: str) -> dict[str, float]:
    """The features f_k of a rewrite, in [0, 1], without those that do not apply to the request."""
    kind = request.transform_type
    lines = [line for line in rewrite.splitlines() if line.strip()]
    padding = sum(len(pattern.findall(rewrite)) for pattern in PADDING)
    most_lines = _FEW_LINES.get(kind, _MANY_LINES) + request.text.strip().count("\n")
    values = compare(kind, request.intensity, request.text, rewrite) | {
        "brief": _clip(2 - measure_length(request, rewrite) / _LENGTH_LIMITS[kind]),
        "plain": _clip(1 - padding / 2),
        "calm": _clip(1 - (rewrite.count("!") + rewrite.count("！")) / 2),
        "laid out": _clip((len(lines) - 1) / 2) if kind in _LISTED_TYPES else float(len(lines) <= most_lines),
    }
    if is_softened(request):
        courtesies = len(COURTEOUS.findall(rewrite))
        values["asking"] = _score_asking(rewrite)
        values["courteous"] = 0.0 if not courtesies else 1.0 if courtesies <= 2 else 0.5
    return values


def utility(weights: Mapping[str, float], request: Request, rewrite: str) -> float:
    """The utility u of a rewrite for a person with these weights, in [0, 1]."""
    values = features(request, rewrite)
    style = [key for key in STYLE if key in values]
    mean = sum(weights[key] * values[key] for key in style) / sum(weights[key] for key in style)
    return mean * math.exp(-sum(weights[key] * (1 - values[key]) for key in FAULTS))


def is_wrong(request: Request, rewrite: str) -> bool:
    """Whether the faults of a rewrite, other than that it is a copy, push a mean person below the bar."""
    values = compare(request.transform_type, request.intensity, request.text, rewrite)
    return sum(FAULTS[key] * (1 - values[key]) for key in FAULTS if key != "changed") > -math.log(BAR)


def measure_length(request: Request, rewrite: str) -> float:
    """The length of a rewrite, in lengths of the message, both without grammatical words."""
    return len(read(rewrite).words) / max(6, len(read(request.text).words))


def is_softened(request: Request) -> bool:
    """Whether the request is about how the message addresses its recipient."""
    return request.transform_type == TransformType.SOFTEN and request.intensity > 0


def split_sentences(text: str) -> list[str]:
    """The sentences of a line."""
    return [part for part in re.split(r"(?<=[.!?])\s+|(?<=[。！？])\s*", text.strip()) if part]


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))


def _score_asking(rewrite: str) -> float:
    sentences = [sentence for line in rewrite.splitlines() for sentence in split_sentences(line)]
    orders = [
        sentence
        for sentence in sentences
        if (ORDER.match(sentence) and not sentence.endswith("?")) or _JAPANESE_ORDER.search(sentence)
    ]
    if any("please" not in order.casefold() for order in orders):
        return 0.0
    asks = any(
        (sentence.endswith("?") and not _REPROACH.match(sentence)) or _JAPANESE_QUESTION.search(sentence)
        for sentence in sentences
    )
    return 1.0 if not orders and (asks or _OFFER.search(rewrite)) else 0.5
