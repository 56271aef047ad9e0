"""Sends to people of Teams, no faster than Teams wants, by the library's client of its API."""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
from microsoft_teams.api.activities.message.message import MessageActivityInput
from microsoft_teams.api.clients.conversation.client import ConversationClient
from microsoft_teams.api.clients.conversation.params import CreateConversationParams
from microsoft_teams.api.models.account import Account, ConversationAccount
from microsoft_teams.api.models.attachment.attachment import Attachment
from microsoft_teams.common import Client, ClientOptions

from data.reasons import Language, reason
from serving.channels.pace import Pace
from serving.channels.replies import GoneError, PlatformError
from serving.channels.shown import Shown
from serving.channels.teams import cards
from serving.channels.teams.activities import Activity
from serving.channels.teams.cards import Card
from serving.channels.teams.connector import NAME
from serving.channels.teams.tokens import Tokens
from serving.channels.workspaces import Workspace
from serving.sites.words import Words

PER_S, BURST = 0.5, 7  # calls in a conversation: Teams allows 1,800 an hour, and 7 in a second
_TIMEOUT_S = 10.0
_METHOD = "send"  # Teams counts all calls of a conversation together
_RETRY_S, _RETRY_AFTER_S = 5.0, 10.0  # after a failure of Teams'; after a 429 that does not say for how long
_PASSING = frozenset({412, 500, 502, 503, 504})  # what Teams wants to be tried again
_GONE = frozenset({403, 404})  # the person has removed the app, or deleted the card


class Teams:
    """The API of Teams, for all tenants. The Platform of `replies`. It is open while `opened` is entered."""

    help_command = "help"

    def __init__(self, pace: Pace, tokens: Tokens, app_id: str) -> None:
        self._pace, self._tokens, self._app_id = pace, tokens, app_id
        self._client: Client | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Have connections, and close them at the end."""

        async def read_token() -> str:
            return await self._tokens.read(client.http)

        client = Client(ClientOptions(timeout=_TIMEOUT_S, token=read_token))
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs addresses, with ids of conversations
        self._client = client
        try:
            yield
        finally:
            self._client = None
            await client.http.aclose()

    async def open_chat(self, activity: Activity) -> dict[str, Any]:
        """The place of the person's chat with the bot. GoneError when the person has not added the app."""
        account = Account(id=activity.from_.id)
        params = CreateConversationParams(members=[account], tenant_id=activity.tenant)
        async with self._explained(activity.from_.id):
            made = await self._conversations(activity.service_url).create(params)
        return {"service_url": activity.service_url, "conversation": made.id}

    async def send(self, where: Mapping[str, Any], card: Card, activity: str | None = None) -> None:
        """Send a card into a chat, or in the place of one that is there: `activity` is its id. PlatformError
        when Teams does not take it, GoneError when the chat or the card is no longer there.
        """
        conversation = where["conversation"]
        message = MessageActivityInput(
            from_=Account(id=self._app_id),
            conversation=ConversationAccount(id=conversation),
            attachments=[Attachment(content_type=cards.CONTENT_TYPE, content=card)],
        )
        async with self._explained(conversation):
            conversations = self._conversations(where["service_url"])
            if activity is None:
                await conversations.create_activity(conversation, message)
            else:
                await conversations.update_activity(conversation, activity, message)

    async def show(self, workspace: Workspace, where: Mapping[str, Any], shown: Shown, words: Words) -> None:
        """Show something in the chat of a person with the bot: in the place of the card whose button they
        have chosen, if it is short enough for one.
        """
        drawn = cards.draw(shown, words)
        replaced = where.get("activity") if len(drawn) == 1 else None
        for card in drawn:
            await self.send(where, card, replaced)

    async def find_language(self, workspace: Workspace, person: str) -> Language | None:
        """Each request of Teams has the person's language, so it is stored already."""
        return None

    def _conversations(self, service_url: str) -> ConversationClient:
        assert self._client is not None, "the connections are not open"
        return ConversationClient(service_url, self._client)

    @asynccontextmanager
    async def _explained(self, conversation: str) -> AsyncIterator[None]:
        """Say of a call that fails whether and when to try again."""
        if wait_s := await self._pace.take(conversation, _METHOD):
            raise _busy(wait_s)
        try:
            yield
        except httpx.HTTPStatusError as error:
            raise await self._explain(conversation, error.response) from error
        except httpx.HTTPError as error:
            raise PlatformError(reason("platform_unreachable", platform=NAME), _RETRY_S) from error

    async def _explain(self, conversation: str, response: httpx.Response) -> PlatformError | GoneError:
        status = response.status_code
        if status == 429:
            value = response.headers.get("retry-after", "")
            wait_s = float(value) if value.isdecimal() else _RETRY_AFTER_S
            await self._pace.pause(conversation, _METHOD, wait_s)
            return _busy(wait_s)
        if status in _GONE:
            return GoneError(status)
        retry_s = _RETRY_S if status in _PASSING else None
        return PlatformError(reason("platform_refused", platform=NAME, error=str(status)), retry_s)


def _busy(wait_s: float) -> PlatformError:
    return PlatformError(reason("platform_busy", platform=NAME, seconds=wait_s), wait_s, is_busy=True)
