"""What a part of an English message does not name itself: pronouns whose noun stands in an earlier part.

Nouns and pronouns are found by lists of words (`words.yaml`), so they are guesses: the rules that use them
keep a part when in doubt.
"""

import re
from itertools import islice
from pathlib import Path

from models.edits.word_lists import read_lists

_FILE = Path(__file__).with_name("words.yaml")
_PLURAL = re.compile(r"(?:[^s'’]s|people|staff|children|men|women|data)$")
_GROUP = re.compile(
    r"team|company|agency|school|supplier|vendor|bank|office|department|finance|legal|hr|it|support|client"
    r"|customer|council|landlord|studio|family|group|board|management|contractor|provider|manufacturer"
    r"|facilities|logistics|sales|marketing"
)
_TOKEN = re.compile(r"(?P<word>\w(?:[\w'’.-]{0,40}\w)?)|(?P<mark>[,;:.!?()\n–—-])")

# A noun phrase to which a later pronoun of the same part can refer.
_NOUN = re.compile(
    r"\b(?i:the|a|an|my|our|your|all|both|every|each|any|no|some|several|two|three|four|five|\d{1,9})\s[a-z]"
    r"|(?<![.!?]\s)(?<!^)\b(?!I\b|I['’])[A-Z][\w'’-]{1,30}"
    r"|\b[\w-]{1,30}(?<!thi)(?<!i)s\s(?:of|for|from|in|on|with|are|were)\b"
)
# Between a noun and a pronoun of the same part that stands for it.
_BOUNDARY = re.compile(
    r"[,;:(]|\b(?:and|but|or|if|when|before|after|because|so|that|which|who|as|until|while|since|whether|then"
    r"|to|says?|said|thinks?|thought|told|hopes?|knows?)\b",
    re.IGNORECASE,
)
_AFTER_PREPOSITION = re.compile(
    r"\b(?:for|in|on|at|with|of|from|by|to|about|after|before|since|until|during|over|under|into|like|as|per)"
    r"\s$",
    re.IGNORECASE,
)
_VERB = r"(?:is|are|was|were|has|have|can|will|would|needs?|do|does)"
# "That" that points back, and is neither "the one that" nor "I think that we".
_THAT = (
    r"that(?=[.,;:!?]|$|['’]s\b|['’]ll\b|\s(?:is|was|will|would|means?|makes?|made|has|had|can|can['’]t|could"
    r"|should|may|might|did|does|didn['’]t|doesn['’]t|isn['’]t|wasn['’]t|won['’]t|works?|way|case|part|day"
    r"|date|time|point|week|month|one|to|before|after|by|on|in|at|for|and|or|but|until|from)\b)"
)
_THERE = (
    r"(?<!is\s)(?<!are\s)(?<!was\s)there"
    r"(?!\s?(?:['’]s|is|are|was|were|will|has|have|may|can|might|should|must|isn|aren|wasn)\b)"
)
_POINTS_BACK = re.compile(
    rf"""\b(?:
        he|she|him|her|his|hers|they|them|their|theirs|it|its|this|these|those|{_THAT}|{_THERE}
      | (?P<rest>
            the\s(?:other|others|rest|same|former|latter|second|third|first|last)(?:\s(?:one|two|ones))?
                (?=[.,;:!?]|$|\s{_VERB}\b)
          | (?:one|ones|none|neither|both|either|another)
                (?=[.,;:!?]|$|\s{_VERB}\b|\sof\s(?:them|these|those)\b)
          | the\sothers | the\s\w{{1,30}}\sones? | instead(?!\sof) | otherwise
          | (?:do|did|does|think|hope|say|said)\sso
        )
    )\b""",
    re.IGNORECASE | re.VERBOSE,
)
# "It is important that", "it looks like": the word points to nothing.
_EMPTY = re.compile(
    r"\bit(?:['’]s|['’]d|\s(?:is|was|would|will|looks|seems|takes|turns|turned|makes|might|may))\b"
    r"(?!\sthat\b)[^.,;:!?]{0,40}?"
    r"\b(?:that|to|if|whether|when|like|unless|raining|late|clear|time|from|as)\b"
    r"|\bwhat\sit\scomes\b|\bmakes?\sit\b|\btakes?\sit\b|\bthat['’]s\s(?:it|all)\b"
    r"|\bthis\s(?:morning|afternoon|evening|week|weekend|month|year|time|summer|winter|autumn|spring|quarter"
    r"|monday|tuesday|wednesday|thursday|friday|saturday|sunday|message|mail|email)\b",
    re.IGNORECASE,
)
# A part that opens like this goes on with what the one before it says.
_LEANS = re.compile(
    r"\W*(?:(?:and|but|so|or)\s)?(?:then|so\sfar|until\sthen|after\sthat|before\sthat|that\sway|even\sthen"
    r"|instead|otherwise|likewise|same|the\ssame|for\s(?:me|us|both)|(?:only|also|just)\s(?:then|that|this)"
    r"|(?:the\s)?(?:results?|answers?|outcome|decision)\s(?:is|are|will|comes?|should))\b",
    re.IGNORECASE,
)
_MOST_PRONOUNS = 20  # that are looked at in a part


