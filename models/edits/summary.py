"""Summaries: an English message without the parts that matter least, and with shorter sentences.

Nothing is written anew. Parts are dropped in the order of their importance until the summary is short enough
for its intensity; what a kept part refers to is kept. Only a dropped part takes its facts with it.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from data.records import Role
from models import facts
from models.edits import anaphora, script
from models.edits.parts import LINK, Part, capital, is_formal
from models.edits.script import Change, Edit

# By intensity: the share of the words at which no more parts are dropped, and the highest cost of a part that
# may be dropped.
_TARGETS = {1: 0.75, 2: 0.6, 3: 0.45}
_MOST_COST = {1: 0.35, 2: 0.55, 3: 0.7}
# What is added to the logit of that a part may go.
_LEANS = {1: 0.0, 2: 0.5, 3: 1.0}
_LONGEST = {1: 0.92, 2: 0.88, 3: 0.85}  # a longer "summary" is none
_ESSENTIAL = frozenset({Role.REQUEST, Role.QUESTION, Role.DATE, Role.OPEN})
_COURTESY = frozenset({Role.GREETING, Role.CLOSING})
# What is added to the share of readers who would keep a part.
_COSTS = {Role.ASIDE: -0.2, Role.REASON: -0.1, Role.PLAN: 0.2, Role.TOPIC: 0.2}
_COST_OF_FACT = 0.1
_COST_OF_NEGATION = 0.2
_COST_OF_YOU = 0.5  # what is said of the recipient, and is not over
_COST_OF_PROBLEM = 0.15
_COST_IN_LIST = 0.25
_COST_AFTER_LINK = 0.1  # a clause in the middle of a sentence

# A clause that opens like this can go without the one before it, and cannot stand without it.
_DEPENDENT = re.compile(
    r"(?:and\s+)?(?:because|since|as(?!\s+(?:soon|long|far|of))|which|who|whose|even\s+(?:though|if)|although|though|so\s+that|that['’]s\s+(?:why|because)"
    r"|especially)\b",
    re.IGNORECASE,
)
_CAUSE = re.compile(r"(?:because|since|as)\b", re.IGNORECASE)
# A clause that opens like this is one with the clause before it.
_BOUND = re.compile(
    r"(?:and\s+|but\s+)?(?:if|when|whenever|unless|until|till|or|otherwise|else|while|than|rather|whether|to|what|how|where|why|except|only|just"
    r"|not|too|including|even|that|nor|neither|whoever|whichever|before|after|once|depending|also)\b"
    r"|(?:and\s+|but\s+|then\s+)+(?:was|were|is|are|has|had|went|told|got|took|said|made|came|gave|put|ran|wrote|[a-z]+ed)\b",
    re.IGNORECASE,
)
# "Should you be late, the boat leaves": a condition without "if".
_INVERTED = re.compile(
    r"\W*(?:should|had|were)\s+(?:you|we|i|they|he|she|it|anyone|there|the)\b[^?]*$", re.IGNORECASE
)
_CONTRAST = re.compile(
    r"(?:but|however|yet|except|only|though|although|still|on the other hand|instead)\b", re.IGNORECASE
)
_FEW_WORDS = 3
_NEGATION = re.compile(r"\b(?:no|not|never|nobody|nothing|none|neither|without|\w+n['’]?t)\b", re.IGNORECASE)
# Words of what a recipient needs in order to act, or of the point itself.
_NEEDED = re.compile(
    r"\b(?:please|must|(?:need|have|has|had|needs|ought)\s+to\b(?!\s+(?:say|admit|confess))|don['’]?t\s+(?!know|think|want|mind|worry|get|remember|understand|see)|do\s+not\s+(?!know|think|want|mind)|should|deadline"
    r"|(?:actual|real|root|main|only|biggest)\s+(?:cause|reason|problem|issue|point|question|worry|concern|risk)"
    r"|(?:cause|reason|problem|issue|decision|result|proposal|suggestion|plan)\s+(?:is|was)\b|turn(?:s|ed)\s+out"
    r"|decided|decision|propose|suggest|instead|deadline|expires?|runs?\s+out|at\s+the\s+latest|no\s+later"
    r"|a\s+(?:clear\s+)?(?:yes|no)\s+from|answer\s+is|approved|accepted|rejected|declined|refused)\b",
    re.IGNORECASE,
)
_ACTS = re.compile(r"\byour?\b(?!\s+(?:know|see|remember|imagine|guess)\b)", re.IGNORECASE)
# In the middle of a sentence: an entry of a list of numbers, or an opinion beside another one.
_IN_LIST = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|both|half|all|every|each|most|(?:i|we)\s+(?:think|believe|would)|says?|said|thinks?|wants?|prefers?|i['’]d|we['’]d)\b",
    re.IGNORECASE,
)
# Kinds of facts by which a recipient finds something.
_POINTERS = frozenset({"url", "email", "ticket", "channel", "identifier", "version"})
_WHEN = frozenset({"date", "time", "weekday"})
# What happened, without what holds now or is to come.
_PAST = re.compile(
    r"\b(?:was|were|had|did|came|went|got|said|told|took|made|rang|gave|found|sent|saw|met|spoke|began|fell|[a-z]{2,14}ed)\b",
    re.IGNORECASE,
)
_NOT_OVER = re.compile(
    r"\b(?:is|are|will|won['’]?t|can|can['’]?t|cannot|must|needs?|should|may|due|comes?|takes?|starts?|ends?|closes?|leaves?|(?:has|have)(?!\s+(?:been|had|not|[a-z]+ed)\b)|by|until|from now"
    r"|wants?|says?|does|do)\b|['’](?:ll|s|re|ve)\b",
    re.IGNORECASE,
)
# Openings that say nothing of what a message is about.
_OPENING = re.compile(
    r"\W*(?:(?:so|and|ok(?:ay)?|well|just|also)\W+)*(?:sorry|(?:i\s+|we\s+)?hope|(?:a\s+)?(?:quick|short|small|brief)\b|heads[ -]?up|fyi|long|just\s+so"
    r"|as\s+(?:you|some|many|most|we)|note|i\s+promise|i\s+know|thank|thanks|apolog|i\s+apolog|bear\s+with|forgive)",
    re.IGNORECASE,
)
_HEADING = re.compile(
    r"(?:(?:the\s+)?(?:short\s+version|long\s+story\s+short|result|update|news|background|context|story|fyi|so|ok)\W*)$"
    r"|because\s+of\s+many\s+questions:",
    re.IGNORECASE,
)
_INTRODUCES = re.compile(
    r"\b(?:a|an|some|two|three|four|five|several|new|\d+)\s+(?:[\w-]+\s+){0,2}?(?P<noun>[a-z][\w-]{2,})\b",
    re.IGNORECASE,
)
_STATE = re.compile(
    r"\W*(?:i['’]m|i\s+am)\s+(?:on|in|at|late|short|sick|ill|travelling|typing|sorry)\b|\W*(?:sorry|i\s+mean|(?:i\s+|we\s+)?hope)\b",
    re.IGNORECASE,
)
_GRATITUDE = re.compile(r"\W*(?:\w+\s+){0,2}(?:thanks?|thank\s+you)\b", re.IGNORECASE)
_GOES_ON = re.compile(r"\W*(?:(?:and|but|so)\s+)?(?:it|they|he|she|this|that)\b", re.IGNORECASE)
_KNOWN = re.compile(
    r"\b(?:the|that|this|these|those|both|its|their|his|her)\s+(?:[\w-]+\s+){0,2}?(?P<noun>[a-z][\w-]{2,})\b",
    re.IGNORECASE,
)
# What went wrong may be what a message is about.
_PROBLEM = re.compile(
    r"\b(?:fail\w*|broken?|stuck|wrong\w*|missing|down|errors?|lost|costs?|leak\w*|expired?|delayed|ill|sick|closed|blocked|cannot|can['’]?t"
    r"|asked\s+\w+\s+to|offered|agreed|promised)\b",
    re.IGNORECASE,
)
_SIGN_OFF = re.compile(
    r"(?:(?:with\s+)?(?:kind|best|warm|many)\s+(?:regards|wishes|thanks)|all\s+the\s+best|best|regards|cheers|thanks(?:\s+a\s+lot)?|thank\s+you|yours(?:\s+\w+)?)"
    r"[,.!]?\s+(?=[A-Z])",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?:[A-Z][\w.'’-]*[\s,.!]*){1,4}(?:\([^)]*\))?")
_CLOSES = re.compile(
    r"\W*(?:so\s+)?(?:many\s+|thank|sorry|hope|best|kind|with|warm|regards|cheers|yours|looking|have\s+a|enjoy|see\s+you|talk\s+to|we\b|i\b|let\b|if\b|please|it\b"
    r"|that\b|this\b|no\b|good|all\s+the|much)",
    re.IGNORECASE,
)
_GENERAL_GREETING = re.compile(
    r"\W*(?:(?:hi|hello|hey|dear|good|morning|afternoon|evening|day|all|everyone|everybody|team|folks|colleagues|both|there|again|guys|people|friends)\W*)+",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"\W*(?:can|could|would|will|do|does|did|is|are|was|were|has|have|should|shall|may|what|when|where|who|why|how|which)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Unit:
    """Parts that are kept or dropped together: `message[start:end]`.

    `weight` is the share of readers who would keep it. `is_dependent`: it is a clause of the unit before it.
    """

    text: str
    start: int
    end: int
    roles: frozenset[Role]
    importance: int
    weight: float
    opens_sentence: bool
    is_dependent: bool


def summarize(
    message: str,
    parts: Sequence[Part],
    weights: Sequence[float],
    edits: Sequence[Edit],
    intensity: int,
    accepts: Callable[[Edit, float], bool] = lambda edit, lean: True,
) -> str | None:
    """A summary of the message, or None when next to nothing can go.

    `weights` has the probability that a part belongs to every summary, by part. `edits` shorten sentences;
    they fit together. `accepts` can refuse that a part is dropped; a higher number makes it accept more.
    """
    units = _units(parts, weights)
    kept = _choose(message, units, edits, intensity, accepts)
    if not any(units[i].roles - _COURTESY for i in kept):
        return None
    text = _write(message, units, kept, edits, intensity, is_formal(parts))
    whole = " ".join(units[i].text for i in kept if not units[i].roles <= _COURTESY)
    if facts.missing(whole, text) or facts.missing(text, message):
        return None
    return None if len(text.split()) > _LONGEST[intensity] * len(message.split()) else text


def drop(start: int, end: int) -> Edit:
    """The edit of which the tagger says whether a summary may lose this part of the message."""
    return Edit("summary.drop", 1, (Change(start, end, ""),))


def _units(parts: Sequence[Part], weights: Sequence[float]) -> list[_Unit]:
    """The parts, those that are one clause together; their places are those in the message."""
    units: list[_Unit] = []
    end = 0
    for part, weight in zip(parts, weights, strict=True):
        start = end + len(part.joint) + len(part.mark)
        end = start + len(part.text)
        before = units[-1] if units else None
        if before and not part.opens_sentence and _is_one(before, part):
            units[-1] = _Unit(
                before.text + part.joint + part.text,
                before.start,
                end,
                before.roles | {part.role},
                min(before.importance, part.importance),
                max(before.weight, weight),
                before.opens_sentence,
                before.is_dependent,
            )
            continue
        opens_sentence = part.opens_sentence or (before is not None and before.roles == {Role.GREETING})
        is_dependent = not opens_sentence and bool(_DEPENDENT.match(part.text))
        units.append(
            _Unit(
                part.text,
                start - len(part.mark),
                end,
                frozenset({part.role}),
                part.importance,
                weight,
                opens_sentence,
                is_dependent,
            )
        )
    return units


def _is_one(before: _Unit, part: Part) -> bool:
    """Whether a part that opens no sentence is one clause with what stands before it."""
    if before.roles == {Role.GREETING}:
        return False
    if before.text.endswith(":"):
        return not _HEADING.fullmatch(before.text)
    if _INVERTED.match(before.text):
        return True
    bare = LINK.sub("", part.text)
    return bool(_BOUND.match(bare)) or (
        part.text == bare and len(bare.split()) <= _FEW_WORDS and not _DEPENDENT.match(bare)
    )


def _choose(
    message: str,
    units: Sequence[_Unit],
    edits: Sequence[Edit],
    intensity: int,
    accepts: Callable[[Edit, float], bool],
) -> list[int]:
    """The indices of the units that a summary of this intensity keeps."""
    costs = [_cost(units, i, intensity) for i in range(len(units))]
    order = sorted(
        (
            i
            for i, cost in enumerate(costs)
            if cost is not None
            and cost <= _MOST_COST[intensity]
            and (
                units[i].roles <= _COURTESY or accepts(drop(units[i].start, units[i].end), _LEANS[intensity])
            )
        ),
        key=lambda i: costs[i] or 0.0,
    )
    sizes = [len(_edited(message, unit.start, unit.end, edits).split()) for unit in units]
    target = _TARGETS[intensity] * len(message.split())
    kept = set(range(len(units)))
    waiting = list(order)
    while waiting:
        for i in waiting:
            group = _group(units, i, kept, order)
            if group is None:
                continue
            is_free = all((costs[j] or 0.0) <= 0.1 for j in group)  # courtesies and asides always go
            if not is_free and sum(sizes[j] for j in kept) <= target:
                continue
            kept -= group
            waiting = [j for j in waiting if j in kept]
            break
        else:
            break
    return sorted(kept)


def _group(units: Sequence[_Unit], i: int, kept: set[int], order: Sequence[int]) -> set[int] | None:
    """A unit with the kept ones that depend on it; None where one of them has to stay."""
    group = {i}
    while group <= set(order):
        for j in sorted(kept - group):
            head = max((k for k in range(j) if not units[k].is_dependent), default=-1)
            if units[j].is_dependent and head in group:
                group.add(j)
        rest = sorted(kept - group)
        if not group <= set(order) or not rest:
            return None
        more = {k for j in group if (k := _holds(units, j, rest)) is not None}
        if not more:
            return group if _names_topic(units, group, rest) else None
        group |= more
    return None


def _holds(units: Sequence[_Unit], i: int, rest: Sequence[int]) -> int | None:
    """The kept unit because of which the unit `i` cannot be dropped alone; None without one."""
    following = next((k for k in rest if k > i), None)
    leading = next((k for k in reversed(rest) if k < i), None)
    # "It works, but not for lists": without the second clause the first one says too much.
    if leading == i - 1 and _CONTRAST.match(units[i].text):
        return leading
    if following is not None and _refers(
        units, range((leading if leading is not None else -1) + 1, following), following, rest
    ):
        return following
    earlier = _words(units[k].text for k in rest if k < i)
    introduced = {
        match["noun"].lower().rstrip("s") for match in _INTRODUCES.finditer(units[i].text)
    } - earlier
    for k in rest:
        if k > i and introduced & {
            match["noun"].lower().rstrip("s") for match in _KNOWN.finditer(units[k].text)
        }:
            return k
    return None


def _refers(units: Sequence[_Unit], dropped: Iterable[int], following: int, rest: Sequence[int]) -> bool:
    """Whether a kept unit speaks of something that only the dropped ones before it name."""
    word = anaphora.pronoun(units[following].text)
    if word is None:
        return False
    dropped = [j for j in dropped if Role.GREETING not in units[j].roles and not _says_nothing(units[j])]
    if word in ("this", "that"):  # a whole sentence, of which the end may go
        return any(units[j].opens_sentence for j in dropped)
    dropped = [j for j in dropped if not _GOES_ON.match(units[j].text)]  # both speak of what is before
    earlier = _words(units[k].text for k in rest if k < following)
    nouns = {noun for j in dropped for noun in anaphora.heads(units[j].text) if noun.lower() not in earlier}
    return any(anaphora.can_stand_for(word, noun) for noun in nouns)


def _names_topic(units: Sequence[_Unit], group: set[int], rest: Sequence[int]) -> bool:
    """Whether what stays says what the message is about: its first sentence does, and the next one where the
    first only announces it.
    """
    content = [i for i, unit in enumerate(units) if not unit.roles <= _COURTESY and not _says_nothing(unit)]
    topics = content[:1]
    if topics and (
        units[topics[0]].roles & {Role.TOPIC, Role.ASIDE} or not anaphora.heads(units[topics[0]].text)
    ):
        topics += [i for i in content[1:] if units[i].opens_sentence and Role.ASIDE not in units[i].roles][:1]
    words = _words(units[i].text for i in rest)
    for i in topics:
        nouns = {noun.lower() for noun in anaphora.heads(units[i].text)}
        if i in group and not (nouns and nouns <= words):
            return False
    return True


def _says_nothing(unit: _Unit) -> bool:
    """Whether a unit is an opening that does not say what the message is about."""
    if unit.roles <= {Role.ASIDE} and (_STATE.match(unit.text) or not anaphora.heads(unit.text)):
        return True
    is_opening = bool(_OPENING.match(unit.text)) or unit.roles <= {Role.CLOSING}
    return is_opening and not anaphora.heads(unit.text)


def _words(texts: Iterable[str]) -> set[str]:
    return {
        form
        for text in texts
        for word in re.findall(r"[\w'’-]+", text.lower())
        for form in (word, word + "s", word.rstrip("s"))
    }


def _cost(units: Sequence[_Unit], i: int, intensity: int) -> float | None:
    """What a summary loses without a unit, from 0 on; None where it may not go."""
    unit = units[i]
    if unit.roles <= {Role.GREETING}:
        if i > 0:  # "bit of a long one, sorry"
            return None if re.search(r"\b[A-Z]", unit.text[1:]) else 0.0
        return 0.0 if intensity >= 2 and _GENERAL_GREETING.fullmatch(unit.text) else None
    if unit.roles <= {Role.CLOSING}:
        return None if _signs(unit.text) else 0.0
    if unit.roles & _ESSENTIAL:
        return None
    rest = " ".join(other.text for j, other in enumerate(units) if j != i)
    lost = set(facts.missing(unit.text, rest))
    kinds = {kind for kind, fact in facts.extract(unit.text) if fact in lost}
    if kinds & _POINTERS:
        return None
    is_over = bool(_PAST.search(unit.text)) and not _NOT_OVER.search(unit.text)
    if kinds & _WHEN and Role.ASIDE not in unit.roles and not is_over:
        return None
    is_aside = unit.roles <= {Role.ASIDE, Role.CLOSING}
    if _NEEDED.search(unit.text) and not (is_aside and unit.weight < 0.1):
        return None
    if unit.is_dependent and _NEGATION.search(unit.text) and not _CAUSE.match(unit.text):
        return None
    cost = unit.weight + sum(_COSTS.get(role, 0.0) for role in unit.roles)
    cost += min(_COST_OF_FACT * len(lost), 2 * _COST_OF_FACT)
    if not is_aside and _ACTS.search(unit.text) and not is_over:
        cost += _COST_OF_YOU
    if not is_aside and not unit.opens_sentence and not unit.is_dependent and _IN_LIST.search(unit.text):
        cost += _COST_IN_LIST
    if not is_aside and _PROBLEM.search(unit.text):
        cost += _COST_OF_PROBLEM
    if (
        not is_aside
        and not unit.opens_sentence
        and _NEGATION.search(unit.text)
        and not _CAUSE.match(unit.text)
    ):
        cost += _COST_OF_NEGATION  # "I asked, she didn't know"
    if not unit.opens_sentence and not unit.is_dependent:
        cost += _COST_AFTER_LINK
    return max(cost, 0.0)


def _signs(text: str) -> bool:
    """Whether a closing has the writer's name."""
    name = _SIGN_OFF.sub("", text)
    if name == text:
        return len(text.split()) <= 5 and not _CLOSES.match(text)
    return bool(_NAME.fullmatch(name))


