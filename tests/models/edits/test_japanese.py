import json
from pathlib import Path

import pytest

from data.records import TransformType
from models import facts, languages
from models.edits import japanese, script
from tests.edits import growth

_SEED = Path(__file__).parents[3] / "data/seed"
_MESSAGES = [
    json.loads(line)["text"]
    for path in [_SEED / "edits/japanese.jsonl", *sorted((_SEED / "japanese").glob("*.jsonl"))]
    for line in path.read_text("utf-8").splitlines()
]
_EDITED = (
    TransformType.SOFTEN,
    TransformType.CLARIFY,
    TransformType.TERMINOLOGY,
    TransformType.BACKGROUND,
    TransformType.SUMMARIZE,
)


def _soften(message: str, intensity: int) -> str | None:
    return japanese.rewrite(message, TransformType.SOFTEN, intensity)


def test_an_order_becomes_a_request_that_is_more_polite_with_the_intensity():
    assert _soften("使い終わったら事務所に戻せ。", 1) == "使い終わったら事務所に戻してください。"
    assert (
        _soften("使い終わったら事務所に戻せ。", 2)
        == "お手数ですが、使い終わったら事務所に戻していただけますか。"
    )
    assert _soften("明日の朝までに見て。", 3) == (
        "恐れ入りますが、明日の朝までに見ていただけますでしょうか。よろしくお願いいたします。"
    )


@pytest.mark.parametrize(
    ("message", "softened"),
    [
        ("住所は出すな。", "住所は出さないでください。"),
        ("勝手に帰るなよ。", "確認なしに帰らないでください。"),
        ("適当に書くな。", "適当に書かないでください。"),
        ("二階には来るな。", "二階には来ないでください。"),
    ],
)
def test_a_ban_stays_a_ban(message, softened):
    assert _soften(message, 1) == softened


@pytest.mark.parametrize(
    "message", ["体調を崩して。", "電車が遅延して。", "明日は欠席って。", "まだ届いてなくて。"]
)
def test_a_te_form_that_is_no_request_does_not_become_one(message):
    for intensity in (1, 2, 3):
        assert "ください" not in (_soften(message, intensity) or "")
        assert "いただけ" not in (_soften(message, intensity) or "")


@pytest.mark.parametrize(
    ("message", "softened"),
    [
        ("宛名を直して再送。", "宛名を直して再送してください。"),
        ("添付を開いて確認。", "添付を開いて確認してください。"),
        ("夜までに書き直して提出。", "夜までに書き直して提出してください。"),
    ],
)
def test_a_bare_deed_after_a_te_form_is_an_order(message, softened):
    assert _soften(message, 1) == softened
    assert "いただけ" in (_soften(message, 3) or "")


@pytest.mark.parametrize(
    "message",
    [
        "昨日こちらで宛名を直して再送。",
        "田中さんが直して再送。",
        "通信が遅れて再送。",
        "書類として提出。",
        "メールにて提出。",
        "その後に再送。",
    ],
)
def test_a_bare_deed_that_is_told_is_neither_an_order_nor_a_state(message):
    softened = _soften(message, 2) or ""
    assert "ください" not in softened
    assert "いただけ" not in softened
    assert not any(f"{deed}です" in softened for deed in ("再送", "提出"))


@pytest.mark.parametrize(
    ("message", "intensity", "softened"),
    [
        ("勝手に設計を変更しましたよね。", 1, "確認なしに設計を変更したようです。"),
        ("勝手に設計を変更しましたよね。", 2, "確認なしに設計を変更されたようです。"),
        ("黙って設計を変更しましたよね。", 3, "確認なしに設計を変更されたのではないかと思います。"),
        ("無断で棚を動かしましたよね？", 2, "確認なしに棚を動かしたのでしょうか？"),
        ("日報の提出、また遅刻ですか。", 1, "日報の提出、今回も遅刻でしょうか。"),
        (
            "週報、また白紙ですか。困ります。",
            2,
            "今回も白紙となっているようです。何か事情があるのでしょうか。",
        ),
        ("何回修正させるんですか。", 1, "何度か修正が続いています。"),
        ("手順書を読んでないんですか。", 2, "手順書を読んでいないようですが、いかがでしょうか。"),
        ("出荷する前に気づいてくださいよ。", 1, "出荷する前に気づけるよう、ご確認をお願いします。"),
        ("まだ読んでいないだけでしょう。", 2, "まだ読んでいないのではないかと思います。"),
        ("型番が間違ってますよ。", 2, "型番が間違っているようです。"),
        ("一覧を見れば済む話です。", 2, "一覧を見れば対応できるかと思います。"),
    ],
)
def test_blame_becomes_a_guess_or_a_question_for_the_reason(message, intensity, softened):
    assert softened in (_soften(message, intensity) or "")


@pytest.mark.parametrize(
    "message", ["私が勝手に変更しましたよね。", "会議はまた月曜ですか。", "届いていないんですか。"]
)
def test_a_confirmation_or_a_plain_question_is_no_blame(message):
    softened = _soften(message, 2) or ""
    assert "ようです" not in softened


