"""What people did, summed up by a real Postgres, in transactions that are never committed."""

import statistics
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from data import routing
from data.records import Spec, TransformType
from data.routing import Arm, Routing, Split
from data.tables import Comparison, Experiment, Exposure, Feedback, Output, Variant, new_id
from experiments import outcomes
from experiments.analysis import ArmStatistics, Plan, Tally, between_users

ORGANISATION = uuid.uuid4()
CHAMPION, CHALLENGER = Spec(version="champion-of-these-tests"), Spec(version="challenger-of-these-tests")
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session
        session.rollback()


def output(session: Session, version: str, text: str) -> uuid.UUID:
    row = Output(
        id=new_id(),
        organisation_id=ORGANISATION,
        message="Fix it.",
        transform_type=TransformType.SOFTEN,
        intensity=2,
        text=text,
        facts_missing=[],
        spec_digest="0" * 32,
        version=version,
        upstream_ms=1.0,
    )
    session.add(row)
    session.flush()
    return row.id


def vote_on_both(
    session: Session,
    user: uuid.UUID,
    preferred: str | None,
    versions: tuple[str, str] = (CHAMPION.version, CHALLENGER.version),
    texts: tuple[str, str] = ("Fix it, please.", "Could you fix it?"),
    policy: str = "champion_against_challenger",
) -> None:
    outputs = {version: output(session, version, text) for version, text in zip(versions, texts, strict=True)}
    first, second = outputs.values()
    comparison = Comparison(
        id=new_id(),
        organisation_id=ORGANISATION,
        user_id=user,
        policy=policy,
        first_output_id=first,
        second_output_id=second,
    )
    session.add(comparison)
    session.flush()
    session.add(
        Feedback(
            id=new_id(),
            organisation_id=ORGANISATION,
            user_id=user,
            output_id=first,
            kind="comparison",
            comparison_id=comparison.id,
            preferred_output_id=outputs[preferred] if preferred else None,
        )
    )
    session.flush()


def count(session: Session, votes_a_person: int = 100) -> Tally:
    return outcomes.comparisons(session, CHAMPION.version, CHALLENGER.version, votes_a_person)


def test_votes_count_in_either_order_shown(session: Session) -> None:
    champion, challenger = CHAMPION.version, CHALLENGER.version
    people = [uuid.uuid4() for _ in range(5)]
    vote_on_both(session, people[0], challenger)
    vote_on_both(session, people[1], challenger, versions=(challenger, champion))
    vote_on_both(session, people[2], champion, versions=(challenger, champion))
    vote_on_both(session, people[3], None)
    vote_on_both(session, people[4], challenger, texts=("Fix it, please.", "Fix it, please."))
    assert count(session) == Tally(wins=2, losses=1, ties=2, people=5)


def test_other_policies_and_versions_do_not_count(session: Session) -> None:
    vote_on_both(session, uuid.uuid4(), CHALLENGER.version, policy="two_samples")
    vote_on_both(session, uuid.uuid4(), "elsewhere", versions=(CHAMPION.version, "elsewhere"))
    session.add(
        Comparison(
            organisation_id=ORGANISATION,
            user_id=uuid.uuid4(),
            policy="champion_against_challenger",
            first_output_id=output(session, CHAMPION.version, "a"),
            second_output_id=output(session, CHALLENGER.version, "b"),
        )
    )  # shown, and never voted on
    session.flush()
    assert count(session) == Tally(wins=0, losses=0, ties=0, people=0)


def test_a_person_s_first_votes_count(session: Session) -> None:
    eager, other = uuid.uuid4(), uuid.uuid4()
    for preferred in (CHAMPION.version, CHALLENGER.version, CHALLENGER.version, CHALLENGER.version):
        vote_on_both(session, eager, preferred)
    vote_on_both(session, other, CHALLENGER.version)
    assert count(session, votes_a_person=2) == Tally(wins=2, losses=1, ties=0, people=2)


class Trial:
    """An experiment in the database, and the people in it."""

    def __init__(self, session: Session) -> None:
        self.session, self.id = session, new_id()
        session.add(Experiment(id=self.id, name="t", hypothesis="", plan={}, salt="s", status="running"))
        session.flush()

    def epoch(self, *weights: float, unit: routing.Unit = "user") -> int:
        specs = {"champion": CHAMPION, "challenger": CHALLENGER}
        arms = tuple(Arm(name=n, weight=w, spec=s) for (n, s), w in zip(specs.items(), weights, strict=True))
        split = Split(experiment_id=self.id, salt="s", arms=arms, unit=unit)
        number = routing.publish(self.session, Routing(champion=CHAMPION, experiments=(split,)), "test")
        for name, spec in specs.items():
            self.session.merge(
                Variant(
                    experiment_id=self.id,
                    name=name,
                    spec_digest=spec.digest,
                    is_baseline=name == "champion",
                )
            )
        self.session.flush()
        return number

    def expose(
        self,
        user: uuid.UUID,
        variant: str,
        epoch: int,
        minute: int = 0,
        organisation: uuid.UUID = ORGANISATION,
    ) -> None:
        self.session.add(
            Exposure(
                experiment_id=self.id,
                user_id=user,
                variant=variant,
                epoch=epoch,
                organisation_id=organisation,
                answer_id=new_id(),
                exposed_at=START + timedelta(minutes=minute),
            )
        )
        self.session.flush()

    def vote(
        self,
        user: uuid.UUID,
        variant: str,
        epoch: int,
        *votes: bool | int | str,
        organisation: uuid.UUID = ORGANISATION,
    ) -> None:
        """Each vote on an answer of its own: a thumb, stars, or the text of an edit."""
        for value in votes:
            kind = {bool: "thumb", int: "rating", str: "edit"}[type(value)]
            self.session.add(
                Feedback(
                    organisation_id=organisation,
                    user_id=user,
                    output_id=output(self.session, variant, "x"),
                    kind=kind,
                    thumb_up=value if kind == "thumb" else None,
                    rating=value if kind == "rating" else None,
                    text=value if kind == "edit" else None,
                    experiment_id=self.id,
                    variant=variant,
                    epoch=epoch,
                )
            )
        self.session.flush()

    def arms(self) -> dict[tuple[int, str], ArmStatistics]:
        return {(arm.epoch, arm.variant): arm for arm in outcomes.arms(self.session, self.id)}


