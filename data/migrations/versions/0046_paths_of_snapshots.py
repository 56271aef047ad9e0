"""Paths of snapshots are below the state folder, so that an installation can be moved.

A path that is not `.../data/snapshots/<digest>` stays as it is, and is used as long as its folder is there.
"""

import sqlalchemy as sa
from alembic import op

from configs.settings import Settings

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

_COMMENT = "below the state folder; absolute outside of it; empty after an erasure of everything"
_BELOW = "'data/snapshots/' || digest"


def upgrade() -> None:
    op.execute(
        f"UPDATE snapshots SET path = {_BELOW} WHERE path ~ ('(^|/)' || {_BELOW} || '/?$')"  # noqa: S608
    )
    op.alter_column("snapshots", "path", existing_type=sa.Text(), existing_nullable=False, comment=_COMMENT)


def downgrade() -> None:
    op.alter_column("snapshots", "path", existing_type=sa.Text(), existing_nullable=False, comment=None)
    # An earlier release reads absolute paths. This process knows the state folder only by its setting.
    op.get_bind().execute(
        sa.text(f"UPDATE snapshots SET path = :state || '/' || path WHERE path = {_BELOW}"),  # noqa: S608
        {"state": str(Settings().state.absolute())},
    )
