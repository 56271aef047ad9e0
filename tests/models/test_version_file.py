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


def test_a_version_writes_the_languages_of_its_file():
    assert VersionFile(languages=("en",)).writes_language_of("Fix it by Friday.")
    assert not VersionFile(languages=("en",)).writes_language_of("金曜日までに直してください。")
    assert VersionFile(languages=("en", "ja")).writes_language_of("金曜日までに直してください。")
