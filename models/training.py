"""What every training stage shares: a head for completions only, the order of rows, the run, its curves."""

import contextlib
import gc
import hashlib
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from peft import LoraConfig, PeftModel
from pydantic import BaseModel
from transformers import PreTrainedTokenizerBase, PrinterCallback, TrainerCallback
from transformers.utils import logging as transformers_logging
from trl.trainer.utils import FusedCausalLMOutput

from models import checkpoints, health, loading
from models.health import Ranges
from models.progress import Progress

_log = logging.getLogger(__name__)

METRICS_FILE = "metrics.json"

_watcher: ContextVar[TrainerCallback | None] = ContextVar("_watcher", default=None)


def score_completions_only(trained: Any) -> None:
    """Give a model that a TRL trainer holds a head that computes logits for completion tokens only.

    On CPU, TRL's own fused head projects every position on the vocabulary, prompt and padding too, and does
    so again in the backward pass. Prompts are most of our tokens, so this halves a step. Same values, same
    output fields. Models that rescale or cap their logits keep TRL's head, and so does CUDA, where it skips
    the prompt by itself. A model without a language head is left alone.
    """
    model: Any = trained.get_base_model() if isinstance(trained, PeftModel) else trained
    text_config = model.config.get_text_config()
    rescales = any(
        getattr(text_config, name, None)
        for name in ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier")
    )
    if rescales or model.device.type != "cpu" or model.get_output_embeddings() is None:
        return
    every_position = model.forward

    def forward(*args: Any, fused_lm_head: bool = False, labels: Any = None, **kwargs: Any) -> Any:
        if not fused_lm_head:
            return every_position(*args, labels=labels, **kwargs)
        hidden = model.base_model(*args, **kwargs).last_hidden_state[:, :-1]  # (batch, tokens - 1, width)
        targets = labels[:, 1:]  # (batch, tokens - 1)
        mask = targets != -100
        logits = model.get_output_embeddings()(hidden[mask]).float()  # (completion tokens, vocabulary)
        log_p = logits.log_softmax(dim=-1)
        chosen = targets[mask].unsqueeze(1)

        def spread(values: torch.Tensor) -> torch.Tensor:
            return values.new_zeros(mask.shape).masked_scatter(mask, values)

        with torch.no_grad():
            entropy = -(log_p.exp() * log_p).sum(dim=-1)
        return FusedCausalLMOutput(
            log_probs=spread(log_p.gather(1, chosen).squeeze(1)),
            entropy=spread(entropy),
            mean_logits=spread(logits.detach().mean(dim=-1)),
            is_top1=spread(logits.argmax(dim=-1) == chosen.squeeze(1)),
            label_mask=mask,
        )

    model.forward = forward


def bf16_is_fast() -> bool:
    """Whether this machine multiplies bf16 natively; elsewhere autocast is slower than float32."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()


def training_order(lengths: Sequence[int], steps: int, batch_size: int, seed: int) -> list[int]:
    """The rows of a whole run in the order in which they are trained on: `steps * batch_size` indices.

    Batches hold rows of similar length (a third less padding), stand in random order, and rows repeat only
    from one pass over the data to the next. Laid out beforehand, because a sampler that draws as it goes
    does not go on where a killed run stopped.
    """
    random = np.random.default_rng(seed)
    rows: list[int] = []
    while len(rows) < steps * batch_size:
        rows += random.permutation(len(lengths)).tolist()
    rows = rows[: steps * batch_size]
    window = 32 * batch_size  # sorting within windows keeps the mix of each stretch of training
    batches: list[list[int]] = []
    for start in range(0, len(rows), window):
        similar = sorted(rows[start : start + window], key=lengths.__getitem__)
        group = [similar[i : i + batch_size] for i in range(0, len(similar), batch_size)]
        batches += [group[i] for i in random.permutation(len(group))]
    return [row for batch in batches for row in batch]


def processes() -> PartialState:
    """The processes that train together: one, unless `torchrun` or `accelerate launch` started more."""
    return PartialState(cpu=not torch.cuda.is_available())


def rows_of_a_step(config: Any) -> int:
    """How many rows one step learns from. Each process takes every so-manieth batch of them, so that a step
    has the same rows however many processes share it.
    """
    return config.batch_size * config.accumulate_batches * processes().num_processes


def laid_out(rows: Sequence[dict[str, Any]], config: Any) -> list[dict[str, Any]]:
    """The rows of a whole run in their training order; the batches of one step are of similar length too."""
    step = rows_of_a_step(config)
    return [rows[i] for i in training_order([row["length"] for row in rows], config.steps, step, config.seed)]


def quicken(model: Any, config: Any, frozen: bool) -> Any:
    """A model as fast as a CPU trains it; `frozen` says that an adapter will learn in its place.

    Frozen weights are bf16 where the run is: half the memory, and no step casts them anew. Attention is plain
    matrix products: the backward pass of the fused kernel is slow on short rows, a fifth of a step.
    """
    if frozen and _uses_bf16(config):
        model = model.to(torch.bfloat16)
    if not torch.cuda.is_available():
        model.set_attn_implementation("eager")
    return model


def load_policy(base: Path, config: Any) -> Any:
    """The SFT adapter on its base, to go on training it; all of the base when the config has no adapter.

    Raises ValueError in one of several processes: TRL keeps the reference's log-probabilities in a temporary
    file of the first one, where the others do not find it.
    """
    if processes().num_processes > 1:
        raise ValueError("this stage learns in one process only: start it without a launcher")
    model = quicken(loading.load_model(base), config, frozen=config.adapter is not None)
    if config.adapter is None:
        return model
    return PeftModel.from_pretrained(model, str(config.adapter), is_trainable=True)


def lora(rank: int, task: str) -> LoraConfig | None:
    """A fresh adapter for all linear layers, with PEFT's name of the task; None at rank 0."""
    if rank == 0:
        return None
    return LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type=task)


