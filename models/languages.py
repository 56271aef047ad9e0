"""Identifies the language of a message, with py3langid: 0.2 ms a message, and no heavy import.

Rejected: lingua, a hundred megabytes, which takes a dozen of the seed's 1,314 English messages for others;
py3langid takes none.
"""

import re
from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

_SURE = 0.5  # chat-style English such as "see PR 884 re: auth svc" gets another language with less than 0.2
_KANA = re.compile("[\u3041-\u30ff\uff66-\uff9f]")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
# An id or a link in ASCII. The lookbehind keeps a long run from being tried at each of its characters.
_NO_WORDS = re.compile(r"https?://[!-~]+|(?<![\w./-])[\w./-]*\d[\w./-]*", re.ASCII)
_NONE = "zxx"  # the library's code for text without a language
_LONGEST = 2000  # characters that are read


@cache
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def identify(message: str) -> str:
    """The language of a message as an ISO 639-1 code.

    Where the library is unsure, a message with kana is Japanese, and one in Latin letters or without letters
    is English. Text in another script is never English.
    """
    # Without ids and links, which are in no language.
    language, probability = _identifier().classify(_NO_WORDS.sub(" ", message[:_LONGEST]))
    if language == "en" or (probability >= _SURE and language != _NONE):
        return str(language)
    letters = sum(map(str.isalpha, message))
    if len(_KANA.findall(message)) * 3 > letters:
        return "ja"
    return "en" if 2 * len(_LATIN.findall(message)) >= letters else str(language)
