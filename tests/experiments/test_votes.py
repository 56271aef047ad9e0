"""Votes of blind comparisons are counted once, by person and message, within bounds, by a real Postgres."""

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from data import database
from data.records import TransformType
from data.tables import (
    ApiKey,
    Comparison,
    CountedVoter,
    Experiment,
    Feedback,
    Organisation,
    Output,
    User,
    new_id,
)
from experiments import votes
from experiments.analysis import Tally, compare
from experiments.plan import Plan
from experiments.sequential import Clusters
from experiments.votes import Voter, admit

CHAMPION, CHALLENGER, SECOND = "champion-of-these-tests", "challenger-of-these-tests", "second-of-these-tests"
START = datetime(2026, 1, 1, tzinfo=UTC)
OPERATOR = "the operator of these tests"
HOUR = 60  # minutes


@pytest.fixture(scope="module")
def engine(new_database: Callable[..., str]) -> Iterator[Engine]:
    """An engine for a database of this module."""
    engine = database.engine(new_database())
    yield engine
    engine.dispose()


class World:
    """A running experiment, with an organisation that runs the installation and one that does not."""

    def __init__(self, session: Session) -> None:
        self.session, self.experiment, self.tenant, self.operator = session, new_id(), new_id(), new_id()
        session.add_all(
            [
                Organisation(id=self.tenant, name="a tenant"),
                Organisation(id=self.operator, name=OPERATOR),
                self._new_experiment(self.experiment),
            ]
        )
        session.flush()

    def _new_experiment(self, id: uuid.UUID) -> Experiment:
        return Experiment(
            id=id, name="t", hypothesis="", plan={}, salt="s", status="running", started_at=START
        )

    def key(self, organisation: uuid.UUID | None = None) -> str:
        """A new API key of the tenant, or of another organisation."""
        key = ApiKey(
            id=uuid.uuid4().hex[:12],
            organisation_id=organisation or self.tenant,
            name="k",
            secret_sha256=b"",
        )
        self.session.add(key)
        self.session.flush()
        return key.id

    def person(self, key_id: str | None = None, organisation: uuid.UUID | None = None) -> uuid.UUID:
        """A new person of a key, or one who is signed in."""
        person = User(id=new_id(), organisation_id=organisation or self.tenant, key_id=key_id)
        self.session.add(person)
        self.session.flush()
        return person.id

    def vote(
        self,
        person: uuid.UUID,
        *preferred: str | None,
        minute: float = 0,
        changed: float | None = None,
        message: str = "",
        versions: tuple[str, str] = (CHAMPION, CHALLENGER),
        texts: tuple[str, str] = ("Fix it, please.", "Could you fix it?"),
        policy: str = "champion_against_challenger",
        pair_id: uuid.UUID | None = None,
        id: uuid.UUID | None = None,
        is_own: bool = False,
    ) -> None:
        """Store a person's votes, each a minute after the one before, on a message of its own unless
        `message` names one.
        """
        organisation = self.session.get_one(User, person).organisation_id
        for number, version in enumerate(preferred):
            outputs = {
                version: Output(
                    id=new_id(),
                    organisation_id=organisation,
                    message=message or str(uuid.uuid4()),
                    transform_type=TransformType.SOFTEN,
                    intensity=2,
                    text=text,
                    facts_missing=[],
                    spec_digest="0" * 32,
                    version=version,
                    upstream_ms=1.0,
                )
                for version, text in zip(versions, texts, strict=True)
            }
            self.session.add_all(outputs.values())
            self.session.flush()
            first, second = outputs.values()
            comparison = Comparison(
                id=id or new_id(),
                organisation_id=organisation,
                user_id=person,
                policy=policy,
                first_output_id=first.id,
                second_output_id=second.id,
                pair_id=pair_id or (new_id() if message else None),
                people=3 if pair_id or message else None,
                is_own=is_own,
            )
            if message and not pair_id:
                comparison.id = comparison.pair_id
            self.session.add(comparison)
            self.session.flush()
            cast_at = START + timedelta(minutes=minute + number)
            self.session.add(
                Feedback(
                    organisation_id=organisation,
                    user_id=person,
                    output_id=first.id,
                    kind="comparison",
                    comparison_id=comparison.id,
                    preferred_output_id=outputs[version].id if version else None,
                    created_at=cast_at,
                    updated_at=cast_at if changed is None else START + timedelta(minutes=changed),
                )
            )
            self.session.flush()

    def count(self, hours: float = 48, challenger: str = CHALLENGER, **plan: float) -> Tally:
        """The tally at a time, which all votes at once give, too."""
        versions = CHAMPION, challenger
        arguments = (
            self.session, self.experiment, *versions, Plan(**plan), OPERATOR, START + timedelta(hours=hours)
        )  # fmt: skip
        tally = votes.count_votes(*arguments)
        assert votes.recount(*arguments) == tally
        return tally


