"""Direct preference optimisation with TRL: an adapter that prefers what people chose.

    python -m models.dpo configs/dpo.yaml snapshots=[artifacts/snapshots/3]

Training goes on from the SFT adapter, whose frozen copy is the reference policy; its log-probabilities are
computed once, beforehand. The loss is Rafailov et al. 2023, equation 7, plus `sft_weight` times the chosen
rewrite's negative log-likelihood, which keeps it from growing unlikely. A killed run that is started again
with the same config and data goes on from its last complete checkpoint.
"""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
from datasets import Dataset
from pydantic import BaseModel, ConfigDict, Field
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer

import configs
from data.records import PreferencePair
from models import examples, loading, training
from models.health import Ranges, faults


class DpoConfig(configs.StageConfig):
    """What decides a DPO run. Lengths are in tokens, prompt and completion together."""

    base: str = "smollm2-135m"
    adapter: Path | None = Field(Path("artifacts/sft"), description="the SFT adapter; all of base when unset")
    snapshots: tuple[Path, ...] = ()
    out: Path = Path("artifacts/dpo")
    checkpoints: Path = Path("artifacts/checkpoints")
    steps: Annotated[int, Field(ge=1)] = 40
    batch_size: Annotated[int, Field(ge=1, description="pairs")] = 4
    accumulate_batches: Annotated[int, Field(ge=1, description="batches of a step")] = 1
    learning_rate: Annotated[float, Field(gt=0)] = 5.0e-5
    beta: Annotated[float, Field(gt=0, description="pull towards the reference policy")] = 0.1
    sft_weight: Annotated[float, Field(ge=0, description="of the chosen rewrite's own likelihood")] = 0.2
    masks: bool = Field(True, description="learn pairs with facts masked, as fact protection shows them")
    max_tokens: Annotated[int, Field(ge=16)] = 256
    validation_pairs: Annotated[int, Field(ge=1, description="most pairs of a held-out margin")] = 32
    evaluate_every_steps: Annotated[int, Field(ge=1)] = 20
    checkpoint_every_steps: Annotated[int, Field(ge=1)] = 20
    bf16: bool | None = Field(None, description="bf16 autocast; where the machine is fast at it when unset")
    healthy: Ranges = Field(
        {"grad_norm": (1e-3, 50.0), "entropy": (0.01, 8.0), "eval_rewards/chosen": (-3.0, 10.0)},
        description="low and high of what is logged, see models.health",
    )
    seed: int = 0


class DpoResult(BaseModel):
    """What a DPO run made and how healthy it was, on held-out pairs unless said otherwise.

    A log-ratio is log p(completion) under the policy minus under the reference, in nats; the margin is beta
    times the chosen rewrite's log-ratio minus the rejected one's. A falling `chosen_log_ratio` with a
    rising margin is DPO's usual illness: both rewrites grow unlikely. `kl_nats` is the mean of minus both
    log-ratios, an estimate of KL(reference || policy) a completion as far as the reference wrote the pairs.
    """

    model_config = ConfigDict(frozen=True)

    out: Path
    digest: str
    train_pairs: int
    validation_pairs: int
    pairs_too_long: int
    steps: int
    resumed_from_step: int
    out_of_memory_at: tuple[int, ...] = ()
    held_out_margin: float
    held_out_accuracy: float
    chosen_log_ratio: float
    kl_nats: float
    grad_norm_highest: float
    unhealthy: tuple[str, ...] = ()
    seconds: float
    history: tuple[dict[str, float], ...]


class _Trainer(DPOTrainer):
    """TRL's trainer over rows that are token ids already, with our head also where the reference is computed,
    and an SFT term that is a mean over the tokens of a step, however many batches it is cut into.
    """

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset

    def _precompute_ref_logps(self, dataset: Dataset, name: str, batch_size: int) -> Dataset:
        training.score_completions_only(self.model)
        return super()._precompute_ref_logps(dataset, name, batch_size)

    def get_batch_samples(self, *args: Any) -> tuple[list[dict[str, torch.Tensor]], Any]:
        """The batches of a step, whose chosen tokens are counted."""
        batches, items = super().get_batch_samples(*args)
        self._mean_chosen_tokens = sum(map(chosen_tokens, batches)) / max(1, len(batches))
        return batches, items

    def training_step(self, model: Any, inputs: dict[str, torch.Tensor], *args: Any) -> torch.Tensor:
        """A batch's part of a step; the SFT term, TRL's mean over the batch, is weighted by its tokens."""
        share = chosen_tokens(inputs) / self._mean_chosen_tokens
        weights = self.loss_weights
        self.loss_weights = [weights[0], weights[1] * share]
        try:
            return super().training_step(model, inputs, *args)
        finally:
            self.loss_weights = weights


