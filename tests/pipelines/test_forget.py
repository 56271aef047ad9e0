"""Work orders of erasures are carried out: rows at once, the rest after a training, one failure delays no
other order, and a killed process is followed by another.
"""

import logging
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial

import psycopg
import pytest
from prefect.logging import disable_run_logger
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.erasure import work_orders
from data.erasure.work_orders import WorkOrder
from data.tables import Erasure, Organisation, Output, User, new_id
from pipelines.environments import environment
from pipelines.forget import Waits, forget, remove_rows, work_off


@pytest.fixture
def settings(
    local: Settings,
    new_database: Callable[..., str],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    """An installation with a database of its own, in which no other test has open orders."""
    settings = local.model_copy(
        update={"database_url": new_database(), "state": tmp_path_factory.mktemp("state")}
    )
    for name in ("database_url", "redis_url", "state"):
        monkeypatch.setenv(f"TONEBRIDGE_{name.upper()}", str(getattr(settings, name)))
    return settings


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = database.engine_of(settings)
    yield engine
    engine.dispose()


@pytest.fixture
def connection(settings: Settings) -> Iterator[psycopg.Connection]:
    with psycopg.connect(str(settings.database_url), autocommit=True) as connection:
        yield connection


def an_organisation(engine: Engine) -> uuid.UUID:
    with Session(engine, expire_on_commit=False) as session, session.begin():
        organisation = Organisation(name=str(uuid.uuid4()))
        session.add(organisation)
    return organisation.id


def order(engine: Engine, organisation_id: uuid.UUID) -> WorkOrder:
    """A person with an output, who asks to be forgotten."""
    user_id, output_id = new_id(), new_id()
    with Session(engine) as session, session.begin():
        session.add(User(id=user_id, organisation_id=organisation_id, external_id="ann"))
        session.add(
            Output(
                id=output_id, organisation_id=organisation_id, message=f"Fix it. {user_id}",
                transform_type="soften", intensity=2, text="Please.", facts_missing=[], spec_digest="d",
                version="v1", upstream_ms=1.0,
            )
        )  # fmt: skip
        session.flush()
        session.execute(
            text(
                "INSERT INTO feedback (id, organisation_id, user_id, output_id, kind, thumb_up)"
                " VALUES (:id, :organisation, :user, :output, 'thumb', true)"
            ),
            {"id": new_id(), "organisation": organisation_id, "user": user_id, "output": output_id},
        )
        database.read_for(session, organisation_id)
        erasure_id = session.scalar(
            text("SELECT request_erasure(:user, NULL, true)").bindparams(user=user_id)
        )
    return WorkOrder(uuid.UUID(str(erasure_id)), organisation_id, user_id)


def count_outputs(engine: Engine, ordered: WorkOrder) -> int:
    with engine.connect() as connection:
        query = text("SELECT count(*) FROM outputs WHERE message LIKE '%' || :user")
        return int(connection.execute(query, {"user": str(ordered.user_id)}).scalar_one())


def find(engine: Engine, ordered: WorkOrder) -> Erasure:
    with Session(engine) as session:
        return session.get_one(Erasure, ordered.id)


def finish(ordered: WorkOrder) -> None:
    """What the flow does, without a run in Prefect."""
    with disable_run_logger():
        forget.fn(ordered.id)


def finish_all(url: str) -> None:
    """Finish the orders whose rows are removed."""
    with psycopg.connect(url, autocommit=True) as connection:
        work_off(connection, True, finish, Waits())


def test_the_rows_go_while_a_training_runs_and_the_rest_follows_it(
    settings: Settings, engine: Engine, connection: psycopg.Connection
) -> None:
    ordered = order(engine, an_organisation(engine))
    url = str(settings.database_url)
    with database.lock(url, "train", wait=False) as may_train:
        assert may_train
        finishing = threading.Thread(target=finish_all, args=(url,))
        work_off(connection, False, partial(remove_rows, settings, engine), Waits())
        assert count_outputs(engine, ordered) == 0
        finishing.start()
        while not is_locked(connection, "erase"):
            assert finishing.is_alive()
            time.sleep(0.01)
        with database.lock(url, "snapshot", wait=False) as is_free:
            assert is_free, "a snapshot waits for no training"
        erasure = find(engine, ordered)
        assert (erasure.purged_at is not None, erasure.finished_at) == (True, None)
    finishing.join()
    assert find(engine, ordered).finished_at is not None
    assert work_orders.find_next(connection, True) is None


def is_locked(connection: psycopg.Connection, what: str) -> bool:
    """Whether a process holds a lock of the installation."""
    key = int.from_bytes(what.encode())
    row = connection.execute(
        "SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
        " AND (classid::bigint << 32 | objid::bigint) = %s"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        (key,),
    ).fetchone()
    return row is not None


def test_a_failure_delays_no_other_order_and_is_tried_again(
    engine: Engine, connection: psycopg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    organisation_id = an_organisation(engine)
    first, second = order(engine, organisation_id), order(engine, organisation_id)
    now, tried = [0.0], []

    def act(ordered: WorkOrder) -> None:
        tried.append(ordered.id)
        if ordered.id == first.id and now[0] < 10:
            raise ConnectionError("no Redis")
        with Session(engine) as session, session.begin():
            session.execute(text("UPDATE erasures SET purged_at = now() WHERE id = :id"), {"id": ordered.id})

    waits = Waits(clock=lambda: now[0])
    with caplog.at_level(logging.ERROR):
        work_off(connection, False, act, waits)
        work_off(connection, False, act, waits)
    assert tried == [first.id, second.id]
    assert f"erasure {first.id} is not finished; it is tried again in 10 s" in caplog.text
    assert "no Redis" in caplog.text
    now[0] = 10
    work_off(connection, False, act, waits)
    assert tried == [first.id, second.id, first.id]
    assert waits.list_waiting() == []


def test_the_wait_doubles_up_to_an_hour_and_begins_anew_after_a_success() -> None:
    now = [0.0]
    waits, id = Waits(clock=lambda: now[0]), uuid.uuid4()
    assert [waits.put_off(id) for _ in range(3)] == [10, 20, 40]
    assert waits.list_waiting() == [id]
    now[0] = 40
    assert waits.list_waiting() == []
    assert max(waits.put_off(id) for _ in range(20)) == 3600
    waits.drop(id)
    assert waits.put_off(id) == 10


def test_organisations_take_turns(engine: Engine, connection: psycopg.Connection) -> None:
    many, few = an_organisation(engine), an_organisation(engine)
    orders = [order(engine, organisation_id) for organisation_id in (many, many, many, few)]
    taken: list[WorkOrder] = []

    def act(ordered: WorkOrder) -> None:
        taken.append(ordered)
        with Session(engine) as session, session.begin():
            session.execute(text("UPDATE erasures SET purged_at = now() WHERE id = :id"), {"id": ordered.id})

    work_off(connection, False, act, Waits())
    assert taken == [orders[0], orders[3], orders[1], orders[2]]


def test_a_redis_that_is_away_keeps_the_rows_that_name_cached_outputs(
    settings: Settings, engine: Engine, connection: psycopg.Connection
) -> None:
    ordered = order(engine, an_organisation(engine))
    away, waits = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"}), Waits()
    work_off(connection, False, partial(remove_rows, away, engine), waits)
    assert (count_outputs(engine, ordered), waits.list_waiting()) == (1, [ordered.id])
    work_off(connection, False, partial(remove_rows, settings, engine), Waits())
    assert count_outputs(engine, ordered) == 0


# The threads of the flows' process, which run the flow without Prefect.
CARRIER = """
import threading
from functools import partial
from prefect.logging import disable_run_logger
from configs.settings import Settings
from data import database
from data.erasure import work_orders
from pipelines.deployments import listen
from pipelines.forget import Waits, forget, remove_rows, work_off

def finish(order):
    with disable_run_logger():
        forget.fn(order.id)

settings = Settings()
engine = database.engine_of(settings)
remove = partial(work_off, is_purged=False, act=partial(remove_rows, settings, engine), waits=Waits())
end = partial(work_off, is_purged=True, act=finish, waits=Waits())
arguments = settings.database_url, work_orders.CHANNEL
threading.Thread(target=listen, args=(*arguments, remove), daemon=True).start()
listen(*arguments, end)
"""


@pytest.mark.timeout(180)
def test_what_a_killed_process_has_begun_the_next_one_finishes(
    settings: Settings, engine: Engine, connection: psycopg.Connection
) -> None:
    url = str(settings.database_url)
    with (
        database.lock(url, "train", wait=False) as may_train,
        subprocess.Popen([sys.executable, "-c", CARRIER], env=environment(settings)) as process,
    ):
        assert may_train
        ordered = order(engine, an_organisation(engine))
        while not is_locked(connection, "erase"):
            assert process.poll() is None
            time.sleep(0.05)
        assert count_outputs(engine, ordered) == 0
        process.kill()
    while is_locked(connection, "erase"):  # until Postgres notices
        time.sleep(0.01)
    assert find(engine, ordered).finished_at is None
    with subprocess.Popen([sys.executable, "-c", CARRIER], env=environment(settings)) as process:
        while find(engine, ordered).finished_at is None:
            assert process.poll() is None
            time.sleep(0.05)
        later = order(engine, ordered.organisation_id)  # it goes on listening
        while find(engine, later).finished_at is None:
            assert process.poll() is None
            time.sleep(0.05)
        process.kill()
    with Session(engine) as session:
        assert session.scalars(select(Erasure.id).order_by(Erasure.id)).all() == [ordered.id, later.id]
    assert count_outputs(engine, later) == 0


def test_an_order_that_another_process_has_finished_is_left_alone(
    settings: Settings, engine: Engine, connection: psycopg.Connection
) -> None:
    """What the person has written since then is new."""
    ordered = order(engine, an_organisation(engine))
    with Session(engine) as session, session.begin():
        session.execute(text("UPDATE erasures SET finished_at = now() WHERE id = :id"), {"id": ordered.id})
    before = find(engine, ordered)
    remove_rows(settings, engine, ordered)
    finish(ordered)
    after = find(engine, ordered)
    assert count_outputs(engine, ordered) == 1
    assert (after.finished_at, after.purged_at) == (before.finished_at, None)
    assert work_orders.find_next(connection, False) is None
