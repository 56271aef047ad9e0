import pytest
import torch

from models import loading, prompts, reward, shallow


def test_a_cut_base_computes_what_its_first_layers_compute(tiny_base, tmp_path):
    out = shallow.cut(tiny_base, 1, tmp_path / "cut")
    whole, cut = (loading.load_model(folder).eval() for folder in (tiny_base, out))
    assert (whole.config.num_hidden_layers, cut.config.num_hidden_layers) == (2, 1)
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.inference_mode():
        after_first = whole(ids, output_hidden_states=True).hidden_states[1]
        expected = whole.get_output_embeddings()(whole.base_model.norm(after_first))
        assert torch.allclose(cut(ids).logits, expected, atol=1e-5)
    assert prompts.read(out) == prompts.read(tiny_base)


def test_a_reward_model_can_start_from_it(tiny_base, tmp_path):
    out = shallow.cut(tiny_base, 1, tmp_path / "cut")
    tokens = reward.load_tokens(out)
    model = reward.RewardModel(reward.untrained(out, None, tokens, seed=0), tokens)
    assert len(model.score_ids([[5, 6], [7]])) == 2


@pytest.mark.parametrize("layers", [0, 3])
def test_other_numbers_of_layers_are_refused(tiny_base, tmp_path, layers):
    with pytest.raises(ValueError, match="has 2 layers"):
        shallow.cut(tiny_base, layers, tmp_path / "cut")
    assert not (tmp_path / "cut").exists()
