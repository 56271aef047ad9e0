"""Cosine of the sentence embeddings of a rewrite and its message.

    evaluate.load("models/metrics/meaning.py").compute(predictions=rewrites, references=messages)

Formula and limits: `models.scoring.meaning`.
"""

import datasets
import evaluate

from models import scoring


class Meaning(evaluate.Metric):
    """See the module; mean over the rewrites."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=__doc__,
            citation="",
            inputs_description="predictions: rewrites; references: their messages",
            features=datasets.Features({"predictions": text, "references": text}),
        )

    def _compute(self, predictions: list[str], references: list[str]) -> dict[str, float]:
        values = scoring.meaning(references, predictions)
        return {"meaning": sum(values) / len(values)}
