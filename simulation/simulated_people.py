"""Simulated people, who use the system through the gateway over HTTP and vote on the rewrites.

    python -m simulation.simulated_people configs/people.yaml gateway_url=http://127.0.0.1:8080 api_key=tb_...

Their hidden taste gives a rewrite its utility u for a person, in [0, 1]; see `simulation.taste`.

**Their votes.** A person has a bar b = 0.5 + N(0, 0.05^2). A thumb is up with probability
logistic((u - b) / 0.05). Stars are 1 + round(4 logistic((u - b) / 0.1)). Of two rewrites the first is chosen
with probability logistic((u_1 - u_2) / 0.05); neither is chosen when both are more than 0.35 below the bar. A
person with u < b may also correct the rewrite, by the fixed operations of `correct`. A share `noise` of the
votes is random: a flipped thumb, random stars, a coin for a comparison. People write N messages,
P(N >= n) = n^-1.1 up to `max_messages`, and vote on a share of the answers, Beta(3 r, 3 (1 - r)) with the
response rate r as its mean.
"""

import asyncio
import math
import random
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import aiohttp
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from tqdm import tqdm

import configs
from configs.settings import Settings
from data import corpus
from data.records import TransformType
from simulation.corrections import correct
from simulation.taste import BAR, WEIGHTS, Request, features, is_wrong, utility

Share = Annotated[float, Field(ge=0, le=1)]

_TRIES = 4  # of a request that gets a 503
_TIMEOUT_S = 120


class PeopleConfig(configs.StageConfig):
    """The numbers, habits and address of the simulated people."""

    people: Annotated[int, Field(ge=1)] = 150
    seed: int = 0
    noise: Share = 0.15
    response_rate: Annotated[float, Field(gt=0, lt=1)] = 0.6
    max_messages: Annotated[int, Field(ge=1)] = 100
    comparisons_share: Share = Field(0.5, description="of the messages, for which two rewrites are compared")
    edits_share: Share = Field(0.5, description="of the voters with u < b, who also correct the rewrite")
    comments_share: Share = Field(0.03, description="of the votes on an answer, with a comment")
    concurrency: Annotated[int, Field(ge=1)] = 16
    messages_folder: Path = corpus.SEED / "messages"
    gateway_url: str | None = Field(None, description="TONEBRIDGE_GATEWAY_URL when unset")
    api_key: SecretStr | None = Field(None, description="TONEBRIDGE_BOOTSTRAP_API_KEY when unset")


@dataclass(frozen=True, slots=True)
class Person:
    """One person's taste and habits.

    `weights` are w_k s_k by feature, `bar` is b, `votes_on` is the share of answers that get a vote, and
    `messages` is N.
    """

    name: str
    weights: dict[str, float]
    bar: float
    votes_on: float
    messages: int


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """One request of one person. With `compares` it requests two rewrites; `seed` is that of the votes."""

    person: Person
    request: Request
    compares: bool
    seed: str


class Usage(BaseModel):
    """The number of requests by kind, and of failed requests by route and status."""

    model_config = ConfigDict(frozen=True)

    counts: dict[str, int]
    errors: dict[str, int]


# --- people and their votes ----------------------------------------------------------------------------

# People request what their message needs: the shares of the transform types, by the style of the message.
_TYPE_SHARES: Mapping[corpus.Style, Mapping[TransformType, float]] = {
    "blunt": {TransformType.SOFTEN: 0.8, TransformType.STRUCTURE: 0.1, TransformType.REQUIREMENTS: 0.1},
    "vague": {TransformType.CLARIFY: 0.6, TransformType.BACKGROUND: 0.3, TransformType.REQUIREMENTS: 0.1},
    "rambling": {TransformType.STRUCTURE: 0.4, TransformType.SUMMARIZE: 0.4, TransformType.REQUIREMENTS: 0.2},
    "jargon": {TransformType.TERMINOLOGY: 0.7, TransformType.BACKGROUND: 0.3},
    "polite": {TransformType.BACKGROUND: 0.5, TransformType.REQUIREMENTS: 0.3, TransformType.STRUCTURE: 0.2},
}
# The shares of the intensities 0 to 3.
_INTENSITY_SHARES = (0.1, 0.3, 0.4, 0.2)


