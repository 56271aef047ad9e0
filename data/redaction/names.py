"""Finds names of people in a text by a list and by the words around them.

The facts of every output are checked with it, and redaction replaces the names that it finds. It needs only
the standard library and `data.normal_form`, and knows Latin script only. Each line of `names.txt` has a
folded name and letters for its kinds:

    g   a given name     r   a given name, rare     f   a family name
    w   also an English word (Will, Grace, Hope)
    x   also a month, a place, a brand or a technology (May, Jordan, Chase, Ruby)

A word that is only a name counts if it has a capital; a rare given name or a family name only inside a
sentence. A given name that is not rare counts in lower case too. A `w` counts with a capital inside a
sentence. A `w` at the beginning of a sentence, and an `x` anywhere, need evidence for a person: a greeting, a
title or a verb of asking before it, a family name or a verb of saying after it, a comma of address, or a name
next to it.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from data import normal_form

LIST = Path(__file__).with_suffix(".txt")

# Replacements for names: Cornish ones, which few people have but readers, models and the fact check know.
GIVEN = (
    *("Jory", "Tegen", "Piran", "Elowen", "Denzil", "Merryn", "Corin", "Demelza", "Talan", "Morwen", "Jowan"),
    *("Senara", "Perran", "Ysella", "Branok", "Lowenna", "Massen", "Derwa", "Gerens", "Meraud", "Cador"),
    *("Bryok", "Petrok", "Tamblyn"),
)
FAMILY = (
    *("Penrose", "Curnow", "Angove", "Bolitho", "Carveth", "Nancarrow", "Pengelly", "Polglase", "Spargo"),
    *("Tregear", "Trembath", "Trevena", "Treloar", "Rosewarne", "Tremayne", "Penhale", "Trewin", "Chenoweth"),
    *("Goninan", "Polkerris", "Trelissick", "Penwarden", "Lanyon", "Nankivell"),
)

# O'Grady and D'Angelo are one word. Letters after any other apostrophe are no word, nor is the can of can't.
_WORD = re.compile(r"(?<!\w)(?<!\w['’])(?:[ODdL]['’](?=[^\W\d_a-z]))?[^\W\d_]++(?!\w|['’]t\b)")
_LETTERS = str.maketrans("łøđıðə", "lodide", "'’") | {ord("æ"): "ae", ord("œ"): "oe", ord("þ"): "th"}
_OPENING = frozenset(".!?:\n\"'“”‘([{*•–—|>\0")


def _split(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PARTICLES = _split(
    "van von der den de del della di da dos du la le ter ten zu al el bin bint ben ibn ap af av"
)
_TITLES = _split(
    """
    mr mrs ms miss mx dr prof professor herr frau senor senora sr sra mme madame monsieur signor signora
    sir lord lady dame chief rev reverend sgt sergeant lt lieutenant cmdr commander capt captain col
    colonel shri smt judge
    """
)
_GREETINGS = _split("hi hello hey dear thanks thank thx cheers morning sorry hej hallo hola")
_CLOSINGS = _split("regards best cheers thanks sincerely yours wishes")
_ASKING = _split(
    """
    ask asks asked tell tells told ping pinged cc remind reminded introduce meet email emailed message
    messaged ring rang rang gave welcome congratulate assign assigned
    """
)
_SAYING = _split(
    """
    said says asked asks wants wanted thinks thought told wrote writes sent approved called mentioned
    reviewed merged joined joins resigned agreed promised found flagged fixed broke flies knows insists
    suggested confirmed pinged replied pushed believes claims reported signed quit answered noticed did
    """
)
_AFTER_ADDRESS = _split(
    """
    can could please would will do don you your we i this that look thanks thank did have are any why what
    when where how who it if let just sorry here
    """
)
_AFTER_A_WORD = _split(
    """
    you i we they he she it the a an this that these those there be to of for in on at your our my his her
    their all any not
    """
)  # Will you, Mark the, Hope this
_BEFORE_A_MONTH = _split("in since until till before during mid early late next last this every")
_NO_NAMES = _split(
    """
    all everyone everybody team folks both again sir madam customer customers support colleague colleagues
    friend friends there world hiring goodness god monday tuesday wednesday thursday friday saturday
    sunday january february march april june july august september october november december i and but the
    a if when please jira slack github gitlab jenkins kubernetes docker terraform confluence postgres
    redis kafka grafana python java excel outlook zoom teams english french german spanish legal finance
    sales marketing engineering product procurement security facilities payroll accounting operations
    platform reception design data
    """
)  # words with a capital after a greeting or a name that are not names


class Name(NamedTuple):
    """A word of a name at [start, end), initials and particles included; the word alone starts at `at`."""

    start: int
    end: int
    at: int
    word: str
    is_family: bool


class _Token(NamedTuple):
    start: int
    end: int
    folded: str
    kind: str  # its letters in the list; empty if it is not in the list
    is_capital: bool
    is_upper: bool
    opens: bool  # it begins a sentence, a line or a quotation, so its capital is no evidence


def fold(word: str) -> str:
    """A word as in the list: lower case, without accents and apostrophes."""
    lower = word.lower().translate(_LETTERS)
    if lower.isascii():
        return lower
    return "".join(c for c in normal_form.normalise("NFKD", lower) if not unicodedata.combining(c))


@cache
def read_list() -> dict[str, str]:
    """The letters of every name in the list and of the replacements, by folded name."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    replacements = {name.lower(): "g" for name in GIVEN} | {name.lower(): "f" for name in FAMILY}
    return dict(line.split(" ", 1) for line in lines if not line.startswith("#")) | replacements


