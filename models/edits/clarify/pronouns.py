"""Pronouns that refer to something which the message has not named."""

import re

from models.edits.clarify.message import Message
from models.edits.clarify.notes import PEOPLE, SPOKE, Note

_START = re.compile(
    r"(?:(?P<it>it)(?= (?:is|was|has been|keeps|stopped|crashed|failed|fails|broke|doesn't|does not|"
    r"won't|isn't|wasn't|still|needs|crashes|hangs|"
    r"freezes|came|arrived|went|should be|must be|has to)\b)|(?P<they>they)(?= \w)|(?P<this>this|that|"
    r"these|those)"
    r"(?= (?:is|was|are|were|needs?|should|has|have|doesn't|don't|isn't|can't|won't|must|keeps|looks?|"
    r"can)\b)|"
    r"(?P<he>he|she)(?= \w))",
    re.I,
)
_SHORT = re.compile(
    r"(?P<he>he|she|they)(?P<verb>'d(?= like)|'ll|'re|'s)(?P<been> been| got| had)?(?= )", re.I
)
_EXPLETIVE = re.compile(
    r"(?:it|this|that|these|those) (?:is|was|should be|must be|has been|isn't|wasn't|doesn't|does not|"
    r"are|were|has to)(?: \w+ly)? (?:a |an |the |my |our |your |not |about |time |too |very |so |just |"
    r"only |really )?"
    r"(?:important|possible|impossible|clear|unclear|good|great|nice|better|best|time|cold|hot|warm|"
    r"raining|worth|me|been|pleasure|"
    r"late|early|easy|hard|difficult|necessary|sad|ok|okay|fine|true|likely|unlikely|matter|make|help|"
    r"reminder|test|note|week|month|"
    r"year|friendly|quick|short|message|mail|confirm|inform|first|second|third|last|that|"
    r"because|why|what|how|to|with|on|for|\d|(?-i:[A-Z]))\b",
    re.I,
)


def _capital(read: Message, words: str) -> str:
    """The first words of the body, with a capital unless a name stands before them."""
    return words[:1].upper() + words[1:] if read.body == read.sentences[0].start else words


def find_first_pronoun(read: Message) -> list[Note]:
    """The first word of a message, where it refers to something that the message cannot have named before."""
    short = _SHORT.match(read.text, read.body)
    if short and not read.has_names():
        verb = {"'d": "would", "'ll": "will", "'re": "are", "'s": "has" if short.group("been") else "is"}[
            short.group("verb").lower()
        ]
        return [
            Note(
                "pronoun",
                0,
                read.body,
                short.end("verb"),
                _capital(read, short.group("he")),
                "who is not stated) " + verb,
            )
        ]
    match = _START.match(read.text, read.body)
    if not match or _EXPLETIVE.match(read.text, read.body):
        return []
    gap = {
        "it": "what is not stated",
        "this": "what is not stated",
        "they": "who is not stated",
        "he": "who is not stated",
    }[match.lastgroup or "it"]
    if match.lastgroup == "this" and read.has_time(read.body, read.sentences[0].stop):
        return []
    return [Note("pronoun", 0, match.start(), match.end(), _capital(read, match.group()), gap)]


_OBJECT = re.compile(
    r"(?:hi,? |hey,? |so |also,? )?(?:(?:can|could|would|will|should) (?:you|u|we|someone|somebody|"
    r"anyone) (?:please |pls |maybe |just )?|please |pls |"
    r"let's |lets |just |we should (?:probably )?|someone (?:should|needs to) )"
    r"(?:make|reset|check|send|fix|move|do|look at|change|update|put|redo|finish|cancel|push|get|sort|"
    r"handle|restart|review|postpone|deal with|follow up with|call|ask|tell|"
    r"remind|talk to|chase|check with) (?P<it>it|them|him|her|this|that|these|those)(?=\s*[,.!?]|$| "
    r"(?:for|to|by|before|a|again|with|about|up|out|in|on|if|soon|back|and|when|today|now|"
    r"please|more|better|pls|some|nicer|the|off|over)\b)",
    re.I,
)
_THEY = re.compile(
    r"(?<=\bbefore )they(?= \w)|(?<=\buntil )they(?= \w)|(?<=\bif )they(?= \w)|(?<=\bbecause )they(?= "
    r"\w)|(?<=^)they(?= \w)|(?<=, )they(?= \w)|(?<=\. )they(?= \w)",
    re.I,
)
_WHO = frozenset({"them", "him", "her", "they"})


def find_pronouns(read: Message) -> list[Note]:
    """A pronoun in the first request, or "they" anywhere, where nothing before it can be meant."""
    result = []
    match = _OBJECT.match(read.text, read.body)
    if match:
        word = match.group("it")
        gap = "who is not stated" if word.lower() in _WHO else "what is not stated"
        if not (word.lower() in _WHO and read.has_names()):
            result.append(Note("pronoun", 4, *match.span("it"), word, gap))
    they = _THEY.search(read.text, read.body)
    if they and not read.has_names():
        earlier = read.text[read.body : they.start()]
        if (
            not PEOPLE.search(earlier)
            and not SPOKE.search(earlier)
            and not re.search(r"\bthem\b|\band\b|\bsomeone\b|\bsomebody\b|\banyone\b", earlier, re.I)
        ):
            words = they.group()
            result.append(Note("pronoun", 0, *they.span(), words, "who is not stated"))
    return result
