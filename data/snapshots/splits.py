"""What is held out to validate on.

Nothing is in two splits: votes that share a user, a message, an output or nearly the same message are in one
connected component, and a component goes to one split. One too large for that is cut: some of its people are
held out, and of their votes those are left out that are tied to a vote to train on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from data.snapshots.counting import Counted

VALIDATION_SHARE = 0.1
NEAR = 0.8  # Jaccard similarity of word trigrams from which two messages count as nearly the same
_COMPARED = 100
_LOOKING = 20_000  # messages at a time

Edges = Sequence[tuple[int, int]]

# Two sets as alike as this share one of their 1 + size - ceil(NEAR * size) rarest trigrams: only those are
# looked up (prefix filtering; Chaudhuri et al. 2006, "A Primitive Operator for Similarity Joins in Data
# Cleaning"). Of those who share one, in the order of their sizes, each is compared with the next hundred: a
# phrase that all messages end with would make a pair of any two.
_HELD = """
    CREATE TEMP TABLE held AS
    WITH firsts AS (
        SELECT message_hash, min(place) AS place FROM votes SEMI JOIN counted USING (place)
        GROUP BY message_hash
    )
    SELECT place, trigram FROM trigrams JOIN firsts USING (message_hash)
"""
_QUEUED = """
    CREATE TEMP TABLE queued AS
    WITH holders AS (
        SELECT trigram, count(*) AS messages FROM held GROUP BY trigram
    ), sets AS (
        SELECT place, count(*) AS size, bit_xor(1::UBIGINT << (trigram % 64)::UBIGINT) AS sketch
        FROM held GROUP BY place
    ), ranked AS (
        SELECT place, trigram, messages,
            row_number() OVER (PARTITION BY place ORDER BY messages, trigram) AS nth
        FROM held JOIN holders USING (trigram)
    )
    SELECT place, trigram, size, sketch,
        row_number() OVER (PARTITION BY trigram ORDER BY size, place) AS turn,
        count(*) OVER (PARTITION BY trigram) AS queue
    FROM ranked JOIN sets USING (place)
    WHERE messages > 1 AND nth <= 1 + size - ceil($near * size - 1e-9)
"""
# Sketches differ in one bit at most for each trigram that only one of two messages has: in more than two sets
# as alike as this can have, and they are not. That spares nearly all of the counting.
_NEAR_DUPLICATES = """
    WITH looking AS (
        SELECT * EXCLUDE (turn), turn + unnest(range(1, least($compared, queue - turn) + 1)) AS turn
        FROM queued WHERE place BETWEEN $first AND $last
    ), candidates AS (
        SELECT DISTINCT a.place AS one, a.size AS one_size, b.place AS other, b.size AS other_size
        FROM looking a JOIN queued b USING (trigram, turn)
        WHERE a.size >= $near * b.size
            AND bit_count(xor(a.sketch, b.sketch)) <= (1 - $near) / (1 + $near) * (a.size + b.size) + 1e-9
    )
    SELECT one, other FROM candidates
    JOIN held a ON a.place = one JOIN held b ON b.place = other AND b.trigram = a.trigram
    GROUP BY one, one_size, other, other_size
    HAVING count(*) >= $near * (one_size + other_size - count(*))
"""
# A person, a message and an output are known by the place of their first vote.
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
    """What ties votes together. All are places of votes; those of people, messages and outputs are the places
    of their first votes. A vote that does not count is tied to none.
    """

    person: np.ndarray  # shape (votes,)
    message: np.ndarray  # shape (votes,)
    outputs: np.ndarray  # an output and a vote on it, shape (pairs, 2)
    alike: np.ndarray  # votes on nearly the same message, shape (pairs, 2)

    def components(self) -> np.ndarray:
        """The number of each vote's connected component, shape (votes,)."""
        votes = np.arange(len(self.person))
        of_each = [np.column_stack([first, votes]) for first in (self.person, self.message)]
        one, other = np.concatenate([*of_each, self.outputs, self.alike]).T
        graph = coo_matrix((np.ones(len(one), dtype=np.int8), (one, other)), shape=(len(votes), len(votes)))
        return np.asarray(connected_components(graph, directed=False)[1])

    def shared_with(self, places: np.ndarray) -> np.ndarray:
        """Whether each vote is on the message of one of these, on nearly the same or on the same output,
        shape (votes,).
        """
        messages = np.zeros(len(self.message), dtype=bool)
        messages[self.message[places]] = True
        one, other = self.message[self.alike].T
        messages[np.concatenate([one[messages[other]], other[messages[one]]])] = True
        is_shared: np.ndarray = messages[self.message]
        output, vote = self.outputs.T
        is_shared[vote[np.isin(output, output[np.isin(vote, places)])]] = True
        return is_shared


