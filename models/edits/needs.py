"""What a part of an English message is in a list of requirements: by its words, and where they leave it open
by the tagger.
"""

import re

from data.records import Need
from models import facts
from models.edits import evidence, itemise, wanted
from models.edits.parts import DATE_KINDS, LINK, Part

# At its start such a word limits what is named before it.
LIMIT = (
    r"(?:no|not|without|only|nothing|nobody|never|max(?:imum)?|min(?:imum)?|at\s+most|at\s+least|under|below"
    r"|up\s+to|within|less\s+than|fewer\s+than|no\s+more\s+than)"
)
LIMITS_FIRST = re.compile(rf"^(?:and\s+|but\s+)*{LIMIT}\s+\S", re.IGNORECASE)
_LIMITS = re.compile(
    rf"\b(?:{LIMIT}|must\s*n['’]?o?t|mustnt|can['’]?t|cannot|may\s+not|(?:isn['’]?t|aren['’]?t|not)\s+allowed"
    r"|limit\w*|budget|except|unless|longer|larger|bigger|more\s+than|as\s+long\s+as|exactly|same)\b",
    re.IGNORECASE,
)
MEASURES = re.compile(
    rf"^{LIMIT}\b|\b(?:at\s+most|at\s+least|max|min|not|without|longer\s+than|(?:under|below|up\s+to|"
    rf"within)\s+[$€£]?\d+)\b",
    re.IGNORECASE,
)
# These words state a limit whatever the tagger says.
_STATES_LIMIT = re.compile(
    r"\bbudget\b|^(?:max|under|up\s+to|at\s+most)\b|^(?:[\w'’-]+\s+){1,3}at\s+(?:most|least)\b"
    r"|^(?:we|it|they|this|you|nobody|no\s+one)\s+(?:can['’]?t|cannot|must\s*n['’]?o?t|mustnt|may\s+not"
    r"|(?:is|are)\s+not\s+allowed)\b",
    re.IGNORECASE,
)
# Words of a statement that could state a limit: "table 8 stays free until they have left".
_MAY_LIMIT = re.compile(
    r"n['’]?t\b|\b(?:not|no|until|til|before|unless|prefer\w*|rather|allow\w*|stays?|please|only|hidden)\b",
    re.IGNORECASE,
)
IF_POSSIBLE = (
    r"if\s+(?:(?:that|it)['’]?s\s+|at\s+all\s+)?(?:poss(?:ible)?|affordable|doable|feasible)(?!\s+to)"
)
_WISHES = re.compile(
    r"\b(?:nice[ -]to[ -]have|(?:would|['’]d)\s+be\s+(?:nice|lovely|great|good|a\s+(?:bonus|plus))|ideally"
    r"|(?:isn['’]?t|not)\s+(?:strictly\s+)?essential|optional(?:ly)?|would\s+be\s+ideal|a\s+bonus|"
    r"could\s+live\s+without"
    rf"|preferabl[ey]|{IF_POSSIBLE}|only\s+if\s+the\s+budget)\b",
    re.IGNORECASE,
)
_NO_MUST = re.compile(r"\b(?:nice|essential)\b", re.IGNORECASE)
_MAY_WISH = re.compile(
    r"\b(?:would|['’]d|if\s+(?:at\s+all\s+)?possible|prefer\w*|love|nice|good|like|maybe|perhaps|hope|"
    r"rather)\b",
    re.IGNORECASE,
)
_NEEDS = re.compile(
    r"\b(?:must|should|shall|(?:has|have|had|['’]ve\s+got|needs?|ought|(?:is|are)\s+supposed)\s+to|needs?|"
    r"needed"
    r"|wants?|insists?|require[sd]?|looking\s+for|could\s+do\s+with|(?:would|['’]d)\s+like|a\s+must)\b",
    re.IGNORECASE,
)
# These words state a need whatever the tagger says.
_STATES_NEED = re.compile(
    r"\b(?:i|we)(?:['’]re\s+going\s+to|\s+are\s+going\s+to|['’]ll|\s+will|['’]d|"
    r"\s+would)?\s+need\b(?!\s+to\b)"
    r"|^(?:i|we)\s+could\s+do\s+with\b"
    r"|^(?!(?:i|we)\b).*\b(?:(?:is|are)\s+a\s+must|must\s+(?:have|be)|(?:has|have|needs?)\s+to\s+be|"
    r"needs?\s+(?:an?|the)\s)"
    r"|^(?:it|they|this)\s+(?:must|should|has\s+to|have\s+to|needs?\s+to)\b",
    re.IGNORECASE,
)
_CAN_IT = re.compile(r"(?:can|could)\b|(?:is|would)\s+it\s+(?:be\s+)?possible\b", re.IGNORECASE)
_OWN_DUTY = re.compile(r"(?:i|we)\s+(?:still\s+)?(?:have|need|must)\s+to\b", re.IGNORECASE)
# "Kirsi will merge everything" says what somebody else does.
_OFFERS = re.compile(r"(?!Please\b)[A-Z][\w'’-]+\s+(?:can|could|will)\b(?!['’]t)")
_OFFERS_IF = re.compile(r"if\s+(?:you|it|that|not)\b", re.IGNORECASE)
_WHEN = re.compile(
    r"\b(?:today|tonight|tomorrow|yesterday|asap|as soon as|immediately|right away|now"
    r"|(?:this|next|last|coming) \w+|end of|before|after|until|till|til|when|once|by (?:then|the)|noon|"
    r"midnight"
    r"|easter|christmas|spring|summer|autumn|winter|weekends?|holidays?|season|term|semester|sprint|"
    r"quarter|years?"
    r"|mornings?|afternoons?|evenings?|nights?|deadline|dates?|soon|urgent\w*|go-?live|go live|launch|release"
    r"|opening|starts?|starting|january|february|march|april|june|july|august|september|october|november|"
    r"december"
    r"|nov|dec|oct|sept?|feb|jan|q[1-4]"
    r"|(?:by|at|from)\s+(?:about\s+)?\d+|\d+(?:st|nd|rd|th)"
    r"|(?:\d+|an?|one|two|three|four|five|six|ten|few|couple of)\s+(?:working\s+|business\s+)?"
    r"(?:minutes?|hours?|days?|weeks?|months?))\b",
    re.IGNORECASE,
)
_DUE = re.compile(
    r"\b(?:by(?!\s+(?:quarter|month|week|day|year)\b)|before|until|till|til|deadline|due|live|ready|"
    r"launch\w*|starts?"
    r"|starting|opening|opens|deliver\w*|install\w*|within|latest|needed|in\s+time"
    r"|for\s+(?:the|my|our|his|her|their)|no\s+later|asap|end\s+of)\b",
    re.IGNORECASE,
)
# From when to when something is used is no deadline.
_SPAN = re.compile(r"\bfrom\s+[^,;]{1,30}?\s(?:until|till|til|to)\s", re.IGNORECASE)
# "Before the conference, ideally": a time and nothing else.
_ONLY_WHEN = re.compile(
    r"(?:ideally\s+|preferably\s+|if\s+possible,?\s+)?(?:before|by|until|from(?!\s+now\s+on)|within|"
    r"not\s+before|no\s+later\s+than"
    r"|next|some\s+time)\s+\S",
    re.IGNORECASE,
)
# These words doubt what stands before them: "only managers, I think, or maybe everyone".
_DOUBTS_BEFORE = re.compile(r"(?:i\s+(?:think|guess|believe|suppose),|or\s+maybe\b)", re.IGNORECASE)
_PREFERS = re.compile(r"(?:ideally|preferabl[ey]|optional(?:ly)?|nice[ -]to[ -]have)\b", re.IGNORECASE)
# A wish of the words beside it, and not of the whole part
_OF_END = re.compile(rf"ideally|preferabl[ey]|{IF_POSSIBLE}", re.IGNORECASE)
_COMMA = re.compile(r",\s+(?:and\s+|but\s+)*")
# "The gym is closed until Easter" has no deadline.
_HOLDS_UNTIL = re.compile(
    r"\b(?:is|are|stays?|remains?|can\s+be)\s+\w+\s+(?:until|till|til)\b", re.IGNORECASE
)
_EXPLAINS = re.compile(r"(?:otherwise|or|because|so|as|since|that)\b", re.IGNORECASE)
_FEWEST_WORDS = 3  # before a wish at the end
_IF_POSSIBLE = re.compile(r"\b(?:ideally|preferably|poss(?:ible)?)\b", re.IGNORECASE)
# "Should be running after Easter", "the money must be spent by the end of the year"
_DONE_BY = re.compile(
    r"(?:(?:it|they|this|everything|(?:all\s+)?(?:the\s+)?(?:money|budget|funds?|work|thing))\s+)?"
    r"(?:must|should|(?:has|have|needs?)\s+to)\s+be\s+(?:\w+\s+(?:\w+\s+)?(?:by|before|no\s+later\s+than)"
    r"|(?:running|ready|live|done|finished|in\s+place|online)\s+(?:after|from|in))\s+"
    r"(?!\d+[:.]\d|\d+\s*[ap]m\b)\S",
    re.IGNORECASE,
)
# "Target is sprint 24"; a number alone may be a measure.
_TARGET = re.compile(
    r"\b(?:due\s+date|deadline|go[ -]?live|target(?!\s*(?:is|:|=)\s*\d)|eta)\s*(?:is|:|=)\s*(?P<when>\S.*)",
    re.IGNORECASE,
)
_LONGEST_DATE = 12  # words of a part that only says when
_LONGEST_DUE = 20  # words of a part with a deadline and little else
_SHORT = 6  # words


