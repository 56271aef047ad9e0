"""What the resolvers of one request share: the caller, a connection to Postgres, and what is loaded together
for many rows.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Generic, NamedTuple, TypeVar

import strawberry
from psycopg import AsyncConnection
from strawberry.dataloader import DataLoader

from data.database import transaction_of
from data.jobs import listing
from data.jobs.listing import Batch
from data.people import request_secrets
from data.people.identities import Role
from data.people.request_secrets import ListedRequestSecret
from data.webhooks import deliveries
from data.webhooks.deliveries import Delivery
from experiments import drafts
from experiments.drafts import WholeExperiment
from serving.gateway.auth import Caller
from serving.gateway.online.front import Front
from serving.gateway.online.turns import Turn
from serving.gateway.parts import Parts
from serving.gateway.realtime.sockets import Sockets
from serving.gateway.routes import experiments
from serving.gateway.routes.jobs import find_requester

Id = TypeVar("Id")


class Newest(NamedTuple, Generic[Id]):
    """The newest rows below one row of a list, `first` of them."""

    id: Id
    first: int


class Context:
    """One request, or one WebSocket."""

    def __init__(
        self,
        parts: Parts,
        front: Front,
        caller: Caller,
        headers: dict[bytes, bytes],
        turn: Turn,
        opened: Sockets | None = None,
    ) -> None:
        """`headers` have the caller's key or token; rewrites end when `turn` is left. With `opened` it is the
        context of all operations of a WebSocket, none of which is a rewrite: what is loaded is not kept,
        since it may have changed at the next event.
        """
        self.parts, self.front, self.caller, self.headers = parts, front, caller, headers
        self.turn, self._sockets = turn, opened
        is_kept = opened is None
        self.batches: DataLoader[uuid.UUID, Batch | None] = DataLoader(self._load_batches, cache=is_kept)
        self.experiments: DataLoader[uuid.UUID, WholeExperiment] = DataLoader(
            self._load_experiments, cache=is_kept
        )
        # Of webhooks and keys that a field has shown, so the caller is known to be an admin.
        self.deliveries: DataLoader[Newest[uuid.UUID], list[Delivery]] = DataLoader(
            self._load_deliveries, cache=is_kept
        )
        self.request_secrets: DataLoader[Newest[str], list[ListedRequestSecret]] = DataLoader(
            self._load_request_secrets, cache=is_kept
        )
        self.refusal: Exception | None = None  # why the request is not executed, for its HTTP status
        self._lock = asyncio.Lock()
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
        async with self._lock, self.parts.pool.connection() as connection:
            yield connection

    async def check_viewer(self) -> None:
        """ForbiddenError unless the caller may see experiments; read once a request."""
        async with self._lock:
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

    async def _load_deliveries(self, wanted: Sequence[Newest[uuid.UUID]]) -> list[list[Delivery]]:
        loaded: dict[Newest[uuid.UUID], list[Delivery]] = {}
        async with (
            self.connection() as connection,
            transaction_of(connection, self.caller.identity.organisation_id),
        ):
            for first, ids in _by_first(wanted).items():
                listed = await deliveries.list_newest(connection, ids, most=first)
                loaded |= {Newest(id, first): rows for id, rows in listed.items()}
        return [loaded[newest] for newest in wanted]

    async def _load_request_secrets(self, wanted: Sequence[Newest[str]]) -> list[list[ListedRequestSecret]]:
        organisation_id = self.caller.identity.organisation_id
        loaded: dict[Newest[str], list[ListedRequestSecret]] = {}
        async with self.connection() as connection:
            for first, ids in _by_first(wanted).items():
                listed = await request_secrets.list_newest(connection, organisation_id, ids, most=first)
                loaded |= {Newest(id, first): rows for id, rows in listed.items()}
        return [loaded[newest] for newest in wanted]

    async def _load_experiments(self, ids: Sequence[uuid.UUID]) -> list[WholeExperiment]:
        async with self.connection() as connection:
            whole = await drafts.get_many(connection, ids)
        return [whole[id] for id in ids]  # experiments are never deleted


def _by_first(wanted: Iterable[Newest[Id]]) -> dict[int, set[Id]]:
    """The ids of the rows, by how many rows are wanted below each. A document has one number for all rows of
    a list, so it takes one query; the largest number for all would read more than the document has paid for.
    """
    ids: dict[int, set[Id]] = {}
    for newest in wanted:
        ids.setdefault(newest.first, set()).add(newest.id)
    return ids


Info = strawberry.Info[Context, None]
