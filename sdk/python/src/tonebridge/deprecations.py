"""Warns of calls that the API is going to remove."""

import sys
import warnings
from collections.abc import Mapping
from pathlib import Path

_PACKAGE = str(Path(__file__).parent)


def warn(method: str, path: str, headers: Mapping[str, str]) -> None:
    """A DeprecationWarning, at the line of the program that called the client, if an answer has the header
    `Deprecation` (RFC 9745).
    """
    if "deprecation" not in headers:
        return
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    until = f", and is removed on {headers['sunset']} at the earliest" if "sunset" in headers else ""
    page = headers.get("link", "docs/deprecation.md")
    message = f"{method} {path.partition('?')[0]} is deprecated{until}: see {page}"
    warnings.warn(message, DeprecationWarning, stacklevel=level)
