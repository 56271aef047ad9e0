"""Group relative policy optimisation with TRL: an adapter that writes what a reward likes.

    python -m models.grpo configs/grpo.yaml
    python -m models.grpo configs/grpo.yaml reward=null learned_weight=0 steps=20

To each prompt a group of rewrites is sampled; each is worth how far its reward lies above the group's mean,
in standard deviations of the group (Shao et al. 2024, section 4.1.2). The loss is the clipped objective with
a KL term (their equation 3), averaged over tokens (Yu et al. 2025, equation 8); a rewrite that did not end
counts for nothing in it. The reward is `rule_weight` times `scoring.composite` plus `learned_weight` times
the sigmoid of the reward model's score. Training goes on from an adapter, whose frozen copy is the reference.
A killed run that is started again with the same config and data goes on from its last complete checkpoint.
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
from models.health import Ranges, faults
from models.reward import RewardModel
from models.reward import load as load_reward

_MOST_PAIRS = 32  # of people's, whose likelihood guards against a hacked reward


class GrpoConfig(configs.StageConfig):
    """What decides a GRPO run. Lengths are in tokens; a batch is of sampled rewrites."""

    base: str = "smollm2-135m"
    adapter: Path | None = Field(Path("artifacts/sft"), description="where to start; all of base when unset")
    reward: Path | None = Field(Path("artifacts/reward"), description="the model; rules alone when unset")
    seed_folder: Path | None = corpus.SEED / "train"
    snapshots: tuple[Path, ...] = ()
    out: Path = Path("artifacts/grpo")
    checkpoints: Path = Path("artifacts/checkpoints")
    steps: Annotated[int, Field(ge=1)] = 40
    batch_size: Annotated[int, Field(ge=2)] = 8
    accumulate_batches: Annotated[int, Field(ge=1, description="batches of a step")] = 1
    generations: Annotated[int, Field(ge=2, description="rewrites of one prompt")] = 4
    learning_rate: Annotated[float, Field(gt=0)] = 1.0e-4
    beta: Annotated[float, Field(ge=0, description="weight of the KL from the reference")] = 0.04
    temperature: Annotated[float, Field(gt=0)] = 1.0
    rule_weight: Annotated[float, Field(ge=0)] = 1.0
    learned_weight: Annotated[float, Field(ge=0)] = 0.5
    masks: bool = Field(True, description="ask with facts masked, as fact protection does")
    max_prompt_tokens: Annotated[int, Field(ge=16)] = 128
    max_new_tokens: Annotated[int, Field(ge=4)] = 64
    validation_prompts: Annotated[int, Field(ge=1, description="most prompts of the held-out reward")] = 16
    evaluate_every_steps: Annotated[int, Field(ge=1)] = 20
    checkpoint_every_steps: Annotated[int, Field(ge=1)] = 20
    bf16: bool | None = Field(None, description="bf16 autocast; where the machine is fast at it when unset")
    healthy: Ranges = Field(
        {
            "grad_norm": (1e-3, 10.0),
            "kl": (-0.1, 2.0),
            "entropy": (0.01, 8.0),
            "reward_std": (1e-3, 10.0),
            "completions/clipped_ratio": (0.0, 0.3),
            "frac_reward_zero_std": (0.0, 0.8),
        },
        description="low and high of what is logged, see models.health",
    )
    seed: int = 0

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.batch_size % self.generations:
            raise ValueError(
                f"batch_size={self.batch_size} is no whole number of groups of generations={self.generations}"
            )
        if (self.reward is None) != (self.learned_weight == 0):
            raise ValueError("reward and learned_weight go together: set both, or null and 0")
        if not self.rule_weight + self.learned_weight:
            raise ValueError("rule_weight and learned_weight are both 0, so nothing is rewarded")
        return self


class GrpoResult(BaseModel):
    """What a GRPO run made and how healthy it was; held-out rewards are of sampled rewrites.

    `kl_nats` is the estimate of KL(policy || reference) a token (Schulman's k3), `entropy_nats` a token's;
    `clipped_completions` the share of rewrites that did not end, `groups_without_spread` that of groups whose
    rewrites all have one reward and so teach nothing. All are of the last evaluation but for the highest norm
    of a gradient. Facts kept, by the sampled rewrites, and agreement with people's held-out pairs are guards:
    see `hacked`.
    """

    model_config = ConfigDict(frozen=True)

    out: Path
    digest: str
    train_prompts: int
    validation_prompts: int
    prompts_too_long: int
    steps: int
    resumed_from_step: int
    out_of_memory_at: tuple[int, ...] = ()
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
    unhealthy: tuple[str, ...] = ()
    seconds: float
    history: tuple[dict[str, float], ...]

    @property
    def hacked(self) -> tuple[Reason, ...]:
        """Why the reward is not to be believed, if it is not."""
        guards = {"facts_kept": (self.facts_kept_before, self.facts_kept)}
        if self.agreement_before is not None and self.agreement is not None:
            guards["agreement"] = (self.agreement_before, self.agreement)
        return gate.hacked((self.held_out_reward_before, self.held_out_reward), guards)


class Prompt(BaseModel):
    """A message to rewrite, and how."""

    model_config = ConfigDict(frozen=True)

    text: str
    transform_type: TransformType
    intensity: int
    split: Split


def prompts(config: GrpoConfig) -> list[Prompt]:
    """What is asked: every message of the seed as it was rewritten there, then people's; each once."""
    seed = sft.seed_demonstrations(config.seed_folder) if config.seed_folder else ()
    rows: list[Demonstration | PreferencePair] = [
        *seed,
        *examples.read_snapshots(config.snapshots, PreferencePair),
    ]
    return list(dict.fromkeys(Prompt.model_validate(row, from_attributes=True) for row in rows))


class _Trainer(GRPOTrainer):
    """TRL's trainer over prompts that are rendered already: the frame has all special tokens."""

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        tokenizer: Any = self.processing_class
        return tokenizer(text=prompts, add_special_tokens=False)["input_ids"], None, {}


def example(tokens: examples.Tokens, row: Prompt, masks: bool) -> dict[str, Any]:
    """A prompt as the trainer and the rewards want it."""
    shown = protection.mask(row.text).text if masks else row.text
    prompt = tokens.frame.render(shown, row.transform_type, row.intensity)
    length = len(tokens.tokenizer.encode(prompt, add_special_tokens=False))
    return {"prompt": prompt, **row.model_dump(exclude={"split"}), "length": length}


Reward = Callable[..., list[float]]


def rewrites(completions: Sequence[str], text: Sequence[str], masks: bool) -> list[str | None]:
    """What people would be given; None where a mask hides nothing."""
    if not masks:
        return [completion.strip() for completion in completions]
    return [
        protection.mask(message).restore(completion.strip())
        for message, completion in zip(text, completions, strict=True)
    ]


def rules(masks: bool) -> Reward:
    """The reward by rules: `scoring.composite`, 0 for a rewrite that nobody may be given or that is empty."""

    def rules(
        completions: list[str], text: list[str], transform_type: list[str], intensity: list[int], **_: Any
    ) -> list[float]:
        said = rewrites(completions, text, masks)
        meanings = scoring.meaning(text, [rewrite or "" for rewrite in said])
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
            else 0.0
            for message, rewrite, kind, strength, meaning in zip(
                text, said, transform_type, intensity, meanings, strict=True
            )
        ]

    return rules


