"""The parts of an English message: what each does, and how each is written in a list.

What a part does in its message is decided before (`models.tagger`); a role that the words of the part do not
bear out is weakened here.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from data.records import Need, Role
from models.edits import segments


@dataclass(frozen=True)
class Part:
    """A segment as decided: its text as written, its role and its kind of requirement.

    `joint` is the text between it and the part before it.
    """

    text: str
    role: Role
    need: Need
    joint: str = ""
    opens_sentence: bool = True
    opens_line: bool = True
    mark: str = ""


LINK = re.compile(
    # "so" leads into a clause, and not in "so happy" or "so that"
    r"^(?:(?:and|but|so(?=,|\s+(?:i|we|you|he|she|it|they|there|the|a|an|this|these|my|our|your|his|her|their|here"
    r"|for|as|what|please|can|could|would|if|when|from|today|yesterday|tomorrow|don['’]?t|far|no|some|everyone"
    r"|everybody|some(?:one|body))\b)|also|plus|anyway|oh|well|ok|okay|now|finally)\b(?:,\s*|\s+))+(?=\S)",
    re.IGNORECASE,
)
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
_SIGNATURE = re.compile(
    r"(?:[-–—]?\s*|(?i:[\w ]{0,20}(?:regards|wishes|greetings)|best|cheers|many thanks|thanks|thank you"
    r"|yours(?: sincerely)?),?\s+)"
    r"(?!(?:Me|No|Yes|Ok|Great|Done|Now|Never|Today|Tomorrow|\w+day)\b)[A-Z][\w.'’-]*(?:\s[A-Z][\w.'’-]*){0,2}"
)
DATE_KINDS = frozenset({"date", "time", "weekday"})  # of facts
_LONGEST_TOPIC = 9  # words; a longer part is no heading


def divide(
    message: str,
    decide: Callable[[Sequence[segments.Segment]], Iterable[tuple[Role, Need]]],
    split: Sequence[segments.Segment] | None = None,
) -> list[Part]:
    """The parts of a message, each with what `decide` says of its segment; `split` has other segments than
    clauses.
    """
    split = segments.split(message) if split is None else split
    result: list[Part] = []
    end = 0
    for segment, (role, need) in zip(split, decide(split), strict=True):
        joint = message[end : segment.start - segment.mark]
        mark = message[segment.start - segment.mark : segment.start]
        text = message[segment.start : segment.end]
        is_first = all(part.role is Role.GREETING for part in result)
        if segment is split[-1] and segment.opens_sentence and result and _SIGNATURE.fullmatch(text):
            role = Role.CLOSING
        role = _checked(role, text, segment, is_first)
        if need is Need.CONSTRAINT and _UNDECIDED.search(text):
            need = Need.OPEN
        result.append(Part(text, role, need, joint, segment.opens_sentence, segment.opens_line, mark))
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


def capital(text: str, formal: bool) -> str:
    """A text with a capital at its start, in a formal message."""
    return text[:1].upper() + text[1:] if formal else text


def closed(text: str, mark: str = ".") -> str:
    """A text that ends with a mark: with `mark` where it has none."""
    text = text.rstrip().rstrip(",;–—-").rstrip()
    return text if text.endswith((".", "!", "?", ":", ")", '"', "…")) else text + mark


def bare(text: str) -> str:
    """A part as an entry of a list: without its link and its last full stop."""
    text = LINK.sub("", text).rstrip()
    return text[:-1].rstrip() if text[-1:] in ".,;" and not text.endswith("...") else text


def is_formal(members: Sequence[Part]) -> bool:
    """Whether the writer starts sentences with capitals."""
    return any(part.opens_sentence and part.text[:1].isupper() for part in members)


def sentence(part: Part) -> str:
    """A part as written, with the bullet in front of it."""
    return part.mark + part.text


def heading(part: Part) -> str:
    """A part as the heading of what follows."""
    text = part.text[:1].upper() + part.text[1:].rstrip().rstrip(".,;")
    return text if text.endswith(":") else text + ":"
