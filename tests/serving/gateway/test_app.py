"""The gateway over HTTP in process, with the real Postgres, Valkey and inference service behind it."""

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.erasure import erase, whom
from data.people import identities
from data.people.identities import Identity
from data.reasons import reason
from data.records import Spec, TransformType
from data.tables import Experiment, Output, new_id
from data.traffic.evidence_messages import is_for_evidence
from data.traffic.routing import Arm, Routing, Split, Target
from serving.gateway.app import create_app
from serving.gateway.online.placement import Message
from serving.gateway.parts import parts_of
from tests import gateways
from tests.waiting import until_async

CHAMPION = Spec(version="v1", max_new_tokens=8)
CHALLENGER = Spec(version="v2", max_new_tokens=8)
ASK = {"text": "Fix PAY-123 by Friday.", "transform_type": "soften", "intensity": 2}


@pytest.fixture
async def client(stack: Settings, engine: Engine, api_key: str) -> AsyncIterator[httpx.AsyncClient]:
    gateways.publish(engine, Routing(champion=CHAMPION))
    front = create_app(gateways.patient(stack))
    transport = httpx.ASGITransport(front)
    async with (
        gateways.running(front) as app,
        httpx.AsyncClient(
            transport=transport, base_url="http://gateway", headers={"X-API-Key": api_key}, timeout=30
        ) as client,
    ):
        client.app = app  # type: ignore[attr-defined]
        yield client


async def reroute(client: httpx.AsyncClient, engine: Engine, wanted: Routing) -> int:
    epoch = gateways.publish(engine, wanted)
    await client.app.state.parts.directory.beat()  # type: ignore[attr-defined]
    return epoch


def fresh(**changes: object) -> dict[str, object]:
    """A message that nobody has asked before."""
    return {**ASK, "text": f"Fix PAY-123 by Friday. {uuid.uuid4()}", **changes}


async def test_an_answer_says_all_that_it_promises(client: httpx.AsyncClient, engine: Engine) -> None:
    body = fresh(user_id="ann")
    answer = (await client.post("/api/v1/transform", json=body)).json()
    assert set(answer) == {
        "answer_id",
        "receipt",
        "transformed_text",
        "variant",
        "version",
        "cache",
        "fallback",
        "facts_missing",
        "unchanged",
    }
    assert (answer["variant"], answer["version"], answer["cache"], answer["fallback"]) == (
        "champion",
        "v1",
        "miss",
        False,
    )
    assert "PAY-123" in answer["facts_missing"], "an untrained model cannot have kept it"
    assert answer["unchanged"] is None
    with engine.connect() as connection:
        row = connection.execute(
            text("SELECT message, text, version, spec_digest FROM outputs WHERE message = :text"), body
        ).one()
    assert tuple(row) == (body["text"], answer["transformed_text"], "v1", CHAMPION.digest)


UNCHANGED = {
    "code": "unchanged_language",
    "values": {},
    "text": "The model cannot write the language of the message.",
}


async def test_an_answer_that_is_the_message_itself_says_why_from_every_level(
    client: httpx.AsyncClient, engine: Engine
) -> None:
    body = fresh(text=f"PAY-123 を金曜日までに直してください。{uuid.uuid4().int}")
    for level in ("miss", "l1", "l2"):
        if level == "l2":
            client.app.state.parts.online.forget()  # type: ignore[attr-defined]
        answer = (await client.post("/api/v1/transform", json=body)).json()
        assert (answer["transformed_text"], answer["cache"]) == (body["text"], level)
        assert (answer["unchanged"], answer["facts_missing"]) == (UNCHANGED, [])
    with Session(engine) as session:
        output = session.scalars(select(Output).where(Output.message == body["text"])).one()
        assert output.unchanged == reason("unchanged_language")
    batch = (await client.post("/api/v1/batch", json={"items": [body, fresh()]})).json()["items"]
    assert [entry["answer"]["unchanged"] for entry in batch] == [UNCHANGED, None]
    compared = (await client.post("/api/v1/compare", json=body)).json()
    assert [compared[side]["unchanged"] for side in ("first", "second")] == [UNCHANGED] * 2


async def test_a_second_answer_comes_from_the_cache_as_its_own_answer(client: httpx.AsyncClient) -> None:
    body = fresh()
    first = (await client.post("/api/v1/transform", json=body)).json()
    again = (await client.post("/api/v1/transform", json=body)).json()
    assert again["cache"] == "l1"
    assert again["transformed_text"] == first["transformed_text"]
    assert again["answer_id"] != first["answer_id"]


