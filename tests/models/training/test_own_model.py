"""The commands of docs/your-own-model.md, on tiny models of the architectures that people bring."""

import json
import math
import re
import shlex
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import configs
from data.records import TransformType
from models import dpo, evaluation, examples, export, grpo, kto, loading, prompts, reward, sft
from models.dpo import DpoConfig
from models.evaluation import EvaluateConfig
from models.export import ExportConfig
from models.grpo import GrpoConfig
from models.kto import KtoConfig
from models.reward import RewardConfig
from models.sft import SftConfig
from tests import architectures

pytestmark = [
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
    # TRL's GRPO switches checkpointing off while it samples, by the names of transformers 4.
    pytest.mark.filterwarnings("ignore:`gradient_checkpointing_(en|dis)able` is deprecated:FutureWarning"),
]

PAGE = Path(__file__).parents[3] / "docs" / "your-own-model.md"
MODULES = {
    "models.sft": (sft, SftConfig),
    "models.reward": (reward, RewardConfig),
    "models.dpo": (dpo, DpoConfig),
    "models.kto": (kto, KtoConfig),
    "models.grpo": (grpo, GrpoConfig),
    "models.export": (export, ExportConfig),
    "models.evaluation": (evaluation, EvaluateConfig),
}
SHORT = ("steps=2", "evaluate_every_steps=2", "checkpoint_every_steps=2", "healthy={}", "lora_rank=4")
SMALLER = {
    "models.sft": (*SHORT, "seed_folder=null", "validation_rows=4"),
    "models.reward": (*SHORT, "validation_pairs=4"),
    "models.dpo": (*SHORT[:-1], "validation_pairs=4"),
    "models.kto": (*SHORT[:-1], "validation_rows=4"),
    "models.grpo": (
        *SHORT[:-1],
        "seed_folder=null",
        "max_new_tokens=8",
        "validation_prompts=2",
        "guard_rewrites=2",
        "waive_validity=true",  # nobody has read what a tiny model writes
    ),
    "models.export": (),
    "models.evaluation": ("most_cases=4", "intensity_messages=1", "max_new_tokens=4"),
}


def blocks():
    """The page's blocks of shell code, by the heading above each."""
    return dict(re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?```sh\n(.*?)```", PAGE.read_text(), re.M | re.S))


def fits():
    """The page's `FIT` of each size."""
    return dict(re.findall(r"^\| (\S+B) \|.*?`FIT=\"([^\"]*)\"`", PAGE.read_text(), re.M))


def commands(**variables):
    """(module, arguments) of each command of a training by hand, with the variables put in."""
    text = blocks()["Train by hand"]
    for name, value in variables.items():
        text, count = re.subn(rf"\$(?:{name}\b|{{{name}}})", value, text)
        assert count, f"the page does not use ${name}"
    found = []
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if words[:2] == [".venv/bin/python", "-m"]:
            found.append((words[2], words[3:]))
    assert not [argument for _, arguments in found for argument in arguments if "$" in argument]
    return found


@pytest.fixture(scope="module")
def data(write_snapshot, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    corpus = folder / "corpus"
    corpus.mkdir()
    rewrites = [{"transform_type": "soften", "intensity": 2, "text": "Could you please fix it today?"}]
    original = {"domain": "tiny", "style": "blunt", "facts": [], "rewrites": rewrites}
    lines = [json.dumps({**original, "id": f"tiny-10{i}", "text": f"Fix it today, {i}."}) for i in range(4)]
    (corpus / "tiny.jsonl").write_text("\n".join(lines))
    return write_snapshot(folder / "snapshot"), corpus


def run(command, out):
    """What the command line of a module does, with fewer steps."""
    module, (file, *overrides) = command
    stage, config = MODULES[module]
    smaller = SMALLER[module]
    if "checkpoints" in config.model_fields:
        smaller += (f"checkpoints={out / 'checkpoints'}",)
    return stage.main(configs.from_command_line(config, [file, *overrides, *smaller]))


def run_all(base, fit, data, out):
    """Run the commands of the page, in their order; the results by module."""
    snapshot, corpus = data
    smaller = (f"test_folders=[{corpus}]",)
    results = {}
    for module, arguments in commands(BASE=str(base), RUN=str(out), SNAPSHOT=str(snapshot), FIT=fit):
        more = smaller if module == "models.evaluation" else ()
        results[module] = run((module, [*arguments, *more]), out)
    return results


def test_the_page_has_a_command_for_each_stage():
    names = [module for module, _ in commands(BASE="b", RUN="r", SNAPSHOT="s", FIT="")]
    assert sorted({*names}) == sorted(MODULES)
    assert list(fits()) == ["1.5B", "3B", "7B"]


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.filterwarnings("ignore:Paged optimizers are not supported on CPU")
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("qwen2", "7B"),
        ("qwen3", "1.5B"),
        ("llama", "3B"),
        ("gemma2", "1.5B"),
        ("gemma3", "3B"),
        ("mistral", "7B"),
    ],
)
def test_every_command_of_the_page_runs_on_the_architecture(name, size, data, tiny_texts, tmp_path):
    plain = architectures.build(name, tmp_path / name, tiny_texts)
    base = loading.base_folder(str(plain), tmp_path / "bases")
    out = tmp_path / "own"
    results = run_all(base, fits()[size], data, out)
    for module in ("models.sft", "models.reward", "models.dpo", "models.kto", "models.grpo"):
        assert results[module].steps == 2
        assert all(math.isfinite(entry["grad_norm"]) for entry in results[module].history if "loss" in entry)
    assert results["models.sft"].held_out_loss_after < results["models.sft"].held_out_loss_before
    for adapter in ("sft", "dpo", "kto", "grpo"):
        weights = load_file(out / adapter / "adapter_model.safetensors").values()
        assert {weight.dtype for weight in weights} == {torch.float32}
    assert prompts.read(out / "version").stop == architectures.ARCHITECTURES[name].turn_end
    assert results["models.evaluation"].systems["challenger_protected"]["facts_kept"].mean >= 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gemma3", "phi3"])
def test_what_is_trained_ends_its_turn_and_sampling_stops_there(name, data, tiny_texts, tmp_path):
    plain = architectures.build(name, tmp_path / name, tiny_texts, "float32")
    config = SftConfig(
        base=str(loading.base_folder(str(plain), tmp_path / "bases")),
        seed_folder=None,
        snapshots=(data[0],),
        out=tmp_path / "sft",
        checkpoints=tmp_path / "checkpoints",
        steps=60,
        learning_rate=5e-3,
        lora_rank=0,
        masks=False,
        bf16=False,
        healthy={},
    )
    sft.main(config)
    tokens, model = examples.load_tokens(config.out), loading.load_model(config.out)
    prompt = tokens.frame.render("Fix PAY-101 today.", TransformType.SOFTEN, 2)
    ids = tokens.tokenizer.encode(prompt, add_special_tokens=False)
    with torch.inference_mode():
        written = model.eval().generate(torch.tensor([ids]), do_sample=False, max_new_tokens=64)[
            0, len(ids) :
        ]
    turn_end = tokens.tokenizer.convert_tokens_to_ids(architectures.ARCHITECTURES[name].turn_end)
    assert written[-1] == turn_end
    assert len(written) < 64
    # GRPO's own sampling, at a temperature that is almost greedy.
    sampling = GrpoConfig(reward=None, learned_weight=0, temperature=0.01, max_new_tokens=64)
    [sampled] = grpo.sample(model, tokens, [prompt], sampling)
    assert sampled == tokens.tokenizer.decode(written[:-1])
