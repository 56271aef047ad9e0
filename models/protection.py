"""Fact protection: what a rewrite must not lose is masked before the model and put back after, and a rewrite
that lost something all the same is tried again; or the best of several is taken.

A mask is a word for the kind of fact that it hides, and a number: `DATE1`, `NAME2`. A model that was trained
on masked rows (`models.examples.masked`) carries such words over more surely than `PAY-4512`, and they are
fewer tokens. Light, because the inference service does this.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from data.records import Protection, TransformType
from models import facts, tone

_WORDS = {
    "url": "LINK",
    "email": "EMAIL",
    "ticket": "TICKET",
    "channel": "CHANNEL",
    "identifier": "CODE",
    "version": "VERSION",
    "time": "TIME",
    "date": "DATE",
    "number": "NUMBER",
    "weekday": "DAY",
    "name": "NAME",
}
# Behind a letter of these words it is none; behind another, as in Japanese, it is.
_MASK = re.compile(rf"(?<![a-z])(?:{'|'.join(_WORDS.values())})\d+", re.IGNORECASE)
_ENDS_IN_LETTER = re.compile(r"[a-z]\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Masked:
    """A message with masks in the place of its facts, and what each mask hides, as it was written."""

    message: str
    text: str
    hidden: dict[str, str]

    def hide(self, rewrite: str) -> str | None:
        """A rewrite with the same masks; None when it says a fact in another form than the message does."""
        masked = facts.replace(rewrite, {fact: mask for mask, fact in self.hidden.items()})
        return masked if len(facts.lost(self.hidden.values(), masked)) == len(self.hidden) else None

    def restore(self, rewrite: str) -> str | None:
        """A rewrite of the masked text with the facts back; None when it has a mask that hides nothing."""
        restored = _MASK.sub(lambda m: self.hidden.get(m.group().upper(), m.group()), rewrite)
        invented = (m.group() for m in _MASK.finditer(restored) if m.group() not in self.message)
        return None if any(invented) else restored


def mask(message: str) -> Masked:
    """Put a mask in the place of every fact; the same fact has the same mask everywhere.

    Numbers that the message itself spells with such a word are not given out. A fact whose mask would run
    into a letter before it or a digit behind it is left as it is: nobody could tell where the mask ends.
    """
    spoken = {m.group().upper() for m in _MASK.finditer(message)}
    masks: dict[str, str] = {}
    counts: dict[str, Iterator[int]] = {}
    parts, end = [], 0
    for span in sorted(facts.spans(message), key=lambda span: span.start):
        fact, before = message[span.start : span.end], message[end : span.start]
        if _ENDS_IN_LETTER.search(before) or message[span.end : span.end + 1].isdecimal():
            continue
        if fact not in masks:
            numbers = counts.setdefault(span.kind, itertools.count(1))
            word = _WORDS[span.kind]
            masks[fact] = next(name for n in numbers if (name := f"{word}{n}") not in spoken)
        parts += [before, masks[fact]]
        end = span.end
    return Masked(message, "".join([*parts, message[end:]]), {name: fact for fact, name in masks.items()})


Asked = tuple[str, TransformType, int]


class Draft(NamedTuple):
    """What a model wrote: its text, how many tokens it took, and whether it ended by itself."""

    text: str
    tokens: int
    finished: bool


class Kept(NamedTuple):
    """The draft that was chosen, with the facts back; those that it lost all the same, and what all drafts
    took.
    """

    text: str
    missing: list[str]
    tokens: int
    finished: bool


# Drafts of each text, by its place: the model's first choice without retries, else so many others.
Write = Callable[[Mapping[int, str], int], Mapping[int, Sequence[Draft]]]


def rewrite(asked: Sequence[Asked], protection: Protection, write: Write) -> list[Kept]:
    """The rewrites of messages, in their order, with their facts protected.

    A rewrite that lost a fact, or has a mask that hides nothing, is tried again (`protection.retries` drafts
    at once), and with `protection.always` every one is. Of all drafts the one that lost fewest facts is
    taken, of equals the one that `tone.rule_score` likes best; the message itself when every draft has a mask
    that hides nothing.
    """
    masked = [mask(message) if protection.masks else Masked(message, message, {}) for message, _, _ in asked]
    kept: list[list[Kept]] = [[] for _ in asked]
    tokens = [0] * len(asked)

    def draw(places: Iterable[int], retries: int) -> None:
        for place, drafts in write({place: masked[place].text for place in places}, retries).items():
            tokens[place] += sum(draft.tokens for draft in drafts)
            kept[place] += _usable(masked[place], drafts)

    draw(range(len(asked)), 0)
    again = [place for place, found in enumerate(kept) if protection.always or not found or found[0].missing]
    if protection.retries and again:
        draw(again, protection.retries)
    return [
        _best(one, found)._replace(tokens=spent)
        for one, found, spent in zip(asked, kept, tokens, strict=True)
    ]


def _usable(hidden: Masked, drafts: Sequence[Draft]) -> Iterator[Kept]:
    for draft in drafts:
        if (text := hidden.restore(draft.text)) is not None:
            yield Kept(text, facts.missing(hidden.message, text), draft.tokens, draft.finished)


def _best(asked: Asked, drafts: Sequence[Kept]) -> Kept:
    message, transform_type, intensity = asked
    if len(drafts) < 2:
        return drafts[0] if drafts else Kept(message, [], 0, True)

    def worth(one: Kept) -> tuple[int, float]:
        return -len(one.missing), tone.rule_score(message, one.text, transform_type, intensity)

    return max(drafts, key=worth)
