"""Statements that blame, threaten or complain get a hedge."""

import re
from itertools import islice

from models.edits.script import Change, Edit
from models.edits.soften.clauses import lead_end
from models.edits.soften.draft import Draft, Sentence
from models.edits.soften.hedges import Statement, hedge, hedge_view, observe
from models.edits.soften.threats import soften_threat
from models.edits.soften.words import CUES, POSITIVE, tables

_YOU_DID = re.compile(
    r"you(?: guys| all| people)? (?P<adverb>(?:also|still|just|even|always|never|"
    r"constantly|often|again|now|both|clearly|obviously|only) )?(?P<verb>[a-z']+)\b",
    re.I,
)
_SHOULD_HAVE = re.compile(r"you should(?P<not> not|n't)? have (?P<pp>[a-z]+)\b", re.I)
_NEVER = re.compile(r"(?P<who>you|nobody|no one|they|he|she) (?P<never>never )?(?P<verb>[a-z]+)\b", re.I)
_EMPTY_LEAD = re.compile(
    r"(?:honestly|frankly|seriously|obviously|clearly|look|listen|sorry but|with all due respect),? ", re.I
)
_IF_SHOULD_HAVE = re.compile(
    r"if [^,.;:!?\n]{4,90}, (?P<should>you should(?P<not> not|n't)? have) (?P<pp>[a-z]+)\b", re.I
)
_YOU_HAVE = re.compile(r"you(?:'ve|’ve| have) (?:not |never |just )?(?P<pp>[a-z]+)\b", re.I)
_SUCCESS = re.compile(r"\b(?:won|earned|helped|improved)\b", re.I)
_BAN_WORDS = re.compile(r"\b(?:except|but|unless|until|before|without|from now|anymore)\b", re.I)
_BAN_WORDS_NOW = re.compile(
    r"\b(?:except|but|unless|until|before|without|from now|anymore|again|today|now)\b", re.I
)
_YOU_INSIDE = re.compile(
    r"(?P<lead>(?:,|;) (?:and |but )?(?:now |then )?| (?:and|but|because) (?:now |"
    r"then )?)(?=(?P<you>you(?:'ve|’ve)?) (?:also |still |just )?(?P<verb>[a-z']+)\b)",
    re.I,
)


_CONDITION = re.compile(r"(?:if|when|unless|you)\b", re.I)
_IS_BOUND = re.compile(r"\b(?:if|when|once|unless|until|what|that|who|which|how|why|as|where)\b[^,]*$", re.I)
_NOT_OPTIONAL = re.compile(r"\bnot optional\b", re.I)
_AGAINST = re.compile(
    r"\b(?:anyway|without (?:[a-z]+ing|a word)|before (?:I|we) (?:had|could|was|were))\b", re.I
)
_MOST_PLACES = 6  # of a sentence are tried


def hedge_blame_inside(draft: Draft, sentence: Sentence) -> bool:
    """A hedge for blame in a later clause: "and you deleted it", "and it looks like you deleted it"."""
    text = draft.text(sentence)
    if draft.is_friendly or "inside" in draft.hedges or "?" in draft.mark(sentence):
        return False
    if _CONDITION.match(text):
        return False
    for match in islice(_YOU_INSIDE.finditer(text), _MOST_PLACES):
        before = text[max(0, match.start() - 100) : match.start()]
        if _blames(match) and not _IS_BOUND.search(before):
            at = sentence.start + match.end("lead")
            draft.hedges.add("inside")
            return draft.add("you_did_inside", 2, Change(at, at, "it looks like "))
    return False


def _blames(match: re.Match[str]) -> bool:
    """Whether "you" and a verb say that the reader has done something."""
    words, verb = tables(), match.group("verb").lower()
    rest = match.string[match.end() : match.end() + 120]
    if verb == "did" and rest.startswith(" not "):
        return True
    if verb in words.classes["same_past"] - {"let"} and _AGAINST.search(rest):
        return True
    if verb in words.classes["told"] or verb in words.classes["neutral"]:
        return False
    if match.group("you").lower() != "you":
        return verb in words.participles or verb.endswith("ed")
    is_past = verb in words.pasts and verb not in words.past
    return (
        is_past
        or verb.endswith("ed")
        or verb in {"haven't", "didn't", "keep", "weren't", "ignored", "forgot"}
    )


_SHOULD_HAVE_INSIDE = re.compile(
    r"(?P<lead>,? (?:and|but) |, |; )you (?:really )?should(?P<not> not|n'?t)? have (?=(?P<pp>[a-z]+)\b)",
    re.I,
)


