"""Finds one person who is not named: "he", "him", "her", "his version"."""

import re
from collections.abc import Iterator

from models.edits.clarify.message import Message
from models.edits.references.before import has_person, has_plural, listed, read_before, strangers
from models.edits.references.reference import GROUPS, Reference, ends, in_full, matches

_HE = re.compile(
    r"(?<![\w'/-])(?P<word>he|she|him|her)(?:'(?P<short>s|ll|d))?(?![\w'/-])(?P<next> ?[a-z']*)", re.I
)
_HER_OBJECT = re.compile(
    r"\s*(?:[,.!?;]|$)| (?:to|for|by|before|after|about|again|today|tomorrow|now|if|when|and|but|or|"
    r"because|so|at|on|in|with|what|how|that|the|a|an|yesterday|yet|soon|first|until|as|i|we|you|they|"
    r"please)\b",
    re.I,
)
_OWN = re.compile(
    r"(?<![\w'-])(?:(?:on|with|in|for|from|than|like|and|not|use|take|to) (?P<pronoun>his|hers|"
    r"theirs)"
    + ends("and|but|because|so|is|are|was|instead|too")
    + r"|(?P<owner>his|her|their) (?:version|offer|list|numbers|figures|draft|report|file|part|"
    r"side|copy|machine|laptop|room|desk|account|order|invoice|request|idea|plan|proposal|changes|comments|"
    r"slides|feedback|email|answer|contract|documents|papers|key|keys|ticket|question|price|address|"
    r"details|bill|bag|car|appointment|approval|signature|decision)"
    + ends(
        "and|but|because|so|is|are|was|were|has|instead|too|before|by|today|tomorrow|for|in|on|until|again|"
        "now|first|or|with|please|yet"
    )
    + r")",
    re.I,
)


def find_persons(read: Message) -> Iterator[Reference]:
    """He or she where no person stands before."""
    seen: set[str] = set()
    for match in matches(read, _HE):
        word = match.group("word")
        gender = "he" if word.lower() in {"he", "him"} else "she"
        if gender in seen:
            continue
        seen.add(gender)
        if read.text[match.end("word") : match.end("word") + 1] in {"/", "'"} and not match.group("short"):
            continue
        end = match.end("short") if match.group("short") else match.end("word")
        if word.lower() == "her" and not _HER_OBJECT.match(read.text, end):
            continue
        before = read_before(read, match.start())
        if before.tokens[-1:] == ["who"]:
            continue
        if has_person(before, "female_nouns" if gender == "he" else "male_nouns"):
            continue
        rule = "person"
        if before.capitals or before.persons:
            known = {name.lower() for name in [*before.capitals, *before.persons]}
            others = listed("female" if gender == "he" else "male")
            if not before.persons or not all(name in others or name in listed("no_person") for name in known):
                continue
            rule = "person_unsure" if len(known) > 1 else "person_other"
        elif match.start() > read.body and _names_later(read, match.end()):
            rule = "person_unsure"
        tail = in_full(match.group("short"), match.group("next"))
        if tail is None:
            continue
        yield Reference(rule, gender, 0, match.start(), end, word, "who is not stated", tail)


def _names_later(read: Message, at: int) -> bool:
    """Whether the sentence goes on with a name, which may be the person that is meant."""
    item = read.sentence(at - 1)
    return any(span.kind == "name" and at <= span.start < item.end for span in read.facts)


def find_owners(read: Message) -> Iterator[Reference]:
    """His version: whose it is, the message does not tell."""
    for match in matches(read, _OWN):
        word = (match.group("pronoun") or match.group("owner")).lower()
        group = {"his": "he", "her": "she", "hers": "she"}.get(word, "they")
        start = match.start("pronoun") if match.group("pronoun") else match.start()
        before = read_before(read, start)
        clear = not before.capitals and not before.persons and not has_person(before)
        if group == "they":
            clear = clear and not has_plural(before) and not set(before.tokens) & listed("several")
        if not clear or set(before.tokens) & set(GROUPS) - {"it"} - (
            {"they", "them"} if group != "they" else set()
        ):
            continue
        plural = group == "they"
        if plural and strangers(before) > 3:
            continue
        yield Reference(
            "owner", group, 2, start, match.end(), read.text[start : match.end()], "whose is not stated"
        )
        return
