"""Time grows with the length of a text, whatever it is made of: nobody stops the service with one message.

CPU time of a text is compared with that of one four times as long, in the same process, least of several
runs: about 4 for linear work, 16 for quadratic. The longer text is compared in the same way with one four
times as long as itself. So no test depends on how fast or how busy the machine is.
"""

import base64
import re
import time
from collections.abc import Callable, Iterator
from itertools import islice, product
from random import Random
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data import normal_form
from data.records import TransformType
from data.redaction import identifiers, names, redactor
from data.snapshots import unusual_phrases
from models import facts, fidelity, fidelity_words, protection, rules, scoring, tone

LENGTH = 2000
MOST_GROWTH = 8.0  # between the 4 of linear and the 16 of quadratic work
TOO_SHORT_TO_TELL_S = 0.001  # quadratic work on 8,000 characters takes tens of milliseconds

# Units, each repeated to a text: what a pattern may begin to match at every place, and never finish.
REPEATED = [
    *("a", "A", "aB", "Aa", "AB", "漢字", "か", "ü", "ß"),
    *("ﬃ", "İ", "ſ", "１", "Ａ", "1", "123456789", "0f", "pneumono"),
    *(" ", "\n", "\r\n", "\t", "\u00a0", "\u200b", "\u202e", "/", "-"),
    *("—", ".", ",", ":", ";", "!", "?", "@", "#"),
    *("'", "’", '"', "(", ")", "<", "[", "_", "$", "%", "+", "&", "=", "~", "\\", "\0"),
    *("\u0301", "e\u0301", "\u0301\u0323", "\ufdfa"),
    *("\ufdfb", "👩\u200d", "🇦", "\u1100\u1161\u11a8", "\ud800"),
    *("A_", "_a", "A1", "1,", "1.", "1:", "1-", "1/", "1 "),
    *("0 1", "(1", "+1", "a@", "@a", "ü@", "a@a.", "a@a.a ", "a."),
    *("://", "http://", "http://a", "A.", "A ", "A, ", "a ", "a: "),
    *("a (", "- ", "1. ", "? ", ". ", "; ", "no. ", "a()", "()"),
    *("PAY-", "PAY-1 ", "#a", "#a-", "v1.", "Q1 "),
    *("1 s", "may ", "may 1 ", "12:30pm ", "NAME1", "NAME1 ", "name"),
    *("Anna ", "Anna, ", "Anna and ", "Anna-", "van der ", "della ", "O'", "O'A", "Dear ", "Jory "),
    *("token ", "token:", "token is ", 'token="', "password is "),
    *("code ", "code is ", "pin 1", "with ", "with a as the pass"),
    *("bearer ", " -u a", "?key", "A_TOKEN", "eyJa-", "sk-a"),
    *("abcd:", "::", "a:", "1.1.1.", "DE89 3704 ", "4111 1111 "),
    *("ssn A1", "pan-", "born ", "call ", "(415) 555-2671 "),
    *("07700 900461 ", "12 Elm ", "Box 1, ", "Via Aa ", "1 rue de "),
    *("A.weg ", "Aagatan ", "/u/", "/@", "\\Users\\"),
    *("user ", "[secret-1]", "mail1@example.com", "555-01", "2001:db8::1"),
    *("please ", "API deploy (x). ", "kubernetes", "isn't yet aed "),
    *("ann't ", "as an x ", "here is a ", "I'm sorry "),
    *("sorry for the inconvenience ", "sorry for the confusion, ", "idiot ", "you people ", "OK", "ABC-"),
]  # fmt: skip


def repeated(unit: str) -> Callable[[int], str]:
    return lambda length: (unit * length)[:length]


def joined(parts: Callable[[int], Iterator[str]], by: str = " ") -> Callable[[int], str]:
    return lambda length: by.join(islice(parts(length), length))[:length]


def people(_: int) -> Iterator[str]:
    return (name.title() for name, kind in names.read_list().items() if kind == "g")


