"""Finds orders: whether a verb without a subject begins one."""

import re
from typing import Literal, NamedTuple

from models.edits.soften.draft import Draft, Sentence
from models.edits.soften.words import tables

FILLERS = re.compile(
    r"(?:(?:please|pls|plz|kindly|just|simply|finally|seriously|honestly"
    r"|look(?=,)|listen(?=,)|frankly|"
    r"(?:i'?m|i am|we'?re|we are) not your [a-z]{3,14},|do (?:me|us|us all) a favou?r(?: and|,)|"
    r"come on|for god's sake|for once|"
    r"(?:do your job|wake up|grow up|get your act together|get a grip|stop (?:whining|"
    r"complaining|moaning)) and|"
    r"okay|ok|now),? )+",
    re.I,
)


class Order(NamedTuple):
    """An order whose fillers start at `start` and whose verb starts at `verb_start`."""

    start: int
    verb_start: int
    kind: Literal["do", "not", "never", "stop"]
    adverb: str  # in front of it, with a space


_NEGATIVE = re.compile(
    r"(?:do not|don't|dont|don’t|never)(?: (?:ever|even think of))? ([a-z][a-z-]*)\b", re.I
)
_STOP = re.compile(r"(?:stop|quit) (?:(?P<not>not) )?([a-z-]+ing)\b", re.I)
_ADVERB = re.compile(r"(?:also|first|then|now|instead) (?=[a-z])", re.I)
_VERB = re.compile(r"[A-Za-z][a-z]*(?:-[a-z]+)?(?=[ ]|$)")


def find_order(draft: Draft, sentence: Sentence, start: int) -> Order | None:
    """The order that begins at `start` in the message, fillers included."""
    text = draft.message[: sentence.end]
    at, adverb = _skip_fillers(text, start), ""
    if at == start and (match := _ADVERB.match(text, at)):
        adverb, at = match.group().lower(), _skip_fillers(text, match.end())
    if match := _NEGATIVE.match(text, at):
        if not _is_prohibition(match.group(1).lower(), text[match.end() :]):
            return None
        kind: Literal["not", "never"] = "never" if match.group().lower().startswith("never") else "not"
        return Order(start, match.start(1), kind, adverb)
    if (match := _STOP.match(text, at)) and not match.group("not"):
        return Order(start, at + 5, "stop", adverb)
    verb = _VERB.match(text, at)
    if verb and begins_order(text, verb.group().lower(), verb.end(), at == sentence.start):
        return Order(start, at, "do", adverb)
    return None


def _skip_fillers(text: str, at: int) -> int:
    filler = FILLERS.match(text, at)
    return filler.end() if filler else at


def _is_prohibition(verb: str, rest: str) -> bool:
    """Whether "don't" and a verb forbid something: "Don't worry" comforts, "Don't know yet" lacks its "I"."""
    if verb in tables().classes["first_person"] or verb.endswith(("ing", "ly")):
        return False
    if verb == "be":
        return not _COMFORTS.match(rest)
    if verb == "get":
        return "wrong" not in rest[:12]
    if verb == "ask":
        return bool(rest.strip())
    return verb not in {"worry", "hesitate"}


_COMFORTS = re.compile(r" (?:surprised|shocked|afraid|shy)\b")


# "Order 7731: ..." and "Pay app 6 is late": the verb was a noun, and the clause has a verb of its own.
_NOUN_CLAUSE = re.compile(
    r" #?[\w.-]{0,20}\d:|(?! (?:the|a|an|this|that|these|those|it|them|him|her|me|us|my|"
    r"your|our|his|their|what|whatever|who|how|all|everything|whether|why|where|when|if|"
    r"sure)\b)"
    r"(?: (?!(?:that|which|who|if|when|before|until|because|and|what|how|why|where|"
    r"whether|so|or|but|as|after|since|the|a|an|your|my|our|it|they|we|you|i|he|she|this|"
    r"there)\b)[\w'’#/.-]{1,30}){1,5}"
    r" (?:is|are|was|were|has|had|will|isn't|aren't|wasn't|doesn't|don't|didn't|fails|"
    r"failed|won't|hasn't|can't|looks|works|needs|get|gets|goes|have|need|want)\b"
    # "Pick accuracy on your team was low."
    r"|(?! (?:the|a|an|this|that|it|them|me|us|my|your|our|his|her|their)\b)(?: [a-z]{3,20}){1,2}"
    r" (?:on|of|in|for|at) (?:the|your|our|my|this) [\w'-]{1,20} (?:is|are|was|were|has|had)\b",
    re.I,
)


def _ends_plural(verb: str, word: str) -> bool:
    """Whether the word may be the plural object of a verb that rarely stands before one as a noun."""
    return (
        len(word) > 3
        and word.endswith("s")
        and not word.endswith("ss")
        and verb not in tables().classes["compound_heads"]
    )


class _Following(NamedTuple):
    """The two words behind a verb, in lower case or empty."""

    word: str
    second: str
    is_capital: bool  # whether the first of them has a capital
    text: str  # the text that ends with the order
    at: int  # where they start


