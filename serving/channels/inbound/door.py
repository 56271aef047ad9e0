"""Takes the requests of other tools: verified over the raw body, stored as a job, and then acknowledged.

An id that nobody has and a signature that is not valid get the same answer, after the same work.
"""

import json
import logging
import uuid
from typing import Any

import psycopg
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from data.database import transaction_of
from data.inbound import endpoints, messages, pointer
from data.inbound.config import InboundConfig
from data.inbound.endpoints import NOBODY, Endpoint, ReplyForm, Verification
from data.jobs import queue
from data.jobs.config import JobsConfig
from data.jobs.queue import Kind
from data.reasons import ReasonedError, reason
from data.records import TransformType
from data.tables import new_id
from serving.channels import bodies
from serving.channels.inbound import credentials, verification
from serving.channels.inbound.verification import Headers
from serving.channels.vault import UnreadableError, Vault
from serving.gateway import problems
from serving.gateway.online.bodies import Text
from serving.gateway.problems import InvalidError, SignatureError, TooLargeError, TooManyRequestsError
from serving.observability import job_spans
from serving.validation import reason_of

log = logging.getLogger(__name__)

PATH = "/inbound/{webhook_id}"
_RETRY_AFTER_S = 60
_TEXT: TypeAdapter[str] = TypeAdapter(Text)


class Door:
    """Verifies and stores the requests of all inbound webhooks."""

    def __init__(
        self, pool: AsyncConnectionPool, vault: Vault, config: InboundConfig, jobs: JobsConfig
    ) -> None:
        self._pool, self._vault, self._config = pool, vault, config
        self._open_jobs = {name: plan.open for name, plan in jobs.plans}
        self._nobody = _make_nobody(vault)

    def make_router(self) -> APIRouter:
        """The route."""
        router = APIRouter()

        @router.post(PATH)
        async def take(webhook_id: str, request: Request) -> Response:
            """Answer a request."""
            try:
                return await self._take(webhook_id, request)
            except TooLargeError as error:
                response = problems.answer(error)
                response.headers["Connection"] = "close"  # the rest of the body is not read
                return response
            except (ReasonedError, InvalidError, psycopg.OperationalError, PoolTimeout) as error:
                return problems.answer(error)

        return router

    async def _take(self, webhook_id: str, request: Request) -> Response:
        body = await self._read(request)
        headers: Headers = dict(request.headers)
        document = _parse(body)
        endpoint = await self._find(webhook_id)
        if not self._is_genuine(endpoint or self._nobody, headers, body, document) or endpoint is None:
            log.warning("a request to an inbound webhook is not genuine")
            raise SignatureError("inbound_not_genuine")
        text = _read_text(endpoint, document)
        event = messages.event_of(verification.find_event(endpoint.verification, headers), body)
        job_id = await self._store(endpoint, event, text)
        job_spans.record_request(Kind.INBOUND, [job_id])
        return JSONResponse({"job": str(job_id)}, 202)

    async def _read(self, request: Request) -> bytes:
        most = self._config.most_bytes
        body = await bodies.read(request, most)
        if body is None:
            raise TooLargeError("body_too_long", limit=most)
        return body

    async def _find(self, webhook_id: str) -> Endpoint | None:
        try:
            id = uuid.UUID(webhook_id)
        except ValueError:
            id = NOBODY
        async with self._pool.connection() as connection:
            return await endpoints.find(connection, id)

    def _is_genuine(self, endpoint: Endpoint, headers: Headers, body: bytes, document: Any) -> bool:
        try:
            keys = credentials.open_verifying_keys(self._vault, endpoint)
        except UnreadableError as error:
            log.error("%s", error)
            keys = []
        return verification.is_genuine(endpoint.verification, keys, headers, body, document)

    async def _store(self, endpoint: Endpoint, event: messages.Event, text: str) -> uuid.UUID:
        """The id of the new job, or of the one that the same event has. SignatureError when the inbound
        webhook was deleted meanwhile; TooManyRequestsError when too many messages wait.
        """
        once_s = 60 * self._config.once_minutes
        tenant = endpoint.organisation_id
        async with self._pool.connection() as connection, transaction_of(connection, tenant):
            if not await messages.lock(connection, endpoint):
                raise SignatureError("inbound_not_genuine")
            known = await messages.find(connection, endpoint, event, once_s)
            if known is not None:
                return known
            most_of_all = self._open_jobs[endpoint.plan]
            most = max(1, int(self._config.share_of_queue * most_of_all))
            waiting = await messages.count_open(connection, endpoint, most)
            if waiting >= most:
                raise TooManyRequestsError("inbound_wait", most=most).until(_RETRY_AFTER_S)
            open_jobs = await queue.count_open(connection, tenant)
            if open_jobs >= most_of_all:
                raise TooManyRequestsError(
                    "plan_jobs", plan=endpoint.plan, most=most_of_all, open=open_jobs
                ).until(_RETRY_AFTER_S)
            return await messages.enqueue(connection, endpoint, event, once_s, text)


def _make_nobody(vault: Vault) -> Endpoint:
    """An inbound webhook that no request can be genuine for, to do the same work for an unknown id."""
    id = new_id()
    key = credentials.derive_key(Verification.HUB, credentials.make_secret(Verification.HUB))
    sealed = credentials.seal_verifying_key(vault, id, key)
    return Endpoint(
        id, NOBODY, "", b"", Verification.HUB, sealed, None, "", TransformType.SOFTEN, 0, "", ReplyForm.TEXT,
        False, 0, 0.0, "",
    )  # fmt: skip


def _parse(body: bytes) -> Any:
    """The JSON of a body; None when it has none."""
    try:
        return json.loads(body.decode())
    except (ValueError, RecursionError):
        return None


def _read_text(endpoint: Endpoint, document: Any) -> str:
    """The message in a tool's JSON; InvalidError when there is none, or it cannot be rewritten."""
    if document is None:
        raise InvalidError({"body": reason("inbound_not_json")})
    try:
        value = pointer.resolve(document, endpoint.text_pointer)
    except LookupError:
        value = None
    if not isinstance(value, str):
        raise InvalidError({"body": reason("inbound_without_text", pointer=endpoint.text_pointer)})
    try:
        return _TEXT.validate_python(value)
    except ValidationError as error:
        raise InvalidError({"text": reason_of(error.errors(include_url=False)[0])}) from error
