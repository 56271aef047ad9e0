"""What an English sentence does, by its words: it requests, orders, asks, greets or thanks."""

import re

_GREETING = re.compile(
    r"(?:hi|hello|hey|dear|good (?:morning|afternoon|evening)|morning|greetings)\b[^.!?,]{0,60}(?:,|"
    r"[!.]?$)|(?:dear|hi|hello|hey) ",
    re.I,
)
_CLOSING = re.compile(
    r"(?:many thanks|thanks?\b|thank you|thx|cheers|best\b|regards|kind regards|have a (?:nice|good|"
    r"great)|sorry\b.{0,30}$|"
    r"let me know|just let|please let me know|talk soon|see you|speak soon|no rush|hope |i hope|"
    r"greetings|yours)",
    re.I,
)
ASKING = re.compile(
    r"(?:so |and |but |also,? |then )?(?:can|could|would|will|may|might|should|shall|do|does|did|is|"
    r"are|was|were|has|have|any|"
    r"who|what|where|when|why|how|which|whose|isn't|aren't|don't|doesn't|didn't|won't|can't|couldn't)\b",
    re.I,
)
ASKING_PERSON = re.compile(
    r"(?:so |and |but |also,? )?(?:can|could|would|will|shall|should|do|did|are|may|have) "
    r"(?:you|u|we|i|someone|somebody|anyone|anybody|they|one of you)\b|any (?:idea|news|update|chance|"
    r"thoughts)\b",
    re.I,
)
# Verbs of a task that has an end, so a deadline would make sense.
TASK = (
    r"send|check|fix|update|review|look (?:at|into|over|through)|have a look|take a look|add|remove|"
    r"prepare|share|write|call|reply|"
    r"answer|confirm|order|book|finish|upload|sign|replace|clean(?: up)?|change|rename|merge|approve|"
    r"forward|print|create|set up|"
    r"install|test|rerun|re-run|find(?: out)?|get|return|reset|provide|fill (?:in|out)|complete|submit|"
    r"schedule|arrange|collect|"
    r"deliver|deal with|clear|sort|draft|explain|translate|correct|export|import|delete|split|rewrite|"
    r"restart|document|describe|grant|"
    r"verify|investigate|solve|clarify|resend|repair|pay|refund|contact|ask|tell|talk to|make|put|do|"
    r"give|bring|pick|list|compare|"
    r"double[- ]check|cut|shorten|simplify|move|follow up|chase|remind|swap|invite|count|inform|settle|"
    r"handle(?! with care)|stop|redo|run|ring"
)
_TASK_REQUEST = re.compile(
    rf"(?:\b(?:can|could|would|will) (?:you|u|we|someone|somebody|anyone|anybody|one of you)(?: "
    rf"(?:please|pls|also|maybe|possibly|perhaps|"
    rf"kindly|then|just|quickly))*|\b(?:please|pls|plz|kindly)(?: (?:also|just|quickly|do))?|\b(?:i|"
    rf"we) need you to|\bwould you mind|"
    rf"\b(?:someone|somebody) (?:should|needs to|has to|must)(?: (?:probably|really|maybe|please|also))*|"
    rf"\bwe (?:should|need to|have to|must|ought to)(?: (?:probably|really|maybe|also))*|\blet'?s(?: "
    rf"(?:just|also|please))?) (?:{TASK})\b",
    re.I,
)
_ORDER = re.compile(rf"(?:{TASK})\b(?! (?:is|are|was|were|has|failed|looks)\b)", re.I)
PASSIVE_TASK = re.compile(
    r"\b(?:needs?|has|have|must|should|will need|will have)(?: to)? be (?:\w+ly )?(?:\w+ed|done|sent|"
    r"redone|rewritten|written|found|paid|"
    r"made|put|set|cut|split|rerun|told|taken|brought|built|sorted)\b(?! by\b)",
    re.I,
)
_NO_TASK = re.compile(
    r"\b(?:not|don't|dont|never|no need|if|unless|when(?:ever)?|let me know|next time|in future|from "
    r"now on|always|every|each)\b",
    re.I,
)
CONDITION = re.compile(
    r"\b(?:if|unless|whenever|in case|whether|should (?:any|you|there)|any|no|not|nothing|never|"
    r"without|don't|doesn't|isn't)\b",
    re.I,
)


def is_request(words: str) -> bool:
    """Whether a sentence asks for something or orders it."""
    return bool(
        ASKING.match(words)
        or _TASK_REQUEST.search(words)
        or re.match(
            r"(?:please|pls|kindly|let's|lets|don't|dont|do not|never|maybe|we should|we need|"
            r"(?:someone|somebody) (?:should|needs|has to|must|please|could))\b",
            words,
            re.I,
        )
        or _ORDER.match(words)
    )


