"""Post-stratification: a metric's values as they would be if both arms had the same share of each stratum.

By chance, an arm has more users who ask for summaries, or more of a discontent organisation. A stratum is
known before an arm can act: the transform type or the organisation of a user's first answer. Each stratum is
weighted by its share of the users of both arms: Miratrix, Sekhon and Yu, "Adjusting treatment effect
estimates by post-stratification in randomized experiments" (2013). Pure functions.
"""

from collections.abc import Sequence

from experiments.estimators import Covariate, Estimate, Sums, estimate
from experiments.metrics import Metric

# A stratum has as many users in each arm. Smaller ones are one stratum together, with the users of none.
FEWEST = 20

Arms = tuple[Sums, Sums]  # of the baseline and of the challenger


def stratify(whole: Arms, strata: Sequence[Arms], metric: Metric) -> tuple[Estimate, Estimate]:
    """Both arms of an epoch in a mean or a proportion, weighted by stratum. `whole` has the users of all
    strata, and those in none.

    An arm's variance is such that variance / users is the squared error of its weighted mean. With fewer than
    two strata, both arms are as measured. Raises ValueError for a ratio and a quantile: their values are not
    means over users.
    """
    if metric.kind not in ("mean", "proportion"):
        raise ValueError(f"a {metric.kind} cannot be stratified; use a mean or a proportion")
    merged = merge_small(whole, strata)
    measured = [tuple(estimate(metric, {0: sums}) for sums in arms) for arms in merged]
    total = sum(sums.n for sums in whole)
    weights = [sum(sums.n for sums in arms) / total for arms in merged]

    def weigh(side: int) -> Estimate:
        arm = estimate(metric, {0: whole[side]})
        if len(merged) < 2:
            return arm
        parts = [pair[side] for pair in measured]
        covariates = [part.covariate for part in parts if part.covariate is not None]
        assert len(covariates) == len(parts), "each stratum has at least two users"

        def average(values: Sequence[float | None]) -> float:
            return sum(w * value for w, value in zip(weights, values, strict=True) if value is not None)

        def spread(values: Sequence[float | None]) -> float:
            return arm.users * average(
                [
                    w * value / part.users
                    for w, part, value in zip(weights, parts, values, strict=True)
                    if value is not None
                ]
            )

        return arm.model_copy(
            update={
                "mean": average([part.mean for part in parts]),
                "variance": spread([part.variance for part in parts]),
                "covariate": Covariate(
                    mean=average([past.mean for past in covariates]),
                    variance=spread([past.variance for past in covariates]),
                    covariance=spread([past.covariance for past in covariates]),
                ),
            }
        )

    return weigh(0), weigh(1)


def merge_small(whole: Arms, strata: Sequence[Arms]) -> list[Arms]:
    """The strata with at least `FEWEST` users in each arm, then one stratum of all other users.

    While that last one has some users, but too few, it takes in the smallest of the others.
    """
    kept = sorted(
        (arms for arms in strata if all(sums.n >= FEWEST for sums in arms)),
        key=lambda arms: min(sums.n for sums in arms),
    )
    rest = _subtract(whole, kept)
    while kept and max(sums.n for sums in rest) > 0 and min(sums.n for sums in rest) < FEWEST:
        kept.pop(0)
        rest = _subtract(whole, kept)
    return [*kept, rest] if any(sums.n for sums in rest) else kept


def _subtract(whole: Arms, strata: Sequence[Arms]) -> Arms:
    """The sums of the users of `whole` who are in none of the strata."""
    baseline, challenger = (
        Sums(
            *(
                total - sum(parts)
                for total, *parts in zip(whole[side], *(arms[side] for arms in strata), strict=True)
            )
        )
        for side in (0, 1)
    )
    return baseline, challenger
