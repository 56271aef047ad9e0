"""Copies Python, and nothing that it does not need, from a Debian system into an empty root.

    python3 runtime.py /runtime

The Containerfile runs it in the base. The copy is the first layer of every image: the interpreter, the
standard library, the shared libraries of both, those that wheels expect on every Linux, and the certificates
of authorities. There is no shell, no package manager and no pip. This file imports the standard library only.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

USER = 65532  # of the images; not root, and no user of the base
_FILES = {
    "etc/passwd": f"root:x:0:0::/:/sbin/nologin\ntonebridge:x:{USER}:{USER}::/tmp:/sbin/nologin\n",
    "etc/group": f"root:x:0:\ntonebridge:x:{USER}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
# What wheels may expect of every Linux (PEP 600), apart from libraries of windows.
_EXPECTED = (
    "libc.so.6", "libdl.so.2", "libgcc_s.so.1", "libm.so.6", "libpthread.so.0", "libresolv.so.2",
    "librt.so.1", "libstdc++.so.6", "libutil.so.1", "libz.so.1",
)  # fmt: skip
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_RELEASE = Path("/etc/os-release")  # of which Debian the packages are
_STATUS = "var/lib/dpkg/status.d"  # where tools that list packages look in images without dpkg
# Parts of the standard library that run tests, draw windows or install packages, and what is not of it.
_UNUSED = ("test", "idlelib", "tkinter", "turtledemo", "turtle.py", "ensurepip", "lib2to3", "__pycache__")
_UNUSED_EXTENSIONS = ("_tkinter.*.so", "_test*.so", "_ctypes_test.*.so", "xxlimited*.so", "nis.*.so")
_OTHERS = ("site-packages", "dist-packages", "config-*")


def copy_runtime(root: Path) -> None:
    """Fill an empty folder. FileNotFoundError when this system lacks a library or the certificates."""
    root.mkdir(parents=True, exist_ok=True)
    python, standard = Path(sys.executable), Path(sysconfig.get_path("stdlib"))
    shutil.copytree(
        standard,
        _within(root, standard),
        ignore=shutil.ignore_patterns(*_UNUSED, *_UNUSED_EXTENSIONS, *_OTHERS),
        ignore_dangling_symlinks=True,
        dirs_exist_ok=True,
    )
    expected = [find_library(name) for name in _EXPECTED]
    extensions = sorted((_within(root, standard) / "lib-dynload").glob("*.so"))
    programs = [python.resolve(), *extensions, *expected]
    libraries = sorted({*expected, *_libraries_of(programs)})
    for path in (python, *libraries, _CERTIFICATES, _RELEASE):
        _copy(path, root)
    _name_packages([Path(os.__file__), Path(sysconfig.__file__), *programs, *libraries], root)
    for name, text in _FILES.items():
        _within(root, Path(name)).write_text(text)
    for name in ("tmp", "proc", "sys", "dev", "run"):
        (root / name).mkdir()
    (root / "tmp").chmod(0o1777)
    _within(root, Path("/etc/ld.so.conf")).write_text("/usr/local/lib\n")
    subprocess.run(["/sbin/ldconfig", "-r", root], check=True)


def _within(root: Path, path: Path) -> Path:
    """The place of a path of this system within the root; its folder exists afterwards.

    Debian's /lib and /lib64 are links, and are links in the root, too.
    """
    parts = [part for part in path.parts if part != "/"]
    top = Path("/", parts[0])
    if top.is_symlink() and not (root / parts[0]).is_symlink():
        (root / parts[0]).symlink_to(top.readlink())
        (root / top.readlink()).mkdir(parents=True, exist_ok=True)
    place = root.joinpath(*parts)
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _copy(path: Path, root: Path) -> None:
    """Copy a file, and the links that lead to it."""
    while path.is_symlink():
        place, target = _within(root, path), path.readlink()
        if not place.is_symlink():
            place.symlink_to(target)
        path = Path(os.path.normpath(path.parent / target))
    shutil.copy2(path, _within(root, path))


def _libraries_of(programs: Iterable[Path]) -> set[Path]:
    """The shared libraries that the loader takes for these programs and libraries, the loader included."""
    libraries = set()
    for line in _output_of("ldd", *map(str, programs)).splitlines():
        name, arrow, path = line.strip().partition(" => ")
        if path.startswith("not found"):
            raise FileNotFoundError(f"{name} is missing on this system: install the package that has it")
        path = (path if arrow else name).partition(" (0x")[0]
        if path.startswith("/") and not path.endswith(":"):
            libraries.add(Path(path))
    return libraries


def find_library(name: str) -> Path:
    """The path of a shared library by its name."""
    for line in _output_of("/sbin/ldconfig", "-p").splitlines():
        words = line.split()
        if words[0] == name:
            return Path(words[-1])
    raise FileNotFoundError(f"{name} is missing on this system: install the package that has it")


def _name_packages(files: Iterable[Path], root: Path) -> None:
    """Write which Debian packages the files are of, with their licences, for lists of an image's parts."""
    folder = root / _STATUS
    folder.mkdir(parents=True)
    paths = {str(resolved) for path in files for resolved in (path, path.resolve())}
    # Packages of Debian 12 name the paths behind the link /lib.
    paths |= {path.removeprefix("/usr") for path in paths}
    owners = subprocess.run(["dpkg-query", "--search", *sorted(paths)], capture_output=True, text=True)
    lines = (line for line in owners.stdout.splitlines() if not line.startswith("diversion "))
    for package in {package for line in lines for package in line.partition(": ")[0].split(", ")}:
        (folder / package.partition(":")[0]).write_text(_output_of("dpkg-query", "--status", package))
        licence = Path("/usr/share/doc", package.partition(":")[0], "copyright")
        if licence.exists():
            shutil.copyfile(licence, _within(root, licence))


def _output_of(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    copy_runtime(Path(sys.argv[1]))
