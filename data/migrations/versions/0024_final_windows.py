"""What makes a window's outcomes final: the earlier values of votes, and a limit on the time in which a vote is
stored.

A window counts a vote as it was when the window closed. Of votes that were changed before this migration, no
earlier value exists: they count as they are.
"""

import sqlalchemy as sa
from alembic import op

from data.tables import GATEWAY_LOGIN

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

# A function of the tables' owner: the gateway changes votes, but cannot read or write their earlier values.
_KEEP = """
CREATE FUNCTION keep_replaced_vote() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO public.replaced_votes (feedback_id, replaced_at, thumb_up, rating, edit_distance)
    VALUES (OLD.id, NEW.updated_at, OLD.thumb_up, OLD.rating, OLD.edit_distance);
    RETURN NULL;
END $$
"""
_ON_CHANGE = """
CREATE TRIGGER replaced_votes AFTER UPDATE ON feedback FOR EACH ROW
WHEN (
    (OLD.thumb_up, OLD.rating, OLD.edit_distance)
    IS DISTINCT FROM (NEW.thumb_up, NEW.rating, NEW.edit_distance)
)
EXECUTE FUNCTION keep_replaced_vote()
"""


def upgrade() -> None:
    op.create_table(
        "replaced_votes",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("feedback_id", sa.Uuid(), nullable=False),
        sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("thumb_up", sa.Boolean(), nullable=True),
        sa.Column("rating", sa.SmallInteger(), nullable=True),
        sa.Column("edit_distance", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["feedback_id"],
            ["feedback.id"],
            name=op.f("fk_replaced_votes_feedback_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replaced_votes")),
    )
    op.create_index("ix_replaced_votes_feedback_id", "replaced_votes", ["feedback_id", "replaced_at"])
    op.execute(_KEEP)
    op.execute("REVOKE EXECUTE ON FUNCTION keep_replaced_vote FROM PUBLIC")
    op.execute(_ON_CHANGE)
    # A vote has the time at which its transaction began.
    op.execute(f"ALTER ROLE {GATEWAY_LOGIN} SET transaction_timeout = '30s'")


def downgrade() -> None:
    op.execute(f"ALTER ROLE {GATEWAY_LOGIN} RESET transaction_timeout")
    op.execute("DROP TRIGGER replaced_votes ON feedback")
    op.execute("DROP FUNCTION keep_replaced_vote")
    op.drop_table("replaced_votes")
