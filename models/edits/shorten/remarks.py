"""What the writer or others feel about a thing goes, and what went well beside the point."""

import re
from collections.abc import Iterator

from models.edits.script import Change, Edit
from models.edits.shorten.text import (
    NUMBER_WORDS,
    delete_aside,
    delete_opening,
    delete_sentence,
    find_place,
    matters,
)

_DEGREE = r"(?:(?:really|very|quite|a\sbit|rather|pretty|so|too|always|not|also|at\sleast|of\scourse)\s){0,2}"
_ADJECTIVE = (
    r"(?:embarrassing|annoying|frustrating|nice|good|great|lovely|sad|bad|odd|strange|weird|funny|surprising|unusual"
    r"|unfortunate|disappointing|encouraging|worrying|ideal|fine|normal|typical|understandable|interesting|impressive"
    r"|rare|lucky|unlucky|awkward|silly|ridiculous|new|unheard\sof|nothing\snew|a\sshame|a\spity|a\sfirst|a\srelief"
    r"|a\srecord|a\ssurprise|no\ssurprise|a\snuisance|a\sjoke|a\slot|good\snews|bad\snews|fair|fair\senough)"
)
_MOOD = (
    r"(?:happy|pleased|thrilled|amused|upset|angry|annoyed|furious|delighted|impressed|surprised|shocked|cross|sad"
    r"|disappointed|relieved|grumpy|nice\sabout\sit|kind\sabout\sit)"
)
_END = r"(?=,\s|[.](?:\s|$)|$|\n)"
_COMMENT = re.compile(
    rf",\s(?P<inside>(?:which|that|this)(?:['’]?s|\sis|\swas|\sfeels|\sfelt|\sseems)\s{_DEGREE}{_ADJECTIVE}"
    rf"(?:\sfor\s(?:me|us|him|her|them|once))?){_END}",
    re.IGNORECASE | re.MULTILINE,
)
_FEELING = re.compile(
    rf",\s(?P<inside>(?:and\s)?(?:he|she|they|I|we)(?:['’](?:s|re|m)|\s(?:is|are|was|were|wasn['’]?t|weren['’]?t"
    rf"|isn['’]?t|aren['’]?t|am))\s{_DEGREE}{_MOOD}){_END}",
    re.IGNORECASE | re.MULTILINE,
)
_SAID_TWICE = re.compile(
    rf",\s(?P<inside>(?:and\s)?(?:he|she|they)\ssaid\s(?:that|so|it)\s(?:twice|again|several\stimes|more\sthan\sonce"
    rf"|clearly)){_END}",
    re.IGNORECASE | re.MULTILINE,
)
_AS_OTHERS = re.compile(
    r",\s(?P<inside>as\s(?!soon|long|far|if|though|I\b|we\b)(?:[\w'’-]{1,20}\s){1,5}?(?:(?:has|have|had)\s(?:already\s)?done"
    rf"|did|does|do)(?:\s(?:already|before|too|last\syear))?){_END}",
    re.IGNORECASE | re.MULTILINE,
)
# A next sentence that starts so speaks of what would go.
_BACK = re.compile(r"[.!?]?\s*(?:there|they|their|them|those|these|both|that|he|she|it)\b", re.IGNORECASE)
_NO_REASON = re.compile(
    r"(?P<inside>\s(?:for\sno\s(?:apparent\s|good\s|obvious\s|clear\s)?reason(?:\s(?:that\s)?(?:we|I|anyone|they|he|she)"
    r"\s(?:can|could)\s(?:find|see|think\sof|name))?))(?=,\s|[.;](?:\s|$)|$|\n|\sand\s)",
    re.IGNORECASE | re.MULTILINE,
)
_THE_ONE = re.compile(
    rf",\s(?P<inside>the\sone\s(?:with|in|on|at|by|from|near|behind)\s[^,.;:?!()\n]{{3,50}}){_END}",
    re.IGNORECASE | re.MULTILINE,
)
_LIKE = re.compile(
    r",\s(?P<inside>(?:like|such\sas)\s(?!that|this|last|you|we|I\b|the\sone|before)[^,.;:?!()\n]{3,60})(?=,\s|[.](?:\s|$)|$|\n)",
    re.IGNORECASE | re.MULTILINE,
)
# "142 covers, best since summer": what a number is compared with.
_RECORD = re.compile(
    rf",\s(?P<inside>(?:(?:the|our)\s)?(?:best|worst|highest|lowest|most|biggest|longest|busiest)\s(?:since|in|ever|so\sfar|for)\b"
    rf"[^,.;:?!()\n]{{0,30}}|(?:which\s(?:is|was)\s)?(?:a\s(?:bit|little|lot)\s)?(?:more|less|fewer|better|worse|higher|lower|quicker"
    rf"|slower|longer)\sthan\s(?:last|usual|before|expected|we\sexpected|planned|normal|ever)\b[^,.;:?!()\n]{{0,20}}){_END}",
    re.IGNORECASE | re.MULTILINE,
)
# "Until Thursday at least, maybe longer", "with normal start and finish times".
_MAYBE = re.compile(
    rf",\s(?P<inside>(?:maybe|perhaps|possibly|probably)\s(?:longer|more|less|later|earlier|sooner|worse|better)|with\s(?:normal"
    rf"|unchanged|the\susual)\s[^,.;:?!()\n]{{3,40}}){_END}",
    re.IGNORECASE | re.MULTILINE,
)
# "Nobody was harmed." as a whole sentence.
_CONSOLATION = re.compile(
    r"(?:(?:luckily|thankfully|fortunately),?\s)?(?:(?:nobody|no[\s-]one|none\sof\s(?:us|them))\s(?:was|were|is|got)"
    r"\s(?:harmed|hurt|injured)|(?:everything|all|the\srest|everybody|everyone)(?:\selse)?\s(?:is|was|are|were|went)"
    r"\s(?:normal|fine|ok|okay|well|good|as\susual)(?:\sotherwise|\sso\sfar)?|\w{3,20}\s(?:(?:is|was|were|are)\s)?"
    r"(?:normal|fine|ok|okay)\sotherwise|(?:scrap|weather|attendance|traffic|mood|performance)\s(?:was|is)\s(?:normal|fine"
    r"|ok|okay|good))(?=[.!](?:\s|$)|$)",
    re.IGNORECASE,
)
# "That was a surprise.", "He was very nice about it."
_FELT = re.compile(
    rf"(?:(?:that|this|it)(?:['’]s|\s(?:is|was|feels|felt))\s{_DEGREE}{_ADJECTIVE}(?:\sfor\s(?:me|us|him|her|them|everyone))?"
    rf"|(?:he|she|they|I|we)(?:['’](?:s|re|m)|\s(?:is|are|was|were|am))\s{_DEGREE}{_MOOD}(?:\s(?:about|with)\s(?:it|that|this))?"
    r"|(?:I|we)\s(?:have\s)?(?:apologi[sz]ed|said\ssorry|thanked\s(?:him|her|them))"
    r"|(?:the\slast|this|that|it)(?:\sone)?\s(?:worries|surprises|surprised|annoys|bothers|pleases)\s(?:me|us)"
    r"(?:\s(?:most|a\slot|a\sbit|more))?)(?=[.!](?:\s|$)|$)",
    re.IGNORECASE,
)
# "The nurses like the display, but the alarm": praise before the point.
_PRAISE = re.compile(
    r"(?P<cut>(?:the|our|my|most|all|everyone|everybody|people|customers|guests|staff|he|she|they|it)\b"
    r"[^,.;:?!()\n\d]{0,40}?(?:\s(?:like|likes|liked|love|loves|loved|enjoy|enjoys|enjoyed)\s[^,.;:?!()\n\d]{2,40}"
    r"|(?:['’]s|['’]re|\sis|\sare|\swas|\swere)\s(?:calm|nice|friendly|good|great|fine|lovely|happy\swith\s[^,.;:?!()\n\d]{2,40}))"
    r",?\sbut\s)(?P<next>(?:the|our|my|he|she|they|it|we)\b)",
    re.IGNORECASE,
)
# "We expected fewer visitors, but the counter had 1,840".
_EXPECTED = re.compile(
    r"(?P<cut>[^.,;:?!()\n\d]{0,40}?\b(?:I|we)\s(?:had\s)?(?:expected|hoped|thought|assumed)\s[^.,;:?!()\n\d]{3,60},\sbut\s)"
    r"(?P<next>(?!not\b|it\b|they\b|that\b|then\b|only\b|he\b|she\b|this\b)[a-z]+\b)(?=[^.?!\n]{20,})",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?:^|(?<=[.!?]\s)|(?<=\n))(?=[A-Za-z])")
