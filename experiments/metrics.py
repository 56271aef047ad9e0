"""What is measured of each user in an experiment: the definitions of `configs/metrics.yaml`, in SQL.

A user's *quantities* are counted once, when the user's window closes (`experiments.outcomes`). A metric makes
two numbers of them, x and y. Of these numbers only sums are kept (`experiments.estimators`).
"""

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

import configs

FILE = Path(__file__).parent.parent / "configs" / "metrics.yaml"

Quantity = Literal[
    "requests",
    "answers",
    "misses",
    "fallbacks",
    "failures",
    "repeats",
    "service_s",
    "votes",
    "score",
    "likes",
    "complaints",
    "edits",
    "edit_distance",
]
# Of these the same is known of the time before a user enters: votes are few, and looked up by user.
_FROM_VOTES = {"votes", "score", "likes", "complaints", "edits", "edit_distance"}
# Upper ends of the bins of a miss's latency, in milliseconds: each a fifth wider than the one before.
BINS_MS = tuple(round(20 * 1.2**n, 1) for n in range(42))


class Metric(configs.StageConfig):
    """One number about an arm.

    proportion  share of the exposed users with any of a quantity
    mean        of a quantity, over the users who have it
    ratio       sum of a quantity over the sum of another, `per`; its error by the delta method
    quantile    of a miss's latency in milliseconds, over all misses of all users
    """

    kind: Literal["proportion", "mean", "ratio", "quantile"]
    of: Quantity | None = None
    per: Quantity | None = None
    q: Annotated[float | None, Field(gt=0, lt=1)] = None
    cap: Annotated[float | None, Field(gt=0, description="a user's larger quantity counts as this")] = None
    usual: Annotated[
        float, Field(ge=0, description="covariate of a mean, for a user of whom nothing is known before")
    ] = 0.0
    better: Literal["higher", "lower"]
    says: Annotated[str, Field(min_length=1, description="what it is, in words")]

    @model_validator(mode="after")
    def _is_whole(self) -> "Metric":
        needs = {"proportion": {"of"}, "mean": {"of"}, "ratio": {"of", "per"}, "quantile": {"q"}}[self.kind]
        given = {name for name in ("of", "per", "q") if getattr(self, name) is not None}
        if given != needs:
            raise ValueError(f"a {self.kind} has {' and '.join(sorted(needs))}, not {sorted(given)}")
        if self.cap is not None and self.kind not in ("mean", "ratio"):
            raise ValueError(f"a {self.kind} has no cap")
        if self.usual and self.kind != "mean":
            raise ValueError(f"a {self.kind} has no usual value")
        return self

    @property
    def largest(self) -> float:
        """The largest difference that there can be between two arms."""
        is_share = self.kind == "proportion" or self.of in ("score", "edit_distance")
        return 1.0 if is_share else math.inf

    @property
    def x(self) -> str:
        """A user's x in SQL, of the columns of `quantities`; NULL for a user who is not counted."""
        assert self.of is not None
        if self.kind == "mean":
            return self._capped(self.of)
        return self._any(self.of) if self.kind == "proportion" else self._capped(f"coalesce({self.of}, 0)")

    @property
    def y(self) -> str:
        """A user's y in SQL: of a ratio what it is per, else the covariate (`experiments.estimators`)."""
        if self.kind == "ratio":
            return f"coalesce({self.per}, 0)::numeric"
        if self.of not in _FROM_VOTES:
            return "0::numeric"
        before = f"before_{self.of}"
        if self.kind == "proportion":
            return self._any(before)
        return f"coalesce({self._capped(before)}, {self.usual})"

    def _any(self, of: str) -> str:
        return f"(coalesce({of}, 0) > 0)::int::numeric"

    def _capped(self, value: str) -> str:
        # Not `least`, which leaves out NULL, and would make one who has no value one who has the largest.
        capped = f"CASE WHEN {value} > {self.cap} THEN {self.cap} ELSE {value} END"
        return f"{value}::numeric" if self.cap is None else f"({capped})::numeric"


class Metrics(configs.StageConfig):
    """All metrics, by name."""

    metrics: Mapping[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,38}$")], Metric]


def uncapped(name: str) -> str:
    """Under which name the sums of a metric with a cap are kept without it, to see what the cap does."""
    return f"{name}~"


def with_uncapped(measured: Mapping[str, Metric]) -> dict[str, Metric]:
    """The metrics, and those with a cap once more without it."""
    twins = {
        uncapped(name): metric.model_copy(update={"cap": None})
        for name, metric in measured.items()
        if metric.cap is not None
    }
    return {**measured, **twins}


@cache
def load(path: Path = FILE) -> Mapping[str, Metric]:
    """The metrics of a yaml, read once. ValueError says what does not fit."""
    return configs.load(Metrics, path).metrics
