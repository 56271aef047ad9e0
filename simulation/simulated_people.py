"""Simulated people, who use the system through the gateway over HTTP and vote on the rewrites.

    python -m simulation.simulated_people configs/people.yaml gateway_url=http://127.0.0.1:8080 api_key=tb_...

**Their hidden taste.** The utility of a rewrite for a person is a weighted mean of its features:

    u = sum_k w_k s_k f_k / sum_k w_k s_k      each f_k in [0, 1], so u in [0, 1]
    s_k = exp(N(0, 0.4^2))                     drawn once for each person: how much feature k matters to them

| k         | w_k | f_k is 1 when the rewrite                                                            |
|-----------|-----|--------------------------------------------------------------------------------------|
| faithful  | 3   | keeps numbers, ids and names (0 when half are lost) and is about the message; a bare |
|           |     | copy is 0 above intensity 0                                                          |
| brief     | 1.5 | is at most 1.6 times as long as the message (structure 1.2, summarize 0.8); 0 at     |
|           |     | twice that                                                                           |
| asking    | 1.5 | asks or offers; 0.5 when it only states, or orders with "please"; 0 when it orders   |
| courteous | 1   | says please or thank you once or twice; 0.5 when more often, 0 when never            |
| plain     | 1   | has no padding and does not talk about itself; 0 at two such phrases                 |
| calm      | 0.5 | has no exclamation mark; 0 at two                                                    |
| laid out  | 1   | has three lines or more when structure was asked for, else four lines at most        |

Asking and courteous count only where the text addresses a person: in soften, clarify, terminology and
background, from intensity 1 on.

**Their votes.** A person has a bar b = 0.85 + N(0, 0.05^2). A thumb is up with probability
logistic((u - b) / 0.05). Stars are 1 + round(4 logistic((u - b) / 0.1)). Of two rewrites the first is chosen
with probability logistic((u_1 - u_2) / 0.05); neither is chosen when both are more than 0.25 below the bar. A
person with u < b may also correct the rewrite, by the fixed operations of `correct`. A share `noise` of the
votes is random: a flipped thumb, random stars, a coin for a comparison. People write N messages,
P(N >= n) = n^-1.1 up to `max_messages`, and vote on a share of the answers, Beta(3 r, 3 (1 - r)) with the
response rate r as its mean.

The taste was fixed before any training and is tuned on no model. It shares no code and no word list with the
rewards and metrics in `models`.
"""

import asyncio
import math
import random
import re
import sys
from collections import Counter
from collections.abc import Sequence
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
class Request:
    """A message with the requested transform type and intensity (0 to 3)."""

    text: str
    transform_type: TransformType
    intensity: int


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


# --- taste ---------------------------------------------------------------------------------------------

_ADDRESSING_TYPES = {
    TransformType.SOFTEN,
    TransformType.CLARIFY,
    TransformType.TERMINOLOGY,
    TransformType.BACKGROUND,
}
_LENGTH_LIMITS = {TransformType.STRUCTURE: 1.2, TransformType.SUMMARIZE: 0.8}

# Padding, with the words that a plain writer uses instead.
_PADDING = {
    re.compile(pattern, re.IGNORECASE): plain
    for pattern, plain in {
        r"\bi hope (?:that )?(?:this|my) (?:message|e-?mail|note) (?:finds|reaches) you[^.!\n]*[.!]?": "",
        r"\bplease be (?:advised|informed|aware)(?: that)?": "",
        r"\bit has come to (?:my|our) attention that": "",
        r"\bat your earliest convenience": "soon",
        r"\bdue to the fact that": "because",
        r"\bin order to": "to",
        r"\b(?:with regards? to|pertaining to)": "about",
        r"\bprior to": "before",
        r"\bplease (?:do not|don't) hesitate to": "please",
        r"\bi would like to take this opportunity to": "let me",
        r"^(?:sure|certainly|of course|absolutely)[,!.]+\s*": "",
        r"^(?:here is|here's|below is)\b[^:\n]{0,80}:\s*": "",
        r"[^.!?\n]*\b(?:as an ai|language model|ai assistant)\b[^.!?\n]*[.!?]?": "",
        r"^(?:rewritten|rewrite|revised|output)\b[^:\n]{0,40}:\s*": "",
    }.items()
}

