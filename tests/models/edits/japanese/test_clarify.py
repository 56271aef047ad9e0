import pytest

from data.records import TransformType
from models.edits import japanese


def _clarify(message: str, intensity: int = 3) -> str:
    return japanese.rewrite(message, TransformType.CLARIFY, intensity) or message


@pytest.mark.parametrize(
    ("message", "note"),
    [
        ("適当なところに置いてください。", "（具体的な場所は書かれていません）"),
        ("新しいやつ、もう使えます。", "（何を指すかは書かれていません）"),
        ("納期はなるべく早くしてください。", "（いつまでにかは書かれていません）"),
        ("少し遅れそうです。", "（どのくらいかは書かれていません）"),
        ("近日中に案内があります。", "（日付は書かれていません）"),
        ("しかるべき対応をお願いします。", "（対応の内容は書かれていません）"),
        ("例年どおりに準備しました。", "（例年の内容は書かれていません）"),
        ("必要な書類を出してください。", "（どの書類が必要かは書かれていません）"),
        ("森さんと原さんが話し、彼が行きます。", "（「彼」が誰を指すかは書かれていません）"),
    ],
)
def test_a_vague_word_gets_a_note(message, note):
    assert note in _clarify(message, 2)


def test_a_single_note_says_more_at_the_highest_intensity():
    message = "近日中に案内があります。"
    assert _clarify(message, 2) == "近日中に（日付は書かれていません）案内があります。"
    assert _clarify(message, 3) == "近日中に（日付は書かれていません。要確認）案内があります。"


@pytest.mark.parametrize(
    "message",
    [
        "森さんが来ました。彼が行きます。",
        "金曜までになるべく早く返してください。",
        "先に始めててください。",
        "必ず閉めて帰ってください。",
    ],
)
def test_what_is_clear_gets_no_note(message):
    assert "書かれていません" not in _clarify(message)