def make_people(config: PeopleConfig) -> list[Person]:
    """Draw the people of a config. The same seed gives the same people."""
    people = []
    for number in range(config.people):
        rng = random.Random(f"{config.seed}:{number}")
        rate = config.response_rate
        people.append(
            Person(
                name=f"person-{config.seed}-{number}",
                weights={k: w * rng.lognormvariate(0, 0.4) for k, w in WEIGHTS.items()},
                bar=rng.gauss(BAR, 0.05),
                votes_on=rng.betavariate(3 * rate, 3 * (1 - rate)),
                messages=min(config.max_messages, int((1 - rng.random()) ** (-1 / 1.1))),
            )
        )
    return people


def plan_requests(config: PeopleConfig, messages: Sequence[corpus.Message]) -> list[PlannedRequest]:
    """All requests of the people of a config, shuffled; the same for the same config and messages.

    Each person writes their own messages, as in reality, as long as there is a message for each. If everybody
    shared messages, all people would be tied into one component, which a snapshot cannot split.
    """
    planned = []
    for place, person in enumerate(make_people(config)):
        own_messages = messages[place :: config.people] or [messages[place % len(messages)]]
        planned += [plan_request(config, person, number, own_messages) for number in range(person.messages)]
    random.Random(config.seed).shuffle(planned)
    return planned


def plan_request(
    config: PeopleConfig, person: Person, number: int, messages: Sequence[corpus.Message]
) -> PlannedRequest:
    """A person's request of a `number`, about one of these messages; the same for the same arguments."""
    rng = random.Random(f"{person.name}:{number}")
    message = rng.choice(messages)
    shares = _TYPE_SHARES[message.style]
    (transform_type,) = rng.choices(list(shares), list(shares.values()))
    (intensity,) = rng.choices(range(4), _INTENSITY_SHARES)
    request = Request(message.text, transform_type, intensity)
    compares = rng.random() < config.comparisons_share
    return PlannedRequest(person, request, compares, f"{person.name}:{number}:votes")


def vote_on_answer(
    config: PeopleConfig, person: Person, request: Request, answer: str, rng: random.Random
) -> list[dict[str, Any]]:
    """A person's votes on one answer, as bodies for the gateway without the receipt; often none."""
    # All random numbers are drawn first, so that two runs with different noise differ in the noise alone.
    vote_draw, kind_draw, thumb_draw, noise_draw, edit_draw, comment_draw = (rng.random() for _ in range(6))
    random_stars = rng.randint(1, 5)
    if vote_draw >= person.votes_on:
        return []
    liking = utility(person.weights, request, answer)
    is_noise = noise_draw < config.noise
    votes: list[dict[str, Any]] = []
    if kind_draw < 0.6:
        is_up = thumb_draw < _logistic((liking - person.bar) / 0.05)
        votes.append({"kind": "thumb", "up": is_up != is_noise})
    else:
        stars = 1 + round(4 * _logistic((liking - person.bar) / 0.1))
        votes.append({"kind": "rating", "stars": random_stars if is_noise else stars})
    if liking < person.bar and edit_draw < config.edits_share:
        corrected = correct(request, answer)
        if utility(person.weights, request, corrected) >= person.bar and not is_wrong(request, corrected):
            votes.append({"kind": "edit", "text": corrected})
    if comment_draw < config.comments_share:
        votes.append({"kind": "comment", "text": _write_comment(request, answer)})
    return votes


def vote_on_pair(
    config: PeopleConfig, person: Person, request: Request, first: str, second: str, rng: random.Random
) -> list[dict[str, Any]]:
    """A person's vote on two rewrites, as in `vote_on_answer`; none or one."""
    vote_draw, choice_draw, noise_draw, coin = (rng.random() for _ in range(4))
    if vote_draw >= person.votes_on:
        return []
    u_1, u_2 = utility(person.weights, request, first), utility(person.weights, request, second)
    if noise_draw < config.noise:
        preferred = "first" if coin < 0.5 else "second"
    elif max(u_1, u_2) < person.bar - 0.35:
        preferred = "neither"
    else:
        preferred = "first" if choice_draw < _logistic((u_1 - u_2) / 0.05) else "second"
    return [{"kind": "comparison", "preferred": preferred}]


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _write_comment(request: Request, answer: str) -> str:
    worst, value = min(features(request, answer).items(), key=lambda item: item[1])
    return "This is how I would say it." if value == 1 else f"I would change this first: {worst}."


