"""Simulated rankings hold what they promise, and their control does not."""

from experiments import plan as plans
from experiments.calibration import rankings
from experiments.calibration.config import CalibrationConfig
from experiments.calibration.report import RankingResult, find_missed_targets, format_ranking

PLAN, CONFIG = plans.load(), CalibrationConfig()


def run(name: str, size: int, chunk: int = 0) -> RankingResult:
    return rankings.summarise(CONFIG, PLAN, name, [rankings.simulate(CONFIG, PLAN, name, chunk, size)])


def test_intervals_cover_and_name_no_best_of_equal_versions() -> None:
    result = run("ranking_equal", 400)
    assert result.experiments == 20
    assert result.coverage.value is not None
    assert result.coverage.value >= 0.9
    assert result.wrong_best.value is not None
    assert result.wrong_best.value <= 0.1
    assert result.best_first is None


def test_the_best_version_is_first() -> None:
    result = run("ranking_better", 200)
    assert result.best_first is not None
    assert result.best_first.value is not None
    assert result.best_first.value >= 0.7
    # 60 of 100 votes against the champion.
    assert 0.35 < result.strengths["first"] < 0.5


def test_the_same_seed_gives_the_same_rankings() -> None:
    first, again, other = (
        rankings.simulate(CONFIG, PLAN, "ranking_better", chunk, 40)["shipped"] for chunk in (0, 0, 1)
    )
    assert first == again
    assert len(first) == len(other) == 2


def test_a_missed_target_is_named() -> None:
    result = run("ranking_equal", 40)
    assert "ranking_equal" in list(format_ranking({"ranking_equal": result}))[-1]
    bad = {name: result.coverage.model_copy(update={"value": 0.5}) for name in ("coverage", "wrong_best")}
    missed = find_missed_targets({"x": result.model_copy(update=bad), "y": result}, PLAN)["x"]
    assert [target.values["figure"] for target in missed] == ["coverage", "wrong_best"]
