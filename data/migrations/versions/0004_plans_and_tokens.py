"""Plans of organisations; keys that sign tokens, and tokens that are revoked."""

import sqlalchemy as sa
from alembic import op

from data.tables import ONLINE_ROLE

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "organisations",
        sa.Column(
            "plan",
            sa.String(length=20),
            server_default="free",
            nullable=False,
            comment="of configs/plans.yaml",
        ),
    )
    op.create_check_constraint(
        op.f("ck_organisations_plan"), "organisations", "plan IN ('free', 'team', 'scale')"
    )
    # Whoever was here before there were plans keeps what they had: no limit to speak of.
    op.execute("UPDATE organisations SET plan = 'scale'")
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.String(length=64), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("algorithm", sa.String(length=10), nullable=False),
        sa.Column(
            "key", sa.LargeBinary(), nullable=False, comment="the secret of HS256, the public key of EdDSA"
        ),
        sa.Column("role", sa.String(length=20), nullable=False, comment="of every token that it signs"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("algorithm IN ('HS256', 'EdDSA')", name=op.f("ck_signing_keys_algorithm")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_signing_keys_organisation_id")
        ),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_signing_keys")),
    )
    op.create_table(
        "revoked_tokens",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column(
            "jti",
            sa.String(length=200),
            nullable=False,
            comment="the issuer's, or a digest of a token without one",
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_revoked_tokens_organisation_id")
        ),
        sa.PrimaryKeyConstraint("organisation_id", "jti", name=op.f("pk_revoked_tokens")),
    )
    op.execute(f"GRANT INSERT, UPDATE (revoked_at) ON api_keys TO {ONLINE_ROLE}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE (revoked_at) ON signing_keys TO {ONLINE_ROLE}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON revoked_tokens TO {ONLINE_ROLE}")


def downgrade() -> None:
    op.execute(f"REVOKE INSERT, UPDATE (revoked_at) ON api_keys FROM {ONLINE_ROLE}")
    op.drop_table("revoked_tokens")
    op.drop_table("signing_keys")
    op.drop_constraint(op.f("ck_organisations_plan"), "organisations")
    op.drop_column("organisations", "plan")
