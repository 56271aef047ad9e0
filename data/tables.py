"""All tables. SQLAlchemy owns them, their migrations and every cold query; hot writes use psycopg beneath it.

Primary keys are UUIDv7 (RFC 9562), made in the process, so that they sort by time and a row can be named
before it is stored.
Row-level security (migration 0002) stands behind the queries on a tenant's rows.
"""

import uuid
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

import uuid_utils.compat
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
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
    """Postgres's 64-bit transaction id: orders rows by transaction where a timestamp cannot."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The type's name in SQL."""
        return "xid8"


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


ONLINE_ROLE = "tonebridge_online"  # what the gateway may do in the database; see migration 0002
READING_ROLE = "tonebridge_reading"  # what the dashboard may see; see migration 0013
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
    plan: Mapped[str] = mapped_column(String(20), server_default="free", comment="of configs/plans.yaml")
    trains_across: Mapped[bool] = mapped_column(
        server_default="false", comment="its rows may train other tenants' models"
    )
    trains_by_default: Mapped[bool] = mapped_column(
        server_default="true", comment="people who were never asked consent"
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
        comment="NULL: never asked, so the organisation's default holds"
    )
    created_at: Mapped[Created]


class ApiKey(Base):
    """An API key: its id is public and looks it up, its secret is stored as SHA-256 only."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"))
    name: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(20), server_default="member")
    secret_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[Created]
    revoked_at: Mapped[Moment | None]


class StoredSigningKey(Base):
    """A key that an organisation signs its tokens (JWT) with; it decides the algorithm, not the token."""

    __tablename__ = "signing_keys"
    __table_args__ = (
        CheckConstraint("algorithm IN ('HS256', 'EdDSA')", name="algorithm"),
        UniqueConstraint("kid", "key"),  # so that a signature names one organisation
    )

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"), primary_key=True)
    algorithm: Mapped[str] = mapped_column(String(10))
    key: Mapped[bytes] = mapped_column(LargeBinary, comment="the secret of HS256, the public key of EdDSA")
    role: Mapped[str] = mapped_column(String(20), comment="of every token that it signs")
    created_at: Mapped[Created]
    revoked_at: Mapped[Moment | None]


class RevokedToken(Base):
    """A token that is refused although it has not expired; the row leaves when it has."""

    __tablename__ = "revoked_tokens"

    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"), primary_key=True)
    jti: Mapped[str] = mapped_column(
        String(200), primary_key=True, comment="the issuer's, or a digest of a token without one"
    )
    expires_at: Mapped[Moment]


class Account(Base):
    """A person who signs in with an e-mail address and a password."""

    __tablename__ = "accounts"
    __table_args__ = (UniqueConstraint("email"), UniqueConstraint("user_id"))

    id: Mapped[Id]
    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"), index=True)
    user_id: Mapped[uuid.UUID] = mapped_column(
        comment="whose its answers and votes are; no row before the first. The account's own id, which no key"
        " and no token can name; older accounts have another one, which is in reserved_people"
    )
    email: Mapped[str] = mapped_column(String(254), comment="in lower case")
    name: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(20))
    password_hash: Mapped[str] = mapped_column(Text, comment="Argon2id, with its parameters")
    created_at: Mapped[Created]


class AccountSession(Base):
    """A sign-in: it has one refresh token at a time, and ends when an older one is shown."""

    __tablename__ = "account_sessions"

    id: Mapped[Id]
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    refresh_sha256: Mapped[bytes] = mapped_column(LargeBinary, comment="of the newest refresh token's secret")
    former_sha256: Mapped[list[bytes]] = mapped_column(
        ARRAY(LargeBinary),
        server_default="{}",
        comment="of a bounded number before it, newest first",
    )
    source: Mapped[bytes | None] = mapped_column(
        LargeBinary, comment="digest, under a secret, of the address and of where it was signed in from"
    )
    created_at: Mapped[Created]
    refreshed_at: Mapped[Created]
    expires_at: Mapped[Moment]
    ended_at: Mapped[Moment | None]
    ended_because: Mapped[str | None] = mapped_column(
        String(20), comment="signed_out, reused or password_changed"
    )


class ReservedPerson(Base):
    """Whom no token may name: the person of an account from before accounts had ids of their own."""

    __tablename__ = "reserved_people"

    user_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)


class StoredSpec(Base):
    """A spec by its digest: all that decides an output."""

    __tablename__ = "specs"

    digest: Mapped[str] = mapped_column(String(32), primary_key=True)
    spec: Mapped[Json]
    created_at: Mapped[Created]


class Output(Base):
    """One generated text, immutable, stored once, before anybody is answered with it."""

    __tablename__ = "outputs"
    __table_args__ = (CheckConstraint("intensity BETWEEN 0 AND 3", name="intensity"),)

    id: Mapped[Id]
    organisation_id: Mapped[uuid.UUID] = mapped_column(index=True)
    message: Mapped[LongText]
    transform_type: Mapped[str] = mapped_column(String(20))
    intensity: Mapped[int] = mapped_column(SmallInteger)
    text: Mapped[LongText]
    facts_missing: Mapped[Names]
    spec_digest: Mapped[str] = mapped_column(String(32))
    version: Mapped[str] = mapped_column(String(63), index=True)
    seed: Mapped[int | None]
    upstream_ms: Mapped[float]
    created_at: Mapped[Created]


class Answer(Base):
    """One reply to one person: ids only. Partitioned by day, on the time in the id; see
    `data.traffic.answers`.
    """

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


class Usage(Base):
    """Answers that an organisation has had in a month (UTC): what a quota is held against."""

    __tablename__ = "usage"

    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"), primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    answers: Mapped[int] = mapped_column(BigInteger)


class IdempotentRequest(Base):
    """What a request with an Idempotency-Key was answered, so that it can be sent again without harm."""

    __tablename__ = "idempotent_requests"

    organisation_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    request_digest: Mapped[bytes] = mapped_column(LargeBinary, comment="of route and body")
    status: Mapped[int | None] = mapped_column(SmallInteger, comment="NULL while the first one is answered")
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[Created]


class Comparison(Base):
    """Two outputs for one message, shown in random order; never counted in A/B metrics."""

    __tablename__ = "comparisons"
    __table_args__ = (
        CheckConstraint("(pair_id IS NULL) = (people IS NULL)", name="pair"),
        UniqueConstraint("pair_id", "user_id"),  # nobody is shown the same two outputs twice
        Index("ix_comparisons_user_id", "user_id", "id", postgresql_where=text("pair_id IS NOT NULL")),
        Index("ix_comparisons_shared", "organisation_id", "pair_id", postgresql_where=text("people > 1")),
        Index("ix_comparisons_own", "organisation_id", "id", postgresql_where=text("is_own")),
    )

    id: Mapped[Id]
    organisation_id: Mapped[uuid.UUID] = mapped_column(index=True)
    user_id: Mapped[uuid.UUID]
    policy: Mapped[str] = mapped_column(String(40), comment="two_samples, or champion_against_challenger")
    first_output_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("outputs.id"), comment="shown in first place"
    )
    second_output_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("outputs.id"))
    pair_id: Mapped[uuid.UUID | None] = mapped_column(
        comment="the same for all who are shown these two outputs: the first one's id; NULL: not by the page"
    )
    people: Mapped[int | None] = mapped_column(SmallInteger, comment="who shall be shown the pair")
    skipped_at: Mapped[Moment | None]
    is_own: Mapped[bool] = mapped_column(
        server_default=false(), comment="of a message that the person typed on the page"
    )
    created_at: Mapped[Created]


class Feedback(Base):
    """What a person thought of an output: one row a person, output and kind; the later vote stands."""

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
        comment="NULL in a comparison: both are bad"
    )
    reason: Mapped[str | None] = mapped_column(Text, comment="of a comparison, in words")
    experiment_id: Mapped[uuid.UUID | None]
    variant: Mapped[str | None] = mapped_column(String(63))
    epoch: Mapped[int | None]
    created_at: Mapped[Created]
    updated_at: Mapped[Created]
    transaction: Mapped[int] = mapped_column(
        Xid8, server_default=func.pg_current_xact_id(), comment="of the last vote: orders rows by commit"
    )


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
    organisation_id: Mapped[uuid.UUID | None] = mapped_column(comment="NULL: everybody")
    name: Mapped[str] = mapped_column(String(200))
    hypothesis: Mapped[LongText]
    plan: Mapped[Json] = mapped_column(
        comment="primary metric, guardrails, margins, minimum run: frozen at start"
    )
    target: Mapped[Json] = mapped_column(server_default="{}", comment="the messages it is about")
    salt: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(20), server_default="draft")
    is_sample: Mapped[bool] = mapped_column(
        server_default=false(), comment="made up, to show what a page looks like"
    )
    created_at: Mapped[Created]
    started_at: Mapped[Moment | None]
    ended_at: Mapped[Moment | None]
    seen_until: Mapped[int] = mapped_column(
        BigInteger, server_default="0", comment="exposures of older transactions have been counted"
    )


class Variant(Base):
    """An arm of an experiment; it names a spec."""

    __tablename__ = "variants"

    experiment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("experiments.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    spec_digest: Mapped[str] = mapped_column(ForeignKey("specs.digest"))
    is_baseline: Mapped[bool]


class Epoch(Base):
    """A span in which the routing (specs, experiments, weights) does not change; gateways acknowledge it."""

    __tablename__ = "epochs"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    routing: Mapped[Json]
    reasons: Mapped[Reasons]
    started_at: Mapped[Created]


class Gateway(Base):
    """A live gateway process and the newest epoch that it has put into force."""

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
    """Requests of a user in an arm that had no answer, those of a fraction of a second together."""

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
    """A user, or an organisation, in an experiment: where and when it entered."""

    __tablename__ = "units"

    experiment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("experiments.id"), primary_key=True)
    unit_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    period: Mapped[int] = mapped_column(
        primary_key=True, comment="in a holdout the epoch, since each champion is measured anew; else 0"
    )
    epoch: Mapped[int]
    variant: Mapped[str] = mapped_column(String(63))
    entered_at: Mapped[Moment]
    moved: Mapped[bool] = mapped_column(server_default=false(), comment="was later exposed to another arm")


class OpenUnit(Base):
    """A unit whose window has not closed yet: what it does is still to be counted. A table of its own, since
    a change of one row among ten million costs many times as much.
    """

    __tablename__ = "open_units"
    __table_args__ = (Index("ix_open_units_entered_at", "experiment_id", "entered_at"),)

    experiment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("experiments.id"), primary_key=True)
    unit_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    period: Mapped[int] = mapped_column(primary_key=True, comment="as in units")
    epoch: Mapped[int]
    variant: Mapped[str] = mapped_column(String(63))
    entered_at: Mapped[Moment]


class ArmCount(Base):
    """How many units entered an arm in an epoch, moved on to another, and are in the sums."""

    __tablename__ = "arm_counts"

    experiment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("experiments.id"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    variant: Mapped[str] = mapped_column(String(63), primary_key=True)
    exposed: Mapped[int] = mapped_column(BigInteger, server_default="0")
    moved: Mapped[int] = mapped_column(BigInteger, server_default="0")
    closed: Mapped[int] = mapped_column(BigInteger, server_default="0")


class MetricSum(Base):
    """Sufficient statistics of a metric in an arm and epoch: sums over units, see `experiments.metrics`."""

    __tablename__ = "metric_sums"

    experiment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("experiments.id"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    variant: Mapped[str] = mapped_column(String(63), primary_key=True)
    metric: Mapped[str] = mapped_column(String(40), primary_key=True)
    segment: Mapped[str] = mapped_column(
        String(80), primary_key=True, server_default="", comment="of the units, as name=value; '' is all"
    )
    bin: Mapped[int] = mapped_column(SmallInteger, primary_key=True, comment="of a latency; else 0")
    n: Mapped[int] = mapped_column(BigInteger)
    x: Mapped[Decimal]
    xx: Mapped[Decimal]
    y: Mapped[Decimal]
    yy: Mapped[Decimal]
    xy: Mapped[Decimal]


class Analysis(Base):
    """What an analysis of a running experiment found, stored when it differs from the analysis before
    (`experiments.evidence`).
    """

    __tablename__ = "analyses"

    experiment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("experiments.id"), primary_key=True)
    analysed_at: Mapped[Moment] = mapped_column(primary_key=True)
    evidence: Mapped[Json]


class Decision(Base):
    """Something decided on an experiment, by a person or by the flow: who, why, and what came of it. It is
    open until it has an outcome; the flow `experiment` carries it out.
    """

    __tablename__ = "decisions"
    __table_args__ = (UniqueConstraint("idempotency_key"),)

    id: Mapped[Id]
    experiment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("experiments.id"))
    action: Mapped[str] = mapped_column(String(20))
    parameters: Mapped[Json]
    reasons: Mapped[Reasons]
    requested_by: Mapped[str] = mapped_column(
        String(220), comment="api_key:<id>, token:<subject> or flow:<name>"
    )
    idempotency_key: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[Created]
    claimed_at: Mapped[Moment | None]
    done_at: Mapped[Moment | None]
    outcome: Mapped[str | None] = mapped_column(
        Text, comment="done, failed, or proposed, which waits for a click"
    )
    failure: Mapped[list[Reason] | None] = mapped_column(
        StoredReasons, comment="why it could not be carried out"
    )


class Snapshot(Base):
    """A data set made from feedback: immutable until someone in it asks to be forgotten."""

    __tablename__ = "snapshots"

    digest: Mapped[str] = mapped_column(String(32), primary_key=True)
    path: Mapped[str] = mapped_column(Text)
    counts: Mapped[Json]
    high_water: Mapped[int] = mapped_column(BigInteger, comment="every row of an older transaction is in it")
    trained_at: Mapped[Moment | None] = mapped_column(comment="when a training run on it succeeded")
    accepted: Mapped[bool] = mapped_column(comment="it may be trained on")
    reasons: Mapped[Reasons] = mapped_column(comment="why it may not")
    quality: Mapped[Json | None] = mapped_column(
        comment="data.validation's report; NULL: made before there was one, or rewritten by an erasure"
    )
    created_at: Mapped[Created]


class Version(Base):
    """A model in the registry, as the loop sees it: the gate's verdict and its figures beside the name."""

    __tablename__ = "versions"

    name: Mapped[str] = mapped_column(
        String(63), primary_key=True, comment="v<number in the MLflow registry>"
    )
    parent: Mapped[str | None] = mapped_column(ForeignKey("versions.name"))
    run_id: Mapped[str] = mapped_column(String(64), comment="of MLflow")
    method: Mapped[str] = mapped_column(String(20), comment="base, sft or dpo")
    metrics: Mapped[Json]
    accepted: Mapped[bool]
    reasons: Mapped[Reasons]
    created_at: Mapped[Created]