def kind(part: Part) -> Need:
    """What a part is. The first rule that fits decides: what is open, wishes, deadlines, limits, needs."""
    text = LINK.sub("", part.text)
    words = len(text.split())
    orders = evidence.only_orders(text)
    if text.endswith("?"):
        is_need = part.need is Need.NEED and _CAN_IT.match(text)
        return Need.NEED if is_need or evidence.orders(text) else Need.OPEN
    if wanted.asks_answer(text) or (wanted.doubts(text) and not orders):
        return Need.OPEN
    if _is_wish(part, text):
        return Need.WISH
    if evidence.hedges(text) and (part.need is Need.OPEN or _DOUBTS_BEFORE.match(text)):
        return Need.OPEN
    if orders and evidence.forbids(text):
        return Need.CONSTRAINT
    if wanted.funds(text) and not orders:
        return Need.CONSTRAINT if wanted.depends(text) else Need.CONTEXT
    if words <= _LONGEST_DATE and _ONLY_WHEN.match(text) and says_when(text.partition(",")[0]):
        if _IF_POSSIBLE.search(text):
            return Need.WISH
        if not itemise.is_clause(text) and not evidence.orders(text):
            return Need.DEADLINE
    if words <= _LONGEST_DATE and _says_deadline(text):
        return Need.DEADLINE
    if orders and words >= _SHORT and part.need is Need.DEADLINE:
        return Need.NEED  # "from Monday on please use the new form"
    is_due = part.need is Need.DEADLINE or (words <= _SHORT and part.need is not Need.CONTEXT)
    is_due = is_due and words <= _LONGEST_DUE and not _SPAN.search(text)
    if is_due and _DUE.search(text) and says_when(text) and not _says_more(text):
        return Need.DEADLINE
    if _OFFERS_IF.match(text) and evidence.plans(text) and not orders:
        return Need.CONTEXT  # "if you can't, I'll ask Piotr"
    if wanted.wants(text):
        return Need.NEED
    if _is_limit(part, text) and not (orders and part.need is Need.NEED):
        return Need.CONSTRAINT
    if part.need is Need.CONSTRAINT and not (_NEEDS.search(text) or _MAY_LIMIT.search(text)):
        if not itemise.is_clause(text) or wanted.limits(text):
            return Need.CONSTRAINT
        return Need.NEED if wanted.is_fragment(text) else Need.CONTEXT
    if _OFFERS.match(part.text) and not _NEEDS.search(text):
        return Need.CONTEXT
    if part.need in (Need.NEED, Need.CONSTRAINT):
        return part.need
    if _STATES_NEED.search(text) or orders:
        return Need.NEED
    if _NEEDS.search(text) and part.need is not Need.CONTEXT and not _OWN_DUTY.match(text):
        return Need.NEED
    if part.opens_sentence and wanted.somebody_wants(text):
        return Need.NEED
    decides_by = part.need is Need.DEADLINE and _OWN_DUTY.match(text)
    return Need.CONSTRAINT if decides_by or wanted.limits(text) else Need.CONTEXT


