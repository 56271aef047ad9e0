"""The former release, as tests run it: the files of a commit, and processes of them with this Python."""

import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

import configs
from pipelines.local import Process

FILE = Path(__file__).with_suffix(".yaml")
# What its processes are made of.
_FOLDERS = ("champion", "configs", "data", "experiments", "models", "pipelines", "serving", "Procfile")


class FormerRelease(BaseModel):
    """The version of the former release, and the commit that it was made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    commit: str


def read() -> FormerRelease:
    """The former release that the file names."""
    return FormerRelease.model_validate(yaml.safe_load(FILE.read_text(encoding="utf-8")))


def unpack(folder: Path, commit: str) -> Path:
    """Write the files of a commit into a folder; return it. LookupError when git does not have the commit."""
    archive = folder / "release.tar"
    folder.mkdir(parents=True)
    with archive.open("wb") as output:
        command = ["git", "archive", commit, *_FOLDERS]
        ran = subprocess.run(
            command, cwd=configs.ROOT, stdout=output, stderr=subprocess.PIPE, text=True, check=False
        )
    if ran.returncode:
        raise LookupError(
            f"git cannot read the former release, commit {commit} of {FILE.name}: {ran.stderr.strip()}. In a"
            " shallow clone run `git fetch --unshallow`; in CI check out with `fetch-depth: 0`"
        )
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    archive.unlink()
    return folder


def start(
    name: str, folder: Path, arguments: Sequence[str], environment: Mapping[str, str], log: Path
) -> Process:
    """A process of the release in a folder, `python` with these arguments."""
    # `env` changes into the folder, and becomes the process.
    command = ["env", "--chdir", str(folder), sys.executable, *arguments]
    return Process(name, command, {**environment, "PYTHONPATH": str(folder)}, log)
