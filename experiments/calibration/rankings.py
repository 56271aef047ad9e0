"""The ranking of several versions by people who differ in taste, on few messages that favour a version each.

A person and a message each add to the strength of a version. The control ranks the same votes as if all of
them were independent.
"""

from functools import cache
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from experiments import ranking
from experiments.calibration.config import CalibrationConfig
from experiments.calibration.populations import SETTINGS, Array
from experiments.calibration.report import RankingResult, estimate_rate
from experiments.plan import Plan
from experiments.ranking import PairVote, Ranking

_NAMES = ("champion", "first", "second", "third")
_MESSAGES = 50
_VOTES_AN_ANALYSIS = 60
_VOTES = 900  # at the last analysis
_MOST_A_PERSON = 18
# The log of a gamma variate with shape a, for each version: then the probability that a person or a message
# prefers one version to another is Beta(a, a). With 1 it is uniform, with 3 its standard deviation is 0.19.
_TASTE, _MESSAGE_EFFECT = 1.0, 3.0
_PAIRS = tuple(combinations(range(len(_NAMES)), 2))
# As `data.traffic.comparisons` draws them: a third of the pairs is between challengers.
_CHANCES = np.array([2 / 9 if not first else 1 / 9 for first, _ in _PAIRS])


class Kind(NamedTuple):
    """Versions of these strengths, in the order of `_NAMES`; all people and messages alike, or not."""

    description: str
    strengths: tuple[float, ...]
    are_independent: bool = False


KINDS = {
    "ranking_equal": Kind(
        "Four versions of equal strength, by people of any taste, on 50 messages.", (0,) * 4
    ),
    "ranking_better": Kind("The same; one challenger is better than the others.", (0, 0.75, 0.25, 0)),
    "ranking_independent": Kind(
        "Four versions of equal strength; all people and messages are alike.", (0,) * 4, are_independent=True
    ),
}


def _draw_votes(rng: np.random.Generator, kind: Kind, plan: Plan) -> list[PairVote]:
    """The votes of one experiment that count: those of a person in a row, each on another message."""
    votes: list[PairVote] = []
    on_message = np.zeros((len(_PAIRS), _MESSAGES), dtype=int)
    on_messages = _draw_effects(rng, _MESSAGES, _MESSAGE_EFFECT) * (not kind.are_independent)
    person = 0
    while len(votes) < _VOTES:
        count = min(_MOST_A_PERSON, int(rng.random() ** (-1 / 1.1)))  # as in `side_by_side`
        taste = _draw_effects(rng, 1, _TASTE)[0] * (not kind.are_independent)
        by_person = np.zeros(len(_PAIRS), dtype=int)
        messages = rng.permutation(_MESSAGES)[:count].tolist()
        for message, pair in zip(messages, rng.choice(len(_PAIRS), count, p=_CHANCES).tolist(), strict=True):
            if by_person[pair] == plan.votes_a_person or on_message[pair, message] == plan.votes_a_message:
                continue
            by_person[pair] += 1
            on_message[pair, message] += 1
            first, second = _PAIRS[pair]
            strengths = np.asarray(kind.strengths) + taste + on_messages[message]
            is_win = rng.random() < expit(strengths[first] - strengths[second])
            winner, loser = (first, second) if is_win else (second, first)
            votes.append(PairVote(_NAMES[winner], _NAMES[loser], person, message))
        person += 1
    return votes[:_VOTES]


def _draw_effects(rng: np.random.Generator, size: int, shape: float) -> Array:
    """What `size` people or messages add to the strength of each version, (size, versions)."""
    return np.log(rng.gamma(shape, size=(size, len(_NAMES))))


@cache
def _compute_truth(kind: Kind) -> Array:
    """The strengths that the ranking estimates, (versions,): those that fit the votes of all people on all
    messages. Where people differ, they are closer to each other than those of one person.
    """
    if kind.are_independent or len(set(kind.strengths)) == 1:
        return np.array(kind.strengths, dtype=float)
    rng = np.random.default_rng(0)
    taste, message = (logit(rng.beta(shape, shape, 1_000_000)) for shape in (_TASTE, _MESSAGE_EFFECT))
    noise = np.concatenate([taste + message, -taste - message])
    design, weights = [], []
    for (first, second), chance in zip(_PAIRS, _CHANCES, strict=True):
        rate = float(expit(kind.strengths[first] - kind.strengths[second] + noise).mean())
        row = np.zeros(len(_NAMES))
        row[first], row[second] = 1, -1
        design += [row, -row]
        weights += [chance * rate, chance * (1 - rate)]
    fitted, _ = ranking.fit(np.array(design)[:, 1:], np.array(weights))
    return np.array([0.0, *fitted])


