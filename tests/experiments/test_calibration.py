"""The calibration is reproducible, resumes after a kill, and detects a broken interval."""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import configs
from experiments import sequential
from experiments.calibration import between_users, run
from experiments.calibration.config import CalibrationConfig
from experiments.calibration.plot import plot
from experiments.calibration.populations import SETTINGS
from experiments.calibration.report import (
    Report,
    estimate_median,
    estimate_rate,
    find_newly_missed,
    format_missed,
    format_table,
)
from experiments.calibration.run import main
from experiments.calibration.scenarios import SCENARIOS
from experiments.calibration.side_by_side import VOTERS
from experiments.sequential import Interval

FEW = ("plain", "thompson", "tastes", "sample_ratio", "bandits", "better")
PUBLISHED = Path("docs/results/calibration.json")


@pytest.fixture
def calibrate_few(tmp_path: Path) -> Callable[..., Report]:
    """Runs a small calibration of five settings, in several chunks; arguments change its config."""

    def calibrate(**changes: Any) -> Report:
        small = {
            "experiments": 60,
            "looks": 20,
            "effect": 0.2,
            "chunk": 30,
            "processes": 1,
            "out": tmp_path,
            "procedure_experiments": 60,
        }
        return main(CalibrationConfig(**small | changes), FEW)

    return calibrate


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    out = tmp_path_factory.mktemp("calibration")
    report = main(
        CalibrationConfig(
            experiments=200, procedure_experiments=1, looks=20, effect=0.2, processes=1, out=out
        )
    )
    assert Report.model_validate_json((out / "report.json").read_text()) == report
    assert (out / "calibration.png").stat().st_size > 20_000
    return report


def test_the_shipped_config_is_the_default_one() -> None:
    assert configs.load(CalibrationConfig, "configs/calibrate.yaml") == CalibrationConfig()
    with pytest.raises(ValueError, match="unknown peeks; known: experiments"):
        configs.load(CalibrationConfig, "configs/calibrate.yaml", ["peeks=3"])


def test_the_published_report_loads_without_loss(tmp_path: Path) -> None:
    text = PUBLISHED.read_text("utf-8")
    published = Report.model_validate_json(text)
    stored, loaded = json.loads(text), json.loads(published.model_dump_json())
    stored_plan, loaded_plan = stored.pop("plan"), loaded.pop("plan")
    assert loaded == stored
    assert stored_plan.items() <= loaded_plan.items()  # a plan may have got more fields since
    plot(published, tmp_path / "calibration.png")
    assert (tmp_path / "calibration.png").stat().st_size > 20_000


def test_the_page_names_what_the_published_report_misses() -> None:
    published = Report.model_validate_json(PUBLISHED.read_text("utf-8"))
    page = Path("docs/calibration.md").read_text("utf-8")
    assert f"The run has {published.experiments:,} experiments a setting" in page
    for name in published.missed:
        assert f"**`{name}` " in page
    assert "\n".join(list(format_table(published))[: 2 + len(published.settings)]) in page


@pytest.mark.slow
def test_every_setting_is_in_every_figure(report: Report) -> None:
    for figure in ("aa_false_winner_rate", "coverage", "wrong_winner_rate", "power", "median_stop_ratio"):
        estimates = getattr(report, figure)
        assert list(estimates) == [*SETTINGS, *VOTERS]
        for estimate in estimates.values():
            assert estimate.value is None or estimate.low <= estimate.value
    assert all(result.looks_checked for result in report.settings.values())
    assert report.srm_power["55:45"][5000].value == 1
    assert report.srm_power["50:50"][20_000].low < 0.01
    assert list(report.procedure) == list(SCENARIOS)


@pytest.mark.slow
def test_the_controls_fail(report: Report) -> None:
    for name, result in report.settings.items():
        assert result.naive_false_winner_rate.low > 0.08, name
        assert (result.control is None) == (result.control_false_winner_rate is None)
    for name in ("organisations", "ramp", "thompson"):
        assert report.settings[name].control_false_winner_rate.low > 0.5, name
        assert report.aa_false_winner_rate[name].low < 0.05
    assert report.settings["one_way"].control_false_winner_rate.low > 0.25


