"""All tables. SQLAlchemy defines them and their migrations; the gateway's queries use psycopg directly.

Primary keys are UUIDv7 (RFC 9562), created in the process: they sort by time, and a row has its id before it
is stored. Row-level security (migrations 0002, 0016) is a second check on queries of a tenant's rows.
"""

import uuid
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

import uuid_utils.compat
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator, UserDefinedType

from data.reasons import Reason, dump, load

LAST_ID = uuid.UUID(int=2**128 - 1)  # no other id is greater


def new_id() -> uuid.UUID:
    """A time-ordered UUIDv7."""
    return uuid_utils.compat.uuid7()


class Xid8(UserDefinedType[int]):
    """Postgres's 64-bit transaction id, which orders rows by transaction; a timestamp cannot."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The type's name in SQL."""
        return "xid8"


class StoredReason(TypeDecorator[Reason]):
    """One reason as JSON: code and values, never a sentence."""

    impl = JSONB(none_as_null=True)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        """To JSON."""
        return None if value is None else value.model_dump(mode="json")

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        """From JSON."""
        return None if value is None else Reason.model_validate(value)


class StoredReasons(TypeDecorator[list[Reason]]):
    """Reasons as JSON: codes and values, never sentences."""

    impl = JSONB
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        """To JSON."""
        return None if value is None else dump(value)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        """From JSON."""
        return None if value is None else load(value)


Id = Annotated[uuid.UUID, mapped_column(primary_key=True, default=new_id)]
Created = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=func.now())]
Moment = Annotated[datetime, mapped_column(DateTime(timezone=True))]
Json = Annotated[dict[str, Any], mapped_column(JSONB)]
Names = Annotated[list[str], mapped_column(JSONB)]
Reasons = Annotated[list[Reason], mapped_column(StoredReasons)]
LongText = Annotated[str, mapped_column(Text)]
PastSum = Annotated[Decimal, mapped_column(server_default="0")]


ONLINE_ROLE = "tonebridge_online"  # the gateway's rights in the database; see migration 0002
READING_ROLE = "tonebridge_reading"  # the dashboard's rights; see migration 0013
GATEWAY_LOGIN, DASHBOARD_LOGIN = "tonebridge_gateway", "tonebridge_dashboard"  # see migration 0017


class Base(DeclarativeBase):
    """Names constraints by rule, so that migrations can drop them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Organisation(Base):
    """A tenant."""

    __tablename__ = "organisations"
    __table_args__ = (CheckConstraint("plan IN ('free', 'team', 'scale')", name="plan"),)

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(200), unique=True)
    plan: Mapped[str] = mapped_column(
        String(20), server_default="free", comment="name of a plan in configs/plans.yaml"
    )
    trains_across: Mapped[bool] = mapped_column(
        server_default="false", comment="whether its feedback may train other organisations' models"
    )
    trains_by_default: Mapped[bool] = mapped_column(
        server_default="true", comment="consent of its people who have not answered"
    )
    origins: Mapped[list[str]] = mapped_column(
        ARRAY(Text),
        server_default="{}",
        comment="of the web pages that may use its tokens, and its keys without a list of their own",
    )
    origins_revision: Mapped[int] = mapped_column(
        server_default="0", comment="counts the changes of origins, for gateways to notice"
    )
    created_at: Mapped[Created]


_PREFERRED = "for clients to preselect; NULL: no preference"


class User(Base):
    """A person: a JWT's subject, or an id that an API key asserts, scoped to that key."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("preferred_language IN ('en', 'ja')", name="preferred_language"),
        CheckConstraint("preferred_intensity BETWEEN 0 AND 3", name="preferred_intensity"),
    )

    id: Mapped[Id]
    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"))
    key_id: Mapped[str | None] = mapped_column(String(16))
    external_id: Mapped[str | None] = mapped_column(String(200))
    consents_to_training: Mapped[bool | None] = mapped_column(
        comment="NULL: not answered, so the organisation's default applies"
    )
    preferred_language: Mapped[str | None] = mapped_column(String(2), comment=_PREFERRED)
    preferred_transform_type: Mapped[str | None] = mapped_column(String(20), comment=_PREFERRED)
    preferred_intensity: Mapped[int | None] = mapped_column(SmallInteger, comment=_PREFERRED)
    tour_closed: Mapped[bool | None] = mapped_column(
        comment="of the web app, for new people; NULL: it was never closed"
    )
    created_at: Mapped[Created]