def chosen_tokens(batch: Mapping[str, torch.Tensor]) -> float:
    """How many tokens the chosen rewrites of a batch have: the first half of its rows."""
    return batch["completion_mask"].chunk(2)[0].sum().item()


def example(tokens: examples.Tokens, row: PreferencePair) -> dict[str, Any]:
    """A pair as the trainer wants it."""
    prompt, chosen, rejected = (
        tokens.prompt(row),
        tokens.completion(row.chosen),
        tokens.completion(row.rejected),
    )
    return {
        "prompt_ids": prompt,
        "chosen_ids": chosen,
        "rejected_ids": rejected,
        "length": len(prompt) + max(len(chosen), len(rejected)),
    }


def main(config: DpoConfig) -> DpoResult:
    """Train, or go on training, and write the adapter (or the whole model without one), `metrics.json` and
    `loss.png`.

    Raises ValueError when no pair is left to train or to validate on.
    """
    started = time.monotonic()
    rows = examples.read_snapshots(config.snapshots, PreferencePair)
    if config.masks:
        rows = [examples.masked(row, "chosen", "rejected") or row for row in rows]
    data = (row.model_dump_json().encode() for row in rows)
    digest = training.digest(config, [*training.adapter_bytes(config.adapter), *data])

    base = loading.base_folder(config.base)
    tokens = examples.load_tokens(base)
    split = examples.split_fitting(
        [(row.split, example(tokens, row)) for row in rows], config.max_tokens, config.validation_pairs
    )

    checkpoints = config.checkpoints / f"dpo-{digest}"

    def build(sized: DpoConfig, resumes: bool) -> Any:
        return _Trainer(
            model=training.load_policy(base, sized),
            args=DPOConfig(
                **training.common_arguments(sized, checkpoints, resumes),
                max_length=None,  # the rows are cut to size already
                precompute_ref_log_probs=True,
                beta=sized.beta,
                loss_type=["sigmoid", "sft"],
                loss_weights=[1.0, sized.sft_weight],
            ),
            train_dataset=Dataset.from_list(training.laid_out(split.train, sized)),
            eval_dataset=Dataset.from_list(split.validation),
            processing_class=tokens.tokenizer,
        )

    run = training.run("dpo", config, checkpoints, build)

    training.save(run.trainer.model, tokens.tokenizer, config.out)

    def last(key: str) -> float:
        return training.curve(run.history, key)[1][-1]

    result = DpoResult(
        out=config.out,
        digest=digest,
        train_pairs=len(split.train),
        validation_pairs=len(split.validation),
        pairs_too_long=split.too_long,
        steps=config.steps,
        resumed_from_step=run.resumed_from_step,
        out_of_memory_at=run.out_of_memory_at,
        held_out_margin=last("eval_rewards/margins"),
        held_out_accuracy=last("eval_rewards/accuracies"),
        chosen_log_ratio=last("eval_rewards/chosen") / config.beta,
        kl_nats=-(last("eval_rewards/chosen") + last("eval_rewards/rejected")) / (2 * config.beta),
        grad_norm_highest=max(training.curve(run.history, "grad_norm")[1]),
        unhealthy=faults(run.history, config.healthy),
        seconds=time.monotonic() - started,
        history=run.history,
    )
    panels = {
        "DPO loss": ("loss", "eval_loss"),
        "rewards": ("eval_rewards/chosen", "eval_rewards/rejected", "eval_rewards/margins"),
    }
    training.finish(result, panels, config.healthy, checkpoints)
    return result


if __name__ == "__main__":
    outcome = main(configs.from_command_line(DpoConfig, sys.argv[1:]))
    print(
        f"held-out margin {outcome.held_out_margin:.3f}, accuracy {outcome.held_out_accuracy:.2f} on "
        f"{outcome.validation_pairs} pairs, in {outcome.seconds:.0f} s; wrote {outcome.out}"
    )
