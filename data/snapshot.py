"""Snapshots: feedback made into a data set that stages read, immutable and named by its content.

A snapshot is cumulative: it holds every vote up to its high-water mark that counts (`data.votes`).

Nothing is in two splits: rows that share a user, a message, an output or nearly the same message are in one
connected component, and a component goes to one split.

A snapshot names its votes with their people (`sources.jsonl`), and for each of its rows the votes that it is
made of (`origins.jsonl`): so that somebody in it can be forgotten (`without`).
"""

import json
import shutil
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from statistics import fmean

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sqlalchemy import Connection

from data.corpus import ngrams
from data.records import Demonstration, Label, PreferencePair, Split, TransformType
from data.redaction import Redactor
from data.votes import Usable, Votes, counting, fetch, high_water

HUMAN = "human"  # the version that wrote what a person wrote
_VALIDATION_SHARE = 0.1
_NEAR = 0.8  # Jaccard similarity of word trigrams from which two messages count as nearly the same

Row = Demonstration | PreferencePair | Label
Edges = Sequence[tuple[int, int]]
# Of different texts: which pairs, by position, mean nearly the same; and how similar each is to its nearest.
Neighbours = Callable[[list[str]], tuple[Edges, Sequence[float]]]


class Source(BaseModel):
    """A line of `sources.jsonl`: a vote that counts, and whose it is."""

    model_config = ConfigDict(frozen=True)

    feedback: uuid.UUID
    user: uuid.UUID
    kind: str
    transform_type: TransformType
    version: str