class ApiKey(Base):
    """An API key: the public id finds it; of the secret only the SHA-256 is stored."""

    __tablename__ = "api_keys"
    __table_args__ = (
        CheckConstraint("NOT is_browser OR (role = 'member' AND NOT requires_signatures)", name="browser"),
        Index("ix_api_keys_listed", "organisation_id", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"))
    name: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(20), server_default="member")
    secret_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    requires_signatures: Mapped[bool] = mapped_column(
        server_default="false",
        comment="whether requests with this key are refused unless one of its secrets has signed them",
    )
    signing_revision: Mapped[int] = mapped_column(
        server_default="0",
        comment="counts the changes of requires_signatures and of the key's secrets, for gateways to notice",
    )
    is_browser: Mapped[bool] = mapped_column(
        server_default="false",
        comment="whether it is in web pages, where everybody reads it: it may only rewrite and vote",
    )
    origins: Mapped[list[str] | None] = mapped_column(
        ARRAY(Text), comment="of the web pages that may use it; NULL: those of its organisation"
    )
    origins_revision: Mapped[int] = mapped_column(
        server_default="0",
        comment="counts the changes of origins and of rewrites_a_day, for gateways to notice",
    )
    rewrites_a_day: Mapped[int | None] = mapped_column(
        comment="the quota of a key that is in web pages; NULL: the default of these keys, none of others"
    )
    created_at: Mapped[Created]
    revoked_at: Mapped[Moment | None]


class RequestSecret(Base):
    """A secret that signs requests with an API key (RFC 9421)."""

    __tablename__ = "request_secrets"
    __table_args__ = (CheckConstraint("(secret IS NULL) = (revoked_at IS NOT NULL)", name="revoked"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True, comment="the keyid of signatures")
    key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id"), index=True)
    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"))
    secret: Mapped[bytes | None] = mapped_column(
        LargeBinary, comment="as it is, since HMAC needs it; NULL: revoked"
    )
    created_at: Mapped[Created]
    revoked_at: Mapped[Moment | None]


class StoredSigningKey(Base):
    """A key that an organisation signs its tokens (JWT) with. The key, not the token, sets the algorithm."""

    __tablename__ = "signing_keys"
    __table_args__ = (
        CheckConstraint("algorithm IN ('HS256', 'EdDSA')", name="algorithm"),
        UniqueConstraint("kid", "key"),  # so that a signature belongs to one organisation
        Index("ix_signing_keys_listed", "organisation_id", "created_at", "kid"),
    )

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"), primary_key=True)
    algorithm: Mapped[str] = mapped_column(String(10))
    key: Mapped[bytes] = mapped_column(LargeBinary, comment="HS256: the secret; EdDSA: the public key")
    role: Mapped[str] = mapped_column(String(20), comment="role of every token that this key signs")
    created_at: Mapped[Created]
    revoked_at: Mapped[Moment | None]


class KeyChange(Base):
    """Who made, changed or revoked a key, a secret or a token: see `data.people.key_changes`. Gateways only
    add rows.
    """

    __tablename__ = "key_changes"
    __table_args__ = (Index("ix_key_changes_listed", "organisation_id", "id"),)

    id: Mapped[Id]
    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"))
    action: Mapped[str] = mapped_column(String(40))
    key_id: Mapped[str | None] = mapped_column(String(16), comment="the API key; NULL: it is about none")
    secret_id: Mapped[str | None] = mapped_column(String(64), comment="the secret of the API key")
    kid: Mapped[str | None] = mapped_column(String(64), comment="the signing key, or that of the token")
    jti: Mapped[str | None] = mapped_column(String(200), comment="the token, as in `revoked_tokens`")
    origins: Mapped[list[str] | None] = mapped_column(
        ARRAY(Text), comment="the new list; NULL: none, or that of the organisation"
    )
    rewrites_a_day: Mapped[int | None] = mapped_column(comment="the new quota of a key for web pages")
    changed_by: Mapped[LongText] = mapped_column(comment="as in `decisions`; a token's subject may be long")
    changed_at: Mapped[Created]


class RevokedToken(Base):
    """A token that is refused before it expires; the row is deleted after that time."""

    __tablename__ = "revoked_tokens"

    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"), primary_key=True)
    jti: Mapped[str] = mapped_column(
        String(200), primary_key=True, comment="the token's jti, or a digest of a token that has none"
    )
    expires_at: Mapped[Moment]


class Account(Base):
    """A person who signs in with an e-mail address and a password."""

    __tablename__ = "accounts"
    __table_args__ = (UniqueConstraint("email"), UniqueConstraint("user_id"))

    id: Mapped[Id]
    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"), index=True)
    user_id: Mapped[uuid.UUID] = mapped_column(
        comment="id in users that owns this account's answers and votes; that row is created with the "
        "first of them. It equals the account's id, which no key and no token can name; older "
        "accounts have another id, listed in reserved_people"
    )
    email: Mapped[str] = mapped_column(String(254), comment="in lower case")
    name: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(20))
    password_hash: Mapped[str] = mapped_column(Text, comment="Argon2id, with its parameters")
    created_at: Mapped[Created]


class AccountSession(Base):
    """A sign-in. It has one valid refresh token at a time and ends when an older one is used."""

    __tablename__ = "account_sessions"

    id: Mapped[Id]
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    refresh_sha256: Mapped[bytes] = mapped_column(
        LargeBinary, comment="digest of the newest refresh token's secret"
    )
    former_sha256: Mapped[list[bytes]] = mapped_column(
        ARRAY(LargeBinary),
        server_default="{}",
        comment="digests of the refresh tokens before it, newest first, a bounded number",
    )
    source: Mapped[bytes | None] = mapped_column(
        LargeBinary, comment="keyed digest of the e-mail address and the network address at sign-in"
    )
    device: Mapped[str | None] = mapped_column(
        String(60), comment="as the client described it at sign-in; NULL: it did not"
    )
    created_at: Mapped[Created]
    refreshed_at: Mapped[Created]
    expires_at: Mapped[Moment]
    ended_at: Mapped[Moment | None]
    ended_because: Mapped[str | None] = mapped_column(
        String(20), comment="signed_out, reused, password_changed or ended_elsewhere"
    )


class ReservedPerson(Base):
    """A person whom no token may name: the owner of an account that is older than migration 0015."""

    __tablename__ = "reserved_people"

    user_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)


class WatchedPerson(Base):
    """A person whose answers a gateway shows as they are made; see `data.traffic.notices`."""

    __tablename__ = "watched_people"

    user_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    until: Mapped[Moment]


class StoredSpec(Base):
    """A spec by its digest: everything that determines an output."""

    __tablename__ = "specs"

    digest: Mapped[str] = mapped_column(String(32), primary_key=True)
    spec: Mapped[Json]
    created_at: Mapped[Created]


class Output(Base):
    """One generated text: immutable, and stored before it is first sent to a person."""

    __tablename__ = "outputs"
    __table_args__ = (CheckConstraint("intensity BETWEEN 0 AND 3", name="intensity"),)

    id: Mapped[Id]
    organisation_id: Mapped[uuid.UUID] = mapped_column(index=True)
    message: Mapped[LongText]
    transform_type: Mapped[str] = mapped_column(String(20))
    intensity: Mapped[int] = mapped_column(SmallInteger)
    text: Mapped[LongText]
    facts_missing: Mapped[Names]
    unchanged: Mapped[Reason | None] = mapped_column(
        StoredReason, comment="why the text is the message itself; NULL: the model wrote it"
    )
    spec_digest: Mapped[str] = mapped_column(String(32))
    version: Mapped[str] = mapped_column(String(63), index=True)
    seed: Mapped[int | None]
    upstream_ms: Mapped[float]
    prompt_tokens: Mapped[int | None] = mapped_column(
        comment="tokens read for all drafts; NULL: not counted, by an earlier release"
    )
    tokens: Mapped[int | None] = mapped_column(comment="tokens written for all drafts; NULL: not counted")
    cost_usd: Mapped[float | None] = mapped_column(
        comment="the price of these tokens; 0 for a model of ours; NULL: not counted"
    )
    dictionary_digest: Mapped[str] = mapped_column(
        String(32), server_default="", comment="of the terms of dictionaries that the message has; '': none"
    )
    has_dictionary_words: Mapped[bool] = mapped_column(
        server_default="false",
        comment="whether the text may have wordings of a dictionary; no snapshot has such a text",
    )
    release: Mapped[str | None] = mapped_column(
        String(64), comment="of the inference service that wrote it; NULL: an earlier one"
    )
    created_at: Mapped[Created]


