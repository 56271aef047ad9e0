"""Proposes edits that clarify an English message: plain words for vague ones, notes of what is not stated.

A note such as "(which one is not stated)" must be true, so each kind of note has a check against the rest of
the message. The vague words are in `clarify.tsv`.
"""

import itertools
import re
import string
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from models import facts
from models.edits.script import Change, Edit

WORDS = Path(__file__).with_suffix(".tsv")


# Only the first vague words of a message get edits, so that the work does not grow with their square.
_MOST = 60


class Sentence(NamedTuple):
    """A sentence's place: its words are `[start:stop)`, its closing punctuation `[stop:end)`."""

    start: int
    stop: int
    end: int


class Note(NamedTuple):
    """Something vague at `[start:end)`, its plain words, and what the message does not state about it."""

    rule: str
    rank: int
    start: int
    end: int
    words: str
    gap: str


class _Row(NamedTuple):
    rule: str
    pattern: re.Pattern[str]
    words: str
    gap: str


# The lookbehind keeps a long run of marks from being tried at each of its characters.
_STOP = re.compile(r"(?<![.!?…])[.!?…]++[)\"'”’]*+(?=\s|$)|\n+")
_ABBREVIATED = re.compile(
    r"(?:\b(?:Mrs?|Ms|Dr|Prof|St|No|no|vs|etc|approx|e\.g|i\.e|Inc|Ltd|Co|resp|incl|tel|ca)|\b[A-Z])$"
)
_BULLET = re.compile(r"\s*(?:[-*•–>]+|\d{1,3}[.)])\s+")
_EDGE = re.compile(r"[\s\"'“‘(\[]*")


def sentences(message: str) -> list[Sentence]:
    """The sentences of a message; a line break ends one, and the mark of a list item is no part of it."""
    result: list[Sentence] = []
    start = 0
    for match in [*_STOP.finditer(message), None]:
        stop, end = match.span() if match else (len(message), len(message))
        if match and match.group().startswith("."):
            before, after = message[max(start, stop - 8) : stop], message[end : end + 2].lstrip()
            number = after[:1].isdigit() or not before.lower().endswith("no")
            if (_ABBREVIATED.search(before) and after and number) or (
                before[-1:].isdigit() and len(before.strip()) <= 2 and after
            ):
                continue
        if match and "\n" in match.group():
            end = stop
        result += _trimmed(message, start, stop, end)
        start = match.end() if match else stop
    return result


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


_QUOTED = re.compile(r"\"[^\"\n]{0,400}\"|“[^”\n]{0,400}”|`[^`\n]{0,400}`")
_UNTOUCHED = frozenset({"url", "email", "identifier", "ticket", "channel", "version"})


def touches_protected(read: "Message", edit: Edit) -> bool:
    """Whether an edit touches quoted words, code, an address or an id, which stay as they are."""
    return any(
        (change.start < end and start < change.end) or start < change.start < end
        for change in edit.changes
        for start, end in read.protected
    )


_GREETING = re.compile(
    r"(?:hi|hello|hey|dear|good (?:morning|afternoon|evening)|morning|greetings)\b[^.!?,]{0,60}(?:,|"
    r"[!.]?$)|(?:dear|hi|hello|hey) ",
    re.I,
)
_VOCATIVE = re.compile(
    r"(?:(?:hi|hello|hey|dear|good (?:morning|afternoon|evening)|morning)\b[^.!?,\n]{0,60}|"
    r"(?:(?:Mrs?|Ms|Dr|Prof)\.? )?[A-Z][\w'-]{1,20}(?: [A-Z][\w'-]{1,20})?(?: and [A-Z][\w'-]{1,20})?)[,:!] "
)
_CLOSING = re.compile(
    r"(?:many thanks|thanks?\b|thank you|thx|cheers|best\b|regards|kind regards|have a (?:nice|good|"
    r"great)|sorry\b.{0,30}$|"
    r"let me know|just let|please let me know|talk soon|see you|speak soon|no rush|hope |i hope|"
    r"greetings|yours)",
    re.I,
)
_ASKING = re.compile(
    r"(?:so |and |but |also,? |then )?(?:can|could|would|will|may|might|should|shall|do|does|did|is|"
    r"are|was|were|has|have|any|"
    r"who|what|where|when|why|how|which|whose|isn't|aren't|don't|doesn't|didn't|won't|can't|couldn't)\b",
    re.I,
)
_ASKING_PERSON = re.compile(
    r"(?:so |and |but |also,? )?(?:can|could|would|will|shall|should|do|did|are|may|have) "
    r"(?:you|u|we|i|someone|somebody|anyone|anybody|they|one of you)\b|any (?:idea|news|update|chance|"
    r"thoughts)\b",
    re.I,
)
# Verbs of a task that has an end, so a deadline would make sense.
_TASK = (
    r"send|check|fix|update|review|look (?:at|into|over|through)|have a look|take a look|add|remove|"
    r"prepare|share|write|call|reply|"
    r"answer|confirm|order|book|finish|upload|sign|replace|clean(?: up)?|change|rename|merge|approve|"
    r"forward|print|create|set up|"
    r"install|test|rerun|re-run|find(?: out)?|get|return|reset|provide|fill (?:in|out)|complete|submit|"
    r"schedule|arrange|collect|"
    r"deliver|deal with|clear|sort|draft|explain|translate|correct|export|import|delete|split|rewrite|"
    r"restart|document|describe|grant|"
    r"verify|investigate|solve|clarify|resend|repair|pay|refund|contact|ask|tell|talk to|make|put|do|"
    r"give|bring|pick|list|compare|"
    r"double[- ]check|cut|shorten|simplify|move|follow up|chase|remind|swap|invite|count|inform|settle|"
    r"handle(?! with care)|stop|redo|run|ring"
)
_TASK_REQUEST = re.compile(
    rf"(?:\b(?:can|could|would|will) (?:you|u|we|someone|somebody|anyone|anybody|one of you)(?: "
    rf"(?:please|pls|also|maybe|possibly|perhaps|"
    rf"kindly|then|just|quickly))*|\b(?:please|pls|plz|kindly)(?: (?:also|just|quickly|do))?|\b(?:i|"
    rf"we) need you to|\bwould you mind|"
    rf"\b(?:someone|somebody) (?:should|needs to|has to|must)(?: (?:probably|really|maybe|please|also))*|"
    rf"\bwe (?:should|need to|have to|must|ought to)(?: (?:probably|really|maybe|also))*|\blet'?s(?: "
    rf"(?:just|also|please))?) (?:{_TASK})\b",
    re.I,
)
_ORDER = re.compile(rf"(?:{_TASK})\b(?! (?:is|are|was|were|has|failed|looks)\b)", re.I)
_PASSIVE_TASK = re.compile(
    r"\b(?:needs?|has|have|must|should|will need|will have)(?: to)? be (?:\w+ly )?(?:\w+ed|done|sent|"
    r"redone|rewritten|written|found|paid|"
    r"made|put|set|cut|split|rerun|told|taken|brought|built|sorted)\b(?! by\b)",
    re.I,
)
_VAGUE_ACTOR = re.compile(
    r"\b(?:can|could|would|will|should) (?:someone|somebody|anyone|anybody)\b|\b(?:someone|somebody) "
    r"(?:should|needs to|has to|must|please)\b|"
    r"\bwe (?:should|need to|have to|must|ought to)\b|\blet'?s\b",
    re.I,
)
_NO_TASK = re.compile(
    r"\b(?:not|don't|dont|never|no need|if|unless|when(?:ever)?|let me know|next time|in future|from "
    r"now on|always|every|each)\b",
    re.I,
)
_TIME = re.compile(
    r"\b(?:today|tonight|tomorrow|now|immediately|at once|right away|straight away|yesterday|this "
    r"(?:week|month|morning|afternoon|evening|"
    r"year|quarter|weekend|time)|next (?:week|month|year|quarter|weekend)|(?:in|within) (?:a|an|one|"
    r"two|three|four|five|ten|\d+)(?: \w+)? "
    r"(?:minutes?|hours?|days?|weeks?|months?)|noon|midnight|midday|before|until|till|by the (?:end|"
    r"time|week|weekend)|end of|"
    r"daily|weekly|first thing|christmas|easter|monday|tuesday|wednesday|thursday|friday|saturday|"
    r"sunday|tmrw|eod|eow|deadline|due|urgent(?:ly)?|asap|as soon as|soon(?:ish)?|when you|whenever|at "
    r"your|lunch|january|february|march|april|june|july|august|"
    r"september|october|november|december|in time|the morning|the afternoon|no rush|no hurry|shortly|"
    r"some point|later)\b",
    re.I,
)
_HOUR = re.compile(r"\b(?:by|at|before|until|till|from|around|to) \d{1,2}\b(?! ?%)", re.I)
_TIMES = frozenset({"time", "date", "weekday"})
_CONDITION = re.compile(
    r"\b(?:if|unless|whenever|in case|whether|should (?:any|you|there)|any|no|not|nothing|never|"
    r"without|don't|doesn't|isn't)\b",
    re.I,
)
_EXPLAINS = re.compile(
    r"\b(?:because|since|due to|as in|namely|for example|e\.g|such as|i\.e|that is)\b|[:(–—]", re.I
)
_NAMES_IT = re.compile(r"\b(?:namely|for example|e\.g|such as|i\.e)\b|[:(–—]", re.I)
_PEOPLE = re.compile(
    r"\b(?:clients?|customers?|suppliers?|vendors?|partners?|team|people|users?|tenants?|neighbours?|"
    r"guests?|board|committee|auditors?|"
    r"lawyers?|candidates?|bank|company|agency|office|department|management|legal|finance|sales|"
    r"everyone|folks|guys|kids|parents|"
    r"students?|patients?|drivers?|colleagues?|[a-z]{3,}s)\b",
    re.I,
)
_REFERRED = re.compile(r"\b(?:one|first|both|either|two|three|options?|versions?|half|some)\b|\b[12]\b", re.I)


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
        if any(span.kind in _TIMES and start <= span.start < end for span in self.facts):
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


