"""The hidden taste of the simulated people: what they like about a rewrite, and how they would correct it.

The utility of a rewrite for a person is a weighted mean of its features:

    u = sum_k w_k s_k f_k / sum_k w_k s_k      each f_k in [0, 1], so u in [0, 1]
    s_k = exp(N(0, 0.4^2))                     drawn once for each person: how much feature k matters to them

| k         | w_k | f_k is 1 when the rewrite                                                            |
|-----------|-----|--------------------------------------------------------------------------------------|
| faithful  | 3   | keeps numbers, ids and names (0 when half are lost) and is about the message; a bare |
|           |     | copy is 0 above intensity 0                                                          |
| brief     | 1.5 | is at most 1.6 times as long as the message (structure 1.2, summarize 0.8); 0 at     |
|           |     | twice that                                                                           |
| asking    | 1.5 | asks or offers; 0.5 when it only states, or orders with "please"; 0 when it orders   |
| courteous | 1   | says please or thank you once or twice; 0.5 when more often, 0 when never            |
| plain     | 1   | has no padding and does not talk about itself; 0 at two such phrases                 |
| calm      | 0.5 | has no exclamation mark; 0 at two                                                    |
| laid out  | 1   | has three lines or more when structure was asked for, else four lines at most        |

Asking and courteous count only where the text addresses a person: in soften, clarify, terminology and
background, from intensity 1 on.

The taste was fixed before any training and is tuned on no model. It shares no code and no word list with the
rewards and metrics in `models`.
"""

import re
from dataclasses import dataclass

from data.records import TransformType


@dataclass(frozen=True, slots=True)
class Request:
    """A message with the requested transform type and intensity (0 to 3)."""

    text: str
    transform_type: TransformType
    intensity: int


_ADDRESSING_TYPES = {
    TransformType.SOFTEN,
    TransformType.CLARIFY,
    TransformType.TERMINOLOGY,
    TransformType.BACKGROUND,
}
_LENGTH_LIMITS = {TransformType.STRUCTURE: 1.2, TransformType.SUMMARIZE: 0.8}

# Padding, with the words that a plain writer uses instead.
_PADDING = {
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
_ORDER = re.compile(
    rf"(?P<name>[A-Z][\w'-]+,\s+)?(?:(?i:please\s+)(?P<plea>[a-z].*)"
    rf"|(?P<verb>(?i:{_VERB})\b(?:\s+(?:(?:{_OBJECT})\b|\W?[A-Z0-9]).*|(?:\s+\w+)?\W*$)))",
    re.DOTALL,
)
_OFFER = re.compile(r"\b(?:let's|i can|i could|we can|we could|i'd be glad|happy to)\b", re.IGNORECASE)
_REPROACH = re.compile(r"\W*(?:why|who|how could|seriously|really)\b", re.IGNORECASE)
_COURTEOUS = re.compile(r"\b(?:please|thanks?)\b", re.IGNORECASE)
_DETAIL = re.compile(r"\S*\d\S*|(?<=[a-z,;] )[A-Z][a-z]+")


def features(request: Request, rewrite: str) -> dict[str, float]:
    """The features f_k of a rewrite, in [0, 1], without those that do not apply to the request."""
    lines = [line for line in rewrite.splitlines() if line.strip()]
    length = len(rewrite.split()) / max(8, len(request.text.split()))
    padding = sum(len(pattern.findall(rewrite)) for pattern in _PADDING)
    is_structure = request.transform_type == TransformType.STRUCTURE
    values = {
        "faithful": _score_faithfulness(request, rewrite),
        "brief": _clip(2 - length / _length_limit(request)),
        "plain": _clip(1 - padding / 2),
        "calm": _clip(1 - rewrite.count("!") / 2),
        "laid out": _clip((len(lines) - 1) / 2) if is_structure else float(len(lines) <= 4),
    }
    if _addresses_somebody(request):
        courtesies = len(_COURTEOUS.findall(rewrite))
        values["asking"] = _score_asking(rewrite)
        values["courteous"] = 0.0 if not courtesies else 1.0 if courtesies <= 2 else 0.5
    return values


WEIGHTS = {
    "faithful": 3.0,
    "brief": 1.5,
    "asking": 1.5,
    "courteous": 1.0,
    "plain": 1.0,
    "calm": 0.5,
    "laid out": 1.0,
}


def utility(weights: dict[str, float], request: Request, rewrite: str) -> float:
    """The utility u of a rewrite for a person with these weights, in [0, 1]."""
    values = features(request, rewrite)
    return sum(weights[k] * f for k, f in values.items()) / sum(weights[k] for k in values)


def find_details(request: Request) -> list[str]:
    """The numbers, ids and names of the message, as written and without duplicates."""
    matches = (match.strip(".,;:!?()\"'") for match in _DETAIL.findall(request.text))
    return list(dict.fromkeys(detail for detail in matches if detail))


def find_lost_details(request: Request, rewrite: str) -> list[str]:
    """The details of the message that a rewrite does not contain."""
    return [detail for detail in find_details(request) if detail.casefold() not in rewrite.casefold()]


def correct(request: Request, rewrite: str) -> str:
    """Correct a rewrite by a few fixed operations, as a person would.

    Padding becomes plain words. A text that is not about the message is replaced by the message. Exclamation
    marks become full stops, repeated sentences go, and so do last sentences that only add length. Orders
    become questions, a request for structure gets lines, lost details return, and a thank-you is added.
    """
    text = rewrite
    for pattern, plain in _PADDING.items():
        text = pattern.sub(plain, text).strip()
    if not _is_about(request, text):
        text = request.text
    text = re.sub(r"!+", ".", text)
    lines = [list(dict.fromkeys(_split_sentences(line))) for line in text.splitlines() if line.strip()]
    if len(lines) == 1:
        lines = [_shorten(request, lines[0])]
    if _addresses_somebody(request):
        lines = [[_turn_into_question(sentence) for sentence in line] for line in lines]
    if request.transform_type == TransformType.STRUCTURE and len(lines) < 3:
        parts = _split_parts([sentence for line in lines for sentence in line])
        text = "\n".join(f"- {_capitalise(part)}" for part in parts)
    else:
        text = "\n".join(" ".join(map(_capitalise, line)) for line in lines)
    if missing := find_lost_details(request, text):
        body, end = (text[:-1], text[-1]) if text[-1:] in (".", "?") else (text, "")
        text = f"{body} ({', '.join(missing)}){end}"
    if _addresses_somebody(request) and not _COURTEOUS.search(text):
        text = f"{text} Thank you."
    return text


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))


