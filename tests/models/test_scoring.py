import itertools

import pytest

from data import corpus
from data.records import TransformType
from models import scoring

BLUNT = "This is broken again. Fix PAY-123 by Friday. Your team never tests anything."
CASES = [
    (original, rewrite)
    for part in ("train", "test")
    for original in corpus.read(corpus.SEED / part)
    for rewrite in original.rewrites
]


@pytest.mark.parametrize(
    "talk",
    [
        "I'm sorry for the inconvenience, but as a language-based AI, I can look at it.",
        "Here is the rewritten message: please fix it.",
        "Sure! Here's a softer version: please fix it.",
        "Rewrite, soften 2/3: please fix it.",
        "I'm sorry, but I can't assist with that.",
    ],
)
def test_assistant_talk_is_chatter_unless_the_message_says_it(talk):
    assert scoring.chatter("Fix it.", talk)
    assert not scoring.chatter(talk, talk)


def test_no_reference_is_taken_for_chatter():
    assert not [r.text for o, r in CASES if scoring.chatter(o.text, r.text)]


@pytest.mark.parametrize("snap", ["Are you stupid?", "Do your job.", "I am sick of this.", "You people!"])
def test_an_insult_is_one_unless_the_message_says_it(snap):
    assert scoring.insult("Fix it.", f"Could you fix it? {snap}")
    assert not scoring.insult(snap, f"Could you fix it? {snap}")


def test_no_reference_is_taken_for_an_insult():
    assert not [r.text for o, r in CASES if scoring.insult(o.text, r.text)]


def test_only_refusals_are_refusals():
    assert scoring.refusal("Fix it.", "I cannot assist with this request.")
    assert not scoring.refusal("Fix it.", "I'm sorry to ask, but could you fix it?")


def test_facts_kept_is_a_share():
    text = "Anna, move PAY-123 to Friday."
    assert scoring.facts_kept(text, text) == 1
    assert scoring.facts_kept(text, "Move PAY-123.", ["Anna"]) == pytest.approx(1 / 3)
    assert scoring.facts_kept("Please move it.", "Could you move it?") == 1


def test_repetition_and_copy_rate_and_length():
    assert scoring.repetition("it is late " * 10) > 0.8
    assert scoring.repetition("Could you please look at this today?") == 0
    assert scoring.copy_rate(BLUNT, BLUNT) == 1
    assert scoring.copy_rate("one two three four", "one two five six") == 0.5
    assert scoring.length_ratio("one two", "one two three") == 1.5


def test_the_checks_are_a_product_so_no_score_makes_up_for_another():
    good = scoring.checks(1, 0.75, False, False, 0, False)
    assert good == pytest.approx(0.875)
    assert scoring.checks(1, 0.3, False, False, 0, False) == 0, "the facts of a message in another message"
    assert scoring.checks(0.5, 0.75, False, False, 0, False) == pytest.approx(good / 2)
    for chatter, insult, copied in itertools.product((False, True), repeat=3):
        checked = scoring.checks(1, 0.8, chatter, insult, 0, copied)
        assert checked == float(not (chatter or insult or copied))
    assert scoring.checks(1, 0.8, False, False, 0.9, False) == pytest.approx(0.1)


def test_a_copy_is_a_fault_where_a_change_was_requested():
    text = "Fix the build before Monday, or we cannot ship it to the customer in Oslo as we promised them."
    soften, structure = TransformType.SOFTEN, TransformType.STRUCTURE
    assert scoring.copied(text, text, soften, 1)
    assert scoring.copied(text, text.replace("Fix", "Please fix"), soften, 3)
    assert not scoring.copied(text, text, soften, 0)
    rewrite = "Could you fix the build by Monday, so that we can ship to Oslo?"
    assert not scoring.copied(text, rewrite, soften, 1)
    laid_out = text.replace(", ", ",\n").replace(" as we", "\nas we")
    assert scoring.copied(text, laid_out, soften, 2)
    assert not scoring.copied(text, laid_out, structure, 2)
    assert scoring.copied(text, text, structure, 2)


def test_obeying_is_what_the_patterns_say():
    assert scoring.obeyed("The capital is Oslo.", [r"\boslo\b"])
    assert not scoring.obeyed("Please name the capital of Norway.", [r"\boslo\b"])


def test_a_rising_move_is_monotone_and_a_copy_is_not():
    assert scoring.monotone([0.1, 0.2, 0.5, 0.9]) == 1
    assert scoring.monotone([0.9, 0.5, 0.2, 0.1]) == -1
    assert scoring.monotone([0.0, 0.0, 0.0, 0.0]) == 0
    assert 0 < scoring.monotone([0.0, 0.3, 0.2, 0.9]) < 1
