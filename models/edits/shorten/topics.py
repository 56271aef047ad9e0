"""A first sentence that only says what was looked at becomes a title."""

import re
from collections.abc import Iterator

from models.edits.script import Change, Edit

_GREETING = (
    r"(?:(?:hi|hello|hey|dear|good\s(?:morning|afternoon|evening|day)|morning|evening)\b[^,.!?:;\n]{0,40}[,!.]"
    r"\s{1,3})?"
)
_WE = (
    r"(?:(?:I|we)(?:['’]ve|\shave)?(?:\s(?:just|now|finally|also)){0,2}\s)?(?:went|gone|been)"
    r"\s(?:through|over|round|around)\s(?!the\sbend)"
    r"|(?:(?:I|we)(?:['’]ve|\shave)?(?:\s(?:just|now|finally|also)){0,2}\s)?(?:reviewed|inspected|did|ran|completed|held|visited|analysed"
    r"|analyzed|examined|audited|read\sthrough|looked\s(?:at|into|through|over)|had\sa\s(?:\w{1,12}\s)?look\sat"
    r"|taken\sa\s(?:\w{1,12}\s)?look\sat|been\s(?:out\s)?to)\s"
)
_NEWS = (
    r"(?:(?:here['’]?s|here\sis|this\sis)\s)?(?:an?\s|my\s|the\s|some\s)?(?:(?:quick|short|brief|small|little"
    r"|last|first|short\sand\sfinal)\s)?(?:update|note|summary|write[\s-]?up|postmortem|post[\s-]mortem|recap"
    r"|word|heads[\s-]?up|news)\s(?:on|about|of|from|regarding)\s"
    r"|(?:I\sam|I['’]m|we\sare|we['’]re)\swriting\s(?:to\syou\s)?(?:about|regarding|concerning)\s"
)
_WHAT = (
    r"(?:just\s)?(?:(?:I|we)\s(?:want|wanted|would\slike|need)\sto\s|to\s)(?:let\syou\sknow|tell\syou|flag|report)"
    r"\swhat\s(?:came\sout\sof|happened\s(?:at|in|on|with)|occurred\s(?:at|in|on))\s"
)
_PICTURE = (
    r"just\sso\s(?:that\s)?(?:everyone|everybody|you|you\sall)\s(?:has|have)\sthe\s(?:whole|full)\spicture\s"
    r"(?:on|of|about)\s|(?:so\s)?(?:the|this\sis\sthe)\s(?:situation|story|state|status)\s(?:with|of)\s"
)
_OPENING = re.compile(
    rf"(?P<greeting>{_GREETING})(?P<cut>{_WE}|{_NEWS}|{_WHAT}|{_PICTURE}|(?:about|regarding|concerning)\s)"
    r"(?P<article>(?:the|an?)\s(?!two\b|three\b|four\b|last\b|first\b|other\b|same\b|\d))?"
    r"(?P<topic>[^,.;:?!()\n]{3,90}?)(?P<with>,\s[^,.;:?!()\n]{3,40})?(?P<end>(?:\sis\s(?:this|as\sfollows))?[.:,])"
    r"(?=[ \t]\S)",
    re.IGNORECASE,
)
_IS_IN = re.compile(
    rf"(?P<greeting>{_GREETING})(?P<cut>)(?P<article>(?:the|our)\s)?(?P<topic>(?:[\w'’-]{{1,20}}\s){{0,3}}(?:results?"
    r"|figures|numbers|survey|inspection|audit|count|analysis|review|trial|answers|samples)"
    r"(?:\s(?:of|from|for)\s[^,.;:?!()\n]{3,40}?)?)(?P<with>)(?P<end>\s(?:is|are)(?:\snow|\sfinally)?\s(?:in|back|done"
    r"|finished|complete|there|here)(?P<from>\sfrom\s[^,.;:?!()\n]{3,30})?\.)(?=[ \t]\S)",
    re.IGNORECASE,
)
# A topic with a verb is a clause.
_VERB = re.compile(
    r"\b(?:is|are|was|were|has|have|had|will|can|could|should|would|must|do|does|did|how|why|what|who|whether|if|because|since|so|and"
    r"\s(?:it|we|i|they|he|she|found|saw|think|noticed|there))\b|['’](?:re|ve|ll|m)\b|n['’]t\b",
    re.IGNORECASE,
)
_INDIRECT = re.compile(r"(?:why|how)\s(?!to\b)", re.IGNORECASE)
# "The landlord came by with the new lease."
_BROUGHT = re.compile(
    rf"(?P<greeting>{_GREETING})(?P<who>(?:the|our)\s\w{{3,20}}(?:\s\w{{3,20}})?)\s(?:came|rang|called|dropped\sin|is\sback"
    r"|was\shere)(?:\s(?:by|in|round|over|back|today|yesterday))?\swith\s(?:the|his|her|their|an?)\s(?P<topic>[^,.;:?!()\n]{3,40})"
    r"\.(?=[ \t]\S)",
    re.IGNORECASE,
)
# "I had a long call with the courier about the two busts. They can't come."
_TALK = re.compile(
    rf"(?P<greeting>{_GREETING})(?:so\s)?(?:(?:I|we)(?:['’]ve|\shave)?\s(?:just\s|finally\s)?)?(?:had\s(?:an?|another)\s(?:\w{{1,12}}\s){{0,2}}?"
    r"(?:call|chat|talk|meeting|word)|spoke|talked|met)\s(?:with|to)\s(?P<who>(?:the|our)\s[\w'’-]{2,20}(?:\s[\w'’-]{2,20})?)"
    r"\s(?:about|on|regarding)\s(?P<topic>[^,.;:?!()\n]{3,60})\.(?=[ \t](?:They|He|She)\b)",
    re.IGNORECASE,
)
_ME = re.compile(r"(?:it|them|him|her|you|us|me)\b|(?:this|that|my\s\w+)$", re.IGNORECASE)
_GOES_ON = re.compile(r",\s(?:it|they|that|this|which)\b", re.IGNORECASE)
_FEWEST = 200  # characters of a message that has room for a title


