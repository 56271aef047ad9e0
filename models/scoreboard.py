"""The scores of a system's rewrites over held-out messages, and their means with intervals."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.stats import bootstrap

from data.records import TransformType
from models import fluency, scoring, tone


class Case(BaseModel):
    """One held-out message, what is asked, what must survive, and how we would have written it."""

    model_config = ConfigDict(frozen=True)

    id: str
    text: str
    transform_type: TransformType
    intensity: int
    must_keep: tuple[str, ...]
    reference: str


class Scores(BaseModel):
    """The scores of one rewrite, see `models.scoring`, `models.tone` and `models.fluency`."""

    model_config = ConfigDict(frozen=True)

    facts_kept: float
    meaning: float
    tone_moved: float
    move: float
    chatter: float
    insult: float
    refusal: float
    repetition: float
    length_ratio: float
    copy_rate: float
    log_perplexity: float
    composite: float


class Estimate(BaseModel):
    """A mean and its 95 % bootstrap interval."""

    model_config = ConfigDict(frozen=True)

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.low:.3f} to {self.high:.3f})"


def score(
    cases: Sequence[Case], rewrites: Mapping[str, Sequence[str]], base_version: Path
) -> dict[str, list[Scores]]:
    """The scores of each system's rewrites of the cases, by its name; texts that recur are read once."""
    flat = [text for texts in rewrites.values() for text in texts]
    meanings = iter(scoring.meaning([case.text for case in cases] * len(rewrites), flat))
    perplexities = iter(fluency.log_perplexity(base_version, flat))
    return {
        name: [
            _scores(case, text, next(meanings), next(perplexities))
            for case, text in zip(cases, texts, strict=True)
        ]
        for name, texts in rewrites.items()
    }


def _scores(case: Case, rewrite: str, meaning: float, log_perplexity: float) -> Scores:
    facts_kept = scoring.facts_kept(case.text, rewrite, case.must_keep)
    tone_moved = tone.tone_moved(case.text, rewrite, case.transform_type, case.intensity, meaning)
    chatter = scoring.chatter(case.text, rewrite)
    insult = scoring.insult(case.text, rewrite)
    repetition = scoring.repetition(rewrite)
    return Scores(
        facts_kept=facts_kept,
        meaning=meaning,
        tone_moved=tone_moved,
        move=tone.move(case.text, rewrite, case.transform_type),
        chatter=chatter,
        insult=insult,
        refusal=scoring.refusal(case.text, rewrite),
        repetition=repetition,
        length_ratio=scoring.length_ratio(case.text, rewrite),
        copy_rate=scoring.copy_rate(case.text, rewrite),
        log_perplexity=log_perplexity,
        composite=scoring.composite(facts_kept, meaning, tone_moved, chatter, insult, repetition),
    )


def estimate(values: Sequence[float], seed: int = 0) -> Estimate:
    """The mean of independent values with its 95 % percentile-bootstrap interval (2,000 resamples)."""
    sample = np.asarray(values, dtype=float)
    mean = float(sample.mean())
    if np.ptp(sample) == 0:  # also a single value: there is nothing to resample
        return Estimate(mean=mean, low=mean, high=mean)
    interval = bootstrap(
        (sample,), np.mean, n_resamples=2000, method="percentile", rng=np.random.default_rng(seed)
    ).confidence_interval
    return Estimate(mean=mean, low=float(interval.low), high=float(interval.high))


def by_type(cases: Sequence[Case], scores: Sequence[Scores], seed: int) -> dict[str, dict[str, Estimate]]:
    """Every score's estimate in each transform type."""
    return {
        kind.value: estimates(
            [s for c, s in zip(cases, scores, strict=True) if c.transform_type == kind], seed
        )
        for kind in TransformType
        if any(case.transform_type == kind for case in cases)
    }


def estimates(scores: Sequence[Scores], seed: int) -> dict[str, Estimate]:
    """The estimate of every score."""
    return {name: estimate([getattr(s, name) for s in scores], seed) for name in Scores.model_fields}


def perplexity(log_perplexity: Estimate) -> Estimate:
    """The geometric mean of the texts' perplexities, with its interval."""
    return Estimate(**{key: math.exp(value) for key, value in log_perplexity.model_dump().items()})
