"""How many organisations have used most of this month's answers, or all of them, for the metrics."""

from alembic import op

from data.tables import READING_ROLE

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

# The dashboard may not see whose they are: it gets numbers of organisations, and no names.
_COUNT = """
CREATE FUNCTION count_quotas() RETURNS TABLE (state text, organisations bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
SELECT CASE WHEN answers >= quota THEN 'used_up' WHEN answers >= 0.8 * quota THEN 'near' ELSE 'below' END,
    count(*)
FROM usage WHERE month = date_trunc('month', now() AT TIME ZONE 'UTC')::date AND quota IS NOT NULL GROUP BY 1
$$
"""


def upgrade() -> None:
    op.execute(_COUNT)
    op.execute("REVOKE EXECUTE ON FUNCTION count_quotas FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION count_quotas TO {READING_ROLE}")


def downgrade() -> None:
    op.execute("DROP FUNCTION count_quotas")
