"""Requirements: the parts of an English message sorted into needs, limits and what is open.

A part that speaks of another part is printed directly after it, or stays with it.
"""

import re
from collections.abc import Sequence

from data.records import Need, Role
from models import facts
from models.edits import evidence, needs, points, segments, wanted
from models.edits.entries import SEPARATE, Entry, apart, split
from models.edits.parts import DATE_KINDS, LINK, Part, bare, heading, sentence

_LABELS = {
    Need.CONTEXT: ("Context", "Context"),
    Need.NEED: ("Need", "Needs"),
    Need.WISH: ("Wish", "Wishes"),
    Need.CONSTRAINT: ("Constraint", "Constraints"),
    Need.DEADLINE: ("Deadline", "Deadlines"),
    Need.OPEN: ("Open", "Open"),
}
_ORDER = list(_LABELS)
# Words that only ask for what follows them.
_REQUEST = re.compile(
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
_PLEASE = re.compile(
    r"^(?:(?:and|but|so|also)\s+)?(?:please|pls)\s+(?!could\b|can\b|would\b|will\b)", re.IGNORECASE
)
_COURTESY = re.compile(r"\b(?:sorry|hope|thanks?|thx|apolog\w+|bother)\b", re.IGNORECASE)
_DEADLINE = re.compile(
    r"(?<!\bnot\s)\b(?:by|before|until|till|no\s+later\s+than)\s+(?:the\s+)?", re.IGNORECASE
)
# "The guard must be replaced", and not "the contract says we have to".
_MUST = re.compile(
    r"(?!(?:it|they|this|that|you|we|nobody|no|not|nothing)\b)(?:(?!\b(?:only|says?|said|we|you|they|i)\b)[^,.;:]){3,60}\s(?:must|(?:has|have|needs?)\s+to|should)\s+(?!not\b)",
    re.IGNORECASE,
)
_IF_COMMA = re.compile(r"\bif,", re.IGNORECASE)  # "it would be nice if, just once, ..."
_TODAY = re.compile(r"\b(?:today|tonight|tomorrow|tmrw)\b", re.IGNORECASE)
# "Don't announce it before Monday" has no deadline.
_NEGATES = re.compile(r"\b(?:no|not|never|nobody|nothing)\b|n['’]t\b|\b(?:dont|cant|wont)\b", re.IGNORECASE)
_ENDS_DATE = re.compile(
    r"\W*$|[.,;:!?)]|\s+(?:and|but|so|or|please|pls|because|since|with|if)\b", re.IGNORECASE
)
_WHO = re.compile(
    r"\b(?:you|your|someone|somebody|who|i['’](?:ll|m)|[a-z]+\s+(?:will|has\s+to|must|can))\b", re.IGNORECASE
)
_LONGEST_ANSWER = 4  # words
_FEWEST_WORDS = 3  # that a clause leaves behind
_BARE_DOUBT = re.compile(
    r"(?:(?:but|and)\s+)?(?:they|he|she|we|i)\s+(?:have|has|did|do|does|is|are)(?:n['’]?t|\s+not)\s+\w+(?:\s+\w+)?\W*$",
    re.IGNORECASE,
)
# These words speak of what stands before them. With a modal verb "it" is what the whole message is about.
_REFERS = re.compile(
    r"^\W*(?:(?:and|but|so|also)\s+)?(?:his|her|him|this|that|these|those|both|neither|one\s+of|some\s+of"
    r"|the\s+(?:others?|rest|same)|(?:it|they|he|she)\b(?!['’]?\s*(?:must|mustn|should|shouldn|has\s+to|have\s+to"
    r"|needs?|can|cannot|may|would|d\b|wants?|will|also)))\b",
    re.IGNORECASE,
)
# A limit of what is named before, which can stand alone: "it must be quiet".
_LIMITS_IT = re.compile(
    r"(?:it|they|this|he|she)\s*(?:must(?:n['’]?t)?|can\s+(?:only|pay)|has\s+to|have\s+to|should(?:n['’]?t)?|cannot"
    r"|can['’]?t|may\s+not|needs?\s+to)\b",
    re.IGNORECASE,
)
_AND = re.compile(r"^(?:(?:and|but|also|oh|plus)\b[,\s]+)+", re.IGNORECASE)
# A doubt about the words before it, or about something that is named before it.
_DOUBTS = re.compile(
    r"(?:(?:or|but)\s+)?(?:i\s+(?:think|believe|guess|suppose)|maybe|perhaps|it|that|this|these|those|which)\b",
    re.IGNORECASE,
)
_NAMES_BEFORE = re.compile(
    r"\b(?:he|she|they|it|him|them|this|that|those|these|one|ones|either)\b", re.IGNORECASE
)
_SPEAKS_OF = re.compile(r"(?:[\w'’-]+\s+){0,3}?(?:it|that|this|those|these)\b", re.IGNORECASE)
_ASKS_WHOM = re.compile(
    r"(?:please\s+|pls\s+|maybe\s+)?(?:ask|check|tell|i\s+(?:have\s+to|need\s+to|will)|i['’]ll|we['’]d\s+have\s+to)\b",
    re.IGNORECASE,
)
# A comma that may separate two requirements, and none before a subordinate clause, a doubt or an apposition.
_LIST_COMMA = re.compile(
    r",\s+(?!(?:which|who|whose|because|since|as|so|if|when|although|though|where|that|then|or|i\s+(?:think|suppose)"
    r"|ideally|preferably|please|pls|not\s+(?:the|a|an|on|in|at)\b|like|such|including|maybe|too)\b)",
    re.IGNORECASE,
)
_LONG_LIST = 28  # words of a segment that is a list
# "In which languages? Tell me."
_TELL_ME = re.compile(r"(?:please\s+|pls\s+)?(?:tell|ask|advise|let)\s+\w+(?:\s+know)?\W*$", re.IGNORECASE)


def split_lists(message: str) -> list[segments.Segment]:
    """The segments of a message. Long ones are cut at each comma that may separate two requirements."""
    result: list[segments.Segment] = []
    for segment in segments.split(message):
        start, end = segment.start, segment.end
        text = message[start:end]
        is_list = len(text.split()) >= _LONG_LIST and "(" not in text and '"' not in text
        for match in _LIST_COMMA.finditer(message, start, end) if is_list else ():
            comma = message.find(",", match.end(), end)
            following = message[match.end() : end if comma < 0 else comma]
            # A word alone says too little: it stays with what stands before it.
            if min(len(message[start : match.start()].split()), len(following.split())) > 1:
                result.append(segment.cut(start, match.start() + 1))
                start = match.end()
        result.append(segment.cut(start, end))
    return result


def sort(parts: Sequence[Part], intensity: int) -> str | None:
    """The message sorted into context, needs, wishes, constraints, deadlines and what is open.

    A line a kind at intensity 1, points at 2 with a note if no date is stated, and at 3 also if no person is.
    None where nothing but context and open questions is found.
    """
    head, tail, body = _outside(parts)
    entries = _settle(_entries(body))
    _name_need(entries)
    kinds = {entry.need for entry in entries}
    if not kinds - {Need.CONTEXT, Need.OPEN} or (len(entries) == 1 and intensity == 1 and not head):
        return None
    _name_details(entries)
    groups: dict[Need, list[str]] = {kind: [] for kind in _LABELS}
    for entry in entries:
        is_wanted = entry.need in (Need.NEED, Need.WISH)
        groups[entry.need].append(
            bare(_drop_request(entry.text) if is_wanted else _PLEASE.sub("", entry.text))
        )
    everything = " ".join(part.text for part in parts)
    if intensity >= 2 and not groups[Need.DEADLINE]:
        texts = [entry.text for entry in entries if entry.need in SEPARATE]
        dated = [text for text in texts if not (_NEGATES.search(text) or wanted.has_own_date(text))]
        if deadline := _only_deadline(" ".join(dated)):
            groups[Need.DEADLINE].append(deadline)
        elif not needs.says_when(everything):
            groups[Need.OPEN].append("by when (not stated)")
    has_order = any(evidence.only_orders(part.text) for part in body)
    if intensity == 3 and not has_order and not _WHO.search(everything):
        groups[Need.OPEN].append("who does it (not stated)")
    lines = head
    for kind, texts in groups.items():
        label = _LABELS[kind][len(texts) > 1]
        if intensity == 1 or (intensity == 2 and len(texts) == 1):
            lines += [f"{label}: {'; '.join(texts)}"] if texts else []
        else:
            lines += [f"{label}:", *(f"- {text}" for text in texts)] if texts else []
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
                (tail if body else head).append(sentence(part))
            case _:
                body.append(part)
    return head, tail, body


def _entries(body: Sequence[Part]) -> list[Entry]:
    """The entries in the order of the message. A clause is one of its own if it can stand alone."""
    entries: list[Entry] = []
    before: Part | None = None
    for part in [piece for whole in body for piece in apart(whole)]:
        is_courtesy = part.need is Need.NOTHING and _COURTESY.search(part.text)
        if (is_courtesy or len(part.text.split()) < 2) and not facts.extract(part.text):
            continue
        kind = needs.kind(part)
        last = entries[-1] if entries else None
        if last and before and not part.opens_sentence and _stays(part, kind, before, last.need):
            last.text += part.joint + part.text
            if last.need is Need.CONTEXT:
                last.need = Need.NEED if kind is Need.DEADLINE else kind
            if kind is Need.OPEN and evidence.hedges(part.text):
                last.need = Need.OPEN  # "only managers, I think"
        elif last and before and last.need is Need.OPEN and _answers(part, before):
            last.text += part.joint + part.text
        else:
            doubted = _take_doubted(last, part) if last and kind is Need.OPEN else ""
            entries += split(Entry(doubted + part.text, kind, part.joint))
        before = part
    return entries


def _take_doubted(last: Entry, part: Part) -> str:
    """The last clause before a bare doubt such as "they haven't said", which the doubt takes along."""
    stated, comma, point = last.text.rpartition(", ")
    alone = part.opens_sentence or not comma or len(stated.split()) < _FEWEST_WORDS
    if alone or not _BARE_DOUBT.match(part.text):
        return ""
    last.text = stated
    return point + part.joint


def _stays(part: Part, kind: Need, before: Part, last: Need) -> bool:
    """Whether a clause of a kind stays in the entry of the clause before it; `last` is the entry's kind."""
    text = LINK.sub("", part.text)
    if last is Need.OPEN and _ASKS_WHOM.match(text):
        return True
    if kind is last and kind not in SEPARATE:
        return True
    speaks_of_all = last is not Need.OPEN or _AND.match(part.text)
    if kind in SEPARATE and speaks_of_all and _LIMITS_IT.match(_AND.sub("", part.text)):
        return False
    if kind is Need.OPEN:
        if _DOUBTS.match(text):
            return True
        if not _SPEAKS_OF.match(text):
            return False
    unlinked = text == part.text
    ends = last is Need.DEADLINE or (last is Need.WISH and not _IF_COMMA.search(before.text))
    explains = kind is Need.CONTEXT and not ends
    return explains or points.depends(part, before) or bool(unlinked and _NAMES_BEFORE.search(text))


def _answers(part: Part, before: Part) -> bool:
    """Whether a sentence only answers the question before it, or asks for the answer."""
    short = len(part.text.split()) <= _LONGEST_ANSWER and not part.text.endswith("?")
    return bool(_TELL_ME.match(part.text)) or (short and before.text.endswith("?"))


def _settle(entries: Sequence[Entry]) -> list[Entry]:
    """The entries, where each that speaks of the one before it is joined to it unless it is printed there."""
    settled = list(entries)
    i = 1
    while i < len(settled):
        before, entry = settled[i - 1], settled[i]
        stands_alone = entry.need is Need.DEADLINE or wanted.doubts(entry.text)
        if stands_alone or not _REFERS.match(entry.text) or _is_printed_after(settled, i):
            i += 1
            continue
        ended = before.text.endswith((".", "!", "?", ",")) or entry.joint.strip()
        before.text += (entry.joint if ended else ". ") + entry.text
        if before.need is Need.CONTEXT:
            before.need = entry.need
        del settled[i]
    return settled


def _name_need(entries: Sequence[Entry]) -> None:
    """Make the first limit that states a need a need if there is none: "the guard must be replaced"."""
    if all(entry.need not in (Need.NEED, Need.WISH) for entry in entries):
        limit = next(
            (entry for entry in entries if entry.need is Need.CONSTRAINT and _MUST.match(entry.text)), None
        )
        if limit:
            limit.need = Need.NEED


def _name_details(entries: Sequence[Entry]) -> None:
    """Make what only names something a need: a thing at the start, or a detail after a need or a limit."""
    wants = False
    if entries[0].need is Need.CONTEXT and wanted.names_thing(LINK.sub("", entries[0].text)):
        entries[0].need = Need.NEED
    for entry in entries:
        if wants and entry.need is Need.CONTEXT and wanted.is_detail(LINK.sub("", entry.text)):
            entry.need = Need.CONSTRAINT if wanted.MONEY.search(entry.text) else Need.NEED
        wants = wants or entry.need in (Need.NEED, Need.WISH, Need.CONSTRAINT)


def _is_printed_after(entries: Sequence[Entry], i: int) -> bool:
    """Whether the lists name entry `i` directly after the entry before it in the message."""
    kinds = [entry.need for entry in entries]
    before, kind = kinds[i - 1], kinds[i]
    if before is kind:
        return True
    at, to = _ORDER.index(before), _ORDER.index(kind)
    is_last, is_first = before not in kinds[i:], kind not in kinds[: i - 1]
    return at < to and is_last and is_first and not any(other in kinds for other in _ORDER[at + 1 : to])


def _drop_request(text: str) -> str:
    """A need without the words that only ask for it: "could we get a shelf?" names a shelf."""
    bare = _REQUEST.sub("", LINK.sub("", text), count=1)
    return bare.rstrip("?") if bare != text and "?" not in bare[:-1] else text


def _only_deadline(text: str) -> str | None:
    """The only date, time or weekday of a text with "by" or "before" in front of it."""
    spans = [span for span in facts.spans(text) if span.kind in DATE_KINDS]
    if len(spans) != 1:
        return None
    [span] = spans
    if span.kind == "time" and not _TODAY.search(text):
        return None  # "before 8:45" may be each day
    match = next((match for match in _DEADLINE.finditer(text) if match.end() == span.start), None)
    if match is None or not _ENDS_DATE.match(text, span.end):
        return None
    return f"{match.group().split()[0].lower()} {text[span.start : span.end]}"
