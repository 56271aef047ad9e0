import pytest

from data.records import TransformType
from models.edits import japanese


@pytest.mark.parametrize(
    ("message", "explained"),
    [
        ("本番のリクエストがタイムアウトしています。", True),
        ("手術前のタイムアウトを忘れずに。", False),
        ("床の養生は工事の前に終わらせます。", True),
        ("風邪なので家で養生します。", False),
        ("墨出しが終わっているか確認してください。", True),
    ],
)
def test_a_term_of_several_senses_is_explained_in_its_field_only(message, explained):
    assert (japanese.rewrite(message, TransformType.TERMINOLOGY, 2) is not None) is explained
