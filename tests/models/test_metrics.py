import math
from pathlib import Path

import evaluate
import pytest

from data.records import TransformType
from models import fluency, metrics, scoring, tone

FOLDER = Path(metrics.__path__[0])
MESSAGES = ["Fix PAY-123 by Friday, this is broken again.", "As discussed, the API is down."]
REWRITES = ["Could you please fix PAY-123 by Friday?", "Sure! Here's a softer version: the API is down."]
KINDS = [TransformType.SOFTEN, TransformType.TERMINOLOGY]


def mean(values):
    return sum(values) / len(values)


@pytest.fixture
def expected(tiny_version):
    """By metric: what it is given, and what the formula says of it."""
    pairs = {"predictions": REWRITES, "references": MESSAGES}
    together = list(zip(MESSAGES, REWRITES, strict=True))
    meanings = scoring.meaning(MESSAGES, REWRITES)
    climbs = [[text, text, rewrite, rewrite] for text, rewrite in together]
    return {
        "facts_kept": (pairs, {"facts_kept": mean([scoring.facts_kept(*p) for p in together])}),
        "length_ratio": (pairs, {"length_ratio": mean([scoring.length_ratio(*p) for p in together])}),
        "meaning": (pairs, {"meaning": mean(meanings)}),
        "chatter": (pairs, {"chatter": 0.5, "refusal": 0.0}),
        "obeyed": (
            {
                "predictions": ["Oslo.", "Please name the capital."],
                "references": [["oslo"], ["oslo", "bergen"]],
            },
            {"obeyed": 0.5},
        ),
        "tone_moved": (
            {**pairs, "transform_types": KINDS, "intensities": [2, 1]},
            {
                "tone_moved": mean(
                    [
                        tone.tone_moved(*texts, kind, i, m)
                        for texts, kind, i, m in zip(together, KINDS, [2, 1], meanings, strict=True)
                    ]
                )
            },
        ),
        "monotone": (
            {"predictions": climbs, "references": MESSAGES, "transform_types": KINDS},
            {
                "monotone": mean(
                    [
                        scoring.monotone([tone.move(text, rewrite, kind) for rewrite in climb])
                        for climb, text, kind in zip(climbs, MESSAGES, KINDS, strict=True)
                    ]
                )
            },
        ),
        "perplexity": (
            {"predictions": REWRITES, "base_version": str(tiny_version)},
            {"perplexity": pytest.approx(math.exp(mean(fluency.log_perplexity(tiny_version, REWRITES))))},
        ),
    }


def test_every_metric_gives_what_its_formula_gives(expected, tmp_path):
    assert {file.stem for file in FOLDER.glob("[!_]*.py")} == set(expected)
    for name, (given, found) in expected.items():
        metric = evaluate.load(str(FOLDER / f"{name}.py"), cache_dir=str(tmp_path))
        assert metric.compute(**given) == pytest.approx(found), name