@pytest.fixture
def world(session: Session) -> World:
    return World(session)


def test_votes_count_in_either_order_shown(world: World) -> None:
    texts = ("Fix it, please.", "Fix it, please.")
    world.vote(world.person(), CHALLENGER)
    world.vote(world.person(), CHALLENGER, versions=(CHALLENGER, CHAMPION))
    world.vote(world.person(), CHAMPION, versions=(CHALLENGER, CHAMPION))
    world.vote(world.person(), None)
    world.vote(world.person(), CHALLENGER, texts=texts)
    expected = (Clusters(0, 1, 1), Clusters(1, 0, 2))
    tally = world.count()
    assert tally == Tally(wins=2, losses=1, ties=2, people=5, by_person=expected, by_message=expected)
    assert compare(tally, Plan()).win_rate == pytest.approx(2 / 3)


def test_a_pair_that_several_people_judge_is_one_piece_of_evidence(world: World) -> None:
    """The first person's vote counts; who is first was fixed before any vote."""
    pair_id = new_id()
    world.vote(world.person(), CHALLENGER, pair_id=pair_id)
    world.vote(world.person(), CHAMPION, pair_id=pair_id, id=pair_id)
    world.vote(world.person(), CHALLENGER, pair_id=pair_id)
    tally = world.count()
    assert (tally.wins, tally.losses, tally.people) == (0, 1, 1)


def test_other_policies_and_versions_do_not_count(world: World) -> None:
    world.vote(world.person(), CHALLENGER, policy="two_samples")
    world.vote(world.person(), "another", versions=(CHAMPION, "another"))
    assert world.count() == Tally(wins=0, losses=0, ties=0, people=0)


def test_a_person_counts_with_the_first_decided_votes_as_soon_as_they_are_cast(world: World) -> None:
    world.vote(world.person(), CHAMPION, None, CHALLENGER, CHALLENGER, CHALLENGER, None)
    tally = world.count(hours=1)
    assert (tally.by_person, tally.ties, tally.waiting) == ((Clusters(2, 1, 1),), 1, 0)


def test_a_person_with_fewer_votes_counts_when_the_time_is_over(world: World) -> None:
    world.vote(world.person(), CHALLENGER, CHALLENGER)
    early = world.count(hours=23.9)
    assert (early.people, early.waiting) == (0, 1)
    assert world.count(hours=24).by_person == (Clusters(2, 0, 1),)


def test_votes_after_a_person_s_time_do_not_count(world: World) -> None:
    person = world.person()
    world.vote(person, CHALLENGER)
    world.vote(person, CHALLENGER, CHALLENGER, minute=24 * HOUR + 1)
    assert world.count(hours=48).by_person == (Clusters(1, 0, 1),)


def test_a_vote_counts_as_cast_when_it_was_changed(world: World) -> None:
    in_time, late = world.person(), world.person()
    world.vote(in_time, CHALLENGER, changed=23 * HOUR)
    world.vote(in_time, CHAMPION, CHAMPION, CHAMPION, minute=1)
    world.vote(late, CHALLENGER, changed=25 * HOUR)
    world.vote(late, CHAMPION, minute=1)
    assert world.count(hours=48).by_person == (Clusters(0, 1, 1), Clusters(0, 3, 1))


