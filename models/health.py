"""Health of a training run: each logged figure has a range, and a run that leaves a range is stopped.

A figure that is outside its range in several consecutive logs stops the run. The weights so far are saved,
the flow rejects them, and the plot shows which figure left its range and when. The ranges are in the configs
of the stages. The bounds are those that Axolotl publishes where a figure has the same meaning here (KL,
groups without spread, clipped completions, lower bound of entropy). Gradient norms have wider bounds, since
at our batch sizes they are larger than Axolotl's 1.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerState

from data.reasons import Reason, reason
from models import curves

Ranges = Mapping[str, tuple[float, float]]  # low and high of a logged figure, both included, by its name

# Consecutive training logs, each a mean over five steps (fewer before a checkpoint): a single bad log may be
# noise. A held-out figure is a mean over all validation rows, so a single one is enough.
_CONSECUTIVE_LOGS = 3
_LOSSES = ("loss", "eval_loss")


def faults(history: Sequence[Mapping[str, float]], ranges: Ranges) -> tuple[Reason, ...]:
    """One reason for each figure that left its range; NaN counts as outside at once. A loss that is NaN is a
    fault even without a range.

    `history` is the trainer's log: dictionaries of figures, each with its `step`.
    """
    reasons = []
    for name, (low, high) in {**dict.fromkeys(_LOSSES, (-math.inf, math.inf)), **ranges}.items():
        limit = 1 if name.startswith("eval_") else _CONSECUTIVE_LOGS
        outside = 0  # consecutive logs outside the range
        for entry in history:
            if name not in entry:  # training and held-out figures have separate entries
                continue
            outside = 0 if low <= entry[name] <= high else outside + 1  # a comparison with NaN is false
            if math.isnan(entry[name]):
                reasons.append(reason("training_not_a_number", figure=name, step=entry["step"]))
                break
            if outside == limit:
                reasons.append(
                    reason(
                        "training_unhealthy",
                        figure=name,
                        value=f"{entry[name]:.3g}",  # as text, since JSON has no infinity
                        step=entry["step"],
                        low=f"{low:g}",
                        high=f"{high:g}",
                    )
                )
                break
    return tuple(reasons)


class Watch(TrainerCallback):
    """Stops a run when a figure has left its range."""

    def __init__(self, ranges: Ranges) -> None:
        self._ranges = ranges

    def on_log(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Check the whole log after each new entry."""
        # The whole log, so that a run that resumes counts the consecutive logs before its checkpoint too.
        if faults(state.log_history, self._ranges):
            control.should_training_stop = True


def plot(history: Sequence[Mapping[str, float]], ranges: Ranges, file: Path) -> None:
    """Draw each watched figure by step with its range shaded; write no file when none was logged."""
    logged = {name: (name,) for name in ranges if any(name in entry for entry in history)}
    if logged:
        curves.draw(history, logged, ranges).savefig(file, dpi=110)
