"""What experiments measure: the shipped metrics, those of the installation's own file, and its segments."""

from fastapi import APIRouter
from pydantic import BaseModel

from experiments import metrics, own_metrics
from experiments.metrics import Metric
from serving.gateway.parts import InjectedParts
from serving.gateway.routes.experiments import Viewer

router = APIRouter(prefix="/api/v1/metrics", tags=["experiments"])


class ListedMetric(Metric):
    """A metric, and whether it comes from the installation's own file."""

    name: str
    is_own: bool


class ListedSegment(BaseModel):
    """A kind of segment of the installation's own file, and the expression that gives a user's segment."""

    name: str
    expression: str


class ListedMetrics(BaseModel):
    """The metrics and segments that the next draft gets. A running experiment keeps those of its plan."""

    metrics: list[ListedMetric]
    own_segments: list[ListedSegment]


@router.get("")
async def list_metrics(parts: InjectedParts, caller: Viewer) -> ListedMetrics:
    """The metrics that a draft may name as primary metric or as guardrail, with their definitions."""
    own = own_metrics.load(parts.settings.metrics_file)
    return ListedMetrics(
        metrics=[
            ListedMetric(name=name, is_own=name in own.metrics, **metric.model_dump())
            for name, metric in {**metrics.load(), **own.metrics}.items()
        ],
        own_segments=[
            ListedSegment(name=name, expression=expression) for name, expression in own.segments.items()
        ],
    )
