"""A reward model: scores a rewrite, higher when people are more likely to choose it; trained with TRL.

    python -m models.reward configs/reward.yaml
    python -m models.reward configs/reward.yaml snapshots=[artifacts/snapshots/3] learning_rate=1.0e-4

The loss is Bradley-Terry's (Ouyang et al. 2022, equation 1): -log sigma(r(chosen) - r(rejected) - margin).
The margin is zero except for pairs that are rated by stars (Touvron et al. 2023, Llama 2, equation 2). This
loss does not determine the zero of rewards, so `center_rewards` * (r(chosen) + r(rejected))^2 is added
(Eisenstein et al. 2023, equation 2). The model is the base with the SFT adapter merged in, and a head of one
number that reads the last token of a rewrite. A new adapter and the head are trained; the adapter is merged
after training. With `load: bf16` all weights but the head's are in bf16, in memory and in the file; else they
are merged, and written, in float32. A killed run that is started again with the same config and data resumes
from its last complete checkpoint.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from datasets import Dataset
from pydantic import Field
from scipy.special import expit
from scipy.stats import spearmanr
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoConfig, AutoModelForSequenceClassification
from trl.trainer.reward_config import RewardConfig as TrlRewardConfig
from trl.trainer.reward_trainer import RewardTrainer

import configs
from data.records import Demonstration, PreferencePair
from models import examples, loading, training
from models.health import Ranges
from models.training import TrainingConfig, TrainingResult

_BATCH = 16  # rewrites that are scored together
_STAR_MARGIN = 0.25  # margin for one star of difference between two rated rewrites, in nats


class RewardConfig(TrainingConfig):
    """The settings of a reward model. Lengths are in tokens of prompt and completion together."""

    adapter: Path | None = Field(
        Path("artifacts/sft"), description="merged into the base; the bare base when unset"
    )
    out: Path = Path("artifacts/reward")
    batch_size: Annotated[int, Field(ge=1, description="pairs")] = 4
    learning_rate: Annotated[float, Field(gt=0)] = 5.0e-4
    lora_rank: Annotated[int, Field(ge=0, description="0 trains all weights")] = 16
    center_rewards: Annotated[float, Field(ge=0, description="weight of the pull of rewards to zero")] = 0.01
    load: Literal["bf16", "float32"] | None = Field(
        None, description="how the weights are in memory and in the file; as `bf16` says when unset"
    )
    max_tokens: Annotated[int, Field(ge=16)] = 256
    validation_pairs: Annotated[int, Field(ge=1, description="most pairs of the held-out figures")] = 32
    healthy: Ranges = Field({"grad_norm": (1e-3, 50.0), "eval_loss": (0.0, 20.0)})


class RewardResult(TrainingResult):
    """The figures of a reward run, on held-out pairs, computed from the weights as they are written.

    The accuracy is the share of pairs whose chosen rewrite has the higher reward. The margin is the mean of
    r(chosen) - r(rejected). The loss is -log sigma(r(chosen) - r(rejected)), in nats, without margin and
    centring. `length_correlation` is Spearman's correlation between the rewards of all held-out rewrites and
    their numbers of tokens: near 1 or -1 the model rewards only length. A pair of an edit and its original is
    easier to rank than two rewrites by a model, which a win rate compares.
    """

    train_pairs: int
    validation_pairs: int
    pairs_too_long: int
    held_out_accuracy_before: float
    held_out_accuracy: float
    held_out_margin_before: float
    held_out_margin: float
    held_out_loss_before: float
    held_out_loss_after: float
    length_correlation: float
    grad_norm_highest: float


@dataclass(frozen=True)
class RewardModel:
    """A reward model. It scores on the device that its weights are on."""

    model: Any
    tokens: examples.Tokens

    def score(self, rows: Sequence[Any]) -> list[float]:
        """A reward for each row with the fields text, transform_type, intensity and rewrite.

        Only differences between rewrites of the same message are meaningful.
        """
        return self.score_ids([self.tokens.prompt(row) + self.tokens.completion(row.rewrite) for row in rows])

    @torch.inference_mode()
    def score_ids(self, sequences: Sequence[Sequence[int]]) -> list[float]:
        """A reward for each sequence of token ids (prompt, then completion), independent of the others."""
        self.model.eval()
        rewards = [0.0] * len(sequences)
        # Batches of similar lengths have little padding.
        by_length = sorted(range(len(sequences)), key=lambda i: len(sequences[i]))
        for start in range(0, len(by_length), _BATCH):
            batch = by_length[start : start + _BATCH]
            rows = [torch.tensor(sequences[i]) for i in batch]  # int64, (tokens,) each
            pad_id = self.tokens.tokenizer.pad_token_id
            ids = pad_sequence(rows, batch_first=True, padding_value=pad_id)  # (batch, tokens)
            # 1 at tokens, 0 at padding, so that a reward does not depend on the longest row of its batch.
            mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)  # (batch, tokens)
            ids, mask = ids.to(self.model.device), mask.to(self.model.device)
            # The head's output at the last token that is no padding: (batch, 1) to (batch,). Under causal
            # attention this token alone has seen the whole rewrite. Nothing is generated, so no keys and
            # values are kept.
            scores = self.model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, 0]
            for i, reward in zip(batch, scores.tolist(), strict=True):  # back to the order of the caller
                rewards[i] = reward
        return rewards


def load(folder: Path, device: torch.device | str = "cpu") -> RewardModel:
    """The reward model in a folder that `main` wrote, on a device.

    On CUDA its weights are in bf16, else as they are in the file; the head is in float32. Raises ValueError
    when the folder has another kind of model.
    """
    kinds = AutoConfig.from_pretrained(str(folder), trust_remote_code=False).architectures or []
    if not any(kind.endswith("ForSequenceClassification") for kind in kinds):
        raise ValueError(f"{folder} holds {kinds} and no reward model; train one with models.reward")
    model: Any = AutoModelForSequenceClassification.from_pretrained(
        str(folder),
        dtype=torch.bfloat16 if torch.device(device).type == "cuda" else "auto",
        use_safetensors=True,
        trust_remote_code=False,
    )
    head = _Head(model.score.in_features)
    head.load_state_dict(model.score.state_dict())
    model.score = head
    return RewardModel(model.to(device), examples.load_tokens(folder))


def preferred(
    model: RewardModel, cases: Sequence[Any], one: Sequence[str], other: Sequence[str]
) -> list[float]:
    """The probability that people choose `one` of two rewrites, by case: sigma(r(one) - r(other)).

    A case has the fields text, transform_type and intensity.
    """

    def rewards(rewrites: Sequence[str]) -> np.ndarray:
        rows = [
            Demonstration(
                text=case.text, transform_type=case.transform_type, intensity=case.intensity, rewrite=rewrite
            )
            for case, rewrite in zip(cases, rewrites, strict=True)
        ]
        return np.array(model.score(rows))  # (cases,)

    # (cases,), float64: equal rewards give 0.5, and a difference of one nat gives 0.73.
    return expit(rewards(one) - rewards(other)).tolist()


class _Head(torch.nn.Linear):
    """A head of one number that computes in float32 in any model, since bf16 rewards have only two digits."""

    def __init__(self, width: int) -> None:
        # A bias would cancel in the difference of two rewards.
        super().__init__(width, 1, bias=False, dtype=torch.float32)  # weight (1, width)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """From hidden states (batch, tokens, width) to rewards (batch, tokens, 1)."""
        # `float` alone is not enough: autocast would cast the input of a matrix product to bf16 again.
        with torch.autocast(hidden.device.type, enabled=False):
            return super().forward(hidden.float())


def untrained(
    base: Path,
    adapter: Path | None,
    tokens: examples.Tokens,
    seed: int,
    dtype: torch.dtype = torch.float32,
) -> Any:
    """An untrained reward model in `dtype`: a base, its adapter merged in, and a head drawn from `seed`."""
    causal: Any = loading.load_model(base, adapter, dtype)
    config = causal.config
    config.num_labels = 1  # a head of one number
    config.pad_token_id = tokens.tokenizer.pad_token_id  # the model finds the last token by it
    # Without memory for its weights, since all of them are replaced.
    with torch.device("meta"):
        model: Any = AutoModelForSequenceClassification.from_config(config, dtype=dtype)
    # All layers but the language head, which the new head replaces.
    # The hidden states are unchanged, so training starts from what SFT has learned.
    setattr(model, model.base_model_prefix, causal.base_model)
    # A private random state: the head depends on the seed alone, and later random numbers do not change.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model.score = _Head(model.score.in_features)
        # The spread of the base's own weights, 0.02 for the default base. A 20 times smaller head learned
        # slower: after ten steps a held-out loss of 0.41 to 0.48, and 0.08 with this one (log/learning.md).
        torch.nn.init.normal_(model.score.weight, std=config.initializer_range)
    return model


def load_tokens(base: Path) -> examples.Tokens:
    """The tokenizer and frame of a base, with a padding token that is not the stop token.

    The head reads the last token that is no padding. Many bases pad with the stop token, and then the head
    would not read it.
    """
    tokens = examples.load_tokens(base)
    candidates = (tokens.tokenizer.pad_token, *tokens.frame.specials)
    tokens.tokenizer.pad_token = next(token for token in candidates if token != tokens.frame.stop)
    return tokens


def example(tokens: examples.Tokens, row: PreferencePair) -> dict[str, Any]:
    """A pair for the trainer: margin, token ids, and the numbers of tokens of both rewrites."""
    prompt, chosen, rejected = (
        tokens.prompt(row),
        tokens.completion(row.chosen),
        tokens.completion(row.rejected),
    )
    return {
        "margin": _STAR_MARGIN * (row.stars or 0.0),  # float32 in the batch, (pairs,)
        # Token ids, (tokens,) each. The head needs the prompt: a good rewrite depends on its message.
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
    """Measure how a reward model ranks encoded pairs."""
    chosen = np.array(model.score_ids([pair["chosen_ids"] for pair in pairs]))  # (pairs,)
    rejected = np.array(model.score_ids([pair["rejected_ids"] for pair in pairs]))  # (pairs,)
    # In the order of [*chosen, *rejected]: (2 * pairs,).
    lengths = [pair[key] for key in ("chosen_tokens", "rejected_tokens") for pair in pairs]
    margins = chosen - rejected  # (pairs,), in nats
    return Measured(
        accuracy=float((margins > 0).mean()),  # equal rewards count as wrong
        margin=float(margins.mean()),
        loss=float(np.logaddexp(0, -margins).mean()),  # -log sigma(margin), without overflow
        length_correlation=length_correlation([*chosen, *rejected], lengths),
    )


def length_correlation(rewards: Sequence[float], lengths: Sequence[int]) -> float:
    """Spearman's rank correlation, in [-1, 1]; 0 when all rewards or all lengths are equal."""
    if len(set(rewards)) == 1 or len(set(lengths)) == 1:
        return 0.0
    return float(spearmanr(rewards, lengths).statistic)


