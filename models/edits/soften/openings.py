"""Complaints without a verb of their own, and fixed fronts of blame, become whole and hedged sentences."""

import re
from collections.abc import Callable

from models.edits.script import Change
from models.edits.soften.clauses import lead_end
from models.edits.soften.draft import Draft, Sentence
from models.edits.soften.imperatives import find_order
from models.edits.soften.words import CUES, FINITE, POSITIVE, is_verb, tables

_WRONG = re.compile(
    r"(?:the )?wrong (?P<what>(?!(?:again|with|to|about|in|on|and|or|for|of|at)\b)[a-z]+"
    r"(?: (?!(?:again|for|this|on|in|is|was|are|were|has|will|and|or|at|to)\b)[a-z]+)?)"
    r"(?: (?:again|this time|for this|on the \w+|in the \w+)){0,2}",
    re.I,
)
_TIME = re.compile(
    r"(?:(?P<new>now )?(?:the )?)(?P<which>second|third|fourth|fifth|sixth|(?:last|final)(?= reminder)) "
    r"(?:time|reminder|request|attempt)"
    r"(?: (?:already|now|today|in a row|this \w+|in (?:two|three|four|five|\d+) \w+))?(?P<clause> (?:that )?"
    r"(?:your|you|the|this|that|my|our|we|I|they|he|she|somebody|someone|it) [^,;:?]+)?",
    re.I,
)
_COUNTED = re.compile(
    r"(?:the |and the )?(?P<which>second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth) "
    r"(?!time|reminder|request|attempt|quarter|floor|of )[a-z]+(?: [a-z]+)? "
    r"(?:this|in a row|in (?:two|three|four|five|\d+)|today|running|now)\b[^?:;]*",
    re.I,
)
_SAME = re.compile(
    r"(?:the |exactly the )?same (?:old )?(?:mistake|error|problem|issue|story|bug|fault|mess)"
    r"(?: (?:again|as (?:last|before|yesterday|always|usual|ever|in|on)\b[\w ,]{0,30}))",
    re.I,
)
_STILL_NO = re.compile(
    r"(?:and )?still no (?P<what>(?!(?:idea|clue|luck|need|rush|problem|issue|error|complaint|incident|"
    r"damage|loss|alarm|change|limit|plan|matter|end|way|longer|more)s?\b)[a-z]+"
    r"(?: (?!(?:from|on|in|for|about|of|at|to|after|since|with)\b)[a-z]+)?)"
    r"(?: (?:from|on|in|for|about|of|at|to|after|since|with) [^,;:?]{2,60})?",
    re.I,
)
_SILENCE = re.compile(
    r"no (?:answer|reply|response|feedback|reaction)(?: from (?:you|your \w+|anyone|anybody)"
    r"(?: since [^,;:?]{2,30})?| since [^,;:?]{2,30})",
    re.I,
)
_NONE = r"(?:warning|notice|explanation|heads-up|apology|message|call|note|reason|ticket)"
_NO_NOTICE = re.compile(rf"no {_NONE}(?:(?:,| and| or)? no {_NONE}){{0,3}}", re.I)
_NO_NO = re.compile(
    r"no (?P<need>[a-z]+(?<!s)), (?P<second>no) (?:work|entry|payment|access|budget|refund|service|review|"
    r"merge|delivery|order|approval|start|release|deal|pay|help|exception|hire|discount|interview|training|shift|pitch)",
    re.I,
)
_AGAIN_A = re.compile(
    r"again an? [a-z]+ (?:with|without|in|on|from|of|for) (?!.*\b(?:is|are|was|were|has|have|will)\b)", re.I
)
_NOT_GOOD = re.compile(r"not (?P<how>acceptable|ok|okay|good enough|professional|fair|helpful)", re.I)
_MILDER = {
    "acceptable": "that is hard for me to accept",
    "ok": "that is hard for me to accept",
    "okay": "that is hard for me to accept",
    "good enough": "this is not quite good enough",
    "professional": "that is not very professional",
    "fair": "that does not feel fair to me",
    "helpful": "that does not really help me",
}
_DOING = re.compile(
    r"(?P<ing>rejecting|reverting|blocking|escalating|cancelling|returning) (?:this|it|that)", re.I
)
_NO_THING = re.compile(r"(?:ly|ing|ed|n't)\b", re.I)
_PLURAL = re.compile(r"(?<![suia])s$", re.I)
_NO_PLURALS = frozenset({"news", "progress", "access", "series"})


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
        _complete_wrong,
        _complete_time,
        _complete_rest,
        _announce,
        _wait_for_answer,
        _hope,
        _wonder,
        _again,
    )
    return any(rule(draft, sentence) for rule in rules)


def _is_plural(words: str) -> bool:
    return _PLURAL.search(words) is not None and words.rsplit(None, 1)[-1].lower() not in _NO_PLURALS


