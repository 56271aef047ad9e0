"""Blind comparisons with a judge as surrogate: people's votes correct it (`experiments.surrogate`).

A vote is for the challenger if a sum of normal variables is positive: the effect of the message, that of the
pair, the person's taste and chance. The judge sees the effects of message and pair through noise of its own,
in both orders of the rewrites. It reads a random sample of pairs, and those that the page shows to people.
The same votes are also counted without the judge.
"""

import math
import uuid
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from experiments import sequential, surrogate
from experiments.calibration.config import CalibrationConfig
from experiments.calibration.populations import SETTINGS
from experiments.calibration.report import JudgeResult, estimate_median, estimate_rate
from experiments.plan import Plan
from experiments.surrogate import JudgedVoter, Rating, Units

_PAIRS_A_MESSAGE = 28  # transform types times intensities
_SAMPLED = 2  # pairs of a message that the judge reads
_PEOPLE_AN_ANALYSIS = 20
_CHANCE = 1.0  # standard deviation of what differs from vote to vote
_POSITION = 0.5  # how much the judge prefers the first rewrite
_TURNS_AT = 40  # people
_SHARE = 33  # one in so many of the usual number of experiments is simulated


class Judge(NamedTuple):
    """A judge, the people and the messages. Effects are standard deviations, besides a chance of 1.

    With effects of 0.8 and 2.4 and a taste of 0.5, two people agree on 82 % of the pairs; with 0.8 and 0.8,
    on 67 %.
    """

    description: str
    insight: float = 1.0  # share of the effects that the judge sees
    noise: float = 0.7
    bias: float = 0.0  # added to the judge's mean, in favour of the challenger
    messages: int = 430
    message_effect: float = 0.8
    pair_effect: float = 2.4
    taste: float = 0.5
    turns: bool = False  # later people prefer what the judge dislikes
    skips: float = 0.0  # share of the pairs that the judge does not prefer and people skip
    drift: float = 0.0  # added to the judge's mean when it reads the pairs that people see

    @property
    def spread(self) -> float:
        """Standard deviation of what decides a vote."""
        return math.hypot(self.message_effect, self.pair_effect, self.taste, _CHANCE)


JUDGES = {
    "judge_none": Judge("No judge: it always says 0.5.", insight=0.0, noise=0.0),
    "judge_good": Judge("A judge that sees what people see, with noise."),
    "judge_usual": Judge("The same, where people agree less with each other.", pair_effect=0.8),
    "judge_good_of_2000": Judge("A good judge, with 2,000 messages.", messages=2000),
    "judge_good_of_50": Judge("The same, with 50 messages.", messages=50),
    "judge_biased_10": Judge("A good judge, biased by 10 points for the challenger.", bias=0.1),
    "judge_biased_30": Judge("A good judge, biased by 30 points for the challenger.", bias=0.3),
    "judge_turns": Judge("Forty people agree with the judge, and later people do not.", turns=True),
    "judge_random": Judge("A judge that prefers at random.", insight=0.0, noise=1.0),
    "judge_tastes": Judge("A good judge, and people who differ much in taste.", taste=1.5),
    "judge_skips": Judge(
        "A random judge, and people skip half of the pairs that it does not prefer.",
        insight=0.0, noise=1.0, skips=0.5,
    ),
    "judge_drifts": Judge(
        "A good judge that prefers the challenger 30 points more once people vote.", drift=0.3
    ),
}  # fmt: skip


class _Draw(NamedTuple):
    """One experiment: its voters, what each vote chose, and the judge's sample."""

    voters: list[JudgedVoter]
    sample: list[Rating]


def _draw(rng: np.random.Generator, judge: Judge, win_rate: float, plan: Plan) -> _Draw:
    people = math.ceil(plan.maximum_comparisons / plan.votes_a_person)
    names = [uuid.UUID(int=number) for number in range(judge.messages)]
    of_message = judge.message_effect * rng.standard_normal((judge.messages, 1))
    of_pair = judge.pair_effect * rng.standard_normal((judge.messages, _PAIRS_A_MESSAGE))
    effects = of_message + of_pair
    shift = judge.spread * float(norm.ppf(win_rate))
    opinions = judge.insight * (effects + shift) + judge.noise * rng.standard_normal(effects.shape)
    width = math.hypot(judge.insight * math.hypot(judge.message_effect, judge.pair_effect), judge.noise)

    def prefer(bias: float) -> NDArray[np.float64]:
        biased = opinions + width * float(norm.ppf(0.5 + bias))
        position = _POSITION * width
        return ((biased > position) * 1.0 + (biased > -position)) / 2 if width else np.full_like(biased, 0.5)

    sampled, seen = prefer(judge.bias), prefer(judge.bias + judge.drift)
    tasks = np.argsort(rng.random(effects.shape), axis=1)[:, :_SAMPLED]
    sample = [
        Rating(name, float(sampled[number, task]))
        for number, name in enumerate(names)
        for task in tasks[number]
    ]
    on_message = np.zeros(judge.messages, dtype=int)
    voters = []
    for person in range(people):
        taste = judge.taste * rng.standard_normal()
        votes: list[tuple[uuid.UUID, bool]] = []
        shown: list[Rating] = []
        decided = 0
        while decided < plan.votes_a_person:
            message, pair = int(rng.integers(judge.messages)), int(rng.integers(_PAIRS_A_MESSAGE))
            shown.append(Rating(names[message], float(seen[message, pair])))
            if seen[message, pair] <= 0.5 and rng.random() < judge.skips:
                continue
            effect = effects[message, pair] * (-1 if judge.turns and person >= _TURNS_AT else 1)
            is_win = effect + taste + shift + _CHANCE * rng.standard_normal() > 0
            decided += 1
            if on_message[message] < plan.votes_a_message:
                on_message[message] += 1
                votes.append((names[message], bool(is_win)))
        voters.append(JudgedVoter(votes, shown))
    return _Draw(voters, sample)


