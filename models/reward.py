"""A reward model with TRL: a number for a rewrite that is higher where people would choose it.

    python -m models.reward configs/reward.yaml
    python -m models.reward configs/reward.yaml snapshots=[artifacts/snapshots/3] learning_rate=1.0e-4

The loss is Ouyang et al. 2022, equation 1, which is Bradley-Terry's: -log sigma(r(chosen) - r(rejected)),
with a margin taken off for pairs that are graded by stars (Touvron et al. 2023, Llama 2, equation 2). It
says nothing of where zero is, so `center_rewards` times (r(chosen) + r(rejected))^2 is added (Eisenstein et
al. 2023, equation 2). The model is the base with the SFT adapter merged in and a head of one number, which
reads the last token of a rewrite; an adapter of its own and the head are trained, and merged in the end.
A killed run that is started again with the same config and data goes on from its last complete checkpoint.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from datasets import Dataset
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import expit
from scipy.stats import spearmanr
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoConfig, AutoModelForSequenceClassification
from trl.trainer.reward_config import RewardConfig as TrlRewardConfig
from trl.trainer.reward_trainer import RewardTrainer

import configs
from data.records import Demonstration, PreferencePair
from models import examples, loading, training
from models.health import Ranges, faults

_SCORED_AT_ONCE = 16
_STAR = 0.25  # the margin of one star between two rated rewrites, in nats


class RewardConfig(configs.StageConfig):
    """What decides a reward model. Lengths are in tokens, prompt and completion together."""

    base: str = "smollm2-135m"
    adapter: Path | None = Field(
        Path("artifacts/sft"), description="merged into base; base as it is when unset"
    )
    snapshots: tuple[Path, ...] = ()
    out: Path = Path("artifacts/reward")
    checkpoints: Path = Path("artifacts/checkpoints")
    steps: Annotated[int, Field(ge=1)] = 40
    batch_size: Annotated[int, Field(ge=1, description="pairs")] = 4
    accumulate_batches: Annotated[int, Field(ge=1, description="batches of a step")] = 1
    learning_rate: Annotated[float, Field(gt=0)] = 5.0e-4
    lora_rank: Annotated[int, Field(ge=0, description="0 trains all weights")] = 16
    center_rewards: Annotated[float, Field(ge=0, description="pull of the rewards' mean to zero")] = 0.01
    max_tokens: Annotated[int, Field(ge=16)] = 256
    validation_pairs: Annotated[int, Field(ge=1, description="most pairs of the held-out figures")] = 32
    evaluate_every_steps: Annotated[int, Field(ge=1)] = 20
    checkpoint_every_steps: Annotated[int, Field(ge=1)] = 20
    bf16: bool | None = Field(None, description="bf16 autocast; where the machine is fast at it when unset")
    healthy: Ranges = Field(
        {"grad_norm": (1e-3, 50.0), "eval_loss": (0.0, 20.0)},
        description="low and high of what is logged, see models.health",
    )
    seed: int = 0


class RewardResult(BaseModel):
    """What a reward run made and how good it is, on held-out pairs, in float32.

    The accuracy is the share of pairs whose chosen rewrite has the higher reward, the margin the mean of
    r(chosen) - r(rejected), the loss without the centring. `length_correlation` is Spearman's between the
    rewards of all held-out rewrites and their tokens: near 1 or -1 it is only length that is rewarded. Pairs
    of an edit and what it corrects are easier than two rewrites of one version, which a win rate compares.
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
    held_out_accuracy_before: float
    held_out_accuracy: float
    held_out_margin_before: float
    held_out_margin: float
    held_out_loss_before: float
    held_out_loss_after: float
    length_correlation: float
    grad_norm_highest: float
    unhealthy: tuple[str, ...] = ()
    seconds: float
    history: tuple[dict[str, float], ...]


