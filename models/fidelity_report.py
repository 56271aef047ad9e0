"""Measures `models.fidelity` on rewrites that readers labelled, and on good rewrites that are then damaged.

    python -m models.fidelity_report     # writes docs/results/fidelity.json, in about a minute

Messages are split in halves by a hash of their id. The rules and lists were written by looking at the first
half only; the figures are of the second half.
"""

import hashlib
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from data import corpus
from data.corpus import ReadRewrite
from data.records import TransformType
from models import facts, fidelity, labels, scoreboard, scoring, tone

SALT = "fidelity"
PAGE = Path("docs/results/fidelity.json")


def in_first_half(message: str) -> bool:
    """Whether a message, given by its id, was looked at when the rules were written."""
    return hashlib.sha256(f"{SALT}:{message}".encode()).digest()[0] % 2 == 0


class Pair(NamedTuple):
    """A message and its rewrite."""

    text: str
    rewrite: str
    transform_type: TransformType
    intensity: int


Damage = Literal[
    "negation dropped",
    "negation added",
    "persons exchanged",
    "facts exchanged",
    "request made a statement",
    "reason invented",
    "sentence dropped",
]
DAMAGES: tuple[Damage, ...] = get_args(Damage)

_NEGATED = (
    (
        re.compile(
            r"\b(do|does|did|is|are|was|were|has|have|had|would|could|should|must|need)n['’]t\b",
            re.IGNORECASE,
        ),
        r"\1",
    ),
    (re.compile(r"\bcan['’]t\b|\bcannot\b", re.IGNORECASE), "can"),
    (re.compile(r"\bwon['’]t\b", re.IGNORECASE), "will"),
    (re.compile(r"\b(?:not|never) ", re.IGNORECASE), ""),
    (re.compile(r"しないで"), "して"),
    (re.compile(r"(?<!すみ)(?<!れ)(?<!え)(?<!け)ません(?!か)"), "ます"),
)
_AFFIRMED = (
    (
        re.compile(
            r"\b(is|are|was|were|has|have|will|can|should|must) "
            r"(?!not|n't|to\b|you|it|i\b|we|the|there)(?=\w)"
        ),
        r"\1 not ",
    ),
    (
        re.compile(
            r"\b(please|could you please|could you) (?!do\b|don't|not|be\b|let\b)(?=[a-z])", re.IGNORECASE
        ),
        r"please don't ",
    ),
    (re.compile(r"してください"), "しないでください"),
    (re.compile(r"(?<=[しきりみえけれり])ます(?=[。ので])"), "ません"),
)
_OTHER_PERSON = {
    "i": "you", "you": "I", "my": "your", "your": "my", "me": "you", "mine": "yours", "yours": "mine",
    "i'm": "you're", "i'll": "you'll", "i've": "you've", "i'd": "you'd", "you're": "I'm", "you'll": "I'll",
    "you've": "I've", "you'd": "I'd",
}  # fmt: skip
_STATED = (
    (
        re.compile(
            r"\b(?:could|can|would|will) you (?:please |kindly |also )?([a-z]+)([^.?!\n]*)\?", re.IGNORECASE
        ),
        r"I will \1\2.",
    ),
    (re.compile(r"\bplease ([a-z]+)", re.IGNORECASE), r"I \1"),
    (
        re.compile(
            r"(?:し)て(?:ください|いただけますか|もらえますか|いただけますでしょうか|いただけると[^。]*)[。？]"
        ),
        "しました。",
    ),
    (re.compile(r"をお願い(?:します|いたします|できますか)"), "を終えました"),
)
_REASONS = {
    False: (
        "This is because the supplier changed its terms.",
        "The reason is a new rule from the head office.",
        "We do this because two customers complained yesterday.",
        "The management team wants to save money this year.",
    ),
    True: (
        "先方の規定が変わったためです。",
        "本社から新しい方針が出たからです。",
        "昨日お客様から苦情が二件あったためです。",
        "経費を減らすことが経営会議で決まりました。",
    ),
}