def pronouns(text: str) -> tuple[str, ...]:
    """The words of a part that stand for something that an earlier part names, in lower case."""
    bare = _EMPTY.sub(lambda match: "_" * len(match.group()), text)
    words = []
    for match in islice(_POINTS_BACK.finditer(bare), _MOST_PRONOUNS):
        word = match.group().lower()
        if match["rest"] or not _is_named(text, match.start(), word):
            words.append(word)
    return tuple(dict.fromkeys(["that", *words] if _LEANS.match(text) else words))


def _is_named(text: str, end: int, word: str) -> bool:
    """Whether `text[:end]` names what a pronoun at `end` can stand for."""
    for noun in _NOUN.finditer(text, 0, end):
        boundary = _BOUNDARY.search(text, noun.end(), end)
        if boundary is None:
            return False
        if _AFTER_PREPOSITION.search(text[max(0, noun.start() - 8) : noun.start()]):
            continue
        phrase = text[noun.start() : boundary.start()]
        if any(can_stand_for(word, each) for each in heads(phrase)):
            return True
    return False


def can_stand_for(word: str, noun: str) -> bool:
    """Whether a pronoun can stand for a noun, by its number and by whether it names a person.

    `noun` is one of `heads`. A word such as "that" or "the others" can stand for anything.
    """
    if word in ("it", "its"):
        return not _PLURAL.search(noun) and noun not in read_lists(_FILE)["persons"]
    if word in ("they", "them", "their", "theirs", "these", "those"):
        return bool(_PLURAL.search(noun) or _GROUP.fullmatch(noun))
    if word in ("he", "she", "him", "her", "his", "hers"):
        return noun[:1].isupper() or noun in read_lists(_FILE)["persons"]
    return True


def topics(text: str) -> frozenset[str]:
    """The nouns and names in lower case, of `heads`, that say what a message is about."""
    return frozenset(noun.lower() for noun in heads(text)) - read_lists(_FILE)["no_topic"]


def heads(text: str) -> frozenset[str]:
    """The last words of the noun phrases of a part, and their plurals: nouns in lower case, and names."""
    words = read_lists(_FILE)
    result: set[str] = set()
    last, in_phrase, is_determined = "", True, False
    for match in _TOKEN.finditer(text):
        word = match["word"] or ""
        key = word.lower().replace("’", "'")
        is_capital, is_first = word[:1].isupper(), match.start() == 0
        is_verb = not is_capital and (
            (key.endswith(("ed", "ly")) and not is_determined) or (key.endswith("ing") and not in_phrase)
        )
        is_article, is_preposition = key in words["articles"], key in words["prepositions"]
        opens = is_article or is_preposition or key in words["determiners"] or key[:1].isdigit()
        if match["mark"] or opens or is_verb or (key in words["no_noun"] and not is_determined):
            result.add(last)
            last, in_phrase, is_determined = "", opens, is_article
        elif in_phrase or (is_capital and not is_first):
            if _PLURAL.search(last):  # "the drivers count"
                result.add(last)
            last = word if is_capital and not is_first else key
            in_phrase, is_determined = True, False
    result.add(last)
    return frozenset(noun for noun in result if noun and noun.lower() not in words["times"])
