"""What can be read by GraphQL: the same as by REST, by the same people, in few statements."""

import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from data.people.identities import Role
from data.reasons import reason
from data.tables import Decision, Experiment
from experiments import metrics
from tests.serving.gateway.graph.conftest import Ask, Key

MESSAGE = {"text": "Fix it.", "transform_type": "soften", "intensity": 2}


async def send(client: httpx.AsyncClient, key: Key, messages: int = 2) -> str:
    """The id of a new batch."""
    items = {"items": [{**MESSAGE, "text": f"Fix it {n}."} for n in range(messages)]}
    response = await client.post("/api/v1/jobs/batches", headers=key, json=items)
    return str(response.json()["id"])


def an_experiment(engine: Engine, decisions: int = 0) -> str:
    """The id of a new experiment with decisions on it."""
    with Session(engine) as session, session.begin():
        made = Experiment(name="v2 against v1", hypothesis="Better.", plan={"x": 1}, salt="x", status="draft")
        session.add(made)
        session.flush()
        for number in range(decisions):
            session.add(
                Decision(
                    experiment_id=made.id,
                    action="pause",
                    parameters={"number": number},
                    reasons=[reason("internal")],
                    requested_by="a test",
                    idempotency_key=str(uuid.uuid4()),
                )
            )
        return str(made.id)


def codes(answered: dict[str, Any]) -> list[str]:
    """The codes of what was refused."""
    return [error["extensions"]["code"] for error in answered["errors"]]


async def test_the_caller_is_shown(ask: Ask, a_key: Callable[..., Key], organisation_id: uuid.UUID) -> None:
    answered = await ask(a_key("viewer"), "{ me { name organisationId role plan runsThis userId } }")
    me = answered["data"]["me"]
    assert me.pop("name").startswith("api_key:")
    assert me == {
        "organisationId": str(organisation_id),
        "role": "VIEWER",
        "plan": "scale",
        "runsThis": True,
        "userId": None,
    }


async def test_batches_and_jobs_have_pages(
    ask: Ask, client: httpx.AsyncClient, a_key: Callable[..., Key]
) -> None:
    key = a_key()
    first, second = [await send(client, key, messages) for messages in (1, 3)]
    answered = await ask(key, "{ batches { id messages waiting createdAt } }")
    assert [(batch["id"], batch["messages"], batch["waiting"]) for batch in answered["data"]["batches"]] == [
        (second, 3, 3),
        (first, 1, 1),
    ]
    found = await ask(key, '{ batches(states: [WAITING], since: "2026-01-01T00:00:00Z") { id } }')
    assert [batch["id"] for batch in found["data"]["batches"]] == [second, first]
    found = await ask(key, "{ batches(states: [DEAD]) { id } }")
    assert found["data"]["batches"] == []
    older = await ask(key, "query($b: UUID) { batches(before: $b) { id } }", b=second)
    assert older["data"]["batches"] == [{"id": first}]
    page = "query($before: UUID) { jobs(first: 2, before: $before) { id place state kind batchId } }"
    jobs = (await ask(key, page))["data"]["jobs"]
    rest = (await ask(key, page, before=jobs[-1]["id"]))["data"]["jobs"]
    assert [(job["place"], job["batchId"]) for job in jobs + rest] == [
        (2, second),
        (1, second),
        (0, second),
        (0, first),
    ]
    assert {(job["state"], job["kind"]) for job in jobs} == {("WAITING", "REWRITE")}
    of_batch = await ask(key, "query($b: UUID) { jobs(batchId: $b, states: [WAITING]) { id } }", b=first)
    assert of_batch["data"]["jobs"] == [{"id": rest[1]["id"]}]
    assert (await ask(key, "{ jobs(states: [DEAD]) { id } }"))["data"]["jobs"] == []


async def test_a_dead_job_says_why_in_the_readers_language(
    ask: Ask, client: httpx.AsyncClient, engine: Engine, a_key: Callable[..., Key]
) -> None:
    key = a_key()
    batch_id = await send(client, key, 1)
    with engine.begin() as owner:
        owner.execute(
            text(
                "UPDATE jobs SET state = 'dead', done_at = now(), attempts = 1, errors = jsonb_build_array("
                " jsonb_build_object('attempt', 1, 'at', '2026-11-28T12:00:00+00:00', 'reasons',"
                " jsonb_build_array(jsonb_build_object('code', 'internal', 'values', '{}'::jsonb))))"
                " WHERE batch_id = :id"
            ),
            {"id": batch_id},
        )
    (listed,) = (await ask(key, "{ jobs(states: [DEAD]) { id } }"))["data"]["jobs"]
    document = "query($id: UUID!) { job(id: $id) { errors { attempt reasons { code text(language: JA) } } } }"
    (error,) = (await ask(key, document, id=listed["id"]))["data"]["job"]["errors"]
    assert error == {
        "attempt": 1,
        "reasons": [{"code": "internal", "text": reason("internal").render("ja")}],
    }


