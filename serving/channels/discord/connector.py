"""How Discord lets the app into a server, which its API calls a guild
(https://docs.discord.com/developers/topics/oauth2). Only who may manage a server can do it.
"""

from urllib.parse import urlencode

from configs.settings import Settings
from serving.channels.connecting import Granted, refused, return_address, unreachable
from serving.channels.discord.calls import NAME, PLATFORM, Discord, RefusedError, UnreachableError

AUTHORIZE = "https://discord.com/oauth2/authorize"
SCOPES = "bot applications.commands"
_NO_TOKEN = ""  # that of a code is the admin's, and is forgotten: requests have tokens of their own


async def identify(discord: Discord, bot_token: str | None, guild: str) -> Granted:
    """The server with an id; ValueError when the bot is not in it, or there is no token of the bot."""
    if bot_token is None:
        raise ValueError("TONEBRIDGE_DISCORD_BOT_TOKEN is not set; it is on the page Bot of your app")
    if not guild.isdecimal():
        raise ValueError(
            f"{guild!r} is no id of a server; in Discord, turn on Developer Mode, and choose Copy Server ID"
        )
    try:
        document = await discord.request("GET", f"/guilds/{guild}", bot_token)
    except RefusedError as error:
        raise ValueError(
            f"Discord does not show the server {guild}: {error}; install the app into it, and check the"
            " token of the bot"
        ) from error
    except UnreachableError as error:
        raise ValueError("Discord does not answer; try again later") from error
    return Granted(str(document["id"]), str(document["name"]), _NO_TOKEN, SCOPES.split())


class DiscordConnector:
    """The app at Discord. The Connector of `connecting`."""

    platform, name = PLATFORM, NAME

    def __init__(self, discord: Discord, client_id: str, client_secret: str, redirect_uri: str) -> None:
        self._discord, self._client_id = discord, client_id
        self._client_secret, self._redirect_uri = client_secret, redirect_uri

    def make_url(self, state: str) -> str:
        """Where the admin chooses a server, and sees what the app may do there: nothing but answer."""
        query = {
            "client_id": self._client_id,
            "scope": SCOPES,
            "permissions": "0",
            "response_type": "code",
            "redirect_uri": self._redirect_uri,
            "state": state,
        }
        return f"{AUTHORIZE}?{urlencode(query)}"

    async def exchange(self, code: str) -> Granted:
        """The server of a code. RefusedInstallError when Discord refuses, or does not answer, or the admin
        has chosen no server.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "client_id": self._client_id,
            "client_secret": self._client_secret,
        }
        try:
            answer = await self._discord.request("POST", "/oauth2/token", data=form)
        except RefusedError as error:
            raise refused(NAME, error) from error
        except UnreachableError as error:
            raise unreachable(NAME) from error
        guild = answer.get("guild")
        if not guild:
            raise refused(NAME, "no server was chosen")
        return Granted(guild["id"], guild["name"], _NO_TOKEN, str(answer.get("scope", "")).split())


def read_connector(settings: Settings, discord: Discord) -> DiscordConnector | None:
    """The connector of the settings; None when they do not have all of it."""
    client_secret = settings.discord_client_secret
    if not (
        settings.discord_public_keys
        and settings.discord_client_id
        and client_secret
        and settings.channels_url
    ):
        return None
    address = return_address(settings.channels_url, PLATFORM)
    return DiscordConnector(discord, settings.discord_client_id, client_secret.get_secret_value(), address)
