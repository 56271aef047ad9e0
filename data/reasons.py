"""Why something was decided or refused: a code and its values, rendered in the reader's language when shown.

`reasons.yaml` has the sentence of each code in each language. Its fields are Python's format fields, such as
`{share:.1%}`. `{metric!t}` is a term: the same file has its translation. Processes store and send codes,
never sentences, so every reader gets their own language and no program has to parse one.
"""

import re
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

Language = Literal["en", "ja"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
Value = int | float | str | tuple[str, ...]
FILE = Path(__file__).with_suffix(".yaml")
WRITTEN = "as_written"  # the code of what a person wrote, in whatever language
_FOLD = re.compile("(?<=[\u3000-\u9fff\uff00-\uffef]) (?=[\u3000-\u9fff\uff00-\uffef])")
_AND: Mapping[str, str] = {"en": " and ", "ja": "、"}


@cache
def catalogue() -> dict[str, dict[str, dict[str, str]]]:
    """`reasons` and `terms`: the sentence or the word of each code, by language."""
    loaded: dict[str, dict[str, dict[str, str]]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    for sentence in loaded["reasons"].values():
        # YAML puts a space where a long sentence was folded; Japanese has none between its characters.
        sentence["ja"] = _FOLD.sub("", sentence["ja"])
    return loaded


class Reason(BaseModel):
    """One reason. A code that the catalogue lacks, as of a newer release, renders as code and values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Annotated[str, Field(description="code in the catalogue", examples=["version_cannot_answer"])]
    values: Annotated[
        Mapping[str, Value],
        Field(description="what the sentence is about, by name", examples=[{"version": "v1"}]),
    ] = {}

    def render(self, language: Language = "en", quote: Callable[[str], str] = str) -> str:
        """The sentence in a language; `quote` is applied to each value that is text."""
        sentences = catalogue()["reasons"].get(self.code)
        if sentences is None:
            texts = _Formatter(language, quote)
            values = (f"{name}={texts.convert_field(value, None)}" for name, value in self.values.items())
            return f"{self.code} ({', '.join(values)})"
        return _Formatter(language, quote).vformat(sentences[language], (), self.values)

    def __str__(self) -> str:
        return self.render()


class _Formatter(string.Formatter):
    def __init__(self, language: Language, quote: Callable[[str], str]) -> None:
        self._language, self._quote = language, quote

    def convert_field(self, value: Any, conversion: str | None) -> Any:
        is_term = conversion == "t"
        if isinstance(value, tuple | list):
            return _AND[self._language].join(str(self._text(part, is_term)) for part in value)
        return self._text(value, is_term) if isinstance(value, str) else value

    def _text(self, value: str, is_term: bool) -> str:
        term = catalogue()["terms"].get(value) if is_term else None
        return term[self._language] if term else self._quote(value)


def reason(code: str, **values: Value) -> Reason:
    """A reason of the catalogue. In texts, `?` replaces half of a surrogate pair, which UTF-8 cannot hold."""
    encodable = {
        name: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for name, value in values.items()
    }
    return Reason(code=code, values=encodable)


def written(text: str) -> list[Reason]:
    """What a person wrote, as reasons: none for an empty text."""
    return [reason(WRITTEN, text=text)] if text else []


def render(reasons: Iterable[Reason], language: Language = "en") -> str:
    """Several reasons, one after the other."""
    return " ".join(reason.render(language) for reason in reasons)


_REASONS = TypeAdapter(list[Reason])


def load(stored: Any) -> list[Reason]:
    """Reasons from a JSON column, which may be NULL."""
    return _REASONS.validate_python(stored or [])


def dump(reasons: Sequence[Reason]) -> list[dict[str, Any]]:
    """Reasons for a JSON column."""
    return [reason.model_dump(mode="json") for reason in reasons]


class ReasonedError(Exception):
    """An error that is shown in the reader's language: its message is English, its `reasons` are codes and
    values. `details` follow the first reason.
    """

    def __init__(self, code: str, *, details: Sequence[Reason] = (), **values: Value) -> None:
        self.reasons = [reason(code, **values), *details]
        super().__init__(render(self.reasons))
