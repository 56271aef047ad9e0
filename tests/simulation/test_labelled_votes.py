from collections import Counter

import pytest

from models import labels
from simulation import labelled_votes
from simulation.simulated_people import PeopleConfig
from simulation.taste import WEIGHTS, Request, utility


@pytest.fixture(scope="module")
def rows():
    return labels.read_labels()


@pytest.fixture(scope="module")
def pairs(rows):
    return labelled_votes.compare(rows)


def test_a_rewrite_is_in_one_pair_and_a_message_in_one_split(rows, pairs):
    used = Counter((p.text, p.transform_type, p.intensity, t) for p in pairs for t in (p.chosen, p.rejected))
    assert set(used.values()) == {1}
    assert not {p.text for p in pairs if p.split == "train"} & {p.text for p in pairs if p.split != "train"}
    held_out = sum(pair.split == "validation" for pair in pairs) / len(pairs)
    assert held_out == pytest.approx(labelled_votes.HELD_OUT, abs=0.1)
    systems = {(row.text, row.rewrite): row.system for row in rows}
    assert {pair.chosen_version for pair in pairs} <= set(systems.values())


def test_only_english_messages_are_compared(pairs):
    assert len(pairs) > 200
    assert not any("。" in pair.text for pair in pairs)


def test_people_choose_by_their_taste(rows, pairs):
    def likes_chosen(pair):
        request = Request(pair.text, pair.transform_type, pair.intensity)
        return utility(WEIGHTS, request, pair.chosen) > utility(WEIGHTS, request, pair.rejected)

    share = sum(map(likes_chosen, pairs)) / len(pairs)
    assert share > 0.65
    coin = labelled_votes.compare(rows, PeopleConfig(noise=1.0))
    assert sum(map(likes_chosen, coin)) / len(coin) < share - 0.1


def test_the_same_people_make_the_same_choices_and_others_do_not(rows, pairs):
    assert labelled_votes.compare(rows) == pairs
    assert labelled_votes.compare(rows, PeopleConfig(seed=1000)) != pairs
