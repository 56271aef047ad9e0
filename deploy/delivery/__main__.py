"""Deploys a release to a cluster; the workflows deployment.yml, deploy.yml and rollback.yml call it.

python -m deploy.delivery programs FOLDER                 # Helm and kubectl, by their SHA-256
python -m deploy.delivery verify v0.2.0 --repository OWNER/NAME --commit SHA --output digests.json
python -m deploy.delivery deploy --digests '{"gateway": "sha256:...", ...}' --repository OWNER/NAME ...
python -m deploy.delivery rollback ...                    # to the revision before, or --revision 7
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from deploy.catalog import IMAGES, ROOT
from deploy.chart_checks import tools
from deploy.delivery import access, signatures
from deploy.delivery.installation import DeploymentError, Installation
from deploy.engine import CommandFailedError

CHART = ROOT / "deploy" / "chart"


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the arguments say; exits with 1 and a sentence when it fails."""
    chosen = _read(arguments)
    try:
        if chosen.command == "programs":
            for name in ("helm", "kubectl"):
                tools.install(name, chosen.folder)
        elif chosen.command == "verify":
            digests = signatures.verify(chosen.tag, chosen.commit, chosen.repository, chosen.registry)
            chosen.output.write_text(json.dumps(digests) + "\n", encoding="utf-8")
            print(json.dumps(digests, indent=1))
        else:
            _change(chosen)
    except (CommandFailedError, DeploymentError, ValueError) as error:
        raise SystemExit(str(error)) from error


def _change(chosen: argparse.Namespace) -> None:
    if not chosen.server:
        raise ValueError("the cluster has no address: set the variable CLUSTER_URL of the environment")
    if chosen.command == "deploy" and not chosen.values.strip():
        raise ValueError("the chart has no values: set the variable VALUES of the environment")
    with tempfile.TemporaryDirectory() as name:
        kubeconfig, values = Path(name) / "kubeconfig", Path(name) / "values.yaml"
        config = access.kubeconfig(chosen.server, chosen.authority, chosen.audience, chosen.namespace)
        kubeconfig.write_text(json.dumps(config), encoding="utf-8")
        minutes = float(chosen.rollout_minutes)
        installation = Installation(kubeconfig, chosen.namespace, chosen.release, rollout_s=minutes * 60)
        if chosen.command == "rollback":
            installation.roll_back(chosen.revision or None)
            return
        values.write_text(chosen.values, encoding="utf-8")
        registry = f"{chosen.registry}/{chosen.repository.lower()}"
        installation.deploy(CHART, registry, read_digests(chosen.digests), values)


def read_digests(text: str) -> dict[str, str]:
    """The digests of all images, of JSON. ValueError when an image has none."""
    digests: dict[str, str] = json.loads(text or "{}")
    if set(digests) != set(IMAGES):
        raise ValueError(
            f"digests are of {', '.join(digests) or 'nothing'}: give those of {', '.join(IMAGES)}"
        )
    return digests


def _read(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.delivery", description="Deploys to a cluster.")
    commands = parser.add_subparsers(dest="command", required=True)
    programs = commands.add_parser("programs", help="install Helm and kubectl into a folder")
    programs.add_argument("folder", type=Path)
    verify = commands.add_parser("verify", help="the digests of a release, by its signatures")
    verify.add_argument("tag", help="such as v0.2.0")
    verify.add_argument("--commit", required=True, help="what the tag names in git")
    verify.add_argument("--output", type=Path, required=True, metavar="FILE")
    deploy = commands.add_parser("deploy", help="upgrade, wait, and go back when it fails")
    deploy.add_argument("--digests", required=True, metavar="JSON", help="what `verify` has written")
    deploy.add_argument("--values", required=True, metavar="YAML", help="values of the chart, as text")
    rollback = commands.add_parser("rollback", help="to the revision that was in use before")
    rollback.add_argument("--revision", type=int, default=0, help="of Helm's history; 0: that before")
    for command in (verify, deploy):
        command.add_argument("--repository", required=True, metavar="OWNER/NAME")
        command.add_argument("--registry", default="ghcr.io")
    for command in (deploy, rollback):
        command.add_argument("--server", required=True, metavar="URL", help="of Kubernetes' API")
        command.add_argument(
            "--authority", default="", metavar="PEM", help="the cluster's; else the system's"
        )
        command.add_argument("--audience", required=True, help="for which the cluster accepts tokens")
        command.add_argument("--namespace", default="tonebridge")
        command.add_argument("--release", default="tonebridge", help="Helm's name of the installation")
        command.add_argument("--rollout-minutes", default="90", help="how long a canary may take")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
