"""Reasons in the reader's language. They are stored as English sentences when a look or a decision is made
(`experiments.analysis`): here they are recognised and said again. What a person wrote stays as it is.
"""

import re
from functools import cache

from markupsafe import Markup, escape

from serving.dashboard.words import Words, contained

_SIDE_BY_SIDE = (
    "Side by side, %(people)s people chose the challenger %(wins)s times of %(decided)s: %(rate)s, between"
    " %(low)s and %(high)s at %(level)s confidence"
)
_ABOVE = ", and above %(above)s at the %(asked)s that shipping asks for"
_DIFFERS = "differs by %(difference)s, between %(low)s and %(high)s at %(level)s confidence"
_TOLD = "%(of_b)s of %(all_b)s users of the challenger told, %(of_a)s of %(all_a)s of the baseline"
REASONS = (
    "People prefer the champion, so the challenger is withdrawn.",
    "Assignment or recording is broken: find the fault before shipping.",
    "Users fare worse by more than the margin of %(margin)s.",
    "Users fare worse beyond the margin in %(metrics)s.",
    "The arms' users do not vote equally often: voters do not speak for all.",
    "People prefer the challenger; %(days)s of at least %(least)s days are over.",
    "People prefer the challenger, and its users show no harm beyond the margin.",
    "%(count)s comparisons, the maximum, settle nothing.",
    "%(days)s days, the maximum, settle nothing.",
    "The comparisons do not settle it yet.",
    "Side by side: no decided vote yet, %(ties)s ties.",
    f"{_SIDE_BY_SIDE} (%(ties)s ties).",
    f"{_SIDE_BY_SIDE} (%(ties)s ties; %(needed)s votes are needed).",
    f"{_SIDE_BY_SIDE}{_ABOVE} (%(ties)s ties).",
    f"{_SIDE_BY_SIDE}{_ABOVE} (%(ties)s ties; %(needed)s votes are needed).",
    f"Between users, nothing to compare yet: {_TOLD}.",
    f"Between users, %(verdict)s: %(metric)s {_DIFFERS} ({_TOLD}).",
    f"Between users, %(verdict)s: %(metric)s {_DIFFERS} ({_TOLD}; %(needed)s in each arm are needed).",
    "The shares of users who voted differ by %(difference)s, between %(low)s and %(high)s at %(level)s"
    " confidence; the limit is %(limit)s.",
    f"%(metric)s {_DIFFERS}.",
    f"%(metric)s {_DIFFERS}; the margin is %(margin)s.",
    "Users fell on baseline and challenger as planned: %(a)s to %(b)s, p = %(p)s, limit %(limit)s.",
    "Users fell on baseline and challenger not as planned: %(a)s to %(b)s, p = %(p)s, limit %(limit)s.",
    "%(count)s users later saw the other variant too.",
    "%(count)s users later saw the other variant too, more than is healthy.",
    "Before they came, the arms' users voted differently: p = %(p)s.",
    "%(challenger)s passed the gate",
    "%(share)s of the users for %(hours)s hours or more, and nothing shows harm",
)
VERDICTS = ("better", "worse", "no clear difference", "too few users")
_IN_WORDS = {
    "metric": r"[a-z][a-z0-9_]*",
    "metrics": r"[a-z][a-z0-9_ ]*",
    "verdict": "|".join(VERDICTS),
    "challenger": r"[a-z0-9][a-z0-9._-]*",
}
_NUMBER = r"[+-]?[0-9][0-9.,e+-]*%?"


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    """What recognises each sentence, with its values; one that goes on longer first."""

    def group(match: re.Match[str]) -> str:
        return f"(?P<{match[1]}>{_IN_WORDS.get(match[1], _NUMBER)})"

    found = {}
    for sentence in sorted(REASONS, key=len, reverse=True):
        literal = re.escape(sentence).replace("%\\(", "%(").replace("\\)s", ")s")
        found[sentence] = re.compile(re.sub(r"%\((\w+)\)s", group, literal) + r"(?= |$)")
    return found


def retold(words: Words, text: str) -> Markup:
    """A reason, or several after one another, in the reader's language; the rest is marked as English."""
    text = contained(text)
    if words.language == "en":
        return escape(text)
    told, at = [], 0
    while at < len(text):
        for sentence, pattern in _patterns().items():
            if match := pattern.match(text, at):
                values = {
                    name: words.say(value.replace("_", " ")) if name in _IN_WORDS else value
                    for name, value in match.groupdict().items()
                }
                told.append(escape(words.say(sentence, **values) if values else words.say(sentence)))
                at = match.end() + 1
                break
        else:
            told.append(Markup('<span lang="en">{}</span>').format(text[at:]))
            break
    return Markup(" ").join(told)
