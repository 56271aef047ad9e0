"""An experiment that has ended, as one MLflow run: its plan, what each variant came to, every effect, the
decision and two plots. Flows alone import this.

What was found from look to look stays in Postgres (table `looks`); a run is for setting experiments beside
each other. It is found by the tag `experiment_id`, so that there is one of each, however often it is written.
"""

import math
import textwrap
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from experiments import metrics
from experiments.analysis import ArmSummary, ComparisonResult, ExperimentResult
from experiments.effects import Better, Effect

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

EXPERIMENT = "experiments"
_MOST_LISTED = 1000
_LONGEST_PARAM = 6000  # MLflow's limit
_BLUE, _RED, _GRAY = "#2458a6", "#c0392b", "#777777"
# Relative effects beyond this leave the frame: of few users an interval may be a thousand times as wide.
_WIDEST = 2.2
_LONGEST_TITLE = 70


class Point(NamedTuple):
    """What a look has found of one number, with its confidence sequence."""

    at: datetime
    value: float
    low: float
    high: float


class Seen(NamedTuple):
    """What the last look has found; `evidence` is all of it, as stored."""

    comparison: ComparisonResult
    between_users: ExperimentResult
    evidence: Mapping[str, Any]


class Ended(NamedTuple):
    """An experiment that has ended, and who has ended it and why; `seen` is None when nobody ever looked."""

    id: uuid.UUID
    name: str
    hypothesis: str
    status: str
    baseline: str
    challenger: str
    began_at: datetime
    ended_at: datetime
    decided_by: str
    reason: str
    plan: Mapping[str, Any]
    seen: Seen | None
    effects: Sequence[Point]
    win_rates: Sequence[Point]


def written(uri: str) -> dict[str, str]:
    """The status of each experiment whose run is complete, by its id; of the newest thousand runs."""
    client = MlflowClient(tracking_uri=uri)
    if (there := client.get_experiment_by_name(EXPERIMENT)) is None:
        return {}
    found = client.search_runs(
        [there.experiment_id],
        "attributes.status = 'FINISHED'",
        max_results=_MOST_LISTED,
        order_by=["attributes.end_time DESC"],
    )
    tags = [run.data.tags for run in found]
    return {one["experiment_id"]: one["status"] for one in tags if "experiment_id" in one}


def write(uri: str, artifacts: Path, ended: Ended) -> str:
    """Write an experiment's run, or write it again; its id. It is FINISHED when all of it is there."""
    client = MlflowClient(tracking_uri=uri)
    experiment_id, began_ms, ended_ms = _experiment_id(client, artifacts), *_ms(ended)
    there = client.search_runs([experiment_id], f"tags.experiment_id = '{ended.id}'")
    made = there[0] if there else client.create_run(experiment_id, began_ms, _tags(ended), ended.name)
    run_id = str(made.info.run_id)
    client.update_run(run_id, status="RUNNING")
    found = numbers(ended) if ended.seen else {}
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, ended_ms, 0) for name, value in found.items()],
        params=[Param(name, str(value)[:_LONGEST_PARAM]) for name, value in flat(ended.plan)],
        tags=[RunTag(name, value) for name, value in _tags(ended).items()],
    )
    if ended.seen is not None:
        from matplotlib.figure import Figure

        client.log_dict(run_id, dict(ended.seen.evidence), "evidence.json")
        for name, height, draw in (("effect", 6.4, draw_effect), ("metrics", 6.0, draw_metrics)):
            figure = Figure(figsize=(9, height), layout="constrained")
            draw(figure, ended)
            client.log_figure(run_id, figure, f"{name}.png", save_kwargs={"dpi": 110})
    client.set_terminated(run_id, end_time=ended_ms)
    return run_id


