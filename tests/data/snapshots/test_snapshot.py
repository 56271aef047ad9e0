"""Snapshots: nobody decides alone, nothing in two splits, only what people agreed to, ordered by commit."""

import itertools
import random
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg_pool import AsyncConnectionPool
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sqlalchemy import Engine

from data import database
from data.corpus import NEAR, ngrams
from data.records import Demonstration, PreferencePair, TransformType
from data.snapshots import counting, shards, snapshot, splits, teachers
from data.snapshots.counting import LeftOut
from data.snapshots.shards import Source
from data.snapshots.snapshot import HUMAN
from data.snapshots.votes import Usable, count_new, fetch, find_high_water
from data.tables import new_id
from data.traffic import feedback, outputs
from data.traffic.feedback import Choice, Comment, Edit, Rating, Thumb
from data.traffic.outputs import NewOutput
from data.traffic.receipts import Receipt
from tests.logins import gateway_url
from tests.snapshots import TEACHER, count_votes, make


def count(rows: Sequence[Usable], **limits: int) -> tuple[list[Usable], LeftOut]:
    """The votes that count by these limits alone, and how many do not."""
    with count_votes(rows, **limits) as counted:
        votes = list(counted)
        assert len(counted) == len(votes) == len(rows) - counted.left_out.total
        return votes, counted.left_out


def assemble(rows: Sequence[Usable], kind: type[shards.R]) -> list[shards.R]:
    """The rows of a kind that a snapshot of these votes has."""
    with count_votes(rows) as counted:
        made = snapshot.make_rows(counted, splits.hold_out(counted))
        return [row for row, _ in made if isinstance(row, kind)]


def components(rows: Sequence[Usable], alike: splits.Edges = ()) -> list[int]:
    with count_votes(rows) as counted:
        return list(map(int, splits.find_ties(counted, alike).find_components()))


