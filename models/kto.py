"""Kahneman-Tversky optimisation: trains an adapter on single rewrites, each good or bad, with TRL.

    python -m models.kto configs/kto.yaml
    python -m models.kto configs/kto.yaml snapshots=[artifacts/snapshots/3] beta=0.2

The loss is Ethayarajh et al. 2024, equation 8: lambda * (1 - sigma(beta * (log-ratio - z0))) for a good
rewrite, lambda * (1 - sigma(beta * (z0 - log-ratio))) for a bad one. As in DPO, training continues from the
SFT adapter; its frozen copy is the reference, whose log-probabilities are computed once before training.

z0 estimates the KL divergence from the reference: the mean log-ratio of a batch's rewrites, each paired with
the message of another row, not below zero and without a gradient (section 4.1). TRL pairs them by rotating
the rewrites of a batch by one row. Here rows of the same message often have the same length, so they are
neighbours, and a rotation by one would pair a rewrite with its own message. We use the rotation that pairs
the fewest rewrites with their own message. It is computed before training, batch by batch, so that the
reference has the same pairs. Held-out rewrites are rotated all together.

Each batch has its own z0. So a step of 2 x 4 rows differs from a step of 1 x 8 rows, a batch has at least two
rows, and a batch that does not fit into memory is not made smaller, unlike in the other stages.

A killed run that is started again with the same config and data resumes from its last complete checkpoint.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
from datasets import Dataset
from pydantic import Field
from trl.trainer.kto_config import KTOConfig
from trl.trainer.kto_trainer import KTOTrainer

import configs
from data.records import Label
from models import examples, loading, training
from models.health import Ranges
from models.training import TrainingConfig, TrainingResult


class KtoConfig(TrainingConfig):
    """The settings of a KTO run. Lengths are in tokens of prompt and completion together."""

    adapter: Path | None = Field(
        Path("artifacts/sft"), description="the SFT adapter; the whole base is trained when unset"
    )
    out: Path = Path("artifacts/kto")
    batch_size: Annotated[int, Field(ge=2, description="rows, which share one KL estimate")] = 8
    learning_rate: Annotated[float, Field(gt=0)] = 5.0e-5
    beta: Annotated[float, Field(gt=0, description="pull towards the reference policy")] = 0.1
    masks: bool = Field(True, description="mask facts, as fact protection does")
    max_tokens: Annotated[int, Field(ge=16)] = 256
    validation_rows: Annotated[int, Field(ge=2, description="most rows of the held-out figures")] = 64
    healthy: Ranges = Field(
        {"grad_norm": (1e-3, 50.0), "entropy": (0.01, 8.0), "eval_rewards/chosen": (-3.0, 10.0)}
    )


class KtoResult(TrainingResult):
    """The figures of a KTO run, on held-out rows except the counts, the weights and `grad_norm_highest`.

    A reward is beta * log-ratio; the log-ratio is log p(completion) under the policy minus under the
    reference, in nats. All rewards are zero before training. The margin is the mean reward of good rewrites
    minus that of bad rewrites. `kl_nats` is the mean log-ratio of rewrites paired with other messages: the
    loss's estimate of KL(policy || reference), but also where it is below zero.
    """

    train_good: int
    train_bad: int
    validation_good: int
    validation_bad: int
    rows_too_long: int
    good_weight: float
    bad_weight: float
    held_out_good_reward: float
    held_out_bad_reward: float
    held_out_margin: float
    kl_nats: float
    grad_norm_highest: float


class _Trainer(KTOTrainer):
    """TRL's trainer with two changes.

    Its rows are token ids already, with the borrowed rewrite in each. Our head is used for the reference too.
    """

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset  # TRL would tokenise it and pair the rows again

    def _precompute_ref_logps(self, dataset: Dataset, name: str, batch_size: int) -> Dataset:
        # TRL calls this while the trainer is built, so before `training.run` sets the head. The reference
        # adds the columns ref_logps and ref_KL_logps, (rows,) each: log p of the row's own completion and of
        # the borrowed one, summed over its tokens, in nats.
        training.score_completions_only(self.model)
        return super()._precompute_ref_logps(dataset, name, batch_size)


def example(tokens: examples.Tokens, row: Label) -> dict[str, Any]:
    """A row for the trainer: token ids, whether the rewrite is good, and the number of tokens."""
    prompt, completion = tokens.prompt(row), tokens.completion(row.rewrite)
    return {
        # Token ids, (tokens,) each. The trainer joins them, and pads a batch on the right to (batch, tokens);
        # rows with borrowed completions have a length of their own.
        "prompt_ids": prompt,
        "completion_ids": completion,
        "label": row.good,  # bool; decides the sign in equation 8, and the weight
        "length": len(prompt) + len(completion),
    }


def count(rows: Sequence[dict[str, Any]], use: str) -> tuple[int, int]:
    """Numbers of good and of bad rows; ValueError, with the `use` of the rows, when either is zero."""
    good = sum(row["label"] for row in rows)
    bad = len(rows) - good
    if not good or not bad:
        raise ValueError(
            f"{good} good and {bad} bad rows remain for {use}; each needs at least one: collect more thumbs "
            "and ratings, or train on pairs with models.dpo"
        )
    return good, bad


def weights(good: int, bad: int) -> tuple[float, float]:
    """The loss weights of good and of bad rows, from their counts.

    Only the weight of the rarer kind is above 1, and as little as needed for (weight * count of good rows) /
    (weight * count of bad rows) in [1, 4/3] (section 4.2; later versions of the paper allow 3/2).
    """
    # Few good rows: bad / good makes the quotient 1. Few bad rows: 3 / 4 * good / bad makes it 4 / 3.
    return max(1.0, bad / good), max(1.0, 3 / 4 * good / bad)


def borrowed_rows(prompts: Sequence[Sequence[int]]) -> list[int]:
    """For each row of a batch, the index of the row whose completion it borrows; each row lends once.

    `prompts` are the token ids of the rows' prompts. The indices are a rotation of the batch: the first
    rotation with the fewest completions paired with their own prompt.
    """

    def own_prompt_matches(shift: int) -> int:
        # A negative index counts from the end, which is what a rotation needs.
        return sum(prompt == prompts[i - shift] for i, prompt in enumerate(prompts))

    # Without a shift every row would borrow its own completion; a batch of one row has no other choice.
    shift = min(range(1, len(prompts)), key=own_prompt_matches, default=0)
    return [(i - shift) % len(prompts) for i in range(len(prompts))]


def add_borrowed(rows: Sequence[dict[str, Any]], batch_size: int) -> list[dict[str, Any]]:
    """The rows with a borrowed completion each (`KL_completion_ids`), from a row of the same batch."""
    paired = []
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size]
        lenders = borrowed_rows([row["prompt_ids"] for row in batch])
        paired += [
            {**row, "KL_completion_ids": batch[i]["completion_ids"]}
            for row, i in zip(batch, lenders, strict=True)
        ]
    return paired


@torch.no_grad()
def measure_log_ratios(trainer: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of all held-out rows: whether they are good, their log-ratios, and those with borrowed completions.

    Each is of shape (rows,); log-ratios are in nats. TRL's own figures are means over batches, which weigh a
    batch the same whether it has one good row or many.
    """
    model = trainer.model.eval()  # without dropout
    batches = []
    # A batch is at most a step's rows. Batches differ in their numbers of tokens, so only sums over tokens
    # are kept.
    for batch in trainer.get_eval_dataloader():
        columns = [batch["label"].float()]  # (batch,), float32 so that the three columns can be stacked
        for kind in ("", "KL_"):  # the row's own completion, then the borrowed one
            ids = batch[f"{kind}input_ids"]  # (batch, tokens)
            # -100 at prompt and padding: the log-ratio is of the completion only.
            labels = ids.masked_fill(batch[f"{kind}completion_mask"] == 0, -100)
            # The reference's log-probabilities were computed under autocast; the difference needs both alike.
            with trainer.accelerator.autocast():
                mask = batch[f"{kind}attention_mask"]
                output = model(input_ids=ids, attention_mask=mask, labels=labels, fused_lm_head=True)
            # (batch, tokens - 1) summed to (batch,): log p of a completion, minus the reference's. float32,
            # and 0 at prompt and padding, so the sum needs no mask.
            columns.append(output.log_probs.sum(-1) - batch[f"ref_{kind}logps"])
        batches.append(torch.stack(columns))  # (3, batch)
    is_good, matched, mismatched = torch.cat(batches, dim=1)
    return is_good.bool(), matched, mismatched


