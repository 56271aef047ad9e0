"""What a request, a problem or a plan lacks: who does it, and by when."""

import re
from collections.abc import Iterator

from models.edits.clarify.events import find_event_end
from models.edits.clarify.message import MOST, Message, Sentence
from models.edits.clarify.notes import Note
from models.edits.clarify.sentences import (
    ASKING,
    CONDITION,
    IMPERATIVE,
    PASSIVE_TASK,
    asks_anybody,
    has_order_inside,
    is_request,
    is_task,
)
from models.edits.script import Change, Edit

_VAGUE_ACTOR = re.compile(
    r"\b(?:can|could|would|will|should) (?:someone|somebody|anyone|anybody)\b|\b(?:someone|somebody) "
    r"(?:should|needs to|has to|must|please)\b|"
    r"\bwe (?:should|need to|have to|must|ought to)\b|\blet'?s\b",
    re.I,
)
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
    r"with|looking into|plan|nothing|no need|don't|tell|ask|decid|i think|fine|ok\b|okay|no problem|"
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
        "Who should do it, and by when, is not stated here.",
        "Not stated: who should do it, and by when. Who can take it on?",
    ),
    "who_does_it": (
        "(Who should do it is not stated.)",
        "Who should do it is not stated here.",
        "Who should do it is not stated. Who can take it on?",
    ),
    "by_when": (
        "(By when is not stated.)",
        "By when this should be done is not stated.",
        "By when this should be done is not stated; please ask me if you need a date.",
    ),
    "answer_by": (
        "(By when an answer is needed is not stated.)",
        "By when an answer is needed is not stated here.",
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
    "until_event": (
        "({event} is not stated.)",
        "{event} is not stated here.",
        "{event} is not stated; please ask me if you need a date.",
    ),
    "no_action": (
        "(Whether you need to do anything is not stated.)",
        "Whether you need to do anything is not stated here.",
        "Whether you need to do anything is not stated; please ask me if you are not sure.",
    ),
}


_CLAUSE = re.compile(
    r", (?:so |and |but |or |then )?(?=(?:can|could|will|would) (?:some|any)(?:one|body) )", re.I
)


def ask_who_can(read: Message) -> Iterator[Edit]:
    """A question whether somebody can do something asks who can: "Can someone check?", "Who can check?"."""
    for item in read.sentences[:MOST]:
        if "?" not in read.mark(item):
            continue
        start = max(item.start, read.body) if item.start <= read.body < item.stop else item.start
        inner = _CLAUSE.search(read.text, start, item.stop)
        for at in (start, inner.end() if inner else start):
            if question := asks_anybody(read.text, at):
                end, words = question
                if at in read.starts or at == read.sentences[0].start:
                    words = words.capitalize()
                yield Edit("clarify.who_can", 1, (Change(at, end, words),))
                break


def _asks_who(read: Message, item: Sentence) -> bool:
    """Whether `ask_who_can` makes a sentence ask who can do it."""
    return any(item.start <= edit.start < item.stop for edit in ask_who_can(read))


def write_closing_note(read: Message, notes: list[Note]) -> Iterator[Edit]:
    """What a request, a problem or a plan does not state: who does it, and by when.

    At level 1 it stands in brackets behind the sentence, above it as a sentence at the end of the message.
    """
    gap = _closing_gap(read, {note.rule for note in notes}) or _event_gap(read)
    if gap is None:
        return
    item, rule = gap
    at = max(read.body_end(), item)
    mark = read.mark(item)
    level = 2 if notes and rule != "by_when" else 1
    end = find_event_end(read)
    event = end.gap[:1].upper() + end.gap[1:] if end else ""
    for number, template in enumerate(_CLOSING_TEXTS[rule], start=1):
        if number < level:
            continue
        text = template.replace("{event}", event)
        changes = [Change(item.stop, item.end, f"{mark} {text}")]
        if number > 1 and at.start != item.start and rule != "until_event":
            # The first change only keeps the note of level 1 away.
            changes = [
                Change(item.stop, item.end, mark),
                Change(at.stop, at.end, f"{read.mark(at)} {text}"),
            ]
        yield Edit(f"clarify.{rule}", number, tuple(changes))


def _event_gap(read: Message) -> tuple[Sentence, str] | None:
    """The sentence of what holds until something happens, where the message has no time."""
    end = find_event_end(read)
    return None if end is None else (read.sentence(end.at), "until_event")