async def test_organisations_do_not_share_outputs(client: httpx.AsyncClient, engine: Engine) -> None:
    body = fresh()
    await client.post("/api/v1/transform", json=body)
    other = identities.generate_key()
    identities.bootstrap(engine, other, f"org-{uuid.uuid4()}")
    answer = (await client.post("/api/v1/transform", json=body, headers={"X-API-Key": other})).json()
    assert answer["cache"] == "miss"


async def start(client: httpx.AsyncClient, engine: Engine, **about: Any) -> Split:
    """An experiment, in force."""
    arms = (
        Arm(name="baseline", weight=0.5, spec=CHAMPION),
        Arm(name="challenger", weight=0.5, spec=CHALLENGER),
    )
    split = Split(**{"experiment_id": new_id(), "salt": "s", "arms": arms, **about})
    with Session(engine) as session, session.begin():
        session.add(Experiment(id=split.experiment_id, name="x", hypothesis="", plan={}, salt="s"))
    await reroute(client, engine, Routing(champion=CHAMPION, challengers=(CHALLENGER,), experiments=(split,)))
    return split


async def variants(client: httpx.AsyncClient, users: Iterable[str], **changes: Any) -> dict[str, str]:
    """By which variant each user is answered."""
    body = fresh(**changes)
    variants = {}
    for user in users:
        response = await client.post("/api/v1/transform", json={**body, "user_id": user})
        while response.status_code == 503:  # a stalled machine may make the database too slow for a request
            await asyncio.sleep(0.1)
            response = await client.post("/api/v1/transform", json={**body, "user_id": user})
        assert response.status_code == 200, response.text
        variants[user] = response.json()["variant"]
    return variants


async def exposed(client: httpx.AsyncClient, engine: Engine, split: Split) -> int:
    await client.app.state.parts.answers.flush()  # type: ignore[attr-defined]
    query = text("SELECT count(*) FROM exposures WHERE experiment_id = :id")
    with engine.connect() as connection:
        return connection.execute(query, {"id": split.experiment_id}).scalar_one()


async def test_arms_are_sticky_and_exposed_with_cache_hits(client: httpx.AsyncClient, engine: Engine) -> None:
    split = await start(client, engine)
    epoch = client.app.state.parts.directory.current()[0]  # type: ignore[attr-defined]
    body = fresh()
    seen = {}
    for _ in range(2):
        for user in map(str, range(20)):
            answer = (await client.post("/api/v1/transform", json={**body, "user_id": user})).json()
            assert answer["version"] == {"baseline": "v1", "challenger": "v2"}[answer["variant"]]
            assert seen.setdefault(user, answer["variant"]) == answer["variant"]
    assert set(seen.values()) == {"baseline", "challenger"}
    assert await exposed(client, engine, split) == 20
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT variant, epoch, count(*) FROM exposures WHERE experiment_id = :id GROUP BY 1, 2"),
            {"id": split.experiment_id},
        ).all()
    expected = {(name, epoch, list(seen.values()).count(name)) for name in ("baseline", "challenger")}
    assert {tuple(row) for row in rows} == expected


async def reweight(client: httpx.AsyncClient, engine: Engine, split: Split) -> None:
    """From now on all go to the challenger."""
    arms = tuple(arm.model_copy(update={"weight": float(arm.name == "challenger")}) for arm in split.arms)
    split = split.model_copy(update={"arms": arms})
    await reroute(client, engine, Routing(champion=CHAMPION, experiments=(split,)))


async def test_an_experiment_is_about_the_messages_that_its_target_takes(
    client: httpx.AsyncClient, engine: Engine
) -> None:
    target = Target(locales=frozenset({"ja"}), channels=frozenset({"chat"}))
    split = await start(client, engine, target=target)
    users = [f"u{n}" for n in range(24)]  # so many that each arm has some
    for elsewhere in ({}, {"locale": "ja-JP"}, {"locale": "en", "channel": "chat"}):
        assert set((await variants(client, users, **elsewhere)).values()) == {"champion"}
    assert await exposed(client, engine, split) == 0
    within = await variants(client, users, locale="ja-JP", channel="chat")
    assert set(within.values()) == {"baseline", "challenger"}
    assert await exposed(client, engine, split) == 24
    wrong = await client.post("/api/v1/transform", json=fresh(locale="no tag", channel="Chat"))
    assert wrong.status_code == 422
    assert {error["field"] for error in wrong.json()["errors"]} == {"locale", "channel"}


