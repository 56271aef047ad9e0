"""A process that fails in every way that Sentry is told of, with planted words for texts and secrets."""

import os
import subprocess
import sys

import configs

TEXT, KEY, PASSWORD, VALUE = "planted-message-text", "tb_planted_key", "planted-password", "planted-value"
PROMPT = "Rewrite this politely"

_SCRIPT = f"""
import asyncio, logging, threading
from configs.settings import Settings
from serving.observability.start import start

start(Settings(), "worker")
log = logging.getLogger("data.some.module")

def rewrite(text, secret):
    prompt = f"{PROMPT}: {{text}}"
    raise RuntimeError(f"cannot write {{prompt!r}} with {{secret}}")  # {TEXT}

try:
    rewrite("{TEXT}", "{KEY}")
except RuntimeError as error:
    log.exception("a job fails: %s", "an id")
    log.error("a job fails: %s", error)
    log.warning("no event: %s", error)
log.info("a breadcrumb %s", "{VALUE}")
log.error("without an exception: %s", "{VALUE}")
thread = threading.Thread(target=rewrite, args=("{TEXT}", "{PASSWORD}"))
thread.start()
thread.join()

async def ask():
    await asyncio.sleep(0)
    rewrite("{TEXT}", "{PASSWORD}")
asyncio.run(ask())
"""


def fail(dsn: str) -> subprocess.CompletedProcess[str]:
    """Run it. It sends five events: three exceptions, and two lines of the log without one."""
    return run(
        _SCRIPT,
        TONEBRIDGE_SENTRY_DSN=dsn,
        TONEBRIDGE_RELEASE="1.2.3",
        TONEBRIDGE_ENVIRONMENT="staging",
        TONEBRIDGE_REDIS_URL=f"redis://:{PASSWORD}@127.0.0.1/0",
    )


def run(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script with this environment, which logs JSON."""
    values = {**os.environ, "TONEBRIDGE_LOG_FORMAT": "json", "PYTHONPATH": str(configs.ROOT), **environment}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env=values, capture_output=True, text=True, timeout=60)
