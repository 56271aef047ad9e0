"""What a person of a chat platform wants, as a job of the queue. Jobs of one event are enqueued once."""

import base64
import json
import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from psycopg import AsyncConnection
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from data.channels.links import Link
from data.jobs import queue
from data.jobs.queue import Kind, NewJob
from data.records import TransformType
from serving.channels.vault import Vault
from serving.channels.workspaces import Workspace

Verb = Literal[
    "rewrite", "use", "edit", "thumb", "compare", "choose", "why", "agree", "leave", "erase", "terms"
]  # fmt: skip
TermAction = Literal["keep", "explain", "replace", "remove"]


def _make_storable(text: str) -> str:
    """The text without what Postgres cannot store and nobody can read: NULs, halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


Storable = Annotated[str, AfterValidator(_make_storable)]


class TermChange(BaseModel):
    """What a person wants of one of their own terms: one of the dictionary's rules for it, or none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: TermAction
    term: Storable
    wording: Storable = ""


class Order(BaseModel):
    """What to do for a person, and where they see the outcome.

    `where` is sealed, since whoever knows such an address can write to the person. `about` is the job of the
    rewrite, or of the two rewrites, that a button belongs to. `rule` is the name of the rule that proposes a
    rewrite, for which nobody has asked then. `kind_is_open` says that a person has asked for a rewrite, and
    named no kind: a rule may propose one. `change` is what is wanted of a term; without it, the verb `terms`
    asks for the list.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    platform: str
    workspace: str
    person: str
    verb: Verb
    where: str
    text: Storable = ""
    transform_type: TransformType = TransformType.SOFTEN
    intensity: int = 2
    rule: str = ""
    kind_is_open: bool = Field(default=False, exclude_if=lambda is_open: not is_open)
    about: uuid.UUID | None = None
    up: bool | None = None
    preferred: Literal["first", "second", "neither"] | None = None
    change: TermChange | None = None


def seal_place(vault: Vault, workspace: Workspace, where: Mapping[str, Any]) -> str:
    """An address of a platform, for `Order.where`."""
    sealed = vault.seal(json.dumps(dict(where)), f"place {workspace.installation.id}")
    return base64.b64encode(sealed).decode()


def open_place(vault: Vault, workspace: Workspace, order: Order) -> dict[str, Any]:
    """The address in an order."""
    sealed = base64.b64decode(order.where)
    place: dict[str, Any] = json.loads(vault.open(sealed, f"place {workspace.installation.id}"))
    return place


async def enqueue(
    connection: AsyncConnection, workspace: Workspace, link: Link, order: Order, event: str
) -> list[uuid.UUID]:
    """Enqueue an order of an event of the platform, unless it is there already: platforms send events again.
    Returns the id of its job, if it is a new one. The transaction names the organisation.
    """
    installation = workspace.installation
    job = NewJob(
        Kind.CHANNEL_REPLY,
        order.model_dump(mode="json", exclude_none=True),
        f"{installation.platform}:{installation.workspace}:{event}"[:200],
        user_id=link.user_id,
    )
    requested_by = f"api_key:{installation.key_id}"
    return await queue.enqueue(connection, installation.organisation_id, requested_by, [job])
