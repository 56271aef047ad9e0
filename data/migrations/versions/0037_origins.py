"""Origins of the web pages that may use an organisation's keys and tokens, and keys that are made for pages."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from data.tables import ONLINE_ROLE

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

_COUNTER = "counts the changes of origins, for gateways to notice"


def upgrade() -> None:
    op.add_column(
        "organisations",
        sa.Column(
            "origins",
            postgresql.ARRAY(sa.Text()),
            server_default="{}",
            nullable=False,
            comment="of the web pages that may use its tokens, and its keys without a list of their own",
        ),
    )
    op.add_column(
        "api_keys",
        sa.Column(
            "is_browser",
            sa.Boolean(),
            server_default="false",
            nullable=False,
            comment="whether it is in web pages, where everybody reads it: it may only rewrite and vote",
        ),
    )
    op.add_column(
        "api_keys",
        sa.Column(
            "origins",
            postgresql.ARRAY(sa.Text()),
            nullable=True,
            comment="of the web pages that may use it; NULL: those of its organisation",
        ),
    )
    for table in ("organisations", "api_keys"):
        op.add_column(
            table,
            sa.Column("origins_revision", sa.Integer(), server_default="0", nullable=False, comment=_COUNTER),
        )
        op.execute(f"GRANT UPDATE (origins, origins_revision) ON {table} TO {ONLINE_ROLE}")
    op.create_check_constraint(
        op.f("ck_api_keys_browser"),
        "api_keys",
        "NOT is_browser OR (role = 'member' AND NOT requires_signatures)",
    )


def downgrade() -> None:
    # Without these columns a key that everybody can read would be a key like others.
    op.execute("UPDATE api_keys SET revoked_at = now() WHERE is_browser AND revoked_at IS NULL")
    op.drop_constraint(op.f("ck_api_keys_browser"), "api_keys", type_="check")
    for column in ("origins_revision", "origins", "is_browser"):
        op.drop_column("api_keys", column)
    for column in ("origins_revision", "origins"):
        op.drop_column("organisations", column)
