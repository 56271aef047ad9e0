"""Finds what only those know who were there: "for obvious reasons", "after last time", "after Antwerp"."""

import re
from collections.abc import Iterator

from data.redaction import names
from models.edits.background.mentions import Mention
from models.edits.clarify.message import Message

_END = r"(?=\s*[,.!?;:)–—-]|\s*$| (?:we|i|they|it|the|so|and|but|nobody|there|this|that|you|please|all|if)\b)"
_SEASON = r"time|year|week|month|night|spring|summer|autumn|winter|season"
_BECAUSE = (
    r"because of|bc of|b/c of|cos of|due to|owing to|"
    r"(?<![a-z] )given|in view of|in light of|on account of|despite"
)
_REASONS = re.compile(
    r"\bfor (?:the )?(?P<words>obvious|known|well-known|usual|various|certain|several|other|some|the above|"
    r"understandable|good) reasons?\b|\bfor reasons (?:you|we|i|they) (?:all )?(?:know|can|can't|cannot|"
    r"won't)\b",
    re.I,
)
_OPTION = re.compile(
    r"(?<![\w'-])the (?:first|second|third|fourth|other|original|middle) (?:option|plan|variant|"
    r"proposal|idea|"
    r"route|model|approach|solution|scenario|offer|quote|concept|draft)(?= (?:for|on|in|at) )",
    re.I,
)
_COUNTED = re.compile(
    r"\b(?:options?|plans?|variants?|proposals?|ideas?|routes?|models?|approach\w*|solutions?|"
    r"scenarios?|offers?|"
    r"quotes?|concepts?|drafts?|two|three|both|either)\b|\b[123]\b",
    re.I,
)
_PLACE = re.compile(
    r"\b(?P<words>(?:[Aa]fter|[Ll]ike|[Uu]nlike|[Ss]ince|[Nn]ot another) (?P<name>[A-Z][a-z]{3,20}))"
    r"(?=\s*[,.!?;:]|\s*$| (?:we|I|they|it|nobody|and|but|the)\b)"
)
_NO_PLACE = re.compile(
    r"(?:Mon|Tues?|Wed|Thurs?|Fri|Sat|Sun|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)|Monday|Tuesday|"
    r"Wednesday|Thursday|Friday|Saturday|Sunday|January|February|March|April|June|July|August|"
    r"September|October|November|December|Easter|Christmas|Ramadan|Eid|Diwali|Pentecost|Whitsun|Lent|"
    r"Midsummer|"
    r"Spring|Summer|Autumn|Winter|Lunch|Work|School|Covid|Brexit|Thanksgiving|That|This|They|There|What|Last|"
    r"Please|Next"
)
_LAST_TIME = re.compile(
    rf"\b(?:after|given|considering|{_BECAUSE}) (?P<last>last (?:{_SEASON}))"
    r"(?=\s*[,.!?;:]|\s*$| (?:we|i|they|nobody|and|but)\b)",
    re.I,
)
_SAID_SO = re.compile(
    r"\b(?:like|as) (?P<words>(?:they|he|she|you|the [a-z]+) (?:said|promised|threatened|announced|told us|"
    r"wanted|asked))" + _END,
    re.I,
)
_PROMISED = re.compile(
    r"\b(?:know|remember|despite|after|given|against) (?P<words>what (?:we|they|he|she|i) "
    r"(?:promised|agreed|announced|told (?:them|him|her|you)|said|"
    r"decided)(?: (?:in|on|at|last|back in) [a-z]+)?)" + _END,
    re.I,
)
_FOUND = re.compile(
    r"\bthe (?:(?:old|same) )?(?:problem|issue|mistake|error|bug|gap|flaw|fault|defect|"
    r"trouble)s? (?:that |which )?"
    r"(?P<words>(?:[A-Z][a-z]+|we|they|you|I|he|she|the [a-z]+) (?:found|reported|saw|noticed|spotted|"
    r"mentioned|"
    r"described|raised))\b(?! (?:in|on|with|when|where|while)\b)"
)
_THING = re.compile(
    rf"\b(?:after|since|{_BECAUSE}) (?:the|that|this) (?:whole |recent )?(?:thing|business|story|affair|"
    rf"matter|"
    r"situation|mess|row|trouble|drama|fuss|saga) (?P<rest>(?:with|at|in|around) (?:(?:the|our|my|"
    r"your) )?[\w' -]{2,40})"
    r"(?=\s*[,.!?;:]|\s*$)",
    re.I,
)
# What such a thing says or shows, an outsider cannot know.
_PAPER = (
    r"letter|e-?mail|mail|message|memo|note|notice|article|ruling|judgment|verdict|statement|post|tweet|"
    r"report"
)
_TALK = r"call|meeting|talks?|discussions?|conversation|hearing|conference|phone call|debrief"
_CHECK = r"inspection|audit|review|survey|visit|test|tests|check|checks|trial|exam|vote|count|measurements?"
_FIGURES = r"numbers|figures|results|findings|comments|reviews|complaints"
_EVENT = r"incident|accident|mix-up|scare|near miss|fall|theft|break-in|spill|outage|mishap|breach"
_CAUSED = re.compile(
    rf"\b(?P<after>after|since|following|{_BECAUSE}) (?:the|this|that|our|their|your|his|her) "
    r"(?:last |recent |latest )?"
    r"(?P<words>(?:(?:(?:january|february|march|april|may|june|july|august|september|october|november|"
    r"december|"
    r"q[1-4]|spring|summer|autumn|winter|board|safety|fire|health|site|customer|staff|test|sales) )?"
    rf"(?:(?P<paper>{_PAPER})|(?P<talk>{_TALK})|(?P<check>{_CHECK})|(?P<figures>{_FIGURES})|"
    rf"(?P<event>{_EVENT}))))"
    r"(?![\w'-])(?! (?:that|which|who|saying|about|showing|showed|said|says|is|are|begins|starts|ends)\b)",
    re.I,
)
# "After the call we will write" is about a time to come.
_TO_COME = re.compile(
    r"\b(?:will|would|can|could|shall|tomorrow|please|pls|next|until|till|before|once|going to|if|when|"
    r"soon)\b|'ll\b",
    re.I,
)
_IS_SO = re.compile(
    r"\b(?:was|were|decided|made|came|had|has|have|no longer|not|never|now|stays?|needs?|only|must|all|"
    r"every|no|"
    r"asked|wants?|dropped|stopped|moved|changed|cut)\b|n't\b",
    re.I,
)


