"""Webhooks of the caller's organisation: addresses that get its events, and the log of deliveries.

They are for admins. `data.webhooks` stores them, `serving.worker.deliveries` sends.
"""

import uuid
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from psycopg import AsyncConnection
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from yarl import URL

from data.database import transaction_of
from data.jobs.queue import State
from data.people import identities
from data.reasons import ReasonedError, reason
from data.webhooks import deliveries, subscriptions
from data.webhooks.deliveries import Delivery
from data.webhooks.events import OF_THE_INSTALLATION, SUBSCRIBABLE, EventType
from data.webhooks.subscriptions import Webhook
from serving.gateway.auth import Caller
from serving.gateway.dependencies import Connection
from serving.gateway.parts import InjectedParts, Parts
from serving.gateway.problems import ForbiddenError, InvalidError, NotFoundError, TooManyRequestsError
from serving.gateway.routes.jobs import Before, Limit
from serving.gateway.routes.keys import Administrator

router = APIRouter(prefix="/api/v1/webhooks", tags=["webhooks"])

_LONGEST_URL = 2000
_MOST_WAITING = 1000  # deliveries of a webhook, for one more that a person asks for
_RETRY_AFTER_S = 60


class RefusedWebhookError(ReasonedError, ValueError):
    """An address or an event cannot be that of a webhook."""


def _check_url(url: str) -> str:
    # yarl is what aiohttp sends by, so both read the address in the same way.
    try:
        parsed = URL(url)
    except ValueError as error:
        raise RefusedWebhookError("not_a_url") from error
    if parsed.scheme not in ("https", "http") or not parsed.host:
        raise RefusedWebhookError("not_a_url")
    if parsed.user is not None or parsed.password is not None or parsed.fragment:
        raise RefusedWebhookError("url_has_more")
    return url


def _check_events(events: list[EventType]) -> list[EventType]:
    if EventType.WEBHOOK_TEST in events:
        raise RefusedWebhookError("event_not_subscribable")
    return sorted(set(events), key=SUBSCRIBABLE.index)


Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=_LONGEST_URL, pattern=r"^[!-~]+$"),
    AfterValidator(_check_url),
]
Events = Annotated[list[EventType], Field(min_length=1, max_length=100), AfterValidator(_check_events)]
Description = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]


