"""What tests of several processes share."""

from collections.abc import Iterator

import pytest

from tests.collectors import Collector, tracing


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector of OpenTelemetry, to which this process sends its spans."""
    with tracing() as collector:
        yield collector
