"""Latency bins are a tenth as wide, and begin at 1 ms: quantiles were off by up to a fifth.

Each stored bin is spread evenly over its ten parts. So a quantile of windows that closed before is what it
was, and those that close later add to it with the precision of the new bins. Nothing says how the first bin,
0 to 20 ms, was filled: its sums go to the ten new bins below 20 ms.
"""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_PARTS = 10
_OLD, _NEW = 42, 571  # bins; latencies beyond the last one are in a further bin
_BELOW = _NEW - _OLD * _PARTS  # new bins before the parts of the first old bin
_COLUMNS = "experiment_id, epoch, variant, metric, segment"
_SUMS = ("n", "x", "xx", "xy")


def upgrade() -> None:
    # Differences of whole parts, so that the parts of a sum add up to it. The last part has the most.
    spread = ", ".join(f"div({name} * part, {_PARTS}) - div({name} * (part - 1), {_PARTS})" for name in _SUMS)
    _take_out()
    op.execute(
        f"INSERT INTO metric_sums ({_COLUMNS}, bin, {', '.join(_SUMS)}, y, yy)"  # noqa: S608 (no user input)
        f" SELECT {_COLUMNS}, {_BELOW} + (bin - 1) * {_PARTS} + part, {spread}, 0, 0 FROM old_bins"
        f" CROSS JOIN generate_series(1, {_PARTS}) AS part WHERE bin <= {_OLD}"
        f" UNION ALL SELECT {_COLUMNS}, {_NEW + 1}, {', '.join(_SUMS)}, 0, 0 FROM old_bins WHERE bin > {_OLD}"
    )
    op.execute("DROP TABLE old_bins")


def downgrade() -> None:
    _take_out()
    bin_ = f"CASE WHEN bin > {_NEW} THEN {_OLD + 1} ELSE greatest(1, (bin - {_BELOW + 1}) / {_PARTS} + 1) END"
    sums = ", ".join(f"sum({name})" for name in _SUMS)
    op.execute(
        f"INSERT INTO metric_sums ({_COLUMNS}, bin, {', '.join(_SUMS)}, y, yy)"  # noqa: S608 (no user input)
        f" SELECT {_COLUMNS}, {bin_}, {sums}, 0, 0 FROM old_bins GROUP BY {_COLUMNS}, 6"
    )
    op.execute("DROP TABLE old_bins")


def _take_out() -> None:
    """Move the sums of bins to a temporary table; bin 0 has those of all misses, and stays."""
    op.execute("CREATE TEMP TABLE old_bins AS SELECT * FROM metric_sums WHERE metric = 'latency' AND bin > 0")
    op.execute("DELETE FROM metric_sums WHERE metric = 'latency' AND bin > 0")
