"""A token's claims may be anything. A token with wrong claims is refused with a reason, and requests at the
same time are not affected.
"""

import asyncio
import base64
import hmac
import json
import time
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine

from data import database
from data.people import accounts, identities
from serving.gateway.auth import Authenticator, Caller
from serving.gateway.problems import UnknownKeyError
from tests.accounts import add_account
from tests.logins import gateway_url

SECRET = "a secret of at least 32 characters"
OURS = "tonebridge:accounts"


def signed(header: dict[str, Any], claims: Any) -> str:
    """A token of HS256, of any header and claims."""
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", **header}, claims)]
    content = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = hmac.digest(SECRET.encode(), content, "sha256")
    return (content + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


@pytest.fixture
def account_id(engine: Engine, organisation_id: uuid.UUID) -> uuid.UUID:
    return add_account(engine, organisation_id, password=None).id


async def ask(pool: AsyncConnectionPool, account_id: uuid.UUID, token: str) -> Any:
    """What a gateway that knows nobody yet makes of a token, while somebody else asks as well."""
    authenticator = Authenticator(pool, SECRET)
    async with pool.connection() as connection:
        await authenticator.renew(connection)
        opened = await accounts.open_session(connection, account_id, b"here")
    honest = authenticator.access_token(opened.session_id, account_id)
    answers = await asyncio.gather(
        authenticator.identify(token), authenticator.identify(honest), return_exceptions=True
    )
    assert isinstance(answers[1], Caller), answers[1]
    return answers[0]


@pytest.mark.parametrize(
    "sid",
    [
        "zz",
        "",
        "\0",
        "\ud800",
        None,
        7,
        True,
        [],
        {},
        "x" * 2000,
        "{" + "0" * 32,
        str(uuid.UUID(int=1)) + "0",
    ],
)
async def test_a_session_that_is_no_uuid_is_unknown_and_nobody_elses_trouble(
    pool: AsyncConnectionPool, account_id: uuid.UUID, sid: Any
) -> None:
    claims = {"sub": str(account_id), "sid": sid, "exp": int(time.time()) + 600}
    result = await ask(pool, account_id, signed({"kid": OURS}, claims))
    assert isinstance(result, UnknownKeyError)
    del claims["sid"]
    assert isinstance(await ask(pool, account_id, signed({"kid": OURS}, claims)), UnknownKeyError)


async def test_a_token_of_a_session_names_its_account(
    pool: AsyncConnectionPool, account_id: uuid.UUID
) -> None:
    async with pool.connection() as connection:
        opened = await accounts.open_session(connection, account_id, b"here")
    claims = {"sub": str(uuid.uuid4()), "sid": str(opened.session_id), "exp": int(time.time()) + 600}
    result = await ask(pool, account_id, signed({"kid": OURS}, claims))
    assert isinstance(result, UnknownKeyError)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=40)
    | st.uuids().map(str)
    | st.integers(-10, 100_000).map(lambda after: int(time.time()) + after),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def test_no_claim_of_any_type_is_more_than_refused(
    database_url: str, account_id: uuid.UUID, organisation_id: uuid.UUID
) -> None:
    kid = f"acme-{uuid.uuid4()}"
    right = {"sub": "ann", "exp": int(time.time()) + 3600}
    claims = st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("sub", "sid", "exp", "nbf", "iat", "jti", "aud", "iss"), JSON)
    )
    pool = database.online_pool(gateway_url(database_url))
    with asyncio.Runner() as runner:

        async def start() -> None:
            await pool.open(wait=True, timeout=60)
            async with pool.connection() as connection:
                await identities.add_signing_key(
                    connection, organisation_id, kid, "HS256", SECRET.encode(), "member"
                )

        @settings(max_examples=300, suppress_health_check=list(HealthCheck))
        @given(st.sampled_from([kid, OURS]) | JSON, claims, st.booleans(), st.booleans())
        def check(kid: Any, claims: Any, is_right_else: bool, is_object: bool) -> None:
            claims = {**right, **claims} if is_right_else else claims
            token = signed({"kid": kid}, claims if is_object else list(claims))
            result = runner.run(ask(pool, account_id, token))
            assert isinstance(result, (Caller, UnknownKeyError)), result

        runner.run(start())
        try:
            check()
        finally:
            runner.run(pool.close())