class _Course(NamedTuple):
    """How the rankings of one experiment went, over all analyses."""

    covers: bool
    covers_ranks: bool
    wrong_best: bool
    is_shown: bool  # at the last analysis, the intervals exclude all other versions from the first place
    is_first: bool


def _follow(votes: list[PairVote], truth: Array, plan: Plan) -> _Course:
    """Rank after every few votes."""
    best = {name for name, strength in zip(_NAMES, truth, strict=True) if strength == truth.max()}
    covers = covers_ranks = True
    wrong_best = is_shown = is_first = False
    for count in range(_VOTES_AN_ANALYSIS, len(votes) + 1, _VOTES_AN_ANALYSIS):
        ranked = ranking.rank(votes[:count], "champion", plan.alpha)
        covers &= _covers(ranked, truth)
        covers_ranks &= _covers_ranks(ranked, truth)
        only = [row.version for row in ranked.versions if row.worst_rank == 1]
        wrong_best |= bool(only) and (len(best) > 1 or only[0] not in best)
        is_shown, is_first = bool(only) and only[0] in best, ranked.versions[0].version in best
    return _Course(covers, covers_ranks, wrong_best, is_shown, is_first)


def _covers(ranked: Ranking, truth: Array) -> bool:
    return all(
        row.interval is None or row.interval.low <= truth[_NAMES.index(row.version)] <= row.interval.high
        for row in ranked.versions
    )


def _covers_ranks(ranked: Ranking, truth: Array) -> bool:
    """Whether each version's true rank is possible. Of versions with the same strength, each has all ranks
    that they share.
    """
    for row in ranked.versions:
        strength = truth[_NAMES.index(row.version)]
        best, worst = 1 + int((truth > strength).sum()), int((truth >= strength).sum())
        if row.best_rank is None or row.worst_rank is None:
            continue
        if row.best_rank > best or row.worst_rank < worst:
            return False
    return True


def simulate(config: CalibrationConfig, plan: Plan, name: str, chunk: int, size: int) -> dict[str, Any]:
    """Simulate one chunk of experiments: a twentieth of the usual `size`, at least 2, because each is ranked
    at every analysis by the production code.

    Gives a list of courses under `shipped`, and one of the control's under `independent`.
    """
    kind, number = KINDS[name], list(KINDS).index(name)
    truth = _compute_truth(kind)
    rng = np.random.default_rng([config.seed, len(SETTINGS) + 4, number, chunk])
    result: dict[str, Any] = {"shipped": [], "independent": []}
    for _ in range(max(2, size // 20)):
        votes = _draw_votes(rng, kind, plan)
        alone = [vote._replace(person=n, message=n) for n, vote in enumerate(votes)]
        result["shipped"].append(_follow(votes, truth, plan))
        result["independent"].append(_follow(alone, truth, plan))
    return result


def summarise(
    config: CalibrationConfig, plan: Plan, name: str, chunks: list[dict[str, Any]]
) -> RankingResult:
    """Estimate the figures of a kind from the results of all chunks."""
    kind = KINDS[name]
    courses = [course for chunk in chunks for course in chunk["shipped"]]
    control = [course for chunk in chunks for course in chunk["independent"]]
    has_best = max(kind.strengths) > sorted(kind.strengths)[-2]

    def share(figure: str, of: list[_Course]) -> Any:
        hits: NDArray[np.bool_] = np.array([getattr(course, figure) for course in of])
        return estimate_rate(hits)

    return RankingResult(
        description=f"{kind.description} An analysis after every {_VOTES_AN_ANALYSIS} votes, to {_VOTES}.",
        experiments=len(courses),
        strengths=dict(zip(_NAMES, _compute_truth(kind).round(3).tolist(), strict=True)),
        coverage=share("covers", courses),
        rank_coverage=share("covers_ranks", courses),
        wrong_best=share("wrong_best", courses),
        best_first=share("is_first", courses) if has_best else None,
        best_shown=share("is_shown", courses) if has_best else None,
        independent_coverage=share("covers", control),
        independent_wrong_best=share("wrong_best", control),
    )
