"""A version's model card: what it is, how it was trained, its measurements, and its limits.

The card is `README.md` of the version folder, so that it travels with the weights. The dashboard shows it, so
the folder has a Japanese one too.
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from data.reasons import LANGUAGES, Language, Reason, reason, render
from data.snapshots.teachers import Teacher
from models.evaluation import SHOWN, table_rows
from models.results import CARD_FILES, Estimate, Evaluation


class Origin(BaseModel):
    """The lineage of a version; `counts` are the snapshot's rows by kind. `teachers` wrote rows, too."""

    model_config = ConfigDict(frozen=True)

    run: str
    base: str
    method: str
    parent: str | None
    snapshot: str | None
    counts: dict[str, int]
    teachers: tuple[Teacher, ...] = ()


def card(origin: Origin, evaluation: Evaluation, language: Language) -> str:
    """The card, in Markdown."""
    verdict = evaluation.verdict
    data = reason("card_seed")
    if origin.snapshot:
        counts = (reason("card_count", count=count, kind=kind) for kind, count in origin.counts.items())
        rows = ", ".join(count.render(language) for count in counts)
        data = reason("card_snapshot", snapshot=origin.snapshot, rows=rows)
    sources = [
        reason("card_teacher", model=teacher.model, host=teacher.host, licence=teacher.licence)
        for teacher in origin.teachers
    ]
    gate = reason("card_accepted")
    if not verdict.accepted:
        gate = reason("card_rejected", reasons=render(verdict.reasons, language))

    def say(sentence: Reason) -> str:
        return sentence.render(language)

    def name(term: str) -> str:
        return say(reason("card_term", term=term))

    return f"""# {say(reason("card_title", run=origin.run))}

{say(reason("card_summary", base=origin.base, method=origin.method))}

| | |
|---|---|
| {name("base")} | {origin.base} |
| {name("method")} | {origin.method} |
| {name("measured_against")} | {origin.parent or name("bare_base")} |
| {name("learned_from")} | {"; ".join(map(say, (data, *sources)))} |
| {name("gate")} | {" ".join(map(say, (gate, *verdict.notes)))} |

{_measured(evaluation, language, is_first=origin.parent is None)}

## {name("limits")}

- {say(reason("card_limit_language"))}
- {say(reason("card_limit_facts"))}
- {say(reason("card_limit_scores"))}
- {say(reason("card_limit_messages"))}
"""


class ShippedOrigin(BaseModel):
    """What the shipped tagger was made from: the digests of its weights and rules, the commands, the numbers
    of labels, and its held-out shares by head. `derived_cuts` have no label of their own.
    """

    model_config = ConfigDict(frozen=True)

    weights: str
    rules: str
    commands: tuple[str, ...]
    messages: int
    held_out: int
    parts: int
    edits: int
    cuts: int
    derived_cuts: int
    shares: dict[str, float]


def shipped(origin: ShippedOrigin, evaluation: Evaluation, language: Language) -> str:
    """The card of the shipped tagger, in Markdown."""

    def say(sentence: Reason) -> str:
        return sentence.render(language)

    def name(term: str) -> str:
        return say(reason("card_term", term=term))

    shares = (
        reason("card_share", name=f"tagger_{head}", share=share) for head, share in origin.shares.items()
    )
    labels = reason(
        "card_labels",
        messages=origin.messages,
        held_out=origin.held_out,
        parts=origin.parts,
        edits=origin.edits,
        cuts=origin.cuts,
        derived=origin.derived_cuts,
    )
    verdict = evaluation.verdict
    return f"""# {say(reason("card_shipped_title"))}

{say(reason("card_shipped_summary"))}

| | |
|---|---|
| {name("weights")} | {say(reason("card_weights", weights=origin.weights, rules=origin.rules))} |
| {name("command")} | {"<br>".join(f"`{command}`" for command in origin.commands)} |
| {name("learned_from")} | {say(labels)} |
| {name("held_out_shares")} | {", ".join(map(say, shares))} |
| {name("measured_against")} | {name("bare_base")} |
| {name("gate")} | {" ".join(map(say, (reason("card_accepted"), *verdict.notes)))} |
| {name("licence")} | {say(reason("card_licence"))} |

{_measured(evaluation, language, is_first=True)}

## {name("limits")}

- {say(reason("card_shipped_limit_coverage"))}
- {say(reason("card_shipped_limit_edits"))}
- {say(reason("card_shipped_limit_scores"))}
- {say(reason("card_limit_messages"))}
"""


def _measured(evaluation: Evaluation, language: Language, is_first: bool) -> str:
    """The section of a card with the scores. A first version was compared with the bare base, which is no
    champion, though the evaluation has it under that name.
    """
    moves = evaluation.move_by_intensity["challenger"].items()

    def say(sentence: Reason) -> str:
        return sentence.render(language)

    def name(term: str) -> str:
        return say(reason("card_term", term=term))

    def table(rows: Mapping[str, Mapping[str, Estimate]], scores: tuple[str, ...]) -> str:
        lines = [f"| | {' | '.join(map(name, scores))} |", "|---" * (len(scores) + 1) + "|"]
        for system, row in rows.items():
            label = "bare_base" if is_first and system == "champion" else system
            cells = (say(reason("card_estimate", **row[k].model_dump())) if k in row else "" for k in scores)
            lines.append(f"| {name(label)} | {' | '.join(cells)} |")
        return "\n".join(lines)

    return f"""## {name("measured")}

{say(reason("card_means", cases=evaluation.cases))}

{table(dict(table_rows(evaluation.systems.items())), (*SHOWN, "perplexity"))}

{say(reason("card_by_type"))}

{table(evaluation.by_type["challenger"], ("facts_kept", "meaning", "tone_moved", "chatter"))}

{say(reason("card_moves", moves=", ".join(f"{i}: {move.mean:.2f}" for i, move in moves)))}"""


def write(folder: Path, origin: Origin, evaluation: Evaluation) -> None:
    """Write the card into a version folder, in each language."""
    for language in LANGUAGES:
        (folder / CARD_FILES[language]).write_text(card(origin, evaluation, language), encoding="utf-8")
