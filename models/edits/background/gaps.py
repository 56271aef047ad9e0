"""Tells what else an outsider may miss about a decision, and whether the message states it."""

import re
from collections.abc import Callable

from models.edits.clarify.message import TIMES, Message, Sentence
from models.edits.clarify.sentences import asks_for_task, is_order, is_request

_OWN_TIME = re.compile(
    # Of "until further notice" nobody asks until when.
    r"\b(?:until|till|til|between|from \S+ to|\w+day (?:to|-|–) \w+"
    r"|(?:mon|tue|wed|thu|fri|sat|sun) (?:to|-|–) \w+"
    r"|this (?:mon|tues|wednes|thurs|fri|satur|sun)day"
    r"|on \d+ [a-z]+|on (?:mon|tues|wednes|thurs|fri|satur|sun)day"
    r"|today|tonight|"
    r"tomorrow|this (?:week|month|year|quarter)|over the weekend|for (?:a|one|two|three|four|\d+|"
    r"the) (?:\w+ )?"
    r"(?:minutes?|hours?|days?|weeks?|months?|year)|through|permanently|from now on|any ?more|no longer|"
    r"end of life|for good|back (?:on|at|by|in)|unless|without)\b",
    re.I,
)
_VAGUE_END = re.compile(r"\bfor now\b|\bfor the time being\b", re.I)
_FOR_A_TIME = re.compile(
    r"\b(?:further notice|for now|for the time being|at the moment|currently|temporar(?:y|ily)|stays?|"
    r"remains?|"
    r"(?:is|are|be|stays?|remains?) (?:\w+ )?(?:closed|shut|locked)|on hold|paused|halted|suspended|"
    r"stopped|frozen|from (?:mon|tues|wednes|thurs|"
    r"fri|satur|sun)day|"
    r"from \d|from tomorrow|starting|as of|goes in|nobody|off)\b",
    re.I,
)
_DECIDER = re.compile(
    r"\b(?:decided|asked|asks|wants|says|said|told|orders|by [A-Z]|agreed|withdrawn|withdrew|approved|"
    r"voted|resolved|had to|senate|orders from|instructions from|from above|board|committee|council|"
    r"trustees|management)\b"
)
_SUCCESSOR = re.compile(
    r"\b(?:takes? over|take over|successor|stands? in|covers?|contact|ask|go to|goes to|call|write to|"
    r"instead|deputy|replacement|meanwhile|until|till|til)\b",
    re.I,
)
_NEW_DATE = re.compile(r"\b(?:to|until|till|til|new date|next)\b", re.I)
_WHEN = re.compile(
    r"\b(?:today|tomorrow|now|weeks?|months?|years?|days?|hours?|by the|within|deadline|due|soon|asap|"
    r"immediate(?:ly)?|before|until|till|til|since|yesterday|morning|"
    r"afternoon|evening|tonight|night|spring|summer|autumn|winter|any ?more|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b",
    re.I,
)
_NEXT = re.compile(
    r"\b(?:will|'ll|working on|on it|called|call|then|after that|takes care|if|plan|let you know|keep you)\b",
    re.I,
)
_REPLACEMENT = re.compile(r"\b(?:replac|instead|new|use)", re.I)


# Such a request is a rule, which has no deadline.
_STANDING = re.compile(r"\b(?:everyone|everybody|nobody|all of you|stop|keep|whenever|every|each)\b", re.I)


class Place:
    """A decision in a message: it starts at `at` in the sentence `item`."""

    def __init__(self, read: Message, item: Sentence, at: int) -> None:
        self.read, self.item, self.at = read, item, at
        self.words = read.words(item)
        self.is_asked = "?" in read.text[item.stop : item.end]
        self.has_date = any(span.kind in TIMES for span in read.facts)

    def has_name(self) -> bool:
        """Whether the message names somebody."""
        return any(span.kind == "name" for span in self.read.facts)


def _states_decider(place: Place) -> bool:
    read = place.read
    return (
        any(span.kind == "name" and place.item.start <= span.start < place.at for span in read.facts)
        or _DECIDER.search(read.text) is not None
        or re.search(r"\bI\b|\bmy\b", place.words) is not None
        or place.is_asked
    )


def _states_when(place: Place) -> bool:
    return place.has_date or _WHEN.search(place.read.text) is not None


def _states_end(place: Place) -> bool:
    """Whether an end is stated, or none is to be expected since nothing says that this is for a time."""
    text = _VAGUE_END.sub("", place.read.text)
    return _OWN_TIME.search(text) is not None or not _FOR_A_TIME.search(place.read.text)


def _states_new_date(place: Place) -> bool:
    return place.has_date or _NEW_DATE.search(place.read.text[place.item.start :]) is not None


def _states_deadline(place: Place) -> bool:
    return _states_when(place) or not asks_for_task(place.words) or bool(_STANDING.search(place.words))


def _states_next(place: Place) -> bool:
    return _NEXT.search(place.read.text) is not None


def _states_doer(place: Place) -> bool:
    return place.has_name() or re.search(r"\bI\b", place.words) is not None


_STATES: dict[str, Callable[[Place], bool]] = {
    "who decided it": _states_decider,
    "the new date": _states_new_date,
    "whether there will be a new date": _states_new_date,
    "until when this holds": _states_end,
    "from when it holds": _states_when,
    "since when": _states_when,
    "how long it will take": lambda place: place.has_date or _states_when(place),
    "how long it takes": lambda place: place.has_date or _states_when(place),
    "by when it should be done": _states_deadline,
    "by when it is needed": _states_when,
    "who would do it": _states_doer,
    "who takes part": Place.has_name,
    "what replaces it": lambda place: _REPLACEMENT.search(place.read.text) is not None,
    "who stands in": lambda place: _SUCCESSOR.search(place.read.text) is not None,
    "who takes over": lambda place: _SUCCESSOR.search(place.read.text) is not None,
    "who is working on it": lambda place: place.has_date or _states_next(place),
    "who is dealing with it": lambda place: place.has_date or _states_next(place),
    "what happens instead": lambda place: (
        re.search(r"\b(?:instead|please|could you|use|will|but)\b", place.read.text, re.I) is not None
    ),
    "what it affects": lambda place: re.search(r"\baffects?\b", place.read.text, re.I) is not None,
    "what happens after that": _states_next,
    "what happens next": _states_next,
}


def may_state(gap: str, place: Place) -> bool:
    """Whether the message may state what a gap says that it lacks."""
    return gap in _STATES and _STATES[gap](place)


_TO_DO = re.compile(
    r"\b(?:please|pls|you|your|don't|do not|nobody|no one|everyone|everybody|never|no|need to|needs to|"
    r"must|should|"
    r"have to|has to|ask|let me know|nothing)\b",
    re.I,
)


def asks_nothing(read: Message) -> bool:
    """Whether a message asks nothing of its reader and says nothing about them."""
    return not _TO_DO.search(read.text) and not any(
        is_request(read.words(item)) or is_order(read.words(item)) or "?" in read.mark(item)
        for item in read.sentences
    )