def soften_should_have_inside(draft: Draft, sentence: Sentence) -> bool:
    """ "It is wrong and you should have checked it" says that it would have helped if you had checked it."""
    match = _SHOULD_HAVE_INSIDE.search(draft.message[: sentence.end], sentence.start)
    if not match or "?" in draft.mark(sentence) or match.group("pp").lower() not in tables().participles:
        return False
    new = f"it would have helped if you had {'not ' if match.group('not') else ''}"
    return draft.add("should_have_inside", 1, Change(match.end("lead"), match.end(), new))


def hedge_complaint(draft: Draft, sentence: Sentence, has_milder: bool) -> bool:
    """A statement that blames or complains gets a hedge."""
    full = draft.text(sentence)
    if "?" in draft.mark(sentence) or len(full) < 8 or full.endswith(":"):
        return False
    if draft.is_friendly or _NOT_OPTIONAL.search(full):
        return False
    text, at = draft.message[: sentence.end], lead_end(draft, sentence)
    lead = _EMPTY_LEAD.match(text, at)
    statement = Statement(draft, sentence, text, at, lead.end() if lead else at)
    is_positive = POSITIVE.search(full) is not None
    if soften_threat(statement, is_positive):
        return True
    if is_positive:
        return False
    for edit in draft.edits:
        is_in_front = sentence.start <= edit.start <= statement.begin + 2 and edit.end > statement.begin
        if is_in_front and edit.level == 1:
            return _hedge_milder(draft, sentence, edit)
    if _soften_should_have(statement):
        return True
    for hedge_blame in (_hedge_nobody, _hedge_you):
        is_hedged = hedge_blame(statement)
        if is_hedged is not None:
            return is_hedged or hedge_view(statement)
    return observe(statement, has_milder) or hedge(statement, has_milder) or hedge_view(statement)


def _hedge_milder(draft: Draft, sentence: Sentence, edit: Edit) -> bool:
    """A hedge in front of milder words that start with "you", since two edits cannot start at one place."""
    change = edit.changes[0]
    if len(edit.changes) > 1 or change.start != sentence.start:
        return False
    following = draft.message[change.end : sentence.end].split(maxsplit=1)
    is_you = change.text.lower() == "you" and following[:1] and following[0] in tables().classes["you_finite"]
    if not is_you and not change.text.lower().startswith("you "):
        return False
    words = draft.cap("it looks like ") + change.text[0].lower() + change.text[1:]
    draft.add("you_milder", 2, change._replace(text=words))
    return True


def _soften_should_have(statement: Statement) -> bool:
    """ "You should have told us" becomes "It would have helped if you had told us"."""
    match = _SHOULD_HAVE.match(statement.text, statement.begin)
    if match:
        new = f"it would have helped if you had {'not ' if match.group('not') else ''}"
        statement.add("should_have", 1, new, match.start("pp"))
        statement.add("should_have", 2, f"{statement.i} think {new}", match.start("pp"))
        statement.add("should_have", 3, f"{statement.i} believe that {new}", match.start("pp"))
        return True
    match = _IF_SHOULD_HAVE.match(statement.text, statement.begin)
    if match:
        new = f"it would have helped if you had{' not' if match.group('not') else ''}"
        statement.draft.add("should_have", 1, Change(match.start("should"), match.end("should"), new))
    return bool(match)


def _hedge_nobody(statement: Statement) -> bool | None:
    """ "Nobody told me" and "you never told me" get a hedge. None if it is no such statement."""
    text, draft, words = statement.text, statement.draft, tables()
    match = _NEVER.match(text, statement.begin)
    if not match or (not match.group("never") and match.group("who").lower() not in {"nobody", "no one"}):
        return None
    verb, who = match.group("verb").lower(), match.group("who").lower()
    is_past = verb in words.pasts or verb.endswith("ed") or verb in {"was", "were", "knew"}
    is_present = not match.group("never") and (
        verb in words.thirds or verb in words.classes["nobody_present"]
    )
    if verb in {"has", "needs", "had"} and text[match.end() :].startswith(" to "):
        return False
    if is_past and _BAN_WORDS.search(statement.full):
        return False
    if is_present and (verb not in words.classes["observed"] or _BAN_WORDS_NOW.search(statement.full)):
        return False
    if not is_past and not is_present:
        return None if match.group("never") else False
    start = match.start("verb")
    if is_present or match.group("never"):
        subject = {"nobody": "anybody", "no one": "anyone"}.get(who, who)
        new = f"{statement.i} don't think {subject} "
        statement.add("nobody_does", 1, new, start)
        if regret := statement.regret():
            statement.add("nobody_does", 2, regret + new, start)
        return True
    kept = text[statement.begin].lower() + text[statement.begin + 1 : start]
    statement.add("nobody_did", 1, "unfortunately, ", start, kept)
    # The writer knows whether somebody came to them.
    doubt = "" if _TO_WRITER.search(text, start, start + 24) else "it looks like "
    afraid = "unfortunately, " if "afraid" in draft.hedges else f"{statement.i}'m afraid "
    statement.add("nobody_did", 2, doubt or afraid, start, kept)
    statement.add("nobody_did", 3, f"{statement.i}'m afraid {doubt}" if doubt else afraid, start, kept)
    draft.hedges.add("afraid")
    return True


