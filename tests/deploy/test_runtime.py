"""The first layer of the images: Python runs in it, and nothing else is there. On Debian, as root."""

import os
import subprocess
from pathlib import Path

import pytest

from deploy import runtime

PYTHON = Path("/usr/bin/python3")
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not PYTHON.exists() or not Path("/etc/debian_version").exists(),
    reason="it enters a root of its own, with Debian's Python",
)
SCRIPT = """
import bz2, ctypes, hashlib, json, lzma, pwd, sqlite3, ssl, uuid, zlib
assert pwd.getpwuid(65532).pw_name == "tonebridge"
for name in ("libstdc++.so.6", "libgcc_s.so.1", "libpthread.so.0", "librt.so.1", "libdl.so.2"):
    ctypes.CDLL(name)  # wheels expect them
context = ssl.create_default_context(cafile="/etc/ssl/certs/ca-certificates.crt")
print(len(context.get_ca_certs()), sqlite3.connect(":memory:").execute("SELECT 6 * 7").fetchone()[0])
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runtime") / "root"
    subprocess.run([PYTHON, "-I", runtime.__file__, root], check=True)
    return root


def test_python_works_in_it(root: Path) -> None:
    command = ["/usr/sbin/chroot", f"--userspec={runtime.USER}:{runtime.USER}", root, PYTHON, "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, env={"LANG": "C.UTF-8"})
    assert done.returncode == 0, done.stderr
    certificates, answer = done.stdout.split()
    assert int(certificates) > 50
    assert answer == "42"


def test_it_has_no_shell_no_package_manager_and_no_pip(root: Path) -> None:
    programs = {
        path.name for folder in ("usr/bin", "usr/sbin", "usr/local/bin") for path in (root / folder).glob("*")
    }
    assert programs <= {"python3", PYTHON.resolve().name}
    assert list(root.rglob("site-packages")) == []
    assert list(root.rglob("ensurepip")) == []


def test_no_program_in_it_runs_as_its_owner(root: Path) -> None:
    assert [path for path in root.rglob("*") if path.is_file() and path.stat().st_mode & 0o6000] == []


def test_it_names_the_packages_that_it_is_of(root: Path) -> None:
    named = {path.name for path in (root / "var/lib/dpkg/status.d").iterdir()}
    assert {"libc6", "libstdc++6", "zlib1g"} <= named
    assert any(name.startswith("libssl") for name in named)
    assert "Version: " in (root / "var/lib/dpkg/status.d/libc6").read_text()
    assert "dash" not in named
    assert "ID=debian" in (root / "etc/os-release").read_text().splitlines()


def test_a_library_that_is_missing_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"libnothing\.so\.9 is missing on this system"):
        runtime.find_library("libnothing.so.9")
