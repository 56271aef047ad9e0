"""A person's own answers: whose they are, what they show, and that a vote on them counts."""

import unicodedata
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from data.people import identities
from data.tables import Answer, Output, new_id
from data.traffic import answers
from data.traffic.own_answers import MOST_SEARCHED
from serving.gateway.routes import answers as routes
from tests import gateways, sockets, streams
from tests.streams import Gateway, fresh
from tests.traffic import Traffic

Key = dict[str, str]


@pytest.fixture
async def app(pool: AsyncConnectionPool) -> FastAPI:
    return await gateways.app_of(pool, routes.router)


def person(key: Key, name: str) -> uuid.UUID:
    """The id of whom a key names."""
    return identities.Identity(uuid.UUID(int=0), key["X-API-Key"].split("_")[1], "", b"", "").user(name)


def at(moment: datetime) -> uuid.UUID:
    """An id of a moment."""
    return uuid.UUID(int=answers.floor(moment).int | new_id().int & (1 << 80) - 1)


def give(
    engine: Engine,
    organisation_id: uuid.UUID,
    user_id: uuid.UUID,
    number: int = 1,
    transform_type: str = "soften",
    moment: datetime | None = None,
    message: str = "Fix it.",
    words: str = "Could you?",
) -> list[str]:
    """Answers of a person, made now or at a moment; their ids, the newest first."""
    ids = sorted((at(moment) if moment else new_id() for _ in range(number)), reverse=True)
    with engine.begin() as owner:
        day = (moment or datetime.now(UTC)).date()
        owner.execute(text("SELECT ensure_answer_partitions(:day, 2)"), {"day": day})
        for id in ids:
            values = {"id": id, "output": new_id(), "organisation": organisation_id, "user": user_id}
            owner.execute(
                text(
                    "INSERT INTO outputs (id, organisation_id, message, transform_type, intensity, text,"
                    " facts_missing, spec_digest, version, upstream_ms) VALUES (:output, :organisation,"
                    " :message, :type, 2, :text, '[\"3\"]', 'd', 'v1', 1)"
                ),
                {**values, "type": transform_type, "message": message, "text": words},
            )
            owner.execute(
                text(
                    "INSERT INTO answers (id, output_id, organisation_id, user_id, variant, epoch, cache,"
                    " fell_back, total_ms)"
                    " VALUES (:id, :output, :organisation, :user, 'champion', 1, 'l2', false, 1)"
                ),
                values,
            )
    return [str(id) for id in ids]


def say(engine: Engine, user_id: uuid.UUID, answer_id: str, kind: str, **values: Any) -> None:
    """A vote of a person on the output of an answer, of whomever that is."""
    with Session(engine) as session, session.begin():
        output = session.scalars(select(Output).join(Answer, Answer.output_id == Output.id)
                                 .where(Answer.id == uuid.UUID(answer_id))).one()  # fmt: skip
        Traffic(session, values.pop("organisation_id", output.organisation_id)).vote(
            datetime.now(UTC), user_id, output.id, kind, **values
        )


async def listed(client: httpx.AsyncClient, key: Key, **query: Any) -> list[str]:
    """The ids of the answers that a caller sees."""
    response = await client.get("/answers", headers=key, params=query)
    assert response.status_code == 200, response.text
    return [answer["answer_id"] for answer in response.json()]


async def test_a_person_reads_what_they_got(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, a_key: Callable[..., Key]
) -> None:
    key = a_key()
    ids = give(engine, organisation_id, person(key, "ann"), 3)
    assert await listed(client, key, user_id="ann") == ids
    response = await client.get(f"/answers/{ids[1]}", headers=key, params={"user_id": "ann"})
    answer = response.json()
    assert answer.pop("receipt")
    moment = datetime.fromisoformat(answer.pop("created_at"))
    assert abs(moment - datetime.now(UTC)) < timedelta(minutes=1)
    assert answer == {
        "answer_id": ids[1],
        "message": "Fix it.",
        "transform_type": "soften",
        "intensity": 2,
        "transformed_text": "Could you?",
        "variant": "champion",
        "version": "v1",
        "cache": "l2",
        "fallback": False,
        "facts_missing": ["3"],
        "unchanged": None,
        "feedback": None,
    }
    assert response.headers["cache-control"] == "no-store", "an erasure does not reach a browser's store"
    everything = await client.get("/answers", headers=key, params={"user_id": "ann"})
    assert everything.headers["cache-control"] == "no-store"


