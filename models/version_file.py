"""`version.json` of a version folder: in which form and in which languages the version writes."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from data.reasons import Language
from data.records import Form
from models import languages

NAME = "version.json"


class VersionFile(BaseModel):
    """The fields that decide how a version is served. `models.export` writes neither, since the default base
    writes English text; what exports another model adds them.
    """

    model_config = ConfigDict(frozen=True)

    form: Form = "text"
    languages: tuple[Language, ...] = ("en",)

    def writes_language_of(self, message: str) -> bool:
        """Whether the version writes the language of a message."""
        return languages.identify(message) in self.languages


def read(folder: Path) -> VersionFile:
    """The file of a version folder; FileNotFoundError when the folder has none."""
    return VersionFile.model_validate_json((folder / NAME).read_text(encoding="utf-8"))