_FOLLOWING = re.compile(r" [\"“'‘]?([\w'’-]+)( [\w'’-]+)?")


def begins_order(text: str, verb: str, end: int, is_first: bool) -> bool:
    """Whether a base verb that ends at `end` begins an order, judged by the words after it."""
    if verb not in {"tell", "remind"} and _NOUN_CLAUSE.match(text, end):
        return False
    match = _FOLLOWING.match(text, end)
    if match:
        first, second = match.group(1), (match.group(2) or "").strip()
        following = _Following(first.lower(), second.lower(), first[0].isupper(), text, end)
    else:
        following = _Following("", "", False, text, end)
    if verb in {"suggest", "propose", "recommend"} and not _PLEASE_BEFORE.search(text, 0, end):
        return False  # "Suggest we wait" lacks its "I"
    if following.word in _PARTICLES and following.second in tables().thirds:
        return False  # "get in starts at 8": it is a noun
    if (verb, following.word) in {("sort", "yourself"), ("sort", "yourselves"), ("follow", "ups")}:
        return False
    if following.word in tables().classes["past_only"]:
        return False  # "dispatch said so": it is a subject
    if verb in tables().ambiguous:
        return _orders_by_ambiguous(verb, following, is_first)
    return _orders_by_verb(verb, following, is_first)


_PLEASE = re.compile(r"\b(?:please|pls|plz)\b", re.I)
_ALONE = re.compile(r" [^,.;:!?]{2,40}? alone\b")
_PLEASE_BEFORE = re.compile(r"\b(?:please|pls|plz) [a-z]+\Z", re.I)
_PARTICLES = frozenset({"in", "out", "off", "up", "down", "over"})
_PREPOSITIONS = frozenset({"in", "on", "to", "with", "by", "for"})
_LOOKS = frozenset({"at", "into", "up", "after", "through", "for"})


def _orders_by_ambiguous(verb: str, following: _Following, is_first: bool) -> bool:
    """Whether a word that is a noun as often as a verb begins an order."""
    classes, objects = tables().classes, tables().objects
    word, second, _, text, at = following
    if word in _PREPOSITIONS and _PLEASE.search(text[max(0, at - 20) :]):
        return True
    if verb == "leave" and _ALONE.match(text, at):
        return True
    if verb in classes["rarely_ordered"] and word not in objects:
        return False
    if (
        (verb == "deal" and word == "with")
        or (verb == "call" and word == "in")
        or (verb == "look" and word in _LOOKS)
    ):
        return True
    is_task = verb in {"work", "focus", "comment", "act", "report"} and word in {"on", "to", "with"}
    if is_task and second not in {"is", "was"}:
        return second in objects or verb == "focus"
    if word in {"or", "and"}:
        return word == "or" and not is_first and second in tables().verbs
    if verb == "have" and (second in classes["wishes"] or word in {"fun", "no", "you"}):
        return False
    if verb in {"stop", "wait"} and not word:
        return True
    is_object = word in objects or _is_name_or_number(verb, following)
    return is_object and second not in {"is", "was", "are", "were", "isn't", "has"}


def _is_name_or_number(verb: str, following: _Following) -> bool:
    """Whether a name, a number or a plural follows a verb that is often an order before one."""
    word = following.word
    if not word or word in {"i", "we"} or verb not in tables().classes["calls"]:
        return False
    return following.is_capital or word[0].isdigit() or _ends_plural(verb, word)


def _orders_by_verb(verb: str, following: _Following, is_first: bool) -> bool:
    """Whether a word that is rarely a noun begins an order."""
    words, classes = tables(), tables().classes
    word, second = following.word, following.second
    if verb not in words.verbs and not _has_prefix(verb):
        return False
    if (word in {"or", "and"} and not second) or "not" in {word, second}:
        return False
    if (verb == "do" and word in classes["after_auxiliary"]) or (verb == "use" and word in {"case", "cases"}):
        return False
    if (verb in {"give", "take"} and word == "or") or (word == "only" and not is_first):
        return False
    if word in words.no_objects or (not word and verb not in classes["ordered_alone"]):
        return False
    if verb == "let":
        return second in {"know", "have", "see"} if word in {"me", "us"} else word in classes["let_whom"]
    if verb == "come" and word in {"on", "to"}:
        return word == "to"
    if word in {"care", "well", "soon"} or (verb == "take" and second == "care"):
        return False
    if verb in {"take", "get"} and second == "time":
        return False
    if verb in classes["adjectives"]:
        is_particle = verb in {"clean", "open"} and word in {"up", "with"}
        return word in words.objects or following.is_capital or is_particle
    is_clause = word in {"what", "whatever", "whoever", "everything", "all", "that"}
    return is_clause or second not in {"is", "are", "was", "were", "has", "will"}


def _has_prefix(verb: str) -> bool:
    """Whether it is a verb with "re" or "un" in front, such as "recheck"."""
    bases = tables().verbs | tables().ambiguous
    return len(verb) > 5 and verb.startswith(("re", "un")) and verb[2:].lstrip("-") in bases
