"""The schema is what the tables say, and row-level security stands behind every tenant query."""

import dataclasses
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import InternalError
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.people import identities
from data.reasons import reason
from data.records import TransformType
from data.tables import Base, Feedback, Organisation, Output, ReplacedVote, new_id
from data.traffic import answers, feedback, outputs
from data.traffic.answers import AnswerWriter, FullError, NewAnswer, Person, Placement
from data.traffic.feedback import Choice, Edit, Rating, Thumb, WrongReceiptError
from data.traffic.outputs import NewOutput
from data.traffic.receipts import Receipt
from data.traffic.routing import Routing
from tests import migrations


def an_output(organisation_id: uuid.UUID, text: str = "Could you fix it?") -> NewOutput:
    return NewOutput(
        id=new_id(),
        organisation_id=organisation_id,
        message="Fix it.",
        transform_type=TransformType.SOFTEN,
        intensity=2,
        text=text,
        facts_missing=[],
        spec_digest="0" * 32,
        version="v1",
        seed=None,
        upstream_ms=1.0,
    )


def a_receipt(output: NewOutput, comparison_id: uuid.UUID | None = None) -> Receipt:
    return Receipt(
        output.id, output.organisation_id, new_id(), None, comparison_id, "champion", "v1", 1, 1_700_000_000
    )


def an_answer(output: NewOutput, experiment_id: uuid.UUID | None = None) -> NewAnswer:
    return NewAnswer(
        id=new_id().bytes,
        output_id=output.id.bytes,
        person=Person(uuid.uuid4(), output.organisation_id, "k", "ann"),
        placement=Placement(experiment_id, "challenger", 7),
        cache="miss",
        fell_back=False,
        total_ms=2.5,
    )


@pytest.mark.filterwarnings("ignore:Did not recognize type 'xid8'")
def test_migrations_give_the_tables(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"include_object": lambda _, name, kind, *__: not str(name).startswith("answers_2")},
        )
        assert compare_metadata(context, Base.metadata) == []


def test_an_experiment_from_before_there_were_several_goes_on(new_database: Callable[..., str]) -> None:
    url = new_database("0007")
    champion = {"version": "v1"}
    arms = [{"name": name, "weight": 0.5, "spec": champion} for name in ("v1", "v2")]
    split = {"experiment_id": str(uuid.uuid4()), "salt": "s", "arms": arms}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO experiments (id, name, hypothesis, plan, salt) VALUES (%s, 'x', 'x', '{}', 's')",
            (split["experiment_id"],),
        )
        for number, running in enumerate((split, None), start=1):
            routed = {"champion": champion, "challenger": None, "experiment": running}
            connection.execute(
                "INSERT INTO epochs (number, experiment_id, routing, reason) VALUES (%s, %s, %s, 'x')",
                (number, running and running["experiment_id"], json.dumps(routed)),
            )
        query = "SELECT number, experiment_id, routing FROM epochs ORDER BY number"
        before = connection.execute(query).fetchall()
        for _ in range(2):
            database.migrate(url, "0026")  # the routing of today
            rows = connection.execute("SELECT routing FROM epochs ORDER BY number").fetchall()
            first, second = (Routing.model_validate(routing) for (routing,) in rows)
            assert [(split.epoch, split.reached, split.salt) for split in first.experiments] == [
                (1, 1.0, "s")
            ]
            assert second.experiments == ()
            migrations.downgrade(url, "0007")
            assert connection.execute(query).fetchall() == before


def test_snapshots_from_before_they_were_judged_stay_fit_to_train_on(
    new_database: Callable[..., str],
) -> None:
    url = new_database("0004")
    insert = "INSERT INTO snapshots (digest, path, counts, high_water) VALUES (%s, 'p', '{}', 1)"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(insert, ("before",))
        for _ in range(2):
            database.migrate(url, "0005")
            rows = connection.execute("SELECT digest, accepted, reasons, quality FROM snapshots").fetchall()
            assert rows == [("before", True, [], None)]
            with pytest.raises(psycopg.errors.NotNullViolation):
                connection.execute(insert, ("unjudged",))
            migrations.downgrade(url, "0004")
            assert connection.execute("SELECT digest FROM snapshots").fetchall() == [("before",)]


