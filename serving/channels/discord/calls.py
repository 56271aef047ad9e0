"""Calls Discord, no faster than it wants (https://docs.discord.com/developers/topics/rate-limits)."""

import json
from collections.abc import Mapping
from typing import Any

import aiohttp

from data.reasons import reason
from serving.channels.connecting import NAMES
from serving.channels.discord import components
from serving.channels.discord.components import Drawn
from serving.channels.pace import Pace, SharedBuckets
from serving.channels.replies import GoneError, PlatformError
from serving.channels.shown import Shown
from serving.channels.workspaces import Workspace
from serving.sites.words import Words

PLATFORM = "discord"
NAME = NAMES[PLATFORM]
API = "https://discord.com/api/v10"
_AGENT = "DiscordBot (ToneBridge, 0.1.0)"  # Discord wants this form
_TIMEOUT_S = 10
_RETRY_S, _RETRY_AFTER_S = 5.0, 30.0  # after a failure of Discord's; after a 429 that does not say how long
_ANSWERS = "answers"  # the name of the method, for the pace
_EXPIRED = frozenset({401, 404})  # statuses of an answer whose token has run out, or whose message is gone


def make_pace(shared: SharedBuckets | None = None) -> Pace:
    """How fast the answers of one server may be sent. Discord limits each answer by itself, and a bot as a
    whole to 50 requests a second, from which answers are free.
    """
    return Pace(per_s=25, burst=50, shared=shared)


class RefusedError(Exception):
    """Discord refuses a request: the status, its own code for the error, and the seconds that a 429 asks for,
    of this request alone or of all.
    """

    def __init__(self, status: int, code: int, message: str, retry_after_s: float, is_global: bool) -> None:
        super().__init__(f"{message} (HTTP {status}, {code})")
        self.status, self.code = status, code
        self.retry_after_s, self.is_global = retry_after_s, is_global


class UnreachableError(Exception):
    """Discord does not answer."""


class Discord:
    """Discord's HTTP API, for all servers. The Platform of `replies`."""

    help_command = "/tonebridge help"

    def __init__(self, pace: Pace, api_url: str = API) -> None:
        self._pace, self._api_url = pace, api_url

    async def request(self, method: str, path: str, bot_token: str | None = None, **content: Any) -> Any:
        """The JSON that Discord answers; None if there is none. `content` is what aiohttp sends: `json` or
        `data`. RefusedError when Discord refuses, UnreachableError when it does not answer.
        """
        headers = {"User-Agent": _AGENT}
        if bot_token is not None:
            headers["Authorization"] = f"Bot {bot_token}"
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
                session.request(method, f"{self._api_url}{path}", **content) as response,
            ):
                if not response.ok:
                    raise _explain(response.status, response.headers, await response.read())
                return None if response.status == 204 else await response.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UnreachableError from error

    async def show(self, workspace: Workspace, where: Mapping[str, Any], shown: Shown, words: Words) -> None:
        """Show something in the message that answers a request, or whose button was clicked."""
        guild = workspace.installation.workspace
        if wait_s := await self._pace.take(guild, _ANSWERS):
            raise _busy(wait_s)
        path = f"/webhooks/{where['application']}/{where['token']}/messages/@original"
        try:
            await self.request("PATCH", path, **_content(components.draw(shown, words)))
        except UnreachableError as error:
            raise PlatformError(reason("platform_unreachable", platform=NAME), _RETRY_S) from error
        except RefusedError as error:
            if error.status == 429:
                if error.is_global:  # otherwise it is a limit of this one message
                    await self._pace.pause(guild, _ANSWERS, error.retry_after_s)
                raise _busy(error.retry_after_s) from error
            if error.status in _EXPIRED:
                raise GoneError(str(error)) from error
            retry_s = _RETRY_S if error.status >= 500 else None
            why = reason("platform_refused", platform=NAME, error=str(error)[:100])
            raise PlatformError(why, retry_s) from error

    async def find_language(self, workspace: Workspace, person: str) -> None:
        """Nothing to find: each request has the language."""


def _content(drawn: Drawn) -> dict[str, Any]:
    """A message as JSON, or with its files as a form."""
    if not drawn.files:
        return {"json": drawn.body}
    form = aiohttp.FormData()
    form.add_field("payload_json", json.dumps(drawn.body), content_type="application/json")
    for number, (name, text) in enumerate(drawn.files.items()):
        content = text.encode("utf-8", "replace")
        form.add_field(f"files[{number}]", content, content_type="text/plain; charset=utf-8", filename=name)
    return {"data": form}


def _busy(wait_s: float) -> PlatformError:
    return PlatformError(reason("platform_busy", platform=NAME, seconds=wait_s), wait_s, is_busy=True)


def _explain(status: int, headers: Mapping[str, str], body: bytes) -> RefusedError:
    try:
        document = json.loads(body)
    except ValueError:  # of a proxy in front of Discord
        document = {}
    if not isinstance(document, dict):
        document = {}
    after = str(document.get("retry_after", headers.get("Retry-After", "")))
    try:
        retry_after_s = float(after)
    except ValueError:
        retry_after_s = _RETRY_AFTER_S
    # A token exchange says `error`, everything else `code` and `message`.
    message = str(document.get("message") or document.get("error") or "no reason given")
    code = document.get("code")
    return RefusedError(
        status, code if isinstance(code, int) else 0, message, retry_after_s, bool(document.get("global"))
    )
