import math

import pytest

from data.traffic.volume import Volume
from models import costs
from models.costs import Use
from models.endpoint import Endpoint

ENDPOINT = Endpoint(base_url="http://host/v1", model="m", input_usd=2, output_usd=8, daily_tokens=6000)
USES = [Use(900, 100, 0.5), Use(1100, 100, 1.5)]
# 50 of 200 answers in two days are outputs.
VOLUME = Volume(answers=200, hits=150, days=2)


def test_an_output_costs_its_tokens_at_the_prices_of_the_endpoint():
    cost = costs.measure(USES, ENDPOINT)
    assert (cost.input_tokens.mean, cost.output_tokens.mean, cost.cpu_s.mean) == (1000, 100, 1)
    assert cost.usd.mean == pytest.approx((1000 * 2 + 100 * 8) / 1e6)
    assert cost.usd.low == pytest.approx((900 * 2 + 100 * 8) / 1e6)
    assert cost.tokens == 1100


def test_without_a_vendor_nobody_is_paid_and_no_interval_says_otherwise():
    cost = costs.measure([Use(0, 0, 0.1)] * 8)
    assert (cost.usd.low, cost.usd.high, cost.input_tokens.high) == (0, 0, 0)
    with pytest.raises(ValueError, match="replay some messages"):
        costs.measure([])


def test_a_month_has_the_outputs_that_no_cache_has():
    lines = costs.measure(USES, ENDPOINT).describe(VOLUME, cpu_usd_an_hour=0.04)
    assert lines["tokens read, an output"] == "1,000 (900 to 1,100)"
    assert lines["tokens written, an output"] == "100"
    assert lines["vendor, USD per 1,000 outputs"] == "2.80 (2.60 to 3.00)"
    # A quarter of the answers; 750 outputs a month.
    assert lines["vendor, USD per 1,000 answers"] == "0.700 (0.650 to 0.750)"
    assert lines["vendor, USD a month"] == "2.10 (1.95 to 2.25)"
    assert lines["CPU hours here, a month"] == "0.208 (0.104 to 0.312)"
    assert lines["CPU here, USD a month"] == "0.00833 (0.00417 to 0.0125)"


@pytest.mark.parametrize(
    ("daily_tokens", "hours", "sentence"),
    [
        (
            6000,
            24 * 6000 / 27_500,
            "The budget of 6,000 is spent after 5.24 of 24 hours. From then on",
        ),
        (27_500, 24, "The budget of 27,500 tokens a day suffices"),
        (None, math.inf, "No daily_tokens limits them: set it"),
    ],
)
def test_a_budget_ends_at_an_hour_of_the_day(daily_tokens, hours, sentence):
    endpoint = ENDPOINT.model_copy(update={"daily_tokens": daily_tokens})
    cost = costs.measure(USES, endpoint)
    assert costs.hours_of_budget(daily_tokens, cost, VOLUME.outputs_a_day) == pytest.approx(hours)
    described = costs.describe_budget(endpoint, cost, VOLUME.outputs_a_day)
    assert described.startswith(f"These outputs take 27,500 tokens a day. {sentence}")


def test_a_model_in_this_process_has_no_vendor_and_no_traffic_spends_nothing():
    cost = costs.measure(USES)
    assert costs.describe_budget(None, cost, 10).endswith("No vendor takes anything for them.")
    assert "suffices" in costs.describe_budget(ENDPOINT, cost, 0)
