"""Hedges for a statement: words of regret or of doubt, each once in a message."""

import re
from typing import NamedTuple

from data.redaction import names
from models.edits.script import Change
from models.edits.soften.draft import Draft, Sentence
from models.edits.soften.words import CUES, FINITE, tables

_SUBJECT_BE = re.compile(
    r"(?!(?:until|before|after|as|since|while|although|though|once|given|for|at|in|on|"
    r"from|with|by|about|not|maybe|perhaps|then|please)\b)"
    r"(?:(?!(?:or|and|but|i|you|we|because|so|who|that|which|what|whoever|if|when|where|"
    r"it|they)\b)[\w'’/#-]+ ){1,6}?"
    r"(?P<be>is|are|was|were|has|have) (?P<next>[a-z]+)\b",
    re.I,
)
_SUBJECT_FAILS = re.compile(
    r"(?:(?!(?:or|and|but|i|you|we|because|so|who|that|which|what|whoever|if|when|where|it|they|please|nobody)\b)"
    r"[\w'/#-]+ ){1,7}?(?P<next>(?:still )?(?:doesn't|don't|didn't|can't|won't|hasn't|haven't"
    r"|isn't|aren't|wasn't|weren't|"
    r"doesnt|dont|didnt|cant|wont|hasnt|havent|isnt|arent|failed|fails|crashes|crashed|broke|breaks|complained))\b",
    re.I,
)
_YOUR_DEED = re.compile(
    r"your (?:team|people|guys|driver|colleagues?|department|office|crew|staff|technician|"
    r"installer|contractor|company|[a-z]+ team) [a-z]+(?:ed|ent|ft|ut|ook|ave|oke|old|"
    r"ade)\b",
    re.I,
)
_I_CANNOT = re.compile(
    r"(?:i|we)(?: just| also| really)? ?(?:can'?t|cannot|don'?t|didn'?t|won'?t|haven'?t|"
    r"couldn'?t|hadn'?t|still|never|have no|had no|'?m not|'?re not|am not|are not|'?ve not|"
    r"'?ve had|had to|lost|missed|got no)\b",
    re.I,
)
# What a fault of others has cost the writer.
_COST = re.compile(
    r"(?:i|we)(?: then| now| again| also| even)? (?:had to|lost|spent|wasted|waited|missed|redid)\b",
    re.I,
)
_NOW = re.compile(
    r"(?:[Nn]ow|[Ss]o now|[Aa]nd now|[Bb]ecause of (?:that|this|you),?) (?=(?:I|i|we|he|she|they"
    r"|everyone|[A-Z]\w+|the \w+(?: \w+)?)"
    r"(?:'ve| have| has| will have| need| needs|'re| are|'m| am| is| look)\b)"
)
_RULE_WORDS = re.compile(r"\b(?:should|must|may|might|would|ought|has to|have to|needs to)\b|\w['’]d\b", re.I)
# "Lars ordered the wrong cable"
_MISTAKE_OF = re.compile(
    r"[A-ZÀ-Ž][\w'-]+ (?:forgot|missed|lost|broke|deleted|ordered|booked|sent|left|skipped|overwrote|didn't"
    r"|never|refused|ignored|failed)\b"
)
_SECOND_SUBJECT = re.compile(r" (?:and|but) (?=(?:you|i|we|they|he|she|it|nobody|the|your)\b)", re.I)
_FIRST_CLAUSE = re.compile(r".{8,}?(?=[,;:]\s| (?:if|whether|what|how|why|so that) |$)", re.S)
_FIRST_WORD = re.compile(r"[\w’']+(?= )")
_YOURS = re.compile(
    r"your [\w' -]{2,40}? (?:is|are|was|were|has|have|had|says?|begins?|starts?|takes?|"
    r"shows?|ends?|contains?|costs?|uses?|[a-z]+ed)\b",
    re.I,
)
# A fact that the writer knows, such as "your claim is rejected", gets regret and no doubt.
_YOUR_STATE = re.compile(r"your [\w' -]{2,40}? (?:is|are|was|were|has been|have been) ", re.I)
_APOSTROPHE = re.compile(r"['’]")
_CLAUSE_LINKS = re.compile(r" (?:and|but|because|so|when|if|since) ")
_MOST_SPACES = 65  # of a message that complains
_NOT_YET = re.compile(r"\b(?:will|can|should|must|would|leaves|arrives)\b", re.I)


