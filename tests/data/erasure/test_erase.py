"""A person leaves rows, caches, snapshots and runs; others stay; a run that was cut off is finished."""

import asyncio
import json
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import redis
from pyarrow import parquet
from sqlalchemy import Engine, func, select, text, update
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.erasure import __main__ as command
from data.erasure import copies, orders, rows, whom
from data.erasure.erase import erase, rehearse
from data.erasure.whom import OutOfReachError, Person, UnknownPersonError
from data.people.identities import Identity
from data.records import Demonstration, Label, Spec, TransformType
from data.snapshots import archive, shards, snapshot, teachers
from data.tables import (
    Account,
    AccountSession,
    Answer,
    ApiKey,
    Comparison,
    CountedVoter,
    Erasure,
    Experiment,
    ExperimentUnit,
    Exposure,
    Failure,
    Feedback,
    IdempotentRequest,
    Lineage,
    MetricSum,
    OpenUnit,
    Organisation,
    Output,
    ReplacedVote,
    Snapshot,
    User,
    UserDay,
    Version,
    VersionOrder,
    new_id,
)
from data.traffic import answers, feedback, receipts, routing
from data.traffic.feedback import ErasedError, Thumb
from data.traffic.outputs import CACHE_PREFIX, NO_DICTIONARY, Namer
from data.traffic.receipts import Receipt
from data.traffic.routing import Routing
from tests import snapshots
from tests.logins import gateway_url
from tests.waiting import until

RARE = "quagmire-zx81-rutabaga"


@pytest.fixture(scope="module")
def own_url(new_database: Callable[..., str]) -> str:
    """A database of this file's own: what is in force, and which snapshots there are, is up to the test."""
    url = new_database()
    asyncio.run(answers.ensure_partitions(url, datetime.now(UTC).date()))
    return url


@pytest.fixture
def settings(local: Settings, own_url: str, tmp_path: Path) -> Settings:
    return local.model_copy(
        update={"state": tmp_path / "state", "database_url": own_url, "dvc_remote": str(tmp_path / "remote")}
    )


@pytest.fixture
def engine(own_url: str) -> Iterator[Engine]:
    engine = database.engine(own_url)
    yield engine
    engine.dispose()


