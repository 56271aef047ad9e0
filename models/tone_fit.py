"""Fits the weights of `tone.tone_moved`, and measures their accuracy on pairs that readers judged.

    python -m models.tone_fit configs/calibration.yaml               # report; fails if tone.json differs
    python -m models.tone_fit configs/calibration.yaml write=true    # write tone.json and its plot in docs/

The weights are fitted on the training corpus alone: its rewrites are the positive examples, and failures made
from them are the negative examples (`examples`). Readers judged pairs of held-out messages. A third of these
pairs (`design`) was used to choose the features and is used for Platt scaling, which fits two numbers. The
other pairs are never used for fitting and measure the accuracy.
"""

import random
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score

import configs
from data import corpus
from data.records import TransformType
from models import curation, facts, scoring, tone

_BINS = 10
_DOCS = Path(__file__).parent.parent / "docs"
# A light rewrite of one of these types may also satisfy the other, so it is no negative example for it.
_ALIKE = frozenset({TransformType.SOFTEN, TransformType.CLARIFY})
_VERBS = r"\b(is|are|was|were|can|will|has|have|does|do|should|would|could)"
_VERB = re.compile(rf"{_VERBS}\b(?! not|n['’]t)")
_NEGATED = re.compile(rf"{_VERBS}(?:n['’]t| not)\b")


class CalibrationConfig(configs.StageConfig):
    """The data, the inverse regularisation (smaller pulls weights to zero), whether to write the result."""

    train_folder: Path = corpus.SEED / "train"
    design_folder: Path = corpus.SEED / "judged" / "design"
    judged_folder: Path = corpus.SEED / "judged" / "held_out"
    inverse_regularisation: Annotated[float, Field(gt=0)] = 1.0
    seed: int = 0
    write: bool = False


class Example(NamedTuple):
    """A message, a rewrite, the request, and whether the rewrite does what was requested."""

    text: str
    rewrite: str
    transform_type: TransformType
    intensity: int
    moved: bool


class Accuracy(BaseModel):
    """Agreement of the scorer with the readers.

    `moved` is the number of pairs on which readers said yes, `majority` the accuracy of always giving the
    more frequent answer, `calibration_error` the expected calibration error with ten bins. `by_source` and
    `by_type` are accuracies.
    """

    model_config = ConfigDict(frozen=True)

    pairs: int
    moved: int
    accuracy: float
    majority: float
    auc: float
    brier: float
    calibration_error: float
    by_source: dict[str, float]
    by_type: dict[str, float]


class Calibration(BaseModel):
    """`models/tone.json`: the weights, the number of examples they were fitted on, and their accuracy."""

    model_config = ConfigDict(frozen=True)

    weights: dict[str, float]
    fitted_on: int
    judged: Accuracy


