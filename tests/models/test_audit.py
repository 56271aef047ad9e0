import numpy as np
import pytest
from scipy.stats import norm

from data.records import PreferencePair, TransformType
from models import audit, calibration, probes, reward, scoreboard, scoring
from models.length_bias import LengthEffect
from models.results import Estimate
from tests.endpoints import serve
from tests.labelled import label_rewrite


def read_all(*labels, start=0, **fields):
    of_policy = {"policy": "weights", "system": "champion", "text": "Send me the report today."} | fields
    return [
        label_rewrite(
            label, number=number, rewrite=f"Could you please send me the report {number} today?", **of_policy
        )
        for number, label in enumerate(labels, start)
    ]


MANY = read_all(*["usable"] * 80, *["wrong"] * 40, *["timid"] * 30)


# --- who uses a judge ---------------------------------------------------------


def test_the_table_has_who_asks_a_judge_and_what_for():
    uses = {(use.judge, use.used_in): use for use in audit.list_uses()}
    gate = uses["composite", "models.evaluation.measure_validity"]
    assert gate.sees.startswith("text, rewrite, transform_type, intensity, meaning")
    assert gate.what_for.startswith("How well the composite ranks")
    assert ("check", "models.grpo.rules") in uses
    assert ("reward", "pipelines.judging.prefer") in uses
    assert ("llm", "models.evaluation.ask_judge") in uses
    assert ("llm", "models.drafts._score") in uses, "a method"
    assert uses["fidelity", "models.scoreboard.judge"].what_for.startswith("The composite, in [0, 1]")
    assert not any(use.used_in.startswith("models.audit.") for use in uses.values())
    assert all(use.what_for for use in uses.values())


def test_a_judge_is_found_by_what_a_module_imports_and_not_by_a_name(tmp_path):
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "choose.py").write_text(
        '"""Chooses a fidelity."""\n'
        "from models import fidelity as meaning\nfrom models.fidelity import score as rate\n"
        'def by_module():\n    """Best first. More."""\n    return max([], key=meaning.score)\n'
        "def by_name():\n    return rate()\n"
        "def other(team):\n    return team.score() + score\n"
    )
    uses = audit.list_uses(root=tmp_path)
    assert [(use.judge, use.used_in, use.what_for) for use in uses] == [
        ("fidelity", "pipelines.choose.by_module", "Best first"),
        ("fidelity", "pipelines.choose.by_name", "Chooses a fidelity"),
    ]


# --- scores -------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tiny_base):
    tokens = reward.load_tokens(tiny_base)
    return reward.RewardModel(reward.untrained(tiny_base, None, tokens, seed=0), tokens)


def test_each_score_is_that_of_its_own_function(model):
    rows = [MANY[0], MANY[1], MANY[0]]
    scores = audit.score(rows, model)
    assert set(scores) == {"composite", "check", "tone", "fidelity", "reward"}
    assert scores["composite"][0] == scores["composite"][2]
    meanings = scoring.meaning([row.text for row in rows], [row.rewrite for row in rows])
    for place, (row, meaning) in enumerate(zip(rows, meanings, strict=True)):
        request = (row.text, row.rewrite, row.transform_type, row.intensity)
        assert scores["composite"][place] == pytest.approx(scoreboard.judge(*request, meaning), abs=1e-6)
        assert scores["reward"][place] == pytest.approx(model.score([row])[0], abs=1e-4)


def test_preferences_are_probabilities_of_the_reward_model_and_choices_of_the_others(model):
    def pair(chosen, rejected):
        return PreferencePair(
            text="Send me the report today, you idiot.",
            transform_type=TransformType.SOFTEN,
            intensity=2,
            chosen=chosen,
            rejected=rejected,
            chosen_version="v1",
            rejected_version="v2",
        )

    good, bad = "Could you please send me the report today?", "Sure! Here is a rewritten version."
    preferences = audit.prefer([pair(good, bad), pair(bad, good), pair(good, good)], model)
    assert preferences["composite"] == [1.0, 0.0, 0.5]
    first, swapped, same = preferences["reward"]
    assert first + swapped == pytest.approx(1, abs=1e-5)
    assert first != 0.5
    assert same == pytest.approx(0.5)


