"""Comparing on a page: what is offered to whom, in which order, and that people can be seen to agree."""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

import configs
from configs.settings import Settings
from data import database
from data.erasure.erase import erase
from data.erasure.whom import Person
from data.people import identities
from data.people.identities import Role
from data.reasons import reason
from data.records import Spec, TransformType
from data.snapshots import votes
from data.snapshots.counting import LeftOut
from data.snapshots.validation import Limits, assess
from data.tables import Comparison, Erasure, Feedback, Output, new_id
from data.traffic import answers, comparisons, receipts, routing
from data.traffic.comparisons import CompareConfig, draw_people
from data.traffic.evidence_messages import is_for_evidence, list_shipped
from data.traffic.routing import Arm, Routing, Split
from pipelines.collect import CollectConfig
from serving.gateway.app import create_app
from serving.inference.client import Item, Rewritten
from tests import gateways, snapshots

CHAMPION = Spec(version="v1", max_new_tokens=8)
CHALLENGER = Spec(version="v2", max_new_tokens=8, temperature=1.5)  # same weights: it says more
SECOND = CHALLENGER.model_copy(update={"temperature": 1.2})
OWN = {"text": "Fix PAY-123 by Friday.", "transform_type": "soften", "intensity": 2}
API = "/api/v1/comparisons"


@pytest.fixture
def organisation_id(engine: Engine) -> uuid.UUID:
    """A tenant whose plan has room for many comparisons."""
    return gateways.an_organisation(engine, "team")


@pytest.fixture
async def client(
    stack: Settings, engine: Engine, a_key: Callable[..., dict[str, str]]
) -> AsyncIterator[httpx.AsyncClient]:
    routed = Routing(champion=CHAMPION)
    async with gateways.in_process(stack, engine, routed) as front, gateways.client(front) as client:
        gateways.replace_parts(front.behind, compare=CompareConfig(share=0.0))
        client.app = front.behind  # type: ignore[attr-defined]
        client.headers.update(a_key())
        yield client


@pytest.fixture
def overlap(client: httpx.AsyncClient) -> Callable[..., None]:
    """`overlap(share, people)` makes the gateway share pairs, which it does not otherwise."""

    def set_to(share: float, people: int = 3) -> None:
        config = CompareConfig(share=share, overlap=people)
        gateways.replace_parts(client.app, compare=config)  # type: ignore[attr-defined]

    return set_to


async def release(client: httpx.AsyncClient, engine: Engine, wanted: Routing) -> None:
    with Session(engine) as session, session.begin():
        routing.publish(session, wanted, "a test")
    await client.app.state.parts.directory.beat()  # type: ignore[attr-defined]


async def ask(client: httpx.AsyncClient, who: str, **body: Any) -> dict[str, Any]:
    response = await client.post(f"{API}/next", json={"user_id": who, **body})
    assert response.status_code == 200, response.text
    return dict(response.json())


async def vote(client: httpx.AsyncClient, pair: dict[str, Any], preferred: str, **more: str) -> None:
    body = {"receipt": pair["receipt"], "kind": "comparison", "preferred": preferred, **more}
    response = await client.post("/api/v1/feedback", json=body)
    assert response.status_code == 201, response.text


async def skip(client: httpx.AsyncClient, who: str, id: str) -> httpx.Response:
    return await client.post(f"{API}/{id}/skip", json={"user_id": who})


async def progress(client: httpx.AsyncClient, who: str) -> dict[str, int]:
    return dict((await client.get(f"{API}/progress", params={"user_id": who})).json())


def stored(engine: Engine, pair: dict[str, Any]) -> Comparison:
    with Session(engine, expire_on_commit=False) as session:
        return session.get_one(Comparison, uuid.UUID(pair["comparison_id"]))


def texts(pair: dict[str, Any]) -> list[str]:
    return [pair[side]["transformed_text"] for side in ("first", "second")]


