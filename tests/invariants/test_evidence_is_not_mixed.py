"""Whatever the order of hits, ramps, changes of weights, promotions and rollbacks: no output crosses
organisations or specs, every answer is counted to the arm that its user was assigned, and nobody who was
exposed changes arms.

Two gateways share Redis and Postgres; two experiments share a layer. In place of the model stands an echo,
which says which version it is.
"""

import json
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.people import identities
from data.records import Spec, TransformType
from data.tables import Experiment, new_id
from data.traffic import routing
from data.traffic.answers import AnswerWriter
from data.traffic.routing import Arm, Routing, Split, Target
from experiments.assignment import assign, position
from serving.gateway import rate
from serving.gateway.auth import Authenticator, Caller
from serving.gateway.heartbeat import Directory
from serving.gateway.online import cache
from serving.gateway.online.answering import Online
from serving.gateway.online.placement import CHAMPION, Message
from serving.gateway.online.upstream import Upstream
from serving.gateway.rate import Limiter
from serving.inference.client import Item, Rewritten
from tests.logins import gateway_url

VERSIONS = ("v1", "v2", "v3")
Gateway = tuple[Authenticator, Directory, AnswerWriter, Online]

asks = st.tuples(
    st.just("ask"),
    st.integers(0, 1),  # the gateway
    st.integers(0, 1),  # the organisation
    st.sampled_from(["ann", "bob", "eve", "joe", "kim", "lee"]),
    st.sampled_from(["Fix it.", "Send it.", "Zoé", "Zoe\u0301"]),
    st.sampled_from([TransformType.SOFTEN, TransformType.CLARIFY]),
    st.integers(0, 1),
)
ramps = st.tuples(st.just("ramp"), st.integers(0, 1), st.sampled_from([0.0, 0.01, 0.1, 0.5, 1.0]))
weights = st.tuples(st.just("weigh"), st.integers(0, 1), st.sampled_from([0.01, 0.5, 0.9]))
promotions = st.tuples(st.just("promote"), st.sampled_from(VERSIONS))
rollbacks = st.tuples(st.just("roll back"))
walks = st.lists(
    st.one_of(asks, asks, asks, asks, ramps, weights, promotions, rollbacks), min_size=20, max_size=80
)


class Echo:
    """Answers with the request's fields and the version."""

    async def rewrite(self, spec: Spec, items: Sequence[Item], timeout_s: float = 0) -> list[Rewritten]:
        return [
            Rewritten(
                text=f"{spec.version}: {item.transform_type} {item.intensity} {item.text}",
                facts_missing=[],
                tokens=1,
                finished=True,
            )
            for item in items
        ]


@dataclass
class Trial:
    """One of the two experiments, as it is meant to be."""

    low: float
    takes: tuple[TransformType, ...]
    id: uuid.UUID = field(default_factory=new_id)
    salt: str = field(default_factory=lambda: uuid.uuid4().hex)
    ramp: float = 0.5
    reached: float = 0.5
    weight: float = 0.5
    published: tuple[float, float, str] | None = None
    epoch: int = 0
    exposed: dict[uuid.UUID, str] = field(default_factory=dict)

    def split(self, arms: dict[str, Spec]) -> Split:
        return Split(
            experiment_id=self.id,
            salt=self.salt,
            arms=tuple(Arm(name=name, weight=weight, spec=arms[name]) for name, weight in self.weights),
            slots=(self.low, self.low + 0.5),
            ramp=self.ramp,
            target=Target(transform_types=frozenset(self.takes)),
        )

    @property
    def weights(self) -> list[tuple[str, float]]:
        return [("baseline", 1 - self.weight), ("challenger", self.weight)]

    def arm(self, user_id: uuid.UUID, kind: TransformType) -> str | None:
        if kind not in (self.takes or TransformType):
            return None
        if not self.low <= position("main", user_id) < self.low + 0.5 * self.ramp:
            return None
        return self.exposed.setdefault(user_id, assign(self.salt, user_id, self.weights))


@dataclass
class Expected:
    organisation_id: uuid.UUID
    variant: str
    epoch: int
    version: str
    text: str


