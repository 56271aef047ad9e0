"""People draft experiments and decide on them through the gateway."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from data.tables import ONLINE_ROLE

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_WHO = "api_key:<id>, token:<subject> or flow:<name>"
_OUTCOME = "done, failed: <why>, or proposed, which waits for a click"
_GRANTS = (
    "SELECT, INSERT ON experiments, variants, decisions",
    "INSERT ON specs",
    "SELECT ON versions",
    "SELECT (version, action, created_at) ON version_orders",
)


def upgrade() -> None:
    op.add_column(
        "experiments",
        sa.Column("target", JSONB(), server_default="{}", nullable=False, comment="the messages it is about"),
    )
    # A token's subject has up to 200 characters.
    op.alter_column("decisions", "requested_by", type_=sa.String(220), comment=_WHO)
    op.alter_column("decisions", "outcome", comment=_OUTCOME)
    for grant in _GRANTS:
        op.execute(f"GRANT {grant} TO {ONLINE_ROLE}")


def downgrade() -> None:
    for grant in _GRANTS:
        op.execute(f"REVOKE {grant} FROM {ONLINE_ROLE}")
    op.alter_column("decisions", "outcome", existing_comment=_OUTCOME, comment=None)
    op.execute("UPDATE decisions SET requested_by = left(requested_by, 200)")
    op.alter_column("decisions", "requested_by", type_=sa.String(200), existing_comment=_WHO, comment=None)
    op.drop_column("experiments", "target")
