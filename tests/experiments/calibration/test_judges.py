"""The simulated people and judges are as described, and the judge helps and harms as it should."""

import numpy as np
import pytest

from experiments import plan as plans
from experiments.calibration import judges
from experiments.calibration.config import CalibrationConfig
from experiments.calibration.judges import JUDGES
from experiments.calibration.report import format_surrogate
from experiments.surrogate import list_seen, measure_judge

PLAN = plans.load()
CONFIG = CalibrationConfig()


@pytest.mark.parametrize("win_rate", [0.5, 0.6])
def test_people_prefer_the_challenger_as_often_as_the_setting_says(win_rate: float) -> None:
    rng = np.random.default_rng(0)
    draws = [judges._draw(rng, JUDGES["judge_tastes"], win_rate, PLAN) for _ in range(20)]
    wins = [is_win for draw in draws for voter in draw.voters for _, is_win in voter.votes]
    assert np.mean(wins) == pytest.approx(win_rate, abs=0.03)
    most = max(
        sum(message == other for voter in draw.voters for other, _ in voter.votes)
        for draw in draws
        for message, _ in draw.voters[0].votes
    )
    assert most <= PLAN.votes_a_message


@pytest.mark.parametrize(
    ("name", "sampled", "seen"),
    [("judge_good", 0.5, 0.5), ("judge_biased_30", 0.8, 0.8), ("judge_drifts", 0.5, 0.8)],
)
def test_a_judge_has_its_bias(name: str, sampled: float, seen: float) -> None:
    rng = np.random.default_rng(1)
    draws = [judges._draw(rng, JUDGES[name], 0.5, PLAN) for _ in range(10)]
    means = [judge.mean for draw in draws if (judge := measure_judge(draw.sample))]
    assert np.mean(means) == pytest.approx(sampled, abs=0.04)
    assert np.mean([np.mean(list_seen(draw.voters)) for draw in draws]) == pytest.approx(seen, abs=0.04)


def test_a_good_judge_saves_votes_and_the_table_says_so() -> None:
    name = "judge_good_of_2000"
    result = judges.summarise(CONFIG, PLAN, name, [judges.simulate(CONFIG, PLAN, name, 0, 8 * 33)])
    judged, alone = result.with_judge, result.votes_alone
    assert judged.power.value is not None
    assert alone.power.value is not None
    assert judged.power.value >= alone.power.value
    assert result.weight > 0.5
    again = judges.summarise(CONFIG, PLAN, name, [judges.simulate(CONFIG, PLAN, name, 0, 8 * 33)])
    assert again == result
    [head, _, line] = format_surrogate({name: result})
    assert head.count("|") == line.count("|")
    assert f"| {name} | {result.weight:.2f} |" in line


def test_without_a_judge_votes_decide_alone() -> None:
    chunk = judges.simulate(CONFIG, PLAN, "judge_none", 0, 10 * 33)
    for is_aa in (True, False):
        assert chunk[f"weight {is_aa}"].max() == 0
        assert (chunk[f"judged misses {is_aa}"] == chunk[f"alone misses {is_aa}"]).all()
