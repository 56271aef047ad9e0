"""Snapshots: nothing in two splits, only what people agreed to, ordered by commit."""

import uuid
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine

from data import database, feedback, outputs, snapshot
from data.feedback import Choice, Comment, Edit, Rating, Thumb
from data.outputs import NewOutput
from data.receipts import Receipt
from data.records import PreferencePair, TransformType
from data.snapshot import HUMAN, NotEnoughFeedbackError, Usable
from data.tables import new_id


def a_vote(user: int, message: str, output: int) -> Usable:
    return Usable(
        feedback_id=new_id(),
        user_id=uuid.UUID(int=user),
        kind="edit",
        thumb_up=None,
        rating=None,
        edit=f"edited {output}",
        output_id=uuid.UUID(int=output),
        message=message,
        transform_type=TransformType.SOFTEN,
        intensity=1,
        output=f"output {output}",
        version="v1",
        other_id=None,
        other=None,
        other_version=None,
        first_is_preferred=None,
    )


words = st.lists(
    st.sampled_from(["alpha", "beta", "gamma", "delta", "eps", "zeta", "eta", "theta", "iota"]),
    min_size=1,
    max_size=9,
)
votes = st.builds(a_vote, st.integers(0, 12), words.map(" ".join), st.integers(100, 130))


@given(st.lists(votes, min_size=1, max_size=40))
def test_no_user_message_or_output_is_in_two_splits(rows: list[Usable]) -> None:
    made = snapshot.assemble(rows)
    splits = defaultdict(set)
    for row, found in zip(rows, made["demonstrations"], strict=True):
        for shared in (row.user_id, row.message, row.output_id):
            splits[shared].add(found.split)  # type: ignore[attr-defined]
    assert all(len(found) == 1 for found in splits.values())


def test_near_duplicates_share_a_component() -> None:
    base = "please look at the failing build of the payment service before the release on friday"
    rows = [
        a_vote(1, base, 101),
        a_vote(2, base.replace("please", "do"), 102),
        a_vote(3, "lunch at noon?", 103),
    ]
    one, two, three = snapshot.components(rows)
    assert one == two != three


def test_there_are_validation_rows_and_mostly_training_rows() -> None:
    rows = [a_vote(n, f"message number {n} about thing {n * 7}", 1000 + n) for n in range(500)]
    share = sum(d.split == "validation" for d in snapshot.assemble(rows)["demonstrations"]) / 500  # type: ignore[attr-defined]
    assert 0.1 <= share < 0.11


def test_a_keen_person_is_never_the_measure() -> None:
    rows = [a_vote(1, f"message {n} of the keen one", 2000 + n) for n in range(60)]
    rows += [a_vote(2 + n, f"another thing entirely {n * 13}", 3000 + n) for n in range(20)]
    held_out = [d for d in snapshot.assemble(rows)["demonstrations"] if d.split == "validation"]  # type: ignore[attr-defined]
    assert len(held_out) == 8
    assert not [d for d in held_out if "keen" in d.text]  # type: ignore[attr-defined]


def test_rows_are_redacted_alike() -> None:
    row = a_vote(1, "Ask ann@corp.io, 10.1.2.3 is down", 101)
    row = row.model_copy(update={"output": "Could you ask ann@corp.io?", "edit": "Please ask ann@corp.io."})
    made = snapshot.assemble([row])
    pair = made["pairs"][0]
    assert isinstance(pair, PreferencePair)
    assert pair.text == "Ask mail1@example.com, 192.0.2.1 is down"
    assert (pair.chosen, pair.rejected) == (
        "Please ask mail1@example.com.",
        "Could you ask mail1@example.com?",
    )
    assert (pair.chosen_version, pair.rejected_version) == (HUMAN, "v1")


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[psycopg.AsyncConnection]:
    pool: AsyncConnectionPool = database.online_pool(database_url)
    await pool.open(wait=True)
    async with pool.connection() as connection:
        yield connection
    await pool.close()


