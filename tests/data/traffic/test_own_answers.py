"""The query of a person's own answers: an index finds them among all."""

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, text

from data.database import transaction_of
from data.tables import LAST_ID, new_id
from data.traffic import answers, own_answers

DAYS = [date(2031, 1, 1), date(2031, 1, 2)]
PEOPLE = 1000


@pytest.fixture
def people(engine: Engine, organisation_id: uuid.UUID) -> Iterator[list[uuid.UUID]]:
    """A thousand people with a hundred answers each, on two days of this test's own."""
    people = [uuid.uuid4() for _ in range(PEOPLE)]
    output = new_id()
    with engine.begin() as owner:
        owner.execute(text("SELECT ensure_answer_partitions(:day, 2)"), {"day": DAYS[0]})
        owner.execute(
            text(
                "INSERT INTO outputs (id, organisation_id, message, transform_type, intensity, text,"
                " facts_missing, spec_digest, version, upstream_ms) VALUES (:id, :organisation, 'Fix it.',"
                " 'soften', 2, 'Could you?', '[]', 'd', 'v1', 1)"
            ),
            {"id": output, "organisation": organisation_id},
        )
        for day in DAYS:
            owner.execute(
                text(
                    "INSERT INTO answers (id, output_id, organisation_id, user_id, variant, epoch, cache,"
                    " fell_back, total_ms)"
                    " SELECT (left(CAST(:first AS text), 13) || substr(gen_random_uuid()::text, 14))::uuid,"
                    " :output, :organisation, (CAST(:people AS uuid[]))[1 + n % :number], 'champion', 1,"
                    " 'l1', false, 1 FROM generate_series(1, 50 * :number) AS n"
                ),
                {
                    "first": answers.floor(day),
                    "output": output,
                    "organisation": organisation_id,
                    "people": people,
                    "number": PEOPLE,
                },
            )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as owner:
        owner.execute(text("ANALYZE answers"))
    yield people
    with engine.begin() as owner:
        for day in DAYS:
            owner.execute(text(f"DROP TABLE answers_{day:%Y%m%d}"))


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A node of a plan, and those below it."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


@pytest.mark.parametrize("query", [own_answers.LISTED, own_answers.SEARCHED], ids=["listed", "searched"])
async def test_an_index_finds_a_page_among_a_hundred_thousand_answers(
    pool: AsyncConnectionPool, organisation_id: uuid.UUID, people: list[uuid.UUID], query: str
) -> None:
    values = {
        "user": people[7],
        "first": uuid.UUID(int=0),
        "end": LAST_ID,
        "types": ["soften"],
        "forms": ["FIX"],
        "most": 51,
    }
    async with pool.connection() as connection, transaction_of(connection, organisation_id):
        cursor = await connection.execute(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {query}",  # type: ignore[arg-type]
            values,
        )
        row = await cursor.fetchone()
        assert row is not None
        found = await own_answers.list_some(connection, people[7], most=200)
        since = datetime(2031, 1, 2, tzinfo=UTC)
        later = await own_answers.list_some(connection, people[7], since=since, most=200)
        page = await own_answers.list_some(connection, people[7], before=found[59].id, most=30)
    scans = [
        node for node in nodes(row[0][0]["Plan"]) if node.get("Relation Name", "").startswith("answers_2031")
    ]
    assert scans
    for node in scans:
        # Backward: the index has the order of the list, so nothing is sorted.
        assert (node["Node Type"], node["Scan Direction"]) == ("Index Scan", "Backward"), node
        assert "user_id" in node["Index Cond"], "the organisation's security barrier keeps it from the index"
        assert node["Actual Rows"] <= 51, "it reads no more than the page"
    assert (len(found), len(later)) == (100, 50)
    ids = [answer.id for answer in found]
    assert ids == sorted(ids, reverse=True)
    assert [answer.id for answer in later] == ids[:50]
    assert [answer.id for answer in page] == ids[60:90]


async def test_a_search_reads_a_persons_own_answers_and_no_more_than_it_may(
    pool: AsyncConnectionPool, organisation_id: uuid.UUID, people: list[uuid.UUID]
) -> None:
    values = {
        "user": people[7],
        "first": uuid.UUID(int=0),
        "end": LAST_ID,
        "types": ["soften"],
        "forms": ["nowhere"],
        "most": 51,
    }
    async with pool.connection() as connection, transaction_of(connection, organisation_id):
        cursor = await connection.execute(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {own_answers.SEARCHED}",  # type: ignore[arg-type]
            values,
        )
        row = await cursor.fetchone()
        assert row is not None
        found = await own_answers.list_some(connection, people[7], most=200)
        pages = []
        before = None
        while True:
            page, before = await own_answers.search(
                connection, people[7], "FIX", before=before, most=200, most_searched=30
            )
            pages.append(page)
            if before is None:
                break
            assert before == page[-1].id
        exact, rest = await own_answers.search(connection, people[7], "fix", most=200, most_searched=100)
        none, last = await own_answers.search(connection, people[7], "-", most=200, most_searched=99)
    read = [
        node["Actual Rows"] * node["Actual Loops"]
        for node in nodes(row[0][0]["Plan"])
        if node.get("Relation Name", "").startswith("answers_2031")
    ]
    assert sum(read) == 100, "those of the person, by the index"
    assert [len(page) for page in pages] == [30, 30, 30, 10]
    assert [answer for page in pages for answer in page] == found
    assert (exact, rest) == (found, None), "no page follows the last answer"
    assert (none, last) == ([], found[98].id)
