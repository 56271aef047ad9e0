"""Reads a message as all terms ask about it: its words, and the places in which no term is explained."""

import re
from pathlib import Path

from models import facts
from models.edits.word_lists import read_lists

_LISTS = Path(__file__).with_name("words.yaml")

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_CUE = re.compile(r"[^\W_][^\s,.;:!?()\"“”]*")

# Places that are no running text: quotations, brackets, code, paths and names of files.
_CLOSED = re.compile(
    r"```[^`]*(?:```|$)|`[^`\n]*`|\([^()]*\)|\[[^\[\]]*\]|\"[^\"\n]*\"|“[^”\n]*”|(?<!\w)'[^'\n]{1,80}'(?!\w)"
    r"|(?<!\S)[^\s()\[\]]{0,200}[/\\][^\s()\[\]/\\]{1,200}[/\\]\S{0,200}|\b[\w-]{1,80}\.[a-z][a-z0-9]{1,4}\b(?!\.)"
)
_KINDS_WITHOUT_TERMS = frozenset({"url", "email", "channel", "identifier", "version"})


def listed(name: str) -> frozenset[str]:
    """The words of one list of `words.yaml`."""
    return read_lists(_LISTS)[name]


class Scan:
    """A message with what all terms ask about it: its words, and the places in which no term is explained."""

    def __init__(self, message: str) -> None:
        self.message = message
        self.flat = message.replace("-", " ").replace("\u2011", " ")
        self.lowered = self.flat.replace("İ", "I").lower()
        self.words = _message_words(self.lowered, message)
        letters = sum(character.isalpha() for character in message)
        self.shouted = letters > 12 and sum(character.isupper() for character in message) > letters * 0.6
        self.closed = bytearray(len(message) + 1)
        for match in _CLOSED.finditer(message):
            self.closed[match.start() : match.end()] = b"\1" * (match.end() - match.start())
        self.inside = bytearray(len(message) + 1)  # an insertion here would part a fact
        for kind, start, end in facts.spans(message):
            self.inside[start + 1 : end] = b"\1" * max(end - start - 1, 0)
            if kind in _KINDS_WITHOUT_TERMS:
                self.closed[start:end] = b"\1" * (end - start)

    def is_whole(self, start: int, end: int) -> bool:
        """Whether a term stands alone: it is no part of a longer word, id, path, sign or possessive."""
        text = self.message
        before = text[start - 1] if start else " "
        after = text[end] if end < len(text) else " "
        if before.isalnum() or before in "_/\\-.@#&$'’+~*=‑<":
            return False
        if after.isalnum() or after in "_/\\-@&'’+~*=‑%":
            return False
        return not (after in ".:" and end + 1 < len(text) and text[end + 1].isalnum())

    def before(self, start: int) -> str:
        """The word before a place in the same sentence, in lower case; "" at the start of a sentence."""
        head = self.message[max(start - 40, 0) : start].rstrip(" \t")
        match = re.search(r"[\w'’]+$", head)
        return match.group().lower().replace("’", "'") if match else ""

    def opens(self, start: int) -> bool:
        """Whether a sentence, a line or a list item starts here."""
        head = self.message[max(start - 40, 0) : start].rstrip(" \t")
        return not head or head[-1] in ".!?:\n-–*•"

    def after(self, end: int) -> str:
        """The word right after a place, in lower case; "" where punctuation or the end follows."""
        match = re.match(r"[ \t]+([\w'’]+)", self.message[end : end + 40])
        return match.group(1).lower().replace("’", "'") if match else ""


def _message_words(lowered: str, message: str) -> frozenset[str]:
    """The words of a message, also without their endings, against which cues are compared."""
    words = set()
    for text in (lowered, message.lower()):
        for match in _CUE.finditer(text):
            word = match.group().rstrip("'’-/")
            words.add(word)
            if word.endswith(("'s", "’s")):
                words.add(word[:-2])
            for ending in ("s", "es", "ed", "d", "ing"):
                if word.endswith(ending) and len(word) > len(ending) + 2:
                    words.add(word[: -len(ending)])
    return frozenset(words)
