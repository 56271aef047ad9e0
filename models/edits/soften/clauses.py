"""Where an order or a question begins behind its lead, and where it must end before a statement."""

import re

from data.redaction import names
from models.edits.script import Change
from models.edits.soften.draft import Draft, Sentence
from models.edits.soften.imperatives import begins_order
from models.edits.soften.threats import have_to
from models.edits.soften.words import is_verb, tables

NAME_LEAD = re.compile(
    r"(?P<name>(?:(?:Mr|Mrs|Ms|Dr)\.? )?[A-Za-zÀ-ž][\w'’-]*(?: (?:and|&) "
    r"[A-ZÀ-Ž][\w'’-]*)?)(?P<sep>,| -| –|:)\s+",
    re.I,
)
_BARE_NAME = re.compile(
    r"([A-ZÀ-Ž][\w'’-]+) (?=(?:you|your|the|this|that|why|who|can|could|please|pls|don't|"
    r"i|we|it|it's|what|where|how)\b)"
)
# Where the order ends and a statement begins that must not become part of the question.
_SUBJECT = (
    r"(?:I|i|we|you|it|they|he|she|this|that|there|nobody|no one|everyone|everybody|"
    r"somebody|someone|otherwise|else|I'm|I've|I'll|I'd|i'm|i've|i'll|"
    r"it's|that's|there's|we're|we've|we'll|you're|you've|you'll|they're|they've|they'll|"
    r"he's|she's|don't|dont|thats|its|im|ive|youre|do not|never|not because|thanks|thank you|thx"
    r"|cheers|stop|anything|"
    r"half)"
)
_BREAK = re.compile(
    rf"(?P<sep>,? (?:or else|or|otherwise|else) (?=(?!else){_SUBJECT}\b|my |our |your |"
    rf"(?:[\w'-]+ ){{1,4}}?(?:will|won't|can't|gets|goes)\b)"
    rf"|(?:,| -+| –| —|;) (?:and |but )?(?!this time|that way)(?=(?:(?:from now on|next "
    rf"time|last time|then|right now|otherwise) )?{_SUBJECT}\b)"
    rf"|,? and (?=[A-Z]\w+ (?:can|will|has|is|gets)\b)"
    rf"|,? (?:and|but) (?!(?:don't|dont|do not) make me )"
    rf"(?=(?:please|pls|don't|dont|do not|never) )|,? or (?=(?:lose|risk|face|forget|"
    rf"get off|stop|don't|do "
    rf"not) )|, (?=(?:just|simply) [a-z]+ )"
    rf"|(?: -+| –| —|;) (?=\w)(?!(?:now|today|tonight|asap|immediately)$)"
    rf"|,? and (?=(?:I|i|we|you|it|they|he|she)(?:'ll|’ll|'m|'re|’m|’re| (?!and\b|need\b|"
    rf"want\b|have\b)[a-z]+)\b)"
    rf"|, (?=(?:(?!(?:which|who|that|if|when|where|what|how|why|whether|and|or|but|because|"
    rf"so|as|since|unless|until|before|after|not|then|than|to)\b)[\w'’-]+ ){{1,3}}"
    rf"(?:is|are|was|were|has|have|will|doesn't|don't|isn't|aren't|can't|cannot|can|won't|need|needs|gets?|goes|comes|starts|stays|wants)\b)"
    rf"|, (?=(?:the|my|our|your|his|her|their|these|those|half|nothing|all|every) "
    rf"(?:[\w'-]+ ){{1,3}}?(?:is|are|was|were|has|have|will|needs|need|can't|can|won't|"
    rf"isn't|doesn't|don't|starts|start|ends|leaves|closes|goes|expires|wants|comes)\b))"
)


def find_break(text: str, start: int) -> re.Match[str] | None:
    """The place after `start` where a statement of its own begins."""
    return _BREAK.search(text, start)


_AFRAID_OTHERWISE = re.compile(r"(?:I|we|it|they|my|our|the|you)\b", re.I)
_IMPLIED_YOU = re.compile(r"(?P<loss>lose|risk|face) |(?:forget|get off|stop|don't|do not) ")
_NO_MORE_HELP = re.compile(
    r"(?:i'm not|i won't|we won't|we're not|i can't|we can't|i will not|i cannot)\b", re.I
)
_THEN_I = re.compile(r"(?:i|we|you|it|they|he|she)(?:'ll|’ll| will| can)\b", re.I)
_HAS_NOT = re.compile(
    r"(?:i|we|you|it|they|he|she) (?:don't|do not|doesn't|have no|has no|can't|cannot)\b", re.I
)
_JUST = re.compile(r"(?:just|simply) (?=(?P<verb>[a-z-]+))", re.I)
_PROHIBITION = re.compile(r"(?:don't|dont|do not|never|stop) ", re.I)
_OTHERWISE = re.compile(r"(?:otherwise|else)\b", re.I)
_PLEASE = re.compile(r"(?:please|pls) ", re.I)
_BARE_WORD = re.compile(r"[a-z-]+(?= )")


