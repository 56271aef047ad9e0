"""Whether the simulated people dislike what readers call wrong.

    python -m simulation.taste_report      # a minute

Writes `docs/taste.md` and `docs/results/taste.json`. A message belongs to one of two halves by a hash of its
id. The taste was set with the rewrites of the first half in sight; the page shows the second, and the labels
of the champion, which were not in sight.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from itertools import compress
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from data.corpus import ReadRewrite
from models.labels import CHAMPION, EDITS, LABELS, estimate_auc, read_labels
from models.results import Estimate
from models.validity import Validity, validate
from simulation.faults import compare
from simulation.reading import read
from simulation.taste import BAR, FAULTS, WEIGHTS, Request, utility

_DOCS = Path(__file__).parent.parent / "docs"

PAGE = """\
# What the simulated people like

This page answers whether the simulated people dislike a rewrite that is wrong.
`python -m simulation.taste_report` writes it from the labels in `data/seed/labels/`
([raw](results/taste.json)).

Simulated people vote in the demo, in the month and in the comparison of training methods. Their taste is
fixed and open: `simulation/taste.py` has the formula and the weights. They compare a rewrite with their own
message: is each point there, is a request still a request, does every *not* stand where it stood, does
everybody do what they did, are the facts beside the same words, is nothing invented, is it a whole text, and
is it more than a copy? A fault costs more than style can earn. The rules are a few hundred lines with short
word lists, in English and Japanese. They share nothing with the scorers in `models/`, and neither imports the
other.

## Against readers

Two blind readers [labelled 800 rewrites](quality.md). A hash of the message id puts half of the messages
aside. The rules and weights were set with the other half in sight. The tables show the {rows} rewrites of the
{messages} messages that were put aside.

The AUC is the probability that a mean person likes a usable rewrite better than one with another label, ties
counted as half, with its 95 % bootstrap interval.

| usable against | rewrites | AUC | in the half in sight |
|---|---|---|---|
{aucs}

To tell references from a small model's rewrites is the easy part. Rules against rules is the honest test,
with few rewrites.

## Against readers of the champion

The people of the demo compare rewrites of the champion, which is [the edit writer](edits.md). Readers
labelled {usable} of them usable and {wrong} wrong.
{champion}

A simulation may use such a taste, because it claims nothing about quality. The votes of simulated people
drive the loop: votes become a snapshot, a snapshot a challenger, and its experiment a decision, which holds
in the demo's own folder only. So they show that a training learns what its people like, and not that real
people would like it. No version that ToneBridge comes with has learned from them. The report of the demo
repeats the sentence above.

## Thumbs up, by system

The mean probability that a mean person gives a thumb up, and in brackets the number of rewrites.

| | {labels} |
|---|{rule}|
{systems}

## What people find

The share of rewrites in which a fault costs at least half of its weight.

| | {labels} |
|---|{rule}|
{faults}
"""


class TasteReport(BaseModel):
    """What people think of the labelled rewrites of one half of the messages.

    `aucs` are of usable rewrites against those of a group, with the number of rewrites. `thumbs_up` is the
    number of rewrites and their mean probability of a thumb up, by system ("all", too) and label. `faults` is
    the share of a label's rewrites that have a fault.
    """

    model_config = ConfigDict(frozen=True)

    rows: int
    messages: int
    aucs: dict[str, tuple[int, Estimate]]
    thumbs_up: dict[str, dict[str, tuple[int, float]]]
    faults: dict[str, dict[str, float]]


def is_held_out(message_id: str) -> bool:
    """Whether a message is in the half that the taste was not set on."""
    return hashlib.sha256(message_id.encode()).digest()[-1] % 2 == 1


def like(row: ReadRewrite) -> float:
    """The utility of a labelled rewrite for a mean person."""
    return utility(WEIGHTS, Request(row.text, row.transform_type, row.intensity), row.rewrite)


def thumb_up(liking: float) -> float:
    """The probability that a person with the mean bar gives a thumb up."""
    return 1 / (1 + math.exp(-(liking - BAR) / 0.05))


def measure_validity() -> Validity:
    """How well people's liking ranks the labelled rewrites of the champion."""
    rows = [row for row in read_labels(EDITS) if row.system == CHAMPION]
    return validate("taste", "the_champion", rows, [like(row) for row in rows])