def test_a_downgrade_restores_the_comments_of_0017(new_database: Callable[..., str]) -> None:
    url = new_database("0017")
    query = """
        SELECT attrelid::regclass::text, attname, col_description(attrelid, attnum) FROM pg_attribute
        WHERE col_description(attrelid, attnum) IS NOT NULL AND attrelid::regclass::text !~ '^(pg_|answers_)'
        ORDER BY 1, 2
    """
    with psycopg.connect(url, autocommit=True) as connection:
        before = connection.execute(query).fetchall()
        database.migrate(url, "0018")
        after = connection.execute(query).fetchall()
        assert [row[:2] for row in after] == [row[:2] for row in before]
        assert after != before
        migrations.downgrade(url, "0017")
        assert connection.execute(query).fetchall() == before


def test_outputs_from_before_there_were_reasons_have_none(new_database: Callable[..., str]) -> None:
    url = new_database("0019")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO outputs (id, organisation_id, message, transform_type, intensity, text,"
            " facts_missing, spec_digest, version, upstream_ms)"
            " VALUES (%s, %s, 'Fix it.', 'soften', 2, 'x', '[]', 'd', 'v1', 1)",
            (new_id(), new_id()),
        )
        before = connection.execute("SELECT * FROM outputs").fetchall()
        for _ in range(2):
            database.migrate(url, "0020")
            assert connection.execute("SELECT unchanged FROM outputs").fetchall() == [(None,)]
            migrations.downgrade(url, "0019")
            assert connection.execute("SELECT * FROM outputs").fetchall() == before


async def test_an_output_keeps_the_reason_why_it_is_the_message(
    pool: AsyncConnectionPool, engine: Engine, organisation_id: uuid.UUID
) -> None:
    why = reason("unchanged_nothing_to_do", transform_type="soften")
    written = an_output(organisation_id)
    returned = dataclasses.replace(written, id=new_id(), text=written.message, unchanged=why)
    async with pool.connection() as connection:
        await outputs.store(connection, written, returned)
    with Session(engine) as session:
        assert session.get_one(Output, written.id).unchanged is None
        assert session.get_one(Output, returned.id).unchanged == why
        fields = {"facts_missing": [], "spec_digest": "d", "version": "v1", "upstream_ms": 1.0}
        by_orm = Output(
            id=new_id(), organisation_id=organisation_id, message="x", transform_type="soften", intensity=1,
            text="x", unchanged=None, **fields,
        )  # fmt: skip
        session.add(by_orm)
        session.flush()
        query = text("SELECT count(*) FROM outputs WHERE organisation_id = :id AND unchanged IS NULL")
        assert session.execute(query, {"id": organisation_id}).scalar_one() == 2
        session.rollback()


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite:///x"])
def test_a_url_of_another_database_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="postgresql://"):
        database.sqlalchemy_url(url)


def test_a_snapshot_stays_at_its_moment_and_cannot_write(local: Settings, engine: Engine) -> None:
    count = text("SELECT count(*) FROM organisations")
    with database.open_snapshot(local) as snapshot:
        before = snapshot.scalar(count)
        with Session(engine) as session, session.begin():
            session.add(Organisation(id=new_id(), name="a later organisation"))
        assert snapshot.scalar(count) == before
        with pytest.raises(InternalError, match="read-only transaction"):
            snapshot.execute(text("CREATE TEMP TABLE x (y int)"))