def title_topics(message: str) -> Iterator[Edit]:
    """ "Quick update on the winter shelter." becomes "Winter shelter:"."""
    if len(message) < _FEWEST:
        return
    if (match := _BROUGHT.match(message)) and not _VERB.search(match["topic"]):
        who, topic = match["who"], match["topic"]
        who = who[0].lower() + who[1:]
        text = f"{topic[0].upper() if match['who'][0].isupper() else topic[0]}{topic[1:]} from {who}:"
        yield Edit("shorten.topic", 1, (Change(match.end("greeting"), match.end(), text),))
        return
    if (match := _TALK.match(message)) and not _VERB.search(match["topic"]):
        text = f"{match['who'].capitalize()} on {match['topic']}:"
        yield Edit("shorten.topic", 1, (Change(match.end("greeting"), match.end(), text),))
        return
    for pattern in (_OPENING, _IS_IN):
        match = pattern.match(message)
        if match is None or _ME.match(match["topic"]):
            continue
        if _VERB.search(match["topic"]) and not _INDIRECT.match(match["topic"]):
            continue
        is_clause = match["end"].endswith(",") and "is" not in match["end"]
        if is_clause or (match["with"] and _VERB.search(match["with"])):
            continue
        start, first = match.end("greeting"), match.start("topic")
        changes = [Change(start, first, "")] if first > start else []
        if message[start].isupper() and message[first].islower():
            changes = [Change(start, first + 1, message[first].upper())]
        if pattern is _IS_IN and match["from"]:
            changes += [
                Change(match.start("end"), match.start("from"), ""),
                Change(match.end("end") - 1, match.end("end"), ":"),
            ]
        elif match["end"] != ":" and not (
            match["with"] and _GOES_ON.match(match["with"])
        ):  # what stands behind the comma may go later
            changes.append(Change(match.start("end"), match.end("end"), ":"))
        if first > start or pattern is _IS_IN:
            yield Edit("shorten.topic", 1, tuple(changes))
        return
