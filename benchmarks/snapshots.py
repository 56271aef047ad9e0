"""Snapshots of many votes: `make bench-snapshots`, over an hour (`QUICK=1`: 5 minutes).

Made-up votes go into a real Postgres by COPY. From there on it is what the flow `collect` does: read by a
server-side cursor, counted, split, redacted, written as Parquet in shards, judged; then `datasets` streams
the pairs back. Each size has a process of its own, whose largest resident memory is shown. Prints a table and
keeps it as `artifacts/bench/snapshots.json`.
"""

import argparse
import json
import random
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psycopg
from datasets import load_dataset
from sqlalchemy import create_engine
from tqdm import tqdm

import configs
from configs.settings import Settings
from data import corpus
from data.records import TransformType
from data.redaction import names
from data.snapshots import snapshot, votes
from data.snapshots.counting import counting
from data.tables import new_id
from models import curation
from pipelines import collect, local
from pipelines.collect import CollectConfig

SIZES = (20_000, 200_000, 2_000_000)
_VOTES_A_PERSON = 12
_SEEN_BEFORE = 0.1  # share of the votes that are about an output that somebody has voted on already
_KINDS = ("comparison", "comparison", "edit", "thumb", "rating")


def sentences() -> list[str]:
    """What the messages of the corpus are made of."""
    texts = [original.text for original in corpus.read(corpus.SEED / "train")]
    return [part for text in texts for part in re.split(r"(?<=[.!?])\s+", text) if len(part.split()) > 3]


def message(rng: random.Random, said: list[str]) -> str:
    """Two sentences of the corpus about a thing and a person of its own."""
    who = rng.choice(names.GIVEN).capitalize()
    about = f"See TB-{rng.randrange(10**7)}, {rng.randrange(10**4)} EUR."
    return f"{who}: {rng.choice(said)} {rng.choice(said)} {about}"