def main(config: KtoConfig) -> KtoResult:
    """Train, or resume, and write the adapter (or the model), `metrics.json` and plots to `config.out`.

    Raises ValueError when no good or no bad row remains for training or for validation.
    """
    started = time.monotonic()
    rows = examples.read_snapshots(config.snapshots, Label)
    # A row that cannot be masked is used as it is: rows from people are rare.
    if config.masks:
        rows = [examples.mask_row(row, "rewrite") or row for row in rows]
    # The adapter is part of the digest, since it is both the start and the reference.
    digest = training.digest(config, [*training.adapter_bytes(config.adapter), *training.row_bytes(rows)])

    base = loading.base_folder(config.base)
    tokens = examples.load_tokens(base)
    split = examples.split_fitting(
        # Sorted by kind: validation rows are an even spread, so each kind keeps its share.
        [(row.split, example(tokens, row)) for row in sorted(rows, key=lambda row: row.good)],
        config.max_tokens,
        config.validation_rows,
    )
    # Weights are from the counts of the training rows; held-out figures are means by kind and have none.
    good, bad = count(split.train, "training")
    validation_good, validation_bad = count(split.validation, "validation")
    good_weight, bad_weight = weights(good, bad)

    def build(config: KtoConfig, arguments: dict[str, Any]) -> training.Trainable:
        # Rows are paired within the batches that the trainer will read, so after they are in training order.
        train = add_borrowed(training.lay_out(split.train, config), config.batch_size)
        return _Trainer(
            model=training.load_policy(base, config, config.adapter),
            args=KTOConfig(
                **arguments,
                max_length=None,  # rows that are too long were dropped already
                precompute_ref_log_probs=True,  # the reference is frozen, so once is enough
                beta=config.beta,
                # lambda in equation 8, by kind.
                desirable_weight=good_weight,
                undesirable_weight=bad_weight,
            ),
            train_dataset=Dataset.from_list(train),
            # One rotation of all rows, since `kl_nats` is a mean over all of them and not by batch.
            eval_dataset=Dataset.from_list(add_borrowed(split.validation, len(split.validation))),
            processing_class=tokens.tokenizer,
        )

    run = training.run("kto", config, digest, build, cuts_batches=False)
    is_good, matched, mismatched = measure_log_ratios(run.trainer)  # (validation rows,) each
    training.save(run.trainer.model, tokens, config.out)

    rewards = config.beta * matched  # (validation rows,), in nats
    good_reward, bad_reward = rewards[is_good].mean(), rewards[~is_good].mean()
    result = KtoResult(
        **run.shared_figures(started),
        train_good=good,
        train_bad=bad,
        validation_good=validation_good,
        validation_bad=validation_bad,
        rows_too_long=split.too_long,
        good_weight=good_weight,
        bad_weight=bad_weight,
        held_out_good_reward=good_reward.item(),
        held_out_bad_reward=bad_reward.item(),
        held_out_margin=(good_reward - bad_reward).item(),
        kl_nats=mismatched.mean().item(),  # (validation rows,) to one number; the loss clamps its own at 0
        grad_norm_highest=max(run.values("grad_norm")),
    )
    panels = {
        "KTO loss": ("loss", "eval_loss"),
        "rewards": ("eval_rewards/chosen", "eval_rewards/rejected"),
    }
    training.finish(run, result, panels)
    return result


if __name__ == "__main__":
    result = main(configs.from_command_line(KtoConfig, sys.argv[1:]))
    print(
        f"held-out margin {result.held_out_margin:.3f} between {result.validation_good} good and "
        f"{result.validation_bad} bad rewrites, KL {result.kl_nats:.2f} nats, in {result.seconds:.0f} s; "
        f"wrote {result.out}"
    )