def test_plain_ends_become_polite_ones_throughout_the_message():
    message = "伝票番号7731、宛先間違ってる。出荷止めて。出したら困る。"
    assert (
        _soften(message, 1) == "伝票番号7731、宛先が間違っています。出荷を止めてください。出したら困ります。"
    )


def test_blame_becomes_a_question_for_the_reason():
    assert _soften("なんで確認しないの？", 2) == "確認しない理由を教えていただけますか？"
    assert "何度かお伝えしています" in (
        _soften("テスト通してからプッシュしろって何回言えばわかるの。", 2) or ""
    )


def test_a_memory_of_an_order_does_not_become_a_guess():
    for intensity in (1, 2, 3):
        assert "やっていただくようお伝えして" in (_soften("今日中にやれって言っただろ。", intensity) or "")


def test_words_of_anger_go_and_the_request_stays():
    softened = _soften("ふざけるな。今日の17時までに直して。", 1)
    assert softened == "困っています。今日の17時までに直してください。"


def test_a_vague_pointer_gets_a_note_and_a_known_one_does_not():
    clarified = japanese.rewrite("例の件、なるはやでお願い。", TransformType.CLARIFY, 2)
    assert (
        clarified
        == "例の件（どの件かは書かれていません）、できるだけ早く（いつまでにかは書かれていません）お願い。"
    )
    assert japanese.rewrite("5月10日の会議は10時からです。", TransformType.CLARIFY, 3) is None


def test_a_deadline_that_is_there_is_not_called_missing():
    assert "いつまでに" not in (japanese.rewrite("明日までに直して。", TransformType.CLARIFY, 3) or "")
    assert "期限" not in (japanese.rewrite("明日までに直して。", TransformType.BACKGROUND, 3) or "")


def test_a_missing_reason_is_noted_and_a_given_one_is_not():
    noted = japanese.rewrite("遠足は12日に延期になりました。", TransformType.BACKGROUND, 1)
    assert noted == "遠足は12日に延期になりました。延期の理由は書かれていません。"
    given = japanese.rewrite("大雨のため、遠足は12日に延期になりました。", TransformType.BACKGROUND, 3)
    assert "理由" not in (given or "")


def test_the_most_special_term_is_explained_first_and_then_all():
    message = "支払サイトは30日、検収は今週です。"
    first = japanese.rewrite(message, TransformType.TERMINOLOGY, 1)
    assert first == "支払サイト（締め日から支払日までの期間）は30日、検収は今週です。"
    assert (japanese.rewrite(message, TransformType.TERMINOLOGY, 2) or "").count("（") == 2


@pytest.mark.parametrize(
    "message",
    [
        "DB01を再起動します。",
        "PO-5518の件です。",
        "SLA（稼働率の約束）は99.9%です。",
        "特権を持つ人の棚卸をします。",
        "すぐ切り戻してください。",
    ],
)
def test_a_term_inside_another_word_or_of_another_meaning_is_not_explained(message):
    assert japanese.rewrite(message, TransformType.TERMINOLOGY, 3) is None


def test_structure_keeps_the_order_and_labels_the_parts():
    message = "203号室の内見は土曜の午前10時に変更となりました。鍵は管理会社で受け取ってください。"
    assert japanese.rewrite(message, TransformType.STRUCTURE, 2) == (
        "決定：203号室の内見は土曜の午前10時に変更となりました\nお願い：鍵は管理会社で受け取ってください"
    )


def test_steps_are_numbered_in_their_order():
    message = "まずサーバーを止めて、次にバックアップを取って、最後に更新してください。"
    assert japanese.rewrite(message, TransformType.STRUCTURE, 1) == (
        "1. まずサーバーを止めて\n2. 次にバックアップを取って\n3. 最後に更新してください。"
    )


def test_requirements_sort_needs_limits_and_open_questions():
    message = (
        "売上をCSVで出したいです。個人情報は入れないでください。"
        "文字コードは未定です。金曜までに確認してください。"
    )
    assert japanese.rewrite(message, TransformType.REQUIREMENTS, 2) == (
        "必要：\n・売上をCSVで出したい\n・金曜までに確認する\n制約：\n・個人情報は入れない\n未定：\n・文字コードは未定"
    )


def test_a_part_stays_with_what_it_points_to_and_takes_the_label_that_asks():
    message = "倉庫の鍵を木曜に借ります。資料は水曜までに送ってください。それまでは社外に見せません。"
    assert japanese.rewrite(message, TransformType.STRUCTURE, 2) == (
        "状況：倉庫の鍵を木曜に借ります\nお願い：資料は水曜までに送ってください。それまでは社外に見せません。"
    )
    message = "部数を増やせるか教えてください。だめなら自分で刷ります。紙は足りています。"
    assert "・部数を増やせるか教えてください。だめなら自分で刷ります。" in (
        japanese.rewrite(message, TransformType.STRUCTURE, 1) or ""
    )


