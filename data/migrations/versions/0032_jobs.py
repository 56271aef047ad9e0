"""The queue: jobs, and batches of messages.

A worker claims jobs of every tenant by a function of the tables' owner, which shows it only the jobs that it
claims. Everything else happens in a transaction that names the tenant.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from data.tables import ONLINE_ROLE, READING_ROLE

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

_MINE = "organisation_id = nullif(current_setting('tonebridge.organisation', true), '')::uuid"

# The organisation whose turn it is has the fewest jobs running, and fewer than its plan allows. The recursive
# query reads one row of the index for each organisation, however many jobs wait. The ids are an array, since the
# planner does not know how few they are, and would join them with all jobs.
_CLAIM = """
CREATE FUNCTION claim_jobs(worker uuid, wanted text, lease_s double precision, most integer, caps jsonb)
RETURNS SETOF jobs LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
WITH RECURSIVE tenant(id) AS (
    (SELECT organisation_id FROM jobs WHERE state IN ('waiting', 'running') AND kind = wanted
    ORDER BY organisation_id LIMIT 1)
    UNION ALL
    SELECT (SELECT organisation_id FROM jobs WHERE state IN ('waiting', 'running') AND kind = wanted
        AND organisation_id > tenant.id ORDER BY organisation_id LIMIT 1)
    FROM tenant WHERE tenant.id IS NOT NULL
), turn AS (
    SELECT tenant.id, (caps ->> o.plan)::integer - running.jobs AS places
    FROM tenant JOIN organisations o ON o.id = tenant.id CROSS JOIN LATERAL (
        SELECT available_at FROM jobs WHERE organisation_id = tenant.id AND kind = wanted
        AND state IN ('waiting', 'running') ORDER BY available_at LIMIT 1
    ) oldest CROSS JOIN LATERAL (
        SELECT count(*)::integer AS jobs FROM jobs
        WHERE organisation_id = tenant.id AND kind = wanted AND state = 'running' AND available_at > now()
    ) running
    WHERE oldest.available_at <= now() AND running.jobs < (caps ->> o.plan)::integer
    ORDER BY running.jobs, random() LIMIT 1
), free AS MATERIALIZED (
    SELECT id FROM jobs WHERE organisation_id = (SELECT id FROM turn) AND kind = wanted
    AND state IN ('waiting', 'running') AND available_at <= now()
    ORDER BY available_at, id LIMIT (SELECT least(most, places) FROM turn) FOR UPDATE SKIP LOCKED
)
UPDATE jobs SET state = 'running', leased_by = worker, attempts = attempts + 1,
    available_at = now() + make_interval(secs => lease_s)
WHERE id = ANY (ARRAY(SELECT id FROM free)) RETURNING jobs.*
$$
"""

_COUNT = """
CREATE FUNCTION count_jobs() RETURNS TABLE (kind text, state text, jobs bigint, oldest_s double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
SELECT kind, state, count(*),
    extract(epoch FROM now() - min(available_at) FILTER (WHERE state = 'waiting' AND available_at <= now()))
FROM jobs WHERE state IN ('waiting', 'running', 'dead') GROUP BY kind, state
$$
"""


def upgrade() -> None:
    op.create_table(
        "job_batches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column(
            "requested_by",
            sa.Text(),
            nullable=False,
            comment="as in `decisions`; a token's subject may be long",
        ),
        sa.Column(
            "key",
            sa.String(64),
            nullable=True,
            comment="digest of requester and Idempotency-Key: a repetition makes no second batch",
        ),
        sa.Column(
            "request_digest", sa.LargeBinary(), nullable=False, comment="of everything that was requested"
        ),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_job_batches_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_batches")),
        sa.UniqueConstraint("organisation_id", "key", name=op.f("uq_job_batches_organisation_id_key")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column(
            "key", sa.String(200), nullable=False, comment="equal work of an organisation is enqueued once"
        ),
        sa.Column("state", sa.String(10), server_default="waiting", nullable=False),
        sa.Column(
            "available_at",
            sa.DateTime(timezone=True),
            server_default=sa.func.now(),
            nullable=False,
            comment="from when a worker may claim it; while it runs, the end of its lease",
        ),
        sa.Column(
            "attempts", sa.SmallInteger(), server_default="0", nullable=False, comment="that have begun"
        ),
        sa.Column("leased_by", sa.Uuid(), nullable=True, comment="id of the worker that runs it"),
        sa.Column(
            "errors",
            postgresql.JSONB(),
            server_default="[]",
            nullable=False,
            comment="attempt, time and reasons of each failure",
        ),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("place", sa.Integer(), nullable=True, comment="of a message in its batch, from 0"),
        sa.Column("user_id", sa.Uuid(), nullable=True, comment="the person whose message it is"),
        sa.Column(
            "requested_by",
            sa.Text(),
            nullable=False,
            comment="as in `decisions`; a token's subject may be long",
        ),
        sa.Column("replayed_from", sa.Uuid(), nullable=True, comment="the dead job that it repeats"),
        sa.Column("ended_by", sa.Text(), nullable=True, comment="who cancelled or replayed it"),
        sa.Column("result", postgresql.JSONB(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True, comment="when it got its last state"),
        sa.CheckConstraint(
            "state IN ('waiting', 'running', 'done', 'dead', 'cancelled', 'replayed')",
            name=op.f("ck_jobs_state"),
        ),
        sa.CheckConstraint("(state = 'running') = (leased_by IS NOT NULL)", name=op.f("ck_jobs_lease")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_jobs_organisation_id")
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["job_batches.id"], name=op.f("fk_jobs_batch_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("organisation_id", "kind", "key", name=op.f("uq_jobs_organisation_id_kind_key")),
    )
    op.create_index(
        "ix_jobs_open",
        "jobs",
        ["kind", "organisation_id", "available_at", "id"],
        postgresql_where=sa.text("state IN ('waiting', 'running')"),
    )
    op.create_index(
        "ix_jobs_counted",
        "jobs",
        ["kind", "state", "available_at"],
        postgresql_where=sa.text("state IN ('waiting', 'running', 'dead')"),
    )
    op.create_index("ix_jobs_listed", "jobs", ["organisation_id", "state", "id"])
    op.create_index(
        "ix_jobs_of_batch", "jobs", ["batch_id", "place"], postgresql_include=["organisation_id", "state"]
    )
    op.create_index("ix_jobs_ended", "jobs", ["done_at"])
    op.create_index(op.f("ix_jobs_user_id"), "jobs", ["user_id"])
    for table in ("job_batches", "jobs"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY mine ON {table} FOR ALL TO {ONLINE_ROLE} USING ({_MINE}) WITH CHECK ({_MINE})"
        )
        op.execute(f"CREATE POLICY read ON {table} FOR SELECT TO {READING_ROLE} USING ({_MINE})")
        op.execute(f"GRANT SELECT, INSERT, UPDATE ON {table} TO {ONLINE_ROLE}")
        op.execute(f"GRANT SELECT ON {table} TO {READING_ROLE}")
    op.execute(_CLAIM)
    op.execute(_COUNT)
    for function, roles in (("claim_jobs", ONLINE_ROLE), ("count_jobs", f"{ONLINE_ROLE}, {READING_ROLE}")):
        op.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {roles}")


def downgrade() -> None:
    op.execute("DROP FUNCTION claim_jobs")
    op.execute("DROP FUNCTION count_jobs")
    op.drop_table("jobs")
    op.drop_table("job_batches")
