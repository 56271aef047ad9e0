"""The figures of an experiment show what its analyses say."""

from datetime import timedelta

import pytest

from experiments.evidence import Dated
from experiments.plots import draw_p_values
from tests.experiments.test_evidence import build_evidence
from tests.trials import START


def test_both_p_values_of_each_analysis_with_an_effect_are_drawn() -> None:
    built = [build_evidence(users=users) for users in (0, 100, 400)]
    analyses = [Dated(START + timedelta(days=day), each) for day, each in enumerate(built)]
    [axes] = draw_p_values(analyses, "v2", alpha=0.05).axes
    assert axes.get_yscale() == "log"
    naive, anytime, level = axes.get_lines()
    effects = [each.leading.between_users.primary for each in built[1:]]
    assert naive.get_ydata() == pytest.approx([effect.fixed_p for effect in effects if effect])
    assert anytime.get_ydata() == pytest.approx([effect.p for effect in effects if effect])
    assert set(level.get_ydata()) == {0.05}
    assert len({line.get_linestyle() for line in (naive, anytime, level)}) == 3, "readable without colour"
    assert axes.get_xlabel()
    assert axes.get_ylabel()


def test_a_challenger_that_no_analysis_has_gives_an_empty_figure() -> None:
    [axes] = draw_p_values([Dated(START, build_evidence())], "v9", alpha=0.05).axes
    assert [len(line.get_xdata()) for line in axes.get_lines()[:2]] == [0, 0]
