"""An effect in segments of the users, each drawn towards the effect in all: pure functions.

Of twenty segments without a difference between them one looks like a find. So how much segments really differ
is estimated first, and each is believed as far as that goes.
"""

import math
from collections import defaultdict
from collections.abc import Mapping

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects

from experiments.effects import Effect
from experiments.sequential import Interval


class Segment(BaseModel):
    """The effect among some of the users."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    users: int
    difference: float = Field(description="as measured")
    shrunk: float = Field(description="drawn towards the effect in all, as far as segments do not differ")
    interval: Interval = Field(description="of the shrunk one: for one look, from a normal posterior")


class Breakdown(BaseModel):
    """The effect in all segments of a kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    segments: Mapping[str, Segment]
    between: float = Field(description="standard deviation of the true effects between segments, tau")
    p: float = Field(description="of no difference between segments: Cochran's Q, for one look")


def breakdown(effects: Mapping[str, Effect], alpha: float) -> Breakdown | None:
    """Segments by empirical Bayes; None for fewer than two.

    The variance between them by Paule and Mandel, "Consensus values and weighting factors" (1982), then each
    segment's posterior mean under a normal prior of that variance around the effect in all: Efron and Morris,
    "Data analysis using Stein's estimator and its generalizations" (1975). With tau = 0 all segments have the
    effect in all.
    """
    if len(effects) < 2:
        return None
    differences = np.array([one.difference for one in effects.values()])
    variances = np.array([one.spread / one.clock for one in effects.values()])
    found = combine_effects(differences, variances, method_re="iterated")
    tau2 = max(float(found.tau2), 0.0)
    in_all, of_all = float(found.mean_effect_re), float(found.var_eff_w_re)
    own = tau2 / (tau2 + variances)
    shrunk = own * differences + (1 - own) * in_all
    errors = np.sqrt(own * variances + (1 - own) ** 2 * of_all)
    z = float(stats.norm.ppf(1 - alpha / 2))
    return Breakdown(
        segments={
            name: Segment(
                users=one.baseline_users + one.challenger_users,
                difference=one.difference,
                shrunk=float(mean),
                interval=Interval(float(mean - z * error), float(mean + z * error)),
            )
            for (name, one), mean, error in zip(effects.items(), shrunk, errors, strict=True)
        },
        between=math.sqrt(tau2),
        p=float(stats.chi2.sf(found.q, len(effects) - 1)),
    )


def by_kind(effects: Mapping[str, Effect | None], alpha: float) -> dict[str, Breakdown]:
    """The breakdown for each kind of segments, which are named kind=value."""
    kinds: dict[str, dict[str, Effect]] = defaultdict(dict)
    for name, one in effects.items():
        kind, _, value = name.partition("=")
        if one is not None:
            kinds[kind][value] = one
    found = {kind: breakdown(segments, alpha) for kind, segments in kinds.items()}
    return {kind: one for kind, one in found.items() if one is not None}
