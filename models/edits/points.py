"""The points of an English message: parts that can stand alone in a list, and what each of them does.

A clause that speaks of the clause before it stays with it. A point is called a request, a question or open
only where its words say so; all other points are statements.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from data.records import Need, Role
from models.edits import evidence, itemise, notes
from models.edits.parts import LINK, Part
from models.edits.segments import OPENS_WITH_CONDITION

_CLOSES = re.compile(
    r"\b(?:thanks?|thx|cheers|regards|best|wishes|greetings|sincerely|yours|looking forward"
    r"|have a (?:good|nice|great)|hope|see you|sorry|apolog\w+|welcome|take care|let me know if you have)\b",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"\b(?:is|are|was|were|am|has|have|had|will|would|can|could|must|should|may|need\w*|want\w*|do|does|did|get\w*|got|go(?:es)?"
    r"|\w+['’](?:s|re|ve|ll|d|m)|love|like\w*|\w{3,}ed"
    r"|found|left|sent|saw|took|made|came|went|gave|said|told|held|lost|brought|kept|met|heard|thought|broke)\b",
    re.IGNORECASE,
)
# A clause that opens like this is a rest of the clause before it, or speaks of it.
_RESTS = re.compile(
    r"^(?:because|since|as|which|who|whose|where|even|although|though|unless|until|till|not|or|otherwise|else|if|when|while|only"
    r"|just|so|than|rather|whether|to|what|how|except|including|especially|too|that|also|both|neither|either|none|the\s+(?:rest"
    r"|others?|same|latter|former|first|second|third|last|ones?)|another|others?|some\s+of|one\s+of|two\s+of|most\s+of|all\s+of"
    r"|he|she|they|it|this|these|those|his|her|hers|their|its|him|them|hes|shes|theyre|thats|ideally|preferably|don['’]?t\s+(?:care|mind|know))\b",
    re.IGNORECASE,
)
_SO = re.compile(r"^(?:and\s+)?so\b", re.IGNORECASE)
_BACK = re.compile(
    r"\b(?:he|she|they|it|him|her|them|this|that|those|these|one|ones|either)\b", re.IGNORECASE
)
_LEADS = re.compile(
    r"^(?:and|but|so|or|then|also)?\s*(?:if|when|whenever|once|after|before|unless|as soon as)\b",
    re.IGNORECASE,
)
# "Three things before you leave tonight."
_ANNOUNCES = re.compile(
    r"(?:(?:a\s+)?(?:few|couple\s+of|two|three|four|five|six|some|quick)\s+)?(?:quick\s+|new\s+|more\s+)?"
    r"(?:things|points|changes|questions|notes|updates|items|rules|reminders|remarks|wishes|tasks|steps)\b(?:\s+[\w'’-]+){0,7}[.:]?$",
    re.IGNORECASE,
)
_ABOUT = re.compile(r"(?:about|regarding|concerning|re)\s", re.IGNORECASE)
_COUNTS = re.compile(r"\b(?:two|three|four|five|six|seven|\d|some|few)\s+(?:\w+\s+)?\w+s\b", re.IGNORECASE)
_INNER_COLON = re.compile(r"^[^:]{3,80}:(?:\s|$)")
_ANSWERS = re.compile(
    r"^\W*(?:if|otherwise|in\s+that\s+case)\b(?:\s+(?:yes|no|not|so|it\s+do(?:es)?n?['’]?t?)\b|,)",
    re.IGNORECASE,
)
_RELATIVE = re.compile(r"^(?:which|who|whose|where|that)\b", re.IGNORECASE)
_NEEDS = re.compile(r"\b(?:must|should|(?:has|have|needs?)\s+to)\b", re.IGNORECASE)
_FEW_WORDS = 3
_SHORT_CLAUSE = 8  # words; a longer clause that says "it" names enough to stand alone


@dataclass(frozen=True)
class Point:
    """Neighbouring parts that stay together, and their role: `SITUATION` stands for all statements.

    `clear` is false where the parts do different things, or could do another.
    """

    parts: tuple[Part, ...]
    role: Role
    clear: bool

    @property
    def text(self) -> str:
        """The parts with what stands between them."""
        return self.parts[0].text + "".join(part.joint + part.text for part in self.parts[1:])


def read(parts: Sequence[Part], whole: int, loose: bool = False) -> list[Point]:
    """The points of a message. A sentence of at most `whole` words stays whole.

    With `loose` an order is a point of its own although it follows from the clause before it: "so clear it".
    """
    groups: list[list[Part]] = []
    sentences = _sentences(parts)
    greeted = True  # nothing but greetings stands before
    for sentence in sentences:
        first = len(groups)
        words = sum(len(part.text.split()) for part in sentence)
        heads = len(sentences) == 1 or not _lists(sentence)
        for part in sentence:
            before = groups[-1] if len(groups) > first else None
            apart = before is None or (
                _stands_apart(before[-1], part, heads and (greeted or before[-1].opens_line))
                or _are_orders(before[-1], part)
            )
            if before and not apart and (words <= whole or _belongs(part, before, loose)):
                before.append(part)
            else:
                greeted = greeted and all(group[0].role is Role.GREETING for group in groups[-1:])
                groups.append([part])
        if words > whole:
            groups[first:] = [piece for group in groups[first:] for piece in _unfold(group)]
    points: list[Point] = []
    is_first = True
    for group in groups:
        role = _role(group, is_first, group is groups[-1])
        is_first = is_first and role is Role.GREETING
        points.append(Point(tuple(group), role, _is_clear(group, role)))
    return points


def depends(part: Part, before: Part, loose: bool = False) -> bool:
    """Whether a clause cannot stand without the clause before it; `loose` as in `read`."""
    bare = LINK.sub("", part.text)
    linked = bare != part.text
    words = len(bare.split())
    if _LEADS.match(bare) and words > _SHORT_CLAUSE and not before.text.rstrip().endswith(":"):
        return False  # a condition with a main clause of its own
    return bool(
        _RESTS.match(bare)
        or (_SO.match(part.text) and not (loose and evidence.only_orders(part.text)))
        or words <= _FEW_WORDS
        or (words <= _SHORT_CLAUSE and bare.rstrip(" .!").endswith((" to", " so")))  # "we are not allowed to"
        or (words <= _SHORT_CLAUSE and "instead" in bare.lower())
        or before.text.rstrip().endswith(":")
        or (words <= _SHORT_CLAUSE and _BACK.search(bare))
        # "and the warranty is two years"
        or (linked and words <= _SHORT_CLAUSE and bare.lower().startswith("the ") and not _NEEDS.search(bare))
    )


def _unfold(group: list[Part]) -> list[list[Part]]:
    """A point that strings several together with commas, as these; else the point alone."""
    text = Point(tuple(group), Role.SITUATION, clear=False).text
    if itemise.entry(text).items or group[0].role is Role.GREETING:
        return [group]
    pieces = notes.points(text)
    if len(pieces) < 2:
        return [group]
    opening = replace(group[0], text=pieces[0])
    rest = replace(group[0], joint=", ", opens_sentence=False, opens_line=False, mark="")
    return [[opening], *([replace(rest, text=piece)] for piece in pieces[1:])]


def _belongs(part: Part, before: Sequence[Part], loose: bool) -> bool:
    return depends(part, before[-1], loose) or bool(_INNER_COLON.match(before[0].text))


def _lists(sentence: Sequence[Part]) -> bool:
    """Whether a sentence is a clause with a colon and its things: "two are missing: a form and a fee"."""
    text = "".join(part.joint + part.text for part in sentence if part.role is not Role.GREETING).strip()
    lead = text.partition(":")[0]
    return bool((_VERB.search(lead) or _COUNTS.search(lead)) and itemise.things(text))


def _stands_apart(before: Part, part: Part, heads: bool) -> bool:
    """Whether a part is separate from the part before it in any case: after a greeting, or after a heading if
    `heads`.
    """
    return (
        before.role is Role.GREETING
        or (heads and before.text.endswith(":"))
        or (bool(itemise.things(before.text)) and not _RELATIVE.match(part.text))
    )


def _are_orders(before: Part, part: Part) -> bool:
    """Whether both parts are orders, and the second does not speak of the first."""
    return (
        evidence.only_orders(before.text)
        and evidence.only_orders(part.text)
        and not _BACK.search(part.text)
        and not _RESTS.match(LINK.sub("", part.text))
        and not _LEADS.match(before.text)
    )


def _sentences(parts: Sequence[Part]) -> list[list[Part]]:
    sentences: list[list[Part]] = []
    for part in parts:
        if part.opens_sentence or not sentences:
            sentences.append([part])
        else:
            sentences[-1].append(part)
    return sentences


def frame(part: Part, is_first: bool, is_last: bool) -> Role | None:
    """Whether a part is a greeting, a closing or a heading around the points; None where it is none of them.

    `is_first` says that only greetings and headings stand before it.
    """
    text = part.text
    if part.role is Role.GREETING and part.opens_line and is_first:
        return Role.GREETING
    if part.role is Role.CLOSING and (is_last or _CLOSES.search(text)) and not text.endswith("?"):
        return Role.CLOSING
    if text.endswith(":") and (is_first or part.opens_line):
        return Role.TOPIC
    if is_first and (_ANNOUNCES.match(text) or (_ABOUT.match(text) and not _VERB.search(text))):
        return Role.TOPIC
    if part.role is Role.TOPIC and is_first and not _VERB.search(text) and part.opens_sentence:
        return Role.TOPIC
    return None


def _role(group: Sequence[Part], is_first: bool, is_last: bool) -> Role:
    if len(group) == 1 and (role := frame(group[0], is_first, is_last)):
        return role
    if any(_asks(part) for part in group):
        return Role.REQUEST
    if any(evidence.questions(part.text) for part in group):
        return Role.QUESTION
    if all(_is_open(part) for part in group):
        return Role.OPEN
    return Role.SITUATION


def _is_open(part: Part) -> bool:
    if OPENS_WITH_CONDITION.match(part.text):
        return False
    return evidence.leaves_open(part.text) and (part.role is Role.OPEN or part.need is Need.OPEN)


def _is_clear(group: Sequence[Part], role: Role) -> bool:
    if _ANSWERS.match(group[0].text):  # "if not, ..." answers the question before it
        return False
    match role:
        case Role.REQUEST:
            return all(
                _asks(part) and (evidence.only_orders(part.text) or len(part.text.split()) < 5)
                for part in group
            )
        case Role.QUESTION:
            return not any(_asks(part) for part in group)
        case Role.SITUATION:
            return _VERB.search(group[0].text) is not None and not any(
                evidence.may_ask(part.text) for part in group
            )
    return True


def _asks(part: Part) -> bool:
    if evidence.orders(part.text):
        return True
    return part.role is Role.REQUEST and not part.text.endswith("?") and evidence.may_order(part.text)
