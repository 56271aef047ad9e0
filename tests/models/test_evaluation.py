import json
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.records import PROTECTED, Spec, TransformType
from models import evaluation, export, rules, scoring
from models.evaluation import Case, EvaluateConfig, Scores, gate
from serving.inference import engines
from serving.inference.client import Item

CONFIG = EvaluateConfig(version="unused")


def scores(n=60, **fixed):
    """Rows that differ a little from each other, with some scores fixed."""
    rows = []
    for i in range(n):
        wobble = 0.02 * ((i * 7) % 11 - 5) / 5
        values = {
            "facts_kept": 0.9,
            "meaning": 0.8,
            "tone_moved": 0.4,
            "chatter": 0.0,
            "composite": 0.7,
            "move": 0.3,
            "refusal": 0.0,
            "repetition": 0.0,
            "length_ratio": 1.0,
            "copy_rate": 0.5,
            "log_perplexity": 3.0,
        } | fixed
        rows.append(
            Scores(**{key: value + (wobble if key != "chatter" else 0) for key, value in values.items()})
        )
    return rows


COPY = {"copy_input": scores(tone_moved=0.0, facts_kept=1.0, meaning=1.0)}


def test_an_equal_and_a_better_challenger_pass():
    assert gate(scores(), scores(), COPY, CONFIG).accepted
    assert gate(scores(composite=0.8, tone_moved=0.6), scores(), COPY, CONFIG).accepted
    assert gate(scores(), None, COPY, CONFIG).accepted


@pytest.mark.parametrize(
    ("worse", "words"),
    [
        ({"facts_kept": 0.8}, "lose too much facts"),
        ({"meaning": 0.7}, "lose too much meaning"),
        ({"chatter": 0.2}, "chatter more"),
        ({"tone_moved": 0.0}, "does not move tone more than a copy"),
        ({"composite": 0.65}, "worse than the champion beyond noise"),
    ],
)
def test_a_worse_challenger_is_refused_with_the_numbers(worse, words):
    verdict = gate(scores(**worse), scores(), COPY, CONFIG)
    assert not verdict.accepted
    assert len(verdict.reasons) == 1
    assert words in verdict.reasons[0]
    assert any(character.isdigit() for character in verdict.reasons[0])


def test_a_loss_within_the_margin_is_no_reason():
    assert gate(scores(facts_kept=0.87), scores(), COPY, CONFIG).accepted


def test_win_rate_counts_a_near_tie_as_half():
    even = evaluation.win_rate(scores(), scores(composite=0.715))
    assert (even.mean, even.low, even.high) == (0.5, 0.5, 0.5)
    assert evaluation.win_rate(scores(composite=0.8), scores()).mean == 1


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=40))
def test_an_interval_holds_its_mean(values):
    found = evaluation.estimate(values)
    assert found.low - 1e-9 <= found.mean <= found.high + 1e-9


@pytest.mark.parametrize("kind", TransformType)
def test_the_rule_baseline_keeps_facts_and_is_no_copy(kind):
    text = "Fix PAY-123 by Friday; the SLA is at risk. Maybe ask Anna? Just do it!"
    rewrite = rules.rewrite(text, kind, 2)
    assert rewrite != text
    if kind != TransformType.SUMMARIZE:
        assert scoring.facts_kept(text, rewrite) == 1


@pytest.fixture(scope="module")
def version(tiny_base, tmp_path_factory):
    return export.export(tiny_base, None, tmp_path_factory.mktemp("evaluated") / "v1")


