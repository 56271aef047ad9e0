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
    created_at: Mapped[Created]


class User(Base):
    """A person: a JWT's subject, or an id that an API key asserts, scoped to that key."""

    __tablename__ = "users"

    id: Mapped[Id]
    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"))
    key_id: Mapped[str | None] = mapped_column(String(16))
    external_id: Mapped[str | None] = mapped_column(String(200))
    consents_to_training: Mapped[bool | None] = mapped_column(
        comment="NULL: not answered, so the organisation's default applies"
    )
    created_at: Mapped[Created]


class ApiKey(Base):
    """An API key: the public id finds it; of the secret only the SHA-256 is stored."""

    __tablename__ = "api_keys"

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
    )

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"), primary_key=True)
    algorithm: Mapped[str] = mapped_column(String(10))
    key: Mapped[bytes] = mapped_column(LargeBinary, comment="HS256: the secret; EdDSA: the public key")
    role: Mapped[str] = mapped_column(String(20), comment="role of every token that this key signs")
    created_at: Mapped[Created]
    revoked_at: Mapped[Moment | None]


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
    created_at: Mapped[Created]
    refreshed_at: Mapped[Created]
    expires_at: Mapped[Moment]
    ended_at: Mapped[Moment | None]
    ended_because: Mapped[str | None] = mapped_column(
        String(20), comment="signed_out, reused or password_changed"
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
    created_at: Mapped[Created]


class Answer(Base):
    """One reply to one person: ids only. Partitioned by the day in the id; see `data.traffic.answers`."""

    __tablename__ = "answers"
    __table_args__ = ({"postgresql_partition_by": "RANGE (id)"},)

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
    __table_args__ = (UniqueConstraint("organisation_id", "key"),)

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
    """A unit (a user or an organisation) of an experiment: the arm and the time of its first exposure.

    Its experiment has no foreign key: the check of each of 50,000 new rows takes longer than their insertion,
    and the refresh that inserts them holds the experiment's row.
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
    """A unit whose observation window is open: its outcomes are not counted yet.

    This table is separate from `units` because updating one row among ten million costs many times as much.
    It has no foreign key either.
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
    path: Mapped[str] = mapped_column(Text)
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
    """A person's request to be forgotten: first the work order; when it is finished, the record of it."""

    __tablename__ = "erasures"
    __table_args__ = (Index(None, "purged_at"), Index(None, "user_id"))

    id: Mapped[Id]
    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"))
    user_id: Mapped[uuid.UUID]
    requested_at: Mapped[Created]
    purged_at: Mapped[Moment | None] = mapped_column(
        comment="when gateways were last asked to empty their caches"
    )
    finished_at: Mapped[Moment | None]
    counts: Mapped[Json] = mapped_column(comment="numbers of removed items so far, by kind")


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
