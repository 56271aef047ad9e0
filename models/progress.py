"""Progress of a training and its remaining time: a bar on a terminal, and lines in the log.

The remaining time is estimated from the durations of steps and of held-out evaluations, counted separately.
The first step of a process is slower than the others (memory is allocated, kernels are chosen), so it is used
only until there is a second step.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from tqdm import tqdm
from transformers import TrainerCallback, TrainerState

_log = logging.getLogger(__name__)
_STEPS_MEASURED = 20  # a batch has rows of similar length, so a mean needs this many batches to be stable


def evaluations_ahead(step: int, steps: int, every_steps: int) -> int:
    """Number of held-out evaluations after `step`: one every `every_steps` steps, and one at the end."""
    return -(-steps // every_steps) - step // every_steps if step < steps else 0


def in_words(seconds: float) -> str:
    """A duration, rounded as a person would: `about 50 s`, `about 12 min`, `about 2.5 h`."""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"about {round(seconds / 60)} min"
    return f"about {seconds / 3600:.1f} h"


class Progress(TrainerCallback):
    """The progress bar and the log lines of a training."""

    def __init__(self, stage: str, log_every_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`log_every_s` are the seconds between two lines of the log; `clock` gives the time in seconds."""
        self._stage, self._log_every_s, self._clock = stage, log_every_s, clock
        self._steps_s: list[float] = []  # seconds of each step of this process
        self._figures: dict[str, str] = {}
        self._remaining = ""
        self._bar: tqdm | None = None

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Open the bar at the step where the run starts or resumes."""
        self._bar = tqdm(
            total=state.max_steps,
            initial=state.global_step,
            desc=self._stage,
            unit="step",
            bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]",
            disable=not state.is_world_process_zero,
        )
        self._logged_at = self._clock()
        if state.global_step:
            self._log_line(f"goes on from step {state.global_step} of {state.max_steps}")

    def on_step_begin(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Start the clock of a step."""
        self._started_at = self._clock()

    def on_step_end(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Advance the bar, and log the remaining time every `log_every_s` seconds."""
        now = self._clock()
        self._steps_s.append(now - self._started_at)
        self._remaining = in_words(self.seconds_left(state, is_evaluation_due=control.should_evaluate))
        self._update_bar(step=state.global_step)
        if now - self._logged_at >= self._log_every_s:
            self._logged_at = now
            self._log_line(f"step {state.global_step} of {state.max_steps}, {self._remaining} left")

    def on_log(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        """Show the newest losses in the bar."""
        logs = kwargs["logs"]
        self._figures |= {key: f"{logs[key]:.3f}" for key in ("loss", "eval_loss") if key in logs}
        self._update_bar(step=state.global_step)

    def close(self) -> None:
        """Close the bar at its current step."""
        if self._bar is not None:
            self._bar.close()

    def seconds_left(self, state: TrainerState, is_evaluation_due: bool) -> float:
        """Estimated seconds until the end; `is_evaluation_due` adds the evaluation after this step."""
        measured = self._steps_s[1:][-_STEPS_MEASURED:] or self._steps_s
        step_s = sum(measured) / len(measured)
        # Read from the log, so that a resumed run has the durations of its earlier evaluations.
        evaluations_took_s = [e["eval_runtime"] for e in state.log_history if "eval_runtime" in e]
        evaluations = evaluations_ahead(state.global_step, state.max_steps, state.eval_steps)
        evaluations_s = (evaluations + is_evaluation_due) * (
            evaluations_took_s[-1] if evaluations_took_s else 0.0
        )
        return (state.max_steps - state.global_step) * step_s + evaluations_s

    def _log_line(self, line: str) -> None:
        assert self._bar is not None
        self._bar.clear()  # otherwise the line would be appended to the bar
        _log.info("%s: %s", self._stage, line)
        self._bar.refresh()

    def _update_bar(self, step: int) -> None:
        assert self._bar is not None
        remaining = [f"{self._remaining} left"] if self._remaining else []
        postfix = ", ".join([*remaining, *(f"{name}={value}" for name, value in self._figures.items())])
        self._bar.set_postfix_str(postfix, refresh=False)  # tqdm limits how often the bar is drawn
        self._bar.update(step - self._bar.n)