@dataclass(frozen=True)
class RewardModel:
    """A trained reward model, on CPU and in float32."""

    model: Any
    tokens: examples.Tokens

    def score(self, rows: Sequence[Any]) -> list[float]:
        """A reward for each row with text, transform_type, intensity and rewrite.

        Only differences between rewrites of one message mean something.
        """
        return self.score_ids([self.tokens.prompt(row) + self.tokens.completion(row.rewrite) for row in rows])

    @torch.inference_mode()
    def score_ids(self, sequences: Sequence[Sequence[int]]) -> list[float]:
        """A reward for each prompt with its completion, as token ids, whatever else is scored with it."""
        self.model.eval()
        rewards = [0.0] * len(sequences)
        by_length = sorted(range(len(sequences)), key=lambda i: len(sequences[i]))
        for start in range(0, len(by_length), _SCORED_AT_ONCE):
            batch = by_length[start : start + _SCORED_AT_ONCE]
            rows = [torch.tensor(sequences[i]) for i in batch]
            ids = pad_sequence(rows, batch_first=True, padding_value=self.tokens.tokenizer.pad_token_id)
            mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)  # (batch, tokens)
            scores = self.model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, 0]
            for i, reward in zip(batch, scores.tolist(), strict=True):
                rewards[i] = reward
        return rewards


def load(folder: Path) -> RewardModel:
    """The reward model that `main` wrote into a folder; ValueError when it holds another kind of model."""
    kinds = AutoConfig.from_pretrained(str(folder), trust_remote_code=False).architectures or []
    if not any(kind.endswith("ForSequenceClassification") for kind in kinds):
        raise ValueError(f"{folder} holds {kinds} and no reward model; train one with models.reward")
    model = AutoModelForSequenceClassification.from_pretrained(
        str(folder), dtype=torch.float32, use_safetensors=True, trust_remote_code=False
    )
    return RewardModel(model, examples.load_tokens(folder))


def preferred(
    model: RewardModel, asked: Sequence[Any], one: Sequence[str], other: Sequence[str]
) -> list[float]:
    """For each message asked, the probability that people choose `one` of two rewrites: sigma(r - r')."""

    def rewards(rewrites: Sequence[str]) -> np.ndarray:
        rows = [
            Demonstration(
                text=a.text, transform_type=a.transform_type, intensity=a.intensity, rewrite=rewrite
            )
            for a, rewrite in zip(asked, rewrites, strict=True)
        ]
        return np.array(model.score(rows))

    return expit(rewards(one) - rewards(other)).tolist()


class _Head(torch.nn.Linear):
    """The reward's head in float32 under bf16 autocast too: bf16 would leave them two digits."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Rewards (batch, tokens, 1) at hidden states (batch, tokens, width)."""
        with torch.autocast(hidden.device.type, enabled=False):
            return super().forward(hidden.float())


def untrained(base: Path, adapter: Path | None, tokens: examples.Tokens, seed: int) -> Any:
    """A base, with an SFT adapter merged into it, under a head drawn from the seed; in float32."""
    causal: Any = loading.load_model(base, adapter)
    config = causal.config
    config.num_labels = 1
    config.pad_token_id = tokens.tokenizer.pad_token_id
    model: Any = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    model.base_model.load_state_dict(causal.base_model.state_dict())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model.score = _Head(model.score.in_features, 1, bias=False)
        torch.nn.init.normal_(model.score.weight, std=config.initializer_range)
    return model


def load_tokens(base: Path) -> examples.Tokens:
    """A base's tokens with padding that ends no rewrite: the head reads the last token that is no padding,
    and many bases pad with the stop token.
    """
    tokens = examples.load_tokens(base)
    choice = (tokens.tokenizer.pad_token, *tokens.frame.specials)
    tokens.tokenizer.pad_token = next(token for token in choice if token != tokens.frame.stop)
    return tokens


def example(tokens: examples.Tokens, row: PreferencePair) -> dict[str, Any]:
    """A pair as the trainer wants it, with the lengths of both rewrites."""
    prompt, chosen, rejected = (
        tokens.prompt(row),
        tokens.completion(row.chosen),
        tokens.completion(row.rejected),
    )
    return {
        "margin": _STAR * (row.stars or 0.0),
        "chosen_ids": prompt + chosen,
        "rejected_ids": prompt + rejected,
        "chosen_tokens": len(chosen),
        "rejected_tokens": len(rejected),
        "length": len(prompt) + max(len(chosen), len(rejected)),
    }


@dataclass(frozen=True)
class Measured:
    """The figures of a reward model on held-out pairs, see `RewardResult`."""

    accuracy: float
    margin: float
    loss: float
    length_correlation: float


