"""The units of a message: parts that a summary keeps or drops together."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from data.records import Role
from models.edits.parts import LINK, Part
from models.edits.summary import anaphora

_COURTESY = frozenset({Role.GREETING, Role.CLOSING})
_FEW_WORDS = 3
# A clause that opens like this can go without the one before it, and cannot stand without it.
_DEPENDENT = re.compile(
    r"(?:and\s+)?(?:because|since|as(?!\s+(?:soon|long|far|of))|which|who|whose|even\s+(?:though|if)|although"
    r"|though|so\s+that|that['’]s\s+(?:why|because)|especially)\b",
    re.IGNORECASE,
)
# A clause that opens like this is one with the clause before it.
_BOUND = re.compile(
    r"(?:and\s+|but\s+)?(?:if|when|whenever|unless|until|till|or|otherwise|else|while|than|rather|whether|to"
    r"|what|how|where|why|except|only|just|not|too|including|even|that|nor|neither|whoever|whichever|before"
    r"|after|once|depending|also)\b"
    r"|(?:and\s+|but\s+|then\s+)+(?:was|were|is|are|has|had|went|told|got|took|said|made|came|gave|put|ran"
    r"|wrote|[a-z]+ed)\b",
    re.IGNORECASE,
)
# "Should you be late, the boat leaves": a condition without "if".
_INVERTED = re.compile(
    r"\W*(?:should|had|were)\s+(?:you|we|i|they|he|she|it|anyone|there|the)\b[^?]*$", re.IGNORECASE
)
# "The other one, which came in later, has gone": the clause in the middle of another one.
_EMBEDDED = re.compile(
    r"(?:which|who|whose)\b[^,]{1,120},\s(?:has|have|had|is|are|was|were|will|would|can|could|did|does|do"
    r"|must|should)\b",
    re.IGNORECASE,
)
_HEADING = re.compile(
    r"(?:(?:the\s+)?(?:short\s+version|long\s+story\s+short|result|update|news|background|context|story|fyi"
    r"|so|ok)\W*)$|because\s+of\s+many\s+questions:",
    re.IGNORECASE,
)
# Openings that say nothing of what a message is about.
_OPENING = re.compile(
    r"\W*(?:(?:so|and|ok(?:ay)?|well|just|also)\W+)*(?:sorry|(?:i\s+|we\s+)?hope"
    r"|(?:a\s+)?(?:quick|short|small|brief)\b|heads[ -]?up|fyi|long|just\s+so"
    r"|as\s+(?:you|some|many|most|we)|note|i\s+promise|i\s+know|thank|thanks|apolog|i\s+apolog"
    r"|bear\s+with|forgive)",
    re.IGNORECASE,
)
# How the writer is, or begins again.
_STATE = re.compile(
    r"\W*(?:i['’]m|i\s+am)\s+(?:on|in|at|late|short|sick|ill|travelling|typing|sorry)\b"
    r"|\W*(?:sorry|i\s+mean|(?:i\s+|we\s+)?hope)\b",
    re.IGNORECASE,
)
_INTRODUCES = re.compile(
    r"\b(?:a|an|some|two|three|four|five|several|new|\d{1,9})\s(?:[\w-]{1,30}\s){0,2}?"
    r"(?P<noun>[a-z][\w-]{2,30})\b",
    re.IGNORECASE,
)
_KNOWN = re.compile(
    r"\b(?:the|that|this|these|those|both|its|their|his|her)\s(?:[\w-]{1,30}\s){0,2}?"
    r"(?P<noun>[a-z][\w-]{2,30})\b",
    re.IGNORECASE,
)
# Words of a phrase that speaks of a thing as known, and names.
_DEFINED = re.compile(
    r"\b(?i:the|that|this|these|those|both|same|its|their|his|her)\s(?=(?P<words>[\w'’-]{1,30}(?:\s[\w'’-]{1,30}){0,2}))"
    r"|(?<![.!?]\s)(?<!^)\b(?P<name>(?!I\b|I['’])[A-Z][\w'’-]{2,30})"
)
_OWNED = re.compile(r"\b(?:your|our|my)\s(?=(?P<words>[\w'’-]{1,30}(?:\s[\w'’-]{1,30}){0,2}))", re.IGNORECASE)
_SHORTEST = 4  # characters of a word that can name a thing
_WORD = re.compile(r"[\w'’-]+")


@dataclass(frozen=True)
class Unit:
    """Parts that are kept or dropped together: `message[start:end]`, whose text is that of the parts.

    `weight` is the highest probability that a part of it belongs to every summary. A dependent unit is a
    clause of the unit before it, without which it cannot stand.
    """

    text: str
    start: int
    end: int
    roles: frozenset[Role]
    weight: float
    opens_sentence: bool
    is_dependent: bool

    @property
    def is_courtesy(self) -> bool:
        """Whether it is a greeting or a closing."""
        return self.roles <= _COURTESY

    @cached_property
    def nouns(self) -> frozenset[str]:
        """The last words of its noun phrases."""
        return anaphora.heads(self.text)

    @cached_property
    def topics(self) -> frozenset[str]:
        """Those of its nouns, in lower case, that say what a message is about."""
        return anaphora.topics(self.text)

    @cached_property
    def words(self) -> frozenset[str]:
        """Its words in lower case, in the singular and in the plural."""
        words = _WORD.findall(self.text.lower())
        return frozenset(form for word in words for form in (word, word + "s", word.rstrip("s")))

    @cached_property
    def introduced(self) -> frozenset[str]:
        """The nouns that it speaks of as new: "a list"."""
        return frozenset(match["noun"].lower().rstrip("s") for match in _INTRODUCES.finditer(self.text))

    @cached_property
    def known(self) -> frozenset[str]:
        """The nouns that it speaks of as known: "the list"."""
        return frozenset(match["noun"].lower().rstrip("s") for match in _KNOWN.finditer(self.text))

    @cached_property
    def defined(self) -> frozenset[str]:
        """The words of its phrases that speak of a thing as known, and its names."""
        words = {
            word.lower()
            for match in _DEFINED.finditer(self.text)
            for word in (match["words"] or match["name"]).split()
        }
        return frozenset(word for word in words if len(word) >= _SHORTEST) - anaphora.common()

    @cached_property
    def owned(self) -> frozenset[str]:
        """The words of its phrases such as "your regular forwarders", which need no earlier word."""
        return frozenset(
            word.lower() for match in _OWNED.finditer(self.text) for word in match["words"].split()
        )

    @cached_property
    def named(self) -> frozenset[str]:
        """The nouns that it names, in lower case, but for common ones."""
        return frozenset(noun for noun in self.topics if len(noun) >= _SHORTEST) - anaphora.common()

    @cached_property
    def pronouns(self) -> tuple[str, ...]:
        """Its words that stand for something an earlier unit names."""
        return anaphora.pronouns(self.text)

    @cached_property
    def is_opening(self) -> bool:
        """Whether it opens as an apology, a thanks or an announcement does."""
        return bool(_OPENING.match(self.text))

    @cached_property
    def says_nothing(self) -> bool:
        """Whether it is an opening that does not say what the message is about."""
        if self.roles <= {Role.ASIDE} and (_STATE.match(self.text) or not self.topics):
            return True
        return (self.is_opening or self.roles <= {Role.CLOSING}) and not self.topics


def split(parts: Sequence[Part], weights: Sequence[float]) -> list[Unit]:
    """The units of a message, in order; `weights` has the probability that every summary keeps a part."""
    units: list[Unit] = []
    end = 0
    for part, weight in zip(parts, weights, strict=True):
        start = end + len(part.joint) + len(part.mark)
        end = start + len(part.text)
        before = units[-1] if units else None
        if before and not part.opens_sentence and _is_one(before, part):
            units[-1] = replace(
                before,
                text=before.text + part.joint + part.text,
                end=end,
                roles=before.roles | {part.role},
                weight=max(before.weight, weight),
            )
            continue
        opens_sentence = part.opens_sentence or (before is not None and before.roles == {Role.GREETING})
        units.append(
            Unit(
                part.text,
                start - len(part.mark),
                end,
                frozenset({part.role}),
                weight,
                opens_sentence,
                is_dependent=not opens_sentence and bool(_DEPENDENT.match(part.text)),
            )
        )
    return units


def _is_one(before: Unit, part: Part) -> bool:
    """Whether a part that opens no sentence is one clause with what stands before it."""
    if before.roles == {Role.GREETING}:
        return False
    if before.text.endswith(":"):
        return not _HEADING.fullmatch(before.text)
    if _INVERTED.match(before.text) or _EMBEDDED.match(part.text):
        return True
    bare = LINK.sub("", part.text)
    return bool(_BOUND.match(bare)) or (
        part.text == bare and len(bare.split()) <= _FEW_WORDS and not _DEPENDENT.match(bare)
    )
