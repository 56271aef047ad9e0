"""What a part of an English message does not name itself: the pronouns whose noun stands in an earlier part."""

import re

_PERSON = r"he|she|him|her|his|hers|they|them|their|theirs"
_THING = r"it|its|this|these|those"
# After these words a noun phrase starts, to which a later pronoun of the same part can refer.
_NOUN = re.compile(
    r"\b(?:the|a|an|my|our|your|all|both|every|each|any|no|some|several|two|three|four|five|\d+)\s+[a-z]"
    r"|(?<![.!?]\s)(?<!^)\b(?!I\b|I['’])[A-Z][\w'’-]+|[\w-]+(?<!thi)(?<!i)s\b\s+(?:of|for|from|in|on|with|are|were)\b",
)
# "That" that points back, and is neither "the one that" nor "I think that we".
_THAT = (
    r"that(?=[.,;:!?]|$|['’]s\b|['’]ll\b|\s+(?:is|was|will|would|means?|makes?|made|has|had|can|can['’]t|could|should|may"
    r"|might|did|does|didn['’]t|doesn['’]t|isn['’]t|wasn['’]t|won['’]t|works?|way|case|part|day|date|time|point|week|month|one|to|before|after|by|on|in|at|for|and|or|but|until|from)\b)"
)
_POINTS_BACK = re.compile(
    rf"\b(?:(?P<person>{_PERSON})|(?P<thing>{_THING}|{_THAT}|there(?!\s*(?:['’]s|is|are|was|were|will|has|have|may|can|might|should|must|isn|aren|wasn)\b)))\b"
    r"|\b(?P<rest>the\s+(?:other|others|rest|same|former|latter|second|third|first|last)(?:\s+(?:one|two|ones))?(?=[.,;:!?]|$|\s+(?:is|are|was|were|has|have|can|will|would|needs?|do|does)\b)"
    r"|(?:one|ones|none|neither|both|either|another)(?=[.,;:!?]|$|\s+(?:is|are|was|were|has|have|can|will|of\s+(?:them|these|those))\b)"
    r"|the\s+others\b|the\s+\w+\s+ones?\b|instead(?!\s+of)|otherwise|(?:do|did|does|think|hope|say|said)\s+so\b)",
    re.IGNORECASE,
)
# "It is important that", "it looks like": the word points to nothing.
_EMPTY_IT = re.compile(
    r"\bit(?:['’]s|['’]d|\s+(?:is|was|would|will|looks|seems|takes|turns|turned|makes|might|may))\b"
    r"(?!\s+that\b)[^.,;:!?]{0,40}?\b(?:that|to|if|whether|when|like|unless|raining|late|clear|time|from|as)\b"
    r"|\bwhat\s+it\s+comes\b|\bmakes?\s+it\b|\btakes?\s+it\b|\bthat['’]s\s+(?:it|all)\b|\bthis\s+(?:morning|afternoon|evening|week|weekend|month|year|time|summer|winter|autumn|spring"
    r"|quarter|monday|tuesday|wednesday|thursday|friday|saturday|sunday|message|mail|email)\b",
    re.IGNORECASE,
)
# Everything from here on is of the part before: "then we can", "so that".
_LEANS = re.compile(
    r"^\W*(?:(?:and|but|so|or)\s+)?(?:then|so\s+far|until\s+then|after\s+that|before\s+that|that\s+way|even\s+then|instead|otherwise|likewise|same|the\s+same"
    r"|(?:the\s+)?(?:results?|answers?|outcome|decision)\s+(?:is|are|will|comes?|should)\b|for\s+(?:me|us|both)\b|(?:only|also|just)\s+(?:then|that|this))\b",
    re.IGNORECASE,
)


