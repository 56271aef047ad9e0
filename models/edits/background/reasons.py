"""Tells whether a message may give the reason for its main decision.

Where it may, no note says that the reason is missing. So every plain statement counts as a reason, except one
that only says what is done, from when, by whom or where, and what stays.
"""

import re

from models.edits.background.allusions import alludes_to_cause
from models.edits.clarify.message import Sentence
from models.edits.clarify.sentences import is_closing, is_order, is_request

_REASON = re.compile(
    r"\b(?:because|bc|cause|causes|caused|since(?! (?:monday|tuesday|wednesday|thursday|friday|"
    r"saturday|sunday|yesterday|last|this (?:morning|week)|then|when|\d|january|february|march|april|"
    r"may|june|july|august|september|october|november|december|spring|summer|noon|the start|the \d+(?:st|"
    r"nd|rd|th)?)\b)|due to|"
    r"(?<!obvious )(?<!known )(?<!certain )(?<!various )reasons?|in order to|so that|thanks to|owing to|"
    r"given that|otherwise|or else|"
    r"(?:that's|which is|that is|is|was|reason) why|"
    r"to (?:avoid|make sure|ensure|save|prevent|allow|help|"
    r"keep|reduce|give|free|protect|comply|meet|be able)|"
    r"(?<!soon )(?<!long )as (?!(?:it|they|this|that) (?:is|are|was|were)(?: now)?(?:$|[.,;]))(?:we|i|it|"
    r"he|she|they|you|the|there|this|that|his|her|our|my|their|of "
    r"these|a result)|"
    r"for (?:safety|security|legal|technical|health|personal|budget|cost|organi[sz]ational)|need (?:it|"
    r"them|this|that) (?:for|to|before|by|in)|needs (?:it|them|this) (?:for|to|before)|"
    r"or (?:we|i|you|they|it|he|she)|or (?:the|our|your|my) [a-z]+ (?:will|won't|can't|has|have|is|are|may|"
    r"might|could|"
    r"gets?|goes|loses?|[a-z]+s)|(?<!plan )(?<!do )without (?:it|them|this)\b|"
    r"(?:don't|do not|didn't|did not|have) (?:have )?(?:a|any|much|no|no other) (?:choice|option|"
    r"alternative)|"
    r"following|so (?:we|i|you|they|it|people|everyone|nobody|no one) (?:can|don't|won't|"
    r"have|has)|"
    r"too (?!and\b|but\b|so\b|please\b|if\b|when\b|for\b|in\b|on\b|at\b|from\b|to\b|soon\b)[a-z]+)\b|"
    r"\s[–—-]\s|—",
    re.I,
)
# An event before a decision may be its reason; further away it is only a time.
_AFTER = re.compile(r"\bafter (?:the|talking|last|yesterday|what)\b", re.I)
_THEREFORE = re.compile(r"\b(?:therefore|hence|as a result|for this reason|for that reason)\b", re.I)
# Words of a clause that gives no reason: what is done, from when, by whom, and what stays.
_NO_REASON = re.compile(
    r"(?:(?:(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty) [a-z]+(?=$|,)|"
    r"(?:not|isn't) (?:our|my|up for)|(?:the )?(?:orders?|word|instructions?|news|rota|list) from|"
    r"came from|"
    r"(?:the )?decision was|your [a-z]+(?:'s| is| are| will| stays?)|"
    r"(?:and )?(?:no, )?we aren't changing)\b|please|pls|if |until|till|til |from |as of|as discussed|"
    r"as agreed|after that|then|before|otherwise|"
    r"existing|older|those|"
    r"these|new (?:enquir|request|order|customer|case|ticket|member|patient|booking|sign)|"
    r"everyone (?:else )?(?:should|must|has|keeps|gets|who)|everybody|anyone|requests?|thank|thanks|"
    r"sorry|"
    r"hi\b|hello|dear|could|can|would|will|may|do |does|is |are |who|what|when|where|how|which|"
    r"questions?|any |the new (?:[a-z]+ )?(?:is|are|comes?|starts?|will)\b|new date|more |details|"
    r"it goes away|anything|expect|i said|same|the same|i "
    r"have agreed|i agreed|i've agreed|no (?:exceptions?|extensions?|award|changes? to|need|further|new|"
    r"more)|not (?:even|to|before|until|yet)|"
    r"only (?:with|via|for|the|bug|urgent|those|if)|don't|do not|so far|also|and |but |both (?:stay|"
    r"remain)|all (?:questions|requests|others?|orders|tickets|bookings)|"
    r"apologies|have a|looking|best|regards|kind|heads|fyi|just|yes|i know|i reali[sz]e|i understand|"
    r"i (?:don't|dont|do not) care|all [a-z]+(?=,|$)|no [a-z]+ (?:to be|in|on|at|for|from|by|before|after)\b|"
    r"(?:he|she|they|i|we)(?: is| are| am|'s|'re|'m) (?:very |so )?sorry|i'd ask|i would ask|reminder|ask |"
    r"call |starts?\b|"
    r"in the meantime|meanwhile|remote|effective|this (?:is|applies|holds)|that (?:is|applies)\b)",
    re.I,
)
_CONSEQUENCE = re.compile(
    r"\b(?:will|won't|in that time|in the meantime|meanwhile|goes|'ll|stays?|remains?|goes? to|go to|go back|"
    r"(?<!it )keeps?|starts?|takes over|has to|have to|should|must|may|instead|exempt|not affected|"
    r"unaffected|unchanged|valid|attached|"
    r"is doing (?:that|this|it)|can (?:be|answer|help|still|go on)|is on site|welcome|gets?|"
    r"takes \w+ (?:minutes|hours|days|weeks)|"
    r"sends?|apolog|already|next|until|is solved|by [a-z0-9]|"
    r"as (?:usual|before|always)|knows? (?:why|more|about|which|how|where|the details)|(?:has|have|was|"
    r"were) (?:all )?been (?:told|"
    r"informed)|said so|'s orders|no exceptions?|(?:still )?possible|goes ahead|honou?red|has the (?:new|"
    r"list|sheet|"
    r"plan|details|key)|get the details|(?:is|are) (?:served|back|available)|(?:was|were) (?:told|"
    r"informed)|i know|disappoint\w*|nothing to worry|do(?:es)? the|covers?|stands? in|from then|"
    r"same|steps? in|nothing (?:else )?changes|has the [a-z]+$)\b",
    re.I,
)
# Where something is gives no reason either.
_PLACE = re.compile(
    r"\b(?:is|are|'s|hangs?|lies?|stands?) (?:now |still )?(?:(?:at|in|on) (?:counter|window|gate|room|"
    r"desk|floor|hall|"
    r"building|door|level|ward|bay|line|track|stop)\b|in the (?:[a-z]+ )?(?:folder|cupboard|"
    r"drawer|box|wiki|"
    r"drive|channel|kitchen|usual place|same place|intranet|calendar|tray|rack|file)|below|here|there|"
    r"online|ready|"
    r"attached)\b",
    re.I,
)
_CLAUSE = re.compile(
    r"; |, (?=(?:it|people|nobody|everyone|users|customers|clients|it's|he|she|they|they're|we|we're|i|i'm|"
    r"the|there|there's|that's|this|my|our|his|her|[A-Z][a-z]+) )"
)
_REQUESTS = frozenset({"stop", "ban", "rule", "hold", "suggestion", "need", "request", "plan"})
_PROBLEMS = frozenset({"outage", "problem", "mishap", "delay", "shortage", "recovery", "fault", "turn"})
_CAUSE = re.compile(
    r"\b(?:expired|full|bug|update[ds]?|chang(?:e|ed|es)|deploy(?:ed|ment)?|restart(?:ed)?|broke|wrong|"
    r"missing|forgot|sick|ill|strike|storm|power|disk|certificate|"
    r"config(?:uration)?|mistake|damaged|customs|traffic|weather|behind|waiting for|found out|turned out|"
    r"maintenance|test|move|repair(?:s|ed)?|clean(?:ing|ed)?|works on|migration)\b",
    re.I,
)
_LATER = re.compile(
    r"\b(?:will|'ll|stays?|exempt|not affected|unaffected|can answer|valid|attached|must|goes ahead|"
    r"honou?red|still possible|"
    r"there (?:are|is|'s) (?:spares?|more|copies|others?|enough))\b",
    re.I,
)
_GREETING = re.compile(
    r"^(?:hi|hello|hey|dear|good (?:morning|afternoon|evening)|morning)\b[^,.!?:\n]{0,40}[,!:.]\s*(?=\S)",
    re.I,
)
_KNOWS = re.compile(r"(?:[\w'-]+ ){1,3}knows?", re.I)
# Why somebody may not be asked is no reason of what is announced.
_ASKED_FOR = re.compile(r"\basked (?:for|us|me) (?:that|this|it)\b", re.I)
_ORDER = re.compile(
    r"(?:then |just |so |and )?(?:park|use|take|throw|plan|log|save|keep|bring|go|come|check|write|tell|"
    r"give|put|leave|"
    r"send|sell|book|order|call|ring|ask|wait|stay|stop|close|open|lock|switch|turn|move|return|report|"
    r"sign|wear|"
    r"carry|pick|drop|hand|follow|read|print|make|do|work|start|finish|file|post|remove|add|clear|clean|"
    r"pack|load|"
    r"store|hold|skip|avoid|contact|speak|talk|enter|let|get|set|show|direct|offer|forward|"
    r"refer) (?!is\b|are\b|was\b|"
    r"were\b|has\b|fell\b|went\b|failed\b)",
    re.I,
)
# What a reason is often about.
_TROUBLE = re.compile(
    r"\b(?:not|no|never|nobody|none|nothing|n't|without|only|too(?! *$)|less|more|fewer|lower|higher|"
    r"longer|slower|worse|better|"
    r"cheaper|fail\w*|br(?:eak|oke)\w*|problems?|issues?|troubles?|complain\w*|complaints?|errors?|"
    r"mistakes?|wrong|"
    r"missing|lost|lack\w*|risk\w*|danger\w*|unsafe|sick|ill|absent|away|left|leaves|leaving|audit\w*|"
    r"inspect\w*|"
    r"laws?|legal|requir\w*|needs?|needed|wants?|wanted|asked|asks|insists?|late|delay\w*|behind|full|"
    r"empty|budget|costs?|"
    r"expensive|money|customers?|clients?|visits?|visitors?|repair\w*|renovat\w*|paint\w*|clean\w*|storm|"
    r"weather|strike|"
    r"holiday|accident|incident|damage\w*|leak\w*|expired?|expires|changed|new|last (?:time|week|month|year)|"
    r"had|have had|was|were|stolen|fire|flood\w*|safety|security)\b|[a-z]n't\b",
    re.I,
)
_VERB = re.compile(
    r"\b(?:is|are|was|were|be|been|has|have|had|do|does|did|can|could|will|would|may|might|must|should|"
    r"[a-z]{2,}ed|"
    r"[a-z]{3,}s|went|got|came|took|broke|ran|found|said|left|cost|lost|made|saw|want|need|go|come|get|"
    r"know|think)\b|"
    r"'(?:s|re|ve|ll|m)\b",
    re.I,
)
_OPENING = re.compile(
    r"(?:hi|hello|hey|dear|good (?:morning|afternoon|evening)|thank|thanks|if|from|as of|starting|on|"
    r"before|until|when|in|at|for|by|reminder|just)\b",
    re.I,
)