class World:
    """A tenant with people in it."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.settings, self.engine = settings, engine
        self.tenant, self.key_id = new_id(), uuid.uuid4().hex[:12]
        with Session(engine) as session, session.begin():
            session.add(Organisation(id=self.tenant, name=str(self.tenant)))
            session.flush()
            session.add(
                ApiKey(id=self.key_id, organisation_id=self.tenant, name="k", secret_sha256=sha256().digest())
            )

    def user(self, name: str) -> uuid.UUID:
        return Identity(self.tenant, self.key_id, "member", b"", "free").user(name)

    def person(self, name: str) -> Person:
        return Person(self.user(name), self.tenant)

    def erase(self, person: str | Person, report: Callable[[str], None] = print) -> uuid.UUID:
        """Erase a person; no gateway is there to wait for."""
        person = self.person(person) if isinstance(person, str) else person
        return erase(self.settings, self.engine, person, report, settle_s=0.0)

    def output(self, message: str, version: str = "v1", words: str | None = None) -> uuid.UUID:
        """An output, in the tables and in Redis."""
        output = Output(
            id=new_id(),
            organisation_id=self.tenant,
            message=message,
            transform_type=TransformType.SOFTEN,
            intensity=2,
            text=words or f"Could you? {message}",
            facts_missing=[],
            spec_digest="0" * 32,
            version=version,
            upstream_ms=1.0,
        )
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            session.add(output)
        with self.redis() as client:
            client.set(self.cache_key(message), json.dumps({"said": output.text}))
        return output.id

    def redis(self) -> redis.Redis:
        assert self.settings.redis_url is not None
        return redis.Redis.from_url(self.settings.redis_url)

    def cache_key(self, message: str) -> bytes:
        name = Namer().name(self.tenant, "0" * 32, NO_DICTIONARY, TransformType.SOFTEN, 2, message)
        return CACHE_PREFIX + name

    def receipt(
        self, name: str, output: uuid.UUID, comparison: uuid.UUID | None = None, ago_s: int = 3600
    ) -> Receipt:
        return Receipt(
            output,
            self.tenant,
            self.user(name),
            None,
            comparison,
            "champion",
            "v1",
            1,
            int(time.time()) - ago_s,
        )

    def answer(self, name: str, output: uuid.UUID, retried: bool = False) -> None:
        """An answer to a person; kept for an Idempotency-Key."""
        answer_id = new_id()
        with Session(self.engine) as session, session.begin():
            session.merge(
                User(id=self.user(name), organisation_id=self.tenant, key_id=self.key_id, external_id=name)
            )
            session.add(
                Answer(
                    id=answer_id,
                    output_id=output,
                    organisation_id=self.tenant,
                    user_id=self.user(name),
                    variant="champion",
                    epoch=1,
                    cache="miss",
                    fell_back=False,
                    total_ms=1.0,
                )
            )
            if retried:
                token = receipts.sign(self.receipt(name, output), b"secret")
                body = f'{{"answer_id":"{answer_id}","receipt":"{token}","transformed_text":"Could you?"}}'
                session.add(
                    IdempotentRequest(
                        organisation_id=self.tenant,
                        key=f"{name}-{answer_id}",
                        request_digest=b"d",
                        status=200,
                        body=f'{{"items":[{{"status":200,"answer":{body}}}]}}'.encode(),
                    )
                )

    def vote(self, name: str, output: uuid.UUID, kind: str, **value: object) -> uuid.UUID:
        vote = Feedback(
            id=new_id(),
            organisation_id=self.tenant,
            user_id=self.user(name),
            output_id=output,
            kind=kind,
            **value,
        )
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            session.merge(User(id=self.user(name), organisation_id=self.tenant, key_id=self.key_id))
            session.add(vote)
        return vote.id

    def compare(self, name: str, message: str) -> None:
        first, second = self.output(message, words="one"), self.output(message, words="two")
        comparison = Comparison(
            id=new_id(),
            organisation_id=self.tenant,
            user_id=self.user(name),
            policy="two_samples",
            first_output_id=first,
            second_output_id=second,
        )
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            session.add(comparison)
        self.vote(name, first, "comparison", comparison_id=comparison.id, preferred_output_id=second)

    def count(self, table: Any, *where: Any) -> int:
        with Session(self.engine) as session:
            query = select(func.count()).select_from(table)
            return session.scalar(query.where(table.organisation_id == self.tenant, *where)) or 0

    def snapshot(self, high_water: int = 1, trained: bool = True, is_old: bool = False) -> Path:
        """All votes as a snapshot: on disk, in DVC and in its table."""
        repository = self.settings.state / "data"
        with self.engine.connect() as connection:
            made = snapshots.make(connection, self.tenant, repository / "snapshots")
        if is_old:
            as_jsonl(made.folder)
        archive.add(repository, made.folder, self.settings.dvc_remote)
        with Session(self.engine) as session, session.begin():
            session.add(
                Snapshot(
                    digest=made.digest,
                    path=str(made.folder),
                    counts=made.counts,
                    high_water=high_water,
                    trained_at=datetime.now(UTC) if trained else None,
                    accepted=True,
                    reasons=[],
                    quality={"votes": {}},
                )
            )
        return made.folder

    def trained(self, digest: str, version: str | None) -> Path:
        """A run on a snapshot that has left files, and a version unless it was refused."""
        run = self.settings.state / "runs" / uuid.uuid4().hex[:8]
        (run / "checkpoints").mkdir(parents=True)
        (run / "checkpoints" / "tokens.txt").write_text(RARE)
        edges = [(f"snapshot:{digest}", f"run:{run.name}")]
        with Session(self.engine) as session, session.begin():
            if version is not None:
                session.add(
                    Version(
                        name=version, run_id=run.name, method="sft", metrics={}, accepted=True, reasons=[]
                    )
                )
                edges.append((f"run:{run.name}", f"version:{version}"))
            session.add_all(Lineage(source=source, target=target) for source, target in edges)
        return run

    def files_with(self, needle: str, *folders: Path) -> list[Path]:
        paths = (path for folder in (self.settings.state, *folders) for path in folder.rglob("*"))
        return [path for path in paths if path.is_file() and needle.encode() in read_content(path)]


def read_content(file: Path) -> bytes:
    """What a file says: Parquet, which DVC keeps under other names, is compressed."""
    content = file.read_bytes()
    if content[:4] != b"PAR1":
        return content
    return content + str(parquet.read_table(file).to_pydict()).encode()


def as_jsonl(folder: Path) -> None:
    """Put a snapshot into the files that older ones have."""
    files = {name: list(shards.read(folder, kind)) for name, kind in shards.KINDS.items()}
    files["sources"] = list(shards.read_sources(folder))
    for name, items in files.items():
        shutil.rmtree(folder / name)
        (folder / f"{name}.jsonl").write_text("".join(f"{item.model_dump_json()}\n" for item in items))


@pytest.fixture
def world(settings: Settings, engine: Engine) -> World:
    return World(settings, engine)


def version_name() -> str:
    return f"v{uuid.uuid4().int % 10**9}"


def put_into_force(engine: Engine, version: str) -> None:
    with Session(engine) as session, session.begin():
        routing.publish(session, Routing(champion=Spec(version=version)), "a test")


def user_day(world: "World", name: str) -> UserDay:
    return UserDay(
        user_id=world.user(name),
        day=datetime.now(UTC).date(),
        organisation_id=world.tenant,
        answers=2,
        misses=1,
        fallbacks=0,
        repeats=0,
        failures=1,
        service_s=1,
        log_ms=7,
    )


def lived(world: World) -> dict[str, uuid.UUID]:
    """Ann and Bob have used everything; one output they share."""
    named = {
        "ann": world.output(f"Ann's {RARE}"),
        "shared": world.output("Fix it."),
        "bob": world.output("Bob's"),
    }
    for name, output in (("ann", "ann"), ("ann", "shared"), ("bob", "shared"), ("bob", "bob")):
        world.answer(name, named[output], retried=True)
    world.vote("ann", named["ann"], "edit", text=f"Please, {RARE}.")
    world.vote("ann", named["shared"], "comment", text=f"Like {RARE}.")
    world.vote("bob", named["shared"], "edit", text="Would you fix it?")
    world.vote("bob", named["bob"], "thumb", thumb_up=True)
    world.compare("ann", f"Choose {RARE}")
    world.compare("bob", "Choose")
    experiment = new_id()
    with Session(world.engine) as session, session.begin():
        session.add(Experiment(id=experiment, name="x", hypothesis="", plan={}, salt="s"))
        session.flush()
        for tenant in (world.tenant, uuid.uuid4()):
            arm = {
                "experiment_id": experiment,
                "epoch": 1,
                "variant": "a",
                "metric": "satisfaction",
                "bin": 0,
            }
            sums = dict.fromkeys(("n", "x", "xx", "y", "yy", "xy"), 1)
            session.add(MetricSum(segment=f"organisation={tenant}", **arm, **sums))
        for segment, units in (("locale=ja", 9), ("locale=en", 10), ("transform_type=soften", 1)):
            session.add(MetricSum(segment=segment, **arm, **{**sums, "n": units}))
        for name in ("ann", "bob"):
            arm = {"experiment_id": experiment, "variant": "a", "epoch": 1}
            person = {"user_id": world.user(name), "organisation_id": world.tenant}
            session.add(Failure(id=new_id(), failures=2, **arm, **person))
            for table in (ExperimentUnit, OpenUnit):
                session.add(table(unit_id=world.user(name), period=0, entered_at=datetime.now(UTC), **arm))
            for challenger in ("b", "c"):
                session.add(
                    CountedVoter(
                        experiment_id=experiment,
                        challenger=challenger,
                        opponent="a",
                        user_id=world.user(name),
                        complete_at=datetime.now(UTC),
                        message_ids=[new_id()],
                        wins=[name == "ann"],
                        ties=2,
                    )
                )
            session.add(user_day(world, name))
            session.add(
                Exposure(
                    experiment_id=experiment,
                    user_id=world.user(name),
                    variant="a",
                    epoch=1,
                    organisation_id=world.tenant,
                    answer_id=new_id(),
                    exposed_at=datetime.now(UTC),
                )
            )
    return named


def test_the_search_for_a_text_looks_into_what_is_compressed(tmp_path: Path) -> None:
    """Few rows lie open, in Parquet's statistics: of many, a search of the bytes would find nothing."""
    task = {"transform_type": TransformType.SOFTEN, "intensity": 2, "good": True, "version": "v1"}
    texts = [f"{number:03} {RARE if number == 150 else uuid.uuid4()}" for number in range(300)]
    shards.write(tmp_path, [Label(**task, text=text, rewrite=text) for text in texts])
    file = tmp_path / "labels" / "00000.parquet"
    assert RARE.encode() not in file.read_bytes()
    assert RARE.encode() in read_content(file)


