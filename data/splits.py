"""What is held out to validate on.

Nothing is in two splits: votes that share a user, a message, an output or nearly the same message are in one
connected component, and a component goes to one split.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from data.counting import Counted

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
    ), ranked AS (
        SELECT place, trigram, messages,
            row_number() OVER (PARTITION BY place ORDER BY messages, trigram) AS nth,
            count(*) OVER (PARTITION BY place) AS size
        FROM held JOIN holders USING (trigram)
    )
    SELECT place, trigram, size, row_number() OVER (PARTITION BY trigram ORDER BY size, place) AS turn,
        count(*) OVER (PARTITION BY trigram) AS queue
    FROM ranked WHERE messages > 1 AND nth <= 1 + size - ceil($near * size - 1e-9)
"""
_NEAR_DUPLICATES = """
    WITH looking AS (
        SELECT place, trigram, size, turn + unnest(range(1, least($compared, queue - turn) + 1)) AS turn
        FROM queued WHERE place BETWEEN $first AND $last
    ), candidates AS (
        SELECT DISTINCT a.place AS one, a.size AS one_size, b.place AS other, b.size AS other_size
        FROM looking a JOIN queued b USING (trigram, turn) WHERE a.size >= $near * b.size
    )
    SELECT one, other FROM candidates
    JOIN held a ON a.place = one JOIN held b ON b.place = other AND b.trigram = a.trigram
    GROUP BY one, one_size, other, other_size
    HAVING count(*) >= $near * (one_size + other_size - count(*))
"""
# To the first vote with the same of each.
_SHARED = """
    WITH found AS (
        SELECT place, user_id, folded, output_id, other_id
        FROM votes SEMI JOIN counted USING (place) JOIN messages USING (message_hash)
    ), outputs AS (
        SELECT place, output_id AS id FROM found
        UNION ALL SELECT place, other_id FROM found WHERE other_id IS NOT NULL
    )
    SELECT min(place) OVER (PARTITION BY user_id) AS one, place AS other FROM found
    UNION ALL SELECT min(place) OVER (PARTITION BY folded), place FROM found
    UNION ALL SELECT min(place) OVER (PARTITION BY id), place FROM outputs
"""


def components(counted: Counted, alike: Edges = ()) -> np.ndarray:
    """For each place the number of its connected component by user, message, output and near-duplicate
    message, shape (votes given,); `alike` are more pairs of places that belong together.

    A vote that does not count ties nothing together.
    """
    votes = counted.given
    found = [counted.db.execute(_SHARED).fetchnumpy(), *_near_duplicates(counted.db, votes)]
    more = np.array(alike, dtype=np.int64).reshape(-1, 2)
    one = np.concatenate([*(edges["one"] for edges in found), more[:, 0]])
    other = np.concatenate([*(edges["other"] for edges in found), more[:, 1]])
    graph = coo_matrix((np.ones(len(one), dtype=np.int8), (one, other)), shape=(votes, votes))
    return np.asarray(connected_components(graph, directed=False)[1])


def _near_duplicates(db: DuckDBPyConnection, votes: int) -> Iterator[dict[str, np.ndarray]]:
    """Pairs of places, some messages at a time: what all have in common need not fit into memory at once."""
    db.execute(_HELD)
    db.execute(_QUEUED, {"near": NEAR})
    for first in range(0, votes, _LOOKING):
        about = {"near": NEAR, "compared": _COMPARED, "first": first, "last": first + _LOOKING - 1}
        yield db.execute(_NEAR_DUPLICATES, about).fetchnumpy()
    db.execute("DROP TABLE queued; DROP TABLE held")


def hold_out(counted: Counted, alike: Edges = ()) -> np.ndarray:
    """Whether each vote that counts is held out, shape (len(counted),), whole components at a time; the table
    `held_out` gets the places of those that are.

    Components in the order of a hash of their first vote go to validation until a tenth of the votes are
    there. One that holds more than a quarter of the votes stays in training, so that a single keen person is
    never the measure. The hash is another than the caps': those leave a keen person the votes that come first
    by theirs, and would hold out nobody else.
    """
    rows = counted.db.execute(
        "SELECT place, split_chance FROM votes SEMI JOIN counted USING (place) ORDER BY place"
    ).fetchnumpy()
    labels, firsts, which, sizes = np.unique(
        components(counted, alike)[rows["place"]],
        return_index=True,
        return_inverse=True,
        return_counts=True,
    )
    is_held_out = np.zeros(len(labels), dtype=bool)
    held = 0
    for label in np.argsort(rows["split_chance"][firsts], kind="stable"):
        if held >= VALIDATION_SHARE * len(which):
            break
        if sizes[label] <= len(which) / 4:
            is_held_out[label] = True
            held += sizes[label]
    of_votes: np.ndarray = is_held_out[which]
    counted.db.register("places", pa.table({"place": rows["place"][of_votes]}))
    counted.db.execute("CREATE TABLE held_out AS SELECT place FROM places")
    counted.db.unregister("places")
    return of_votes
