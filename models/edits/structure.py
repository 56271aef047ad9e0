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
_LATER_STEP = re.compile(
    r"^(?:and )?(?:then|next|after that|afterwards|finally|second|secondly|lastly)\b", re.IGNORECASE
)
_FIRST_STEP = re.compile(r"^first(?:ly)?\b", re.IGNORECASE)
_CODE = re.compile(r"[\w.]+(?:\(|_|\.\w)")  # "sleep(5)" stays as it is
_DEADLINE = re.compile(r"(?<!\bnot\s)\b(?:by|before|until|till)\s+", re.IGNORECASE)
_MOST_RUNS = 4  # a label for each of more runs says little
_WHOLE_WORDS = (0, 24, 18, 18)  # by intensity: of a sentence that stays one point
_LONGEST_PROSE = 30  # words after a label
_FEW_LABELS = 2


def label(parts: Sequence[Part], intensity: int) -> str | None:
    """The message as points, in their order. None when there is only one to show.

    Where it is clear what each point does, each run of points has a label: at intensity 1 before running
    text, at 2 before points, at 3 with the deadline at the end. Elsewhere the points have no labels at 1. At
    2 a few have one, whose words leave no doubt. At 3 all have numbers, too.
    """
    split = points.read(parts, _WHOLE_WORDS[intensity])
    if len(_body(split)) < 2:
        split = points.read(parts, 0, loose=True)
    body = _body(split)
    if len(body) < 2 and not any(itemise.entry(bare(point.text)).items for point in body):
        return None
    if all(part.opens_line for part in parts) and len(parts) > 2:
        return None  # its lines are its structure
    runs = [(role, list(members)) for role, members in groupby(split, lambda point: point.role)]
    inside = [members for role, members in runs if role not in _OUTSIDE]
    steps = _are_steps(body)
    if steps or not _have_labels(inside, intensity):
        lines = _unlabelled(runs, body, steps, intensity)
    else:
        formal = is_formal(parts)
        lines = []
        for role, members in runs:
            if role in _OUTSIDE:
                lines += map(_line, members)
            else:
                lines += _labelled(_name(role, members, members[0] is body[0]), members, intensity, formal)
    if intensity == 3 and (deadline := _only_deadline(body)):
        lines.append(f"Deadline: {deadline}")
    return "\n".join(lines)


def _have_labels(runs: Sequence[Sequence[Point]], intensity: int) -> bool:
    """Whether each run of points gets a label: not if there is one label for all, or one may be wrong."""
    return (
        len({members[0].role for members in runs}) > 1
        and len(runs) <= _MOST_RUNS
        and all(point.clear for members in runs for point in members)
        and (intensity > 1 or max(map(_count_words, runs)) <= _LONGEST_PROSE)
    )


def _labelled(name: str, members: Sequence[Point], intensity: int, formal: bool) -> list[str]:
    """A run of points with its label."""
    if intensity == 1:
        return [f"{name}: {_prose(members, formal)}"]
    entries = [itemise.entry(_entry(point.text)) for point in members]
    if intensity == 2 and len(entries) == 1 and not entries[0].items:
        return [f"{name}: {entries[0].text}"]
    return [f"{name}:", *(line for entry in entries for line in _show("-", "", entry))]


def _unlabelled(
    runs: Sequence[tuple[Role, Sequence[Point]]], body: Sequence[Point], steps: bool, intensity: int
) -> list[str]:
    """Points without a label for each run, with numbers if they are steps or at intensity 3."""
    named = _named(body)
    one_role = len({point.role for point in body}) == 1
    few = intensity > 1 and not steps and not one_role and len(named) <= max(_FEW_LABELS, len(body) // 3)
    lines: list[str] = []
    number = 0
    for role, members in runs:
        if role in _OUTSIDE:
            lines += map(_line, members)
            continue
        if intensity > 1 and one_role and not steps and not any(role is Role.TOPIC for role, _ in runs):
            lines.append(f"{_name(role, members, True)}:")
        for point in members:
            number += 1
            mark = f"{number}." if steps or intensity == 3 else "-"
            name = f"{_LABELS[role][0]}: " if few and point in named else ""
            lines += _show(mark, name, itemise.entry(_entry(point.text)))
    return lines


def _named(body: Sequence[Point]) -> list[Point]:
    """The points whose labels leave no doubt. Requests have one only if each is a sentence of its own and
    clear, because another request without a label would look like a statement.
    """
    opens = [*(point.parts[0].opens_sentence for point in body), True]
    requests = all(
        point.clear and opens[i] and opens[i + 1]
        for i, point in enumerate(body)
        if point.role is Role.REQUEST
    )
    labels = _LABELS if requests else _LABELS.keys() - {Role.REQUEST}
    return [point for point in body if point.clear and point.role in labels]


def _show(mark: str, name: str, entry: itemise.Entry) -> list[str]:
    """An entry of a list as lines, its items below it."""
    return [f"{mark} {name}{entry.text}", *(f"{' ' * len(mark)} - {item}" for item in entry.items)]


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
    is_first = is_first and all(point.clear for point in members)
    if is_first and all(
        part.role in (Role.SITUATION, Role.REASON) and not evidence.plans(part.text) for part in parts
    ):
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
    whens = {
        when
        for point in body
        if point.role is Role.REQUEST
        and not OPENS_WITH_CONDITION.match(point.text)
        and not evidence.forbids(point.text)
        and (when := _deadline(point.text))
    }
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
