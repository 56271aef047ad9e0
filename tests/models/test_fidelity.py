import random
import subprocess
import sys

import pytest
from sklearn.metrics import roc_auc_score

from data.records import TransformType
from models import fidelity, fidelity_report
from models.fidelity import check, score
from models.fidelity_report import DAMAGES, damage, measure_damage, read_edits, read_labelled

SOFTEN, CLARIFY, STRUCTURE, SUMMARIZE = (
    TransformType.SOFTEN,
    TransformType.CLARIFY,
    TransformType.STRUCTURE,
    TransformType.SUMMARIZE,
)
BACKGROUND, TERMINOLOGY, REQUIREMENTS = (
    TransformType.BACKGROUND,
    TransformType.TERMINOLOGY,
    TransformType.REQUIREMENTS,
)

FAITHFUL = [
    ("Send me the Q3 numbers today.", "Could you please send me the Q3 numbers today?", SOFTEN),
    ("Do not restart the job before Lena has checked the table.",
     "Please don't restart the job until Lena has checked the table.", SOFTEN),
    ("First we export the list, then Priya checks it, then it goes to the bank.",
     "1. We export the list.\n2. Priya checks it.\n3. It goes to the bank.", STRUCTURE),
    ("We need the export as CSV by Friday, but without salaries.",
     "Need: the export as CSV.\nDeadline: Friday.\nConstraint: without salaries.", REQUIREMENTS),
    ("We're moving the release to 12 June.",
     "We're moving the release to 12 June. The reason for the move is not stated.", BACKGROUND),
    ("The VPN drops when the DHCP lease renews.",
     "The VPN (the secure connection to the office) drops when the DHCP lease renews.", TERMINOLOGY),
    ("The printer on floor 4 is broken again, I called facilities, they come on Tuesday, use the one on 5.",
     "The printer on floor 4 is broken until facilities come on Tuesday, use the one on 5.", SUMMARIZE),
    ("17時までに設定を戻してください。", "お手数ですが、17時までに設定を戻していただけますか。", SOFTEN),
    ("金曜までにデプロイしないでください。", "金曜まではデプロイしないようお願いします。", SOFTEN),
    ("鍵は棚に戻っていました。温度は記録なしです。", "・鍵：棚に戻っていました\n・温度：記録なし", STRUCTURE),
]  # fmt: skip

FAULTY = [
    ("broken", "The budget is 40,000 for both teams.",
     "The budget is 40,000 for both teams and the", CLARIFY),
    ("broken", "Please call NovaTel before noon.", "Please call NAME before noon.", CLARIFY),
    ("broken", "The deploy failed at step 4.", "- The deploy failed\n" * 6, STRUCTURE),
    ("broken", "明日の会議は10時からです。", "The meeting of the day is the day of the meeting.", SOFTEN),
    ("broken", "Fix the login page.", "Here is a softer version: please fix the login page.", SOFTEN),
    ("broken", "Fix the login page.", "", SOFTEN),
    ("copied", "Send me the Q3 numbers.", "Please send me the Q3 numbers. Thanks!", SOFTEN),
    ("copied", "17時までに設定を戻してください。", "17時までに設定を戻してください。", SOFTEN),
    ("request", "Could you restart the mail server before noon?",
     "The mail server restarted before noon.", SOFTEN),
    ("request", "The tests fail on main.", "The tests fail on main. Please tell me your opinion.", SOFTEN),
    ("request", "17時までに設定を戻してください。", "17時までに設定を戻しました。", SOFTEN),
    ("reversal", "Do not restart the job on Monday.", "Please restart the job on Monday.", SOFTEN),
    ("reversal", "The invoice is paid.", "Unfortunately the invoice isn't paid.", SOFTEN),
    ("reversal", "Save the file before the update.", "Please save the file after the update.", SOFTEN),
    ("reversal", "今日はデプロイしないでください。", "今日はデプロイしてください。", SOFTEN),
    ("reversal", "予約データは消えていません。", "予約データは消えています。", CLARIFY),
    ("roles", "You deleted the customer rows.", "I'm afraid I deleted the customer rows.", SOFTEN),
    ("roles", "Send me the signed contract today.", "I'll send you the signed contract today.", SOFTEN),
    ("roles", "May I ask you for the minutes?", "Please ask me for the minutes?", SOFTEN),
    ("facts", "Ana pays 300 for the hall, Ben pays 90 for the music.",
     "Ana pays 90 for the hall, Ben pays 300 for the music.", STRUCTURE),
    ("facts", "The export runs at 10:15.", "The export runs in the morning.", CLARIFY),
    ("facts", "The export runs in the morning.", "The export runs at 10:15 in the morning.", CLARIFY),
    ("facts", "佐藤さんは東京へ、鈴木さんは大阪へ行きます。",
     "鈴木さんは東京へ、佐藤さんは大阪へ行きます。", STRUCTURE),
    ("invention", "We're moving the release to 12 June.",
     "We're moving the release to 12 June because customers complained about quality.", BACKGROUND),
    ("invention", "The file server is down.", "Sorry for the file server, it is down.", SOFTEN),
    ("invention", "The file server is down.",
     "The file server is down. Thank you for your hard work.", SOFTEN),
    ("invention", "キャラの色を元に戻します。",
     "キャラの色を元に戻します。お客様から苦情が二件あったためです。", BACKGROUND),
    ("loss", "Take the old pump apart until Rosa has ordered the seals.",
     "Please take the old pump apart. Rosa has ordered the seals.", CLARIFY),
    ("loss", "The sign is for the back entrance. Nothing may be screwed into the wall. Visitors ring there.",
     "Need: the sign for the back entrance.", REQUIREMENTS),
    ("loss", "部品は来週届きます。扇風機は総務で借りられます。台数を連絡してください。",
     "台数を連絡してください。", REQUIREMENTS),
]  # fmt: skip