def is_plain(word: str) -> bool:
    """Whether a word is in the list as a name only, and not also as another word."""
    return read_list().get(fold(word), "w")[-1] not in "wx"


def find(text: str, known_names: Collection[str] = ()) -> list[Name]:
    """Find the names in a text, in text order. `known_names` are folded words that are names in this text."""
    tokens = _tokenise(text)
    hits = {
        i
        for i, token in enumerate(tokens)
        if (token.is_capital or token.kind or token.folded in known_names)
        and _is_name(text, tokens, i, known_names)
    }
    if not hits:
        return []
    _add_listed(text, tokens, hits)
    words = {tokens[i].folded for i in hits}
    hits |= {i for i, token in enumerate(tokens) if token.folded in words and _may_be_name(text, tokens, i)}
    return list(_extend(text, tokens, hits))


@lru_cache(maxsize=1 << 14)
def _look_up(word: str) -> tuple[str, str, bool, bool]:
    """The fields of a token that depend on its word alone. Cached: texts share most of their words."""
    folded = fold(word)
    kind = read_list().get(folded, "") if len(word) > 3 or word.istitle() or word.islower() else ""
    return folded, kind, word[0].isupper(), len(word) > 1 and word.isupper()


def _tokenise(text: str) -> list[_Token]:
    tokens = []
    for match in _WORD.finditer(text):
        start, end = match.span()
        folded, kind, is_capital, is_upper = _look_up(match[0])
        opens = is_capital and _opens(text, start)
        tokens.append(_Token(start, end, folded, kind, is_capital, is_upper, opens))
    return tokens


def _opens(text: str, start: int) -> bool:
    before = start - 1
    while before >= 0 and text[before] == " ":
        before -= 1
    return before < 0 or text[before] in _OPENING


def _is_given(token: _Token) -> bool:
    return "g" in token.kind or "r" in token.kind


def _is_plain(token: _Token) -> bool:
    """Whether it is a name only, and not also another word."""
    return bool(token.kind) and token.kind[-1] not in "wx"


def _read_gap(text: str, tokens: list[_Token], i: int) -> str:
    """The text between a token and the next one; a line break if there is no token or no next one."""
    return text[tokens[i].end : tokens[i + 1].start] if 0 <= i < len(tokens) - 1 else "\n"


