"""A broken loss must fail a test: correct training reaches a threshold, a flipped sign does not."""

import random
from pathlib import Path

import pytest

from data.records import Demonstration, Label, PreferencePair, TransformType
from data.snapshots import shards
from models import dpo, grpo, kto, reward, sft
from models.dpo import DpoConfig
from models.grpo import GrpoConfig
from models.kto import KtoConfig
from models.reward import RewardConfig
from models.sft import SftConfig

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

THINGS = [
    "PAY-123",
    "the build",
    "version 2.4.1",
    "the invoice",
    "the dashboard",
    "our report",
    "the review",
    "it",
]
ENDS = ["today", "on Monday", "by 5 pm", "on Thursday", "before the meeting"]


def rows():
    for i, (thing, end) in enumerate((thing, end) for thing in THINGS for end in ENDS):
        yield (
            {"text": f"Fix {thing} {end}.", "transform_type": TransformType.SOFTEN, "intensity": i % 4},
            f"Could you please look at {thing} {end}?",
            f"Look at {thing} {end}.",
            "validation" if i % 5 == 4 else "train",
        )


def demonstrations(folder: Path, scrambled: bool = False) -> Path:
    """Half the rewrites are courteous, half blunt; when `scrambled`, training rewrites are shuffled words."""
    triples = []
    for i, (request, kind, blunt, split) in enumerate(rows()):
        triples.append((request, kind if i % 2 else blunt, split))
    if scrambled:
        words = [
            " ".join(random.Random(i).sample(text.split(), len(text.split())))
            for i, (_, text, _) in enumerate(triples)
        ]
        triples = [
            (request, words[i] if split == "train" else text, split)
            for i, (request, text, split) in enumerate(triples)
        ]
    return shards.write(folder, (Demonstration(**a, rewrite=r, split=s) for a, r, s in triples))


def pairs(folder: Path, shuffled: bool = False) -> Path:
    """The courteous rewrite is chosen; when `shuffled`, training pairs choose at random."""
    records = []
    coin = random.Random(1)
    for request, chosen, rejected, split in rows():
        if shuffled and split == "train" and coin.random() < 0.5:
            chosen, rejected = rejected, chosen
        pair = PreferencePair(
            **request,
            chosen=chosen,
            rejected=rejected,
            chosen_version="v1",
            rejected_version="v1",
            split=split,
        )
        records.append(pair)
    return shards.write(folder, records)


def labels(folder: Path, shuffled: bool = False) -> Path:
    """Alternately a courteous rewrite, marked good, and a blunt one, marked bad.

    When `shuffled`, training rows are marked at random.
    """
    records = []
    coin = random.Random(1)
    for i, (request, kind, blunt, split) in enumerate(rows()):
        good = i % 2 == 0
        marked = coin.random() < 0.5 if shuffled and split == "train" else good
        label = Label(**request, rewrite=kind if good else blunt, good=marked, version="v1", split=split)
        records.append(label)
    return shards.write(folder, records)


def sft_config(tiny_base, folder, **changed):
    return SftConfig(
        **{
            "base": str(tiny_base),
            "seed_folder": None,
            "snapshots": (demonstrations(folder / "data"),),
            "out": folder / "sft",
            "checkpoints": folder / "checkpoints",
            "steps": 60,
            "learning_rate": 5e-3,
            "lora_rank": 0,
            "evaluate_every_steps": 60,
            "checkpoint_every_steps": 60,
            "bf16": False,
        }
        | changed
    )


@pytest.fixture(scope="module")
def tuned(tiny_base, tmp_path_factory):
    return sft.main(sft_config(tiny_base, tmp_path_factory.mktemp("tuned")))


def whole_model(tuned, folder, **changed):
    """The settings that the stages after SFT share: all weights of the tuned model are trained."""
    return {
        "base": str(tuned.out),
        "adapter": None,
        "out": folder / "out",
        "checkpoints": folder / "checkpoints",
        "steps": 30,
        "learning_rate": 5e-4,
        "evaluate_every_steps": 30,
        "checkpoint_every_steps": 30,
        "bf16": False,
    } | changed


def dpo_config(tuned, folder, shuffled=False, **changed):
    data = pairs(folder / "data", shuffled)
    return DpoConfig(**whole_model(tuned, folder, snapshots=(data,), **changed))


