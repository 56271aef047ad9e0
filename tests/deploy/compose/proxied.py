"""An installation of small servers behind the real proxy with its real configuration; a program stands for
Compose.
"""

import contextlib
import http.client
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from deploy.compose import env_file
from deploy.compose.canary import CANARIES, INFERENCE, ComposeFleet
from deploy.compose.installation import GATEWAYS
from deploy.compose.programs import FOLDER, Compose
from tests.ports import free_port

SERVERS = (*GATEWAYS, *INFERENCE, *CANARIES.values())

# Notes its words, and does for real what is asked of the proxy and of the worker, with this test's ports.
PROGRAM = """#!{python}
import json, os, pathlib, subprocess, sys
folder = pathlib.Path({folder!r})
ports = json.loads((folder / "ports.json").read_text())
options, words = sys.argv[1:7], sys.argv[7:]
with (folder / "calls").open("a") as calls:
    version = [line for line in open(options[3]) if line.startswith("TONEBRIDGE_VERSION")][0].strip()
    calls.write(" ".join([version.partition("=")[2], *words]).replace("\\n", " ") + "\\n")
if (folder / f"fails-{{words[0]}}").exists() or words[0] == "exec" and words[2].endswith("-canary"):
    sys.exit(3)  # podman-compose knows no service of a profile that is not named
if words[:4] == ["exec", "-T", "proxy", "bash"]:
    script = words[5].replace("/9999", f"/{{ports['runtime']}}")
    sys.exit(subprocess.run(["bash", "-c", script, *words[6:]]).returncode)
if words[:3] == ["exec", "-T", "worker"] and words[5].startswith("\\nimport json, os"):
    places = {{place: f"127.0.0.1:{{ports[place.partition(':')[0]]}}" for place in words[6:]}}
    environment = {{**os.environ, "TONEBRIDGE_METRICS_TOKEN": "token"}}
    command = [sys.executable, "-c", words[5], *places.values()]
    reader = subprocess.Popen(command, stdin=-1, stdout=-1, env=environment, text=True)
    for line in sys.stdin:
        reader.stdin.write(line)
        reader.stdin.flush()
        texts = json.loads(reader.stdout.readline())
        print(json.dumps({{place: texts[address] for place, address in places.items()}}), flush=True)
if words[:3] == ["exec", "-T", "postgres"]:
    print((folder / "votes").read_text())
"""


class Server(ThreadingHTTPServer):
    """A gateway or an inference service that is ready, and answers with its status."""

    daemon_threads = True

    def __init__(self, name: str) -> None:
        self.name, self.status, self.answered, self.is_ready = name, 200, 0, True
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        if self.path == "/metrics":
            text = (
                f'tonebridge_request_seconds_count{{cache="l1"}} {self.server.answered}\n'
                'tonebridge_request_seconds_bucket{cache="l1",le="0.05"} 0\n'
            )
            self.answer(200, text.encode())
        else:
            self.answer(200 if self.server.is_ready else 503, b"ready")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.answered += 1
        self.answer(self.server.status, self.server.name.encode())

    def answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def handle(self) -> None:
        with contextlib.suppress(ConnectionResetError):  # of a health check, which does not read the body
            super().handle()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Installed(NamedTuple):
    compose: Compose
    fleet: ComposeFleet
    servers: dict[str, Server]
    api: int
    folder: Path

    def send(self, requests: int) -> dict[str, int]:
        """How many of the requests each server got, by what the proxy answered."""

        def send_one(_: int) -> str:
            connection = http.client.HTTPConnection("127.0.0.1", self.api, timeout=30)
            connection.request("POST", "/api/v1/transform", b"{}")
            answer = connection.getresponse().read().decode()
            connection.close()
            return answer

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(send_one, range(requests)))
        return {name: answers.count(name) for name in set(answers)}

    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@contextlib.contextmanager
def install(folder: Path) -> Iterator[Installed]:
    """Small servers behind HAProxy, with what they need in an empty folder."""
    haproxy = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if haproxy is None:
        pytest.skip("there is no haproxy: apt-get install haproxy")
    servers = {name: Server(name) for name in SERVERS}
    ports = {name: server.server_port for name, server in servers.items()}
    fixed = (8080, 8070, 8090, 8060, 8081, 3000, 8404, 9999)
    own = {port: free_port() for port in fixed}
    text = (FOLDER / "haproxy.cfg").read_text(encoding="utf-8")
    for name, port in ports.items():
        for inner in (8080, 3000):
            text = text.replace(f"{name}:{inner}", f"127.0.0.1:{port}")
    for port, free in own.items():
        text = text.replace(f"bind :{port}\n", f"bind 127.0.0.1:{free}\n").replace(
            f":{port} level", f":{free} level"
        )
    text = text.replace("parse-resolv-conf", "nameserver none 127.0.0.1:1").replace(
        " init-addr none", " init-addr last,libc,none"
    )
    (folder / "haproxy.cfg").write_text(text)
    (folder / "ports.json").write_text(json.dumps({**ports, "proxy": own[8404], "runtime": own[9999]}))
    (folder / "votes").write_text("t,7,4\nf,90,20\n")
    program = folder / "compose"
    program.write_text(PROGRAM.format(python=sys.executable, folder=str(folder)))
    program.chmod(0o755)
    env_file.make(folder / ".env", {"TONEBRIDGE_VERSION": "v1"})
    compose = Compose([str(program)], folder / ".env")
    with (folder / "haproxy.log").open("wb") as log:
        proxy = subprocess.Popen([haproxy, "-db", "-f", str(folder / "haproxy.cfg")], stdout=log, stderr=log)
    try:
        installed = Installed(
            compose, ComposeFleet(compose, "v2", lambda _: None), servers, own[8080], folder
        )
        _wait_until_ready(installed, proxy)
        yield installed
        installed.fleet._end_reader()
    finally:
        proxy.kill()
        proxy.wait()
        for server in servers.values():
            server.shutdown()
            server.server_close()


def _wait_until_ready(installed: Installed, proxy: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while True:
        assert proxy.poll() is None, (installed.folder / "haproxy.log").read_text()
        try:
            seen = installed.fleet.observe()
        except OSError:
            seen = None
        if seen is not None and seen.is_canary_ready:
            return
        assert time.monotonic() < deadline, (installed.folder / "haproxy.log").read_text()
        time.sleep(0.1)
