"""Proposes edits that give an English message the background that an outsider lacks.

A reason is never invented: a note marks what the message does not state, first of all the reason for its main
decision, change, request or ban. Where the message may give a reason, the note is about something else. The
kinds of decisions are in `background.tsv`.
"""

import itertools
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from models.edits import clarify
from models.edits.clarify.message import Message, Sentence, lower_case, read_message, touches_protected
from models.edits.clarify.sentences import asks_for_task, is_closing, is_order, is_request, missing_mark
from models.edits.clarify.words import lowered
from models.edits.script import Change, Edit

KINDS = Path(__file__).with_suffix(".tsv")


_MOST = 40  # sentences that may be the main one


class _Kind(NamedTuple):
    """A kind of decision, what has no reason, and what else an outsider may miss."""

    name: str
    pattern: re.Pattern[str]
    reason: str
    others: tuple[str, ...]


class _Topic(NamedTuple):
    """The main sentence of a message, and what it does not state: the most important first."""

    sentence: Sentence
    kind: str
    missing: tuple[str, ...]


@cache
def _kinds() -> tuple[tuple[_Kind, ...], tuple[_Kind, ...]]:
    """The kinds that count first, and those that count only where none of the first is."""
    first, later = KINDS.read_text(encoding="utf-8").split("\nlater\n")
    return _parsed(first), _parsed(later)


def _parsed(lines: str) -> tuple[_Kind, ...]:
    rows = [line.split("\t") for line in lines.splitlines() if not line.startswith("#")]
    return tuple(
        _Kind(name, re.compile(lowered(pattern)), reason, tuple(other.split(";")))
        for name, pattern, reason, other in rows
    )


def propose(message: str) -> list[Edit]:
    """All edits that would tell an outsider what an English message leaves out."""
    read = read_message(message)
    if read is None:
        return []
    text, sentences = read.text, read.sentences
    topic = _topic(read)
    edits = list(_topic_notes(text, sentences, topic)) if topic else []
    edits += _references(read, topic)
    edits += _terms(text, len(edits))
    edits += _offer(text, sentences, edits)
    edits += _form(text, sentences)
    return [edit for edit in edits if not touches_protected(read, edit)]


# The main decision

