"""Orders and duties become requests, politer with each level."""

import re
from itertools import islice
from typing import NamedTuple

from models.edits.script import Change
from models.edits.soften.clauses import end_question, find_break, lead_end
from models.edits.soften.draft import Draft, Sentence, ends_in_link
from models.edits.soften.imperatives import Order, begins_order, find_order
from models.edits.soften.requests import (
    soften_ban,
    soften_duty_of_anyone,
    soften_passive_duty,
    soften_request,
)
from models.edits.soften.words import find_empty_tail, is_verb, tables

_CONDITION = re.compile(
    r"(?:if|when|once|before|after|until|as soon as|whenever|unless)"
    r"[^,.;:!?\n]{0,90}?, (?:then )?",
    re.I,
)
_SHORT_LEADS = re.compile(
    r"(?:next time|from now on|in (?:the )?future|until then|after that|before that|in "
    r"that case|for now|by (?:tomorrow|tonight)|for the last time|starting (?:today|now|"
    r"tomorrow)),? |then ",
    re.I,
)
_DUTY = re.compile(
    r"you(?: guys| all)?(?: really| just| still| also| now)?(?:(?:'ll|’ll| will)? (?:need "
    r"to|have to|must|gotta)|(?:'ve|’ve| have) got to| should| better|'d better| had "
    r"better)"
    r"(?: really| just| also| finally)? (?P<not>not )?([a-z][a-z-]*)\b",
    re.I,
)
_WANT_YOU = re.compile(
    r"i(?: really| just| also| still|'d| would)? (?:need|want|expect|like) (?:all of "
    r")?you(?: guys| all)? to(?: finally| just| please)? (?P<not>not )?([a-z][a-z-]*)\b",
    re.I,
)
_EITHER_YOU = re.compile(
    r"either you (?:(?:will|can) )?(?P<not>not )?([a-z][a-z-]*)\b(?=[^.!?]* or (?:i|we|"
    r"you|it)\b)",
    re.I,
)


_REQUESTED = re.compile(r"\b(?:please|pls|could you|can you)\b", re.I)


# "Do it again and I report it" orders nothing.
_THREAT = re.compile(r"\bagain,? and (?:i|we|you|it|they)\b", re.IGNORECASE)


def soften_order(draft: Draft, sentence: Sentence) -> bool:
    """Orders, duties and polite requests become requests, politer with each level."""
    text = draft.message[: sentence.end]
    at = lead_end(draft, sentence)
    if _THREAT.search(text, at):
        return False
    if soften_request(draft, sentence, at):
        return True
    if "?" in draft.mark(sentence):
        return False
    if order := find_order(draft, sentence, at):
        _add_levels(draft, sentence, order)
        return True
    for pattern in (_DUTY, _WANT_YOU, _EITHER_YOU):
        match = pattern.match(text, at)
        if match and _soften_duty(draft, sentence, at, match):
            return True
    condition = _CONDITION.match(text, at) or _SHORT_LEADS.match(text, at)
    if condition and not _REQUESTED.search(condition.group()):
        order = find_order(draft, sentence, condition.end())
        if order and not order.adverb:
            _add_levels(draft, sentence, order)
            return True
    return (
        soften_ban(draft, sentence, at)
        or soften_duty_of_anyone(draft, sentence, at)
        or soften_passive_duty(draft, sentence, at)
    )


class _Front(NamedTuple):
    """The front of an order, which edits replace: from its fillers to the end of its verb."""

    draft: Draft
    sentence: Sentence
    order: Order

    def replace(self, words: str, keeps_verb: bool = True) -> Change:
        """Words in place of the fillers; the verb stays behind them in small letters, or goes too."""
        rest = self.draft.message[self.order.verb_start : self.sentence.end]
        verb = _NO_WORD.split(rest, maxsplit=1)[0]
        new = self.draft.cap_like(self.sentence, self.order.start, words)
        end = self.order.verb_start + len(verb)
        return Change(self.order.start, end, new + (verb.lower() if keeps_verb else ""))


_NO_WORD = re.compile(r"[^\w'’-]")
_RULES = {"do": "order", "not": "prohibition", "never": "prohibition", "stop": "stop"}
_NEGATIONS = {"do": "", "not": "not ", "never": "never ", "stop": "stop "}  # in a question
_PLEASE = re.compile(r"\b(?:please|pls|plz)\b", re.I)
_PLEASE_FIRST = re.compile(r"\b(?:please|pls|plz) ", re.I)
_PLEASE_LAST = re.compile(r",? (?:please|pls|plz)$", re.I)
_LONGEST_QUESTION = 170
_COMMA_STATEMENT = re.compile(
    r", (?:the|my|our|your|his|her|their|this|these|those|[A-Z][a-z]+ (?:is|has|was|will)) "
)