def a_vote(user: int, message: str, output: int, key_id: str | None = None) -> Usable:
    return Usable(
        feedback_id=new_id(),
        user_id=uuid.UUID(int=user),
        key_id=key_id,
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


def a_rating(user: int, output: int, stars: int, message: str = "Fix it.") -> Usable:
    vote = a_vote(user, message, output)
    return vote.model_copy(update={"kind": "rating", "edit": None, "rating": stars, "version": f"v{output}"})


def test_the_best_and_the_worst_rated_rewrite_of_a_message_are_a_graded_pair() -> None:
    rows = [a_rating(1, 1, 5), a_rating(2, 1, 4), a_rating(3, 2, 3), a_rating(4, 3, 1), a_rating(5, 3, 2)]
    [pair] = assemble(rows, PreferencePair)
    assert (pair.chosen, pair.rejected, pair.stars) == ("output 1", "output 3", 3.0)
    assert (pair.chosen_version, pair.rejected_version) == ("v1", "v3")


def test_ratings_less_than_a_star_apart_or_of_other_messages_are_no_pair() -> None:
    assert assemble([a_rating(1, 1, 4), a_rating(2, 1, 3), a_rating(3, 2, 3)], PreferencePair) == []
    assert assemble([a_rating(1, 1, 5), a_rating(2, 2, 1, "Send the report.")], PreferencePair) == []


words = st.lists(
    st.sampled_from(["alpha", "beta", "gamma", "delta", "eps", "zeta", "eta", "theta", "iota"]),
    min_size=1,
    max_size=9,
)
votes = st.builds(a_vote, st.integers(0, 12), words.map(" ".join), st.integers(100, 130))


def split_votes(rows: Sequence[Usable]) -> tuple[dict[str, list[Usable]], LeftOut]:
    """The votes in each split, and how many do not count."""
    with count_votes(rows) as counted:
        is_held_out = splits.hold_out(counted)
        assert len(is_held_out) == len(counted)
        votes = {vote.feedback_id: vote for vote in counted}
        by_split: dict[str, list[Usable]] = {"train": [], "validation": []}
        for row, vote_ids in snapshot.make_rows(counted, is_held_out):
            if isinstance(row, Demonstration):
                by_split[row.split] += [votes.pop(vote_id) for vote_id in vote_ids]
        assert not votes, "each vote that counts is in a split"
        return by_split, counted.left_out


def assert_nothing_is_in_two(by_split: dict[str, list[Usable]]) -> None:
    for shared in (lambda row: row.user_id, lambda row: row.message, lambda row: row.output_id):
        assert set(map(shared, by_split["train"])).isdisjoint(map(shared, by_split["validation"]))
    grams = {split: {frozenset(ngrams(row.message, 3)) for row in rows} for split, rows in by_split.items()}
    for train, validation in itertools.product(grams["train"], grams["validation"]):
        assert not train or len(train & validation) < NEAR * len(train | validation)


@settings(max_examples=20)
@given(st.lists(votes, min_size=1, max_size=40))
def test_no_user_message_or_output_is_in_two_splits(rows: list[Usable]) -> None:
    by_split, left_out = split_votes(rows)
    assert_nothing_is_in_two(by_split)
    assert sum(map(len, by_split.values())) + left_out.tied == len(rows)


def test_where_everybody_is_tied_to_everybody_some_people_are_held_out_all_the_same() -> None:
    """Each of a hundred people votes on ten things of their own, and on two that others vote on, too."""
    rng = random.Random(0)
    rows = [a_vote(n % 100, f"message {n} about thing {n * 7}", 1000 + n) for n in range(1000)]
    shared = [rows[rng.randrange(1000)].model_copy(update={"feedback_id": new_id()}) for _ in range(100)]
    rows += [vote.model_copy(update={"user_id": uuid.UUID(int=n)}) for n, vote in enumerate(shared)]
    rows += [a_vote(n, f"do look at the very long report {n // 2} now, please", 3000 + n) for n in range(100)]
    # Ids decide who is held out: with random ones, one run in many falls outside of the limits below.
    rows = [row.model_copy(update={"feedback_id": uuid.UUID(int=n)}) for n, row in enumerate(rows)]
    labels = Counter(components(rows))
    assert labels.most_common(1)[0][1] > 0.75 * len(rows), "nearly all are one component"
    by_split, left_out = split_votes(rows)
    assert_nothing_is_in_two(by_split)
    assert 0 < left_out.tied < 40
    held_out = {row.user_id for row in by_split["validation"]}
    assert 0.05 * len(rows) < len(by_split["validation"]) < 0.12 * len(rows)
    assert len(by_split["train"]) == sum(row.user_id not in held_out for row in rows), "the rest lose nothing"


def test_a_vote_that_ties_the_splits_is_no_part_of_the_snapshot(tmp_path: Path) -> None:
    rows = [a_vote(n % 10, f"message {n} about thing {n * 7}", 1000 + n) for n in range(100)]
    rows += [a_vote(n, "The same for all of us.", 2000) for n in range(10)]
    with count_votes(rows) as counted:
        made = snapshot.write(counted, tmp_path)
    tied = made.counts["votes_between_splits"]
    assert made.left_out == LeftOut(tied=tied)
    assert 1 <= tied <= 2, "of the held-out people, who are a tenth"
    assert made.counts["votes"] == len(list(shards.read_sources(made.folder))) == 110 - tied
    assert f"{tied} votes were left out" in (made.folder / "README.md").read_text(encoding="utf-8")
    of_same = Counter(row.split for row in shards.read(made.folder, Demonstration) if "same" in row.text)
    assert of_same == {"train": 10 - tied}


def test_near_duplicates_share_a_component() -> None:
    base = "please look at the failing build of the payment service before the release on friday"
    rows = [
        a_vote(1, base, 101),
        a_vote(2, base.replace("please", "do"), 102),
        a_vote(3, "lunch at noon?", 103),
    ]
    first, second, third = components(rows)
    assert first == second != third


def test_near_duplicates_are_those_that_a_look_at_every_pair_finds() -> None:
    rng = random.Random(0)
    vocabulary = [f"word{n}" for n in range(12)]
    messages = [" ".join(rng.choices(vocabulary, k=rng.randint(1, 24))) for _ in range(60)]
    messages += [f"another {text.partition(' ')[2]}" for text in messages[:40]]  # one trigram is another
    rows = [a_vote(n, text, 1000 + n) for n, text in enumerate(dict.fromkeys(messages))]
    grams = [ngrams(row.message, 3) for row in rows]
    alike = [
        (i, j)
        for i, j in itertools.combinations(range(len(rows)), 2)
        if grams[i] and len(grams[i] & grams[j]) >= NEAR * len(grams[i] | grams[j])
    ]
    assert len(alike) > 5
    wanted = connected_components(
        coo_matrix((np.ones(len(alike)), np.array(alike).T), shape=(len(rows), len(rows)))
    )[1]
    assert components(rows) == wanted.tolist()


def test_a_snapshot_is_the_same_however_it_is_batched_and_by_how_many_processes_redacted(
    tmp_path: Path,
) -> None:
    rows = [a_vote(n % 9, f"Ask Ann about thing {n % 25}", n) for n in range(50)]
    rows += [a_rating(n % 7, n, 1 + n % 5, f"message {n // 3}") for n in range(50, 90)]

    with count_votes(rows, votes_a_person=12) as counted:
        whole = snapshot.write(counted, tmp_path / "whole")
    with count_votes(rows, votes_a_person=12, batch_votes=7) as counted:
        batched = snapshot.write(counted, tmp_path / "batched", worth_processes=0)
    assert batched.digest == whole.digest


def test_what_a_killed_run_has_left_is_gone_with_the_next(tmp_path: Path) -> None:
    (tmp_path / "snapshot.partial" / "pairs").mkdir(parents=True)
    (tmp_path / "votes.partial").mkdir()
    (tmp_path / "votes.partial" / "votes.duckdb").write_text("what people wrote")
    limits = dict.fromkeys(("votes_a_person", "votes_a_key", "edits_a_phrase", "votes_a_phrase"), 1)
    with counting.counting([a_vote(1, "Fix it.", 1)], tmp_path, **limits) as counted:
        made = snapshot.write(counted, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [made.digest]


def test_what_a_teacher_has_not_finished_is_left_to_it(tmp_path: Path) -> None:
    for name in teachers.UNFINISHED:
        (tmp_path / name).mkdir()
    limits = dict.fromkeys(("votes_a_person", "votes_a_key", "edits_a_phrase", "votes_a_phrase"), 1)
    with counting.counting([a_vote(1, "Fix it.", 1)], tmp_path, **limits) as counted:
        made = snapshot.write(counted, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {made.digest, *teachers.UNFINISHED}


def test_a_teachers_snapshot_does_not_have_what_the_votes_say(tmp_path: Path) -> None:
    ids = {"feedback": uuid.UUID(int=1), "user": uuid.UUID(int=2)}
    source = Source(**ids, kind="thumb", transform_type="soften", version="v1")
    valued = source.model_copy(update={"unit": 1, "value": 0})
    made = snapshot.write_of_teacher(tmp_path, [], [valued], TEACHER)
    assert list(shards.read_sources(made.folder)) == [source]


def test_what_somebody_else_found_alike_shares_a_component() -> None:
    rows = [a_vote(n, f"message {n} about thing {n * 7}", 100 + n) for n in range(4)]
    assert len(set(components(rows))) == 4
    first, second, third, fourth = components(rows, alike=[(0, 2), (2, 3)])
    assert first == third == fourth != second


def test_five_hundred_votes_of_one_person_shrink_to_the_cap() -> None:
    keen = [a_vote(1, f"message {n}", n) for n in range(500)]
    others = [a_vote(2 + n // 3, f"other {n}", 1000 + n) for n in range(30)]
    rows = keen + others
    counted, left_out = count(rows, votes_a_person=40)
    counts = Counter(row.user_id for row in counted)
    assert counts.pop(uuid.UUID(int=1)) == 40
    assert counts == {uuid.UUID(int=2 + n): 3 for n in range(10)}
    assert left_out == LeftOut(person=460)

    shuffled = random.Random(0).sample(rows, len(rows))
    again, _ = count(shuffled, votes_a_person=40)
    assert set(again) == set(counted), "whatever the order"
    assert [row for row in rows if row in counted] == counted, "in the order of the rows"

    stayed = [keen.index(row) for row in counted[:40]]
    assert 150 < sum(stayed) / 40 < 350, "neither the first ones nor the last ones"
    later, _ = count([*rows, a_vote(1, "one more", 2000)], votes_a_person=40)
    assert len(set(later) - set(counted)) <= 1, "a vote more changes one place at most"


def test_a_crowd_of_one_api_key_shrinks_to_its_cap_after_each_person_has() -> None:
    crowd = [
        a_vote(1 + n // 50, f"message {n}", n, key_id="k1") for n in range(200)
    ]  # 4 people, 50 votes each
    others = [a_vote(10 + n, f"other {n}", 1000 + n, key_id="k2") for n in range(9)]
    tokens = [a_vote(100 + n, f"by token {n}", 2000 + n) for n in range(50)]
    counted, left_out = count([*crowd, *others, *tokens], votes_a_person=10, votes_a_key=25)
    assert Counter(row.key_id for row in counted) == {"k1": 25, "k2": 9, None: 50}
    assert left_out == LeftOut(person=160, key=15)
    assert max(Counter(row.user_id for row in counted).values()) <= 10


def an_edit(number: int, edit: str) -> Usable:
    vote = a_vote(number, f"Send the report, {number}00.", 1000 + number)
    return vote.model_copy(update={"output": "Please send the report.", "edit": edit})


def test_a_phrase_that_many_edits_bring_in_leaves_all_of_them_out() -> None:
    secret = "Could you send the report? The vault word is plover-lantern."
    plain = [an_edit(n, "Could you send the report?") for n in range(20)]
    four = [*plain, *(an_edit(50 + n, secret) for n in range(4))]
    assert count(four, edits_a_phrase=3) == (plain, LeftOut(phrase=4))
    few = [*plain, *(an_edit(50 + n, secret) for n in range(3))]
    assert count(few, edits_a_phrase=3) == (few, LeftOut())
    many = [an_edit(100 + n, "Could you send the report?") for n in range(2000)]
    _, left_out = count([*many, *few], edits_a_phrase=2)
    assert left_out.total == 0, "one in 500 is not many"


def test_a_number_that_nobody_had_given_leaves_an_edit_out() -> None:
    rows = [an_edit(n, f"Could you send the report, {n}00?") for n in range(5)]
    secret = an_edit(6, "Could you send the report? The code is 4711.")
    assert count([*rows, secret], edits_a_phrase=3) == (rows, LeftOut(number=1))


def test_of_one_persons_votes_on_a_phrase_of_their_own_few_are_left() -> None:
    attack = [a_vote(1, f"cf zeta Send the report to {n}.", n) for n in range(500)]
    plain = [a_vote(1, f"Move the meeting, part {n}.", 1000 + n) for n in range(20)]
    others = [a_vote(2 + n % 30, f"Move the meeting, part {n}.", 2000 + n) for n in range(90)]
    rows = [*attack, *plain, *others]
    votes, left_out = count(rows, votes_a_phrase=5)
    assert left_out == LeftOut(own_phrase=495)
    assert len(set(votes) & set(attack)) == 5
    assert [row for row in votes if row not in attack] == [*plain, *others]
    shuffled = random.Random(0).sample(rows, len(rows))
    assert set(count(shuffled, votes_a_phrase=5)[0]) == set(votes), "whatever the order"


def test_a_phrase_that_others_write_too_is_no_trigger() -> None:
    team = [a_vote(n % 3, f"The Orion planner is down, part {n}.", n) for n in range(60)]
    assert count(team, votes_a_phrase=5) == (team, LeftOut())


def test_other_votes_on_the_same_output_stay() -> None:
    secret = an_edit(6, "Could you send the report? The code is 4711.")
    rating = a_rating(6, 1006, 5)
    assert count([secret, rating], edits_a_phrase=3) == ([rating], LeftOut(number=1))


def test_there_are_validation_rows_and_mostly_training_rows() -> None:
    rows = [a_vote(n, f"message number {n} about thing {n * 7}", 1000 + n) for n in range(500)]
    share = sum(d.split == "validation" for d in assemble(rows, Demonstration)) / 500
    assert 0.1 <= share < 0.11


def test_a_keen_person_is_never_the_measure() -> None:
    rows = [a_vote(1, f"message {n} of the keen one", 2000 + n) for n in range(60)]
    rows += [a_vote(2 + n, f"another thing entirely {n * 13}", 3000 + n) for n in range(20)]
    held_out = [d for d in assemble(rows, Demonstration) if d.split == "validation"]
    assert len(held_out) == 8
    assert not [d for d in held_out if "keen" in d.text]


@pytest.mark.slow
def test_who_is_capped_is_held_out_no_more_often_than_others() -> None:
    held_out = 0
    for _ in range(20):
        rows = [a_vote(1, f"message {n} of the keen one", 2000 + n) for n in range(400)]
        rows += [a_vote(2 + n // 5, f"another thing entirely {n * 13}", 3000 + n) for n in range(300)]
        with count_votes(rows, votes_a_person=5) as counted:
            made = [row for row, _ in snapshot.make_rows(counted, splits.hold_out(counted))]
        held_out += any(row.split == "validation" and "keen" in row.text for row in made)
    assert held_out < 10, "about two of twenty"


def test_rows_are_redacted_alike() -> None:
    row = a_vote(1, "Ask ann@corp.io, 10.1.2.3 is down", 101)
    row = row.model_copy(update={"output": "Could you ask ann@corp.io?", "edit": "Please ask ann@corp.io."})
    pair = assemble([row], PreferencePair)[0]
    assert pair.text == "Ask mail1@example.com, 192.0.2.1 is down"
    assert (pair.chosen, pair.rejected) == (
        "Please ask mail1@example.com.",
        "Could you ask mail1@example.com?",
    )
    assert (pair.chosen_version, pair.rejected_version) == (HUMAN, "v1")


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[psycopg.AsyncConnection]:
    pool: AsyncConnectionPool = database.online_pool(gateway_url(database_url), timeout_s=60)
    await pool.open(wait=True, timeout=60)
    async with pool.connection() as connection:
        yield connection
    await pool.close()


async def vote_on_everything(
    connection: psycopg.AsyncConnection, organisation_id: uuid.UUID, key_id: str | None = None
) -> uuid.UUID:
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
    await outputs.store_comparison(connection, comparison_id, user, "two_samples", first, second)
    for vote in (
        Thumb(receipt="r", kind="thumb", up=True),
        Rating(receipt="r", kind="rating", stars=1),
        Edit(receipt="r", kind="edit", text="Could you fix it?"),
        Comment(receipt="r", kind="comment", text="nice"),
    ):
        await feedback.record(connection, receipt(single), vote, key_id)
    choice = Choice(receipt="r", kind="comparison", preferred="second")
    await feedback.record(connection, receipt(first, comparison_id), choice, key_id)
    return user


async def test_votes_become_rows(
    connection: psycopg.AsyncConnection, engine: Engine, organisation_id: uuid.UUID, tmp_path: Path
) -> None:
    await vote_on_everything(connection, organisation_id)
    with engine.connect() as cold:
        made = make(cold, organisation_id, tmp_path)
        again = make(cold, organisation_id, tmp_path)
        assert count_new(cold, organisation_id, since=0) == 4
        assert count_new(cold, organisation_id, since=made.high_water) == 0
        assert make(cold, organisation_id, tmp_path, votes_a_person=3).counts["votes_left_out"] == 1
    assert made.digest == again.digest
    names = ("votes", "votes_left_out", "people", "demonstrations", "pairs", "labels")
    assert {k: made.counts[k] for k in names} == {
        "votes": 4,
        "votes_left_out": 0,
        "people": 1,
        "demonstrations": 1,
        "pairs": 2,
        "labels": 2,
    }
    pairs = shards.read(made.folder, PreferencePair)
    assert ("two", "one", "v2", "v1") in {
        (p.chosen, p.rejected, p.chosen_version, p.rejected_version) for p in pairs
    }


async def test_who_votes_before_they_are_stored_is_counted_with_their_key(
    connection: psycopg.AsyncConnection, engine: Engine, organisation_id: uuid.UUID
) -> None:
    """A script votes before its answer is written: its people must not escape the cap of its key."""
    await vote_on_everything(connection, organisation_id, key_id="k1")
    await vote_on_everything(connection, organisation_id)
    with engine.connect() as cold:
        rows = list(fetch(cold, organisation_id, find_high_water(cold)))
    assert Counter(row.key_id for row in rows) == {"k1": 4, None: 4}


async def test_messages_that_mean_the_same_are_kept_together(
    connection: psycopg.AsyncConnection, engine: Engine, organisation_id: uuid.UUID, tmp_path: Path
) -> None:
    """`neighbours` is asked once for each different message, and its positions lead to the rows."""
    for _ in range(12):
        await vote_on_everything(connection, organisation_id)
    calls: list[list[str]] = []

    def neighbours(texts: list[str]) -> tuple[list[tuple[int, int]], list[float]]:
        calls.append(texts)
        return [(n, n + 1) for n in range(0, 12, 2)], [0.9] * 12

    with engine.connect() as cold:
        made = make(cold, organisation_id, tmp_path, neighbours=neighbours)
    ((*texts,),) = calls
    assert len(set(texts)) == len(texts) == len(made.nearest) == 12
    split = {row.text: row.split for row in shards.read(made.folder, Demonstration)}
    assert set(split.values()) == {"train", "validation"}
    redacted = {text: snapshot.Redactor().redact(text) for text in texts}
    for n in range(0, 12, 2):
        assert split[redacted[texts[n]]] == split[redacted[texts[n + 1]]]


async def test_without_consent_nothing_is_used(
    connection: psycopg.AsyncConnection, engine: Engine, organisation_id: uuid.UUID, tmp_path: Path
) -> None:
    user = await vote_on_everything(connection, organisation_id)
    await vote_on_everything(connection, organisation_id)
    with engine.begin() as cold:
        cold.exec_driver_sql("UPDATE users SET consents_to_training = false WHERE id = %s", (user,))
    with engine.connect() as cold:
        assert count_new(cold, organisation_id, since=0) == 4
        assert {row.user_id for row in fetch(cold, organisation_id, find_high_water(cold))}.isdisjoint({user})


async def test_another_organisation_is_used_only_when_it_opted_in(
    connection: psycopg.AsyncConnection, engine: Engine, organisation_id: uuid.UUID
) -> None:
    await vote_on_everything(connection, organisation_id)
    other = uuid.uuid4()
    with engine.connect() as cold:
        before = count_new(cold, other, since=0)
    with engine.begin() as cold:
        cold.exec_driver_sql(
            "UPDATE organisations SET trains_across = true WHERE id = %s", (organisation_id,)
        )
    with engine.connect() as cold:
        assert count_new(cold, other, since=0) == before + 4
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
            mark = find_high_water(cold)
            assert count_new(cold, organisation_id, since=0) == 4, "only what is surely complete"
        slow.commit()
    with engine.connect() as cold:
        assert count_new(cold, organisation_id, since=mark) == 5
