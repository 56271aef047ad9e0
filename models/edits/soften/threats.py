"""Threats and ultimatums become regretted necessities: "or I'll escalate" is "or I will have to escalate"."""

import re

from models.edits.script import Change
from models.edits.soften.draft import Draft, Sentence
from models.edits.soften.hedges import Statement
from models.edits.soften.words import NOT, tables

_WILL = re.compile(
    r"(?P<who>I|we)(?:(?:'ll|(?:'?m|'?re| am| are) (?:going to(?! (?:your|the|my|our|an?|him|her"
    r"|them|hr|legal)\b)|gonna)| will)"
    r" (?P<base>[a-z]+)|(?:'m|m| am|'re| are) (?P<ing>[a-z]+ing)| (?P<present>[a-z]+))\b",
    re.I,
)
_WONT = re.compile(
    r"(?P<who>I|we)(?: (?:won'?t|will not) (?P<base>[a-z]+)|(?:'m|m| am|'re"
    r"| are) not (?P<ing>[a-z]+ing))\b",
    re.I,
)


_NO_DEEDS = frozenset({"say", "wait", "want", "mind", "expect"})


def have_to(text: str, at: int, i: str) -> tuple[str, int] | None:
    """Milder words for what the writer threatens to do at `at`, and where they end; None for no threat."""
    words = tables()
    for pattern, necessity in ((_WONT, "won't be able to"), (_WILL, "will have to")):
        match = pattern.match(text, at)
        if not match:
            continue
        forms = match.groupdict()
        base = (
            forms["base"] or words.base_of_ing.get((forms["ing"] or "").lower()) or forms.get("present") or ""
        )
        base = base.lower()
        is_deed = base in words.classes["threats"] or (pattern is _WONT and base in words.past)
        if base in _NO_DEEDS:
            continue
        if is_deed and (pattern is _WILL or base not in words.classes["no_ability"]):
            who = "we" if match.group("who").lower() == "we" else i
            return f"{who} {necessity} {base}", match.end()
    return None


_ULTIMATUM = re.compile(
    r",? (?:or else|or|otherwise),? (?=(?:I|we|you|it)\b)|(?:,| -| –|:"
    r"| and)(?: and)? next time,? (?=(?:I|we|you)\b)"
    r"|(?:,|;| -| –| and| but) (?=(?:I|we)(?:'?m|'re| am| are) not [a-z]+ing\b|(?:I|we) (?:won'?t"
    r"|will not) )",
    re.I,
)
_YOU_LOSE = re.compile(r"you(?:'ll| will)? (?:lose|pay|get|go|are|wait|can)\b", re.I)


def soften_ultimatum(draft: Draft, sentence: Sentence) -> None:
    """ "Fix it or I'll escalate" becomes "... or I will have to escalate"."""
    text = draft.message[: sentence.end]
    match = _ULTIMATUM.search(text, sentence.start)
    if not match or "?" in draft.mark(sentence) or draft.is_friendly:
        return
    if milder := have_to(text, match.end(), draft.i):
        words, end = milder
        draft.add("ultimatum", 1, Change(match.end(), end, words))
        draft.add("ultimatum", 2, Change(match.end(), end, _afraid(draft) + words))
    elif _YOU_LOSE.match(text, match.end()):
        draft.add("ultimatum_you", 1, Change(match.end(), match.end(), "unfortunately "))
        draft.add("ultimatum_you", 2, Change(match.end(), match.end(), f"{draft.i}'m afraid "))