@pytest.fixture(scope="module")
def corpus_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    lines = [
        {
            "id": f"test-{i:03}",
            "domain": "test",
            "style": "blunt",
            "text": f"Fix PAY-{i} by Friday.",
            "facts": [f"PAY-{i}", "Friday"],
            "rewrites": [
                {
                    "transform_type": kind,
                    "intensity": i % 4,
                    "text": f"Could you please fix PAY-{i} by Friday?",
                }
            ],
        }
        for i, kind in enumerate([*TransformType] * 2, start=100)
    ]
    (folder / "test.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def test_evaluation_says_what_serving_would(version, corpus_folder):
    cases = evaluation.test_cases(corpus_folder, None)
    asked = [(c.text, c.transform_type, c.intensity) for c in cases]
    served = engines.load(version, "ctranslate2").generate(
        Spec(version="v1", max_new_tokens=24),
        [Item(text=c.text, transform_type=c.transform_type, intensity=c.intensity) for c in cases],
    )
    assert evaluation.written_by(version, 24)(asked) == [rewritten.text for rewritten in served]


def test_what_is_given_to_people_is_measured_too(version, corpus_folder):
    cases = evaluation.test_cases(corpus_folder, None)
    asked = [(c.text, c.transform_type, c.intensity) for c in cases]
    served = engines.load(version, "ctranslate2").generate(
        Spec(version="v1", max_new_tokens=24, protection=PROTECTED),
        [Item(text=c.text, transform_type=c.transform_type, intensity=c.intensity) for c in cases],
    )
    said = evaluation.written_by(version, 24, PROTECTED)(asked)
    assert said == [rewritten.text for rewritten in served]
    assert said != evaluation.written_by(version, 24)(asked)


def test_a_version_is_asked_once(version, corpus_folder, monkeypatch):
    asked = [(c.text, c.transform_type, c.intensity) for c in evaluation.test_cases(corpus_folder, None)]
    said = evaluation.written_by(version, 8)(asked)
    calls = []
    monkeypatch.setattr(evaluation, "rewrite_greedily", lambda *a, **_: calls.append(a) or [])
    assert evaluation.written_by(version, 8)(asked) == said
    assert calls == []
    evaluation.written_by(version, 9)(asked)
    assert len(calls) == 1, "more tokens are another question"


def test_an_evaluation_writes_its_numbers_outputs_and_plot(version, corpus_folder, tmp_path):
    config = EvaluateConfig(
        version=version,
        champion=version,
        base_version=shutil.copytree(version, tmp_path / "base-version"),
        test_folder=corpus_folder,
        intensity_messages=7,
        out=tmp_path / "out",
        max_new_tokens=16,
        most_cases=8,
    )
    found = evaluation.main(config)
    assert found.cases == 8
    copy = found.systems["copy_input"]
    assert copy["tone_moved"].mean < 0.2
    assert copy["monotone"].mean == copy["obeyed"].mean == 0, "a copy neither climbs nor obeys"
    assert set(found.move_by_intensity["copy_input"]) == {"0", "1", "2", "3"}
    assert found.systems["reference"]["log_perplexity"].mean > 0
    assert found.systems["reference"]["facts_kept"].mean == 1
    assert found.win_rate.mean == 0.5, "a version ties with itself"
    assert found.systems["challenger"]["facts_kept"].mean < 1, "a babbling model loses facts"
    assert {"challenger_protected", "champion_protected"} <= set(found.by_type)
    assert not found.verdict.accepted, "a babbling model has not moved tone"
    assert evaluation.Evaluation.model_validate_json((config.out / "metrics.json").read_text()) == found
    outputs = [json.loads(line) for line in (config.out / "outputs.jsonl").read_text().splitlines()]
    assert len(outputs) == 8
    assert set(found.by_type["copy_input"]) == {row["transform_type"] for row in outputs}
    assert outputs[0]["rewrites"]["copy_input"]["text"] == outputs[0]["text"]
    assert (config.out / "scores.png").stat().st_size > 1000
    assert "refused" in evaluation.table(found)


def test_the_ladder_has_every_type(corpus_folder):
    cases = evaluation.test_cases(corpus_folder, None)
    assert [case.transform_type for case in evaluation.ladder(cases, 7)] == list(TransformType)
    assert len(evaluation.ladder(cases, 1000)) == len(cases)


def test_an_even_spread_of_cases_is_taken(corpus_folder):
    every = evaluation.test_cases(corpus_folder, None)
    assert evaluation.test_cases(corpus_folder, 2) == [every[0], every[-1]]
    assert all(isinstance(case, Case) for case in every)