def read_message(message: str) -> Message | None:
    """The message with its sentences and facts; nothing where it has no words."""
    text = message.replace("’", "'")
    items = sentences(text)
    if not items:
        return None
    vocative = _VOCATIVE.match(text, items[0].start)
    body = vocative.end() if vocative else items[0].start
    spans = facts.spans(message)
    protected = [match.span() for match in _QUOTED.finditer(text)]
    protected += [(span.start, span.end) for span in spans if span.kind in _UNTOUCHED]
    starts = frozenset([item.start for item in items] + [at for _, at in _split_points(text, items)])
    return Message(text, items, spans, protected, starts, body)


def gaps(read: Message) -> list[Note]:
    """What an English message refers to and does not explain, the most important gap first."""
    _, notes = _vague_words(read)
    kinds = {"pronoun", "which", "what", "who", "person", "thing"}
    notes = [*notes, *_pronoun_at_start(read), *_pronouns(read), *_unnamed(read)]
    return _apart(read, [note for note in notes if note.rule in kinds])


def propose(message: str) -> list[Edit]:
    """All edits that would clarify an English message."""
    read = read_message(message)
    if read is None:
        return []
    plain, notes = _vague_words(read)
    notes += _pronoun_at_start(read)
    notes += _quantities(read)
    notes += _pronouns(read)
    notes += _unnamed(read)
    notes += _times_of_day(read)
    notes = _apart(read, notes)
    edits = list(_closing_notes(read, notes))
    edits += _inline_notes(read, notes, has_closing=bool(edits))
    edits += plain
    edits += _split_question(read)
    edits += _split_long(read)
    edits += _marks_and_capitals(read)
    edits += _contractions(read, edits)
    if edits:
        edits += _invitation(read, edits)
    return [edit for edit in edits if not touches_protected(read, edit)]


# Vague words


class _Rows(NamedTuple):
    """The rows of `clarify.tsv` that can begin with one letter, and a pattern for the first that matches."""

    union: re.Pattern[str]
    rows: list[_Row]


@cache
def _rows() -> dict[str, _Rows]:
    """For each letter, and for any other character, the rows that can begin with it."""
    degrees = "a bit|a little|a tad|slightly|somewhat|kinda|kind of|sort of|really|very|so|quite"
    a_bit = rf"(?: like)?(?: (?:{degrees}))"
    odd = (
        r"(?:off|weird|funny|odd|strange|fishy|wonky|not right|not quite right|not great)"
        r"(?! (?:the|by|from|on|in that|to leave|but)\b)"
    )
    no_modal = "".join(rf"(?<!\b{word} )" for word in _MODALS)
    buckets: dict[str, list[_Row]] = {letter: [] for letter in string.ascii_lowercase + "'"}
    for line in WORDS.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        rule, pattern, words, gap = (*line.split("\t"), "")[:4]
        pattern = pattern.replace("<a bit>", a_bit).replace("<odd>", odd).replace("<no modal>", no_modal)
        pattern = lowered(pattern)
        row = _Row(rule, re.compile(rf"(?:{pattern})(?!\w|[-'/]\w)"), words, gap)
        for letter in _first_letters(pattern) or buckets:
            buckets[letter].append(row)
    return {letter: _Rows(_union(rows), rows) for letter, rows in buckets.items()}


_MODALS = (
    *("will", "might", "may", "could", "would", "can", "to", "doesn't", "does", "did", "don't", "not"),
    *("didn't", "it", "i", "that"),
)


def _union(rows: list[_Row]) -> re.Pattern[str]:
    """One pattern for many rows; the number of its last group tells which row has matched."""
    return re.compile("|".join(_GROUP.sub("(?:", row.pattern.pattern) + "()" for row in rows))


_BEHIND = re.compile(r"(?:\(\?<[=!](?:[^()\\]|\\.|\((?:[^()\\]|\\.)*\))*\))*")


