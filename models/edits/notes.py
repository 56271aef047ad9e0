"""The points of a sentence that is written as notes: what stands between its commas."""

import re

from models.edits import evidence, itemise
from models.edits.parts import LINK
from models.edits.segments import ORDER, VERB

# Pieces between commas, as people write notes: "doors shut at 6, sheets go to Ana, no picking".
_PIECE = re.compile(r",\s+")
_CONDITIONAL = re.compile(
    r"(?:(?:and|but)\s+)?(?:only\s+)?(?:if|when|whenever|once|unless|until|while|before|after|as\s+soon\s+as)\b",
    re.IGNORECASE,
)
_CONDITION_FIRST = re.compile(rf"(?!while\b){_CONDITIONAL.pattern}", re.IGNORECASE)
_PREDICATE = re.compile(
    rf"(?:[\w'’-]+\s+){{1,6}}?(?<!\bthe\s)(?<!\ba\s)(?<!\bour\s)(?<!\bmy\s)(?<!\byour\s)(?P<verb>{VERB}|closes|shut|stay|come|go|due)\b",
    re.IGNORECASE,
)
# A participle may hang on a verb before it: "the floor has to be swept, the gate closed".
# "Name, date or they stay" lists, and says what happens otherwise.
_OR_ELSE = re.compile(r"\s+or\s+(?:i|we|you|he|she|it|they|nobody)\b", re.IGNORECASE)
_PARTICIPLE = re.compile(
    r"\w+ed|left|held|found|sent|kept|made|brought|paid|sold|met|told|put|shut", re.IGNORECASE
)
_ORDER = re.compile(
    rf"(?:(?:and|then|also|please|pls)\s+)*(?:{evidence.DO}|{ORDER}\s+(?!of\b|is\b|are\b|due\b|\w+\s+(?:is|are|due)\b)\w)",
    re.IGNORECASE,
)
# These words want the things after them: "we need a tent, two tables".
_GOVERNS = re.compile(rf"^{ORDER}\b|\b(?:needs?|wants?|must|should|(?:has|have)\s+to|bring)\b", re.IGNORECASE)
# A word, or words that say when or where, belong to the clause after them: "in the afternoon, we ...".
_INTRODUCES = re.compile(
    rf"(?:\S+|(?:quick|day|good|bad|small)\s\S+|(?:as|because|since|although|though|given)\s.*|(?:\w+ing|in|on|at|by|for|from|to|with|without|before|after|during)(?:(?!\s{VERB}\b)\s+\S+)*)",
    re.IGNORECASE,
)
# "with name, content and date": the things after "with" go on.
_OPENS_LIST = re.compile(r"\b(?:with|including)\s+(?:\w+\s+){0,2}\w+$", re.IGNORECASE)
_AND_THE = re.compile(r"and\s+the\b", re.IGNORECASE)  # "and the warranty is two years"
_LONGEST_INTRODUCTION = 80
_LONGEST_SEARCHED = 200  # characters of a point, so that the work stays linear
_PERSON = re.compile(r"(?:i|we|you|he|she|it|they)\b", re.IGNORECASE)
_WE = re.compile(r"(?:and\s+)?we\s+\w+\s+\w", re.IGNORECASE)
_FORBIDS = re.compile(r"no\s+\w+ing\b", re.IGNORECASE)
_DETERMINED = re.compile(
    rf"(?:and\s+|or\s+)?(?:{itemise.DETERMINER}|two|three|four|five|six|seven|eight|nine|ten|all|more)\b",
    re.IGNORECASE,
)
_COUNTS = re.compile(r"(?:\d+|two|three|four|five|six|seven|eight|nine|ten)\b", re.IGNORECASE)
_NO_NOTES = re.compile(r":\s|[(\"]")
# What follows these words may be a part of what somebody says or of a reason.
_REPORTS = re.compile(
    r"\b(?:said|says|say|told|thinks?|thought|because|whether|(?:so|know|sure|means?)\s+that)\b",
    re.IGNORECASE,
)
# A condition, and the verbs of it and of what holds under it.
_HOLDS_IF = re.compile(r"(?:(?:and|but)\s+)?(?:only\s+)?(?:if|when|once)\b", re.IGNORECASE)
_SUBJECTS = re.compile(
    rf"\b(?:(?:i|we|you|he|she|it|they|everything|everyone|everybody)\s+\w+|{VERB}|{ORDER})\b", re.IGNORECASE
)
# Such a piece has no subject, or speaks of the piece before it: "looks like a leak", "whether it is so".
_NO_POINT = re.compile(
    rf"(?:and\s+|or\s+)?(?!(?:could|can|would|will)\s+(?:you|we|i|the|one|some\w+)\b)"
    rf"(?:{VERB}|\w+ed|\w+\s+than|wh(?:ether|at|ichever|atever|oever|erever)|how|nor|neither|either|no\s+matter)\b",
    re.IGNORECASE,
)
_FEWEST_WORDS = 3  # of a piece without a verb
_FEWEST_PIECES = 5  # of a sentence that is written as notes


