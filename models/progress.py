"""How far a training is and how long it will take yet: a bar on a terminal, lines in the log.

A run is estimated by what its steps and its held-out evaluations took, each counted apart. The first step of
a process is slower than the rest (memory is taken, kernels are chosen), so it counts only while it is the
only one.
"""

import logging
import time
from typing import Any

from tqdm import tqdm
from transformers import TrainerCallback, TrainerState

_log = logging.getLogger(__name__)
_LINE_EVERY_S = 30.0
_STEPS_MEASURED = 20  # batches hold rows of like length and stand in random order: so many even out


def evaluations_ahead(step: int, steps: int, every_steps: int) -> int:
    """How many held-out evaluations come after a step: one each so many steps, and one at the end."""
    return -(-steps // every_steps) - step // every_steps if step < steps else 0


def in_words(seconds: float) -> str:
    """A time as a person would estimate it."""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"about {round(seconds / 60)} min"
    return f"about {seconds / 3600:.1f} h"


class Progress(TrainerCallback):
    """The bar and the log lines of one training."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._steps_s: list[float] = []  # of this process
        self._figures: dict[str, str] = {}
        self._left = ""
        self._bar: tqdm | None = None

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Open the bar where the run starts or goes on."""
        self._bar = tqdm(
            total=state.max_steps,
            initial=state.global_step,
            desc=self._stage,
            unit="step",
            bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]",
            disable=not state.is_world_process_zero,
        )
        self._told = time.monotonic()
        if state.global_step:
            self._tell(f"goes on from step {state.global_step} of {state.max_steps}")

    def on_step_begin(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Begin to measure."""
        self._began = time.monotonic()

    def on_step_end(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Move the bar, and say now and then how long it will take."""
        now = time.monotonic()
        self._steps_s.append(now - self._began)
        self._left = in_words(self.seconds_left(state, is_evaluation_due=control.should_evaluate))
        self._show(step=state.global_step)
        if now - self._told >= _LINE_EVERY_S:
            self._told = now
            self._tell(f"step {state.global_step} of {state.max_steps}, {self._left} left")

    def on_log(self, args: Any, state: TrainerState, control: Any, **shown: Any) -> None:
        """Show the newest losses."""
        logs = shown["logs"]
        self._figures |= {key: f"{logs[key]:.3f}" for key in ("loss", "eval_loss") if key in logs}
        self._show(step=state.global_step)

    def close(self) -> None:
        """Leave the bar as it stands, wherever the training ended."""
        if self._bar is not None:
            self._bar.close()

    def seconds_left(self, state: TrainerState, is_evaluation_due: bool) -> float:
        """Seconds until the last step and the last evaluation, of which one may be due after this step."""
        measured = self._steps_s[1:][-_STEPS_MEASURED:] or self._steps_s
        step_s = sum(measured) / len(measured)
        # In the log, so that a run that goes on knows what its evaluations took before.
        took = [entry["eval_runtime"] for entry in state.log_history if "eval_runtime" in entry]
        evaluations = evaluations_ahead(state.global_step, state.max_steps, state.eval_steps)
        evaluations_s = (evaluations + is_evaluation_due) * (took[-1] if took else 0.0)
        return (state.max_steps - state.global_step) * step_s + evaluations_s

    def _tell(self, what: str) -> None:
        assert self._bar is not None
        self._bar.clear()  # else the line would be written behind the bar
        _log.info("%s: %s", self._stage, what)
        self._bar.refresh()

    def _show(self, step: int) -> None:
        assert self._bar is not None
        left = [f"{self._left} left"] if self._left else []
        shown = ", ".join([*left, *(f"{name}={value}" for name, value in self._figures.items())])
        self._bar.set_postfix_str(shown, refresh=False)  # the bar itself says how often it is drawn
        self._bar.update(step - self._bar.n)
