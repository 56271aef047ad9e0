"""Greetings and closings: which a summary loses, and which name somebody."""

import re

from data.records import Role
from models.edits.summary.units import Unit

_GENERAL_GREETING = re.compile(
    r"\W*(?:(?:hi|hello|hey|dear|good|morning|afternoon|evening|day|all|everyone|everybody|team|folks"
    r"|colleagues|both|there|again|guys|people|friends|families|parents|residents|members|neighbours|customers)\b\W*)+",
    re.IGNORECASE,
)
_CAPITAL = re.compile(r"\b[A-Z]")
_SIGN_OFF = re.compile(
    r"(?:(?:with\s+)?(?:kind|best|warm|many)\s+(?:regards|wishes|thanks)|all\s+the\s+best|best|regards|cheers"
    r"|thanks(?:\s+a\s+lot)?|thank\s+you|yours(?:\s+\w+)?)[,.!]?\s+(?=(?-i:[A-Z]))",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?:[A-Z][\w'’-]{0,30}[\s,.!]{0,3}){1,4}(?:\([^)]*\))?")
_CLOSES = re.compile(
    r"\W*(?:so\s+)?(?:many\s+|thank|sorry|hope|best|kind|with|warm|regards|cheers|yours|looking|have\s+a"
    r"|enjoy"
    r"|see\s+you|talk\s+to|we\b|i\b|let\b|if\b|please|it\b|that\b|this\b|no\b|good|all\s+the|much)",
    re.IGNORECASE,
)
_LONGEST_SIGNATURE = 5  # words


def is_empty(unit: Unit, is_first: bool) -> bool:
    """Whether a greeting or a closing names nobody; `is_first`: it is the first unit of its message."""
    if unit.roles == {Role.GREETING}:
        if not is_first:  # "bit of a long one, sorry"
            return not _CAPITAL.search(unit.text[1:])
        return bool(_GENERAL_GREETING.fullmatch(unit.text))
    name = sign(unit.text)
    if name == unit.text:
        return len(name.split()) > _LONGEST_SIGNATURE or bool(_CLOSES.match(name))
    return not _NAME.fullmatch(name)


def sign(text: str) -> str:
    """A closing without the words before the name: "Kind regards, Tom" becomes "Tom"."""
    return _SIGN_OFF.sub("", text)
