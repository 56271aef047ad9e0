"""Finds the main decision, change, request or problem of a message, and what it does not state."""

import itertools
import re
from collections.abc import Iterator
from typing import NamedTuple

from models.edits.background.allusions import find_allusions
from models.edits.background.gaps import Place, asks_nothing, may_state
from models.edits.background.kinds import Kind, kinds
from models.edits.background.mentions import find_mentions, find_person
from models.edits.background.reasons import is_explained
from models.edits.clarify.events import find_event_end
from models.edits.clarify.message import Message, Sentence, lower_case
from models.edits.clarify.sentences import is_closing

_MOST = 40  # sentences that may be the main one
_MOST_DECISIONS = 12  # decisions of a message that are read closely


class Topic(NamedTuple):
    """The main sentence of a message, the rule of its note, and what is not stated, most important first."""

    sentence: Sentence
    rule: str
    missing: tuple[str, ...]

    @property
    def is_person(self) -> bool:
        """Whether only a person is not introduced."""
        return self.rule == "background.person"


_QUESTION_WORDS = re.compile(
    r"(?:is|are|was|were|do|does|did|has|have|who|what|when|where|why|how|which|any|should|am)\b", re.I
)
_TRIVIAL = re.compile(r"\b(?:let me know|feel free|happy to|sorry|thank|welcome|congrat|hope)\b", re.I)
_UNSURE = re.compile(
    r"\b(?:if|unless|whether|no|not|any|without|nothing|never|in case|when)\b(?! (?:water|power|"
    r"heating|internet|electricity))",
    re.I,
)
_REMINDER = re.compile(r"(?:may|can|could) (?:i|we) (?:just |please )?(?:remind|inform|tell|let)", re.I)
# A decision inside of such a clause is none of this message.
_CLAUSE_OF_TIME = re.compile(r"\b(?:until|till|til|unless|once|whether)\b[^,;]*$", re.I)
# "Bookings that were moved" tells which ones, and decides nothing.
_MAY = re.compile(r"\b(?:can|could|may|might) $", re.I)
_RELATIVE = re.compile(r"\b(?:that|which|who) $", re.I)
_WHICH = re.compile(r"\b(?:that|which|who) \w+ $", re.I)
_ASKED_WHY = re.compile(r"\bwhy\b[^,;]{0,80}$", re.I)
_AUXILIARY = re.compile(r"(?:is|are|was|were|has|have|had|will|be|been)\b")
_CONDITION = re.compile(r"\b(?:if|unless|when|whenever)\b|\bor (?:we|i|you|they) $|^(?:stop|quit)\b", re.I)
_REASONS = (
    "the reason",
    "the cause",
    "what it is needed",
    "the purpose",
    "how it happened",
    "what the problem was",
    "what is wrong",
    "what has gone",
)
# What is worth a note of its own, even where the message may give the reason.
_STRONG = frozenset(
    {
        "who stands in",
        "who takes over",
        "what happens after that",
        "the new date",
        "whether there will be a new date",
        "by when it should be done",
        "by when it is needed",
    }
)
# What is worth no note of its own.
_WEAK = frozenset(
    {
        "who decided it",
        "what replaces it",
        "who is working on it",
        "from when it holds",
        "who would do it",
        "what it affects",
        "whether it can happen again",
        "what happens instead",
        "who is dealing with it",
    }
)
# Only these kinds may be asked for in a question.
_ASKED = frozenset(
    {"request", "suggestion", "need", "move", "postponement", "cancellation", "rule", "hold", "stop", "wish"}
)
# Such words before a decision say that it is none yet.
_NOT_YET = re.compile(r"(?:\b(?:not|never|yet|to be|can be|could be|might be|may be|if)|n't) $", re.I)