def test_an_llm_is_asked_for_both_orders(monkeypatch):
    with serve(
        lambda task: "1" if task.index("Could you") < task.index("today.\n</rewrite") else "2"
    ) as fake:
        monkeypatch.setenv("OPENAI_BASE_URL", fake.url)
        monkeypatch.setenv("OPENAI_API_KEY", "key")
        scores = audit.score(MANY[:2], llm="large")
        assert scores["large"] == [1.0, 1.0], "the rewrite is preferred to the message"
        assert len(fake.requests) == 4


# --- validity -----------------------------------------------------------------


def test_each_judge_is_measured_for_each_policy_by_labels_that_are_fresh_for_it():
    other = read_all(*["usable"] * 5, policy="others", system="rules", start=500, text="Fix it.")
    rows = [*MANY, *other]
    perfect = [float(row.label == "usable") for row in rows]
    results = {
        (each.judge, each.policy): each
        for each in audit.validate_all(rows, {"a": perfect, "b": perfect}, {"b": {MANY[0].text}})
    }
    assert results["a", "champion"].auc.mean == 1.0
    assert results["a", "champion"].refusal is None
    assert (results["b", "champion"].usable, results["b", "champion"].auc) == (0, None)
    assert results["b", "rules"].usable == 5, "it has not learned from these"


def test_the_rows_of_an_audit_are_all_of_the_current_policy_and_what_decides_of_the_others():
    few = read_all(*["usable"] * 20, *["wrong"] * 20, policy="few", system="few", start=300)
    older = read_all(*["usable"] * 70, *["wrong"] * 40, "timid", policy="old", system="old", start=400)
    unknown = read_all("usable", policy=None, system="script", start=900)
    rows = [*older, *few, *MANY, *unknown]
    chosen = audit.choose_rows(rows, "champion")
    assert [row.system for row in chosen].count("champion") == len(MANY)
    assert {row.label for row in chosen if row.system == "old"} == {"usable", "wrong"}
    assert not any(row.system in ("few", "script") for row in chosen)
    assert {row.system for row in audit.choose_rows(rows, "champion", 1)} == {"champion"}
    with pytest.raises(ValueError, match="no label names a policy of 'v9'"):
        audit.choose_rows(rows, "v9")


# --- labels that are needed ---------------------------------------------------


def test_the_number_of_labels_gives_the_interval():
    """The scores of judges with a known AUC have that spread."""
    number = audit.count_labels(0.85, 0.8, half_width=0.08)
    usable = round(number * 0.8)
    shift = float(norm.ppf(0.85)) * 2**0.5
    rng = np.random.default_rng(0)
    aucs = [
        (rng.normal(shift, 1, usable)[:, None] > rng.normal(0, 1, number - usable)).mean()
        for _ in range(2000)
    ]
    assert 1.96 * np.std(aucs) == pytest.approx(0.08, rel=0.1)


def test_fewer_labels_would_not_suffice():
    number = audit.count_labels(0.8, 0.8)
    assert number > audit.count_labels(0.8, 0.5) > audit.count_labels(0.95, 0.5)
    assert audit.count_labels(0.8, 0.8, half_width=0.06) < number
    assert audit.count_labels(0.99, 0.5, half_width=0.5) == 100, "what models.validity asks for"
    assert audit.count_labels(0.99, 0.95, half_width=0.5) == 200, "ten wrong ones"
    assert audit.count_labels(0.2, 0.8) == audit.count_labels(0.8, 0.8)
    with pytest.raises(ValueError, match=r"auc=1\.0"):
        audit.count_labels(1.0, 0.5)


# --- the verdict --------------------------------------------------------------


