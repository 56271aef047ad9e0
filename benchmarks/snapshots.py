"""Snapshots of many votes: `make bench-snapshots`, over an hour (`QUICK=1`: 5 minutes).

Simulated votes enter a real Postgres by COPY. The rest is the work of the flow `collect`: it reads the votes
with a server-side cursor, counts, splits and redacts them, writes Parquet shards, and assesses their quality.
Then `datasets` streams the pairs back. Each size has its own process, whose largest resident memory is
measured. Prints a table and writes it to `artifacts/bench/snapshots.json`.
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
_REPEATED = 0.1  # share of votes on an output that has a vote already
_KINDS = ("comparison", "comparison", "edit", "thumb", "rating")


def sentences() -> list[str]:
    """The sentences of the corpus' messages."""
    texts = [original.text for original in corpus.read(corpus.SEED / "train")]
    return [part for text in texts for part in re.split(r"(?<=[.!?])\s+", text) if len(part.split()) > 3]


def message(rng: random.Random, phrases: list[str]) -> str:
    """A message of two sentences of the corpus, with its own name and facts."""
    who = rng.choice(names.GIVEN).capitalize()
    facts = f"See TB-{rng.randrange(10**7)}, {rng.randrange(10**4)} EUR."
    return f"{who}: {rng.choice(phrases)} {rng.choice(phrases)} {facts}"


def fill(database_url: str, organisation: uuid.UUID, count: int) -> None:
    """Add `count` votes of an organisation, with their people and outputs."""
    rng, phrases = random.Random(count), sentences()
    people = [new_id() for _ in range(count // _VOTES_A_PERSON)]
    outputs, comparisons, feedback = [], [], []
    with psycopg.connect(database_url) as connection, tqdm(total=count, desc="votes into Postgres") as bar:
        connection.execute(
            "INSERT INTO organisations (id, name) VALUES (%s, %s)", (organisation, str(organisation))
        )
        _copy(connection, "users (id, organisation_id)", [(person, organisation) for person in people])

        def output(text: str, *request: object) -> uuid.UUID:
            name = new_id()
            outputs.append((name, organisation, *request, text, [], "0" * 32, "v1", 1.0))
            return name

        for number in range(count):
            kind, person = rng.choice(_KINDS), rng.choice(people)
            request = message(rng, phrases), rng.choice(list(TransformType)).value, rng.randrange(4)
            again = outputs and kind in ("thumb", "rating") and rng.random() < _REPEATED / 0.4
            first = (
                rng.choice(outputs)[0] if again else output(f"Could you look at this? {request[0]}", *request)
            )
            up = stars = text = comparison = preferred = None
            if kind == "thumb":
                up = rng.random() < 0.7
            elif kind == "rating":
                stars = rng.randint(1, 5)
            elif kind == "edit":
                text = f"Please look at this: {request[0]}"
            else:
                second, comparison = output(f"Kindly note: {request[0]} Thank you.", *request), new_id()
                comparisons.append((comparison, organisation, person, "two_samples", first, second))
                preferred = rng.choice((first, second))
            vote = (person, first, kind, up, stars, text, comparison, preferred)
            feedback.append((new_id(), organisation, *vote))
            if len(feedback) == 20_000 or number == count - 1:
                _copy(connection, _OUTPUTS, outputs)
                _copy(connection, _COMPARISONS, comparisons)
                # A person has at most one vote of a kind on an output.
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
    """Build the snapshot of an organisation, and read it back."""
    config = configs.load(CollectConfig, collect.CONFIG)
    engine = create_engine(database_url)
    began = time.perf_counter()
    with engine.connect() as connection:
        until = votes.find_high_water(connection)
        with counting(
            votes.fetch(connection, organisation, until), folder, evidence=(), **config.caps()
        ) as counted:
            counted_at = time.perf_counter()
            neighbours = partial(curation.neighbours, same_meaning=config.same_meaning)
            written = snapshot.write(counted, folder, until, neighbours)
            written_at = time.perf_counter()
            staged = sum(file.stat().st_size for file in folder.rglob("votes.duckdb*"))
            sources = counted.make_sources()
            quality = collect.assess(sources, written.folder, None, config, written.left_out, written.nearest)
            judged_at = time.perf_counter()
    engine.dispose()
    peak_mb = _peak_mb()
    files = str(written.folder / "pairs" / "*.parquet")
    began_reading = time.perf_counter()
    pairs = sum(1 for _ in load_dataset("parquet", data_files=files, split="train", streaming=True))
    read_s = time.perf_counter() - began_reading
    assert pairs == written.counts["pairs"]
    rows = sum(quality.rows.values())
    return {
        "votes": written.counts["votes"] + written.left_out.total,
        "rows": rows,
        "count_s": counted_at - began,
        "write_s": written_at - counted_at,
        "judge_s": judged_at - written_at,
        "rows_per_s": rows / (judged_at - began),
        "peak_mb": peak_mb,
        "staged_mb": staged / 1e6,
        "snapshot_mb": sum(file.stat().st_size for file in written.folder.rglob("*.parquet")) / 1e6,
        "shards": len(list(written.folder.rglob("*.parquet"))),
        "pairs_read_per_s": pairs / read_s,
        "counts": written.counts,
    }


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1e3


def table(results: list[dict[str, Any]]) -> Iterator[str]:
    """The printed table, in Markdown."""
    yield (
        "| votes | rows | counted, s | written, s | judged, s | rows/s | peak MB | staged MB | snapshot MB "
        "| shards | pairs/s, streamed |"
    )
    yield "|" + "---|" * 11
    for row in results:
        figures = [f"{value:,.0f}" for name, value in row.items() if name != "counts"]
        yield f"| {' | '.join(figures)} |"


def main(sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    """Fill, measure and print every size."""
    results = []
    state = Path(tempfile.mkdtemp(prefix="tonebridge-bench-"))
    requested = Settings(state=state, artifacts=state, database_url=None, redis_url=None)
    try:
        with local.servers(local.with_free_ports(requested)) as settings:
            assert settings.database_url is not None
            for size in sizes:
                organisation = uuid.uuid4()
                fill(settings.database_url, organisation, size)
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
                    folder = state / str(size)
                    results.append(
                        alone.submit(measure, settings.database_url, organisation, folder).result()
                    )
                print(json.dumps(results[-1]), flush=True)
    finally:
        shutil.rmtree(state, ignore_errors=True)
    print("\n".join(table(results)))
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="20,000 votes only")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    chosen = parser.parse_args()
    report = main((SIZES[0],) if chosen.quick else tuple(chosen.sizes))
    file = Path("artifacts/bench/snapshots.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, indent=1))
