"""What people's feedback says about the edits of a message: which of them a rewrite has.

A version of edits writes a message by decisions: each edit that the rules propose, in a fixed order, is
accepted or refused (`models.edits.script.decide`). A search finds the set of edits that gives a rewrite's
text, and so the decisions behind it. Edits seldom give the text of a person's own correction. There the
search takes the nearest set, and only the edits count that bring the message nearer to the correction, or
take it farther away.
"""

import re
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from rapidfuzz.distance import Indel

from data.records import Demonstration, Label, PreferencePair, Split, TransformType
from models import languages
from models.edits import script, writer
from models.edits.script import Edit

_WORDS = re.compile(r"\w+|[^\w\s]|\n")
_MOST_PASSES = 8  # over all edits; a search that has not reached the text by then takes the nearest set

Decisions = tuple[tuple[Edit, bool], ...]  # each edit that was decided on, and whether it was accepted


@dataclass(frozen=True)
class Ballot:
    """One piece of feedback on a message, as decisions on its edits.

    A comparison has `preferred`, the decisions of the chosen rewrite, and `other`, those of the rejected
    rewrite. A good rating has `preferred` only, a bad rating has `other` only. A correction has `corrected`:
    the edits that it has (True) or has not (False).
    """

    message: str
    split: Split
    preferred: Decisions = ()
    other: Decisions = ()
    corrected: Decisions = ()

    @property
    def is_comparison(self) -> bool:
        """Whether two rewrites were compared."""
        return bool(self.preferred and self.other)

    def lead(self, rules: Set[str]) -> int:
        """How many more edits of these rules the preferred rewrite has than the other one."""

        def count(decisions: Decisions) -> int:
            return sum(accepted for edit, accepted in decisions if edit.rule in rules)

        return count(self.preferred) - count(self.other)


def decisions(message: str, transform_type: TransformType, intensity: int, rewrite: str) -> Decisions | None:
    """The decisions by which a version of edits wrote `rewrite`.

    None when the search finds no set of edits that gives that text, as after a change of the rules, when the
    message is not English, and for a transform type that arranges parts.
    """
    edits = _proposed(message, transform_type)
    if not edits:
        return None
    made, distance = _nearest(message, edits, intensity, rewrite)
    if distance > 0:
        return None
    return tuple(script.decide(edits, intensity, lambda edit: edit in made))


def corrections(message: str, transform_type: TransformType, intensity: int, correction: str) -> Decisions:
    """The edits that a person's correction has (True) or has not (False).

    An edit is left out when the message is as near to the correction with it as without it.
    """
    edits = _proposed(message, transform_type)
    if not edits:
        return ()
    made, distance = _nearest(message, edits, intensity, correction)
    target = _WORDS.findall(correction)
    result = []
    for edit, accepted in script.decide(edits, intensity, lambda edit: edit in made):
        toggled = _toggle(made, edit)
        if _distance(message, toggled, target) > distance:
            result.append((edit, accepted))
    return tuple(result)


def ballots(
    pairs: Iterable[PreferencePair], labels: Iterable[Label], demonstrations: Iterable[Demonstration]
) -> tuple[list[Ballot], int]:
    """The feedback that says something about edits, and the number of rows that do not.

    Feedback says nothing when the message is not English, when the transform type arranges parts, when the
    search finds no edits that give the text, and when two rewrites have the same edits.
    """
    result: list[Ballot] = []
    skipped = 0
    for pair in pairs:
        request = (pair.text, pair.transform_type, pair.intensity)
        preferred, other = decisions(*request, pair.chosen), decisions(*request, pair.rejected)
        if preferred is None or other is None or preferred == other:
            skipped += 1
        else:
            result.append(Ballot(pair.text, pair.split, preferred, other))
    for label in labels:
        made = decisions(label.text, label.transform_type, label.intensity, label.rewrite)
        if made is None:
            skipped += 1
        elif label.good:
            result.append(Ballot(label.text, label.split, preferred=made))
        else:
            result.append(Ballot(label.text, label.split, other=made))
    for row in demonstrations:
        corrected = corrections(row.text, row.transform_type, row.intensity, row.rewrite)
        if corrected:
            result.append(Ballot(row.text, row.split, corrected=corrected))
        else:
            skipped += 1
    return result, skipped


def _proposed(message: str, transform_type: TransformType) -> list[Edit]:
    if languages.identify(message) != "en":
        return []
    return writer.propose(message, transform_type) or []


def _nearest(
    message: str, edits: Sequence[Edit], intensity: int, rewrite: str
) -> tuple[frozenset[Edit], int]:
    """The set of edits that brings the message nearest to the rewrite, and their distance in words.

    It changes one edit at a time, as long as that brings it nearer.
    """
    target = _WORDS.findall(rewrite)
    usable = [edit for edit in edits if edit.level <= intensity]
    made: frozenset[Edit] = frozenset()
    distance = _distance(message, made, target)
    for _ in range(_MOST_PASSES):
        before = distance
        for edit in usable:
            toggled = _toggle(made, edit)
            if (candidate := _distance(message, toggled, target)) < distance:
                made, distance = toggled, candidate
        if distance in (0, before):
            break
    return made, distance


def _toggle(made: frozenset[Edit], edit: Edit) -> frozenset[Edit]:
    """The set without the edit, or with it and without those that it excludes."""
    if edit in made:
        return made - {edit}
    return frozenset(other for other in made if not script.collide(edit, other)) | {edit}


def _distance(message: str, made: frozenset[Edit], target: Sequence[str]) -> int:
    """Words and marks to delete and insert between the edited message and the target."""
    return Indel.distance(_WORDS.findall(script.apply(message, made)), target)
