"""What a person gets to see, in no platform's format: each platform draws it in its own."""

import uuid
from typing import NamedTuple

from data.reasons import Reason, render
from serving.differences import Part
from serving.sites.words import Words


class Said(NamedTuple):
    """A sentence, in the person's language."""

    sentence: str


class Copied(NamedTuple):
    """A text to copy, alone."""

    text: str


class Listed(NamedTuple):
    """Lines, and a sentence about them."""

    lines: tuple[str, ...]
    note: str


class Rewritten(NamedTuple):
    """A rewrite with its buttons; `job` is what the buttons name. `note` is what just happened to it.

    `missing` are facts of the message that the text lacks; `unchanged` is why the text is the message.
    """

    job: uuid.UUID
    text: str
    missing: tuple[str, ...]
    unchanged: Reason | None
    note: str = ""


class TwoRewrites(NamedTuple):
    """Two rewrites to choose from."""

    job: uuid.UUID
    first: str
    second: str


class Explained(NamedTuple):
    """Why a rewrite is as it is: what changed, the facts of the message that it kept and lacks, the reason
    why it is unchanged, and the version that wrote it.
    """

    job: uuid.UUID
    parts: list[Part]
    kept: tuple[str, ...]
    missing: tuple[str, ...]
    unchanged: Reason | None
    version: str


Shown = Said | Copied | Listed | Rewritten | TwoRewrites | Explained


def list_notes(shown: Rewritten | Explained, words: Words) -> list[str]:
    """The sentences below a rewrite, or below the marks of an explanation."""
    say = words.say
    if isinstance(shown, Rewritten):
        happened = [shown.note] if shown.note else []
        return [*_tell_unchanged(shown.unchanged, words), *_name_missing(shown.missing, words), *happened]
    notes = [
        say("Struck out: what was removed. Bold: what was added."),
        say("Written by %(version)s.", version=shown.version),
    ]
    if shown.kept:
        notes.append(say("Kept facts: %(facts)s", facts=", ".join(shown.kept)))
    return [*notes, *_name_missing(shown.missing, words), *_tell_unchanged(shown.unchanged, words)]


def _name_missing(missing: tuple[str, ...], words: Words) -> list[str]:
    return [words.say("Missing facts: %(facts)s", facts=", ".join(missing))] if missing else []


def _tell_unchanged(unchanged: Reason | None, words: Words) -> list[str]:
    return [] if unchanged is None else [render([unchanged], words.language)]
