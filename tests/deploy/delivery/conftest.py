"""What stands for Helm and kubectl, for GitHub's tokens and for a cluster's API: none of them is here."""

import base64
import http.server
import json
import ssl
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.delivery.installation import Installation
from tests import certificates

# Answers the calls of a kind (`helm history`) one after the other, and the last answer again and again.
PROGRAM = f"""#!{sys.executable}
import json, pathlib, sys
folder = pathlib.Path(__file__).parent
words = [pathlib.Path(__file__).name, *sys.argv[1:]]
kubeconfig = pathlib.Path(words[words.index("--kubeconfig") + 1])
if kubeconfig.exists():
    (folder / "kubeconfig-seen").write_text(kubeconfig.read_text())
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps(words) + "\\n")
kind = " ".join(words[:2])
answers = json.loads((folder / "answers.json").read_text()).get(kind, [[0, ""]])
count = sum(json.loads(line)[:2] == words[:2] for line in (folder / "calls").read_text().splitlines())
code, text = answers[min(count, len(answers)) - 1]
print(text, file=sys.stderr if code else sys.stdout)
sys.exit(code)
"""
DIGESTS = {"gateway": f"sha256:{'1' * 64}", "flows": f"sha256:{'2' * 64}"}


def revision(number: int, status: str, **more: Any) -> dict[str, Any]:
    return {"revision": number, "status": status, **more}


def rollout(phase: str, message: str = "", **status: Any) -> list[Any]:
    """An answer of kubectl."""
    state = {"observedGeneration": "7", "phase": phase, "message": message, **status}
    return [0, json.dumps({"metadata": {"generation": 7}, "status": state})]


class Cluster:
    """The programs, what they answer, and what they were called with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.answers: dict[str, list[Any]] = {
            "helm history": [[0, json.dumps([revision(2, "superseded"), revision(3, "deployed")])]],
            "helm get": [[0, json.dumps({"delivery": "rollout"})]],
            "kubectl get": [rollout("Healthy")],
        }
        for name in ("helm", "kubectl"):
            (folder / name).write_text(PROGRAM)
            (folder / name).chmod(0o755)

    def installation(self, rollout_s: float = 60.0) -> Installation:
        (self.folder / "answers.json").write_text(json.dumps(self.answers))
        kubeconfig = self.folder / "kubeconfig"
        return Installation(
            kubeconfig, "chats", "tonebridge", say=self.said.append, rollout_s=rollout_s, pause_s=0.0
        )

    def deploy(self, rollout_s: float = 60.0) -> None:
        values = self.folder / "values.yaml"
        self.installation(rollout_s).deploy(Path("chart"), "ghcr.io/ann/tone", DIGESTS, values)

    def calls(self) -> list[list[str]]:
        lines = (self.folder / "calls").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def changes(self) -> list[str]:
        """The calls that change something, without where."""
        changing = ("helm upgrade", "helm rollback", "kubectl patch")
        return [" ".join(call[:4]) for call in self.calls() if " ".join(call[:2]) in changing]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setenv("PATH", str(tmp_path))
    return Cluster(tmp_path)


EXPIRY = 4_000_000_000  # 2096-10-02T07:06:40Z, of each token


def make_token(**claims: Any) -> str:
    parts = ({"alg": "RS256"}, {"exp": EXPIRY, **claims})
    coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*coded, "signature"])


class _Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


class TokenServer(http.server.ThreadingHTTPServer):
    """GitHub's server of tokens: one for who shows the job's own."""

    asked: list[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/token?api-version=2.0"


class _Tokens(_Handler):
    server: TokenServer

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        allowed = self.headers["Authorization"] == "Bearer of-the-job"
        self.answer(200 if allowed else 401, {"value": make_token(audience=self.path.rpartition("=")[2])})


@pytest.fixture
def token_server() -> Iterator[TokenServer]:
    with TokenServer(("127.0.0.1", 0), _Tokens) as server:
        server.asked = []
        yield from _run(server)


class ApiServer(http.server.ThreadingHTTPServer):
    """Kubernetes' API, with TLS: what Helm asks to see that it is there, and kubectl to read a Rollout."""

    authority: str  # its certificate, PEM
    phases: list[str]  # of the Rollout, one for each time that it is asked for; the last one stays
    asked: list[tuple[str, str]]  # method and path
    tokens: set[str]

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server_address[1]}"


GROUP = "argoproj.io"
ROLLOUTS = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": f"{GROUP}/v1alpha1",
    "resources": [
        {
            "name": "rollouts",
            "singularName": "rollout",
            "namespaced": True,
            "kind": "Rollout",
            "verbs": ["get", "patch"],
        },
        {
            "name": "rollouts/status",
            "singularName": "",
            "namespaced": True,
            "kind": "Rollout",
            "verbs": ["get", "patch"],
        },
    ],
}
_VERSION = {"groupVersion": f"{GROUP}/v1alpha1", "version": "v1alpha1"}
DISCOVERY = {
    "/version": {"major": "1", "minor": "37", "gitVersion": "v1.37.1"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
    "/apis": {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [{"name": GROUP, "versions": [_VERSION], "preferredVersion": _VERSION}],
    },
    f"/apis/{GROUP}/v1alpha1": ROLLOUTS,
}


class _Api(_Handler):
    server: ApiServer

    def do_GET(self) -> None:
        path = self._note()
        if path in DISCOVERY:
            self.answer(200, DISCOVERY[path])
        elif path.removesuffix("/status").endswith("/rollouts/tonebridge-gateway"):
            phases = self.server.phases
            self.answer(200, self._rollout(phases.pop(0) if len(phases) > 1 else phases[0]))
        else:
            self.answer(404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404})

    def do_PATCH(self) -> None:
        self._note()
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(("body", json.dumps(content)))
        self.answer(200, self._rollout("Degraded"))

    def _note(self) -> str:
        path = self.path.partition("?")[0]
        self.server.asked.append((self.command, path))
        self.server.tokens.add(str(self.headers["Authorization"]))
        return path

    def _rollout(self, phase: str) -> dict[str, Any]:
        return {
            "apiVersion": f"{GROUP}/v1alpha1",
            "kind": "Rollout",
            "metadata": {"name": "tonebridge-gateway", "namespace": "chats", "generation": 7},
            "status": {"observedGeneration": "7", "phase": phase},
        }


@pytest.fixture
def api_server(tmp_path: Path) -> Iterator[ApiServer]:
    with ApiServer(("127.0.0.1", 0), _Api) as server:
        files = certificates.make(tmp_path)
        server.authority = files.authority.read_text()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.certificate, files.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.phases, server.asked, server.tokens = ["Healthy"], [], set()
        yield from _run(server)


def _run(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
