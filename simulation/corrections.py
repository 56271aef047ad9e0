"""How a person corrects a rewrite: by a few fixed operations.

Padding becomes plain words, exclamation marks become full stops, and repeated sentences go. Then they do
what was requested, as far as it needs no knowledge of the subject: orders become questions and a thank-you is
added (soften), the sentences become the lines of a list (structure), chat goes (summarize), what is not said
is named (clarify, background). When the rewrite is still wrong after that, they start again from their own
message.
"""

import re

from data.records import TransformType
from simulation.reading import read
from simulation.taste import (
    COURTEOUS,
    ORDER,
    PADDING,
    Request,
    is_softened,
    is_wrong,
    measure_length,
    split_sentences,
)

_CHAT_LENGTH = 0.8  # a summary that is longer loses its chat
_JAPANESE_ORDER = re.compile(r"([てで])(?:ください)?([。！!]|$)")
_REASON = re.compile(r"\b(?:because|since|as|so|due|reason)\b|ため|ので|から|理由", re.IGNORECASE)
_TIME = re.compile(
    r"\d|\b(?:today|tomorrow|now|soon|(?:mon|tues|wednes|thurs|fri|satur|sun)day|week|month|asap)\b|今|明|週|月|日",
    re.IGNORECASE,
)


def correct(request: Request, rewrite: str) -> str:
    """Correct a rewrite as a person would who knows only their own message."""
    corrected = _polish(request, rewrite)
    return _polish(request, request.text) if is_wrong(request, corrected) else corrected


def _clean(text: str) -> str:
    """A text without padding, exclamation marks and repeated sentences."""
    for pattern, plain in PADDING.items():
        text = pattern.sub(plain, text).strip()
    text = re.sub(r"[!！]+", lambda match: "。" if match[0][0] == "！" else ".", text)
    lines = [dict.fromkeys(split_sentences(line)) for line in text.splitlines() if line.strip()]
    return "\n".join(_join(list(line)) for line in lines)


def _polish(request: Request, text: str) -> str:
    lines = [split_sentences(line) for line in _clean(text).splitlines()]
    kind, wants = request.transform_type, request.intensity > 0
    if is_softened(request):
        lines = [[_turn_into_question(sentence) for sentence in line] for line in lines]
    if kind == TransformType.SUMMARIZE and wants and measure_length(request, text) > _CHAT_LENGTH:
        lines = [kept for line in lines if (kept := [part for part in line if not _is_chat(part)])] or lines
    if kind == TransformType.STRUCTURE and len(lines) < 3:
        parts = _split_parts([sentence.lstrip("-•*・ ") for line in lines for sentence in line])
        text = "\n".join(f"- {_capitalise(part)}" for part in parts)
    else:
        text = "\n".join(_join([_capitalise(sentence) for sentence in line]) for line in lines)
    japanese = read(request.text).is_japanese
    if is_softened(request) and not COURTEOUS.search(text):
        text = _join([text, "よろしくお願いいたします。" if japanese else "Thank you."])
    if wants and kind == TransformType.BACKGROUND and not _REASON.search(text):
        text = _join([text, "理由は記載がありません。" if japanese else "The reason is not stated."])
    if (
        wants
        and kind == TransformType.CLARIFY
        and not _TIME.search(text)
        and not re.search("stated|記載", text)
    ):
        text = _join([text, "（期限は記載なし）" if japanese else "(By when is not stated.)"])
    return text


def _join(sentences: list[str]) -> str:
    joined = ""
    for sentence in filter(None, sentences):
        gap = "" if not joined or joined[-1] in "。？）" else " "
        joined += gap + sentence
    return joined


def _is_chat(sentence: str) -> bool:
    """Whether a sentence asks for nothing, denies nothing and has no detail."""
    reading = read(sentence)
    return not any(
        clause.is_request or clause.is_duty or clause.is_negative for clause in reading.clauses
    ) and not any(word.is_detail for word in reading.words)


def _split_parts(sentences: list[str]) -> list[str]:
    """The texts of the lines of a list: the sentences; their clauses when there are fewer than three."""
    if len(sentences) >= 3:
        return sentences
    return [part for sentence in sentences for part in re.split(r"[,;]\s+(?:and\s+)?|、", sentence) if part]


def _turn_into_question(sentence: str) -> str:
    """An order as a question. Other sentences, and orders with a second clause, stay as they are."""
    if read(sentence).is_japanese:
        return _JAPANESE_ORDER.sub(r"\1いただけますか\2", sentence)
    order = None if sentence.endswith("?") else ORDER.match(sentence)
    if order is None or re.search(r";|:\s|\b(?:or|otherwise|not|don't)\b", sentence):
        return sentence
    name, action = order["name"] or "", (order["plea"] or order["verb"]).rstrip(". ")
    return f"{name}{'could' if name else 'Could'} you please {action[0].lower()}{action[1:]}?"


def _capitalise(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
