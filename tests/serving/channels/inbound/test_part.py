"""The process takes what the page's examples send, as they are written there; and what it needs for that."""

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from psycopg_pool import AsyncConnectionPool

import configs
from configs.settings import Settings
from data.jobs.queue import Kind
from pipelines.local import running
from serving.channels.gateway import Gateway
from serving.channels.inbound.part import make_inbound
from tests import gateways, ports, streams
from tests.receivers import Receiver
from tests.serving.channels.inbound.conftest import JOBS, Installation

PAGE = (configs.ROOT / "docs" / "inbound-webhooks.md").read_text(encoding="utf-8")
MESSAGE = "Fix the login page before Monday."


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.+?)^```$", PAGE, re.MULTILINE | re.DOTALL)


async def run(command: list[str], names: dict[str, str], folder: Path) -> dict[str, str]:
    """The JSON that a command prints."""
    done = await asyncio.to_thread(
        subprocess.run, command, env={**os.environ, **names}, cwd=folder, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    printed: dict[str, str] = json.loads(done.stdout)
    return printed


async def test_the_examples_of_the_page_run(
    installation: Installation, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TONEBRIDGE_WEBHOOK_NETWORKS", '["127.0.0.0/8"]')
    key = gateways.a_key(installation.engine, gateways.an_organisation(installation.engine, "scale"), "admin")
    names = {"KEY": key["X-API-Key"]}
    changes = {"gateway_url": f"http://127.0.0.1:{installation.gateway.port}"}
    settings = ports.with_own_ports(installation.settings).model_copy(update=changes)

    def own(example: str) -> str:
        """An example with the addresses of this test."""
        return (
            example.replace("localhost:8080", f"127.0.0.1:{installation.gateway.port}")
            .replace("localhost:8060", f"127.0.0.1:{settings.channels_port}")
            .replace("http://127.0.0.1:9000/", receiver.url)
        )

    make, send = (["bash", "-euo", "pipefail", "-c", own(example)] for example in blocks("sh"))
    program = [sys.executable, "-W", "ignore", "-c", own(blocks("python")[1])]
    with running(settings, "channels") as processes:
        url = f"http://127.0.0.1:{settings.channels_port}/livez"
        await asyncio.to_thread(processes["channels"].wait_until_ready, url)
        for form, command in (("hub", send), ("standard", program)):
            made = await run([*make[:-1], make[-1].replace('"hub"', f'"{form}"')], names, tmp_path)
            taken = {**names, "WEBHOOK": made["path"], "SECRET": made["secret"]}
            assert list(await run(command, taken, tmp_path)) == ["job"]
        await streams.until(lambda: len(receiver.received) == 2)
    assert [asked["text"] for asked in installation.service.items] == [MESSAGE], "the second is cached"
    assert [received.event for received in receiver.received] == [{"text": "Please wait."}] * 2


def test_without_its_secret_the_process_has_no_inbound_webhooks(local: Settings) -> None:
    pool = AsyncConnectionPool("postgresql://nobody@127.0.0.1:1/none", open=False)
    gateway = Gateway("http://127.0.0.1:1")
    without = local.model_copy(update={"inbound_secret": None})
    assert make_inbound(without, pool, gateway, JOBS).handlers == {}
    assert make_inbound(without, pool, gateway, JOBS).router.routes == []
    assert list(make_inbound(local, pool, gateway, JOBS).handlers) == [Kind.INBOUND]
