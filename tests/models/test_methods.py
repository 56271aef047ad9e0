import pytest

from data.records import Demonstration, Label, PreferencePair, TransformType
from data.snapshots import shards
from models import methods
from models.methods import Feedback, MethodsConfig

CONFIG = MethodsConfig()
PAIRS = Feedback(pairs=25, pairs_held_out=3)
LABELS = Feedback(good=30, bad=25, good_held_out=3, bad_held_out=2)


def choose(data, may_sample=False):
    return methods.choose(data, 1000, may_sample, CONFIG)


def test_without_feedback_there_is_sft_alone_and_why():
    chosen = choose(Feedback())
    assert (chosen.method, chosen.reward, chosen.repeats) == ("sft", False, 1)
    assert "no edit" in chosen.why[0]
    assert "0 pairs" in chosen.why[1]


@pytest.mark.parametrize(
    ("data", "method"),
    [
        (PAIRS, "sft+dpo"),
        (LABELS, "sft+kto"),
        (PAIRS.model_copy(update=LABELS.model_dump(include={"good", "bad", "good_held_out"})), "sft+dpo"),
        (PAIRS.model_copy(update={"pairs": 19}), "sft"),
        (PAIRS.model_copy(update={"pairs_held_out": 0}), "sft"),
        (LABELS.model_copy(update={"bad": 19}), "sft"),
        (LABELS.model_copy(update={"good_held_out": 0}), "sft"),
        (LABELS.model_copy(update={"pairs": 19, "pairs_held_out": 2}), "sft+kto"),
    ],
)
def test_pairs_are_for_dpo_and_labels_for_kto_when_there_are_enough(data, method):
    assert choose(data).method == method


def test_a_reward_model_takes_many_pairs_and_grpo_a_machine_that_can_sample():
    many = Feedback(pairs=300, pairs_held_out=30)
    assert not choose(PAIRS, may_sample=True).reward
    assert (choose(many).reward, choose(many).method) == (True, "sft+dpo")
    assert "too slow" in choose(many).why[-1]
    assert choose(many, may_sample=True).method == "sft+dpo+grpo"


@pytest.mark.parametrize(("edits", "repeats"), [(1, 4), (30, 4), (40, 3), (112, 1), (5000, 1)])
def test_peoples_edits_are_a_tenth_of_what_sft_sees_as_far_as_repeats_go(edits, repeats):
    assert choose(Feedback(demonstrations=edits)).repeats == repeats


def test_rows_are_counted_by_kind_and_split(tmp_path):
    request = {"text": "Fix it.", "transform_type": TransformType.SOFTEN, "intensity": 1}
    versions = {"chosen_version": "v1", "rejected_version": "v1"}
    splits = ("train", "train", "validation")
    rows = [
        row
        for split in splits
        for row in (
            Demonstration(**request, rewrite="a", split=split),
            PreferencePair(**request, **versions, chosen="a", rejected="b", split=split),
            Label(**request, rewrite="a", good=True, version="v1", split=split),
            Label(**request, rewrite="a", good=False, version="v1", split=split),
        )
    ]
    shards.write(tmp_path, rows)
    counts = {"demonstrations": 2, "pairs": 2, "pairs_held_out": 1}
    counts |= {"good": 2, "bad": 2, "good_held_out": 1, "bad_held_out": 1}
    assert methods.feedback([tmp_path]) == Feedback(**counts)
    assert methods.feedback([tmp_path, tmp_path]) == Feedback(**{name: 2 * n for name, n in counts.items()})