# --- using the gateway ---------------------------------------------------------------------------------


async def use_gateway(
    config: PeopleConfig,
    gateway_url: str,
    api_key: str,
    planned: Sequence[PlannedRequest],
    progress: bool = True,
) -> Usage:
    """Send all planned requests to the gateway, each followed by the person's votes.

    A request that fails is counted and not repeated, except a 503: it is retried after its `Retry-After`, up
    to three times.
    """
    remaining = iter(planned)
    async with aiohttp.ClientSession(
        gateway_url, headers={"X-API-Key": api_key}, timeout=aiohttp.ClientTimeout(_TIMEOUT_S)
    ) as http:
        gateway = _Gateway(http)
        with tqdm(total=len(planned), desc="people", unit="message", disable=not progress) as bar:

            async def worker() -> None:
                for planned_request in remaining:
                    await _send(config, gateway, planned_request)
                    bar.set_postfix(errors=gateway.errors.total(), refresh=False)
                    bar.update()

            async with asyncio.TaskGroup() as group:
                for _ in range(config.concurrency):
                    group.create_task(worker())
    return Usage(counts=dict(sorted(gateway.counts.items())), errors=dict(sorted(gateway.errors.items())))


class _Gateway:
    """A client of the gateway that counts successful and failed requests."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self.counts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()

    async def post(self, route: str, kind: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Post a request, counted as `kind`. Returns the response's JSON, or None when the request failed."""
        for tries_left in reversed(range(_TRIES)):
            try:
                async with self._http.post(f"/api/v1/{route}", json=body) as response:
                    if response.ok:
                        self.counts[kind] += 1
                        content: dict[str, Any] = await response.json()
                        return content
                    status, wait_s = response.status, float(response.headers.get("Retry-After", 1))
            except (aiohttp.ClientError, TimeoutError) as error:
                self.errors[f"{route} {type(error).__name__}"] += 1
                return None
            if status != 503 or not tries_left:
                self.errors[f"{route} {status}"] += 1
                return None
            await asyncio.sleep(wait_s)
        return None


async def _send(config: PeopleConfig, gateway: _Gateway, planned: PlannedRequest) -> None:
    person, request = planned.person, planned.request
    body: dict[str, Any] = {
        "text": request.text,
        "transform_type": request.transform_type.value,
        "intensity": request.intensity,
        "user_id": person.name,
    }
    rng = random.Random(planned.seed)
    if planned.compares:
        response = await gateway.post("compare", "compare", body)
        if response is None:
            return
        texts = response["first"]["transformed_text"], response["second"]["transformed_text"]
        votes = vote_on_pair(config, person, request, *texts, rng)
    else:
        response = await gateway.post("transform", "transform", body)
        if response is None:
            return
        votes = vote_on_answer(config, person, request, response["transformed_text"], rng)
    for vote in votes:
        await gateway.post("feedback", vote["kind"], vote | {"receipt": response["receipt"]})


def main(config: PeopleConfig) -> Usage:
    """Let the people of a config use the gateway of the config, or else of the environment.

    ValueError without an API key.
    """
    settings = Settings()
    api_key = config.api_key or settings.bootstrap_api_key
    if api_key is None:
        raise ValueError("no API key: pass api_key=tb_..., or set TONEBRIDGE_BOOTSTRAP_API_KEY")
    gateway_url = config.gateway_url or settings.gateway_url
    planned = plan_requests(config, corpus.read_lines(config.messages_folder, corpus.Message))
    return asyncio.run(use_gateway(config, gateway_url, api_key.get_secret_value(), planned))


if __name__ == "__main__":
    usage = main(configs.from_command_line(PeopleConfig, sys.argv[1:]))
    for kind, count in (usage.counts | usage.errors).items():
        print(f"{kind:30} {count:7}")
