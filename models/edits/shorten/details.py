"""Details of a sentence go: descriptions, consequences, examples, efforts, and who was talked to.

Each of these can be what a recipient needs. The tagger has labels for those that are found most often.
"""

import re
from collections.abc import Iterator

from models.edits.script import Change, Edit
from models.edits.shorten.clauses import PLAN, REQUEST
from models.edits.shorten.text import (
    NUMBER_WORDS,
    delete_aside,
    delete_opening,
    find_place,
    main_clause,
    matters,
)

_MOST_READ = 160  # characters of a main clause
_ENDS = r"(?=[.!](?:\s|$)|$|\n)"
_DESCRIBES = re.compile(
    r",\s(?P<inside>(?:which|who|whose)\s(?!means?\b|is\s(?:also\s)?why\b)[^,.;:?!()\n–—]{4,110})(?=,\s|[.!](?:\s|$)|$|\n)",
    re.MULTILINE,
)
# What a clause describes may be what the next one rests on: ", which changed nothing, so I", "a guest. She".
_FOLLOWED = re.compile(r",\sso\b")
_TROUBLE = re.compile(
    r"\b(?:fail\w*|leak\w*|br[eo]ak\w*|broken?|crack\w*|backs?\sup|jam\w*|stop\w*|lost|los\w{1,3}|damage\w*|late|delay\w*"
    r"|drift\w*|worn|unsafe|danger\w*|complain\w*|costs?|missing|wrong|empty|stuck|blocked|expired?)\b",
    re.IGNORECASE,
)
_PERSON = re.compile(r"\b(?:an?|one|another)\s(?:\w{2,20}\s){1,3}", re.IGNORECASE)
_PRONOUN = re.compile(r"[^.!?\n]{0,200}[.!?]\s(?:He|She|They)\b")
_FOLLOWS = re.compile(
    r",\s(?P<inside>(?:leaving|making|meaning|causing|giving|showing|saving|adding|leading|resulting"
    r"|putting|hoping|thinking|assuming"
    r"|knowing|trying|especially|particularly)\s[^,.;:?!()\n–—]{4,110})" + _ENDS,
    re.MULTILINE,
)
# A phrase without a verb of its own behind a comma: "mostly in the evening", "with a second group".
_MODIFIES = re.compile(
    r",\s(?P<inside>(?:mostly|mainly|largely|partly|chiefly|usually|probably|presumably|(?:all|both"
    r"|each)\s(?:in|on|of|at|from|with|when|by)|(?:about|around|roughly|nearly|almost)\s(?:half|double"
    r"|twice|an?|the\ssame|as|eighty|ninety)"
    r"|this\stime|once\smore|with|like|same|(?:a\s)?bit|for\s(?:about|nearly|almost|some)|turning|facing"
    r"|using|having|as\s(?:usual|always|before|every\syear|in)|at\sleast"
    r"|not\seven|apparently|again)\b(?!\s(?:is|are|was|were|you|we|i)\b)[^,.;:?!()\n–—]{2,90})(?=,\s"
    r"|[.](?:\s|$)|$|\n)",
    re.IGNORECASE | re.MULTILINE,
)
_PHRASE = re.compile(
    r",\s(?P<inside>(?!(?:and|or|but|so|to|please|then|nor|not|only|because|since|as|if|when|while|which"
    r"|who|whose|where|that|until|unless|before|after|except|including"
    r"|instead|otherwise|thanks|hi|dear|also|plus|too|what|how|why|let|tell|send|ask|call|make|put|take"
    r"|check|write|keep|give|use|bring|sign|leave|add|look|stop|wait)\b)"
    r"[a-z][^,.;:?!()\n–—]{6,80})(?P<end>,\s(?:and|but|so)\s(?=[^,.;:?!\n]{3,90})|(?=[.](?:\s|$)|$|\n))",
    re.MULTILINE,
)
_LEADS_ON = re.compile(
    r"\b(?:if|once|when|unless|need|needs|needed)\b|\b(?:really|very|so|too|no|yes),?$", re.IGNORECASE
)
_OWN_VERB = re.compile(
    r"\b(?:is|are|was|were|will|has|have|had|can|could|should|must|may|do|does|did|please|need|needs|want"
    r"|wants|says?|said|goes|comes|got|get|rings?|rang|belongs|wins|works|pls|attend|knows?|decided?|stops"
    r"|ship|fix|decide|closed|[a-z]{3,12}ed)\b|['’](?:s|re|ve|ll|m)\s",
    re.IGNORECASE,
)
_SORRY = re.compile(
    r",\s(?P<inside>(?:so\s|and\s)?(?:sorry|apologies|my\sapologies|forgive\sme)(?:\s(?:that|for|about|it"
    r"|if|to|again|this)\b[^,.;:?!()\n]{0,70})?)"
    r"(?=[,.!]\s|[,.!]?$)",
    re.IGNORECASE | re.MULTILINE,
)
_EXAMPLE = re.compile(
    r"(?P<cut>,\s(?:for\sexample|for\sinstance|e\.g\.)\s[^,.;:?!()\n–—]{3,80}|\s\((?:for\sexample"
    r"|for\sinstance|e\.g\.|like|such\sas)\s[^()\n]{3,90}\)"
    r"|,?\ssuch\sas\s[^.;:?!()\n–—]{3,90})" + r"(?=,\s|[.!?](?:\s|$)|$|\n|\s(?:are|is|and\sthen)\b)",
    re.IGNORECASE,
)
_SPOKE = re.compile(
    r"\b(?P<cut>(?:I|we)(?:['’]ve|\shave)?(?:\s(?:just|also|finally|already|then))?\s(?:talked|spoke|spoken"
    r"|chatted|checked|met|had\sa\s(?:long\s|short\s|quick\s)?(?:call"
    r"|chat|meeting|talk))\s(?:to|with)\s)(?P<who>(?!him\b|her\b|them\b"
    r"|it\b)[^,.;:?!()\n]{2,60}?)(?P<link>(?:\s(?:this\smorning|yesterday|today|earlier))?,?\sand"
    r"\s(?:he|she|they)(?:\sboth|\sall)?)(?=\s(?:said|say|says|told|confirmed|think|thinks|want|wants|would"
    r"|can|can['’]t|asked|agreed|agree|agrees)\b)"
)
_THOUGHT = re.compile(
    r"\b(?P<cut>(?:I|we)(?:['’]ve|\shave|['’]m|\sam)?(?:\s(?:been|just|also|again|now"
    r"|finally)){0,2}\s(?:thinking|thought|looking|looked|had\sa\slook|writing|wrote|read|went|gone|going)"
    r"\s(?:about|at|into|through|over|because\sof)\s)(?P<what>(?:the|our|your|this|that"
    r"|my)\s[^,.;:?!()\n]{2,50}?)(?P<link>,?\sand(?:\shonestly|\sfrankly)?,?\s(?:it|they)"
    r"|,\swhich)(?P<is>['’]s(?=\s)|)(?=\s(?:is|are|was|were|has|have|isn['’]t|aren['’]t|does|do|doesn['’]t"
    r"|don['’]t|needs?|looks?|works?|still|fails?|seems?)\b|(?<=['’]s)\s)"
)
_EFFORT = re.compile(
    r"(?P<cut>,?\s(?:after\s(?:what\sfelt\slike|a\slot\sof|several|many|hours\sof|days\sof|some|countless"
    r"|endless)\s[^,.;:?!()\n]{3,90}"
    r"|for\s(?:most\sof\sthe|the\swhole|nearly\san?|about\san?|almost\san?|half\sthe|half\sa)\s(?:day"
    r"|afternoon|morning|evening|night|hour|week|weekend)"
    r"|all\s(?:day|morning|afternoon|evening|night|week|weekend)(?:\slong)?|(?:over|during"
    r"|on)\sthe\sweekend))(?=[,.!]\s|[.!]?$|\sand\s)",
    re.IGNORECASE | re.MULTILINE,
)
_OWN_PAST = re.compile(
    r"\b(?:I|we)(?:['’]ve|\shave)?(?:\s(?:just|finally|also|already|then))?\s(?:[a-z]{2,12}ed|spent|went"
    r"|read|got|had|saw|met|sat|spoke|thought|ran|wrote|been|gone|drew|did)\b",
    re.IGNORECASE,
)
_LATE = re.compile(
    r"(?<!since)(?<!from)(?<!until)(?<!had)\s(?P<inside>(?:this\smorning|yesterday|last\snight"
    r"|earlier\stoday|the\sother\sday|just\snow|earlier))(?=[,.]\s|[.]?$|\sand\s)",
    re.IGNORECASE | re.MULTILINE,
)


