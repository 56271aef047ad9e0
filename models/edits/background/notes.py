"""Writes what a message does not state: in brackets, as a sentence, as a list with an offer to answer."""

import re
from collections.abc import Iterator

from models.edits.background.topic import Topic
from models.edits.clarify.message import Message
from models.edits.script import Change, Edit

_TO_MANY = re.compile(
    r"(?:hi|hello|dear|hey|good (?:morning|afternoon|evening)) (?:all|everyone|everybody|team|"
    r"colleagues|folks)\s*[,!:]\s*|(?:dear )?(?:all|everyone|team|colleagues)\s*,\s*",
    re.I,
)
_TO_ONE = re.compile(
    r"(?i:hi|hello|hey|dear|good (?:morning|afternoon|evening)|morning|thank|thanks|sorry|congrat)|"
    r"[A-Z][\w'-]+(?: [A-Z][\w'-]+)?, "
)
# The message makes such an offer, names who answers, or wants no questions.
ASKED_ALREADY = re.compile(
    r"\bask (?:me|us)\b|let me know|tell me|don'?t ask\b|\bnot me\b|up for (?:debate|discussion)|"
    r"\b(?:ask|contact|call|email|ring|speak to|talk to) (?:your|the|our) (?:rep|lead|manager|"
    r"supervisor|line|team|"
    r"steward|union|head|boss|office|desk|help)|\b(?i:questions?|queries|enquiries)(?:,? (?:please|"
    r"go))?,? to\b|"
    r"\b(?:ask|contact) (?-i:[A-Z][a-z]+)(?: if\b| about\b|\s*[,.!;]|\s*$)",
    re.I,
)
_GIVES_REASON = re.compile(
    r"\b(?:because|bc|due to|owing to|so that|in order to|on account of|thanks to|as a result|otherwise"
    r"|reasons?)\b",
    re.I,
)
_MOST_LISTED = 3
_MOST_REASONS = 12  # statements that may lack a reason


def write_topic_notes(read: Message, topic: Topic) -> Iterator[Edit]:
    """Notes of what the main sentence lacks.

    At level 1 a bracket stands in it. Above that the note stands at the end of the message, before the thanks
    and the signature.
    """
    item, first = topic.sentence, topic.missing[0]
    mark = read.text[item.stop : item.end]
    bracket = f" ({first} is not stated)"
    if not mark.strip() and "?" in read.mark(item):
        bracket += "?"
    yield Edit(topic.rule, 1, (Change(item.stop, item.end, bracket + (mark if mark.strip() else "")),))
    offer = _offer(read, "?" in mark)
    yield _at_end(read, topic, 2, f" {_sentence(topic.missing[:2])}")
    listed = topic.missing[:_MOST_LISTED]
    if offer:
        third = f" Not stated here: {_joined(listed)}. {offer}"
    else:
        third = f" For those who were not involved: {_joined(listed)} {_verb(listed)} not stated here."
    yield _at_end(read, topic, 3, third)


def note_reasons(read: Message) -> Iterator[Edit]:
    """A note behind each statement that its reason is not stated. The tagger decides where that is so and an
    outsider would ask; a message with a word such as "because" gets none.
    """
    if _GIVES_REASON.search(read.text):
        return
    offer = _offer(read, question=False)
    for item in read.sentences[:_MOST_REASONS]:
        mark = read.mark(item)
        if "?" in mark:
            continue
        words = f"{mark} The reason for this is not stated here."
        texts = (f" (the reason is not stated){mark}", words, f"{words} {offer}".rstrip())
        for level, text in enumerate(texts, start=1):
            yield Edit(
                "background.why_unsure",
                level,
                (Change(item.stop, item.end, text),),
                place=(item.start, item.end),
            )


def _at_end(read: Message, topic: Topic, level: int, note: str) -> Edit:
    item, last = topic.sentence, read.body_end()
    if last.start <= item.start:
        return Edit(topic.rule, level, (Change(item.stop, item.end, read.mark(item) + note),))
    # The first change keeps the bracket of level 1 away.
    own = Change(item.stop, item.end, read.mark(item))
    return Edit(topic.rule, level, (own, Change(last.stop, last.end, read.mark(last) + note)))


def _sentence(gaps: tuple[str, ...]) -> str:
    words = _joined(gaps)
    return f"{words[:1].upper()}{words[1:]} {_verb(gaps)} not stated here."


def _verb(gaps: tuple[str, ...]) -> str:
    return "are" if len(gaps) > 1 else "is"


def _joined(gaps: tuple[str, ...]) -> str:
    return gaps[0] if len(gaps) == 1 else f"{', '.join(gaps[:-1])} and {gaps[-1]}"


def _offer(read: Message, question: bool) -> str:
    """The offer to answer, which names no reader; empty where the message makes one or refuses to."""
    if ASKED_ALREADY.search(read.text):
        return ""
    start = read.sentences[0].start
    to_one = question or (_TO_ONE.match(read.text, start) and not _TO_MANY.match(read.text, start))
    if to_one:
        return "Please ask me if you would like to know more."
    return "Please ask me if it matters to your work."
