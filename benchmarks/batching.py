"""Time saved by sending misses in lists: `python -m benchmarks.batching`, about two minutes.

Compares two ways of calling the real BentoML service with the real 135M model: as the gateway does, with the
messages of 5 ms in one list, and with one call for each message, which the service batches while it is busy.
The model generates one token, so that the overhead of the call dominates.
"""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks import workload
from configs.settings import Settings
from data.records import Spec, TransformType
from models import loading
from models.export import export
from pipelines import local
from serving.gateway.online.upstream import Upstream
from serving.inference import release
from serving.inference.client import InferenceClient, Item

_SPEC = Spec(version="v1", max_new_tokens=1)
_SECONDS = 8.0


async def _ask(settings: Settings, service: psutil.Process, at_once: int, most: int) -> str:
    client = InferenceClient(settings.inference_urls, settings.secret("service_token"))
    upstream, took_ms = Upstream(client, max_list=most), []
    texts = iter(workload.fresh(100_000, f"{at_once}-{most}"))

    async def keep_asking(until: float) -> None:
        while time.monotonic() < until:
            began = time.monotonic()
            text = next(texts).decode()[10:90]
            await upstream.rewrite(_SPEC, Item(text=text, transform_type=TransformType.SOFTEN, intensity=1))
            took_ms.append((time.monotonic() - began) * 1000)

    await client.load(_SPEC.version, _SPEC.engine)
    used, own, began = _cpu_s(service), time.process_time(), time.monotonic()
    await asyncio.gather(*(keep_asking(began + _SECONDS) for _ in range(at_once)))
    seconds, n = time.monotonic() - began, len(took_ms)
    service_ms, own_us = (_cpu_s(service) - used) / n * 1e3, (time.process_time() - own) / n * 1e6
    await client.close()
    way, p50_ms = "lists" if most > 1 else "alone", statistics.median(took_ms)
    return f"{at_once:>7}  {way:7}{n / seconds:>11.0f}{p50_ms:>9.1f}{service_ms:>12.2f}{own_us:>12.0f}"


def _cpu_s(root: psutil.Process) -> float:
    times = [process.cpu_times() for process in (root, *root.children(recursive=True))]
    return sum(process.user + process.system for process in times)


def main() -> None:
    """Print a line for each way of calling and number of callers."""
    with (
        tempfile.TemporaryDirectory(prefix="tonebridge-bench-") as state,
        local.servers(
            local.with_free_ports(
                Settings(
                    state=Path(state), artifacts=Path(state) / "artifacts", database_url=None, redis_url=None
                )
            )
        ) as settings,
    ):
        folder = export(loading.base_folder(loading.PIP_MODEL), None, settings.artifacts / "v1")
        release.publish(folder, "v1", settings)
        with local.running(settings, "inference") as processes:
            processes["inference"].wait_until_ready(f"{settings.inference_urls[0]}/readyz")
            service = psutil.Process(processes["inference"].pid)
            print("callers  way     messages/s   p50 ms  service ms  gateway us  (CPU a message)")
            for at_once in (1, 8, 64):
                for most in (16, 1):
                    print(asyncio.run(_ask(settings, service, at_once, most)), flush=True)


if __name__ == "__main__":
    main()