def _uses_bf16(config: Any) -> bool:
    return bf16_is_fast() if config.bf16 is None else bool(config.bf16)


def common_arguments(config: Any, folder: Path, resumes: bool) -> dict[str, Any]:
    """The trainer arguments that every stage sets alike, from the fields that every stage's config has."""
    return {
        "output_dir": str(folder),
        "max_steps": config.steps,
        "per_device_train_batch_size": config.batch_size,
        # TRL's held-out figures are means of batches, so these are the same however a step is cut.
        "per_device_eval_batch_size": rows_of_a_step(config),
        "gradient_accumulation_steps": config.accumulate_batches,
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": max(1, config.steps // 20),
        "use_cpu": not torch.cuda.is_available(),
        "bf16": _uses_bf16(config),
        "train_sampling_strategy": "sequential",  # see training_order
        "activation_checkpointing": False,  # TRL's default trades time, which we lack, for memory
        "eval_strategy": "steps",
        "eval_steps": config.evaluate_every_steps,
        "eval_on_start": not resumes,
        "prediction_loss_only": True,
        "logging_steps": 5,
        "logging_first_step": True,  # a run of fewer steps has figures too
        "save_steps": config.checkpoint_every_steps,
        "save_total_limit": 2,
        "disable_tqdm": True,  # the bar is ours, see Progress
        "dataloader_pin_memory": torch.cuda.is_available(),
        "report_to": "none",
        "ddp_find_unused_parameters": False,  # there are none, and to look for them costs a pass a step
        "seed": config.seed,
    }


@contextlib.contextmanager
def watched_by(callback: TrainerCallback | None) -> Iterator[None]:
    """Within it a stage's trainer has this callback too: who calls its `main` may stop its run early."""
    token = _watcher.set(callback)
    try:
        yield
    finally:
        _watcher.reset(token)


@dataclass(frozen=True)
class Run:
    """A training that has ended: its trainer, the step that it last went on from, its log with held-out
    figures first and last, and the batch sizes at which memory ran out.
    """

    trainer: Any
    resumed_from_step: int
    history: tuple[dict[str, float], ...]
    out_of_memory_at: tuple[int, ...]


def run(
    stage: str,
    config: Any,
    folder: Path,
    build: Callable[[Any, bool], Any],
    cuts_batches: bool = True,
) -> Run:
    """Train from the newest checkpoint in the folder, or from the start.

    `build(config, resumes)` makes the trainer. When memory runs out it is made anew, with smaller batches and
    as many more of them a step, and goes on from the newest checkpoint: the same rows make the same steps.
    Raises torch.OutOfMemoryError, with what to do, when a batch cannot be cut (any more). Stops early when
    what is logged leaves its healthy range, or when a watcher wants it.
    """
    sized, failed = config, list[int]()
    while True:
        checkpoint, step = checkpoints.newest_checkpoint(folder)
        trainer = None
        try:
            trainer = build(sized, checkpoint is not None)
            return Run(trainer, step, _train(stage, trainer, checkpoint, config.healthy), tuple(failed))
        except torch.OutOfMemoryError as error:
            failed.append(sized.batch_size)
            evaluates = trainer is not None and not trainer.model.training
            smaller = in_smaller_batches(sized) if cuts_batches and not evaluates else None
            if smaller is None:
                raise torch.OutOfMemoryError(_advice(stage, sized, evaluates, error)) from error
            sized = smaller
            _log.warning(
                "%s: memory ran out with a batch of %d; going on from the last checkpoint with steps of %d "
                "batches of %d, which learn the same. It was: %s",
                *(stage, failed[-1], sized.accumulate_batches, sized.batch_size, error),
            )
        # After the handler: the error's traceback holds on to what filled the memory.
        del trainer
        gc.collect()
        torch.cuda.empty_cache()


