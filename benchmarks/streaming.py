"""Time to the first token of a stream, through the gateway and at BentoML itself: `python -m
benchmarks.streaming`, two minutes; a part of `make bench-gateway`.

The real service with the real 135M model, and a gateway with everything that a request needs. Messages are
new, so each is a miss, and both sides take turns with them.
"""

import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from sqlalchemy.orm import Session

from benchmarks import workload
from configs.settings import Settings
from data import database
from data.people import identities
from data.records import Spec
from data.traffic import routing
from data.traffic.routing import Routing
from models import loading
from models.export import export
from pipelines import local
from serving.gateway.online.front import PATH
from serving.inference import release

_SPEC = Spec(version="v1", max_new_tokens=48)
_WARM_UP = 3


async def _first_token_s(
    session: aiohttp.ClientSession, url: str, body: dict[str, Any]
) -> tuple[float, float]:
    """Seconds to the first piece of a draft, and to the end of the stream."""
    began, first_s = time.perf_counter(), 0.0
    async with session.post(url, json=body) as response:
        response.raise_for_status()
        while event := await response.content.readuntil(b"\n\n", max_size=1 << 20):
            if event.startswith(b"event: delta") and not first_s:
                first_s = time.perf_counter() - began
            if event.startswith(b"event: error"):
                raise RuntimeError(event.decode())
    return first_s, time.perf_counter() - began


async def _compare(settings: Settings, key: str, messages: int) -> dict[str, Any]:
    """Both sides get each message, one after the other; who is first alternates."""
    service = {"Authorization": f"Bearer {settings.secret('service_token')}"}
    seconds: dict[str, list[tuple[float, float]]] = {"gateway": [], "bentoml": []}
    async with (
        aiohttp.ClientSession(headers={"X-API-Key": key, "Accept": "text/event-stream"}) as gateway,
        aiohttp.ClientSession(headers=service) as bentoml,
    ):
        for number, body in enumerate(workload.fresh(messages + _WARM_UP, "streams")):
            item = {"text": json.loads(body)["text"], "transform_type": "soften", "intensity": 2}
            requests = {
                "gateway": (gateway, settings.gateway_url + PATH, item),
                "bentoml": (
                    bentoml,
                    f"{settings.inference_urls[0]}/stream",
                    {"spec": _SPEC.model_dump(mode="json"), "item": item},
                ),
            }
            for side in sorted(requests, reverse=bool(number % 2)):
                seconds[side].append(await _first_token_s(*requests[side]))
    report: dict[str, Any] = {"messages": messages}
    for part, name in enumerate(("first_token", "whole")):
        pairs = [
            (1e3 * ours[part], 1e3 * theirs[part])
            for ours, theirs in list(zip(seconds["gateway"], seconds["bentoml"], strict=True))[_WARM_UP:]
            if ours[0] and theirs[0]  # a text may be empty
        ]
        for side, times in zip(("gateway", "bentoml"), map(sorted, zip(*pairs, strict=True)), strict=True):
            report[f"{side}_{name}_p50_ms"] = round(statistics.median(times), 2)
            report[f"{side}_{name}_p90_ms"] = round(times[int(0.9 * len(times))], 2)
        report[f"{name}_ratio"] = round(statistics.median(ours / theirs for ours, theirs in pairs), 3)
        report[f"{name}_added_ms"] = round(statistics.median(ours - theirs for ours, theirs in pairs), 2)
    return report


def measure(messages: int = 40) -> dict[str, Any]:
    """The quantiles of both sides in ms; and of each message's ratio of the gateway to BentoML, and of its
    difference, the medians.
    """
    with tempfile.TemporaryDirectory(prefix="tonebridge-bench-") as state:
        wanted = Settings(
            state=Path(state), artifacts=Path(state) / "artifacts", database_url=None, redis_url=None
        )
        with local.servers(local.with_free_ports(wanted)) as settings:
            folder = export(loading.base_folder(loading.PIP_MODEL), None, settings.artifacts / "v1")
            release.publish(folder, "v1", settings)
            engine = database.engine_of(settings)
            key = identities.bootstrap(engine, None)
            assert key is not None, "the benchmark's database is new"
            with Session(engine) as session, session.begin():
                routing.publish(session, Routing(champion=_SPEC), "benchmark")
            engine.dispose()
            with local.running(settings, "inference", "gateway") as processes:
                processes["inference"].wait_until_ready(f"{settings.inference_urls[0]}/readyz")
                processes["gateway"].wait_until_ready(f"{settings.gateway_url}/readyz")
                report = asyncio.run(_compare(settings, key, messages))
                report["load"] = psutil.getloadavg()[0]
                return report


def table(report: dict[str, Any]) -> str:
    """The report for a terminal."""
    return "\n".join(
        f"{side:8} first token p50 {report[f'{side}_first_token_p50_ms']:7.1f}"
        f"  p90 {report[f'{side}_first_token_p90_ms']:7.1f} ms"
        f"   whole p50 {report[f'{side}_whole_p50_ms']:7.1f} ms"
        for side in ("bentoml", "gateway")
    ) + (
        f"\ngateway to BentoML: first token {report['first_token_ratio']:.3f}"
        f" ({report['first_token_added_ms']:+.1f} ms), whole {report['whole_ratio']:.3f}"
        f" ({report['whole_added_ms']:+.1f} ms)"
    )


if __name__ == "__main__":
    print(table(measure()))
