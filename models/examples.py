"""Training data: rows of snapshots, encoded as in serving, and split into training and validation rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

from transformers import PreTrainedTokenizerBase

from data.snapshots import shards, teachers
from models import loading, prompts, protection
from models import written_edits as written

Row = TypeVar("Row", bound=shards.Row)


def read_snapshots(folders: Iterable[Path], kind: type[Row]) -> list[Row]:
    """The rows of one kind from several snapshots of people's feedback, in their order; errors as in
    `shards.read`. Raises ValueError for a teacher's snapshot, whose rows must not count as people's.
    """
    rows: list[Row] = []
    for folder in folders:
        if teachers.read(folder) is not None:
            raise ValueError(
                f"{folder} is a teacher's snapshot: give it to models.sft or models.dpo as `teachers`"
            )
        rows += shards.read(folder, kind)
    return rows


def read_of_teachers(folders: Iterable[Path], kind: type[Row], others: int, most_share: float) -> list[Row]:
    """The rows of one kind from several snapshots of teachers, as many as a mixture may have.

    Beside `others` further rows they are at most `most_share` of all. A hash chooses the rows, so that a
    larger share keeps those of a smaller one. Raises ValueError for a snapshot that no teacher made.
    """
    rows: list[Row] = []
    for folder in folders:
        if teachers.read(folder) is None:
            raise ValueError(f"{folder} has no teacher.json, so no teacher made it: name it in `snapshots`")
        rows += shards.read(folder, kind)
    most = int(others * most_share / (1 - most_share))
    return sorted(rows, key=lambda row: blake2b(row.model_dump_json().encode()).digest())[:most]


def mask_row(row: Any, *fields: str) -> Any | None:
    """A row with masked facts, as fact protection shows it to the model.

    `fields` are the names of the row's rewrites, which get the masks of its text. None when there is no fact
    to mask, or when a rewrite lacks a fact or writes it in another form.
    """
    masked = protection.mask(row.text)
    rewrites = {name: masked.hide(getattr(row, name)) for name in fields}
    if not masked.hidden or None in rewrites.values():
        return None
    return row.model_copy(update={"text": masked.text, **rewrites})


def script_row(row: Any, *fields: str) -> Any | None:
    """A row with edit scripts in place of its rewrites, see `models.written_edits`.

    `fields` are the names of the row's rewrites. None when one of them has no script, or is a copy: there is
    nothing to learn from an empty script but to change nothing.
    """
    scripts = {name: written.to_script(row.text, getattr(row, name)) for name in fields}
    return row.model_copy(update={"text": row.text.strip(), **scripts}) if all(scripts.values()) else None


class Tokens:
    """Turns rows into the same token ids as serving: prompt and completion are encoded separately.

    One string could merge a token across the boundary, which never happens at inference.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, frame: prompts.Frame) -> None:
        self.tokenizer, self.frame = tokenizer, frame

    def prompt(self, row: Any) -> list[int]:
        """Token ids of a row's whole prompt, special tokens included."""
        rendered = self.frame.render(row.text, row.transform_type, row.intensity)
        return self.tokenizer.encode(rendered, add_special_tokens=False)

    def completion(self, rewrite: str) -> list[int]:
        """Token ids of a rewrite and its stop token; a special token that a person typed stays text."""
        return self.tokenizer.encode(
            self.frame.neutralise(rewrite.strip()) + self.frame.stop, add_special_tokens=False
        )


def load_tokens(base: Path) -> Tokens:
    """The tokenizer and the frame of a base."""
    return Tokens(loading.load_tokenizer(base), prompts.read(base))


@dataclass(frozen=True)
class Split:
    """Encoded rows for training and validation, and the number of rows that were dropped as too long."""

    train: list[dict[str, Any]]
    validation: list[dict[str, Any]]
    too_long: int


def split_fitting(rows: Sequence[tuple[str, dict[str, Any]]], max_tokens: int, most_validation: int) -> Split:
    """Split (split name, encoded row) tuples; at most `most_validation` validation rows, spread evenly.

    A row longer than `max_tokens` is dropped, not truncated: a truncated rewrite would teach the model not to
    stop. Raises ValueError when no training or no validation row remains.
    """
    fitting = [(split, row) for split, row in rows if row["length"] <= max_tokens]
    train = [row for split, row in fitting if split == "train"]
    validation = [row for split, row in fitting if split == "validation"]
    too_long = len(rows) - len(fitting)
    if not train or not validation:
        raise ValueError(
            f"of {len(rows)} rows, {len(train)} remain for training and {len(validation)} for validation "
            f"({too_long} are longer than max_tokens={max_tokens}); each needs at least one: add snapshots "
            "or raise max_tokens"
        )
    step = -(-len(validation) // most_validation)  # rounded up
    return Split(train, validation[::step], too_long)
