"""Notebooks: their form, their pages, and that they run."""

import ast
import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import jupytext
import pytest

import configs
from pipelines import notebooks
from pipelines.notebooks import NotebookError
from tests.waiting import until

FILES = notebooks.find()
_MOST_LINES = 150
_LONG = ("00_quickstart", "01_feedback", "03_training", "04_reward", "07_own_model")  # they take minutes


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of the notebooks, with folders of their own, so that no running installation is used.
    They share one sample, as those of a person do.
    """
    folder = tmp_path_factory.mktemp("notebooks")
    state, artifacts = str(folder / "state"), str(folder / "artifacts")
    return {**os.environ, "TONEBRIDGE_STATE": state, "TONEBRIDGE_ARTIFACTS": artifacts}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_notebook_explains_itself_in_few_lines_and_defines_no_functions(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) < _MOST_LINES
    first, *_, last = (cell for cell in jupytext.read(file).cells if cell.cell_type == "markdown")
    assert first.source.startswith("# ")
    assert "next" in last.source.splitlines()[0]
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    assert not functions, "a notebook calls functions of the rooms; a missing one belongs there"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_page_shows_the_code_of_its_notebook_and_has_its_pictures(file: Path) -> None:
    page = (notebooks.PAGES / f"{file.stem}.md").read_text(encoding="utf-8")
    for code in (cell.source for cell in jupytext.read(file).cells if cell.cell_type == "code"):
        assert code in page, f"run `make notebook-pages`: the page of {file.stem} is old"
    assert str(configs.ROOT) not in page
    links = re.findall(r"\]\(([^)#:]+)\)", page)
    missing = [link for link in links if not (notebooks.PAGES / link).exists()]
    assert not missing


def test_a_failed_cell_is_named_with_its_error(tmp_path: Path) -> None:
    file = tmp_path / "9_fails.py"
    file.write_text("# %%\nx = 1\n\n# %%\nprint(1 / (x - 1))\n", encoding="utf-8")
    with pytest.raises(NotebookError, match=r"(?s)9_fails.py.*1 / .x - 1.*ZeroDivisionError"):
        notebooks.execute(file, os.environ)


@pytest.mark.slow
def test_a_page_has_tables_pictures_and_links_but_no_progress_bars(tmp_path: Path) -> None:
    file = tmp_path / "9_shows.py"
    file.write_text(
        "# %% [markdown]\n# [next](01_feedback.py), [docs](../docs/edits.md)\n\n"
        "# %%\n# %matplotlib inline\nimport os, sys\nimport matplotlib.pyplot as plt\nimport pandas as pd\n"
        "print('40 %', file=sys.stderr)\n"
        f"print({str(configs.ROOT / 'artifacts')!r})\n\n"
        "# %%\npd.DataFrame({'a': [1]})\n\n"
        "# %%\nplt.figure();\nplt.plot([1, 2]);\n",
        encoding="utf-8",
    )
    page, pictures = notebooks.make_page(notebooks.execute(file, os.environ), "9_shows")
    assert "[next](01_feedback.md), [docs](../../docs/edits.md)" in page
    assert "<td>1</td>" in page
    assert "<style" not in page
    assert "40 %" not in page.replace("print('40 %'", "")
    assert "\n    artifacts\n" in page
    (path,) = pictures
    assert path.startswith("pictures/9_shows_")
    assert f"({path})" in page
    assert pictures[path].startswith(b"\x89PNG")


def test_an_unknown_name_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match=r"no notebook begins with '77'.*00_quickstart"):
        notebooks.find(["77"])


def answers(address: str) -> bool:
    with contextlib.suppress(httpx.ConnectError):
        httpx.get(address, timeout=60)
        return True
    return False


@pytest.mark.slow
def test_jupyterlab_opens_a_python_file_as_a_notebook(tmp_path: Path) -> None:
    options = ["--no-browser", "--ServerApp.port=0", "--IdentityProvider.token=t0k3n"]
    code = f"from pipelines.notebooks import open_lab; open_lab(*{options})"
    env = {**os.environ, "JUPYTER_RUNTIME_DIR": str(tmp_path), "JUPYTER_DATA_DIR": str(tmp_path / "data")}
    with subprocess.Popen([sys.executable, "-c", code], env=env, stderr=subprocess.PIPE, text=True) as lab:
        try:
            assert lab.stderr is not None
            address = next(
                match[0] for line in lab.stderr if (match := re.search(r"http://127\.0\.0\.1:\d+/", line))
            )
            headers = {"Authorization": "token t0k3n"}
            until(lambda: answers(address), lambda: "JupyterLab has said its address, and does not listen")
            settings = f"{address}lab/api/settings/@jupyterlab/docmanager-extension:plugin"
            schema = httpx.get(settings, headers=headers, timeout=60).json()["schema"]
            contents = httpx.get(
                f"{address}api/contents/00_quickstart.py?type=notebook", headers=headers, timeout=60
            ).json()
            refused = httpx.get(f"{address}api/contents", timeout=60)
        finally:
            lab.terminate()
    assert schema["properties"]["defaultViewers"]["default"]["python"] == "Jupytext Notebook"
    assert contents["content"]["cells"][0]["source"].startswith("# Quickstart")
    assert refused.status_code == 403


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "file",
    [pytest.param(file, marks=pytest.mark.long if file.stem in _LONG else ()) for file in FILES],
    ids=lambda file: file.stem,
)
def test_a_notebook_runs_in_jupyter(file: Path, environment: dict[str, str]) -> None:
    notebooks.execute(file, environment)
