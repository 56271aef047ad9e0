"""Which messages a teacher rewrites, and how.

They are training messages of the seed corpus and messages of people who consent to training. A message that
is held out for a test or for validation is never among them, whoever wrote it.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple
from uuid import UUID

from data import corpus
from data.records import TransformType
from data.snapshots import shards

KINDS: tuple[TransformType, ...] = tuple(TransformType)
INTENSITIES = (1, 2, 3)  # at 0 the message may stay as it is
TRAINING = (corpus.SEED / "train", corpus.SEED / "edits")  # of which a part is held out, too
# The parts of the seed corpus that are for tests, with the class of their lines.
_TESTS: Mapping[str, type[corpus.Message]] = {
    "test": corpus.Original,
    "ordinary/dev": corpus.Original,
    "ordinary/test": corpus.Original,
    "ordinary/fresh": corpus.Original,
    "ordinary/sealed": corpus.Message,
}


class Request(NamedTuple):
    """A message and the requested rewrite. `facts` must survive, and `votes` brought the message here."""

    text: str
    transform_type: TransformType
    intensity: int
    facts: tuple[str, ...] = ()
    votes: frozenset[UUID] = frozenset()


def list_requests(
    seed_folders: Sequence[Path], requests_a_message: int, snapshots: Sequence[Path], seed: int
) -> list[Request]:
    """The requests of the seed's messages, drawn by a hash, and those that people made; equal ones once."""
    rows = [
        (row, votes)
        for folder in snapshots
        for kind in shards.KINDS.values()
        for row, votes in shards.read_with_votes(folder, kind)
    ]
    of_seed = _draw_requests(seed_folders, requests_a_message, seed)
    of_people = (
        Request(row.text, row.transform_type, row.intensity, (), votes)
        for row, votes in rows
        if row.intensity
    )
    requests: dict[tuple[str, TransformType, int], Request] = {}
    for request in (*of_seed, *of_people):
        known = requests.setdefault(request[:3], request)
        requests[request[:3]] = known._replace(votes=known.votes | request.votes)
    held_out = set(map(_fold, _list_held_out(seed_folders)))
    held_out |= {_fold(row.text) for row, _ in rows if row.split == "validation"}
    return [request for request in requests.values() if _fold(request.text) not in held_out]


def _draw_requests(folders: Sequence[Path], requests_a_message: int, seed: int) -> Iterator[Request]:
    tasks = [(kind, intensity) for kind in KINDS for intensity in INTENSITIES]
    for folder in folders:
        for original in corpus.read(folder):
            for kind, intensity in Random(f"{seed} {original.id}").sample(tasks, requests_a_message):
                yield Request(original.text, kind, intensity, original.facts)


def _list_held_out(seed_folders: Sequence[Path]) -> Iterator[str]:
    """The messages of the seed that are for tests, or that the training stages hold out."""
    for part, kind in _TESTS.items():
        yield from (message.text for message in corpus.read_lines(corpus.SEED / part, kind))
    for folder in {*TRAINING, *seed_folders}:
        yield from (message.text for message in corpus.read(folder) if corpus.is_held_out(message.id))


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())
