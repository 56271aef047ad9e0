"""A broken variant is not called after some seconds, and a pause of its experiment is requested, once."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.people import identities
from data.people.identities import Identity
from data.reasons import reason
from data.records import Spec, TransformType
from data.tables import Decision, Experiment, new_id
from data.traffic import routing
from data.traffic.routing import Arm, Routing, Split
from experiments import decisions
from experiments.lifecycle import RefusedError
from serving.breaker import Breaker
from serving.gateway.app import create_app
from serving.gateway.online.placement import Message
from serving.gateway.parts import parts_of
from tests.gateways import client as client_of
from tests.gateways import patient, publish, running

CHAMPION = Spec(version="v1", max_new_tokens=8)
SOUND = Spec(version="v2", max_new_tokens=8)
MISSING = Spec(version="v404", max_new_tokens=8)
BROKEN = reason("variant_broken", version="v404", failed=5, calls=5, seconds=1)


@pytest.fixture(scope="module")
def url(new_database: Callable[..., str]) -> str:
    """A database of these tests' own: its experiments run."""
    return new_database()


@pytest.fixture(scope="module")
def engine(url: str) -> Iterator[Engine]:
    engine = database.engine(url)
    yield engine
    engine.dispose()


class Clock:
    """The time of the arms' breakers, which only a test moves on."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Gateway:
    """A gateway in this process, the versions that it called the service for, and its client."""

    def __init__(self, app: FastAPI, client: httpx.AsyncClient, key: str, clock: Clock) -> None:
        self.app, self.client, self.key, self.clock = app, client, key, clock
        self.parts = parts_of(app)
        self.called: list[str] = []
        upstream = self.parts.upstream
        rewrite = upstream.rewrite

        async def recorded(spec: Spec, item: object) -> object:
            self.called.append(spec.version)
            return await rewrite(spec, item)  # type: ignore[arg-type]

        upstream.rewrite = recorded  # type: ignore[assignment, method-assign]

    async def ask(self, text: str | None = None, user: str = "ann") -> httpx.Response:
        body = {"text": text or f"Fix it. {uuid.uuid4()}", "transform_type": "soften", "intensity": 2}
        return await self.client.post("/api/v1/transform", json={**body, "user_id": user})

    async def metric(self, name: str) -> float:
        metrics = self.parts.telemetry.metrics().decode()
        [value] = [line.split()[1] for line in metrics.splitlines() if line.startswith(f"{name} ")]
        return float(value)

    async def pauses_stored(self) -> None:
        """Wait until the pauses that were requested are in Postgres."""
        await self.parts.online.arm_failures.close()

    def try_now(self) -> None:
        """Let the time pass after which the variant is tried again."""
        self.clock.now_s += 60

    async def breaker(self, text: str) -> Breaker:
        """The breaker of the arm that answers a message of ann's, which is in memory."""
        caller = await self.parts.authenticator.identify(self.key)
        hit = self.parts.online.recall(caller, Message(text, TransformType.SOFTEN, 2, "ann"))
        assert hit is not None
        breaker = hit[1].breaker
        assert breaker is not None
        return breaker


@pytest.fixture
async def gateways(stack: Settings, url: str, engine: Engine) -> AsyncIterator[list[Gateway]]:
    """Two."""
    key = identities.generate_key()
    identities.bootstrap(engine, key, f"org-{uuid.uuid4()}")
    publish(engine, Routing(champion=CHAMPION))
    made = []
    async with AsyncExitStack() as open_:
        for _ in range(2):
            clock = Clock()
            front = create_app(patient(stack.model_copy(update={"database_url": url})), clock)
            app = await open_.enter_async_context(running(front))
            client = client_of(front)
            client.headers["X-API-Key"] = key
            made.append(Gateway(app, await open_.enter_async_context(client), key, clock))
        yield made


@pytest.fixture
def gateway(gateways: list[Gateway]) -> Gateway:
    return gateways[0]


async def start(
    engine: Engine, gateways: list[Gateway], arm: Spec, status: str = "running", champion: Spec = CHAMPION
) -> uuid.UUID:
    """An experiment in force, in which everybody is in one arm."""
    arms = (Arm(name="v3", weight=1, spec=arm),)
    testers = {Identity(uuid.uuid4(), gateways[0].key.split("_")[1], "member", b"", "free").user("eve"): "v3"}
    split = Split(experiment_id=new_id(), salt="s", arms=arms, testers=testers)
    with Session(engine) as session, session.begin():
        session.add(
            Experiment(id=split.experiment_id, name="x", hypothesis="", plan={}, salt="s", status=status)
        )
    publish(engine, Routing(champion=champion, experiments=(split,)))
    for gateway in gateways:
        await gateway.parts.directory.beat()
    return split.experiment_id


