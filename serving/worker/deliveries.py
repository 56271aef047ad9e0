"""Delivers events to webhooks, signed as Standard Webhooks says (https://www.standardwebhooks.com).

A delivery arrives at least once: a worker that is killed between the receiver's answer and the commit leaves
it to another. All attempts have the same `webhook-id`, by which the receiver knows a repetition.

A receiver that does not answer gets nothing for a while, so that it holds up neither others nor itself; its
deliveries wait, and that is no attempt. One that fails for days is disabled.
"""

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from standardwebhooks.webhooks import Webhook as Signer

from data.database import transaction_of
from data.jobs.queue import ClaimedJob, Failure, Kind
from data.reasons import reason
from data.webhooks import events, subscriptions
from data.webhooks.config import WebhooksConfig
from data.webhooks.events import Event
from data.webhooks.subscriptions import Health, Target
from serving.observability import job_spans
from serving.worker import events as bodies
from serving.worker import retries
from serving.worker.events import Body
from serving.worker.loop import Work
from serving.worker.receivers import Arrived, Network, Receiver

log = logging.getLogger(__name__)

_JSON = "application/json"
_AGENT = "ToneBridge-Webhooks"


class _Group:
    """Deliveries of a list to one webhook, and what came of them."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.waiting: deque[tuple[ClaimedJob, Event, Body]] = deque()
        self.arrived: list[tuple[ClaimedJob, Arrived]] = []
        self.failures: list[Failure] = []
        self.pause_s = target.pause_s
        self.is_gone = False  # the receiver said that it does not exist any more


class Deliveries:
    """The handler of jobs of kind `webhook`. Belongs to one event loop."""

    is_ready = True  # also before the first release

    def __init__(
        self, pool: AsyncConnectionPool, config: WebhooksConfig, networks: Sequence[Network]
    ) -> None:
        """`networks` may be reached although they are not public, and without TLS."""
        self._pool, self._config, self._networks = pool, config, networks
        self.most, self.lists_at_once = config.list_deliveries, config.lists_at_once
        self.most_attempts = config.most_attempts

    async def __call__(self, claimed: Sequence[ClaimedJob]) -> Work:
        """Send the deliveries, some at a time to each webhook."""
        groups, failures, empty = await self._prepare(claimed)
        await asyncio.gather(*(self._send_all(group) for group in groups if not group.pause_s))
        results: list[tuple[ClaimedJob, dict[str, Any]]] = [(job, {"status": None}) for job in empty]
        for group in groups:
            results += [
                (job, {"status": arrived.status, "duration_ms": arrived.duration_ms})
                for job, arrived in group.arrived
            ]
            failures += group.failures
            failures += [retries.postpone(job, group.pause_s) for job, _, _ in group.waiting]
        healths = [health for group in groups if (health := self._assess(group)) is not None]

        async def store(connection: AsyncConnection, held: Collection[uuid.UUID]) -> None:
            days = self._config.disabled_after_days
            why = reason("webhook_failed_for_days", days=days)
            for id in await subscriptions.record(connection, healths, timedelta(days=days), why):
                log.warning("a webhook is disabled: %s", id)

        return Work(results, failures, store, lambda _: None)

    async def _prepare(
        self, claimed: Sequence[ClaimedJob]
    ) -> tuple[list[_Group], list[Failure], list[ClaimedJob]]:
        """The deliveries by webhook; the failures of those to disabled webhooks; and those about nothing that
        still exists.
        """
        groups: dict[uuid.UUID, _Group] = {}
        failures, empty = [], []
        async with (
            self._pool.connection() as connection,
            transaction_of(connection, claimed[0].organisation_id),
        ):
            ids = {job.webhook_id for job in claimed if job.webhook_id is not None}
            targets = await subscriptions.find_targets(connection, ids)
            for job in claimed:
                assert job.webhook_id is not None, "a delivery names a webhook"
                target = targets.get(job.webhook_id)
                if target is None or target.is_disabled:  # deleting a webhook deletes its deliveries
                    failures.append(Failure(job, [reason("webhook_disabled")], None))
                    continue
                event = events.parse(job.payload)
                body = await bodies.read(connection, event)
                if body is None:
                    empty.append(job)
                    continue
                group = groups.setdefault(target.id, _Group(target))
                group.waiting.append((job, event, body))
        return list(groups.values()), failures, empty

    async def _send_all(self, group: _Group) -> None:
        """Send a group's deliveries until all are sent, or the receiver is to get nothing for a while."""
        async with Receiver(group.target.url, self._config.timeout_s, self._networks) as receiver:

            async def send_next() -> None:
                while group.waiting and not group.pause_s and not group.is_gone:
                    job, event, body = group.waiting.popleft()
                    with job_spans.attempt(Kind.WEBHOOK, [job], body.about, event=event.type) as span:
                        job_spans.conclude(span, [await self._send(receiver, group, job, event, body)])

            await asyncio.gather(*(send_next() for _ in range(self._config.at_once)))

    async def _send(
        self, receiver: Receiver, group: _Group, job: ClaimedJob, event: Event, body: Body
    ) -> Arrived | Failure:
        """Send a delivery, and note in its group what came of it."""
        headers = make_headers(group.target, event, body.content)
        outcome = await receiver.post(headers, body.content)
        if isinstance(outcome, Arrived):
            group.arrived.append((job, outcome))
            return outcome
        failure = retries.explain(self._config, job, outcome)
        group.failures.append(failure)
        group.is_gone = group.is_gone or outcome.is_gone
        pause_s = retries.compute_pause_s(self._config, group.target.failures, outcome)
        group.pause_s = max(group.pause_s, pause_s)
        return failure

    def _assess(self, group: _Group) -> Health | None:
        """What the deliveries showed; None when that is known already."""
        has_delivered = bool(group.arrived)
        if not has_delivered and not group.failures:
            return None
        paused_s = group.pause_s if group.failures else 0.0
        if has_delivered and not paused_s and not group.target.failures and not group.is_gone:
            return None
        why = reason("receiver_gone") if group.is_gone else None
        return Health(group.target.id, has_delivered, paused_s, why)


def make_headers(target: Target, event: Event, body: bytes) -> dict[str, str]:
    """The headers of a delivery, signed now by each secret of the webhook."""
    now = datetime.now(UTC)
    signatures = [Signer(secret).sign(event.id, now, body.decode()) for secret in target.secrets]
    return {
        "Content-Type": _JSON,
        "User-Agent": _AGENT,
        "webhook-id": event.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
