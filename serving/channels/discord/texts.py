"""Texts in Discord's notation (https://docs.discord.com/developers/reference#message-formatting): as people
read them, and written so that nothing in them is a mention, a link or a format.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

_REFERENCE = re.compile(r"<(?:@!?(?P<person>\d+)|a?:(?P<emoji>\w+):\d+)>")
_SPECIAL = re.compile(r"[\\*_~`|<>@#:\[]")
_ITEM = re.compile(r"^([ \t]*\d*)(?:(?<=\d)(\.)|(?<!\d)([-+]))(?=\s)", re.MULTILINE)  # of a list
_ESCAPED = re.compile(r"\\([^0-9A-Za-z\s])")
_FENCE = "```"


def read(text: str, people: Iterable[Mapping[str, Any]]) -> str:
    """The text as it is read. `people` are the users whom it mentions; who is not among them, roles and
    channels stay in Discord's notation.
    """
    names = {user["id"]: user.get("global_name") or user["username"] for user in people}

    def read_reference(match: re.Match[str]) -> str:
        if match["emoji"]:
            return f":{match['emoji']}:"
        name = names.get(match["person"])
        return match[0] if name is None else f"@{name}"

    return _REFERENCE.sub(read_reference, text)


def escape(text: str) -> str:
    """The text in Markdown. The colon is escaped, too, since addresses and emojis need it."""
    text = _SPECIAL.sub(r"\\\g<0>", text)
    return _ITEM.sub(lambda match: f"{match[1]}\\{match[2] or match[3]}", text)


def unescape(text: str) -> str:
    """What was escaped."""
    return _ESCAPED.sub(r"\1", text)


def write_block(text: str) -> str:
    """The text in a block that Discord shows as it is, with a button to copy it; escaped if it would end the
    block.
    """
    return escape(text) if _FENCE in text else f"{_FENCE}\n{text}\n{_FENCE}"


def mark(text: str, around: str) -> str:
    """The text in a format, such as `**`. Spaces at its ends stay outside, where the format allows none."""
    core = text.strip()
    if not core:
        return escape(text)
    start = text.index(core[0])
    end = start + len(core)
    return f"{escape(text[:start])}{around}{escape(core)}{around}{escape(text[end:])}"
