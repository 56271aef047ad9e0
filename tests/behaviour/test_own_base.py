"""The flow trains, exports, evaluates and registers another base, as docs/your-own-model.md says."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from configs.settings import Settings
from models import loading, prompts, versions
from pipelines import local
from pipelines.train import Trained, train
from tests import architectures
from tests.flows import flows_led_to
from tests.ports import with_own_ports

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
]

PAGE = Path(__file__).parents[2] / "docs" / "your-own-model.md"


def overrides_of_the_page() -> list[str]:
    """What the page's command gives to the flow."""
    [parameter] = re.findall(r"--param 'overrides=(\[.*?\])'", PAGE.read_text())
    found: list[str] = json.loads(parameter)
    return found


def write_corpus(folder: Path) -> Path:
    """Messages with a rewrite each, enough that a tenth of them is held out."""
    rewrites = [{"transform_type": "soften", "intensity": 2, "text": "Could you please fix it today?"}]
    lines = [
        json.dumps(
            {
                "id": f"tiny-{i}",
                "domain": "tiny",
                "style": "blunt",
                "text": f"Fix it today, number {i}.",
                "facts": [],
                "rewrites": rewrites,
            }
        )
        for i in range(100, 140)
    ]
    folder.mkdir()
    (folder / "tiny.jsonl").write_text("\n".join(lines))
    return folder


@pytest.mark.usefixtures("one_thread")
def test_another_base_is_trained_and_registered_by_the_flow(
    tiny_texts: Sequence[str], tmp_path: Path
) -> None:
    plain = architectures.build("gemma3", tmp_path / "gemma3", tiny_texts)
    base = loading.base_folder(str(plain), tmp_path / "bases")
    corpus = write_corpus(tmp_path / "corpus")
    state = tmp_path / "state"
    wanted = Settings(
        state=state, artifacts=state, base=str(base), database_url=None, redis_url=None, mlflow_uri=None
    )
    smaller = (
        f"sft.seed_folder={corpus}",
        "sft.steps=2",
        "sft.healthy={}",
        f"evaluate.test_folders=[{corpus}]",
        "evaluate.most_cases=4",
        "evaluate.intensity_messages=1",
        "evaluate.max_new_tokens=4",
    )
    with (
        local.servers(with_own_ports(wanted)) as settings,
        local.running(settings, "prefect") as processes,
        flows_led_to(settings, processes["prefect"]),
    ):
        trained = train(None, [*overrides_of_the_page(), *smaller])
        assert isinstance(trained, Trained)
        version = versions.download(settings.registry_uri, settings.artifact_store, trained.version)
    assert prompts.read(version).stop == "<end_of_turn>"
    assert loading.load_model(version / "transformers", dtype="auto").dtype == torch.bfloat16
    assert json.loads((version / "version.json").read_text())["quantization"] == "int8"
