"""Definitions of metrics: which ones a yaml may have, and those of the shipped yaml."""

import itertools
from pathlib import Path

import pytest

from experiments import metrics, outcomes
from experiments.metrics import BINS_MS, Metric
from experiments.plan import Plan


def test_the_shipped_metrics_include_those_of_the_plan() -> None:
    shipped = metrics.load()
    assert shipped[Plan().primary].kind == "mean"
    assert set(Plan().guardrails) < set(shipped)
    assert {metric.kind for metric in shipped.values()} == {"proportion", "mean", "ratio", "quantile"}
    assert outcomes.LATENCY not in shipped, "the table uses this name for latencies"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "ratio", "of": "repeats"}, "a ratio has of and per"),
        ({"kind": "mean", "of": "score", "per": "answers"}, "a mean has of, not"),
        ({"kind": "quantile"}, "a quantile has q"),
        ({"kind": "proportion", "of": "likes", "cap": 3}, "a proportion has no cap"),
        ({"kind": "mean", "of": "happiness"}, "there is no column happiness"),
        ({"kind": "mean", "of": "score", "cap": 0}, "greater than 0"),
        ({"kind": "proportion", "of": "likes", "usual": 0.5}, "a proportion has no usual value"),
        (
            {"kind": "proportion", "of": "repeats", "cap_percentile": 0.99},
            "for a mean or a ratio that has no cap",
        ),
        (
            {"kind": "mean", "of": "repeats", "cap": 5, "cap_percentile": 0.99},
            "for a mean or a ratio that has no",
        ),
        ({"kind": "mean", "of": "score", "cap_percentile": 0.99}, "of one of answers, failures"),
    ],
)
def test_an_inconsistent_metric_raises_an_error(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Metric.model_validate({"better": "higher", "says": "x", **changes})


def test_an_error_names_the_wrong_field_of_a_yaml(tmp_path: Path) -> None:
    file = tmp_path / "metrics.yaml"
    file.write_text("metrics: {Robert'); --: {kind: mean, of: score, better: higher, says: x}}")
    with pytest.raises(ValueError, match=r"metrics\.Robert"):
        metrics.load(file)


def test_bins_are_narrow_and_reach_from_an_edit_to_half_a_minute() -> None:
    assert all(1 < end / begin < 1.02 for begin, end in itertools.pairwise(BINS_MS))
    assert BINS_MS[0] <= 1.1
    assert BINS_MS[-1] > 30_000
