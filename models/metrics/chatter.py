"""Shares of rewrites that talk as an assistant, and of those that decline the task.

    evaluate.load("models/metrics/chatter.py").compute(predictions=rewrites, references=messages)

Formula and limits: `models.scoring.chatter`.
"""

import datasets
import evaluate

from models import scoring


class Chatter(evaluate.Metric):
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
        pairs = list(zip(references, predictions, strict=True))
        return {
            "chatter": sum(scoring.chatter(*pair) for pair in pairs) / len(pairs),
            "refusal": sum(scoring.refusal(*pair) for pair in pairs) / len(pairs),
        }
