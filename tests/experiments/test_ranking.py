"""Versions are ranked by votes on pairs of them, with errors that votes of one person or message enlarge."""

import math
import uuid

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray

from experiments import ranking, sequential
from experiments.ranking import PairVote, Ranked, rank

NAMES = ("v1", "v2", "v3", "v4")


def draw_votes(
    strengths: tuple[float, ...], count: int, people: int = 10_000, messages: int = 10_000, seed: int = 0
) -> list[PairVote]:
    """Votes between two versions each; a person and a message add to the strength of a version."""
    rng = np.random.default_rng(seed)
    tastes, effects = rng.normal(0, 1, (2, max(people, messages), len(strengths)))
    votes = []
    for _ in range(count):
        first, second = rng.permutation(len(strengths))[:2]
        person, message = int(rng.integers(people)), int(rng.integers(messages))
        felt = np.array(strengths) + tastes[person] + effects[message]
        is_win = rng.random() < 1 / (1 + math.exp(felt[second] - felt[first]))
        winner, loser = (first, second) if is_win else (second, first)
        votes.append(PairVote(NAMES[winner], NAMES[loser], person, message))
    return votes


def find(result: ranking.Ranking, version: str) -> Ranked:
    return next(row for row in result.versions if row.version == version)


def build_design(votes: list[PairVote]) -> NDArray[np.float64]:
    return np.array(
        [[(name == vote.winner) - float(name == vote.loser) for name in NAMES[1:]] for vote in votes]
    )


def test_strengths_and_two_way_errors_equal_those_of_statsmodels() -> None:
    votes = draw_votes((0, 0.8, 0.3, -0.2), 400, people=60, messages=40)
    design = build_design(votes)
    people, messages = (
        np.unique([getattr(vote, name) for vote in votes], return_inverse=True)[1]
        for name in ("person", "message")
    )
    # The reference must have votes of both values: half of them are seen from the loser's side.
    side = np.where(np.arange(len(votes)) % 2, 1.0, -1.0)
    reference = sm.GLM(side > 0, design * side[:, None], family=sm.families.Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": np.column_stack([people, messages])}, tol=1e-12
    )
    strengths, information = ranking.fit(design, np.ones(len(votes)))
    assert strengths == pytest.approx(reference.params, abs=1e-6)
    scores = design / (1 + np.exp(design @ strengths))[:, None]
    both = np.unique(people * 1000 + messages, return_inverse=True)[1]
    by_person, by_message, by_both = (
        ranking.estimate_covariance(scores, information, groups) for groups in (people, messages, both)
    )
    assert by_person + by_message - by_both == pytest.approx(reference.cov_params(), abs=1e-6)


def test_the_better_version_is_first_and_shown_to_be() -> None:
    result = rank(draw_votes((0, 2.0, 0.5, -1.0), 2000), "v1", 0.05)
    assert [row.version for row in result.versions] == ["v2", "v3", "v1", "v4"]
    assert [row.rank for row in result.versions] == [1, 2, 3, 4]
    first, champion = result.versions[0], find(result, "v1")
    assert (first.best_rank, first.worst_rank) == (1, 1)
    assert first.interval is not None
    assert first.strength is not None
    assert 0 < first.interval.low < first.strength < first.interval.high
    assert first.preferred == pytest.approx(1 / (1 + math.exp(-first.strength)))
    assert first.preferred_interval is not None
    assert first.preferred_interval.low == pytest.approx(1 / (1 + math.exp(-first.interval.low)))
    assert (champion.strength, champion.interval, champion.preferred) == (0, (0, 0), 0.5)
    assert sum(row.votes for row in result.versions) == 2 * 2000


def test_votes_between_challengers_inform_on_the_champion() -> None:
    """v3 never met the champion. It wins against v2, which wins against the champion."""
    votes = [PairVote("v2", "v1", n, n) for n in range(60)]
    votes += [PairVote("v1", "v2", n, n) for n in range(60, 90)]
    votes += [PairVote("v3", "v2", n, n) for n in range(100, 160)]
    votes += [PairVote("v2", "v3", n, n) for n in range(160, 190)]
    result = rank(votes, "v1", 0.05)
    v2, v3 = find(result, "v2"), find(result, "v3")
    assert v2.strength == pytest.approx(math.log(60.5 / 30.5), abs=1e-6)
    assert v3.strength == pytest.approx(2 * math.log(60.5 / 30.5), abs=1e-6)
    assert v2.interval is not None
    assert v3.interval is not None
    assert v3.interval.high - v3.interval.low > v2.interval.high - v2.interval.low


