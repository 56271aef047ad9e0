"""A real proxy in front of the gateway reuses its connections and forwards Upgrade. Bytes that an attacker
leaves on such a connection must not join the next person's request.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from configs.settings import Settings
from pipelines import local
from tests.ports import free_port
from tests.waiting import until
from tests.wire import Answer, Connection, Gateway, gateway

pytestmark = pytest.mark.slow

NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log info;
events {{ }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream gateway {{ server 127.0.0.1:{gateway}; keepalive 1; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://gateway; proxy_http_version 1.1; proxy_request_buffering {buffering};
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection;
    }}
  }}
}}
"""
HAPROXY = """
global
  nbthread 1
defaults
  mode http
  timeout connect 10s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend front
  bind 127.0.0.1:{port}
  default_backend back
backend back
  server gateway 127.0.0.1:{gateway}
"""
COMMANDS = {
    "nginx": (NGINX, ["nginx", "-p", "{folder}", "-c", "{folder}/conf"]),
    "haproxy": (HAPROXY, ["haproxy", "-db", "-f", "{folder}/conf"]),
}


@pytest.fixture(scope="module")
def server(stack: Settings, engine: Engine, tmp_path_factory: Any) -> Iterator[Gateway]:
    with gateway(stack, engine, tmp_path_factory.mktemp("proxies") / "gateway.log") as started:
        yield started


@pytest.fixture(params=["nginx", "nginx, unbuffered", "haproxy"])
def proxied(request: Any, server: Gateway, tmp_path: Path) -> Iterator[Gateway]:
    """The gateway by the port of a proxy before it."""
    name = request.param.partition(",")[0]
    template, command = COMMANDS[name]
    program = shutil.which(command[0], path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip(f"there is no {name}: apt-get install {name}")
    port = free_port()
    buffering = "off" if request.param == "nginx, unbuffered" else "on"
    names = {"folder": tmp_path, "port": port, "gateway": server.port, "buffering": buffering}
    (tmp_path / "conf").write_text(template.format(**names))
    arguments = [part.format(**names) for part in command[1:]]
    proxy = local.Process(name, [program, *arguments], os.environ, tmp_path / "log")
    try:
        until(lambda: listens(proxy, port), lambda: "the proxy does not listen")
        yield server._replace(port=port)
    finally:
        proxy.stop()


def listens(proxy: local.Process, port: int) -> bool:
    proxy.check()
    with contextlib.suppress(ConnectionRefusedError), Connection(port):
        return True
    return False


def ask(server: Gateway) -> Answer | None:
    """What a person is answered who comes by the proxy on a connection of their own."""
    with Connection(server.port) as person:
        person.send(server.head(method="GET", path="/livez"))
        return person.answer()


# The head of a request that goes on with whatever comes next on the connection.
PREFIX = b"GET /smuggled HTTP/1.1\r\nHost: x\r\nX-Swallowed: "


@pytest.mark.parametrize("protocol", ["h2c", "foo", "websocket"])
@pytest.mark.parametrize("body", [PREFIX, b"\r\n" * 100_000 + PREFIX], ids=["short", "long"])
def test_nobody_is_answered_what_another_asked(proxied: Gateway, protocol: str, body: bytes) -> None:
    """A body is read as a request if it arrives later than its head, or is longer than one read."""
    met = []
    for attempt in range(40):
        with Connection(proxied.port) as attacker:
            lines = ("Connection: Upgrade", f"Upgrade: {protocol}", f"Content-Length: {len(body)}")
            attacker.send(proxied.head(*lines, path="/livez", key=""))
            time.sleep(attempt % 5 / 1000)
            attacker.send(body)
            attacker.answer()
            met.append(ask(proxied))
    assert [answer and answer.status for answer in met] == [200] * 40
