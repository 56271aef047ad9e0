import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import guards
from data.reasons import reason
from models.gate import GUARDS, Margins, difference, gate, hacked, win_rate
from models.results import Estimate
from models.scoreboard import Scores

MARGINS = Margins()


def scores(n=60, **fixed):
    """Rows that differ a little from each other, with some scores fixed."""
    rows = []
    for i in range(n):
        wobble = 0.02 * ((i * 7) % 11 - 5) / 5
        values = {
            "facts_kept": 0.9,
            "meaning": 0.8,
            "tone_moved": 0.4,
            "chatter": 0.0,
            "insult": 0.0,
            "composite": 0.7,
            "move": 0.3,
            "refusal": 0.0,
            "repetition": 0.0,
            "length_ratio": 1.0,
            "copy_rate": 0.5,
            "log_perplexity": 3.0,
        } | fixed
        rows.append(
            Scores(
                **{
                    key: value + (0 if key in ("chatter", "insult") else wobble)
                    for key, value in values.items()
                }
            )
        )
    return rows


COPY = {"copy_input": scores(tone_moved=0.0, facts_kept=0.89, meaning=1.0)}


def test_an_equal_and_a_better_challenger_pass():
    assert gate(scores(), scores(), COPY, MARGINS).accepted
    assert gate(scores(composite=0.8, tone_moved=0.6), scores(), COPY, MARGINS).accepted
    assert gate(scores(), None, COPY, MARGINS).accepted


@pytest.mark.parametrize(
    ("worse", "code", "score", "limit"),
    [
        ({"facts_kept": 0.845}, "gate_facts", "facts_kept", {"limit": -0.05}),
        ({"meaning": 0.7}, "gate_meaning", "meaning", {"limit": -0.05}),
        ({"chatter": 0.2}, "gate_chatter", "chatter", {"limit": 0.03}),
        ({"insult": 0.2, "tone_moved": 0.6, "composite": 0.8}, "gate_insult", "insult", {"limit": 0.03}),
        ({"tone_moved": 0.0}, "gate_tone", "tone_moved", {}),
        ({"composite": 0.65}, "gate_composite", "composite", {}),
    ],
)
def test_a_worse_challenger_is_rejected_with_the_numbers(worse, code, score, limit):
    verdict = gate(scores(**worse), scores(), COPY, MARGINS)
    against = COPY["copy_input"] if code == "gate_tone" else scores()
    change = difference(scores(**worse), against, score)
    assert not verdict.accepted
    assert verdict.reasons == (reason(code, **change.model_dump(), **limit),)


def test_a_rejection_is_a_sentence_in_both_languages():
    [why] = gate(scores(chatter=0.2), scores(), COPY, MARGINS).reasons
    assert why.render() == (
        "It may chatter more than the champion: the share changes by +0.200, between +0.200 and +0.200;"
        " the upper end must be at most +0.030."
    )
    assert why.render("ja") == (
        "チャンピオンより余計な前置きや説明が増える恐れがあります。"
        "割合の変化は +0.200（+0.200 から +0.200）で、上端は +0.030 以下である必要があります。"
    )


def test_a_loss_within_the_margin_is_no_reason():
    assert gate(scores(facts_kept=0.88), scores(), COPY, MARGINS).accepted


def test_win_rate_counts_a_near_tie_as_half():
    even = win_rate(scores(), scores(composite=0.715))
    assert (even.mean, even.low, even.high) == (0.5, 0.5, 0.5)
    assert win_rate(scores(composite=0.8), scores()).mean == 1


def test_what_loses_facts_that_a_copy_keeps_is_refused_with_or_without_a_champion():
    for champion in (None, scores(facts_kept=0.8)):
        [why] = gate(scores(facts_kept=0.8), champion, COPY, MARGINS).reasons
        change = difference(scores(facts_kept=0.8), COPY["copy_input"], "facts_kept")
        assert why == reason("gate_facts_against_copy", **change.model_dump(), limit=-0.05)


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
    assert hacked(unsure, KEPT | {name: change}) == (), "the reward may not have risen"


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