async def test_online_sees_one_tenant_only(pool: AsyncConnectionPool) -> None:
    mine, theirs = uuid.uuid4(), uuid.uuid4()
    async with pool.connection() as connection:
        await outputs.store(connection, an_output(mine), an_output(theirs), an_output(theirs))
        cursor = await connection.execute("SELECT count(*) FROM outputs")
        assert await cursor.fetchone() == (0,)
        async with connection.transaction():
            await database.speak_for(connection, theirs)
            cursor = await connection.execute(
                "SELECT DISTINCT organisation_id, count(*) OVER () FROM outputs"
            )
            assert await cursor.fetchall() == [(theirs, 2)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute("SELECT 1 FROM answers")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute("DELETE FROM outputs")


async def test_the_later_vote_stands_and_the_earlier_one_is_kept(
    pool: AsyncConnectionPool, engine: Engine, organisation_id: uuid.UUID
) -> None:
    output = an_output(organisation_id)
    receipt = a_receipt(output)
    async with pool.connection() as connection:
        await outputs.store(connection, output)
        first = await feedback.record(connection, receipt, Thumb(receipt="r", kind="thumb", up=True))
        again = await feedback.record(connection, receipt, Thumb(receipt="r", kind="thumb", up=False))
        await feedback.record(connection, receipt, Rating(receipt="r", kind="rating", stars=4))
        await feedback.record(connection, receipt, Edit(receipt="r", kind="edit", text=" Please fix it. "))
        assert first == again
        async with connection.transaction():
            await database.speak_for(connection, output.organisation_id)
            cursor = await connection.execute(
                "SELECT kind, thumb_up, rating, text, edit_distance FROM feedback ORDER BY kind"
            )
            assert await cursor.fetchall() == [
                ("edit", None, None, "Please fix it.", pytest.approx(9 / 17)),
                ("rating", None, 4, None, None),
                ("thumb", False, None, None, None),
            ]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute("SELECT 1 FROM replaced_votes")
    with Session(engine) as session:
        earlier = session.scalars(select(ReplacedVote).where(ReplacedVote.feedback_id == first)).one()
        vote = session.get_one(Feedback, first)
        assert (earlier.thumb_up, earlier.replaced_at) == (True, vote.updated_at)
        session.delete(vote)
        session.flush()
        assert session.scalars(select(ReplacedVote).where(ReplacedVote.feedback_id == first)).all() == []


async def test_a_comparison_names_the_preferred_output(
    pool: AsyncConnectionPool, organisation_id: uuid.UUID
) -> None:
    first, second = an_output(organisation_id, "one"), an_output(organisation_id, "two")
    comparison_id = new_id()
    receipt = a_receipt(first, comparison_id)
    async with pool.connection() as connection:
        await outputs.store_comparison(
            connection, comparison_id, receipt.user_id, "two_samples", first, second
        )
        for preferred, expected in (("second", second.id), ("first", first.id), ("neither", None)):
            vote = Choice.model_validate({"receipt": "r", "kind": "comparison", "preferred": preferred})
            await feedback.record(connection, receipt, vote)
            async with connection.transaction():
                await database.speak_for(connection, organisation_id)
                cursor = await connection.execute("SELECT preferred_output_id, comparison_id FROM feedback")
                assert await cursor.fetchall() == [(expected, comparison_id)]
        with pytest.raises(WrongReceiptError):
            await feedback.record(connection, receipt, Thumb(receipt="r", kind="thumb", up=True))
        vote = Choice(receipt="r", kind="comparison", preferred="first")
        with pytest.raises(WrongReceiptError):
            await feedback.record(connection, a_receipt(first), vote)


async def test_answers_are_written_with_users_and_exposures_once(
    pool: AsyncConnectionPool, database_url: str, engine: Engine, organisation_id: uuid.UUID
) -> None:
    output, experiment_id = an_output(organisation_id), new_id()
    began = datetime.now(UTC) - timedelta(milliseconds=1)  # an id knows its millisecond only
    with Session(engine) as session, session.begin():
        session.connection().exec_driver_sql(
            "INSERT INTO experiments (id, name, hypothesis, plan, salt) VALUES (%s, 'x', '', '{}', 's')",
            (experiment_id,),
        )
    writer = AnswerWriter(pool, {})
    answer = an_answer(output, experiment_id)
    for _ in range(2):
        for level in ("miss", "l1", "l2"):
            locale, channel = ("ja-JP", "chat") if level == "miss" else (None, None)
            writer.add(
                answer._replace(
                    id=new_id().bytes, cache=level, fell_back=level == "l1", locale=locale, channel=channel
                )
            )
        await writer.flush()
    alone = an_answer(output)
    writer.add(alone)
    await writer.flush()
    assert writer.waiting == 0
    with engine.connect() as connection:
        written = connection.exec_driver_sql(
            "SELECT id::text, output_id, organisation_id, experiment_id, variant, epoch, cache, fell_back,"
            " total_ms, locale, channel FROM answers WHERE user_id = %s ORDER BY id",
            (answer.person.id,),
        ).all()
        used = connection.exec_driver_sql(
            "SELECT answers, month FROM usage WHERE organisation_id = %s", (organisation_id,)
        ).all()
        unplaced = connection.exec_driver_sql(
            "SELECT experiment_id FROM answers WHERE user_id = %s", (alone.person.id,)
        ).one()
        (exposed,) = connection.exec_driver_sql(
            "SELECT answer_id::text, variant, epoch, exposed_at FROM exposures WHERE user_id = %s",
            (answer.person.id,),
        ).all()
    ended = datetime.now(UTC)
    same = (output.id, organisation_id, experiment_id, "challenger", 7)
    assert [tuple(row[1:]) for row in written] == 2 * [
        (*same, "miss", False, 2.5, "ja-JP", "chat"),
        (*same, "l1", True, 2.5, None, None),
        (*same, "l2", False, 2.5, None, None),
    ]
    assert sum(row.answers for row in used) == 7
    # Two, if a month has ended meanwhile.
    assert {row.month for row in used} <= {moment.date().replace(day=1) for moment in (began, ended)}
    assert tuple(unplaced) == (None,)
    assert tuple(exposed[:3]) == (written[0][0], "challenger", 7)
    assert began <= exposed.exposed_at <= ended


async def test_answers_wait_for_postgres_up_to_a_bound() -> None:
    nowhere = database.online_pool("postgresql://nobody@127.0.0.1:1/none", timeout_s=0.2)
    writer = AnswerWriter(nowhere, {}, bound=2)
    output = an_output(uuid.uuid4())
    writer.add(an_answer(output))
    writer.add(an_answer(output))
    with pytest.raises(psycopg.OperationalError):
        await writer.flush()
    assert writer.waiting == 2
    with pytest.raises(FullError):
        writer.add(an_answer(output))


async def test_a_connection_that_breaks_after_the_commit_loses_no_answer_and_stores_none_twice(
    pool: AsyncConnectionPool, engine: Engine, organisation_id: uuid.UUID
) -> None:
    class Breaking:
        """A pool whose connection breaks once, after the transaction was committed."""

        is_broken = False

        @asynccontextmanager
        async def connection(self) -> AsyncIterator[psycopg.AsyncConnection]:
            async with pool.connection() as connection:
                yield connection
            if self.is_broken:
                self.is_broken = False
                raise psycopg.OperationalError("the connection is lost")

    breaking = Breaking()
    writer = AnswerWriter(breaking, {})  # type: ignore[arg-type]
    output = an_output(organisation_id)
    first, second = an_answer(output), an_answer(output)
    writer.add(first)
    await writer.ensure_partitions()  # its connection must not be the one that breaks
    breaking.is_broken = True
    with pytest.raises(psycopg.OperationalError):
        await writer.flush()
    assert writer.waiting == 1
    writer.add(second)
    await writer.flush()
    assert writer.waiting == 0
    with engine.connect() as connection:
        stored = connection.exec_driver_sql(
            "SELECT id FROM answers WHERE organisation_id = %s", (organisation_id,)
        ).scalars()
        assert {id.bytes for id in stored} == {first.id, second.id}
        used = connection.exec_driver_sql(
            "SELECT sum(answers) FROM usage WHERE organisation_id = %s", (organisation_id,)
        ).scalar_one()
        assert used == 2


async def test_old_partitions_are_dropped_whole(database_url: str) -> None:
    long_ago = date(2020, 2, 28)
    await answers.ensure_partitions(database_url, long_ago, days=2)
    await answers.ensure_partitions(database_url, datetime.now(UTC).date())
    dropped = await answers.drop_partitions_before(database_url, long_ago + timedelta(days=1))
    assert dropped == ["answers_20200228"]
    assert "answers_20200229" in await answers.drop_partitions_before(database_url, date(2021, 1, 1))


def test_the_first_key_is_made_once_and_a_wanted_one_is_kept(engine: Engine) -> None:
    name = f"org-{uuid.uuid4()}"
    wanted = identities.generate_key()
    assert identities.bootstrap(engine, wanted, name) == wanted
    assert identities.bootstrap(engine, wanted, name) is None
    assert identities.bootstrap(engine, None, name) is None
    stolen = wanted[: wanted.rindex("_") + 1] + "x" * 43
    with pytest.raises(ValueError, match="another secret"):
        identities.bootstrap(engine, stolen, name)
    with pytest.raises(ValueError, match="tb_<id>_<secret>"):
        identities.bootstrap(engine, "hunter2", name)