def test_clauses_that_point_back_are_not_torn_off():
    message = (
        "録画があれば足りるんですが、それを誰に聞けばよいか分からなくて、"
        "窓口の人にも聞けて、名前だけ控えてあります。"
    )
    lines = (japanese.rewrite(message, TransformType.STRUCTURE, 1) or "").splitlines()
    assert not any(line.startswith("・それ") for line in lines)


def test_a_word_that_only_adds_does_not_join_two_parts():
    message = "鍵は棚にあります。それから、日報を書いてください。その他の連絡はありません。"
    assert (japanese.rewrite(message, TransformType.STRUCTURE, 1) or "").count("・") == 3


def test_an_opinion_gets_the_weakest_label():
    message = "私は二案目がいいと思いますが、承認がないと発注できません。写真は使えません。"
    assert japanese.rewrite(message, TransformType.STRUCTURE, 2) == (
        "状況：私は二案目がいいと思いますが、承認がないと発注できません\n注意：写真は使えません"
    )


def test_requirements_keep_a_reference_to_earlier_times_in_place():
    message = "7月から受付の順番が変わります。これまでは名簿の順でした。申込書を出してください。"
    assert "変わります。これまでは名簿の順でした" in (
        japanese.rewrite(message, TransformType.REQUIREMENTS, 1) or ""
    )


def test_requirements_know_what_is_short_and_what_is_still_to_be_agreed():
    message = "研修は5月9日にやる。台車は4台しかない。会場の色はこれから相談です。"
    assert japanese.rewrite(message, TransformType.REQUIREMENTS, 1) == (
        "制約：台車は4台しかない\n予定：研修は5月9日にやる\n未定：会場の色はこれから相談です"
    )


def test_a_request_without_room_for_an_opener_gets_a_close():
    softened = _soften("急な話ですが、木曜までに図面を送ってください。", 2)
    assert (
        softened == "急な話ですが、木曜までに図面を送っていただけると助かります。よろしくお願いいたします。"
    )
    last = "急な話ですが、木曜までに図面を送ってください。図面は青い棚にあります。"
    assert "よろしく" not in (_soften(last, 2) or "")
    assert "よろしく" not in (_soften("図面が間違ってる。", 2) or "")


def test_a_summary_keeps_the_topic_particle():
    message = "ご返信が遅くなり申し訳ありません。試算につきましては、金曜までに送ってください。"
    assert (
        japanese.rewrite(message, TransformType.SUMMARIZE, 1) == "試算については、金曜までに送ってください。"
    )


def test_a_summary_drops_courtesy_and_keeps_negation_request_and_deadline():
    message = (
        "お世話になっております。えっと、資料は金曜までに送ってください。"
        "社外には出さないでください。ご不明な点はお問い合わせください。"
    )
    summary = japanese.rewrite(message, TransformType.SUMMARIZE, 1)
    assert summary == "資料は金曜までに送ってください。社外には出さないでください。"


def test_nothing_to_do_is_said_and_not_hidden():
    assert japanese.rewrite("DB01のログです。", TransformType.TERMINOLOGY, 3) is None
    assert japanese.rewrite("今すぐ直して。", TransformType.SOFTEN, 0) is None


@pytest.mark.parametrize("transform_type", _EDITED)
def test_every_edit_of_the_corpus_applies_and_keeps_the_facts(transform_type):
    for message in _MESSAGES:
        for edit in japanese.propose(message, transform_type):
            assert script.keeps_facts(message, edit), (message, edit)
            assert edit.end <= len(message)


@pytest.mark.parametrize("transform_type", list(TransformType))
def test_every_rewrite_of_the_corpus_keeps_the_facts_and_is_japanese(transform_type):
    for message in _MESSAGES:
        for intensity in (1, 2, 3):
            text = japanese.rewrite(message, transform_type, intensity)
            if text is not None:
                assert not facts.missing(message, text), (message, text)
                assert languages.identify(text) == "ja"
                assert not any(marks in text for marks in ("。。", "、、", "（）")), text


def test_rules_are_a_short_list_named_after_their_type():
    rules = {
        (kind, edit.rule)
        for kind in _EDITED
        for message in _MESSAGES
        for edit in japanese.propose(message, kind)
    }
    assert all(rule.startswith(f"{kind}.") for kind, rule in rules)
    assert len(rules) <= 60


_HOSTILE = (
    "あの",
    "例の件",
    "て",
    "ので、",
    "（",
    "って言",
    "12件か",
    "すぐに",
    "来週の前",
    "なんで",
    "一",
    "ABC、",
    "サ",
    "お手数ですが、",
    "。",
)


@pytest.mark.slow
@pytest.mark.parametrize("piece", _HOSTILE)
def test_work_grows_in_proportion_to_hostile_text(piece):
    def rewrite(message: str) -> None:
        for kind in TransformType:
            japanese.rewrite(message, kind, 3)

    assert growth(rewrite, piece) < 9
