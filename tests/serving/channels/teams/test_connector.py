"""A tenant is named by its id and a name."""

import pytest

from serving.channels.teams.connector import identify

ID = "1aa00000-0000-4000-8000-00000000000b"


@pytest.mark.parametrize(
    ("given", "name"), [(f"{ID} Acme Ltd", "Acme Ltd"), (ID, ID), (f"{ID.upper()}  Acme", "Acme")]
)
async def test_a_tenant_is_named_by_its_id(given: str, name: str) -> None:
    assert await identify(given) == (ID, name, "", [])


@pytest.mark.parametrize("given", ["", "Acme", "Acme 1", f"Acme {ID}"])
async def test_what_is_no_id_is_explained(given: str) -> None:
    with pytest.raises(ValueError, match="is no id of a tenant"):
        await identify(given)
