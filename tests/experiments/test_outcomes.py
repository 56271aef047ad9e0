"""Sums of outcomes, computed by a real Postgres."""

import math
import random
import statistics
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, select, update
from sqlalchemy.orm import Session

from data.tables import (
    Experiment,
    Feedback,
    MetricSum,
    Output,
)
from data.traffic import routing
from experiments import metrics, outcomes, stored_sums
from experiments.analysis import between_users
from experiments.estimators import Sums
from experiments.plan import Plan
from tests import trials
from tests.trials import CHALLENGER, ORGANISATION, PRIMARY, START, Trial, add_output


@pytest.fixture(scope="module")
def engine(new_database: Callable[..., str]) -> Iterator[Engine]:
    """An engine for a database of this module: a refresh counts committed rows only."""
    with trials.open_engine(new_database()) as engine:
        yield engine


def test_outcomes_are_means_of_users_not_of_votes(session: Session) -> None:
    trial = Trial(session)
    epoch = trial.epoch(0.75, 0.25)
    keen, mild, silent, editor = (uuid.uuid4() for _ in range(4))
    for user in (keen, mild, silent, editor):
        trial.expose(user, "challenger", epoch)
    trial.vote(keen, "challenger", epoch, True, True, True, False, 5, 1)
    trial.vote(mild, "challenger", epoch, 2)
    trial.vote(editor, "challenger", epoch, "Could you fix it?")
    baseline, challenger = trial.arms().values()
    users = [(3 + 1 + 0) / 6, 0.25]
    assert (challenger.exposed, challenger.users, challenger.weight) == (4, 2, 0.25)
    assert challenger.mean == pytest.approx(statistics.mean(users))
    assert challenger.variance == pytest.approx(statistics.variance(users))
    assert (baseline.is_baseline, baseline.exposed, baseline.users, baseline.weight) == (True, 0, 0, 0.75)
    assert baseline.mean is baseline.variance is None


def test_between_organisations_each_counts_once_with_the_mean_of_its_users(session: Session) -> None:
    trial = Trial(session)
    epoch = trial.epoch(0.5, 0.5, unit="organisation")
    first, second = uuid.uuid4(), uuid.uuid4()
    for organisation, likes in ((first, (1.0, 0.5, 0.0)), (second, (1.0,))):
        for liked in likes:
            user = uuid.uuid4()
            trial.expose(user, "challenger", epoch, organisation=organisation)
            votes = [True] * int(10 * liked) + [False] * int(10 * (1 - liked))
            trial.vote(user, "challenger", epoch, *votes, organisation=organisation)
    challenger = trial.arms()[epoch, "challenger"]
    assert (challenger.exposed, challenger.users) == (2, 2)
    assert challenger.mean == pytest.approx((0.5 + 1.0) / 2)


def test_the_first_exposure_counts_and_movers_are_reported(session: Session) -> None:
    trial = Trial(session)
    first, second = trial.epoch(0.9, 0.1), trial.epoch(0.5, 0.5)
    stays, moves, comes = (uuid.uuid4() for _ in range(3))
    trial.expose(stays, "challenger", first, minute=1)
    trial.expose(stays, "challenger", second, minute=10)
    trial.expose(moves, "challenger", second, minute=10)
    trial.expose(moves, "champion", first, minute=1)
    trial.expose(comes, "challenger", second, minute=11)
    trial.vote(stays, "challenger", first, True)
    trial.vote(stays, "challenger", second, False)  # the same arm in a later epoch
    trial.vote(moves, "champion", first, True)
    trial.vote(moves, "challenger", second, False)
    trial.vote(comes, "challenger", second, False)
    arms = trial.arms()
    counts = {key: (arm.exposed, arm.moved, arm.users, arm.mean) for key, arm in arms.items()}
    assert counts == {
        (first, "champion"): (1, 1, 1, 1.0),
        (first, "challenger"): (1, 0, 1, 0.5),
        (second, "champion"): (0, 0, 0, None),
        (second, "challenger"): (1, 0, 1, 0.0),
    }
    assert arms[first, "champion"].weight == 0.9