class Statement(NamedTuple):
    """A statement whose front may get a hedge."""

    draft: Draft
    sentence: Sentence
    text: str  # the message up to the end of the statement, so that indices are those of the message
    at: int  # where it starts behind a greeting or a name
    begin: int  # where it starts behind empty words such as "honestly"

    @property
    def full(self) -> str:
        """The words of the statement alone."""
        return self.text[self.sentence.start :]

    @property
    def i(self) -> str:
        """The writer, as the message spells it."""
        return self.draft.i

    def add(self, rule: str, level: int, words: str, end: int, kept: str = "") -> None:
        """An edit that puts words and `kept` in place of the front up to `end`."""
        words = self.draft.cap_like(self.sentence, self.at, words)
        self.draft.add(rule, level, Change(self.at, end, words + kept))

    def regret(self) -> str:
        """A word of regret, once in a message."""
        if "unfortunately" in self.draft.hedges:
            return ""
        self.draft.hedges.add("unfortunately")
        return "unfortunately, "


def _first_clause(statement: Statement) -> str:
    """The first clause, or more if that is short."""
    core = statement.text[statement.begin :]
    clause = _FIRST_CLAUSE.match(core)
    return clause.group() if clause else core


def observe(statement: Statement, has_milder: bool) -> bool:
    """A plain statement on what is the reader's, at the start of a message, becomes an observation."""
    head, draft = _first_clause(statement), statement.draft
    if statement.sentence is not draft.sentences[0] or len(draft.sentences) < 2 or has_milder:
        return False
    if CUES.search(head) or not _YOURS.match(head) or _NOT_YET.search(head) or _YOUR_DEED.match(head):
        return False
    kept = statement.text[statement.begin].lower()
    statement.add("noticed", 2, f"{statement.i} noticed that ", statement.begin + 1, kept)
    return True


def hedge(statement: Statement, has_milder: bool) -> bool:
    """A hedge in front of a complaint, or inside it where its first word may be a name.

    A long message rather reports than complains, and there a hedge is out of place.
    """
    draft, head = statement.draft, _first_clause(statement)
    if draft.message.count(" ") > _MOST_SPACES and not has_milder:
        return False
    if draft.is_tense and (now := _NOW.match(statement.text, statement.begin)):
        return _hedge_behind(statement, now.end())
    word = _FIRST_WORD.match(statement.text, statement.begin)
    if word and draft.is_tense and _COST.match(head):
        return _hedge_front(statement, word, 2, has_milder)
    is_complaint = CUES.search(head) or has_milder or _YOUR_DEED.match(head)
    if not is_complaint or not word or not FINITE.search(head):
        return False
    if _RULE_WORDS.search(_SECOND_SUBJECT.split(head)[0]):
        return False
    stem = _APOSTROPHE.split(word.group())[0].lower()
    if stem in {"i", "we"} and not _I_CANNOT.match(statement.text, statement.begin):
        return False
    level = 2 if has_milder or draft.complaints > 0 else 1
    is_name = _MISTAKE_OF.match(statement.text, statement.begin) and bool(names.find(word.group()))
    if stem != "i" and stem not in tables().classes["openers"] and not is_name:
        return _hedge_inside(statement, level)
    return _hedge_front(statement, word, level, has_milder)


def _hedge_front(statement: Statement, word: re.Match[str], level: int, has_milder: bool) -> bool:
    """A hedge in front of the first word, from a level on."""
    draft, first = statement.draft, word.group()
    stem = _APOSTROPHE.split(first)[0].lower()
    is_kept = (stem == "i" and not draft.is_lower) or (
        stem not in tables().classes["openers"] and bool(names.find(first))
    )
    kept = first if is_kept else first[0].lower() + first[1:]
    hedges = _hedges(statement, stem, has_milder)
    if hedges[0].startswith("unfortunately") and level == 1:
        level = 2 if "first" in draft.hedges else 1
        draft.hedges.add("first")
    rule = "hedge_your" if stem == "your" else "hedge"
    for number, words in enumerate(hedges, 1):
        if words and number >= level and (number == level or words != hedges[number - 2]):
            statement.add(rule, number, words, word.end(), kept)
    return any(hedges)


