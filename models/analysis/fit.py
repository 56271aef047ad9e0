"""Fits what an analysis computes probabilities with, on readers' labels of the seed corpus.

    python -m models.analysis.fit            # report; fails if a fit differs from its file
    python -m models.analysis.fit write      # write hurting.json and levels.json

- `hurting.json`: a logistic regression over words and pairs of words, on the labels of which words of harsh
  messages only hurt (`stings/`), and on sentences of messages of other styles, which do not.
- `levels.json`: first the styles of the seed's messages by features, one regression for each language; then
the levels that readers gave, by these styles and features.

Only the development halves are read (`data.corpus.half_of`), so that the test halves measure it.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict

from data import corpus
from data.corpus import SEED, AnalysedMessage
from models.analysis import features, findings, hurting, labels, levels, prose
from models.analysis.aspects import ASPECTS, INPUTS

_DAY = date(2026, 11, 30)  # no feature depends on it
_SEED = 0
_LEAST_PRECISION = 0.7  # of the sentences that count as hurting, out of fold
_FEWEST = 3  # sentences with a word, for it to have a weight
_STYLED = ("train", "edits", "japanese", "ordinary/dev", "ordinary/test", "ordinary/fresh", "test")
_INVERSE_REGULARISATIONS = (0.01, 0.03, 0.1, 0.3, 1.0)


class Sentence(NamedTuple):
    """An English sentence, whether it hurts, and the text that it is of."""

    text: str
    hurts: bool
    message: str


def read_messages() -> dict[str, corpus.Message]:
    """The messages of the seed that have a style, by id; none that is sealed."""
    originals: list[corpus.Message] = [row for part in _STYLED for row in corpus.read(SEED / part)]
    for part in ("messages", "messages/ordinary"):
        originals += corpus.read_lines(SEED / part, corpus.Message)
    return {row.id: row for row in originals}


def list_stings(texts: Mapping[str, str], half: str) -> Iterator[Sentence]:
    """The sentences of the harsh messages of a half. One hurts if a part of it was labelled as words that
    nobody needs, or that only reproach.
    """
    for row in corpus.read_lines(SEED / "stings", corpus.LabelledStings):
        text = row.text or texts[row.id]
        if corpus.half_of(text) != half:
            continue
        read = prose.read(text)
        for sentence in read.sentences:
            overlaps = (
                max(0, min(cut.end, sentence.end) - max(cut.start, sentence.start))
                for cut in row.cuts
                if cut.intensity in (1, 2)
            )
            hurts = sum(overlaps) > 0.15 * (sentence.end - sentence.start)
            yield Sentence(read.text[sentence.start : sentence.end], hurts, text)


def fit_hurting(messages: Mapping[str, corpus.Message], excluded: set[str]) -> dict[str, Any]:
    """The content of `hurting.json`."""
    texts = {id: row.text for id, row in messages.items()}
    rows = list(list_stings(texts, "dev"))
    others = [
        row.text
        for row in messages.values()
        if row.style != "blunt" and row.text not in excluded and corpus.half_of(row.text) == "dev"
    ]
    for text in others:
        read = prose.read(text)
        if prose.language_of(read) == "en":
            rows += [Sentence(read.text[s.start : s.end], False, text) for s in read.sentences]
    tokens = [hurting.tokens(row.text) for row in rows]
    counts: dict[str, int] = {}
    for found in tokens:
        for token in found:
            counts[token] = counts.get(token, 0) + 1
    names = sorted(token for token, count in counts.items() if count >= _FEWEST)
    place = {token: index for index, token in enumerate(names)}
    matrix = np.zeros((len(rows), len(names)), dtype=np.float32)  # (sentences, words)
    for index, found in enumerate(tokens):
        matrix[index, [place[token] for token in found if token in place]] = 1
    hurts = np.array([row.hurts for row in rows])
    groups = [row.message for row in rows]
    model = LogisticRegression(C=0.3, max_iter=2000, random_state=_SEED)
    out_of_fold = cross_val_predict(
        model, matrix, hurts, groups=groups, cv=GroupKFold(5), method="predict_proba"
    )[:, 1]
    model.fit(matrix, hurts)
    weights = {token: round(float(weight), 3) for token, weight in zip(names, model.coef_[0], strict=True)}
    weights = {token: weight for token, weight in weights.items() if abs(weight) >= 0.02}
    return {
        "made_by": "python -m models.analysis.fit write",
        "sentences": len(rows),
        "hurting": int(hurts.sum()),
        "threshold": _lowest_threshold(out_of_fold, hurts),
        "weights": {"intercept": round(float(model.intercept_[0]), 3), **weights},
    }


def _lowest_threshold(probabilities: np.ndarray, hurts: np.ndarray) -> float:
    """The lowest threshold, in steps of 0.01, from which on the precision is high enough."""
    for threshold in np.arange(0.2, 0.95, 0.01):
        chosen = probabilities >= threshold
        if hurts[chosen].mean() >= _LEAST_PRECISION:
            return round(float(threshold), 2)
    raise ValueError(f"no threshold has a precision of {_LEAST_PRECISION}")


def features_of(text: str) -> tuple[str, dict[str, float]]:
    """The language of a message, and its features."""
    read = prose.read(text)
    return prose.language_of(read) or "en", features.compute(read, findings.find(read, _DAY))


def _matrix(rows: Sequence[Mapping[str, float]], names: Sequence[str]) -> np.ndarray:
    return np.array([[row[name] for name in names] for row in rows])  # (messages, features)


def _weights(model: LogisticRegression, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """By class, its weights: of two classes, the first one has none."""
    coefficients, intercepts, classes = model.coef_, model.intercept_, list(model.classes_)
    if len(classes) == 2:
        second = _rounded(coefficients[0], intercepts[0], names)
        return {str(classes[0]): {"intercept": 0.0}, str(classes[1]): second}
    return {
        str(name): _rounded(row, intercept, names)
        for name, row, intercept in zip(classes, coefficients, intercepts, strict=True)
    }


def _rounded(row: np.ndarray, intercept: float, names: Sequence[str]) -> dict[str, float]:
    weights = {feature: round(float(weight), 3) for feature, weight in zip(names, row, strict=True)}
    return {"intercept": round(float(intercept), 3), **{name: w for name, w in weights.items() if w}}


def fit_styles(
    messages: Mapping[str, corpus.Message], excluded: set[str]
) -> dict[str, dict[str, dict[str, float]]]:
    """By language, the weights of the five styles."""
    rows: dict[str, list[tuple[dict[str, float], str]]] = {"en": [], "ja": []}
    for row in messages.values():
        if row.text not in excluded:
            language, values = features_of(row.text)
            rows[language].append((values, row.style))
    result = {}
    for language, pairs in rows.items():
        names = sorted(pairs[0][0])
        model = LogisticRegression(C=0.1, max_iter=3000, random_state=_SEED)
        model.fit(_matrix([values for values, _ in pairs], names), [style for _, style in pairs])
        result[language] = _weights(model, names)
    return result


def fit_levels(
    read: Sequence[AnalysedMessage], styles: Mapping[str, levels.Weights]
) -> dict[str, dict[str, dict[str, float]]]:
    """By aspect, the weights of its levels. Each reader's label counts as half a message, so that a message
    on which they differ teaches a probability in between.
    """
    inputs = []
    for row in read:
        language, values = features_of(row.text)
        inputs.append(levels.with_styles(styles[language], values))
    groups = [row.id for row in read for _ in range(2)]
    result = {}
    for aspect in ASPECTS:
        names = INPUTS[aspect]
        matrix = np.repeat(_matrix(inputs, names), 2, axis=0)
        given = np.array(
            [labels.levels_of(reader)[aspect] for row in read for reader in (row.first, row.second)]
        )
        if len(set(given)) == 1:
            continue
        losses = {c: _loss(c, matrix, given, groups) for c in _INVERSE_REGULARISATIONS}
        best = min(losses, key=lambda c: losses[c])
        model = LogisticRegression(C=best, max_iter=5000, random_state=_SEED)
        result[aspect] = _weights(model.fit(matrix, given, sample_weight=np.full(len(given), 0.5)), names)
    return result


def _loss(c: float, matrix: np.ndarray, given: np.ndarray, groups: Sequence[str]) -> float:
    """The log loss of labels out of fold."""
    total = 0.0
    for train, test in GroupKFold(5).split(matrix, given, groups):
        model = LogisticRegression(C=c, max_iter=5000, random_state=_SEED)
        model.fit(matrix[train], given[train], sample_weight=np.full(len(train), 0.5))
        known = {name: index for index, name in enumerate(model.classes_)}
        for row, level in zip(model.predict_proba(matrix[test]), given[test], strict=True):
            total -= float(np.log(max(1e-3, row[known[level]] if level in known else 0.0)))
    return total


def main(write: bool) -> None:
    """Fit both files, and write or compare them."""
    messages, read = read_messages(), labels.read()
    excluded = {row.text for row in read}
    _keep(hurting.FILE, fit_hurting(messages, excluded), write)
    hurting.forget()
    styles = fit_styles(messages, excluded)
    development = [row for row in read if row.half == "dev"]
    content = {
        "made_by": "python -m models.analysis.fit write",
        "messages": len(development),
        "styles": styles,
        "levels": fit_levels(development, styles),
    }
    _keep(levels.FILE, content, write)


def _keep(file: Path, content: dict[str, Any], write: bool) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=0) + "\n"
    if write:
        file.write_text(text, encoding="utf-8")
    elif text != file.read_text(encoding="utf-8"):
        raise SystemExit(f"{file} differs from this fit; run it again with `write`")


if __name__ == "__main__":
    main("write" in sys.argv[1:])
