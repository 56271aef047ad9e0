"""When a call is tried again."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tonebridge import (
    ConflictError,
    NotFoundError,
    Retries,
    ToneBridgeError,
    TooManyRequestsError,
    UnavailableError,
    UnreachableError,
)

SENT, UNSENT = UnreachableError("x", was_sent=True), UnreachableError("x", was_sent=False)
RUNNING, CONFLICT = ConflictError("x", retry_after_s=1), ConflictError("x")


@pytest.mark.parametrize(
    ("error", "repeatable", "unrepeatable"),
    [
        (SENT, True, False),
        (UNSENT, True, True),
        (UnavailableError("x"), True, False),
        (TooManyRequestsError("x"), True, True),
        (RUNNING, True, False),
        (CONFLICT, False, False),
        (NotFoundError("x"), False, False),
        (ToneBridgeError("x"), False, False),
    ],
)
def test_what_is_tried_again(error: ToneBridgeError, repeatable: bool, unrepeatable: bool) -> None:
    for is_repeatable, expected in ((True, repeatable), (False, unrepeatable)):
        attempts = Retries().begin(is_repeatable)
        if expected:
            assert attempts.wait_s(error) >= 0
        else:
            with pytest.raises(type(error)):
                attempts.wait_s(error)


@given(st.floats(0, 5), st.floats(0, 20), st.integers(1, 12))
def test_waits_are_random_and_bounded(base_s: float, cap_s: float, tries: int) -> None:
    attempts = Retries(attempts=tries + 1, base_s=base_s, cap_s=cap_s, total_s=1e9).begin(True, lambda: 0.0)
    for number in range(tries):
        assert 0 <= attempts.wait_s(UNSENT) <= min(cap_s, base_s * 2**number)
    with pytest.raises(UnreachableError):
        attempts.wait_s(UNSENT)


def test_full_jitter_uses_the_whole_range() -> None:
    waits = [Retries(base_s=1).begin(True, lambda: 0.0).wait_s(UNSENT) for _ in range(200)]
    assert min(waits) < 0.2 < 0.8 < max(waits)


def test_retry_after_is_obeyed() -> None:
    waits = [Retries(base_s=0.1).begin(True, lambda: 0.0).wait_s(RUNNING) for _ in range(50)]
    assert 1 <= min(waits) <= max(waits) <= 1.1


def test_no_attempt_begins_after_the_time() -> None:
    now = itertools.count(0, 10)
    attempts = Retries(attempts=100, total_s=25, base_s=0).begin(True, lambda: float(next(now)))
    attempts.wait_s(UNSENT)
    attempts.wait_s(UNSENT)
    with pytest.raises(UnreachableError):
        attempts.wait_s(UNSENT)
