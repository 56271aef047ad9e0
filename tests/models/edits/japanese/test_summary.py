"""Japanese messages in fewer words."""

import pytest

from data.records import TransformType
from models.edits import japanese
from tests.edits import growth


def _summarize(message: str, intensity: int) -> str:
    return japanese.rewrite(message, TransformType.SUMMARIZE, intensity) or message


def test_the_name_of_who_is_addressed_stays_when_the_greeting_goes():
    message = "井上さん、こんにちは。実は定例は木曜日の10時に変更させてください。場所は同じです。"
    assert _summarize(message, 1).startswith("井上さん、")


def test_plain_ends_stand_for_all_statements_or_for_none():
    message = (
        "昨夜、空調の警報が3回鳴りました。見に行きましたが異常は見当たりません。"
        "連絡先は事務室のファイルにあります。必ず確認してください。"
    )
    assert _summarize(message, 3) == (
        "昨夜、空調の警報が3回鳴った。見に行ったが異常は見当たらない。"
        "連絡先は事務室のファイルにある。必ず確認してください。"
    )
    assert "鳴りました" in _summarize(message, 2)
    unknown = message.replace("鳴りました", "ヒュンと唸りました")
    assert "ファイルにあります" in _summarize(unknown, 3)


def test_a_message_to_a_customer_stays_polite():
    message = (
        "田中様、ご注文の商品は明日の午前に発送します。到着は水曜日になります。"
        "お受け取りの際は印鑑をご用意ください。"
    )
    assert "到着は水曜日になります" in _summarize(message, 3)


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("部屋を取りたいです。飲食ができない部屋だと困ります、お昼をそこで食べるので。", "困ります"),
        ("扇風機を貸し出しますので、欲しい部署は連絡してください。先週から暑いです。", "貸し出し"),
        ("お弁当のご用意をお願いいたします。遠足は12日です。", "お弁当のご用意をお願い"),
        ("どなたか回していただくことはできますか。夜勤は2名です。", "回していただくこと"),
        ("ファティマさんの方で経理に確認してもらえますか。返金がまだです。", "ファティマさんの方で"),
        (
            "今年は4万円でした。高かったです。来年は社内の人に変えたいと思います。月末までに教えてください。",
            "変えたい",
        ),
        (
            "影の処理が重いです。人を減らす案もあって、こっちは半日でできます。金曜までに決めてください。どうしますか？",
            "半日",
        ),
    ],
)
def test_what_the_recipient_needs_stays_and_reads_well(message, kept):
    assert kept in _summarize(message, 3)


def test_a_lead_becomes_a_title():
    message = (
        "ネットワークの障害について共有です。今朝8時から2階のスイッチが故障しています。"
        "内線4500までご連絡ください。"
    )
    assert _summarize(message, 2).startswith("ネットワークの障害：今朝8時から")


def test_an_invitation_to_ask_becomes_the_contact():
    message = "清掃の曜日は火木に変わります。何か気になることがあれば、総務の石井までお気軽にご連絡ください。"
    assert _summarize(message, 1).endswith("不明点は総務の石井まで。")


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece", ["見ましたが", "について共有です。", "何か気になることがあれば、", "確認したところ、"]
)
def test_work_grows_in_proportion_to_hostile_text(piece):
    assert growth(lambda message: _summarize(message, 3), piece) < 9
