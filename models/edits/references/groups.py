"""Finds a group or a company that is not named: "they", "them", "people"."""

import re
from collections.abc import Iterator

from models.edits.clarify.message import Message
from models.edits.clarify.notes import SPOKE
from models.edits.references.before import (
    has_other_name,
    has_person,
    has_plural,
    listed,
    read_after,
    read_before,
    strangers,
)
from models.edits.references.reference import SHORT_TEXT, Reference, ends, in_full, matches

_THEY = re.compile(
    r"(?<![\w'/-])(?P<word>they|them)(?:'(?P<short>re|ll|ve|d))?(?![\w'/-])(?P<next> ?[a-z']*)", re.I
)
_IDIOM_BEFORE = re.compile(r"\b(?:as|us and|[a-z]{1,12} of) $", re.I)
_WHOM = re.compile(
    r"\b(?:tell|ask|asked|asks|told|call|called|ring|phone|email|emailed|mail|remind|reminded|warn|warned|"
    r"inform|informed|contact|contacted|pay|paid|owe|owes|thank|invite|invited|visit|chase|chased|push|"
    r"convince|reach|from|with|to|us not|promised|promise|answer|let|help|trust|believe) $",
    re.I,
)
_GIVE = re.compile(
    r"\b(?:send|sent|give|gave|show|showed|offer|offered|write|wrote|quote|quoted|charge|lend|lent|sell|"
    r"sold|bring|brought|get|make) $",
    re.I,
)
_GIVEN = re.compile(
    r" (?:the|a|an|our|your|my|this|some|another|two|has|is|was|what|more|one|about|last)\b", re.I
)
_CATAPHORA = re.compile(r"(?:if|when|before|until|as|since|once|although|because|unless)\b", re.I)
_PEOPLE = re.compile(
    r"(?<![\w'-])(?:people(?= (?:are (?:not happy|unhappy|not pleased|angry|annoyed|confused|worried|"
    r"frustrated|waiting|getting|starting to|beginning to|upset|leaving|already)|were (?:not happy|unhappy|"
    r"angry|confused|annoyed)|aren't (?:happy|pleased)|weren't (?:happy|pleased)|don't like|didn't like|"
    r"got confused|noticed|started)\b)|the new people"
    + ends("where|when|how|that|about|are|were|and|on|to")
    + r")",
    re.I,
)
_CLAUSE_START = re.compile(r"(?:[,.;!?:]|\b(?:and|but|because|since|as|so|that|now|think))$")


def find_groups(read: Message) -> Iterator[Reference]:
    """They or them where no plural noun and no group stands before; only the first in a message."""
    for match in matches(read, _THEY, 1):
        word = match.group("word")
        near = read.text[max(0, match.start() - 16) : match.start()]
        end = match.end("short") if match.group("short") else match.end("word")
        if _IDIOM_BEFORE.search(near) or re.match(
            r"they say,", read.text[match.start() : match.end() + 6], re.I
        ):
            return
        if SPOKE.search(read.text, read.body, match.start()):
            return
        before = read_before(read, match.start())
        # "Who are they?" asks already.
        if before.tokens[-1:] == ["who"] or has_plural(before) or set(before.tokens) & listed("several"):
            return
        gap = "who is not stated"
        unsure = bool(before.capitals) or strangers(before) > 9 or has_person(before)
        if word.lower() == "them" and not _WHOM.search(near):
            if _GIVE.search(near):
                if not _GIVEN.match(read.text, end):
                    unsure = True
                    gap = "who or what is not stated"
            else:
                unsure = True
                gap = "who or what is not stated"
        if has_person(before) and not before.persons:
            return
        if _CATAPHORA.match(read.words(read.sentence(match.start()))):
            unsure = unsure or has_plural(read_after(read, match.end()))
        if len(before.persons) > 1 or (has_other_name(before) and len(read.text) > SHORT_TEXT):
            return
        tail = in_full(match.group("short"), match.group("next"))
        if tail is not None:
            rule = "group_unsure" if unsure else "group"
            # With a first word that names nobody there is no doubt.
            if not unsure and match.start() == read.body and word.lower() == "they":
                rule = "group_start"
            # A company, or a site of one, may be meant.
            rule = "group_or_name_unsure" if has_other_name(before) else rule
            yield Reference(rule, "they", 1, match.start(), end, word, gap, tail)


def find_people(read: Message) -> Iterator[Reference]:
    """People who are unhappy, where the message does not tell who they are."""
    for match in matches(read, _PEOPLE, 1):
        near = read.text[max(0, match.start() - 14) : match.start()].rstrip()
        alone = match.group().lower() == "people"
        if alone and near and not _CLAUSE_START.search(near):
            return
        if re.search(r"\b(?:if|unless|when|whenever)\b", near, re.I):
            return
        rule = "people" if alone else "new_people"
        yield Reference(rule, "people", 3, *match.span(), match.group(), "who is not stated")
