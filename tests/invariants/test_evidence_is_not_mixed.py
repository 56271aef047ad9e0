"""Whatever the order of hits, ramps, promotions and rollbacks: no output crosses organisations or specs, and
every answer is counted to the arm that its user was assigned.

Two gateways share Redis and Postgres. In place of the model stands an echo, which says which version it is.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database, identities, routing
from data.answers import AnswerWriter
from data.records import Spec, TransformType
from data.routing import Arm, Routing, Split
from data.tables import Experiment, new_id
from experiments.assignment import assign
from serving.gateway import cache, rate
from serving.gateway.auth import Authenticator, Caller
from serving.gateway.online import CHAMPION, Message, Online
from serving.gateway.rate import Limiter
from serving.gateway.routing import Directory
from serving.gateway.upstream import Upstream
from serving.inference.client import Item, Rewritten

VERSIONS = ("v1", "v2", "v3")

asks = st.tuples(
    st.just("ask"),
    st.integers(0, 1),  # the gateway
    st.integers(0, 1),  # the organisation
    st.sampled_from(["ann", "bob", "eve", "joe"]),
    st.sampled_from(["Fix it.", "Send it.", "Zoé", "Zoe\u0301"]),
    st.sampled_from([TransformType.SOFTEN, TransformType.CLARIFY]),
    st.integers(0, 1),
)
ramps = st.tuples(st.just("ramp"), st.sampled_from([0.0, 0.01, 0.1, 0.5, 1.0]))
promotions = st.tuples(st.just("promote"), st.sampled_from(VERSIONS))
rollbacks = st.tuples(st.just("roll back"))
walks = st.lists(st.one_of(asks, asks, asks, asks, ramps, promotions, rollbacks), min_size=20, max_size=80)


class Echo:
    """Says what it was asked, and as whom."""

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
class Expected:
    organisation_id: uuid.UUID
    variant: str
    epoch: int
    version: str
    text: str


@given(walks)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@pytest.mark.timeout(300)
async def test_evidence_is_not_mixed(local: Settings, engine: Engine, walk: list[Any]) -> None:
    assert local.database_url is not None
    redis = cache.connect(local.redis_url)
    pool: AsyncConnectionPool = database.online_pool(local.database_url)
    await pool.open()
    gateways = []
    for _ in range(2):
        authenticator, limiter = Authenticator(pool), Limiter(rate.plans(), redis)
        outputs = cache.Cache(redis)
        directory = Directory(pool, local.database_url, authenticator, limiter, outputs.forget)
        writer = AnswerWriter(pool, local.database_url)
        upstream = Upstream(Echo())  # type: ignore[arg-type]
        online = Online(pool, directory, outputs, upstream, writer, b"secret")
        gateways.append((authenticator, directory, writer, online))
    keys = [identities.generate_key() for _ in range(2)]
    for key in keys:
        identities.bootstrap(engine, key, f"org-{uuid.uuid4()}")

    experiment_id, salt = new_id(), uuid.uuid4().hex
    with Session(engine) as session, session.begin():
        session.add(Experiment(id=experiment_id, name="x", hypothesis="", plan={}, salt=salt))

    weight, champions = 0.5, ["v1"]

    async def publish() -> tuple[int, list[tuple[str, float, str]]]:
        """The arms in force from now on, in every gateway: name, weight, version."""
        champion, challenger = Spec(version=champions[-1]), Spec(version="v2", max_new_tokens=64)
        arms = (
            Arm(name="baseline", weight=(1 - weight) / 2, spec=champion),
            Arm(name="challenger", weight=weight / 2, spec=challenger),
        )  # half of the people are in no arm
        split = Split(experiment_id=experiment_id, salt=salt, arms=arms)
        with Session(engine) as session, session.begin():
            epoch = routing.publish(
                session, Routing(champion=champion, challenger=challenger, experiment=split), "a test"
            )
        for _, directory, _, _ in gateways:
            await directory.beat()
        return epoch, [(arm.name, arm.weight, arm.spec.version) for arm in arms]

    epoch, arms = await publish()
    expected: dict[str, Expected] = {}
    for step, *what in walk:
        if step == "ask":
            number, organisation, user, said, kind, intensity = what
            authenticator, _, _, online = gateways[number]
            caller: Caller = await authenticator.identify(keys[organisation])
            given_ = await online.transform(caller, Message(said, kind, intensity, user))
            answer = json.loads(given_.body)
            name = assign(salt, caller.user(user)[0], ((arm, share) for arm, share, _ in arms))
            version = next((v for arm, _, v in arms if arm == name), champions[-1])
            normal = said.replace("Zoe\u0301", "Zoé")
            assert answer["variant"] == (name or CHAMPION)
            assert answer["version"] == version
            assert answer["transformed_text"].replace("Zoe\u0301", "Zoé") == (
                f"{version}: {kind} {intensity} {normal}"
            )
            expected[answer["answer_id"]] = Expected(
                caller.identity.organisation_id, name or CHAMPION, epoch, version, answer["transformed_text"]
            )
            continue
        if step == "ramp":
            (weight,) = what
        elif step == "promote":
            champions.append(what[0])
        elif len(champions) > 1:
            champions.pop()
        epoch, arms = await publish()

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
    if redis is not None:
        await redis.aclose()
        await redis.connection_pool.disconnect()
    await pool.close()
