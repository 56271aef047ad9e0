"""Webhooks of the caller's organisation: addresses that get its events, and the log of deliveries.

They are for admins. `data.webhooks` stores them, `serving.worker.deliveries` sends.
"""

import uuid
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from psycopg import AsyncConnection
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from yarl import URL

from data.database import transaction_of
from data.fields import ID_EXAMPLES, Id
from data.jobs.queue import Kind, State
from data.people import identities
from data.reasons import ReasonedError, reason
from data.webhooks import deliveries, subscriptions
from data.webhooks.deliveries import Delivery
from data.webhooks.events import OF_THE_INSTALLATION, SUBSCRIBABLE, EventType
from data.webhooks.subscriptions import TooManyWebhooksError, Webhook
from serving.gateway.auth import Caller
from serving.gateway.conditional import Expected
from serving.gateway.dependencies import Connection
from serving.gateway.pages import LINKED, PageOfEvents, PageOfThings
from serving.gateway.parts import InjectedParts, Parts
from serving.gateway.problems import ForbiddenError, InvalidError, NotFoundError, TooManyRequestsError
from serving.gateway.refusals import LOCATION, refuses
from serving.gateway.routes.jobs import States
from serving.gateway.routes.keys import Administrator
from serving.observability import job_spans

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
    Field(
        description="`https://...`, public; redirects are not followed",
        examples=["https://hooks.example.com/tonebridge"],
    ),
]
Events = Annotated[
    list[EventType],
    Field(
        min_length=1,
        max_length=100,
        description="the events to send; `webhook.test` comes without being named",
        examples=[["answer.created", "job.done"]],
    ),
    AfterValidator(_check_events),
]
Description = Annotated[
    str,
    StringConstraints(max_length=200, pattern=r"^[^\x00]*$"),
    Field(description="your words for it", examples=["the reporting server"]),
]
WebhookId = Annotated[Id, Path(description="the webhook", examples=ID_EXAMPLES)]
DeliveryId = Annotated[Id, Path(description="the delivery", examples=ID_EXAMPLES)]
_UNKNOWN = (NotFoundError, "unknown_webhook")
_ROOM = (TooManyRequestsError, "deliveries_wait", {"waiting": _MOST_WAITING})


Secret = Annotated[
    str,
    Field(
        description="`whsec_...`, with which libraries of Standard Webhooks verify",
        examples=["whsec_C2FVsBQIhrscChlQIMV+b5sSYob7oD2PY0pJ7cyqXXA="],
    ),
]


class NewWebhook(BaseModel):
    """An address that gets events by POST."""

    model_config = ConfigDict(extra="forbid")

    url: Url
    events: Events
    description: Description = ""


