"""Puts version folders into BentoML's model store, and makes the replicas load them. Imports no torch.

A released version is the immutable model `tonebridge:<version>`: its files are hard links to the exported
folder where the file system allows it, since a copy of a version costs 700 MB.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import bentoml

# Beneath bentoml.models, which writes into $BENTOML_HOME file by file and reports usage.
from bentoml._internal.models.model import Model, ModelContext, ModelStore

from configs.settings import Settings
from data.records import Spec
from serving.inference.client import InferenceClient, VersionUnknown

NAME = "tonebridge"
# Not content: the rewrites that evaluations cache in a version folder, and BentoML's own file.
_NOT_RELEASED = ("rewrites.json", "model.yaml")


def publish(folder: Path, version: str, settings: Settings) -> str:
    """Release an exported folder as `tonebridge:<version>` and return this tag.

    Publishing the same content again changes nothing. ValueError when the version exists with other content,
    or its name is invalid: it has up to 63 lower-case letters, digits, `.`, `_` and `-`, and begins and ends
    with a letter or digit.
    """
    home = settings.model_store.absolute()
    digest = digest_of(folder)
    tag = bentoml.Tag(NAME, version)
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    (home / "models" / NAME).mkdir(parents=True, exist_ok=True)
    model = Model.create(
        tag,
        module="",
        api_version="v1",
        signatures={},
        labels={},
        context=ModelContext("", {}),
    )
    model.flush()  # type: ignore[no-untyped-call]  # writes model.yaml
    with tempfile.TemporaryDirectory(dir=home / "tmp") as staging:
        complete = Path(staging) / version
        shutil.copytree(folder, complete, copy_function=_link, ignore=shutil.ignore_patterns(*_NOT_RELEASED))
        shutil.copy2(model.path_of("model.yaml"), complete)
        with contextlib.suppress(OSError):  # a folder with files in it is never replaced
            complete.rename(home / "models" / NAME / version)
    if digest_of(home / "models" / NAME / version) != digest:
        raise ValueError(
            f"{tag} is published with other content; a version is immutable, so choose a new name"
        )
    return str(tag)


def withdraw(version: str, settings: Settings) -> None:
    """Remove a version from the store, if it is there; replicas that have loaded it keep it in memory."""
    home = settings.model_store.absolute()
    folder = home / "models" / NAME / version
    if not folder.exists():
        return
    with tempfile.TemporaryDirectory(dir=home / "tmp") as trash:
        folder.rename(Path(trash) / version)  # atomic, so that no replica finds half of it


def published(settings: Settings) -> list[str]:
    """Versions in the store, oldest first."""
    with contextlib.suppress(bentoml.exceptions.NotFound):
        models = bentoml.models.list(NAME, _model_store=_store(settings))
        return [str(model.tag.version) for model in sorted(models, key=lambda model: model.creation_time)]
    return []


def find(version: str, settings: Settings) -> Path:
    """The folder of a released version; VersionUnknown, with those in the store, if it is not there."""
    # Not bentoml.models.get: for v1 it returns v10 if that is the only version whose name starts with v1.
    if version not in (known := published(settings)):
        raise VersionUnknown(version, known)
    return settings.model_store.absolute() / "models" / NAME / version


async def warm(urls: Sequence[str], spec: Spec, token: str, timeout_s: float = 120.0) -> None:
    """Make every replica load the version of a spec; returns when all can answer, raises if one cannot."""
    client = InferenceClient(urls, token)
    try:
        await client.load(spec.version, spec.engine, timeout_s)
    finally:
        await client.close()


def _store(settings: Settings) -> ModelStore:
    return ModelStore(settings.model_store.absolute() / "models")


def digest_of(folder: Path) -> str:
    """blake2b-128 of the names and contents of a version's files; ValueError without a version.json.

    What evaluations add to the folder later is left out.
    """
    if not (folder / "version.json").is_file():
        raise ValueError(
            f"{folder} is no version folder: it has no version.json; make one with models.export"
        )
    digest = blake2b(digest_size=16)
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in _NOT_RELEASED)
    for path in sorted(files):
        digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)
