"""Fits what `tone.tone_moved` weighs, and measures it on pairs that readers judged.

    python -m models.tone_fit configs/calibration.yaml               # report; tone.json must be its result
    python -m models.tone_fit configs/calibration.yaml write=true    # and write it, and its plot in docs/

The weights come from the training corpus alone: its rewrites are what "yes" looks like, and failures made
from it are what "no" looks like (`examples`). Of the pairs that readers judged, of held-out messages, a third
(`design`) chose the features and sets how sure the scorer is (Platt scaling: two numbers); the rest are never
fitted to and say how often it is right.
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
# A light touch of these may pass for one of the other, so neither teaches what the other is not.
_ALIKE = frozenset({TransformType.SOFTEN, TransformType.CLARIFY})
_VERBS = r"\b(is|are|was|were|can|will|has|have|does|do|should|would|could)"
_VERB = re.compile(rf"{_VERBS}\b(?! not|n['’]t)")
_NEGATED = re.compile(rf"{_VERBS}(?:n['’]t| not)\b")


class CalibrationConfig(configs.StageConfig):
    """Where the pairs lie, how strongly weights are held to zero, and whether to write the result."""

    train_folder: Path = corpus.SEED / "train"
    design_folder: Path = corpus.SEED / "judged" / "design"
    judged_folder: Path = corpus.SEED / "judged" / "held_out"
    inverse_regularisation: Annotated[float, Field(gt=0)] = 1.0
    seed: int = 0
    write: bool = False


class Example(NamedTuple):
    """A message, a rewrite of it, what was asked, and whether the rewrite does that."""

    text: str
    rewrite: str
    transform_type: TransformType
    intensity: int
    moved: bool


class Accuracy(BaseModel):
    """How often the scorer says what the readers said; `calibration_error` is the expected one (ten bins)."""

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
    """`models/tone.json`: the weights, and what they were measured at."""

    model_config = ConfigDict(frozen=True)

    weights: dict[str, float]
    fitted_on: int
    judged: Accuracy


def near_copy(text: str, dice: random.Random) -> str:
    """The message with a touch that changes nothing: a greeting, two words swapped, one left out, one
    doubled, or the end cut off.
    """
    words = text.split()
    place = dice.randrange(max(1, len(words) - 1))
    match dice.randrange(6):
        case 0:
            return f"{dice.choice(['Hi,', 'Hello.', 'Please:', 'Dear all,', 'FYI:'])} {text}"
        case 1:
            return f"{text} {dice.choice(['Thanks.', 'Thank you.', 'Please.', 'Best regards', 'OK?'])}"
        case 2:
            words[place : place + 2] = reversed(words[place : place + 2])
        case 3:
            del words[place]
        case 4:
            words.insert(place, words[place])
        case _:
            del words[-max(1, len(words) // 8) :]
    return " ".join(words) or text


def spoiled(rewrite: corpus.Rewrite, others: Sequence[corpus.Original], dice: random.Random) -> str:
    """A good rewrite made wrong: a fact swapped for another message's, a negation put in or taken out, a
    sentence left out, or its second half replaced by the end of another message's rewrite.
    """
    text, sentences = rewrite.text, scoring.sentences(rewrite.text)
    other = dice.choice(others)
    swapped = [
        text.replace(fact, theirs)
        for kind, fact in facts.extract(text)
        for also, theirs in facts.extract(other.text)
        if kind == also and fact != theirs
    ]
    negated = [f"{text[: m.end()]} not{text[m.end() :]}" for m in _VERB.finditer(text)]
    negated += [text[: m.end(1)] + text[m.end() :] for m in _NEGATED.finditer(text)]
    shorter = [
        " ".join(sentences[:i] + sentences[i + 1 :]) for i in range(len(sentences)) if len(sentences) > 1
    ]
    end = scoring.sentences(dice.choice(other.rewrites).text)[-1]
    mixed = [" ".join([*sentences[: max(1, len(sentences) // 2)], end])]
    return dice.choice(dice.choice([ways for ways in (swapped, negated, shorter, mixed) if ways]))


def examples(originals: Sequence[corpus.Original], seed: int) -> list[Example]:
    """What "yes" and "no" look like. Yes: every rewrite of the corpus, as what it is. No, for each of them:
    itself `spoiled`, and one drawn from the message, a near-copy, the same type's rewrite of the message
    nearest in meaning, that rewrite after half of the message, another type's rewrite, and (where there is
    one) the lightest touch where the strongest was asked for.
    """
    dice = random.Random(seed)
    near = curation.embed([original.text for original in originals])
    likeness = near @ near.T
    np.fill_diagonal(likeness, -1.0)
    rows = []
    for place, original in enumerate(originals):
        nearest = [originals[i] for i in np.argsort(-likeness[place])]
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
                Example(original.text, spoiled(rewrite, nearest[:-1], dice), kind, intensity, moved=False),
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
    """Judged pairs as the scorer sees them."""
    return [Example(p.text, p.rewrite, p.transform_type, p.intensity, p.moved) for p in judged]


def fit(
    found: Sequence[dict[str, float]], moved: Sequence[bool], inverse_regularisation: float
) -> dict[str, float]:
    """The weights of an L2-regularised logistic regression, by feature, with the intercept."""
    names = sorted({name for row in found for name in row})
    matrix = np.array([[row.get(name, 0.0) for name in names] for row in found])  # (rows, features)
    model = LogisticRegression(C=inverse_regularisation, max_iter=5000).fit(matrix, np.array(moved))
    weights = dict(zip(names, model.coef_[0], strict=True)) | {"intercept": model.intercept_[0]}
    return {name: float(weight) for name, weight in weights.items()}


def scaled(
    weights: dict[str, float], found: Sequence[dict[str, float]], moved: Sequence[bool]
) -> dict[str, float]:
    """The weights stretched and shifted so that the probabilities fit the given pairs; the order of any two
    rewrites stays. Source: Platt (1999), Probabilistic outputs for support vector machines.
    """
    said = np.array([tone.probability(weights, row) for row in found])
    model = LogisticRegression(C=np.inf).fit(np.log(said / (1 - said))[:, None], np.array(moved))
    slope, shift = float(model.coef_[0, 0]), float(model.intercept_[0])
    assert slope > 0, f"the scorer says the opposite of the readers: slope {slope}"
    stretched = {name: slope * weight for name, weight in weights.items()}
    return {name: round(w + shift * (name == "intercept"), 4) for name, w in stretched.items()}


def accuracy(judged: Sequence[corpus.Judged], said: np.ndarray) -> Accuracy:
    """How often probabilities of shape (pairs,), cut at a half, say what the readers said."""
    moved = np.array([pair.moved for pair in judged])
    right = (said > 0.5) == moved
    bins = np.minimum((said * _BINS).astype(int), _BINS - 1)
    error = sum(
        abs(said[bins == b].mean() - moved[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins)
    )

    def share(groups: Sequence[str]) -> dict[str, float]:
        return {g: float(right[np.array(groups) == g].mean()) for g in sorted(set(groups))}

    return Accuracy(
        pairs=len(judged),
        moved=int(moved.sum()),
        accuracy=float(right.mean()),
        majority=float(max(moved.mean(), 1 - moved.mean())),
        auc=float(roc_auc_score(moved, said)),
        brier=float(brier_score_loss(moved, said)),
        calibration_error=float(error),
        by_source=share([pair.source for pair in judged]),
        by_type=share([pair.transform_type.value for pair in judged]),
    )


def main(config: CalibrationConfig) -> Calibration:
    """Fit on the corpus, measure on the judged pairs, and write the result where that is asked."""
    rows = examples(corpus.read(config.train_folder), config.seed)
    weights = fit(features(rows), [row.moved for row in rows], config.inverse_regularisation)
    design = corpus.read_lines(config.design_folder, corpus.Judged)
    judged = corpus.read_lines(config.judged_folder, corpus.Judged)
    weights = scaled(weights, features(as_examples(design)), [pair.moved for pair in design])
    said = np.array([tone.probability(weights, found) for found in features(as_examples(judged))])
    calibration = Calibration(weights=weights, fitted_on=len(rows), judged=accuracy(judged, said))
    if config.write:
        tone.WEIGHTS.write_text(calibration.model_dump_json(indent=1) + "\n", encoding="utf-8")
        plot(judged, said, calibration.judged, _DOCS / "tone-calibration.png")
    return calibration


def plot(judged: Sequence[corpus.Judged], said: np.ndarray, found: Accuracy, file: Path) -> None:
    """Draw what was said against what the readers said, and the accuracy by source and by type."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 0.9, 1.2))
    moved = np.array([pair.moved for pair in judged])
    bins = np.minimum((said * 5).astype(int), 4)  # five bars: ten would hold a handful each
    for b in np.unique(bins):
        inside = bins == b
        left.plot(said[inside].mean(), moved[inside].mean(), "o", color="C0")
        left.annotate(
            f"{inside.sum()}",
            (said[inside].mean(), moved[inside].mean()),
            (5, -10),
            textcoords="offset points",
        )
    left.plot([0, 1], [0, 1], ":", color="gray")
    left.set(title="said against found (pairs in the bin)", xlabel="mean probability", ylabel="share of yes")
    for axes, shares in ((middle, found.by_source), (right, found.by_type)):
        axes.barh(list(shares), list(shares.values()))
        axes.axvline(found.majority, color="gray", linestyle=":")
        axes.set(xlim=(0, 1), xlabel="share right (dotted: always saying the commoner)")
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    wanted = configs.from_command_line(CalibrationConfig, sys.argv[1:])
    result = main(wanted)
    print(result.judged.model_dump_json(indent=1))
    if result != Calibration.model_validate_json(tone.WEIGHTS.read_text(encoding="utf-8")):
        raise SystemExit(f"{tone.WEIGHTS} is not this result; run it again with write=true")
