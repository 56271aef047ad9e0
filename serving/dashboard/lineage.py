"""The lineage of versions, snapshot -> run -> version -> release, laid out as rows and edges of a picture.

The template draws it. All functions are pure, except for `read_edges`, which reads the table.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

COLUMNS = ("snapshot", "run", "version", "release")
_MAX_EDGES = 2000
_RELEASES_SHOWN = 2  # of a version, which may have been released many times

Edge = tuple[str, str]  # from and to, each kind:id


class Node(NamedTuple):
    """A node of the picture; `row` may be between two rows."""

    kind: str
    id: str
    row: float


@dataclass(frozen=True, slots=True)
class Chain:
    """One training run: its snapshot, its version if it made one, and its releases, newest first."""

    snapshot: str | None
    run: str
    version: str | None
    releases: Sequence[str]


@dataclass(frozen=True, slots=True)
class Picture:
    """Nodes by column and row, and the edges between them."""

    nodes: Sequence[Node]
    edges: Sequence[tuple[Node, Node]]
    rows: int


def read_edges(session: Session) -> list[Edge]:
    """The newest edges, newest first."""
    rows = session.execute(
        text("SELECT source, target FROM lineage ORDER BY created_at DESC, target DESC LIMIT :most"),
        {"most": _MAX_EDGES},
    )
    return [(source, target) for source, target in rows]


def build_chains(edges: Iterable[Edge], runs: Mapping[str, str]) -> list[Chain]:
    """Training runs, newest first: those in the edges, and `runs`, which maps runs to their versions. A
    snapshot that an erasure has rewritten is replaced by its successor.
    """
    rewritten: dict[str, str] = {}
    read: dict[str, str] = {}
    made = dict(runs)
    live: dict[str, list[str]] = {}
    order: dict[str, None] = {}
    for source, target in edges:
        (kind, id), (to_kind, to) = source.split(":", 1), target.split(":", 1)
        match kind, to_kind:
            case "snapshot", "snapshot":
                rewritten[id] = to
            case "snapshot", "run":
                read[to] = id
                order.setdefault(to)
            case "run", "version":
                made[id] = to
                order.setdefault(id)
            case "version", "release":
                live.setdefault(id, []).append(to)
    known = list(dict.fromkeys([*order, *runs]))
    return [
        Chain(
            _find_newest(read.get(run), rewritten),
            run,
            made.get(run),
            sorted(live.get(made.get(run, ""), []), reverse=True),
        )
        for run in known
    ]


def _find_newest(snapshot: str | None, rewritten: Mapping[str, str]) -> str | None:
    seen: set[str] = set()
    while snapshot is not None and snapshot in rewritten and snapshot not in seen:
        seen.add(snapshot)
        snapshot = rewritten[snapshot]
    return snapshot


def lay_out(chains: Sequence[Chain]) -> Picture:
    """The layout of chains below each other, grouped by snapshot; a node is level with the middle of the
    nodes that it leads to.
    """
    groups: dict[str, list[Chain]] = {}
    for chain in chains:
        groups.setdefault(chain.snapshot or f"none:{chain.run}", []).append(chain)
    nodes: list[Node] = []
    links: list[tuple[Node, Node]] = []
    row = 0
    for group in groups.values():
        first, runs = row, []
        for chain in group:
            releases = [
                Node("release", id, row + place) for place, id in enumerate(chain.releases[:_RELEASES_SHOWN])
            ]
            height = max(1, len(releases))
            middle = row + (height - 1) / 2
            run = Node("run", chain.run, middle)
            runs.append(run)
            nodes += [run, *releases]
            if chain.version is not None:
                version = Node("version", chain.version, middle)
                nodes.append(version)
                links += [(run, version), *((version, release) for release in releases)]
            row += height
        if group[0].snapshot is not None:
            snapshot = Node("snapshot", group[0].snapshot, first + (row - first - 1) / 2)
            nodes.append(snapshot)
            links += [(snapshot, run) for run in runs]
    return Picture(nodes, links, row)
