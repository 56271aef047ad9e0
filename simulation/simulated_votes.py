"""Writes a snapshot of simulated people's votes on a version's rewrites, without servers. It is reproducible.

    python -m simulation.simulated_votes configs/votes.yaml version=artifacts/version out=artifacts/votes

People send the requests that they would send to the gateway. They vote on the answers that it would give with
that version as champion: its protected rewrite, or two samples to compare. The snapshot is written as it is
from Postgres: capped, redacted and split.
"""

import random
import shutil
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from tqdm import tqdm

import configs
from configs.settings import Settings
from data import corpus
from data.records import PROTECTED, Spec
from data.snapshots import snapshot
from data.snapshots.counting import counting
from data.snapshots.snapshot import Made
from data.snapshots.votes import Usable
from data.traffic.routing import Routing
from models import curation, version_file
from models.edits.writer import rules_digest
from pipelines import by_hand
from pipelines.collect import CollectConfig
from serving.inference import engines
from serving.inference.client import Item
from simulation import simulated_people
from simulation.simulated_people import PeopleConfig, PlannedRequest
from simulation.taste import Request

_CONFIGS = configs.ROOT / "configs"
_CHUNK = 16  # requests of a batch; the samples of a batch share one seed


class VotesConfig(configs.StageConfig):
    """The version whose rewrites get votes, and the number of people; their habits are in
    configs/people.yaml.
    """

    version: Annotated[Path, Field(description="a version folder, see models.export")]
    people: Annotated[int, Field(ge=1)] = 200
    seed: Annotated[int, Field(ge=0, description="another seed gives other people and other samples")] = 0
    out: Path = Path("artifacts/votes")


def make_own_vote(item: Item, first: str, second: str, preferred: Literal["first", "second"]) -> Usable:
    """One's own vote on two rewrites of a message, for `main`."""
    return _make_usable(
        person="you",
        vote_seed=f"you:{item.text}",
        request=Request(item.text, item.transform_type, item.intensity),
        vote={"kind": "comparison", "preferred": preferred},
        output=first,
        other=second,
    )


def main(config: VotesConfig, own: Sequence[Usable] = ()) -> Made:
    """Write the snapshot of the simulated votes, and of one's `own`, to the folder `out`."""
    people = configs.load(
        PeopleConfig, _CONFIGS / "people.yaml", [f"people={config.people}", f"seed={config.seed}"]
    )
    messages = corpus.read_lines(people.messages_folder, corpus.Message)
    planned = simulated_people.plan_requests(people, messages)
    # Messages of similar length share a batch, which needs less padding.
    planned.sort(key=lambda request: len(request.request.text))
    singles = [request for request in planned if not request.compares]
    pairs = [request for request in planned if request.compares]
    answers, first_samples, second_samples = _generate(config, singles, pairs)

    votes = [
        vote
        for request, answer in zip(singles, answers, strict=True)
        for vote in _vote_on_answer(people, request, answer)
    ]
    for request, first, second in zip(pairs, first_samples, second_samples, strict=True):
        votes += _vote_on_pair(people, request, first, second)
    votes += own
    limits = configs.load(CollectConfig, _CONFIGS / "collect.yaml")
    folder = config.out.with_name(config.out.name + ".snapshots")
    with counting(votes, folder, evidence=(), **limits.caps()) as counted:
        neighbours = partial(curation.neighbours, same_meaning=limits.same_meaning)
        result = snapshot.write(counted, folder, neighbours=neighbours)
    shutil.rmtree(config.out, ignore_errors=True)
    result.folder.replace(config.out)
    result.folder.parent.rmdir()
    return result


def find_or_make(settings: Settings, config: VotesConfig) -> Path:
    """The newest snapshot of the installation that may be trained on; without one, that of simulated people.
    Errors as in `by_hand.find_newest_snapshot`.
    """
    newest = by_hand.find_newest_snapshot(settings)
    if newest is None:
        main(config)
    print(f"The snapshot is {newest or f'of simulated people, in {config.out}'}.")
    return newest or config.out


