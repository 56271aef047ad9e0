"""Group relative policy optimisation: trains an adapter to write rewrites of higher reward, with TRL.

    python -m models.grpo configs/grpo.yaml
    python -m models.grpo configs/grpo.yaml reward=null learned_weight=0 steps=20

For each prompt a group of rewrites is sampled. The advantage of a rewrite is (its reward - the group's mean)
/ the group's standard deviation (Shao et al. 2024, section 4.1.2). The loss is the clipped objective with a
KL term (their equation 3), averaged over tokens (Yu et al. 2025, equation 8), without truncated rewrites.
The reward is `rule_weight` * `scoring.composite` + `learned_weight` * sigma(score of the reward model).
Training continues from an adapter, whose frozen copy is the reference. A killed run that is started again
with the same config and data resumes from its last complete checkpoint.
"""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

import torch
from datasets import Dataset
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy.special import expit
from trl.trainer.grpo_config import GRPOConfig as TrlGrpoConfig
from trl.trainer.grpo_trainer import GRPOTrainer

import configs
from data import corpus
from data.reasons import Reason
from data.records import Demonstration, PreferencePair, Split, TransformType
from models import examples, gate, loading, protection, scoring, sft, tone, training
from models.health import Ranges
from models.reward import RewardModel
from models.reward import load as load_reward
from models.training import TrainingConfig, TrainingResult

_MOST_PAIRS = 32  # of people's held-out pairs, for the guard `agreement`


