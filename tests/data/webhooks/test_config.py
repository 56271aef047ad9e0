"""What the settings promise: how long a receiver may fail until its deliveries are dead."""

import random

import pytest

from data.jobs import queue
from data.webhooks import config, subscriptions

_DAY_S = 86_400
_DELIVERIES = 20_000


@pytest.fixture
def totals_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds from the first attempt to the last one, of many deliveries that never arrive."""
    monkeypatch.setattr(queue.random, "uniform", random.Random(1).uniform)  # type: ignore[attr-defined]
    settings = config.load()
    base_s, cap_s = settings.first_retry_s, settings.longest_retry_s
    return [
        sum(queue.compute_delay_s(failures, base_s, cap_s) for failures in range(settings.most_attempts - 1))
        for _ in range(_DELIVERIES)
    ]


def share_after(totals_s: list[float], days: float) -> float:
    """The share of deliveries that are tried once more after a receiver has failed for so many days."""
    return sum(total_s > days * _DAY_S for total_s in totals_s) / _DELIVERIES


def test_deliveries_outlive_an_outage_of_a_day_and_mostly_one_of_two(totals_s: list[float]) -> None:
    """The numbers of docs/webhooks.md."""
    assert share_after(totals_s, 1) == pytest.approx(0.999, abs=0.001)
    assert share_after(totals_s, 2) == pytest.approx(0.79, abs=0.01)
    assert sum(totals_s) / _DELIVERIES / _DAY_S == pytest.approx(2.4, abs=0.05)


def test_no_wait_between_two_attempts_is_a_gap() -> None:
    """A longer one would begin the days of failure anew, and no webhook would ever be disabled."""
    settings = config.load()
    longest_s = max(settings.longest_retry_s, settings.longest_pause_s, settings.longest_retry_after_s)
    assert longest_s < subscriptions.GAP.total_seconds()


def test_a_webhook_is_disabled_after_its_deliveries_are_dead(totals_s: list[float]) -> None:
    """So no delivery waits for a webhook that gave up."""
    assert max(totals_s) < config.load().disabled_after_days * _DAY_S