class Origin(BaseModel):
    """A line of `origins.jsonl`: the votes that a row is made of. The n-th line of a file is about its n-th
    row.
    """

    model_config = ConfigDict(frozen=True)

    file: str
    votes: tuple[uuid.UUID, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """What stages learn from, and the votes that each row is made of."""

    demonstrations: list[Demonstration] = field(default_factory=list)
    pairs: list[PreferencePair] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    origins: dict[str, list[tuple[uuid.UUID, ...]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, row: Row, *votes: Usable) -> None:
        """Take a row, made of these votes."""
        if isinstance(row, Demonstration):
            name = "demonstrations"
            self.demonstrations.append(row)
        elif isinstance(row, PreferencePair):
            name = "pairs"
            self.pairs.append(row)
        else:
            name = "labels"
            self.labels.append(row)
        self.origins[name].append(tuple(vote.feedback_id for vote in votes))

    def by_name(self) -> dict[str, Sequence[Row]]:
        """The rows of each file, by its name without the ending."""
        return {"demonstrations": self.demonstrations, "pairs": self.pairs, "labels": self.labels}


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
    votes: Votes = field(repr=False)
    rows: Rows = field(repr=False)
    nearest: Sequence[float] = field(repr=False)  # similarity of each different message to its nearest other


def components(rows: Sequence[Usable], alike: Edges = ()) -> list[int]:
    """For each row the number of its connected component by user, message, output and near-duplicate
    message; `alike` are more pairs of rows that belong together.
    """
    shared: dict[Hashable, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        for name in (row.user_id, " ".join(row.message.casefold().split()), row.output_id, row.other_id):
            if name is not None:
                shared[name].append(i)
    edges = [(members[0], other) for members in shared.values() for other in members[1:]]
    edges += [*_near_duplicates([row.message for row in rows]), *alike]
    if not edges:
        return list(range(len(rows)))
    pairs = np.array(edges)
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(rows), len(rows)))
    return [int(label) for label in connected_components(graph, directed=False)[1]]


def _near_duplicates(messages: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of rows whose messages share most of their word trigrams, found by an inverted index."""
    first: dict[str, int] = {}
    for i, message in enumerate(messages):
        first.setdefault(message, i)
    grams = {i: ngrams(message, 3) for message, i in first.items()}
    holders: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for i, found in grams.items():
        for gram in found:
            holders[gram].append(i)
    overlap: Counter[tuple[int, int]] = Counter()
    for members in holders.values():
        overlap.update((a, b) for n, a in enumerate(members) for b in members[n + 1 :])
    return [(a, b) for (a, b), n in overlap.items() if n / (len(grams[a]) + len(grams[b]) - n) >= _NEAR]


def _splits(labels: Sequence[int], rows: Sequence[Usable]) -> list[Split]:
    """A split for each row, whole components at a time.

    Components in the order of a hash of their first vote go to validation until a tenth of the rows are
    there. One that holds more than a quarter of the rows stays in training, so that a single keen person is
    never the measure. The hash is another than the caps': those leave a keen person the votes that come first
    by theirs, and would hold out nobody else.
    """
    sizes = Counter(labels)
    first = {label: row.feedback_id for label, row in zip(reversed(labels), reversed(rows), strict=True)}
    held_out: set[int] = set()

    def chance(label: int) -> bytes:
        return blake2b(first[label].bytes, digest_size=8, person=b"split").digest()

    for label in sorted(sizes, key=chance):
        if sum(sizes[held] for held in held_out) >= _VALIDATION_SHARE * len(rows):
            break
        if sizes[label] <= len(rows) / 4:
            held_out.add(label)
    return ["validation" if label in held_out else "train" for label in labels]


def assemble(rows: Sequence[Usable], alike: Edges = ()) -> Rows:
    """Demonstrations, preference pairs and labels of the votes, redacted and split; `alike` as in
    `components`.

    An edit is a demonstration, and a pair against what it corrects. A thumb, and a rating other than 3, is a
    label. Two rated rewrites of one message are a pair, graded by the stars between them.
    """
    made = Rows()
    splits = _splits(components(rows, alike), rows)
    for pair, votes in _graded(rows, splits):
        made.add(pair, *votes)
    for row, split in zip(rows, splits, strict=True):
        redactor = Redactor([row.message, row.output, *filter(None, (row.edit, row.other))])
        about = {
            "text": redactor.redact(row.message),
            "transform_type": row.transform_type,
            "intensity": row.intensity,
            "split": split,
        }
        output = redactor.redact(row.output)
        if row.kind == "edit" and row.edit is not None:
            edit = redactor.redact(row.edit)
            if edit != output:
                made.add(Demonstration(**about, rewrite=edit), row)
                made.add(
                    PreferencePair(
                        **about,
                        chosen=edit,
                        rejected=output,
                        chosen_version=HUMAN,
                        rejected_version=row.version,
                    ),
                    row,
                )
        elif row.kind == "comparison" and row.other is not None and row.other_version is not None:
            one, two = (output, row.version), (redactor.redact(row.other), row.other_version)
            chosen, rejected = (one, two) if row.first_is_preferred else (two, one)
            if chosen[0] != rejected[0]:
                made.add(
                    PreferencePair(
                        **about,
                        chosen=chosen[0],
                        rejected=rejected[0],
                        chosen_version=chosen[1],
                        rejected_version=rejected[1],
                    ),
                    row,
                )
        elif row.kind == "thumb" and row.thumb_up is not None:
            made.add(Label(**about, rewrite=output, good=row.thumb_up, version=row.version), row)
        elif row.kind == "rating" and row.rating is not None and row.rating != 3:
            made.add(Label(**about, rewrite=output, good=row.rating > 3, version=row.version), row)
    return made


def _graded(rows: Sequence[Usable], splits: Sequence[Split]) -> Iterator[tuple[PreferencePair, list[Usable]]]:
    """Pairs of the best and the worst rated rewrite of each message, where their means are a star apart, each
    with the ratings of both.

    Only these two of more: all pairs of n rewrites would count each rating n - 1 times.
    """
    rated: dict[Hashable, dict[str, list[tuple[Usable, Split]]]] = defaultdict(lambda: defaultdict(list))
    for row, split in zip(rows, splits, strict=True):
        if row.rating is not None:
            rated[row.message, row.transform_type, row.intensity][row.output].append((row, split))
    for outputs in rated.values():
        stars = {text: fmean(row.rating or 0 for row, _ in votes) for text, votes in outputs.items()}
        best, worst = max(stars, key=lambda text: stars[text]), min(stars, key=lambda text: stars[text])
        if stars[best] - stars[worst] < 1:
            continue
        (row, split), (other, _) = outputs[best][0], outputs[worst][0]
        redactor = Redactor([row.message, best, worst])
        pair = PreferencePair(
            text=redactor.redact(row.message),
            transform_type=row.transform_type,
            intensity=row.intensity,
            chosen=redactor.redact(best),
            rejected=redactor.redact(worst),
            chosen_version=row.version,
            rejected_version=other.version,
            stars=stars[best] - stars[worst],
            split=split,
        )
        yield pair, [vote for vote, _ in (*outputs[best], *outputs[worst])]


def make(
    connection: Connection,
    organisation_id: uuid.UUID,
    folder: Path,
    *,
    votes_a_person: int,
    votes_a_key: int,
    edits_a_phrase: int,
    votes_a_phrase: int,
    neighbours: Neighbours | None = None,
) -> Made:
    """Write the snapshot of all usable feedback into `folder/<digest>`; the same feedback gives the same
    snapshot.
    """
    until = high_water(connection)
    votes = counting(
        fetch(connection, organisation_id, until),
        votes_a_person=votes_a_person,
        votes_a_key=votes_a_key,
        edits_a_phrase=edits_a_phrase,
        votes_a_phrase=votes_a_phrase,
    )
    return write(votes, folder, until, neighbours)


def write(votes: Votes, folder: Path, until: int = 0, neighbours: Neighbours | None = None) -> Made:
    """Write the snapshot of the votes that count, cast below a high-water mark, into `folder/<digest>`."""
    rows = votes.counted
    places: dict[str, int] = {}
    for place, row in enumerate(rows):
        places.setdefault(row.message, place)
    found, nearest = neighbours(list(places)) if neighbours else ([], [])
    first = list(places.values())
    made = assemble(rows, [(first[a], first[b]) for a, b in found])
    sources = [
        Source(
            feedback=row.feedback_id,
            user=row.user_id,
            kind=row.kind,
            transform_type=row.transform_type,
            version=row.version,
        )
        for row in rows
    ]
    lines = {name: [row.model_dump_json() for row in found] for name, found in made.by_name().items()}
    origins = [Origin(file=name, votes=made_of) for name in lines for made_of in made.origins[name]]
    written = _write(folder, lines, origins, sources, votes.uncounted())
    return Made(written.digest, written.folder, written.counts, until, votes, made, nearest)


def people(folder: Path) -> set[uuid.UUID]:
    """Whose votes a snapshot is made of."""
    lines = (folder / "sources.jsonl").read_text(encoding="utf-8").splitlines()
    return {uuid.UUID(json.loads(line)["user"]) for line in lines}


def without(folder: Path, user_id: uuid.UUID, counts: Mapping[str, int]) -> Written | None:
    """Write a snapshot anew, beside itself, without the rows that one person's votes are part of; its
    splits stay.

    `counts` are those of the snapshot. None when it was made before rows had origins: then nobody can say
    which are theirs.
    """
    if not (folder / "origins.jsonl").exists():
        return None
    sources = [Source.model_validate_json(line) for line in _lines(folder / "sources.jsonl")]
    origins = [Origin.model_validate_json(line) for line in _lines(folder / "origins.jsonl")]
    theirs = {source.feedback for source in sources if source.user == user_id}
    kept: dict[str, list[str]] = {}
    for name in Rows().by_name():
        votes = [set(origin.votes) for origin in origins if origin.file == name]
        rows = zip(_lines(folder / f"{name}.jsonl"), votes, strict=True)
        kept[name] = [line for line, of in rows if not of & theirs]
    earlier = {name: counts.get(name, 0) for name in (*Votes([]).uncounted(), "votes_erased")}
    return _write(
        folder.parent,
        kept,
        [origin for origin in origins if not set(origin.votes) & theirs],
        [source for source in sources if source.user != user_id],
        {**earlier, "votes_erased": earlier["votes_erased"] + len(theirs)},
    )


def _lines(file: Path) -> list[str]:
    """Not `splitlines`: JSON leaves U+2028 and its like as they are."""
    return file.read_text(encoding="utf-8").split("\n")[:-1]


def _write(
    folder: Path,
    rows: Mapping[str, Sequence[str]],
    origins: Sequence[Origin],
    sources: Sequence[Source],
    beside: Mapping[str, int],
) -> Written:
    """Put a snapshot into `folder/<digest>`, all of it or nothing; `beside` are counts that its files do not
    hold.
    """
    lines = {
        **rows,
        "origins": [origin.model_dump_json() for origin in origins],
        "sources": [source.model_dump_json() for source in sources],
    }
    files = {f"{name}.jsonl": "".join(f"{line}\n" for line in found) for name, found in lines.items()}
    digest = blake2b("\0".join(files.values()).encode(), digest_size=16).hexdigest()
    counts = {
        "votes": len(sources),
        "people": len({source.user for source in sources}),
        **beside,
        **{name: len(found) for name, found in rows.items()},
        **{
            f"{name}_validation": sum(json.loads(line)["split"] == "validation" for line in found)
            for name, found in rows.items()
        },
    }
    target = folder / digest
    if not target.exists():
        partial = folder / f"{digest}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for name, body in files.items():
            (partial / name).write_text(body, encoding="utf-8", newline="")
        (partial / "README.md").write_text(_card(digest, counts, sources), encoding="utf-8")
        partial.replace(target)
    return Written(digest, target, counts)


def _card(digest: str, counts: Mapping[str, int], sources: Sequence[Source]) -> str:
    kinds, versions = Counter(vote.kind for vote in sources), Counter(vote.version for vote in sources)
    types = Counter(vote.transform_type.value for vote in sources)
    left_out, numbers, phrases, own = (counts[name] for name in Votes([]).uncounted())
    beyond_a_cap = left_out - numbers - phrases - own
    erased = counts.get("votes_erased", 0)
    judged = (
        f"was judged before {erased} votes left it with people who asked to be forgotten."
        if erased
        else "is on the page `quality.html` beside this\n  one."
    )

    def table(counter: Counter[str]) -> str:
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
  Jaccard from {_NEAR}; sentence embeddings): {counts["pairs_validation"]} pairs and
  {counts["demonstrations_validation"]} demonstrations are for validation.
- **Redacted** by rules and by lists of names: e-mail addresses, phone numbers, cards, IBANs, IP addresses,
  secrets, national ids, dates of birth, postal addresses, user names; a person has another name, the same
  throughout a row. What they miss is still there (`python -m data.redaction` measures how much): treat
  the snapshot as personal data.
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
