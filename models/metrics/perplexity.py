"""Geometric mean of the rewrites' perplexities under a base model.

    evaluate.load("models/metrics/perplexity.py").compute(predictions=rewrites, base_version=folder)

Formula and limits: `models.fluency.log_perplexity`.
"""

import math
from pathlib import Path

import datasets
import evaluate

from models import fluency


class Perplexity(evaluate.Metric):
    """See the module; mean over the rewrites."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=__doc__,
            citation="",
            inputs_description="predictions: rewrites; base_version: a folder of models.export.base_version",
            features=datasets.Features({"predictions": text}),
        )

    def _compute(self, predictions: list[str], base_version: str) -> dict[str, float]:
        values = fluency.log_perplexity(Path(base_version), predictions)
        return {"perplexity": math.exp(sum(values) / len(values))}
