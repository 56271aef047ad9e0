"""Snapshots: feedback made into a data set that stages read, immutable and named by its content.

A snapshot is cumulative: it holds every vote up to its high-water mark that counts
(`data.snapshots.counting`). What is held out in it is decided by `data.snapshots.splits`, its files are those
of `data.snapshots.shards`.

A snapshot names its votes with their people, and for each of its rows the votes that it is made of: so that
somebody in it can be forgotten (`rewrite_without`).
"""

import os
import shutil
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from duckdb import DuckDBPyConnection
from pydantic import TypeAdapter

from data.records import Demonstration, Label, PreferencePair, Split
from data.redaction.redactor import Redactor
from data.snapshots import shards, splits
from data.snapshots.counting import Counted, LeftOut
from data.snapshots.shards import Row, Source
from data.snapshots.splits import Edges
from data.snapshots.staging import BATCH
from data.snapshots.votes import Usable

HUMAN = "human"  # the version that wrote what a person wrote
_WORTH_PROCESSES = 20_000  # votes, from which redacting them takes longer than starting processes
_MOST_COMPARED = 20_000  # different messages by what they mean: each is compared with every other

# Of different texts: which pairs, by position, mean nearly the same; and how similar each is to its nearest.
Neighbours = Callable[[list[str]], tuple[Edges, Sequence[float]]]
MadeOf = tuple[uuid.UUID, ...]  # the votes that a row is made of
# Counts of a snapshot that its files do not hold.
_BESIDE = (
    "votes_left_out",
    "edits_with_new_numbers",
    "edits_with_new_phrases",
    "votes_on_own_phrases",
    "votes_between_splits",
)


@dataclass(frozen=True, slots=True)
class Written:
    """A snapshot on disk."""

    digest: str
    folder: Path
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Made(Written):
    """A snapshot on disk, and what it was made of."""

    high_water: int
    left_out: LeftOut
    nearest: Sequence[float] = field(repr=False)  # similarity of each different message to its nearest other


def rows(counted: Counted, held_out: Iterable[bool]) -> Iterator[tuple[Row, MadeOf]]:
    """Demonstrations, preference pairs and labels of the votes, redacted and split (`splits.hold_out`), each
    with its votes.

    An edit is a demonstration, and a pair against what it corrects. A thumb, and a rating other than 3, is a
    label. Two rated rewrites of one message are a pair, graded by the stars between them.
    """
    yield from _graded(counted.db)
    votes = zip(counted, held_out, strict=True)
    batches = iter(lambda: list(islice(votes, BATCH)), [])
    if len(counted) < _WORTH_PROCESSES:
        for batch in batches:
            yield from _rows_of(batch)
        return
    # Not `map`, which would read all votes at once.
    processes = os.cpu_count() or 1
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        ahead: deque[Future[list[tuple[Row, MadeOf]]]] = deque()
        for batch in batches:
            ahead.append(pool.submit(_rows_of, batch))
            if len(ahead) > 2 * processes:
                yield from ahead.popleft().result()
        for made in ahead:
            yield from made.result()


def _rows_of(votes: Iterable[tuple[Usable, bool]]) -> list[tuple[Row, MadeOf]]:
    return [
        (row, (vote.feedback_id,)) for vote, is_held_out in votes for row in _rows_of_one(vote, is_held_out)
    ]


def _rows_of_one(vote: Usable, is_held_out: bool) -> Iterator[Row]:
    redactor = Redactor([vote.message, vote.output, *filter(None, (vote.edit, vote.other))])
    about = {
        "text": redactor.redact(vote.message),
        "transform_type": vote.transform_type,
        "intensity": vote.intensity,
        "split": _split(is_held_out),
    }
    output = redactor.redact(vote.output)
    if vote.kind == "edit" and vote.edit is not None:
        edit = redactor.redact(vote.edit)
        if edit != output:
            yield Demonstration(**about, rewrite=edit)
            yield PreferencePair(
                **about, chosen=edit, rejected=output, chosen_version=HUMAN, rejected_version=vote.version
            )
    elif vote.kind == "comparison" and vote.other is not None and vote.other_version is not None:
        one, two = (output, vote.version), (redactor.redact(vote.other), vote.other_version)
        chosen, rejected = (one, two) if vote.first_is_preferred else (two, one)
        if chosen[0] != rejected[0]:
            yield PreferencePair(
                **about,
                chosen=chosen[0],
                rejected=rejected[0],
                chosen_version=chosen[1],
                rejected_version=rejected[1],
            )
    elif vote.kind == "thumb" and vote.thumb_up is not None:
        yield Label(**about, rewrite=output, good=vote.thumb_up, version=vote.version)
    elif vote.kind == "rating" and vote.rating is not None and vote.rating != 3:
        yield Label(**about, rewrite=output, good=vote.rating > 3, version=vote.version)