def says_when(text: str) -> bool:
    """Whether a text names a time: a date, "tomorrow", "in two weeks"."""
    return bool(_WHEN.search(text)) or any(span.kind in DATE_KINDS for span in facts.spans(text))


def _says_deadline(text: str) -> bool:
    if target := _TARGET.search(text):
        return says_when(target["when"])
    return bool(_DONE_BY.match(text)) and says_when(text)


def _says_more(text: str) -> bool:
    """Whether a part says more than when: a need or a limit of its own, or when an offer ends."""
    if wanted.has_own_date(text) or _HOLDS_UNTIL.search(text):
        return True
    pieces = [piece for piece in _COMMA.split(text) if not _EXPLAINS.match(piece)]
    return any(
        (LIMITS_FIRST.match(piece) and not _DUE.search(piece))
        or (_NEEDS.search(piece) and not says_when(piece))
        for piece in pieces
    )


def _is_wish(part: Part, text: str) -> bool:
    if _PREFERS.match(text):
        return True
    wish = _WISHES.search(text)
    # "We need a freezer, minus eighty preferably": the wish is only the end.
    if (
        wish
        and _OF_END.match(wish.group())
        and len(text[: wish.start()].rpartition(",")[0].split()) >= _FEWEST_WORDS
    ):
        return False
    if wish and (part.need is not Need.NEED or _NO_MUST.search(text)):
        return True
    return part.need is Need.WISH and bool(_MAY_WISH.search(text))


def _is_limit(part: Part, text: str) -> bool:
    return bool(
        LIMITS_FIRST.match(text)
        or _STATES_LIMIT.search(text)
        or (part.need is Need.CONSTRAINT and _LIMITS.search(text))
        or (MEASURES.search(text) and not itemise.is_clause(text))
    )
