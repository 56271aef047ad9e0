"""A gateway on a port, and pages that call it: by the headers that a browser sends for them."""

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pytest
from multidict import CIMultiDict
from sqlalchemy import Engine

from data.people import allowed_origins, identities
from data.people.identities import Role
from tests import gateways
from tests.streams import Gateway

PAGE, OTHER = "https://app.example.org", "https://evil.example"

Answer = tuple[int, CIMultiDict[str], Any]


class Site(NamedTuple):
    """An organisation whose pages may call a gateway."""

    gateway: Gateway
    engine: Engine
    organisation_id: uuid.UUID

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: Mapping[str, str] | None = None,
        origin: str | Sequence[str] | None = None,
        **headers: str,
    ) -> Answer:
        """Status, headers and JSON (or text) of the answer to a request of a page of an origin."""
        named = CIMultiDict({**(key or {}), **headers})
        for value in [origin] if isinstance(origin, str) else origin or ():
            named.add("Origin", value)
        if body is not None:
            named.setdefault("Content-Type", "application/json")
        data = None if body is None else json.dumps(body)
        async with self.gateway.session.request(method, path, data=data, headers=named) as response:
            text = await response.text()
        is_json = "json" in response.headers.get("Content-Type", "")
        return response.status, CIMultiDict(response.headers), json.loads(text) if is_json and text else text

    def key(self, role: Role = Role.OWNER) -> dict[str, str]:
        """The header of a new key without origins of its own."""
        return gateways.a_key(self.engine, self.organisation_id, role)

    async def page_key(self, origins: list[str] | None = None) -> dict[str, str]:
        """The header of a new key for pages."""
        async with self.gateway.parts.pool.connection() as connection:
            made = await identities.create_key(
                connection, self.organisation_id, "page", Role.MEMBER, True, origins
            )
        return {"X-API-Key": made[1]}

    async def allow(self, *origins: str) -> None:
        """Replace the organisation's origins; the gateway has noticed."""
        async with self.gateway.parts.pool.connection() as connection:
            await allowed_origins.change(connection, self.organisation_id, origins)
        await self.gateway.parts.directory.beat()


@pytest.fixture
async def site(gateway: Gateway, engine: Engine) -> Site:
    """An organisation that allows one page."""
    site = Site(gateway, engine, gateways.an_organisation(engine))
    await site.allow(PAGE)
    return site


def may_read(answer: Answer, origin: str = PAGE) -> bool:
    """Whether a browser shows an answer, with its headers, to a page; `Vary` has to fit in any case."""
    _, headers, _ = answer
    assert "Origin" in ", ".join(headers.getall("Vary", [])), "a cache would show it to another page"
    assert "Access-Control-Allow-Credentials" not in headers
    allowed = headers.getall("Access-Control-Allow-Origin", [])
    exposed = headers.getall("Access-Control-Expose-Headers", [])
    assert allowed in ([], [origin])
    assert len(exposed) == len(allowed)
    return bool(allowed)


def code_of(answer: Answer) -> tuple[int, str]:
    """Status and code of the reason of a refusal."""
    return answer[0], answer[2]["reasons"][0]["code"]
