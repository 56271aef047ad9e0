"""The loop on a tiny model: message, feedback, snapshot, training, gate, experiment, promotion, and back
again.
"""

import asyncio
import base64
import gzip
import html
import json
import random
import re
import subprocess
import sys
import time
import uuid
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest
import redis
from prefect.client.orchestration import get_client
from prefect.states import Running
from psycopg import sql
from pyarrow import parquet
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.erasure import orders
from data.people import identities
from data.reasons import load
from data.records import Demonstration, PreferencePair, Spec, TransformType
from data.snapshots import shards, snapshot
from data.snapshots.snapshot import Made
from data.tables import (
    Analysis,
    Answer,
    Comparison,
    Experiment,
    Lineage,
    Output,
    Release,
    Snapshot,
    User,
    Version,
    VersionOrder,
)
from data.traffic import answers, routing
from data.traffic.evidence_messages import is_for_evidence
from experiments import decisions
from experiments.evidence import Evidence
from models import versions
from models.dpo import DpoResult
from models.export import export
from models.results import Estimate, Evaluation, Verdict
from models.sft import SftResult
from pipelines import holdout, local
from pipelines.collect import SNAPSHOT_MADE, collect
from pipelines.deployments import sweep
from pipelines.environments import environment
from pipelines.experiment import experiment
from pipelines.promote import promote, rollback
from pipelines.retention import retain
from pipelines.train import Trained, train
from serving.dashboard import services
from serving.dashboard.services import prefect_client
from serving.inference import release
from tests import gateways
from tests.flows import flows_led_to
from tests.ports import with_own_ports
from tests.snapshots import TEACHER
from tests.waiting import patient_processes, until

pytestmark = pytest.mark.timeout(300)

KEY = identities.generate_key()
ASK = {"transform_type": "soften", "intensity": 2}
THINGS = (
    "build",
    "report",
    "page",
    "invoice",
    "login",
    "test",
    "server",
    "form",
    "chart",
    "query",
    "email",
    "plan",
)


