"""JSON Pointer (RFC 6901): names a value in a JSON document, such as `/comment/body`."""

import re
from typing import Any

PATTERN = r"^(/([^/~\x00]|~[01])*)*$"
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")  # of an array that fits into memory


def resolve(document: Any, pointer: str) -> Any:
    """The value that a valid pointer names; LookupError when the document has none there."""
    value = document
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")  # in this order, as section 4 says
        if isinstance(value, dict):
            value = value[name]
        elif isinstance(value, list) and _INDEX.fullmatch(name):
            value = value[int(name)]
        else:
            raise LookupError(name)
    return value
