"""What all training stages share: config, result, row order, the training loop, curves, saved files.

A stage builds its rows and a TRL trainer, and calls in this order:

    digest    names the run by its config and its data
    run       trains, and resumes from the newest checkpoint of an interrupted run
    save      writes the adapter, or the whole model
    finish    writes the curves and `metrics.json`, and deletes the checkpoints
"""

import contextlib
import gc
import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, Protocol, TypeVar

import numpy as np
import torch
from accelerate import PartialState
from peft import LoraConfig, PeftModel
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_jsonable_python
from transformers import PrinterCallback, TrainerCallback, TrainerState
from transformers.utils import logging as transformers_logging
from trl.trainer.utils import FusedCausalLMOutput

import configs
from models import checkpoints, curves, examples, health, loading
from models.health import Ranges
from models.progress import Progress
from models.results import StoredReasons

_log = logging.getLogger(__name__)

METRICS_FILE = "metrics.json"

_extra_callback: ContextVar[TrainerCallback | None] = ContextVar("_extra_callback", default=None)

History = tuple[dict[str, float], ...]  # a trainer's log: figures by name, each entry with its `step`


class TrainingConfig(configs.StageConfig):
    """The settings that every training stage has. A stage sets its own defaults."""

    base: str = Field(loading.PIP_MODEL, description="see models.loading.base_folder")
    snapshots: tuple[Path, ...] = ()
    out: Path
    checkpoints: Path = Path("artifacts/checkpoints")
    steps: Annotated[int, Field(ge=1, description="optimiser steps")] = 40
    batch_size: Annotated[int, Field(ge=1, description="rows of a batch, in each process")]
    accumulate_batches: Annotated[int, Field(ge=1, description="batches of a step")] = 1
    learning_rate: Annotated[float, Field(gt=0)]
    evaluate_every_steps: Annotated[int, Field(ge=1)] = 20
    checkpoint_every_steps: Annotated[int, Field(ge=1)] = 20
    bf16: bool | None = Field(None, description="bf16 autocast; when unset, where the machine is fast at it")
    load: Literal["bf16", "float32", "4bit"] | None = Field(
        None, description="how weights that stay frozen are in memory; as `bf16` says when unset"
    )
    gradient_checkpointing: bool = Field(
        False, description="compute activations again in the backward pass: a fifth slower, far less memory"
    )
    optimizer: Literal["adamw", "paged_adamw_8bit"] = Field(
        "adamw",
        description="the second has moments of 8 bits, and on CUDA moves them out when memory is full",
    )
    log_every_s: Annotated[float, Field(gt=0, description="between two lines of progress in the log")] = 30.0
    healthy: Ranges = Field(description="low and high of logged figures, see models.health")
    seed: int = 0


class TrainingResult(BaseModel):
    """The figures that every training stage reports, as they are written to `metrics.json`.

    `digest` names the run, see the function. `resumed_from_step` is 0 for an uninterrupted run.
    `out_of_memory_at` has the batch sizes that did not fit into memory. `unhealthy` has one reason for each
    figure that left its healthy range. `history` is the trainer's log.
    """

    # JSON has no NaN, and pydantic would write null, which is no float when it is read: "NaN" is one.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    out: Path
    digest: str
    steps: int
    resumed_from_step: int
    out_of_memory_at: tuple[int, ...] = ()
    unhealthy: StoredReasons = ()
    seconds: float
    history: History


class Trainable(Protocol):
    """What `run` needs of the trainer that a stage builds; TRL's trainers satisfy it."""

    model: Any
    state: TrainerState

    def train(self, resume_from_checkpoint: str | None) -> Any:
        """Train to the last step, from a checkpoint folder or from the start."""

    def evaluate(self) -> Mapping[str, float]:
        """Append the held-out figures to the log, and return them."""

    def add_callback(self, callback: Any) -> None:
        """Add a callback, or the class of one."""

    def remove_callback(self, callback: Any) -> None:
        """Remove a callback, or the callback of a class."""


C = TypeVar("C", bound=TrainingConfig)


