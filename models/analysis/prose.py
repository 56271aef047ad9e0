"""What of a message is judged: the author's own prose. Code, addresses and quotations are not."""

import re
from typing import NamedTuple

_BLANK = "\0"  # in the place of each character that is not judged; no message contains it
# Every repetition ends at a character that it cannot contain, or has a bound, so that the time is linear.
_NOT_JUDGED = re.compile(
    r"```[^`]*(?:```|$)|`[^`\n]*`"  # code
    r"|(?m:^[ \t]*>[^\n]*)"  # a quoted line
    r"|(?:https?://|www\.)[^\s<>\"'、。）」]+|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}"
    r"|\"[^\"\n]{1,400}\"|“[^”\n]{1,400}”|「[^」\n]{1,400}」|『[^』\n]{1,400}』"
    r"|(?<![\w'])'(?=\S)[^'\n]{1,200}(?<=\S)'(?![\w'])"
    r"|<[/|!]?[A-Za-z][^<>\n]{0,80}>",
    re.ASCII,
)
_SENTENCE_END = re.compile(r"[.!?…]+[\"')\]]*(?=\s|$)|[。！？]+[」』）]*|\n+|;(?=\s)|\s[–—-]{1,2}\s")
_MARKS = " \t\r\n\0.,;:!?…。、！？・-–—*•>\"'()"
_JAPANESE = re.compile("[\u3041-\u30ff\u3400-\u9fff\uff66-\uff9d]")
_LETTER = re.compile(r"[^\W\d_]")
_LATIN = re.compile("[A-Za-z]")
_LATIN_WORD = re.compile(r"[a-z']+")
# Words that English prose can hardly do without.
_ENGLISH_TEXT = """
the a an and or to of in on at is are was be it this that i we you they he she my our your for with not
do does did can could will would please thanks need have has from by as if so but no up out when what
who how just i'm it's don't can't
"""
_ENGLISH = frozenset(_ENGLISH_TEXT.split())
_FEW_WORDS = 6  # English headlines and orders have no such word
_ENOUGH = 0.1  # of the words of a longer message


class Run(NamedTuple):
    """A sentence or a part of one, as indices of characters; `end` is exclusive."""

    start: int
    end: int


class Prose(NamedTuple):
    """What of a message is judged, at the indices of the message: with blanks for the rest, and straight
    apostrophes. `lowered` is the same in small letters. `scripts` are those whose words it may have.
    """

    text: str
    lowered: str
    sentences: tuple[Run, ...]
    scripts: tuple[str, ...]

    @property
    def whole(self) -> Run:
        """All of it."""
        return Run(0, len(self.text))


def read(message: str) -> Prose:
    """The prose of a message."""
    text = _blank_out(message)
    lowered = text.replace("İ", "I").lower()  # the only letter whose lower case has two characters
    scripts = [name for name, letter in (("en", _LATIN), ("ja", _JAPANESE)) if letter.search(text)]
    return Prose(text, lowered, tuple(_split(text)), tuple(scripts))


def _blank_out(message: str) -> str:
    parts, done = [], 0
    for match in _NOT_JUDGED.finditer(message):
        parts += [message[done : match.start()], _BLANK * len(match.group())]
        done = match.end()
    return "".join([*parts, message[done:]]).replace("’", "'")


def _split(text: str) -> list[Run]:
    """The sentences of a text, without the marks and blanks around them."""
    runs, start = [], 0
    ends = [match.span() for match in _SENTENCE_END.finditer(text)]
    for end, after in [*ends, (len(text), len(text))]:
        part = text[start:end]
        left = len(part) - len(part.lstrip(_MARKS))
        right = len(part.rstrip(_MARKS))
        if left < right:
            runs.append(Run(start + left, start + right))
        start = after
    return runs


def language_of(prose: Prose) -> str | None:
    """`ja` if a fifth of the letters are Japanese and there is kana or the letters are few, `en` if the
    words are English, None for others.
    """
    letters = len(_LETTER.findall(prose.text))
    japanese = len(_JAPANESE.findall(prose.text))
    if japanese * 5 >= letters and japanese:
        return "ja" if re.search("[\u3041-\u30ff\uff66-\uff9d]", prose.text) or letters <= 8 else None
    words = _LATIN_WORD.findall(prose.lowered)
    if not words or sum(map(len, words)) * 2 < letters:
        return None
    known = sum(word in _ENGLISH for word in words)
    return (
        "en" if known >= _ENOUGH * len(words) or (len(words) <= _FEW_WORDS and prose.text.isascii()) else None
    )
