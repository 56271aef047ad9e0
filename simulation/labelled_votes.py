"""Simulated people compare rewrites that readers have labelled: pairs whose quality is known.

Each message has the rewrites of several systems, so the two of a pair are further apart than two samples of
one version (`simulation.simulated_votes`). People see no label; their taste is `simulation.taste`.
"""

import random
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from itertools import count

from data.corpus import ReadRewrite
from data.records import PreferencePair
from models import languages
from simulation import simulated_people
from simulation.simulated_people import PeopleConfig
from simulation.taste import Request

HELD_OUT = 0.4  # share of the messages whose pairs are for validation


def compare(rows: Sequence[ReadRewrite], people: PeopleConfig | None = None) -> list[PreferencePair]:
    """People's choices between the rewrites of each English message; each rewrite is in one pair at most.

    Another person votes on each pair, with the noise of `people`, by default that of configs/people.yaml's
    class; a person who chooses neither makes no pair. The pairs of a message are all in one split.
    """
    people = people or PeopleConfig()
    by_request: dict[tuple[str, str, int], dict[str, ReadRewrite]] = {}
    for row in rows:
        if languages.identify(row.text) == "en":
            key = (row.message, row.transform_type.value, row.intensity)
            by_request.setdefault(key, {}).setdefault(row.rewrite, row)
    pairs: list[PreferencePair] = []
    voters = count()
    for (message, kind, intensity), different in by_request.items():
        rng = random.Random(f"{people.seed} {message} {kind} {intensity}")
        texts = rng.sample(list(different), len(different))
        for first, second in zip(texts[::2], texts[1::2], strict=False):
            [person] = simulated_people.make_people(
                people.model_copy(update={"people": 1, "seed": people.seed + next(voters)})
            )
            row = different[first]
            request = Request(row.text, row.transform_type, row.intensity)
            # Everybody votes: an abstention would only make fewer pairs.
            person = replace(person, votes_on=1.0)
            [vote] = simulated_people.vote_on_pair(people, person, request, first, second, rng)
            if vote["preferred"] == "neither":
                continue
            is_first = vote["preferred"] == "first"
            chosen, rejected = (first, second) if is_first else (second, first)
            pairs.append(
                PreferencePair(
                    text=row.text,
                    transform_type=row.transform_type,
                    intensity=row.intensity,
                    chosen=chosen,
                    rejected=rejected,
                    chosen_version=different[chosen].system,
                    rejected_version=different[rejected].system,
                    split="validation" if _is_held_out(message) else "train",
                )
            )
    return pairs


def _is_held_out(message: str) -> bool:
    return blake2b(message.encode(), digest_size=8).digest()[0] < 256 * HELD_OUT