def points(text: str) -> list[str]:
    """The points of a sentence that strings them together with commas; the text itself if it is one point.

    A piece between two commas that cannot stand alone stays with the piece before it.
    """
    if _NO_NOTES.search(text) or _CONDITION_FIRST.match(text):
        return [text]
    pieces = _PIECE.split(text)
    opening = LINK.sub("", pieces[0])
    clauses = sum(map(_is_point, pieces))
    in_notes = not (_has_verb(opening) or _PERSON.match(opening)) or (
        len(pieces) >= _FEWEST_PIECES and clauses * 2 > len(pieces)
    )
    result = [pieces[0]]
    before = pieces[0]
    for piece in pieces[1:]:
        if not _introduces(result[-1]) and _stands(piece, before, result[-1], in_notes):
            result.append(piece)
        else:
            result[-1] += ", " + piece
        before = piece
    return result


def _stands(piece: str, before: str, point: str, in_notes: bool) -> bool:
    """Whether a piece can stand alone after the piece before it, the last of a point."""
    orders = bool(_ORDER.match(point))
    if _CONDITIONAL.match(piece):
        return bool(_HOLDS_IF.match(piece)) and len(_SUBJECTS.findall(piece)) > 1
    if _CONDITION_FIRST.match(before) or _REPORTS.search(before) or _AND_THE.match(piece):
        return False  # it may hold only under that condition
    if _ORDER.match(piece):
        return in_notes or orders
    if _NO_POINT.match(piece):
        return False
    if _is_point(piece):
        return True
    words = len(piece.split())
    names = _DETERMINED.match(piece) and (not _COUNTS.match(piece) or words <= _FEWEST_WORDS)
    lists = _OPENS_LIST.search(before[-_LONGEST_INTRODUCTION:])
    governed = orders or lists or _GOVERNS.search(point[:_LONGEST_SEARCHED])
    return in_notes and words >= _FEWEST_WORDS and not (names or governed or itemise.GOES_ON.match(piece))


def _introduces(text: str) -> bool:
    if len(text) > _LONGEST_INTRODUCTION or _ORDER.match(text):
        return False
    return bool(_INTRODUCES.fullmatch(LINK.sub("", text)))


def _is_point(piece: str) -> bool:
    """Whether a piece is an order, or has a subject and a verb."""
    if _ORDER.match(piece) or _FORBIDS.match(piece) or _WE.match(piece):
        return True
    return not itemise.GOES_ON.match(piece) and _has_verb(piece)


def _has_verb(piece: str) -> bool:
    verb = _PREDICATE.match(_OR_ELSE.split(piece)[0])
    return verb is not None and not _PARTICIPLE.fullmatch(verb["verb"])
