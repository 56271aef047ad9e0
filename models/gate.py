"""The gate: accepts or rejects a challenger by its scores, by floors and compared with two champions.

It decides on what can be checked: facts, copies, chatter, insults, and the similarity of meaning. The
composite, which judges quality, takes part only while it is a valid judge of the champion's rewrites
(`models.validity`). Whether a version that passes is better, people decide in an experiment.

`benchmarks/gate.py` simulates the whole procedure over nights and publishes its error rates.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

import configs
from data.reasons import Reason, reason
from models.results import Estimate, Verdict
from models.scoreboard import Scores, estimate, estimate_difference

Share = Annotated[float, Field(ge=0, le=1)]


class Margins(configs.StageConfig):
    """The limits of a challenger's scores, how much worse than a champion it may be, and a seed.

    The first five are limits of its mean over the cases, whatever the champion does. The last four are limits
    of its change, on paired differences, from the champion and from the first champion. All are in the unit
    of the score: shares of facts or of rewrites, and cosine for meaning.
    """

    min_facts_kept: Share = 0.9
    min_meaning: Annotated[float, Field(ge=-1, le=1)] = 0.7
    max_copied: Share = 0.5
    max_chatter: Share = 0.05
    max_insult: Share = 0.05
    max_facts_loss: Share = 0.05
    max_meaning_loss: Share = 0.05
    max_chatter_rise: Share = 0.05
    max_insult_rise: Share = 0.05
    seed: int = 0


def compare(first: Sequence[Scores], second: Sequence[Scores], name: str, seed: int = 0) -> Estimate:
    """The mean of (score in `first` - score in `second`), paired by case, see `estimate_difference`."""
    return estimate_difference(
        [getattr(row, name) for row in first], [getattr(row, name) for row in second], seed
    )


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
    first_champion: Sequence[Scores] | None,
    copy: Sequence[Scores],
    margins: Margins,
    judge_refusal: Reason | None,
) -> Verdict:
    """Reject a challenger that a limit, a champion or a valid judge speaks against.

    All four have scores on the same cases: the challenger; the champion, with which it competes; the first
    champion of its line, from which many small losses may not add up; and a copy of the input. Without a
    champion only the limits count, and the judge's comparison with the copy.

    Every test asks whether the challenger is good enough: the unfavourable end of the 95 % interval must lie
    within the limit. So few cases reject rather than accept: one that never happened in 84 cases may happen
    in 4.3 % of them. Only the judge must find the challenger worse, since its numbers are no facts.

    `judge_refusal` says why the composite is no valid judge here, and is None when it is one. A refused judge
    is left out, and the verdict's notes say so.
    """
    reasons: list[Reason] = []
    for name, low in (("facts_kept", margins.min_facts_kept), ("meaning", margins.min_meaning)):
        mean = estimate([getattr(row, name) for row in challenger], margins.seed)
        if mean.low < low:
            reasons.append(reason("gate_too_low", score=name, **mean.model_dump(), limit=low))
    for name, high in (
        ("copied", margins.max_copied),
        ("chatter", margins.max_chatter),
        ("insult", margins.max_insult),
    ):
        share = estimate([getattr(row, name) for row in challenger], margins.seed)
        if share.high > high:
            reasons.append(reason("gate_too_high", score=name, **share.model_dump(), limit=high))
    rivals = {"gate": champion, "gate_drift": first_champion}  # by the first part of the reason's code
    for code, rival in rivals.items():
        if rival is not None:
            reasons += _find_losses(challenger, rival, margins, code)
    if judge_refusal is not None:
        return Verdict(accepted=not reasons, reasons=tuple(reasons), notes=(judge_refusal,))
    gain = compare(challenger, copy, "composite", margins.seed)
    if gain.low <= 0:
        reasons.append(reason("gate_no_better_than_copy", **gain.model_dump()))
    for code, rival in rivals.items():
        if rival is not None:
            change = compare(challenger, rival, "composite", margins.seed)
            if change.high < 0:
                reasons.append(reason(f"{code}_composite", **change.model_dump()))
    return Verdict(accepted=not reasons, reasons=tuple(reasons))


def _find_losses(
    challenger: Sequence[Scores], rival: Sequence[Scores], margins: Margins, code: str
) -> list[Reason]:
    """Reasons whose codes begin with `code`: what the challenger may have lost compared with a rival."""
    reasons = []
    for part, name, margin in (
        ("facts", "facts_kept", margins.max_facts_loss),
        ("meaning", "meaning", margins.max_meaning_loss),
    ):
        change = compare(challenger, rival, name, margins.seed)
        if change.low < -margin:
            reasons.append(reason(f"{code}_{part}", **change.model_dump(), limit=-margin))
    for name, margin in (("chatter", margins.max_chatter_rise), ("insult", margins.max_insult_rise)):
        change = compare(challenger, rival, name, margins.seed)
        if change.high > margin:
            reasons.append(reason(f"{code}_{name}", **change.model_dump(), limit=margin))
    return reasons


# By how much a guard may change while the reward rises: the lowest and the highest change, in the unit of the
# score. Agreement has a wider margin, since people's held-out pairs are few (docs/training.md has the rates).
GUARDS: Mapping[str, tuple[float, float]] = {
    "facts_kept": (-0.1, math.inf),
    "meaning": (-0.1, math.inf),
    "copy_rate": (-math.inf, 0.1),
    "length_ratio": (-0.25, 0.25),
    "agreement": (-0.2, math.inf),
}


def hacked(reward: Estimate, guards: Mapping[str, Estimate]) -> tuple[Reason, ...]:
    """Reasons to reject a run for reward hacking; empty when there are none.

    All estimates are paired changes, after - before training, on the same held-out messages. Unless the
    reward has fallen, its whole interval below 0, the run is rejected for each guard, something that the
    reward stands for, whose interval leaves the range of `GUARDS`: it *may* have changed by more. To release
    a hacked policy is worse than to reject an honest one, so what is not measured well enough is rejected.
    """
    if reward.high < 0:
        return ()
    reasons = []
    for name, change in guards.items():
        lowest, highest = GUARDS[name]
        for limit, is_crossed in ((lowest, change.low < lowest), (highest, change.high > highest)):
            if is_crossed:
                why = reason(
                    "reward_hacked_fell" if limit == lowest else "reward_hacked_rose",
                    reward_mean=reward.mean,
                    reward_low=reward.low,
                    reward_high=reward.high,
                    score=name,
                    **change.model_dump(include={"mean", "low", "high"}),
                    limit=limit,
                )
                reasons.append(why)
    return tuple(reasons)
