from statistics import mean

import pytest

from data import corpus
from data.records import TransformType
from models import scoring, tone

BLUNT = "This is broken again. Fix PAY-123 by Friday. Your team never tests anything."
CASES = [
    (original, rewrite)
    for part in ("train", "test")
    for original in corpus.read(corpus.SEED / part)
    for rewrite in original.rewrites
]


@pytest.mark.parametrize("kind", TransformType)
def test_a_copy_moves_nothing(kind):
    assert {tone.move(o.text, o.text, kind) for o, _ in CASES} == {0.0}


@pytest.mark.parametrize("kind", TransformType)
def test_references_move_and_move_further_at_higher_intensity(kind):
    moves = {
        i: [tone.move(o.text, r.text, kind) for o, r in CASES if (r.transform_type, r.intensity) == (kind, i)]
        for i in range(4)
    }
    every = [m for values in moves.values() for m in values]
    assert mean(m > 0 for m in every) > 0.8
    assert mean(moves[0]) < mean(moves[2])
    assert mean(moves[1]) < mean(moves[3])


@pytest.mark.parametrize("kind", TransformType)
def test_a_scorer_prefers_rewrites_of_its_own_type(kind):
    strong = [(o, r) for o, r in CASES if r.intensity >= 2]
    own = mean(tone.move(o.text, r.text, kind) for o, r in strong if r.transform_type == kind)
    for other in TransformType:
        if other != kind:
            theirs = mean(tone.move(o.text, r.text, kind) for o, r in strong if r.transform_type == other)
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
    assert tone.move(BLUNT, f"{BLUNT} {stuffing}", TransformType.SOFTEN) < 0.25
    honest = "I noticed that this is broken. Could you please look at PAY-123 by Friday? Tests would help us."
    assert tone.move(BLUNT, honest, TransformType.SOFTEN) > 0.8


@pytest.mark.parametrize("text", [BLUNT, "We cannot ship SUP-7 because the tests fail, so tell Anna."])
@pytest.mark.parametrize("kind", TransformType)
def test_length_alone_does_not_pay(kind, text):
    padded = text + " The weather in town was grey and the tram went past the old library twice." * 5
    assert tone.move(text, padded, kind) <= 0.1


def test_marks_of_one_kind_count_once():
    once = "Needed: tests for PAY-123 from now on."
    often = (
        once
        + " Needed: tests for PAY-123 indeed. We need tests. We must have tests. Tests are required here."
    )
    text = "Tests for PAY-123 would be nice, folks."
    kind = TransformType.REQUIREMENTS
    assert tone.move(text, once, kind) == tone.move(text, often, kind) > 0


def test_a_summary_that_drops_facts_or_all_earns_less():
    text = "So, as I said to Anna the other day, PAY-123 still fails and has to be fixed by Friday, please."
    kind = TransformType.SUMMARIZE
    kept = tone.move(text, "Anna: PAY-123 still fails; fix by Friday.", kind)
    assert kept > tone.move(text, "It still fails; please fix it soon.", kind)
    assert tone.move(text, "Ok.", kind) == -1


def test_jargon_counts_as_explained_beside_a_gloss():
    text = "The SSO rollout depends on the IdP."
    kind = TransformType.TERMINOLOGY
    assert tone.move(text, "Single sign-on (SSO) depends on the login provider.", kind) == 1
    assert tone.move("Please call Anna.", "Please ping Anna via the API.", kind) < 0


@pytest.mark.parametrize("kind", TransformType)
@pytest.mark.parametrize("intensity", range(4))
def test_a_copy_is_never_taken_for_a_rewrite(kind, intensity):
    taken = [tone.tone_moved(o.text, o.text, kind, intensity, 1.0) for o in corpus.read(corpus.SEED / "test")]
    assert max(taken) < 0.25


def test_what_has_lost_its_meaning_has_not_moved():
    kind = TransformType.SOFTEN
    kind_words = "Could you please look at PAY-123 by Friday? Tests would help us, thank you."
    assert tone.tone_moved(BLUNT, kind_words, kind, 2, 0.9) > 0.5
    assert tone.tone_moved(BLUNT, kind_words, kind, 2, 0.1) < 0.5


def test_the_probability_is_one_and_ignores_what_has_no_weight():
    assert tone.probability({"intercept": 0.0}, {"reached": 3.0}) == 0.5
    assert tone.probability({"intercept": -1.0, "reached": 1.0}, {"reached": 1.0, "other": 9.0}) == 0.5


def test_the_features_are_of_both_texts():
    values = tone.features("please move the file", "please move the table", TransformType.SOFTEN, 1, 0.7)
    assert values["meaning"] == 0.7
    assert values["copied"] == 0.75
    assert values["invented"] == values["dropped"] == pytest.approx(1 / 3)
    assert values["is_soften"] == 1
    assert values["reached_soften"] == values["reached"]


@pytest.mark.slow
def test_most_references_move_more_than_a_copy_on_the_held_out_set():
    pairs = [(o, r) for o in corpus.read(corpus.SEED / "test") for r in o.rewrites]
    meanings = scoring.meaning([o.text for o, _ in pairs], [r.text for _, r in pairs])
    beats = []
    for (original, rewrite), meaning in zip(pairs, meanings, strict=True):
        request = (rewrite.transform_type, rewrite.intensity)
        moved = tone.tone_moved(original.text, rewrite.text, *request, meaning)
        beats.append(moved > tone.tone_moved(original.text, original.text, *request, 1.0))
    assert mean(beats) > 0.85


@pytest.mark.slow
@pytest.mark.timeout(20)
@pytest.mark.parametrize("unit", ["a", "a ", "(", "_", "1.", ": ", "\n", "a'", "please "])
def test_a_model_that_repeats_itself_is_scored_at_once(unit):
    for kind in TransformType:
        assert 0 <= tone.rule_score("Fix PAY-12 by Friday.", (unit * 8000)[:8000], kind, 2) <= 1


@pytest.mark.parametrize(
    ("line", "is_label"),
    [
        ("Next steps: call Anna", True),
        ("- What we need (by Friday): a list", True),
        ("one two three four five: done", True),
        ("one two three four five six: done", False),
        ("a word", False),
    ],
)
def test_a_label_has_at_most_five_words(line, is_label):
    assert bool(tone._LABEL.match(line)) == is_label
