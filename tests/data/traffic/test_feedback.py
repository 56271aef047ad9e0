"""What people said about outputs, as they read it themselves: each their own, in their organisation only."""

import uuid
from datetime import UTC, datetime
from typing import Any

from psycopg import AsyncCursor
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from data.database import transaction_of
from data.traffic import feedback, own_answers
from data.traffic.feedback import OwnFeedback
from tests import gateways
from tests.traffic import Traffic

NOW = datetime.now(UTC)


async def test_a_person_reads_their_newest_vote_of_each_kind_and_nobody_elses(
    pool: AsyncConnectionPool, engine: Engine, organisation_id: uuid.UUID
) -> None:
    with Session(engine) as session, session.begin():
        traffic = Traffic(session, organisation_id)
        ann, bob = traffic.add_person(), traffic.add_person()
        both, second = traffic.add_output(NOW), traffic.add_output(NOW)
        traffic.vote(NOW, ann, both, "thumb", thumb_up=False)
        traffic.vote(NOW, ann, both, "rating", rating=2)
        traffic.vote(NOW, ann, both, "edit", text="Could you, Ann?")
        traffic.vote(NOW, ann, both, "comment", text="Too long.")
        traffic.vote(NOW, bob, both, "thumb", thumb_up=True)
        pair = traffic.compare(NOW, bob, second, both)
        traffic.vote(NOW, bob, second, "comparison", comparison_id=pair, preferred_output_id=second)
    asked = [(both, ann), (both, ann), (both, bob), (second, ann), (second, bob)]
    async with pool.connection() as connection:
        async with transaction_of(connection, organisation_id):
            given = await feedback.list_own(connection, asked)
            none = await feedback.list_own(connection, [])
        async with transaction_of(connection, gateways.an_organisation(engine)):
            of_others = await feedback.list_own(connection, asked)
    assert given == {
        (both, ann): OwnFeedback(thumb_up=False, rating=2, edit="Could you, Ann?", comment="Too long."),
        (both, bob): OwnFeedback(thumb_up=True, rating=None, edit=None, comment=None),
    }, "a choice between two is not shown"
    assert none == {}
    assert of_others == {}, "another organisation reads nothing"


class _Counting(AsyncCursor[Any]):
    """A cursor that counts what it executes."""

    executed = 0

    async def execute(self, *args: Any, **kwargs: Any) -> Any:
        _Counting.executed += 1
        return await super().execute(*args, **kwargs)


async def test_a_page_of_answers_is_read_by_two_queries(
    pool: AsyncConnectionPool, engine: Engine, organisation_id: uuid.UUID
) -> None:
    """Answers that share an output share what was said about it."""
    with Session(engine) as session, session.begin():
        traffic = Traffic(session, organisation_id)
        ann = traffic.add_person()
        shared, other = traffic.add_output(NOW), traffic.add_output(NOW)
        for output in (shared, other, shared):
            traffic.answer(NOW, ann, output)
        traffic.vote(NOW, ann, shared, "rating", rating=5)
    async with pool.connection() as connection:
        connection.cursor_factory, before = _Counting, _Counting.executed
        try:
            async with transaction_of(connection, organisation_id):
                in_transaction = _Counting.executed
                listed = await own_answers.list_some(connection, ann, most=10)
                queries = _Counting.executed - in_transaction
        finally:
            connection.cursor_factory = AsyncCursor
    assert in_transaction > before, "statements are counted"
    assert queries == 2
    ratings = {answer.output_id: answer.feedback and answer.feedback.rating for answer in listed}
    assert (len(listed), ratings) == (3, {shared: 5, other: None})