async def test_two_rewrites_of_a_shipped_message_in_the_order_that_is_recorded(
    client: httpx.AsyncClient, engine: Engine, stack: Settings
) -> None:
    pair = await ask(client, "ann")
    assert set(pair) == {
        "comparison_id", "receipt", "policy", "first", "second", "message", "transform_type", "intensity",
    }  # fmt: skip
    assert pair["message"] in comparisons.read_messages()
    assert pair["policy"] == "two_samples"
    assert len(set(texts(pair))) == 2
    row = stored(engine, pair)
    with Session(engine) as session:
        places = [session.get_one(Output, id) for id in (row.first_output_id, row.second_output_id)]
        assert [output.text for output in places] == texts(pair)
        assert {(o.message, o.transform_type, o.intensity) for o in places} == {
            (pair["message"], pair["transform_type"], pair["intensity"])
        }
    assert (row.pair_id, row.people, row.skipped_at) == (row.id, 1, None)
    receipt = receipts.read(pair["receipt"], stack.secret("receipt_secret").encode())
    assert (receipt.comparison_id, receipt.output_id) == (row.id, row.first_output_id)
    assert receipt.version == "", "whoever decodes it would know which text is whose"


async def test_what_is_open_is_offered_until_it_has_a_vote_or_is_skipped(
    client: httpx.AsyncClient, engine: Engine
) -> None:
    first = await ask(client, "ann")
    again = await ask(client, "ann")
    assert {**again, "receipt": ""} == {**first, "receipt": ""}
    await vote(client, again, "second", reason="  It says when.  ")
    second = await ask(client, "ann")
    assert second["message"] != first["message"], "a message that was seen is not offered again"
    assert (await skip(client, "ann", second["comparison_id"])).status_code == 204
    third = await ask(client, "ann")
    assert third["comparison_id"] not in (first["comparison_id"], second["comparison_id"])
    assert (await ask(client, "bob"))["comparison_id"] != third["comparison_id"]
    assert await progress(client, "ann") == {"today": 1, "all": 1, "skipped": 1, "waiting_for_overlap": 0}

    assert stored(engine, second).skipped_at is not None
    with Session(engine) as session:
        row = session.scalars(
            select(Feedback).where(Feedback.comparison_id == uuid.UUID(first["comparison_id"]))
        ).one()
        assert (row.preferred_output_id, row.reason) == (
            stored(engine, first).second_output_id,
            "It says when.",
        )
    await vote(client, first, "neither")
    with Session(engine) as session:
        row = session.get_one(Feedback, row.id)
        assert (row.preferred_output_id, row.reason) == (None, None), "the later vote stands"


async def test_a_message_of_ones_own_is_never_shown_to_others(
    client: httpx.AsyncClient, engine: Engine, overlap: Callable[..., None]
) -> None:
    overlap(1.0)
    before = await ask(client, "ann")
    own = await ask(client, "ann", **OWN)
    assert (own["message"], own["transform_type"], own["intensity"]) == tuple(OWN.values())
    assert stored(engine, own).people == 1
    assert (await ask(client, "ann"))["comparison_id"] == own["comparison_id"], "the newest comes first"
    await vote(client, own, "first")
    assert (await ask(client, "ann"))["comparison_id"] == before["comparison_id"], "and nothing is lost"
    seen = []
    for _ in range(3):
        pair = await ask(client, "bob")
        seen.append(pair["message"])
        await vote(client, pair, "first")
    assert before["message"] in seen
    assert OWN["text"] not in seen


async def test_pairs_for_several_are_judged_by_so_many_and_by_nobody_twice(
    client: httpx.AsyncClient, engine: Engine, overlap: Callable[..., None]
) -> None:
    overlap(1.0, 2)
    ann = await ask(client, "ann")
    assert (await progress(client, "bob"))["waiting_for_overlap"] == 1
    bob = await ask(client, "bob")
    assert sorted(texts(bob)) == sorted(texts(ann))
    assert stored(engine, bob).pair_id == stored(engine, ann).id
    assert (await progress(client, "cid"))["waiting_for_overlap"] == 0
    assert sorted(texts(await ask(client, "cid"))) != sorted(texts(ann)), "two have it"
    # Whoever skips does not judge: their place is free, and they are not asked again.
    await skip(client, "bob", bob["comparison_id"])
    dora = await ask(client, "dora")
    assert sorted(texts(dora)) == sorted(texts(ann))
    later = await ask(client, "bob")
    assert sorted(texts(later)) != sorted(texts(ann))
    with engine.connect() as connection:
        twice = connection.execute(
            text("SELECT count(*) - count(DISTINCT (user_id, first_output_id)) FROM comparisons")
        ).scalar_one()
    assert twice == 0