def describe(taste: Validity) -> str:
    """A sentence about the judge that simulated people are, by `measure_validity`."""
    if taste.refusal is not None:
        return str(taste.refusal)
    return f"The taste is a valid judge of the champion's rewrites: its AUC is {taste.auc}."


def measure(rows: Sequence[ReadRewrite]) -> TasteReport:
    """Compare people's liking with the labels. ValueError when a group has no usable or no other rewrite."""
    likings = [like(row) for row in rows]

    def auc(usable: Sequence[bool], others: Sequence[bool]) -> tuple[int, Estimate]:
        left, right = (list(compress(likings, members)) for members in (usable, others))
        return len(left) + len(right), estimate_auc(left, right)

    usable = [row.label == "usable" for row in rows]
    wrong = [row.label == "wrong" for row in rows]
    japanese = [read(row.text).is_japanese for row in rows]
    by_rules = [row.system == "rules" for row in rows]
    not_usable = [not is_usable for is_usable in usable]

    def both(left: Sequence[bool], right: Sequence[bool]) -> list[bool]:
        return [a and b for a, b in zip(left, right, strict=True)]

    english = [not is_japanese for is_japanese in japanese]
    systems = sorted({row.system for row in rows})
    faults = [compare(row.transform_type, row.intensity, row.text, row.rewrite) for row in rows]
    return TasteReport(
        rows=len(rows),
        messages=len({row.message for row in rows}),
        aucs={
            "wrong": auc(usable, wrong),
            "wrong, timid and broken": auc(usable, not_usable),
            "wrong, both by rules": auc(both(usable, by_rules), both(wrong, by_rules)),
            "wrong, English": auc(both(usable, english), both(wrong, english)),
            "wrong, timid and broken, Japanese": auc(both(usable, japanese), both(not_usable, japanese)),
        },
        thumbs_up={
            system: {
                label: (len(members), sum(members) / len(members))
                for label in LABELS
                if (
                    members := [
                        thumb_up(liking)
                        for row, liking in zip(rows, likings, strict=True)
                        if row.label == label and system in ("all", row.system)
                    ]
                )
            }
            for system in (*systems, "all")
        },
        faults={
            fault: {
                label: sum(
                    values[fault] <= 0.5
                    for row, values in zip(rows, faults, strict=True)
                    if row.label == label
                )
                / max(1, sum(row.label == label for row in rows))
                for label in LABELS
            }
            for fault in FAULTS
        },
    )


def write_page(held_out: TasteReport, in_sight: TasteReport, champion: Validity) -> str:
    """The page `docs/taste.md`; `champion` is of `measure_validity`."""
    return PAGE.format(
        usable=champion.usable,
        wrong=champion.wrong,
        champion=describe(champion),
        rows=held_out.rows,
        messages=held_out.messages,
        aucs="\n".join(
            f"| {name} | {count} | **{_format(auc)}** | {_format(in_sight.aucs[name][1])} |"
            for name, (count, auc) in held_out.aucs.items()
        ),
        labels=" | ".join(LABELS),
        rule="|".join(["---"] * len(LABELS)),
        systems="\n".join(
            f"| {system} | "
            + " | ".join(
                f"{100 * by_label[label][1]:.0f} % ({by_label[label][0]})" if label in by_label else ""
                for label in LABELS
            )
            + " |"
            for system, by_label in held_out.thumbs_up.items()
        ),
        faults="\n".join(
            f"| {fault} | " + " | ".join(f"{100 * by_label[label]:.0f} %" for label in LABELS) + " |"
            for fault, by_label in held_out.faults.items()
        ),
    )


def _format(auc: Estimate) -> str:
    return f"{auc.mean:.2f} ({auc.low:.2f} to {auc.high:.2f})"


def main() -> None:
    """Measure both halves of the labels and those of the champion; write the page and the raw figures."""
    rows = read_labels()
    held_out = measure([row for row in rows if is_held_out(row.message)])
    in_sight = measure([row for row in rows if not is_held_out(row.message)])
    champion = measure_validity()
    measured = {"held_out": held_out, "in_sight": in_sight, "champion": champion}
    raw = {name: figures.model_dump() for name, figures in measured.items()}
    (_DOCS / "results" / "taste.json").write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")
    (_DOCS / "taste.md").write_text(write_page(held_out, in_sight, champion), encoding="utf-8")


if __name__ == "__main__":
    main()
