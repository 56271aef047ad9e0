"""The reproducible experiment does what the training flow does, and tells a difference from noise."""

import shlex
from pathlib import Path

import pytest
from dvc.repo import Repo

import configs
from models.export import ExportConfig
from models.results import Estimate
from pipelines import train
from simulation import methods_report
from simulation.methods_report import METRICS, LearningReport, MethodResult
from simulation.simulated_votes import VotesConfig

ROOT = Path(__file__).parents[2]
KINDS = {f"models.{name}": stage.config for name, stage in train.STAGES.items()} | {
    "models.evaluation": train.STAGES["evaluate"].config,
    "models.export": ExportConfig,
    "simulation.simulated_votes": VotesConfig,
}


@pytest.fixture(scope="module")
def stages():
    with Repo(str(ROOT)) as repo:
        return {stage.name: stage for stage in repo.index.stages if stage.relpath == "dvc.yaml"}


def commands(stage):
    return [shlex.split(line) for line in ([stage.cmd] if isinstance(stage.cmd, str) else stage.cmd)]


def loaded(stage):
    """The config that a stage's command gives its module."""
    [(python, _, module, file, *overrides)] = commands(stage)
    assert python == "python"
    return configs.load(KINDS[module], ROOT / file, overrides)


def test_the_experiment_has_every_stage_of_the_flow(stages):
    modules = {
        line[2] for stage in stages.values() for line in commands(stage) if line[:2] == ["python", "-m"]
    }
    of_the_flow = {f"models.{name}" for name in train.STAGES if name not in ("evaluate", "edit_dpo")} | {
        "models.evaluation",
        "models.export",
    }
    assert modules == of_the_flow | {
        "models.curation",
        "simulation.simulated_votes",
        "simulation.methods_report",
    }


def test_each_stage_starts_where_the_flow_starts_it(stages):
    at = Path("artifacts/learning")
    for name in ("reward", "dpo", "kto"):
        assert loaded(stages[name]).adapter == at / "sft", name
    grpo = loaded(stages["grpo"])
    assert (grpo.adapter, grpo.reward) == (at / "dpo", at / "reward")
    for name in ("reward", "dpo", "kto", "grpo"):
        assert loaded(stages[name]).snapshots == (at / "votes",), name
    assert loaded(stages["votes"]).version == at / "versions" / "sft"
    for name in methods_report.METHODS:
        assert loaded(stages[f"export@{name}"]).adapter == at / name
        evaluated = loaded(stages[f"evaluate@{name}"])
        assert evaluated.version == loaded(stages[f"export@{name}"]).out
        assert evaluated.out == at / "evaluation" / name


def test_a_stage_depends_on_what_its_command_reads(stages):
    for name, stage in stages.items():
        known = {str(Path(dep.fs_path).relative_to(ROOT)) for dep in stage.deps}
        for line in commands(stage):
            if line[:2] == ["python", "-m"]:
                assert f"{line[2].replace('.', '/')}.py" in known, name
                assert {word for word in line if word.endswith(".yaml")} <= known, name


def report(mean: float) -> LearningReport:
    row = dict.fromkeys((*METRICS,), Estimate(mean=mean, low=mean - 0.03, high=mean + 0.03))
    result = MethodResult(minutes=1, alone=row, protected=row, win_rate=None, accepted=True, reasons=())
    return LearningReport(
        cases=9, baselines={"rules": row}, methods={"SFT": result}, feedback={}, reward_accuracy=0.5
    )


def test_a_difference_is_one_when_it_is_larger_than_the_noise_of_both():
    assert methods_report.find_differences(report(0.50), report(0.56)) == []
    differences = methods_report.find_differences(report(0.50), report(0.57))
    assert len(differences) == 3 * len(METRICS)
    assert differences[0].startswith("rules: facts_kept is 0.500 (0.470 to 0.530), and was 0.570")


def test_what_one_of_two_reports_has_not_measured_is_no_difference():
    new, old = report(0.50), report(0.57)
    del old.baselines["rules"]["monotone"]
    named = {line.split()[1] for line in methods_report.find_differences(new, old) if "rules" in line}
    assert named == {*METRICS} - {"monotone"}


def test_the_page_shows_the_metrics_of_the_committed_report_and_the_intensity_is_one():
    stored = LearningReport.model_validate_json((ROOT / "docs/results/learning.json").read_text("utf-8"))
    page = (ROOT / "docs/training.md").read_text(encoding="utf-8")
    table = [line for line in page.splitlines() if line.startswith(("| SFT: alone", "| + ", "| the same, "))]
    rows = [[cell.strip() for cell in line.split("|")[2:9]] for line in table[: 2 * len(stored.methods)]]
    results = [row for result in stored.methods.values() for row in (result.alone, result.protected)]
    assert rows == [methods_report.format_means(row) for row in results]
    assert [row[-1] for row in rows[::2]] == ["0.15", "0.08", "0.08", "0.00"], "Kendall's tau"


def test_the_table_and_the_plot_have_the_intensity(capsys, tmp_path):
    stored = LearningReport.model_validate_json((ROOT / "docs/results/learning.json").read_text("utf-8"))
    methods_report.print_table(stored)
    printed = capsys.readouterr().out
    assert "monotone" in printed
    methods_report.plot(stored, tmp_path / "learning.png")
    assert (tmp_path / "learning.png").stat().st_size > 1000
