"""Nouns without what makes them definite: persons, things, quantities, days."""

import itertools
import re

from models.edits.clarify.message import MOST, QUOTED, Message
from models.edits.clarify.notes import RANKS, Note
from models.edits.clarify.sentences import CONDITION, is_request

_PERSONS = (
    "client|customer|supplier|vendor|contractor|agency|candidate|owner|landlord|lender|tenant|"
    "applicant|auditor|consultant|architect|inspector|buyer|seller|provider|source|technician|plumber|"
    "electrician|intern|speaker|author|caterer|carrier|insurer|donor|sponsor|courier|translator|"
    "photographer|developer|builder|surveyor|broker"
)
_THINGS = (
    "report|document|file|form|contract|invoice|page|slide|deck|spreadsheet|template|meeting|workshop|"
    "project|system|server|machine|device|"
    "printer|tool|app|script|dashboard|batch|model|campaign|shipment|delivery|order|database|pipeline|"
    "job|ticket|feature|module|update|"
    "change|offer|quote|proposal|presentation|brochure|booking|event|course|test|release|migration|"
    "table|chart|list|draft|sample|part|"
    "wording|storage|site|line|room|display|label|brand|method|split|policy|process|rule|rules|"
    "schedule|budget|account|bill|logo|photo|picture|recordings|recording|"
    "video|newsletter|audit|review|call|demo|warehouse|shop|branch|library|popup|banner|"
    "header|layout|design|color|colour|price|prices|terms|discount|deal|"
    "parts|unit|van|car|truck|trailer|pump|sensor|press|furnace|oven|fridge|lift|elevator|door|"
    "gate|window|projector|screen|laptop|phone|key|keys|card|badge|"
    "class|lesson|exam|recipe|menu|ward|clinic|kit|box|boxes|pallets|pallet|crates|goods|material|"
    "materials|stock|shelf|shelves|desks|desk|chairs|"
    "survey|study|paper|article|story|chapter|section|paragraph|title|text|translation|query|index|"
    "cluster|backup|restore|build|deploy|deployment|fix|patch|bug|issue|"
    "data|notes|agenda|guidelines|guideline|checklist|manual|figures|costs|expenses|receipts|"
    "timesheets|applications|candidates|clients|customers|users|"
    "reports|documents|files|forms|invoices|slides|numbers|results|samples|changes|"
    "orders|drawings|photos|pictures|logs|links|minutes|papers"
)
# Of these a workplace often has only one, so a note is of use only where nothing else is vague.
KNOWN_HERE = re.compile(
    r"oven|fridge|lift|elevator|door|gate|furnace|press|van|car|truck|trailer|pallet|pallets|crates|shelf|"
    r"shelves|desk|desks|chairs|box|boxes|site|line|room|shop|branch|library|warehouse|ward|clinic|"
    r"storage|data|budget|stock|material|materials|goods|wording|design|color|colour|price|prices|key|"
    r"keys|phone|laptop|window|projector|screen|kit|policy|process|rule|rules|menu|class|method|pump|"
    r"sensor|minutes|costs|expenses|agenda|schedule|display|unit|card|badge|layout|header|label|brand|"
    r"popup|terms|split|audit|printer",
    re.I,
)
_UNNAMED = re.compile(
    rf"(?<![\w'-])(?P<article>the |our |a |an )?(?:(?:new|old|latest|final|current|big|next) "
    rf")?(?:(?P<person>{_PERSONS})|(?P<thing>{_THINGS}))(?=\s*[,.!?;]|$|"
    r" (?:is|are|was|were|has|have|needs?|will|can|can't|could|should|must|does|doesn't|do|don't|did|"
    r"didn't|isn't|aren't|wasn't|won't|and|but|before|after|again|"
    r"from now on|today|tomorrow|yet|still|now|because|so|or|if|until|please|pls|asap|soon|later|"
    r"this week|next "
    r"week|looks?|says?|said|wants?|wanted|asked|asks|called|"
    r"failed|fails|keeps|came|went|got|changed|broke|seems?|stopped)\b)",
    re.I,
)
_SPEAKS = re.compile(
    r" (?:says|said|wants|asked|asks|called|complained|complains|needs|reported|reports|told|is|has|was)\b",
    re.I,
)
_THANKS = re.compile(r"\b(?:thank|thanks|thx|sorry)\b", re.I)
# "The lady by the window": the place tells who is meant.
_TOLD_APART = re.compile(
    r"\b(?:the|that|this|a|an|our) [a-z]+ (?:by|near|at|behind|beside|opposite|outside|next to) $", re.I
)
# "Not our call": a decision, and no talk.
_CHOICE = re.compile(r"(?:\b(?:not|is|was|be|isn't|wasn't|make|makes|made|making)|'s) $", re.I)
_PLURAL = frozenset({"data", "goods", "keys"})
_SPECIFIC = frozenset({"ticket", "identifier", "url", "version"})


