"""Softening Japanese: blame, threats and causatives."""

import pytest

from data.records import TransformType
from models.edits import japanese


def _soften(message: str, intensity: int) -> str:
    return japanese.rewrite(message, TransformType.SOFTEN, intensity) or message


@pytest.mark.parametrize(
    ("message", "softened"),
    [
        ("やり方がいい加減なんじゃないですか。", "やり方が十分でないのではないでしょうか。"),
        ("そんな値段じゃ話になりません。", "その値段では、話を進めるのが難しいです。"),
        ("ホワイトボードもそのままだし、非常識です。", "ホワイトボードもそのままで、困っています。"),
        ("そっちのミスで二重に届きました。", "そちらでの手違いで二重に届きました。"),
        ("引き継ぎメモ、全然足りません。", "引き継ぎメモ、まだ足りていないようです。"),
        ("毎月同じこと言わせないでください。", "以前にもお伝えしています。"),
        (
            "経費精算は25日締めって何回言えばわかるんですか。",
            "以前にもお伝えしていますが、経費精算は25日締めです。",
        ),
        ("11月20日までに書き足しておいて。", "11月20日までに書き足しておいてください。"),
        ("ハンディは6台しかない。", "ハンディは6台しかありません。"),
    ],
)
def test_a_reproach_becomes_milder(message, softened):
    assert softened in _soften(message, 1)


def test_who_is_to_make_another_do_something_is_not_the_writer():
    assert "やり直させるようお願いできますか。" in _soften("工場に言ってやり直させて。", 2)
    assert "確認させていただける" in _soften("明日確認させてください。", 2)


def test_what_the_writer_will_ask_of_others_is_no_request():
    assert "他社に頼みます" in _soften("安くできないなら他社に頼みます。12日までに返事をください。", 3)


def test_a_mild_word_stands_where_the_harsh_word_stood_before_a_request_to_stop():
    assert "私語するのはお控えいただけますでしょうか" in _soften(
        "私語するの、いい加減やめてもらえますか。", 3
    )


def test_another_company_is_greeted_as_customers_are():
    softened = _soften("御社の管理体制はどうなってるんですか。", 3)
    assert softened.startswith("いつもお世話になっております。")


def test_a_conjunction_and_the_opening_of_a_request_have_a_comma_between_them():
    assert "ただし、お手数ですが、クレジットは" in _soften("ただしクレジットは残してください。", 2)


@pytest.mark.parametrize(
    ("message", "softened"),
    [
        ("金曜に全部捨てます。", "全部捨てます。"),
        ("予算を充てます。", "予算を充てます。"),
        ("荷物は届いてます。", "荷物は届いています。"),
    ],
)
def test_a_verb_that_ends_like_a_contraction_is_none(message, softened):
    assert softened in _soften(message, 1)


@pytest.mark.parametrize(
    ("message", "softened"),
    [
        ("去年のコピペじゃないですか。", "去年のコピペではないでしょうか。"),
        ("夜中に手で起こしてるじゃないですか。", "起こしてるじゃないですか。"),
        ("名前も間違ってるし、やる気あるんですか。", "名前も間違っていて、気になっています。"),
    ],
)
def test_a_question_that_presses_becomes_milder_where_the_end_allows_it(message, softened):
    assert softened in _soften(message, 1)
