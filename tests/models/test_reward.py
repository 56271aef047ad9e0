import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

import configs
from data.records import Demonstration, TransformType
from models import examples, loading, reward
from models.reward import RewardConfig

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


@pytest.fixture
def config(twelve_steps):
    return RewardConfig(**twelve_steps, lora_rank=4)


def rows(*rewrites, text="Fix PAY-7 today."):
    return [
        Demonstration(text=text, transform_type=TransformType.SOFTEN, intensity=2, rewrite=rewrite)
        for rewrite in rewrites
    ]


@pytest.mark.usefixtures("one_thread")
def test_it_learns_what_people_chose_and_its_folder_stands_alone(config, tiny_base):
    result = reward.main(config)
    assert (result.train_pairs, result.validation_pairs) == (15, 5)
    assert result.held_out_accuracy == 1
    assert result.held_out_margin > result.held_out_margin_before + 1
    assert result.held_out_loss_after < result.held_out_loss_before - 0.2
    assert result.grad_norm_highest > 0
    files = {file.name for file in config.out.iterdir()}
    assert files >= {"model.safetensors", "tokenizer.json", "frame.json", "metrics.json", "loss.png"}
    assert not any("adapter" in file for file in files), "it is merged"
    assert json.loads((config.out / "metrics.json").read_text())["digest"] == result.digest

    cases = rows("Could you please look at PAY-7 today?", "Fix PAY-7. It is broken again.")
    first, again = reward.load(config.out), reward.load(config.out)
    assert first.score(cases) == again.score(cases)
    assert first.score(cases)[0] > first.score(cases)[1] + 0.5
    start = reward.untrained(tiny_base, config.adapter, reward.load_tokens(tiny_base), config.seed)
    assert not start.score.weight.equal(first.model.score.weight), "the head was trained too"
    up = [model.model.layers[0].mlp.up_proj.weight for model in (start, first.model)]
    assert not up[0].equal(up[1]), "and the adapter was merged"


def test_another_adapter_is_another_run(config, adapter):
    short = config.model_copy(update={"steps": 1})
    first = reward.main(short)
    weights = adapter / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    assert reward.main(short).digest != first.digest


@pytest.mark.usefixtures("one_thread")
def test_a_reward_does_not_depend_on_its_company(tiny_base, tiny_texts):
    tokens = reward.load_tokens(tiny_base)
    model = reward.RewardModel(reward.untrained(tiny_base, None, tokens, seed=0), tokens)
    cases = [row for text in tiny_texts for row in rows(text, f"{text} {text}", text=text)]
    together = model.score(cases)
    assert together == model.score(cases)
    assert together[::-1] == pytest.approx(model.score(cases[::-1]), abs=1e-4)
    assert together == pytest.approx([model.score([row])[0] for row in cases], abs=1e-4)
    assert len({round(value, 4) for value in together}) > len(tiny_texts)


def test_the_head_reads_the_stop_token_even_where_the_base_pads_with_it(tiny_base, tmp_path):
    base = shutil.copytree(tiny_base, tmp_path / "base")
    tokenizer = loading.load_tokenizer(base)
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(base)

    tokens = reward.load_tokens(base)
    assert examples.load_tokens(base).tokenizer.pad_token == tokens.frame.stop
    assert tokens.tokenizer.pad_token != tokens.frame.stop
    model = reward.untrained(base, None, tokens, seed=0)
    row = rows("Could you please look at it?")[0]
    ids = tokens.prompt(row) + tokens.completion(row.rewrite)
    with torch.no_grad():
        read = model.score(model.model(torch.tensor([ids])).last_hidden_state[0, -1]).item()
    assert tokens.tokenizer.decode(ids[-1]) == tokens.frame.stop
    assert reward.RewardModel(model, tokens).score_ids([ids, ids + ids])[0] == pytest.approx(read, abs=1e-5)


def test_the_head_is_drawn_from_the_seed(tiny_base):
    tokens = reward.load_tokens(tiny_base)
    heads = [reward.untrained(tiny_base, None, tokens, seed).score.weight for seed in (0, 0, 1)]
    assert heads[0].equal(heads[1])
    assert not heads[0].equal(heads[2])


def test_the_head_stays_in_float32_under_bf16(config):
    result = reward.main(config.model_copy(update={"bf16": True, "steps": 2}))
    assert result.held_out_loss_after != result.held_out_loss_before
    loaded = reward.load(config.out).model
    assert {weight.dtype for weight in loaded.parameters()} == {torch.float32}
    hidden = torch.randn(2, 3, 64)
    head = reward._Head(64)
    exact = head(hidden)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert head(hidden).equal(exact)


def test_a_language_model_is_no_reward_model(tiny_base):
    with pytest.raises(ValueError, match=r"LlamaForCausalLM.* train one with models\.reward"):
        reward.load(tiny_base)


def test_a_preference_is_the_sigmoid_of_the_difference(tiny_base):
    tokens = reward.load_tokens(tiny_base)
    model = reward.RewardModel(reward.untrained(tiny_base, None, tokens, seed=0), tokens)
    cases = rows("", "")
    one, other = ["Please look at it.", "No."], ["No.", "No."]
    probabilities = reward.preferred(model, cases, one, other)
    a, b = (model.score(rows(*rewrites)) for rewrites in (one, other))
    assert probabilities == pytest.approx([1 / (1 + 2.718281828 ** (b[0] - a[0])), 0.5], abs=1e-4)


def test_a_reward_that_is_only_length_is_seen():
    assert reward.length_correlation([0.1, 0.5, 3.0], [4, 5, 60]) == pytest.approx(1)
    assert reward.length_correlation([3.0, 0.5, 0.1], [4, 5, 60]) == pytest.approx(-1)
    assert reward.length_correlation([1.0, 1.0], [4, 5]) == 0
    assert reward.length_correlation([1.0, 2.0], [4, 4]) == 0


def test_the_shipped_config_is_read():
    assert configs.load(RewardConfig, "configs/reward.yaml", ["steps=3"]).steps == 3


def test_a_reward_model_in_bf16_is_so_from_file_to_file(config):
    result = reward.main(config.model_copy(update={"load": "bf16", "bf16": False}))
    assert result.held_out_accuracy == 1
    weights = load_file(config.out / "model.safetensors")
    assert {weight.dtype for name, weight in weights.items() if name.startswith("model.")} == {torch.bfloat16}
    model = reward.load(config.out)
    assert model.model.score.weight.dtype == torch.float32
    scores = model.score(rows("Could you please look at PAY-7 today?", "Fix PAY-7. It is broken again."))
    assert any(score != torch.tensor(score).bfloat16().item() for score in scores), "rewards are float32"