def test_a_new_epoch_cuts_no_open_window(session: Session) -> None:
    """What the arm does in the rest of the window counts in the epoch in which the user came."""
    trial = Trial(session)
    first, second = trial.epoch(0.9, 0.1), trial.epoch(0.5, 0.5)
    for _ in range(100):
        user = uuid.uuid4()
        trial.expose(user, "challenger", first)
        trial.answer(user, "challenger", first, 0, cache="miss", total_ms=100.0)
        trial.expose(user, "challenger", second, minute=20)
        for minute in range(21, 26):
            trial.answer(user, "challenger", second, minute, cache="miss", total_ms=9000.0)
        trial.vote(user, "challenger", second, False, minute=30)
        trial.fail(user, "challenger", second, minute=40)
        trial.answer(user, "challenger", second, 61, cache="miss", total_ms=60_000.0)  # after the window
    arms = {name: trial.arms(name) for name in ("complained", "failed", "latency_p95")}
    assert {(number, arm.closed) for (number, _), arm in arms["complained"].items()} == {
        (first, 0),
        (first, 100),
        (second, 0),
    }
    assert arms["complained"][first, "challenger"].mean == 1
    assert arms["failed"][first, "challenger"].mean == pytest.approx(1 / 7)
    assert arms["latency_p95"][first, "challenger"].mean == pytest.approx(9000, rel=0.2)


def test_earlier_epochs_can_be_excluded(session: Session) -> None:
    """The holdout needs it: its epochs have other champions, so each counts its own votes only."""
    trial = Trial(session)
    first, second = trial.epoch(0.9, 0.1), trial.epoch(0.5, 0.5)
    user = uuid.uuid4()
    trial.expose(user, "challenger", first, minute=1)
    trial.expose(user, "challenger", second, minute=10)
    trial.vote(user, "challenger", first, True)
    trial.vote(user, "challenger", second, False)
    session.get_one(Experiment, trial.id).status = "holdout"
    trial.refresh()
    arms = trial.read_arms(since=second)
    assert [(arm.epoch, arm.exposed, arm.mean) for arm in arms] == [(second, 0, None), (second, 1, 0.0)]
    assert [(arm.exposed, arm.mean) for arm in trial.arms().values()] == [
        (0, None),
        (1, 1.0),
        (0, None),
        (1, 0.0),
    ]


def test_an_unrelated_routing_change_is_no_new_epoch(session: Session) -> None:
    trial = Trial(session)
    epoch = trial.epoch(0.5, 0.5)
    live = routing.current(session)
    assert live is not None
    routing.publish(session, live.routing, "an unrelated change")
    assert {number for number, _ in trial.arms()} == {epoch}


def test_votes_outside_the_experiment_do_not_count(session: Session) -> None:
    trial, second_trial = Trial(session), Trial(session)
    epoch, other_epoch = trial.epoch(0.5, 0.5), second_trial.epoch(0.5, 0.5)
    user, never_exposed = uuid.uuid4(), uuid.uuid4()
    trial.expose(user, "champion", epoch)
    second_trial.expose(user, "challenger", other_epoch)
    second_trial.vote(user, "challenger", other_epoch, True)
    trial.vote(never_exposed, "champion", epoch, True)
    assert [(a.exposed, a.moved, a.users) for a in trial.arms().values()] == [(1, 0, 0), (0, 0, 0)]


def test_the_sums_of_the_database_can_be_analysed(session: Session) -> None:
    trial = Trial(session)
    epoch = trial.epoch(0.5, 0.5)
    for number in range(60):
        user, variant = uuid.uuid4(), ("champion", "challenger")[number % 2]
        trial.expose(user, variant, epoch)
        trial.vote(user, variant, epoch, number % 3 > 0 if variant == "challenger" else number % 4 == 0)
    trial.refresh()
    measured = metrics.load()
    arms = stored_sums.read_arms(session, trial.id, measured)
    result = between_users(arms, Plan(minimum_users_an_arm=6), measured)
    assert result.primary is not None
    assert result.primary.difference == pytest.approx(2 / 3 - 1 / 2)
    assert result.health.is_sample_ratio_sound
    assert result.metrics["complained"].effect is not None
    assert result.metrics["latency_p95"].effect is None, "no misses"
    assert stored_sums.read_arms(session, trial.id, measured) == arms


