import dataclasses
import gc
import json
import shutil
import time

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file

from data.corpus import SEED, read
from data.records import Spec, TransformType
from models import loading, prompts
from models.export import agreement, base_version, export
from serving.inference import engines
from serving.inference.client import Item
from tests import architectures

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


@pytest.fixture(scope="module")
def messages(tiny_texts):
    return [(text, TransformType.SOFTEN, 2) for text in tiny_texts[:8]]


@pytest.fixture(scope="module")
def base(build_tiny, tiny_texts, tmp_path_factory):
    return build_tiny(tmp_path_factory.mktemp("base") / "babbler", tiny_texts, spread=0.5)


@pytest.fixture(scope="module")
def version(base, tmp_path_factory):
    return export(base, None, tmp_path_factory.mktemp("export") / "base", "float32")


def test_a_version_folder_is_complete(version, base):
    assert sorted(path.name for path in version.iterdir()) == [
        "ctranslate2",
        "frame.json",
        "tokenizer.json",
        "transformers",
        "version.json",
    ]
    assert prompts.read(version) == prompts.read(base)
    metadata = json.loads((version / "version.json").read_text())
    assert metadata["base"] == "babbler"
    assert metadata["policy"] == loading.policy_digest(base, None)
    assert metadata["quantization"] == "float32"
    assert not list(version.parent.glob("*.partial"))


def test_an_unquantised_export_is_the_model(version, messages):
    result = agreement(version, messages, max_new_tokens=16)
    assert result.same_choice == 1.0
    assert result.regret_nats < 1e-4
    assert result.tokens > 16


@pytest.mark.parametrize("name", ["qwen2", "qwen3", "llama", "gemma2", "gemma3", "mistral"])
def test_an_unquantised_export_is_the_model_in_every_architecture(name, messages, tiny_texts, tmp_path):
    plain = architectures.build(name, tmp_path / name, tiny_texts, "float32", spread=0.5)
    base = loading.base_folder(str(plain), tmp_path / "bases")
    result = agreement(export(base, None, tmp_path / "v", "float32"), messages, max_new_tokens=16)
    assert result.same_choice == 1.0
    assert result.regret_nats < 1e-4
    assert prompts.read(tmp_path / "v").stop == architectures.ARCHITECTURES[name].turn_end


@pytest.fixture
def nothing_frozen():
    """The process as it is without the tests' own `gc.freeze` (tests/conftest.py)."""
    gc.unfreeze()
    yield
    gc.freeze()


def test_an_architecture_that_ctranslate2_cannot_convert_is_refused(nothing_frozen, tiny_texts, tmp_path):
    plain = architectures.build("phi3", tmp_path / "phi3", tiny_texts)
    with pytest.raises(ValueError, match="CTranslate2 cannot convert a phi3 model"):
        export(loading.base_folder(str(plain), tmp_path / "bases"), None, tmp_path / "v")
    assert not (tmp_path / "v").exists()
    assert gc.get_freeze_count() == 0


def test_the_converter_does_not_search_all_objects_of_the_process(nothing_frozen, base, tmp_path):
    # It collects garbage after each layer, which takes most of an export in a process with many objects.
    searched = []

    def count(phase, details):
        if phase == "start" and details["generation"] == 2:
            searched.append(len(gc.get_objects()))

    kept = [[] for _ in range(300_000)]
    gc.callbacks.append(count)
    try:
        export(base, None, tmp_path / "version")
    finally:
        gc.callbacks.remove(count)
    assert min(searched) < len(kept)
    assert gc.get_freeze_count() == 0


def test_what_the_process_has_frozen_stays_frozen(nothing_frozen, base, tmp_path):
    gc.freeze()
    export(base, None, tmp_path / "version")
    assert gc.get_freeze_count() > 0


def test_a_base_without_an_adapter_keeps_its_dtype_and_an_adapter_is_merged_in_the_one_asked_for(
    tiny_texts, write_adapter, tmp_path
):
    plain = architectures.build("qwen2", tmp_path / "qwen2", tiny_texts)
    bf16 = loading.base_folder(str(plain), tmp_path / "bases")
    adapter = write_adapter(bf16, tmp_path / "adapter")
    dtypes = {}
    for name, arguments in {
        "bare": (None,),
        "merged": (adapter,),
        "rounded": (adapter, "int8", torch.bfloat16),
    }.items():
        first, *others = arguments
        folder = export(bf16, first, tmp_path / name, *others)
        dtypes[name] = loading.load_model(folder / "transformers", dtype="auto").dtype
    assert dtypes == {"bare": torch.bfloat16, "merged": torch.float32, "rounded": torch.bfloat16}


def test_a_version_keeps_the_frame_of_its_base(base, tmp_path):
    earlier = tmp_path / "earlier"
    shutil.copytree(base, earlier)
    # As by an earlier release, which stopped at another token.
    frame = dataclasses.replace(prompts.read(base), stop="<|endoftext|>")
    frame.save(earlier)
    version = export(earlier, None, tmp_path / "v")
    assert prompts.read(version) == prompts.read(version / "transformers") == frame


