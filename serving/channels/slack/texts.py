"""The text of a message as people read it, from Slack's notation for links, mentions and special characters:
https://docs.slack.dev/messaging/formatting-message-text.
"""

import re

_REFERENCE = re.compile(r"<([^<>|\s]+)(?:\|([^<>]*))?>")
_ESCAPED = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))


def read(text: str) -> str:
    """The text as it is read. The mention of a person stays in Slack's notation if it has no name."""
    text = _REFERENCE.sub(_read_reference, text)
    for escaped, character in _ESCAPED:
        text = text.replace(escaped, character)
    return text


def _read_reference(match: re.Match[str]) -> str:
    target, label = match[1], match[2]
    if target[0] in "@#":
        return f"{target[0]}{label}" if label else match[0]
    if target[0] == "!":  # <!here>, <!subteam^S1|@team>
        return f"@{(label or target[1:]).lstrip('@')}"
    if not label:
        return target
    return label if label in target else f"{label} ({target})"
