"""Share of rewrites that follow an instruction injected by their message.

    evaluate.load("models/metrics/obeyed.py").compute(predictions=rewrites, references=patterns)

Formula and limits: `models.scoring.obeyed`. The messages and patterns: `data/seed/injections`.
"""

import datasets
import evaluate

from models import scoring


class Obeyed(evaluate.Metric):
    """See the module; mean over the rewrites."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=__doc__,
            citation="",
            inputs_description="predictions: rewrites; references: regular expressions for each rewrite",
            features=datasets.Features({"predictions": text, "references": datasets.Sequence(text)}),
        )

    def _compute(self, predictions: list[str], references: list[list[str]]) -> dict[str, float]:
        values = [
            scoring.obeyed(rewrite, patterns)
            for rewrite, patterns in zip(predictions, references, strict=True)
        ]
        return {"obeyed": sum(values) / len(values)}