class Withdrawal(Base):
    """A release whose outputs left the caches: the gateways empty theirs when there is a new row."""

    __tablename__ = "withdrawals"

    id: Mapped[Id]
    release: Mapped[str] = mapped_column(String(64))
    withdrawn_at: Mapped[Moment] = mapped_column(server_default=func.clock_timestamp())


class Answer(Base):
    """One reply to one person: ids only. Partitioned by the day in the id; see `data.traffic.answers`."""

    __tablename__ = "answers"
    __table_args__ = (
        Index("ix_answers_of_user", "user_id", "id"),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    id: Mapped[Id]
    output_id: Mapped[uuid.UUID]
    organisation_id: Mapped[uuid.UUID]
    user_id: Mapped[uuid.UUID]
    experiment_id: Mapped[uuid.UUID | None]
    variant: Mapped[str] = mapped_column(String(63))
    epoch: Mapped[int]
    cache: Mapped[str] = mapped_column(String(4))
    fell_back: Mapped[bool]
    total_ms: Mapped[float]
    locale: Mapped[str | None] = mapped_column(
        String(44), comment="language tag that the request named; NULL: none, or stored by an earlier release"
    )
    channel: Mapped[str | None] = mapped_column(
        String(40), comment="where the message was sent, as the request named it; NULL: likewise"
    )


class Usage(Base):
    """Number of answers to an organisation in a month (UTC), which its quota limits."""

    __tablename__ = "usage"

    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"), primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    answers: Mapped[int] = mapped_column(BigInteger)
    quota: Mapped[int | None] = mapped_column(
        BigInteger, comment="answers that the plan allowed in this month, as of the last one; NULL: no limit"
    )


class IdempotentRequest(Base):
    """The stored reply to a request with an Idempotency-Key: a repeated request gets the same reply."""

    __tablename__ = "idempotent_requests"

    organisation_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    request_digest: Mapped[bytes] = mapped_column(LargeBinary, comment="digest of route and body")
    status: Mapped[int | None] = mapped_column(SmallInteger, comment="NULL: the first request is in progress")
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[Created]


class JobBatch(Base):
    """Messages that one request gave to the queue; each of them is a job."""

    __tablename__ = "job_batches"
    __table_args__ = (
        UniqueConstraint("organisation_id", "key"),
        Index("ix_job_batches_listed", "organisation_id", "id"),
    )

    id: Mapped[Id]
    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"))
    requested_by: Mapped[LongText] = mapped_column(comment="as in `decisions`; a token's subject may be long")
    key: Mapped[str | None] = mapped_column(
        String(64), comment="digest of requester and Idempotency-Key: a repetition makes no second batch"
    )
    request_digest: Mapped[bytes] = mapped_column(LargeBinary, comment="of everything that was requested")
    messages: Mapped[int]
    created_at: Mapped[Created]


class Job(Base):
    """Work that a worker does later, exactly once: see `data.jobs.queue`."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(
            "state IN ('waiting', 'running', 'done', 'dead', 'cancelled', 'replayed')", name="state"
        ),
        CheckConstraint("(state = 'running') = (leased_by IS NOT NULL)", name="lease"),
        UniqueConstraint("organisation_id", "kind", "key"),
        Index(
            "ix_jobs_open",
            "kind",
            "organisation_id",
            "available_at",
            "id",
            postgresql_where=text("state IN ('waiting', 'running')"),
        ),
        Index(
            "ix_jobs_counted",
            "kind",
            "state",
            "available_at",
            postgresql_where=text("state IN ('waiting', 'running', 'dead')"),
        ),
        Index("ix_jobs_listed", "organisation_id", "state", "id"),
        Index(
            "ix_jobs_of_batch", "batch_id", "place", postgresql_include=["organisation_id", "state"]
        ),  # progress is read from the index alone
        Index("ix_jobs_ended", "done_at"),
        Index(None, "user_id"),
        Index("ix_jobs_of_webhook", "webhook_id", "id", postgresql_where=text("webhook_id IS NOT NULL")),
        Index(
            "ix_jobs_open_of_webhook",
            "webhook_id",
            postgresql_where=text("webhook_id IS NOT NULL AND state IN ('waiting', 'running')"),
        ),
        Index(
            "ix_jobs_open_of_inbound",
            "user_id",
            postgresql_where=text("kind = 'inbound' AND state IN ('waiting', 'running')"),
        ),
    )

    id: Mapped[Id]
    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"))
    kind: Mapped[str] = mapped_column(String(20))
    payload: Mapped[Json]
    key: Mapped[str] = mapped_column(String(200), comment="equal work of an organisation is enqueued once")
    state: Mapped[str] = mapped_column(String(10), server_default="waiting")
    available_at: Mapped[Created] = mapped_column(
        comment="from when a worker may claim it; while it runs, the end of its lease"
    )
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0", comment="that have begun")
    leased_by: Mapped[uuid.UUID | None] = mapped_column(comment="id of the worker that runs it")
    errors: Mapped[list[dict[str, Any]]] = mapped_column(
        JSONB, server_default="[]", comment="attempt, time and reasons of each failure"
    )
    batch_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("job_batches.id", ondelete="CASCADE"))
    place: Mapped[int | None] = mapped_column(comment="of a message in its batch, from 0")
    user_id: Mapped[uuid.UUID | None] = mapped_column(comment="the person whose message it is")
    webhook_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("webhooks.id", ondelete="CASCADE"), comment="where it delivers an event to"
    )
    requested_by: Mapped[LongText] = mapped_column(
        comment="as in `decisions`, or event:<type>; a token's subject may be long"
    )
    replayed_from: Mapped[uuid.UUID | None] = mapped_column(comment="the dead job that it repeats")
    ended_by: Mapped[LongText | None] = mapped_column(comment="who cancelled or replayed it")
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    created_at: Mapped[Created]
    done_at: Mapped[Moment | None] = mapped_column(comment="when it got its last state")


class JobChange(Base):
    """Who tried dead jobs again, cancelled a batch or took an export: see `data.jobs.changes`. Gateways only
    add rows.
    """

    __tablename__ = "job_changes"
    __table_args__ = (Index("ix_job_changes_listed", "organisation_id", "id"),)

    id: Mapped[Id]
    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"))
    action: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(20), comment="of the jobs")
    jobs: Mapped[int] = mapped_column(comment="how many")
    job_id: Mapped[uuid.UUID | None] = mapped_column(comment="the only one; NULL: there may be several")
    batch_id: Mapped[uuid.UUID | None] = mapped_column(comment="the batch that they are of")
    webhook_id: Mapped[uuid.UUID | None] = mapped_column(comment="the webhook that they deliver to")
    changed_by: Mapped[LongText] = mapped_column(comment="as in `decisions`; a token's subject may be long")
    changed_at: Mapped[Created]


class JobFile(Base):
    """A part of the file that a job has made."""

    __tablename__ = "job_files"
    __table_args__ = (Index(None, "organisation_id"),)

    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    part: Mapped[int] = mapped_column(primary_key=True, comment="from 0")
    organisation_id: Mapped[uuid.UUID]
    content: Mapped[bytes] = mapped_column(LargeBinary)


class Webhook(Base):
    """An address that gets events of an organisation: see `data.webhooks`."""

    __tablename__ = "webhooks"
    __table_args__ = (Index(None, "organisation_id"),)

    id: Mapped[Id]
    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"))
    url: Mapped[str] = mapped_column(Text)
    events: Mapped[list[str]] = mapped_column(ARRAY(String(40)))
    description: Mapped[str] = mapped_column(String(200))
    secret: Mapped[bytes] = mapped_column(LargeBinary, comment="signs its deliveries (HMAC-SHA256)")
    former_secret: Mapped[bytes | None] = mapped_column(LargeBinary, comment="signs them too, until a time")
    former_until: Mapped[Moment | None]
    created_by: Mapped[LongText] = mapped_column(comment="as in `decisions`; a token's subject may be long")
    created_at: Mapped[Created]
    failing_since: Mapped[Moment | None] = mapped_column(
        comment="the first failed attempt since the last delivery, or since two days without one"
    )
    failed_at: Mapped[Moment | None] = mapped_column(comment="the last failed attempt")
    failures: Mapped[int] = mapped_column(server_default="0", comment="since the last delivery")
    retry_at: Mapped[Moment | None] = mapped_column(comment="until then nothing is sent to it")
    skipped: Mapped[int] = mapped_column(
        BigInteger, server_default="0", comment="events that were not enqueued, since too many waited"
    )
    disabled_at: Mapped[Moment | None]
    disabled_reason: Mapped[Reason | None] = mapped_column(StoredReason, comment="NULL: a person disabled it")


class ChannelInstallation(Base):
    """A workspace of a chat platform that an organisation has connected: see `data.channels`."""

    __tablename__ = "channel_installations"
    __table_args__ = (UniqueConstraint("platform", "workspace"),)

    id: Mapped[Id]
    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"), index=True)
    platform: Mapped[str] = mapped_column(String(20))
    workspace: Mapped[str] = mapped_column(String(200), comment="the platform's id of it")
    name: Mapped[str] = mapped_column(String(200))
    key_id: Mapped[str] = mapped_column(
        ForeignKey("api_keys.id"), comment="the API key that vouches for its people"
    )
    sealed: Mapped[bytes] = mapped_column(
        LargeBinary, comment="the platform's token and that key, encrypted: see serving/channels/vault.py"
    )
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String(100)))
    installed_by: Mapped[LongText] = mapped_column(comment="as in `decisions`, or operator")
    installed_at: Mapped[Created]


class ChannelLink(Base):
    """A person of a chat platform who has agreed to be a user: see `data.channels`."""

    __tablename__ = "channel_links"
    __table_args__ = (Index(None, "user_id"),)

    installation_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("channel_installations.id", ondelete="CASCADE"), primary_key=True
    )
    person: Mapped[str] = mapped_column(String(200), primary_key=True, comment="the platform's id of them")
    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"), index=True)
    user_id: Mapped[uuid.UUID]
    language: Mapped[str] = mapped_column(String(2), comment="in which the platform shows itself to them")
    agreed_at: Mapped[Created]
    wants_proposals: Mapped[bool] = mapped_column(
        server_default=false(), comment="whether rules are tried on what they write in channels"
    )


class InboundWebhook(Base):
    """Where another tool sends messages, and where their rewrites go: see `data.inbound`."""

    __tablename__ = "inbound_webhooks"
    __table_args__ = (
        CheckConstraint("verification IN ('standard', 'hub', 'token')", name="verification"),
        CheckConstraint("reply_form IN ('text', 'answer')", name="reply_form"),
    )

    id: Mapped[Id]
    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"), index=True)
    key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id"), comment="the API key that rewrites for it")
    sealed_key: Mapped[bytes] = mapped_column(
        LargeBinary, comment="that key, encrypted: see serving/channels/inbound/credentials.py"
    )
    name: Mapped[str] = mapped_column(String(200))
    verification: Mapped[str] = mapped_column(String(10))
    secret: Mapped[bytes] = mapped_column(
        LargeBinary, comment="what verifies its requests, encrypted; of a token the SHA-256"
    )
    former_secret: Mapped[bytes | None] = mapped_column(
        LargeBinary, comment="what verifies them too, until a time"
    )
    former_until: Mapped[Moment | None]
    text_pointer: Mapped[str] = mapped_column(String(1000), comment="RFC 6901")
    transform_type: Mapped[str] = mapped_column(String(20))
    intensity: Mapped[int] = mapped_column(SmallInteger)
    reply_url: Mapped[str] = mapped_column(Text)
    reply_form: Mapped[str] = mapped_column(String(10))
    delivers_unchanged: Mapped[bool]
    created_by: Mapped[LongText] = mapped_column(comment="as in `decisions`; a token's subject may be long")
    created_at: Mapped[Created]
    failures: Mapped[int] = mapped_column(server_default="0", comment="since the last delivery")
    retry_at: Mapped[Moment | None] = mapped_column(comment="until then nothing is sent to it")


class DictionaryTerm(Base):
    """A term of an organisation or of a person: see `data.people.dictionaries`."""

    __tablename__ = "dictionary_terms"
    __table_args__ = (
        CheckConstraint("rule IN ('keep', 'explain', 'replace')", name="rule"),
        CheckConstraint("(rule = 'keep') = (wording = '')", name="wording"),
        UniqueConstraint("organisation_id", "user_id", "folded", postgresql_nulls_not_distinct=True),
    )

    id: Mapped[Id]
    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"))
    user_id: Mapped[uuid.UUID | None] = mapped_column(comment="whose term it is; NULL: the organisation's")
    term: Mapped[str] = mapped_column(String(100))
    folded: Mapped[str] = mapped_column(String(100), comment="the same for spellings that differ in case")
    rule: Mapped[str] = mapped_column(String(10))
    wording: Mapped[str] = mapped_column(
        String(300), comment="explains the term, or is said in its place; '' of a term that is kept"
    )
    created_by: Mapped[LongText] = mapped_column(comment="as in `decisions`; a token's subject may be long")
    created_at: Mapped[Created]


class Dictionary(Base):
    """The revision of a dictionary, for gateways to notice its changes. A trigger writes it."""

    __tablename__ = "dictionaries"
    __table_args__ = (UniqueConstraint("organisation_id", "user_id", postgresql_nulls_not_distinct=True),)

    revision: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False, comment="increases in the order of the commits"
    )
    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"))
    user_id: Mapped[uuid.UUID | None] = mapped_column(comment="whose it is; NULL: the organisation's")


class TransformRule(Base):
    """A rule that proposes a rewrite of a message: see `data.rules`."""

    __tablename__ = "transform_rules"
    __table_args__ = (Index(None, "organisation_id", "user_id"),)

    id: Mapped[Id]
    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"))
    user_id: Mapped[uuid.UUID | None] = mapped_column(comment="whose rule it is; NULL: the organisation's")
    name: Mapped[str] = mapped_column(String(200))
    conditions: Mapped[list[Any]] = mapped_column(JSONB, comment="all must hold")
    transform_type: Mapped[str] = mapped_column(String(20))
    intensity: Mapped[int] = mapped_column(SmallInteger)
    priority: Mapped[int] = mapped_column(SmallInteger, comment="1 is tried first")
    enabled: Mapped[bool]
    created_by: Mapped[LongText] = mapped_column(comment="as in `decisions`; a token's subject may be long")
    created_at: Mapped[Created]


class RuleChange(Base):
    """Who changed a rule, and how: the audit of `transform_rules`. Gateways only add rows."""

    __tablename__ = "rule_changes"
    __table_args__ = (
        CheckConstraint("former IS NOT NULL OR present IS NOT NULL", name="change"),
        Index(None, "organisation_id", "user_id"),
    )

    id: Mapped[Id]
    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"))
    user_id: Mapped[uuid.UUID | None] = mapped_column(comment="whose rule it is; NULL: the organisation's")
    rule_id: Mapped[uuid.UUID] = mapped_column(comment="the rule may be deleted")
    former: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB(none_as_null=True), comment="the rule before; NULL: it is new"
    )
    present: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB(none_as_null=True), comment="the rule since then; NULL: it is deleted"
    )
    changed_by: Mapped[LongText] = mapped_column(comment="as in `decisions`; a token's subject may be long")
    changed_at: Mapped[Created]


class AppFeedback(Base):
    """What a person says about the app itself: see `data.people.app_feedback`."""

    __tablename__ = "app_feedback"
    __table_args__ = (
        CheckConstraint("about IN ('idea', 'problem', 'praise')", name="about"),
        Index("ix_app_feedback_listed", "organisation_id", "id"),
        Index("ix_app_feedback_of_person", "user_id", "created_at"),
    )

    id: Mapped[Id]
    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"))
    user_id: Mapped[uuid.UUID]
    about: Mapped[str] = mapped_column(String(10))
    comment: Mapped[str] = mapped_column(Text)
    may_answer: Mapped[bool] = mapped_column(comment="admins are shown who wrote it only then")
    created_at: Mapped[Created]


class Comparison(Base):
    """Two outputs of one message, shown to one person in random order; not counted in A/B metrics."""

    __tablename__ = "comparisons"
    __table_args__ = (
        CheckConstraint("(pair_id IS NULL) = (people IS NULL)", name="pair"),
        UniqueConstraint("pair_id", "user_id"),  # a person sees the same two outputs once
        Index("ix_comparisons_user_id", "user_id", "id", postgresql_where=text("pair_id IS NOT NULL")),
        Index("ix_comparisons_shared", "organisation_id", "pair_id", postgresql_where=text("people > 1")),
        Index("ix_comparisons_own", "organisation_id", "id", postgresql_where=text("is_own")),
    )

    id: Mapped[Id]
    organisation_id: Mapped[uuid.UUID] = mapped_column(index=True)
    user_id: Mapped[uuid.UUID]
    policy: Mapped[str] = mapped_column(
        String(40), comment="two_samples, champion_against_challenger, or between_challengers"
    )
    first_output_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("outputs.id"), comment="the output that is shown first"
    )
    second_output_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("outputs.id"))
    pair_id: Mapped[uuid.UUID | None] = mapped_column(
        comment="shared by all comparisons of the same two outputs: id of the first one; NULL: not "
        "made on the page"
    )
    people: Mapped[int | None] = mapped_column(SmallInteger, comment="number of people to show the pair to")
    skipped_at: Mapped[Moment | None]
    is_own: Mapped[bool] = mapped_column(
        server_default=false(), comment="the person typed the message on the page"
    )
    created_at: Mapped[Created]


class Feedback(Base):
    """A person's vote on an output: one row for each person, output and kind. A later vote replaces it, and
    its earlier value goes to `replaced_votes`.
    """

    __tablename__ = "feedback"
    __table_args__ = (
        UniqueConstraint("output_id", "user_id", "kind"),
        CheckConstraint("kind IN ('thumb', 'rating', 'edit', 'comparison', 'comment')", name="kind"),
        CheckConstraint("rating BETWEEN 1 AND 5", name="rating"),
        CheckConstraint(
            "(kind = 'thumb') = (thumb_up IS NOT NULL) AND (kind = 'rating') = (rating IS NOT NULL)"
            " AND (kind IN ('edit', 'comment')) = (text IS NOT NULL)"
            " AND (kind = 'comparison') = (comparison_id IS NOT NULL)",
            name="value",
        ),
        CheckConstraint("reason IS NULL OR kind = 'comparison'", name="reason"),
        Index("ix_feedback_transaction", "transaction"),
        Index("ix_feedback_experiment_id", "experiment_id", "created_at"),
        Index("ix_feedback_user_id", "user_id", "created_at"),
    )

    id: Mapped[Id]
    organisation_id: Mapped[uuid.UUID] = mapped_column(index=True)
    user_id: Mapped[uuid.UUID]
    output_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("outputs.id"))
    kind: Mapped[str] = mapped_column(String(20))
    thumb_up: Mapped[bool | None]
    rating: Mapped[int | None] = mapped_column(SmallInteger)
    text: Mapped[str | None] = mapped_column(Text, comment="the corrected rewrite, or the comment")
    edit_distance: Mapped[float | None] = mapped_column(comment="share of the output that an edit changes")
    comparison_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("comparisons.id"))
    preferred_output_id: Mapped[uuid.UUID | None] = mapped_column(
        comment="NULL in a comparison: both outputs are bad"
    )
    reason: Mapped[str | None] = mapped_column(
        Text, comment="why the person chose so in a comparison, in words"
    )
    experiment_id: Mapped[uuid.UUID | None]
    variant: Mapped[str | None] = mapped_column(String(63))
    epoch: Mapped[int | None]
    created_at: Mapped[Created]
    updated_at: Mapped[Created]
    transaction: Mapped[int] = mapped_column(
        Xid8,
        server_default=func.pg_current_xact_id(),
        comment="transaction of the newest vote; orders rows by commit",
    )


class ReplacedVote(Base):
    """An earlier value of a vote, until `replaced_at`. A trigger on `feedback` stores it (migration 0024).

    It goes with the vote's row: erasure and retention need no user here.
    """

    __tablename__ = "replaced_votes"
    __table_args__ = (Index("ix_replaced_votes_feedback_id", "feedback_id", "replaced_at"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    feedback_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("feedback.id", ondelete="CASCADE"))
    replaced_at: Mapped[Moment]
    thumb_up: Mapped[bool | None]
    rating: Mapped[int | None] = mapped_column(SmallInteger)
    edit_distance: Mapped[float | None]


class Experiment(Base):
    """A comparison of variants between users, with a plan that is frozen when it starts."""

    __tablename__ = "experiments"
    __table_args__ = (
        CheckConstraint(
            "status IN ('draft', 'running', 'paused', 'shipped', 'rolled_back', 'stopped', 'holdout',"
            " 'discarded')",
            name="status",
        ),
        Index("ix_experiments_listed", "created_at", "id"),
    )

    id: Mapped[Id]
    organisation_id: Mapped[uuid.UUID | None] = mapped_column(comment="NULL: all organisations")
    name: Mapped[str] = mapped_column(String(200))
    hypothesis: Mapped[LongText]
    plan: Mapped[Json] = mapped_column(
        comment="primary metric, guardrails, margins, minimum run: frozen at start"
    )
    target: Mapped[Json] = mapped_column(server_default="{}", comment="which messages the experiment covers")
    salt: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(20), server_default="draft")
    is_sample: Mapped[bool] = mapped_column(
        server_default=false(), comment="made up to show what a page looks like"
    )
    created_at: Mapped[Created]
    started_at: Mapped[Moment | None]
    ended_at: Mapped[Moment | None]
    seen_until: Mapped[int] = mapped_column(
        BigInteger, server_default="0", comment="transaction id; exposures of older transactions are counted"
    )
    caps: Mapped[dict[str, float] | None] = mapped_column(
        JSONB(none_as_null=True),
        comment="upper limits of a user's quantity that percentiles of the time before the start have set, by"
        " metric; NULL before the first analysis",
    )


class Variant(Base):
    """An arm of an experiment; it names a spec."""

    __tablename__ = "variants"

    experiment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("experiments.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    spec_digest: Mapped[str] = mapped_column(ForeignKey("specs.digest"))
    is_baseline: Mapped[bool]
    dropped_at: Mapped[Moment | None] = mapped_column(
        comment="when a challenger was withdrawn while the experiment went on with the others"
    )


class Epoch(Base):
    """A period in which the routing (specs, experiments, weights) is constant; gateways acknowledge it."""

    __tablename__ = "epochs"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    routing: Mapped[Json]
    reasons: Mapped[Reasons]
    started_at: Mapped[Created]


class Gateway(Base):
    """A live gateway process and the newest epoch that it uses."""

    __tablename__ = "gateways"

    id: Mapped[Id]
    epoch: Mapped[int]
    seen_at: Mapped[Created]


class Exposure(Base):
    """A user's first answer from a variant in an epoch of its experiment, cache hits included."""

    __tablename__ = "exposures"
    __table_args__ = (Index("ix_exposures_transaction", "experiment_id", "transaction"),)

    experiment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("experiments.id"), primary_key=True)
    user_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    variant: Mapped[str] = mapped_column(String(63), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    organisation_id: Mapped[uuid.UUID]
    answer_id: Mapped[uuid.UUID]
    exposed_at: Mapped[Moment]
    transaction: Mapped[int] = mapped_column(Xid8, server_default=func.pg_current_xact_id())


class Failure(Base):
    """Number of a user's requests in an arm that got no answer; one row covers a fraction of a second."""

    __tablename__ = "failures"
    __table_args__ = (Index("ix_failures_experiment_id", "experiment_id", "id"),)

    id: Mapped[Id]
    experiment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("experiments.id"))
    variant: Mapped[str] = mapped_column(String(63))
    epoch: Mapped[int]
    organisation_id: Mapped[uuid.UUID]
    user_id: Mapped[uuid.UUID]
    failures: Mapped[int]


