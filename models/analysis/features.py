"""What the levels of a message are computed from: numbers of findings and of words, all bounded."""

import math
import re
from collections import Counter
from collections.abc import Sequence

from models.analysis import hurting, requests, words
from models.analysis.findings import Finding, FindingKind
from models.analysis.prose import Prose

_MOST = 4  # of a kind; more of them say nothing new
_CAPITALS = re.compile(r"(?<![\w-])[A-Z]{4,}(?![\w-])", re.ASCII)
_ITEM = re.compile(r"(?m)^\s*(?:[-*•・]|\d{1,2}[.)])\s")
_NAME_AT_END = re.compile(r", [A-Z][a-z]{1,15}(?=[.!?](?:\s|$)|$)")
_YOU = re.compile(r"(?<![\w'])you(?:r|rs|'\w+)?(?![\w])", re.ASCII)
_I = re.compile(r"(?<![\w'])i(?:'\w+)?(?![\w])", re.ASCII)


def compute(prose: Prose, found: Sequence[Finding]) -> dict[str, float]:
    """The features of a message by name, each between 0 and about 5."""
    text = prose.text
    texts = [text[sentence.start : sentence.end] for sentence in prose.sentences]
    sizes = [_size(each) for each in texts]
    size = sum(sizes)
    counts = Counter(finding.kind for finding in found)
    per_sentence = 1 / max(1, len(texts))
    values = {f"n_{kind}": float(min(_MOST, counts[kind])) for kind in FindingKind}
    values |= {f"any_{kind}": float(counts[kind] > 0) for kind in FindingKind}
    values |= {
        f"n_{name}": float(min(_MOST, len(words.find(name, prose))))
        for name in ("please", "need", "reason", "asks")
    }
    probabilities = [hurting.probability(each) for each in texts]
    asking = sum(requests.asks(prose, sentence) for sentence in prose.sentences)
    questions = sum(requests.is_question(prose, sentence) for sentence in prose.sentences)
    values |= {
        "any_asks": float(asking > 0),
        "asks_share": 2 * asking * per_sentence,
        "any_question": float(questions > 0),
        "wants_something": float(asking + questions > 0),
        "plans": float(any(requests.plans(prose, sentence) for sentence in prose.sentences)),
        "names_at_end": float(min(_MOST, len(_NAME_AT_END.findall(text)))),
        "urgent_and_asks": float(counts[FindingKind.URGENT] > 0 and asking > 0),
        "size": math.log1p(size),
        "sentences": math.log1p(len(texts)),
        "mean_sentence": size * per_sentence / 10,
        "longest_sentence": max(sizes, default=0.0) / 20,
        "hurting": 4 * max(probabilities, default=0.0),
        "hurting_share": 4 * sum(probabilities) * per_sentence,
        "orders_share": 2 * counts[FindingKind.ORDER] * per_sentence,
        "terms_share": 10 * counts[FindingKind.TERM] / max(1.0, size),
        "hedges_share": 10 * counts[FindingKind.HEDGE] / max(1.0, size),
        "courtesy_share": 10 * counts[FindingKind.COURTESY] / max(1.0, size),
        "questions": float(min(_MOST, text.count("?") + text.count("？"))),
        "exclamations": float(min(_MOST, text.count("!") + text.count("！"))),
        "commas": min(5.0, 10 * (text.count(",") + text.count("、")) / max(1.0, size)),
        "capitals": float(min(_MOST, len(_CAPITALS.findall(text)))),
        "items": float(min(_MOST, len(_ITEM.findall(text)))),
        "you": float(min(_MOST, len(_YOU.findall(prose.lowered)))),
        "i": float(min(_MOST, len(_I.findall(prose.lowered)))),
        "starts_small": float(text.lstrip()[:1].islower()),
        "polite_ends": float(sum(each.endswith(("ます", "です", "ません", "ました", "でしょうか", "ますか",
        "ください")) for each in texts)) * 2 * per_sentence, }  # fmt: skip
    return {name: min(6.0, value) for name, value in values.items()}


def _size(text: str) -> float:
    """Words; of Japanese, which has no spaces, two and a half characters count as one."""
    latin = len(text.split())
    japanese = sum("\u3041" <= character <= "\u9fff" for character in text)
    return latin + japanese / 2.5