def find_topic(read: Message) -> Topic | None:
    """The sentence that lacks the most important thing; nothing where the message lacks none of the list."""
    body = [item for item in read.sentences[:_MOST] if not is_closing(read.words(item))]
    allusions = list(find_allusions(read))
    mentions = [*allusions, *find_mentions(read)]
    others: list[Topic] = []
    for topic in itertools.islice(_decisions(read, body), _MOST_DECISIONS):
        if topic.missing[0].startswith(_REASONS) or topic.missing[0] in _STRONG:
            also = [*(mention.gap for mention in mentions), *topic.missing[1:]]
            return Topic(topic.sentence, topic.rule, _unique([topic.missing[0], *also, *_ends(read, also)]))
        others.append(topic)
    if mentions:
        also = [*(mention.gap for mention in mentions), *(topic.missing[0] for topic in others[:1])]
        first = read.sentence(mentions[0].at)
        rule = "background.allusion" if allusions else "background.mention"
        return Topic(first, rule, _unique([*also, *_ends(read, also)]))
    plain = (topic for topic in others if topic.missing[0] not in _WEAK)
    return next(plain, None) or _least(read, body)


def _least(read: Message, body: list[Sentence]) -> Topic | None:
    """What a message without a decision lacks: when something happens, the role of a person."""
    end, person = find_event_end(read), find_person(read)
    if end and body:
        missing = _unique([end.gap, *([person.gap] if person else [])])
        return Topic(read.sentence(end.at), "background.ending", missing)
    if person:
        return Topic(read.sentence(person.at), "background.person", (person.gap,))
    return None


def _ends(read: Message, others: list[str]) -> Iterator[str]:
    """What may be added to the gaps of a decision."""
    if "until when this holds" not in others and (end := find_event_end(read)):
        yield end.gap
    elif not others and asks_nothing(read):
        yield "whether you need to do anything"


def _unique(gaps: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(gaps))


def _decisions(read: Message, body: list[Sentence]) -> Iterator[Topic]:
    """The sentences with a decision that lack something, the most important kinds first."""
    lower = lower_case(_unquoted(read))
    for group in kinds():
        for item, kind in itertools.product(body, group):
            words = read.words(item)
            match = kind.pattern.search(lower[item.start : item.stop])
            if match is None or _TRIVIAL.match(words) or len(words.split()) < 3:
                continue
            earlier = words[max(0, match.start() - 10) : match.start()]
            if _NOT_YET.search(earlier) or (match.group().startswith("be ") and _MAY.search(earlier)):
                continue
            if _RELATIVE.search(words[: match.start()]) and _AUXILIARY.match(match.group()):
                continue
            if _ASKED_WHY.search(words[: match.start()]):
                continue
            if kind.name == "limit" and _WHICH.search(words[: match.start()]):
                continue
            if kind.name in {"plan", "limit"} and _CONDITION.search(words[: match.start()]):
                continue
            if _CLAUSE_OF_TIME.search(words[: match.start()]):
                continue
            is_question = "?" in read.text[item.stop : item.end] and not _REMINDER.match(words)
            if is_question and (kind.name not in _ASKED or _QUESTION_WORDS.match(words)):
                continue
            near = words[max(0, match.start() - 25) : match.start() + 4]
            if kind.name in {"problem", "outage", "delay", "recovery"} and _UNSURE.search(near):
                continue
            missing = tuple(_missing(read, item, kind, item.start + match.start()))
            if missing:
                rule = (
                    f"background.reason_{kind.name}" if missing[0].startswith(_REASONS) else "background.gap"
                )
                yield Topic(item, rule, missing)


def _unquoted(read: Message) -> str:
    """The text with spaces in the place of quoted words, code, addresses and ids."""
    parts, end = [], 0
    for start, stop in sorted(read.protected):
        if start >= end:
            parts += [read.text[end:start], " " * (stop - start)]
            end = stop
    return "".join([*parts, read.text[end:]])


def _missing(read: Message, item: Sentence, kind: Kind, at: int) -> Iterator[str]:
    """What the message does not state about a decision at `at`."""
    place = Place(read, item, at)
    explained = is_explained(read.text, read.sentences, item, at, kind.name)
    if kind.reason and not explained:
        yield kind.reason
    for gap in kind.others:
        if not may_state(gap, place):
            yield gap