def score_completions_only(trained: Any, temperature: float = 1.0) -> None:
    """Replace the head of a TRL trainer's model by one that computes logits for completion tokens only.

    On CPU, TRL's own fused head projects every position on the vocabulary, prompt and padding included, in
    the forward pass and again in the backward pass. Most of our tokens are prompt tokens, so this head halves
    the time of a step. Values and output fields stay the same; `temperature` divides the logits, as in TRL's.

    Models that rescale or cap their logits keep TRL's head. So do models on CUDA, where TRL's head skips the
    prompt. A model without a language head is not changed.
    """
    # The base inside PEFT's wrapper: PEFT calls its forward too, for every adapter.
    model: Any = trained.get_base_model() if isinstance(trained, PeftModel) else trained
    text_config = model.config.get_text_config()
    rescales = any(
        getattr(text_config, name, None)
        for name in ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier")
    )
    if rescales or model.device.type != "cpu" or model.get_output_embeddings() is None:
        return
    # It stays for calls without `fused_lm_head`, such as sampling.
    forward_all = model.forward

    def forward(*args: Any, fused_lm_head: bool = False, labels: Any = None, **kwargs: Any) -> Any:
        if not fused_lm_head:  # the caller wants logits at every position
            return forward_all(*args, labels=labels, **kwargs)
        # A position predicts the next token: the last position predicts nothing, the first has no prediction.
        # In bf16 under autocast, else in the dtype of the weights.
        hidden = model.base_model(*args, **kwargs).last_hidden_state[:, :-1]  # (batch, tokens - 1, width)
        targets = labels[:, 1:]  # (batch, tokens - 1)
        mask = targets != -100  # (batch, tokens - 1); -100 marks prompt and padding, which have no loss
        # Selecting before the projection is what saves the time: the vocabulary is the largest dimension
        # (49,152 for the default base), and 59 % of the seed corpus' tokens are prompt. With all positions a
        # step of SFT takes 1.64 times as long (docs/training.md).
        # In float32, since bf16 would round a log-probability of -10 to a sixteenth.
        logits = model.get_output_embeddings()(hidden[mask]).float()  # (completion tokens, vocabulary)
        logits = logits / temperature  # GRPO's, so that it learns the probabilities that it samples from
        log_probs = logits.log_softmax(dim=-1)  # (completion tokens, vocabulary), in nats
        chosen = targets[mask].unsqueeze(1)  # (completion tokens, 1); row by row, in the order of `logits`

        def scatter(values: torch.Tensor) -> torch.Tensor:
            """From (completion tokens,) to (batch, tokens - 1), with 0 at prompt and padding."""
            # Stays part of the graph without any completion token, as when GRPO masks all rewrites of a
            # batch: the backward pass then gives zeros and no error.
            return values.new_zeros(mask.shape).masked_scatter(mask, values)

        # Entropy and mean logits are only logged. Without a gradient, no other tensor of the vocabulary's
        # size is kept for the backward pass.
        with torch.no_grad():
            entropy = -(log_probs.exp() * log_probs).sum(dim=-1)  # (completion tokens,), in nats
        # Each field is (batch, tokens - 1). `loss` is unset: the trainers compute theirs from `log_probs`.
        return FusedCausalLMOutput(
            log_probs=scatter(log_probs.gather(1, chosen).squeeze(1)),  # the only output with a gradient
            entropy=scatter(entropy),
            mean_logits=scatter(logits.detach().mean(dim=-1)),
            is_top1=scatter(logits.argmax(dim=-1) == chosen.squeeze(1)),
            label_mask=mask,
        )

    model.forward = forward  # on the instance, so another model of the class keeps its own


