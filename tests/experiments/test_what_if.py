"""What an experiment would have shown: other priors, windows, and rules to stop."""

import math
import random
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from scipy import stats
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from data.tables import Experiment
from experiments import evidence, readings, what_if
from experiments.effects import compare_arms
from experiments.estimators import Estimate
from experiments.plan import Plan
from experiments.recount import Recount, RecountError
from experiments.unit_rows import Numbers, UnitRow
from pipelines.experiment import analyse
from tests import trials
from tests.trials import START, Trial

PLAN = Plan(window_hours=1, minimum_users_an_arm=5)


@pytest.fixture(scope="module")
def engine(new_database: Callable[..., str]) -> Iterator[Engine]:
    with trials.open_engine(new_database()) as engine:
        yield engine


def make_effect(difference: float = 0.1, variance: float = 0.2) -> what_if.Effect:
    arms = [Estimate(users=100, mean=0.5 + shift, variance=variance) for shift in (0.0, difference)]
    effect = compare_arms([(arms[0], arms[1])], PLAN.alpha, PLAN.n_star)
    assert effect is not None
    return effect


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_the_flat_prior_is_that_of_the_dashboard(better: what_if.Better) -> None:
    arms = [Estimate(users=100, mean=mean, variance=0.2) for mean in (0.5, 0.6)]
    effect = compare_arms([(arms[0], arms[1])], PLAN.alpha, PLAN.n_star, better)
    assert effect is not None
    posterior = what_if.apply_prior(effect, better, mean=0, deviation=math.inf)
    assert posterior.chance_to_win == pytest.approx(effect.chance_to_win)
    assert posterior.expected_loss == pytest.approx(effect.expected_loss)
    assert posterior.difference == pytest.approx(effect.difference)


def test_a_prior_as_precise_as_the_data_halves_the_effect() -> None:
    """By hand: the squared standard error is 0.2 / 100 + 0.2 / 100."""
    error = math.sqrt(0.004)
    posterior = what_if.apply_prior(make_effect(), "higher", mean=0, deviation=error)
    assert posterior.difference == pytest.approx(0.05)
    assert posterior.high - posterior.low == pytest.approx(2 * 1.959964 * error / math.sqrt(2))
    assert posterior.chance_to_win == pytest.approx(stats.norm.cdf(0.05 / (error / math.sqrt(2))))
    draws = stats.norm.rvs(0.05, error / math.sqrt(2), size=200_000, random_state=0)
    assert posterior.expected_loss == pytest.approx((-draws).clip(0).mean(), rel=0.03)
    assert what_if.apply_prior(make_effect(), "higher", mean=0.3, deviation=error).difference > 0.15


def test_a_window_has_the_votes_within_it(session: Session) -> None:
    trial = Trial(session)
    epoch = trial.epoch(0.5, 0.5)
    row = session.get_one(Experiment, trial.id)
    row.plan, row.started_at = PLAN.model_dump(mode="json"), START
    for number in range(40):
        user, arm = uuid.uuid4(), ("champion", "challenger")[number % 2]
        trial.expose(user, arm, epoch, minute=number)
        is_up = number % 4 < 2 if arm == "challenger" else number % 8 < 3
        trial.vote(user, arm, epoch, is_up, minute=number + 5)
        if arm == "challenger":
            trial.vote(user, arm, epoch, True, True, minute=number + 100)  # late, and content
    session.commit()
    at = START + timedelta(hours=4)
    evidence.store(session, trial.id, analyse(session, trial.id, PLAN, "x", at), at)
    session.commit()
    page = readings.read_experiment_page(session, trial.id)
    assert page.result is not None
    short, usual, long = what_if.compare_windows(session, page, hours=(0.05, 1, 3))
    assert (short.closed, short.voters, short.effect) == (40, 0, None)
    assert usual.effect == page.result.between_users.primary
    assert usual.effect is not None
    assert (long.closed, long.effect) != (0, None)
    assert long.effect is not None
    assert long.effect.difference > usual.effect.difference
    ways = what_if.list_ways(session, page, hours=(1,))
    assert ways["as decided"] == ways["window of 1 h, 40 users"] == usual.effect
    assert "without CUPED" in ways


def test_windows_need_an_analysis(session: Session) -> None:
    trial = Trial(session)
    trial.epoch(0.5, 0.5)
    page = readings.read_experiment_page(session, trial.id)
    with pytest.raises(RecountError, match="no analysis yet"):
        what_if.compare_windows(session, page, hours=(1,))


def make_recount(effect: float, users: int = 400, plan: Plan = PLAN, **numbers: str) -> Recount:
    """Users of two epochs who came one after the other; the challenger's are content more often."""
    rng = random.Random(0)
    units = []
    for number in range(users):
        arm = rng.choice(["champion", "challenger"])
        is_content = rng.random() < 0.5 + effect * (arm == "challenger")
        entered_at = START + timedelta(minutes=number)
        units.append(
            UnitRow(
                unit_id=uuid.UUID(int=number), epoch=1 + (number > users / 4), variant=arm,
                entered_at=entered_at,
                closes_at=entered_at, counts_from=entered_at, is_moved=False,
                numbers={"satisfaction": Numbers(Decimal(is_content), Decimal(rng.choice([0, 1])))},
                latencies_ms=(), past_log_ms=Decimal(0), past_misses=0,
            )
        )  # fmt: skip
    return Recount(plan, START, "champion", units, plan.all_metrics, {}, {}, None)  # type: ignore[arg-type]


TIMES = [START + timedelta(minutes=minute) for minute in range(20, 401, 20)]


def test_shuffled_arms_have_no_effect_and_peeking_names_winners() -> None:
    without, with_effect = (
        what_if.shuffle_arms(make_recount(effect), "challenger", TIMES, experiments=150)
        for effect in (0.0, 0.4)
    )
    for winners in (without, with_effect):  # the arms are shuffled, so the effect is gone
        assert winners.at_the_end.mean() < 0.12
        assert winners.sequence.mean() < 0.05
        assert winners.peeking.mean() > 2 * winners.at_the_end.mean()
        assert (winners.peeking >= winners.at_the_end).all()


def test_arms_that_are_not_shuffled_show_the_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unshuffled:
        permutation = staticmethod(lambda values: values)

    monkeypatch.setattr(what_if.np.random, "default_rng", lambda seed: Unshuffled())
    winners = what_if.shuffle_arms(make_recount(0.4), "challenger", TIMES, experiments=1)
    assert [hits.tolist() for hits in winners] == [[True], [True], [True]]


def test_the_same_seed_shuffles_alike() -> None:
    first, again, other = (
        what_if.shuffle_arms(
            make_recount(0.0), "challenger", TIMES, experiments=30, seed=seed
        ).peeking.tolist()
        for seed in (0, 0, 1)
    )
    assert first == again != other


def test_a_quantile_has_no_numbers_to_shuffle() -> None:
    plan = PLAN.model_copy(update={"primary": "latency_p95"})
    with pytest.raises(ValueError, match="latency_p95 is a quantile"):
        what_if.shuffle_arms(make_recount(0.0, plan=plan), "challenger", TIMES)
