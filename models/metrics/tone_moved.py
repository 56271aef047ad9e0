"""Mean probability that a reader says a rewrite did what its transform type asks for.

    evaluate.load("models/metrics/tone_moved.py").compute(
        predictions=rewrites, references=messages, transform_types=["soften", ...], intensities=[2, ...]
    )

Formula and limits: `models.tone.tone_moved`.
"""

import datasets
import evaluate

from data.records import TransformType
from models import scoring, tone


class ToneMoved(evaluate.Metric):
    """See the module; mean over the rewrites."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=__doc__,
            citation="",
            inputs_description="predictions: rewrites; references: messages; transform_types, intensities",
            features=datasets.Features(
                {
                    "predictions": text,
                    "references": text,
                    "transform_types": text,
                    "intensities": datasets.Value("int32"),
                }
            ),
        )

    def _compute(
        self,
        predictions: list[str],
        references: list[str],
        transform_types: list[str],
        intensities: list[int],
    ) -> dict[str, float]:
        meanings = scoring.meaning(references, predictions)
        rows = zip(
            references, predictions, map(TransformType, transform_types), intensities, meanings, strict=True
        )
        return {"tone_moved": sum(tone.tone_moved(*row) for row in rows) / len(predictions)}