@pytest.mark.parametrize(("text", "rewrite", "transform_type"), FAITHFUL)
def test_a_faithful_rewrite_has_no_fault(text: str, rewrite: str, transform_type: TransformType) -> None:
    assert check(text, rewrite, transform_type, 2) == ()
    assert score(text, rewrite, transform_type, 2) == 1.0


@pytest.mark.parametrize(("kind", "text", "rewrite", "transform_type"), FAULTY)
def test_a_fault_is_found(kind: str, text: str, rewrite: str, transform_type: TransformType) -> None:
    assert kind in {fault.kind for fault in check(text, rewrite, transform_type, 2)}
    assert score(text, rewrite, transform_type, 2) <= 0.5


@pytest.mark.parametrize("kind", ["broken", "copied", "reversal"])
def test_a_broken_copied_or_reversed_rewrite_scores_nothing(kind: str) -> None:
    cases = [case for case in FAULTY if case[0] == kind]
    assert {score(text, rewrite, transform_type, 2) for _, text, rewrite, transform_type in cases} == {0.0}


def test_at_intensity_0_a_copy_is_what_was_asked_for() -> None:
    assert score("Ok for me.", "Ok for me.", SOFTEN, 0) == 1.0
    assert score("Ok for me.", "Ok for me.", SOFTEN, 1) == 0.0


def test_sentences_on_lines_of_their_own_are_no_copy() -> None:
    assert check("It is red. It is late.", "- It is red.\n- It is late.", STRUCTURE, 1) == ()


def test_a_second_fault_lowers_the_score() -> None:
    text = "Send me the contract of order 4711 today."
    lost = "Please send me the contract of the order today."
    assert score(text, f"{lost} Thank you for the flowers.", SOFTEN, 2) < score(text, lost, SOFTEN, 2) < 1


def test_empty_texts_are_read() -> None:
    assert [fault.kind for fault in check("", "", SOFTEN, 1)] == ["broken"]
    assert score("", "Please send it.", SOFTEN, 1) >= 0


def test_every_kind_of_fault_has_a_case_here() -> None:
    assert {kind for kind, *_ in FAULTY} == set(fidelity.KINDS)


def test_serving_loads_nothing_heavy_with_it() -> None:
    code = "import sys, models.fidelity; print({'numpy', 'torch', 'scipy', 'sklearn'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


# What readers said about the half of the messages that the rules were not written on


def test_readers_agree_with_the_score_on_messages_that_it_was_not_written_on() -> None:
    rows = read_labelled(first_half=False)
    scores = [score(row.text, row.rewrite, row.transform_type, row.intensity) for row in rows]
    judged = [i for i, row in enumerate(rows) if row.label in ("usable", "wrong")]
    usable = [rows[i].label == "usable" for i in judged]
    assert roc_auc_score(usable, [scores[i] for i in judged]) >= 0.8
    broken = [value for row, value in zip(rows, scores, strict=True) if row.label == "broken"]
    assert sum(broken) / len(broken) <= 0.1


def test_the_halves_share_no_message() -> None:
    first, second = ({row.message for row in read_labelled(first_half=half)} for half in (True, False))
    assert first.isdisjoint(second)
    assert min(len(first), len(second)) > 80


def test_few_rewrites_that_a_reader_accepted_have_a_fault() -> None:
    counts = fidelity_report.count_faults(read_edits(first_half=False))
    assert counts["with_a_fault"] <= 0.17


def test_damage_is_found() -> None:
    edits = read_edits(first_half=False)
    rates = measure_damage([pair for pair in edits if not fidelity_report.is_japanese(pair.text)][::3])
    least = {
        "negation dropped": 0.5,
        "negation added": 0.35,
        "persons exchanged": 0.65,
        "facts exchanged": 0.55,
        "request made a statement": 0.55,
        "reason invented": 0.85,
        "sentence dropped": 0.8,
    }
    assert set(least) == set(DAMAGES) == set(rates)
    assert {kind: rate for kind, rate in rates.items() if rate["found"] < least[kind]} == {}


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_seldom_raises_the_score(kind: fidelity_report.Damage) -> None:
    rng = random.Random(0)
    raised = total = 0
    for pair in read_edits(first_half=False)[::3]:
        damaged = damage(pair.rewrite, kind, rng)
        if damaged is not None and damaged != pair.rewrite:
            total += 1
            raised += score(*pair._replace(rewrite=damaged)) > score(*pair)
    assert total > 50
    assert raised <= 0.02 * total
