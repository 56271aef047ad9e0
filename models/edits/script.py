"""Edits of a message: what an edit is, which edits fit together, and how they are applied.

An edit script is a list of edits. It always applies, and what no edit names stays as the person wrote it.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from data.records import Term
from data.terms import Terms
from models import facts, own_terms

_SEAM = "\0"  # stands where words were deleted; the gateway accepts no message that contains it
_AT_SEAMS = (
    # A sentence of which nothing is left.
    (re.compile(r"(?:(?m:^)|(?<=[.!?])) *\0[ ,;:\0–—-]*[.!?…]+(?=\s|$)"), ""),
    (re.compile(r"(?m)^\0+[ ,;]*"), ""),  # the start of a line
    (re.compile(r"(?<=[.!?])\s*\0+[.,]"), ""),  # after the end of a sentence
    (re.compile(r"(?: *[,;:–—-])? *\0[ ,;\0]*(?=[.;:!?\n]|$)"), ""),  # before the end of a clause
    (re.compile(r" *[–—-]+ *\0+ *(?=[–—-])"), " "),  # between two dashes
    (re.compile(r" *, *\0[\0 ]*(?=,)"), ""),
    (re.compile(r" *\0+ *(?=,)| \0+(?= )|\0+"), ""),
)
_OPENING = re.compile(r"^(?P<gap>[\s,;:–—-]*)(?:(?:and|but|so|or)\s+)?(?P<letter>[^\W\d_])", re.IGNORECASE)
_I = re.compile(r"I\b")
_BEFORE = 20  # characters before a place in which the end of a sentence is looked for


class Change(NamedTuple):
    """Replaces `message[start:end]` by `text`; an insertion has `start == end`, a deletion an empty text."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Edit:
    """Changes that are made together or not at all, from the least intensity on at which they belong.

    `rule` names the entry of the closed list that proposed it, such as `soften.please`: a kind of edit, not
    its words. `level` is 1, 2 or 3. The changes are ordered and do not overlap. The tagger decides by the
    words at `place`, or from `start` to `end`.
    """

    rule: str
    level: int
    changes: tuple[Change, ...]
    place: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        assert self.changes, self
        assert 1 <= self.level <= 3, self
        for before, after in zip(self.changes, self.changes[1:], strict=False):
            assert before.end <= after.start, self

    @property
    def start(self) -> int:
        """Where its first change starts."""
        return self.changes[0].start

    @property
    def end(self) -> int:
        """Where its last change ends."""
        return self.changes[-1].end

    @property
    def words(self) -> tuple[int, int]:
        """The start and the end of the words by which the tagger decides."""
        return self.place or (self.start, self.end)


def is_sure(edit: Edit) -> bool:
    """Whether an edit may be made without a tagger's verdict on it."""
    return not edit.rule.endswith("_unsure")


def select(edits: Iterable[Edit], intensity: int, accepts: Callable[[Edit], bool] = is_sure) -> list[Edit]:
    """The accepted edits of a level up to `intensity` that fit together, in the order of the message.

    Of two that touch the same words, the one of the higher level is taken, then the one that changes more,
    then the first.
    """
    chosen = [edit for edit, accepted in decide(edits, intensity, accepts) if accepted]
    return sorted(chosen, key=lambda edit: (edit.start, edit.end))


def decide(edits: Iterable[Edit], intensity: int, accepts: Callable[[Edit], bool]) -> list[tuple[Edit, bool]]:
    """The decisions of `select` in their order: each edit that touches no accepted one, and its verdict."""
    ranked = sorted(
        (edit for edit in edits if edit.level <= intensity),
        key=lambda edit: (
            -edit.level,
            -sum(change.end - change.start for change in edit.changes),
            edit.start,
        ),
    )
    decisions: list[tuple[Edit, bool]] = []
    chosen: list[Edit] = []
    for edit in ranked:
        if not any(collide(edit, other) for other in chosen):
            decisions.append((edit, accepts(edit)))
            if decisions[-1][1]:
                chosen.append(edit)
    return decisions


def apply(message: str, edits: Iterable[Edit]) -> str:
    """The message with edits that fit together. Where words are deleted, no double space or comma remains,
    and the capital of a deleted start of a sentence goes to what follows it.
    """
    parts: list[str] = []
    end, lost_start = 0, False
    for change in sorted(change for edit in edits for change in edit.changes):
        assert change.start >= end, (message, change)
        kept = message[end : change.start]
        if lost_start and kept.strip():
            kept, lost_start = _capital(kept), False
        parts += [kept, _capital(change.text) if lost_start and change.text else change.text or _SEAM]
        opens = not change.text and _has_capital(message, change)
        lost_start = (lost_start and not change.text) or (opens and _opens_sentence(message, change.start))
        end = change.end
    parts.append(_capital(message[end:]) if lost_start else message[end:])
    text = "".join(parts)
    for pattern, replacement in _AT_SEAMS:
        text = pattern.sub(replacement, text)
    return text.strip()


def _has_capital(message: str, change: Change) -> bool:
    """Whether words start with a capital that their sentence needs; "I" always has one."""
    words = message[change.start : change.end].lstrip()
    return words[:1].isupper() and not (_I.match(words) and message.lstrip()[:1].islower())


def _opens_sentence(message: str, at: int) -> bool:
    before = message[max(0, at - _BEFORE) : at].rstrip(" ")
    return not before or before[-1] in ".!?…\n"


def _capital(text: str) -> str:
    """Words that open a sentence now, with a capital and without "and"; the end of a sentence as it is."""
    return _OPENING.sub(lambda match: match.group("gap") + match.group("letter").upper(), text, count=1)


def keeps_facts(message: str, edit: Edit, kept: Sequence[Term] = ()) -> bool:
    """Whether the message still has all of its facts, and its terms that are kept, after the edit alone."""
    edited = apply(message, [edit])
    return not facts.missing(message, edited) and own_terms.keeps_all(message, kept, edited)


def keep_facts(message: str, edits: Iterable[Edit], kept: Sequence[Term] = ()) -> list[Edit]:
    """The edits after each of which alone the message still has all of its facts, and its terms that are
    kept.

    Only an edit that touches one of them can lose it, and few do, so the others are not checked.
    """
    spans = sorted(
        [(span.start, span.end) for span in facts.spans(message)]
        + ([(place.start, place.end) for place in Terms(kept).find(message)] if kept else [])
    )
    starts = [start for start, _ in spans]
    ends = list(accumulate((end for _, end in spans), max))

    def touches(edit: Edit) -> bool:
        # Of the spans that start at or before the end of a change, where the last one ends.
        return any(
            (i := bisect_right(starts, change.end)) > 0 and ends[i - 1] >= change.start
            for change in edit.changes
        )

    return [edit for edit in edits if not touches(edit) or keeps_facts(message, edit, kept)]


def collide(edit: Edit, other: Edit) -> bool:
    """Whether two edits touch the same words or write the same sentence, so that only one can be made."""
    return any(_touch(a, b) or _repeat(a, b) for a in edit.changes for b in other.changes)


def _repeat(a: Change, b: Change) -> bool:
    return a.text == b.text and ". " in a.text


def _touch(a: Change, b: Change) -> bool:
    """Whether two changes touch the same characters; two insertions at one place do."""
    if a.start == a.end and b.start == b.end:
        return a.start == b.start
    return (a.start < b.end and b.start < a.end) or a.start == b.start
