"""Structure: the parts of an English message as labelled lines, in their order."""

import re
from collections.abc import Sequence
from dataclasses import replace

from data.records import Role
from models import facts
from models.edits.parts import (
    DATE_KINDS,
    LINK,
    Part,
    bare,
    capital,
    closed,
    heading,
    is_formal,
    join,
    sentence,
)

_LABELS = {
    Role.SITUATION: ("Situation", "Situation"),
    Role.REASON: ("Reason", "Reasons"),
    Role.REQUEST: ("Request", "Requests"),
    Role.QUESTION: ("Question", "Questions"),
    Role.DATE: ("When", "When"),
    Role.PLAN: ("Plan", "Plan"),
    Role.OPEN: ("Open", "Open"),
}
_STEPS = re.compile(
    r"\b(?:first|firstly|then|next|after that|afterwards|finally|at last|in this order|step)\b", re.IGNORECASE
)
_CODE = re.compile(r"[\w.]+(?:\(|_|\.\w)")  # "sleep(5)" stays as it is
_DEADLINE = re.compile(r"\b(?:by|before|until|till)\s+", re.IGNORECASE)


def label(parts: Sequence[Part], intensity: int) -> str | None:
    """The message as labelled lines: at intensity 1 a line for each group of parts with one role, at 2
    points, at 3 also its deadline. None when there is only one part to show.
    """
    joined = join(parts)
    body = [part for part in joined if part.role not in (Role.GREETING, Role.CLOSING)]
    if len(body) < 2 or (all(part.opens_line for part in joined) and len(joined) > 2):
        return None
    groups: list[tuple[Role, list[Part]]] = []
    for part in joined:
        role = part.role
        if role in (Role.ASIDE, Role.DATE) and groups and groups[-1][0] in _LABELS:
            role = groups[-1][0]
        elif role is Role.ASIDE:
            role = Role.SITUATION
        if groups and groups[-1][0] is role and role not in (Role.GREETING, Role.CLOSING, Role.TOPIC):
            groups[-1][1].append(part)
        else:
            groups.append((role, [part]))
    labels = [role for role, _ in groups if role in _LABELS]
    plain = len(set(labels)) == 1  # a label for everything says nothing
    numbered = (
        plain and labels[0] is Role.REQUEST and bool(_STEPS.search(" ".join(part.text for part in body)))
    )
    formal = is_formal(parts)
    lines: list[str] = []
    for role, members in groups:
        if role not in _LABELS:
            lines.append(
                " ".join(sentence(part) if role is not Role.TOPIC else heading(part) for part in members)
            )
            continue
        many = len(members) > 1
        label = _LABELS[role][many]
        if intensity == 1 and not plain:
            lines.append(f"{label}: {_prose(members, formal)}")
            continue
        points = [_point(part) for part in (members if intensity > 1 else _by_sentence(members))]
        if numbered:
            points = [f"{i}. {point}" for i, point in enumerate(points, 1)]
        else:
            points = [f"- {point}" for point in points]
        if plain and intensity < 3:
            lines += points
        elif many or intensity == 3:
            lines += [f"{label}:", *points]
        else:
            lines.append(f"{label}: {_point(members[0])}")
    if intensity == 3:
        whens = [when for part in body if part.role is Role.REQUEST and (when := _deadline(part.text))]
        dates = [span for part in body for span in facts.spans(part.text) if span.kind in DATE_KINDS]
        if len(set(whens)) == 1 and len(dates) == 1 and not any(part.role is Role.DATE for part in body):
            lines.append(f"Deadline: {whens[0]}")
    return "\n".join(lines)


def _prose(members: Sequence[Part], formal: bool) -> str:
    """Parts as running text: neighbours keep the text that stood between them, others become sentences. With
    `formal` a sentence starts with a capital.
    """
    text = ""
    for i, part in enumerate(members):
        if i == 0:
            text = capital(LINK.sub("", part.text), formal)
        elif part.opens_sentence:
            text += (" " if text[-1:] in ".!?:,;" else ". ") + part.text
        elif text.endswith((".", "!", "?")):
            text += " " + capital(LINK.sub("", part.text), formal)
        else:
            text += (part.joint if part.joint.strip() or text.endswith(",") else ", ") + part.text
    return closed(text)


def _by_sentence(members: Sequence[Part]) -> list[Part]:
    """Parts of one sentence joined again."""
    result: list[Part] = []
    for part in members:
        if result and not part.opens_sentence:
            result[-1] = replace(result[-1], text=result[-1].text + part.joint + part.text)
        else:
            result.append(part)
    return result


def _point(part: Part) -> str:
    """A part as a point of a list."""
    text = bare(part.text)
    return text if _CODE.match(text) else text[:1].upper() + text[1:]


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
