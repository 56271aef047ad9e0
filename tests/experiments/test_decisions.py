"""Decisions: who asks for what, what cannot be, and that each is claimed by one, however many look."""

import uuid
from collections.abc import AsyncIterator, Callable, Iterator

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from data import database
from data.reasons import reason, render, written
from data.records import Spec
from data.tables import Decision, Experiment, new_id
from data.traffic import routing
from data.traffic.routing import Arm, Routing, Split
from experiments import decisions
from experiments.decisions import Command, Request, UnknownExperimentError
from experiments.lifecycle import Action, RefusedError, Status
from tests.logins import gateway_url


@pytest.fixture
def url(new_database: Callable[..., str]) -> str:
    """A database of the test's own: whoever claims takes the oldest decision of an installation."""
    return new_database()


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = database.engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
async def pool(url: str) -> AsyncIterator[AsyncConnectionPool]:
    pool = database.online_pool(gateway_url(url))
    await pool.open(wait=True)
    yield pool
    await pool.close()


@pytest.fixture
def experiment(engine: Engine) -> uuid.UUID:
    """One that runs, for a quarter of the users."""
    split = Split(
        experiment_id=new_id(),
        salt="s",
        arms=tuple(Arm(name=name, weight=0.5, spec=Spec(version=name)) for name in ("v1", "v2")),
        slots=(0.1, 1.0),
        ramp=0.25,
    )
    with Session(engine) as session, session.begin():
        session.add(
            Experiment(id=split.experiment_id, name="x", hypothesis="x", plan={}, salt="s", status="running")
        )
        routing.publish(
            session, Routing(champion=Spec(version="v1"), experiments=(split,)), written("a test")
        )
    return split.experiment_id


def a_request(experiment: uuid.UUID, action: Action = Action.PAUSE, **changes: object) -> Request:
    wanted = Request(experiment, action, {}, written("It is late."), "api_key:abcd", str(uuid.uuid4()))
    return wanted._replace(**changes)  # type: ignore[arg-type]


async def ask(pool: AsyncConnectionPool, request: Request) -> uuid.UUID:
    async with pool.connection() as connection:
        return await decisions.ask(connection, request)


def claim(engine: Engine) -> Command | None:
    with Session(engine) as session, session.begin():
        return decisions.claim(session)


def stored(engine: Engine, decision_id: uuid.UUID) -> Decision:
    with Session(engine) as session:
        return session.get_one(Decision, decision_id)


async def test_a_request_is_stored_once_with_who_what_and_why_and_gives_notice(
    pool: AsyncConnectionPool, engine: Engine, url: str, experiment: uuid.UUID
) -> None:
    request = a_request(experiment, Action.RAMP, parameters={"share": 0.5}, requested_by="token:" + "x" * 200)
    with psycopg.connect(url, autocommit=True) as listening:
        listening.execute(f'LISTEN "{decisions.CHANNEL}"')
        assert not decisions.is_any_open(listening)
        asked = await ask(pool, request)
        assert [one.payload for one in listening.notifies(timeout=5, stop_after=1)] == [str(asked)]
        assert decisions.is_any_open(listening)
    assert await ask(pool, request) == asked, "the same again is the same decision"
    for other in (
        request._replace(parameters={"share": 0.75}),
        request._replace(reasons=written("Another.")),
        request._replace(action=Action.PAUSE, parameters={}),
        request._replace(experiment_id=new_id()),
    ):
        with pytest.raises(RefusedError, match=f"used for decision {asked}") as refused:
            await ask(pool, other)
        assert refused.value.reasons == [reason("decision_key_reused", decision=str(asked))]
    row = stored(engine, asked)
    assert (row.action, row.parameters, row.reasons) == ("ramp", {"share": 0.5}, written("It is late."))
    assert (row.requested_by, row.claimed_at, row.done_at, row.outcome) == ("token:" + "x" * 200, *[None] * 3)

    command = claim(engine)
    assert command is not None
    with Session(engine) as session, session.begin():
        decisions.record(session, command, {"epoch": 2})
    assert await ask(pool, request) == asked, "nor is it decided again when it is done"
    row = stored(engine, asked)
    assert (row.parameters, row.outcome, row.failure) == ({"share": 0.5, "epoch": 2}, "done", None)
    assert row.created_at <= row.claimed_at <= row.done_at  # type: ignore[operator]


async def test_what_the_experiment_does_not_allow_is_refused_and_leaves_no_row(
    pool: AsyncConnectionPool, engine: Engine, experiment: uuid.UUID
) -> None:
    nowhere = new_id()
    with pytest.raises(UnknownExperimentError) as unknown:
        await ask(pool, a_request(nowhere))
    assert unknown.value.reasons == [reason("unknown_experiment", experiment=str(nowhere))]
    with pytest.raises(RefusedError) as refused:
        await ask(pool, a_request(experiment, Action.RAMP, parameters={"share": 0.24}))
    assert refused.value.reasons == [reason("share_too_small", reached=0.25, share=0.24)]
    with pytest.raises(RefusedError) as refused:
        await ask(pool, a_request(experiment, Action.START))
    assert refused.value.reasons == [reason("already_running")]
    asked = await ask(pool, a_request(experiment))
    with pytest.raises(RefusedError) as refused:
        await ask(pool, a_request(experiment))
    assert refused.value.reasons == [reason("already_requested", decision=str(asked))]
    with Session(engine) as session:
        assert session.scalars(select(Decision.id)).all() == [asked]


