"""Kahneman-Tversky optimisation with TRL: an adapter that learns from single rewrites, each good or bad.

    python -m models.kto configs/kto.yaml
    python -m models.kto configs/kto.yaml snapshots=[artifacts/snapshots/3] beta=0.2

The loss is Ethayarajh et al. 2024, equation 8: lambda * (1 - sigma(beta * (log-ratio - z0))) for a good
rewrite, lambda * (1 - sigma(beta * (z0 - log-ratio))) for a bad one. As in DPO, training goes on from the SFT
adapter, whose frozen copy is the reference, and its log-probabilities are computed once, beforehand.

z0 stands for the KL divergence from the reference: the mean log-ratio of the rewrites of a batch, each to
the message of another row, not below zero and without a gradient (section 4.1). TRL rotates the completions
of a batch by one; rows of one message often have one length and so stand side by side here, so we take the
rotation that leaves the fewest rewrites at their own message. Rows are laid out batch by batch beforehand,
TRL reads them in that order, and the reference sees the same pairings. Since z0 belongs to a batch,
`accumulate_batches` averages steps with a z0 for each batch: 2 x 4 is not 1 x 8, and a batch has at least
two rows; one that does not fit memory is not cut by itself, as it is in the other stages. Held-out rewrites
are rotated all together.

A killed run that is started again with the same config and data goes on from its last complete checkpoint.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
from datasets import Dataset
from pydantic import BaseModel, ConfigDict, Field
from trl.trainer.kto_config import KTOConfig
from trl.trainer.kto_trainer import KTOTrainer

import configs
from data.records import Label
from models import examples, loading, training
from models.health import Ranges, faults


class KtoConfig(configs.StageConfig):
    """What decides a KTO run. Lengths are in tokens, prompt and completion together."""

    base: str = "smollm2-135m"
    adapter: Path | None = Field(Path("artifacts/sft"), description="the SFT adapter; all of base when unset")
    snapshots: tuple[Path, ...] = ()
    out: Path = Path("artifacts/kto")
    checkpoints: Path = Path("artifacts/checkpoints")
    steps: Annotated[int, Field(ge=1)] = 40
    batch_size: Annotated[int, Field(ge=2, description="rows, and rows of one KL estimate")] = 8
    accumulate_batches: Annotated[int, Field(ge=1, description="batches of a step")] = 1
    learning_rate: Annotated[float, Field(gt=0)] = 5.0e-5
    beta: Annotated[float, Field(gt=0, description="pull towards the reference policy")] = 0.1
    masks: bool = Field(True, description="learn rows with facts masked, as fact protection shows them")
    max_tokens: Annotated[int, Field(ge=16)] = 256
    validation_rows: Annotated[int, Field(ge=2, description="most rows of the held-out figures")] = 64
    evaluate_every_steps: Annotated[int, Field(ge=1)] = 20
    checkpoint_every_steps: Annotated[int, Field(ge=1)] = 20
    bf16: bool | None = Field(None, description="bf16 autocast; where the machine is fast at it when unset")
    healthy: Ranges = Field(
        {"grad_norm": (1e-3, 50.0), "entropy": (0.01, 8.0), "eval_rewards/chosen": (-3.0, 10.0)},
        description="low and high of what is logged, see models.health",
    )
    seed: int = 0


class KtoResult(BaseModel):
    """What a KTO run made and how healthy it was, on held-out rows unless said otherwise.

    A reward is beta times the log-ratio, log p(completion) under the policy minus under the reference, in
    nats; all are zero before training. The margin is the mean reward of good rewrites minus that of bad ones.
    `kl_nats` is the mean log-ratio of rewrites to other messages, the loss's own estimate of
    KL(policy || reference) but not cut off at zero.
    """

    model_config = ConfigDict(frozen=True)

    out: Path
    digest: str
    train_good: int
    train_bad: int
    validation_good: int
    validation_bad: int
    rows_too_long: int
    good_weight: float
    bad_weight: float
    steps: int
    resumed_from_step: int
    out_of_memory_at: tuple[int, ...] = ()
    held_out_good_reward: float
    held_out_bad_reward: float
    held_out_margin: float
    kl_nats: float
    grad_norm_highest: float
    unhealthy: tuple[str, ...] = ()
    seconds: float
    history: tuple[dict[str, float], ...]


class _Trainer(KTOTrainer):
    """TRL's trainer over rows that are token ids already and know their other rewrite, with our head also
    where the reference is computed.
    """

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset

    def _precompute_ref_logps(self, dataset: Dataset, name: str, batch_size: int) -> Dataset:
        training.score_completions_only(self.model)
        return super()._precompute_ref_logps(dataset, name, batch_size)


def example(tokens: examples.Tokens, row: Label) -> dict[str, Any]:
    """A label as the trainer wants it."""
    prompt, completion = tokens.prompt(row), tokens.completion(row.rewrite)
    return {
        "prompt_ids": prompt,
        "completion_ids": completion,
        "label": row.good,
        "length": len(prompt) + len(completion),
    }


def count(rows: Sequence[dict[str, Any]], use: str) -> tuple[int, int]:
    """How many rows are good and how many are bad; ValueError when one kind is missing."""
    good = sum(row["label"] for row in rows)
    bad = len(rows) - good
    if not good or not bad:
        raise ValueError(
            f"{good} good and {bad} bad rows are left to {use}; each needs at least one: collect more thumbs "
            "and ratings, or train on pairs with models.dpo"
        )
    return good, bad


def weights(good: int, bad: int) -> tuple[float, float]:
    """The weights of good and of bad rows: the rarer kind's is raised as far as it must be.

    Weight times count of the good over that of the bad then lies in [1, 4/3] (section 4.2; later versions of
    the paper allow 3/2).
    """
    return max(1.0, bad / good), max(1.0, 3 / 4 * good / bad)


def others(prompts: Sequence[Sequence[int]]) -> list[int]:
    """For each row of a batch the row whose completion it borrows; each is lent once.

    It is the first of the rotations that lend the fewest completions to their own prompt.
    """

    def at_home(shift: int) -> int:
        return sum(prompt == prompts[i - shift] for i, prompt in enumerate(prompts))

    shift = min(range(1, len(prompts)), key=at_home, default=0)
    return [(i - shift) % len(prompts) for i in range(len(prompts))]


def with_others(rows: Sequence[dict[str, Any]], batch_size: int) -> list[dict[str, Any]]:
    """The rows with the completion that each borrows within its batch."""
    paired = []
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size]
        lenders = others([row["prompt_ids"] for row in batch])
        paired += [
            {**row, "KL_completion_ids": batch[i]["completion_ids"]}
            for row, i in zip(batch, lenders, strict=True)
        ]
    return paired


@torch.no_grad()
def held_out_log_ratios(trainer: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of held-out rows whether they are good, their log-ratios, those of what they borrow; each (rows,).

    TRL's own figures are means of batches, however many good rows a batch has.
    """
    model = trainer.model.eval()
    found = []
    for batch in trainer.get_eval_dataloader():
        columns = [batch["label"].float()]
        for kind in ("", "KL_"):
            ids = batch[f"{kind}input_ids"]
            labels = ids.masked_fill(batch[f"{kind}completion_mask"] == 0, -100)
            with trainer.accelerator.autocast():
                mask = batch[f"{kind}attention_mask"]
                read = model(input_ids=ids, attention_mask=mask, labels=labels, fused_lm_head=True)
            columns.append(read.log_probs.sum(-1) - batch[f"ref_{kind}logps"])
        found.append(torch.stack(columns))
    is_good, matched, mismatched = torch.cat(found, dim=1)
    return is_good.bool(), matched, mismatched


