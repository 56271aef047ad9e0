"""The former release and this one run together, as during an upgrade, on one Postgres and one Valkey.

Two gateways and an inference service of the former release (tests/former_release.yaml), and a gateway and an
inference service of this one. The gateway of this release and one of the former call the other's inference
service. Each release has exported the champion that is shipped with it.
"""

import contextlib
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import httpx
import psycopg
import pytest
import redis

import configs
from configs.settings import Settings
from data import database
from data.people import identities
from data.traffic.outputs import CACHE_PREFIX
from pipelines.environments import environment
from pipelines.local import Process
from tests import former_release
from tests.ports import with_own_ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

KEY = identities.generate_key()
LOGIN = {"email": "owner@localhost", "password": "two horses read slowly"}
MESSAGE = "Fix the login page before Monday, you broke it again."

Side = Literal["former", "new"]
BOTH_WAYS = pytest.mark.parametrize(("first", "second"), [("former", "new"), ("new", "former")])

VERSIONS: dict[Side, str] = {"former": "v1", "new": "v2"}  # the champion that each release has exported

# Exports the release's own champion, and makes it known to inference services.
_EXPORT = """
import sys
from pathlib import Path
from configs.settings import Settings
from models import tagger
from serving.inference import release

version, folder = sys.argv[1:]
release.publish(tagger.export(Path("champion"), Path(folder)), version, Settings())
"""
# Puts a version into force with the rules of edits of the release, as a promotion does; the number of
# gateways that have acknowledged it.
_PUBLISH = """
import sys
from sqlalchemy.orm import Session
import configs
from configs.settings import Settings
from data import database
from data.records import Spec
from data.traffic import routing
from models.edits.writer import rules_digest

engine = database.engine_of(Settings())
champion = Spec(version=sys.argv[1], form="edits", rules=rules_digest())
with Session(engine) as session, session.begin():
    number = routing.publish(session, routing.Routing(champion=champion), "a test of two releases")
print("gateways:", routing.wait_until_acknowledged(engine, number))
"""


class Installation:
    """Both releases, and what has been started of them."""

    def __init__(self, settings: Settings, former: Path, stack: contextlib.ExitStack) -> None:
        self.settings = settings
        self.folders: dict[Side, Path] = {"former": former, "new": configs.ROOT}
        self.inference_urls: dict[Side, tuple[str, ...]] = {}
        self.clients: dict[str, httpx.Client] = {}
        self.processes: dict[str, Process] = {}
        self.statuses: list[int] = []  # of the load during the migration
        self.former_head = 0  # the last migration of the former release
        self._stack = stack

    def run(self, side: Side, *arguments: str, **variables: str) -> str:
        """What a program of a release prints, which must succeed. `variables` are for its environment."""
        name = f"{side}-{uuid.uuid4().hex}"
        log = self.settings.state / "logs" / f"{name}.log"
        process = former_release.start(
            name, self.folders[side], arguments, environment(self.settings) | variables, log
        )
        self._stack.callback(process.stop)
        deadline = time.monotonic() + 120
        while process.exit_code is None:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        assert process.exit_code == 0, log.read_text()
        return log.read_text()

    def export(self, side: Side) -> None:
        """Have a release export its version."""
        folder = self.settings.state / f"{side}-version"
        self.run(side, "-c", _EXPORT, VERSIONS[side], str(folder), OMP_NUM_THREADS="1")

    def publish(self, side: Side) -> str:
        """Have a release put its version into force; the gateways that have acknowledged it, as it says."""
        return self.run(side, "-c", _PUBLISH, VERSIONS[side]).strip().splitlines()[-1]

    def start(self, name: str, side: Side, kind: str, settings: Settings) -> Process:
        """A process of the Procfile, by a release."""
        log = self.settings.state / "logs" / f"{name}.log"
        arguments = ("-m", f"serving.{kind}.app")
        process = former_release.start(name, self.folders[side], arguments, environment(settings, kind), log)
        self._stack.callback(process.stop)
        self.processes[name] = process
        return process

    def start_inference(self, side: Side) -> Process:
        """The inference service of a release, which may not be ready yet."""
        settings = with_own_ports(self.settings)
        self.inference_urls[side] = settings.inference_urls
        return self.start(f"{side}-inference", side, "inference", settings)

    def start_gateway(self, name: str, side: Side, inference: Side) -> None:
        """A gateway of a release that calls the inference service of a release; its client is `name`."""
        settings = with_own_ports(self.settings).model_copy(
            update={"inference_urls": self.inference_urls[inference]}
        )
        process = self.start(f"{name}-gateway", side, "gateway", settings)
        process.wait_until_ready(f"{settings.gateway_url}/readyz", 120)
        client = httpx.Client(base_url=settings.gateway_url, headers={"X-API-Key": KEY}, timeout=30)
        self.clients[name] = self._stack.enter_context(client)

    @contextlib.contextmanager
    def working(self, side: Side) -> Iterator[None]:
        """Context manager: a worker of a release works, and calls the other's inference service."""
        other: Side = "new" if side == "former" else "former"
        settings = with_own_ports(self.settings).model_copy(
            update={"inference_urls": self.inference_urls[other]}
        )
        process = self.start(f"{side}-worker", side, "worker", settings)
        try:
            yield
        finally:
            process.stop()

    def count(self, query: str, *values: object) -> int:
        """The number that a query gives."""
        with psycopg.connect(database.url_of(self.settings)) as connection:
            row = connection.execute(query, values).fetchone()  # type: ignore[arg-type]
        assert row is not None
        return int(row[0])