async def vote_on_everything(connection: psycopg.AsyncConnection, organisation_id: uuid.UUID) -> uuid.UUID:
    """One person's votes of every kind; returns the person."""
    user = new_id()

    def output(text: str, version: str = "v1") -> NewOutput:
        kind = TransformType.SOFTEN
        return NewOutput(
            new_id(), organisation_id, f"Fix it, {user}", kind, 2, text, [], "0" * 32, version, None, 1.0
        )

    def receipt(of: NewOutput, comparison_id: uuid.UUID | None = None) -> Receipt:
        return Receipt(of.id, organisation_id, user, None, comparison_id, "champion", of.version, 1, 0)

    single, first, second = output("Please fix it."), output("one"), output("two", "v2")
    comparison_id = new_id()
    await outputs.store(connection, single)
    await outputs.store_comparison(
        connection, comparison_id, user, "champion_against_challenger", first, second
    )
    for vote in (
        Thumb(receipt="r", kind="thumb", up=True),
        Rating(receipt="r", kind="rating", stars=1),
        Edit(receipt="r", kind="edit", text="Could you fix it?"),
        Comment(receipt="r", kind="comment", text="nice"),
    ):
        await feedback.record(connection, receipt(single), vote)
    choice = Choice(receipt="r", kind="comparison", preferred="second")
    await feedback.record(connection, receipt(first, comparison_id), choice)
    return user


async def test_votes_become_rows(
    connection: psycopg.AsyncConnection, engine: Engine, organisation_id: uuid.UUID, tmp_path: Path
) -> None:
    await vote_on_everything(connection, organisation_id)
    with engine.connect() as cold:
        made = snapshot.make(cold, organisation_id, tmp_path)
        again = snapshot.make(cold, organisation_id, tmp_path)
        assert snapshot.count_new(cold, organisation_id, since=0) == 4
        assert snapshot.count_new(cold, organisation_id, since=made.high_water) == 0
        with pytest.raises(NotEnoughFeedbackError, match="not enough feedback: 4 of 50"):
            snapshot.make(cold, organisation_id, tmp_path, minimum=50)
    assert made.digest == again.digest
    assert {k: made.counts[k] for k in ("votes", "people", "demonstrations", "pairs", "labels")} == {
        "votes": 4,
        "people": 1,
        "demonstrations": 1,
        "pairs": 2,
        "labels": 2,
    }
    lines = (made.folder / "pairs.jsonl").read_text().splitlines()
    pairs = [PreferencePair.model_validate_json(line) for line in lines]
    assert ("two", "one", "v2", "v1") in {
        (p.chosen, p.rejected, p.chosen_version, p.rejected_version) for p in pairs
    }


async def test_without_consent_nothing_is_used(
    connection: psycopg.AsyncConnection, engine: Engine, organisation_id: uuid.UUID, tmp_path: Path
) -> None:
    user = await vote_on_everything(connection, organisation_id)
    await vote_on_everything(connection, organisation_id)
    with engine.begin() as cold:
        cold.exec_driver_sql("UPDATE users SET consents_to_training = false WHERE id = %s", (user,))
    with engine.connect() as cold:
        assert snapshot.count_new(cold, organisation_id, since=0) == 4
        assert {
            row.user_id for row in snapshot.fetch(cold, organisation_id, snapshot.high_water(cold))
        }.isdisjoint({user})


async def test_another_organisation_is_used_only_when_it_opted_in(
    connection: psycopg.AsyncConnection, engine: Engine, organisation_id: uuid.UUID
) -> None:
    await vote_on_everything(connection, organisation_id)
    other = uuid.uuid4()
    with engine.connect() as cold:
        before = snapshot.count_new(cold, other, since=0)
    with engine.begin() as cold:
        cold.exec_driver_sql(
            "UPDATE organisations SET trains_across = true WHERE id = %s", (organisation_id,)
        )
    with engine.connect() as cold:
        assert snapshot.count_new(cold, other, since=0) == before + 4
    with engine.begin() as cold:
        cold.exec_driver_sql(
            "UPDATE organisations SET trains_across = false WHERE id = %s", (organisation_id,)
        )


async def test_a_late_commit_is_not_skipped(
    connection: psycopg.AsyncConnection, engine: Engine, organisation_id: uuid.UUID, database_url: str
) -> None:
    """A vote whose transaction began before the snapshot and ended after it belongs to the next snapshot."""
    await vote_on_everything(connection, organisation_id)
    with psycopg.connect(database_url) as slow:
        slow.execute(
            "UPDATE feedback SET thumb_up = false, transaction = pg_current_xact_id()"
            " WHERE organisation_id = %s AND kind = 'thumb'",
            (organisation_id,),
        )
        await vote_on_everything(connection, organisation_id)  # a younger transaction commits first
        with engine.connect() as cold:
            mark = snapshot.high_water(cold)
            assert snapshot.count_new(cold, organisation_id, since=0) == 4, "only what is surely complete"
        slow.commit()
    with engine.connect() as cold:
        assert snapshot.count_new(cold, organisation_id, since=mark) == 5