def learned(model: RewardModel, masks: bool) -> Reward:
    """The reward by a reward model: the sigmoid of its score, 0 for a rewrite that nobody may be given."""

    def learned(
        completions: list[str], text: list[str], transform_type: list[str], intensity: list[int], **_: Any
    ) -> list[float]:
        said = rewrites(completions, text, masks)
        rows = [
            Demonstration(text=message, transform_type=kind, intensity=strength, rewrite=rewrite or "")
            for message, kind, strength, rewrite in zip(text, transform_type, intensity, said, strict=True)
        ]
        scores = expit(model.score(rows)).tolist()
        return [score if rewrite else 0.0 for score, rewrite in zip(scores, said, strict=True)]

    return learned


def facts_kept(masks: bool) -> Reward:
    """Not a reward but a guard, logged beside them: the share of facts that a rewrite keeps."""

    def facts_kept(completions: list[str], text: list[str], **_: Any) -> list[float]:
        said = rewrites(completions, text, masks)
        return [
            scoring.facts_kept(message, rewrite or "") for message, rewrite in zip(text, said, strict=True)
        ]

    return facts_kept


@torch.no_grad()
def agreement(model: Any, tokens: examples.Tokens, pairs: Sequence[PreferencePair]) -> float | None:
    """The share of people's pairs whose chosen rewrite the policy finds likelier, by token; None of none.

    The other guard: a policy that learns what people like comes to agree with them more, not less.
    """

    def likelihood(row: PreferencePair, rewrite: str) -> float:
        prompt, completion = tokens.prompt(row), tokens.completion(rewrite)
        ids = torch.tensor([prompt + completion], device=model.device)
        logits = model(input_ids=ids).logits[0, len(prompt) - 1 : -1]
        chosen = ids[0, len(prompt) :, None]  # (tokens, 1)
        return logits.float().log_softmax(-1).gather(1, chosen).mean().item()

    right = [likelihood(row, row.chosen) > likelihood(row, row.rejected) for row in pairs]
    return sum(right) / len(right) if right else None


