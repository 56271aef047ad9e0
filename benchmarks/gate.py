"""How often the gate decides wrongly: `python -m benchmarks.gate`, seven minutes (`--quick`: two).

The whole procedure is simulated: a draw of cases, the scores of all systems, the gate, and where it accepts,
the next night with the accepted version as champion. The scores are those of the 800 rewrites that readers
labelled (`data/seed/labels`), or such scores with a known fault. The tables are printed and written to
`docs/results/gate.json`.
"""

import argparse
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from scipy.stats import norm
from tqdm import tqdm

from data.corpus import ReadRewrite
from data.reasons import reason
from models import scoreboard, scoring
from models.gate import Margins, gate
from models.labels import POLICY, estimate_auc, read_labels
from models.scoreboard import Case, Scores
from models.validity import LEAST_AUC, LEAST_LOW

RESULT = Path("docs/results/gate.json")
Rows = list[Scores]
Fault = Callable[[Rows, np.random.Generator], Rows]


def score_labelled(labels: Iterable[ReadRewrite]) -> dict[str, Rows]:
    """The scores of labelled rewrites by system, in the order of their messages; also of copies.

    Each system has to have one rewrite of each message.
    """
    texts: dict[str, dict[str, str]] = {}  # by system and message
    cases: dict[str, Case] = {}
    for row in labels:
        texts.setdefault(row.system, {})[row.message] = row.rewrite
        cases[row.message] = Case(
            id=row.message,
            text=row.text,
            transform_type=row.transform_type,
            intensity=row.intensity,
            must_keep=(),
            reference="",
        )
    texts["copy"] = {message: case.text for message, case in cases.items()}
    scores = {}
    for system, by_message in texts.items():
        rewrites = [by_message[message] for message in cases]
        meanings = scoring.meaning([case.text for case in cases.values()], rewrites)
        scores[system] = [
            scoreboard.score_case(case, rewrite, meaning, log_perplexity=0.0)
            for case, rewrite, meaning in zip(cases.values(), rewrites, meanings, strict=True)
        ]
    return scores


def shuffle_half(rows: Rows, rng: np.random.Generator) -> Rows:
    """An equally good system: half of the cases have the scores of another case, chosen at random."""
    chosen = np.flatnonzero(rng.random(len(rows)) < 0.5)
    shuffled = list(rows)
    for index, other in zip(chosen, rng.permutation(chosen), strict=True):
        shuffled[index] = rows[other]
    return shuffled


def with_event(name: str, share: float, value: float) -> Fault:
    """A fault that sets a score to a value in this share of the cases."""

    def change(rows: Rows, rng: np.random.Generator) -> Rows:
        hit = rng.random(len(rows)) < share
        return [
            row.model_copy(update={name: value}) if is_hit else row
            for row, is_hit in zip(shuffle_half(rows, rng), hit, strict=True)
        ]

    return change


def with_shift(name: str, shift: float) -> Fault:
    """A fault that moves a score in all cases."""

    def change(rows: Rows, rng: np.random.Generator) -> Rows:
        return [row.model_copy(update={name: getattr(row, name) + shift}) for row in shuffle_half(rows, rng)]

    return change


CHALLENGERS: dict[str, tuple[str, Fault]] = {  # by name: the system whose scores it has, and its fault
    "as good as the champion": (POLICY, shuffle_half),
    "removes copying by inventing": ("uncopied", lambda rows, _: rows),
    "the references": ("reference", lambda rows, _: rows),
    "the rules": ("rules", lambda rows, _: rows),
    "a copy of the message": ("copy", lambda rows, _: rows),
    "copies in two of three cases": (POLICY, with_event("copied", 0.67, 1.0)),
    "chatters in 5 % of its rewrites": (POLICY, with_event("chatter", 0.05, 1.0)),
    "chatters in 10 % of its rewrites": (POLICY, with_event("chatter", 0.10, 1.0)),
    "insults in 5 % of its rewrites": (POLICY, with_event("insult", 0.05, 1.0)),
    "loses all facts in 5 % of its rewrites": (POLICY, with_event("facts_kept", 0.05, 0.0)),
    "loses all facts in 10 % of its rewrites": (POLICY, with_event("facts_kept", 0.10, 0.0)),
    "loses .05 of meaning": (POLICY, with_shift("meaning", -0.05)),
    "loses .10 of meaning": (POLICY, with_shift("meaning", -0.10)),
}


def draw(rng: np.random.Generator, cases: int, *systems: Rows) -> list[Rows]:
    """The scores of several systems on the same cases, drawn with replacement."""
    chosen = rng.integers(0, len(systems[0]), cases)
    return [[rows[index] for index in chosen] for rows in systems]


def accept(challenger: Rows, champion: Rows, first: Rows, copy: Rows, judge: bool) -> bool:
    """Whether the gate accepts; without `judge` the composite takes no part, as an invalid judge."""
    refusal = None if judge else reason("judge_refused")
    return gate(challenger, champion, first, copy, Margins(), refusal).accepted