def main(config: KtoConfig) -> KtoResult:
    """Train, or go on training, and write the adapter (or the whole model without one), `metrics.json` and
    `loss.png`.

    Raises ValueError when no good or no bad row is left to train or to validate on.
    """
    started = time.monotonic()
    rows = examples.read_snapshots(config.snapshots, Label)
    if config.masks:
        rows = [examples.masked(row, "rewrite") or row for row in rows]
    data = (row.model_dump_json().encode() for row in rows)
    digest = training.digest(config, [*training.adapter_bytes(config.adapter), *data])

    base = loading.base_folder(config.base)
    tokens = examples.load_tokens(base)
    split = examples.split_fitting(
        # Held-out rows are thinned out evenly, so within each kind.
        [(row.split, example(tokens, row)) for row in sorted(rows, key=lambda row: row.good)],
        config.max_tokens,
        config.validation_rows,
    )
    good, bad = count(split.train, "train on")
    validation_good, validation_bad = count(split.validation, "validate on")
    good_weight, bad_weight = weights(good, bad)

    checkpoints = config.checkpoints / f"kto-{digest}"

    def build(sized: KtoConfig, resumes: bool) -> Any:
        train = with_others(training.laid_out(split.train, sized), sized.batch_size)
        return _Trainer(
            model=training.load_policy(base, sized),
            args=KTOConfig(
                **training.common_arguments(sized, checkpoints, resumes),
                max_length=None,  # the rows are cut to size already
                precompute_ref_log_probs=True,
                beta=sized.beta,
                desirable_weight=good_weight,
                undesirable_weight=bad_weight,
            ),
            train_dataset=Dataset.from_list(train),
            eval_dataset=Dataset.from_list(with_others(split.validation, len(split.validation))),
            processing_class=tokens.tokenizer,
        )

    run = training.run("kto", config, checkpoints, build, cuts_batches=False)
    is_good, matched, mismatched = held_out_log_ratios(run.trainer)
    rewards = config.beta * matched

    training.save(run.trainer.model, tokens.tokenizer, config.out)
    result = KtoResult(
        out=config.out,
        digest=digest,
        train_good=good,
        train_bad=bad,
        validation_good=validation_good,
        validation_bad=validation_bad,
        rows_too_long=split.too_long,
        good_weight=good_weight,
        bad_weight=bad_weight,
        steps=config.steps,
        resumed_from_step=run.resumed_from_step,
        out_of_memory_at=run.out_of_memory_at,
        held_out_good_reward=rewards[is_good].mean().item(),
        held_out_bad_reward=rewards[~is_good].mean().item(),
        held_out_margin=(rewards[is_good].mean() - rewards[~is_good].mean()).item(),
        kl_nats=mismatched.mean().item(),
        grad_norm_highest=max(training.curve(run.history, "grad_norm")[1]),
        unhealthy=faults(run.history, config.healthy),
        seconds=time.monotonic() - started,
        history=run.history,
    )
    panels = {
        "KTO loss": ("loss", "eval_loss"),
        "rewards": ("eval_rewards/chosen", "eval_rewards/rejected"),
    }
    training.finish(result, panels, config.healthy, checkpoints)
    return result


if __name__ == "__main__":
    outcome = main(configs.from_command_line(KtoConfig, sys.argv[1:]))
    print(
        f"held-out margin {outcome.held_out_margin:.3f} between {outcome.validation_good} good and "
        f"{outcome.validation_bad} bad rewrites, KL {outcome.kl_nats:.2f} nats, in {outcome.seconds:.0f} s; "
        f"wrote {outcome.out}"
    )