async def test_other_organisations_do_not_share(
    client: httpx.AsyncClient, engine: Engine, stranger: dict[str, str], overlap: Callable[..., None]
) -> None:
    overlap(1.0)
    ann = await ask(client, "ann")
    pair = (await client.post(f"{API}/next", json={"user_id": "ann"}, headers=stranger)).json()
    assert sorted(texts(pair)) != sorted(texts(ann))
    path = f"{API}/{ann['comparison_id']}/skip"
    refused = await client.post(path, json={"user_id": "ann"}, headers=stranger)
    assert (refused.status_code, refused.json()["title"]) == (404, "Unknown comparison")
    assert (await skip(client, "bob", ann["comparison_id"])).status_code == 404, "nor those of a colleague"
    assert stored(engine, ann).skipped_at is None


async def test_pairs_of_versions_that_are_no_longer_in_force_wait_for_nobody(
    client: httpx.AsyncClient, engine: Engine, overlap: Callable[..., None]
) -> None:
    overlap(1.0)
    ann = await ask(client, "ann")
    await release(client, engine, Routing(champion=Spec(version="v2", max_new_tokens=8)))
    assert (await progress(client, "bob"))["waiting_for_overlap"] == 0
    assert sorted(texts(await ask(client, "bob"))) != sorted(texts(ann))


async def test_a_pair_waits_for_so_many_days(
    client: httpx.AsyncClient, engine: Engine, overlap: Callable[..., None]
) -> None:
    overlap(1.0)
    ann = await ask(client, "ann")
    assert (await progress(client, "bob"))["waiting_for_overlap"] == 1
    long_ago = answers.floor(datetime.now(UTC).date() - timedelta(days=31))
    with Session(engine) as session, session.begin():
        session.get_one(Comparison, uuid.UUID(ann["comparison_id"])).pair_id = long_ago
    assert (await progress(client, "bob"))["waiting_for_overlap"] == 0
    assert sorted(texts(await ask(client, "bob"))) != sorted(texts(ann))


async def test_with_a_challenger_nobody_waits_for_two_samples(
    client: httpx.AsyncClient, engine: Engine, overlap: Callable[..., None]
) -> None:
    overlap(1.0)
    ann = await ask(client, "ann")
    await release(client, engine, Routing(champion=CHAMPION, challengers=(CHALLENGER,)))
    assert (await progress(client, "bob"))["waiting_for_overlap"] == 0
    bob = await ask(client, "bob")
    assert (ann["policy"], bob["policy"]) == ("two_samples", "champion_against_challenger")
    assert sorted(texts(await ask(client, "cid"))) == sorted(texts(bob))


async def test_the_order_is_drawn_for_each_person(
    client: httpx.AsyncClient, engine: Engine, overlap: Callable[..., None]
) -> None:
    overlap(1.0, 25)
    ann = await ask(client, "ann")
    swapped = [texts(await ask(client, f"person {n}")) == texts(ann)[::-1] for n in range(24)]
    assert set(swapped) == {True, False}  # by chance alike: once in 8,000,000


async def test_a_challenger_is_compared_with_the_champion(client: httpx.AsyncClient, engine: Engine) -> None:
    await release(client, engine, Routing(champion=CHAMPION, challengers=(CHALLENGER,)))
    pair = await ask(client, "ann", **OWN)
    assert pair["policy"] == "champion_against_challenger"
    row = stored(engine, pair)
    with Session(engine) as session:
        versions = {session.get_one(Output, id).version for id in (row.first_output_id, row.second_output_id)}
    assert versions == {"v1", "v2"}


