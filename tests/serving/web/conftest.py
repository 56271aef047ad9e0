"""A web app whose gateway answers."""

from collections.abc import Callable, Iterator

import pytest

from configs.settings import Settings
from tests import webs
from tests.dashboards import own_settings
from tests.ports import with_own_ports
from tests.serving.web.scripted import Writer, serving
from tests.webs import Site


@pytest.fixture(scope="session")
def site(stack: Settings, new_database: Callable[..., str]) -> Iterator[Site]:
    """An installation whose gateway answers with the tiny model. Tests share it: make people of your own."""
    settings = with_own_ports(stack.model_copy(update={"database_url": new_database()}))
    settings = settings.model_copy(
        update={
            "inference_urls": stack.inference_urls,
            "inference_port": stack.inference_port,
            "holdout_share": 0.0,
        }
    )
    with webs.serving(settings) as site:
        yield site


@pytest.fixture(scope="module")
def scripted(
    local: Settings, new_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Site, Writer]]:
    """An installation of which a test knows what it writes, and what writes it."""
    settings = own_settings(local, new_database(), tmp_path_factory.mktemp("scripted"))
    with serving(settings) as both:
        yield both
