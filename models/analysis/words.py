"""Finds the words of `words.yaml` in prose."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import yaml

from models.analysis.prose import Prose, Run

_FILE = Path(__file__).with_suffix(".yaml")
_TAIL = 10  # characters of a Japanese sentence in which its ending is looked for


@cache
def _patterns() -> Mapping[str, Mapping[str, re.Pattern[str]]]:
    """By language and list, the pattern of its words. They are sought in small letters: a pattern that
    ignores case takes several times as long.
    """
    lists: dict[str, dict[str, list[str]]] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    english = {name: _english("|".join(parts)) for name, parts in lists["en"].items()}
    japanese = {name: re.compile("|".join(parts)) for name, parts in lists["ja"].items()}
    return {"en": english, "ja": japanese}


def _english(alternatives: str) -> re.Pattern[str]:
    # In ASCII: a Japanese letter beside a word is no part of it, as in "ASAPで".
    return re.compile(rf"(?<![\w'-])(?:{alternatives})(?![\w-]|'\w)", re.ASCII)


def find(name: str, prose: Prose, run: Run | None = None) -> list[Run]:
    """The places of the words of a list in order, in all of the prose or in a sentence."""
    start, end = run or prose.whole
    return sorted(
        Run(*match.span())
        for script in prose.scripts
        for match in _patterns()[script][name].finditer(prose.lowered, start, end)
        if match.end() > match.start()
    )


def begin(name: str, prose: Prose, sentence: Run) -> Run | None:
    """The words of a list with which a sentence begins."""
    for script in prose.scripts:
        if match := _patterns()[script][name].match(prose.lowered, *sentence):
            return Run(*match.span())
    return None


def end(name: str, prose: Prose, sentence: Run) -> bool:
    """Whether a Japanese sentence ends with words of a list."""
    return any(last.end >= sentence.end for last in _tail(name, prose, sentence))


def _tail(name: str, prose: Prose, sentence: Run) -> Iterator[Run]:
    if "ja" in prose.scripts:
        start = max(sentence.start, sentence.end - _TAIL)
        for match in _patterns()["ja"][name].finditer(prose.lowered, start, sentence.end):
            yield Run(*match.span())
