"""Chains from snapshots to releases, and how they are drawn."""

from serving.dashboard import lineage


def test_a_snapshot_that_was_rewritten_is_named_by_its_replacement() -> None:
    edges = [
        ("snapshot:b", "snapshot:c"), ("snapshot:a", "snapshot:b"), ("version:v1", "release:r1"),
        ("version:v1", "release:r2"), ("run:one", "version:v1"), ("snapshot:a", "run:one"),
        ("snapshot:x", "run:stopped"),
    ]  # fmt: skip
    released, stopped, old = lineage.build_chains(edges, {"one": "v1", "old": "v0"})
    assert released == lineage.Chain("c", "one", "v1", ["r2", "r1"])
    assert stopped == lineage.Chain("x", "stopped", None, [])
    assert old == lineage.Chain(None, "old", "v0", [])
    picture = lineage.lay_out([released, stopped, old])
    assert picture.rows == 4
    assert {(node.kind, node.id): node.row for node in picture.nodes}[("version", "v1")] == 0.5
    assert sorted(f"{a.kind} {a.id} {b.kind} {b.id}" for a, b in picture.edges) == [
        "run old version v0",
        "run one version v1",
        "snapshot c run one",
        "snapshot x run stopped",
        "version v1 release r1",
        "version v1 release r2",
    ]
