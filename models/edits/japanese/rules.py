"""Edits of Japanese messages, for all transform types.

`propose` gives small edits for soften, clarify, terminology, background and summarize. Structure and
requirements arrange whole sentences, so `rewrite` builds those texts and offers each as one edit.
"""

from bisect import bisect_left
from collections.abc import Callable

from data.records import TransformType
from models import facts
from models.edits import script
from models.edits.japanese.lines import (
    requirements,
    structure,
    summarize,
)
from models.edits.japanese.notes import (
    background,
    clarify,
    terminology,
)
from models.edits.japanese.phrases import MOST_EDITS
from models.edits.japanese.soften import (
    soften,
)
from models.edits.script import Change, Edit


def propose(message: str, transform_type: TransformType) -> list[Edit]:
    """All edits of all levels for a transform type; none for structure and requirements (`rewrite`)."""
    match transform_type:
        case TransformType.SOFTEN:
            edits = soften(message)
        case TransformType.CLARIFY:
            edits = clarify(message)
        case TransformType.TERMINOLOGY:
            edits = terminology(message)
        case TransformType.BACKGROUND:
            edits = background(message)
        case TransformType.SUMMARIZE:
            edits = summarize(message)
        case _:
            edits = []
    return _keeping_facts(message, edits[:MOST_EDITS])


def _keeping_facts(message: str, edits: list[Edit]) -> list[Edit]:
    """The edits that keep every fact; only those that touch one are applied to find out."""
    spans = sorted((span.start, span.end) for span in facts.spans(message)) if edits else []
    starts = [start for start, _ in spans]

    def touches(edit: Edit) -> bool:
        return any(
            spans[index - 1][1] > change.start
            for change in edit.changes
            if change.end > change.start and (index := bisect_left(starts, change.end))
        )

    return [edit for edit in edits if not touches(edit) or script.keeps_facts(message, edit)]


def rewrite(
    message: str,
    transform_type: TransformType,
    intensity: int,
    accepts: Callable[[Edit], bool] = lambda edit: True,
) -> str | None:
    """The message rewritten by the accepted edits; None when there is nothing good to do."""
    if intensity < 1 or not message.strip():
        return None
    if transform_type in (TransformType.STRUCTURE, TransformType.REQUIREMENTS):
        arrange = structure if transform_type is TransformType.STRUCTURE else requirements
        text = arrange(message, intensity)
        if text is None or not accepts(
            Edit(f"{transform_type}.lines", intensity, (Change(0, len(message), text),))
        ):
            return None
    else:
        edits = script.select(propose(message, transform_type), intensity, accepts)
        text = script.apply(message, edits)
        if transform_type is TransformType.SUMMARIZE and 33 * len(text) > 32 * len(message):
            return None  # a summary of the same length is none
    if text.strip() == message.strip() or facts.missing(message, text):
        return None
    return text
