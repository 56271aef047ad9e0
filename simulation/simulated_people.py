"""Simulated people, who use the system through the gateway over HTTP and say what they think of it.

    python -m simulation.simulated_people configs/people.yaml gateway_url=http://127.0.0.1:8080 api_key=tb_...

**Their hidden taste.** How much a person likes a rewrite is a weighted mean of what they look for:

    u = sum_k w_k s_k f_k / sum_k w_k s_k      each f_k in [0, 1], so u in [0, 1]
    s_k = exp(N(0, 0.4^2))                     drawn once a person: how much more than others they mind k

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

Asking and courteous count where somebody is spoken to: in soften, clarify, terminology and background, from
intensity 1 on.

**Their votes.** A person has a bar b = 0.85 + N(0, 0.05^2). A thumb goes up with probability
logistic((u - b) / 0.05); stars are 1 + round(4 logistic((u - b) / 0.1)); the first of two is chosen with
probability logistic((u_1 - u_2) / 0.05), and neither when both lie 0.25 below the bar. Who is not content may
also correct the rewrite, by the fixed operations of `correct`. A share `noise` of the votes means nothing: a
flipped thumb, random stars, a coin for a comparison. People write N messages, P(N >= n) = n^-1.1 up to
`max_messages`, and vote on a share of the answers, Beta(3 r, 3 (1 - r)) around the response rate r.

Fixed before any training and tuned on no model. It shares no code and no word list with the rewards and
metrics in `models`.
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

_TRIES = 4  # of a request that is answered with 503
_TIMEOUT_S = 120


class PeopleConfig(configs.StageConfig):
    """Who uses the system, and how."""

    people: Annotated[int, Field(ge=1)] = 150
    seed: int = 0
    noise: Share = 0.15
    response_rate: Annotated[float, Field(gt=0, lt=1)] = 0.6
    max_messages: Annotated[int, Field(ge=1)] = 100
    comparisons_share: Share = Field(0.5, description="of the messages: two rewrites are compared")
    edits_share: Share = Field(0.5, description="of the voters who are not content: correct the rewrite")
    comments_share: Share = Field(0.03, description="of the votes on an answer: say something, too")
    concurrency: Annotated[int, Field(ge=1)] = 16
    messages_folder: Path = corpus.SEED / "messages"
    gateway_url: str | None = Field(None, description="TONEBRIDGE_GATEWAY_URL when unset")
    api_key: SecretStr | None = Field(None, description="TONEBRIDGE_BOOTSTRAP_API_KEY when unset")


@dataclass(frozen=True, slots=True)
class Request:
    """A message, and what its writer wants of it."""

    text: str
    transform_type: TransformType
    intensity: int


@dataclass(frozen=True, slots=True)
class Person:
    """One person's taste and habits."""

    name: str
    weights: dict[str, float]
    bar: float
    votes_on: float
    messages: int


@dataclass(frozen=True, slots=True)
class Errand:
    """One request of one person, and the chance that their votes on it turn on."""

    person: Person
    request: Request
    compares: bool
    seed: str


class Usage(BaseModel):
    """What people did, by kind, and what the gateway refused, by route and status."""

    model_config = ConfigDict(frozen=True)

    counts: dict[str, int]
    errors: dict[str, int]


# --- taste ---------------------------------------------------------------------------------------------

_SPOKEN = {
    TransformType.SOFTEN,
    TransformType.CLARIFY,
    TransformType.TERMINOLOGY,
    TransformType.BACKGROUND,
}
_ROOM = {TransformType.STRUCTURE: 1.2, TransformType.SUMMARIZE: 0.8}

# Padding, and what a plain writer puts in its place.
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

# An order opens with a verb, or with "please", perhaps after a name ("Ravi, fix it."). A verb goes on with
# what it acts on: "Test the fix" is an order, "Test data is missing" is none.
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
    """What a rewrite has of each thing that people look for, in [0, 1]; without those that do not apply."""
    lines = [line for line in rewrite.splitlines() if line.strip()]
    length = len(rewrite.split()) / max(8, len(request.text.split()))
    padding = sum(len(pattern.findall(rewrite)) for pattern in _PADDING)
    is_structure = request.transform_type == TransformType.STRUCTURE
    found = {
        "faithful": _faithful(request, rewrite),
        "brief": _clip(2 - length / _room(request)),
        "plain": _clip(1 - padding / 2),
        "calm": _clip(1 - rewrite.count("!") / 2),
        "laid out": _clip((len(lines) - 1) / 2) if is_structure else float(len(lines) <= 4),
    }
    if _speaks(request):
        courtesies = len(_COURTEOUS.findall(rewrite))
        found["asking"] = _asking(rewrite)
        found["courteous"] = 0.0 if not courtesies else 1.0 if courtesies <= 2 else 0.5
    return found


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
    """How much somebody with these weights likes a rewrite, in [0, 1]."""
    found = features(request, rewrite)
    return sum(weights[k] * f for k, f in found.items()) / sum(weights[k] for k in found)


