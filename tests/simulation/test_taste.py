"""The taste of the simulated people: against readers' labels, and against faults of every kind."""

import json
import math
from pathlib import Path
from statistics import fmean

import pytest

from data.records import TransformType
from models.labels import estimate_auc, read_labels
from models.results import Estimate
from models.validity import LEAST_LABELS, Validity
from simulation.corrections import correct
from simulation.taste import BAR, WEIGHTS, Request, features, is_wrong, utility
from simulation.taste_report import (
    TasteReport,
    describe,
    is_held_out,
    like,
    measure_validity,
    thumb_up,
    write_page,
)

DOCS = Path(__file__).parents[2] / "docs"

# (fault, transform type, intensity, message, a faithful rewrite, the same with the fault)
FAULTS = [
    (
        "sense",
        "soften",
        2,
        "Never restart the billing worker while a run is open, Tobias. It took us two days to clean up.",
        "Tobias, could you please not restart the billing worker while a run is open? It took us two "
        "days to clean"
        " up.",
        "Tobias, could you please restart the billing worker while a run is open? It took us two "
        "days to clean up.",
    ),
    (
        "sense",
        "clarify",
        2,
        "We ship on Monday unless Petra finds something in the audit. Tell support.",
        "We ship on Monday unless Petra finds something in the audit (which audit: not stated). "
        "Please tell support.",
        "We ship on Monday if Petra finds something in the audit (which audit: not stated). Please "
        "tell support.",
    ),
    (
        "sense",
        "background",
        1,
        "Fill the tank before the inspection on Tuesday.",
        "Please fill the tank before the inspection on Tuesday. The reason is not stated.",
        "Please fill the tank after the inspection on Tuesday. The reason is not stated.",
    ),
    (
        "requests",
        "soften",
        2,
        "Your translation misses half a page. Send me the complete text by 4 pm, I need it for the printer.",
        "Half a page is missing in your translation. Could you please send me the complete text by 4 "
        "pm? I need it"
        " for the printer.",
        "Half a page is missing in your translation. The complete text was sent by 4 pm, and it is "
        "for the printer.",
    ),
    (
        "points",
        "summarize",
        2,
        "Hi all, I was at the workshop of the water board and met many nice people there. The pump "
        "on site 3 makes a"
        " strange noise again, as it did in spring. Please look at it before the weekend, Oskar, and "
        "tell me.",
        "The pump on site 3 makes a strange noise again. Oskar, please look at it before the weekend "
        "and tell me.",
        "The pump on site 3 makes a strange noise again, as it did in spring.",
    ),
    (
        "roles",
        "soften",
        2,
        "You forgot the gate keys, Irina, and I waited an hour in the rain. Bring them to me tomorrow.",
        "Irina, you forgot the gate keys and I waited an hour in the rain. Could you please bring "
        "them to me tomorrow?",
        "Irina, I forgot the gate keys and you waited an hour in the rain. Could I please bring them "
        "to you tomorrow?",
    ),
    (
        "nothing invented",
        "soften",
        3,
        "The slides are late again. Send them tonight.",
        "The slides are late again. Could you please send them tonight? Thank you.",
        "The slides are late again. I'm glad that the customer liked your talk. Could you please "
        "send them tonight?"
        " Thank you for the wonderful dinner.",
    ),
    (
        "nothing invented",
        "background",
        2,
        "The lab closes at 3 pm on 9 June.",
        "The lab closes at 3 pm on 9 June. The reason is not stated.",
        "The lab closes at 3 pm on 9 June because the customer complained about dirty windows near "
        "the parking lot.",
    ),
    (
        "facts",
        "structure",
        2,
        "Line 4 runs with 220 bottles a minute, line 7 stands since Tuesday. Marek repairs line 7.",
        "- Line 4: runs with 220 bottles a minute\n- Line 7: stands since Tuesday\n- Marek repairs line 7",
        "- Line 7: runs with 220 bottles a minute\n- Marek: stands since Tuesday\n- Repairs line 4",
    ),
    (
        "facts",
        "clarify",
        1,
        "order 8812 came with 40 chairs instead of 60, can someone call Jutta",
        "Order 8812 came with 40 chairs instead of 60. Can someone (who: not stated) call Jutta?",
        "The order came with fewer chairs than expected. Can someone (who: not stated) call?",
    ),
    (
        "whole",
        "clarify",
        1,
        "the badge thing at door 2 is odd again, someone should call Lars",
        "The badge reader at door 2 is odd again (what is wrong: not stated). Someone should call Lars.",
        "The badge reader at door 2 is odd again (what is wrong: not stated). Someone should call NAME.",
    ),
    (
        "changed",
        "soften",
        2,
        "This plan is nonsense. Write a new one by noon.",
        "I don't think this plan works, it looks like nonsense to me. Could you please write a new "
        "one by noon?",
        "This plan is nonsense. Write a new one by noon. Thank you.",
    ),
    (
        "sense",
        "soften",
        2,
        "佐野さん、検証が終わるまで本番に出さないでください。昨日も言いました。",
        "佐野さん、昨日もお伝えしましたが、検証が終わるまで本番に出さないでいただけますか。",
        "佐野さん、昨日もお伝えしましたが、検証が終わったので本番に出していただけますか。",
    ),
    (
        "requests",
        "summarize",
        2,
        "お疲れさまです。先週の展示会は天気もよく、盛況でした。荷物が倉庫に残っているので、"
        "木曜までに引き取ってください。",
        "荷物が倉庫に残っているので、木曜までに引き取ってください。",
        "荷物が倉庫に残っていて、木曜に届きました。",
    ),
    (
        "facts",
        "soften",
        2,
        "見積もり、320万円って聞いてないです。4月12日までに岡田さんに説明して。",
        "見積もりが320万円になることは聞いていませんでした。4月12日までに岡田さんにご説明いただけますか。",
        "見積もりが高くなることは聞いていませんでした。早めにご説明いただけますか。",
    ),
    (
        "nothing invented",
        "background",
        2,
        "第2会議室は今週使えません。",
        "第2会議室は今週使えません。理由は記載がありません。",
        "第2会議室は今週使えません。社長の指示で壁紙を交換し、新型プロジェクターを導入するためです。",
    ),
    (
        "whole",
        "clarify",
        1,
        "あの件、山口さんに早めに回しておいて。",
        "あの件（件名は記載なし）を、早めに山口さんに回しておいてください。",
        "Please forward the matter to Yamaguchi as soon as possible.",
    ),
]


