"""Arranges the parts of an English message: structure, summarize and requirements.

What a part does in its message is decided before (`models.tagger`); nothing here writes a sentence of its
own, except for labels and for notes of what the message does not say.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from data.records import Need, Role
from models import facts
from models.edits import segments


@dataclass(frozen=True)
class Part:
    """A segment as decided: its text as written, its role, its kind of requirement, and its importance.

    `importance` is 1 for what every summary keeps, 2 for what a strong summary drops, 3 for what any drops.
    `joint` is the text between it and the part before it.
    """

    text: str
    role: Role
    need: Need
    importance: int
    joint: str = ""
    opens_sentence: bool = True
    opens_line: bool = True
    mark: str = ""


_LABELS = {
    Role.SITUATION: ("Situation", "Situation"),
    Role.REASON: ("Reason", "Reasons"),
    Role.REQUEST: ("Request", "Requests"),
    Role.QUESTION: ("Question", "Questions"),
    Role.DATE: ("When", "When"),
    Role.PLAN: ("Plan", "Plan"),
    Role.OPEN: ("Open", "Open"),
}
_NEEDS = {
    Need.CONTEXT: ("Context", "Context"),
    Need.NEED: ("Need", "Needs"),
    Need.WISH: ("Wish", "Wishes"),
    Need.CONSTRAINT: ("Constraint", "Constraints"),
    Need.DEADLINE: ("Deadline", "Deadlines"),
    Need.OPEN: ("Open", "Open"),
}
_LINK = re.compile(
    r"^(?:(?:and|but|so|also|plus|anyway|oh|well|ok|okay|now|finally)\b(?:,\s*|\s+))+(?=\S)", re.IGNORECASE
)
# A part that opens like this is a rest of the part before it.
_CONTINUES = re.compile(
    r"^(?:because|since|as|which|who|whose|where|even|although|though|unless|until|till|not|or|otherwise|else|if|when"
    r"|while|only|just|that['’]s (?:why|because)|so that|than|rather|whether|to|what|how|except"
    r"|including|especially|too)\b",
    re.IGNORECASE,
)
_NEGATION = re.compile(r"\b(?:no|not|never|nobody|nothing|none|neither|without|\w+n['’]t)\b", re.IGNORECASE)
# At the start of a sentence, and anywhere in a clause that goes on.
_PRONOUN = re.compile(
    r"^\W*(?:(?:and|but|so|also)\s+)?(?:he|she|they|it|this|that|these|those|his|her|their|its)\b",
    re.IGNORECASE,
)
_ANY_PRONOUN = re.compile(r"\b(?:he|she|they|it|this|that|these|those|him|them|one|ones)\b", re.IGNORECASE)
# Words without which a part is not called a request, or a reason.
_REQUESTS = re.compile(
    rf"""\b(?:please|pls|you|your|could|can|would|should|shall|must|needs?|(?:has|had)\ to|let|let's|nobody
        |no\ one|everyone|everybody|someone|somebody|anyone|whoever|all\ of|only|always|before|until)\b
      | ^\W*(?:(?:and|then|first|so|but|also)\ )*(?:don['’]t|do\ not|never|no|{segments.ORDER})\b
      | \?""",
    re.IGNORECASE | re.VERBOSE,
)
_PLEASE = re.compile(r"^\W*(?:(?:and|but|so|also|then)\s+)?(?:please|pls)\b", re.IGNORECASE)
_GIVES_REASON = re.compile(
    r"\b(?:because|since|as|reasons?|due|cause[sd]?|why|otherwise|so that|that's|it's)\b", re.IGNORECASE
)
_ASKS_TO = re.compile(r"\b(?:could|can|would|will)\s+\w+|\b(?:please|pls)\b", re.IGNORECASE)
_PROPOSES = re.compile(
    r"^(?:(?:and|so|but|then)\s+)?(?:i|we)(?:['’](?:d|ll)|\s+(?:would|will))\s+"
    r"(?!need|like|want|appreciate|be (?:glad|grateful|happy)|ask|love|prefer)",
    re.IGNORECASE,
)
_UNDECIDED = re.compile(
    r"\b(?:not|isn't|aren't|nothing)\s+(?:\w+\s+)?(?:decided|clear|known|fixed|settled|sure|agreed)\b"
    r"|\b(?:don't|doesn't|do not) know\b|\bno idea\b|\bunclear\b|\bundecided\b|\btb[cd]\b",
    re.IGNORECASE,
)
# The first sentence says what a message is about: "I had a look at your branch".
_NAMES_TOPIC = re.compile(
    r"\b(?:about|regarding|concerning)\s+\w|\b(?:at|with|through|on)\s+(?:your|our)\b", re.IGNORECASE
)
_ASKS = re.compile(
    r"(?:please |pls )?(?:ask|check|tell|i (?:have to|need to|will)|i'll|we'd have to)\b", re.IGNORECASE
)
_SIGNATURE = re.compile(
    r"(?:[-–—]?\s*|(?:[\w ]{0,20}regards|best|cheers|thanks|yours),?\s+)"
    r"[A-Z][\w.'’-]*(?:\s[A-Z][\w.'’-]*){0,2}"
)
_COURTESY = re.compile(r"\b(?:sorry|hope|thanks?|thx|apolog\w+|bother)\b", re.IGNORECASE)
# Openings that a summary drops although they are the first sentence.
_OPENING = re.compile(
    r"\b(?:sorry|hope|update|heads[ -]?up|fyi|long|short|quick|just so|as (?:you|some)"
    r"|note|promise\w*|know)\b",
    re.IGNORECASE,
)
# In these words a clause after a comma states a limit of what was named: "it must be quiet".
_STATES_LIMIT = re.compile(
    r"(?:it|they|this)\s+(?:must|has to|have to|should|can(?:not|'t)|may not|needs? to)\b", re.IGNORECASE
)
_DATES = ("date", "time", "weekday")
_LIMITS = frozenset({Need.CONSTRAINT, Need.DEADLINE})
_FEW_WORDS = 3
_LONGEST_TOPIC = 9  # words; a longer part is no heading
_THEN = re.compile(r"^then\b", re.IGNORECASE)
_CONDITION = re.compile(r"\b(?:if|unless|when|once|until|as soon as)\b", re.IGNORECASE)
_STEPS = re.compile(
    r"\b(?:first|firstly|then|next|after that|afterwards|finally|at last|in this order|step)\b", re.IGNORECASE
)
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
_WHEN = re.compile(
    r"\b(?:today|tonight|tomorrow|yesterday|asap|as soon as|immediately|right away|now|this (?:week|month"
    r"|morning|afternoon|evening|year)|next (?:week|month|year)|end of (?:the )?(?:day|week|month|year)"
    r"|before|after|until|by (?:then|the)|noon|easter|christmas|summer|winter|holidays?"
    r"|morning|deadline|soon|urgent\w*|go-?live"
    r"|(?:\d+|an?|one|two|three|four|five|six|ten|few|couple of)\s+(?:working\s+|business\s+)?"
    r"(?:minutes?|hours?|days?|weeks?|months?))\b",
    re.IGNORECASE,
)
_DEADLINE = re.compile(
    r"\b(?:by|before|until|till)\s+(?=(?P<when>(?:the\s+)?(?:end\s+of\s+)?\S+(?:\s\S+){0,2}))", re.IGNORECASE
)


def join(parts: Sequence[Part], sorts: bool = False) -> list[Part]:
    """The parts, where one that depends on the part before it is joined to that part.

    With `sorts` a limit stays a part of its own although it says "it": "we want Room 12, it must be quiet".
    """
    joined: list[Part] = []
    for part in parts:
        if joined and joined[-1].role is Role.TOPIC and len(joined) > 1 and not part.opens_sentence:
            role = part.role if part.role in _LABELS else Role.SITUATION  # "What's missing: a screen, ..."
            joined[-1] = replace(
                part, text=joined[-1].text + part.joint + part.text, role=role, opens_sentence=True,
                opens_line=joined[-1].opens_line, mark=joined[-1].mark, joint=joined[-1].joint,
            )  # fmt: skip
            continue
        before = joined[-1] if joined else None
        bare = _LINK.sub("", part.text)
        depends = before is not None and (
            bool(_CONTINUES.match(bare))
            or bool(_THEN.match(bare) and _CONDITION.search(before.text))
            or before.text.endswith(":")
            or (
                part.text == bare  # no link: "they say", "that's NOK 9,800"
                and (len(part.text.split()) <= _FEW_WORDS or bool(_ANY_PRONOUN.search(part.text)))
                and not (sorts and part.need in _LIMITS and _STATES_LIMIT.match(part.text))
            )
        )
        if before and depends and not part.opens_sentence and before.role not in (Role.GREETING, Role.TOPIC):
            joined[-1] = replace(
                before,
                text=before.text + part.joint + part.text,
                need=before.need if before.need != Need.NOTHING else part.need,
                importance=min(before.importance, part.importance),
            )
        else:
            joined.append(part)
    return joined


def structure(parts: Sequence[Part], intensity: int) -> str | None:
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
    formal = _is_formal(parts)
    lines: list[str] = []
    for role, members in groups:
        if role not in _LABELS:
            lines.append(
                " ".join(_sentence(part) if role is not Role.TOPIC else _topic(part) for part in members)
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
        dates = [span for part in body for span in facts.spans(part.text) if span.kind in _DATES]
        if len(set(whens)) == 1 and len(dates) == 1 and not any(part.role is Role.DATE for part in body):
            lines.append(f"Deadline: {whens[0]}")
    return "\n".join(lines)


def requirements(parts: Sequence[Part], intensity: int) -> str | None:
    """The message sorted into context, needs, wishes, constraints, deadlines and what is open: a line a kind
    at intensity 1, points at 2 with a note if no date is stated, and at 3 also if no person is. None without
    a need or a constraint.
    """
    joined = _with_questions(join(parts, sorts=True))
    groups: dict[Need, list[str]] = {kind: [] for kind in _NEEDS}
    head, tail = [], []
    for part in joined:
        if part.role is Role.GREETING:
            head.append(_sentence(part))
        elif part.role is Role.TOPIC:
            head.append(_topic(part))
        elif part.role is Role.CLOSING:
            tail.append(_sentence(part))
        elif part.need is Need.NOTHING and _COURTESY.search(part.text) and not facts.extract(part.text):
            continue
        else:
            need = Need.CONTEXT if part.need is Need.NOTHING else part.need
            text = part.text if need is Need.CONTEXT else _asked(part.text)
            groups[need].append(_bare(text))
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


# Parts of these roles always stay in a summary.
_ESSENTIAL = frozenset({Role.REQUEST, Role.QUESTION, Role.DATE, Role.OPEN})


def _with_questions(joined: Sequence[Part]) -> list[Part]:
    """The parts, where whom to ask stays with what is open: "which colour we don't know, ask Ann"."""
    result: list[Part] = []
    for part in joined:
        before = result[-1] if result else None
        if (
            before
            and before.need is Need.OPEN
            and not part.opens_sentence
            and _ASKS.match(_LINK.sub("", part.text))
        ):
            result[-1] = replace(before, text=before.text + part.joint + part.text)
        else:
            result.append(part)
    return result


def summarize(parts: Sequence[Part], intensity: int, shorten: Callable[[str], str]) -> str | None:
    """The parts that a summary of this intensity keeps, as prose, shortened by `shorten`. None when that
    drops next to nothing.

    Requests, questions, dates and what is open always stay, and so does a part with a fact that no other has.
    """
    joined, formal = join(parts), _is_formal(parts)
    drops = [_drops(joined, i, intensity) for i in range(len(joined))]
    for i in range(len(joined) - 1, 0, -1):  # what a kept part refers to is kept
        if drops[i - 1] and not drops[i] and _refers_back(joined[i]):
            drops[i - 1] = joined[i - 1].role in (Role.GREETING, Role.CLOSING)
    kept = [i for i, dropped in enumerate(drops) if not dropped]
    if not any(joined[i].role not in (Role.GREETING, Role.CLOSING) for i in kept):
        return None
    text = ""
    for position, i in enumerate(kept):
        part = joined[i]
        if position > 0 and kept[position - 1] == i - 1:
            text += part.joint + part.text
            continue
        # What stood before it is dropped, so it starts a sentence, or a line after a greeting.
        greeted = position > 0 and joined[kept[position - 1]].role is Role.GREETING
        start = "\n" if greeted else "" if not text else " " if text.endswith((".", "!", "?", ":")) else ". "
        text = (text if greeted else text.rstrip(" ,;")) + start
        text += _capital(_LINK.sub("", part.text), formal)
    text = shorten(_closed(text))
    length = sum(len(part.text.split()) for part in parts)
    return None if len(text.split()) > 0.95 * length else text


def _refers_back(part: Part) -> bool:
    """Whether a part may speak of what the part before it names."""
    return bool((_PRONOUN if part.opens_sentence else _ANY_PRONOUN).search(part.text))


def _drops(joined: Sequence[Part], i: int, intensity: int) -> bool:
    """Whether a summary of this intensity drops a part."""
    part = joined[i]
    if part.importance == 2 and part.role is not Role.ASIDE:
        return all(_may_drop(joined, j, intensity) for j in _sentence_of(joined, i))
    return _may_drop(joined, i, intensity)


def _sentence_of(joined: Sequence[Part], i: int) -> range:
    """The indices of the parts of a part's sentence."""
    start, end = i, i + 1
    while start > 0 and not joined[start].opens_sentence:
        start -= 1
    while end < len(joined) and not joined[end].opens_sentence:
        end += 1
    return range(start, end)


def _may_drop(joined: Sequence[Part], i: int, intensity: int) -> bool:
    """Whether a summary of this intensity loses nothing without a part."""
    part = joined[i]
    if part.role in _ESSENTIAL or part.importance == 1:
        return part.role is Role.GREETING and intensity >= 2
    if facts.missing(part.text, " ".join(other.text for j, other in enumerate(joined) if j != i)):
        return False
    if not part.opens_sentence and _NEGATION.search(part.text):  # "I asked, she didn't know"
        return False
    before = [other for other in joined[:i] if other.role is not Role.GREETING]
    if part.role is Role.CLOSING or part.role is Role.GREETING:
        return part.importance == 3 and (part.role is Role.CLOSING or intensity >= 2)
    if not before and (_NAMES_TOPIC.search(part.text) or not _OPENING.search(part.text)):
        return False  # the first sentence says what the message is about
    if part.role is Role.TOPIC and before:
        return False  # it says what the parts after it are about
    if part.importance == 3 or part.role is Role.ASIDE:
        return True
    return part.role is Role.REASON and intensity >= 2


def parts(
    message: str, decide: Callable[[Sequence[segments.Segment]], Iterable[tuple[Role, Need, int]]]
) -> list[Part]:
    """The parts of a message, each with what `decide` says of its segment."""
    split = segments.split(message)
    result: list[Part] = []
    end = 0
    for segment, (role, need, importance) in zip(split, decide(split), strict=True):
        joint = message[end : segment.start - segment.mark]
        mark = message[segment.start - segment.mark : segment.start]
        text = message[segment.start : segment.end]
        is_first = all(part.role is Role.GREETING for part in result)
        if segment is split[-1] and segment.opens_sentence and result and _SIGNATURE.fullmatch(text):
            role = Role.CLOSING
        role = _checked(role, text, segment, is_first)
        if need is Need.CONSTRAINT and _UNDECIDED.search(text):
            need = Need.OPEN
        result.append(
            Part(text, role, need, importance, joint, segment.opens_sentence, segment.opens_line, mark)
        )
        end = segment.end
    return result


def _checked(role: Role, text: str, segment: segments.Segment, is_first: bool) -> Role:
    """A part's role, or a weaker one where the words of the part do not bear it out."""
    if _PLEASE.search(text) and not text.endswith("?"):
        return Role.REQUEST
    match role:
        case Role.GREETING if not is_first:
            return Role.CLOSING
        case Role.TOPIC if len(text.split()) > _LONGEST_TOPIC or not (is_first or text.endswith(":")):
            return Role.SITUATION
        case Role.REQUEST if _PROPOSES.search(text):
            return Role.PLAN
        case Role.REQUEST if text.endswith("?") and not _ASKS_TO.search(text):
            return Role.QUESTION
        case Role.REQUEST if not _REQUESTS.search(text):
            return Role.SITUATION
        case Role.REASON if segment.opens_sentence and not _GIVES_REASON.search(text):
            return Role.SITUATION
    return role


def _prose(members: Sequence[Part], formal: bool) -> str:
    """Parts as running text: neighbours keep the text that stood between them, others become sentences. With
    `formal` a sentence starts with a capital.
    """
    text = ""
    for i, part in enumerate(members):
        if i == 0:
            text = _capital(_LINK.sub("", part.text), formal)
        elif part.opens_sentence:
            text += (" " if text[-1:] in ".!?:,;" else ". ") + part.text
        elif text.endswith((".", "!", "?")):
            text += " " + _capital(_LINK.sub("", part.text), formal)
        else:
            text += (part.joint if part.joint.strip() or text.endswith(",") else ", ") + part.text
    return _closed(text)


def _is_formal(members: Sequence[Part]) -> bool:
    """Whether the writer starts sentences with capitals."""
    return any(part.opens_sentence and part.text[:1].isupper() for part in members)


def _capital(text: str, formal: bool) -> str:
    return text[:1].upper() + text[1:] if formal else text


def _closed(text: str) -> str:
    text = text.rstrip().rstrip(",;–—-").rstrip()
    return text if text.endswith((".", "!", "?", ":", ")", '"', "…")) else text + "."


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
    text = _bare(part.text)
    return text[:1].upper() + text[1:]


def _sentence(part: Part) -> str:
    return part.mark + part.text


def _topic(part: Part) -> str:
    text = part.text[:1].upper() + part.text[1:].rstrip().rstrip(".,;")
    return text if text.endswith(":") else text + ":"


def _asked(text: str) -> str:
    """A need without the words that only ask for it."""
    bare = _ASKED.sub("", _LINK.sub("", text), count=1)
    return bare.rstrip("?") if bare != text else text


def _bare(text: str) -> str:
    """A part as an entry of a list: without its link and its last full stop."""
    text = _LINK.sub("", text).rstrip()
    return text[:-1].rstrip() if text[-1:] in ".,;" and not text.endswith("...") else text


def _says_when(text: str) -> bool:
    return bool(_WHEN.search(text)) or any(
        span.kind in ("date", "time", "weekday") for span in facts.spans(text)
    )


def _deadline(text: str) -> str | None:
    """The date, time or weekday of a request that is directly after "by", "before", "until" or "till"."""
    for match in _DEADLINE.finditer(text):
        at = match.end()
        for span in facts.spans(text):
            if (
                span.kind in ("date", "time", "weekday")
                and at <= span.start <= at + 8
                and text[at : span.start].strip().lower() in ("", "the", "on")
            ):
                return text[span.start : span.end]
    return None
