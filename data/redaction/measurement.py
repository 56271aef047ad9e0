"""Measures how much of the personal data in labelled messages (`data/seed/personal`) redaction finds.

    python -m data.redaction.measurement

prints recall and precision of each kind and exits 1 when they are lower than the targets below.
"""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple, get_args

from data import corpus
from data.redaction.redactor import Redactor, find

# Targets for each half: shares of identifiers and of names found, and of other messages left unchanged.
DIRECT, NAMES, UNTOUCHED = 0.9, 0.9, 0.9
_DIRECT_KINDS = ("email", "phone", "card", "iban", "ip", "secret", "national_id")


class Measured(NamedTuple):
    """Counts of one kind of personal data in one half of the labelled messages."""

    half: str
    kind: str
    labelled: int
    recalled: int  # labelled spans of which redaction covers every letter and digit
    reported: int  # spans that redaction reports
    right: int  # reported spans that overlap a label of any kind


def measure(rows: Iterable[corpus.Personal]) -> list[Measured]:
    """Count what redaction finds of each kind in each half of the messages. The kind `untouched` counts the
    messages without personal data, and those of them that redaction does not change.
    """
    counts: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        spans = find(row.text)
        covered = {i for span in spans for i in range(span.start, span.end)}
        labelled = {i for span in row.spans for i in range(span.start, span.end)}
        for span in row.spans:
            counts[row.half, span.kind, "labelled"] += 1
            counts[row.half, span.kind, "recalled"] += all(
                i in covered for i in range(span.start, span.end) if row.text[i].isalnum()
            )
        for reported in spans:
            kind = "name" if reported.kind == "family_name" else reported.kind
            counts[row.half, kind, "reported"] += 1
            counts[row.half, kind, "right"] += not labelled.isdisjoint(range(reported.start, reported.end))
        if not row.spans:
            counts[row.half, "untouched", "labelled"] += 1
            counts[row.half, "untouched", "recalled"] += Redactor([row.text]).redact(row.text) == row.text
    return [
        Measured(
            half, kind, *(counts[half, kind, name] for name in ("labelled", "recalled", "reported", "right"))
        )
        for kind in (*get_args(corpus.PersonalKind), "untouched")
        for half in ("dev", "test")
    ]


def find_missed_targets(measured: Iterable[Measured]) -> list[str]:
    """List the targets that are missed, a sentence each."""
    recalled, labelled = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for row in measured:
        kind = "direct identifiers" if row.kind in _DIRECT_KINDS else row.kind
        recalled[row.half, kind] += row.recalled
        labelled[row.half, kind] += row.labelled
    targets = {"direct identifiers": DIRECT, "name": NAMES, "untouched": UNTOUCHED}
    return [
        f"{half}, {kind}: {recalled[half, kind]} of {labelled[half, kind]}, the target is {targets[kind]:.0%}"
        for half, kind in sorted(labelled)
        if kind in targets and recalled[half, kind] < targets[kind] * labelled[half, kind]
    ]


def main() -> int:
    """Print recall and precision with Wilson intervals; 1 when a target is missed."""
    from scipy.stats import binomtest

    def share(part: int, whole: int) -> str:
        if not whole:
            return "-"
        low, high = binomtest(part, whole).proportion_ci(method="wilson")
        return f"{part / whole:.3f} ({low:.2f}-{high:.2f})"

    measured = measure(corpus.read_lines(corpus.SEED / "personal", corpus.Personal))
    print(f"{'':12} {'half':5} {'labelled':>8}  {'recall':18} {'precision':18}")
    for row in measured:
        recall, precision = share(row.recalled, row.labelled), share(row.right, row.reported)
        print(f"{row.kind:12} {row.half:5} {row.labelled:8}  {recall:18} {precision:18}".rstrip())
    missed = find_missed_targets(measured)
    for line in missed:
        print("MISSED", line)
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
