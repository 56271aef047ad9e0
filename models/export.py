"""Makes a version folder for the inference service from a base and an adapter, and checks its quantised copy.

    python -m models.export configs/export.yaml adapter=artifacts/dpo out=artifacts/version
    python -m models.export configs/export.yaml adapter=null out=artifacts/base-version

ctranslate2/     quantised weights, for the serving engine
transformers/    the merged weights unquantised, for the plain engine and for the check
tokenizer.json   frame.json   version.json (base, policy, quantisation, created_at)
"""

import gc
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import torch
from ctranslate2.converters import TransformersConverter
from pydantic import Field

import configs
from configs.settings import Device
from data.records import TransformType
from models import devices, loading, prompts
from models.decoding import Decoder

_ADAPTER_WEIGHTS = "adapter_model.safetensors"
_TIE_NATS = 0.05  # log-probabilities that differ by at most this are a tie


class ExportConfig(configs.StageConfig):
    """The base, the adapter and the quantisation of a version folder."""

    base: str = loading.PIP_MODEL
    adapter: Annotated[Path | None, Field(description="the bare base when unset")] = Path("artifacts/sft")
    out: Path = Path("artifacts/version")
    quantization: Annotated[str, Field(description="CTranslate2's: int8, int16, float32, ...")] = "int8"
    load: Annotated[
        Literal["float32", "bf16"], Field(description="of the merged weights; bf16 takes half the memory")
    ] = "float32"


