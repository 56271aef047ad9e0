"""The routes for experiments: who may use them, what they refuse and in which words, and the audit trail."""

import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import jwt
import pytest
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, func, select, text, update
from sqlalchemy.orm import Session

from data import database
from data.erasure import orders
from data.people import identities
from data.reasons import dump, reason, written
from data.records import Spec
from data.tables import (
    Decision,
    Erasure,
    Experiment,
    Organisation,
    TrafficSummary,
    Variant,
    Version,
    new_id,
)
from data.traffic import routing
from data.traffic.routing import Arm, Routing, Split
from experiments import forecasting, metrics, plan
from experiments.history import History, PastMetric
from serving.gateway.routes import experiments
from tests import gateways
from tests.logins import gateway_url

CHATTERS = reason("gate_chatter", mean=0.1, low=0.05, high=0.15, limit=0.03)
SECRET = b"a secret of at least 32 bytes, shared"
WANTED = {"name": "v2 against v1", "hypothesis": "People prefer v2.", "challengers": ["v2"]}


@pytest.fixture(scope="module")
def url(new_database: Callable[..., str]) -> str:
    """A database of these tests' own: experiments are an installation's, one at a time."""
    return new_database()


@pytest.fixture(scope="module")
def engine(url: str) -> Iterator[Engine]:
    engine = database.engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def organisation_id(engine: Engine) -> uuid.UUID:
    """The tenant that runs a new installation. v1 is champion, v2 was accepted, v3 refused."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        session.execute(
            text(
                "TRUNCATE organisations, versions, epochs, specs, experiments, idempotent_requests,"
                " traffic_summaries CASCADE"
            )
        )
        tenant = Organisation(name="ours")
        session.add(tenant)
        for name, reasons in (("v1", []), ("v2", []), ("v3", [CHATTERS])):
            session.add(
                Version(
                    name=name,
                    run_id=name,
                    method="sft",
                    metrics={},
                    accepted=not reasons,
                    reasons=reasons,
                )
            )
        routing.publish(session, Routing(champion=Spec(version="v1")), "a test")
    return tenant.id


@pytest.fixture
async def pool(url: str) -> AsyncIterator[AsyncConnectionPool]:
    pool = database.online_pool(gateway_url(url))
    await pool.open(wait=True)
    yield pool
    await pool.close()


@pytest.fixture
async def app(pool: AsyncConnectionPool) -> FastAPI:
    return await gateways.app_of(pool, experiments.router, organisation="ours")


@pytest.fixture
def experimenter(a_key: Callable[..., dict[str, str]]) -> dict[str, str]:
    return a_key("experimenter")


async def post(
    client: httpx.AsyncClient, path: str, body: Any, who: dict[str, str], key: str | None = None
) -> httpx.Response:
    """A request with an Idempotency-Key, a new one unless it is given."""
    return await client.post(
        f"/experiments{path}", json=body, headers={**who, "Idempotency-Key": key or str(uuid.uuid4())}
    )


async def drafted(client: httpx.AsyncClient, who: dict[str, str], **changes: Any) -> dict[str, Any]:
    response = await post(client, "", {**WANTED, **changes}, who)
    assert response.status_code == 201, response.text
    return dict(response.json())


def set_status(engine: Engine, experiment_id: str, status: str, ramp: float | None = None) -> None:
    """Let an experiment be as if the flow had made it so; with a ramp, it is in the routing."""
    with Session(engine) as session, session.begin():
        row = session.get_one(Experiment, uuid.UUID(experiment_id))
        row.status = status
        if ramp is not None:
            arms = tuple(Arm(name=name, weight=0.5, spec=Spec(version=name)) for name in ("v1", "v2"))
            split = Split(experiment_id=row.id, salt=row.salt, arms=arms, slots=(0.1, 1.0), ramp=ramp)
            routing.publish(session, Routing(champion=Spec(version="v1"), experiments=(split,)), "a test")


SOME = str(uuid.UUID(int=7))
WRITES = [
    ("", WANTED),
    (f"/{SOME}/start", {}),
    (f"/{SOME}/ramp", {"share": 0.5}),
    (f"/{SOME}/pause", {}),
    (f"/{SOME}/ship", {"reason": "It is better."}),
    (f"/{SOME}/rollback", {"reason": "It is worse."}),
]
READS = ["/experiments", f"/experiments/{SOME}"]


@pytest.mark.parametrize(("path", "body"), WRITES, ids=lambda value: str(value)[-9:])
async def test_who_may_decide(
    client: httpx.AsyncClient,
    a_key: Callable[..., dict[str, str]],
    stranger: dict[str, str],
    path: str,
    body: Any,
) -> None:
    assert (await post(client, path, body, {})).status_code == 401
    for role in ("member", "viewer"):
        refused = await post(client, path, body, a_key(role))
        assert refused.status_code == 403
        assert f"a {role} may not draft experiments" in refused.json()["detail"]
        assert "takes the role experimenter or above" in refused.json()["detail"]
    foreign = await post(client, path, body, stranger)
    assert foreign.status_code == 403
    assert "only the organisation that runs this installation" in foreign.json()["detail"]
    for role in ("experimenter", "admin", "owner"):
        assert (await post(client, path, body, a_key(role))).status_code in (201, 404)


@pytest.mark.parametrize("path", READS)
async def test_who_may_read(
    client: httpx.AsyncClient, a_key: Callable[..., dict[str, str]], stranger: dict[str, str], path: str
) -> None:
    refused = await client.get(path, headers=a_key("member"))
    assert refused.status_code == 403
    assert "a member may not see experiments; that takes the role viewer or above" in refused.text
    assert (await client.get(path, headers=stranger)).status_code == 403
    for role in ("viewer", "experimenter", "owner"):
        assert (await client.get(path, headers=a_key(role))).status_code in (200, 404)


async def test_experiments_are_found_by_status(
    client: httpx.AsyncClient, engine: Engine, a_key: Callable[..., dict[str, str]]
) -> None:
    ids = {status: str(new_id()) for status in ("draft", "shipped", "stopped")}
    with Session(engine) as session, session.begin():
        for status, id in ids.items():
            session.add(
                Experiment(id=uuid.UUID(id), name="x", hypothesis="x", plan={}, salt="x", status=status)
            )
    for query, found in (
        ("status=shipped", ["shipped"]),
        ("status=stopped&status=draft", ["draft", "stopped"]),
    ):
        listed = (await client.get(f"/experiments?limit=200&{query}", headers=a_key("viewer"))).json()
        assert {experiment["status"] for experiment in listed} == set(found)
        assert {ids[status] for status in found} <= {experiment["id"] for experiment in listed}
    refused = await client.get("/experiments?status=lost", headers=a_key("viewer"))
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "status")


@pytest.mark.parametrize(("path", "body"), WRITES, ids=lambda value: str(value)[-9:])
async def test_a_decision_needs_an_idempotency_key(
    client: httpx.AsyncClient, experimenter: dict[str, str], path: str, body: Any
) -> None:
    response = await client.post(f"/experiments{path}", json=body, headers=experimenter)
    assert response.status_code == 422
    assert "Idempotency-Key: Field required (allowed: 1 to 200" in response.json()["detail"]
    for key in ("x" * 201, "\t"):
        assert (await post(client, path, body, experimenter, key)).status_code == 422


async def test_a_draft_has_its_whole_plan_and_says_who_made_it(
    client: httpx.AsyncClient, a_key: Callable[..., dict[str, str]], experimenter: dict[str, str]
) -> None:
    made = await drafted(
        client,
        experimenter,
        plan={"ramp": [0.5, 1.0], "automatic": False},
        target={"transform_types": ["soften"], "locales": ["ja"]},
    )
    assert made["plan"] == plan.with_changes({"ramp": [0.5, 1.0], "automatic": False}).model_dump(mode="json")
    assert made["target"] == {
        "transform_types": ["soften"],
        "organisations": [],
        "locales": ["ja"],
        "channels": [],
    }
    assert (made["status"], made["share"], made["started_at"]) == ("draft", 0.0, None)
    assert made["variants"] == [{"name": "v2", "version": "v2", "is_baseline": False, "dropped_at": None}]
    [decision] = made["decisions"]
    key_id = experimenter["X-API-Key"].split("_")[1]
    assert (decision["action"], decision["requested_by"]) == ("draft", f"api_key:{key_id}")
    assert decision["reasons"] == dump(written("People prefer v2."))
    assert (decision["outcome"], decision["failure"]) == ("done", [])
    second = await drafted(client, experimenter, name="another")

    viewer = a_key("viewer")
    assert (await client.get(f"/experiments/{made['id']}", headers=viewer)).json() == made
    listed = (await client.get("/experiments", headers=viewer)).json()
    assert [(row["id"], row["status"]) for row in listed] == [(second["id"], "draft"), (made["id"], "draft")]
    assert len((await client.get("/experiments?limit=1", headers=viewer)).json()) == 1
    assert (await client.get("/experiments?limit=0", headers=viewer)).status_code == 422
    assert (await client.get(f"/experiments/{SOME}", headers=viewer)).status_code == 404


async def test_an_invalid_plan_is_named_and_hides_no_other_experiment(
    client: httpx.AsyncClient, engine: Engine, experimenter: dict[str, str]
) -> None:
    old = await drafted(client, experimenter, name="old")
    await drafted(client, experimenter, name="sound")
    with Session(engine) as session, session.begin():  # as a release with other fields and metrics stored it
        session.get_one(Experiment, uuid.UUID(old["id"])).plan = {"primary": "smiles", "alpha": 2}
    rows = (await client.get("/experiments", headers=experimenter)).json()
    faults = {row["name"]: [fault["code"] for fault in row["plan_faults"]] for row in rows}
    assert faults == {"sound": [], "old": ["plan_invalid", "plan_field_invalid"]}
    address = f"/experiments/{old['id']}"
    assert len((await client.get(address, headers=experimenter)).json()["plan_faults"]) == 2
    started = await client.post(f"{address}/start", headers={**experimenter, "Idempotency-Key": "start"})
    assert started.status_code == 409
    assert "The field alpha is unknown, or its value does not fit." in started.json()["detail"]
    thrown = await client.post(f"{address}/discard", headers={**experimenter, "Idempotency-Key": "discard"})
    assert thrown.status_code == 202


def test_a_stored_plan_says_what_is_wrong_with_it() -> None:
    assert plan.read({}) == (None, [])
    assert plan.read(plan.load().model_dump(mode="json")) == (plan.load(), [])
    [general, unknown] = plan.read({"primary": "smiles"}).faults
    assert (general.code, unknown.code) == ("plan_invalid", "unknown_metrics")
    [_, field] = plan.read({"of_an_old_release": 1}).faults
    assert field.render("ja") == "項目 of_an_old_release は存在しないか、値が正しくありません。"


BAD = [
    ({"hypothesis": " "}, 422, "hypothesis: String should have at least 1 character (allowed: a sentence"),
    ({"hypothesis": "\x00"}, 422, "hypothesis"),
    ({"name": ""}, 422, "name"),
    ({"challengers": ["v9"]}, 422, "challengers: there is no version v9"),
    ({"challengers": ["../v9"]}, 422, "challengers: String should match"),
    ({"challengers": ["v3"]}, 409, "v3 did not pass the gate, so it may not go live; its page says why"),
    ({"challengers": ["v1"]}, 409, "v1 is the champion"),
    ({"plan": {"alfa": 1}}, 422, "plan: unknown alfa; known: alpha, ship_alpha,"),
    ({"plan": {"alpha": 2}}, 422, "plan: alpha: Input should be less than 1"),
    ({"plan": {"ramp": [0.5, 0.1]}}, 422, "a ramp goes up"),
    ({"plan": {"minimum_days": 10}}, 422, "must be whole weeks, because weekdays differ: write 14"),
    ({"plan": {"window_hours": 1e300}}, 422, "window_hours: Input should be less than or equal to"),
    ({"target": {"locales": ["not a locale"]}}, 422, "locales"),
    ({"target": {"transform_types": ["shout"]}}, 422, "transform_types"),
    ({"metrics": ["x"]}, 422, "metrics: Extra inputs are not permitted"),
]


@pytest.mark.parametrize(("changes", "status", "message"), BAD, ids=lambda value: str(value)[:30])
async def test_a_bad_draft_is_refused_in_words(
    client: httpx.AsyncClient,
    experimenter: dict[str, str],
    changes: dict[str, Any],
    status: int,
    message: str,
) -> None:
    response = await post(client, "", {**WANTED, **changes}, experimenter)
    assert (response.status_code, message in response.json()["detail"]) == (status, True), response.text
    assert (await client.get("/experiments", headers=experimenter)).json() == []


async def test_numbers_that_are_none_are_refused(
    client: httpx.AsyncClient, experimenter: dict[str, str]
) -> None:
    headers = {**experimenter, "Idempotency-Key": "x", "Content-Type": "application/json"}
    for number in ("NaN", "Infinity"):
        body = (
            f'{{"name": "x", "hypothesis": "x", "challengers": ["v2"], "plan": {{"hours_a_step": {number}}}}}'
        )
        response = await client.post("/experiments", content=body, headers=headers)
        assert response.status_code == 422, response.text


async def test_a_version_that_learned_from_somebody_erased_is_refused(
    client: httpx.AsyncClient, experimenter: dict[str, str], engine: Engine, organisation_id: uuid.UUID
) -> None:
    with Session(engine) as session, session.begin():
        erasure = Erasure(organisation_id=organisation_id, user_id=new_id(), counts={})
        session.add(erasure)
        session.flush()
        orders.issue(session, erasure.id, ["v2"])
    response = await post(client, "", WANTED, experimenter)
    assert response.status_code == 409
    assert "v2 was trained on data of a person who asked to be forgotten" in response.json()["detail"]


async def test_a_click_is_a_row_that_says_who_what_and_why(
    client: httpx.AsyncClient,
    pool: AsyncConnectionPool,
    engine: Engine,
    experimenter: dict[str, str],
    organisation_id: uuid.UUID,
) -> None:
    made = await drafted(client, experimenter)
    path = f"/{made['id']}"
    started = await post(client, f"{path}/start", None, experimenter)
    assert started.status_code == 202
    assert (
        "v2 is loaded. Then 1.0% of the users that the experiment may use are in it"
        in started.json()["happens"]
    )

    set_status(engine, made["id"], "running", ramp=0.25)
    kid = f"acme-{uuid.uuid4()}"
    async with pool.connection() as connection:
        await identities.add_signing_key(connection, organisation_id, kid, "HS256", SECRET, "experimenter")
    signed = jwt.encode({"sub": "ann", "exp": time.time() + 600}, SECRET, "HS256", {"kid": kid})
    ann = {"Authorization": f"Bearer {signed}"}
    says = {
        "ramp": ({"share": 0.5, "reason": "All is well."}, "50.0% of the users"),
        "pause": ({}, "the champion answers everybody"),
        "ship": ({"reason": "People prefer it."}, "v2 becomes champion"),
        "rollback": ({"reason": "We have changed our mind."}, "v2 is withdrawn"),
    }
    ids = [started.json()["decision_id"]]
    for action, (body, message) in says.items():
        response = await post(client, f"{path}/{action}", body, ann)
        assert response.status_code == 202, response.text
        assert message in response.json()["happens"]
        ids.append(response.json()["decision_id"])

    whole = (await client.get(f"/experiments{path}", headers=experimenter)).json()
    assert (whole["status"], whole["share"]) == ("running", 0.25)
    trail = whole["decisions"][::-1]
    key_id = experimenter["X-API-Key"].split("_")[1]
    assert [row["id"] for row in trail[1:]] == ids
    assert [(row["action"], row["parameters"], row["reasons"], row["requested_by"]) for row in trail[1:]] == [
        ("start", {}, [], f"api_key:{key_id}"),
        ("ramp", {"share": 0.5}, dump(written("All is well.")), "token:ann"),
        ("pause", {}, [], "token:ann"),
        ("ship", {}, dump(written("People prefer it.")), "token:ann"),
        ("roll_back", {}, dump(written("We have changed our mind.")), "token:ann"),
    ]
    assert all(row["created_at"] and not row["done_at"] and not row["outcome"] for row in trail[1:])


@pytest.mark.parametrize(
    ("status", "action", "body", "message"),
    [
        ("draft", "pause", {}, "is a draft"),
        ("draft", "ship", {"reason": "Now."}, "is a draft"),
        ("running", "start", {}, "is already running"),
        ("running", "ramp", {"share": 0.2}, "has reached 25.0% of the users"),
        ("paused", "pause", {}, "is already paused"),
        ("paused", "ramp", {"share": 0.2}, "has reached 25.0% of the users"),
        ("shipped", "rollback", {"reason": "No."}, "has ended (shipped)"),
        ("rolled_back", "ship", {"reason": "Yes."}, "has ended (rolled back)"),
        ("stopped", "start", {}, "has ended (stopped)"),
        ("discarded", "start", {}, "has ended (discarded)"),
        ("holdout", "rollback", {"reason": "No."}, "the holdout"),
    ],
)
async def test_what_cannot_be_is_409_with_the_present_state(
    client: httpx.AsyncClient,
    engine: Engine,
    experimenter: dict[str, str],
    status: str,
    action: str,
    body: Any,
    message: str,
) -> None:
    made = await drafted(client, experimenter)
    set_status(engine, made["id"], status, ramp=0.25 if status in ("running", "paused") else None)
    response = await post(client, f"/{made['id']}/{action}", body, experimenter)
    assert (response.status_code, message in response.json()["detail"]) == (409, True), response.text
    with Session(engine) as session:
        assert session.scalars(select(Decision.action)).all() == ["draft"]


async def test_a_draft_can_be_discarded_with_and_without_a_reason(
    client: httpx.AsyncClient, engine: Engine, experimenter: dict[str, str]
) -> None:
    for body in (None, {"reason": "It was a mistake."}):
        made = await drafted(client, experimenter)
        response = await post(client, f"/{made['id']}/discard", body, experimenter)
        assert response.status_code == 202, response.text
        assert response.json()["happens"].startswith("The draft ends without having started.")
    with Session(engine) as session:
        rows = session.execute(select(Decision.action, Decision.reasons).order_by(Decision.id)).all()
    assert [row.action for row in rows] == ["draft", "discard"] * 2
    assert rows[-1].reasons == written("It was a mistake.")


@pytest.mark.parametrize(
    ("action", "body", "message"),
    [
        ("ship", {}, "reason: Field required (allowed: a sentence"),
        ("rollback", {"reason": "  "}, "reason: String should have at least 1"),
        ("ramp", {"share": 0}, "share: Input should be greater than 0 (allowed: more than 0, and at most 1)"),
        ("ramp", {"share": 1.1}, "share: Input should be less than or equal to 1"),
        ("pause", {"share": 1}, "share: Extra inputs"),
    ],
)
async def test_a_bad_decision_is_422(
    client: httpx.AsyncClient, experimenter: dict[str, str], action: str, body: Any, message: str
) -> None:
    response = await post(client, f"/{SOME}/{action}", body, experimenter)
    assert (response.status_code, message in response.json()["detail"]) == (422, True), response.text


async def test_the_same_key_is_the_same_decision(
    client: httpx.AsyncClient,
    pool: AsyncConnectionPool,
    engine: Engine,
    experimenter: dict[str, str],
    organisation_id: uuid.UUID,
) -> None:
    first = await post(client, "", WANTED, experimenter, "draft")
    assert (await post(client, "", WANTED, experimenter, "draft")).content == first.content
    other = await post(client, "", {**WANTED, "name": "x"}, experimenter, "draft")
    assert other.status_code == 409
    assert "use a new key" in other.json()["detail"]

    set_status(engine, first.json()["id"], "running", ramp=0.25)
    path = f"/{first.json()['id']}"
    stored = await post(client, f"{path}/ramp", {"share": 0.5}, experimenter, "k")
    again = await post(client, f"{path}/ramp", {"share": 0.5}, experimenter, "k")
    assert (again.status_code, again.content) == (202, stored.content)
    for action, body in (("ramp", {"share": 0.75}), ("pause", {}), ("ship", {"reason": "Yes."})):
        assert (await post(client, f"{path}/{action}", body, experimenter, "k")).status_code == 409

    # A day later the answers are forgotten, and the experiment has ended; what was decided is known.
    async with pool.connection() as connection:
        await connection.execute(
            "DELETE FROM idempotent_requests WHERE organisation_id = %s", (organisation_id,)
        )
    set_status(engine, first.json()["id"], "shipped")
    late = await post(client, f"{path}/ramp", {"share": 0.5}, experimenter, "k")
    assert (late.status_code, late.json()["decision_id"]) == (202, stored.json()["decision_id"])
    drafted_late = await post(client, "", WANTED, experimenter, "draft")
    assert (drafted_late.status_code, drafted_late.json()["id"]) == (201, first.json()["id"])
    assert (await post(client, f"{path}/pause", {}, experimenter, "k")).status_code == 409
    with Session(engine) as session:
        assert session.scalars(select(Decision.action).order_by(Decision.id)).all() == ["draft", "ramp"]


async def test_with_several_challengers_a_person_says_which_one(
    client: httpx.AsyncClient, engine: Engine, experimenter: dict[str, str]
) -> None:
    with Session(engine) as session, session.begin():
        session.execute(update(Version).where(Version.name == "v3").values(accepted=True))
    made = await drafted(client, experimenter, challengers=["v2", "v3", "v2"])
    assert [arm["name"] for arm in made["variants"]] == ["v2", "v3"], "a name that is given twice counts once"
    path = f"/{made['id']}"
    set_status(engine, made["id"], "running")
    why = {"reason": "a test"}
    for action, body, refusal in (
        ("ship", why, "this experiment tests v2 and v3; say which challenger"),
        ("ship", {**why, "challenger": "v1"}, "choose one of its challengers: v2 and v3"),
        ("drop", {**why, "challenger": "v9"}, "v9 is not tested in this experiment now"),
    ):
        response = await post(client, f"{path}/{action}", body, experimenter)
        assert response.status_code == 409, response.text
        assert refusal in response.json()["detail"]
    dropped = await post(client, f"{path}/drop", {**why, "challenger": "v3"}, experimenter)
    assert dropped.status_code == 202, dropped.text
    assert dropped.json()["happens"] == (
        "v3 is withdrawn. The champion answers its users, and the experiment goes on with the other"
        " challengers."
    )
    with Session(engine) as session, session.begin():
        session.execute(update(Variant).where(Variant.name == "v3").values(dropped_at=func.now()))
    last = await post(client, f"{path}/drop", {**why, "challenger": "v2"}, experimenter)
    assert "v2 is the only challenger left" in last.json()["detail"]
    shipped = await post(client, f"{path}/ship", why, experimenter)
    assert "v2 becomes champion" in shipped.json()["happens"]


async def test_the_outlook_of_a_plan_is_that_of_recent_traffic(
    client: httpx.AsyncClient, engine: Engine, a_key: Callable[..., dict[str, str]]
) -> None:
    viewer = a_key("viewer")
    asked = {"plan": {"ramp": [1.0], "guardrails": {"complained": 0.02}}}
    unknown = (await post(client, "/outlook", asked, viewer)).json()
    assert (unknown["users_in_time"], unknown["days_needed"], unknown["is_assumed"]) == (None, None, True)
    past = PastMetric(mean=0.1, spread=0.36, with_value=1.0)
    traffic = History(
        measured_at=datetime(2026, 1, 1, tzinfo=UTC),
        arrivals=(100,) * 28,
        window_hours=72,
        users=2500,
        metrics={"satisfaction": past, "complained": past},
    )
    with Session(engine) as session, session.begin():
        session.add(TrafficSummary(measured_at=traffic.measured_at, summary=traffic.model_dump(mode="json")))
    response = await post(client, "/outlook", asked, viewer)
    assert response.status_code == 200, response.text
    planned = plan.with_changes(asked["plan"])
    expected = forecasting.forecast(planned, metrics.load(), traffic, {})
    assert response.json() == expected.model_dump(mode="json")
    assert [warning["code"] for warning in response.json()["warnings"]] == ["margin_too_small"]
    faster = (await post(client, "/outlook", {**asked, "users_a_day": 10_000}, viewer)).json()
    assert (faster["days_needed"], faster["warnings"]) == (10, [])
    assert (await post(client, "/outlook", {"plan": {"primary": "luck"}}, viewer)).status_code == 422
    assert (await post(client, "/outlook", asked, a_key("member"))).status_code == 403


async def test_without_scipy_a_gateway_says_what_to_install(
    client: httpx.AsyncClient, a_key: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("experiments.forecasting")
    monkeypatch.setitem(sys.modules, "experiments.forecasting", None)  # what Python does for a missing module
    refused = await post(client, "/outlook", {"plan": {}}, a_key("viewer"))
    assert refused.status_code == 501
    assert "tonebridge-server[forecasts]" in refused.json()["detail"]
    assert refused.json()["reasons"][0]["code"] == "forecast_not_installed"


async def test_the_routes_are_all_there_are(client: httpx.AsyncClient) -> None:
    described = (await client.get("http://gateway/openapi.json")).json()["paths"]
    root = "/api/v1/experiments"
    assert {(method.upper(), path) for path in described for method in described[path]} == {
        ("POST", root),
        ("GET", root),
        ("POST", f"{root}/outlook"),
        ("GET", f"{root}/{{experiment_id}}"),
        *(
            ("POST", f"{root}/{{experiment_id}}/{action}")
            for action in ("start", "ramp", "pause", "drop", "ship", "rollback", "discard")
        ),
    }