_REASON = re.compile(
    r"\b(?:because|bc|cause|causes|caused|since(?! (?:monday|tuesday|wednesday|thursday|friday|"
    r"saturday|sunday|yesterday|last|this (?:morning|week)|then|when|\d|january|february|march|april|"
    r"may|june|july|august|september|october|november|december|spring|summer|noon|the start)\b)|due to|"
    r"reasons?|in order to|so that|thanks to|owing to|given that|therefore|otherwise|or else|"
    r"that's why|which is why|that is why|why|to (?:avoid|make sure|ensure|save|prevent|allow|help|"
    r"keep|reduce|give|free|protect|comply|meet|be able)|"
    r"(?<!soon )(?<!long )as (?:we|i|it|he|she|they|you|the|there|this|that|his|her|our|my|their|of "
    r"these|a result)|"
    r"for (?:safety|security|legal|technical|health|personal|budget|cost|organi[sz]ational)|need (?:it|"
    r"them|this|that) (?:for|to|before|by|in)|needs (?:it|them|this) (?:for|to|before)|"
    r"or (?:we|i|you|they|it|the|he|she|our|your|my)|without (?:it|them|this)\b|after (?:the|talking|last|"
    r"yesterday)|following|"
    r"too (?:high|low|late|slow|expensive|small|big|long|short|many|much|few))\b|[;:](?!\d)|\s[–—-]\s|—",
    re.I,
)
# Words of a sentence that does not give a reason: what is done, from when, by whom, and what stays.
_NO_REASON = re.compile(
    r"(?:please|pls|if |until|till|from |as of|as discussed|as agreed|after that|then|before|otherwise|"
    r"existing|older|those|"
    r"these|everyone|everybody|nobody|anyone|new |requests?|thank|thanks|sorry|"
    r"hi\b|hello|dear|could|can|would|will|may|do |does|is |are |who|what|when|where|how|which|"
    r"questions?|any |the new|new date|more |details|it goes away|anything|expect|i said|same answer|i "
    r"have agreed|i agreed|i've agreed|no exceptions|don't|do not|so far|also|and |but |both|all |only|"
    r"apologies|have a|looking|best|regards|kind)",
    re.I,
)
_CONSEQUENCE = re.compile(
    r"\b(?:will|won't|in that time|in the meantime|meanwhile|goes|'ll|stays?|remains?|goes? to|go to|"
    r"(?<!it )keeps?|starts?|takes over|has to|have to|should|must|may|instead|exempt|not affected|"
    r"unaffected|unchanged|valid|attached|"
    r"can (?:be|answer|help|still)|is on site|welcome|gets?|takes \w+ (?:minutes|hours|days|weeks)|not "
    r"affected|sends?|apolog|already|next|until|is solved|by [a-z0-9])\b",
    re.I,
)
_CLAUSE = re.compile(
    r", (?=(?:it|people|nobody|everyone|users|customers|clients|it's|he|she|they|they're|we|we're|i|i'm|"
    r"the|there|there's|that's|this|my|our|his|her|[A-Z][a-z]+) )"
)
_QUESTION_WORDS = re.compile(
    r"(?:is|are|was|were|do|does|did|has|have|who|what|when|where|how|which|any|should|am)\b", re.I
)
_TRIVIAL = re.compile(r"\b(?:let me know|feel free|happy to|sorry|thank|welcome|congrat|hope)\b", re.I)
_OWN_TIME = re.compile(
    r"\b(?:until|till|between|from \S+ to|\w+day (?:to|-|–) \w+"
    r"|(?:mon|tue|wed|thu|fri|sat|sun) (?:to|-|–) \w+"
    r"|this (?:mon|tues|wednes|thurs|fri|satur|sun)day"
    r"|on \d+ [a-z]+|on (?:mon|tues|wednes|thurs|fri|satur|sun)day"
    r"|today|tonight|"
    r"tomorrow|this week|over the weekend|for (?:a|one|two|three|four|\d+|the) (?:\w+ )?(?:minutes?|"
    r"hours?|days?|weeks?|months?|year)|through|for now|permanently|from now on|any ?more|no longer)\b",
    re.I,
)
_DECIDER = re.compile(r"\b(?:decided|asked|asks|wants|says|told|by [A-Z])\b")
_SUCCESSOR = re.compile(
    r"\b(?:takes? over|take over|successor|stands? in|covers?|contact|ask|go to|goes to|call|write to|"
    r"instead|deputy|replacement|meanwhile|until)\b",
    re.I,
)


def _unquoted(read: Message) -> str:
    """The text with spaces in the place of quoted words, code, addresses and ids."""
    parts, end = [], 0
    for start, stop in sorted(read.protected):
        if start >= end:
            parts += [read.text[end:start], " " * (stop - start)]
            end = stop
    return "".join([*parts, read.text[end:]])


def _topic(read: Message) -> _Topic | None:
    """The sentence with the message's main decision, request or problem, and what it lacks."""
    text, lower = read.text, lower_case(_unquoted(read))
    body = [item for item in read.sentences[:_MOST] if not is_closing(text[item.start : item.stop])]
    for kinds in _kinds():
        for item, kind in itertools.product(body, kinds):
            words = text[item.start : item.stop]
            match = kind.pattern.search(lower[item.start : item.stop])
            if match is None or _TRIVIAL.match(words) or len(words.split()) < 3:
                continue
            asked = "?" in text[item.stop : item.end] and not _REMINDER.match(words)
            if asked and (kind.name not in _ASKED or _QUESTION_WORDS.match(words)):
                continue
            near = words[max(0, match.start() - 25) : match.start() + 4]
            if kind.name in {"problem", "outage", "delay"} and _UNSURE.search(near):
                continue
            missing = tuple(_missing(read, item, kind, item.start + match.start()))
            if missing and (
                missing[0].startswith(_REASONS)
                or (
                    missing[0] in _STRONG
                    and (missing[0] != "until when this holds" or kind.name == "closure")
                )
            ):
                return _Topic(item, kind.name, missing)
    return None


_UNSURE = re.compile(
    r"\b(?:if|unless|whether|no|not|any|without|nothing|never|in case|when)\b(?! (?:water|power|"
    r"heating|internet|electricity))",
    re.I,
)
_REMINDER = re.compile(r"(?:may|can|could) (?:i|we) (?:just |please )?(?:remind|inform|tell|let)", re.I)
_REASONS = ("the reason", "the cause", "what it is needed", "the purpose", "how this happened")
# What is worth a note even where the message may give the reason.
_STRONG = frozenset(
    {
        "who stands in",
        "who takes over",
        "what happens after that",
        "until when this holds",
        "the new date",
        "whether there will be a new date",
        "by when it should be done",
        "by when it is needed",
    }
)
# Only these kinds may be asked for in a question.
_ASKED = frozenset(
    {"request", "suggestion", "need", "move", "postponement", "cancellation", "rule", "hold", "stop", "wish"}
)