class _Path(NamedTuple):
    """What one experiment comes to: its winner (1, -1 or 0), the votes by then, and whether its interval ever
    misses the true rate.
    """

    winner: int
    votes: float
    misses: bool


def _run(draw: _Draw, plan: Plan, truth: float) -> tuple[_Path, _Path, float]:
    """The path with the judge and that of the votes alone, and the judge's weight at the end."""
    judge = surrogate.measure_judge(draw.sample)
    assert judge is not None
    paths = {True: _Path(0, math.inf, False), False: _Path(0, math.inf, False)}
    weight = 0.0
    for people in range(_PEOPLE_AN_ANALYSIS, len(draw.voters) + 1, _PEOPLE_AN_ANALYSIS):
        voters = draw.voters[:people]
        units = surrogate.arrange(voters, judge, plan)
        weight, count = float(units[0].weight.mean()), units[0].votes.sum()
        collected = surrogate.collect(units, judge, plan)
        is_steady = surrogate.is_judge_steady(judge, surrogate.list_seen(voters))
        log_e = surrogate.compute_log_e(collected, 0.5)
        log_e_up = surrogate.compute_log_e_up(collected, 0.5)
        is_up = log_e_up >= -math.log(plan.ship_alpha)
        is_down = log_e >= -math.log(plan.alpha) and log_e_up < 0
        misses = surrogate.compute_log_e(collected, truth) >= -math.log(plan.alpha)
        alone = [_log_e_of_votes(units, plan, rate) for rate in (0.5, truth)]
        ahead = math.copysign(1, units[0].wins.sum() - count / 2)
        level = sequential.one_sided_level(plan.ship_alpha) if ahead > 0 else plan.alpha
        winner_alone = int(ahead) if alone[0] > -math.log(level) else 0
        misses_alone = alone[1] > -math.log(plan.alpha)
        winner = 1 if is_up else -1 if is_down else 0
        for is_judged, name, missed in (
            (True, winner if is_steady else winner_alone, misses if is_steady else misses_alone),
            (False, winner_alone, misses_alone),
        ):
            path = paths[is_judged]
            is_first = bool(name) and not path.winner and count >= plan.minimum_comparisons
            paths[is_judged] = _Path(
                name if is_first else path.winner, count if is_first else path.votes, path.misses or missed
            )
    return paths[True], paths[False], weight


def _log_e_of_votes(units: tuple[Units, Units], plan: Plan, rate: float) -> float:
    """The e-value of `analysis.compare`: of votes alone."""
    return min(
        float(
            sequential.clustered_log_e(
                np.ones(len(unit.votes)), unit.wins, unit.votes - unit.wins, most, rate
            )
        )
        for unit, most in zip(units, (plan.votes_a_person, plan.votes_a_message), strict=True)
    )


def simulate(config: CalibrationConfig, plan: Plan, name: str, chunk: int, size: int) -> dict[str, Any]:
    """Simulate one chunk of a judge: a part of the usual `size`, without an effect and with one.

    Gives, for A/A and A/B, arrays of shape (experiments,) of winners, votes and misses with the judge and
    without it, and the judge's weights.
    """
    result: dict[str, Any] = {}
    for is_aa in (True, False):
        win_rate = 0.5 if is_aa else config.win_rate
        rng = np.random.default_rng([config.seed, len(SETTINGS) + 5, list(JUDGES).index(name), chunk, is_aa])
        runs = [
            _run(_draw(rng, JUDGES[name], win_rate, plan), plan, win_rate)
            for _ in range(max(2, size // _SHARE))
        ]
        for index, key in enumerate(("judged", "alone")):
            for field in _Path._fields:
                result[f"{key} {field} {is_aa}"] = np.array([getattr(run[index], field) for run in runs])
        result[f"weight {is_aa}"] = np.array([run[2] for run in runs])
    return result


def summarise(config: CalibrationConfig, plan: Plan, name: str, chunks: list[dict[str, Any]]) -> JudgeResult:
    """Estimate the figures of a judge from the results of all its chunks."""
    all_ = {key: np.concatenate([chunk[key] for chunk in chunks]) for key in chunks[0]}

    def estimates(key: str) -> dict[str, Any]:
        return {
            "false_winners": estimate_rate(all_[f"{key} winner True"] != 0),
            "coverage": estimate_rate(~(all_[f"{key} misses True"] | all_[f"{key} misses False"])),
            "power": estimate_rate(all_[f"{key} winner False"] == 1),
            "median_votes": estimate_median(all_[f"{key} votes False"]),
        }

    return JudgeResult(
        description=JUDGES[name].description,
        with_judge=estimates("judged"),
        votes_alone=estimates("alone"),
        weight=float(all_["weight False"].mean()),
    )
