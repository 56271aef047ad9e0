"""Reads an English message: its sentences, its facts, and what no edit may touch."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from models import facts
from models.edits.clarify.sentences import ASKING_PERSON, STATEMENT, is_closing, missing_mark
from models.edits.script import Edit

# Of each kind only the first places of a message get edits, so that the work does not grow with their square.
MOST = 60


class Sentence(NamedTuple):
    """A sentence's place: its words are `[start:stop)`, its closing punctuation `[stop:end)`."""

    start: int
    stop: int
    end: int


# The lookbehind keeps a long run of marks from being tried at each of its characters.
_STOP = re.compile(r"(?<![.!?…])[.!?…]++[)\"'”’]*+(?=\s|$)|\n+")
_ABBREVIATED = re.compile(
    r"(?:\b(?:Mrs?|Ms|Dr|Prof|St|No|no|vs|etc|approx|e\.g|i\.e|Inc|Ltd|Co|resp|incl|tel|ca|prob|p\.a|p\.m|a\.m|max|min|est|Sept?|Oct|Nov|Dec|Jan|Feb|Aug)|\b[A-Z])$"
)
# "Gate D." ends a sentence; "J." in a name does not.
_LABELLED = re.compile(
    r"\b(?:gate|room|option|line|block|hall|area|zone|type|class|grade|plan|version|level|row|team|unit|building|bay|"
    r"dock|deck|desk|stand|pier|ward|wing|section|part|annex|group|track|lot|plot|stage|phase|"
    r"vitamin) [A-Z]$",
    re.I,
)
_BULLET = re.compile(r"\s*(?:[-*•–>]+|\d{1,3}[.)])\s+")


def sentences(message: str) -> list[Sentence]:
    """The sentences of a message; a line break ends one, and the mark of a list item is no part of it."""
    result: list[Sentence] = []
    start = 0
    for match in [*_STOP.finditer(message), None]:
        stop, end = match.span() if match else (len(message), len(message))
        if match and match.group().startswith(".") and _is_inside(message, start, stop, end):
            continue
        if match and "\n" in match.group():
            end = stop
        result += _trimmed(message, start, stop, end)
        start = match.end() if match else stop
    return result


def _is_inside(message: str, start: int, stop: int, end: int) -> bool:
    """Whether a point ends an abbreviation or a small number in front of further words, but no sentence."""
    before, after = message[max(start, stop - 16) : stop], message[end : end + 2].lstrip()
    if not after:
        return False
    if before[-1:].isdigit() and len(before.strip()) <= 2:
        return True
    if _LABELLED.search(before):
        return False
    has_number = after[0].isdigit() or not before.lower().endswith("no")
    return has_number and _ABBREVIATED.search(before) is not None


def _trimmed(message: str, start: int, stop: int, end: int) -> list[Sentence]:
    """The sentence without spaces and the mark of a list item; none where no word is left."""
    bullet = _BULLET.match(message, start, stop)
    start = bullet.end() if bullet else start
    while start < stop and message[start].isspace():
        start += 1
    while stop > start and message[stop - 1].isspace():
        stop -= 1
        end = stop if end <= stop + 1 and not message[stop:end].strip() else end
    if not any(character.isalnum() for character in message[start:stop]):
        return []
    return [Sentence(start, stop, max(stop, end))]


QUOTED = re.compile(r"\"[^\"\n]{0,400}\"|“[^”\n]{0,400}”|`[^`\n]{0,400}`")
_UNTOUCHED = frozenset({"url", "email", "identifier", "ticket", "channel", "version"})
_VOCATIVE = re.compile(
    r"(?:(?:hi|hello|hey|dear|good (?:morning|afternoon|evening)|morning)\b[^.!?,\n]{0,60}|"
    r"(?:(?:Mrs?|Ms|Dr|Prof)\.? )?[A-Z][\w'-]{1,20}(?: [A-Z][\w'-]{1,20})?(?: and [A-Z][\w'-]{1,20})?)[,:!] "
)
_TIME = re.compile(
    r"\b(?:today|tonight|tomorrow|now|immediately|at once|right away|straight away|yesterday|this "
    r"(?:week|month|morning|afternoon|evening|"
    r"year|quarter|weekend|time)|next (?:week|month|year|quarter|weekend)|(?:in|within) (?:a|an|one|"
    r"two|three|four|five|ten|\d+)(?: \w+)? "
    r"(?:minutes?|hours?|days?|weeks?|months?)|noon|midnight|midday|before|until|till|til|by the (?:end|"
    r"time|week|weekend)|end of|"
    r"daily|weekly|first thing|christmas|easter|monday|tuesday|wednesday|thursday|friday|saturday|"
    r"sunday|tmrw|eod|eow|deadline|due|urgent(?:ly)?|asap|as soon as|soon(?:ish)?|when you|whenever|at "
    r"your|lunch|january|february|march|april|june|july|august|"
    r"september|october|november|december|in time|the morning|the afternoon|no rush|no hurry|shortly|"
    r"some point|later)\b",
    re.I,
)
_HOUR = re.compile(r"\b(?:by|at|before|until|till|til|from|around|to) \d{1,2}\b(?! ?%)", re.I)
_PLAIN_START = re.compile(r"[a-z']+(?![\w.@/-]*[A-Z_\d@/])")
TIMES = frozenset({"time", "date", "weekday"})


