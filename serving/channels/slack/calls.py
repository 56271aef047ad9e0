"""Calls Slack, no faster than it wants."""

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from data.reasons import Language, reason
from serving.channels.connecting import NAMES
from serving.channels.pace import Pace
from serving.channels.replies import GoneError, PlatformError
from serving.channels.shown import Copied, Said, Shown
from serving.channels.slack import blocks
from serving.channels.workspaces import Workspace
from serving.sites.words import Words

PLATFORM = "slack"
NAME = NAMES[PLATFORM]
API = "https://slack.com/api/"
_TIMEOUT_S = 10
_RETRY_S, _RETRY_AFTER_S = 5.0, 30.0  # after a failure of Slack's; after a 429 that does not say for how long
_GONE = frozenset(
    {
        "not_found", "view_not_found", "expired_url", "used_url", "no_response_url",
        "channel_not_found", "is_archived", "not_in_channel", "user_not_in_channel",
    }
)  # fmt: skip
_PASSING = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout"})
_RESPONSE_URL = "response_url"  # the name of the method without one
_FALLBACK = "ToneBridge"  # in notifications, in place of the blocks


class Slack:
    """Slack's Web API, for all workspaces. The Platform of `replies`."""

    help_command = "/tonebridge help"

    def __init__(self, pace: Pace, api_url: str = API) -> None:
        self._pace, self._api_url = pace, api_url

    def client(self, token: str | None = None) -> AsyncWebClient:
        """A client that tries nothing again."""
        return AsyncWebClient(token=token, base_url=self._api_url, timeout=_TIMEOUT_S, retry_handlers=[])

    async def call(self, workspace: Workspace, method: str, **arguments: Any) -> Mapping[str, Any]:
        """The answer to a method of the Web API. PlatformError when Slack does not take the call, GoneError
        when what it is about is no longer there.
        """
        await self._take(workspace, method)
        try:
            function = getattr(self.client(workspace.token), method.replace(".", "_"))
            response = await function(**arguments)
        except SlackApiError as error:
            status, headers = error.response.status_code, error.response.headers
            named = error.response.get("error")
            raise await self._explain(workspace, method, status, headers, named) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise PlatformError(reason("platform_unreachable", platform=NAME), _RETRY_S) from error
        content: Mapping[str, Any] = response.data
        return content

    async def open(
        self, workspace: Workspace, trigger_id: str, view: dict[str, Any], pushes: bool = False
    ) -> Mapping[str, Any]:
        """Open a window, over the present one with `pushes`. A `trigger_id` lives for three seconds, so a 429
        is waited for once, if it demands a second at most.
        """
        method = "views.push" if pushes else "views.open"
        try:
            return await self.call(workspace, method, trigger_id=trigger_id, view=view)
        except PlatformError as error:
            if not error.is_busy or error.retry_s is None or error.retry_s > 1:
                raise
            await asyncio.sleep(error.retry_s)
        return await self.call(workspace, method, trigger_id=trigger_id, view=view)

    async def show(self, workspace: Workspace, where: Mapping[str, Any], shown: Shown, words: Words) -> None:
        """Show something in a window, or in a message that only the person sees: as the answer to a request,
        or in the channel where they have written.
        """
        drawn = blocks.draw(shown, words)
        if "view_id" in where:
            view = blocks.modal(drawn, words.language)
            await self.call(workspace, "views.update", view_id=where["view_id"], view=view)
            return
        if "channel" in where:
            await self.call(workspace, "chat.postEphemeral", **where, blocks=drawn, text=_FALLBACK)
            return
        text = shown[0] if isinstance(shown, Said | Copied) else _FALLBACK
        await self.respond(workspace, where["response_url"], drawn, text, where.get("replaces", False))

    async def respond(
        self,
        workspace: Workspace,
        response_url: str,
        drawn: list[blocks.Block],
        text: str = _FALLBACK,
        replaces: bool = False,
    ) -> None:
        """Answer by the address that came with a request; only the person sees the answer."""
        await self._take(workspace, _RESPONSE_URL)
        client = AsyncWebhookClient(response_url, timeout=_TIMEOUT_S, retry_handlers=[])
        try:
            response = await client.send(
                text=_escape(text), blocks=drawn, response_type="ephemeral", replace_original=replaces
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise PlatformError(reason("platform_unreachable", platform=NAME), _RETRY_S) from error
        if response.status_code != 200:
            raise await self._explain(
                workspace, _RESPONSE_URL, response.status_code, response.headers, response.body
            )

    async def find_language(self, workspace: Workspace, person: str) -> Language:
        """The language of a person's Slack; English if it is another one, or Slack does not say."""
        try:
            answer = await self.call(workspace, "users.info", user=person, include_locale=True)
        except PlatformError as error:
            if error.retry_s is not None:
                raise
            return "en"
        return "ja" if str(answer["user"].get("locale", "")).startswith("ja") else "en"

    async def _take(self, workspace: Workspace, method: str) -> None:
        if wait_s := await self._pace.take(workspace.installation.workspace, method):
            raise _busy(wait_s)

    async def _explain(
        self, workspace: Workspace, method: str, status: int, headers: Mapping[str, Any], error: str | None
    ) -> PlatformError | GoneError:
        if status == 429:
            wait_s = _read_retry_after(headers)
            await self._pace.pause(workspace.installation.workspace, method, wait_s)
            return _busy(wait_s)
        if error in _GONE:
            return GoneError(error)
        retry_s = _RETRY_S if status >= 500 or error in _PASSING else None
        named = str(error or status)[:100]
        return PlatformError(reason("platform_refused", platform=NAME, error=named), retry_s)


def _busy(wait_s: float) -> PlatformError:
    return PlatformError(reason("platform_busy", platform=NAME, seconds=wait_s), wait_s, is_busy=True)


def _read_retry_after(headers: Mapping[str, Any]) -> float:
    """The seconds that a 429 asks for; Slack sends whole ones."""
    values = {name.lower(): value for name, value in headers.items()}
    value = values.get("retry-after", "")
    if isinstance(value, list):
        value = value[0]
    return float(value) if str(value).isdecimal() else _RETRY_AFTER_S


def _escape(text: str) -> str:
    """A text without mentions, links and formats: https://docs.slack.dev/messaging/formatting-message-text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