def test_rows_and_cached_outputs_leave_and_those_of_others_stay(world: World) -> None:
    named = lived(world)
    lines: list[str] = []
    ann, bob = world.user("ann"), world.user("bob")
    with Session(world.engine) as session, session.begin():
        for user in (ann, bob):
            is_edit = (Feedback.user_id == user, Feedback.kind == "edit")
            session.execute(update(Feedback).where(*is_edit).values(edit_distance=0.5))
        votes_of = {
            user: set(session.scalars(select(Feedback.id).where(Feedback.user_id == user)))
            for user in (ann, bob)
        }
    world.erase("ann", report=lines.append)
    left = {Feedback: 3, Comparison: 1, Answer: 2, Exposure: 1, Failure: 1, UserDay: 1}
    for table, remaining in left.items():
        assert world.count(table, table.user_id == ann) == 0, table
        assert world.count(table, table.user_id == bob) == remaining, table
    with Session(world.engine) as session:
        messages = session.scalars(select(Output.message).where(Output.organisation_id == world.tenant)).all()
        keys = session.scalars(
            select(IdempotentRequest.key).where(IdempotentRequest.organisation_id == world.tenant)
        ).all()
        units = [
            session.scalars(select(table.unit_id).where(table.unit_id.in_((ann, bob)))).all()
            for table in (ExperimentUnit, OpenUnit)
        ]
        replaced = {
            user: session.scalars(select(ReplacedVote).where(ReplacedVote.feedback_id.in_(votes))).all()
            for user, votes in votes_of.items()
        }
        assert [len(replaced[user]) for user in (ann, bob)] == [0, 1]
        experiment = session.scalars(
            select(CountedVoter.experiment_id).where(CountedVoter.user_id == bob).distinct()
        ).one()
        voters = session.execute(
            select(CountedVoter.user_id, CountedVoter.wins, CountedVoter.ties)
            .where(CountedVoter.experiment_id == experiment)
            .order_by(CountedVoter.id)
        ).all()
        segments = session.scalars(
            select(MetricSum.segment).where(MetricSum.experiment_id == experiment)
        ).all()
        assert {name for name in segments if not name.startswith("organisation=")} == {
            "locale=en",
            "transform_type=soften",
        }
        person = session.get_one(User, ann)
        assert (person.external_id, person.key_id, person.consents_to_training) == (None, world.key_id, False)
        assert session.get_one(User, bob).external_id == "bob"
        done = session.scalars(select(Erasure).where(Erasure.user_id == ann)).one()
    assert units == [[bob], [bob]]
    # The votes are evidence; whose they are is gone.
    assert voters == [(None, [True], 2)] * 2 + [(bob, [False], 2)] * 2
    assert sorted(messages) == ["Bob's", "Choose", "Choose", "Fix it."]
    assert len(keys) == 2
    assert all(key.startswith("bob-") for key in keys)
    with world.redis() as client:
        assert client.exists(world.cache_key(f"Ann's {RARE}")) == 0
        assert client.exists(world.cache_key("Fix it."), world.cache_key("Bob's")) == 2
    assert done.finished_at is not None
    assert done.counts == {
        "cached outputs": 2,  # the two samples have one message
        "idempotent_requests": 2,
        "feedback": 3,
        "comparisons": 1,
        "answers": 2,
        "exposures": 1,
        "failures": 1,
        "user_days": 1,
        "units": 1,
        "counted voters": 2,
        "sums of the organisation": 1,
        "sums of small segments": 1,
        "outputs": 3,
    }
    assert "3 feedback" in lines[1]
    assert named["shared"]


