"""Decides which votes are held out for validation.

No data is in two splits: votes with the same user, message, output or nearly the same message are in one
connected component, and a component is in one split. A component that is too large is cut: some of its people
are held out, and those of their votes that are tied to a vote to train on are left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from data.corpus import NEAR
from data.snapshots.counting import Counted

VALIDATION_SHARE = 0.1
_COMPARED = 100  # messages that each message is compared with, for each of its trigrams
_BATCH = 20_000  # messages at a time

Edges = Sequence[tuple[int, int]]  # pairs of places of votes

# Two sets with a similarity of at least NEAR share one of their 1 + size - ceil(NEAR * size) rarest trigrams,
# so only these are looked up (prefix filtering; Chaudhuri et al. 2006, "A Primitive Operator for Similarity
# Joins in Data Cleaning"). The messages that share a trigram are ordered by size, and each is compared with
# the next hundred: a phrase at the end of all messages would otherwise pair every two of them.
_MESSAGE_TRIGRAMS = """
    CREATE TEMP TABLE message_trigrams AS
    WITH firsts AS (
        SELECT message_hash, min(place) AS place FROM votes SEMI JOIN counted USING (place)
        GROUP BY message_hash
    )
    SELECT place, trigram FROM trigrams JOIN firsts USING (message_hash)
"""
_QUEUED = """
    CREATE TEMP TABLE queued AS
    WITH holders AS (
        SELECT trigram, count(*) AS messages FROM message_trigrams GROUP BY trigram
    ), sets AS (
        SELECT place, count(*) AS size, bit_xor(1::UBIGINT << (trigram % 64)::UBIGINT) AS sketch
        FROM message_trigrams GROUP BY place
    ), ranked AS (
        SELECT place, trigram, messages,
            row_number() OVER (PARTITION BY place ORDER BY messages, trigram) AS nth
        FROM message_trigrams JOIN holders USING (trigram)
    )
    SELECT place, trigram, size, sketch,
        row_number() OVER (PARTITION BY trigram ORDER BY size, place) AS turn,
        count(*) OVER (PARTITION BY trigram) AS queue
    FROM ranked JOIN sets USING (place)
    WHERE messages > 1 AND nth <= 1 + size - ceil($near * size - 1e-9)
"""
# A trigram that only one of two messages has changes at most one bit of the sketch. If two sketches differ in
# more bits than two sets with a similarity of NEAR can, the messages are not compared. That is nearly always.
_NEAR_DUPLICATES = """
    WITH batch AS (
        SELECT * EXCLUDE (turn), turn + unnest(range(1, least($compared, queue - turn) + 1)) AS turn
        FROM queued WHERE place BETWEEN $first AND $last
    ), candidates AS (
        SELECT DISTINCT a.place AS first, a.size AS first_size, b.place AS second, b.size AS second_size
        FROM batch a JOIN queued b USING (trigram, turn)
        WHERE a.size >= $near * b.size
            AND bit_count(xor(a.sketch, b.sketch)) <= (1 - $near) / (1 + $near) * (a.size + b.size) + 1e-9
    )
    SELECT first, second FROM candidates
    JOIN message_trigrams a ON a.place = first
    JOIN message_trigrams b ON b.place = second AND b.trigram = a.trigram
    GROUP BY first, first_size, second, second_size
    HAVING count(*) >= $near * (first_size + second_size - count(*))
"""
# A person, a message or an output is identified by the place of its first vote.
_FIRSTS = """
    SELECT place, min(place) OVER (PARTITION BY user_id) AS person,
        min(place) OVER (PARTITION BY folded) AS message
    FROM votes SEMI JOIN counted USING (place) JOIN messages USING (message_hash)
"""
_OUTPUTS = """
    WITH outputs AS (
        SELECT place, unnest([output_id, other_id]) AS id FROM votes SEMI JOIN counted USING (place)
    )
    SELECT min(place) OVER (PARTITION BY id) AS output, place FROM outputs WHERE id IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Ties:
    """The ties between votes. All values are places of votes.

    A person, a message or an output is identified by the place of its first vote. A vote that does not count
    has no ties.
    """

    person: np.ndarray  # each vote's person, shape (votes,)
    message: np.ndarray  # each vote's message, shape (votes,)
    outputs: np.ndarray  # pairs of an output and a vote on it, shape (pairs, 2)
    alike: np.ndarray  # pairs of votes on nearly the same message, shape (pairs, 2)

    def find_components(self) -> np.ndarray:
        """The number of each vote's connected component, shape (votes,)."""
        votes = np.arange(len(self.person))
        edges = [np.column_stack([first, votes]) for first in (self.person, self.message)]
        sources, targets = np.concatenate([*edges, self.outputs, self.alike]).T
        weights = np.ones(len(sources), dtype=np.int8)
        graph = coo_matrix((weights, (sources, targets)), shape=(len(votes), len(votes)))
        return np.asarray(connected_components(graph, directed=False)[1])

    def find_shared(self, places: np.ndarray) -> np.ndarray:
        """Whether each vote shares a message, nearly the same message or an output with one of these votes,
        shape (votes,).
        """
        messages = np.zeros(len(self.message), dtype=bool)
        messages[self.message[places]] = True
        first, second = self.message[self.alike].T
        messages[np.concatenate([first[messages[second]], second[messages[first]]])] = True
        is_shared: np.ndarray = messages[self.message]
        output, vote = self.outputs.T
        is_shared[vote[np.isin(output, output[np.isin(vote, places)])]] = True
        return is_shared


