"""Dictionaries: terms of organisations and of people. A trigger gives each changed dictionary a new revision.

So no writer can forget to tell the gateways, an erasure and a person with SQL neither.
"""

import sqlalchemy as sa
from alembic import op

from data.tables import ONLINE_ROLE

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

_MINE = "organisation_id = nullif(current_setting('tonebridge.organisation', true), '')::uuid"

# The lock is held until the commit, so revisions become visible in their order: a gateway that has seen one
# has seen all before it. A revision is of a sequence and not the largest of the table plus one, since an
# erasure sees the table as of its start.
_REVISE = """
CREATE FUNCTION revise_dictionary() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    term dictionary_terms := coalesce(NEW, OLD);
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('dictionaries'));
    INSERT INTO dictionaries (revision, organisation_id, user_id)
    VALUES (nextval('dictionary_revisions'), term.organisation_id, term.user_id)
    ON CONFLICT (organisation_id, user_id) DO UPDATE SET revision = excluded.revision;
    PERFORM pg_notify('tonebridge:routing', 'dictionary');
    RETURN NULL;
END
$$
"""


def upgrade() -> None:
    op.create_table(
        "dictionary_terms",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True, comment="whose term it is; NULL: the organisation's"),
        sa.Column("term", sa.String(100), nullable=False),
        sa.Column(
            "folded", sa.String(100), nullable=False, comment="the same for spellings that differ in case"
        ),
        sa.Column("rule", sa.String(10), nullable=False),
        sa.Column(
            "wording",
            sa.String(300),
            nullable=False,
            comment="explains the term, or is said in its place; '' of a term that is kept",
        ),
        sa.Column(
            "created_by",
            sa.Text(),
            nullable=False,
            comment="as in `decisions`; a token's subject may be long",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint("rule IN ('keep', 'explain', 'replace')", name=op.f("ck_dictionary_terms_rule")),
        sa.CheckConstraint("(rule = 'keep') = (wording = '')", name=op.f("ck_dictionary_terms_wording")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_dictionary_terms_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dictionary_terms")),
        sa.UniqueConstraint(
            "organisation_id",
            "user_id",
            "folded",
            name=op.f("uq_dictionary_terms_organisation_id_user_id_folded"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_table(
        "dictionaries",
        sa.Column(
            "revision",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="increases in the order of the commits",
        ),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True, comment="whose it is; NULL: the organisation's"),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_dictionaries_organisation_id")
        ),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_dictionaries")),
        sa.UniqueConstraint(
            "organisation_id",
            "user_id",
            name=op.f("uq_dictionaries_organisation_id_user_id"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.execute("CREATE SEQUENCE dictionary_revisions")
    op.execute("ALTER TABLE dictionary_terms ENABLE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY mine ON dictionary_terms FOR ALL TO {ONLINE_ROLE}"
        f" USING ({_MINE}) WITH CHECK ({_MINE})"
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON dictionary_terms TO {ONLINE_ROLE}")
    # No row-level security: a gateway looks for the changes of all organisations at once. It has no terms.
    op.execute(f"GRANT SELECT ON dictionaries TO {ONLINE_ROLE}")
    op.execute(_REVISE)
    op.execute("REVOKE EXECUTE ON FUNCTION revise_dictionary() FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER revise AFTER INSERT OR UPDATE OR DELETE ON dictionary_terms"
        " FOR EACH ROW EXECUTE FUNCTION revise_dictionary()"
    )
    op.add_column(
        "outputs",
        sa.Column(
            "dictionary_digest",
            sa.String(32),
            server_default="",
            nullable=False,
            comment="of the terms of dictionaries that the message has; '': none",
        ),
    )
    op.add_column(
        "outputs",
        sa.Column(
            "has_dictionary_words",
            sa.Boolean(),
            server_default="false",
            nullable=False,
            comment="whether the text may have wordings of a dictionary; no snapshot has such a text",
        ),
    )


def downgrade() -> None:
    op.drop_column("outputs", "has_dictionary_words")
    op.drop_column("outputs", "dictionary_digest")
    op.drop_table("dictionary_terms")
    op.execute("DROP FUNCTION revise_dictionary()")
    op.drop_table("dictionaries")
    op.execute("DROP SEQUENCE dictionary_revisions")
