"""What the pages say, in the reader's language: sentences of `locale/*.po`, and numbers with sensible digits.

The sentences in templates and code are English, and the keys of the catalogues, which are read as they are:
there is nothing to compile.
"""

import gettext as gettext_module
import io
import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent
from markupsafe import Markup, escape
from starlette.requests import Request

from data.reasons import Language, Reason

LANGUAGES: Mapping[Language, str] = {"en": "English", "ja": "日本語"}
_FOLDER = Path(__file__).parent / "locale"


def chosen(request: Request) -> Language:
    """The language of a request: the one that was picked, or else the browser's first that there is."""
    accepted = request.headers.get("accept-language", "").split(",")
    browsers = (tag.partition(";")[0].strip().partition("-")[0].lower() for tag in accepted)
    wanted = [request.cookies.get("language", ""), *browsers]
    return next((language for tag in wanted for language in LANGUAGES if language == tag), "en")


@cache
def catalogue(language: str) -> gettext_module.NullTranslations:
    """The sentences of a language; English ones are themselves."""
    file = _FOLDER / f"{language}.po"
    if not file.exists():
        return gettext_module.NullTranslations()
    compiled = io.BytesIO()
    with file.open("rb") as po:
        write_mo(compiled, read_po(po, language))
    compiled.seek(0)
    return gettext_module.GNUTranslations(compiled)


# What makes text run the other way (UAX 9): embeddings and overrides, which U+202C ends; isolates, which
# U+2069 ends; and letters of scripts that run from right to left.
_EMBEDDING, _ISOLATE = "\u202a\u202b\u202d\u202e", "\u2066\u2067\u2068"
_END_OF_EMBEDDING, _END_OF_ISOLATE = "\u202c", "\u2069"
_CONTROL = re.compile("[\u202a-\u202e\u2066-\u2069]")
_RUNS_BACK = re.compile(
    "[\u0590-\u08ff\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff]"
)


def contained(text: str) -> str:
    """A text that turns no other around: what it opens is closed at its end, and it closes nothing that it
    has not opened.
    """
    if not _CONTROL.search(text):
        return text
    kept: list[str] = []
    ends: list[str] = []  # of what is open, the innermost last
    for character in text:
        if character in _EMBEDDING:
            ends.append(_END_OF_EMBEDDING)
        elif character in _ISOLATE:
            ends.append(_END_OF_ISOLATE)
        elif character == _END_OF_EMBEDDING:
            if ends[-1:] != [_END_OF_EMBEDDING]:
                continue
            ends.pop()
        elif character == _END_OF_ISOLATE:
            if _END_OF_ISOLATE not in ends:
                continue
            while ends.pop() != _END_OF_ISOLATE:  # it ends the embeddings within it, too
                pass
        kept.append(character)
    return "".join([*kept, *reversed(ends)])


def isolated(text: str) -> str:
    """A text for the middle of a line where no element can stand (`<bdi>` does the same): what comes after it
    stays where it is.
    """
    return f"\u2068{contained(text)}\u2069" if _RUNS_BACK.search(text) else text


class Words:
    """What a page needs to speak a language; templates know it as `words`, and `_` is `say`."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._catalogue = catalogue(language)

    def say(self, sentence: str, **values: object) -> str:
        """A sentence in the reader's language, with values for its %(names)s."""
        found = self._catalogue.gettext(sentence)
        values = {
            name: isolated(value) if isinstance(value, str) else value for name, value in values.items()
        }
        return found % values if values else found

    def reasons(self, reasons: Iterable[Reason]) -> Markup:
        """Reasons in the reader's language, one after the other; what a person wrote stays as it is."""
        return escape(" ".join(reason.render(self.language, isolated) for reason in reasons))

    def number(self, value: float | None, digits: int = 3) -> str:
        """A number with as many significant digits, without an exponent; a dash for None."""
        if value is None or not math.isfinite(value):
            return "–"
        places = 0 if value == 0 else max(0, digits - 1 - math.floor(math.log10(abs(value))))
        if float(value).is_integer() or places == 0:
            return format_decimal(round(value), "#,##0", locale=self.language).replace("-", "−")
        shown = format_decimal(value, "#,##0." + "#" * min(places, 6), locale=self.language)
        return shown.replace("-", "−")

    def percent(self, value: float | None, places: int = 1) -> str:
        """A share in per cent; a dash for None."""
        if value is None or not math.isfinite(value):
            return "–"
        shape = "#,##0" + ("." + "0" * places if places else "") + "%"
        return format_percent(value, shape, locale=self.language).replace("-", "−")

    def signed(self, text: str) -> str:
        """A formatted number with its sign, also when it is above 0."""
        return text if text.startswith("−") or text == "–" else f"+{text}"

    def time(self, moment: datetime | None) -> Markup:
        """A moment, in UTC until the page's script writes it in the reader's zone and language."""
        if moment is None:
            return Markup("–")
        return Markup('<time datetime="{}">{} UTC</time>').format(
            moment.isoformat(), escape(f"{moment:%Y-%m-%d %H:%M}")
        )