def test_outcomes_in_the_window_count_and_are_final_when_it_closes(session: Session) -> None:
    trial = Trial(session)
    epoch = trial.epoch(0.5, 0.5)
    early, late = uuid.uuid4(), uuid.uuid4()
    trial.expose(early, "challenger", epoch, minute=0)
    trial.expose(late, "challenger", epoch, minute=90)
    trial.vote(early, "challenger", epoch, True, minute=30)
    trial.vote(early, "challenger", epoch, False, minute=61)  # after the window
    trial.vote(late, "challenger", epoch, False, minute=91)
    assert trial.refresh(hours=0.9) == 0
    assert trial.refresh(hours=1.02) == 1
    first = trial.read_arms()[1]
    assert (first.exposed, first.closed, first.users, first.mean) == (2, 1, 1, 1.0)
    assert trial.refresh(hours=2) == 0
    trial.vote(early, "challenger", epoch, False, False, minute=31)  # committed too late: outcomes are final
    assert trial.refresh(hours=2.52) == 1
    second = trial.read_arms()[1]
    assert (second.exposed, second.closed, second.users, second.mean) == (2, 2, 2, 0.5)


def test_many_refreshes_and_one_give_the_same_sums(session: Session) -> None:
    rng = random.Random(0)
    trials = [Trial(session), Trial(session)]
    epochs = [trial.epoch(0.5, 0.5) for trial in trials]
    people = [(uuid.uuid4(), rng.choice(("champion", "challenger")), rng.randrange(600)) for _ in range(60)]
    for user, variant, minute in people:
        for trial, epoch in zip(trials, epochs, strict=True):
            trial.expose(user, variant, epoch, minute=minute)
        for _ in range(rng.randrange(4)):
            vote_minute, likes = minute + rng.randrange(90), rng.random() < 0.6
            fields = {"cache": "miss", "total_ms": rng.random() * 4000, "fell_back": rng.random() < 0.2}
            for trial, epoch in zip(trials, epochs, strict=True):
                trial.vote(user, variant, epoch, likes, minute=vote_minute)
                trial.answer(user, variant, epoch, vote_minute, **fields)
    repeated, single = trials
    assert sum(repeated.refresh(hours=hour / 2, batch_units=7) for hour in range(30)) == 60
    assert single.refresh(hours=15) == 60

    def sums(trial: Trial, epoch: int) -> list[tuple[Any, ...]]:
        columns = (MetricSum.variant, MetricSum.metric, MetricSum.segment, MetricSum.bin, MetricSum.n)
        values = (getattr(MetricSum, name) for name in Sums._fields[1:])
        where = (MetricSum.experiment_id == trial.id, MetricSum.epoch == epoch)
        order = (MetricSum.variant, MetricSum.metric, MetricSum.segment, MetricSum.bin)
        return list(map(tuple, session.execute(select(*columns, *values).where(*where).order_by(*order))))

    assert sums(repeated, epochs[0]) == sums(single, epochs[1])
    assert {metric for _, metric, *_ in sums(single, epochs[1])} >= {PRIMARY, outcomes.LATENCY}


def test_metrics_are_over_exposed_users_with_sums_over_users(session: Session) -> None:
    trial = Trial(session)
    epoch = trial.epoch(0.5, 0.5)
    busy, quiet, broken = (uuid.uuid4() for _ in range(3))
    for user in (busy, quiet, broken):
        trial.expose(user, "challenger", epoch)
    same = add_output(session, "vendor", "Please.", 0.9)  # paid before
    for number in range(20):
        fields: dict[str, Any] = {"output_id": same}
        if number >= 15:
            fields = {"cache": "miss", "total_ms": 500.0}
        if number >= 17:
            fields["output_id"] = add_output(session, "vendor", "Please.", 0.002)
        trial.answer(busy, "challenger", epoch, number, **fields, fell_back=number < 2)
    trial.answer(busy, "challenger", epoch, 61)  # the window has closed
    trial.answer(busy, "champion", epoch, 5)  # in another arm
    trial.vote(busy, "challenger", epoch, True, 1, 5, "Could you fix it?")
    for failures in (2, 1):
        trial.fail(broken, "challenger", epoch, minute=3, failures=failures)
    sums = {name: trial.sums(name) for name in metrics.load() if not name.startswith("latency")}
    assert {name: (row.n, float(row.x), float(row.y)) for name, row in sums.items()} == {
        "satisfaction": (1, pytest.approx(2 / 3), metrics.load()["satisfaction"].usual),
        "liked": (3, 1, 0),
        "complained": (3, 1, 0),
        "responded": (3, 1, 0),
        "corrected": (3, 1, 0),
        "edit_distance": (1, 0.4, 0),
        "vote_hours": (1, pytest.approx(5 / 60), 0),
        "regenerated": (3, 10, 20),  # fourteen, capped
        "fell_back": (3, 2, 20),
        "failed": (3, 3, 23),
        "service_seconds": (3, 2.5, 20),
        "cost": (3, 6, 20),  # 0.006 dollars for 20 answers: 0.3 for 1,000
    }
    assert (float(sums["failed"].xx), float(sums["failed"].xy)) == (9, 9)


