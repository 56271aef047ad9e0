"""How often learning from votes makes a version: simulated people through `models.edit_dpo`.

    .venv/bin/python -m benchmarks.votes --runs 100 --out docs/results/votes.json

Messages, edits and the shipped tagger are real. People compare two samples as the service draws them, and
choose the first with probability sigma(u_1 - u_2). The utility u of a rewrite is the sum of what its edits
are worth to people: nothing (a coin decides, so whatever is learned is noise), or a taste that the tagger
does not know. A run is one training on such votes. It makes a version when the votes tell some kind of
edit from chance, as in the flow. Its gain is what the greedy rewrites of other messages gain for people.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

import configs
from data import corpus
from data.records import TransformType
from models import curation, edit_dpo, tagger
from models.edit_dpo import EditDpoConfig, Votes
from models.edit_votes import Ballot
from models.edits import script, tagging, writer
from models.edits.script import Edit
from models.edits.writer import EDIT_TEMPERATURE

_SAMPLING_TEMPERATURE = 0.8  # of `data.traffic.routing`
_INTENSITY = 2
_OF_EDITS = (  # other transform types arrange parts
    TransformType.SOFTEN,
    TransformType.CLARIFY,
    TransformType.TERMINOLOGY,
    TransformType.BACKGROUND,
)
# What an edit is worth to people, by its rule: nothing, or a taste that the tagger does not know.
TASTES: Mapping[str, Mapping[str, float]] = {
    "none": {},
    "dislike thanks and offers": {"soften.thanks": -2.0, "background.offer": -2.0},
    "like everything a little": {"": 0.5},
}
SIZES = (50, 200, 800)


@dataclass(frozen=True)
class Case:
    """A request: its proposed edits of the intensity, and the tagger's logit of each."""

    message: str
    edits: list[Edit]
    logits: dict[Edit, float]

    def sample(self, rng: np.random.Generator) -> tuple[tuple[Edit, bool], ...]:
        """The decisions of one sample, as the service draws it."""
        heat = _SAMPLING_TEMPERATURE * EDIT_TEMPERATURE
        decided = script.decide(
            self.edits,
            _INTENSITY,
            lambda edit: bool(rng.random() < 1 / (1 + np.exp(-self.logits[edit] / heat))),
        )
        return tuple(decided)

    def greedy(self, offsets: Mapping[str, float]) -> list[Edit]:
        """The edits of the greedy rewrite with offsets of rules, in nats."""
        return script.select(
            self.edits, _INTENSITY, lambda edit: self.logits[edit] + offsets.get(edit.rule, 0.0) > 0
        )


def read_cases(folder: Path, most: int) -> tuple[list[Case], list[str]]:
    """Requests for messages of the seed corpus, and the rules that the tagger decides on."""
    model, rules = tagger.load(folder)
    model.eval()
    tokenizer = tagging.load_tokenizer(curation.encoder_folder())
    cases = []
    for original in tqdm(corpus.read(corpus.SEED / "edits")[:most], desc="reading messages"):
        kind = original.rewrites[0].transform_type
        proposed = writer.propose(original.text, kind) or [] if kind in _OF_EDITS else []
        edits = [edit for edit in proposed if edit.level <= _INTENSITY and edit.rule in rules]
        if not edits or original.id.startswith("ja"):
            continue
        votes = edit_dpo.read_votes(
            model, tokenizer, rules, [Ballot(original.text, "train", tuple((edit, True) for edit in edits))]
        )
        cases.append(Case(original.text, edits, dict(zip(edits, votes.logits.tolist(), strict=True))))
    return cases, rules


def utility(edits: Sequence[Edit], taste: Mapping[str, float]) -> float:
    """What a rewrite's edits are worth to people."""
    return sum(taste.get(edit.rule, taste.get("", 0.0)) for edit in edits)


def draw_votes(
    cases: Sequence[Case],
    rules: Sequence[str],
    taste: Mapping[str, float],
    number: int,
    rng: np.random.Generator,
) -> Votes:
    """Comparisons of two samples of random requests that differ."""
    index = {rule: i for i, rule in enumerate(rules)}
    ballots: list[Ballot] = []
    logits: list[float] = []
    indices: list[int] = []
    signs: list[float] = []
    while len(ballots) < number:
        case = cases[int(rng.integers(len(cases)))]
        samples = [case.sample(rng) for _ in range(2)]
        worth = [utility([edit for edit, accepted in each if accepted], taste) for each in samples]
        if samples[0] == samples[1]:
            continue
        if rng.random() >= 1 / (1 + np.exp(worth[1] - worth[0])):
            samples.reverse()
        ballots.append(Ballot(case.message, "train", *samples))
        for decisions in samples:
            logits += [case.logits[edit] for edit, _ in decisions]
            indices += [index[edit.rule] for edit, _ in decisions]
            signs += [1.0 if accepted else -1.0 for _, accepted in decisions]
    return Votes(ballots, torch.tensor(logits), torch.tensor(indices), torch.tensor(signs))


def run(
    cases: Sequence[Case],
    rules: Sequence[str],
    taste: Mapping[str, float],
    number: int,
    config: EditDpoConfig,
    seed: int,
) -> tuple[bool, float]:
    """Whether a training makes a version, and the gain in utility of other messages' greedy rewrites."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(cases)).tolist()
    others = [cases[i] for i in order[: len(cases) // 4]]
    voted = [cases[i] for i in order[len(cases) // 4 :]]
    train = draw_votes(voted, rules, taste, number, rng)
    kinds = edit_dpo.find_kinds(rules, train.ballots, config.level)
    offsets, _ = edit_dpo.fit_offsets(rules, kinds, train, config)
    learned = dict(zip(rules, offsets.of_rules().tolist(), strict=True))
    gains = [utility(case.greedy(learned), taste) - utility(case.greedy({}), taste) for case in others]
    return bool(kinds), float(np.mean(gains))


def main(runs: int, out: Path) -> None:
    """Print and write the rates."""
    config = configs.load(EditDpoConfig, Path("configs/edit_dpo.yaml"))
    cases, rules = read_cases(config.tagger, 600)
    rows = []
    print(f"{len(cases)} requests; {runs} runs a row")
    for name, taste in TASTES.items():
        for number in SIZES:
            results = [run(cases, rules, taste, number, config, seed) for seed in range(runs)]
            gains = [gain for made, gain in results if made]
            row = {
                "taste": name,
                "comparisons": number,
                "makes_a_version": sum(made for made, _ in results) / runs,
                "versions_that_gain": sum(gain > 0 for gain in gains) / max(1, len(gains)),
                "versions_that_lose": sum(gain < 0 for gain in gains) / max(1, len(gains)),
                "mean_gain": float(np.mean(gains)) if gains else 0.0,
            }
            rows.append(row)
            print(row, flush=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"runs": runs, "rows": rows}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path("artifacts/bench/votes.json"))
    arguments = parser.parse_args()
    main(arguments.runs, arguments.out)