def _hedges(statement: Statement, stem: str, has_milder: bool) -> tuple[str, str, str]:
    """The hedges of the three levels; no two statements of a message get the same."""
    draft, i = statement.draft, statement.i
    if stem == "your" and has_milder:
        draft.hedges.add("afraid")
        return "", f"{i} think ", f"{i}'m afraid "
    if stem == "your" and not _YOUR_STATE.match(statement.text, statement.begin):
        return f"{i} think ", "it looks like ", f"{statement.regret()}it looks like "
    if "afraid" not in draft.hedges:
        draft.hedges.add("afraid")
        that = "" if stem in {"that", "this", "these", "those"} else "that "
        return "unfortunately, ", f"{i}'m afraid ", f"{i}'m afraid {that}"
    if regret := statement.regret():
        return "", regret, regret
    if stem in tables().classes["noticed"] and "noticed" not in draft.hedges:
        draft.hedges.add("noticed")
        return "", "", f"{i} also noticed that "
    return "", "", ""


def _hedge_behind(statement: Statement, at: int) -> bool:
    """ "Now I have to clean up" becomes "now I'm afraid I have to clean up"."""
    draft = statement.draft
    if "afraid" not in draft.hedges:
        draft.hedges.add("afraid")
        draft.add("hedge_now", 2, Change(at, at, f"{draft.i}'m afraid "))
    elif regret := statement.regret():
        draft.add("hedge_now", 2, Change(at, at, regret.replace(",", "")))
    else:
        return False
    return True


def _hedge_inside(statement: Statement, level: int) -> bool:
    """ "Pictures are dark" becomes "Pictures are unfortunately dark"."""
    be = _SUBJECT_BE.match(statement.text, statement.begin)
    if not be:
        return _hedge_failure(statement, level)
    if be.group("be") in {"has", "have"} and be.group("next") not in tables().participles | {"not", "still"}:
        return False
    at = be.start("next")
    clause = _CLAUSE_LINKS.split(statement.text[statement.begin : at + 80])[0]
    if not CUES.search(clause) or any(edit.start == at for edit in statement.draft.edits):
        return False
    if not statement.regret():
        return False
    statement.draft.add("hedge_inside", level, Change(at, at, "unfortunately "))
    return True


def _hedge_failure(statement: Statement, level: int) -> bool:
    """ "Step 3 doesn't work" becomes "Step 3 unfortunately doesn't work"."""
    draft = statement.draft
    match = _SUBJECT_FAILS.match(statement.text, statement.begin)
    if not match or not draft.is_tense or not statement.regret():
        return False
    at = match.start("next")
    return draft.add("hedge_fails", level, Change(at, at, "unfortunately "))


_VIEWED = re.compile(
    r"(?:you (?:had|were|keep|never|always|only|just|still)|"
    r"your [\w' -]{2,40}? (?:had|was|were|did|[a-z]+ed|told|got|left|took|broke|sent|made|turned|used)\b)"
    r"(?: [\w'/-]+){2,}",
    re.I,
)
_MOST_VIEWS = ("as far as {i} can see, ", "from what {i} can see, ")


def hedge_view(statement: Statement) -> bool:
    """Other words about the reader in a harsh message are put as what the writer sees, from level 2 on."""
    draft = statement.draft
    if not draft.is_tense or not _VIEWED.match(statement.text, statement.begin):
        return False
    views = [words for words in _MOST_VIEWS if words not in draft.hedges]
    if not views:
        return False
    draft.hedges.add(views[0])
    level = 4 - len(views)
    kept = statement.text[statement.begin].lower()
    statement.add("view", level, views[0].format(i=statement.i), statement.begin + 1, kept)
    return True
