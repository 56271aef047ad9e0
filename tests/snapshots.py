"""Counts votes and makes snapshots as the flow `collect` does, without limits unless a test sets them; and a
teacher.
"""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection

from data.snapshots import snapshot, votes
from data.snapshots.counting import Counted, counting
from data.snapshots.snapshot import Made, Neighbours
from data.snapshots.teachers import Teacher
from data.snapshots.votes import Usable

TEACHER = Teacher(
    model="large",
    answers_as=("large-1",),
    host="127.0.0.1",
    prompt="frame-2",
    temperature=0.8,
    licence="Licence of a test",
    judge="other",
    judge_host="127.0.0.1",
    is_own_judge=False,
    seed=("train",),
    snapshots=("f00d",),
    requests=3,
    drafts={"passed": 3},
    made_on=date(2026, 11, 27),
)
_UNLIMITED = dict.fromkeys(("votes_a_person", "votes_a_key", "edits_a_phrase", "votes_a_phrase"), 10**6)


@contextmanager
def count_votes(rows: Sequence[Usable], **limits: int) -> Iterator[Counted]:
    """Context manager: stages votes and gives those that count."""
    with TemporaryDirectory() as folder, counting(rows, Path(folder), **_UNLIMITED | limits) as counted:
        yield counted


def make(
    connection: Connection,
    organisation_id: uuid.UUID,
    folder: Path,
    neighbours: Neighbours | None = None,
    **limits: int,
) -> Made:
    """Make the snapshot of an organisation's votes."""
    until = votes.find_high_water(connection)
    usable = votes.fetch(connection, organisation_id, until)
    with counting(usable, folder, **_UNLIMITED | limits) as counted:
        return snapshot.write(counted, folder, until, neighbours)
