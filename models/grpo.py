"""Group relative policy optimisation: trains an adapter to write rewrites of higher reward, with TRL.

    python -m models.grpo configs/grpo.yaml
    python -m models.grpo configs/grpo.yaml reward=null learned_weight=0 steps=20

For each prompt a group of rewrites is sampled. The advantage of a rewrite is (its reward - the group's mean)
/ the group's standard deviation (Shao et al. 2024, section 4.1.2). The loss is the clipped objective with a
KL term (their equation 3), averaged over tokens (Yu et al. 2025, equation 8), without truncated rewrites.
The reward is `rule_weight` * `scoring.checks` + `learned_weight` * sigma(score of the reward model). It is a
judge, so it must be valid: readers' labels of the adapter's rewrites must agree with it (`models.validity`).
Training continues from an adapter, whose frozen copy is the reference. A killed run that is started again
with the same config and data resumes from its last complete checkpoint.
"""

import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
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
from models import examples, gate, loading, protection, scoreboard, scoring, sft, training
from models.health import Ranges
from models.labels import read_all
from models.results import Estimate
from models.reward import RewardModel
from models.reward import load as load_reward
from models.scoreboard import estimate_difference
from models.training import TrainingConfig, TrainingResult
from models.validity import Validity, labels_of, validate

_MOST_PAIRS = 256  # of people's held-out pairs, for the guard `agreement`
_SAMPLED_AT_ONCE = 32  # rewrites; more of them share the time that a token takes
# A rewrite that repeats itself up to `max_new_tokens` has ten times a short message's words, and would decide
# the mean alone.
_MOST_LENGTH_RATIO = 3.0


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
    labels_folder: Path = Field(corpus.SEED / "labels", description="readers' labels, see models.validity")
    waive_validity: bool = Field(
        False, description="train by an invalid judge, for a measurement: the flow rejects the version"
    )
    max_prompt_tokens: Annotated[int, Field(ge=16)] = 128
    # Cuts 0.3 % of the seed corpus' English rewrites, 1.2 % of `structure`; 64 cut 22 % and 48 %. Japanese
    # ones need 384 (0.4 % cut): the default base has no tokens for their characters.
    max_new_tokens: Annotated[int, Field(ge=4)] = 120
    validation_prompts: Annotated[int, Field(ge=1, description="most prompts of the held-out curves")] = 16
    guard_rewrites: Annotated[
        int, Field(ge=2, description="held-out rewrites sampled before and after training, see `hacked`")
    ] = 128
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


class Change(Estimate):
    """The paired change of a score by training, after - before; `before` and `after` are the means."""

    before: float
    after: float


