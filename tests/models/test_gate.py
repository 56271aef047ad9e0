import pytest

from models.gate import Margins, gate, hacked, win_rate
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
    ("worse", "words"),
    [
        ({"facts_kept": 0.845}, "lose too many facts against"),
        ({"meaning": 0.7}, "lose too much meaning"),
        ({"chatter": 0.2}, "chatter more"),
        ({"insult": 0.2, "tone_moved": 0.6, "composite": 0.8}, "insult people more"),
        ({"tone_moved": 0.0}, "does not move tone more than a copy"),
        ({"composite": 0.65}, "worse than the champion beyond noise"),
    ],
)
def test_a_worse_challenger_is_refused_with_the_numbers(worse, words):
    verdict = gate(scores(**worse), scores(), COPY, MARGINS)
    assert not verdict.accepted
    assert len(verdict.reasons) == 1
    assert words in verdict.reasons[0]
    assert any(character.isdigit() for character in verdict.reasons[0])


def test_a_loss_within_the_margin_is_no_reason():
    assert gate(scores(facts_kept=0.88), scores(), COPY, MARGINS).accepted


def test_win_rate_counts_a_near_tie_as_half():
    even = win_rate(scores(), scores(composite=0.715))
    assert (even.mean, even.low, even.high) == (0.5, 0.5, 0.5)
    assert win_rate(scores(composite=0.8), scores()).mean == 1


def test_what_loses_facts_that_a_copy_keeps_is_refused_with_or_without_a_champion():
    for champion in (None, scores(facts_kept=0.8)):
        [reason] = gate(scores(facts_kept=0.8), champion, COPY, MARGINS).reasons
        assert "a copy keeps" in reason


def test_a_reward_that_rises_while_what_it_stands_for_falls_is_hacked():
    guards = {"facts kept": (0.9, 0.75), "agreement with people": (0.6, 0.55)}
    [reason] = hacked((0.5, 0.7), guards)
    assert "facts kept fell from 0.900 to 0.750" in reason
    assert hacked((0.5, 0.7), {"facts kept": (0.9, 0.85)}) == ()
    assert hacked((0.7, 0.5), guards) == (), "it did not rise: there is nothing to disbelieve"
