"""Connects a workspace of your own app, or disconnects one.

    . .tonebridge/env
    .venv/bin/python -m serving.channels.connect slack first < token         # the name of the organisation
    .venv/bin/python -m serving.channels.connect teams first <<< "00000000-0000-0000-0000-000000000000 Acme"
    .venv/bin/python -m serving.channels.connect discord first <<< 1234567890123456789
    .venv/bin/python -m serving.channels.connect slack --remove T0123456789  # with its tokens and people

What names the workspace comes by standard input: at Slack the token of the bot, at Teams the tenant's id and
a name, at Discord the server's id. So a token is in no list of processes and in no history of a shell.
"""

import argparse
import asyncio
import sys
from collections.abc import Mapping
from functools import partial

from configs.settings import Settings
from data import database
from data.people import identities
from data.tables import GATEWAY_LOGIN
from serving.channels.connecting import Identify
from serving.channels.discord import connector as discord_connector
from serving.channels.discord.calls import PLATFORM as DISCORD
from serving.channels.discord.calls import Discord
from serving.channels.pace import Pace
from serving.channels.slack import connector as slack_connector
from serving.channels.slack.calls import PLATFORM as SLACK
from serving.channels.slack.calls import Slack
from serving.channels.teams import connector as teams_connector
from serving.channels.vault import Vault
from serving.channels.workspaces import Workspaces


def platforms(settings: Settings) -> Mapping[str, Identify]:
    """How a workspace of each platform is named."""
    token = settings.discord_bot_token
    bot_token = None if token is None else token.get_secret_value()
    return {
        SLACK: partial(slack_connector.identify, Slack(Pace())),
        DISCORD: partial(discord_connector.identify, Discord(Pace()), bot_token),
        teams_connector.PLATFORM: teams_connector.identify,
    }


async def connect(
    settings: Settings, platform: str, organisation: str, given: str, identify: Identify
) -> str:
    """Connect the workspace that is given to an organisation; the workspace's id. ValueError when there is no
    such organisation, or the platform does not know what is given; TakenWorkspaceError when another
    organisation has connected the workspace.
    """
    granted = await identify(given)
    async with database.online_pool(_login(settings)) as pool:
        async with pool.connection() as connection:
            organisation_id = await identities.find_by_name(connection, organisation)
        if organisation_id is None:
            raise ValueError(
                f"there is no organisation {organisation!r}; the first one is {settings.organisation!r}"
            )
        workspaces = Workspaces(pool, Vault(settings.secret("channel_secret")))
        installation = await workspaces.connect(organisation_id, platform, granted, "operator")
    return installation.workspace


async def disconnect(settings: Settings, platform: str, workspace: str) -> None:
    """Delete a workspace's tokens and links, and revoke its key."""
    async with database.online_pool(_login(settings)) as pool:
        await Workspaces(pool, Vault(settings.secret("channel_secret"))).disconnect(
            platform, workspace, "operator"
        )


def _login(settings: Settings) -> str:
    """The URL of the gateway's login, which row-level security restricts; an operator's may see all rows."""
    if settings.database_url is None:
        raise ValueError("TONEBRIDGE_DATABASE_URL is not set; `. .tonebridge/env` sets it beside `make up`")
    password = settings.database_password
    clear = None if password is None else password.get_secret_value()
    return database.replace_login(settings.database_url, GATEWAY_LOGIN, clear)


def main() -> None:
    """The command."""
    settings = Settings()
    known = platforms(settings)
    parser = argparse.ArgumentParser(prog="python -m serving.channels.connect", description=__doc__)
    parser.add_argument("platform", choices=known)
    parser.add_argument("name", help="of the organisation; with --remove, the id of the workspace")
    parser.add_argument("--remove", action="store_true")
    arguments = parser.parse_args()
    platform = arguments.platform
    if arguments.remove:
        asyncio.run(disconnect(settings, platform, arguments.name))
        return
    given, identify = sys.stdin.read().strip(), known[platform]
    print("connected", asyncio.run(connect(settings, platform, arguments.name, given, identify)))


if __name__ == "__main__":
    main()