def alludes_to_cause(sentence: str) -> bool:
    """Whether a sentence names an event that may be the reason of what a message announces."""
    return any(not _is_to_come(sentence, match) for match in _CAUSED.finditer(sentence))


def find_allusions(read: Message) -> Iterator[Mention]:
    """What only those know who were there, in the order of the patterns; at most one of each."""
    text = read.text
    if match := _REASONS.search(text, read.body):
        words = match.group("words")
        yield Mention(
            match.start(), f"what the {words.lower()} reasons are" if words else "what the reasons are"
        )
    match = _OPTION.search(text, read.body)
    if match and not _COUNTED.search(text[read.body : match.start()]):
        yield Mention(match.start(), f"what {match.group().lower()} means")
    if match := _caused(read):
        yield Mention(match.start(), _gap(match))
    if match := _THING.search(text, read.body):
        yield Mention(match.start(), f"what happened {match.group('rest')}")
    if match := _LAST_TIME.search(text, read.body):
        yield Mention(match.start(), f"what happened {match.group('last').lower()}")
    if match := _place(read):
        yield Mention(
            match.start(), f'what "{match.group("words").lower().split()[0]} {match.group("name")}" refers to'
        )
    if match := _PROMISED.search(text, read.body):
        yield Mention(match.start(), match.group("words"))
    if match := _SAID_SO.search(text, read.body):
        yield Mention(match.start(), f"what {match.group('words')}")
    if match := _FOUND.search(text, read.body):
        yield Mention(match.start(), f"what {match.group('words')}")


def _caused(read: Message) -> re.Match[str] | None:
    """The first event that is given as a cause, and that the message has not named before."""
    for match in _CAUSED.finditer(read.text, read.body):
        noun = match.group("words").split()[-1].lower()
        is_new = noun not in read.text[: match.start()].lower()
        item = read.sentence(match.start())
        if is_new and not _is_to_come(read.text[item.start : item.stop], match, item.start):
            return match
    return None


def _is_to_come(text: str, match: re.Match[str], start: int = 0) -> bool:
    """Whether an event behind "after" may still come."""
    if match.group("after").lower() not in {"after", "since", "following"}:
        return False
    rest = text[: match.start() - start] + text[match.end() - start :]
    return _TO_COME.search(rest) is not None or _IS_SO.search(rest) is None


def _gap(match: re.Match[str]) -> str:
    """What an outsider does not know about the event."""
    words = match.group("words")
    words = words[0].lower() + words[1:] if words[1:2].islower() and not match.group("figures") else words
    if match.group("paper"):
        return f"what the {words} says"
    if match.group("talk"):
        return f"what was said in the {words}"
    if match.group("check"):
        return f"what came out of the {words}"
    if match.group("figures"):
        return f"what the {words} show"
    return "what happened"


def _place(read: Message) -> re.Match[str] | None:
    """A place or an event by its name, such as "after Antwerp"; the name of a person is none."""
    persons = {name.at for name in names.find(read.text)}
    for match in _PLACE.finditer(read.text, read.body):
        if _NO_PLACE.fullmatch(match.group("name")) or match.start("name") in persons:
            continue
        if match.group("name") not in read.text[: match.start()]:
            return match
    return None
