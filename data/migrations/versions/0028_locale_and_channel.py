"""Answers say for which locale and channel they were made. The dashboard sees the answers that an experiment has
measured, those of one organisation at a time.

`answers` has no row-level security, because the gateway writes it by COPY. So the dashboard reads views, which
keep to the organisation that its transaction names, and show a correction to its author only.
"""

import sqlalchemy as sa
from alembic import op

from data.tables import READING_ROLE

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_COLUMNS = (
    ("locale", 44, "language tag that the request named; NULL: none, or stored by an earlier release"),
    ("channel", 40, "where the message was sent, as the request named it; NULL: likewise"),
)
_ORGANISATION = "nullif(current_setting('tonebridge.organisation', true), '')::uuid"
_PERSON = "nullif(current_setting('tonebridge.person', true), '')::uuid"
# The unit whose window a row is in, if the window is counted already.
_OF_A_COUNTED_UNIT = """
    JOIN units u ON u.experiment_id = r.experiment_id AND u.variant = r.variant
        AND u.unit_id IN (r.user_id, r.organisation_id)
    WHERE r.organisation_id = {organisation} AND NOT EXISTS (
        SELECT FROM open_units o
        WHERE o.experiment_id = u.experiment_id AND o.unit_id = u.unit_id AND o.period = u.period
    )
"""
_MEASURED_ANSWERS = f"""
CREATE VIEW measured_answers WITH (security_barrier) AS
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
{_OF_A_COUNTED_UNIT.format(organisation=_ORGANISATION)}
"""  # noqa: S608 (no user input)
_MEASURED_FAILURES = f"""
CREATE VIEW measured_failures WITH (security_barrier) AS
SELECT r.id, r.experiment_id, r.variant, r.user_id, r.failures, u.unit_id, u.entered_at
FROM failures r
{_OF_A_COUNTED_UNIT.format(organisation=_ORGANISATION)}
"""  # noqa: S608 (no user input)


def upgrade() -> None:
    for name, length, comment in _COLUMNS:
        op.add_column("answers", sa.Column(name, sa.String(length), nullable=True, comment=comment))
    for view in (_MEASURED_ANSWERS, _MEASURED_FAILURES):
        op.execute(view)
    op.execute(f"GRANT SELECT ON measured_answers, measured_failures TO {READING_ROLE}")


def downgrade() -> None:
    op.execute("DROP VIEW measured_answers, measured_failures")
    for name, _, _ in _COLUMNS:
        op.drop_column("answers", name)