_NEGATED = re.compile(r"\b(?:not|no|never|only|if)\b|n['’]t\b", re.IGNORECASE)
_PRONOUN = re.compile(r"he|she|they|it", re.IGNORECASE)


def drop_comments(message: str) -> Iterator[Edit]:
    """ ", which is embarrassing" goes, and ", they weren't happy"."""
    for pattern, rule, level in (
        (_COMMENT, "shorten.evaluation", 1),
        (_SAID_TWICE, "shorten.evaluation", 1),
        (_FEELING, "shorten.evaluation", 2),
    ):
        for match in pattern.finditer(message):
            yield delete_aside(message, rule, level, match.start(), match.end())


def drop_comparisons(message: str) -> Iterator[Edit]:
    """ ", as two counties have done already" goes, and what only tells things apart or gives examples."""
    for match in _AS_OTHERS.finditer(message):
        if not _BACK.match(message, match.end()):
            yield delete_aside(message, "shorten.comparison", 1, match.start(), match.end())
    for match in _NO_REASON.finditer(message):
        yield Edit("shorten.comparison", 1, (Change(*match.span("inside"), ""),))
    for pattern, level in ((_RECORD, 2), (_MAYBE, 3)):
        for match in pattern.finditer(message):
            if not NUMBER_WORDS.search(match["inside"]):
                yield delete_aside(message, "shorten.comparison", level, match.start(), match.end())
    for pattern, rule in ((_THE_ONE, "shorten.comparison"), (_LIKE, "shorten.example")):
        for match in pattern.finditer(message):
            if not matters(match["inside"].replace(" or ", " ").replace("two ", "")):
                yield delete_aside(message, rule, 2, match.start(), match.end())


