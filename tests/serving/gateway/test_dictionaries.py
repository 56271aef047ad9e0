"""Dictionaries in effect: at once where they change, within a heartbeat at other gateways, for nobody else,
and while Postgres is unavailable.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine

from configs.settings import Settings
from data.database import transaction_of
from data.people import dictionaries
from data.people.dictionaries import Owner
from data.records import Term, TermRule, TransformType
from data.terms import Terms
from data.traffic.outputs import Namer
from serving.gateway.dictionaries import Dictionaries
from serving.gateway.online.front import PATH
from serving.gateway.problems import UnavailableError
from serving.protocol import GuardedProtocol
from tests import gateways, streams
from tests.streams import Gateway, Service

DICTIONARY = "/api/v1/dictionary"
REPLACE = {"scope": "organisation", "term": "PAY", "rule": "replace", "wording": "payments"}
WORDS = ("alpha", "beta", "gamma")


@pytest.fixture
async def other(
    gateway: Gateway, local: Settings, api_key: str, service: Service, protocol: type[GuardedProtocol]
) -> AsyncIterator[Gateway]:
    """A second gateway."""
    ours = local.model_copy(update={"inference_urls": (service.url,)})
    async with streams.listening(ours, api_key, protocol) as second:
        yield second


async def ask(gateway: Gateway, body: dict[str, Any], key: dict[str, str] | None = None) -> dict[str, Any]:
    async with gateway.session.post(PATH, json=body, headers=key or gateway.key) as response:
        assert response.status == 200, await response.text()
        document: dict[str, Any] = await response.json()
        return document


async def change(gateway: Gateway, method: str, path: str = "", **body: Any) -> dict[str, Any]:
    async with gateway.session.request(
        method, DICTIONARY + path, json=body or None, headers=gateway.key
    ) as response:
        assert response.status in (200, 201, 204), await response.text()
        return await response.json() if response.status != 204 else {}


def a_message(**changes: Any) -> dict[str, Any]:
    return {**streams.fresh(), "text": f"The PAY export is late. {uuid.uuid4()}", "user_id": "ann", **changes}


def terms_of(service: Service) -> list[dict[str, Any]]:
    """The terms of the message that the service was called with last."""
    terms: list[dict[str, Any]] = service.items[-1].get("terms", [])
    return terms


async def test_a_change_is_in_effect_at_the_next_request_and_no_old_output_is_served(
    gateway: Gateway, service: Service
) -> None:
    body = a_message()
    assert (await ask(gateway, body))["cache"] == "miss"
    assert (await ask(gateway, body))["cache"] == "l1"
    added = await change(gateway, "POST", **REPLACE)
    assert (await ask(gateway, body))["cache"] == "miss"
    assert terms_of(service) == [{"term": "PAY", "rule": "replace", "wording": "payments"}]
    await change(gateway, "PATCH", f"/{added['id']}", wording="billing")
    assert (await ask(gateway, body))["cache"] == "miss"
    assert terms_of(service)[0]["wording"] == "billing"
    await change(gateway, "DELETE", f"/{added['id']}")
    assert (await ask(gateway, body))["cache"] == "l1", "as it was before"


async def test_a_message_without_the_term_keeps_its_output(gateway: Gateway, service: Service) -> None:
    body = a_message(text=f"Nothing of that. {uuid.uuid4()}")
    await ask(gateway, body)
    await change(gateway, "POST", **REPLACE)
    assert (await ask(gateway, body))["cache"] == "l1"


async def test_other_gateways_follow(gateway: Gateway, other: Gateway, service: Service) -> None:
    body = a_message()
    await ask(gateway, body)
    assert (await ask(other, body))["cache"] == "l2"
    await change(gateway, "POST", **REPLACE)
    newest = gateway.parts.dictionaries.revision
    await streams.until(lambda: other.parts.dictionaries.revision >= newest)
    assert (await ask(other, body))["cache"] == "miss"
    assert terms_of(service)[0]["wording"] == "payments"
    assert (await ask(gateway, body))["cache"] == "l2", "made with the same terms"


async def test_a_persons_own_term_is_in_effect_for_them_only_and_takes_precedence(
    gateway: Gateway, service: Service
) -> None:
    await change(gateway, "POST", **REPLACE)
    own = {"scope": "own", "term": "pay", "rule": "keep", "user_id": "ann"}
    added = await change(gateway, "POST", **own)
    body = a_message(text=f"The pay and PAY export. {uuid.uuid4()}")
    assert (await ask(gateway, body))["cache"] == "miss"
    assert terms_of(service) == [{"term": "pay", "rule": "keep"}]
    bobs = {**body, "user_id": "bob"}
    assert (await ask(gateway, bobs))["cache"] == "miss"
    assert terms_of(service) == [{"term": "PAY", "rule": "replace", "wording": "payments"}]
    await change(gateway, "DELETE", f"/{added['id']}?user_id=ann")
    assert (await ask(gateway, body))["cache"] == "l1", "Bob's, who has the same dictionary now"


async def test_no_other_organisation_gets_the_term_or_the_output(
    gateway: Gateway, service: Service, engine: Engine
) -> None:
    stranger = gateways.a_key(engine, gateways.an_organisation(engine))
    await change(gateway, "POST", **REPLACE)
    body = a_message()
    await ask(gateway, body)
    assert terms_of(service)
    assert (await ask(gateway, body, stranger))["cache"] == "miss"
    assert terms_of(service) == []


async def test_both_sides_of_a_comparison_have_the_terms(gateway: Gateway, service: Service) -> None:
    await change(gateway, "POST", **REPLACE)
    body = a_message()
    async with gateway.session.post("/api/v1/compare", json=body, headers=gateway.key) as response:
        assert response.status == 200, await response.text()
    assert [item.get("terms") for item in service.items[-2:]] == [
        [{"term": "PAY", "rule": "replace", "wording": "payments"}]
    ] * 2


async def test_the_row_of_an_output_says_whether_it_has_words_of_a_dictionary(
    gateway: Gateway, engine: Engine
) -> None:
    await change(gateway, "POST", **REPLACE)
    await change(gateway, "POST", scope="organisation", term="export", rule="keep")
    texts = [f"The PAY. {uuid.uuid4()}", f"The export. {uuid.uuid4()}", f"Nothing. {uuid.uuid4()}"]
    for text in texts:
        await ask(gateway, a_message(text=text))
    rows = await streams.rows(
        engine, gateway,
        "SELECT message, dictionary_digest <> '', has_dictionary_words FROM outputs"
        " WHERE message = ANY(:texts)",
        texts=texts,
    )  # fmt: skip
    assert {row[0]: (row[1], row[2]) for row in rows} == dict(
        zip(texts, [(True, True), (True, False), (False, False)], strict=True)
    )


async def test_without_postgres_known_dictionaries_apply_and_unknown_ones_are_503(
    pool: AsyncConnectionPool, engine: Engine
) -> None:
    tenant, ann = gateways.an_organisation(engine), uuid.uuid4()
    async with pool.connection() as connection:
        await add(connection, tenant, None, "alpha")
        await add(connection, tenant, ann, "beta")
        unreachable = AsyncConnectionPool(
            "postgresql://nobody@127.0.0.1:1/none", min_size=0, max_size=1, timeout=0.2, open=False
        )
        known, cut_off = Dictionaries(pool), Dictionaries(unreachable)
        for each in (known, cut_off):
            await each.renew(connection)
    assert says(await known.get(tenant, ann)) == {"alpha", "beta"}
    known._pool = unreachable
    await unreachable.open(wait=False)
    try:
        assert says(await known.get(tenant, ann)) == {"alpha", "beta"}
        with pytest.raises(UnavailableError):
            await cut_off.get(tenant, ann)
        assert not (await cut_off.get(uuid.uuid4(), ann)).count, "an organisation without a dictionary"
    finally:
        await unreachable.close()


async def test_a_look_for_changes_that_is_late_takes_nothing_back(
    pool: AsyncConnectionPool, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant, known = gateways.an_organisation(engine), Dictionaries(pool)
    async with pool.connection() as connection:
        await add(connection, tenant, None, "alpha")
        late = await dictionaries.find_changes(connection, -1)
        await add(connection, tenant, None, "beta")
        await known.renew(connection)
        newest = known.revision
        assert newest > late[-1].revision

        async def find_late(*_: object) -> list[dictionaries.Change]:
            return late

        monkeypatch.setattr(dictionaries, "find_changes", find_late)
        await known.renew(connection)
    assert known.revision == newest
    assert says(await known.get(tenant, None)) == {"alpha", "beta"}


async def test_what_is_read_before_a_change_does_not_get_in_after_it(
    pool: AsyncConnectionPool, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant, known = gateways.an_organisation(engine), Dictionaries(pool)
    has_read, may_go_on, fetch = asyncio.Event(), asyncio.Event(), dictionaries.fetch_terms

    async def fetch_slowly(connection: Any, user_id: uuid.UUID | None) -> list[Term]:
        terms = await fetch(connection, user_id)
        has_read.set()
        await may_go_on.wait()
        return terms

    async with pool.connection() as connection:
        await add(connection, tenant, None, "alpha")
        await known.renew(connection)
        monkeypatch.setattr(dictionaries, "fetch_terms", fetch_slowly)
        reading = asyncio.create_task(known.get(tenant, None))
        await has_read.wait()
        await add(connection, tenant, None, "beta")
        await known.renew(connection)
        may_go_on.set()
        assert says(await reading) == {"alpha", "beta"}


async def add(connection: Any, tenant: uuid.UUID, person: uuid.UUID | None, word: str) -> uuid.UUID:
    """Add a term that is kept."""
    owner = Owner(person, None, "ann") if person else None
    async with transaction_of(connection, tenant):
        return await dictionaries.add(
            connection, tenant, owner, "a test", Term(term=word, rule=TermRule.KEEP)
        )


def says(terms: Terms) -> set[str]:
    """The words of `WORDS` that are terms."""
    return {term.term for term in terms.excerpt(" ".join(WORDS)).terms}


steps = st.lists(
    st.tuples(st.integers(0, 1), st.integers(-1, 1), st.sampled_from(WORDS), st.booleans()), max_size=12
)


@given(steps)
@settings(
    max_examples=15, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@pytest.mark.timeout(120)
async def test_everybody_has_their_own_terms_and_those_of_their_organisation(
    pool: AsyncConnectionPool, engine: Engine, steps: list[tuple[int, int, str, bool]]
) -> None:
    tenants = [gateways.an_organisation(engine) for _ in range(2)]
    people = [[uuid.uuid4() for _ in range(2)] for _ in range(2)]
    early, small = Dictionaries(pool), Dictionaries(pool, most_terms=2)
    stored: dict[tuple[uuid.UUID, uuid.UUID | None, str], uuid.UUID] = {}
    async with pool.connection() as connection:
        for tenant_number, number, word, forgets in steps:
            tenant = tenants[tenant_number]
            person = None if number < 0 else people[tenant_number][number]
            id = stored.pop((tenant, person, word), None)
            if id is None:
                stored[(tenant, person, word)] = await add(connection, tenant, person, word)
            else:
                async with transaction_of(connection, tenant):
                    await dictionaries.delete(connection, id)
            late = Dictionaries(pool)
            for known in (early, small, late):
                await known.renew(connection)
                if forgets:
                    known.forget()
                for each, members in zip(tenants, people, strict=True):
                    for member in (None, *members):
                        expected = {w for (t, p, w) in stored if t == each and p in (None, member)}
                        assert says(await known.get(each, member)) == expected


tenants = st.sampled_from([uuid.UUID(int=1), uuid.UUID(int=2)])
dictionary = st.dictionaries(st.sampled_from(WORDS), st.sampled_from(["", "x", "y"]), max_size=3)


@given(tenants, dictionary, tenants, dictionary, st.sampled_from(["alpha beta", "gamma", "nothing"]))
def test_outputs_are_shared_in_an_organisation_between_messages_with_the_same_terms_only(
    one: uuid.UUID, ones: dict[str, str], two: uuid.UUID, twos: dict[str, str], message: str
) -> None:
    def name(tenant: uuid.UUID, words: dict[str, str]) -> bytes:
        terms = [
            Term(term=word, rule=TermRule.EXPLAIN if wording else TermRule.KEEP, wording=wording)
            for word, wording in words.items()
        ]
        digest = Terms(terms).excerpt(message).digest
        return Namer().name(tenant, "0" * 32, digest, TransformType.SOFTEN, 1, message)

    used = [{w: words[w] for w in message.split() if w in words} for words in (ones, twos)]
    assert (name(one, ones) == name(two, twos)) == (one == two and used[0] == used[1])
