"""The evidence from the rows is that of the stored sums, to the last digit, and a difference shows."""

import random
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, delete, func, select, text, update
from sqlalchemy.exc import InternalError
from sqlalchemy.orm import Session

from data.tables import Comparison, Experiment, Exposure, Feedback, Organisation, User, new_id
from experiments import evidence, metrics, outcomes, readings, recount, stored_sums, unit_rows
from experiments.metrics import Metric
from experiments.plan import Plan
from experiments.readings import EpochRow, ExperimentPage
from experiments.recount import RecountError, build_arms
from pipelines.experiment import analyse
from tests import trials
from tests.trials import ORGANISATION, START, Trial, add_output

PLAN = Plan(window_hours=1, minimum_users_an_arm=5, allocation="top_two")
ARMS = ("champion", "challenger")
WEIGHTS = ((0.6, 0.4), (0.5, 0.5))  # of two epochs
OPERATOR = "the operator of these tests"


@pytest.fixture(scope="module")
def engine(new_database: Callable[..., str]) -> Iterator[Engine]:
    with trials.open_engine(new_database()) as engine:
        with Session(engine) as session, session.begin():
            session.add(Organisation(id=ORGANISATION, name=OPERATOR))
        yield engine


def live(trial: Trial, epochs: list[int], users: int, seed: int = 0) -> list[uuid.UUID]:
    """Let users live through random hours: some meet both arms, come back in a later epoch, vote and change
    their votes, wait, fail, and were there before.
    """
    rng = random.Random(seed)
    people = [new_id() for _ in range(users)]
    outputs = [add_output(trial.session, "x", "x", cost_usd=0.01) for _ in range(3)]
    for user in people:
        arm, epoch, entry = rng.choice(ARMS), rng.choice(epochs), rng.randint(1, 100)
        trial.expose(user, arm, epoch, minute=entry)
        again = rng.choice(ARMS), epochs[-1]
        if rng.random() < 0.3 and again != (arm, epoch):
            trial.expose(user, *again, minute=entry + 30)
        for _ in range(rng.randint(1, 4)):
            kinds = {"cache": rng.choice(["miss", "l1"]), "fell_back": rng.random() < 0.2}
            latency = rng.lognormvariate(6, 1)
            minute = entry + rng.randint(0, 80)
            trial.answer(user, arm, epoch, minute, output_id=rng.choice(outputs), total_ms=latency, **kinds)
            before = -rng.randint(0, 18 * 24 * 60)
            trial.answer(user, "champion", 1, before, cache="miss", total_ms=latency / 2)
        if rng.random() < 0.3:
            trial.fail(user, arm, epoch, entry + rng.randint(0, 80), failures=2)
        for minute in (entry + 5, entry + 70, -rng.randint(1, 15 * 24 * 60)):
            votes = rng.choices([True, False, 1, 3, 4, "an edit"], k=rng.randint(0, 3))
            trial.vote(user, arm, epoch, *votes, minute=minute)
    changed = update(Feedback).where(Feedback.kind == "rating", Feedback.experiment_id == trial.id)
    trial.session.execute(changed.values(rating=5, updated_at=START + timedelta(minutes=90)))
    trial.session.flush()
    return people


def describe_epochs(*numbers: int) -> list[EpochRow]:
    shares = [dict(zip(ARMS, weights, strict=True)) for weights in WEIGHTS]
    return [EpochRow(number, START, [], 1.0, each, {}) for number, each in zip(numbers, shares, strict=False)]


def test_the_arms_are_those_of_the_stored_sums(session: Session) -> None:
    trial = Trial(session)
    epochs = [trial.epoch(*weights) for weights in WEIGHTS]
    live(trial, epochs, users=60)
    own = {"keen": Metric(kind="proportion", of="answers >= 3", better="higher", says="keen")}
    own |= {"waits": Metric(kind="ratio", of="service_s", per="answers", cap=1, better="lower", says="waits")}
    plan = PLAN.model_copy(update={"own_metrics": own})
    session.commit()
    for hours in (2, 2.2, 3, 24):
        now = START + timedelta(hours=hours)
        outcomes.refresh(session, trial.id, plan, plan.all_metrics, now)
        session.commit()
        units = unit_rows.read_units(session, trial.id, plan, now)
        arms = build_arms(units, describe_epochs(*epochs), "champion", plan.all_metrics)
        assert arms == stored_sums.read_arms(session, trial.id, plan.all_metrics)
        uncapped = plan.all_metrics["waits"].model_copy(update={"cap": None})
        sums = recount.sum_up(units, "waits~", uncapped)
        for row in stored_sums.read_pairs(session, trial.id, "waits~", uncapped, *ARMS):
            assert row[0].users in {each[0].n for each in sums.values()} | {0}
    assert sum(arm.closed for arm in arms["complained"]) == 60
    assert any(arm.moved for arm in arms["complained"])
    assert any(arm.covariate and arm.covariate.variance for arm in arms["complained"])
    assert {arm.users > 0 for arm in arms["latency_p95"]} == {True}


def test_between_organisations_the_units_are_organisations(session: Session) -> None:
    trial = Trial(session)
    epoch = trial.epoch(*WEIGHTS[0], unit="organisation")
    for number in range(6):
        organisation, arm = uuid.uuid4(), ARMS[number % 2]
        for liked in (True, False, True)[: 1 + number % 3]:
            user = uuid.uuid4()
            trial.expose(user, arm, epoch, organisation=organisation)
            trial.vote(user, arm, epoch, liked, organisation=organisation)
    trial.refresh()
    units = unit_rows.read_units(session, trial.id, PLAN, START + timedelta(hours=24))
    arms = build_arms(units, describe_epochs(epoch), "champion", metrics.load())
    assert len(units) == 6
    assert arms == stored_sums.read_arms(session, trial.id, metrics.load())


