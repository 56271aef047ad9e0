"""Takes what people of a platform want: who they are there, and their order, stored for `replies`.

It is the same for the listeners of all platforms. Its methods raise one of `POSTGRES_ERRORS` when nothing
can be stored, so that the listener can say so.
"""

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from pydantic import BaseModel, ConfigDict

from data.channels import links
from data.channels.links import Link
from data.database import transaction_of
from data.jobs import listing
from data.jobs.queue import Kind, State
from data.people import consent, identities, preferences
from data.reasons import Language
from data.records import TransformType
from serving.channels import orders
from serving.channels.commands import Command, Message
from serving.channels.orders import Order, TermChange, Verb
from serving.channels.vault import Vault
from serving.channels.workspaces import Workspace, Workspaces
from serving.observability import job_spans
from serving.web.choices import DEFAULT, Wanted

POSTGRES_ERRORS = (psycopg.OperationalError, PoolTimeout)
VOTES: Mapping[str, tuple[Verb, dict[str, Any]]] = {  # what each button under a rewrite orders
    "use": ("use", {}),
    "better": ("thumb", {"up": True}),
    "worse": ("thumb", {"up": False}),
    "compare": ("compare", {}),
    "why": ("why", {}),
    "first": ("choose", {"preferred": "first"}),
    "second": ("choose", {"preferred": "second"}),
    "neither": ("choose", {"preferred": "neither"}),
}
_READS, _BETWEEN_READS_S = 10, 0.1  # a second of the three that platforms wait


class Agreed(BaseModel):
    """What a person agrees to, and what they wanted when they were asked."""

    model_config = ConfigDict(extra="forbid")

    training: bool
    text: str = ""
    transform_type: TransformType = TransformType.SOFTEN
    intensity: int = 2