def test_a_cap_gives_no_value_to_a_user_without_one(session: Session) -> None:
    trial = Trial(session)
    epoch = trial.epoch(0.5, 0.5)
    silent, mild, keen = (uuid.uuid4() for _ in range(3))
    for user in (silent, mild, keen):
        trial.expose(user, "challenger", epoch)
    trial.vote(mild, "challenger", epoch, 2)
    trial.vote(keen, "challenger", epoch, 5)
    capped = metrics.Metric(kind="mean", of="score", cap=0.5, better="higher", says="capped")
    trial.refresh(measured={"capped": capped})
    row = trial.sums("capped")
    assert (row.n, float(row.x)) == (2, 0.75)


def test_latencies_are_stored_as_a_ratio_for_each_bin(session: Session) -> None:
    trial = Trial(session)
    epoch = trial.epoch(0.5, 0.5)
    rng = random.Random(0)
    misses = [[rng.uniform(5, 60_000) for _ in range(rng.randrange(6))] for _ in range(40)]
    for times in misses:
        user = uuid.uuid4()
        trial.expose(user, "challenger", epoch)
        trial.answer(user, "challenger", epoch, 1)
        for total_ms in times:
            trial.answer(user, "challenger", epoch, 2, cache="miss", total_ms=total_ms)
    trial.refresh()
    where = (MetricSum.experiment_id == trial.id, MetricSum.metric == outcomes.LATENCY)
    bins = {row.bin: row for row in session.scalars(select(MetricSum).where(*where))}
    median = trial.read_arms("latency_p50")[1]
    assert median.mean is not None
    assert median.mean == pytest.approx(statistics.median(chain.from_iterable(misses)), rel=0.02)
    missed = [times for times in misses if times]
    assert (bins[0].n, bins[0].y) == (len(missed), sum(map(len, missed)))
    assert bins[0].yy == sum(len(times) ** 2 for times in missed)
    for end, last in zip(metrics.BINS_MS, range(1, len(metrics.BINS_MS) + 1), strict=True):
        bins_below = [row for number, row in bins.items() if 0 < number <= last]
        counts = [(sum(ms < end for ms in times), len(times)) for times in missed]
        assert sum(row.x for row in bins_below) == sum(k for k, _ in counts)
        assert sum(row.xx for row in bins_below) == sum(k * k for k, _ in counts)
        assert sum(row.xy for row in bins_below) == sum(k * m for k, m in counts)


def test_an_exposure_that_commits_late_is_counted_later(session: Session, engine: Engine) -> None:
    trial = Trial(session)
    epoch = trial.epoch(0.5, 0.5)
    session.commit()
    with Session(engine) as slow:
        late = Trial.__new__(Trial)
        late.session, late.id = slow, trial.id
        late.expose(uuid.uuid4(), "challenger", epoch)
        trial.expose(uuid.uuid4(), "challenger", epoch)  # a younger transaction commits first
        assert [arm.exposed for arm in trial.arms().values()] == [0, 0]
        slow.commit()
    assert [(arm.exposed, arm.closed) for arm in trial.arms().values()] == [(0, 0), (2, 2)]


