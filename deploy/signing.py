"""Lists, signs and verifies an image as a release does, against a registry on this machine.

    python -m deploy.signing gateway

A release signs by the identity of its workflow, and this by a key that it makes and throws away. Needs
docker-registry and cosign of Debian, and syft of `requirements-tools.txt`. Fails when the signed image cannot
be verified, or when one can that was not signed, or by another key.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from deploy import engine
from deploy.catalog import IMAGES, name_of
from deploy.engine import CommandFailedError
from pipelines.local import free_port

_SBOM = "cyclonedx"
_LOCAL = ("--allow-http-registry", "--allow-insecure-registry")


def sign_and_verify(image: str, folder: Path, registry: str) -> dict[str, int]:
    """Push an image and another one to the registry, sign the first, and verify both. Returns how many
    packages the list of its contents has, by their kind.

    CommandFailedError when a step fails, ValueError when something is verified that must not be.
    """
    os.environ["COSIGN_PASSWORD"] = ""  # of a key that lives as long as this folder
    for name in ("first", "second"):
        prefix = ["--output-key-prefix", str(folder / name)]
        _step(f"make the {name} key", ["cosign", "generate-key-pair", *prefix])
    signed = _push(name_of(image), f"{registry}/{image}:signed", folder)
    changed = _push(_changed(image), f"{registry}/{image}:changed", folder)
    engine.podman("rmi", f"{name_of(image)}-changed")

    archive, sbom = folder / "image.tar", folder / "sbom.json"
    _step("save it", ["podman", "save", "--format", "oci-archive", "-o", str(archive), name_of(image)])
    listing = ["syft", "--quiet", f"oci-archive:{archive}", "--output", f"{_SBOM}-json={sbom}"]
    _step("list its contents", listing)

    key, public = ["--key", str(folder / "first.key")], ["--key", str(folder / "first.pub")]
    quiet = ["--yes", "--tlog-upload=false", *_LOCAL]
    verifying = ["--insecure-ignore-tlog=true", *_LOCAL]
    _step("sign it", ["cosign", "sign", *key, *quiet, signed])
    predicate = ["--type", _SBOM, "--predicate", str(sbom)]
    _step("attest its contents", ["cosign", "attest", *key, *predicate, *quiet, signed])
    _step("verify the signature", ["cosign", "verify", *public, *verifying, signed])
    attested = ["cosign", "verify-attestation", "--type", _SBOM, *public, *verifying, signed]
    _step("verify the contents", attested)
    other = ["--key", str(folder / "second.pub")]
    refuse("an image that was not signed", ["cosign", "verify", *public, *verifying, changed])
    refuse("another key", ["cosign", "verify", *other, *verifying, signed])
    return count_packages(sbom)


def _push(name: str, to: str, folder: Path) -> str:
    """Push an image; its reference by digest."""
    repository, _, tag = to.rpartition(":")
    digest = folder / "digest"
    words = ["podman", "push", "--tls-verify=false", "--digestfile", str(digest), name, f"docker://{to}"]
    _step(f"push {tag}", words)
    return f"{repository}@{digest.read_text().strip()}"


def _changed(image: str) -> str:
    """The name of an image that differs from another one by a label."""
    name = f"{name_of(image)}-changed"
    container = engine.podman("create", name_of(image), "python")
    engine.podman("commit", "--quiet", "--change", "LABEL changed=yes", container, name)
    engine.podman("rm", container)
    return name


def _step(label: str, command: list[str]) -> None:
    engine.step(label, command, engine.LOGS / f"signing-{label.replace(' ', '-')}.log")


def refuse(label: str, command: list[str]) -> None:
    """Run a verification that must fail. ValueError when it does not, or fails for another reason."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        raise ValueError(f"cosign verified {label}")
    if "no signatures found" not in done.stderr and "no matching signatures" not in done.stderr:
        raise ValueError(f"cosign could not judge {label}: {done.stderr}")
    print(f"  refused: {label}", flush=True)


def count_packages(sbom: Path) -> dict[str, int]:
    """The packages in a list of contents, by the first word of their address, such as pkg:pypi."""
    counts: dict[str, int] = {}
    for component in json.loads(sbom.read_text(encoding="utf-8"))["components"]:
        kind = component.get("purl", "").partition("/")[0].removeprefix("pkg:") or component["type"]
        counts[kind] = counts.get(kind, 0) + 1
    return counts


@contextlib.contextmanager
def _registry(folder: Path) -> Iterator[str]:
    """The address of a registry on a free port of 127.0.0.1, with its data in the folder."""
    port = free_port(15000)
    config = folder / "registry.yml"
    config.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/registry}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    with (engine.LOGS / "registry.log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/"):
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise CommandFailedError(f"docker-registry does not answer; see {log.name}")
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def main(arguments: list[str]) -> None:
    """Sign and verify an image that was built."""
    if len(arguments) != 1 or arguments[0] not in IMAGES:
        raise SystemExit(f"usage: python -m deploy.signing IMAGE; images: {', '.join(IMAGES)}")
    if missing := [name for name in ("docker-registry", "cosign", "syft") if shutil.which(name) is None]:
        raise SystemExit(f"{', '.join(missing)} missing: see deploy/requirements-tools.txt")
    engine.LOGS.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory() as folder, _registry(Path(folder)) as registry:
            counts = sign_and_verify(arguments[0], Path(folder), registry)
    except (CommandFailedError, ValueError) as error:
        raise SystemExit(str(error)) from error
    print(f"  its contents: {', '.join(f'{count} {kind}' for kind, count in sorted(counts.items()))}")


if __name__ == "__main__":
    main(sys.argv[1:])