def details(request: Request) -> list[str]:
    """The numbers, ids and names of the message, as written."""
    found = (match.strip(".,;:!?()\"'") for match in _DETAIL.findall(request.text))
    return list(dict.fromkeys(detail for detail in found if detail))


def lost(request: Request, rewrite: str) -> list[str]:
    """The details of the message that a rewrite does not have."""
    return [detail for detail in details(request) if detail.casefold() not in rewrite.casefold()]


def correct(request: Request, rewrite: str) -> str:
    """The rewrite as a person would have sent it, by a few fixed operations.

    A text that is not about the message is thrown away for the message itself. Then: plain words for padding,
    full stops for exclamation marks, nothing said twice, no last sentences that only add length, questions
    for orders, lost details put back, lines where structure was asked for, and a thank-you.
    """
    text = rewrite
    for pattern, plain in _PADDING.items():
        text = pattern.sub(plain, text).strip()
    if not _is_about(request, text):
        text = request.text
    text = re.sub(r"!+", ".", text)
    lines = [list(dict.fromkeys(_sentences(line))) for line in text.splitlines() if line.strip()]
    if len(lines) == 1:
        lines = [_shortened(request, lines[0])]
    if _speaks(request):
        lines = [[_asked(sentence) for sentence in line] for line in lines]
    if request.transform_type == TransformType.STRUCTURE and len(lines) < 3:
        text = "\n".join(f"- {_capital(part)}" for part in _parts([part for line in lines for part in line]))
    else:
        text = "\n".join(" ".join(map(_capital, line)) for line in lines)
    if missing := lost(request, text):
        body, end = (text[:-1], text[-1]) if text[-1:] in (".", "?") else (text, "")
        text = f"{body} ({', '.join(missing)}){end}"
    if _speaks(request) and not _COURTEOUS.search(text):
        text = f"{text} Thank you."
    return text


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))


def _room(request: Request) -> float:
    return _ROOM.get(request.transform_type, 1.6)


def _speaks(request: Request) -> bool:
    return request.transform_type in _SPOKEN and request.intensity > 0


def _stems(text: str) -> set[str]:
    return {word[:5] for word in re.findall(r"[a-z]{5,}", text.casefold())}


def _is_about(request: Request, rewrite: str) -> bool:
    """Whether a rewrite shares a tenth of the message's long words; jargon may go when that was asked for."""
    if request.transform_type == TransformType.TERMINOLOGY:
        return len(rewrite.split()) > 2
    wanted = _stems(request.text)
    return len(wanted & _stems(rewrite)) >= len(wanted) / 10 and bool(rewrite.strip())


def _faithful(request: Request, rewrite: str) -> float:
    is_copy = rewrite.casefold().split() == request.text.casefold().split()
    if not _is_about(request, rewrite) or (is_copy and request.intensity > 0):
        return 0.0
    wanted = details(request)
    return _clip(1 - 2 * len(lost(request, rewrite)) / len(wanted)) if wanted else 1.0


def _sentences(text: str) -> list[str]:
    return [part for part in re.split(r"(?<=[.!?])\s+", text.strip()) if part]


def _parts(sentences: list[str]) -> list[str]:
    """What to put on lines of their own: sentences, or the clauses of the few that there are."""
    if len(sentences) >= 3:
        return sentences
    return [part for sentence in sentences for part in re.split(r"[,;]\s+(?:and\s+)?", sentence) if part]


def _is_order(sentence: str) -> bool:
    return not sentence.endswith("?") and _ORDER.match(sentence) is not None


def _asking(rewrite: str) -> float:
    sentences = [sentence for line in rewrite.splitlines() for sentence in _sentences(line)]
    orders = [sentence for sentence in sentences if _is_order(sentence)]
    if any("please" not in order.casefold() for order in orders):
        return 0.0
    asks = any(sentence.endswith("?") and not _REPROACH.match(sentence) for sentence in sentences)
    return 1.0 if not orders and (asks or _OFFER.search(rewrite)) else 0.5