def test_int8_is_near_and_smaller(base, version, messages, tmp_path):
    quantised = export(base, None, tmp_path / "v")
    # Wide limits: on a CPU without VNNI instructions the int8 products of these random weights saturate (34 %
    # the same choice, where others have over 60 %). Trained weights hardly do: 94 % on the same CPU.
    result = agreement(quantised, messages, max_regret_nats=5.0, min_same_choice=0.2)
    assert result.regret_nats > 0
    sizes = [(folder / "ctranslate2" / "model.bin").stat().st_size for folder in (quantised, version)]
    assert sizes[0] < 0.5 * sizes[1]


def test_scrambled_weights_are_caught(version, messages, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(version, broken)
    stored = load_file(version / "transformers" / "model.safetensors")
    weight = stored["model.layers.1.mlp.down_proj.weight"].numpy()
    model = broken / "ctranslate2" / "model.bin"
    content = model.read_bytes()
    assert content.count(weight.tobytes()) == 1
    model.write_bytes(content.replace(weight.tobytes(), weight[::-1].tobytes()))
    with pytest.raises(ValueError, match="not the model that was trained"):
        agreement(broken, messages, max_new_tokens=16)


def test_a_cut_off_file_is_caught(version, messages, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(version, broken)
    model = broken / "ctranslate2" / "model.bin"
    model.write_bytes(model.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="cannot be loaded"):
        agreement(broken, messages, max_new_tokens=16)


def test_the_adapter_is_in_the_export(base, version, messages, tmp_path):
    torch.manual_seed(0)
    config = LoraConfig(r=2, target_modules=["q_proj", "down_proj"], init_lora_weights=False)
    get_peft_model(loading.load_model(base), config).save_pretrained(tmp_path / "adapter")
    tuned = export(base, tmp_path / "adapter", tmp_path / "v", "float32")
    policies = {loading.policy_digest(base, adapter) for adapter in (None, tmp_path / "adapter")}
    assert len(policies) == 2
    assert json.loads((tuned / "version.json").read_text())["policy"] in policies
    agreement(tuned, messages, max_new_tokens=16)
    # The base's int8 copy under the tuned model's weights must not pass: the check sees which model it is.
    shutil.rmtree(tuned / "ctranslate2")
    shutil.copytree(version / "ctranslate2", tuned / "ctranslate2")
    with pytest.raises(ValueError, match="not the model that was trained"):
        agreement(tuned, messages, max_new_tokens=16)


def test_a_folder_without_adapter_weights_is_refused(base, tmp_path):
    with pytest.raises(ValueError, match="is no adapter"):
        export(base, tmp_path, tmp_path / "v")
    assert not (tmp_path / "v").exists()


def test_a_half_written_export_is_replaced(base, tmp_path):
    (tmp_path / "v.partial" / "transformers").mkdir(parents=True)
    (tmp_path / "v.partial" / "transformers" / "junk").touch()
    export(base, None, tmp_path / "v")
    assert not list((tmp_path / "v").rglob("junk"))


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_real_base_is_exported_agrees_and_writes(tmp_path):
    start = time.perf_counter()
    version = export(loading.base_folder(loading.PIP_MODEL), None, tmp_path / "base")
    exported_s = time.perf_counter() - start
    texts = [original.text for original in read(SEED / "train")[:32]]
    result = agreement(version, [(text, TransformType.SOFTEN, 2) for text in texts[:16]], max_new_tokens=32)
    start = time.perf_counter()
    engine = engines.load(version, "ctranslate2")
    print(f"\nexport {exported_s:.1f} s, load {time.perf_counter() - start:.2f} s, {result}")
    items = [Item(text=text, transform_type=TransformType.SOFTEN, intensity=2) for text in texts]
    for count in (1, 8, 16, 32):
        start = time.perf_counter()
        rewrites = engine.generate(Spec(version="base", max_new_tokens=40), items[:count])
        rate = sum(rewrite.tokens for rewrite in rewrites) / (time.perf_counter() - start)
        print(f"{count} at once: {rate:.0f} tokens/s")
    assert all(len(rewrite.text.split()) > 3 for rewrite in rewrites)
    assert sum(rewrite.text.isascii() for rewrite in rewrites) > 16  # English, not noise


def test_a_base_version_is_made_once(tiny_base, tmp_path):
    folder = base_version(str(tiny_base), tmp_path / "base-version")
    made = (folder / "version.json").stat().st_mtime_ns
    assert base_version(str(tiny_base), folder) == folder
    assert (folder / "version.json").stat().st_mtime_ns == made


def test_a_base_version_of_another_base_is_replaced(tiny_base, tiny_texts, tmp_path):
    folder = base_version(str(tiny_base), tmp_path / "base-version")
    other = loading.base_folder(str(architectures.build("qwen3", tmp_path / "q", tiny_texts)), tmp_path / "b")
    assert prompts.read(base_version(str(other), folder)) == prompts.read(other)
