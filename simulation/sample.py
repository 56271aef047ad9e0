"""The settings that notebooks use: those of the running installation, or of the sample.

The sample is an installation without services: a Postgres of its own in the state folder, filled by simulated
people (`simulation.sample_fill`). Several kernels may use it at the same time.
"""

import atexit
import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path

import psycopg
from psycopg import sql
from pydantic import BaseModel, ConfigDict

import configs
from configs import secret_store
from configs.settings import Settings
from data import database
from pipelines import local
from pipelines.environments import read_environment
from simulation.sample_traffic import SampleConfig, midnight

CONFIG = configs.ROOT / "configs" / "sample.yaml"
_FOLDER = "sample"  # of the state folder
_FILLED, _FILLING = "sample", "sample_filling"  # databases
_TIMEOUT_S = 5  # of a connection
_KEPT = timedelta(days=7)  # then the sample is filled anew, so that its last week is recent


class NoInstallationError(RuntimeError):
    """The environment names a database that does not answer."""


class _Content(BaseModel):
    """What a sample was made of; the comment on its database."""

    model_config = ConfigDict(frozen=True)

    until: datetime
    made_by: str


def open_settings(config: SampleConfig | None = None) -> Settings:
    """The settings of the running installation (`make up`), or else of the sample, which is filled first if
    there is none. Prints one sentence that says which.

    A database that the environment names is used before either. Raises NoInstallationError when it does not
    answer. The sample's server stops at the end of the last process that uses it.
    """
    named = _from_root(Settings(_env_file=configs.ROOT / ".env"))
    running = _find_running(named)
    if running is not None:
        return running
    stack = contextlib.ExitStack()
    settings = stack.enter_context(opened_sample(named, config or configs.load(SampleConfig, CONFIG)))
    atexit.register(stack.close)
    why = (
        f"The installation in {named.state} has stopped (`make up` starts it)"
        if read_environment(named.state) is not None
        else "No installation runs"
    )
    print(f"{why}, so these are the data of the sample, made by simulated people.")
    return settings


def find_settings() -> Settings:
    """As `open_settings`, for those who can do without a database: without a running installation the
    settings name none, and no sample is made.
    """
    named = _from_root(Settings(_env_file=configs.ROOT / ".env"))
    running = _find_running(named)
    if running is None:
        print("No installation runs, so its snapshots, models and MLflow are not used.")
    return running or named


def _find_running(named: Settings) -> Settings | None:
    """The settings of the database that the environment names, or of the installation in the state folder;
    None when neither is there. Prints which. NoInstallationError as `open_settings`.
    """
    if named.database_url is not None:
        if not _answers(named.database_url):
            raise NoInstallationError(
                "TONEBRIDGE_DATABASE_URL names a database that does not answer: start its server, or unset"
                " the variable to use the sample"
            )
        print("These are the data of the database that TONEBRIDGE_DATABASE_URL names.")
        return named
    running = read_environment(named.state)
    if running is None or running.database_url is None or not _answers(running.database_url):
        return None
    print(f"These are the data of the running installation in {named.state}.")
    return running


@contextlib.contextmanager
def opened_sample(
    settings: Settings, config: SampleConfig, until: datetime | None = None, progress: bool = True
) -> Iterator[Settings]:
    """The settings of the sample in a state folder, whose server runs until the end of the block, or longer
    if another process uses it.

    The sample is filled with the traffic until a midnight, by default the last one, when there is none, when
    it was made by another config or release, or is older than a week. While other processes use a sample it
    stays as it is. A fill that was killed starts again.
    """
    state = settings.state / _FOLDER
    state.mkdir(parents=True, exist_ok=True)
    own = secret_store.fill_in(settings.model_copy(update={"state": state, "artifact_location": None}))
    wanted = _Content(until=until or midnight(datetime.now(UTC)), made_by=_describe(config))

    def prepare(url: str, is_alone: bool) -> Settings:
        content = _read_content(url)
        is_due = content is None or (
            is_alone
            and (
                content.made_by != wanted.made_by
                or wanted.until - content.until > _KEPT
                or (until is not None and content.until != until)
            )
        )
        named = own.model_copy(
            update={
                "database_url": database.replace_database(url, _FILLED),
                "mlflow_uri": database.replace_database(url, "mlflow", "postgresql+psycopg"),
            }
        )
        if is_due:
            _refill(named, url, config, wanted, progress)
        else:
            assert named.database_url is not None
            database.migrate(named.database_url)
        return named

    with local.shared_postgres(state / "postgres", prepare) as prepared:
        yield prepared


def _refill(settings: Settings, url: str, config: SampleConfig, content: _Content, progress: bool) -> None:
    """Fill a new database, and only then give it the name of the sample."""
    filling = database.replace_database(url, _FILLING)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_make("DROP DATABASE IF EXISTS {} WITH (FORCE)", _FILLING))
        connection.execute(_make("CREATE DATABASE {}", _FILLING))
        existing = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
        if "mlflow" not in existing:
            connection.execute(_make("CREATE DATABASE {}", "mlflow"))
    database.migrate(filling)
    # Imported here, since the libraries of the flows take seconds, and a filled sample needs none of them.
    from simulation.sample_fill import fill

    fill(settings.model_copy(update={"database_url": filling}), config, content.until, progress)
    with psycopg.connect(url, autocommit=True) as connection:
        comment = sql.SQL("COMMENT ON DATABASE {} IS {}").format(
            sql.Identifier(_FILLING), sql.Literal(content.model_dump_json())
        )
        connection.execute(comment)
        connection.execute(_make("DROP DATABASE IF EXISTS {} WITH (FORCE)", _FILLED))
        connection.execute(_make("ALTER DATABASE {} RENAME TO {}", _FILLING, _FILLED))


def _make(query: str, *names: str) -> sql.Composed:
    return sql.SQL(query).format(*map(sql.Identifier, names))


def _read_content(url: str) -> _Content | None:
    """What the sample on a server was made of; None without a sample."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", (_FILLED,)
        ).fetchone()
    return _Content.model_validate_json(row[0]) if row and row[0] else None


def _describe(config: SampleConfig) -> str:
    """A hash of the config, and of the code that makes the sample."""
    digest = blake2b(config.model_dump_json().encode(), digest_size=16)
    for name in ("sample_traffic", "sample_answers", "sample_fill", "simulated_people", "taste"):
        digest.update((Path(__file__).parent / f"{name}.py").read_bytes())
    return digest.hexdigest()


def _from_root(settings: Settings) -> Settings:
    """The settings with folders from the repository's root: a kernel starts in the folder of its notebook."""
    folders = {name: configs.ROOT / getattr(settings, name) for name in ("state", "artifacts", "champion")}
    return settings.model_copy(update=folders)


def _answers(url: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url, connect_timeout=_TIMEOUT_S):
        return True
    return False