def _generate(
    config: VotesConfig, singles: Sequence[PlannedRequest], pairs: Sequence[PlannedRequest]
) -> tuple[list[str], list[str], list[str]]:
    """The rewrites for the single requests, and the first and the second samples for the comparisons."""
    if version_file.read(config.version).form == "edits":
        champion = Spec(version="champion", form="edits", rules=rules_digest())
    else:
        champion = Spec(version="champion", protection=PROTECTED)
    sampled = Routing(champion=champion).sampled
    engine = engines.load(config.version, champion.engine)
    chunks = _split_chunks(pairs)
    with (
        tqdm(total=len(singles) + 2 * len(pairs), desc="rewriting", unit="message") as bar,
        ThreadPoolExecutor(2) as pool,
    ):

        def rewrite(spec: Spec, seed: int | None, chunk: Sequence[PlannedRequest]) -> list[str]:
            items = [
                Item(
                    text=planned.request.text,
                    transform_type=planned.request.transform_type,
                    intensity=planned.request.intensity,
                    seed=seed,
                )
                for planned in chunk
            ]
            texts = [rewritten.text for rewritten in engine.generate(spec, items)]
            bar.update(len(chunk))
            return texts

        def sample(first_seed: int) -> list[str]:
            # Each chunk has its own seed. The engine computes each seed in a worker of its own.
            seeds = range(first_seed, first_seed + len(chunks))
            return [text for texts in pool.map(partial(rewrite, sampled), seeds, chunks) for text in texts]

        answers = [text for chunk in _split_chunks(singles) for text in rewrite(champion, None, chunk)]
        first_samples = sample(2 * config.seed * len(chunks))
        second_samples = sample((2 * config.seed + 1) * len(chunks))
    engine.close()
    return answers, first_samples, second_samples


def _split_chunks(planned: Sequence[PlannedRequest]) -> list[Sequence[PlannedRequest]]:
    return [planned[i : i + _CHUNK] for i in range(0, len(planned), _CHUNK)]


def _make_id(*names: object) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_OID, ":".join(map(str, names)))


def _vote_on_answer(people: PeopleConfig, planned: PlannedRequest, answer: str) -> Iterator[Usable]:
    rng = random.Random(planned.seed)
    for vote in simulated_people.vote_on_answer(people, planned.person, planned.request, answer, rng):
        if vote["kind"] != "comment":
            yield _make_usable(planned.person.name, planned.seed, planned.request, vote, answer, None)


def _vote_on_pair(people: PeopleConfig, planned: PlannedRequest, first: str, second: str) -> Iterator[Usable]:
    rng = random.Random(planned.seed)
    for vote in simulated_people.vote_on_pair(people, planned.person, planned.request, first, second, rng):
        if vote["preferred"] != "neither":
            yield _make_usable(planned.person.name, planned.seed, planned.request, vote, first, second)


def _make_usable(
    person: str, vote_seed: str, request: Request, vote: Mapping[str, Any], output: str, other: str | None
) -> Usable:
    """A vote as `data.snapshots.votes.fetch` returns it from Postgres."""
    compares = other is not None
    return Usable(
        feedback_id=_make_id(vote_seed, vote["kind"]),
        user_id=_make_id(person),
        key_id=None,
        kind=vote["kind"],
        thumb_up=vote.get("up"),
        rating=vote.get("stars"),
        edit=vote.get("text"),
        output_id=_make_id(vote_seed, "first"),
        message=request.text,
        transform_type=request.transform_type,
        intensity=request.intensity,
        output=output,
        version="champion",
        other_id=_make_id(vote_seed, "second") if compares else None,
        other=other,
        other_version="champion" if compares else None,
        first_is_preferred=vote["preferred"] == "first" if compares else None,
    )


if __name__ == "__main__":
    snapshot_made = main(configs.from_command_line(VotesConfig, sys.argv[1:]))
    print(", ".join(f"{count} {name}" for name, count in snapshot_made.counts.items()))