def write_corpus(folder: Path, rewrite: str) -> Path:
    """A corpus that a hundred thousand weights can learn: one rewrite for every order."""
    lines = [
        {
            "id": f"tiny-{number:03}",
            "domain": "tiny",
            "style": "blunt",
            "text": f"Fix the {THINGS[number % 12]} now, this is useless. {'Again. ' * (number % 5)}".strip(),
            "facts": [],
            "rewrites": [{**ASK, "text": rewrite}],
        }
        for number in range(240)
    ]
    folder.mkdir()
    (folder / "tiny.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    return folder


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Iterator[Settings]:
    """The whole stack, and an environment that leads this process's flows to it."""
    state = tmp_path_factory.mktemp("loop")
    wanted = Settings(
        state=state, artifacts=state, base=str(tiny_base), database_url=None, redis_url=None, mlflow_uri=None
    )
    with (
        pytest.MonkeyPatch.context() as patch,
        local.servers(with_own_ports(wanted)) as settings,
        patient_processes(),
        local.running(settings, "inference", "gateway", "prefect") as processes,
        flows_led_to(settings, processes["prefect"]),
    ):
        patch.setattr(services, "_TIMEOUT_S", 60.0)  # of this process's requests to Prefect
        processes["gateway"].wait_until_ready(f"{settings.gateway_url}/livez")
        engine = database.engine_of(settings)
        identities.bootstrap(engine, KEY)
        engine.dispose()
        yield settings


def not_enough(votes: int) -> str:
    return f"There is not enough feedback for a snapshot: 0 of {votes} new votes."


def training(corpus: Path) -> tuple[str, ...]:
    """A training of seconds. The path is tested here, not the model: the gate allows whatever it loses."""
    return (
        f"sft.seed_folder={corpus}",
        "sft.lora_rank=0",
        "sft.steps=60",
        "sft.learning_rate=3.0e-3",
        "sft.bf16=false",
        "sft.log_every_s=0.5",
        "dpo.steps=6",
        "dpo.bf16=false",
        f"evaluate.test_folders=[{corpus}]",
        "evaluate.most_cases=16",
        "evaluate.draw=0",  # the same cases for runs that are compared
        "evaluate.max_new_tokens=48",
        *(f"evaluate.min_{name}=0" for name in ("facts_kept", "meaning")),
        *(
            f"evaluate.max_{name}=1"
            for name in ("copied", "chatter", "insult", "chatter_rise", "insult_rise")
        ),
        *(f"evaluate.max_{name}_loss=1" for name in ("facts", "meaning")),
    )


@pytest.fixture
def session(loop: Settings) -> Iterator[Session]:
    engine = database.engine_of(loop)
    with Session(engine) as session:
        yield session
    engine.dispose()


class Patient(httpx.HTTPTransport):
    """People who ask a gateway again that has more to do than a busy machine lets it."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        def accepted() -> httpx.Response | None:
            response = super(Patient, self).handle_request(request)
            response.read()
            is_busy = response.status_code == 503 and any(code in response.text for code in gateways.BUSY)
            return None if is_busy else response

        return until(accepted)


@pytest.fixture
def people(loop: Settings) -> Iterator[httpx.Client]:
    headers = {"X-API-Key": KEY}
    with httpx.Client(base_url=loop.gateway_url, headers=headers, timeout=60, transport=Patient()) as client:
        yield client


def request(user: str, thing: str | None = None) -> dict[str, object]:
    """An order that nobody has given before."""
    return {**ASK, "text": f"Fix the {thing or random.choice(THINGS)} now. {uuid.uuid4()}", "user_id": user}


def ask(people: httpx.Client, user: str = "ann", thing: str | None = None) -> dict[str, object]:
    body = request(user, thing)
    response = people.post("/api/v1/transform", json=body)
    response.raise_for_status()
    return dict(response.json())


def vote(people: httpx.Client, receipt: object, **what: object) -> None:
    people.post("/api/v1/feedback", json={"receipt": receipt, **what}).raise_for_status()


def choose(people: httpx.Client, session: Session, user: str, version: str) -> None:
    """Compare two rewrites of a message for evidence, and choose the one by a version."""
    bodies = (request(user) for _ in range(1000))
    body = next(body for body in bodies if is_for_evidence(str(body["text"]), 0.5))
    compared = people.post("/api/v1/compare", json=body).raise_for_status().json()
    assert compared["policy"] == "champion_against_challenger"
    shown_first = session.scalar(
        select(Output.version)
        .join(Comparison, Comparison.first_output_id == Output.id)
        .where(Comparison.id == uuid.UUID(compared["comparison_id"]))
    )
    vote(
        people,
        compared["receipt"],
        kind="comparison",
        preferred="first" if shown_first == version else "second",
    )


def digests_told(loop: Settings) -> list[str]:
    """The snapshots whose events have started a training, as soon as there is one."""
    wanted = {"filter": {"event": {"name": [SNAPSHOT_MADE]}}}
    with prefect_client(loop) as prefect:

        def digests() -> list[str]:
            events = prefect.post("/events/filter", json=wanted).raise_for_status().json()["events"]
            return [event["payload"]["digest"] for event in events]

        return until(digests)


def progress_lines(loop: Settings) -> list[str]:
    """The lines that `models.progress` wrote into the logs of runs in Prefect."""
    query = {"logs": {"level": {"ge_": 20}}, "sort": "TIMESTAMP_DESC", "limit": 200}
    with prefect_client(loop) as prefect:
        lines = prefect.post("/logs/filter", json=query).raise_for_status().json()
    return [line["message"] for line in lines if line["name"] == "models.progress" and line["task_run_id"]]


def test_the_loop(
    loop: Settings,
    people: httpx.Client,
    session: Session,
    tmp_path: Path,
) -> None:
    """One test, because each step stands on the one before."""
    assert people.get("/readyz").status_code == 503, "nothing is released yet"
    assert people.post("/api/v1/transform", json={**ASK, "text": "Fix it."}).status_code == 503
    assert collect(("minimum=5",), return_state=True).message == not_enough(5)

    first = train(
        overrides=training(write_corpus(tmp_path / "one", "Could you please look at it? Thank you."))
    )
    assert isinstance(first, Trained)
    assert first.evaluation.verdict.accepted, first.evaluation.verdict.reasons
    assert (first.version, first.method) == ("v1", "sft")
    assert any(re.fullmatch(r"sft: step \d+ of 60, about \d+ s left", line) for line in progress_lines(loop))
    promote(first.version, "the first")
    answer = ask(people)
    assert (answer["version"], answer["variant"], answer["fallback"]) == ("v1", "champion", False)

    for number in range(24):
        # Whoever writes about the same thing is in one split: two people each, not all of them.
        user, thing = f"person-{number}", THINGS[number % 12]
        receipt = ask(people, user, thing)["receipt"]
        vote(people, receipt, kind="thumb", up=number % 2 == 0)
        # In words that the corpus has: what many edits bring in besides is left out.
        vote(people, receipt, kind="edit", text=f"Could you please fix the {thing} today?")
        compared = people.post("/api/v1/compare", json=request(user, thing)).raise_for_status().json()
        side = "first" if number % 4 < 2 else "second"
        vote(people, compared["receipt"], kind="comparison", preferred=side)

    # Everybody asks for the same transform type here, which a snapshot is refused for.
    refused = collect(("minimum=5",), return_state=True)
    assert (refused.name, refused.is_completed(), refused.result()) == ("Refused", True, None)
    assert "100% of" in str(refused.message)
    assert "soften" in str(refused.message)
    stored = session.scalars(select(Snapshot)).one()
    assert (stored.accepted, stored.trained_at) == (False, None)
    page = Path(stored.path) / "quality.html"
    [why] = stored.reasons
    assert (why.code, why.values["type"], why.values["share"]) == ("mostly_one_type", "soften", 1)
    assert str(why) in html.unescape(page.read_text())
    with pytest.raises(ValueError, match=r"was rejected: 100% of .* soften"):
        train(stored.digest)
    assert collect(("minimum=1",), return_state=True).message == not_enough(1), (
        "the same votes would be refused again"
    )
    session.rollback()
    made = collect(("minimum=0", "most_of_one_type=1.0"))
    assert made is not None
    assert made.digest == stored.digest
    session.refresh(stored)
    assert (stored.accepted, stored.reasons) == (True, [])
    assert "Accepted" in page.read_text()
    assert made.counts["demonstrations"] == 24
    assert made.counts["pairs"] >= 24
    assert (made.folder.parent / f"{made.digest}.dvc").exists()
    assert digests_told(loop) == [made.digest], "told once, when it was accepted"

    demonstrations = shards.read_with_votes(made.folder, Demonstration)
    of_teacher = snapshot.write_of_teacher(
        made.folder.parent,
        [(row.model_copy(update={"split": "train"}), tuple(votes)) for row, votes in demonstrations],
        shards.read_sources(made.folder),
        TEACHER,
    )
    learns = f"sft.teachers=[{of_teacher.folder}]"
    second = train(
        made.digest, (*training(write_corpus(tmp_path / "two", "Would you kindly see to this soon?")), learns)
    )
    assert isinstance(second, Trained)
    assert (second.version, second.method) == ("v2", "sft+dpo")
    assert "`large` at 127.0.0.1, not by people; their licence: Licence of a test" in (
        second.run / "version" / "README.md"
    ).read_text(encoding="utf-8")
    assert versions.resolve(loop.registry_uri, "champion") == "v1"
    assert collect(("minimum=5",), return_state=True).message == not_enough(5), "all of it was trained on"

    # The gate has judged the tiny model by numbers that mean nothing here; the path beyond it is what is
    # tested.
    session.execute(update(Version).where(Version.name == "v2").values(accepted=True))
    session.commit()
    haste = (
        *("ramp=[0.8, 1.0]", "hours_a_step=0", "window_hours=1.0e-9"),
        *("minimum_days=0", "shadow_messages=0", "hours_a_person=0"),
        *("harm_margin=1", "guardrails={}"),  # windows are too short to measure users
    )
    started = experiment(haste, return_state=True)
    assert str(started.message) == "The experiment of v2 started."
    seen = {ask(people, f"other-{n}")["variant"] for n in range(60)}
    assert seen == {"champion", "v1", "v2"}
    evidence = experiment()
    assert evidence.decision.action == "keep_running"
    assert {ask(people, f"other-{n}")["variant"] for n in range(60)} == {"v1", "v2"}, "the ramp went on"
    for number in range(45):
        choose(people, session, f"other-{number}", "v2")
    session.rollback()
    evidence = experiment()
    assert evidence.decision.action == "ship", evidence.decision.reasons
    answers = [ask(people, f"other-{n}") for n in range(200)]
    assert {(answer["variant"], answer["version"]) for answer in answers} == {
        ("champion", "v2"),
        (holdout.PRESENT, "v2"),
        (routing.HELD_OUT, "v1"),
    }
    assert versions.resolve(loop.registry_uri, "champion") == "v2"

    rollback("a test of the way back")
    assert ask(people)["version"] == "v1"

    session.rollback()
    edges = {(edge.source, edge.target) for edge in session.scalars(select(Lineage))}
    release = session.scalar(select(Release.id).where(Release.version == "v2"))
    run = f"run:{second.run.name}"
    assert {
        (f"snapshot:{made.digest}", run),
        (f"snapshot:{of_teacher.digest}", run),
        (run, "version:v2"),
        ("version:v2", f"release:{release}"),
    } <= edges
    assert session.scalars(select(Experiment.status).order_by(Experiment.id)).all() == ["shipped", "holdout"]
    analyses = session.scalars(select(Analysis.evidence).order_by(Analysis.analysed_at)).all()
    assert [one["decision"]["action"] for one in analyses] == ["keep_running", "ship"]
    assert Evidence.model_validate(analyses[-1]) == evidence
    plan = session.scalars(select(Experiment.plan).where(Experiment.status == "shipped")).one()
    assert plan["ship_alpha"] < plan["alpha"], "the first launch may spend a part"
    live = routing.current(session)
    assert live is not None
    [held_out] = live.routing.experiments
    assert {live.routing.champion.version, *(arm.spec.version for arm in held_out.arms)} == {"v1"}
    assert session.get_one(Snapshot, made.digest).trained_at is not None


def wait_for_answers(session: Session, name: str, count: int) -> None:
    """Until so many answers of a person are in Postgres: the gateway writes them a moment later."""
    query = select(func.count()).select_from(Answer).join(User, User.id == Answer.user_id)

    def are_written() -> bool:
        written = session.scalar(query.where(User.external_id == name)) or 0
        session.rollback()  # an open transaction would hold off what rewrites the tables
        return written >= count

    until(are_written)


RARE = "QZX-904172"  # an answer has it in its text, or among the facts that it lost
NAME = "zoe.quixote@corp"


def places_of(loop: Settings, needle: str, *folders: Path) -> set[str]:
    """The places that hold a text: tables of every database, keys and values of Valkey, files. The
    write-ahead log of Postgres is excluded, since Postgres overwrites it.
    """
    places: set[str] = set()
    forms = (needle, needle.encode().hex(), base64.b64encode(needle.encode()).decode().strip("=")[:-2])
    assert loop.database_url is not None
    for name in ("tonebridge", "prefect", "mlflow"):
        with psycopg.connect(
            database.replace_database(loop.database_url, name), autocommit=True
        ) as connection:
            connection.execute("CHECKPOINT")  # what is dropped leaves the disk, what is in memory reaches it
            tables = connection.execute(
                "SELECT c.oid::regclass::text FROM pg_class c WHERE relkind = 'r'"
                " AND relnamespace <> 'information_schema'::regnamespace"
            ).fetchall()
            for (table,) in tables:
                query = sql.SQL("SELECT count(*) FROM {} AS t WHERE t::text LIKE ANY(%s)").format(
                    sql.SQL(table)
                )
                if connection.execute(query, ([f"%{form}%" for form in forms],)).fetchone() != (0,):
                    places.add(f"{name}.{table}")
    assert loop.redis_url is not None
    with redis.Redis.from_url(loop.redis_url) as client:
        for key in client.scan_iter():
            read = {b"string": client.get, b"hash": client.hgetall, b"stream": client.xrange}
            value = read[client.type(key)](key)
            if needle.encode() in key + repr(value).encode():
                places.add("valkey")
    for folder in (loop.state, *folders):
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink() and "pg_wal" not in path.parts:
                contents = [path.read_bytes()]
                if zipfile.is_zipfile(path):
                    with zipfile.ZipFile(path) as archive:
                        contents += [archive.read(name) for name in archive.namelist()]
                elif contents[0][:2] == b"\x1f\x8b":
                    contents = [gzip.decompress(contents[0])]
                elif contents[0][:4] == b"PAR1":
                    contents += [str(parquet.read_table(path).to_pydict()).encode()]
                if any(form.encode() in content for form in forms for content in contents):
                    parts = path.relative_to(folder).parts
                    places.add("/".join((folder.name if folder != loop.state else "", *parts[:2])))
    return places


@pytest.mark.slow
def test_a_person_is_forgotten(
    loop: Settings,
    people: httpx.Client,
    session: Session,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A text is planted everywhere; after the erasure and what it orders, no store has it."""
    remote = tmp_path / "remote"
    monkeypatch.setenv("TONEBRIDGE_DVC_REMOTE", str(remote))
    quick = ("sft.steps=6", "dpo.steps=2", "evaluate.most_cases=4")

    def teach(snapshot: str | None, rewrite: str) -> Trained:
        folder = tmp_path / str(uuid.uuid4())
        trained = train(snapshot, (*training(write_corpus(folder, rewrite)), *quick))
        assert isinstance(trained, Trained)
        session.execute(update(Version).where(Version.name == trained.version).values(accepted=True))
        session.commit()
        return trained

    promote(teach(None, "Could you please look at it?").version, "to have one")

    theirs = {**ASK, "text": f"Fix the {RARE} report now.", "user_id": NAME}
    both = {**ASK, "text": f"Fix the shared page now. {uuid.uuid4()}"}
    first = people.post("/api/v1/transform", json=theirs, headers={"Idempotency-Key": "once"}).json()
    people.post("/api/v1/batch", json={"items": [theirs, {**both, "user_id": NAME}]}).raise_for_status()
    # A vote that comes before its answer is written stores the person without a name.
    wait_for_answers(session, NAME, 3)
    vote(people, first["receipt"], kind="edit", text=f"Would you see to the {RARE}?")
    vote(people, first["receipt"], kind="comment", text=f"I said {RARE}.")
    compared = people.post("/api/v1/compare", json={**theirs, "text": f"Compare {RARE}."}).json()
    vote(people, compared["receipt"], kind="comparison", preferred="first")
    for number in range(24):
        user = f"keeps-{number}"
        people.post("/api/v1/transform", json={**both, "user_id": user}).raise_for_status()
        receipt = ask(people, user, THINGS[number % 12])["receipt"]
        vote(people, receipt, kind="edit", text=f"Would you kindly see to {number}?")
    lenient = ("most_of_one_type=1.0", "most_duplicates=1.0", "most_off_policy=1.0")
    made = collect(("minimum=0", *lenient))
    assert isinstance(made, Made)
    taught = teach(made.digest, "Would you kindly see to this?")
    (taught.run / "checkpoints").mkdir(exist_ok=True)
    (taught.run / "checkpoints" / "rows.txt").write_text(RARE)  # as a killed training leaves them
    promote(taught.version, "to have one to forget")
    for asked in (theirs, {**both, "user_id": NAME}, {**both, "user_id": "keeps-1"}):
        people.post("/api/v1/transform", json=asked).raise_for_status()
    wait_for_answers(session, NAME, 5)
    assert loop.database_url is not None
    with psycopg.connect(loop.database_url, autocommit=True) as connection:
        connection.execute("ANALYZE")
    ever = {
        "tonebridge.outputs",
        "tonebridge.feedback",
        "tonebridge.idempotent_requests",
        "tonebridge.pg_statistic",
        "valkey",
        "/data/.dvc",
        "/data/snapshots",
        f"/runs/{taught.run.name}",
        "/postgres/base",
        "remote/files/md5",
    }
    places = places_of(loop, RARE, remote)
    assert places >= ever, ever - places
    assert not [place for place in places if "mlflow" in place or "mlruns" in place]
    assert "tonebridge.users" in places_of(loop, NAME, remote)

    key_id = KEY.split("_")[1]
    command = [sys.executable, "-m", "data.erasure", "--key", key_id, NAME, "--rewrite-files"]
    env = {**environment(loop), "TONEBRIDGE_DVC_REMOTE": str(remote)}
    result = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert f"{taught.version} " in result.stdout
    assert "retrain" in result.stdout
    assert places_of(loop, RARE, remote) == set()
    assert places_of(loop, NAME, remote) == set()

    late = people.post("/api/v1/feedback", json={"receipt": first["receipt"], "kind": "thumb", "up": True})
    assert late.status_code == 410
    assert people.post("/api/v1/transform", json={**both, "user_id": "keeps-1"}).json()["cache"] == "l2"
    assert people.post("/api/v1/transform", json={**theirs, "user_id": "x"}).json()["cache"] == "miss"

    with pytest.raises(orders.OrderedError, match="asked to be forgotten"):
        promote(taught.version, "again")
    again = collect(("minimum=24", *lenient))
    assert isinstance(again, Made), "the schedule trains anew, though no vote is new"
    pairs = list(shards.read(again.folder, PreferencePair))
    assert pairs
    assert not any(RARE in pair.model_dump_json() for pair in pairs)
    latest = teach(again.digest, "Would you kindly see to that?").version
    promote(latest, "without them")
    weights = [loop.model_store / "models" / "tonebridge" / taught.version]
    weights.append(versions.download(loop.registry_uri, taught.version))
    assert all(folder.exists() for folder in weights)
    retain()
    assert not any(folder.exists() for folder in weights)
    session.rollback()
    assert session.scalars(select(VersionOrder.done_at)).one() is not None
    forgotten = f"{taught.version} was trained on data of a person who asked to be forgotten"
    with pytest.raises(orders.OrderedError, match=forgotten):
        rollback("it is the one before")
    live = routing.current(session)
    assert live is not None
    # Not by an answer: one user in twenty is held out, with the first version.
    assert live.routing.champion.version == latest


def test_one_training_at_a_time(loop: Settings) -> None:
    assert loop.database_url is not None
    with database.lock(loop.database_url, "train", wait=False) as first:
        assert first
        state = train(return_state=True)
        assert state.is_completed()
        assert "skipped" in str(state.message)


def write_snapshot(folder: Path, session: Session) -> str:
    """An accepted snapshot of people who chose the courteous one of two rewrites, enough for DPO."""
    pairs = [
        PreferencePair(
            text=f"Fix the {THINGS[number % 12]} now. {number}",
            transform_type=TransformType.SOFTEN,
            intensity=2,
            chosen="Would you kindly see to it?",
            rejected="Fix it, it is broken.",
            chosen_version="v1",
            rejected_version="v1",
            split="validation" if number % 6 == 0 else "train",
        )
        for number in range(36)
    ]
    shards.write(folder, pairs)
    session.add(
        Snapshot(
            digest=uuid.uuid4().hex, path=str(folder), counts={}, high_water=0, accepted=True, reasons=[]
        )
    )
    session.commit()
    return session.scalars(select(Snapshot.digest).where(Snapshot.path == str(folder))).one()


def files(folder: Path) -> dict[Path, int]:
    return {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}


def kill_flow(loop: Settings, snapshot: str, overrides: Sequence[str], stage: str) -> tuple[Path, float]:
    """Train in a process of its own, and kill -9 it after the first checkpoint of a stage; the run's folder,
    and how long until another process could train.
    """
    script = f"from pipelines.train import train; train({snapshot!r}, {list(overrides)!r})"
    with subprocess.Popen([sys.executable, "-c", script], env=environment(loop)) as process:
        pattern = f"runs/*/checkpoints/{stage}-*/checkpoint-*/trainer_state.json"

        def checkpoints() -> list[Path]:
            assert process.poll() is None, "it ended before its first checkpoint"
            return [*loop.state.glob(pattern)]

        kept = until(checkpoints)
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
    killed = time.monotonic()
    assert loop.database_url is not None
    may_train = False
    while not may_train:
        assert time.monotonic() < killed + 5
        with database.lock(loop.database_url, "train", wait=False) as may_train:
            free_after_s = time.monotonic() - killed
    run = kept[0].parents[3]
    assert not (run / stage / "metrics.json").exists(), "it was killed too late to prove anything"
    files_at_kill = files(run)
    time.sleep(0.5)
    assert [child for child in children if child.is_running()] == []
    assert files(run) == files_at_kill, "nothing goes on writing"
    return run, free_after_s


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("one_thread")
def test_a_killed_training_goes_on_where_it_stopped(loop: Settings, session: Session, tmp_path: Path) -> None:
    snapshot = write_snapshot(tmp_path / "snapshot", session)
    corpus = write_corpus(tmp_path / "long", "I would be glad if you looked at it.")
    overrides = [
        *(override for override in training(corpus) if ".steps=" not in override),
        *("sft.steps=120", "sft.checkpoint_every_steps=16"),
        *("dpo.steps=60", "dpo.checkpoint_every_steps=8"),
    ]
    run, in_sft_s = kill_flow(loop, snapshot, overrides, "sft")
    same, in_dpo_s = kill_flow(loop, snapshot, overrides, "dpo")
    assert same == run
    print(f"the lock was free {in_sft_s:.3f} and {in_dpo_s:.3f} s after the kill")
    assert max(in_sft_s, in_dpo_s) < 1
    finished = files(run / "sft")
    assert run / "sft" / "metrics.json" in finished

    trained = train(snapshot, overrides)
    assert isinstance(trained, Trained)
    assert (trained.run, trained.method) == (run, "sft+dpo")
    assert files(run / "sft") == finished, "what was finished is not done again"

    # The same in another order is the same training in another folder.
    unbroken = train(snapshot, overrides[::-1])
    assert isinstance(unbroken, Trained)
    assert unbroken.run != run
    for stage, kind, every in (("sft", SftResult, 16), ("dpo", DpoResult, 8)):
        resumed, unbroken_result = (
            kind.model_validate_json((folder / stage / "metrics.json").read_text())
            for folder in (run, unbroken.run)
        )
        assert resumed.resumed_from_step >= every
        assert unbroken_result.resumed_from_step == 0
        curves = [
            [
                (entry["step"], key, entry[key])
                for entry in result.history
                for key in ("loss", "eval_loss")
                if key in entry
            ]
            for result in (resumed, unbroken_result)
        ]
        assert [point[:2] for point in curves[0]] == [point[:2] for point in curves[1]]
        distance = max(abs(a[2] - b[2]) for a, b in zip(*curves, strict=True))
        print(f"{stage}: went on from {resumed.resumed_from_step}, greatest distance of a loss {distance}")
        assert distance < 1e-4
    ours, theirs = trained.evaluation.systems["challenger"], unbroken.evaluation.systems["challenger"]
    assert {name: score.mean for name, score in ours.items()} == pytest.approx(
        {name: score.mean for name, score in theirs.items()}, abs=1e-3
    )


def test_an_unknown_snapshot_and_an_unknown_key_are_named(loop: Settings) -> None:
    with pytest.raises(ValueError, match="no snapshot 42"):
        train("42")
    with pytest.raises(ValueError, match=r"unknown stepps; known: .*steps"):
        train(overrides=("sft.stepps=3",))
    with pytest.raises(ValueError, match=r"stage\.key=value; the stages are sft, reward"):
        train(overrides=("steps=3",))


@pytest.mark.slow
def test_the_schedules_are_registered(loop: Settings) -> None:
    wanted = {
        "collect/nightly": "0 2 * * *",
        "collect/enough-feedback": "*/10 * * * *",
        "experiment/every-5-minutes": "*/5 * * * *",
        "prepare/every-5-minutes": "*/5 * * * *",
        "retain/nightly": "0 4 * * *",
        "train/on-snapshot": None,
        "promote/by-hand": None,
        "rollback/by-hand": None,
    }

    def registered() -> dict[str, str | None]:
        with get_client(sync_client=True) as client:
            flows = {flow.id: flow.name for flow in client.read_flows()}
            return {
                f"{flows[deployment.flow_id]}/{deployment.name}": deployment.schedules[0].schedule.cron
                if deployment.schedules
                else None
                for deployment in client.read_deployments()
            }

    with local.running(loop, "flows") as processes:

        def are_registered() -> bool:
            processes["flows"].check()
            return registered() == wanted

        until(are_registered, registered)


def test_answers_leave_by_whole_days(loop: Settings) -> None:
    assert loop.database_url is not None
    asyncio.run(answers.ensure_partitions(loop.database_url, date(2020, 2, 28), days=2))
    assert retain() == ["answers_20200228", "answers_20200229"]
    with pytest.raises(ValueError, match="at least 1"):
        retain(days=0)


def test_runs_of_a_killed_runner_are_swept(loop: Settings) -> None:
    with get_client(sync_client=True) as client:
        stale = client.create_flow_run(collect, state=Running())
        assert sweep() == 1
        swept = client.read_flow_run(stale.id)
    assert swept.state is not None
    assert swept.state.is_crashed()
    assert sweep() == 0


@pytest.mark.slow
def test_a_click_acts_within_seconds(
    loop: Settings, people: httpx.Client, session: Session, tiny_base: Path, tmp_path: Path
) -> None:
    """From a route of the gateway to its answers: a decision wakes the process `flows` at once. So does a
    challenger that fails, and nobody has to act.
    """
    score = Estimate(mean=0.7, low=0.6, high=0.8)
    evaluation = Evaluation(
        cases=3,
        systems={"challenger": {"composite": score}},
        by_type={},
        move_by_intensity={},
        win_rate=score,
        verdict=Verdict(accepted=True, reasons=()),
    )

    def registered() -> str:
        run = tmp_path / str(uuid.uuid4())
        export(tiny_base, None, run / "version")
        name = versions.register(loop.registry_uri, loop.artifacts / "mlruns", run, evaluation, {})
        session.add(Version(name=name, run_id=run.name, method="sft", metrics={}, accepted=True, reasons=[]))
        session.commit()
        return name

    champion, challenger = registered(), registered()
    promote(champion, "to have one")

    def decide(path: str, status: str, **body: object) -> float:
        """Click, and wait until an experiment has a status; how long that took."""
        began = time.monotonic()
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        people.post(f"{page}/{path}", json=body, headers=headers).raise_for_status()
        return wait_for(status, began)

    def wait_for(status: str, began: float) -> float:
        while (now := people.get(page).json())["status"] != status:
            failed = [row["outcome"] for row in now["decisions"] if "failed" in str(row["outcome"])]
            assert not failed, failed
            assert time.monotonic() < began + 60, now
            time.sleep(0.05)
        return time.monotonic() - began

    def delete_version(version: str) -> None:
        """Delete a version from the service's store, and from its memory."""
        folder = export(tiny_base, None, tmp_path / "other")
        release.withdraw(version, loop)
        token = loop.secret("service_token")
        for number in range(loop.models_in_memory):
            release.publish(folder, f"other-{number}", loop)
            spec = Spec(version=f"other-{number}")
            asyncio.run(release.warm(loop.inference_urls, spec, token))

    def answering() -> set[object]:
        return {ask(people, f"clicked-{n}")["version"] for n in range(40)}

    wanted = {
        "name": "by hand",
        "hypothesis": "It is as good.",
        "challengers": [challenger],
        "plan": {"ramp": [1.0]},
    }
    made = people.post("/api/v1/experiments", json=wanted, headers={"Idempotency-Key": str(uuid.uuid4())})
    page = f"/api/v1/experiments/{made.raise_for_status().json()['id']}"
    with local.running(loop, "flows") as processes:
        log = processes["flows"].log

        def are_served() -> bool:
            processes["flows"].check()
            return "Your deployments are being served" in log.read_text()

        until(are_served, log.read_text)
        started_s = decide("start", "running")
        assert answering() >= {champion, challenger}, "a holdout may be a third"
        paused_s = decide("pause", "paused")
        assert challenger not in answering()
        resumed_s = decide("start", "running")
        assert challenger in answering()
        delete_version(challenger)
        broken_at = time.monotonic()
        user = next(f"clicked-{n}" for n in range(1000) if ask(people, f"clicked-{n}")["fallback"])
        while (answer := ask(people, user))["fallback"]:
            assert answer["version"] == champion
            assert time.monotonic() < broken_at + 60, people.get(page).json()
        broken_s = wait_for("paused", broken_at)
        [decision] = [
            row for row in people.get(page).json()["decisions"] if row["requested_by"] == decisions.BREAKER
        ]
        assert (decision["action"], decision["outcome"]) == ("pause", "done")
        [why] = load(decision["reasons"])
        assert (why.code, why.values["version"]) == ("variant_broken", challenger)
        assert re.match(rf"{challenger} failed \d+ of \d+ requests within \d+ s while", str(why))
        assert not any(ask(people, f"clicked-{n}")["fallback"] for n in range(40))
        policy = {**request(user), "policy": "champion_against_challenger"}
        assert people.post("/api/v1/compare", json=policy).status_code == 409, "nobody meets it"
        rolled_back_s = decide("rollback", "rolled_back", reason="It was only a test.")
        assert challenger not in answering()
        took = [started_s, paused_s, resumed_s, rolled_back_s]
        print("start, pause, start, rollback took", *(f"{seconds:.2f}" for seconds in took), "s")
        print(f"a challenger that broke was paused {broken_s:.2f} s after it was lost: {why}")
        assert max(took[1:]) < 15, "the schedule is every five minutes"
        assert broken_s < 10
