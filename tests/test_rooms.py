"""The docstring of each room names its files, so that a newcomer finds the list where it cannot go stale, and
tests are found by the path of the module that they test.
"""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = (
    "configs",
    "data",
    "models",
    "experiments",
    "serving",
    "pipelines",
    "simulation",
    "benchmarks",
    "deploy",
)
FOLDERS = sorted(
    file.parent.relative_to(ROOT)
    for room in ROOMS
    for file in (ROOT / room).rglob("__init__.py")
    if file.parent.name not in ("metrics", "migrations")
)


def test_the_rooms_are_found() -> None:
    assert len(FOLDERS) > 15


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_a_docstring_names_every_file_and_folder_and_nothing_else(folder: Path) -> None:
    doc = importlib.import_module(".".join(folder.parts)).__doc__ or ""
    files = {file.stem for file in (ROOT / folder).glob("*.py")} - {"__init__", "__main__"}
    rooms = {f"{path.name}/" for path in (ROOT / folder).iterdir() if (path / "__init__.py").is_file()}
    named = set(re.findall(r"`([a-z_]+/?)`|^    ([a-z_]+/?)", doc, re.MULTILINE))
    named = {first or second for first, second in named}
    assert files | rooms <= named, "name them in the room's __init__.py"
    kept = {path.stem if path.suffix == ".py" else f"{path.name}/" for path in (ROOT / folder).iterdir()}
    assert {name for name in named if name.endswith("/")} <= kept, "these folders are gone"


TESTS = ROOT / "tests"
ROOTS = (ROOT, ROOT / "sdk" / "python" / "src")  # of the rooms, and of the SDK
OF_SEVERAL_MODULES = ("behaviour", "chaos", "invariants", "security")
FILES = sorted(
    file.relative_to(TESTS)
    for file in TESTS.glob("*/**/test_*.py")
    if file.relative_to(TESTS).parts[0] not in OF_SEVERAL_MODULES
)


def test_the_files_of_tests_are_found() -> None:
    assert len(FILES) > 90


@pytest.mark.parametrize("file", FILES, ids=str)
def test_the_path_of_a_file_of_tests_is_that_of_a_module(file: Path) -> None:
    named = file.parent / file.stem.removeprefix("test_")
    modules = [root / f"{module}.py" for root in ROOTS for module in (named, file.parent, named / "__init__")]
    assert any(module.is_file() for module in modules), (
        "name it for the module that it tests, or put it into a folder with that name"
    )
