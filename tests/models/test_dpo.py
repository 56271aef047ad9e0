import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from data.records import PreferencePair
from data.snapshots import snapshot
from models import dpo, examples, loading
from models.dpo import DpoConfig
from models.training import training_order
from tests.snapshots import TEACHER

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


@pytest.fixture
def config(twelve_steps):
    return DpoConfig(**twelve_steps)


def test_training_goes_on_from_the_sft_adapter_which_is_the_reference(config, adapter):
    result = dpo.main(config)
    assert result.history[0]["eval_rewards/margins"] == pytest.approx(0, abs=1e-4)
    assert result.held_out_margin > 0.1
    assert (result.train_pairs, result.validation_pairs) == (15, 5)
    assert result.grad_norm_highest > 0
    files = {file.name for file in config.out.iterdir()}
    assert files >= {"adapter_model.safetensors", "metrics.json", "loss.png"}
    assert "ref" not in files, "the reference is not part of the result"
    before = load_file(adapter / "adapter_model.safetensors")
    after = load_file(config.out / "adapter_model.safetensors")
    assert before.keys() == after.keys()
    assert any(not before[name].equal(after[name]) for name in before)
    loading.load_model(config.base, config.out)


def test_another_adapter_is_another_run(config, adapter):
    first = dpo.main(config)
    weights = adapter / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    assert dpo.main(config).digest != first.digest


def test_a_judges_pairs_are_trained_on_beside_peoples_and_measure_nothing(config, tmp_path):
    rows = [
        PreferencePair(
            text=f"Send PAY-{number}.",
            transform_type="soften",
            intensity=2,
            chosen=f"Could you please send PAY-{number}?",
            rejected=f"Send PAY-{number}. It is broken again.",
            chosen_version="teacher:large",
            rejected_version="teacher:large",
        )
        for number in range(20)
    ]
    of_teacher = snapshot.write_of_teacher(tmp_path, [(row, ()) for row in rows], [], TEACHER).folder
    result = dpo.main(
        config.model_copy(update={"teachers": (of_teacher,), "teacher_share": 0.25, "steps": 2})
    )
    assert (result.train_pairs, result.validation_pairs) == (20, 5), "15 of people and 5 of the judge"


def test_a_run_that_leaves_its_range_is_stopped_and_says_so(config):
    result = dpo.main(config.model_copy(update={"healthy": {"grad_norm": (0.0, 1e-6)}, "steps": 60}))
    assert str(result.unhealthy[0]).startswith("grad_norm is ")
    assert max(entry["step"] for entry in result.history) < 20, "stopped early"
    assert (config.out / "health.png").exists()
    assert dpo.main(config).unhealthy == ()


def weighted_log_prob(model, tokens, row, rewrite, alpha):
    """log p of a pair's rewrite, whose tokens beyond the shorter one's length count `alpha`: by LD-DPO's
    definition, from the logits at every position.
    """
    shared = min(len(tokens.completion(row.chosen)), len(tokens.completion(row.rejected)))
    prompt, completion = tokens.prompt(row), tokens.completion(rewrite)
    log_probs = model(input_ids=torch.tensor([prompt + completion])).logits[0].log_softmax(-1)
    of_tokens = torch.stack([log_probs[len(prompt) - 1 + i, token] for i, token in enumerate(completion)])
    return of_tokens[:shared].sum() + alpha * of_tokens[shared:].sum()


@pytest.mark.parametrize("alpha", [1.0, 0.5, 0.0])
def test_the_tokens_beyond_the_shorter_rewrite_count_as_much_as_ld_alpha_says(config, adapter, alpha):
    """The gradient of the first step, and the held-out margin and loss after it, are LD-DPO's."""
    config = config.model_copy(
        update={"ld_alpha": alpha, "sft_weight": 0.0, "masks": False, "steps": 2, "batch_size": 15}
    )
    result = dpo.main(config)

    tokens = examples.load_tokens(loading.base_folder(config.base))
    rows = examples.read_snapshots(config.snapshots, PreferencePair)
    lengths = {(len(tokens.completion(row.chosen)), len(tokens.completion(row.rejected))) for row in rows}
    assert all(chosen != rejected for chosen, rejected in lengths), "else alpha would change nothing"

    def delta(model, row):
        return weighted_log_prob(model, tokens, row, row.chosen, alpha) - weighted_log_prob(
            model, tokens, row, row.rejected, alpha
        )

    def load(folder):
        return PeftModel.from_pretrained(loading.load_model(config.base), str(folder), is_trainable=True)

    # Before the first step the log-ratios are 0, where -log sigma(x) has the slope -1/2.
    start = load(adapter)
    train = [row for row in rows if row.split == "train"]
    order = training_order([dpo.example(tokens, row)["length"] for row in train], 2, 15, config.seed)
    train = [train[i] for i in order[:15]]
    (-0.5 * config.beta * sum(delta(start, row) for row in train) / len(train)).backward()
    gradient = torch.cat([w.grad.flatten() for w in start.parameters() if w.requires_grad]).norm().item()
    first = next(entry for entry in result.history if "grad_norm" in entry)
    assert (first["step"], first["grad_norm"]) == (1, pytest.approx(gradient, rel=1e-4))

    with torch.no_grad():
        trained = load(config.out)
        margins = torch.stack(
            [
                config.beta * (delta(trained, row) - delta(start, row))
                for row in rows
                if row.split == "validation"
            ]
        )
    assert margins.abs().min() > 1e-4, "else nothing is compared"
    assert result.held_out_margin == pytest.approx(margins.mean().item(), rel=1e-3)
    loss = -torch.nn.functional.logsigmoid(margins).mean().item()
    assert result.history[-1]["eval_loss"] == pytest.approx(loss, rel=1e-5)


def test_the_divergence_is_logged_as_the_mean_negative_log_ratio_of_both_rewrites(config):
    result = dpo.main(config)
    for prefix in ("", "eval_"):
        entries = [entry for entry in result.history if f"{prefix}kl" in entry]
        assert len(entries) >= 2
        for entry in entries:
            rewards = entry[f"{prefix}rewards/chosen"] + entry[f"{prefix}rewards/rejected"]
            assert entry[f"{prefix}kl"] == pytest.approx(-rewards / (2 * config.beta), abs=1e-6)
    assert result.kl_nats == result.history[-1]["eval_kl"] != 0
