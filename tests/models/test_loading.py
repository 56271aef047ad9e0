import json
import shutil

import pytest
import torch
from peft import LoraConfig, get_peft_model

from models import loading, prompts


def test_a_folder_with_its_frame_is_the_base(tiny_base, tmp_path):
    assert loading.base_folder(str(tiny_base), tmp_path) == tiny_base


def test_a_plain_folder_is_copied_once_with_its_frame(tiny_base, tmp_path):
    plain = tmp_path / "plain"
    shutil.copytree(tiny_base, plain, ignore=shutil.ignore_patterns(prompts.FILE))
    folder = loading.base_folder(str(plain), tmp_path / "bases")
    assert prompts.read(folder) == prompts.read(tiny_base)
    changed = (folder / "model.safetensors").stat().st_mtime_ns
    assert loading.base_folder(str(plain), tmp_path / "bases") == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == changed


def test_two_folders_of_one_name_are_two_bases(tiny_base, tmp_path):
    for parent in ("a", "b"):
        shutil.copytree(tiny_base, tmp_path / parent / "m", ignore=shutil.ignore_patterns(prompts.FILE))
    folders = {loading.base_folder(str(tmp_path / parent / "m"), tmp_path / "bases") for parent in "ab"}
    assert len(folders) == 2


def test_a_name_that_is_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="nor an existing folder"):
        loading.base_folder("no-such-model", tmp_path)


def test_what_was_cut_off_half_way_is_made_anew(tiny_base, tmp_path):
    plain, bases = tmp_path / "plain", tmp_path / "bases"
    shutil.copytree(tiny_base, plain, ignore=shutil.ignore_patterns(prompts.FILE))
    folder = loading.base_folder(str(plain), bases)
    partial = folder.with_name(folder.name + ".partial")
    folder.rename(partial)
    (partial / "model.safetensors").write_bytes(b"half")
    loading.load_model(loading.base_folder(str(plain), bases))
    assert not partial.exists()


def test_a_tokenizer_without_chat_template_is_refused(tiny_base, tmp_path):
    shutil.copytree(tiny_base, tmp_path / "m")
    (tmp_path / "m" / "chat_template.jinja").unlink()
    config = tmp_path / "m" / "tokenizer_config.json"
    stored = json.loads(config.read_text())
    stored.pop("chat_template", None)
    config.write_text(json.dumps(stored))
    with pytest.raises(ValueError, match="no chat template"):
        loading.load_tokenizer(tmp_path / "m")


def test_pickled_weights_are_refused(tiny_base, tmp_path):
    shutil.copytree(tiny_base, tmp_path / "m")
    model = loading.load_model(tiny_base)
    (tmp_path / "m" / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "m" / "pytorch_model.bin")
    with pytest.raises(OSError, match="safetensors"):
        loading.load_model(tmp_path / "m")


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_an_adapter_is_merged(tiny_base, tmp_path):
    adapted = get_peft_model(
        loading.load_model(tiny_base), LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False)
    ).eval()
    adapted.save_pretrained(tmp_path)
    ids = torch.tensor([[3, 4, 5]])
    with torch.inference_mode():
        wanted, merged, base = (
            model.eval()(ids).logits
            for model in (adapted, loading.load_model(tiny_base, tmp_path), loading.load_model(tiny_base))
        )
    torch.testing.assert_close(merged, wanted, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(merged, base, atol=1e-3)
