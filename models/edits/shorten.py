"""Proposes edits that shorten English sentences: fillers, asides, wordy phrases and clauses that say nothing.

Which sentences a summary drops is decided before (`models.edits.arrange`). The phrases are in `shorten.yaml`,
which explains how they are written; the rules that need more than a phrase are here. No edit deletes a fact,
a number word or a quotation.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

from models import facts
from models.edits.script import Change, Edit

FILE = Path(__file__).with_suffix(".yaml")

# The kinds of edits: of words, at the start of a clause, as an aside, of requests, and of whole clauses.
RULES = frozenset(
    f"shorten.{name}"
    for group in (
        (
            "wordy",
            "shorter",
            "contraction",
            "light_verb",
            "degree",
            "small_word",
            "filler_word",
            "just",
            "repeat",
        ),
        (
            "that",
            "which_is",
            "there_is",
            "going_to",
            "cleft",
            "noun_phrase",
            "on_day",
            "vague_tail",
            "smiley",
        ),
        ("filler", "so_start", "announce", "announce_strong", "preamble", "unfortunately", "link_first"),
        ("aside", "comment", "courtesy", "tag", "brackets", "which_clause", "circumstance", "story"),
        ("ask", "ask_question", "could_you", "please"),
        ("so", "merge_because", "reason", "reason_of_plan", "purpose", "i_know_but"),
    )
    for name in group
)
# Bounds the rules that look back: no phrase and no guard needs more.
_BACK = 40
# Bounds the rules that look for the end of a sentence.
_REACH = 400
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*", re.ASCII)
_NUMBER_WORDS = re.compile(
    r"\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fifteen|twenty|thirty|forty"
    r"|fifty|sixty|hundred|thousand|million|dozen|noon|midnight|today|tonight|tomorrow|deadline)\b",
    re.IGNORECASE,
)
_FOLLOWING = re.compile(r"\s{0,3}([^\w\s])?\s{0,3}([\w'’]+)?")
_QUOTED = re.compile(r"[\"“][^\"“”\n]{1,300}[\"”]|`[^`\n]{1,300}`")
_BULLET_END = re.compile(r"(?:^|\n)[ \t]{0,8}(?:[-*•–]|\d{1,2}[.)])[ \t]{0,4}$")
_ABBREVIATION_END = re.compile(
    r"\b(?:e\.g|i\.e|etc|approx|ca|vs|mr|mrs|ms|dr|prof|no|nr|dept)\.$", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"[.!?…]+[\"”')\]]{0,3}(?=\s|$)|\n|$")
_GREETING = re.compile(
    r"(?:(?:hi|hello|hey|dear|good\s(?:morning|afternoon|evening|day)|morning|evening"
    r"|greetings)\b[^,.!?:\n]{0,40}[,!:.]|[A-Z][\w'’-]{1,20},)\s{1,3}",
    re.IGNORECASE,
)
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
# After these words "that" is no conjunction.
_NO_CLAUSE = re.compile(
    r"down|up|out|too|and|but|or|as|yesterday|today|already|myself|again|before|is|was|way|one|carefully"
    r"|please|much"
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


class _Phrase(NamedTuple):
    """A phrase of `shorten.yaml`, ready to match at its first word."""

    rule: str
    level: int
    where: str
    pattern: re.Pattern[str]
    replacement: str
    not_after: frozenset[str]
    not_before: frozenset[str]


class _Place(NamedTuple):
    """What stands before a position: `kind` is sentence (nothing), clause (a mark), link ("and") or words."""

    kind: str
    mark: int  # where the punctuation before it starts


def propose(message: str) -> list[Edit]:
    """All edits that shorten a message, of levels 1 to 3."""
    kept = _kept(message)
    edits = [edit for edit in (*_phrases(message), *_patterns(message)) if not _touches(edit, kept)]
    edits = list(dict.fromkeys(edits))
    edits += _joined(message, edits)
    return list(dict.fromkeys([*edits, *_raised(edits)]))


def _kept(message: str) -> bytearray:
    """The places of facts and quotations, which no edit touches: a byte for each character."""
    kept = bytearray(len(message))
    spans = [(span.start, span.end) for span in facts.spans(message)]
    for start, end in (*spans, *(match.span() for match in _QUOTED.finditer(message))):
        kept[start:end] = b"\1" * (end - start)
    return kept


def _touches(edit: Edit, kept: bytearray) -> bool:
    return any(kept.find(1, change.start, change.end) >= 0 for change in edit.changes)


def _joined(message: str, edits: Sequence[Edit]) -> list[Edit]:
    """An edit that gives the next word its capital, together with each edit that starts at this word."""
    openings: dict[int, list[Edit]] = {}
    for edit in edits:
        last = edit.changes[-1]
        if len(last.text) == 1 and last.text.isupper():
            openings.setdefault(last.end - 1, []).append(edit)
    result = []
    for edit in edits:
        first = edit.changes[0]
        for opening in openings.get(first.start, ()):
            if opening is edit or first.end == first.start:
                continue
            start, end, text = (
                opening.changes[-1].start,
                first.end,
                first.text or message[first.end : first.end + 1],
            )
            change = Change(start, end if first.text else end + len(text), text[:1].upper() + text[1:])
            if edit.changes[1:] and edit.changes[1].start < change.end:
                continue
            rule = opening.rule if opening.level > edit.level else edit.rule
            level = max(opening.level, edit.level)
            result.append(Edit(rule, level, (*opening.changes[:-1], change, *edit.changes[1:])))
    return result


def _raised(edits: Sequence[Edit]) -> list[Edit]:
    """Edits that also stand at a higher level, because a smaller edit of that level lies inside them.

    Otherwise the smaller edit would be taken, and a higher intensity would change less.
    """
    ordered = sorted(edits, key=lambda edit: edit.start)
    starts = [edit.start for edit in ordered]
    result = []
    for outer in edits:
        size = _size(outer)
        near = ordered[bisect_left(starts, outer.start - _REACH) : bisect_left(starts, outer.end)]
        levels = {
            edit.level
            for edit in near
            if edit.level > outer.level
            and _size(edit) < size
            and any(a.start < b.end and b.start < a.end for a in edit.changes for b in outer.changes)
        }
        result += [Edit(outer.rule, level, outer.changes) for level in levels]
    return result


def _size(edit: Edit) -> int:
    return sum(change.end - change.start for change in edit.changes)


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
                _compiled(words.split()),
                replacement.strip(),
                after,
                before,
            )
            for first in _first_words(words.split()):
                index.setdefault(first, []).append(phrase)
    return index


def _compiled(tokens: Sequence[str]) -> re.Pattern[str]:
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
            if (match := _WORD.match(c.replace("_", " ")))
        }
        if not token.endswith("?"):
            break
    return words


def _phrases(message: str) -> Iterator[Edit]:
    index, filters = _families(), _filters()
    first = match.end() if (match := _GREETING.match(message)) else 0
    for word in _WORD.finditer(message):
        start, key = word.start(), word.group().lower().replace("’", "'")
        if key not in index or not filters[key].match(message, start):
            continue
        if message[max(0, start - 1) : start] in ("-", "'", "’", "@", "/", "_", "#"):
            continue
        place = _place(message, start)
        for phrase in index[key]:
            match = phrase.pattern.match(message, start)
            if match is None or _refused(message, phrase, match):
                continue
            if phrase.where == "first" and start not in (0, first):
                continue
            if phrase.where == "sentence_start":
                if (
                    place.kind == "sentence"
                    and start > 0
                    and (after := _after_comma(message, match.end())) is not None
                ):
                    yield _deleted_opening(message, phrase.rule, phrase.level, start, after, place)
            elif phrase.where in ("opening", "first") and place.kind != "words":
                yield from _opening(message, phrase, match, place)
            elif phrase.where in ("remark", "tail", "sentence"):
                yield from _remark(message, phrase, match, place)
            elif phrase.where == "word":
                yield from _word(phrase, match, message, place)
            elif (
                phrase.where == "swap"
                or (phrase.where == "start" and place.kind != "words")
                or (phrase.where == "sentence_swap" and place.kind == "sentence")
            ):
                yield _swap(message, phrase, match, place)


def _refused(message: str, phrase: _Phrase, match: re.Match[str]) -> bool:
    """Whether a word beside the phrase forbids it, or the phrase deletes a number word."""
    if not phrase.replacement and _NUMBER_WORDS.search(match.group()):
        return True
    following = _FOLLOWING.match(message, match.end())
    if (
        following
        and {part.lower().replace("’", "'") for part in following.groups() if part} & phrase.not_before
    ):
        return True
    before = re.search(r"([\w'’]+)\s*$", message[max(0, match.start() - _BACK) : match.start()])
    if before is None:
        return False
    last = before.group(1).lower().replace("’", "'")
    return last in phrase.not_after or ("n't" in phrase.not_after and last.endswith("n't"))


def _place(message: str, start: int) -> _Place:
    before = message[max(0, start - _BACK) : start]
    bare = before.rstrip(" \t")
    mark = start - len(before) + len(bare)
    if not bare or bare.endswith("\n") or _BULLET_END.search(before):
        return _Place("sentence", start)
    if re.search(r"[.!?…][\"”')\]]{0,3}$", bare):
        return _Place("words" if _ABBREVIATION_END.search(bare) else "sentence", mark)
    if bare[-1] in ",;:(–—" or (bare[-1] == "-" and bare[-2:-1].isspace()):
        return _Place("clause", mark - 1)
    word = re.search(r"[\w'’]+$", bare)
    if word and word.group().lower() in _LINKS:
        return _Place("link", mark)
    return _Place("words", mark)


def _opening(message: str, phrase: _Phrase, match: re.Match[str], place: _Place) -> Iterator[Edit]:
    """Deletes an opening with its comma, and with the openings that follow it."""
    rule, level, start, end = phrase.rule, phrase.level, match.start(), _after_comma(message, match.end())
    if end is None or (
        match.group().lower().endswith("that")
        and (
            (word := _FOLLOWING.match(message, match.end())) is None
            or _NO_CLAUSE.fullmatch((word.group(2) or "").lower())
        )
    ):
        return
    if match.group().lower().endswith("that") and re.search(
        r"\b(?:and|but|or) that\b", message[end : _end_of_sentence(message, end) or end + _REACH]
    ):
        return
    if place.kind == "clause" and message[place.mark] == ",":
        if message[match.end() : match.end() + 1] == ",":
            yield _between(message, rule, level, place.mark, match.end(), ",")
            return
        if match.group().endswith(","):
            yield _between(message, rule, level, place.mark, match.end() - 1, ",")
            return
        if _ends_in_link(message, place.mark):
            yield Edit(rule, level, (Change(place.mark, end, " "),))
            return
    yield _deleted_opening(message, rule, level, start, end, place)
    for _ in range(3):
        word = _WORD.match(message, end)
        following = None
        if word:
            for other in _families().get(word.group().lower().replace("’", "'"), ()):
                if (
                    other.where == "opening"
                    and (m := other.pattern.match(message, end))
                    and not _refused(message, other, m)
                ):
                    after = _after_comma(message, m.end())
                    if after is not None and (following is None or after > following[1]):
                        following = (other, after)
        if following is None:
            return
        end = following[1]
        level = max(level, following[0].level)
        yield _deleted_opening(message, following[0].rule, level, start, end, place)


def _ends_in_link(message: str, end: int) -> bool:
    word = re.search(r"\w+$", message[max(0, end - 10) : end])
    return word is not None and word.group().lower() in _LINKS


def _after_comma(message: str, end: int) -> int | None:
    """Where the clause after an opening starts; None if there is none."""
    match = re.compile(r"(?:(?<=[,:;.–—-])|[ \t]?,)?[ \t]*\n?[ \t]*(?=[\w\"“'(])").match(message, end)
    if match is None or match.end() == end:
        return None
    return match.end()


def _deleted_opening(message: str, rule: str, level: int, start: int, end: int, place: _Place) -> Edit:
    is_capital = place.kind == "sentence" and message[start].isupper() and message[end].islower()
    if is_capital:
        return Edit(rule, level, (Change(start, end + 1, message[end].upper()),))
    return Edit(rule, level, (Change(start, end, ""),))


def _remark(message: str, phrase: _Phrase, match: re.Match[str], place: _Place) -> Iterator[Edit]:
    """Deletes a phrase between commas, dashes or brackets, one that ends a sentence, or a whole sentence."""
    rule, level, start, end = phrase.rule, phrase.level, match.start(), match.end()
    rest = message[end : end + 4]
    following = rest.lstrip(" \t")[:1]
    ends = not following or following in ".!?…\n"
    if place.kind == "sentence":
        if ends and following != "?":
            yield from _sentence(message, rule, level, start, end)
        elif (
            phrase.where != "sentence"
            and following == ","
            and (after := _after_comma(message, end)) is not None
        ):
            yield _deleted_opening(message, rule, level, start, after, place)
            yield from _remarks(message, phrase, start, after, place)
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
            yield _between(message, rule, level, space, end, following)
    elif (
        phrase.where == "tail"
        and place.kind == "words"
        and (ends or (following == "," and rule == "shorten.filler"))
        and message[start - 1] == " "
    ):
        yield Edit(rule, level, (Change(start - 1, end, ""),))


def _remarks(message: str, phrase: _Phrase, start: int, end: int, place: _Place) -> Iterator[Edit]:
    """Deletes a remark that opens a sentence together with the remarks after it."""
    level = phrase.level
    for _ in range(3):
        word, best = _WORD.match(message, end), None
        for other in _families().get(word.group().lower().replace("’", "'"), ()) if word else ():
            match = other.pattern.match(message, end) if other.where in ("remark", "tail") else None
            if match and not _refused(message, other, match) and (best is None or match.end() > best[1]):
                best = (other.level, match.end())
        if best is None:
            return
        level, end = max(level, best[0]), best[1]
        if re.compile(r"\s?(?:[.!…\n]|$)").match(message, end):
            yield from _sentence(message, phrase.rule, level, start, end)
            return
        after = _after_comma(message, end) if message[end : end + 1] == "," else None
        if after is None:
            return
        yield _deleted_opening(message, phrase.rule, level, start, after, place)
        end = after


def _between(message: str, rule: str, level: int, start: int, end: int, closer: str) -> Edit:
    """Deletes a phrase and one of the marks around it, or both where no mark belongs."""
    closing = message.index(closer, end)
    word = re.compile(r"\s*([\w'’]+)").match(message, closing + 1)
    following = word.group(1).lower().replace("’", "'") if word else ""
    sentence = re.split(r"[.!?;:\n]\s", message[max(0, start - 160) : start])[-1]
    clause = _CLAUSE_STARTS.split(sentence)[-1]
    if _ends_in_link(message, start) or _ENDS_OPEN.search(sentence):
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


def _sentence(message: str, rule: str, level: int, start: int, end: int) -> Iterator[Edit]:
    """Deletes a whole sentence with the space after it, unless it is the only one."""
    match = re.compile(r"[ \t]*[.!…]*[ \t]*").match(message, end)
    stop = match.end() if match else end
    before = message[max(0, start - _BACK) : start]
    if not before.strip() and not message[stop : stop + _BACK].strip():
        return
    if stop == len(message) or message[stop] == "\n":
        start -= len(before) - len(before.rstrip(" \t"))
    yield Edit(rule, level, (Change(start, stop, ""),))


def _word(phrase: _Phrase, match: re.Match[str], message: str, place: _Place) -> Iterator[Edit]:
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


def _swap(message: str, phrase: _Phrase, match: re.Match[str], place: _Place) -> Edit:
    start, end = match.span()
    text = re.sub(
        r"\{(\d)\}", lambda field: (match.group(int(field.group(1))) or "").strip(), phrase.replacement
    )
    if text.startswith("@"):
        verb = message[start:end].split()[-1].lower().removesuffix("ing")
        text = f"could you {verb}{'e' if text == '@minde' else ''}"
    if not text:
        return _deleted_opening(message, phrase.rule, phrase.level, start, end + 1, place)
    if place.kind == "sentence" and message[start].isupper():
        text = text[0].upper() + text[1:]
    return Edit(phrase.rule, phrase.level, (Change(start, end, text),))


_PRONOUN = r"(?:I|we|you|he|she|it|they|there|this|that|anyone|someone|somebody|anybody)"
_INDIRECT = re.compile(
    r"\b(?P<opening>(?:(?:and|but|so)\s)?(?:what\s(?:I|we)\s(?:wanted|want)\sto\s(?:ask|know)\s(?:is|was)"
    r"|(?:I|we)(?:['’]m|['’]re|['’]d|\sam|\sare|\swas|\swere"
    r"|\swould)?(?:\s(?:just|really|only|also|still|quickly)){0,2}\s(?:(?:wanted|want"
    r"|like)\sto\s(?:quickly\s|just\s)?(?:ask(?:\syou)?|know|check|find\sout)|wondering|wonder|wondered"
    r"|asking),?)\s(?:if|whether)\s(?:or\snot\s)?(?:maybe\s|perhaps\s)?)(?P<subject>" + _PRONOUN + r")\s"
    r"(?P<verb>can|could|will|would|should|might|are|is|was|were|know|need|want|have\stime|have\sa"
    r"|have\sany|knows|has)\b",
    re.IGNORECASE,
)
_COULD_PLEASE = re.compile(
    r"(?P<ask>(?:could|can|would|will)\syou\s(?:please\s|kindly\s|maybe\s|possibly\s"
    r"|just\s){0,2})(?=(?P<verb>[a-z]+)\b)",
    re.IGNORECASE,
)
# "Can you make it?" asks what someone is able to do.
_ABILITIES = re.compile(
    r"mind|be|have|imagine|believe|also|either|do|like|prefer|live|see|hear|make|come|join|attend|work"
    r"|manage|still|really|access|open|log|reproduce|afford|handle|even|actually|get|understand|wait|meet"
    r"|stay|take|think"
)
_IF_YOU_COULD = re.compile(
    r"\b(?P<if>if\syou\s(?:could|can|would)\s(?:please\s)?)(?!(?:like|prefer|rather|be|have|need|want)\b)(?P<what>[^.!?;\n]{3,140}?)(?P<end>,\s(?:that|it"
    r"|this)(?:['’]d|\swould)\s(?:really\s)?(?:be\s(?:really\s|very\s|so\s|much\s)?(?:great|good|nice"
    r"|helpful|lovely|wonderful|perfect|appreciated|awesome|fantastic|amazing|super)|help(?:\sme"
    r"|\sus)?(?:\sa\slot|\sgreatly)?))(?=\s?[.!])",
    re.IGNORECASE,
)
_REDUCED = re.compile(
    r"\b(?P<head>someone|somebody|anyone|anybody|everyone|everybody|people|those|colleagues|users|customers"
    r"|guests|files|tickets|the\s[a-z]+|a\s[a-z]+|an\s[a-z]+|any\s[a-z]+|every\s[a-z]+"
    r"|all\s[a-z]+s)(?P<cut>\s(?:who|that|which)\s(?:is|are|was|were)(?:\sstill)?)\s(?:on\s(?:leave|holiday"
    r"|site|duty|call|sick)|in\s(?:the|a)|at\s(?:the|home)|from\s(?:the|a)|responsible\sfor|due\s(?:on|in"
    r"|by)|(?!need|use|suppos|allow|request|expect|ask)[a-z]{2,12}ed\s(?:by|in|on|at|for|from|to|with|as)"
    r"|left\sover|needed\sfor|used\s(?:for|by|in)|stored\s(?:in|on)|made\s(?:by|of|for)|sent\s(?:by|to)"
    r"|built\s(?:by|in)|written\s(?:by|in))\b",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"\b(?:it['’]s|it\s(?:is|was)|ask|asks|asked|tell|tells|told|know|knows|that['’]s|check|say|says"
    r"|said)\s(?:not\s)?$",
    re.I,
)
_COMMA_REDUCED = re.compile(
    r",\s(?P<cut>(?:which|who)\s(?:is|are|was|were)\s)(?=(?:still|due|now|[a-z]{2,12}ed\s(?:by|in|on|at|for"
    r"|from|to|with)|responsible\sfor|part\sof|about\s\d|around\s\d)\b)"
)
_THERE_IS = re.compile(
    r"\b(?P<cut>there(?:['’]s|\sis|\sare)\s)(?P<noun>(?:a|an|some|several|many|two|three|four|five"
    r"|\d{1,3})\s(?:(?!that\b|who\b|which\b)[a-z-]+\s){1,4})(?P<link>(?:that|who|which)\s)(?=(?:is|are|was"
    r"|were|has|have|had|can|can['’]t|cannot|will|won['’]t|need|needs|want|wants|block|blocks|fail|fails"
    r"|failed|works?|don['’]t|doesn['’]t|didn['’]t|still|must|should)\b)",
    re.IGNORECASE,
)
_GOING_TO = re.compile(
    r"(?P<be>['’](?:m|re|s)|\s(?:is|are|am))(?P<not>\snot)?\sgoing\sto\s(?!the\b|a\b|an\b|my\b|our\b|your\b"
    r"|his\b|her\b|their\b|this\b|that\b|bed\b|work\b|school\b|court\b|press\b|print\b|market\b|hospital\b"
    r"|lunch\b|prod|town\b|all\b|some\b|any\b|it\b|them\b|him\b|you\b|me\b|us\b|every|plan\b|waste\b"
    r"|church\b|university\b|class\b|training\b|different\b|two\b|three\b|one\b|both\b|and\b"
    r"|be\sable)(?=[a-z]{2,})"
)
_NOT_GOING_TO = re.compile(
    r"\b(?P<be>isn|aren)['’]t\sgoing\sto\s(?=[a-z]{2,}\b)(?!the\b|a\b|work\b|my\b|our\b|your\b)"
)
_THAT = re.compile(
    r"\b(?P<verb>(?:I|we|you|they|he|she)\s(?:also\s|already\s|still\s|just\s|really\s|do\s|don['’]t\s"
    r"|didn['’]t\s){0,1}(?:think|thinks|thought|know|knows|knew|hope|hopes|hoped|believe|believes|guess"
    r"|said|says|say|see|saw|feel|suggest|heard|understand|promised|told\s(?:me|us|them|him|her|you)"
    r"|noticed|assume|fear|wish|bet|found|agreed|decided)|(?:['’]m|['’]re|am|are|is)\s(?:not\s|pretty\s"
    r"|quite\s|very\s)?(?:sure|afraid|glad|happy|sorry|worried|aware)|make\ssure|please\snote|said"
    r"|told\s(?:me|us|them|him|her|you))\sthat(?=\s(?:I|we|you|he|she|it|they|there|the|a|my|our|your|his"
    r"|her|its|their|nobody|everyone|I['’]|we['’]|you['’]|it['’]|he['’]|she['’]|they['’]|there['’])\b)",
    re.IGNORECASE,
)
_BECAUSE = re.compile(
    r"\.\s(?P<cut>(?:The\s(?:main\s)?reason\s(?:for\s(?:this|that)\s)?is\sthat|(?:This|That)\sis\sbecause"
    r"|That['’]s\sbecause|It['’]s\sbecause|The\s(?:main\s)?reason:|Reason:)\s)(?=(?P<next>[A-Za-z][\w'’]*))"
)
_THATS_WHY = re.compile(
    r"(?:(?<=[.!?]\s)|^|(?<=\n))(?:That['’]s|That\sis|This\sis)\s(?:also\s|exactly\s)?why\s(?=(?:I|we|you"
    r"|he|she|it|they|the|please)\b)"
)
_REPEATED = re.compile(
    r"\b(?P<word>really|very|so|no|yes|please|long|many|never|much|far|way|again|sorry"
    r"|thanks)(?P<again>(?:,?\s(?P=word)){1,3})\b",
    re.I,
)
_BRACKETS = re.compile(r"[ \t]?\((?P<inside>[^()\n]{3,120})\)")
_BRACKET_ASIDE = re.compile(
    r"^(?:sorry|thanks?|thank\syou|as\s(?:you|I|we|always|usual)|don['’]t\sask|who\s|which\s|yes\b|again\b"
    r"|finally\b|believe|I\s|I['’]|we\sall|me\s|my\s|believe|long\sstory|of\scourse|surprise|unfortunately"
    r"|sadly|luckily|yay|hooray|haha|lol|ha\b|and\sno\b|and\syes\b|he['’]s\s|she['’]s\s|great|nice|lovely"
    r"|so\s|again)",
    re.IGNORECASE,
)
_NEEDED = re.compile(
    r"\b(?:not|no|only|if|unless|must|please|don['’]t|can['’]t|never|instead|until|before|after|by|should"
    r"|need|needs|has\sto|have\sto|or|except|without|deadline|won['’]t|isn['’]t|doesn['’]t|didn['’]t|will"
    r"|will\sbe|who\sis|who['’]s)\b",
    re.IGNORECASE,
)
_WHILE = re.compile(
    r"\b(?P<cut>(?:as|while|when)\s(?:I|we)\s(?:was|were)\s(?:[\w'’-]+\s){1,9}?(?:I|we)\s(?:noticed|saw"
    r"|realised|realized|found(?:\sout)?)\sthat\s)(?=\w)",
    re.IGNORECASE,
)
_CALL = re.compile(
    r"\b(?P<verb>[Gg]ive|gave|giving)\s(?P<who>me|us|him|her|them"
    r"|[A-Z][\w'’-]+(?:\sand\s[A-Z][\w'’-]+)?)\sa\s(?:quick\s|short\s|brief\s)?(?:call|ring|phone\scall"
    r"|shout)\b"
)
_CALLS = {"give": "call", "gave": "called", "giving": "calling"}
_SMILEY = re.compile(r"[ \t]?(?:[:;]-?[)(DP]|[😀-🙏])(?=[\s.,!?]|$)")
_WHICH = re.compile(
    r",\swhich\s(?!means|is\swhy|blocks|requires|needs|you\b"
    r"|makes)(?P<inside>[^,.;:?!()\n–—]{4,90})(?=[,.]\s|[,.]?$)",
    re.MULTILINE,
)
_OWN = re.compile(r"\b(?:I|me|my|we)\b|\b(?:I|we)['’]")
_NEWS = re.compile(
    r"\s(?:and|but|so|or)\s|\b(?:still|trying|need|needs|want|wants|pay|pays|promised|agreed|do|did|sent"
    r"|send|ordered|already|signed|told|call|called|moved|changed|sold|bought|use|used|have|has)\b",
    re.IGNORECASE,
)
_DASHES = re.compile(r"\s(?P<dash>[–—-])\s(?P<inside>[^,.;:?!()\n–—]{3,70})\s(?P=dash)(?=\s)")
_REQUEST = re.compile(
    r"\b(?:please|pls|(?:could|can|would|will)\s(?:you|we|someone|somebody|anyone|I)|let['’]s|don['’]t"
    r"|do\snot|must|needs?\sto|have\sto|has\sto|should)\b|(?:^|[,;:]\s|\band\s)(?:tell|send|sign|write|ask"
    r"|call|keep|bring|put|use|check|register|leave|give|add|move|stop|count|wait|take)\b",
    re.IGNORECASE,
)
_PLAN = re.compile(r"\b(?:will|won['’]t|can['’]t|cannot|may\snot)\b|['’]ll\s", re.IGNORECASE)
_NEGATED = re.compile(r"\b(?:not|never|no|nobody|nothing|none|cannot)\b|n['’]t\b", re.IGNORECASE)
_REASON = re.compile(
    r"(?P<cut>(?P<comma>,)?\s(?P<link>because|since|as)\s(?:(?:I|we|he|she|it|they|there|the|my|our|nobody"
    r"|people|everyone|this|some|most)\b|(?:I|we|he|she|it|they"
    r"|there)['’])(?P<inside>[^,.!?;:()\n]{4,110}))(?=[.!?](?:\s|$)|$|\n|,\s(?:and|but|so|please|then|or)\b)"
)
_PURPOSE = re.compile(
    r"(?P<cut>(?:,?\sso\sthat|(?<!,)\sso)\s(?:I|we|he|she|it|they|everyone|everybody|people|nobody)\s(?:can"
    r"|could|know|knows|get|gets|don['’]t|doesn['’]t|has"
    r"|have)\b(?!\s?not)(?P<inside>[^,.!?;:()\n]{2,90}))(?=[.!?](?:\s|$)|$|\n)"
)
_NO_REASON = re.compile(
    r"\b(?:not|just|only|simply|mainly|partly|maybe|perhaps|probably|is|was|be|are|largely|mostly|exactly"
    r"|that['’]s|it['’]s|especially|precisely)$",
    re.IGNORECASE,
)
_I_KNOW_BUT = re.compile(
    r"\b(?P<cut>(?:I|we)\s(?:know|understand|realise|realize|see|get)\s(?!nothing|how|what|who|where"
    r"|whether|if\b)[^.,;:?!\n]{3,90},\sbut\s)(?=\w)",
    re.IGNORECASE,
)
_AS_KNOWN = re.compile(
    r",\s(?P<inside>as\s(?:everybody|everyone|you|we|I|they|some|many|all)\s(?:[\w'’]+\s){0,5}?(?:expected"
    r"|feared|hoped|know|knew|imagine|remember|see|heard|learned\sthe\shard\sway|learnt\sthe\shard\sway"
    r"|believe|thought))(?=[,.]\s|[,.]?$)",
    re.IGNORECASE | re.MULTILINE,
)
_RELATIVE_THAT = re.compile(
    r"\b(?:the|a|an|any|every|our|your|my|his|her|their|these|those|\d{1,5}|two|three|four|five"
    r"|some)\s(?:[a-z-]+\s)?[a-z-]+(?P<cut>\sthat)(?=\s(?:I|we|you|he|she|they)(?:['’](?:m|re|s|ve|ll"
    r"|d))?\s[a-z])",
    re.IGNORECASE,
)
_KEEPS_THAT = re.compile(
    r"\b(?:and|but|or|not|so|now|in|except|such|given|provided|than|like|only|unless|is|was|are|assuming"
    r"|considering|seeing|with|for|to|of|after|before|on|at|by|from|about|until|all|everything|anything"
    r"|nothing|[a-z]+ly|me|us|you|him|them|asks?|asked|suggests?|suggested|proposed?s?|demands?|insists?"
    r"|insisted|recommends?|requested|sees?|above|below)$"
)
_WHO_HAS = re.compile(
    r"\b(?:someone|somebody|anyone|anybody|everyone|everybody|people|those|customers|users|guests"
    r"|colleagues|all|families|teams)(?P<cut>\swho\s(?:has|have))(?=\s(?:a|an|the|any|cards?|access"
    r"|experience|questions|problems|issues|children|kids|rights|permission)\b)(?!\sthe\s[a-z]+ed\b)",
    re.IGNORECASE,
)
_OWNER = re.compile(
    r"\bthe\s(?P<what>name|number|owner|date|price|size|address|status|colour|color|title|manager"
    r"|phone\snumber)\sof\sthe\s(?P<whose>customer|client|supplier|patient|guest|user|driver|team|owner"
    r"|manager|order|project|meeting|file|company|server|report|contract|box|room)(?=[,.?!]|\s(?:is|are|was"
    r"|and|to|in|on|for|has|will|must|by|with)\b)"
)
_CLEFT = re.compile(
    r"\b(?P<what>what)\s(?P<subject>I|we|they|you)(?P<verb>\s(?:need|want|do\snot\sknow|don['’]t\sknow"
    r"|would\slike|expect|suggest|propose)|['’]d\slike)\s(?:is|are)\s(?=(?:the|a|an|your|his|her|their|our"
    r"|my|whether|how|who|when|why|if|where|\d)\b)",
    re.IGNORECASE,
)
_PLEASE_LATE = re.compile(
    r"\b(?:could|can|would)\s(?:you|we|I|someone|somebody|anyone"
    r"|one\sof\syou)\b(?P<cut>\splease)(?=\s(?!not\b)[a-z])",
    re.IGNORECASE,
)
_PLEASE_LAST = re.compile(
    r"\b(?:could|can|would)\s(?:you|we|I|someone|somebody"
    r"|anyone)\b[^.?!;:\n]{3,120}?(?P<cut>,?\splease)(?=\?)",
    re.IGNORECASE,
)
_ON_DAY = re.compile(
    r"(?<=[a-z\d])(?P<cut>\son)(?=\s(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)\b(?!['’]s"
    r"|-))"
)
_KEEPS_ON = re.compile(
    r"\b(?:based|depends?|depending|relies|rely|works?|goes|and|or|not|also|but|as|only|even|is|are|was"
    r"|were|be|if|when|until|mainly|working|early|late|it['’]s|open|closed)$"
)
_CIRCUMSTANCE = re.compile(
    r"\b(?:I|we)(?:['’]ve|\shave)?(?:\sjust)?\s(?:read|watched|went|asked|talked|looked|had|met|spoke|heard"
    r"|saw|thought|chatted|sat|tested|tried|bumped)\b[^.?!;:()\n]{0,90}?(?P<cut>\s(?:on\sthe\s(?:train|bus"
    r"|plane|tram|ferry)|over\s(?:a\s)?(?:lunch|coffee|tea|dinner|breakfast)|(?:by"
    r"|at)\sthe\scoffee\smachine|in\sthe\s(?:corridor|lift|elevator|hallway|kitchen|rain)"
    r"|with\sa\s(?:fresh\s)?(?:coffee|tea)|with\sa\slot\sof\s(?:coffee|tea)|with\sa\scup\sof\s(?:coffee"
    r"|tea)|for\s(?:ages|hours|a\swhile|nearly\san\shour|half\san\shour|an\shour)))(?=[,.]|\sand\s)",
    re.IGNORECASE,
)
_IF_THEN = re.compile(r"\bif\s[^.?!;:,\n]{3,120}(?P<cut>,\s(?P<then>then\s))(?=\w)", re.IGNORECASE)
_PREAMBLE = re.compile(
    r"\b(?P<cut>(?:and\s)?(?:I\sknow|I['’]m\saware|I\sam\saware|I\ssay\sthis|I\spromise|I\sdid|let\sme"
    r"|I['’]ll\ssay|I\swill\ssay|I\swant\sto\swrite\sthis\sdown|I\swant\sto\ssay\sthis|I['’]ve\sbeen\sasked"
    r"|I\swas\sasked|you\sknow\sI)\b[^.:;?!\n()]{3,130}:\s)(?=[\w\"“])",
    re.IGNORECASE,
)
_SO = re.compile(
    r",\s(?P<link>which\smeans(?:\sthat)?|meaning\sthat|which\sis\s(?:also\s)?why|and\s(?:that['’]s"
    r"|that\sis|this\sis)\swhy|(?:that['’]s|that\sis)\swhy|with\sthe\sresult\sthat|and\sso"
    r"|and\sthen)\s(?!that\b|the\ssame|again)(?=[\w\"“])",
    re.IGNORECASE,
)
_STORY = re.compile(
    r",\s(?:and\s|but\s)?(?P<inside>(?:I|we)\s(?:(?:nearly|even|almost|really|also|just)\s)?(?:nearly|felt"
    r"|laughed|cried|skipped|dreamt|regret|bet|enjoyed|lost\scount|tried\s(?:it|that|everything|being)"
    r"|missed\smy|was\snervous|was\shappy|was\ssurprised|was\samazed|love|hate|had\s(?:coffee|lunch|fun"
    r"|a\slaugh|a\sgood\slaugh)|talked\sabout\s(?:his|her|their|the\sweather)|promise\sthis|swear"
    r"|must\sadmit|can['’]t\scomplain|didn['’]t\sexpect\sthat|can\simagine"
    r"|know\sthe\sfeeling)\b[^,.;:?!()\n]{0,80})(?=[,.]\s|[,.]?$)",
    re.IGNORECASE | re.MULTILINE,
)
_CONTRACTED = re.compile(
    r"\b(?:(?P<pronoun>I|we|you|they|he|she|it|that|there)\s(?P<verb>am|are|is|will|have|has|had|would)"
    r"|(?P<aux>do|does|did|is|are|was|were|has|have|had|could|would|should|can"
    r"|will)\s?(?P<not>not))(?=\s(?!(?:not\s)?able\b|unable\b|(?:not\s)?allowed\b|going\sto\b|but\b|and\b"
    r"|or\b|if\b|because\b|when\b|so\b)[a-z])",
    re.IGNORECASE,
)
_CONTRACTIONS = {
    **{f"{pronoun} have": f"{pronoun}'ve" for pronoun in ("i", "we", "you", "they")},
    **{f"{pronoun} are": f"{pronoun}'re" for pronoun in ("we", "you", "they")},
    **{f"{pronoun} will": f"{pronoun}'ll" for pronoun in ("i", "we", "you", "they", "he", "she", "it")},
    **{f"{pronoun} is": f"{pronoun}'s" for pronoun in ("he", "she", "it", "that", "there")},
    "i am": "I'm",
}
# "have" is contracted only where it is an auxiliary.
_PARTICIPLE = re.compile(
    r"\s(?:(?:not|already|also|just|now|never|always|only|still)\s)?(?:been|had|[a-z]{2,12}ed|done|made"
    r"|sent|seen|got|gone|written|put|set|found|told|given|taken|come|said|left|lost|begun|known|run|paid"
    r"|met|read|bought|brought|kept|heard|built|chosen)\b"
)
_OPENS_SUBJECT = re.compile(
    r"\b(?:if|when|that|unless|whether|until|since|once|before|after|while|though|although|think|says?|said|hope|sure)\s$",
    re.IGNORECASE,
)
# After these words a form of "be" or "have" can end its clause, so it keeps its full form.
_STRANDS = re.compile(
    r"\b(?:as|than|where|here|how|what|who|which|why|wherever|whatever|like|all|of|to|for|with|about|from"
    r"|in|on|at|by)\s$",
    re.IGNORECASE,
)


def _patterns(message: str) -> Iterator[Edit]:
    for rule in _RULES:
        yield from rule(message)


def _indirect_questions(message: str) -> Iterator[Edit]:
    """ "I was wondering if you could ..." becomes "Could you ...?"."""
    for match in _INDIRECT.finditer(message):
        place = _place(message, match.start())
        end = _end_of_sentence(message, match.end())
        if end is None:
            continue
        rest = message[match.end() : end]
        if place.kind not in ("sentence", "clause") or re.search(
            r",\s(?:I|we|it|they|he|she|the|that|this|my)\b|[;:(]|\b(?:and|or)\s(?:who|what|when|where|how"
            r"|if|whether)\b",
            rest,
        ):
            continue
        subject, verb = match["subject"], match["verb"]
        lower = verb.lower().split()[0]
        if lower in ("know", "need", "want", "have"):
            if subject.lower() not in ("i", "we", "you", "they"):
                continue
            text = f"do {subject} {verb}"
        elif lower in ("knows", "has"):
            text = f"does {subject} {'know' if lower == 'knows' else 'have'}"
        else:
            text = f"{verb} {subject}"
        if place.kind == "sentence" and message[match.start()].isupper():
            text = text[0].upper() + text[1:]
        changes = [Change(match.start(), match.end(), text)]
        if message[end : end + 1] != "?":
            changes.append(
                Change(end, end + (message[end : end + 1] in (".", "!") and end < len(message)), "?")
            )
        yield Edit("shorten.ask_question", 1, tuple(changes))


def _end_of_sentence(message: str, start: int) -> int | None:
    """Where the last word of the sentence ends; None if that is too far."""
    limit = min(len(message), start + _REACH)
    for match in _SENTENCE_END.finditer(message, start, limit):
        end = match.start()
        if end == limit < len(message):
            return None
        if not _ABBREVIATION_END.search(message[max(0, end - 8) : end + 1]):
            return end
    return None


def _please(message: str) -> Iterator[Edit]:
    """ "Could you please check it?" becomes "Please check it."."""
    for match in _COULD_PLEASE.finditer(message):
        place = _place(message, match.start())
        end = _end_of_sentence(message, match.end())
        if end is None:
            continue
        rest = message[match.end() : end]
        if (
            place.kind not in ("sentence", "clause")
            or message[end : end + 1] != "?"
            or message[end : end + 2] == "??"
            or _ABILITIES.fullmatch(match["verb"].lower())
            or (match["verb"].lower() == "not" and "please" not in match["ask"].lower())
            or (match["ask"].lower().startswith(("would", "will")) and "please" not in match["ask"].lower())
            or re.search(
                r"\b(?:or|if\spossible|please|(?:can|could|would|will|should|do|is|are)\s(?:you|we|I"
                r"|someone|it|they|he|she))\b",
                rest,
                re.I,
            )
        ):
            continue
        if match["verb"].lower() == "not":
            first = (
                "Please don't"
                if message[match.start()].isupper() and place.kind == "sentence"
                else "please don't"
            )
            change = Change(match.start(), match.end("verb"), first)
            yield Edit("shorten.could_you", 3, (change, Change(end, end + 1, ".")))
            continue
        text = "Please " if place.kind == "sentence" and match["ask"][0].isupper() else "please "
        yield Edit(
            "shorten.could_you", 3, (Change(match.start(), match.end(), text), Change(end, end + 1, "."))
        )


def _if_you_could(message: str) -> Iterator[Edit]:
    """ "If you could check it, that would be great." becomes "Please check it."."""
    for match in _IF_YOU_COULD.finditer(message):
        place = _place(message, match.start())
        if place.kind == "words":
            continue
        text = "Please " if place.kind == "sentence" and match["if"][0].isupper() else "please "
        yield Edit("shorten.ask", 2, (Change(*match.span("if"), text), Change(*match.span("end"), "")))


def _relatives(message: str) -> Iterator[Edit]:
    """ "the file that is stored in" becomes "the file stored in"."""
    for match in _REDUCED.finditer(message):
        if not _ASKS.search(message[max(0, match.start() - 20) : match.start()]):
            yield Edit("shorten.which_is", 3, (Change(*match.span("cut"), ""),))
    for match in _COMMA_REDUCED.finditer(message):
        yield Edit("shorten.which_is", 3, (Change(*match.span("cut"), ""),))


def _there_is(message: str) -> Iterator[Edit]:
    """ "There are two people who want" becomes "Two people want"."""
    for match in _THERE_IS.finditer(message):
        place = _place(message, match.start())
        if place.kind == "words":
            continue
        at = match.start("noun")
        first = _deleted_opening(message, "shorten.there_is", 3, match.start(), at, place).changes
        yield Edit("shorten.there_is", 3, (*first, Change(*match.span("link"), "")))


def _going_to(message: str) -> Iterator[Edit]:
    for match in _GOING_TO.finditer(message):
        before = message[max(0, match.start() - 12) : match.start()]
        subject = re.search(r"[\w'’]+$", before)
        if subject is None:
            continue
        pronoun = subject.group().lower()
        if match["be"][0] in "'’":
            if pronoun not in ("i", "we", "you", "they", "he", "she", "it"):
                continue
            text = " won't " if match["not"] else "'ll "
        else:
            if pronoun in ("what", "when", "how", "where", "why") and match["not"] is None:
                continue
            text = " won't " if match["not"] else " will "
        yield Edit("shorten.going_to", 3, (Change(match.start(), match.end(), text),))
    for match in _NOT_GOING_TO.finditer(message):
        if _place(message, match.start()).kind == "words":
            yield Edit("shorten.going_to", 3, (Change(match.start(), match.end(), "won't "),))


def _that(message: str) -> Iterator[Edit]:
    """ "I hope that you" becomes "I hope you"."""
    for match in _THAT.finditer(message):
        end = _end_of_sentence(message, match.end()) or match.end() + _REACH
        if re.search(r"\b(?:and|but|or) that\b", message[match.end() : end]):
            continue
        yield Edit("shorten.that", 3, (Change(match.end("verb"), match.end(), ""),))


def _because(message: str) -> Iterator[Edit]:
    """A sentence that gives the reason of the one before joins it."""
    for match in _BECAUSE.finditer(message):
        following = match["next"]
        if following[0].isupper() and following not in (
            "The",
            "We",
            "It",
            "They",
            "He",
            "She",
            "A",
            "My",
            "Our",
            "I",
        ):
            continue
        end = match.end()
        lower = following if following == "I" else following[0].lower()
        changes = [Change(match.start(), end, ", because ")]
        if following != "I" and following[0].isupper():
            changes = [Change(match.start(), end + 1, f", because {lower}")]
        yield Edit("shorten.merge_because", 3, tuple(changes))
    for match in _THATS_WHY.finditer(message):
        yield Edit("shorten.merge_because", 3, (Change(match.start(), match.end(), "So "),))


def _repeated(message: str) -> Iterator[Edit]:
    """ "really, really" becomes "really"."""
    for match in _REPEATED.finditer(message):
        yield Edit("shorten.repeat", 2, (Change(*match.span("again"), ""),))


def _brackets(message: str) -> Iterator[Edit]:
    """Brackets around an aside of the writer go at level 2."""
    for match in _BRACKETS.finditer(message):
        inside = match["inside"]
        if _BRACKET_ASIDE.match(inside) and not _NEEDED.search(inside) and not _NUMBER_WORDS.search(inside):
            place = _place(message, match.start("inside") - 1)
            if place.kind != "sentence":
                yield Edit("shorten.brackets", 2, (Change(match.start(), match.end(), ""),))


def _bare_asides(message: str) -> Iterator[Edit]:
    """Relative clauses, brackets and dashes without a word that the recipient may need."""
    for match in _WHICH.finditer(message):
        if (
            _OWN.search(match["inside"])
            and not _matters(match["inside"])
            and not _NEWS.search(match["inside"])
        ):
            yield _cut_aside(message, "shorten.which_clause", 3, match.start(), match.end())
    for match in _BRACKETS.finditer(message):
        inside = match["inside"]
        if (
            not _matters(inside)
            and len(inside.split()) >= 2
            and not re.search(r"[A-Z:\"“/\d]", inside.replace("I", ""))
            and match.group()[0] in " \t"
            and _place(message, match.start("inside") - 1).kind == "words"
        ):
            yield Edit("shorten.brackets", 3, (Change(match.start(), match.end(), ""),))
    for match in _DASHES.finditer(message):
        if not _matters(match["inside"]):
            yield Edit("shorten.brackets", 3, (Change(match.start(), match.end(), ""),))
    for match in _AS_KNOWN.finditer(message):
        yield _cut_aside(message, "shorten.aside", 2, match.start(), match.end())


def _cut_aside(message: str, rule: str, level: int, start: int, end: int) -> Edit:
    if message[end : end + 1] == ",":
        return _between(message, rule, level, start, end, ",")
    return Edit(rule, level, (Change(start, end, ""),))


def _matters(text: str) -> bool:
    return bool(_NEEDED.search(text) or _NUMBER_WORDS.search(text))


def _reasons(message: str) -> Iterator[Edit]:
    """The reason of a request or plan goes; the reason of an event can be the point of a message."""
    for match in _REASON.finditer(message):
        main = _main(message, match.start())
        is_bound = not match["comma"] and (match["link"] != "because" or _NEGATED.search(main))
        if not is_bound and _explains(main, match["inside"]):
            rule = "shorten.reason" if _REQUEST.search(main) else "shorten.reason_of_plan"
            yield Edit(rule, 3, (Change(*match.span("cut"), ""),))
    for match in _PURPOSE.finditer(message):
        main = _main(message, match.start())
        if _REQUEST.search(main) and _explains(main, match["inside"]):
            yield Edit("shorten.purpose", 3, (Change(*match.span("cut"), ""),))


def _explains(main: str, reason: str) -> bool:
    """Whether the main clause requests or plans something, and the reason holds nothing to act on."""
    return (
        bool(_REQUEST.search(main) or _PLAN.search(main))
        and len(main.split()) >= 3
        and not _NO_REASON.search(main.rstrip(","))
        and not re.search(
            r"\b(?:you|please|must|otherwise|if|unless|until|before|after)\b", reason, re.IGNORECASE
        )
        and not _NUMBER_WORDS.search(reason)
    )


def _main(message: str, end: int) -> str:
    """The part of a sentence before `end`."""
    return re.split(r"[.!?;:\n]\s?", message[max(0, end - 200) : end])[-1]


def _i_know_but(message: str) -> Iterator[Edit]:
    """ "I know it is late, but could you" becomes "Could you"."""
    for match in _I_KNOW_BUT.finditer(message):
        place = _place(message, match.start())
        if place.kind in ("sentence", "clause") and not _NUMBER_WORDS.search(match["cut"]):
            yield _deleted_opening(message, "shorten.i_know_but", 2, match.start(), match.end(), place)


def _noun_phrases(message: str) -> Iterator[Edit]:
    """ "the file that we sent" becomes "the file we sent", "people who have a card" "people with a card"."""
    for match in _RELATIVE_THAT.finditer(message):
        if not _KEEPS_THAT.search(message[max(0, match.start("cut") - 14) : match.start("cut")].lower()):
            yield Edit("shorten.that", 3, (Change(*match.span("cut"), ""),))
    for match in _WHO_HAS.finditer(message):
        yield Edit("shorten.noun_phrase", 3, (Change(*match.span("cut"), " with"),))
    for match in _OWNER.finditer(message):
        text = f"{match['whose']}'s {match['what']}"
        yield Edit("shorten.noun_phrase", 3, (Change(match.start() + 4, match.end(), text),))


def _clefts(message: str) -> Iterator[Edit]:
    """ "What we need is a room" becomes "We need a room"."""
    for match in _CLEFT.finditer(message):
        place = _place(message, match.start())
        if place.kind != "words":
            is_capital = place.kind == "sentence" and match["what"][0].isupper()
            subject = match["subject"]
            text = (subject[0].upper() + subject[1:] if is_capital else subject) + match["verb"] + " "
            yield Edit("shorten.cleft", 3, (Change(match.start(), match.end(), text),))


def _so(message: str) -> Iterator[Edit]:
    """ ", which means that" becomes ", so"."""
    for match in _SO.finditer(message):
        text = "then" if match["link"].lower() == "and then" else "so"
        yield Edit("shorten.so", 3, (Change(*match.span("link"), text),))


def _circumstances(message: str) -> Iterator[Edit]:
    """ "On Thursday" is "Thursday"; where the writer read or heard something does not matter."""
    for match in _ON_DAY.finditer(message):
        if not _KEEPS_ON.search(message[max(0, match.start() - 12) : match.start()].lower()):
            yield Edit("shorten.on_day", 3, (Change(*match.span("cut"), ""),))
    for match in _CIRCUMSTANCE.finditer(message):
        yield Edit("shorten.circumstance", 2, (Change(*match.span("cut"), ""),))
    for match in _IF_THEN.finditer(message):
        if _place(message, match.start()).kind != "words":
            yield Edit("shorten.so", 3, (Change(*match.span("then"), ""),))
    for match in _STORY.finditer(message):
        if not _matters(match["inside"].replace("didn't expect", "").replace("can't complain", "")):
            yield _cut_aside(message, "shorten.story", 2, match.start(), match.end())


def _preambles(message: str) -> Iterator[Edit]:
    """ "I know this is the third mail about it: the room" becomes "The room"."""
    for match in _PREAMBLE.finditer(message):
        place = _place(message, match.start())
        if place.kind in ("sentence", "clause") and not _NUMBER_WORDS.search(match["cut"]):
            yield _deleted_opening(message, "shorten.preamble", 2, match.start(), match.end(), place)


def _late_please(message: str) -> Iterator[Edit]:
    """ "Could you please check it?" becomes "Could you check it?": the question is polite enough."""
    for pattern in (_PLEASE_LATE, _PLEASE_LAST):
        for match in pattern.finditer(message):
            yield Edit("shorten.please", 2, (Change(*match.span("cut"), ""),))


def _while(message: str) -> Iterator[Edit]:
    """ "As I was walking through after lunch I noticed that" goes."""
    for match in _WHILE.finditer(message):
        place = _place(message, match.start())
        if place.kind != "words":
            yield _deleted_opening(message, "shorten.announce", 2, match.start(), match.end(), place)


def _calls(message: str) -> Iterator[Edit]:
    """ "Give Ana a call" becomes "Call Ana"."""
    for match in _CALL.finditer(message):
        verb = _CALLS[match["verb"].lower()]
        verb = verb.capitalize() if match["verb"][0].isupper() else verb
        yield Edit(
            "shorten.light_verb",
            2,
            (Change(*match.span("verb"), verb), Change(match.end("who"), match.end(), "")),
        )


def _smileys(message: str) -> Iterator[Edit]:
    for match in _SMILEY.finditer(message):
        yield Edit("shorten.smiley", 1, (Change(match.start(), match.end(), ""),))


def _contractions(message: str) -> Iterator[Edit]:
    """ "do not" becomes "don't", as in speech; a word in capitals is meant to stand out and stays."""
    for match in _CONTRACTED.finditer(message):
        text = match.group()
        if match["not"]:
            if match["not"] != "not" or match["aux"].isupper():
                continue
            short = {"can": "can't", "will": "won't"}.get(match["aux"].lower(), f"{match['aux']}n't")
            if text[0].isupper():
                short = short[0].upper() + short[1:]
        else:
            key = " ".join(text.lower().split())
            if match["verb"] in ("will", "have") and (
                negated := re.compile(r"\snot(?=\s[a-z])").match(message, match.end())
            ):
                short = "won't" if match["verb"] == "will" else "haven't"
                yield Edit("shorten.contraction", 3, (Change(match.start("verb"), negated.end(), short),))
                continue
            if key not in _CONTRACTIONS or (match["verb"].isupper() and match["verb"] != "I"):
                continue
            if key.endswith(" have") and not _PARTICIPLE.match(message, match.end()):
                continue
            # These can be an object or an adverb before a verb: "those who use it will get an error".
            if match["pronoun"].lower() in ("there", "that", "it", "you"):
                before = message[max(0, match.start() - 12) : match.start()]
                if _place(message, match.start()).kind == "words" and not _OPENS_SUBJECT.search(before):
                    continue
            if _STRANDS.search(message[max(0, match.start() - 10) : match.start()]):
                continue
            short = _CONTRACTIONS[key]
            short = text[0] + short[1:]
        yield Edit("shorten.contraction", 3, (Change(match.start(), match.end(), short),))


_RULES: tuple[Callable[[str], Iterator[Edit]], ...] = (
    _indirect_questions,
    _please,
    _if_you_could,
    _relatives,
    _there_is,
    _going_to,
    _that,
    _because,
    _repeated,
    _brackets,
    _bare_asides,
    _reasons,
    _i_know_but,
    _noun_phrases,
    _clefts,
    _so,
    _circumstances,
    _preambles,
    _late_please,
    _while,
    _calls,
    _smileys,
    _contractions,
)
