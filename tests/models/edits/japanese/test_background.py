import pytest

from data.records import TransformType
from models.edits import japanese


def _background(message: str, intensity: int = 2) -> str:
    return japanese.rewrite(message, TransformType.BACKGROUND, intensity) or message


@pytest.mark.parametrize(
    ("message", "note"),
    [
        ("12月から駐輪場が有料になります。", "有料化の理由は書かれていません。"),
        ("前回の話のとおり、B案は中止とします。資料を差し替えてください。", "中止の理由"),
        ("藤田さんの後任は吉田さんになります。", "交代の理由"),
        ("マイグレーションが途中で止まっています。", "原因"),
    ],
)
def test_the_event_decides_what_an_outsider_lacks(message, note):
    assert note in _background(message)


@pytest.mark.parametrize(
    "message",
    [
        "今日は3号機が熱を持っています。動かさないでください。",
        "お客様の前で言うのはやめてください。こちらの信用がなくなります。",
    ],
)
def test_a_request_that_a_statement_explains_gets_no_note_on_its_reason(message):
    assert "依頼の理由" not in _background(message)