async def test_only_the_requester_and_admins_see_jobs(
    ask: Ask, client: httpx.AsyncClient, a_key: Callable[..., Key], owner: Key, stranger: Key
) -> None:
    key = a_key()
    batch_id = await send(client, key)
    (job,) = (await ask(key, "{ jobs(first: 1) { id } }"))["data"]["jobs"]
    document = """query($batch: UUID!, $job: UUID!) {
        batches { id } jobs { id batch { id } } batch(id: $batch) { id } job(id: $job) { id }
    }"""
    of_batch = "query($batch: UUID!) { jobs(batchId: $batch) { id } }"
    for allowed in (key, owner):
        answered = await ask(allowed, document, batch=batch_id, job=job["id"])
        assert answered["data"]["batches"] == [answered["data"]["batch"]] == [{"id": batch_id}]
        assert [listed["batch"] for listed in answered["data"]["jobs"]] == [{"id": batch_id}] * 2
    for other in (a_key("experimenter"), stranger):
        answered = await ask(other, document, batch=batch_id, job=job["id"])
        assert answered["data"] == {"batches": [], "jobs": [], "batch": None, "job": None}
        assert sorted(codes(answered)) == ["unknown_batch", "unknown_job"]
        assert (await ask(other, of_batch, batch=batch_id))["data"]["jobs"] == []
        assert (await ask(other, "{ batches { id } jobs { id } }"))["data"] == {"batches": [], "jobs": []}


async def test_many_jobs_load_their_batches_at_once(
    ask: Ask, client: httpx.AsyncClient, a_key: Callable[..., Key], statements: list[str]
) -> None:
    key = a_key()
    expected = [await send(client, key, messages) for messages in (1, 2, 3)]
    statements.clear()
    answered = await ask(key, "{ jobs { batch { id messages } } }")
    loaded = [job["batch"] for job in answered["data"]["jobs"]]
    assert loaded == [
        {"id": id, "messages": messages} for id, messages in zip(expected[::-1], (3, 2, 1), strict=True)
        for _ in range(messages)
    ]  # fmt: skip
    assert sum("FROM job_batches" in statement for statement in statements) == 1
    assert sum("FROM jobs WHERE" in statement for statement in statements) == 1


async def test_many_experiments_load_their_details_at_once(
    ask: Ask, engine: Engine, a_key: Callable[..., Key], statements: list[str]
) -> None:
    expected = [an_experiment(engine, decisions) for decisions in (1, 3, 0)]
    viewer = a_key("viewer")
    statements.clear()
    document = "{ experiments(first: 3) { id share plan target decisions(first: 2) { action parameters } } }"
    answered = await ask(viewer, document)
    listed = answered["data"]["experiments"]
    assert [experiment["id"] for experiment in listed] == expected[::-1]
    assert [len(experiment["decisions"]) for experiment in listed] == [0, 2, 1]
    assert {experiment["plan"]["x"] for experiment in listed} == {1}
    assert sum("FROM decisions" in statement for statement in statements) == 1
    assert sum("FROM experiments" in statement for statement in statements) == 2  # the list, and the details
    statements.clear()
    await ask(viewer, "{ experiments(first: 3) { id arms { name } } }")
    assert not any("FROM decisions" in statement for statement in statements)


