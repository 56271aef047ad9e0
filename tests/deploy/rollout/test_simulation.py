"""The whole procedure decides rightly about made-up servers; docs/rollouts.md has the rates of many more."""

import json
from pathlib import Path

import pytest

from deploy.rollout import simulation
from deploy.rollout.simulation import SCENARIOS, Scenario, simulate


@pytest.mark.parametrize(
    "scenario", [each for each in SCENARIOS if each.is_healthy], ids=lambda each: each.name
)
def test_a_healthy_release_is_released(scenario: Scenario) -> None:
    assert simulate(scenario, 20, seed=1).released >= 19


@pytest.mark.parametrize(
    "name",
    [
        "every request fails",
        "5 % errors",
        "5 % errors, blue/green",
        "20 % slow",
        "a busy machine: 35 % very slow, not 20 %",
        "it ends after 30 s",
        "it ends each 30 s and is ready again after 2 s",
    ],
)
def test_a_broken_release_is_taken_back_within_a_minute(name: str) -> None:
    [scenario] = [each for each in SCENARIOS if each.name == name]
    row = simulate(scenario, 20, seed=2)
    assert row.released == 0
    assert row.median_s is not None
    assert row.median_s < 60


def test_the_table_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    simulation.main(["--rollouts", "2", "--out", str(tmp_path / "rows.json")])
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [row["scenario"] for row in rows] == [each.name for each in SCENARIOS]
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(SCENARIOS)
