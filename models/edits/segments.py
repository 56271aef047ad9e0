"""Splits an English message into its parts: sentences, and the clauses of a sentence that can stand alone.

Rejected: pysbd, which splits no clauses, and spaCy, whose models are not on the package index. A clause is
split off only where both sides have a verb of their own.
"""

import re
from typing import NamedTuple

# A full stop after one of these does not end a sentence.
_ABBREVIATIONS = (
    r"\b(?:e\.g|i\.e|etc|approx|ca|vs|mr|mrs|ms|dr|prof|st|inc|ltd|co|dept|ext|fig|min|max"
    r"|incl|excl|cf|est|jr|sr|prob|p\.a|p\.m|a\.m)"
)
_ABBREVIATED = re.compile(rf"{_ABBREVIATIONS}\.$|\b(?:no|nr)\.$", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…]+[\"')\]]*(?=\s)|\n+")
_NUMBERED = re.compile(r"\d{1,2}\.")
_BULLET = re.compile(r"(?:[-*•–]|\d{1,2}[.)])\s+")

_PRONOUN = (
    r"(?:i|we|you|he|she|it|they|there|this|that|these|those|everyone|everybody|someone|somebody|nobody)"
)
VERB = (
    r"(?:am|is|are|was|were|isn't|aren't|wasn't|weren't|has|have|had|hasn't|haven't|hadn't|will|won't|would"
    r"|wouldn't|can|can't|cannot|could|couldn't|shall|should|shouldn't|must|mustn't|may|might|do|does|did|don't"
    r"|doesn't|didn't|needs?|needed|wants?|wanted|says?|said|thinks?|thought|knows?|knew|gets?|got|goes|went|comes?"
    r"|came|takes?|took|makes?|made|looks|looked|works|worked|stays?|stayed|starts|started|ends|ended|asks?"
    r"|asked|tells?|told|keeps?|kept|runs?|ran|holds?|held|leaves?|left|costs|failed|fails?|uses|used|lets?"
    r"|seems?|seemed|expects?|expected|prefers?|likes?|finds?|found|sends?|sent|gives?|gave|sees?|saw|shows?|showed"
    r"|changed|moved|promised|agreed|decided|called|arrives?|arrived|becomes?|became|belongs?|happens?|happened"
    r"|isnt|arent|wasnt|werent|hasnt|havent|hadnt|wont|wouldnt|cant|couldnt|shouldnt|mustnt|dont|doesnt|didnt"
    r"|lacks?|owes?|owns?|sits?|sat|brings?|brought|pays|paid|stands|stood|reached|begins?|began|opens|closed|sold"
    r"|rings|rang|means|meant|met|covers|replied|returned|arranged|opened|dropped|broke|includes?|remains?|carries)"
)
_CONTRACTION = r"(?:i|we|you|he|she|it|they|there|that|who|what|where|here)['’](?:m|re|s|ve|ll|d)"
_DETERMINED = (
    r"(?:the|a|an|my|our|your|his|her|its|their|this|that|these|those|some|all|both|no|one|two|most|half)"
)
# No subject: "and also works", "with some left".
_NO_SUBJECT = (
    r"(?!(?:also|then|and|or|not|just|only|still|even|to|which|who|whose|that|for|with|without|by|in|on|at|from|as|so|if"
    r"|maybe|perhaps|than|of|about|including|except|like|because)\b)"
)
# Before a verb these words say that it is not the subject's: "the ones that took".
_NO_RELATIVE = r"(?!(?:that|who|which|whose|whether|if|when|why|how|what|where|to)\b)"
ORDER = (
    r"(?:add|ask|book|bring|buy|call|cancel|change|check|clean|close|collect|come|confirm|copy|cut|delete|do|draft|drop"
    r"|email|empty|fill|find|finish|fix|get|give|go|keep|leave|lock|look|mail|make|merge|move|open|order|park|pay|pick"
    r"|plan|post|press|print|push|put|read|remove|rename|renew|reply|report|restart|return|review|run|save|schedule"
    r"|send|set|share|sign|sort|start|stay|stop|store|switch|take|talk|tell|test|treat|try|turn|update|upload|use"
    r"|wait|warn|wash|watch|wear|write"
    r"|answer|arrange|attach|avoid|count|drain|ensure|enter|feed|fold|follow|hand|hang|help|hold|ignore|include|inform|install"
    r"|invite|join|label|load|log|make\s+sure|measure|offer|pack|phone|ping|prepare|pull|raise|record|release|remind|replace|reset|ring"
    r"|rinse|roll|scan|skip|speak|split|swap|sweep|throw|transfer|unload|unlock|unplug|verify|weigh|wipe|wrap"
    r"|adjust|apply|assign|bake|cool|deliver|disconnect|fetch|insert|inspect|isolate|mix|notify|peel"
    r"|pour|provide|refill|repeat|shut|soak|stir|submit|tighten)"
)
PREPOSITION = r"(?:in|on|at|by|for|from|to|with|without|before|after|again|more|the|an?)"
_WHEN = r"(?:if|when|once|after(?!\s+that\b)|before|unless|as\s+soon\s+as)"
# What may open a clause of its own: a subject with a verb soon after it, or the start of a request or a
# question.
_CLAUSE = (
    r"(?!that\s+(?:i|we|you|he|she|it|they|there|the|an?|my|our|your|his|her|their|this|these|those"
    r"|nobody|no|everyone|everybody|someone|people)\b)"
    rf"(?:{_CONTRACTION}\b|{_PRONOUN}\s+(?:\w+\s+)?{VERB}\b"
    rf"|(?:i|we|he|she|they|you|it)\s+(?!(?:and|or|two|three|all|both|guys|who)\b)[a-z]{{3,}}\b"
    rf"|(?:nobody|everyone|everybody|somebody|someone)\s+[a-z]{{3,}}\b"
    rf"|{_DETERMINED}\s+(?:{_NO_RELATIVE}[\w'’-]+\s+){{1,4}}?{VERB}\b"
    rf"|{_NO_SUBJECT}(?!(?:the|an?|my|our|your|his|its|their)\b)[A-Z][\w'’-]+\s+(?:{_NO_RELATIVE}[\w'’-]+\s+){{0,2}}?{VERB}\b"
    rf"|(?:still\s+)?(?:no\s+idea|not\s+sure|unsure|unclear)\b"
    rf"|please\b|pls\b|let\s+(?:me|us)\b|let['’]s\b|(?:could|can|would|will)\s+(?:you|we|i|someone|somebody)\b"
    rf"|{ORDER}\s+(?:the|a|an|my|our|your|his|her|its|their|this|that|it|them|him|me|us|all|both|up|on|off|out|in"
    rf"|back|down|to|for|\d+|[A-Z]\w+)\b"
    rf"|(?:don['’]?t|do\s+not|never\s+(?!{PREPOSITION}\b))\s*\w+|{_WHEN}\s+[\w'’-]+\s+\w|whether\s+\w+"
    rf"|(?:what|when|where|why|how|who|which)\s+\w+\s+{VERB}\b)"
)
_GREETING = re.compile(
    r"(?:(?:hi|hello|hey|dear|good\s+(?:morning|afternoon|evening|day)|morning|greetings)\b[^,.!?:\n]{0,40}[,!:]|"
    r"(?!(?:so|ok|okay|right|well|now|yes|no|also|and|but|anyway|please|unfortunately|however|finally|first|then|still"
    r"|today|tomorrow|yesterday|meanwhile|great|update|question)\b)[A-Z][\w'’-]+(?:\s+and\s+[A-Z][\w'’-]+)?,)\s+",
    re.IGNORECASE,
)
_HEADING = re.compile(r"[^\s,:;.!?][^,:;.!?\n]{1,60}:\s+(?=\S+\s+\S)")
_BREAK = re.compile(
    rf"(?:;|\s[-–—]|,)\s+(?P<link>(?:and|but|so|or|then|plus|also|anyway|and\s+then|and\s+so|and\s+also|but\s+also)\s+)?"
    rf"(?={_CLAUSE})|(?:;|\s[–—]|,\s+(?:and\s+)?(?:then|after\s+that|afterwards))\s+"
    # What is not known stands alone without a comma, too.
    r"|\s(?=(?:and|but)\s+(?:(?:still\s+)?(?:no\s+idea|not\s+sure|i\s+don['’]?t\s+know|we\s+don['’]?t\s+know)\b"
    r"|(?:[\w'’-]+\s+){1,3}?(?:haven['’]?t|hasn['’]?t|have\s+not|has\s+not|have\s+yet\s+to|has\s+yet\s+to|still\s+(?:doesn|don)['’]?t)\s+(?:yet\s+)?"
    r"(?:know|told|said|say|decided?|confirmed?|answered?|got|heard|found|asked?|checked?)\b))",
    re.IGNORECASE,
)
_STEP = re.compile(r"(?:and\s+)?(?:then|after\s+that|afterwards)\s+$", re.IGNORECASE)
_HAS_VERB = re.compile(
    rf"\b(?:{VERB}|{_CONTRACTION})\b|\b(?:i|we|they|you)\s+[a-z]{{3,}}|^\W*(?:please|pls)\b", re.IGNORECASE
)
# A part that opens like this depends on what follows the comma.
_DEPENDENT = re.compile(
    r"^\W*(?:(?:and|but|so|or|also|then|anyway|well|ok|okay|now)[\s,]+)*(?:if|when|whenever|while|as|because|since"
    r"|although|though|even|before|after|until|till|unless|once|whether|whoever|whatever|whichever|given|assuming|in\s+case|as\s+soon|like)\b",
    re.IGNORECASE,
)
# A subject with a verb to which verbs without a subject of their own belong: "it must be small, show the
# time".
_MODAL = re.compile(
    r"\b(?:would|will|can|could|should|must|might|may|['’](?:d|ll)"
    r"|(?:needs?|has|have|wants?|going|able|supposed|asked|told)\s+(?:\w+\s+)?to)\b"
    rf"|\b(?:i|we|you|they)\s+(?:\w+ly\s+|just\s+|then\s+|also\s+)?{ORDER}\b",
    re.IGNORECASE,
)
_BARE_ORDER = re.compile(rf"(?:and\s+|or\s+|then\s+|also\s+)*{ORDER}\b", re.IGNORECASE)
_OPENS_WITH_ORDER = re.compile(rf"\W*(?:(?:and|or|then|also|please|pls)\s+)*{ORDER}\b", re.IGNORECASE)
OPENS_WITH_CONDITION = re.compile(rf"(?:(?:and|but|so|or|then|also)\s+)*{_WHEN}\b", re.IGNORECASE)
_ASKS_IF = re.compile(
    r"\b(?:whether|know|knows|answer|asks?|asked|decided?|sure|wonder\w*|question|unclear)\b", re.IGNORECASE
)
_ANY_VERB = re.compile(rf"\b(?:{VERB}|{_CONTRACTION}|{ORDER})\b", re.IGNORECASE)
_CLAUSE_CHARACTERS = 160  # a condition and its main clause
_SEARCHED_CHARACTERS = 400  # of a part before a break, so that the work stays linear
# After these words a comma leads into a clause that belongs to the words before it.
_LEADS_ON = re.compile(
    r"\b(?:said|says|think|thinks|know|knows|hope|wondering|sure|whether|if|because|as|since|when|while|which|who|where"
    r"|(?<!before\s)(?<!after\s)(?<!like\s)(?<!than\s)(?<!by\s)that)\W*$",
    re.IGNORECASE,
)


