"""A dry run of a rule as the page shows it: the messages for which it would have fired, by which words, and
what their rewrites would have changed.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from markupsafe import Markup, escape

from serving.web import results
from serving.web.choices import Wanted


class TriedMessage(NamedTuple):
    """A message, with the words for which the rule fires marked, and its rewrite with what changed."""

    marked: Markup
    changed: Markup | None


class Trial(NamedTuple):
    """A dry run. `unchecked` are kinds of conditions that count as met."""

    tried: int
    fired: int
    unchecked: Sequence[str]
    messages: Sequence[TriedMessage]


def from_dry_run(answer: Any, rule: Any) -> Trial:
    """The dry run of a rule, as the gateway answers it."""
    wanted = Wanted(rule["transform_type"], str(rule["intensity"]))
    messages = []
    for fired in answer["messages"]:
        text, rewrite = fired["message"], fired["rewrite"]
        changed = results.from_answer(rewrite, text, wanted).marked if rewrite else None
        messages.append(TriedMessage(_mark(text, fired["because"]), changed))
    return Trial(answer["tried"], answer["fired"], answer["unchecked"], messages)


def _mark(text: str, because: Any) -> Markup:
    """A message, escaped, with words in `<mark>`; of words that overlap, those that begin first."""
    places = sorted((words["start"], words["end"]) for condition in because for words in condition["words"])
    pieces, done = [], 0
    for start, end in places:
        if done <= start < end:
            pieces += [escape(text[done:start]), Markup("<mark>{}</mark>").format(text[start:end])]
            done = end
    return Markup("").join([*pieces, escape(text[done:])])
