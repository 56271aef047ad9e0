"""A base for images where no registry can be reached: Debian's Python, from Debian's packages."""

from deploy import engine

_PACKAGES = "python3,python3-venv,ca-certificates,libstdc++6,zlib1g"
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


def make(suite: str) -> str:
    """The name of the base of a Debian release, such as `trixie` (Python 3.13). It is made once, which takes
    a minute or two. CommandFailedError when that fails.
    """
    name = f"localhost/tonebridge-base:{suite}"
    if engine.succeeds("image", "exists", name):
        return name
    folder = engine.LOGS
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"base-{suite}.tar"
    excluded = [f"--dpkgopt=path-exclude={path}" for path in _LEFT_OUT]
    command = [
        "mmdebstrap",
        "--variant=apt",
        f"--include={_PACKAGES}",
        *excluded,
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        suite,
        str(archive),
    ]
    engine.step(f"base of Debian {suite}", command, folder / f"base-{suite}.log")
    engine.step("import it", ["podman", "import", str(archive), name], folder / f"base-{suite}-import.log")
    archive.unlink()
    return name
