import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

import configs
from data.records import Label
from data.snapshots import shards
from models import examples, kto, loading
from models.kto import KtoConfig

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


@pytest.fixture
def config(twelve_steps):
    return KtoConfig(**twelve_steps, masks=False)  # masked, all of these messages are one


def log_p(model, tokens, row):
    """log p(rewrite | prompt), straightforwardly."""
    prompt, completion = tokens.prompt(row), tokens.completion(row.rewrite)
    with torch.no_grad():
        logits = model(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1]
    return logits.log_softmax(-1).gather(1, torch.tensor(completion)[:, None]).sum().item()


def test_training_goes_on_from_the_sft_adapter_which_is_the_reference(config, adapter, snapshot):
    result = kto.main(config)
    assert result.history[0]["eval_rewards/chosen"] == pytest.approx(0, abs=1e-4)
    assert result.history[0]["eval_loss"] == pytest.approx(0.5, abs=1e-4), "sigma(0) is a half"
    assert result.held_out_margin > 0.1
    counts = (result.train_good, result.train_bad, result.validation_good, result.validation_bad)
    assert counts == (15, 15, 5, 5)
    assert (result.good_weight, result.bad_weight) == (1, 1)
    assert result.grad_norm_highest > 0
    files = {file.name for file in config.out.iterdir()}
    assert files >= {"adapter_model.safetensors", "metrics.json", "loss.png"}
    assert "ref" not in files, "the reference is not part of the result"
    before = load_file(adapter / "adapter_model.safetensors")
    after = load_file(config.out / "adapter_model.safetensors")
    assert before.keys() == after.keys()
    assert any(not before[name].equal(after[name]) for name in before)

    tokens = examples.load_tokens(loading.base_folder(config.base))
    policy, reference = (loading.load_model(config.base, folder) for folder in (config.out, adapter))
    rows = sorted(shards.read(snapshot, Label), key=lambda row: row.good)
    held_out = [row for row in rows if row.split == "validation"]

    def mean_log_ratio(rows):
        return sum(log_p(policy, tokens, row) - log_p(reference, tokens, row) for row in rows) / len(rows)

    bad, good = (config.beta * mean_log_ratio(rows) for rows in (held_out[:5], held_out[5:]))
    assert (result.held_out_bad_reward, result.held_out_good_reward) == pytest.approx((bad, good), abs=1e-3)
    lenders = kto.borrowed_rows([tokens.prompt(row) for row in held_out])
    borrowed = [
        row.model_copy(update={"rewrite": held_out[i].rewrite})
        for row, i in zip(held_out, lenders, strict=True)
    ]
    assert result.kl_nats == pytest.approx(mean_log_ratio(borrowed), abs=1e-2)


def test_another_adapter_is_another_run(config, adapter):
    short = config.model_copy(update={"steps": 1})
    first = kto.main(short)
    weights = adapter / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    assert kto.main(short).digest != first.digest


@given(good=st.integers(1, 10_000), bad=st.integers(1, 10_000))
def test_the_weights_balance_the_kinds_and_raise_the_rarer_one_only(good, bad):
    good_weight, bad_weight = kto.weights(good, bad)
    assert 1 - 1e-9 <= good_weight * good / (bad_weight * bad) <= 4 / 3 + 1e-9
    assert min(good_weight, bad_weight) == 1


@given(prompts=st.lists(st.integers(0, 3).map(lambda i: [i]), min_size=1, max_size=9))
def test_every_completion_is_lent_once_and_to_another_message_where_that_is_possible(prompts):
    lenders = kto.borrowed_rows(prompts)
    assert sorted(lenders) == list(range(len(prompts)))
    own_prompt_matches = sum(prompts[i] == prompts[lender] for i, lender in enumerate(lenders))
    if len({prompt[0] for prompt in prompts}) == len(prompts) > 1:
        assert own_prompt_matches == 0
    for shift in range(1, len(prompts)):
        rotated = prompts[-shift:] + prompts[:-shift]
        assert own_prompt_matches <= sum(a == b for a, b in zip(prompts, rotated, strict=True))


def test_completions_are_lent_within_a_batch():
    rows = [{"prompt_ids": [i // 2], "completion_ids": [i]} for i in range(9)]
    lent = [row["KL_completion_ids"][0] for row in kto.add_borrowed(rows, batch_size=4)]
    assert lent == [2, 3, 0, 1, 6, 7, 4, 5, 8], "by two, since neighbours are of one message; 8 is alone"


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (lambda row: row.good, "15 good and 0 bad rows remain for training"),
        (lambda row: not row.good or row.split == "train", "0 good and 5 bad rows remain for validation"),
    ],
)
def test_one_kind_of_label_is_too_little(config, snapshot, tmp_path, keep, message):
    rows = (row for row in shards.read(snapshot, Label) if keep(row))
    one_kind = shards.write(tmp_path / "one-kind", rows)
    with pytest.raises(ValueError, match=f"{message}.*collect more thumbs"):
        kto.main(config.model_copy(update={"snapshots": (one_kind,)}))


def test_the_shipped_config_is_read_and_a_batch_of_one_is_refused():
    assert configs.load(KtoConfig, "configs/kto.yaml", ["steps=3"]).steps == 3
    with pytest.raises(ValueError, match="batch_size"):
        configs.load(KtoConfig, "configs/kto.yaml", ["batch_size=1"])
