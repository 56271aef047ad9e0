"""Who made, changed and revoked keys, secrets and tokens."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from data.tables import ONLINE_ROLE

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None

PHASE = "expand"

_MINE = "organisation_id = nullif(current_setting('tonebridge.organisation', true), '')::uuid"


def upgrade() -> None:
    op.create_table(
        "key_changes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("key_id", sa.String(16), nullable=True, comment="the API key; NULL: it is about none"),
        sa.Column("secret_id", sa.String(64), nullable=True, comment="the secret of the API key"),
        sa.Column("kid", sa.String(64), nullable=True, comment="the signing key, or that of the token"),
        sa.Column("jti", sa.String(200), nullable=True, comment="the token, as in `revoked_tokens`"),
        sa.Column(
            "origins",
            postgresql.ARRAY(sa.Text()),
            nullable=True,
            comment="the new list; NULL: none, or that of the organisation",
        ),
        sa.Column(
            "rewrites_a_day", sa.Integer(), nullable=True, comment="the new quota of a key for web pages"
        ),
        sa.Column(
            "changed_by",
            sa.Text(),
            nullable=False,
            comment="as in `decisions`; a token's subject may be long",
        ),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_key_changes_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key_changes")),
    )
    op.create_index("ix_key_changes_listed", "key_changes", ["organisation_id", "id"])
    op.execute("ALTER TABLE key_changes ENABLE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY mine ON key_changes FOR ALL TO {ONLINE_ROLE} USING ({_MINE}) WITH CHECK ({_MINE})"
    )
    op.execute(f"GRANT SELECT, INSERT ON key_changes TO {ONLINE_ROLE}")  # a gateway rewrites no history


def downgrade() -> None:
    op.drop_table("key_changes")
