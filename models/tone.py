"""Scores whether a rewrite did what its transform type asks for.

`move` measures how far the rewrite moved, by one formula for each transform type over the word lists of
`models.tone_words`. `tone_moved` combines `move` with signs that the rewrite still belongs to the message,
and gives the probability that a reader answers "yes, it did that". `models.tone_fit` fits the weights on the
training corpus and measures them on pairs that readers judged.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from data.records import TransformType
from models import facts
from models.scoring import (
    chatter,
    copy_rate,
    facts_kept,
    insult,
    length_ratio,
    repetition,
    sentences,
    words,
)
from models.tone_words import (
    ACCEPTED,
    COURTESY,
    EXPLICIT,
    HARSH,
    HEDGE,
    IMPERATIVE,
    JARGON,
    NEED,
    OPEN,
    REASON,
    SHARP,
    STOPWORDS,
)

WEIGHTS = Path(__file__).with_suffix(".json")

_ACRONYM = re.compile(
    r"(?<![\w#-])(?!(?:OK|I|A|EU|US|UK|HR|IT|CV|CVS|ID|AM|PM|TV|CEO|NOT|ASAP|FYI|PDF)\b)[A-Z][A-Za-z]{0,2}[A-Z]\w{0,3}s?\b(?!-\d)"
)
_GLOSS = re.compile(
    r"\(|\bcall(?:ed)?\b|\bknown as\b|\bthat is\b|\bmeaning\b|\bshort for\b|\bi\.e\.|\bnamed\b", re.IGNORECASE
)
_NEGATION = re.compile(
    r"\b(?:not|no|never|nobody|nothing|none|neither|nor|without|cannot|\w+n['’]t)\b", re.IGNORECASE
)
# A label has one to five words. Each word but the first needs a space before it. Without that, the pattern
# would try every split of a long word.
_LABEL = re.compile(r"^\W{0,4}\w[\w'’/&-]*(?:\s\w[\w'’/&-]*){0,4}\s?(?:\([^)]*\)\s?)?:(?:\s+\S|$)")
_ITEM = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+\S")


def _contents(text: str) -> set[str]:
    """Content words (no stopwords, three letters or more), cut to six letters so that inflections match."""
    return {word[:6] for word in words(text) if word not in STOPWORDS and len(word) > 2}


def _tone(text: str) -> tuple[float, float, float]:
    """Numbers of content words: in all sentences, in courteous sentences, in harsh sentences.

    A sentence counts as courteous once, however many polite words it has. A sentence with a sharp word or a
    bare imperative counts as half harsh. A sentence without content, as "Please, please, thank you", is
    ignored.
    """
    total = courteous = harsh = 0.0
    for sentence in sentences(text):
        content = len(_contents(COURTESY.sub(" ", sentence)))
        if content < 2:
            continue
        total += content
        courteous += content * (COURTESY.search(sentence) is not None)
        sharp = SHARP.search(sentence) or IMPERATIVE.match(sentence)
        harsh += content * (1.0 if HARSH.search(sentence) else 0.5 if sharp else 0.0)
    return total, courteous, harsh


def _soften(text: str, rewrite: str) -> float:
    total, courteous, harsh = _tone(text)
    total_after, courteous_after, harsh_after = _tone(rewrite)
    # Both harsh counts are divided by the message's size, so that padding the rewrite does not dilute it.
    harsh_removed = (harsh - harsh_after) / max(1.0, total)
    courteous_added = courteous_after / max(1.0, total_after) - courteous / max(1.0, total)
    return (harsh_removed + courteous_added) / 1.2


def _unexplained(text: str) -> int:
    """Number of different technical terms and acronyms without an explanation within 25 characters.

    Only the last occurrence of a term is examined.
    """
    terms = {match.group().lower(): match for match in [*JARGON.finditer(text), *_ACRONYM.finditer(text)]}
    return sum(
        _GLOSS.search(text[max(0, match.start() - 25) : match.end() + 25]) is None for match in terms.values()
    )


def _terminology(text: str, rewrite: str) -> float:
    before, after = _unexplained(text), _unexplained(rewrite)
    if before == 0:  # no listed term to explain, so rewording earns at most half a move
        return 0.5 * _reworded(text, rewrite) - after
    return (before - after) / before


def _unclear(text: str) -> float:
    """Points of unclarity: one for each vague word, one for every ten words of a sentence beyond 18, half a
    point for each unexplained term.
    """
    run_on = sum(max(0, len(sentence.split()) - 18) / 10 for sentence in sentences(text))
    return len(HEDGE.findall(text)) + run_on + 0.5 * _unexplained(text)


def _clarify(text: str, rewrite: str) -> float:
    before = _unclear(text)
    removed = (before - _unclear(rewrite)) / max(2.0, before)
    explicit = sum((p.search(rewrite) is not None) - (p.search(text) is not None) for p in EXPLICIT) / 2
    return 0.6 * removed + 0.4 * max(-1.0, min(1.0, explicit))


def _laid_out(text: str) -> float:
    """Layout score: 0 for one paragraph, up to 1 for three or more labelled or listed lines."""
    lines = [line for line in text.splitlines() if line.strip()]
    marked = sum(bool(_LABEL.match(line) or _ITEM.match(line)) for line in lines)
    return min(1.0, (len(lines) - 1) / 2) * (0.4 + 0.6 * marked / max(1, len(lines)))


def _structure(text: str, rewrite: str) -> float:
    return _laid_out(rewrite) - _laid_out(text)


def _summarize(text: str, rewrite: str) -> float:
    if len(words(rewrite)) < 3:
        return -1.0
    shorter = 1 - length_ratio(text, rewrite)
    return shorter / 0.6 * (facts_kept(text, rewrite) if shorter > 0 else 1.0)


def _specified(text: str) -> float:
    """Share of the three kinds (need, acceptance, open point) that sentences of three or more words state."""
    full = [sentence for sentence in sentences(text) if len(sentence.split()) >= 3]
    return sum(any(p.search(sentence) for sentence in full) for p in (NEED, ACCEPTED, OPEN)) / 3


def _requirements(text: str, rewrite: str) -> float:
    return (_specified(rewrite) - _specified(text)) / 0.67


def _count_reasons(text: str) -> float:
    """Number of kinds of reason that a text gives."""
    return sum(pattern.search(text) is not None for pattern in REASON)


def _added(text: str, rewrite: str) -> float:
    """Content words that only the rewrite has, at most eight, / 8."""
    return min(1.0, len(_contents(rewrite) - _contents(text)) / 8)


def _reworded(text: str, rewrite: str) -> float:
    """Content words of the message that were replaced by others, at most five, / 5."""
    before, after = _contents(text), _contents(rewrite)
    return min(1.0, min(len(before - after), len(after - before)) / 5)


def _background(text: str, rewrite: str) -> float:
    reasons = (_count_reasons(rewrite) - _count_reasons(text)) / 2
    if reasons > 0:
        return 0.6 * min(1.0, reasons) + 0.4 * _added(text, rewrite)
    return 0.6 * max(-1.0, reasons) + (0.4 * _reworded(text, rewrite) if _count_reasons(rewrite) else 0.0)


_MOVES: dict[TransformType, Callable[[str, str], float]] = {
    TransformType.SOFTEN: _soften,
    TransformType.CLARIFY: _clarify,
    TransformType.STRUCTURE: _structure,
    TransformType.SUMMARIZE: _summarize,
    TransformType.TERMINOLOGY: _terminology,
    TransformType.REQUIREMENTS: _requirements,
    TransformType.BACKGROUND: _background,
}


# Share of a full move that intensity 0, 1, 2, 3 asks for, close to the reference rewrites of the seed corpus.
_TARGET_MOVES = (0.4, 0.6, 0.8, 1.0)


def move(text: str, rewrite: str, transform_type: TransformType) -> float:
    """How far the rewrite moved in its transform type's direction, in [-1, 1]; a copy scores 0.

    soften        (harsh content words removed / content words of the message + rise of the courteous share)
                  / 1.2; a word is harsh or courteous when its sentence is
    clarify       0.6 * share of vague words, long sentences and unexplained terms removed
                  + 0.4 * newly explicit kinds (request, question, what is not known, list), two at most
    structure     rise of min(1, (lines - 1) / 2) * (0.4 + 0.6 * share of lines that are labelled or listed)
    summarize     words saved / 60 % of the words * facts kept
    terminology   share of technical terms and acronyms that were replaced or explained next to the term;
                  without any, 0.5 * content words replaced by others, five at most
    requirements  rise of stated kinds (need, acceptance, open point); two of three are a full move
    background    0.6 * new kinds of reason, two at most
                  + 0.4 * new content words, eight at most (replaced words, five at most, without a new
                  reason)

    Every part is capped, is a share, or counts a kind once, so that neither length nor a pile of polite words
    scores. It cannot see whether a reason, requirement or explanation is true, a softer word outside the
    lists, or a label that does not fit.
    """
    return max(-1.0, min(1.0, _MOVES[transform_type](text, rewrite)))


def features(
    text: str, rewrite: str, transform_type: TransformType, intensity: int, meaning: float
) -> dict[str, float]:
    """The inputs of the probability by name. `meaning` is `scoring.meaning` of the two texts.

    reached    `move` / the move that the intensity asks for, in [-1, 1]
    meaning    cosine of the embeddings
    copied     copy rate
    invented   share of the rewrite's content words that are not in the message
    dropped    share of the message's content words that are not in the rewrite
    repeated   repetition
    lost       share of the message's facts that are not in the rewrite
    strange    share of the rewrite's facts that are not in the message
    negations  absolute difference of the numbers of negations, two at most
    question   1 when only the rewrite has a question mark, -1 when only the message has one
    length     logarithm of the length ratio, in [-2, 2]

    and an indicator of the transform type, alone and multiplied by `reached` and by `invented`, whose weights
    differ by type.
    """
    before, after = _contents(text), _contents(rewrite)
    rewrite_facts = [fact for _, fact in facts.extract(rewrite)]
    reached = max(-1.0, min(1.0, move(text, rewrite, transform_type) / _TARGET_MOVES[intensity]))
    invented = len(after - before) / max(1, len(after))
    return {
        "reached": reached,
        "meaning": meaning,
        "copied": copy_rate(text, rewrite),
        "invented": invented,
        "dropped": len(before - after) / max(1, len(before)),
        "repeated": repetition(rewrite),
        "lost": 1 - facts_kept(text, rewrite),
        "strange": len(facts.lost(rewrite_facts, text)) / max(1, len(rewrite_facts)),
        "negations": min(2.0, abs(len(_NEGATION.findall(text)) - len(_NEGATION.findall(rewrite)))),
        "question": float("?" in rewrite) - float("?" in text),
        "length": max(-2.0, min(2.0, math.log(max(0.01, length_ratio(text, rewrite))))),
        f"is_{transform_type}": 1.0,
        f"reached_{transform_type}": reached,
        f"invented_{transform_type}": invented,
    }


@cache
def _read_weights() -> Mapping[str, float]:
    weights: dict[str, float] = json.loads(WEIGHTS.read_text(encoding="utf-8"))["weights"]
    return weights


def probability(weights: Mapping[str, float], values: Mapping[str, float]) -> float:
    """logistic(intercept + sum of weight * feature value); a feature without a weight is ignored."""
    return 1 / (1 + math.exp(-weights["intercept"] - sum(weights.get(k, 0.0) * v for k, v in values.items())))


def tone_moved(
    text: str, rewrite: str, transform_type: TransformType, intensity: int, meaning: float
) -> float:
    """The probability that a reader says the rewrite did what was asked, in [0, 1]; see `features`.

    `meaning` is `scoring.meaning` of the two texts. `tone.json` has the weights and their measured accuracy.
    A larger move than the intensity asks for is not penalised; `scoring.monotone` measures that.
    """
    return probability(_read_weights(), features(text, rewrite, transform_type, intensity, meaning))


_USUAL_MEANING = 0.85  # mean `scoring.meaning` of rewrites by a tuned model


def rule_score(text: str, rewrite: str, transform_type: TransformType, intensity: int) -> float:
    """A score without an embedding model, in [0, 1]: 0 for chatter or an insult, otherwise
    `tone_moved` at the usual meaning * (1 - repetition).

    Facts are not part of it: callers compare facts first.
    """
    if chatter(text, rewrite) or insult(text, rewrite):
        return 0.0
    moved = tone_moved(text, rewrite, transform_type, intensity, _USUAL_MEANING)
    return moved * (1 - repetition(rewrite))
