"""Inputs of the training benchmarks: rows of the seed corpus, and an adapter with no effect yet."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from peft import get_peft_model
from tokenizers import Tokenizer

from data import corpus
from data.records import Demonstration, Label, PreferencePair
from data.snapshots import shards
from models import examples, loading, sft, training

_MOST_TOKENS = 256
RANK = 16


def demonstrations(base: Path, seed: int) -> tuple[list[Demonstration], list[Demonstration]]:
    """The seed corpus in random order, as training and held-out rows, without rewrites that are too long."""
    tokens = examples.load_tokens(base)
    rows = list(sft.seed_demonstrations(corpus.SEED / "train"))
    random.Random(seed).shuffle(rows)
    fitting = [row for row in rows if sft.example(tokens, row)["length"] <= _MOST_TOKENS]
    train = [row for row in fitting if row.split == "train"]
    return train, [row for row in fitting if row.split == "validation"]


def snapshot(folder: Path, rows: Sequence[Demonstration]) -> Path:
    """Write rows as a snapshot of feedback: the corpus's rewrites are chosen, the messages rejected."""

    def build_rows() -> Iterator[shards.Row]:
        for row in rows:
            fields = row.model_dump(include={"text", "transform_type", "intensity", "split"})
            versions = {"chosen_version": "seed", "rejected_version": "copy"}
            yield row
            yield PreferencePair(**fields, chosen=row.rewrite, rejected=row.text, **versions)
            yield Label(**fields, rewrite=row.rewrite, good=True, version="seed")
            yield Label(**fields, rewrite=row.text, good=False, version="copy")

    return shards.write(folder, build_rows())


def as_text(row: Mapping[str, Any], tokenizer: Tokenizer) -> dict[str, Any]:
    """Convert a row of our trainer to the text that TRL's command line reads; it encodes to the same ids."""

    def text(ids: Sequence[int]) -> str:
        return tokenizer.decode(ids, skip_special_tokens=False)

    if "input_ids" in row:
        prompt = sum(label == -100 for label in row["labels"])
        return {"prompt": text(row["input_ids"][:prompt]), "completion": text(row["input_ids"][prompt:])}
    parts = ("prompt", "completion", "chosen", "rejected")
    texts = {part: text(row[f"{part}_ids"]) for part in parts if f"{part}_ids" in row}
    rest = {key: value for key, value in row.items() if not key.endswith("_ids")}
    if "chosen_ids" in row:  # TRL groups pairs by this column only
        longer = max(len(row["chosen_ids"]), len(row["rejected_ids"]))
        rest["length"] = len(row.get("prompt_ids", ())) + longer
    return {**rest, **texts}


def same_rows(ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether two trainers got the same rows, in any order."""

    def sort(rows: Sequence[Mapping[str, Any]]) -> list[str]:
        return sorted(json.dumps(row, sort_keys=True) for row in rows)

    return sort(ours) == sort(theirs)


def fresh_adapter(base: Path, out: Path) -> Path:
    """Write a new adapter, which has no effect yet, for our stages that continue one."""
    adapter = training.lora(RANK, "CAUSAL_LM")
    assert adapter is not None
    model: Any = get_peft_model(loading.load_model(base), adapter)
    model.save_pretrained(str(out))
    return out