def test_a_vote_counts_as_it_was_when_the_window_closed(session: Session) -> None:
    """Also when it changed before the analysis: who changes votes, and how, must not depend on its time."""
    trial = Trial(session)
    epoch = trial.epoch(0.5, 0.5)
    changes: dict[str, list[tuple[int, dict[str, Any]]]] = {
        "thumb": [(40, {"thumb_up": True}), (61, {"thumb_up": False}), (90, {"thumb_up": True})],
        "rating": [(61, {"rating": 1})],
        "edit": [(61, {"edit_distance": 0.9})],
    }
    for kind, value in (("thumb", False), ("rating", 5), ("edit", "x")):
        user = uuid.uuid4()
        trial.expose(user, "challenger", epoch)
        trial.vote(user, "challenger", epoch, value, minute=30)
        for minute, values in changes[kind]:
            moment = START + timedelta(minutes=minute)
            vote = Feedback.user_id == user, Feedback.kind == kind
            session.execute(update(Feedback).where(*vote).values(updated_at=moment, **values))
    sums = {name: trial.sums(name) for name in ("satisfaction", "complained", "edit_distance")}
    assert {name: (row.n, float(row.x)) for name, row in sums.items()} == {
        "satisfaction": (2, 2.0),  # a thumb up, which changed at minute 40, and five stars
        "complained": (3, 0.0),
        "edit_distance": (1, 0.4),
    }


def test_rows_that_are_stored_soon_after_the_window_count(session: Session, engine: Engine) -> None:
    """A gateway's transaction may be open when the window closes, and answers wait for Postgres in memory."""
    trial = Trial(session)
    epoch = trial.epoch(0.5, 0.5)
    user = uuid.uuid4()
    trial.expose(user, "challenger", epoch)
    session.commit()
    with Session(engine) as slow:
        late = Trial.__new__(Trial)
        late.session, late.id = slow, trial.id
        late.vote(user, "challenger", epoch, False, minute=59)
        late.answer(user, "challenger", epoch, 59, fell_back=True)
        assert trial.refresh(hours=1) == 0
        slow.commit()
    assert trial.refresh(hours=1.02) == 1
    assert [trial.read_arms(name)[1].mean for name in ("complained", "fell_back")] == [1, 1]


@pytest.mark.parametrize("day", [24, 27])
def test_windows_have_the_same_hours_when_the_clocks_change(engine: Engine, day: int) -> None:
    """Sunday, 25 October 2026 has 25 hours in Berlin: it is in the window, or in the fortnight before it."""
    in_berlin = create_engine(engine.url, connect_args={"options": "-c timezone=Europe/Berlin"})
    with Session(in_berlin) as session:
        trial = Trial(session)
        epoch = trial.epoch(0.5, 0.5)
        entry = datetime(2026, 10, day, 12, tzinfo=UTC)
        minute = (entry - START) // timedelta(minutes=1)
        for hours in (-14 * 24 - 0.5, -14 * 24 + 0.5, 71.5, 72.5):
            user = uuid.uuid4()
            trial.expose(user, "challenger", epoch, minute=minute)
            trial.vote(user, "challenger", epoch, False, minute=minute + round(60 * hours))
        session.commit()
        now = entry + timedelta(hours=74)
        assert outcomes.refresh(session, trial.id, Plan(), metrics.load(), now) == 4
        complained = trial.read_arms("complained")[1]
    in_berlin.dispose()
    assert complained.covariate is not None
    assert (complained.users, complained.mean, complained.covariate.mean) == (4, 0.25, 0.25)


def test_the_covariate_is_feedback_as_it_was_at_entry(session: Session) -> None:
    trial = Trial(session)
    epoch = trial.epoch(0.5, 0.5)
    old, changed, stranger = (uuid.uuid4() for _ in range(3))
    for user in (old, changed, stranger):
        trial.expose(user, "challenger", epoch, minute=30)
        trial.vote(user, "challenger", epoch, True, minute=40)
    past_votes = {
        -60: (False, False, 5),
        -60 * 24 * 15: (False, False, False),
    }  # the last three: before the past
    for minute, votes in past_votes.items():
        for user in (old, changed):
            trial.vote(user, "earlier", epoch, *votes, minute=minute)
    session.execute(update(Feedback).where(Feedback.variant == "earlier").values(experiment_id=None))
    changed_votes = Feedback.user_id == changed, Feedback.variant == "earlier", Feedback.kind == "thumb"
    later = {"thumb_up": True, "updated_at": START + timedelta(minutes=31)}
    session.execute(update(Feedback).where(*changed_votes).values(**later))
    challenger = trial.arms()[epoch, "challenger"]
    assert (challenger.users, challenger.mean) == (3, 1.0)
    assert challenger.covariate is not None
    usual = metrics.load()[PRIMARY].usual
    assert challenger.covariate.mean == pytest.approx((1 / 3 + 1 / 3 + usual) / 3), "the last has no past"
    disliked = trial.read_arms("complained")[1]
    assert disliked.covariate is not None
    assert disliked.covariate.mean == pytest.approx(2 / 3)