def is_explained(text: str, sentences: list[Sentence], item: Sentence, at: int, kind: str) -> bool:
    """Whether any words may give the reason of what a sentence says from `at` on."""
    if kind == "need" and re.search(r" (?:for|to) ", text[at : item.stop]):
        return True
    if kind in _REQUESTS and _is_led_up_to(text, sentences, item, at):
        return True
    # Behind a colon may stand the reason.
    if re.search(r":(?!\d)", text[at : item.stop]):
        return True
    if _REASON.search(text[item.start :]) or _REASON.search(text[: item.start]):
        return True
    if _AFTER.search(text[item.start : item.stop]) or _THEREFORE.search(text[:at]):
        return True
    # What stands before "so" is the reason.
    if re.search(r"[,.;] so\b", text[max(0, item.start - 2) : at], re.I):
        return True
    if any(alludes_to_cause(text[other.start : other.stop]) for other in sentences):
        return True
    own = sentences.index(item)
    return any(
        _has_reason(text, other, item, at, kind, near=abs(own - number) <= 1)
        for number, other in enumerate(sentences)
    )


def _has_reason(text: str, other: Sentence, item: Sentence, at: int, kind: str, near: bool) -> bool:
    """Whether a clause of a sentence may be the reason of what the sentence `item` says from `at` on.

    A reason stands next to its decision, so a sentence further away must speak of a trouble or a need.
    """
    clauses = _CLAUSE.split(text[other.start : other.stop])
    stop = other.start
    for number, clause in enumerate(clauses):
        start, stop = stop, stop + len(clause) + len(", ")
        clause = _GREETING.sub("", clause)
        if _KNOWS.fullmatch(clause) or (kind == "announcement" and _ASKED_FOR.search(clause)):
            continue
        own = start <= at < stop or (other == item and number == 0 and len(clause.split()) <= 3)
        if (
            own
            or is_order(clause)
            or _ORDER.match(clause)
            or _PLACE.search(clause)
            or is_request(clause)
            or is_closing(clause)
        ):
            continue
        if "?" in text[other.stop : other.end] and number == len(clauses) - 1:
            continue
        # "Last truck out at 19:00" only adds to the decision, "Not enough staff" is a reason.
        if not (near and _VERB.search(clause)) and not _TROUBLE.search(clause):
            continue
        if kind in _PROBLEMS:
            explains = bool(_CAUSE.search(clause))
        elif kind in _REQUESTS and kind != "plan":
            explains = not _NO_REASON.match(clause) and not _LATER.search(clause)
        elif kind == "plan":
            explains = not _NO_REASON.match(clause) and not (
                _LATER.search(clause) or _CONSEQUENCE.search(clause)
            )
        else:
            explains = not _NO_REASON.match(clause) and not _CONSEQUENCE.search(clause)
        if explains:
            return True
    return False


def _is_led_up_to(text: str, sentences: list[Sentence], item: Sentence, at: int) -> bool:
    """Whether a statement stands before a request: such a statement often explains it."""
    earlier = [
        _GREETING.sub("", text[other.start : other.stop]) for other in sentences if other.start < item.start
    ]
    # A pattern may start at the comma before the request.
    earlier += _GREETING.sub("", text[item.start : at + len(", ")]).split(", ")[:-1]
    return any(
        len(words.split()) >= 3
        and not is_closing(words)
        and not is_request(words)
        and not is_order(words)
        and not _OPENING.match(words)
        for words in earlier
    )