class Segment(NamedTuple):
    """A part of a message, `message[start:end]`, without the white space around it.

    `opens_sentence` and `opens_line` say whether it is the first of its sentence or line. `mark` is the
    length of a bullet or number in front of it, which is not part of the segment.
    """

    start: int
    end: int
    opens_sentence: bool
    opens_line: bool
    mark: int = 0

    def cut(self, start: int, end: int) -> "Segment":
        """The part `message[start:end]`. Only the first one opens a sentence or a line, and has the mark."""
        if start == self.start:
            return self._replace(end=end)
        return Segment(start, end, opens_sentence=False, opens_line=False)


def sentences(message: str) -> list[Segment]:
    """The sentences and lines of a message, in order."""
    result: list[Segment] = []
    start, opens_line = 0, True
    for match in [*_SENTENCE_END.finditer(message), None]:
        end = len(message) if match is None else match.end()
        newline = match is not None and match.group()[0] == "\n"
        part = message[start:end]
        if match is not None and not newline and _is_abbreviated(part, message[end : end + 2]):
            continue
        if match is not None and opens_line and _NUMBERED.fullmatch(part.strip()):
            continue
        if stripped := part.strip():
            first = start + len(part) - len(part.lstrip())
            bullet = _BULLET.match(stripped) if opens_line else None
            mark = len(bullet.group()) if bullet and len(bullet.group()) < len(stripped) else 0
            result.append(Segment(first + mark, first + len(stripped), True, opens_line, mark))
            opens_line = False
        opens_line = opens_line or newline
        start = end
    return result


