"""Finds facts in a message: numbers, dates, times, URLs, addresses, ids, identifiers, versions and names.

A rewrite must keep them. This file imports no heavy library, because the inference service checks every
output with it.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from data import normal_form
from data.redaction import names

# "sun" and "wed" are ordinary words, so these two days have no short form.
_WEEKDAYS = "monday|tue(?:s(?:day)?)?|wednesday|thu(?:rs(?:day)?)?|fri(?:day)?|saturday|sunday"
_MONTHS = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?"
    "|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
)

# A letter or digit that runs on from a number or a word. Japanese has no spaces between words, so next to its
# characters a fact may start and end: 17 stands in "は17時" as a whole.
_JAPANESE = r"\u3005-\u30ff\u3400-\u9fff"
_RUNS_ON = rf"[^\W{_JAPANESE}]"


def _whole(pattern: str) -> str:
    """A pattern for a whole word or number."""
    return rf"(?<!{_RUNS_ON})(?:{pattern})(?!{_RUNS_ON})"


# Order matters: characters that match an earlier kind are not searched for a later kind.
# The empty group of "email" matches a text that begins like an address but is none, and skips all of it.
# Otherwise the search would start again at each of its characters, which takes quadratic time.
_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("url", re.compile(r"https?://[^\s<>\"')\]]+[^\s<>\"')\].,;:!?]")),
    ("email", re.compile(r"[\w.+-]++(?:@[\w-]++(?:\.[\w-]++)++|())")),
    ("ticket", re.compile(rf"{_whole(r'[A-Z][A-Z0-9]+-[0-9]+')}|(?<!\w)#\d+\b")),
    ("channel", re.compile(r"(?<!\w)#[a-z][\w-]*\b")),
    ("identifier", re.compile(r"\b\w+_\w+\b(?:\(\))?|\b\w+\(\)")),
    ("version", re.compile(_whole(r"v\d+(?:\.\d+)*|\d+\.\d+\.\d+(?:\.\d+)?"))),
    ("time", re.compile(_whole(r"\d{1,2}:\d{2}(?:\s?[ap]m)?|\d{1,2}\s?[ap]m"), re.IGNORECASE)),
    (
        "date",
        re.compile(
            _whole(
                rf"\d{{4}}-\d{{2}}-\d{{2}}|(?:{_MONTHS})\.?\s\d{{1,2}}|\d{{1,2}}\s(?:{_MONTHS})"
                r"|Q[1-4]|H[12]|FY\d{2,4}"
            ),
            re.I,
        ),
    ),
    (
        "number",
        # With a unit, or with what is written on to it: 14th, 3B, 30mm.
        re.compile(
            rf"(?<!{_RUNS_ON})(?<!\.)[$€£¥]?\d[\d,]*(?:\.\d+)?"
            rf"(?:\s?(?:%|(?:k|m|bn|ms|s|h|gb|mb|tb)(?!{_RUNS_ON}))|{_RUNS_ON}+)?",
            re.I,
        ),
    ),
    ("weekday", re.compile(rf"\b(?:{_WEEKDAYS})\b", re.I)),
)
# A capitalised word inside a sentence. At the start of a sentence only listed names count
# (`data.redaction.names`).
_NAME = re.compile(r"(?<=[a-z,;:)] )[A-Z][a-z]+(?:[A-Z][a-z]+)*\b")
_NOT_NAMES = frozenset(
    {
        *("I", "I'm", "I'll", "I've", "I'd", "Please", "Thanks", "Thank", "Hi", "Hello", "Hey", "Also"),
        *("And", "But", "So", "The", "We", "You", "It", "This", "That"),
    }
)
_FEW_FACTS = 50  # of the same length: a search for each of them is faster than one look-up of all


def normalise(text: str) -> str:
    """Fold differences that do not change a fact: width, case, digit grouping, spaces before a unit."""
    folded = normal_form.normalise("NFKC", text).casefold().replace("ı", "i")
    folded = re.sub(r"(?<=\d),(?=\d{3})", "", folded)
    folded = re.sub(r"(?<=\d)\s+(?=(?:%|[ap]m\b|k\b|ms\b|s\b|h\b|gb\b|mb\b|tb\b))", "", folded)
    return re.sub(r"\s+", " ", folded)


class Span(NamedTuple):
    """A fact's kind and its place in a message, as indices of characters; `end` is exclusive."""

    kind: str
    start: int
    end: int