class GrpoConfig(TrainingConfig):
    """The settings of a GRPO run. Lengths are in tokens; a batch consists of sampled rewrites."""

    adapter: Path | None = Field(
        Path("artifacts/sft"), description="the start; the whole base is trained when unset"
    )
    reward: Path | None = Field(
        Path("artifacts/reward"), description="the reward model; rules alone when unset"
    )
    seed_folder: Path | None = Field(corpus.SEED / "train", description="the seed corpus; none when unset")
    out: Path = Path("artifacts/grpo")
    batch_size: Annotated[int, Field(ge=2, description="sampled rewrites")] = 8
    generations: Annotated[int, Field(ge=2, description="rewrites of one prompt")] = 4
    learning_rate: Annotated[float, Field(gt=0)] = 1.0e-4
    beta: Annotated[float, Field(ge=0, description="weight of the KL from the reference")] = 0.04
    temperature: Annotated[float, Field(gt=0)] = 1.0
    rule_weight: Annotated[float, Field(ge=0)] = 1.0
    learned_weight: Annotated[float, Field(ge=0)] = 0.5
    masks: bool = Field(True, description="mask facts, as fact protection does")
    max_prompt_tokens: Annotated[int, Field(ge=16)] = 128
    # Cuts 0.3 % of the seed corpus' English rewrites, 1.2 % of `structure`; 64 cut 22 % and 48 %. Japanese ones
    # need 384 (0.4 % cut): the default base has no tokens for their characters.
    max_new_tokens: Annotated[int, Field(ge=4)] = 120
    validation_prompts: Annotated[int, Field(ge=1, description="most prompts of the held-out reward")] = 16
    healthy: Ranges = Field(
        {
            "grad_norm": (1e-3, 10.0),
            "kl": (-0.1, 2.0),
            "entropy": (0.01, 8.0),
            "reward_std": (1e-3, 10.0),
            "completions/clipped_ratio": (0.0, 0.3),
            "frac_reward_zero_std": (0.0, 0.8),
        }
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        # An advantage is relative to its group, so a batch must have whole groups.
        if self.batch_size % self.generations:
            raise ValueError(
                f"batch_size={self.batch_size} is no multiple of generations={self.generations}: set it to "
                "one, so that a batch has whole groups"
            )
        if (self.reward is None) != (self.learned_weight == 0):
            raise ValueError("reward and learned_weight go together: set both, or set them to null and 0")
        if not self.rule_weight + self.learned_weight:
            raise ValueError("rule_weight and learned_weight are both 0, so nothing is rewarded: raise one")
        return self


class GrpoResult(TrainingResult):
    """The figures of a GRPO run; held-out figures are measured on sampled rewrites of validation prompts.

    `kl_nats` is an estimate of KL(policy || reference) in nats a token (Schulman's k3), `entropy_nats` the
    policy's entropy in nats a token. `clipped_completions` is the share of truncated rewrites.
    `groups_without_spread` is the share of groups whose rewrites all have the same reward, from which nothing
    is learned. These are from the last evaluation; `grad_norm_highest` is from training. `facts_kept` of the
    sampled rewrites and `agreement` with people's held-out pairs are guards, see `hacked`.
    """

    train_prompts: int
    validation_prompts: int
    prompts_too_long: int
    held_out_reward_before: float
    held_out_reward: float
    facts_kept_before: float
    facts_kept: float
    agreement_before: float | None
    agreement: float | None
    kl_nats: float
    entropy_nats: float
    clipped_completions: float
    groups_without_spread: float
    grad_norm_highest: float

    @property
    def hacked(self) -> tuple[Reason, ...]:
        """Reasons to reject the run for reward hacking, see `gate.hacked`; empty when there are none."""
        guards = {"facts_kept": (self.facts_kept_before, self.facts_kept)}
        if self.agreement_before is not None and self.agreement is not None:
            guards["agreement"] = (self.agreement_before, self.agreement)
        return gate.hacked((self.held_out_reward_before, self.held_out_reward), guards)


class Prompt(BaseModel):
    """A message and the rewrite that is requested."""

    model_config = ConfigDict(frozen=True)

    text: str
    transform_type: TransformType
    intensity: int
    split: Split


def prompts(config: GrpoConfig) -> list[Prompt]:
    """All different requests: those of the seed corpus, then those of people's pairs."""
    seed = sft.seed_demonstrations(config.seed_folder) if config.seed_folder else ()
    rows: list[Demonstration | PreferencePair] = [
        *seed,
        *examples.read_snapshots(config.snapshots, PreferencePair),
    ]
    # A dict keeps the first of equal requests, and their order.
    return list(dict.fromkeys(Prompt.model_validate(row, from_attributes=True) for row in rows))


class _Trainer(GRPOTrainer):
    """TRL's trainer for rendered prompts, which have all special tokens already."""

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        tokenizer: Any = self.processing_class
        # Token ids of each prompt, no images, no multimodal fields. Unpadded: the trainer pads prompts on the
        # left, (rewrites, prompt tokens), so that all rewrites of a batch begin at the same position.
        return tokenizer(text=prompts, add_special_tokens=False)["input_ids"], None, {}


def example(tokens: examples.Tokens, row: Prompt, masks: bool) -> dict[str, Any]:
    """A row for the trainer and the rewards: the rendered prompt, its request, and its number of tokens."""
    text = protection.mask(row.text).text if masks else row.text
    prompt = tokens.frame.render(text, row.transform_type, row.intensity)
    length = len(tokens.tokenizer.encode(prompt, add_special_tokens=False))
    # TRL passes all of these columns to the rewards by name, and the trainer reads `prompt`.
    return {"prompt": prompt, **row.model_dump(exclude={"split"}), "length": length}


# TRL calls a reward with the completions and the columns of their rows, and logs it by the function's name.
# Each column has been repeated for the rewrites of its row, so all lists have the length of `completions`.
# Rewrites of the same prompt are neighbours: TRL views the weighted sum as (groups, generations).
Reward = Callable[..., list[float]]  # one number for each completion, float32 in TRL


def restore(completions: Sequence[str], text: Sequence[str], masks: bool) -> list[str | None]:
    """The rewrites as users would receive them; None when a completion has a mask that hides no fact."""
    if not masks:
        return [completion.strip() for completion in completions]
    return [
        protection.mask(message).restore(completion.strip())
        for message, completion in zip(text, completions, strict=True)
    ]


def rules(masks: bool) -> Reward:
    """The reward by rules: `scoring.composite`, and 0 for an empty rewrite or an unusable one (`restore`)."""

    def rules(
        completions: list[str], text: list[str], transform_type: list[str], intensity: list[int], **_: Any
    ) -> list[float]:
        rewrites = restore(completions, text, masks)
        # One call for all rewrites: the encoder embeds them in batches, and equal messages once.
        meanings = scoring.meaning(text, [rewrite or "" for rewrite in rewrites])
        return [
            scoring.composite(
                scoring.facts_kept(message, rewrite),
                meaning,
                tone.tone_moved(message, rewrite, TransformType(kind), strength, meaning),
                scoring.chatter(message, rewrite),
                scoring.insult(message, rewrite),
                scoring.repetition(rewrite),
            )
            if rewrite
            else 0.0  # the lowest score, so that an unusable rewrite is the worst of its group
            for message, rewrite, kind, strength, meaning in zip(
                text, rewrites, transform_type, intensity, meanings, strict=True
            )
        ]

    return rules


def learned(model: RewardModel, masks: bool) -> Reward:
    """The reward by a reward model: sigma(score), and 0 for an empty or unusable rewrite (`restore`)."""

    def learned(
        completions: list[str], text: list[str], transform_type: list[str], intensity: list[int], **_: Any
    ) -> list[float]:
        rewrites = restore(completions, text, masks)
        rows = [
            Demonstration(text=message, transform_type=kind, intensity=strength, rewrite=rewrite or "")
            for message, kind, strength, rewrite in zip(
                text, transform_type, intensity, rewrites, strict=True
            )
        ]
        # Scores are unbounded. The sigmoid puts them on the scale of the rules, in [0, 1], so that the two
        # weights are comparable. Differences far from 0 shrink; `center_rewards` of the reward model keeps
        # its scores near 0.
        scores = expit(model.score(rows)).tolist()  # (rewrites,)
        return [score if rewrite else 0.0 for score, rewrite in zip(scores, rewrites, strict=True)]

    return learned


def facts_kept(masks: bool) -> Reward:
    """The share of facts that a rewrite keeps: a guard of weight 0, so it is logged and not rewarded."""

    def facts_kept(completions: list[str], text: list[str], **_: Any) -> list[float]:
        rewrites = restore(completions, text, masks)
        return [
            scoring.facts_kept(message, rewrite or "")
            for message, rewrite in zip(text, rewrites, strict=True)
        ]

    return facts_kept


@torch.no_grad()
def measure_agreement(model: Any, tokens: examples.Tokens, pairs: Sequence[PreferencePair]) -> float | None:
    """The share of people's pairs whose chosen rewrite is likelier under the policy; None without pairs.

    Likelihood is the mean log-probability of a token, so that length does not matter. This is a guard: a
    policy that learns what people prefer agrees with them more, not less.
    """

    def log_likelihood(row: PreferencePair, rewrite: str) -> float:
        # One row at a time, so that there is no padding to mask: at most _MOST_PAIRS pairs are measured.
        prompt, completion = tokens.prompt(row), tokens.completion(rewrite)
        ids = torch.tensor([prompt + completion], device=model.device)  # (1, prompt + completion)
        # The logits at a position predict the next token, so the slice starts at the last prompt token. It
        # ends before the stop token, after which no token is predicted.
        logits = model(input_ids=ids).logits[0, len(prompt) - 1 : -1]  # (completion, vocabulary)
        targets = ids[0, len(prompt) :, None]  # (completion, 1)
        # In float32, since bf16 would make small differences between two rewrites equal. log_softmax and
        # gather, (completion, vocabulary) to (completion, 1), then the mean in nats a token.
        return logits.float().log_softmax(-1).gather(1, targets).mean().item()

    agrees = [log_likelihood(row, row.chosen) > log_likelihood(row, row.rejected) for row in pairs]
    return sum(agrees) / len(agrees) if agrees else None


def main(config: GrpoConfig) -> GrpoResult:
    """Train, or resume, and write the adapter (or the model), `metrics.json` and plots to `config.out`.

    Raises ValueError when no training or no validation prompt remains.
    """
    started = time.monotonic()
    rows = prompts(config)
    reward_bytes = (config.reward / "model.safetensors").read_bytes() if config.reward else b""
    digest = training.digest(
        config, [*training.adapter_bytes(config.adapter), reward_bytes, *training.row_bytes(rows)]
    )

    base = loading.base_folder(config.base)
    tokens = examples.load_tokens(base)
    split = examples.split_fitting(
        [(row.split, example(tokens, row, config.masks)) for row in rows],
        config.max_prompt_tokens,
        config.validation_prompts,
    )
    # A batch counts rewrites, and the trainer repeats each prompt, so the order is over groups. It stays the
    # same when batches are made smaller: a step keeps its rewrites. With the defaults a step has 8 rewrites,
    # 2 groups of 4.
    groups = training.rows_per_step(config) // config.generations
    order = training.training_order([row["length"] for row in split.train], config.steps, groups, config.seed)

    # Rewards and their weights. A reward of weight 0 is only logged.
    rewards = [(facts_kept(config.masks), 0.0)]
    if config.rule_weight:
        rewards.append((rules(config.masks), config.rule_weight))
    if config.reward is not None:
        rewards.append((learned(load_reward(config.reward), config.masks), config.learned_weight))
    functions: list[Any] = [reward for reward, _ in rewards]
    pairs = examples.read_snapshots(config.snapshots, PreferencePair)
    # Held-out pairs only: DPO may have trained this adapter on the others.
    pairs = [pair for pair in pairs if pair.split == "validation"][:_MOST_PAIRS]
    if config.masks:
        pairs = [examples.mask_row(pair, "chosen", "rejected") or pair for pair in pairs]
    # By a policy of its own, which is freed before training: `build` makes another.
    agreement_before = measure_agreement(training.load_policy(base, config, config.adapter), tokens, pairs)

    # `config` here may have smaller batches than the run's, see training.run.
    def build(config: GrpoConfig, arguments: dict[str, Any]) -> training.Trainable:
        # Loss of a step, a mean over the tokens t of all its complete rewrites:
        #     -min(rho_t * A, clip(rho_t, 0.8, 1.2) * A) + beta * (exp(d_t) - d_t - 1)
        # rho_t = p / p_old of the token, A = (reward - group's mean) / (group's deviation + 1e-4), and
        # d_t = log p_ref - log p (Schulman's k3, never below 0). Each sample is used for one update only, so
        # p_old is p without its gradient: rho is 1, nothing is clipped, and the gradient of the first term is
        # that of -A * log p. A is (rewrites,) and the same for all tokens of a rewrite.
        return _Trainer(
            model=training.load_policy(base, config, config.adapter),
            reward_funcs=functions,
            args=TrlGrpoConfig(
                **arguments,
                # (rewrites, rewards) times (rewards,): one reward for each rewrite.
                reward_weights=[weight for _, weight in rewards],
                num_generations=config.generations,
                max_completion_length=config.max_new_tokens,
                temperature=config.temperature,  # divides the logits that are sampled from
                beta=config.beta,
                # The end of a truncated rewrite is unknown, so its tokens have no loss. Its reward still
                # counts in its group's mean and deviation.
                mask_truncated_completions=True,
                shuffle_dataset=False,  # the rows are in training order already
                remove_unused_columns=False,  # the rewards read these columns
            ),
            train_dataset=Dataset.from_list([split.train[i] for i in order]),
            eval_dataset=Dataset.from_list(split.validation),
            processing_class=tokens.tokenizer,
        )

    run = training.run("grpo", config, digest, build)
    training.save(run.trainer.model, tokens.tokenizer, config.out)

    held_out_rewards = run.values("eval_reward")  # by evaluation, the first before training
    held_out_facts_kept = run.values("eval_rewards/facts_kept/mean")
    result = GrpoResult(
        **run.shared_figures(started),
        train_prompts=len(split.train),
        validation_prompts=len(split.validation),
        prompts_too_long=split.too_long,
        held_out_reward_before=held_out_rewards[0],
        held_out_reward=held_out_rewards[-1],
        facts_kept_before=held_out_facts_kept[0],
        facts_kept=held_out_facts_kept[-1],
        agreement_before=agreement_before,
        agreement=measure_agreement(run.trainer.model, tokens, pairs),
        # Means over the tokens of sampled rewrites, in nats; clipped rewrites have no tokens here.
        kl_nats=run.values("eval_kl")[-1] if config.beta else 0.0,  # at beta 0 TRL has no reference
        entropy_nats=run.values("eval_entropy")[-1],
        clipped_completions=run.values("eval_completions/clipped_ratio")[-1],
        groups_without_spread=run.values("eval_frac_reward_zero_std")[-1],
        grad_norm_highest=max(run.values("grad_norm")),
    )
    panels = {
        "reward": ("reward", "eval_reward", "rewards/rules/mean", "rewards/learned/mean"),
        "health": ("kl", "entropy", "completions/clipped_ratio", "frac_reward_zero_std"),
    }
    training.finish(run, result, panels)
    return result


if __name__ == "__main__":
    result = main(configs.from_command_line(GrpoConfig, sys.argv[1:]))
    print(
        f"held-out reward {result.held_out_reward_before:.3f} -> {result.held_out_reward:.3f}, "
        f"KL {result.kl_nats:.3f} nats a token, in {result.seconds:.0f} s; wrote {result.out}"
    )
