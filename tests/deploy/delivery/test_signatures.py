"""Only images that the release's own workflow signed, of its tag and its commit, are deployed."""

import json
import sys
from pathlib import Path

import pytest

from deploy.catalog import IMAGES
from deploy.delivery.signatures import read_digest, verify
from deploy.engine import CommandFailedError

COMMIT = "c" * 40
# Stands for cosign, which needs a registry and Sigstore: it notes its words, and knows what was signed.
PROGRAM = f"""#!{sys.executable}
import json, pathlib, sys
folder = pathlib.Path(__file__).parent
words = sys.argv[1:]
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps(words) + "\\n")
image = words[1].rpartition("/")[2].partition(":")[0]
if image in (folder / "unsigned").read_text().split():
    sys.exit("Error: no signatures found")
digest = "sha256:" + str(len(image)) * 64
print(json.dumps([{{"critical": {{"image": {{"docker-manifest-digest": digest}}}}, "optional": {{}}}}]))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "cosign").write_text(PROGRAM)
    (tmp_path / "cosign").chmod(0o755)
    (tmp_path / "unsigned").write_text("")
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_every_image_is_verified_by_workflow_tag_and_commit(folder: Path) -> None:
    digests = verify("v0.2.0", COMMIT, "Ann/ToneBridge", "ghcr.io")
    assert digests == {name: "sha256:" + str(len(name)) * 64 for name in IMAGES}
    calls = [json.loads(line) for line in (folder / "calls").read_text().splitlines()]
    # A registry's names are in lower case, and GitHub's identity is as the repository is spelt.
    assert [call[:2] for call in calls] == [
        ["verify", f"ghcr.io/ann/tonebridge/{name}:v0.2.0"] for name in IMAGES
    ]
    workflow = "https://github.com/Ann/ToneBridge/.github/workflows/images.yml@refs/tags/v0.2.0"
    for call in calls:
        options = dict(zip(call[2::2], call[3::2], strict=True))
        assert options == {
            "--output": "json",
            "--certificate-oidc-issuer": "https://token.actions.githubusercontent.com",
            "--certificate-identity": workflow,
            "--certificate-github-workflow-sha": COMMIT,
        }


def test_one_unsigned_image_refuses_the_release(folder: Path) -> None:
    (folder / "unsigned").write_text("site")
    with pytest.raises(
        CommandFailedError, match=r"ghcr.io/ann/tonebridge/site:v0.2.0 is not signed by .*images.yml"
    ):
        verify("v0.2.0", COMMIT, "Ann/ToneBridge", "ghcr.io")


@pytest.mark.parametrize("digests", [[], ["sha256:" + "1" * 64, "sha256:" + "2" * 64], ["latest"]])
def test_a_digest_must_be_one_alone(digests: list[str]) -> None:
    output = json.dumps([{"critical": {"image": {"docker-manifest-digest": digest}}} for digest in digests])
    with pytest.raises(CommandFailedError, match="no single digest"):
        read_digest(output, "gateway:v0.2.0")
