"""A whole stack of a test's own, whose parts it may break."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.people import identities
from data.records import Spec
from data.traffic import routing
from data.traffic.routing import Routing
from models.export import export
from pipelines import local
from serving.inference import release
from tests.ports import with_own_ports


class RunningStack(NamedTuple):
    """The settings, an API key, and the processes `inference` and `gateway`."""

    settings: Settings
    key: str
    processes: dict[str, local.Process]


@contextmanager
def running_stack(folder: Path, base: Path, champion: Spec, *others: str) -> Iterator[RunningStack]:
    """Postgres, Valkey, the inference service and a gateway. The champion's version and `others` are
    released with the weights of `base`.
    """
    wanted = Settings(state=folder, artifacts=folder, database_url=None, redis_url=None)
    with local.servers(with_own_ports(wanted)) as settings:
        model = export(base, None, folder / "tiny")
        for version in (champion.version, *others):
            release.publish(model, version, settings)
        engine = database.engine_of(settings)
        key = identities.bootstrap(engine, None)
        assert key is not None
        with Session(engine) as session, session.begin():
            routing.publish(session, Routing(champion=champion), "a test")
        engine.dispose()
        with local.running(settings, "inference", "gateway") as processes:
            processes["inference"].wait_until_ready(f"{settings.inference_urls[0]}/readyz")
            processes["gateway"].wait_until_ready(f"{settings.gateway_url}/readyz")
            yield RunningStack(settings, key, processes)