def ties(counted: Counted, alike: Edges = ()) -> Ties:
    """What ties the votes together; `alike` are more pairs of places whose messages are nearly the same."""
    firsts = counted.db.execute(_FIRSTS).fetchnumpy()
    person, message = (np.arange(counted.given) for _ in range(2))
    person[firsts["place"]], message[firsts["place"]] = firsts["person"], firsts["message"]
    near = [np.array(alike, dtype=np.int64).reshape(-1, 2), *_near_duplicates(counted.db, counted.given)]
    return Ties(person, message, _pairs(counted.db.execute(_OUTPUTS)), np.concatenate(near))


def _pairs(found: DuckDBPyConnection) -> np.ndarray:
    return np.column_stack([*found.fetchnumpy().values()]).astype(np.int64)


def _near_duplicates(db: DuckDBPyConnection, votes: int) -> Iterator[np.ndarray]:
    """Pairs of places, some messages at a time: what all have in common need not fit into memory at once."""
    db.execute(_HELD)
    db.execute(_QUEUED, {"near": NEAR})
    for first in range(0, votes, _LOOKING):
        about = {"near": NEAR, "compared": _COMPARED, "first": first, "last": first + _LOOKING - 1}
        yield _pairs(db.execute(_NEAR_DUPLICATES, about))
    db.execute("DROP TABLE queued; DROP TABLE held")


def hold_out(counted: Counted, alike: Edges = ()) -> np.ndarray:
    """Whether each vote that counts is held out, shape (len(counted),); the table `held_out` gets the places
    of those that are. `alike` as in `ties`.

    Components in the order of a hash of their first vote go to validation until a tenth of the votes are
    there. One that holds more than a quarter of the votes stays in training, so that a single keen person is
    never the measure. The hash is another than the caps': those leave a keen person the votes that come first
    by theirs, and would hold out nobody else.

    Where many people vote on the same things, one component has nearly all votes, and the others are less
    than a tenth. Then its people go to validation as components do, and of their votes those no longer count
    that are tied to one to train on: they are fewer than the other ends of the ties, and what many people
    vote on is learned from rather than measured on.
    """
    tied = ties(counted, alike)
    rows = counted.db.execute(
        "SELECT place, split_chance FROM votes SEMI JOIN counted USING (place) ORDER BY place"
    ).fetchnumpy()
    places, chances = rows["place"], rows["split_chance"]
    is_held_out = _drawn(tied.components()[places], chances, np.zeros(len(places), dtype=bool))
    if is_held_out.sum() < VALIDATION_SHARE * len(places):
        is_drawn = _drawn(tied.person[places], chances, is_held_out)
        is_tied = is_drawn & tied.shared_with(places[~is_drawn])[places]
        if (is_drawn & ~is_tied).sum() > is_held_out.sum():  # else votes would be lost for nothing
            counted.leave_out(places[is_tied], "tied")
            places, is_held_out = places[~is_tied], is_drawn[~is_tied]
    counted.db.register("places", pa.table({"place": places[is_held_out]}))
    counted.db.execute("CREATE TABLE held_out AS SELECT place FROM places")
    counted.db.unregister("places")
    return is_held_out


def _drawn(group: np.ndarray, chances: np.ndarray, is_drawn: np.ndarray) -> np.ndarray:
    """Whether each vote is in a group that is drawn, shape (votes,); `is_drawn` are already.

    Whole groups, in the order of their first votes' chances, until a tenth of the votes is drawn; none that
    has more than a quarter of them.
    """
    labels, firsts, which, sizes = np.unique(
        group, return_index=True, return_inverse=True, return_counts=True
    )
    of_groups = np.zeros(len(labels), dtype=bool)
    of_groups[which[is_drawn]] = True
    drawn = is_drawn.sum()
    for label in np.argsort(chances[firsts], kind="stable"):
        if drawn >= VALIDATION_SHARE * len(which):
            break
        if not of_groups[label] and sizes[label] <= len(which) / 4:
            of_groups[label] = True
            drawn += sizes[label]
    of_votes: np.ndarray = of_groups[which]
    return of_votes