async def test_a_person_reads_what_they_said_and_nobody_elses_words(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, a_key: Callable[..., Key]
) -> None:
    key = a_key()
    ann, bob = person(key, "ann"), person(key, "bob")
    id, silent = give(engine, organisation_id, ann, 2)
    with Session(engine) as session, session.begin():  # bob got the same output, as from the cache
        output = session.get_one(Answer, uuid.UUID(id)).output_id
        Traffic(session, organisation_id).answer(datetime.now(UTC), bob, output)

    async def read(name: str, **query: str) -> list[Any]:
        response = await client.get("/answers", headers=key, params={"user_id": name, **query})
        return [answer["feedback"] for answer in response.json()]

    say(engine, bob, id, "edit", text="Bob's words.")
    say(engine, bob, id, "comment", text="Bob's comment.")
    # Ids of people belong to one organisation. If one did not, the policy would hide the row.
    say(engine, ann, silent, "thumb", thumb_up=True, organisation_id=gateways.an_organisation(engine))
    assert await read("ann") == [None, None]
    say(engine, ann, id, "thumb", thumb_up=False)
    say(engine, ann, id, "rating", rating=1)
    say(engine, ann, id, "edit", text="Ann's words.")
    anns = {"thumb_up": False, "rating": 1, "edit": "Ann's words.", "comment": None}
    bobs = {"thumb_up": None, "rating": None, "edit": "Bob's words.", "comment": "Bob's comment."}
    assert await read("ann") == await read("ann", q="fix") == [anns, None]
    assert await read("bob") == [bobs]
    one = await client.get(f"/answers/{id}", headers=key, params={"user_id": "ann"})
    assert one.json()["feedback"] == anns
    for headers in (a_key(), a_key("owner")):
        response = await client.get("/answers", headers=headers, params={"user_id": "ann"})
        assert response.json() == []


async def test_a_deleted_answer_is_not_shown_from_then_on(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, a_key: Callable[..., Key]
) -> None:
    """Whose it is not, cannot delete it; what it removes is tested by `tests/test_own_erasure.py`."""
    key = a_key()
    first, second = give(engine, organisation_id, person(key, "ann"), 2)
    (bobs,) = give(engine, organisation_id, person(key, "bob"))

    async def delete(id: str, **query: str) -> tuple[int, bytes]:
        response = await client.delete(f"/answers/{id}", headers=key, params=query)
        return response.status_code, response.content if response.status_code == 202 else b""

    assert (await delete(first))[0] == 422, "a key acts for many"
    assert (await delete(bobs, user_id="ann"))[0] == 404
    assert (await delete(str(uuid.uuid4()), user_id="ann"))[0] == 404
    assert await listed(client, key, user_id="ann") == [first, second]
    assert await delete(first, user_id="ann") == (202, b"")
    assert await listed(client, key, user_id="ann") == [second]
    assert await listed(client, key, user_id="ann", q="fix") == [second]
    assert (await client.get(f"/answers/{first}", headers=key, params={"user_id": "ann"})).status_code == 404
    assert (await delete(first, user_id="ann"))[0] == 404, "it is ordered"
    assert await listed(client, key, user_id="bob") == [bobs]
    with engine.begin() as owner:
        orders = owner.execute(
            text("SELECT o.id, e.user_id FROM output_erasures e JOIN answers o USING (output_id)"
                 " WHERE e.organisation_id = :organisation"),
            {"organisation": organisation_id},
        ).all()  # fmt: skip
    assert orders == [(uuid.UUID(first), person(key, "ann"))]


async def test_answers_of_another_organisation_cannot_be_deleted(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, a_key: Callable[..., Key]
) -> None:
    key, other = a_key(), uuid.uuid4()
    with engine.begin() as owner:
        owner.execute(text("INSERT INTO organisations (id, name) VALUES (:id, :id)"), {"id": other})
    (id,) = give(engine, other, person(key, "ann"))
    response = await client.delete(f"/answers/{id}", headers=key, params={"user_id": "ann"})
    assert response.status_code == 404


