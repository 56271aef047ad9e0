"""How many rewrites a day a key may ask for that is in web pages, where everybody reads it."""

import sqlalchemy as sa
from alembic import op

from data.tables import ONLINE_ROLE

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

PHASE = "expand"

_ORIGINS = "counts the changes of origins, for gateways to notice"
_BOTH = "counts the changes of origins and of rewrites_a_day, for gateways to notice"


def upgrade() -> None:
    # Keys for pages that exist, or that the former release makes, have NULL: the default.
    op.add_column(
        "api_keys",
        sa.Column(
            "rewrites_a_day",
            sa.Integer(),
            nullable=True,
            comment="the quota of a key that is in web pages; NULL: the default of these keys, none of others",
        ),
    )
    op.alter_column(
        "api_keys", "origins_revision", existing_type=sa.Integer(), comment=_BOTH, existing_comment=_ORIGINS
    )
    op.execute(f"GRANT UPDATE (rewrites_a_day) ON api_keys TO {ONLINE_ROLE}")


def downgrade() -> None:
    op.drop_column("api_keys", "rewrites_a_day")
    op.alter_column(
        "api_keys", "origins_revision", existing_type=sa.Integer(), comment=_ORIGINS, existing_comment=_BOTH
    )
