"""Structure and requirements: what the parts of a Japanese message do."""

import pytest

from data.records import TransformType
from models.edits import japanese
from tests.edits import growth


def _require(message: str, intensity: int = 2) -> str:
    return japanese.rewrite(message, TransformType.REQUIREMENTS, intensity) or ""


def _structure(message: str, intensity: int = 2) -> str:
    return japanese.rewrite(message, TransformType.STRUCTURE, intensity) or ""


@pytest.mark.parametrize(
    ("sentence", "label"),
    [
        ("予算は20万円以内です", "条件"),
        ("色は黒", "条件"),
        ("耐荷重は一段あたり100kg以上", "条件"),
        ("英語にも対応していると嬉しいです", "希望"),
        ("スマホで回答できるのが望ましいです", "希望"),
        ("色はどちらでもいいです", "補足"),
        ("12月10日までに欲しいです", "期限"),
        ("3月25日までに届かないと困ります", "期限"),
        ("急ぎではありません", "期限"),
        ("結果は12月の役員会で使います", "用途"),
        ("集合は九時です", "詳細"),
        ("11月22日の8時に本社前集合です", "予定"),
        ("見積もりはいつ頃いただけますか", "確認"),
        ("料金は要相談です", "未定"),
    ],
)
def test_a_specification_is_sorted_by_what_it_says(sentence, label):
    lines = _require(f"棚を2台お願いします。{sentence}。").splitlines()
    at = lines.index(f"・{sentence}")
    assert [line for line in lines[:at] if line.endswith("：")][-1] == f"{label}："


@pytest.mark.parametrize("sentence", ["予算は未定です", "予算は完全にオーバーです", "会議は大変でした"])
def test_a_statement_that_limits_nothing_is_no_condition(sentence):
    assert "条件" not in _require(f"棚を2台お願いします。{sentence}。")


def test_two_points_of_a_sentence_are_sorted_apart():
    assert _require("タブレットを5台お願いします。予算は20万円以内で、できれば防水のものがいいです。", 1) == (
        "必要：タブレットを5台お願いします\n希望：できれば防水のものがいいです\n条件：予算は20万円以内"
    )
    assert "・日時は11月18日の13時から17時まで\n・場所は大会議室です" in _structure(
        "日時は11月18日の13時から17時まで、場所は大会議室です。持ち物は筆記用具です。"
    )


def test_a_clause_that_gives_a_reason_is_no_point_of_its_own():
    message = "設定変更は明日やりますから、みなさんの作業には影響しません。再起動してください。"
    assert "設定変更は明日やりますから、みなさんの作業には影響しません" in _structure(message)


def test_steps_that_follow_when_another_is_done_are_numbered():
    message = (
        "受付の流れですが、名前を聞いて控室に案内し、10時になったら会議室へお連れして、"
        "終わったら書類を渡してください。"
    )
    assert _structure(message, 1) == (
        "受付の流れです。\n1. 名前を聞いて控室に案内し\n2. 10時になったら会議室へお連れして\n"
        "3. 終わったら書類を渡してください。"
    )


def test_a_condition_is_no_step():
    assert "1." not in _structure("名前を聞いて、無理だったら電話して、雨が降ったら中止してください。", 1)


def test_a_title_becomes_a_line():
    message = "今週の進捗：ログイン画面を直しました。検索が遅い件は調査中です。"
    assert _structure(message) == (
        "今週の進捗\n状況：ログイン画面を直しました\n確認中：検索が遅い件は調査中です"
    )


def test_what_is_needed_is_not_taken_for_the_name_of_the_writer():
    assert "必要：" in _require("会議室にモニターが必要です。壁に穴は開けないでください。").splitlines()[0]


def test_what_somebody_else_does_is_no_request():
    assert "お願い" not in _structure("新幹線は予約しました。現地では渡辺さんが迎えに来てくれます。")


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece", ["aは1、", "名前を聞いて、終わったら", "予算は1万円以内で、", "いつ頃いただけます"]
)
def test_work_on_parts_grows_in_proportion_to_hostile_text(piece):
    assert growth(lambda message: (_structure(message), _require(message)), piece) < 9


@pytest.mark.parametrize(
    ("message", "title"),
    [
        ("面談の結果を共有します。志望動機は明確でした。意見をください。", "面談の結果を共有します。"),
        (
            "展示会の件でご報告いたします。名刺は210枚です。お礼を送ってください。",
            "展示会の件でご報告いたします。",
        ),
    ],
)
def test_what_only_announces_the_rest_gets_no_label(message, title):
    assert _structure(message).splitlines()[0] == title


def test_a_delivery_that_moves_is_no_deadline():
    message = "台風により船便が遅れ、納品が8月27日になる見込みです。15日までにご返信ください。"
    assert "期限" not in _structure(message)


@pytest.mark.parametrize(
    ("sentence", "label"),
    [
        ("謝金の上限は2万円です", "詳細"),
        ("緊急の通知は例外です", "詳細"),
        ("リリースは春ごろを考えています", "予定"),
        ("今の画面は表示が遅いです", "状況"),
    ],
)
def test_what_something_is_to_be_is_no_situation(sentence, label):
    assert f"{label}：{sentence}" in _require(f"通訳を1名手配してください。{sentence}。", 1)