def main(config: RewardConfig) -> RewardResult:
    """Train, or resume, and write the whole reward model, `metrics.json` and plots to `config.out`.

    Raises ValueError when no training or no validation pair remains, and as `training.require_frozen` does.
    """
    started = time.monotonic()
    training.require_frozen(config, config.lora_rank > 0)
    rows = examples.read_snapshots(config.snapshots, PreferencePair)
    digest = training.digest(config, [*training.adapter_bytes(config.adapter), *training.row_bytes(rows)])

    base = loading.base_folder(config.base)
    tokens = load_tokens(base)
    split = examples.split_fitting(
        [(row.split, example(tokens, row)) for row in rows], config.max_tokens, config.validation_pairs
    )

    dtype = torch.bfloat16 if config.load == "bf16" else torch.float32
    device = training.processes().device
    # The same seed as in `build`, so these are the figures of the model that training starts from.
    start = untrained(base, config.adapter, tokens, config.seed, dtype)
    if device.type == "cuda":  # as `load` does on CUDA
        start = training.quicken(start, config, frozen=True)
    before = measure(RewardModel(start.to(device), tokens), split.validation)
    del start  # a GPU may have no memory for two

    # `config` here may have smaller batches than the run's, see training.run.
    def build(config: RewardConfig, arguments: dict[str, Any]) -> training.Trainable:
        model = untrained(base, config.adapter, tokens, config.seed, dtype)
        model = training.quicken(model, config, frozen=config.lora_rank > 0)
        # Loss, the mean over pairs: -log sigma(r(chosen) - r(rejected) - margin)
        # + center_rewards * (r(chosen) + r(rejected))^2. A batch is (2 * pairs, tokens), chosen rows first.
        model.score.float()  # the head is trained, so it stays float32 on a frozen bf16 base
        return RewardTrainer(
            model=model,
            args=TrlRewardConfig(
                **arguments,
                max_length=None,  # rows that are too long were dropped already
                center_rewards_coefficient=config.center_rewards,
            ),
            train_dataset=Dataset.from_list(training.lay_out(split.train, config)),
            eval_dataset=Dataset.from_list(split.validation),
            processing_class=tokens.tokenizer,
            peft_config=training.lora(
                config.lora_rank, "SEQ_CLS"
            ),  # PEFT trains all of the head for this task
        )

    run = training.run("reward", config, digest, build)

    # Merged in float32, since rounding to bf16 weights loses part of the adapter's update; on the CPU, where
    # there is more memory.
    trained = run.trainer.model.cpu()
    if dtype == torch.float32:
        trained = trained.float()
    if training.processes().is_main_process:
        merged = trained.merge_and_unload() if config.lora_rank else trained
        loading.save(merged, tokens.tokenizer, config.out, tokens.frame)
    training.processes().wait_for_everyone()  # every process reads what the main process has written
    # Read from the file, so that the figures are of the merged weights that others will load.
    after = measure(load(config.out, device), split.validation)
    result = RewardResult(
        **run.shared_figures(started),
        train_pairs=len(split.train),
        validation_pairs=len(split.validation),
        pairs_too_long=split.too_long,
        held_out_accuracy_before=before.accuracy,
        held_out_accuracy=after.accuracy,
        held_out_margin_before=before.margin,
        held_out_margin=after.margin,
        held_out_loss_before=before.loss,
        held_out_loss_after=after.loss,
        length_correlation=after.length_correlation,
        grad_norm_highest=max(run.values("grad_norm")),
    )
    panels = {
        "reward loss": ("loss", "eval_loss"),
        "held-out pairs": ("eval_accuracy", "eval_margin"),
    }
    training.finish(run, result, panels)
    return result


if __name__ == "__main__":
    result = main(configs.from_command_line(RewardConfig, sys.argv[1:]))
    print(
        f"held-out accuracy {result.held_out_accuracy_before:.2f} -> {result.held_out_accuracy:.2f}, "
        f"margin {result.held_out_margin:.3f}, rank correlation with length "
        f"{result.length_correlation:.2f} on {result.validation_pairs} pairs, in {result.seconds:.0f} s; "
        f"wrote {result.out}"
    )
