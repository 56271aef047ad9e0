import re

from data.reasons import catalogue, reason
from data.snapshots import snapshot
from models import card
from models.evaluation import SHOWN
from models.results import Estimate, Evaluation, Verdict
from models.scoreboard import Scores
from tests.snapshots import TEACHER

ONE = Estimate(mean=0.7, low=0.6, high=0.8)
WORSE = reason("gate_composite", mean=-0.1, low=-0.12, high=-0.08)
EVERY = dict.fromkeys(Scores.model_fields, ONE)


def found(accepted, notes=()):
    challenger = {**EVERY, "monotone": ONE, "obeyed": ONE}
    return Evaluation(
        cases=168,
        systems={"challenger": challenger, "first_champion_protected": EVERY, "reference": EVERY},
        by_type={"challenger": {"soften": EVERY}},
        move_by_intensity={"challenger": {str(i): ONE for i in range(4)}},
        win_rate=None,
        verdict=Verdict(accepted=accepted, reasons=() if accepted else (WORSE,), notes=notes),
    )


def test_a_card_says_what_it_was_made_from_and_what_it_was_measured_at(tmp_path):
    origin = card.Origin(
        run="ab12", base="smollm2-135m", method="dpo", parent="v1", snapshot="cd34", counts={"pairs": 131}
    )
    card.write(tmp_path, origin, found(accepted=True))
    text = (tmp_path / "README.md").read_text()
    for phrase in (
        "ab12",
        "smollm2-135m",
        "dpo",
        "v1",
        "snapshot cd34 (131 pairs)",
        "168 held-out",
        "Accepted.",
    ):
        assert phrase in text
    rows = [line for line in text.splitlines() if line.startswith("| challenger")]
    assert rows[0].count("0.70 (0.60 to 0.80)") == 10
    assert "2.01 (1.82 to 2.23)" in rows[0], "perplexity, not its logarithm"
    reference = next(line for line in text.splitlines() if line.startswith("| written by hand"))
    assert reference.count("|") == rows[0].count("|"), "what was not measured is left empty"


def test_a_teacher_and_its_licence_are_on_the_card():
    origin = card.Origin(
        run="ab12", base="b", method="sft", parent=None, snapshot=None, counts={}, teachers=(TEACHER,)
    )
    data = (
        "the seed corpus; rewrites by the language model `large` at 127.0.0.1, not by people; their licence:"
    )
    assert f"{data} Licence of a test |" in card.card(origin, found(accepted=True), "en")
    assert "ライセンス：Licence of a test" in card.card(origin, found(accepted=True), "ja")


def test_a_rejected_version_says_why():
    origin = card.Origin(run="ab12", base="b", method="sft", parent=None, snapshot=None, counts={})
    text = card.card(origin, found(accepted=False), "en")
    assert "Rejected. It is worse than the champion beyond noise: the composite changes by -0.100" in text
    assert "the bare base" in text


def test_a_judge_that_was_left_out_is_named_beside_the_verdict():
    origin = card.Origin(run="ab12", base="b", method="sft", parent=None, snapshot=None, counts={})
    note = reason("judge_unmeasured", judge="composite", policy="v1", usable=2, wrong=130, least=100, each=10)
    gate = "Accepted. The judge composite is not valid for rewrites by v1: readers labelled 2 of them usable"
    assert gate in card.card(origin, found(accepted=True, notes=(note,)), "en")
    assert "「使える」とした書き換えは 2 件" in card.card(origin, found(accepted=True, notes=(note,)), "ja")


def test_a_version_folder_has_a_japanese_card_too(tmp_path):
    origin = card.Origin(
        run="ab12", base="smollm2-135m", method="dpo", parent=None, snapshot="cd34", counts={"pairs": 131}
    )
    card.write(tmp_path, origin, found(accepted=False))
    text = (tmp_path / "README.ja.md").read_text()
    assert "不合格。チャンピオンより明らかに悪い結果です。" in text
    assert "シードコーパスとスナップショット cd34（ペア 131 件）" in text
    assert "| 学習前のベースモデル |" in text
    allowed = "ToneBridge|smollm2-135m|ab12|cd34|dpo|docstring|`[^`]*`"
    assert re.findall("[A-Za-z]{2,}", re.sub(allowed, "", text)) == []


def test_every_count_of_a_snapshot_and_every_system_has_a_japanese_name():
    kinds = [*snapshot._EXTRA_COUNTS, "votes", "people", "votes_erased"]
    kinds += [
        name + suffix for name in ("demonstrations", "pairs", "labels") for suffix in ("", "_validation")
    ]
    systems = ["copy_input", "rules", "reference"]
    systems += [name + suffix for name in ("challenger", "champion") for suffix in ("", "_protected")]
    assert [term for term in [*kinds, *systems, *SHOWN] if term not in catalogue()["terms"]] == []


SHIPPED = card.ShippedOrigin(
    weights="a" * 32,
    rules="b" * 32,
    commands=("python -m pipelines.champion configs/champion.yaml",),
    messages=1113,
    held_out=104,
    parts=4448,
    edits=7000,
    cuts=90,
    derived_cuts=35,
    shares={"role": 0.755, "need": 0.78, "cut": 0.81, "edit": 0.9, "edit_accepted": 0.93},
)


def test_the_card_of_the_shipped_tagger_says_how_to_make_it_and_what_it_cannot_do():
    text = card.shipped(SHIPPED, found(accepted=True), "en")
    for phrase in (
        f"blake2b `{'a' * 32}`; rules `{'b' * 32}`",
        "`python -m pipelines.champion configs/champion.yaml`",
        "4448 labelled parts, 7000 labelled edits and 90 labelled cuts of 1113 messages",
        "and 35 cuts derived from labelled parts; 104 of the messages were held out",
        "roles 75.5%, kinds of requirement 78.0%, cuts of summaries 81.0%, edits 90.0%, accepted edits 93.0%",
        "168 held-out messages",
        "Accepted.",
        "Apache-2.0",
        "some messages come back unchanged",
    ):
        assert phrase in text
    assert "frame.json" not in text, "it reads no prompt"


def test_the_bare_base_is_called_so_and_no_champion():
    evaluation = found(accepted=True)
    evaluation = evaluation.model_copy(update={"systems": {**evaluation.systems, "champion": EVERY}})
    first = card.Origin(run="ab12", base="b", method="sft", parent=None, snapshot=None, counts={})
    for text in (card.shipped(SHIPPED, evaluation, "en"), card.card(first, evaluation, "en")):
        assert "| the bare base | 0.70" in text
        assert "| champion |" not in text
    later = first.model_copy(update={"parent": "v1"})
    assert "| champion | 0.70" in card.card(later, evaluation, "en")


def test_the_card_of_the_shipped_tagger_is_in_japanese_too():
    text = card.shipped(SHIPPED, found(accepted=True), "ja")
    assert "| 学習前のベースモデル |" in text
    assert "役割 75.5%" in text
    allowed = "ToneBridge|blake2b|MiniLM|docstring|`[^`]*`"
    assert re.findall("[A-Za-z]{2,}", re.sub(allowed, "", text)) == []