def is_plural(noun: str) -> bool:
    """Whether a noun in lower case looks like a plural: "reports", but not "class"."""
    return noun.endswith("s") and not noun.endswith("ss")


def find_unnamed(read: Message, with_known: bool = True) -> list[Note]:
    """Persons and things with an article and nothing that says which they are, each at its first mention.

    Where there is none, `with_known` adds things of which a workplace often has only one.
    """
    result: list[Note] = []
    seen: set[str] = set()
    known: list[Note] = []
    # A long message or one with many figures is no vague one: there the notes would be pedantic.
    detailed = len(read.text) > 250 or sum(span.kind in {"number", "time", "date"} for span in read.facts) > 2
    specific = (
        detailed or any(span.kind in _SPECIFIC for span in read.facts) or bool(QUOTED.search(read.text))
    )
    at_start = read.starts
    for match in itertools.islice(_UNNAMED.finditer(read.text), MOST):
        person, thing = match.group("person"), match.group("thing")
        word = (person or thing).lower()
        stem = word[:-1] if word.endswith("s") else word
        article = (match.group("article") or "").lower().strip()
        bare = not article
        if article in {"a", "an"} and not (person and _SPEAKS.match(read.text, match.end())):
            continue
        if (bare and match.start() not in at_start) or _THANKS.search(
            read.text, max(0, match.start() - 30), match.start()
        ):
            continue
        if stem in seen or re.search(rf"(?<![\w'-]){stem}", read.text[: match.start()], re.I):
            continue
        if article == "the" and _TOLD_APART.search(read.text[: match.start()]):
            continue
        if word == "call" and _CHOICE.search(read.text[: match.start()]):
            continue
        seen.add(stem)
        if re.search(rf"(?<!the )(?<!our )\b{word}\b", read.text[match.end() :], re.I):
            continue
        words = f"the {match.group().lower()}" if bare else match.group()
        words = words[:1].upper() + words[1:] if match.start() in at_start else words
        if person and not read.has_names():
            result.append(Note("person", RANKS["person"], *match.span(), words, "name not stated"))
        elif thing and not specific:
            several = is_plural(word) or word in _PLURAL
            gap = "which ones is not stated" if several else "which one is not stated"
            note = Note("thing", RANKS["thing"], *match.span(), words, gap)
            (known if KNOWN_HERE.fullmatch(word) else result).append(note)
    return result or (known if with_known else [])


