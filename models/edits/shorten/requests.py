"""Requests that are asked in a roundabout way become shorter."""

import re
from collections.abc import Iterator

from models.edits.script import Change, Edit
from models.edits.shorten.text import end_of_sentence, find_place

_PRONOUN = r"(?:I|we|you|he|she|it|they|there|this|that|anyone|someone|somebody|anybody)"
_INDIRECT = re.compile(
    r"\b(?:(?:(?:and|but|so)\s)?(?:what\s(?:I|we)\s(?:wanted|want)\sto\s(?:ask|know)\s(?:is|was)"
    r"|(?:I|we)(?:['’]m|['’]re|['’]d|\sam|\sare|\swas|\swere"
    r"|\swould)?(?:\s(?:just|really|only|also|still|quickly)){0,2}\s(?:(?:wanted|want"
    r"|like)\sto\s(?:quickly\s|just\s)?(?:ask(?:\syou)?|know|check|find\sout)|wondering|wonder|wondered"
    r"|asking),?)\s(?:if|whether)\s(?:or\snot\s)?(?:maybe\s|perhaps\s)?)(?P<subject>" + _PRONOUN + r")\s"
    r"(?P<verb>can|could|will|would|should|might|are|is|was|were|know|need|want|have\stime|have\sa"
    r"|have\sany|knows|has)\b",
    re.IGNORECASE,
)
_COULD_PLEASE = re.compile(
    r"(?P<ask>(?:could|can|would|will)\syou\s(?:please\s|kindly\s|maybe\s|possibly\s"
    r"|just\s){0,2})(?=(?P<verb>[a-z]+)\b)",
    re.IGNORECASE,
)
# "Can you make it?" asks what someone is able to do.
_ABILITIES = re.compile(
    r"mind|be|have|imagine|believe|also|either|do|like|prefer|live|see|hear|make|come|join|attend|work"
    r"|manage|still|really|access|open|log|reproduce|afford|handle|even|actually|get|understand|wait|meet"
    r"|stay|take|think"
)
_IF_YOU_COULD = re.compile(
    r"\b(?P<if>if\syou\s(?:could|can|would)\s(?:please\s)?)(?!(?:like|prefer|rather|be|have|need|want)\b)[^.!?;\n]{3,140}?(?P<end>,\s(?:that|it"
    r"|this)(?:['’]d|\swould)\s(?:really\s)?(?:be\s(?:really\s|very\s|so\s|much\s)?(?:great|good|nice"
    r"|helpful|lovely|wonderful|perfect|appreciated|awesome|fantastic|amazing|super)|help(?:\sme"
    r"|\sus)?(?:\sa\slot|\sgreatly)?))(?=\s?[.!])",
    re.IGNORECASE,
)
_PLEASE_LATE = re.compile(
    r"\b(?:could|can|would)\s(?:you|we|I|someone|somebody|anyone"
    r"|one\sof\syou)\b(?P<cut>\splease)(?=\s(?!not\b)[a-z])",
    re.IGNORECASE,
)
_PLEASE_LAST = re.compile(
    r"\b(?:could|can|would)\s(?:you|we|I|someone|somebody"
    r"|anyone)\b[^.?!;:\n]{3,120}?(?P<cut>,?\splease)(?=\?)",
    re.IGNORECASE,
)


_SECOND_CLAUSE = re.compile(
    r",\s(?:I|we|it|they|he|she|the|that|this|my)\b|[;:(]|\b(?:and|or)\s(?:who|what|when|where|how|if|whether)\b"
)
_SECOND_REQUEST = re.compile(
    r"\b(?:or|if\spossible|please|(?:can|could|would|will|should|do|is|are)\s(?:you|we|I|someone|it|they|he|she))\b",
    re.I,
)


def ask_directly(message: str) -> Iterator[Edit]:
    """ "I was wondering if you could ..." becomes "Could you ...?"."""
    for match in _INDIRECT.finditer(message):
        place, end = find_place(message, match.start()), end_of_sentence(message, match.end())
        if end is None or place.kind not in ("sentence", "clause"):
            continue
        words = _direct_words(match["subject"], match["verb"])
        if words is None or _SECOND_CLAUSE.search(message[match.end() : end]):
            continue
        if place.kind == "sentence" and message[match.start()].isupper():
            words = words[0].upper() + words[1:]
        changes = [Change(match.start(), match.end(), words)]
        mark = message[end : end + 1]
        if mark != "?":
            changes.append(Change(end, end + (mark in (".", "!") and end < len(message)), "?"))
        yield Edit("shorten.ask_question", 1, tuple(changes))


def _direct_words(subject: str, verb: str) -> str | None:
    """The subject and the verb of an indirect question in the order of a direct one."""
    first = verb.lower().split()[0]
    if first in ("know", "need", "want", "have"):
        return f"do {subject} {verb}" if subject.lower() in ("i", "we", "you", "they") else None
    if first in ("knows", "has"):
        return f"does {subject} {'know' if first == 'knows' else 'have'}"
    return f"{verb} {subject}"


def order_with_please(message: str) -> Iterator[Edit]:
    """ "Could you please check it?" becomes "Please check it."."""
    for match in _COULD_PLEASE.finditer(message):
        place, end = find_place(message, match.start()), end_of_sentence(message, match.end())
        if end is None or place.kind not in ("sentence", "clause") or not _is_request(match):
            continue
        is_question = message[end : end + 1] == "?" and message[end : end + 2] != "??"
        if not is_question or _SECOND_REQUEST.search(message[match.end() : end]):
            continue
        please = "Please " if place.kind == "sentence" and match["ask"][0].isupper() else "please "
        if match["verb"].lower() == "not":
            change = Change(match.start(), match.end("verb"), f"{please}don't")
        else:
            change = Change(match.start(), match.end(), please)
        yield Edit("shorten.could_you", 3, (change, Change(end, end + 1, ".")))


def _is_request(match: re.Match[str]) -> bool:
    """Whether "could you" and a verb request something, and do not ask about abilities."""
    ask, verb = match["ask"].lower(), match["verb"].lower()
    if _ABILITIES.fullmatch(verb):
        return False
    return "please" in ask or (verb != "not" and not ask.startswith(("would", "will")))


def order_if_you_could(message: str) -> Iterator[Edit]:
    """ "If you could check it, that would be great." becomes "Please check it."."""
    for match in _IF_YOU_COULD.finditer(message):
        place = find_place(message, match.start())
        if place.kind == "words":
            continue
        text = "Please " if place.kind == "sentence" and match["if"][0].isupper() else "please "
        yield Edit("shorten.ask", 2, (Change(*match.span("if"), text), Change(*match.span("end"), "")))


def drop_please(message: str) -> Iterator[Edit]:
    """ "Could you please check it?" becomes "Could you check it?": the question is polite enough."""
    for pattern in (_PLEASE_LATE, _PLEASE_LAST):
        for match in pattern.finditer(message):
            yield Edit("shorten.please", 2, (Change(*match.span("cut"), ""),))