async def test_a_draft_does_not_start_beside_another(
    pool: AsyncConnectionPool, engine: Engine, experiment: uuid.UUID
) -> None:
    draft = new_id()
    with Session(engine) as session, session.begin():
        session.add(Experiment(id=draft, name="y", hypothesis="y", plan={}, salt="y"))
    for status, japanese in ((Status.RUNNING, "実行中"), (Status.PAUSED, "一時停止中")):
        with Session(engine) as session, session.begin():
            session.get_one(Experiment, experiment).status = status
        with pytest.raises(RefusedError, match=f"“x” is {status}, and only one runs at a time") as refused:
            await ask(pool, a_request(draft, Action.START))
        assert refused.value.reasons == [reason("another_experiment", name="x", status=status.value)]
        assert f"実験「x」が{japanese}です" in render(refused.value.reasons, "ja")
    with Session(engine) as session, session.begin():
        session.get_one(Experiment, experiment).status = "shipped"
    await ask(pool, a_request(draft, Action.START))


async def test_two_who_look_at_once_get_two_decisions_in_the_order_they_were_asked_for(
    pool: AsyncConnectionPool, engine: Engine, experiment: uuid.UUID
) -> None:
    asked = [
        await ask(pool, a_request(experiment, Action.RAMP, parameters={"share": share}))
        for share in (0.5, 0.75)
    ]
    with Session(engine) as one, one.begin(), Session(engine) as other, other.begin():
        claims = [decisions.claim(one), decisions.claim(other)]
        assert [claim and claim.id for claim in claims] == asked
        assert claims[0] == Command(
            experiment,
            Action.RAMP,
            written("It is late."),
            {"share": 0.5},
            asked[0],
            "api_key:abcd",
            is_again=False,
        )


async def test_whoever_does_not_hold_the_lock_claims_nothing_and_a_dead_ones_claim_is_taken_over(
    pool: AsyncConnectionPool, engine: Engine, url: str, experiment: uuid.UUID
) -> None:
    asked = await ask(pool, a_request(experiment))
    later = await ask(pool, a_request(experiment, Action.ROLL_BACK))
    with database.lock(url, "decide", wait=False) as first:
        assert first
        assert claim(engine) is not None
        with database.lock(url, "decide", wait=False) as second:
            assert not second, "so the row that is claimed and open is not another's to take"
    # Whoever held the lock is gone, and has not finished.
    with database.lock(url, "decide", wait=False) as third:
        assert third
        again = claim(engine)
        assert again is not None
        assert (again.id, again.is_again) == (asked, True), "no later one overtakes it"
        with Session(engine) as session, session.begin():
            decisions.fail(session, again, written("a test"), {"measured": 1})
        last = claim(engine)
        assert last is not None
        assert (last.id, last.is_again) == (later, False)
    row = stored(engine, asked)
    assert (row.outcome, row.failure) == ("failed", written("a test"))
    assert row.parameters == {"measured": 1}


async def test_what_ends_every_process_is_given_up(
    pool: AsyncConnectionPool, engine: Engine, experiment: uuid.UUID
) -> None:
    asked = await ask(pool, a_request(experiment))
    with Session(engine) as session, session.begin():
        age = {"created_at": Decision.created_at - decisions.GIVEN_UP}
        session.execute(update(Decision).where(Decision.id == asked).values(**age))
    found = claim(engine)
    assert found is not None, "one that merely waited is not given up"
    assert claim(engine) is None
    row = stored(engine, asked)
    assert (row.outcome, row.failure) == ("failed", [reason("process_ended")])
    assert row.done_at is not None


def test_a_proposal_is_made_once_and_is_not_claimed(engine: Engine, experiment: uuid.UUID) -> None:
    with Session(engine) as session, session.begin():
        for number in range(3):
            command = Command(experiment, Action.SHIP, written(f"People prefer it, said analysis {number}."))
            assert decisions.propose(session, command) == (number == 0)
        assert decisions.propose(session, Command(experiment, Action.ROLL_BACK, written("Or not.")))
    with Session(engine) as session:
        rows = session.scalars(select(Decision).order_by(Decision.created_at, Decision.id)).all()
        assert [(row.action, row.outcome, row.reasons) for row in rows] == [
            ("ship", "proposed", written("People prefer it, said analysis 0.")),
            ("roll_back", "proposed", written("Or not.")),
        ]
        assert {row.requested_by for row in rows} == {"flow:experiment"}
    assert claim(engine) is None
    with Session(engine) as session, session.begin():
        decisions.record(session, Command(experiment, Action.SHIP, written("A person said so.")), {})
