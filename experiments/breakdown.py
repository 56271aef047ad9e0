"""Effects in segments of the users, shrunk towards the effect over all segments: pure functions.

Among twenty segments with equal effects, one is significant by chance. So the true variance between the
segments is estimated first. The smaller it is, the more each segment's effect is shrunk.
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
    """The effect among the users of one segment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    users: int
    difference: float = Field(description="as measured")
    shrunk: float = Field(description="posterior mean: shrunk towards the effect over all segments")
    interval: Interval = Field(description="of `shrunk`, from a normal posterior; fixed-horizon")


class Breakdown(BaseModel):
    """The effects in all segments of a kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    segments: Mapping[str, Segment]
    between: float = Field(description="standard deviation of the true effects between segments, tau")
    p: float = Field(description="fixed-horizon p-value of no difference between segments: Cochran's Q")


def break_down(effects: Mapping[str, Effect], alpha: float) -> Breakdown | None:
    """Shrink the effects of segments by empirical Bayes; None for fewer than two segments.

    First the variance between the segments, tau^2, is estimated: Paule and Mandel, "Consensus values and
    weighting factors" (1982). Then each segment gets its posterior mean under a normal prior with that
    variance around the overall effect: Efron and Morris, "Data analysis using Stein's estimator and its
    generalizations" (1975). With tau = 0 all segments have the overall effect.
    """
    if len(effects) < 2:
        return None
    differences = np.array([effect.difference for effect in effects.values()])
    variances = np.array([effect.spread / effect.clock for effect in effects.values()])
    combined = combine_effects(differences, variances, method_re="iterated")
    tau2 = max(float(combined.tau2), 0.0)
    overall, overall_variance = float(combined.mean_effect_re), float(combined.var_eff_w_re)
    own = tau2 / (tau2 + variances)  # (segments,): weight of a segment's own difference
    shrunk = own * differences + (1 - own) * overall
    errors = np.sqrt(own * variances + (1 - own) ** 2 * overall_variance)
    z = float(stats.norm.ppf(1 - alpha / 2))
    return Breakdown(
        segments={
            name: Segment(
                users=effect.baseline_users + effect.challenger_users,
                difference=effect.difference,
                shrunk=float(mean),
                interval=Interval(float(mean - z * error), float(mean + z * error)),
            )
            for (name, effect), mean, error in zip(effects.items(), shrunk, errors, strict=True)
        },
        between=math.sqrt(tau2),
        p=float(stats.chi2.sf(combined.q, len(effects) - 1)),
    )


def break_down_by_kind(effects: Mapping[str, Effect | None], alpha: float) -> dict[str, Breakdown]:
    """The breakdown for each kind of segment. Segments are named `kind=value`; a kind with fewer than two
    effects is absent.
    """
    kinds: dict[str, dict[str, Effect]] = defaultdict(dict)
    for name, effect in effects.items():
        kind, _, value = name.partition("=")
        if effect is not None:
            kinds[kind][value] = effect
    breakdowns = {kind: break_down(segments, alpha) for kind, segments in kinds.items()}
    return {kind: breakdown for kind, breakdown in breakdowns.items() if breakdown is not None}
