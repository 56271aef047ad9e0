"""Metrics: what a yaml may define, and that the shipped one is read."""

from pathlib import Path

import pytest

from experiments import metrics, outcomes
from experiments.metrics import BINS_MS, Metric
from experiments.plan import Plan


def test_the_shipped_metrics_have_that_which_arms_are_compared_by() -> None:
    shipped = metrics.load()
    assert shipped[Plan().primary].kind == "mean"
    assert set(Plan().guardrails) < set(shipped)
    assert {metric.kind for metric in shipped.values()} == {"proportion", "mean", "ratio", "quantile"}
    assert outcomes.LATENCY not in shipped, "its name in the table is taken"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "ratio", "of": "repeats"}, "a ratio has of and per"),
        ({"kind": "mean", "of": "score", "per": "answers"}, "a mean has of, not"),
        ({"kind": "quantile"}, "a quantile has q"),
        ({"kind": "proportion", "of": "likes", "cap": 3}, "a proportion has no cap"),
        ({"kind": "mean", "of": "happiness"}, "Input should be"),
        ({"kind": "mean", "of": "score", "cap": 0}, "greater than 0"),
        ({"kind": "proportion", "of": "likes", "usual": 0.5}, "a proportion has no usual value"),
    ],
)
def test_a_metric_that_makes_no_sense_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Metric.model_validate({"better": "higher", "says": "x", **changes})


def test_what_is_wrong_in_a_yaml_is_named(tmp_path: Path) -> None:
    file = tmp_path / "metrics.yaml"
    file.write_text("metrics: {Robert'); --: {kind: mean, of: score, better: higher, says: x}}")
    with pytest.raises(ValueError, match=r"metrics\.Robert"):
        metrics.load(file)


def test_bins_reach_from_a_cache_hit_to_a_minute_and_may_be_searched() -> None:
    assert list(BINS_MS) == sorted(set(BINS_MS))
    assert BINS_MS[0] <= 20
    assert BINS_MS[-1] > 30_000
