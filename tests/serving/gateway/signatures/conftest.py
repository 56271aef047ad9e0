"""A gateway, and a client that signs its requests with a secret of its own key."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
from multidict import CIMultiDict
from yarl import URL

from data.people import identities, request_secrets
from data.people.identities import Role
from serving.gateway.online.front import PATH
from tests.signing import sign
from tests.streams import Gateway

Answer = tuple[int, Mapping[str, str], Any]


def encode(body: Any) -> bytes:
    """The bytes of a body that is JSON; of None there are none."""
    return b"" if body is None else json.dumps(body).encode()


class Signer(NamedTuple):
    """A client of a gateway, by a key and one of its secrets."""

    gateway: Gateway
    key: str
    keyid: str
    secret: str

    @property
    def key_id(self) -> str:
        """The id of its key."""
        parsed = identities.parse_key(self.key)
        assert parsed is not None
        return parsed[0]

    def url(self, path: str) -> str:
        """The address that it signs."""
        return f"http://127.0.0.1:{self.gateway.port}{path}"

    def sign(self, method: str, path: str, body: bytes = b"", **changes: Any) -> dict[str, str]:
        """The headers of a signed request; `changes` are those of `signing.sign`."""
        what = {"method": method, "url": self.url(path), "body": body, **changes}
        headers = sign(self.keyid, self.secret, **what)
        return {"X-API-Key": self.key, "Content-Type": "application/json", **headers}

    async def send(
        self, method: str, path: str, headers: Mapping[str, str] | CIMultiDict[str], data: Any = None
    ) -> Answer:
        """Status, headers and JSON (or text) of the answer to a request."""
        address = URL(path, encoded=True)
        async with self.gateway.session.request(method, address, data=data, headers=headers) as response:
            text = await response.text()
        is_json = "json" in response.headers.get("Content-Type", "")
        return response.status, response.headers, json.loads(text) if is_json and text else text

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """The answer to a signed request."""
        data = encode(body)
        signed = {**self.sign(method, path, data), **headers}
        return await self.send(method, path, signed, data or None)

    async def transform(self, body: Any, **headers: str) -> Answer:
        """The answer to a signed request for a rewrite."""
        return await self.ask("POST", PATH, body, **headers)

    async def unsigned(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """The answer to the same without a signature."""
        named = {"X-API-Key": self.key, "Content-Type": "application/json", **headers}
        return await self.send(method, path, named, encode(body) or None)

    async def require(self, is_required: bool = True) -> None:
        """Let the key require signatures, or not, and the gateway notice."""
        await self._change(request_secrets.require, is_required)

    async def make_secret(self) -> "Signer":
        """A client with another secret of the same key."""
        keyid, secret = await self._change(request_secrets.create)
        return self._replace(keyid=keyid, secret=secret)

    async def revoke(self) -> None:
        """Revoke the secret."""
        await self._change(request_secrets.revoke, self.keyid)

    async def _change(self, change: Any, *what: Any) -> Any:
        parts = self.gateway.parts
        caller = await parts.authenticator.identify(self.key)
        async with parts.pool.connection() as connection:
            changed = await change(
                connection, caller.identity.organisation_id, self.key_id, *what, tuple(Role)
            )
        assert changed, what
        await parts.directory.beat()
        return changed


@pytest.fixture
async def voluntary(gateway: Gateway, api_key: str) -> Signer:
    """A client whose key has a secret, and requires no signature."""
    return await Signer(gateway, api_key, "", "").make_secret()


@pytest.fixture
async def signer(voluntary: Signer) -> Signer:
    """A client whose key requires signatures."""
    await voluntary.require()
    return voluntary


def code_of(answer: Answer) -> tuple[int, str]:
    """Status and code of the reason of a refusal."""
    status, headers, document = answer
    assert headers["Content-Type"] == "application/problem+json", document
    return status, document["reasons"][0]["code"]


async def nonces_of(signer: Signer) -> int:
    """How many nonces of a secret Redis knows."""
    redis = signer.gateway.parts.redis
    assert redis is not None
    return len([key async for key in redis.scan_iter(f"tonebridge:nonce:{signer.keyid}:*", count=1000)])
