"""The ground: every table of the loop."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from data.tables import Xid8

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "answers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("output_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("experiment_id", sa.Uuid(), nullable=True),
        sa.Column("variant", sa.String(length=63), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("cache", sa.String(length=4), nullable=False),
        sa.Column("fell_back", sa.Boolean(), nullable=False),
        sa.Column("total_ms", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answers")),
        postgresql_partition_by="RANGE (id)",
    )
    op.create_table(
        "experiments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=True, comment="NULL: everybody"),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("hypothesis", sa.Text(), nullable=False),
        sa.Column(
            "plan",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="primary metric, guardrails, margins, minimum run: frozen at start",
        ),
        sa.Column("salt", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=20), server_default="draft", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('draft', 'running', 'paused', 'shipped', 'rolled_back', 'stopped')",
            name=op.f("ck_experiments_status"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_experiments")),
    )
    op.create_table(
        "gateways",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateways")),
    )
    op.create_table(
        "lineage",
        sa.Column(
            "source", sa.String(length=120), nullable=False, comment="kind:id, such as snapshot:<digest>"
        ),
        sa.Column("target", sa.String(length=120), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("source", "target", name=op.f("pk_lineage")),
    )
    op.create_table(
        "organisations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column(
            "trains_across",
            sa.Boolean(),
            server_default="false",
            nullable=False,
            comment="its rows may train other tenants' models",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisations")),
        sa.UniqueConstraint("name", name=op.f("uq_organisations_name")),
    )
    op.create_table(
        "outputs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("transform_type", sa.String(length=20), nullable=False),
        sa.Column("intensity", sa.SmallInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("facts_missing", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("spec_digest", sa.String(length=32), nullable=False),
        sa.Column("version", sa.String(length=63), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=True),
        sa.Column("upstream_ms", sa.Double(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("intensity BETWEEN 0 AND 3", name=op.f("ck_outputs_intensity")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outputs")),
    )
    op.create_index(op.f("ix_outputs_organisation_id"), "outputs", ["organisation_id"], unique=False)
    op.create_index(op.f("ix_outputs_version"), "outputs", ["version"], unique=False)
    op.create_table(
        "snapshots",
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "high_water",
            sa.BigInteger(),
            nullable=False,
            comment="every row of an older transaction is in it",
        ),
        sa.Column(
            "trained_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when a training run on it succeeded",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_snapshots")),
    )
    op.create_table(
        "specs",
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_specs")),
    )
    op.create_table(
        "versions",
        sa.Column("name", sa.String(length=63), nullable=False, comment="v<number in the MLflow registry>"),
        sa.Column("parent", sa.String(length=63), nullable=True),
        sa.Column("run_id", sa.String(length=64), nullable=False, comment="of MLflow"),
        sa.Column("method", sa.String(length=20), nullable=False, comment="base, sft or dpo"),
        sa.Column("metrics", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("reasons", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["parent"], ["versions.name"], name=op.f("fk_versions_parent")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_versions")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=20), server_default="member", nullable=False),
        sa.Column("secret_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_api_keys_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
    )
    op.create_table(
        "comparisons",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "policy",
            sa.String(length=40),
            nullable=False,
            comment="two_samples, or champion_against_challenger",
        ),
        sa.Column("first_output_id", sa.Uuid(), nullable=False, comment="shown in first place"),
        sa.Column("second_output_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["first_output_id"], ["outputs.id"], name=op.f("fk_comparisons_first_output_id")
        ),
        sa.ForeignKeyConstraint(
            ["second_output_id"], ["outputs.id"], name=op.f("fk_comparisons_second_output_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comparisons")),
    )
    op.create_index(op.f("ix_comparisons_organisation_id"), "comparisons", ["organisation_id"], unique=False)
    op.create_table(
        "decisions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("experiment_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.String(length=200), nullable=False),
        sa.Column("idempotency_key", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["experiment_id"], ["experiments.id"], name=op.f("fk_decisions_experiment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_decisions_idempotency_key")),
    )
    op.create_table(
        "epochs",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("experiment_id", sa.Uuid(), nullable=True),
        sa.Column("routing", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"], name=op.f("fk_epochs_experiment_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_epochs")),
    )
    op.create_table(
        "exposures",
        sa.Column("experiment_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("variant", sa.String(length=63), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("answer_id", sa.Uuid(), nullable=False),
        sa.Column("exposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["experiment_id"], ["experiments.id"], name=op.f("fk_exposures_experiment_id")
        ),
        sa.PrimaryKeyConstraint("experiment_id", "user_id", "variant", "epoch", name=op.f("pk_exposures")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=True),
        sa.Column("external_id", sa.String(length=200), nullable=True),
        sa.Column("consents_to_training", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_users_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
    )
    op.create_table(
        "variants",
        sa.Column("experiment_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("spec_digest", sa.String(length=32), nullable=False),
        sa.Column("is_baseline", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["experiment_id"], ["experiments.id"], name=op.f("fk_variants_experiment_id")
        ),
        sa.ForeignKeyConstraint(["spec_digest"], ["specs.digest"], name=op.f("fk_variants_spec_digest")),
        sa.PrimaryKeyConstraint("experiment_id", "name", name=op.f("pk_variants")),
    )
    op.create_table(
        "feedback",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("output_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("thumb_up", sa.Boolean(), nullable=True),
        sa.Column("rating", sa.SmallInteger(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True, comment="the corrected rewrite, or the comment"),
        sa.Column("comparison_id", sa.Uuid(), nullable=True),
        sa.Column(
            "preferred_output_id", sa.Uuid(), nullable=True, comment="NULL in a comparison: both are bad"
        ),
        sa.Column("experiment_id", sa.Uuid(), nullable=True),
        sa.Column("variant", sa.String(length=63), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "transaction",
            Xid8(),
            server_default=sa.text("pg_current_xact_id()"),
            nullable=False,
            comment="of the last vote: orders rows by commit",
        ),
        sa.CheckConstraint(
            "(kind = 'thumb') = (thumb_up IS NOT NULL) AND (kind = 'rating') = (rating IS NOT NULL) AND (kind IN ('edit', 'comment')) = (text IS NOT NULL) AND (kind = 'comparison') = (comparison_id IS NOT NULL)",
            name=op.f("ck_feedback_value"),
        ),
        sa.CheckConstraint(
            "kind IN ('thumb', 'rating', 'edit', 'comparison', 'comment')", name=op.f("ck_feedback_kind")
        ),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name=op.f("ck_feedback_rating")),
        sa.ForeignKeyConstraint(
            ["comparison_id"], ["comparisons.id"], name=op.f("fk_feedback_comparison_id")
        ),
        sa.ForeignKeyConstraint(["output_id"], ["outputs.id"], name=op.f("fk_feedback_output_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
        sa.UniqueConstraint("output_id", "user_id", "kind", name=op.f("uq_feedback_output_id_user_id_kind")),
    )
    op.create_index(op.f("ix_feedback_experiment_id"), "feedback", ["experiment_id"], unique=False)
    op.create_index(op.f("ix_feedback_organisation_id"), "feedback", ["organisation_id"], unique=False)
    op.create_index("ix_feedback_transaction", "feedback", ["transaction"], unique=False)
    op.create_table(
        "releases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.String(length=63), nullable=False),
        sa.Column("replaced", sa.String(length=63), nullable=True),
        sa.Column("spec_digest", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["epoch"], ["epochs.number"], name=op.f("fk_releases_epoch")),
        sa.ForeignKeyConstraint(["replaced"], ["versions.name"], name=op.f("fk_releases_replaced")),
        sa.ForeignKeyConstraint(["spec_digest"], ["specs.digest"], name=op.f("fk_releases_spec_digest")),
        sa.ForeignKeyConstraint(["version"], ["versions.name"], name=op.f("fk_releases_version")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_releases")),
    )


def downgrade() -> None:
    op.drop_table("releases")
    op.drop_index("ix_feedback_transaction", table_name="feedback")
    op.drop_index(op.f("ix_feedback_organisation_id"), table_name="feedback")
    op.drop_index(op.f("ix_feedback_experiment_id"), table_name="feedback")
    op.drop_table("feedback")
    op.drop_table("variants")
    op.drop_table("users")
    op.drop_table("exposures")
    op.drop_table("epochs")
    op.drop_table("decisions")
    op.drop_index(op.f("ix_comparisons_organisation_id"), table_name="comparisons")
    op.drop_table("comparisons")
    op.drop_table("api_keys")
    op.drop_table("versions")
    op.drop_table("specs")
    op.drop_table("snapshots")
    op.drop_index(op.f("ix_outputs_version"), table_name="outputs")
    op.drop_index(op.f("ix_outputs_organisation_id"), table_name="outputs")
    op.drop_table("outputs")
    op.drop_table("organisations")
    op.drop_table("lineage")
    op.drop_table("gateways")
    op.drop_table("experiments")
    op.drop_table("answers")
