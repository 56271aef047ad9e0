"""The client: a method for each operation of the gateway, named as in its description (`/docs`)."""

import json
import os
import time
from asyncio import sleep
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import date, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import quote

import httpx

from tonebridge import batches, exchange
from tonebridge._async.streams import AsyncStream
from tonebridge._async.transport import AsyncTransport
from tonebridge.batches import BatchResult, Messages
from tonebridge.errors import ToneBridgeError, UnavailableError, UnreachableError
from tonebridge.events import Draft, EventReader, LineSplitter, StreamEvent
from tonebridge.exchange import (
    EVENTS,
    JSON,
    Credentials,
    Request,
    address,
    expecting,
    get,
    post,
    post_once,
    put,
)
from tonebridge.retries import Retries
from tonebridge.types import (
    About,
    AddedSigningKey,
    Answer,
    AppFeedback,
    Batch,
    BatchAnswer,
    Cancelled,
    ChatMessage,
    Choice,
    Comment,
    Compared,
    Completion,
    Consent,
    Delivery,
    DictionaryTerm,
    DryRun,
    DryRunResult,
    Edit,
    EndedSessions,
    EnqueuedDeliveries,
    Erasure,
    EventType,
    FeedbackStored,
    InboundWebhook,
    InboundWebhookChanges,
    KeyAction,
    KeyChange,
    KeyOrigins,
    Kind,
    ListedAccount,
    ListedExperiment,
    ListedJob,
    ListedKey,
    ListedMetrics,
    ListedRequestSecret,
    ListedRule,
    ListedSession,
    ListedSigningKey,
    MadeAccount,
    MadeInboundWebhook,
    MadeKey,
    MadeRequestSecret,
    MadeWebhook,
    Me,
    MessageAnalysis,
    MessageToMatch,
    Model,
    Models,
    NewInboundSecret,
    NewInboundWebhook,
    NewRule,
    NewTarget,
    NewWebhookSecret,
    NextComparison,
    Origins,
    Outlook,
    Preferences,
    Progress,
    Rating,
    Ready,
    RecordedRuleChange,
    Replayed,
    Role,
    RuleChanges,
    RuleMatch,
    Scope,
    ShownAnswer,
    State,
    Status,
    StoredDecision,
    TermRule,
    Terms,
    Thumb,
    Tokens,
    TransformRequest,
    TransformType,
    Webhook,
    WholeExperiment,
)

if TYPE_CHECKING:
    from tonebridge._async.socket import AsyncSocket

T = TypeVar("T")
_PAGE = 200  # rows, the most of one request
_NO_FILTER: Mapping[str, Any] = {}
_RETRIES = Retries()
_RECONNECTS = Retries(attempts=200, total_s=900.0, cap_s=15.0)