def drop_details(message: str) -> Iterator[Edit]:
    """Clauses that describe a thing or say what follows from it, and examples."""
    for match in _DESCRIBES.finditer(message):
        if (
            not matters(match["inside"])
            and "?" not in message[match.end() : match.end() + 1]
            and not _FOLLOWED.match(message, match.end())
            and not _TROUBLE.search(match["inside"])
        ):
            yield delete_aside(message, "shorten.describes", 2, match.start(), match.end())
    for match in _FOLLOWS.finditer(message):
        if not matters(match["inside"]):
            yield delete_aside(message, "shorten.follows", 3, match.start(), match.end())
    for match in _MODIFIES.finditer(message):
        main = main_clause(message, match.start(), _MOST_READ)
        if (
            not _is_needed(main)
            and _OWN_VERB.search(main)
            and not _OWN_VERB.search(match["inside"])
            and not matters(match["inside"])
            and not (_PERSON.search(match["inside"]) and _PRONOUN.match(message, match.end()))
        ):
            yield delete_aside(message, "shorten.modifier", 2, match.start(), match.end())
    for match in _PHRASE.finditer(message):
        main = main_clause(message, match.start(), _MOST_READ)
        # In a list the words before the comma have no verb, either.
        if (
            not _is_needed(main)
            and _OWN_VERB.search(main.split(",")[-1])
            and not _OWN_VERB.search(match["inside"])
            and not matters(match["inside"])
            and (not match["end"] or _OWN_VERB.search(message[match.end() : match.end() + 60]))
        ):
            end = match.end("inside")
            yield delete_aside(message, "shorten.phrase_unsure", 2, match.start(), end)
    for match in _EXAMPLE.finditer(message):
        if not NUMBER_WORDS.search(match["cut"]):
            yield Edit("shorten.example", 2, (Change(*match.span("cut"), ""),))


