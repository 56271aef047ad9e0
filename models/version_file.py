"""`version.json` of a version folder: in which form and languages the version writes, and by which engine."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from data.reasons import Language
from data.records import Engine, Form
from models import languages

NAME = "version.json"


class VersionFile(BaseModel):
    """The fields that decide how a version is served. `models.export` writes none of them, since the default
    base writes English text; what exports another model adds them.
    """

    model_config = ConfigDict(frozen=True)

    form: Form = "text"
    languages: tuple[Language, ...] = ("en",)
    engine: Engine = "ctranslate2"

    @property
    def is_llm(self) -> bool:
        """Whether the version is a model that we did not train, see `models.llm`."""
        return self.engine in ("openai", "llamacpp")

    def writes_language_of(self, message: str) -> bool:
        """Whether the version writes the language of a message."""
        return languages.identify(message) in self.languages


def read(folder: Path) -> VersionFile:
    """The file of a version folder; FileNotFoundError when the folder has none."""
    return VersionFile.model_validate_json((folder / NAME).read_text(encoding="utf-8"))
