"""How consistently the move of a message's rewrites rises with the requested intensity.

    evaluate.load("models/metrics/monotone.py").compute(
        predictions=[[rewrites at 0, 1, 2, 3], ...], references=messages, transform_types=["soften", ...]
    )

Formula and limits: `models.scoring.monotone`.
"""

import datasets
import evaluate

from data.records import TransformType
from models import scoring, tone


class Monotone(evaluate.Metric):
    """See the module; mean over the rewrites."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=__doc__,
            citation="",
            inputs_description="predictions: a message's rewrites by rising intensity; references: messages",
            features=datasets.Features(
                {"predictions": datasets.Sequence(text), "references": text, "transform_types": text}
            ),
        )

    def _compute(
        self, predictions: list[list[str]], references: list[str], transform_types: list[str]
    ) -> dict[str, float]:
        values = [
            scoring.monotone([tone.move(text, rewrite, TransformType(kind)) for rewrite in rewrites])
            for rewrites, text, kind in zip(predictions, references, transform_types, strict=True)
        ]
        return {"monotone": sum(values) / len(values)}