def numbers(ended: Ended) -> dict[str, float]:
    """The metrics of a run: `challenger/exposed`, `satisfaction/difference`, `comparison/win_rate`, ...

    p of a metric beside the primary one is Holm's, over all of those.
    """
    assert ended.seen is not None, ended.id
    compared, users = ended.seen.comparison, ended.seen.between_users
    primary = str(ended.plan["primary"])
    found: dict[str, float | None] = {
        "comparison/wins": compared.tally.wins,
        "comparison/losses": compared.tally.losses,
        "comparison/ties": compared.tally.ties,
        "comparison/people": compared.tally.people,
        "comparison/win_rate": compared.win_rate,
        "comparison/low": compared.interval.low,
        "comparison/high": compared.interval.high,
    }
    values = (users.primary.baseline, users.primary.challenger) if users.primary else (None, None)
    for arm, summary, value in zip(
        ("baseline", "challenger"), (users.baseline, users.challenger), values, strict=True
    ):
        found |= _of_arm(arm, summary) | {f"{arm}/{primary}": value}
    found |= _of_effect(primary, users.primary, users.primary.p if users.primary else None)
    found |= _of_effect("response_rate", users.response, users.response.p if users.response else None)
    for name, one in users.metrics.items():
        found |= _of_effect(name, one.effect, one.p)
    return {name: float(one) for name, one in found.items() if one is not None and math.isfinite(one)}


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested values with their path: `guardrails.failed`."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def draw_effect(figure: "Figure", ended: Ended) -> None:
    """What was known from look to look: whom people chose, and the effect in the primary metric."""
    primary, margin = str(ended.plan["primary"]), float(ended.plan["harm_margin"])
    better = _better()
    band = f"{1 - float(ended.plan['alpha']):.0%}, at all looks at once"
    above, below = figure.subplots(2, 1, sharex=True)
    figure.suptitle(f"{_title(ended)}: {ended.status.replace('_', ' ')}")
    _over_time(above, ended.win_rates, band)
    above.axhline(0.5, color=_GRAY, linestyle=":", label="as often as the other")
    above.set(title="Side by side", ylabel=f"share that chose {ended.challenger}", ylim=(0, 1))
    _over_time(below, ended.effects, band)
    below.axhline(0, color=_GRAY, linestyle=":", label="no difference")
    harm = -margin if better[primary] == "higher" else margin
    below.axhline(harm, color=_RED, linestyle="--", label=f"margin: a loss of {margin:g}")
    below.set(
        title="Between users",
        ylabel=f"{primary},\n{ended.challenger} minus {ended.baseline}",
        xlabel="time of the look (UTC)",
    )
    if ended.effects:  # the first bands are as wide as anything can be: what the last says is to be read
        last = ended.effects[-1]
        widest = 1.6 * max(abs(last.low), abs(last.high), margin)
        below.set_ylim(-widest, widest)
    if at := [*_utc(ended.win_rates), *_utc(ended.effects)]:
        aside = max((max(at) - min(at)) / 20, np.timedelta64(60, "s"))
        below.set_xlim(min(at) - aside, max(at) + aside)
    named = {
        label: line
        for axes in (above, below)
        for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=len(named), fontsize=8)


def _utc(points: Sequence[Point]) -> "NDArray[np.datetime64]":
    return np.array([one.at.astimezone(UTC).replace(tzinfo=None) for one in points], dtype="datetime64[us]")


def _title(ended: Ended) -> str:
    return textwrap.shorten(ended.name, _LONGEST_TITLE, placeholder=" ...")


