"""The plan of an experiment: settled before it starts, stored with it, and not changed while it runs."""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import ConfigDict, Field, JsonValue, ValidationError, model_validator

import configs
from data.reasons import Reason, ReasonedError, reason
from experiments import metrics
from experiments.metrics import Metric
from experiments.own_metrics import Definitions, OwnMetrics, OwnSegments

FILE = Path(__file__).parent.parent / "configs" / "experiment.yaml"

Share = Annotated[float, Field(gt=0, lt=1)]
Opened = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1, le=10**9)]
Allocation = Literal["fixed", "top_two", "thompson"]
Margin = Annotated[float, Field(gt=0, le=1e9)]
_LONGEST_DAYS = 366
_WEEK = 7  # days


class PlanError(ReasonedError, ValueError):
    """The fields of a plan do not fit together, or are unknown."""


class Plan(configs.StageConfig):
    """What is asked, of whom, and what must be seen before it is decided."""

    model_config = ConfigDict(allow_inf_nan=False)

    alpha: Share = Field(
        0.05,
        description=(
            "probability of a wrong decision between equal arms over all analyses, separately for"
            " comparisons and for metrics of users"
        ),
    )
    ship_alpha: Share = Field(
        0.05,
        description=(
            "one-sided alpha for the decision to ship, computed from the results of earlier experiments"
        ),
    )
    false_discovery_rate: Share = Field(
        0.1,
        description=(
            "expected share of shipped challengers that are not better than the champion; it"
            " determines ship_alpha"
        ),
    )
    minimum_comparisons: Count = Field(
        40, description="decided votes that the comparisons need before they allow a conclusion"
    )
    maximum_comparisons: Count = Field(
        400, description="decided votes after which an undecided experiment ends as inconclusive"
    )
    votes_a_person: Count = Field(
        3, description="decided votes per person that count, so that nobody decides alone"
    )
    hours_a_person: Annotated[
        float,
        Field(
            ge=0,
            le=24 * _LONGEST_DAYS,
            description=(
                "hours after a person's first vote in which their votes count; a person with as many votes"
                " as count enters the results at once"
            ),
        ),
    ] = 24.0
    votes_a_message: Count = Field(
        3, description="decided votes per message that count, so that few messages do not decide"
    )
    key_share: Opened = Field(
        0.5,
        description=(
            "largest share of the counted people that one API key may name, unless it is a key of the"
            " organisation that runs this installation"
        ),
    )
    primary: str = Field("satisfaction", description="the metric by which the arms are compared")
    harm_margin: Margin = Field(
        0.05, description="loss in the primary metric that must be excluded before shipping"
    )
    guardrails: Mapping[str, Margin] = Field(
        {"complained": 0.05, "failed": 0.02, "fell_back": 0.05, "latency_p95": 1000.0},
        description="other metrics, each with the loss that must be excluded before shipping",
    )
    response_margin: Share = Field(
        0.05, description="demonstrated difference in response rates that prevents shipping"
    )
    minimum_users_an_arm: Count = Field(
        50, description="effective users with a value that each arm needs before the arms are compared"
    )
    n_star: Count = Field(
        500, description="number of users at which the confidence sequence of an effect is narrowest"
    )
    smallest_effect: Margin = Field(
        0.05, description="smallest effect on the primary metric that is worth detecting"
    )
    power: Share = Field(
        0.8, description="probability of detecting the smallest effect; it determines the users needed"
    )
    sample_ratio_alpha: Share = Field(
        0.01, description="probability that the sample-ratio check ever rejects a correct assignment"
    )
    traffic_share: Opened = Field(
        1.0,
        description=(
            "share of the users outside the holdout that the experiment may use; the others are free for"
            " experiments at the same time"
        ),
    )
    ramp: Annotated[
        tuple[Opened, ...],
        Field(min_length=1, max_length=100, description="share of the users in the experiment at each step"),
    ] = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0)
    window_hours: Annotated[
        float,
        Field(
            gt=0,
            le=24 * _LONGEST_DAYS,
            description=(
                "hours after a user's first exposure in which their behaviour counts; then the user"
                " enters the results"
            ),
        ),
    ] = 72.0
    past_days: Annotated[
        float,
        Field(
            ge=0,
            le=_LONGEST_DAYS,
            description="days before the first exposure whose behaviour CUPED uses; 0 switches CUPED off",
        ),
    ] = 14.0
    hours_a_step: Annotated[
        float,
        Field(
            ge=0,
            le=24 * _LONGEST_DAYS,
            description="hours at each step of the ramp, if the metrics show no harm",
        ),
    ] = 24.0
    minimum_days: Annotated[
        float,
        Field(
            ge=0,
            le=_LONGEST_DAYS,
            description=(
                "days over which the measured users must have come before the challenger can be shipped,"
                " pauses not counted: whole weeks, because weekdays differ"
            ),
        ),
    ] = 7.0
    compressed_time: bool = Field(
        False,
        description=(
            "only for simulations, whose days last seconds: minimum_days need not be whole weeks, and late"
            " votes are not waited for"
        ),
    )
    maximum_days: Annotated[
        float,
        Field(
            gt=0,
            le=_LONGEST_DAYS,
            description="days, pauses not counted, after which an undecided experiment ends as inconclusive",
        ),
    ] = 28.0
    allocation: Allocation = Field(
        "fixed",
        description="rule that assigns users to arms; top_two decides with fewer users in the worse arm",
    )
    hours_a_batch: Annotated[
        float,
        Field(
            gt=0,
            le=24 * _LONGEST_DAYS,
            description="hours between changes of the weights; each change begins an epoch",
        ),
    ] = 24.0
    shadow_messages: Annotated[
        int,
        Field(
            ge=0,
            le=1000,
            description=(
                "recent messages that the challenger answers in a test before the start; users do not see"
                " these answers"
            ),
        ),
    ] = 50
    judge: Annotated[
        str,
        Field(
            max_length=200,
            pattern=r"^[^\x00]*$",
            description=(
                "judge that also compares the rewrites: a model at OPENAI_BASE_URL, or the folder of a reward"
                " model within the artifacts; empty: no judge"
            ),
        ),
    ] = ""
    judged_pairs: Annotated[
        int,
        Field(
            ge=0,
            le=20_000,
            description=(
                "randomly drawn pairs of rewrites that the judge compares, besides those that people see"
            ),
        ),
    ] = 860
    surrogate: bool = Field(
        False,
        description=(
            "decide by the win rate of votes and judge together; otherwise by votes alone, and the page shows"
            " both"
        ),
    )
    automatic: bool = Field(
        True, description="ship and roll back automatically; otherwise a person has to confirm"
    )
    own_metrics: OwnMetrics = Field(
        {}, description="metrics of the installation's own file, as they were when the plan was made"
    )
    own_segments: OwnSegments = Field(
        {}, description="segments of the installation's own file, as they were when the plan was made"
    )

    def __hash__(self) -> int:  # pydantic's own fails at the guardrails, which are a dict
        return hash(self.model_dump_json())

    def for_each_of(self, challengers: int) -> "Plan":
        """The plan by which each of several challengers is tested: the alphas are divided by their number
        (Bonferroni), so that each alpha holds for all of them together.
        """
        alphas = ("alpha", "ship_alpha", "sample_ratio_alpha")
        return self.model_copy(update={name: getattr(self, name) / challengers for name in alphas})

    def describe(self) -> list[str]:
        """The plan as English sentences: what counts, what must be shown to ship, and when it ends."""
        margins = {self.primary: self.harm_margin, **self.guardrails}
        losses = ", ".join(f"{margin:g} in {name.replace('_', ' ')}" for name, margin in margins.items())
        shares = ", ".join(f"{share:.0%}" for share in self.ramp)
        weights = "" if self.allocation == "fixed" else f" The arms' shares change ({self.allocation})."
        return [
            f"Blind comparisons: at most {self.votes_a_person} votes of a person and {self.votes_a_message}"
            f" on a message count. Nothing is concluded from fewer than {self.minimum_comparisons} votes; at"
            f" {self.maximum_comparisons} an open question ends.",
            f"Between users: {shares} of the users enter, step by step, {self.hours_a_step:g} hours each."
            f"{weights} What a user does within {self.window_hours:g} hours of the first answer counts. The"
            f" primary metric is {self.primary.replace('_', ' ')}.",
            f"To ship: people prefer the challenger at {1 - self.ship_alpha:.1%} one-sided confidence, the"
            f" measured users came over {self.minimum_days:g} days or more, and a larger loss is excluded"
            f" than {losses}.",
            f"It ends after {self.maximum_days:g} days at the latest. Its intervals hold at all analyses"
            f" together, at {1 - self.alpha:.0%} confidence.",
        ]

    @property
    def window(self) -> timedelta:
        """`window_hours` as a duration."""
        return timedelta(hours=self.window_hours)

    @property
    def past(self) -> timedelta:
        """`past_days` as a duration."""
        return timedelta(days=self.past_days)

    @property
    def all_metrics(self) -> dict[str, Metric]:
        """All metrics that the experiment measures, by name: the shipped ones, and `own_metrics`."""
        return {**metrics.load(), **self.own_metrics}

    def with_own(self, own: Definitions) -> "Plan":
        """The same plan with these metrics and segments besides its own ones."""
        return self.model_copy(
            update={
                "own_metrics": {**self.own_metrics, **own.metrics},
                "own_segments": {**self.own_segments, **own.segments},
            }
        )

    def without_own_metrics(self) -> "Plan":
        """The same plan with shipped metrics only, for the holdout: it never ends, so it would add sums of
        one definition to those of another after a change of the file.
        """
        shipped = metrics.load()
        changes: dict[str, object] = {"own_metrics": {}, "own_segments": {}}
        changes["guardrails"] = {name: margin for name, margin in self.guardrails.items() if name in shipped}
        if self.primary not in shipped:
            changes["primary"] = Plan.model_fields["primary"].default
        return self.model_copy(update=changes)

    @model_validator(mode="after")
    def _has_an_order(self) -> "Plan":
        if list(self.ramp) != sorted(set(self.ramp)):
            raise PlanError("ramp_not_rising", ramp=str(self.ramp))
        if self.minimum_days > self.maximum_days:
            raise PlanError("days_reversed", minimum=self.minimum_days, maximum=self.maximum_days)
        return self

    @model_validator(mode="after")
    def _asks_for_what_is_measured(self) -> "Plan":
        measured = self.all_metrics
        if unknown := sorted({self.primary, *self.guardrails} - set(measured)):
            raise PlanError("unknown_metrics", unknown=" or ".join(unknown), known=", ".join(measured))
        return self


