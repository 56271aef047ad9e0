"""What speaks against a challenger in shadow; with a real service it runs in test_decisions.py."""

from collections.abc import Callable

import pytest

from data.records import TransformType
from pipelines.shadow import Answered, Replayed, compare


def replayed(rewrite: Callable[[int], str], number: int = 40) -> list[Replayed]:
    return [
        Replayed(f"Send {n} files to Anna by 3 May.", TransformType.SOFTEN, 1, rewrite(n), 100.0)
        for n in range(number)
    ]


def keeps(n: int) -> str:
    return f"Could you please send {n} files to Anna by 3 May?"


def test_an_equal_challenger_is_sound() -> None:
    found = compare(replayed(keeps), [Answered(keeps(n), 10.0 * n) for n in range(40)])
    assert (found.reasons, found.messages, found.failed) == ((), 40, 0)
    assert (found.median_ms, found.champion_p95_ms) == (195.0, 100.0)
    assert found.scores["facts_kept"].challenger == 1
    assert found.scores["tone"].difference.mean == 0


@pytest.mark.parametrize(("failures", "is_sound"), [(4, True), (5, False), (40, False)])
def test_some_failures_are_allowed(failures: int, is_sound: bool) -> None:
    answers = [Answered(None if n < failures else keeps(n), 1.0) for n in range(40)]
    reasons = compare(replayed(keeps), answers).reasons
    assert reasons == (() if is_sound else (f"it failed on {failures} of 40 messages; 10% are allowed",))


@pytest.mark.parametrize(
    ("rewrite", "said"),
    [
        (lambda n: "Could you please send them?", "it keeps 0.0% of the facts and the champion 100.0%"),
        (
            lambda n: keeps(n) if n % 4 else f"Here is the rewritten message: {keeps(n)}",
            "it chatters in 25.0%",
        ),
        (lambda n: keeps(n) if n % 4 else f"You idiot. {keeps(n)}", "it insults people in 25.0%"),
    ],
)
def test_what_is_clear_speaks_against_it(rewrite: Callable[[int], str], said: str) -> None:
    [reason] = compare(replayed(keeps), [Answered(rewrite(n), 1.0) for n in range(40)]).reasons
    assert reason.startswith(said), reason
    assert compare(replayed(rewrite), [Answered(rewrite(n), 1.0) for n in range(40)]).reasons == (), (
        "the champion does so, too"
    )


def test_one_of_many_is_chance() -> None:
    answers = [
        Answered(keeps(n) if n else "You idiot, here is the message: nothing.", 1.0) for n in range(40)
    ]
    assert compare(replayed(keeps), answers).reasons == ()
