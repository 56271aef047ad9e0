"""The results of an experiment's analyses: a row of the table `analyses` for each, read as typed objects.

A row is stored only when it differs from the one before: the rows are the evidence over time.
"""

import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from data.reasons import Reason
from data.tables import Analysis
from experiments.analysis import ChallengerResult, ComparisonResult, ExperimentResult
from experiments.effects import Effect
from experiments.lifecycle import Action
from experiments.ranking import Ranking
from experiments.recommendation import Decision
from experiments.running import Running

MOST_POINTS = 300  # points of a curve: more than a screen can show


class Evidence(BaseModel):
    """The result of one analysis of a running experiment, and the decision that follows from it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    challengers: Mapping[str, ChallengerResult] = Field(description="those that are still tested, by name")
    decision: Decision
    ranking: Ranking | None = Field(None, description="of all versions; None with a single challenger")

    @property
    def leading(self) -> ChallengerResult:
        """The result of the challenger to ship, or else of the leading one."""
        return self.challengers[self.decision.challenger]


class Dated(NamedTuple):
    """Evidence, and the time of its analysis."""

    at: datetime
    evidence: Evidence


class Point(NamedTuple):
    """One number at one analysis, with its confidence sequence."""

    at: datetime
    value: float
    low: float
    high: float


class Exposed(NamedTuple):
    """The number of exposed users of each arm at one analysis."""

    at: datetime
    baseline: int
    challenger: int


def store(session: Session, experiment_id: uuid.UUID, evidence: Evidence, at: datetime | None = None) -> None:
    """Store an analysis' evidence, unless it equals the one before. The caller commits. `at` is the time of
    the analysis: now, if it is left out.
    """
    previous = read_newest(session, experiment_id)
    if previous is None or previous.evidence != evidence:
        session.add(
            Analysis(
                experiment_id=experiment_id,
                analysed_at=at or func.clock_timestamp(),
                evidence=evidence.model_dump(mode="json"),
            )
        )


def read_newest(session: Session, experiment_id: uuid.UUID) -> Dated | None:
    """The evidence of the newest analysis; None before the first one."""
    return read_newest_of_each(session, [experiment_id]).get(experiment_id)


def read_newest_of_challenger(session: Session, experiment_id: uuid.UUID, challenger: str) -> Dated | None:
    """The evidence of the newest analysis that has a challenger; None before the first one."""
    row = session.scalar(
        select(Analysis)
        .where(Analysis.experiment_id == experiment_id, Analysis.evidence["challengers"].has_key(challenger))
        .order_by(Analysis.analysed_at.desc())
        .limit(1)
    )
    return Dated(row.analysed_at, Evidence.model_validate(row.evidence)) if row else None


def read_newest_of_each(session: Session, experiment_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Dated]:
    """The evidence of each experiment's newest analysis. Experiments without an analysis are absent."""
    rows = session.execute(
        select(Analysis)
        .where(Analysis.experiment_id.in_(list(experiment_ids)))
        .ext(distinct_on(Analysis.experiment_id))
        .order_by(Analysis.experiment_id, Analysis.analysed_at.desc())
    ).scalars()
    return {row.experiment_id: Dated(row.analysed_at, Evidence.model_validate(row.evidence)) for row in rows}


def recommends_shipping() -> Any:
    """A condition on the rows of `analyses`: the analysis recommended shipping."""
    return Analysis.evidence["decision"]["action"].astext == Action.SHIP


# Reads one part of the evidence of about `most` analyses, including the last: all analyses of a year have
# many megabytes.
_OVER_TIME = text("""
    WITH numbered AS (
        SELECT analysed_at, evidence #> :path AS part, row_number() OVER (ORDER BY analysed_at) AS number,
            count(*) OVER () AS total
        FROM analyses WHERE experiment_id = :experiment_id
    )
    SELECT analysed_at, part FROM numbered
    WHERE number % greatest(total / :most, 1) = 0 OR number = total ORDER BY analysed_at
""")


def _read_over_time(
    session: Session, experiment_id: uuid.UUID, challenger: str, most: int, *path: str
) -> list[tuple[datetime, Any]]:
    whole_path = ["challengers", challenger, *path]
    parameters = {"experiment_id": experiment_id, "path": whole_path, "most": most}
    return [(at, part) for at, part in session.execute(_OVER_TIME, parameters) if part is not None]


def read_over_time(session: Session, experiment_id: uuid.UUID, most: int = MOST_POINTS) -> list[Dated]:
    """The whole evidence of about `most` analyses, including the last, the oldest first."""
    parameters: dict[str, Any] = {"experiment_id": experiment_id, "path": [], "most": most}
    rows = session.execute(_OVER_TIME, parameters)
    return [Dated(at, Evidence.model_validate(part)) for at, part in rows]


class Met(NamedTuple):
    """A requirement to ship, as it was at the last analysis."""

    requirement: Reason
    is_met: bool
    since: datetime | None  # the first analysis from which on it was met; None: it was not met at the last
    days: float | None  # until then, since the start of the experiment, without its pauses


def find_met_since(analyses: Sequence[Dated], challenger: str, periods: Running) -> list[Met]:
    """Since when a challenger has met each requirement to ship without a break, the first one met first.
    `analyses` are in the order of time; those without the challenger are left out. `periods` are those in
    which the experiment let users in.
    """
    assessed = [
        (at, evidence.decision.by_challenger[challenger].requirements)
        for at, evidence in analyses
        if challenger in evidence.decision.by_challenger
    ]
    last = assessed[-1][1] if assessed else ()
    results = []
    for place, requirement in enumerate(last):
        since = None
        for at, requirements in reversed(assessed):
            if place >= len(requirements) or not requirements[place].is_met:
                break
            since = at
        days = None if since is None else periods.lasted(since) / timedelta(days=1)
        results.append(Met(requirement.state, requirement.is_met, since, days))
    return sorted(results, key=lambda met: math.inf if met.days is None else met.days)


def read_effects_over_time(
    session: Session,
    experiment_id: uuid.UUID,
    challenger: str,
    metric: str | None = None,
    most: int = MOST_POINTS,
) -> list[Point]:
    """The effect of a challenger on the primary metric, or on another one, at about `most` of the analyses
    that have one.
    """
    path = ("primary",) if metric is None else ("metrics", metric, "effect")
    rows = _read_over_time(session, experiment_id, challenger, most, "between_users", *path)
    effects = ((at, Effect.model_validate(part)) for at, part in rows)
    return [Point(at, effect.difference, *effect.interval) for at, effect in effects]


def read_win_rates_over_time(
    session: Session, experiment_id: uuid.UUID, challenger: str, most: int = MOST_POINTS
) -> list[Point]:
    """A challenger's win rate in blind comparisons, at about `most` of the analyses with a decided vote."""
    rows = _read_over_time(session, experiment_id, challenger, most, "comparison")
    comparisons = ((at, ComparisonResult.model_validate(part)) for at, part in rows)
    return [
        Point(at, comparison.win_rate, *comparison.interval)
        for at, comparison in comparisons
        if comparison.win_rate is not None
    ]


def read_exposures_over_time(
    session: Session, experiment_id: uuid.UUID, challenger: str, most: int = MOST_POINTS
) -> list[Exposed]:
    """The number of exposed users of the baseline and a challenger, at about `most` of the analyses."""
    rows = _read_over_time(session, experiment_id, challenger, most, "between_users")
    results = ((at, ExperimentResult.model_validate(part)) for at, part in rows)
    return [Exposed(at, result.baseline.exposed, result.challenger.exposed) for at, result in results]