def reward_config(tuned, folder, shuffled=False, learning_rate=2e-3, **changed):
    data = pairs(folder / "data", shuffled)
    changed |= {"snapshots": (data,), "lora_rank": 0, "learning_rate": learning_rate}
    return RewardConfig(**whole_model(tuned, folder, **changed))


def kto_config(tuned, folder, shuffled=False, **changed):
    data = labels(folder / "data", shuffled)
    return KtoConfig(**whole_model(tuned, folder, snapshots=(data,), **changed))


@pytest.fixture(scope="module")
def judge(tuned, tmp_path_factory):
    """A reward model that prefers the courteous rewrites."""
    return reward.main(reward_config(tuned, tmp_path_factory.mktemp("judge"), steps=60)).out


def grpo_config(tuned, judge, folder, **changed):
    data = pairs(folder / "data")
    rewards = {"reward": judge, "learned_weight": 1.0, "rule_weight": 0.0}
    size = {"steps": 40, "batch_size": 16, "max_new_tokens": 24, "beta": 0.0, "learning_rate": 5e-4}
    # The loss is tested here, and nobody has read what a tiny model writes.
    size |= {"waive_validity": True}
    # Half of a tiny model's samples are truncated, so its run is never healthy.
    data_settings = {"seed_folder": None, "snapshots": (data,), "healthy": {}, "guard_rewrites": 64}
    return GrpoConfig(**whole_model(tuned, folder, **rewards, **size, **data_settings, **changed))


def sft_learns(result) -> bool:
    return result.held_out_loss_after < result.held_out_loss_before - 3


def dpo_learns(result) -> bool:
    return result.held_out_margin > 0.5 and result.held_out_accuracy > 0.9


def reward_learns(result) -> bool:
    return result.held_out_margin > 1 and result.held_out_accuracy > 0.9


def kto_learns(result) -> bool:
    return result.held_out_margin > 0.5


def grpo_learns(result) -> bool:
    return result.held_out_reward > result.held_out_reward_before + 0.2


def test_sft_lowers_the_held_out_loss(tuned):
    assert sft_learns(tuned), (tuned.held_out_loss_before, tuned.held_out_loss_after)


def test_dpo_raises_the_held_out_margin_and_accuracy_against_the_sft_policy(tuned, tmp_path):
    result = dpo.main(dpo_config(tuned, tmp_path))
    print(result.model_dump(exclude={"history"}))
    assert result.history[0]["eval_rewards/margins"] == pytest.approx(0, abs=1e-4), (
        "it starts as its reference"
    )
    assert dpo_learns(result)
    assert result.kl_nats < 20


def test_shuffled_preferences_do_not_teach(tuned, tmp_path):
    result = dpo.main(dpo_config(tuned, tmp_path, shuffled=True))
    print(result.model_dump(exclude={"history"}))
    assert not dpo_learns(result)


def test_a_flipped_preference_loss_does_not_teach(tuned, tmp_path, monkeypatch):
    honest = dpo._Trainer.compute_loss
    monkeypatch.setattr(dpo._Trainer, "compute_loss", lambda *args, **kw: -honest(*args, **kw))
    assert not dpo_learns(dpo.main(dpo_config(tuned, tmp_path)))


def test_a_flipped_sft_loss_does_not_teach(tiny_base, tmp_path, monkeypatch):
    honest = sft.SFTTrainer.compute_loss

    def flipped(trainer, *args, **kwargs):
        return honest(trainer, *args, **kwargs) * (-1 if trainer.model.training else 1)

    monkeypatch.setattr(sft.SFTTrainer, "compute_loss", flipped)
    assert not sft_learns(sft.main(sft_config(tiny_base, tmp_path)))


def test_scrambled_rewrites_do_not_teach(tiny_base, tmp_path):
    scrambled = demonstrations(tmp_path / "scrambled", scrambled=True)
    result = sft.main(sft_config(tiny_base, tmp_path, snapshots=(scrambled,)))
    print(result.held_out_loss_before, result.held_out_loss_after)
    assert not sft_learns(result)


