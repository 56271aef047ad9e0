"""The dictionaries in a gateway's memory. The heartbeat looks for changed ones in a single query, which has
no rows most of the time; terms are read when a person with a changed dictionary sends their next message.

An organisation without a dictionary costs nothing. While Postgres is unavailable the last dictionaries apply.
"""

import asyncio
import uuid
from functools import partial
from typing import Final

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from data.database import transaction_of
from data.people import dictionaries
from data.records import Term
from data.terms import Terms
from serving.gateway.problems import UnavailableError

_MOST_TERMS = 200_000  # in memory; past it all are read again

NOTHING: Final = Terms(())


class _Organisation:
    """The dictionaries of an organisation, as far as they have been read. It is replaced when one changes, so
    what was read before a change never gets in after it.
    """

    __slots__ = ("people", "shared", "shared_terms", "with_own")

    def __init__(self) -> None:
        self.shared_terms: list[Term] = []
        self.shared: Terms | None = None  # None: not read yet
        self.with_own: set[uuid.UUID] = set()  # people who have, or had, terms of their own
        self.people: dict[uuid.UUID, Terms] = {}  # of those people, with the organisation's terms


class Dictionaries:
    """The terms that apply to each person. Belongs to one event loop."""

    def __init__(self, pool: AsyncConnectionPool, most_terms: int = _MOST_TERMS) -> None:
        """With more than `most_terms` in memory, all of them are dropped."""
        self._pool, self._most_terms = pool, most_terms
        self.revision = -1  # of the newest change that is known here; increases with each
        self._organisations: dict[uuid.UUID, _Organisation] = {}
        self._reads: dict[tuple[uuid.UUID, uuid.UUID | None], asyncio.Task[None]] = {}
        self._loaded = 0

    def recall(self, organisation_id: uuid.UUID, user_id: uuid.UUID | None) -> Terms | None:
        """The terms that apply to a person, or to everybody in the organisation; None while they have to be
        read, see `get`.
        """
        organisation = self._organisations.get(organisation_id)
        if organisation is None:
            return NOTHING
        if user_id is None or user_id not in organisation.with_own:
            return organisation.shared
        return organisation.people.get(user_id)

    async def get(self, organisation_id: uuid.UUID, user_id: uuid.UUID | None) -> Terms:
        """As `recall`, and reads them if need be. UnavailableError when they cannot be read."""
        while (terms := self.recall(organisation_id, user_id)) is None:
            key = (organisation_id, user_id)
            read = self._reads.get(key)
            if read is None or read.done():
                read = self._reads[key] = asyncio.create_task(self._read(*key))
                read.add_done_callback(partial(self._end, key))
            try:
                await asyncio.shield(read)  # a client that disconnects does not cancel it for others
            except (psycopg.OperationalError, PoolTimeout) as error:
                raise UnavailableError("dictionary_unavailable") from error
        return terms

    async def renew(self, connection: AsyncConnection) -> None:
        """Forget the dictionaries that have changed. A person's next message has them read again."""
        for change in await dictionaries.find_changes(connection, self.revision):
            if change.revision <= self.revision:  # another call was faster
                continue
            organisation, former = _Organisation(), self._organisations.get(change.organisation_id)
            if former is not None:
                organisation.with_own = former.with_own
            if change.user_id is not None:
                organisation.with_own = organisation.with_own | {change.user_id}
                if former is not None:
                    organisation.shared_terms, organisation.shared = former.shared_terms, former.shared
                    organisation.people = dict(former.people)
                    organisation.people.pop(change.user_id, None)
            self._organisations[change.organisation_id] = organisation
            self.revision = change.revision

    def forget(self) -> None:
        """Drop all terms from memory, after an erasure."""
        for organisation_id, former in self._organisations.items():
            self._organisations[organisation_id] = organisation = _Organisation()
            organisation.with_own = former.with_own
        self._loaded = 0

    def _end(self, key: tuple[uuid.UUID, uuid.UUID | None], read: asyncio.Task[None]) -> None:
        if self._reads.get(key) is read:
            del self._reads[key]

    async def _read(self, organisation_id: uuid.UUID, user_id: uuid.UUID | None) -> None:
        """Read the organisation's terms, unless they are known, and a person's own, if they have some."""
        organisation = self._organisations[organisation_id]
        async with self._pool.connection() as connection, transaction_of(connection, organisation_id):
            if organisation.shared is None:
                organisation.shared_terms = await dictionaries.fetch_terms(connection, None)
                organisation.shared = Terms(organisation.shared_terms)
                self._loaded += organisation.shared.count
            if user_id is not None and user_id in organisation.with_own:
                own = await dictionaries.fetch_terms(connection, user_id)
                # The own ones come first, so they take precedence.
                terms = Terms([*own, *organisation.shared_terms]) if own else organisation.shared
                organisation.people[user_id] = terms
                self._loaded += terms.count
        if self._loaded > self._most_terms and self._organisations.get(organisation_id) is organisation:
            self.forget()
            self._organisations[organisation_id] = organisation