async def test_the_id_of_another_persons_answer_is_a_moment_and_nothing_more(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, a_key: Callable[..., Key]
) -> None:
    """A page begins after any row: after that of somebody else as after one that nobody has any more."""
    key = a_key()
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    (old,) = give(engine, organisation_id, person(key, "ann"), 1, "soften", noon)
    (bobs,) = give(engine, organisation_id, person(key, "bob"), 1, "soften", noon + timedelta(hours=1))
    (new,) = give(engine, organisation_id, person(key, "ann"), 1, "clarify", noon + timedelta(hours=2))
    gone = str(uuid.UUID(int=uuid.UUID(bobs).int + 1))
    for before in (bobs, gone):
        assert await listed(client, key, user_id="ann", before=before) == [old]
        assert await listed(client, key, user_id="ann", before=before, transform_type="clarify") == []
    assert await listed(client, key, user_id="ann", before=new) == [old]
    assert await listed(client, key, user_id="bob", before=old) == []


async def test_answers_are_found_by_type_and_time(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, a_key: Callable[..., Key]
) -> None:
    key = a_key()
    ann = person(key, "ann")
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    (first,) = give(engine, organisation_id, ann, 1, "soften", noon)
    (second,) = give(engine, organisation_id, ann, 1, "clarify", noon + timedelta(hours=1))
    (third,) = give(engine, organisation_id, ann, 1, "summarize", noon + timedelta(days=1))
    assert await listed(client, key, user_id="ann") == [third, second, first]
    assert await listed(client, key, user_id="ann", transform_type="clarify") == [second]
    assert await listed(client, key, user_id="ann", transform_type=["clarify", "soften"]) == [second, first]
    hour = noon + timedelta(hours=1)
    assert await listed(client, key, user_id="ann", since=hour.isoformat()) == [third, second]
    assert await listed(client, key, user_id="ann", until=hour.isoformat()) == [first]
    early, late = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"
    assert await listed(client, key, user_id="ann", since=early, until=late) == [third, second, first]
    assert await listed(client, key, user_id="ann", since=late, until=early) == []
    between = {"since": noon.isoformat(), "until": (noon + timedelta(days=1)).isoformat(), "before": second}
    assert await listed(client, key, user_id="ann", **between) == [first]


async def test_answers_are_found_by_a_part_of_the_message_or_the_rewrite(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, a_key: Callable[..., Key]
) -> None:
    key = a_key()
    ann = person(key, "ann")

    def say(message: str, words: str) -> str:
        (id,) = give(engine, organisation_id, ann, message=message, words=words)
        return id

    first = say("Fix the Login page.", "Could you fix 100 % of it?")
    second = say("Zoë broke build_7 \\ again", "Could Zoë look at the login?")
    third = say("ログイン画面が開かないので、ＡＢＣさんが直してください", "ガイドをご確認ください")
    fourth = say(unicodedata.normalize("NFD", "データベースのガイド"), "Zoe\u0308 says so")
    both = unicodedata.normalize("NFC", "e\u0301") + " e\u0301"  # in both forms
    fifth = say(both, "-")

    async def find(q: str, **query: Any) -> list[str]:
        return await listed(client, key, user_id="ann", q=q, **query)

    assert await find("LOGIN") == [second, first], "in the message of one, in the rewrite of the other"
    assert await find("fix the login page.") == [first], "the whole message"
    assert await find("ZOË") == await find("zoe\u0308") == [fourth, second]
    # They are no wildcards.
    assert await find("%") == [first]
    assert await find("100 %") == [first]
    assert await find("_") == [second]
    assert await find("build.7") == []
    assert await find("\\") == [second]
    # Japanese, and other forms of the same text.
    assert await find("画面") == [third]
    assert await find("ガイド") == await find(unicodedata.normalize("NFD", "ガイド")) == [fourth, third]
    assert await find("ａｂｃ") == [third]
    assert await find(both) == [fifth]
    assert await find("x" * 200) == []
    # Together with the other filters.
    (clarified,) = give(engine, organisation_id, ann, 1, "clarify", message="a login")
    assert await find("login", transform_type="clarify") == [clarified]
    assert await find("login", before=second) == [first]
    assert await find("login", until="2001-01-01T00:00:00Z") == []
    assert await find("login", limit=1) == [clarified]