# The fields that the person who plans an experiment may set. The others come from the installation's file.
CHANGEABLE = {name: field for name, field in Plan.model_fields.items() if not name.startswith("own_")}


def load(overrides: Sequence[str] = (), own: Definitions | None = None) -> Plan:
    """The plan of `configs/experiment.yaml`, with `key=value` overrides and the metrics and segments of the
    installation's `own` file. ConfigError when it is invalid, and PlanError when its minimum is not whole
    weeks.
    """
    fixed = (own or Definitions()).model_dump(mode="json")
    from_file = [f"own_{name}={json.dumps(values, ensure_ascii=False)}" for name, values in fixed.items()]
    return _require_whole_weeks(configs.load(Plan, FILE, [*overrides, *from_file]))


def with_changes(changes: Mapping[str, JsonValue], own: Definitions | None = None) -> Plan:
    """The plan of `load` with some fields changed. PlanError names the unknown fields and the known ones, or
    the days to write for whole weeks; pydantic's ValidationError names the fields that do not fit.
    """
    if unknown := sorted(set(changes) - set(CHANGEABLE)):
        raise PlanError("invalid_unknown_fields", unknown=", ".join(unknown), known=", ".join(CHANGEABLE))
    return _require_whole_weeks(Plan.model_validate({**load(own=own).model_dump(), **changes}))


