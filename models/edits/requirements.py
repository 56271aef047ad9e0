"""Requirements: the parts of an English message sorted into needs, limits and what is open."""

import re
from collections.abc import Sequence
from dataclasses import replace

from data.records import Need, Role
from models import facts
from models.edits.parts import DATE_KINDS, LINK, Part, bare, heading, join, sentence

_NEEDS = {
    Need.CONTEXT: ("Context", "Context"),
    Need.NEED: ("Need", "Needs"),
    Need.WISH: ("Wish", "Wishes"),
    Need.CONSTRAINT: ("Constraint", "Constraints"),
    Need.DEADLINE: ("Deadline", "Deadlines"),
    Need.OPEN: ("Open", "Open"),
}
# Words that only ask for what follows them.
_ASKED = re.compile(
    r"""^(?:
        (?:(?:please|pls)\s+)? (?:could|can|would|will)\s+(?:you|someone|somebody|anybody|anyone)\s+
            (?:please\s+|maybe\s+)*
      | (?:please\s+)? (?:could|can|may)\s+(?:we|i)\s+(?:please\s+)? (?:get|have)\s+
      | may\s+i\s+ask\s+you\s+for\s+
      | (?:please|pls)\s+
      | (?:we|i) (?:['’]d|\s+would|\s+will|['’]ll|\s+do)? (?:\s+(?:also|still|really|only|now))*
            \s+(?:need|want|like|require) (?:\s+to\s+have)? \s+(?:to\s+)?
    )(?=\w)""",
    re.IGNORECASE | re.VERBOSE,
)
_ASKS = re.compile(
    r"(?:please |pls )?(?:ask|check|tell|i (?:have to|need to|will)|i'll|we'd have to)\b", re.IGNORECASE
)
_COURTESY = re.compile(r"\b(?:sorry|hope|thanks?|thx|apolog\w+|bother)\b", re.IGNORECASE)
_WHEN = re.compile(
    r"\b(?:today|tonight|tomorrow|yesterday|asap|as soon as|immediately|right away|now|this (?:week|month"
    r"|morning|afternoon|evening|year)|next (?:week|month|year)|end of (?:the )?(?:day|week|month|year)"
    r"|before|after|until|by (?:then|the)|noon|easter|christmas|summer|winter|holidays?"
    r"|morning|deadline|soon|urgent\w*|go-?live"
    r"|(?:\d+|an?|one|two|three|four|five|six|ten|few|couple of)\s+(?:working\s+|business\s+)?"
    r"(?:minutes?|hours?|days?|weeks?|months?))\b",
    re.IGNORECASE,
)


def sort(parts: Sequence[Part], intensity: int) -> str | None:
    """The message sorted into context, needs, wishes, constraints, deadlines and what is open: a line a kind
    at intensity 1, points at 2 with a note if no date is stated, and at 3 also if no person is. None without
    a need or a constraint.
    """
    joined = _with_questions(join(parts, sorts=True))
    groups: dict[Need, list[str]] = {kind: [] for kind in _NEEDS}
    head, tail = [], []
    for part in joined:
        if part.role is Role.GREETING:
            head.append(sentence(part))
        elif part.role is Role.TOPIC:
            head.append(heading(part))
        elif part.role is Role.CLOSING:
            tail.append(sentence(part))
        elif part.need is Need.NOTHING and _COURTESY.search(part.text) and not facts.extract(part.text):
            continue
        else:
            need = Need.CONTEXT if part.need is Need.NOTHING else part.need
            text = part.text if need is Need.CONTEXT else _asked(part.text)
            groups[need].append(bare(text))
    if not groups[Need.NEED] and not groups[Need.CONSTRAINT]:
        return None
    everything = " ".join(part.text for part in joined)
    if intensity >= 2 and not groups[Need.DEADLINE] and not _says_when(everything):
        groups[Need.OPEN].append("by when (not stated)")
    if intensity >= 3 and not re.search(r"\b(?:you|your|[A-Z][a-z]+ (?:will|has to|must|can))\b", everything):
        groups[Need.OPEN].append("who does it (not stated)")
    lines = head
    for kind, texts in groups.items():
        if not texts:
            continue
        label = _NEEDS[kind][len(texts) > 1]
        if intensity == 1 or (intensity == 2 and len(texts) == 1):
            lines.append(f"{label}: {'; '.join(texts)}")
        else:
            lines += [f"{label}:", *(f"- {text}" for text in texts)]
    return "\n".join([*lines, *tail])


def _with_questions(joined: Sequence[Part]) -> list[Part]:
    """The parts, where whom to ask stays with what is open: "which colour we don't know, ask Ann"."""
    result: list[Part] = []
    for part in joined:
        before = result[-1] if result else None
        if (
            before
            and before.need is Need.OPEN
            and not part.opens_sentence
            and _ASKS.match(LINK.sub("", part.text))
        ):
            result[-1] = replace(before, text=before.text + part.joint + part.text)
        else:
            result.append(part)
    return result


def _asked(text: str) -> str:
    """A need without the words that only ask for it."""
    bare = _ASKED.sub("", LINK.sub("", text), count=1)
    return bare.rstrip("?") if bare != text else text


def _says_when(text: str) -> bool:
    return bool(_WHEN.search(text)) or any(span.kind in DATE_KINDS for span in facts.spans(text))
