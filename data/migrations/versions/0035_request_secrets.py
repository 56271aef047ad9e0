"""Secrets that sign requests. A key may require signatures."""

import sqlalchemy as sa
from alembic import op

from data.tables import ONLINE_ROLE

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "api_keys",
        sa.Column(
            "requires_signatures",
            sa.Boolean(),
            server_default="false",
            nullable=False,
            comment="whether requests with this key are refused unless one of its secrets has signed them",
        ),
    )
    op.add_column(
        "api_keys",
        sa.Column(
            "signing_revision",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="counts the changes of requires_signatures and of the key's secrets, for gateways to notice",
        ),
    )
    op.create_table(
        "request_secrets",
        sa.Column("id", sa.String(64), nullable=False, comment="the keyid of signatures"),
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column(
            "secret", sa.LargeBinary(), nullable=True, comment="as it is, since HMAC needs it; NULL: revoked"
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(secret IS NULL) = (revoked_at IS NOT NULL)", name=op.f("ck_request_secrets_revoked")
        ),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=op.f("fk_request_secrets_key_id")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_request_secrets_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_request_secrets")),
    )
    op.create_index(op.f("ix_request_secrets_key_id"), "request_secrets", ["key_id"])
    # No row-level security, as for keys: a secret is read before it is known whose request it is.
    op.execute(f"GRANT UPDATE (requires_signatures, signing_revision) ON api_keys TO {ONLINE_ROLE}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE (secret, revoked_at) ON request_secrets TO {ONLINE_ROLE}")


def downgrade() -> None:
    op.drop_table("request_secrets")
    op.drop_column("api_keys", "signing_revision")
    op.drop_column("api_keys", "requires_signatures")
