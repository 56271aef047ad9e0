"""Decisions: requests, refusals, and claims, of which each decision has one at a time."""

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
from experiments import decisions, plan
from experiments.decisions import Command, Request, UnknownExperimentError
from experiments.lifecycle import Action, RefusedError
from tests.logins import gateway_url


@pytest.fixture
def url(new_database: Callable[..., str]) -> str:
    """A database of this test: a claim takes the oldest decision in it."""
    return new_database()


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = database.engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
async def pool(url: str) -> AsyncIterator[AsyncConnectionPool]:
    pool = database.online_pool(gateway_url(url), timeout_s=60)
    await pool.open(wait=True, timeout=60)
    yield pool
    await pool.close()


@pytest.fixture
def experiment(engine: Engine) -> uuid.UUID:
    """A running experiment with a quarter of the users."""
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


def build_request(experiment: uuid.UUID, action: Action = Action.PAUSE, **changes: object) -> Request:
    request = Request(experiment, action, {}, written("It is late."), "api_key:abcd", str(uuid.uuid4()))
    return request._replace(**changes)  # type: ignore[arg-type]


async def ask(pool: AsyncConnectionPool, request: Request) -> uuid.UUID:
    async with pool.connection() as connection:
        return await decisions.ask(connection, request)


def claim(engine: Engine) -> Command | None:
    with Session(engine) as session, session.begin():
        return decisions.claim(session)


def read_decision(engine: Engine, decision_id: uuid.UUID) -> Decision:
    with Session(engine) as session:
        return session.get_one(Decision, decision_id)


async def test_a_request_is_stored_once_with_requester_action_and_reasons_and_notifies(
    pool: AsyncConnectionPool, engine: Engine, url: str, experiment: uuid.UUID
) -> None:
    request = build_request(
        experiment, Action.RAMP, parameters={"share": 0.5}, requested_by="token:" + "x" * 200
    )
    with psycopg.connect(url, autocommit=True) as listening:
        listening.execute(f'LISTEN "{decisions.CHANNEL}"')
        assert not decisions.is_any_open(listening)
        decision_id = await ask(pool, request)
        assert [notice.payload for notice in listening.notifies(timeout=60, stop_after=1)] == [
            str(decision_id)
        ]
        assert decisions.is_any_open(listening)
    assert await ask(pool, request) == decision_id, "a repeated request is the same decision"
    for different in (
        request._replace(parameters={"share": 0.75}),
        request._replace(reasons=written("Another.")),
        request._replace(action=Action.PAUSE, parameters={}),
        request._replace(experiment_id=new_id()),
    ):
        with pytest.raises(RefusedError, match=f"used for decision {decision_id}") as refused:
            await ask(pool, different)
        assert refused.value.reasons == [reason("decision_key_reused", decision=str(decision_id))]
    row = read_decision(engine, decision_id)
    assert (row.action, row.parameters, row.reasons) == ("ramp", {"share": 0.5}, written("It is late."))
    assert (row.requested_by, row.claimed_at, row.done_at, row.outcome) == ("token:" + "x" * 200, *[None] * 3)

    command = claim(engine)
    assert command is not None
    with Session(engine) as session, session.begin():
        decisions.record(session, command, {"epoch": 2})
    assert await ask(pool, request) == decision_id, "also when it is done"
    row = read_decision(engine, decision_id)
    assert (row.parameters, row.outcome, row.failure) == ({"share": 0.5, "epoch": 2}, "done", None)
    assert row.created_at <= row.claimed_at <= row.done_at  # type: ignore[operator]


async def test_an_action_that_the_status_does_not_allow_is_refused_without_a_row(
    pool: AsyncConnectionPool, engine: Engine, experiment: uuid.UUID
) -> None:
    unknown_id = new_id()
    with pytest.raises(UnknownExperimentError) as unknown:
        await ask(pool, build_request(unknown_id))
    assert unknown.value.reasons == [reason("unknown_experiment", experiment=str(unknown_id))]
    with pytest.raises(RefusedError) as refused:
        await ask(pool, build_request(experiment, Action.RAMP, parameters={"share": 0.24}))
    assert refused.value.reasons == [reason("share_too_small", reached=0.25, share=0.24)]
    with pytest.raises(RefusedError) as refused:
        await ask(pool, build_request(experiment, Action.START))
    assert refused.value.reasons == [reason("already_running")]
    decision_id = await ask(pool, build_request(experiment))
    with pytest.raises(RefusedError) as refused:
        await ask(pool, build_request(experiment))
    assert refused.value.reasons == [reason("already_requested", decision=str(decision_id))]
    with Session(engine) as session:
        assert session.scalars(select(Decision.id)).all() == [decision_id]