async def test_only_messages_for_evidence_test_a_challenger(
    client: httpx.AsyncClient, engine: Engine
) -> None:
    """So people's votes on the others still train, and no challenger is tested on what it learned from."""
    for number in range(3):
        pair = await ask(client, f"before {number}")
        assert (pair["policy"], is_for_evidence(pair["message"], 0.5)) == ("two_samples", False)
    await release(client, engine, Routing(champion=CHAMPION, challengers=(CHALLENGER,)))
    for number in range(3):
        pair = await ask(client, f"during {number}")
        assert pair["policy"] == "champion_against_challenger"
        assert is_for_evidence(pair["message"], 0.5)
    sides = set()
    for number in range(20):
        own = f"Send {number} boxes to {number} shops."
        policy = (await ask(client, f"types {number}", **OWN | {"text": own}))["policy"]
        assert (policy == "champion_against_challenger") == is_for_evidence(own, 0.5)
        sides.add(policy)
    assert sides == {"champion_against_challenger", "two_samples"}


def compare_two_challengers() -> Routing:
    specs = (CHAMPION, CHALLENGER, SECOND)
    arms = tuple(Arm(name=f"{n}", weight=1 / 3, spec=spec) for n, spec in enumerate(specs))
    split = Split(experiment_id=new_id(), salt="s", arms=arms)
    return Routing(champion=CHAMPION, challengers=(CHALLENGER, SECOND), experiments=(split,))


async def test_challengers_are_compared_with_the_champion_and_with_each_other(
    client: httpx.AsyncClient, engine: Engine, overlap: Callable[..., None]
) -> None:
    overlap(1.0, 2)
    await release(client, engine, compare_two_challengers())
    compared: Counter[tuple[str, frozenset[str]]] = Counter()
    for number in range(30):  # one of three pairs is missing: once in 60,000
        pair, other = [await ask(client, f"{who} {number}") for who in ("ann", "bob")]
        assert is_for_evidence(pair["message"], 0.5)
        assert other["policy"] == pair["policy"]
        assert sorted(texts(other)) == sorted(texts(pair)), "the second person judges the same pair"
        row = stored(engine, pair)
        with Session(engine) as session:
            outputs = (session.get_one(Output, id) for id in (row.first_output_id, row.second_output_id))
            compared[pair["policy"], frozenset(output.spec_digest for output in outputs)] += 1
    assert set(compared) == {
        ("champion_against_challenger", frozenset({CHAMPION.digest, CHALLENGER.digest})),
        ("champion_against_challenger", frozenset({CHAMPION.digest, SECOND.digest})),
        ("between_challengers", frozenset({CHALLENGER.digest, SECOND.digest})),
    }
    await vote(client, pair, "first")


async def test_a_request_may_ask_for_two_challengers(client: httpx.AsyncClient, engine: Engine) -> None:
    body = {**OWN, "user_id": "ann", "policy": "between_challengers"}
    refused = await client.post("/api/v1/compare", json=body)
    assert (refused.status_code, "no challenger" in refused.json()["detail"]) == (409, True)
    await release(client, engine, Routing(champion=CHAMPION, challengers=(CHALLENGER,)))
    refused = await client.post("/api/v1/compare", json=body)
    assert (refused.status_code, "two challengers" in refused.json()["detail"]) == (409, True)
    await release(client, engine, compare_two_challengers())
    pair = (await client.post("/api/v1/compare", json=body)).json()
    row = stored(engine, pair)
    with Session(engine) as session:
        outputs = [session.get_one(Output, id) for id in (row.first_output_id, row.second_output_id)]
    assert pair["policy"] == "between_challengers"
    assert {output.spec_digest for output in outputs} == {CHALLENGER.digest, SECOND.digest}