def conclude(scores, rows=MANY, calibrations=None, effects=(), fooled=(), preferences=None):
    validities = audit.validate_all(rows, {"judge": scores})
    [verdict] = audit.conclude(validities, calibrations or {}, effects, fooled, preferences or {}, rows)
    return verdict


def test_a_good_judge_may_be_used():
    scores = [0.9 if row.label == "usable" else 0.1 for row in MANY]
    rng = np.random.default_rng(0)
    chances = rng.random(500)
    verdict = conclude(
        scores,
        calibrations={"judge": calibration.measure(chances, rng.random(500) < chances)},
        effects=[effect("judge", -0.1, 0.1), effect("other", 0.5, 0.7)],
        fooled=[fool("judge", 0), fool("other", 20)],
        preferences={"judge": [0.9] * 40},
    )
    assert verdict.use == "It may train, choose and gate rewrites of champion."
    assert verdict.probability == "Its number may be read as a probability."
    assert "does not depend on length" in verdict.length
    assert verdict.probes.startswith("No kind of probe passes")
    assert "100% of people's choices" in verdict.beside_votes
    assert verdict.next_step == "The 120 labels suffice for an interval of +/- 0.05."


def test_a_bad_judge_may_not_and_each_sentence_says_why():
    rng = np.random.default_rng(1)
    verdict = conclude(
        rng.random(len(MANY)).tolist(),
        calibrations={"judge": calibration.measure([0.9] * 100, [False] * 100)},
        effects=[effect("judge", 0.2, 0.4)],
        fooled=[fool("judge", 15)],
        preferences={"judge": [0.9, 0.1] * 20},
    )
    assert "is not valid for rewrites by champion" in verdict.use
    assert verdict.probability.startswith("Do not read its number")
    assert "with more words it scores higher (rank correlation +0.30)" in verdict.length
    assert "repeated (75%)" in verdict.probes
    assert "may be chance" in verdict.beside_votes
    assert verdict.next_step.startswith("More labels will not help")


def test_an_unclear_judge_needs_a_number_of_labels():
    rng = np.random.default_rng(2)
    rows = read_all(*["usable"] * 80, *["wrong"] * 20, *["timid"] * 100)
    scores = [rng.normal(1.1 * (row.label == "usable")) for row in rows]
    verdict = conclude(scores, rows)
    assert "have about" in verdict.next_step
    needed, more = (int(word) for word in verdict.next_step.split() if word.isdigit() and word != "100")
    assert more == 2 * (needed - 100), "half of what is read is usable or wrong"
    assert (verdict.probability, verdict.probes, verdict.length) == ("Not measured.",) * 3


def test_without_enough_labels_it_says_how_many_are_missing():
    verdict = conclude([0.5] * 10, read_all(*["usable"] * 10))
    assert "until 100 are usable or wrong, and 10 of each; now there are 10 and 0" in verdict.next_step
    with pytest.raises(ValueError, match="have rewrites read"):
        conclude([0.5], read_all("timid"))


def test_the_verdicts_are_a_list_for_each_judge():
    text = audit.write_verdicts([conclude([0.5] * len(MANY)), conclude([0.5] * len(MANY))])
    assert text.count("**judge**") == 2
    assert text.count("\n- *") == 12


def effect(judge, low, high):
    partial = Estimate(mean=(low + high) / 2, low=low, high=high)
    return LengthEffect(judge, "words", partial, partial)


def fool(judge, higher):
    share = scoreboard.estimate_share(higher, 20)
    return probes.Fooled(judge, "repeated", 20, 0.5, 0.5, higher, 0, share)


def test_calibration_is_of_the_current_policy_and_of_scores_that_name_a_probability():
    other = read_all(*["usable"] * 30, policy="others", system="rules", start=500)
    rows = [*MANY, *other]
    scores = {name: [0.5] * len(rows) for name in ("composite", "check", "tone")}
    measured = audit.calibrate(rows, scores, "champion")
    assert set(measured) == {"composite", "tone"}
    [only] = measured["tone"].bins
    assert (only.cases, only.share) == (150, pytest.approx(80 / 150))
