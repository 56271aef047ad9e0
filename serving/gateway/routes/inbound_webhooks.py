"""Inbound webhooks of the caller's organisation: other tools send messages to the process `channels`, which
delivers the rewrites to an address that an admin sets here.

They are for admins. `data.inbound` stores them, `serving.channels.inbound` takes the messages.
"""

import uuid
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Response
from psycopg import AsyncConnection
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from data.database import transaction_of
from data.fields import ID_EXAMPLES, Id
from data.inbound import endpoints
from data.inbound.endpoints import (
    Credentials,
    InboundWebhook,
    ReplyForm,
    TooManyInboundWebhooksError,
    Verification,
)
from data.inbound.pointer import PATTERN
from data.people import identities, key_changes
from data.people.identities import MOST_KEYS, RefusedKeyError, Role
from data.people.key_changes import KeyAction
from data.records import Intensity, TransformType
from data.tables import new_id
from serving.channels.inbound import credentials
from serving.channels.inbound.credentials import RefusedSecretError
from serving.channels.vault import Vault
from serving.gateway.conditional import Expected
from serving.gateway.dependencies import Connection
from serving.gateway.pages import LINKED, PageOfThings
from serving.gateway.parts import InjectedParts, Parts
from serving.gateway.problems import InvalidError, NotFoundError, UnavailableError
from serving.gateway.refusals import LOCATION, refuses
from serving.gateway.routes.keys import Administrator
from serving.gateway.routes.webhooks import Url, check_encrypted

router = APIRouter(prefix="/api/v1/inbound-webhooks", tags=["inbound-webhooks"])

Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$"),
    Field(description="your name for it", examples=["the issue tracker"]),
]
TextPointer = Annotated[
    str,
    StringConstraints(max_length=1000, pattern=PATTERN),
    Field(
        description="where the message is in the tool's JSON: a JSON Pointer (RFC 6901)",
        examples=["/comment/body"],
    ),
]
ReplyUrl = Annotated[
    Url,
    Field(
        description="where rewrites are sent: `https://...`, public; redirects are not followed",
        examples=["https://chat.example.com/hooks/x"],
    ),
]
GivenSecret = Annotated[
    str | None,
    StringConstraints(min_length=16, max_length=200, pattern=r"^[!-~]+$"),
    Field(
        description="the secret, if the tool makes it; without it a random one is made",
        examples=["f3c1a7d25b9e4860a1d2c3b4e5f60718"],
    ),
]
MadeSecret = Annotated[
    str | None,
    Field(
        description="the new secret; null if you gave it. No other response has it",
        examples=["whsec_C2FVsBQIhrscChlQIMV+b5sSYob7oD2PY0pJ7cyqXXA="],
    ),
]
HowVerified = Annotated[
    Verification,
    Field(
        description="how requests are verified: `standard` (Standard Webhooks), `hub` (X-Hub-Signature-256),"
        " or `token` for tools that cannot sign: the secret as a bearer token, in X-Gitlab-Token, or in the"
        " field `token` of the body",
        examples=["hub"],
    ),
]
HowReplied = Annotated[
    ReplyForm,
    Field(
        description='what is sent: `text` is `{"text": rewrite}`, which incoming webhooks of chat platforms'
        " take; `answer` is the answer of `POST /api/v1/transform` without its receipt",
        examples=["text"],
    ),
]
InboundWebhookId = Annotated[Id, Path(description="the inbound webhook", examples=ID_EXAMPLES)]
_UNKNOWN = (NotFoundError, "unknown_inbound_webhook")
_OFF = (UnavailableError, "inbound_off")