def _split(is_held_out: bool) -> Split:
    return "validation" if is_held_out else "train"


# The best and the worst rated rewrite of each message, where their means are a star apart. Only these two of
# more: all pairs of n rewrites would count each rating n - 1 times.
_GRADED = """
    WITH texts AS (
        SELECT message, transform_type, intensity, output, avg(rating) AS stars, min(place) AS first,
            min_by(version, place) AS version, list(feedback_id) AS votes
        FROM votes SEMI JOIN counted USING (place) WHERE rating IS NOT NULL
        GROUP BY message, transform_type, intensity, output
    ), ranked AS (
        SELECT *, row_number() OVER (asked ORDER BY stars DESC, first) AS from_best,
            row_number() OVER (asked ORDER BY stars, first) AS from_worst
        FROM texts WINDOW asked AS (PARTITION BY message, transform_type, intensity)
    )
    SELECT best.message, best.transform_type, best.intensity, best.output AS chosen, worst.output AS rejected,
        best.version AS chosen_version, worst.version AS rejected_version, best.stars - worst.stars AS stars,
        best.first IN (SELECT place FROM held_out) AS is_held_out,
        list_concat(best.votes, worst.votes) AS votes
    FROM ranked best JOIN ranked worst USING (message, transform_type, intensity)
    WHERE best.from_best = 1 AND worst.from_worst = 1 AND best.stars - worst.stars >= 1
    ORDER BY best.first
"""
_IDS = TypeAdapter(tuple[uuid.UUID, ...])


def _graded(db: DuckDBPyConnection) -> Iterator[tuple[PreferencePair, MadeOf]]:
    """Pairs of rated rewrites, each with the ratings of both."""
    for batch in db.cursor().sql(_GRADED).to_arrow_reader(BATCH):
        for found in batch.to_pylist():
            texts = found.pop("message"), found["chosen"], found["rejected"]
            redactor = Redactor(texts)
            message, chosen, rejected = map(redactor.redact, texts)
            split = _split(found.pop("is_held_out"))
            votes = _IDS.validate_python(found.pop("votes"))
            redacted = {"text": message, "chosen": chosen, "rejected": rejected, "split": split}
            yield PreferencePair.model_validate(found | redacted), votes


def write(counted: Counted, folder: Path, until: int = 0, neighbours: Neighbours | None = None) -> Made:
    """Write the snapshot of the votes that count, cast below a high-water mark, into `folder/<digest>`; the
    same votes give the same snapshot.
    """
    alike, nearest = _neighbours(counted, neighbours) if neighbours else ([], [])
    held_out = splits.hold_out(counted, alike)
    sources = (
        Source(
            feedback=vote.feedback_id,
            user=vote.user_id,
            kind=vote.kind,
            transform_type=vote.transform_type,
            version=vote.version,
        )
        for vote in counted
    )
    left_out = counted.left_out
    uncounted = left_out.total, left_out.number, left_out.phrase, left_out.own_phrase, left_out.tied
    beside = dict(zip(_BESIDE, uncounted, strict=True))
    written = _write(folder, rows(counted, held_out), sources, beside)
    return Made(written.digest, written.folder, written.counts, until, left_out, nearest)


def _neighbours(counted: Counted, neighbours: Neighbours) -> tuple[Edges, Sequence[float]]:
    messages = counted.messages(_MOST_COMPARED)
    found, nearest = neighbours([text for _, text in messages])
    return [(messages[one][0], messages[other][0]) for one, other in found], nearest


def read_people(folder: Path) -> set[uuid.UUID]:
    """Whose votes a snapshot is made of."""
    return {source.user for source in shards.sources(folder)}