async def test_a_side_that_is_the_message_itself_says_why(client: httpx.AsyncClient, engine: Engine) -> None:
    pair = await ask(client, "ann")
    assert [pair[side]["unchanged"] for side in ("first", "second")] == [None, None]
    with Session(engine) as session, session.begin():
        output = session.get_one(Output, stored(engine, pair).second_output_id)
        output.unchanged = reason("unchanged_nothing_to_do", transform_type="soften")
    again = await ask(client, "ann")
    assert again["first"]["unchanged"] is None
    assert again["second"]["unchanged"] == {
        "code": "unchanged_nothing_to_do",
        "values": {"transform_type": "soften"},
        "text": "The message has nothing that “soften” would change.",
    }


async def test_a_new_pair_says_it_too(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    upstream = client.app.state.parts.upstream  # type: ignore[attr-defined]

    async def keep_one(spec: Spec, items: list[Item]) -> list[Rewritten]:
        written = Rewritten(text="Please.", facts_missing=[], tokens=1, finished=True)
        unchanged = reason("unchanged_not_kept")
        return [written, written.model_copy(update={"text": items[0].text, "unchanged": unchanged})]

    monkeypatch.setattr(upstream, "rewrite_together", keep_one)
    pair = await ask(client, "ann")
    codes = {
        pair[side]["transformed_text"]: (pair[side]["unchanged"] or {}).get("code")
        for side in ("first", "second")
    }
    assert codes == {"Please.": None, pair["message"]: "unchanged_not_kept"}
    again = await ask(client, "ann")
    assert {**again, "receipt": ""} == {**pair, "receipt": ""}


async def test_two_rewrites_that_are_the_same_are_no_comparison(
    client: httpx.AsyncClient, engine: Engine
) -> None:
    """The twin has the champion's weights, and decodes as it does."""
    twin = CHAMPION.model_copy(update={"version": "v2"})
    await release(client, engine, Routing(champion=CHAMPION, challengers=(twin,)))
    response = await client.post(f"{API}/next", json={"user_id": "ann"})
    assert (response.status_code, response.json()["title"]) == (409, "Nothing to compare")
    assert response.json()["detail"].startswith("of 4 messages both rewrites were the same")
    assert await progress(client, "ann") == {"today": 0, "all": 0, "skipped": 0, "waiting_for_overlap": 0}
    own = await ask(client, "ann", **OWN)
    assert own["policy"] == "two_samples", "the champion alone writes one's own message in two ways"


async def test_who_has_seen_everything_is_told_so(client: httpx.AsyncClient, engine: Engine) -> None:
    pair = await ask(client, "ann")
    await vote(client, pair, "first")
    row, messages = stored(engine, pair), list_shipped(0.5, for_evidence=False)
    seen = [
        Output(
            id=new_id(), organisation_id=row.organisation_id, message=message, transform_type="soften",
            intensity=1, text="one", facts_missing=[], spec_digest="x", version="v1", upstream_ms=1.0,
        )
        for message in {*messages} - {pair["message"]}
    ]  # fmt: skip

    def skip_all() -> None:
        with Session(engine) as session, session.begin():
            session.add_all(seen)
            session.flush()
            for output in seen:
                id = new_id()
                session.add(
                    Comparison(
                        id=id, organisation_id=row.organisation_id, user_id=row.user_id, policy=row.policy,
                        first_output_id=output.id, second_output_id=row.second_output_id, pair_id=id,
                        people=1, skipped_at=datetime.now(UTC),
                    )
                )  # fmt: skip

    await asyncio.to_thread(skip_all)  # the gateway answers 503 while its event loop is late
    response = await client.post(f"{API}/next", json={"user_id": "ann"})
    assert response.status_code == 409
    assert f"you have seen all {len(messages)} shipped messages" in response.json()["detail"]


@pytest.mark.parametrize("role", ["member", "viewer", "experimenter", "admin", "owner"])
async def test_every_role_may_compare(
    client: httpx.AsyncClient, a_key: Callable[..., dict[str, str]], role: Role
) -> None:
    key = a_key(role)
    pair = await client.post(f"{API}/next", json={"user_id": "ann"}, headers=key)
    assert pair.status_code == 200
    path = f"{API}/{pair.json()['comparison_id']}/skip"
    assert (await client.post(path, json={"user_id": "ann"}, headers=key)).status_code == 204
    progress = await client.get(f"{API}/progress", params={"user_id": "ann"}, headers=key)
    assert progress.json()["skipped"] == 1


async def test_who_is_not_known_may_not(client: httpx.AsyncClient) -> None:
    nobody = {"X-API-Key": ""}
    assert (await client.post(f"{API}/next", headers=nobody)).status_code == 401
    assert (await client.post(f"{API}/{uuid.uuid4()}/skip", headers=nobody)).status_code == 401
    assert (await client.get(f"{API}/progress", headers=nobody)).status_code == 401


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "user_id: an API key acts for many people; name the person who compares"),
        ({"user_id": "ann", "text": "Fix it."}, "transform_type: a message of your own needs text"),
        ({"user_id": "ann", "intensity": 2}, "text: a message of your own needs text"),
        ({"user_id": "ann", **OWN, "text": "  "}, "allowed: 1 to 8,000 characters"),
        ({"user_id": "ann", **OWN, "intensity": 4}, "allowed: a whole number from 0 to 3"),
        ({"user_id": "ann", "policy": "two_samples"}, "policy: Extra inputs are not permitted"),
    ],
)
async def test_what_does_not_fit_is_said(client: httpx.AsyncClient, body: Any, words: str) -> None:
    response = await client.post(f"{API}/next", json=body)
    assert response.status_code == 422
    assert words in response.json()["detail"]


