"""An installation behind HAProxy, for the tests of a rollout."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.compose.proxied import Installed, install


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Installed]:
    """See `install`."""
    with install(tmp_path) as installed:
        yield installed
