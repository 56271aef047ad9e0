"""Complaints without a verb of their own become whole and hedged sentences: "Wrong room again"."""

import re

from models.edits.script import Change
from models.edits.soften.draft import Draft, Sentence
from models.edits.soften.words import CUES, FINITE, tables

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


def complete(draft: Draft, sentence: Sentence) -> bool:
    """A complaint without a verb becomes a sentence with a hedge that grows with the level."""
    rules = (_complete_wrong, _complete_time, _complete_rest, _announce)
    return any(rule(draft, sentence) for rule in rules)


def _is_plural(words: str) -> bool:
    return _PLURAL.search(words) is not None and words.rsplit(None, 1)[-1].lower() not in _NO_PLURALS


def add_hedged(draft: Draft, sentence: Sentence, rule: str, end: int, words: str) -> bool:
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
    return add_hedged(draft, sentence, "verbless_wrong", at + 5, subject + "wrong")


def _complete_time(draft: Draft, sentence: Sentence) -> bool:
    """ "Third time this month that you ..." becomes "this is the third time this month that you ..."."""
    match = _TIME.fullmatch(draft.text(sentence))
    if not match:
        return False
    around = match.group("clause") or draft.message[: sentence.start] + draft.message[sentence.end :]
    if not CUES.search(around) and " time" in match.group().lower():
        return False
    words = f"this is {'now ' if match.group('new') else ''}the {match.group('which').lower()}"
    return add_hedged(draft, sentence, "verbless_time", sentence.start + match.end("which"), words)


def _complete_rest(draft: Draft, sentence: Sentence) -> bool:
    """Other complaints without a verb: "Still no answer", "Same mistake as last week", "Not acceptable"."""
    text, start = draft.text(sentence), sentence.start
    if match := _NOT_GOOD.fullmatch(text):
        words = _MILDER[match.group("how").lower()]
        return add_hedged(draft, sentence, "verbless_not_good", sentence.end, words)
    if _AGAIN_A.match(text):
        return add_hedged(draft, sentence, "verbless_again", start + 5, "there is again")
    if FINITE.search(text):
        return False
    if match := _COUNTED.fullmatch(text):
        words = f"this is the {match.group('which').lower()}"
        return add_hedged(draft, sentence, "verbless_counted", start + match.end("which"), words)
    if _SAME.fullmatch(text):
        at = start + text.lower().index("same")
        return add_hedged(draft, sentence, "verbless_same", at + 4, "it is the same")
    if match := _STILL_NO.fullmatch(text):
        verb = "are" if _is_plural(match.group("what")) else "is"
        at = start + text.lower().index("no ")
        return add_hedged(draft, sentence, "verbless_still_no", at + 2, f"there {verb} still no")
    if _SILENCE.fullmatch(text):
        return add_hedged(draft, sentence, "verbless_silence", start + 2, f"{draft.i} have had no")
    if match := _NO_NO.fullmatch(text):
        words = f"no {match.group('need')} means no"
        return add_hedged(draft, sentence, "verbless_no_no", start + match.end("second"), words)
    if _NO_NOTICE.fullmatch(text):
        return add_hedged(draft, sentence, "verbless_no_notice", start + 2, "there was no")
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
        return base is not None and add_hedged(draft, sentence, "verbless_not_doing", end, words)
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
    return add_hedged(draft, sentence, "verbless_doing", sentence.end, words + object_ + what)