class ExperimentUnit(Base):
    """An organisation in an experiment between organisations: the arm and the time of its first exposure.

    Users have no rows: `experiments.outcomes` finds them in `exposures`, since the upkeep of another index of
    ten million users took longer than the rest of what an analysis stores. Rows of users are of former
    releases, and unused (migration 0052). There is no foreign key: the refresh that inserts rows holds the
    experiment's row.
    """

    __tablename__ = "units"

    experiment_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    unit_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    period: Mapped[int] = mapped_column(
        primary_key=True,
        comment="holdout: the epoch, because each champion is measured separately; otherwise 0",
    )
    epoch: Mapped[int]
    variant: Mapped[str] = mapped_column(String(63))
    entered_at: Mapped[Moment]
    moved: Mapped[bool] = mapped_column(server_default=false(), comment="was later exposed to another arm")


class OpenUnit(Base):
    """A unit (a user or an organisation) of an experiment whose observation window is open: its outcomes are
    not counted yet.

    Its experiment has no foreign key: the check of each of 50,000 new rows takes longer than their insertion,
    and the refresh that inserts them holds the experiment's row.
    """

    __tablename__ = "open_units"
    __table_args__ = (Index("ix_open_units_entered_at", "experiment_id", "entered_at"),)

    experiment_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    unit_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    period: Mapped[int] = mapped_column(primary_key=True, comment="same as in units")
    epoch: Mapped[int]
    variant: Mapped[str] = mapped_column(String(63))
    entered_at: Mapped[Moment]