def spans(text: str) -> list[Span]:
    """All facts of a message, ordered by kind; spans do not overlap."""
    result: list[Span] = []
    rest = text
    for kind, pattern in _KINDS:
        parts, end = [], 0
        for match in pattern.finditer(rest):
            if match.lastindex:  # the empty group, so no fact
                continue
            fact = match.group().rstrip().rstrip(",")
            result.append(Span(kind, match.start(), match.start() + len(fact)))
            # NULs keep the indices and match no later kind.
            parts += [rest[end : match.start()], "\0" * len(match.group())]
            end = match.end()
        rest = "".join([*parts, rest[end:]])
    ends = {m.start(): m.end() for m in _NAME.finditer(rest) if m.group() not in _NOT_NAMES}
    ends.update((name.at, name.at + len(name.word)) for name in names.find(rest) if name.word[0].isupper())
    result += [Span("name", start, end) for start, end in sorted(ends.items())]
    return result


def extract(text: str) -> list[tuple[str, str]]:
    """Different facts of a message as (kind, text as written), ordered by kind."""
    return list(dict.fromkeys((kind, text[start:end]) for kind, start, end in spans(text)))


def is_kept(fact: str, rewrite: str) -> bool:
    """Whether the rewrite contains the fact as a whole word or number: 42 does not keep 4."""
    return not lost([fact], rewrite)


def lost(wanted: Iterable[str], rewrite: str) -> list[str]:
    """The facts of `wanted` that the rewrite does not contain as a whole word or number."""
    marked_facts = [(fact, _marked(normalise(fact).strip())) for fact in wanted]
    places = _find({marked for _, marked in marked_facts}, _marked(normalise(rewrite)))
    kept = {marked for _, marked in places}
    return [fact for fact, marked in marked_facts if marked not in kept]


def replace(text: str, words: Mapping[str, str]) -> str:
    """The text with every whole fact replaced by its word; case is ignored, long facts go first.

    `words` maps a fact to the word that replaces it.
    """
    # Both texts have each character at the same index: one is searched, the other is copied.
    folded, marked = _marked(_lower(text)), _marked(text)
    marked_facts: dict[str, str] = {}
    for fact in sorted(words, key=len, reverse=True):
        marked_facts.setdefault(_marked(_lower(fact)), fact)
    order = {wanted: number for number, wanted in enumerate(marked_facts)}
    taken, places = bytearray(len(marked)), []
    for at, wanted in sorted(_find(marked_facts, folded), key=lambda found: (order[found[1]], found[0])):
        # The NULs around the fact are not part of it.
        start, end = at + len(wanted) - len(wanted.lstrip("\0")), at + len(wanted.rstrip("\0"))
        if taken.find(1, start, end) < 0:  # no longer fact was replaced here
            taken[start:end] = b"\1" * (end - start)
            places.append((start, end, words[marked_facts[wanted]]))
    parts, done = [], 0
    for start, end, word in sorted(places):
        parts += [marked[done:start], word]
        done = end
    return "".join([*parts, marked[done:]]).replace("\0", "")


def _lower(text: str) -> str:
    return text.replace("İ", "I").lower()  # the only letter whose lower case has two characters


# Places where a whole word or number may start and end: neither 42 nor 4.5 contains 4. `_ENDS` is for a text
# with marked starts.
_STARTS = re.compile(rf"(?<!{_RUNS_ON})|(?=[{_JAPANESE}])")
_ENDS = re.compile(rf"(?<!\0)(?:(?<=[{_JAPANESE}])|(?!\0?{_RUNS_ON}|\0?[.,]\0?\d))")


def _marked(text: str) -> str:
    """A text with one NUL where a fact may start, and two where one may end.

    A text contains a whole fact when it contains the fact's marked form. Rejected: one pattern for each fact,
    which takes a second for a message of 1,600 numbers.
    """
    return _ENDS.sub("\0\0", _STARTS.sub("\0", text))


def _find(wanted: Collection[str], text: str) -> Iterator[tuple[int, str]]:
    """Every place of every marked fact of `wanted` in a marked text, as (index, marked fact).

    A search for each fact is fastest for a few. Many of the same length are looked up at once.
    """
    lengths = {len(fact) for fact in wanted}
    if len(wanted) <= _FEW_FACTS * len(lengths):
        for fact in wanted:
            at = -1
            while (at := text.find(fact, at + 1)) >= 0:
                yield at, fact
        return
    at = -1
    while (at := text.find("\0", at + 1)) >= 0:  # a marked fact begins with one
        for length in lengths:
            if (part := text[at : at + length]) in wanted:
                yield at, part


def missing(text: str, rewrite: str, must_keep: Iterable[str] = ()) -> list[str]:
    """Facts of `text`, extracted or listed in `must_keep`, that `rewrite` does not contain."""
    return lost(dict.fromkeys([*must_keep, *(fact for _, fact in extract(text))]), rewrite)