class GrpoResult(TrainingResult):
    """The figures of a GRPO run.

    `held_out_reward`, its paired change and the `guards` (`gate.GUARDS`) are measured on the same held-out
    requests before and after training, by one sampled rewrite or more of each; `agreement`, which is missing
    without people's held-out pairs, on these. The rest is from the trainer's last evaluation: `kl_nats` is an
    estimate of KL(policy || reference) in nats a token (Schulman's k3), `entropy_nats` the policy's entropy
    in nats a token. `clipped_completions` is the share of truncated rewrites. `groups_without_spread` is the
    share of groups whose rewrites all have the same reward, from which nothing is learned.
    `grad_norm_highest` is from training.
    """

    train_prompts: int
    validation_prompts: int
    prompts_too_long: int
    held_out_reward_before: float
    held_out_reward: float
    reward_change: Estimate
    guards: Mapping[str, Change]
    validity: Validity
    kl_nats: float
    entropy_nats: float
    clipped_completions: float
    groups_without_spread: float
    grad_norm_highest: float

    @model_validator(mode="before")
    @classmethod
    def _has_intervals(cls, figures: Any) -> Any:
        if isinstance(figures, dict) and "facts_kept_before" in figures:
            raise ValueError(
                "an earlier release measured this GRPO run, without the intervals that its guards need: "
                "delete the run's folder `grpo` and start the run again, which trains this stage anew"
            )
        return figures

    @property
    def hacked(self) -> tuple[Reason, ...]:
        """Reasons to reject the run for reward hacking, see `gate.hacked`; empty when there are none."""
        return gate.hacked(self.reward_change, self.guards)

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Reasons to reject the run: an invalid judge was its reward, or it hacked its reward."""
        refusal = self.validity.refusal
        return (*((refusal,) if refusal else ()), *self.hacked)


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
    """The reward by rules: `scoring.checks`, and 0 for an empty rewrite or an unusable one (`restore`).

    It is not the composite, since the gate decides by that.
    """

    def rules(
        completions: list[str], text: list[str], transform_type: list[str], intensity: list[int], **_: Any
    ) -> list[float]:
        rewrites = restore(completions, text, masks)
        # One call for all rewrites: the encoder embeds them in batches, and equal messages once.
        meanings = scoring.meaning(text, [rewrite or "" for rewrite in rewrites])
        return [
            scoreboard.check(message, rewrite, TransformType(kind), strength, meaning)
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


@torch.no_grad()
def sample(model: Any, tokens: examples.Tokens, prompts: Sequence[str], config: GrpoConfig) -> list[str]:
    """A rewrite of each rendered prompt, sampled as in training, drawn from `config.seed` alone."""
    tokenizer: Any = tokens.tokenizer
    model.eval()
    rewrites: list[str] = []
    # A private random state: two policies get the same random numbers, and training's do not change.
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        for start in range(0, len(prompts), _SAMPLED_AT_ONCE):
            batch = tokenizer(
                prompts[start : start + _SAMPLED_AT_ONCE],
                add_special_tokens=False,
                padding=True,
                padding_side="left",  # so that all rewrites of a batch begin at the same position
                return_tensors="pt",
            ).to(model.device)  # (rewrites, prompt tokens)
            ids = model.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                do_sample=True,
                temperature=config.temperature,
                top_k=0,  # every token may be drawn
                max_new_tokens=config.max_new_tokens,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
            )  # (rewrites, prompt tokens + new tokens)
            new = ids[:, batch["input_ids"].shape[1] :]
            rewrites += tokenizer.batch_decode(new, skip_special_tokens=True)
    return rewrites


def measure_rewrites(
    completions: Sequence[str],
    rows: Sequence[dict[str, Any]],
    rewards: Sequence[tuple[Reward, float]],
    masks: bool,
) -> dict[str, list[float]]:
    """The weighted sum of rewards, as `reward`, and the guards of each completion of a row (`example`)."""
    columns = {name: [row[name] for row in rows] for name in ("text", "transform_type", "intensity")}
    totals = [0.0] * len(rows)
    for reward, weight in rewards:
        values = reward(list(completions), **columns)
        totals = [total + weight * value for total, value in zip(totals, values, strict=True)]
    texts = columns["text"]
    rewrites = [rewrite or "" for rewrite in restore(completions, texts, masks)]
    pairs = list(zip(texts, rewrites, strict=True))
    return {
        "reward": totals,
        "facts_kept": [scoring.facts_kept(*pair) for pair in pairs],
        "meaning": scoring.meaning(texts, rewrites),
        "copy_rate": [scoring.copy_rate(*pair) for pair in pairs],
        "length_ratio": [min(_MOST_LENGTH_RATIO, scoring.length_ratio(*pair)) for pair in pairs],
    }


def change_of(texts: Sequence[str], before: Sequence[float], after: Sequence[float], seed: int) -> Change:
    """The mean change of a score over messages; `texts` are the messages of the rewrites.

    A message is one unit of the bootstrap, since several requests of one message are not independent.
    """
    by_message = defaultdict(list)
    for text, x, y in zip(texts, before, after, strict=True):
        by_message[text].append((x, y))
    means = [tuple(map(statistics.fmean, zip(*pairs, strict=True))) for pairs in by_message.values()]
    interval = estimate_difference([y for _, y in means], [x for x, _ in means], seed)
    return Change(before=statistics.fmean(before), after=statistics.fmean(after), **interval.model_dump())


def change_of_shares(before: Sequence[bool], after: Sequence[bool]) -> Change:
    """The change of a share, paired by case, see `scoreboard.estimate_difference`."""
    interval = estimate_difference(after, before)
    return Change(before=statistics.fmean(before), after=statistics.fmean(after), **interval.model_dump())


@torch.no_grad()
def measure_agreement(model: Any, tokens: examples.Tokens, pairs: Sequence[PreferencePair]) -> list[bool]:
    """Whether people's chosen rewrite is likelier under the policy than the rejected one, for each pair.

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

    return [log_likelihood(row, row.chosen) > log_likelihood(row, row.rejected) for row in pairs]