def _add_hedged(draft: Draft, sentence: Sentence, rule: str, end: int, words: str) -> bool:
    """Words in place of the front up to `end`, with a hedge that grows with the level."""
    if "afraid" in draft.hedges:
        hedges = ("", "unfortunately, ", "unfortunately, ")
        draft.hedges.add("unfortunately")
    else:
        that = "" if words.startswith("that ") else "that "
        hedges = ("unfortunately, ", f"{draft.i}'m afraid ", f"{draft.i}'m afraid {that}")
        draft.hedges |= {"afraid", "first"}
    for level, words_before in enumerate(hedges, 1):
        if level > 1 and words_before == hedges[level - 2]:
            continue
        text = words_before + words
        draft.add(rule, level, Change(sentence.start, end, draft.cap_like(sentence, sentence.start, text)))
    return True


def _complete_wrong(draft: Draft, sentence: Sentence) -> bool:
    """ "Wrong room again" becomes "it is the wrong room again"."""
    text = draft.text(sentence)
    match = _WRONG.fullmatch(text)
    if not match or _NO_THING.search(match.group("what")):
        return False
    if " " in match.group("what") and match.group("what").lower().split()[1] in tables().thirds:
        return False
    subject = "these are the " if _is_plural(match.group("what")) else "it is the "
    at = sentence.start + text.lower().index("wrong")
    return _add_hedged(draft, sentence, "verbless_wrong", at + 5, subject + "wrong")


def _complete_time(draft: Draft, sentence: Sentence) -> bool:
    """ "Third time this month that you ..." becomes "this is the third time this month that you ..."."""
    match = _TIME.fullmatch(draft.text(sentence))
    if not match:
        return False
    around = match.group("clause") or draft.message[: sentence.start] + draft.message[sentence.end :]
    if not CUES.search(around) and " time" in match.group().lower():
        return False
    words = f"this is {'now ' if match.group('new') else ''}the {match.group('which').lower()}"
    return _add_hedged(draft, sentence, "verbless_time", sentence.start + match.end("which"), words)


def _complete_rest(draft: Draft, sentence: Sentence) -> bool:
    """Other complaints without a verb: "Still no answer", "Same mistake as last week", "Not acceptable"."""
    text, start = draft.text(sentence), sentence.start
    if match := _NOT_GOOD.fullmatch(text):
        words = _MILDER[match.group("how").lower()]
        return _add_hedged(draft, sentence, "verbless_not_good", sentence.end, words)
    if _AGAIN_A.match(text):
        return _add_hedged(draft, sentence, "verbless_again", start + 5, "there is again")
    if FINITE.search(text):
        return False
    if match := _COUNTED.fullmatch(text):
        words = f"this is the {match.group('which').lower()}"
        return _add_hedged(draft, sentence, "verbless_counted", start + match.end("which"), words)
    if _SAME.fullmatch(text):
        at = start + text.lower().index("same")
        return _add_hedged(draft, sentence, "verbless_same", at + 4, "it is the same")
    if match := _STILL_NO.fullmatch(text):
        verb = "are" if _is_plural(match.group("what")) else "is"
        at = start + text.lower().index("no ")
        return _add_hedged(draft, sentence, "verbless_still_no", at + 2, f"there {verb} still no")
    if _SILENCE.fullmatch(text):
        return _add_hedged(draft, sentence, "verbless_silence", start + 2, f"{draft.i} have had no")
    if match := _NO_NO.fullmatch(text):
        words = f"no {match.group('need')} means no"
        return _add_hedged(draft, sentence, "verbless_no_no", start + match.end("second"), words)
    if _NO_NOTICE.fullmatch(text):
        return _add_hedged(draft, sentence, "verbless_no_notice", start + 2, "there was no")
    return False


_NOT_DOING = re.compile(
    r"not (?P<ing>approving|merging|signing|accepting|paying|releasing)"
    r"(?= (?:this|it|that|yet|the|your|any)\b)",
    re.I,
)


def _announce(draft: Draft, sentence: Sentence) -> bool:
    """ "Rejecting this" becomes "I can't accept this yet", "Reverting it" "I have to revert it"."""
    if refusal := _NOT_DOING.match(draft.text(sentence)):
        base, end = tables().base_of_ing.get(refusal.group("ing").lower()), sentence.start + refusal.end()
        words = f"{draft.i} can't {base}"
        return base is not None and _add_hedged(draft, sentence, "verbless_not_doing", end, words)
    match = _DOING.fullmatch(draft.text(sentence))
    if not match:
        return False
    ing = match.group("ing").lower()
    base = "cancel" if ing == "cancelling" else tables().base_of_ing.get(ing)
    if ing != "rejecting" and not base:
        return False
    words, what = f"{draft.i} have to {base}", ""
    if ing == "rejecting":
        words, what = f"{draft.i} can't accept", " yet"
    end = sentence.start + match.end("ing")
    object_ = draft.message[end : sentence.end]
    return _add_hedged(draft, sentence, "verbless_doing", sentence.end, words + object_ + what)


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
    return _add_hedged(draft, sentence, "why_nobody", sentence.start + match.end(), words)


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