async def test_an_organisation_is_in_one_arm_as_a_whole(client: httpx.AsyncClient, engine: Engine) -> None:
    await start(client, engine, unit="organisation")
    seen = set()
    for _ in range(40):  # until each arm has one
        key = identities.generate_key()
        identities.bootstrap(engine, key, f"org-{uuid.uuid4()}")
        client.headers["X-API-Key"] = key
        [variant] = set((await variants(client, ("a", "b", "c"))).values())
        seen.add(variant)
        if len(seen) == 2:
            break
    assert seen == {"baseline", "challenger"}


async def test_a_ramp_takes_in_more_people_and_lets_nobody_go(
    client: httpx.AsyncClient, engine: Engine
) -> None:
    split = await start(client, engine, ramp=0.25)
    users = [f"u{n}" for n in range(40)]
    former = await variants(client, users)
    for ramp in (0.5, 1.0):
        split = split.model_copy(update={"ramp": ramp})
        await reroute(client, engine, Routing(champion=CHAMPION, experiments=(split,)))
        now = await variants(client, users)
        within = {user: arm for user, arm in former.items() if arm != "champion"}
        assert 0 < len(within) < 40
        assert within.items() <= now.items()
        former = now
    assert "champion" not in former.values()


async def test_other_weights_are_for_those_who_come_later(client: httpx.AsyncClient, engine: Engine) -> None:
    split = await start(client, engine)
    users = [f"u{n}" for n in range(20)]
    former = await variants(client, users)
    assert await exposed(client, engine, split) == 20
    await reweight(client, engine, split)
    client.app.state.parts.online.forget()  # type: ignore[attr-defined]  # another gateway knows them from Postgres only
    now = await variants(client, [*users, *(f"later{n}" for n in range(10))])
    assert former.items() <= now.items()
    assert {now[f"later{n}"] for n in range(10)} == {"challenger"}
    assert await exposed(client, engine, split) == 20 + 30, "and a first exposure in the new epoch"