def export(
    base_folder: Path,
    adapter: Path | None,
    out: Path,
    quantization: str = "int8",
    dtype: torch.dtype = torch.float32,
) -> Path:
    """Merge `adapter` (None: the bare base) into the base and write a version folder; return `out`.

    `quantization` is one of CTranslate2's (int8, int16, float32, ...). An existing `out` is replaced, and
    only by a complete folder. `dtype` is that of the merged weights. An adapter that was trained on 4-bit
    weights is merged like any other, into the base as it was before. Raises ValueError when `adapter` has no
    adapter weights, or when CTranslate2 cannot convert the base's architecture.
    """
    if adapter is not None and not (adapter / _ADAPTER_WEIGHTS).is_file():
        raise ValueError(f"{adapter} is no adapter: it has no {_ADAPTER_WEIGHTS}; train one with models.sft")
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    # Merged in float32, before quantisation, so that the adapter is rounded once, together with its base. In
    # bf16 a base that has bf16 weights itself loses the updates that are smaller than half a step of them.
    # The serving engine reads no adapters.
    merged = partial / "transformers"
    # Without an adapter nothing is merged, and the weights stay as they are.
    model = loading.load_model(base_folder, adapter, dtype if adapter else "auto")
    frame = prompts.read(base_folder)
    loading.save(model, loading.load_tokenizer(base_folder), merged, frame)
    del model  # before the converter reads it again
    # int8 stores each row of a weight matrix W as round(W * s), with a float32 scale s = 127 / max|W| of the
    # row; the inputs of a product are quantised in the same way while it runs. Measured with the default base
    # (docs/training.md): 584 MB in a process instead of 990 in float32, and twice the tokens a second.
    # The converter collects garbage after each layer. Without `freeze` it would search all objects of the
    # process each time: with the libraries of the flows that is four fifths of the whole export.
    keeps_frozen = gc.get_freeze_count() > 0
    gc.freeze()
    try:
        TransformersConverter(str(merged)).convert(str(partial / "ctranslate2"), quantization=quantization)
    except (KeyError, NotImplementedError, ValueError) as error:
        kind = json.loads((merged / "config.json").read_text(encoding="utf-8"))["model_type"]
        raise ValueError(
            f"CTranslate2 cannot convert a {kind} model ({error!r}): take a base of another architecture, "
            "see docs/your-own-model.md"
        ) from error
    finally:
        if not keeps_frozen:  # else the process has objects that are to stay frozen
            gc.unfreeze()
    shutil.copy2(merged / "tokenizer.json", partial)
    shutil.copy2(merged / prompts.FILE, partial)
    version = {
        "base": base_folder.name,
        "policy": loading.policy_digest(base_folder, adapter),
        "quantization": quantization,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    (partial / "version.json").write_text(json.dumps(version, indent=1), encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    partial.replace(out)
    return out


def base_version(base: str, out: Path) -> Path:
    """The bare base as a version folder, exported when it is missing or is of a base of another name.

    The first version is compared with it, and fluency is measured under it. It is never served.
    """
    folder, stored = loading.base_folder(base), out / "version.json"
    if stored.exists() and json.loads(stored.read_text(encoding="utf-8")).get("base") == folder.name:
        return out
    return export(folder, None, out)


@dataclass(frozen=True)
class Agreement:
    """How well the quantised model's greedy outputs agree with the unquantised model.

    `same_choice` is the share of tokens that the unquantised model would have chosen too, or finds at least
    0.95 times as likely as its own choice: between such tokens rounding decides. `regret_nats` is the mean of
    its log-probability of its own choice minus that of the chosen token. A perfect copy has 1 and 0. Both are
    computed at each token given the tokens before it, so they stay meaningful after two greedy outputs have
    diverged.
    """

    same_choice: float
    regret_nats: float
    tokens: int


def agreement(
    folder: Path,
    messages: Sequence[tuple[str, TransformType, int]],
    max_new_tokens: int = 64,
    max_regret_nats: float = 0.1,
    min_same_choice: float = 0.85,
    device: Device = "auto",
) -> Agreement:
    """Measure a version's CTranslate2 copy by its unquantised weights.

    A message is (text, transform type, intensity).
    Raises ValueError when the copy cannot be loaded, or when a limit is exceeded.
    For 135M parameters int8 has a regret of 0.02 to 0.05 nats and writes other tokens in 6 to 10 % of the
    places. One scrambled MLP of thirty has 0.28 nats and 19 %. These shares include ties.
    """
    try:
        rewrites = [answer for [answer] in Decoder(folder, device).rewrite(messages, max_new_tokens)]
    except (RuntimeError, UnicodeDecodeError) as error:  # the latter when the error message has broken bytes
        raise ValueError(f"{folder}: the quantised copy cannot be loaded; export it again") from error
    # As they were merged, so in float32 unless the export says bf16; `eval` switches dropout off.
    model = loading.load_model(folder / "transformers", dtype="auto").eval()
    model.to(devices.torch_device(device))
    regrets: list[torch.Tensor] = []
    # One rewrite at a time: no padding to mask, and logits of one row in memory.
    for rewrite in rewrites:
        # (tokens,), int64, with the stop token
        chosen = torch.tensor(rewrite.ids, device=model.device)
        with torch.inference_mode():
            # The quantised model's own tokens are the context, so that one other choice does not shift all
            # tokens after it.
            ids = torch.tensor([[*rewrite.prompt_ids, *rewrite.ids]], device=model.device)  # (1, all tokens)
            # The logits at a position predict the next token, so the slice starts at the last prompt token.
            logits = model(ids).logits[0, len(rewrite.prompt_ids) - 1 : -1].float()  # (tokens, vocabulary)
        log_probs = logits.log_softmax(-1)  # (tokens, vocabulary)
        # max - chosen, (tokens,) each, so never below 0. Where the choices agree both are the same element:
        # the difference is 0 exactly, and `== 0` below needs no tolerance.
        regrets.append(log_probs.max(-1).values - log_probs.gather(1, chosen[:, None])[:, 0])
    regret = torch.cat(regrets)  # (tokens of all rewrites,), in nats
    result = Agreement((regret <= _TIE_NATS).float().mean().item(), regret.mean().item(), len(regret))
    # Negated, so that NaN is refused too.
    if not (result.regret_nats <= max_regret_nats and result.same_choice >= min_same_choice):
        raise ValueError(
            f"{folder}: the quantised copy is not the model that was trained: it chooses the same token in "
            f"{result.same_choice:.1%} of {result.tokens} places (limit {min_same_choice:.0%}) at a regret "
            f"of {result.regret_nats:.3f} nats (limit {max_regret_nats}); export it again, or with float32"
        )
    return result


def main(config: ExportConfig) -> Path:
    """Write the version folder of a base and an adapter; return it."""
    dtype = torch.bfloat16 if config.load == "bf16" else torch.float32
    return export(loading.base_folder(config.base), config.adapter, config.out, config.quantization, dtype)


if __name__ == "__main__":
    print(f"wrote {main(configs.from_command_line(ExportConfig, sys.argv[1:]))}")