_EVENT = re.compile(
    r"\b(?:meet|meets|meeting|audit|auditors?|launch|release|board|closes?|closing|payroll|demo|opens?|"
    r"starts?|arrives?|leaves?|flight|trip|visit|call|presentation|run|expires?|customer|"
    r"client|forecast|stand-?up|review|fair|inspection|deadline)\b",
    re.I,
)


def _missing(read: Message, item: Sentence, kind: _Kind, at: int) -> Iterator[str]:
    """What the message really does not state about a decision."""
    text, sentences, spans = read.text, read.sentences, read.facts
    explained = _may_explain(text, sentences, item, at, kind.name)
    explained = explained or (kind.name in _REQUESTS and _is_led_up_to(text, sentences, item, at))
    if kind.name == "deadline":
        explained = not is_request(text[item.start : item.stop]) or bool(
            _REASON.search(text) or _EVENT.search(text)
        )
    if kind.reason != "~" and not explained:
        yield kind.reason
    words = text[item.start : item.stop]
    dated = any(span.kind in {"date", "time", "weekday"} for span in spans)
    for other in kind.others:
        if other == "~":
            return
        if other in {"the new date", "whether there will be a new date"} and (
            dated or re.search(r"\b(?:to|until|till|new date|next)\b", text[item.start :], re.I)
        ):
            continue
        if other == "until when this holds" and _OWN_TIME.search(text):
            continue
        if other.startswith("who decided") and (
            any(span.kind == "name" and item.start <= span.start < at for span in spans)
            or _DECIDER.search(text)
            or re.search(r"\bI\b", words)
            or "?" in text[item.stop : item.end]
        ):
            continue
        if other.startswith("by when") and kind.name == "request" and not asks_for_task(words):
            continue
        if other == "who would do it" and (
            any(span.kind == "name" for span in spans) or re.search(r"\bI\b", words)
        ):
            continue
        if other == "what replaces it" and re.search(r"\b(?:replac|instead|new|use)", text, re.I):
            continue
        if other in {"who stands in", "who takes over"} and _SUCCESSOR.search(text):
            continue
        if other.startswith(("by when", "from when", "since when", "how long")) and (
            dated
            or re.search(
                r"\b(?:today|tomorrow|now|week|month|days?|hours?|soon|asap|before|until|since|"
                r"yesterday|morning)\b",
                text,
                re.I,
            )
        ):
            continue
        if other.startswith("who is") and dated:
            continue
        if other.startswith(("who is", "what happens")) and re.search(
            r"\b(?:will|'ll|working on|on it|called|call|then|after that|takes care|if)\b", text, re.I
        ):
            continue
        if other == "who takes part" and any(span.kind == "name" for span in spans):
            continue
        yield other
    deadline = re.search(
        r"\bby (?:the end|tomorrow|tonight|noon|next|monday|tuesday|wednesday|thursday|friday|saturday|"
        r"sunday|\d)",
        words,
        re.I,
    )
    if deadline and kind.reason != "~" and not explained:
        yield "the reason for the deadline"


# A request is explained by what stands before it far more often than a decision is.
_REQUESTS = frozenset({"plan", "stop", "ban", "rule", "hold", "suggestion", "need", "request"})


def _is_led_up_to(text: str, sentences: list[Sentence], item: Sentence, at: int) -> bool:
    """Whether a statement stands before a request."""
    earlier = [text[other.start : other.stop] for other in sentences if other.start < item.start]
    earlier += text[item.start : at].split(", ")[:-1]
    return any(
        len(words.split()) >= 3
        and not is_closing(words)
        and not is_request(words)
        and not is_order(words)
        and not _OPENING.match(words)
        for words in earlier
    )


_OPENING = re.compile(
    r"(?:hi|hello|hey|dear|good (?:morning|afternoon|evening)|thank|thanks|if|from|as of|starting|on|"
    r"before|until|when|in|at|for|by|reminder|just)\b",
    re.I,
)


