"""What a training stage reads: rows of snapshots, as the token ids that serving sees, parted and fitting."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from transformers import PreTrainedTokenizerBase

from data.snapshots import shards
from models import loading, prompts, protection

Row = TypeVar("Row", bound=shards.Row)


def read_snapshots(folders: Iterable[Path], kind: type[Row]) -> list[Row]:
    """The rows of one kind of several snapshots, in their order; errors as those of `shards.read`."""
    return [row for folder in folders for row in shards.read(folder, kind)]


def masked(row: Any, *rewrites: str) -> Any | None:
    """A row as fact protection shows it to the model, its fields named `rewrites` with the same masks.

    None when there is nothing to mask, or when one of them says a fact in another form than the message.
    """
    hidden = protection.mask(row.text)
    said = {name: hidden.hide(getattr(row, name)) for name in rewrites}
    if not hidden.hidden or None in said.values():
        return None
    return row.model_copy(update={"text": hidden.text, **said})


class Tokens:
    """Turns rows into the very token ids that serving sees: prompt and completion are encoded apart.

    Encoding them as one string could merge a token across the seam, which never happens at inference.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, frame: prompts.Frame) -> None:
        self.tokenizer, self.frame = tokenizer, frame

    def prompt(self, row: Any) -> list[int]:
        """Ids of a row's whole prompt."""
        rendered = self.frame.render(row.text, row.transform_type, row.intensity)
        return self.tokenizer.encode(rendered, add_special_tokens=False)

    def completion(self, rewrite: str) -> list[int]:
        """Ids of a rewrite and of the token that ends it; a special token that a person typed stays text."""
        return self.tokenizer.encode(
            self.frame.neutralise(rewrite.strip()) + self.frame.stop, add_special_tokens=False
        )


def load_tokens(base: Path) -> Tokens:
    """The tokenizer and the frame of a base."""
    return Tokens(loading.load_tokenizer(base), prompts.read(base))


@dataclass(frozen=True)
class Split:
    """Encoded rows to train on and to hold out, and how many were left out because they were too long."""

    train: list[dict[str, Any]]
    validation: list[dict[str, Any]]
    too_long: int


def split_fitting(rows: Sequence[tuple[str, dict[str, Any]]], max_tokens: int, most_validation: int) -> Split:
    """Part (split, encoded row) tuples, with at most so many validation rows, spread evenly over all.

    A row longer than `max_tokens` is left out whole, since a cut-off rewrite would teach the model not to
    stop. Raises ValueError when nothing is left to train or to validate on.
    """
    fitting = [(split, row) for split, row in rows if row["length"] <= max_tokens]
    train = [row for split, row in fitting if split == "train"]
    validation = [row for split, row in fitting if split == "validation"]
    too_long = len(rows) - len(fitting)
    if not train or not validation:
        raise ValueError(
            f"{len(train)} rows to train and {len(validation)} to validate on are left of {len(rows)} "
            f"({too_long} longer than max_tokens={max_tokens}); each needs at least one"
        )
    return Split(train, validation[:: -(-len(validation) // most_validation)], too_long)