def _closing_gap(read: Message, inline: set[str]) -> tuple[Sentence, str] | None:
    """The sentence that lacks something, and the rule."""
    when = not read.has_time(0, len(read.text)) and not inline & {"urgency", "when"}
    requests = [item for item in read.sentences if _requests_task(read, item)]
    if requests:
        return _request_gap(read, requests[-1], when, inline)
    wish = next((item for item in reversed(read.sentences) if _WISH.search(read.words(item))), None)
    if _ASKS_YOU.search(read.text):
        wish = None  # "Can you look it up? It would be useful."
    if wish:
        return wish, "who_and_when" if when else "who_does_it"
    question = next((item for item in reversed(read.sentences) if "?" in read.mark(item)), None)
    if question:
        words = read.words(question)
        asks = ASKING.match(words) and not _ASKS_READER.match(words)
        return (question, "answer_by") if when and asks else None
    inner = next((item for item in read.sentences if _TASK_INSIDE.search(read.words(item))), None)
    if inner and when and not CONDITION.search(read.words(inner)):
        return inner, "by_when"
    if any(is_request(read.words(item)) for item in read.sentences) or has_order_inside(read.text):
        return None
    return _statement_gap(read, when)


def _request_gap(read: Message, item: Sentence, when: bool, inline: set[str]) -> tuple[Sentence, str] | None:
    words = read.words(item)
    vague_actor = bool(_VAGUE_ACTOR.search(words)) or bool(PASSIVE_TASK.search(words))
    who = vague_actor and not read.has_names() and "who" not in inline and not _asks_who(read, item)
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
    if future and when and not CONDITION.search(read.words(future)):
        return future, "when_it_happens"
    starts = [
        max(item.start, read.body) if item.start <= read.body < item.stop else item.start
        for item in read.sentences
    ]
    if any(IMPERATIVE.match(read.text, start) for start in starts) or _NO_ACTION.search(read.text):
        return None
    if (
        len(read.text) >= 160
        or re.search(r"\d|[A-Z]{2}", read.text)
        or len(read.words(read.sentences[-1]).split()) < 3
    ):
        return None
    return read.body_end(), "no_action"


# A task with an end behind a comma or a joining word: "the light is out, call the electrician".
_TASK_INSIDE = re.compile(
    r"(?:,|\band|\bso) (?:please )?(?:send|call|order|fix|write|prepare|update|review|sign|book|ring|"
    r"repair|replace|print|"
    r"collect|return|clean|pay|cancel) (?:the|it|them|him|her|my|your|a|an|some|one|two|back)\b(?! (?:is|"
    r"are|was|were)\b)",
    re.I,
)
_ASKS_YOU = re.compile(r"\b(?:can|could|would|will) (?:you|u)\b", re.I)
_READER = re.compile(r"\byou(?:rs?)?\b", re.I)
_SURE = frozenset({"time", "date", "ticket", "name"})
_ASKS_READER = re.compile(
    r"(?:\w+, )?(?:so |and |but |also,? )?(?:can|could|would|will|may|might|should|shall) (?:you|u|i|"
    r"everyone|everybody|all|we please|we ask)\b|(?:do|would) you mind",
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
_CLOSING_RULES = frozenset(f"clarify.{name}" for name in _CLOSING_TEXTS)
# The message says already whom to ask.
_ASKS_SOMEBODY = re.compile(
    r"\b(?:let me know|tell me|(?:call|ring|phone|text|ping) (?:me|us)"
    r"|(?:ask|check with|talk to|speak to) (?:me|us|whoever|(?-i:[A-Z])\w+))\b",
    re.I,
)
INVITATIONS = (
    "Please ask me if anything is unclear.",
    "If anything is unclear or missing, please ask me before you act on this message.",
)


def invite_questions(read: Message, edits: list[Edit]) -> Iterator[Edit]:
    """Where nothing else stands at the end, the reader may ask: the highest level must change the most."""
    at = read.body_end()
    if any(edit.rule in _CLOSING_RULES for edit in edits) or _ASKS_SOMEBODY.search(read.text):
        return
    if re.search(r"https?://\S*$", read.words(at)):
        return
    levels = (3,) if any(edit.level == 2 for edit in edits) else (2, 3)
    for level, text in zip(levels, INVITATIONS, strict=False):
        yield Edit("clarify.invitation", level, (Change(at.stop, at.end, f"{read.mark(at)} {text}"),))


def _requests_task(read: Message, item: Sentence) -> bool:
    start = read.body - item.start if item.start <= read.body < item.stop else 0
    return is_task(read.words(item), start)