@pytest.mark.slow
def test_a_bandit_has_less_regret_and_less_power(report: Report) -> None:
    for arms, rules in report.bandits.regret.items():
        assert rules["fixed"].value == pytest.approx(1 - 1 / arms, abs=0.02)
        assert rules["thompson"].value < rules["top_two of 70 %"].value < rules["fixed"].value
    assert report.power["thompson"].value < report.power["top_two"].value


@pytest.mark.slow
def test_a_launch_may_spend_its_level_on_the_claim_that_it_makes(report: Report) -> None:
    assert report.launches is not None
    rates, power = report.launches.false_discovery_rate, report.launches.power
    assert rates["two-sided"].value <= rates["one-sided"].value <= report.launches.requested
    assert power["one-sided"].value > power["two-sided"].value + 0.03


@pytest.mark.slow
def test_adjustments_remove_variance_where_they_can(report: Report) -> None:
    removed = {name: result.variance_reduction.value for name, result in report.adjusted.items()}
    assert min(removed["past_ratio"], removed["past_uneven"]) > 0.5
    assert removed["past_latency"] > 0.2
    assert removed["past_few"] == 0
    assert abs(removed["past_unlike"]) < 0.05
    assert min(removed[name] for name in ("strata_apart", "strata_many", "strata_uneven")) > 0.1
    assert abs(removed["strata_alike"]) < 0.02
    assert removed["cap_very_skewed"] > 0.5
    for name, result in report.adjusted.items():
        assert result.false_winner_rate.low < 0.05, name
        assert result.coverage.high > 0.95, name


@pytest.mark.slow
def test_curves_warn_of_effects_that_change(report: Report) -> None:
    for name, kind in (("fading", "entry"), ("wearing_off", "since_entry"), ("at_weekends", "weekday")):
        assert report.changes[name].warned[kind].value > 0.9
    for name in ("no_effect", "lasting", "rising_level"):
        assert report.changes[name].warned_by_any.low < 0.05, name


@pytest.mark.slow
def test_the_same_seed_gives_the_same_report_on_any_number_of_processes(
    calibrate_few: Callable[..., Report], tmp_path: Path
) -> None:
    expected = calibrate_few()
    assert calibrate_few(processes=2, out=tmp_path / "two") == expected
    assert calibrate_few(seed=1) != expected


@pytest.mark.slow
def test_the_command_fails_when_the_report_misses_more_than_the_published_one(tmp_path: Path) -> None:
    overrides = (
        "experiments=2",
        "procedure_experiments=1",
        "looks=10",
        "effect=0.2",
        "processes=2",
        f"out={tmp_path}",
    )
    command = [sys.executable, "-m", "experiments.calibration", "configs/calibrate.yaml", *overrides]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    report = Report.model_validate_json((tmp_path / "report.json").read_text())
    published = Report.model_validate_json(PUBLISHED.read_text("utf-8"))
    newly_missed = list(format_missed(find_newly_missed(report, published)))
    assert newly_missed
    assert process.stdout.splitlines() == [
        *format_table(report),
        "",
        "Missed targets:",
        *(f"  {sentence}" for sentence in format_missed(report.missed)),
    ]
    assert process.returncode == 1
    assert process.stderr.splitlines()[-len(newly_missed) :] == [f"  {sentence}" for sentence in newly_missed]


