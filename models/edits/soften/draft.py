"""The sentences of an English message and the edits that soften them, as the rules find them."""

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from models import facts
from models.edits.script import Change, Edit
from models.edits.soften.words import CUES, KIND, PRAISE, tables


class Sentence(NamedTuple):
    """A sentence at [start, end) without its final marks, which are at [end, stop)."""

    start: int
    end: int
    stop: int


@dataclass
class Draft:
    """The edits of one message as they are found."""

    message: str
    sentences: list[Sentence]
    facts: list[tuple[int, int]]
    is_lower: bool  # its sentences start without capitals
    is_friendly: bool
    edits: list[Edit] = field(default_factory=list)
    is_tense: bool = False  # it has no courtesy, or blames in spite of it
    is_softened: bool = False  # by more than marks
    has_order: bool = False
    requests: int = 0
    complaints: int = 0
    hedges: set[str] = field(default_factory=set)  # that are taken
    leads: dict[int, int] = field(default_factory=dict)  # where the lead of a sentence ends, by its start

    @property
    def i(self) -> str:
        """The writer, as the message spells it."""
        return "i" if self.is_lower else "I"

    def text(self, sentence: Sentence) -> str:
        """The words of a sentence, without its final marks."""
        return self.message[sentence.start : sentence.end]

    def mark(self, sentence: Sentence) -> str:
        """The final marks of a sentence."""
        return self.message[sentence.end : sentence.stop]

    def closing(self, sentence: Sentence) -> str:
        """The quotes and brackets behind the final mark of a sentence."""
        mark = self.mark(sentence)
        return mark[len(mark.rstrip("\"')]")) :]

    def end_with(self, mark: str, sentence: Sentence) -> Change:
        """Another final mark; quotes and brackets behind it stay."""
        return Change(sentence.end, sentence.stop, mark + self.closing(sentence))

    def add(self, rule: str, level: int, *changes: Change) -> bool:
        """Adds an edit unless it would lose a fact or change nothing; says whether it did."""
        real = tuple(sorted(c for c in changes if self.message[c.start : c.end] != c.text))
        if not real:
            return False
        if any(b.start < a.end or b.start == a.start for a, b in pairwise(real)):
            return False
        if any(self._loses(fact, change) for fact in self.facts for change in real):
            return False
        self.edits.append(Edit(f"soften.{rule}", level, real))
        return True

    def _loses(self, fact: tuple[int, int], change: Change) -> bool:
        start, end = fact
        overlaps = change.start < end and start < change.end
        is_inside = change.start == change.end and start < change.start < end
        return (overlaps or is_inside) and self.message[start:end] not in change.text

    def cap(self, text: str) -> str:
        """The text with a capital, unless the message writes its sentences without capitals."""
        return text if self.is_lower else text[:1].upper() + text[1:]

    def cap_first(self, sentence: Sentence, at: int, text: str) -> str:
        """The text with a capital if it begins the sentence."""
        return self.cap(text) if at == sentence.start else text

    def cap_like(self, sentence: Sentence, at: int, text: str) -> str:
        """The text with a capital if it replaces a capital that begins the sentence."""
        is_upper = at == sentence.start and self.message[at].isupper()
        return text[:1].upper() + text[1:] if is_upper else text


def begin_draft(message: str, calm: str) -> Draft:
    """The draft of a message without edits; `calm` is the message without loud capitals."""
    sentences = split_sentences(calm)
    spans = [(span.start, span.end) for span in facts.spans(message)]
    starts = [calm[s.start] for s in sentences if calm[s.start].isalpha()]
    has_capital = any(letter.isupper() for letter in starts) or re.search(r"(?<!\w)I(?!\w)", calm)
    is_friendly = bool(KIND.search(calm) or (PRAISE.search(calm) and not CUES.search(calm)))
    return Draft(calm, sentences, spans, bool(starts) and not has_capital, is_friendly)


_END = re.compile(r"[.!?…]+[\"')\]]?(?=\s|$)")
_STARTS_LINE = re.compile(r"[ \t]*(?:[-*•]|\d{1,2}[.)])\s+")
_BULLET = re.compile(r"[ \t]*(?:[-*•]\s+|\d{1,2}[.)]\s+|>+\s*)?")
_BEFORE_NUMBERS = frozenset({"no", "nr", "st", "ca"})
# A question mark behind a link would become part of it.
_LINK_AT_END = re.compile(r"https?://\S+$")


def split_sentences(message: str) -> list[Sentence]:
    """The sentences of a message; a line break ends one, and the mark of a list item is in none."""
    result: list[Sentence] = []
    at = 0
    for line in message.split("\n"):
        if not line.lstrip().startswith(">"):
            result += _sentences_of_line(message, at, at + len(line))
        at += len(line) + 1
    return result


def _sentences_of_line(message: str, line_start: int, line_end: int) -> list[Sentence]:
    result: list[Sentence] = []
    line = message[line_start:line_end]
    bullet = _BULLET.match(line)
    start = line_start + (bullet.end() if bullet else 0)
    for match in _END.finditer(line):
        end, stop = line_start + match.start(), line_start + match.end()
        if end <= start:
            start = max(start, stop)
            continue
        if match.group() == "." and _ends_abbreviation(message, start, end, stop):
            continue
        result.append(Sentence(start, end, stop))
        start = stop
        while start < line_end and message[start].isspace():
            start += 1
    rest = line_start + len(line.rstrip())
    if start < rest:
        result.append(Sentence(start, rest, rest))
    return result


def _ends_abbreviation(message: str, start: int, end: int, stop: int) -> bool:
    """Whether a point ends an abbreviation or an initial in front of further words, but no sentence."""
    word = (message[max(start, end - 12) : end].rsplit(None, 1)[-1:] or [""])[0]
    following = message[stop : stop + 2].strip()
    is_short = word.lower().lstrip("(\"'") in tables().classes["abbreviations"]
    if not is_short and not (len(word) == 1 and word.isupper()):
        return False
    return following.isdigit() if word.lower() in _BEFORE_NUMBERS else bool(following)


def is_item(draft: Draft, sentence: Sentence) -> bool:
    """Whether a sentence is an item of a list, where questions would read oddly."""
    line_start = draft.message.rfind("\n", 0, sentence.start) + 1
    return _STARTS_LINE.fullmatch(draft.message[line_start : sentence.start]) is not None


def is_quoted(draft: Draft, sentence: Sentence) -> bool:
    """Whether a sentence begins or ends inside a quotation, or has marks of code."""
    text = draft.message[sentence.start : sentence.stop]
    return (
        text[0] in "\"'“‘«`"
        or text.count('"') % 2 == 1
        or text.count("“") != text.count("”")
        or "```" in text
    )


def ends_in_link(text: str) -> bool:
    """Whether the last word is a link."""
    return _LINK_AT_END.search(text) is not None