_NO_THREAT = re.compile(r"(?:i|we) (?:assume|think|guess|suppose|want|need|would)\b|(?:i|we)'d\b", re.I)
_NEXT_TIME = re.compile(
    r"(?P<lead>(?:next time|otherwise|or else),? )(?=(?:i|we|it|you|they)(?:'ll|'m|'re| will| goes"
    r"| go| gets?| pays?"
    r"| lose| am| are| won't| can't| have to)\b)",
    re.I,
)
_IS_ORDER = re.compile(r"(?:you|we) (?:should|must|need|have|can|could)\b", re.I)
_CONDITION = (
    r"if (?![^,]{0,90}\b(?:suits? |works? for |mind\b|like\b))"
    rf"(?=[^,]{{0,90}}(?:{NOT}|not|late|again|once more|another|nobody(?:'s| is)|miss|fail|\bno ))"
    r"[^,.;:!?\n]{4,90}?"
)
_THREAT = re.compile(
    rf"{_CONDITION}, (?:then )?(?=(?:i|we|you|it|they|this|that|the \w+|i'?m|i'?ll|we'?ll|you'?ll)\b)", re.I
)
_THREAT_WITHOUT_COMMA = re.compile(rf"{_CONDITION} (?:then )?(?=(?:i|we)(?:'?ll|'?m|'re| )\b)", re.I)
# "If you're late tomorrow you're not sailing."
_WARNING = re.compile(
    r"if you(?: |'re |re )[^,.;:!?\n]{4,90}?,? (?=you(?:'re|re| are|'ll| will) (?:not|out|off"
    r"|on your own|going|gone)\b"
    r"|you (?:won't|wont|will not|can|lose|pay|stay|go|don't get)\b)",
    re.I,
)
# "If I see one more of them without a helmet, they're off the site."
_IF_SEEN = re.compile(
    r"if (?:I|we) (?:see|hear|find|catch|get)\b[^,.;:!?\n]{4,90}?,? (?:then )?"
    r"(?=(?:you|they|he|she|we|it|(?:your|his|her|their) [a-z]+)(?:'?re|'s| are| is|'ll| will) "
    r"(?:out|off|gone|done|finished|over|going|"
    r"staying|not)\b)",
    re.I,
)


_IF_AGAIN = re.compile(
    r"(?:(?:do|try) (?:it|that|this) (?:again|once more|one more time)|once more|one more time"
    r"|(?:just )?one more (?:word|time|mistake|complaint|incident|late \w+)),? and ",
    re.I,
)


def soften_threat(statement: Statement, is_positive: bool) -> bool:
    """What happens if or next time becomes a necessity, with a word of regret.

    In a positive statement only what is surely a threat does.
    """
    text, begin = statement.text, statement.begin
    if match := _THREAT.match(text, begin):
        return _regret_result(statement, match.end(), is_certain=not is_positive)
    if match := _WARNING.match(text, begin):
        return _regret_result(statement, match.end(), is_certain=True)
    if match := _IF_SEEN.match(text, begin):
        return _regret_result(statement, match.end(), is_certain=True)
    if match := _THREAT_WITHOUT_COMMA.match(text, begin):
        return _regret_result(statement, match.end(), is_certain=False)
    if match := _IF_AGAIN.match(text, begin):
        return _soften_if_again(statement, match.end())
    match = _NEXT_TIME.match(text, begin)
    if match and not _IS_ORDER.match(text, match.end()):
        return _regret_result(statement, match.end("lead"), is_certain=True)
    return False


def _regret_result(statement: Statement, at: int, is_certain: bool) -> bool:
    draft, text = statement.draft, statement.text
    if milder := have_to(text, at, draft.i):
        words, end = milder
        draft.add("threat_have_to", 1, Change(at, end, words))
        draft.add("threat_have_to", 2, Change(at, end, _afraid(draft) + words))
        return True
    if not is_certain or _NO_THREAT.match(text, at):
        return False
    draft.add("threat", 1, Change(at, at, "unfortunately "))
    draft.add("threat", 2, Change(at, at, f"{draft.i}'m afraid "))
    return True


def _soften_if_again(statement: Statement, at: int) -> bool:
    """ "Do it again and I report it" becomes "if this happens again, I will have to report it"."""
    words, end = have_to(statement.text, at, statement.i) or ("", at)
    statement.add("if_again", 1, "if this happens again, ", end, words)
    statement.add("if_again", 2, f"if this happens again, {_afraid(statement.draft)}", end, words)
    return True


def _afraid(draft: Draft) -> str:
    """A word of regret inside a sentence, once in a message."""
    if "afraid" in draft.hedges:
        return ""
    draft.hedges.add("afraid")
    return f"{draft.i}'m afraid "
