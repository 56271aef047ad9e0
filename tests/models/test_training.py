from pathlib import Path

import pytest
import torch
from pydantic import BaseModel, ValidationError

from models import dpo, grpo, kto, loading, reward, sft, training


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