def _first_letters(pattern: str) -> set[str]:
    """The letters that a regular expression can begin with; none if that is not plain to see.

    It is plain where a letter comes first, or a group of such expressions that must be there.
    """
    start = _BEHIND.match(pattern).end()  # type: ignore[union-attr]  # it matches the empty text
    if pattern[start : start + 1].isalpha():
        return set() if pattern[start + 1 : start + 2] == "?" else {pattern[start]}
    if not pattern.startswith("(", start) or pattern.startswith(("(?=", "(?!"), start):
        return set()
    depth, end = 0, start
    bounds = [start + (3 if pattern.startswith("(?:", start) else 1)]
    for end in range(start, len(pattern)):
        escaped = end > 0 and pattern[end - 1] == "\\"
        depth += 0 if escaped else {"(": 1, ")": -1}.get(pattern[end], 0)
        if depth == 0:
            break
        if depth == 1 and pattern[end] == "|":
            bounds.append(end + 1)
    if pattern[end + 1 : end + 2] in {"?", "*", "{"}:
        return set()
    letters = [_first_letters(pattern[at:end]) for at in bounds]
    return set().union(*letters) if all(letters) else set()


_GROUP = re.compile(r"(?<!\\)\((?!\?)")


def lowered(pattern: str) -> str:
    """A regular expression for lower case; the letter behind a backslash is no letter of the text."""
    return re.sub(
        r"\\.|[A-Z]",
        lambda match: match.group() if match.group()[0] == "\\" else match.group().lower(),
        pattern,
    )


def lower_case(text: str) -> str:
    """A text in lower case with each letter in its place."""
    lower = text.lower()
    return lower if len(lower) == len(text) else text


_RANKS = {
    "pronoun": 0,
    "which": 1,
    "state": 2,
    "what": 3,
    "urgency": 4,
    "when": 4,
    "who": 5,
    "until": 6,
    "quantity": 6,
    "person": 7,
    "thing": 8,
    "time_of_day": 9,
}


def _vague_words(read: Message) -> tuple[list[Edit], list[Note]]:
    """Edits to plain words, and the vague words beside which something is missing."""
    plain, notes = [], []
    lower = lower_case(read.text)
    for row, again in itertools.islice(_matches(lower), _MOST):
        start, end = again.span()
        if _is_code(read.text, start, end):
            continue
        words = read.text[start:end] if row.words == "~" else _expanded(row.words, read.text, again)
        if read.text[start].isupper() or start in read.starts:
            capital = start in read.starts or read.text[start + 1 : start + 2].islower()
            words = words[:1].upper() + words[1:] if capital else words
        if words != read.text[start:end] and words.lower() != read.text[start:end].lower():
            plain.append(Edit(f"clarify.{row.rule}", 1, (Change(start, end, words),)))
        if row.gap and _is_gap(read, row, start, end):
            gap = _expanded(row.gap, read.text, again)
            tail = _TAIL.match(read.text, end)
            reach = tail.end() if tail and row.rule in {"state", "what"} else end
            notes.append(Note(row.rule, _RANKS[row.rule], start, reach, words + read.text[end:reach], gap))
    return plain, notes


# Where a word starts, but not inside of an address, a path or a number.
_WORD = re.compile(r"(?<![\w'@#/.-])[\w']")


def _matches(lower: str) -> Iterator[tuple[_Row, re.Match[str]]]:
    """The rows that match, from left to right; a match starts behind the end of the one before."""
    rows, end = _rows(), 0
    for word in _WORD.finditer(lower):
        bucket = rows.get(word.group())
        if bucket is None or word.start() < end:
            continue
        match = bucket.union.match(lower, word.start())
        if match is None or match.end() == match.start():
            continue
        row = bucket.rows[(match.lastindex or 1) - 1]
        again = row.pattern.match(lower, word.start())
        if again:
            end = again.end()
            yield row, again


def _expanded(template: str, text: str, match: re.Match[str]) -> str:
    """A row's words with the groups of the match, as the text writes them."""
    words = re.sub(r"\\(\d)", lambda group: text[slice(*match.span(int(group[1])))], template)
    return _DAY_OR_MONTH.sub(lambda day: day.group().capitalize(), words)


_TAIL = re.compile(
    r" (?:again|lately|today|right now|this week|at the moment)(?! (?:and again|morning)\b)(?![\w'-])", re.I
)


def _is_code(text: str, start: int, end: int) -> bool:
    """Whether the words are part of a path, a name in code or a term in capitals such as BC."""
    word = text[start:end]
    return text[end : end + 1] in {"_", "/", "="} or (word.isupper() and len(word) == 2)


def _is_gap(read: Message, row: _Row, start: int, end: int) -> bool:
    """Whether the message really does not state what the row's note says."""
    item = read.sentence(start)
    before, after = read.text[item.start : start], read.text[end : item.stop]
    if after.lstrip().startswith("("):
        return False
    if row.rule in {"urgency", "when"}:
        own = read.text[item.start : start] + " " + after
        return not any(span.kind in _TIMES for span in read.facts) and not re.search(
            r"\b(?:today|tonight|tomorrow|this (?:week|month|morning|afternoon)|next (?:week|month))\b",
            own,
            re.I,
        )
    if row.rule == "who":
        words = read.text[start:end].lower()
        if words in {"them", "the others"}:
            earlier = read.text[read.body : start]
            return not read.has_names() and not _PEOPLE.search(earlier) and not _REFERRED.search(earlier)
        return words.endswith(("people", "suspects", "crowd", "folks", "contacts")) or not read.has_names()
    if row.rule == "until":
        return not _CONDITION.search(before)
    if row.rule in {"state", "what"}:
        return not _CONDITION.search(before) and not _is_explained(read, item, end)
    if row.rule == "which":
        words = read.text[start:end].lower()
        earlier = read.text[:start].lower()
        if words.startswith(("the other", "that one", "those ones", "these ones")):
            return not _REFERRED.search(earlier) and len(earlier) < 60
        if re.search(r"\b(?:that|those) [a-z]+$", words):
            return words.split()[-1].rstrip("s") not in earlier
        return not _NAMES_IT.search(after)
    return True


def _is_explained(read: Message, item: Sentence, end: int) -> bool:
    """Whether what follows may explain something vague: the rest of the sentence or a later statement."""
    rest = read.text[end : item.stop]
    if _EXPLAINS.search(rest):
        return True
    later = [other for other in read.sentences if other.start > item.start]
    return any(
        not is_request(read.words(other))
        and not is_closing(read.words(other))
        and _STATES.match(read.words(other))
        for other in later
    )


_STATES = re.compile(r"(?:it|its|it's|they|this|that|the|there|i|he|she|one|some|both|which)\b", re.I)


def is_request(words: str) -> bool:
    """Whether a sentence asks for something or orders it."""
    return bool(
        _ASKING.match(words)
        or _TASK_REQUEST.search(words)
        or re.match(
            r"(?:please|pls|kindly|let's|lets|don't|dont|do not|never|maybe|we should|we need|"
            r"(?:someone|somebody) (?:should|needs|has to|must|please|could))\b",
            words,
            re.I,
        )
        or _ORDER.match(words)
    )


def asks_for_task(words: str) -> bool:
    """Whether a sentence asks for something that is done at some time, so that it could have a deadline."""
    return bool(not _NO_TASK.search(words) and (_TASK_REQUEST.search(words) or _PASSIVE_TASK.search(words)))