def decided(engine: Engine, experiment_id: uuid.UUID) -> list[Decision]:
    with Session(engine, expire_on_commit=False) as session:
        return list(session.scalars(select(Decision).where(Decision.experiment_id == experiment_id)))


async def test_a_broken_variant_is_left_alone_and_its_pause_asked_for(
    engine: Engine, gateway: Gateway
) -> None:
    experiment_id = await start(engine, [gateway], MISSING)
    for _ in range(5):
        answer = (await gateway.ask()).json()
        assert (answer["variant"], answer["version"], answer["fallback"]) == ("v3", "v1", True)
    await gateway.pauses_stored()
    [row] = decided(engine, experiment_id)
    assert (row.action, row.requested_by, row.parameters) == ("pause", decisions.BREAKER, {})
    [why] = row.reasons
    assert why == BROKEN
    assert re.fullmatch(
        r"v404 failed 5 of 5 requests within \d+ s while the champion answered them\. The champion answers"
        r" everybody until a person decides\.",
        why.render(),
    )
    assert re.match(r"v404 が \d+ 秒以内に 5 件のリクエストのうち 5 件で失敗し、", why.render("ja"))
    assert (row.claimed_at, row.done_at, row.outcome) == (None, None, None), "the flow carries it out"
    assert gateway.called == ["v404", "v1"] * 5

    gateway.called.clear()
    for _ in range(6):
        answer = (await gateway.ask()).json()
        assert (answer["variant"], answer["version"], answer["fallback"]) == ("v3", "v1", True)
    assert gateway.called == ["v1"] * 6, "it is not tried"
    assert await gateway.metric("tonebridge_variant_breakers_open") == 1
    assert await gateway.metric("tonebridge_variant_breaker_trips") == 1

    gateway.called.clear()
    gateway.try_now()
    await asyncio.gather(*(gateway.ask() for _ in range(3)))
    assert gateway.called.count("v404") == 1, "a trial now and then"
    await gateway.pauses_stored()
    assert len(decided(engine, experiment_id)) == 1
    assert await gateway.metric("tonebridge_variant_breaker_trips") == 1


async def test_many_gateways_make_one_decision_an_epoch(engine: Engine, gateways: list[Gateway]) -> None:
    experiment_id = await start(engine, gateways, MISSING)
    await asyncio.gather(*(gateway.ask() for gateway in gateways for _ in range(8)))
    for gateway in gateways:
        await gateway.pauses_stored()
        assert await gateway.metric("tonebridge_variant_breakers_open") == 1
    [row] = decided(engine, experiment_id)

    def end(outcome: str, status: str, ramp: float) -> None:
        with Session(engine) as session, session.begin():
            session.get_one(Decision, row.id).outcome = outcome
            session.get_one(Experiment, experiment_id).status = status
            current = routing.current(session)
            assert current is not None
            [split] = current.routing.experiments
            split = split.model_copy(update={"ramp": ramp})
            routing.publish(session, current.routing.model_copy(update={"experiments": (split,)}), "a test")

    # It is paused; somebody looks, and starts it again, broken as it is.
    for status, ramp in (("paused", 0.0), ("running", 1.0)):
        end("done", status, ramp)
        for gateway in gateways:
            await gateway.parts.directory.beat()
            answer = (await gateway.ask()).json()
            assert answer["variant"] == ("v3" if ramp else "champion")
            assert await gateway.metric("tonebridge_variant_breakers_open") == 0
    for gateway in gateways:
        await asyncio.gather(*(gateway.ask() for _ in range(8)))
        await gateway.pauses_stored()
    assert [decision.action for decision in decided(engine, experiment_id)] == ["pause", "pause"]


async def test_two_that_ask_at_the_same_time_store_one_row(engine: Engine, gateways: list[Gateway]) -> None:
    experiment_id = await start(engine, gateways, MISSING)

    async def ask(gateway: Gateway) -> bool:
        async with gateway.parts.pool.connection() as connection:
            try:
                return await decisions.request_pause(connection, experiment_id, 1, BROKEN)
            except RefusedError:  # the other row is there already
                return False

    assert sum(await asyncio.gather(*(ask(gateway) for gateway in gateways * 4))) == 1
    assert [row.reasons for row in decided(engine, experiment_id)] == [[BROKEN]]


