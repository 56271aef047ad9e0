"""Column comments in plain English; those on who decides and on how a version was trained were out of date."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# (table, column, comment before, comment after)
_COMMENTS = (
    ("organisations", "plan", "of configs/plans.yaml", "name of a plan in configs/plans.yaml"),
    (
        "organisations",
        "trains_across",
        "its rows may train other tenants' models",
        "whether its feedback may train other organisations' models",
    ),
    (
        "organisations",
        "trains_by_default",
        "people who were never asked consent",
        "consent of its people who have not answered",
    ),
    (
        "users",
        "consents_to_training",
        "NULL: never asked, so the organisation's default holds",
        "NULL: not answered, so the organisation's default applies",
    ),
    (
        "signing_keys",
        "key",
        "the secret of HS256, the public key of EdDSA",
        "HS256: the secret; EdDSA: the public key",
    ),
    ("signing_keys", "role", "of every token that it signs", "role of every token that this key signs"),
    (
        "revoked_tokens",
        "jti",
        "the issuer's, or a digest of a token without one",
        "the token's jti, or a digest of a token that has none",
    ),
    (
        "accounts",
        "user_id",
        "whose its answers and votes are; no row before the first. The account's own id, which no key and no token can name; older accounts have another one, which is in reserved_people",
        "id in users that owns this account's answers and votes; that row is created with the first of them. It equals the account's id, which no key and no token can name; older accounts have another id, listed in reserved_people",
    ),
    (
        "account_sessions",
        "refresh_sha256",
        "of the newest refresh token's secret",
        "digest of the newest refresh token's secret",
    ),
    (
        "account_sessions",
        "former_sha256",
        "of a bounded number before it, newest first",
        "digests of the refresh tokens before it, newest first, a bounded number",
    ),
    (
        "account_sessions",
        "source",
        "digest, under a secret, of the address and of where it was signed in from",
        "keyed digest of the e-mail address and the network address at sign-in",
    ),
    ("idempotent_requests", "request_digest", "of route and body", "digest of route and body"),
    (
        "idempotent_requests",
        "status",
        "NULL while the first one is answered",
        "NULL: the first request is in progress",
    ),
    ("comparisons", "first_output_id", "shown in first place", "the output that is shown first"),
    (
        "comparisons",
        "pair_id",
        "the same for all who are shown these two outputs: the first one's id; NULL: not by the page",
        "shared by all comparisons of the same two outputs: id of the first one; NULL: not made on the page",
    ),
    ("comparisons", "people", "who shall be shown the pair", "number of people to show the pair to"),
    (
        "comparisons",
        "is_own",
        "of a message that the person typed on the page",
        "the person typed the message on the page",
    ),
    (
        "feedback",
        "preferred_output_id",
        "NULL in a comparison: both are bad",
        "NULL in a comparison: both outputs are bad",
    ),
    ("feedback", "reason", "of a comparison, in words", "why the person chose so in a comparison, in words"),
    (
        "feedback",
        "transaction",
        "of the last vote: orders rows by commit",
        "transaction of the newest vote; orders rows by commit",
    ),
    ("experiments", "organisation_id", "NULL: everybody", "NULL: all organisations"),
    ("experiments", "target", "the messages it is about", "which messages the experiment covers"),
    (
        "experiments",
        "is_sample",
        "made up, to show what a page looks like",
        "made up to show what a page looks like",
    ),
    (
        "experiments",
        "seen_until",
        "exposures of older transactions have been counted",
        "transaction id; exposures of older transactions are counted",
    ),
    (
        "units",
        "period",
        "in a holdout the epoch, since each champion is measured anew; else 0",
        "holdout: the epoch, because each champion is measured separately; otherwise 0",
    ),
    ("open_units", "period", "as in units", "same as in units"),
    (
        "metric_sums",
        "segment",
        "of the units, as name=value; '' is all",
        "the units' segment as name=value; '' for all units",
    ),
    ("metric_sums", "bin", "of a latency; else 0", "bin of a latency; 0 for other metrics"),
    (
        "decisions",
        "requested_by",
        "api_key:<id>, token:<subject> or flow:<name>",
        "api_key:<id>, token:<subject>, account:<id>, gateway:breaker or flow:<name>",
    ),
    (
        "decisions",
        "outcome",
        "done, failed: <why>, or proposed, which waits for a click",
        "done, failed: <why>, or proposed: it waits for a person",
    ),
    (
        "snapshots",
        "high_water",
        "every row of an older transaction is in it",
        "transaction id; the snapshot has every vote of older transactions that counts",
    ),
    ("snapshots", "accepted", "it may be trained on", "whether it may be trained on"),
    ("snapshots", "reasons", "why it may not", "why it may not be trained on"),
    (
        "snapshots",
        "quality",
        "data.validation's report; NULL: made before there was one, or rewritten by an erasure",
        "report of data.snapshots.validation; NULL: made before reports existed, or rewritten by an erasure",
    ),
    ("versions", "run_id", "of MLflow", "run id in MLflow"),
    (
        "versions",
        "method",
        "base, sft or dpo",
        "training stages joined by +: sft, then dpo or kto, then grpo",
    ),
    ("lineage", "source", "kind:id, such as snapshot:<digest>", "kind:id, for example snapshot:<digest>"),
    (
        "erasures",
        "purged_at",
        "when gateways were last told to forget what they hold",
        "when gateways were last asked to empty their caches",
    ),
    ("erasures", "counts", "what was removed so far", "numbers of removed items so far, by kind"),
)


def upgrade() -> None:
    for table, column, before, after in _COMMENTS:
        op.alter_column(table, column, comment=after, existing_comment=before)


def downgrade() -> None:
    for table, column, before, after in _COMMENTS:
        op.alter_column(table, column, comment=before, existing_comment=after)
