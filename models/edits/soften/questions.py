"""Questions with blame in them become questions for information."""

import re
from typing import NamedTuple

from models.edits.script import Change
from models.edits.soften.clauses import lead_end
from models.edits.soften.draft import Draft, Sentence
from models.edits.soften.imperatives import FILLERS
from models.edits.soften.inversion import straighten
from models.edits.soften.words import tables

_WHY = re.compile(
    r"(?P<wh>why|how come|when|where|how)(?: the (?:hell|fuck|heck)| on earth| exactly| in the world)? "
    r"(?P<aux>is|are|was|were|do|does|did|has|have|can't|can|isn't|aren't|wasn't|weren't|"
    r"don't|doesn't|didn't|hasn't|haven't|will|won't|should|must|am|would)\b ?",
    re.I,
)
_WHAT = re.compile(
    r"(?P<wh>what|which)(?: the (?:hell|fuck|heck)| on earth| exactly)? (?P<aux>is|are|"
    r"was|were|did|does|do|has|have|'s) ",
    re.I,
)
_WHO = re.compile(
    r"who(?P<where> (?:on|in|at|from|of) your \w+| of you| (?:over )?here| (?:over "
    r")?there)?(?: the (?:hell|fuck)| on earth)?(?: even| actually)? (?P<verb>[a-z']+)\b",
    re.I,
)
_DID = re.compile(
    r"(?P<aux>did|have|has|do|does|are|is)(?P<who> you(?: guys)?| any(?:one|body)(?: "
    r"technical| (?:over )?here| (?:over )?there| on your (?:side|team|end)| in your "
    r"team)?| some(?:one|body)| your team| they| he| she| nobody)(?P<even>(?: even| "
    r"actually| ever| really| at least| seriously| technically)+)? (?P<verb>[a-z-]+)",
    re.I,
)
_HOW_HARD = re.compile(r"how (?:hard|difficult) (?:can|could|is) it (?:be )?to (?=[a-z])", re.I)
_WHO_IS = re.compile(r"who (?:is|was|are|were) (?:this|that|it|they|he|she|you|the|your|our|my)\b", re.I)
_WHO_CARES = re.compile(r"\bwho (?:even )?(?:cares|knows|needs|wants)\b", re.I)
_HOW_OFTEN = re.compile(
    r"how (?:many times|often) (?:do|must|should|did) (?:i|we) (?:have to |need to "
    r")?(?:tell|ask|remind) you (?=(?:not )?to [a-z])",
    re.I,
)
_WHAT_IS_THE = re.compile(
    r"what(?:'s|’s| is)(?: exactly)? the (?=(?:\w+ )?(?:status|state|deadline|date|name|"
    r"reason|cause|progress|price|cost|budget|version|schedule|timeline|eta|address|"
    r"number|password|room|time|"
    r"scope|order|owner|amount|total|size|limit|latest)\b)",
    re.I,
)
_WHY_DID = re.compile(
    r"why (?:is|are|was|were|do|does|did|has|have|can't|isn't|aren't|wasn't|don't|doesn't|"
    r"didn't|hasn't|haven't)\b"
    r"|who (?:the hell |the fuck |on earth )?(?:[a-z]{3,12}ed|"
    r"left|took|broke|put|moved|touched|deleted|changed|ate|used|wrote|sent|parked)\b"
    r"(?![^.!?]{0,200}\b(?:is|are|will|gets?|has|should|must|please)\b)",
    re.I,
)


# "See below, why am I hearing this from the customer?"
_WHY_INSIDE = re.compile(
    r"(?:,| -| –|:) (?:so |and |but )?(?=why (?:is|are|am|was|were|do|does|did|has|have)\b)", re.I
)


class _Question(NamedTuple):
    """A question whose fillers start at `at` and whose first word starts at `begin`."""

    draft: Draft
    sentence: Sentence
    text: str  # the message up to its end
    at: int
    begin: int
    ending: list[Change]  # its question mark

    def add(self, rule: str, level: int, words: str, end: int) -> None:
        """An edit that puts words in place of the front up to `end`, and a question mark at the end."""
        self.draft.add(rule, level, self._front(words, end), *self.ending)

    def state(self, rule: str, words: str, end: int) -> None:
        """An edit that makes the question a statement."""
        point = Change(self.sentence.end, self.sentence.stop, ".")
        self.draft.add(rule, 1, self._front(words, end), point)

    def _front(self, words: str, end: int) -> Change:
        return Change(self.at, end, self.draft.cap_like(self.sentence, self.at, words))


