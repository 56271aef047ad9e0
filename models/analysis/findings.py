"""The findings of a message: what its words do to a reader, each with its words."""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from models.analysis import deadlines, hurting, requests, terms, words
from models.analysis.prose import Prose, Run


class FindingKind(StrEnum):
    """What words do to a reader."""

    HURTS = "hurts"  # blame, mockery, threats
    ORDER = "order"  # a bare order
    COURTESY = "courtesy"
    HEDGE = "hedge"
    PASSIVE = "passive"  # it hides who acts
    LONG_SENTENCE = "long_sentence"
    TERM = "term"
    VAGUE_TIME = "vague_time"
    VAGUE_AMOUNT = "vague_amount"
    VAGUE_PERSON = "vague_person"
    VAGUE_THING = "vague_thing"
    URGENT = "urgent"
    NO_RUSH = "no_rush"
    DEADLINE = "deadline"


VAGUE = (FindingKind.VAGUE_TIME, FindingKind.VAGUE_AMOUNT, FindingKind.VAGUE_PERSON, FindingKind.VAGUE_THING)
_OF_WORDS = (
    FindingKind.COURTESY,
    FindingKind.HEDGE,
    FindingKind.PASSIVE,
    *VAGUE,
    FindingKind.URGENT,
    FindingKind.NO_RUSH,
)
LONG_WORDS, LONG_CHARACTERS = 32, 90  # of an English and a Japanese sentence


class Finding(NamedTuple):
    """Words of a message, as indices of characters, and what they do. `meaning` is that of a term, `day` that
    of a deadline, if it is known.
    """

    start: int
    end: int
    kind: FindingKind
    meaning: str = ""
    day: date | None = None


def find(prose: Prose, today: date) -> list[Finding]:
    """The findings of a message, by their places."""
    found = [Finding(*place, kind) for kind in _OF_WORDS for place in words.find(kind, prose)]
    found = _without_parts(found)
    due = deadlines.find(prose, today)
    found += [Finding(each.start, each.end, FindingKind.DEADLINE, day=each.day) for each in due]
    # "by the end of the day" is no vague time.
    ends = [each.end for each in due]
    found = [each for each in found if each.kind not in VAGUE or not _lies_in(each, due, ends)]
    found += [Finding(each.start, each.end, FindingKind.TERM, each.meaning) for each in terms.find(prose)]
    found += _of_sentences(prose)
    return sorted(set(found))


def _without_parts(found: list[Finding]) -> list[Finding]:
    """The findings without vague words that are a part of other vague ones: "as soon" of "as soon as
    possible".
    """
    kept: list[Finding] = []
    end = 0
    for each in sorted(found, key=lambda finding: (finding.start, -finding.end)):
        if each.kind not in VAGUE:
            kept.append(each)
        elif each.end > end:
            kept.append(each)
            end = each.end
    return kept


def add_hurting(prose: Prose, found: list[Finding]) -> list[Finding]:
    """The findings with more sentences that hurt, since the message is harsh as a whole: at least one, if
    any may.
    """
    more = [Finding(*each, FindingKind.HURTS) for each in prose.sentences if hurting.may_hurt(prose, each)]
    if not more and not any(each.kind is FindingKind.HURTS for each in found):
        more = [Finding(*each, FindingKind.HURTS) for each in hurting.find_worst(prose)]
    return sorted({*found, *more})


def _lies_in(finding: Finding, due: list[deadlines.Deadline], ends: list[int]) -> bool:
    index = bisect_right(ends, finding.start)
    return index < len(due) and due[index].start <= finding.start


def _of_sentences(prose: Prose) -> Iterator[Finding]:
    for sentence in prose.sentences:
        if hurting.hurts(prose, sentence):
            yield Finding(*sentence, FindingKind.HURTS)
        if requests.orders(prose, sentence):
            yield Finding(*sentence, FindingKind.ORDER)
        if is_long(prose, sentence):
            yield Finding(*sentence, FindingKind.LONG_SENTENCE)


def is_long(prose: Prose, sentence: Run) -> bool:
    """Whether a sentence has so many words that one reads it twice."""
    text = prose.text[sentence.start : sentence.end]
    has_spaces = text.count(" ") * 12 > len(text)
    return len(text.split()) > LONG_WORDS if has_spaces else len(text) > LONG_CHARACTERS