def test_what_users_did_on_earlier_days_adjusts_ratios_and_latencies(session: Session) -> None:
    """Whole days count, from a fortnight before the entry to the day before it."""
    trial = Trial(session)
    epoch = trial.epoch(0.5, 0.5)
    user, newcomer = uuid.uuid4(), uuid.uuid4()
    day = 24 * 60
    for minute in (-day - 60, -2 * day, -15 * day, 10):  # the last two are too early, and on the day of entry
        trial.answer(user, "earlier", epoch, minute, cache="miss", total_ms=1000.0, fell_back=True)
    trial.answer(user, "earlier", epoch, -90, output_id=uuid.UUID(int=1))
    trial.answer(user, "earlier", epoch, -80, output_id=uuid.UUID(int=1))
    trial.fail(user, "earlier", epoch, minute=-day - 30, failures=3)
    for person in (user, newcomer):
        trial.expose(person, "challenger", epoch, minute=30)
        trial.answer(person, "challenger", epoch, 31, cache="miss", total_ms=250.0)
        trial.fail(person, "challenger", epoch, minute=40)
    failed, repeated = trial.sums("failed"), trial.sums("regenerated")
    assert (failed.n, failed.x, failed.y) == (2, 2, 4)
    assert (failed.u, failed.v) == (3, 7), "three failures, and four answers"
    assert (failed.uu, failed.vv, failed.uv) == (9, 49, 21)
    assert (failed.xu, failed.xv, failed.yu, failed.yv) == (3, 7, 6, 14)
    assert (repeated.u, repeated.v) == (1, 4)
    assert trial.sums("complained").u == 0
    all_misses, slow = trial.latency_sums()
    assert (all_misses.n, all_misses.v, all_misses.yv) == (2, 2, 2)
    assert float(all_misses.u) == pytest.approx(2 * math.log(1000), abs=0.002)
    assert (slow.x, slow.xv, slow.xu) == (2, 2, all_misses.u)


def test_the_past_of_the_users_of_a_holdout_adjusts_nothing(session: Session) -> None:
    """They keep their arm from one champion to the next, so an arm has caused their past."""
    trial = Trial(session)
    first, second = trial.epoch(0.5, 0.5), trial.epoch(0.5, 0.5)
    session.get_one(Experiment, trial.id).status = "holdout"
    for number in range(8):
        user, variant = uuid.uuid4(), ("champion", "challenger")[number % 2]
        trial.expose(user, variant, first)
        trial.vote(user, variant, first, variant == "challenger", minute=5)  # the first epoch has an effect
        trial.answer(user, variant, first, 6)
        trial.expose(user, variant, second, minute=2 * 24 * 60)
        trial.answer(user, variant, second, 2 * 24 * 60 + 1)
        trial.vote(user, variant, second, True, minute=2 * 24 * 60 + 5)
    trial.refresh(hours=72)
    usual = metrics.load()[PRIMARY].usual
    for arm in trial.read_arms(since=second):
        assert arm.covariate is not None
        assert (arm.users, arm.covariate.mean) == (4, usual)
    assert trial.sums("regenerated", epoch=second).v == 0