# An order starts with a verb or with "please", perhaps after a name ("Ravi, fix it."). An object follows the
# verb: "Test the fix" is an order, "Test data is missing" is not.
_VERB = (
    "add|answer|approve|ask|attach|book|bring|call|cancel|change|check|clean|close|confirm|deliver|do|drop|explain"
    "|fill|find|finish|fix|get|give|keep|look|make|merge|move|open|pay|pick|pull|push|put|read|remove|reply"
    "|reset|resend|restart|revert|review|run|send|set|share|show|split|start|stop|submit|take|tell|test|turn|update"
    "|upload|use|wait|write"
)
_OBJECT = (
    "the|an?|it|them|this|that|these|those|your|my|our|me|us|him|her|all|to|at|for|with|up|off|out|[a-z]+ing"
)
_ORDER = re.compile(
    rf"(?P<name>[A-Z][\w'-]+,\s+)?(?:(?i:please\s+)(?P<plea>[a-z].*)"
    rf"|(?P<verb>(?i:{_VERB})\b(?:\s+(?:(?:{_OBJECT})\b|\W?[A-Z0-9]).*|(?:\s+\w+)?\W*$)))",
    re.DOTALL,
)
_OFFER = re.compile(r"\b(?:let's|i can|i could|we can|we could|i'd be glad|happy to)\b", re.IGNORECASE)
_REPROACH = re.compile(r"\W*(?:why|who|how could|seriously|really)\b", re.IGNORECASE)
_COURTEOUS = re.compile(r"\b(?:please|thanks?)\b", re.IGNORECASE)
_DETAIL = re.compile(r"\S*\d\S*|(?<=[a-z,;] )[A-Z][a-z]+")


def features(request: Request, rewrite: str) -> dict[str, float]:
    """The features f_k of a rewrite, in [0, 1], without those that do not apply to the request."""
    lines = [line for line in rewrite.splitlines() if line.strip()]
    length = len(rewrite.split()) / max(8, len(request.text.split()))
    padding = sum(len(pattern.findall(rewrite)) for pattern in _PADDING)
    is_structure = request.transform_type == TransformType.STRUCTURE
    values = {
        "faithful": _score_faithfulness(request, rewrite),
        "brief": _clip(2 - length / _length_limit(request)),
        "plain": _clip(1 - padding / 2),
        "calm": _clip(1 - rewrite.count("!") / 2),
        "laid out": _clip((len(lines) - 1) / 2) if is_structure else float(len(lines) <= 4),
    }
    if _addresses_somebody(request):
        courtesies = len(_COURTEOUS.findall(rewrite))
        values["asking"] = _score_asking(rewrite)
        values["courteous"] = 0.0 if not courtesies else 1.0 if courtesies <= 2 else 0.5
    return values


WEIGHTS = {
    "faithful": 3.0,
    "brief": 1.5,
    "asking": 1.5,
    "courteous": 1.0,
    "plain": 1.0,
    "calm": 0.5,
    "laid out": 1.0,
}


def utility(weights: dict[str, float], request: Request, rewrite: str) -> float:
    """The utility u of a rewrite for a person with these weights, in [0, 1]."""
    values = features(request, rewrite)
    return sum(weights[k] * f for k, f in values.items()) / sum(weights[k] for k in values)


def find_details(request: Request) -> list[str]:
    """The numbers, ids and names of the message, as written and without duplicates."""
    matches = (match.strip(".,;:!?()\"'") for match in _DETAIL.findall(request.text))
    return list(dict.fromkeys(detail for detail in matches if detail))


def find_lost_details(request: Request, rewrite: str) -> list[str]:
    """The details of the message that a rewrite does not contain."""
    return [detail for detail in find_details(request) if detail.casefold() not in rewrite.casefold()]


