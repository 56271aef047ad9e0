"""A canary is found worse when it is, and hardly ever when it is not."""

import numpy as np
import pytest

from deploy.rollout.evidence import ALPHA, Counts, Guard, Promise

ERRORS = Promise("errors", 0.01)
VOTES = Promise("votes", None)
LOOKS = 60


def watch(
    promise: Promise,
    canary: float,
    stable: float,
    rng: np.random.Generator,
    requests: tuple[int, int] = (20, 380),
    baseline: Counts | None = None,
) -> Guard:
    """A guard after looks at servers with these shares of failures, or after the one that broke it."""
    guard = Guard(promise, baseline)
    for _ in range(LOOKS):
        counts = [
            Counts(all_, int(rng.binomial(all_, share)))
            for all_, share in zip(requests, (canary, stable), strict=True)
        ]
        guard.add(*counts)
        if guard.is_broken:
            break
    return guard


@pytest.mark.parametrize("share", [0.0, 0.005, 0.05, 0.5])
def test_a_canary_like_the_others_hardly_ever_breaks_a_promise(share: float) -> None:
    rng = np.random.default_rng(1)
    broken = sum(
        watch(promise, share, share, rng).is_broken for promise in (ERRORS, VOTES) for _ in range(500)
    )
    assert broken <= 3 + 1000 * ALPHA


def test_a_canary_that_keeps_the_promise_may_be_worse_than_the_others() -> None:
    rng = np.random.default_rng(2)
    assert not any(watch(ERRORS, 0.009, 0.0001, rng).is_broken for _ in range(100))


@pytest.mark.parametrize(("promise", "share"), [(ERRORS, 0.08), (ERRORS, 1.0), (VOTES, 0.5)])
def test_a_worse_canary_breaks_it(promise: Promise, share: float) -> None:
    rng = np.random.default_rng(3)
    usual = 0.2 if promise is VOTES else 0.001
    assert all(watch(promise, share, usual, rng).is_broken for _ in range(50))


def test_an_outage_of_all_is_not_the_canarys() -> None:
    assert not watch(ERRORS, 0.6, 0.6, np.random.default_rng(4)).is_broken


def test_one_look_is_not_enough() -> None:
    guard = Guard(ERRORS)
    guard.add(Counts(1000, 1000), Counts(1000, 0))
    assert not guard.is_broken
    assert guard.is_in_doubt is False
    for _ in range(3):
        guard.add(Counts(1000, 1000), Counts(1000, 0))
    assert guard.is_broken


def test_without_others_the_canary_is_compared_with_what_they_showed_before() -> None:
    rng = np.random.default_rng(5)
    usual = Counts(6000, 180)  # 3 %, more than is promised
    fine = watch(ERRORS, 0.03, 0.0, rng, (400, 0), usual)
    worse = watch(ERRORS, 0.12, 0.0, rng, (400, 0), usual)
    assert not fine.is_broken
    assert worse.is_broken
    assert "at the canary (1" in str(worse)
    assert "3.00% at the others" in str(worse)


def test_a_baseline_of_nothing_allows_half_and_not_more() -> None:
    rng = np.random.default_rng(6)
    assert not watch(VOTES, 0.45, 0.0, rng, (20, 0), Counts(0, 0)).is_broken
    assert watch(VOTES, 0.95, 0.0, rng, (20, 0), Counts(0, 0)).is_broken


def test_counts_of_a_server_that_has_started_anew_begin_at_zero() -> None:
    assert Counts(100, 5).since(Counts(40, 2)) == Counts(60, 3)
    assert Counts(10, 1).since(Counts(40, 2)) == Counts(10, 1)
    # A person who takes a vote against a rewrite back makes no negative count.
    assert Counts(41, 1).since(Counts(40, 2)) == Counts(1, 0)
