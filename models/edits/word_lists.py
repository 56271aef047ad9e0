"""Lists of words in a yaml file, which has each list under its name, as words between spaces."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import yaml


@cache
def read_lists(file: Path) -> Mapping[str, frozenset[str]]:
    """The lists of a file by their names; the file is read once."""
    lists = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {name: frozenset(words.split()) for name, words in lists.items()}