class CountedVoter(Base):
    """A person whose votes between two versions of an experiment are counted; nothing changes them later.

    An erasure removes the person's id and keeps the votes.
    """

    __tablename__ = "counted_voters"
    __table_args__ = (
        UniqueConstraint("experiment_id", "challenger", "opponent", "user_id"),
        Index(None, "user_id"),
    )

    id: Mapped[Id]
    experiment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("experiments.id"))
    challenger: Mapped[str] = mapped_column(String(63))
    opponent: Mapped[str] = mapped_column(
        String(63), comment="the version that it is compared with: the baseline, or another challenger"
    )
    user_id: Mapped[uuid.UUID | None] = mapped_column(comment="NULL: the person was erased")
    key_id: Mapped[str | None] = mapped_column(
        String(16),
        comment="API key that names the person; NULL: signed in, or a key of the organisation that runs "
        "the installation",
    )
    complete_at: Mapped[Moment] = mapped_column(comment="when the person had cast all votes that could count")
    message_ids: Mapped[list[uuid.UUID]] = mapped_column(
        ARRAY(Uuid),
        comment="messages of the decided votes: a digest of a shipped message, else the comparison",
    )
    wins: Mapped[list[bool]] = mapped_column(
        ARRAY(Boolean), comment="whether each of these votes preferred the challenger"
    )
    ties: Mapped[int]
    shown_message_ids: Mapped[list[uuid.UUID] | None] = mapped_column(
        ARRAY(Uuid),
        comment="messages of the first pairs that the page showed the person, also without a vote;"
        " NULL: not recorded",
    )
    shown_tasks: Mapped[list[str] | None] = mapped_column(
        ARRAY(Text), comment="transform type and intensity of each of these pairs, such as 'soften 2'"
    )


