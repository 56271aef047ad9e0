"""Whether every locked package has a wheel for ARM64, for which no release job should compile.

    python -m deploy.wheels      # seconds; needs `uv` and a package index

It resolves the extras of all images for Linux on ARM64 from wheels alone, with the versions of
constraints.txt. Prints the number of packages; exits with 1 and uv's reason when a wheel is missing.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.catalog import IMAGES, ROOT

PLATFORM = "aarch64-manylinux_2_28"
PYTHONS = ("3.11", "3.12", "3.13")
# Pure Python, and only there as a source; any platform builds it.
FROM_SOURCE = ("antlr4-python3-runtime",)
_NO_LOCK = ("nvidia-", "triton", "cuda-")  # of PyTorch for GPUs; `make lock` leaves them out


def resolve(uv: str, python: str, root: Path = ROOT) -> list[str]:
    """The packages, `name==version`, that the extras of all images take on ARM64.

    Raises ValueError, with uv's reason, when one of them has no wheel.
    """
    extras = sorted({extra for image in IMAGES.values() for extra in image.extras.split(",")})
    command = [uv, "pip", "compile", "--quiet", "--python-version", python, "--python-platform", PLATFORM]
    command += ["--only-binary", ":all:", *(f"--no-binary={name}" for name in FROM_SOURCE)]
    command += ["--constraints", str(root / "constraints.txt"), *(f"--extra={extra}" for extra in extras)]
    command += ["--no-header", "--no-annotate", str(root / "pyproject.toml")]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"Python {python} on {PLATFORM}: {done.stderr.strip()}")
    return [line for line in done.stdout.splitlines() if "==" in line]


def unlocked(packages: Sequence[str], constraints: str) -> list[str]:
    """The packages that are not in the lock with this version."""
    locked = {line.partition(" ;")[0].strip().lower() for line in constraints.splitlines()}
    return [name for name in packages if name.lower() not in locked and not name.startswith(_NO_LOCK)]


def main() -> None:
    """Resolve for every Python that the project supports."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        raise SystemExit("uv is missing: `pip install -r deploy/requirements-tools.txt` in an environment")
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    for python in PYTHONS:
        try:
            packages = resolve(uv, python)
        except ValueError as error:
            raise SystemExit(str(error)) from error
        if missing := unlocked(packages, constraints):
            raise SystemExit(f"not in constraints.txt: {', '.join(missing)}; run `make lock`")
        print(f"Python {python} on {PLATFORM}: all {len(packages)} packages have wheels")


if __name__ == "__main__":
    main()