def find_ties(counted: Counted, alike: Edges = ()) -> Ties:
    """Find the ties between votes. `alike` are further pairs of votes on nearly the same message."""
    firsts = counted.db.execute(_FIRSTS).fetchnumpy()
    person, message = (np.arange(counted.staged) for _ in range(2))
    person[firsts["place"]], message[firsts["place"]] = firsts["person"], firsts["message"]
    near = [
        np.array(alike, dtype=np.int64).reshape(-1, 2),
        *_find_near_duplicates(counted.db, counted.staged),
    ]
    return Ties(person, message, _fetch_pairs(counted.db.execute(_OUTPUTS)), np.concatenate(near))


def _fetch_pairs(cursor: DuckDBPyConnection) -> np.ndarray:
    return np.column_stack([*cursor.fetchnumpy().values()]).astype(np.int64)


def _find_near_duplicates(db: DuckDBPyConnection, votes: int) -> Iterator[np.ndarray]:
    """Pairs of places of messages that are nearly the same, from one batch of messages at a time, because all
    candidates together may not fit into memory.
    """
    db.execute(_MESSAGE_TRIGRAMS)
    db.execute(_QUEUED, {"near": NEAR})
    for first in range(0, votes, _BATCH):
        params = {"near": NEAR, "compared": _COMPARED, "first": first, "last": first + _BATCH - 1}
        yield _fetch_pairs(db.execute(_NEAR_DUPLICATES, params))
    db.execute("DROP TABLE queued; DROP TABLE message_trigrams")


def hold_out(counted: Counted, alike: Edges = ()) -> np.ndarray:
    """Decide which votes are held out: a flag for each vote that counts, shape (len(counted),).

    Their places are also in the new table `held_out`. `alike` has the same meaning as in `find_ties`.

    Components are held out in random order, by a hash of their first vote, until a tenth of the votes are.
    A component with more than a quarter of the votes is never held out, so that one busy person cannot
    dominate the validation. The caps order votes by another hash: they keep a busy person's first votes by
    that hash, so with the same one mostly busy people would be held out.

    If many people vote on the same messages, one component has nearly all votes and the others less than a
    tenth. Then people are held out instead of components, and their votes that are tied to a vote to train on
    no longer count. These votes are fewer than those at the other ends of the ties, and the messages with
    many votes stay in training.
    """
    ties = find_ties(counted, alike)
    rows = counted.db.execute(
        "SELECT place, split_chance FROM votes SEMI JOIN counted USING (place) ORDER BY place"
    ).fetchnumpy()
    places, chances = rows["place"], rows["split_chance"]
    is_held_out = _draw(ties.find_components()[places], chances, np.zeros(len(places), dtype=bool))
    if is_held_out.sum() < VALIDATION_SHARE * len(places):
        is_drawn = _draw(ties.person[places], chances, is_held_out)
        is_tied = is_drawn & ties.find_shared(places[~is_drawn])[places]
        if (is_drawn & ~is_tied).sum() > is_held_out.sum():  # otherwise excluding votes would gain nothing
            counted.leave_out(places[is_tied], "tied")
            places, is_held_out = places[~is_tied], is_drawn[~is_tied]
    counted.db.register("places", pa.table({"place": places[is_held_out]}))
    counted.db.execute("CREATE TABLE held_out AS SELECT place FROM places")
    counted.db.unregister("places")
    return is_held_out


def _draw(groups: np.ndarray, chances: np.ndarray, is_drawn: np.ndarray) -> np.ndarray:
    """Draw whole groups of votes: whether each vote is in a drawn group, shape (votes,).

    Groups are drawn in the order of their first votes' chances until a tenth of the votes is drawn, but none
    with more than a quarter of the votes. `is_drawn` are the votes that are drawn already.
    """
    labels, firsts, indices, sizes = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    is_group_drawn = np.zeros(len(labels), dtype=bool)
    is_group_drawn[indices[is_drawn]] = True
    drawn = is_drawn.sum()
    for label in np.argsort(chances[firsts], kind="stable"):
        if drawn >= VALIDATION_SHARE * len(indices):
            break
        if not is_group_drawn[label] and sizes[label] <= len(indices) / 4:
            is_group_drawn[label] = True
            drawn += sizes[label]
    is_vote_drawn: np.ndarray = is_group_drawn[indices]
    return is_vote_drawn