_TOKEN = re.compile(r"(?P<word>[\w'’.-]*\w)|(?P<mark>[,;:.!?()\n–—-])")
_DETERMINERS = frozenset(
    "the a an my our your his her its their this these those that most many some all few several other no every each both"
    " two three four five six seven eight nine ten any another more less fewer".split()
)
_PREPOSITIONS = frozenset(
    "about of on in at with for from by through regarding re after before since under over into during without between against"
    " concerning per".split()
)
_STOP = (
    frozenset(
        "and but or so if when because as that which who whose where while than then not only also too very again now already still"
        " just please yes no ok okay to until up out off down back here there however although though even maybe perhaps unfortunately"
        " i i'm i've i'd i'll you you're you've you'll you'd he he's she she's it it's we we're we've we'll we'd they they're they've"
        " they'll me him us them what how why whether am is are was were be been being isn't aren't wasn't weren't has have had hasn't"
        " haven't hadn't will won't would wouldn't can can't cannot could couldn't shall should shouldn't must mustn't may might do does"
        " did don't doesn't didn't need needs want wants get gets got go goes went gone come comes came take takes took make makes made"
        " say says said think thinks thought know knows knew see sees saw seen send sends sent give gives gave put puts let lets keep"
        " keeps kept run runs ran told tell tells ask asks read reads write writes wrote find finds found leave leaves left lose lost"
        " met meet meets pay pays paid buy bought bring brought hold held stand stood hear heard feel feels felt seem seems look looks"
        " like likes believe hope hopes mean means meant try tries use uses work works fail fails stay stays happen happens spoke"
        " better much long enough same late early soon".split()
    )
    | _PREPOSITIONS
)
_NO_NOUNS = frozenset(
    "message mail email note update reminder heads weekend delay length inconvenience wait trouble reply answer time times day days"
    " week weeks morning afternoon evening night month months year years moment lot bit hour hours minute minutes thing things way"
    " case people everyone everybody someone nobody yesterday today tomorrow tonight monday tuesday wednesday thursday friday saturday"
    " sunday january february march april may june july august september october november december hi hello dear thanks sorry well".split()
)
_PLURAL = re.compile(r"(?:[^s'’]s|ers|people|staff|children|men|women|data|parents|others)$")
_GROUP = re.compile(
    r"team|company|agency|school|supplier|vendor|bank|office|department|finance|legal|hr|it|support|client|customer|council|landlord"
    r"|studio|family|group|board|management|contractor|provider|manufacturer|[a-z]+ltd|bank|facilities|logistics|sales|marketing"
)
_PERSON = frozenset(
    "manager driver customer client supplier colleague teacher doctor nurse lawyer engineer developer designer plumber electrician"
    " caretaker chef cook waiter guest visitor tenant landlord owner user tester intern trainee trainer student parent mother father"
    " boss chief director buyer seller candidate applicant patient member assistant agent technician contractor adjuster inspector"
    " auditor accountant consultant dispatcher operator courier porter receptionist translator photographer author editor reviewer"
    " neighbour friend wife husband son daughter man woman lady guy chap mr mrs ms dr professor".split()
)
# Between a noun and a pronoun of the same part that stands for it.
_BOUNDARY = re.compile(
    r"[,;:(]|\b(?:and|but|or|if|when|before|after|because|so|that|which|who|as|until|while|since|whether|then|to)\b",
    re.IGNORECASE,
)
_PREPOSITION = re.compile(
    r"\b(?:for|in|on|at|with|of|from|by|to|about|after|before|since|until|during|over|under|into|like|as|per)\s+$",
    re.IGNORECASE,
)


def pronoun(text: str) -> str | None:
    """The first word of a part that stands for something an earlier part names, in lower case."""
    if _LEANS.search(text):
        return "that"
    for match in _POINTS_BACK.finditer(_EMPTY_IT.sub(lambda found: "_" * len(found.group()), text)):
        if match["rest"] or not _names(text, match.start()):
            return match.group().lower()
    return None


def can_stand_for(word: str, noun: str) -> bool:
    """Whether a pronoun can stand for a noun, by its number and by whether it names a person.

    `noun` is one of `heads`. "This" and "that" stand for whole statements, too, and so for anything.
    """
    if word in ("it", "its"):
        return not _is_plural(noun) and noun not in _PERSON
    if word in ("they", "them", "their", "theirs", "these", "those"):
        return _is_plural(noun) or bool(_GROUP.fullmatch(noun))
    if word in ("he", "she", "him", "her", "his", "hers"):
        return noun[:1].isupper() or noun in _PERSON
    return True


def _is_plural(noun: str) -> bool:
    return bool(_PLURAL.search(noun))


def heads(text: str) -> set[str]:
    """The last words of the noun phrases of a part: nouns in lower case, and names."""
    result: set[str] = set()
    last, in_phrase, determined = "", True, False
    for match in _TOKEN.finditer(text + " ."):
        word, mark = match["word"] or "", match["mark"]
        key = word.lower().replace("’", "'")
        if (
            mark
            or key in _STOP
            or (key.endswith(("ed", "ing", "ly")) and not determined and not word[:1].isupper())
        ):
            if last:
                result.add(last)
            last, in_phrase, determined = "", False, False
            if key in _PREPOSITIONS:
                in_phrase = True
        elif key in _DETERMINERS:
            if last:
                result.add(last)
            last, in_phrase, determined = "", True, True
        elif in_phrase or (word[0].isupper() and match.start() > 0):
            if _is_plural(last):  # "the drivers count"
                result.add(last)
            last = key if match.start() == 0 or not word[:1].isupper() else word
            in_phrase, determined = True, False
    return {noun for noun in result if noun.lower() not in _NO_NOUNS and not noun[0].isdigit()}


def _names(text: str, end: int) -> bool:
    """Whether `text[:end]` names what a pronoun at `end` can stand for."""
    return any(
        not _PREPOSITION.search(text[: noun.start()]) and _BOUNDARY.search(text, noun.end(), end)
        for noun in _NOUN.finditer(text, 0, end)
    )
