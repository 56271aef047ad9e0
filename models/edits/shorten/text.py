"""What stands around a place of an English message, and how words are deleted there."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from models.edits.script import Change, Edit

# Bounds the rules that look back: no phrase and no guard needs more.
BACK = 40
# Bounds the rules that look for the end of a sentence.
REACH = 400
WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*", re.ASCII)
NUMBER_WORDS = re.compile(
    r"\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fifteen|twenty|thirty|forty"
    r"|fifty|sixty|hundred|thousand|million|dozen|noon|midnight|today|tonight|tomorrow|deadline)\b",
    re.IGNORECASE,
)
FOLLOWING = re.compile(r"\s{0,3}([^\w\s])?\s{0,3}([\w'’]+)?")
_BULLET_END = re.compile(r"(?:^|\n)[ \t]{0,8}(?:[-*•–]|\d{1,2}[.)])[ \t]{0,4}$")
_ABBREVIATION_END = re.compile(
    r"\b(?:e\.g|i\.e|etc|approx|ca|vs|mr|mrs|ms|dr|prof|no|nr|dept)\.$", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"[.!?…]+[\"”')\]]{0,3}(?=\s|$)|\n|$")
# Whether the words before an aside have a verb yet, and whether they wait for more.
_HAS_VERB = re.compile(
    r"\b(?:seems?|looks?|feels?|works?|starts?|runs?|am|is|are|was|were|has|have|had|will|won['’]t|can|can['’]t|could|should|would|must|may|might|do"
    r"|does|did|don['’]t|doesn['’]t|didn['’]t|need|needs|want|wants|get|gets|got|go|goes|went|come|comes"
    r"|came|take|takes|took|make|makes|made|say|says|said|know|knows|think|thought|see|saw|send|sent"
    r"|[a-z]{2,14}ed|please|let|call|check|keep|put|set|pay|ask|forgot|wrote|found|left|lost|met|ran|read"
    r"|heard|told|gave|brought|bought|kept|broke|sat|spoke|drove|won|felt|became|began|held|paid|sold"
    r"|understood)\b|n['’]t\b|['’](?:m|re|ve|ll|d)\b|\b(?:it|that|he|she|there)['’]s\b",
    re.IGNORECASE,
)
_CLAUSE_STARTS = re.compile(
    r"\b(?:that|if|when|because|and|but|so|which|who|whether|as|while)\b", re.IGNORECASE
)
_GREETED = re.compile(r"(?:hi|hello|hey|dear|good\s\w+|morning|evening|thanks)(?:\s\S+){0,3}$", re.IGNORECASE)
_ENDS_OPEN = re.compile(
    r"\b(?:which|who|or|whether|am|is|are|was|were|be|been|has|have|had|will|can|could|should|would|must|may|might|that|if|when"
    r"|because|the|a|an|to|of|for|with|in|on|at)$|['’](?:m|re|ve|ll|s)$",
    re.IGNORECASE,
)
_LINKS = frozenset({"and", "but", "so", "because"})
# A clause that starts with one of these keeps the comma before it.
_OPENS_CLAUSE = re.compile(
    r"and|but|so|or|because|since|as|if|when|while|which|who|whose|where|until|unless|although|though"
    r"|please|could|can|would|will|let|i|we|you|he|she|it|they|there|this|that|these|those|the|a|an|my|our"
    r"|your|his|her|its|their|what|how|why|maybe|then|also|not|only|except|including|especially|don't|do"
    r"|i'm|i'll|i've|i'd|we're|we'll|we've|we'd|it's|that's|there's|you're|he's|she's|they're|nobody"
    r"|everyone|someone|anyone|somebody|all|both|no"
)


class Place(NamedTuple):
    """What stands before a position: `kind` is sentence (nothing), clause (a mark), link ("and") or words."""

    kind: str
    mark: int  # where the punctuation before it starts


def find_place(message: str, start: int) -> Place:
    """What stands before a position."""
    before = message[max(0, start - BACK) : start]
    bare = before.rstrip(" \t")
    mark = start - len(before) + len(bare)
    if not bare or bare.endswith("\n") or _BULLET_END.search(before):
        return Place("sentence", start)
    if re.search(r"[.!?…][\"”')\]]{0,3}$", bare):
        return Place("words" if _ABBREVIATION_END.search(bare) else "sentence", mark)
    if bare[-1] in ",;:(–—" or (bare[-1] == "-" and bare[-2:-1].isspace()):
        return Place("clause", mark - 1)
    word = re.search(r"[\w'’]+$", bare)
    if word and word.group().lower() in _LINKS:
        return Place("link", mark)
    return Place("words", mark)


def ends_in_link(message: str, end: int) -> bool:
    """Whether the words before a position end in a joining word such as "and"."""
    word = re.search(r"\w+$", message[max(0, end - 10) : end])
    return word is not None and word.group().lower() in _LINKS


def after_comma(message: str, end: int) -> int | None:
    """Where the clause after an opening starts; None if there is none."""
    match = re.compile(r"(?:(?<=[,:;.–—-])|[ \t]?,)?[ \t]*\n?[ \t]*(?=[\w\"“'(])").match(message, end)
    if match is None or match.end() == end:
        return None
    return match.end()


def delete_opening(message: str, rule: str, level: int, start: int, end: int, place: Place) -> Edit:
    """Deletes an opening; the word after it takes its capital."""
    is_capital = place.kind == "sentence" and message[start].isupper() and message[end].islower()
    if is_capital:
        return Edit(rule, level, (Change(start, end + 1, message[end].upper()),))
    return Edit(rule, level, (Change(start, end, ""),))


# A verb right behind a relative clause has its subject before it.
_RELATIVE = re.compile(r",\s(?:which|who|whose|where)\b", re.IGNORECASE)
_AUXILIARY = re.compile(
    r"(?:could|can|would|will|should|must|may|might|is|are|was|were|has|have|had|do|does|did)(?:n't)?|can't|won't"
)


def delete_between(message: str, rule: str, level: int, start: int, end: int, closer: str) -> Edit:
    """Deletes a phrase and one of the marks around it, or both where no mark belongs."""
    closing = message.index(closer, end)
    word = re.compile(r"\s*([\w'’]+)").match(message, closing + 1)
    following = word.group(1).lower().replace("’", "'") if word else ""
    sentence = re.split(r"[.!?;:\n]\s", message[max(0, start - 160) : start])[-1]
    clause = _CLAUSE_STARTS.split(sentence)[-1]
    is_relative = _RELATIVE.match(message, start) and _AUXILIARY.fullmatch(following)
    if ends_in_link(message, start) or _ENDS_OPEN.search(sentence) or is_relative:
        is_bound = True
    else:
        is_bound = (
            len(sentence.split()) > 1
            and len(clause.split()) <= 4
            and not _OPENS_CLAUSE.fullmatch(following)
            and not _GREETED.match(sentence)
            and not _HAS_VERB.search(clause)
        )
    if is_bound or (closer != "," and not _OPENS_CLAUSE.fullmatch(following)):
        return Edit(rule, level, (Change(start, closing + 1, ""),))
    return Edit(rule, level, (Change(start, closing if closer == "," else end, ""),))


def delete_sentence(message: str, rule: str, level: int, start: int, end: int) -> Iterator[Edit]:
    """Deletes a whole sentence with the space after it, unless it is the only one."""
    match = re.compile(r"[ \t]*[.!…]*[ \t]*").match(message, end)
    stop = match.end() if match else end
    before = message[max(0, start - BACK) : start]
    if not before.strip() and not message[stop : stop + BACK].strip():
        return
    if stop == len(message) or message[stop] == "\n":
        start -= len(before) - len(before.rstrip(" \t"))
    yield Edit(rule, level, (Change(start, stop, ""),))


NEEDED = re.compile(
    r"\b(?:not|no|only|if|unless|must|please|don['’]t|can['’]t|never|instead|until|before|after|by|should"
    r"|need|needs|has\sto|have\sto|or|except|without|deadline|won['’]t|isn['’]t|doesn['’]t|didn['’]t|will"
    r"|will\sbe|who\sis|who['’]s)\b",
    re.IGNORECASE,
)


def end_of_sentence(message: str, start: int) -> int | None:
    """Where the last word of the sentence ends; None if that is too far."""
    limit = min(len(message), start + REACH)
    for match in _SENTENCE_END.finditer(message, start, limit):
        end = match.start()
        if end == limit < len(message):
            return None
        if not _ABBREVIATION_END.search(message[max(0, end - 8) : end + 1]):
            return end
    return None


def delete_aside(message: str, rule: str, level: int, start: int, end: int) -> Edit:
    """Deletes an aside with a comma before it, and the one after it where that is not needed."""
    if message[end : end + 1] == ",":
        return delete_between(message, rule, level, start, end, ",")
    return Edit(rule, level, (Change(start, end, ""),))


_CLAUSE_MARK = re.compile(r"[.!?;:\n]\s?")


def main_clause(message: str, end: int, most: int) -> str:
    """The part of a sentence before `end`, of which only the last `most` characters are read."""
    return _CLAUSE_MARK.split(message[max(0, end - most) : end])[-1]


def matters(text: str) -> bool:
    """Whether a text has a number or a word that the recipient may need."""
    return bool(NEEDED.search(text) or NUMBER_WORDS.search(text))
