"""The users of an experiment are found in their exposures: `units` gets rows of organisations only.

The index of `units` had a random key for each user, and its upkeep was most of what an analysis wrote. The rows of
users that former releases have stored stay, unused. The former release stores further ones: a trigger keeps it from
counting a user again whom this release has counted. It does not notice when such a user moves to another arm.
"""

from alembic import op

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None

PHASE = "expand"

_ORGANISATION = "nullif(current_setting('tonebridge.organisation', true), '')::uuid"
_PERSON = "nullif(current_setting('tonebridge.person', true), '')::uuid"
# The unit whose window a row is in, if the window is counted already: the organisation, or the user by the first
# of the exposures that analyses have read. In a holdout a user enters each epoch anew.
_OF_A_COUNTED_UNIT = """
    JOIN LATERAL (
        SELECT u.unit_id, u.period, u.variant, u.entered_at FROM units u
        WHERE u.experiment_id = r.experiment_id AND u.unit_id = r.organisation_id
        UNION ALL (
            SELECT DISTINCT ON (period)
                e.user_id, CASE WHEN x.status = 'holdout' THEN e.epoch ELSE 0 END AS period, e.variant, e.exposed_at
            FROM exposures e JOIN experiments x ON x.id = e.experiment_id
            WHERE e.experiment_id = r.experiment_id AND e.user_id = r.user_id
                AND e.transaction < x.seen_until::text::xid8
                AND NOT EXISTS (
                    SELECT FROM units u
                    WHERE u.experiment_id = r.experiment_id AND u.unit_id = r.organisation_id
                )
            ORDER BY period, e.exposed_at, e.answer_id
        )
    ) AS u ON u.variant = r.variant
    WHERE r.organisation_id = {organisation} AND NOT EXISTS (
        SELECT FROM open_units o
        WHERE o.experiment_id = r.experiment_id AND o.unit_id = u.unit_id AND o.period = u.period
    )
"""
_OF_A_COUNTED_UNIT_BEFORE = """
    JOIN units u ON u.experiment_id = r.experiment_id AND u.variant = r.variant
        AND u.unit_id IN (r.user_id, r.organisation_id)
    WHERE r.organisation_id = {organisation} AND NOT EXISTS (
        SELECT FROM open_units o
        WHERE o.experiment_id = u.experiment_id AND o.unit_id = u.unit_id AND o.period = u.period
    )
"""
_MEASURED_ANSWERS = f"""
CREATE OR REPLACE VIEW measured_answers WITH (security_barrier = true) AS
SELECT r.id, r.experiment_id, r.variant, r.output_id, r.user_id, r.cache, r.fell_back, r.total_ms, r.locale,
    r.channel, u.unit_id, u.entered_at, vote.thumb_up, vote.rating, vote.edit_distance, vote.voted_at,
    CASE WHEN r.user_id = {_PERSON} THEN vote.correction END AS correction
FROM answers r
LEFT JOIN LATERAL (
    SELECT bool_or(f.thumb_up) AS thumb_up, max(f.rating) AS rating, max(f.edit_distance) AS edit_distance,
        min(f.created_at) AS voted_at, max(f.text) FILTER (WHERE f.kind = 'edit') AS correction
    FROM feedback f
    WHERE f.output_id = r.output_id AND f.user_id = r.user_id AND f.experiment_id = r.experiment_id
        AND f.variant = r.variant
) AS vote ON true
{{of_a_counted_unit}}
"""  # noqa: S608 (no user input)
_MEASURED_FAILURES = """
CREATE OR REPLACE VIEW measured_failures WITH (security_barrier = true) AS
SELECT r.id, r.experiment_id, r.variant, r.user_id, r.failures, u.unit_id, u.entered_at
FROM failures r
{of_a_counted_unit}
"""
_SKIP = """
CREATE FUNCTION skip_counted_user() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM public.exposures e JOIN public.experiments x ON x.id = e.experiment_id
        WHERE e.experiment_id = NEW.experiment_id AND e.user_id = NEW.unit_id
            AND NEW.period IN (0, e.epoch) AND e.transaction < x.seen_until::text::xid8
    ) THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END $$
"""
_ON_INSERT = """
CREATE TRIGGER counted_users BEFORE INSERT ON units FOR EACH ROW EXECUTE FUNCTION skip_counted_user()
"""
# What the former release would have stored.
_STORE_USERS = """
INSERT INTO units (experiment_id, unit_id, period, epoch, variant, entered_at, moved)
SELECT DISTINCT ON (experiment_id, user_id, period) experiment_id, user_id, period, epoch, variant, exposed_at,
    count(*) FILTER (WHERE variant <> first_variant) OVER unit > 0
FROM (
    SELECT e.*, CASE WHEN x.status = 'holdout' THEN e.epoch ELSE 0 END AS period,
        first_value(e.variant) OVER (
            PARTITION BY e.experiment_id, e.user_id, CASE WHEN x.status = 'holdout' THEN e.epoch END
            ORDER BY e.exposed_at, e.answer_id
        ) AS first_variant
    FROM exposures e JOIN experiments x ON x.id = e.experiment_id
    WHERE e.transaction < x.seen_until::text::xid8 AND NOT EXISTS (
        SELECT FROM units u WHERE u.experiment_id = e.experiment_id AND u.unit_id = e.organisation_id
    )
) AS exposed
WINDOW unit AS (PARTITION BY experiment_id, user_id, period)
ORDER BY experiment_id, user_id, period, exposed_at, answer_id
ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    _replace_views(_OF_A_COUNTED_UNIT)
    op.execute(_SKIP)
    op.execute("REVOKE EXECUTE ON FUNCTION skip_counted_user FROM PUBLIC")
    op.execute(_ON_INSERT)


def downgrade() -> None:
    op.execute("DROP TRIGGER counted_users ON units")
    op.execute("DROP FUNCTION skip_counted_user")
    op.execute(_STORE_USERS)
    _replace_views(_OF_A_COUNTED_UNIT_BEFORE)


def _replace_views(of_a_counted_unit: str) -> None:
    of_a_counted_unit = of_a_counted_unit.format(organisation=_ORGANISATION)
    for view in (_MEASURED_ANSWERS, _MEASURED_FAILURES):
        op.execute(view.format(of_a_counted_unit=of_a_counted_unit))
