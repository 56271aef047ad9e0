"""Servers are connected by an admin's click, or by the operator who knows their id."""

import uuid
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from configs.settings import Settings
from data.people.identities import Role
from serving.channels.connect import connect, disconnect, platforms
from serving.channels.discord import connector
from serving.channels.discord.calls import Discord, make_pace
from tests import gateways
from tests.accounts import PASSWORD, add_account
from tests.discords import APPLICATION, BOT_TOKEN, TOKEN, FakeDiscord, Server, make_id


async def sign_in(server: Server, tenant: uuid.UUID) -> httpx.AsyncClient:
    """The browser of an admin, signed in."""
    account = add_account(server.chat.engine, tenant, Role.ADMIN)
    browser = server.chat.browser()
    form = {"email": account.email, "password": PASSWORD}
    assert (await browser.post("/sign-in", data=form)).status_code == 303
    return browser


async def begin(browser: httpx.AsyncClient) -> str:
    """The state that Discord is shown."""
    url = urlsplit((await browser.get("/discord/install")).headers["location"])
    query = {name: value for name, (value,) in parse_qs(url.query).items()}
    assert (url.hostname, url.path) == ("discord.com", "/oauth2/authorize")
    assert query["client_id"] == APPLICATION
    assert query["redirect_uri"] == "http://127.0.0.1/discord/installed"
    assert (query["scope"], query["permissions"]) == ("bot applications.commands", "0")
    assert query["response_type"] == "code"
    return query["state"]


async def come_back(browser: httpx.AsyncClient, state: str, **more: str) -> httpx.Response:
    """Discord's redirect."""
    return await browser.get("/discord/installed", params={"code": "c0de", "state": state, **more})


def grant(server: Server, guild: dict[str, Any] | None) -> None:
    """Have Discord give a token for the next code."""
    body = {"access_token": "the admin's", "token_type": "Bearer", "scope": "bot applications.commands"}
    server.discord.answer_next(TOKEN, 200, body if guild is None else {**body, "guild": guild})


async def test_an_admin_connects_a_server_and_disconnects_it(server: Server) -> None:
    tenant, guild = gateways.an_organisation(server.chat.engine), make_id()
    browser = await sign_in(server, tenant)
    assert "Connect a workspace of Discord" in (await browser.get("/workspaces")).text
    grant(server, {"id": guild, "name": "Acme <b>"})
    shown = await come_back(browser, await begin(browser), guild_id="another")
    assert shown.status_code == 200
    assert "Acme &lt;b&gt; is connected." in shown.text
    assert (await server.discord.wait_for(TOKEN)).content == {
        "grant_type": "authorization_code",
        "code": "c0de",
        "redirect_uri": "http://127.0.0.1/discord/installed",
        "client_id": APPLICATION,
        "client_secret": "the client secret of an app of these tests",
    }
    found = await server.chat.workspaces.find("discord", guild)
    assert found is not None
    assert (found.token, found.installation.organisation_id) == ("", tenant), "the admin's is forgotten"
    csrf = shown.text.split('name="csrf" value="')[1].partition('"')[0]
    await browser.post("/workspaces/remove", data={"csrf": csrf, "platform": "discord", "workspace": guild})
    assert await server.chat.workspaces.find("discord", guild) is None


async def test_a_server_of_another_organisation_stays_there(server: Server) -> None:
    connected = await server.connect()
    browser = await sign_in(server, gateways.an_organisation(server.chat.engine))
    grant(server, {"id": connected.workspace, "name": "Mine now"})
    refused = await come_back(browser, await begin(browser))
    assert refused.status_code == 409
    assert "another organisation" in refused.text


async def test_what_discord_refuses_is_explained(server: Server) -> None:
    browser = await sign_in(server, gateways.an_organisation(server.chat.engine))
    server.discord.answer_next(TOKEN, 400, {"error": "invalid_grant"})
    refused = await come_back(browser, await begin(browser))
    assert (refused.status_code, "invalid_grant" in refused.text) == (400, True)
    grant(server, None)
    refused = await come_back(browser, await begin(browser))
    assert (refused.status_code, "no server was chosen" in refused.text) == (400, True)
    refused = await come_back(browser, "another state")
    assert (refused.status_code, "Begin again" in refused.text) == (403, True)


@pytest.fixture
def settings(own: Settings) -> Settings:
    return own.model_copy(update={"channel_secret": SecretStr("a secret for tokens, of 32 bytes or more")})


async def test_an_operator_connects_a_server_by_its_id(
    settings: Settings, server: Server, discord: FakeDiscord
) -> None:
    guild, identify = make_id(), partial(connector.identify, Discord(make_pace(), discord.url))
    tenant = gateways.an_organisation(server.chat.engine)
    with server.chat.engine.connect() as connection:
        query = text("SELECT name FROM organisations WHERE id = :id")
        organisation = connection.execute(query, {"id": tenant}).scalar_one()
    discord.guilds[guild] = "Acme"
    assert await connect(settings, "discord", organisation, guild, partial(identify, BOT_TOKEN)) == guild
    asked = [call.authorization for call in discord.calls if call.about == guild]
    assert asked == [f"Bot {BOT_TOKEN}"]
    found = await server.chat.workspaces.find("discord", guild)
    assert found is not None
    assert (found.installation.organisation_id, found.installation.name) == (tenant, "Acme")
    await disconnect(settings, "discord", guild)
    for token, given, says in (
        (BOT_TOKEN, make_id(), r"Unknown Guild \(HTTP 404, 10004\)"),
        (BOT_TOKEN, "Acme", "Copy Server ID"),
        (None, guild, "TONEBRIDGE_DISCORD_BOT_TOKEN"),
    ):
        with pytest.raises(ValueError, match=says):
            await identify(token, given)
    with pytest.raises(ValueError, match="does not answer"):
        await connector.identify(Discord(make_pace(), "http://127.0.0.1:1"), BOT_TOKEN, guild)
    assert "discord" in platforms(settings)