def rewrite_without(folder: Path, user_id: uuid.UUID, counts: Mapping[str, int]) -> Written | None:
    """Write a snapshot anew, beside itself, without the rows that one person's votes are part of; its
    splits stay.

    `counts` are those of the snapshot. None when it is of an older format, whose rows do not say of which
    votes they are made: then nobody can say which are theirs.
    """
    if not shards.is_snapshot(folder):
        return None
    theirs = {source.feedback for source in shards.sources(folder) if source.user == user_id}
    kept = (
        (row, tuple(votes))
        for kind in shards.KINDS.values()
        for row, votes in shards.read_with_votes(folder, kind)
        if votes.isdisjoint(theirs)
    )
    sources = (source for source in shards.sources(folder) if source.user != user_id)
    earlier = {name: counts.get(name, 0) for name in _BESIDE}
    erased = counts.get("votes_erased", 0) + len(theirs)
    return _write(folder.parent, kept, sources, {**earlier, "votes_erased": erased})


def _write(
    folder: Path,
    made: Iterable[tuple[Row, MadeOf]],
    sources: Iterable[Source],
    beside: Mapping[str, int],
) -> Written:
    """Put a snapshot into `folder/<digest>`, all of it or nothing; `beside` are counts that its files do not
    hold.
    """
    partial = folder / "snapshot.partial"
    shutil.rmtree(partial, ignore_errors=True)
    kinds, types, versions = Counter[str](), Counter[str](), Counter[str]()
    persons: set[uuid.UUID] = set()
    with shards.Writer(partial) as writer:
        for row, votes in made:
            writer.add(row, votes)
        for source in sources:
            writer.add_source(source)
            kinds[source.kind] += 1
            types[source.transform_type.value] += 1
            versions[source.version] += 1
            persons.add(source.user)
        digest = writer.close()
    counts = {**writer.counts, "people": len(persons), **beside}
    (partial / "README.md").write_text(_card(digest, counts, kinds, types, versions), encoding="utf-8")
    target = folder / digest
    if target.exists():
        shutil.rmtree(partial)
    else:
        partial.replace(target)
    return Written(digest, target, counts)


def _card(
    digest: str,
    counts: Mapping[str, int],
    kinds: Mapping[str, int],
    types: Mapping[str, int],
    versions: Mapping[str, int],
) -> str:
    left_out, numbers, phrases, own, tied = (counts[name] for name in _BESIDE)
    beyond_a_cap = left_out - numbers - phrases - own - tied
    erased = counts.get("votes_erased", 0)
    judged = (
        f"was judged before {erased} votes left it with people who asked to be forgotten."
        if erased
        else "is on the page `quality.html` beside this\n  one."
    )

    def table(counter: Mapping[str, int]) -> str:
        return "\n".join(f"| {name} | {count} |" for name, count in sorted(counter.items()))

    return f"""# Snapshot {digest}

Feedback of people, made into {counts["demonstrations"]} demonstrations, {counts["pairs"]}
preference pairs and {counts["labels"]} labels from {counts["votes"]} votes of {counts["people"]} people who
consent to training.

- **Nobody decides alone**: of one person, and of all people of one API key, so many votes count as
  `configs/collect.yaml` says; {beyond_a_cap} more were left out, by a hash of their ids.
- **Nothing to learn by heart**: {numbers} edits were left out because they bring in a number, and
  {phrases} because they bring in a phrase that many others bring in too.
- **No trigger**: {own} votes were left out because their person votes often, and nearly alone, on messages
  with the same unusual phrase.
- **Split** by connected components of user, message, output and near-duplicate message (word trigrams,
  Jaccard from {splits.NEAR}; sentence embeddings): {counts["pairs_validation"]} pairs and
  {counts["demonstrations_validation"]} demonstrations are for validation. {tied} votes were left out
  because they would have tied these to the rest.
- **Redacted** by rules and by lists of names: e-mail addresses, phone numbers, cards, IBANs, IP addresses,
  secrets, national ids, dates of birth, postal addresses, user names; a person has another name, the same
  throughout a row. What they miss is still there (`python -m data.redaction.measurement` measures how much):
  treat the snapshot as personal data.
- **Immutable** until somebody in it asks to be forgotten.
- **How good the feedback is**, and whether it may be trained on, {judged}

| vote | count |
|---|---|
{table(kinds)}

| transform type | votes |
|---|---|
{table(types)}

| version that wrote the output | votes |
|---|---|
{table(versions)}
"""
