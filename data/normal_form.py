"""Unicode normal forms, of texts that strangers write too."""

import re
import unicodedata
from itertools import pairwise
from typing import Literal

# Unicode's most expansive character: NFKC makes 18 of it, a phrase of four words, and of others 8 at most.
_LONGEST = "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}"
# Marks are no word characters. Normalisation sorts a run of them in time that grows with its square; no
# language needs more than 30 (UAX 15, Stream-Safe Text Format).
_MOST_MARKS = 30
_MARKS = re.compile(rf"[^\w\x00-\x7f]{{{_MOST_MARKS + 1},}}")


def normalise(form: Literal["NFC", "NFD", "NFKC", "NFKD"], text: str) -> str:
    """A text in a normal form, in time that grows with its length, and at most eight times as long.

    Differs from the standard in what no language has: the marks of a letter are sorted 30 at a time, and the
    one ligature of four words stays as it is.
    """
    if text.isascii():
        return text
    if _LONGEST in text:
        return _LONGEST.join(normalise(form, part) for part in text.split(_LONGEST))
    cuts = [0]
    for run in _MARKS.finditer(text):
        cuts += range(run.start() + _MOST_MARKS, run.end(), _MOST_MARKS)
    return "".join(unicodedata.normalize(form, text[a:b]) for a, b in pairwise([*cuts, len(text)]))
