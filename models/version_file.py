"""`version.json` of a version folder: in which form and in which languages the version writes.

Languages are told apart by their scripts only: German counts as English, and Chinese as Japanese.
"""

import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from data.reasons import Language
from data.records import Form

NAME = "version.json"
_JAPANESE = re.compile("[\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f]")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f\uff21-\uff3a\uff41-\uff5a]")


class VersionFile(BaseModel):
    """The fields that decide how a version is served. `models.export` writes neither, since the default base
    writes English text; what exports another model adds them.
    """

    model_config = ConfigDict(frozen=True)

    form: Form = "text"
    languages: tuple[Language, ...] = ("en",)

    def writes_language_of(self, message: str) -> bool:
        """Whether the version writes the language of a message; True for one without letters.

        Japanese messages have English words, so more than 30 % of kana and kanji make a message Japanese.
        """
        letters = sum(map(str.isalpha, message))
        if not letters:
            return True
        if 10 * len(_JAPANESE.findall(message)) > 3 * letters:
            return "ja" in self.languages
        return 2 * len(_LATIN.findall(message)) >= letters and "en" in self.languages


def read(folder: Path) -> VersionFile:
    """The file of a version folder; FileNotFoundError when the folder has none."""
    return VersionFile.model_validate_json((folder / NAME).read_text(encoding="utf-8"))