def split(message: str) -> list[Segment]:
    """The segments of a message: its sentences, split where a clause can stand alone."""
    return [segment for sentence in sentences(message) for segment in _clauses(message, sentence)]


def _clauses(message: str, sentence: Segment) -> list[Segment]:
    text = message[sentence.start : sentence.end]
    cuts: list[tuple[int, int]] = []  # end of a part, start of the next
    start = 0
    for opening in (_GREETING, _HEADING):
        if (match := opening.match(text, start)) and (opening is _HEADING or sentence.start == 0):
            cuts.append((len(match.group().rstrip()) + start, match.end()))
            start = match.end()
    for match in _BREAK.finditer(text, start):
        part = text[start : match.start()]
        head, part = part[:_CLAUSE_CHARACTERS], part[-_SEARCHED_CHARACTERS:]
        at = match.start("link") if match.group("link") else match.end()
        if not match.group("link") and (link := _STEP.search(match.group())):
            at = match.start() + link.start()
        step = bool(_STEP.search(match.group()))
        condition = bool(OPENS_WITH_CONDITION.match(text, at))
        if (
            not (_HAS_VERB.search(part) or _OPENS_WITH_ORDER.match(head) or step)
            or _LEADS_ON.search(part[-20:])
            # "I'd keep it, and ask them"
            or (_BARE_ORDER.match(text, at) and _MODAL.search(part) and not _OPENS_WITH_ORDER.match(head))
            # "nobody knows whether it rains, and if it snows": the condition is a question
            or (condition and _ASKS_IF.search(part))
            # "call me if it rains, if it snows and if it storms"
            or (condition and not _is_complete(text[at : at + _CLAUSE_CHARACTERS]))
            # What follows may hold only under the condition of the part, but for the next condition or step.
            or (_DEPENDENT.match(head) and not ((condition or step) and _is_complete(part)))
            or len(text) - at < 8
            or _inside_brackets(text, match.start())
        ):
            continue
        cuts.append((match.start(), at))
        start = at
    bounds = [0, *(at for _, at in cuts), len(text)]
    ends = [*(end for end, _ in cuts), len(text)]
    result = []
    for i, (begin, end) in enumerate(zip(bounds[:-1], ends, strict=True)):
        first = i == 0
        result.append(
            Segment(
                sentence.start + begin,
                sentence.start + end,
                first,
                first and sentence.opens_line,
                sentence.mark if first else 0,
            )
        )
    return result


def _is_abbreviated(part: str, following: str) -> bool:
    """Whether the full stop that ends `part` is of an abbreviation; "No. 5" has one, "No. We" does not."""
    match = _ABBREVIATED.search(part[-8:])
    is_number = match is not None and match.group().lower().startswith(("no", "nr"))
    return match is not None and (following.strip().isdigit() or not is_number)


def _is_complete(part: str) -> bool:
    """Whether a part that opens with a condition has a main clause, too."""
    return len(_ANY_VERB.findall(part)) > 1


def _inside_brackets(text: str, at: int) -> bool:
    return text.count("(", 0, at) > text.count(")", 0, at) or text.count('"', 0, at) % 2 == 1
