"""A refusal gets a word of regret."""

import re

from models.edits.script import Change
from models.edits.soften.draft import Draft, Sentence
from models.edits.soften.words import NOT, tables

_NO = re.compile(
    r"(?:no|nope|no way|absolutely not|certainly not|no chance|out of the question|forget it)", re.I
)
_NOT_DOING = re.compile(
    r"(?:no[,.]? )?(?P<who>I|we)(?:'?m| am|'?re| are) (?:not|never)(?: just| simply)? (?P<ing>[a-z-]+ing)\b",
    re.I,
)
_WONT = re.compile(
    r"(?:no[,.]? )?(?P<who>I|we) (?P<wont>won'?t|will not|cannot|can'?t|can not) (?P<verb>[a-z'\"-]+)\b",
    re.I,
)
_NO_BUT = re.compile(
    rf"no,? (?=(?:that|this|it|they|you|there|the)\b[^,]{{1,60}}(?:\b(?:not|no)\b|{NOT}))", re.I
)


def soften_refusal(draft: Draft, sentence: Sentence) -> bool:
    """ "No." and "I'm not doing it" become a refusal with regret."""
    text, at = draft.message[: sentence.end], sentence.start
    if _NO.fullmatch(draft.text(sentence)):
        _add_no(draft, sentence)
        return True
    if match := _NOT_DOING.match(text, at):
        base = tables().base_of_ing.get(match.group("ing").lower())
        if base and base not in {"have", "say", "get", "go"}:
            _add_inability(draft, match, base)
            return True
    if match := _WONT.match(text, at):
        _add_regret(draft, match)
        return True
    if match := _NO_BUT.match(text, at):
        draft.add("no_but", 1, Change(at, match.end(), draft.cap("unfortunately, ")))
        draft.add("no_but", 2, Change(at, match.end(), f"{draft.i}'m afraid "))
        return True
    return False


def _add_no(draft: Draft, sentence: Sentence) -> None:
    ending = [Change(sentence.end, sentence.stop, ".")] if "!" in draft.mark(sentence) else []
    draft.hedges |= {"afraid", "first"}
    draft.add("no", 1, Change(sentence.start, sentence.end, draft.cap("unfortunately not")), *ending)
    draft.add("no", 2, Change(sentence.start, sentence.end, f"{draft.i}'m afraid not"), *ending)


def _add_inability(draft: Draft, match: re.Match[str], base: str) -> None:
    """ "I'm not doing it" becomes "I won't be able to do it"."""
    words = f"{_who(match)} won't be able to {base}"
    for level, regret in enumerate(("", *_regret(draft)), 1):
        rule = "refusal_regret" if regret else "refusal"
        draft.add(rule, level, Change(match.start(), match.end(), draft.cap(regret + words)))


def _add_regret(draft: Draft, match: re.Match[str]) -> None:
    """ "I won't do it" gets a word of regret, and becomes "I won't be able to do it" at level 3."""
    who, wont, start = _who(match), match.group("wont").lower(), match.start()
    regret, strong_regret = _regret(draft)
    if "first" not in draft.hedges:
        draft.hedges.add("first")
        words = f"{draft.cap('unfortunately, ')}{who} "
        draft.add("wont", 1, Change(start, match.start("wont"), words))
    draft.add("wont", 2, Change(start, match.start("wont"), draft.cap(f"{regret}{who} ")))
    if match.group("verb").lower() in tables().classes["no_ability"]:
        return
    able = "won't be" if wont in {"won't", "wont", "will not"} else "are not" if who == "we" else "am not"
    words = draft.cap(f"{strong_regret}{who} {able} able to")
    draft.add("wont_able", 3, Change(start, match.end("wont"), words))


def _who(match: re.Match[str]) -> str:
    return "we" if match.group("who").lower() == "we" else match.group("who")


def _regret(draft: Draft) -> tuple[str, str]:
    """A hedge for level 2 and one for level 3 that no other sentence has."""
    if "afraid" in draft.hedges:
        draft.hedges.add("unfortunately")
        return "unfortunately, ", "unfortunately, "
    draft.hedges.add("afraid")
    return f"{draft.i}'m afraid ", f"{draft.i}'m afraid that "
