"""How Slack lets the app into a workspace (https://docs.slack.dev/authentication/installing-with-oauth)."""

from urllib.parse import urlencode

import aiohttp
from slack_sdk.errors import SlackApiError

from configs.settings import Settings
from data.reasons import reason
from serving.channels.connecting import Granted, RefusedInstallError, refused, return_address, unreachable
from serving.channels.slack.calls import NAME, PLATFORM, Slack

AUTHORIZE = "https://slack.com/oauth/v2/authorize"
SCOPES = "commands,users:read,channels:history,chat:write"  # as in the manifest


async def identify(slack: Slack, token: str) -> Granted:
    """The workspace of a bot's token; ValueError when Slack does not know the token."""
    try:
        answer = await slack.client(token).auth_test()
    except SlackApiError as error:
        raise ValueError(
            f"Slack does not accept this token ({error.response.get('error')}); copy the Bot User OAuth"
            " Token, which begins with xoxb-"
        ) from error
    scopes = str(answer.headers.get("x-oauth-scopes", "")).replace(" ", "").split(",")
    return Granted(str(answer["team_id"]), str(answer["team"]), token, scopes)


class SlackConnector:
    """The app at Slack. The Connector of `connecting`."""

    platform, name = PLATFORM, NAME

    def __init__(self, slack: Slack, client_id: str, client_secret: str, redirect_uri: str) -> None:
        self._slack = slack
        self._app = {"client_id": client_id, "client_secret": client_secret, "redirect_uri": redirect_uri}

    def make_url(self, state: str) -> str:
        """Where the admin chooses a workspace, and sees what the app may do."""
        query = {
            "client_id": self._app["client_id"],
            "scope": SCOPES,
            "redirect_uri": self._app["redirect_uri"],
            "state": state,
        }
        return f"{AUTHORIZE}?{urlencode(query)}"

    async def exchange(self, code: str) -> Granted:
        """The workspace of a code. RefusedInstallError when Slack refuses, or does not answer, or the code is
        of an organisation of workspaces as a whole.
        """
        try:
            # Not by `oauth_v2_access`, which makes its header by a function that aiohttp will remove.
            answer = await self._slack.client().api_call("oauth.v2.access", data={**self._app, "code": code})
        except SlackApiError as error:
            raise refused(NAME, error.response.get("error")) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise unreachable(NAME) from error
        team = answer.get("team")
        if answer.get("is_enterprise_install") or not team:
            raise RefusedInstallError(400, reason("workspace_enterprise"))
        scopes = str(answer.get("scope", "")).split(",")
        return Granted(team["id"], team["name"], str(answer["access_token"]), scopes)


def read_connector(settings: Settings, slack: Slack) -> SlackConnector | None:
    """The connector of the settings; None when they do not have all of it."""
    client_secret = settings.slack_client_secret
    if not (
        settings.slack_signing_secrets
        and settings.slack_client_id
        and client_secret
        and settings.channels_url
    ):
        return None
    address = return_address(settings.channels_url, PLATFORM)
    return SlackConnector(slack, settings.slack_client_id, client_secret.get_secret_value(), address)
