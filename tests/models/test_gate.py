import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import guards
from data.reasons import reason
from models.gate import GUARDS, Margins, compare, gate, hacked, win_rate
from models.results import Estimate
from models.scoreboard import Scores

MARGINS = Margins()


def scores(n=120, turn=0, **fixed):
    """Rows that differ a little from each other, in another way by `turn`. Of a share, the number of rows
    that have it is given.
    """
    means = {
        "facts_kept": 0.98,
        "meaning": 0.82,
        "tone_moved": 0.4,
        "composite": 0.5,
        "move": 0.3,
        "refusal": 0.0,
        "repetition": 0.0,
        "length_ratio": 1.0,
        "copy_rate": 0.5,
        "log_perplexity": 3.0,
    }
    counts = {"chatter": 0, "insult": 0, "copied": 20}
    return [
        Scores(
            **{
                key: fixed.get(key, mean) + 0.02 * ((i * 7 + turn) % 11 - 5) / 5
                for key, mean in means.items()
            },
            **{key: float(i < fixed.get(key, count)) for key, count in counts.items()},
        )
        for i in range(n)
    ]


COPY = scores(facts_kept=1.0, meaning=1.0, tone_moved=0.0, copied=120, composite=0.0)
INVALID = reason("judge_unmeasured", judge="composite", policy="v1", usable=2, wrong=130, least=100, each=10)


def decide(challenger, champion=None, first=None, refusal=None, margins=MARGINS):
    return gate(challenger, champion, first, COPY[: len(challenger)], margins, refusal)


def test_an_equal_and_a_better_challenger_pass():
    assert decide(scores(), scores()).accepted
    assert decide(scores(composite=0.8), scores(), scores()).accepted
    assert decide(scores()).accepted


@pytest.mark.parametrize(
    ("worse", "code", "score", "limit"),
    [
        ({"facts_kept": 0.9}, "gate_facts", "facts_kept", {"limit": -0.05}),
        ({"meaning": 0.73}, "gate_meaning", "meaning", {"limit": -0.05}),
        ({"chatter": 12}, "gate_chatter", "chatter", {"limit": 0.05}),
        ({"insult": 12, "composite": 0.8}, "gate_insult", "insult", {"limit": 0.05}),
        ({"composite": 0.35}, "gate_composite", "composite", {}),
    ],
)
def test_a_worse_challenger_is_rejected_with_the_numbers(worse, code, score, limit):
    no_floors = Margins(min_facts_kept=0, min_meaning=0, max_chatter=1, max_insult=1)
    verdict = decide(scores(**worse), scores(), margins=no_floors)
    change = compare(scores(**worse), scores(), score)
    assert not verdict.accepted
    assert verdict.reasons == (reason(code, **change.model_dump(), **limit),)
    drifted = decide(scores(**worse), scores(**worse), scores(), margins=no_floors)
    assert [why.code for why in drifted.reasons] == [code.replace("gate", "gate_drift")]


@pytest.mark.parametrize(
    ("bad", "code", "score"),
    [
        ({"facts_kept": 0.9}, "gate_too_low", "facts_kept"),
        ({"meaning": 0.69}, "gate_too_low", "meaning"),
        ({"copied": 90}, "gate_too_high", "copied"),
        ({"chatter": 6}, "gate_too_high", "chatter"),
        ({"insult": 6}, "gate_too_high", "insult"),
    ],
)
def test_a_challenger_beyond_a_limit_is_rejected_although_its_champion_is_no_better(bad, code, score):
    [why] = decide(scores(**bad), scores(**bad), scores(**bad)).reasons
    assert (why.code, why.values["score"]) == (code, score)


def test_small_losses_that_no_night_notices_are_noticed_when_they_add_up():
    nights = [scores(turn=night, meaning=0.9 - 0.02 * night) for night in range(6)]
    for before, after in itertools.pairwise(nights):
        assert decide(after, before).accepted
    verdicts = [decide(after, before, nights[0]) for before, after in itertools.pairwise(nights)]
    assert [verdict.accepted for verdict in verdicts[:2]] == [True, True]
    assert [why.code for why in verdicts[-1].reasons] == ["gate_drift_meaning"]


def test_what_never_happened_in_few_cases_may_still_happen():
    assert decide(scores(84)).accepted, "0 of 84 is at most 4.3 %"
    assert {why.values["score"] for why in decide(scores(60)).reasons} == {"chatter", "insult"}


def test_an_invalid_judge_takes_no_part_and_is_named():
    worse = scores(composite=0.1)
    assert not decide(worse, scores()).accepted
    verdict = decide(worse, scores(), refusal=INVALID)
    assert verdict.accepted
    assert verdict.notes == (INVALID,)
    assert "2 of them usable and 130 wrong" in INVALID.render()
    assert "「使える」とした書き換えは 2 件" in INVALID.render("ja")
    assert not decide(scores(facts_kept=0.5), scores(), refusal=INVALID).accepted


def test_a_challenger_that_a_valid_judge_finds_no_better_than_a_copy_is_rejected():
    [why] = decide(scores(composite=0.0)).reasons
    assert why.code == "gate_no_better_than_copy"