def _edited(message: str, start: int, end: int, edits: Sequence[Edit]) -> str:
    """`message[start:end]` after the edits that lie inside it, or that only start at the comma before it."""
    inside = [
        Edit(
            edit.rule,
            edit.level,
            tuple(Change(max(a, start) - start, b - start, text) for a, b, text in edit.changes),
        )
        for edit in edits
        if start - 2 <= edit.start and edit.end <= end and edit.changes[0].end > start
    ]
    return script.apply(message[start:end], inside) if inside else message[start:end]


def _write(
    message: str,
    units: Sequence[_Unit],
    kept: Sequence[int],
    edits: Sequence[Edit],
    intensity: int,
    formal: bool,
) -> str:
    """The kept units as prose."""
    text = ""
    position = 0
    while position < len(kept):
        first = last = position
        while last + 1 < len(kept) and kept[last + 1] == kept[last] + 1:
            last += 1
        start, end = units[kept[first]], units[kept[last]]
        run = _edited(message, start.start, end.end, edits)
        position = last + 1
        if kept[first] == 0:
            text = run
        else:
            before = units[kept[first] - 1]
            gap = message[before.end : start.start]
            greeted = bool(text) and units[kept[first - 1]].roles <= _COURTESY
            if greeted or "\n" in gap:
                joint = gap if "\n" in gap else "\n"
            else:
                joint = " "
            if not start.opens_sentence:
                run = capital(LINK.sub("", run), formal)
            elif not text or text.endswith((".", "!", "?")):
                run = capital(LINK.sub("", run), formal)
            text = (text + joint if text else "") + run
        # What is dropped behind it may have been the end of its sentence.
        is_end = position < len(kept) or kept[-1] < len(units) - 1
        if is_end and not units[kept[last]].roles <= _COURTESY:
            text = _close(text, units, kept[last])
    if (bare := LINK.sub("", text)) != text and not LINK.match(message):
        text = capital(bare, formal)
    if intensity >= 2:
        text = _SIGN_OFF.sub("", text) if units[kept[-1]].roles <= {Role.CLOSING} else text
    return text.strip() if units[kept[-1]].roles <= {Role.CLOSING} else _close(text, units, kept[-1]).strip()


def _close(text: str, units: Sequence[_Unit], last: int) -> str:
    """A text whose last sentence has a mark, that of the dropped end of its sentence where it is a question."""
    text = text.rstrip().rstrip(",;–—-").rstrip()
    if text.endswith((".", "!", "?", ":", ")", '"', "…")):
        return text
    end = next((unit.text for unit in units[last + 1 :] if unit.text.endswith(("?", ".", "!"))), "")
    unit = units[last]
    is_question = end.endswith("?") and bool(_QUESTION.match(LINK.sub("", unit.text)))
    return text + ("?" if is_question else ".")
