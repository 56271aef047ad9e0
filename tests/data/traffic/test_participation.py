"""Votes are counted by week, type, version and person: those of one organisation, without simulated ones."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from data.tables import Organisation
from data.traffic import participation
from data.traffic.participation import WEEK, AnsweredType, NoFeedbackError, VersionVotes, WeeklyVotes
from tests.traffic import Traffic

UNTIL = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)


@pytest.fixture
def session(engine: Engine, organisation_id: uuid.UUID) -> Iterator[Session]:
    """Four people of whom one does not vote, two versions, two weeks, and rows that do not count. Nothing
    is committed.
    """
    with Session(engine) as session:
        own = Traffic(session, organisation_id)
        keen, second, third, silent = (own.add_person() for _ in range(4))
        now, before = UNTIL - HOUR, UNTIL - WEEK - HOUR
        old = own.add_output(before, transform_type="clarify")
        new = own.add_output(now, version="v2")
        for person in (keen, second, silent):
            own.answer(before, person, old)
        for person in (keen, third):
            own.answer(now, person, new)
        own.vote(before, keen, old, "thumb", thumb_up=True)
        own.vote(before, second, old, "thumb", thumb_up=False)
        own.vote(before, keen, old, "edit", text="Fix it, please.", edit_distance=0.5)
        own.vote(before, second, old, "edit", text="Fix.", edit_distance=0.25)
        own.vote(now, keen, new, "rating", rating=5)
        own.vote(now, keen, new, "comment", text="Good.")
        own.vote(now, third, new, "rating", rating=1)
        own.vote(UNTIL - 3 * WEEK, third, old, "rating", rating=2)  # before the weeks that are counted
        simulated = own.add_output(now, version="sample-1")
        own.answer(now, silent, simulated)
        own.vote(UNTIL - timedelta(minutes=1), silent, simulated, "thumb", thumb_up=True)
        neighbour = Organisation(name=str(uuid.uuid4()))
        session.add(neighbour)
        session.flush()
        others = Traffic(session, neighbour.id)
        stranger, theirs = others.add_person(), others.add_output(now)
        others.answer(now, stranger, theirs)
        others.vote(now, stranger, theirs, "thumb", thumb_up=True)
        yield session


def test_votes_are_counted_by_week_type_and_kind(session: Session, organisation_id: uuid.UUID) -> None:
    assert participation.count_by_week(session, organisation_id, UNTIL, 2) == [
        WeeklyVotes(UNTIL - WEEK, "clarify", "edit", 2),
        WeeklyVotes(UNTIL - WEEK, "clarify", "thumb", 2),
        WeeklyVotes(UNTIL, "soften", "comment", 1),
        WeeklyVotes(UNTIL, "soften", "rating", 2),
    ]
    assert {row.week_ends for row in participation.count_by_week(session, organisation_id, UNTIL, 1)} == {
        UNTIL
    }


def test_an_answer_has_a_vote_if_its_own_person_voted(session: Session, organisation_id: uuid.UUID) -> None:
    since = UNTIL - 2 * WEEK
    assert participation.count_answered(session, organisation_id, since) == [
        AnsweredType("clarify", 3, 2, 2 / 3),
        AnsweredType("soften", 2, 2, 1.0),
    ]


def test_votes_are_counted_by_version(session: Session, organisation_id: uuid.UUID) -> None:
    assert participation.count_by_version(session, organisation_id, UNTIL - 2 * WEEK) == [
        VersionVotes("v1", 1, 1, 0, 0, 0, 0, 0, 2, 0.375, 0),
        VersionVotes("v2", 0, 0, 1, 0, 0, 0, 1, 0, None, 1),
    ]


def test_people_who_do_not_vote_are_counted_too(session: Session, organisation_id: uuid.UUID) -> None:
    assert participation.count_by_person(session, organisation_id, UNTIL - 2 * WEEK) == [4, 2, 1, 0]


def test_feedback_ends_with_the_newest_vote_that_is_not_simulated(
    session: Session, organisation_id: uuid.UUID
) -> None:
    end = participation.find_end(session, organisation_id)
    assert end == UNTIL - HOUR + timedelta(milliseconds=1)
    newest = participation.count_by_week(session, organisation_id, end, 1)
    assert {row.kind for row in newest} >= {"comment", "rating"}, "the newest vote is before the end"


def test_without_a_vote_one_sentence_says_what_to_do(engine: Engine, organisation_id: uuid.UUID) -> None:
    with Session(engine) as session, pytest.raises(NoFeedbackError, match="nobody has voted yet: ask people"):
        participation.find_end(session, organisation_id)


def test_the_owner_of_the_tables_counts_responses_of_one_organisation(
    session: Session, organisation_id: uuid.UUID
) -> None:
    """Row-level security does not limit the owner, which flows and notebooks are."""
    responses = participation.count_responses(session, organisation_id, UNTIL)
    assert responses == (1, 1, 0, 0)


def test_equal_voters_are_not_concentrated_and_one_of_many_is() -> None:
    equal = participation.measure_concentration([3] * 20 + [0] * 5)
    assert (equal.people, equal.voters, equal.votes) == (25, 20, 60)
    assert equal.gini == pytest.approx(0)
    assert equal.most_active == pytest.approx(0.1)
    one = participation.measure_concentration([991, *[1] * 9])
    assert one.most_active == pytest.approx(0.991)
    assert one.gini == pytest.approx(0.9, abs=0.01)


def test_the_gini_coefficient_is_the_mean_difference_of_two_people() -> None:
    """Half of the relative mean absolute difference: the definition, over all pairs of people."""
    votes = [1, 2, 2, 5, 9, 40]
    differences = [abs(a - b) for a in votes for b in votes]
    expected = sum(differences) / len(differences) / (2 * sum(votes) / len(votes))
    assert participation.measure_concentration(votes).gini == pytest.approx(expected)


def test_nobody_has_no_concentration() -> None:
    with pytest.raises(NoFeedbackError):
        participation.measure_concentration([0, 0])
