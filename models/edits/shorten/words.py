"""Wordy constructions of a few words become shorter."""

import re
from collections.abc import Iterator

from models.edits.script import Change, Edit
from models.edits.shorten.text import REACH, delete_opening, end_of_sentence, find_place

_REDUCED = re.compile(
    r"\b(?:someone|somebody|anyone|anybody|everyone|everybody|people|those|colleagues|users|customers"
    r"|guests|files|tickets|the\s[a-z]+|a\s[a-z]+|an\s[a-z]+|any\s[a-z]+|every\s[a-z]+"
    r"|all\s[a-z]+s)(?P<cut>\s(?:who|that|which)\s(?:is|are|was|were)(?:\sstill)?)\s(?:on\s(?:leave|holiday"
    r"|site|duty|call|sick)|in\s(?:the|a)|at\s(?:the|home)|from\s(?:the|a)|responsible\sfor|due\s(?:on|in"
    r"|by)|(?!need|use|suppos|allow|request|expect|ask)[a-z]{2,12}ed\s(?:by|in|on|at|for|from|to|with|as)"
    r"|left\sover|needed\sfor|used\s(?:for|by|in)|stored\s(?:in|on)|made\s(?:by|of|for)|sent\s(?:by|to)"
    r"|built\s(?:by|in)|written\s(?:by|in))\b",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"\b(?:it['’]s|it\s(?:is|was)|ask|asks|asked|tell|tells|told|know|knows|that['’]s|check|say|says"
    r"|said)\s(?:not\s)?$",
    re.I,
)
_COMMA_REDUCED = re.compile(
    r",\s(?P<cut>(?:which|who)\s(?:is|are|was|were)\s)(?=(?:still|due|now|[a-z]{2,12}ed\s(?:by|in|on|at|for"
    r"|from|to|with)|responsible\sfor|part\sof|about\s\d|around\s\d)\b)"
)
_THERE_IS = re.compile(
    r"\b(?P<cut>there(?:['’]s|\sis|\sare)\s)(?P<noun>(?:a|an|some|several|many|two|three|four|five"
    r"|\d{1,3})\s(?:(?!that\b|who\b|which\b)[a-z-]+\s){1,4})(?P<link>(?:that|who|which)\s)(?=(?:is|are|was"
    r"|were|has|have|had|can|can['’]t|cannot|will|won['’]t|need|needs|want|wants|block|blocks|fail|fails"
    r"|failed|works?|don['’]t|doesn['’]t|didn['’]t|still|must|should)\b)",
    re.IGNORECASE,
)
_GOING_TO = re.compile(
    r"(?P<be>['’](?:m|re|s)|\s(?:is|are|am))(?P<not>\snot)?\sgoing\sto\s(?!the\b|a\b|an\b|my\b|our\b|your\b"
    r"|his\b|her\b|their\b|this\b|that\b|bed\b|work\b|school\b|court\b|press\b|print\b|market\b|hospital\b"
    r"|lunch\b|prod|town\b|all\b|some\b|any\b|it\b|them\b|him\b|you\b|me\b|us\b|every|plan\b|waste\b"
    r"|church\b|university\b|class\b|training\b|different\b|two\b|three\b|one\b|both\b|and\b"
    r"|be\sable)(?=[a-z]{2,})"
)
_NOT_GOING_TO = re.compile(
    r"\b(?P<be>isn|aren)['’]t\sgoing\sto\s(?=[a-z]{2,}\b)(?!the\b|a\b|work\b|my\b|our\b|your\b)"
)
_THAT = re.compile(
    r"\b(?P<verb>(?:I|we|you|they|he|she)\s(?:also\s|already\s|still\s|just\s|really\s|do\s|don['’]t\s"
    r"|didn['’]t\s){0,1}(?:think|thinks|thought|know|knows|knew|hope|hopes|hoped|believe|believes|guess"
    r"|said|says|say|see|saw|feel|suggest|heard|understand|promised|told\s(?:me|us|them|him|her|you)"
    r"|noticed|assume|fear|wish|bet|found|agreed|decided)|(?:['’]m|['’]re|am|are|is)\s(?:not\s|pretty\s"
    r"|quite\s|very\s)?(?:sure|afraid|glad|happy|sorry|worried|aware)|make\ssure|please\snote|said"
    r"|told\s(?:me|us|them|him|her|you))\sthat(?=\s(?:I|we|you|he|she|it|they|there|the|a|my|our|your|his"
    r"|her|its|their|nobody|everyone|I['’]|we['’]|you['’]|it['’]|he['’]|she['’]|they['’]|there['’])\b)",
    re.IGNORECASE,
)
# The subject is a noun: "The firm says that the door is".
_SAYS_THAT = re.compile(
    r"\b[a-z]{3,20}\s(?P<verb>says?|said|thinks?|thought|believes?|hopes?|claims?|knows?|confirmed|suggests?|fears?)\sthat"
    r"(?=\s(?:I|we|you|he|she|it|they|there|the|a|an|my|our|your|his|her|its|their|nobody|everyone|no|all|most)\b)",
)
_REPEATED = re.compile(
    r"\b(?P<word>really|very|so|no|yes|please|long|many|never|much|far|way|again|sorry"
    r"|thanks)(?P<again>(?:,?\s(?P=word)){1,3})\b",
    re.I,
)
_CALL = re.compile(
    r"\b(?P<verb>[Gg]ive|gave|giving)\s(?P<who>me|us|him|her|them"
    r"|[A-Z][\w'’-]+(?:\sand\s[A-Z][\w'’-]+)?)\sa\s(?:quick\s|short\s|brief\s)?(?:call|ring|phone\scall"
    r"|shout)\b"
)
_CALLS = {"give": "call", "gave": "called", "giving": "calling"}
_SMILEY = re.compile(r"[ \t]?(?:[:;]-?[)(DP]|[😀-🙏])(?=[\s.,!?]|$)")
_RELATIVE_THAT = re.compile(
    r"\b(?:the|a|an|any|every|our|your|my|his|her|their|these|those|\d{1,5}|two|three|four|five"
    r"|some)\s(?:[a-z-]+\s)?[a-z-]+(?P<cut>\sthat)(?=\s(?:I|we|you|he|she|they)(?:['’](?:m|re|s|ve|ll"
    r"|d))?\s[a-z])",
    re.IGNORECASE,
)
_KEEPS_THAT = re.compile(
    r"\b(?:and|but|or|not|so|now|in|except|such|given|provided|than|like|only|unless|is|was|are|assuming"
    r"|considering|seeing|with|for|to|of|after|before|on|at|by|from|about|until|all|everything|anything"
    r"|nothing|[a-z]+ly|me|us|you|him|them|asks?|asked|suggests?|suggested|proposed?s?|demands?|insists?"
    r"|insisted|recommends?|requested|sees?|above|below)$"
)
_WHO_HAS = re.compile(
    r"\b(?:someone|somebody|anyone|anybody|everyone|everybody|people|those|customers|users|guests"
    r"|colleagues|all|families|teams)(?P<cut>\swho\s(?:has|have))(?=\s(?:a|an|the|any|cards?|access"
    r"|experience|questions|problems|issues|children|kids|rights|permission)\b)(?!\sthe\s[a-z]+ed\b)",
    re.IGNORECASE,
)
_OWNER = re.compile(
    r"\bthe\s(?P<what>name|number|owner|date|price|size|address|status|colour|color|title|manager"
    r"|phone\snumber)\sof\sthe\s(?P<whose>customer|client|supplier|patient|guest|user|driver|team|owner"
    r"|manager|order|project|meeting|file|company|server|report|contract|box|room)(?=[,.?!]|\s(?:is|are|was"
    r"|and|to|in|on|for|has|will|must|by|with)\b)"
)
_CLEFT = re.compile(
    r"\b(?P<what>what)\s(?P<subject>I|we|they|you)(?P<verb>\s(?:need|want|do\snot\sknow|don['’]t\sknow"
    r"|would\slike|expect|suggest|propose)|['’]d\slike)\s(?:is|are)\s(?=(?:the|a|an|your|his|her|their|our"
    r"|my|whether|how|who|when|why|if|where|\d)\b)",
    re.IGNORECASE,
)
_ON_DAY = re.compile(
    r"(?<=[a-z\d])(?P<cut>\son)(?=\s(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)\b(?!['’]s"
    r"|-))"
)
_KEEPS_ON = re.compile(
    r"\b(?:based|depends?|depending|relies|rely|works?|goes|and|or|not|also|but|as|only|even|is|are|was"
    r"|were|be|if|when|until|mainly|working|early|late|it['’]s|open|closed)$"
)


