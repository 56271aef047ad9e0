"""Signs in to a cluster by the identity of a workflow, without a secret that somebody could steal.

Kubernetes' API server accepts tokens of GitHub when it is told to (docs/releasing.md). kubectl and Helm call
this module for one, as their kubeconfig says, and again when it expires, since a canary takes longer:

    python -m deploy.delivery.access AUDIENCE
"""

import base64
import json
import os
import sys
import urllib.parse
import urllib.request
from datetime import UTC, datetime
from typing import Any

from deploy.catalog import ROOT

_API = "client.authentication.k8s.io/v1"
_MARGIN_S = 60  # a token is renewed so long before it expires
# GitHub sets both in each step of a job that has the permission `id-token: write`.
_URL, _TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"


def kubeconfig(server: str, authority: str, audience: str, namespace: str) -> dict[str, Any]:
    """A kubeconfig, as JSON. `authority` is the certificate of the cluster's authority (PEM); empty: those of
    the system.
    """
    cluster = {"server": server}
    if authority:
        cluster["certificate-authority-data"] = base64.b64encode(authority.encode()).decode()
    plugin = {
        "apiVersion": _API,
        "command": sys.executable,
        "args": ["-m", "deploy.delivery.access", audience],
        "env": [{"name": "PYTHONPATH", "value": str(ROOT)}],
        "interactiveMode": "Never",
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "deployment",
        "clusters": [{"name": "deployment", "cluster": cluster}],
        "users": [{"name": "deployment", "user": {"exec": plugin}}],
        "contexts": [
            {
                "name": "deployment",
                "context": {"cluster": "deployment", "user": "deployment", "namespace": namespace},
            }
        ],
    }


def credential(url: str, request_token: str, audience: str) -> dict[str, Any]:
    """An ExecCredential of client-go, with a new token for an audience. OSError when GitHub gives none."""
    address = f"{url}&{urllib.parse.urlencode({'audience': audience})}"
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {request_token}"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
        token = str(json.load(response)["value"])
    renewed = datetime.fromtimestamp(_expiry(token) - _MARGIN_S, UTC)
    status = {"token": token, "expirationTimestamp": renewed.strftime("%Y-%m-%dT%H:%M:%SZ")}
    return {"apiVersion": _API, "kind": "ExecCredential", "status": status}


def _expiry(token: str) -> int:
    """When a JWT expires, in seconds since 1970."""
    claims = token.split(".")[1]
    return int(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"])


def main(arguments: list[str]) -> None:
    """Print a credential."""
    if len(arguments) != 1:
        raise SystemExit("usage: python -m deploy.delivery.access AUDIENCE")
    if missing := [name for name in (_URL, _TOKEN) if not os.environ.get(name)]:
        raise SystemExit(f"{', '.join(missing)} missing: give the job the permission `id-token: write`")
    try:
        made = credential(os.environ[_URL], os.environ[_TOKEN], arguments[0])
    except OSError as error:
        raise SystemExit(f"GitHub gives no token for {arguments[0]}: {error}") from error
    print(json.dumps(made))


if __name__ == "__main__":
    main(sys.argv[1:])
