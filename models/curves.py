"""Curves of a training: each logged figure by step, with its healthy range; in Jupyter, while it runs.

`transformers` has `NotebookProgressCallback` for Jupyter. It does not suffice here: it shows a progress bar
and a table with one line for each held-out evaluation, so there is no curve, no learning rate, no gradient
norm, and no range that says whether a value is normal.
"""

import io
import itertools
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback, TrainerState

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The panels of a figure: the label of the y axis, with its unit, and the logged figures that are drawn there.
Panels = Mapping[str, Sequence[str]]
Ranges = Mapping[str, tuple[float, float]]  # low and high of a logged figure, as in models.health
Entry = Mapping[str, float]  # of a trainer's log: figures by name, with the `step`

# `eval_...` is measured on held-out rows, the others are means over the steps since the last entry.
SFT: Panels = {
    "loss, nats a token": ("loss", "eval_loss"),
    "learning rate": ("learning_rate",),
    "norm of the gradient": ("grad_norm",),
    "entropy, nats a token": ("entropy", "eval_entropy"),
}
DPO: Panels = {
    "loss, nats": ("loss", "eval_loss"),
    "margin, nats": ("rewards/margins", "eval_rewards/margins"),
    "share with a margin above 0": ("rewards/accuracies", "eval_rewards/accuracies"),
    "beta * log-ratio, nats": ("eval_rewards/chosen", "eval_rewards/rejected"),
    "KL, nats a completion": ("kl", "eval_kl"),
    "norm of the gradient": ("grad_norm",),
}

_BLUE, _ORANGE, _GRAY = "#2458a6", "#d9822b", "#555555"
_GREEN, _RED = "#5b8c5a", "#c0392b"
# Colour, line and marker of a panel's curves.
_STYLES = ((_BLUE, "-", "o"), (_ORANGE, "--", "s"), (_GRAY, ":", "^"), (_GREEN, "-.", "D"))
_MOST_COLUMNS = 3


def curve(history: Sequence[Entry], key: str) -> tuple[list[float], list[float]]:
    """The steps and the values of one figure in a trainer's log."""
    points = [(entry["step"], entry[key]) for entry in history if entry.get(key) is not None]
    return [step for step, _ in points], [value for _, value in points]


def draw(history: Sequence[Entry], panels: Panels, ranges: Ranges | None = None) -> "Figure":
    """A figure with one panel for each label, with the curves of its figures; at most three panels in a row.

    A range is shaded, and a red line is its limit. A panel shows the scale of the values, however wide the
    range is.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    rows = -(-len(panels) // _MOST_COLUMNS)
    columns = -(-len(panels) // rows)
    figure = Figure(figsize=(4.2 * columns, 3.2 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).flatten().tolist()
    for axes in grid[len(panels) :]:
        axes.remove()
    for axes, (label, keys) in zip(grid, panels.items(), strict=False):
        for key, (colour, line, marker) in zip(keys, itertools.cycle(_STYLES), strict=False):
            steps, values = curve(history, key)
            axes.plot(steps, values, line, label=key, color=colour, marker=marker, markersize=4)
        for key in keys:
            if ranges and key in ranges and curve(history, key)[0]:
                _shade(axes, key, *ranges[key])
        axes.set(xlabel="step", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(loc="best", fontsize=8)
    return figure


def _shade(axes: "Axes", key: str, low: float, high: float) -> None:
    bottom, top = axes.get_ylim()
    axes.axhspan(max(low, bottom), min(high, top), color=_GREEN, alpha=0.12)
    for limit in (low, high):
        if bottom <= limit <= top:
            axes.axhline(limit, color=_RED, linestyle="-.", linewidth=1)
    axes.set_ylim(bottom, top)
    axes.set_title(f"{key}: healthy from {low:g} to {high:g}", fontsize=8)


class Live(TrainerCallback):
    """Draws the curves of a training in Jupyter, again at each entry of its log and in the same place.

    Use it with `training.add_callback`. Outside of Jupyter it draws nothing while the training runs; `draw`
    gives the figure of all entries so far, in both cases. A training that resumes has the entries from before
    its checkpoint in its log, so the curves begin at the first step.
    """

    def __init__(self, panels: Panels, ranges: Ranges | None = None) -> None:
        self._panels, self._ranges = panels, ranges
        self._history: list[dict[str, float]] = []
        self._display: Any = None  # what IPython updates

    def on_log(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Take over the log, and draw it in Jupyter."""
        self._history = list(state.log_history)
        if state.is_world_process_zero and _is_jupyter():
            self._show()

    def draw(self) -> "Figure":
        """The figure of the newest log."""
        return draw(self._history, self._panels, self._ranges)

    def _show(self) -> None:
        from IPython.display import Image, display

        file = io.BytesIO()
        self.draw().savefig(file, format="png", dpi=80)
        picture = Image(data=file.getvalue(), format="png")
        if self._display is None:
            self._display = display(picture, display_id=True)
        else:
            self._display.update(picture)


def _is_jupyter() -> bool:
    """Whether this process is a kernel of Jupyter, which has imported IPython."""
    ipython: Any = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