async def test_a_draft_does_not_start_while_other_experiments_leave_too_few_users_free(
    pool: AsyncConnectionPool, engine: Engine, experiment: uuid.UUID
) -> None:
    drafts = {share: new_id() for share in (0.2, 0.1)}
    with Session(engine) as session, session.begin():
        for share, draft in drafts.items():
            planned = plan.with_changes({"traffic_share": share}).model_dump(mode="json")
            session.add(Experiment(id=draft, name="y", hypothesis="y", plan=planned, salt="y"))
    with pytest.raises(RefusedError) as refused:
        await ask(pool, build_request(drafts[0.2], Action.START))
    [why] = refused.value.reasons
    assert why.code == "no_free_users"
    assert why.values == {"needed": 0.2, "free": pytest.approx(0.1)}
    assert "leave 10% of the users free, and this one needs 20%; draft it with a smaller" in str(
        refused.value
    )
    assert "空いているユーザーは 10% です。この実験には 20% が必要です" in render(refused.value.reasons, "ja")
    await ask(pool, build_request(drafts[0.1], Action.START))


async def test_two_concurrent_claims_get_two_decisions_in_the_order_of_requests(
    pool: AsyncConnectionPool, engine: Engine, experiment: uuid.UUID
) -> None:
    requested = [
        await ask(pool, build_request(experiment, Action.RAMP, parameters={"share": share}))
        for share in (0.5, 0.75)
    ]
    with Session(engine) as first, first.begin(), Session(engine) as second, second.begin():
        claims = [decisions.claim(first), decisions.claim(second)]
        assert [claim and claim.id for claim in claims] == requested
        assert claims[0] == Command(
            experiment,
            Action.RAMP,
            written("It is late."),
            {"share": 0.5},
            requested[0],
            "api_key:abcd",
            is_again=False,
        )


async def test_a_claim_of_a_process_that_died_is_claimed_again_under_the_lock(
    pool: AsyncConnectionPool, engine: Engine, url: str, experiment: uuid.UUID
) -> None:
    decision_id = await ask(pool, build_request(experiment))
    later = await ask(pool, build_request(experiment, Action.ROLL_BACK))
    with database.lock(url, "decide", wait=False) as first:
        assert first
        assert claim(engine) is not None
        with database.lock(url, "decide", wait=False) as second:
            assert not second, "so no other process claims the row"
    # The holder of the lock has ended without an outcome.
    with database.lock(url, "decide", wait=False) as third:
        assert third
        again = claim(engine)
        assert again is not None
        assert (again.id, again.is_again) == (decision_id, True), "no later decision overtakes it"
        with Session(engine) as session, session.begin():
            decisions.fail(session, again, written("a test"), {"measured": 1})
        last = claim(engine)
        assert last is not None
        assert (last.id, last.is_again) == (later, False)
    row = read_decision(engine, decision_id)
    assert (row.outcome, row.failure) == ("failed", written("a test"))
    assert row.parameters == {"measured": 1}


async def test_an_old_decision_that_was_interrupted_fails(
    pool: AsyncConnectionPool, engine: Engine, experiment: uuid.UUID
) -> None:
    decision_id = await ask(pool, build_request(experiment))
    with Session(engine) as session, session.begin():
        age = {"created_at": Decision.created_at - decisions.GIVEN_UP}
        session.execute(update(Decision).where(Decision.id == decision_id).values(**age))
    command = claim(engine)
    assert command is not None, "a decision that has only waited does not fail"
    assert claim(engine) is None
    row = read_decision(engine, decision_id)
    assert (row.outcome, row.failure) == ("failed", [reason("process_ended")])
    assert row.done_at is not None


def test_a_proposal_is_made_once_and_is_not_claimed(engine: Engine, experiment: uuid.UUID) -> None:
    with Session(engine) as session, session.begin():
        for number in range(3):
            command = Command(experiment, Action.SHIP, written(f"People prefer it in analysis {number}."))
            assert decisions.propose(session, command) == (number == 0)
        assert decisions.propose(session, Command(experiment, Action.ROLL_BACK, written("Or not.")))
    with Session(engine) as session:
        rows = session.scalars(select(Decision).order_by(Decision.created_at, Decision.id)).all()
        assert [(row.action, row.outcome, row.reasons) for row in rows] == [
            ("ship", "proposed", written("People prefer it in analysis 0.")),
            ("roll_back", "proposed", written("Or not.")),
        ]
        assert {row.requested_by for row in rows} == {"flow:experiment"}
    assert claim(engine) is None
    with Session(engine) as session, session.begin():
        decisions.record(session, Command(experiment, Action.SHIP, written("A person decided it.")), {})
