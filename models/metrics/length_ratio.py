"""Words of a rewrite / words of its message.

    evaluate.load("models/metrics/length_ratio.py").compute(predictions=rewrites, references=messages)

Formula and limits: `models.scoring.length_ratio`.
"""

import datasets
import evaluate

from models import scoring


class LengthRatio(evaluate.Metric):
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
        values = [
            scoring.length_ratio(text, rewrite) for text, rewrite in zip(references, predictions, strict=True)
        ]
        return {"length_ratio": sum(values) / len(values)}
