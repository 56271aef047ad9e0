import pytest
from safetensors.torch import load_file

from models import dpo, loading
from models.dpo import DpoConfig

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


def test_a_run_that_leaves_its_range_is_stopped_and_says_so(config):
    result = dpo.main(config.model_copy(update={"healthy": {"grad_norm": (0.0, 1e-6)}, "steps": 60}))
    assert str(result.unhealthy[0]).startswith("grad_norm is ")
    assert max(entry["step"] for entry in result.history) < 20, "stopped early"
    assert (config.out / "health.png").exists()
    assert dpo.main(config).unhealthy == ()
