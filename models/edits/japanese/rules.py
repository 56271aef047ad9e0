"""Edits of Japanese messages, for all transform types.

`propose` gives small edits for soften, clarify, terminology, background and summarize. Structure and
requirements arrange whole sentences. The tagger has no Japanese labels, so all edits are made that fit.
"""

from collections.abc import Sequence

from data.records import Term, TransformType
from models import facts, own_terms
from models.edits import script
from models.edits.japanese.background import background
from models.edits.japanese.clarify import clarify
from models.edits.japanese.phrases import MOST_EDITS
from models.edits.japanese.requirements import requirements
from models.edits.japanese.soften import soften
from models.edits.japanese.structure import structure
from models.edits.japanese.summary import summarize
from models.edits.japanese.terminology import terminology
from models.edits.script import Edit


def propose(message: str, transform_type: TransformType, terms: Sequence[Term] = ()) -> list[Edit]:
    """All edits of all levels for a transform type; none for structure and requirements (`rewrite`). `terms`
    are those of dictionaries.
    """
    match transform_type:
        case TransformType.SOFTEN:
            edits = soften(message)
        case TransformType.CLARIFY:
            edits = clarify(message)
        case TransformType.TERMINOLOGY:
            edits = terminology(message, terms)
        case TransformType.BACKGROUND:
            edits = background(message, terms)
        case TransformType.SUMMARIZE:
            edits = summarize(message)
        case _:
            edits = []
    return script.keep_facts(message, edits[:MOST_EDITS], own_terms.list_kept(terms))


def rewrite(
    message: str, transform_type: TransformType, intensity: int, terms: Sequence[Term] = ()
) -> str | None:
    """The message rewritten by all edits that fit together; None when there is nothing good to do."""
    if intensity < 1 or not message.strip():
        return None
    if transform_type is TransformType.STRUCTURE:
        text = structure(message, intensity)
    elif transform_type is TransformType.REQUIREMENTS:
        text = requirements(message, intensity)
    else:
        edits = script.select(propose(message, transform_type, terms), intensity)
        text = script.apply(message, edits)
        if transform_type is TransformType.SUMMARIZE and 33 * len(text) > 32 * len(message):
            return None  # a summary of the same length is none
    if text is None or text.strip() == message.strip() or facts.missing(message, text):
        return None
    return text