class Message(NamedTuple):
    """What several rules ask about a message."""

    text: str
    sentences: list[Sentence]
    facts: list[facts.Span]
    protected: list[tuple[int, int]]
    starts: frozenset[int]  # where sentences start, also the one that a comma should have separated
    body: int  # where the message starts after its greeting and the name of the person it speaks to

    def has_time(self, start: int, end: int) -> bool:
        """Whether the words from `start` to `end` name a time."""
        if any(span.kind in TIMES and start <= span.start < end for span in self.facts):
            return True
        return bool(_TIME.search(self.text, start, end) or _HOUR.search(self.text, start, end))

    def has_names(self) -> bool:
        """Whether the message names somebody other than the person that it speaks to."""
        return any(span.kind == "name" and span.start >= self.body for span in self.facts)

    def sentence(self, at: int) -> Sentence:
        """The sentence around a place."""
        return next(
            (item for item in self.sentences if item.start <= at < item.end or at == item.stop),
            self.sentences[-1],
        )

    def words(self, item: Sentence) -> str:
        """A sentence's words."""
        return self.text[item.start : item.stop]

    def mark(self, item: Sentence) -> str:
        """The mark at the end of a sentence, or the one that it lacks."""
        mark = self.text[item.stop : item.end]
        return mark if mark.strip() else missing_mark(self.words(item))

    def lacks_capital(self, item: Sentence) -> bool:
        """Whether a sentence starts with a small letter, and not with a name such as iPhone or max_size."""
        start = _PLAIN_START.match(self.text, item.start, item.start + 40)
        return start is not None and self.text[item.start].islower()

    def body_end(self) -> Sentence:
        """The last sentence before the thanks and the signature."""
        body = list(self.sentences)
        while len(body) > 1 and is_closing(self.words(body[-1])) and "?" not in self.mark(body[-1]):
            body.pop()
        return body[-1]


def read_message(message: str) -> Message | None:
    """The message with its sentences and facts; nothing where it has no words."""
    text = message.replace("’", "'")
    items = sentences(text)
    if not items:
        return None
    vocative = _VOCATIVE.match(text, items[0].start)
    body = vocative.end() if vocative else items[0].start
    spans = facts.spans(message)
    protected = [match.span() for match in QUOTED.finditer(text)]
    protected += [(span.start, span.end) for span in spans if span.kind in _UNTOUCHED]
    starts = frozenset([item.start for item in items] + [at for _, at in split_points(text, items)])
    return Message(text, items, spans, protected, starts, body)


def touches_protected(read: Message, edit: Edit) -> bool:
    """Whether an edit touches quoted words, code, an address or an id, which stay as they are."""
    return any(
        (change.start < end and start < change.end) or start < change.start < end
        for change in edit.changes
        for start, end in read.protected
    )


def lower_case(text: str) -> str:
    """A text in lower case with each letter in its place."""
    lower = text.lower()
    return lower if len(lower) == len(text) else text


def split_points(text: str, items: list[Sentence]) -> Iterator[tuple[int, int]]:
    """The comma between a question and a statement without a mark, and where the statement starts."""
    for item in items[:MOST]:
        parts = text[item.start : item.stop].split(", ")
        if (
            item.end == item.stop
            and len(parts) == 2
            and ASKING_PERSON.match(parts[0])
            and STATEMENT.match(parts[1])
        ):
            comma = item.start + len(parts[0])
            yield comma, comma + 2
