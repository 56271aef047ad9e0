"""Asides go: relative clauses, brackets, dashes, circumstances, stories."""

import re
from collections.abc import Iterator

from models.edits.script import Change, Edit
from models.edits.shorten.text import NEEDED, NUMBER_WORDS, delete_aside, find_place, matters

_BRACKETS = re.compile(r"[ \t]?\((?P<inside>[^()\n]{3,120})\)")
_BRACKET_ASIDE = re.compile(
    r"^(?:sorry|thanks?|thank\syou|as\s(?:you|I|we|always|usual)|don['’]t\sask|who\s|which\s|yes\b|again\b"
    r"|finally\b|believe|I\s|I['’]|we\sall|me\s|my\s|long\sstory|of\scourse|surprise|unfortunately"
    r"|sadly|luckily|yay|hooray|haha|lol|ha\b|and\sno\b|and\syes\b|he['’]s\s|she['’]s\s|great|nice|lovely"
    r"|so\s|again)",
    re.IGNORECASE,
)
_WHICH = re.compile(
    r",\swhich\s(?!means|is\swhy|blocks|requires|needs|you\b"
    r"|makes)(?P<inside>[^,.;:?!()\n–—]{4,90})(?=[,.]\s|[,.]?$)",
    re.MULTILINE,
)
_OWN = re.compile(r"\b(?:I|me|my|we)\b|\b(?:I|we)['’]")
_NEWS = re.compile(
    r"\s(?:and|but|so|or)\s|\b(?:still|trying|need|needs|want|wants|pay|pays|promised|agreed|do|did|sent"
    r"|send|ordered|already|signed|told|call|called|moved|changed|sold|bought|use|used|have|has)\b",
    re.IGNORECASE,
)
_DASHES = re.compile(r"\s(?P<dash>[–—-])\s(?P<inside>[^,.;:?!()\n–—]{3,70})\s(?P=dash)(?=\s)")
_AS_KNOWN = re.compile(
    r",\s(?P<inside>as\s(?:everybody|everyone|you|we|I|they|some|many|all)\s(?:[\w'’]+\s){0,5}?(?:expected"
    r"|feared|hoped|know|knew|imagine|remember|see|heard|learned\sthe\shard\sway|learnt\sthe\shard\sway"
    r"|believe|thought))(?=[,.]\s|[,.]?$)",
    re.IGNORECASE | re.MULTILINE,
)
_CIRCUMSTANCE = re.compile(
    r"\b(?:I|we)(?:['’]ve|\shave)?(?:\sjust)?\s(?:read|watched|went|asked|talked|looked|had|met|spoke|heard"
    r"|saw|thought|chatted|sat|tested|tried|bumped)\b[^.?!;:()\n]{0,90}?(?P<cut>\s(?:on\sthe\s(?:train|bus"
    r"|plane|tram|ferry)|over\s(?:a\s)?(?:lunch|coffee|tea|dinner|breakfast)|(?:by"
    r"|at)\sthe\scoffee\smachine|in\sthe\s(?:corridor|lift|elevator|hallway|kitchen|rain)"
    r"|with\sa\s(?:fresh\s)?(?:coffee|tea)|with\sa\slot\sof\s(?:coffee|tea)|with\sa\scup\sof\s(?:coffee"
    r"|tea)|for\s(?:ages|hours|a\swhile|nearly\san\shour|half\san\shour|an\shour)))(?=[,.]|\sand\s)",
    re.IGNORECASE,
)
_STORY = re.compile(
    r",\s(?:and\s|but\s)?(?P<inside>(?:I|we)\s(?:(?:nearly|even|almost|really|also|just)\s)?(?:nearly|felt"
    r"|laughed|cried|skipped|dreamt|regret|bet|enjoyed|lost\scount|tried\s(?:it|that|everything|being)"
    r"|missed\smy|was\snervous|was\shappy|was\ssurprised|was\samazed|love|hate|had\s(?:coffee|lunch|fun"
    r"|a\slaugh|a\sgood\slaugh)|talked\sabout\s(?:his|her|their|the\sweather)|promise\sthis|swear"
    r"|must\sadmit|can['’]t\scomplain|didn['’]t\sexpect\sthat|can\simagine"
    r"|know\sthe\sfeeling)\b[^,.;:?!()\n]{0,80})(?=[,.]\s|[,.]?$)",
    re.IGNORECASE | re.MULTILINE,
)


def drop_brackets(message: str) -> Iterator[Edit]:
    """Brackets around an aside of the writer go at level 2."""
    for match in _BRACKETS.finditer(message):
        inside = match["inside"]
        if _BRACKET_ASIDE.match(inside) and not NEEDED.search(inside) and not NUMBER_WORDS.search(inside):
            place = find_place(message, match.start("inside") - 1)
            if place.kind != "sentence":
                yield Edit("shorten.brackets", 2, (Change(match.start(), match.end(), ""),))


def drop_asides(message: str) -> Iterator[Edit]:
    """Relative clauses, brackets and dashes without a word that the recipient may need."""
    for match in _WHICH.finditer(message):
        if (
            _OWN.search(match["inside"])
            and not matters(match["inside"])
            and not _NEWS.search(match["inside"])
        ):
            yield delete_aside(message, "shorten.which_clause", 3, match.start(), match.end())
    for match in _BRACKETS.finditer(message):
        inside = match["inside"]
        if (
            not matters(inside)
            and len(inside.split()) >= 2
            and not re.search(r"[A-Z:\"“/\d]", inside.replace("I", ""))
            and match.group()[0] in " \t"
            and find_place(message, match.start("inside") - 1).kind == "words"
        ):
            yield Edit("shorten.brackets", 3, (Change(match.start(), match.end(), ""),))
    for match in _DASHES.finditer(message):
        if not matters(match["inside"]):
            yield Edit("shorten.brackets", 3, (Change(match.start(), match.end(), ""),))
    for match in _AS_KNOWN.finditer(message):
        yield delete_aside(message, "shorten.aside", 2, match.start(), match.end())


def drop_circumstances(message: str) -> Iterator[Edit]:
    """Where the writer read or heard something does not matter."""
    for match in _CIRCUMSTANCE.finditer(message):
        yield Edit("shorten.circumstance", 2, (Change(*match.span("cut"), ""),))


def drop_stories(message: str) -> Iterator[Edit]:
    """What happened to the writer goes, unless the recipient may need it."""
    for match in _STORY.finditer(message):
        if not matters(match["inside"].replace("didn't expect", "").replace("can't complain", "")):
            yield delete_aside(message, "shorten.story", 2, match.start(), match.end())