@pytest.mark.parametrize(("fault", "kind", "intensity", "text", "faithful", "faulty"), FAULTS)
def test_a_fault_is_seen_and_costs_the_thumb(
    fault: str, kind: str, intensity: int, text: str, faithful: str, faulty: str
) -> None:
    request = Request(text, TransformType(kind), intensity)
    assert utility(WEIGHTS, request, faithful) > BAR
    assert utility(WEIGHTS, request, faulty) < BAR
    assert features(request, faithful)[fault] > features(request, faulty)[fault]
    assert not is_wrong(request, faithful)
    assert is_wrong(request, faulty) == (fault != "changed"), "a copy is timid and not wrong"


@pytest.mark.parametrize(("fault", "kind", "intensity", "text", "faithful", "faulty"), FAULTS)
def test_nobody_corrects_a_wrong_rewrite_into_another(
    fault: str, kind: str, intensity: int, text: str, faithful: str, faulty: str
) -> None:
    request = Request(text, TransformType(kind), intensity)
    corrected = correct(request, faulty)
    assert not is_wrong(request, corrected)
    assert utility(WEIGHTS, request, corrected) >= utility(WEIGHTS, request, faulty)
    assert correct(request, corrected) == corrected


def test_people_like_usable_rewrites_better_than_wrong_ones() -> None:
    """By the labels of the messages that the taste was not set with. The former taste had .43."""
    rows = [row for row in read_labels() if is_held_out(row.message)]
    likings = {row.id: like(row) for row in rows}
    usable = [likings[row.id] for row in rows if row.label == "usable"]
    wrong = [likings[row.id] for row in rows if row.label == "wrong"]
    assert (len(usable), len(wrong)) == (112, 151)
    assert estimate_auc(usable, wrong).mean >= 0.85
    assert fmean(map(thumb_up, usable)) > 0.65
    assert fmean(map(thumb_up, wrong)) < 0.2
    for system in ("policy", "rules", "uncopied"):
        theirs = [likings[row.id] for row in rows if (row.label, row.system) == ("wrong", system)]
        assert fmean(theirs) < fmean(usable) - 0.2, system
    by_rules = [likings[row.id] for row in rows if (row.label, row.system) == ("usable", "rules")]
    assert fmean(by_rules) > fmean(
        likings[row.id] for row in rows if (row.label, row.system) == ("wrong", "rules")
    )


def test_the_page_shows_the_raw_figures() -> None:
    raw = json.loads((DOCS / "results" / "taste.json").read_text(encoding="utf-8"))
    held_out, in_sight = (TasteReport.model_validate(raw[half]) for half in ("held_out", "in_sight"))
    champion = measure_validity()
    assert Validity.model_validate(raw["champion"]) == champion, "run python -m simulation.taste_report"
    assert (DOCS / "taste.md").read_text(encoding="utf-8") == write_page(held_out, in_sight, champion)
    rows = [row for row in read_labels() if is_held_out(row.message)]
    for label in ("usable", "wrong"):
        number, share = held_out.thumbs_up["all"][label]
        ups = [thumb_up(like(row)) for row in rows if row.label == label]
        assert (len(ups), fmean(ups)) == (number, pytest.approx(share)), (
            "run python -m simulation.taste_report"
        )


def test_the_page_says_how_valid_the_taste_is_on_the_champions_labels() -> None:
    """With few labels the taste is refused, as every judge is; a valid one is called valid."""
    page = " ".join((DOCS / "taste.md").read_text(encoding="utf-8").split())
    champion = measure_validity()
    assert champion.usable + champion.wrong >= LEAST_LABELS
    assert str(champion.refusal) in page
    assert f"probability {champion.auc.mean:.2f}, between {champion.auc.low:.2f} and" in page
    valid = champion.model_copy(update={"auc": Estimate(mean=0.9, low=0.85, high=0.95)})
    assert "is a valid judge of the champion's rewrites: its AUC is 0.900" in describe(valid)


def test_half_of_the_people_give_a_thumb_up_at_the_bar() -> None:
    assert thumb_up(BAR) == 0.5
    assert thumb_up(BAR + 0.05) == pytest.approx(1 / (1 + math.exp(-1)))