_QUANTITY = re.compile(
    r"(?<![\w'-])(?:some|a few|several|many|most|a lot|lots|a couple|half|parts|none|one or two) of "
    r"(?:the|our|these|those|my|your|their) "
    r"(?:(?:old|new|other|last|first|older|newer|bigger|open|big|small|larger|current|existing) "
    r")?(?P<head>[a-z]{3,20}s)(?P<after>\s*[,.!?;]|$| [a-z']+)"
    r"|(?<![\w'-])(?:a few|several|some|a couple of) (?:(?:old|new|other|more|small|open|extra|minor) "
    r")?(?P<head2>[a-z]{3,20}s)(?P<after2>\s*[,.!?;]|$| [a-z']+)",
    re.I,
)
_AFTER_NOUN = frozenset(
    {
        *("is", "are", "was", "were", "has", "have", "had", "look", "looks", "do", "don't", "did"),
        *("didn't", "can", "can't", "could", "will", "would", "should", "must", "may", "might"),
        *("need", "needs", "still", "also", "from", "in", "on", "at", "for", "that", "who"),
        *("which", "to", "and", "or", "but", "with", "before", "after", "by", "again", "got"),
        *("get", "say", "says", "want", "seem", "went", "came", "cannot", "won't", "aren't"),
        *("weren't", "haven't", "if", "when", "until", "because", "so", "today", "yesterday"),
        *("tomorrow", "this", "last", "next", "about", "upstairs", "downstairs", "here", "there"),
        *("please", "pls", "as"),
    }
)
_UNIT = frozenset(
    {
        *("times", "days", "weeks", "hours", "minutes", "months", "years", "things", "ways"),
        *("always", "this", "his", "us", "its", "was", "has", "is", "does", "thanks", "guys"),
        *("yes", "perhaps", "as"),
    }
)


def find_quantities(read: Message) -> list[Note]:
    """A vague number of things, where the words around show that the noun ends there."""
    result = []
    for match in itertools.islice(_QUANTITY.finditer(read.text), MOST):
        group = "" if match.group("head") else "2"
        head, after = match.group("head" + group), match.group("after" + group).strip().lower()
        if (
            head.lower() in _UNIT
            or head.lower().endswith("ss")
            or (after.isalpha() and after not in _AFTER_NOUN)
        ):
            continue
        start, end = match.start(), match.end("head" + group)
        sentence = read.sentence(start)
        if any(span.kind == "number" and sentence.start <= span.start < sentence.end for span in read.facts):
            continue
        if CONDITION.search(read.text, sentence.start, start):
            continue
        words = read.text[start:end]
        words = words[:1].upper() + words[1:] if start in read.starts else words
        gap = (
            "which ones is not stated"
            if words.lower().startswith(("some", "parts of", "most of", "half of"))
            else "how many is not stated"
        )
        result.append(Note("quantity", RANKS["quantity"], start, end, words, gap))
    return result


_DAY = re.compile(
    r"(?<![\w'-])(?:(?P<by>by|before|until|till|on|to) (?:next |this )?(?:(?:mon|tues|wednes|thurs|fri|"
    r"satur|sun)day|tomorrow)"
    r"(?=\s*[,.!?;]|$| (?:and|but|please|at the latest|because|so|or|for|in|with)\b)|(?:today|"
    r"tomorrow)(?=\s*[,.!?;]|$))",
    re.I,
)


def find_days_without_time(read: Message) -> list[Note]:
    """A day without a time, in a request or for something that starts at a time."""
    if any(span.kind == "time" for span in read.facts) or re.search(
        r"\b(?:noon|midnight|morning|afternoon|evening|lunch|hours?|o'clock|all day|end of)\b",
        read.text,
        re.I,
    ):
        return []
    for match in itertools.islice(_DAY.finditer(read.text), MOST):
        item = read.sentence(match.start())
        words = read.words(item)
        by = (match.group("by") or "").lower()
        if by in {"on", "to"} or not by:
            fits = bool(
                re.search(
                    r"\b(?:meet|meeting|visit|come|comes|call|arrive|arrives|pick|collect|collected|"
                    r"delivered|delivery|start|starts|workshop|interview|talk|demo|training|"
                    r"appointment)\b",
                    words,
                    re.I,
                )
            )
            fits = fits or (not by and is_request(words))
        else:
            fits = is_request(words)
        if (
            fits
            and not CONDITION.search(words)
            and not re.search(r"\bat \w+", read.text[match.end() : match.end() + 8])
        ):
            return [
                Note("time_of_day", RANKS["time_of_day"], *match.span(), match.group(), "time not stated")
            ]
    return []