async def test_a_reason_belongs_to_a_comparison_and_has_words(client: httpx.AsyncClient) -> None:
    pair = await ask(client, "ann")
    comparison = {"receipt": pair["receipt"], "kind": "comparison", "preferred": "first"}
    for words in ("", "  ", "x" * 2001, "a\0b"):
        response = await client.post("/api/v1/feedback", json={**comparison, "reason": words})
        assert response.status_code == 422
        assert "allowed: a sentence of 1 to 2,000 characters" in response.json()["detail"]
    thumb = {"receipt": pair["receipt"], "kind": "thumb", "up": True, "reason": "It is good."}
    assert (await client.post("/api/v1/feedback", json=thumb)).status_code == 422
    bad = await client.post(f"{API}/no-id/skip", json={"user_id": "ann"})
    assert "comparison_id" in bad.json()["detail"]
    assert "allowed: the id of a comparison" in bad.json()["detail"]


async def test_what_has_a_vote_cannot_be_skipped(client: httpx.AsyncClient, engine: Engine) -> None:
    pair = await ask(client, "ann")
    await vote(client, pair, "first")
    response = await skip(client, "ann", pair["comparison_id"])
    assert response.status_code == 409
    assert "you have voted on this comparison" in response.json()["detail"]
    assert stored(engine, pair).skipped_at is None


async def test_nothing_to_compare_before_the_first_release(
    stack: Settings, new_database: Callable[..., dict[str, str]]
) -> None:
    url = new_database()
    engine = database.engine(url)
    key = identities.generate_key()
    identities.bootstrap(engine, key, "first")
    engine.dispose()
    front = create_app(gateways.patient(stack.model_copy(update={"database_url": url})))
    async with (
        gateways.running(front),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(front), base_url="http://gateway", headers={"X-API-Key": key}
        ) as client,
    ):
        response = await client.post(f"{API}/next", json={"user_id": "ann"})
    assert response.status_code == 503
    assert "no version has been released yet" in response.json()["detail"]