class Intake:
    """The intake of one platform."""

    def __init__(
        self, platform: str, pool: AsyncConnectionPool, workspaces: Workspaces, vault: Vault
    ) -> None:
        self._platform, self._pool, self._workspaces, self._vault = platform, pool, workspaces, vault

    async def find_workspace(self, id: str) -> Workspace | None:
        """A workspace; None when no organisation has connected it."""
        return await self._workspaces.find(self._platform, id)

    async def disconnect(self, id: str) -> None:
        """Forget a workspace: the platform says that the app was removed from it."""
        await self._workspaces.disconnect(self._platform, id)

    async def find_organisation(self, workspace: Workspace) -> str:
        """The name of the organisation that has connected a workspace."""
        async with self._pool.connection() as connection:
            return await identities.find_name(connection, workspace.installation.organisation_id)

    async def forget(self, workspace: Workspace, person: str) -> None:
        """Forget who a person is: the platform says that they have removed the app for themselves."""
        tenant = workspace.installation.organisation_id
        async with self._pool.connection() as connection, transaction_of(connection, tenant):
            await links.remove(connection, workspace.installation, person)

    async def find_link(self, workspace: Workspace, person: str) -> Link | None:
        """Who a person is; None when they have not agreed."""
        tenant = workspace.installation.organisation_id
        async with self._pool.connection() as connection, transaction_of(connection, tenant):
            return await links.find(connection, workspace.installation, person)

    async def switch_proposals(self, workspace: Workspace, person: str, wants: bool) -> None:
        """A person wants rules to be tried on what they write in channels, or no longer."""
        tenant = workspace.installation.organisation_id
        async with self._pool.connection() as connection, transaction_of(connection, tenant):
            await links.switch_proposals(connection, workspace.installation, person, wants)

    def seal(self, workspace: Workspace, where: Mapping[str, Any]) -> str:
        """A place of the platform, for `Order.where`."""
        return orders.seal_place(self._vault, workspace, where)

    async def agree(
        self,
        workspace: Workspace,
        person: str,
        language: Language,
        agreed: Agreed,
        where: str,
        event: str,
    ) -> None:
        """A person agrees to what is stored. Link, consent to training and order are one transaction, so that
        nothing can be learned from a person who has agreed without that. `where` is sealed.
        """
        installation = workspace.installation
        tenant = installation.organisation_id
        async with self._pool.connection() as connection, transaction_of(connection, tenant):
            link = await links.store(connection, installation, person, language)
            name = links.name_user(installation, person)
            await consent.store(connection, tenant, link.user_id, name, installation.key_id, agreed.training)
            wanted = agreed.model_dump(exclude={"training"})
            order = self._order(workspace, link, "agree", where, **wanted)
            ids = await orders.enqueue(connection, workspace, link, order, event)
        job_spans.record_request(Kind.CHANNEL_REPLY, ids)

    async def store(
        self, workspace: Workspace, link: Link, verb: Verb, where: str, event: str, **more: Any
    ) -> None:
        """Store an order, once for each event. `where` is sealed; `more` are the other fields of an Order."""
        order, tenant = (
            self._order(workspace, link, verb, where, **more),
            workspace.installation.organisation_id,
        )
        async with self._pool.connection() as connection, transaction_of(connection, tenant):
            ids = await orders.enqueue(connection, workspace, link, order, event)
        job_spans.record_request(Kind.CHANNEL_REPLY, ids)

    async def store_command(
        self,
        workspace: Workspace,
        link: Link,
        command: Command | TermChange | Message,
        where: str,
        event: str,
    ) -> None:
        """Store the order of what a person has written to the bot: a message, or something about terms."""
        if isinstance(command, Message):
            await self.store(workspace, link, "rewrite", where, event, **command.order)
        else:
            change = command if isinstance(command, TermChange) else None
            await self.store(workspace, link, "terms", where, event, change=change)

    async def find_defaults(self, workspace: Workspace, link: Link) -> Wanted:
        """What a form for a rewrite preselects for a person: what they prefer, as in every client."""
        async with self._pool.connection() as connection:
            preferred = await preferences.find(
                connection, workspace.installation.organisation_id, link.user_id
            )
        intensity = DEFAULT.intensity if preferred.intensity is None else str(preferred.intensity)
        return Wanted(preferred.transform_type or DEFAULT.transform_type, intensity)

    async def store_choice(
        self, workspace: Workspace, link: Link, text: str, wanted: Wanted, where: str, event: str
    ) -> None:
        """Store the order of a form for a rewrite, and its choices as what the person prefers."""
        installation = workspace.installation
        tenant, name = installation.organisation_id, links.name_user(installation, link.person)
        kind, intensity = TransformType(wanted.transform_type), int(wanted.intensity)
        async with self._pool.connection() as connection, transaction_of(connection, tenant):
            former = await preferences.find(connection, tenant, link.user_id)
            preferred = former._replace(transform_type=kind, intensity=intensity)
            await preferences.store(connection, tenant, link.user_id, name, installation.key_id, preferred)
        await self.store(
            workspace, link, "rewrite", where, event, text=text, transform_type=kind, intensity=intensity
        )

    async def read_text(self, workspace: Workspace, link: Link, about: uuid.UUID) -> str:
        """The rewrite of a person's job; empty when it is gone. A person can click just before its commit."""
        tenant = workspace.installation.organisation_id
        for _ in range(_READS):
            async with self._pool.connection() as connection, transaction_of(connection, tenant):
                row = await listing.read_result(connection, about, link.user_id)
            if row is None or row[0] not in (State.WAITING, State.RUNNING):
                break
            await asyncio.sleep(_BETWEEN_READS_S)
        result = (row[1] if row is not None else None) or {}
        return str(result.get("answer", {}).get("transformed_text", ""))

    def _order(self, workspace: Workspace, link: Link, verb: Verb, where: str, **more: Any) -> Order:
        return Order(
            platform=self._platform,
            workspace=workspace.installation.workspace,
            person=link.person,
            verb=verb,
            where=where,
            **more,
        )
