from pathlib import Path

import pytest
import torch
from pydantic import BaseModel, ValidationError
from safetensors.torch import load_file

from models import dpo, examples, grpo, kto, loading, reward, sft, training
from models.dpo import DpoConfig
from models.reward import RewardConfig
from models.sft import SftConfig


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_the_completion_head_gives_what_trl_gives(tiny_base, temperature):
    from trl.trainer.utils import add_fused_lm_head

    model = loading.load_model(tiny_base)
    ids = torch.arange(3, 43).reshape(2, 20)
    labels = ids.masked_fill(torch.arange(20) < 8, -100)
    labels[1, 15:] = -100
    outputs = ("log_probs", "entropy", "mean_logits", "is_top1")
    add_fused_lm_head(model, temperature, outputs=outputs)
    theirs = model(input_ids=ids, labels=labels, fused_lm_head=True)
    theirs.log_probs.sum().backward()
    their_gradient = model.model.layers[0].mlp.up_proj.weight.grad.clone()

    model.zero_grad()
    training.score_completions_only(model, temperature)
    ours = model(input_ids=ids, labels=labels, fused_lm_head=True)
    ours.log_probs.sum().backward()
    for name in (*outputs, "label_mask"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        model.model.layers[0].mlp.up_proj.weight.grad, their_gradient, rtol=1e-3, atol=1e-5
    )


def test_the_training_order_is_whole_even_and_laid_out_by_the_seed():
    lengths = [10 + (i * 37) % 90 for i in range(100)]
    order = training.training_order(lengths, steps=25, batch_size=8, seed=1)
    assert len(order) == 200
    assert sorted(order) == sorted(list(range(100)) * 2), "two passes hold each row twice"
    assert order == training.training_order(lengths, 25, 8, 1) != training.training_order(lengths, 25, 8, 2)

    def padding(rows):
        batches = [[lengths[row] for row in rows[i : i + 8]] for i in range(0, len(rows), 8)]
        return sum(max(batch) * len(batch) - sum(batch) for batch in batches)

    assert padding(order) < 0.5 * padding([i % 100 for i in range(200)])


def test_the_digest_names_what_decides_a_result():
    class Config(BaseModel):
        out: str = "a"
        checkpoints: str = "b"
        log_every_s: float = 30.0
        steps: int = 1

    class Reordered(BaseModel):
        steps: int = 1
        log_every_s: float = 30.0
        checkpoints: str = "b"
        out: str = "a"

    same = training.digest(Config(), [b"row"])
    assert training.digest(Reordered(), [b"row"]) == same, "the order of fields decides nothing"
    elsewhere = Config(out="elsewhere", checkpoints="elsewhere", log_every_s=1.0)
    assert training.digest(elsewhere, [b"row"]) == same
    assert (
        len({same, training.digest(Config(steps=2), [b"row"]), training.digest(Config(), [b"r", b"ow"])}) == 3
    )


@pytest.mark.parametrize(
    ("config", "result"),
    [
        (sft.SftConfig, sft.SftResult),
        (reward.RewardConfig, reward.RewardResult),
        (dpo.DpoConfig, dpo.DpoResult),
        (kto.KtoConfig, kto.KtoResult),
        (grpo.GrpoConfig, grpo.GrpoResult),
    ],
)
def test_every_stage_keeps_the_training_contract(config, result):
    defaults = config()
    assert isinstance(defaults, training.TrainingConfig)
    assert issubclass(result, training.TrainingResult)
    assert defaults.healthy.keys() >= {"grad_norm"}
    assert (
        training.common_arguments(defaults, Path("checkpoints"), resumes=False)["max_steps"] == defaults.steps
    )
    with pytest.raises(ValidationError, match="frozen"):
        defaults.steps = 3
    with pytest.raises(ValidationError, match="extra_forbidden"):
        result.model_validate({"stepps": 3})


