"""The client: a method for each operation of the gateway, named as in its description (`/docs`)."""

import json
import os
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from time import sleep
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import quote

import httpx

from tonebridge import batches, exchange
from tonebridge._sync.streams import Stream
from tonebridge._sync.transport import Transport
from tonebridge.batches import BatchResult, Messages
from tonebridge.errors import ToneBridgeError, UnavailableError, UnreachableError
from tonebridge.events import Draft, EventReader, LineSplitter, StreamEvent
from tonebridge.exchange import EVENTS, JSON, Credentials, Request, address, get, post, post_once, put
from tonebridge.retries import Retries
from tonebridge.types import (
    AddedSigningKey,
    Answer,
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
    Edit,
    EnqueuedDeliveries,
    EventType,
    FeedbackStored,
    Kind,
    ListedAccount,
    ListedExperiment,
    ListedJob,
    ListedKey,
    ListedMetrics,
    ListedRequestSecret,
    MadeAccount,
    MadeKey,
    MadeRequestSecret,
    MadeWebhook,
    Me,
    Model,
    Models,
    NewTarget,
    NewWebhookSecret,
    NextComparison,
    Outlook,
    Progress,
    Rating,
    Ready,
    Replayed,
    Role,
    State,
    StoredDecision,
    Terms,
    Thumb,
    Tokens,
    TransformRequest,
    TransformType,
    Webhook,
    WholeExperiment,
)

if TYPE_CHECKING:
    from tonebridge._sync.socket import Socket

T = TypeVar("T")
_PAGE = 200  # rows, the most of one request
_RETRIES = Retries()
_RECONNECTS = Retries(attempts=200, total_s=900.0, cap_s=15.0)


