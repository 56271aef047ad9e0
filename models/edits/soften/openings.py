"""Fixed fronts of blame become whole and hedged sentences, and empty ends go."""

import re
from collections.abc import Callable

from models.edits.script import Change
from models.edits.soften import verbless
from models.edits.soften.clauses import lead_end
from models.edits.soften.draft import Draft, Sentence
from models.edits.soften.imperatives import find_order
from models.edits.soften.words import FINITE, POSITIVE, is_verb


def soften_opening(draft: Draft, sentence: Sentence) -> bool:
    """A complaint without a verb, or a fixed front of blame, becomes a whole and hedged sentence."""
    sentence = sentence._replace(start=lead_end(draft, sentence))
    if sentence.start >= sentence.end:
        return False
    if "?" not in draft.mark(sentence) and _mention(draft, sentence):
        return True
    if POSITIVE.search(draft.text(sentence)):
        return False
    if "?" in draft.mark(sentence):
        return _ask_when(draft, sentence)
    rules: tuple[Callable[[Draft, Sentence], bool], ...] = (
        verbless.complete,
        _wait_for_answer,
        _hope,
        _wonder,
        _again,
    )
    return any(rule(draft, sentence) for rule in rules)


_NO_ANSWER = re.compile(
    r"(?P<who>I|we) (?:still )?(?:haven't|have not|haven’t) (?:got|gotten|had|received) (?:an?|any) "
    r"(?P<what>answer|reply|response|feedback) from you\b(?! (?:for|since|in|within|yet))",
    re.I,
)


def _wait_for_answer(draft: Draft, sentence: Sentence) -> bool:
    """ "I still haven't got an answer from you" becomes "I'm still waiting for your answer"."""
    match = _NO_ANSWER.match(draft.text(sentence))
    if not match:
        return False
    draft.edits = [
        edit for edit in draft.edits if not sentence.start <= edit.start < sentence.start + match.end()
    ]
    end = sentence.start + match.end()
    who = "we're" if match.group("who").lower() == "we" else f"{draft.i}'m"
    words = f"{who} still waiting for your {match.group('what').lower()}"
    for level, hedge in enumerate(("", f"{draft.i}'m afraid ", f"{draft.i}'m afraid that "), 1):
        text = draft.cap_like(sentence, sentence.start, hedge + words)
        draft.add("waiting", level, Change(sentence.start, end, text))
    draft.hedges |= {"afraid", "first"}
    return True


_EXPECTED = re.compile(
    r"I (?:would|'d|’d) have expected |I(?:'d|’d) have expected ",
    re.I,
)
_WHOM = re.compile(r"(?P<whom>[\w'’-]+(?: (?!to )[\w'’-]+){0,7}) to (?P<verb>[a-z]+)\b", re.I)
_HOPED_FOR = re.compile(r"(?:an?|the|some|more|better|at least) ", re.I)
_ME = {"me": "I", "us": "we", "him": "he", "her": "she", "them": "they"}


def _hope(draft: Draft, sentence: Sentence) -> bool:
    """ "I would have expected you to call" becomes "I had hoped that you would call"."""
    text, start = draft.text(sentence), sentence.start
    front = _EXPECTED.match(text)
    if not front:
        return False
    whom = _WHOM.match(text, front.end())
    is_whom = whom and is_verb(whom.group("verb").lower()) and not FINITE.search(whom.group("whom"))
    if whom and is_whom:
        who = _ME.get(whom.group("whom").lower(), whom.group("whom"))
        end, words = whom.start("verb"), f"{draft.i} had hoped that {who} would "
        if who.lower() in {"at least", "more", "better", "that"}:
            return False
    elif text[front.end() :].lower().startswith("that "):
        end, words = front.end(), f"{draft.i} had hoped "
    elif _HOPED_FOR.match(text, front.end()) or text[front.end() :].lower() in {"more", "better"}:
        end, words = front.end(), f"{draft.i} had hoped for "
    else:
        return False
    draft.add("had_hoped", 1, Change(start, start + end, words))
    return True


_WHY_NOBODY = re.compile(
    r"(?:with all due respect, )?it(?:'s| is) (?:hard|difficult|impossible) to (?:understand|see|believe) "
    r"why "
    r"(?P<who>nobody|no one)(?P<where> (?:at|in|on|from) (?:your|the) \w+)? "
    r"(?P<verb>manages|bothers|is able|is willing) to (?=[a-z])",
    re.I,
)
_RESPECT = re.compile(r"with all due respect,? ", re.I)


def _wonder(draft: Draft, sentence: Sentence) -> bool:
    """ "It is hard to understand why nobody manages to ..." asks without contempt."""
    match = _WHY_NOBODY.match(draft.text(sentence))
    if not match:
        return False
    where = match.group("where") or ""
    words = f"{draft.i} don't understand why {match.group('who').lower()}{where} has been able to "
    return verbless.add_hedged(draft, sentence, "why_nobody", sentence.start + match.end(), words)


