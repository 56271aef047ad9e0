"""The units of a message: cuts that a summary keeps or drops together."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from data.records import Role
from models.edits.parts import LINK, Part
from models.edits.segments import VERB
from models.edits.summary import anaphora

_COURTESY = frozenset({Role.GREETING, Role.CLOSING})
_FEW_WORDS = 3
# A clause that opens like this can go without the one before it, and cannot stand without it.
_DEPENDENT = re.compile(
    r"(?:and\s+)?(?:because|since|as(?!\s+(?:soon|long|far|of))|which|who|whose|whereas|even\s+(?:though|if)|although"
    r"|though|so\s+that|that['’]s\s+(?:why|because)|especially)\b",
    re.IGNORECASE,
)
# A cut that opens like this is one with the cut before it.
_BOUND = re.compile(
    r"(?:and\s+|but\s+)?(?:if|when|whenever|unless|until|till|or|otherwise|else|while|than|rather|whether|to"
    r"|what|how|where|why|except|only|just|not|too|including|even|that|nor|neither|whoever|whichever|before"
    r"|after|once|depending|also)\b",
    re.IGNORECASE,
)
_SINCE = re.compile(r"since\b", re.IGNORECASE)  # "since last winter", without a verb
_HAS_VERB = re.compile(rf"\b(?:{VERB}|[a-z]{{3,}}ed)\b|['’](?:s|re|ll|ve|d|m)\b", re.IGNORECASE)
# A cut that has no subject of its own: "was happy with it".
_NO_SUBJECT = re.compile(
    rf"(?:(?:and|but|then|so)\s+)*(?:(?:also|just|still|already|now|only)\s+)?(?!can\s+you\b|could\s+you\b|please\b)"
    rf"(?:{VERB}|[a-z]{{2,}}ed|spent|told|took|put|wrote|sent|found)\b(?!\s+(?:i|we|you|they|he|she|it|the|a|an|my|our|your|this|that|there)\b.*\?)",
    re.IGNORECASE,
)
# What such words end with goes on in the next cut.
_STUMP = re.compile(
    r"\b(?:of|in|on|at|to|for|with|by|from|about|after|before|the|an?|and|or|but|so|which|that|than|as|only|his|her|their|my|our"
    r"|your)[,;]?$",
    re.IGNORECASE,
)
# A sentence that opens like this is finished by its next cut.
_SUBORDINATE = re.compile(
    r"(?:(?:and|but|so|or)\s+)?(?:if|when|whenever|unless|because|since|as|although|though|while|once|after|before"
    r"|until|whether|where|given|in\s+case)\b",
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
_WORD = re.compile(r"[\w'’-]+")


@dataclass(frozen=True)
class Unit:
    """Cuts that are kept or dropped together: `message[start:end]`, whose text is that of the cuts.

    `weight` is the highest probability that a summary keeps a cut of it, `risk` that every summary does. A
    dependent unit belongs to the unit before it, without which it cannot stand.
    """

    text: str
    start: int
    end: int
    roles: frozenset[Role]
    weight: float
    risk: float
    opens_sentence: bool
    is_dependent: bool
    cuts: int = 1

    @property
    def is_courtesy(self) -> bool:
        """Whether it is a greeting or a closing."""
        return self.roles <= _COURTESY

    @property
    def has_verb(self) -> bool:
        """Whether one of its words is a verb, as far as a list tells."""
        return bool(_HAS_VERB.search(self.text))

    @property
    def lacks_subject(self) -> bool:
        """Whether it starts with a verb whose subject stands before it."""
        return bool(_NO_SUBJECT.match(self.text))

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


def split(cuts: Sequence[Part], weights: Sequence[float], risks: Sequence[float]) -> list[Unit]:
    """The units of a message, in order.

    `weights` has the probability that the summary keeps a cut, `risks` that every summary does, by cut.
    """
    units: list[Unit] = []
    end = 0
    is_item = False
    for cut, weight, risk in zip(cuts, weights, risks, strict=True):
        start = end + len(cut.joint) + len(cut.mark)
        end = start + len(cut.text)
        before = units[-1] if units else None
        is_item = bool(cut.mark) if cut.opens_line else is_item
        if before and not cut.opens_sentence and _is_one(before, cut, is_item):
            units[-1] = replace(
                before,
                text=before.text + cut.joint + cut.text,
                end=end,
                roles=before.roles | {cut.role},
                weight=max(before.weight, weight),
                risk=max(before.risk, risk),
                cuts=before.cuts + 1,
            )
            continue
        opens_sentence = cut.opens_sentence or (before is not None and before.roles == {Role.GREETING})
        units.append(
            Unit(
                cut.text,
                start - len(cut.mark),
                end,
                frozenset({cut.role}),
                weight,
                risk,
                opens_sentence,
                is_dependent=not opens_sentence and _is_dependent(cut.text),
            )
        )
    return units


def _is_dependent(text: str) -> bool:
    """Whether a cut needs the one before it: it gives its reason, or has no subject or verb of its own."""
    return bool(_DEPENDENT.match(text) or _NO_SUBJECT.match(text) or not _HAS_VERB.search(text))


def _is_one(before: Unit, part: Part, is_item: bool) -> bool:
    """Whether a cut that opens no sentence stays and goes with what stands before it; `is_item`: both are of
    one entry of a list.
    """
    if before.roles == {Role.GREETING}:
        return False
    if before.text.endswith(":"):
        return not _HEADING.fullmatch(before.text)
    if is_item or _INVERTED.match(before.text) or _EMBEDDED.match(part.text):
        return True
    opening = before.opens_sentence and before.cuts == 1
    if (opening and _SUBORDINATE.match(before.text)) or _STUMP.search(before.text):
        return True
    bare = LINK.sub("", part.text)
    if _SINCE.match(bare) and not _HAS_VERB.search(bare):
        return True
    return bool(_BOUND.match(bare)) or (
        part.text == bare and len(bare.split()) <= _FEW_WORDS and not _DEPENDENT.match(bare)
    )
