import json
import shutil
from collections import Counter

import pytest

import configs
from data.corpus import ReadRewrite
from data.records import PROTECTED, Spec, TransformType
from models import curation, evaluation, export, loading, rules, scoring, tagger
from models.evaluation import EvaluateConfig
from models.protection import Kept
from models.validity import LEAST_LABELS
from serving.inference import engines
from serving.inference.client import Item
from tests.labelled import label_rewrite


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
    cases = evaluation.test_cases(corpus_folder)
    requests = [(c.text, c.transform_type, c.intensity) for c in cases]
    served = engines.load(version, "ctranslate2").generate(
        Spec(version="v1", max_new_tokens=24),
        [Item(text=c.text, transform_type=c.transform_type, intensity=c.intensity) for c in cases],
    )
    assert evaluation.written_by(version, 24)(requests) == [rewritten.text for rewritten in served]


def test_what_is_given_to_people_is_measured_too(version, corpus_folder):
    cases = evaluation.test_cases(corpus_folder)
    requests = [(c.text, c.transform_type, c.intensity) for c in cases]
    served = engines.load(version, "ctranslate2").generate(
        Spec(version="v1", max_new_tokens=24, protection=PROTECTED),
        [Item(text=c.text, transform_type=c.transform_type, intensity=c.intensity) for c in cases],
    )
    texts = evaluation.written_by(version, 24, PROTECTED)(requests)
    assert texts == [rewritten.text for rewritten in served]
    assert texts != evaluation.written_by(version, 24)(requests)


def test_a_version_rewrites_each_request_once(version, corpus_folder, monkeypatch):
    requests = [(c.text, c.transform_type, c.intensity) for c in evaluation.test_cases(corpus_folder)]
    texts = evaluation.written_by(version, 8)(requests[:10])
    calls = []
    greedily = evaluation.rewrite_greedily

    def count(version, requests, *arguments, **more):
        calls.append(list(requests))
        return greedily(version, requests, *arguments, **more)

    monkeypatch.setattr(evaluation, "rewrite_greedily", count)
    write = evaluation.written_by(version, 8)
    assert write(requests[:10]) == texts
    assert calls == []
    assert write(requests[8:])[:2] == texts[8:], "another draw of cases"
    assert calls == [requests[10:]]
    evaluation.written_by(version, 9)(requests[:1])
    assert len(calls) == 2, "more tokens are another rewrite"


def test_a_version_of_edits_rewrites_again_when_its_rules_change(tiny_tagger, tmp_path, monkeypatch):
    version = tagger.export(tiny_tagger, tmp_path / "version")
    request = ("Fix PAY-101 by Friday.", TransformType.SOFTEN, 2)
    texts = evaluation.written_by(version, 8)([request])
    monkeypatch.setattr(evaluation, "rewrite_greedily", lambda *_, **__: pytest.fail("it is in the cache"))
    assert evaluation.written_by(version, 8)([request]) == texts
    kept = Kept("by other rules", (), 0, True)
    monkeypatch.setattr(evaluation, "rewrite_greedily", lambda *_, **__: [kept])
    monkeypatch.setattr(evaluation, "rules_digest", lambda: "0" * 32)
    assert evaluation.written_by(version, 8)([request]) == ["by other rules"]


def test_a_draw_of_cases_keeps_the_share_of_each_type_and_another_seed_draws_others(corpus_folder):
    cases = evaluation.test_cases(corpus_folder) * 10
    counts = Counter(case.transform_type for case in cases)
    draws = [evaluation.draw_cases(cases, 35, seed) for seed in range(5)]
    for draw in draws:
        assert len(draw) == 35
        drawn = Counter(case.transform_type for case in draw)
        assert all(abs(drawn[kind] - 35 * counts[kind] / len(cases)) <= 1 for kind in counts)
    assert draws[0] == evaluation.draw_cases(cases, 35, 0)
    assert len({tuple(case.id for case in draw) for draw in draws}) == 5
    assert evaluation.draw_cases(cases, None, 3) == cases


def test_each_case_is_as_likely_to_be_drawn(corpus_folder):
    cases = evaluation.test_cases(corpus_folder)
    drawn = Counter(case.id for seed in range(700) for case in evaluation.draw_cases(cases, 7, seed))
    assert set(drawn) == {case.id for case in cases}
    assert all(280 < times < 420 for times in drawn.values()), drawn  # 350, at five standard deviations


