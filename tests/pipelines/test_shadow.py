"""The reasons of a shadow run to reject a challenger; test_carry_out.py has a real service."""

from collections.abc import Callable

import pytest

from data.reasons import reason
from data.records import TransformType
from pipelines.shadow import ChallengerAnswer, ReplayedMessage, Stratum, allocate, compare, sample


def replayed(rewrite: Callable[[int], str], number: int = 40) -> list[ReplayedMessage]:
    return [
        ReplayedMessage(f"Send {n} files to Anna by 3 May.", TransformType.SOFTEN, 1, rewrite(n), 100.0)
        for n in range(number)
    ]


def keeps(n: int) -> str:
    return f"Could you please send {n} files to Anna by 3 May?"


def test_an_equal_challenger_is_sound() -> None:
    result = compare(replayed(keeps), [ChallengerAnswer(keeps(n), 10.0 * n) for n in range(40)])
    assert (result.reasons, result.messages, result.failed) == ((), 40, 0)
    assert (result.median_ms, result.champion_p95_ms) == (195.0, 100.0)
    assert result.scores["facts_kept"].challenger == 1
    assert result.scores["tone"].difference.mean == 0


@pytest.mark.parametrize(("failures", "is_sound"), [(4, True), (5, False), (40, False)])
def test_some_failures_are_allowed(failures: int, is_sound: bool) -> None:
    answers = [ChallengerAnswer(None if n < failures else keeps(n), 1.0) for n in range(40)]
    reasons = compare(replayed(keeps), answers).reasons
    failed = reason("shadow_failed", failed=failures, messages=40, limit=0.1)
    assert reasons == (() if is_sound else (failed,))
    assert failed.render() == f"It failed on {failures} of 40 messages; at most 10% may fail."
    assert failed.render("ja") == (
        f"40 件のメッセージのうち {failures} 件で失敗しました。許されるのは 10% までです。"
    )


@pytest.mark.parametrize(
    ("rewrite", "code", "score", "values", "sentence"),
    [
        (
            lambda n: "Could you please send them?",
            "shadow_facts",
            "facts_kept",
            {"challenger": 0.0, "champion": 1.0, "messages": 40, "margin": 0.05},
            "It keeps 0.0% of the facts, and the champion keeps 100.0% on the same 40 messages.",
        ),
        (
            lambda n: keeps(n) if n % 4 else f"Here is the rewritten message: {keeps(n)}",
            "shadow_chatter",
            "chatter",
            {"challenger": 0.25, "champion": 0.0, "margin": 0.05},
            "It adds chatter to 25.0% of the messages, and the champion to 0.0%.",
        ),
        (
            lambda n: keeps(n) if n % 4 else f"You idiot. {keeps(n)}",
            "shadow_insult",
            "insult",
            {"challenger": 0.25, "champion": 0.0, "margin": 0.05},
            "It insults people in 25.0% of the messages, and the champion in 0.0%.",
        ),
    ],
)
def test_what_is_clear_speaks_against_it(
    rewrite: Callable[[int], str], code: str, score: str, values: dict[str, float], sentence: str
) -> None:
    result = compare(replayed(keeps), [ChallengerAnswer(rewrite(n), 1.0) for n in range(40)])
    assert result.reasons == (reason(code, **values, **result.scores[score].difference.model_dump()),)
    assert result.reasons[0].render().startswith(sentence)
    assert compare(replayed(rewrite), [ChallengerAnswer(rewrite(n), 1.0) for n in range(40)]).reasons == (), (
        "the champion does so, too"
    )


def test_one_of_many_is_chance() -> None:
    answers = [
        ChallengerAnswer(keeps(n) if n else "You idiot, here is the message: nothing.", 1.0)
        for n in range(40)
    ]
    assert compare(replayed(keeps), answers).reasons == ()


def of_stratum(organisation: str, number: int, language: str = "en") -> list[ReplayedMessage]:
    """Messages of one stratum, the newest first."""
    return [
        ReplayedMessage(
            f"{organisation} {n}", TransformType.SOFTEN, 1, f"rewrite {n}", 1.0, organisation, language
        )
        for n in range(number)
    ]


def test_the_sample_is_in_proportion_to_the_traffic_and_has_some_of_each_kind() -> None:
    messages = [*of_stratum("large", 80), *of_stratum("small", 19, "ja"), *of_stratum("single", 1)]
    taken = sample(messages, 20)
    assert len(taken) == 20
    by_organisation = {
        name: [m for m in taken if m.organisation == name] for name in ("large", "small", "single")
    }
    assert {name: len(members) for name, members in by_organisation.items()} == {
        "large": 16, "small": 3, "single": 1,
    }  # fmt: skip
    assert [m.message for m in by_organisation["small"]] == [f"small {n}" for n in range(3)], "the newest"
    assert {m.organisation: m.share for m in taken} == {"large": 0.8, "small": 0.19, "single": 0.01}


def test_a_run_without_room_for_all_kinds_takes_the_largest() -> None:
    sizes = {Stratum(TransformType.SOFTEN, 1, f"{n}", "en"): 10 * (n + 1) for n in range(9)}
    taken = allocate(sizes, 6)
    assert {stratum.organisation: number for stratum, number in taken.items()} == {"8": 2, "7": 2, "6": 2}
    assert sum(allocate(sizes, 10_000).values()) == sum(sizes.values())
    assert allocate({}, 6) == {}


def test_identical_rewrites_are_weighted_to_the_traffic() -> None:
    # Nine tenths of the traffic, where all rewrites are the same, are half of the sample.
    messages = [
        message._replace(share=share)
        for organisation, share in (("large", 0.9), ("small", 0.1))
        for message in of_stratum(organisation, 20)
    ]
    answers = [
        ChallengerAnswer(m.champion if m.organisation == "large" else "another text", 1.0) for m in messages
    ]
    result = compare(messages, answers)
    assert result.identical is not None
    assert result.identical.mean == pytest.approx(0.9)
    assert result.identical.low < 0.9 < result.identical.high
    assert [(s.organisation, s.share, s.messages, s.identical) for s in result.strata] == [
        ("large", 0.9, 20, 1.0),
        ("small", 0.1, 20, 0.0),
    ]
    assert result.covered == pytest.approx(1)
    assert compare(messages, [ChallengerAnswer(None, 1.0)] * 40).identical is None


def test_messages_that_stay_as_they_are_are_counted() -> None:
    messages = replayed(keeps)
    answers = [ChallengerAnswer(m.message if n < 10 else m.champion, 1.0) for n, m in enumerate(messages)]
    unchanged = compare(messages, answers).scores["unchanged"]
    assert (unchanged.champion, unchanged.challenger) == (0, 0.25)


def test_the_scores_are_columns_of_a_table() -> None:
    messages = replayed(keeps)
    answers = [ChallengerAnswer(keeps(n) if n else "Please send them.", 1.0) for n in range(40)]
    columns = compare(messages, answers).describe()
    assert list(columns) == ["champion", "challenger", "difference"]
    assert columns["champion"]["facts_kept"] == "1.000"
    assert columns["challenger"]["facts_kept"] == "0.975"
    assert columns["difference"]["facts_kept"].startswith("-0.025 (")
    assert compare(messages, [ChallengerAnswer(None, 1.0)] * 40).describe()["champion"] == {}
