"""The gate: accepts or rejects a challenger by its scores, compared with a champion and two baselines."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

import configs
from models.results import Estimate
from models.results import Verdict as Verdict  # re-exported
from models.scoreboard import Scores, estimate


class Margins(configs.StageConfig):
    """How much worse a challenger may be, on paired differences, and the seed of the bootstrap.

    The first four margins are against the champion, the last against a copy of the input. All are in the
    unit of the score: shares of facts or of rewrites, and cosine for meaning.
    """

    max_facts_loss: Annotated[float, Field(ge=0)] = 0.05
    max_meaning_loss: Annotated[float, Field(ge=0)] = 0.05
    max_chatter_rise: Annotated[float, Field(ge=0)] = 0.03
    max_insult_rise: Annotated[float, Field(ge=0)] = 0.03
    max_facts_loss_to_copy: Annotated[float, Field(ge=0)] = 0.05
    seed: int = 0


def difference(a: Sequence[Scores], b: Sequence[Scores], name: str, seed: int = 0) -> Estimate:
    """The mean of (score in `a` - score in `b`), paired by case; ValueError when the lengths differ."""
    return estimate([getattr(x, name) - getattr(y, name) for x, y in zip(a, b, strict=True)], seed)


def win_rate(
    challenger: Sequence[Scores], champion: Sequence[Scores], tie: float = 0.02, seed: int = 0
) -> Estimate:
    """The share of cases in which the challenger has the higher composite.

    A case whose two composites differ by at most `tie` counts as half a win.
    """
    gains = [x.composite - y.composite for x, y in zip(challenger, champion, strict=True)]
    return estimate([0.5 if abs(gain) <= tie else float(gain > 0) for gain in gains], seed)


def gate(
    challenger: Sequence[Scores],
    champion: Sequence[Scores] | None,
    baselines: Mapping[str, Sequence[Scores]],
    margins: Margins,
) -> Verdict:
    """Reject a challenger that loses facts or meaning, does not move tone, chatters or insults more, or has a
    lower composite beyond noise.

    All comparisons are paired on the same cases, with 95 % bootstrap intervals. For facts, meaning, chatter
    and insults the test is one of non-inferiority: the unfavourable end of the interval must lie within the
    margin. Without a champion only the baselines are compared; the flow compares the first version with the
    bare base.
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
    """Reasons to reject a run for reward hacking; empty when there are none.

    A reward is hacked when it rose while a guard, something that the reward stands for, fell by more than the
    margin. All pairs are (before, after) training, on the same held-out messages.
    """
    if reward[1] <= reward[0]:
        return ()
    return tuple(
        f"the reward was hacked: it rose from {reward[0]:.3f} to {reward[1]:.3f} while {name} fell from "
        f"{before:.3f} to {after:.3f}; a fall of {margin:.3f} is allowed"
        for name, (before, after) in guards.items()
        if after < before - margin
    )
