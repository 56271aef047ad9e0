"""Fixtures that the tests of several packages share."""

import gc
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import psycopg
import pytest
from hypothesis import HealthCheck
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.tables import GATEWAY_LOGIN, Organisation
from pipelines.local import running, servers
from serving.gateway.online import telemetry
from tests import ports, taggers, tiny

if TYPE_CHECKING:
    from tests.sdks import Installation

pytest_plugins = ("pytester", "tests.dashboards")
ports.install_guard()
# A busy machine takes its time. Each run tries the same examples; the nightly run looks for new ones.
hypothesis.settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis.settings.register_profile("repeat", hypothesis.settings.get_profile("search"), derandomize=True)
hypothesis.settings.load_profile("repeat")
# In a shell that has read `.tonebridge/env`, commands use that installation. Tests must not.
for _name in [name for name in os.environ if name.startswith(("TONEBRIDGE_", "PREFECT_API_", "MLFLOW_"))]:
    del os.environ[_name]

TEXTS = [
    f"{opening} {body}"
    for opening in (
        "Could you please look at this?",
        "Fix it today.",
        "This is broken again.",
        "As discussed,",
    )
    for body in (
        "The build for PAY-123 fails since Monday and blocks 14 orders.",
        "We cannot ship version 2.4.1 before the review on 3 May.",
        "Your code has no tests, so I will not merge it.",
        "The customer asks why the invoice of $1,200 is late.",
        "Please send me the report by 5 pm, thank you.",
        "I noticed that the dashboard at https://status.example.com is red.",
        "Our meeting with Anna about hiring moves to Thursday.",
        "Latency went from 40 ms to 900 ms after the deploy.",
    )
]


# Files that take minutes. They start first, so that at the end no process waits for another.
_LONGEST = {"test_secrets.py", "test_loop.py", "test_interrupted.py"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, and keep the order of the others. A test that uses a server runs a second
    time when it fails; the end of the run lists these, and each is a defect to mend.
    """
    items.sort(key=lambda item: item.path.name not in _LONGEST)
    for item in items:
        if "local" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Leave the modules and the collected tests out of garbage collections. They are millions of objects, and
    stay. Each training frees its memory by a full collection, which took a second because of them.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    """Give the run a temporary folder of its own, removed at its end, unless `--basetemp` names one.

    pytest's own default is below a folder that all runs of a user share, and each run makes that folder
    private when it starts. Postgres cannot run as root, so under root it runs as another user: the next run
    would lock the Postgres of this one out of its data.
    """
    if config.option.basetemp is None:
        config.option.basetemp = folder = tempfile.mkdtemp(prefix="tonebridge-tests-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.fixture(scope="session", autouse=True)
def unhurried() -> Iterator[None]:
    """Gateways of this process shed no load: tests hold up the event loop, and so does a busy machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(telemetry, "_OVERLOADED_S", 60.0)
        yield


@pytest.fixture(autouse=True)
def no_default_ports() -> Iterator[None]:
    """Fail a test that connects to a default port of `Settings`, where an installation in use may listen."""
    yield
    if addresses := ports.refused_connections():
        pytest.fail(f"this test connected to {', '.join(addresses)}: see tests/ports.py")


@pytest.fixture(scope="session")
def build_tiny() -> Callable[..., Path]:
    """`build(folder, texts, seed=0) -> folder` of tests/tiny.py, for tests that need more than one tiny
    model.
    """
    return tiny.build


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One thread for torch, here and in child processes. On a busy machine two threads add numbers in another
    order, which changes the figures after eighty steps of training.
    """
    import torch

    threads = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiny_texts() -> list[str]:
    """The few dozen sentences that the tiny tokenizer knows."""
    return TEXTS


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an untrained tiny base model, with its frame. Tests read it and never write into it."""
    return tiny.build(tmp_path_factory.mktemp("tiny") / "base", TEXTS)


@pytest.fixture(scope="session")
def tiny_version(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny base model as a version folder. Tests read it and never write into it."""
    from models.export import export

    return export(tiny_base, None, tmp_path_factory.mktemp("tiny") / "version")


@pytest.fixture(scope="session")
def tiny_tagger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tagger that has learned from few labels. Tests read it and never write into it."""
    return taggers.build(tmp_path_factory.mktemp("tagger"))


@pytest.fixture(scope="session")
def shipped_champion(tiny_tagger: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like `champion/`, with the tiny tagger and the evaluation of an accepted version. Tests read
    it and never write into it.
    """
    from models import shipped
    from tests import registry

    folder = tmp_path_factory.mktemp("shipped") / "champion"
    shipped.write(tiny_tagger, registry.EVALUATION, {"en": "# The card\n", "ja": "# カード\n"}, folder)
    return folder


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A real Postgres, migrated, and a real Valkey, for the whole session. Nobody listens on the ports of the
    other services.
    """
    state = tmp_path_factory.mktemp("state")
    wanted = Settings(state=state, artifacts=state / "artifacts", database_url=None, redis_url=None)
    with servers(ports.with_own_ports(wanted)) as settings:
        yield settings


@pytest.fixture(scope="session")
def database_url(local: Settings) -> str:
    """The libpq URL of the session's Postgres. Tests share it: make fresh ids, count your own rows."""
    assert local.database_url is not None
    return local.database_url


@pytest.fixture(scope="session")
def new_database(database_url: str) -> Callable[..., str]:
    """`new_database(revision="head")` creates another database, for tests of an installation as a whole, and
    returns its URL.
    """

    def make(revision: str = "head") -> str:
        name = f"own_{uuid.uuid4().hex}"
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        url = database.replace_database(database_url, name)
        database.migrate(url, revision)
        return url

    return make


@pytest.fixture(scope="session")
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on the session's Postgres, as its owner."""
    engine = database.engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[AsyncConnectionPool]:
    """The gateway's connections to the session's Postgres."""
    pool = database.online_pool(database.replace_login(database_url, GATEWAY_LOGIN))
    await pool.open(wait=True)
    yield pool
    await pool.close()


@pytest.fixture
async def connection(pool: AsyncConnectionPool) -> AsyncIterator[AsyncConnection]:
    """A connection of the gateway to the session's Postgres."""
    async with pool.connection() as connection:
        yield connection


@pytest.fixture
def organisation_id(engine: Engine) -> uuid.UUID:
    """A tenant of the test's own."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        tenant = Organisation(name=str(uuid.uuid4()))
        session.add(tenant)
    return tenant.id


@pytest.fixture(scope="session")
def stack(local: Settings, tiny_base: Path) -> Iterator[Settings]:
    """The session's Postgres and Valkey, and the real inference service with two tiny versions, v1 and v2."""
    from models.export import export
    from serving.inference import release

    settings = ports.with_own_ports(local)
    folder = export(tiny_base, None, local.artifacts / "tiny")
    for version in ("v1", "v2"):
        release.publish(folder, version, settings)
    with running(settings, "inference") as processes:
        processes["inference"].wait_until_ready(f"{settings.inference_urls[0]}/readyz")
        yield settings


@pytest.fixture(scope="module")
def live(local: Settings, new_database: Callable[..., str]) -> Iterator["Installation"]:
    """A running installation for the tests of the SDKs, with v1 as its champion. It ends with its file: its
    thread draws random numbers, which Hypothesis would take for those of a test.
    """
    from tests import sdks

    with sdks.running(local, new_database()) as live:
        yield live
