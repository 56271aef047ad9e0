"""What people write to the bot where that is one text: a command, or a message with how to rewrite it.

No sentence is a command or names a kind: a command is the whole text or has a colon, and a kind is in small
letters and has one.
"""

import re
from enum import StrEnum
from typing import Any, NamedTuple, cast

from data.records import TransformType
from serving.channels.orders import TermAction, TermChange

_INTENSITY = 2  # of whoever names none


class Command(StrEnum):
    """A command, in any case, that is the whole text."""

    HELP = "help"
    STOP = "stop"
    RULES = "rules"
    RULES_ON = "rules on"
    RULES_OFF = "rules off"
    TERMS = "terms"


class Message(NamedTuple):
    """A message to rewrite. Without a kind, a rule may propose one."""

    text: str
    kind: TransformType | None = None
    intensity: int = _INTENSITY

    @property
    def wanted(self) -> dict[str, Any]:
        """Its fields in a question for consent."""
        kind = self.kind or TransformType.SOFTEN
        return {"text": self.text, "transform_type": kind, "intensity": self.intensity}

    @property
    def order(self) -> dict[str, Any]:
        """Its fields in an Order."""
        return {"text": self.text, "kind_is_open": True} if self.kind is None else self.wanted


_KIND = re.compile(rf"({'|'.join(TransformType)})(?: ([0-3]))?[ \t]*[:：]\s*(?=\S)")


_TERMS = re.compile(r"terms (keep|explain|replace|remove)[ \t]*[:：](.*)", re.IGNORECASE | re.DOTALL)
_EQUALS = re.compile("[=＝]")


def read(text: str) -> Command | TermChange | Message:
    """What a text is; help is for an empty one."""
    text = text.strip()
    whole = " ".join(text.lower().split())
    if not whole or whole in set(Command):
        return Command(whole or Command.HELP)
    if match := _TERMS.fullmatch(text):
        action, term = cast(TermAction, match[1].lower()), match[2]
        parts = _EQUALS.split(term, maxsplit=1) if action in ("explain", "replace") else [term]
        return TermChange(action=action, term=parts[0].strip(), wording="".join(parts[1:]).strip())
    if match := _KIND.match(text):
        return Message(text[match.end() :], TransformType(match[1]), int(match[2] or _INTENSITY))
    return Message(text)