def _over_time(axes: "Axes", points: Sequence[Point], band: str) -> None:
    """A line in its band, each look standing until the next."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    if not points:
        axes.text(0.5, 0.25, "nothing to compare yet", transform=axes.transAxes, ha="center", color=_GRAY)
        return
    at = _utc(points)
    low, high = [point.low for point in points], [point.high for point in points]
    axes.fill_between(at, low, high, step="post", color=_BLUE, alpha=0.15, label=band)
    axes.step(at, [point.value for point in points], where="post", color=_BLUE)
    last = points[-1]
    ends = [[last.value - last.low], [last.high - last.value]]
    axes.errorbar(at[-1:], [last.value], yerr=ends, fmt="o", color=_BLUE, capsize=4)
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def draw_metrics(figure: "Figure", ended: Ended) -> None:
    """Every metric's effect relative to the baseline's value, guardrails with their margins apart."""
    assert ended.seen is not None, ended.id
    users, better = ended.seen.between_users, _better()
    primary = str(ended.plan["primary"])
    guardrails = {name: one for name, one in users.metrics.items() if one.margin is not None}
    others: dict[str, Effect | None] = {primary: users.primary}
    others |= {name: one.effect for name, one in users.metrics.items() if name not in guardrails}
    margins = {name: one.margin for name, one in guardrails.items() if one.margin is not None}
    above, below = figure.subplots(
        2, 1, height_ratios=(len(others) + 1, len(guardrails) + 1), sharex=True, squeeze=True
    )
    figure.suptitle(f"{_title(ended)}: {ended.challenger} relative to {ended.baseline}")
    _relative(above, others, {primary: float(ended.plan["harm_margin"])}, better)
    _relative(below, {name: one.effect for name, one in guardrails.items()}, margins, better)
    above.set_title("Metrics; the primary one at the top")
    below.set(title="Guardrails", xlabel="difference / value of the baseline; |: a loss of the margin")
    widest = max((abs(x) for axes in (above, below) for x in axes.dataLim.intervalx), default=0.0)
    limit = min(_WIDEST, max(0.1, 1.1 * widest)) if math.isfinite(widest) else _WIDEST
    below.set_xlim(-limit, limit)
    below.xaxis.set_major_formatter(lambda share, _: f"{share:+.0%}" if share else "0")


def _relative(
    axes: "Axes",
    found: Mapping[str, Effect | None],
    margins: Mapping[str, float],
    better: Mapping[str, Better],
) -> None:
    """A line a metric, the first at the top; one without a relative effect says so."""
    axes.axvline(0, color=_GRAY, linestyle=":")
    for place, (name, one) in enumerate(found.items()):
        if one is None or one.relative is None or one.relative_interval is None:
            why = "nothing to compare yet" if one is None else "the baseline's value is 0"
            axes.text(0.02, place, why, transform=axes.get_yaxis_transform(), va="center", color=_GRAY)
            continue
        ends = [[one.relative - one.relative_interval.low], [one.relative_interval.high - one.relative]]
        axes.errorbar([one.relative], [place], xerr=ends, fmt="o", color=_BLUE, capsize=4)
        if name in margins:
            loss = margins[name] / one.baseline
            axes.plot([-loss if better[name] == "higher" else loss], [place], "|", color=_RED, markersize=16)
    arrows = {"higher": "more is better", "lower": "less is better"}
    axes.set_yticks(range(len(found)), [f"{name}\n({arrows[better[name]]})" for name in found], fontsize=8)
    axes.set_ylim(len(found) - 0.4, -0.6)


def _better() -> dict[str, Better]:
    return {name: metric.better for name, metric in metrics.load().items()}


def _of_arm(arm: str, summary: ArmSummary) -> dict[str, float | None]:
    return {
        f"{arm}/exposed": summary.exposed,
        f"{arm}/closed": summary.closed,
        f"{arm}/users": summary.users,
        f"{arm}/response_rate": summary.response_rate,
    }


def _of_effect(name: str, found: Effect | None, p: float | None) -> dict[str, float | None]:
    if found is None:
        return {}
    return {
        f"{name}/difference": found.difference,
        f"{name}/low": found.interval.low,
        f"{name}/high": found.interval.high,
        f"{name}/p": p,
        f"{name}/chance_to_win": found.chance_to_win,
    }


def _tags(ended: Ended) -> dict[str, str]:
    return {
        "experiment_id": str(ended.id),
        "name": ended.name,
        "hypothesis": ended.hypothesis,
        "status": ended.status,
        "baseline": ended.baseline,
        "challenger": ended.challenger,
        "decided_by": ended.decided_by,
        MLFLOW_RUN_NOTE: ended.reason,
    }


def _ms(ended: Ended) -> tuple[int, int]:
    began, over = (int(moment.timestamp() * 1000) for moment in (ended.began_at, ended.ended_at))
    return began, over


def _experiment_id(client: MlflowClient, artifacts: Path) -> str:
    there = client.get_experiment_by_name(EXPERIMENT)
    if there is not None:
        return str(there.experiment_id)
    return str(client.create_experiment(EXPERIMENT, artifact_location=artifacts.resolve().as_uri()))