def _asked(sentence: str) -> str:
    """An order as a question; other sentences, and orders with a second clause, as they are."""
    order = None if sentence.endswith("?") else _ORDER.match(sentence)
    if order is None or re.search(r";|:\s|\b(?:or|otherwise|not|don't)\b", sentence):
        return sentence
    name, what = order["name"] or "", (order["plea"] or order["verb"]).rstrip(". ")
    return f"{name}{'could' if name else 'Could'} you please {what[0].lower()}{what[1:]}?"


def _shortened(request: Request, sentences: list[str]) -> list[str]:
    """Without the last statements of a text that is half too long, as long as nothing is lost by it."""
    kept = list(sentences)
    most = 1.5 * _room(request) * max(8, len(request.text.split()))
    while len(kept) > 1 and len(" ".join(kept).split()) > most and not kept[-1].endswith("?"):
        shorter = " ".join(kept[:-1])
        if lost(request, shorter) != lost(request, " ".join(kept)) or not _is_about(request, shorter):
            break
        kept.pop()
    return kept


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


# --- people and their votes ----------------------------------------------------------------------------

# What people ask for: how often each transform type, and intensities 0 to 3.
_ASKED_FOR = {
    TransformType.SOFTEN: 0.3,
    TransformType.CLARIFY: 0.2,
    TransformType.STRUCTURE: 0.1,
    TransformType.SUMMARIZE: 0.1,
    TransformType.TERMINOLOGY: 0.1,
    TransformType.REQUIREMENTS: 0.1,
    TransformType.BACKGROUND: 0.1,
}
_INTENSITIES = (0.1, 0.3, 0.4, 0.2)


def people(config: PeopleConfig) -> list[Person]:
    """The people of a seed, always the same."""
    made = []
    for number in range(config.people):
        rng = random.Random(f"{config.seed}:{number}")
        rate = config.response_rate
        made.append(
            Person(
                name=f"person-{config.seed}-{number}",
                weights={k: w * rng.lognormvariate(0, 0.4) for k, w in WEIGHTS.items()},
                bar=rng.gauss(0.85, 0.05),
                votes_on=rng.betavariate(3 * rate, 3 * (1 - rate)),
                messages=min(config.max_messages, int((1 - rng.random()) ** (-1 / 1.1))),
            )
        )
    return made


def errands(config: PeopleConfig, texts: Sequence[str]) -> list[Errand]:
    """All that the people of a config will ask, in mixed order; the same for the same config and messages.

    Everybody writes messages of their own, as in life: shared ones would tie all people into one component,
    which a snapshot cannot split.
    """
    made = []
    for place, person in enumerate(people(config)):
        own = texts[place :: config.people] or [texts[place % len(texts)]]
        for number in range(person.messages):
            rng = random.Random(f"{person.name}:{number}")
            (transform_type,) = rng.choices(list(_ASKED_FOR), list(_ASKED_FOR.values()))
            (intensity,) = rng.choices(range(4), _INTENSITIES)
            request = Request(rng.choice(own), transform_type, intensity)
            compares = rng.random() < config.comparisons_share
            made.append(Errand(person, request, compares, f"{person.name}:{number}:votes"))
    random.Random(config.seed).shuffle(made)
    return made


def opinion(
    config: PeopleConfig, person: Person, request: Request, answer: str, rng: random.Random
) -> list[dict[str, Any]]:
    """A person's votes on one answer, as the gateway takes them but for the receipt; often none."""
    # All chance is drawn first, so that a run with other noise differs in the noise alone.
    votes_at, thumbs_at, luck, noise_at, edits_at, comments_at = (rng.random() for _ in range(6))
    stars_at_random = rng.randint(1, 5)
    if votes_at >= person.votes_on:
        return []
    likes = utility(person.weights, request, answer)
    is_noise = noise_at < config.noise
    votes: list[dict[str, Any]] = []
    if thumbs_at < 0.6:
        votes.append({"kind": "thumb", "up": (luck < _logistic((likes - person.bar) / 0.05)) != is_noise})
    else:
        stars = 1 + round(4 * _logistic((likes - person.bar) / 0.1))
        votes.append({"kind": "rating", "stars": stars_at_random if is_noise else stars})
    if likes < person.bar and edits_at < config.edits_share:
        corrected = correct(request, answer)
        if utility(person.weights, request, corrected) > likes:
            votes.append({"kind": "edit", "text": corrected})
    if comments_at < config.comments_share:
        votes.append({"kind": "comment", "text": _remark(request, answer)})
    return votes