def spread(rows: Sequence[dict[str, Any]], rewrites: int) -> list[dict[str, Any]]:
    """At most `rewrites` rows: evenly spread ones where there are more, else all, each as often as fits."""
    count = min(rewrites, len(rows))
    chosen = [rows[i * len(rows) // count] for i in range(count)]
    return [row for row in chosen for _ in range(rewrites // count)]


def make_rewards(config: GrpoConfig, masks: bool) -> list[tuple[Reward, float]]:
    """The rewards of a config with their weights; `masks` says whether completions have masks for facts."""
    rewards: list[tuple[Reward, float]] = []
    if config.rule_weight:
        rewards.append((rules(masks), config.rule_weight))
    if config.reward is not None:
        # On the device of training, where a step samples the rewrites that it scores.
        model = load_reward(config.reward, training.processes().device)
        rewards.append((learned(model, masks), config.learned_weight))
    return rewards


def measure_validity(config: GrpoConfig) -> Validity:
    """How well the reward ranks the labelled rewrites of the policy that training starts from."""
    digest = loading.policy_digest(loading.base_folder(config.base), config.adapter)
    labels = labels_of(read_all(config.labels_folder), digest)
    rows = [row.model_dump(include={"text", "transform_type", "intensity"}) for row in labels]
    scores: list[float] = []
    if rows:
        rewrites = [row.rewrite for row in labels]
        scores = measure_rewrites(rewrites, rows, make_rewards(config, masks=False), masks=False)["reward"]
    return validate("reward", str(config.adapter or config.base), labels, scores)


def main(config: GrpoConfig) -> GrpoResult:
    """Train, or resume, and write the adapter (or the model), `metrics.json` and plots to `config.out`.

    Raises InvalidJudgeError when the reward is no valid judge of the policy, unless the config waives that,
    and ValueError when no training or no validation prompt remains.
    """
    started = time.monotonic()
    validity = measure_validity(config)
    if not config.waive_validity:
        validity.require()
    rows = prompts(config)
    reward_digest = loading.policy_digest(config.reward, None).encode() if config.reward else b""
    digest = training.digest(
        config, [*training.adapter_bytes(config.adapter), reward_digest, *training.row_bytes(rows)]
    )

    base = loading.base_folder(config.base)
    tokens = examples.load_tokens(base)
    split = examples.split_fitting(
        [(row.split, example(tokens, row, config.masks)) for row in rows],
        config.max_prompt_tokens,
        len(rows),
    )
    # A batch counts rewrites, and the trainer repeats each prompt, so the order is over groups. It stays the
    # same when batches are made smaller: a step keeps its rewrites. With the defaults a step has 8 rewrites,
    # 2 groups of 4.
    groups = training.rows_per_step(config) // config.generations
    order = training.training_order([row["length"] for row in split.train], config.steps, groups, config.seed)

    rewards = make_rewards(config, config.masks)
    functions: list[Any] = [reward for reward, _ in rewards]
    pairs = examples.read_snapshots(config.snapshots, PreferencePair)
    # Held-out pairs only: DPO may have trained this adapter on the others.
    pairs = [pair for pair in pairs if pair.split == "validation"][:_MOST_PAIRS]
    if config.masks:
        pairs = [examples.mask_row(pair, "chosen", "rejected") or pair for pair in pairs]
    guarded = spread(split.validation, config.guard_rewrites)

    def measure(policy: Any) -> tuple[dict[str, list[float]], list[bool]]:
        policy = policy.to(training.processes().device)
        completions = sample(policy, tokens, [row["prompt"] for row in guarded], config)
        scores = measure_rewrites(completions, guarded, rewards, config.masks)
        return scores, measure_agreement(policy, tokens, pairs)

    # By a policy of its own, which is freed before training: `build` makes another.
    scores_before, agrees_before = measure(training.load_policy(base, config, config.adapter))

    # `config` here may have smaller batches than the run's, see training.run.
    def build(config: GrpoConfig, arguments: dict[str, Any]) -> training.Trainable:
        # Loss of a step, a mean over the tokens t of all its complete rewrites:
        #     -min(rho_t * A, clip(rho_t, 0.8, 1.2) * A) + beta * (exp(d_t) - d_t - 1)
        # rho_t = p / p_old of the token, A = (reward - group's mean) / (group's deviation + 1e-4), and
        # d_t = log p_ref - log p (Schulman's k3, never below 0). Each sample is used for one update only, so
        # p_old is p without its gradient: rho is 1, nothing is clipped, and the gradient of the first term is
        # that of -A * log p. A is (rewrites,) and the same for all tokens of a rewrite.
        most = config.validation_prompts
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
            eval_dataset=Dataset.from_list(split.validation[:: -(-len(split.validation) // most)]),
            processing_class=tokens.tokenizer,
        )

    run = training.run("grpo", config, digest, build)
    training.save(run.trainer.model, tokens, config.out)

    # Read from the files, as the policy before was, so that both compute in the same precision.
    run.trainer.model.to("cpu")  # a GPU may have no memory for both
    if config.adapter is None:
        scores, agrees = measure(training.load_policy(config.out, config, None))
    else:
        scores, agrees = measure(training.load_policy(base, config, config.out))
    texts = [row["text"] for row in guarded]
    changes = {
        name: change_of(texts, scores_before[name], after, config.seed) for name, after in scores.items()
    }
    reward = changes.pop("reward")
    if pairs:
        changes["agreement"] = change_of_shares(agrees_before, agrees)
    result = GrpoResult(
        **run.shared_figures(started),
        train_prompts=len(split.train),
        validation_prompts=len(split.validation),
        prompts_too_long=split.too_long,
        held_out_reward_before=reward.before,
        held_out_reward=reward.after,
        reward_change=Estimate(mean=reward.mean, low=reward.low, high=reward.high),
        guards=changes,
        validity=validity,
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