def _add_levels(draft: Draft, sentence: Sentence, order: Order) -> None:
    """The levels of one order: "Please" in front, a question, a politer question."""
    text = draft.message[: sentence.end]
    rest = text[order.verb_start :]
    front = _Front(draft, sentence, order)
    has_please = _PLEASE.search(text[order.start :]) is not None
    end = _end_of_order(draft, sentence, order)
    is_even = draft.requests % 2 == 0
    draft.requests += 1
    if not has_please:
        ending = [Change(sentence.end, sentence.stop, ".")] if draft.mark(sentence) == "!" else []
        plain = "don't " if order.kind == "not" else _NEGATIONS[order.kind]
        words = f"{order.adverb}please {plain}"
        draft.add(f"{_RULES[order.kind]}_please", 1, front.replace(words), *ending)
    if order.kind == "not" and rest.startswith("forget"):
        remember = front.replace("could you please remember", keeps_verb=False)
        draft.add("forget_remember", 2, remember, *end_question(draft, sentence, end, 2))
        return
    # A statement or a list may follow, which must not become part of a question.
    if "?" in rest or _may_be_list(rest) or (end is None and _COMMA_STATEMENT.search(rest)):
        return
    if has_please:
        _add_polite_questions(front, end)
    else:
        _add_questions(front, end, is_even)


def _end_of_order(draft: Draft, sentence: Sentence, order: Order) -> re.Match[str] | None:
    """Where a statement or another order follows; None if the order ends with the sentence."""
    text = draft.message[: sentence.end]
    match = find_break(text, order.verb_start + 1)
    if order.kind in {"not", "never"}:
        match = _next_order(text, order.verb_start, match)
    tail = find_empty_tail(draft.text(sentence))
    return None if match and tail and sentence.start + tail.start() <= match.start() else match


def _may_be_list(rest: str) -> bool:
    """Whether an order is long, introduces something or ends in a link, so that it is no question."""
    return len(rest) > _LONGEST_QUESTION or ":" in re.sub(r"\d:\d", "", rest) or ends_in_link(rest)


def _add_polite_questions(front: _Front, end: re.Match[str] | None) -> None:
    """The questions of an order that has a "please"."""
    draft, sentence, order = front
    rule, words = _RULES[order.kind], order.adverb + _NEGATIONS[order.kind]
    closing, last = (end_question(draft, sentence, end, level) for level in (2, 3))
    trailing = _PLEASE_LAST.search(draft.message[order.verb_start : sentence.end])
    if trailing and end is None:
        cut = Change(order.verb_start + trailing.start(), sentence.stop, "?" + draft.closing(sentence))
        draft.add(f"{rule}_question", 1, front.replace(f"could you {words}"), *closing)
        draft.add(f"{rule}_question_please", 2, front.replace(f"could you please {words}"), cut)
        draft.add(f"{rule}_question_please", 3, front.replace(f"could you please {words}"), cut)
        return
    leads = _PLEASE_FIRST.search(draft.message[order.start : order.verb_start])
    please = "please " if leads and not trailing else ""
    polite = "" if order.kind == "do" else please
    draft.add(f"{rule}_question", 1, front.replace(f"could you {polite}{words}"), *closing)
    draft.add(f"{rule}_question_please", 2, front.replace(f"could you {please}{words}"), *closing)
    draft.add(f"{rule}_question_please", 3, front.replace(f"could you {please}{words}"), *last)


def _add_questions(front: _Front, end: re.Match[str] | None, is_even: bool) -> None:
    """The questions of an order without a "please"; of two orders only one becomes a question at level 2."""
    draft, sentence, order = front
    rule, words = _RULES[order.kind], order.adverb + _NEGATIONS[order.kind]
    closing, last = (end_question(draft, sentence, end, level) for level in (2, 3))
    if order.kind in {"not", "never"}:
        draft.add(f"{rule}_question", 2, front.replace(f"could you please {words}"), *closing)
        draft.add(f"{rule}_ask", 3, front.replace(f"may {draft.i} ask you {words}to "), *last)
    elif order.kind == "stop" or is_even:
        draft.add(f"{rule}_question", 2, front.replace(f"could you {words}"), *closing)
        draft.add(f"{rule}_question_please", 3, front.replace(f"could you please {words}"), *last)
    else:
        draft.add(f"{rule}_would", 3, front.replace(f"would you please {words}"), *last)


