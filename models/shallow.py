"""A base cut to its first layers: a small model for a trial, at a fraction of the time of the whole one.

A few layers and a head learn to rank texts; they do not write. With the first six of its thirty layers
SmolLM2 scores 4.6 times as many rewrites a second. Trained as a reward model for half a minute of one core,
these layers made 60 steps and ranked 73 % of 62 held-out pairs as people did; all layers 10 steps, and 56 %.
"""

from pathlib import Path
from typing import Any

from models import loading, prompts


def cut(base: Path, layers: int, out: Path) -> Path:
    """Write the first `layers` layers of a base folder, with its embeddings, last norm and head; return
    `out`.

    An existing `out` is replaced. Raises ValueError when the base has fewer layers, or none by this name.
    """
    model: Any = loading.load_model(base, dtype="auto")
    stack = getattr(model.base_model, "layers", None)
    if stack is None or not 1 <= layers <= len(stack):
        has = "no list of layers" if stack is None else f"{len(stack)} layers"
        raise ValueError(f"{base} has {has}, so it cannot be cut to {layers}: take another base or number")
    del stack[layers:]
    model.config.num_hidden_layers = layers
    if getattr(model.config, "layer_types", None):
        model.config.layer_types = model.config.layer_types[:layers]
    loading.save(model, loading.load_tokenizer(base), out, prompts.read(base))
    return out
