"""The folder `champion/`: the tagger that a new installation serves, with its evaluation and its model card.

It has safetensors, JSON and Markdown only, and fits into git. `pipelines.champion` makes it.
"""

import json
import shutil
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

from configs.settings import Settings
from data.reasons import Language
from models import version_file
from models.results import CARD_FILES, Evaluation

EVALUATION_FILE = "evaluation.json"
_DECISIVE = ("adapter_model.safetensors", "adapter_config.json", "heads.safetensors", "rules.json")
TAGGER_FILES = (*_DECISIVE, "metrics.json")
FILES = (*TAGGER_FILES, EVALUATION_FILE)
_MAX_BYTES = 20_000_000
BASE = "all-minilm-l6-v2"


def missing(folder: Path) -> list[str]:
    """The files that a folder lacks; all of them when there is no such folder."""
    return [name for name in FILES if not (folder / name).is_file()]


def run_name(folder: Path) -> str:
    """The name of the run under which an installation registers the folder: a hash of what the tagger does.

    So the same tagger is the same version, however often its registration starts.
    """
    digest = blake2b(b"shipped", digest_size=8)
    for name in _DECISIVE:
        content = (folder / name).read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def copy_tagger(folder: Path, out: Path) -> Path:
    """Copy the tagger's files into `out`, for a run that registers it as a version; return `out`."""
    out.mkdir(parents=True, exist_ok=True)
    for name in TAGGER_FILES:
        shutil.copyfile(folder / name, out / name)
    return out


def export_once(settings: Settings) -> Path:
    """The version folder of the tagger in `settings.champion`, in the folder of its run. It is exported when
    it is not there yet, which takes about ten seconds.

    Raises ValueError when the folder is no complete version.
    """
    folder = settings.champion
    if absent := missing(folder):
        raise ValueError(
            f"{folder} is no complete version ({absent[0]} is missing): make it by `make champion`"
        )
    out = settings.state / "runs" / run_name(folder) / "version"
    if not (out / version_file.NAME).exists():
        # Imported here, since the dashboard reads this file without torch.
        from models import tagger

        out.parent.mkdir(parents=True, exist_ok=True)
        tagger.export(folder, out)
    return out


def read_evaluation(folder: Path) -> Evaluation:
    """The evaluation of the shipped tagger."""
    return Evaluation.model_validate_json((folder / EVALUATION_FILE).read_text(encoding="utf-8"))


def write(
    tagger: Path,
    evaluation: Evaluation,
    cards: Mapping[Language, str],
    out: Path,
    max_bytes: int = _MAX_BYTES,
) -> None:
    """Write the folder from a trained tagger, its evaluation and its cards. An existing `out` is replaced,
    and only by a complete folder.

    Raises ValueError when the folder would be larger than `max_bytes`.
    """
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name in TAGGER_FILES:
        shutil.copyfile(tagger / name, partial / name)
    # These name folders of the machine that trained it.
    _replace(partial / "adapter_config.json", "base_model_name_or_path", BASE)
    _replace(partial / "metrics.json", "out", out.name)
    (partial / EVALUATION_FILE).write_text(evaluation.model_dump_json(indent=1) + "\n", encoding="utf-8")
    for language, text in cards.items():
        (partial / CARD_FILES[language]).write_text(text, encoding="utf-8")
    size = sum(file.stat().st_size for file in partial.iterdir())
    if size > max_bytes:
        raise ValueError(
            f"{partial} has {size:,} bytes, and git should hold at most {max_bytes:,}: lower lora_rank"
        )
    shutil.rmtree(out, ignore_errors=True)
    partial.replace(out)


def _replace(file: Path, key: str, value: str) -> None:
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**content, key: value}, indent=1) + "\n", encoding="utf-8")
