"""How the writer knows something, and that it is an opinion, goes: "came by and says" is "says"."""

import re
from collections.abc import Iterator

from models.edits.script import Change, Edit
from models.edits.shorten.text import delete_opening, find_place

_SAYS = (
    r"(?:says?|said|recommends?|recommended|thinks?|wants?|asks?|asked|found|finds|quotes?|quoted|suggests?|suggested"
    r"|reports?|reported|confirmed|confirms|promised|told|offers?|offered|advises?|advised|warned|warns|estimates?"
    r"|complained)\b"
)
_CAME = re.compile(
    r"(?<=\w\s)(?P<cut>(?:came|went|rang|called|phoned|wrote|visited|looked|stopped|dropped|popped|turned|drove|was"
    r"\shere|were\shere|got\sback)(?:\s(?:out|by|in|round|over|back|again|here|up|me|us|to\sme|to\sus|at\sit|today"
    r"|yesterday|this\smorning|this\safternoon|last\snight|earlier|on\ssite|in\stouch|himself|herself)){0,4},?\sand\s)"
    rf"(?={_SAYS})",
    re.IGNORECASE,
)
_CHECKED = re.compile(
    r"(?<=\w\s)(?P<cut>(?:checked|inspected|tested|examined|opened|looked\s(?:at|into|through)|went\s(?:through|over))"
    r"\s(?:the|my|our|all|both|it|them)\b[^,.;:?!()\n]{0,40}?\sand\s)(?=(?:found|saw|noticed|discovered)\b)",
    re.IGNORECASE,
)
_OPINION = re.compile(
    r"\b(?P<cut>(?:I|we)(?:['’]d)?\s(?:think|believe|feel|reckon|say)(?:\sthat)?\s)(?=(?:we|you|they|it|this|that|the"
    r"\s\w{1,20})\s(?:should|shouldn['’]?t|must|ought|need\sto)\b)",
    re.IGNORECASE,
)
_SURPRISE = re.compile(
    r"\b(?P<cut>what\s(?:surprised|surprises|struck|worries|worried|bothers|annoys|strikes|amazed)\s(?:me|us)"
    r"(?:\s(?:most|all|is|was|about\sit|a\sbit|though|here)){0,3}?\s(?:is|was)\sthat\s)(?=\w)",
    re.IGNORECASE,
)
_TROUBLE = re.compile(
    r"\b(?P<cut>the\s(?:trouble|problem|snag|catch|difficulty|issue|good\snews|bad\snews|upshot|point|main\sthing|result)"
    r"\s(?:is|was)\s(?:that\s(?=\w)|(?=(?:we|they|people|he|she|it|you|nobody|customers|there)\s)))",
    re.IGNORECASE,
)
_PROPOSAL = re.compile(
    r"\b(?P<cut>(?:my|our)\s)(?P<noun>proposal|suggestion|recommendation|idea|advice|plan|preference)"
    r"(?P<of>\s(?:for|on)\s(?!me\b)[^,.;:?!()\n]{2,30}?)?(?P<is>\s(?:is|would\sbe)\s)(?!based|not|that\sif)"
    r"(?P<link>(?:that|to)\s)?(?=\w)",
    re.IGNORECASE,
)


def drop_visits(message: str) -> Iterator[Edit]:
    """ "The geologist came out this morning and recommends" becomes "The geologist recommends"."""
    for match in _CAME.finditer(message):
        yield Edit("shorten.spoke", 1, (Change(*match.span("cut"), ""),))
    for match in _CHECKED.finditer(message):
        yield Edit("shorten.spoke", 2, (Change(*match.span("cut"), ""),))


def drop_opinions(message: str) -> Iterator[Edit]:
    """ "I think that we should" becomes "We should", "What surprised us was that" goes."""
    for pattern, rule, level in (
        (_OPINION, "shorten.announce", 1),
        (_SURPRISE, "shorten.announce", 1),
        (_TROUBLE, "shorten.announce", 2),
    ):
        for match in pattern.finditer(message):
            place = find_place(message, match.start())
            if place.kind != "words":
                yield delete_opening(message, rule, level, match.start(), match.end("cut"), place)


def title_proposals(message: str) -> Iterator[Edit]:
    """ "My proposal for autumn is to" becomes "Proposal for autumn:"."""
    for match in _PROPOSAL.finditer(message):
        if find_place(message, match.start()).kind != "sentence":
            continue
        noun = match["noun"].capitalize() if match["cut"][0].isupper() else match["noun"]
        end = match.end("link") if match["link"] else match.end("is")
        yield Edit(
            "shorten.topic",
            1,
            (Change(match.start("cut"), match.end("noun"), noun), Change(match.start("is"), end, ": ")),
        )
