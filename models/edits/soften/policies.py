"""Rules that a message announces are brought with a word of regret or of notice."""

import re

from models.edits.script import Change
from models.edits.soften.clauses import lead_end
from models.edits.soften.draft import Draft, Sentence
from models.edits.soften.words import FINITE

_WHEN = (
    r"(?:(?:from now on|going forward|with immediate effect|effective immediately)"
    r"|(?:from|as of|as from|starting|effective|beginning)(?: next)? (?:now|today|tomorrow|tonight"
    r"|next week|next month"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day|\d{1,2} [a-z]+|[a-z]+ \d{1,2})(?: on(?:wards)?)?)"
)
_AT_ONCE = r"(?:from now on|with immediate effect|effective immediately)"
_RULE = re.compile(rf"{_AT_ONCE},? (?P<rest>(?!(?:i|we|you|please|can|could|let)\b|i'|we').{{4,200}})", re.I)
_BANS = re.compile(rf"{_WHEN},? (?P<no>no (?!one\b)[^,;:]{{3,80}})$", re.I)
_GOES = re.compile(
    r"\b(?:go|gets?|come|leaves?|stays?|needs?|must|stops|closes|runs|goes|ends|starts|moves|costs|count|uses)\b",
    re.I,
)


def announce_rule(draft: Draft, sentence: Sentence) -> bool:
    """ "From now on late ones go back" gets a word of regret, "From Monday no drinks" a "please"."""
    at, text = lead_end(draft, sentence), draft.message[: sentence.end]
    if not draft.is_tense or "?" in draft.mark(sentence):
        return False
    ban = _BANS.match(text, at)
    if ban and not FINITE.search(text, ban.start("no")):
        draft.requests += 1
        start = ban.start("no")
        draft.add("ban_from", 1, Change(start, start, "please "))
        draft.add("ban_from", 2, Change(start, start, "could we please have "), draft.end_with("?", sentence))
        return True
    rule = _RULE.match(text, at)
    if not rule or not (FINITE.search(rule.group("rest")) or _GOES.search(rule.group("rest"))):
        return False
    kept = text[at].lower()
    for level, words in (
        (1, "please note that "),
        (2, f"{draft.i}'m afraid "),
        (3, f"{draft.i}'m afraid that "),
    ):
        if level > 1 and "afraid" in draft.hedges:
            break
        draft.add("rule_from", level, Change(at, at + 1, draft.cap_like(sentence, at, words) + kept))
    draft.hedges.add("afraid")
    return True
