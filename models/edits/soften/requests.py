"""What a modal verb requests is requested politely: of the reader, of someone, of nobody, of a thing."""

import re
from itertools import islice

from models.edits.script import Change
from models.edits.soften.clauses import end_question, find_break
from models.edits.soften.draft import Draft, Sentence
from models.edits.soften.words import DUE, is_verb, tables

_MODAL = re.compile(
    r"(?P<modal>can|will|would|could) (?P<who>you|someone|somebody|anyone|anybody|we|i|"
    r"you guys)(?: please| pls)? (?P<verb>[a-z][a-z-]*)\b",
    re.I,
)


_CAN = re.compile(r"can (?=(?:the |your |my |our |this |that |it |these )?[a-z]+ )", re.I)
_PLEASE = re.compile(r"\b(?:please|pls)\b", re.I)


def soften_request(draft: Draft, sentence: Sentence, at: int) -> bool:
    """A question such as "Can you send it?" gets a softer modal verb and a "please"."""
    text = draft.message[: sentence.end]
    match = _MODAL.match(text, at)
    if not match and "?" in draft.mark(sentence) and (can := _CAN.match(text, at)):
        draft.add("modal", 1, Change(at, can.end(), "Could " if text[at].isupper() else "could "))
        draft.requests += 1
        return True
    if not match or not is_verb(match.group("verb").lower()) or match.group("verb").lower() in {"mind", "be"}:
        return False
    old, who = match.group("modal"), match.group("who")
    is_about_writer = who.lower() in {"we", "i"}
    if is_about_writer and old.lower() in {"will", "would"}:
        return False
    who = "you" if who.lower().endswith("guys") else who
    modal = {"can": "could", "will": "would"}.get(old.lower(), old.lower())
    modal = modal.capitalize() if old[0].isupper() else modal
    has_please = _PLEASE.search(draft.text(sentence))
    draft.requests += 1
    if modal.lower() != old.lower():
        draft.add("modal", 1, Change(at, match.end("who"), f"{modal} {who}"))
    elif not has_please and not is_about_writer:
        draft.add("modal_please", 1, Change(at, match.end("who"), f"{modal} {who} please"))
    if not has_please:
        who = "I" if who == "i" else who
        draft.add("modal_please", 2, Change(at, match.end("who"), f"{modal} {who} please"))
    return True


_REQUEST_INSIDE = re.compile(
    r"(?:(?<=[,;:–—-]) (?:(?:so|but|and|then) )?|(?<= )(?:so|but|and) )(?=(?:can|will) "
    r"(?:you|someone|somebody|anyone|anybody|we)\b)",
    re.I,
)


_MOST_PLACES = 6  # of a sentence are tried


def soften_request_inside(draft: Draft, sentence: Sentence) -> bool:
    """A question such as "can someone check?" at the end of a longer sentence."""
    text = draft.message[: sentence.end]
    if text.endswith("or not"):
        return False
    places = islice(_REQUEST_INSIDE.finditer(text, sentence.start), _MOST_PLACES)
    return any(soften_request(draft, sentence, match.end()) for match in places)


_ANYONE = re.compile(
    r"(?P<who>somebody|someone|everyone|everybody) (?:(?P<modal>needs to|has to|should|"
    r"must|should probably) )?(?P<verb>[a-z-]+)\b",
    re.I,
)


def soften_duty_of_anyone(draft: Draft, sentence: Sentence, at: int) -> bool:
    """A duty of someone: "Someone needs to fix it" becomes the request "Could someone fix it?"."""
    text, words = draft.message[: sentence.end], tables()
    match = _ANYONE.match(text, at)
    if not match:
        return False
    verb, start = match.group("verb").lower(), match.start("verb")
    if verb not in words.verbs and verb not in words.ambiguous:
        return False
    is_state = verb in words.classes["no_order"] and verb not in {"get", "go", "do"}
    if is_state or (not match.group("modal") and verb in words.pasts):
        return False
    who = match.group("who").lower()
    closing = end_question(draft, sentence, find_break(text, start), 2)
    if match.group("modal"):
        draft.add("someone_should", 1, Change(match.end("who"), start, " should "))
    question = draft.cap_first(sentence, at, f"could {who} ")
    draft.add("someone_question", 2, Change(at, start, question), *closing)
    draft.add("someone_question_please", 3, Change(at, start, f"{question}please "), *closing)
    draft.requests += 1
    return True


_NOBODY = re.compile(r"(?P<who>nobody|no one) (?P<verb>[a-z]+)\b", re.I)
_RULE_WORDS = re.compile(
    r"\b(?:before|without|unless|until|except|anything|again|anymore|from now on|but|more than)\b", re.I
)


def soften_ban(draft: Draft, sentence: Sentence, at: int) -> bool:
    """A ban such as "Nobody enters without a badge" becomes "Please make sure that nobody enters ..."."""
    text, words = draft.message[: sentence.end], tables()
    match = _NOBODY.match(text, at)
    if not match:
        return False
    verb = match.group("verb").lower()
    if verb not in words.thirds or verb in words.classes["observed"]:
        return False
    if verb not in words.classes["banned"] and not _RULE_WORDS.search(text, match.end()):
        return False
    who, end = match.group("who").lower(), match.end("who")
    closing = end_question(draft, sentence, find_break(text, match.end()), 2)

    def front(request: str) -> Change:
        return Change(at, end, draft.cap_first(sentence, at, f"{request} make sure that {who}"))

    draft.requests += 1
    draft.add("nobody_please", 1, front("please"))
    draft.add("nobody_question", 2, front("could you"), *closing)
    draft.add("nobody_question_please", 3, front("could you please"), *closing)
    return True


_PASSIVE = re.compile(
    r"(?P<what>(?:the|this|that|these|those|it|they|my|our|your|all|both|everything)(?: "
    r"(?!(?:is|are|was|were|has|have|that|which|who|must|need|needs|will|"
    r"and)\b)[\w'/-]+){0,5}?)"
    r" (?:must|has to|have to|needs to|need to|should|better)(?: really| just| finally| "
    r"still| now)? be (?P<pp>[a-z]+)\b",
    re.I,
)


def soften_passive_duty(draft: Draft, sentence: Sentence, at: int) -> bool:
    """A duty in the passive: "This must be fixed today" becomes the request "Could this be fixed today?"."""
    text = draft.message[: sentence.end]
    match = _PASSIVE.match(text, at)
    if not match or match.group("pp").lower() not in tables().participles:
        return False
    if not DUE.search(text, match.end()):
        return False
    what, start = match.group("what"), match.start("pp")
    question = draft.cap_first(sentence, at, f"could {what[0].lower()}{what[1:]} ")
    closing = end_question(draft, sentence, find_break(text, match.end()), 2)
    draft.requests += 1
    draft.add("passive_question", 2, Change(at, start, f"{question}be "), *closing)
    draft.add("passive_question_please", 3, Change(at, start, f"{question}please be "), *closing)
    return True