def is_order(words: str) -> bool:
    """Whether the words begin like an order: with a verb and its object."""
    return bool(_IMPERATIVE.match(words))


def is_closing(words: str) -> bool:
    """Whether a sentence is a greeting, a thanks or a signature."""
    return bool(
        _CLOSING.match(words)
        or _GREETING.fullmatch(words)
        or (all(word[:1].isupper() for word in words.split()[:3]) and len(words.split()) <= 2)
    )


_START = re.compile(
    r"(?:(?P<it>it)(?= (?:is|was|has been|keeps|stopped|crashed|failed|fails|broke|doesn't|does not|"
    r"won't|isn't|wasn't|still|needs|crashes|hangs|"
    r"freezes|came|arrived|went|should be|must be|has to)\b)|(?P<they>they)(?= \w)|(?P<this>this|that|"
    r"these|those)"
    r"(?= (?:is|was|are|were|needs?|should|has|have|doesn't|don't|isn't|can't|won't|must|keeps|looks?|"
    r"can)\b)|"
    r"(?P<he>he|she)(?= \w))",
    re.I,
)
_SHORT = re.compile(
    r"(?P<he>he|she|they)(?P<verb>'d(?= like)|'ll|'re|'s)(?P<been> been| got| had)?(?= )", re.I
)
_EXPLETIVE = re.compile(
    r"(?:it|this|that|these|those) (?:is|was|should be|must be|has been|isn't|wasn't|doesn't|does not|"
    r"are|were|has to)(?: \w+ly)? (?:a |an |the |my |our |your |not |about |time |too |very |so |just |"
    r"only |really )?"
    r"(?:important|possible|impossible|clear|unclear|good|great|nice|better|best|time|cold|hot|warm|"
    r"raining|worth|me|been|pleasure|"
    r"late|early|easy|hard|difficult|necessary|sad|ok|okay|fine|true|likely|unlikely|matter|make|help|"
    r"reminder|test|note|week|month|"
    r"year|friendly|quick|short|message|mail|confirm|inform|first|second|third|second|last|that|"
    r"because|why|what|how|to|with|on|for|\d|(?-i:[A-Z]))\b",
    re.I,
)


def _capital(read: Message, words: str) -> str:
    """The first words of the body, with a capital unless a name stands before them."""
    return words[:1].upper() + words[1:] if read.body == read.sentences[0].start else words


def _pronoun_at_start(read: Message) -> list[Note]:
    """The first word of a message, where it refers to something that the message cannot have named before."""
    short = _SHORT.match(read.text, read.body)
    if short and not read.has_names():
        verb = {"'d": "would", "'ll": "will", "'re": "are", "'s": "has" if short.group("been") else "is"}[
            short.group("verb").lower()
        ]
        return [
            Note(
                "pronoun",
                0,
                read.body,
                short.end("verb"),
                _capital(read, short.group("he")),
                "who is not stated) " + verb,
            )
        ]
    match = _START.match(read.text, read.body)
    if not match or _EXPLETIVE.match(read.text, read.body):
        return []
    gap = {
        "it": "what is not stated",
        "this": "what is not stated",
        "they": "who is not stated",
        "he": "who is not stated",
    }[match.lastgroup or "it"]
    if match.lastgroup == "this" and read.has_time(read.body, read.sentences[0].stop):
        return []
    return [Note("pronoun", 0, match.start(), match.end(), _capital(read, match.group()), gap)]


_PERSONS = (
    "client|customer|supplier|vendor|contractor|agency|candidate|owner|landlord|lender|tenant|"
    "applicant|auditor|consultant|architect|inspector|buyer|seller|provider|source|technician|plumber|"
    "electrician|intern|speaker|author|caterer|carrier|insurer|donor|sponsor|courier|translator|"
    "photographer|developer|builder|surveyor|broker"
)
_THINGS = (
    "report|document|file|form|contract|invoice|page|slide|deck|spreadsheet|template|meeting|workshop|"
    "project|system|server|machine|device|"
    "printer|tool|app|script|dashboard|batch|model|campaign|shipment|delivery|order|database|pipeline|"
    "job|ticket|feature|module|update|"
    "change|offer|quote|proposal|presentation|brochure|booking|event|course|test|release|migration|"
    "table|chart|list|draft|sample|part|"
    "wording|storage|site|line|room|display|label|brand|method|split|policy|process|rule|rules|"
    "schedule|budget|account|bill|logo|photo|picture|recordings|recording|"
    "video|newsletter|campaign|audit|review|call|demo|warehouse|shop|branch|library|popup|banner|"
    "header|layout|design|color|colour|price|prices|terms|discount|deal|"
    "part|parts|unit|van|car|truck|trailer|pump|sensor|press|furnace|oven|fridge|lift|elevator|door|"
    "gate|window|projector|screen|laptop|phone|key|keys|card|badge|"
    "class|lesson|exam|recipe|menu|ward|clinic|kit|box|boxes|pallets|pallet|crates|goods|material|"
    "materials|stock|shelf|shelves|desks|desk|chairs|"
    "survey|study|paper|article|story|chapter|section|paragraph|title|text|translation|query|index|"
    "cluster|backup|restore|build|deploy|deployment|fix|patch|bug|issue|"
    "data|notes|agenda|guidelines|guideline|checklist|manual|figures|costs|expenses|receipts|"
    "timesheets|applications|candidates|clients|customers|users|"
    "reports|documents|files|forms|invoices|slides|numbers|figures|results|samples|parts|changes|"
    "orders|drawings|photos|pictures|logs|links|minutes|papers"
)
_UNNAMED = re.compile(
    rf"(?<![\w'-])(?P<article>the |our |a |an )?(?:(?:new|old|latest|final|current|big|next) "
    rf")?(?:(?P<person>{_PERSONS})|(?P<thing>{_THINGS}))(?=\s*[,.!?;]|$|"
    r" (?:is|are|was|were|has|have|needs?|will|can|can't|could|should|must|does|doesn't|do|don't|did|"
    r"didn't|isn't|aren't|wasn't|won't|and|but|before|after|again|"
    r"today|tomorrow|yet|still|now|because|so|or|if|until|please|pls|asap|soon|later|this week|next "
    r"week|looks?|says?|said|wants?|wanted|asked|asks|called|"
    r"failed|fails|keeps|came|went|got|changed|broke|seems?|stopped)\b)",
    re.I,
)
_SPEAKS = re.compile(
    r" (?:says|said|wants|asked|asks|called|complained|complains|needs|reported|reports|told|is|has|was)\b",
    re.I,
)
_THANKS = re.compile(r"\b(?:thank|thanks|thx|sorry)\b", re.I)
_PLURAL = frozenset({"data", "goods", "keys"})
_SPECIFIC = frozenset({"ticket", "identifier", "url", "version"})