def _length_limit(request: Request) -> float:
    """The length of a rewrite up to which it is brief, in lengths of the message."""
    return _LENGTH_LIMITS.get(request.transform_type, 1.6)


def _addresses_somebody(request: Request) -> bool:
    return request.transform_type in _ADDRESSING_TYPES and request.intensity > 0


def _find_stems(text: str) -> set[str]:
    return {word[:5] for word in re.findall(r"[a-z]{5,}", text.casefold())}


def _is_about(request: Request, rewrite: str) -> bool:
    """Whether a rewrite shares a tenth of the message's long words. In terminology it may replace all of
    them.
    """
    if request.transform_type == TransformType.TERMINOLOGY:
        return len(rewrite.split()) > 2
    stems = _find_stems(request.text)
    return len(stems & _find_stems(rewrite)) >= len(stems) / 10 and bool(rewrite.strip())


def _score_faithfulness(request: Request, rewrite: str) -> float:
    is_copy = rewrite.casefold().split() == request.text.casefold().split()
    if not _is_about(request, rewrite) or (is_copy and request.intensity > 0):
        return 0.0
    details = find_details(request)
    return _clip(1 - 2 * len(find_lost_details(request, rewrite)) / len(details)) if details else 1.0


def _split_sentences(text: str) -> list[str]:
    return [part for part in re.split(r"(?<=[.!?])\s+", text.strip()) if part]


def _split_parts(sentences: list[str]) -> list[str]:
    """The texts of the lines of a list: the sentences; their clauses when there are fewer than three."""
    if len(sentences) >= 3:
        return sentences
    return [part for sentence in sentences for part in re.split(r"[,;]\s+(?:and\s+)?", sentence) if part]


def _is_order(sentence: str) -> bool:
    return not sentence.endswith("?") and _ORDER.match(sentence) is not None


def _score_asking(rewrite: str) -> float:
    sentences = [sentence for line in rewrite.splitlines() for sentence in _split_sentences(line)]
    orders = [sentence for sentence in sentences if _is_order(sentence)]
    if any("please" not in order.casefold() for order in orders):
        return 0.0
    asks = any(sentence.endswith("?") and not _REPROACH.match(sentence) for sentence in sentences)
    return 1.0 if not orders and (asks or _OFFER.search(rewrite)) else 0.5


def _turn_into_question(sentence: str) -> str:
    """An order as a question. Other sentences, and orders with a second clause, stay as they are."""
    order = None if sentence.endswith("?") else _ORDER.match(sentence)
    if order is None or re.search(r";|:\s|\b(?:or|otherwise|not|don't)\b", sentence):
        return sentence
    name, action = order["name"] or "", (order["plea"] or order["verb"]).rstrip(". ")
    return f"{name}{'could' if name else 'Could'} you please {action[0].lower()}{action[1:]}?"


def _shorten(request: Request, sentences: list[str]) -> list[str]:
    """Drop the last statements of a text that exceeds 1.5 times its limit, unless a detail would be lost."""
    remaining = list(sentences)
    most_words = 1.5 * _length_limit(request) * max(8, len(request.text.split()))
    while len(remaining) > 1 and not remaining[-1].endswith("?"):
        text, shorter = " ".join(remaining), " ".join(remaining[:-1])
        if len(text.split()) <= most_words or not _is_about(request, shorter):
            break
        if find_lost_details(request, shorter) != find_lost_details(request, text):
            break
        remaining.pop()
    return remaining


def _capitalise(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
