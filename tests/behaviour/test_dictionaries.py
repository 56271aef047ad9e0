"""What a person reads when a dictionary has a part in it: the shipped writer, as the inference service calls
it, in English and Japanese.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from data.records import Spec, Term, TermRule, TransformType
from models import tagger
from serving.inference import replacements
from serving.inference.client import Item, Rewritten
from serving.inference.edits_engine import EditsEngine

ROOT = Path(__file__).parents[2]
PROMISE = "the share of requests that we promise to answer in time"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EditsEngine]:
    engine = EditsEngine(tagger.export(ROOT / "champion", tmp_path_factory.mktemp("shipped") / "version"))
    yield engine
    engine.close()


def keep(term: str) -> Term:
    return Term(term=term, rule=TermRule.KEEP)


def explain(term: str, wording: str) -> Term:
    return Term(term=term, rule=TermRule.EXPLAIN, wording=wording)


def say(wording: str, term: str) -> Term:
    return Term(term=term, rule=TermRule.REPLACE, wording=wording)


def rewrite(engine: EditsEngine, text: str, kind: str, intensity: int, *terms: Term) -> Rewritten:
    item = Item(text=text, transform_type=TransformType(kind), intensity=intensity, terms=terms)
    [rewritten] = replacements.generate(engine, Spec(version="v1", form="edits"), [item])
    return rewritten


@pytest.mark.parametrize(
    ("text", "kind", "intensity", "terms", "expected"),
    [
        ("Project Harsh is a mess again, stop breaking it.", "soften", 2, [keep("Project Harsh")],
         "Project Harsh is not in good shape again, could you stop breaking it?"),
        ("The stupid cache is stupid.", "soften", 1, [keep("stupid cache")],
         "The stupid cache is not a good idea."),
        ("Fix the damn-fast parser, damn it.", "soften", 2, [keep("damn-fast parser")],
         "Could you fix the damn-fast parser?"),
        ("The CRM is a joke. Clean it up by Friday, Anna.", "soften", 1,
         [say("Sales CRM", "CRM"), keep("is a joke")],
         "The Sales CRM is a joke. Please clean it up by Friday, Anna."),
        ("Honestly, iOS is slow. Fix it.", "soften", 2, [keep("iOS")],
         "iOS is unfortunately slow. Could you fix it?"),
        ("Our SLO is at risk.", "terminology", 1, [explain("SLO", PROMISE)],
         f"Our SLO ({PROMISE}) is at risk."),
        ("Our SLOs are at risk. The SLO-based alert fired, the SLO's owner left.", "terminology", 3,
         [explain("SLO", f"{PROMISE}.")],
         f"Our SLOs ({PROMISE}) are at risk. The SLO-based alert fired, the SLO's owner left."),
        ("Please deploy Falcon to the KPI board.", "terminology", 2,
         [explain("Falcon", "our new billing"), explain("KPI", "our weekly number")],
         "Please deploy Falcon (our new billing) to the KPI (our weekly number) board."),
        ("Please deploy Falcon, the SLO is at risk.", "background", 1,
         [explain("Falcon", "our new billing"), explain("SLO", "our promise")],
         "Please deploy Falcon (our new billing), the SLO (our promise) is at risk."),
        ("Users can't log in. Each user's session is lost. Fix it today.", "soften", 1,
         [say("customer", "user")],
         "Customers unfortunately can't log in. Each customer's session is lost. Please fix it today."),
        ("A user of the user story left.", "soften", 0, [say("agent", "user"), keep("user story")],
         "An agent of the user story left."),
        ("Confluence is down. Check Confluence now.", "soften", 2, [say("the wiki", "Confluence")],
         "I'm afraid the wiki is down. Could you check the wiki now?"),
        ("We need the export for every user by Friday. No salaries.", "requirements", 1,
         [say("agent", "user"), keep("export")],
         "Need: the export for every agent by Friday\nConstraint: No salaries"),
        ("@user please look at the user's PR.", "soften", 2, [say("customer", "user")],
         "@user please look at the customer's PR."),
        ("ユーザーがまた怒ってる。早く直して。", "soften", 1, [say("お客様", "ユーザー")],
         "お客様がまた怒っています。早く直してください。"),
        ("スーパーユーザーは無事。ユーザーに連絡して。", "soften", 1, [say("お客様", "ユーザー")],
         "スーパーユーザーは無事です。お客様に連絡してください。"),
        ("SLOが危ないので、隼の公開を延期します。", "terminology", 1,
         [explain("SLO", "応答時間の約束"), explain("隼", "新しい請求システム")],
         "SLO（応答時間の約束）が危ないので、隼（新しい請求システム）の公開を延期します。"),
        ("SLOが下がりました。金曜までに直してください。", "background", 1, [explain("SLO", "応答時間の約束")],
         "SLO（応答時間の約束）が下がりました。原因は書かれていません。金曜までに直してください。"),
        ("顧客に資料を送ってください。新規顧客は対象外です。", "structure", 1, [say("お客様", "顧客")],
         "・お客様に資料を送ってください。\n・新規顧客は対象外です。"),
        ("資料は、クソゲー部が見てます。早く送って。", "soften", 1, [keep("クソゲー部")],
         "資料は、クソゲー部が見ています。早く送ってください。"),
    ],
)  # fmt: skip
def test_a_person_reads(
    engine: EditsEngine, text: str, kind: str, intensity: int, terms: list[Term], expected: str
) -> None:
    rewritten = rewrite(engine, text, kind, intensity, *terms)
    assert rewritten.text == expected
    assert (rewritten.unchanged, rewritten.facts_missing) == (None, [])


@pytest.mark.parametrize(
    ("text", "terms", "code"),
    [
        ("Der User wartet, bitte bis Freitag reparieren.", [say("Kunde", "User")], "unchanged_language"),
        ("The SLO (our promise) holds.", [explain("SLO", "x")], "unchanged_no_term"),
    ],
)
@pytest.mark.parametrize("intensity", [1, 3])
def test_an_answer_that_is_the_message_says_why(
    engine: EditsEngine, text: str, terms: list[Term], code: str, intensity: int
) -> None:
    rewritten = rewrite(engine, text, "terminology", intensity, *terms)
    assert rewritten.text == text
    assert rewritten.unchanged is not None
    assert rewritten.unchanged.code == code


def test_at_no_intensity_is_another_language_touched(engine: EditsEngine) -> None:
    text = "Der User wartet, bitte bis Freitag reparieren."
    rewritten = rewrite(engine, text, "soften", 0, say("Kunde", "User"))
    assert (rewritten.text, rewritten.unchanged is None) == (text, False)


def test_a_points_list_that_would_lose_a_kept_term_is_not_made(engine: EditsEngine) -> None:
    text = "So What is late. So what."
    assert "So What" not in rewrite(engine, text, "structure", 1).text
    kept = rewrite(engine, text, "structure", 1, keep("So What"))
    assert (kept.text, kept.unchanged and kept.unchanged.code) == (text, "unchanged_not_kept")


def test_a_summary_names_the_kept_term_that_it_drops(engine: EditsEngine) -> None:
    text = "Sorry for the long mail, it was a day. Please send the report by Friday."
    summary = rewrite(engine, text, "summarize", 3, keep("long mail"))
    assert "long mail" not in summary.text
    assert summary.facts_missing == ["long mail"]