def test_what_is_counted_never_changes(world: World) -> None:
    person = world.person()
    world.vote(person, CHALLENGER, CHALLENGER)
    tally = world.count(hours=25)
    world.session.execute(
        update(Feedback)
        .where(Feedback.user_id == person)
        .values(preferred_output_id=None, updated_at=START + timedelta(hours=26))
    )
    world.vote(person, CHAMPION, minute=26 * HOUR)
    assert world.count(hours=100) == tally


def test_votes_from_before_the_start_and_after_the_end_do_not_count(world: World) -> None:
    """A pair of versions that was compared before: its 405 old votes must not end the experiment."""
    for _ in range(135):
        world.vote(world.person(), CHAMPION, CHAMPION, CHAMPION, minute=-100)
    world.vote(world.person(), CHALLENGER, CHALLENGER, CHALLENGER)
    world.session.get_one(Experiment, world.experiment).ended_at = START + timedelta(hours=1)
    world.vote(world.person(), CHAMPION, CHAMPION, CHAMPION, minute=HOUR)
    world.vote(world.person(), CHAMPION, minute=30)
    tally = world.count(hours=48)
    assert (tally.wins, tally.losses, tally.waiting) == (3, 0, 2)
    assert compare(tally, Plan()).decision == "undecided"


def test_each_challenger_has_a_tally_of_its_own(world: World) -> None:
    """The limits hold in each tally, and votes on other versions change nothing."""
    key = world.key()
    people = [world.person(key), *(world.person() for _ in range(3))]
    for person in people:
        world.vote(person, CHALLENGER, CHALLENGER, CHALLENGER, message="Fix it.")
    alone = world.count()
    for person in people:
        world.vote(person, *[SECOND] * 4, versions=(SECOND, CHAMPION), message="Fix it.", minute=5)
        world.vote(
            person, *[CHALLENGER] * 5, versions=(SECOND, CHALLENGER), policy="between_challengers", minute=9
        )
    assert (alone.wins, alone.people) == (3, 4)
    assert world.count() == alone
    second = world.count(challenger=SECOND)
    assert (second.wins, second.losses, second.people) == (3, 0, 4)
    assert world.count() == alone
    assert world.count(challenger=SECOND) == second


def test_pair_votes_are_those_between_all_versions(world: World) -> None:
    ann, bob = world.person(), world.person()
    world.vote(ann, CHALLENGER, CHAMPION, CHALLENGER)
    world.vote(ann, *[SECOND] * 4, versions=(SECOND, CHALLENGER), policy="between_challengers")
    world.vote(bob, SECOND, None, versions=(CHAMPION, SECOND), message="Fix it.")
    for challenger in (CHALLENGER, SECOND):
        world.count(challenger=challenger)
    votes.count_between_challengers(
        world.session, world.experiment, (SECOND, CHALLENGER), Plan(), OPERATOR, START + timedelta(hours=48)
    )
    pair_votes = votes.read_pair_votes(world.session, world.experiment)
    assert Counter(vote[:3] for vote in pair_votes) == {
        (CHALLENGER, CHAMPION, ann): 2,
        (CHAMPION, CHALLENGER, ann): 1,
        (SECOND, CHALLENGER, ann): 3,
        (SECOND, CHAMPION, bob): 1,
    }
    assert len({vote.message for vote in pair_votes}) == 7
    assert votes.read_pair_votes(world.session, new_id()) == []


def test_an_erased_person_still_is_a_person(world: World) -> None:
    """Otherwise all erased people would be one."""
    for _ in range(2):
        world.vote(world.person(), CHALLENGER, CHALLENGER)
    world.count()
    world.session.execute(update(CountedVoter).values(user_id=None))
    people = Counter(vote.person for vote in votes.read_pair_votes(world.session, world.experiment))
    assert list(people.values()) == [2, 2]


