"""Simulated people: a taste that a colleague could have, steady chance, and use over HTTP."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import configs
from data import corpus
from data.records import TransformType
from simulation import simulated_people
from simulation.corrections import correct
from simulation.simulated_people import (
    PeopleConfig,
    PlannedRequest,
    make_people,
    plan_requests,
    use_gateway,
    vote_on_answer,
    vote_on_pair,
)
from simulation.taste import WEIGHTS, Request, features, is_wrong, utility

PLAIN = "You never update PAY-212. Fix it by Friday, Ravi told you twice."

# (transform type, intensity, message, what a colleague would rather send, what they would not)
PAIRS = [
    (
        "soften",
        2,
        PLAIN,
        "Could you please fix PAY-212 by Friday? Ravi has asked twice.",
        "Fix PAY-212 by Friday.",
    ),
    (
        "soften",
        2,
        PLAIN,
        "Could you fix PAY-212 by Friday, as Ravi asked? Thanks.",
        "Could you fix it, as Ravi asked? Thanks.",
    ),
    (
        "soften",
        1,
        PLAIN,
        "Please fix PAY-212 by Friday; Ravi asked twice.",
        "Fix PAY-212 by Friday!! Ravi told you twice!!",
    ),
    ("soften", 3, PLAIN, "Would you please look at PAY-212 by Friday? Ravi asked twice.", PLAIN),
    (
        "soften",
        2,
        PLAIN,
        "Would you update PAY-212 by Friday, please? Ravi asked twice.",
        "I'm sorry, but as an AI language model I cannot update PAY-212.",
    ),
    (
        "soften",
        2,
        PLAIN,
        "Could you please update PAY-212 by Friday? Ravi asked twice.",
        "Here is the rewritten message: Could you please update PAY-212 by Friday? Ravi asked twice.",
    ),
    (
        "soften",
        2,
        PLAIN,
        "Could you please update PAY-212 by Friday? Ravi asked twice.",
        "I hope this message finds you well. It has come to my attention that PAY-212 needs an update"
        " prior to Friday, Ravi says.",
    ),
    (
        "clarify",
        1,
        "The thing with the login is back, some people can't get in, #88 I think.",
        "The login problem is back (#88, I think), and some people can't get in. (Since when is not stated.)",
        "Look at the login thing, #88.",
    ),
    (
        "clarify",
        2,
        "Numbers are off since Tuesday, can someone check?",
        "The numbers have been wrong since Tuesday. Could someone please check them?",
        "The numbers have been wrong. Could someone please check them?",
    ),
    (
        "clarify",
        2,
        "We need it sooner, maybe 3 days.",
        "We need it sooner, maybe by 3 days (what it is: not stated).",
        "We need it sooner, and sooner means sooner, so I want to say again that we need it, as we said, "
        "a good deal sooner than we all thought we would need it, please. Thank you.",
    ),
    (
        "summarize",
        2,
        "So the import for Tamworth hangs at 80% in Firefox too, and payroll is Thursday, they tried twice.",
        "Tamworth's import hangs at 80%, in Firefox too; payroll is Thursday.",
        "The import hangs and payroll is near.",
    ),
    (
        "summarize",
        3,
        "The demo moved to 14 March because Anna is ill, and the venue, which was hard to find, agreed.",
        "Demo moved to 14 March: Anna is ill.",
        "The demo has been moved to 14 March for the reason that Anna is ill, and the venue, hard to find,"
        " agreed to it.",
    ),
    (
        "structure",
        2,
        "Release 2.4.1 is blocked by SEC-9, Omar fixes it, we ship on Monday.",
        "Blocked: release 2.4.1\nBy: SEC-9\nOwner: Omar\nShips: on Monday",
        "Release 2.4.1 is blocked by SEC-9, which Omar fixes, so that we ship on Monday.",
    ),
    (
        "structure",
        1,
        "Two bugs, UI-1 and UI-2, both Lena, due May 3.",
        "- UI-1: Lena\n- UI-2: Lena\n- Due: May 3",
        "- Bug one\n- Bug two\n- Due soon",
    ),
    (
        "terminology",
        2,
        "The pod gets OOM-killed at 512 MB under load.",
        "The pod (the unit in which the program runs) gets OOM-killed (stopped for lack of memory) at 512 MB"
        " under load.",
        "The program is stopped when it needs too much.",
    ),
    (
        "terminology",
        2,
        "Roll back v2.3 now, the migration locks the table.",
        "Please roll back v2.3 now (return to the version before). The migration (the change of the database)"
        " locks the table.",
        "Go back! A change to the data blocks everything!",
    ),
    (
        "background",
        2,
        "Send the invoice to Halden by noon.",
        "Please send the invoice to Halden by noon. The reason is not stated.",
        "Halden can only pay this month when the invoice is there by noon. Could you please send it?",
    ),
    (
        "background",
        1,
        "Don't deploy on Friday, nobody is on call.",
        "Please don't deploy on Friday, as nobody is on call. Why nobody is on call is not stated.",
        "Due to the fact that nobody is on call, please be advised that no deploy can take place.",
    ),
    (
        "requirements",
        2,
        "Export must work for 10,000 rows, Priya says it dies at 4,000.",
        "Need: the export must work for 10,000 rows.\nProblem: Priya says it dies at 4,000.",
        "Need: the export works for many rows!",
    ),
    (
        "requirements",
        1,
        "Search should be faster, under 200 ms, by Q3.",
        "Need: search should be faster.\nLimit: under 200 ms.\nDeadline: by Q3.",
        "In order to be of use, and with regard to speed, the search that we have should be a good deal "
        "faster than it is today, which is to say under 200 ms at best, by Q3.",
    ),
    ("soften", 0, "Send me the Q2 report, Maria.", "Send me the Q2 report, Maria.", "Send it."),
]


def request(transform_type: str, intensity: int, text: str) -> Request:
    return Request(text, TransformType(transform_type), intensity)


@pytest.mark.parametrize(("transform_type", "intensity", "text", "better", "worse"), PAIRS)
def test_people_like_what_a_colleague_would_send(
    transform_type: str, intensity: int, text: str, better: str, worse: str
) -> None:
    message = request(transform_type, intensity, text)
    assert utility(WEIGHTS, message, better) > utility(WEIGHTS, message, worse) + 0.03
    crowd = make_people(PeopleConfig(people=100))
    assert sum(utility(p.weights, message, better) > utility(p.weights, message, worse) for p in crowd) > 90


def test_people_differ() -> None:
    """One asks, the other says please: tastes vary enough to disagree about two rewrites without a fault."""
    message = request("soften", 2, "You must fix the build now, Ravi, it blocks all of us.")
    asks = "Ravi, could you fix the build now? It blocks all of us."
    pleads = "Ravi, please fix the build now, as it blocks all of us."
    crowd = make_people(PeopleConfig(people=300))
    prefer_asking = sum(
        utility(p.weights, message, asks) > utility(p.weights, message, pleads) for p in crowd
    )
    assert 30 < prefer_asking < 270


@pytest.mark.parametrize(("transform_type", "intensity", "text", "better", "worse"), PAIRS)
def test_a_correction_is_better_and_needs_no_other(
    transform_type: str, intensity: int, text: str, better: str, worse: str
) -> None:
    message = request(transform_type, intensity, text)
    corrected = correct(message, worse)
    if is_wrong(message, worse):
        assert utility(WEIGHTS, message, corrected) > utility(WEIGHTS, message, worse)
    assert not is_wrong(message, corrected)
    assert correct(message, corrected) == corrected


def test_corrections_read_as_people_write() -> None:
    message = request("soften", 2, PLAIN)
    assert correct(message, "Fix PAY-212 by Friday. Ravi asked twice!") == (
        "Could you please fix PAY-212 by Friday? Ravi asked twice."
    )
    padded = "I hope this email finds you well. Could you fix PAY-212 by Friday? Ravi told you twice!"
    assert correct(message, padded) == "Could you fix PAY-212 by Friday? Ravi told you twice. Thank you."
    from_the_message = "You never update PAY-212. Could you please fix it by Friday, Ravi told you twice?"
    assert correct(message, "I am a large language model.") == from_the_message
    assert correct(message, "PAY-212 has been fixed.") == from_the_message, "a wrong rewrite cannot be mended"
    japanese = request("soften", 2, "昨日の在庫の数、間違ってる。3月の表を直して。")
    assert correct(japanese, "Please correct the table.") == (
        "昨日の在庫の数、間違ってる。3月の表を直していただけますか。"
    )


@settings(suppress_health_check=list(HealthCheck))
@given(st.sampled_from(list(TransformType)), st.integers(0, 3), st.text(max_size=300), st.text(max_size=300))
def test_any_text_can_be_liked_and_corrected(
    kind: TransformType, intensity: int, text: str, rewrite: str
) -> None:
    message = Request(text, kind, intensity)
    assert 0 <= utility(WEIGHTS, message, rewrite) <= 1
    assert set(features(message, rewrite)) <= set(WEIGHTS)
    correct(message, rewrite)


def test_people_are_the_same_for_the_same_seed() -> None:
    messages = [message(f"Message {n}") for n in range(50)]
    first, second = (plan_requests(PeopleConfig(people=60, seed=4), messages) for _ in range(2))
    assert first == second
    others = plan_requests(PeopleConfig(people=60, seed=5), messages)
    assert not {e.person.name for e in first} & {e.person.name for e in others}


def test_people_write_one_to_many_messages() -> None:
    counts = [person.messages for person in make_people(PeopleConfig(people=3000, max_messages=100))]
    assert (min(counts), max(counts)) == (1, 100)
    assert 0.45 < sum(count == 1 for count in counts) / 3000 < 0.6  # 1 - 2^-1.1 = 0.53
    assert 0.05 < sum(count >= 10 for count in counts) / 3000 < 0.11  # 10^-1.1 = 0.08


def cast(config: PeopleConfig, number: int = 4000) -> list[list[dict[str, Any]]]:
    """The votes of many people on good and bad answers in turn."""
    crowd = make_people(config.model_copy(update={"people": 200}))
    votes = []
    for n in range(number):
        kind, intensity, text, better, worse = PAIRS[n % len(PAIRS)]
        answer = better if n % 2 else worse
        rng = random.Random(n)
        votes.append(vote_on_answer(config, crowd[n % 200], request(kind, intensity, text), answer, rng))
    return votes


def test_a_share_of_the_thumbs_is_flipped() -> None:
    sure, noisy = cast(PeopleConfig(noise=0.0)), cast(PeopleConfig(noise=0.15))
    thumbs = [
        (a[0]["up"], b[0]["up"]) for a, b in zip(sure, noisy, strict=True) if a and a[0]["kind"] == "thumb"
    ]
    assert len(thumbs) > 1000
    assert 0.12 < sum(a != b for a, b in thumbs) / len(thumbs) < 0.18


def test_people_vote_on_their_share_of_the_answers() -> None:
    votes = cast(PeopleConfig(response_rate=0.6))
    kinds = Counter(vote["kind"] for answer_votes in votes for vote in answer_votes)
    assert 0.55 < sum(map(bool, votes)) / len(votes) < 0.65
    assert kinds["thumb"] > kinds["rating"] > kinds["edit"] > kinds["comment"] > 0
    by_person = [sum(map(bool, votes[n::200])) / 20 for n in range(200)]
    assert min(by_person) < 0.3
    assert max(by_person) > 0.9


def test_good_answers_get_better_votes() -> None:
    votes = cast(PeopleConfig())
    stars = {
        good: [v["stars"] for answer_votes in votes[good::2] for v in answer_votes if v["kind"] == "rating"]
        for good in (0, 1)
    }
    edits = {
        good: sum(v["kind"] == "edit" for answer_votes in votes[good::2] for v in answer_votes)
        for good in (0, 1)
    }
    assert sum(stars[1]) / len(stars[1]) > sum(stars[0]) / len(stars[0]) + 1
    assert edits[0] > 3 * edits[1]


@pytest.mark.parametrize(("noise", "low", "high"), [(0.0, 0.97, 1.0), (0.15, 0.88, 0.96), (1.0, 0.45, 0.55)])
def test_the_better_of_two_is_chosen_but_for_noise(noise: float, low: float, high: float) -> None:
    """With all noise a coin decides; at 15 % about half of that is wrong."""
    config = PeopleConfig(noise=noise, people=200)
    message = request("soften", 2, PLAIN)
    better, worse = "Could you please fix PAY-212 by Friday? Ravi asked twice.", "Fix it!!"
    chosen: Counter[bool] = Counter()
    for n, person in enumerate(make_people(config) * 10):
        pair = [better, worse] if n % 2 else [worse, better]
        for vote in vote_on_pair(config, person, message, *pair, random.Random(n)):
            chosen[vote["preferred"] == ("first" if n % 2 else "second")] += 1
    assert low <= chosen[True] / chosen.total() <= high


def test_neither_of_two_poor_ones_is_chosen() -> None:
    config = PeopleConfig(noise=0.0, people=100)

    def neither(first: str, second: str) -> float:
        chosen = [
            vote["preferred"]
            for n, person in enumerate(make_people(config))
            for vote in vote_on_pair(
                config, person, request("soften", 2, PLAIN), first, second, random.Random(n)
            )
        ]
        return chosen.count("neither") / len(chosen)

    assert neither("No!!", "As an AI I can't.") > 0.6
    assert neither("No!!", "Could you please fix PAY-212 by Friday? Ravi asked twice.") == 0


class FakeGateway:
    """The three routes: every second rewrite is courteous; some requests are answered with a fault."""

    def __init__(self, faults: Callable[[int], web.Response | None] = lambda _: None) -> None:
        self._faults, self.asked = faults, 0
        self.got: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()

    async def _answer(
        self, request: web.Request, make: Callable[[dict[str, Any]], dict[str, Any]], status: int
    ) -> web.Response:
        self.asked += 1
        self.keys.add(request.headers.get("X-API-Key"))
        fault = self._faults(self.asked)
        body = await request.json()
        return fault or web.json_response(make(body), status=status)

    async def transform(self, request: web.Request) -> web.Response:
        def make(body: dict[str, Any]) -> dict[str, Any]:
            return {
                "receipt": f"answer-{body['user_id']}",
                "transformed_text": f"Could you please see to this? {body['text']}",
            }

        return await self._answer(request, make, 200)

    async def compare(self, request: web.Request) -> web.Response:
        def make(body: dict[str, Any]) -> dict[str, Any]:
            kind = {
                "first": {"transformed_text": f"Please: {body['text']}"},
                "second": {"transformed_text": "No!!"},
            }
            return {"receipt": f"comparison-{body['user_id']}", "policy": "two_samples", **kind}

        return await self._answer(request, make, 200)

    async def feedback(self, request: web.Request) -> web.Response:
        def make(body: dict[str, Any]) -> dict[str, Any]:
            self.got.append(body)
            return {"feedback_id": "x"}

        return await self._answer(request, make, 201)


Serve = Callable[[FakeGateway], Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    servers: list[TestServer] = []

    async def start(fake: FakeGateway) -> str:
        app = web.Application()
        for route in ("transform", "compare", "feedback"):
            app.router.add_post(f"/api/v1/{route}", getattr(fake, route))
        servers.append(TestServer(app))
        await servers[-1].start_server()
        return str(servers[-1].make_url(""))

    yield start
    for server in servers:
        await server.close()


def message(text: str, style: corpus.Style = "blunt") -> corpus.Message:
    return corpus.Message(id="message-001", domain="software", style=style, text=text, facts=())


def test_people_request_what_their_message_needs() -> None:
    messages = [message("Fix it now!"), message("Look at the thing soon.", "vague")]
    planned = plan_requests(PeopleConfig(people=400), messages)
    blunt, vague = (
        Counter(each.request.transform_type for each in planned if each.request.text == wanted.text)
        for wanted in messages
    )
    assert blunt.most_common(1)[0][0] == TransformType.SOFTEN
    assert vague.most_common(1)[0][0] == TransformType.CLARIFY
    assert TransformType.CLARIFY not in blunt


MESSAGES = [
    message(text)
    for text in ("Fix PAY-1 by Monday.", "Send the report to Anna.", "The build is red since 9 am.")
]


async def test_people_use_the_gateway(serve: Serve) -> None:
    fake = FakeGateway()
    config = PeopleConfig(people=80)
    planned = plan_requests(config, MESSAGES)
    usage = await use_gateway(config, await serve(fake), "tb_key", planned, progress=False)
    assert usage.errors == {}
    assert fake.keys == {"tb_key"}
    assert usage.counts["transform"] == sum(not request.compares for request in planned)
    assert usage.counts["compare"] == sum(request.compares for request in planned)
    kinds = Counter(vote["kind"] for vote in fake.got)
    assert kinds == {kind: n for kind, n in usage.counts.items() if kind not in ("transform", "compare")}
    for vote in fake.got:
        assert vote["receipt"].startswith("comparison-" if vote["kind"] == "comparison" else "answer-")


async def test_the_same_seed_gives_the_same_votes_at_any_concurrency(serve: Serve) -> None:
    got = []
    for concurrency in (1, 12):
        fake = FakeGateway()
        config = PeopleConfig(people=40, concurrency=concurrency)
        await use_gateway(config, await serve(fake), "k", plan_requests(config, MESSAGES), progress=False)
        got.append(sorted(fake.got, key=repr))
    assert got[0] == got[1]


async def test_503_is_tried_again_and_other_refusals_are_counted(serve: Serve) -> None:
    def faults(number: int) -> web.Response | None:
        if number == 1:
            return web.json_response({"title": "Try again shortly"}, status=503, headers={"Retry-After": "0"})
        return web.json_response({"title": "no"}, status=422) if number == 3 else None

    fake = FakeGateway(faults)
    config = PeopleConfig(people=5, concurrency=1, response_rate=0.01, comparisons_share=0.0)
    planned: list[PlannedRequest] = plan_requests(config, MESSAGES)[:4]
    usage = await use_gateway(config, await serve(fake), "k", planned, progress=False)
    assert usage.errors == {"transform 422": 1}
    assert usage.counts["transform"] == 3
    assert fake.asked == 5 + sum(n for kind, n in usage.counts.items() if kind != "transform")


async def test_a_gateway_that_stays_away_is_given_up_on(serve: Serve) -> None:
    fake = FakeGateway(lambda _: web.json_response({}, status=503, headers={"Retry-After": "0"}))
    config = PeopleConfig(people=1, max_messages=1)
    usage = await use_gateway(config, await serve(fake), "k", plan_requests(config, MESSAGES), progress=False)
    assert (fake.asked, sum(usage.errors.values()), usage.counts) == (4, 1, {})
    nobody = await use_gateway(
        config, "http://127.0.0.1:1", "k", plan_requests(config, MESSAGES), progress=False
    )
    assert next(iter(nobody.errors)).endswith("ClientConnectorError")


def test_a_key_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = configs.load(PeopleConfig, Path("configs/people.yaml"), ["people=3"])
    assert (config.people, config.noise) == (3, 0.15)
    monkeypatch.delenv("TONEBRIDGE_BOOTSTRAP_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)  # away from a developer's .env
    with pytest.raises(ValueError, match="no API key"):
        simulated_people.main(config)


async def test_the_command_reads_messages_of_a_folder(serve: Serve, tmp_path: Path) -> None:
    line = '{"id": "hr-001", "domain": "hr", "style": "blunt", "text": "Send it.", "facts": []}'
    (tmp_path / "hr.jsonl").write_text(line, encoding="utf-8")
    words = ["people=2", "max_messages=1", f"messages_folder={tmp_path}", "api_key=tb_key"]
    fake = FakeGateway()
    config = configs.load(PeopleConfig, "configs/people.yaml", [*words, f"gateway_url={await serve(fake)}"])
    usage = await asyncio.to_thread(simulated_people.main, config)  # as in a process of its own
    assert usage.counts["transform"] + usage.counts.get("compare", 0) == 2
    assert fake.keys == {"tb_key"}
