"""A tagger that is trained in seconds, on some labels of the seed corpus."""

from pathlib import Path
from typing import TYPE_CHECKING

from data import corpus

if TYPE_CHECKING:
    from models.tagger import TaggerConfig

_MESSAGES = 40


def write_labels(folder: Path) -> Path:
    """Write the first labels of `data/seed/roles` and of `data/seed/accepted` to folders of these names."""
    for kind in ("roles", "accepted"):
        [source] = (corpus.SEED / kind).glob("*.jsonl")
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