def correct(request: Request, rewrite: str) -> str:
    """Correct a rewrite by a few fixed operations, as a person would.

    Padding becomes plain words. A text that is not about the message is replaced by the message. Exclamation
    marks become full stops, repeated sentences go, and so do last sentences that only add length. Orders
    become questions, a request for structure gets lines, lost details return, and a thank-you is added.
    """
    text = rewrite
    for pattern, plain in _PADDING.items():
        text = pattern.sub(plain, text).strip()
    if not _is_about(request, text):
        text = request.text
    text = re.sub(r"!+", ".", text)
    lines = [list(dict.fromkeys(_split_sentences(line))) for line in text.splitlines() if line.strip()]
    if len(lines) == 1:
        lines = [_shorten(request, lines[0])]
    if _addresses_somebody(request):
        lines = [[_turn_into_question(sentence) for sentence in line] for line in lines]
    if request.transform_type == TransformType.STRUCTURE and len(lines) < 3:
        parts = _split_parts([sentence for line in lines for sentence in line])
        text = "\n".join(f"- {_capitalise(part)}" for part in parts)
    else:
        text = "\n".join(" ".join(map(_capitalise, line)) for line in lines)
    if missing := find_lost_details(request, text):
        body, end = (text[:-1], text[-1]) if text[-1:] in (".", "?") else (text, "")
        text = f"{body} ({', '.join(missing)}){end}"
    if _addresses_somebody(request) and not _COURTEOUS.search(text):
        text = f"{text} Thank you."
    return text


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))


def _length_limit(request: Request) -> float:
    """The length of a rewrite up to which it is brief, in lengths of the message."""
    return _LENGTH_LIMITS.get(request.transform_type, 1.6)


def _addresses_somebody(request: Request) -> bool:
    return request.transform_type in _ADDRESSING_TYPES and request.intensity > 0


def _find_stems(text: str) -> set[str]:
    return {word[:5] for word in re.findall(r"[a-z]{5,}", text.casefold())}


def _is_about(request: Request, rewrite: str) -> bool:
    """Whether a rewrite shares a tenth of the message's long words. In terminology it may replace all of
    them.
    """
    if request.transform_type == TransformType.TERMINOLOGY:
        return len(rewrite.split()) > 2
    stems = _find_stems(request.text)
    return len(stems & _find_stems(rewrite)) >= len(stems) / 10 and bool(rewrite.strip())


def _score_faithfulness(request: Request, rewrite: str) -> float:
    is_copy = rewrite.casefold().split() == request.text.casefold().split()
    if not _is_about(request, rewrite) or (is_copy and request.intensity > 0):
        return 0.0
    details = find_details(request)
    return _clip(1 - 2 * len(find_lost_details(request, rewrite)) / len(details)) if details else 1.0


def _split_sentences(text: str) -> list[str]:
    return [part for part in re.split(r"(?<=[.!?])\s+", text.strip()) if part]


def _split_parts(sentences: list[str]) -> list[str]:
    """The texts of the lines of a list: the sentences; their clauses when there are fewer than three."""
    if len(sentences) >= 3:
        return sentences
    return [part for sentence in sentences for part in re.split(r"[,;]\s+(?:and\s+)?", sentence) if part]


def _is_order(sentence: str) -> bool:
    return not sentence.endswith("?") and _ORDER.match(sentence) is not None


def _score_asking(rewrite: str) -> float:
    sentences = [sentence for line in rewrite.splitlines() for sentence in _split_sentences(line)]
    orders = [sentence for sentence in sentences if _is_order(sentence)]
    if any("please" not in order.casefold() for order in orders):
        return 0.0
    asks = any(sentence.endswith("?") and not _REPROACH.match(sentence) for sentence in sentences)
    return 1.0 if not orders and (asks or _OFFER.search(rewrite)) else 0.5