async def test_whose_arm_is_not_known_while_postgres_is_away_counts_nowhere(
    client: httpx.AsyncClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = await start(client, engine)
    former = await variants(client, ("ann", "bob"))
    assert await exposed(client, engine, split) == 2
    await reweight(client, engine, split)
    online = client.app.state.parts.online  # type: ignore[attr-defined]
    online.forget()
    with monkeypatch.context() as patch:
        patch.setattr(online, "_pool", database.online_pool("postgresql://localhost:1/none", timeout_s=0.1))
        assert await variants(client, former) == dict.fromkeys(former, "champion")
    assert await exposed(client, engine, split) == 2
    assert await variants(client, former) == former, "as soon as it is back"


async def test_a_request_that_nobody_answers_stays_with_its_arm(
    client: httpx.AsyncClient, engine: Engine
) -> None:
    missing = Spec(version="v404")
    arms = (Arm(name="broken", weight=1, spec=missing),)
    split = Split(experiment_id=new_id(), salt="s", arms=arms)
    with Session(engine) as session, session.begin():
        session.add(Experiment(id=split.experiment_id, name="x", hypothesis="", plan={}, salt="s"))
    await reroute(client, engine, Routing(champion=missing, experiments=(split,)))
    ask = fresh(user_id="ann") | {"text": "Fix it."}
    assert [(await client.post("/api/v1/transform", json=ask)).status_code for _ in range(3)] == [503] * 3
    assert await exposed(client, engine, split) == 1
    query = text("SELECT variant, sum(failures) FROM failures WHERE experiment_id = :id GROUP BY variant")
    with engine.connect() as connection:
        assert connection.execute(query, {"id": split.experiment_id}).all() == [("broken", 3)]


async def test_a_tester_sees_an_arm_and_counts_in_none(client: httpx.AsyncClient, engine: Engine) -> None:
    key_id = str(client.headers["X-API-Key"]).split("_")[1]
    speaker = Identity(uuid.uuid4(), key_id, "member", b"", "free")
    testers = {speaker.user("ann"): "challenger", speaker.user("bob"): "baseline"}
    split = await start(client, engine, ramp=0.0, testers=testers)
    expected = {"ann": "challenger", "bob": "baseline", "eve": "champion"}
    assert await variants(client, expected) == expected
    assert await exposed(client, engine, split) == 0


async def test_the_champion_answers_for_an_arm_that_cannot(client: httpx.AsyncClient, engine: Engine) -> None:
    experiment_id = new_id()
    with Session(engine) as session, session.begin():
        session.add(Experiment(id=experiment_id, name="x", hypothesis="", plan={}, salt="s"))
    missing = Spec(version="v404")
    split = Split(experiment_id=experiment_id, salt="s", arms=(Arm(name="broken", weight=1, spec=missing),))
    await reroute(client, engine, Routing(champion=CHAMPION, experiments=(split,)))
    answer = (await client.post("/api/v1/transform", json=fresh())).json()
    assert (answer["variant"], answer["version"], answer["fallback"]) == ("broken", "v1", True)


async def test_without_any_version_it_is_503_with_retry_after(
    client: httpx.AsyncClient, engine: Engine
) -> None:
    await reroute(client, engine, Routing(champion=Spec(version="v404")))
    response = await client.post("/api/v1/transform", json=fresh())
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert "v404" in response.json()["detail"]


async def test_two_samples_come_from_one_seed_and_their_order_is_stored(
    client: httpx.AsyncClient, engine: Engine
) -> None:
    body = fresh(policy="two_samples", user_id="ann")
    compared = (await client.post("/api/v1/compare", json=body)).json()
    assert set(compared) == {"comparison_id", "receipt", "policy", "first", "second"}
    with engine.connect() as connection:
        row = connection.execute(
            text(
                "SELECT c.policy, a.text, b.text, a.seed = b.seed FROM comparisons c"
                " JOIN outputs a ON a.id = c.first_output_id JOIN outputs b ON b.id = c.second_output_id"
                " WHERE c.id = :id"
            ),
            {"id": compared["comparison_id"]},
        ).one()
    assert tuple(row) == (
        "two_samples",
        compared["first"]["transformed_text"],
        compared["second"]["transformed_text"],
        True,
    )


async def test_champion_and_challenger_take_turns_in_first_place(
    client: httpx.AsyncClient, engine: Engine
) -> None:
    await reroute(client, engine, Routing(champion=CHAMPION, challengers=(CHALLENGER,)))
    written = (f"Fix {uuid.uuid4()} by {uuid.uuid4()}." for _ in range(1000))
    ids = []
    for message in itertools.islice((line for line in written if is_for_evidence(line, 0.5)), 24):
        compared = (await client.post("/api/v1/compare", json=fresh(text=message))).json()
        assert compared["policy"] == "champion_against_challenger"
        ids.append(compared["comparison_id"])
    query = text(
        "SELECT DISTINCT o.version FROM comparisons c"
        " JOIN outputs o ON o.id = c.first_output_id WHERE c.id = ANY(:ids)"
    )
    with engine.connect() as connection:
        first = connection.execute(query, {"ids": [uuid.UUID(i) for i in ids]}).scalars().all()
    assert set(first) == {"v1", "v2"}


async def test_a_challenger_that_is_not_there_is_said(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/v1/compare", json=fresh(policy="champion_against_challenger"))
    assert response.status_code == 409
    assert "two_samples" in response.json()["detail"]


async def test_feedback_by_receipt(client: httpx.AsyncClient, engine: Engine) -> None:
    answer = (await client.post("/api/v1/transform", json=fresh(user_id="ann"))).json()
    votes = [
        {"kind": "thumb", "up": True},
        {"kind": "thumb", "up": False},
        {"kind": "rating", "stars": 5},
        {"kind": "edit", "text": "Please fix PAY-123 by Friday."},
        {"kind": "comment", "text": "too long"},
    ]
    ids = []
    for vote in votes:
        response = await client.post("/api/v1/feedback", json={"receipt": answer["receipt"], **vote})
        assert response.status_code == 201, response.text
        ids.append(response.json()["feedback_id"])
    assert ids[0] == ids[1]
    compared = (await client.post("/api/v1/compare", json=fresh(user_id="ann"))).json()
    vote = {"receipt": compared["receipt"], "kind": "comparison", "preferred": "second"}
    assert (await client.post("/api/v1/feedback", json=vote)).status_code == 201
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT kind, thumb_up FROM feedback WHERE id = ANY(:ids)"),
            {"ids": [uuid.UUID(i) for i in ids]},
        ).all()
    assert dict(map(tuple, rows)) == {"thumb": False, "rating": None, "edit": None, "comment": None}  # type: ignore[arg-type]


async def test_who_only_compares_is_stored_with_the_key_that_vouches(
    client: httpx.AsyncClient, engine: Engine, api_key: str
) -> None:
    """No answer of theirs is ever written; the votes of a key are capped all the same."""
    compared = (await client.post("/api/v1/compare", json=fresh(user_id="only-compares"))).json()
    vote = {"receipt": compared["receipt"], "kind": "comparison", "preferred": "second"}
    stored = (await client.post("/api/v1/feedback", json=vote)).json()
    query = "SELECT u.key_id FROM users u JOIN feedback f ON f.user_id = u.id WHERE f.id = :id"
    with engine.connect() as connection:
        key_id = connection.execute(text(query), {"id": uuid.UUID(stored["feedback_id"])}).scalar_one()
    assert key_id == api_key.split("_")[1]


async def test_a_receipt_of_ours_only(client: httpx.AsyncClient, engine: Engine) -> None:
    receipt = (await client.post("/api/v1/transform", json=fresh())).json()["receipt"]
    vote = {"kind": "thumb", "up": True}
    forged = receipt[:-8] + "AAAAAAAA"
    assert (await client.post("/api/v1/feedback", json={"receipt": forged, **vote})).status_code == 403
    other = identities.generate_key()
    identities.bootstrap(engine, other, f"org-{uuid.uuid4()}")
    foreign = await client.post(
        "/api/v1/feedback", json={"receipt": receipt, **vote}, headers={"X-API-Key": other}
    )
    assert foreign.status_code == 403
    wrong = await client.post(
        "/api/v1/feedback", json={"receipt": receipt, "kind": "comparison", "preferred": "first"}
    )
    assert wrong.status_code == 409


async def test_an_erasure_is_felt_by_a_live_gateway(
    client: httpx.AsyncClient, engine: Engine, stack: Settings, api_key: str, tmp_path: Path
) -> None:
    parts = parts_of(client.app)  # type: ignore[attr-defined]
    theirs, shared = fresh(user_id="ann"), fresh(user_id="ann")
    answer = (await client.post("/api/v1/transform", json=theirs)).json()
    await client.post("/api/v1/transform", json=shared)
    kept = (await client.post("/api/v1/transform", json={**shared, "user_id": "bob"})).json()
    assert (await client.post("/api/v1/transform", json=theirs)).json()["cache"] == "l1"
    await parts.answers.flush()

    caller = await parts.authenticator.identify(api_key)

    def is_in_memory() -> bool:
        message = Message(str(theirs["text"]), TransformType.SOFTEN, 2, "ann")
        return parts.online.recall(caller, message) is not None

    settings = stack.model_copy(update={"state": tmp_path})
    with Session(engine) as session:
        person = whom.find(session, whom.by_key(session, api_key.split("_")[1], "ann"))
    assert is_in_memory()
    erasing = asyncio.create_task(asyncio.to_thread(erase.erase, settings, engine, person))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        purged = text("SELECT max(purged_at) FROM erasures WHERE user_id = :id")

        def is_purged() -> bool:
            assert not erasing.done(), erasing.exception()
            return connection.execute(purged, {"id": person.id}).scalar() is not None

        await until_async(is_purged)
    await until_async(lambda: not is_in_memory())
    await erasing

    vote = {"kind": "comment", "text": "late"}
    late = await client.post("/api/v1/feedback", json={"receipt": answer["receipt"], **vote})
    assert late.status_code == 410
    assert late.headers["Content-Type"] == "application/problem+json"
    assert "erased" in late.json()["detail"]
    stored = await client.post("/api/v1/feedback", json={"receipt": kept["receipt"], **vote})
    assert stored.status_code == 201, "what is shared with another stays theirs"
    again = (await client.post("/api/v1/transform", json={**shared, "user_id": "bob"})).json()
    assert again["cache"] == "l2"
    assert (await client.post("/api/v1/transform", json={**theirs, "user_id": "bob"})).json()[
        "cache"
    ] == "miss"


BAD = [
    ({"text": ""}, "text", "1 to 8,000"),
    ({"text": " \n\t "}, "text", "not only white space"),
    ({"text": "x" * 8001}, "text", "8,000"),
    ({"text": "a\x00b"}, "text", "NUL"),
    ({"text": 7}, "text", "characters"),
    ({"transform_type": "sweeten"}, "transform_type", "soften, clarify"),
    ({"intensity": 7}, "intensity", "0 to 3"),
    ({"intensity": "2"}, "intensity", "0 to 3"),
    ({"intensity": True}, "intensity", "0 to 3"),
    ({"user_id": ""}, "user_id", "1 to 200"),
    ({"tone": "nice"}, "tone", "nothing of this name"),
]


@pytest.mark.parametrize("route", ["transform", "compare"])
@pytest.mark.parametrize(("change", "field", "allowed"), BAD, ids=lambda value: str(value)[:24])
async def test_bad_input_names_the_field_and_what_is_allowed(
    client: httpx.AsyncClient, route: str, change: dict[str, object], field: str, allowed: str
) -> None:
    response = await client.post(f"/api/v1/{route}", json={**ASK, **change})
    assert response.status_code == 422
    assert response.headers["Content-Type"] == "application/problem+json"
    errors = {error["field"]: error["allowed"] for error in response.json()["errors"]}
    assert set(errors) == {field}
    assert allowed in errors[field]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[1]",
        b'{"text": "\xff\xfe", "transform_type": "soften", "intensity": 1}',
        b'{"text": "\\ud800"}',
    ],
)
async def test_a_body_that_is_no_json_object_in_utf8(client: httpx.AsyncClient, body: bytes) -> None:
    response = await client.post(
        "/api/v1/transform", content=body, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 422
    assert response.json()["errors"]


@pytest.mark.parametrize("route", ["transform", "compare"])
async def test_a_message_of_too_many_tokens_is_invalid(client: httpx.AsyncClient, route: str) -> None:
    response = await client.post(f"/api/v1/{route}", json={**ASK, "text": "😀" * 8000})
    assert response.status_code == 422
    assert "tokens" in response.json()["errors"][0]["message"]


BAD_VOTES = [
    ({"kind": "applause"}, "kind"),
    ({"kind": "rating", "stars": 6}, "stars"),
    ({"kind": "rating"}, "stars"),
    ({"kind": "thumb", "up": "yes"}, "up"),
    ({"kind": "edit", "text": "  "}, "text"),
    ({"kind": "comparison", "preferred": "third"}, "preferred"),
    ({"kind": "thumb", "up": True, "stars": 3}, "stars"),
]


@pytest.mark.parametrize(("vote", "field"), BAD_VOTES, ids=lambda value: str(value)[:30])
async def test_a_bad_vote_names_the_field(
    client: httpx.AsyncClient, vote: dict[str, object], field: str
) -> None:
    response = await client.post("/api/v1/feedback", json={"receipt": "r", **vote})
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]


