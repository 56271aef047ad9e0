"""What the resolvers of one request share: the caller, a connection to Postgres, and what is loaded together
for many rows.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import strawberry
from psycopg import AsyncConnection
from strawberry.dataloader import DataLoader

from data.database import transaction_of
from data.jobs import listing
from data.jobs.listing import Batch
from data.people.identities import Role
from experiments import drafts
from experiments.drafts import WholeExperiment
from serving.gateway.auth import Caller
from serving.gateway.online.front import Front
from serving.gateway.parts import Parts
from serving.gateway.realtime.sockets import Sockets
from serving.gateway.routes import experiments
from serving.gateway.routes.jobs import find_requester


class Context:
    """One request, or one WebSocket."""

    def __init__(
        self,
        parts: Parts,
        front: Front,
        caller: Caller,
        headers: dict[bytes, bytes],
        opened: Sockets | None = None,
    ) -> None:
        """`headers` have the caller's key or token. With `opened`, it is the context of all operations of a
        WebSocket: what is loaded is not kept, since it may have changed at the next event.
        """
        self.parts, self.front, self.caller, self.headers = parts, front, caller, headers
        self._sockets = opened
        is_kept = opened is None
        self.batches: DataLoader[uuid.UUID, Batch | None] = DataLoader(self._load_batches, cache=is_kept)
        self.experiments: DataLoader[uuid.UUID, WholeExperiment] = DataLoader(
            self._load_experiments, cache=is_kept
        )
        self.refusal: Exception | None = None  # why the request is not executed, for its HTTP status
        self._turn = asyncio.Lock()
        self._is_viewer = False

    @property
    def is_socket(self) -> bool:
        """Whether the operations come over a WebSocket."""
        return self._sockets is not None

    @property
    def sockets(self) -> Sockets:
        """The WebSockets of the gateway, for subscriptions."""
        assert self._sockets is not None, "a subscription comes over one"
        return self._sockets

    @property
    def may_introspect(self) -> bool:
        """Whether the caller may read the schema: everybody while /docs shows it, too; else admins."""
        return self.parts.settings.api_docs or self.caller.identity.may_act_as(Role.ADMIN)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """A connection to Postgres. The fields of a request are resolved at the same time; they take turns
        here, since one request could hold the whole pool otherwise.
        """
        async with self._turn, self.parts.pool.connection() as connection:
            yield connection

    async def check_viewer(self) -> None:
        """ForbiddenError unless the caller may see experiments; read once a request."""
        async with self._turn:
            if not self._is_viewer:
                await experiments.viewer(self.parts, self.caller)
                self._is_viewer = True

    async def _load_batches(self, ids: Sequence[uuid.UUID]) -> list[Batch | None]:
        async with (
            self.connection() as connection,
            transaction_of(connection, self.caller.identity.organisation_id),
        ):
            listed = await listing.list_batches(
                connection, batch_ids=ids, requested_by=find_requester(self.caller), most=len(ids)
            )
        by_id = {batch.id: batch for batch in listed}
        return [by_id.get(id) for id in ids]

    async def _load_experiments(self, ids: Sequence[uuid.UUID]) -> list[WholeExperiment]:
        async with self.connection() as connection:
            whole = await drafts.get_many(connection, ids)
        return [whole[id] for id in ids]  # experiments are never deleted


Info = strawberry.Info[Context, None]