async def test_a_search_reaches_no_answer_of_another(
    client: httpx.AsyncClient,
    engine: Engine,
    organisation_id: uuid.UUID,
    a_key: Callable[..., Key],
    owner: Key,
    stranger: Key,
) -> None:
    key, secret = a_key(), f"plan {uuid.uuid4()}"
    (id,) = give(engine, organisation_id, person(key, "ann"), message=secret)
    assert await listed(client, key, user_id="ann", q=secret) == [id]
    token = gateways.a_token(gateways.a_signing_key(engine, organisation_id, "owner"), "ann")
    callers: list[tuple[Key, dict[str, str]]] = [
        (key, {"user_id": "bob"}),
        (a_key(), {"user_id": "ann"}),
        (owner, {"user_id": "ann"}),
        (stranger, {"user_id": "ann"}),
        (token, {}),
    ]
    for headers, query in callers:
        assert await listed(client, headers, **query, q=secret) == []
        assert await listed(client, headers, **query, q="plan") == []
    give(engine, gateways.an_organisation(engine), person(key, "ann"), message=secret)
    assert await listed(client, key, user_id="ann", q=secret) == [id], "not in another organisation"


async def test_a_search_goes_on_where_a_page_has_stopped(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, a_key: Callable[..., Key]
) -> None:
    """A person of very many answers costs no page more than one of `MOST_SEARCHED`."""
    key = a_key()
    ann = person(key, "ann")
    old = give(engine, organisation_id, ann, 2, message="a needle")
    with engine.begin() as owner:
        owner.execute(
            text(
                "INSERT INTO answers (id, output_id, organisation_id, user_id, variant, epoch, cache,"
                " fell_back, total_ms) SELECT time_ordered_id(), output_id, organisation_id, user_id,"
                " variant, epoch, cache, fell_back, total_ms FROM answers, generate_series(1, :number)"
                " WHERE id = :hay"
            ),
            {"number": MOST_SEARCHED, "hay": give(engine, organisation_id, ann, message="hay")[0]},
        )
    query = {"user_id": "ann", "q": "NEEDLE", "limit": 50}
    first = await client.get("/answers", headers=key, params=query)
    assert first.json() == []
    second = await client.get(f"http://gateway{first.links['next']['url']}", headers=key)
    assert [answer["answer_id"] for answer in second.json()] == old
    assert "next" not in second.links
    found = await client.get("/answers", headers=key, params={**query, "q": "hay"})
    assert len(found.json()) == 50
    last = found.json()[-1]["answer_id"]
    assert found.links["next"]["url"].endswith(f"before={last}"), "a full page goes on after its last row"


async def test_nobody_reads_the_answers_of_another(
    client: httpx.AsyncClient,
    engine: Engine,
    organisation_id: uuid.UUID,
    a_key: Callable[..., Key],
    owner: Key,
    stranger: Key,
) -> None:
    key = a_key()
    kid = gateways.a_signing_key(engine, organisation_id, "owner")
    token = gateways.a_token(kid, "ann")
    (of_the_key,) = give(engine, organisation_id, person(key, "ann"))
    subject = identities.Identity(organisation_id, "", "", b"", "").subject("ann")
    (of_the_token,) = give(engine, organisation_id, subject)
    assert await listed(client, key, user_id="ann") == [of_the_key]
    assert await listed(client, token) == await listed(client, token, user_id="ann") == [of_the_token]
    # Another person of the same key, the same name under other keys, and an owner: a role opens nothing.
    callers: list[tuple[Key, dict[str, str]]] = [
        (key, {"user_id": "bob"}),
        (a_key(), {"user_id": "ann"}),
        (owner, {"user_id": "ann"}),
        (stranger, {"user_id": "ann"}),
        (gateways.a_token(kid, "bob"), {}),
    ]
    for headers, query in callers:
        assert await listed(client, headers, **query) == []
        for id in (of_the_key, of_the_token):
            response = await client.get(f"/answers/{id}", headers=headers, params=query)
            assert (response.status_code, response.json()["reasons"][0]["code"]) == (404, "unknown_answer")


