"""Prints the rules of Cloudflare for an installation, or sends them. See docs/edge.md.

python3 -m deploy.edge show --gateway tone.example.com --web write.example.com
CLOUDFLARE_API_TOKEN=... python3 -m deploy.edge apply --zone ZONE_ID --gateway tone.example.com ...
"""

import argparse
import json
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

from deploy.edge import rules
from deploy.edge.rules import Site

_API = "https://api.cloudflare.com"


def send(api: str, token: str, method: str, path: str, body: Any) -> None:
    """Make one call. SystemExit with Cloudflare's answer when it is refused."""
    request = urllib.request.Request(  # noqa: S310 (the address is ours, or a test's)
        f"{api}{path}",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            response.read()
    except urllib.error.HTTPError as error:
        answer = error.read().decode("utf-8", "replace")[:1000]
        raise SystemExit(f"{method} {path}: {error.code}, {answer}") from error
    except urllib.error.URLError as error:
        raise SystemExit(f"{method} {path}: {error.reason}") from error


def main(arguments: Sequence[str] | None = None) -> None:
    """Print or send."""
    parser = argparse.ArgumentParser(description="The rules of Cloudflare for an installation.")
    parser.add_argument("command", choices=["show", "apply"])
    parser.add_argument("--zone", default="ZONE_ID", help="the id of the zone")
    parser.add_argument("--api", default=_API, help=argparse.SUPPRESS)
    for site in Site:
        parser.add_argument(f"--{site}", metavar="HOST", help=f"the host name of the {site}")
    chosen = parser.parse_args(arguments)
    hosts = {site: host for site in Site if (host := getattr(chosen, site)) is not None}
    if Site.GATEWAY not in hosts:
        parser.error("--gateway is missing: the host name of the API")
    try:
        calls = rules.calls(chosen.zone, hosts)
    except ValueError as error:
        parser.error(str(error))
    if chosen.command == "show":
        requests = [{"method": method, "path": path, "body": body} for method, path, body in calls]
        print(json.dumps(requests, indent=1))
        return
    token = os.environ.get("CLOUDFLARE_API_TOKEN")
    if not token or chosen.zone == "ZONE_ID":
        parser.error("set CLOUDFLARE_API_TOKEN and --zone")
    for method, path, body in calls:
        send(chosen.api, token, method, path, body)
        print(f"{method} {path}", flush=True)


if __name__ == "__main__":
    main()
