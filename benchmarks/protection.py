"""Benefit and cost of fact protection: `python -m benchmarks.protection artifacts/version`, five minutes.

The same version rewrites the held-out messages with each kind of protection. The table has the scores of the
evaluation, the preference of the simulated people (which is independent of the scores that select a draft),
the generated tokens a message, and the total seconds. It is printed and written to
`artifacts/bench/protection.json`.
"""

import json
import sys
import time
from pathlib import Path

from data import corpus
from data.records import UNPROTECTED, Protection
from models import evaluation, export, scoreboard, tone
from models.decoding import rewrite_greedily
from models.evaluation import EvaluateConfig
from simulation.taste import WEIGHTS, Request, utility

_KINDS = {
    "the model alone": UNPROTECTED,
    "5 retries": Protection(retries=5),
    "masks": Protection(masks=True),
    "masks, 1 retry": Protection(masks=True, retries=1),
    "masks, 3 retries": Protection(masks=True, retries=3),
    "masks, 5 retries": Protection(masks=True, retries=5),
    "masks, best of 6": Protection(masks=True, retries=5, always=True),
}
_SHOWN = ("facts_kept", "meaning", "tone_moved", "copy_rate", "repetition", "composite", "liked")


def main(version: Path) -> None:
    """Measure every kind and print the table."""
    config = EvaluateConfig(version=version)
    cases = evaluation.test_cases(corpus.SEED / "test")
    items = [(case.text, case.transform_type, case.intensity) for case in cases]
    base_version = export.base_version(config.base, config.base_version)
    rewrite_greedily(version, items[:8], 8)  # loads its pages into memory
    rows = {}
    print(f"{'':18}{'whole':>8}{'tokens':>8}{'seconds':>9}" + "".join(f"{name:>12}" for name in _SHOWN))
    for name, kind in _KINDS.items():
        began = time.perf_counter()
        judge = tone.rule_score if kind.always else None
        answers = rewrite_greedily(version, items, config.max_new_tokens, kind, judge=judge)
        seconds = time.perf_counter() - began
        texts, tokens = (
            [answer.text for answer in answers],
            sum(answer.tokens for answer in answers) / len(answers),
        )
        [scored] = scoreboard.score(cases, {name: texts}, base_version).values()
        whole = sum(score.facts_kept == 1 for score in scored) / len(scored)
        liked = [
            utility(WEIGHTS, Request(case.text, case.transform_type, case.intensity), text)
            for case, text in zip(cases, texts, strict=True)
        ]
        estimates = scoreboard.estimates(scored, 0) | {"liked": scoreboard.estimate(liked)}
        scores = {key: value.model_dump() for key, value in estimates.items()}
        rows[name] = {
            "kind": kind.model_dump(),
            "whole": whole,
            "tokens": tokens,
            "seconds": seconds,
            "scores": scores,
        }
        cells = "".join(f"{scores[key]['mean']:12.3f}" for key in _SHOWN)
        print(f"{name:18}{whole:8.3f}{tokens:8.1f}{seconds:9.1f}{cells}")
    file = Path("artifacts/bench/protection.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"version": str(version), "cases": len(cases), "rows": rows}, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
