"""The calibration measures what it says, the same again, goes on after a kill, and sees a broken interval."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import configs
from experiments import sequential
from experiments.calibration import between_users, run
from experiments.calibration import report as findings
from experiments.calibration.config import CalibrationConfig
from experiments.calibration.populations import SETTINGS
from experiments.calibration.report import Report
from experiments.calibration.run import main

FEW = ("plain", "thompson", "tastes", "sample_ratio", "bandits")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., CalibrationConfig]:
    """Configs of small calibrations of a few settings, in several chunks."""
    monkeypatch.setattr(run, "_STUDIES", {name: run._STUDIES[name] for name in FEW})
    monkeypatch.setattr(run, "_CHUNK", 30)

    def config(**changes: Any) -> CalibrationConfig:
        return CalibrationConfig(
            **{"experiments": 60, "looks": 20, "effect": 0.2, "processes": 1, "out": tmp_path} | changes
        )

    return config


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    out = tmp_path_factory.mktemp("calibration")
    made = main(CalibrationConfig(experiments=200, looks=20, effect=0.2, processes=1, out=out))
    assert Report.model_validate_json((out / "report.json").read_text()) == made
    assert (out / "calibration.png").stat().st_size > 20_000
    return made


def test_the_shipped_config_is_the_default_one() -> None:
    assert configs.load(CalibrationConfig, "configs/calibrate.yaml") == CalibrationConfig()
    with pytest.raises(ValueError, match="unknown peeks; known: experiments"):
        configs.load(CalibrationConfig, "configs/calibrate.yaml", ["peeks=3"])


def test_the_page_names_what_the_published_report_misses() -> None:
    published = Report.model_validate_json(Path("docs/results/calibration.json").read_text("utf-8"))
    page = Path("docs/calibration.md").read_text("utf-8")
    assert published.experiments == 10_000
    for name in {said.partition(":")[0] for said in published.missed}:
        assert f"**`{name}` " in page
    assert "\n".join(list(findings.table(published))[: 2 + len(published.settings)]) in page


def test_every_setting_is_in_every_figure(report: Report) -> None:
    for figure in ("aa_false_winner_rate", "coverage", "wrong_winner_rate", "power", "median_stop_ratio"):
        found = getattr(report, figure)
        assert list(found) == [*SETTINGS, "comparisons", "tastes", "tastes_in_a_row"]
        for one in found.values():
            assert one.value is None or one.low <= one.value
    assert all(one.looks_checked for one in report.settings.values())
    assert report.srm_power["55:45"][5000].value == 1
    assert report.srm_power["50:50"][20_000].low < 0.01


def test_what_is_wrong_is_seen_to_be_wrong(report: Report) -> None:
    for name, one in report.settings.items():
        assert one.naive_false_winner_rate.low > 0.08, name
        assert (one.control is None) == (one.control_false_winner_rate is None)
    for name in ("organisations", "ramp", "thompson"):
        assert report.settings[name].control_false_winner_rate.low > 0.5, name
        assert report.aa_false_winner_rate[name].low < 0.05


def test_what_a_bandit_saves_and_costs(report: Report) -> None:
    for arms, rules in report.bandits.regret.items():
        assert rules["fixed"].value == pytest.approx(1 - 1 / arms, abs=0.02)
        assert rules["thompson"].value < rules["top_two of 70 %"].value < rules["fixed"].value
    assert report.power["thompson"].value < report.power["top_two"].value


def test_the_same_seed_gives_the_same_report_on_any_number_of_processes(
    few: Callable[..., CalibrationConfig], tmp_path: Path
) -> None:
    one = main(few())
    assert main(few(processes=2, out=tmp_path / "two")) == one
    assert main(few(seed=1)) != one


def test_a_killed_calibration_goes_on(
    few: Callable[..., CalibrationConfig], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    expected = main(few(out=tmp_path / "whole"))
    ran: list[str] = []
    simulate = run._chunk

    def watched(config: Any, plan: Any, name: str, chunk: Any) -> Any:
        if name == "tastes" and "tastes" not in ran:
            ran.append(name)
            raise KeyboardInterrupt
        ran.append(name)
        return simulate(config, plan, name, chunk)

    monkeypatch.setattr(run, "_chunk", watched)
    with pytest.raises(KeyboardInterrupt):
        main(few())
    ran[:] = ["tastes"]
    assert main(few()) == expected
    assert set(ran) == {"tastes", "sample_ratio", "bandits"}
    ran[:] = ["tastes"]
    main(few(experiments=40))
    assert set(ran) == set(FEW)  # of another config nothing is there


def fixed_margin(n: float, variance: float, alpha: float, n_star: int) -> float:
    return 1.96 * math.sqrt(variance / n)


def test_arrays_that_judge_otherwise_than_the_real_code_are_noticed(
    few: Callable[..., CalibrationConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequential, "mean_margin", fixed_margin)
    with pytest.raises(AssertionError, match="for real"):
        main(few())


def test_a_broken_interval_does_not_pass(
    few: Callable[..., CalibrationConfig], monkeypatch: pytest.MonkeyPatch, report: Report
) -> None:
    monkeypatch.setattr(sequential, "mean_margin", fixed_margin)
    monkeypatch.setattr(between_users, "margins", lambda looks, *_: 1.96 * np.sqrt(looks.variance))
    broken = main(few())
    assert broken.aa_false_winner_rate["plain"].low > 0.05
    assert [said.partition(" is ")[0] for said in findings.newly_missed(broken, report)][:2] == [
        "plain: aa_false_winner_rate",
        "plain: coverage",
    ]


@pytest.mark.parametrize("name", SETTINGS)
def test_populations_have_the_effect_that_is_stated(name: str) -> None:
    a, b = SETTINGS[name].people(np.random.default_rng(0), 0.1)
    assert (b.outcome.mean() - a.outcome.mean()) / a.outcome.std() == pytest.approx(
        0.1, rel=0.2
    )  # some have a cap
    for side in (a, b):
        assert side.outcome.min() >= 0
        assert side.outcome.max() + SETTINGS[name].rise <= 1
        if side.parts is not None:  # a person is the mean of what it consists of
            assert side.parts[1] / side.parts[0] == pytest.approx(side.outcome)


def test_the_fixed_horizon_sample_is_the_usual_one() -> None:
    course = between_users._course("plain", 0.1, 100, 0.05, 0)
    shift = course.truth / math.sqrt((0.6 * 0.4 + (0.6 + course.truth) * (0.4 - course.truth)) / 2)
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert course.fixed_sample == pytest.approx(4 * (z / shift) ** 2, rel=1e-3)
    assert course.ratios[-1] == pytest.approx(2.5, rel=0.02)


def test_intervals_are_exact() -> None:
    found = findings.rate(np.array([True] * 7 + [False] * 93))
    assert (found.value, found.low, found.high) == pytest.approx(
        (0.07, stats.beta.ppf(0.025, 7, 94), stats.beta.ppf(0.975, 8, 93))
    )
    rng = np.random.default_rng(0)
    held = [
        (found.low or 0) <= math.log(2) <= (found.high or math.inf)
        for found in (findings.median(rng.exponential(size=101)) for _ in range(500))
    ]
    assert 0.93 <= np.mean(held) <= 0.99
    undecided = findings.median(np.array([1.0] * 40 + [math.inf] * 60))
    assert (undecided.value, undecided.high) == (None, None)
