import pytest

from models import version_file
from models.version_file import VersionFile


def test_a_file_from_before_these_fields_is_of_english_text(tmp_path):
    (tmp_path / version_file.NAME).write_text('{"base": "smollm2-135m", "quantization": "int8"}')
    assert version_file.read(tmp_path) == VersionFile(form="text", languages=("en",))
    (tmp_path / version_file.NAME).write_text('{"form": "edits", "languages": ["en", "ja"]}')
    assert version_file.read(tmp_path) == VersionFile(form="edits", languages=("en", "ja"))


@pytest.mark.parametrize("stored", ['{"form": "poems"}', '{"languages": ["xx"]}', "[]", ""])
def test_what_a_version_cannot_be_is_refused(tmp_path, stored):
    (tmp_path / version_file.NAME).write_text(stored)
    with pytest.raises(ValueError, match="VersionFile"):
        version_file.read(tmp_path)


@pytest.mark.parametrize(
    ("message", "languages"),
    [
        ("Fix it by Friday.", {"en"}),
        ("Bitte bis Freitag prüfen.", {"en"}),
        ("The label 保存 is missing in the settings page.", {"en"}),
        ("金曜日までに直してください。", {"ja"}),
        ("ﾃｽﾄ環境を再起動して", {"ja"}),
        ("Kubernetes の Pod を再起動してください", {"ja"}),
        ("API の仕様", {"ja"}),
        ("Почините до пятницы.", set()),
        ("금요일까지 고쳐 주세요.", set()),
        ("12:30 → 14:00", {"en", "ja"}),
        ("😀" * 8000, {"en", "ja"}),
    ],
)
def test_the_script_says_which_language_a_message_is_in(message, languages):
    written = {name for name in ("en", "ja") if VersionFile(languages=(name,)).writes_language_of(message)}
    assert written == languages
    both = VersionFile(languages=("en", "ja"))
    assert both.writes_language_of(message) == bool(languages)
