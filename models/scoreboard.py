"""The scores of a system's rewrites over held-out messages, and their means with intervals."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.optimize import brentq
from scipy.stats import binomtest, bootstrap, norm

from configs.settings import Device
from data.records import TransformType
from models import fidelity, fluency, scoring, tone
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
    copied: float
    log_perplexity: float
    composite: float


def score(
    cases: Sequence[Case],
    rewrites: Mapping[str, Sequence[str]],
    base_version: Path,
    device: Device = "auto",
) -> dict[str, list[Scores]]:
    """The scores by system; `rewrites` maps a system to its rewrites in the order of the cases.

    `base_version` is the version folder of the bare base, for perplexity. Raises ValueError when a system has
    more or fewer rewrites than there are cases.
    """
    # One call for all systems: equal texts are embedded and read only once.
    flat = [text for texts in rewrites.values() for text in texts]
    meanings = iter(scoring.meaning([case.text for case in cases] * len(rewrites), flat))
    perplexities = iter(fluency.log_perplexity(base_version, flat, device))
    return {
        name: [
            score_case(case, text, next(meanings), next(perplexities))
            for case, text in zip(cases, texts, strict=True)
        ]
        for name, texts in rewrites.items()
    }


def judge(
    text: str,
    rewrite: str,
    transform_type: TransformType,
    intensity: int,
    meaning: float,
    must_keep: Sequence[str] = (),
) -> float:
    """The composite, in [0, 1]: `check` * `tone.tone_moved` * `fidelity.score`.

    A rewrite that keeps everything and moves nothing is as useless as one that moves and loses everything or
    says something else.
    """
    return (
        check(text, rewrite, transform_type, intensity, meaning, must_keep)
        * tone.tone_moved(text, rewrite, transform_type, intensity, meaning)
        * fidelity.score(text, rewrite, transform_type, intensity)
    )


def check(
    text: str,
    rewrite: str,
    transform_type: TransformType,
    intensity: int,
    meaning: float,
    must_keep: Sequence[str] = (),
) -> float:
    """`scoring.checks` of a rewrite; `meaning` is `scoring.meaning` of the two texts."""
    return scoring.checks(
        scoring.facts_kept(text, rewrite, must_keep),
        meaning,
        scoring.chatter(text, rewrite),
        scoring.insult(text, rewrite),
        scoring.repetition(rewrite),
        scoring.copied(text, rewrite, transform_type, intensity),
    )


def score_case(case: Case, rewrite: str, meaning: float, log_perplexity: float) -> Scores:
    """The scores of one rewrite; `score` computes `meaning` and `log_perplexity` for all rewrites at once."""
    request = (case.text, rewrite, case.transform_type, case.intensity)
    return Scores(
        facts_kept=scoring.facts_kept(case.text, rewrite, case.must_keep),
        meaning=meaning,
        tone_moved=tone.tone_moved(*request, meaning),
        move=tone.move(case.text, rewrite, case.transform_type),
        chatter=scoring.chatter(case.text, rewrite),
        insult=scoring.insult(case.text, rewrite),
        refusal=scoring.refusal(case.text, rewrite),
        repetition=scoring.repetition(rewrite),
        length_ratio=scoring.length_ratio(case.text, rewrite),
        copy_rate=scoring.copy_rate(case.text, rewrite),
        copied=scoring.copied(case.text, rewrite, case.transform_type, case.intensity),
        log_perplexity=log_perplexity,
        composite=judge(*request, meaning, case.must_keep),
    )


def estimate(values: Sequence[float], seed: int = 0) -> Estimate:
    """The mean of independent values with its 95 % interval.

    For a share, whose values are all 0 or 1, the interval is exact, so that no event in 84 is 0 to 4.3 %. For
    other values it is a percentile bootstrap (2,000 resamples).
    """
    sample = np.asarray(values, dtype=float)
    if np.isin(sample, (0.0, 1.0)).all():
        return estimate_share(int(sample.sum()), len(sample))
    return _bootstrap(sample, seed)


def _bootstrap(sample: np.ndarray, seed: int) -> Estimate:
    mean = float(sample.mean())
    if np.ptp(sample) == 0:  # all values are equal, so every resample has the same mean
        return Estimate(mean=mean, low=mean, high=mean)
    interval = bootstrap(
        (sample,), np.mean, n_resamples=2000, method="percentile", rng=np.random.default_rng(seed)
    ).confidence_interval
    return Estimate(mean=mean, low=float(interval.low), high=float(interval.high))


def estimate_share(events: int, number: int) -> Estimate:
    """The share of `number` cases that are events, with its exact 95 % interval.

    Source: Clopper and Pearson (1934), The use of confidence or fiducial limits illustrated in the case of
    the binomial. Raises ValueError without cases.
    """
    if not number:
        raise ValueError("there are no cases, so there is no share")
    result = binomtest(events, number)
    interval = result.proportion_ci(method="exact")
    return Estimate(mean=float(result.statistic), low=float(interval.low), high=float(interval.high))


def estimate_difference(first: Sequence[float], second: Sequence[float], seed: int = 0) -> Estimate:
    """The mean of (first - second), paired by case, with its 95 % interval, which always has a width.

    Scores are in [0, 1]. When all are 0 or 1, the interval is Tango's score interval for the difference of
    two paired shares. Otherwise it is a percentile bootstrap; when all differences are equal, it is extended
    by the share of other cases that the sample may have missed, 1 - 0.025^(1 / cases).
    Raises ValueError when the lengths differ.

    Source: Tango (1998), Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design, equations 8 to 10.
    """
    pairs = np.array(list(zip(first, second, strict=True)), dtype=float)  # (cases, 2)
    differences = pairs[:, 0] - pairs[:, 1]
    if np.isin(pairs, (0.0, 1.0)).all():
        rises, falls = int((differences > 0).sum()), int((differences < 0).sum())
        return _estimate_paired_shares(rises, falls, len(pairs))
    if np.ptp(differences) == 0:
        mean, missed = float(differences[0]), 1 - 0.025 ** (1 / len(differences))
        return Estimate(mean=mean, low=mean - missed, high=mean + missed)
    return _bootstrap(differences, seed)


def _estimate_paired_shares(rises: int, falls: int, number: int) -> Estimate:
    """Tango's interval for (rises - falls) / number."""
    z = float(norm.ppf(0.975))
    mean = (rises - falls) / number

    def statistic(difference: float) -> float:
        """The score statistic of a true difference; its likeliest share of falls is a root of
        a q^2 + b q + c.
        """
        a = 2 * number
        b = -rises - falls + (2 * number - rises + falls) * difference
        c = -falls * difference * (1 - difference)
        share = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
        variance = number * (2 * share + difference * (1 - difference))
        return (rises - falls - number * difference) / math.sqrt(variance) if variance > 0 else 0.0

    def solve(limit: float, end: float) -> float:
        """The difference between the mean and `end` at which the statistic is the limit."""
        # At the ends themselves the variance is 0.
        start, stop = mean * (1 - 1e-9), end * (1 - 1e-9)
        if (statistic(stop) - limit) * (statistic(start) - limit) >= 0:
            return end
        return float(brentq(lambda difference: statistic(difference) - limit, start, stop))

    return Estimate(mean=mean, low=solve(z, -1.0), high=solve(-z, 1.0))


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