def _unnamed(read: Message) -> list[Note]:
    """Persons and things with an article and nothing that says which they are, each at its first mention."""
    result: list[Note] = []
    seen: set[str] = set()
    # A long message or one with many figures is no vague one: there the notes would be pedantic.
    detailed = len(read.text) > 250 or sum(span.kind in {"number", "time", "date"} for span in read.facts) > 2
    specific = (
        detailed or any(span.kind in _SPECIFIC for span in read.facts) or bool(_QUOTED.search(read.text))
    )
    at_start = read.starts
    for match in itertools.islice(_UNNAMED.finditer(read.text), _MOST):
        person, thing = match.group("person"), match.group("thing")
        word = (person or thing).lower()
        stem = word[:-1] if word.endswith("s") else word
        article = (match.group("article") or "").lower().strip()
        bare = not article
        if article in {"a", "an"} and not (person and _SPEAKS.match(read.text, match.end())):
            continue
        if (bare and match.start() not in at_start) or _THANKS.search(
            read.text, max(0, match.start() - 30), match.start()
        ):
            continue
        if stem in seen or re.search(rf"(?<![\w'-]){stem}", read.text[: match.start()], re.I):
            continue
        seen.add(stem)
        if re.search(rf"(?<!the )(?<!our )\b{word}\b", read.text[match.end() :], re.I):
            continue
        words = f"the {match.group().lower()}" if bare else match.group()
        words = words[:1].upper() + words[1:] if match.start() in at_start else words
        if person and not read.has_names():
            result.append(Note("person", _RANKS["person"], *match.span(), words, "name not stated"))
        elif thing and not specific:
            gap = (
                "which ones is not stated"
                if word.endswith("s") and not word.endswith("ss")
                else "which one is not stated"
            )
            gap = "which ones is not stated" if word in _PLURAL else gap
            result.append(Note("thing", _RANKS["thing"], *match.span(), words, gap))
    return result


_QUANTITY = re.compile(
    r"(?<![\w'-])(?:some|a few|several|many|most|a lot|lots|a couple|half|parts|none|one or two) of "
    r"(?:the|our|these|those|my|your|their) "
    r"(?:(?:old|new|other|last|first|older|newer|bigger|open|big|small|larger|current|existing) "
    r")?(?P<head>[a-z]{3,20}s)(?P<after>\s*[,.!?;]|$| [a-z']+)"
    r"|(?<![\w'-])(?:a few|several|some|a couple of) (?:(?:old|new|other|more|small|open|extra|minor) "
    r")?(?P<head2>[a-z]{3,20}s)(?P<after2>\s*[,.!?;]|$| [a-z']+)",
    re.I,
)
_AFTER_NOUN = frozenset(
    {
        *("is", "are", "was", "were", "has", "have", "had", "look", "looks", "do", "don't", "did"),
        *("didn't", "can", "can't", "could", "will", "would", "should", "must", "may", "might"),
        *("need", "needs", "still", "also", "from", "in", "on", "at", "for", "that", "who"),
        *("which", "to", "and", "or", "but", "with", "before", "after", "by", "again", "got"),
        *("get", "say", "says", "want", "seem", "went", "came", "cannot", "won't", "aren't"),
        *("weren't", "haven't", "if", "when", "until", "because", "so", "today", "yesterday"),
        *("tomorrow", "this", "last", "next", "about", "upstairs", "downstairs", "here", "there"),
        *("please", "pls", "as"),
    }
)
_UNIT = frozenset(
    {
        *("times", "days", "weeks", "hours", "minutes", "months", "years", "things", "ways"),
        *("always", "this", "his", "us", "its", "was", "has", "is", "does", "thanks", "guys"),
        *("yes", "perhaps", "as"),
    }
)


def _quantities(read: Message) -> list[Note]:
    """A vague number of things, where the words around show that the noun ends there."""
    result = []
    for match in itertools.islice(_QUANTITY.finditer(read.text), _MOST):
        group = "" if match.group("head") else "2"
        head, after = match.group("head" + group), match.group("after" + group).strip().lower()
        if (
            head.lower() in _UNIT
            or head.lower().endswith("ss")
            or (after.isalpha() and after not in _AFTER_NOUN)
        ):
            continue
        start, end = match.start(), match.end("head" + group)
        sentence = read.sentence(start)
        if any(span.kind == "number" and sentence.start <= span.start < sentence.end for span in read.facts):
            continue
        if _CONDITION.search(read.text, sentence.start, start):
            continue
        words = read.text[start:end]
        words = words[:1].upper() + words[1:] if start in read.starts else words
        gap = (
            "which ones is not stated"
            if words.lower().startswith(("some", "parts of", "most of", "half of"))
            else "how many is not stated"
        )
        result.append(Note("quantity", _RANKS["quantity"], start, end, words, gap))
    return result


_OBJECT = re.compile(
    r"(?:hi,? |hey,? |so |also,? )?(?:(?:can|could|would|will|should) (?:you|u|we|someone|somebody|"
    r"anyone) (?:please |pls |maybe |just )?|please |pls |"
    r"let's |lets |just |we should (?:probably )?|someone (?:should|needs to) )"
    r"(?:make|reset|check|send|fix|move|do|look at|change|update|put|redo|finish|cancel|push|get|sort|"
    r"handle|restart|review|postpone|deal with|follow up with|call|ask|tell|"
    r"remind|talk to|chase|check with) (?P<it>it|them|him|her|this|that|these|those)(?=\s*[,.!?]|$| "
    r"(?:for|to|by|before|a|again|with|about|up|out|in|on|if|soon|back|and|when|today|now|"
    r"please|more|better|pls|some|nicer|the|off|over)\b)",
    re.I,
)
_THEY = re.compile(
    r"(?<=\bbefore )they(?= \w)|(?<=\buntil )they(?= \w)|(?<=\bif )they(?= \w)|(?<=\bbecause )they(?= "
    r"\w)|(?<=^)they(?= \w)|(?<=, )they(?= \w)|(?<=\. )they(?= \w)",
    re.I,
)
_WHO = frozenset({"them", "him", "her", "they"})


def _pronouns(read: Message) -> list[Note]:
    """A pronoun in the first request, or "they" anywhere, where nothing before it can be meant."""
    result = []
    match = _OBJECT.match(read.text, read.body)
    if match:
        word = match.group("it")
        gap = "who is not stated" if word.lower() in _WHO else "what is not stated"
        if not (word.lower() in _WHO and read.has_names()):
            result.append(Note("pronoun", 4, *match.span("it"), word, gap))
    they = _THEY.search(read.text, read.body)
    if they and not read.has_names():
        earlier = read.text[read.body : they.start()]
        if not _PEOPLE.search(earlier) and not re.search(
            r"\bthem\b|\band\b|\bsomeone\b|\bsomebody\b|\banyone\b", earlier, re.I
        ):
            words = they.group()
            result.append(Note("pronoun", 0, *they.span(), words, "who is not stated"))
    return result


_DAY = re.compile(
    r"(?<![\w'-])(?:(?P<by>by|before|until|till|on|to) (?:next |this )?(?:(?:mon|tues|wednes|thurs|fri|"
    r"satur|sun)day|tomorrow)"
    r"(?=\s*[,.!?;]|$| (?:and|but|please|at the latest|because|so|or|for|in|with)\b)|(?:today|"
    r"tomorrow)(?=\s*[,.!?;]|$))",
    re.I,
)