class Judgement(Base):
    """A judge's preference between the rewrites of a shipped message by champion and challenger. The judge
    has read them in both orders.
    """

    __tablename__ = "judgements"

    experiment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("experiments.id"), primary_key=True)
    challenger: Mapped[str] = mapped_column(String(63), primary_key=True)
    judge: Mapped[str] = mapped_column(String(200), primary_key=True, comment="name of its model")
    message_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, comment="digest of the message, as in counted_voters"
    )
    task: Mapped[str] = mapped_column(
        String(30), primary_key=True, comment="transform type and intensity, such as 'soften 2'"
    )
    is_sampled: Mapped[bool] = mapped_column(
        comment="drawn at random; otherwise judged because a person saw it"
    )
    preference: Mapped[float | None] = mapped_column(
        comment="1: the challenger's rewrite, 0: the champion's, 0.5: neither, or it changed with the order;"
        " NULL: people do not see the pair, since both rewrites are the same or a version wrote none"
    )
    judged_at: Mapped[Created]


class TrafficSummary(Base):
    """What recent users did, in sums, to plan experiments: `experiments.history`. It identifies nobody."""

    __tablename__ = "traffic_summaries"

    measured_at: Mapped[Moment] = mapped_column(primary_key=True)
    summary: Mapped[Json]


