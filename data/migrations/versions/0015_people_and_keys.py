"""No key and no token can name the person of an account; a kid is its organisation's own; a session recognises
its former refresh tokens, and knows where it was opened.

Accounts that are there keep their people: their ids are in rows of nine tables, in routing, in receipts that
are out and in the files of snapshots, and experiments have placed people by them. A token could name these
people, so their ids are noted, and gateways refuse such tokens. They are noted apart from accounts, since the
votes of a removed account stay. Stop the gateways meanwhile: an account that an older one makes afterwards
would be noted nowhere.
"""

import sqlalchemy as sa
from alembic import op

from data.tables import ONLINE_ROLE

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_FORMERLY = "whose its answers and votes are; no row before the first"
_NOW = (
    f"{_FORMERLY}. The account's own id, which no key and no token can name; older accounts have another one,"
    " which is in reserved_people"
)


def upgrade() -> None:
    op.create_table(
        "reserved_people",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_reserved_people")),
    )
    op.execute("INSERT INTO reserved_people (user_id) SELECT user_id FROM accounts")
    op.execute(f"GRANT SELECT ON reserved_people TO {ONLINE_ROLE}")
    op.alter_column("accounts", "user_id", comment=_NOW, existing_comment=_FORMERLY)

    op.drop_constraint(op.f("pk_signing_keys"), "signing_keys")
    op.create_primary_key(op.f("pk_signing_keys"), "signing_keys", ["kid", "organisation_id"])
    op.create_unique_constraint(op.f("uq_signing_keys_kid_key"), "signing_keys", ["kid", "key"])

    op.add_column(
        "account_sessions",
        sa.Column(
            "former_sha256",
            sa.ARRAY(sa.LargeBinary()),
            server_default="{}",
            nullable=False,
            comment="of a bounded number before it, newest first",
        ),
    )
    op.add_column(
        "account_sessions",
        sa.Column(
            "source",
            sa.LargeBinary(),
            nullable=True,
            comment="digest, under a secret, of the address and of where it was signed in from",
        ),
    )


def downgrade() -> None:
    """Fails when two organisations use the same kid. The answers and votes of accounts that were made since
    stay under ids that an older gateway does not know.
    """
    op.drop_column("account_sessions", "source")
    op.drop_column("account_sessions", "former_sha256")
    op.drop_constraint(op.f("uq_signing_keys_kid_key"), "signing_keys")
    op.drop_constraint(op.f("pk_signing_keys"), "signing_keys")
    op.create_primary_key(op.f("pk_signing_keys"), "signing_keys", ["kid"])
    op.alter_column("accounts", "user_id", comment=_FORMERLY, existing_comment=_NOW)
    op.drop_table("reserved_people")
