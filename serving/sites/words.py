"""The sentences and numbers of the pages in the reader's language.

The English sentences in templates and code are the keys of the catalogues `locale/*.po`. The sites read
these files directly, without a compile step.
"""

import gettext as gettext_module
import io
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

from babel.dates import format_skeleton, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import Response

from data.reasons import Language, Reason

LANGUAGES: Mapping[Language, str] = {"en": "English", "ja": "日本語"}
_OF_DAYS: Mapping[Language, str] = {"en": "en_GB", "ja": "ja"}  # the locale in whose form days are
_A_YEAR_S = 365 * 24 * 3600
_FOLDER = Path(__file__).parent / "locale"


def chosen(request: Request) -> Language:
    """The language of a request: that of the cookie, or else the browser's first that the pages have."""
    accepted = request.headers.get("accept-language", "").split(",")
    browsers = (tag.partition(";")[0].strip().partition("-")[0].lower() for tag in accepted)
    wanted = [request.cookies.get("language", ""), *browsers]
    return next((language for tag in wanted for language in LANGUAGES if language == tag), "en")


def remember(response: Response, language: str) -> None:
    """Store a language in the cookie of a browser."""
    response.set_cookie("language", language, max_age=_A_YEAR_S, samesite="lax")


@cache
def catalogue(language: str) -> gettext_module.NullTranslations:
    """The translations of a language; English has none."""
    file = _FOLDER / f"{language}.po"
    if not file.exists():
        return gettext_module.NullTranslations()
    compiled = io.BytesIO()
    with file.open("rb") as po:
        write_mo(compiled, read_po(po, language))
    compiled.seek(0)
    return gettext_module.GNUTranslations(compiled)


# Characters that change the direction of text (UAX 9): embeddings and overrides, which U+202C ends; isolates,
# which U+2069 ends; and letters of scripts that run from right to left.
_EMBEDDING, _ISOLATE = "\u202a\u202b\u202d\u202e", "\u2066\u2067\u2068"
_END_OF_EMBEDDING, _END_OF_ISOLATE = "\u202c", "\u2069"
_CONTROL = re.compile("[\u202a-\u202e\u2066-\u2069]")
_RUNS_BACK = re.compile(
    "[\u0590-\u08ff\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff]"
)


def contained(text: str) -> str:
    """The text with balanced direction controls, so that it cannot change the direction of other text.

    Ends without a start are dropped, and missing ends are added.
    """
    if not _CONTROL.search(text):
        return text
    kept: list[str] = []
    ends: list[str] = []  # of the open controls, the innermost last
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
            while ends.pop() != _END_OF_ISOLATE:  # it also ends the embeddings inside it
                pass
        kept.append(character)
    return "".join([*kept, *reversed(ends)])


def isolated(text: str) -> str:
    """The text for a line without HTML: it cannot move the text after it. In HTML, `<bdi>` does this."""
    return f"\u2068{contained(text)}\u2069" if _RUNS_BACK.search(text) else text


def as_typed(text: str) -> str:
    """The text with LF line ends, as the person typed it: browsers send forms with CRLF."""
    return text.replace("\r\n", "\n").strip()


class Words:
    """Sentences, numbers and times in a language. In templates it is `words`, and `_` is `say`."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._catalogue = catalogue(language)

    def say(self, sentence: str, **values: object) -> str:
        """A sentence in the reader's language, with values for its %(names)s."""
        translation = self._catalogue.gettext(sentence)
        values = {
            name: isolated(value) if isinstance(value, str) else value for name, value in values.items()
        }
        return translation % values if values else translation

    def reasons(self, reasons: Iterable[Reason]) -> Markup:
        """Reasons in the reader's language, joined by spaces; a person's own text stays unchanged."""
        return escape(" ".join(reason.render(self.language, isolated) for reason in reasons))

    def number(self, value: float | None, digits: int = 3) -> str:
        """A number with `digits` significant digits and without an exponent; a dash for None."""
        if value is None or not math.isfinite(value):
            return "–"
        places = 0 if value == 0 else max(0, digits - 1 - math.floor(math.log10(abs(value))))
        if float(value).is_integer() or places == 0:
            return format_decimal(round(value), "#,##0", locale=self.language).replace("-", "−")
        text = format_decimal(value, "#,##0." + "#" * min(places, 6), locale=self.language)
        return text.replace("-", "−")

    def percent(self, value: float | None, places: int = 1) -> str:
        """A share in per cent; a dash for None."""
        if value is None or not math.isfinite(value):
            return "–"
        pattern = "#,##0" + ("." + "0" * places if places else "") + "%"
        return format_percent(value, pattern, locale=self.language).replace("-", "−")

    def duration(self, seconds: float) -> str:
        """A duration in the largest unit of which it has at least 1.5: 75 seconds, 3 minutes, 25 hours."""
        whole = timedelta(seconds=max(0, round(seconds)))
        return format_timedelta(whole, threshold=1.5, locale=self.language)

    def signed(self, text: str) -> str:
        """A formatted number with its sign, also when it is above 0."""
        return text if text.startswith("−") or text == "–" else f"+{text}"

    def day(self, day: date) -> str:
        """A day and its weekday, with the year unless it is this one: Fri 3 May, 5月3日(金)."""
        skeleton = "MMMEd" if day.year == datetime.now(UTC).year else "yMMMEd"
        return format_skeleton(skeleton, day, locale=_OF_DAYS[self.language])

    def time(self, moment: datetime | None) -> Markup:
        """A moment, in UTC until the page's script writes it in the reader's zone and language."""
        if moment is None:
            return Markup("–")
        return Markup('<time datetime="{}">{} UTC</time>').format(
            moment.isoformat(), escape(f"{moment:%Y-%m-%d %H:%M}")
        )