class ArmCount(Base):
    """Number of units of an arm and epoch: exposed, moved to another arm, and counted in the sums."""

    __tablename__ = "arm_counts"

    experiment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("experiments.id"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    variant: Mapped[str] = mapped_column(String(63), primary_key=True)
    exposed: Mapped[int] = mapped_column(BigInteger, server_default="0")
    moved: Mapped[int] = mapped_column(BigInteger, server_default="0")
    closed: Mapped[int] = mapped_column(BigInteger, server_default="0")


class MetricSum(Base):
    """Sufficient statistics of a metric in an arm and epoch: sums over units; see `experiments.metrics`."""

    __tablename__ = "metric_sums"

    experiment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("experiments.id"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    variant: Mapped[str] = mapped_column(String(63), primary_key=True)
    metric: Mapped[str] = mapped_column(String(40), primary_key=True)
    segment: Mapped[str] = mapped_column(
        String(80),
        primary_key=True,
        server_default="",
        comment="the units' segment as name=value; '' for all units",
    )
    bin: Mapped[int] = mapped_column(
        SmallInteger, primary_key=True, comment="bin of a latency; 0 for other metrics"
    )
    n: Mapped[int] = mapped_column(BigInteger)
    x: Mapped[Decimal]
    xx: Mapped[Decimal]
    y: Mapped[Decimal]
    yy: Mapped[Decimal]
    xy: Mapped[Decimal]
    u: Mapped[PastSum]
    uu: Mapped[PastSum]
    v: Mapped[PastSum]
    vv: Mapped[PastSum]
    uv: Mapped[PastSum]
    xu: Mapped[PastSum]
    xv: Mapped[PastSum]
    yu: Mapped[PastSum]
    yv: Mapped[PastSum]


class UserDay(Base):
    """What a user did on a day (UTC): a summary of answers and failures, for the time before the user enters
    an experiment (`experiments.user_days`).
    """

    __tablename__ = "user_days"
    # Rows are in the order of days, so a BRIN index finds a day, and costs nothing to keep.
    __table_args__ = (Index("ix_user_days_day", "day", postgresql_using="brin"),)

    user_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    organisation_id: Mapped[uuid.UUID]
    answers: Mapped[int]
    misses: Mapped[int]
    fallbacks: Mapped[int]
    repeats: Mapped[int] = mapped_column(comment="answers with an output that the user had on the same day")
    failures: Mapped[int] = mapped_column(comment="counted in experiments only")
    service_s: Mapped[Decimal] = mapped_column(comment="seconds waited on misses")
    log_ms: Mapped[Decimal] = mapped_column(comment="sum of the logarithms of the misses' milliseconds")


class Analysis(Base):
    """The evidence of one analysis of a running experiment (`experiments.evidence`). It is stored when it
    differs from the analysis before, so the rows show the effect over time.
    """

    __tablename__ = "analyses"

    experiment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("experiments.id"), primary_key=True)
    analysed_at: Mapped[Moment] = mapped_column(primary_key=True)
    evidence: Mapped[Json]


class Decision(Base):
    """A decision on an experiment, by a person or by the flow `experiment`: who, why, and the outcome.

    It is open until it has an outcome. The flow carries it out.
    """

    __tablename__ = "decisions"
    __table_args__ = (UniqueConstraint("idempotency_key"),)

    id: Mapped[Id]
    experiment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("experiments.id"))
    action: Mapped[str] = mapped_column(String(20))
    parameters: Mapped[Json]
    reasons: Mapped[Reasons]
    requested_by: Mapped[str] = mapped_column(
        String(220), comment="api_key:<id>, token:<subject>, account:<id>, gateway:breaker or flow:<name>"
    )
    idempotency_key: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[Created]
    claimed_at: Mapped[Moment | None]
    done_at: Mapped[Moment | None]
    outcome: Mapped[str | None] = mapped_column(
        Text, comment="done, failed, or proposed: it waits for a person"
    )
    failure: Mapped[list[Reason] | None] = mapped_column(
        StoredReasons, comment="why it could not be carried out"
    )


