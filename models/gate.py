"""The gate: whether a challenger may go on, by its scores beside a champion's and two baselines'."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

import configs
from models.scoreboard import Estimate, Scores, estimate


class Margins(configs.StageConfig):
    """How much worse than the champion a challenger may be, on paired differences; the seed of intervals."""

    max_facts_loss: Annotated[float, Field(ge=0)] = 0.05
    max_meaning_loss: Annotated[float, Field(ge=0)] = 0.05
    max_chatter_rise: Annotated[float, Field(ge=0)] = 0.03
    max_insult_rise: Annotated[float, Field(ge=0)] = 0.03
    max_facts_loss_to_copy: Annotated[float, Field(ge=0)] = 0.05
    seed: int = 0


class Verdict(BaseModel):
    """Whether a challenger may go on, and a sentence for each reason why not."""

    model_config = ConfigDict(frozen=True)

    accepted: bool
    reasons: tuple[str, ...]


def difference(a: Sequence[Scores], b: Sequence[Scores], name: str, seed: int = 0) -> Estimate:
    """The mean of a score in `a` minus that in `b`, paired case by case."""
    return estimate([getattr(x, name) - getattr(y, name) for x, y in zip(a, b, strict=True)], seed)


def win_rate(
    challenger: Sequence[Scores], champion: Sequence[Scores], tie: float = 0.02, seed: int = 0
) -> Estimate:
    """The share of cases in which the challenger's composite is higher; one within `tie` counts as half a
    win.
    """
    gains = [x.composite - y.composite for x, y in zip(challenger, champion, strict=True)]
    return estimate([0.5 if abs(gain) <= tie else float(gain > 0) for gain in gains], seed)


def gate(
    challenger: Sequence[Scores],
    champion: Sequence[Scores] | None,
    baselines: Mapping[str, Sequence[Scores]],
    margins: Margins,
) -> Verdict:
    """Refuse a challenger that loses what the champion keeps, does not do the task, chatters or insults
    more, or is worse beyond noise.

    All comparisons are paired on the same cases, with 95 % bootstrap intervals. Keeping is a test of
    non-inferiority: the unfavourable end of the interval must lie within the stated margin. Without a
    champion (the very first version is compared with the base instead) only the baselines are asked.
    """
    reasons = []
    tone = difference(challenger, baselines["copy_input"], "tone_moved", margins.seed)
    if tone.low <= 0:
        reasons.append(
            f"it does not move tone more than a copy of the input does: {tone}; the lower end must be above 0"
        )
    lost = difference(challenger, baselines["copy_input"], "facts_kept", margins.seed)
    if lost.low < -margins.max_facts_loss_to_copy:
        reasons.append(
            f"it may lose too many facts that a copy keeps: facts_kept changes by {lost}; the lower end must "
            f"be at least {-margins.max_facts_loss_to_copy:.3f}"
        )
    if champion is not None:
        for name, word, margin in (
            ("facts_kept", "many facts", margins.max_facts_loss),
            ("meaning", "much meaning", margins.max_meaning_loss),
        ):
            kept = difference(challenger, champion, name, margins.seed)
            if kept.low < -margin:
                reasons.append(
                    f"it may lose too {word} against the champion: {name} changes by {kept}; "
                    f"the lower end must be at least {-margin:.3f}"
                )
        for name, word, margin in (
            ("chatter", "chatter", margins.max_chatter_rise),
            ("insult", "insult people", margins.max_insult_rise),
        ):
            risen = difference(challenger, champion, name, margins.seed)
            if risen.high > margin:
                reasons.append(
                    f"it may {word} more than the champion: the share that does changes by {risen}; "
                    f"the upper end must be at most {margin:.3f}"
                )
        worth = difference(challenger, champion, "composite", margins.seed)
        if worth.high < 0:
            reasons.append(f"it is worse than the champion beyond noise: the composite changes by {worth}")
    return Verdict(accepted=not reasons, reasons=tuple(reasons))


def hacked(
    reward: tuple[float, float], guards: Mapping[str, tuple[float, float]], margin: float = 0.1
) -> tuple[str, ...]:
    """Why an optimised reward is not to be believed: it rose while something that it stands for fell by more
    than the margin. All are (before, after) on the same held-out messages.
    """
    if reward[1] <= reward[0]:
        return ()
    return tuple(
        f"the reward was hacked: it rose from {reward[0]:.3f} to {reward[1]:.3f} while {name} fell from "
        f"{before:.3f} to {after:.3f}; a fall of {margin:.3f} is allowed"
        for name, (before, after) in guards.items()
        if after < before - margin
    )