def bf16_is_fast() -> bool:
    """Whether this machine multiplies bf16 natively; elsewhere autocast is slower than float32."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # With AVX512-BF16, SFT in float32 takes 1.72 times as long on an AMD EPYC, but .63 times as long on an
    # Intel Xeon whose AMX is off (docs/training.md).
    return torch.cpu._is_amx_tile_supported() or (
        torch.cpu._is_avx512_bf16_supported() and not _is_by_intel()
    )


def _is_by_intel() -> bool:
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and "GenuineIntel" in cpuinfo.read_text(encoding="utf-8")


def training_order(lengths: Sequence[int], steps: int, batch_size: int, seed: int) -> list[int]:
    """The row indices of a whole run in training order: `steps * batch_size` of them.

    Batches have rows of similar length (a third less padding) and are in random order. A row repeats only in
    another pass over the data. The order is computed before the run, because a sampler that draws during the
    run does not continue where a killed run stopped.
    """
    random = np.random.default_rng(seed)  # its own state: what torch draws does not change the order
    rows: list[int] = []
    while len(rows) < steps * batch_size:  # one pass over the data each time
        rows += random.permutation(len(lengths)).tolist()
    rows = rows[: steps * batch_size]
    # A batch is padded to its longest row: with random batches SFT takes 1.26 times as long
    # (docs/training.md).
    window = 32 * batch_size  # sorted only within windows, so that every part of the run has mixed lengths
    batches: list[list[int]] = []
    for start in range(0, len(rows), window):
        by_length = sorted(rows[start : start + window], key=lengths.__getitem__)
        group = [by_length[i : i + batch_size] for i in range(0, len(by_length), batch_size)]
        batches += [group[i] for i in random.permutation(len(group))]
    return [row for batch in batches for row in batch]


def processes() -> PartialState:
    """The processes that train together: one, unless `torchrun` or `accelerate launch` started more."""
    return PartialState(cpu=not torch.cuda.is_available())


def rows_per_step(config: TrainingConfig) -> int:
    """Number of rows that one optimiser step learns from, in all processes.

    With N processes each takes every N-th batch, so a step always sees the same rows.
    """
    return config.batch_size * config.accumulate_batches * processes().num_processes


def lay_out(rows: Sequence[dict[str, Any]], config: TrainingConfig) -> list[dict[str, Any]]:
    """The rows of a whole run in training order; `length` of a row is its number of tokens."""
    # Grouped by step, not by batch: the batches of one step have similar lengths too, and a step keeps its
    # rows when its batches are made smaller.
    step = rows_per_step(config)
    return [rows[i] for i in training_order([row["length"] for row in rows], config.steps, step, config.seed)]


def load_base(base: Path, config: TrainingConfig, frozen: bool) -> Any:
    """A base to train on, in the precision that the config names; `frozen` as in `quicken`. Errors as in
    `require_frozen`.
    """
    require_frozen(config, frozen)
    if config.load == "4bit":
        model: Any = loading.load_4bit(base, processes().device)
    else:
        model = loading.load_model(base, dtype=load_dtype(config, frozen, torch.cuda.is_available()))
    return quicken(model, config, frozen)


def require_frozen(config: TrainingConfig, frozen: bool) -> None:
    """Raise ValueError when `load` asks for weights that are too coarse to be trained themselves."""
    if config.load in ("bf16", "4bit") and not frozen:
        raise ValueError(
            f"load={config.load} is for weights that stay frozen: train an adapter (lora_rank above 0, or "
            "adapter), or set load to null"
        )


def load_dtype(config: TrainingConfig, frozen: bool, on_cuda: bool) -> torch.dtype:
    """The dtype in which a base is read, when it is not quantised."""
    # On CUDA, where bases are large, frozen weights are never in float32. On CPU they are read in float32, so
    # that `quicken` decides.
    bf16 = config.load == "bf16" or (config.load is None and frozen and on_cuda and uses_bf16(config))
    return torch.bfloat16 if bf16 else torch.float32


def quicken(model: Any, config: TrainingConfig, frozen: bool) -> Any:
    """Prepare a model for fast training; `frozen` says that only an adapter on it is trained."""
    # Frozen weights in the run's own bf16 take half the memory, and autocast need not convert them in each
    # step. Trained weights stay float32, since a small update would be lost in bf16.
    # PEFT keeps an adapter in float32 on such a base.
    if frozen and config.load is None and uses_bf16(config):
        # The parameters only: `model.to` would round the frequencies of the rotary embedding too, which
        # serving has in float32.
        for parameter in model.parameters():
            parameter.data = parameter.data.to(torch.bfloat16)
    # Plain matrix products: on short rows the backward pass of the fused kernel takes a fifth of a step.
    # The attention weights, (batch, heads, tokens, tokens), fit into memory for rows this short.
    if not torch.cuda.is_available():
        model.set_attn_implementation("eager")
    return model


def load_policy(base: Path, config: TrainingConfig, adapter: Path | None) -> Any:
    """The policy to train: the adapter on its frozen base, or the whole base when `adapter` is None.

    Raises ValueError in one of several processes: TRL stores the reference's log-probabilities in a temporary
    file of the first process, which the others cannot find.
    """
    if processes().num_processes > 1:
        raise ValueError("this stage trains in one process only: start it without torchrun or accelerate")
    model = load_base(base, config, frozen=adapter is not None)
    if adapter is None:
        return model
    # A trainer of TRL that finds an adapter copies it without gradient, as the reference policy.
    return PeftModel.from_pretrained(model, str(adapter), is_trainable=True)


def lora(rank: int, task: str) -> LoraConfig | None:
    """A new adapter for all linear layers, or None at rank 0; `task` is PEFT's name of the task."""
    if rank == 0:
        return None
    # Each frozen weight W (out, in) gets B (out, rank) and A (rank, in), and its layer computes
    # (W + lora_alpha / r * B A) x (Hu et al. 2021, section 4.1). B starts at 0, so step 0 is the base.
    # At rank 16 the default base trains 4.9 million weights next to its 134.5 million. The language head is
    # none of them: "all-linear" omits the output layer.
    # lora_alpha / r, the scale of the output of the adapter, is 2 at every rank.
    return LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type=task)