def is_japanese(text: str) -> bool:
    """Whether a text has Japanese characters."""
    return re.search(r"[\u3040-\u30ff\u3400-\u9fff]", text) is not None


# Words that say what a message does not state. A negation there is about the message, not about the work.
_NOTE = re.compile(r"[()（）]|stated|given|mention|said|clear|known|reason|書かれ|記載|理由")


def _replace_one(rules: tuple[tuple[re.Pattern[str], str], ...], text: str, rng: random.Random) -> str | None:
    places = [
        (match, to)
        for pattern, to in rules
        for match in pattern.finditer(text)
        if not _NOTE.search(text[max(0, match.start() - 20) : match.end() + 30])
    ]
    if not places:
        return None
    match, to = rng.choice(places)
    return text[: match.start()] + match.expand(to) + text[match.end() :]


def _exchange_persons(text: str) -> str | None:
    exchanged, number = re.subn(
        rf"\b(?:{'|'.join(_OTHER_PERSON)})\b",
        lambda match: _OTHER_PERSON[match.group().lower().replace("’", "'")],
        text.replace("’", "'"),
        flags=re.IGNORECASE,
    )
    return exchanged if number else None


def _exchange_facts(text: str, rng: random.Random) -> str | None:
    by_kind: dict[str, list[facts.Span]] = {}
    for span in facts.spans(text):
        by_kind.setdefault(span.kind, []).append(span)
    pairs = [
        (one, other)
        for spans in by_kind.values()
        for one in spans
        for other in spans
        if one.end <= other.start
        and text[one.start : one.end].lower() != text[other.start : other.end].lower()
    ]
    if not pairs:
        return None
    one, other = rng.choice(pairs)
    return "".join(
        (
            text[: one.start],
            text[other.start : other.end],
            text[one.end : other.start],
            text[one.start : one.end],
            text[other.end :],
        )
    )


def _drop_sentence(text: str, rng: random.Random) -> str | None:
    parts = re.findall(r"[^.!?。？！\n]+(?:[.!?。？！]+(?=\s|$|[^\x00-\x7f])|\n|$|[.!?])\s*", text)
    long = [i for i, part in enumerate(parts) if len(part) >= (10 if is_japanese(part) else 30)]
    if len(parts) < 2 or not long or "".join(parts) != text:
        return None
    dropped = rng.choice(long)
    return "".join(part for i, part in enumerate(parts) if i != dropped).strip() or None


def damage(rewrite: str, kind: Damage, rng: random.Random) -> str | None:
    """The rewrite with one kind of damage, or None where it has no place for it."""
    match kind:
        case "negation dropped":
            return _replace_one(_NEGATED, rewrite, rng)
        case "negation added":
            return _replace_one(_AFFIRMED, rewrite, rng)
        case "persons exchanged":
            return _exchange_persons(rewrite)
        case "facts exchanged":
            return _exchange_facts(rewrite, rng)
        case "request made a statement":
            return _replace_one(_STATED, rewrite, rng)
        case "reason invented":
            return f"{rewrite} {rng.choice(_REASONS[is_japanese(rewrite)])}"
        case "sentence dropped":
            return _drop_sentence(rewrite, rng)


def read_labelled(first_half: bool) -> list[ReadRewrite]:
    """The labelled rewrites of one half of the messages."""
    return [row for row in labels.read_labels() if in_first_half(row.message) == first_half]


def read_edits(first_half: bool) -> list[Pair]:
    """The rewrites of one half of the corpus of edits. A reader has accepted all of them."""
    return [
        Pair(original.text, rewrite.text, rewrite.transform_type, rewrite.intensity)
        for original in corpus.read(corpus.SEED / "edits")
        if in_first_half(original.id) == first_half
        for rewrite in original.rewrites
    ]


