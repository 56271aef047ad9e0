import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from models import calibration


def draw_cases(number, seed, truth=lambda p: p):
    rng = np.random.default_rng(seed)
    chances = rng.random(number)
    return chances, rng.random(number) < truth(chances)


def test_its_bins_are_those_of_sklearn():
    chances, outcomes = draw_cases(203, seed=1)
    measured = calibration.measure(chances, outcomes, most_bins=7)
    shares, predicted = calibration_curve(outcomes, chances, n_bins=7, strategy="quantile")
    assert [each.share for each in measured.bins] == pytest.approx(shares)
    assert [each.predicted for each in measured.bins] == pytest.approx(predicted)
    assert sum(each.cases for each in measured.bins) == 203


def test_a_judge_that_is_right_exceeds_the_limit_in_one_of_twenty_samples():
    exceeded = sum(not calibration.measure(*draw_cases(150, seed)).is_calibrated for seed in range(300))
    assert 3 <= exceeded <= 30


def test_a_judge_that_is_too_sure_is_found():
    chances, outcomes = draw_cases(300, seed=2, truth=lambda p: 0.5 + (p - 0.5) / 3)
    measured = calibration.measure(chances, outcomes)
    assert not measured.is_calibrated
    assert measured.bins[0].share > measured.bins[0].predicted
    assert measured.bins[-1].share < measured.bins[-1].predicted


def test_a_score_without_information_is_worse_than_a_constant():
    chances, outcomes = draw_cases(400, seed=3, truth=lambda p: np.full_like(p, 0.7))
    measured = calibration.measure(chances, outcomes)
    assert not measured.is_informative
    assert measured.brier_of_constant == pytest.approx(0.21, abs=0.03)
    assert calibration.measure(*draw_cases(400, seed=3)).is_informative


def test_equal_probabilities_share_a_bin_with_wilsons_interval():
    measured = calibration.measure([0.8] * 10, [True] * 8 + [False] * 2)
    [only] = measured.bins
    # Wilson's interval of 8 in 10, from the formula: (p + z2/2n -+ z sqrt(pq/n + z2/4n2)) / (1 + z2/n).
    assert (only.share, only.cases) == (0.8, 10)
    assert (only.low, only.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert measured.error == pytest.approx(0)
    assert measured.brier == pytest.approx(0.16)


def test_choices_are_about_the_side_that_the_judge_prefers():
    measured = calibration.measure_choices([0.9, 0.1, 0.9, 0.9, 0.5])
    [only] = measured.bins
    assert (only.cases, only.share) == (4, 0.75)
    assert only.predicted == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("probabilities", "outcomes", "fault"),
    [([], [], "0 probabilities"), ([0.5], [], "0 outcomes"), ([1.2], [True], "give probabilities")],
)
def test_other_input_is_refused(probabilities, outcomes, fault):
    with pytest.raises(ValueError, match=fault):
        calibration.measure(probabilities, outcomes)


def test_the_diagram_has_a_point_and_a_number_for_each_bin():
    measured = calibration.measure(*draw_cases(100, seed=4))
    [axes] = calibration.draw(measured, "Judge", "score", "share usable").axes
    points = axes.lines[1].get_xydata()
    assert points[:, 0] == pytest.approx([each.predicted for each in measured.bins])
    assert {text.get_text() for text in axes.texts} >= {str(each.cases) for each in measured.bins}
    assert axes.get_ylabel().startswith("share usable")