_PROBLEMS = frozenset({"outage", "problem", "mishap", "delay", "shortage"})
_CAUSE = re.compile(
    r"\b(?:expired|full|bug|update[ds]?|chang(?:e|ed|es)|deploy(?:ed|ment)?|restart(?:ed)?|broke|wrong|"
    r"missing|forgot|sick|ill|strike|storm|power|disk|certificate|"
    r"config(?:uration)?|mistake|damaged|customs|traffic|weather|behind|waiting for)\b",
    re.I,
)
_LATER = re.compile(r"\b(?:will|'ll|stays?|exempt|not affected|unaffected|can answer|valid|attached)\b", re.I)


def _may_explain(text: str, sentences: list[Sentence], item: Sentence, at: int, kind: str) -> bool:
    """Whether any words may give the reason: a joining word, or a statement beside the main sentence."""
    if _REASON.search(text[item.start :]) or _REASON.search(text[: item.start]):
        return True
    # What stands before "so" is the reason.
    if re.search(r"[,.;] so\b", text[max(0, item.start - 2) : at], re.I):
        return True
    for other in sentences:
        clauses = _CLAUSE.split(text[other.start : other.stop])
        stop = other.start
        for number, clause in enumerate(clauses):
            start, stop = stop, stop + len(clause) + len(", ")
            own = start <= at < stop or (other == item and number == 0 and len(clause.split()) <= 3)
            if own or is_order(clause):
                continue
            asked = "?" in text[other.stop : other.end] and number == len(clauses) - 1
            if asked or is_request(clause) or is_closing(clause):
                continue
            if kind in _PROBLEMS:
                explains = bool(_CAUSE.search(clause))
            elif kind in _REQUESTS:
                explains = not _NO_REASON.match(clause) and not _LATER.search(clause)
            else:
                explains = not _NO_REASON.match(clause) and not _CONSEQUENCE.search(clause)
            if explains:
                return True
    return False


def _topic_notes(text: str, sentences: list[Sentence], topic: _Topic) -> Iterator[Edit]:
    """What the main sentence lacks: in brackets, as a sentence, and as a list with an offer to answer."""
    item, first = topic.sentence, topic.missing[0]
    mark = text[item.stop : item.end]
    question = "?" in mark
    end = mark if mark.strip() else missing_mark(text[item.start : item.stop])
    bracket = f" ({first} is not stated)"
    if "?" in end and not mark.strip():
        bracket += end
    rule = f"background.reason_{topic.kind}" if first.startswith(_REASONS) else "background.gap"
    yield Edit(rule, 1, (Change(item.stop, item.end, bracket + (mark if mark.strip() else "")),))
    cap = first[:1].upper() + first[1:]
    start = sentences[0].start
    to_one = question or (_is_to_one(text[start : sentences[0].stop]) and not _TO_MANY.match(text, start))
    offer = (
        "please ask me if you would like to know more"
        if to_one
        else "please ask me if it matters to your work"
    )
    if len(topic.missing) > 1:
        second = f" {cap}, and {topic.missing[1]}, is not stated here."
    else:
        second = f" {cap} is not stated here; {offer}."
    yield Edit(rule, 2, (Change(item.stop, item.end, end + second),))
    listed = topic.missing[:3]
    words = listed[0] if len(listed) == 1 else ", ".join(listed[:-1]) + f", and {listed[-1]}"
    third = f" Not stated here: {words}."
    closing = f" {offer[:1].upper()}{offer[1:]}."
    last = _last(text, sentences)
    if last.start <= item.start:
        changes = [Change(item.stop, item.end, end + third + closing)]
    else:
        closing_mark = text[last.stop : last.end] if text[last.stop : last.end].strip() else "."
        changes = [
            Change(item.stop, item.end, end + third),
            Change(last.stop, last.end, closing_mark + closing),
        ]
    yield Edit(rule, 3, tuple(changes))


def _last(text: str, sentences: list[Sentence]) -> Sentence:
    """The last sentence before the thanks and the signature."""
    body = [item for item in sentences if not is_closing(text[item.start : item.stop])] or sentences
    return body[-1]


# What the message refers to


def _references(read: Message, topic: _Topic | None) -> Iterator[Edit]:
    """Words that refer to something outside of the message, each with a note that it is not explained."""
    levels = iter((2, 3) if topic else (1, 2, 3))
    for note in clarify.gaps(read):
        if note.rule == "pronoun" and ")" in note.gap:
            continue
        level = next(levels, None)
        if level is None:
            return
        gap = note.gap.replace("name not stated", "not named here").replace(
            "not stated", "not explained here"
        )
        last = read.text[note.end - 1]
        # The last letter is replaced, so that the note is no neighbour of the punctuation mark behind it.
        yield Edit(
            f"background.reference_{note.rule}", level, (Change(note.end - 1, note.end, f"{last} ({gap})"),)
        )


