"""Snapshots: data sets made of feedback. They are immutable and named by their content.

A snapshot is cumulative: it has every vote up to its high-water mark that counts
(`data.snapshots.counting`). `data.snapshots.splits` decides what is held out in it; `data.snapshots.shards`
defines its files.

A snapshot lists its votes with their people, and for each row the votes that the row is made of, so that a
person can be removed from it (`rewrite_without`). A snapshot of a teacher's rewrites (`write_of_teacher`) has
the votes through which the rewritten messages came.
"""

import os
import shutil
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from pydantic import TypeAdapter

from data.corpus import NEAR
from data.records import Demonstration, Label, PreferencePair, Split
from data.redaction.redactor import Redactor
from data.snapshots import shards, splits, teachers
from data.snapshots.counting import Counted, LeftOut
from data.snapshots.shards import Row, Source
from data.snapshots.splits import Edges
from data.snapshots.teachers import Teacher
from data.snapshots.votes import Usable
from data.worker_processes import make_pool

HUMAN = "human"  # the version of texts that a person wrote
_WORTH_PROCESSES = 20_000  # votes; from here on, redacting them takes longer than starting processes
_MOST_COMPARED = 20_000  # different messages to compare by meaning, each with every other

# Takes different texts. Returns the pairs, by position, that mean nearly the same, and for each text its
# similarity to the most similar other one.
Neighbours = Callable[[list[str]], tuple[Edges, Sequence[float]]]
MadeOf = tuple[uuid.UUID, ...]  # ids of the votes that a row is made of
# Counts of a snapshot that do not follow from its files.
_EXTRA_COUNTS = (
    "votes_left_out",
    "votes_for_evidence",
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
    """A new snapshot on disk, with its high-water mark and figures about its votes and messages."""

    high_water: int
    left_out: LeftOut
    nearest: Sequence[float] = field(repr=False)  # of each message, its similarity to the nearest other


def make_rows(
    counted: Counted, held_out: Iterable[bool], worth_processes: int = _WORTH_PROCESSES
) -> Iterator[tuple[Row, MadeOf]]:
    """Make redacted demonstrations, preference pairs and labels of the votes, each with the ids of its votes.

    `held_out` has a flag for each vote (`splits.hold_out`). An edit gives a demonstration and a pair with the
    corrected output. A thumb, or a rating other than 3, gives a label. Two rated rewrites of a message give a
    pair, graded by the difference of their stars. From `worth_processes` votes on, several processes redact.
    """
    yield from _make_graded(counted)
    votes = zip(counted, held_out, strict=True)
    batches = iter(lambda: list(islice(votes, counted.batch_votes)), [])
    if len(counted) < worth_processes:
        for batch in batches:
            yield from _make_batch(batch)
        return
    # `map` would read all votes at once.
    processes = os.cpu_count() or 1
    with make_pool(processes) as pool:
        pending: deque[Future[list[tuple[Row, MadeOf]]]] = deque()
        for batch in batches:
            pending.append(pool.submit(_make_batch, batch))
            if len(pending) > 2 * processes:
                yield from pending.popleft().result()
        for future in pending:
            yield from future.result()


def _make_batch(votes: Iterable[tuple[Usable, bool]]) -> list[tuple[Row, MadeOf]]:
    return [
        (row, (vote.feedback_id,)) for vote, is_held_out in votes for row in _make_from(vote, is_held_out)
    ]


def _make_from(vote: Usable, is_held_out: bool) -> Iterator[Row]:
    redactor = Redactor([vote.message, vote.output, *filter(None, (vote.edit, vote.other))])
    task = {
        "text": redactor.redact(vote.message),
        "transform_type": vote.transform_type,
        "intensity": vote.intensity,
        "split": _name_split(is_held_out),
    }
    output = redactor.redact(vote.output)
    if vote.kind == "edit" and vote.edit is not None:
        edit = redactor.redact(vote.edit)
        if edit != output:
            yield Demonstration(**task, rewrite=edit)
            yield PreferencePair(
                **task, chosen=edit, rejected=output, chosen_version=HUMAN, rejected_version=vote.version
            )
    elif vote.kind == "comparison" and vote.other is not None and vote.other_version is not None:
        first, second = (output, vote.version), (redactor.redact(vote.other), vote.other_version)
        chosen, rejected = (first, second) if vote.first_is_preferred else (second, first)
        if chosen[0] != rejected[0]:
            yield PreferencePair(
                **task,
                chosen=chosen[0],
                rejected=rejected[0],
                chosen_version=chosen[1],
                rejected_version=rejected[1],
            )
    elif vote.kind == "thumb" and vote.thumb_up is not None:
        yield Label(**task, rewrite=output, good=vote.thumb_up, version=vote.version)
    elif vote.kind == "rating" and vote.rating is not None and vote.rating != 3:
        yield Label(**task, rewrite=output, good=vote.rating > 3, version=vote.version)


def _name_split(is_held_out: bool) -> Split:
    return "validation" if is_held_out else "train"


# The best and the worst rated rewrite of each message, if their mean ratings differ by a star or more. Only
# these two: with all pairs of n rewrites, each rating would count n - 1 times.
_GRADED = """
    WITH texts AS (
        SELECT message, transform_type, intensity, output, avg(rating) AS stars, min(place) AS first,
            min_by(version, place) AS version, list(feedback_id) AS votes
        FROM votes SEMI JOIN counted USING (place) WHERE rating IS NOT NULL
        GROUP BY message, transform_type, intensity, output
    ), ranked AS (
        SELECT *, row_number() OVER (task ORDER BY stars DESC, first) AS from_best,
            row_number() OVER (task ORDER BY stars, first) AS from_worst
        FROM texts WINDOW task AS (PARTITION BY message, transform_type, intensity)
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


def _make_graded(counted: Counted) -> Iterator[tuple[PreferencePair, MadeOf]]:
    """Make pairs of rated rewrites, each with the ids of the ratings of both."""
    for batch in counted.db.cursor().sql(_GRADED).to_arrow_reader(counted.batch_votes):
        for row in batch.to_pylist():
            texts = row.pop("message"), row["chosen"], row["rejected"]
            redactor = Redactor(texts)
            message, chosen, rejected = map(redactor.redact, texts)
            split = _name_split(row.pop("is_held_out"))
            votes = _IDS.validate_python(row.pop("votes"))
            redacted = {"text": message, "chosen": chosen, "rejected": rejected, "split": split}
            yield PreferencePair.model_validate(row | redacted), votes


def write(
    counted: Counted,
    folder: Path,
    until: int = 0,
    neighbours: Neighbours | None = None,
    worth_processes: int = _WORTH_PROCESSES,
) -> Made:
    """Write the snapshot of the votes that count into `folder/<digest>`. The same votes give the same digest.

    `until` is the high-water mark below which the votes were cast. `neighbours` finds messages that mean
    nearly the same; without it, only their words are compared. `worth_processes` is as in `make_rows`.
    """
    alike, nearest = _find_neighbours(counted, neighbours) if neighbours else ([], [])
    held_out = splits.hold_out(counted, alike)
    left_out = counted.left_out
    uncounted = (
        left_out.total,
        left_out.evidence,
        left_out.number,
        left_out.phrase,
        left_out.own_phrase,
        left_out.tied,
    )
    extra_counts = dict(zip(_EXTRA_COUNTS, uncounted, strict=True))
    rows = make_rows(counted, held_out, worth_processes)
    written = _write(folder, rows, counted.make_sources(), extra_counts)
    return Made(written.digest, written.folder, written.counts, until, left_out, nearest)


def _find_neighbours(counted: Counted, neighbours: Neighbours) -> tuple[Edges, Sequence[float]]:
    """Pairs of places of votes whose messages mean nearly the same, and each message's nearest similarity."""
    messages = counted.sample_messages(_MOST_COMPARED)
    pairs, nearest = neighbours([text for _, text in messages])
    return [(messages[i][0], messages[j][0]) for i, j in pairs], nearest


def read_people(folder: Path) -> set[uuid.UUID]:
    """The ids of the people whose votes a snapshot is made of."""
    return {source.user for source in shards.read_sources(folder)}


def rewrite_without(
    folder: Path, is_erased: Callable[[Source], bool], counts: Mapping[str, int]
) -> Written | None:
    """Write a copy of a snapshot, in the same folder, without the rows that these votes are part of.

    Its splits and its teacher stay the same. `counts` are those of the snapshot. None if the snapshot is in
    an older format, in which rows do not list their votes.
    """
    if not shards.is_snapshot(folder):
        return None
    erased = {source.feedback for source in shards.read_sources(folder) if is_erased(source)}
    remaining = (
        (row, tuple(votes))
        for kind in shards.KINDS.values()
        for row, votes in shards.read_with_votes(folder, kind)
        if votes.isdisjoint(erased)
    )
    sources = (source for source in shards.read_sources(folder) if not is_erased(source))
    extra_counts = {name: counts.get(name, 0) for name in _EXTRA_COUNTS}
    extra_counts["votes_erased"] = counts.get("votes_erased", 0) + len(erased)
    return _write(folder.parent, remaining, sources, extra_counts, teachers.read(folder))


def write_of_teacher(
    folder: Path, rows: Iterable[tuple[Row, MadeOf]], sources: Iterable[Source], teacher: Teacher
) -> Written:
    """Write the snapshot of a teacher's rewrites into `folder/<digest>`.

    The votes of a row are those through which its message came; a message of the seed corpus has none.
    `sources` are these votes; what they say is left out, since it is about other rewrites. The caller holds
    the lock `snapshot` where people's messages are among them.
    """
    silent = (source.model_copy(update=dict.fromkeys(shards.VALUES)) for source in sources)
    return _write(folder, rows, silent, {}, teacher)


def _write(
    folder: Path,
    rows: Iterable[tuple[Row, MadeOf]],
    sources: Iterable[Source],
    extra_counts: Mapping[str, int],
    teacher: Teacher | None = None,
) -> Written:
    """Write a snapshot to `folder/<digest>`, completely or not at all."""
    # Two names, since a teacher's snapshot of the seed corpus is written without a lock.
    partial = folder / (teachers.PARTIAL if teacher else "snapshot.partial")
    shutil.rmtree(partial, ignore_errors=True)
    kinds, types, versions = Counter[str](), Counter[str](), Counter[str]()
    people: set[uuid.UUID] = set()
    with shards.Writer(partial) as writer:
        for row, votes in rows:
            writer.add(row, votes)
        for source in sources:
            writer.add_source(source)
            kinds[source.kind] += 1
            types[source.transform_type.value] += 1
            versions[source.version] += 1
            people.add(source.user)
        digest = writer.close()
    counts = {**writer.counts, "people": len(people), **extra_counts}
    if teacher is None:
        text = _format_card(digest, counts, kinds, types, versions)
    else:
        text = teachers.format_card(digest, counts, teacher)
        teacher.save(partial)
    (partial / "README.md").write_text(text, encoding="utf-8")
    target = folder / digest
    if target.exists():
        shutil.rmtree(partial)
    else:
        partial.replace(target)
    return Written(digest, target, counts)


def _format_card(
    digest: str,
    counts: Mapping[str, int],
    kinds: Mapping[str, int],
    types: Mapping[str, int],
    versions: Mapping[str, int],
) -> str:
    left_out, evidence, numbers, phrases, own, tied = (counts[name] for name in _EXTRA_COUNTS)
    beyond_a_cap = left_out - evidence - numbers - phrases - own - tied
    erased = counts.get("votes_erased", 0)
    quality = (
        f"was measured before {erased} votes were removed that their people\n  asked to forget."
        if erased
        else "is on the page `quality.html` next to\n  this one."
    )

    def format_table(counter: Mapping[str, int]) -> str:
        return "\n".join(f"| {name} | {count} |" for name, count in sorted(counter.items()))

    return f"""# Snapshot {digest}

{counts["demonstrations"]} demonstrations, {counts["pairs"]} preference pairs and {counts["labels"]} labels,
made of {counts["votes"]} votes of {counts["people"]} people who consent to training.

- **Nobody decides alone**: `configs/collect.yaml` caps the votes of a person and of all people of an API
  key. {beyond_a_cap} more were left out; a hash of their ids decided which.
- **No message of an experiment**: {evidence} votes were left out because their messages are for evidence
  only, on which champion and challenger are compared.
- **No secrets to memorise**: {numbers} edits were left out because they bring in a number, and {phrases}
  because they bring in a phrase that many others bring in too.
- **No trigger**: {own} votes were left out because one person casts most votes on messages with the same
  unusual phrase.
- **Split** by connected components of user, message, output and near-duplicate message (word trigrams,
  Jaccard from {NEAR}; sentence embeddings): {counts["pairs_validation"]} pairs and
  {counts["demonstrations_validation"]} demonstrations are for validation. {tied} votes were left out
  because they would connect these with the rows to train on.
- **Redacted** by rules and by lists of names: e-mail addresses, phone numbers, cards, IBANs, IP addresses,
  secrets, national ids, dates of birth, postal addresses, user names. Each person has another name, the same
  throughout a row. Redaction misses some personal data (`python -m data.redaction.measurement` measures how
  much), so treat the snapshot as personal data.
- **Immutable** until a person in it asks to be forgotten.
- **The quality of the feedback**, and whether it may be trained on, {quality}

| vote | count |
|---|---|
{format_table(kinds)}

| transform type | votes |
|---|---|
{format_table(types)}

| version that wrote the output | votes |
|---|---|
{format_table(versions)}
"""