def fresh() -> dict[str, Any]:
    """The body of a request that no cache can answer."""
    text = f"{MESSAGE} The ticket is {uuid.uuid4()}."
    return {"text": text, "transform_type": "soften", "intensity": 2, "user_id": "ann"}


def answer(client: httpx.Client, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    """The answer to a request, whose status must be 200."""
    response = client.post("/api/v1/transform", json=body, headers=headers)
    assert response.status_code == 200, response.text
    content: dict[str, Any] = response.json()
    return content


def vote(client: httpx.Client, receipt: str, up: bool) -> str:
    """The id of a vote, whose status must be 201."""
    response = client.post("/api/v1/feedback", json={"receipt": receipt, "kind": "thumb", "up": up})
    assert response.status_code == 201, response.text
    return str(response.json()["feedback_id"])


def wait_until(is_so: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextlib.contextmanager
def load(client: httpx.Client, statuses: list[int]) -> Iterator[None]:
    """Context manager: four clients ask for new and for known rewrites, and vote. `statuses` gets theirs."""
    stopping = threading.Event()
    known = fresh()

    def ask() -> None:
        while not stopping.is_set():
            for body in (fresh(), known):
                response = client.post("/api/v1/transform", json=body)
                statuses.append(response.status_code)
            ballot = {"receipt": response.json().get("receipt"), "kind": "thumb", "up": True}
            statuses.append(client.post("/api/v1/feedback", json=ballot).status_code)

    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(ask) for _ in range(4)]
        try:
            yield
        finally:
            stopping.set()
    for each in clients:
        each.result()


@pytest.fixture(scope="module")
def installation(local: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The former release migrates, writes and serves; this one migrates meanwhile and comes to its side."""
    state = tmp_path_factory.mktemp("two")
    former = former_release.unpack(state / "former", former_release.read().commit)
    name = f"two_{uuid.uuid4().hex}"
    with psycopg.connect(database.url_of(local), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
    settings = local.model_copy(
        update={
            "state": state,
            "artifacts": state,
            "database_url": database.replace_database(database.url_of(local), name),
        }
    )
    with contextlib.ExitStack() as stack:
        made = Installation(settings, former, stack)
        # Another checkout may be installed.
        assert made.run("former", "-c", "import configs; print(configs.ROOT)").strip() == str(former)
        made.run("former", "-m", "data.database", "migrate")
        made.former_head = made.count("SELECT version_num::int FROM alembic_version")
        made.run(
            "former",
            "-m",
            "data.people.bootstrap",
            TONEBRIDGE_BOOTSTRAP_API_KEY=KEY,
            TONEBRIDGE_BOOTSTRAP_EMAIL=LOGIN["email"],
            TONEBRIDGE_BOOTSTRAP_PASSWORD=LOGIN["password"],
        )
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(made.export, made.folders))
        made.publish("former")
        inferences = {made.start_inference(side): made.inference_urls[side] for side in made.folders}
        for process, (url,) in inferences.items():
            process.wait_until_ready(f"{url}/livez", 120)
        made.start_gateway("former", "former", inference="former")
        answer(made.clients["former"], fresh())  # the version is loaded
        with load(made.clients["former"], made.statuses):
            wait_until(lambda: len(made.statuses) > 50)
            made.run("new", "-m", "data.database", "migrate")
            so_far = len(made.statuses)
            wait_until(lambda: len(made.statuses) > so_far + 50)
        made.start_gateway("new", "new", inference="former")
        made.start_gateway("crossed", "former", inference="new")
        yield made


def test_a_commit_that_is_not_in_the_clone_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match=r"commit 0{40} of former_release\.yaml: .*git fetch --unshallow"):
        former_release.unpack(tmp_path / "former", "0" * 40)


def test_every_request_is_answered_while_this_release_migrates(installation: Installation) -> None:
    assert len(installation.statuses) > 100
    assert set(installation.statuses) == {200, 201}
    head = installation.count("SELECT version_num::int FROM alembic_version")
    assert (installation.former_head, head) == tuple(
        max(int(path.name[:4]) for path in (folder / "data/migrations/versions").glob("0*.py"))
        for folder in installation.folders.values()
    )


@BOTH_WAYS
def test_an_answer_of_one_is_voted_on_at_the_other(
    installation: Installation, first: Side, second: Side
) -> None:
    clients = installation.clients
    receipt = answer(clients[first], fresh())["receipt"]
    feedback_id = vote(clients[second], receipt, up=True)
    assert vote(clients[first], receipt, up=False) == feedback_id, "each changes the other's vote"
    query = "SELECT count(*) FROM feedback WHERE id = %s"
    assert installation.count(query, feedback_id) == 1


@BOTH_WAYS
def test_a_request_is_repeated_at_the_other(installation: Installation, first: Side, second: Side) -> None:
    body, key = fresh(), {"Idempotency-Key": str(uuid.uuid4())}
    before = answer(installation.clients[first], body, **key)
    assert answer(installation.clients[second], body, **key) == before
    items = {"items": [fresh()]}
    batches = [
        installation.clients[side].post("/api/v1/jobs/batches", json=items, headers=key).json()["id"]
        for side in (first, second)
    ]
    assert batches[0] == batches[1]


@BOTH_WAYS
def test_an_output_of_one_answers_at_the_other(installation: Installation, first: Side, second: Side) -> None:
    assert installation.settings.redis_url is not None
    with redis.Redis.from_url(installation.settings.redis_url) as valkey:

        def count_outputs() -> int:
            return sum(1 for _ in valkey.scan_iter(CACHE_PREFIX + b"*"))

        before, body = count_outputs(), fresh()
        made = answer(installation.clients[first], body)
        wait_until(lambda: count_outputs() > before)  # it is stored after the answer
    served = answer(installation.clients[second], body)
    assert (made["cache"], served["cache"]) == ("miss", "l2")
    same = ("transformed_text", "version", "variant", "facts_missing", "unchanged")
    assert {name: served[name] for name in same} == {name: made[name] for name in same}
    assert made["transformed_text"] != body["text"], "there was something to rewrite"


@pytest.mark.parametrize("name", ["new", "crossed"])
def test_a_gateway_has_the_other_release_s_service_rewrite(installation: Installation, name: str) -> None:
    client = installation.clients[name]
    made = answer(client, fresh())
    assert (made["cache"], made["fallback"]) == ("miss", False)
    response = client.post("/api/v1/transform", json=fresh() | {"stream": True})
    events = [line.removeprefix("event: ") for line in response.text.splitlines() if line.startswith("event")]
    assert (response.status_code, events[-1]) == (200, "answer")
    compared = client.post("/api/v1/compare", json=fresh())
    assert compared.status_code == 200, compared.text


@BOTH_WAYS
def test_a_job_of_one_is_done_by_the_worker_of_the_other(
    installation: Installation, first: Side, second: Side
) -> None:
    client = installation.clients[first]
    items = [fresh() for _ in range(5)]
    batch = client.post("/api/v1/jobs/batches", json={"items": items}).json()
    with installation.working(second):
        wait_until(lambda: client.get(f"/api/v1/jobs/batches/{batch['id']}").json()["done"] == len(items))
    for side in (first, second):
        results = installation.clients[side].get(f"/api/v1/jobs/batches/{batch['id']}/results").text
        made = [json.loads(line) for line in results.splitlines()]
        assert [line["state"] for line in made] == ["done"] * len(items)
    vote(client, made[0]["answer"]["receipt"], up=True)


@BOTH_WAYS
def test_a_session_of_one_goes_on_at_the_other(installation: Installation, first: Side, second: Side) -> None:
    clients = installation.clients

    def ask_who_i_am(side: Side, tokens: dict[str, str]) -> int:
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        # Without the client's API key, which would do.
        return httpx.get(clients[side].base_url.join("/api/v1/auth/me"), headers=bearer).status_code

    tokens = clients[first].post("/api/v1/auth/login", json=LOGIN).json()
    assert ask_who_i_am(second, tokens) == 200
    refresh = {"refresh_token": tokens["refresh_token"]}
    tokens = clients[second].post("/api/v1/auth/refresh", json=refresh).json()
    assert ask_who_i_am(first, tokens) == 200
    ended = clients[first].post("/api/v1/auth/logout", json={"refresh_token": tokens["refresh_token"]})
    assert ended.status_code == 204
    wait_until(lambda: ask_who_i_am(second, tokens) == 401, timeout_s=10)


@BOTH_WAYS
def test_a_key_of_one_opens_the_other(installation: Installation, first: Side, second: Side) -> None:
    made = installation.clients[first].post("/api/v1/keys", json={"name": first, "role": "member"})
    assert made.status_code == 201, made.text
    answer(installation.clients[second], fresh(), **{"X-API-Key": made.json()["key"]})


@pytest.mark.parametrize("side", ["new", "former"])
def test_a_version_of_one_is_acknowledged_by_all_and_answers_by_all(
    installation: Installation, side: Side
) -> None:
    """The service of each release loads the version that the other has exported."""
    before = installation.count("SELECT max(number) FROM epochs")
    assert installation.publish(side) == "gateways: 3"
    assert installation.count("SELECT max(number) FROM epochs") == before + 1
    for client in installation.clients.values():
        assert client.get("/readyz").json()["detail"] == f"epoch {before + 1}"
        made = answer(client, fresh())
        assert (made["version"], made["fallback"]) == (VERSIONS[side], False)


def test_after_a_rollback_the_former_release_answers_alone(installation: Installation) -> None:
    """Last, since it ends what is of this release."""
    client, new = installation.clients["former"], installation.clients["new"]
    assert installation.publish("new") == "gateways: 3"  # its version stays in force
    body = fresh()
    left = answer(new, body)
    batch = new.post("/api/v1/jobs/batches", json={"items": [fresh()]}).json()
    statuses: list[int] = []
    with load(client, statuses):
        for name in ("crossed-gateway", "new-gateway", "new-inference"):
            installation.processes[name].stop()
        wait_until(lambda: len(statuses) > 100)
    assert set(statuses) == {200, 201}
    installation.inference_urls["new"] = installation.inference_urls["former"]
    installation.start_gateway("started", "former", inference="former")
    for name in ("former", "started"):
        client = installation.clients[name]
        assert answer(client, body)["transformed_text"] == left["transformed_text"]
        assert answer(client, fresh())["version"] == VERSIONS["new"]
        vote(client, left["receipt"], up=True)
    with installation.working("former"):
        wait_until(lambda: client.get(f"/api/v1/jobs/batches/{batch['id']}").json()["done"] == 1)
    assert installation.publish("former") == "gateways: 2"
    assert answer(client, fresh())["version"] == VERSIONS["former"]