def near_copy(text: str, dice: random.Random) -> str:
    """The message with a change that is no rewrite: a greeting, two words swapped, a word deleted, a word
    doubled, or the end truncated.
    """
    words = text.split()
    i = dice.randrange(max(1, len(words) - 1))
    match dice.randrange(6):
        case 0:
            return f"{dice.choice(['Hi,', 'Hello.', 'Please:', 'Dear all,', 'FYI:'])} {text}"
        case 1:
            return f"{text} {dice.choice(['Thanks.', 'Thank you.', 'Please.', 'Best regards', 'OK?'])}"
        case 2:
            words[i : i + 2] = reversed(words[i : i + 2])
        case 3:
            del words[i]
        case 4:
            words.insert(i, words[i])
        case _:
            del words[-max(1, len(words) // 8) :]
    return " ".join(words) or text


def spoil(rewrite: corpus.Rewrite, others: Sequence[corpus.Original], dice: random.Random) -> str:
    """A good rewrite with one error: a fact replaced by another message's, a negation added or removed, a
    sentence deleted, or its second half replaced by the end of another message's rewrite.
    """
    text, sentences = rewrite.text, scoring.sentences(rewrite.text)
    other = dice.choice(others)
    swapped = [
        text.replace(fact, other_fact)
        for kind, fact in facts.extract(text)
        for other_kind, other_fact in facts.extract(other.text)
        if kind == other_kind and fact != other_fact
    ]
    negated = [f"{text[: m.end()]} not{text[m.end() :]}" for m in _VERB.finditer(text)]
    negated += [text[: m.end(1)] + text[m.end() :] for m in _NEGATED.finditer(text)]
    shorter = [
        " ".join(sentences[:i] + sentences[i + 1 :]) for i in range(len(sentences)) if len(sentences) > 1
    ]
    end = scoring.sentences(dice.choice(other.rewrites).text)[-1]
    mixed = [" ".join([*sentences[: max(1, len(sentences) // 2)], end])]
    # First a kind of error, then an error of that kind, so that frequent kinds are not preferred.
    return dice.choice(dice.choice([errors for errors in (swapped, negated, shorter, mixed) if errors]))


def examples(originals: Sequence[corpus.Original], seed: int) -> list[Example]:
    """One positive and two negative examples for every rewrite of the corpus.

    The positive example is the rewrite itself. The first negative example is the rewrite with an error
    (`spoil`). The second is drawn from: the message, a near-copy, the same type's rewrite of the message
    nearest in meaning, that rewrite after half of the message, rewrites of other types, and for intensity 3
    the rewrite at intensity 0.
    """
    dice = random.Random(seed)
    embeddings = curation.embed([original.text for original in originals])  # (originals, 384), unit length
    similarity = embeddings @ embeddings.T  # (originals, originals)
    np.fill_diagonal(similarity, -1.0)  # so that a message is last among its own neighbours
    rows = []
    for index, original in enumerate(originals):
        nearest = [originals[i] for i in np.argsort(-similarity[index])]
        for rewrite in original.rewrites:
            kind, intensity = rewrite.transform_type, rewrite.intensity
            wrong = next(r.text for o in nearest for r in o.rewrites if r.transform_type == kind)
            half = " ".join(original.text.split()[: len(original.text.split()) // 2])
            choices = [original.text, near_copy(original.text, dice), wrong, f"{half} {wrong}"]
            choices += [
                r.text
                for r in original.rewrites
                if r.transform_type != kind and not {r.transform_type, kind} <= _ALIKE
            ]
            if intensity == 3:
                choices += [
                    r.text for r in original.rewrites if r.transform_type == kind and r.intensity == 0
                ]
            rows += [
                Example(original.text, rewrite.text, kind, intensity, moved=True),
                Example(original.text, spoil(rewrite, nearest[:-1], dice), kind, intensity, moved=False),
                Example(original.text, dice.choice(choices), kind, intensity, moved=False),
            ]
    return rows


def features(rows: Sequence[Example]) -> list[dict[str, float]]:
    """`tone.features` of each example."""
    meanings = scoring.meaning([row.text for row in rows], [row.rewrite for row in rows])
    return [
        tone.features(row.text, row.rewrite, row.transform_type, row.intensity, m)
        for row, m in zip(rows, meanings, strict=True)
    ]


def as_examples(judged: Sequence[corpus.Judged]) -> list[Example]:
    """Judged pairs as examples."""
    return [Example(p.text, p.rewrite, p.transform_type, p.intensity, p.moved) for p in judged]


def fit(
    rows: Sequence[dict[str, float]], moved: Sequence[bool], inverse_regularisation: float
) -> dict[str, float]:
    """The weights of an L2-regularised logistic regression by feature, with the intercept.

    `rows` are features by name; a feature that a row does not have is 0. `moved` are the labels.
    """
    names = sorted({name for row in rows for name in row})
    matrix = np.array([[row.get(name, 0.0) for name in names] for row in rows])  # (rows, features)
    model = LogisticRegression(C=inverse_regularisation, max_iter=5000).fit(matrix, np.array(moved))
    weights = dict(zip(names, model.coef_[0], strict=True)) | {"intercept": model.intercept_[0]}
    return {name: float(weight) for name, weight in weights.items()}


def scale(
    weights: dict[str, float], rows: Sequence[dict[str, float]], moved: Sequence[bool]
) -> dict[str, float]:
    """The weights scaled and shifted so that the probabilities fit the labels of `rows`, by Platt scaling.

    The order of any two rewrites stays the same. Source: Platt (1999), Probabilistic outputs for support
    vector machines.
    """
    probabilities = np.array([tone.probability(weights, row) for row in rows])  # (rows,)
    logits = np.log(probabilities / (1 - probabilities))
    model = LogisticRegression(C=np.inf).fit(logits[:, None], np.array(moved))
    slope, shift = float(model.coef_[0, 0]), float(model.intercept_[0])
    assert slope > 0, f"the scorer contradicts the readers: slope {slope}"
    scaled = {name: slope * weight for name, weight in weights.items()}
    return {name: round(w + shift * (name == "intercept"), 4) for name, w in scaled.items()}


def accuracy(judged: Sequence[corpus.Judged], probabilities: np.ndarray) -> Accuracy:
    """How well probabilities of shape (pairs,) agree with the readers; above 0.5 means yes."""
    moved = np.array([pair.moved for pair in judged])  # (pairs,)
    right = (probabilities > 0.5) == moved
    bins = np.minimum((probabilities * _BINS).astype(int), _BINS - 1)  # 1.0 belongs to the last bin
    error = sum(
        abs(probabilities[bins == b].mean() - moved[bins == b].mean()) * (bins == b).mean()
        for b in np.unique(bins)
    )

    def share(groups: Sequence[str]) -> dict[str, float]:
        return {g: float(right[np.array(groups) == g].mean()) for g in sorted(set(groups))}

    return Accuracy(
        pairs=len(judged),
        moved=int(moved.sum()),
        accuracy=float(right.mean()),
        majority=float(max(moved.mean(), 1 - moved.mean())),
        auc=float(roc_auc_score(moved, probabilities)),
        brier=float(brier_score_loss(moved, probabilities)),
        calibration_error=float(error),
        by_source=share([pair.source for pair in judged]),
        by_type=share([pair.transform_type.value for pair in judged]),
    )


def main(config: CalibrationConfig) -> Calibration:
    """Fit on the corpus, measure on the judged pairs, and write the result when the config says so."""
    rows = examples(corpus.read(config.train_folder), config.seed)
    weights = fit(features(rows), [row.moved for row in rows], config.inverse_regularisation)
    design = corpus.read_lines(config.design_folder, corpus.Judged)
    judged = corpus.read_lines(config.judged_folder, corpus.Judged)
    weights = scale(weights, features(as_examples(design)), [pair.moved for pair in design])
    probabilities = np.array([tone.probability(weights, row) for row in features(as_examples(judged))])
    calibration = Calibration(weights=weights, fitted_on=len(rows), judged=accuracy(judged, probabilities))
    if config.write:
        tone.WEIGHTS.write_text(calibration.model_dump_json(indent=1) + "\n", encoding="utf-8")
        plot(judged, probabilities, calibration.judged, _DOCS / "tone-calibration.png")
    return calibration


def plot(judged: Sequence[corpus.Judged], probabilities: np.ndarray, measured: Accuracy, file: Path) -> None:
    """Draw the probabilities against the readers' answers, and the accuracy by source and by type."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 0.9, 1.2))
    moved = np.array([pair.moved for pair in judged])
    bins = np.minimum((probabilities * 5).astype(int), 4)  # ten bins would have a handful of pairs each
    for b in np.unique(bins):
        inside = bins == b
        left.plot(probabilities[inside].mean(), moved[inside].mean(), "o", color="C0")
        left.annotate(
            f"{inside.sum()}",
            (probabilities[inside].mean(), moved[inside].mean()),
            (5, -10),
            textcoords="offset points",
        )
    left.plot([0, 1], [0, 1], ":", color="gray")
    left.set(title="calibration (pairs in the bin)", xlabel="mean probability", ylabel="share of yes")
    for axes, shares in ((middle, measured.by_source), (right, measured.by_type)):
        axes.barh(list(shares), list(shares.values()))
        axes.axvline(measured.majority, color="gray", linestyle=":")
        axes.set(xlim=(0, 1), xlabel="accuracy (dotted: always the more frequent answer)")
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    result = main(configs.from_command_line(CalibrationConfig, sys.argv[1:]))
    print(result.judged.model_dump_json(indent=1))
    if result != Calibration.model_validate_json(tone.WEIGHTS.read_text(encoding="utf-8")):
        raise SystemExit(f"{tone.WEIGHTS} differs from this result; run again with write=true")