def uses_bf16(config: TrainingConfig) -> bool:
    """Whether a run computes in bf16: as the config says, or else where the machine is fast at it."""
    return bf16_is_fast() if config.bf16 is None else config.bf16


def common_arguments(config: TrainingConfig, folder: Path, resumes: bool) -> dict[str, Any]:
    """The arguments of a TRL trainer that all stages set alike; `folder` is for checkpoints."""
    return {
        "output_dir": str(folder),
        "max_steps": config.steps,
        "per_device_train_batch_size": config.batch_size,
        # TRL's held-out figures are means over batches. Batches of a step's rows keep them the same when
        # training batches are made smaller.
        "per_device_eval_batch_size": rows_per_step(config),
        "gradient_accumulation_steps": config.accumulate_batches,
        "learning_rate": config.learning_rate,  # the highest rate, which is reached after the warm-up
        "lr_scheduler_type": "cosine",  # down to 0 at the last step
        "warmup_steps": max(1, config.steps // 20),  # 5 % of the steps
        "use_cpu": not torch.cuda.is_available(),
        # Autocast: matrix products in bf16; trained weights, their gradients and AdamW's moments in float32.
        "bf16": uses_bf16(config),
        "train_sampling_strategy": "sequential",  # the rows are in training order already
        "activation_checkpointing": config.gradient_checkpointing,  # TRL's own default is on
        # The reentrant kind gives no gradient to an adapter whose base is frozen.
        "activation_checkpointing_kwargs": {"use_reentrant": False},
        **({} if config.optimizer == "adamw" else {"optim": config.optimizer}),
        "eval_strategy": "steps",
        "eval_steps": config.evaluate_every_steps,
        "eval_on_start": not resumes,  # the figures before training; a resumed run has them in its log
        "prediction_loss_only": True,
        "logging_steps": 5,
        "logging_first_step": True,  # so that a run of fewer than five steps has figures too
        "save_steps": config.checkpoint_every_steps,
        "save_total_limit": 2,  # the newest may be incomplete after a kill, so one more is kept
        "disable_tqdm": True,  # models.progress draws the bar
        "dataloader_pin_memory": torch.cuda.is_available(),  # speeds up copies to a GPU; without one it warns
        "report_to": "none",
        "ddp_find_unused_parameters": False,  # every parameter is used, and the search costs a pass a step
        "seed": config.seed,
    }


@contextlib.contextmanager
def add_callback(callback: TrainerCallback | None) -> Iterator[None]:
    """Context manager: adds `callback` to every trainer that `run` starts inside it.

    A search prunes runs this way. None adds nothing.
    """
    token = _extra_callback.set(callback)
    try:
        yield
    finally:
        _extra_callback.reset(token)


@dataclass(frozen=True)
class Run(Generic[C]):
    """A finished training.

    `folder` has its checkpoints, `resumed_from_step` is the step of the checkpoint that it last resumed from
    (0: none), `history` is its log with held-out figures first and last, and `out_of_memory_at` has the batch
    sizes that did not fit into memory.
    """

    config: C
    digest: str
    folder: Path
    trainer: Trainable
    resumed_from_step: int
    history: History
    out_of_memory_at: tuple[int, ...]

    def values(self, key: str) -> list[float]:
        """The logged values of one figure, in the order of steps."""
        return curves.curve(self.history, key)[1]

    def shared_figures(self, started: float) -> dict[str, Any]:
        """The fields of `TrainingResult`; `started` is the `time.monotonic()` at which the stage started."""
        return {
            "out": self.config.out,
            "digest": self.digest,
            "steps": self.config.steps,
            "resumed_from_step": self.resumed_from_step,
            "out_of_memory_at": self.out_of_memory_at,
            "unhealthy": health.faults(self.history, self.config.healthy),
            "seconds": time.monotonic() - started,
            "history": self.history,
        }


def run(
    stage: str,
    config: C,
    digest: str,
    build: Callable[[C, dict[str, Any]], Trainable],
    cuts_batches: bool = True,
) -> Run[C]:
    """Train from the newest checkpoint of this digest, or from the start.

    `build(config, arguments)` makes the trainer; `arguments` are `common_arguments`. When memory runs out,
    the trainer is built again with smaller batches and more of them in a step, and resumes from the newest
    checkpoint. A step still has the same rows. With `cuts_batches=False` batches are not made smaller.

    Raises torch.OutOfMemoryError, with what to do, when batches cannot be made smaller. Stops early when a
    figure leaves its healthy range, or when the callback of `add_callback` stops the run.
    """
    folder = config.checkpoints / f"{stage}-{digest}"
    current, failed = config, list[int]()
    while True:
        checkpoint, step = checkpoints.newest_checkpoint(folder)
        trainer = None
        try:
            trainer = build(current, common_arguments(current, folder, resumes=checkpoint is not None))
            history = _train(stage, trainer, checkpoint, config)
            return Run(config, digest, folder, trainer, step, history, tuple(failed))
        except torch.OutOfMemoryError as error:
            failed.append(current.batch_size)
            # In evaluation mode the batch is a whole step's rows, so smaller training batches do not help.
            evaluates = trainer is not None and not trainer.model.training
            smaller = cut_batches(current) if cuts_batches and not evaluates else None
            if smaller is None:
                raise torch.OutOfMemoryError(_advise(stage, current, evaluates, error)) from error
            current = smaller
            _log.warning(
                "%s: memory ran out with a batch of %d; resuming from the last checkpoint with %d batches of "
                "%d in a step, which learn the same. The error was: %s",
                *(stage, failed[-1], current.accumulate_batches, current.batch_size, error),
            )
        # Outside the handler, since the error's traceback references the tensors that filled the memory.
        del trainer
        gc.collect()
        torch.cuda.empty_cache()  # else blocks of the failed sizes stay reserved


def _advise(stage: str, config: TrainingConfig, evaluates: bool, error: Exception) -> str:
    """The message of an out-of-memory error that smaller batches cannot solve."""
    rows = config.batch_size * config.accumulate_batches
    where = (
        f"evaluating a step's {rows} rows at once" if evaluates else f"with a batch of {config.batch_size}"
    )
    sizes = ("max_tokens", "max_prompt_tokens", "max_new_tokens", "generations", "batch_size", "lora_rank")
    lower = ", ".join(name for name in sizes if hasattr(config, name))
    saving = "" if config.gradient_checkpointing else "set gradient_checkpointing=true, "
    return (
        f"{stage}: memory ran out {where}, which is not cut into smaller batches. Lower {lower}, {saving}or "
        f"take a smaller base (docs/your-own-model.md says how much one needs). The error was: {error}"
    )


def cut_batches(config: C) -> C | None:
    """A config with smaller batches and the same rows in a step; None when a batch is one row.

    The batch size is divided by its smallest divisor above 1, so by two where it is even.
    """
    size = config.batch_size
    parts = next((n for n in range(2, size + 1) if size % n == 0), None)
    if parts is None:
        return None
    changes = {"batch_size": size // parts, "accumulate_batches": config.accumulate_batches * parts}
    return config.model_copy(update=changes)


def _train(stage: str, trainer: Trainable, checkpoint: Path | None, config: TrainingConfig) -> History:
    """Train to the end and return the log; a missing last evaluation is made up."""
    transformers_logging.disable_progress_bar()
    trainer.remove_callback(PrinterCallback)
    progress, watch = Progress(stage, config.log_every_s), health.Watch(config.healthy)
    callbacks = (checkpoints.LogAtCheckpoints(), progress, watch, _extra_callback.get())
    for callback in callbacks:
        if callback is not None:
            trainer.add_callback(callback)
    _train_in_float32(trainer.model)
    # After TRL set its own head, while the trainer was built. Only a trainer that samples has a temperature.
    score_completions_only(trainer.model, getattr(trainer, "temperature", 1.0))
    if checkpoint:
        checkpoints.restore_token_count(trainer, checkpoint)
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    finally:
        progress.close()
    # The trainer's last entry summarises this process only, so a resumed run would have a wrong one.
    log = [entry for entry in trainer.state.log_history if "train_runtime" not in entry]
    if "eval_loss" not in log[-1]:  # the run ended between two evaluations
        trainer.evaluate()
        log.append(trainer.state.log_history[-1])
    # A figure without any value, such as the minimum length of no truncated completions, is logged as None.
    return tuple({name: value for name, value in entry.items() if value is not None} for entry in log)


def _train_in_float32(model: Any) -> None:
    """Undo that TRL makes an adapter on a 4-bit base bf16, in which small updates are lost.

    The policy keeps that one rounding, so DPO and KTO start that far from their reference.
    """
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def digest(config: BaseModel, parts: Iterable[bytes]) -> str:
    """A name for a run, from everything that determines its result: its data, and its config.

    The folders `out` and `checkpoints` and the time `log_every_s` are left out; of other paths only the last
    name counts, so that a run resumes after its files were moved. `parts` are the data, such as `row_bytes`
    and `adapter_bytes`.
    """
    settings = config.model_dump(exclude={"out", "checkpoints", "log_every_s"})
    sha = hashlib.sha256(json.dumps(settings, sort_keys=True, default=_to_json).encode())
    for part in parts:
        sha.update(len(part).to_bytes(8, "big"))  # so that (b"ab", b"c") and (b"a", b"bc") differ
        sha.update(part)
    return sha.hexdigest()[:16]


def _to_json(value: object) -> object:
    return value.name if isinstance(value, Path) else to_jsonable_python(value)


def row_bytes(rows: Iterable[BaseModel]) -> Iterator[bytes]:
    """Each row as JSON, for `digest`."""
    return (row.model_dump_json().encode() for row in rows)


def adapter_bytes(folder: Path | None) -> Iterator[bytes]:
    """The weights and settings of an adapter's folder, for `digest`; nothing for None."""
    for file in sorted(folder.glob("adapter_*")) if folder else ():
        yield file.read_bytes()


def save(model: Any, tokens: examples.Tokens, folder: Path) -> None:
    """Write the trained adapter, or the whole model without one; the main process alone writes.

    The frozen copy of an adapter, which TRL adds as reference, is not written.
    """
    if not processes().is_main_process:
        return
    shutil.rmtree(folder, ignore_errors=True)
    if isinstance(model, PeftModel):
        # Only A and B of each layer, in float32: 20 MB at rank 16, where the default base has 538.
        model.save_pretrained(str(folder), selected_adapters=["default"])
    else:
        loading.save(model, tokens.tokenizer, folder, tokens.frame)


def finish(run: Run[Any], result: TrainingResult, panels: curves.Panels) -> None:
    """Write the curves and `metrics.json`, and delete the checkpoints; the main process alone does.

    `panels` are those of `models.curves`. `metrics.json` is written after the plots, since it marks the stage
    as finished.
    """
    if not processes().is_main_process:
        return
    plot_curves(run.history, panels, result.out / "loss.png")
    health.plot(run.history, run.config.healthy, result.out / "health.png")
    write_figures(result, result.out)
    shutil.rmtree(run.folder, ignore_errors=True)


def write_figures(result: BaseModel, out: Path) -> None:
    """Write `metrics.json`, which marks a stage as finished, completely or not at all."""
    partial = out / f"{METRICS_FILE}.partial"
    partial.write_text(result.model_dump_json(indent=1), encoding="utf-8")
    partial.replace(out / METRICS_FILE)


def plot_curves(history: Sequence[dict[str, float]], panels: curves.Panels, file: Path) -> None:
    """Write a picture of the curves."""
    curves.draw(history, panels).savefig(file, dpi=110)