def test_the_planner_keeps_no_text(world: World) -> None:
    """ANALYZE stores the commonest values of a column: a text among them would outlive its row."""
    for number in range(30):
        world.answer("ann", world.output(f"{RARE} statistics", words=f"{number}"))
    statistics = "SELECT count(*) FROM pg_stats WHERE most_common_vals::text LIKE :rare"
    with world.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE outputs"))
        rare = {"rare": f"%{RARE} statistics%"}
        assert connection.execute(text(statistics), rare).scalar_one() == 1
        world.erase("ann")
        assert connection.execute(text(statistics), rare).scalar_one() == 0


def test_a_rehearsal_says_what_would_go_and_changes_nothing(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    lived(world)
    folder = world.snapshot()
    version = version_name()
    world.trained(folder.name, version)
    before = [
        world.count(table) for table in (Feedback, Comparison, Answer, Exposure, Output, IdempotentRequest)
    ]
    assert rehearse(world.settings, world.engine, world.person("ann"))
    output = capsys.readouterr().out
    assert "3 feedback" in output
    assert f"snapshot   {folder.name}, read by 1 runs" in output
    assert f"version    {version} was trained on it" in output
    after = [
        world.count(table) for table in (Feedback, Comparison, Answer, Exposure, Output, IdempotentRequest)
    ]
    assert after == before
    assert world.count(Erasure) == 0
    with world.redis() as client:
        assert client.exists(world.cache_key(f"Ann's {RARE}"))


def test_a_snapshot_is_rewritten_and_nothing_of_the_old_one_is_left(world: World, tmp_path: Path) -> None:
    lived(world)
    folder = world.snapshot(high_water=77)
    in_force, former = version_name(), version_name()
    runs = [world.trained(folder.name, version) for version in (in_force, former, None)]
    put_into_force(world.engine, in_force)
    remote = tmp_path / "remote"
    before = world.files_with(RARE, remote)
    assert {"snapshots", "cache", "remote", "runs"} <= {part for path in before for part in path.parts}

    done = world.erase("ann")
    assert world.files_with(RARE, remote) == []
    assert world.files_with(str(world.user("ann")), remote) == []
    assert not any(run.exists() for run in (*runs, folder, folder.with_name(f"{folder.name}.dvc")))
    with Session(world.engine) as session:
        assert session.get(Snapshot, folder.name) is None
        digest = session.scalar(
            select(Lineage.target).where(
                Lineage.source == f"snapshot:{folder.name}", Lineage.target.startswith("snapshot:")
            )
        )
        assert digest is not None
        successor = session.get_one(Snapshot, digest.removeprefix("snapshot:"))
        actions = session.execute(
            select(VersionOrder.version, VersionOrder.action).where(VersionOrder.erasure_id == done)
        ).all()
    assert (successor.high_water, successor.accepted, successor.quality) == (77, True, None)
    assert successor.trained_at is not None, "no schedule trains again for the sake of the rewriting"
    assert {
        name: successor.counts[name] for name in ("votes", "people", "votes_erased", "demonstrations")
    } == {
        "votes": 3,
        "people": 1,
        "votes_erased": 2,  # a comment is in no snapshot
        "demonstrations": 1,
    }
    folder_after = Path(successor.path)
    assert snapshot.read_people(folder_after) == {world.user("bob")}
    assert "before 2 votes of people who asked to be forgotten" in (folder_after / "README.md").read_text()
    pushed = {path.name for path in remote.rglob("*") if path.is_file()}
    assert pushed, "what is rewritten is pushed, too"
    assert dict(map(tuple, actions)) == {in_force: "retrain", former: "retire"}  # type: ignore[arg-type]


def test_a_pair_that_two_people_rated_leaves_with_either(world: World) -> None:
    good, bad = world.output("Rate it.", words="good"), world.output("Rate it.", words="bad")
    world.vote("ann", good, "rating", rating=5)
    world.vote("bob", bad, "rating", rating=1)
    world.vote("cyd", good, "rating", rating=5)
    folder = world.snapshot()
    assert shards.count(folder) == {"demonstrations": 0, "pairs": 1, "labels": 3}
    written = snapshot.rewrite_without(folder, world.user("bob"), {})
    assert written is not None
    assert (written.counts["pairs"], written.counts["labels"], written.counts["people"]) == (0, 2, 2)
    remaining = {source.feedback for source in shards.read_sources(written.folder)}
    votes = [votes for _, votes in shards.read_with_votes(written.folder, Label)]
    assert sorted(votes, key=str) == sorted(({vote} for vote in remaining), key=str)


@pytest.mark.parametrize("is_old", [True, False], ids=["of jsonl files", "nobody is left"])
def test_a_snapshot_that_cannot_be_rewritten_is_withdrawn(world: World, tmp_path: Path, is_old: bool) -> None:
    world.vote("ann", world.output(RARE), "edit", text="Please.")
    if is_old:
        world.vote("bob", world.output("Bob's"), "edit", text="Please.")
    folder = world.snapshot(high_water=78, is_old=is_old)
    assert world.files_with(RARE, tmp_path / "remote")
    world.erase("ann")
    assert world.files_with(RARE, tmp_path / "remote") == []
    assert not list(folder.parent.glob("*"))
    with Session(world.engine) as session:
        row = session.get_one(Snapshot, folder.name)
    assert (row.path, row.accepted, row.high_water) == ("", False, 78)


class Killed(BaseException):
    """As by kill -9: nothing is caught, nothing is put right."""


STEPS: dict[str, tuple[Any, str]] = {
    "after the work order": (rows, "purge"),
    "after the rows": (copies, "rewrite_snapshots"),
    "before a snapshot is written": (snapshot, "rewrite_without"),
    "before DVC has it": (archive, "add"),
    "before the tables know": (copies, "_insert_successor"),
    "before DVC forgets the old one": (archive, "forget"),
    "before the old folder goes": (shutil, "rmtree"),
    "before the vacuum": (rows, "vacuum"),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_run_is_finished_by_the_next(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    lived(world)
    folder = world.snapshot()
    version = version_name()
    run = world.trained(folder.name, version)

    def kill(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(*STEPS[step], kill)
        with pytest.raises(Killed):
            world.erase("ann")
    with Session(world.engine) as session:
        order = session.scalars(select(Erasure).where(*whom.match_owner(Erasure, world.person("ann")))).one()
        assert order.finished_at is None
    erasure_id = world.erase("ann")
    assert erasure_id == order.id, "the same work order"
    assert world.files_with(RARE, tmp_path / "remote") == []
    assert not run.exists()
    with Session(world.engine) as session:
        finished = session.get_one(Erasure, erasure_id)
        assert finished.finished_at is not None
        assert finished.counts["feedback"] == 3
        assert finished.counts["snapshots"] == 1
        assert orders.action_for(session, version) == "retire"
    remaining = [path for path in folder.parent.iterdir() if path.is_dir()]
    assert [snapshot.read_people(path) for path in remaining] == [{world.user("bob")}]
    assert world.count(Feedback) == 3


def test_what_a_killed_flow_has_not_noted_is_found_too(world: World) -> None:
    lived(world)
    folder = world.snapshot()
    with Session(world.engine) as session, session.begin():
        session.delete(session.get_one(Snapshot, folder.name))
    half = folder.with_name("abc.partial")
    half.mkdir()
    (half / "pairs.parquet").write_text(RARE)
    world.erase("ann")
    assert world.files_with(RARE) == []


def write_of_teacher(world: World, folder: Path) -> Path:
    """What a teacher made of a snapshot's messages and of one of the seed corpus: a demonstration each."""
    rows: list[tuple[shards.Row, snapshot.MadeOf]] = [
        (
            Demonstration(
                text=row.text, transform_type=row.transform_type, intensity=2, rewrite=f"Please: {row.text}"
            ),
            tuple(votes),
        )
        for row, votes in shards.read_with_votes(folder, Demonstration)
    ]
    seed = Demonstration(text="Seed.", transform_type=TransformType.SOFTEN, intensity=2, rewrite="A seed?")
    used = {vote for _, votes in rows for vote in votes}
    sources = [source for source in shards.read_sources(folder) if source.feedback in used]
    return snapshot.write_of_teacher(folder.parent, [*rows, (seed, ())], sources, snapshots.TEACHER).folder


@pytest.mark.parametrize("is_killed", [False, True])
def test_what_a_teacher_made_of_a_persons_messages_leaves_and_the_rest_stays(
    world: World, tmp_path: Path, is_killed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lived(world)
    folder = world.snapshot()
    of_teacher = write_of_teacher(world, folder)
    assert shards.count(of_teacher)["demonstrations"] == 3
    version = version_name()
    run = world.trained(of_teacher.name, version)
    answers_of_teacher = folder.with_name("teacher.partial")
    answers_of_teacher.mkdir()
    (answers_of_teacher / "replies.jsonl").write_text(RARE)
    if is_killed:  # after the orders are stored, before the old folder is removed
        with monkeypatch.context() as patch:
            patch.setattr(archive, "forget", raise_interrupt)
            with pytest.raises(KeyboardInterrupt):
                world.erase("ann")
    done = world.erase("ann")
    assert world.files_with(RARE, tmp_path / "remote") == []
    assert not run.exists()
    remaining = [path for path in folder.parent.iterdir() if teachers.read(path)]
    assert len(remaining) == 1
    assert of_teacher not in remaining
    kept = {row.text: row.rewrite for row in shards.read(remaining[0], Demonstration)}
    assert kept["Seed."] == "A seed?"
    assert len(kept) == 2, "Bob's is there"
    assert snapshot.read_people(remaining[0]) == {world.user("bob")}
    assert teachers.read(remaining[0]) == snapshots.TEACHER
    assert "Licence of a test" in (remaining[0] / "README.md").read_text()
    with Session(world.engine) as session:
        edge = session.get(Lineage, (f"snapshot:{of_teacher.name}", f"snapshot:{remaining[0].name}"))
        assert edge is not None
        order = session.scalar(select(VersionOrder).where(VersionOrder.version == version))
    assert order is not None, "a version that learned from it is retired or trained again"
    assert order.erasure_id == done


def raise_interrupt(*_: object) -> int:
    raise KeyboardInterrupt


def test_of_a_teachers_snapshot_without_others_nothing_stays(world: World) -> None:
    world.vote("ann", world.output(f"Ann's {RARE}"), "edit", text=f"Please, {RARE}.")
    folder = world.snapshot()
    rows = list(shards.read_with_votes(folder, Demonstration))
    sources = list(shards.read_sources(folder))
    snapshot.write_of_teacher(
        folder.parent, [(row, tuple(votes)) for row, votes in rows], sources, snapshots.TEACHER
    )
    world.erase("ann")
    assert world.files_with(RARE) == []
    assert [path for path in folder.parent.iterdir() if path.is_dir()] == []


def test_a_snapshot_that_is_elsewhere_keeps_the_order_open(world: World) -> None:
    lived(world)
    folder = world.snapshot()
    away = folder.with_name("away")
    folder.rename(away.with_suffix(".moved"))
    away.with_suffix(".moved").rename(world.settings.state.parent / "away")
    with pytest.raises(OutOfReachError, match=folder.name):
        world.erase("ann")
    assert world.count(Feedback, Feedback.user_id == world.user("ann")) == 0, "all else is done"
    assert world.count(Erasure, Erasure.finished_at.is_(None)) == 1
    (world.settings.state.parent / "away").rename(folder)
    world.erase("ann")
    assert world.count(Erasure, Erasure.finished_at.is_(None)) == 0
    assert not folder.exists()


@pytest.mark.parametrize("is_old", [True, False])
def test_a_snapshot_of_others_stays_in_either_format(world: World, is_old: bool) -> None:
    world.vote("bob", world.output("Bob's"), "edit", text="Please.")
    folder = world.snapshot(is_old=is_old)
    world.vote("ann", world.output(RARE), "thumb", thumb_up=True)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    world.erase("ann")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    with Session(world.engine) as session:
        assert session.get_one(Snapshot, folder.name).path == str(folder)


@pytest.mark.parametrize("is_noted", [True, False])
def test_a_snapshot_that_is_not_whole_keeps_the_order_open(world: World, is_noted: bool) -> None:
    """As a `dvc pull` that was cut off leaves it: rows are there, and not whose they are."""
    lived(world)
    folder = world.snapshot()
    if not is_noted:
        with Session(world.engine) as session, session.begin():
            session.delete(session.get_one(Snapshot, folder.name))
    sources = folder / "sources" / "00000.parquet"
    content = sources.read_bytes()
    sources.unlink()
    with pytest.raises(OutOfReachError, match=f"{folder.name} are not in .* or are incomplete"):
        world.erase("ann")
    sources.write_bytes(content)
    world.erase("ann")
    assert world.files_with(RARE) == []


def test_a_training_that_runs_is_waited_for(world: World) -> None:
    """What it registers at its end is found, and nothing reads a snapshot while it is rewritten."""
    lived(world)
    folder = world.snapshot()
    lines: list[str] = []
    url = str(world.settings.database_url)
    with database.lock(url, "train", wait=False) as may_train:
        assert may_train
        erasing = threading.Thread(target=world.erase, args=("ann", lines.append))
        erasing.start()

        def is_waiting() -> bool:
            assert erasing.is_alive()
            return any(line.startswith("training") for line in lines)

        until(is_waiting)
        time.sleep(0.2)
        assert folder.exists()
        version = version_name()
        run = world.trained(folder.name, version)
    erasing.join()
    assert not run.exists()
    assert not folder.exists()
    with Session(world.engine) as session:
        assert orders.action_for(session, version) == "retire"


def run_main(
    world: World, monkeypatch: pytest.MonkeyPatch, *arguments: str, redis_url: str | None = None
) -> None:
    monkeypatch.setenv("TONEBRIDGE_DATABASE_URL", str(world.settings.database_url))
    monkeypatch.setenv("TONEBRIDGE_REDIS_URL", redis_url or str(world.settings.redis_url))
    monkeypatch.setenv("TONEBRIDGE_STATE", str(world.settings.state))
    command.main(arguments)


def test_the_command_takes_each_kind_of_name_and_says_what_follows(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lived(world)
    folder = world.snapshot()
    version = version_name()
    world.trained(folder.name, version)
    run_main(world, monkeypatch, "--key", world.key_id, "ann", "--dry-run")
    assert world.count(Feedback, Feedback.user_id == world.user("ann")) == 3
    run_main(world, monkeypatch, "--key", world.key_id, "ann", "--rewrite-files")
    output = capsys.readouterr().out
    assert "their files rewritten" in output
    assert f"{version} " in output
    assert "retire" in output
    run_main(world, monkeypatch, str(world.user("ann")))
    output = capsys.readouterr().out
    assert "erased before" in output
    assert version in output, "the orders are said again"
    assert world.count(Erasure) == 1

    identity = Identity(world.tenant, "", "member", b"", "free")
    with Session(world.engine) as session, session.begin():
        session.add(
            User(id=identity.subject("cyd@corp"), organisation_id=world.tenant, external_id="cyd@corp")
        )
    run_main(world, monkeypatch, "--organisation", str(world.tenant), "--subject", "cyd@corp")
    with Session(world.engine) as session:
        assert session.get_one(User, identity.subject("cyd@corp")).external_id is None


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([str(uuid.UUID(int=42))], "nothing is stored of a person"),
        (["--key", "nokey", "ann"], "no API key 'nokey'"),
        (["--organisation", "nowhere", "--subject", "ann"], "no organisation 'nowhere'"),
    ],
)
def test_who_is_unknown_is_named(
    world: World, monkeypatch: pytest.MonkeyPatch, arguments: list[str], complaint: str
) -> None:
    with pytest.raises(SystemExit, match=complaint):
        run_main(world, monkeypatch, *arguments)


@pytest.mark.parametrize(
    "arguments", [[], ["--subject", "ann"], [str(uuid.UUID(int=1)), "--key", "k", "ann"], ["no-uuid"]]
)
def test_a_command_that_names_nobody_or_two_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run_main(world, monkeypatch, *arguments)


def test_a_redis_that_is_away_leaves_the_order_open(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of cached outputs follow from their rows: those must not go first."""
    lived(world)
    with pytest.raises(SystemExit, match="run this again"):
        run_main(world, monkeypatch, str(world.user("ann")), redis_url="redis://127.0.0.1:1/0")
    assert world.count(Feedback, Feedback.user_id == world.user("ann")) == 3
    run_main(world, monkeypatch, str(world.user("ann")))
    assert world.count(Feedback, Feedback.user_id == world.user("ann")) == 0


def test_who_has_only_compared_can_be_found(world: World) -> None:
    comparison = Comparison(
        organisation_id=world.tenant,
        user_id=world.user("dee"),
        policy="two_samples",
        first_output_id=world.output(RARE),
        second_output_id=world.output(RARE),
    )
    with Session(world.engine) as session, session.begin():
        session.add(comparison)
    with Session(world.engine) as session:
        person = whom.find(session, world.user("dee"))
        with pytest.raises(UnknownPersonError):
            whom.find(session, world.user("nobody"))
    world.erase(person)
    assert world.count(Output) == 0


def test_who_has_only_signed_in_is_found_by_address_and_signs_in_no_more(world: World) -> None:
    email = f"{uuid.uuid4()}@example.org"
    account_id = new_id()
    account = Account(
        id=account_id,
        organisation_id=world.tenant,
        user_id=account_id,
        email=email,
        name="Dee",
        role="viewer",
        password_hash="",
    )
    signed_in = AccountSession(account_id=account_id, refresh_sha256=b"", expires_at=datetime.now(UTC))
    with Session(world.engine, expire_on_commit=False) as session, session.begin():
        session.add(account)
        session.flush()
        session.add(signed_in)
    with Session(world.engine) as session:
        person = whom.find(session, whom.by_email(session, email.upper()))
        with pytest.raises(UnknownPersonError, match="no account with the address"):
            whom.by_email(session, "nobody@example.org")
    world.erase(person)
    with Session(world.engine) as session:
        assert session.get(Account, account_id) is None
        assert session.get(AccountSession, signed_in.id) is None


async def test_feedback_that_comes_later_is_refused_and_new_receipts_are_not(
    world: World, own_url: str
) -> None:
    named = lived(world)
    pool = database.online_pool(gateway_url(own_url), timeout_s=60)
    await pool.open(wait=True, timeout=60)
    up = Thumb(receipt="r", kind="thumb", up=True)
    async with pool.connection() as connection:
        await asyncio.to_thread(erase, world.settings, world.engine, world.person("ann"))
        for output in ("ann", "shared"):
            with pytest.raises(ErasedError):
                await feedback.record(connection, world.receipt("ann", named[output]), up)
        with pytest.raises(ErasedError):  # an answer to another person, lost with its gateway
            await feedback.record(connection, world.receipt("eve", named["ann"]), up)
        assert world.count(Feedback, Feedback.user_id != world.user("bob")) == 0
        await feedback.record(connection, world.receipt("ann", named["shared"], ago_s=-2), up)
        await feedback.record(connection, world.receipt("bob", named["shared"]), up)
    await pool.close()
    assert world.count(Feedback, Feedback.user_id == world.user("ann")) == 1


def test_outputs_that_nothing_points_at_leave_when_answers_have(world: World) -> None:
    today = datetime.now(UTC).date()
    answered, judged, lost, young = (world.output(f"{n}") for n in range(4))
    world.vote("bob", judged, "thumb", thumb_up=True)
    long_ago = today - timedelta(days=10)

    def aged(output: uuid.UUID) -> uuid.UUID:
        return uuid.UUID(int=answers.floor(long_ago).int | output.int & (1 << 80) - 1)

    with Session(world.engine) as session, session.begin():
        # The id holds the time: what is old has an old one.
        session.execute(text("SET session_replication_role = replica"))
        for output in (answered, judged, lost):
            for table, column in (("outputs", "id"), ("feedback", "output_id")):
                session.execute(
                    text(f"UPDATE {table} SET {column} = :aged WHERE {column} = :id"),
                    {"aged": aged(output), "id": output},
                )
        session.execute(text("SET session_replication_role = origin"))
    asyncio.run(answers.ensure_partitions(str(world.settings.database_url), long_ago + timedelta(days=1), 1))
    with Session(world.engine) as session, session.begin():
        session.add(
            Answer(
                id=uuid.UUID(int=answers.floor(long_ago + timedelta(days=1)).int | 7 << 76 | 5),
                output_id=aged(answered),
                organisation_id=world.tenant,
                user_id=world.user("bob"),
                variant="champion",
                epoch=1,
                cache="l2",
                fell_back=False,
                total_ms=1.0,
            )
        )
    assert rows.sweep(world.engine, long_ago + timedelta(days=1))["outputs"] == 1
    with Session(world.engine) as session:
        remaining = set(session.scalars(select(Output.id).where(Output.organisation_id == world.tenant)))
    assert remaining == {aged(answered), aged(judged), young}


def test_what_a_gateway_wrote_late_is_swept(world: World) -> None:
    named = lived(world)
    early, day, complete_at = new_id(), user_day(world, "ann"), datetime.now(UTC)
    world.erase("ann")
    time.sleep(0.01)  # an id knows its millisecond only, which would be that of the end
    with Session(world.engine) as session, session.begin():
        for answer_id in (early, new_id()):
            session.add(
                Answer(
                    id=answer_id,
                    output_id=named["shared"],
                    organisation_id=world.tenant,
                    user_id=world.user("ann"),
                    variant="champion",
                    epoch=1,
                    cache="l1",
                    fell_back=False,
                    total_ms=1.0,
                )
            )
        session.add(day)
        experiment = session.scalars(
            select(CountedVoter.experiment_id).where(CountedVoter.user_id == world.user("bob")).distinct()
        ).one()
        session.add(
            CountedVoter(
                experiment_id=experiment,
                challenger="b",
                opponent="a",
                user_id=world.user("ann"),
                complete_at=complete_at,
                message_ids=[],
                wins=[],
                ties=0,
            )
        )
    swept = rows.sweep(world.engine, date(2020, 1, 1))
    assert (swept["answers"], swept["user_days"], swept["counted voters"]) == (1, 1, 1)
    with Session(world.engine) as session:
        is_ann = CountedVoter.user_id == world.user("ann")
        assert session.scalar(select(CountedVoter.id).where(is_ann)) is None
    assert world.count(Answer, Answer.user_id == world.user("ann")) == 1, "what is new is a new life"


def test_an_order_to_train_anew_becomes_one_to_retire(world: World) -> None:
    first, second = version_name(), version_name()
    for version in (first, second):
        world.trained("d", version) if version == first else world.trained("e", version)
    put_into_force(world.engine, first)
    with Session(world.engine) as session, session.begin():
        row = Erasure(organisation_id=world.tenant, user_id=world.user("ann"), counts={})
        session.add(row)
        session.flush()
        orders.issue(session, row.id, [first])
        orders.issue(session, row.id, [first])
    with Session(world.engine) as session, session.begin():
        assert (orders.action_for(session, first), orders.action_for(session, second)) == ("retrain", None)
        with pytest.raises(orders.OrderedError, match="asked to be forgotten"):
            orders.refuse_version(session, first)
        orders.refuse_version(session, second)
        orders.retire_unused(session)
        assert orders.to_retire(session) == [] or first not in [
            version.name for version in orders.to_retire(session)
        ]
    put_into_force(world.engine, second)
    with Session(world.engine) as session, session.begin():
        orders.retire_unused(session)
        assert orders.action_for(session, first) == "retire"
        assert first in [version.name for version in orders.to_retire(session)]
        orders.close_for_version(session, first)
        assert first not in [version.name for version in orders.to_retire(session)]
        later = Erasure(organisation_id=world.tenant, user_id=world.user("bob"), counts={})
        session.add(later)
        session.flush()
        orders.issue(session, later.id, [first])
        assert first not in [version.name for version in orders.to_retire(session)], "its weights are gone"