class ToneBridge:
    """A client of one gateway, for one caller. Close it, or use it by `with`.

    Calls raise ToneBridgeError. What can be tried again safely is tried again (`Retries`): reads, and writes
    that have an Idempotency-Key, which is made for each call and kept while it is repeated. Give a key of
    your own where the call itself may be repeated, as by a job of yours.
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
        http: httpx.Client | None = None,
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
        self._http = http or httpx.Client(timeout=httpx.Timeout(timeout_s, connect=10.0))
        self._transport = Transport(url, Credentials(api_key, token, signing), retries, self._http)

    def __enter__(self) -> "ToneBridge":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        if self._is_own:
            self._http.close()

    # Rewrites

    def transform(
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
        return self._json(Answer, post_once("/api/v1/transform", body, idempotency_key, accept=JSON))

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
    ) -> Stream[StreamEvent]:
        """Rewrite a message, and show it as it is written. It is tried again only before its first event."""
        body = exchange.rewrite(text, transform_type, intensity, user_id, locale, channel)
        request = post_once("/api/v1/transform", body, idempotency_key, accept=EVENTS)
        return Stream(self._read_events(request))

    def transform_many(
        self, items: Iterable[TransformRequest], *, idempotency_key: str | None = None
    ) -> BatchAnswer:
        """Rewrite up to a hundred messages at once, each for itself: one may fail, another succeed."""
        return self._json(BatchAnswer, post_once("/api/v1/batch", {"items": list(items)}, idempotency_key))

    def compare(
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
        return self._json(Compared, post("/api/v1/compare", {**body, "policy": policy}))

    def give_feedback(
        self, vote: Thumb | Rating | Edit | Choice | Comment, *, idempotency_key: str | None = None
    ) -> FeedbackStored:
        """Say what a rewrite is worth, by the receipt of its answer: `{"receipt": ..., "kind": "thumb", "up":
        True}`. A second vote of a kind replaces the first.
        """
        return self._json(FeedbackStored, post_once("/api/v1/feedback", vote, idempotency_key))

    # Comparisons

    def get_next_comparison(
        self,
        *,
        text: str | None = None,
        transform_type: TransformType | None = None,
        intensity: int | None = None,
        user_id: str | None = None,
    ) -> NextComparison:
        """Two rewrites that a person has not judged yet: of a shipped message, or of one of their own."""
        body = {"text": text, "transform_type": transform_type, "intensity": intensity, "user_id": user_id}
        return self._json(NextComparison, post("/api/v1/comparisons/next", body, is_repeatable=text is None))

    def skip_comparison(self, comparison_id: str, *, user_id: str | None = None) -> None:
        """Choose nothing: the person is not offered this comparison again."""
        path = address("/api/v1/comparisons/{id}/skip", id=comparison_id)
        self._transport.send(post(path, {"user_id": user_id}, is_repeatable=True))

    def get_comparison_progress(self, *, user_id: str | None = None) -> Progress:
        """The number of comparisons that a person has judged."""
        return self._json(Progress, get("/api/v1/comparisons/progress", user_id=user_id))

    # Batches, jobs and exports

    def create_batch(
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
        return self._json(Batch, request)

    def list_batches(self, *, before: str | None = None, limit: int | None = None) -> list[Batch]:
        """Batches, the newest first; those before the one with the id `before`."""
        return self._json(list[Batch], get("/api/v1/jobs/batches", before=before, limit=limit))

    def iterate_batches(self) -> Stream[Batch]:
        """All batches, the newest first, page by page."""
        return Stream(_read_pages(lambda before: self.list_batches(before=before, limit=_PAGE)))

    def get_batch(self, batch_id: str) -> Batch:
        """The progress of a batch."""
        return self._json(Batch, get(address("/api/v1/jobs/batches/{id}", id=batch_id)))

    def wait_for_batch(
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

        return _poll(lambda: self.get_batch(batch_id), is_ended, timeout_s, poll_s)

    def cancel_batch(self, batch_id: str) -> Cancelled:
        """Cancel the messages of a batch that are not rewritten yet."""
        path = address("/api/v1/jobs/batches/{id}/cancel", id=batch_id)
        return self._json(Cancelled, post(path, is_repeatable=True))

    def get_batch_results(self, batch_id: str) -> Stream[BatchResult]:
        """The results of a batch so far, in the order of its messages."""
        return Stream(self._read_lines(get(address("/api/v1/jobs/batches/{id}/results", id=batch_id))))

    def download_batch_results(
        self, batch_id: str, *, format: Literal["jsonl", "csv"] = "jsonl"
    ) -> Stream[bytes]:
        """The pieces of a file with the results of a batch so far."""
        path = address("/api/v1/jobs/batches/{id}/results", id=batch_id)
        return Stream(self._read_bytes(get(path, format=format)))

    def list_jobs(
        self,
        *,
        state: Sequence[State] = (),
        batch_id: str | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> list[ListedJob]:
        """Jobs in these states, the newest first; those before the one with the id `before`."""
        query = {"state": list(state) or None, "batch_id": batch_id, "before": before, "limit": limit}
        return self._json(list[ListedJob], get("/api/v1/jobs", **query))

    def iterate_jobs(self, *, state: Sequence[State] = (), batch_id: str | None = None) -> Stream[ListedJob]:
        """All jobs in these states, the newest first, page by page."""
        return Stream(
            _read_pages(
                lambda before: self.list_jobs(state=state, batch_id=batch_id, before=before, limit=_PAGE)
            )
        )

    def get_job(self, job_id: str) -> ListedJob:
        """A job, with the reason of every failed attempt."""
        return self._json(ListedJob, get(address("/api/v1/jobs/{id}", id=job_id)))

    def wait_for_job(self, job_id: str, *, timeout_s: float | None = None, poll_s: float = 1.0) -> ListedJob:
        """Wait until a job, such as an export, has ended; TimeoutError."""
        return _poll(
            lambda: self.get_job(job_id), lambda job: job["state"] in batches.ENDED, timeout_s, poll_s
        )

    def replay_job(self, job_id: str) -> Replayed:
        """Try a dead job again."""
        return self._json(Replayed, post(address("/api/v1/jobs/{id}/replay", id=job_id)))

    def replay_jobs(self, kind: Kind) -> Replayed:
        """Try all dead jobs of a kind again; for admins."""
        return self._json(Replayed, post("/api/v1/jobs/replay", {"kind": kind}))

    def create_export(self, *, since: datetime | None = None, until: datetime | None = None) -> ListedJob:
        """Have the votes of the organisation written into a file; for admins."""
        times = {"since": since and since.isoformat(), "until": until and until.isoformat()}
        return self._json(ListedJob, post("/api/v1/jobs/exports", times))

    def get_export_file(self, job_id: str) -> Stream[bytes]:
        """The pieces of the file of an export: JSON Lines, compressed by gzip."""
        return Stream(self._read_bytes(get(address("/api/v1/jobs/{id}/file", id=job_id))))

    # Webhooks, for admins; `tonebridge.webhooks` verifies what a receiver gets

    def create_webhook(
        self, url: str, events: Sequence[EventType], *, description: str | None = None
    ) -> MadeWebhook:
        """Send events to an address from now on. The secret is shown only once."""
        body = {"url": url, "events": list(events), "description": description}
        return self._json(MadeWebhook, post("/api/v1/webhooks", body))

    def list_webhooks(self) -> list[Webhook]:
        """All webhooks, the oldest first, without their secrets."""
        return self._json(list[Webhook], get("/api/v1/webhooks"))

    def get_webhook(self, webhook_id: str) -> Webhook:
        """A webhook, without its secret."""
        return self._json(Webhook, get(address("/api/v1/webhooks/{id}", id=webhook_id)))

    def change_webhook(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        events: Sequence[EventType] | None = None,
        description: str | None = None,
        enabled: bool | None = None,
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
        return self._json(Webhook, exchange.patch(path, changes))

    def delete_webhook(self, webhook_id: str) -> None:
        """Delete a webhook and the log of its deliveries."""
        self._transport.send(exchange.delete(address("/api/v1/webhooks/{id}", id=webhook_id)))

    def rotate_webhook_secret(self, webhook_id: str) -> NewWebhookSecret:
        """Make a new secret. For a day deliveries are signed by both. It is not tried again: a third secret
        would end the first at once.
        """
        return self._json(NewWebhookSecret, post(address("/api/v1/webhooks/{id}/secret", id=webhook_id)))

    def send_test_event(self, webhook_id: str) -> EnqueuedDeliveries:
        """Send an event of type `webhook.test`."""
        return self._json(EnqueuedDeliveries, post(address("/api/v1/webhooks/{id}/test", id=webhook_id)))

    def list_deliveries(
        self,
        webhook_id: str,
        *,
        state: Sequence[State] = (),
        before: str | None = None,
        limit: int | None = None,
    ) -> list[Delivery]:
        """The log of a webhook, the newest first; those before the one with the id `before`."""
        path = address("/api/v1/webhooks/{id}/deliveries", id=webhook_id)
        query = {"state": list(state) or None, "before": before, "limit": limit}
        return self._json(list[Delivery], get(path, **query))

    def iterate_deliveries(self, webhook_id: str, *, state: Sequence[State] = ()) -> Stream[Delivery]:
        """The whole log of a webhook, the newest first, page by page."""
        return Stream(
            _read_pages(
                lambda before: self.list_deliveries(webhook_id, state=state, before=before, limit=_PAGE)
            )
        )

    def replay_delivery(self, webhook_id: str, delivery_id: str) -> EnqueuedDeliveries:
        """Send a delivery again that arrived or is dead, under the same `webhook-id`."""
        path = address(
            "/api/v1/webhooks/{id}/deliveries/{delivery}/replay", id=webhook_id, delivery=delivery_id
        )
        return self._json(EnqueuedDeliveries, post(path))

    def replay_dead_deliveries(self, webhook_id: str) -> EnqueuedDeliveries:
        """Send all dead deliveries of a webhook again, at most 10,000 in one call."""
        path = address("/api/v1/webhooks/{id}/replay", id=webhook_id)
        return self._json(EnqueuedDeliveries, post(path))

    # Experiments

    def list_experiments(self, *, limit: int | None = None) -> list[ListedExperiment]:
        """The newest experiments, the newest first."""
        return self._json(list[ListedExperiment], get("/api/v1/experiments", limit=limit))

    def get_experiment(self, experiment_id: str) -> WholeExperiment:
        """An experiment with its plan and its decisions."""
        return self._json(WholeExperiment, get(address("/api/v1/experiments/{id}", id=experiment_id)))

    def list_metrics(self) -> ListedMetrics:
        """The metrics that a plan may name."""
        return self._json(ListedMetrics, get("/api/v1/metrics"))

    def forecast_experiment(
        self,
        *,
        plan: Mapping[str, Any] | None = None,
        users_a_day: float | None = None,
        challengers: int | None = None,
    ) -> Outlook:
        """What a plan can show, by recent traffic. Nothing is stored."""
        body = {"plan": plan, "users_a_day": users_a_day, "challengers": challengers}
        return self._json(Outlook, post("/api/v1/experiments/outlook", body, is_repeatable=True))

    def draft_experiment(
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
        return self._json(WholeExperiment, post_once("/api/v1/experiments", body, idempotency_key))

    def start_experiment(
        self, experiment_id: str, *, reason: str | None = None, idempotency_key: str | None = None
    ) -> StoredDecision:
        """Start a draft, or continue after a pause."""
        return self._decide(experiment_id, "start", idempotency_key, reason=reason)

    def ramp_experiment(
        self,
        experiment_id: str,
        share: float,
        *,
        reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> StoredDecision:
        """Raise the share of users in an experiment, or continue after a pause."""
        return self._decide(experiment_id, "ramp", idempotency_key, share=share, reason=reason)

    def pause_experiment(
        self, experiment_id: str, *, reason: str | None = None, idempotency_key: str | None = None
    ) -> StoredDecision:
        """Pause an experiment: the champion answers everybody."""
        return self._decide(experiment_id, "pause", idempotency_key, reason=reason)

    def drop_challenger(
        self, experiment_id: str, challenger: str, reason: str, *, idempotency_key: str | None = None
    ) -> StoredDecision:
        """Withdraw one of several challengers; the experiment goes on with the others."""
        return self._decide(experiment_id, "drop", idempotency_key, challenger=challenger, reason=reason)

    def ship_challenger(
        self,
        experiment_id: str,
        reason: str,
        *,
        challenger: str | None = None,
        idempotency_key: str | None = None,
    ) -> StoredDecision:
        """Make a challenger the champion; `challenger` says which, where there are several."""
        return self._decide(experiment_id, "ship", idempotency_key, challenger=challenger, reason=reason)

    def roll_back_experiment(
        self, experiment_id: str, reason: str, *, idempotency_key: str | None = None
    ) -> StoredDecision:
        """Withdraw all challengers; the experiment ends."""
        return self._decide(experiment_id, "rollback", idempotency_key, reason=reason)

    def discard_experiment(
        self, experiment_id: str, *, reason: str | None = None, idempotency_key: str | None = None
    ) -> StoredDecision:
        """Discard a draft, which ends without having started."""
        return self._decide(experiment_id, "discard", idempotency_key, reason=reason)

    # People, keys and consent

    def login(self, email: str, password: str) -> Tokens:
        """Sign in: the tokens of a new session. Give the access token to a client of its own (`token`)."""
        return self._json(Tokens, post("/api/v1/auth/login", {"email": email, "password": password}))

    def refresh_session(self, refresh_token: str) -> Tokens:
        """The next tokens of a session. It is not tried again: a refresh token that is used twice ends it."""
        return self._json(Tokens, post("/api/v1/auth/refresh", {"refresh_token": refresh_token}))

    def logout(self, refresh_token: str) -> None:
        """End a session."""
        body = {"refresh_token": refresh_token}
        self._transport.send(post("/api/v1/auth/logout", body, is_repeatable=True))

    def get_me(self) -> Me:
        """The caller: name, organisation and role."""
        return self._json(Me, get("/api/v1/auth/me"))

    def change_password(self, password: str, new_password: str) -> None:
        """Change your password. All your sessions end. It is not tried again: the old one may not hold."""
        request = put("/api/v1/auth/password", password=password, new_password=new_password)
        self._transport.send(exchange.unrepeatable(request))

    def register_account(
        self, email: str, password: str, *, name: str | None = None, role: Role | None = None
    ) -> MadeAccount:
        """Make an account for a person of your organisation; for admins."""
        body = {"email": email, "password": password, "name": name, "role": role}
        return self._json(MadeAccount, post("/api/v1/auth/register", body))

    def list_accounts(self) -> list[ListedAccount]:
        """All accounts of your organisation; for admins."""
        return self._json(list[ListedAccount], get("/api/v1/accounts"))

    def change_role(self, account_id: str, role: Role) -> None:
        """Give a person another role; for admins."""
        self._transport.send(exchange.patch(address("/api/v1/accounts/{id}", id=account_id), {"role": role}))

    def remove_account(self, account_id: str) -> None:
        """Remove an account; for admins."""
        self._transport.send(exchange.delete(address("/api/v1/accounts/{id}", id=account_id)))

    def create_key(self, name: str, *, role: Role | None = None) -> MadeKey:
        """Make an API key, which is shown only once; for admins."""
        return self._json(MadeKey, post("/api/v1/keys", {"name": name, "role": role}))

    def list_keys(self) -> list[ListedKey]:
        """All API keys, the newest first, without their secrets; for admins."""
        return self._json(list[ListedKey], get("/api/v1/keys"))

    def delete_key(self, key_id: str) -> None:
        """Revoke an API key; for admins."""
        self._transport.send(exchange.delete(address("/api/v1/keys/{id}", id=key_id)))

    def create_request_secret(self, key_id: str) -> MadeRequestSecret:
        """Make a secret that signs requests with a key, which is shown only once; for admins. A key has two
        at most.
        """
        return self._json(MadeRequestSecret, post(address("/api/v1/keys/{id}/secrets", id=key_id)))

    def list_request_secrets(self, key_id: str) -> list[ListedRequestSecret]:
        """The secrets that sign requests with a key, without what they sign with; for admins."""
        path = address("/api/v1/keys/{id}/secrets", id=key_id)
        return self._json(list[ListedRequestSecret], get(path))

    def delete_request_secret(self, key_id: str, secret_id: str) -> None:
        """Revoke a secret that signs requests; for admins."""
        path = address("/api/v1/keys/{id}/secrets/{secret}", id=key_id, secret=secret_id)
        self._transport.send(exchange.delete(path))

    def require_signatures(self, key_id: str, required: bool) -> None:
        """Let a key accept signed requests only, or unsigned ones, too; for admins."""
        self._transport.send(put(address("/api/v1/keys/{id}/signatures", id=key_id), required=required))

    def add_signing_key(
        self, kid: str, algorithm: Literal["HS256", "EdDSA"], key: str, *, role: Role | None = None
    ) -> AddedSigningKey:
        """Accept tokens that are signed with a key; for admins."""
        body = {"kid": kid, "algorithm": algorithm, "key": key, "role": role}
        return self._json(AddedSigningKey, post("/api/v1/signing-keys", body))

    def delete_signing_key(self, kid: str) -> None:
        """Revoke a signing key; for admins."""
        self._transport.send(exchange.delete(address("/api/v1/signing-keys/{kid}", kid=kid)))

    def revoke_token(self, token: str) -> None:
        """Revoke one token of the organisation; for admins."""
        self._transport.send(post("/api/v1/tokens/revoke", {"token": token}, is_repeatable=True))

    def get_consent(self, *, user_id: str | None = None) -> Consent:
        """Whether a person's feedback may train models."""
        return self._json(Consent, get("/api/v1/consent", user_id=user_id))

    def put_consent(self, training: bool, *, user_id: str | None = None) -> Consent:
        """Set whether a person's feedback may train models."""
        return self._json(Consent, put("/api/v1/consent", training=training, user_id=user_id))

    def get_organisation(self) -> Terms:
        """Your organisation's decisions about training; for owners."""
        return self._json(Terms, get("/api/v1/organisation"))

    def put_organisation(
        self, *, trains_across: bool | None = None, trains_by_default: bool | None = None
    ) -> Terms:
        """Change your organisation's decisions about training; for owners."""
        return self._json(
            Terms,
            put("/api/v1/organisation", trains_across=trains_across, trains_by_default=trains_by_default),
        )

    # Other forms of the API

    def open_socket(self, *, reconnects: Retries = _RECONNECTS) -> "Socket":
        """A WebSocket, to be opened by `with`: what changes, as it happens, and rewrites. It takes
        the library `websockets`: `pip install 'tonebridge[websocket]'`. `reconnects` says for how long it
        tries to connect again.
        """
        from tonebridge._sync.socket import Socket

        transport = self._transport
        url = f"{transport.url}/api/v1/ws"
        return Socket(url, transport.credentials, transport.retries, reconnects, self._timeout_s)

    def graphql(
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
        return self._json(dict[str, Any], post("/graphql", body, is_repeatable=is_repeatable))

    def create_chat_completion(
        self,
        model: str,
        messages: Sequence[ChatMessage],
        *,
        user: str | None = None,
        idempotency_key: str | None = None,
    ) -> Completion:
        """Rewrite the last message in the form of OpenAI's API; `model` is such as `tonebridge/soften-2`."""
        body = {"model": model, "messages": list(messages), "user": user}
        return self._json(Completion, post_once("/v1/chat/completions", body, idempotency_key))

    def list_models(self) -> Models:
        """The models, in the form of OpenAI's API."""
        return self._json(Models, get("/v1/models"))

    def get_model(self, model: str) -> Model:
        """A model, in the form of OpenAI's API."""
        return self._json(Model, get(f"/v1/models/{quote(model)}"))

    # The gateway itself

    def check_live(self) -> dict[str, str]:
        """Whether the process runs."""
        return self._json(dict[str, str], get("/livez"))

    def check_ready(self) -> Ready:
        """Whether this gateway can answer, and if not, why; it is not tried again."""
        try:
            return self._json(Ready, exchange.unrepeatable(get("/readyz")))
        except UnavailableError as error:
            if "ready" not in error.problem:
                raise
            return Ready(ready=False, detail=error.problem["detail"])

    def get_gateway_metrics(self, metrics_token: str) -> str:
        """All metrics of this gateway, for Prometheus, with the token TONEBRIDGE_METRICS_TOKEN."""
        return (self._transport.send(Request("GET", "/metrics", bearer=metrics_token))).decode()

    def _json(self, kind: type[T], request: Request) -> T:
        """The document of an answer; `kind` is for the type checker."""
        document: T = json.loads(self._transport.send(request))
        return document

    def _decide(self, experiment_id: str, action: str, key: str | None, **fields: Any) -> StoredDecision:
        path = address("/api/v1/experiments/{id}/", id=experiment_id) + action
        return self._json(StoredDecision, post_once(path, fields, key))

    def _read_events(self, request: Request) -> Generator[StreamEvent, None, None]:
        attempts = self._transport.retries.begin(request.is_repeatable)
        while True:
            draft, reader = Draft(), EventReader()
            try:
                response = self._transport.attempt(request)
                with closing(self._transport.read(request, response)) as pieces:
                    for piece in pieces:
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
            sleep(wait_s)

    def _read_bytes(self, request: Request) -> Generator[bytes, None, None]:
        response = self._transport.open(request)
        with closing(self._transport.read(request, response)) as pieces:
            for piece in pieces:
                yield piece

    def _read_lines(self, request: Request) -> Generator[Any, None, None]:
        lines = LineSplitter()
        with closing(self._read_bytes(request)) as pieces:
            for piece in pieces:
                for line in lines.feed(piece):
                    yield json.loads(line)


def _read_pages(read: Callable[[str | None], list[T]]) -> Generator[T, None, None]:
    before: str | None = None
    while page := read(before):
        for row in page:
            yield row
        before = page[-1]["id"]  # type: ignore[index]


def _poll(read: Callable[[], T], is_ended: Callable[[T], bool], timeout_s: float | None, poll_s: float) -> T:
    began_at = time.monotonic()
    while not is_ended(state := read()):
        if timeout_s is not None and time.monotonic() - began_at + poll_s > timeout_s:
            raise TimeoutError(f"not done after {timeout_s} s; it goes on, so wait again")
        sleep(poll_s)
    return state