def _turn_into_question(sentence: str) -> str:
    """An order as a question. Other sentences, and orders with a second clause, stay as they are."""
    order = None if sentence.endswith("?") else _ORDER.match(sentence)
    if order is None or re.search(r";|:\s|\b(?:or|otherwise|not|don't)\b", sentence):
        return sentence
    name, action = order["name"] or "", (order["plea"] or order["verb"]).rstrip(". ")
    return f"{name}{'could' if name else 'Could'} you please {action[0].lower()}{action[1:]}?"


def _shorten(request: Request, sentences: list[str]) -> list[str]:
    """Drop the last statements of a text that exceeds 1.5 times its limit, unless a detail would be lost."""
    remaining = list(sentences)
    most_words = 1.5 * _length_limit(request) * max(8, len(request.text.split()))
    while len(remaining) > 1 and not remaining[-1].endswith("?"):
        text, shorter = " ".join(remaining), " ".join(remaining[:-1])
        if len(text.split()) <= most_words or not _is_about(request, shorter):
            break
        if find_lost_details(request, shorter) != find_lost_details(request, text):
            break
        remaining.pop()
    return remaining


def _capitalise(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


# --- people and their votes ----------------------------------------------------------------------------

# The shares of the transform types and of the intensities 0 to 3 in people's requests.
_TYPE_SHARES = {
    TransformType.SOFTEN: 0.3,
    TransformType.CLARIFY: 0.2,
    TransformType.STRUCTURE: 0.1,
    TransformType.SUMMARIZE: 0.1,
    TransformType.TERMINOLOGY: 0.1,
    TransformType.REQUIREMENTS: 0.1,
    TransformType.BACKGROUND: 0.1,
}
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
                bar=rng.gauss(0.85, 0.05),
                votes_on=rng.betavariate(3 * rate, 3 * (1 - rate)),
                messages=min(config.max_messages, int((1 - rng.random()) ** (-1 / 1.1))),
            )
        )
    return people


def plan_requests(config: PeopleConfig, texts: Sequence[str]) -> list[PlannedRequest]:
    """All requests of the people of a config, shuffled; the same for the same config and messages.

    Each person writes their own messages, as in reality. Shared messages would tie all people into one
    component, which a snapshot cannot split.
    """
    planned = []
    for place, person in enumerate(make_people(config)):
        own_texts = texts[place :: config.people] or [texts[place % len(texts)]]
        for number in range(person.messages):
            rng = random.Random(f"{person.name}:{number}")
            (transform_type,) = rng.choices(list(_TYPE_SHARES), list(_TYPE_SHARES.values()))
            (intensity,) = rng.choices(range(4), _INTENSITY_SHARES)
            request = Request(rng.choice(own_texts), transform_type, intensity)
            compares = rng.random() < config.comparisons_share
            seed = f"{person.name}:{number}:votes"
            planned.append(PlannedRequest(person, request, compares, seed))
    random.Random(config.seed).shuffle(planned)
    return planned


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
        if utility(person.weights, request, corrected) > liking:
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
    elif max(u_1, u_2) < person.bar - 0.25:
        preferred = "neither"
    else:
        preferred = "first" if choice_draw < _logistic((u_1 - u_2) / 0.05) else "second"
    return [{"kind": "comparison", "preferred": preferred}]


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _write_comment(request: Request, answer: str) -> str:
    worst, value = min(features(request, answer).items(), key=lambda item: item[1])
    return "This is how I would say it." if value == 1 else f"It could be more {worst}."


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
    texts = [message.text for message in corpus.read_lines(config.messages_folder, corpus.Message)]
    gateway_url = config.gateway_url or settings.gateway_url
    planned = plan_requests(config, texts)
    return asyncio.run(use_gateway(config, gateway_url, api_key.get_secret_value(), planned))


if __name__ == "__main__":
    usage = main(configs.from_command_line(PeopleConfig, sys.argv[1:]))
    for kind, count in (usage.counts | usage.errors).items():
        print(f"{kind:30} {count:7}")