@pytest.mark.slow
def test_a_killed_calibration_resumes(
    calibrate_few: Callable[..., Report], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    expected = calibrate_few(out=tmp_path / "whole")
    simulated: list[str] = []
    simulate_chunk = run._simulate_chunk

    def interrupt_first_tastes(config: Any, plan: Any, name: str, chunk: Any) -> Any:
        if name == "tastes" and "tastes" not in simulated:
            simulated.append(name)
            raise KeyboardInterrupt
        simulated.append(name)
        return simulate_chunk(config, plan, name, chunk)

    monkeypatch.setattr(run, "_simulate_chunk", interrupt_first_tastes)
    with pytest.raises(KeyboardInterrupt):
        calibrate_few()
    simulated[:] = ["tastes"]
    assert calibrate_few() == expected
    assert set(simulated) == {"tastes", "sample_ratio", "bandits", "better"}
    simulated[:] = ["tastes"]
    calibrate_few(experiments=40)
    assert set(simulated) == set(FEW)  # results of another config are not used


def test_the_digest_covers_all_code_that_a_simulation_imports() -> None:
    script = "import sys, experiments.calibration.run; print(*sys.modules)"
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    names = [name for name in process.stdout.split() if name.startswith("experiments.")]
    imported = {Path(*name.split(".")).with_suffix(".py") for name in names}
    covered = {file.relative_to(Path.cwd()) for file in run.list_determining_files()}
    packages = {Path("experiments/calibration.py"), Path("experiments/calibration/plot.py")}
    assert covered == imported - packages


def fixed_margin(n: float, variance: float, alpha: float, n_star: int) -> float:
    return 1.96 * math.sqrt(variance / n)


def test_arrays_that_differ_from_the_production_code_are_detected(
    calibrate_few: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequential, "mean_margin", fixed_margin)
    with pytest.raises(AssertionError, match=r"the simulation gives .*, analysis.between_users"):
        calibrate_few()


def test_votes_that_are_counted_otherwise_than_in_production_are_detected(
    calibrate_few: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequential, "clustered_win_rate_interval", lambda *_: Interval(0.51, 0.52))
    with pytest.raises(AssertionError, match=r"the simulation gives .*, analysis.compare"):
        calibrate_few()


@pytest.mark.slow
def test_a_broken_interval_misses_its_targets(
    calibrate_few: Callable[..., Report], monkeypatch: pytest.MonkeyPatch, report: Report
) -> None:
    monkeypatch.setattr(sequential, "mean_margin", fixed_margin)
    monkeypatch.setattr(
        between_users, "compute_margins", lambda analyses, *_: 1.96 * np.sqrt(analyses.variance)
    )
    broken = calibrate_few()
    assert broken.aa_false_winner_rate["plain"].low > 0.05
    newly_missed = find_newly_missed(broken, report)["plain"]
    assert [(target.code, target.values["figure"]) for target in newly_missed][:2] == [
        ("target_exceeded", "aa_false_winner_rate"),
        ("target_not_reached", "coverage"),
    ]


@pytest.mark.parametrize("name", SETTINGS)
def test_populations_have_the_stated_effect(name: str) -> None:
    baseline, challenger = SETTINGS[name].generate(np.random.default_rng(0), 0.1)
    effect = (challenger.outcome.mean() - baseline.outcome.mean()) / baseline.outcome.std()
    assert effect == pytest.approx(0.1, rel=0.2)  # some outcomes have an upper limit
    for arm in (baseline, challenger):
        assert arm.outcome.min() >= 0
        assert arm.outcome.max() + SETTINGS[name].trend <= 1
        if arm.parts is not None:  # the outcome is the mean over the parts
            assert arm.parts[1] / arm.parts[0] == pytest.approx(arm.outcome)


def test_the_fixed_horizon_sample_is_the_usual_one() -> None:
    schedule = between_users.plan_schedule("plain", 0.1, 100, 0.05, 0)
    truth = schedule.truth
    effect_size = truth / math.sqrt((0.6 * 0.4 + (0.6 + truth) * (0.4 - truth)) / 2)
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert schedule.fixed_sample == pytest.approx(4 * (z / effect_size) ** 2, rel=1e-3)
    assert schedule.ratios[-1] == pytest.approx(2.5, rel=0.02)


def test_intervals_are_exact() -> None:
    estimate = estimate_rate(np.array([True] * 7 + [False] * 93))
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx(
        (0.07, stats.beta.ppf(0.025, 7, 94), stats.beta.ppf(0.975, 8, 93))
    )
    rng = np.random.default_rng(0)
    medians = [estimate_median(rng.exponential(size=101)) for _ in range(500)]
    covered = [(median.low or 0) <= math.log(2) <= (median.high or math.inf) for median in medians]
    assert 0.93 <= np.mean(covered) <= 0.99
    undecided = estimate_median(np.array([1.0] * 40 + [math.inf] * 60))
    assert (undecided.value, undecided.high) == (None, None)
