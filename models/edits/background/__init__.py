"""Gives an English message the background that an outsider lacks.

A reason is never invented: a note marks what the message does not state.

    rules         proposes all edits

What is not stated
    topic         the main decision, change, request or problem, and what it lacks
    kinds         the kinds of decisions, from `kinds.tsv`
    reasons       whether the message may give a reason
    gaps          what else an outsider may miss, and whether the message states it
    mentions      what the message mentions as known: a decision of Tuesday, an event, a person
    allusions     what only those know who were there: "for obvious reasons", "after last time"

How it is written
    notes         in brackets, as a sentence, as a list
    terms         notes beside references, short names and tickets
    frame         the offer to answer questions, capitals
"""

from models.edits.background.rules import propose

__all__ = ["propose"]