def test_the_primary_metric_is_stored_by_segment_of_the_first_answer(session: Session) -> None:
    trial = Trial(session)
    epoch = trial.epoch(0.5, 0.5)
    soft, hard = (add_output(session, CHALLENGER.version, "x") for _ in range(2))
    session.execute(update(Output).where(Output.id == hard).values(transform_type="clarify"))
    for number in range(6):
        user = uuid.uuid4()
        trial.expose(user, "challenger", epoch)
        trial.answer(user, "challenger", epoch, 1, output_id=soft if number < 4 else hard)
        trial.answer(user, "challenger", epoch, 2, output_id=hard)
        trial.vote(user, "challenger", epoch, number < 3)
    silent = uuid.uuid4()
    trial.expose(silent, "challenger", epoch)
    trial.vote(silent, "challenger", epoch, True)  # no answers: no segment
    trial.refresh()
    segments = stored_sums.read_segments(
        session, trial.id, PRIMARY, metrics.load()[PRIMARY], "champion", "challenger"
    )
    assert {name: (pairs[0][1].users, pairs[0][1].mean) for name, pairs in segments.items()} == {
        "transform_type=soften": (4, 0.75),
        "transform_type=clarify": (2, 0.0),
        f"organisation={ORGANISATION}": (6, 0.5),
        "entered=2026-01-01": (7, pytest.approx(4 / 7)),
    }
    assert {pairs[0][0].users for pairs in segments.values()} == {0}
    assert trial.read_arms()[1].users == 7


def test_votes_are_stored_by_the_days_since_the_entry(session: Session) -> None:
    trial = Trial(session)
    epoch = trial.epoch(0.5, 0.5)
    day = 24 * 60
    for likes in ((True, False), (False, True)):
        user = uuid.uuid4()
        trial.expose(user, "challenger", epoch, minute=day - 60)
        trial.vote(user, "challenger", epoch, *likes, minute=day)
        trial.vote(user, "challenger", epoch, True, minute=2 * day)  # an hour more than a day later
    trial.vote(user, "challenger", epoch, False, minute=3 * day)
    session.commit()
    outcomes.refresh(session, trial.id, Plan(window_hours=72), metrics.load(), START + timedelta(days=9))
    score = metrics.Metric(kind="mean", of="score", better="higher", says="x")
    days = stored_sums.read_segments(session, trial.id, outcomes.SINCE_ENTRY, score, "champion", "challenger")
    assert {name: (pairs[0][1].users, pairs[0][1].mean) for name, pairs in days.items()} == {
        "since_entry=0": (2, 0.5),
        "since_entry=1": (2, 1.0),
        "since_entry=2": (1, 0.0),
    }


answered = st.tuples(
    st.integers(0, 5),  # a user
    st.sampled_from(["champion", "challenger"]),
    st.integers(0, 1),  # an epoch
    st.integers(0, 200),  # minutes after the start
)


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.lists(answered, max_size=12), min_size=1, max_size=4))
def test_no_user_counts_in_two_arms_and_repeated_hits_count_once(
    session: Session, batches: list[list[tuple[int, str, int, int]]]
) -> None:
    """Both arms answer users repeatedly in both epochs, with analyses in between."""
    trial = Trial(session)
    epochs = [trial.epoch(0.5, 0.5), trial.epoch(0.2, 0.8)]
    users = [uuid.uuid4() for _ in range(6)]
    stored: set[tuple[int, str, int]] = set()
    first: dict[int, tuple[str, int]] = {}
    arms_of: dict[int, set[str]] = defaultdict(set)
    for number, batch in enumerate(batches):
        entering: dict[int, tuple[int, int, str, int]] = {}
        for order, (user, variant, epoch, minute) in enumerate(batch):
            if (user, variant, epoch) in stored:
                continue  # another hit: its exposure is stored already
            stored.add((user, variant, epoch))
            trial.expose(users[user], variant, epochs[epoch], minute=minute + 1000 * number)
            trial.vote(users[user], variant, epochs[epoch], True, minute=minute + 1000 * number)
            arms_of[user].add(variant)
            entering[user] = min(
                entering.get(user, (minute, order, variant, epoch)), (minute, order, variant, epoch)
            )
        for user, (_, _, variant, epoch) in entering.items():
            first.setdefault(user, (variant, epoch))
        trial.refresh(hours=100)
        arms = trial.read_arms()
        assert {(arm.variant, epochs.index(arm.epoch)): arm.exposed for arm in arms if arm.exposed} == dict(
            Counter(first.values())
        )
        assert sum(arm.exposed for arm in arms) == sum(arm.users for arm in arms) == len(first)
        assert sum(arm.moved for arm in arms) == sum(len(variants) > 1 for variants in arms_of.values())
