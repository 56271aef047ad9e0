"""Where a version's quantised weights run: on which device of CTranslate2, and in which type."""

import json
import os
from collections.abc import Set
from pathlib import Path
from typing import Any

import ctranslate2

from configs.settings import Device

_CPU_WORKERS = 2  # batches that are decoded at the same time, by one thread each
_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of a container: microseconds of processor time in each period


def choose(device: Device, cuda_devices: int) -> tuple[str, int]:
    """CTranslate2's name of a device and its index; "auto" is the first GPU, or the CPU without one.

    Raises ValueError when the machine has no such GPU.
    """
    if device == "cpu" or (device == "auto" and not cuda_devices):
        return "cpu", 0
    index = int(device.partition(":")[2] or 0)
    if index >= cuda_devices:
        raise ValueError(
            f"device={device}, but CTranslate2 sees {cuda_devices} GPUs here: set TONEBRIDGE_DEVICE, or a "
            "stage's `device`, to auto or cpu, or install a CUDA driver"
        )
    return "cuda", index


def count_cpus(quota: Path = _QUOTA) -> int:
    """The processors that this process may use at the same time, at least 1: those that it is allowed to run
    on, and no more than its container's share of processor time. `os.cpu_count` counts the machine's.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        time_us, period_us = quota.read_text(encoding="ascii").split()
    except OSError:  # another system, or no container
        return allowed
    return allowed if time_us == "max" else max(1, min(allowed, round(int(time_us) / int(period_us))))


def torch_device(device: Device) -> str:
    """torch's name of the device that `device` chooses for CTranslate2."""
    name, index = choose(device, ctranslate2.get_cuda_device_count())
    return name if name == "cpu" else f"{name}:{index}"


def compute_type(quantization: str, device: str, supported: Set[str]) -> str:
    """CTranslate2's type of products, for weights that were exported with a quantisation.

    On a CPU, and for weights that are not in int8, it is the type of the file. On CUDA the other operands of
    products with int8 weights have the best 16-bit type of the GPU: bf16 has the range that Gemma needs.
    """
    if device == "cpu" or not quantization.startswith("int8"):
        return "default"
    candidates = ("int8_bfloat16", "int8_float16", "int8_float32")
    return next((kind for kind in candidates if kind in supported), "default")


def arguments(version: Path, device: Device) -> dict[str, Any]:
    """The arguments of `ctranslate2.Generator` for a version folder, without its number of workers."""
    name, index = choose(device, ctranslate2.get_cuda_device_count())
    stored = json.loads((version / "version.json").read_text(encoding="utf-8"))
    supported = ctranslate2.get_supported_compute_types(name, index)
    return {
        "model_path": str(version / "ctranslate2"),
        "device": name,
        "device_index": index,
        "compute_type": compute_type(stored.get("quantization", "int8"), name, supported),
        "intra_threads": 1,
    }


def open_generator(version: Path, device: Device, workers: int | None = None) -> ctranslate2.Generator:
    """A version's quantised weights on a device.

    Unless `workers` is given, two decode at the same time on the CPU, with the same weights in memory, and
    one on a GPU or where there is one processor: two would take turns there, with half of a batch each.
    """
    chosen = arguments(version, device)
    if workers is None:
        workers = min(_CPU_WORKERS, count_cpus()) if chosen["device"] == "cpu" else 1
    return ctranslate2.Generator(**chosen, inter_threads=workers)