_AGAIN = re.compile(r"(?P<front>it's|it is|this is) (?:on|in|at) [^,;:]{2,40} again", re.I)


def _again(draft: Draft, sentence: Sentence) -> bool:
    """ "It's on the flyer again" gets a hedge where the sentence before it blames."""
    match = _AGAIN.fullmatch(draft.text(sentence))
    before = [edit for edit in draft.edits if edit.rule in _BLAMES]
    if not match or not before or "afraid" in draft.hedges:
        return False
    front = match.group("front").lower()
    draft.hedges.add("afraid")
    for level, hedge in ((2, f"{draft.i}'m afraid "), (3, f"{draft.i}'m afraid that ")):
        end = sentence.start + len(front)
        draft.add(
            "again",
            level,
            Change(sentence.start, end, draft.cap_like(sentence, sentence.start, hedge + front)),
        )
    return True


_BLAMES = frozenset({"soften.told_times", "soften.phrase", "soften.predicate", "soften.you_did"})

_EVER = re.compile(
    r"(?:(?:is|are) (?P<who>this|it|that|they|you|the \w+|your \w+) ever going to"
    r"|will (?P<whom>this|it|that|they|you|the \w+|your \w+) ever) "
    r"(?=(?:happen|arrive|come|finish|end|reply|answer|respond|deliver|pay|fix|send|work|be (?:fixed|done|"
    r"finished|resolved|repaired|delivered|answered|sent|paid|updated|cleaned|ready)|get (?:fixed|done|"
    r"finished|paid|repaired|an? (?:answer|reply)))\b)",
    re.I,
)


def _ask_when(draft: Draft, sentence: Sentence) -> bool:
    """ "Is this ever going to happen?" becomes "Do you know when this will happen?"."""
    text, start = draft.text(sentence), sentence.start
    match = _EVER.match(text)
    if not match:
        return False
    who, end = (match.group("who") or match.group("whom")).lower(), start + match.end()
    if "the " in who or "your " in who:
        who = who[: who.index(" ")] + (match.group("who") or match.group("whom"))[who.index(" ") :]
    first = "could you tell me when" if who == "you" else "do you know when"
    second = "could you please tell me when" if who == "you" else "could you tell me when"
    for level, words in enumerate((first, second, "could you please let me know when"), 1):
        draft.add(
            "when_ever", level, Change(start, end, draft.cap_like(sentence, start, f"{words} {who} will "))
        )
    draft.requests += 1
    return True


_LAST_TIME = re.compile(r"for the last time,? (?=(?:the|your|my|our|this|that|it|it's|we|I|you)\b)", re.I)
_HOW_OFTEN = re.compile(
    r"I don't know how (?:often|many times) I (?:have to|need to|must|should) "
    r"(?:say|repeat|explain|tell you) that ",
    re.I,
)


def _mention(draft: Draft, sentence: Sentence) -> bool:
    """ "For the last time, the printer works" becomes "as I mentioned before, the printer works"."""
    text, at = draft.text(sentence), sentence.start
    if match := _LAST_TIME.match(text):
        if find_order(draft, sentence, at + match.end()) or _DUTY_OF_YOU.match(text, match.end()):
            return False
        words = f"as {draft.i} mentioned before, "
        return draft.add("last_time", 1, Change(at, at + match.end(), draft.cap_like(sentence, at, words)))
    if match := _HOW_OFTEN.match(text):
        for level, words in (
            (1, "have mentioned before that "),
            (2, "believe {i} have mentioned before that "),
        ):
            words = f"{draft.i} " + words.format(i=draft.i)
            change = Change(at, at + match.end(), draft.cap_like(sentence, at, words))
            draft.add("how_often", level, change)
        return True
    return False


_DUTY_OF_YOU = re.compile(r"you (?:need|have|must|should|can't|cannot|better|will)\b", re.I)

_AT_LAST = re.compile(r",? at (?:long )?last$", re.I)
_ASKS = re.compile(r"(?:please|pls|can you|could you|will you|would you)\b", re.I)


def drop_empty_ends(draft: Draft, sentence: Sentence) -> None:
    """ "at last" behind a request goes, and "with all due respect" in front of a statement."""
    text = draft.text(sentence)
    last = _AT_LAST.search(text, max(0, len(text) - 20))
    if last and (_ASKS.match(text) or find_order(draft, sentence, sentence.start)):
        draft.add("at_last", 1, Change(sentence.start + last.start(), sentence.end, ""))
    respect = _RESPECT.match(text)
    if not respect or len(text) <= respect.end():
        return
    stop = sentence.start + respect.end() + 1
    if not any(edit.start < stop and edit.end >= sentence.start for edit in draft.edits):
        kept = draft.cap(draft.message[stop - 1])
        draft.add("respect", 1, Change(sentence.start, stop, kept))
