"""Whether a training run is healthy: ranges of what its trainer logs, watched while it runs.

A figure that lies outside its range in several logs in a row stops the run; what it had learnt by then is
written, the flow refuses it, and the plot shows which figure left its range and when. The ranges stand in the
stages' configs. Their bounds are Axolotl's published ones where a figure means the same here (KL, groups
without spread, clipped completions, entropy from below); gradients at our batch sizes are larger than its 1.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerState

Ranges = Mapping[str, tuple[float, float]]

# Logs of training, each of five steps or of fewer up to a checkpoint; a held-out figure is a mean already and
# counts at once.
_IN_A_ROW = 3


def faults(history: Sequence[Mapping[str, float]], ranges: Ranges) -> tuple[str, ...]:
    """A sentence for each figure that left its range (low, high); a value that is no number is outside."""
    found = []
    for name, (low, high) in ranges.items():
        run = 0
        for entry in history:
            if name not in entry:
                continue
            run = 0 if low <= entry[name] <= high else run + 1  # also when NaN
            if run == (1 if name.startswith("eval_") else _IN_A_ROW) or math.isnan(entry[name]):
                found.append(
                    f"{name} is {entry[name]:.3g} at step {entry['step']:.0f}; healthy is {low:g} to {high:g}"
                )
                break
    return tuple(found)


class Watch(TrainerCallback):
    """Stops a run that is not healthy."""

    def __init__(self, ranges: Ranges) -> None:
        self._ranges = ranges

    def on_log(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Look at all that has been logged."""
        if faults(state.log_history, self._ranges):
            control.should_training_stop = True


def plot(history: Sequence[Mapping[str, float]], ranges: Ranges, file: Path) -> None:
    """Draw each watched figure that was logged, by step, with its range shaded; nothing without one."""
    from matplotlib.figure import Figure

    shown = [name for name in ranges if any(name in entry for entry in history)]
    if not shown:
        return
    figure = Figure(figsize=(4 * len(shown), 3.2), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        points = [(entry["step"], entry[name]) for entry in history if name in entry]
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3, color="#2458a6")
        bottom, top = axes.get_ylim()
        low, high = ranges[name]
        axes.axhspan(max(low, bottom), min(high, top), color="#5b8c5a", alpha=0.15)
        for limit in (low, high):
            if bottom <= limit <= top:
                axes.axhline(limit, color="#c0392b", linestyle="--")
        axes.set(title=name, xlabel="step", ylim=(bottom, top))
    figure.suptitle("Shaded: healthy")
    figure.savefig(file, dpi=110)