def _times_of_day(read: Message) -> list[Note]:
    """A day without a time, in a request or for something that starts at a time."""
    if any(span.kind == "time" for span in read.facts) or re.search(
        r"\b(?:noon|midnight|morning|afternoon|evening|lunch|hours?|o'clock|all day|end of)\b",
        read.text,
        re.I,
    ):
        return []
    for match in itertools.islice(_DAY.finditer(read.text), _MOST):
        item = read.sentence(match.start())
        words = read.words(item)
        by = (match.group("by") or "").lower()
        if by in {"on", "to"} or not by:
            fits = bool(
                re.search(
                    r"\b(?:meet|meeting|visit|come|comes|call|arrive|arrives|pick|collect|collected|"
                    r"delivered|delivery|start|starts|workshop|interview|talk|demo|training|"
                    r"appointment)\b",
                    words,
                    re.I,
                )
            )
            fits = fits or (not by and is_request(words))
        else:
            fits = is_request(words)
        if (
            fits
            and not _CONDITION.search(words)
            and not re.search(r"\bat \w+", read.text[match.end() : match.end() + 8])
        ):
            return [
                Note("time_of_day", _RANKS["time_of_day"], *match.span(), match.group(), "time not stated")
            ]
    return []


def _apart(read: Message, notes: list[Note]) -> list[Note]:
    """Notes that do not overlap, at most two in a sentence and five in all, the most important ones first."""
    kept: list[Note] = []
    for note in sorted(notes, key=lambda item: (item.rank, item.start)):
        same = [other for other in kept if read.sentence(other.start) == read.sentence(note.start)]
        if (
            len(kept) < 5
            and len(same) < 2
            and all(note.end <= other.start or note.start >= other.end for other in kept)
        ):
            if any(
                note.gap == other.gap and note.rule in {"thing", "until", "when", "urgency"} for other in kept
            ):
                continue
            kept.append(note)
    return kept


def _inline_notes(read: Message, notes: list[Note], has_closing: bool) -> Iterator[Edit]:
    """The most important note at level 1, the next two at level 2, the others at level 3."""
    levels = iter((1, 2, 2, 3, 3))
    for note in notes:
        level = 2 if note.rule == "thing" and has_closing else next(levels)
        yield Edit(f"clarify.{note.rule}_note", level, (Change(note.start, note.end, _bracketed(note)),))


def _bracketed(note: Note) -> str:
    """The words with the gap in brackets; a gap that closes its bracket itself goes on behind it."""
    return f"{note.words} ({note.gap}" + ("" if ")" in note.gap else ")")


# What a request lacks

_PROBLEM = re.compile(
    r"\b(?:(?:is|are|'s|'re|was|were|went|been|got|keeps?|still|looks?|feels?|seems?|does|do|there's) "
    r"(?:\w+ ){0,2}?(?:broken|down|slow|not working|failing|crashing|missing|wrong|delayed|complaining|"
    r"issues?|problems?|trouble|errors?|weird|flaky|outdated|unpaid|stuck|loose|leaking|confusing|"
    r"unhappy|not happy|incomplete|out of date|acting up|unstable|not great|off|blocked|empty|gone|"
    r"lost|not right|"
    r"concerns?|not fit|not match)|isn't (?:\w+ )?(?:happy|working|great|right)|aren't (?:\w+ "
    r")?(?:happy|working|right)|doesn't (?:work|fit|match|open|load|close|start)|don't (?:work|fit|"
    r"match|open|load|close|look right)|"
    r"keeps? [a-z]+ing|(?:acts?|acting) up|makes? (?:a|that|the) (?:\w+ )?(?:noise|sound)|failed|"
    r"crashed|hangs|leaks|drops)\b",
    re.I,
)
_HANDLED = re.compile(
    r"\b(?:will|'ll|working on|on it|fixed|solved|back (?:to normal|again)|going to|taken care|dealt "
    r"with|looking into|plan|nothing|no need|don't|tell|ask|decid|i think|fine|ok\\b|okay|no problem|"
    r"sorry)",
    re.I,
)
_FUTURE = re.compile(
    r"\b(?:will be [a-z]+|(?:is|are|'re) (?:moving|switching|changing|closing|leaving|getting|dropping|"
    r"replacing|"
    r"removing|postponed|delayed|cancelled|moved|planned))\b(?! (?:the [a-z]+ )?(?:to|by|in|at|on) [a-z]*\d)",
    re.I,
)


_WISH = re.compile(
    r"\b(?:(?:would|might) be (?:great|nice|good|helpful|useful|worth)|i'd (?:feel better|be happy|"
    r"love it|appreciate it) if|worth (?:a look|looking|checking)|"
    r"hoping we can|(?:maybe|perhaps) (?:we|someone|somebody)(?: (?:can|could|should))?|might need "
    r"looking|it would help)\b",
    re.I,
)
# For each rule the notes of the levels 1, 2 and 3.
_CLOSING_TEXTS = {
    "who_and_when": (
        "(Who should do it, and by when, is not stated.)",
        "Who should do it, and by when, is not stated.",
        "Not stated: who should do it, and by when. Who can take it on?",
    ),
    "who_does_it": (
        "(Who should do it is not stated.)",
        "Who should do it is not stated.",
        "Who should do it is not stated. Who can take it on?",
    ),
    "by_when": (
        "(By when is not stated.)",
        "By when this should be done is not stated.",
        "By when this should be done is not stated; please ask me if you need a date.",
    ),
    "answer_by": (
        "(By when an answer is needed is not stated.)",
        "By when an answer is needed is not stated.",
        "By when an answer is needed is not stated; please ask me if you need a date.",
    ),
    "who_handles_it": (
        "(Who takes care of it is not stated.)",
        "Who takes care of it, and by when, is not stated.",
        "Not stated: who takes care of it, and by when. Who can do it?",
    ),
    "when_it_happens": (
        "(When exactly is not stated.)",
        "When exactly this happens is not stated.",
        "When exactly this happens is not stated; please ask me if you need a date.",
    ),
    "no_action": (
        "(Whether you need to do anything is not stated.)",
        "Whether you need to do anything is not stated.",
        "Whether you need to do anything is not stated; please ask me if you are not sure.",
    ),
}


def _closing_notes(read: Message, notes: list[Note]) -> Iterator[Edit]:
    """What a request, a problem or a plan does not state: who does it, and by when.

    At level 1 it stands in brackets behind the sentence, above it as a sentence at the end of the message.
    """
    gap = _closing_gap(read, {note.rule for note in notes})
    if gap is None:
        return
    item, rule = gap
    at = max(_body_end(read), item)
    mark = _mark(read, item)
    level = 2 if notes and rule != "by_when" else 1
    for number, text in enumerate(_CLOSING_TEXTS[rule], start=1):
        if number < level:
            continue
        changes = [Change(item.stop, item.end, f"{mark} {text}")]
        if number > 1 and at.start != item.start:
            # The first change only keeps the note of level 1 away.
            changes = [
                Change(item.stop, item.end, mark),
                Change(at.stop, at.end, f"{_mark(read, at)} {text}"),
            ]
        yield Edit(f"clarify.{rule}", number, tuple(changes))