@asynccontextmanager
async def two_gateways(local: Settings) -> AsyncIterator[list[Gateway]]:
    assert local.database_url is not None
    redis = cache.connect(local.redis_url)
    assert redis is not None
    async with redis, database.online_pool(gateway_url(local.database_url)) as pool:
        gateways = []
        for _ in range(2):
            authenticator, limiter = Authenticator(pool, "s" * 32), Limiter(rate.plans(), redis)
            outputs = cache.Cache(redis)
            directory = Directory(pool, local.database_url, authenticator, limiter, outputs.forget)
            writer = AnswerWriter(pool, {})
            upstream = Upstream(Echo())  # type: ignore[arg-type]
            online = Online(pool, directory, outputs, upstream, writer, b"secret", 0.5)
            gateways.append((authenticator, directory, writer, online))
        yield gateways
        await redis.connection_pool.disconnect()


@given(walks)
@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_evidence_is_not_mixed(local: Settings, engine: Engine, walk: list[Any]) -> None:
    async with two_gateways(local) as gateways:
        await take_walk(gateways, engine, walk)


async def take_walk(gateways: list[Gateway], engine: Engine, walk: list[Any]) -> None:
    keys = [identities.generate_key() for _ in range(2)]
    for key in keys:
        identities.bootstrap(engine, key, f"org-{uuid.uuid4()}")

    trials = [Trial(0.0, ()), Trial(0.5, (TransformType.SOFTEN,))]
    with Session(engine) as session, session.begin():
        for trial in trials:
            session.add(Experiment(id=trial.id, name="x", hypothesis="", plan={}, salt=trial.salt))
    champions = ["v1"]

    async def publish() -> tuple[int, dict[str, Spec]]:
        """The specs in force from now on, in every gateway, by variant."""
        specs = {"baseline": Spec(version=champions[-1]), "challenger": Spec(version="v2", max_new_tokens=64)}
        wanted = Routing(
            champion=specs["baseline"],
            challengers=(specs["challenger"],),
            experiments=tuple(trial.split(specs) for trial in trials),
        )
        with Session(engine) as session, session.begin():
            epoch = routing.publish(session, wanted, "a test")
        for trial in trials:
            now = (trial.ramp, trial.weight, champions[-1])
            trial.epoch = trial.epoch if now == trial.published else epoch
            trial.published = now
        for _, directory, _, _ in gateways:
            await directory.beat()
        return epoch, specs

    epoch, specs = await publish()
    expected: dict[str, Expected] = {}
    for step, *what in walk:
        if step == "ask":
            number, organisation, user, message, kind, intensity = what
            authenticator, _, _, online = gateways[number]
            caller: Caller = await authenticator.identify(keys[organisation])
            response = await online.transform(caller, Message(message, kind, intensity, user))
            answer = json.loads(response.body)
            arms = [(trial.arm(caller.user(user)[0], kind), trial.epoch) for trial in trials]
            name, since = next((arm for arm in arms if arm[0]), (None, epoch))
            version = specs[name or "baseline"].version
            normal = message.replace("Zoe\u0301", "Zoé")
            assert answer["variant"] == (name or CHAMPION)
            assert answer["version"] == version
            assert answer["transformed_text"].replace("Zoe\u0301", "Zoé") == (
                f"{version}: {kind} {intensity} {normal}"
            )
            expected[answer["answer_id"]] = Expected(
                caller.identity.organisation_id, name or CHAMPION, since, version, answer["transformed_text"]
            )
            continue
        if step == "ramp":
            trial = trials[what[0]]
            trial.reached = max(trial.reached, what[1])
            trial.ramp = what[1] and trial.reached
        elif step == "weigh":
            # What a gateway has not written yet, another cannot know.
            for _, _, writer, _ in gateways:
                await writer.flush()
            trials[what[0]].weight = what[1]
        elif step == "promote":
            champions.append(what[0])
        elif len(champions) > 1:
            champions.pop()
        epoch, specs = await publish()

    for _, _, writer, _ in gateways:
        await writer.flush()
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT a.id::text, a.organisation_id, o.organisation_id, a.variant, a.epoch, o.version,"
                " o.text FROM answers a JOIN outputs o ON o.id = a.output_id WHERE a.id = ANY(:ids)"
            ),
            {"ids": [uuid.UUID(answer_id) for answer_id in expected]},
        ).all()
    assert len(rows) == len(expected)
    for answer_id, answered, generated_for, *stored in rows:
        was = expected[answer_id]
        assert answered == generated_for == was.organisation_id
        assert stored == [was.variant, was.epoch, was.version, was.text]