def _is_name(text: str, tokens: list[_Token], i: int, known_names: Collection[str]) -> bool:
    token = tokens[i]
    if token.folded in known_names and _may_be_name(text, tokens, i):
        return True
    if not token.is_capital:
        if not _is_given(token) or not _is_plain(token):
            return False
        is_sure = len(token.folded) > 3 and (
            "g" in token.kind or _find_next(text, tokens, i, set()) is not None
        )
        return is_sure or (len(token.folded) > 2 and _is_introduced(text, tokens, i))
    if token.is_upper:
        return _is_plain(token) and _is_in_capitals(text, tokens, i)
    if _is_plain(token) and ("g" in token.kind or not token.opens):
        return True
    if token.kind.endswith("w") and _is_given(token) and not token.opens:
        after = tokens[i + 1] if _read_gap(text, tokens, i) == " " else None
        if after is None or not after.is_capital or "f" in after.kind:
            return True
    return _is_introduced(text, tokens, i) or (bool(token.kind) and _acts_as_person(text, tokens, i))


def _is_in_capitals(text: str, tokens: list[_Token], i: int) -> bool:
    """Whether an adjacent word is also a name in capitals."""
    return any(
        0 <= j < len(tokens)
        and tokens[j].is_upper
        and tokens[j].kind
        and _read_gap(text, tokens, min(i, j)) == " "
        for j in (i - 1, i + 1)
    )


def _is_introduced(text: str, tokens: list[_Token], i: int) -> bool:
    """Whether a title, a greeting, a closing or a verb of asking comes before it."""
    if i == 0 or tokens[i].folded in _NO_NAMES or tokens[i].folded in _TITLES:
        return False
    token, before, gap = tokens[i], tokens[i - 1].folded, _read_gap(text, tokens, i - 1)
    if before in _TITLES and gap in (" ", ". ") and token.is_capital and tokens[i - 1].is_capital:
        return True
    if before in _CLOSINGS and "\n" in gap:
        return token.is_capital
    if before in _GREETINGS and gap in (" ", ", "):
        return bool(token.kind) or text[token.end : token.end + 1] in (",", "!", "\n")
    if gap == ". " and _is_initial(text, tokens, i - 1) and "f" in token.kind:
        return token.is_capital
    is_asked = before in _ASKING and gap in (" ", ": ")
    return is_asked and (_is_given(token) or (token.is_capital and not token.is_upper and not token.kind))


def _acts_as_person(text: str, tokens: list[_Token], i: int) -> bool:
    """Whether a family name, a verb of saying, a comma of address or a possession follows."""
    token, gap = tokens[i], _read_gap(text, tokens, i)
    after = tokens[i + 1] if i + 1 < len(tokens) else None
    if text[token.end : token.end + 2] in ("'s", "’s"):
        return not token.kind.endswith("x")
    if after is None:
        return False
    if gap == " " and after.folded in _SAYING:
        return True
    is_next = gap == " " and after.is_capital and not after.is_upper and after.folded not in _NO_NAMES
    if is_next and ("f" in after.kind if _is_given(token) else token.kind == "f" and _is_given(after)):
        return True
    if not _is_given(token):
        return False
    starts = token.opens or text[token.start - 2 : token.start] in (", ", "; ")
    return starts and gap == ", " and after.folded in _AFTER_ADDRESS and not after.is_upper


def _may_be_name(text: str, tokens: list[_Token], i: int) -> bool:
    """Whether a word that is a name elsewhere in the text may be one here."""
    token = tokens[i]
    if not token.is_capital:
        return _is_plain(token) or not token.kind
    if token.is_upper:
        return False
    is_followed = _read_gap(text, tokens, i) == " " and tokens[i + 1].folded in _AFTER_A_WORD
    if token.opens and not _is_plain(token) and is_followed:
        return False
    if not token.kind.endswith("x"):
        return True
    is_date = (
        text[max(0, token.start - 2) : token.start].strip().isdigit()
        or text[token.end + 1 : token.end + 2].isdigit()
    )
    return not is_date and not (i > 0 and tokens[i - 1].folded in _BEFORE_A_MONTH)