def test_outcomes_are_means_of_users_not_of_votes(session: Session) -> None:
    trial = Trial(session)
    epoch = trial.epoch(0.75, 0.25)
    keen, mild, silent, editor = (uuid.uuid4() for _ in range(4))
    for user in (keen, mild, silent, editor):
        trial.expose(user, "challenger", epoch)
    trial.vote(keen, "challenger", epoch, True, True, True, False, 5, 1)
    trial.vote(mild, "challenger", epoch, 2)
    trial.vote(editor, "challenger", epoch, "Could you fix it?")
    baseline, challenger = outcomes.arms(session, trial.id)
    users = [(3 + 1 + 0) / 6, 0.25]
    assert (challenger.exposed, challenger.users, challenger.weight) == (4, 2, 0.25)
    assert challenger.mean == pytest.approx(statistics.mean(users))
    assert challenger.variance == pytest.approx(statistics.variance(users))
    assert (baseline.is_baseline, baseline.exposed, baseline.users, baseline.weight) == (True, 0, 0, 0.75)
    assert baseline.mean is baseline.variance is None


def test_between_organisations_each_counts_once_with_the_mean_of_its_users(session: Session) -> None:
    trial = Trial(session)
    epoch = trial.epoch(0.5, 0.5, unit="organisation")
    one, other = uuid.uuid4(), uuid.uuid4()
    for organisation, likes in ((one, (1.0, 0.5, 0.0)), (other, (1.0,))):
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
    trial.vote(stays, "challenger", second, False)  # of an epoch that this user is not counted in
    trial.vote(moves, "champion", first, True)
    trial.vote(moves, "challenger", second, False)
    trial.vote(comes, "challenger", second, False)
    found = trial.arms()
    counts = {key: (arm.exposed, arm.moved, arm.users, arm.mean) for key, arm in found.items()}
    assert counts == {
        (first, "champion"): (1, 1, 1, 1.0),
        (first, "challenger"): (1, 0, 1, 1.0),
        (second, "champion"): (0, 0, 0, None),
        (second, "challenger"): (1, 0, 1, 0.0),
    }
    assert found[first, "champion"].weight == 0.9


def test_what_came_before_an_epoch_can_be_left_aside(session: Session) -> None:
    """As for the holdout: the present champion is another than the one of the epoch before."""
    trial = Trial(session)
    first, second = trial.epoch(0.9, 0.1), trial.epoch(0.5, 0.5)
    user = uuid.uuid4()
    trial.expose(user, "challenger", first, minute=1)
    trial.expose(user, "challenger", second, minute=10)
    trial.vote(user, "challenger", first, True)
    trial.vote(user, "challenger", second, False)
    found = [(arm.epoch, arm.users, arm.mean) for arm in outcomes.arms(session, trial.id, second)]
    assert found == [(second, 0, None), (second, 1, 0.0)]


def test_other_experiments_are_no_new_epoch(session: Session) -> None:
    trial = Trial(session)
    epoch = trial.epoch(0.5, 0.5)
    _, now = routing.current(session) or (0, None)
    assert now is not None
    routing.publish(session, now, "something else has changed")
    assert {number for number, _ in trial.arms()} == {epoch}


def test_votes_outside_the_experiment_do_not_count(session: Session) -> None:
    trial, other = Trial(session), Trial(session)
    epoch, elsewhere = trial.epoch(0.5, 0.5), other.epoch(0.5, 0.5)
    user, never_exposed = uuid.uuid4(), uuid.uuid4()
    trial.expose(user, "champion", epoch)
    other.expose(user, "challenger", elsewhere)
    other.vote(user, "challenger", elsewhere, True)
    trial.vote(never_exposed, "champion", epoch, True)
    assert [(a.exposed, a.moved, a.users) for a in trial.arms().values()] == [(1, 0, 0), (0, 0, 0)]


def test_what_the_database_sums_up_can_be_analysed(session: Session) -> None:
    trial = Trial(session)
    epoch = trial.epoch(0.5, 0.5)
    for number in range(12):
        user, variant = uuid.uuid4(), ("champion", "challenger")[number % 2]
        trial.expose(user, variant, epoch)
        trial.vote(user, variant, epoch, variant == "challenger" or number % 4 == 0)
    found = between_users(outcomes.arms(session, trial.id), Plan(minimum_users_an_arm=6))
    assert found.effect == pytest.approx(0.5)
    assert found.is_sample_ratio_sound
    assert outcomes.arms(session, trial.id) == outcomes.arms(session, trial.id)
