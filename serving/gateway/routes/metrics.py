"""What experiments measure: the shipped metrics, those of the installation's own file, and its segments."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from experiments import metrics, own_metrics
from experiments.metrics import Metric
from serving.gateway.parts import InjectedParts
from serving.gateway.routes.experiments import Viewer

router = APIRouter(prefix="/api/v1/metrics", tags=["experiments"])


class ListedMetric(Metric):
    """A metric, and whether it comes from the installation's own file."""

    name: Annotated[str, Field(description="its name in plans", examples=["complained"])]
    is_own: Annotated[bool, Field(description="it comes from the installation's own file")]


class ListedSegment(BaseModel):
    """A kind of segment of the installation's own file, and the expression that gives a user's segment."""

    name: Annotated[str, Field(description="its name", examples=["heavy_users"])]
    expression: Annotated[
        str,
        Field(description="gives a user's segment", examples=["before_requests > 20"]),
    ]


class ListedMetrics(BaseModel):
    """The metrics and segments that the next draft gets. A running experiment keeps those of its plan."""

    metrics: Annotated[list[ListedMetric], Field(description="what can be measured")]
    own_segments: Annotated[list[ListedSegment], Field(description="by what users can be divided")]


@router.get("")
async def list_metrics(parts: InjectedParts, caller: Viewer) -> ListedMetrics:
    """List the metrics that a draft may name as primary metric or as guardrail, with their definitions."""
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
