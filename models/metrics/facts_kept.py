"""Share of a message's numbers, dates, ids, URLs and names that its rewrite keeps.

    evaluate.load("models/metrics/facts_kept.py").compute(predictions=rewrites, references=messages)

Formula and limits: `models.scoring.facts_kept`.
"""

import datasets
import evaluate

from models import scoring


class FactsKept(evaluate.Metric):
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
            scoring.facts_kept(text, rewrite) for text, rewrite in zip(references, predictions, strict=True)
        ]
        return {"facts_kept": sum(values) / len(values)}
