"""Webhooks: addresses that get events. Triggers enqueue a delivery of an event for each webhook that wants it.

So a delivery is enqueued if and only if what it is about is committed, whoever writes: a gateway, a worker, a
flow or a person with SQL. It has ids and no texts of messages; the worker reads those when it sends them.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from data.tables import ONLINE_ROLE

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_MINE = "organisation_id = nullif(current_setting('tonebridge.organisation', true), '')::uuid"
_MOST_OPEN = 10_000  # deliveries of one webhook that wait; what happens then is counted and not enqueued
_TOGETHER = 100  # answers in one event

# RFC 9562, 5.7: 48 bits of milliseconds since 1970, then random bits. Postgres 18 has `uuidv7`, 17 does not.
_ID = """
CREATE FUNCTION time_ordered_id() RETURNS uuid LANGUAGE sql VOLATILE SET search_path = public, pg_temp AS $$
SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) placing
    substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
    52, 1), 53, 1), 'hex')::uuid
$$
"""

# `of_organisation` is NULL for what happens to the whole installation; whoever may not hear of that cannot
# subscribe to it. All webhooks get the same event, under the same id. They are locked against deletion: one
# that is deleted meanwhile would fail the transaction that the event is about.
_PUBLISH = f"""
CREATE FUNCTION publish_event(of_organisation uuid, event text, subject jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    event_id uuid := gen_random_uuid();
    hook record;
    is_enqueued boolean := false;
BEGIN
    FOR hook IN
        SELECT id, organisation_id FROM webhooks
        WHERE disabled_at IS NULL AND event = ANY (events)
            AND (of_organisation IS NULL OR organisation_id = of_organisation)
        ORDER BY id FOR KEY SHARE
    LOOP
        IF (SELECT count(*) FROM (
            SELECT FROM jobs WHERE webhook_id = hook.id AND state IN ('waiting', 'running') LIMIT {_MOST_OPEN}
        ) open_jobs) < {_MOST_OPEN} THEN
            INSERT INTO jobs (id, organisation_id, kind, payload, key, webhook_id, requested_by)
            VALUES (time_ordered_id(), hook.organisation_id, 'webhook', jsonb_build_object('event_id', event_id,
                'type', event, 'at', now(), 'subject', subject), event_id || ':' || hook.id, hook.id,
                'event:' || event);
            is_enqueued := true;
        ELSE
            UPDATE webhooks SET skipped = skipped + 1 WHERE id = hook.id;
        END IF;
    END LOOP;
    IF is_enqueued THEN
        PERFORM pg_notify('tonebridge:jobs', '');
    END IF;
END
$$
"""  # noqa: S608 (constants of this file)

_OF_ANSWERS = f"""
CREATE FUNCTION publish_answers() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    part record;
BEGIN
    IF EXISTS (SELECT FROM webhooks WHERE 'answer.created' = ANY (events) AND disabled_at IS NULL) THEN
        FOR part IN
            SELECT organisation_id, jsonb_agg(id ORDER BY id) AS ids FROM (
                SELECT id, organisation_id,
                    (row_number() OVER (PARTITION BY organisation_id ORDER BY id) - 1) / {_TOGETHER} AS number
                FROM added WHERE organisation_id IN (
                    SELECT organisation_id FROM webhooks WHERE 'answer.created' = ANY (events))
            ) numbered GROUP BY organisation_id, number ORDER BY organisation_id, number
        LOOP
            PERFORM publish_event(part.organisation_id, 'answer.created',
                jsonb_build_object('answer_ids', part.ids));
        END LOOP;
    END IF;
    RETURN NULL;
END
$$
"""  # noqa: S608

# A batch is done when its last open job ends. Two workers that end its last jobs at the same moment would each
# see the other's as open, so they lock the batch, in the order of the ids.
_OF_JOBS = """
CREATE FUNCTION publish_jobs() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    ended record;
BEGIN
    IF EXISTS (SELECT FROM webhooks WHERE 'job.done' = ANY (events) AND disabled_at IS NULL) THEN
        FOR ended IN
            SELECT DISTINCT changed.organisation_id, changed.batch_id,
                CASE WHEN changed.batch_id IS NULL THEN changed.id END AS job_id
            FROM changed JOIN former ON former.id = changed.id
            WHERE former.state IN ('waiting', 'running') AND changed.state IN ('done', 'dead', 'cancelled')
                AND (changed.batch_id IS NOT NULL OR changed.kind = 'export')
                AND changed.organisation_id IN (
                    SELECT organisation_id FROM webhooks WHERE 'job.done' = ANY (events))
            ORDER BY changed.batch_id, job_id
        LOOP
            PERFORM FROM job_batches WHERE id = ended.batch_id FOR NO KEY UPDATE;
            IF NOT EXISTS (
                SELECT FROM jobs WHERE batch_id = ended.batch_id AND state IN ('waiting', 'running')
            ) THEN
                PERFORM publish_event(ended.organisation_id, 'job.done',
                    jsonb_build_object('batch_id', ended.batch_id, 'job_id', ended.job_id));
            END IF;
        END LOOP;
    END IF;
    RETURN NULL;
END
$$
"""

_OF_ROWS = """
CREATE FUNCTION publish_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    former bigint;
    share numeric;
BEGIN
    CASE TG_TABLE_NAME
    WHEN 'feedback' THEN
        PERFORM publish_event(NEW.organisation_id, 'feedback.given', jsonb_build_object('vote_id', NEW.id));
    WHEN 'decisions' THEN
        PERFORM publish_event(NULL, 'experiment.decided', jsonb_build_object(
            'experiment_id', NEW.experiment_id, 'decision_id', NEW.id, 'action', NEW.action,
            'outcome', NEW.outcome, 'decided_by', NEW.requested_by, 'reasons', NEW.reasons,
            'failure', coalesce(NEW.failure, '[]')));
    WHEN 'releases' THEN
        PERFORM publish_event(NULL, 'version.released', jsonb_build_object(
            'version', NEW.version, 'replaced', NEW.replaced, 'epoch', NEW.epoch, 'reasons', NEW.reasons));
    WHEN 'versions' THEN
        PERFORM publish_event(NULL, 'version.refused', jsonb_build_object(
            'version', NEW.name, 'method', NEW.method, 'reasons', NEW.reasons));
    WHEN 'snapshots' THEN
        PERFORM publish_event(NULL, 'snapshot.refused', jsonb_build_object(
            'snapshot', NEW.digest, 'counts', NEW.counts, 'reasons', NEW.reasons));
    WHEN 'webhooks' THEN
        PERFORM publish_event(NEW.organisation_id, 'webhook.disabled', jsonb_build_object('webhook_id', NEW.id));
    WHEN 'usage' THEN
        former := 0;
        IF TG_OP = 'UPDATE' THEN
            former := OLD.answers;
        END IF;
        FOREACH share IN ARRAY ARRAY[0.8, 1] LOOP
            IF former < share * NEW.quota AND NEW.answers >= share * NEW.quota THEN
                PERFORM publish_event(NEW.organisation_id, 'quota.near', jsonb_build_object(
                    'month', to_char(NEW.month, 'YYYY-MM'), 'answers', NEW.answers, 'quota', NEW.quota,
                    'share', share));
            END IF;
        END LOOP;
    END CASE;
    RETURN NULL;
END
$$
"""

# `answers` has no row-level security, since COPY does not work under it.
_OWN_ANSWERS = f"""
CREATE VIEW own_answers WITH (security_barrier) AS
SELECT id, output_id, organisation_id, user_id, experiment_id, variant, epoch, cache, fell_back, locale, channel
FROM answers WHERE {_MINE}
"""  # noqa: S608

_FUNCTIONS = {
    "time_ordered_id()": _ID,
    "publish_event(uuid, text, jsonb)": _PUBLISH,
    "publish_answers()": _OF_ANSWERS,
    "publish_jobs()": _OF_JOBS,
    "publish_row()": _OF_ROWS,
}

_ROW = "FOR EACH ROW"
_TRIGGERS = [
    (
        "publish_answers",
        "answers",
        "AFTER INSERT ON answers REFERENCING NEW TABLE AS added FOR EACH STATEMENT",
        "publish_answers",
    ),
    (
        "publish_jobs",
        "jobs",
        "AFTER UPDATE ON jobs REFERENCING OLD TABLE AS former NEW TABLE AS changed FOR EACH STATEMENT",
        "publish_jobs",
    ),
    ("publish_new_vote", "feedback", f"AFTER INSERT ON feedback {_ROW}", "publish_row"),
    (
        "publish_vote",
        "feedback",
        f"AFTER UPDATE ON feedback {_ROW} WHEN (OLD.updated_at <> NEW.updated_at)",
        "publish_row",
    ),
    (
        "publish_new_decision",
        "decisions",
        f"AFTER INSERT ON decisions {_ROW} WHEN (NEW.outcome IS NOT NULL)",
        "publish_row",
    ),
    (
        "publish_decision",
        "decisions",
        f"AFTER UPDATE ON decisions {_ROW}"
        " WHEN (NEW.outcome IS NOT NULL AND OLD.outcome IS DISTINCT FROM NEW.outcome)",
        "publish_row",
    ),
    ("publish_release", "releases", f"AFTER INSERT ON releases {_ROW}", "publish_row"),
    (
        "publish_refused_version",
        "versions",
        f"AFTER INSERT ON versions {_ROW} WHEN (NOT NEW.accepted)",
        "publish_row",
    ),
    (
        "publish_new_refused_snapshot",
        "snapshots",
        f"AFTER INSERT ON snapshots {_ROW} WHEN (NOT NEW.accepted)",
        "publish_row",
    ),
    (
        "publish_refused_snapshot",
        "snapshots",
        f"AFTER UPDATE ON snapshots {_ROW} WHEN (OLD.accepted AND NOT NEW.accepted)",
        "publish_row",
    ),
    ("publish_usage", "usage", f"AFTER INSERT OR UPDATE ON usage {_ROW} WHEN (NEW.quota > 0)", "publish_row"),
    (
        "publish_disabled_webhook",
        "webhooks",
        f"AFTER UPDATE ON webhooks {_ROW} WHEN (OLD.disabled_at IS NULL AND NEW.disabled_reason IS NOT NULL)",
        "publish_row",
    ),
]


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", postgresql.ARRAY(sa.String(40)), nullable=False),
        sa.Column("description", sa.String(200), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False, comment="signs its deliveries (HMAC-SHA256)"),
        sa.Column("former_secret", sa.LargeBinary(), nullable=True, comment="signs them too, until a time"),
        sa.Column("former_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_by",
            sa.Text(),
            nullable=False,
            comment="as in `decisions`; a token's subject may be long",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column(
            "failing_since",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the first failed attempt since the last delivery, or since two days without one",
        ),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True, comment="the last failed attempt"),
        sa.Column(
            "failures", sa.Integer(), server_default="0", nullable=False, comment="since the last delivery"
        ),
        sa.Column(
            "retry_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="until then nothing is sent to it",
        ),
        sa.Column(
            "skipped",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="events that were not enqueued, since too many waited",
        ),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_reason", postgresql.JSONB(), nullable=True, comment="NULL: a person disabled it"),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_webhooks_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_index(op.f("ix_webhooks_organisation_id"), "webhooks", ["organisation_id"])
    op.add_column(
        "jobs", sa.Column("webhook_id", sa.Uuid(), nullable=True, comment="where it delivers an event to")
    )
    op.create_foreign_key(
        op.f("fk_jobs_webhook_id"), "jobs", "webhooks", ["webhook_id"], ["id"], ondelete="CASCADE"
    )
    op.alter_column(
        "jobs",
        "requested_by",
        comment="as in `decisions`, or event:<type>; a token's subject may be long",
        existing_comment="as in `decisions`; a token's subject may be long",
    )
    op.create_index(
        "ix_jobs_of_webhook",
        "jobs",
        ["webhook_id", "id"],
        postgresql_where=sa.text("webhook_id IS NOT NULL"),
    )
    op.create_index(
        "ix_jobs_open_of_webhook",
        "jobs",
        ["webhook_id"],
        postgresql_where=sa.text("webhook_id IS NOT NULL AND state IN ('waiting', 'running')"),
    )
    op.add_column(
        "usage",
        sa.Column(
            "quota",
            sa.BigInteger(),
            nullable=True,
            comment="answers that the plan allowed in this month, as of the last one; NULL: no limit",
        ),
    )
    op.execute("ALTER TABLE webhooks ENABLE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY mine ON webhooks FOR ALL TO {ONLINE_ROLE} USING ({_MINE}) WITH CHECK ({_MINE})"
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON webhooks TO {ONLINE_ROLE}")
    op.execute(_OWN_ANSWERS)
    op.execute(f"GRANT SELECT ON own_answers TO {ONLINE_ROLE}")
    for signature, function in _FUNCTIONS.items():
        op.execute(function)
        op.execute(f"REVOKE EXECUTE ON FUNCTION {signature} FROM PUBLIC")
    for name, _, when, function in _TRIGGERS:
        op.execute(f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION {function}()")


def downgrade() -> None:
    for name, table, _, _ in _TRIGGERS:
        op.execute(f"DROP TRIGGER {name} ON {table}")
    for signature in reversed(_FUNCTIONS):
        op.execute(f"DROP FUNCTION {signature}")
    op.execute("DROP VIEW own_answers")
    op.execute("DELETE FROM jobs WHERE webhook_id IS NOT NULL")
    op.drop_column("usage", "quota")
    op.drop_column("jobs", "webhook_id")
    op.drop_table("webhooks")