def reduce_relative_clauses(message: str) -> Iterator[Edit]:
    """ "the file that is stored in" becomes "the file stored in"."""
    for match in _REDUCED.finditer(message):
        if not _ASKS.search(message[max(0, match.start() - 20) : match.start()]):
            yield Edit("shorten.which_is", 1, (Change(*match.span("cut"), ""),))
    for match in _COMMA_REDUCED.finditer(message):
        yield Edit("shorten.which_is", 1, (Change(*match.span("cut"), ""),))


def drop_there_is(message: str) -> Iterator[Edit]:
    """ "There are two people who want" becomes "Two people want"."""
    for match in _THERE_IS.finditer(message):
        place = find_place(message, match.start())
        if place.kind == "words":
            continue
        at = match.start("noun")
        first = delete_opening(message, "shorten.there_is", 1, match.start(), at, place).changes
        yield Edit("shorten.there_is", 1, (*first, Change(*match.span("link"), "")))


def contract_going_to(message: str) -> Iterator[Edit]:
    """ "We are going to send it" becomes "We will send it"."""
    for match in _GOING_TO.finditer(message):
        before = message[max(0, match.start() - 12) : match.start()]
        subject = re.search(r"[\w'’]+$", before)
        if subject is None:
            continue
        pronoun = subject.group().lower()
        if match["be"][0] in "'’":
            if pronoun not in ("i", "we", "you", "they", "he", "she", "it"):
                continue
            text = " won't " if match["not"] else "'ll "
        else:
            if pronoun in ("what", "when", "how", "where", "why") and match["not"] is None:
                continue
            text = " won't " if match["not"] else " will "
        yield Edit("shorten.going_to", 1, (Change(match.start(), match.end(), text),))
    for match in _NOT_GOING_TO.finditer(message):
        if find_place(message, match.start()).kind == "words":
            yield Edit("shorten.going_to", 1, (Change(match.start(), match.end(), "won't "),))