def test_an_experiment_counts_its_own_voters(world: World) -> None:
    world.vote(world.person(), CHALLENGER)
    assert world.count().people == 1
    world.experiment = new_id()
    world.session.add(world._new_experiment(world.experiment))
    world.session.flush()
    assert world.count().people == 1


def test_people_enter_in_the_order_of_their_votes_not_of_their_comparisons(world: World) -> None:
    """Of four votes on one message, three count: those of the people who were complete first."""
    people = [world.person() for _ in range(4)]
    for person, minute in zip(people, (40, 10, 20, 30), strict=True):
        world.vote(person, CHAMPION if minute == 40 else CHALLENGER, message="Fix it.", minute=minute)
    assert world.count().by_message == (Clusters(3, 0, 1),)
    entered = select(CountedVoter.user_id).where(CountedVoter.experiment_id == world.experiment)
    assert list(world.session.scalars(entered.order_by(CountedVoter.id))) == [*people[1:], people[0]]


def test_a_message_s_first_votes_count_over_all_analyses(world: World) -> None:
    for minute in range(5):
        world.vote(world.person(), CHALLENGER, message="Fix it.", minute=HOUR * minute)
    assert world.count(hours=25).by_message == (Clusters(2, 0, 1),)
    tally = world.count(hours=48)
    assert (tally.by_message, tally.by_person, tally.people) == (
        (Clusters(3, 0, 1),),
        (Clusters(1, 0, 3),),
        5,
    )


def test_a_typed_message_is_a_message_of_its_own(world: World) -> None:
    for _ in range(4):
        world.vote(world.person(), CHALLENGER, message="Fix it.", is_own=True)
    assert world.count().by_message == (Clusters(1, 0, 4),)


def test_at_most_half_of_the_people_come_from_one_key(world: World) -> None:
    busy, other = world.key(), world.key()
    for minute in range(6):
        world.vote(world.person(busy), CHALLENGER, minute=minute)
    for minute in (10, 20):
        world.vote(world.person(other), CHAMPION, minute=minute)
    tally = world.count()
    assert (tally.wins, tally.losses, tally.waiting) == (3, 2, 3)
    world.vote(world.person(), CHAMPION, minute=30)
    tally = world.count()
    assert (tally.wins, tally.losses, tally.waiting) == (4, 3, 2)
    assert world.count(key_share=1).waiting == 0


def test_keys_of_the_operator_and_people_who_sign_in_have_no_limit(world: World) -> None:
    key = world.key(world.operator)
    for _ in range(5):
        world.vote(world.person(key, world.operator), CHALLENGER)
        world.vote(world.person(), CHAMPION)
    tally = world.count()
    assert (tally.wins, tally.losses, tally.waiting) == (5, 5, 0)


def test_an_experiment_that_has_not_started_has_no_votes(world: World) -> None:
    world.session.get_one(Experiment, world.experiment).started_at = None
    with pytest.raises(ValueError, match="has not started"):
        world.count()


@given(
    st.lists(st.sampled_from((None, "a", "b", "c")), max_size=40),
    st.lists(st.integers(0, 39), max_size=3),
    st.sampled_from((0.2, 0.5, 0.9, 1.0)),
)
def test_who_is_admitted_depends_on_the_order_only(
    keys: list[str | None], cuts: list[int], key_share: float
) -> None:
    """Several analyses admit the same people as one, and no key has more than its share."""
    voters = [
        Voter(uuid.UUID(int=number), key, START + timedelta(minutes=number), (), 0)
        for number, key in enumerate(keys)
    ]
    at_once = list(admit(voters, Counter(), key_share))
    in_parts: list[Voter] = []
    for end in (*sorted(cuts), len(voters)):
        waiting = [voter for voter in voters[:end] if voter not in in_parts]
        in_parts += admit(waiting, Counter(voter.key_id for voter in in_parts), key_share)
    assert in_parts == at_once
    assert {voter for voter in voters if voter.key_id is None} <= set(at_once)
    for total in range(1, len(at_once) + 1):
        number = Counter(voter.key_id for voter in at_once[:total] if voter.key_id)
        assert all(count < key_share * total + 1 for count in number.values())
