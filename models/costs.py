"""What a version's rewrites cost: tokens, a vendor's price and CPU time, for an output and for a month."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from data.traffic.volume import Volume
from models.endpoint import Endpoint
from models.results import Estimate
from models.scoreboard import estimate


class Use(NamedTuple):
    """What one output took: tokens read and written for all its drafts, and CPU seconds of this process."""

    input_tokens: int
    output_tokens: int
    cpu_s: float


class Cost(NamedTuple):
    """What an output costs on average, with 95 % intervals over messages.

    `usd` is the vendor's price; `cpu_s` are CPU seconds of this process, so those of a model elsewhere are
    not in it.
    """

    input_tokens: Estimate
    output_tokens: Estimate
    usd: Estimate
    cpu_s: Estimate

    @property
    def tokens(self) -> float:
        """Mean tokens of an output, read and written."""
        return self.input_tokens.mean + self.output_tokens.mean

    def describe(self, volume: Volume, cpu_usd_an_hour: float) -> dict[str, str]:
        """The cost of an output, of 1,000 and of a month at such traffic, as lines for a table.

        Answers from a cache cost nothing. `cpu_usd_an_hour` is the price of one CPU core.
        """
        outputs, share = volume.outputs_a_month, 1 - volume.hit_rate
        return {
            "tokens read, an output": _render(self.input_tokens),
            "tokens written, an output": _render(self.output_tokens),
            "vendor, USD per 1,000 outputs": _render(self.usd, 1000),
            "vendor, USD per 1,000 answers": _render(self.usd, 1000 * share),
            "vendor, USD a month": _render(self.usd, outputs),
            "CPU seconds here, an output": _render(self.cpu_s),
            "CPU hours here, a month": _render(self.cpu_s, outputs / 3600),
            "CPU here, USD a month": _render(self.cpu_s, outputs / 3600 * cpu_usd_an_hour),
        }


def measure(uses: Sequence[Use], endpoint: Endpoint | None = None) -> Cost:
    """The mean cost of outputs; without an endpoint, no vendor takes anything.

    Raises ValueError without outputs.
    """
    if not uses:
        raise ValueError("no output was written, so there is no cost of one: replay some messages")
    usd = [endpoint.cost_usd(use.input_tokens, use.output_tokens) if endpoint else 0.0 for use in uses]
    return Cost(
        _estimate([use.input_tokens for use in uses]),
        _estimate([use.output_tokens for use in uses]),
        _estimate(usd),
        _estimate([use.cpu_s for use in uses]),
    )


def _estimate(values: Sequence[float]) -> Estimate:
    """The mean with its interval. Equal amounts are no share of 0 or 1, and their mean is certain."""
    if len(set(values)) == 1:
        return Estimate(mean=values[0], low=values[0], high=values[0])
    return estimate(values)


def hours_of_budget(daily_tokens: int | None, cost: Cost, outputs_a_day: float) -> float:
    """Hours of a day until `daily_tokens` are spent, at even traffic; at least 24 where they suffice, and
    infinite without a budget.
    """
    tokens_a_day = cost.tokens * outputs_a_day
    return 24 * daily_tokens / tokens_a_day if daily_tokens and tokens_a_day else math.inf


def describe_budget(endpoint: Endpoint | None, cost: Cost, outputs_a_day: float) -> str:
    """When the budget of a day ends at such traffic, and what happens then; a sentence or two."""
    used = f"These outputs take {_round(cost.tokens * outputs_a_day)} tokens a day."
    if endpoint is None:
        return f"{used} No vendor takes anything for them."
    if endpoint.daily_tokens is None:
        return f"{used} No daily_tokens limits them: set it in the config, and a limit at the vendor."
    hours = hours_of_budget(endpoint.daily_tokens, cost, outputs_a_day)
    if hours >= 24:
        return f"{used} The budget of {endpoint.daily_tokens:,} tokens a day suffices for them."
    return (
        f"{used} The budget of {endpoint.daily_tokens:,} is spent after {_round(hours)} of 24 hours. From"
        " then on nothing is sent, and the champion answers until midnight (UTC)."
    )


def _render(value: Estimate, factor: float = 1.0) -> str:
    mean, low, high = (_round(number * factor) for number in (value.mean, value.low, value.high))
    return mean if low == high else f"{mean} ({low} to {high})"


def _round(number: float) -> str:
    """Three digits, and no exponent: 1,234, 12.3, 0.00123."""
    if number == 0:
        return "0"
    return f"{number:,.{max(0, 2 - math.floor(math.log10(abs(number))))}f}"
