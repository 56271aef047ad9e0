"""Chooses the training methods and the data mixture from the available feedback, by a pure function."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

import configs
from data.records import Demonstration, Form, Label, PreferencePair, Split
from data.snapshots import shards

Preference = Literal["dpo", "kto"]


class MethodsConfig(configs.StageConfig):
    """The form of the version to train and, for versions of text, the least feedback that each method needs.

    The numbers are training rows; each method also needs validation rows.
    """

    form: Form | None = Field(None, description="of the trained version; the champion's when unset")
    least_pairs: Annotated[int, Field(ge=1, description="for DPO")] = 20
    least_labels: Annotated[int, Field(ge=1, description="good ones, and bad ones, for KTO")] = 20
    least_reward_pairs: Annotated[int, Field(ge=1, description="for a reward model, and so for GRPO")] = 300
    may_sample: bool | None = Field(
        None, description="GRPO, which samples in every step; when unset, only with a GPU"
    )
    share_of_people: Annotated[float, Field(ge=0, lt=1, description="least share of SFT's rows")] = 0.1
    most_repeats: Annotated[int, Field(ge=1, description="of a row from people, to reach that share")] = 4


class Feedback(BaseModel):
    """Numbers of rows by kind: training rows, and held-out rows where a method needs them."""

    model_config = ConfigDict(frozen=True)

    demonstrations: int = 0
    pairs: int = 0
    pairs_held_out: int = 0
    good: int = 0
    bad: int = 0
    good_held_out: int = 0
    bad_held_out: int = 0


class Choice(BaseModel):
    """The chosen methods, and one sentence with the reason for each decision.

    `repeats` is the number of times that SFT sees each row from people.
    """

    model_config = ConfigDict(frozen=True)

    repeats: int
    preference: Preference | None
    reward: bool
    grpo: bool
    why: tuple[str, ...]

    @property
    def method(self) -> str:
        """The stages' names, joined by `+`, as in a version's lineage."""
        names = ("sft", self.preference, "grpo" if self.grpo else None)
        return "+".join(name for name in names if name)


def feedback(snapshots: Sequence[Path]) -> Feedback:
    """Count the rows of snapshots."""
    counts: Counter[str] = Counter()

    def add(name: str, split: Split) -> None:
        counts[name if split == "train" else f"{name}_held_out"] += 1

    for folder in snapshots:
        counts["demonstrations"] += sum(row.split == "train" for row in shards.read(folder, Demonstration))
        for pair in shards.read(folder, PreferencePair):
            add("pairs", pair.split)
        for label in shards.read(folder, Label):
            add("good" if label.good else "bad", label.split)
    return Feedback(**counts)


def choose(data: Feedback, seed_rows: int, may_sample: bool, config: MethodsConfig) -> Choice:
    """Choose the methods and the mixture.

    DPO is preferred to KTO, since a pair carries more information than a label: both its rewrites answer the
    same message. A reward model needs many more pairs than DPO, because it must rank rewrites that the policy
    has not written yet. GRPO needs a reward model: without one it would learn the rules that also measure it.
    `seed_rows` is the number of demonstrations of the seed corpus. `may_sample` says whether the machine is
    fast enough for GRPO's sampling.
    """
    repeats, why = 1, []
    if data.demonstrations:
        wanted = config.share_of_people / (1 - config.share_of_people) * seed_rows / data.demonstrations
        repeats = max(1, min(config.most_repeats, math.ceil(wanted)))
        share = repeats * data.demonstrations / (repeats * data.demonstrations + seed_rows)
        why.append(
            f"SFT on the seed and {data.demonstrations} edits, each {repeats} times: {share:.0%} of its rows."
        )
    else:
        why.append("SFT on the seed alone: there is no edit to learn from.")

    preference: Preference | None = None
    labels = min(data.good, data.bad)
    if data.pairs >= config.least_pairs and data.pairs_held_out:
        preference = "dpo"
        why.append(f"DPO: {data.pairs} pairs, {data.pairs_held_out} more held out.")
    elif labels >= config.least_labels and min(data.good_held_out, data.bad_held_out):
        preference = "kto"
        why.append(
            f"KTO: {data.good} good and {data.bad} bad rewrites, but {data.pairs} pairs with "
            f"{data.pairs_held_out} held out, of {config.least_pairs} that DPO needs."
        )
    else:
        why.append(
            f"No preferences: {data.pairs} pairs with {data.pairs_held_out} held out of {config.least_pairs} "
            f"for DPO, {data.good} good and {data.bad} bad rewrites with {data.good_held_out} and "
            f"{data.bad_held_out} held out of {config.least_labels} each for KTO."
        )

    reward = data.pairs >= config.least_reward_pairs and data.pairs_held_out > 0
    if not reward:
        why.append(f"No reward model: {data.pairs} pairs of {config.least_reward_pairs}, so no GRPO.")
    elif not may_sample:
        why.append(f"A reward model on {data.pairs} pairs; no GRPO, which this machine is too slow for.")
    else:
        why.append(f"A reward model on {data.pairs} pairs, and GRPO with it and the rules.")
    return Choice(
        repeats=repeats, preference=preference, reward=reward, grpo=reward and may_sample, why=tuple(why)
    )
