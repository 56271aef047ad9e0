"""Finds what a message mentions as known and does not tell: an event, a decision, a person."""

import itertools
import re
from collections.abc import Iterator
from typing import NamedTuple

from data.redaction import names
from models.edits.clarify.message import Message
from models.edits.clarify.nouns import is_plural

_MOST = 20  # names that are read in a message


class Mention(NamedTuple):
    """Where a message mentions something, and what it does not tell about it."""

    at: int
    gap: str


_PAST = r"last (?:spring|summer|autumn|winter|season)|in (?:spring|summer|autumn|winter)"
_SAME = re.compile(rf"\bsame ([a-z]{{3,20}}) as (?P<when>{_PAST})\b", re.I)
_HAPPENED = re.compile(
    r"\b(?:after|given|because of|since|following|despite|in view of|considering) (?P<event>what happened"
    r"(?: (?:with|to|at|on|in) (?:the |our |my )?[a-z0-9-]+(?: \d+)?)?(?: (?:last (?:time|week|month|"
    r"year)|yesterday|"
    r"on (?:mon|tues|wednes|thurs|fri|satur|sun)day))?)",
    re.I,
)
# What may still come, such as the meeting of Monday, is no mention.
_DATED = re.compile(
    r"\b(?:(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|yesterday|last (?:week|month|year|night))'s "
    r"(?P<what>decision|vote|incident|accident|outage|mistake|complaint)|"
    r"(?:yesterday|last (?:week|month|year|night))'s (?P<past>meeting|call|discussion|talk|review|audit))\b",
    re.I,
)
_FOLLOWING = re.compile(
    r"\b(?:(?:following|as a result of|because of|due to|in view of|given) (?:the|our|last \w+'s|yesterday's|"
    r"\w+day's)|after (?:last \w+'s|yesterday's|the recent|the last)) (?:recent |last |latest |internal |"
    r"annual )?"
    r"(?P<what>decision|vote|meeting|call|discussions?|talks?|incidents?|accidents?|outage|mistakes?|"
    r"complaints?|"
    r"review|audit|inspection|findings|feedback|survey|changes?|issues?|problems?|events?)\b",
    re.I,
)
_VAGUE_REASON = re.compile(
    r"\b(?:because of|due to|owing to|for) (?:an? |some |certain )?(?:internal |technical |operational |"
    r"organi[sz]ational |personal |unforeseen |recent |legal |security |business )?(?P<noun>changes?|"
    r"problems?|issues?|"
    r"reasons|incident|difficulties)\b(?! (?:why|of|that|which|for)\b)",
    re.I,
)
_OPTION = re.compile(
    r"\b(?i:option|plan|variant|proposal|scenario|stage|phase) (?:[A-H]|[1-9])\b"
    r"(?! ?[(:]| (?:is|are|means|has|costs|covers)\b)"
)
_VISIT = re.compile(
    r"\b(?:people|colleagues|visitors|inspectors?|auditors?|guests|delegation|head office) "
    r"(?:from (?:the )?[a-z]+(?: [a-z]+)? )?(?:come|comes|visit|visits|arrive|arrives|are coming|"
    r"is coming|will be here)\b",
    re.I,
)
_HAD_TO = re.compile(
    r"\b(?:we|they|i) had to (?:close|stop|cancel|move|postpone|change|remove|switch|shut|cut|limit|"
    r"reduce|block|lock|"
    r"pull|withdraw|take|reject|replace|end|drop)\b(?![^.!?]{0,60}\b(?:because|as|since|so|due|after|"
    r"when)\b)",
    re.I,
)
_LAST_ONE = re.compile(r"\b(?:like|after|not after|as with|since) the last one\b", re.I)
_PAST_PROBLEM = re.compile(
    r"\b(?:we|they|i) (?:had|have had|already had) (?:an? |some |the )?(?:bad |similar )?(?:trouble|"
    r"problems?|issues?|"
    r"complaints?|an incident|incidents?|accidents?)\b(?! (?:with|about|"
    r"because) [^.!?]{0,40}\b(?:because|as|since)\b)",
    re.I,
)
_DECIDED = frozenset({"decision", "vote"})
_SAID = frozenset({"meeting", "call", "discussion", "discussions", "talk", "talks"})
_FOUND = frozenset({"review", "audit", "inspection", "findings", "feedback", "survey"})


