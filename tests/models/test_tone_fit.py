import random

import numpy as np
import pytest

import configs
from data import corpus
from data.records import TransformType
from models import tone, tone_fit
from models.tone_fit import Calibration, CalibrationConfig


@pytest.fixture(scope="module")
def committed():
    return Calibration.model_validate_json(tone.WEIGHTS.read_text())


@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_committed_weights_are_what_the_command_makes(committed):
    config = configs.load(CalibrationConfig, "configs/calibration.yaml")
    made = tone_fit.main(config)
    assert made.weights == pytest.approx(committed.weights, abs=0.01)
    assert made.judged.accuracy == pytest.approx(committed.judged.accuracy, abs=0.01)


def test_the_scorer_is_right_more_often_than_the_commoner_answer(committed):
    judged = committed.judged
    assert judged.pairs >= 200
    assert judged.accuracy > judged.majority
    assert judged.by_source.keys() >= {"near_copy", "wrong", "reference", "model"}


@pytest.mark.slow
def test_labels_that_are_shuffled_teach_nothing():
    rows = tone_fit.examples(corpus.read(corpus.SEED / "train")[:60], 0)
    moved = [row.moved for row in rows]
    features = [dict(row) for row in tone_fit.features(rows)]
    majority = 1 - np.mean(moved)
    assert _share_right(tone_fit.fit(features, moved, 1.0), features, moved) > majority + 0.08
    random.Random(0).shuffle(moved)
    assert _share_right(tone_fit.fit(features, moved, 1.0), features, moved) < majority + 0.03


def _share_right(weights, features, moved):
    return np.mean([(tone.probability(weights, f) > 0.5) == m for f, m in zip(features, moved, strict=True)])


def test_the_judged_pairs_are_of_held_out_messages():
    held_out = {o.id: o.text for o in corpus.read(corpus.SEED / "test")}
    parts = [corpus.read_lines(corpus.SEED / "judged" / p, corpus.Judged) for p in ("design", "held_out")]
    for pair in (*parts[0], *parts[1]):
        assert held_out[pair.original] == pair.text
    assert {pair.original for pair in parts[0]}.isdisjoint(pair.original for pair in parts[1])


def test_a_near_copy_is_nearly_a_copy():
    text = "Fix the login page before Monday, the customer waits and nobody answers."
    for seed in range(40):
        copy = tone_fit.near_copy(text, random.Random(seed))
        assert tone.copy_rate(text, copy) > 0.85


def test_scaling_keeps_the_order_and_fits_the_share():
    weights, rows = {"intercept": 0.0, "reached": 1.0}, [{"reached": x / 10} for x in range(-10, 11)]
    moved = [x > 4 for x in range(-10, 11)]
    moved[4], moved[-5] = True, False
    scaled = tone_fit.scale(weights, rows, moved)
    probabilities = [tone.probability(scaled, row) for row in rows]
    assert probabilities == sorted(probabilities)
    assert np.mean(probabilities) == pytest.approx(np.mean(moved), abs=0.01)


def test_two_thirds_of_the_examples_are_failures():
    rows = tone_fit.examples(corpus.read(corpus.SEED / "train")[:20], 0)
    assert sum(row.moved for row in rows) * 3 == len(rows)
    assert {row.transform_type for row in rows} == set(TransformType)