class AsyncToneBridge:
    """A client of one gateway, for one caller. Close it, or use it by `async with`.

    Calls raise ToneBridgeError. What can be tried again safely is tried again (`Retries`): reads, and writes
    that have an Idempotency-Key, which is made for each call and kept while it is repeated. Give a key of
    your own where the call itself may be repeated, as by a job of yours.

    With `if_match=tag_of(document)` a change is made only while the document is as it was read, and raises
    ChangedError otherwise.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        token: str | None = None,
        signing: tuple[str, str | bytes] | None = None,
        retries: Retries = _RETRIES,
        timeout_s: float = 60.0,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        """`url` is the gateway's address, by default TONEBRIDGE_URL; without a key or token of a person it
        takes TONEBRIDGE_API_KEY. `signing` is the keyid and the secret that sign each request. `timeout_s` is
        how long a connection may say nothing. `http` is a client of your own, for proxies or certificates.
        """
        url = url or os.environ.get("TONEBRIDGE_URL")
        if not url or not url.startswith(("http://", "https://")):
            raise ValueError(f"give the gateway's address, such as https://tone.example.com, not {url!r}")
        if api_key is not None and token is not None:
            raise ValueError("give an API key or a token, not both")
        if token is not None and signing is not None:
            raise ValueError("a token has no secret to sign with: give the API key of the secret")
        if api_key is None and token is None:
            api_key = os.environ.get("TONEBRIDGE_API_KEY")
        self._timeout_s, self._is_own = timeout_s, http is None
        self._http = http or httpx.AsyncClient(timeout=httpx.Timeout(timeout_s, connect=10.0))
        self._transport = AsyncTransport(url, Credentials(api_key, token, signing), retries, self._http)

    async def __aenter__(self) -> "AsyncToneBridge":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close its connections."""
        if self._is_own:
            await self._http.aclose()

    # Rewrites

    async def transform(
        self,
        text: str,
        transform_type: TransformType,
        intensity: int,
        *,
        user_id: str | None = None,
        locale: str | None = None,
        channel: str | None = None,
        idempotency_key: str | None = None,
    ) -> Answer:
        """Rewrite a message. `intensity` is 0 to 3; `user_id` is your name for the person."""
        body = exchange.rewrite(text, transform_type, intensity, user_id, locale, channel)
        return await self._json(Answer, post_once("/api/v1/transform", body, idempotency_key, accept=JSON))

    def stream(
        self,
        text: str,
        transform_type: TransformType,
        intensity: int,
        *,
        user_id: str | None = None,
        locale: str | None = None,
        channel: str | None = None,
        idempotency_key: str | None = None,
    ) -> AsyncStream[StreamEvent]:
        """Rewrite a message, and show it as it is written. It is tried again only before its first event."""
        body = exchange.rewrite(text, transform_type, intensity, user_id, locale, channel)
        request = post_once("/api/v1/transform", body, idempotency_key, accept=EVENTS)
        return AsyncStream(self._read_events(request))

    async def transform_many(
        self, items: Iterable[TransformRequest], *, idempotency_key: str | None = None
    ) -> BatchAnswer:
        """Rewrite up to a hundred messages at once, each for itself: one may fail, another succeed."""
        return await self._json(
            BatchAnswer, post_once("/api/v1/batch", {"items": list(items)}, idempotency_key)
        )

    async def compare(
        self,
        text: str,
        transform_type: TransformType,
        intensity: int,
        *,
        policy: Literal["two_samples", "champion_against_challenger", "between_challengers"] | None = None,
        user_id: str | None = None,
        locale: str | None = None,
        channel: str | None = None,
    ) -> Compared:
        """Rewrite a message twice, for a person to choose."""
        body = exchange.rewrite(text, transform_type, intensity, user_id, locale, channel)
        return await self._json(Compared, post("/api/v1/compare", {**body, "policy": policy}))

    async def analyze(
        self, text: str, *, locale: str | None = None, sent_on: date | None = None
    ) -> MessageAnalysis:
        """Say how a message will be read, by which of its words, and which rewrites would help. Explanations
        are Japanese for a Japanese `locale`; deadlines get their dates from `sent_on` on. Nothing is stored.
        """
        body = {"text": text, "locale": locale, "sent_on": sent_on and sent_on.isoformat()}
        return await self._json(MessageAnalysis, post("/api/v1/analyze", body, is_repeatable=True))

    async def give_feedback(
        self, vote: Thumb | Rating | Edit | Choice | Comment, *, idempotency_key: str | None = None
    ) -> FeedbackStored:
        """Say what a rewrite is worth, by the receipt of its answer: `{"receipt": ..., "kind": "thumb", "up":
        True}`. A second vote of a kind replaces the first.
        """
        return await self._json(FeedbackStored, post_once("/api/v1/feedback", vote, idempotency_key))

    async def list_answers(
        self,
        *,
        transform_type: Sequence[TransformType] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        q: str | None = None,
        user_id: str | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> list[ShownAnswer]:
        """A person's own answers with their messages, the newest first: of these types, from `since` on and
        before `until`, with `q` in their message or rewrite, before the one with the id `before`.
        """
        query = _select_answers(transform_type, since, until, q, user_id)
        return await self._list(ShownAnswer, "/api/v1/answers", before, limit, query)

    def iterate_answers(
        self,
        *,
        transform_type: Sequence[TransformType] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        q: str | None = None,
        user_id: str | None = None,
    ) -> AsyncStream[ShownAnswer]:
        """All of a person's own answers, or those of these types and times, page by page. With `q` it ends
        where 10,000 answers in a row do not have it; `until` goes on from there.
        """
        query = _select_answers(transform_type, since, until, q, user_id)
        return self._iterate(ShownAnswer, "/api/v1/answers", query, "answer_id")

    async def get_answer(self, answer_id: str, *, user_id: str | None = None) -> ShownAnswer:
        """One of a person's own answers, with its message; it is there within a second."""
        path = address("/api/v1/answers/{id}", id=answer_id)
        return await self._json(ShownAnswer, get(path, user_id=user_id))

    # Comparisons

    async def delete_answer(self, answer_id: str, *, user_id: str | None = None) -> None:
        """Delete one of a person's own rewrites: its message, its text, and what the person said about it. It
        cannot be undone. It is not listed from then on, and gone from all stores within seconds.
        """
        path = address("/api/v1/answers/{id}", id=answer_id)
        await self._transport.send(exchange.delete(path, user_id=user_id))

    async def get_next_comparison(
        self,
        *,
        text: str | None = None,
        transform_type: TransformType | None = None,
        intensity: int | None = None,
        user_id: str | None = None,
    ) -> NextComparison:
        """Two rewrites that a person has not judged yet: of a shipped message, or of one of their own."""
        body = {"text": text, "transform_type": transform_type, "intensity": intensity, "user_id": user_id}
        return await self._json(
            NextComparison, post("/api/v1/comparisons/next", body, is_repeatable=text is None)
        )

    async def skip_comparison(self, comparison_id: str, *, user_id: str | None = None) -> None:
        """Choose nothing: the person is not offered this comparison again."""
        path = address("/api/v1/comparisons/{id}/skip", id=comparison_id)
        await self._transport.send(post(path, {"user_id": user_id}, is_repeatable=True))

    async def get_comparison_progress(self, *, user_id: str | None = None) -> Progress:
        """The number of comparisons that a person has judged."""
        return await self._json(Progress, get("/api/v1/comparisons/progress", user_id=user_id))

    # Batches, jobs and exports

    async def create_batch(
        self,
        messages: Messages,
        *,
        content_type: str | None = None,
        run_at: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> Batch:
        """Have up to 10,000 messages rewritten later: those of a file (.csv, .jsonl, .json), or of a list.
        Bytes need their `content_type`. `run_at`, with a time zone, is when to begin.
        """
        content, kind = batches.encode(messages, content_type)
        query = get("/api/v1/jobs/batches", run_at=run_at and run_at.isoformat())
        request = Request(
            "POST", query.path, content, kind, idempotency_key=idempotency_key or exchange.make_key()
        )
        return await self._json(Batch, request)

    async def list_batches(
        self,
        *,
        state: Sequence[State] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> list[Batch]:
        """Batches, the newest first: with a message in one of these states, accepted from `since` on and
        before `until`, before the one with the id `before`.
        """
        query = _select_batches(state, since, until)
        return await self._list(Batch, "/api/v1/jobs/batches", before, limit, query)

    def iterate_batches(
        self,
        *,
        state: Sequence[State] = (),
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> AsyncStream[Batch]:
        """All batches, or those in these states and times, the newest first, page by page."""
        return self._iterate(Batch, "/api/v1/jobs/batches", _select_batches(state, since, until))

    async def get_batch(self, batch_id: str) -> Batch:
        """The progress of a batch."""
        return await self._json(Batch, get(address("/api/v1/jobs/batches/{id}", id=batch_id)))

    async def wait_for_batch(
        self,
        batch_id: str,
        *,
        on_progress: Callable[[Batch], object] | None = None,
        timeout_s: float | None = None,
        poll_s: float = 1.0,
    ) -> Batch:
        """Wait until no message of a batch waits or runs; TimeoutError. `on_progress` gets each state."""

        def is_ended(batch: Batch) -> bool:
            if on_progress is not None:
                on_progress(batch)
            return not batch["waiting"] and not batch["running"]

        return await _poll(lambda: self.get_batch(batch_id), is_ended, timeout_s, poll_s)

    async def cancel_batch(self, batch_id: str) -> Cancelled:
        """Cancel the messages of a batch that are not rewritten yet."""
        path = address("/api/v1/jobs/batches/{id}/cancel", id=batch_id)
        return await self._json(Cancelled, post(path, is_repeatable=True))

    def get_batch_results(self, batch_id: str) -> AsyncStream[BatchResult]:
        """The results of a batch so far, in the order of its messages."""
        return AsyncStream(self._read_lines(get(address("/api/v1/jobs/batches/{id}/results", id=batch_id))))

    def download_batch_results(
        self, batch_id: str, *, format: Literal["jsonl", "csv"] = "jsonl"
    ) -> AsyncStream[bytes]:
        """The pieces of a file with the results of a batch so far."""
        path = address("/api/v1/jobs/batches/{id}/results", id=batch_id)
        return AsyncStream(self._read_bytes(get(path, format=format)))

    async def list_jobs(
        self,
        *,
        state: Sequence[State] = (),
        kind: Sequence[Kind] = (),
        batch_id: str | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> list[ListedJob]:
        """Jobs in these states and of these kinds, the newest first; those before the one with the id
        `before`.
        """
        query = {"state": list(state), "kind": list(kind), "batch_id": batch_id}
        return await self._list(ListedJob, "/api/v1/jobs", before, limit, query)

    def iterate_jobs(
        self, *, state: Sequence[State] = (), kind: Sequence[Kind] = (), batch_id: str | None = None
    ) -> AsyncStream[ListedJob]:
        """All jobs in these states and of these kinds, the newest first, page by page."""
        query = {"state": list(state), "kind": list(kind), "batch_id": batch_id}
        return self._iterate(ListedJob, "/api/v1/jobs", query)

    async def get_job(self, job_id: str) -> ListedJob:
        """A job, with the reason of every failed attempt."""
        return await self._json(ListedJob, get(address("/api/v1/jobs/{id}", id=job_id)))

    async def wait_for_job(
        self, job_id: str, *, timeout_s: float | None = None, poll_s: float = 1.0
    ) -> ListedJob:
        """Wait until a job, such as an export, has ended; TimeoutError."""
        return await _poll(
            lambda: self.get_job(job_id), lambda job: job["state"] in batches.ENDED, timeout_s, poll_s
        )

    async def replay_job(self, job_id: str) -> Replayed:
        """Try a dead job again."""
        return await self._json(Replayed, post(address("/api/v1/jobs/{id}/replay", id=job_id)))

    async def replay_jobs(self, kind: Kind) -> Replayed:
        """Try all dead jobs of a kind again; for admins."""
        return await self._json(Replayed, post("/api/v1/jobs/replay", {"kind": kind}))

    async def create_export(
        self, *, since: datetime | None = None, until: datetime | None = None
    ) -> ListedJob:
        """Have the votes of the organisation written into a file; for admins."""
        times = {"since": since and since.isoformat(), "until": until and until.isoformat()}
        return await self._json(ListedJob, post("/api/v1/jobs/exports", times))

    def get_export_file(self, job_id: str) -> AsyncStream[bytes]:
        """The pieces of the file of an export: JSON Lines, compressed by gzip."""
        return AsyncStream(self._read_bytes(get(address("/api/v1/jobs/{id}/file", id=job_id))))

    # Webhooks, for admins; `tonebridge.webhooks` verifies what a receiver gets

    async def create_webhook(
        self, url: str, events: Sequence[EventType], *, description: str | None = None
    ) -> MadeWebhook:
        """Send events to an address from now on. The secret is shown only once."""
        body = {"url": url, "events": list(events), "description": description}
        return await self._json(MadeWebhook, post("/api/v1/webhooks", body))

    async def list_webhooks(self, *, before: str | None = None, limit: int | None = None) -> list[Webhook]:
        """Webhooks, the newest first, without their secrets; those before the one with the id `before`."""
        return await self._list(Webhook, "/api/v1/webhooks", before, limit)

    def iterate_webhooks(self) -> AsyncStream[Webhook]:
        """All webhooks, the newest first, page by page."""
        return self._iterate(Webhook, "/api/v1/webhooks")

    async def get_webhook(self, webhook_id: str) -> Webhook:
        """A webhook, without its secret."""
        return await self._json(Webhook, get(address("/api/v1/webhooks/{id}", id=webhook_id)))

    async def change_webhook(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        events: Sequence[EventType] | None = None,
        description: str | None = None,
        enabled: bool | None = None,
        if_match: str | None = None,
    ) -> Webhook:
        """Change a webhook. `enabled` stops its deliveries, or starts them again."""
        changes = exchange.without_none(
            {
                "url": url,
                "events": None if events is None else list(events),
                "description": description,
                "enabled": enabled,
            }
        )
        path = address("/api/v1/webhooks/{id}", id=webhook_id)
        return await self._json(Webhook, expecting(exchange.patch(path, changes), if_match))

    async def delete_webhook(self, webhook_id: str, *, if_match: str | None = None) -> None:
        """Delete a webhook and the log of its deliveries."""
        path = address("/api/v1/webhooks/{id}", id=webhook_id)
        await self._transport.send(expecting(exchange.delete(path), if_match))

    async def rotate_webhook_secret(self, webhook_id: str) -> NewWebhookSecret:
        """Make a new secret. For a day deliveries are signed by both. It is not tried again: a third secret
        would end the first at once.
        """
        return await self._json(
            NewWebhookSecret, post(address("/api/v1/webhooks/{id}/secret", id=webhook_id))
        )

    async def send_test_event(self, webhook_id: str) -> EnqueuedDeliveries:
        """Send an event of type `webhook.test`."""
        return await self._json(
            EnqueuedDeliveries, post(address("/api/v1/webhooks/{id}/test", id=webhook_id))
        )

    async def list_deliveries(
        self,
        webhook_id: str,
        *,
        state: Sequence[State] = (),
        event: Sequence[EventType] = (),
        before: str | None = None,
        limit: int | None = None,
    ) -> list[Delivery]:
        """The log of a webhook, the newest first: deliveries in these states, of these events, before the one
        with the id `before`.
        """
        path = address("/api/v1/webhooks/{id}/deliveries", id=webhook_id)
        return await self._list(Delivery, path, before, limit, {"state": list(state), "event": list(event)})

    def iterate_deliveries(
        self, webhook_id: str, *, state: Sequence[State] = (), event: Sequence[EventType] = ()
    ) -> AsyncStream[Delivery]:
        """The whole log of a webhook, the newest first, page by page; or what is in these states, of these
        events.
        """
        path = address("/api/v1/webhooks/{id}/deliveries", id=webhook_id)
        return self._iterate(Delivery, path, {"state": list(state), "event": list(event)})

    async def replay_delivery(self, webhook_id: str, delivery_id: str) -> EnqueuedDeliveries:
        """Send a delivery again that arrived or is dead, under the same `webhook-id`."""
        path = address(
            "/api/v1/webhooks/{id}/deliveries/{delivery}/replay", id=webhook_id, delivery=delivery_id
        )
        return await self._json(EnqueuedDeliveries, post(path))

    async def replay_dead_deliveries(self, webhook_id: str) -> EnqueuedDeliveries:
        """Send all dead deliveries of a webhook again, at most 10,000 in one call."""
        path = address("/api/v1/webhooks/{id}/replay", id=webhook_id)
        return await self._json(EnqueuedDeliveries, post(path))

    # Inbound webhooks, for admins: other tools send messages, and the rewrites go to an address of yours

    async def create_inbound_webhook(self, webhook: NewInboundWebhook) -> MadeInboundWebhook:
        """Have another tool's messages rewritten from now on. The secret is shown only once."""
        return await self._json(MadeInboundWebhook, post("/api/v1/inbound-webhooks", webhook))

    async def list_inbound_webhooks(
        self, *, before: str | None = None, limit: int | None = None
    ) -> list[InboundWebhook]:
        """Inbound webhooks, the newest first, without their secrets; those before the one with the id
        `before`.
        """
        return await self._list(InboundWebhook, "/api/v1/inbound-webhooks", before, limit)

    def iterate_inbound_webhooks(self) -> AsyncStream[InboundWebhook]:
        """All inbound webhooks, the newest first, page by page."""
        return self._iterate(InboundWebhook, "/api/v1/inbound-webhooks")

    async def get_inbound_webhook(self, inbound_webhook_id: str) -> InboundWebhook:
        """An inbound webhook, without its secret."""
        path = address("/api/v1/inbound-webhooks/{id}", id=inbound_webhook_id)
        return await self._json(InboundWebhook, get(path))

    async def change_inbound_webhook(
        self, inbound_webhook_id: str, changes: InboundWebhookChanges, *, if_match: str | None = None
    ) -> InboundWebhook:
        """Change an inbound webhook; what is left out stays."""
        path = address("/api/v1/inbound-webhooks/{id}", id=inbound_webhook_id)
        return await self._json(InboundWebhook, expecting(exchange.patch(path, changes), if_match))

    async def delete_inbound_webhook(self, inbound_webhook_id: str, *, if_match: str | None = None) -> None:
        """Delete an inbound webhook and revoke its key; what waits is not delivered."""
        path = address("/api/v1/inbound-webhooks/{id}", id=inbound_webhook_id)
        await self._transport.send(expecting(exchange.delete(path), if_match))

    async def rotate_inbound_webhook_secret(
        self, inbound_webhook_id: str, *, secret: str | None = None
    ) -> NewInboundSecret:
        """Make a new secret, or take the one that the tool has made. For a day both are accepted. It is not
        tried again: a third secret would end the first at once.
        """
        path = address("/api/v1/inbound-webhooks/{id}/secret", id=inbound_webhook_id)
        return await self._json(NewInboundSecret, post(path, {"secret": secret}))

    # Dictionaries

    async def list_dictionary_terms(
        self,
        scope: Scope | None = None,
        *,
        user_id: str | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> list[DictionaryTerm]:
        """The terms of the organisation, or of a person, the newest first; those before the one with the id
        `before`.
        """
        query = {"scope": scope, "user_id": user_id}
        return await self._list(DictionaryTerm, "/api/v1/dictionary", before, limit, query)

    def iterate_dictionary_terms(
        self, scope: Scope | None = None, *, user_id: str | None = None
    ) -> AsyncStream[DictionaryTerm]:
        """All terms of the organisation, or of a person, the newest first, page by page."""
        return self._iterate(DictionaryTerm, "/api/v1/dictionary", {"scope": scope, "user_id": user_id})

    async def add_dictionary_term(
        self, scope: Scope, term: str, rule: TermRule, wording: str = "", *, user_id: str | None = None
    ) -> DictionaryTerm:
        """Add a term, in effect at once; to the organisation's dictionary for admins."""
        body = {"scope": scope, "term": term, "rule": rule, "wording": wording, "user_id": user_id}
        return await self._json(DictionaryTerm, post("/api/v1/dictionary", body))

    async def get_dictionary_term(self, term_id: str, *, user_id: str | None = None) -> DictionaryTerm:
        """A term of the organisation, or of a person."""
        path = address("/api/v1/dictionary/{id}", id=term_id)
        return await self._json(DictionaryTerm, get(path, user_id=user_id))

    async def change_dictionary_term(
        self,
        term_id: str,
        *,
        term: str | None = None,
        rule: TermRule | None = None,
        wording: str | None = None,
        user_id: str | None = None,
        if_match: str | None = None,
    ) -> DictionaryTerm:
        """Change a term, in effect at once."""
        changes = {"term": term, "rule": rule, "wording": wording, "user_id": user_id}
        path = address("/api/v1/dictionary/{id}", id=term_id)
        request = exchange.patch(path, exchange.without_none(changes))
        return await self._json(DictionaryTerm, expecting(request, if_match))

    async def delete_dictionary_term(
        self, term_id: str, *, user_id: str | None = None, if_match: str | None = None
    ) -> None:
        """Delete a term, in effect at once."""
        path = address("/api/v1/dictionary/{id}", id=term_id)
        await self._transport.send(expecting(exchange.delete(path, user_id=user_id), if_match))

    # Rules

    async def list_rules(
        self,
        scope: Scope | None = None,
        *,
        user_id: str | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> list[ListedRule]:
        """The rules of the organisation, or of a person, the newest first; those before the one with the id
        `before`.
        """
        query = {"scope": scope, "user_id": user_id}
        return await self._list(ListedRule, "/api/v1/rules", before, limit, query)

    def iterate_rules(
        self, scope: Scope | None = None, *, user_id: str | None = None
    ) -> AsyncStream[ListedRule]:
        """All rules of the organisation, or of a person, the newest first, page by page."""
        return self._iterate(ListedRule, "/api/v1/rules", {"scope": scope, "user_id": user_id})

    async def add_rule(self, rule: NewRule) -> ListedRule:
        """Add a rule, in effect at once; to the organisation's rules for admins."""
        return await self._json(ListedRule, post("/api/v1/rules", rule))

    async def get_rule(self, rule_id: str, *, user_id: str | None = None) -> ListedRule:
        """A rule of the organisation, or of a person."""
        path = address("/api/v1/rules/{id}", id=rule_id)
        return await self._json(ListedRule, get(path, user_id=user_id))

    async def change_rule(
        self, rule_id: str, changes: RuleChanges, *, if_match: str | None = None
    ) -> ListedRule:
        """Change a rule, or turn it on or off; what is left out stays."""
        path = address("/api/v1/rules/{id}", id=rule_id)
        return await self._json(ListedRule, expecting(exchange.patch(path, changes), if_match))

    async def delete_rule(
        self, rule_id: str, *, user_id: str | None = None, if_match: str | None = None
    ) -> None:
        """Delete a rule, in effect at once."""
        path = address("/api/v1/rules/{id}", id=rule_id)
        await self._transport.send(expecting(exchange.delete(path, user_id=user_id), if_match))

    async def match_rules(self, message: MessageToMatch) -> RuleMatch:
        """The first rule that fires for a message, what it proposes, and why. Nothing is stored."""
        return await self._json(RuleMatch, post("/api/v1/rules/match", message, is_repeatable=True))

    async def dry_run_rule(self, dry_run: DryRun) -> DryRunResult:
        """Try a rule, stored or a draft, on the messages that a person had rewritten last."""
        return await self._json(DryRunResult, post("/api/v1/rules/dry-run", dry_run))

    async def list_rule_changes(
        self,
        scope: Scope | None = None,
        *,
        user_id: str | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> list[RecordedRuleChange]:
        """Who changed which rule and how, the newest first; those before the one with the id `before`."""
        query = {"scope": scope, "user_id": user_id}
        return await self._list(RecordedRuleChange, "/api/v1/rules/changes", before, limit, query)

    def iterate_rule_changes(
        self, scope: Scope | None = None, *, user_id: str | None = None
    ) -> AsyncStream[RecordedRuleChange]:
        """All changes of rules, the newest first, page by page."""
        query = {"scope": scope, "user_id": user_id}
        return self._iterate(RecordedRuleChange, "/api/v1/rules/changes", query)

    # Experiments

    async def list_experiments(
        self, *, status: Sequence[Status] = (), before: str | None = None, limit: int | None = None
    ) -> list[ListedExperiment]:
        """Experiments with these statuses, the newest first; those before the one with the id `before`."""
        query = {"status": list(status)}
        return await self._list(ListedExperiment, "/api/v1/experiments", before, limit, query)

    def iterate_experiments(self, *, status: Sequence[Status] = ()) -> AsyncStream[ListedExperiment]:
        """All experiments with these statuses, the newest first, page by page."""
        return self._iterate(ListedExperiment, "/api/v1/experiments", {"status": list(status)})

    async def get_experiment(self, experiment_id: str) -> WholeExperiment:
        """An experiment with its plan and its decisions."""
        return await self._json(WholeExperiment, get(address("/api/v1/experiments/{id}", id=experiment_id)))

    async def list_metrics(self) -> ListedMetrics:
        """The metrics that a plan may name."""
        return await self._json(ListedMetrics, get("/api/v1/metrics"))

    async def forecast_experiment(
        self,
        *,
        plan: Mapping[str, Any] | None = None,
        users_a_day: float | None = None,
        challengers: int | None = None,
    ) -> Outlook:
        """What a plan can show, by recent traffic. Nothing is stored."""
        body = {"plan": plan, "users_a_day": users_a_day, "challengers": challengers}
        return await self._json(Outlook, post("/api/v1/experiments/outlook", body, is_repeatable=True))

    async def draft_experiment(
        self,
        name: str,
        hypothesis: str,
        challengers: Sequence[str],
        *,
        plan: Mapping[str, Any] | None = None,
        target: NewTarget | None = None,
        idempotency_key: str | None = None,
    ) -> WholeExperiment:
        """Draft an experiment of these versions against the champion; `plan` has what is not the default."""
        body = {
            "name": name,
            "hypothesis": hypothesis,
            "challengers": list(challengers),
            "plan": plan,
            "target": target,
        }
        return await self._json(WholeExperiment, post_once("/api/v1/experiments", body, idempotency_key))

    async def start_experiment(
        self, experiment_id: str, *, reason: str | None = None, idempotency_key: str | None = None
    ) -> StoredDecision:
        """Start a draft, or continue after a pause."""
        return await self._decide(experiment_id, "start", idempotency_key, reason=reason)

    async def ramp_experiment(
        self,
        experiment_id: str,
        share: float,
        *,
        reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> StoredDecision:
        """Raise the share of users in an experiment, or continue after a pause."""
        return await self._decide(experiment_id, "ramp", idempotency_key, share=share, reason=reason)

    async def pause_experiment(
        self, experiment_id: str, *, reason: str | None = None, idempotency_key: str | None = None
    ) -> StoredDecision:
        """Pause an experiment: the champion answers everybody."""
        return await self._decide(experiment_id, "pause", idempotency_key, reason=reason)

    async def drop_challenger(
        self, experiment_id: str, challenger: str, reason: str, *, idempotency_key: str | None = None
    ) -> StoredDecision:
        """Withdraw one of several challengers; the experiment goes on with the others."""
        return await self._decide(
            experiment_id, "drop", idempotency_key, challenger=challenger, reason=reason
        )

    async def ship_challenger(
        self,
        experiment_id: str,
        reason: str,
        *,
        challenger: str | None = None,
        idempotency_key: str | None = None,
    ) -> StoredDecision:
        """Make a challenger the champion; `challenger` says which, where there are several."""
        return await self._decide(
            experiment_id, "ship", idempotency_key, challenger=challenger, reason=reason
        )

    async def roll_back_experiment(
        self, experiment_id: str, reason: str, *, idempotency_key: str | None = None
    ) -> StoredDecision:
        """Withdraw all challengers; the experiment ends."""
        return await self._decide(experiment_id, "rollback", idempotency_key, reason=reason)

    async def discard_experiment(
        self, experiment_id: str, *, reason: str | None = None, idempotency_key: str | None = None
    ) -> StoredDecision:
        """Discard a draft, which ends without having started."""
        return await self._decide(experiment_id, "discard", idempotency_key, reason=reason)

    # People, keys and consent

    async def login(self, email: str, password: str, *, device: str | None = None) -> Tokens:
        """Sign in: the tokens of a new session. Give the access token to a client of its own (`token`). By
        `device`, such as "Firefox on Linux", the person recognises the session in their list.
        """
        body = {"email": email, "password": password, "device": device}
        return await self._json(Tokens, post("/api/v1/auth/login", body))

    async def refresh_session(self, refresh_token: str) -> Tokens:
        """The next tokens of a session. It is not tried again: a refresh token that is used twice ends it."""
        return await self._json(Tokens, post("/api/v1/auth/refresh", {"refresh_token": refresh_token}))

    async def logout(self, refresh_token: str) -> None:
        """End a session."""
        body = {"refresh_token": refresh_token}
        await self._transport.send(post("/api/v1/auth/logout", body, is_repeatable=True))

    async def list_sessions(
        self, *, before: str | None = None, limit: int | None = None
    ) -> list[ListedSession]:
        """Where you are signed in, the newest first; for people with a session, as all of these three are."""
        return await self._list(ListedSession, "/api/v1/auth/sessions", before, limit)

    def iterate_sessions(self) -> AsyncStream[ListedSession]:
        """All of your sessions, page by page."""
        return self._iterate(ListedSession, "/api/v1/auth/sessions")

    async def end_session(self, session_id: str) -> None:
        """End one of your sessions."""
        await self._transport.send(exchange.delete(address("/api/v1/auth/sessions/{id}", id=session_id)))

    async def end_other_sessions(self) -> EndedSessions:
        """End all of your sessions but the one of this client, and say how many those were."""
        return await self._json(EndedSessions, exchange.delete("/api/v1/auth/sessions"))

    async def get_me(self) -> Me:
        """The caller: name, organisation and role."""
        return await self._json(Me, get("/api/v1/auth/me"))

    async def change_password(self, password: str, new_password: str) -> None:
        """Change your password. All your sessions end. It is not tried again: the old one may not hold."""
        request = put("/api/v1/auth/password", password=password, new_password=new_password)
        await self._transport.send(exchange.unrepeatable(request))

    async def register_account(
        self, email: str, password: str, *, name: str | None = None, role: Role | None = None
    ) -> MadeAccount:
        """Make an account for a person of your organisation; for admins."""
        body = {"email": email, "password": password, "name": name, "role": role}
        return await self._json(MadeAccount, post("/api/v1/auth/register", body))

    async def list_accounts(
        self,
        *,
        role: Sequence[Role] = (),
        q: str | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> list[ListedAccount]:
        """Accounts of your organisation, the newest first: with these roles, with `q` in their address or
        name, before the one with the id `before`; for admins.
        """
        return await self._list(
            ListedAccount, "/api/v1/accounts", before, limit, {"role": list(role), "q": q}
        )

    def iterate_accounts(
        self, *, role: Sequence[Role] = (), q: str | None = None
    ) -> AsyncStream[ListedAccount]:
        """All accounts with these roles, and with `q` in their address or name, page by page; for admins."""
        return self._iterate(ListedAccount, "/api/v1/accounts", {"role": list(role), "q": q})

    async def change_role(self, account_id: str, role: Role) -> None:
        """Give a person another role; for admins."""
        await self._transport.send(
            exchange.patch(address("/api/v1/accounts/{id}", id=account_id), {"role": role})
        )

    async def remove_account(self, account_id: str) -> None:
        """Remove an account; for admins."""
        await self._transport.send(exchange.delete(address("/api/v1/accounts/{id}", id=account_id)))

    async def create_key(
        self,
        name: str,
        *,
        role: Role | None = None,
        browser: bool | None = None,
        origins: list[str] | None = None,
        rewrites_a_day: int | None = None,
    ) -> MadeKey:
        """Make an API key, which is shown only once; for admins. With `browser` it is for web pages, where
        everybody reads it, and `rewrites_a_day` is its quota (1,000 without). Without `origins` it has those
        of the organisation.
        """
        body = {
            "name": name,
            "role": role,
            "browser": browser,
            "origins": origins,
            "rewrites_a_day": rewrites_a_day,
        }
        return await self._json(MadeKey, post("/api/v1/keys", body))

    async def list_keys(
        self,
        *,
        role: Sequence[Role] = (),
        revoked: bool | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> list[ListedKey]:
        """API keys, the newest first, without their secrets: with these roles, revoked or not, before the one
        with the id `before`; for admins.
        """
        query = {"role": list(role), "revoked": revoked}
        return await self._list(ListedKey, "/api/v1/keys", before, limit, query)

    def iterate_keys(
        self, *, role: Sequence[Role] = (), revoked: bool | None = None
    ) -> AsyncStream[ListedKey]:
        """All API keys with these roles, revoked or not, page by page; for admins."""
        return self._iterate(ListedKey, "/api/v1/keys", {"role": list(role), "revoked": revoked})

    async def delete_key(self, key_id: str) -> None:
        """Revoke an API key; for admins."""
        await self._transport.send(exchange.delete(address("/api/v1/keys/{id}", id=key_id)))

    async def list_key_changes(
        self,
        *,
        action: Sequence[KeyAction] = (),
        key_id: str | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> list[KeyChange]:
        """Who made, changed and revoked keys, secrets and tokens, the newest first: changes of these kinds,
        of an API key, before the one with the id `before`; for admins.
        """
        query = {"action": list(action), "key_id": key_id}
        return await self._list(KeyChange, "/api/v1/keys/changes", before, limit, query)

    def iterate_key_changes(
        self, *, action: Sequence[KeyAction] = (), key_id: str | None = None
    ) -> AsyncStream[KeyChange]:
        """All changes of keys, secrets and tokens, the newest first, page by page; for admins."""
        query = {"action": list(action), "key_id": key_id}
        return self._iterate(KeyChange, "/api/v1/keys/changes", query)

    async def get_origins(self) -> list[str]:
        """The origins of the web pages that may use your organisation's tokens and keys; for admins."""
        read = await self._json(Origins, get("/api/v1/origins"))
        origins = exchange.TaggedList(read["origins"])
        origins.tag = exchange.tag_of(read)
        return origins

    async def put_origins(self, origins: list[str], *, if_match: str | None = None) -> None:
        """Replace the origins of your organisation; for admins."""
        await self._transport.send(expecting(put("/api/v1/origins", origins=origins), if_match))

    async def get_key_origins(self, key_id: str) -> KeyOrigins:
        """The origins of the web pages that may use a key; for admins."""
        return await self._json(KeyOrigins, get(address("/api/v1/keys/{id}/origins", id=key_id)))

    async def put_key_origins(
        self, key_id: str, origins: list[str] | None, *, if_match: str | None = None
    ) -> None:
        """Give a key a list of origins of its own, or with None that of the organisation; for admins."""
        path = address("/api/v1/keys/{id}/origins", id=key_id)
        await self._transport.send(expecting(exchange.put_all(path, {"origins": origins}), if_match))

    async def put_key_quota(self, key_id: str, rewrites_a_day: int) -> None:
        """Change the quota of a key for web pages, in rewrites a day (UTC); for admins."""
        path = address("/api/v1/keys/{id}/quota", id=key_id)
        await self._transport.send(put(path, rewrites_a_day=rewrites_a_day))

    async def create_request_secret(self, key_id: str) -> MadeRequestSecret:
        """Make a secret that signs requests with a key, which is shown only once; for admins. A key has two
        at most.
        """
        return await self._json(MadeRequestSecret, post(address("/api/v1/keys/{id}/secrets", id=key_id)))

    async def list_request_secrets(
        self, key_id: str, *, before: str | None = None, limit: int | None = None
    ) -> list[ListedRequestSecret]:
        """The secrets that sign requests with a key, the newest first, without what they sign with; those
        before the one with the id `before`; for admins.
        """
        path = address("/api/v1/keys/{id}/secrets", id=key_id)
        return await self._list(ListedRequestSecret, path, before, limit)

    def iterate_request_secrets(self, key_id: str) -> AsyncStream[ListedRequestSecret]:
        """All secrets that sign requests with a key, page by page; for admins."""
        return self._iterate(ListedRequestSecret, address("/api/v1/keys/{id}/secrets", id=key_id))

    async def delete_request_secret(self, key_id: str, secret_id: str) -> None:
        """Revoke a secret that signs requests; for admins."""
        path = address("/api/v1/keys/{id}/secrets/{secret}", id=key_id, secret=secret_id)
        await self._transport.send(exchange.delete(path))

    async def require_signatures(self, key_id: str, required: bool) -> None:
        """Let a key accept signed requests only, or unsigned ones, too; for admins."""
        await self._transport.send(put(address("/api/v1/keys/{id}/signatures", id=key_id), required=required))

    async def add_signing_key(
        self, kid: str, algorithm: Literal["HS256", "EdDSA"], key: str, *, role: Role | None = None
    ) -> AddedSigningKey:
        """Accept tokens that are signed with a key; for admins."""
        body = {"kid": kid, "algorithm": algorithm, "key": key, "role": role}
        return await self._json(AddedSigningKey, post("/api/v1/signing-keys", body))

    async def list_signing_keys(
        self,
        *,
        role: Sequence[Role] = (),
        revoked: bool | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> list[ListedSigningKey]:
        """Signing keys, the newest first, without what they sign with: with these roles, revoked or not,
        before the one with the kid `before`; for admins.
        """
        query = {"role": list(role), "revoked": revoked}
        return await self._list(ListedSigningKey, "/api/v1/signing-keys", before, limit, query)

    def iterate_signing_keys(
        self, *, role: Sequence[Role] = (), revoked: bool | None = None
    ) -> AsyncStream[ListedSigningKey]:
        """All signing keys with these roles, revoked or not, page by page; for admins."""
        query = {"role": list(role), "revoked": revoked}
        return self._iterate(ListedSigningKey, "/api/v1/signing-keys", query, "kid")

    async def delete_signing_key(self, kid: str) -> None:
        """Revoke a signing key; for admins."""
        await self._transport.send(exchange.delete(address("/api/v1/signing-keys/{kid}", kid=kid)))

    async def revoke_token(self, token: str) -> None:
        """Revoke one token of the organisation; for admins."""
        await self._transport.send(post("/api/v1/tokens/revoke", {"token": token}, is_repeatable=True))

    async def get_consent(self, *, user_id: str | None = None) -> Consent:
        """Whether a person's feedback may train models."""
        return await self._json(Consent, get("/api/v1/consent", user_id=user_id))

    async def put_consent(
        self, training: bool, *, user_id: str | None = None, if_match: str | None = None
    ) -> Consent:
        """Set whether a person's feedback may train models."""
        request = put("/api/v1/consent", training=training, user_id=user_id)
        return await self._json(Consent, expecting(request, if_match))

    async def request_erasure(self, *, user_id: str | None = None) -> Erasure:
        """Erase everything that a person wrote, got and voted. It cannot be undone. While an erasure of the
        person is not finished, this gives that one.
        """
        body = {"erase": "everything", "user_id": user_id}
        return await self._json(Erasure, post("/api/v1/erasures", body))

    async def list_erasures(
        self, *, user_id: str | None = None, before: str | None = None, limit: int | None = None
    ) -> list[Erasure]:
        """A person's own erasures, the newest first: how far each is, and what it has removed."""
        return await self._list(Erasure, "/api/v1/erasures", before, limit, {"user_id": user_id})

    def iterate_erasures(self, *, user_id: str | None = None) -> AsyncStream[Erasure]:
        """All of a person's own erasures, page by page."""
        return self._iterate(Erasure, "/api/v1/erasures", {"user_id": user_id})

    async def get_preferences(self, *, user_id: str | None = None) -> Preferences:
        """What a person prefers, for your program to preselect."""
        return await self._json(Preferences, get("/api/v1/preferences", user_id=user_id))

    async def put_preferences(
        self,
        *,
        language: Literal["en", "ja"] | None = None,
        transform_type: TransformType | None = None,
        intensity: int | None = None,
        tour_closed: bool | None = None,
        user_id: str | None = None,
        if_match: str | None = None,
    ) -> Preferences:
        """Replace what a person prefers: what is left out is no preference from now on."""
        fields = {
            "language": language,
            "transform_type": transform_type,
            "intensity": intensity,
            "tour_closed": tour_closed,
        }
        request = put("/api/v1/preferences", **fields, user_id=user_id)
        return await self._json(Preferences, expecting(request, if_match))

    # Feedback on the app itself

    async def give_app_feedback(
        self, about: About, comment: str, *, may_answer: bool = False, user_id: str | None = None
    ) -> AppFeedback:
        """Say something about the app to the admins of the organisation; one a minute for each person."""
        body = {"about": about, "comment": comment, "may_answer": may_answer, "user_id": user_id}
        return await self._json(AppFeedback, post("/api/v1/app-feedback", body))

    async def list_app_feedback(
        self, *, before: str | None = None, limit: int | None = None
    ) -> list[AppFeedback]:
        """What people said about the app, the newest first; that before the one with the id `before`. For
        admins.
        """
        return await self._list(AppFeedback, "/api/v1/app-feedback", before, limit)

    def iterate_app_feedback(self) -> AsyncStream[AppFeedback]:
        """All that people said about the app, the newest first, page by page."""
        return self._iterate(AppFeedback, "/api/v1/app-feedback")

    async def delete_app_feedback(self, feedback_id: str) -> None:
        """Delete what a person said about the app."""
        await self._transport.send(exchange.delete(address("/api/v1/app-feedback/{id}", id=feedback_id)))

    # The organisation

    async def get_organisation(self) -> Terms:
        """Your organisation's decisions about training; for owners."""
        return await self._json(Terms, get("/api/v1/organisation"))

    async def put_organisation(
        self,
        *,
        trains_across: bool | None = None,
        trains_by_default: bool | None = None,
        if_match: str | None = None,
    ) -> Terms:
        """Change your organisation's decisions about training; for owners."""
        fields = {"trains_across": trains_across, "trains_by_default": trains_by_default}
        return await self._json(Terms, expecting(put("/api/v1/organisation", **fields), if_match))

    # Other forms of the API

    def open_socket(self, *, reconnects: Retries = _RECONNECTS) -> "AsyncSocket":
        """A WebSocket, to be opened by `async with`: what changes, as it happens, and rewrites. It takes
        the library `websockets`: `pip install 'tonebridge[websocket]'`. `reconnects` says for how long it
        tries to connect again.
        """
        from tonebridge._async.socket import AsyncSocket

        transport = self._transport
        url = f"{transport.url}/api/v1/ws"
        return AsyncSocket(url, transport.credentials, transport.retries, reconnects, self._timeout_s)

    async def graphql(
        self,
        query: str | None = None,
        variables: Mapping[str, Any] | None = None,
        *,
        document_id: str | None = None,
        operation_name: str | None = None,
        is_repeatable: bool = False,
    ) -> dict[str, Any]:
        """Execute a GraphQL document: `data` and `errors`. With `is_repeatable`, as a query is, it is tried
        again.
        """
        body = {
            "query": query,
            "documentId": document_id,
            "operationName": operation_name,
            "variables": variables,
        }
        return await self._json(dict[str, Any], post("/graphql", body, is_repeatable=is_repeatable))

    async def create_chat_completion(
        self,
        model: str,
        messages: Sequence[ChatMessage],
        *,
        user: str | None = None,
        idempotency_key: str | None = None,
    ) -> Completion:
        """Rewrite the last message in the form of OpenAI's API; `model` is such as `tonebridge/soften-2`."""
        body = {"model": model, "messages": list(messages), "user": user}
        return await self._json(Completion, post_once("/v1/chat/completions", body, idempotency_key))

    async def list_models(self) -> Models:
        """The models, in the form of OpenAI's API."""
        return await self._json(Models, get("/v1/models"))

    async def get_model(self, model: str) -> Model:
        """A model, in the form of OpenAI's API."""
        return await self._json(Model, get(f"/v1/models/{quote(model)}"))

    # The gateway itself

    async def check_live(self) -> dict[str, str]:
        """Whether the process runs."""
        return await self._json(dict[str, str], get("/livez"))

    async def check_ready(self) -> Ready:
        """Whether this gateway can answer, and if not, why; it is not tried again."""
        try:
            return await self._json(Ready, exchange.unrepeatable(get("/readyz")))
        except UnavailableError as error:
            if "ready" not in error.problem:
                raise
            return Ready(ready=False, detail=error.problem["detail"])

    async def get_gateway_metrics(self, metrics_token: str) -> str:
        """All metrics of this gateway, for Prometheus, with the token TONEBRIDGE_METRICS_TOKEN."""
        return (await self._transport.send(Request("GET", "/metrics", bearer=metrics_token))).decode()

    async def _json(self, kind: type[T], request: Request) -> T:
        """The document of an answer; `kind` is for the type checker."""
        body, tag = await self._transport.fetch(request)
        document: Any = json.loads(body)
        if tag is not None and isinstance(document, dict):
            document = exchange.TaggedDocument(document)
            document.tag = tag
        read: T = document
        return read

    async def _list(
        self,
        kind: type[T],
        path: str,
        before: str | None,
        limit: int | None,
        query: Mapping[str, Any] = _NO_FILTER,
    ) -> list[T]:
        """A page of a list of documents of a kind. Fields of the query that say nothing are left out."""
        given = {name: value for name, value in query.items() if value != []}
        return await self._json(list[T], get(path, **given, before=before, limit=limit))

    def _iterate(
        self, kind: type[T], path: str, query: Mapping[str, Any] = _NO_FILTER, id: str = "id"
    ) -> AsyncStream[T]:
        """All documents of a list, page by page; the field `id` of the last one is where the next begins."""
        return AsyncStream(_read_pages(lambda before: self._list(kind, path, before, _PAGE, query), id))

    async def _decide(
        self, experiment_id: str, action: str, key: str | None, **fields: Any
    ) -> StoredDecision:
        path = address("/api/v1/experiments/{id}/", id=experiment_id) + action
        return await self._json(StoredDecision, post_once(path, fields, key))

    async def _read_events(self, request: Request) -> AsyncGenerator[StreamEvent, None]:
        attempts = self._transport.retries.begin(request.is_repeatable)
        while True:
            draft, reader = Draft(), EventReader()
            try:
                response = await self._transport.attempt(request)
                async with aclosing(self._transport.read(request, response)) as pieces:
                    async for piece in pieces:
                        for kind, data in reader.feed(piece):
                            event = draft.take(kind, data)
                            yield event
                            if event.kind == "answer":
                                return
                raise UnreachableError("the stream ended without an answer", was_sent=True)
            except ToneBridgeError as error:
                if draft.has_begun:
                    raise
                wait_s = attempts.wait_s(error)
            await sleep(wait_s)

    async def _read_bytes(self, request: Request) -> AsyncGenerator[bytes, None]:
        response = await self._transport.open(request)
        async with aclosing(self._transport.read(request, response)) as pieces:
            async for piece in pieces:
                yield piece

    async def _read_lines(self, request: Request) -> AsyncGenerator[Any, None]:
        lines = LineSplitter()
        async with aclosing(self._read_bytes(request)) as pieces:
            async for piece in pieces:
                for line in lines.feed(piece):
                    yield json.loads(line)


def _select_answers(
    transform_type: Sequence[TransformType],
    since: datetime | None,
    until: datetime | None,
    q: str | None,
    user_id: str | None,
) -> dict[str, Any]:
    return {
        "transform_type": list(transform_type),
        "since": since and since.isoformat(),
        "until": until and until.isoformat(),
        "q": q,
        "user_id": user_id,
    }


def _select_batches(state: Sequence[State], since: datetime | None, until: datetime | None) -> dict[str, Any]:
    return {
        "state": list(state),
        "since": since and since.isoformat(),
        "until": until and until.isoformat(),
    }


async def _read_pages(read: Callable[[str | None], Awaitable[list[T]]], id: str) -> AsyncGenerator[T, None]:
    before: str | None = None
    while page := await read(before):
        for row in page:
            yield row
        before = page[-1][id]  # type: ignore[index]


async def _poll(
    read: Callable[[], Awaitable[T]], is_ended: Callable[[T], bool], timeout_s: float | None, poll_s: float
) -> T:
    began_at = time.monotonic()
    while not is_ended(state := await read()):
        if timeout_s is not None and time.monotonic() - began_at + poll_s > timeout_s:
            raise TimeoutError(f"not done after {timeout_s} s; it goes on, so wait again")
        await sleep(poll_s)
    return state
