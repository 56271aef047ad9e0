"""Supervised fine-tuning: a LoRA adapter that learns from demonstrations, with TRL.

    python -m models.sft configs/sft.yaml
    python -m models.sft configs/sft.yaml snapshots=[artifacts/snapshots/3] learning_rate=1.0e-4

A killed run that is started again with the same config and data goes on from its last complete checkpoint.
"""

import sys
import time
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any

from datasets import Dataset
from pydantic import BaseModel, ConfigDict, Field
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

import configs
from data import corpus
from data.records import Demonstration
from models import examples, loading, training
from models.health import Ranges, faults


class SftConfig(configs.StageConfig):
    """What decides an SFT run. Lengths are in tokens, prompt and completion together."""

    base: str = "smollm2-135m"
    seed_folder: Path | None = corpus.SEED / "train"
    snapshots: tuple[Path, ...] = ()
    repeats: Annotated[int, Field(ge=1, description="how often a row of a snapshot stands")] = 1
    out: Path = Path("artifacts/sft")
    checkpoints: Path = Path("artifacts/checkpoints")
    steps: Annotated[int, Field(ge=1)] = 100
    batch_size: Annotated[int, Field(ge=1)] = 8
    accumulate_batches: Annotated[int, Field(ge=1, description="batches of a step")] = 1
    learning_rate: Annotated[float, Field(gt=0)] = 5.0e-4
    lora_rank: Annotated[int, Field(ge=0, description="0 trains all weights")] = 16
    masks: bool = Field(True, description="learn rows with facts as they are, and masked")
    max_tokens: Annotated[int, Field(ge=16)] = 256
    validation_rows: Annotated[int, Field(ge=1, description="most rows of a held-out loss")] = 64
    evaluate_every_steps: Annotated[int, Field(ge=1)] = 25
    checkpoint_every_steps: Annotated[int, Field(ge=1)] = 25
    bf16: bool | None = Field(None, description="bf16 autocast; where the machine is fast at it when unset")
    healthy: Ranges = Field(
        {"grad_norm": (1e-3, 10.0), "entropy": (0.01, 8.0), "eval_loss": (0.0, 20.0)},
        description="low and high of what is logged, see models.health",
    )
    seed: int = 0


class SftResult(BaseModel):
    """What an SFT run made and how it went. Losses are mean negative log-likelihoods of a completion token,
    in nats.
    """

    model_config = ConfigDict(frozen=True)

    out: Path
    digest: str
    train_rows: int
    validation_rows: int
    rows_too_long: int
    steps: int
    resumed_from_step: int
    out_of_memory_at: tuple[int, ...] = ()
    held_out_loss_before: float
    held_out_loss_after: float
    unhealthy: tuple[str, ...] = ()
    seconds: float
    history: tuple[dict[str, float], ...]


def seed_demonstrations(folder: Path) -> Iterator[Demonstration]:
    """The seed corpus as demonstrations; a tenth of the originals, with all rewrites, is held out."""
    for original in corpus.read(folder):
        held_out = blake2b(original.id.encode(), digest_size=2).digest()[0] % 10 == 0
        for rewrite in original.rewrites:
            yield Demonstration(
                text=original.text,
                transform_type=rewrite.transform_type,
                intensity=rewrite.intensity,
                rewrite=rewrite.text,
                split="validation" if held_out else "train",
            )


def demonstrations(config: SftConfig) -> list[Demonstration]:
    """All rows of a run: the seed, the snapshots in their order, and what can be masked once more, masked."""
    rows = list(seed_demonstrations(config.seed_folder)) if config.seed_folder else []
    people = examples.read_snapshots(config.snapshots, Demonstration)
    rows += [row for row in people for _ in range(config.repeats if row.split == "train" else 1)]
    hidden = (examples.masked(row, "rewrite") for row in rows) if config.masks else ()
    return [*rows, *(row for row in hidden if row is not None)]


def example(tokens: examples.Tokens, row: Demonstration) -> dict[str, Any]:
    """A row as the trainer wants it: `labels` are -100 on the prompt, so only the completion is learnt."""
    prompt, completion = tokens.prompt(row), tokens.completion(row.rewrite)
    return {
        "input_ids": prompt + completion,
        "labels": [-100] * len(prompt) + completion,
        "length": len(prompt) + len(completion),
    }


def main(config: SftConfig) -> SftResult:
    """Train, or go on training, and write the adapter (at rank 0: the model), `metrics.json`, `loss.png`.

    Raises ValueError when no row is left to train or to validate on.
    """
    started = time.monotonic()
    rows = demonstrations(config)
    digest = training.digest(config, (row.model_dump_json().encode() for row in rows))

    base = loading.base_folder(config.base)
    tokens = examples.load_tokens(base)
    split = examples.split_fitting(
        [(row.split, example(tokens, row)) for row in rows], config.max_tokens, config.validation_rows
    )

    checkpoints = config.checkpoints / f"sft-{digest}"

    def build(sized: SftConfig, resumes: bool) -> Any:
        return SFTTrainer(
            model=training.quicken(loading.load_model(base), sized, frozen=sized.lora_rank > 0),
            args=SFTConfig(
                **training.common_arguments(sized, checkpoints, resumes),
                max_length=None,  # the rows are cut to size already
            ),
            train_dataset=Dataset.from_list(training.laid_out(split.train, sized)),
            eval_dataset=Dataset.from_list(split.validation),
            processing_class=tokens.tokenizer,
            peft_config=training.lora(sized.lora_rank, "CAUSAL_LM"),
        )

    run = training.run("sft", config, checkpoints, build)
    held_out_losses = training.curve(run.history, "eval_loss")[1]

    training.save(run.trainer.model, tokens.tokenizer, config.out)
    result = SftResult(
        out=config.out,
        digest=digest,
        train_rows=len(split.train),
        validation_rows=len(split.validation),
        rows_too_long=split.too_long,
        steps=config.steps,
        resumed_from_step=run.resumed_from_step,
        out_of_memory_at=run.out_of_memory_at,
        held_out_loss_before=held_out_losses[0],
        held_out_loss_after=held_out_losses[-1],
        unhealthy=faults(run.history, config.healthy),
        seconds=time.monotonic() - started,
        history=run.history,
    )
    training.finish(result, {"SFT loss": ("loss", "eval_loss")}, config.healthy, checkpoints)
    return result


if __name__ == "__main__":
    outcome = main(configs.from_command_line(SftConfig, sys.argv[1:]))
    print(
        f"held-out loss {outcome.held_out_loss_before:.3f} -> {outcome.held_out_loss_after:.3f} on "
        f"{outcome.validation_rows} rows, in {outcome.seconds:.0f} s; wrote {outcome.out}"
    )