async def test_a_row_of_another_organisation_is_not_read_even_for_the_same_person(
    client: httpx.AsyncClient, engine: Engine, a_key: Callable[..., Key]
) -> None:
    """Ids of people belong to one organisation. If one did not, the view would hide the row."""
    key = a_key()
    (id,) = give(engine, gateways.an_organisation(engine), person(key, "ann"))
    assert await listed(client, key, user_id="ann") == []
    response = await client.get(f"/answers/{id}", headers=key, params={"user_id": "ann"})
    assert response.status_code == 404


async def test_a_caller_says_whose_answers(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, a_key: Callable[..., Key]
) -> None:
    token = gateways.a_token(gateways.a_signing_key(engine, organisation_id), "ann")
    some = uuid.uuid4()
    for path in ("/answers", f"/answers/{some}"):
        assert (await client.get(path)).status_code == 401
        nobody = await client.get(path, headers=a_key())
        assert (nobody.status_code, "name the person" in nobody.json()["detail"]) == (422, True)
        another = await client.get(path, headers=token, params={"user_id": "bob"})
        assert (another.status_code, "its own subject" in another.json()["detail"]) == (422, True)
    last = uuid.UUID(int=2**128 - 1)
    assert (await client.get(f"/answers/{last}", headers=token)).status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        {"transform_type": "shout"},
        {"since": "noon"},
        {"until": "2026-01-01T00:00"},
        {"q": ""},
        {"q": "x" * 201},
        {"q": "a\0"},
    ],
)
async def test_what_is_no_filter_is_refused(
    client: httpx.AsyncClient, a_key: Callable[..., Key], query: dict[str, str]
) -> None:
    response = await client.get("/answers", headers=a_key(), params={"user_id": "ann", **query})
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == list(query)


async def read(gateway: Gateway, query: dict[str, str]) -> Any:
    """The answers that a gateway lists."""
    async with gateway.session.get("/api/v1/answers", params=query, headers=gateway.key) as response:
        return await response.json()


async def test_an_answer_can_be_voted_on_later_and_is_as_the_websocket_shows_it(
    gateway: Gateway, engine: Engine
) -> None:
    query = {"user_id": "ann"}
    async with sockets.authenticated(gateway) as socket:
        await socket.ask("subscribe", channel="answers", **query)
        body = fresh(user_id="ann")
        async with gateway.post(body, Accept="application/json") as response:
            answered = await response.json()
        await gateway.parts.answers.flush()
        event = await socket.receive()
        (answer,) = await read(gateway, query)
        assert event["data"] == answer
        assert answer["feedback"] is None
        vote = {"receipt": answer["receipt"], "kind": "thumb", "up": False}
        async with gateway.session.post("/api/v1/feedback", json=vote, headers=gateway.key) as response:
            assert response.status == 201, await response.text()
        async with gateway.post(body, Accept="application/json") as response:  # the same output again
            assert response.status == 200
        await gateway.parts.answers.flush()
        event = await socket.receive()
        again, first = await read(gateway, query)
        assert event["data"] == again
        assert again["feedback"] == {"thumb_up": False, "rating": None, "edit": None, "comment": None}
        assert first == {**answer, "feedback": again["feedback"]}
    assert answer["message"] == body["text"]
    assert answer.items() >= {name: answered[name] for name in answered if name != "receipt"}.items()
    votes = []
    for receipt in (answered["receipt"], answer["receipt"]):
        vote = {"receipt": receipt, "kind": "thumb", "up": True}
        async with gateway.session.post("/api/v1/feedback", json=vote, headers=gateway.key) as response:
            assert response.status == 201, await response.text()
            votes.append(await response.json())
    assert votes[0] == votes[1], "the second vote replaces the first, so both are about one answer"
    (row,) = await streams.rows(
        engine, gateway,
        "SELECT count(*) FROM feedback f JOIN outputs o ON o.id = f.output_id WHERE o.message = :message",
        message=body["text"],
    )  # fmt: skip
    assert row == (1,)


async def test_an_erased_answer_is_gone(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, a_key: Callable[..., Key]
) -> None:
    key = a_key()
    ids = give(engine, organisation_id, person(key, "ann"), 2)
    with engine.begin() as owner:
        owner.execute(
            text("DELETE FROM outputs WHERE id = (SELECT output_id FROM answers WHERE id = :id)"),
            {"id": ids[0]},
        )
    assert await listed(client, key, user_id="ann") == ids[1:]
