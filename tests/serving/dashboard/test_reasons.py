"""Reasons are recognised as they are given, so that they can be said in another language."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from experiments import metrics, plan
from experiments.analysis import ArmStatistics, Tally, between_users, compare, decide
from pipelines.sample_experiment import FILE
from serving.dashboard import reasons
from serving.dashboard.reasons import retold
from serving.dashboard.words import Words

ENGLISH = re.compile(r"[A-Za-z]{4,}")
JAPANESE = Words("ja")


def arms(*, moved: int = 0, exposed: int = 1000, past: float = 0.5, **means: float) -> Any:
    """Of every metric a baseline at a half and a challenger at `means`."""
    arms_by_metric = {}
    for name, metric in metrics.load().items():
        pair = []
        for variant, is_baseline in (("champion", True), ("v2", False)):
            mean = 0.5 if is_baseline else means.get(name, 0.5)
            users = 800 if is_baseline else int(means.get("users", 800))
            covariate = {"mean": 0.5 if is_baseline else past, "variance": 0.2, "covariance": 0.0}
            pair.append(
                ArmStatistics(
                    epoch=1, variant=variant, is_baseline=is_baseline, weight=0.5,
                    exposed=1000 if is_baseline else exposed, moved=moved, closed=1000,
                    users=users, mean=mean, variance=0.2 if users > 1 else None,
                    covariate=covariate if metric.kind == "proportion" and users > 1 else None,
                )
            )  # fmt: skip
        arms_by_metric[name] = pair
    return arms_by_metric


@pytest.mark.parametrize(
    ("tally", "given", "days", "changes"),
    [
        (Tally(wins=0, losses=0, ties=3, people=2), {"users": 1}, 1, {}),
        (Tally(wins=9, losses=2, ties=3, people=9), {"users": 20}, 1, {}),
        (Tally(wins=90, losses=20, ties=3, people=80), {}, 1, {"ship_alpha": 0.02}),
        (Tally(wins=90, losses=20, ties=3, people=80), {"moved": 30}, 9, {}),
        (Tally(wins=20, losses=90, ties=3, people=80), {"past": 0.9, "moved": 2}, 9, {}),
        (Tally(wins=210, losses=205, ties=3, people=80), {"satisfaction": 0.9}, 9, {}),
        (Tally(wins=50, losses=50, ties=3, people=80), {"satisfaction": 0.1}, 9, {}),
        (Tally(wins=50, losses=50, ties=3, people=80), {"complained": 0.9, "liked": 0.1}, 9, {}),
        (Tally(wins=50, losses=50, ties=3, people=80), {"exposed": 2000}, 9, {"ship_alpha": 0.01}),
        (Tally(wins=50, losses=50, ties=3, people=80), {"users": 300}, 9, {}),
        (Tally(wins=5, losses=5, ties=3, people=80), {}, 40, {"ship_alpha": 0.01}),
        (Tally(wins=5, losses=5, ties=3, people=80), {}, 4, {}),
    ],
)
def test_all_that_is_said_of_a_decision_is_recognised(
    tally: Tally, given: dict[str, Any], days: float, changes: dict[str, Any]
) -> None:
    planned = plan.with_changes(changes)
    users = between_users(arms(**given), planned, metrics.load())
    decided = decide(compare(tally, planned), users, planned, timedelta(days=days))
    for reason in decided.reasons:
        japanese = str(retold(JAPANESE, reason))
        assert 'lang="en"' not in japanese, reason
        assert not ENGLISH.findall(japanese), (reason, japanese)
        assert sorted(re.findall(r"[0-9][0-9.e-]*%?", japanese)) == sorted(
            number.rstrip(".") for number in re.findall(r"[0-9][0-9.e-]*%?", reason)
        ), (reason, japanese)
    together = str(retold(JAPANESE, " ".join(decided.reasons)))
    assert together == " ".join(str(retold(JAPANESE, reason)) for reason in decided.reasons)


def test_what_the_flow_says_of_its_own_acts_is_recognised() -> None:
    kept = json.loads(FILE.read_text(encoding="utf-8"))
    for decision in kept["decisions"]:
        japanese = str(retold(JAPANESE, decision["reason"]))
        assert 'lang="en"' not in japanese, decision["reason"]


def test_what_a_person_wrote_stays_and_is_marked() -> None:
    text = "People prefer the champion, so the challenger is withdrawn. <b>Ann</b> agrees."
    assert str(retold(Words("en"), text)) == (
        "People prefer the champion, so the challenger is withdrawn. &lt;b&gt;Ann&lt;/b&gt; agrees."
    )
    japanese = str(retold(JAPANESE, text))
    assert japanese.endswith('<span lang="en">&lt;b&gt;Ann&lt;/b&gt; agrees.</span>')
    assert japanese.startswith("人々は")


def test_a_sentence_has_each_value_once() -> None:
    for sentence in reasons.REASONS:
        values = re.findall(r"%\((\w+)\)s", sentence)
        assert len(values) == len(set(values)), sentence