def drop_that(message: str) -> Iterator[Edit]:
    """ "I hope that you" becomes "I hope you"."""
    for match in _THAT.finditer(message):
        end = end_of_sentence(message, match.end()) or match.end() + REACH
        if re.search(r"\b(?:and|but|or) that\b", message[match.end() : end]):
            continue
        yield Edit("shorten.that", 1, (Change(match.end("verb"), match.end(), ""),))
    for match in _SAYS_THAT.finditer(message):
        end = end_of_sentence(message, match.end()) or match.end() + REACH
        if not re.search(r"\b(?:and|but|or) that\b", message[match.end() : end]):
            yield Edit("shorten.that", 1, (Change(match.end("verb"), match.end(), ""),))


def drop_repeated_words(message: str) -> Iterator[Edit]:
    """ "really, really" becomes "really"."""
    for match in _REPEATED.finditer(message):
        yield Edit("shorten.repeat", 2, (Change(*match.span("again"), ""),))


def shorten_noun_phrases(message: str) -> Iterator[Edit]:
    """ "the file that we sent" becomes "the file we sent", "people who have a card" "people with a card"."""
    for match in _RELATIVE_THAT.finditer(message):
        if not _KEEPS_THAT.search(message[max(0, match.start("cut") - 14) : match.start("cut")].lower()):
            yield Edit("shorten.that", 1, (Change(*match.span("cut"), ""),))
    for match in _WHO_HAS.finditer(message):
        yield Edit("shorten.noun_phrase", 1, (Change(*match.span("cut"), " with"),))
    for match in _OWNER.finditer(message):
        text = f"{match['whose']}'s {match['what']}"
        yield Edit("shorten.noun_phrase", 1, (Change(match.start() + 4, match.end(), text),))


def straighten_clefts(message: str) -> Iterator[Edit]:
    """ "What we need is a room" becomes "We need a room"."""
    for match in _CLEFT.finditer(message):
        place = find_place(message, match.start())
        if place.kind != "words":
            is_capital = place.kind == "sentence" and match["what"][0].isupper()
            subject = match["subject"]
            text = (subject[0].upper() + subject[1:] if is_capital else subject) + match["verb"] + " "
            yield Edit("shorten.cleft", 1, (Change(match.start(), match.end(), text),))


def drop_on_before_days(message: str) -> Iterator[Edit]:
    """ "On Thursday" is "Thursday"."""
    for match in _ON_DAY.finditer(message):
        if not _KEEPS_ON.search(message[max(0, match.start() - 12) : match.start()].lower()):
            yield Edit("shorten.on_day", 3, (Change(*match.span("cut"), ""),))


def replace_calls(message: str) -> Iterator[Edit]:
    """ "Give Ana a call" becomes "Call Ana"."""
    for match in _CALL.finditer(message):
        verb = _CALLS[match["verb"].lower()]
        verb = verb.capitalize() if match["verb"][0].isupper() else verb
        yield Edit(
            "shorten.light_verb",
            2,
            (Change(*match.span("verb"), verb), Change(match.end("who"), match.end(), "")),
        )


def drop_smileys(message: str) -> Iterator[Edit]:
    """Smileys go."""
    for match in _SMILEY.finditer(message):
        yield Edit("shorten.smiley", 1, (Change(match.start(), match.end(), ""),))
