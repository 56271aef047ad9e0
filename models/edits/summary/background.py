"""Units that only tell the background: what was found out, tried or noticed on the way to the point.

The tagger says how likely it is that every summary keeps a unit. A unit of little weight may go although it
is a finding, unless it has words of what a recipient may rest a decision on.
"""

import re

from data.records import Role
from models.edits.summary.units import Unit

HEAVIEST = {1: 0.3, 2: 0.4, 3: 0.45}  # by intensity: the highest weight of background
_LIGHT = 0.2  # a unit of less weight may go although it denies something, or speaks of what is to come
# A condition, what holds where it is not met, what goes on, and what need not be done any more.
_CONDITION = re.compile(
    r"\b(?:again|already|done|did\s+(?:that|it|so)|surviv\w*|if|unless|otherwise|until|till|provided|whether|depending|as\s+long\s+as|in\s+case|except|without)\b",
    re.IGNORECASE,
)
# Whether anyone or anything came to harm.
_HARM = re.compile(
    r"\b(?:hurt|injur\w*|harm\w*|casualt\w*|safe\w*|unsafe|danger\w*|blood|bleed\w*|pain\w*|allerg\w*|dose|doses"
    r"|ill|sick|fever|ambulance|police|dead|died|fire|gas|poison\w*|theft|stolen|data\s+lost"
    r"|(?:nobody|no\s+one|nothing)\s+(?:took|got|gets|was|is|lost)|eaten|fell|lost|wet|damage\w*|affected"
    r"|about\s+to|leav(?:e|es|ing)|quit\w*|resign\w*|warning|reminder|final)\b",
    re.IGNORECASE,
)
_MONEY = re.compile(
    r"[€$£%]|\b(?:euros?|pounds?|dollars?|costs?|price[sd]?|pays?(?!\s+for\b)|paid(?!\s+for\b)|fees?|budget|quotes?|quoted|percent"
    r"|money|wage\w*|rent|discount|refund\w*|insur\w*|warranty|legal|law|solicitor|lawyer|contract|lease)\b",
    re.IGNORECASE,
)
_AHEAD = re.compile(
    r"\b(?:will|won['’]?t|can|can['’]?t|cannot|could|would|should|must|may|might|going\s+to|need\w*|want\w*"
    r"|due|due\s+to\s+\w+|from\s+now|now|asks?|asking|asked|demand\w*|agreed?|promis\w*|offer\w*|decid\w*"
    r"|propos\w*|suggest\w*|recommend\w*|prefer\w*|accept\w*|refus\w*|owes?|starts?|ends?|closes?|opens?"
    r"|stays?|remains?|applies)\b|['’](?:ll|d)\b",
    re.IGNORECASE,
)
DENIES = re.compile(
    r"\b(?:no|not|never|nobody|nothing|none|neither|nor"
    r"|(?:is|are|was|were|do|does|did|has|have|had|ca|wo|would|could|should|must|need)n['’]?t)\b",
    re.IGNORECASE,
)
_WHEN = re.compile(r"\b(?:when|once|before|after|by|while)\b", re.IGNORECASE)
# Words of an entry of a series, of which the others say too much alone.
SERIES = re.compile(
    r"\b(?:first|second|third|fourth|fifth|sixth|last|one|ones|others?|another|rest|remain\w*|both|neither"
    r"|either|former|latter|half|none|cheapest|older|newer|instead|rather|two|three|four|five|six|seven|eight"
    r"|nine|ten|eleven|twelve|all|most|some|\d{1,9})\b",
    re.IGNORECASE,
)
ENTRY = re.compile(
    r"\b(?:first|second|third|fourth|fifth|sixth|one|ones|others?|another|rest|remainder|both|neither|either"
    r"|former|latter|cheapest|older|newer)\b(?!\s+(?:best|worst|more|of\s+the\s+best))",
    re.IGNORECASE,
)
# After one of these the next clause says how it went.
TRIED = re.compile(
    r"\b(?:ask\w*|tr(?:y|ied|ies)|want\w*|check\w*|test\w*|hop\w{1,3}|look\w*|call\w*|rang|told|thought)\b",
    re.IGNORECASE,
)

ASKED = re.compile(r"\b(?:ask|asks|asked|asking|survey\w*|wrote|mailed)\b", re.IGNORECASE)
ANSWERED = re.compile(r"\b(?:repl(?:y|ies|ied)|answer\w*|responded|responses?)\b", re.IGNORECASE)


def tells_of_harm(text: str) -> bool:
    """Whether a text says that someone or something came to harm, or did not."""
    return bool(_HARM.search(text))


def matters(text: str) -> bool:
    """Whether a text speaks of a condition, of harm or of money."""
    return bool(_CONDITION.search(text) or _HARM.search(text) or _MONEY.search(text))


def is_background(unit: Unit, intensity: int, is_over: bool) -> bool:
    """Whether a unit may go although it has a word of a finding; `is_over`: it tells only of the past."""
    text, light = unit.text, unit.weight <= _LIGHT
    return (
        unit.weight <= HEAVIEST[intensity]
        and unit.roles <= {Role.SITUATION, Role.ASIDE, Role.REASON, Role.TOPIC}
        and not text.endswith(("?", ":"))
        and not matters(text)
        and (light or not _AHEAD.search(text))
        and (light or not DENIES.search(text))
        and (is_over or not _WHEN.search(text))
    )
