"""Indexes for the pages of lists: the place where a page begins is found, and not counted to. The view of a
person's own answers lets them give the order.
"""

from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

# `answers` is partitioned by the day: each partition gets the index, and those to come inherit it.
_INDEXES = [
    ("ix_answers_of_user", "answers", ["user_id", "id"]),
    ("ix_api_keys_listed", "api_keys", ["organisation_id", "created_at", "id"]),
    ("ix_signing_keys_listed", "signing_keys", ["organisation_id", "created_at", "kid"]),
    ("ix_experiments_listed", "experiments", ["created_at", "id"]),
    ("ix_job_batches_listed", "job_batches", ["organisation_id", "id"]),
]


# Postgres plans what is behind a security barrier by itself: it would read and sort all answers of a person for
# each page. The barrier keeps a caller's own functions from seeing hidden rows. Whoever could call such a
# function as the gateway could as well name another organisation, so it protects nothing here.
_BARRIER = "ALTER VIEW own_answers SET (security_barrier = {})"


def upgrade() -> None:
    for name, table, columns in _INDEXES:
        op.create_index(name, table, columns)
    op.execute(_BARRIER.format("false"))


def downgrade() -> None:
    op.execute(_BARRIER.format("true"))
    for name, table, _ in reversed(_INDEXES):
        op.drop_index(name, table)
