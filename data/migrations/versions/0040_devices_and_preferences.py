"""What device a session is on, in the client's words, and that its person may end it from another one; what a
person prefers in every client.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

from data.tables import ONLINE_ROLE

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

_ENDED_BEFORE = "signed_out, reused or password_changed"
_ENDED = "signed_out, reused, password_changed or ended_elsewhere"
_CHECKS = {
    "preferred_language": "preferred_language IN ('en', 'ja')",
    "preferred_intensity": "preferred_intensity BETWEEN 0 AND 3",
}
_PREFERRED: dict[str, TypeEngine[Any]] = {
    "preferred_language": sa.String(2),
    "preferred_transform_type": sa.String(20),
    "preferred_intensity": sa.SmallInteger(),
}


def upgrade() -> None:
    op.add_column(
        "account_sessions",
        sa.Column(
            "device",
            sa.String(60),
            nullable=True,
            comment="as the client described it at sign-in; NULL: it did not",
        ),
    )
    op.alter_column("account_sessions", "ended_because", comment=_ENDED, existing_comment=_ENDED_BEFORE)
    for name, kind in _PREFERRED.items():
        op.add_column(
            "users",
            sa.Column(name, kind, nullable=True, comment="for clients to preselect; NULL: no preference"),
        )
    for name, check in _CHECKS.items():
        op.create_check_constraint(name, "users", check)
    op.execute(f"GRANT UPDATE ({', '.join(_PREFERRED)}) ON users TO {ONLINE_ROLE}")


def downgrade() -> None:
    for name in reversed(_PREFERRED):
        op.drop_column("users", name)
    op.alter_column("account_sessions", "ended_because", comment=_ENDED_BEFORE, existing_comment=_ENDED)
    op.drop_column("account_sessions", "device")