def _closing_gap(read: Message, inline: set[str]) -> tuple[Sentence, str] | None:
    """The sentence that lacks something, and the rule."""
    when = not read.has_time(0, len(read.text)) and not inline & {"urgency", "when"}
    requests = [item for item in read.sentences if _is_task(read, item)]
    if requests:
        return _request_gap(read, requests[-1], when, inline)
    wish = next((item for item in reversed(read.sentences) if _WISH.search(read.words(item))), None)
    if wish:
        return wish, "who_and_when" if when else "who_does_it"
    question = next((item for item in reversed(read.sentences) if "?" in _mark(read, item)), None)
    if question:
        words = read.words(question)
        asks = _ASKING.match(words) and not _ASKS_READER.match(words)
        return (question, "answer_by") if when and asks else None
    if any(is_request(read.words(item)) for item in read.sentences) or _ORDER_INSIDE.search(read.text):
        return None
    return _statement_gap(read, when)


def _request_gap(read: Message, item: Sentence, when: bool, inline: set[str]) -> tuple[Sentence, str] | None:
    words = read.words(item)
    vague_actor = bool(_VAGUE_ACTOR.search(words)) or bool(_PASSIVE_TASK.search(words))
    who = vague_actor and not read.has_names() and "who" not in inline
    if who:
        return item, "who_and_when" if when else "who_does_it"
    return (item, "by_when") if when else None


def _statement_gap(read: Message, when: bool) -> tuple[Sentence, str] | None:
    """What a message that only states something leaves open: who handles a problem, when a plan happens."""
    problem = next((item for item in read.sentences if _PROBLEM.search(read.words(item))), None)
    vague = len(read.text) < 220 and not any(span.kind in _SURE for span in read.facts)
    if problem and vague and not _HANDLED.search(read.text) and not _READER.search(read.text):
        return problem, "who_handles_it"
    future = next((item for item in read.sentences if _FUTURE.search(read.words(item))), None)
    if future and when and not _CONDITION.search(read.words(future)):
        return future, "when_it_happens"
    starts = [
        max(item.start, read.body) if item.start <= read.body < item.stop else item.start
        for item in read.sentences
    ]
    if any(_IMPERATIVE.match(read.text, start) for start in starts) or _NO_ACTION.search(read.text):
        return None
    if (
        len(read.text) >= 160
        or re.search(r"\d|[A-Z]{2}", read.text)
        or len(read.words(read.sentences[-1]).split()) < 3
    ):
        return None
    return _body_end(read), "no_action"


_READER = re.compile(r"\byou(?:rs?)?\b", re.I)
_SURE = frozenset({"time", "date", "ticket", "name"})
_ASKS_READER = re.compile(
    r"(?:\w+, )?(?:so |and |but |also,? )?(?:can|could|would|will|may|might|should|shall) (?:you|u|i|"
    r"everyone|everybody|all|we please|we ask)\b|(?:do|would) you mind",
    re.I,
)
# Words that begin no order.
_NO_ORDER = (
    r"(?!(?:it|there|they|he|she|we|you|i|the|a|an|and|but|so|or|with|in|on|at|for|of|because|since|"
    r"not|like|even|by|from|as|to|is|are|was|"
    r"apart|including|about|after|before|maybe|probably|same|this|that|my|our|your|his|her|which|who|"
    r"where|when|while|if|all|both|half|most|"
    r"some|many|few|until|till|unless|though|although|then|also|has|have|does|what|how|just|only|over|"
    r"under|into|had|will|part|more|less|"
    r"sure|good|great|nice|quite|almost|unfortunately|sadly|hopefully)\b)"
)
# An order inside a sentence: behind a comma or a joining word, a verb and an object.
_ORDER_INSIDE = re.compile(
    rf"(?:,|\band|\bso|\bbut|\bthen) (?:please )?(?:(?:{_TASK}|keep|use|take|wait|watch|hold|stop|try|"
    rf"be|avoid|leave|stay|save|mind|"
    r"remember|plan|expect|never|careful)\b(?! (?:is|are|was|were)\b)|"
    rf"{_NO_ORDER}[a-z]+(?<!ed)(?<!s)(?<!ing) (?:the|it|them|your|my|a|this|that)\b)",
    re.I,
)
_IMPERATIVE = re.compile(
    rf"{_NO_ORDER}[a-z]+(?<!ed)(?<!s)(?<!ing)(?<!'t) (?:the|it|them|your|my|a|an|this|that|all|me|us|"
    rf"him|her|up|out|to|three|two|every|each|"
    r"by|before|until)\b",
    re.I,
)
_NO_ACTION = re.compile(
    r"\b(?:please|pls|i'll|i will|i can|we'll|need to|have to|must|should|you can|you may|no need|nothing|"
    r"don't|do not|let's|lets|fyi|for your information|just so you know|"
    r"needs?|only|nobody|no one|never|not allowed|may not|whatever|wants?|could|someone|somebody|maybe|"
    r"no more|stop|everyone|everybody|all|rule|from now on|instead|thank|thanks|thx|ok for me|welcome|"
    r"congrat|sorry|will you|up to you|you)\b",
    re.I,
)


def _body_end(read: Message) -> Sentence:
    """The last sentence before the thanks and the signature."""
    body = list(read.sentences)
    while len(body) > 1 and is_closing(read.words(body[-1])) and "?" not in _mark(read, body[-1]):
        body.pop()
    return body[-1]


_CLOSING_RULES = frozenset(f"clarify.{name}" for name in _CLOSING_TEXTS)
_INVITATIONS = (
    "Please ask me if anything is unclear.",
    "If anything is unclear or missing, please ask me before you act on this message.",
)


def _invitation(read: Message, edits: list[Edit]) -> Iterator[Edit]:
    """Where nothing else stands at the end, the reader may ask: the highest level must change the most."""
    at = _body_end(read)
    if any(edit.rule in _CLOSING_RULES for edit in edits) or re.search(
        r"\b(?:ask me|let me know|tell me)\b", read.text, re.I
    ):
        return
    if re.search(r"https?://\S*$", read.words(at)):
        return
    levels = (3,) if any(edit.level == 2 for edit in edits) else (2, 3)
    for level, text in zip(levels, _INVITATIONS, strict=False):
        yield Edit("clarify.invitation", level, (Change(at.stop, at.end, f"{_mark(read, at)} {text}"),))


def _is_task(read: Message, item: Sentence) -> bool:
    words = read.words(item)
    start = read.body - item.start if item.start <= read.body < item.stop else 0
    if _NO_TASK.search(words):
        return False
    return bool(_TASK_REQUEST.search(words) or _PASSIVE_TASK.search(words) or _ORDER.match(words, start))


def _mark(read: Message, item: Sentence) -> str:
    """The mark at the end of a sentence, or the one that it lacks."""
    mark = read.text[item.stop : item.end]
    if mark.strip():
        return mark
    return missing_mark(read.words(item))


def missing_mark(words: str) -> str:
    """The mark that a sentence without one lacks."""
    return "?" if _asks(words) else "."


def _asks(words: str) -> bool:
    """Whether a sentence without a mark is a question: its first or its last part begins like one."""
    last = words.rsplit(", ", 1)[-1]
    if last != words and _STATEMENT.match(last):
        return False
    return bool(
        _ASKING_PERSON.match(words)
        or _ASKING_PERSON.match(last)
        or re.match(r"(?:why|how|who|where|what) (?:is|are|do|does|did|can|was|should)\b", words, re.I)
    )