_COMMA_ORDER = re.compile(r"(?P<sep>, |; )(?=(?P<verb>[a-z-]+) )")


def _next_order(text: str, start: int, until: re.Match[str] | None) -> re.Match[str] | None:
    """Where after a prohibition an order begins, which must not be read as prohibited too."""
    for match in _COMMA_ORDER.finditer(text, start, until.start() if until else len(text)):
        if begins_order(text, match.group("verb"), match.end("verb"), False):
            return match
    return until


def _soften_duty(draft: Draft, sentence: Sentence, at: int, match: re.Match[str]) -> bool:
    """A duty such as "you need to fix it" becomes the request "could you fix it?"."""
    verb = match.group(2).lower()
    is_state = verb in tables().classes["no_order"] and verb not in {"get", "go", "do", "come"}
    if not is_verb(verb) or is_state:
        return False
    start = match.start(2)
    end = find_break(draft.message[: sentence.end], start)
    please, negation = ("please do not ", "not ") if match.group("not") else ("please ", "")

    def front(words: str) -> Change:
        return Change(at, start, draft.cap_like(sentence, at, words))

    draft.requests += 1
    closing, last = (end_question(draft, sentence, end, level) for level in (2, 3))
    draft.add("duty_please", 1, front(please))
    draft.add("duty_question", 2, front(f"could you {negation}"), *closing)
    draft.add("duty_question_please", 3, front(f"could you please {negation}"), *last)
    return True


_INSIDE = re.compile(
    r"(?:,|;| -| –| —|:) (?P<joiner>(?:and |so |then |but |now )*)(?=[a-z])|(?<=[a-z]) "
    r"so (?=[a-z])"
)
_STATES = re.compile(
    r"\b(?:is|are|was|were|isn't|aren't|wasn't|has|had|can't|cannot|doesn't|didn't|hasn't|"
    r"haven't|won't|needs|weren't|look|looks|seems|don't|need|\w+ed|owe|owes|broke|forgot|"
    r"sent|went|came|gave|lost)\b"
    r"|\w'(?:s|re|ve|m) "
)
# "We delete the old ones, page only for ..." goes on with what we do.
_UNKNOWN_ORDER = re.compile(r"\b(?:so|then) [a-z]+ (?:the|a|an|it|them|this|that|all|your)\b[^,]{0,80}$")
_PLAIN_PRESENT = re.compile(r"(?:[\w ]{0,30} )?(?:we|i|they|you) ([a-z]+) ", re.I)


_IS = re.compile(r"\b(?:is|are|was|were|'s)\b")
_OPEN_VERB = re.compile(
    r"\b(?:to|will|'ll|can|could|would|should|must|may|might|let's|did|do|does|than|please [a-z]+)\b(?! not)"
)
_CANNOT = re.compile(r"can't|cannot")
_MOST_PLACES = 12  # of a sentence are tried
_LONGEST_HEAD = 200


def soften_order_inside(draft: Draft, sentence: Sentence) -> bool:
    """An order after a statement in the same sentence: "It is broken, fix it"."""
    text = draft.message[: sentence.end]
    at = lead_end(draft, sentence)
    for match in islice(_INSIDE.finditer(text, at), _MOST_PLACES):
        head = text[max(at, match.start() - _LONGEST_HEAD) : match.start()]
        if match.group("joiner") == "and " and not _IS.search(head):
            continue
        if _is_statement(head) and (order := find_order(draft, sentence, match.end())):
            _add_levels(draft, sentence, order)
            return True
    return False


_WHOEVER = re.compile(r"(?:whoever|anyone who|anybody who) ", re.I)


def _is_statement(head: str) -> bool:
    """Whether the words in front of an order are a statement, and not the first of two verbs."""
    if _WHOEVER.match(head):
        return True
    if not _STATES.search(head) or _UNKNOWN_ORDER.search(head):
        return False
    if _OPEN_VERB.search(head) and not _CANNOT.search(head):
        return False
    plain = _PLAIN_PRESENT.match(head)
    return not plain or plain.group(1).lower() not in tables().past
