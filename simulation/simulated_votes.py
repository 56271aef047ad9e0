"""Simulated people's votes on a version's rewrites, without servers: a snapshot to learn from, the same each
time.

    python -m simulation.simulated_votes configs/votes.yaml version=artifacts/version out=artifacts/votes

People ask what they would ask through the gateway, and vote on what it would answer with that version as
champion: its protected rewrite, or two samples to choose from. Their votes become a snapshot as those in
Postgres do: capped, redacted, split.
"""

import random
import shutil
import sys
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from tqdm import tqdm

import configs
from data import corpus
from data.records import PROTECTED, Spec
from data.snapshots import snapshot
from data.snapshots.counting import counting
from data.snapshots.snapshot import Made
from data.snapshots.votes import Usable
from data.traffic.routing import Routing
from models import curation
from pipelines.collect import CollectConfig
from serving.inference.client import Item
from serving.inference.engines import CTranslate2Engine
from simulation import simulated_people
from simulation.simulated_people import Errand, PeopleConfig

_CONFIGS = Path(__file__).parent.parent / "configs"
_TOGETHER = 16  # rewrites that are drawn from one seed


class VotesConfig(configs.StageConfig):
    """Whose rewrites are voted on, and by how many; the people are those of configs/people.yaml."""

    version: Annotated[Path, Field(description="a version folder, see models.export")]
    people: Annotated[int, Field(ge=1)] = 200
    seed: Annotated[int, Field(ge=0, description="other seeds are other people and other samples")] = 0
    out: Path = Path("artifacts/votes")


def main(config: VotesConfig) -> Made:
    """Write the snapshot to the out folder."""
    people = configs.load(
        PeopleConfig, _CONFIGS / "people.yaml", [f"people={config.people}", f"seed={config.seed}"]
    )
    texts = [message.text for message in corpus.read_lines(people.messages_folder, corpus.Message)]
    # Alike lengths are read together, with less padding.
    errands = sorted(simulated_people.errands(people, texts), key=lambda errand: len(errand.request.text))
    asks = [errand for errand in errands if not errand.compares]
    compares = [errand for errand in errands if errand.compares]

    champion = Spec(version="champion", protection=PROTECTED)
    sampled = Routing(champion=champion).sampled
    engine = CTranslate2Engine(config.version)
    with tqdm(total=len(asks) + 2 * len(compares), desc="rewriting", unit="message") as bar:

        def write(spec: Spec, seed: int | None, some: Sequence[Errand]) -> list[str]:
            items = [
                Item(
                    text=one.request.text,
                    transform_type=one.request.transform_type,
                    intensity=one.request.intensity,
                    seed=seed,
                )
                for one in some
            ]
            said = [rewritten.text for rewritten in engine.generate(spec, items)]
            bar.update(len(some))
            return said

        answers = [text for some in _chunks(asks) for text in write(champion, None, some)]
        chunks = _chunks(compares)
        with ThreadPoolExecutor(2) as pool:  # a seed has a worker of its own
            drawn = [
                [text for said in pool.map(partial(write, sampled), seeds, chunks) for text in said]
                for seeds in (
                    range(first, first + len(chunks))
                    for first in (2 * config.seed * len(chunks), (2 * config.seed + 1) * len(chunks))
                )
            ]
    engine.close()

    votes = [
        vote for errand, text in zip(asks, answers, strict=True) for vote in _opinion(people, errand, text)
    ]
    for errand, first, second in zip(compares, *drawn, strict=True):
        votes += _preference(people, errand, first, second)
    limits = configs.load(CollectConfig, _CONFIGS / "collect.yaml")
    folder = config.out.with_name(config.out.name + ".snapshots")
    with counting(votes, folder, **limits.caps()) as counted:
        neighbours = partial(curation.neighbours, same_meaning=limits.same_meaning)
        made = snapshot.write(counted, folder, neighbours=neighbours)
    shutil.rmtree(config.out, ignore_errors=True)
    made.folder.replace(config.out)
    made.folder.parent.rmdir()
    return made


def _chunks(errands: Sequence[Errand]) -> list[Sequence[Errand]]:
    return [errands[i : i + _TOGETHER] for i in range(0, len(errands), _TOGETHER)]


def _id(*names: object) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_OID, ":".join(map(str, names)))


def _opinion(people: PeopleConfig, errand: Errand, answer: str) -> Iterator[Usable]:
    said = simulated_people.opinion(people, errand.person, errand.request, answer, random.Random(errand.seed))
    for vote in said:
        if vote["kind"] != "comment":
            yield _usable(errand, vote, answer, None)


def _preference(people: PeopleConfig, errand: Errand, first: str, second: str) -> Iterator[Usable]:
    said = simulated_people.preference(
        people, errand.person, errand.request, first, second, random.Random(errand.seed)
    )
    for vote in said:
        if vote["preferred"] != "neither":
            yield _usable(errand, vote, first, second)


def _usable(errand: Errand, vote: dict[str, Any], output: str, other: str | None) -> Usable:
    """A vote as `data.snapshots.votes.fetch` finds it in Postgres."""
    compares = other is not None
    return Usable(
        feedback_id=_id(errand.seed, vote["kind"]),
        user_id=_id(errand.person.name),
        key_id=None,
        kind=vote["kind"],
        thumb_up=vote.get("up"),
        rating=vote.get("stars"),
        edit=vote.get("text"),
        output_id=_id(errand.seed, "first"),
        message=errand.request.text,
        transform_type=errand.request.transform_type,
        intensity=errand.request.intensity,
        output=output,
        version="champion",
        other_id=_id(errand.seed, "second") if compares else None,
        other=other,
        other_version="champion" if compares else None,
        first_is_preferred=vote["preferred"] == "first" if compares else None,
    )


if __name__ == "__main__":
    snapshot_made = main(configs.from_command_line(VotesConfig, sys.argv[1:]))
    print(", ".join(f"{count} {name}" for name, count in snapshot_made.counts.items()))
