"""Supervised fine-tuning: trains a LoRA adapter on demonstrations, with TRL.

    python -m models.sft configs/sft.yaml
    python -m models.sft configs/sft.yaml snapshots=[artifacts/snapshots/3] learning_rate=1.0e-4

The loss is the mean negative log-likelihood of the rewrite's tokens; the prompt has no loss. A killed run
that is started again with the same config and data resumes from its last complete checkpoint.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from datasets import Dataset
from peft import PeftModel
from pydantic import Field
from torch.nn.functional import cross_entropy
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

import configs
from data import corpus
from data.records import Demonstration
from models import curves, examples, loading, training
from models.health import Ranges
from models.training import TrainingConfig, TrainingResult


class SftConfig(TrainingConfig):
    """The settings of an SFT run. Lengths are in tokens of prompt and completion together."""

    seed_folder: Path | None = Field(corpus.SEED / "train", description="the seed corpus; none when unset")
    repeats: Annotated[int, Field(ge=1, description="how often each training row of a snapshot is used")] = 1
    teachers: tuple[Path, ...] = Field((), description="snapshots of teachers, see models.teacher")
    teacher_share: Annotated[float, Field(ge=0, lt=1, description="most of the training rows")] = 0.5
    out: Path = Path("artifacts/sft")
    steps: Annotated[int, Field(ge=1)] = 100
    batch_size: Annotated[int, Field(ge=1)] = 8
    learning_rate: Annotated[float, Field(gt=0)] = 5.0e-4
    lora_rank: Annotated[int, Field(ge=0, description="0 trains all weights")] = 16
    masks: bool = Field(True, description="use rows twice: with facts as they are, and masked")
    form: Literal["text", "script"] = Field("text", description="what is learned: rewrites, or edit scripts")
    max_tokens: Annotated[int, Field(ge=16)] = 256
    validation_rows: Annotated[int, Field(ge=1, description="most rows of the held-out loss")] = 64
    evaluate_every_steps: Annotated[int, Field(ge=1)] = 25
    checkpoint_every_steps: Annotated[int, Field(ge=1)] = 25
    healthy: Ranges = Field({"grad_norm": (1e-3, 10.0), "entropy": (0.01, 8.0), "eval_loss": (0.0, 20.0)})


class SftResult(TrainingResult):
    """The figures of an SFT run. Losses are mean negative log-likelihoods of a completion token, in nats."""

    train_rows: int
    validation_rows: int
    rows_too_long: int
    held_out_loss_before: float
    held_out_loss_after: float


def seed_demonstrations(folder: Path) -> Iterator[Demonstration]:
    """The seed corpus as demonstrations; a tenth of the originals is held out, with all their rewrites."""
    for original in corpus.read(folder):
        held_out = corpus.is_held_out(original.id)
        for rewrite in original.rewrites:
            yield Demonstration(
                text=original.text,
                transform_type=rewrite.transform_type,
                intensity=rewrite.intensity,
                rewrite=rewrite.text,
                split="validation" if held_out else "train",
            )


def demonstrations(config: SftConfig) -> list[Demonstration]:
    """All rows of a run: the seed, the snapshots in their order, teachers' rows, then masked copies of all
    maskable rows.

    In the form of scripts, rows without a script are left out.
    """
    rows = list(seed_demonstrations(config.seed_folder)) if config.seed_folder else []
    # Only training rows are repeated: a repeated validation row would count more in the held-out loss.
    edits = examples.read_snapshots(config.snapshots, Demonstration)
    rows += [row for row in edits for _ in range(config.repeats if row.split == "train" else 1)]
    trained = sum(row.split == "train" for row in rows)
    rows += examples.read_of_teachers(config.teachers, Demonstration, trained, config.teacher_share)
    # Both forms, since serving asks with masks only where fact protection is on.
    masked = [examples.mask_row(row, "rewrite") for row in rows] if config.masks else []
    rows += [row for row in masked if row is not None]
    if config.form == "script":
        return [script for row in rows if (script := examples.script_row(row, "rewrite"))]
    return rows


def example(tokens: examples.Tokens, row: Demonstration) -> dict[str, Any]:
    """A row for the trainer: token ids, labels, and the number of tokens."""
    prompt, completion = tokens.prompt(row), tokens.completion(row.rewrite)
    return {
        # Both (tokens,), and int64 in the batch. The trainer shifts them against each other: a position
        # predicts the next token. It pads a batch on the right to (batch, longest row), labels with -100.
        "input_ids": prompt + completion,
        # -100 is torch's ignore index: prompt tokens have no loss, so only the completion is learned. Its
        # last token is the stop token, so stopping is learned too.
        "labels": [-100] * len(prompt) + completion,
        # In the seed corpus 102 on average, 42 of them completion, and 186 at most.
        "length": len(prompt) + len(completion),
    }


def main(config: SftConfig) -> SftResult:
    """Train, or resume, and write the adapter (or the model), `metrics.json` and plots to `config.out`.

    Raises ValueError when no training or no validation row remains.
    """
    started = time.monotonic()
    rows = demonstrations(config)
    digest = training.digest(config, training.row_bytes(rows))

    base = loading.base_folder(config.base)
    tokens = examples.load_tokens(base)
    split = examples.split_fitting(
        [(row.split, example(tokens, row)) for row in rows], config.max_tokens, config.validation_rows
    )

    # `config` here may have smaller batches than the run's, see training.run.
    def build(config: SftConfig, arguments: dict[str, Any]) -> training.Trainable:
        # Loss of a step: -sum log p(completion token) / number of completion tokens, over all of its batches
        # (`num_items_in_batch`). So a step of 2 x 4 rows and one of 1 x 8 have the same gradient.
        return SFTTrainer(
            # With an adapter the base is frozen, in bf16 where that is fast; without one it is float32.
            model=training.load_base(base, config, frozen=config.lora_rank > 0),
            args=SFTConfig(**arguments, max_length=None),  # rows that are too long were dropped already
            # All rows of the run in training order, so a row is in it once for each pass over the data.
            train_dataset=Dataset.from_list(training.lay_out(split.train, config)),
            eval_dataset=Dataset.from_list(split.validation),
            processing_class=tokens.tokenizer,  # gives the padding token, which the attention mask hides
            peft_config=training.lora(config.lora_rank, "CAUSAL_LM"),  # None trains all weights
        )

    # The adapter of the last step; held-out figures choose no earlier one.
    run = training.run("sft", config, digest, build)
    training.save(run.trainer.model, tokens, config.out)

    # In nats a token, a mean over batches of a step's rows; the first is measured before training. exp of it
    # is the perplexity of the held-out rewrites.
    losses = run.values("eval_loss")
    result = SftResult(
        **run.shared_figures(started),
        train_rows=len(split.train),
        validation_rows=len(split.validation),
        rows_too_long=split.too_long,
        held_out_loss_before=losses[0],
        held_out_loss_after=losses[-1],
    )
    training.finish(run, result, curves.SFT)
    return result


@torch.inference_mode()
def held_out_losses(config: SftConfig, adapter: Path | None) -> dict[str, float]:
    """The loss of each held-out message under an adapter (None: the bare base), in nats a completion token.

    A message has several rewrites, and its loss is the mean over their tokens. The messages are those of at
    most `config.validation_rows` held-out rows that are not masked, so two runs with the same data have the
    same messages in the same order, and can be compared message by message. The weights are in the precision
    in which a run with this config has them.
    """
    base = loading.base_folder(config.base)
    tokens = examples.load_tokens(base)
    rows = demonstrations(config.model_copy(update={"masks": False}))
    encoded = [(row.split, {**example(tokens, row), "message": row.text}) for row in rows]
    held_out = examples.split_fitting(encoded, config.max_tokens, config.validation_rows).validation
    model = training.load_base(base, config, frozen=True)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, str(adapter))
    model.eval()
    autocast = torch.autocast(model.device.type, torch.bfloat16, enabled=training.uses_bf16(config))
    losses: dict[str, list[torch.Tensor]] = {}
    for row in held_out:
        # One row at a time: there is no padding to mask.
        ids = torch.tensor([row["input_ids"]], device=model.device)  # (1, tokens)
        labels = torch.tensor(row["labels"][1:], device=model.device)  # (tokens - 1,), -100 in the prompt
        # Logits of the completion only; a position predicts the next token.
        kept = int((labels != -100).sum())
        with autocast:
            logits = model(ids, logits_to_keep=kept + 1).logits[0, :-1].float()  # (kept, vocabulary)
        losses.setdefault(row["message"], []).append(cross_entropy(logits, labels[-kept:], reduction="none"))
    return {message: torch.cat(parts).mean().item() for message, parts in losses.items()}


if __name__ == "__main__":
    result = main(configs.from_command_line(SftConfig, sys.argv[1:]))
    print(
        f"held-out loss {result.held_out_loss_before:.3f} -> {result.held_out_loss_after:.3f} on "
        f"{result.validation_rows} rows, in {result.seconds:.0f} s; wrote {result.out}"
    )