def score_all(rows: Sequence[ReadRewrite]) -> dict[str, list[float]]:
    """By score, that of each row: the judge, whether the rewrite moved, the composite of both and more."""
    meanings = scoring.meaning([row.text for row in rows], [row.rewrite for row in rows])
    requests = [(row.text, row.rewrite, row.transform_type, row.intensity) for row in rows]
    return {
        "fidelity": [fidelity.score(*request) for request in requests],
        "tone_moved": [tone.tone_moved(*pair[0], pair[1]) for pair in zip(requests, meanings, strict=True)],
        "composite": [scoreboard.judge(*pair[0], pair[1]) for pair in zip(requests, meanings, strict=True)],
    }


def measure_aucs(rows: Sequence[ReadRewrite], scores: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """By score and group of rewrites: the AUC of usable against wrong and its interval, where both occur."""
    groups = {
        "all": rows,
        "English": [row for row in rows if not is_japanese(row.text)],
        "Japanese": [row for row in rows if is_japanese(row.text)],
        **{
            system: [row for row in rows if row.system == system]
            for system in dict.fromkeys(r.system for r in rows)
        },
    }
    measured: dict[str, Any] = {}
    for name, values in scores.items():
        by_id = {row.id: value for row, value in zip(rows, values, strict=True)}
        measured[name] = {}
        for group, members in groups.items():
            usable = [by_id[row.id] for row in members if row.label == "usable"]
            wrong = [by_id[row.id] for row in members if row.label == "wrong"]
            if usable and wrong:
                auc = labels.estimate_auc(usable, wrong).model_dump()
                measured[name][group] = {"usable": len(usable), "wrong": len(wrong), **auc}
    return measured


def count_faults(pairs: Iterable[Pair]) -> dict[str, Any]:
    """The number of rewrites, the share with a fault, and the share with each kind of fault."""
    kinds = [{fault.kind for fault in fidelity.check(*pair)} for pair in pairs]
    counts = Counter(kind for found in kinds for kind in found)
    return {
        "rewrites": len(kinds),
        "with_a_fault": sum(map(bool, kinds)) / len(kinds),
        "kinds": {kind: counts[kind] / len(kinds) for kind in fidelity.KINDS if counts[kind]},
    }


def measure_damage(pairs: Sequence[Pair], seed: int = 0) -> dict[Damage, dict[str, float]]:
    """By kind of damage: the rewrites without a fault that can have it, the share that then has one."""
    measured: dict[Damage, dict[str, float]] = {}
    whole = [pair for pair in pairs if not fidelity.check(*pair)]
    for kind in DAMAGES:
        rng = random.Random(f"{seed} {kind}")
        damaged = [(pair, damage(pair.rewrite, kind, rng)) for pair in whole]
        detected = [
            bool(fidelity.check(*pair._replace(rewrite=rewrite)))
            for pair, rewrite in damaged
            if rewrite is not None and rewrite != pair.rewrite
        ]
        if detected:
            measured[kind] = {"rewrites": len(detected), "found": sum(detected) / len(detected)}
    return measured


def report() -> dict[str, Any]:
    """All figures, of the second half of the messages."""
    rows = read_labelled(first_half=False)
    groups = sorted({(row.system, row.label) for row in rows})
    edits = read_edits(first_half=False)
    by_language = {
        "English": [pair for pair in edits if not is_japanese(pair.text)],
        "Japanese": [pair for pair in edits if is_japanese(pair.text)],
    }
    return {
        "auc": measure_aucs(rows, score_all(rows)),
        "labelled": {
            f"{system}, {label}": count_faults(
                Pair(row.text, row.rewrite, row.transform_type, row.intensity)
                for row in rows
                if (row.system, row.label) == (system, label)
            )
            for system, label in groups
        },
        "edits": {
            language: {
                "all": count_faults(pairs),
                **{
                    kind.value: count_faults(pair for pair in pairs if pair.transform_type == kind)
                    for kind in TransformType
                },
            }
            for language, pairs in by_language.items()
        },
        "damaged": {language: measure_damage(pairs) for language, pairs in by_language.items()},
    }


def main(page: Path) -> None:
    """Write the figures as JSON."""
    page.write_text(json.dumps(report(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE)
