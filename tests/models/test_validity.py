import numpy as np
import pytest
from scipy.stats import norm

from models.validity import InvalidJudgeError, labels_of, validate
from tests.labelled import label_rewrite


def read(labels, policy="weights"):
    return [label_rewrite(label, number=number, policy=policy) for number, label in enumerate(labels)]


def test_a_judge_that_readers_agree_with_is_valid():
    rows = read(["usable"] * 50 + ["wrong"] * 50)
    validity = validate("composite", "v1", rows, [1 - number / 100 for number in range(100)])
    assert (validity.usable, validity.wrong, validity.auc.mean) == (50, 50, 1.0)
    assert validity.refusal is None
    validity.require()


def test_a_judge_that_readers_contradict_is_refused_with_the_numbers():
    validity = validate("composite", "v1", read(["usable"] * 50 + ["wrong"] * 50), list(range(100)))
    assert validity.refusal.code == "judge_blind"
    with pytest.raises(
        InvalidJudgeError, match=r"composite is not valid for rewrites by v1.*probability 0\.00"
    ):
        validity.require()


@pytest.mark.parametrize(
    "labels",
    [
        [],
        ["usable"] * 9 + ["wrong"] * 200,
        ["usable"] * 200 + ["wrong"] * 9,
        ["usable"] * 49 + ["wrong"] * 50 + ["timid"] * 99 + ["broken"] * 99,
    ],
)
def test_too_few_labels_of_either_kind_validate_nothing(labels):
    rows = read(labels)
    validity = validate("the judge", "v1", rows, [float(row.label == "usable") for row in rows])
    assert validity.refusal.code == "judge_unmeasured"


def test_timid_and_broken_rewrites_do_not_count():
    rows = read(["usable"] * 50 + ["wrong"] * 50 + ["timid", "broken"] * 50)
    scores = [float(row.label == "usable") + 2 * (row.label in ("timid", "broken")) for row in rows]
    assert validate("composite", "v1", rows, scores).auc.mean == 1.0


def test_only_labels_of_the_same_weights_count():
    rows = [*read(["usable"] * 3, "old"), *read(["wrong"] * 2, "new"), *read(["usable"], None)]
    assert [row.label for row in labels_of(rows, "new")] == ["wrong", "wrong"]
    assert labels_of(rows, "") == []


def accept(auc, usable, wrong, times=60):
    """How often a judge with normal scores and this AUC is found valid."""
    rng = np.random.default_rng(0)
    rows = read(["usable"] * usable + ["wrong"] * wrong)
    shift = norm.ppf(auc) * np.sqrt(2)
    draws = [np.r_[rng.normal(shift, 1, usable), rng.normal(0, 1, wrong)].tolist() for _ in range(times)]
    return np.mean([validate("composite", "v1", rows, scores).refusal is None for scores in draws])


@pytest.mark.slow
def test_a_blind_judge_is_seldom_found_valid_and_a_good_one_mostly():
    assert accept(0.5, 10, 90) == 0
    assert accept(0.65, 10, 90) < 0.1
    assert accept(0.95, 10, 90) > 0.85
    assert accept(0.9, 60, 60) > 0.85