_TERM = re.compile(
    r"(?<![\w./'-])(?:(?P<ticket>[A-Z]{2,6}-\d+)|[A-Z]{2,6}\d{0,2}|[a-z]+_[a-z_]+)(?![\w'/-]| ?\(|\.\w)"
)
_KNOWN = frozenset(
    {
        *("PDF", "CSV", "HR", "IT", "OK", "FYI", "CEO", "CFO", "CTO", "USB", "URL", "TV", "AM"),
        *("PM", "EU", "UK", "US", "USA", "VAT", "ID", "IDS", "FAQ", "NOT", "ALL", "AND", "OR"),
        *("NO", "YES", "PC", "GPS", "PIN", "SMS", "DIY", "ASAP", "EUR", "USD", "GBP", "CHF", "CET"),
        *(
            "UTC",
            "GMT",
            "MB",
            "GB",
            "TB",
            "KB",
            "KG",
            "KM",
            "MHZ",
            "GHZ",
            "THE",
            "PDFS",
            "EOD",
            "ETA",
            "NEVER",
            "ONLY",
            "DO",
            "PS",
            "RE",
            "CC",
            "BC",
        ),
        *("WE", "YOU", "IS", "II", "III", "IV", "WHY", "HOW", "WHAT", "AI", "DM", "PA", "AG", "MP"),
        *("CV", "CVS", "Q"),
    }
)


def _terms(text: str, others: int) -> Iterator[Edit]:
    """The first short names and ticket numbers that the message does not explain."""
    levels = iter((2, 3) if others else (1, 2, 3))
    seen = set(_KNOWN)
    for match in _TERM.finditer(text):
        if match.group() in seen:
            continue
        seen.add(match.group())
        level = next(levels, None)
        if level is None:
            return
        end = match.end()
        if match.group("ticket"):
            change = Change(end, end, " (details not given here)")
        else:
            change = Change(end - 1, end, f"{text[end - 1]} (not explained here)")
        yield Edit("background.term", level, (change,))


# The frame

_TO_MANY = re.compile(
    r"(?:hi|hello|dear|hey|good (?:morning|afternoon|evening)) (?:all|everyone|everybody|team|"
    r"colleagues|folks)\s*[,!:]\s*|(?:dear )?(?:all|everyone|team|colleagues)\s*,\s*",
    re.I,
)


def _is_to_one(first: str) -> bool:
    return bool(
        re.match(
            r"(?:hi|hello|hey|dear|good (?:morning|afternoon|evening)|morning|thank|thanks|sorry|congrat)",
            first,
            re.I,
        )
        or re.match(r"[A-Z][\w'-]+(?: [A-Z][\w'-]+)?, ", first)
    )


def _offer(text: str, sentences: list[Sentence], edits: list[Edit]) -> Iterator[Edit]:
    """An offer to answer questions at the end, where no other note makes it."""
    if any(
        edit.level > 1 and "ask me" in change.text for edit in edits for change in edit.changes
    ) or re.search(r"\bask (?:me|us)\b|let me know|tell me", text, re.I):
        return
    at = _last(text, sentences)
    mark = text[at.stop : at.end] if text[at.stop : at.end].strip() else "."
    lowest = 3
    if all(edit.level == 1 for edit in edits):
        lowest = 2 if edits else 1
    for level, line in enumerate(_OFFERS[lowest - 1 :], start=lowest):
        yield Edit("background.offer", level, (Change(at.stop, at.end, f"{mark} {line}"),))


_OFFERS = (
    "Please ask me if you need more background.",
    "If you were not involved so far, please ask me for the background.",
    "If you were not involved so far and need more background before you act on this, please ask me.",
)


def _form(text: str, sentences: list[Sentence]) -> Iterator[Edit]:
    """A capital at the start of each sentence, and the mark that the message lacks at its end."""
    for item in sentences:
        word = re.match(r"[a-z']+(?![\w.@/-]*[A-Z_\d@/])", text[item.start : item.start + 40])
        if word and text[item.start].islower():
            yield Edit(
                "background.capital", 2, (Change(item.start, item.start + 1, text[item.start].upper()),)
            )
