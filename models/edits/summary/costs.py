"""What a summary loses without a unit, and which units it never loses."""

import re
from collections import Counter
from collections.abc import Sequence

from data.records import Role
from models import facts
from models.edits.parts import DATE_KINDS
from models.edits.summary import background
from models.edits.summary.units import Unit

_ESSENTIAL = frozenset({Role.REQUEST, Role.QUESTION, Role.DATE, Role.OPEN})
# What is added to a unit's weight, the probability that every summary keeps it.
_OF_ROLES = {Role.ASIDE: -0.2, Role.REASON: -0.1, Role.PLAN: 0.2, Role.TOPIC: 0.2}
_OF_FACT = 0.1  # for each of at most two facts that no other unit has
_OF_YOU = 0.5
_OF_LATER = 0.4
_OF_LIST = 0.25
_OF_NOTES = 0.25
_OF_PROBLEM = 0.15
_OF_NEGATION = 0.2
_OF_CLAUSE = 0.1  # in the middle of a sentence
_MANY = 5  # units of a sentence: notes, of which each says something else
_SURE = 0.1  # an aside of less weight goes although it has a word that others need

# Words of what a recipient needs in order to act, or of the point itself.
NEEDED = re.compile(
    r"\b(?:please|must|(?:need|have|has|had|needs|ought)\s+to\b(?!\s+(?:say|admit|confess))"
    r"|don['’]?t\s+(?!know|think|want|mind|worry|get|remember|understand|see)"
    r"|do\s+not\s+(?!know|think|want|mind)|should|deadline"
    r"|(?:actual|real|root|main|only|biggest)\s+(?:cause|reason|problem|issue|point|question|worry|concern"
    r"|risk)"
    r"|(?:cause|reason|problem|issue|decision|result|proposal|suggestion|plan)\s+(?:is|was)|turn(?:s"
    r"|ed)\s+out"
    r"|decided|decision|propose|suggest|instead|expires?|runs?\s+out|at\s+the\s+latest|no\s+later"
    r"|a\s+(?:clear\s+)?(?:yes|no)\s+from|answer\s+is|approved|accepted|rejected|declined|refused"
    r"|not\s+too\s+(?:late|early|long)|out\s+of|short\s+of|low\s+on"
    # Where something is.
    r"|attached|enclosed|at\s+(?:the\s+)?reception|on\s+the\s+(?:\w+\s+)?(?:drive|wiki|intranet|board)"
    r"|in\s+(?:the|your|our)\s+(?:\w+\s+)?(?:folder|drawer|file|sheet|box|tray|fridge|cupboard|calendar|list)"
    # What a change leaves as it was.
    r"|goes\s+ahead|go\s+ahead|as\s+(?:usual|planned|before)|not\s+affected|unchanged|stays?|remains?)\b",
    re.IGNORECASE,
)
_YOU = re.compile(r"\byour?\b(?!\s+(?:know|see|remember|imagine|guess)\b)", re.IGNORECASE)
_LATER = re.compile(r"\b(?:will|won['’]t|going\s+to)\b|['’]ll\b", re.IGNORECASE)
# In the middle of a sentence: an entry of a list of numbers or an opinion beside another one.
_LISTED = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|both|half|all|every|each|most"
    r"|(?:i|we)\s+(?:think|believe|would)|says?|said|thinks?|wants?|prefers?|i['’]d|we['’]d)\b",
    re.IGNORECASE,
)
# What went wrong may be what a message is about.
_PROBLEM = re.compile(
    r"\b(?:fail\w*|broken?|stuck|wrong\w*|missing|down|errors?|lost|costs?|leak\w*|expired?|delayed|ill|sick"
    r"|closed|blocked|blood|pain|hurt|injur\w*|accident|fire|smoke|cannot|can['’]?t|asked\s+\w+\s+to|offered|agreed|promised)\b",
    re.IGNORECASE,
)
_NEGATION = re.compile(r"\b(?:no|not|never|nobody|nothing|none|neither|without|\w+n['’]?t)\b", re.IGNORECASE)
_CAUSE = re.compile(r"(?:because|since|as)\b", re.IGNORECASE)
# Kinds of facts by which a recipient finds something.
_POINTERS = frozenset({"url", "email", "ticket", "channel", "identifier", "version"})
# What happened, without what holds now or is to come.
_PAST = re.compile(
    r"\b(?:was|were|had|did|came|went|got|said|told|took|made|rang|gave|found|sent|saw|met|spoke|began|fell"
    r"|[a-z]{2,14}ed)\b",
    re.IGNORECASE,
)
_NOT_OVER = re.compile(
    r"\b(?:is|are|will|won['’]?t|can|can['’]?t|cannot|must|needs?|should|may|due|comes?|takes?|starts?|ends?"
    r"|closes?|leaves?|(?:has|have)(?!\s+(?:been|had|not|[a-z]+ed)\b)|by|until|from now|wants?|says?|does"
    r"|do)\b|['’](?:ll|s|re|ve)\b",
    re.IGNORECASE,
)
# A finding, and what somebody wants or says, can be the reason for a request.
_FINDING = re.compile(
    r"\b(?:no|not|nobody|nothing|none|neither|never|nor|without|\w+n['’]?t|only|but|because|since|still|again|too\s+\w+|double|changed|helps?|helped"
    r"|wants?|wanted|asks?|asking|asked|demands?|insists?|rejects?|refuses?|accepts?|agreed?|promised|offers?|offered"
    r"|spoke|complain\w*|worr\w+|happy|unhappy|upset|prefers?|found|finds|says?|said|thinks?|recommends?|confirmed"
    r"|fail\w*|broken?|stuck|wrong|missing|errors?|lost|lose|costs?|leak\w*|expired?|late|delayed|blocked|shut|crack\w*"
    r"|rotten|rusty|dead|worn|scratched|noise|smoke|fire|police|accident|blood|pain|damaged?|overdue|higher|lower|less"
    r"|fewer|empty|would|could|should|will|may|might|if|until|owes?|about to|in\s+favou?r|against"
    r"|approved|warned|leaves?|leaving)\b",
    re.IGNORECASE,
)
_GENERAL_GREETING = re.compile(
    r"\W*(?:(?:hi|hello|hey|dear|good|morning|afternoon|evening|day|all|everyone|everybody|team|folks"
    r"|colleagues|both|there|again|guys|people|friends|families|parents|residents|members|neighbours|customers)\b\W*)+",
    re.IGNORECASE,
)
_CAPITAL = re.compile(r"\b[A-Z]")
SIGN_OFF = re.compile(
    r"(?:(?:with\s+)?(?:kind|best|warm|many)\s+(?:regards|wishes|thanks)|all\s+the\s+best|best|regards|cheers"
    r"|thanks(?:\s+a\s+lot)?|thank\s+you|yours(?:\s+\w+)?)[,.!]?\s+(?=(?-i:[A-Z]))",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?:[A-Z][\w'’-]{0,30}[\s,.!]{0,3}){1,4}(?:\([^)]*\))?")
_CLOSES = re.compile(
    r"\W*(?:so\s+)?(?:many\s+|thank|sorry|hope|best|kind|with|warm|regards|cheers|yours|looking|have\s+a"
    r"|enjoy"
    r"|see\s+you|talk\s+to|we\b|i\b|let\b|if\b|please|it\b|that\b|this\b|no\b|good|all\s+the|much)",
    re.IGNORECASE,
)
_LONGEST_SIGNATURE = 5  # words


def rate(units: Sequence[Unit], intensity: int) -> list[float | None]:
    """What a summary of this intensity loses without each unit, from 0 on; None where it may not go."""
    facts_of = [facts.extract(unit.text) for unit in units]
    counts = Counter(facts.normalise(fact) for pairs in facts_of for _, fact in pairs)
    costs: list[float | None] = []
    for i, unit in enumerate(units):
        if unit.is_courtesy:
            costs.append(0.0 if _is_empty_courtesy(unit, i, intensity) else None)
            continue
        start, end = sentence_of(units, i)
        own = [(kind, fact) for kind, fact in facts_of[i] if counts[facts.normalise(fact)] == 1]
        costs.append(_rate(unit, own, end - start, intensity))
    return costs


def _is_empty_courtesy(unit: Unit, i: int, intensity: int) -> bool:
    """Whether a greeting or a closing names nobody."""
    if unit.roles == {Role.GREETING}:
        if i > 0:  # "bit of a long one, sorry"
            return not _CAPITAL.search(unit.text[1:])
        return bool(_GENERAL_GREETING.fullmatch(unit.text))
    name = SIGN_OFF.sub("", unit.text)
    if name == unit.text:
        return len(name.split()) > _LONGEST_SIGNATURE or bool(_CLOSES.match(name))
    return not _NAME.fullmatch(name)


def _rate(unit: Unit, own: Sequence[tuple[str, str]], size: int, intensity: int) -> float | None:
    """The cost of a unit with facts of its own, (kind, fact), in a sentence of `size` units."""
    kinds = {kind for kind, _ in own}
    is_over = bool(_PAST.search(unit.text)) and not _NOT_OVER.search(unit.text)
    is_aside = unit.roles <= {Role.ASIDE, Role.CLOSING}
    is_because = bool(_CAUSE.match(unit.text))
    denies = bool(_NEGATION.search(unit.text)) and not is_because
    if (
        unit.roles & _ESSENTIAL
        or kinds & _POINTERS
        or (kinds & DATE_KINDS and Role.ASIDE not in unit.roles and not is_over)
        or (
            (NEEDED.search(unit.text) or background.matters(unit.text))
            and not (is_aside and unit.weight < _SURE)
        )
    ):
        return None
    if own and not is_over:  # a number or a name of what holds now
        return None
    is_trouble = bool(_PROBLEM.search(unit.text)) and (intensity == 1 or unit.weight > _SURE)
    if not is_trouble and background.is_background(unit, intensity, is_over):
        return unit.weight
    if (unit.is_dependent and denies) or _FINDING.search(
        _CAUSE.sub("", unit.text, count=1) if is_because else unit.text
    ):
        return None
    cost = unit.weight + sum(_OF_ROLES.get(role, 0.0) for role in unit.roles)
    cost += _OF_FACT * min(len(own), 2)
    is_clause = not unit.opens_sentence and not unit.is_dependent
    if not is_aside:
        cost += _OF_YOU * (bool(_YOU.search(unit.text)) and not is_over)
        cost += _OF_LATER * bool(_LATER.search(unit.text))
        cost += _OF_PROBLEM * bool(_PROBLEM.search(unit.text))
        cost += _OF_LIST * (is_clause and bool(_LISTED.search(unit.text)))
        cost += _OF_NOTES * (size >= _MANY)
        cost += _OF_NEGATION * (denies and not unit.opens_sentence)  # "I asked, she didn't know"
    return max(cost + _OF_CLAUSE * is_clause, 0.0)


def sentence_of(units: Sequence[Unit], i: int) -> tuple[int, int]:
    """The first unit of the sentence of a unit, and the one after its last."""
    start = i
    while start > 0 and not units[start].opens_sentence:
        start -= 1
    end = i + 1
    while end < len(units) and not units[end].opens_sentence:
        end += 1
    return start, end