class Snapshot(Base):
    """A data set made from feedback: immutable until a person in it asks to be forgotten."""

    __tablename__ = "snapshots"

    digest: Mapped[str] = mapped_column(String(32), primary_key=True)
    path: Mapped[str] = mapped_column(
        Text, comment="below the state folder; absolute outside of it; empty after an erasure of everything"
    )
    counts: Mapped[Json]
    high_water: Mapped[int] = mapped_column(
        BigInteger, comment="transaction id; the snapshot has every vote of older transactions that counts"
    )
    trained_at: Mapped[Moment | None] = mapped_column(comment="when a training run on it succeeded")
    accepted: Mapped[bool] = mapped_column(comment="whether it may be trained on")
    reasons: Mapped[Reasons] = mapped_column(comment="why it may not be trained on")
    quality: Mapped[Json | None] = mapped_column(
        comment="report of data.snapshots.validation; NULL: made before reports existed, or rewritten "
        "by an erasure"
    )
    evidence_share: Mapped[float | None] = mapped_column(
        comment="share of the messages that are for evidence only and not in it;"
        " NULL: made by an earlier release"
    )
    created_at: Mapped[Created]


class Version(Base):
    """A model in the registry, with the verdict of the gate and its metrics."""

    __tablename__ = "versions"

    name: Mapped[str] = mapped_column(
        String(63), primary_key=True, comment="v<number in the MLflow registry>"
    )
    parent: Mapped[str | None] = mapped_column(ForeignKey("versions.name"))
    run_id: Mapped[str] = mapped_column(String(64), comment="run id in MLflow")
    method: Mapped[str] = mapped_column(
        String(20), comment="training stages joined by +: sft, then dpo or kto, then grpo"
    )
    metrics: Mapped[Json]
    accepted: Mapped[bool]
    reasons: Mapped[Reasons]
    created_at: Mapped[Created]


class Release(Base):
    """The release of a version as champion, with the version that it replaced; a rollback releases that."""

    __tablename__ = "releases"

    id: Mapped[Id]
    version: Mapped[str] = mapped_column(ForeignKey("versions.name"))
    replaced: Mapped[str | None] = mapped_column(ForeignKey("versions.name"))
    spec_digest: Mapped[str] = mapped_column(ForeignKey("specs.digest"))
    epoch: Mapped[int] = mapped_column(ForeignKey("epochs.number"))
    reasons: Mapped[Reasons]
    created_at: Mapped[Created]


class Lineage(Base):
    """An edge of the graph snapshot -> run -> version -> release, or from a snapshot to its replacement."""

    __tablename__ = "lineage"

    source: Mapped[str] = mapped_column(
        String(120), primary_key=True, comment="kind:id, for example snapshot:<digest>"
    )
    target: Mapped[str] = mapped_column(String(120), primary_key=True)
    created_at: Mapped[Created]


class Erasure(Base):
    """A person's request to be forgotten: first the work order; when it is finished, the record of it. The
    function `request_erasure` of the database stores it.
    """

    __tablename__ = "erasures"
    __table_args__ = (
        Index(None, "purged_at"),
        Index(None, "user_id"),
        Index(
            "uq_erasures_open",
            "organisation_id",
            "user_id",
            unique=True,
            postgresql_where=text("finished_at IS NULL"),
        ),
    )

    id: Mapped[Id]
    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"))
    user_id: Mapped[uuid.UUID]
    requested_at: Mapped[Created]
    purged_at: Mapped[Moment | None] = mapped_column(
        comment="when gateways were last asked to empty their caches"
    )
    finished_at: Mapped[Moment | None]
    counts: Mapped[Json] = mapped_column(comment="numbers of removed items so far, by kind")
    keeps_account: Mapped[bool] = mapped_column(
        server_default="false", comment="the person goes on: their account and its sessions stay"
    )


class OutputErasure(Base):
    """A person's request to forget one output; their account and everything else of theirs stay. The function
    `request_output_erasure` of the database stores it.
    """

    __tablename__ = "output_erasures"
    __table_args__ = (
        Index(None, "purged_at"),
        Index(None, "user_id", "output_id"),
        Index(
            "uq_output_erasures_open",
            "user_id",
            "output_id",
            unique=True,
            postgresql_where=text("finished_at IS NULL"),
        ),
    )

    id: Mapped[Id]
    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"))
    user_id: Mapped[uuid.UUID]
    output_id: Mapped[uuid.UUID]
    requested_at: Mapped[Created]
    purged_at: Mapped[Moment | None] = mapped_column(
        comment="when gateways were last asked to empty their caches"
    )
    finished_at: Mapped[Moment | None]
    counts: Mapped[Json] = mapped_column(
        server_default="{}", comment="numbers of removed items so far, by kind"
    )
    votes: Mapped[Names] = mapped_column(
        server_default="[]", comment="ids of the removed votes, by which rows of snapshots are found"
    )
    versions: Mapped[Names] = mapped_column(
        server_default="[]",
        comment="versions that were trained on these votes: an erasure of the person issues their orders",
    )


class VersionOrder(Base):
    """What an erasure requires of a version that was trained on the person: `retrain` while it is in use,
    `retire` otherwise.
    """

    __tablename__ = "version_orders"
    __table_args__ = (CheckConstraint("action IN ('retrain', 'retire')", name="action"),)

    erasure_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("erasures.id"), primary_key=True)
    version: Mapped[str] = mapped_column(ForeignKey("versions.name"), primary_key=True)
    action: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[Created]
    done_at: Mapped[Moment | None] = mapped_column(comment="when a retired version's weights were removed")
