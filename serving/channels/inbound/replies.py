"""Rewrites the messages of other tools through the gateway's API, and delivers the rewrites.

A message is rewritten once: the job's id is the `Idempotency-Key`, and what the gateway answered is kept
until it is delivered. It is delivered at least once, under the same `webhook-id`: a process that is killed
between the receiver's answer and the commit leaves the job to another.
"""

import asyncio
import json
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from data.database import transaction_of
from data.inbound import endpoints, messages
from data.inbound.config import InboundConfig
from data.inbound.endpoints import Endpoint, Health, ReplyForm
from data.inbound.messages import Message
from data.jobs import queue
from data.jobs.config import JobsConfig
from data.jobs.queue import ClaimedJob, Failure, Kind
from data.reasons import reason
from data.webhooks.config import WebhooksConfig
from serving.channels.gateway import Gateway
from serving.channels.inbound import credentials
from serving.channels.vault import UnreadableError, Vault
from serving.observability import job_spans
from serving.sites.api import GatewayError
from serving.worker import retries
from serving.worker.loop import Work
from serving.worker.receivers import Arrived, Network, Receiver, Refused

log = logging.getLogger(__name__)

_CHANNEL = "inbound"
_AGENT = "ToneBridge-Inbound-Webhooks"
# Statuses of a gateway that may answer later. 409: the first request with this Idempotency-Key still runs.
_PASSING = frozenset({409, 429, 500, 502, 503, 504})


class _Outcome(NamedTuple):
    """What became of a message: its result, or the failed attempt; what the gateway answered; and what the
    delivery showed of the receiver.
    """

    ended: dict[str, Any] | Failure
    answer: Mapping[str, Any] | None = None
    health: Health | None = None


class InboundReplies:
    """The handler of jobs of kind `inbound`. Belongs to one event loop."""

    is_ready = True

    def __init__(
        self,
        pool: AsyncConnectionPool,
        vault: Vault,
        gateway: Gateway,
        config: InboundConfig,
        jobs: JobsConfig,
        webhooks: WebhooksConfig,
        networks: Sequence[Network],
    ) -> None:
        """`networks` may be reached although they are not public, and without TLS."""
        self._pool, self._vault, self._gateway = pool, vault, gateway
        self._jobs, self._webhooks, self._networks = jobs, webhooks, networks
        self.most, self.lists_at_once = config.list_messages, config.lists_at_once
        self.most_attempts = webhooks.most_attempts

    async def __call__(self, claimed: Sequence[ClaimedJob]) -> Work:
        """Do each job for itself, all at the same time."""
        outcomes = await asyncio.gather(*map(self._reply, claimed))
        results, failures, answers = [], [], {}
        for job, outcome in zip(claimed, outcomes, strict=True):
            if isinstance(outcome.ended, Failure):
                failures.append(outcome.ended)
                if outcome.answer is not None:
                    answers[job.id] = outcome.answer
            else:
                results.append((job, outcome.ended))
        healths = [outcome.health for outcome in outcomes if outcome.health is not None]

        async def store(connection: AsyncConnection, held: Collection[UUID]) -> None:
            await messages.keep_answers(connection, answers)
            await endpoints.record(connection, healths)

        return Work(results, failures, store, lambda _: None)

    async def _reply(self, job: ClaimedJob) -> _Outcome:
        with job_spans.attempt(Kind.INBOUND, [job]) as span:
            outcome = await self._try(job)
            job_spans.conclude(span, [outcome.ended])
        return outcome

    async def _try(self, job: ClaimedJob) -> _Outcome:
        try:
            return await self._do(job, Message.model_validate(job.payload))
        except GatewayError as error:
            is_last = error.status not in _PASSING or job.attempts >= self.most_attempts
            return _Outcome(Failure(job, error.reasons, None if is_last else self._delay_s(job)))
        except UnreadableError as error:
            log.error("%s", error)
            return _Outcome(Failure(job, [reason("inbound_unreadable")], None))
        except (psycopg.OperationalError, PoolTimeout):
            return _Outcome(Failure(job, [], self._jobs.poll_s, is_counted=False))

    def _delay_s(self, job: ClaimedJob) -> float:
        return queue.compute_delay_s(job.failures, self._jobs.first_retry_s, self._webhooks.longest_retry_s)

    async def _do(self, job: ClaimedJob, message: Message) -> _Outcome:
        async with self._pool.connection() as connection, transaction_of(connection, job.organisation_id):
            endpoint = await endpoints.find_own(connection, message.endpoint_id)
        if endpoint is None:
            return _Outcome(Failure(job, [reason("inbound_deleted")], None))
        if endpoint.pause_s:
            return _Outcome(retries.postpone(job, endpoint.pause_s))
        answer = message.answer or await self._rewrite(job, message, endpoint)
        is_unchanged = answer["unchanged"] is not None or answer["transformed_text"] == message.text
        if is_unchanged and not endpoint.delivers_unchanged:
            return _Outcome({"status": None})
        outcome = await self._deliver(job, endpoint, answer)
        if isinstance(outcome, Arrived):
            health = Health(endpoint.id, True, 0.0) if endpoint.failures else None
            return _Outcome({"status": outcome.status, "duration_ms": outcome.duration_ms}, health=health)
        pause_s = retries.compute_pause_s(self._webhooks, endpoint.failures, outcome)
        failure = retries.explain(self._webhooks, job, outcome)
        return _Outcome(failure, answer, Health(endpoint.id, False, pause_s))

    async def _rewrite(self, job: ClaimedJob, message: Message, endpoint: Endpoint) -> dict[str, Any]:
        """What the gateway answers, without the receipt: whoever has it can vote for the person."""
        request = {
            "text": message.text,
            "transform_type": message.transform_type,
            "intensity": message.intensity,
            "user_id": endpoint.user_name,
            "channel": _CHANNEL,
        }
        api_key = credentials.open_api_key(self._vault, endpoint)
        answer: dict[str, Any] = await self._gateway.ask(api_key, "POST", "/transform", request, str(job.id))
        del answer["receipt"]
        return answer

    async def _deliver(
        self, job: ClaimedJob, endpoint: Endpoint, answer: Mapping[str, Any]
    ) -> Arrived | Refused:
        document = answer
        if endpoint.reply_form is ReplyForm.TEXT:
            document = {"text": answer["transformed_text"]}
        headers = {"Content-Type": "application/json", "User-Agent": _AGENT, "webhook-id": str(job.id)}
        async with Receiver(endpoint.reply_url, self._webhooks.timeout_s, self._networks) as receiver:
            return await receiver.post(headers, json.dumps(document, ensure_ascii=False).encode())