SHAPES: dict[str, Callable[[int], str]] = {ascii(unit): repeated(unit) for unit in REPEATED} | {
    "letter_and_marks": lambda length: "e" + "\u0301" * (length - 1),
    "unordered_marks": lambda length: "a" + "\u0301\u0323" * (length // 2),
    "zalgo": repeated("Z" + "".join(map(chr, range(0x300, 0x33C)))),
    "numbers": joined(lambda length: (str(1000 + i % 9000) for i in range(length))),
    "prices": joined(lambda length: (f"${i},5" for i in range(length))),
    "listed_numbers": joined(lambda length: (str(100 + i % 900) for i in range(length)), ", "),
    "nested_numbers": joined(lambda length: (",".join("1" * (1 + i)) for i in range(length))),
    "tickets": joined(lambda length: (f"P1-{i}" for i in range(length))),
    "identifiers": joined(lambda length: (f"a_{i:x}" for i in range(length))),
    "masks": joined(lambda length: (f"NAME{i}" for i in range(length))),
    "names": joined(people, ", "),
    "names_and_names": joined(people, " and "),
    "words": joined(lambda _: ("".join(letters) for letters in product("abcdefgh", repeat=4))),
    "two_words": joined(lambda length: (Random(i).choice("ab") for i in range(length))),
    "base64": lambda length: base64.b64encode(Random(0).randbytes(length)).decode()[:length],
    "hexadecimal": lambda length: Random(0).randbytes(length).hex()[:length],
    "address_of_dots": lambda length: "a@" + ("a." * length)[: length - 2],
    "address_of_a_word": lambda length: "a@" + "a" * (length - 2),
    "link_of_dots": lambda length: "http://" + "." * (length - 7),
    "word_and_underscore": lambda length: "A" * (length // 2) + "_" * (length // 2),
    "lines_to_a_word": lambda length: "a" + "\n" * (length - 2) + "a",
    "spaces_to_a_word": lambda length: "1" + " " * (length - 2) + "a",
    "bangs_to_a_word": lambda length: "!" * (length - 1) + "x",
    "bracket_that_never_closes": lambda length: "a (" + "b" * (length - 3),
    "street_that_is_none": lambda length: "weg 1 " + ("A." * length)[: length - 6],
    "street_of_quotes": lambda length: "weg 1 " + ("A'" * length)[: length - 6],
}


def rewritten(text: str) -> str:
    return f"ok {text}"


def masks(text: str) -> None:
    masked = protection.mask(text)
    masked.restore(masked.text)
    masked.restore(text)


COSTS: dict[str, Callable[[str], Any]] = {
    "facts.extract": facts.extract,
    "facts.missing of itself": lambda text: facts.missing(text, text),
    "facts.missing of nothing": lambda text: facts.missing(text, "ok"),
    "facts.normalise": facts.normalise,
    "protection.mask, restore": masks,
    "protection.hide": lambda text: protection.mask(text).hide(text),
    "scoring.chatter": lambda text: scoring.chatter(text, text),
    "scoring.insult": lambda text: scoring.insult(text, text),
    "scoring.repetition": scoring.repetition,
    "scoring.facts_kept": lambda text: scoring.facts_kept(text, text),
    "tone negations": tone._NEGATION.findall,
    **{
        f"tone.move {kind}": lambda text, kind=kind: tone.move(text, rewritten(text), kind)
        for kind in TransformType
    },
    **{
        f"rules.rewrite {kind}": lambda text, kind=kind: rules.rewrite(text, kind, 2)
        for kind in TransformType
    },
    "fidelity.check": lambda text: fidelity.check(text, rewritten(text), TransformType.REQUIREMENTS, 2),
    "fidelity.check of another text": lambda text: fidelity.check(text, text[::-1], TransformType.CLARIFY, 2),
    "identifiers.find": identifiers.find,
    "names.find": names.find,
    "names.fold": names.fold,
    "redaction.Redactor": lambda text: redactor.Redactor([text]).redact(text),
    "phrases.find_unusual": unusual_phrases.find_unusual,
    "phrases.has_new_number": lambda text: unusual_phrases.has_new_number(text, text),
}


def cpu_s(cost: Callable[[str], Any], text: str) -> float:
    redactor._scan.cache_clear()
    names._look_up.cache_clear()
    fidelity._key.cache_clear()
    begun = time.thread_time()
    cost(text)
    return time.thread_time() - begun


def grows_too_fast(cost: Callable[[str], Any], shape: Callable[[int], str]) -> bool:
    """Whether the time grows too fast from 2,000 to 8,000 characters, and from 8,000 to 32,000 again.

    Once is not enough: a search that begins only where there are enough digits makes a single step.
    """
    return all(grows_too_fast_from(length, cost, shape) for length in (LENGTH, 4 * LENGTH))


def grows_too_fast_from(length: int, cost: Callable[[str], Any], shape: Callable[[int], str]) -> bool:
    """Whether four times `length` takes more than eight times as long, in every one of several tries."""
    short, long = shape(length), shape(4 * length)
    after = cpu_s(cost, long)
    if after < TOO_SHORT_TO_TELL_S:
        return False
    before = cpu_s(cost, short)
    for _ in range(6):
        if after <= MOST_GROWTH * before:
            return False
        before, after = min(before, cpu_s(cost, short)), min(after, cpu_s(cost, long))
    return True


@pytest.mark.slow
@pytest.mark.parametrize("name", COSTS)
def test_a_text_costs_time_in_proportion_to_its_length(name: str) -> None:
    COSTS[name]("Anna asks for 4 of 42 today")  # what is read once is read
    assert [shape for shape, text in SHAPES.items() if grows_too_fast(COSTS[name], text)] == []


@pytest.mark.slow
@pytest.mark.parametrize("reorder", [list, reversed], ids=["same", "turned round"])
def test_matching_the_words_of_two_texts_stops_before_it_costs_too_much(
    reorder: Callable[..., Any],
) -> None:
    # Up to the limit of comparisons it may grow faster, so lengths are compared that lie above it.
    def cost(text: str) -> float:
        return scoring.copy_rate(text, " ".join(reorder(text.split())), most_comparisons=10_000)

    assert [shape for shape, text in SHAPES.items() if grows_too_fast(cost, text)] == []


def test_words_beyond_the_limit_of_comparisons_are_matched_in_any_order() -> None:
    assert scoring.copy_rate("may 1 " * 2000, "may 1 " * 2000) == 1.0
    assert scoring.copy_rate("may 1 " * 2000, "june 2 " * 2000) == 0.0
    assert scoring.copy_rate("", "") == 1.0


MODULES = (
    *(identifiers, names, normal_form, unusual_phrases, redactor),
    *(facts, fidelity, fidelity_words, protection, scoring, tone),
)


def patterns(value: object) -> Iterator[re.Pattern[str]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict | ModuleType):
        for each in (value if isinstance(value, dict) else vars(value)).values():
            yield from patterns(each) if not isinstance(each, ModuleType) else ()
    elif isinstance(value, list | tuple):
        for each in value:
            yield from patterns(each)


PATTERNS = list(dict.fromkeys(pattern for module in MODULES for pattern in patterns(module)))
PIECES = st.sampled_from(
    [*REPEATED, *"xyz019é", "Hauptstr. 1", "The ", "Flat ", "Street", " as the pass", "not able"]
)


@pytest.mark.slow
@given(st.lists(PIECES, max_size=3), st.lists(PIECES, min_size=1, max_size=3), st.lists(PIECES, max_size=3))
@settings(max_examples=50, suppress_health_check=list(HealthCheck))
def test_no_pattern_is_pumped_up(prefix: list[str], unit: list[str], suffix: list[str]) -> None:
    """What makes a pattern slow is a beginning, something repeated, and an end at which it fails."""

    def pump(length: int) -> str:
        repeats = length // len("".join(unit))
        return "".join([*prefix, *unit * repeats, *suffix])

    slow = [p.pattern for p in PATTERNS if grows_too_fast(lambda text, p=p: [*p.finditer(text)], pump)]
    assert slow == []


def test_all_patterns_are_looked_at() -> None:
    assert len(PATTERNS) > 90
    assert {facts._KINDS[1][1], identifiers.RULES[0].pattern, identifiers._CLOSE, tone._LABEL} < set(PATTERNS)


# A pattern that is quadratic, and one that is not: the measure tells them apart.
@pytest.mark.slow
def test_growth_is_told() -> None:
    unfinished = repeated("a")
    assert grows_too_fast(re.compile(r"a+b").findall, unfinished)
    assert not grows_too_fast(re.compile(r"a++b|a++").findall, unfinished)
