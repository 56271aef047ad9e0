"""Which digests the images of a release have, by the signatures of the workflow that built them."""

import json
import re
import subprocess

from deploy.catalog import IMAGES
from deploy.engine import CommandFailedError

ISSUER = "https://token.actions.githubusercontent.com"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def verify(tag: str, commit: str, repository: str, registry: str) -> dict[str, str]:
    """The digest of each image, such as `sha256:...`, verified by cosign.

    The signature has to be of `images.yml` of this repository (`OWNER/NAME`), for this tag and this commit: a
    tag of the registry or of git that was moved afterwards is refused. CommandFailedError when one is not
    signed so, or when there is no such image.
    """
    digests = {}
    for image in IMAGES:
        name = f"{registry}/{repository.lower()}/{image}:{tag}"
        workflow = f"https://github.com/{repository}/.github/workflows/images.yml@refs/tags/{tag}"
        command = ["cosign", "verify", name, "--output", "json"]
        command += ["--certificate-oidc-issuer", ISSUER, "--certificate-identity", workflow]
        command += ["--certificate-github-workflow-sha", commit]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise CommandFailedError(f"{name} is not signed by {workflow} of {commit}: {done.stderr.strip()}")
        digests[image] = read_digest(done.stdout, name)
    return digests


def read_digest(output: str, name: str) -> str:
    """The digest in what cosign prints of a verified image. CommandFailedError when it is not one alone."""
    signed = {str(entry["critical"]["image"]["docker-manifest-digest"]) for entry in json.loads(output)}
    if len(signed) != 1 or not _DIGEST.fullmatch(digest := signed.pop()):
        raise CommandFailedError(f"cosign names no single digest of {name}: {output.strip()}")
    return digest
