"""The scores of a system's rewrites over held-out messages, and their means with intervals."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.stats import bootstrap

from data.records import TransformType
from models import fluency, scoring, tone
from models.results import Estimate


class Case(BaseModel):
    """A held-out message, the requested rewrite, the facts that must be kept, and a reference rewrite."""

    model_config = ConfigDict(frozen=True)

    id: str
    text: str
    transform_type: TransformType
    intensity: int
    must_keep: tuple[str, ...]
    reference: str


class Scores(BaseModel):
    """The scores of a rewrite, see `models.scoring`, `models.tone` and `models.fluency`."""

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


def score(
    cases: Sequence[Case], rewrites: Mapping[str, Sequence[str]], base_version: Path
) -> dict[str, list[Scores]]:
    """The scores by system; `rewrites` maps a system to its rewrites in the order of the cases.

    `base_version` is the version folder of the bare base, for perplexity. Raises ValueError when a system has
    more or fewer rewrites than there are cases.
    """
    # One call for all systems: equal texts are embedded and read only once.
    flat = [text for texts in rewrites.values() for text in texts]
    meanings = iter(scoring.meaning([case.text for case in cases] * len(rewrites), flat))
    perplexities = iter(fluency.log_perplexity(base_version, flat))
    return {
        name: [
            _score_case(case, text, next(meanings), next(perplexities))
            for case, text in zip(cases, texts, strict=True)
        ]
        for name, texts in rewrites.items()
    }


def _score_case(case: Case, rewrite: str, meaning: float, log_perplexity: float) -> Scores:
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
    if np.ptp(sample) == 0:  # all values are equal, so every resample has the same mean
        return Estimate(mean=mean, low=mean, high=mean)
    interval = bootstrap(
        (sample,), np.mean, n_resamples=2000, method="percentile", rng=np.random.default_rng(seed)
    ).confidence_interval
    return Estimate(mean=mean, low=float(interval.low), high=float(interval.high))


def by_type(cases: Sequence[Case], scores: Sequence[Scores], seed: int) -> dict[str, dict[str, Estimate]]:
    """The estimate of every score by transform type; types without a case are left out."""
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