def measure(model: RewardModel, pairs: Sequence[dict[str, Any]]) -> Measured:
    """How a reward model ranks encoded pairs."""
    chosen = np.array(model.score_ids([pair["chosen_ids"] for pair in pairs]))
    rejected = np.array(model.score_ids([pair["rejected_ids"] for pair in pairs]))
    lengths = [pair[key] for key in ("chosen_tokens", "rejected_tokens") for pair in pairs]
    margins = chosen - rejected
    return Measured(
        accuracy=float((margins > 0).mean()),
        margin=float(margins.mean()),
        loss=float(np.logaddexp(0, -margins).mean()),
        length_correlation=length_correlation([*chosen, *rejected], lengths),
    )


def length_correlation(rewards: Sequence[float], lengths: Sequence[int]) -> float:
    """Spearman's rank correlation; 0 where all rewards or all lengths are equal."""
    if len(set(rewards)) == 1 or len(set(lengths)) == 1:
        return 0.0
    return float(spearmanr(rewards, lengths).statistic)


def main(config: RewardConfig) -> RewardResult:
    """Train, or go on training, and write the whole reward model, `metrics.json` and `loss.png`.

    Raises ValueError when no pair is left to train or to validate on.
    """
    started = time.monotonic()
    rows = examples.read_snapshots(config.snapshots, PreferencePair)
    data = (row.model_dump_json().encode() for row in rows)
    digest = training.digest(config, [*training.adapter_bytes(config.adapter), *data])

    base = loading.base_folder(config.base)
    tokens = load_tokens(base)
    split = examples.split_fitting(
        [(row.split, example(tokens, row)) for row in rows], config.max_tokens, config.validation_pairs
    )

    checkpoints = config.checkpoints / f"reward-{digest}"
    before = measure(
        RewardModel(untrained(base, config.adapter, tokens, config.seed), tokens), split.validation
    )

    def build(sized: RewardConfig, resumes: bool) -> Any:
        model = untrained(base, sized.adapter, tokens, sized.seed)
        model = training.quicken(model, sized, frozen=sized.lora_rank > 0)
        model.score.float()
        return RewardTrainer(
            model=model,
            args=TrlRewardConfig(
                **training.common_arguments(sized, checkpoints, resumes),
                max_length=None,  # the rows are cut to size already
                center_rewards_coefficient=sized.center_rewards,
            ),
            train_dataset=Dataset.from_list(training.laid_out(split.train, sized)),
            eval_dataset=Dataset.from_list(split.validation),
            processing_class=tokens.tokenizer,
            peft_config=training.lora(sized.lora_rank, "SEQ_CLS"),  # the head is trained whole
        )

    run = training.run("reward", config, checkpoints, build)

    # Merged in float32, since bf16 weights would swallow a part of what the adapter has learnt.
    trained = run.trainer.model.float()
    if training.processes().is_main_process:
        merged = trained.merge_and_unload() if config.lora_rank else trained
        loading.save(merged, tokens.tokenizer, config.out)
    training.processes().wait_for_everyone()
    after = measure(load(config.out), split.validation)
    result = RewardResult(
        out=config.out,
        digest=digest,
        train_pairs=len(split.train),
        validation_pairs=len(split.validation),
        pairs_too_long=split.too_long,
        steps=config.steps,
        resumed_from_step=run.resumed_from_step,
        out_of_memory_at=run.out_of_memory_at,
        held_out_accuracy_before=before.accuracy,
        held_out_accuracy=after.accuracy,
        held_out_margin_before=before.margin,
        held_out_margin=after.margin,
        held_out_loss_before=before.loss,
        held_out_loss_after=after.loss,
        length_correlation=after.length_correlation,
        grad_norm_highest=max(training.curve(run.history, "grad_norm")[1]),
        unhealthy=faults(run.history, config.healthy),
        seconds=time.monotonic() - started,
        history=run.history,
    )
    panels = {
        "reward loss": ("loss", "eval_loss"),
        "held-out pairs": ("eval_accuracy", "eval_margin"),
    }
    training.finish(result, panels, config.healthy, checkpoints)
    return result


if __name__ == "__main__":
    outcome = main(configs.from_command_line(RewardConfig, sys.argv[1:]))
    print(
        f"held-out accuracy {outcome.held_out_accuracy_before:.2f} -> {outcome.held_out_accuracy:.2f}, "
        f"margin {outcome.held_out_margin:.3f}, rank correlation with length "
        f"{outcome.length_correlation:.2f} on {outcome.validation_pairs} pairs, in {outcome.seconds:.0f} s; "
        f"wrote {outcome.out}"
    )