class NewInboundWebhook(BaseModel):
    """Where another tool sends messages, and where the rewrites go."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    verification: HowVerified
    secret: GivenSecret = None
    text_pointer: TextPointer = "/text"
    transform_type: Annotated[TransformType, Field(description="how messages are rewritten")]
    intensity: Intensity
    reply_url: ReplyUrl
    reply_form: HowReplied = ReplyForm.TEXT
    delivers_unchanged: Annotated[
        bool, Field(strict=True, description="whether a message that stays as it is is sent, too")
    ] = True


class InboundWebhookChanges(BaseModel):
    """What to change; messages that wait are rewritten as it was when they came. To verify in another way,
    make another inbound webhook.
    """

    model_config = ConfigDict(extra="forbid")

    name: Annotated[Name | None, Field(description="another name")] = None
    text_pointer: Annotated[TextPointer | None, Field(description="another place of the message")] = None
    transform_type: Annotated[
        TransformType | None, Field(description="another kind of rewrites", examples=["clarify"])
    ] = None
    intensity: Annotated[Intensity | None, Field(description="another intensity", examples=[1])] = None
    reply_url: Annotated[ReplyUrl | None, Field(description="another address for rewrites")] = None
    reply_form: Annotated[
        ReplyForm | None, Field(description="another form of what is sent", examples=["answer"])
    ] = None
    delivers_unchanged: Annotated[
        bool | None,
        Field(
            strict=True,
            description="whether a message that stays as it is is sent, too",
            examples=[False],
        ),
    ] = None


class MadeInboundWebhook(BaseModel):
    """A new inbound webhook. No other response has its secret."""

    id: Annotated[Id, Field(description="the inbound webhook")]
    path: Annotated[
        str,
        Field(
            description="where the tool sends its requests, at the address of the process `channels`",
            examples=["/inbound/01a22303-92fd-74fc-b4f4-074280c0308c"],
        ),
    ]
    secret: MadeSecret


class InboundSecret(BaseModel):
    """The secret that the tool has made."""

    model_config = ConfigDict(extra="forbid")

    secret: GivenSecret = None


class NewInboundSecret(BaseModel):
    """The new secret of an inbound webhook. The former one is accepted, too, for a day."""

    secret: MadeSecret


@router.post(
    "",
    status_code=201,
    responses={
        201: {"headers": LOCATION},
        **refuses(
            (TooManyInboundWebhooksError, "too_many_inbound_webhooks", {"most": 20}),
            (RefusedKeyError, "too_many_keys", {"most": MOST_KEYS}),
            _OFF,
        ),
    },
)
async def create_inbound_webhook(
    response: Response, parts: InjectedParts, body: NewInboundWebhook, caller: Administrator
) -> MadeInboundWebhook:
    """Have another tool's messages rewritten from now on, by an API key of the role member that is made for
    it. Store the secret: it is shown only once.
    """
    check_encrypted(parts, "reply_url", body.reply_url)
    vault, id = _vault_of(parts), new_id()
    secret, key = _take_secret(body.verification, body.secret)
    organisation_id = caller.identity.organisation_id
    async with parts.pool.connection() as connection, transaction_of(connection, organisation_id):
        await endpoints.check_room(connection, parts.inbound.most)
        label = f"Inbound webhook {body.name}"[:200]
        key_id, api_key = await identities.create_key(connection, organisation_id, label, Role.MEMBER)
        await key_changes.record(
            connection, organisation_id, caller.name, KeyAction.KEY_CREATED, key_id=key_id
        )
        made = Credentials(
            key_id,
            credentials.seal_api_key(vault, id, api_key),
            credentials.seal_verifying_key(vault, id, key),
        )
        fields = body.model_dump(exclude={"secret"})
        await endpoints.create(connection, organisation_id, caller.name, id, made, fields)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Location"] = f"{router.prefix}/{id}"
    return MadeInboundWebhook(id=id, path=f"/inbound/{id}", secret=None if body.secret else secret)


@router.get("", responses=LINKED)
async def list_inbound_webhooks(
    caller: Administrator, connection: Connection, page: PageOfThings
) -> list[InboundWebhook]:
    """List the inbound webhooks of your organisation, the newest first, without their secrets."""
    async with transaction_of(connection, caller.identity.organisation_id):
        return page.show(await endpoints.list_some(connection, before=page.before, most=page.most))


@router.get("/{inbound_webhook_id}", responses=refuses(_UNKNOWN))
async def get_inbound_webhook(
    caller: Administrator, connection: Connection, inbound_webhook_id: InboundWebhookId
) -> InboundWebhook:
    """Read an inbound webhook and its state, without its secret."""
    async with transaction_of(connection, caller.identity.organisation_id):
        return await _find(connection, inbound_webhook_id)


@router.patch("/{inbound_webhook_id}", responses=refuses(_UNKNOWN))
async def change_inbound_webhook(
    parts: InjectedParts,
    body: InboundWebhookChanges,
    caller: Administrator,
    expected: Expected,
    inbound_webhook_id: InboundWebhookId,
) -> InboundWebhook:
    """Change an inbound webhook. What waits goes to the new address, and is rewritten as it would have been
    before.
    """
    check_encrypted(parts, "reply_url", body.reply_url)
    async with (
        parts.pool.connection() as connection,
        transaction_of(connection, caller.identity.organisation_id),
    ):
        await endpoints.lock(connection, inbound_webhook_id)
        expected.check(await _find(connection, inbound_webhook_id))
        await endpoints.change(connection, inbound_webhook_id, body.model_dump(exclude_none=True))
        return await _find(connection, inbound_webhook_id)


@router.delete("/{inbound_webhook_id}", status_code=204, response_class=Response, responses=refuses(_UNKNOWN))
async def delete_inbound_webhook(
    caller: Administrator, expected: Expected, connection: Connection, inbound_webhook_id: InboundWebhookId
) -> None:
    """Delete an inbound webhook and revoke its key; what waits is not delivered."""
    organisation_id = caller.identity.organisation_id
    async with transaction_of(connection, organisation_id):
        listed = await _find(connection, inbound_webhook_id)
        if expected.is_given:
            await endpoints.lock_with_messages(connection, organisation_id, listed)
            listed = await _find(connection, inbound_webhook_id)
            expected.check(listed)
        await endpoints.delete(connection, organisation_id, caller.name, listed)


@router.post("/{inbound_webhook_id}/secret", responses=refuses(_UNKNOWN, _OFF))
async def rotate_inbound_webhook_secret(
    response: Response,
    parts: InjectedParts,
    caller: Administrator,
    inbound_webhook_id: InboundWebhookId,
    body: InboundSecret | None = None,
) -> NewInboundSecret:
    """Make a new secret, or take the one that the tool has made. For a day requests are accepted by each of
    both, so none is refused while you change it there. A third one ends the first at once.
    """
    vault, given = _vault_of(parts), None if body is None else body.secret
    async with (
        parts.pool.connection() as connection,
        transaction_of(connection, caller.identity.organisation_id),
    ):
        listed = await _find(connection, inbound_webhook_id)
        secret, key = _take_secret(listed.verification, given)
        sealed = credentials.seal_verifying_key(vault, inbound_webhook_id, key)
        former_for = timedelta(hours=parts.inbound.former_secret_hours)
        await endpoints.replace_secret(connection, inbound_webhook_id, sealed, former_for)
    response.headers["Cache-Control"] = "no-store"
    return NewInboundSecret(secret=None if given else secret)


def _vault_of(parts: Parts) -> Vault:
    """What encrypts credentials; UnavailableError when its secret is not set."""
    secret = parts.settings.inbound_secret
    if secret is None:
        raise UnavailableError("inbound_off")
    return Vault(secret.get_secret_value())


def _take_secret(verification: Verification, given: str | None) -> tuple[str, bytes]:
    """The secret that was given, or a new one, and what verifies requests with it. InvalidError when the
    given one has not the form that the verification needs.
    """
    secret = given or credentials.make_secret(verification)
    try:
        return secret, credentials.derive_key(verification, secret)
    except RefusedSecretError as error:
        raise InvalidError({"secret": error.reasons[0]}) from error


async def _find(connection: AsyncConnection, inbound_webhook_id: uuid.UUID) -> InboundWebhook:
    rows = await endpoints.list_some(connection, endpoint_id=inbound_webhook_id)
    if not rows:
        raise NotFoundError("unknown_inbound_webhook")
    return rows[0]