def _is_needed(main: str) -> bool:
    """Whether a main clause plans or requests something, or leads into what follows it."""
    return bool(PLAN.search(main) or REQUEST.search(main) or _LEADS_ON.search(main))


def drop_apologies(message: str) -> Iterator[Edit]:
    """An apology beside the point goes."""
    for match in _SORRY.finditer(message):
        yield delete_aside(message, "shorten.sorry", 1, match.start(), match.end())


def drop_efforts(message: str) -> Iterator[Edit]:
    """How long the writer worked on something goes, and when."""
    for pattern, group, rule in ((_EFFORT, "cut", "shorten.effort"), (_LATE, "inside", "shorten.past_time")):
        for match in pattern.finditer(message):
            before = main_clause(message, match.start(), _MOST_READ)
            if _OWN_PAST.search(before):
                start = match.start(group) - (group == "inside")
                yield Edit(rule, 2, (Change(start, match.end(group), ""),))


def name_subjects(message: str) -> Iterator[Edit]:
    """ "I talked to Ana and she said" becomes "Ana said", "I looked at the file and it is" "The file is"."""
    for pattern, group, rule in ((_SPOKE, "who", "shorten.spoke"), (_THOUGHT, "what", "shorten.thought")):
        for match in pattern.finditer(message):
            place = find_place(message, match.start())
            if place.kind == "words":
                continue
            first = delete_opening(message, rule, 2, match.start(), match.start(group), place).changes
            is_short = rule == "shorten.thought" and bool(match["is"])
            change = Change(match.start("link"), match.end(), " is" if is_short else "")
            yield Edit(rule, 2, (*first, change))