def simulate_night(scores: dict[str, Rows], name: str, cases: int, judge: bool, times: int) -> float:
    """The share of simulated nights on which the gate accepts this challenger of the policy."""
    rng = np.random.default_rng(0)
    system, fault = CHALLENGERS[name]
    accepted = 0
    for _ in range(times):
        champion, base, copy = draw(rng, cases, scores[POLICY], scores[system], scores["copy"])
        accepted += accept(fault(base, rng), champion, champion, copy, judge)
    return accepted / times


def simulate_drift(scores: dict[str, Rows], guarded: bool, nights: int, lines: int) -> list[float]:
    """The meaning that each of several lines of versions has lost after some nights.

    Every night's challenger loses .02 more than its champion. `guarded` is whether the gate knows the first
    champion.
    """
    rng = np.random.default_rng(0)
    losses = []
    for _ in tqdm(range(lines), desc="lines", leave=False):
        loss = 0.0
        for _ in range(nights):
            first, copy = draw(rng, 168, scores[POLICY], scores["copy"])
            champion = with_shift("meaning", -loss)(first, rng)
            challenger = with_shift("meaning", -loss - 0.02)(first, rng)
            if accept(challenger, champion, first if guarded else champion, copy, judge=False):
                loss += 0.02
        losses.append(round(loss, 2))
    return losses


def simulate_tries(scores: dict[str, Rows], rotating: bool, nights: int, lines: int) -> float:
    """The share of lines in which one of thirty bad challengers is accepted.

    Each loses all facts in 5 % of the *population* of cases. Without rotation every night has the same 84
    cases, and a challenger is made until it does well on those: of ten candidates the best one is submitted.
    """
    rng = np.random.default_rng(0)
    policy, copies = scores[POLICY], scores["copy"]
    accepted = 0
    for _ in tqdm(range(lines), desc="lines", leave=False):
        fixed = rng.integers(0, len(policy), 84)
        for _ in range(nights):
            candidates = [with_event("facts_kept", 0.05, 0.0)(policy, rng) for _ in range(10)]
            best = max(candidates, key=lambda rows: np.mean([rows[index].facts_kept for index in fixed]))
            chosen = rng.integers(0, len(policy), 84) if rotating else fixed
            champion, challenger, copy = (
                [rows[index] for index in chosen] for rows in (policy, best, copies)
            )
            if accept(challenger, champion, champion, copy, judge=False):
                accepted += 1
                break
    return accepted / lines


def simulate_judges(times: int) -> list[dict[str, float]]:
    """How often a judge with normal scores is found valid, by its true AUC and the numbers of labels."""
    rng = np.random.default_rng(0)
    rows = []
    for usable, wrong in ((10, 90), (50, 50), (100, 100)):
        for auc in (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95):
            shift = norm.ppf(auc) * np.sqrt(2)
            valid = []
            for _ in range(times):
                estimate = estimate_auc(
                    rng.normal(shift, 1, usable).tolist(), rng.normal(0, 1, wrong).tolist()
                )
                valid.append(estimate.mean >= LEAST_AUC and estimate.low >= LEAST_LOW)
            share = float(np.mean(valid))
            rows.append({"usable": usable, "wrong": wrong, "auc": auc, "valid": share})
    return rows


def main(quick: bool) -> None:
    """Simulate all, print the tables, and write them unless `quick`."""
    times, lines = (20, 4) if quick else (100, 15)
    scores = score_labelled(read_labels())
    nights: dict[str, dict[str, float]] = {}
    for name in tqdm(CHALLENGERS, desc="challengers"):
        nights[name] = {
            f"{cases} cases{', judge' if judge else ''}": simulate_night(scores, name, cases, judge, times)
            for cases, judge in ((168, False), (84, False), (168, True))
        }
    drift = {
        kind: simulate_drift(scores, guarded, 30, lines)
        for kind, guarded in (("without the first champion", False), ("with the first champion", True))
    }
    tries = {
        kind: simulate_tries(scores, rotating, 10, lines)
        for kind, rotating in (("the same cases", False), ("other cases every night", True))
    }
    judges = simulate_judges(2 * times)
    result = {
        "times": times,
        "lines": lines,
        "accepted": nights,
        "meaning_lost_in_thirty_nights": drift,
        "a_bad_challenger_accepted_in_ten_nights": tries,
        "judges_found_valid": judges,
    }
    for name, row in nights.items():
        print(f"{name:42}", *(f"{kind}: {share:.3f}  " for kind, share in row.items()))
    for kind, losses in drift.items():
        print(f"meaning lost in 30 nights, {kind}: mean {np.mean(losses):.3f}, most {max(losses):.2f}")
    for kind, share in tries.items():
        print(f"a bad challenger accepted in 10 nights, {kind}: {share:.2f}")
    for judge in judges:
        print(judge)
    if not quick:
        RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer simulations, and no file")
    main(parser.parse_args().quick)