@pytest.mark.parametrize(
    ("labelled", "note"),
    [
        ("of other weights", "judge_unmeasured"),
        ("by readers who agree", None),
        ("by readers who do not", "judge_blind"),
    ],
)
def test_the_gate_uses_the_composite_where_readers_of_the_champion_agree_with_it(
    version, corpus_folder, tmp_path, labelled, note
):
    policy = evaluation.read_policy(version)
    good, bad = "Could you please fix {} by Friday?", "Fix something."
    labels = {good: "usable", bad: "wrong"}
    if labelled == "by readers who do not":
        labels = {good: "wrong", bad: "usable"}
    rows = [
        ReadRewrite(
            id=f"{label}-{number:03}",
            message=f"test-{number:03}",
            system="policy",
            policy="another" if labelled == "of other weights" else policy,
            transform_type="soften",
            intensity=2,
            text=f"Fix PAY-{number} by Friday, or nobody here gets home in time again.",
            rewrite=pattern.format(f"PAY-{number}"),
            first=label,
            second=label,
        )
        for number in range(60)
        for pattern, label in labels.items()
    ]
    folder = write_labels(tmp_path / "labels" / "of_a_reading", rows)
    config = EvaluateConfig(version=version, champion=version, labels_folder=folder.parent)
    refusal = evaluation.measure_validity(config).refusal
    assert (refusal and refusal.code) == note
    assert refusal is None or refusal.values["policy"] == "the_champion"


def write_labels(folder, rows):
    folder.mkdir(parents=True)
    (folder / "labels.jsonl").write_text(
        "".join(f"{row.model_dump_json(exclude_none=True)}\n" for row in rows)
    )
    return folder


def test_of_a_version_of_edits_the_labels_of_what_it_still_writes_count(tiny_tagger, tmp_path):
    version = tagger.export(tiny_tagger, tmp_path / "version")
    policy = loading.policy_digest(curation.encoder_folder(), tiny_tagger)
    assert evaluation.read_policy(version) == policy, "the weights alone: other rules do not rename them"
    message = "Fix PAY-101 by Friday."
    [today] = evaluation.written_by(version, 8)([(message, TransformType.SOFTEN, 2)])
    rows = [
        label_rewrite(label, number=number, policy=name, text=message, rewrite=text)
        for number, (label, name, text) in enumerate(
            [
                ("usable", policy, today),
                ("wrong", policy, f"{today} By former rules."),
                ("broken", "of other weights", today),
            ]
        )
    ]
    config = EvaluateConfig(version=version, labels_folder=write_labels(tmp_path / "labels", rows))
    assert [row.label for row in evaluation.read_labelled(config, version)] == ["usable"]


def test_the_shipped_labels_measure_the_composite_on_what_the_shipped_version_writes(tmp_path):
    version = tagger.export(configs.ROOT / "champion", tmp_path / "version")
    base = tmp_path / "base-version"  # what the first version of an installation is compared with
    config = EvaluateConfig(version=version, champion=base, base_version=base)
    validity = evaluation.measure_validity(config)
    assert validity.usable + validity.wrong >= LEAST_LABELS, (
        "the rules write too few of the labelled rewrites as before: have the champion read again"
    )
    assert validity.refusal.code == "judge_blind"
    words = "rewrites by the challenger: it ranks a usable one above a wrong one with probability"
    assert f"{words} {validity.auc.mean:.2f}" in str(validity.refusal)
    assert validity.auc.mean < 0.7


def test_an_evaluation_writes_its_numbers_outputs_and_plot(version, tiny_base, corpus_folder, tmp_path):
    config = EvaluateConfig(
        version=version,
        champion=version,
        base=str(tiny_base),
        base_version=shutil.copytree(version, tmp_path / "base-version"),
        test_folders=[corpus_folder],
        intensity_messages=7,
        out=tmp_path / "out",
        max_new_tokens=16,
        most_cases=8,
    )
    result = evaluation.main(config)
    assert result.cases == 8
    copy = result.systems["copy_input"]
    assert copy["tone_moved"].mean < 0.2
    assert copy["monotone"].mean == copy["obeyed"].mean == 0, "a copy neither climbs nor obeys"
    assert set(result.move_by_intensity["copy_input"]) == {"0", "1", "2", "3"}
    assert result.systems["reference"]["log_perplexity"].mean > 0
    assert result.systems["reference"]["facts_kept"].mean == 1
    assert result.win_rate.mean == 0.5, "a version ties with itself"
    assert result.systems["challenger"]["facts_kept"].mean < 1, "a babbling model loses facts"
    assert {"challenger_protected", "champion_protected"} <= set(result.by_type)
    assert not result.verdict.accepted, "a babbling model loses facts and meaning"
    assert [note.code for note in result.verdict.notes] == ["judge_unmeasured"], "nobody has read it"
    assert evaluation.Evaluation.model_validate_json((config.out / "metrics.json").read_text()) == result
    outputs = [json.loads(line) for line in (config.out / "outputs.jsonl").read_text().splitlines()]
    assert len(outputs) == 8
    assert set(result.by_type["copy_input"]) == {row["transform_type"] for row in outputs}
    assert outputs[0]["rewrites"]["copy_input"]["text"] == outputs[0]["text"]
    assert (config.out / "scores.png").stat().st_size > 1000
    assert "rejected" in evaluation.table(result)


def test_the_ladder_has_every_type(corpus_folder):
    cases = evaluation.test_cases(corpus_folder)
    assert [case.transform_type for case in evaluation.ladder(cases, 7)] == list(TransformType)
    assert len(evaluation.ladder(cases, 1000)) == len(cases)