def soften_question(draft: Draft, sentence: Sentence) -> bool:
    """Questions with blame in them become questions for information."""
    text, mark, at = draft.message[: sentence.end], draft.mark(sentence), lead_end(draft, sentence)
    if "?" in mark and (inside := _WHY_INSIDE.search(text, at)):
        at = inside.end()
    filler = FILLERS.match(text, at)
    begin = filler.end() if filler else at
    is_question = "?" in mark or (not mark and draft.is_lower)
    if not is_question and not (mark in {".", "!", "!!"} and _WHY_DID.match(text, begin)):
        return False
    ending = [draft.end_with("?", sentence)] if "?" not in mark or len(mark) > 1 else []
    question = _Question(draft, sentence, text, at, begin, ending)
    if "?" in mark:
        if match := _HOW_OFTEN.match(text, begin):
            question.state("how_often", "I have asked you before ", match.end())
            return True
        if match := _HOW_HARD.match(text, begin):
            question.state("how_hard", "it should be possible to ", match.end())
            return True
        if match := _DID.match(text, begin):
            is_loud = mark != "?" and set(mark) <= set("?!")  # a bracket after the mark stays
            ending = [Change(sentence.end, sentence.stop, "?")] if is_loud else []
            return _ask_for_chance(question._replace(ending=ending), match)
    if match := _WHO.match(text, begin):
        return _ask_who(question, match)
    if match := _WHAT_IS_THE.match(text, begin):
        draft.requests += 1
        question.add("what_is_the", 1, "can you tell me the ", match.end())
        question.add("what_is_the", 2, "could you tell me the ", match.end())
        question.add("what_is_the", 3, "could you please let me know the ", match.end())
        return True
    match = _WHY.match(text, begin) or _WHAT.match(text, begin)
    return match is not None and _ask_why(question, match)


def _ask_who(question: _Question, match: re.Match[str]) -> bool:
    """ "Who broke it?" becomes "Do you know who broke it?"."""
    words, verb = tables(), match.group("verb").lower()
    is_finite = (
        verb in words.pasts
        or verb.endswith("ed")
        or verb in words.classes["after_who"]
        or verb in words.thirds
    )
    rest = question.text[question.begin :]
    if not is_finite or _WHO_IS.match(rest) or _WHO_CARES.search(rest):
        return False
    who, end = f"who{match.group('where') or ''} ", match.start("verb")
    question.draft.requests += 1
    question.add("who", 1, f"do you know {who}", end)
    question.add("who", 2, f"could you tell me {who}", end)
    question.add("who", 3, f"could you please let me know {who}", end)
    return True


def _ask_why(question: _Question, match: re.Match[str]) -> bool:
    """ "Why is it late?" becomes "Do you know why it is late?"."""
    clause = straighten(question.text, match)
    if clause is None:
        return False
    words, end = clause[0].replace(" even ", " "), clause[1]
    why = {"how come": "why"}.get(match.group("wh").lower(), match.group("wh").lower())
    know = "can you tell me" if words.startswith("you ") else "do you know"
    please = "could you please " + ("help me understand" if why in {"why", "how"} else "let me know")
    question.draft.requests += 1
    question.add("why", 1, f"{know} {why} {words}", end)
    question.add("why", 2, f"could you tell me {why} {words}", end)
    question.add("why", 3, f"{please} {why} {words}", end)
    return True


def _ask_for_chance(question: _Question, match: re.Match[str]) -> bool:
    """A question such as "Did you even read it?" becomes "Did you have a chance to read it?"."""
    verb, aux = match.group("verb").lower(), match.group("aux").lower()
    who = match.group("who").replace(" guys", "").lower()
    who = " anybody" if who == " nobody" else who
    chances, start, end = tables().classes["chance"], match.start("verb"), match.end("verb")
    if aux == "did" and verb in chances:
        question.add("did_you", 1, f"did{who} get to ", start)
        question.add("did_you", 2, f"did{who} have a chance to ", start)
        question.add("did_you", 3, f"may I ask if{who} had a chance to ", start)
        return True
    if aux in {"have", "has"} and verb in tables().participles and verb != "been":
        base = next((base for base, past in tables().past.items() if past == verb), verb)
        if base in chances:
            question.add("did_you", 2, f"{aux}{who} had a chance to {base}", end)
            question.add("did_you", 3, f"may I ask if{who} {aux} had a chance to {base}", end)
            return True
    if match.group("even"):
        question.draft.add("even", 1, Change(match.end("who"), start, " "), *question.ending)
        return True
    return False
