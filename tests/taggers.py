"""A tagger that is trained in seconds, on some labels of the seed corpus, and votes on its edits."""

from pathlib import Path
from typing import TYPE_CHECKING

from data import corpus
from data.records import PreferencePair, Split, TransformType
from data.snapshots import shards
from models.edits import script, writer

if TYPE_CHECKING:
    from models.tagger import TaggerConfig

THANKS = "soften.thanks"
_MESSAGES = 40


def write_labels(folder: Path) -> Path:
    """Write the first labels of `data/seed/roles` and of `data/seed/accepted` to folders of these names."""
    for kind in ("roles", "accepted"):
        source = corpus.SEED / kind / f"{kind}.jsonl"
        (folder / kind).mkdir(parents=True)
        lines = source.read_text(encoding="utf-8").splitlines(keepends=True)[:_MESSAGES]
        (folder / kind / source.name).write_text("".join(lines), encoding="utf-8")
    return folder


def config(labels: Path, out: Path) -> "TaggerConfig":
    """A training of one epoch on labels that `write_labels` has written."""
    from models.tagger import TaggerConfig

    return TaggerConfig(
        roles=labels / "roles",
        accepted=labels / "accepted",
        stings=None,
        summaries=None,
        out=out,
        epochs=1,
        lora_rank=2,
        held_out_share=0.3,
    )


def build(folder: Path) -> Path:
    """Train a tagger in a folder; its own folder."""
    import torch

    from models import tagger

    with torch.random.fork_rng():
        return tagger.main(config(write_labels(folder), folder / "tagger")).out


def thanked(count: int) -> list[tuple[str, str, str]]:
    """Messages, each with its softest rewrite and with the same without thanks."""
    rows = []
    for original in corpus.read(corpus.SEED / "edits"):
        edits = script.select(writer.propose(original.text, TransformType.SOFTEN) or [], 3)
        others = [edit for edit in edits if edit.rule != THANKS]
        if others and len(others) < len(edits):
            rows.append(
                (original.text, script.apply(original.text, edits), script.apply(original.text, others))
            )
        if len(rows) == count:
            return rows
    raise ValueError(f"the seed corpus has only {len(rows)} messages of {count} that get thanks")


def split_of(number: int) -> Split:
    return "validation" if number % 4 == 0 else "train"


def make_pair(message: str, chosen: str, rejected: str, split: Split) -> PreferencePair:
    return PreferencePair(
        text=message,
        transform_type=TransformType.SOFTEN,
        intensity=3,
        chosen=chosen,
        rejected=rejected,
        chosen_version="v1",
        rejected_version="v1",
        split=split,
    )


def write_pairs(folder: Path, likes_thanks: bool) -> Path:
    """A snapshot of people who compare a rewrite with thanks to the same without, and always choose alike."""
    rows = []
    for number, (message, thanks, without) in enumerate(thanked(24)):
        chosen, rejected = (thanks, without) if likes_thanks else (without, thanks)
        rows.append(make_pair(message, chosen, rejected, split_of(number)))
    return shards.write(folder, rows)
