"""Builds the container images, runs them beside each other, and measures them: `make images`.

    python -m deploy.images                          # with the base of the Containerfile
    python -m deploy.images --local-base trixie      # with one of Debian's packages, without a registry
    python -m deploy.images gateway --no-trial       # builds one image

Images are built in layers that podman keeps, so after an interruption the next call goes on. The trial
(`deploy.trial`) needs all images, and the packages of the project. Prints tables, and writes them to
`docs/results/images.json`. Fails when an image is larger than it may be, a message gets no rewrite, a process
runs out of memory, or one does not end by SIGTERM.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy import debian_base, engine
from deploy.catalog import IMAGES, ROOT, name_of
from deploy.engine import CommandFailedError

if TYPE_CHECKING:
    from deploy.trial import Trial

RESULTS = ROOT / "docs" / "results" / "images.json"


def build(image: str, base_name: str | None) -> float:
    """Build an image; the seconds that it took."""
    arguments = {"EXTRA": IMAGES[image].extras, "REVISION": _revision()}
    command = build_command("Containerfile", name_of(image), base_name, arguments)
    return engine.step(f"image {image}", command, engine.LOGS / f"build-{image}.log")


def build_stores(base_name: str | None) -> None:
    """Build the image of Postgres and Valkey that the trial uses."""
    command = build_command("stores.Containerfile", name_of("trial-stores"), base_name, {})
    engine.step("Postgres and Valkey of the trial", command, engine.LOGS / "build-stores.log")


def build_command(file: str, tag: str, base_name: str | None, arguments: dict[str, str]) -> list[str]:
    """Podman's call. Chroot and the limits let it run without the capability to raise them; a proxy's
    certificates and wheels of this machine are lent to pip, and are no part of the image.
    """
    arguments = {**arguments, **({"BASE": base_name} if base_name else {})}
    command = ["podman", "build", "--layers", "--isolation", "chroot", "--network", "host"]
    for name, limit in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC)):
        _, hard = resource.getrlimit(limit)
        if hard != resource.RLIM_INFINITY:
            command += ["--ulimit", f"{name}={hard}:{hard}"]
    for variable, place in (
        ("PIP_CERT", "/run/host/certificates.pem"),
        ("PIP_FIND_LINKS", "/run/host/wheels"),
    ):
        if (value := os.environ.get(variable)) and Path(value).exists():
            command += ["--volume", f"{value}:{place}:ro"]
            arguments[variable] = place
    if index := os.environ.get("PIP_EXTRA_INDEX_URL"):
        arguments["PIP_EXTRA_INDEX_URL"] = index
    for key, value in arguments.items():
        command += ["--build-arg", f"{key}={value}"]
    return [*command, "--file", str(ROOT / "deploy" / file), "--tag", tag, str(ROOT)]


def _revision() -> str:
    command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def measure(image: str) -> dict[str, Any]:
    """The size of an image, uncompressed and as a registry stores it, with its Python and its packages."""
    inspected = json.loads(engine.podman("image", "inspect", name_of(image)))[0]
    with tempfile.TemporaryDirectory() as folder:
        command = ["podman", "push", "--compress", name_of(image), f"dir:{folder}"]
        engine.step(f"compress {image}", command, engine.LOGS / f"compress-{image}.log")
        compressed = sum(file.stat().st_size for file in Path(folder).iterdir())
    run = ("run", "--rm", "--network", "none", name_of(image), "python", "-c", _COUNT)
    version, packages, compiled = engine.podman(*run).split()
    return {
        "mb": round(inspected["Size"] / 1e6, 1),
        "compressed_mb": round(compressed / 1e6, 1),
        "compiled_mb": round(int(compiled) / 1e6, 1),
        "python": version,
        "packages": int(packages),
        "architecture": inspected["Architecture"],
    }


# What an image says of itself: Python's version, the number of packages, and the bytes of compiled modules.
_COUNT = """
import importlib.metadata, pathlib, platform
compiled = sum(f.stat().st_size for top in ("/opt", "/app", "/usr") for f in pathlib.Path(top).rglob("*.pyc"))
print(platform.python_version(), len(list(importlib.metadata.distributions())), compiled)
"""


def faults(sizes: dict[str, dict[str, Any]]) -> list[str]:
    """The images that are larger than they may be."""
    return [
        f"the image {name} has {size['mb']} MB, and may have {most}"
        for name, size in sizes.items()
        if (most := IMAGES[name].most_mb) is not None and size["mb"] > most
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Build, measure, try; exits with 1 when a limit is broken."""
    parser = argparse.ArgumentParser(description="Builds and tries the container images.")
    parser.add_argument("images", nargs="*", metavar="IMAGE", help=f"all by default: {', '.join(IMAGES)}")
    bases = parser.add_mutually_exclusive_group()
    bases.add_argument("--base", metavar="IMAGE", help="in place of the Containerfile's, such as NAME@DIGEST")
    bases.add_argument("--local-base", metavar="SUITE", help="a Debian release, such as trixie")
    parser.add_argument("--no-build", action="store_true", help="measure and try the images that are there")
    parser.add_argument("--no-trial", action="store_true", help="only build")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.images) - set(IMAGES):
        parser.error(f"unknown {', '.join(sorted(unknown))}; known: {', '.join(IMAGES)}")
    names = chosen.images or list(IMAGES)
    try:
        if not chosen.no_build:
            base_name = debian_base.make(chosen.local_base) if chosen.local_base else chosen.base
            for name in names:
                build(name, base_name)
        if chosen.no_trial:
            return
        if not chosen.no_build:
            build_stores(base_name)
        # Imported here: builds alone need no package of the project.
        from deploy import trial

        sizes = {name: measure(name) for name in IMAGES}
        tried = trial.run({name: name_of(name) for name in IMAGES})
    except (CommandFailedError, OSError) as error:  # of a command, and of a request to a container
        raise SystemExit(str(error)) from error
    result = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}",
        "podman": engine.podman("--version").split()[-1],
        "images": sizes,
        **tried.report(),
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print_tables(sizes, tried)
    broken = [*faults(sizes), *tried.faults()]
    if broken:
        raise SystemExit("\n".join(broken))


def print_tables(sizes: dict[str, dict[str, Any]], tried: "Trial") -> None:
    """Print what was measured of images and of processes."""
    print("\n  image        MB  compressed  packages  Python")
    for name, size in sizes.items():
        sizes_of = f"{size['mb']:>5.0f}{size['compressed_mb']:>12.0f}{size['packages']:>10}"
        print(f"  {name:<10}{sizes_of}  {size['python']}")
    print("\n  process     limit   ready in s   MB idle   MB at most   ended in s")
    for name, row in tried.processes.items():
        print(
            f"  {name:<10}{row.memory:>7}{row.ready_s or '':>13}{row.idle_mb:>10.0f}{row.most_mb:>13.0f}"
            f"{row.ended_s:>13.1f}"
        )
    print(f"\n  {tried.message!r}\n  -> {tried.rewrite!r}")


if __name__ == "__main__":
    main()
