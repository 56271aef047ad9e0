"""What the writer wants becomes a wish or a question."""

import re
from typing import NamedTuple

from models.edits.script import Change
from models.edits.soften.clauses import end_question, find_break, lead_end
from models.edits.soften.draft import Draft, Sentence
from models.edits.soften.words import FINITE

_WISH = re.compile(
    r"(?:i|we)(?: really| just| still| also)? (?P<verb>need|want|expect|require)(?: to "
    r"have| to see| to get)? (?P<what>(?:the|a|an|it|them|this|that|these|those|my|your|"
    r"our|all|both|one|two|three|\d+|new|another|more|some|any|(?!you|to|in|out|no|"
    r"nothing|people|everyone|someone|somebody|nobody|everything|help|time|less|and|"
    r"or)[a-z]+)\b)",
    re.I,
)
_WISH_KNOW = re.compile(
    r"(?:i|we)(?: really| just| still| also)? (?:need|want|would like|have) to know "
    r"(?=who|what|why|when|how|where|which|if|whether|by)",
    re.I,
)
_DEADLINE = re.compile(
    r"\b(?:by|before|until|today|tomorrow|tonight|now|asap|immediately|this (?:week|"
    r"morning|afternoon)|(?:mon|tues|wednes|thurs|fri|satur|sun)day|or|urgently)\b|"
    r"\b(?:at|on) \d",
    re.I,
)
_NO_MORE = re.compile(r"no more (?!than\b)[^,;:.!?]{3,80}$", re.I)
_IS = re.compile(r"\b(?:is|are|was|were|will|has|have|can|do|does|did|means)\b", re.I)
_WISH_TO = re.compile(r"(?:i|we) want to (?=[a-z])", re.I)


def soften_wish(draft: Draft, sentence: Sentence) -> bool:
    """ "I want X by Friday" becomes "I'd like X" and "Could I have X by Friday?"."""
    if "?" in draft.mark(sentence):
        return False
    at = lead_end(draft, sentence)
    if _no_more(draft, sentence, at):
        return True
    who = "we" if draft.message[at : min(at + 2, sentence.end)].lower() == "we" else draft.i
    wish = _Wish(draft, sentence, draft.message[: sentence.end], at, who)
    if match := _WISH_KNOW.match(wish.text, at):
        _add_wish_to_know(wish, match)
        return True
    if match := _WISH.match(wish.text, at):
        return _add_wish(wish, match)
    if match := _WISH_TO.match(wish.text, at):
        draft.add("wish_to", 1, wish.front(match.end(), f"{who} would like to "))
        return True
    return False


class _Wish(NamedTuple):
    """A sentence that may be a wish."""

    draft: Draft
    sentence: Sentence
    text: str  # the message up to its end
    at: int  # where it starts behind its lead
    who: str

    def front(self, end: int, words: str) -> Change:
        """Words in place of its front up to `end`."""
        return Change(self.at, end, self.draft.cap_like(self.sentence, self.at, words))

    def closing(self, start: int, level: int) -> list[Change]:
        """The changes that end a question that has its object at `start`."""
        return end_question(self.draft, self.sentence, find_break(self.text, start), level)


def _no_more(draft: Draft, sentence: Sentence, at: int) -> bool:
    """ "No more X" as a whole sentence."""
    text = draft.text(sentence)
    if at != sentence.start or (sentence is not draft.sentences[0] and not draft.has_order):
        return False
    if not _NO_MORE.match(text) or _IS.search(text):
        return False
    end = at + len("no more")

    def front(words: str) -> Change:
        return Change(at, end, draft.cap_like(sentence, at, words))

    draft.requests += 1
    draft.add("no_more_please", 1, front("please, no more"))
    question = front("could we please have no more")
    draft.add("no_more_question", 2, question, Change(sentence.end, sentence.stop, "?"))
    return True


def _add_wish_to_know(wish: _Wish, match: re.Match[str]) -> None:
    draft, end = wish.draft, match.end()
    us = "us" if wish.who == "we" else "me"
    closing = wish.closing(end, 2)
    draft.requests += 1
    draft.add("wish_know", 1, wish.front(end, f"{wish.who} would like to know "))
    draft.add("wish_know", 2, wish.front(end, f"could you tell {us} "), *closing)
    draft.add("wish_know", 3, wish.front(end, f"could you please let {us} know "), *closing)


_OBJECT_DOES = re.compile(
    r"(?:[\w'-]+ ){1,5}to (?:be |have |stop|know|talk|work|go)|(?:it|them|this|that) to "
)
_THAT_CLAUSE = re.compile(
    r"that (?!\w+ (?:by|on|before|today|now))(?!(?:by|on|before|today|now|file|list|report)\b)"
)
_HAS_PURPOSE = re.compile(r"(?:it|them|this|that|these|those) (?:for|because|since|to)\b")


def _add_wish(wish: _Wish, match: re.Match[str]) -> bool:
    """ "I want the report" is a wish; "I need it" only with a deadline."""
    draft = wish.draft
    start, verb, who = match.start("what"), match.group("verb").lower(), wish.who
    rest = wish.text[start:]
    if _OBJECT_DOES.match(rest) or _THAT_CLAUSE.match(rest):
        return False
    if match.group("what").lower().endswith(("ing", "ly")):
        return False
    if verb != "want":
        is_claim = verb == "expect" and wish.text[wish.at] in "Ii" and not FINITE.search(rest)
        if _HAS_PURPOSE.match(rest) or not (_DEADLINE.search(rest) or is_claim):
            return False
    draft.requests += 1
    would = f"{who} would need " if verb in {"need", "require"} else f"{who} would like to have "
    draft.add("wish_would", 1, wish.front(start, would))
    draft.add("wish_question", 2, wish.front(start, f"could {who} have "), *wish.closing(start, 2))
    question = wish.front(start, f"could {who} please have ")
    draft.add("wish_question_please", 3, question, *wish.closing(start, 3))
    return True
