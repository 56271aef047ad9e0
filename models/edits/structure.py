"""Structure: the points of an English message as lines with labels, in their order."""

import re
from collections.abc import Sequence
from itertools import groupby

from data.records import Role
from models import facts
from models.edits import evidence, itemise, points
from models.edits.parts import DATE_KINDS, LINK, Part, bare, capital, closed, heading, is_formal, sentence
from models.edits.points import Point
from models.edits.segments import OPENS_WITH_CONDITION

_LABELS = {
    Role.REQUEST: ("Request", "Requests"),
    Role.QUESTION: ("Question", "Questions"),
    Role.OPEN: ("Open", "Open"),
}
_OUTSIDE = frozenset({Role.GREETING, Role.CLOSING, Role.TOPIC})
_LATER_STEP = re.compile(r"^(?:and )?(?:then|next|after that|afterwards|finally|second|secondly|lastly)\b", re.IGNORECASE)
_FIRST_STEP = re.compile(r"^first(?:ly)?\b", re.IGNORECASE)
_CODE = re.compile(r"[\w.]+(?:\(|_|\.\w)")  # "sleep(5)" stays as it is
_DEADLINE = re.compile(r"\b(?:by|before|until|till)\s+", re.IGNORECASE)
_MOST_RUNS = 4  # a label for each of more runs says little
_WHOLE_WORDS = (0, 24, 18, 18)  # by intensity: of a sentence that stays one point
_LONGEST_PROSE = 30  # words after a label


def label(parts: Sequence[Part], intensity: int) -> str | None:
    """The message as points. None when there is only one to show.

    Where it is clear what each point does, each run of points has a label: at intensity 1 before running text, at 2 before
    points, at 3 with the deadline at the end. Elsewhere the points have no labels at 1, those at 2 whose words leave no
    doubt, and at 3 all have numbers.
    """
    split = points.read(parts, _WHOLE_WORDS[intensity])
    if len(_body(split)) < 2:
        split = points.read(parts, 0, loose=True)
    body = _body(split)
    if len(body) < 2 and not any(itemise.entry(bare(point.text)).items for point in body):
        return None
    if all(part.opens_line for part in parts) and len(parts) > 2:
        return None
    runs = [(role, list(members)) for role, members in groupby(split, lambda point: point.role)]
    inside = [members for role, members in runs if role not in _OUTSIDE]
    several = len({members[0].role for members in inside}) > 1
    steps = _are_steps(body)
    labelled = several and not steps and len(inside) <= _MOST_RUNS and all(point.clear for point in body)
    if intensity == 1:
        labelled = labelled and max(map(_count_words, inside)) <= _LONGEST_PROSE
    clear = sum(point.clear and point.role in _LABELS for point in body)
    inline = intensity > 1 and several and not labelled and not steps and clear <= max(2, len(body) // 3)
    number = 0
    lines: list[str] = []
    for role, members in runs:
        if role in _OUTSIDE:
            lines += [_line(point) for point in members]
            continue
        name = _name(role, members, members[0] is body[0])
        entries = [itemise.entry(_entry(point.text)) for point in members]
        if labelled and intensity == 1:
            lines.append(f"{name}: {_prose(members, is_formal(parts))}")
            continue
        if labelled and intensity == 2 and len(entries) == 1 and not entries[0].items:
            lines.append(f"{name}: {entries[0].text}")
            continue
        if labelled or (intensity > 1 and not several and not steps and Role.TOPIC not in {point.role for point in split}):
            lines.append(f"{name}:")
        for point, entry in zip(members, entries, strict=True):
            number += 1
            mark = f"{number}." if steps or (intensity == 3 and not labelled) else "-"
            if inline and point.clear and role in _LABELS:
                mark += f" {_LABELS[role][0]}:"
            lines += [f"{mark} {entry.text}", *(f"  - {item}" for item in entry.items)]
    if intensity == 3 and (deadline := _only_deadline(body)):
        lines.append(f"Deadline: {deadline}")
    return "\n".join(lines)


def _body(split: Sequence[Point]) -> list[Point]:
    return [point for point in split if point.role not in _OUTSIDE]


def _count_words(members: Sequence[Point]) -> int:
    return sum(len(point.text.split()) for point in members)


def _are_steps(body: Sequence[Point]) -> bool:
    """Whether the points follow one after another."""
    later = sum(bool(_LATER_STEP.match(point.text)) for point in body[1:])
    return (
        all(point.role in (Role.REQUEST, Role.SITUATION) for point in body)
        and not any(OPENS_WITH_CONDITION.match(point.text) for point in body[1:])
        and later >= (1 if _FIRST_STEP.match(body[0].text) else len(body) / 2)
    )


def _name(role: Role, members: Sequence[Point], is_first: bool) -> str:
    if role in _LABELS:
        return _LABELS[role][len(members) > 1]
    parts = [part for point in members for part in point.parts]
    if is_first and all(part.role in (Role.SITUATION, Role.REASON) and not evidence.plans(part.text) for part in parts):
        return "Situation"
    return "Details"


def _line(point: Point) -> str:
    if point.role is Role.TOPIC:
        return heading(point.parts[0])
    return " ".join(sentence(part) for part in point.parts)


def _prose(members: Sequence[Point], formal: bool) -> str:
    """Points as running text: those of one sentence keep the text between them."""
    text = ""
    for point in members:
        first = point.parts[0]
        if not text:
            text = capital(LINK.sub("", point.text), formal)
        elif first.opens_sentence:
            text += (" " if text[-1:] in ".!?:,;" else ". ") + point.text
        else:
            text += first.joint + point.text
    return closed(text)


def _entry(text: str) -> str:
    """A text as an entry of a list."""
    text = bare(text)
    return text if _CODE.match(text) else text[:1].upper() + text[1:]


def _only_deadline(body: Sequence[Point]) -> str | None:
    """The deadline of the requests, if they have one and the message has no other date."""
    whens = {when for point in body if point.role is Role.REQUEST and (when := _deadline(point.text))}
    dates = [span for point in body for span in facts.spans(point.text) if span.kind in DATE_KINDS]
    return whens.pop() if len(whens) == 1 and len(dates) == 1 else None


def _deadline(text: str) -> str | None:
    """The date, time or weekday of a request that is directly after "by", "before", "until" or "till"."""
    for match in _DEADLINE.finditer(text):
        at = match.end()
        for span in facts.spans(text):
            if (
                span.kind in DATE_KINDS
                and at <= span.start <= at + 8
                and text[at : span.start].strip().lower() in ("", "the", "on")
            ):
                return text[span.start : span.end]
    return None