# The form of the message

_STATEMENT = re.compile(
    r"(?:it|it's|its|there's|there|i|i'm|they|they're|we|we're|he|he's|she|she's|this|that|that's|the) [a-z]",
    re.I,
)
_SPLIT = re.compile(
    r",( (?:so |and |but )?)(?=(?:can|could|would) (?:you|u|we|someone|somebody|anyone) [a-z]+ [a-z])", re.I
)


def _split_points(text: str, items: list[Sentence]) -> Iterator[tuple[int, int]]:
    """The comma between a question and a statement without a mark, and where the statement starts."""
    for item in items[:_MOST]:
        parts = text[item.start : item.stop].split(", ")
        if (
            item.end == item.stop
            and len(parts) == 2
            and _ASKING_PERSON.match(parts[0])
            and _STATEMENT.match(parts[1])
        ):
            comma = item.start + len(parts[0])
            yield comma, comma + 2


def _split_question(read: Message) -> Iterator[Edit]:
    """A question behind a comma becomes a sentence of its own, and so does a statement behind a question."""
    split = set()
    for comma, at in _split_points(read.text, read.sentences):
        yield Edit("clarify.split_statement", 1, (Change(comma, at, "? "),))
        yield Edit("clarify.capital", 1, (Change(at, at + 1, read.text[at].upper()),))
        split.add(read.sentence(at).start)
    for item in read.sentences[:_MOST]:
        if item.start in split:
            continue
        if (
            read.text[item.stop : item.end].startswith((".", "!"))
            or _ASKING.match(read.words(item))
            or item.start < read.body < item.stop
        ):
            continue
        matches = list(_SPLIT.finditer(read.text, item.start, item.stop))
        if (
            len(matches) == 1
            and not _CONDITION_START.match(read.words(item))
            and matches[0].start() - item.start > 12
        ):
            match = matches[0]
            first = read.text[match.start() + 1 : match.end()].lstrip()
            at = match.end() - len(first)
            yield Edit(
                "clarify.split_question",
                2,
                (Change(match.start(), match.start() + 1, "."), Change(at, at + 1, read.text[at].upper())),
            )


_LONG = re.compile(
    r",( )(?P<word>so|but) (?=(?:I|we|you|he|she|it|they|the|there|this|that|my|our|please|pls|don't|"
    r"can) ?\b)",
    re.I,
)
_REPORTED = re.compile(
    r"\b(?:if|when|unless|because|that|who|which|says?|said|thinks?|told|asked|whether|not only|while|"
    r"although|although|before|after)\b",
    re.I,
)


def _split_long(read: Message) -> Iterator[Edit]:
    """A long sentence ends before "so" or "but", where a whole statement stands on both sides."""
    for item in read.sentences[:_MOST]:
        words = read.words(item)
        if len(words.split()) < 18 or "?" in read.text[item.stop : item.end]:
            continue
        for match in itertools.islice(_LONG.finditer(read.text, item.start, item.stop), 5):
            before = read.text[item.start : match.start()]
            if (
                len(before.split()) >= 6
                and not _REPORTED.search(before)
                and not _CONDITION_START.match(before)
                and "(" not in before
            ):
                at = match.start("word")
                level = 1 if match.group("word").lower() == "so" else 2
                yield Edit(
                    "clarify.split_long",
                    level,
                    (
                        Change(match.start(), match.start() + 1, "."),
                        Change(at, at + 1, read.text[at].upper()),
                    ),
                )
                break


_CONDITION_START = re.compile(
    r"(?:if|when|once|before|after|as|since|because|while|unless|for|in|on|at|with|due|given)\b", re.I
)


_DAY_OR_MONTH = re.compile(
    r"(?<![\w'@#/.-])(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|january|february|april|june|july|august|"
    r"september|october|november|december)s?(?![\w'-])"
)


def _marks_and_capitals(read: Message) -> Iterator[Edit]:
    """Capitals at the starts of sentences, for "i", and the mark that the message lacks at its end."""
    for item in read.sentences[:_MOST]:
        word = re.match(r"[a-z']+(?![\w.@/-]*[A-Z_\d@/])", read.text[item.start : item.start + 40])
        if word and read.text[item.start].islower():
            at = item.start
            yield Edit("clarify.capital", 1, (Change(at, at + 1, read.text[at].upper()),))
    at_start = {item.start for item in read.sentences}
    for match in itertools.islice(re.finditer(r"(?<![\w'./-])i(?=[ ']|$)(?!\.)", read.text), _MOST):
        if match.start() not in at_start:
            yield Edit("clarify.capital", 1, (Change(match.start(), match.end(), "I"),))
    for match in itertools.islice(_DAY_OR_MONTH.finditer(read.text), _MOST):
        at = match.start()
        yield Edit("clarify.capital", 1, (Change(at, at + 1, read.text[at].upper()),))
    last = read.sentences[-1]
    words = read.words(last)
    if (
        last.end == last.stop
        and last.end == len(read.text.rstrip())
        and len(words.split()) >= 4
        and words[-1].isalnum()
    ):
        yield Edit("clarify.mark", 1, (Change(last.stop, last.end, _mark(read, last)),))


_CONTRACTION = re.compile(
    r"\b(?:(?P<not>do|does|did|is|are|was|were|has|have|had|could|should|would|must)n't|can't|won't|"
    r"(?P<will>I|you|we|they|it|he|she|there)'ll|"
    r"(?P<are>you|we|they)'re|(?P<have>I|you|we|they)'ve|I'm|(?P<is>it|that|there|he|she|what|who|"
    r"where)'s(?= (?:not|a|the|an|in|on|at|"
    r"still|too|very|only|also|about|for|my|our|your|no|[a-z]+ing)\b))",
    re.I,
)
_WHOLE = {"can't": "cannot", "won't": "will not", "i'm": "I am"}


def _contractions(read: Message, edits: list[Edit]) -> Iterator[Edit]:
    """Short forms in full, except in a question, where the order of the words would change."""
    taken = [
        (change.start, change.end)
        for edit in edits
        for change in edit.changes
        if change.end > change.start + 1
    ]
    level = 3 if any(edit.level == 2 for edit in edits) else 2
    for match in itertools.islice(_CONTRACTION.finditer(read.text), _MOST):
        if any(start < match.end() and match.start() < end for start, end in taken):
            continue
        item = read.sentence(match.start())
        if "?" in read.text[item.stop : item.end] or _asks(read.words(item)):
            continue
        words = match.group()
        long = _WHOLE.get(words.lower())
        if long is None:
            base, _, _ = words.partition("'")
            tail = {"not": "not", "will": "will", "are": "are", "have": "have", "is": "is"}[
                match.lastgroup or "is"
            ]
            long = f"{base[:-1] if tail == 'not' else base} {tail}"
        if words[0].isupper() or match.start() == item.start or words[:2].lower() == "i'":
            long = long[:1].upper() + long[1:]
        yield Edit("clarify.contraction", level, (Change(match.start(), match.end(), long),))