class WebhookChanges(BaseModel):
    """What to change. `enabled: false` stops the deliveries; `true` starts them again."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[Url | None, Field(description="another address")] = None
    events: Annotated[Events | None, Field(description="other events")] = None
    description: Annotated[Description | None, Field(description="other words for it")] = None
    enabled: Annotated[
        bool | None, Field(strict=True, description="whether events are sent", examples=[True])
    ] = None


class MadeWebhook(BaseModel):
    """A new webhook. No other response has its secret."""

    id: Annotated[Id, Field(description="the webhook")]
    secret: Secret


class NewWebhookSecret(BaseModel):
    """The new secret of a webhook. The former one signs, too, for a day."""

    secret: Secret


class EnqueuedDeliveries(BaseModel):
    """The new deliveries, which a worker sends."""

    deliveries: Annotated[list[Id], Field(description="the new deliveries, the oldest event first")]


def check_encrypted(parts: Parts, field: str, url: str | None) -> None:
    """InvalidError for an address without TLS in a field, unless a setting allows it."""
    if url is not None and URL(url).scheme == "http" and not parts.settings.webhook_networks:
        raise InvalidError({field: reason("url_not_https")})


async def _check(
    parts: Parts, caller: Caller, connection: AsyncConnection, changes: NewWebhook | WebhookChanges
) -> None:
    """InvalidError for an address without TLS that no setting allows; ForbiddenError for events that only the
    organisation that runs this installation may hear of.
    """
    check_encrypted(parts, "url", changes.url)
    if OF_THE_INSTALLATION.intersection(changes.events or ()):
        name = await identities.find_name(connection, caller.identity.organisation_id)
        if name != parts.settings.organisation:
            raise ForbiddenError("other_organisation", activity="see_experiments")


@router.post(
    "",
    status_code=201,
    responses={
        201: {"headers": LOCATION},
        **refuses((TooManyWebhooksError, "too_many_webhooks", {"most": 20})),
    },
)
async def create_webhook(
    response: Response, parts: InjectedParts, body: NewWebhook, caller: Administrator
) -> MadeWebhook:
    """Send events to an address from now on. Store the secret: it is shown only once. Events on experiments,
    versions and snapshots are for the organisation that runs the installation.
    """
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


@router.get("", responses=LINKED)
async def list_webhooks(caller: Administrator, connection: Connection, page: PageOfThings) -> list[Webhook]:
    """List the webhooks of your organisation, the newest first, without their secrets."""
    async with transaction_of(connection, caller.identity.organisation_id):
        return page.show(await subscriptions.list_some(connection, before=page.before, most=page.most))


@router.get("/{webhook_id}", responses=refuses(_UNKNOWN))
async def get_webhook(caller: Administrator, connection: Connection, webhook_id: WebhookId) -> Webhook:
    """Read a webhook and its state, without its secret."""
    async with transaction_of(connection, caller.identity.organisation_id):
        return await _find(connection, webhook_id)


@router.patch("/{webhook_id}", responses=refuses(_UNKNOWN))
async def change_webhook(
    parts: InjectedParts,
    body: WebhookChanges,
    caller: Administrator,
    expected: Expected,
    webhook_id: WebhookId,
) -> Webhook:
    """Change a webhook. One that was disabled is enabled by `enabled: true`; send its dead deliveries again
    if they are still wanted.
    """
    changes: dict[str, Any] = body.model_dump(exclude_none=True)
    enabled = changes.pop("enabled", None)
    async with parts.pool.connection() as connection:
        await _check(parts, caller, connection, body)
        async with transaction_of(connection, caller.identity.organisation_id):
            await subscriptions.lock(connection, webhook_id)
            expected.check(await _find(connection, webhook_id))
            await subscriptions.change(connection, webhook_id, changes, enabled)
            return await _find(connection, webhook_id)


@router.delete("/{webhook_id}", status_code=204, response_class=Response, responses=refuses(_UNKNOWN))
async def delete_webhook(
    caller: Administrator, expected: Expected, connection: Connection, webhook_id: WebhookId
) -> None:
    """Delete a webhook and the log of its deliveries; those that wait are not sent."""
    async with transaction_of(connection, caller.identity.organisation_id):
        if expected.is_given:
            await subscriptions.lock(connection, webhook_id)
            expected.check(await _find(connection, webhook_id))
        if not await subscriptions.delete(connection, webhook_id):
            raise NotFoundError("unknown_webhook")


@router.post("/{webhook_id}/secret", responses=refuses(_UNKNOWN))
async def rotate_webhook_secret(
    response: Response,
    parts: InjectedParts,
    caller: Administrator,
    connection: Connection,
    webhook_id: WebhookId,
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


@router.post("/{webhook_id}/test", status_code=202, responses=refuses(_UNKNOWN, _ROOM))
async def send_test_event(
    caller: Administrator, connection: Connection, webhook_id: WebhookId
) -> EnqueuedDeliveries:
    """Send an event of type `webhook.test`. The log shows what became of it."""
    organisation_id = caller.identity.organisation_id
    async with transaction_of(connection, organisation_id):
        _check_room(await _find(connection, webhook_id))
        delivery_id = await deliveries.send_test(connection, organisation_id, caller.name, webhook_id)
    job_spans.record_request(Kind.WEBHOOK, [delivery_id])
    return EnqueuedDeliveries(deliveries=[delivery_id])


@router.get("/{webhook_id}/deliveries", responses=LINKED | refuses(_UNKNOWN))
async def list_deliveries(
    caller: Administrator,
    connection: Connection,
    webhook_id: WebhookId,
    page: PageOfEvents,
    state: States = [],  # noqa: B006 (FastAPI copies it)
    event: Annotated[
        list[EventType],
        Query(
            max_length=len(EventType),
            description="of events of these types; of all without it",
            examples=[["answer.created"]],
        ),
    ] = [],  # noqa: B006
) -> list[Delivery]:
    """List the deliveries of a webhook of the last seven days, the newest first; each failed attempt has its
    reason.
    """
    async with transaction_of(connection, caller.identity.organisation_id):
        await _find(connection, webhook_id)
        listed = await deliveries.list_some(
            connection,
            webhook_id,
            states=state or tuple(State),
            types=event or tuple(EventType),
            before=page.before,
            most=page.most,
        )
    return page.show(listed)


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/replay",
    status_code=202,
    responses=refuses(_UNKNOWN, (NotFoundError, "delivery_not_ended"), _ROOM),
)
async def replay_delivery(
    caller: Administrator, connection: Connection, webhook_id: WebhookId, delivery_id: DeliveryId
) -> EnqueuedDeliveries:
    """Send a delivery again that arrived or is dead: the same event, under the same `webhook-id`."""
    async with transaction_of(connection, caller.identity.organisation_id):
        _check_room(await _find(connection, webhook_id))
        new_id = await deliveries.send_again(connection, caller.name, webhook_id, delivery_id)
    if new_id is None:
        raise NotFoundError("delivery_not_ended")
    job_spans.record_request(Kind.WEBHOOK, [new_id])
    return EnqueuedDeliveries(deliveries=[new_id])


@router.post("/{webhook_id}/replay", status_code=202, responses=refuses(_UNKNOWN))
async def replay_dead_deliveries(
    caller: Administrator, connection: Connection, webhook_id: WebhookId
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
    rows = await subscriptions.list_some(connection, webhook_id=webhook_id)
    if not rows:
        raise NotFoundError("unknown_webhook")
    return rows[0]
