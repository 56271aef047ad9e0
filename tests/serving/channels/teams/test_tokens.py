"""The app's token is taken once, and again before it expires."""

import asyncio

import httpx
import pytest

from serving.channels.replies import PlatformError
from serving.channels.teams.tokens import Tokens
from tests.teams import APP, SECRET, FakeMicrosoft


def make_tokens(microsoft: FakeMicrosoft, secret: str = SECRET) -> Tokens:
    return Tokens(f"{microsoft.addresses.login}/a-tenant/oauth2/v2.0/token", APP, secret)


async def test_a_token_is_taken_once_for_all_who_need_it(microsoft: FakeMicrosoft) -> None:
    tokens = make_tokens(microsoft)
    async with httpx.AsyncClient() as http:
        read = await asyncio.gather(*(tokens.read(http) for _ in range(5)))
    assert set(read) == {"token 1 for a-tenant"}
    assert microsoft.tokens_given == 1


async def test_a_token_that_expires_soon_is_taken_again(microsoft: FakeMicrosoft) -> None:
    tokens = make_tokens(microsoft)
    microsoft.lifetime_s = 300
    async with httpx.AsyncClient() as http:
        assert await tokens.read(http) == "token 1 for a-tenant"
        microsoft.lifetime_s = 3600
        for _ in range(2):
            assert await tokens.read(http) == "token 2 for a-tenant"


async def test_a_wrong_secret_is_named_and_tried_again_later(microsoft: FakeMicrosoft) -> None:
    async with httpx.AsyncClient() as http:
        with pytest.raises(PlatformError, match="invalid_client") as refused:
            await make_tokens(microsoft, "another").read(http)
        assert refused.value.retry_s == 30
        microsoft.answer_next("token", 502)
        with pytest.raises(PlatformError, match="does not answer"):
            await make_tokens(microsoft).read(http)
        nobody = Tokens("http://127.0.0.1:1/", APP, SECRET)
        with pytest.raises(PlatformError, match="does not answer"):
            await nobody.read(http)