def _add_listed(text: str, tokens: list[_Token], hits: set[int]) -> None:
    """Add the names that are in an enumeration with a hit: Destiny, Chase and Rich."""
    waiting = list(hits)
    while waiting:
        i = waiting.pop()
        for step in (-1, 1):
            j, gap = i + step, _read_gap(text, tokens, min(i, i + step))
            if 0 <= i + 2 * step < len(tokens) and gap == " " and tokens[j].folded in ("and", "or"):
                j += step
                gap = _read_gap(text, tokens, min(j, j - step))
                is_listed = gap == " "
            else:
                is_listed = gap in (" & ", "/") or (
                    gap == ", " and 0 <= j < len(tokens) and not tokens[j].kind.endswith("x")
                )
            if not is_listed or not 0 <= j < len(tokens) or j in hits:
                continue
            other = tokens[j]
            is_name = other.is_capital and _is_given(other) and other.folded not in _NO_NAMES
            if is_name and _may_be_name(text, tokens, j):
                hits.add(j)
                waiting.append(j)


def _extend(text: str, tokens: list[_Token], hits: set[int]) -> Iterator[Name]:
    """The hits with the other parts of their names: given and family names, initials, particles."""
    free = i = 0
    while i < len(tokens):
        if i not in hits:
            i += 1
            continue
        first, head = i, i
        if i > free and "f" in tokens[i].kind and _is_unknown_given(text, tokens, i - 1):
            first = head = i - 1
        while first > free and _leads(text, tokens, first - 1):
            first -= 1
        parts = [(first, head)]
        while (after := _find_next(text, tokens, head, hits)) is not None:
            parts.append((head + 1, after))
            head = after
        has_initial = _read_gap(text, tokens, head) == " " and _is_initial(text, tokens, head + 1)
        closes = head + 1 if has_initial else head
        for start, end in parts:
            word = text[tokens[end].start : tokens[end].end]
            is_family = not _is_given(tokens[end]) and (end != i or "f" in tokens[end].kind)
            last = tokens[closes if end == head else end].end
            yield Name(tokens[start].start, last, tokens[end].start, word, is_family)
        free = i = closes + 1


def _is_initial(text: str, tokens: list[_Token], i: int) -> bool:
    if not 0 <= i < len(tokens):
        return False
    token = tokens[i]
    return token.is_capital and token.end - token.start == 1 and text[token.end : token.end + 1] == "."


def _is_unknown_given(text: str, tokens: list[_Token], i: int) -> bool:
    """Whether a word before a family name has a capital only because it is a given name."""
    token = tokens[i]
    is_word = token.opens or token.is_upper or token.end - token.start == 1 or token.kind.endswith("x")
    is_free = token.is_capital and not is_word and _read_gap(text, tokens, i) == " "
    return is_free and token.folded not in _NO_NAMES and token.folded not in _TITLES


def _leads(text: str, tokens: list[_Token], i: int) -> bool:
    """Whether it is an initial or a particle of the next word."""
    gap = _read_gap(text, tokens, i)
    return (gap == ". " and _is_initial(text, tokens, i)) or (gap == " " and tokens[i].folded in _PARTICLES)


def _find_next(text: str, tokens: list[_Token], i: int, hits: set[int]) -> int | None:
    """The next word of the same name, after particles and initials; None if the name ends."""
    j, gap = i + 1, _read_gap(text, tokens, i)
    while j < len(tokens) and gap == " " and _leads(text, tokens, j):
        j += 1
    if (
        j >= len(tokens)
        or gap not in (" ", "-")
        or _read_gap(text, tokens, j - 1) not in (" ", "-", ". ", "' ")
    ):
        return None
    token = tokens[j]
    if j in hits:
        return j
    if not token.is_capital:
        if gap == "-":
            return j if token.kind else None
        is_family = "f" in token.kind and _is_plain(token) and token.end - token.start > 3
        return j if is_family and not tokens[i].is_capital else None
    is_upper = token.is_upper and not (tokens[i].is_upper and token.kind)
    is_word = is_upper or token.opens or token.end - token.start == 1 or token.kind.endswith("x")
    return None if is_word or token.folded in _NO_NAMES else j