def fill(database_url: str, organisation: uuid.UUID, count: int) -> None:
    """So many votes of an organisation, with their people and outputs."""
    rng, said = random.Random(count), sentences()
    people = [new_id() for _ in range(count // _VOTES_A_PERSON)]
    outputs, comparisons, feedback = [], [], []
    with psycopg.connect(database_url) as connection, tqdm(total=count, desc="votes into Postgres") as bar:
        connection.execute(
            "INSERT INTO organisations (id, name) VALUES (%s, %s)", (organisation, str(organisation))
        )
        _copy(connection, "users (id, organisation_id)", [(person, organisation) for person in people])

        def output(text: str, *about: object) -> uuid.UUID:
            name = new_id()
            outputs.append((name, organisation, *about, text, [], "0" * 32, "v1", 1.0))
            return name

        for number in range(count):
            kind, person = rng.choice(_KINDS), rng.choice(people)
            about = message(rng, said), rng.choice(list(TransformType)).value, rng.randrange(4)
            again = outputs and kind in ("thumb", "rating") and rng.random() < _SEEN_BEFORE / 0.4
            one = rng.choice(outputs)[0] if again else output(f"Could you look at this? {about[0]}", *about)
            up = stars = text = comparison = preferred = None
            if kind == "thumb":
                up = rng.random() < 0.7
            elif kind == "rating":
                stars = rng.randint(1, 5)
            elif kind == "edit":
                text = f"Please look at this: {about[0]}"
            else:
                other, comparison = output(f"Kindly note: {about[0]} Thank you.", *about), new_id()
                comparisons.append((comparison, organisation, person, "two_samples", one, other))
                preferred = rng.choice((one, other))
            vote = (person, one, kind, up, stars, text, comparison, preferred)
            feedback.append((new_id(), organisation, *vote))
            if len(feedback) == 20_000 or number == count - 1:
                _copy(connection, _OUTPUTS, outputs)
                _copy(connection, _COMPARISONS, comparisons)
                # A person's second vote of a kind on an output would take the place of the first.
                _copy(connection, _FEEDBACK, {row[2:5]: row for row in feedback}.values())
                bar.update(len(feedback))
                for rows in (outputs, comparisons, feedback):
                    rows.clear()


_OUTPUTS = (
    "outputs (id, organisation_id, message, transform_type, intensity, text, facts_missing, spec_digest,"
    " version, upstream_ms)"
)
_COMPARISONS = "comparisons (id, organisation_id, user_id, policy, first_output_id, second_output_id)"
_FEEDBACK = (
    "feedback (id, organisation_id, user_id, output_id, kind, thumb_up, rating, text, comparison_id,"
    " preferred_output_id)"
)


def _copy(connection: psycopg.Connection, into: str, rows: Any) -> None:
    with connection.cursor().copy(f"COPY {into} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def measure(database_url: str, organisation: uuid.UUID, folder: Path) -> dict[str, Any]:
    """Make the snapshot of an organisation, and read it back."""
    config = configs.load(CollectConfig, collect.CONFIG)
    engine = create_engine(database_url)
    began = time.perf_counter()
    with engine.connect() as connection:
        until = votes.find_high_water(connection)
        with counting(votes.fetch(connection, organisation, until), folder, **config.caps()) as counted:
            counted_at = time.perf_counter()
            neighbours = partial(curation.neighbours, same_meaning=config.same_meaning)
            made = snapshot.write(counted, folder, until, neighbours)
            written_at = time.perf_counter()
            staged = sum(file.stat().st_size for file in folder.rglob("votes.duckdb*"))
            quality = collect.assess(counted, made, None, config)
            judged_at = time.perf_counter()
    engine.dispose()
    peak_mb = _peak_mb()
    files = str(made.folder / "pairs" / "*.parquet")
    began_reading = time.perf_counter()
    pairs = sum(1 for _ in load_dataset("parquet", data_files=files, split="train", streaming=True))
    read_s = time.perf_counter() - began_reading
    assert pairs == made.counts["pairs"]
    rows = sum(quality.rows.values())
    return {
        "votes": made.counts["votes"] + made.left_out.total,
        "rows": rows,
        "count_s": counted_at - began,
        "write_s": written_at - counted_at,
        "judge_s": judged_at - written_at,
        "rows_per_s": rows / (judged_at - began),
        "peak_mb": peak_mb,
        "staged_mb": staged / 1e6,
        "snapshot_mb": sum(file.stat().st_size for file in made.folder.rglob("*.parquet")) / 1e6,
        "shards": len(list(made.folder.rglob("*.parquet"))),
        "pairs_read_per_s": pairs / read_s,
        "counts": made.counts,
    }


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1e3


def table(found: list[dict[str, Any]]) -> Iterator[str]:
    """The printed table, in Markdown."""
    yield (
        "| votes | rows | counted, s | written, s | judged, s | rows/s | peak MB | staged MB | snapshot MB "
        "| shards | pairs/s, streamed |"
    )
    yield "|" + "---|" * 11
    for one in found:
        figures = [f"{value:,.0f}" for name, value in one.items() if name != "counts"]
        yield f"| {' | '.join(figures)} |"


def main(sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    """Fill, measure and print every size."""
    found = []
    state = Path(tempfile.mkdtemp(prefix="tonebridge-bench-"))
    wanted = Settings(state=state, artifacts=state, database_url=None, redis_url=None)
    try:
        with local.servers(local.with_free_ports(wanted)) as settings:
            assert settings.database_url is not None
            for size in sizes:
                organisation = uuid.uuid4()
                fill(settings.database_url, organisation, size)
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
                    folder = state / str(size)
                    found.append(alone.submit(measure, settings.database_url, organisation, folder).result())
                print(json.dumps(found[-1]), flush=True)
    finally:
        shutil.rmtree(state, ignore_errors=True)
    print("\n".join(table(found)))
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="20,000 votes only")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    chosen = parser.parse_args()
    report = main((SIZES[0],) if chosen.quick else tuple(chosen.sizes))
    file = Path("artifacts/bench/snapshots.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, indent=1))
