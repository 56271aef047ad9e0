"""The flow that trains."""

from pathlib import Path

from data.reasons import reason, render
from pipelines.train import UnhealthyError


def test_a_stopped_stage_gives_its_reasons() -> None:
    fault = reason("training_unhealthy", figure="kl", value="3", step=5.0, low="0", high="2")
    error = UnhealthyError("grpo", (fault,), Path("run/grpo/health.png"))
    assert str(error) == (
        "The stage grpo was stopped, because it was not healthy; run/grpo/health.png shows its figures. "
        "kl is 3 at step 5; healthy is 0 to 2."
    )
    assert render(error.reasons, "ja").endswith(
        "ステップ 5 で参照モデルとの KLが 3 でした。正常範囲は 0 から 2 です。"
    )