async def test_many_webhooks_load_their_deliveries_at_once(
    ask: Ask, client: httpx.AsyncClient, owner: Key, stranger: Key, statements: list[str]
) -> None:
    webhook = {"url": "https://example.org/hook", "events": ["answer.created"]}
    made = []
    for events in (0, 3, 1):
        response = await client.post("/api/v1/webhooks", headers=owner, json=webhook)
        address = f"/api/v1/webhooks/{response.json()['id']}"
        for _ in range(events):
            assert (await client.post(f"{address}/test", headers=owner)).status_code == 202
        listed = (await client.get(f"{address}/deliveries", headers=owner)).json()
        made.append([delivery["id"] for delivery in listed])
    statements.clear()
    document = "{ webhooks { deliveries(first: 2) { id type state } } }"
    shown = (await ask(owner, document))["data"]["webhooks"]
    deliveries = [webhook["deliveries"] for webhook in shown]
    assert [[delivery["id"] for delivery in each] for each in deliveries] == [
        each[:2] for each in reversed(made)
    ]
    assert deliveries[0] == [{"id": made[2][0], "type": "WEBHOOK_TEST", "state": "WAITING"}]
    assert sum("AS newest" in statement for statement in statements) == 1
    # Only what is asked for is read: more for one webhook is no more for all.
    both = "{ webhooks { few: deliveries(first: 1) { id } more: deliveries(first: 3) { id } } }"
    shown = (await ask(owner, both))["data"]["webhooks"]
    assert [(len(webhook["few"]), len(webhook["more"])) for webhook in shown] == [(1, 1), (1, 3), (0, 0)]
    assert (await ask(stranger, document))["data"] == {"webhooks": []}


async def test_many_keys_load_their_secrets_at_once(
    ask: Ask, client: httpx.AsyncClient, owner: Key, statements: list[str]
) -> None:
    made = []
    for secrets in (2, 0, 1):
        key = (await client.post("/api/v1/keys", headers=owner, json={"name": "a robot"})).json()
        address = f"/api/v1/keys/{key['id']}/secrets"
        of_key = [(await client.post(address, headers=owner)).json()["id"] for _ in range(secrets)]
        made.append((key["id"], of_key[::-1]))
    statements.clear()
    document = "{ keys(first: 3) { id requestSecrets(first: 2) { id } } }"
    shown = (await ask(owner, document))["data"]["keys"]
    ids = [(key["id"], [secret["id"] for secret in key["requestSecrets"]]) for key in shown]
    assert ids == made[::-1]
    assert sum("request_secrets" in statement and "LATERAL" in statement for statement in statements) == 1


async def test_one_experiment_is_shown_with_its_decisions(
    ask: Ask, engine: Engine, a_key: Callable[..., Key]
) -> None:
    id = an_experiment(engine, 2)
    document = "query($id: UUID!) { experiment(id: $id) { name status decisions { reason outcome } } }"
    answered = await ask(a_key("viewer"), document, id=id)
    decision = {"reason": str(reason("internal")), "outcome": None}
    assert answered["data"]["experiment"] == {
        "name": "v2 against v1",
        "status": "DRAFT",
        "decisions": [decision, decision],
    }
    missing = await ask(a_key("viewer"), document, id=str(uuid.uuid4()))
    assert (codes(missing), missing["errors"][0]["extensions"]["status"]) == (["unknown_experiment"], 404)


@pytest.mark.parametrize(
    "field", ["experiments { id }", "experiment(id: $id) { id }", "metrics { metrics { of } }"]
)
async def test_only_viewers_of_the_installation_see_experiments(
    ask: Ask, engine: Engine, a_key: Callable[..., Key], stranger: Key, field: str
) -> None:
    document = f"query($id: UUID!) {{ {field} }}" if "$id" in field else f"{{ {field} }}"
    variables = {"id": an_experiment(engine)} if "$id" in field else {}
    allowed = await ask(a_key("viewer"), document, **variables)
    assert "errors" not in allowed
    for key, code in ((a_key("member"), "role_too_low"), (stranger, "other_organisation")):
        refused = await ask(key, document, **variables)
        assert (set(refused["data"].values()), codes(refused)) == ({None}, [code])
        assert refused["errors"][0]["extensions"]["status"] == 403


async def test_metrics_are_those_of_the_rest_route(ask: Ask, a_key: Callable[..., Key]) -> None:
    answered = await ask(a_key("viewer"), "{ metrics { metrics(first: 200) { name kind says isOwn } } }")
    listed = answered["data"]["metrics"]["metrics"]
    assert {metric["name"] for metric in listed} == set(metrics.load())


@pytest.mark.parametrize("first", [0, -1, 201])
async def test_a_list_is_bounded(ask: Ask, owner: Key, first: int) -> None:
    document = "query($first: Int!) { jobs(first: $first) { id } batches { id } }"
    refused = await ask(owner, document, first=first)
    assert codes(refused) == ["first_out_of_range"]


async def test_roles_are_named_as_they_are(ask: Ask, a_key: Callable[..., Key]) -> None:
    for role in Role:
        answered = await ask(a_key(role), "{ me { role } }")
        assert answered["data"]["me"]["role"] == role.name