def _advice(stage: str, config: Any, evaluates: bool, error: Exception) -> str:
    rows = config.batch_size * config.accumulate_batches
    where = (
        f"evaluating a step's {rows} rows at once" if evaluates else f"with a batch of {config.batch_size}"
    )
    sizes = ("max_tokens", "max_prompt_tokens", "max_new_tokens", "generations", "batch_size", "lora_rank")
    lower = ", ".join(name for name in sizes if hasattr(config, name))
    return (
        f"{stage}: memory ran out {where}, which is not cut into smaller batches. Lower {lower}, or take a "
        f"smaller base. It was: {error}"
    )


def in_smaller_batches(config: Any) -> Any | None:
    """A config whose steps are of the same rows in batches of half the size, or of the greatest part that an
    odd size has; None when a batch is one row.
    """
    size = config.batch_size
    parts = next((n for n in range(2, size + 1) if size % n == 0), None)
    if parts is None:
        return None
    changed = {"batch_size": size // parts, "accumulate_batches": config.accumulate_batches * parts}
    return config.model_copy(update=changed)


def _train(
    stage: str, trainer: Any, checkpoint: Path | None, healthy: Ranges
) -> tuple[dict[str, float], ...]:
    transformers_logging.disable_progress_bar()
    trainer.remove_callback(PrinterCallback)
    progress = Progress(stage)
    for callback in (checkpoints.LogFirst(), progress, health.Watch(healthy), _watcher.get()):
        if callback is not None:
            trainer.add_callback(callback)
    score_completions_only(trainer.model)
    if checkpoint:
        checkpoints.restore_token_count(trainer, checkpoint)
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    finally:
        progress.close()
    # The last entry sums up this process, not the run.
    log = [entry for entry in trainer.state.log_history if "train_runtime" not in entry]
    if "eval_loss" not in log[-1]:
        trainer.evaluate()
        log.append(trainer.state.log_history[-1])
    # A figure of nothing, such as the least of no clipped tokens, is logged as None.
    return tuple({name: value for name, value in entry.items() if value is not None} for entry in log)


def digest(config: BaseModel, parts: Iterable[bytes]) -> str:
    """Names a run by all that decides its result: the data, and the config without its output folders."""
    sha = hashlib.sha256(config.model_dump_json(exclude={"out", "checkpoints"}).encode())
    for part in parts:
        sha.update(len(part).to_bytes(8, "big"))
        sha.update(part)
    return sha.hexdigest()[:16]


def adapter_bytes(folder: Path | None) -> Iterator[bytes]:
    """The weights and settings of an adapter folder, for `digest`."""
    for file in sorted(folder.glob("adapter_*")) if folder else ():
        yield file.read_bytes()


def save(model: Any, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write what was trained, once for all processes: the adapter alone, without its frozen copy, or the
    whole model.
    """
    if not processes().is_main_process:
        return
    shutil.rmtree(folder, ignore_errors=True)
    if isinstance(model, PeftModel):
        model.save_pretrained(str(folder), selected_adapters=["default"])
    else:
        loading.save(model, tokenizer, folder)


def finish(result: Any, panels: Mapping[str, Sequence[str]], healthy: Ranges, folder: Path) -> None:
    """Draw a run's curves, write its figures and drop its checkpoints, once for all processes; the figures
    say that it is done.
    """
    if not processes().is_main_process:
        return
    plot_curves(result.history, panels, result.out / "loss.png")
    health.plot(result.history, healthy, result.out / "health.png")
    write_figures(result, result.out)
    shutil.rmtree(folder, ignore_errors=True)


def write_figures(result: BaseModel, out: Path) -> None:
    """Write a stage's figures, which say that it is done: all of them or, when it is killed, none."""
    partial = out / f"{METRICS_FILE}.partial"
    partial.write_text(result.model_dump_json(indent=1), encoding="utf-8")
    partial.replace(out / METRICS_FILE)


def curve(history: Sequence[dict[str, float]], key: str) -> tuple[list[float], list[float]]:
    """Steps and values of one figure in a trainer's log."""
    points = [(entry["step"], entry[key]) for entry in history if key in entry]
    return [step for step, _ in points], [value for _, value in points]


def plot_curves(history: Sequence[dict[str, float]], panels: Mapping[str, Sequence[str]], file: Path) -> None:
    """Draw one panel a title, each with the curves of the keys listed for it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(panels), 3.5), layout="constrained")
    for axes, (title, keys) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        for key in keys:
            axes.plot(*curve(history, key), label=key, marker="o", markersize=3)
        axes.set(title=title, xlabel="step")
        axes.legend(loc="upper right")  # looking for the best place takes long on a busy machine
    figure.savefig(file, dpi=110)
