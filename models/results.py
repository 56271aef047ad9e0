"""The results of an evaluation, as they are written to `evaluation/metrics.json` of a run's folder.

Nothing heavy is imported here, so that the dashboard can read these files without torch.
`models.scoreboard`, `models.gate` and `models.evaluation` compute the values.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from data.reasons import Language, Reason, written


def _read_sentences(reasons: Iterable[Any]) -> list[Any]:
    """Files of earlier releases have English sentences instead."""
    return [written(entry)[0] if isinstance(entry, str) else entry for entry in reasons]


StoredReasons = Annotated[tuple[Reason, ...], BeforeValidator(_read_sentences)]  # as a run's file has them
CARD_FILES: Mapping[Language, str] = {"en": "README.md", "ja": "README.ja.md"}  # in a version folder


class Estimate(BaseModel):
    """A mean and its 95 % bootstrap interval, in the unit of the score."""

    model_config = ConfigDict(frozen=True)

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.low:.3f} to {self.high:.3f})"


class Verdict(BaseModel):
    """The gate's decision: whether a challenger is accepted, why not, and what was left out."""

    model_config = ConfigDict(frozen=True)

    accepted: bool
    reasons: StoredReasons
    notes: StoredReasons = ()


class Judged(BaseModel):
    """An LLM judge's preference between challenger and champion, and how often people agree with the judge.

    `win_rate` is the challenger's. `agreement` is the share of people's comparisons in which the judge
    prefers what they chose; a pair on which the judge does not decide counts as half. It is None without
    comparisons. `same_in_both_orders` is the share of pairs on which the judge gives the same answer when the
    two rewrites change places.
    """

    model_config = ConfigDict(frozen=True)

    judge: str
    win_rate: Estimate
    same_in_both_orders: float
    agreement: Estimate | None = None
    people_pairs: int


class Evaluation(BaseModel):
    """All measurements of an evaluation, by system, and the gate's verdict.

    Systems are `challenger` (the version), `champion` (the version in force when it was trained, or the bare
    base), both also with the suffix `_protected` (with fact protection), `first_champion_protected` where it
    is another version than the champion, and the baselines `copy_input`, `rules` and `reference`. The win
    rates and the verdict are about `challenger_protected`, since that is what users receive.

    `systems` maps a system to its scores: every field of `models.scoreboard.Scores` and, where they were
    measured, `monotone` (over messages rewritten at all four intensities) and `obeyed` (over messages that
    try to steer the tool). `by_type` has the scores by transform type, `move_by_intensity` the mean
    `tone.move` by intensity.
    """

    model_config = ConfigDict(frozen=True)

    cases: int
    systems: dict[str, dict[str, Estimate]]
    by_type: dict[str, dict[str, dict[str, Estimate]]]
    move_by_intensity: dict[str, dict[str, Estimate]]
    win_rate: Estimate | None = None
    win_rate_by_reward: Estimate | None = None
    judged: Judged | None = None
    verdict: Verdict


def perplexity(log_perplexity: Estimate) -> Estimate:
    """The geometric mean of the texts' perplexities with its interval: exp of the mean log-perplexity."""
    return Estimate(
        mean=math.exp(log_perplexity.mean),
        low=math.exp(log_perplexity.low),
        high=math.exp(log_perplexity.high),
    )
