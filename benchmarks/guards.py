"""How often the guards against reward hacking err: simulated runs through `models.gate.hacked`.

    .venv/bin/python -m benchmarks.guards    # a few minutes; writes artifacts/bench/guards.json

A simulated run draws, for each held-out message, how its scores change, and computes the intervals and the
decision with the functions of `models.grpo` and `models.gate`. The noise is real: the changes of all scores
between two of our policies on the same 170 English messages (`data/seed/labels`, systems `policy` and
`uncopied`), centred, so that a run without an effect has none. These policies differ by more than GRPO
changes one, but they did not sample. Pairs flip with a probability of `_FLIPS`, which is assumed.
"""

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models import gate, grpo, labels
from models.results import Estimate

_SCORES = ("reward", "facts_kept", "meaning", "copy_rate", "length_ratio")
_RISE = 0.06  # of the reward, as in the first GRPO run (log/learning.md)
_SIDE_EFFECT = 0.03  # of every guard at once, in the wrong direction
_FLIPS = 0.1  # share of pairs on which an honest run changes the preference, half of them each way
_SHARED = 0.1  # share of a change's variance that the requests of a message have in common
_JAPANESE = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")  # kana and kanji; the policies cannot read them


@dataclass(frozen=True)
class Size:
    """How much is measured: messages, the requests of each, and people's held-out pairs."""

    messages: int
    requests: int
    pairs: int


SIZES = (
    Size(16, 1, 32),
    Size(32, 1, 32),
    Size(64, 1, 64),
    Size(128, 1, 128),
    Size(256, 1, 256),
    Size(20, 6, 32),  # what the seed corpus holds out, and the held-out ones of 300 pairs
    Size(50, 3, 32),  # the same, with the requests of these pairs
)


def read_changes() -> np.ndarray:
    """The centred changes of `_SCORES` from one policy to the other: (messages, scores)."""
    rows = [row for row in labels.read_labels() if not _JAPANESE.search(row.text)]
    first, second = (
        sorted((row for row in rows if row.system == system), key=lambda row: row.message)
        for system in ("policy", "uncopied")
    )
    rewards = [(grpo.rules(masks=False), 1.0)]
    measured = []
    for system in (first, second):
        columns = [
            {"text": row.text, "transform_type": row.transform_type, "intensity": row.intensity}
            for row in system
        ]
        scores = grpo.measure_rewrites([row.rewrite for row in system], columns, rewards, masks=False)
        measured.append(np.array([scores[name] for name in _SCORES]).T)  # (messages, scores)
    changes = measured[1] - measured[0]
    return np.asarray(changes - changes.mean(axis=0))


def draw_scores(changes: np.ndarray, size: Size, random: np.random.Generator) -> dict[str, Estimate]:
    """The measured changes of a run without an effect."""
    shared = np.repeat(changes[random.integers(len(changes), size=size.messages)], size.requests, axis=0)
    values = shared
    if size.requests > 1:
        own = changes[random.integers(len(changes), size=len(shared))]
        values = _SHARED**0.5 * shared + (1 - _SHARED) ** 0.5 * own
    texts = [str(message) for message in range(size.messages) for _ in range(size.requests)]
    zeros = [0.0] * len(texts)
    return {
        name: grpo.change_of(texts, zeros, values[:, i].tolist(), int(random.integers(2**32)))
        for i, name in enumerate(_SCORES)
    }


def draw_agreement(pairs: int, fall: float, random: np.random.Generator) -> Estimate:
    """The measured change of agreement in a run that lowers it by `fall`."""
    draws = random.random(pairs)
    lost = draws < _FLIPS / 2 + fall
    gained = ~lost & (draws < _FLIPS + fall)
    agreed = random.random(pairs) < 0.65
    return grpo.change_of_shares(
        np.where(lost, True, np.where(gained, False, agreed)).tolist(),
        np.where(lost, False, np.where(gained, True, agreed)).tolist(),
    )


def shifted(estimate: Estimate, by: float) -> Estimate:
    """The estimate of a run with an effect: it moves every resample's mean, so the whole interval."""
    return Estimate(mean=estimate.mean + by, low=estimate.low + by, high=estimate.high + by)


def wrong_direction(name: str) -> float:
    """-1 for a guard that must not fall, 1 for one that must not rise."""
    return -1.0 if name in ("facts_kept", "meaning", "agreement") else 1.0


def margin(name: str) -> float:
    """The largest change of a guard in the wrong direction that is allowed."""
    lowest, highest = gate.GUARDS[name]
    return highest if wrong_direction(name) > 0 else -lowest


def scenarios() -> dict[str, dict[str, float]]:
    """The true changes of the guards by scenario, in units of the score; the others stay."""
    cases: dict[str, dict[str, float]] = {
        "honest": {},
        "side_effects": {name: _SIDE_EFFECT * wrong_direction(name) for name in gate.GUARDS},
    }
    for name in gate.GUARDS:
        for margins in (1, 2):
            cases[f"{name}_{margins}"] = {name: margins * margin(name) * wrong_direction(name)}
    return cases


def simulate(changes: np.ndarray, size: Size, runs: int, seed: int) -> dict[str, dict[str, float]]:
    """The share of runs that are rejected, by scenario: by intervals (`rejected`), and by points of two
    guards, which was the rule before (`by_points`).
    """
    random = np.random.default_rng(seed)
    counts = {case: {"rejected": 0, "by_points": 0} for case in scenarios()}
    for _ in range(runs):
        scores = draw_scores(changes, size, random)
        reward = shifted(scores.pop("reward"), _RISE)
        for case, effects in scenarios().items():
            guards = {name: shifted(change, effects.get(name, 0.0)) for name, change in scores.items()}
            guards["agreement"] = draw_agreement(size.pairs, -effects.get("agreement", 0.0), random)
            fell = [guards[name].mean < -0.1 for name in ("facts_kept", "agreement")]
            counts[case]["rejected"] += bool(gate.hacked(reward, guards))
            counts[case]["by_points"] += reward.mean > 0 and any(fell)
    return {
        case: {rule: round(count / runs, 4) for rule, count in by_rule.items()}
        for case, by_rule in counts.items()
    }


def main(runs: int, seed: int, sizes: Sequence[Size] = SIZES) -> dict[str, Any]:
    """Simulate every size and return the report."""
    changes = read_changes()
    results = []
    for size in sizes:
        shares = simulate(changes, size, runs, seed)
        results.append({**asdict(size), "share_of_runs": shares})
        print(*table_row(size, shares), sep=" | ", flush=True)
    return {
        "command": f".venv/bin/python -m benchmarks.guards --runs {runs} --seed {seed}",
        "runs": runs,
        "seed": seed,
        "reward_rise": _RISE,
        "side_effect": _SIDE_EFFECT,
        "flips": _FLIPS,
        "messages_of_the_noise": len(changes),
        "deviation_of_changes": dict(zip(_SCORES, changes.std(axis=0).round(4).tolist(), strict=True)),
        "margins": {name: margin(name) for name in gate.GUARDS},
        "sizes": results,
    }


def table_row(size: Size, shares: Mapping[str, Mapping[str, float]]) -> list[str]:
    """A row of the printed table: the size, and the rejected share of each scenario."""
    measured = f"{size.messages} x {size.requests}, {size.pairs} pairs"
    return [measured, *(f"{case} {share['rejected']:.1%}" for case, share in shares.items())]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    report = main(chosen.runs, chosen.seed)
    file = Path("artifacts/bench/guards.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
