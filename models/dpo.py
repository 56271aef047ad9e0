"""Direct preference optimisation: trains an adapter to prefer the rewrites that people chose, with TRL.

    python -m models.dpo configs/dpo.yaml snapshots=[artifacts/snapshots/3]
    python -m models.dpo configs/dpo.yaml snapshots=[artifacts/snapshots/3] beta=0.2 steps=80

Training continues from the SFT adapter. Its frozen copy is the reference policy, whose log-probabilities are
computed once before training. The loss is Rafailov et al. 2023, equation 7, plus `sft_weight` times the
chosen rewrite's negative log-likelihood, which keeps the chosen rewrite likely. With `ld_alpha` below 1, the
tokens by which one rewrite of a pair is longer than the other count less (LD-DPO, Liu et al. 2024). A killed
run that is started again with the same config and data resumes from its last complete checkpoint.
"""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
from datasets import Dataset
from pydantic import Field
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer

import configs
from data.records import PreferencePair
from models import curves, examples, loading, training
from models.health import Ranges
from models.training import TrainingConfig, TrainingResult


class DpoConfig(TrainingConfig):
    """The settings of a DPO run. Lengths are in tokens of prompt and completion together."""

    adapter: Path | None = Field(
        Path("artifacts/sft"), description="the SFT adapter; the whole base is trained when unset"
    )
    teachers: tuple[Path, ...] = Field((), description="snapshots with a judge's pairs, see models.teacher")
    teacher_share: Annotated[float, Field(ge=0, lt=1, description="most of the training pairs")] = 0.3
    out: Path = Path("artifacts/dpo")
    batch_size: Annotated[int, Field(ge=1, description="pairs")] = 4
    learning_rate: Annotated[float, Field(gt=0)] = 5.0e-5
    beta: Annotated[float, Field(gt=0, description="pull towards the reference policy")] = 0.1
    sft_weight: Annotated[float, Field(ge=0, description="weight of the chosen rewrite's own loss")] = 0.2
    ld_alpha: Annotated[
        float, Field(ge=0, le=1, description="weight of the tokens beyond the shorter rewrite's length")
    ] = 1.0
    masks: bool = Field(True, description="mask facts, as fact protection does")
    max_tokens: Annotated[int, Field(ge=16)] = 256
    validation_pairs: Annotated[int, Field(ge=1, description="most pairs of the held-out figures")] = 32
    healthy: Ranges = Field(
        {"grad_norm": (1e-3, 50.0), "entropy": (0.01, 8.0), "eval_rewards/chosen": (-3.0, 10.0)}
    )


class DpoResult(TrainingResult):
    """The figures of a DPO run, on held-out pairs except `train_pairs` and `grad_norm_highest`.

    A log-ratio is log p(completion) under the policy minus under the reference, in nats; `ld_alpha` weights
    the tokens in it. The margin is beta *
    (log-ratio of the chosen rewrite - log-ratio of the rejected rewrite). A falling `chosen_log_ratio` with a
    rising margin is DPO's common failure: both rewrites become unlikely. `kl_nats` is the mean negative
    log-ratio of both rewrites, in nats a completion. It estimates KL(reference || policy) as far as the
    reference wrote the pairs.
    """

    train_pairs: int
    validation_pairs: int
    pairs_too_long: int
    held_out_margin: float
    held_out_accuracy: float
    chosen_log_ratio: float
    kl_nats: float
    grad_norm_highest: float


class _Trainer(DPOTrainer):
    """TRL's trainer with four changes.

    Its rows are token ids already. Our head is used for the reference too. The SFT term is a mean over the
    tokens of a step, however many batches the step has. The KL divergence is logged.
    """

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset  # TRL would tokenise it again

    def _precompute_ref_logps(self, dataset: Dataset, name: str, batch_size: int) -> Dataset:
        # TRL calls this while the trainer is built, so before `training.run` sets the head. The reference
        # adds the columns ref_chosen_logps and ref_rejected_logps: log p of a completion, summed over its
        # tokens, (rows,) each. It has no gradient, and the autocast of training, so that the log-ratios of
        # the untrained policy are 0 and no rounding error.
        training.score_completions_only(self.model)
        return super()._precompute_ref_logps(dataset, name, batch_size)

    def get_batch_samples(self, *args: Any) -> tuple[list[dict[str, torch.Tensor]], Any]:
        """Return the batches of a step, and count their chosen tokens for `training_step`."""
        batches, items = super().get_batch_samples(*args)  # `accumulate_batches` of them
        # A mean and no sum, since the trainer divides the loss of each batch by the number of batches.
        self._mean_chosen_tokens = sum(map(count_chosen_tokens, batches)) / max(1, len(batches))
        return batches, items

    def training_step(self, model: Any, inputs: dict[str, torch.Tensor], *args: Any) -> torch.Tensor:
        """The loss of one batch, with its SFT term weighted by the batch's share of chosen tokens.

        TRL averages the SFT term over each batch's tokens and then over batches, so without the weight the
        tokens of a short batch would count more.
        """
        # For batches b with n_b tokens and mean SFT losses l_b: mean_b (n_b / mean(n) * l_b) equals
        # sum_b (n_b * l_b) / sum_b n_b, the mean over the tokens of the step.
        share = count_chosen_tokens(inputs) / self._mean_chosen_tokens  # 1 on average over the step
        # loss_weights are those of the preference loss and of the SFT term. Only the second is a mean over
        # tokens; the first is a mean over pairs, and every batch has the same number of pairs.
        weights = self.loss_weights
        self.loss_weights = [weights[0], weights[1] * share]
        try:
            return super().training_step(model, inputs, *args)
        finally:
            self.loss_weights = weights  # evaluation uses them without the batch's share

    def log(self, logs: dict[str, float], *args: Any) -> None:
        """Log `kl`, too: the mean negative log-ratio of both rewrites, in nats a completion."""
        for figures in self._metrics.values():  # of training and of evaluation: a list of batches for each
            if chosen := figures.get("rewards/chosen"):
                both = zip(chosen, figures["rewards/rejected"], strict=True)
                figures["kl"] = [-(good + bad) / (2 * self.beta) for good, bad in both]
        super().log(logs, *args)


