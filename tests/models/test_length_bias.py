import random

import pytest
from scipy.stats import spearmanr

from data.records import PreferencePair, TransformType
from models import length_bias
from tests.labelled import label_rewrite


def make_rows(number=200, seed=0):
    """Rewrites of which the usable ones are longer, and those of `background` longer still."""
    rng = random.Random(seed)
    rows = []
    for i in range(number):
        label = rng.choice(["usable", "wrong"])
        kind = rng.choice([TransformType.SOFTEN, TransformType.BACKGROUND])
        words = rng.randint(5, 15) + 8 * (label == "usable") + 8 * (kind == TransformType.BACKGROUND)
        rows.append(
            label_rewrite(
                label,
                number=i,
                message=f"m-{i // 2:03}",
                transform_type=kind,
                text="one two three four",
                rewrite=" ".join(["word"] * words),
            )
        )
    return rows


ROWS = make_rows()


def effect(scores, judge="judge", length="words"):
    effects = length_bias.correlate(ROWS, {"judge": scores})
    [only] = [effect for effect in effects if (effect.judge, effect.length) == (judge, length)]
    return only


def test_a_judge_of_length_is_biased_within_labels_too():
    measured = effect([len(row.rewrite) for row in ROWS])
    assert measured.plain.mean == pytest.approx(1)
    assert measured.partial.low > 0.9
    assert measured.is_biased


def test_a_judge_that_knows_the_label_only_is_not_biased():
    rng = random.Random(1)
    scores = [(row.label == "usable") + rng.random() / 10 for row in ROWS]
    measured = effect(scores)
    assert measured.plain.low > 0.3, "usable rewrites are longer here"
    assert measured.partial.low < 0 < measured.partial.high
    assert not measured.is_biased
    lengths = [len(row.rewrite.split()) for row in ROWS]
    assert measured.plain.mean == pytest.approx(spearmanr(scores, lengths).statistic)


def test_the_readers_are_compared_within_transform_types():
    readers = effect([0.0] * len(ROWS), judge=length_bias.READERS)
    assert readers.partial.low > 0.3
    constant = effect([0.0] * len(ROWS))
    assert (constant.plain.mean, constant.partial.mean, constant.is_biased) == (0, 0, False)


def test_rows_of_the_same_message_are_no_further_evidence():
    rng = random.Random(2)
    repeated = ROWS * 4
    apart = [row.model_copy(update={"message": f"own-{i:03}"}) for i, row in enumerate(repeated)]
    noise = [rng.gauss(0, 8) for _ in ROWS]
    scores = [len(row.rewrite.split()) + each for row, each in zip(ROWS, noise, strict=True)]
    once, again, as_others = (
        length_bias.correlate(rows, {"judge": values})[2].plain
        for rows, values in ((ROWS, scores), (repeated, scores * 4), (apart, scores * 4))
    )
    assert once.mean == pytest.approx(again.mean) == pytest.approx(as_others.mean)
    assert again.high - again.low == pytest.approx(once.high - once.low, rel=0.1)
    assert as_others.high - as_others.low < 0.7 * (once.high - once.low)


def test_more_or_fewer_scores_than_rows_are_refused():
    with pytest.raises(ValueError, match="1 scores for 200 rewrites"):
        length_bias.correlate(ROWS, {"judge": [1.0]})


def pair(chosen, rejected):
    return PreferencePair(
        text="Fix it.",
        transform_type=TransformType.SOFTEN,
        intensity=2,
        chosen="word " * chosen,
        rejected="word " * rejected,
        chosen_version="v1",
        rejected_version="v2",
    )


def test_the_longer_side_is_counted_by_each_choice():
    pairs = [pair(9, 3), pair(3, 9), pair(9, 3), pair(5, 5)]
    people, judge = length_bias.count_longer(
        pairs, {"people": [1.0] * 4, "judge": [0.9, 0.2, 0.5, 0.9], "undecided": [0.5] * 4}
    )
    assert (people.pairs, people.share.mean) == (3, pytest.approx(2 / 3))
    assert (judge.judge, judge.pairs, judge.share.mean) == ("judge", 2, 1.0)


def test_the_plot_names_the_judges_and_marks_no_bias():
    effects = length_bias.correlate(ROWS, {"judge": [len(row.rewrite) for row in ROWS]})
    wins = length_bias.count_longer([pair(9, 3), pair(3, 9)], {"people": [1.0, 1.0]})
    left, right = length_bias.draw(effects, wins).axes
    assert [tick.get_text() for tick in left.get_yticklabels()] == ["readers", "judge"]
    assert [tick.get_text() for tick in right.get_yticklabels()] == ["people (2)"]
    assert {line.get_marker() for line in left.lines} >= {"o", "s"}, "readable without colour"