class Release(Base):
    """A version going live as champion, with what it replaced: rolling back is releasing the former one."""

    __tablename__ = "releases"

    id: Mapped[Id]
    version: Mapped[str] = mapped_column(ForeignKey("versions.name"))
    replaced: Mapped[str | None] = mapped_column(ForeignKey("versions.name"))
    spec_digest: Mapped[str] = mapped_column(ForeignKey("specs.digest"))
    epoch: Mapped[int] = mapped_column(ForeignKey("epochs.number"))
    reasons: Mapped[Reasons]
    created_at: Mapped[Created]


class Lineage(Base):
    """An edge of the graph row -> snapshot -> run -> version -> release."""

    __tablename__ = "lineage"

    source: Mapped[str] = mapped_column(
        String(120), primary_key=True, comment="kind:id, such as snapshot:<digest>"
    )
    target: Mapped[str] = mapped_column(String(120), primary_key=True)
    created_at: Mapped[Created]


class Erasure(Base):
    """A person's wish to be forgotten: the work order until it is done, the tombstone from then on."""

    __tablename__ = "erasures"
    __table_args__ = (Index(None, "purged_at"), Index(None, "user_id"))

    id: Mapped[Id]
    organisation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"))
    user_id: Mapped[uuid.UUID]
    requested_at: Mapped[Created]
    purged_at: Mapped[Moment | None] = mapped_column(
        comment="when gateways were last told to forget what they hold"
    )
    finished_at: Mapped[Moment | None]
    counts: Mapped[Json] = mapped_column(comment="what was removed so far")


class VersionOrder(Base):
    """What an erasure asks of a version that was trained on the person: `retrain` while it is in force,
    `retire` otherwise.
    """

    __tablename__ = "version_orders"
    __table_args__ = (CheckConstraint("action IN ('retrain', 'retire')", name="action"),)

    erasure_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("erasures.id"), primary_key=True)
    version: Mapped[str] = mapped_column(ForeignKey("versions.name"), primary_key=True)
    action: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[Created]
    done_at: Mapped[Moment | None] = mapped_column(comment="when a retired version's weights were removed")
