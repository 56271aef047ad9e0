"""Notebooks, run as scripts with a database."""

import os
import subprocess
import sys
from pathlib import Path

import configs


def run(name: str, folder: Path, url: str, organisation: str = "first") -> subprocess.CompletedProcess[str]:
    """Run the notebook of a name. Its state and its artifacts are below a folder."""
    env = os.environ | {
        "MPLBACKEND": "Agg",
        "TONEBRIDGE_DATABASE_URL": url,
        "TONEBRIDGE_ORGANISATION": organisation,
        "TONEBRIDGE_STATE": str(folder / "state"),
        "TONEBRIDGE_ARTIFACTS": str(folder / "artifacts"),
    }
    command = [sys.executable, configs.ROOT / "notebooks" / f"{name}.py"]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)
