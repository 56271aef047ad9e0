"""Requirements: the parts of an English message sorted into needs, limits and what is open.

The words decide what a part is where they can; the tagger decides the rest. A part that speaks of another part is printed
directly after it or stays with it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from data.records import Need, Role
from models import facts
from models.edits import evidence, itemise, points
from models.edits.parts import DATE_KINDS, LINK, Part, bare, heading, sentence

_NEEDS = {
    Need.CONTEXT: ("Context", "Context"),
    Need.NEED: ("Need", "Needs"),
    Need.WISH: ("Wish", "Wishes"),
    Need.CONSTRAINT: ("Constraint", "Constraints"),
    Need.DEADLINE: ("Deadline", "Deadlines"),
    Need.OPEN: ("Open", "Open"),
}
# Words that only ask for what follows them.
_ASKED = re.compile(
    r"""^(?:
        (?:(?:please|pls)\s+)? (?:could|can|would|will)\s+(?:you|someone|somebody|anybody|anyone)\s+
            (?:please\s+|maybe\s+)* (?!mind\b|like\b|be\b)
      | (?:please\s+)? (?:could|can|may)\s+(?:we|i)\s+(?:please\s+)? (?:get|have)\s+
      | may\s+i\s+ask\s+you\s+for\s+
      | (?:please|pls)\s+ (?!could\b|can\b|would\b|will\b)
      | (?:(?:we|i) (?:['’]d|\s+would|\s+will|['’]ll|\s+do)? (?:\s+(?:also|still|really|only|now))* \s+)?
            (?:need|want|like|require) (?:\s+to\s+have)? \s+(?:to\s+)?
    )(?=\w)(?!(?:it|them|this|that|these|those|you|him|her|to|if|both|all|one)\b)""",
    re.IGNORECASE | re.VERBOSE,
)
_PLEASE = re.compile(r"^(?:(?:and|but|so|also)\s+)?(?:please|pls)\s+(?!could\b|can\b|would\b|will\b)", re.IGNORECASE)
_COURTESY = re.compile(r"\b(?:sorry|hope|thanks?|thx|apolog\w+|bother)\b", re.IGNORECASE)
_WHEN = re.compile(
    r"\b(?:today|tonight|tomorrow|yesterday|asap|as soon as|immediately|right away|now|(?:this|next|last|coming) \w+"
    r"|end of|before|after|until|till|when|once|by (?:then|the)|noon|midnight|easter|christmas|spring|summer|autumn|winter"
    r"|weekends?|holidays?|season|term|semester|sprint|quarter|years?|mornings?|afternoons?|evenings?|nights?|deadline"
    r"|dates?|soon|urgent\w*|go-?live|go live|launch|release|opening|starts?|starting|january|february|march|april|june|july"
    r"|august|september|october|november|december|nov|dec|oct|sept?|feb|jan"
    r"|(?:\d+|an?|one|two|three|four|five|six|ten|few|couple of)\s+(?:working\s+|business\s+)?"
    r"(?:minutes?|hours?|days?|weeks?|months?))\b",
    re.IGNORECASE,
)
_WISHES = re.compile(
    r"\b(?:nice[ -]to[ -]have|(?:would|['’]d)\s+be\s+(?:nice|lovely|great|a\s+(?:bonus|plus))|ideally|(?:isn['’]?t|not)\s+(?:strictly\s+)?"
    r"essential|optional(?:ly)?|a\s+bonus|could\s+live\s+without|would\s+be\s+good|preferabl[ey]|only\s+if\s+the\s+budget)\b",
    re.IGNORECASE,
)
_MAY_WISH = re.compile(
    r"\b(?:would|['’]d|if\s+(?:at\s+all\s+)?possible|prefer\w*|love|nice|good|like|maybe|perhaps|hope|rather)\b", re.IGNORECASE
)
_NEEDED = re.compile(
    r"\b(?:must|should|shall|(?:has|have|had|'ve got|needs?|ought|(?:is|are)\s+supposed)\s+to|needs?|needed|wants?|insists?|require[sd]?|looking\s+for"
    r"|(?:would|['’]d)\s+like|a\s+must)\b",
    re.IGNORECASE,
)
# At its start such a word limits what is named before it.
_LIMIT = (
    r"(?:no|not|without|only|nothing|nobody|never|max(?:imum)?|min(?:imum)?|at\s+most|at\s+least|under|below|up\s+to|within|less\s+than|fewer"
    r"\s+than|no\s+more\s+than)"
)
_LIMITS_FIRST = re.compile(rf"^(?:and\s+|but\s+)*{_LIMIT}\s+\S", re.IGNORECASE)
_LIMITS = re.compile(
    rf"\b(?:{_LIMIT}|must\s*n['’]?o?t|mustnt|can['’]?t|cannot|may\s+not|(?:isn['’]?t|aren['’]?t|not)\s+allowed|limit\w*|budget|except|unless|longer"
    r"|larger|bigger|more\s+than|as\s+long\s+as|exactly|same)\b",
    re.IGNORECASE,
)
_MEASURES = re.compile(rf"^{_LIMIT}\b|\b(?:at\s+most|at\s+least|max|min|not|without|longer\s+than)\b", re.IGNORECASE)
# Words of a statement that could state a limit.
_HOLDS = re.compile(r"n['’]?t\b|\b(?:not|no|until|before|unless|prefer\w*|rather|allow\w*|stays?|please|only|hidden)\b", re.IGNORECASE)
_AT_MOST = re.compile(r"^(?:[\w'’-]+\s+){1,3}at\s+(?:most|least)\b", re.IGNORECASE)
_MONEY = re.compile(r"\bbudget\b|^(?:max|under|up\s+to|at\s+most)\b", re.IGNORECASE)
_DUE = re.compile(
    r"\b(?:by(?!\s+(?:quarter|month|week|day|year)\b)|before|until|till|deadline|due|live|ready|launch\w*|starts?|starting|from|opening|opens|deliver\w*|install\w*|within|latest"
    r"|needed|in\s+time|for\s+(?:the|my|our|his|her|their)|no\s+later|asap|end\s+of|next|this)\b",
    re.IGNORECASE,
)
_DEADLINE = re.compile(r"\b(?:by|before|until|till|no\s+later\s+than)\s+(?:the\s+)?", re.IGNORECASE)
_ENDS_DATE = re.compile(r"$|\W*$|[.,;:!?)]|\s+(?:and|but|so|or|please|pls|because|since|with|if)\b", re.IGNORECASE)
_FEW_WORDS = 12
_SHORT_ORDER = 5  # words of "reply by Friday"
# A comma, and then limits up to the end: "ten slides, no jargon, and not the draft numbers".
_TAIL = re.compile(rf",\s+(?:and\s+|but\s+)*(?={_LIMIT}\s+\S)", re.IGNORECASE)
_NOTHING_ELSE = re.compile(r"(?:no|nothing|not)\s+(?:more|else|less|other)\W*$", re.IGNORECASE)
# "Read only, NOT write" limits a word of the need.
_LIMITS_WORD = re.compile(r"(?:and\s+|but\s+)*not\s+(?!(?:the|an?|on|in|at|before|after|more|less|longer|from|by|any|all|for|with)\b)", re.IGNORECASE)
_NAMES_ANOTHER = re.compile(r"\b(?:ones?|it|they|them|that|those|these)\b", re.IGNORECASE)
# These words speak of what stands before them. A subject "it" with a modal verb is what the message is about.
_REFERS = re.compile(
    r"^\W*(?:(?:and|but|so|also)\s+)?(?:his|her|him|this|that|these|those|both|neither|one\s+of|some\s+of|the\s+(?:others?|rest|same)"
    r"|(?:it|they|he|she)\b(?!['’]?\s*(?:must|mustn|should|shouldn|has\s+to|have\s+to|needs?|can|cannot|may|would|d\b|wants?|will|also)))\b",
    re.IGNORECASE,
)
_STATES_LIMIT = re.compile(
    r"(?:it|they|this|he|she)\s*(?:must|can\s+(?:only|pay)|has to|have to|should|cannot|can['’]?t|may not|needs? to|mustn['’]?t|shouldn['’]?t)\b", re.IGNORECASE
)
_CANNOT = re.compile(r"(?:we|it|they|this|you|nobody|no\s+one)\s+(?:can['’]?t|cannot|must\s*n['’]?o?t|mustnt|may\s+not|(?:is|are)\s+not\s+allowed)\b", re.IGNORECASE)
_MUST = re.compile(r"\b(?:is\s+a\s+must|are\s+a\s+must|must\s+(?:have|be)|(?:has|have|needs?)\s+to\s+be|needs?\s+(?:an?|the)\s)", re.IGNORECASE)
# "Before the conference, ideally": a time and nothing else.
_ONLY_WHEN = re.compile(r"(?:ideally\s+|preferably\s+|if\s+possible,?\s+)?(?:before|by|until|from|within|not\s+before|no\s+later\s+than)\s+\S", re.IGNORECASE)
_IF_POSSIBLE = re.compile(r"\b(?:ideally|preferably|possible)\b", re.IGNORECASE)
_SEPARATE = (Need.NEED, Need.CONSTRAINT)  # kinds of which each clause is an entry
_AND = re.compile(r"^(?:and|but|also|oh|plus)\b[,\s]+", re.IGNORECASE)
# A doubt about the words before it.
_GOES_ON = re.compile(
    r"(?:(?:or|but)\s+)?(?:i\s+(?:think|believe|guess|suppose)|maybe|perhaps|it|that|this|these|those|which)\b", re.IGNORECASE
)
_I_NEED = re.compile(r"\b(?:i|we)(?:['’]re\s+going\s+to|\s+are\s+going\s+to|['’]ll|\s+will|['’]d|\s+would)?\s+need\b(?!\s+to\b)", re.IGNORECASE)
_SPEAKS_OF_BEFORE = re.compile(
    rf"{_GOES_ON.pattern}|(?:[\w'’-]+\s+){{0,3}}?(?:it|that|this|those|these)\b(?!\s+\w+['’]s)", re.IGNORECASE
)
# "In which languages? Tell me."
_TELLS_ME = re.compile(r"(?:please\s+|pls\s+)?(?:tell|ask|advise|let)\s+\w+(?:\s+know)?\W*$", re.IGNORECASE)
_ASKS_WHOM = re.compile(r"(?:please |pls |maybe )?(?:ask|check|tell|i (?:have to|need to|will)|i'll|we'd have to)\b", re.IGNORECASE)


@dataclass
class _Entry:
    """An entry of a list, in the message from the part `first` on."""

    text: str
    need: Need
    first: int
    opens_sentence: bool
    joint: str


def sort(parts: Sequence[Part], intensity: int) -> str | None:
    """The message sorted into context, needs, wishes, constraints, deadlines and what is open: a line a kind at intensity 1,
    points at 2 with a note if no date is stated, and at 3 also if no person is. None without a need or a constraint.
    """
    head, tail, body = _outside(parts)
    entries = _settle(_entries(body))
    kinds = {entry.need for entry in entries}
    if not kinds - {Need.CONTEXT, Need.OPEN} or (len(entries) == 1 and intensity == 1 and not head):
        return None
    groups: dict[Need, list[str]] = {kind: [] for kind in _NEEDS}
    for entry in entries:
        text = _asked(entry.text) if entry.need in (Need.NEED, Need.WISH) else _PLEASE.sub("", entry.text)
        groups[entry.need].append(bare(text))
    everything = " ".join(part.text for part in parts)
    if intensity >= 2 and not groups[Need.DEADLINE]:
        wanted = " ".join(entry.text for entry in entries if entry.need in (Need.NEED, Need.CONSTRAINT))
        if deadline := _only_deadline(wanted):
            groups[Need.DEADLINE].append(deadline)
        elif not _says_when(everything):
            groups[Need.OPEN].append("by when (not stated)")
    ordered = any(evidence.only_orders(part.text) for part in body)
    if intensity >= 3 and not ordered and not re.search(
        r"\b(?:you|your|someone|somebody|i['’]ll|i['’]m|who|[A-Z][a-z]+ (?:will|has to|must|can))\b", everything, re.IGNORECASE
    ):
        groups[Need.OPEN].append("who does it (not stated)")
    lines = head
    for kind, texts in groups.items():
        if not texts:
            continue
        label = _NEEDS[kind][len(texts) > 1]
        if intensity == 1 or (intensity == 2 and len(texts) == 1):
            lines.append(f"{label}: {'; '.join(texts)}")
        else:
            lines += [f"{label}:", *(f"- {text}" for text in texts)]
    return "\n".join([*lines, *tail])


def _outside(parts: Sequence[Part]) -> tuple[list[str], list[str], list[Part]]:
    """The lines before and after the lists, and the parts that are sorted."""
    head: list[str] = []
    tail: list[str] = []
    body: list[Part] = []
    for i, part in enumerate(parts):
        match points.frame(part, is_first=not body, is_last=i == len(parts) - 1):
            case Role.GREETING:
                head.append(sentence(part))
            case Role.TOPIC:
                head.append(heading(part))
            case Role.CLOSING:
                tail.append(sentence(part))
            case _:
                body.append(part)
    return head, tail, body


def _entries(body: Sequence[Part]) -> list[_Entry]:
    """The entries: a part of another kind than the part before it is one of its own, if it can stand alone."""
    entries: list[_Entry] = []
    before: Part | None = None
    for i, part in enumerate(body):
        if part.need is Need.NOTHING and _COURTESY.search(part.text) and not facts.extract(part.text):
            continue
        if len(part.text.split()) < 2 and not facts.extract(part.text):
            continue
        need = _kind(part)
        last = entries[-1] if entries else None
        if last and before and not part.opens_sentence:
            opens = need is Need.OPEN and last.need is not Need.OPEN and not _SPEAKS_OF_BEFORE.match(LINK.sub("", part.text))
            asks_whom = last.need is Need.OPEN and _ASKS_WHOM.match(LINK.sub("", part.text))
            limits = need in (Need.CONSTRAINT, Need.NEED) and (last.need is not Need.OPEN or _AND.match(part.text)) and _STATES_LIMIT.match(_AND.sub("", part.text))
            speaks_of = points.BACK.search(part.text) and LINK.sub("", part.text) == part.text
            doubts = need is Need.OPEN and _GOES_ON.match(LINK.sub("", part.text))
            depends = points.depends(part, before) or speaks_of or doubts or need is Need.CONTEXT
            if (depends and not opens and not limits) or asks_whom or (last.need is need and need not in _SEPARATE):
                last.text += part.joint + part.text
                if last.need is Need.CONTEXT:
                    last.need = Need.NEED if need is Need.DEADLINE else need
                if need is Need.OPEN and evidence.hedges(part.text):
                    last.need = Need.OPEN  # "only managers, I think"
                before = part
                continue
        if last and last.need is Need.OPEN and _TELLS_ME.match(part.text):
            last.text += part.joint + part.text
            continue
        entries += _split(_Entry(part.text, need, i, part.opens_sentence, part.joint))
        before = part
    return entries


def _kind(part: Part) -> Need:
    """What a part is, by its words, or by the tagger."""
    text = LINK.sub("", part.text)
    if text.endswith("?"):
        return Need.NEED if evidence.orders(text) else Need.OPEN
    if evidence.leaves_open(text) and not evidence.only_orders(text) and not re.match(r"we\s+need\b", text, re.IGNORECASE):
        return Need.OPEN
    if _WISHES.search(text) and not (part.need is Need.NEED and not re.search(r"essential|nice", text)):
        return Need.WISH
    if part.need is Need.WISH and _MAY_WISH.search(text):
        return Need.WISH
    if evidence.hedges(text) and part.need is Need.OPEN:
        return Need.OPEN
    words = len(text.split())
    if words <= _FEW_WORDS and _ONLY_WHEN.match(text) and _says_when(text) and not (_NEEDED.search(text) or evidence.orders(text)):
        return Need.WISH if _IF_POSSIBLE.search(text) else Need.DEADLINE
    if evidence.only_orders(text) and words > _SHORT_ORDER and part.need is Need.DEADLINE:
        return Need.NEED
    if _says_when(text) and _DUE.search(text) and (part.need is Need.DEADLINE or (words <= 6 and part.need is not Need.CONTEXT)):
        return Need.DEADLINE
    if _LIMITS_FIRST.match(text) or _MONEY.search(text) or _AT_MOST.search(text) or (part.need is Need.CONSTRAINT and _LIMITS.search(text)):
        return Need.CONSTRAINT
    if _CANNOT.match(text):
        return Need.CONSTRAINT
    if _MEASURES.search(text) and not itemise.is_clause(text):
        return Need.CONSTRAINT
    if part.need is Need.CONSTRAINT and not (_NEEDED.search(text) or _HOLDS.search(text)) and itemise.is_clause(text):
        return Need.CONTEXT
    if re.match(r"[A-Z][\w'’-]+\s+(?:can|could|will)\b", part.text) and not _NEEDED.search(text):
        return Need.CONTEXT
    if part.need in (Need.NEED, Need.CONSTRAINT):
        return part.need
    if _I_NEED.search(text):
        return Need.NEED
    if _MUST.search(text) and not re.match(r"(?:i|we)\b", text, re.IGNORECASE):
        return Need.NEED
    own = re.match(r"(?:i|we)\s+(?:still\s+)?(?:have|need|must)\s+to\b", text, re.IGNORECASE)
    if not own and (_NEEDED.search(text) or evidence.only_orders(text)) and part.need is not Need.CONTEXT:
        return Need.NEED
    if evidence.only_orders(text) or re.match(r"(?:it|they|this)\s+(?:must|should|has\s+to|have\s+to|needs?\s+to)\b", text, re.I):
        return Need.NEED
    return Need.CONTEXT


def _split(entry: _Entry) -> list[_Entry]:
    """A need, and the limits at its end as constraints; or the things of a sentence that only names things."""
    if entry.need not in (Need.NEED, Need.CONSTRAINT) or "(" in entry.text:
        return [entry]
    if things := itemise.bare_things(entry.text):
        return [
            _Entry(
                thing,
                Need.CONSTRAINT if _MEASURES.search(thing) else Need.NEED,
                entry.first,
                entry.opens_sentence and i == 0,
                entry.joint if i == 0 else ", ",
            )
            for i, thing in enumerate(things)
        ]
    if entry.need is Need.CONSTRAINT:
        return [entry]
    match = _TAIL.search(entry.text)
    if not match or len(entry.text[: match.start()].split()) < 3:
        return [entry]
    pieces = re.split(r",\s+(?:and\s+|but\s+)*", entry.text[match.end() :])
    if any(not _LIMITS_FIRST.match(piece) or _LIMITS_WORD.match(piece) or _NOTHING_ELSE.match(piece) or _NAMES_ANOTHER.search(piece) for piece in pieces):
        return [entry]
    need = _Entry(entry.text[: match.start()], Need.NEED, entry.first, entry.opens_sentence, entry.joint)
    return [need, *(_Entry(piece, Need.CONSTRAINT, entry.first, False, ", ") for piece in pieces)]


def _settle(entries: list[_Entry]) -> list[_Entry]:
    """The entries, where one that speaks of the entry before it is printed directly after it, or joined to it."""
    order = list(_NEEDS)
    i = 1
    while i < len(entries):
        printed = sorted(range(len(entries)), key=lambda j: (order.index(entries[j].need), j))
        at = printed.index(i)
        exempt = entries[i].need is Need.DEADLINE or evidence.leaves_open(entries[i].text)
        if _REFERS.match(entries[i].text) and not exempt and (at == 0 or printed[at - 1] != i - 1):
            before, entry = entries[i - 1], entries.pop(i)
            between = entry.joint if before.text.endswith((".", "!", "?", ",")) or entry.joint.strip() else ". "
            before.text += between + entry.text
            if before.need is Need.CONTEXT:
                before.need = entry.need
            i = 1
        else:
            i += 1
    return entries


def _asked(text: str) -> str:
    """A need without the words that only ask for it."""
    bare = _ASKED.sub("", LINK.sub("", text), count=1)
    return bare.rstrip("?") if bare != text and "?" not in bare[:-1] else text


def _only_deadline(text: str) -> str | None:
    """The only date, time or weekday of a message, if it is after "by" or "before"."""
    spans = [span for span in facts.spans(text) if span.kind in DATE_KINDS]
    if len(spans) != 1:
        return None
    span = spans[0]
    match = next((match for match in _DEADLINE.finditer(text) if match.end() == span.start), None)
    if match is None or not _ENDS_DATE.match(text, span.end):
        return None
    return match.group().split()[0].lower() + " " + text[span.start : span.end]


def _says_when(text: str) -> bool:
    return bool(_WHEN.search(text)) or any(span.kind in DATE_KINDS for span in facts.spans(text))
