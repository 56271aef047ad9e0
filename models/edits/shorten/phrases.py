"""Phrases of `shorten.yaml` go or become shorter: openings, remarks, words."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

from models.edits.script import Change, Edit
from models.edits.shorten.text import (
    BACK,
    FOLLOWING,
    NUMBER_WORDS,
    REACH,
    WORD,
    Place,
    after_comma,
    delete_between,
    delete_opening,
    delete_sentence,
    end_of_sentence,
    ends_in_link,
    find_place,
)

FILE = Path(__file__).with_name("shorten.yaml")
_GREETING = re.compile(
    r"(?:(?:hi|hello|hey|dear|good\s(?:morning|afternoon|evening|day)|morning|evening"
    r"|greetings)\b[^,.!?:\n]{0,40}[,!:.]|[A-Z][\w'’-]{1,20},)\s{1,3}",
    re.IGNORECASE,
)
# After these words "that" is no conjunction.
_NO_CLAUSE = re.compile(
    r"down|up|out|too|and|but|or|as|yesterday|today|already|myself|again|before|is|was|way|one|carefully"
    r"|please|much"
)


class _Phrase(NamedTuple):
    """A phrase of `shorten.yaml`, ready to match at its first word."""

    rule: str
    level: int
    where: str
    pattern: re.Pattern[str]
    replacement: str
    not_after: frozenset[str]
    not_before: frozenset[str]


@cache
def _filters() -> Mapping[str, re.Pattern[str]]:
    """A pattern for each first word that matches where any of its phrases does: most words begin none."""
    return {
        first: re.compile("|".join(f"(?:{phrase.pattern.pattern})" for phrase in phrases), re.IGNORECASE)
        for first, phrases in _families().items()
    }


@cache
def _families() -> Mapping[str, Sequence[_Phrase]]:
    """The phrases by their first word."""
    index: dict[str, list[_Phrase]] = {}
    for family in yaml.safe_load(FILE.read_text(encoding="utf-8")):
        after, before = frozenset(family.get("not_after", ())), frozenset(family.get("not_before", ()))
        for line in family["phrases"].splitlines():
            words, _, replacement = line.partition("->")
            phrase = _Phrase(
                f"shorten.{family['rule']}",
                family["level"],
                family["where"],
                _compile(words.split()),
                replacement.strip(),
                after,
                before,
            )
            for first in _first_words(words.split()):
                index.setdefault(first, []).append(phrase)
    return index


def _compile(tokens: Sequence[str]) -> re.Pattern[str]:
    """The pattern of a phrase; each of its words is a group."""
    pattern, started = "", False
    for token in tokens:
        optional = token.endswith("?")
        choices = token.removesuffix("?").split("/")
        if token.startswith("<"):
            pattern += rf"((?:\s{{1,4}}[\w'’-]+){{0,{token[1:-1]}}}?)"
        elif all(not re.search(r"\w", choice) for choice in choices):
            pattern += rf"(\s{{0,2}}(?:{'|'.join(map(re.escape, choices))})){'?' if optional else ''}"
        else:
            ordered = sorted(choices, key=len, reverse=True)
            words = "|".join(re.escape(c).replace("_", r"\s{1,4}").replace("'", "['’]") for c in ordered)
            if started:
                pattern += rf"(?:\s{{1,4}}({words}))?" if optional else rf"\s{{1,4}}({words})"
            else:
                pattern += rf"(?:({words})\s{{1,4}})?" if optional else rf"({words})"
                started = not optional
    return re.compile(pattern + r"(?![\w'’]|-\w)", re.IGNORECASE)


def _first_words(tokens: Sequence[str]) -> set[str]:
    """The words that a phrase can start with, in lower case."""
    words: set[str] = set()
    for token in tokens:
        words |= {
            match.group().lower()
            for c in token.rstrip("?").split("/")
            if (match := WORD.match(c.replace("_", " ")))
        }
        if not token.endswith("?"):
            break
    return words


def apply_phrases(message: str) -> Iterator[Edit]:
    """Edits of the phrases of `shorten.yaml`, where they stand and no word beside them forbids it."""
    index, filters = _families(), _filters()
    greeting = _GREETING.match(message)
    first = greeting.end() if greeting else 0
    for word in WORD.finditer(message):
        start, key = word.start(), _key(word)
        if key not in index or not filters[key].match(message, start):
            continue
        if message[max(0, start - 1) : start] in ("-", "'", "’", "@", "/", "_", "#"):
            continue
        place = find_place(message, start)
        for phrase in index[key]:
            match = phrase.pattern.match(message, start)
            if match and not _is_refused(message, phrase, match):
                yield from _edits_of_phrase(message, phrase, match, place, start in (0, first))


def _key(word: re.Match[str]) -> str:
    """The word as the phrases are indexed."""
    return word.group().lower().replace("’", "'")


def _edits_of_phrase(
    message: str, phrase: _Phrase, match: re.Match[str], place: Place, is_first: bool
) -> Iterator[Edit]:
    """The edits of a phrase that fits its place; `is_first`: it opens the message."""
    start = match.start()
    match phrase.where:
        case "sentence_start":
            after = after_comma(message, match.end()) if place.kind == "sentence" and start > 0 else None
            if after is not None:
                yield delete_opening(message, phrase.rule, phrase.level, start, after, place)
        case "opening" | "first":
            if place.kind != "words" and (is_first or phrase.where == "opening"):
                yield from _delete_openings(message, phrase, match, place)
        case "remark" | "tail" | "sentence":
            yield from _delete_remark(message, phrase, match, place)
        case "word":
            yield from _delete_word(phrase, match, message, place)
        case "swap":
            yield _swap(message, phrase, match, place)
        case "start":
            if place.kind != "words":
                yield _swap(message, phrase, match, place)
        case "sentence_swap":
            if place.kind == "sentence":
                yield _swap(message, phrase, match, place)


def _is_refused(message: str, phrase: _Phrase, match: re.Match[str]) -> bool:
    """Whether a word beside the phrase forbids it, or the phrase deletes a number word."""
    if not phrase.replacement and NUMBER_WORDS.search(match.group()):
        return True
    following = FOLLOWING.match(message, match.end())
    if (
        following
        and {part.lower().replace("’", "'") for part in following.groups() if part} & phrase.not_before
    ):
        return True
    before = re.search(r"([\w'’]+)\s*$", message[max(0, match.start() - BACK) : match.start()])
    if before is None:
        return False
    last = before.group(1).lower().replace("’", "'")
    return last in phrase.not_after or ("n't" in phrase.not_after and last.endswith("n't"))


def _delete_openings(message: str, phrase: _Phrase, match: re.Match[str], place: Place) -> Iterator[Edit]:
    """Deletes an opening with its comma, and with the openings that follow it."""
    rule, level, start, end = phrase.rule, phrase.level, match.start(), after_comma(message, match.end())
    if end is None or (match.group().lower().endswith("that") and _keeps_that(message, match.end(), end)):
        return
    if place.kind == "clause" and message[place.mark] == ",":
        if message[match.end() : match.end() + 1] == ",":
            yield delete_between(message, rule, level, place.mark, match.end(), ",")
            return
        if match.group().endswith(","):
            yield delete_between(message, rule, level, place.mark, match.end() - 1, ",")
            return
        if ends_in_link(message, place.mark):
            yield Edit(rule, level, (Change(place.mark, end, " "),))
            return
    yield delete_opening(message, rule, level, start, end, place)
    for _ in range(_MOST_FOLLOWING):
        following = _following_opening(message, end)
        if following is None:
            return
        other, end = following
        level = max(level, other.level)
        yield delete_opening(message, other.rule, level, start, end, place)


def _keeps_that(message: str, end: int, clause: int) -> bool:
    """Whether "that" behind an opening is no conjunction, or one of two."""
    word = FOLLOWING.match(message, end)
    if word is None or _NO_CLAUSE.fullmatch((word.group(2) or "").lower()):
        return True
    rest = message[clause : end_of_sentence(message, clause) or clause + REACH]
    return _SECOND_THAT.search(rest) is not None


def _following_opening(message: str, at: int) -> tuple[_Phrase, int] | None:
    """The longest opening at a place, and where the clause after it starts."""
    word = WORD.match(message, at)
    longest: tuple[_Phrase, int] | None = None
    for phrase in _families().get(_key(word), ()) if word else ():
        match = phrase.pattern.match(message, at) if phrase.where == "opening" else None
        if match is None or _is_refused(message, phrase, match):
            continue
        after = after_comma(message, match.end())
        if after is not None and (longest is None or after > longest[1]):
            longest = (phrase, after)
    return longest


_MOST_FOLLOWING = 3  # openings or remarks behind one
_SECOND_THAT = re.compile(r"\b(?:and|but|or) that\b")


def _delete_remark(message: str, phrase: _Phrase, match: re.Match[str], place: Place) -> Iterator[Edit]:
    """Deletes a phrase between commas, dashes or brackets, one that ends a sentence, or a whole sentence."""
    rule, level, start, end = phrase.rule, phrase.level, match.start(), match.end()
    rest = message[end : end + 4]
    following = rest.lstrip(" \t")[:1]
    ends = not following or following in ".!?…\n"
    if place.kind == "sentence":
        if ends and following != "?":
            yield from delete_sentence(message, rule, level, start, end)
        elif (
            phrase.where != "sentence"
            and following == ","
            and (after := after_comma(message, end)) is not None
        ):
            yield delete_opening(message, rule, level, start, after, place)
            yield from _delete_following_remarks(message, phrase, start, after, place)
        return
    if phrase.where == "sentence":
        return
    opener = message[place.mark] if place.kind == "clause" else ""
    if opener == "(":
        if following == ")":
            close = message.index(")", end) + 1
            space = place.mark - (message[place.mark - 1 : place.mark] == " ")
            yield Edit(rule, level, (Change(space, close, ""),))
    elif opener and opener in ",–—-":
        space = place.mark - (message[place.mark - 1 : place.mark] in (" ",) if place.mark else 0)
        if ends:
            yield Edit(rule, level, (Change(space, end, ""),))
        elif following == opener or following == ",":
            yield delete_between(message, rule, level, space, end, following)
    elif (
        phrase.where == "tail"
        and place.kind == "words"
        and (ends or (following == "," and rule == "shorten.filler"))
        and message[start - 1] == " "
    ):
        yield Edit(rule, level, (Change(start - 1, end, ""),))


def _delete_following_remarks(
    message: str, phrase: _Phrase, start: int, end: int, place: Place
) -> Iterator[Edit]:
    """Deletes a remark that opens a sentence together with the remarks after it."""
    level = phrase.level
    for _ in range(_MOST_FOLLOWING):
        word, best = WORD.match(message, end), None
        for other in _families().get(_key(word), ()) if word else ():
            match = other.pattern.match(message, end) if other.where in ("remark", "tail") else None
            if match and not _is_refused(message, other, match) and (best is None or match.end() > best[1]):
                best = (other.level, match.end())
        if best is None:
            return
        level, end = max(level, best[0]), best[1]
        if re.compile(r"\s?(?:[.!…\n]|$)").match(message, end):
            yield from delete_sentence(message, phrase.rule, level, start, end)
            return
        after = after_comma(message, end) if message[end : end + 1] == "," else None
        if after is None:
            return
        yield delete_opening(message, phrase.rule, level, start, after, place)
        end = after


def _delete_word(phrase: _Phrase, match: re.Match[str], message: str, place: Place) -> Iterator[Edit]:
    """Deletes a word inside a sentence."""
    start, end = match.span()
    if (
        place.kind in ("sentence", "clause")
        or message[end : end + 1] != " "
        or not message[end + 1 : end + 2].isalnum()
    ):
        return
    # "a" and "an" depend on the word that follows.
    article = re.search(r"(?<![\w'’-])(an?) $", message[max(0, start - 8) : start])
    if article:
        wanted = "an" if message[end + 1].lower() in "aeio" else "a"
        if article.group(1) != wanted:
            at = start - len(article.group(1)) - 1
            yield Edit(phrase.rule, phrase.level, (Change(at, end + 1, f"{wanted} "),))
            return
    yield Edit(phrase.rule, phrase.level, (Change(start, end + 1, ""),))


def _swap(message: str, phrase: _Phrase, match: re.Match[str], place: Place) -> Edit:
    start, end = match.span()
    text = re.sub(
        r"\{(\d)\}", lambda field: (match.group(int(field.group(1))) or "").strip(), phrase.replacement
    )
    if text.startswith("@"):
        verb = message[start:end].split()[-1].lower().removesuffix("ing")
        text = f"could you {verb}{'e' if text == '@minde' else ''}"
    if not text:
        return delete_opening(message, phrase.rule, phrase.level, start, end + 1, place)
    if place.kind == "sentence" and message[start].isupper():
        text = text[0].upper() + text[1:]
    return Edit(phrase.rule, phrase.level, (Change(start, end, text),))
