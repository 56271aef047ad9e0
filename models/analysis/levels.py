"""The probabilities of a message's levels, and of the rewrites that would help, by logistic regressions.

`levels.json` has their weights; `models.analysis.fit` makes it. First the probability of each style of the
seed corpus, from the features; then that of each level, from the styles and the features.
"""

import json
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_suffix(".json")
Weights = Mapping[str, Mapping[str, float]]  # by class: the weight of each feature, and the intercept


@cache
def _read() -> Mapping[str, Any]:
    loaded: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return loaded


def softmax(weights: Weights, values: Mapping[str, float]) -> dict[str, float]:
    """The probability of each class, whose features all have a value; `intercept` needs none."""
    scores = {
        name: sum(
            weight * (values[feature] if feature != "intercept" else 1.0) for feature, weight in row.items()
        )
        for name, row in weights.items()
    }
    top = max(scores.values())
    powers = {name: math.exp(score - top) for name, score in scores.items()}
    total = sum(powers.values())
    return {name: power / total for name, power in powers.items()}


def with_styles(styles: Weights, values: Mapping[str, float]) -> dict[str, float]:
    """The features, and the probability of each style as one more."""
    return dict(values) | {f"style_{name}": 4 * share for name, share in softmax(styles, values).items()}


def estimate(language: str, values: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """By aspect, the probability of each level: `tone`, `directness`, `clarity`, `priority`; and of each
    transform type that it would help, by `helps_TYPE`.
    """
    inputs = with_styles(_read()["styles"][language], values)
    return {aspect: softmax(weights, inputs) for aspect, weights in _read()["levels"].items()}
