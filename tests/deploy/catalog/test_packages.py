"""An image has every package that its processes import: its extras name them, and not by chance another's."""

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.catalog import IMAGES, ROOT
from pipelines.local import command, process_names

# What an image runs beside its processes.
OTHERS = (
    ("gateway", "data.database"),
    ("gateway", "data.people.bootstrap"),
    ("flows", "pipelines.first_release"),
)
# Imports a module where only some packages can be found, as if the others were not installed.
SCRIPT = """
import importlib, sys
from importlib.machinery import PathFinder

hidden = set(sys.argv[2].split(","))

class Finder:
    find_distributions = PathFinder.find_distributions
    invalidate_caches = PathFinder.invalidate_caches

    @staticmethod
    def find_spec(name, path=None, target=None):
        return None if path is None and name in hidden else PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Finder
for name in hidden & set(sys.modules):  # what pth files of the environment have imported
    del sys.modules[name]
importlib.import_module(sys.argv[1])
"""


def imported() -> Iterator[tuple[str, str]]:
    """The images with the modules that run in them."""
    yield from OTHERS
    ports = {f"TONEBRIDGE_{name.upper()}_PORT": "1" for name in process_names()}
    for image, about in IMAGES.items():
        for process in about.processes:
            words = command(process, {**ports, "TONEBRIDGE_ARTIFACT_LOCATION": "file:///state/mlflow"})
            if words[0] == "python":
                yield image, words[2]


@cache
def packages(extras: str) -> set[str]:
    """The packages that the project needs with these extras, and what they need in turn."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    of_extras = [name for extra in extras.split(",") for name in project["optional-dependencies"][extra]]
    waiting = [Requirement(name) for name in [*project["dependencies"], *of_extras]]
    found: dict[str, set[str]] = {}
    while waiting:
        needed = waiting.pop()
        name = canonicalize_name(needed.name)
        if name in found and needed.extras <= found[name]:
            continue
        found.setdefault(name, set()).update(needed.extras)
        for text in metadata.requires(name) or []:
            further = Requirement(text)
            if further.marker is None or any(
                further.marker.evaluate({"extra": extra}) for extra in ("", *found[name])
            ):
                waiting.append(further)
    return set(found)


@cache
def hidden_from(extras: str) -> list[str]:
    """The modules of packages that are installed here and are not in an image with these extras."""
    there = packages(extras) | {"tonebridge-server"}
    modules = metadata.packages_distributions()
    return [name for name, of in modules.items() if not {canonicalize_name(each) for each in of} & there]


@pytest.mark.parametrize(
    ("image", "module"),
    [
        # These import torch, MLflow and Prefect.
        pytest.param(image, module, marks=[pytest.mark.slow] if image == "flows" else [])
        for image, module in imported()
    ],
)
def test_a_process_imports_packages_of_its_image_alone(image: str, module: str) -> None:
    hidden = hidden_from(IMAGES[image].extras)
    assert "pytest" in hidden
    words = [sys.executable, "-c", SCRIPT, module, ",".join(hidden)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("image", IMAGES)
def test_nothing_that_serves_people_has_torch(image: str) -> None:
    assert ("torch" in packages(IMAGES[image].extras)) == (image == "flows")


@pytest.mark.parametrize(("image", "program"), [("flows", "mlflow"), ("flows", "prefect")])
def test_a_program_is_in_its_image(image: str, program: str) -> None:
    assert program in packages(IMAGES[image].extras)
    assert program in IMAGES[image].processes
