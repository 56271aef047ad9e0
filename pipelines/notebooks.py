"""The notebooks in `notebooks/`: JupyterLab beside the running installation, and their pages in `docs/`.

    python -m pipelines.notebooks           # JupyterLab, until Ctrl-C
    python -m pipelines.notebooks pages     # execute all, and write docs/notebooks; or name some: pages 05

A notebook is a Python file with cells in the percent format, which jupytext reads. A page is what the
notebook showed when it was executed: Markdown, and its pictures as files.
"""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import jupytext
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import MarkdownExporter
from nbformat import NotebookNode
from tqdm import tqdm

import configs

NOTEBOOKS = configs.ROOT / "notebooks"
PAGES = configs.ROOT / "docs" / "notebooks"
_PICTURES = "pictures"  # beneath the pages
# The libraries in kernels are quiet and offline.
_QUIET = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",  # of weights that load in half a second
    "HF_HUB_OFFLINE": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PYTHONWARNINGS": "ignore",
    "TOKENIZERS_PARALLELISM": "false",
}


class NotebookError(RuntimeError):
    """A cell failed. The message names the notebook and has the cell with its error."""


def find(names: Sequence[str] = ()) -> list[Path]:
    """The notebooks whose file names begin with one of the names, in order; all without names.

    ValueError when no notebook begins with a name.
    """
    files = sorted(NOTEBOOKS.glob("[0-9]*.py"))
    for name in names:
        if not any(file.name.startswith(name) for file in files):
            known = ", ".join(file.stem for file in files)
            raise ValueError(f"no notebook begins with {name!r}; there are {known}")
    return [file for file in files if not names or file.name.startswith(tuple(names))]


def execute(file: Path, env: Mapping[str, str], timeout_s: int = 900) -> NotebookNode:
    """Execute a notebook in a kernel of its own, with the environment `env`. Returns it with its outputs.

    NotebookError when a cell fails, or takes longer than `timeout_s`.
    """
    notebook = jupytext.read(file)
    client = NotebookClient(
        notebook,
        timeout=timeout_s,
        kernel_name="python3",
        resources={"metadata": {"path": str(file.parent)}},
    )
    try:
        client.execute(env={**env, **_QUIET})
    except (CellExecutionError, TimeoutError) as error:
        raise NotebookError(f"{file.name}: {error}") from error
    assert isinstance(notebook, NotebookNode)
    return notebook


def make_page(notebook: NotebookNode, name: str) -> tuple[str, dict[str, bytes]]:
    """The page of an executed notebook as Markdown, and its pictures by their paths relative to the page.

    What it wrote to stderr (progress bars) is left out. Paths are relative to the checkout, and links lead
    to pages.
    """
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\]\((\d\w+)\.py\)", r"](\1.md)", cell.source.replace("](../", "](../../"))
        else:
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    resources: Any = {"unique_key": name, "output_files_dir": _PICTURES}
    exporter = MarkdownExporter()  # type: ignore[no-untyped-call]
    text, resources = exporter.from_notebook_node(notebook, resources)
    # A page has the style of the site that shows it.
    text = re.sub(r"<style.*?</style>\n?", "", text, flags=re.DOTALL)
    text = re.sub(r"</?div>\n?| (?:id=\"T_\w+\"|class=\"[^\"]*\"|border=\"1\")(?=[ >])", "", text)
    text = re.sub(r"<(\w+) +>", r"<\1>", text)
    text = text.replace(f"{configs.ROOT}/", "")
    text = "\n".join(line.rstrip() for line in text.splitlines())
    source = f"[notebooks/{name}.py](../../notebooks/{name}.py)"
    head = f"<!-- Made by `make notebook-pages`. -->\n\n*What {source} showed when it was executed.*\n\n"
    return head + re.sub(r"\n{3,}", "\n\n", text).strip() + "\n", resources["outputs"]


def write_pages(files: Sequence[Path]) -> None:
    """Execute notebooks, and replace their pages and pictures."""
    (PAGES / _PICTURES).mkdir(parents=True, exist_ok=True)
    with tqdm(files, unit="notebook") as bar:
        for file in bar:
            bar.set_postfix_str(file.stem)
            text, pictures = make_page(execute(file, os.environ), file.stem)
            for former in PAGES.glob(f"{_PICTURES}/{file.stem}_*"):
                former.unlink()
            for path, content in pictures.items():
                (PAGES / path).write_bytes(content)
            (PAGES / f"{file.stem}.md").write_text(text, encoding="utf-8")


def open_lab(*arguments: str) -> NoReturn:
    """Become JupyterLab, on 127.0.0.1 until Ctrl-C, with more `arguments` of its command line.

    Its address, which it prints, has a random token. A click on a file opens it as a notebook.
    """
    command = [str(Path(sys.executable).with_name("jupyter")), "lab", f"--ServerApp.root_dir={NOTEBOOKS}"]
    if os.geteuid() == 0:
        command.append("--allow-root")
    path = [str(NOTEBOOKS / ".jupyter"), *filter(None, [os.environ.get("JUPYTER_CONFIG_PATH")])]
    env = {**os.environ, **_QUIET, "JUPYTER_CONFIG_PATH": os.pathsep.join(path)}
    os.execve(command[0], [*command, "--ServerApp.ip=127.0.0.1", *arguments], env)  # noqa: S606


if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            open_lab()
        case ["pages", *names]:
            try:
                write_pages(find(names))
            except (ValueError, NotebookError) as error:
                raise SystemExit(str(error)) from error
        case _:
            raise SystemExit("usage: python -m pipelines.notebooks [pages [NAME ...]]")
