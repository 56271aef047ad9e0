import os

import ctranslate2
import pytest
from pydantic import ValidationError

from configs.settings import Settings
from models import devices
from models.evaluation import EvaluateConfig

AMPERE = {"float32", "float16", "bfloat16", "int8", "int8_float32", "int8_float16", "int8_bfloat16"}
TURING = {"float32", "float16", "int8", "int8_float32", "int8_float16"}


@pytest.mark.parametrize(
    ("device", "gpus", "chosen"),
    [
        ("auto", 0, ("cpu", 0)),
        ("auto", 2, ("cuda", 0)),
        ("cpu", 2, ("cpu", 0)),
        ("cuda", 1, ("cuda", 0)),
        ("cuda:1", 2, ("cuda", 1)),
    ],
)
def test_auto_is_the_first_gpu_or_the_cpu(device, gpus, chosen):
    assert devices.choose(device, gpus) == chosen


@pytest.mark.parametrize(("device", "gpus"), [("cuda", 0), ("cuda:1", 1)])
def test_a_gpu_that_is_not_there_is_refused(device, gpus):
    with pytest.raises(ValueError, match=f"device={device}, but CTranslate2 sees {gpus} GPUs .* auto or cpu"):
        devices.choose(device, gpus)


@pytest.mark.parametrize(
    ("quantization", "device", "supported", "kind"),
    [
        ("int8", "cpu", AMPERE, "default"),
        ("int8", "cuda", AMPERE, "int8_bfloat16"),
        ("int8", "cuda", TURING, "int8_float16"),
        ("int8", "cuda", {"float32", "int8_float32"}, "int8_float32"),
        ("bfloat16", "cuda", AMPERE, "default"),
        ("float32", "cuda", AMPERE, "default"),
    ],
)
def test_a_gpu_multiplies_int8_weights_in_its_best_16_bits(quantization, device, supported, kind):
    assert devices.compute_type(quantization, device, supported) == kind


def test_every_chosen_type_is_one_of_ctranslate2(tiny_version):
    weights = str(tiny_version / "ctranslate2")
    for kind in ("int8_bfloat16", "int8_float16"):  # which a CPU has not, unlike a GPU
        with pytest.raises(ValueError, match=f"do not support efficient {kind}"):
            ctranslate2.Generator(weights, compute_type=kind)
    for kind in ("default", "int8_float32"):
        assert "int8" in ctranslate2.Generator(weights, compute_type=kind).compute_type


@pytest.mark.skipif(ctranslate2.get_cuda_device_count() > 0, reason="this machine has a GPU")
@pytest.mark.parametrize(("cpus", "workers"), [(1, 1), (2, 2), (8, 2)])
def test_without_a_gpu_up_to_two_workers_write_on_the_cpu(tiny_version, cpus, workers, monkeypatch):
    monkeypatch.setattr(devices, "count_cpus", lambda: cpus)
    generator = devices.open_generator(tiny_version, "auto")
    assert (generator.device, generator.num_generators) == ("cpu", workers)
    assert devices.torch_device("auto") == "cpu"
    assert devices.open_generator(tiny_version, "cpu", workers=1).num_generators == 1


@pytest.mark.parametrize(
    ("quota", "cpus"),
    [
        ("max 100000", 8),
        ("100000 100000", 1),
        ("50000 100000", 1),
        ("250000 100000", 2),
        ("1600000 100000", 8),
    ],
)
def test_the_processors_are_those_of_the_container(quota, cpus, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    assert devices.count_cpus(tmp_path / "cpu.max") == cpus
    assert devices.count_cpus(tmp_path / "none") == 8


def test_a_device_that_nobody_knows_is_refused_by_its_name(tmp_path, monkeypatch):
    monkeypatch.setenv("TONEBRIDGE_DEVICE", "cuda:1")
    assert Settings().device == "cuda:1"
    monkeypatch.setenv("TONEBRIDGE_DEVICE", "gpu")
    with pytest.raises(ValidationError, match="device"):
        Settings()
    with pytest.raises(ValidationError, match="device"):
        EvaluateConfig(version=tmp_path, device="mps")
