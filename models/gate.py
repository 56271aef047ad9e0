"""The gate: whether a challenger may go on, by its scores beside a champion's and two baselines'."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

import configs
from data.reasons import Reason, reason
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
    """Whether a challenger may go on, and each reason why not."""

    model_config = ConfigDict(frozen=True)

    accepted: bool
    reasons: tuple[Reason, ...]


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
        reasons.append(reason("gate_tone", **tone.model_dump()))
    facts = difference(challenger, baselines["copy_input"], "facts_kept", margins.seed)
    if facts.low < -margins.max_facts_loss_to_copy:
        reasons.append(
            reason("gate_facts_against_copy", **facts.model_dump(), limit=-margins.max_facts_loss_to_copy)
        )
    if champion is not None:
        for code, name, margin in (
            ("gate_facts", "facts_kept", margins.max_facts_loss),
            ("gate_meaning", "meaning", margins.max_meaning_loss),
        ):
            change = difference(challenger, champion, name, margins.seed)
            if change.low < -margin:
                reasons.append(reason(code, **change.model_dump(), limit=-margin))
        for code, name, margin in (
            ("gate_chatter", "chatter", margins.max_chatter_rise),
            ("gate_insult", "insult", margins.max_insult_rise),
        ):
            change = difference(challenger, champion, name, margins.seed)
            if change.high > margin:
                reasons.append(reason(code, **change.model_dump(), limit=margin))
        composite = difference(challenger, champion, "composite", margins.seed)
        if composite.high < 0:
            reasons.append(reason("gate_composite", **composite.model_dump()))
    return Verdict(accepted=not reasons, reasons=tuple(reasons))


def hacked(
    reward: tuple[float, float], guards: Mapping[str, tuple[float, float]], margin: float = 0.1
) -> tuple[Reason, ...]:
    """Why an optimised reward is not to be believed: it rose while something that it stands for fell by more
    than the margin. All are (before, after) on the same held-out messages.
    """
    if reward[1] <= reward[0]:
        return ()
    return tuple(
        reason(
            "gate_hacked",
            reward_before=reward[0],
            reward_after=reward[1],
            score=name,
            before=before,
            after=after,
            margin=margin,
        )
        for name, (before, after) in guards.items()
        if after < before - margin
    )
