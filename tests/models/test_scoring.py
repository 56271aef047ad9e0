from statistics import mean

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


@pytest.mark.parametrize("kind", TransformType)
def test_a_copy_moves_nothing(kind):
    assert {scoring.move(o.text, o.text, kind) for o, _ in CASES} == {0.0}


@pytest.mark.parametrize("kind", TransformType)
def test_references_move_and_move_further_at_higher_intensity(kind):
    moves = {
        i: [
            scoring.move(o.text, r.text, kind)
            for o, r in CASES
            if (r.transform_type, r.intensity) == (kind, i)
        ]
        for i in range(4)
    }
    every = [m for values in moves.values() for m in values]
    assert mean(m > 0 for m in every) > 0.8
    assert mean(moves[0]) < mean(moves[2])
    assert mean(moves[1]) < mean(moves[3])


@pytest.mark.parametrize("kind", TransformType)
def test_a_scorer_prefers_rewrites_of_its_own_type(kind):
    strong = [(o, r) for o, r in CASES if r.intensity >= 2]
    own = mean(scoring.move(o.text, r.text, kind) for o, r in strong if r.transform_type == kind)
    for other in TransformType:
        if other != kind:
            theirs = mean(scoring.move(o.text, r.text, kind) for o, r in strong if r.transform_type == other)
            assert own > theirs, other


@pytest.mark.parametrize(
    "stuffing",
    [
        "please please thank you sorry",
        "Please, please, thank you, sorry, kindly, please.",
        "Thank you. Thank you. Thank you. Thank you. Thank you. Thank you.",
    ],
)
def test_courtesy_heaped_on_a_copy_does_not_pay(stuffing):
    assert scoring.tone_moved(BLUNT, f"{BLUNT} {stuffing}", TransformType.SOFTEN, 3) < 0.25
    honest = "I noticed that this is broken. Could you please look at PAY-123 by Friday? Tests would help us."
    assert scoring.tone_moved(BLUNT, honest, TransformType.SOFTEN, 3) > 0.8


@pytest.mark.parametrize("text", [BLUNT, "We cannot ship SUP-7 because the tests fail, so tell Anna."])
@pytest.mark.parametrize("kind", TransformType)
def test_length_alone_does_not_pay(kind, text):
    padded = text + " The weather in town was grey and the tram went past the old library twice." * 5
    assert scoring.tone_moved(text, padded, kind, 3) <= 0.1


def test_marks_of_one_kind_count_once():
    once = "Needed: tests for PAY-123 from now on."
    often = (
        once
        + " Needed: tests for PAY-123 indeed. We need tests. We must have tests. Tests are required here."
    )
    text = "Tests for PAY-123 would be nice, folks."
    kind = TransformType.REQUIREMENTS
    assert scoring.move(text, once, kind) == scoring.move(text, often, kind) > 0


def test_a_summary_that_drops_facts_or_all_earns_less():
    text = "So, as I said to Anna the other day, PAY-123 still fails and has to be fixed by Friday, please."
    kind = TransformType.SUMMARIZE
    kept = scoring.move(text, "Anna: PAY-123 still fails; fix by Friday.", kind)
    assert kept > scoring.move(text, "It still fails; please fix it soon.", kind)
    assert scoring.move(text, "Ok.", kind) == -1


def test_jargon_counts_as_explained_beside_a_gloss():
    text = "The SSO rollout depends on the IdP."
    kind = TransformType.TERMINOLOGY
    assert scoring.move(text, "Single sign-on (SSO) depends on the login provider.", kind) == 1
    assert scoring.move("Please call Anna.", "Please ping Anna via the API.", kind) < 0


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


def test_the_composite_orders_what_it_should():
    copy = scoring.composite(1, 1, 0, False, 0)
    assert copy == pytest.approx(0.6)
    assert scoring.composite(1, 0.75, 0.6, False, 0) > copy
    assert scoring.composite(0.5, 0.1, 1.0, False, 0) < copy, "moving without keeping must not pay"
    assert scoring.composite(1, 0.8, 1.0, True, 0) == 0
    assert scoring.composite(1, 0.8, 1.0, False, 0.9) < 0.15


def test_most_references_beat_a_copy_on_the_held_out_set():
    pairs = [(o, r) for o in corpus.read(corpus.SEED / "test") for r in o.rewrites]
    meanings = scoring.meaning([o.text for o, _ in pairs], [r.text for _, r in pairs])
    beats = [
        scoring.composite(
            scoring.facts_kept(o.text, r.text, o.facts),
            meaning,
            scoring.tone_moved(o.text, r.text, r.transform_type, r.intensity),
            scoring.chatter(o.text, r.text),
            scoring.repetition(r.text),
        )
        > 0.6
        for (o, r), meaning in zip(pairs, meanings, strict=True)
    ]
    assert mean(beats) > 0.85