def _require_whole_weeks(plan: Plan) -> Plan:
    """The plan; PlanError when its minimum is not whole weeks. New plans are checked and stored ones are not:
    an earlier release accepted any number of days, and these plans stay as they are.
    """
    if not plan.compressed_time and (plan.minimum_days % _WEEK or not plan.minimum_days):
        weeks = min(max(math.ceil(plan.minimum_days / _WEEK), 1), _LONGEST_DAYS // _WEEK)
        raise PlanError("days_not_whole_weeks", days=plan.minimum_days, nearest=_WEEK * weeks)
    return plan


class StoredPlan(NamedTuple):
    """A plan as it was stored. None for the holdout, which has none, and for one with `faults`."""

    plan: Plan | None
    faults: list[Reason]


def read(stored: Mapping[str, JsonValue] | None) -> StoredPlan:
    """The plan of a row. An earlier release may have stored one that is no longer valid."""
    if not stored:
        return StoredPlan(None, [])
    try:
        return StoredPlan(Plan.model_validate(stored), [])
    except ValidationError as error:
        faults = [reason("plan_invalid")]
        for fault in error.errors():
            cause = fault.get("ctx", {}).get("error")
            if isinstance(cause, PlanError):
                faults += cause.reasons
            else:
                faults.append(reason("plan_field_invalid", field=".".join(map(str, fault["loc"]))))
        return StoredPlan(None, faults)
