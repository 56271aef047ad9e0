"""A caller of a gateway."""

import uuid

import pytest
from sqlalchemy import Engine

from data.people import identities


@pytest.fixture
def api_key(engine: Engine) -> str:
    """A key of the owner of an organisation of the test's own."""
    key = identities.generate_key()
    identities.bootstrap(engine, key, f"org-{uuid.uuid4()}")
    return key