async def test_agreement_is_measured_on_pairs_that_several_have_judged(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, overlap: Callable[..., None]
) -> None:
    """Three people judge six pairs. Of three they prefer the text that comes first in the alphabet, of three
    the other one; but once one of them does not.
    """
    overlap(1.0, 3)
    in_order = []
    for number in range(6):
        for who in ("ann", "bob", "cid"):
            pair = await ask(client, who)
            in_order.append(texts(pair) == sorted(texts(pair)))
            prefers_earlier = (number % 2 == 0) != (number == 0 and who == "cid")
            await vote(client, pair, "first" if in_order[-1] == prefers_earlier else "second")
    assert set(in_order) == {True, False}, "else the place would do for the text"
    with engine.connect() as connection:
        usable = list(votes.fetch(connection, organisation_id, votes.find_high_water(connection)))
    assert len(usable) == 18
    with snapshots.count_votes(usable) as counted:
        quality = assess(counted.make_sources(), LeftOut(), {}, None, Limits(least_units=6))
    agreement = quality.agreement["comparisons"]
    assert agreement.units == 6
    # Krippendorff's 1 - observed / expected disagreement: of 18 votes 10 and 8 fell on a side, and one of a
    # unit's three stood alone, in two of its three pairs.
    assert agreement.alpha == pytest.approx(1 - (2 / 18) / (2 * 10 * 8 / (18 * 17)))


def written(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


async def test_a_reason_is_in_no_snapshot_and_goes_with_its_person(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, stack: Settings, tmp_path: Path
) -> None:
    rare = "quagmire-zx81-rutabaga"
    pair = await ask(client, "ann")
    await vote(client, pair, "first", reason=rare)
    with engine.connect() as connection:
        made = snapshots.make(connection, organisation_id, tmp_path)
    assert made.counts["pairs"] == 1
    assert written(tmp_path)
    assert rare.encode() not in written(tmp_path)
    with Session(engine) as session:
        row = session.scalars(select(Feedback).where(Feedback.reason == rare)).one()
        person = Person(row.user_id, organisation_id)
    erased = erase(stack, engine, person, report=lambda _: None)
    with Session(engine) as session:
        counts = session.get_one(Erasure, erased).counts
    assert (counts["feedback"], counts["comparisons"], counts["outputs"]) == (1, 1, 2)
    with engine.connect() as connection:
        left = connection.execute(text("SELECT count(*) FROM feedback WHERE reason = :rare"), {"rare": rare})
        assert left.scalar_one() == 0


async def test_who_leaves_takes_their_comparison_and_leaves_others_theirs(
    client: httpx.AsyncClient,
    engine: Engine,
    organisation_id: uuid.UUID,
    stack: Settings,
    overlap: Callable[..., None],
) -> None:
    overlap(1.0, 3)
    ann, bob = await ask(client, "ann"), await ask(client, "bob")
    user_id = stored(engine, ann).user_id
    erased = erase(stack, engine, Person(user_id, organisation_id), report=lambda _: None)
    with Session(engine) as session:
        assert session.get_one(Erasure, erased).counts == {"comparisons": 1}
    assert texts(await ask(client, "bob")) == texts(bob)
    assert sorted(texts(await ask(client, "cid"))) == sorted(texts(bob)), "the pair still waits for others"


def test_how_many_judge_a_pair_is_settled_by_its_id() -> None:
    config = CompareConfig(overlap=4, share=0.25)
    ids = [new_id() for _ in range(4000)]
    counts = Counter(draw_people(id, config) for id in ids)
    assert set(counts) == {1, 4}
    assert 800 < counts[4] < 1200  # seven standard deviations
    assert [draw_people(id, config) for id in ids] == [draw_people(id, config) for id in ids]


def test_types_and_intensities_vary_and_are_the_same_each_time() -> None:
    ann, bob = new_id(), new_id()
    of_ann = [comparisons.choose_task(ann, message) for message in comparisons.read_messages()]
    assert of_ann == [comparisons.choose_task(ann, message) for message in comparisons.read_messages()]
    assert len(Counter(of_ann)) == len(TransformType) * 4
    assert max(Counter(of_ann).values()) < 0.1 * len(of_ann)
    assert of_ann != [comparisons.choose_task(bob, message) for message in comparisons.read_messages()]


def test_overlap_alone_gets_no_snapshot_refused() -> None:
    """When all agree, each further vote on a pair repeats a row; `configs/collect.yaml` has the limit."""
    config = configs.load(CompareConfig, "configs/compare.yaml")
    further = config.share * (config.overlap - 1)
    assert further / (1 + further) < configs.load(CollectConfig, "configs/collect.yaml").most_duplicates
