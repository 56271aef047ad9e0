"""The page of a webhook: what was sent to it, what became of it, and sending it again.

Bodies of events are not shown, since they have people's messages.
"""

import uuid
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse
from markupsafe import Markup
from pydantic import TypeAdapter

from data.jobs.queue import MOST_REPLAYED, State
from data.webhooks.deliveries import Delivery
from data.webhooks.subscriptions import Webhook
from serving.dashboard.pages.webhooks import REFUSALS, Csrf, Here
from serving.dashboard.visit import WEBHOOKS, Visit
from serving.sites.api import GatewayError

router = APIRouter(prefix=f"{WEBHOOKS}/{{webhook_id}}")

STATES: Mapping[State, str] = {
    State.WAITING: "waiting",
    State.RUNNING: "being sent",
    State.DONE: "arrived",
    State.DEAD: "dead",
    State.REPLAYED: "dead, sent again",
    State.CANCELLED: "cancelled",
}
_LISTED = 50
_WEBHOOK, _DELIVERIES = TypeAdapter(Webhook), TypeAdapter(list[Delivery])


@router.get("")
def show(
    here: Here,
    webhook_id: uuid.UUID,
    state: State | Literal[""] = "",
    before: uuid.UUID | None = None,
) -> Response:
    """The page: the newest deliveries, or those before one; all of them, or those in a state."""
    return _page(here, webhook_id, state, before)


@router.post("/test")
def send_test(here: Here, webhook_id: uuid.UUID, csrf: Csrf) -> Response:
    """Send an event that tries the webhook."""
    return _write(here, csrf, webhook_id, "test")


@router.post("/deliveries/{delivery_id}/again")
def send_again(here: Here, webhook_id: uuid.UUID, delivery_id: uuid.UUID, csrf: Csrf) -> Response:
    """Send a delivery again."""
    return _write(here, csrf, webhook_id, f"deliveries/{delivery_id}/replay")


@router.post("/again")
def send_dead_again(here: Here, webhook_id: uuid.UUID, csrf: Csrf) -> Response:
    """Send all dead deliveries again."""
    return _write(here, csrf, webhook_id, "replay")


def _address(webhook_id: uuid.UUID) -> str:
    """Of the page, and of the webhook at the gateway."""
    return f"{WEBHOOKS}/{webhook_id}"


def _write(here: Visit, csrf: str, webhook_id: uuid.UUID, act: str) -> Response:
    """Send a request to the gateway and redirect to the log. If it is refused, show the page with the
    reason.
    """
    here.check(csrf)
    try:
        here.ask("POST", f"{_address(webhook_id)}/{act}")
    except GatewayError as error:
        if error.status not in REFUSALS:
            raise
        return _page(here, webhook_id, problem=error.explain(here.words), status=error.status)
    return RedirectResponse(_address(webhook_id), 303)


def _page(
    here: Visit,
    webhook_id: uuid.UUID,
    state: State | Literal[""] = "",
    before: uuid.UUID | None = None,
    problem: Markup | None = None,
    status: int = 200,
) -> Response:
    address = _address(webhook_id)
    webhook = _WEBHOOK.validate_python(here.ask("GET", address))
    wanted: dict[str, Any] = {"state": state} if state else {}
    query = wanted | ({"before": before} if before else {})
    listed = here.ask("GET", f"{address}/deliveries?{urlencode(query | {'limit': _LISTED + 1})}")
    deliveries = _DELIVERIES.validate_python(listed)
    page = deliveries[:_LISTED]
    older = urlencode(wanted | {"before": page[-1].id}) if len(deliveries) > _LISTED else None
    return here.page(
        "webhook.html",
        status,
        here=f"{address}?{urlencode(query)}" if query else address,
        webhook=webhook,
        deliveries=page,
        states=STATES,
        state=state,
        before=before,
        older=older,
        most_replayed=MOST_REPLAYED,
        problem=problem,
    )
