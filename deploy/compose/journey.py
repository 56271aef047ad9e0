"""What people do with an installation: a message, feedback on the answer, an experiment and its decision.

All of it goes through the proxy, by the routes that everybody uses.
"""

import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any, NamedTuple

import aiohttp

from deploy import traffic

PEOPLE = tuple(f"person-{number}" for number in range(24))
# A second version to decide about: the shipped one again, under another name, since a training takes longer.
# Both write the same, so nobody can compare them side by side. A container of the flows registers it.
REGISTER = """
import shutil
from configs.settings import Settings
from data import database
from pipelines import first_release
from pipelines.registration import register
settings = Settings()
run, evaluated = first_release.make_run(settings)
twin = run.with_name(f"{run.name}-twin")
shutil.copytree(run, twin, dirs_exist_ok=True)
engine = database.engine_of(settings)
print("registered", register.fn(settings, engine, twin, evaluated, "tagger", None, None))
"""


class Decision(NamedTuple):
    """What the experiment showed, and what its decision changed. Each answer got a vote."""

    answers: dict[str, int]  # by version, while it ran
    decisions: list[str]  # as they are listed: action, by whom, outcome
    afterwards: dict[str, int]  # answers by version, once it was decided


def message(url: str, key: str, person: str, text: str = traffic.MESSAGE) -> dict[str, Any]:
    """The answer to a person's message."""
    body = {"text": text, "transform_type": "soften", "intensity": 2, "user_id": person}
    return traffic.call(url, key, "POST", "/api/v1/transform", body)


def vote(url: str, key: str, receipt: str) -> None:
    """A thumb up by the receipt of an answer."""
    traffic.call(url, key, "POST", "/api/v1/feedback", {"kind": "thumb", "up": True, "receipt": receipt})


def decide(url: str, key: str, challenger: str, timeout_s: float = 240.0) -> Decision:
    """Run an experiment with a challenger on everybody, and ship the challenger by hand.

    TimeoutError when a decision is not carried out.
    """
    path = _start(url, key, challenger, timeout_s)
    during: dict[str, int] = {}
    for person in PEOPLE:
        answer = message(url, key, person, f"Fix it before Monday. It is for {person}.")
        during[answer["version"]] = during.get(answer["version"], 0) + 1
        vote(url, key, answer["receipt"])
    traffic.call(url, key, "POST", f"{path}/ship", {"reason": "Decided by hand, to see it in effect."})
    ended = _wait(url, key, path, lambda found: found["ended_at"] is not None, timeout_s)
    afterwards: dict[str, int] = {}
    for person in PEOPLE:
        version = message(url, key, person, f"Fix it before Tuesday. It is for {person}.")["version"]
        afterwards[version] = afterwards.get(version, 0) + 1
    listed = [
        f"{each['action']} by {each['requested_by'].partition(':')[0]}: {each['outcome']}"
        for each in ended["decisions"]
    ]
    return Decision(during, listed, afterwards)


def _start(url: str, key: str, challenger: str, timeout_s: float) -> str:
    """Draft and start an experiment in which everybody is; its path."""
    draft = {
        "name": "A version beside its twin",
        "hypothesis": "Both rewrite alike.",
        "challengers": [challenger],
        "plan": {"automatic": False},
    }
    drafted = traffic.call(url, key, "POST", "/api/v1/experiments", draft)
    path = f"/api/v1/experiments/{drafted['id']}"
    traffic.call(url, key, "POST", f"{path}/start", {})
    _wait(url, key, path, lambda found: found["started_at"] is not None, timeout_s)
    traffic.call(url, key, "POST", f"{path}/ramp", {"share": 1})
    _wait(url, key, path, lambda found: found["share"] == 1, timeout_s)
    return path


def _wait(
    url: str, key: str, path: str, is_met: Callable[[dict[str, Any]], bool], timeout_s: float
) -> dict[str, Any]:
    deadline = time.monotonic() + timeout_s
    while not is_met(found := traffic.call(url, key, "GET", path)):
        failed = [each for each in found["decisions"] if str(each["outcome"]).startswith("failed")]
        if failed or time.monotonic() > deadline:
            raise TimeoutError(f"the decision was not carried out: {json.dumps(found['decisions'])}")
        time.sleep(0.5)
    return found


def stream(url: str, key: str) -> list[str]:
    """The events of a streamed answer, by their names."""
    body = json.dumps({"text": "Fix it by a stream.", "transform_type": "soften", "intensity": 2}).encode()
    headers = {"X-API-Key": key, "Content-Type": "application/json", "Accept": "text/event-stream"}
    request = urllib.request.Request(f"{url}/api/v1/transform", body, headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
        lines = response.read().decode().splitlines()
    return [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]


async def talk(url: str, key: str) -> list[str]:
    """The kinds of messages that a WebSocket gets for a sign-in and a rewrite."""
    kinds = []
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/api/v1/ws") as socket:
        await socket.send_json({"type": "auth", "token": key})
        kinds.append((await socket.receive_json(timeout=30))["type"])
        body = {"text": "Fix it by a socket.", "transform_type": "soften", "intensity": 2}
        await socket.send_json({"type": "transform", "id": "1", "body": body})
        while kinds[-1] not in ("answer", "error"):
            kinds.append((await socket.receive_json(timeout=30))["type"])
    return kinds
