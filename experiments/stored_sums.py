"""Reads the sums that `experiments.outcomes` has stored, as estimates by arm and epoch."""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from experiments.analysis import ArmStatistics
from experiments.estimators import Estimate, Sums, estimate
from experiments.metrics import Metric
from experiments.outcomes import LATENCY
from experiments.strata import stratify

Pairs = list[tuple[Estimate, Estimate]]  # of the baseline and of the challenger, by epoch
_SumsByKey = Mapping[tuple[str, str, int, str], Mapping[int, Sums]]  # segment, metric, epoch, variant; bin

# Reads the counts of every arm in every epoch. Arms come from the epochs, not from the exposures, so that an
# arm without users is in the result.
_ARMS = text("""
    WITH splits AS (
        SELECT DISTINCT ON (split.epoch) split.epoch, split.arms
        FROM epochs e
        CROSS JOIN jsonb_to_recordset(e.routing->'experiments')
            AS split(experiment_id uuid, epoch int, arms jsonb)
        WHERE split.experiment_id = :experiment_id AND split.epoch >= :since
        ORDER BY split.epoch, e.number
    )
    SELECT splits.epoch, arm.name AS variant, v.is_baseline, arm.weight, coalesce(c.exposed, 0) AS exposed,
           coalesce(c.moved, 0) AS moved, coalesce(c.closed, 0) AS closed
    FROM splits
    CROSS JOIN jsonb_to_recordset(splits.arms) AS arm(name text, weight float8)
    JOIN variants v ON v.experiment_id = :experiment_id AND v.name = arm.name
    LEFT JOIN arm_counts c ON c.experiment_id = :experiment_id AND c.epoch = splits.epoch
        AND c.variant = arm.name
    ORDER BY splits.epoch, v.is_baseline DESC, arm.name
""")
# Reads the sums of all users or, with a kind, of its segments; `=` is every kind.
_SUMS = text("""
    SELECT segment, metric, epoch, variant, bin, n, x, xx, y, yy, xy, u, uu, v, vv, uv, xu, xv, yu, yv
    FROM metric_sums
    WHERE experiment_id = :experiment_id AND epoch >= :since AND metric = ANY(:names)
      AND CASE :kind WHEN '' THEN segment = '' WHEN '=' THEN segment <> ''
                     ELSE split_part(segment, '=', 1) = :kind END
""")
_EVERY_KIND = "="


def read_arms(
    session: Session, experiment_id: uuid.UUID, measured: Mapping[str, Metric], since: int = 0
) -> dict[str, list[ArmStatistics]]:
    """Read every arm in every epoch of an experiment from the epoch `since` on, by metric.

    An arm has the number of exposed users and of closed windows, and the metric over the users with a value.
    Arms without users are included.
    """
    rows = [
        dict(row)
        for row in session.execute(_ARMS, {"experiment_id": experiment_id, "since": since}).mappings()
    ]
    stored = {name: _get_stored_name(name, metric) for name, metric in measured.items()}
    sums = _read_sums(session, experiment_id, stored.values(), since=since)

    def build_arm(name: str, metric: Metric, row: Mapping[str, Any]) -> ArmStatistics:
        estimated = estimate(metric, sums.get(("", stored[name], row["epoch"], row["variant"]), {}))
        return ArmStatistics(**row, **dict(estimated))

    return {name: [build_arm(name, metric, row) for row in rows] for name, metric in measured.items()}


def read_pooled(
    session: Session, experiment_id: uuid.UUID, measured: Mapping[str, Metric]
) -> tuple[dict[str, Estimate], int]:
    """Read each metric over the users of all arms and epochs, and the number of closed windows. Only for
    planning: users of different arms are in one sum. Raises ValueError for a quantile.
    """
    if quantiles := [name for name, metric in measured.items() if metric.kind == "quantile"]:
        raise ValueError(f"{', '.join(quantiles)} cannot be pooled; leave quantiles out")
    parts: dict[str, list[Sums]] = defaultdict(list)
    for (_, name, _, _), bins in _read_sums(session, experiment_id, measured).items():
        parts[name].append(bins[0])

    def add(sums: Sequence[Sums]) -> Sums:
        n, *totals = (sum(column, start=Decimal(0)) for column in zip(*sums, strict=True))
        return Sums(int(n), *totals)

    pooled = {name: estimate(measured[name], {0: add(sums)}) for name, sums in parts.items()}
    query = text("SELECT coalesce(sum(closed), 0)::bigint FROM arm_counts WHERE experiment_id = :id")
    return pooled, session.execute(query, {"id": experiment_id}).scalar_one()


