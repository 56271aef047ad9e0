"""A sentence that is being softened, and the edits of its end."""

import re
from typing import NamedTuple

from models.edits.japanese.grammar import Sentence
from models.edits.japanese.phrases import wants_particle
from models.edits.script import Change, Edit


class Draft(NamedTuple):
    """A sentence of a message."""

    message: str
    sentence: Sentence
    body: str  # without its mark
    requests: int  # how many requests stand before it
    several: bool  # whether the message has other sentences

    @property
    def asks(self) -> bool:
        """Whether it ends with a question mark."""
        return bool(re.search("[?？]", self.message[self.sentence.end : self.sentence.stop]))

    def end(self, rule: str, level: int, start: int, text: str, question: bool = False) -> Edit:
        """An edit of the sentence's end, from `start` of its body on, and of the mark behind it."""
        mark = self.message[self.sentence.end : self.sentence.stop]
        if mark:
            mark = ("？" if "?" in mark or "？" in mark else "。") if question else "。"
        change = Change(self.sentence.start + start, self.sentence.stop, text + mark)
        return Edit(f"soften.{rule}", level, (change,))


def subject(body: str, at: int) -> str:
    """が, if the subject before a predicate has lost it."""
    before = body[:at]
    return "が" if wants_particle(before) and "が" not in before else ""
