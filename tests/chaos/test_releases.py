"""Ten releases at 20 requests a second: every status is 200, and every answer is by a version that was
allowed at that moment.
"""

import asyncio
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.records import Spec
from data.traffic import routing
from data.traffic.routing import Routing
from serving.inference import release
from tests.chaos.stacks import running_stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

RELEASES = 10
REQUESTS_PER_S = 20
EVERY_S = 1.5
VERSIONS = ("v1", "v2", "v3", "v4")  # one more than fit into memory


@pytest.fixture
def stack(tmp_path: Path, tiny_base: Path) -> Iterator[tuple[Settings, str]]:
    champion = Spec(version=VERSIONS[0], max_new_tokens=8)
    with running_stack(tmp_path, tiny_base, champion, *VERSIONS[1:]) as (settings, key, _):
        yield settings, key


def put_into_force(settings: Settings, version: str) -> None:
    """Make a version the champion, and wait until every gateway has acknowledged it."""
    engine = database.engine_of(settings)
    with Session(engine) as session, session.begin():
        epoch = routing.publish(session, Routing(champion=Spec(version=version, max_new_tokens=8)), "a test")
    routing.wait_until_acknowledged(engine, epoch)
    engine.dispose()


async def test_releases_under_load(stack: tuple[Settings, str]) -> None:
    settings, key = stack
    allowed: list[tuple[str, float, float]] = [("v1", 0.0, float("inf"))]  # version, from, until
    answers: list[tuple[int, str, float, float]] = []

    async def ask(http: aiohttp.ClientSession) -> None:
        body = {"text": f"Fix it. {uuid.uuid4()}", "transform_type": "soften", "intensity": 1}
        began = time.monotonic()
        async with http.post("/api/v1/transform", json=body) as response:
            content = await response.json()
            answers.append((response.status, content.get("version", str(content)), began, time.monotonic()))

    async def releases() -> None:
        token = settings.secret("service_token")
        for number in range(1, RELEASES + 1):
            version = VERSIONS[number % len(VERSIONS)]
            await release.warm(settings.inference_urls, Spec(version=version), token)
            former, since, _ = allowed[-1]
            began = time.monotonic()
            await asyncio.to_thread(put_into_force, settings, version)
            done = time.monotonic()
            allowed[-1] = (former, since, done)  # both are allowed until every gateway has acknowledged
            allowed.append((version, began, float("inf")))
            await asyncio.sleep(EVERY_S)

    async with aiohttp.ClientSession(settings.gateway_url, headers={"X-API-Key": key}) as http:
        release_task = asyncio.create_task(releases())
        requests = []
        while not release_task.done():  # an open loop: the next request does not wait for the last answer
            requests.append(asyncio.create_task(ask(http)))
            await asyncio.sleep(1 / REQUESTS_PER_S)
        await release_task
        await asyncio.gather(*requests)

    assert len(answers) > RELEASES * EVERY_S * REQUESTS_PER_S * 0.8
    assert [answer for answer in answers if answer[0] != 200] == []
    assert {version for _, version, _, _ in answers} == set(VERSIONS)
    wrong = [
        (version, began, ended)
        for _, version, began, ended in answers
        if not any(version == v and began < until and since < ended for v, since, until in allowed)
    ]
    assert wrong == []