def count_chosen_tokens(batch: Mapping[str, torch.Tensor]) -> float:
    """Number of tokens of the chosen rewrites of a batch."""
    # completion_mask is (2 * pairs, tokens), int64: the chosen rewrites first, then the rejected ones. It is
    # 1 at completion tokens, 0 at prompt and padding.
    return batch["completion_mask"].chunk(2)[0].sum().item()


def example(tokens: examples.Tokens, row: PreferencePair) -> dict[str, Any]:
    """A pair for the trainer: token ids, and the number of tokens of the longer of its two rows."""
    prompt, chosen, rejected = (
        tokens.prompt(row),
        tokens.completion(row.chosen),
        tokens.completion(row.rejected),
    )
    return {
        # Token ids, (tokens,) each; the trainer makes two rows of a pair, each with the prompt. Log p of a
        # completion is a sum over its tokens, so it falls with length; the log-ratio to the reference starts
        # at 0 at every length.
        "prompt_ids": prompt,
        "chosen_ids": chosen,
        "rejected_ids": rejected,
        "length": len(prompt) + max(len(chosen), len(rejected)),
    }


def main(config: DpoConfig) -> DpoResult:
    """Train, or resume, and write the adapter (or the model), `metrics.json` and plots to `config.out`.

    Raises ValueError when no training or no validation pair remains.
    """
    started = time.monotonic()
    rows = examples.read_snapshots(config.snapshots, PreferencePair)
    # Held-out figures are of people's pairs only: a teacher's rows are all for training.
    trained = sum(row.split == "train" for row in rows)
    rows += examples.read_of_teachers(config.teachers, PreferencePair, trained, config.teacher_share)
    # A pair that cannot be masked is used as it is: pairs are rare.
    if config.masks:
        rows = [examples.mask_row(row, "chosen", "rejected") or row for row in rows]
    # The adapter is part of the digest, since it is both the start and the reference.
    digest = training.digest(config, [*training.adapter_bytes(config.adapter), *training.row_bytes(rows)])

    base = loading.base_folder(config.base)
    tokens = examples.load_tokens(base)
    split = examples.split_fitting(
        [(row.split, example(tokens, row)) for row in rows], config.max_tokens, config.validation_pairs
    )

    # `config` here may have smaller batches than the run's, see training.run.
    def build(config: DpoConfig, arguments: dict[str, Any]) -> training.Trainable:
        return _Trainer(
            model=training.load_policy(base, config, config.adapter),
            args=DPOConfig(
                **arguments,
                max_length=None,  # rows that are too long were dropped already
                precompute_ref_log_probs=True,  # the reference is frozen, so once is enough
                beta=config.beta,
                # -log sigma(beta * (log-ratio of chosen - log-ratio of rejected)), their equation 7, and the
                # chosen rewrite's negative log-likelihood, in nats a token.
                loss_type=["sigmoid", "sft"],
                loss_weights=[1.0, config.sft_weight],
                # log p of a pair's two completions, y_1 and y_2, becomes the sum over their first
                # min(len y_1, len y_2) tokens + ld_alpha * the sum over the rest. It applies to the reference
                # and to the preference loss; the SFT term counts every token.
                ld_alpha=config.ld_alpha,
            ),
            train_dataset=Dataset.from_list(training.lay_out(split.train, config)),
            eval_dataset=Dataset.from_list(split.validation),
            processing_class=tokens.tokenizer,
        )

    run = training.run("dpo", config, digest, build)
    training.save(run.trainer.model, tokens, config.out)

    # TRL's rewards are beta * log-ratio, in nats, and its held-out figures means over batches of a step's
    # rows. Before training the policy is the reference, so all of them start at 0.
    result = DpoResult(
        **run.shared_figures(started),
        train_pairs=len(split.train),
        validation_pairs=len(split.validation),
        pairs_too_long=split.too_long,
        held_out_margin=run.values("eval_rewards/margins")[-1],
        held_out_accuracy=run.values("eval_rewards/accuracies")[-1],
        chosen_log_ratio=run.values("eval_rewards/chosen")[-1] / config.beta,
        kl_nats=run.values("eval_kl")[-1],
        grad_norm_highest=max(run.values("grad_norm")),
    )
    training.finish(run, result, curves.DPO)
    return result


if __name__ == "__main__":
    result = main(configs.from_command_line(DpoConfig, sys.argv[1:]))
    print(
        f"held-out margin {result.held_out_margin:.3f}, accuracy {result.held_out_accuracy:.2f} on "
        f"{result.validation_pairs} pairs, in {result.seconds:.0f} s; wrote {result.out}"
    )