def end_question(draft: Draft, sentence: Sentence, match: re.Match[str] | None, level: int) -> list[Change]:
    """The changes that end a question where a statement follows, or else at the end of the sentence."""
    if match is None:
        return [draft.end_with("?", sentence)]
    words, end = _begin_statement(draft, sentence, match, level)
    if words == draft.message[match.end()] and (milder := _milder_at(draft, match.end())):
        words, end = milder.text, milder.end
    return [Change(match.start(), end, "? " + draft.cap(words))]


def _milder_at(draft: Draft, start: int) -> Change | None:
    """The milder words that another rule has put in place of those at `start`."""
    for edit in draft.edits:
        if edit.start == start and len(edit.changes) == 1 and edit.changes[0].text:
            return edit.changes[0]
    return None


def _begin_statement(draft: Draft, sentence: Sentence, match: re.Match[str], level: int) -> tuple[str, int]:
    """How the statement behind a break begins, and up to where these words replace its own."""
    joiner = match.group("sep").strip(" ,;-–—").lower()
    message, at = draft.message, match.end()
    afraid = f"{draft.i}'m afraid "
    implied, just = _IMPLIED_YOU.match(message, at), _JUST.match(message, at)
    if joiner == "or" and implied:
        return ("otherwise you will " if implied.group("loss") else "otherwise please "), at
    if just and is_verb(just.group("verb").lower()):
        return "please ", just.end()
    if otherwise := _OTHERWISE.match(message, at):
        return "otherwise", otherwise.end()
    if joiner in {"or", "or else", "otherwise", "else"}:
        if milder := have_to(message, at, draft.i):
            return "otherwise " + (afraid if level == 3 else "") + milder[0], milder[1]
        is_afraid = level == 3 and _AFRAID_OTHERWISE.match(message, at)
        return "otherwise " + (afraid if is_afraid else ""), at
    if _PROHIBITION.match(message, at):
        link = f"{joiner} " if joiner in {"and", "but"} else ""
        return f"{link}please {message[at].lower()}", at + 1
    if joiner == "and" and _PLEASE.match(message, at):
        return "and ", at
    if joiner == "and" and _HAS_NOT.match(message, at):
        return message[at], at + 1
    if joiner == "and" and (_THEN_I.match(message, at) or "," not in match.group("sep")):
        return "then ", at
    if joiner == "but":
        return "but ", at
    if not joiner and _NO_MORE_HELP.match(message, at):
        words, end = have_to(message, at, draft.i) or ("", at)
        if words or level == 3:
            return (afraid if level == 3 else "") + words, end
    word = _BARE_WORD.match(message, at)
    if word and not joiner and begins_order(message[: sentence.end], word.group(), word.end(), False):
        return "please ", at
    return message[at], at + 1


_HELLO = re.compile(
    r"(?:hi|hello|hey|dear|good morning|good afternoon|morning)(?: "
    r"[\w.’'-]{1,40}){0,3}[,!:]? +(?<=[,!:] )",
    re.I,
)
_ASKED_BEFORE = re.compile(r"(?:third|second|fourth|last) time (?:that )?I'm asking(?: you)?: ", re.I)
_SMALL_LEAD = re.compile(r"(?:(?:and|so|but|plus|therefore),?|(?:no|yes|ok|okay),) ", re.I)


def lead_end(draft: Draft, sentence: Sentence) -> int:
    """Where a sentence goes on after a greeting, a name or a joining word in front."""
    if sentence.start not in draft.leads:
        text = draft.message[: sentence.end]
        at = _end_of_address(text, sentence.start)
        for _ in range(2):
            if lead := _SMALL_LEAD.match(text, at):
                at = lead.end()
        draft.leads[sentence.start] = at
    return draft.leads[sentence.start]


def _end_of_address(text: str, at: int) -> int:
    """Where a sentence goes on after the words that address its reader."""
    if hello := _HELLO.match(text, at):
        return hello.end()
    name = NAME_LEAD.match(text, at)
    if name and may_be_name(name.group("name")):
        return name.end()
    bare = _BARE_NAME.match(text, at)
    if bare and bare.group(1).lower() not in tables().classes["no_names"] and names.find(bare.group(1)):
        return bare.end()
    if reminder := _ASKED_BEFORE.match(text, at):
        return reminder.end()
    return at


def part_name(draft: Draft, sentence: Sentence) -> None:
    """A comma behind a bare name, where other words are put behind it: "Ana, it looks like you ..."."""
    at = lead_end(draft, sentence)
    bare = _ENDS_BARE.search(draft.message, sentence.start, at)
    if not bare or bare.group(1).lower() in tables().classes["no_names"] or not names.find(bare.group(1)):
        return
    if any(edit.start == at for edit in draft.edits):
        draft.add("name_comma", 1, Change(at - 1, at - 1, ","))


_ENDS_BARE = re.compile(r"([A-ZÀ-Ž][\w'-]*) \Z")


def may_be_name(word: str) -> bool:
    """Whether a word in front of a comma may address somebody."""
    return word.lower() not in tables().classes["no_names"] and not is_verb(word.lower())
