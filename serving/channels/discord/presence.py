"""Whether the app is still in the connected servers. Discord tells only programs with a permanent connection
that an app was removed from a server, so this one asks, every hour, as the bot.

A server that Discord does not know, or does not show to the bot, is disconnected when that is still so ten
minutes later: a failure of Discord's may look like that, and its people would have to agree again.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from serving.channels.discord.calls import PLATFORM, Discord, RefusedError, UnreachableError
from serving.channels.intake import POSTGRES_ERRORS
from serving.channels.workspaces import Workspaces

log = logging.getLogger(__name__)

_GONE = frozenset({50001, 10004})  # Discord's codes: missing access, unknown guild
_EVERY_S, _MISSING_S = 3600.0, 600.0


class Presence:
    """Checks the connected servers, if it has the token of the bot. Belongs to one event loop. `every_s` is
    the time between two checks, and `clock` gives seconds.
    """

    def __init__(
        self,
        workspaces: Workspaces,
        discord: Discord,
        bot_token: str | None,
        public_keys: Sequence[str],
        every_s: float = _EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workspaces, self._discord = workspaces, discord
        self._bot_token, self._public_keys = bot_token, list(public_keys)
        self._every_s, self._clock = every_s, clock
        self._missing: dict[str, float] = {}  # servers without the app, and since when
        self._is_wanted = asyncio.Event()

    def check_soon(self) -> None:
        """Check now: somebody has removed the app from somewhere, and Discord does not say from where."""
        self._is_wanted.set()

    @asynccontextmanager
    async def checking(self) -> AsyncIterator[None]:
        """Check again and again while this is entered."""
        if self._bot_token is None or not self._public_keys:
            yield
            return
        checks = asyncio.create_task(self._check_again(), name="servers-of-discord")
        try:
            yield
        finally:
            checks.cancel()
            await asyncio.gather(checks, return_exceptions=True)

    async def _check_again(self) -> None:
        while True:
            self._is_wanted.clear()
            try:
                await self.check()
            except (UnreachableError, RefusedError, *POSTGRES_ERRORS) as error:
                log.warning("the servers of Discord cannot be checked now: %s", error)
            except Exception:  # the edge of a task that has to go on
                log.exception("a check of the servers of Discord fails")
            try:
                await asyncio.wait_for(self._is_wanted.wait(), self._every_s)
            except TimeoutError:
                continue

    async def check(self) -> None:
        """Ask for each connected server, and disconnect those that are missing for long enough."""
        app = await self._discord.request("GET", "/applications/@me", self._bot_token)
        if self._public_keys != [app["verify_key"]]:  # the bot need not be in the servers of another app
            log.warning("the servers of Discord are not checked: the bot is not of the one app that is named")
            return
        now, missing = self._clock(), {}
        for guild in await self._workspaces.list_ids(PLATFORM):
            if not await self._is_in(guild):
                missing[guild] = self._missing.get(guild, now)
        self._missing = missing
        for guild, since in missing.items():
            if now - since >= _MISSING_S:
                log.info("the app was removed from the server %s", guild)
                await self._workspaces.disconnect(PLATFORM, guild)

    async def _is_in(self, guild: str) -> bool:
        try:
            await self._discord.request("GET", f"/guilds/{guild}", self._bot_token)
        except RefusedError as error:
            if error.code in _GONE:
                return False
            raise
        return True