def drop_consolations(message: str) -> Iterator[Edit]:
    """ "Nobody was harmed." goes, and "That was a surprise."."""
    for pattern, rule in ((_CONSOLATION, "shorten.good_news"), (_FELT, "shorten.evaluation")):
        for match in pattern.finditer(message):
            if find_place(message, match.start()).kind == "sentence" and not _NEGATED.search(match.group()):
                yield from delete_sentence(message, rule, 2, match.start(), match.end())


def drop_praise(message: str) -> Iterator[Edit]:
    """ "The nurses like the display, but the alarm rings" becomes "The alarm rings"."""
    for match in _PRAISE.finditer(message):
        place, cut = find_place(message, match.start()), match["cut"]
        subject = cut.split(maxsplit=1)[0].split("'")[0].split("’")[0]
        # A pronoun after "but" may stand for what goes.
        is_named = not _PRONOUN.fullmatch(match["next"]) or match["next"].lower() == subject.lower()
        if place.kind == "sentence" and is_named and not _NEGATED.search(cut):
            yield delete_opening(message, "shorten.good_news", 2, match.start(), match.end("cut"), place)
    for start in _SENTENCE.finditer(message):
        expected = _EXPECTED.match(message, start.end())
        if expected and not _NEGATED.search(expected["cut"]):
            place = find_place(message, expected.start())
            yield delete_opening(
                message, "shorten.good_news", 3, expected.start(), expected.end("cut"), place
            )
