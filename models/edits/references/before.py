"""Reads what stands before a reference, to tell whether something there can be meant."""

import itertools
import re
from pathlib import Path
from typing import NamedTuple

from data.redaction import names
from models.edits.clarify.message import Message
from models.edits.clarify.nouns import is_plural
from models.edits.word_lists import read_lists

_LISTS = Path(__file__).with_name("references.yaml")


def listed(kind: str) -> frozenset[str]:
    """The words of one list of `references.yaml`."""
    return read_lists(_LISTS)[kind]


_TOKEN = re.compile(r"[^\W\d_]+(?:'[a-z]+)?|\d[\w:.,-]*")
_NAME_VERB = re.compile(
    r" (?:and|says?|said|thinks?|thought|wants?|wanted|knows?|knew|is|was|has|had|will|asked|asks|told|"
    r"tells|can|can't|does|did|didn't|doesn't|isn't|won't|needs?|sent|sends|called|calls|wrote|gave|moved|"
    r"took|left|agreed|liked|likes|spoke|just|also|still|already|never|would|should|got|came|went|"
    r"mentioned|confirmed|[a-z]+(?:ed|s)|keeps?|made|put|found|changed|promised|started|[A-Z][a-z]+)\b|'s "
)


class Before(NamedTuple):
    """The words of the body before a reference; the name of the person it speaks to is left out."""

    tokens: list[str]
    capitals: list[str]  # words that may be a name of anything
    persons: list[str]  # names of persons


def read_before(read: Message, at: int) -> Before:
    """The words between the start of the body and a reference."""
    tokens: list[str] = []
    capitals: list[str] = []
    start = min(read.body, at)
    persons = [
        name.word
        for name in names.find(read.text[:at])
        if name.at >= start and not (name.at == read.body and read.text[name.at + len(name.word)] == ",")
    ]
    for match in _TOKEN.finditer(read.text, start, at):
        word = match.group()
        tokens.append(word.lower())
        if word[0].isupper() and word.split("'")[0] != "I" and word.lower() not in listed("no_person"):
            first = match.start() in read.starts or match.start() == start
            if not first or (
                word.lower() not in listed("function")
                and _NAME_VERB.match(read.text, match.end())
                and word.lower() not in listed("persons")
            ):
                capitals.append(word)
    return Before(tokens, capitals, persons)


def read_after(read: Message, at: int) -> Before:
    """The rest of the sentence, which may name what a pronoun before it means."""
    item = read.sentence(at)
    return Before([match.group().lower() for match in _TOKEN.finditer(read.text, at, item.stop)], [], [])


def singular(token: str) -> str:
    """A noun without the s of its plural or its owner."""
    token = token.removesuffix("'s")
    if token.endswith("ies"):
        return token[:-3] + "y"
    return token[:-1] if is_plural(token) else token


# Nouns with such an end name persons: "cellist", "electrician", "fisherman".
_PERSON_END = re.compile(
    r"[a-z]{3,}(?:ician|(?<!s)ist(?<!cklist)(?<!rtlist)(?<!chlist)|sman|swoman|keeper|eer)"
)


def has_person(before: Before, but: str = "") -> bool:
    """Whether a noun for a person stands before; the "someone" of "can someone ask him" is nobody yet.

    The nouns of the list `but` do not count: "the lady" is not "he".
    """
    persons, modals = listed("persons") - (listed(but) if but else frozenset()), listed("modals")
    return any(
        (singular(word) in persons or word in persons or _PERSON_END.fullmatch(singular(word)))
        and not (last in modals and word in {"someone", "somebody", "anyone", "anybody"})
        for last, word in itertools.pairwise(["", *before.tokens])
    )


def has_plural(before: Before) -> bool:
    """Whether a plural noun or one for a group stands before; a verb with an s counts as no noun."""
    persons, groups, verbs = listed("persons"), listed("groups"), listed("verbs_with_s")
    articles, last = listed("articles"), ""
    names_here = {name.lower() for name in before.persons}
    for word in before.tokens:
        if word in names_here:
            last = word
            continue
        if last == "other" and word == "side":
            return True
        if word in groups or singular(word) in groups or singular(word) in persons:
            return True
        plural = len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is", "'s"))
        if (
            plural
            and (word not in listed("no_plural") or (word, last) == ("minutes", "the"))
            and (word not in verbs or last in articles)
        ):
            return True
        last = word
    return False


def has_noun(before: Before) -> bool:
    """Whether a word that may name a thing has an article or an adjective before it."""
    known, articles = listed("function") | listed("persons") | listed("reporting"), listed("articles")
    return any(
        last in articles - {"of", "for", "with", "from", "in", "on", "at", "no"} and token not in known
        for last, token in itertools.pairwise(before.tokens)
    ) or (before.tokens[0] not in known and before.tokens[0] not in map(str.lower, before.persons))


def has_other_name(before: Before) -> bool:
    """Whether a capitalised word that is no person's name stands before."""
    return bool(
        {name.lower() for name in before.capitals}
        - {name.lower() for name in before.persons}
        - listed("no_person")
    )


def strangers(before: Before) -> int:
    """How many words before may name a thing.

    The last word is a verb where its subject, "to" or a request stands before it.
    """
    known = listed("function") | listed("persons") | listed("reporting")
    names_here = {name.lower() for name in before.persons}
    tokens = before.tokens
    subjects = listed("subjects")
    count = 0
    for index, token in enumerate(tokens):
        base = token.removesuffix("'s")
        if token in known or base in names_here or singular(token) in known:
            continue
        last = tokens[index - 1] if index else ""
        if (
            index == len(tokens) - 1
            and last
            and (last in subjects or last in names_here or singular(last) in listed("persons"))
        ):
            continue
        count += 1
    return count