class NewWebhook(BaseModel):
    """An address that gets events by POST."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[Url, Field(description="https://..., public; redirects are not followed")]
    events: Events
    description: Description = ""


class WebhookChanges(BaseModel):
    """What to change. `enabled: false` stops the deliveries; `true` starts them again."""

    model_config = ConfigDict(extra="forbid")

    url: Url | None = None
    events: Events | None = None
    description: Description | None = None
    enabled: Annotated[bool | None, Field(strict=True)] = None


class MadeWebhook(BaseModel):
    """A new webhook. No other response has its secret."""

    id: uuid.UUID
    secret: Annotated[str, Field(description="whsec_..., with which libraries of Standard Webhooks verify")]


class NewWebhookSecret(BaseModel):
    """The new secret of a webhook. The former one signs, too, for a day."""

    secret: str


class EnqueuedDeliveries(BaseModel):
    """The new deliveries, which a worker sends."""

    deliveries: list[uuid.UUID]


async def _check(
    parts: Parts, caller: Caller, connection: AsyncConnection, changes: NewWebhook | WebhookChanges
) -> None:
    """InvalidError for an address without TLS that no setting allows; ForbiddenError for events that only the
    organisation that runs this installation may hear of.
    """
    is_plain = changes.url is not None and URL(changes.url).scheme == "http"
    if is_plain and not parts.settings.webhook_networks:
        raise InvalidError({"url": reason("url_not_https")})
    if OF_THE_INSTALLATION.intersection(changes.events or ()):
        name = await identities.find_name(connection, caller.identity.organisation_id)
        if name != parts.settings.organisation:
            raise ForbiddenError("other_organisation", activity="see_experiments")


@router.post("", status_code=201)
async def create_webhook(
    response: Response, parts: InjectedParts, body: NewWebhook, caller: Administrator
) -> MadeWebhook:
    """Send events to an address from now on. Store the secret: it is shown only once."""
    organisation_id = caller.identity.organisation_id
    async with parts.pool.connection() as connection:
        await _check(parts, caller, connection, body)
        async with transaction_of(connection, organisation_id):
            webhook_id, secret = await subscriptions.create(
                connection, organisation_id, caller.name, body.url, body.events, body.description,
                parts.webhooks.most,
            )  # fmt: skip
    response.headers["Cache-Control"] = "no-store"
    response.headers["Location"] = f"{router.prefix}/{webhook_id}"
    return MadeWebhook(id=webhook_id, secret=secret)


@router.get("")
async def list_webhooks(caller: Administrator, connection: Connection) -> list[Webhook]:
    """All webhooks, the oldest first, without their secrets."""
    async with transaction_of(connection, caller.identity.organisation_id):
        return await subscriptions.list_all(connection)


@router.get("/{webhook_id}")
async def get_webhook(caller: Administrator, connection: Connection, webhook_id: uuid.UUID) -> Webhook:
    """A webhook, without its secret."""
    async with transaction_of(connection, caller.identity.organisation_id):
        return await _find(connection, webhook_id)


@router.patch("/{webhook_id}")
async def change_webhook(
    parts: InjectedParts, body: WebhookChanges, caller: Administrator, webhook_id: uuid.UUID
) -> Webhook:
    """Change a webhook. One that was disabled is enabled by `enabled: true`; send its dead deliveries again
    if they are still wanted.
    """
    changes: dict[str, Any] = body.model_dump(exclude_none=True)
    enabled = changes.pop("enabled", None)
    async with parts.pool.connection() as connection:
        await _check(parts, caller, connection, body)
        async with transaction_of(connection, caller.identity.organisation_id):
            await _find(connection, webhook_id)
            await subscriptions.change(connection, webhook_id, changes, enabled)
            return await _find(connection, webhook_id)


@router.delete("/{webhook_id}", status_code=204, response_class=Response)
async def delete_webhook(caller: Administrator, connection: Connection, webhook_id: uuid.UUID) -> None:
    """Delete a webhook and the log of its deliveries; those that wait are not sent."""
    async with transaction_of(connection, caller.identity.organisation_id):
        if not await subscriptions.delete(connection, webhook_id):
            raise NotFoundError("unknown_webhook")


@router.post("/{webhook_id}/secret")
async def rotate_webhook_secret(
    response: Response,
    parts: InjectedParts,
    caller: Administrator,
    connection: Connection,
    webhook_id: uuid.UUID,
) -> NewWebhookSecret:
    """Make a new secret. For a day deliveries have a signature by each of both, so no receiver fails while
    you change it there. A third one ends the first at once.
    """
    async with transaction_of(connection, caller.identity.organisation_id):
        await _find(connection, webhook_id)
        former_for = timedelta(hours=parts.webhooks.former_secret_hours)
        secret = await subscriptions.rotate_secret(connection, webhook_id, former_for)
    response.headers["Cache-Control"] = "no-store"
    return NewWebhookSecret(secret=secret)


@router.post("/{webhook_id}/test", status_code=202)
async def send_test_event(
    caller: Administrator, connection: Connection, webhook_id: uuid.UUID
) -> EnqueuedDeliveries:
    """Send an event of type `webhook.test`. The log shows what became of it."""
    organisation_id = caller.identity.organisation_id
    async with transaction_of(connection, organisation_id):
        _check_room(await _find(connection, webhook_id))
        delivery_id = await deliveries.send_test(connection, organisation_id, caller.name, webhook_id)
    return EnqueuedDeliveries(deliveries=[delivery_id])


@router.get("/{webhook_id}/deliveries")
async def list_deliveries(
    caller: Administrator,
    connection: Connection,
    webhook_id: uuid.UUID,
    state: Annotated[list[State], Query(max_length=len(State))] = [],  # noqa: B006 (FastAPI copies it)
    before: Before = None,
    limit: Limit = 50,
) -> list[Delivery]:
    """The log of a webhook, the newest first, with the reason of every failed attempt."""
    async with transaction_of(connection, caller.identity.organisation_id):
        await _find(connection, webhook_id)
        return await deliveries.list_some(
            connection, webhook_id, states=state or tuple(State), before=before, most=limit
        )


@router.post("/{webhook_id}/deliveries/{delivery_id}/replay", status_code=202)
async def replay_delivery(
    caller: Administrator, connection: Connection, webhook_id: uuid.UUID, delivery_id: uuid.UUID
) -> EnqueuedDeliveries:
    """Send a delivery again that arrived or is dead: the same event, under the same `webhook-id`."""
    async with transaction_of(connection, caller.identity.organisation_id):
        _check_room(await _find(connection, webhook_id))
        new_id = await deliveries.send_again(connection, caller.name, webhook_id, delivery_id)
    if new_id is None:
        raise NotFoundError("delivery_not_ended")
    return EnqueuedDeliveries(deliveries=[new_id])


@router.post("/{webhook_id}/replay", status_code=202)
async def replay_dead_deliveries(
    caller: Administrator, connection: Connection, webhook_id: uuid.UUID
) -> EnqueuedDeliveries:
    """Send all dead deliveries of a webhook again, at most 10,000 in one request, the oldest first."""
    async with transaction_of(connection, caller.identity.organisation_id):
        await _find(connection, webhook_id)
        return EnqueuedDeliveries(
            deliveries=await deliveries.send_dead_again(connection, caller.name, webhook_id)
        )


def _check_room(webhook: Webhook) -> None:
    """TooManyRequestsError when many deliveries of a webhook wait already."""
    if webhook.waiting >= _MOST_WAITING:
        raise TooManyRequestsError("deliveries_wait", waiting=webhook.waiting).until(_RETRY_AFTER_S)


async def _find(connection: AsyncConnection, webhook_id: uuid.UUID) -> Webhook:
    rows = await subscriptions.list_all(connection, webhook_id)
    if not rows:
        raise NotFoundError("unknown_webhook")
    return rows[0]