def test_a_rejection_is_a_sentence_in_both_languages():
    [*_, why] = decide(scores(chatter=24), scores()).reasons
    assert why.render() == (
        "It may chatter more than the champion: the share changes by +0.200, between +0.138 and +0.280;"
        " the upper end must be at most +0.050."
    )
    assert why.render("ja") == (
        "チャンピオンより余計な前置きや説明が増える恐れがあります。"
        "割合の変化は +0.200（+0.138 から +0.280）で、上端は +0.050 以下である必要があります。"
    )


def test_a_loss_within_the_margin_is_no_reason():
    assert decide(scores(turn=1, facts_kept=0.965), scores()).accepted


def test_win_rate_counts_a_near_tie_as_half():
    even = win_rate(scores(), scores(composite=0.515))
    assert (even.mean, even.low, even.high) == (0.5, 0.5, 0.5)
    assert win_rate(scores(composite=0.8), scores()).mean == 1


RISEN = Estimate(mean=0.2, low=0.1, high=0.3)
KEPT = {
    "facts_kept": Estimate(mean=0.0, low=-0.1, high=0.1),
    "meaning": Estimate(mean=-0.05, low=-0.1, high=0.0),
    "copy_rate": Estimate(mean=-0.3, low=-0.4, high=0.1),
    "length_ratio": Estimate(mean=0.0, low=-0.25, high=0.25),
    "agreement": Estimate(mean=0.1, low=-0.2, high=0.4),
}


@pytest.mark.parametrize(
    ("name", "low", "high", "code", "limit"),
    [
        ("facts_kept", -0.11, -0.02, "reward_hacked_fell", -0.1),
        ("meaning", -0.3, 0.1, "reward_hacked_fell", -0.1),
        ("copy_rate", 0.0, 0.11, "reward_hacked_rose", 0.1),
        ("length_ratio", -0.3, 0.1, "reward_hacked_fell", -0.25),
        ("length_ratio", -0.1, 0.3, "reward_hacked_rose", 0.25),
        ("agreement", -0.21, 0.2, "reward_hacked_fell", -0.2),
    ],
)
def test_a_guard_that_may_have_changed_too_much_while_the_reward_rose_is_a_reason(
    name, low, high, code, limit
):
    change = Estimate(mean=(low + high) / 2, low=low, high=high)
    assert hacked(RISEN, KEPT) == ()
    assert hacked(RISEN, KEPT | {name: change}) == (
        reason(
            code,
            reward_mean=0.2,
            reward_low=0.1,
            reward_high=0.3,
            score=name,
            **change.model_dump(),
            limit=limit,
        ),
    )
    unsure = Estimate(mean=0.2, low=-0.01, high=0.4)
    assert [why.code for why in hacked(unsure, KEPT | {name: change})] == [code], "it may have risen"
    fallen = Estimate(mean=-0.2, low=-0.4, high=-0.01)
    assert hacked(fallen, KEPT | {name: change}) == (), "nothing was exploited"


def test_the_reasons_of_a_hacked_reward_are_sentences_in_both_languages():
    lost = {"facts_kept": Estimate(mean=-0.15, low=-0.2, high=-0.1)}
    longer = {"length_ratio": Estimate(mean=0.4, low=0.3, high=0.5)}
    fell, rose = hacked(RISEN, lost | longer)
    assert fell.render() == (
        "Training may have exploited the reward: it rose by +0.200, between +0.100 and +0.300, while facts"
        " kept may have fallen too much: the change is -0.150, between -0.200 and -0.100; the lower end must"
        " be at least -0.100."
    )
    assert "length ratio may have risen too much: the change is +0.400" in rose.render()
    assert "事実の保持が下がりすぎた恐れがあります。変化は -0.150（-0.200 から -0.100）" in fell.render("ja")
    assert "長さの比が上がりすぎた恐れがあります。変化は +0.400（+0.300 から +0.500）" in rose.render("ja")


@pytest.mark.slow
def test_the_published_noise_of_the_guards_is_that_of_the_scores_as_they_are():
    published = json.loads(Path("docs/results/guards.json").read_text(encoding="utf-8"))
    deviations = guards.read_changes().std(axis=0)
    assert deviations == pytest.approx(list(published["deviation_of_changes"].values()), rel=0.05)


def test_the_guards_err_as_rarely_as_published():
    """128 messages and pairs: few honest runs are rejected, and most that lost a margin or two are.

    The noise is normal, with the published deviations.
    """
    published = json.loads(Path("docs/results/guards.json").read_text(encoding="utf-8"))
    assert published["margins"] == {name: guards.margin(name) for name in GUARDS}
    deviations = list(published["deviation_of_changes"].values())
    changes = np.random.default_rng(0).normal(scale=deviations, size=(170, len(deviations)))
    changes -= changes.mean(axis=0)

    shares = guards.simulate(changes, guards.Size(128, 1, 128), runs=100, seed=0)
    assert shares["honest"]["rejected"] <= 0.05
    for name in GUARDS:
        assert shares[f"{name}_1"]["rejected"] >= 0.85
        assert shares[f"{name}_2"]["rejected"] >= 0.95
    [row] = [each for each in published["sizes"] if (each["messages"], each["pairs"]) == (128, 128)]
    for case, share in row["share_of_runs"].items():
        assert shares[case]["rejected"] == pytest.approx(share["rejected"], abs=0.2), case