async def test_a_variant_counts_no_failure_where_the_champion_fails_as_well(
    engine: Engine, gateway: Gateway
) -> None:
    experiment_id = await start(engine, [gateway], MISSING, champion=Spec(version="v405"))
    assert {(await gateway.ask()).status_code for _ in range(12)} == {503}
    assert await gateway.metric("tonebridge_variant_breakers_open") == 0
    assert gateway.called == ["v404", "v405"] * 12
    assert decided(engine, experiment_id) == []


async def test_what_the_champion_has_cached_shows_nothing(engine: Engine, gateway: Gateway) -> None:
    text = f"Fix it. {uuid.uuid4()}"
    assert (await gateway.ask(text)).json()["version"] == "v1"
    experiment_id = await start(engine, [gateway], MISSING)
    for _ in range(8):
        answer = (await gateway.ask(text)).json()
        assert (answer["cache"], answer["fallback"]) == ("l1", True)
    assert await gateway.metric("tonebridge_variant_breakers_open") == 0
    assert decided(engine, experiment_id) == []


async def test_one_failure_that_many_waited_for_is_one(engine: Engine, gateway: Gateway) -> None:
    await start(engine, [gateway], MISSING)
    text = f"Fix it. {uuid.uuid4()}"
    answers = await asyncio.gather(*(gateway.ask(text) for _ in range(8)))
    assert {answer.json()["fallback"] for answer in answers} == {True}
    assert gateway.called == ["v404", "v1"]
    assert await gateway.metric("tonebridge_variant_breakers_open") == 0


async def test_what_a_variant_has_cached_is_answered_while_it_is_left_alone(
    engine: Engine, gateway: Gateway
) -> None:
    await start(engine, [gateway], SOUND)
    text = f"Fix it. {uuid.uuid4()}"
    assert (await gateway.ask(text)).json()["version"] == "v2"
    breaker = await gateway.breaker(text)
    for _ in range(6):
        breaker.failed()
    for level in ("l1", "l2"):
        answer = (await gateway.ask(text)).json()
        assert (answer["version"], answer["cache"], answer["fallback"]) == ("v2", level, False)
        gateway.parts.cache.forget()
    assert (await gateway.ask()).json()["version"] == "v1"
    gateway.try_now()
    assert [(await gateway.ask()).json()["version"] for _ in range(2)] == ["v2", "v2"], "it is well again"
    assert await gateway.metric("tonebridge_variant_breakers_open") == 0


async def test_a_tester_tries_it_each_time_and_trips_nothing(engine: Engine, gateway: Gateway) -> None:
    experiment_id = await start(engine, [gateway], MISSING)
    for _ in range(8):
        assert (await gateway.ask(user="eve")).json()["fallback"]
    assert gateway.called == ["v404", "v1"] * 8
    assert decided(engine, experiment_id) == []


async def test_a_holdout_is_left_alone_but_goes_on(
    engine: Engine, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    experiment_id = await start(engine, [gateway], MISSING, status="holdout")
    for _ in range(7):
        assert (await gateway.ask()).json()["version"] == "v1"
    await gateway.pauses_stored()
    assert gateway.called.count("v404") == 5
    assert await gateway.metric("tonebridge_variant_breakers_open") == 1
    assert decided(engine, experiment_id) == []
    assert f"experiment {experiment_id} is not paused: this is the holdout" in caplog.text


async def test_postgres_away_when_it_trips_loses_nothing_but_the_row(
    engine: Engine, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    experiment_id = await start(engine, [gateway], MISSING)
    with monkeypatch.context() as patch:
        away = database.online_pool("postgresql://localhost:1/none", timeout_s=0.1)
        patch.setattr(gateway.parts.online.arm_failures, "_pool", away)
        for _ in range(7):
            assert (await gateway.ask()).json()["version"] == "v1"
        await gateway.pauses_stored()
    assert f"the pause of experiment {experiment_id} could not be requested" in caplog.text
    assert gateway.called.count("v404") == 5
    assert decided(engine, experiment_id) == []
    gateway.try_now()
    assert (await gateway.ask()).json()["fallback"], "and the trial that fails asks again"
    await gateway.pauses_stored()
    [row] = decided(engine, experiment_id)
    [why] = row.reasons
    assert (why.code, why.values["version"], why.values["failed"]) == ("variant_broken", "v404", 5)
