"""A process needs the packages of its extra in `pyproject.toml` and no others, so an image has no others."""

import json
import subprocess
import sys
import tomllib
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import configs

_PROJECT = tomllib.loads((configs.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
_OURS = {"tonebridge", "tonebridge-server"}

# Tens of megabytes each, which an image without them saves.
HEAVY = ("numpy", "scipy", "pandas", "pyarrow", "duckdb", "matplotlib", "torch", "transformers", "mlflow",
         "prefect", "bentoml", "ctranslate2", "statsmodels", "sklearn")  # fmt: skip

PROCESSES = {  # the main module of each process, and the extras that its image installs
    "serving.gateway.app": ("gateway",),
    "serving.worker.app": ("gateway",),
    "serving.channels.app": ("channels",),
    "serving.web.app": ("dashboard",),
    "serving.dashboard.app": ("dashboard",),
    "serving.inference.service": ("serve",),
    "pipelines.deployments": ("flows", "train", "serve"),
    "data.database": ("gateway",),  # migrates
}
LIGHT = ("serving.gateway.app", "serving.worker.app", "serving.channels.app", "serving.web.app")

# Imports a module as if only some packages were installed, and says what has been imported.
_IMPORT = """
import importlib, json, sys
from importlib.machinery import PathFinder

module, hidden = sys.argv[1], frozenset(json.loads(sys.argv[2]))

class Installed(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in hidden else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Installed
importlib.import_module(module)
print(json.dumps([name for name in sys.modules if "." not in name]))
"""


def packages(*extras: str) -> set[str]:
    """The packages that the project brings with these extras, by the metadata of what is installed here."""
    wanted = [*_PROJECT["dependencies"]]
    for extra in extras:
        wanted += _PROJECT["optional-dependencies"][extra]
    waiting, walked = [Requirement(line) for line in wanted], set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras}:
            if (name, extra) in walked:
                continue
            walked.add((name, extra))
            for line in metadata.requires(name) or ():
                further = Requirement(line)
                if further.marker is None or further.marker.evaluate({"extra": extra}):
                    waiting.append(further)
    return {str(name) for name, _ in walked}


def import_alone(module: str, *extras: str) -> set[str]:
    """The top-level modules that a process has imported with the packages of these extras alone."""
    installed = packages(*extras) | _OURS
    hidden = [
        top
        for top, owners in metadata.packages_distributions().items()
        if not installed & {canonicalize_name(owner) for owner in owners}
    ]
    command = [sys.executable, "-c", _IMPORT, module, json.dumps(hidden)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=configs.ROOT)
    assert done.returncode == 0, f"{module} needs more than {extras} bring: {done.stderr}"
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("module", LIGHT)
def test_a_light_process_starts_from_its_extra_and_imports_nothing_heavy(module: str) -> None:
    imported = import_alone(module, *PROCESSES[module])
    assert not imported & {*HEAVY}, "import it where it is used, in a process that may be heavy"
    assert "pydantic_settings" in imported


@pytest.mark.slow
@pytest.mark.parametrize("module", [module for module in PROCESSES if module not in LIGHT])
def test_another_process_starts_from_its_extras(module: str) -> None:
    assert "pydantic_settings" in import_alone(module, *PROCESSES[module])


@pytest.mark.parametrize("extra", ["gateway", "channels"])
def test_a_light_extra_brings_nothing_heavy(extra: str) -> None:
    brought = packages(extra)
    assert "fastapi" in brought
    assert not brought & {"numpy", "scipy", "pandas", "pyarrow", "duckdb", "torch", "scikit-learn"}


def test_a_gateway_with_forecasts_can_forecast() -> None:
    assert {"numpy", "scipy"} <= import_alone("experiments.forecasting", "gateway", "forecasts")


def test_a_process_that_lacks_a_package_is_noticed() -> None:
    with pytest.raises(AssertionError, match="No module named"):
        import_alone("serving.gateway.app", "train")
