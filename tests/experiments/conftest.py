"""Sessions of the database that a file of tests has made."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """A session on the file's own `engine`. What it has not committed is rolled back after the test."""
    with Session(engine) as session:
        yield session