def asks_for_task(words: str) -> bool:
    """Whether a sentence asks for something that is done at some time, so that it could have a deadline."""
    return bool(not _NO_TASK.search(words) and (_TASK_REQUEST.search(words) or PASSIVE_TASK.search(words)))


_ASKS_ANYBODY = re.compile(
    r"(?P<who>(?P<modal>can|could|will|would) (?:someone|somebody|anyone|anybody)(?P<else> else)?"
    r"(?: (?:please|pls|plz|maybe|possibly|perhaps|kindly|just|quickly))*) (?!confirm (?:if|whether|"
    r"that) they\b)"
    rf"(?:{TASK}|help|cover|take|open|show|let|lend|drive|pass)\b",
    re.I,
)
_MODALS = {"can": "can", "will": "can", "could": "could", "would": "could"}


def asks_anybody(text: str, start: int) -> tuple[int, str] | None:
    """A request for a task that starts there and names nobody, such as "can someone check": where its verb
    follows, and the words that ask who can.
    """
    match = _ASKS_ANYBODY.match(text, start)
    if match is None:
        return None
    other = " else" if match.group("else") else ""
    return match.end("who"), f"who{other} {_MODALS[match.group('modal').lower()]}"


def is_order(words: str) -> bool:
    """Whether the words begin like an order: with a verb and its object."""
    return bool(IMPERATIVE.match(words))


def is_closing(words: str) -> bool:
    """Whether a sentence is a greeting, a thanks or a signature."""
    return bool(
        _CLOSING.match(words)
        or _GREETING.fullmatch(words)
        or (all(word[:1].isupper() for word in words.split()[:3]) and len(words.split()) <= 2)
    )


# Words that begin no order.
_NO_ORDER = (
    r"(?!(?:it|there|they|he|she|we|you|i|the|a|an|and|but|so|or|with|in|on|at|for|of|because|since|"
    r"not|like|even|by|from|as|to|is|are|was|"
    r"apart|including|about|after|before|maybe|probably|same|this|that|my|our|your|his|her|which|who|"
    r"where|when|while|if|all|both|half|most|"
    r"some|many|few|until|till|unless|though|although|then|also|has|have|does|what|how|just|only|over|"
    r"under|into|had|will|part|more|less|"
    r"sure|good|great|nice|quite|almost|unfortunately|sadly|hopefully)\b)"
)
# An order inside a sentence: behind a comma or a joining word, a verb and an object.
_ORDER_INSIDE = re.compile(
    rf"(?:,|\band|\bso|\bbut|\bthen) (?:please )?(?:(?:{TASK}|keep|use|take|wait|watch|hold|try|"
    rf"be|avoid|leave|stay|save|mind|"
    r"remember|plan|expect|never|careful)\b(?! (?:is|are|was|were)\b)|"
    rf"{_NO_ORDER}[a-z]+(?<!ed)(?<!s)(?<!ing) (?:the|it|them|your|my|a|this|that)\b)",
    re.I,
)
IMPERATIVE = re.compile(
    rf"{_NO_ORDER}[a-z]+(?<!ed)(?<!s)(?<!ing)(?<!'t) (?:the|it|them|your|my|a|an|this|that|all|me|us|"
    rf"him|her|up|out|to|three|two|every|each|"
    r"by|before|until)\b",
    re.I,
)


def is_task(words: str, start: int) -> bool:
    """Whether a sentence requests something that has an end, or orders it from `start` on."""
    return bool(asks_for_task(words) or (not _NO_TASK.search(words) and _ORDER.match(words, start)))


def has_order_inside(text: str) -> bool:
    """Whether an order follows a comma or a joining word somewhere."""
    return _ORDER_INSIDE.search(text) is not None


def missing_mark(words: str) -> str:
    """The mark that a sentence without one lacks."""
    return "?" if is_question(words) else "."


def is_question(words: str) -> bool:
    """Whether a sentence without a mark is a question: its first or its last part begins like one."""
    last = words.rsplit(", ", 1)[-1]
    if last != words and STATEMENT.match(last):
        return False
    return bool(
        ASKING_PERSON.match(words)
        or ASKING_PERSON.match(last)
        or re.match(r"(?:why|how|who|where|what) (?:is|are|do|does|did|can|was|should)\b", words, re.I)
    )


STATEMENT = re.compile(
    r"(?:it|it's|its|there's|there|i|i'm|they|they're|we|we're|he|he's|she|she's|this|that|that's|the) [a-z]",
    re.I,
)
