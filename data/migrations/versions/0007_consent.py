"""People may say whether they consent to training, and organisations what holds for who was never asked."""

import sqlalchemy as sa
from alembic import op

from data.tables import ONLINE_ROLE

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_SAID = "NULL: never asked, so the organisation's default holds"


def upgrade() -> None:
    op.add_column(
        "organisations",
        sa.Column(
            "trains_by_default",
            sa.Boolean(),
            server_default=sa.true(),
            nullable=False,
            comment="people who were never asked consent",
        ),
    )
    op.alter_column("users", "consents_to_training", nullable=True, server_default=None, comment=_SAID)
    # Until now nobody could be asked: true was the default, false a hand that wrote into the table.
    op.execute("UPDATE users SET consents_to_training = NULL WHERE consents_to_training")
    op.execute(f"GRANT UPDATE (consents_to_training) ON users TO {ONLINE_ROLE}")
    op.execute(f"GRANT UPDATE (trains_across, trains_by_default) ON organisations TO {ONLINE_ROLE}")


def downgrade() -> None:
    op.execute(f"REVOKE UPDATE (trains_across, trains_by_default) ON organisations FROM {ONLINE_ROLE}")
    op.execute(f"REVOKE UPDATE (consents_to_training) ON users FROM {ONLINE_ROLE}")
    op.execute(
        "UPDATE users u SET consents_to_training = g.trains_by_default FROM organisations g"
        " WHERE g.id = u.organisation_id AND u.consents_to_training IS NULL"
    )
    op.alter_column(
        "users",
        "consents_to_training",
        nullable=False,
        server_default=sa.true(),
        existing_comment=_SAID,
        comment=None,
    )
    op.drop_column("organisations", "trains_by_default")