def preference(
    config: PeopleConfig, person: Person, request: Request, first: str, second: str, rng: random.Random
) -> list[dict[str, Any]]:
    """A person's vote on two rewrites, as `opinion`."""
    votes_at, luck, noise_at, coin = (rng.random() for _ in range(4))
    if votes_at >= person.votes_on:
        return []
    u_1, u_2 = utility(person.weights, request, first), utility(person.weights, request, second)
    if noise_at < config.noise:
        preferred = "first" if coin < 0.5 else "second"
    elif max(u_1, u_2) < person.bar - 0.25:
        preferred = "neither"
    else:
        preferred = "first" if luck < _logistic((u_1 - u_2) / 0.05) else "second"
    return [{"kind": "comparison", "preferred": preferred}]


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _remark(request: Request, answer: str) -> str:
    worst, value = min(features(request, answer).items(), key=lambda item: item[1])
    return "This is how I would say it." if value == 1 else f"It could be more {worst}."


# --- using the gateway ---------------------------------------------------------------------------------


async def use(
    config: PeopleConfig,
    gateway_url: str,
    api_key: str,
    errands: Sequence[Errand],
    progress: bool = True,
) -> Usage:
    """Run everybody's errands, each with the votes that follow.

    What the gateway refuses is counted and left at that; only a 503 is tried again, when it says so.
    """
    waiting = iter(errands)
    async with aiohttp.ClientSession(
        gateway_url, headers={"X-API-Key": api_key}, timeout=aiohttp.ClientTimeout(_TIMEOUT_S)
    ) as http:
        gateway = _Gateway(http)
        with tqdm(total=len(errands), desc="people", unit="message", disable=not progress) as bar:

            async def worker() -> None:
                for errand in waiting:
                    await _run(config, gateway, errand)
                    bar.set_postfix(errors=gateway.errors.total(), refresh=False)
                    bar.update()

            async with asyncio.TaskGroup() as group:
                for _ in range(config.concurrency):
                    group.create_task(worker())
    return Usage(counts=dict(sorted(gateway.counts.items())), errors=dict(sorted(gateway.errors.items())))


class _Gateway:
    """The gateway's routes, with a count of what was done and what was refused."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self.counts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()

    async def post(self, route: str, kind: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """The answer to a request, counted as `kind`; None when it was refused."""
        for tries_left in reversed(range(_TRIES)):
            try:
                async with self._http.post(f"/api/v1/{route}", json=body) as response:
                    if response.ok:
                        self.counts[kind] += 1
                        answer: dict[str, Any] = await response.json()
                        return answer
                    status, wait_s = response.status, float(response.headers.get("Retry-After", 1))
            except (aiohttp.ClientError, TimeoutError) as error:
                self.errors[f"{route} {type(error).__name__}"] += 1
                return None
            if status != 503 or not tries_left:
                self.errors[f"{route} {status}"] += 1
                return None
            await asyncio.sleep(wait_s)
        return None


async def _run(config: PeopleConfig, gateway: _Gateway, errand: Errand) -> None:
    person, request = errand.person, errand.request
    body: dict[str, Any] = {
        "text": request.text,
        "transform_type": request.transform_type.value,
        "intensity": request.intensity,
        "user_id": person.name,
    }
    rng = random.Random(errand.seed)
    if errand.compares:
        shown = await gateway.post("compare", "compare", body)
        if shown is None:
            return
        texts = shown["first"]["transformed_text"], shown["second"]["transformed_text"]
        votes = preference(config, person, request, *texts, rng)
    else:
        shown = await gateway.post("transform", "transform", body)
        if shown is None:
            return
        votes = opinion(config, person, request, shown["transformed_text"], rng)
    for vote in votes:
        await gateway.post("feedback", vote["kind"], vote | {"receipt": shown["receipt"]})


def main(config: PeopleConfig) -> Usage:
    """Let the people of a config use the gateway that it, or else the environment, names."""
    settings = Settings()
    api_key = config.api_key or settings.bootstrap_api_key
    if api_key is None:
        raise ValueError("no API key: give api_key=tb_..., or set TONEBRIDGE_BOOTSTRAP_API_KEY")
    texts = [message.text for message in corpus.read_lines(config.messages_folder, corpus.Message)]
    gateway_url = config.gateway_url or settings.gateway_url
    return asyncio.run(use(config, gateway_url, api_key.get_secret_value(), errands(config, texts)))


if __name__ == "__main__":
    usage = main(configs.from_command_line(PeopleConfig, sys.argv[1:]))
    for kind, count in (usage.counts | usage.errors).items():
        print(f"{kind:30} {count:7}")
