"""The page Webhooks: the addresses that get events of the organisation, and the forms to add, change and
delete them. A secret is shown once, by the response to the form that made it.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from fastapi import APIRouter, Form, Response
from fastapi.responses import RedirectResponse
from markupsafe import Markup

from data.reasons import Reason
from data.webhooks.events import OF_THE_INSTALLATION, SUBSCRIBABLE, EventType
from data.webhooks.subscriptions import Webhook
from serving.dashboard.attention import needs_attention
from serving.dashboard.visit import WEBHOOKS, Visit, admin_visit
from serving.sites.api import GatewayError

router = APIRouter(prefix=WEBHOOKS)

Here = Annotated[Visit, admin_visit]
Csrf = Annotated[str, Form(max_length=200)]
Url = Annotated[str, Form(max_length=4000)]
Events = Annotated[list[str], Form(max_length=100)]
Description = Annotated[str, Form(max_length=4000)]

REFUSALS = (403, 404, 409, 422, 429)  # of the gateway, which the page shows at its form
_OF_PATTERN = "invalid_string_pattern_mismatch"
EVENTS: Mapping[EventType, str] = {  # what happened, and what the event has
    EventType.ANSWER_CREATED: "People got rewrites. It has each message, its rewrite and who got it, at most"
    " a hundred in one event.",
    EventType.FEEDBACK_GIVEN: "A person voted, or changed a vote. It has the vote, the message and the"
    " rewrite.",
    EventType.EXPERIMENT_DECIDED: "A decision on an experiment was carried out, failed, or waits for a"
    " person. It has the action, the outcome and the reasons.",
    EventType.VERSION_RELEASED: "A version answers by default from now on. It has the version, the one before"
    " and the reasons.",
    EventType.VERSION_REFUSED: "The gate rejected a version. It has the version and the reasons.",
    EventType.SNAPSHOT_REFUSED: "A snapshot was rejected, so nothing is trained on it. It has its name, its"
    " counts and the reasons.",
    EventType.QUOTA_NEAR: "80 % of the month's answers are used, or all of them. It has the number and the"
    " quota.",
    EventType.JOB_DONE: "A batch or an export ended. It has the counts of its messages, not their texts.",
    EventType.WEBHOOK_DISABLED: "Another webhook was disabled, because it failed for days or its receiver is"
    " gone. It has the address and the reason.",
}


@dataclass(frozen=True, slots=True)
class Sent:
    """What a person has sent by a form that was refused, and why. `webhook_id` is the webhook that the form
    changes; None: a new one.
    """

    url: str
    events: Sequence[str]
    description: str
    webhook_id: uuid.UUID | None = None
    faults: Mapping[str, Reason] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Any]:
        """The fields as the gateway takes them."""
        return {"url": self.url, "events": self.events, "description": self.description}


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that was made just now, to be shown once."""

    webhook_id: uuid.UUID
    value: str


@router.get("")
def show(here: Here) -> Response:
    """The page."""
    return _page(here)


@router.post("")
def add(
    here: Here,
    csrf: Csrf,
    url: Url,
    events: Events = [],  # noqa: B006 (FastAPI copies it)
    description: Description = "",
) -> Response:
    """Add a webhook. The page that answers has its secret."""
    here.check(csrf)
    sent = Sent(url.strip(), events, description.strip())
    try:
        made = here.ask("POST", WEBHOOKS, sent.body)
    except GatewayError as error:
        return _refuse(here, error, sent)
    return _page(here, secret=Secret(uuid.UUID(made["id"]), made["secret"]))


@router.post("/{webhook_id}")
def change(
    here: Here,
    webhook_id: uuid.UUID,
    csrf: Csrf,
    url: Url,
    events: Events = [],  # noqa: B006 (FastAPI copies it)
    description: Description = "",
) -> Response:
    """Change the address, the events or the description."""
    here.check(csrf)
    sent = Sent(url.strip(), events, description.strip(), webhook_id)
    try:
        here.ask("PATCH", f"{WEBHOOKS}/{webhook_id}", sent.body)
    except GatewayError as error:
        return _refuse(here, error, sent)
    return RedirectResponse(_place(webhook_id), 303)


@router.post("/{webhook_id}/disable")
def disable(here: Here, webhook_id: uuid.UUID, csrf: Csrf) -> Response:
    """Send nothing to a webhook any more."""
    return _write(here, csrf, "PATCH", webhook_id, {"enabled": False})


@router.post("/{webhook_id}/enable")
def enable(here: Here, webhook_id: uuid.UUID, csrf: Csrf) -> Response:
    """Send to a webhook again."""
    return _write(here, csrf, "PATCH", webhook_id, {"enabled": True})


@router.post("/{webhook_id}/delete")
def delete(here: Here, webhook_id: uuid.UUID, csrf: Csrf) -> Response:
    """Delete a webhook and the log of its deliveries."""
    return _write(here, csrf, "DELETE", webhook_id, to=WEBHOOKS)


@router.post("/{webhook_id}/secret")
def rotate_secret(here: Here, webhook_id: uuid.UUID, csrf: Csrf) -> Response:
    """Make a new secret. The page that answers has it."""
    here.check(csrf)
    try:
        made = here.ask("POST", f"{WEBHOOKS}/{webhook_id}/secret")
    except GatewayError as error:
        return _refuse(here, error)
    return _page(here, secret=Secret(webhook_id, made["secret"]))


def _place(webhook_id: uuid.UUID) -> str:
    return f"{WEBHOOKS}#webhook-{webhook_id}"


def _write(
    here: Visit, csrf: str, method: str, webhook_id: uuid.UUID, body: Any = None, to: str | None = None
) -> Response:
    """Send a change to the gateway and redirect to the webhook. If it is refused, show the page again."""
    here.check(csrf)
    try:
        here.ask(method, f"{WEBHOOKS}/{webhook_id}", body)
    except GatewayError as error:
        return _refuse(here, error)
    return RedirectResponse(to or _place(webhook_id), 303)


def _refuse(here: Visit, error: GatewayError, sent: Sent | None = None) -> Response:
    """The page with what the gateway says: at the fields of a form if it names them, else above all."""
    if error.status not in REFUSALS:
        raise error
    if sent is not None and error.faults:
        # A regular expression tells a person nothing; what is allowed does.
        faults = {
            fault.field: fault.allowed if fault.reason.code == _OF_PATTERN else fault.reason
            for fault in error.faults
        }
        return _page(here, replace(sent, faults=faults), status=error.status)
    return _page(here, sent, error.explain(here.words), status=error.status)


def _page(
    here: Visit,
    sent: Sent | None = None,
    problem: Markup | None = None,
    secret: Secret | None = None,
    status: int = 200,
) -> Response:
    webhooks = here.list_webhooks()
    accounts = here.ask_all("/accounts") if webhooks else []
    return here.page(
        "webhooks.html",
        status,
        here=router.prefix,
        webhooks=webhooks,
        urgent=[webhook for webhook in webhooks if needs_attention(webhook)],
        emails={f"account:{account['id']}": account["email"] for account in accounts},
        events=_list_events(here, webhooks),
        sent=sent,
        problem=problem,
        secret=secret,
    )


def _list_events(here: Visit, webhooks: Sequence[Webhook]) -> dict[EventType, str]:
    """The events that a webhook of the organisation may get, and what its webhooks get already."""
    chosen = {event for webhook in webhooks for event in webhook.events}
    return {
        event: EVENTS[event]
        for event in SUBSCRIBABLE
        if here.me.runs_this or event not in OF_THE_INSTALLATION or event in chosen
    }
