import math
from types import SimpleNamespace

import pytest

from data.reasons import catalogue, dump, load
from models import dpo, grpo, health, kto, reward, sft
from models.health import Watch, faults

RANGES = {"grad_norm": (0.01, 10.0), "kl": (0.0, 2.0), "eval_kl": (0.0, 2.0)}


def history(name, *values):
    return [{"step": float(step), name: value} for step, value in enumerate(values, start=1)]


@pytest.mark.parametrize(
    "values", [(1, 1, 1), (11, 11, 9, 11, 11), (0.001, 0.001, 0.1), (0.01, 10.0, 0.01, 10.0)]
)
def test_what_leaves_its_range_for_a_moment_or_not_at_all_is_healthy(values):
    assert faults(history("grad_norm", *values), RANGES) == ()


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("grad_norm", (1, 11, 12, 13, 1), "grad_norm is 13 at step 4; healthy is 0.01 to 10"),
        ("grad_norm", (0.001, 11, 0.001), "grad_norm is 0.001 at step 3"),
        ("kl", (3, 3, 3), "kl is 3 at step 3; healthy is 0 to 2"),
        ("eval_kl", (0.1, 2.5), "eval_kl is 2.5 at step 2"),
        ("grad_norm", (1, math.nan), "grad_norm is not a number at step 2."),
        ("loss", (1, math.nan), "loss is not a number at step 2."),
        ("eval_loss", (math.nan,), "eval_loss is not a number at step 1."),
    ],
)
def test_what_stays_outside_is_named_with_its_step_and_its_range(name, values, words):
    [fault] = faults(history(name, *values), RANGES)
    assert words in str(fault)


def test_a_fault_is_told_in_both_languages_and_survives_json():
    reasons = faults(history("grad_norm", 1, math.inf, math.inf, math.inf), {"grad_norm": (0.01, math.inf)})
    assert reasons == ()
    reasons = faults(history("grad_norm", 1, 0, 0, 0, math.nan), {"grad_norm": (0.01, math.inf)})
    assert [fault.render("ja") for fault in faults(history("loss", math.nan), RANGES)] == [
        "ステップ 1 で損失が数値ではなくなりました（NaN）。"
    ]
    assert [fault.render("ja") for fault in reasons] == [
        "ステップ 4 で勾配ノルムが 0 でした。正常範囲は 0.01 から inf です。"
    ]
    assert tuple(load(dump(reasons))) == reasons


@pytest.mark.parametrize(
    "stage", [sft.SftConfig, reward.RewardConfig, dpo.DpoConfig, kto.KtoConfig, grpo.GrpoConfig]
)
def test_every_watched_figure_has_a_japanese_name(stage):
    watched = stage.model_fields["healthy"].default
    assert [name for name in [*watched, "loss"] if name not in catalogue()["terms"]] == []


def test_a_run_is_stopped_when_it_is_not_healthy_and_not_before():
    control = SimpleNamespace(should_training_stop=False)
    watch, log = Watch(RANGES), history("kl", 3, 3, 3)
    for seen, stops in ((1, False), (2, False), (3, True)):
        watch.on_log(None, SimpleNamespace(log_history=log[:seen]), control)
        assert control.should_training_stop is stops


def test_the_plot_shows_what_was_logged(tmp_path):
    health.plot(history("kl", 1, 2, 3), RANGES, tmp_path / "health.png")
    assert (tmp_path / "health.png").stat().st_size > 1000
    health.plot(history("loss", 1), RANGES, tmp_path / "nothing.png")
    assert not (tmp_path / "nothing.png").exists()
