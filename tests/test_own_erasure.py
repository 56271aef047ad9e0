"""A person erases their own history through the API, or one rewrite of it, on a live gateway and worker: no
store has it afterwards, their account goes on, and others keep theirs.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import make_url, select, text
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.erasure.erase import erase
from data.erasure.whom import Person
from data.records import Demonstration
from data.snapshots import archive, shards
from data.snapshots.snapshot import Made
from data.tables import Account, Erasure, Snapshot
from tests import sdks, snapshots
from tests.erasing import carry_out
from tests.planted import find_places
from tests.sdks import Installation

RARE = f"QZX-{uuid.uuid4().hex[:12]}"
PASSWORD = "correct horse battery staple"
TASK = {"transform_type": "soften", "intensity": 2}


@pytest.fixture(scope="module")
def settings(
    local: Settings, new_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """An installation with a database and a state folder of its own."""
    return local.model_copy(
        update={"database_url": new_database(), "state": tmp_path_factory.mktemp("state"), "dvc_remote": None}
    )


@pytest.fixture(scope="module")
def live(settings: Settings) -> Iterator[Installation]:
    with sdks.running(settings, str(settings.database_url)) as live:
        yield live


@pytest.fixture
def app(live: Installation) -> Iterator[httpx.Client]:
    """The application that acts for many people by its key."""
    with httpx.Client(base_url=live.url, headers={"X-API-Key": live.key}, timeout=30) as client:
        yield client


@pytest.fixture
def ann(live: Installation, app: httpx.Client) -> Iterator[httpx.Client]:
    """A person who has signed in."""
    credentials = {"email": f"{uuid.uuid4()}@example.org", "password": PASSWORD}
    app.post("/api/v1/auth/register", json=credentials).raise_for_status()
    tokens = app.post("/api/v1/auth/login", json=credentials).raise_for_status().json()
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    with httpx.Client(base_url=live.url, headers=bearer, timeout=30) as client:
        client.refresh_token = tokens["refresh_token"]  # type: ignore[attr-defined]
        yield client


def rewrite(client: httpx.Client, words: str, **more: str) -> dict[str, Any]:
    response = client.post("/api/v1/transform", json={**TASK, "text": words, **more})
    return dict(response.raise_for_status().json())


def vote(client: httpx.Client, receipt: str, **value: object) -> int:
    body = {"receipt": receipt, **(value or {"kind": "thumb", "up": True})}
    return client.post("/api/v1/feedback", json=body).status_code


def read_history(client: httpx.Client, **query: str) -> list[str]:
    answers = client.get("/api/v1/answers", params=query).raise_for_status().json()
    return [answer["message"] for answer in answers]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def make_snapshot(settings: Settings, live: Installation) -> Made:
    """A snapshot of all votes, on disk and in its table."""
    repository = settings.state / "data"
    with live.engine.connect() as connection:
        organisation_id = connection.execute(text("SELECT id FROM organisations")).scalar_one()
        made = snapshots.make(connection, organisation_id, repository / "snapshots")
    archive.add(repository, made.folder, None)
    with Session(live.engine) as session, session.begin():
        session.add(
            Snapshot(
                digest=made.digest, path=str(made.folder), counts=made.counts, high_water=1,
                trained_at=datetime.now(UTC), accepted=True, reasons=[],
            )
        )  # fmt: skip
    return made


@pytest.mark.timeout(180)
def test_a_person_erases_their_history_and_goes_on(
    settings: Settings,
    live: Installation,
    app: httpx.Client,
    ann: httpx.Client,
) -> None:
    both = f"Fix the page that we share. {uuid.uuid4()}"
    own = f"Fix the {RARE} report now."
    answer = rewrite(ann, own)
    shared = rewrite(ann, both)
    bobs = rewrite(app, both, user_id="bob")
    assert bobs["cache"] != "miss", "the same output"
    assert vote(ann, answer["receipt"], kind="edit", text=f"Would you see to the {RARE}?") == 201
    assert vote(ann, answer["receipt"], kind="comment", text=f"I said {RARE}.") == 201
    assert vote(ann, shared["receipt"]) == 201
    assert vote(app, bobs["receipt"], kind="edit", text="Would you see to the page?") == 201
    term = {"scope": "own", "term": RARE, "rule": "keep"}
    ann.post("/api/v1/dictionary", json=term).raise_for_status()
    batch = {"items": [{**TASK, "text": f"Fix {RARE} later."}]}
    job = ann.post("/api/v1/jobs/batches", json=batch).raise_for_status().json()
    wait_for(lambda: ann.get(f"/api/v1/jobs/batches/{job['id']}").json()["done"] == 1)
    wait_for(lambda: len(read_history(ann)) == 3 and len(read_history(app, user_id="bob")) == 1)
    made = make_snapshot(settings, live)

    name = make_url(str(settings.database_url)).database
    assert name is not None

    def places() -> set[str]:
        return find_places(settings, RARE, databases=(name,))

    tables = {f"{name}.{table}" for table in ("outputs", "feedback", "jobs", "dictionary_terms")}
    assert places() >= {*tables, "/data/.dvc", "/data/snapshots"}

    response = ann.post("/api/v1/erasures", json={"erase": "everything"})
    assert response.status_code == 202, response.text
    erasure = response.json()
    assert vote(ann, answer["receipt"]) == 410, "from the order on"
    assert vote(app, bobs["receipt"]) == 201
    carry_out(settings, live.engine, is_purged=False)
    assert read_history(ann) == []
    meanwhile = rewrite(ann, f"Written meanwhile, {RARE}.")
    wait_for(lambda: len(read_history(ann)) == 1)
    assert vote(ann, meanwhile["receipt"]) == 410, "until it is finished"
    [listed] = ann.get("/api/v1/erasures").raise_for_status().json()
    assert (listed["id"], listed["state"], listed["removed"]["answers"]) == (
        erasure["id"],
        "history_removed",
        3,
    )
    carry_out(settings, live.engine, is_purged=True)
    [listed] = ann.get("/api/v1/erasures").raise_for_status().json()
    assert (listed["state"], listed["versions_left"]) == ("finished", 0)
    assert listed["removed"] == {
        "answers": 4, "texts": 3, "votes": 3, "comparisons": 0, "jobs": 1, "terms": 1, "snapshots": 1,
    }  # fmt: skip

    assert places() == set()
    assert read_history(ann) == []
    assert vote(ann, answer["receipt"]) == 410
    assert vote(ann, shared["receipt"]) == 410
    assert read_history(app, user_id="bob") == [both]
    assert vote(app, bobs["receipt"]) == 201
    assert not Path(made.folder).exists()
    [kept] = [folder for folder in made.folder.parent.iterdir() if folder.is_dir()]
    assert len(list(shards.read_sources(kept))) == 1, "bob's edit"
    assert rewrite(app, own, user_id="eve")["cache"] == "miss", "no cache has it"

    assert ann.get("/api/v1/auth/me").status_code == 200
    refreshed = ann.post("/api/v1/auth/refresh", json={"refresh_token": ann.refresh_token})  # type: ignore[attr-defined]
    assert refreshed.status_code == 200
    ann.post("/api/v1/dictionary", json={**term, "term": "SLO"}).raise_for_status()
    # Receipts have whole seconds: one of the second in which the erasure ended may be older than it.
    wait_for(lambda: vote(ann, rewrite(ann, f"New. {uuid.uuid4()}")["receipt"]) == 201)
    wait_for(lambda: len(read_history(ann)) > 0)
    assert all(message.startswith("New. ") for message in read_history(ann))
    carry_out(settings, live.engine, is_purged=False)
    assert len(read_history(ann)) > 0, "nothing is left to do"


def test_the_operators_command_takes_the_account_too(
    settings: Settings, live: Installation, ann: httpx.Client
) -> None:
    """Also when it finds the order of the person, who goes on."""
    rewrite(ann, f"Fix it. {uuid.uuid4()}")
    order = ann.post("/api/v1/erasures", json={"erase": "everything"}).raise_for_status().json()
    me = ann.get("/api/v1/auth/me").raise_for_status().json()
    person = Person(uuid.UUID(me["user_id"]), uuid.UUID(me["organisation_id"]))
    assert str(erase(settings, live.engine, person)) == order["id"]
    wait_for(lambda: ann.get("/api/v1/auth/me").status_code == 401)
    with Session(live.engine) as session:
        assert session.scalars(select(Account).where(Account.user_id == person.id)).all() == []
        assert not session.get_one(Erasure, uuid.UUID(order["id"])).keeps_account


@pytest.mark.timeout(180)
def test_a_person_deletes_one_rewrite_and_keeps_the_others(
    settings: Settings, live: Installation, app: httpx.Client, ann: httpx.Client
) -> None:
    """Searched in the same stores as after an erasure of everything. The audit has an id and no text."""
    rare = f"QZX-{uuid.uuid4().hex[:12]}"
    goes, stays = f"Fix the {rare} report now.", f"Fix the other report now. {uuid.uuid4()}"
    repeated = {"Idempotency-Key": str(uuid.uuid4())}
    response = ann.post("/api/v1/transform", json={**TASK, "text": goes}, headers=repeated)
    answer, other = response.raise_for_status().json(), rewrite(ann, stays)
    rewrite(ann, goes)  # the same output once more
    for receipt, word in ((answer["receipt"], rare), (other["receipt"], "other")):
        assert vote(ann, receipt, kind="edit", text=f"Would you see to the {word}?") == 201
        assert vote(ann, receipt, kind="comment", text=f"I said {word}.") == 201
    compared = ann.post("/api/v1/compare", json={**TASK, "text": goes}).raise_for_status().json()
    assert vote(ann, compared["receipt"], kind="comparison", preferred="second", reason=rare) == 201
    batch = {"items": [{**TASK, "text": goes}, {**TASK, "text": stays}]}
    job = ann.post("/api/v1/jobs/batches", json=batch).raise_for_status().json()
    wait_for(lambda: ann.get(f"/api/v1/jobs/batches/{job['id']}").json()["done"] == 2)
    wait_for(lambda: sorted(read_history(ann)) == [goes] * 3 + [stays] * 2)
    export = app.post("/api/v1/jobs/exports", json={}).raise_for_status().json()
    wait_for(lambda: app.get(f"/api/v1/jobs/{export['id']}").json()["state"] == "done")
    made = make_snapshot(settings, live)
    name = make_url(str(settings.database_url)).database
    assert name is not None

    def places() -> set[str]:
        return find_places(settings, rare, databases=(name,))

    def count_files() -> int:
        with live.engine.connect() as connection:  # they are compressed
            return int(connection.execute(text("SELECT count(*) FROM job_files")).scalar_one())

    assert count_files() > 0
    tables = {f"{name}.{table}" for table in ("outputs", "feedback", "jobs")}
    assert places() >= {*tables, "/data/.dvc", "/data/snapshots"}

    response = ann.delete(f"/api/v1/answers/{answer['answer_id']}")
    assert (response.status_code, response.content) == (202, b"")
    assert read_history(ann) == [stays] * 2, "at once, and wherever it is"
    assert vote(ann, answer["receipt"]) == 410
    assert vote(ann, other["receipt"]) == 201
    carry_out(settings, live.engine, is_purged=False)
    carry_out(settings, live.engine, is_purged=True)

    assert places() == set()
    assert count_files() == 0
    assert ann.delete(f"/api/v1/answers/{answer['answer_id']}").status_code == 404
    assert read_history(ann) == [stays] * 2
    assert vote(ann, answer["receipt"]) == 410
    assert not Path(made.folder).exists()
    folders = [folder for folder in made.folder.parent.iterdir() if folder.is_dir()]
    edits = [row.rewrite for folder in folders for row in shards.read(folder, Demonstration)]
    assert "Would you see to the other?" in edits, "what stays teaches on"
    assert [item["state"] for item in ann.get("/api/v1/erasures").json()] == []
    assert ann.get("/api/v1/auth/me").status_code == 200
    again = ann.post("/api/v1/transform", json={**TASK, "text": goes}, headers=repeated).json()
    assert again["answer_id"] != answer["answer_id"], "the reply was not kept"
    assert again["cache"] == "miss", "no cache has it"