def test_a_reward_ranks_held_out_pairs(tuned, tmp_path):
    result = reward.main(reward_config(tuned, tmp_path))
    print(result.model_dump(exclude={"history"}))
    assert reward_learns(result)


def test_shuffled_preferences_teach_no_reward(tuned, tmp_path):
    result = reward.main(reward_config(tuned, tmp_path, shuffled=True))
    print(result.model_dump(exclude={"history"}))
    assert not reward_learns(result)


def test_a_flipped_reward_loss_does_not_teach(tuned, tmp_path, monkeypatch):
    honest = reward.RewardTrainer.compute_loss

    def flipped(trainer, *args, **kwargs):
        loss = honest(trainer, *args, **kwargs)
        return -loss if trainer.model.training else loss

    monkeypatch.setattr(reward.RewardTrainer, "compute_loss", flipped)
    assert not reward_learns(reward.main(reward_config(tuned, tmp_path)))


def test_kto_rewards_good_held_out_rewrites_above_bad_ones(tuned, tmp_path):
    result = kto.main(kto_config(tuned, tmp_path))
    print(result.model_dump(exclude={"history"}))
    assert result.history[0]["eval_rewards/chosen"] == pytest.approx(0, abs=1e-4), (
        "it starts as its reference"
    )
    assert kto_learns(result)


def test_shuffled_labels_do_not_teach(tuned, tmp_path):
    result = kto.main(kto_config(tuned, tmp_path, shuffled=True))
    print(result.model_dump(exclude={"history"}))
    assert not kto_learns(result)


@pytest.mark.slow
def test_a_flipped_kto_loss_does_not_teach(tuned, tmp_path, monkeypatch):
    honest = kto._Trainer.compute_loss
    monkeypatch.setattr(kto._Trainer, "compute_loss", lambda *args, **kw: -honest(*args, **kw))
    assert not kto_learns(kto.main(kto_config(tuned, tmp_path)))


@pytest.mark.slow
def test_grpo_raises_the_held_out_reward(tuned, judge, tmp_path):
    result = grpo.main(grpo_config(tuned, judge, tmp_path))
    print(result.model_dump(exclude={"history"}))
    assert grpo_learns(result)


@pytest.mark.slow
def test_shuffled_rewards_do_not_teach(tuned, judge, tmp_path, monkeypatch):
    honest, coin = grpo.learned, random.Random(1)

    def shuffled(model, masks):
        reward = honest(model, masks)

        def learned(completions, **columns):
            scores = reward(completions, **columns)
            return coin.sample(scores, len(scores))  # the mean, which is measured, stays the same

        return learned

    monkeypatch.setattr(grpo, "learned", shuffled)
    result = grpo.main(grpo_config(tuned, judge, tmp_path))
    print(result.model_dump(exclude={"history"}))
    assert not grpo_learns(result)


@pytest.mark.slow
def test_a_flipped_grpo_loss_does_not_teach(tuned, judge, tmp_path, monkeypatch):
    honest = grpo._Trainer.compute_loss
    monkeypatch.setattr(grpo._Trainer, "compute_loss", lambda *args, **kw: -honest(*args, **kw))
    assert not grpo_learns(grpo.main(grpo_config(tuned, judge, tmp_path)))


def sft_loss(tuned, folder, **changed):
    return sft.main(sft_config(Path(tuned.out), folder, **changed)).held_out_loss_after


def dpo_margin(tuned, folder, **changed):
    return dpo.main(dpo_config(tuned, folder, **changed)).held_out_margin


def reward_margin(tuned, folder, **changed):
    return reward.main(reward_config(tuned, folder, **changed)).held_out_margin


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("figure", [sft_loss, dpo_margin, reward_margin])
def test_a_step_of_eight_batches_of_one_is_a_step_of_one_batch_of_eight(figure, tuned, tmp_path):
    """Not so for KTO, whose reference point is an average over a batch, see models/kto.py."""
    few = {"steps": 6, "learning_rate": 5e-4}
    for name in ("one", "eight"):
        (tmp_path / name).mkdir()
    whole = figure(tuned, tmp_path / "one", batch_size=8, **few)
    split = figure(tuned, tmp_path / "eight", batch_size=1, accumulate_batches=8, **few)
    assert split == pytest.approx(whole, rel=1e-4)