_TO_WRITER = re.compile(r"(?:came|come|rang|called|showed up|turned up|[a-z]+ (?:me|us))\b", re.I)
_SOFT_DEEDS = {"forgot": "may have forgotten", "missed": "may have missed"}


_NO_PAST = frozenset({"can't", "cannot", "aren't", "are", "won't", "shouldn't"})
_TOLD_WRITER = re.compile(r" (?:me|us)\b")


def _hedge_you(statement: Statement) -> bool | None:
    """ "You deleted it" gets a hedge. None if other hedges may suit the statement."""
    text, begin = statement.text, statement.begin
    match = _YOU_HAVE.match(text, begin)
    participle = match.group("pp").lower() if match else ""
    is_deed = participle in tables().participles or participle.endswith("ed")
    if match and is_deed and not _SUCCESS.search(statement.full):
        kept = f"you{text[begin + 3]}"
        statement.add("you_have", 2, "it looks like ", begin + 4, kept)
        statement.add("you_have", 3, f"{statement.regret()}it looks like ", begin + 4, kept)
        return True
    match = _YOU_DID.match(text, begin)
    if not match or match.group("verb").lower() in _NO_PAST:
        return None
    verb = match.group("verb").lower()
    if not _is_deed(match, bool(CUES.search(statement.full) or _AGAINST.search(statement.full))):
        return _hedge_neutral_deed(statement, match)
    if verb == "told" and _TOLD_WRITER.match(text[match.end() :]):
        return False
    end, kept = begin + 1, text[begin].lower()
    if verb in _SOFT_DEEDS:
        end, kept = match.end("verb"), f"you{text[begin + 3 : match.start('verb')]}{_SOFT_DEEDS[verb]}"
    statement.add("you_did", 1, f"{statement.i} think ", end, kept)
    statement.add("you_did", 2, "it looks like ", end, kept)
    statement.add("you_did", 3, f"{statement.regret()}it looks like ", end, kept)
    return True


_NO_BLAME = frozenset({"signed", "accepted", "registered"})


def _hedge_neutral_deed(statement: Statement, match: re.Match[str]) -> bool:
    """ "You gave him admin rights" blames in a harsh message, and gets a hedge at level 2."""
    words, draft, begin = tables(), statement.draft, statement.begin
    verb = match.group("verb").lower()
    may_be_blame = verb in words.classes["neutral"] | words.classes["same_past"] - {"let"}
    if (
        not draft.is_tense
        or not may_be_blame
        or verb in _NO_BLAME
        or verb not in words.pasts
        or "neutral" in draft.hedges
    ):
        return False
    draft.hedges.add("neutral")
    kept = statement.text[begin].lower()
    statement.add("you_did_neutral", 2, "it looks like ", begin + 1, kept)
    return True


def _is_deed(match: re.Match[str], has_cue: bool) -> bool:
    """Whether "you" and a verb say what the reader did; a complaint decides where that is unclear."""
    words, classes = tables(), tables().classes
    verb, adverb = match.group("verb").lower(), (match.group("adverb") or "").strip().lower()
    is_finite = (
        (verb in words.pasts and (verb not in classes["same_past"] or has_cue))
        or verb.endswith("ed")
        or verb in classes["you_finite"]
        or (adverb in {"always", "never", "constantly", "often"} and verb in words.past)
    )
    is_neutral = verb in classes["neutral"] or verb in {"had", "were"}
    return is_finite and (not is_neutral or has_cue) and verb not in classes["you_said"]