def compare_side_by_side(session: Session, people: list[uuid.UUID], seed: int = 0) -> None:
    rng = random.Random(seed)
    for number, person in enumerate(people):
        session.add(User(id=person, organisation_id=ORGANISATION))
        session.flush()
        sides = {version: add_output(session, version, version) for version in ARMS}
        first, second = sides.values()
        comparison = Comparison(
            id=new_id(), organisation_id=ORGANISATION, user_id=person, policy="champion_against_challenger",
            first_output_id=first, second_output_id=second,
        )  # fmt: skip
        session.add(comparison)
        session.flush()
        cast_at = START + timedelta(minutes=number)
        session.add(
            Feedback(
                organisation_id=ORGANISATION, user_id=person, output_id=first, kind="comparison",
                comparison_id=comparison.id, preferred_output_id=rng.choice([first, second, second, None]),
                created_at=cast_at, updated_at=cast_at,
            )
        )  # fmt: skip
    session.flush()


@pytest.fixture(scope="module")
def analysed(engine: Engine) -> uuid.UUID:
    """An experiment that was analysed several times."""
    with Session(engine) as session:
        trial = Trial(session)
        epochs = [trial.epoch(*weights) for weights in WEIGHTS]
        row = session.get_one(Experiment, trial.id)
        row.plan, row.started_at = PLAN.model_dump(mode="json"), START
        compare_side_by_side(session, live(trial, epochs, users=80))
        session.commit()
        for hours in (2, 3, 30):
            at = START + timedelta(hours=hours)
            evidence.store(session, trial.id, analyse(session, trial.id, PLAN, OPERATOR, at), at)
            session.commit()
        return trial.id


@pytest.fixture
def page(session: Session, analysed: uuid.UUID) -> ExperimentPage:
    return readings.read_experiment_page(session, analysed)


def test_each_number_of_the_page_comes_out_of_the_rows(session: Session, page: ExperimentPage) -> None:
    assert page.result is not None
    assert page.result.between_users.primary is not None
    recounted = recount.recount(session, page, OPERATOR)
    compared = recount.compare_with_page(recounted, page)
    assert [row for row in compared if not row.is_equal] == []
    assert recounted.challengers == dict(page.newest.evidence.challengers)
    names = {row.name for row in compared}
    assert {
        "challenger.between_users.primary.interval.low",
        "challenger.between_users.health.sample_ratio_p",
        "challenger.comparison.tally.people",
        "decision.reasons",
    } <= names
    assert recounted.get_effect("challenger") == page.result.between_users.primary


def test_nothing_is_stored(session: Session, page: ExperimentPage) -> None:
    engine = session.get_bind().execution_options(postgresql_readonly=True)
    with Session(engine) as reading:
        assert recount.recount(reading, page, OPERATOR).units
        with pytest.raises(InternalError, match="read-only"):
            reading.execute(text("DELETE FROM analyses"))


def test_a_table_has_a_row_for_each_user(session: Session, page: ExperimentPage) -> None:
    recounted = recount.recount(session, page, OPERATOR)
    table = recounted.tabulate()
    assert len(table) == len({row["user"] for row in table}) == 80
    [satisfaction] = [arm for arm in recounted.arms["satisfaction"] if arm.variant == "champion"][:1]
    values = [
        row["satisfaction"]
        for row in table
        if (row["arm"], row["epoch"]) == ("champion", satisfaction.epoch) and row["satisfaction"] is not None
    ]
    assert sum(values) / len(values) == pytest.approx(satisfaction.mean)
    assert 0 < sum(row["failed"] for row in table) < sum(row["failed_per"] for row in table)
    assert {"satisfaction_before", "failed_before", "failed_per_before", "latencies_ms"} <= set(table[0])


def test_rows_that_have_changed_since_the_analysis_show(session: Session, page: ExperimentPage) -> None:
    session.execute(delete(Feedback).where(Feedback.experiment_id == page.id, Feedback.kind == "edit"))
    recounted = recount.recount(session, page, OPERATOR)
    unequal = {row.name for row in recount.compare_with_page(recounted, page) if not row.is_equal}
    assert any(name.startswith("challenger.between_users") for name in unequal)
    assert not any(name.startswith("challenger.comparison") for name in unequal)


def test_erased_users_are_named_in_one_sentence(session: Session, page: ExperimentPage) -> None:
    gone = select(Exposure.user_id).where(Exposure.experiment_id == page.id).limit(3)
    session.execute(delete(Exposure).where(Exposure.user_id.in_(gone)))
    with pytest.raises(RecountError, match="3 of the 80 users that t has counted have no rows any more"):
        recount.recount(session, page, OPERATOR)


def test_an_experiment_without_an_analysis_is_refused(session: Session) -> None:
    trial = Trial(session)
    trial.epoch(0.5, 0.5)
    page = readings.read_experiment_page(session, trial.id)
    with pytest.raises(RecountError, match="no analysis yet"):
        recount.recount(session, page, OPERATOR)
    assert (
        session.scalar(select(func.count()).select_from(Exposure).where(Exposure.experiment_id == page.id))
        == 0
    )