def main(config: GrpoConfig) -> GrpoResult:
    """Train, or go on training, and write the adapter (or the whole model without one), `metrics.json` and
    `loss.png`.

    Raises ValueError when no prompt is left to train or to validate on.
    """
    started = time.monotonic()
    rows = prompts(config)
    judge = load_reward(config.reward) if config.reward else None
    weights = (config.reward / "model.safetensors").read_bytes() if config.reward else b""
    data = (row.model_dump_json().encode() for row in rows)
    digest = training.digest(config, [*training.adapter_bytes(config.adapter), weights, *data])

    base = loading.base_folder(config.base)
    tokens = examples.load_tokens(base)
    split = examples.split_fitting(
        [(row.split, example(tokens, row, config.masks)) for row in rows],
        config.max_prompt_tokens,
        config.validation_prompts,
    )
    groups = training.rows_of_a_step(config) // config.generations
    order = training.training_order([row["length"] for row in split.train], config.steps, groups, config.seed)

    checkpoints = config.checkpoints / f"grpo-{digest}"
    rewards = [(facts_kept(config.masks), 0.0)]
    if config.rule_weight:
        rewards.append((rules(config.masks), config.rule_weight))
    if judge is not None:
        rewards.append((learned(judge, config.masks), config.learned_weight))
    functions: list[Any] = [reward for reward, _ in rewards]
    pairs = examples.read_snapshots(config.snapshots, PreferencePair)
    pairs = [pair for pair in pairs if pair.split == "validation"][:_MOST_PAIRS]
    if config.masks:
        pairs = [examples.masked(pair, "chosen", "rejected") or pair for pair in pairs]
    agreement_before = agreement(training.load_policy(base, config), tokens, pairs)

    def build(sized: GrpoConfig, resumes: bool) -> Any:
        return _Trainer(
            model=training.load_policy(base, sized),
            reward_funcs=functions,
            args=TrlGrpoConfig(
                **training.common_arguments(sized, checkpoints, resumes),
                reward_weights=[weight for _, weight in rewards],
                num_generations=sized.generations,
                max_completion_length=sized.max_new_tokens,
                temperature=sized.temperature,
                beta=sized.beta,
                mask_truncated_completions=True,  # a cut-off rewrite says nothing of how it would end
                shuffle_dataset=False,  # the rows lie in their order
                remove_unused_columns=False,  # the rewards read them
            ),
            train_dataset=Dataset.from_list([split.train[i] for i in order]),
            eval_dataset=Dataset.from_list(split.validation),
            processing_class=tokens.tokenizer,
        )

    run = training.run("grpo", config, checkpoints, build)

    training.save(run.trainer.model, tokens.tokenizer, config.out)

    def held_out(key: str) -> list[float]:
        return training.curve(run.history, f"eval_{key}")[1]

    result = GrpoResult(
        out=config.out,
        digest=digest,
        train_prompts=len(split.train),
        validation_prompts=len(split.validation),
        prompts_too_long=split.too_long,
        steps=config.steps,
        resumed_from_step=run.resumed_from_step,
        out_of_memory_at=run.out_of_memory_at,
        held_out_reward_before=held_out("reward")[0],
        held_out_reward=held_out("reward")[-1],
        facts_kept_before=held_out("rewards/facts_kept/mean")[0],
        facts_kept=held_out("rewards/facts_kept/mean")[-1],
        agreement_before=agreement_before,
        agreement=agreement(run.trainer.model, tokens, pairs),
        kl_nats=held_out("kl")[-1] if config.beta else 0.0,
        entropy_nats=held_out("entropy")[-1],
        clipped_completions=held_out("completions/clipped_ratio")[-1],
        groups_without_spread=held_out("frac_reward_zero_std")[-1],
        grad_norm_highest=max(training.curve(run.history, "grad_norm")[1]),
        unhealthy=faults(run.history, config.healthy),
        seconds=time.monotonic() - started,
        history=run.history,
    )
    panels = {
        "reward": ("reward", "eval_reward", "rewards/rules/mean", "rewards/learned/mean"),
        "health": ("kl", "entropy", "completions/clipped_ratio", "frac_reward_zero_std"),
    }
    training.finish(result, panels, config.healthy, checkpoints)
    return result


if __name__ == "__main__":
    outcome = main(configs.from_command_line(GrpoConfig, sys.argv[1:]))
    print(
        f"held-out reward {outcome.held_out_reward_before:.3f} -> {outcome.held_out_reward:.3f}, "
        f"KL {outcome.kl_nats:.3f} nats a token, in {outcome.seconds:.0f} s; wrote {outcome.out}"
    )