def test_a_version_that_wins_every_vote_has_a_finite_strength() -> None:
    result = rank([PairVote("v2", "v1", n, n) for n in range(100)], "v1", 0.05)
    v2 = result.versions[0]
    assert v2.strength == pytest.approx(math.log(100.5 / 0.5), abs=1e-6)
    assert v2.interval is not None
    assert v2.preferred_interval is not None
    assert v2.interval.high < 14
    # About as long as the exact interval for independent votes whose mixture is for rates near 0 and 1.
    exact = sequential.win_rate_interval(100, 0, 0.05, prior_votes=1)
    assert v2.preferred_interval.low == pytest.approx(exact.low, abs=0.03)
    assert (v2.best_rank, v2.worst_rank) == (1, 1)


def test_versions_that_no_chain_of_votes_connects_have_no_strength() -> None:
    votes = [PairVote("v2", "v1", n, n) for n in range(50)] + [PairVote("v3", "v4", n, n) for n in range(70)]
    result = rank(votes, "v1", 0.05)
    assert [row.version for row in result.versions] == ["v2", "v1", "v3", "v4"]
    assert result.versions[2] == Ranked(version="v3", votes=70)
    assert (result.people, result.messages) == (50, 50)
    assert [row.worst_rank for row in result.versions[:2]] == [1, 2]


def test_without_votes_the_champion_is_alone() -> None:
    result = rank([], "v1", 0.05)
    assert (result.people, result.messages) == (0, 0)
    [champion] = result.versions
    assert (champion.version, champion.strength, champion.rank, champion.votes) == ("v1", 0, 1, 0)


@pytest.mark.parametrize(("people", "messages"), [(19, 500), (500, 19)])
def test_a_few_people_or_messages_give_no_interval(people: int, messages: int) -> None:
    votes = [PairVote("v2", "v1", n % people, n % messages) for n in range(500)]
    v2, champion = rank(votes, "v1", 0.05).versions
    assert v2.strength is not None
    assert v2.strength > 3
    assert v2.interval is None
    assert v2.preferred_interval is None
    assert (v2.best_rank, v2.worst_rank) == (1, 2)
    assert champion.interval == (0, 0)


def test_votes_of_the_same_person_or_on_the_same_message_widen_the_intervals() -> None:
    def measure_width(votes: list[PairVote]) -> float:
        interval = find(rank(votes, "v1", 0.05), "v2").interval
        assert interval is not None
        return interval.high - interval.low

    alike = draw_votes((0, 0, 0), 900, people=50)
    alone = [vote._replace(person=n) for n, vote in enumerate(alike)]
    assert measure_width(alike) > 1.2 * measure_width(alone)
    alike = draw_votes((0, 0, 0), 900, messages=50)
    alone = [vote._replace(message=n) for n, vote in enumerate(alike)]
    assert measure_width(alike) > 1.2 * measure_width(alone)


def test_a_repeated_vote_is_hardly_more_information() -> None:
    """An error that is not by cluster would shrink by the square root of three."""
    votes = draw_votes((0, 0.5), 300, people=100, messages=100)
    once, three_times = (find(rank(some, "v1", 0.05), "v2").interval for some in (votes, votes * 3))
    assert once is not None
    assert three_times is not None
    assert (three_times.high - three_times.low) / (once.high - once.low) > 0.9


def test_the_names_and_the_order_of_the_votes_do_not_matter() -> None:
    votes = draw_votes((0, 0.5, 0.2), 300, people=80, messages=60)
    renamed = {"v1": "v1", "v2": "a", "v3": "b"}
    other = [PairVote(renamed[vote.winner], renamed[vote.loser], *vote[2:]) for vote in reversed(votes)]
    for version, name in renamed.items():
        mine, theirs = find(rank(votes, "v1", 0.05), version), find(rank(other, "v1", 0.05), name)
        assert mine.strength == pytest.approx(theirs.strength, abs=1e-6)
        assert mine.interval == pytest.approx(theirs.interval, abs=1e-5)
        for figure in ("rank", "best_rank", "worst_rank"):
            assert getattr(mine, figure) == getattr(theirs, figure)


def test_people_and_messages_may_be_ids() -> None:
    ids = [uuid.uuid4() for _ in range(40)]
    numbers = rank([PairVote("v2", "v1", n % 40, n % 30) for n in range(90)], "v1", 0.05)
    assert rank([PairVote("v2", "v1", ids[n % 40], ids[n % 30]) for n in range(90)], "v1", 0.05) == numbers


def test_a_ranking_survives_json() -> None:
    result = rank([PairVote("v2", "v1", n, n) for n in range(30)] + [PairVote("v3", "v4", 1, 1)], "v1", 0.05)
    assert ranking.Ranking.model_validate_json(result.model_dump_json()) == result
