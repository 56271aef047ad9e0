"""Notices of what changes: jobs, answers of people who are watched, experiments, releases.

Triggers send them, so that a notice is part of the transaction that it is about, whoever writes: a gateway, a
worker, a flow or a person with SQL.
"""

import sqlalchemy as sa
from alembic import op

from data.tables import ONLINE_ROLE

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

# Each notice has an id of its own: gateways that receive the same one recognize it by that.
_ANNOUNCE = """
CREATE FUNCTION announce(subject text, fields jsonb) RETURNS void LANGUAGE sql SET search_path = public, pg_temp AS $$
SELECT pg_notify('tonebridge:notices',
    (jsonb_build_object('id', gen_random_uuid(), 'subject', subject) || fields)::text)
$$
"""

# One notice for each batch that a statement changes, and for each export. Other jobs belong to no person.
_OF_JOBS = """
CREATE FUNCTION announce_jobs() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM announce('jobs', to_jsonb(job)) FROM (
            SELECT DISTINCT organisation_id, requested_by, batch_id,
                CASE WHEN batch_id IS NULL THEN id END AS job_id
            FROM changed WHERE batch_id IS NOT NULL OR kind = 'export'
        ) job;
    ELSE
        PERFORM announce('jobs', to_jsonb(job)) FROM (
            SELECT DISTINCT changed.organisation_id, changed.requested_by, changed.batch_id,
                CASE WHEN changed.batch_id IS NULL THEN changed.id END AS job_id
            FROM changed JOIN former ON former.id = changed.id
            WHERE changed.state <> former.state AND (changed.batch_id IS NOT NULL OR changed.kind = 'export')
        ) job;
    END IF;
    RETURN NULL;
END
$$
"""

_OF_ANSWERS = """
CREATE FUNCTION announce_answers() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM watched_people WHERE until > now()) THEN
        PERFORM announce('answers', jsonb_build_object('answer_id', added.id, 'output_id', output_id,
            'organisation_id', organisation_id, 'user_id', user_id, 'experiment_id', experiment_id,
            'variant', variant, 'epoch', epoch, 'cache', cache, 'fallback', fell_back))
        FROM added JOIN watched_people USING (user_id) WHERE until > now();
    END IF;
    RETURN NULL;
END
$$
"""

_WATCH = """
CREATE FUNCTION watch_people(people uuid[], for_s double precision) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DELETE FROM watched_people WHERE until < now();
INSERT INTO watched_people SELECT id, now() + make_interval(secs => for_s)
FROM unnest(people) AS id ORDER BY id
ON CONFLICT (user_id) DO UPDATE SET until = greatest(watched_people.until, excluded.until)
$$
"""

_OF_EXPERIMENTS = """
CREATE FUNCTION announce_experiment() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    CASE TG_TABLE_NAME
    WHEN 'experiments' THEN
        PERFORM announce('experiments', jsonb_build_object(
            'experiment_id', NEW.id, 'change', 'status', 'status', NEW.status));
    WHEN 'decisions' THEN
        PERFORM announce('experiments', jsonb_build_object(
            'experiment_id', NEW.experiment_id, 'change', 'decision', 'action', NEW.action,
            'outcome', NEW.outcome));
    WHEN 'analyses' THEN
        PERFORM announce('experiments', jsonb_build_object(
            'experiment_id', NEW.experiment_id, 'change', 'analysis'));
    END CASE;
    RETURN NULL;
END
$$
"""

_OF_RELEASES = """
CREATE FUNCTION announce_release() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM announce('releases', jsonb_build_object(
        'version', NEW.version, 'replaced', NEW.replaced, 'epoch', NEW.epoch));
    RETURN NULL;
END
$$
"""

_FUNCTIONS = {
    "announce(text, jsonb)": _ANNOUNCE,
    "announce_jobs()": _OF_JOBS,
    "announce_answers()": _OF_ANSWERS,
    "announce_experiment()": _OF_EXPERIMENTS,
    "announce_release()": _OF_RELEASES,
    "watch_people(uuid[], double precision)": _WATCH,
}

_TRIGGERS = [
    (
        "announce_new_jobs",
        "jobs",
        "AFTER INSERT ON jobs REFERENCING NEW TABLE AS changed"
        " FOR EACH STATEMENT EXECUTE FUNCTION announce_jobs()",
    ),
    (
        "announce_jobs",
        "jobs",
        "AFTER UPDATE ON jobs REFERENCING OLD TABLE AS former NEW TABLE AS changed"
        " FOR EACH STATEMENT EXECUTE FUNCTION announce_jobs()",
    ),
    (
        "announce_answers",
        "answers",
        "AFTER INSERT ON answers REFERENCING NEW TABLE AS added"
        " FOR EACH STATEMENT EXECUTE FUNCTION announce_answers()",
    ),
    (
        "announce_new_experiment",
        "experiments",
        "AFTER INSERT ON experiments FOR EACH ROW EXECUTE FUNCTION announce_experiment()",
    ),
    (
        "announce_experiment",
        "experiments",
        "AFTER UPDATE ON experiments FOR EACH ROW WHEN (OLD.status <> NEW.status)"
        " EXECUTE FUNCTION announce_experiment()",
    ),
    (
        "announce_new_decision",
        "decisions",
        "AFTER INSERT ON decisions FOR EACH ROW EXECUTE FUNCTION announce_experiment()",
    ),
    (
        "announce_decision",
        "decisions",
        "AFTER UPDATE ON decisions FOR EACH ROW WHEN (OLD.outcome IS DISTINCT FROM NEW.outcome)"
        " EXECUTE FUNCTION announce_experiment()",
    ),
    (
        "announce_analysis",
        "analyses",
        "AFTER INSERT ON analyses FOR EACH ROW EXECUTE FUNCTION announce_experiment()",
    ),
    (
        "announce_release",
        "releases",
        "AFTER INSERT ON releases FOR EACH ROW EXECUTE FUNCTION announce_release()",
    ),
]


def upgrade() -> None:
    op.create_table(
        "watched_people",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_watched_people")),
    )
    for function in _FUNCTIONS.values():
        op.execute(function)
    for name, _, definition in _TRIGGERS:
        op.execute(f"CREATE TRIGGER {name} {definition}")
    watch = "watch_people(uuid[], double precision)"
    op.execute(f"REVOKE EXECUTE ON FUNCTION {watch} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {watch} TO {ONLINE_ROLE}")


def downgrade() -> None:
    for name, table, _ in _TRIGGERS:
        op.execute(f"DROP TRIGGER {name} ON {table}")
    for function in reversed(_FUNCTIONS):
        op.execute(f"DROP FUNCTION {function}")
    op.drop_table("watched_people")
