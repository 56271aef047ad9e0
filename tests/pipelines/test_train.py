"""The flow that trains."""

import math
from pathlib import Path

import pytest

from configs.settings import Settings
from data.reasons import reason, render
from data.records import Demonstration, TransformType
from data.snapshots import shards, snapshot
from models import health, training, versions
from models.sft import SftConfig, SftResult
from pipelines.run_reasons import FlowError
from pipelines.train import UnhealthyError, list_teacher_snapshots, run_stage
from tests.snapshots import TEACHER


def test_a_stopped_stage_gives_its_reasons() -> None:
    fault = reason("training_unhealthy", figure="kl", value="3", step=5.0, low="0", high="2")
    error = UnhealthyError("grpo", (fault,), Path("runs/4f/grpo/health.png"))
    assert str(error) == (
        "The stage grpo was stopped, because it was not healthy; runs/4f/grpo/health.png in the state folder "
        "shows its figures. "
        "kl is 3 at step 5; healthy is 0 to 2."
    )
    assert render(error.reasons, "ja").endswith(
        "ステップ 5 で参照モデルとの KLが 3 でした。正常範囲は 0 から 2 です。"
    )


def test_a_teachers_snapshot_is_used_where_an_erasure_finds_it(settings: Settings, tmp_path: Path) -> None:
    row = Demonstration(text="a", transform_type=TransformType.SOFTEN, intensity=1, rewrite="b")

    def write(folder: Path) -> Path:
        return snapshot.write_of_teacher(folder, [(row, ())], [], TEACHER).folder

    inside, outside = write(settings.state / "data" / "snapshots"), write(tmp_path / "elsewhere")
    people = shards.write(settings.state / "data" / "snapshots" / "people", [row])
    assert list_teacher_snapshots(
        settings, [f"sft.teachers=[{inside}]", f"dpo.teachers=[{inside}]"], "sft", "dpo"
    ) == [inside]
    assert list_teacher_snapshots(settings, [f"dpo.teachers=[{inside}]"], "sft") == []
    for folder in (outside, people):
        with pytest.raises(
            FlowError, match=r"is not a teacher's snapshot in .*/data/snapshots, the only folder that"
        ):
            list_teacher_snapshots(settings, [f"sft.teachers=[{folder}]"], "sft", "dpo")


def test_a_training_whose_loss_was_no_number_is_read_again(tmp_path: Path) -> None:
    log = (
        {"step": 1.0, "loss": 2.0, "grad_norm": math.inf},
        {"step": 2.0, "loss": math.nan},
        {"step": 2.0, "eval_loss": math.nan},
    )
    result = SftResult(
        out=tmp_path, digest="d", steps=2, resumed_from_step=0, unhealthy=health.faults(log, {}), seconds=1.0,
        history=log, train_rows=10, validation_rows=2, rows_too_long=0, held_out_loss_before=3.0,
        held_out_loss_after=math.nan,
    )  # fmt: skip
    training.write_figures(result, tmp_path)
    config = SftConfig(out=tmp_path, batch_size=2, learning_rate=1e-3)
    again = run_stage.fn("sft", config)  # as a rerun of the flow, which reads finished stages
    assert isinstance(again, SftResult)
    assert str(again) == str(result)  # NaN is not equal to itself
    assert [str(fault) for fault in again.unhealthy] == [
        "loss is not a number at step 2.",
        "eval_loss is not a number at step 2.",
    ]
    metrics = versions.curves("sft", tmp_path / "metrics.json")
    assert [(metric.key, metric.value) for metric in metrics] == [("sft/loss", 2.0)]
