"""The figure of a replay: how long each message took, and how many tokens."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from pipelines.replay import Replayed
from pipelines.shadow import ANSWER_TIMEOUT_S, ReplayedMessage

_BLUE, _ORANGE, _PALE, _GRAY = "#2458a6", "#b45f06", "#c9d8ee", "#666666"


def draw_replay(
    messages: Sequence[ReplayedMessage],
    champion: Sequence[Replayed],
    challenger: Sequence[Replayed],
) -> Figure:
    """The seconds of both versions by message, and the tokens that the challenger read and wrote.

    One line a message, the slowest of the challenger at the top. A message that it did not answer has a
    cross.
    """
    order = sorted(range(len(messages)), key=lambda i: challenger[i].ms)
    figure = Figure(figsize=(10, 1.6 + 0.28 * len(messages)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    places = range(len(order))
    seconds = [challenger[i].ms / 1000 for i in order]
    champion_seconds = [champion[i].ms / 1000 for i in order]
    left.hlines(places, champion_seconds, seconds, color=_PALE, linewidth=1)
    left.plot(champion_seconds, places, "o", color=_BLUE, fillstyle="none", label="champion")
    for marker, is_answered, label in (
        ("^", True, "challenger"),
        ("x", False, "challenger, failed or too late"),
    ):
        points = [at for at in places if (challenger[order[at]].text is not None) == is_answered]
        if points:
            left.plot([seconds[at] for at in points], points, marker, color=_ORANGE, label=label)
    left.axvline(ANSWER_TIMEOUT_S, color=_GRAY, linestyle=":", label="too late in a shadow run")
    left.set(xscale="log", xlabel="seconds until the answer (logarithmic)")
    left.xaxis.set_major_formatter(lambda seconds, _: f"{seconds:g}")
    left.set_yticks(
        places,
        [
            f"{messages[i].transform_type.value} {messages[i].intensity}, "
            f"{len(messages[i].message):,} characters"
            for i in order
        ],
        fontsize=8,
    )
    read = [challenger[i].rewritten.prompt_tokens for i in order]
    written = [challenger[i].rewritten.tokens for i in order]
    right.barh(places, read, color=_PALE, edgecolor=_BLUE, hatch="//", label="read")
    right.barh(places, written, left=read, color=_ORANGE, edgecolor=_ORANGE, label="written")
    right.set(xlabel="tokens of challenger, all drafts of a message")
    for axes in (left, right):
        axes.grid(axis="x", linewidth=0.4)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=6, fontsize=8, frameon=False)
    return figure