@pytest.mark.parametrize("key", [None, "hunter2", "tb_deadbeef_" + "x" * 43])
async def test_an_unknown_key_is_401(client: httpx.AsyncClient, key: str | None) -> None:
    del client.headers["X-API-Key"]
    headers = {} if key is None else {"X-API-Key": key}
    for route in ("transform", "compare", "feedback"):
        assert (await client.post(f"/api/v1/{route}", json=ASK, headers=headers)).status_code == 401


async def test_a_key_works_as_bearer_and_not_once_revoked(
    client: httpx.AsyncClient, engine: Engine, api_key: str
) -> None:
    del client.headers["X-API-Key"]
    headers = {"Authorization": f"Bearer {api_key}"}
    assert (await client.post("/api/v1/transform", json=ASK, headers=headers)).status_code == 200
    wrong = {"Authorization": f"Bearer {api_key[:-4]}AAAA"}
    assert (await client.post("/api/v1/transform", json=ASK, headers=wrong)).status_code == 401
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE api_keys SET revoked_at = now() WHERE id = :id"), {"id": api_key.split("_")[1]}
        )
    await client.app.state.parts.directory.beat()  # type: ignore[attr-defined]
    assert (await client.post("/api/v1/transform", json=ASK, headers=headers)).status_code == 401


async def test_health_and_documentation(client: httpx.AsyncClient) -> None:
    assert (await client.get("/livez")).status_code == 200
    assert (await client.get("/readyz")).json()["ready"] is True
    schema = (await client.get("/openapi.json")).json()
    assert {"/api/v1/transform", "/api/v1/compare", "/api/v1/feedback"} <= set(schema["paths"])
    ask = schema["components"]["schemas"]["TransformRequest"]
    assert set(ask["properties"]) == {
        "text",
        "transform_type",
        "intensity",
        "user_id",
        "locale",
        "channel",
    }
    assert schema["components"]["schemas"]["TransformType"]["enum"] == [kind.value for kind in TransformType]