@pytest.fixture
def lora(sft_fields):
    """SFT of an adapter, in twelve steps."""
    return SftConfig(**sft_fields)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_checkpointed_activations_give_the_same_training(lora, tmp_path):
    plain = sft.main(lora)
    changed = {"gradient_checkpointing": True, "out": tmp_path / "checkpointed"}
    checkpointed = sft.main(lora.model_copy(update=changed))
    assert plain.held_out_loss_after < plain.held_out_loss_before - 0.02
    assert checkpointed.held_out_loss_after == pytest.approx(plain.held_out_loss_after, abs=1e-5)
    arguments = training.common_arguments(lora.model_copy(update=changed), tmp_path, resumes=False)
    assert arguments["activation_checkpointing"]
    assert arguments["activation_checkpointing_kwargs"] == {"use_reentrant": False}


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.filterwarnings("ignore:Paged optimizers are not supported on CPU")
def test_an_adapter_learns_on_a_base_of_four_bits_and_fits_the_base_as_it_was(lora, tmp_path):
    changed = {"load": "4bit", "optimizer": "paged_adamw_8bit", "gradient_checkpointing": True}
    result = sft.main(lora.model_copy(update=changed))
    assert result.held_out_loss_after < result.held_out_loss_before - 0.02
    weights = load_file(lora.out / "adapter_model.safetensors").values()
    assert {weight.dtype for weight in weights} == {torch.float32}
    rounded = [weight.bfloat16().float().equal(weight) for weight in weights]
    assert not any(rounded), "TRL rounds an adapter on four bits to bf16; here it learns in float32"

    # Merged into the base as it was, it lowers the loss there as well. A run of one step at a rate of almost
    # nothing measures that.
    still = {"steps": 1, "learning_rate": 1e-12, "lora_rank": 2, "masks": True}
    merged = tmp_path / "merged"
    tokens = examples.load_tokens(Path(lora.base))
    loading.save(loading.load_model(lora.base, lora.out), tokens.tokenizer, merged, tokens.frame)
    before, after = (
        sft.main(lora.model_copy(update={**still, "base": base, "out": tmp_path / "measured"}))
        for base in (lora.base, str(merged))
    )
    assert after.held_out_loss_before < before.held_out_loss_before - 0.02


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_dpo_of_an_adapter_on_four_bits_starts_near_its_reference(twelve_steps):
    result = dpo.main(DpoConfig(**twelve_steps, load="4bit", masks=False))
    first = next(entry for entry in result.history if "eval_rewards/margins" in entry)
    assert abs(first["eval_rewards/margins"]) < 0.05
    assert result.held_out_margin > first["eval_rewards/margins"] + 0.05


@pytest.mark.parametrize("load", ["bf16", "4bit"])
def test_weights_that_are_trained_are_not_rounded(load, lora):
    with pytest.raises(ValueError, match=f"load={load} is for weights that stay frozen"):
        sft.main(lora.model_copy(update={"load": load, "lora_rank": 0}))


def test_a_reward_model_whose_weights_are_all_trained_is_not_rounded(twelve_steps):
    with pytest.raises(ValueError, match="load=bf16 is for weights that stay frozen"):
        reward.main(RewardConfig(**twelve_steps, load="bf16", lora_rank=0))


@pytest.mark.parametrize(
    ("load", "frozen", "on_cuda", "dtype"),
    [
        (None, True, True, torch.bfloat16),
        (None, True, False, torch.float32),
        (None, False, True, torch.float32),
        ("float32", True, True, torch.float32),
        ("bf16", True, False, torch.bfloat16),
    ],
)
def test_on_a_gpu_frozen_weights_are_never_in_float32_unless_asked_for(load, frozen, on_cuda, dtype, lora):
    config = lora.model_copy(update={"load": load, "bf16": True})
    assert training.load_dtype(config, frozen, on_cuda) == dtype


def test_frozen_weights_in_bf16_keep_their_rotary_frequencies(tiny_base, lora):
    config = lora.model_copy(update={"bf16": True})
    exact = loading.load_model(tiny_base).model.rotary_emb.inv_freq
    model = training.load_base(tiny_base, config, frozen=True)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert model.model.rotary_emb.inv_freq.equal(exact), "serving has them in float32"
