"""Explains the terms of an English message: a gloss in brackets after the first use of each.

The terms are in `models.edits.glossary`. `words.yaml` has the words by which their places are judged,
`fields.yaml` the fields whose terms often stand together.

    rules     proposes all glosses
    scan      a message as all terms ask about it
    senses    which entry of the glossary a term stands for
    places    where each gloss goes
"""

from models.edits.terminology.rules import explain_own, propose

__all__ = ["explain_own", "propose"]