def find_mentions(read: Message) -> Iterator[Mention]:
    """What the message mentions as known, in the order of the patterns; at most one of each."""
    text = read.text
    if match := _SAME.search(text, read.body):
        noun = match.group(1).lower()
        verb = "were" if is_plural(noun) else "was"
        yield Mention(match.start(), f"what the {noun} {verb} {match.group('when').lower()}")
    if match := _HAPPENED.search(text, read.body):
        yield Mention(match.start(), match.group("event"))
    if (match := _DATED.search(text, read.body)) or (match := _FOLLOWING.search(text, read.body)):
        yield Mention(match.start(), _outcome(match[match.lastgroup or "what"].lower()))
    if match := _VAGUE_REASON.search(text, read.body):
        noun = match.group("noun").lower()
        plural = noun.endswith("s") or noun == "difficulties"
        yield Mention(match.start(), f"what the {noun} are" if plural else f"the nature of the {noun}")
    if match := _OPTION.search(text, read.body):
        yield Mention(match.start(), f"what {match.group()} means")
    if match := _VISIT.search(text, read.body):
        yield Mention(match.start(), "the purpose of the visit")
    if match := _HAD_TO.search(text, read.body):
        yield Mention(match.start(), "why that was necessary")
    if match := _LAST_ONE.search(text, read.body):
        yield Mention(match.start(), "what happened the last time")
    if match := _PAST_PROBLEM.search(text, read.body):
        yield Mention(match.start(), "what happened then")


def _outcome(what: str) -> str:
    if what in _DECIDED:
        return "what was decided"
    if what in _SAID:
        return "what was said there"
    if what in _FOUND:
        return "what came out of it"
    return "what has changed" if what.startswith("change") else "what happened"


_CONTACT = re.compile(
    r"\b(?:ask|tell|call|contact|inform|ring|phone|email|write to|speak to|talk to|go to|send (?:it|them|"
    r"him|her) to|"
    r"come to|report (?:it |them )?to|let|through|via) (?:to )?$",
    re.I,
)
_ROLE_BEFORE = re.compile(
    r"(?:\b(?:mr|mrs|ms|dr|prof|professor|nurse|our|my|the|from|client|customer|colleague|manager|"
    r"captain|sister|"
    r"hi|hello|hey|dear|thanks|thank you|regards|best|cheers|of|at|for|to the|in)\.?,? |"
    r"\b(?:our|my|the|your) [a-z-]+,? |[\n—–-]\s*|@)$",
    re.I,
)
_ROLE_AFTER = re.compile(
    r"(?: [A-Z][\w'-]+)?(?:,? (?:from|in|of|at|the|our|my|who|is (?:the|our|my))\b|\s*\(|'s team)"
)
_REACHED = re.compile(r"\b(?:ext|extension|phone|mobile|room|desk|channel)\b|[@#]\w|\d{3,}", re.I)


_DATES = re.compile(r"Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May")
_LETTER = re.compile(r"\s*dear\b(?! (?:all|team|colleagues|everyone|everybody))", re.I)


def find_person(read: Message) -> Mention | None:
    """The first person who is named and not introduced, and what an outsider would ask about them.

    A letter to somebody is about persons that the two know.
    """
    if _LETTER.match(read.text):
        return None
    for name in itertools.islice(names.find(read.text), _MOST):
        end = name.at + len(name.word)
        before, after = read.text[max(0, name.at - 24) : name.at], read.text[end : end + 24]
        if (
            _DATES.fullmatch(name.word)
            or not name.word[0].isupper()
            or (re.search(r"[A-Z][\w'-]* $", before) and name.at not in read.starts)
        ):
            continue
        if (
            name.at < read.body
            or _ROLE_BEFORE.search(before)
            or _ROLE_AFTER.match(after)
            or after.startswith("'s")
        ):
            continue
        if _is_addressed(read, name.at, before, after):
            continue
        if _is_signature(read, name.at, end) or _introduces(read, name.word):
            continue
        if _CONTACT.search(before) and not _REACHED.search(read.text):
            return Mention(name.at, f"how to reach {name.word}")
        return Mention(name.at, f"the role of {name.word}")
    return None


def _is_addressed(read: Message, start: int, before: str, after: str) -> bool:
    """Whether the message speaks to a person: "Ana, could you do it?" or "Could you do it, Ana?"."""
    if start in read.starts or start == read.body:
        return bool(re.match(r",| (?:you|your)\b", after))
    if re.match(r",[^.!?]{0,20}\byou", after):
        return True
    return before.endswith(", ") and bool(re.match(r"[.!?,:;]|$", after))


_CLOSE = re.compile(r"(?:[,–—-]|\b(?:regards|thanks|best|cheers))[,.!]?\s*\Z", re.I)


def _is_signature(read: Message, start: int, end: int) -> bool:
    """Whether a name stands alone in its line or at the end of the message."""
    line_start = read.text.rfind("\n", 0, start) + 1
    line_end = read.text.find("\n", end)
    line = read.text[line_start : line_end if line_end >= 0 else len(read.text)]
    is_last = not read.text[end:].strip(" .!\n")
    return len(line.split()) <= 3 or (
        is_last and _CLOSE.search(read.text[max(0, start - 24) : start]) is not None
    )


def _introduces(read: Message, word: str) -> bool:
    """Whether the message says elsewhere who a person is: "Vusi is our electrician"."""
    return re.search(rf"\b{re.escape(word)} (?:is|was) (?:the|our|my|a|an)\b", read.text) is not None
