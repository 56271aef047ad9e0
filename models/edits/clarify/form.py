"""The form of a message: sentences that are too long, marks, capitals, short forms."""

import itertools
import re
from collections.abc import Iterator

from models.edits.clarify.message import MOST, Message, split_points
from models.edits.clarify.sentences import ASKING, asks_anybody, is_question
from models.edits.clarify.words import DAY_OR_MONTH
from models.edits.script import Change, Edit

_SPLIT = re.compile(
    r",( (?:so |and |but )?)(?=(?:can|could|would) (?:you|u|we|someone|somebody|anyone) [a-z]+ [a-z])", re.I
)


def split_question(read: Message) -> Iterator[Edit]:
    """A question behind a comma becomes a sentence of its own, and so does a statement behind a question."""
    split = set()
    for comma, at in split_points(read.text, read.sentences):
        yield Edit("clarify.split_statement", 1, (Change(comma, at, "? "),))
        yield Edit("clarify.capital", 1, (Change(at, at + 1, read.text[at].upper()),))
        split.add(read.sentence(at).start)
    for item in read.sentences[:MOST]:
        if item.start in split:
            continue
        if (
            read.text[item.stop : item.end].startswith((".", "!"))
            or ASKING.match(read.words(item))
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
            changes = [Change(match.start(), match.start() + 1, ".")]
            if at < match.end():  # "so" or "and"
                changes.append(Change(at, at + 1, read.text[at].upper()))
            if question := asks_anybody(read.text, match.end()):
                end, words = question
                words = words if at < match.end() else words.capitalize()
                changes.append(Change(match.end(), end, words))
            elif at == match.end():
                changes.append(Change(at, at + 1, read.text[at].upper()))
            yield Edit("clarify.split_question", 2, tuple(changes))


_LONG = re.compile(
    r",( )(?P<word>so|but) (?=(?:I|we|you|he|she|it|they|the|there|this|that|my|our|please|pls|don't|"
    r"can) ?\b)",
    re.I,
)
_REPORTED = re.compile(
    r"\b(?:if|when|unless|because|that|who|which|says?|said|thinks?|told|asked|whether|not only|while|"
    r"although|before|after)\b",
    re.I,
)


def split_long(read: Message) -> Iterator[Edit]:
    """A long sentence ends before "so" or "but", where a whole statement stands on both sides."""
    for item in read.sentences[:MOST]:
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


def add_marks_and_capitals(read: Message) -> Iterator[Edit]:
    """Capitals at the starts of sentences, for "i", and the mark that the message lacks at its end."""
    for item in read.sentences[:MOST]:
        if read.lacks_capital(item):
            at = item.start
            yield Edit("clarify.capital", 1, (Change(at, at + 1, read.text[at].upper()),))
    at_start = {item.start for item in read.sentences}
    for match in itertools.islice(re.finditer(r"(?<![\w'./-])i(?=[ ']|$)(?!\.)", read.text), MOST):
        if match.start() not in at_start:
            yield Edit("clarify.capital", 1, (Change(match.start(), match.end(), "I"),))
    for match in itertools.islice(DAY_OR_MONTH.finditer(read.text), MOST):
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
        yield Edit("clarify.mark", 1, (Change(last.stop, last.end, read.mark(last)),))


_CONTRACTION = re.compile(
    r"\b(?:(?P<not>do|does|did|is|are|was|were|has|have|had|could|should|would|must)n't|can't|won't|"
    r"(?P<will>I|you|we|they|it|he|she|there)'ll|"
    r"(?P<are>you|we|they)'re|(?P<have>I|you|we|they)'ve|I'm|(?P<is>it|that|there|he|she|what|who|"
    r"where)'s(?= (?:not|a(?! (?:few|couple|lot)\b)|the|an|in|on|at|"
    r"still|too|very|only|also|about|for|my|our|your|no|[a-z]+ing)\b))",
    re.I,
)
_WHOLE = {"can't": "cannot", "won't": "will not", "i'm": "I am"}


def write_out_short_forms(read: Message, edits: list[Edit]) -> Iterator[Edit]:
    """Short forms in full, except in a question, where the order of the words would change."""
    taken = [
        (change.start, change.end)
        for edit in edits
        for change in edit.changes
        if change.end > change.start + 1
    ]
    level = 3 if any(edit.level == 2 for edit in edits) else 2
    for match in itertools.islice(_CONTRACTION.finditer(read.text), MOST):
        if any(start < match.end() and match.start() < end for start, end in taken):
            continue
        item = read.sentence(match.start())
        if "?" in read.text[item.stop : item.end] or is_question(read.words(item)):
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