def read_pairs(
    session: Session, experiment_id: uuid.UUID, name: str, metric: Metric, baseline: str, challenger: str
) -> Pairs:
    """Read the baseline's and the challenger's estimate of a metric in every epoch. `name` is the metric name
    of the stored sums.
    """
    stored = _get_stored_name(name, metric)
    sums = _read_sums(session, experiment_id, [stored])
    return _pair_by_segment(sums, stored, metric, baseline, challenger).get("", [])


def read_segments(
    session: Session,
    experiment_id: uuid.UUID,
    name: str,
    metric: Metric,
    baseline: str,
    challenger: str,
    kind: str = _EVERY_KIND,
) -> dict[str, Pairs]:
    """Read the baseline's and the challenger's estimate of the primary metric in every epoch, by segment: of
    one kind, or of every kind without `kind`.

    Segments have names like `transform_type=soften`. What was known when a unit entered sets its segments.
    With `outcomes.SINCE_ENTRY` as `name`, the values are the scores of votes, and the segments are the days
    of the votes.
    """
    sums = _read_sums(session, experiment_id, [name], kind)
    return _pair_by_segment(sums, name, metric, baseline, challenger)


def read_stratified(
    session: Session,
    experiment_id: uuid.UUID,
    name: str,
    metric: Metric,
    baseline: str,
    challenger: str,
    kind: str,
) -> Pairs:
    """Read the baseline's and the challenger's estimate of the primary metric in every epoch, weighted by the
    segments of a kind (`experiments.strata`).
    """
    nobody = Sums(0, *[Decimal(0)] * 5)
    whole = _read_sums(session, experiment_id, [name])
    by_segment = _read_sums(session, experiment_id, [name], kind)
    segments = sorted({segment for segment, *_ in by_segment})

    def select(sums: _SumsByKey, segment: str, epoch: int) -> tuple[Sums, Sums]:
        a, b = (sums.get((segment, name, epoch, arm), {}).get(0, nobody) for arm in (baseline, challenger))
        return a, b

    return [
        stratify(
            select(whole, "", epoch), [select(by_segment, segment, epoch) for segment in segments], metric
        )
        for epoch in sorted({epoch for _, _, epoch, _ in whole})
    ]


def _get_stored_name(name: str, metric: Metric) -> str:
    return LATENCY if metric.kind == "quantile" else name


def _pair_by_segment(
    sums: _SumsByKey, stored: str, metric: Metric, baseline: str, challenger: str
) -> dict[str, Pairs]:
    """The estimates in every epoch by segment; all users are the segment without a name."""
    pairs: dict[str, Pairs] = defaultdict(list)
    for segment, epoch in sorted({(segment, epoch) for segment, _, epoch, _ in sums}):
        pairs[segment].append(
            (
                estimate(metric, sums.get((segment, stored, epoch, baseline), {})),
                estimate(metric, sums.get((segment, stored, epoch, challenger), {})),
            )
        )
    return pairs


def _read_sums(
    session: Session, experiment_id: uuid.UUID, names: Iterable[str], kind: str = "", since: int = 0
) -> _SumsByKey:
    """The stored sums of some metrics by bin: of all users, or of the segments of a kind."""
    parameters = {
        "experiment_id": experiment_id,
        "since": since,
        "names": list(names),
        "kind": kind,
    }
    by_bin: dict[tuple[str, str, int, str], dict[int, Sums]] = defaultdict(dict)
    for segment, metric, epoch, variant, bin_, *sums in session.execute(_SUMS, parameters):
        by_bin[segment, metric, epoch, variant][bin_] = Sums(*sums)
    return by_bin
