"""A version's model card: what it is, how it was trained, its measurements, and its limits.

The card is `README.md` of the version folder, so that it travels with the weights.
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from data.reasons import render
from models.evaluation import SHOWN, table_rows
from models.results import Estimate, Evaluation

_LIMITS = """\
- It rewrites short English workplace messages (up to about 80 words in training). Other languages, code,
  threads and long documents are out of its depth, whatever the scores say.
- It can lose or alter a fact, and it can state a reason that nobody gave. An answer names the facts that it
  misses (`facts_missing`); read before you send.
- The scores are formulas (`models/scoring.py`, `models/tone.py`); each docstring says what its score cannot
  see. `tone_moved` is a probability whose own accuracy stands in `models/tone.json`.
- The held-out messages were written by the same hand as the seed corpus. What people think of the version is
  measured by their comparisons, not here."""


class Origin(BaseModel):
    """The lineage of a version; `counts` are the snapshot's rows by kind."""

    model_config = ConfigDict(frozen=True)

    run: str
    base: str
    method: str
    parent: str | None
    snapshot: str | None
    counts: dict[str, int]


def card(origin: Origin, evaluation: Evaluation) -> str:
    """The card, in Markdown."""
    verdict = evaluation.verdict
    learned = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in origin.counts.items())
    tones = {
        kind: {key: row[key] for key in ("facts_kept", "meaning", "tone_moved", "chatter")}
        for kind, row in evaluation.by_type["challenger"].items()
    }
    return f"""# ToneBridge, run {origin.run}

A rewriter of workplace messages: `{origin.base}` fine-tuned by {origin.method}. It reads the frame in
`frame.json` (a transform type, an intensity of 0 to 3, the message) and writes the message anew.

| | |
|---|---|
| base | {origin.base} |
| method | {origin.method} |
| measured against | {origin.parent or "the bare base"} |
| learned from | the seed corpus{f", and snapshot {origin.snapshot} ({learned})" if origin.snapshot else ""} |
| gate | {"accepted" if verdict.accepted else "rejected: " + render(verdict.reasons)} |

## Measured

Means over {evaluation.cases} held-out messages with 95 % bootstrap intervals; `challenger` is this version.

{_table(dict(table_rows(evaluation.systems.items())), (*SHOWN, "perplexity"))}

This version by transform type:

{_table(tones, ("facts_kept", "meaning", "tone_moved", "chatter"))}

The move by intensity asked for, of the same messages: \
{", ".join(f"{i}: {e.mean:.2f}" for i, e in evaluation.move_by_intensity["challenger"].items())}.

## Limits

{_LIMITS}
"""


def _table(rows: Mapping[str, Mapping[str, Estimate]], names: tuple[str, ...]) -> str:
    lines = [
        "| | " + " | ".join(name.replace("_", " ") for name in names) + " |",
        "|---" * (len(names) + 1) + "|",
    ]
    for name, row in rows.items():
        cells = (
            f"{row[k].mean:.2f} ({row[k].low:.2f} to {row[k].high:.2f})" if k in row else "" for k in names
        )
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write(folder: Path, origin: Origin, evaluation: Evaluation) -> None:
    """Write the card into a version folder."""
    (folder / "README.md").write_text(card(origin, evaluation), encoding="utf-8")
